/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the ledger is: GetStatus of org.example.P2PChat.Ledger, and what changed */
#include "daemon/bus-private.h"

const char *bus_ledger_registration(const struct ledger_view *view)
{
        if (!view->is_there)
                return "none";
        switch (view->registration) {
        case REGISTRATION_NONE:
                return "none";
        case REGISTRATION_WAITING:
                return "waiting";
        case REGISTRATION_HELD:
                return "registered";
        }
        return "none";
}

/*
 * GetStatus
 */
static int append_flag(sd_bus_message *reply, const char *key, bool value)
{
        return sd_bus_message_append(reply, "{sv}", key, "b", value);
}

static int append_registrars(sd_bus_message *reply, const struct ledger_view *view)
{
        const struct certificate_context *x =
                view->ledger ? &ledger_genesis(view->ledger)->context : NULL;
        char id[ID_STRING_SIZE];
        int r;

        r = sd_bus_message_open_container(reply, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(reply, "s", "registrars");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "s");
        for (size_t i = 0; r >= 0 && x && i < x->n_registrars; i++) {
                identity_id(x->registrars[i], id);
                r = sd_bus_message_append(reply, "s", id);
        }
        for (int i = 0; r >= 0 && i < 3; i++)
                r = sd_bus_message_close_container(reply);
        return r;
}

static int append_network(sd_bus_message *reply, const struct ledger_view *view)
{
        const char *mode = "";
        int r;

        if (view->ledger)
                mode = ledger_genesis(view->ledger)->context.n_registrars > 0 ? "registrars"
                                                                              : "open";
        r = bus_append_text(reply, "network", view->network);
        if (r >= 0)
                r = bus_append_text(reply, "mode", mode);
        if (r >= 0)
                r = append_flag(reply, "built-in", view->is_built_in);
        if (r >= 0)
                r = append_flag(reply, "known", view->ledger);
        return r < 0 ? r : append_registrars(reply, view);
}

static int append_chain(sd_bus_message *reply, const struct ledger_view *view)
{
        char tip[HEX_SIZE(HASH_SIZE)] = "";
        struct ledger_status s = {};
        int r;

        if (view->ledger) {
                ledger_status(view->ledger, &s);
                hex_encode(s.tip, HASH_SIZE, tip);
        }
        r = bus_append_number(reply, "height", s.height);
        if (r >= 0)
                r = bus_append_number(reply, "final-height", s.final_height);
        if (r >= 0)
                r = bus_append_text(reply, "tip", tip);
        if (r >= 0)
                r = bus_append_number(reply, "work", s.work);
        if (r >= 0)
                r = bus_append_number(reply, "records", s.n_records);
        if (r >= 0)
                r = bus_append_number(reply, "names", s.n_names);
        if (r >= 0)
                r = bus_append_number(reply, "waiting", s.n_waiting);
        if (r >= 0)
                r = bus_append_number(reply, "unapproved", s.n_unapproved);
        if (r >= 0)
                r = bus_append_number(reply, "members", s.n_peers);
        return r < 0 ? r : append_flag(reply, "catching-up", s.is_catching_up);
}

static int append_own(
        sd_bus_message *reply, const struct manager *m, const struct ledger_view *view)
{
        const char *name = "";
        usec_t until_usec = 0;
        int r;

        if (view->is_there && view->registration == REGISTRATION_HELD) {
                name = view->own.name;
                until_usec = view->own.until_usec;
        } else if (view->is_there && view->registration == REGISTRATION_WAITING) {
                name = node_username(m->node);
        }
        r = bus_append_text(reply, "registration", bus_ledger_registration(view));
        if (r >= 0)
                r = bus_append_text(reply, "registered-name", name);
        return r < 0 ? r : bus_append_number(reply, "registered-until", until_usec);
}

static int append_status(sd_bus_message *reply, struct manager *m)
{
        struct ledger_view view;
        int r;

        node_ledger_view(m->node, manager_now(m), &view);
        if (!view.is_there)
                view = (struct ledger_view){};
        r = append_network(reply, &view);
        if (r >= 0)
                r = append_chain(reply, &view);
        if (r >= 0)
                r = append_own(reply, m, &view);
        return r < 0 ? r : bus_append_text(reply, "disputed", view.disputed);
}

int bus_ledger_get_status(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        return bus_answer_dictionary(call, ((struct bus *)userdata)->manager, append_status);
}

/*
 * What is told of it unasked
 */
struct ledger_told bus_ledger_now(const struct bus *b)
{
        struct manager *m = b->manager;
        struct ledger_told now = {};
        struct ledger_status s;
        struct ledger_view view;

        node_ledger_view(m->node, manager_now(m), &view);
        if (!view.is_there || !view.ledger)
                return now;
        ledger_status(view.ledger, &s);
        now.is_known = true;
        now.height = s.height;
        memcpy(now.tip, s.tip, sizeof now.tip);
        return now;
}

unsigned bus_ledger_look(const struct bus *b, struct ledger_told *told)
{
        struct ledger_told now = bus_ledger_now(b);
        unsigned changed = 0;

        if (now.height != told->height)
                changed |= CHANGED_HEIGHT;
        if (now.is_known != told->is_known || memcmp(now.tip, told->tip, sizeof now.tip) != 0)
                changed |= CHANGED_TIP;
        *told = now;
        return changed;
}
