/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A database of an older version is taken over as a whole, or not at all
 *
 * What versions 1 to 3 were is written down here once more, tables and the record of version 1, and
 * stays as it is whatever becomes of the store. Records of version 2 are those of today.
 */
#include "base/cursor.h"
#include "lib/fault-vfs.h"
#include "lib/store-fixture.h"
#include "os/file.h"

static const char version_1[] =
        "CREATE TABLE setting (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
        "CREATE TABLE mark (number INTEGER PRIMARY KEY CHECK (number = 1),"
        " sequence INTEGER NOT NULL, logged INTEGER NOT NULL);"
        "CREATE TABLE peer (number INTEGER PRIMARY KEY, heard INTEGER NOT NULL DEFAULT 0,"
        " key BLOB, record BLOB);"
        "CREATE TABLE message (sequence INTEGER PRIMARY KEY, id BLOB NOT NULL,"
        " peer INTEGER NOT NULL, direction INTEGER NOT NULL, security INTEGER NOT NULL,"
        " state INTEGER NOT NULL, time INTEGER NOT NULL, done INTEGER, sealed BLOB NOT NULL);"
        "CREATE UNIQUE INDEX message_id ON message (id);"
        "CREATE INDEX message_peer ON message (peer);"
        "CREATE INDEX message_done ON message (done) WHERE done IS NOT NULL;"
        "CREATE TABLE queue (sequence INTEGER PRIMARY KEY, size INTEGER NOT NULL,"
        " size_sent INTEGER NOT NULL, number BLOB);"
        "PRAGMA user_version = 1;";

static const char version_2[] =
        "ALTER TABLE message ADD COLUMN origin BLOB;"
        "CREATE UNIQUE INDEX message_origin ON message (peer, origin) WHERE origin IS NOT NULL;"
        "ALTER TABLE queue ADD COLUMN stream_number INTEGER NOT NULL DEFAULT 0;"
        "CREATE TABLE stream (peer INTEGER PRIMARY KEY, sealed BLOB NOT NULL);"
        "CREATE TABLE stream_mark (number INTEGER PRIMARY KEY, sealed BLOB NOT NULL,"
        " peer INTEGER NOT NULL, stream INTEGER NOT NULL);"
        "CREATE UNIQUE INDEX stream_mark_stream ON stream_mark (peer, stream);"
        "CREATE TABLE refused (place INTEGER PRIMARY KEY, sealed BLOB NOT NULL,"
        " peer INTEGER NOT NULL, stream INTEGER NOT NULL, number INTEGER NOT NULL);"
        "CREATE UNIQUE INDEX refused_number ON refused (peer, stream, number);"
        "CREATE TABLE erased (number INTEGER PRIMARY KEY, peer INTEGER NOT NULL,"
        " hash BLOB NOT NULL, time INTEGER NOT NULL);"
        "CREATE UNIQUE INDEX erased_hash ON erased (peer, hash);"
        "PRAGMA user_version = 2;";

static const char version_3[] =
        "CREATE TABLE block (place INTEGER PRIMARY KEY, network BLOB NOT NULL,"
        " height INTEGER NOT NULL, sealed BLOB NOT NULL);"
        "CREATE UNIQUE INDEX block_height ON block (network, height);"
        "CREATE INDEX block_genesis ON block (network) WHERE height = 0;"
        "PRAGMA user_version = 3;";

/* From the database of this version that is attached as "new". */
static const char copies[] =
        "INSERT INTO setting SELECT name, value FROM new.setting;"
        "INSERT INTO mark SELECT number, sequence, logged FROM new.mark;"
        "INSERT INTO peer SELECT number, heard, key, record FROM new.peer;"
        "INSERT INTO message SELECT sequence, id, peer, direction, security, state, time, done,"
        " sealed FROM new.message;"
        "INSERT INTO queue SELECT sequence, size, size_sent, number FROM new.queue;";

/* What version 2 has beside that. */
static const char copies_2[] =
        "UPDATE message SET origin ="
        " (SELECT origin FROM new.message AS m WHERE m.sequence = message.sequence);"
        "UPDATE queue SET stream_number ="
        " (SELECT stream_number FROM new.queue AS q WHERE q.sequence = queue.sequence);"
        "INSERT INTO stream SELECT peer, sealed FROM new.stream;"
        "INSERT INTO stream_mark SELECT number, sealed, peer, stream FROM new.stream_mark;"
        "INSERT INTO refused SELECT place, sealed, peer, stream, number FROM new.refused;";

