/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The stored ledger and changed bits: none is missed, and what can be read is kept */
#include <fcntl.h>

#include "os/file.h"
#include "unit/store-ledger-fixture.h"

/*
 * Changed bits
 */
struct cell {
        uint8_t data[BLOCK_SIZE_MAX + 64];
        size_t size;
};

static void put_sealed(struct store *s, uint32_t height, const struct cell *c)
{
        sqlite3_stmt *q = NULL;

        ASSERT_OK(sqlite3_prepare_v2(s->db,
                "UPDATE block SET sealed = ?3 WHERE network = ?1 AND height = ?2", -1, &q, NULL));
        (void)sqlite3_bind_blob(q, 1, ours, HASH_SIZE, SQLITE_STATIC);
        (void)sqlite3_bind_int64(q, 2, height);
        (void)sqlite3_bind_blob(q, 3, c->data, (int)c->size, SQLITE_STATIC);
        ASSERT_EQ(sqlite3_step(q), SQLITE_DONE);
        ASSERT_EQ(sqlite3_changes(s->db), 1);
        (void)sqlite3_finalize(q);
}

static void get_sealed(struct store *s, const uint8_t *network, uint32_t height, struct cell *ret)
{
        sqlite3_stmt *q = NULL;

        ASSERT_OK(sqlite3_prepare_v2(s->db,
                "SELECT sealed FROM block WHERE network = ?1 AND height = ?2", -1, &q, NULL));
        (void)sqlite3_bind_blob(q, 1, network, HASH_SIZE, SQLITE_STATIC);
        (void)sqlite3_bind_int64(q, 2, height);
        ASSERT_EQ(sqlite3_step(q), SQLITE_ROW);
        ret->size = (size_t)sqlite3_column_bytes(q, 0);
        ASSERT_LE(ret->size, sizeof ret->data);
        memcpy(ret->data, sqlite3_column_blob(q, 0), ret->size);
        (void)sqlite3_finalize(q);
}

TEST(each_bit_of_what_is_sealed)
{
        struct store *s = fixture_open(":memory:", NULL);
        struct cell c;

        add_chain(s, ours, 0, HEIGHT);
        for (uint32_t height = 0; height <= HEIGHT; height += 4) {
                get_sealed(s, ours, height, &c);
                ASSERT_EQ(c.size, SEAL_SIZE + 8 + SIZE);
                for (size_t i = 0; i < 8 * c.size; i++) {
                        c.data[i / 8] ^= 1 << i % 8;
                        put_sealed(s, height, &c);
                        ASSERT_EQ(walk_chain(s, ours, HEIGHT), height);
                        c.data[i / 8] ^= 1 << i % 8;
                }
                for (; c.size > 0; c.size--) {
                        if (c.size < SEAL_SIZE + 8 + SIZE)
                                ASSERT_EQ(walk_chain(s, ours, HEIGHT), height);
                        put_sealed(s, height, &(struct cell){ .size = c.size - 1 });
                }
                assert_genesis(s, height > 0, height == 0);
                ASSERT_OK(apply_block(s, ours, height, 0, SIZE));
                ASSERT_EQ(walk_chain(s, ours, HEIGHT), UINT32_MAX);
        }
        store_free(s);
}

TEST(bits_of_the_largest_block)
{
        struct store *s = fixture_open(":memory:", NULL);
        struct walk w = { .network = ours, .next = 7, .fork = UINT32_MAX, .size = BLOCK_SIZE_MAX };
        struct cell c;

        ASSERT_OK(apply_block(s, ours, 7, 0, BLOCK_SIZE_MAX));
        get_sealed(s, ours, 7, &c);
        for (size_t i = 0; i < 8 * c.size; i += 97) {
                c.data[i / 8] ^= 1 << i % 8;
                put_sealed(s, 7, &c);
                ASSERT_EQ(walk(s, w, 7), 7);
                c.data[i / 8] ^= 1 << i % 8;
        }
        put_sealed(s, 7, &c);
        ASSERT_EQ(walk(s, w, 7), UINT32_MAX);
        store_free(s);
}

