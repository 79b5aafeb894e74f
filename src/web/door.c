/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The door: who comes, from where, with which session, and who sees to it */
#include <stdarg.h>
#include <stdio.h>
#include <sys/random.h>

#include "bus/errors.h"
#include "os/log.h"
#include "web/json.h"
#include "web/page.h"
#include "web/web.h"

#define JSON_TYPE "application/json; charset=utf-8"
#define SIGN_IN_SIZE_MAX 1024
#define REFUSAL_SIZE_MAX (64 * 1024)
#define RETRY_SECONDS "2"

/*
 * Answers
 */
void visit_out_of_memory(struct visit *v)
{
        (void)log_oom();
        request_answer_constant(v->request, 503, JSON_TYPE,
                "{\"error\":\"NoMemory\",\"sentence\":\"Out of memory; try again later.\"}\n");
}

void visit_answer(struct visit *v, const struct buffer *body)
{
        request_answer(v->request, 200, JSON_TYPE, body);
}

static void refuse(struct visit *v, unsigned status, const char *word, const char *sentence)
{
        _cleanup_(buffer_done)
        struct buffer b;

        buffer_init(&b, REFUSAL_SIZE_MAX);
        if (buffer_append(&b, "{", 1) < 0 || json_append_member(&b, "error", word) < 0 ||
                json_append_member(&b, "sentence", sentence) < 0 ||
                buffer_append(&b, "}\n", 2) < 0) {
                visit_out_of_memory(v);
                return;
        }
        if (status == 401)
                request_add_header(v->request, "WWW-Authenticate", "Bearer");
        if (status == 429 || status == 503)
                request_add_header(v->request, "Retry-After", RETRY_SECONDS);
        request_answer(v->request, status, JSON_TYPE, &b);
}

void visit_refuse(struct visit *v, unsigned status, const char *word, const char *format, ...)
{
        char sentence[512];
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(sentence, sizeof(sentence), format, ap);
        va_end(ap);
        refuse(v, status, word, sentence);
}

static unsigned status_of(enum bus_outcome outcome)
{
        switch (outcome) {
        case BUS_UNKNOWN_USER:
        case BUS_NO_SUCH_MESSAGE:
        case BUS_NO_SUCH_TRANSFER:
                return 404;
        case BUS_AMBIGUOUS_USER:
        case BUS_NOT_REACHABLE:
        case BUS_KEY_CHANGED:
        case BUS_NOT_SECURE:
        case BUS_BLOCKED:
        case BUS_NAME_TAKEN:
        case BUS_FINGERPRINT_MISMATCH:
        case BUS_CANNOT_CHAT:
        case BUS_READ_ONLY:
                return 409;
        case BUS_TOO_LARGE:
                return 413;
        case BUS_INVALID_TEXT:
        case BUS_INVALID_NAME:
        case BUS_INVALID_ARGS:
                return 400;
        case BUS_QUEUE_FULL:
        case BUS_LIMIT:
                return 429;
        case BUS_STORAGE_FULL:
                return 507;
        case BUS_NO_SERVICE:
                return 503;
        case BUS_TIMEOUT:
                return 504;
        case BUS_OK:
        case BUS_ACCESS_DENIED:
        case BUS_OTHER:
        case _BUS_OUTCOME_MAX:
                return 500;
        }
        return 500;
}

void visit_refuse_error(struct visit *v, const sd_bus_error *error)
{
        enum bus_outcome outcome = bus_outcome_from_error(error);
        const char *name = bus_error_name(outcome), *word = strrchr(name, '.') + 1;

        if (sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_METHOD) ||
                sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_INTERFACE))
                refuse(v, 501, "NotThere", "The chat service of this machine cannot do that.");
        else if (outcome == BUS_NO_SERVICE)
                refuse(v, 503, "NoService",
                        "The chat service is not running. An administrator starts it with: "
                        "systemctl start p2pchatd.socket p2pchatd.service");
        else if (outcome == BUS_ACCESS_DENIED)
                refuse(v, 500, "AccessDenied",
                        "The message bus does not let this page use the chat service. If the "
                        "package was just installed: systemctl reload dbus");
        else
                refuse(v, status_of(outcome), word,
                        error->message && error->message[0] ? error->message : word);
}

