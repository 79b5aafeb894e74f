/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Successors and predecessor
 *
 *     a joins between p and s                 what a round does at n, with successor s
 *       a: lookup of a          -> p, s         n -> s: stabilize   list taken; is there a nearer
 * one? a -> s: stabilize       list taken      n -> x: stabilize   if so: it becomes the successor
 *       a -> p: join            p puts a first  n -> s, x: notify   only if it does not know n yet
 *       a -> s: notify          s looks back    n -> predecessor, fingers, one that was lost: ping
 *                                               lookup of n         joins again if not found
 */
#include "core/chord/chord-internal.h"

struct chord_peer ring_self(const struct chord *c)
{
        return (struct chord_peer){ .id = c->id, .endpoint = c->endpoint };
}

double ring_size(const struct chord *c)
{
        struct ring_id way;

        if (c->is_whole || c->successors.n == 0)
                return (double)c->successors.n + 1;
        way = ring_distance(&c->id, &c->successors.peers[c->successors.n - 1].id);
        return (double)c->successors.n / ring_part(&way);
}

const struct chord_peer *ring_first(const struct chord *c)
{
        return c->successors.n > 0 ? &c->successors.peers[0] : NULL;
}

/* Would it be our successor? Who is alone takes anybody. */
bool ring_is_nearer_successor(const struct chord *c, const struct ring_id *id)
{
        const struct chord_peer *s = ring_first(c);

        return ring_between(&c->id, id, s ? &s->id : &c->id);
}

static bool has_peer(const struct rpc_peers *peers, const struct ring_id *id)
{
        for (size_t i = 0; i < peers->n; i++)
                if (ring_id_equal(&peers->peers[i].id, id))
                        return true;
        return false;
}

/* Suspicion */

bool ring_is_suspect(const struct chord *c, const struct ring_id *id)
{
        for (size_t i = 0; i < SUSPECTS_MAX; i++)
                if (c->suspects[i].until_usec > c->now_usec &&
                        ring_id_equal(&c->suspects[i].id, id))
                        return true;
        return false;
}

static void suspect(struct chord *c, const struct ring_id *id)
{
        ring_trust(c, id);
        c->suspects[c->suspect_next++ % SUSPECTS_MAX] = (struct suspect){
                .id = *id,
                .until_usec = usec_add(c->now_usec, CHORD_SUSPICION_USEC),
        };
}

void ring_trust(struct chord *c, const struct ring_id *id)
{
        for (size_t i = 0; i < SUSPECTS_MAX; i++)
                if (ring_id_equal(&c->suspects[i].id, id))
                        c->suspects[i].until_usec = 0;
}

void ring_add_contact(struct chord *c, const struct chord_peer *peer)
{
        if (peer->endpoint.family == ENDPOINT_NONE)
                return;
        for (size_t i = 0; i < c->n_contacts; i++)
                if (ring_id_equal(&c->contacts[i].id, &peer->id)) {
                        c->contacts[i] = *peer;
                        return;
                }
        if (c->n_contacts < CHORD_CONTACTS_MAX)
                c->contacts[c->n_contacts++] = *peer;
        else
                c->contacts[random_below(c->options.random, CHORD_CONTACTS_MAX)] = *peer;
}

/* Rounds */

static void schedule(struct chord *c, usec_t in_usec)
{
        c->round_usec = usec_min(c->round_usec, usec_add(c->now_usec, in_usec));
}

void ring_neighbours_changed(struct chord *c)
{
        c->has_changed = true;
        if (c->state != CHORD_MEMBER)
                return;
        schedule(c, CHORD_ROUND_USEC);
        holder_ring_changed(c);
}

static void notify(struct chord *c, const struct chord_peer *peer)
{
        chord_send(
                c, peer, &(struct rpc){ .kind = RPC_NOTIFY, .peer = { .endpoint = c->endpoint } });
}

void ring_join_behind(struct chord *c, const struct chord_peer *peer)
{
        chord_send(c, peer,
                &(struct rpc){ .kind = RPC_JOIN,
                        .is_whole = c->is_whole,
                        .peer = { .endpoint = c->endpoint },
                        .successors = c->successors });
}

void ring_introduce(struct chord *c, const struct chord_peer *whom, const struct chord_peer *to)
{
        if (!ring_id_equal(&whom->id, &to->id))
                chord_send(c, to, &(struct rpc){ .kind = RPC_INTRODUCE, .peer = *whom });
}

