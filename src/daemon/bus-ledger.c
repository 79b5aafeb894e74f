/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.example.P2PChat.Ledger */
#include <stdio.h>

#include "bus/names.h"
#include "daemon/bus-private.h"

/*
 * What there is
 */
int bus_ledger_view(struct bus *b, bool wants_genesis, struct ledger_view *ret, sd_bus_error *error)
{
        struct manager *m = b->manager;

        node_ledger_view(m->node, manager_now(m), ret);
        if (!ret->is_there)
                return bus_set_error(error, BUS_NOT_REACHABLE,
                        "The ledger is switched off: set [Ledger] Enabled=yes in %s, and restart "
                        "p2pchatd.",
                        m->settings->config);
        if (wants_genesis && !ret->ledger)
                return bus_set_error(error, BUS_NOT_REACHABLE,
                        "The ledger %s is not here yet: it comes from the first machine met that "
                        "is in it. Send a message to a user of it, or look at the spelling.",
                        ret->network);
        return 0;
}

static const char *state_word(enum ledger_name_state s)
{
        switch (s) {
        case LEDGER_HELD:
                return "registered";
        case LEDGER_REVOKED:
                return "revoked";
        case LEDGER_ENDED:
                return "ended";
        }
        return "ended";
}

/*
 * Networks
 */
/* Before anything that is to be kept. */
static int check_change(
        struct bus *b, bool wants_genesis, struct ledger_view *ret, sd_bus_error *error)
{
        int r = bus_ledger_view(b, wants_genesis, ret, error);

        return r < 0 ? r : bus_check_space(b->manager, error);
}

static int check_choice(struct bus *b, sd_bus_error *error)
{
        struct ledger_view view;
        int r;

        r = check_change(b, false, &view, error);
        if (r >= 0 && view.is_fixed)
                return bus_set_error(error, BUS_INVALID_ARGS,
                        "The configuration fixes the network: remove [Ledger] Network= from %s, "
                        "and restart p2pchatd.",
                        b->manager->settings->config);
        return r;
}

static int read_registrars(
        sd_bus_message *call, const char *ret[static REGISTRARS_MAX], size_t *ret_n)
{
        const char *word;
        size_t n = 0;
        int r;

        r = sd_bus_message_enter_container(call, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read_basic(call, 's', &word)) > 0) {
                if (n < REGISTRARS_MAX)
                        ret[n] = word;
                n++;
        }
        *ret_n = n;
        return r < 0 ? r : sd_bus_message_exit_container(call);
}

static int create(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        const char *name, *registrars[REGISTRARS_MAX];
        struct bus *b = userdata;
        struct manager *m = b->manager;
        char word[GENESIS_WORD_SIZE];
        struct refusal refusal;
        size_t n;
        int r;

        r = sd_bus_message_read(call, "s", &name);
        if (r >= 0)
                r = read_registrars(call, registrars, &n);
        if (r >= 0)
                r = check_choice(b, error);
        if (r < 0)
                return r;
        if (n > REGISTRARS_MAX)
                return bus_set_error(error, BUS_INVALID_ARGS,
                        "%zu registrars are too many: a network has at most %d.", n,
                        REGISTRARS_MAX);
        r = manager_take(m,
                node_ledger_create(m->node, name, registrars, n, manager_now(m), word, &refusal));
        return bus_finish_text(b, call, r, &refusal, word, error);
}

static int join(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        struct bus *b = userdata;
        struct manager *m = b->manager;
        struct refusal refusal;
        const char *word;
        int r;

        r = sd_bus_message_read(call, "s", &word);
        if (r >= 0)
                r = check_choice(b, error);
        if (r < 0)
                return r;
        r = manager_take(m, node_ledger_join(m->node, word, manager_now(m), &refusal));
        return bus_finish(b, call, r, &refusal, error);
}

/*
 * Own name
 */
static int register_name(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        struct bus *b = userdata;
        struct manager *m = b->manager;
        struct ledger_view view;
        struct refusal refusal;
        char word[WORD_SIZE];
        int r;

        r = check_change(b, true, &view, error);
        if (r < 0)
                return r;
        r = manager_take(m, node_ledger_register(m->node, manager_now(m), word, &refusal));
        return bus_finish_text(b, call, r, &refusal, word, error);
}

static int revoke_name(
        struct bus *b, sd_bus_message *call, const char *successor, sd_bus_error *error)
{
        struct manager *m = b->manager;
        struct ledger_view view;
        struct refusal refusal;
        int r;