static const char copies_3[] =
        "INSERT INTO block SELECT place, network, height, sealed FROM new.block;";

#define VERSIONS 3 /* that there were before */

static const struct change block = { .type = CHANGE_BLOCK,
        .block = { .network = "a network", .data = (const uint8_t *)"abc", .size = 3 } };
static const struct change ledger = { .type = CHANGE_LEDGER, .ledger.n_waiting = 1 };

static void write_ipv4(struct writer *w, uint8_t last)
{
        const uint8_t address[16] = { 10, 0, 0, last };

        writer_bytes(w, address, sizeof address);
        writer_u32(w, 0);
        writer_u16(w, 6001);
        writer_u16(w, ENDPOINT_IPV4);
}

/* The record of a peer as version 1 wrote it, sealed. */
static size_t make_record(uint64_t number, const char *name, uint8_t flags, uint8_t *ret)
{
        uint8_t plain[256], place[64], key[KEY_SIZE];
        const uint8_t memory[16] = { 0 };
        struct writer w = writer_make(plain, sizeof plain), p = writer_make(place, sizeof place);
        struct aead *aead = NULL;

        writer_u8(&w, 1);
        writer_u8(&w, flags);
        writer_blob(&w, name, strlen(name));
        writer_blob(&w, "abcdefghijklmnopqrstuvwxya", 26);
        write_ipv4(&w, (uint8_t)number);
        writer_u16(&w, 6004);
        writer_u64(&w, 12345);
        writer_blob(&w, memory, sizeof memory);
        writer_bytes(&p, "peer.record", 12);
        writer_u64(&p, number);
        writer_u64(&p, number);
        ASSERT_FALSE(w.failed || p.failed);

        hkdf(NULL, 0, fixture_secret, KEY_SIZE, "p2pchat/1 store records", key, KEY_SIZE);
        ASSERT_OK(aead_new(&aead));
        aead_set_key(aead, key);
        random_bytes(fixture_random, ret, NONCE_SIZE);
        aead_seal(aead, ret, place, p.size, plain, w.size, ret + NONCE_SIZE);
        aead_free(aead);
        return NONCE_SIZE + w.size + TAG_SIZE;
}

static void put_record(sqlite3 *db, uint64_t number, const char *name, uint8_t flags)
{
        uint8_t record[512];
        size_t size = make_record(number, name, flags, record);
        sqlite3_stmt *q = NULL;

        ASSERT_OK(sqlite3_prepare_v2(
                db, "UPDATE peer SET record = ?2 WHERE number = ?1", -1, &q, NULL));
        (void)sqlite3_bind_int64(q, 1, (int64_t)number);
        (void)sqlite3_bind_blob(q, 2, record, (int)size, SQLITE_STATIC);
        ASSERT_EQ(sqlite3_step(q), SQLITE_DONE);
        ASSERT_EQ(sqlite3_changes(db), 1);
        (void)sqlite3_finalize(q);
}

static struct change old_peer(uint64_t number, const char *name)
{
        struct change c = fixture_peer(number, name);

        c.peer.endpoint = endpoint_ipv4(10, 0, 0, (uint8_t)number, 6001);
        c.peer.muted_until_usec = 12345;
        c.peer.blocked = c.peer.heard_classic = number == 1;
        return c;
}

/* Peers 1 and 2, two messages of each, of which one waits; mark 4. From version 2 on there is a
 * stream to peer 1 and one from peer 2, from version 3 on a ledger. In @vfs, or a file. */
