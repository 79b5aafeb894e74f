/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The engine of the ring: begins and ends, messages and times */
#include "core/chord/chord-internal.h"

int chord_new(const struct chord_options *options, struct chord **ret)
{
        struct chord *c = calloc(1, sizeof *c);

        if (!c)
                return -ENOMEM;
        c->options = *options;
        c->id = options->id;
        c->round_usec = USEC_INFINITY;
        c->interval_usec = CHORD_ROUND_USEC;
        c->repair_usec = USEC_INFINITY;
        c->publication.next_usec = USEC_INFINITY;
        c->publication.record.sequence = options->sequence_first;
        c->verifications =
                (struct ratelimit){ .interval_usec = USEC_PER_SEC, .burst = VERIFICATIONS_MAX };
        list_init(&c->holdings);
        list_init(&c->effects);
        *ret = c;
        return 0;
}

struct chord *chord_free(struct chord *c)
{
        if (!c)
                return NULL;
        list_for_each_safe (i, &c->effects)
                free(container_of(i, struct queued_effect, in_effects));
        free(c->given);
        holder_clear(c);
        for (size_t i = 0; i < c->n_lookups; i++)
                free(c->lookups[i]);
        for (size_t i = 0; i < c->n_finds; i++)
                free(c->finds[i]);
        free(c->asks);
        free(c);
        return NULL;
}

int chord_decode_record(struct chord *c, const struct rpc_blob *record, struct record *ret)
{
        uint8_t digest[HASH_SIZE];
        int r;

        hash(&(struct blob){ record->data, record->size }, 1, digest);
        if (memcmp(c->verified[digest[0]], digest, sizeof digest) == 0)
                return record_decode_verified(record->data, record->size, ret);
        r = record_decode(record->data, record->size, ret);
        if (r == 0)
                memcpy(c->verified[digest[0]], digest, sizeof digest);
        return r;
}

int chord_start(struct chord *c, const struct endpoint *endpoint, usec_t now_usec)
{
        c->now_usec = now_usec;
        c->endpoint = *endpoint;
        if (c->state == CHORD_CLIENT)
                ring_begin(c);
        return c->error;
}

int chord_stop(struct chord *c, usec_t now_usec)
{
        c->now_usec = now_usec;
        owner_withdraw(c);
        ring_end(c);
        holder_clear(c);
        return c->error;
}

int chord_hear(struct chord *c, const struct chord_peer *peer, usec_t now_usec)
{
        c->now_usec = now_usec;
        if (!ring_id_equal(&peer->id, &c->id))
                ring_hear(c, peer);
        return c->error;
}

void chord_ask_failed(struct chord *c, const struct ask *a)
{
        switch (a->purpose) {
        case ASK_LOOKUP:
                ring_silent(c, &a->peer.id);
                lookup_ask_failed(c, a);
                break;
        case ASK_STORE:
                ring_silent(c, &a->peer.id);
                owner_stored(c, a, NULL);
                break;
        case ASK_FETCH:
                ring_silent(c, &a->peer.id);
                find_records(c, a, NULL);
                break;
        case ASK_SUCCESSOR:
        case ASK_NEARER:
        case ASK_PREDECESSOR:
        case ASK_FINGER:
                ring_gone(c, &a->peer.id);
                break;
        case ASK_LOST:
                break;
        }
}

int chord_failed(struct chord *c, const struct ring_id *id, usec_t now_usec)
{
        struct ask a;

        c->now_usec = now_usec;
        ring_gone(c, id);
        while (chord_take_failed_ask(c, id, &a))
                chord_ask_failed(c, &a);
        return c->error;
}

