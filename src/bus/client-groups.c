/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The service as its clients see it: calls about groups */

#include "bus/client-internal.h"
#include "bus/names.h"

#define GROUPS P2PCHAT_BUS_GROUPS_INTERFACE

int bus_group_next(sd_bus_message *m, struct bus_group *ret)
{
        struct bus_group g;
        int r;

        r = sd_bus_message_enter_container(m, 'r', P2PCHAT_BUS_GROUP_ROW);
        if (r <= 0)
                return r;
        r = sd_bus_message_read(m, "sss", &g.id, &g.word, &g.state);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "s");
        if (r < 0)
                return r;
        *ret = g;
        return 1;
}

int bus_group_next_member(sd_bus_message *m, const char **ret)
{
        int r = sd_bus_message_read_basic(m, 's', ret);

        if (r != 0)
                return r;
        r = sd_bus_message_exit_container(m);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? r : 0;
}

int bus_client_group_create(struct bus_client *c, const char *name, char *const *members,
        size_t n_members, char **ret_id)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = client_new_call(c, GROUPS, "Create", &m);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "s", name);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "s");
        for (size_t i = 0; r >= 0 && i < n_members; i++)
                r = sd_bus_message_append(m, "s", members[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r < 0)
                return client_fail(c, r);
        r = client_finish_call(c, m, 0, &reply);
        return r < 0 ? r : client_take_text(c, reply, false, ret_id);
}

int bus_client_group_call(
        struct bus_client *c, const char *member, const char *group, const char *user)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;

        return user ? client_call(c, GROUPS, member, &reply, "ss", group, user)
                    : client_call(c, GROUPS, member, &reply, "s", group);
}

int bus_client_group_list(struct bus_client *c, sd_bus_message **ret)
{
        sd_bus_message *reply = NULL;
        int r = client_call(c, GROUPS, "List", &reply, "");

        return r < 0 ? r : client_take_rows(c, reply, "(" P2PCHAT_BUS_GROUP_ROW ")", ret);
}
