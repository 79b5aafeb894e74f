/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The service as its clients see it: connection, calls, rows */

#include "bus/client-internal.h"

#include <stdarg.h>
#include <stdio.h>

#include "bus/names.h"

#define PROPERTIES "org.freedesktop.DBus.Properties"

/* The service answers a SendMessage after its waiting time, and a look into the ring; the bus needs
 * some more. */
#define ANSWER_USEC (25 * USEC_PER_SEC)
#define LOOK_UP_USEC (P2PCHAT_BUS_LOOK_UP_USEC + ANSWER_USEC)

/* A name server that does not answer takes its time, and then one machine after the other is
 * tried. */
#define JOIN_USEC (2 * 60 * USEC_PER_SEC)

/* A whole database is copied, perhaps to a slow disk. */
#define COPY_USEC (10 * 60 * USEC_PER_SEC)

/* An argument that the library refuses to send (invalid UTF-8, for example) never gets to the
 * service; a connection that broke is no service. */
int client_fail(struct bus_client *c, int r)
{
        if (sd_bus_error_is_set(&c->error))
                return r;

        switch (-r) {
        case ENOTCONN:
        case ECONNRESET:
        case EPIPE:
        case ESHUTDOWN:
                sd_bus_error_set_const(&c->error, SD_BUS_ERROR_DISCONNECTED,
                        "The connection to the message bus was lost.");
                break;
        case EINVAL:
                sd_bus_error_set_const(&c->error, SD_BUS_ERROR_INVALID_ARGS,
                        "A value cannot be sent over the bus: it is not valid UTF-8.");
                break;
        default:
                sd_bus_error_set_errno(&c->error, r);
        }
        return r;
}

static int open_bus(const char *where, sd_bus **ret)
{
        _cleanup_(sd_bus_close_unrefp)
        sd_bus *bus = NULL;
        int r;

        if (streq(where, "system"))
                return sd_bus_open_system(ret);
        if (streq(where, "session"))
                return sd_bus_open_user(ret);

        r = sd_bus_new(&bus);
        if (r < 0)
                return r;
        r = sd_bus_set_address(bus, where);
        if (r < 0)
                return r;
        r = sd_bus_set_bus_client(bus, true);
        if (r < 0)
                return r;
        r = sd_bus_start(bus);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(bus);
        return 0;
}

int bus_client_new(const char *where, bool autostart, struct bus_client **ret)
{
        _cleanup_(bus_client_freep)
        struct bus_client *c = NULL;
        int r;

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->autostart = autostart;
        r = open_bus(where, &c->bus);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

struct bus_client *bus_client_free(struct bus_client *c)
{
        if (!c)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(c->slots); i++)
                sd_bus_slot_unref(c->slots[i]);
        free(c->owner);
        sd_bus_error_free(&c->error);
        sd_bus_close_unref(c->bus);
        free(c);
        return NULL;
}

sd_bus *bus_client_bus(struct bus_client *c)
{
        return c->bus;
}

enum bus_outcome bus_client_outcome(const struct bus_client *c)
{
        return bus_outcome_from_error(&c->error);
}

const char *bus_client_error(const struct bus_client *c)
{
        if (c->error.message && c->error.message[0])
                return c->error.message;
        return c->error.name ? c->error.name : "no error";
}

int client_new_call(
        struct bus_client *c, const char *interface, const char *member, sd_bus_message **ret)
{
        int r;

        sd_bus_error_free(&c->error);
        r = sd_bus_message_new_method_call(
                c->bus, ret, P2PCHAT_BUS_NAME, P2PCHAT_BUS_PATH, interface, member);
        if (r < 0)
                return client_fail(c, r);
        r = sd_bus_message_set_auto_start(*ret, c->autostart);
        return r < 0 ? client_fail(c, r) : 0;
}

int client_finish_call(
        struct bus_client *c, sd_bus_message *call, usec_t timeout_usec, sd_bus_message **ret)
{
        int r = sd_bus_call(c->bus, call, timeout_usec, &c->error, ret);

