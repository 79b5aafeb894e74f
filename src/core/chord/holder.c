/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records kept for others, and copies of them when the ring changes */
#include "core/chord/chord-internal.h"

#define REPAIR_USEC (2 * USEC_PER_SEC) /* after a change: most come in groups */
#define MOVE_RANK                                                                                  \
        (RECORD_HOLDERS / 2) /* nodes between a point and who does not keep it any more            \
                              */
#define REACH_MAX 32         /* mean gaps between a point and its last holder */

static struct holding *holding_of(struct list *i)
{
        return container_of(i, struct holding, in_holdings);
}

static void holding_free(struct chord *c, struct holding *h)
{
        list_remove(&h->in_holdings);
        c->n_holdings--;
        free(h);
}

void holder_clear(struct chord *c)
{
        list_for_each_safe (i, &c->holdings)
                holding_free(c, holding_of(i));
        c->n_repaired_to = 0;
        c->has_handed_over = false;
}

/* Might we be among the holders of @key? We know how dense the ring is, not who stands before our
 * predecessor. */
static bool may_be_ours(const struct chord *c, const struct ring_id *key)
{
        struct ring_id way = ring_distance(key, &c->id);

        return c->state == CHORD_MEMBER &&
               (c->is_whole || ring_part(&way) < REACH_MAX / ring_size(c));
}

static struct holding *find_holding(
        const struct chord *c, const struct ring_id *key, const uint8_t *public_key)
{
        list_for_each (i, &c->holdings) {
                struct holding *h = holding_of(i);

                if (ring_id_equal(&h->key, key) &&
                        memcmp(h->public_key, public_key, PUBLIC_KEY_SIZE) == 0)
                        return h;
        }
        return NULL;
}

/* Keys cost nothing: so a record counts for its owner, and a copy for who brought it, too. */
static bool is_full(const struct chord *c, const struct ring_id *key, const uint8_t *public_key,
        const struct ring_id *by, bool is_copy)
{
        size_t n_owners = 0, n_of_owner = 0, n_copies = 0;

        list_for_each (i, &c->holdings) {
                const struct holding *h = holding_of(i);

                n_owners += h->size > 0 && ring_id_equal(&h->key, key);
                n_of_owner += memcmp(h->public_key, public_key, PUBLIC_KEY_SIZE) == 0;
                n_copies += h->is_copy && ring_id_equal(&h->by, by);
        }
        return c->n_holdings >= RECORDS_MAX || n_owners >= CHORD_OWNERS_MAX ||
               n_of_owner >= RECORDS_PER_OWNER_MAX ||
               (is_copy && n_copies >= RECORDS_PER_COPIER_MAX);
}

static enum stored add(struct chord *c, const struct ring_id *key, const struct record *record,
        const struct rpc_blob *data, const struct ring_id *by, bool is_copy, usec_t until_usec)
{
        struct holding *h = calloc(1, sizeof *h + data->size);

        if (!h) {
                c->error = -ENOMEM;
                return STORED_FULL;
        }
        h->key = *key;
        memcpy(h->public_key, record->public_key, PUBLIC_KEY_SIZE);
        h->sequence = record->sequence;
        h->by = *by;
        h->is_copy = is_copy;
        h->until_usec = until_usec;
        h->size = data->size;
        memcpy(h->data, data->data, data->size);
        list_append(&c->holdings, &h->in_holdings);
        c->n_holdings++;
        return STORED_KEPT;
}

/* Signatures of others take time: only so many are looked at. */
static bool may_verify(struct chord *c, const struct ring_id *by)
{
        return ring_id_equal(by, &c->id) || ratelimit_allow(&c->verifications, c->now_usec);
}

