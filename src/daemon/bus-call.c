/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls that are answered later: who waits, how many may, and who has left
 *
 * The broker tells who a caller is only when asked, and asking takes a round trip, which no handler
 * waits for. So a caller is charged by itself until it is known, and by its uid from then on; only
 * when so many calls wait that uids matter do further ones wait unread until all of them are known.
 */
#include <stdio.h>

#include "base/list.h"
#include "bus/names.h"
#include "daemon/bus-private.h"
#include "os/log.h"

#define UID_UNKNOWN ((uid_t)-1)

/*
 * Callers
 */
void bus_call_free(struct bus *b, struct call *c)
{
        c->caller->n_calls--;
        if (c->may_wait) {
                c->caller->n_waiting--;
                b->n_waiting--;
        }
        list_remove(&c->list);
        sd_bus_message_unref(c->message);
        free(c);
}

static void forget_calls(struct bus *b, const struct caller *caller)
{
        list_for_each_safe (i, &b->calls) {
                struct call *c = container_of(i, struct call, list);

                if (c->caller != caller)
                        continue;
                files_forget_call(&b->manager->files, c->number);
                ring_forget_call(&b->manager->ring, c->number);
                node_forget_call(b->manager->node, c->number);
                bus_call_free(b, c);
        }
}

static void held_free(struct held *h)
{
        list_remove(&h->list);
        sd_bus_message_unref(h->message);
        free(h);
}

static void forget_unread(struct caller *caller)
{
        list_for_each_safe (i, &caller->bus->unread) {
                struct held *h = container_of(i, struct held, list);

                if (streq(sd_bus_message_get_sender(h->message), caller->name))
                        held_free(h);
        }
}

/* It has left, or is not needed any more. */
static void caller_free(struct caller *caller)
{
        struct bus *b = caller->bus;

        bus_searches_forget(b, caller);
        bus_checks_forget(b, caller);
        bus_identity_forget(b, caller);
        forget_calls(b, caller);
        forget_unread(caller);
        list_remove(&caller->list);
        b->n_callers--;
        sd_bus_slot_unref(caller->query);
        sd_bus_slot_unref(caller->match);
        free(caller->name);
        free(caller);
}

void bus_forget_callers(struct bus *b)
{
        list_for_each_safe (i, &b->callers)
                caller_free(container_of(i, struct caller, list));
}

static bool caller_is_idle(const struct caller *c)
{
        return c->n_calls == 0 && c->n_searches == 0 && c->n_checks == 0 && c->n_unread == 0 &&
               !bus_identity_is_asked_by(c);
}

/* Callers that have nothing to wait for are kept for their next call, but not too many. */
static void drop_idle(struct bus *b)
{
        struct list *i = b->callers.prev;

        while (b->n_callers > CALLERS_IDLE_MAX && i != b->callers.next) {
                struct caller *c = container_of(i, struct caller, list);

                i = i->prev;
                if (caller_is_idle(c))
                        caller_free(c);
        }
}

int bus_get_caller(struct bus *b, sd_bus_message *message, struct caller **ret)
{
        const char *name = sd_bus_message_get_sender(message);
        struct caller *c;

        if (!name)
                return -EINVAL;
        list_for_each (i, &b->callers) {
                c = container_of(i, struct caller, list);
                if (streq(c->name, name)) {
                        list_remove(i);
                        list_append(b->callers.next, i); /* before the first: now it is the first */
                        *ret = c;
                        return 0;
                }
        }

        c = calloc(1, sizeof *c);
        if (!c)
                return -ENOMEM;
        c->name = strdup(name);
        if (!c->name) {
                free(c);
                return -ENOMEM;
        }
        c->bus = b;
        list_append(b->callers.next, &c->list);
        b->n_callers++;
        *ret = c;
        return 0;
}

