/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What the tests of the stored ledger share: two networks, chains in them, and walks through these
 */
#include "lib/store-fixture.h"
#include "store/store-internal.h"

#define SIZE 300 /* of an ordinary block here */
#define HEIGHT 8 /* of an ordinary chain */
#define FORK 3   /* above it another chain takes its place */

static const uint8_t ours[HASH_SIZE] = "our network, thirty-two bytes ..";
static const uint8_t theirs[HASH_SIZE] = "our network, but for its end ...";

/* The bytes of a block: @version 0 is the first of that height, 1 the one in its stead. */
static inline void fill(uint8_t *ret, size_t size, uint32_t height, unsigned version)
{
        for (size_t i = 0; i < size; i++)
                ret[i] = (uint8_t)(i * 7 + height * 31 + version * 101 + (i >> 8));
}

static inline usec_t held(uint32_t height, unsigned version)
{
        return FIXTURE_TIME + height * USEC_PER_HOUR + version;
}

static inline int apply_block(
        struct store *s, const uint8_t *network, uint32_t height, unsigned version, size_t size)
{
        uint8_t data[BLOCK_SIZE_MAX];
        struct change c = { .type = CHANGE_BLOCK,
                .block = {
                        .height = height,
                        .held_usec = held(height, version),
                        .data = data,
                        .size = size,
                } };

        memcpy(c.block.network, network, HASH_SIZE);
        fill(data, size, height, version);
        return store_apply(s, &c);
}

static inline int apply_gone(struct store *s, const uint8_t *network, uint32_t above)
{
        struct change c = { .type = CHANGE_BLOCKS_GONE, .block.height = above };

        memcpy(c.block.network, network, HASH_SIZE);
        return store_apply(s, &c);
}

static inline void add_chain(struct store *s, const uint8_t *network, uint32_t from, uint32_t to)
{
        for (uint32_t i = from; i <= to; i++)
                ASSERT_OK(apply_block(s, network, i, 0, SIZE));
        ASSERT_OK(store_commit(s));
}

/* A walk from height @next on: each block must be as it was stored. */
struct walk {
        const uint8_t *network;
        uint32_t next, fork; /* above the fork, @version */
        unsigned version;
        size_t size;
        uint32_t bad; /* the first height that is not as it should be; UINT32_MAX: none */
};

static inline int see_block(const struct block_record *b, void *userdata)
{
        struct walk *w = userdata;
        unsigned version = b->height > w->fork ? w->version : 0;
        uint8_t data[BLOCK_SIZE_MAX];

        ASSERT_MEMEQ(b->network, w->network, HASH_SIZE);
        ASSERT_GE(b->height, w->next);
        if ((b->height > w->next || b->size == 0) && w->bad == UINT32_MAX)
                w->bad = w->next;
        w->next = b->height + 1;
        if (b->size == 0) {
                ASSERT_EQ(b->held_usec, 0);
                return 0;
        }
        fill(data, w->size, b->height, version);
        ASSERT_EQ(b->size, w->size);
        ASSERT_MEMEQ(b->data, data, b->size);
        ASSERT_EQ(b->held_usec, held(b->height, version));
        return 0;
}

/* The first height of a chain up to @height that is missing or cannot be read, or UINT32_MAX;
 * negative when there is more of it, or the store says so. */
static inline int64_t walk(struct store *s, struct walk w, uint32_t height)
{
        int r;

        w.bad = UINT32_MAX;
        r = store_load_blocks(s, w.network, w.next, SIZE_MAX, see_block, &w);
        if (r < 0)
                return r;
        if (w.bad == UINT32_MAX && w.next <= height)
                w.bad = w.next;
        return w.bad == UINT32_MAX && w.next != height + 1 ? -E2BIG : w.bad;
}

static inline int64_t walk_chain(struct store *s, const uint8_t *network, uint32_t height)
{
        return walk(
                s, (struct walk){ .network = network, .fork = UINT32_MAX, .size = SIZE }, height);
}

static inline int64_t walk_fork(struct store *s, const uint8_t *network, uint32_t height)
{
        return walk(s,
                (struct walk){ .network = network, .fork = FORK, .version = 1, .size = SIZE },
                height);
}

static inline int see_genesis(const struct block_record *b, void *userdata)
{
        size_t *n = userdata;

        ASSERT_EQ(b->height, 0);
        n[b->size > 0]++;
        return 0;
}

/* How many genesis can be read, and how many not. */
static inline void assert_genesis(struct store *s, size_t n_good, size_t n_bad)
{
        size_t n[2] = {};

        ASSERT_OK(store_load_genesis(s, see_genesis, n));
        ASSERT_EQ(n[1], n_good);
        ASSERT_EQ(n[0], n_bad);
}

/* On the database that @s has open. */
static inline int run_sql(struct store *s, const char *sql)
{
        return sqlite3_exec(s->db, sql, NULL, NULL, NULL);
}

static inline struct change setting(const char *network, size_t n_waiting)
{
        struct change c = { .type = CHANGE_LEDGER, .ledger = { .n_waiting = n_waiting } };

        (void)snprintf(c.ledger.network, sizeof c.ledger.network, "%s", network);
        for (size_t i = 0; i < n_waiting; i++)
                c.ledger.waiting[i] = (uint8_t)(i + 1);
        return c;
}

#define LONGEST "a-name_of20character#abcdefghijklmnopqrstuvwxya"

static inline int count_block(const struct block_record *b, void *userdata)
{
        ++*(size_t *)userdata;
        return 0;
}

/* All of one turn, but its commit. */
static inline int reorganise(struct store *s)
{
        const struct change c = setting("", 100);
        int r;

        r = apply_gone(s, ours, FORK);
        for (uint32_t i = FORK + 1; r == 0 && i <= HEIGHT + 1; i++)
                r = apply_block(s, ours, i, 1, SIZE);
        if (r == 0)
                r = store_apply(s, &c);
        return r;
}
