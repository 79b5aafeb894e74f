/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The stored chain, held against itself and its rules, a step at a time */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "daemon/ledger-audit.h"

#define AGAIN "restart p2pchatd, which then gets it from other members."
#define BEHIND                                                                                     \
        "it and those behind it are got from other members, as soon as one is met that has them."

struct audit {
        struct store *store;
        struct random *random;
        struct ledger *engine; /* NULL: not begun */
        struct genesis genesis;
        uint32_t height; /* the block up to which everything is done, and its hash */
        uint8_t hash[HASH_SIZE];
        bool is_broken;  /* there was a bad block: the engine stands still */
        uint32_t behind; /* height of the last stored block behind the chain, 0: none so far */

        uint8_t data[BLOCK_SIZE_MAX]; /* the next block, */
        size_t size;                  /* 0: not read yet */
        uint8_t next[HASH_SIZE];      /* its hash */
        size_t n_verified, n_records; /* its records */
        struct audit_result result;
};

/* One row of the store, copied. */
struct found {
        const uint8_t *network;
        uint32_t height; /* that is wanted, or more when any will do */
        bool is_any, is_there;
        uint8_t *data;
        size_t size_max, size; /* 0: it cannot be read */
};

static int on_row(const struct block_record *block, void *userdata)
{
        struct found *f = userdata;

        if ((block->height != f->height && !f->is_any) ||
                memcmp(block->network, f->network, HASH_SIZE) != 0)
                return 0;
        f->is_there = true;
        f->height = block->height;
        if (block->size > 0 && block->size <= f->size_max) {
                memcpy(f->data, block->data, block->size);
                f->size = block->size;
        }
        return 0;
}

_printf_(3, 4) static void note_bad(struct audit *a, uint64_t n_bad, const char *format, ...)
{
        va_list ap;

        a->result.n_bad += n_bad;
        a->is_broken = true;
        if (a->result.first[0])
                return;
        va_start(ap, format);
        (void)vsnprintf(a->result.first, sizeof a->result.first, format, ap);
        va_end(ap);
}

/*
 * Beginning
 */
/* The one that is built in may be stored, but need not. */
static int check_genesis(struct audit *a, bool is_built_in)
{
        uint8_t data[GENESIS_SIZE_MAX];
        struct found f = {
                .network = a->genesis.context.network, .data = data, .size_max = sizeof data
        };
        struct genesis genesis;
        int r;

        r = store_load_genesis(a->store, on_row, &f);
        if (r < 0 || (!f.is_there && is_built_in))
                return r;
        if (f.size == 0 || genesis_decode(data, f.size, &genesis) < 0 ||
                memcmp(genesis.context.network, f.network, HASH_SIZE) != 0)
                note_bad(a, 1, "The genesis of %s %s in the database: " AGAIN, a->genesis.name,
                        f.is_there ? "is damaged" : "is missing");
        a->is_broken = false; /* the engine has that of the node */
        return 0;
}

static int begin(struct audit *a, const struct ledger_view *view)
{
        struct ledger_options options = { .genesis = &a->genesis, .random = a->random };
        int r;

        a->engine = ledger_free(a->engine);
        a->genesis = *ledger_genesis(view->ledger);
        a->height = 0;
        a->size = 0;
        a->is_broken = false;
        a->behind = 0;
        a->result = (struct audit_result){};
        r = check_genesis(a, view->is_built_in);
        return r < 0 ? r : ledger_new(&options, &a->engine);
}

static bool is_still_the_same(const struct audit *a, const struct ledger *ledger)
{
        uint8_t hash[HASH_SIZE];
        struct block_header h;

        if (!a->engine || memcmp(ledger_genesis(ledger)->context.network,
                                  a->genesis.context.network, HASH_SIZE) != 0)
                return false;
        return a->height == 0 || (ledger_header(ledger, a->height, &h, hash) &&
                                         memcmp(hash, a->hash, HASH_SIZE) == 0);
}

/*
 * Blocks
 */
static void advance(
        struct audit *a, const struct block_header *h, const uint8_t hash[static HASH_SIZE])
{
        a->height = h->height;
        memcpy(a->hash, hash, HASH_SIZE);
        a->result.n_records = h->total;
        a->size = 0;
}

/* Reads the block of that header; one that is bad, or behind a bad one, is done with. */
static int read_block(
        struct audit *a, const struct block_header *h, const uint8_t hash[static HASH_SIZE])
{
        struct found f = { .network = a->genesis.context.network,
                .height = h->height,
                .data = a->data,
                .size_max = sizeof a->data };
        bool is_readable, is_right;
        struct block b;
        int r;

        r = store_load_blocks(a->store, f.network, f.height, 1, on_row, &f);
        if (r < 0)
                return r;
        is_readable = f.size > 0 && block_decode(a->data, f.size, &b) == 0;
        is_right = is_readable && memcmp(b.hash, hash, HASH_SIZE) == 0;
        if (!is_right)
                note_bad(a, h->total - a->result.n_records,
                        "Block %" PRIu32 " %s in the database, with records %" PRIu64 " to %" PRIu64
                        " of the chain: " AGAIN,
                        h->height,
                        is_readable  ? "is another than that of the chain"
                        : f.is_there ? "is damaged"
                                     : "is missing",
                        a->result.n_records + 1, h->total);
        if (a->is_broken) {
                advance(a, h, hash);
                return 0;
        }
        a->size = f.size;
        memcpy(a->next, hash, HASH_SIZE);
        a->n_records = b.n_records;
        a->n_verified = 0;
        return 0;
}