/* Calls that the uid of @caller waits for, as far as it is known. */
static size_t count_waiting(const struct bus *b, const struct caller *caller)
{
        size_t n = 0;

        if (!caller->is_known)
                return caller->n_waiting;
        list_for_each (i, &b->callers) {
                const struct caller *c = container_of(i, struct caller, list);

                if (c->is_known && c->uid == caller->uid)
                        n += c->n_waiting;
        }
        return n;
}

bool bus_caller_may_wait(const struct bus *b, const struct caller *caller)
{
        return count_waiting(b, caller) < P2PCHAT_BUS_CALLS_MAX;
}

/* Somebody who waits, and of whom we do not know who it is. */
static bool is_anybody_unknown(const struct bus *b)
{
        list_for_each (i, &b->callers) {
                const struct caller *c = container_of(i, struct caller, list);

                if (!c->is_known && (c->n_waiting > 0 || c->n_unread > 0))
                        return true;
        }
        return false;
}

static void read_unread(struct bus *b)
{
        while (!list_is_empty(&b->unread) && !is_anybody_unknown(b)) {
                struct held *h = container_of(list_first(&b->unread), struct held, list);
                _cleanup_(sd_bus_error_free)
                sd_bus_error error = SD_BUS_ERROR_NULL;
                struct caller *caller;
                int r;

                r = bus_get_caller(b, h->message, &caller);
                if (r >= 0) {
                        caller->n_unread--;
                        r = h->begin(b, h->message, caller, &error);
                }
                if (r < 0)
                        (void)sd_bus_reply_method_errno(h->message, r, &error);
                held_free(h);
        }
}

static void caller_known(struct caller *c, uid_t uid)
{
        c->uid = uid;
        c->is_known = true;
        read_unread(c->bus);
        bus_searches_wake(c->bus);
        bus_identity_wake(c->bus);
}

static int on_uid(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        struct caller *c = userdata;
        struct bus *b = c->bus;
        uint32_t uid;

        c->query = sd_bus_slot_unref(c->query);
        if (sd_bus_message_is_method_error(reply, SD_BUS_ERROR_NAME_HAS_NO_OWNER)) {
                caller_free(c); /* it was gone before we asked */
                read_unread(b);
        } else if (sd_bus_message_read(reply, "u", &uid) >= 0) {
                caller_known(c, uid);
        } else {
                caller_known(c, UID_UNKNOWN);
        }
        return 0;
}

static int on_owner_changed(sd_bus_message *signal, void *userdata, sd_bus_error *error)
{
        const char *name, *old, *new;
        struct caller *c = userdata;
        struct bus *b = c->bus;

        if (sd_bus_message_read(signal, "sss", &name, &old, &new) >= 0 && !new[0]) {
                caller_free(c);
                read_unread(b);
        }
        return 0;
}

/* A broker that takes no more matches is no reason to lose the connection, which is what happens
 * without this. */
static int on_match(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        return 0;
}

void bus_ask_caller(struct caller *c)
{
        _cleanup_(freep)
        char *match = NULL;
        sd_bus *connection = c->bus->connection;
        int r;

        if (c->is_asked)
                return;
        c->is_asked = true;
        if (asprintf(&match,
                    "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                    "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='%s'",
                    c->name) < 0)
                return;
        /* In this order nothing is missed: it is there when it is asked about, or its end is heard.
         */
        r = sd_bus_add_match_async(connection, &c->match, match, on_owner_changed, on_match, c);
        if (r >= 0)
                r = sd_bus_call_method_async(connection, &c->query, "org.freedesktop.DBus",
                        "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetConnectionUnixUser",
                        on_uid, c, "s", c->name);
        if (r < 0) {
                log_debug_errno(r, "Failed to ask the bus about %s: %m", c->name);
                caller_known(c, UID_UNKNOWN);
        }
}

/*
 * Calls
 */
static int hold_unread(
        struct bus *b, struct caller *caller, sd_bus_message *message, begin_fn begin)
{
        struct held *h = calloc(1, sizeof *h);

        if (!h)
                return -ENOMEM;
        h->message = sd_bus_message_ref(message);
        h->begin = begin;
        list_append(&b->unread, &h->list);
        caller->n_unread++;
        bus_ask_caller(caller);
        return 1;
}

