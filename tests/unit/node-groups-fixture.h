/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Machines that have met, and groups among them */
#include "unit/node-native-fixture.h"

static const char *const group_names[] = { "Ana", "Bob", "Cem", "Dan", "Eva", "Fay", "Gus", "Hal" };

static inline struct machine *at(int i)
{
        return &net.machines[i];
}

/* Any two of them have a proven key of each other. */
static inline void begin_groups(int n)
{
        net_init(&net);
        for (int i = 0; i < n; i++)
                net_add(&net, i, group_names[i], (unsigned)i + 1, true);
        net_pass(&net, USEC_PER_SEC);
        for (int i = 0; i < n; i++)
                for (int k = 0; k < n; k++) {
                        if (i == k)
                                continue;
                        ASSERT_OK(machine_send(at(i), group_names[k], "hello"));
                        net_pass(&net, 100 * USEC_PER_MSEC);
                }
        net_pass(&net, 10 * USEC_PER_SEC);
}

static inline int try_create(int i, const char *name, int n, char *ret_id)
{
        const char *words[ELEMENTSOF(group_names)];
        size_t n_words = 0;

        for (int k = 0; k < n; k++)
                if (k != i)
                        words[n_words++] = group_names[k];
        return node_group_create(at(i)->node, name, words, n_words, net.now, ret_id, NULL);
}

/* Of the first @n machines, all of which have accepted. */
static inline void make_team(int creator, int n)
{
        char id[GROUP_ID_STRING_SIZE];

        ASSERT_OK(try_create(creator, "team", n, id));
        net_pass(&net, 5 * USEC_PER_SEC);
        for (int i = 0; i < n; i++)
                if (i != creator)
                        ASSERT_OK(node_group_accept(at(i)->node, "+team", net.now, NULL));
        net_pass(&net, 5 * USEC_PER_SEC);
}

static inline struct row *find_text(int i, const char *text)
{
        struct disk *d = &at(i)->disk;

        for (size_t k = 0; k < d->n_rows; k++)
                if (streq(d->rows[k].text, text))
                        return &d->rows[k];
        return NULL;
}

static inline size_t count_text(int i, const char *text)
{
        struct disk *d = &at(i)->disk;
        size_t n = 0;

        for (size_t k = 0; k < d->n_rows; k++)
                n += streq(d->rows[k].text, text);
        return n;
}

static inline enum message_state state_of(int i, const char *text)
{
        struct row *row = find_text(i, text);

        if (!row)
                TEST_FAIL("%s does not have \"%s\"", group_names[i], text);
        return row->message.state;
}

static inline size_t count_groups(int i)
{
        struct group_view *views;
        size_t n;

        ASSERT_OK(node_list_groups(at(i)->node, &views, &n));
        free(views);
        return n;
}

/* How many members +team has, as @i sees it. */
static inline size_t count_members(int i)
{
        struct group_member_view *members;
        struct group_view *views;
        size_t n, n_members = 0;

        ASSERT_OK(node_list_groups(at(i)->node, &views, &n));
        if (n > 0) {
                ASSERT_OK(
                        node_list_members(at(i)->node, views[0].id, net.now, &members, &n_members));
                free(members);
        }
        free(views);
        return n_members;
}

/* All sessions end of themselves. */
static inline void fall_silent(void)
{
        net_pass(&net, 3 * USEC_PER_MINUTE);
}