static void make_old(int version, const char *path, const char *vfs)
{
        _cleanup_(freep)
        char *new_path = fixture_path("new.db"), *attach = NULL;
        struct store *s = fixture_open(new_path, NULL);
        struct change c = fixture_message(2, 1, MESSAGE_QUEUED, "waits");
        sqlite3 *db = NULL;

        (void)snprintf(c.message.number, sizeof c.message.number, "4711");
        fixture_apply(s, old_peer(1, "Ada"));
        fixture_apply(s, old_peer(2, "Bob"));
        fixture_apply(s, fixture_message(1, 1, MESSAGE_RECEIVED, "hello"));
        fixture_apply(s, c);
        fixture_apply(s, fixture_native(3, 2, 3, 30));
        fixture_apply(s, fixture_message(4, 2, MESSAGE_QUEUED, "waits too"));
        fixture_apply(s, (struct change){ .type = CHANGE_USERNAME, .text = "Ece" });
        fixture_apply(s, fixture_numbered(2, 1));
        fixture_apply(s, fixture_stream(1, 5, 1, 1));
        fixture_apply(s, fixture_mark(2, 6, 3));
        fixture_apply(s, fixture_refused(2, 6, 2, REFUSED_OTHER));
        if (version >= 3) {
                fixture_apply(s, block);
                fixture_apply(s, ledger);
        }
        store_set_logged(s, 3);
        ASSERT_OK(store_commit(s));
        store_free(s);

        ASSERT_OK(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs));
        ASSERT_OK(sqlite3_exec(db, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL",
                NULL, NULL, NULL));
        ASSERT_OK(sqlite3_exec(db, version_1, NULL, NULL, NULL));
        ASSERT_GT(asprintf(&attach, "ATTACH 'file:%s?vfs=unix' AS new", new_path), 0);
        (void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
        ASSERT_OK(sqlite3_exec(db, attach, NULL, NULL, NULL));
        ASSERT_OK(sqlite3_exec(db, copies, NULL, NULL, NULL));
        if (version == 1) {
                put_record(db, 1, "Ada", 0x0d); /* heard classic, blocked, has history */
                put_record(db, 2, "Bob", 0x08);
        } else {
                ASSERT_OK(sqlite3_exec(db, version_2, NULL, NULL, NULL));
                ASSERT_OK(sqlite3_exec(db, copies_2, NULL, NULL, NULL));
        }
        if (version >= 3) {
                ASSERT_OK(sqlite3_exec(db, version_3, NULL, NULL, NULL));
                ASSERT_OK(sqlite3_exec(db, copies_3, NULL, NULL, NULL));
        }
        ASSERT_OK(sqlite3_close(db));
        ASSERT_OK(unlink(new_path));
}

static int check_peer(const struct peer_record *p, void *userdata)
{
        bool first = p->number == 1;

        ASSERT_STREQ(p->name, first ? "Ada" : "Bob");
        ASSERT_STREQ(p->id, ""); /* announced, and never proven: the row is a classic one */
        ASSERT_EQ(p->endpoint.address[3], p->number);
        ASSERT_EQ(p->second_port, 6004);
        ASSERT_EQ(p->muted_until_usec, 12345);
        ASSERT_EQ(p->heard_usec, FIXTURE_TIME);
        ASSERT_EQ(p->blocked, first);
        ASSERT_EQ(p->heard_classic, first);
        ASSERT_TRUE(p->has_history);
        ASSERT_FALSE(p->is_proven || p->is_verified || p->is_warned_of);
        ASSERT_STREQ(p->contact, "");
        ASSERT_EQ(p->successor, 0);
        ++*(size_t *)userdata;
        return 0;
}

struct count {
        int version;
        size_t n;
};

static int check_queued(const struct queued_record *q, void *userdata)
{
        struct count *count = userdata;

        ASSERT_STREQ(q->number, q->peer == 1 ? "4711" : "");
        ASSERT_EQ(q->size, q->peer == 1 ? 5 : 9);
        ASSERT_EQ(q->stream_number, count->version >= 2 && q->peer == 1);
        count->n++;
        return 0;
}

static int check_stream(const struct stream_record *r, void *userdata)
{
        ASSERT_EQ(r->peer, 1);
        ASSERT_EQ(r->stream, 5);
        ASSERT_EQ(r->given, 1);
        ++*(size_t *)userdata;
        return 0;
}

static int check_refused(const struct refused_record *r, void *userdata)
{
        ASSERT_EQ(r->peer, 2);
        ASSERT_EQ(r->number, 2);
        ++*(size_t *)userdata;
        return 0;
}

static int count_block(const struct block_record *b, void *userdata)
{
        ASSERT_EQ(b->size, 3);
        ++*(size_t *)userdata;
        return 0;
}

static int count_transfer(const struct file_record *file, void *userdata)
{
        ++*(size_t *)userdata;
        return 0;
}

static int count_mark(const struct mark_record *m, void *userdata)
{
        ++*(size_t *)userdata;
        return 0;
}

