/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A membership that is new here: invitations, and what a better one changes */
#include "core/group/group-internal.h"

/* Those that we were just speaking to, and who are in it no more, are told so. */
static void dismiss(struct group_engine *e, struct group *g)
{
        list_for_each (i, &g->meetings) {
                const struct meeting *m = container_of(i, struct meeting, in_group);

                group_tell_farewell(e, g, &m->peer->key);
        }
}

static void show_invitation(struct group_engine *e, struct group *g, const struct group_key *from)
{
        struct group_effect *effect;

        g->inviter = *from;
        group_store(e, g);
        effect = group_add_effect(e, GROUP_INVITATION, g, NULL, 0);
        if (!effect)
                return;
        effect->state = g->state;
        effect->inviter = *from;
}

/* The wish to leave is done, or we were invited anew. */
static void adopt_leaving(struct group_engine *e, struct group *g, const struct group_key *from)
{
        if (group_find_wish(g, &e->self)) {
                group_store(e, g);
                return;
        }
        if (!group_membership_member(g->membership, &e->self)) {
                group_end(e, g);
                return;
        }
        g->state = GROUP_INVITED;
        show_invitation(e, g, from);
}

static void adopt_as_member(
        struct group_engine *e, struct group *g, bool is_contradicted, const struct group_key *from)
{
        const struct peer_of_groups *giver = from ? group_find_peer(e, from) : NULL;

        if (giver && !group_find_meeting(g, giver))
                group_tell_farewell(e, g, from);
        dismiss(e, g);
        if (!group_membership_member(g->membership, &e->self)) {
                group_end(e, g);
                return;
        }
        group_store(e, g);
        group_show_change(e, g, is_contradicted);
        list_for_each (i, &g->meetings) {
                struct meeting *meeting = container_of(i, struct meeting, in_group);

                if (!group_is_current(g, &meeting->peer->key))
                        continue;
                meeting->pushed_usec = 0;
                /* Our own work is known to nobody; that of others may be known already. */
                if (!from)
                        group_push(e, meeting);
                group_tell_tip(e, meeting);
        }
        group_meet(e, g);
}

/* The creator puts the wishes that are left into the next version. */
static void adopt_wishes(struct group_engine *e, struct group *g)
{
        struct group_key keys[GROUP_MEMBERS_MAX];
        struct group_membership *m;
        size_t n = 0;
        int r;

        list_for_each (i, &g->wishes)
                if (n < ELEMENTSOF(keys))
                        keys[n++] = container_of(i, struct wish, in_group)->leave.key;
        if (n == 0)
                return;
        r = group_draft(e, g, NULL, 0, keys, n, &m);
        if (r == 0)
                group_adopt(e, g, m, NULL);
        else if (r < 0)
                e->error = r;
}

void group_adopt(struct group_engine *e, struct group *g, struct group_membership *m,
        const struct group_key *from)
{
        struct group_membership *old = g->membership;
        bool is_contradicted =
                m->version == old->version ||
                (m->version == old->version + 1 && memcmp(m->previous, old->hash, HASH_SIZE) != 0);

        g->membership = m;
        memset(g->heard, 0, sizeof g->heard);
        group_drop_wishes(e, g);
        if (m->floor > old->floor)
                group_drop_lanes_below(g, m->floor);
        free(old);
        switch (g->state) {
        case GROUP_INVITED:
                if (!group_membership_member(m, &e->self)) {
                        (void)group_add_effect(e, GROUP_FORGET, g, NULL, 0);
                        group_drop(e, g);
                        return;
                }
                group_store(e, g);
                group_show_change(e, g, is_contradicted);
                break;
        case GROUP_MEMBER:
                adopt_as_member(e, g, is_contradicted, from);
                if (g->state == GROUP_MEMBER && group_is_creator(e, g))
                        adopt_wishes(e, g);
                break;
        case GROUP_LEAVING:
                adopt_leaving(e, g, from);
                break;
        case GROUP_ENDED:
                break;
        }
}

/* Invitations */

