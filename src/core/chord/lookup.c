/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lookups: nearer and nearer to the target, by asking
 *
 * Who is asked names nodes between itself and the target, and, when its list reaches that far, who
 * keeps the target. That is a claim. It counts when nobody is known who stands between the claimant
 * and the target and may be alive: so a liar far away is overruled by everybody nearer, and dead
 * nodes are gone round. A claim that would leave a gap far wider than gaps are on this ring is
 * doubted: then all others that are known are asked too before it is believed.
 *
 * A member asks one at a time, the nearest, for most answer at once; only who lets us wait has
 * another one asked beside it. First hops are not only fingers: whoever answered us lately is a
 * shortcut, nearer than a finger and most likely still connected.
 */
#include "core/chord/chord-internal.h"

#define GAP_MAX 8         /* mean gaps; chance makes one wider with a probability of e^-8 */
#define SMALL_RING 16     /* below this, gaps say nothing */
#define PARALLEL_CLIENT 3 /* it doubts every claim and asks many */

static void add_peer(struct rpc_peers *to, const struct chord_peer *p)
{
        if (to->n < ELEMENTSOF(to->peers))
                to->peers[to->n++] = *p;
}

/* Keeps @to sorted, the nearest to @target first, and without doubles. */
static void insert_closer(
        struct rpc_peers *to, const struct ring_id *target, const struct chord_peer *p)
{
        size_t i = 0;

        /* Of two nodes before the target, the nearer is between the other and it. */
        while (i < to->n && ring_between(&p->id, &to->peers[i].id, target))
                i++;
        if (i == ELEMENTSOF(to->peers) || (i < to->n && ring_id_equal(&to->peers[i].id, &p->id)))
                return;
        if (to->n < ELEMENTSOF(to->peers))
                to->n++;
        memmove(to->peers + i + 1, to->peers + i, (to->n - 1 - i) * sizeof *p);
        to->peers[i] = *p;
}

void lookup_answer(const struct chord *c, const struct ring_id *target, struct rpc *ret)
{
        struct chord_peer self = ring_self(c);

        ret->is_member = c->state == CHORD_MEMBER;
        if (!ret->is_member)
                return;
        for (size_t i = 0; i < c->successors.n; i++) {
                const struct chord_peer *p = &c->successors.peers[i];

                if (ring_is_suspect(c, &p->id))
                        continue;
                if (ring_between(&c->id, &p->id, target))
                        insert_closer(&ret->closer, target, p);
                else
                        add_peer(&ret->successors, p);
        }
        for (unsigned i = 0; i < CHORD_FINGERS; i++)
                if ((c->fingers_known >> i & 1) && ring_between(&c->id, &c->fingers[i].id, target))
                        insert_closer(&ret->closer, target, &c->fingers[i]);
        /* Whoever knows the whole ring knows that it comes itself after all others. */
        if (c->is_whole)
                add_peer(&ret->successors, &self);
}

struct lookup *lookup_new(struct chord *c, enum lookup_purpose purpose, uint64_t reference,
        const struct ring_id *target)
{
        struct lookup *l;

        if (c->n_lookups == CHORD_LOOKUPS_MAX)
                return NULL;
        l = calloc(1, sizeof *l);
        if (!l) {
                c->error = -ENOMEM;
                return NULL;
        }
        l->number = ++c->lookup_last;
        l->purpose = purpose;
        l->reference = reference;
        l->target = *target;
        l->deadline_usec = usec_add(c->now_usec, CHORD_LOOKUP_USEC);
        c->lookups[c->n_lookups++] = l;
        return l;
}

static struct lookup *find_lookup(struct chord *c, uint64_t number)
{
        for (size_t i = 0; i < c->n_lookups; i++)
                if (c->lookups[i]->number == number)
                        return c->lookups[i];
        return NULL;
}

bool lookup_is_under_way(const struct chord *c, enum lookup_purpose purpose)
{
        for (size_t i = 0; i < c->n_lookups; i++)
                if (c->lookups[i]->purpose == purpose)
                        return true;
        return false;
}

/* Is @a nearer to the target than @b, both before it? */
static bool is_nearer(const struct lookup *l, const struct ring_id *a, const struct ring_id *b)
{
        return ring_between(b, a, &l->target);
}

void lookup_add(struct chord *c, struct lookup *l, const struct chord_peer *peer, unsigned depth)
{
        size_t i = 0, n_move;

        if (ring_id_equal(&peer->id, &c->id) || ring_id_equal(&peer->id, &l->target) ||
                (l->has_excluded && ring_id_equal(&peer->id, &l->excluded)))
                return;
        while (i < l->n_candidates && is_nearer(l, &l->candidates[i].peer.id, &peer->id))
                i++;
        if (i == LOOKUP_CANDIDATES_MAX ||
                (i < l->n_candidates && ring_id_equal(&l->candidates[i].peer.id, &peer->id)))
                return;
        /* The farthest drops out; if it is asked just now, its answer will find nobody. */
        if (l->n_candidates < LOOKUP_CANDIDATES_MAX)
                l->n_candidates++;
        n_move = l->n_candidates - 1 - i;
        memmove(l->candidates + i + 1, l->candidates + i, n_move * sizeof *l->candidates);
        l->candidates[i] = (struct candidate){ .peer = *peer, .depth = depth };
}