enum stored holder_keep(struct chord *c, const struct ring_id *key, const struct rpc_blob *record,
        uint32_t ttl_sec, const struct ring_id *by)
{
        usec_t ttl_usec = usec_min(ttl_sec * USEC_PER_SEC, RECORD_TTL_USEC);
        struct ring_id owner;
        struct record r;
        struct holding *h;
        bool is_copy;
        int e;

        if (!may_be_ours(c, key) || ttl_sec == 0)
                return STORED_REFUSED;
        if (!may_verify(c, by))
                return STORED_FULL;
        e = chord_decode_record(c, record, &r);
        if (e < 0)
                c->error = e;
        if (e != 0 || record_point(&r, key) < 0)
                return STORED_REFUSED;
        h = find_holding(c, key, r.public_key);
        if (h && h->sequence > r.sequence)
                return STORED_OLD;
        if (h && h->sequence == r.sequence)
                return h->size > 0 ? STORED_KEPT : STORED_OLD;
        ring_id_of_key(r.public_key, &owner);
        is_copy = !ring_id_equal(by, &owner) && !ring_id_equal(by, &c->id);
        if (h)
                holding_free(c, h);
        if (is_full(c, key, r.public_key, by, is_copy))
                return STORED_FULL;
        return add(c, key, &r, record, by, is_copy, usec_add(c->now_usec, ttl_usec));
}

void holder_store(struct chord *c, const struct chord_peer *from, const struct rpc *m)
{
        struct rpc reply = { .kind = RPC_STORED, .number = m->number };

        reply.stored = holder_keep(c, &m->target, &m->records[0], m->ttl_sec, &from->id);
        chord_send(c, from, &reply);
}

void holder_fetch(const struct chord *c, const struct ring_id *key, struct rpc *ret)
{
        list_for_each (i, &c->holdings) {
                const struct holding *h = holding_of(i);

                if (h->size > 0 && h->until_usec > c->now_usec && ring_id_equal(&h->key, key) &&
                        ret->n_records < CHORD_OWNERS_MAX)
                        ret->records[ret->n_records++] =
                                (struct rpc_blob){ .data = h->data, .size = h->size };
        }
}

static bool is_first_holder(const struct chord *c, const struct ring_id *key)
{
        return !c->has_predecessor || ring_between_or_end(&c->predecessor.id, key, &c->id);
}

/* All records of the owner up to that sequence number. Those to whom repair sends copies are told
 * behind them: the next ones by who comes first behind the point, a new predecessor by the rest. */
void holder_withdraw(struct chord *c, const struct rpc_blob *withdrawal, const struct ring_id *by)
{
        struct rpc tell = { .kind = RPC_WITHDRAW, .records = { *withdrawal }, .n_records = 1 };
        struct record r;
        bool is_told = false, is_told_before = false;
        int e;

        if (list_is_empty(&c->holdings) || !may_verify(c, by))
                return;
        e = withdrawal_decode(withdrawal->data, withdrawal->size, &r);
        if (e < 0)
                c->error = e;
        if (e != 0)
                return;
        list_for_each (i, &c->holdings) {
                struct holding *h = holding_of(i);

                if (h->size == 0 || h->sequence > r.sequence ||
                        memcmp(h->public_key, r.public_key, PUBLIC_KEY_SIZE) != 0)
                        continue;
                h->size = 0;
                h->sequence = r.sequence;
                h->until_usec = usec_add(c->now_usec, RECORD_TTL_USEC);
                if (is_first_holder(c, &h->key))
                        is_told = true;
                else
                        is_told_before = true;
        }
        if (is_told_before)
                chord_send(c, &c->predecessor, &tell);
        /* One more than keep it: somebody may have joined since. */
        for (size_t i = 0; is_told && i < c->successors.n && i < RECORD_HOLDERS; i++)
                chord_send(c, &c->successors.peers[i], &tell);
}

void holder_ring_changed(struct chord *c)
{
        if (!list_is_empty(&c->holdings))
                c->repair_usec = usec_min(c->repair_usec, usec_add(c->now_usec, REPAIR_USEC));
}

static void send_copy(struct chord *c, const struct holding *h, const struct chord_peer *to)
{
        usec_t left = usec_sub(h->until_usec, c->now_usec);
        struct rpc m = {
                .kind = RPC_STORE,
                .target = h->key,
                .ttl_sec = (uint32_t)((left + USEC_PER_SEC - 1) / USEC_PER_SEC),
                .records = { { .data = h->data, .size = h->size } },
                .n_records = 1,
        };

        chord_send(c, to, &m);
}