void visit_refuse_errno(struct visit *v, int r)
{
        _cleanup_(sd_bus_error_free)
        sd_bus_error error = SD_BUS_ERROR_NULL;

        if (r == -ENOMEM)
                visit_out_of_memory(v);
        else if (r == -EINVAL)
                visit_refuse(v, 400, "InvalidArgs", "What was sent is not valid UTF-8.");
        else {
                sd_bus_error_set_const(&error, SD_BUS_ERROR_DISCONNECTED, NULL);
                visit_refuse_error(v, &error);
        }
}

/*
 * Signing in and out
 */
static void sign_in(struct visit *v)
{
        _cleanup_(json_freep)
        struct json_object *o = NULL;
        _cleanup_(buffer_done)
        struct buffer b;
        char session[SECRET_STRING_SIZE];
        const char *body, *token;
        struct secret secret;
        size_t size;
        int r;

        buffer_init(&b, SIGN_IN_SIZE_MAX);
        body = request_body(v->request, &size);
        if (json_parse(body, size, &o) < 0 || json_get_text(o, "token", &token) <= 0) {
                visit_refuse(v, 400, "InvalidArgs",
                        "Signing in takes a JSON object with the member \"token\", a text.");
                return;
        }
        if (getrandom(&secret, sizeof(secret), 0) != sizeof(secret)) {
                visit_refuse(v, 503, "NoMemory", "There are no random numbers yet; try again.");
                return;
        }
        /* Places of those that ended are given away. */
        sessions_advance(&v->web->sessions, web_now(v->web));
        files_forget_closed(v->web);
        r = sessions_sign_in(&v->web->sessions, token, &secret, web_now(v->web), session);
        if (r == -ENOBUFS)
                visit_refuse(v, 503, "LimitsExceeded",
                        "%d pages are signed in already; sign out in one of them.", SESSIONS_MAX);
        else if (r < 0)
                visit_refuse(v, 401, "InvalidToken",
                        "This link was used already, or is too old. For another one: p2pchat web");
        else if (buffer_append(&b, "{", 1) < 0 || json_append_member(&b, "session", session) < 0 ||
                 buffer_append(&b, "}\n", 2) < 0)
                visit_out_of_memory(v);
        else
                visit_answer(v, &b);
        web_look(v->web);
}

static void sign_out(struct visit *v)
{
        session_close(v->session);
        files_forget_closed(v->web);
        stream_close_session(v->web, v->session);
        request_answer_constant(v->request, 200, JSON_TYPE, "{}\n");
        web_look(v->web);
}

/*
 * Who sees to it
 */
struct place {
        const char *path;
        void (*complete)(struct visit *v);
        bool changes;
        bool is_open; /* to those without a session */
};

static const struct place places[] = {
        { "/signin", sign_in, true, true },
        { "/signout", sign_out, true, false },
        { "/log", log_begin, false, false },
        { "/api/events", stream_begin, false, false },
        { "/api/file-begin", files_begin, true, false },
        { "/api/file-piece", files_piece, true, false },
        { "/api/file-stop", files_stop, true, false },
        { "/api/file", files_give, false, false },
        { "/api/file-done", files_remove, true, false },
};

static const struct place *find_place(const char *path)
{
        for (size_t i = 0; i < ELEMENTSOF(places); i++)
                if (streq(places[i].path, path))
                        return &places[i];
        return NULL;
}

/* False after a refusal. */
static bool check_source(struct visit *v)
{
        if (!page_host_is_ours(request_header(v->request, "Host"))) {
                visit_refuse(v, 403, "ForeignHost",
                        "This page is at http://" PAGE_HOST "/ and has no other name.");
                return false;
        }
        if (!page_origin_is_ours(request_header(v->request, "Origin"))) {
                visit_refuse(v, 403, "ForeignOrigin",
                        "Another page sent this request; only http://" PAGE_HOST "/ may.");
                return false;
        }
        return true;
}

