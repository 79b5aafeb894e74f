/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Groups: what a user wants, and questions */
#include "core/group/group-internal.h"

/* The membership before the first version: the creator is its only member, and the version is to be
 * made. */
static struct group_membership *make_seed(struct group_engine *e, const char *name)
{
        struct group_membership *m = group_membership_new(1, 0, 0);

        if (!m)
                return NULL;
        m->creator = e->self;
        random_bytes(e->random, m->nonce, sizeof m->nonce);
        memcpy(m->name, name, strlen(name));
        m->members[0] = (struct group_member){ e->self, 1 };
        group_make_id(&m->creator, m->nonce, &m->id);
        return m;
}

int group_create(struct group_engine *e, const char *name, const struct group_key *keys, size_t n,
        const struct now *now, struct group_id *ret)
{
        struct group_membership *seed, *first;
        struct group before = { .state = GROUP_MEMBER };
        struct group *g;
        int r;

        e->now = *now;
        if (!group_name_is_valid(name))
                return GROUP_INVALID;
        if (e->n_groups >= GROUP_GROUPS_MAX)
                return GROUP_FULL;
        seed = make_seed(e, name);
        if (!seed)
                return e->error = -ENOMEM;
        before.membership = seed;
        list_init(&before.wishes);
        r = group_draft(e, &before, keys, n, NULL, 0, &first);
        free(seed);
        if (r < 0)
                e->error = r;
        if (r != 0)
                return r;
        g = group_add(e, first, GROUP_MEMBER);
        if (!g)
                return e->error;
        g->inviter = e->self;
        *ret = g->id;
        group_store(e, g);
        group_show_change(e, g, false);
        group_meet(e, g);
        return e->error;
}

/* The group if the creator may change it; otherwise why not. */
static int find_own(const struct group_engine *e, const struct group_id *id, struct group **ret)
{
        struct group *g = group_look_up(e, id);

        if (!g)
                return GROUP_UNKNOWN;
        if (g->state != GROUP_MEMBER)
                return GROUP_WRONG_STATE;
        if (!group_is_creator(e, g))
                return GROUP_NOT_CREATOR;
        *ret = g;
        return 0;
}

static int change(struct group_engine *e, struct group *g, const struct group_key *add,
        size_t n_add, const struct group_key *drop, size_t n_drop)
{
        struct group_membership *m;
        int r = group_draft(e, g, add, n_add, drop, n_drop, &m);

        if (r < 0)
                e->error = r;
        if (r != 0)
                return r;
        group_adopt(e, g, m, NULL);
        return e->error;
}

int group_invite(struct group_engine *e, const struct group_id *id, const struct group_key *keys,
        size_t n, const struct now *now)
{
        struct group *g;
        int r = find_own(e, id, &g);
        bool is_any_new = false;

        e->now = *now;
        if (r != 0)
                return r;
        for (size_t i = 0; i < n; i++)
                is_any_new = is_any_new || !group_membership_member(g->membership, &keys[i]);
        return is_any_new ? change(e, g, keys, n, NULL, 0) : GROUP_KNOWN;
}

int group_remove(struct group_engine *e, const struct group_id *id, const struct group_key *key,
        const struct now *now)
{
        struct group *g;
        int r = find_own(e, id, &g);

        e->now = *now;
        if (r != 0)
                return r;
        if (group_key_equal(key, &e->self) || !group_membership_member(g->membership, key))
                return GROUP_UNKNOWN;
        return change(e, g, NULL, 0, key, 1);
}

int group_accept(struct group_engine *e, const struct group_id *id, const struct now *now)
{
        struct group *g = group_look_up(e, id);

        e->now = *now;
        if (!g)
                return GROUP_UNKNOWN;
        if (g->state != GROUP_INVITED)
                return GROUP_WRONG_STATE;
        g->state = GROUP_MEMBER;
        group_store(e, g);
        group_show_change(e, g, false);
        group_meet(e, g);
        return e->error;
}

/* All those who are connected and in it, whether they talk with us or not. */
static void tell_all_leaving(struct group_engine *e, struct group *g)
{
        list_for_each_safe (i, &g->meetings)
                group_remove_meeting(e, container_of(i, struct meeting, in_group));
        g->news_usec = g->compare_usec = USEC_INFINITY;
        list_for_each (i, &e->all_peers)
                group_tell_leaving(e, g, &container_of(i, struct peer_of_groups, in_engine)->key);
}

