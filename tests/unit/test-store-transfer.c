/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the store remembers of files: rows that come back whole, each at its own place, or not at
 * all */
#include "lib/store-fixture.h"
#include "os/file.h"
#include "store/store-internal.h"

struct seen {
        size_t n;
        struct file_record files[16];
        char names[16][TRANSFER_NAME_MAX + 1];
};

static int see(const struct file_record *file, void *userdata)
{
        struct seen *seen = userdata;

        ASSERT_LT(seen->n, ELEMENTSOF(seen->files));
        seen->files[seen->n] = *file;
        (void)snprintf(seen->names[seen->n], sizeof seen->names[0], "%s", file->transfer.name);
        seen->n++;
        return 0;
}

static struct seen load(struct store *s)
{
        struct seen seen = {};

        ASSERT_OK(store_load_transfers(s, see, &seen));
        return seen;
}

/* The greatest that there can be. */
static struct change full(const char *name)
{
        struct change c = { .type = CHANGE_TRANSFER,
                .transfer = { .transfer = { .is_outgoing = true,
                                      .state = TRANSFER_OVER,
                                      .reason = TRANSFER_UNREADABLE,
                                      .is_told = true,
                                      .user = UINT64_MAX,
                                      .size = TRANSFER_FILE_SIZE_MAX,
                                      .done = TRANSFER_FILE_SIZE_MAX - 1,
                                      .until_usec = USEC_INFINITY,
                                      .name = name },
                        .is_to_group = true,
                        .n_members = 255,
                        .n_done = 200,
                        .n_missed = 50,
                        .group_reason = TRANSFER_UNREADABLE } };

        memset(&c.transfer.transfer.id, 0xf1, sizeof c.transfer.transfer.id);
        memset(&c.transfer.transfer.peer, 0xf2, sizeof c.transfer.transfer.peer);
        memset(c.transfer.transfer.hash, 0xf3, sizeof c.transfer.transfer.hash);
        memset(&c.transfer.spool_id, 0xf4, sizeof c.transfer.spool_id);
        memset(&c.transfer.group, 0xf5, sizeof c.transfer.group);
        return c;
}

TEST(all_of_it_comes_back)
{
        _cleanup_(freep)
        char *path = fixture_path("files.db");
        struct store *s = fixture_open(path, NULL);
        char name[TRANSFER_NAME_MAX + 1];
        struct change c;
        struct seen seen;

        memset(name, 'n', TRANSFER_NAME_MAX);
        name[TRANSFER_NAME_MAX] = 0;
        c = full(name);
        ASSERT_EQ(load(s).n, 0);
        fixture_apply(s, c);
        ASSERT_OK(store_commit(s));
        store_free(s);

        s = fixture_open(path, NULL);
        seen = load(s);
        ASSERT_EQ(seen.n, 1);
        ASSERT_STREQ(seen.names[0], name);
        seen.files[0].transfer.name = c.transfer.transfer.name = NULL;
        ASSERT_MEMEQ(&seen.files[0].transfer.id, &c.transfer.transfer.id, TRANSFER_ID_SIZE);
        ASSERT_MEMEQ(&seen.files[0].transfer.peer, &c.transfer.transfer.peer, PUBLIC_KEY_SIZE);
        ASSERT_MEMEQ(seen.files[0].transfer.hash, c.transfer.transfer.hash, HASH_SIZE);
        ASSERT_MEMEQ(&seen.files[0].spool_id, &c.transfer.spool_id, TRANSFER_ID_SIZE);
        ASSERT_MEMEQ(&seen.files[0].group, &c.transfer.group, GROUP_ID_SIZE);
        ASSERT_TRUE(seen.files[0].transfer.is_outgoing);
        ASSERT_TRUE(seen.files[0].transfer.is_told);
        ASSERT_TRUE(seen.files[0].is_to_group);
        ASSERT_EQ(seen.files[0].transfer.state, TRANSFER_OVER);
        ASSERT_EQ(seen.files[0].transfer.reason, TRANSFER_UNREADABLE);
        ASSERT_EQ(seen.files[0].transfer.user, UINT64_MAX);
        ASSERT_EQ(seen.files[0].transfer.size, TRANSFER_FILE_SIZE_MAX);
        ASSERT_EQ(seen.files[0].transfer.done, TRANSFER_FILE_SIZE_MAX - 1);
        ASSERT_EQ(seen.files[0].transfer.until_usec, USEC_INFINITY);
        ASSERT_EQ(seen.files[0].n_members, 255);
        ASSERT_EQ(seen.files[0].n_done, 200);
        ASSERT_EQ(seen.files[0].n_missed, 50);
        ASSERT_EQ(seen.files[0].group_reason, TRANSFER_UNREADABLE);
        store_free(s);
        ASSERT_OK(unlink(path));
}

