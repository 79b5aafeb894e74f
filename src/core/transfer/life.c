/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One transfer: its beginning and end, what users decide, what is restored */
#include "core/crypto/random.h"
#include "core/transfer/transfer-internal.h"

static void count(struct transfers *t, struct transfer *x, bool is_more)
{
        struct transfer_party *p = x->party;
        size_t by = is_more ? 1 : (size_t)-1;

        if (transfer_is_open(x))
                p->n_open[transfer_direction(x)] += by;
        if (!x->record.is_outgoing && x->record.state == TRANSFER_OFFERED) {
                p->n_undecided += by;
                t->n_undecided += by;
        }
}

/* Nearly always the last one. */
static void insert_deadline(struct transfers *t, struct transfer *x)
{
        struct list *before = t->deadlines.prev;

        while (before != &t->deadlines &&
                container_of(before, struct transfer, in_deadlines)->deadline_usec >
                        x->deadline_usec)
                before = before->prev;
        list_append(before->next, &x->in_deadlines);
}

struct transfer *transfer_begin(
        struct transfers *t, struct transfer_party *p, const struct transfer_record *record)
{
        size_t name_size = strlen(record->name) + 1;
        struct transfer *x = calloc(1, sizeof *x + name_size);

        if (!x || table_add(&t->by_id, &x->by_id, &record->id, sizeof record->id) < 0) {
                free(x);
                t->error = -ENOMEM;
                return NULL;
        }
        x->record = *record;
        memcpy(x->name, record->name, name_size);
        x->record.name = x->name;
        x->party = p;
        x->serial = ++t->last_serial;
        x->moved = x->end = record->is_outgoing ? 0 : record->done;
        list_append(&t->all, &x->in_all);
        list_append(&p->transfers, &x->in_party);
        list_init(&x->in_deadlines);
        transfer_touch(t, x);
        count(t, x, true);
        return x;
}

void transfer_remove(struct transfers *t, struct transfer *x)
{
        struct transfer_party *p = x->party;

        count(t, x, false);
        transfer_send_reset(x);
        table_remove(&t->by_id, &x->by_id);
        list_remove(&x->in_all);
        list_remove(&x->in_party);
        list_remove(&x->in_deadlines);
        free(x);
        transfer_party_release(t, p);
}

void transfer_forget(struct transfers *t, struct transfer *x)
{
        (void)transfer_add_effect(t, TRANSFER_FORGET, x, 0);
        transfer_remove(t, x);
}

void transfer_set_state(struct transfers *t, struct transfer *x, enum transfer_state state)
{
        count(t, x, false);
        x->record.state = state;
        count(t, x, true);
}

void transfer_touch(struct transfers *t, struct transfer *x)
{
        x->record.until_usec = usec_add(t->now.real_usec, TRANSFER_USEC);
        x->deadline_usec = usec_add(t->now.mono_usec, TRANSFER_USEC);
        list_remove(&x->in_deadlines);
        insert_deadline(t, x);
}

/*
 * An offer that nobody here decided on leaves no trace when it ends by itself: else strangers could
 * have us remember as many as they like.
 */
static bool leaves_trace(const struct transfer *x, enum transfer_reason reason)
{
        return x->record.is_outgoing || x->record.state != TRANSFER_OFFERED ||
               reason == TRANSFER_REJECTED || reason == TRANSFER_CANCELLED;
}

/* It is over; remembered for the peer's sake, if it has to be. */
static void close_record(struct transfers *t, struct transfer *x, bool is_kept)
{
        transfer_set_state(t, x, TRANSFER_OVER);
        transfer_send_reset(x);
        transfer_touch(t, x);
        (void)transfer_add_effect(t, is_kept ? TRANSFER_STORE : TRANSFER_FORGET, x, 0);
        (void)transfer_add_effect(t, TRANSFER_DISCARD, x, 0);
}

/* Frees it, or those that it makes too many; others may have what it took. */
static void leave_record(struct transfers *t, struct transfer *x, bool is_kept)
{
        struct transfer_party *p = x->party;
        bool is_connected = p->is_connected;

        if (is_kept)
                transfer_party_prune(t, p, transfer_direction(x));
        else
                transfer_remove(t, x);
        if (!is_connected)
                return;
        transfer_take_grant(t, p);
        transfer_send_ready(t, p);
}

void transfer_end(
        struct transfers *t, struct transfer *x, enum transfer_reason reason, bool is_by_peer)
{
        bool is_kept = !is_by_peer && leaves_trace(x, reason);
        struct transfer_effect *e;