/* What is known of streams, which version 1 could not tell. */
static void check_streams(struct store *s, int version)
{
        size_t n_streams = 0, n_marks = 0, n_refused = 0;

        ASSERT_OK(store_load_streams(s, check_stream, &n_streams));
        ASSERT_OK(store_load_marks(s, count_mark, &n_marks));
        ASSERT_OK(store_load_refused(s, check_refused, &n_refused));
        ASSERT_EQ(n_streams, version >= 2);
        ASSERT_EQ(n_marks, version >= 2);
        ASSERT_EQ(n_refused, version >= 2);
}

static void check_whole(struct store *s, int version)
{
        struct count queued = { .version = version };
        struct ledger_record record;
        size_t n_peers = 0, n_blocks = 0;
        char *username = NULL;

        ASSERT_OK(store_load_peers(s, check_peer, &n_peers));
        ASSERT_EQ(n_peers, 2);
        ASSERT_OK(store_load_queued(s, check_queued, &queued));
        ASSERT_EQ(queued.n, 2);
        check_streams(s, version);
        ASSERT_EQ(fixture_count(s), 4);
        ASSERT_EQ(store_last_sequence(s), 4);
        ASSERT_EQ(store_logged(s), 3);
        ASSERT_OK(store_load_username(s, &username));
        ASSERT_STREQ(username, "Ece");
        free(username);
        ASSERT_EQ(store_load_ledger(s, &record), version >= 3 ? 0 : -ENOENT);
        ASSERT_OK(store_load_genesis(s, count_block, &n_blocks));
        ASSERT_EQ(n_blocks, version >= 3);
        ASSERT_OK(store_load_transfers(s, count_transfer, NULL));
}

/* And all that is new works in it. */
static void use(struct store *s, int version)
{
        const struct change transfer = { .type = CHANGE_TRANSFER,
                .transfer.transfer = { .state = TRANSFER_OFFERED, .name = "a file" } };
        struct ledger_record record;
        size_t n = 0;

        fixture_apply(s, fixture_numbered(2, 1));
        fixture_apply(s, fixture_stream(1, 5, 1, 1));
        fixture_apply(s, fixture_mark(1, 6, 1));
        fixture_apply(s, fixture_refused(1, 6, 1, REFUSED_OTHER));
        fixture_apply(s, fixture_native(50, 1, 2, 50));
        fixture_apply(s, fixture_native(51, 1, 3, 50));
        fixture_apply(s, fixture_native(52, 2, 4, 30)); /* version 1 knew no origins */
        fixture_apply(s, block);
        fixture_apply(s, ledger);
        fixture_apply(s, transfer);
        ASSERT_OK(store_commit(s));
        ASSERT_EQ(fixture_count(s), version == 1 ? 6 : 5);
        ASSERT_OK(store_load_marks(s, count_mark, &n));
        ASSERT_EQ(n, version == 1 ? 1 : 2);
        n = 0;
        ASSERT_OK(store_load_genesis(s, count_block, &n));
        ASSERT_EQ(n, 1);
        ASSERT_OK(store_load_ledger(s, &record));
        n = 0;
        ASSERT_OK(store_load_transfers(s, count_transfer, &n));
        ASSERT_EQ(n, 1);
}

static void take_over(int version)
{
        _cleanup_(freep)
        char *path = fixture_path("old.db");
        struct store *s;

        make_old(version, path, NULL);
        for (int round = 0; round < 2; round++) {
                s = fixture_open(path, NULL);
                check_whole(s, version);
                store_free(s);
        }
        s = fixture_open(path, NULL);
        use(s, version);
        store_free(s);
        s = fixture_open(path, NULL);
        ASSERT_EQ(fixture_count(s), version == 1 ? 6 : 5);
        store_free(s);
        ASSERT_OK(unlink(path));
}

TEST(version_1_is_taken_over)
{
        take_over(1);
}

TEST(version_2_is_taken_over)
{
        take_over(2);
}

TEST(version_3_is_taken_over)
{
        take_over(3);
}

TEST(wrong_secret_migrates_nothing)
{
        _cleanup_(freep)
        char *path = fixture_path("wrong.db");
        struct store_options options = fixture_options(path, NULL);
        uint8_t other[KEY_SIZE] = "another one", *before = NULL, *after = NULL;
        size_t before_size, after_size;
        struct store *s = NULL;

        make_old(1, path, NULL);
        ASSERT_OK(file_read(path, 64 << 20, &before, &before_size));
        options.secret = other;
        ASSERT_EQ(store_open(&options, &s), STORE_WRONG_SECRET);
        ASSERT_OK(file_read(path, 64 << 20, &after, &after_size));
        ASSERT_EQ(before_size, after_size);
        ASSERT_MEMEQ(before, after, after_size);
        free(before);
        free(after);
}

