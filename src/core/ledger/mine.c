/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A block of our own
 *
 * Its records are chosen by appending them for a moment to what the chain says and taking them
 * back, so what is mined is valid for sure. It is chosen anew when the chain or the pool changes,
 * and every few seconds, for its time.
 */
#include "core/ledger/ledger-internal.h"

#define MINED_RECORDS_MAX 8 /* in a block that takes work */
#define TEMPLATE_USEC (10 * USEC_PER_SEC)

void mine_forget(struct ledger *l)
{
        free(l->template);
        l->template = NULL;
        l->is_template_valid = false;
}

static bool is_ready(const struct waiting *w, const struct now *now)
{
        return w->is_approved && w->ready_usec <= now->mono_usec;
}

bool ledger_is_mining(const struct ledger *l, const struct now *now)
{
        if (l->path.n - l->path.next > 1)
                return false; /* first what others have done */
        list_for_each (i, &l->pool)
                if (is_ready(container_of(i, struct waiting, in_pool), now))
                        return true;
        return false;
}

/* With work, a block takes as long as its records would one by one; so few, that they are there
 * soon, and no more than make the most of the bits. */
static size_t how_many(const struct ledger *l)
{
        size_t n = 1;

        if (l->genesis.bits == 0)
                return BLOCK_RECORDS_MAX;
        while (2 * n <= MIN(l->n_pool - l->n_unapproved, (size_t)MINED_RECORDS_MAX))
                n *= 2;
        return n;
}

static void choose(struct ledger *l, struct block *b)
{
        struct undo undo[BLOCK_RECORDS_MAX];
        size_t n_max = how_many(l);

        b->n_records = 0;
        list_for_each (i, &l->pool) {
                struct waiting *w = container_of(i, struct waiting, in_pool);
                int r;

                if (b->n_records == n_max)
                        break;
                if (!w->is_approved)
                        continue;
                r = names_apply(&l->names, &w->certificate, &b->header, &undo[b->n_records]);
                if (r == 0)
                        b->records[b->n_records++] = w->certificate;
                else if (r < 0)
                        l->error = r;
        }
        for (size_t i = b->n_records; i-- > 0;)
                names_undo(&l->names, &undo[i]);
}

static void make_template(struct ledger *l)
{
        const struct link *tip = chain_tip(l);
        usec_t times[LEDGER_MEDIAN], median;
        struct block *b = l->template;

        if (!b)
                b = l->template = calloc(1, sizeof *b);
        if (!b) {
                l->error = -ENOMEM;
                return;
        }
        median = chain_median(times, chain_times(l, tip->header.height, times));
        b->header = (struct block_header){ .height = tip->header.height + 1,
                .time_usec = MAX(l->now.real_usec, median + 1),
                .nonce = random_u64(l->random) };
        memcpy(b->header.previous, tip->hash, HASH_SIZE);
        choose(l, b);
        if (b->n_records == 0)
                return;
        b->header.total = tip->header.total + b->n_records;
        block_seal(b);
        l->is_template_valid = true;
        l->template_usec = l->now.mono_usec;
}

static void found(struct ledger *l)
{
        uint8_t data[BLOCK_SIZE_MAX];
        struct block *b = l->template;
        size_t size = block_encode(b, data), bad;
        int r = chain_append(l, b, data, size, VERIFY_NOTHING, l->now.real_usec, &bad);

        l->is_template_valid = false;
        if (r != 0) {
                assert(r < 0);
                l->error = r;
                return;
        }
        chain_update_final(l);
        chain_appended(l, b, data, size);
        pool_review(l);
        peers_tell_tip(l);
}

int ledger_mine(struct ledger *l, unsigned n_hashes, const struct now *now)
{
        l->now = *now;
        if (!ledger_is_mining(l, now))
                return l->error;
        if (!l->is_template_valid ||
                usec_add(l->template_usec, TEMPLATE_USEC) <= l->now.mono_usec) {
                l->is_template_valid = false;
                make_template(l);
        }
        if (!l->is_template_valid) {
                pool_review(l); /* what waits has become too old for a block meanwhile */
                return l->error;
        }
        if (block_search(l->template, l->genesis.bits, n_hashes))
                found(l);
        return l->error;
}