        return r < 0 ? client_fail(c, r) : 0;
}

int client_call(struct bus_client *c, const char *interface, const char *member,
        sd_bus_message **ret, const char *types, ...)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL;
        va_list ap;
        int r;

        r = client_new_call(c, interface, member, &m);
        if (r < 0)
                return r;
        va_start(ap, types);
        r = sd_bus_message_appendv(m, types, ap);
        va_end(ap);
        if (r < 0)
                return client_fail(c, r);
        return client_finish_call(c, m, 0, ret);
}

int client_take_rows(
        struct bus_client *c, sd_bus_message *reply, const char *contents, sd_bus_message **ret)
{
        int r = sd_bus_message_enter_container(reply, 'a', contents);

        if (r < 0) {
                sd_bus_message_unref(reply);
                return client_fail(c, r);
        }
        *ret = reply;
        return 0;
}

int bus_client_list_users(struct bus_client *c, sd_bus_message **ret)
{
        sd_bus_message *reply = NULL;
        int r = client_call(c, P2PCHAT_BUS_INTERFACE, "ListUsers", &reply, "");

        return r < 0 ? r : client_take_rows(c, reply, "(" P2PCHAT_BUS_USER_ROW ")", ret);
}

int bus_client_history(struct bus_client *c, const char *user, uint32_t limit, sd_bus_message **ret)
{
        sd_bus_message *reply = NULL;
        int r = client_call(c, P2PCHAT_BUS_INTERFACE, "GetHistory", &reply, "su", user, limit);

        return r < 0 ? r : client_take_rows(c, reply, "(" P2PCHAT_BUS_MESSAGE_ROW ")", ret);
}

int bus_client_history_before(struct bus_client *c, const char *user, uint64_t sequence,
        uint32_t limit, sd_bus_message **ret)
{
        sd_bus_message *reply = NULL;
        int r = client_call(
                c, P2PCHAT_BUS_INTERFACE, "GetHistoryBefore", &reply, "stu", user, sequence, limit);

        return r < 0 ? r : client_take_rows(c, reply, "(" P2PCHAT_BUS_MESSAGE_ROW ")", ret);
}

int bus_client_history_since(struct bus_client *c, const char *user, uint64_t sequence,
        uint32_t limit, sd_bus_message **ret)
{
        sd_bus_message *reply = NULL;
        int r = client_call(
                c, P2PCHAT_BUS_INTERFACE, "GetHistorySince", &reply, "stu", user, sequence, limit);

        return r < 0 ? r : client_take_rows(c, reply, "(" P2PCHAT_BUS_MESSAGE_ROW ")", ret);
}

int bus_client_search(struct bus_client *c, const char *user, const char *text, uint64_t before,
        uint32_t limit, sd_bus_message **ret)
{
        sd_bus_message *reply = NULL;
        int r = client_call(c, P2PCHAT_BUS_INTERFACE, "SearchHistory", &reply, "sstu", user, text,
                before, limit);

        return r < 0 ? r : client_take_rows(c, reply, "(" P2PCHAT_BUS_MESSAGE_ROW ")", ret);
}

int bus_client_status(struct bus_client *c, sd_bus_message **ret)
{
        sd_bus_message *reply = NULL;
        int r = client_call(c, P2PCHAT_BUS_INTERFACE, "GetStatus", &reply, "");

        return r < 0 ? r : client_take_rows(c, reply, "{sv}", ret);
}

int bus_client_diagnose(struct bus_client *c, sd_bus_message **ret)
{
        sd_bus_message *reply = NULL;
        int r = client_call(c, P2PCHAT_BUS_INTERFACE, "Diagnose", &reply, "");

        return r < 0 ? r : client_take_rows(c, reply, "(" P2PCHAT_BUS_CHECK_ROW ")", ret);
}

