/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fingers: the first node behind each half of the circle, each quarter ...
 *
 * Every round passes over them once. A finger that is there is only asked who stands before it: one
 * message, and a lookup when that one would be the better finger. Fingers that would lie in the
 * list of successors are not kept.
 */
#include "core/chord/chord-internal.h"

static struct ring_id start_of(const struct chord *c, unsigned i)
{
        return ring_add_power(&c->id, RING_BITS - 1 - i);
}

static bool is_known(const struct chord *c, unsigned i)
{
        return c->fingers_known >> i & 1;
}

/* Fingers 0 to the result - 1 begin behind the last successor. */
static unsigned n_useful(const struct chord *c)
{
        const struct ring_id *last;
        unsigned n = 0;

        if (c->is_whole || c->successors.n == 0)
                return 0;
        last = &c->successors.peers[c->successors.n - 1].id;
        while (n < CHORD_FINGERS) {
                struct ring_id start = start_of(c, n);

                if (!ring_is_nearer(&c->id, last, &start))
                        break;
                n++;
        }
        return n;
}

static void forget(struct chord *c, unsigned i)
{
        c->fingers_known &= ~(UINT32_C(1) << i);
}

static void set(struct chord *c, unsigned i, const struct chord_peer *peer)
{
        if (!is_known(c, i) || !ring_id_equal(&c->fingers[i].id, &peer->id))
                c->fingers_changed = true;
        c->fingers[i] = *peer;
        c->fingers_known |= UINT32_C(1) << i;
        c->fingers_wanted &= ~(UINT32_C(1) << i);
}

/* Each finger that is not the same as the one behind it is asked. */
static void check(struct chord *c, unsigned n)
{
        for (unsigned i = 0; i < n; i++) {
                bool is_last = i + 1 == n || !is_known(c, i + 1) ||
                               !ring_id_equal(&c->fingers[i].id, &c->fingers[i + 1].id);

                if (is_known(c, i) && is_last && !chord_is_asked(c, &c->fingers[i].id, ASK_FINGER))
                        chord_ask(c, &c->fingers[i], &(struct rpc){ .kind = RPC_STABILIZE },
                                ASK_FINGER, i);
        }
}

void finger_begin_pass(struct chord *c)
{
        unsigned n = n_useful(c);
        uint32_t useful = (UINT32_C(1) << n) - 1;

        c->fingers_known &= useful;
        c->fingers_wanted = useful & ~c->fingers_known;
        check(c, n);
        finger_pump(c);
}

void finger_pump(struct chord *c)
{
        /* The near ones first: they shorten the way to the others. */
        for (unsigned i = CHORD_FINGERS; i-- > 0 && c->fingers_asked < FINGERS_ASKED_MAX;) {
                struct ring_id start;
                struct lookup *l;

                if (!(c->fingers_wanted >> i & 1))
                        continue;
                start = start_of(c, i);
                l = lookup_new(c, LOOKUP_FINGER, i, &start);
                if (!l)
                        return;
                c->fingers_wanted &= ~(UINT32_C(1) << i);
                c->fingers_asked++;
                lookup_seed(c, l, SEEDS_ALL);
                lookup_pump(c, l);
        }
}

void finger_state(struct chord *c, const struct ask *a, const struct rpc *m)
{
        if (!m->has_predecessor || ring_is_suspect(c, &m->peer.id))
                return;
        for (unsigned i = 0; i <= a->reference; i++) {
                struct ring_id start = start_of(c, i);

                if (is_known(c, i) && ring_id_equal(&c->fingers[i].id, &a->peer.id) &&
                        !ring_is_nearer(&c->id, &m->peer.id, &start) &&
                        ring_between(&c->id, &m->peer.id, &a->peer.id))
                        c->fingers_wanted |= UINT32_C(1) << i;
        }
        finger_pump(c);
}

void finger_looked_up(struct chord *c, const struct lookup *l)
{
        const struct chord_peer *found = NULL;

        c->fingers_asked--;
        if (c->state != CHORD_MEMBER)
                return;
        for (size_t i = 0; i < l->claim.n && l->has_claim && !found; i++)
                if (!ring_is_suspect(c, &l->claim.peers[i].id))
                        found = &l->claim.peers[i];
        /* Farther starts that it is behind of too have the same finger. */
        for (unsigned i = (unsigned)l->reference + 1; found && i-- > 0;) {
                struct ring_id start = start_of(c, i);

                if (ring_id_equal(&found->id, &c->id) ||
                        ring_is_nearer(&c->id, &found->id, &start)) {
                        if (i == l->reference)
                                forget(c, i);
                        break;
                }
                set(c, i, found);
        }
        finger_pump(c);
}

void finger_gone(struct chord *c, const struct ring_id *id)
{
        for (unsigned i = 0; i < CHORD_FINGERS; i++)
                if (is_known(c, i) && ring_id_equal(&c->fingers[i].id, id)) {
                        forget(c, i);
                        c->fingers_changed = true;
                }
}