TEST(in_the_order_of_beginning)
{
        struct store *s = fixture_open(":memory:", NULL);
        struct change c = fixture_transfer(7);
        struct seen seen;

        for (uint8_t i = 9; i > 3; i--)
                fixture_apply(s, fixture_transfer(i));
        c.transfer.transfer.state = TRANSFER_VERIFYING;
        fixture_apply(s, c);
        fixture_apply(s, c); /* once more does nothing more */
        fixture_apply(s, (struct change){ .type = CHANGE_TRANSFER_GONE, .transfer_id = { { 8 } } });
        fixture_apply(s, (struct change){ .type = CHANGE_TRANSFER_GONE, .transfer_id = { { 8 } } });
        ASSERT_OK(store_commit(s));
        seen = load(s);
        ASSERT_EQ(seen.n, 5);
        ASSERT_EQ(seen.files[0].transfer.id.bytes[0], 9);
        ASSERT_EQ(seen.files[1].transfer.id.bytes[0], 7);
        ASSERT_EQ(seen.files[1].transfer.state, TRANSFER_VERIFYING);
        ASSERT_EQ(seen.files[4].transfer.id.bytes[0], 4);
        store_free(s);
}

static int stop(const struct file_record *file, void *userdata)
{
        return ++*(size_t *)userdata == 2 ? -ECANCELED : 0;
}

TEST(whoever_reads_may_stop)
{
        struct store *s = fixture_open(":memory:", NULL);
        size_t n = 0;

        for (uint8_t i = 1; i <= 3; i++)
                fixture_apply(s, fixture_transfer(i));
        ASSERT_EQ(store_load_transfers(s, stop, &n), -ECANCELED);
        ASSERT_EQ(n, 2);
        ASSERT_OK(store_commit(s));
        store_free(s);
}

/* Neither a name nor with whom something is shared lies there in the open. */
TEST(nothing_is_in_the_open)
{
        _cleanup_(freep)
        char *path = fixture_path("sealed.db");
        struct store *s = fixture_open(path, NULL);
        uint8_t *data = NULL, peer[PUBLIC_KEY_SIZE];
        struct change c = fixture_transfer(0xab);
        size_t size;

        c.transfer.transfer.name = "quarterly figures.ods";
        memset(peer, 0xab, sizeof peer);
        fixture_apply(s, c);
        ASSERT_OK(store_commit(s));
        store_free(s);
        ASSERT_OK(file_read(path, 64 << 20, &data, &size));
        ASSERT_NULL(memmem(data, size, "quarterly", 9));
        ASSERT_NULL(memmem(data, size, peer, sizeof peer));
        free(data);
        ASSERT_OK(unlink(path));
}

/*
 * Damage
 */
static void is_damaged_by(const char *sql)
{
        _cleanup_(freep)
        char *path = fixture_path("bad.db"), *aside = NULL;
        const struct store_options options = fixture_options(path, NULL);
        struct store *s = fixture_open(path, NULL);
        struct seen seen = {};
        uint64_t n_lost;

        fixture_apply(s, fixture_peer(1, "Ada"));
        for (uint8_t i = 1; i <= 3; i++)
                fixture_apply(s, fixture_transfer(i));
        ASSERT_OK(store_commit(s));
        store_free(s);
        fixture_sql(path, sql);
        s = fixture_open(path, NULL);
        ASSERT_EQ(store_load_transfers(s, see, &seen), -EUCLEAN);
        store_free(s);
        ASSERT_EQ(store_open(&options, &s), STORE_DAMAGED);
        ASSERT_OK(store_salvage(&options, FIXTURE_TIME, &s, &aside, &n_lost));
        seen = load(s);
        ASSERT_EQ(seen.n, 2);
        ASSERT_EQ(seen.files[0].transfer.id.bytes[0], 1);
        ASSERT_EQ(seen.files[1].transfer.id.bytes[0], 3);
        ASSERT_EQ(fixture_peers(s), 1);
        store_free(s);
        ASSERT_OK(unlink(aside));
        ASSERT_OK(unlink(path));
}

