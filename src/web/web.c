/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts put together, and when they are not needed any more */
#include "web/web.h"

#include <signal.h>
#include <systemd/sd-daemon.h>

#include "os/clock.h"
#include "os/log.h"
#include "os/trim.h"
#include "web/arrivals.h"

usec_t web_now(const struct web *w)
{
        return clock_now().mono_usec;
}

static bool is_idle(const struct web *w)
{
        return sessions_is_empty(&w->sessions) && server_n_requests(w->server) == 0;
}

/* Whoever asks from now on, on the bus or by HTTP, is served by the next of us. */
static int leave(struct web *w)
{
        log_debug("Nobody is signed in, and nobody comes: until later.");
        (void)sd_notify(false, "STOPPING=1");
        service_leave(w->service);
        return sd_event_exit(w->event, 0);
}

void web_look(struct web *w)
{
        usec_t deadline = sessions_deadline(&w->sessions);
        int r;

        if (!is_idle(w))
                w->idle_since_usec = USEC_INFINITY;
        else {
                if (w->idle_since_usec == USEC_INFINITY) {
                        w->idle_since_usec = web_now(w);
                        trim_memory();
                }
                deadline = usec_min(deadline, usec_add(w->idle_since_usec, w->settings->idle_usec));
        }
        if (deadline == USEC_INFINITY)
                r = sd_event_source_set_enabled(w->timer, SD_EVENT_OFF);
        else {
                r = sd_event_source_set_time_relative(w->timer, usec_sub(deadline, web_now(w)));
                if (r >= 0)
                        r = sd_event_source_set_enabled(w->timer, SD_EVENT_ONESHOT);
        }
        if (r < 0)
                (void)sd_event_exit(w->event, r);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct web *w = userdata;

        sessions_advance(&w->sessions, web_now(w));
        files_forget_closed(w);
        web_look(w);
        if (is_idle(w) && web_now(w) >= usec_add(w->idle_since_usec, w->settings->idle_usec))
                return leave(w);
        return 0;
}

static int start(struct web *w, int fd)
{
        int r;

        r = sd_event_add_time(w->event, &w->timer, CLOCK_MONOTONIC, 0, 0, on_timer, w);
        if (r >= 0)
                r = sd_event_source_set_enabled(w->timer, SD_EVENT_OFF);
        if (r >= 0)
                r = stream_start(w);
        for (size_t i = 0; r >= 0 && i < 2; i++)
                r = sd_event_add_signal(w->event, NULL, i == 0 ? SIGTERM : SIGINT, NULL, NULL);
        if (r < 0)
                return log_error_errno(r, "Failed to set up the event loop: %m");
        if (w->settings->state) {
                r = arrivals_open(w->settings->state, &w->directory);
                if (r < 0)
                        return log_error_errno(
                                r, "Failed to open the directory %s: %m", w->settings->state);
        }
        r = service_new(w, &w->service);
        if (r < 0)
                return r;
        r = server_new(w->event, fd, &door_handlers, w, &w->server);
        if (r < 0)
                return log_error_errno(r, "Failed to start the web server: %m");
        web_look(w);
        return 0;
}

int web_new(const struct settings *settings, int fd, struct web **ret)
{
        _cleanup_(web_freep)
        struct web *w = calloc(1, sizeof(*w));
        int r;

        if (!w)
                return log_oom();
        w->settings = settings;
        w->directory = -EBADF;
        w->idle_since_usec = USEC_INFINITY;
        list_init(&w->streams);
        list_init(&w->waiting);
        list_init(&w->uploads);
        feed_init(&w->feed);
        sessions_init(&w->sessions);
        w->sessions.token_usec = settings->token_usec;
        w->sessions.session_usec = settings->session_usec;
        r = sd_event_default(&w->event);
        if (r < 0)
                return log_error_errno(r, "Failed to make the event loop: %m");
        r = start(w, fd);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(w);
        return 0;
}

struct web *web_free(struct web *w)
{
        if (!w)
                return NULL;
        /* In this order: nobody is answered any more, then nobody waits. */
        service_free(w->service);
        server_free(w->server);
        files_done(w);
        sd_event_source_disable_unref(w->flush);
        sd_event_source_disable_unref(w->beat);
        sd_event_source_disable_unref(w->timer);
        feed_done(&w->feed);
        sd_event_unref(w->event);
        free(w);
        return NULL;
}

int web_run(struct web *w)
{
        (void)sd_event_set_watchdog(w->event, true);
        (void)sd_notify(false, "READY=1");
        return sd_event_loop(w->event);
}