static bool has_repaired(const struct chord *c, const struct ring_id *id)
{
        for (size_t i = 0; i < c->n_repaired_to; i++)
                if (ring_id_equal(&c->repaired_to[i], id))
                        return true;
        return false;
}

/* About how many nodes stand between the point and us. */
static double rank_of(const struct chord *c, const struct ring_id *key)
{
        struct ring_id way = ring_distance(key, &c->id);
        double n = 0;

        if (!c->is_whole)
                return ring_part(&way) * ring_size(c);
        for (size_t i = 0; i < c->successors.n; i++)
                n += ring_between_or_end(key, &c->successors.peers[i].id, &c->id);
        return n;
}

/* The next one of those that are not in their place any more. */
static void move_next(struct chord *c)
{
        struct lookup *l;

        if (lookup_is_under_way(c, LOOKUP_MOVE))
                return;
        list_for_each (i, &c->holdings) {
                struct holding *h = holding_of(i);

                if (!h->moves)
                        continue;
                h->moves = false;
                l = lookup_new(c, LOOKUP_MOVE, 0, &h->key);
                if (!l)
                        return;
                lookup_seed(c, l, SEEDS_ALL);
                lookup_pump(c, l);
                return;
        }
}

void holder_looked_up(struct chord *c, const struct lookup *l)
{
        list_for_each (i, &c->holdings) {
                struct holding *h = holding_of(i);

                if (!ring_id_equal(&h->key, &l->target) || h->size == 0 ||
                        h->until_usec <= c->now_usec)
                        continue;
                h->moves = false;
                h->is_moved = l->claim.n > 0;
                for (size_t k = 0; k < l->claim.n && k < RECORD_HOLDERS; k++)
                        send_copy(c, h, &l->claim.peers[k]);
        }
        move_next(c);
}

/*
 * What is first here goes to those of the next three who did not get it the last time, or to all of
 * them when it may be first here only now. What is not first here goes to a new predecessor: that
 * one may be the first, or another of the four. When many have joined at once there are more
 * between; then it is looked up, once, who keeps it now.
 */
static void repair_one(struct chord *c, struct holding *h, bool is_new_predecessor)
{
        bool is_first = is_first_holder(c, &h->key);

        for (size_t k = 0; is_first && k < c->successors.n && k < RECORD_HOLDERS - 1; k++)
                if (is_new_predecessor || !has_repaired(c, &c->successors.peers[k].id))
                        send_copy(c, h, &c->successors.peers[k]);
        if (is_first || !is_new_predecessor)
                return;
        send_copy(c, h, &c->predecessor);
        h->moves = !h->is_moved && rank_of(c, &h->key) > MOVE_RANK;
}

void holder_repair(struct chord *c)
{
        bool is_new_predecessor =
                !c->has_handed_over || !ring_id_equal(&c->handed_over_to, &c->predecessor.id);

        c->repair_usec = USEC_INFINITY;
        if (!c->has_predecessor) {
                /* Who comes back may have forgotten what it was given. */
                c->n_repaired_to = 0;
                c->has_handed_over = false;
                /* Alone there is nobody to help; otherwise one will say so soon. */
                if (c->successors.n > 0)
                        holder_ring_changed(c);
                return;
        }
        list_for_each (i, &c->holdings) {
                struct holding *h = holding_of(i);

                if (h->size > 0 && h->until_usec > c->now_usec)
                        repair_one(c, h, is_new_predecessor);
        }
        move_next(c);
        c->handed_over_to = c->predecessor.id;
        c->has_handed_over = true;
        c->n_repaired_to = 0;
        for (size_t k = 0; k < c->successors.n && k < RECORD_HOLDERS - 1; k++)
                c->repaired_to[c->n_repaired_to++] = c->successors.peers[k].id;
}

void holder_expire(struct chord *c)
{
        list_for_each_safe (i, &c->holdings)
                if (holding_of(i)->until_usec <= c->now_usec)
                        holding_free(c, holding_of(i));
}

/* The list is in the order of arrival, and all live about as long. */
usec_t holder_deadline(const struct chord *c)
{
        struct list *oldest = list_first(&c->holdings);

        return oldest ? usec_add(holding_of(oldest)->until_usec, USEC_PER_SEC) : USEC_INFINITY;
}