/* Who is no member does not know how wide gaps are: it asks everybody it hears of. */
static bool is_doubtful(
        const struct chord *c, const struct ring_id *claimant, const struct ring_id *successor)
{
        struct ring_id gap = ring_distance(claimant, successor);
        double n = ring_size(c);

        if (c->state != CHORD_MEMBER)
                return true;
        return n >= SMALL_RING && ring_part(&gap) > GAP_MAX / n;
}

static void take_claim(struct chord *c, struct lookup *l, const struct chord_peer *claimant,
        const struct rpc_peers *successors, unsigned depth)
{
        bool is_doubted;

        if (successors->n == 0 || (l->has_excluded && ring_id_equal(&claimant->id, &l->excluded)))
                return;
        is_doubted = is_doubtful(c, &claimant->id, &successors->peers[0].id);
        if (l->has_claim && !is_nearer(l, &claimant->id, &l->claimant.id))
                return;
        l->has_claim = true;
        l->claimant = *claimant;
        l->claim = *successors;
        l->claim_depth = depth;
        l->is_doubtful = is_doubted;
}

static void seed_one(
        struct chord *c, struct lookup *l, const struct chord_peer *p, size_t i, int half)
{
        if (half == SEEDS_ALL || (int)(i % 2) == half)
                lookup_add(c, l, p, 1);
}

static void remember(struct chord *c, const struct chord_peer *peer)
{
        for (size_t i = 0; i < CHORD_SHORTCUTS_MAX; i++)
                if (ring_id_equal(&c->shortcuts[i].id, &peer->id)) {
                        c->shortcuts[i] = *peer; /* it may have moved */
                        return;
                }
        c->shortcuts[c->shortcut_next++ % CHORD_SHORTCUTS_MAX] = *peer;
}

void lookup_forget(struct chord *c, const struct ring_id *id)
{
        for (size_t i = 0; i < CHORD_SHORTCUTS_MAX; i++)
                if (ring_id_equal(&c->shortcuts[i].id, id))
                        c->shortcuts[i] = (struct chord_peer){ 0 };
}

static void add_shortcuts(
        const struct chord *c, const struct ring_id *target, struct rpc_peers *closer)
{
        for (size_t i = 0; i < CHORD_SHORTCUTS_MAX; i++)
                if (c->shortcuts[i].endpoint.family != ENDPOINT_NONE &&
                        ring_between(&c->id, &c->shortcuts[i].id, target))
                        insert_closer(closer, target, &c->shortcuts[i]);
}

void lookup_seed(struct chord *c, struct lookup *l, int half)
{
        struct rpc own = { .kind = RPC_FOUND };
        struct chord_peer self = ring_self(c);

        lookup_answer(c, &l->target, &own);
        /* Our upkeep is to see the ring as it is, not by those whom we happen to know. */
        if (own.is_member && (l->purpose == LOOKUP_FIND || l->purpose == LOOKUP_USER))
                add_shortcuts(c, &l->target, &own.closer);
        for (size_t i = 0; i < own.closer.n; i++)
                seed_one(c, l, &own.closer.peers[i], i, own.closer.n > 1 ? half : SEEDS_ALL);
        for (size_t i = 0; !own.is_member && i < c->n_contacts; i++)
                seed_one(c, l, &c->contacts[i], i, c->n_contacts > 1 ? half : SEEDS_ALL);
        if (!own.is_member)
                return;
        if (c->has_predecessor && l->purpose != LOOKUP_SELF &&
                ring_between_or_end(&c->predecessor.id, &l->target, &c->id)) {
                /* We keep it ourselves: our predecessor would only say so too. */
                l->n_candidates = 0;
                own.successors = (struct rpc_peers){ .peers = { self }, .n = 1 };
                for (size_t i = 0; i < c->successors.n; i++)
                        add_peer(&own.successors, &c->successors.peers[i]);
        }
        if (l->purpose != LOOKUP_SELF || c->successors.n == 0)
                take_claim(c, l, &self, &own.successors, 0);
}

/* Who is no member has only contacts: whom it met on the way can be asked the next time. */
static void remember_way(struct chord *c, const struct lookup *l)
{
        for (size_t i = 0; i < l->n_candidates && i < CHORD_CONTACTS_MAX / 2; i++)
                if (l->candidates[i].state == CANDIDATE_ANSWERED)
                        ring_add_contact(c, &l->candidates[i].peer);
}