TEST(what_is_not_genuine_is_damage)
{
        /* Cut, of another row, under another id, no id at all. */
        is_damaged_by("UPDATE transfer SET sealed = substr(sealed, 1, 60) WHERE place = 2");
        is_damaged_by("UPDATE transfer SET sealed = (SELECT sealed FROM transfer WHERE place = 1)"
                      " WHERE place = 2");
        is_damaged_by("UPDATE transfer SET id = x'000102030405060708090a0b0c0d0e0f'"
                      " WHERE place = 2");
        is_damaged_by("UPDATE transfer SET id = x'02' WHERE place = 2");
}

static void put(struct store *s, const void *sealed, size_t size)
{
        sqlite3_stmt *q = NULL;

        ASSERT_OK(sqlite3_prepare_v2(s->db, "UPDATE transfer SET sealed = ?1", -1, &q, NULL));
        (void)sqlite3_bind_blob(q, 1, sealed, (int)size, SQLITE_STATIC);
        ASSERT_EQ(sqlite3_step(q), SQLITE_DONE);
        (void)sqlite3_finalize(q);
}

TEST(each_bit_of_what_is_sealed)
{
        struct store *s = fixture_open(":memory:", NULL);
        struct file_record file = { .transfer.id = { { 5 } } };
        char name[TRANSFER_NAME_MAX + 1];
        uint8_t sealed[600];
        size_t size;

        fixture_apply(s, fixture_transfer(5));
        size = s->sealed.size;
        ASSERT_LE(size, sizeof sealed);
        memcpy(sealed, s->sealed.data, size);
        ASSERT_OK(store_decode_transfer(s, sealed, size, &file, name));
        for (size_t i = 0; i < 8 * size; i++) {
                sealed[i / 8] ^= 1 << i % 8;
                ASSERT_EQ(store_decode_transfer(s, sealed, size, &file, name), -EBADMSG);
                sealed[i / 8] ^= 1 << i % 8;
        }
        for (size_t cut = 0; cut < size; cut++)
                ASSERT_EQ(store_decode_transfer(s, sealed, cut, &file, name), -EBADMSG);
        put(s, sealed, size);
        ASSERT_EQ(load(s).n, 1);
        ASSERT_OK(store_commit(s));
        store_free(s);
}

/* Genuine, but not of this version, or too long, or with what cannot be. */
TEST(what_is_not_understood_is_damage)
{
        struct store *s = fixture_open(":memory:", NULL);
        struct file_record file = { .transfer.id = { { 5 } } };
        const struct place place = { .column = "transfer.sealed",
                .conversation = UINT64_C(5) << 56 };
        char name[TRANSFER_NAME_MAX + 1];
        uint8_t plain[600];
        size_t size;

        fixture_apply(s, fixture_transfer(5));
        memcpy(plain, s->sealed.data, s->sealed.size);
        ASSERT_OK(store_decode_transfer(s, plain, s->sealed.size, &file, name));
        size = s->plain.size;
        memcpy(plain, s->plain.data, size);
        plain[size] = 0;
        for (size_t cut = 0; cut <= size + 1; cut++) {
                ASSERT_OK(store_seal(s, s->keys->records, &place, plain, cut));
                ASSERT_EQ(store_decode_transfer(s, s->sealed.data, s->sealed.size, &file, name),
                        cut == size ? 0 : -EBADMSG);
        }
        plain[0]++;
        ASSERT_OK(store_seal(s, s->keys->records, &place, plain, size));
        ASSERT_EQ(store_decode_transfer(s, s->sealed.data, s->sealed.size, &file, name), -EBADMSG);
        plain[0]--;
        plain[size - 1] = TRANSFER_REASONS;
        ASSERT_OK(store_seal(s, s->keys->records, &place, plain, size));
        ASSERT_EQ(store_decode_transfer(s, s->sealed.data, s->sealed.size, &file, name), -EBADMSG);
        ASSERT_OK(store_commit(s));
        store_free(s);
}

TEST_MAIN_WITH(fixture_setup)