        r = check_change(b, true, &view, error);
        if (r < 0)
                return r;
        r = manager_take(m, node_ledger_revoke(m->node, successor, manager_now(m), &refusal));
        return bus_finish(b, call, r, &refusal, error);
}

static int revoke_own(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        return revoke_name(userdata, call, "", error);
}

static int revoke_for(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        const char *successor;
        int r;

        r = sd_bus_message_read(call, "s", &successor);
        if (r >= 0 && !successor[0])
                return bus_set_error(error, BUS_INVALID_ARGS,
                        "The successor is missing: wanted is a user, or call Revoke.");
        return r < 0 ? r : revoke_name(userdata, call, successor, error);
}

/*
 * Registrars
 */
static int append_pending(sd_bus_message *reply, const struct ledger *l)
{
        _cleanup_(freep)
        struct certificate *waiting = calloc(LEDGER_POOL_MAX, sizeof *waiting);
        char id[ID_STRING_SIZE];
        size_t n;
        int r;

        if (!waiting)
                return -ENOMEM;
        n = ledger_unapproved(l, waiting, LEDGER_POOL_MAX);
        r = sd_bus_message_open_container(reply, 'a', "(" P2PCHAT_BUS_PENDING_ROW ")");
        for (size_t i = 0; r >= 0 && i < n; i++) {
                identity_id(waiting[i].public_key, id);
                r = sd_bus_message_append(reply, "(" P2PCHAT_BUS_PENDING_ROW ")", waiting[i].name,
                        id, waiting[i].time_usec);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int pending(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        struct ledger_view view;
        int r;

        r = bus_ledger_view(userdata, true, &view, error);
        if (r >= 0)
                r = sd_bus_message_new_method_return(call, &reply);
        if (r >= 0)
                r = append_pending(reply, view.ledger);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int approve(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        struct bus *b = userdata;
        struct manager *m = b->manager;
        struct ledger_view view;
        struct refusal refusal;
        const char *word;
        int r;

        r = sd_bus_message_read(call, "s", &word);
        if (r >= 0)
                r = check_change(b, true, &view, error);
        if (r < 0)
                return r;
        r = manager_take(m, node_ledger_approve(m->node, word, manager_now(m), &refusal));
        return bus_finish(b, call, r, &refusal, error);
}

/*
 * Names
 */
static int append_name(sd_bus_message *reply, const struct ledger_name *n)
{
        char id[ID_STRING_SIZE], block[HEX_SIZE(HASH_SIZE)];

        identity_id(n->public_key, id);
        hex_encode(n->block, HASH_SIZE, block);
        return sd_bus_message_append(reply, "(" P2PCHAT_BUS_NAME_ROW ")", n->name, id,
                n->since_usec, state_word(n->state), block);
}

/* In no block yet: one of our own, or one that a registrar has to approve. 1, 0: there is none, or
 * -errno. */
static int append_waiting(sd_bus_message *reply, const struct manager *m,
        const struct ledger_view *view, const char *name)
{
        _cleanup_(freep)
        struct certificate *waiting = NULL;
        char id[ID_STRING_SIZE] = "";
        size_t n;

        if (view->registration == REGISTRATION_WAITING &&
                name_equal(node_username(m->node), name)) {
                name = node_username(m->node);
                memcpy(id, m->memory.identity.id, sizeof id);
        } else {
                waiting = calloc(LEDGER_POOL_MAX, sizeof *waiting);
                if (!waiting)
                        return -ENOMEM;
                n = ledger_unapproved(view->ledger, waiting, LEDGER_POOL_MAX);
                for (size_t i = 0; i < n && !id[0]; i++)
                        if (name_equal(waiting[i].name, name)) {
                                name = waiting[i].name;
                                identity_id(waiting[i].public_key, id);
                        }
        }
        if (!id[0])
                return 0;
        return sd_bus_message_append(
                reply, "(" P2PCHAT_BUS_NAME_ROW ")", name, id, UINT64_C(0), "waiting", "");
}

static int get(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        struct bus *b = userdata;
        struct ledger_view view;
        struct ledger_name found;
        const char *name;
        int r;

        r = sd_bus_message_read(call, "s", &name);
        if (r >= 0)
                r = bus_ledger_view(b, true, &view, error);
        if (r >= 0)
                r = sd_bus_message_new_method_return(call, &reply);
        if (r < 0)
                return r;
        if (!username_is_valid(name))
                return bus_set_error(error, BUS_UNKNOWN_USER,
                        "\"%.100s\" is no name of the ledger: those are 3 to 20 of A-Z a-z 0-9 _ "
                        "-.",
                        name);
        if (ledger_find(view.ledger, name, manager_now(b->manager).real_usec, &found))
                r = append_name(reply, &found);
        else
                r = append_waiting(reply, b->manager, &view, name);
        if (r == 0)
                return bus_set_error(error, BUS_UNKNOWN_USER,
                        "Nobody has ever registered the name %s in %s: look at the spelling, or "
                        "list those that are.",
                        name, view.network);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int append_names(
        sd_bus_message *reply, const struct ledger *l, const char *after, size_t limit, usec_t usec)
{
        _cleanup_(freep)
        struct ledger_name *names = calloc(limit, sizeof *names);
        size_t n;
        int r;

        if (!names)
                return -ENOMEM;
        n = ledger_list(l, after, usec, names, limit);
        r = sd_bus_message_open_container(reply, 'a', "(" P2PCHAT_BUS_NAME_ROW ")");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = append_name(reply, &names[i]);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int list(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        struct bus *b = userdata;
        struct ledger_view view;
        const char *after;
        uint32_t limit;
        int r;

        r = sd_bus_message_read(call, "su", &after, &limit);
        if (r < 0)
                return r;
        if (strlen(after) > USERNAME_SIZE_MAX)
                return bus_set_error(error, BUS_INVALID_ARGS,
                        "\"%.100s\" is no name to begin after: those have at most %d characters.",
                        after, USERNAME_SIZE_MAX);
        if (limit == 0 || limit > P2PCHAT_BUS_PAGE_ROWS_MAX)
                return bus_set_error(error, BUS_INVALID_ARGS,
                        "The limit is %u: wanted is a number from 1 to %u.", limit,
                        P2PCHAT_BUS_PAGE_ROWS_MAX);
        r = bus_ledger_view(b, true, &view, error);
        if (r >= 0)
                r = sd_bus_message_new_method_return(call, &reply);
        if (r >= 0)
                r = append_names(
                        reply, view.ledger, after, limit, manager_now(b->manager).real_usec);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/*
 * Properties
 */
static int get_height(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        return sd_bus_message_append(reply, "t", (uint64_t)bus_ledger_now(userdata).height);
}

static int get_tip(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        struct ledger_told now = bus_ledger_now(userdata);
        char tip[HEX_SIZE(HASH_SIZE)] = "";

        if (now.is_known)
                hex_encode(now.tip, sizeof now.tip, tip);
        return sd_bus_message_append(reply, "s", tip);
}

/*
 * What the bus sees, in the order of the documentation
 */
#define UNPRIVILEGED SD_BUS_VTABLE_UNPRIVILEGED

/* clang-format off */
const sd_bus_vtable bus_ledger_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Create",
                SD_BUS_ARGS("s", name, "as", registrars),
                SD_BUS_RESULT("s", network),
                create, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Join",
                SD_BUS_ARGS("s", network),
                SD_BUS_NO_RESULT,
                join, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Register",
                SD_BUS_NO_ARGS,
                SD_BUS_RESULT("s", word),
                register_name, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Revoke",
                SD_BUS_NO_ARGS,
                SD_BUS_NO_RESULT,
                revoke_own, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("RevokeFor",
                SD_BUS_ARGS("s", successor),
                SD_BUS_NO_RESULT,
                revoke_for, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Pending",
                SD_BUS_NO_ARGS,
                SD_BUS_RESULT("a(" P2PCHAT_BUS_PENDING_ROW ")", registrations),
                pending, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Approve",
                SD_BUS_ARGS("s", word),
                SD_BUS_NO_RESULT,
                approve, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Get",
                SD_BUS_ARGS("s", name),
                SD_BUS_RESULT("(" P2PCHAT_BUS_NAME_ROW ")", entry),
                get, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("List",
                SD_BUS_ARGS("s", after, "u", limit),
                SD_BUS_RESULT("a(" P2PCHAT_BUS_NAME_ROW ")", entries),
                list, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Check",
                SD_BUS_NO_ARGS,
                SD_BUS_RESULT("t", records, "t", bad, "s", first),
                bus_ledger_check, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetStatus",
                SD_BUS_NO_ARGS,
                SD_BUS_RESULT("a{sv}", status),
                bus_ledger_get_status, UNPRIVILEGED),

        SD_BUS_SIGNAL_WITH_ARGS("NameCertified", SD_BUS_ARGS("s", name, "s", id), 0),

        SD_BUS_PROPERTY("Height", "t", get_height, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Tip", "s", get_tip, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_VTABLE_END,
};
/* clang-format on */
