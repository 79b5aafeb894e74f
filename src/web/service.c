/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The chat service, and who asks us for a token
 *
 * Signals only say that there is something new. What it is, is read from the history, in order and
 * once for all pages that are open: so nothing is shown twice or left out, whatever signals are
 * lost, and no forged signal is ever shown as a message.
 */
#include <stdio.h>
#include <sys/random.h>

#include "bus/client.h"
#include "bus/introspect.h"
#include "bus/names.h"
#include "os/log.h"
#include "web/json.h"
#include "web/web.h"

#define PROPERTIES "org.freedesktop.DBus.Properties"
#define RETRY_USEC_MIN (100 * USEC_PER_MSEC)
#define RETRY_USEC_MAX (5 * USEC_PER_SEC)
#define LINE_SIZE_MAX (1024 * 1024)
#define PAGE_ROWS 500

struct service {
        struct web *web;
        struct bus_client *client; /* NULL: the bus is away */
        sd_event_source *retry;
        usec_t retry_usec;

        bool knows_sequence, is_asking, asks_again;
        uint64_t sequence; /* of the last message that was told */
};

/*
 * Calls
 */
static sd_bus *bus_of(const struct service *s)
{
        return s->client ? bus_client_bus(s->client) : NULL;
}

bool service_is_there(const struct service *s)
{
        return s->client && bus_client_service_is_there(s->client);
}

int service_new_call(
        struct service *s, const char *interface, const char *member, sd_bus_message **ret)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL;
        int r;

        if (!s->client)
                return -ENOTCONN;
        r = sd_bus_message_new_method_call(
                bus_of(s), &m, P2PCHAT_BUS_NAME, P2PCHAT_BUS_PATH, interface, member);
        if (r >= 0)
                r = sd_bus_message_set_auto_start(m, false);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

int service_send(
        struct service *s, sd_bus_message *call, sd_bus_message_handler_t callback, void *userdata)
{
        /* A lookup in the ring, and some time for the bus. */
        const usec_t patience = P2PCHAT_BUS_LOOK_UP_USEC + 25 * USEC_PER_SEC;

        if (!s->client || sd_bus_message_get_bus(call) != bus_of(s))
                return -ENOTCONN;
        return sd_bus_call_async(bus_of(s), NULL, call, callback, userdata, patience);
}

/*
 * What is new
 */
static void begin_line(struct buffer *b, const char *type)
{
        buffer_init(b, LINE_SIZE_MAX);
        (void)buffer_append_string(b, "{");
        (void)json_append_member(b, "type", type);
}

/* A line that lacks something for want of memory is not told: whoever follows reads it later. */
static void tell(struct service *s, struct buffer *b, int r)
{
        if (r == 0 && buffer_append_string(b, "}") == 0)
                stream_tell(s->web, b);
        else
                (void)log_oom();
}

static void tell_words(struct service *s, const char *type, const char *const words[])
{
        _cleanup_(buffer_done)
        struct buffer b;
        int r = 0;

        begin_line(&b, type);
        for (size_t i = 0; r == 0 && words[i]; i += 2)
                r = json_append_member(&b, words[i], words[i + 1]);
        tell(s, &b, r);
}

static void tell_service(struct service *s)
{
        tell_words(
                s, service_is_there(s) ? "service" : "no-service", (const char *const[]){ NULL });
}

static void look(struct service *s);

static void tell_message(struct service *s, const struct bus_message *m)
{
        _cleanup_(buffer_done)
        struct buffer b;
        int r;

        begin_line(&b, "message");
        r = buffer_append_string(&b, ",\"message\":");
        if (r == 0)
                r = json_append_message(&b, m);
        tell(s, &b, r);
}

static int tell_messages(struct service *s, sd_bus_message *reply)
{
        struct bus_message m;
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "(" P2PCHAT_BUS_MESSAGE_ROW ")");
        while (r >= 0 && (r = bus_message_next(reply, &m)) > 0) {
                tell_message(s, &m);
                s->sequence = m.sequence;
                s->asks_again = true;
        }
        return r;
}

static int on_messages(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        struct service *s = userdata;
        int r = 0;

        s->is_asking = false;
        if (!sd_bus_message_is_method_error(reply, NULL))
                r = tell_messages(s, reply);
        if (r < 0)
                log_warning_errno(r, "Failed to read what is new: %m");
        if (s->asks_again)
                look(s);
        return 0;
}

