/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * HTTP: connections become requests, answers become bytes
 *
 * libmicrohttpd works on an epoll descriptor of its own, which stands in our loop. It wants to be
 * run when that is readable, when a time is over that it tells after each run, and after something
 * was resumed: later in the same turn, so that nothing happens inside the function that resumes.
 */
#include "web/server.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <strings.h>

#include "base/list.h"
#include "base/usec.h"
#include "os/fd.h"
#include "os/log.h"
#include "web/page.h"

#define CONNECTION_MEMORY (16 * 1024)
#define BLOCK_SIZE (16 * 1024)
#define HEADERS_MAX 4

struct server {
        const struct server_handlers *handlers;
        void *userdata;
        struct MHD_Daemon *daemon;
        sd_event_source *ready, *timer, *resumed;
        struct list requests;
        size_t n_requests;
};

struct request {
        struct list list; /* in server.requests */
        struct server *server;
        struct MHD_Connection *connection;
        const char *path;
        enum method method;
        struct buffer body;
        bool is_complete, is_suspended;
        struct MHD_Response *response;
        unsigned status;
        source_fn source;
        struct {
                const char *name, *value;
        } headers[HEADERS_MAX];
        size_t n_headers;
        void *data;
};

/*
 * What was asked
 */
const char *request_path(const struct request *r)
{
        return r->path;
}

enum method request_method(const struct request *r)
{
        return r->method;
}

struct wanted {
        const char *name;
        unsigned n;
};

static enum MHD_Result count_header(
        void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
        struct wanted *w = cls;

        w->n += strcasecmp(name, w->name) == 0;
        return MHD_YES;
}

const char *request_header(const struct request *r, const char *name)
{
        struct wanted w = { .name = name };

        (void)MHD_get_connection_values(r->connection, MHD_HEADER_KIND, count_header, &w);
        if (w.n > 1)
                return "";
        return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

int request_argument(const struct request *r, const char *name, const char **ret)
{
        const char *value = NULL;
        size_t size = 0;

        if (MHD_lookup_connection_value_n(r->connection, MHD_GET_ARGUMENT_KIND, name, strlen(name),
                    &value, &size) != MHD_YES ||
                !value)
                return 0;
        if (strlen(value) != size)
                return -EINVAL;
        *ret = value;
        return 1;
}

const char *request_body(const struct request *r, size_t *ret_size)
{
        *ret_size = r->body.size;
        return r->body.data ? (const char *)r->body.data : "";
}

void request_set_data(struct request *r, void *data)
{
        r->data = data;
}

void *request_data(const struct request *r)
{
        return r->data;
}

void request_welcome(struct request *r, size_t size_max)
{
        buffer_init(&r->body, size_max);
}

/*
 * What is answered
 */
void request_add_header(struct request *r, const char *name, const char *value)
{
        assert(r->n_headers < HEADERS_MAX);
        r->headers[r->n_headers].name = name;
        r->headers[r->n_headers++].value = value;
}

bool request_is_answered(const struct request *r)
{
        return r->response;
}

static void set_response(
        struct request *r, unsigned status, const char *type, struct MHD_Response *response)
{
        assert(!r->response);
        /* Without memory there is no answer; the connection is closed when it is looked at. */
        r->response = response;
        r->status = status;
        if (response) {
                (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
                for (const struct page_header *h = page_headers; h->name; h++)
                        (void)MHD_add_response_header(response, h->name, h->value);
                for (size_t i = 0; i < r->n_headers; i++)
                        (void)MHD_add_response_header(
                                response, r->headers[i].name, r->headers[i].value);
        } else
                (void)log_oom();
        request_wake(r);
}

void request_answer(struct request *r, unsigned status, const char *type, const struct buffer *body)
{
        set_response(r, status, type,
                MHD_create_response_from_buffer(body->size, body->data, MHD_RESPMEM_MUST_COPY));
}

void request_answer_constant(struct request *r, unsigned status, const char *type, const char *data)
{
        set_response(r, status, type,
                MHD_create_response_from_buffer(
                        strlen(data), (void *)(uintptr_t)data, MHD_RESPMEM_PERSISTENT));
}

static void suspend(struct request *r)
{
        r->is_suspended = true;
        MHD_suspend_connection(r->connection);
}

void request_wake(struct request *r)
{
        if (!r->is_suspended)
                return;
        r->is_suspended = false;
        MHD_resume_connection(r->connection);
        (void)sd_event_source_set_enabled(r->server->resumed, SD_EVENT_ONESHOT);
}

static ssize_t read_source(void *cls, uint64_t position, char *data, size_t size)
{
        struct request *r = cls;
        ssize_t n = r->source(r, data, size);

        if (n == SOURCE_WAIT)
                suspend(r);
        else if (n == SOURCE_END)
                return MHD_CONTENT_READER_END_OF_STREAM;
        else if (n == SOURCE_BROKEN)
                return MHD_CONTENT_READER_END_WITH_ERROR;
        return n;
}

void request_answer_source(struct request *r, const char *type, const char *file, source_fn source)
{
        struct MHD_Response *response = MHD_create_response_from_callback(
                MHD_SIZE_UNKNOWN, BLOCK_SIZE, read_source, r, NULL);
        char disposition[128];

        r->source = source;
        if (response && file) {
                (void)snprintf(
                        disposition, sizeof(disposition), "attachment; filename=\"%s\"", file);
                (void)MHD_add_response_header(
                        response, MHD_HTTP_HEADER_CONTENT_DISPOSITION, disposition);
        }
        set_response(r, MHD_HTTP_OK, type, response);
}

/*
 * From libmicrohttpd
 */
static enum method method_from_word(const char *word)
{
        if (streq(word, MHD_HTTP_METHOD_GET))
                return METHOD_GET;
        if (streq(word, MHD_HTTP_METHOD_HEAD))
                return METHOD_HEAD;
        return streq(word, MHD_HTTP_METHOD_POST) ? METHOD_POST : METHOD_OTHER;
}

static enum MHD_Result queue_response(struct request *r)
{
        return MHD_queue_response(r->connection, r->status, r->response);
}

static struct request *request_new(
        struct server *s, struct MHD_Connection *connection, const char *path, const char *method)
{
        struct request *r = calloc(1, sizeof(*r));

        if (!r)
                return NULL;
        r->server = s;
        r->connection = connection;
        r->path = path;
        r->method = method_from_word(method);
        list_init(&r->list);
        list_append(&s->requests, &r->list);
        s->n_requests++;
        return r;
}

static void request_free(struct request *r)
{
        if (r->response)
                MHD_destroy_response(r->response);
        buffer_done(&r->body);
        free(r);
}

/* Called for the headers, for each piece of the body, at its end, and after each resumption. */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *path,
        const char *method, const char *version, const char *data, size_t *size, void **state)
{
        struct server *s = cls;
        struct request *r = *state;

        if (!r) {
                r = *state = request_new(s, connection, path, method);
                if (!r)
                        return MHD_NO;
                s->handlers->begin(r, s->userdata);
                return r->response ? queue_response(r) : MHD_YES;
        }
        /* Whoever told the length was refused in time; the others are cut off. */
        if (*size > 0) {
                if (buffer_append(&r->body, data, *size) < 0)
                        return MHD_NO;
                *size = 0;
                return MHD_YES;
        }
        if (!r->is_complete) {
                r->is_complete = true;
                s->handlers->complete(r, s->userdata);
                if (!r->response) {
                        suspend(r);
                        return MHD_YES;
                }
        }
        /* No answer: there was no memory for one. */
        return r->response ? queue_response(r) : MHD_NO;
}

static void on_gone(void *cls, struct MHD_Connection *connection, void **state,
        enum MHD_RequestTerminationCode code)
{
        struct server *s = cls;
        struct request *r = *state;

        if (!r)
                return;
        *state = NULL;
        list_remove(&r->list);
        s->n_requests--;
        s->handlers->gone(r, s->userdata);
        request_free(r);
}

/* It complains of what others do. */
_printf_(2, 0) static void on_log(void *cls, const char *format, va_list ap)
{
        char line[256];

        (void)vsnprintf(line, sizeof(line), format, ap);
        log_debug("libmicrohttpd: %s", line);
}

/*
 * The loop
 */
static void run(struct server *s)
{
        MHD_UNSIGNED_LONG_LONG msec;
        int r;

        (void)MHD_run(s->daemon);
        if (MHD_get_timeout(s->daemon, &msec) != MHD_YES) {
                (void)sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
                return;
        }
        r = sd_event_source_set_time_relative(s->timer, msec * USEC_PER_MSEC);
        if (r >= 0)
                r = sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
        if (r < 0)
                log_warning_errno(r, "Failed to wait for the next request: %m");
}

static int on_ready(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        run(userdata);
        return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        run(userdata);
        return 0;
}

static int start_daemon(struct server *s, int fd)
{
        s->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG,
                PAGE_PORT, NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
                MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
                MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_SECONDS_MAX,
                MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
                MHD_OPTION_NOTIFY_COMPLETED, on_gone, s, MHD_OPTION_STRICT_FOR_CLIENT, 1,
                MHD_OPTION_END);
        return s->daemon ? 0 : -ENOMEM;
}

