/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Leaving a group, and being told that one has left */
#include "core/group/group-internal.h"

const struct wish *group_find_wish(const struct group *g, const struct group_key *key)
{
        list_for_each (i, &g->wishes) {
                const struct wish *w = container_of(i, struct wish, in_group);

                if (group_key_equal(&w->leave.key, key))
                        return w;
        }
        return NULL;
}

int group_add_wish(struct group_engine *e, struct group *g, const struct group_leave *l)
{
        struct wish *w = calloc(1, sizeof *w);

        if (!w)
                return e->error = -ENOMEM;
        w->leave = *l;
        list_init(&w->in_group);
        list_append(&g->wishes, &w->in_group);
        return 0;
}

bool group_is_current(const struct group *g, const struct group_key *key)
{
        return group_membership_member(g->membership, key) && !group_find_wish(g, key);
}

uint32_t group_joined(const struct group *g, const struct group_key *key)
{
        const struct group_member *m = group_membership_member(g->membership, key);
        const struct group_departed *d = group_membership_departed(g->membership, key);

        if (m)
                return m->joined;
        return d ? d->joined : 0;
}

void group_tell_farewell(
        struct group_engine *e, const struct group *g, const struct group_key *peer)
{
        const struct group_departed *d = group_membership_departed(g->membership, peer);
        uint8_t data[GROUP_FAREWELL_SIZE_MAX];

        if (d && !group_membership_member(g->membership, peer))
                group_post_record(e, peer, GROUP_GOSSIP_FAREWELL, data,
                        group_farewell_encode(g->membership, d, data));
}

/* Those that the membership has seen to; who is there and wished it is told so. */
void group_drop_wishes(struct group_engine *e, struct group *g)
{
        list_for_each_safe (i, &g->wishes) {
                struct wish *w = container_of(i, struct wish, in_group);
                const struct group_member *m =
                        group_membership_member(g->membership, &w->leave.key);
                struct group_effect *effect;

                if (m && m->joined == w->leave.joined)
                        continue;
                effect = group_add_effect(e, GROUP_DROP_LEAVE, g, NULL, 0);
                if (effect)
                        effect->peer = w->leave.key;
                if (g->state == GROUP_MEMBER && group_find_peer(e, &w->leave.key))
                        group_tell_farewell(e, g, &w->leave.key);
                list_remove(&w->in_group);
                free(w);
        }
}

static void tell_wish(
        struct group_engine *e, const struct group_leave *l, const struct group_key *peer)
{
        uint8_t data[GROUP_LEAVE_SIZE_MAX];

        group_post_record(e, peer, GROUP_GOSSIP_LEAVE, data, group_leave_encode(l, data));
}

void group_tell_wishes(struct group_engine *e, const struct group *g, const struct group_key *peer)
{
        list_for_each (i, &g->wishes)
                tell_wish(e, &container_of(i, struct wish, in_group)->leave, peer);
}

void group_tell_leaving(struct group_engine *e, const struct group *g, const struct group_key *peer)
{
        const struct wish *w = group_find_wish(g, &e->self);

        if (!group_membership_member(g->membership, peer))
                return;
        if (w)
                tell_wish(e, &w->leave, peer);
        else
                group_tell_membership(e, g, peer);
}

/* What a genuine wish changes. */
static void take_wish(struct group_engine *e, struct group *g, const struct group_leave *l,
        const struct group_key *from)
{
        struct group_membership *m;
        struct group_effect *effect;
        uint8_t data[GROUP_LEAVE_SIZE_MAX];
        int r;

        effect = group_add_effect(e, GROUP_STORE_LEAVE, g, data, group_leave_encode(l, data));
        if (!effect || group_add_wish(e, g, l) < 0)
                return;
        effect->peer = l->key;
        group_meet(e, g);
        list_for_each (i, &g->meetings) {
                const struct meeting *other = container_of(i, struct meeting, in_group);

                if (!group_key_equal(&other->peer->key, from))
                        tell_wish(e, l, &other->peer->key);
        }
        if (!group_is_creator(e, g)) {
                group_show_change(e, g, false);
                return;
        }
        r = group_draft(e, g, NULL, 0, &l->key, 1, &m);
        if (r == 0)
                group_adopt(e, g, m, NULL);
        else if (r < 0)
                e->error = r;
}

void group_received_leave(
        struct group_engine *e, struct peer_of_groups *p, const void *data, size_t size)
{
        const struct group_member *member;
        struct group_leave l;
        struct group *g;
        int r;

        if (group_leave_decode(data, size, &l) != 0) {
                group_ban(e, p);
                return;
        }
        g = group_look_up(e, &l.group);
        if (!g || g->state != GROUP_MEMBER || group_key_equal(&l.key, &e->self))
                return;
        member = group_membership_member(g->membership, &l.key);
        if (!member && group_key_equal(&l.key, &p->key) &&
                ratelimit_allow(&p->signatures, e->now.mono_usec))
                group_tell_farewell(e, g, &p->key);
        if (!member || member->joined != l.joined || group_find_wish(g, &l.key) ||
                !group_find_meeting(g, p) || !ratelimit_allow(&p->signatures, e->now.mono_usec))
                return;
        r = group_leave_verify(&l);
        if (r < 0)
                e->error = r;
        else if (r > 0)
                group_ban(e, p);
        else
                take_wish(e, g, &l, &p->key);
}

/* Is it about the time in the group that we believe in? */
static bool concerns(
        const struct group_engine *e, const struct group *g, const struct group_farewell *f)
{
        if (!group_key_equal(&f->departed.key, &e->self) ||
                f->departed.joined != group_joined(g, &e->self))
                return false;
        return !group_membership_member(g->membership, &e->self) ||
               f->departed.removed > g->membership->version;
}

void group_received_farewell(
        struct group_engine *e, struct peer_of_groups *p, const void *data, size_t size)
{
        struct group_farewell f;
        struct group *g;
        int r;

        if (group_farewell_decode(data, size, &f) != 0) {
                group_ban(e, p);
                return;
        }
        g = group_look_up(e, &f.group);
        if (!g || (g->state != GROUP_MEMBER && g->state != GROUP_LEAVING) || !concerns(e, g, &f) ||
                !ratelimit_allow(&p->signatures, e->now.mono_usec))
                return;
        r = group_farewell_verify(&f, &g->membership->creator);
        if (r < 0)
                e->error = r;
        else if (r > 0)
                group_ban(e, p);
        else
                group_end(e, g);
}