/* Asks for what came after the last message that was told. */
static void look(struct service *s)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *call = NULL;
        int r;

        s->asks_again = s->is_asking;
        if (s->is_asking || !s->knows_sequence)
                return;
        if (s->web->n_streams == 0) {
                /* Whoever comes reads by himself what was. */
                s->knows_sequence = false;
                s->sequence = 0;
                return;
        }
        r = service_new_call(s, P2PCHAT_BUS_INTERFACE, "GetHistorySince", &call);
        if (r >= 0)
                r = sd_bus_message_append(call, "stu", "", s->sequence, (uint32_t)PAGE_ROWS);
        if (r >= 0)
                r = service_send(s, call, on_messages, s);
        if (r < 0)
                log_warning_errno(r, "Failed to ask for what is new: %m");
        s->is_asking = r >= 0;
}

/* Where to begin: not behind the answer to any question that is asked after this one. */
static int on_last_sequence(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        struct service *s = userdata;
        uint64_t last;

        s->is_asking = false;
        if (sd_bus_message_is_method_error(reply, NULL) ||
                sd_bus_message_read(reply, "v", "t", &last) < 0)
                return 0;
        /* Another database: a new identity, or an old backup. */
        if (last < s->sequence)
                tell_words(s, "reset", (const char *const[]){ NULL });
        if (last < s->sequence || s->sequence == 0)
                s->sequence = last;
        s->knows_sequence = true;
        look(s);
        return 0;
}

static int new_question(struct service *s, bool starts, sd_bus_message **ret)
{
        int r = service_new_call(s, PROPERTIES, "Get", ret);

        if (r >= 0)
                r = sd_bus_message_set_auto_start(*ret, starts);
        if (r >= 0)
                r = sd_bus_message_append(*ret, "ss", P2PCHAT_BUS_INTERFACE, "LastSequence");
        return r;
}

void service_follow(struct service *s)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *call = NULL;

        if (s->knows_sequence || s->is_asking || !service_is_there(s))
                return;
        s->is_asking = new_question(s, false, &call) >= 0 &&
                       service_send(s, call, on_last_sequence, s) >= 0;
}

/*
 * Signals
 */
static int on_message(const struct bus_message *message, void *userdata)
{
        look(userdata);
        return 0;
}

static int on_sequence(uint64_t sequence, void *userdata)
{
        look(userdata);
        return 0;
}

static int on_state(const char *id, const char *state, const char *reason, void *userdata)
{
        tell_words(userdata, "state",
                (const char *const[]){ "id", id, "state", state, "reason", reason, NULL });
        return 0;
}

static int on_user(const char *user, const char *id, const char *state, void *userdata)
{
        tell_words(userdata, "user",
                (const char *const[]){ "user", user, "id", id, "state", state, NULL });
        return 0;
}

static int on_warning(const char *kind, const char *user, const char *sentence, void *userdata)
{
        tell_words(userdata, "warning",
                (const char *const[]){ "kind", kind, "user", user, "sentence", sentence, NULL });
        return 0;
}

/* Whatever they say, the page asks; so it does not matter who sent them. */
static int on_group_signal(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        tell_words(userdata, "groups", (const char *const[]){ NULL });
        return 0;
}

static int on_file_signal(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct service *s = userdata;
        const char *id, *state, *reason;

        if (sd_bus_message_is_signal(m, P2PCHAT_BUS_FILES_INTERFACE, "Finished") &&
                bus_client_is_service(s->client, m) &&
                sd_bus_message_read(m, "sss", &id, &state, &reason) >= 0)
                tell_words(s, "file",
                        (const char *const[]){ "id", id, "state", state, "reason", reason, NULL });
        tell_words(s, "files", (const char *const[]){ NULL });
        return 0;
}

static int on_service(bool there, void *userdata)
{
        struct service *s = userdata;

        s->knows_sequence = false;
        tell_service(s);
        if (s->web->n_streams > 0)
                service_follow(s);
        return 0;
}

static void retry(struct service *s)
{
        if (sd_event_source_set_time_relative(s->retry, s->retry_usec) < 0 ||
                sd_event_source_set_enabled(s->retry, SD_EVENT_ONESHOT) < 0)
                (void)sd_event_exit(s->web->event, -ENOMEM);
        s->retry_usec = usec_min(2 * s->retry_usec, RETRY_USEC_MAX);
}

static int on_disconnected(void *userdata)
{
        struct service *s = userdata;

        log_warning("The bus is lost; it is sought again.");
        s->knows_sequence = s->is_asking = false;
        tell_service(s);
        retry(s);
        return 0;
}