static const char *fault_words(enum ledger_fault fault)
{
        switch (fault) {
        case LEDGER_TAKEN:
                return "the name belongs to another key";
        case LEDGER_RESTS:
                return "the name was revoked, and not for this key";
        case LEDGER_HAS_NAME:
                return "the key has another name";
        case LEDGER_TOO_SOON:
                return "it was renewed too soon";
        case LEDGER_NOT_OWNER:
                return "who revokes the name does not have it";
        case LEDGER_OUT_OF_TIME:
                return "its time does not fit";
        case LEDGER_NOT_GENUINE:
                return "its signature is not genuine";
        case LEDGER_KNOWN:
        case LEDGER_FULL:
        case LEDGER_INVALID:
                break;
        }
        return "it does not follow";
}

/* All records are verified: the block is taken, or its record @bad is wrong. */
static void note_fault(struct audit *a, enum ledger_fault fault, size_t bad)
{
        struct block b;

        if (fault == LEDGER_INVALID || block_decode(a->data, a->size, &b) < 0 ||
                bad >= b.n_records) {
                note_bad(a, a->n_records,
                        "Block %" PRIu32 " breaks the rules of the chain, and should never have "
                        "been taken: trust nothing that this machine says of names.",
                        a->height + 1);
                return;
        }
        note_bad(a, 1,
                "Record %zu of block %" PRIu32 ", of the name %s, is bad, for %s: trust nothing "
                "that this machine says of names.",
                bad + 1, a->height + 1, b.records[bad].name, fault_words(fault));
}

static int take_block(
        struct audit *a, const struct block_header *h, const uint8_t hash[static HASH_SIZE])
{
        size_t bad = 0;
        int r;

        r = ledger_check(a->engine, a->data, a->size, &bad);
        if (r < 0)
                return r;
        if (r > 0)
                note_fault(a, (enum ledger_fault)r, bad);
        advance(a, h, hash);
        return 0;
}

/*
 * Behind the chain. When the service begins with a block that is damaged, the chain ends before it,
 * and what was behind is in the store until other blocks take its place.
 */
static uint64_t minus(uint64_t a, uint64_t b)
{
        return a > b ? a - b : 0;
}

static const char *fault_behind(const struct audit *a, const struct found *f, const struct block *b)
{
        if (f->height != a->height + 1)
                return "is missing";
        return b ? "does not follow the one before it" : "is damaged";
}

/* What cannot be read has one record, until the next that can be read tells how many it had. */
static void note_behind(struct audit *a, const struct found *f, const struct block *b)
{
        uint64_t n_known = a->result.n_records, n_before = n_known + 1, n_bad;

        if (b)
                n_before = minus(b->header.total, b->n_records);
        n_bad = minus(n_before, n_known);
        if (a->behind == 0)
                note_bad(a, b && n_bad == 0 ? b->n_records : n_bad,
                        "Block %" PRIu32 " %s in the database: " BEHIND, a->height + 1,
                        fault_behind(a, f, b));
        else
                a->result.n_bad += n_bad;
        a->result.n_records = b ? MAX(b->header.total, n_known) : n_before;
        a->behind = f->height;
}

static int look_behind(struct audit *a)
{
        uint32_t height = a->behind > 0 ? a->behind : a->height;
        struct found f = { .network = a->genesis.context.network,
                .height = height + 1,
                .is_any = true,
                .data = a->data,
                .size_max = sizeof a->data };
        struct block b;
        int r;

        r = store_load_blocks(a->store, f.network, f.height, 1, on_row, &f);
        if (r < 0 || !f.is_there)
                return r;
        note_behind(a, &f, f.size > 0 && block_decode(a->data, f.size, &b) == 0 ? &b : NULL);
        return 1;
}

int audit_step(struct audit *a, const struct ledger_view *view)
{
        uint8_t hash[HASH_SIZE];
        struct block_header h;
        bool is_at_end;
        int r;

        is_at_end = !ledger_header(view->ledger, a->height + 1, &h, hash);
        if (!is_still_the_same(a, view->ledger) || (a->behind > 0 && !is_at_end)) {
                r = begin(a, view);
                return r < 0 ? r : 1;
        }
        if (is_at_end)
                return look_behind(a);
        if (a->size == 0 || memcmp(a->next, hash, HASH_SIZE) != 0)
                r = read_block(a, &h, hash);
        else if (a->n_verified < a->n_records)
                r = ledger_verify_some(a->engine, a->data, a->size, a->n_verified, 1,
                        &a->n_verified, &a->n_records);
        else
                r = take_block(a, &h, hash);
        return r < 0 ? r : 1;
}

/*
 * Life
 */
int audit_new(struct store *s, struct random *random, struct audit **ret)
{
        struct audit *a = calloc(1, sizeof *a);

        if (!a)
                return -ENOMEM;
        a->store = s;
        a->random = random;
        *ret = a;
        return 0;
}

struct audit *audit_free(struct audit *a)
{
        if (!a)
                return NULL;
        ledger_free(a->engine);
        free(a);
        return NULL;
}

const struct audit_result *audit_result(const struct audit *a)
{
        return &a->result;
}