/* Of the columns that are not sealed: the block is not where it was, and opens nowhere else. */
TEST(each_bit_of_network_and_height)
{
        struct store *s = fixture_open(":memory:", NULL);
        char sql[256], other[2 * HASH_SIZE + 1], own[2 * HASH_SIZE + 1];
        uint8_t network[HASH_SIZE];
        size_t n;

        add_chain(s, ours, 0, HEIGHT);
        for (unsigned bit = 0; bit < 32; bit++) {
                uint32_t height = HEIGHT - 1, to = height ^ 1U << bit;
                int r;

                (void)snprintf(sql, sizeof sql, "UPDATE block SET height = %u WHERE height = %u",
                        to, height);
                r = run_sql(s, sql);
                if (to <= HEIGHT) {
                        ASSERT_EQ(r, SQLITE_CONSTRAINT_UNIQUE);
                        continue;
                }
                ASSERT_OK(r);
                ASSERT_EQ(walk_chain(s, ours, HEIGHT), height);
                n = 0;
                ASSERT_OK(store_load_blocks(s, ours, to, 1, count_block, &n));
                ASSERT_EQ(n, 1);
                (void)snprintf(sql, sizeof sql, "UPDATE block SET height = %u WHERE height = %u",
                        height, to);
                ASSERT_OK(run_sql(s, sql));
        }
        for (uint32_t height = 0; height <= HEIGHT; height += HEIGHT) {
                for (size_t i = 0; i < 8 * HASH_SIZE; i++) {
                        struct walk w = { .network = network, .fork = UINT32_MAX, .size = SIZE };

                        memcpy(network, ours, HASH_SIZE);
                        network[i / 8] ^= 1 << i % 8;
                        for (size_t k = 0; k < HASH_SIZE; k++) {
                                (void)snprintf(own + 2 * k, 3, "%02x", ours[k]);
                                (void)snprintf(other + 2 * k, 3, "%02x", network[k]);
                        }
                        (void)snprintf(sql, sizeof sql,
                                "UPDATE block SET network = x'%s' WHERE height = %u", other,
                                height);
                        ASSERT_OK(run_sql(s, sql));
                        ASSERT_EQ(walk_chain(s, ours, HEIGHT), height);
                        w.next = height;
                        ASSERT_EQ(walk(s, w, height), height);
                        assert_genesis(s, height > 0, height == 0);
                        (void)snprintf(sql, sizeof sql,
                                "UPDATE block SET network = x'%s' WHERE height = %u", own, height);
                        ASSERT_OK(run_sql(s, sql));
                }
        }
        ASSERT_EQ(walk_chain(s, ours, HEIGHT), UINT32_MAX);
        store_free(s);
}

/* What somebody moved there, or put back from before. */
TEST(what_is_sealed_opens_in_one_place)
{
        struct store *s = fixture_open(":memory:", NULL);
        struct cell c;

        add_chain(s, ours, 0, HEIGHT);
        add_chain(s, theirs, 0, HEIGHT);
        get_sealed(s, theirs, 5, &c);
        put_sealed(s, 5, &c);
        ASSERT_EQ(walk_chain(s, ours, HEIGHT), 5);
        get_sealed(s, ours, 6, &c);
        put_sealed(s, 5, &c);
        ASSERT_EQ(walk_chain(s, ours, HEIGHT), 5);
        ASSERT_EQ(walk_chain(s, theirs, HEIGHT), UINT32_MAX);
        store_free(s);
}

/* The database at @path as it was, but for one bit. */
static void write_bad(const char *path, const uint8_t *data, size_t size, size_t at, unsigned bit)
{
        const uint8_t bad = data[at] ^ (uint8_t)(1U << bit);
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        ASSERT_GE(fd, 0);
        ASSERT_EQ(pwrite(fd, data, size, 0), size);
        ASSERT_OK(ftruncate(fd, (off_t)size));
        ASSERT_EQ(pwrite(fd, &bad, 1, (off_t)at), 1);
        (void)close(fd);
}

/* And its life: the first height that is wrong; negative when the database is said to be damaged.
 */
