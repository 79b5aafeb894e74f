/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The engine of transfers: begins and ends, effects, messages, questions */
#include "core/crypto/random.h"
#include "core/transfer/transfer-internal.h"

int transfer_new(struct random *random, struct transfers **ret)
{
        struct transfers *t = calloc(1, sizeof *t);
        uint8_t key[TABLE_KEY_SIZE];

        if (!t)
                return -ENOMEM;
        t->random = random;
        random_bytes(random, key, sizeof key);
        table_init(&t->by_id, key);
        table_init(&t->by_key, key);
        list_init(&t->all);
        list_init(&t->deadlines);
        list_init(&t->parties);
        list_init(&t->effects);
        *ret = t;
        return 0;
}

struct transfers *transfer_free(struct transfers *t)
{
        if (!t)
                return NULL;
        list_for_each_safe (i, &t->effects)
                free(container_of(i, struct transfer_queued, in_effects));
        free(t->given);
        list_for_each_safe (i, &t->all)
                free(container_of(i, struct transfer, in_all));
        list_for_each_safe (i, &t->parties)
                free(container_of(i, struct transfer_party, in_parties));
        table_done(&t->by_id);
        table_done(&t->by_key);
        free(t);
        return NULL;
}

/* Effects */

struct transfer_effect *transfer_add_effect(
        struct transfers *t, enum transfer_effect_type type, const struct transfer *x, size_t size)
{
        struct transfer_queued *q = calloc(1, sizeof *q + size);

        if (!q) {
                t->error = -ENOMEM;
                return NULL;
        }
        q->effect.type = type;
        q->effect.data = q->data;
        q->effect.size = size;
        if (x) {
                q->effect.ref = (struct transfer_ref){ .id = x->record.id, .serial = x->serial };
                q->effect.peer = x->record.peer;
                q->effect.record = x->record;
                memcpy(q->name, x->name, strlen(x->name) + 1);
                q->effect.record.name = q->name;
        }
        list_append(&t->effects, &q->in_effects);
        return &q->effect;
}

void transfer_say(
        struct transfers *t, const struct transfer_party *p, const struct transfer_wire *m)
{
        struct transfer_effect *e;

        if (!p->is_connected)
                return;
        e = transfer_add_effect(t, TRANSFER_SEND, NULL, transfer_wire_size(m));
        if (!e)
                return;
        e->peer = p->peer;
        transfer_wire_encode(m, (uint8_t *)e->data);
}

void transfer_say_end(struct transfers *t, const struct transfer_party *p,
        const struct transfer_id *id, enum transfer_reason reason)
{
        struct transfer_wire m = { .kind = TRANSFER_WIRE_END, .id = *id, .reason = reason };

        transfer_say(t, p, &m);
}

bool transfer_next_effect(struct transfers *t, struct transfer_effect *ret)
{
        struct list *first = list_first(&t->effects);

        free(t->given);
        t->given = NULL;
        if (!first)
                return false;
        list_remove(first);
        t->given = container_of(first, struct transfer_queued, in_effects);
        *ret = t->given->effect;
        return true;
}

/* Messages */

struct transfer *transfer_lookup(const struct transfers *t, const struct transfer_id *id)
{
        for (struct table_entry *e = table_find(&t->by_id, id, sizeof *id); e;
                e = table_find_next(e)) {
                struct transfer *x = container_of(e, struct transfer, by_id);

                if (memcmp(&x->record.id, id, sizeof *id) == 0)
                        return x;
        }
        return NULL;
}

struct transfer *transfer_of_ref(
        const struct transfers *t, const struct transfer_ref *ref, bool is_load)
{
        struct transfer *x = transfer_lookup(t, &ref->id);

        if (!x || !transfer_is_open(x))
                return NULL;
        if (is_load)
                return x->load_size > 0 && x->load_serial == ref->serial ? x : NULL;
        return x->serial == ref->serial ? x : NULL;
}

/* What each side may say of the end. */
static bool may_end(bool is_sender, enum transfer_reason reason)
{
        switch (reason) {
        case TRANSFER_CANCELLED:
        case TRANSFER_EXPIRED:
        case TRANSFER_GONE:
        case TRANSFER_BROKEN:
        case TRANSFER_UNREADABLE:
                return true;
        case TRANSFER_SHRANK:
                return is_sender;
        case TRANSFER_DONE:
        case TRANSFER_REJECTED:
        case TRANSFER_WRONG_HASH:
        case TRANSFER_NO_SPACE:
        case TRANSFER_QUOTA:
        case TRANSFER_TOO_MANY:
        case TRANSFER_MALFORMED:
                return !is_sender;
        }
        return false;
}

