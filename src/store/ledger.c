/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is remembered of the ledger: one setting, and blocks of chains
 *
 * A block is sealed together with the time since which it is held, for its place in its network: no
 * bit of a row changes unseen, wherever it is. One that does not open is told with size 0, and one
 * whose network or height changed is missing at its own height, since it is another one's now. Both
 * are no reason not to start: others have the block, and who reads the chain sees which it is.
 */
#include "store/store-internal.h"

#define LEDGER_VERSION 1
#define LEDGER_SIZE_MAX (1 + 2 + GENESIS_WORD_SIZE + 2 + CERTIFICATE_SIZE_MAX)
#define HELD_SIZE 8 /* of the time before the bytes of a block */

static_assert(GENESIS_SIZE_MAX <= BLOCK_SIZE_MAX);

/*
 * The setting
 */
int store_apply_ledger(struct store *s, const struct ledger_record *ledger)
{
        uint8_t data[LEDGER_SIZE_MAX];
        struct writer w = writer_make(data, sizeof data);

        writer_u8(&w, LEDGER_VERSION);
        writer_blob(&w, ledger->network, strlen(ledger->network));
        writer_blob(&w, ledger->waiting, ledger->n_waiting);
        assert(!w.failed);
        return store_set_setting(s, "ledger", data, w.size);
}

static bool decode(const void *data, size_t size, struct ledger_record *ret)
{
        struct reader in = reader_make(data, size);
        struct ledger_record ledger = {};
        const uint8_t *waiting;

        if (reader_u8(&in) != LEDGER_VERSION)
                return false;
        store_read_string(&in, ledger.network, sizeof ledger.network - 1);
        waiting = reader_blob(&in, &ledger.n_waiting);
        if (!reader_is_done(&in) || ledger.n_waiting > sizeof ledger.waiting)
                return false;
        if (ledger.n_waiting > 0)
                memcpy(ledger.waiting, waiting, ledger.n_waiting);
        *ret = ledger;
        return true;
}

int store_load_ledger(struct store *s, struct ledger_record *ret)
{
        int r;

        r = store_get_setting(s, "ledger");
        if (r < 0)
                return store_needed(s, r);
        return decode(s->plain.data, s->plain.size, ret) ? 0 : -ENOENT;
}

/*
 * Blocks
 */
static struct place block_place(const struct block_record *block)
{
        return (struct place){
                .column = "block.sealed",
                .row = block->height,
                .network = block->network,
        };
}

static void bind_network(sqlite3_stmt *q, const uint8_t network[static HASH_SIZE])
{
        (void)sqlite3_bind_blob(q, 1, network, HASH_SIZE, SQLITE_STATIC);
}

int store_apply_block(struct store *s, const struct block_record *block)
{
        const struct place place = block_place(block);
        uint8_t data[HELD_SIZE + BLOCK_SIZE_MAX];
        struct writer w = writer_make(data, sizeof data);
        sqlite3_stmt *q;
        int r;

        writer_u64(&w, block->held_usec);
        writer_bytes(&w, block->data, block->size);
        assert(!w.failed && block->size > 0);
        r = store_seal(s, s->keys->records, &place, data, w.size);
        if (r < 0)
                return r;
        q = store_statement(s, SQL_BLOCK_SET, &r);
        if (!q)
                return r;
        bind_network(q, block->network);
        (void)sqlite3_bind_int64(q, 2, block->height);
        store_bind_sealed(s, q, 3);
        return store_run(s, q);
}

int store_apply_blocks_gone(struct store *s, const struct block_record *block)
{
        sqlite3_stmt *q;
        int r = 0;

        q = store_statement(s, SQL_BLOCK_DELETE, &r);
        if (!q)
                return r;
        bind_network(q, block->network);
        (void)sqlite3_bind_int64(q, 2, block->height);
        return store_run(s, q);
}

int store_decode_block(struct store *s, const void *sealed, size_t size, struct block_record *block)
{
        const struct place place = block_place(block);
        struct reader in;
        int r;

        r = store_unseal(s, s->keys->records, &place, sealed, size);
        if (r < 0)
                return r;
        in = reader_make(s->plain.data, s->plain.size);
        block->held_usec = reader_u64(&in);
        block->data = in.data;
        block->size = in.left;
        return in.failed || in.left == 0 ? -EBADMSG : 0;
}

/* What a damaged index gives is not always in order. */
static int read_key(sqlite3_stmt *q, const struct block_record *last, struct block_record *ret)
{
        const void *network = sqlite3_column_blob(q, 0);
        int64_t height = sqlite3_column_int64(q, 1);
        int order;

        if (sqlite3_column_type(q, 0) != SQLITE_BLOB || sqlite3_column_bytes(q, 0) != HASH_SIZE ||
                sqlite3_column_type(q, 1) != SQLITE_INTEGER || height < 0 || height > UINT32_MAX)
                return -EUCLEAN;
        order = last ? memcmp(network, last->network, HASH_SIZE) : 1;
        if (order < 0 || (order == 0 && height <= last->height))
                return -EUCLEAN;
        memcpy(ret->network, network, HASH_SIZE);
        ret->height = (uint32_t)height;
        return 0;
}

/* Tells @fn of each row of @q: network, height, sealed. @network: what it must be, or NULL. */
static int load(
        struct store *s, sqlite3_stmt *q, const uint8_t *network, store_block_fn fn, void *userdata)
{
        struct block_record block, last;
        bool is_first = true;
        int r;

        while ((r = store_step(s, q)) > 0) {
                block = (struct block_record){};
                r = read_key(q, is_first ? NULL : &last, &block);
                if (r == 0 && network && memcmp(block.network, network, HASH_SIZE) != 0)
                        r = -EUCLEAN;
                if (r < 0)
                        return store_needed(s, r);
                last = block;
                is_first = false;
                r = store_decode_block(
                        s, sqlite3_column_blob(q, 2), (size_t)sqlite3_column_bytes(q, 2), &block);
                if (r < 0 && r != -EBADMSG)
                        return r;
                r = fn(r == 0 ? &block : &last, userdata);
                if (r < 0)
                        return r;
        }
        return store_needed(s, r);
}

int store_load_genesis(struct store *s, store_block_fn fn, void *userdata)
{
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        int r = 0;

        q = store_statement(s, SQL_BLOCK_GENESIS, &r);
        return q ? load(s, q, NULL, fn, userdata) : store_needed(s, r);
}

int store_load_blocks(struct store *s, const uint8_t network[static HASH_SIZE], uint32_t from,
        size_t n_max, store_block_fn fn, void *userdata)
{
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        int r = 0;

        q = store_statement(s, SQL_BLOCK_LIST, &r);
        if (!q)
                return store_needed(s, r);
        bind_network(q, network);
        (void)sqlite3_bind_int64(q, 2, from);
        (void)sqlite3_bind_int64(q, 3, UINT32_MAX);
        (void)sqlite3_bind_int64(q, 4, (int64_t)MIN(n_max, (size_t)INT64_MAX));
        return load(s, q, network, fn, userdata);
}