static void answer(struct chord *c, const struct chord_peer *from, const struct rpc *m)
{
        struct rpc reply = { .number = m->number };

        switch (m->kind) {
        case RPC_FIND_SUCCESSOR:
                reply.kind = RPC_FOUND;
                lookup_answer(c, &m->target, &reply);
                break;
        case RPC_STABILIZE:
                reply.kind = RPC_STATE;
                ring_fill_state(c, &reply);
                break;
        case RPC_PING_PREDECESSOR:
                reply.kind = RPC_PONG;
                reply.is_member = c->state == CHORD_MEMBER;
                break;
        case RPC_FETCH:
                reply.kind = RPC_RECORDS;
                holder_fetch(c, &m->target, &reply);
                break;
        case RPC_FOUND:
        case RPC_STATE:
        case RPC_PONG:
        case RPC_JOIN:
        case RPC_NOTIFY:
        case RPC_INTRODUCE:
        case RPC_LEAVE:
        case RPC_STORE:
        case RPC_STORED:
        case RPC_RECORDS:
        case RPC_WITHDRAW:
                return;
        }
        chord_send(c, from, &reply);
}

static void answered(struct chord *c, const struct chord_peer *from, const struct rpc *m)
{
        struct ask a;

        if (!chord_take_ask(c, &from->id, m, &a))
                return;
        switch (a.purpose) {
        case ASK_LOOKUP:
                lookup_found(c, &a, m);
                return;
        case ASK_STORE:
                owner_stored(c, &a, m);
                return;
        case ASK_FETCH:
                find_records(c, &a, m);
                return;
        case ASK_SUCCESSOR:
        case ASK_NEARER:
        case ASK_PREDECESSOR:
        case ASK_FINGER:
        case ASK_LOST:
                break;
        }
        if (!m->is_member) {
                if (a.purpose != ASK_LOST)
                        ring_gone(c, &a.peer.id);
                return;
        }
        if (a.purpose == ASK_PREDECESSOR)
                ring_predecessor_answered(c);
        else if (a.purpose == ASK_FINGER)
                finger_state(c, &a, m);
        else if (a.purpose == ASK_LOST)
                ring_hear(c, &a.peer);
        else
                ring_state(c, &a, m);
}

/* Where @from says that it is reached. Its address is the one that we see, if both are of a kind:
 * or it could have everybody dial somebody else. */
static struct endpoint believed(const struct endpoint *said, const struct endpoint *from)
{
        struct endpoint e = *said;

        if (ring_endpoints_are_alike(said, from))
                memcpy(e.address, from->address, sizeof e.address);
        return e;
}

static void told(struct chord *c, const struct chord_peer *from, const struct rpc *m)
{
        struct chord_peer speaker = { .id = from->id,
                .endpoint = believed(&m->peer.endpoint, &from->endpoint) };

        if (m->kind == RPC_WITHDRAW)
                holder_withdraw(c, &m->records[0], &from->id);
        else if (m->kind == RPC_LEAVE)
                ring_gone(c, &from->id);
        else if (m->kind == RPC_JOIN)
                ring_joined(c, &speaker, m);
        else if (m->kind == RPC_NOTIFY)
                ring_notified(c, &speaker);
        else if (m->kind == RPC_INTRODUCE)
                ring_introduced(c, &m->peer);
}

int chord_receive(struct chord *c, const struct chord_peer *from, const void *data, size_t size,
        usec_t now_usec)
{
        struct rpc m;

        c->now_usec = now_usec;
        if (ring_id_equal(&from->id, &c->id) || rpc_decode(data, size, &from->endpoint, &m) != 0)
                return c->error;
        if (m.kind != RPC_LEAVE)
                ring_trust(c, &from->id);
        switch (m.kind) {
        case RPC_FIND_SUCCESSOR:
        case RPC_STABILIZE:
        case RPC_PING_PREDECESSOR:
        case RPC_FETCH:
                answer(c, from, &m);
                break;
        case RPC_STORE:
                holder_store(c, from, &m);
                break;
        case RPC_FOUND:
        case RPC_STATE:
        case RPC_PONG:
        case RPC_STORED:
        case RPC_RECORDS:
                answered(c, from, &m);
                break;
        case RPC_JOIN:
        case RPC_NOTIFY:
        case RPC_INTRODUCE:
        case RPC_LEAVE:
        case RPC_WITHDRAW:
                told(c, from, &m);
                break;
        }
        return c->error;
}