int bus_user_next(sd_bus_message *m, struct bus_user *ret)
{
        struct bus_user u;
        int r = sd_bus_message_read(m, "(" P2PCHAT_BUS_USER_ROW ")", &u.name, &u.id, &u.address,
                &u.state, &u.last_heard_usec, &u.security, &u.flags);

        if (r > 0)
                *ret = u;
        return r;
}

int bus_message_next(sd_bus_message *m, struct bus_message *ret)
{
        struct bus_message b;
        int r = sd_bus_message_read(m, "(" P2PCHAT_BUS_MESSAGE_ROW ")", &b.sequence, &b.id,
                &b.direction, &b.conversation, &b.user, &b.time_usec, &b.address, &b.user_id,
                &b.state, &b.security, &b.text);

        if (r > 0)
                *ret = b;
        return r;
}

int bus_check_next(sd_bus_message *m, struct bus_check *ret)
{
        struct bus_check k;
        int r = sd_bus_message_read(
                m, "(" P2PCHAT_BUS_CHECK_ROW ")", &k.stage, &k.result, &k.sentence);

        if (r > 0)
                *ret = k;
        return r;
}

static int read_endpoints(sd_bus_message *m, struct bus_found *f)
{
        const char *endpoint;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read_basic(m, 's', &endpoint)) > 0)
                if (f->n_endpoints < BUS_FOUND_ENDPOINTS_MAX)
                        f->endpoints[f->n_endpoints++] = endpoint;
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

int bus_found_next(sd_bus_message *m, struct bus_found *ret)
{
        struct bus_found f = {};
        int r;

        r = sd_bus_message_enter_container(m, 'r', P2PCHAT_BUS_FOUND_ROW);
        if (r <= 0)
                return r;
        r = sd_bus_message_read(m, "ss", &f.name, &f.id);
        if (r >= 0)
                r = read_endpoints(m, &f);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        *ret = f;
        return 1;
}

static int new_send(struct bus_client *c, const char *user, const char *text,
        const struct bus_send_options *o, sd_bus_message **ret)
{
        int r;

        r = client_new_call(c, P2PCHAT_BUS_INTERFACE, o ? "SendMessageFull" : "SendMessage", ret);
        if (r < 0)
                return r;
        r = sd_bus_message_append(*ret, "ss", user, text);
        if (r >= 0 && o) {
                r = sd_bus_message_open_container(*ret, 'a', "{sv}");
                if (r >= 0 && o->security)
                        r = sd_bus_message_append(*ret, "{sv}", "security", "s", o->security);
                if (r >= 0 && o->number)
                        r = sd_bus_message_append(*ret, "{sv}", "number", "s", o->number);
                if (r >= 0 && o->wait_usec != USEC_INFINITY)
                        r = sd_bus_message_append(*ret, "{sv}", "wait-usec", "t", o->wait_usec);
                if (r >= 0)
                        r = sd_bus_message_close_container(*ret);
        }
        return r < 0 ? client_fail(c, r) : 0;
}

static usec_t send_timeout(const struct bus_send_options *o)
{
        return usec_add(o && o->wait_usec != USEC_INFINITY ? o->wait_usec : 0, LOOK_UP_USEC);
}

int bus_client_send(struct bus_client *c, const char *user, const char *text,
        const struct bus_send_options *options, sd_bus_message **ret, const char **ret_id,
        const char **ret_state)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = new_send(c, user, text, options, &m);
        if (r < 0)
                return r;
        r = client_finish_call(c, m, send_timeout(options), &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "ss", ret_id, ret_state);
        if (r < 0)
                return client_fail(c, r);
        *ret = TAKE_PTR(reply);
        return 0;
}

int bus_client_call_word(struct bus_client *c, const char *member, const char *word)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;

        return client_call(c, P2PCHAT_BUS_INTERFACE, member, &reply, "s", word);
}

int bus_client_call_words(
        struct bus_client *c, const char *member, const char *first, const char *second)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;

        return client_call(c, P2PCHAT_BUS_INTERFACE, member, &reply, "ss", first, second);
}

