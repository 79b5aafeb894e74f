/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The chain: what may follow, appending and leaving, what is final */
#include "core/ledger/ledger-internal.h"

const struct link *chain_tip(const struct ledger *l)
{
        return &l->links[l->n_links - 1];
}

bool chain_is_better(
        const struct ledger *l, const struct block_header *h, const uint8_t hash[static HASH_SIZE])
{
        const struct link *tip = chain_tip(l);
        uint64_t theirs = h->total, ours = tip->header.total;

        /* Nothing is as light as the genesis but the genesis. */
        return theirs > ours ||
               (theirs == ours && ours > 0 && memcmp(hash, tip->hash, HASH_SIZE) < 0);
}

bool chain_has(const struct ledger *l, uint32_t height, const uint8_t hash[static HASH_SIZE])
{
        return height < l->n_links && hash_equal(l->links[height].hash, hash);
}

size_t chain_times(const struct ledger *l, uint32_t height, usec_t ret[static LEDGER_MEDIAN])
{
        size_t n = 0;

        for (; height > 0 && n < LEDGER_MEDIAN; height--)
                ret[n++] = l->links[height].header.time_usec;
        return n;
}

usec_t chain_median(const usec_t *times, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                size_t n_below = 0, n_equal = 0;

                for (size_t k = 0; k < n; k++) {
                        n_below += times[k] < times[i];
                        n_equal += times[k] == times[i];
                }
                if (n_below <= n / 2 && n / 2 < n_below + n_equal)
                        return times[i];
        }
        return 0;
}

bool chain_header_follows(const struct ledger *l, const struct link *previous, const usec_t *times,
        size_t n_times, const struct block_header *h, const uint8_t hash[static HASH_SIZE])
{
        uint64_t n = h->total - previous->header.total;

        return h->height == previous->header.height + 1 &&
               hash_equal(h->previous, previous->hash) && n > 0 && n <= BLOCK_RECORDS_MAX &&
               h->time_usec > chain_median(times, n_times) &&
               block_has_work(hash, block_work_bits(l->genesis.bits, n));
}

static int reserve_link(struct ledger *l)
{
        size_t n = 16 + l->links_allocated + l->links_allocated / 2;
        struct link *links;

        if (l->n_links < l->links_allocated)
                return 0;
        links = realloc(l->links, n * sizeof *links);
        if (!links)
                return -ENOMEM;
        l->links = links;
        l->links_allocated = n;
        return 0;
}

int chain_verify_record(struct ledger *l, const struct certificate *c)
{
        uint8_t data[CERTIFICATE_SIZE_MAX], whole[HASH_SIZE], (*known)[HASH_SIZE];
        int r;

        hash(&(struct blob){ data, certificate_encode(c, data) }, 1, whole);
        known = l->verified[(whole[0] << 8 | whole[1]) % VERIFIED_SETS];
        for (size_t i = 0; i < VERIFIED_WAYS; i++)
                if (hash_equal(known[i], whole))
                        return 0;
        r = certificate_verify(c, &l->genesis.context);
        if (r == 0) {
                memmove(known + 1, known, (VERIFIED_WAYS - 1) * sizeof *known);
                memcpy(known[0], whole, HASH_SIZE);
        }
        return r;
}

/* Of one record: 0, enum ledger_fault or -ENOMEM. */
static int append_record(struct ledger *l, const struct certificate *c,
        const struct block_header *h, enum verify verify, struct body *body)
{
        int r = 0;

        if (verify == VERIFY_RECORDS)
                r = chain_verify_record(l, c);
        if (r != 0)
                return r < 0 ? r : LEDGER_NOT_GENUINE;
        r = names_apply(&l->names, c, h, &body->undo[body->n_undo]);
        if (r == 0)
                body->n_undo++;
        return r;
}

static void take_back(struct ledger *l, struct body *body)
{
        while (body->n_undo > 0)
                names_undo(&l->names, &body->undo[--body->n_undo]);
}

static int append_records(struct ledger *l, const struct block *b, enum verify verify,
        struct body *body, size_t *ret_bad)
{
        int r = 0;

        for (size_t i = 0; i < b->n_records && r == 0; i++) {
                r = append_record(l, &b->records[i], &b->header, verify, body);
                *ret_bad = i;
        }
        if (r != 0)
                take_back(l, body);
        return r;
}

static struct body *make_body(const void *data, size_t size, size_t n_records)
{
        struct body *body = malloc(sizeof *body + n_records * sizeof *body->undo + size);

        if (!body)
                return NULL;
        *body = (struct body){ .undo = (struct undo *)(body + 1), .size = size };
        body->data = (uint8_t *)(body->undo + n_records);
        memcpy(body->data, data, size);
        return body;
}

int chain_append(struct ledger *l, const struct block *b, const void *data, size_t size,
        enum verify verify, usec_t held_usec, size_t *ret_bad)
{
        struct body *body;
        struct link *link;
        int r;

        *ret_bad = 0;
        if (b->header.total != chain_tip(l)->header.total + b->n_records)
                return LEDGER_INVALID;
        body = make_body(data, size, b->n_records);
        r = body ? reserve_link(l) : -ENOMEM;
        if (r == 0)
                r = append_records(l, b, verify, body, ret_bad);
        if (r != 0) {
                free(body);
                return r;
        }
        link = &l->links[l->n_links++];
        *link = (struct link){ .header = b->header, .held_usec = held_usec, .body = body };
        memcpy(link->hash, b->hash, HASH_SIZE);
        return 0;
}

struct link chain_leave(struct ledger *l)
{
        struct link *last = &l->links[l->n_links - 1];

        assert(last->body);
        take_back(l, last->body);
        l->n_links--;
        return *last;
}

void chain_update_final(struct ledger *l)
{
        uint32_t height = chain_tip(l)->header.height;

        for (; l->bare_height + LEDGER_FINAL_DEPTH < height; l->bare_height++) {
                struct link *link = &l->links[l->bare_height + 1];

                free(link->body);
                link->body = NULL;
        }
        while (l->final_height < height) {
                const struct link *next = &l->links[l->final_height + 1];

                if (next->header.height + LEDGER_FINAL_DEPTH > height &&
                        usec_add(next->held_usec, LEDGER_FINAL_USEC) > l->now.real_usec)
                        return;
                l->final_height++;
        }
}

void chain_appended(struct ledger *l, const struct block *b, const void *data, size_t size)
{
        struct ledger_effect *e = ledger_add_effect(l, LEDGER_APPEND, size);

        if (!e)
                return;
        memcpy((uint8_t *)e->data, data, size);
        e->height = b->header.height;
        e->held_usec = chain_tip(l)->held_usec;
        memcpy(e->hash, b->hash, HASH_SIZE);
        for (size_t i = 0; i < b->n_records; i++) {
                const struct certificate *c = &b->records[i];

                if (c->kind != CERTIFICATE_REGISTER)
                        continue;
                e = ledger_add_effect(l, LEDGER_CERTIFIED, 0);
                if (!e)
                        return;
                memcpy(e->name, c->name, sizeof e->name);
                memcpy(e->public_key, c->public_key, sizeof e->public_key);
                e->height = b->header.height;
        }
}
