/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What p2pchat ledger verify takes: a whole chain in a store, on the disk, and one with a bit
 * changed
 *
 *     bench-ledger DIRECTORY [RECORDS]
 */
#include <inttypes.h>
#include <malloc.h>
#include <sqlite3.h>
#include <unistd.h>

#include "bench.h"
#include "core/crypto/crypto.h"
#include "core/crypto/random.h"
#include "daemon/ledger-audit.h"

#define BEGIN_USEC (UINT64_C(1800000000) * USEC_PER_SEC)

static struct random *dice;
static struct genesis genesis = { .name = "bench", .bits = 4 };
static struct ledger *ledger; /* the node's */

static double memory_bytes(void)
{
        struct mallinfo2 m = mallinfo2();

        return (double)m.uordblks + (double)m.hblkhd;
}

static struct store *open_store(const char *path)
{
        static const uint8_t secret[32] = { 1 };
        struct store *s = NULL;

        must(store_open(&(struct store_options){ .path = path,
                                .secret = secret,
                                .random = dice,
                                .age_max_usec = USEC_INFINITY },
                     &s),
                "store_open()");
        return s;
}

static void make_record(struct certificate *c, size_t i)
{
        uint8_t seed[IDENTITY_SEED_SIZE] = { 9 };
        struct identity identity;

        *c = (struct certificate){ .kind = CERTIFICATE_REGISTER, .time_usec = BEGIN_USEC };
        (void)snprintf(c->name, sizeof c->name, "name-%u", (unsigned)i);
        memcpy(seed + 8, &i, sizeof i);
        must(identity_init(&identity, seed), "identity_init()");
        must(certificate_sign(c, &identity, &genesis.context), "certificate_sign()");
        identity_done(&identity);
}

static void put(struct store *s, const struct block_record *b)
{
        struct change c = { .type = CHANGE_BLOCK, .block = *b };

        memcpy(c.block.network, genesis.context.network, HASH_SIZE);
        must(store_apply(s, &c), "store_apply()");
}

/* Full blocks; the ledger of the node has them, too. */
static void make_chain(struct store *s, size_t n_records)
{
        static struct block b;
        uint8_t data[BLOCK_SIZE_MAX];
        struct block_record record = { .data = data, .size = genesis_encode(&genesis, data) };

        must(ledger_new(&(struct ledger_options){ .genesis = &genesis, .random = dice }, &ledger),
                "ledger_new()");
        put(s, &record);
        memcpy(b.hash, genesis.context.network, HASH_SIZE);
        for (size_t i = 0; i < n_records; i++) {
                make_record(&b.records[b.n_records++], i);
                if (b.n_records < BLOCK_RECORDS_MAX && i + 1 < n_records)
                        continue;
                record.height++;
                b.header = (struct block_header){ .height = record.height,
                        .time_usec = BEGIN_USEC + record.height,
                        .total = i + 1 };
                memcpy(b.header.previous, b.hash, HASH_SIZE);
                block_seal(&b);
                while (!block_search(&b, genesis.bits, 1000))
                        ;
                record.size = block_encode(&b, data);
                must(ledger_restore(ledger, data, record.size, BEGIN_USEC), "ledger_restore()");
                put(s, &record);
                b.n_records = 0;
        }
        must(store_commit(s), "store_commit()");
}

static void verify(struct store *s, const char *what)
{
        struct ledger_view view = { .is_there = true, .ledger = ledger };
        double begin = bench_cpu(), before = memory_bytes(), longest = 0, took;
        const struct audit_result *result;
        struct audit *a;
        int r;

        must(audit_new(s, dice, &a), "audit_new()");
        do {
                double step = bench_cpu();

                r = audit_step(a, &view);
                longest = MAX(longest, bench_cpu() - step);
        } while (r > 0);
        must(r, "audit_step()");
        took = bench_cpu() - begin;
        result = audit_result(a);
        printf("%s: %" PRIu64 " records in %.1f s of processor, the longest step %.1f ms, %.1f MB; "
               "%" PRIu64 " bad%s%s\n",
                what, result->n_records, took, 1000 * longest, (memory_bytes() - before) / 1e6,
                result->n_bad, result->n_bad > 0 ? ": " : "", result->first);
        audit_free(a);
}

/* In the middle of the stored chain. */
static void flip_bit(const char *path, size_t n_records)
{
        uint32_t height = (uint32_t)(n_records / BLOCK_RECORDS_MAX / 2 + 1);
        sqlite3_blob *blob;
        sqlite3_stmt *q;
        sqlite3 *db;
        uint8_t byte;

        must(sqlite3_open(path, &db), "sqlite3_open()");
        must(sqlite3_prepare_v2(db, "SELECT rowid FROM block WHERE height = ?", -1, &q, NULL),
                "sqlite3_prepare_v2()");
        must(sqlite3_bind_int64(q, 1, height), "sqlite3_bind_int64()");
        must(sqlite3_step(q) != SQLITE_ROW, "the block");
        must(sqlite3_blob_open(db, "main", "block", "sealed", sqlite3_column_int64(q, 0), 1, &blob),
                "sqlite3_blob_open()");
        must(sqlite3_blob_read(blob, &byte, 1, 1000), "sqlite3_blob_read()");
        byte ^= 1;
        must(sqlite3_blob_write(blob, &byte, 1, 1000), "sqlite3_blob_write()");
        (void)sqlite3_blob_close(blob);
        (void)sqlite3_finalize(q);
        (void)sqlite3_close(db);
        printf("a bit of block %" PRIu32 " was changed\n", height);
}

int main(int argc, char **argv)
{
        size_t n_records = argc > 2 ? strtoull(argv[2], NULL, 10) : 2000;
        uint8_t data[GENESIS_SIZE_MAX];
        char path[4096], wal[sizeof path + 4];
        struct store *s;
        bool is_locked;

        if (argc < 2)
                return EXIT_FAILURE;
        (void)snprintf(path, sizeof path, "%s/bench-ledger.db", argv[1]);
        (void)snprintf(wal, sizeof wal, "%s-wal", path);
        must(crypto_init(&is_locked), "crypto_init()");
        must(random_new_seeded(1, &dice), "random_new_seeded()");
        (void)genesis_encode(&genesis, data);
        (void)unlink(path);
        (void)unlink(wal);

        s = open_store(path);
        make_chain(s, n_records);
        verify(s, "whole");
        store_free(s);
        flip_bit(path, n_records);
        s = open_store(path);
        verify(s, "changed");
        store_free(s);

        ledger_free(ledger);
        random_free(dice);
        (void)unlink(path);
        (void)unlink(wal);
        return EXIT_SUCCESS;
}
