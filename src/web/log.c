/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The whole log, or that of one conversation: /log, oldest first, read page by page from the
 * service while the other side takes it
 *
 * As text the lines are those of history.log; as JSON it is one array of messages.
 */
#include <stdio.h>
#include <time.h>

#include "bus/client.h"
#include "bus/names.h"
#include "web/json.h"
#include "web/page.h"
#include "web/web.h"

/* A page has at most 1 MiB, and each byte of it at most six in JSON, besides the names. */
#define PAGE_ROWS 1000
#define PAGE_SIZE_MAX (16 * 1024 * 1024)

struct download {
        bool is_json;
        char *user;
        uint64_t since;     /* all up to here was read */
        struct buffer text; /* of the present page */
        size_t given;       /* bytes of it that went out */
        bool is_asking;     /* the next page is under way */
        bool is_last, is_broken;
        bool has_rows;
};

static int append_time(struct buffer *b, usec_t usec)
{
        time_t seconds = (time_t)(usec / USEC_PER_SEC);
        struct tm tm;
        char text[64], fraction[16];

        if (!gmtime_r(&seconds, &tm) || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
                (void)snprintf(text, sizeof(text), "9999-12-31T23:59:59");
        (void)snprintf(fraction, sizeof(fraction), ".%06uZ", (unsigned)(usec % USEC_PER_SEC));
        return buffer_append_string(b, text) < 0 ? -ENOMEM : buffer_append_string(b, fraction);
}

static int append_line(struct buffer *b, const struct bus_message *m)
{
        const char *fields[] = { streq(m->direction, "sent") ? "SENT" : "RECEIVED", m->user,
                m->address, m->security, m->text };
        int r = append_time(b, m->time_usec);

        for (size_t i = 0; r == 0 && i < ELEMENTSOF(fields); i++) {
                r = buffer_append(b, "\t", 1);
                if (r == 0)
                        r = page_append_log(b, fields[i]);
        }
        return r < 0 ? r : buffer_append(b, "\n", 1);
}

static int append_object(struct buffer *b, const struct bus_message *m, bool is_first)
{
        int r = buffer_append_string(b, is_first ? "" : ",\n");

        return r < 0 ? r : json_append_message(b, m);
}

static int append_page(struct download *d, sd_bus_message *reply)
{
        struct bus_message m;
        size_t n = 0;
        int r;

        buffer_clear(&d->text);
        d->given = 0;
        r = sd_bus_message_enter_container(reply, 'a', "(" P2PCHAT_BUS_MESSAGE_ROW ")");
        if (r < 0)
                return r;
        if (d->is_json && d->since == 0 && (r = buffer_append_string(&d->text, "[\n")) < 0)
                return r;
        while ((r = bus_message_next(reply, &m)) > 0) {
                r = d->is_json ? append_object(&d->text, &m, !d->has_rows)
                               : append_line(&d->text, &m);
                if (r < 0)
                        return r;
                d->has_rows = true;
                d->since = m.sequence;
                n++;
        }
        if (r < 0)
                return r;
        /* A page may have fewer rows than it was asked for, but only the last has none. */
        d->is_last = n == 0;
        return d->is_last && d->is_json ? buffer_append_string(&d->text, "\n]\n") : 0;
}

static int ask(struct visit *v);

static ssize_t read_log(struct request *request, char *data, size_t size)
{
        struct visit *v = request_data(request);
        struct download *d = v->download;
        size_t n = MIN(size, d->text.size - d->given);

        if (n > 0) {
                memcpy(data, d->text.data + d->given, n);
                d->given += n;
                return (ssize_t)n;
        }
        if (d->is_broken || !v->session->is_open)
                return SOURCE_BROKEN;
        if (d->is_last)
                return SOURCE_END;
        if (!d->is_asking && ask(v) < 0)
                return SOURCE_BROKEN;
        return SOURCE_WAIT;
}

/* Of the first page: from then on errors only break off what was begun. */
static void begin_answer(struct visit *v)
{
        if (v->download->is_json)
                request_answer_source(v->request, "application/json; charset=utf-8",
                        "p2pchat-log.json", read_log);
        else
                request_answer_source(
                        v->request, "text/plain; charset=utf-8", "p2pchat-log.txt", read_log);
}

static int on_page(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        struct visit *v = userdata;
        struct download *d = v->download;
        bool is_first = !request_is_answered(v->request);
        int r;

        d->is_asking = false;
        if (sd_bus_message_is_method_error(reply, NULL)) {
                d->is_broken = true;
                if (is_first)
                        visit_refuse_error(v, sd_bus_message_get_error(reply));
        } else {
                r = append_page(d, reply);
                d->is_broken = r < 0;
                if (is_first && r < 0)
                        visit_out_of_memory(v);
                else if (is_first)
                        begin_answer(v);
        }
        request_wake(v->request);
        return 0;
}

static int ask(struct visit *v)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *call = NULL;
        struct download *d = v->download;
        int r;

        r = service_new_call(v->web->service, P2PCHAT_BUS_INTERFACE, "GetHistorySince", &call);
        if (r >= 0)
                r = sd_bus_message_append(call, "stu", d->user, d->since, (uint32_t)PAGE_ROWS);
        if (r >= 0)
                r = service_send(v->web->service, call, on_page, v);
        d->is_asking = r >= 0;
        return r < 0 ? r : 0;
}

void log_begin(struct visit *v)
{
        const char *user = "", *format = "text";
        struct download *d;
        int r;

        if (request_argument(v->request, "user", &user) < 0 ||
                request_argument(v->request, "format", &format) < 0 ||
                (!streq(format, "text") && !streq(format, "json"))) {
                visit_refuse(v, 400, "InvalidArgs",
                        "The log is to be had with format=text and format=json, and of one "
                        "conversation with user=.");
                return;
        }
        if (v->web->n_downloads >= DOWNLOADS_MAX) {
                visit_refuse(v, 503, "LimitsExceeded",
                        "The log is being read %d times already; try again later.", DOWNLOADS_MAX);
                return;
        }
        d = v->download = calloc(1, sizeof(*d));
        if (d) {
                v->web->n_downloads++;
                d->user = strdup(user);
        }
        if (!d || !d->user) {
                visit_out_of_memory(v);
                return;
        }
        d->is_json = streq(format, "json");
        buffer_init(&d->text, PAGE_SIZE_MAX);
        r = ask(v);
        if (r < 0)
                visit_refuse_errno(v, r);
}

void log_end(struct visit *v)
{
        if (!v->download)
                return;
        v->web->n_downloads--;
        free(v->download->user);
        buffer_done(&v->download->text);
        free(v->download);
}
