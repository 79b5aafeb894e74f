/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records that wait for a block
 *
 * First come, first served, as in the chain. Bounded for each peer that brings them, and of those
 * that wait for a registrar, which cost their sender nothing, no more than half of the pool.
 */
#include "core/ledger/ledger-internal.h"

static struct waiting *waiting_of(struct list *i)
{
        return container_of(i, struct waiting, in_pool);
}

static void drop(struct ledger *l, struct waiting *w)
{
        struct member *m = w->is_own ? NULL : peers_find(l, &w->peer);

        if (m && m->n_charged > 0)
                m->n_charged--;
        l->n_pool--;
        l->n_unapproved -= !w->is_approved;
        list_remove(&w->in_pool);
        free(w);
}

void pool_clear(struct ledger *l)
{
        list_for_each_safe (i, &l->pool)
                drop(l, waiting_of(i));
}

struct waiting *pool_find(const struct ledger *l, const uint8_t id[static HASH_SIZE])
{
        list_for_each (i, &l->pool)
                if (hash_equal(waiting_of(i)->certificate.id, id))
                        return waiting_of(i);
        return NULL;
}

static bool is_room(const struct ledger *l, const struct member *from, bool is_approved)
{
        if (l->n_pool >= LEDGER_POOL_MAX)
                return false;
        if (!is_approved && l->n_unapproved >= LEDGER_POOL_MAX / 2)
                return false;
        return !from || from->n_charged < LEDGER_POOL_PER_PEER_MAX;
}

/* When somebody else, who does not have it from its owner, may make the block. */
static usec_t ready_usec(struct ledger *l, const struct member *from)
{
        if (!from || l->genesis.context.n_registrars == 0)
                return 0;
        return usec_add(
                l->now.mono_usec, APPROVED_WAIT_USEC + random_below(l->random, APPROVED_WAIT_USEC));
}

static int insert(
        struct ledger *l, const struct certificate *c, struct member *from, bool is_approved)
{
        struct waiting *w = calloc(1, sizeof *w);

        if (!w)
                return -ENOMEM;
        w->certificate = *c;
        w->is_own = !from;
        w->is_approved = is_approved;
        w->ready_usec = ready_usec(l, from);
        w->tell_usec = from ? USEC_INFINITY : usec_add(l->now.mono_usec, TELL_AGAIN_USEC);
        if (from) {
                w->peer = from->peer;
                from->n_charged++;
        }
        l->n_pool++;
        l->n_unapproved += !is_approved;
        list_append(&l->pool, &w->in_pool);
        l->is_template_valid = false;
        return 0;
}

/* The time that the next block would have. */
static usec_t next_usec(const struct ledger *l)
{
        usec_t times[LEDGER_MEDIAN];
        size_t n = chain_times(l, chain_tip(l)->header.height, times);

        return MAX(l->now.real_usec, chain_median(times, n) + 1);
}

int pool_add(struct ledger *l, const struct certificate *c, struct member *from)
{
        struct waiting *known = pool_find(l, c->id);
        int r;

        if (known && (known->is_approved || !c->has_registrar))
                return LEDGER_KNOWN;
        r = names_check(&l->names, c, next_usec(l));
        if (r != 0)
                return r;
        if (!known && !is_room(l, from, c->has_registrar || l->genesis.context.n_registrars == 0))
                return LEDGER_FULL;
        r = chain_verify_record(l, c);
        if (r != 0 && !(r == CERTIFICATE_NOT_APPROVED && !c->has_registrar))
                return r < 0 ? r : LEDGER_NOT_GENUINE;
        if (known)
                drop(l, known);
        r = insert(l, c, from, r == 0);
        if (r == 0)
                peers_tell_record(l, c, from ? &from->peer : NULL);
        return r;
}

void pool_return(struct ledger *l, const struct certificate *c)
{
        if (!pool_find(l, c->id) && l->n_pool < LEDGER_POOL_MAX &&
                names_check(&l->names, c, next_usec(l)) == 0 && insert(l, c, NULL, true) < 0)
                l->error = -ENOMEM;
}

void pool_review(struct ledger *l)
{
        usec_t time_usec = next_usec(l);

        list_for_each_safe (i, &l->pool) {
                struct waiting *w = waiting_of(i);

                if (names_check(&l->names, &w->certificate, time_usec) != 0)
                        drop(l, w);
        }
        l->is_template_valid = false;
}

void pool_tell_again(struct ledger *l)
{
        list_for_each (i, &l->pool) {
                struct waiting *w = waiting_of(i);

                if (w->tell_usec > l->now.mono_usec)
                        continue;
                w->tell_usec = usec_add(l->now.mono_usec, TELL_AGAIN_USEC);
                peers_tell_record(l, &w->certificate, NULL);
        }
}

usec_t pool_deadline(const struct ledger *l)
{
        usec_t next = USEC_INFINITY;

        list_for_each (i, &l->pool) {
                const struct waiting *w = waiting_of(i);

                next = usec_min(next, w->tell_usec);
                if (w->is_approved && w->ready_usec > l->now.mono_usec)
                        next = usec_min(next, w->ready_usec);
        }
        return next;
}