static void finish(struct chord *c, struct lookup *l)
{
        struct chord_effect *e;

        if (c->state != CHORD_MEMBER)
                remember_way(c, l);
        for (size_t i = 0; i < c->n_lookups; i++)
                if (c->lookups[i] == l)
                        c->lookups[i] = c->lookups[--c->n_lookups];
        switch (l->purpose) {
        case LOOKUP_USER:
                e = chord_add_effect(c, CHORD_LOOKED_UP, 0);
                if (!e)
                        break;
                e->number = l->number;
                e->successors = l->claim;
                e->path = l->claim_depth;
                e->n_asked = l->n_asked;
                e->n_failed = l->n_failed;
                break;
        case LOOKUP_FINGER:
                finger_looked_up(c, l);
                break;
        case LOOKUP_SELF:
        case LOOKUP_JOIN:
        case LOOKUP_CHECK:
                ring_looked_up(c, l);
                break;
        case LOOKUP_PUBLISH:
                owner_looked_up(c, l);
                break;
        case LOOKUP_MOVE:
                holder_looked_up(c, l);
                break;
        case LOOKUP_FIND:
                find_looked_up(c, l);
                break;
        }
        free(l);
}

static void ask_candidate(struct chord *c, struct lookup *l, struct candidate *k)
{
        struct rpc m = { .kind = RPC_FIND_SUCCESSOR, .target = l->target };

        k->state = CANDIDATE_ASKED;
        k->patience_usec = usec_add(c->now_usec, CHORD_PATIENCE_USEC);
        l->n_asked++;
        chord_ask(c, &k->peer, &m, ASK_LOOKUP, l->number);
}

/* One who lets us wait does not keep others from being asked. */
void lookup_pump(struct chord *c, struct lookup *l)
{
        unsigned n_open = 0, n_waiting = 0,
                 parallel = c->state == CHORD_MEMBER ? 1 : PARALLEL_CLIENT;
        bool is_over = c->now_usec >= l->deadline_usec || l->n_asked >= CHORD_LOOKUP_ASKS_MAX;

        for (size_t i = 0; i < l->n_candidates && !is_over; i++) {
                struct candidate *k = &l->candidates[i];

                if (l->has_claim && !l->is_doubtful && !is_nearer(l, &k->peer.id, &l->claimant.id))
                        break;
                if (k->state == CANDIDATE_NEW && n_waiting < parallel &&
                        l->n_asked < CHORD_LOOKUP_ASKS_MAX)
                        ask_candidate(c, l, k);
                if (k->state == CANDIDATE_NEW)
                        n_open++;
                if (k->state == CANDIDATE_ASKED) {
                        n_open++;
                        n_waiting += k->patience_usec > c->now_usec;
                }
        }
        if (n_open == 0)
                finish(c, l);
}

void lookup_pump_all(struct chord *c)
{
        /* Pumping may end one and begin others. */
        for (size_t i = c->n_lookups; i-- > 0;)
                if (i < c->n_lookups)
                        lookup_pump(c, c->lookups[i]);
}

static struct candidate *find_candidate(struct lookup *l, const struct ring_id *id)
{
        for (size_t i = 0; i < l->n_candidates; i++)
                if (ring_id_equal(&l->candidates[i].peer.id, id))
                        return &l->candidates[i];
        return NULL;
}

/* What lies on the wrong side of the target, or out of order, is not taken. */
static void check_successors(const struct lookup *l, const struct rpc_peers *told,
        const struct ring_id *claimant, struct rpc_peers *ret)
{
        const struct ring_id *before = &l->target;

        ret->n = 0;
        for (size_t i = 0; i < told->n; i++) {
                const struct chord_peer *p = &told->peers[i];

                if (!(i == 0 && ring_id_equal(&p->id, &l->target)) &&
                        !ring_between_or_end(before, &p->id, claimant))
                        break;
                add_peer(ret, p);
                before = &p->id;
        }
}

void lookup_found(struct chord *c, const struct ask *a, const struct rpc *m)
{
        struct lookup *l = find_lookup(c, a->reference);
        struct candidate *k = l ? find_candidate(l, &a->peer.id) : NULL;
        struct rpc_peers successors;
        unsigned depth;

        if (!k)
                return;
        if (!m->is_member) {
                lookup_ask_failed(c, a);
                return;
        }
        k->state = CANDIDATE_ANSWERED;
        remember(c, &a->peer);
        depth = k->depth;
        check_successors(l, &m->successors, &a->peer.id, &successors);
        take_claim(c, l, &a->peer, &successors, depth);
        for (size_t i = 0; i < m->closer.n; i++)
                if (ring_between(&a->peer.id, &m->closer.peers[i].id, &l->target) &&
                        !ring_is_suspect(c, &m->closer.peers[i].id))
                        lookup_add(c, l, &m->closer.peers[i], depth + 1);
        lookup_pump(c, l);
}

void lookup_ask_failed(struct chord *c, const struct ask *a)
{
        struct lookup *l = find_lookup(c, a->reference);
        struct candidate *k = l ? find_candidate(l, &a->peer.id) : NULL;

        if (!k)
                return;
        lookup_forget(c, &a->peer.id);
        k->state = CANDIDATE_FAILED;
        l->n_failed++;
        lookup_pump(c, l);
}