/*
 * @head, followed by @list; @is_whole: behind the last of that comes @head again. The list ends
 * where we come again; what is out of order is a lie.
 */
static void make_list(
        struct chord *c, const struct chord_peer *head, const struct rpc_peers *list, bool is_whole)
{
        struct rpc_peers next = { .peers = { *head }, .n = 1 };

        for (size_t i = 0; i < list->n; i++) {
                const struct chord_peer *p = &list->peers[i];

                if (i == 0 && ring_id_equal(&p->id, &head->id))
                        continue;
                if (!ring_between(&next.peers[next.n - 1].id, &p->id, &c->id)) {
                        is_whole = true;
                        break;
                }
                if (next.n == CHORD_SUCCESSORS) {
                        is_whole = false;
                        break;
                }
                next.peers[next.n++] = *p;
        }
        c->successors = next;
        /* A full one may have lost somebody at its end. */
        c->is_whole = is_whole && next.n < CHORD_SUCCESSORS;
}

static bool are_equal(const struct rpc_peers *a, const struct rpc_peers *b)
{
        bool equal = a->n == b->n;

        for (size_t i = 0; i < a->n && equal; i++)
                equal = ring_id_equal(&a->peers[i].id, &b->peers[i].id);
        return equal;
}

/* Whom @head must know before its list can be ours. */
static const struct ring_id *whom_to_know(const struct chord *c, const struct chord_peer *head)
{
        if (ring_first(c) && !ring_id_equal(&ring_first(c)->id, &head->id))
                return &ring_first(c)->id;
        if (c->bridged.until_usec > c->now_usec && !ring_is_suspect(c, &c->bridged.id) &&
                has_peer(&c->successors, &c->bridged.id))
                return &c->bridged.id;
        return NULL;
}

/*
 * @head has answered just now with @list: that is our list from now on. A nearer one that does not
 * know our former successor, as both have joined at the same time or come from two rings, is only
 * put before what we have, so that nobody is skipped who was not before. It is told of the other,
 * and when it has taken that one, its list comes to us; or does not, and then it is believed.
 */
static void adopt(struct chord *c, const struct chord_peer *head, const struct rpc *m)
{
        struct rpc_peers former = c->successors;
        bool was_whole = c->is_whole;
        const struct ring_id *to_know = whom_to_know(c, head);
        struct ring_id bridged;

        if (to_know)
                bridged = *to_know;
        make_list(c, head, &m->successors, m->is_whole);
        if (to_know && !has_peer(&c->successors, &bridged)) {
                make_list(c, head, &former, was_whole);
                if (!ring_id_equal(&former.peers[0].id, &head->id)) {
                        ring_introduce(c, &former.peers[0], head);
                        c->bridged = (struct suspect){ .id = bridged,
                                .until_usec = usec_add(c->now_usec, CHORD_ASK_USEC) };
                }
        }
        if (c->is_broken) {
                c->is_broken = false;
                c->repaired_usec = c->now_usec;
        }
        if (are_equal(&former, &c->successors) && c->is_whole == was_whole)
                return;
        ring_neighbours_changed(c);
        if (c->has_predecessor)
                ring_join_behind(c, &c->predecessor);
}

static void set_predecessor(struct chord *c, const struct chord_peer *peer)
{
        if (c->has_predecessor && ring_id_equal(&c->predecessor.id, &peer->id)) {
                c->predecessor = *peer;
                return;
        }
        /* The former one has a nearer successor now. */
        if (c->has_predecessor)
                ring_introduce(c, peer, &c->predecessor);
        c->predecessor = *peer;
        c->has_predecessor = true;
        ring_neighbours_changed(c);
}

void ring_ask_nearer(struct chord *c, const struct chord_peer *peer)
{
        if (!chord_is_asked(c, &peer->id, ASK_NEARER))
                chord_ask(c, peer, &(struct rpc){ .kind = RPC_STABILIZE }, ASK_NEARER, 0);
}

static void ask_successor(struct chord *c)
{
        if (!chord_is_asked(c, &ring_first(c)->id, ASK_SUCCESSOR))
                chord_ask(
                        c, ring_first(c), &(struct rpc){ .kind = RPC_STABILIZE }, ASK_SUCCESSOR, 0);
}

