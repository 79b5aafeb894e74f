/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* As long as the node has no groups, there are none. */
#include "core/node/node-private.h"

int node_list_groups(const struct node *n, struct group_view **ret, size_t *ret_n)
{
        *ret = calloc(1, sizeof **ret);
        *ret_n = 0;
        return *ret ? 0 : -ENOMEM;
}

int node_list_members(const struct node *n, const char *id, struct now now,
        struct group_member_view **ret, size_t *ret_n)
{
        *ret = calloc(1, sizeof **ret);
        *ret_n = 0;
        return *ret ? 0 : -ENOMEM;
}