static bool check_method(struct visit *v, bool changes)
{
        enum method wanted = changes ? METHOD_POST : METHOD_GET;

        if (request_method(v->request) != wanted) {
                request_add_header(v->request, "Allow", changes ? "POST" : "GET");
                visit_refuse(
                        v, 405, "WrongMethod", "This takes %s alone.", changes ? "POST" : "GET");
                return false;
        }
        if (changes && !page_type_is_json(request_header(v->request, "Content-Type"))) {
                visit_refuse(v, 415, "WrongType",
                        "What changes something is sent as JSON, with "
                        "Content-Type: application/json.");
                return false;
        }
        return true;
}

static bool check_size(struct visit *v, size_t size_max)
{
        const char *length = request_header(v->request, "Content-Length");

        if (length && strtoull(length, NULL, 10) > size_max) {
                visit_refuse(v, 413, "TooLarge",
                        "A request may have %zu bytes, this one has %.20s.", size_max, length);
                return false;
        }
        request_welcome(v->request, size_max);
        return true;
}

static bool check_session(struct visit *v)
{
        const char *secret = page_bearer(request_header(v->request, "Authorization"));
        struct session *session =
                secret ? sessions_find(&v->web->sessions, secret, web_now(v->web)) : NULL;

        if (!session) {
                visit_refuse(v, 401, "NotSignedIn",
                        "Nobody is signed in here, or not any more. To sign in: p2pchat web");
                return false;
        }
        if (session->n_requests - session->n_streams >= SESSION_CALLS_MAX) {
                visit_refuse(v, 429, "LimitsExceeded",
                        "%d requests of this session wait already; wait for their answers.",
                        SESSION_CALLS_MAX);
                return false;
        }
        v->session = session;
        session_begin_request(session);
        return true;
}

static void give_file(struct visit *v, const struct page_file *file)
{
        enum method method = request_method(v->request);

        if (method == METHOD_HEAD || check_method(v, false))
                request_answer_constant(v->request, 200, file->type, file->data);
}

static void begin(struct visit *v)
{
        const char *path = request_path(v->request);
        const struct page_file *file = page_find(path);
        const struct place *place = find_place(path);
        bool is_open = place && place->is_open;

        if (!check_source(v))
                return;
        if (file) {
                give_file(v, file);
                return;
        }
        if (!is_open && !check_session(v))
                return;
        v->route = place ? NULL : api_find(path);
        if (!place && !v->route) {
                visit_refuse(v, 404, "NoSuchPath", "There is nothing at %.100s.", path);
                return;
        }
        if (check_method(v, place ? place->changes : api_changes(v->route)))
                (void)check_size(v, is_open ? SIGN_IN_SIZE_MAX : BODY_SIZE_MAX);
}

static void on_begin(struct request *request, void *userdata)
{
        struct web *w = userdata;
        struct visit *v = calloc(1, sizeof(*v));

        if (!v) {
                request_answer_constant(request, 503, JSON_TYPE, "{}\n");
                return;
        }
        list_init(&v->list);
        v->web = w;
        v->request = request;
        v->file = -EBADF;
        request_set_data(request, v);
        begin(v);
        web_look(w);
}

static void on_complete(struct request *request, void *userdata)
{
        struct visit *v = request_data(request);

        if (v->route)
                api_begin(v);
        else
                find_place(request_path(request))->complete(v);
}

static void on_gone(struct request *request, void *userdata)
{
        struct visit *v = request_data(request);
        struct web *w = userdata;

        if (!v)
                return;
        stream_end(v);
        log_end(v);
        files_end(v);
        api_end(v);
        if (v->session)
                session_end_request(v->session, web_now(w));
        list_remove(&v->list);
        free(v);
        web_look(w);
}

const struct server_handlers door_handlers = {
        .begin = on_begin,
        .complete = on_complete,
        .gone = on_gone,
};
