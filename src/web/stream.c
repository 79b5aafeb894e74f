/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is new, until one of us goes: a line of JSON for each event
 *
 * The first line tells where the feed stands; whoever wants to know what was before asks for the
 * history since the last message it has. All lines are kept once, in the feed; a stream is a
 * position in it. What is new goes out at once where few listen, and is gathered a little where
 * many do: what counts then is not the lines but the number of times that each stream is woken.
 *
 * A stream that its reader does not read stands still, until the feed has passed it: then it ends
 * with a line that says so. Now and then each gets an empty line, by which also we see who is gone.
 */
#include <stdio.h>

#include "web/json.h"
#include "web/web.h"

#define BEAT_USEC (15 * USEC_PER_SEC)
#define STREAMS_PER_MSEC 10 /* that gather for a millisecond */
#define GREETING_SIZE_MAX 128

static const char behind[] = "\n{\"type\":\"behind\"}\n";
static const char replaced[] = "\n{\"type\":\"replaced\"}\n";

static ssize_t give(char *data, size_t size, const char *text)
{
        size_t n = MIN(size, strlen(text));

        memcpy(data, text, n);
        return (ssize_t)n;
}

static ssize_t read_stream(struct request *request, char *data, size_t size)
{
        struct visit *v = request_data(request);
        char greeting[GREETING_SIZE_MAX];
        ssize_t n;

        if (v->is_over || !v->session->is_open)
                return SOURCE_END;
        if (!v->is_greeted) {
                v->is_greeted = true;
                (void)snprintf(greeting, sizeof(greeting), "{\"type\":\"hello\",\"service\":%s}\n",
                        service_is_there(v->web->service) ? "true" : "false");
                return give(data, size, greeting);
        }
        if (v->position == 0) {
                v->is_over = true;
                return give(data, size, replaced);
        }
        n = feed_read(&v->web->feed, &v->position, data, size);
        if (n < 0) {
                v->is_over = true;
                return give(data, size, behind);
        }
        if (n == 0 && web_now(v->web) >= usec_add(v->beat_usec, BEAT_USEC))
                n = give(data, size, "\n");
        if (n > 0)
                v->beat_usec = web_now(v->web);
        return n > 0 ? n : SOURCE_WAIT;
}

static void wake_all(struct web *w)
{
        list_for_each (i, &w->streams)
                request_wake(container_of(i, struct visit, list)->request);
}

static int on_flush(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct web *w = userdata;

        w->flushed_usec = web_now(w);
        wake_all(w);
        return 0;
}

static int arm(sd_event_source *source, usec_t usec)
{
        int r = sd_event_source_set_time_relative(source, usec);

        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_beat(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct web *w = userdata;

        if (w->n_streams == 0)
                return 0;
        wake_all(w);
        return arm(w->beat, BEAT_USEC);
}

int stream_start(struct web *w)
{
        int r = sd_event_add_time(w->event, &w->flush, CLOCK_MONOTONIC, 0, 0, on_flush, w);

        if (r >= 0)
                r = sd_event_source_set_enabled(w->flush, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time(w->event, &w->beat, CLOCK_MONOTONIC, 0, 0, on_beat, w);
        if (r >= 0)
                r = sd_event_source_set_enabled(w->beat, SD_EVENT_OFF);
        return r;
}

void stream_tell(struct web *w, const struct buffer *line)
{
        usec_t gather = w->n_streams / STREAMS_PER_MSEC * USEC_PER_MSEC;
        usec_t due = usec_add(w->flushed_usec, gather), now = web_now(w);
        int enabled = SD_EVENT_OFF;

        if (w->n_streams == 0)
                return;
        (void)feed_append(&w->feed, (const char *)line->data, line->size);
        (void)sd_event_source_get_enabled(w->flush, &enabled);
        if (enabled == SD_EVENT_OFF && arm(w->flush, usec_sub(due, now)) < 0)
                wake_all(w);
}

/* The oldest stream of who has the most of them, if that is more than @session has. */
static struct visit *find_greedy(struct web *w, const struct session *session)
{
        struct visit *found = NULL;

        list_for_each (i, &w->streams) {
                struct visit *v = container_of(i, struct visit, list);
                unsigned least = found ? found->session->n_streams : session->n_streams + 1;

                if (v->position != 0 && v->session->n_streams > least)
                        found = v;
        }
        return found;
}

void stream_begin(struct visit *v)
{
        struct web *w = v->web;
        struct visit *greedy = NULL;

        if (w->n_streams >= STREAMS_MAX) {
                greedy = find_greedy(w, v->session);
                if (!greedy) {
                        visit_refuse(v, 503, "LimitsExceeded",
                                "%d pages are open already; close one of them.", STREAMS_MAX);
                        return;
                }
                /* A position that was never read: see read_stream(). */
                greedy->position = 0;
                request_wake(greedy->request);
        }
        v->is_stream = true;
        v->position = feed_end(&w->feed);
        v->beat_usec = web_now(w);
        v->session->n_streams++;
        list_append(&w->streams, &v->list);
        if (w->n_streams++ == 0)
                (void)arm(w->beat, BEAT_USEC);
        service_follow(w->service);
        request_answer_source(v->request, "application/x-ndjson; charset=utf-8", NULL, read_stream);
}

void stream_end(struct visit *v)
{
        struct web *w = v->web;

        if (!v->is_stream)
                return;
        v->session->n_streams--;
        list_remove(&v->list);
        if (--w->n_streams == 0)
                feed_clear(&w->feed);
}

void stream_close_session(struct web *w, const struct session *session)
{
        list_for_each (i, &w->streams) {
                struct visit *v = container_of(i, struct visit, list);

                if (v->session == session)
                        request_wake(v->request);
        }
}