int bus_call_new(struct bus *b, sd_bus_message *message, struct caller *caller, bool may_wait,
        struct call **ret)
{
        struct call *c = calloc(1, sizeof *c);

        if (!c)
                return -ENOMEM;
        *c = (struct call){
                .number = ++b->call_last,
                .message = sd_bus_message_ref(message),
                .caller = caller,
                .may_wait = may_wait,
                .is_new = true,
        };
        caller->n_calls++;
        if (may_wait) {
                caller->n_waiting++;
                b->n_waiting++;
        }
        list_append(&b->calls, &c->list);
        *ret = c;
        return 0;
}

int bus_call_begun(
        struct bus *b, struct call *c, int r, const struct refusal *refusal, sd_bus_error *error)
{
        if (r == 0)
                return 1;
        bus_call_free(b, c);
        return r < 0 ? r : bus_set_refusal(error, r, refusal);
}

int bus_begin_call(struct bus *b, sd_bus_message *message, begin_fn begin, sd_bus_error *error)
{
        struct caller *caller;
        int r;

        r = bus_get_caller(b, message, &caller);
        if (r < 0)
                return r;
        drop_idle(b);
        if (!list_is_empty(&b->unread) || (b->n_waiting >= P2PCHAT_BUS_CALLS_MAX &&
                                                  (!caller->is_known || is_anybody_unknown(b))))
                return hold_unread(b, caller, message, begin);
        return begin(b, message, caller, error);
}

int bus_begin_known_call(
        struct bus *b, sd_bus_message *message, begin_fn begin, sd_bus_error *error)
{
        struct caller *caller;
        int r;

        r = bus_get_caller(b, message, &caller);
        if (r < 0)
                return r;
        drop_idle(b);
        if (!caller->is_known || !list_is_empty(&b->unread))
                return hold_unread(b, caller, message, begin);
        return begin(b, message, caller, error);
}

struct call *bus_find_call(struct bus *b, uint64_t number)
{
        if (!b)
                return NULL;
        list_for_each (i, &b->calls) {
                struct call *c = container_of(i, struct call, list);

                if (c->number == number)
                        return c;
        }
        return NULL;
}

void bus_answer_call(struct bus *b, struct call *c, int r, sd_bus_message *reply)
{
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        else
                (void)sd_bus_reply_method_errno(c->message, r, NULL);
        if (r < 0)
                log_debug_errno(r, "Failed to answer a call: %m");
        bus_call_free(b, c);
}

void bus_refuse(struct bus *b, uint64_t number, int code, const char *sentence)
{
        struct call *c = bus_find_call(b, number);
        _cleanup_(sd_bus_error_free)
        sd_bus_error error = SD_BUS_ERROR_NULL;
        struct refusal refusal;

        if (!c)
                return;
        (void)snprintf(refusal.sentence, sizeof refusal.sentence, "%s", sentence);
        (void)bus_set_refusal(&error, code, &refusal);
        (void)sd_bus_reply_method_error(c->message, &error);
        bus_call_free(b, c);
}

void bus_stop(struct bus *b)
{
        if (!b)
                return;
        list_for_each_safe (i, &b->calls) {
                struct call *c = container_of(i, struct call, list);

                (void)sd_bus_reply_method_errorf(c->message, bus_error_name(BUS_OTHER),
                        "p2pchatd ends, and this was not done yet: try again when it runs.");
                bus_call_free(b, c);
        }
}

void bus_calls_end_turn(struct bus *b)
{
        list_for_each (i, &b->calls) {
                struct call *c = container_of(i, struct call, list);

                c->is_new = false;
                bus_ask_caller(c->caller);
        }
}

void bus_calls_refuse_turn(struct bus *b)
{
        list_for_each (i, &b->calls) {
                struct call *c = container_of(i, struct call, list);

                if (c->is_new)
                        (void)bus_reply_storage_full(c->message);
        }
}
