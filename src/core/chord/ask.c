/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was asked and is not answered yet, and what is to be done */
#include "core/chord/chord-internal.h"

struct chord_effect *chord_add_effect(struct chord *c, enum chord_effect_type type, size_t size)
{
        struct queued_effect *q = calloc(1, sizeof *q + size);

        if (!q) {
                c->error = -ENOMEM;
                return NULL;
        }
        q->effect.type = type;
        q->effect.data = q->data;
        q->effect.size = size;
        list_append(&c->effects, &q->in_effects);
        return &q->effect;
}

static void leave_out(struct rpc_peers *peers, const struct endpoint *to)
{
        size_t n = 0;

        for (size_t i = 0; i < peers->n; i++)
                if (ring_endpoint_is_plausible(&peers->peers[i].endpoint, to))
                        peers->peers[n++] = peers->peers[i];
        peers->n = n;
}

/* Who is outside would not take addresses of the local network, and is not to know them either. */
static void keep_secrets(struct rpc *m, const struct endpoint *to)
{
        leave_out(&m->closer, to);
        leave_out(&m->successors, to);
        if (m->kind == RPC_STATE)
                m->has_predecessor =
                        m->has_predecessor && ring_endpoint_is_plausible(&m->peer.endpoint, to);
}

void chord_send(struct chord *c, const struct chord_peer *peer, const struct rpc *m)
{
        uint8_t data[CHORD_MESSAGE_SIZE_MAX];
        struct rpc said = *m;
        struct chord_effect *e;
        size_t size;

        if (ring_id_equal(&peer->id, &c->id))
                return;
        keep_secrets(&said, &peer->endpoint);
        if (said.kind == RPC_INTRODUCE &&
                !ring_endpoint_is_plausible(&said.peer.endpoint, &peer->endpoint))
                return;
        size = rpc_encode(&said, data);
        e = chord_add_effect(c, CHORD_SEND, size);
        if (!e)
                return;
        e->peer = *peer;
        memcpy((uint8_t *)e->data, data, size);
}

void chord_ask(struct chord *c, const struct chord_peer *peer, struct rpc *m,
        enum ask_purpose purpose, uint64_t reference)
{
        struct ask *a;

        if (c->n_asks == c->asks_allocated) {
                size_t n = c->asks_allocated > 0 ? 2 * c->asks_allocated : 8;

                a = realloc(c->asks, n * sizeof *a);
                if (!a) {
                        c->error = -ENOMEM;
                        return;
                }
                c->asks = a;
                c->asks_allocated = n;
        }
        m->number = ++c->number_last;
        c->asks[c->n_asks++] = (struct ask){
                .number = m->number,
                .purpose = purpose,
                .peer = *peer,
                .reference = reference,
                .patience_usec = purpose == ASK_LOOKUP || purpose == ASK_FETCH
                                         ? usec_add(c->now_usec, CHORD_PATIENCE_USEC)
                                         : USEC_INFINITY,
                .deadline_usec = usec_add(c->now_usec, CHORD_ASK_USEC),
        };
        chord_send(c, peer, m);
}

static void drop(struct chord *c, size_t i, struct ask *ret)
{
        *ret = c->asks[i];
        memmove(c->asks + i, c->asks + i + 1, (--c->n_asks - i) * sizeof *c->asks);
}

/* Which kind of answer belongs to it. */
static enum rpc_kind answer_of(enum ask_purpose purpose)
{
        switch (purpose) {
        case ASK_SUCCESSOR:
        case ASK_NEARER:
        case ASK_FINGER:
                return RPC_STATE;
        case ASK_PREDECESSOR:
        case ASK_LOST:
                return RPC_PONG;
        case ASK_LOOKUP:
                return RPC_FOUND;
        case ASK_STORE:
                return RPC_STORED;
        case ASK_FETCH:
                return RPC_RECORDS;
        }
        abort();
}

bool chord_take_ask(
        struct chord *c, const struct ring_id *from, const struct rpc *answer, struct ask *ret)
{
        for (size_t i = 0; i < c->n_asks; i++) {
                const struct ask *a = &c->asks[i];

                if (a->number != answer->number)
                        continue;
                if (!ring_id_equal(&a->peer.id, from) || answer_of(a->purpose) != answer->kind)
                        return false;
                drop(c, i, ret);
                return true;
        }
        return false;
}

bool chord_is_asked(const struct chord *c, const struct ring_id *id, enum ask_purpose purpose)
{
        for (size_t i = 0; i < c->n_asks; i++)
                if (c->asks[i].purpose == purpose && ring_id_equal(&c->asks[i].peer.id, id))
                        return true;
        return false;
}

unsigned chord_count_asked(const struct chord *c, enum ask_purpose purpose, uint64_t reference)
{
        unsigned n = 0;

        for (size_t i = 0; i < c->n_asks; i++) {
                const struct ask *a = &c->asks[i];

                n += a->purpose == purpose && a->reference == reference &&
                     a->patience_usec > c->now_usec;
        }
        return n;
}

bool chord_take_failed_ask(struct chord *c, const struct ring_id *id, struct ask *ret)
{
        for (size_t i = 0; i < c->n_asks; i++) {
                const struct ask *a = &c->asks[i];

                if (id ? ring_id_equal(&a->peer.id, id) : a->deadline_usec <= c->now_usec) {
                        drop(c, i, ret);
                        return true;
                }
        }
        return false;
}