static void received_end(struct transfers *t, struct transfer_party *p, struct transfer *x,
        const struct transfer_wire *m)
{
        struct transfer_wire answer = { .kind = TRANSFER_WIRE_ENDED, .id = m->id };

        if (x && (x->record.state == TRANSFER_WHOLE || x->record.state == TRANSFER_OVER))
                transfer_confirmed(t, x);
        else if (x)
                transfer_end(t, x,
                        may_end(!x->record.is_outgoing, m->reason) ? m->reason : TRANSFER_BROKEN,
                        true);
        transfer_say(t, p, &answer);
}

static void received(struct transfers *t, struct transfer_party *p, struct transfer *x,
        const struct transfer_wire *m)
{
        switch (m->kind) {
        case TRANSFER_WIRE_OFFER:
                transfer_take_offer(t, p, m);
                break;
        case TRANSFER_WIRE_WANT:
                if (x)
                        transfer_send_wanted(t, x, m);
                else
                        transfer_say_end(t, p, &m->id, TRANSFER_GONE);
                break;
        case TRANSFER_WIRE_CHUNK:
                if (x)
                        transfer_take_chunk(t, x, m);
                break;
        case TRANSFER_WIRE_END:
                received_end(t, p, x, m);
                break;
        case TRANSFER_WIRE_ENDED:
                if (x && (x->record.state == TRANSFER_WHOLE || x->record.state == TRANSFER_OVER))
                        transfer_confirmed(t, x);
                break;
        }
}

static void received_malformed(struct transfers *t, struct transfer_party *p, struct transfer *x,
        const struct transfer_wire *m)
{
        if (x && transfer_is_open(x) && x->record.state != TRANSFER_WHOLE)
                transfer_end(t, x, TRANSFER_BROKEN, false);
        else if (!x && m->kind == TRANSFER_WIRE_OFFER)
                transfer_say_end(t, p, &m->id, TRANSFER_MALFORMED);
}

int transfer_receive(struct transfers *t, const struct transfer_peer *from, const void *data,
        size_t size, const struct now *now)
{
        struct transfer_party *p = transfer_party_find(t, from);
        struct transfer_wire m;
        struct transfer *x;
        int r;

        t->now = *now;
        if (!p || !p->is_connected)
                return t->error;
        r = transfer_wire_decode(data, size, &m);
        if (r == TRANSFER_WIRE_UNKNOWN ||
                (r == TRANSFER_WIRE_MALFORMED && !transfer_wire_peek(data, size, &m)))
                return t->error;
        x = transfer_lookup(t, &m.id);
        if (x && x->party != p)
                x = NULL;
        if (r == 0)
                received(t, p, x, &m);
        else
                received_malformed(t, p, x, &m);
        return t->error;
}

int transfer_failed(struct transfers *t, const struct transfer_ref *ref,
        enum transfer_reason reason, const struct now *now)
{
        struct transfer *x = transfer_of_ref(t, ref, false);

        assert(reason == TRANSFER_SHRANK || reason == TRANSFER_NO_SPACE ||
                reason == TRANSFER_QUOTA || reason == TRANSFER_UNREADABLE);
        t->now = *now;
        if (!x)
                x = transfer_of_ref(t, ref, true);
        if (x && x->record.state != TRANSFER_WHOLE)
                transfer_end(t, x, reason, false);
        return t->error;
}

/* Questions */

size_t transfer_list(
        const struct transfers *t, size_t skip, struct transfer_record *ret, size_t n_max)
{
        size_t n = 0;

        list_for_each (i, &t->all) {
                const struct transfer *x = container_of(i, struct transfer, in_all);

                if (n == n_max)
                        break;
                if (!transfer_is_open(x))
                        continue;
                if (skip > 0)
                        skip--;
                else
                        ret[n++] = x->record;
        }
        return n;
}

bool transfer_find(
        const struct transfers *t, const struct transfer_id *id, struct transfer_record *ret)
{
        const struct transfer *x = transfer_lookup(t, id);

        if (!x || !transfer_is_open(x))
                return false;
        *ret = x->record;
        return true;
}
