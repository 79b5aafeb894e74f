/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The service as its clients see it: calls about the ledger */

#include "bus/client-internal.h"
#include "bus/names.h"

#define LEDGER P2PCHAT_BUS_LEDGER_INTERFACE

int bus_name_next(sd_bus_message *m, struct bus_name *ret)
{
        struct bus_name n;
        int r = sd_bus_message_read(
                m, "(" P2PCHAT_BUS_NAME_ROW ")", &n.name, &n.id, &n.time_usec, &n.state, &n.block);

        if (r > 0)
                *ret = n;
        return r;
}

int bus_pending_next(sd_bus_message *m, struct bus_pending *ret)
{
        struct bus_pending p;
        int r = sd_bus_message_read(
                m, "(" P2PCHAT_BUS_PENDING_ROW ")", &p.name, &p.id, &p.time_usec);

        if (r > 0)
                *ret = p;
        return r;
}

int bus_client_ledger_create(struct bus_client *c, const char *name, const char *const *registrars,
        size_t n_registrars, char **ret_word)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = client_new_call(c, LEDGER, "Create", &m);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "s", name);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "s");
        for (size_t i = 0; r >= 0 && i < n_registrars; i++)
                r = sd_bus_message_append(m, "s", registrars[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r < 0)
                return client_fail(c, r);
        r = client_finish_call(c, m, 0, &reply);
        return r < 0 ? r : client_take_text(c, reply, false, ret_word);
}

static int call_word(struct bus_client *c, const char *member, const char *word)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;

        return client_call(c, LEDGER, member, &reply, "s", word);
}

int bus_client_ledger_join(struct bus_client *c, const char *word)
{
        return call_word(c, "Join", word);
}

int bus_client_ledger_approve(struct bus_client *c, const char *word)
{
        return call_word(c, "Approve", word);
}

int bus_client_ledger_register(struct bus_client *c, char **ret_word)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        int r = client_call(c, LEDGER, "Register", &reply, "");

        return r < 0 ? r : client_take_text(c, reply, false, ret_word);
}

int bus_client_ledger_revoke(struct bus_client *c, const char *successor)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;

        return successor ? call_word(c, "RevokeFor", successor)
                         : client_call(c, LEDGER, "Revoke", &reply, "");
}

int bus_client_ledger_pending(struct bus_client *c, sd_bus_message **ret)
{
        sd_bus_message *reply = NULL;
        int r = client_call(c, LEDGER, "Pending", &reply, "");

        return r < 0 ? r : client_take_rows(c, reply, "(" P2PCHAT_BUS_PENDING_ROW ")", ret);
}

int bus_client_ledger_get(
        struct bus_client *c, const char *name, sd_bus_message **ret, struct bus_name *ret_name)
{
        sd_bus_message *reply = NULL;
        int r;

        r = client_call(c, LEDGER, "Get", &reply, "s", name);
        if (r < 0)
                return r;
        r = bus_name_next(reply, ret_name);
        if (r <= 0) {
                sd_bus_message_unref(reply);
                return client_fail(c, r < 0 ? r : -EBADMSG);
        }
        *ret = reply;
        return 0;
}

int bus_client_ledger_list(
        struct bus_client *c, const char *after, uint32_t limit, sd_bus_message **ret)
{
        sd_bus_message *reply = NULL;
        int r = client_call(c, LEDGER, "List", &reply, "su", after, limit);

        return r < 0 ? r : client_take_rows(c, reply, "(" P2PCHAT_BUS_NAME_ROW ")", ret);
}

int bus_client_ledger_check(
        struct bus_client *c, uint64_t *ret_n_records, uint64_t *ret_n_bad, char **ret_first)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL, *reply = NULL;
        uint64_t n_records, n_bad;
        const char *first;
        char *copy;
        int r;

        r = client_new_call(c, LEDGER, "Check", &m);
        if (r >= 0)
                r = client_finish_call(c, m, USEC_INFINITY, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "tts", &n_records, &n_bad, &first);
        copy = r < 0 ? NULL : strdup(first);
        if (!copy)
                return client_fail(c, r < 0 ? r : -ENOMEM);
        *ret_n_records = n_records;
        *ret_n_bad = n_bad;
        *ret_first = copy;
        return 0;
}

int bus_client_ledger_status(struct bus_client *c, sd_bus_message **ret)
{
        sd_bus_message *reply = NULL;
        int r = client_call(c, LEDGER, "GetStatus", &reply, "");

        return r < 0 ? r : client_take_rows(c, reply, "{sv}", ret);
}
