/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The side that gets the file */
#include "core/transfer/transfer-internal.h"

/* Offers */

static bool is_same(const struct transfer *x, const struct transfer_wire *m)
{
        return x->record.size == m->size && strlen(x->name) == m->name_size &&
               memcmp(x->name, m->name, m->name_size) == 0 &&
               memcmp(x->record.hash, m->hash, HASH_SIZE) == 0;
}

static void offered_again(struct transfers *t, struct transfer *x, const struct transfer_wire *m)
{
        if (x->record.state == TRANSFER_WHOLE || x->record.state == TRANSFER_OVER)
                transfer_say_end(t, x->party, &m->id, x->record.reason);
        else if (!is_same(x, m))
                transfer_end(t, x, TRANSFER_BROKEN, false);
}

void transfer_take_offer(
        struct transfers *t, struct transfer_party *p, const struct transfer_wire *m)
{
        struct transfer_record r = { .id = m->id,
                .peer = p->peer,
                .state = TRANSFER_OFFERED,
                .user = TRANSFER_NOBODY,
                .size = m->size };
        struct transfer *x = transfer_lookup(t, &m->id);
        char name[TRANSFER_NAME_MAX + 1];

        if (x && x->party != p) {
                transfer_say_end(t, p, &m->id, TRANSFER_MALFORMED);
                return;
        }
        if (x) {
                if (!x->record.is_outgoing)
                        offered_again(t, x, m);
                return;
        }
        if (!transfer_party_may_offer(t, p)) {
                transfer_say_end(t, p, &m->id, TRANSFER_TOO_MANY);
                return;
        }
        memcpy(r.hash, m->hash, HASH_SIZE);
        memcpy(name, m->name, m->name_size);
        name[m->name_size] = 0;
        r.name = name;
        x = transfer_begin(t, p, &r);
        if (!x)
                return;
        (void)transfer_add_effect(t, TRANSFER_STORE, x, 0);
        (void)transfer_add_effect(t, TRANSFER_NEWS, x, 0);
}

void transfer_take_accept(struct transfers *t, struct transfer *x, uint64_t user)
{
        struct transfer_party *p = x->party;

        x->record.user = user;
        transfer_set_state(t, x, TRANSFER_ACCEPTED);
        transfer_touch(t, x);
        x->is_want_due = true;
        transfer_take_finish(t, x);
        transfer_take_grant(t, p);
}

/* What may come */

void transfer_take_reset(struct transfer *x)
{
        x->end = x->moved;
        x->is_want_due = false;
}

static bool is_coming(const struct transfer *x)
{
        return !x->record.is_outgoing && x->record.state == TRANSFER_ACCEPTED;
}

/* Bytes that may come from it, or came and are not on the disk. */
static uint64_t under_way(const struct transfer_party *p)
{
        uint64_t n = 0;

        list_for_each (i, &p->transfers) {
                const struct transfer *x = container_of(i, struct transfer, in_party);

                if (is_coming(x))
                        n += x->end - x->record.done;
        }
        return n;
}

/* Bytes that this one may be let send next; 0: none. */
static uint64_t next_step(const struct transfer *x)
{
        uint64_t next;

        if (!is_coming(x) || x->end == x->record.size)
                return 0;
        next = transfer_next_end(x, x->end);
        return next - x->record.done <= TRANSFER_WINDOW ? next - x->end : 0;
}

static struct transfer *next_to_grant(const struct transfer_party *p)
{
        list_for_each (i, &p->transfers) {
                struct transfer *x = container_of(i, struct transfer, in_party);

                if (next_step(x) > 0)
                        return x;
        }
        return NULL;
}

static void say_wants(struct transfers *t, struct transfer_party *p)
{
        list_for_each (i, &p->transfers) {
                struct transfer *x = container_of(i, struct transfer, in_party);
                struct transfer_wire m = { .kind = TRANSFER_WIRE_WANT,
                        .id = x->record.id,
                        .have = x->moved,
                        .end = x->end };

                if (is_coming(x) && x->is_want_due)
                        transfer_say(t, p, &m);
                x->is_want_due = false;
        }
}

void transfer_take_grant(struct transfers *t, struct transfer_party *p)
{
        uint64_t used = under_way(p);
        struct transfer *x;

        if (!p->is_connected)
                return;
        while ((x = next_to_grant(p)) && used + next_step(x) <= TRANSFER_PEER_WINDOW) {
                used += next_step(x);
                x->end += next_step(x);
                x->is_want_due = true;
                list_remove(&x->in_party);
                list_append(&p->transfers, &x->in_party);
        }
        say_wants(t, p);
}

/* What comes */

void transfer_take_chunk(struct transfers *t, struct transfer *x, const struct transfer_wire *m)
{
        struct transfer_effect *e;

        if (x->record.state == TRANSFER_WHOLE || x->record.state == TRANSFER_OVER)
                return;
        if (!is_coming(x) || m->offset != x->moved || m->data_size > x->end - x->moved ||
                !transfer_is_end(x, m->offset + m->data_size)) {
                transfer_end(t, x, TRANSFER_BROKEN, false);
                return;
        }
        e = transfer_add_effect(t, TRANSFER_WRITE, x, m->data_size);
        if (!e)
                return;
        e->offset = m->offset;
        memcpy((uint8_t *)e->data, m->data, m->data_size);
        x->moved += m->data_size;
}

void transfer_take_finish(struct transfers *t, struct transfer *x)
{
        bool is_there = x->record.done == x->record.size;

        if (is_there)
                transfer_set_state(t, x, TRANSFER_VERIFYING);
        (void)transfer_add_effect(t, TRANSFER_STORE, x, 0);
        if (is_there)
                (void)transfer_add_effect(t, TRANSFER_VERIFY, x, 0);
}

int transfer_written(
        struct transfers *t, const struct transfer_ref *ref, uint64_t done, const struct now *now)
{
        struct transfer *x = transfer_of_ref(t, ref, false);
        struct transfer_party *p;

        t->now = *now;
        if (!x || !is_coming(x))
                return t->error;
        assert(done >= x->record.done && done <= x->moved);
        p = x->party;
        if (done == x->record.done)
                return t->error;
        x->record.done = done;
        transfer_touch(t, x);
        transfer_take_finish(t, x);
        (void)transfer_add_effect(t, TRANSFER_PROGRESS, x, 0);
        transfer_take_grant(t, p);
        return t->error;
}

int transfer_verified(struct transfers *t, const struct transfer_ref *ref,
        const uint8_t hash[static HASH_SIZE], const struct now *now)
{
        struct transfer *x = transfer_of_ref(t, ref, false);

        t->now = *now;
        if (!x || x->record.state != TRANSFER_VERIFYING)
                return t->error;
        if (memcmp(hash, x->record.hash, HASH_SIZE) != 0) {
                transfer_end(t, x, TRANSFER_WRONG_HASH, false);
                return t->error;
        }
        x->record.reason = TRANSFER_DONE;
        transfer_set_state(t, x, TRANSFER_WHOLE);
        transfer_touch(t, x);
        (void)transfer_add_effect(t, TRANSFER_STORE, x, 0);
        (void)transfer_add_effect(t, TRANSFER_FINISHED, x, 0);
        x->is_said = x->party->is_connected;
        transfer_say_end(t, x->party, &x->record.id, TRANSFER_DONE);
        return t->error;
}
