/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finding our place: on a ring that we join, on ours if we have dropped out of it, on another one
 *
 * All three are the same: a lookup of our own position tells who stands before and behind it; who
 * is behind is asked, its list taken, and who is before is told.
 */
#include "core/chord/chord-internal.h"

/* Looks for our place, through everybody we know of. */
void ring_look_for_place(struct chord *c)
{
        struct lookup *l;

        if (c->joins)
                return;
        l = lookup_new(c, LOOKUP_JOIN, 0, &c->id);
        if (!l)
                return;
        c->joins = true;
        for (size_t i = 0; i < c->n_contacts; i++)
                lookup_add(c, l, &c->contacts[i], 1);
        for (unsigned i = 0; i < CHORD_FINGERS; i++)
                if (c->fingers_known >> i & 1)
                        lookup_add(c, l, &c->fingers[i], 1);
        if (c->has_predecessor)
                lookup_add(c, l, &c->predecessor, 1);
        lookup_pump(c, l);
}

void ring_look_up_self(struct chord *c)
{
        struct lookup *l;

        if (lookup_is_under_way(c, LOOKUP_SELF))
                return;
        l = lookup_new(c, LOOKUP_SELF, 0, &c->id);
        if (!l)
                return;
        lookup_seed(c, l, SEEDS_ALL);
        lookup_pump(c, l);
}

/* Somebody whom we once knew, or who was named to us, may be on another ring. */
void ring_try_lost(struct chord *c)
{
        for (size_t i = 0; i < c->n_contacts; i++) {
                const struct chord_peer *p = &c->contacts[c->contact_next++ % c->n_contacts];

                if (chord_is_neighbour(c, &p->id) || ring_id_equal(&p->id, &c->id))
                        continue;
                chord_ask(c, p, &(struct rpc){ .kind = RPC_PING_PREDECESSOR }, ASK_LOST, 0);
                return;
        }
}

static bool has_introduction(const struct chord *c, const struct ring_id *id)
{
        for (size_t i = 0; i < c->n_introductions; i++)
                if (ring_id_equal(&c->introductions[i].peer.id, id))
                        return true;
        return false;
}

static void add_introduction(struct chord *c, const struct chord_peer *peer, bool by_neighbour)
{
        if (c->state != CHORD_MEMBER || chord_is_neighbour(c, &peer->id) ||
                has_introduction(c, &peer->id) || c->n_introductions == INTRODUCTIONS_MAX)
                return;
        c->introductions[c->n_introductions++] =
                (struct introduced){ .peer = *peer, .by_neighbour = by_neighbour };
        ring_hear_next(c);
}

void ring_hear(struct chord *c, const struct chord_peer *peer)
{
        ring_add_contact(c, peer);
        if (c->state == CHORD_JOINING)
                ring_look_for_place(c);
        else
                add_introduction(c, peer, false);
}

/* Who is named by others is looked at only so often. */
void ring_introduced(struct chord *c, const struct chord_peer *peer)
{
        if (ring_id_equal(&peer->id, &c->id))
                return;
        if (c->now_usec >= usec_add(c->introductions_usec, CHORD_ROUND_USEC)) {
                c->introductions_usec = c->now_usec;
                c->introductions_taken = 0;
        }
        if (c->introductions_taken++ < INTRODUCTIONS_PER_ROUND)
                add_introduction(c, peer, true);
}

static void check(struct chord *c, const struct chord_peer *peer)
{
        struct lookup *l = lookup_new(c, LOOKUP_CHECK, 0, &peer->id);

        if (!l)
                return;
        c->checked = *peer;
        lookup_seed(c, l, SEEDS_ALL);
        lookup_pump(c, l);
}

/* One at a time: is it on our ring? */
void ring_hear_next(struct chord *c)
{
        struct introduced next;
        struct chord_peer self = ring_self(c);

        if (c->state != CHORD_MEMBER || c->n_introductions == 0 ||
                lookup_is_under_way(c, LOOKUP_CHECK))
                return;
        next = c->introductions[0];
        memmove(c->introductions, c->introductions + 1,
                --c->n_introductions * sizeof *c->introductions);
        if (ring_is_suspect(c, &next.peer.id))
                return;
        if (next.by_neighbour && ring_is_nearer_successor(c, &next.peer.id))
                ring_ask_nearer(c, &next.peer);
        else if (next.by_neighbour && c->has_predecessor &&
                 ring_between(&c->predecessor.id, &next.peer.id, &c->id))
                ring_introduce(c, &self, &next.peer);
        else
                check(c, &next.peer);
}

/* @l tells who stands before our position, and behind it. */
static void take_place(struct chord *c, const struct lookup *l)
{
        const struct chord_peer *behind = NULL;

        for (size_t i = 0; i < l->claim.n; i++) {
                const struct chord_peer *p = &l->claim.peers[i];

                /* A member that they find is in its place. */
                if (ring_id_equal(&p->id, &c->id) && c->state == CHORD_MEMBER && ring_first(c))
                        return;
                if (!behind && !ring_id_equal(&p->id, &c->id) && !ring_is_suspect(c, &p->id))
                        behind = p;
        }
        if (!behind)
                behind = &l->claimant;
        if (ring_is_nearer_successor(c, &behind->id)) {
                c->takes_place = true;
                c->behind = l->claimant;
                c->ahead = behind->id;
                if (!c->has_predecessor ||
                        ring_between(&c->predecessor.id, &l->claimant.id, &c->id)) {
                        c->predecessor = l->claimant;
                        c->has_predecessor = true;
                        ring_neighbours_changed(c);
                }
                ring_ask_nearer(c, behind);
        } else if (c->state == CHORD_MEMBER) {
                ring_join_behind(c, &l->claimant);
        }
}

static void checked(struct chord *c, const struct lookup *l)
{
        struct lookup *over_there;

        if (l->has_claim && l->claim.n > 0 && ring_id_equal(&l->claim.peers[0].id, &c->checked.id))
                return;
        /* Whoever stands before it here can put it in; and we look for our place over there. */
        if (l->has_claim && !ring_id_equal(&l->claimant.id, &c->id))
                ring_introduce(c, &c->checked, &l->claimant);
        if (c->joins || ring_is_suspect(c, &c->checked.id))
                return;
        over_there = lookup_new(c, LOOKUP_JOIN, 0, &c->id);
        if (!over_there)
                return;
        c->joins = true;
        lookup_add(c, over_there, &c->checked, 1);
        lookup_pump(c, over_there);
}

void ring_looked_up(struct chord *c, const struct lookup *l)
{
        bool was_answered = l->n_failed < l->n_asked;

        if (l->purpose == LOOKUP_JOIN)
                c->joins = false;
        if (c->state == CHORD_CLIENT)
                return;
        if (l->purpose == LOOKUP_CHECK)
                checked(c, l);
        else if (l->has_claim)
                take_place(c, l);
        else if (c->state == CHORD_JOINING && !was_answered)
                /* Nobody is there: the first of a ring that others will join. Otherwise the next
                 * round tries again. */
                ring_become_member(c);
        ring_hear_next(c);
}