int chord_advance(struct chord *c, usec_t now_usec)
{
        struct ask a;

        c->now_usec = now_usec;
        while (chord_take_failed_ask(c, NULL, &a))
                chord_ask_failed(c, &a);
        for (size_t i = 0; i < c->n_asks; i++)
                if (c->asks[i].patience_usec <= now_usec)
                        c->asks[i].patience_usec = 0; /* it is over, and woke us once */
        lookup_pump_all(c);
        find_advance(c);
        if (c->round_usec <= now_usec)
                ring_round(c);
        ring_hear_next(c);
        if (c->repair_usec <= now_usec)
                holder_repair(c);
        holder_expire(c);
        if (c->publication.next_usec <= now_usec)
                owner_refresh(c);
        return c->error;
}

usec_t chord_deadline(const struct chord *c)
{
        usec_t next = usec_min(c->round_usec, c->repair_usec);

        for (size_t i = 0; i < c->n_asks; i++) {
                next = usec_min(next, c->asks[i].deadline_usec);
                if (c->asks[i].patience_usec > 0)
                        next = usec_min(next, c->asks[i].patience_usec);
        }
        next = usec_min(next, c->publication.next_usec);
        next = usec_min(next, find_deadline(c));
        return usec_min(next, holder_deadline(c));
}

bool chord_next_effect(struct chord *c, struct chord_effect *ret)
{
        struct list *first = list_first(&c->effects);

        free(c->given);
        c->given = NULL;
        if (!first)
                return false;
        list_remove(first);
        c->given = container_of(first, struct queued_effect, in_effects);
        *ret = c->given->effect;
        return true;
}

int chord_look_up(
        struct chord *c, const struct ring_id *target, usec_t now_usec, uint64_t *ret_number)
{
        struct lookup *l;

        c->now_usec = now_usec;
        if (c->state != CHORD_MEMBER && c->n_contacts == 0)
                return CHORD_NOBODY;
        l = lookup_new(c, LOOKUP_USER, 0, target);
        if (!l)
                return c->error < 0 ? c->error : CHORD_BUSY;
        *ret_number = l->number;
        lookup_seed(c, l, SEEDS_ALL);
        lookup_pump(c, l);
        return c->error;
}

bool chord_is_member(const struct chord *c)
{
        return c->state == CHORD_MEMBER;
}

const struct rpc_peers *chord_successors(const struct chord *c)
{
        return &c->successors;
}

const struct chord_peer *chord_predecessor(const struct chord *c)
{
        return c->has_predecessor ? &c->predecessor : NULL;
}

void chord_status(const struct chord *c, struct chord_status *ret)
{
        *ret = (struct chord_status){
                .state = c->state,
                .successors = c->successors,
                .has_predecessor = c->has_predecessor,
                .predecessor = c->predecessor,
                .estimated_size = ring_size(c),
                .repaired_usec = c->repaired_usec,
                .round_usec = c->interval_usec,
        };
        for (unsigned i = 0; i < CHORD_FINGERS; i++) {
                size_t n = ret->n_fingers;

                if ((c->fingers_known >> i & 1) &&
                        (n == 0 || !ring_id_equal(&ret->fingers[n - 1].id, &c->fingers[i].id)))
                        ret->fingers[ret->n_fingers++] = c->fingers[i];
        }
        list_for_each (i, &c->holdings)
                ret->n_records += container_of(i, struct holding, in_holdings)->size > 0;
        for (unsigned i = 0; i < RING_POINTS; i++)
                ret->n_published += c->publication.n_kept[i];
}

bool chord_is_neighbour(const struct chord *c, const struct ring_id *id)
{
        for (size_t i = 0; i < c->successors.n; i++)
                if (ring_id_equal(&c->successors.peers[i].id, id))
                        return true;
        for (unsigned i = 0; i < CHORD_FINGERS; i++)
                if ((c->fingers_known >> i & 1) && ring_id_equal(&c->fingers[i].id, id))
                        return true;
        return c->has_predecessor && ring_id_equal(&c->predecessor.id, id);
}