static int64_t live_with(const char *path)
{
        _cleanup_(freep)
        char *mark = fixture_path("bits.db.damaged"), *wal = fixture_path("bits.db-wal");
        const struct store_options options = fixture_options(path, NULL);
        size_t n[2] = {};
        struct store *s;
        int64_t height;
        int r;

        if (store_open(&options, &s) != 0)
                return -EUCLEAN;
        height = walk_chain(s, ours, FORK + 1);
        r = height < 0 ? (int)height : store_load_genesis(s, see_genesis, n);
        /* What is built upon it is whole, or refused. */
        if (r == 0)
                r = reorganise(s);
        if (r == 0)
                r = store_commit(s);
        if (r == 0)
                r = walk_fork(s, ours, HEIGHT + 1) < 0 ? -EUCLEAN : 0;
        ASSERT_TRUE(r == 0 || r == -EUCLEAN);
        store_free(s);
        (void)unlink(mark);
        (void)unlink(wal);
        return height;
}

static size_t find(const uint8_t *data, size_t size, size_t from, const void *what, size_t n)
{
        const uint8_t *at = memmem(data + from, size - from, what, n);

        return at ? (size_t)(at - data) : SIZE_MAX;
}

#define BEFORE 10 /* bytes of a cell before the network, at most */

/* Where they lie in the file, in rows and indexes: what is told is true, or its height is named, or
 * the database is damaged. */
TEST(each_bit_in_the_file)
{
        _cleanup_(freep)
        char *path = fixture_path("bits.db");
        struct store *s = fixture_open(path, NULL);
        size_t size, at, n_bits = 0, n_named = 0, n_damaged = 0;
        uint8_t *data = NULL;
        struct cell c;

        add_chain(s, ours, 0, FORK + 1);
        get_sealed(s, ours, 2, &c);
        store_free(s);
        ASSERT_OK(file_read(path, 1 << 20, &data, &size));

        at = find(data, size, 0, c.data, c.size);
        ASSERT_NE(at, SIZE_MAX);
        for (size_t i = 0; i < c.size; i += 7) {
                write_bad(path, data, size, at + i, i % 8);
                ASSERT_EQ(live_with(path), 2);
        }
        at = find(data, size, 0, ours, HASH_SIZE);
        for (; at != SIZE_MAX; at = find(data, size, at + 1, ours, HASH_SIZE)) {
                for (size_t i = at - BEFORE; i < at + HASH_SIZE + 4; i++) {
                        const bool is_network = i >= at && i < at + HASH_SIZE;

                        for (unsigned bit = is_network ? i % 8 : 0; bit < 8;
                                bit += is_network ? 8 : 1) {
                                int64_t height;

                                write_bad(path, data, size, i, bit);
                                height = live_with(path);
                                n_bits++;
                                n_named += height >= 0 && height <= FORK + 1;
                                n_damaged += height < 0;
                        }
                }
        }
        printf("# of %zu bits %zu named, %zu damage\n", n_bits, n_named, n_damaged);
        ASSERT_GT(n_bits, 1000);
        ASSERT_GT(n_named, 0);
        free(data);
}

TEST(what_the_tables_say_is_damage)
{
        static const char *const bad[] = {
                "DROP TABLE block",
                "UPDATE block SET network = x'00' WHERE height = 0",
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_(freep)
                char *path = fixture_path("tables.db"), *aside = NULL;
                const struct store_options options = fixture_options(path, NULL);
                struct store *s = fixture_open(path, NULL);
                struct ledger_record ledger;
                size_t n[2] = {};
                uint64_t n_lost;

                fixture_apply(s, setting("home#abc", 20));
                add_chain(s, ours, 0, HEIGHT);
                ASSERT_OK(run_sql(s, bad[i]));
                ASSERT_EQ(store_load_genesis(s, see_genesis, n), -EUCLEAN);
                ASSERT_EQ(store_load_genesis(s, see_genesis, n), -EUCLEAN);
                store_free(s);
                ASSERT_EQ(store_open(&options, &s), STORE_DAMAGED);
                ASSERT_OK(store_salvage(&options, FIXTURE_TIME, &s, &aside, &n_lost));
                ASSERT_EQ(walk_chain(s, ours, HEIGHT), 0);
                ASSERT_OK(store_load_ledger(s, &ledger));
                add_chain(s, ours, 0, 0);
                if (i == 1)
                        ASSERT_EQ(walk_chain(s, ours, HEIGHT), UINT32_MAX);
                store_free(s);
                ASSERT_OK(unlink(aside));
                ASSERT_OK(unlink(path));
        }
}