/* True when the fault happened. */
static bool migrate_with(int version, enum fault fault, uint64_t n, bool torn)
{
        const struct store_options options = fixture_options("old.db", "migrate");
        struct fault_vfs *vfs = NULL;
        struct store *s = NULL;
        bool happened;
        int r;

        ASSERT_OK(fault_vfs_new("migrate", n, &vfs));
        make_old(version, "old.db", "migrate");
        fault_vfs_set_torn(vfs, torn);
        fault_vfs_plan(vfs, fault, n);
        r = store_open(&options, &s);
        happened = fault_vfs_happened(vfs);
        if (!happened)
                ASSERT_OK(r);
        else if (r != 0)
                ASSERT_LT(r, 0);
        if (happened)
                fault_vfs_power_cut(vfs, torn);
        s = store_free(s);
        fault_vfs_plan(vfs, FAULT_NONE, 0);
        ASSERT_OK(store_open(&options, &s));
        check_whole(s, version);
        use(s, version);
        store_free(s);
        fault_vfs_free(vfs);
        return happened;
}

static void migrate_with_all(enum fault fault, bool torn)
{
        for (int version = 1; version <= VERSIONS; version++) {
                uint64_t n = 0;

                while (migrate_with(version, fault, ++n, torn))
                        ;
                printf("# %d places\n", (int)n - 1);
                ASSERT_GT(n, 2);
        }
}

TEST(whatever_fails_it_is_whole)
{
        migrate_with_all(FAULT_POWER, false);
        migrate_with_all(FAULT_POWER, true);
        migrate_with_all(FAULT_WRITE, false);
        migrate_with_all(FAULT_SYNC, false);
        migrate_with_all(FAULT_FULL, false);
}

/* Damaged before it could be migrated, with and without its newest pages in the log. */
static void salvage_version(int version, bool in_log)
{
        _cleanup_(freep)
        char *path = fixture_path("damaged.db"), *wal = fixture_path("damaged.db-wal"),
             *live = fixture_path("live.db"), *live_wal = fixture_path("live.db-wal"),
             *aside = NULL;
        const struct store_options options = fixture_options(path, NULL);
        uint8_t *data = NULL, *log = NULL;
        size_t size, log_size = 0;
        struct count queued = { .version = version };
        struct store *s = NULL;
        sqlite3 *db = NULL;
        uint64_t n_lost;

        make_old(version, live, NULL);
        ASSERT_OK(sqlite3_open(live, &db));
        ASSERT_OK(sqlite3_exec(db, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL));
        if (in_log) {
                /* All of it moves: before the log is read, nothing is there. */
                ASSERT_OK(sqlite3_exec(db,
                        "CREATE TEMP TABLE t AS SELECT * FROM queue; DELETE FROM queue;"
                        "PRAGMA wal_checkpoint (TRUNCATE); INSERT INTO queue SELECT * FROM t;",
                        NULL, NULL, NULL));
                ASSERT_OK(file_read(live_wal, 64 << 20, &log, &log_size));
                ASSERT_GT(log_size, 0);
        }
        ASSERT_OK(file_read(live, 64 << 20, &data, &size));
        (void)sqlite3_close(db);
        ASSERT_OK(unlink(live));
        memset(data, 0xff, 100);
        ASSERT_OK(file_write_atomic(path, data, size, 0600));
        if (in_log)
                ASSERT_OK(file_write_atomic(wal, log, log_size, 0600));
        free(data);
        free(log);

        ASSERT_EQ(store_open(&options, &s), STORE_DAMAGED);
        ASSERT_OK(store_salvage(&options, FIXTURE_TIME, &s, &aside, &n_lost));
        ASSERT_EQ(n_lost, 0);
        ASSERT_EQ(fixture_peers(s), 2);
        ASSERT_EQ(fixture_queued(s), 2);
        ASSERT_OK(store_load_queued(s, check_queued, &queued));
        check_streams(s, version);
        ASSERT_EQ(store_last_sequence(s), 4);
        store_free(s);
        ASSERT_OK(unlink(aside));
        ASSERT_OK(unlink(path));
}

TEST(older_versions_can_be_salvaged)
{
        for (int version = 1; version <= VERSIONS; version++) {
                salvage_version(version, false);
                salvage_version(version, true);
        }
}

TEST_MAIN_WITH(fixture_setup)