static bool is_room_for_invitation(const struct group_engine *e, const struct group_membership *m,
        const struct group_key *from)
{
        size_t n_of_creator = 0, n_invited = 0, n_of_peer = 0;
        bool is_own = group_key_equal(&m->creator, &e->self); /* before we were restored */

        list_for_each (i, &e->all_groups) {
                const struct group *g = container_of(i, struct group, in_engine);

                if (group_id_equal(&g->id, &m->id))
                        continue;
                n_of_creator += group_key_equal(&g->membership->creator, &m->creator);
                n_invited += g->state == GROUP_INVITED;
                n_of_peer += g->state == GROUP_INVITED && group_key_equal(&g->inviter, from);
        }
        return (is_own || n_of_creator < GROUP_PER_CREATOR_MAX) && n_invited < GROUP_INVITED_MAX &&
               n_of_peer < GROUP_INVITED_PER_PEER_MAX;
}

/* 0 when it is genuine; otherwise all that is to be done about it is done. */
static int verify(
        struct group_engine *e, struct peer_of_groups *p, const struct group_membership *m)
{
        int r;

        if (!ratelimit_allow(&p->signatures, e->now.mono_usec))
                return GROUP_FULL;
        r = group_membership_verify(m);
        if (r < 0)
                e->error = r;
        else if (r > 0)
                group_ban(e, p);
        return r;
}

static void invited(struct group_engine *e, struct peer_of_groups *p, struct group_membership *m)
{
        const struct group_key from = p->key;
        struct group *g;

        if (!group_membership_member(m, &e->self) || e->n_groups >= GROUP_GROUPS_MAX ||
                !is_room_for_invitation(e, m, &from) || verify(e, p, m) != 0) {
                free(m);
                return;
        }
        g = group_add(e, m, GROUP_INVITED);
        if (g)
                show_invitation(e, g, &from);
}

/* We were in that group, and would be in it again. */
static void invited_again(struct group_engine *e, struct peer_of_groups *p, struct group *g,
        struct group_membership *m)
{
        const struct group_member *self = group_membership_member(m, &e->self);
        const struct group_key from = p->key;

        if (!self || self->joined <= group_joined(g, &e->self) ||
                !is_room_for_invitation(e, m, &from) || verify(e, p, m) != 0) {
                free(m);
                return;
        }
        if (m->floor > g->membership->floor)
                group_drop_lanes_below(g, m->floor);
        free(g->membership);
        g->membership = m;
        g->state = GROUP_INVITED;
        memset(g->heard, 0, sizeof g->heard);
        group_drop_wishes(e, g);
        show_invitation(e, g, &from);
}

/* It is not better than ours. */
static void received_old(struct group_engine *e, struct peer_of_groups *p, struct group *g,
        const struct group_membership *m)
{
        struct meeting *meeting = group_find_meeting(g, p);

        if (g->state != GROUP_MEMBER)
                return;
        if (memcmp(m->hash, g->membership->hash, HASH_SIZE) != 0 && meeting &&
                ratelimit_allow(&meeting->answers, e->now.mono_usec))
                group_tell_tip(e, meeting);
        else if (!meeting && ratelimit_allow(&p->signatures, e->now.mono_usec))
                group_tell_farewell(e, g, &p->key);
}

static bool may_bring(const struct group_membership *m, const struct group_key *key)
{
        return group_membership_member(m, key) || group_membership_departed(m, key);
}

void group_received_membership(
        struct group_engine *e, struct peer_of_groups *p, const void *data, size_t size)
{
        struct group_membership *m;
        const struct group_key from = p->key;
        struct group *g;
        int r = group_membership_decode(data, size, &m);

        if (r < 0)
                e->error = r;
        else if (r > 0)
                group_ban(e, p);
        if (r != 0)
                return;
        g = group_look_up(e, &m->id);
        if (!g && may_bring(m, &p->key)) {
                invited(e, p, m);
                return;
        }
        if (!g || !(may_bring(m, &p->key) || group_find_meeting(g, p))) {
                free(m);
                return;
        }
        if (!group_membership_is_better(
                    m->version, m->hash, g->membership->version, g->membership->hash)) {
                received_old(e, p, g, m);
                free(m);
                return;
        }
        if (g->state == GROUP_ENDED) {
                invited_again(e, p, g, m);
                return;
        }
        if (verify(e, p, m) != 0) {
                free(m);
                return;
        }
        group_adopt(e, g, m, &from);
}