int bus_client_mute(struct bus_client *c, const char *user, uint64_t seconds)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;

        return client_call(c, P2PCHAT_BUS_INTERFACE, "Mute", &reply, "st", user, seconds);
}

int client_take_text(struct bus_client *c, sd_bus_message *reply, bool variant, char **ret)
{
        const char *text;
        char *copy;
        int r;

        r = variant ? sd_bus_message_read(reply, "v", "s", &text)
                    : sd_bus_message_read(reply, "s", &text);
        if (r < 0)
                return client_fail(c, r);
        copy = strdup(text);
        if (!copy)
                return client_fail(c, -ENOMEM);
        *ret = copy;
        return 0;
}

int bus_client_get_fingerprint(struct bus_client *c, const char *user, char **ret)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        int r = client_call(c, P2PCHAT_BUS_INTERFACE, "GetFingerprint", &reply, "s", user);

        return r < 0 ? r : client_take_text(c, reply, false, ret);
}

int bus_client_get_text(struct bus_client *c, const char *property, char **ret)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        int r = client_call(c, PROPERTIES, "Get", &reply, "ss", P2PCHAT_BUS_INTERFACE, property);

        return r < 0 ? r : client_take_text(c, reply, true, ret);
}

int bus_client_set_username(struct bus_client *c, const char *username)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;

        return client_call(c, PROPERTIES, "Set", &reply, "ssv", P2PCHAT_BUS_INTERFACE, "Username",
                "s", username);
}

int bus_client_get_last_sequence(struct bus_client *c, uint64_t *ret)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        uint64_t sequence;
        int r;

        r = client_call(c, PROPERTIES, "Get", &reply, "ss", P2PCHAT_BUS_INTERFACE, "LastSequence");
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "v", "t", &sequence);
        if (r < 0)
                return client_fail(c, r);
        *ret = sequence;
        return 0;
}

static int call_ring(struct bus_client *c, const char *member, const char *word,
        usec_t timeout_usec, sd_bus_message **ret)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL;
        int r;

        r = client_new_call(c, P2PCHAT_BUS_RING_INTERFACE, member, &m);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "s", word);
        return r < 0 ? client_fail(c, r) : client_finish_call(c, m, timeout_usec, ret);
}

int bus_client_ring_join(struct bus_client *c, const char *host)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;

        return call_ring(c, "Join", host, JOIN_USEC, &reply);
}

int bus_client_ring_leave(struct bus_client *c)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;

        return client_call(c, P2PCHAT_BUS_RING_INTERFACE, "Leave", &reply, "");
}

int bus_client_ring_find(struct bus_client *c, const char *user, sd_bus_message **ret)
{
        sd_bus_message *reply = NULL;
        int r = call_ring(c, "Find", user, LOOK_UP_USEC, &reply);

        return r < 0 ? r : client_take_rows(c, reply, "(" P2PCHAT_BUS_FOUND_ROW ")", ret);
}

int bus_client_ring_status(struct bus_client *c, sd_bus_message **ret)
{
        sd_bus_message *reply = NULL;
        int r = client_call(c, P2PCHAT_BUS_RING_INTERFACE, "GetStatus", &reply, "");

        return r < 0 ? r : client_take_rows(c, reply, "{sv}", ret);
}

int bus_client_identity_new(struct bus_client *c, char **ret_id)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        int r = client_call(c, P2PCHAT_BUS_IDENTITY_INTERFACE, "New", &reply, "");

        return r < 0 ? r : client_take_text(c, reply, false, ret_id);
}

static int call_with_fd(struct bus_client *c, const char *member, int fd)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = client_new_call(c, P2PCHAT_BUS_IDENTITY_INTERFACE, member, &m);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "h", fd);
        return r < 0 ? client_fail(c, r) : client_finish_call(c, m, COPY_USEC, &reply);
}

int bus_client_identity_export(struct bus_client *c, int fd)
{
        return call_with_fd(c, "Export", fd);
}

int bus_client_identity_import(struct bus_client *c, int fd)
{
        return call_with_fd(c, "Import", fd);
}