static int wish_to_leave(struct group_engine *e, struct group *g)
{
        struct group_leave l = { .group = g->id, .joined = group_joined(g, &e->self) };
        struct group_effect *effect;
        uint8_t data[GROUP_LEAVE_SIZE_MAX];
        int r;

        l.n_cuts = group_author_cuts(g, &e->self, l.joined, GROUP_CUTS_MAX, l.cuts);
        r = group_leave_sign(&l, e->identity);
        if (r < 0)
                return e->error = r;
        effect = group_add_effect(e, GROUP_STORE_LEAVE, g, data, group_leave_encode(&l, data));
        if (!effect || group_add_wish(e, g, &l) < 0)
                return e->error;
        effect->peer = e->self;
        return 0;
}

static int leave_own(struct group_engine *e, struct group *g)
{
        struct group_membership *m;
        int r = group_draft(e, g, NULL, 0, &e->self, 1, &m);

        if (r < 0)
                e->error = r;
        if (r != 0)
                return r;
        free(g->membership);
        g->membership = m;
        memset(g->heard, 0, sizeof g->heard);
        group_drop_wishes(e, g);
        return 0;
}

int group_leave(struct group_engine *e, const struct group_id *id, const struct now *now)
{
        struct group *g = group_look_up(e, id);
        bool is_alone;
        int r;

        e->now = *now;
        if (!g)
                return GROUP_UNKNOWN;
        if (g->state != GROUP_MEMBER && g->state != GROUP_INVITED)
                return GROUP_WRONG_STATE;
        r = group_is_creator(e, g) ? leave_own(e, g) : wish_to_leave(e, g);
        if (r != 0)
                return r;
        is_alone = g->membership->n_members == 0;
        g->state = is_alone ? GROUP_ENDED : GROUP_LEAVING;
        group_store(e, g);
        group_show_change(e, g, false);
        tell_all_leaving(e, g);
        return e->error;
}

int group_forget(struct group_engine *e, const struct group_id *id, const struct now *now)
{
        struct group *g = group_look_up(e, id);

        e->now = *now;
        if (!g)
                return GROUP_UNKNOWN;
        if (g->state != GROUP_ENDED && g->state != GROUP_INVITED)
                return GROUP_WRONG_STATE;
        (void)group_add_effect(e, GROUP_FORGET, g, NULL, 0);
        group_drop(e, g);
        return e->error;
}

/* Questions */

static void inform(const struct group *g, struct group_info *ret)
{
        *ret = (struct group_info){ .id = g->id,
                .state = g->state,
                .creator = g->membership->creator,
                .inviter = g->inviter,
                .version = g->membership->version,
                .n_members = g->membership->n_members };
        memcpy(ret->name, g->membership->name, sizeof ret->name);
        memcpy(ret->hash, g->membership->hash, sizeof ret->hash);
}

bool group_find(const struct group_engine *e, const struct group_id *id, struct group_info *ret)
{
        const struct group *g = group_look_up(e, id);

        if (g)
                inform(g, ret);
        return g;
}

size_t group_list(const struct group_engine *e, struct group_info *ret, size_t n_max)
{
        size_t n = 0;

        list_for_each (i, &e->all_groups)
                if (n < n_max)
                        inform(container_of(i, struct group, in_engine), &ret[n++]);
        return n;
}

size_t group_members(const struct group_engine *e, const struct group_id *id,
        struct group_member_info *ret, size_t n_max)
{
        const struct group *g = group_look_up(e, id);
        size_t n = 0;

        for (; g && n < g->membership->n_members && n < n_max; n++) {
                const struct group_member *m = &g->membership->members[n];

                ret[n] = (struct group_member_info){ m->key, m->joined, group_find_wish(g, &m->key),
                        g->heard[n] };
        }
        return n;
}

uint64_t group_counts(
        const struct group_engine *e, const struct group_id *id, const struct group_lane_id *lane)
{
        const struct group *g = group_look_up(e, id);

        return g ? group_cut(g, lane) : 0;
}

size_t group_lanes(const struct group_engine *e, const struct group_id *id,
        struct group_lane_info *ret, size_t n_max)
{
        const struct group *g = group_look_up(e, id);
        size_t n = 0;

        if (!g)
                return 0;
        list_for_each (i, &g->all_authors) {
                const struct author *a = container_of(i, struct author, in_group);

                list_for_each (k, &a->lanes) {
                        const struct lane *l = container_of(k, struct lane, in_author);
                        uint64_t number = group_lane_number(g, l);

                        if (number == 0 ||
                                !group_membership_had(g->membership, &e->self, l->version))
                                continue;
                        if (n < n_max)
                                ret[n] = (struct group_lane_info){ group_id_of_lane(l), number };
                        n++;
                }
        }
        return n;
}
