/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The side that has the file */
#include "core/transfer/transfer-internal.h"

void transfer_send_offer(struct transfers *t, struct transfer *x)
{
        struct transfer_wire m = { .kind = TRANSFER_WIRE_OFFER,
                .id = x->record.id,
                .size = x->record.size,
                .hash = x->record.hash,
                .name = x->name,
                .name_size = strlen(x->name) };

        transfer_say(t, x->party, &m);
        x->is_said |= x->party->is_connected;
}

static bool may_send(const struct transfer *x)
{
        return x->record.is_outgoing && x->record.state == TRANSFER_ACCEPTED && x->is_wanted &&
               x->load_size == 0 && x->moved < x->end;
}

/* Who may send, the one that waited longest first. */
static struct transfer *next_in_turn(const struct transfer_party *p)
{
        if (!p->is_connected || p->n_loading >= TRANSFER_LOADS_MAX)
                return NULL;
        list_for_each (i, &p->transfers) {
                struct transfer *x = container_of(i, struct transfer, in_party);

                if (may_send(x))
                        return x;
        }
        return NULL;
}

void transfer_send_ready(struct transfers *t, struct transfer_party *p)
{
        struct transfer_effect *e;

        if (p->is_ready || !next_in_turn(p))
                return;
        p->is_ready = true;
        e = transfer_add_effect(t, TRANSFER_READY, NULL, 0);
        if (e)
                e->peer = p->peer;
}

static void forget_load(struct transfer *x)
{
        if (x->load_size > 0)
                x->party->n_loading--;
        x->load_size = 0;
}

void transfer_send_reset(struct transfer *x)
{
        forget_load(x);
        x->is_wanted = false;
}

/*
 * A receiver that asks for much that it had already has lost its disk or was restored. It may, but
 * not for ever.
 */
static bool is_setback_too_many(struct transfer *x, uint64_t have)
{
        bool is_setback = x->most > TRANSFER_WINDOW && have < x->most - TRANSFER_WINDOW;

        return is_setback && ++x->n_setbacks > TRANSFER_SETBACKS_MAX;
}

static bool may_want(struct transfer *x, const struct transfer_wire *m)
{
        if (m->end > x->record.size || (m->end != m->have && !transfer_is_end(x, m->end)))
                return false;
        if (!x->is_wanted)
                return !is_setback_too_many(x, m->have);
        return m->have >= x->record.done && m->have <= x->moved && m->end >= x->end;
}

void transfer_send_wanted(struct transfers *t, struct transfer *x, const struct transfer_wire *m)
{
        struct transfer_party *p = x->party;
        bool is_news;

        if (x->record.state == TRANSFER_OVER || x->record.state == TRANSFER_WHOLE)
                return;
        if (!x->record.is_outgoing || !may_want(x, m)) {
                transfer_end(t, x, TRANSFER_BROKEN, false);
                return;
        }
        if (!x->is_wanted)
                x->moved = m->have;
        if (m->have > x->most) {
                x->most = m->have;
                transfer_touch(t, x);
        }
        x->is_wanted = true;
        x->end = m->end;
        is_news = m->have != x->record.done || x->record.state == TRANSFER_OFFERED;
        x->record.done = m->have;
        if (x->record.state == TRANSFER_OFFERED) {
                transfer_set_state(t, x, TRANSFER_ACCEPTED);
                transfer_touch(t, x);
                (void)transfer_add_effect(t, TRANSFER_STORE, x, 0);
        }
        if (is_news)
                (void)transfer_add_effect(t, TRANSFER_PROGRESS, x, 0);
        transfer_send_ready(t, p);
}

bool transfer_next_chunk(
        struct transfers *t, const struct transfer_peer *peer, struct transfer_load *ret)
{
        struct transfer_party *p = transfer_party_find(t, peer);
        struct transfer *x = p ? next_in_turn(p) : NULL;

        if (!x) {
                if (p)
                        p->is_ready = false;
                return false;
        }
        list_remove(&x->in_party);
        list_append(&p->transfers, &x->in_party);
        p->n_loading++;
        x->load_serial = ++t->last_serial;
        x->load_size = (size_t)(MIN(transfer_next_end(x, x->moved), x->end) - x->moved);
        *ret = (struct transfer_load){ .ref = { .id = x->record.id, .serial = x->load_serial },
                .offset = x->moved,
                .size = x->load_size };
        return true;
}

int transfer_loaded(struct transfers *t, const struct transfer_ref *ref, const void *data,
        size_t size, const struct now *now)
{
        struct transfer *x = transfer_of_ref(t, ref, true);
        struct transfer_wire m;

        t->now = *now;
        if (!x)
                return t->error;
        assert(size <= x->load_size);
        if (size < x->load_size) {
                transfer_end(t, x, TRANSFER_SHRANK, false);
                return t->error;
        }
        m = (struct transfer_wire){ .kind = TRANSFER_WIRE_CHUNK,
                .id = x->record.id,
                .offset = x->moved,
                .data = data,
                .data_size = size };
        transfer_say(t, x->party, &m);
        x->moved += size;
        forget_load(x);
        transfer_send_ready(t, x->party);
        return t->error;
}
