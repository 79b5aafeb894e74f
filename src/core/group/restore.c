/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Groups come and go; what was stored of them */
#include "core/group/group-internal.h"

struct group *group_look_up(const struct group_engine *e, const struct group_id *id)
{
        for (struct table_entry *i = table_find(&e->groups, id->bytes, sizeof id->bytes); i;
                i = table_find_next(i)) {
                struct group *g = container_of(i, struct group, in_groups);

                if (group_id_equal(&g->id, id))
                        return g;
        }
        return NULL;
}

struct group *group_add(struct group_engine *e, struct group_membership *m, enum group_state state)
{
        struct group *g = calloc(1, sizeof *g);
        uint8_t key[TABLE_KEY_SIZE];

        if (!g || table_add(&e->groups, &g->in_groups, m->id.bytes, sizeof m->id.bytes) < 0) {
                e->error = -ENOMEM;
                free(m);
                free(g);
                return NULL;
        }
        random_bytes(e->random, key, sizeof key);
        table_init(&g->authors, key);
        table_init(&g->lanes, key);
        table_init(&g->asks, key);
        list_init(&g->wishes);
        list_init(&g->all_authors);
        list_init(&g->meetings);
        list_init(&g->in_engine);
        list_append(&e->all_groups, &g->in_engine);
        g->id = m->id;
        g->state = state;
        g->membership = m;
        g->news_usec = g->compare_usec = g->wake_usec = USEC_INFINITY;
        e->n_groups++;
        return g;
}

static void end_meetings(struct group_engine *e, struct group *g)
{
        list_for_each_safe (i, &g->meetings)
                group_remove_meeting(e, container_of(i, struct meeting, in_group));
}

void group_drop(struct group_engine *e, struct group *g)
{
        end_meetings(e, g);
        list_for_each_safe (i, &g->wishes)
                free(container_of(i, struct wish, in_group));
        group_clear_lanes(g);
        table_done(&g->authors);
        table_done(&g->lanes);
        table_done(&g->asks);
        table_remove(&e->groups, &g->in_groups);
        list_remove(&g->in_engine);
        free(g->membership);
        free(g);
        e->n_groups--;
}

void group_end(struct group_engine *e, struct group *g)
{
        g->state = GROUP_ENDED;
        end_meetings(e, g);
        g->news_usec = g->compare_usec = USEC_INFINITY;
        group_store(e, g);
        group_show_change(e, g, false);
}

bool group_is_creator(const struct group_engine *e, const struct group *g)
{
        return group_key_equal(&g->membership->creator, &e->self);
}

void group_plan(struct group_engine *e, struct group *g, usec_t usec)
{
        g->wake_usec = usec_min(g->wake_usec, usec);
        e->wake_usec = usec_min(e->wake_usec, usec);
}

int group_restore(struct group_engine *e, enum group_state state, const struct group_key *inviter,
        const void *membership, size_t size)
{
        struct group_membership *m;
        struct group *g;
        int r = group_membership_decode(membership, size, &m);

        if (r != 0)
                return r < 0 ? r : GROUP_INVALID;
        if (group_look_up(e, &m->id) || e->n_groups >= GROUP_GROUPS_MAX || state < GROUP_INVITED ||
                state > GROUP_ENDED) {
                free(m);
                return GROUP_INVALID;
        }
        g = group_add(e, m, state);
        if (g)
                g->inviter = *inviter;
        return e->error;
}

int group_restore_leave(struct group_engine *e, const void *leave, size_t size)
{
        struct group_leave l;
        struct group *g;

        if (group_leave_decode(leave, size, &l) != 0)
                return GROUP_INVALID;
        g = group_look_up(e, &l.group);
        if (!g || group_find_wish(g, &l.key) || group_joined(g, &l.key) != l.joined)
                return GROUP_INVALID;
        return group_add_wish(e, g, &l);
}

int group_restore_lane(struct group_engine *e, const struct group_id *group,
        const struct group_lane_id *lane, uint64_t number)
{
        struct group *g = group_look_up(e, group);
        struct lane *l;

        if (!g || lane->version == 0 || number == 0)
                return GROUP_INVALID;
        if (lane->version < g->membership->floor)
                return 0;
        l = group_find_lane(g, lane);
        if (!l)
                l = group_add_lane(e, g, lane);
        if (!l)
                return e->error;
        l->high = MAX(l->high, number);
        return 0;
}