        assert(x->record.state != TRANSFER_WHOLE && x->record.state != TRANSFER_OVER);
        x->record.reason = reason;
        x->record.is_told = is_by_peer;
        close_record(t, x, is_kept);
        e = transfer_add_effect(t, TRANSFER_FINISHED, x, 0);
        if (e)
                e->is_by_peer = is_by_peer;
        x->is_said = x->party->is_connected;
        if (!is_by_peer)
                transfer_say_end(t, x->party, &x->record.id, reason);
        leave_record(t, x, is_kept);
}

/* The peer hears that it is done, whatever becomes of it here. */
static void drop_whole(struct transfers *t, struct transfer *x)
{
        bool is_kept = !x->record.is_told;

        close_record(t, x, is_kept);
        leave_record(t, x, is_kept);
}

void transfer_confirmed(struct transfers *t, struct transfer *x)
{
        if (x->record.state == TRANSFER_OVER) {
                transfer_forget(t, x);
        } else if (!x->record.is_told) {
                x->record.is_told = true;
                (void)transfer_add_effect(t, TRANSFER_STORE, x, 0);
        }
}

/* Times */

int transfer_advance(struct transfers *t, const struct now *now)
{
        struct list *first;

        t->now = *now;
        while (t->error == 0 && (first = list_first(&t->deadlines))) {
                struct transfer *x = container_of(first, struct transfer, in_deadlines);

                if (x->deadline_usec > now->mono_usec)
                        break;
                if (x->record.state == TRANSFER_OVER)
                        transfer_forget(t, x);
                else if (x->record.state == TRANSFER_WHOLE)
                        drop_whole(t, x);
                else
                        transfer_end(t, x, TRANSFER_EXPIRED, false);
        }
        return t->error;
}

usec_t transfer_deadline(const struct transfers *t)
{
        struct list *first = list_first(&t->deadlines);

        return first ? container_of(first, struct transfer, in_deadlines)->deadline_usec
                     : USEC_INFINITY;
}

/* Stored records */

static bool is_record(const struct transfer_record *r)
{
        if (r->size > TRANSFER_FILE_SIZE_MAX || r->done > r->size ||
                !transfer_name_is_clean(r->name, strlen(r->name)))
                return false;
        switch (r->state) {
        case TRANSFER_OFFERED:
        case TRANSFER_ACCEPTED:
                return true;
        case TRANSFER_VERIFYING:
        case TRANSFER_WHOLE:
                return !r->is_outgoing && r->done == r->size;
        case TRANSFER_OVER:
                return r->reason < TRANSFER_REASONS;
        }
        return false;
}

/* What is left of its seven days, by a clock that may be wrong. */
static void restore_deadline(struct transfers *t, struct transfer *x, usec_t until_usec)
{
        usec_t left = until_usec > t->now.real_usec ? until_usec - t->now.real_usec : 0;

        x->record.until_usec = until_usec;
        x->deadline_usec = usec_add(t->now.mono_usec, usec_min(left, TRANSFER_USEC));
        list_remove(&x->in_deadlines);
        insert_deadline(t, x);
}

int transfer_restore(
        struct transfers *t, const struct transfer_record *record, const struct now *now)
{
        struct transfer_party *p;
        struct transfer *x;

        t->now = *now;
        if (!is_record(record) || transfer_lookup(t, &record->id))
                return TRANSFER_INVALID;
        p = transfer_party_get(t, &record->peer);
        x = p ? transfer_begin(t, p, record) : NULL;
        if (!x)
                return t->error;
        restore_deadline(t, x, record->until_usec);
        if (x->record.state == TRANSFER_VERIFYING)
                (void)transfer_add_effect(t, TRANSFER_VERIFY, x, 0);
        else if (x->record.state == TRANSFER_OVER)
                (void)transfer_add_effect(t, TRANSFER_DISCARD, x, 0);
        else if (x->record.state == TRANSFER_ACCEPTED && !x->record.is_outgoing &&
                 x->record.done == x->record.size)
                transfer_take_finish(t, x);
        return t->error;
}

/* What users do */

void transfer_make_id(struct transfers *t, struct transfer_id *ret)
{
        random_bytes(t->random, ret->bytes, sizeof ret->bytes);
}

