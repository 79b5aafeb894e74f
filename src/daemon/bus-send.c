/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SendMessage: its options, and its answer */
#include "bus/names.h"
#include "daemon/bus-private.h"
#include "os/log.h"

/* The word after "security": what is accepted at least. */
static int parse_security(const char *word, struct send_options *o, sd_bus_error *error)
{
        int security = security_from_word(word);

        if (security < 0 || security == SECURITY_UNPROVEN) /* that one says something of a user */
                return bus_set_error(error, BUS_INVALID_ARGS,
                        "\"%.100s\" is no security of a message: plain, legacy, encrypted, "
                        "certified, or verified.",
                        word);
        o->security = security;
        return 0;
}

static int read_option(sd_bus_message *message, struct send_options *o, sd_bus_error *error)
{
        const char *name, *word, *type;
        int r;

        r = sd_bus_message_read(message, "s", &name);
        if (r >= 0)
                r = sd_bus_message_peek_type(message, NULL, &type);
        if (r < 0)
                return r;
        if (streq(name, "security") && streq(type, "s")) {
                r = sd_bus_message_read(message, "v", "s", &word);
                return r < 0 ? r : parse_security(word, o, error);
        }
        if (streq(name, "number") && streq(type, "s"))
                return sd_bus_message_read(message, "v", "s", &o->number);
        if (streq(name, "wait-usec") && streq(type, "t")) {
                r = sd_bus_message_read(message, "v", "t", &o->wait_usec);
                o->wait_usec = usec_min(o->wait_usec, P2PCHAT_BUS_WAIT_USEC_MAX);
                return r;
        }
        return bus_set_error(error, BUS_INVALID_ARGS,
                "Option \"%.100s\" of type %.20s is not known; there are security (s), wait-usec "
                "(t) and number (s).",
                name, type);
}

static int read_options(sd_bus_message *message, struct send_options *o, sd_bus_error *error)
{
        int r;

        if (!sd_bus_message_has_signature(message, "ssa{sv}"))
                return 0;
        r = sd_bus_message_enter_container(message, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
                r = read_option(message, o, error);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(message);
        }
        return r;
}

static int send_message(
        struct bus *b, sd_bus_message *message, struct caller *caller, sd_bus_error *error)
{
        struct send_options options = { .security = -1, .wait_usec = P2PCHAT_BUS_WAIT_USEC };
        struct manager *m = b->manager;
        struct refusal refusal;
        const char *word, *text;
        struct call *call;
        int r;

        r = sd_bus_message_read(message, "ss", &word, &text);
        if (r >= 0)
                r = read_options(message, &options, error);
        if (r < 0)
                return r;
        r = bus_check_space(m, error);
        if (r < 0)
                return r;

        if (!bus_caller_may_wait(b, caller))
                options.wait_usec = 0;
        r = bus_call_new(b, message, caller, options.wait_usec > 0, &call);
        if (r < 0)
                return r;
        r = manager_take(m, node_send(m->node, call->number, word, text, strlen(text), &options,
                                    manager_now(m), &refusal));
        return bus_call_begun(b, call, r, &refusal, error);
}

int bus_send_message(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        return bus_begin_call(userdata, message, send_message, error);
}

void bus_answer(struct bus *b, uint64_t number, const struct ulid *id, enum message_state state)
{
        struct call *c = bus_find_call(b, number);
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        char text[ULID_STRING_SIZE];
        int r;

        if (!c)
                return;
        r = sd_bus_message_new_method_return(c->message, &reply);
        if (r >= 0)
                r = sd_bus_message_append(
                        reply, "ss", ulid_format(id, text), message_state_word(state));
        bus_answer_call(b, c, r, reply);
        if (state == MESSAGE_QUEUED)
                bus_signal_state(b, id, state, "");
}