static usec_t jitter(struct chord *c, usec_t usec)
{
        return usec - usec / 8 + random_below(c->options.random, usec / 4);
}

void ring_become_member(struct chord *c)
{
        c->state = CHORD_MEMBER;
        c->is_whole = true;
        c->interval_usec = CHORD_ROUND_USEC;
        c->round_usec = usec_add(c->now_usec, jitter(c, CHORD_ROUND_USEC));
        if (c->publication.is_wanted)
                c->publication.next_usec = c->now_usec;
}

void ring_begin(struct chord *c)
{
        c->state = CHORD_JOINING;
        schedule(c, CHORD_ROUND_USEC);
        if (c->n_contacts > 0)
                ring_look_for_place(c);
        else
                ring_become_member(c);
}

void ring_end(struct chord *c)
{
        if (c->state == CHORD_MEMBER) {
                if (ring_first(c))
                        chord_send(c, ring_first(c), &(struct rpc){ .kind = RPC_LEAVE });
                if (c->has_predecessor)
                        chord_send(c, &c->predecessor, &(struct rpc){ .kind = RPC_LEAVE });
        }
        for (size_t i = 0; i < c->successors.n; i++)
                ring_add_contact(c, &c->successors.peers[i]);
        c->state = CHORD_CLIENT;
        c->successors.n = 0;
        c->has_predecessor = c->has_rival = c->is_broken = false;
        c->fingers_known = c->fingers_wanted = 0;
        c->n_introductions = 0;
        c->round_usec = c->repair_usec = USEC_INFINITY;
}

static void next_round(struct chord *c)
{
        if (c->has_changed)
                c->interval_usec = CHORD_ROUND_USEC;
        else if (!c->fingers_changed)
                c->interval_usec = usec_min(2 * c->interval_usec, CHORD_ROUND_USEC_MAX);
        c->has_changed = c->fingers_changed = false;
        c->round_usec = usec_add(c->now_usec, jitter(c, c->interval_usec));
}

void ring_round(struct chord *c)
{
        next_round(c);
        if (c->state != CHORD_MEMBER || !ring_first(c)) {
                ring_look_for_place(c);
                return;
        }
        ask_successor(c);
        if (c->has_predecessor && !chord_is_asked(c, &c->predecessor.id, ASK_PREDECESSOR))
                chord_ask(c, &c->predecessor, &(struct rpc){ .kind = RPC_PING_PREDECESSOR },
                        ASK_PREDECESSOR, 0);
        finger_begin_pass(c);
        ring_look_up_self(c);
        ring_try_lost(c);
}

void ring_fill_state(const struct chord *c, struct rpc *m)
{
        m->is_member = c->state == CHORD_MEMBER;
        m->has_predecessor = m->is_member && c->has_predecessor;
        if (m->has_predecessor)
                m->peer = c->predecessor;
        if (m->is_member) {
                m->successors = c->successors;
                m->is_whole = c->is_whole;
        }
}

/* The answer of a successor, or of who may be a nearer one. */
void ring_state(struct chord *c, const struct ask *a, const struct rpc *m)
{
        bool is_first = ring_first(c) && ring_id_equal(&ring_first(c)->id, &a->peer.id);
        bool knows_us = m->has_predecessor && ring_id_equal(&m->peer.id, &c->id);

        if (c->state == CHORD_CLIENT || (!is_first && !ring_is_nearer_successor(c, &a->peer.id)))
                return;
        /* A newcomer who does not know of another would skip it. */
        if (c->state == CHORD_JOINING && m->has_predecessor &&
                ring_is_nearer_successor(c, &m->peer.id) &&
                ring_between(&c->id, &m->peer.id, &a->peer.id) &&
                !ring_is_suspect(c, &m->peer.id)) {
                c->ahead = m->peer.id;
                ring_ask_nearer(c, &m->peer);
                return;
        }
        if (c->state == CHORD_JOINING)
                ring_become_member(c);
        adopt(c, &a->peer, m);
        if (c->takes_place && ring_id_equal(&c->ahead, &a->peer.id)) {
                c->takes_place = false;
                ring_join_behind(c, &c->behind);
        }
        if (m->has_predecessor && ring_is_nearer_successor(c, &m->peer.id) &&
                !ring_is_suspect(c, &m->peer.id))
                ring_ask_nearer(c, &m->peer);
        else if (!knows_us)
                notify(c, &a->peer);
}