static const struct bus_client_signals signals = {
        .message = on_message,
        .message_state = on_state,
        .user = on_user,
        .warning = on_warning,
        .last_sequence = on_sequence,
        .service = on_service,
        .disconnected = on_disconnected,
};

/*
 * Tokens
 */
static int on_get_token(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        struct service *s = userdata;
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *question = NULL;
        char token[SECRET_STRING_SIZE];
        struct secret secret;
        int r;

        if (getrandom(&secret, sizeof(secret), 0) != sizeof(secret))
                return -EAGAIN;
        r = sessions_add_token(&s->web->sessions, &secret, web_now(s->web), token);
        if (r < 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                        "%d links wait for being opened already; try again in a minute.",
                        TOKENS_MAX);
        web_look(s->web);
        /* Somebody wants to chat: the service shall be there. Nobody waits for that. */
        if (!service_is_there(s) && new_question(s, true, &question) >= 0 &&
                sd_bus_message_set_expect_reply(question, false) >= 0)
                (void)sd_bus_send(bus_of(s), question, NULL);
        return sd_bus_reply_method_return(call, "s", token);
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("GetToken", NULL, SD_BUS_RESULT("s", token), on_get_token,
                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static int add_interface(sd_bus *bus, void *userdata)
{
        return sd_bus_add_object_vtable(
                bus, NULL, P2PCHAT_BUS_PATH, P2PCHAT_WEB_BUS_NAME, vtable, userdata);
}

int service_introspect(char **ret)
{
        return bus_introspect_object(P2PCHAT_BUS_PATH, add_interface, NULL, ret);
}

/*
 * The connection
 */
static int open_connection(struct service *s)
{
        _cleanup_(bus_client_freep)
        struct bus_client *c = NULL;
        int r;

        r = bus_client_new(s->web->settings->bus, false, &c);
        if (r >= 0)
                r = sd_bus_attach_event(bus_client_bus(c), s->web->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_set_close_on_exit(bus_client_bus(c), false);
        if (r >= 0)
                r = add_interface(bus_client_bus(c), s);
        if (r >= 0)
                r = bus_client_watch(c, &signals, s);
        if (r >= 0)
                r = sd_bus_match_signal_async(bus_client_bus(c), NULL, P2PCHAT_BUS_NAME,
                        P2PCHAT_BUS_PATH, P2PCHAT_BUS_GROUPS_INTERFACE, NULL, on_group_signal, NULL,
                        s);
        if (r >= 0)
                r = sd_bus_match_signal_async(bus_client_bus(c), NULL, P2PCHAT_BUS_NAME,
                        P2PCHAT_BUS_PATH, P2PCHAT_BUS_FILES_INTERFACE, NULL, on_file_signal, NULL,
                        s);
        if (r >= 0)
                r = sd_bus_request_name(bus_client_bus(c), P2PCHAT_WEB_BUS_NAME, 0);
        if (r < 0)
                return r;
        s->client = TAKE_PTR(c);
        s->retry_usec = RETRY_USEC_MIN;
        return 0;
}

static int connect_again(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct service *s = userdata;
        int r;

        s->client = bus_client_free(s->client);
        r = open_connection(s);
        if (r < 0) {
                log_debug_errno(r, "Failed to reach the bus: %m");
                retry(s);
                return 0;
        }
        log_info("The bus is back.");
        return on_service(service_is_there(s), s);
}

int service_new(struct web *w, struct service **ret)
{
        struct service *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return log_oom();
        s->web = w;
        s->retry_usec = RETRY_USEC_MIN;
        r = sd_event_add_time(w->event, &s->retry, CLOCK_MONOTONIC, 0, 0, connect_again, s);
        if (r >= 0)
                r = sd_event_source_set_enabled(s->retry, SD_EVENT_OFF);
        if (r >= 0)
                r = open_connection(s);
        if (r < 0) {
                service_free(s);
                return log_error_errno(r,
                        "Failed to get the name " P2PCHAT_WEB_BUS_NAME " on the bus (%s): %m. If "
                        "the package was just installed: systemctl reload dbus",
                        w->settings->bus);
        }
        *ret = s;
        return 0;
}

struct service *service_free(struct service *s)
{
        if (!s)
                return NULL;
        sd_event_source_disable_unref(s->retry);
        bus_client_free(s->client);
        free(s);
        return NULL;
}

void service_leave(struct service *s)
{
        if (s->client)
                (void)sd_bus_release_name(bus_of(s), P2PCHAT_WEB_BUS_NAME);
}