int transfer_offer(struct transfers *t, const struct transfer_offer *offer, const struct now *now)
{
        struct transfer_record r = { .id = offer->id,
                .peer = offer->peer,
                .is_outgoing = true,
                .state = TRANSFER_OFFERED,
                .user = offer->user,
                .size = offer->size };
        char name[TRANSFER_NAME_MAX + 1];
        struct transfer_party *p = transfer_party_find(t, &offer->peer);
        struct transfer *x;

        t->now = *now;
        if (offer->size > TRANSFER_FILE_SIZE_MAX)
                return TRANSFER_TOO_LARGE;
        if (transfer_name_clean(offer->name, strlen(offer->name), name) < 0)
                return TRANSFER_BAD_NAME;
        if (transfer_lookup(t, &offer->id))
                return TRANSFER_KNOWN;
        if (p && p->n_open[TRANSFER_OUT] >= TRANSFER_OPEN_MAX)
                return TRANSFER_TOO_MANY_OPEN;
        memcpy(r.hash, offer->hash, HASH_SIZE);
        r.name = name;
        p = transfer_party_get(t, &offer->peer);
        x = p ? transfer_begin(t, p, &r) : NULL;
        if (!x)
                return t->error;
        (void)transfer_add_effect(t, TRANSFER_STORE, x, 0);
        transfer_send_offer(t, x);
        return t->error;
}

/* Of one that is not over; else NULL. */
static struct transfer *find_open(struct transfers *t, const struct transfer_id *id)
{
        struct transfer *x = transfer_lookup(t, id);

        return x && transfer_is_open(x) ? x : NULL;
}

int transfer_accept(
        struct transfers *t, const struct transfer_id *id, uint64_t user, const struct now *now)
{
        struct transfer *x = find_open(t, id);

        t->now = *now;
        if (!x)
                return TRANSFER_UNKNOWN;
        if (x->record.is_outgoing)
                return TRANSFER_UNFIT;
        if (x->record.state == TRANSFER_WHOLE)
                return TRANSFER_IS_WHOLE;
        if (x->record.state == TRANSFER_OFFERED)
                transfer_take_accept(t, x, user);
        return t->error;
}

int transfer_reject(struct transfers *t, const struct transfer_id *id, const struct now *now)
{
        struct transfer *x = find_open(t, id);

        t->now = *now;
        if (!x)
                return TRANSFER_UNKNOWN;
        if (x->record.is_outgoing || x->record.state != TRANSFER_OFFERED)
                return TRANSFER_UNFIT;
        transfer_end(t, x, TRANSFER_REJECTED, false);
        return t->error;
}

int transfer_cancel(struct transfers *t, const struct transfer_id *id, const struct now *now)
{
        struct transfer *x = find_open(t, id);

        t->now = *now;
        if (!x)
                return TRANSFER_UNKNOWN;
        if (x->record.state == TRANSFER_WHOLE)
                drop_whole(t, x);
        else
                transfer_end(t, x, TRANSFER_CANCELLED, false);
        return t->error;
}

static bool is_broken_off(const struct transfer *x, bool even_whole)
{
        return transfer_is_open(x) && (even_whole || x->record.state != TRANSFER_WHOLE);
}

/* Each end may have others forgotten, and the party. */
static struct transfer *next_to_break_off(
        const struct transfers *t, const struct transfer_peer *peer, bool even_whole)
{
        const struct transfer_party *p = transfer_party_find(t, peer);

        if (!p)
                return NULL;
        list_for_each (i, &p->transfers)
                if (is_broken_off(container_of(i, struct transfer, in_party), even_whole))
                        return container_of(i, struct transfer, in_party);
        return NULL;
}

int transfer_break_off(struct transfers *t, const struct transfer_peer *peer, bool even_whole,
        const struct now *now)
{
        struct transfer *x;

        t->now = *now;
        while (t->error == 0 && (x = next_to_break_off(t, peer, even_whole))) {
                bool is_undecided = !x->record.is_outgoing && x->record.state == TRANSFER_OFFERED;

                if (x->record.state == TRANSFER_WHOLE)
                        drop_whole(t, x);
                else
                        transfer_end(
                                t, x, is_undecided ? TRANSFER_GONE : TRANSFER_CANCELLED, false);
        }
        return t->error;
}

int transfer_taken(struct transfers *t, const struct transfer_id *id, const struct now *now)
{
        struct transfer *x = find_open(t, id);

        t->now = *now;
        if (!x)
                return TRANSFER_UNKNOWN;
        if (x->record.state != TRANSFER_WHOLE)
                return TRANSFER_UNFIT;
        drop_whole(t, x);
        return t->error;
}