void ring_predecessor_answered(struct chord *c)
{
        if (!c->has_rival)
                return;
        c->has_rival = false;
        if (c->has_predecessor)
                ring_introduce(c, &c->predecessor, &c->rival);
}

/* @peer says that it stands between us and our successor, or, if it is that, that its list has
 * changed. */
void ring_joined(struct chord *c, const struct chord_peer *peer, const struct rpc *m)
{
        const struct chord_peer *s = ring_first(c);

        if (c->state != CHORD_MEMBER)
                return;
        if ((s && ring_id_equal(&s->id, &peer->id)) || ring_is_nearer_successor(c, &peer->id)) {
                adopt(c, peer, m);
        } else {
                /* Who says this does not know our successor: because that is dead? */
                ring_introduce(c, s, peer);
                ask_successor(c);
        }
}

void ring_notified(struct chord *c, const struct chord_peer *peer)
{
        if (c->state != CHORD_MEMBER)
                return;
        if (!c->has_predecessor || ring_id_equal(&c->predecessor.id, &peer->id) ||
                ring_between(&c->predecessor.id, &peer->id, &c->id)) {
                set_predecessor(c, peer);
        } else {
                c->rival = *peer;
                c->has_rival = true;
                if (!chord_is_asked(c, &c->predecessor.id, ASK_PREDECESSOR))
                        chord_ask(c, &c->predecessor, &(struct rpc){ .kind = RPC_PING_PREDECESSOR },
                                ASK_PREDECESSOR, 0);
        }
        if (!ring_first(c))
                ring_ask_nearer(c, peer);
}

/* Who is gone */

/*
 * Only the first is taken out, and whoever comes first then and is suspect too. In the middle a
 * dead one does no harm, and without it we would say that its neighbours are neighbours of each
 * other, which only they know: it goes when our successor's list comes without it.
 */
static void drop_first(struct chord *c)
{
        struct rpc_peers *s = &c->successors;
        size_t n = s->n;

        while (s->n > 0 && ring_is_suspect(c, &s->peers[0].id))
                memmove(s->peers, s->peers + 1, --s->n * sizeof *s->peers);
        if (s->n == n)
                return;
        c->is_whole = c->is_whole || s->n == 0;
        c->is_broken = true;
        ring_neighbours_changed(c);
        /* The next one is to learn at once whom it has behind it. */
        schedule(c, 0);
}

/* With its endpoint, if it is a neighbour of ours. */
static bool find_neighbour(const struct chord *c, const struct ring_id *id, struct chord_peer *ret)
{
        const struct chord_peer *found = NULL;

        for (size_t i = 0; i < c->successors.n; i++)
                if (ring_id_equal(&c->successors.peers[i].id, id))
                        found = &c->successors.peers[i];
        for (unsigned i = 0; i < CHORD_FINGERS; i++)
                if ((c->fingers_known >> i & 1) && ring_id_equal(&c->fingers[i].id, id))
                        found = &c->fingers[i];
        if (c->has_predecessor && ring_id_equal(&c->predecessor.id, id))
                found = &c->predecessor;
        if (!found)
                return false;
        *ret = *found;
        return true;
}

static void remove_predecessor(struct chord *c, const struct ring_id *id)
{
        if (!c->has_predecessor || !ring_id_equal(&c->predecessor.id, id))
                return;
        c->has_predecessor = false;
        c->is_broken = true;
        if (c->has_rival)
                set_predecessor(c, &c->rival);
        c->has_rival = false;
        ring_neighbours_changed(c);
}

void ring_gone(struct chord *c, const struct ring_id *id)
{
        struct chord_peer known;

        suspect(c, id);
        lookup_forget(c, id);
        owner_holder_gone(c, id);
        if (!find_neighbour(c, id, &known))
                return;
        remove_predecessor(c, id);
        drop_first(c);
        finger_gone(c, id);
        ring_add_contact(c, &known);
        schedule(c, CHORD_ROUND_USEC);
}

/* A neighbour is asked in a round whether it is there at all: who keeps its place and says nothing
 * else is not to tear holes into the ring. */
void ring_silent(struct chord *c, const struct ring_id *id)
{
        if (chord_is_neighbour(c, id))
                schedule(c, CHORD_ROUND_USEC);
        else
                suspect(c, id);
}