static int on_resumed(sd_event_source *source, void *userdata)
{
        run(userdata);
        return 0;
}

int server_new(sd_event *event, int fd, const struct server_handlers *handlers, void *userdata,
        struct server **ret)
{
        _cleanup_(server_freep)
        struct server *s = calloc(1, sizeof(*s));
        const union MHD_DaemonInfo *info;
        int r;

        if (!s) {
                fd_close(fd);
                return -ENOMEM;
        }
        list_init(&s->requests);
        s->handlers = handlers;
        s->userdata = userdata;
        r = start_daemon(s, fd);
        if (r < 0) {
                fd_close(fd);
                return r;
        }
        info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
        if (!info)
                return -EOPNOTSUPP;
        r = sd_event_add_io(event, &s->ready, info->epoll_fd, EPOLLIN, on_ready, s);
        if (r >= 0)
                r = sd_event_add_time_relative(
                        event, &s->timer, CLOCK_MONOTONIC, 0, 0, on_timer, s);
        if (r >= 0)
                r = sd_event_add_defer(event, &s->resumed, on_resumed, s);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

struct server *server_free(struct server *s)
{
        if (!s)
                return NULL;
        sd_event_source_disable_unref(s->ready);
        sd_event_source_disable_unref(s->timer);
        s->resumed = sd_event_source_disable_unref(s->resumed);
        /* Those that wait would be leaked. */
        list_for_each (i, &s->requests)
                request_wake(container_of(i, struct request, list));
        if (s->daemon)
                MHD_stop_daemon(s->daemon);
        free(s);
        return NULL;
}

size_t server_n_requests(const struct server *s)
{
        return s->n_requests;
}