/*
 * Salvage
 */
#define LONG_CHAIN 40 /* of full blocks */

static void assert_salvaged(const char *path, size_t n_lost_max, struct store **ret)
{
        const struct store_options options = fixture_options(path, NULL);
        _cleanup_(freep)
        char *aside = NULL;
        uint64_t n_lost;

        ASSERT_OK(store_salvage(&options, FIXTURE_TIME, ret, &aside, &n_lost));
        ASSERT_LE(n_lost, n_lost_max);
        ASSERT_OK(unlink(aside));
}

TEST(salvage_keeps_chains_and_setting)
{
        _cleanup_(freep)
        char *path = fixture_path("salvage.db");
        struct store *s = fixture_open(path, NULL);
        struct ledger_record r = {};

        fixture_apply(s, setting(LONGEST, CERTIFICATE_SIZE_MAX));
        add_chain(s, ours, 0, HEIGHT);
        add_chain(s, theirs, 0, HEIGHT);
        ASSERT_OK(apply_gone(s, ours, FORK));
        for (uint32_t i = FORK + 1; i <= HEIGHT + 1; i++)
                ASSERT_OK(apply_block(s, ours, i, 1, SIZE));
        ASSERT_OK(store_commit(s));
        store_free(s);
        for (int round = 0; round < 2; round++) {
                assert_salvaged(path, 0, &s);
                ASSERT_EQ(walk_fork(s, ours, HEIGHT + 1), UINT32_MAX);
                ASSERT_EQ(walk_chain(s, theirs, HEIGHT), UINT32_MAX);
                assert_genesis(s, 2, 0);
                ASSERT_OK(store_load_ledger(s, &r));
                ASSERT_STREQ(r.network, LONGEST);
                ASSERT_EQ(r.n_waiting, CERTIFICATE_SIZE_MAX);
                store_free(s);
        }
}

static int see_true(const struct block_record *b, void *userdata)
{
        uint8_t data[BLOCK_SIZE_MAX];
        size_t *n = userdata;

        ASSERT_LE(b->height, LONG_CHAIN);
        fill(data, BLOCK_SIZE_MAX, b->height, 0);
        ASSERT_EQ(b->size, BLOCK_SIZE_MAX);
        ASSERT_MEMEQ(b->data, data, b->size);
        ASSERT_EQ(b->held_usec, held(b->height, 0));
        n[b->height > 0]++;
        return 0;
}

/* Each page in turn is noise: what was on it is lost, and nothing else. */
TEST(salvage_with_each_page_lost)
{
        _cleanup_(freep)
        char *path = fixture_path("pages.db");
        struct store *s = fixture_open(path, NULL);
        size_t size, n_whole = 0, n_without_genesis = 0;
        uint8_t *data = NULL;

        for (uint32_t i = 0; i <= LONG_CHAIN; i++)
                ASSERT_OK(apply_block(s, ours, i, 0, BLOCK_SIZE_MAX));
        ASSERT_OK(store_commit(s));
        store_free(s);
        ASSERT_OK(file_read(path, 16 << 20, &data, &size));
        for (size_t page = 0; page < size / STORE_PAGE_SIZE; page++) {
                uint8_t *bad = data + page * STORE_PAGE_SIZE, good[STORE_PAGE_SIZE];
                size_t n[2] = {};

                memcpy(good, bad, sizeof good);
                random_bytes(fixture_random, bad, sizeof good);
                ASSERT_OK(file_write_atomic(path, data, size, 0600));
                memcpy(bad, good, sizeof good);
                assert_salvaged(path, 4, &s);
                ASSERT_OK(store_load_blocks(s, ours, 0, SIZE_MAX, see_true, n));
                ASSERT_GE(n[0] + n[1], LONG_CHAIN - 8);
                n_whole += n[0] + n[1] == LONG_CHAIN + 1;
                n_without_genesis += n[0] == 0;
                store_free(s);
        }
        printf("# %zu pages, %zu cost no block, %zu the genesis\n", size / STORE_PAGE_SIZE, n_whole,
                n_without_genesis);
        ASSERT_GE(n_whole, 5);
        ASSERT_LE(n_without_genesis, 5);
        free(data);
}

TEST_MAIN_WITH(fixture_setup)
