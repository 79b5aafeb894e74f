/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The store and a damaged file: never a crash, never an untruth, and what can be read is kept */
#include <fcntl.h>
#include <sys/stat.h>

#include "core/delivery/stream.h"
#include "lib/store-fixture.h"
#include "os/file.h"

#define N_PEERS 60
#define N_QUEUED 40
#define N_RECEIVED 300
#define LONG_SIZE 20000 /* of one queued message, over several pages */
#define PAGE 4096
#define N_MARKS 4    /* of each peer */
#define N_REFUSED 10 /* of each peer */
#define STREAM UINT64_C(0xf000000000000000)
#define OLDEST 100 /* of the streams: what waits has numbers from there */
#define GIVEN 200
#define N_BLOCKS 20
#define BLOCK_SIZE 2000
#define N_TRANSFERS 30

static uint8_t *good;
static size_t good_size;
static char long_text[LONG_SIZE + 1];

/* What is known of streams, and numbers of what waits. */
static void fill_streams(struct store *s)
{
        for (uint64_t i = 1; i <= N_PEERS; i++) {
                fixture_apply(s, fixture_stream(i, STREAM + i, GIVEN + i, OLDEST));
                for (uint64_t k = 1; k <= N_MARKS; k++)
                        fixture_apply(s, fixture_mark(i, STREAM + k * i, k));
                for (uint64_t k = 1; k <= N_REFUSED; k++)
                        fixture_apply(s, fixture_refused(i, STREAM + i, k, (enum refused)(k % 3)));
        }
        for (uint64_t i = 1; i < N_QUEUED; i++)
                fixture_apply(s, fixture_numbered(N_RECEIVED + i, OLDEST + i));
}

static void fill_chain(struct store *s)
{
        uint8_t data[BLOCK_SIZE];
        struct change c = { .type = CHANGE_BLOCK,
                .block = { .network = "a network", .data = data, .size = sizeof data } };

        for (uint32_t i = 0; i < N_BLOCKS; i++) {
                memset(data, (int)i, sizeof data);
                c.block.height = i;
                fixture_apply(s, c);
        }
        fixture_apply(s, (struct change){ .type = CHANGE_LEDGER, .ledger.n_waiting = 1 });
}

/* The bytes of a database with some of everything. */
static void make_good(void)
{
        _cleanup_(freep)
        char *path = fixture_path("good.db");
        struct store *s;
        uint64_t n = 0;

        if (good)
                return;
        s = fixture_open(path, NULL);
        fixture_apply(s, (struct change){ .type = CHANGE_USERNAME, .text = "Ece" });
        fixture_apply(s, (struct change){ .type = CHANGE_RING, .ring = { .is_joined = true } });
        for (uint64_t i = 1; i <= N_PEERS; i++) {
                struct change c = fixture_peer(i, "Zeynep");

                c.peer.blocked = i % 3 == 0;
                fixture_apply(s, c);
        }
        for (uint64_t i = 0; i < N_RECEIVED; i++) {
                struct change c = fixture_message(++n, 1 + i % N_PEERS, MESSAGE_RECEIVED,
                        "a message of ordinary length, as people write them");

                c.message.stream_number = n;
                c.message.origin = c.message.id;
                fixture_apply(s, c);
        }
        for (uint64_t i = 1; i < N_QUEUED; i++)
                fixture_apply(s, fixture_message(++n, 1 + i % N_PEERS, MESSAGE_QUEUED, "waiting"));
        memset(long_text, 'l', LONG_SIZE);
        fixture_apply(s, fixture_message(++n, 1, MESSAGE_QUEUED, long_text));
        fill_streams(s);
        fill_chain(s);
        for (uint8_t i = 1; i <= N_TRANSFERS; i++)
                fixture_apply(s, fixture_transfer(i));
        ASSERT_OK(store_commit(s));
        store_free(s);
        ASSERT_OK(file_read(path, 64 << 20, &good, &good_size));
        ASSERT_EQ(good_size % PAGE, 0);
        ASSERT_OK(unlink(path));
}

static void write_file(const char *path, const uint8_t *data, size_t size)
{
        ASSERT_OK(file_write_atomic(path, data, size, 0600));
}

struct seen {
        size_t n_peers, n_blocked, n_queued, n_numbered, n_streams, n_marks, n_refused, n_blocks;
        size_t n_transfers;
};

static int see_peer(const struct peer_record *p, void *userdata)
{
        struct seen *seen = userdata;

        ASSERT_STREQ(p->name, "Zeynep");
        ASSERT_GE(p->number, 1);
        ASSERT_LE(p->number, N_PEERS);
        ASSERT_EQ(p->blocked, p->number % 3 == 0);
        seen->n_peers++;
        seen->n_blocked += p->blocked;
        return 0;
}

static int see_queued(const struct queued_record *q, void *userdata)
{
        struct seen *seen = userdata;

        ASSERT_LE(q->size_sent, q->size);
        seen->n_queued++;
        seen->n_numbered += q->stream_number > 0;
        return 0;
}

/* A number is the right one, or the row is gone. */
static int see_stream(const struct stream_record *r, void *userdata)
{
        ASSERT_EQ(r->stream, STREAM + r->peer);
        ASSERT_EQ(r->given, GIVEN + r->peer);
        ASSERT_EQ(r->oldest, OLDEST);
        ((struct seen *)userdata)->n_streams++;
        return 0;
}

static int see_mark(const struct mark_record *r, void *userdata)
{
        ASSERT_EQ(r->stream, STREAM + r->number * r->peer);
        ASSERT_LE(r->number, N_MARKS);
        ((struct seen *)userdata)->n_marks++;
        return 0;
}

static int see_refused(const struct refused_record *r, void *userdata)
{
        ASSERT_EQ(r->stream, STREAM + r->peer);
        ASSERT_LE(r->number, N_REFUSED);
        ASSERT_EQ(r->reason, r->number % 3);
        ((struct seen *)userdata)->n_refused++;
        return 0;
}

static int see_block(const struct block_record *b, void *userdata)
{
        if (b->size == 0)
                return 0; /* its height may be what was flipped */
        ASSERT_LT(b->height, N_BLOCKS);
        ASSERT_EQ(b->size, BLOCK_SIZE);
        ASSERT_EQ(b->data[0], b->height);
        ASSERT_EQ(b->data[BLOCK_SIZE - 1], b->height);
        ((struct seen *)userdata)->n_blocks++;
        return 0;
}

static int see_transfer(const struct file_record *file, void *userdata)
{
        const struct transfer_record *t = &file->transfer;
        uint8_t n = t->id.bytes[0];
        const struct change c = fixture_transfer(n);

        ASSERT_GE(n, 1);
        ASSERT_LE(n, N_TRANSFERS);
        ASSERT_MEMEQ(t->hash, c.transfer.transfer.hash, HASH_SIZE);
        ASSERT_EQ(t->done, n);
        ASSERT_STREQ(t->name, "a file");
        ((struct seen *)userdata)->n_transfers++;
        return 0;
}

static int see_chain(struct store *s, struct seen *seen)
{
        static const uint8_t network[HASH_SIZE] = "a network";
        struct ledger_record ledger;
        struct seen genesis = {};
        int r;

        r = store_load_genesis(s, see_block, &genesis);
        if (r == 0)
                r = store_load_blocks(s, network, 0, SIZE_MAX, see_block, seen);
        if (r == 0)
                r = store_load_ledger(s, &ledger);
        if (r == 0)
                ASSERT_EQ(ledger.n_waiting, 1);
        return r == -ENOENT ? 0 : r;
}

/* All that a node wants at its start. */
static int see_all(struct store *s, struct seen *ret)
{
        int r;

        *ret = (struct seen){};
        r = store_load_peers(s, see_peer, ret);
        if (r == 0)
                r = store_load_streams(s, see_stream, ret);
        if (r == 0)
                r = store_load_marks(s, see_mark, ret);
        if (r == 0)
                r = store_load_refused(s, see_refused, ret);
        if (r == 0)
                r = store_load_queued(s, see_queued, ret);
        if (r == 0)
                r = store_load_transfers(s, see_transfer, ret);
        if (r == 0)
                r = see_chain(s, ret);
        return r;
}

static int see_number(const struct queued_record *q, void *userdata)
{
        char number[8];

        (void)snprintf(number, sizeof number, "%d", (int)q->peer);
        ASSERT_STREQ(q->number, number);
        return 0;
}

static int see_message(const struct message_record *m, void *userdata)
{
        ASSERT_STREQ(m->name, "Zeynep");
        ASSERT_GE(m->size, 7);
        return 0;
}

/* As the daemon does it: open, load, and salvage when either says that it is damaged. */
static bool open_and_load(const char *path, struct store **ret, struct seen *seen)
{
        const struct store_options options = fixture_options(path, NULL);
        struct ring_record ring;
        struct store *s = NULL;
        char *username = NULL;
        int r;

        r = store_open(&options, &s);
        if (r == STORE_DAMAGED)
                return false;
        ASSERT_OK(r);
        r = see_all(s, seen);
        if (r == 0) {
                r = store_load_username(s, &username);
                if (r == 0)
                        ASSERT_STREQ(username, "Ece");
                free(username);
        }
        if (r == 0) {
                r = store_load_ring(s, &ring);
                if (r == 0)
                        ASSERT_TRUE(ring.is_joined);
        }
        if (r == -EUCLEAN) {
                store_free(s);
                ASSERT_EQ(store_open(&options, &s), STORE_DAMAGED); /* it is not forgotten */
                return false;
        }
        if (r == -ENOENT) {
                store_free(s);
                return false;
        }
        ASSERT_OK(r);
        *ret = s;
        return true;
}

/* The whole life of a damaged file. *seen: what is known afterwards. */
static bool survive(const char *path, struct seen *seen)
{
        const struct store_options options = fixture_options(path, NULL);
        const struct store_query all = { .rows_max = SIZE_MAX, .bytes_max = SIZE_MAX };
        _cleanup_(freep)
        char *aside = NULL;
        struct change more = fixture_message(999999, 1, MESSAGE_RECEIVED, "one more message");
        struct store *s = NULL;
        uint64_t n_lost = 0;
        bool salvaged = false;
        int r;

        if (!open_and_load(path, &s, seen)) {
                salvaged = true;
                ASSERT_OK(store_salvage(&options, FIXTURE_TIME, &s, &aside, &n_lost));
                ASSERT_EQ(file_exists(aside), 1);
                ASSERT_OK(see_all(s, seen));
                ASSERT_OK(unlink(aside));
        }
        r = store_read(s, &all, see_message, NULL, NULL);
        ASSERT_TRUE(r == 0 || r == -EUCLEAN);
        r = store_apply(s, &more);
        if (r == 0)
                r = store_commit(s);
        store_free(s);
        if (r < 0) {
                /* Damage met while running is remembered, and the next start salvages. */
                ASSERT_EQ(r, -EUCLEAN);
                ASSERT_FALSE(salvaged);
                ASSERT_EQ(store_open(&options, &s), STORE_DAMAGED);
                ASSERT_OK(store_salvage(&options, FIXTURE_TIME, &s, &aside, &n_lost));
                ASSERT_OK(see_all(s, seen));
                ASSERT_OK(store_apply(s, &more));
                ASSERT_OK(store_commit(s));
                ASSERT_OK(unlink(aside));
                store_free(s);
                salvaged = true;
        }
        return salvaged;
}

/* The history is not in @s any more, but it is known what was there. */
static void check_origins_known(struct store *s)
{
        struct change c = fixture_native(500000, 1, 9999, 1);
        struct store_event e;

        for (uint64_t i = 1; i <= N_RECEIVED; i++) {
                c.message.peer = 1 + (i - 1) % N_PEERS;
                c.message.origin = fixture_id(i);
                fixture_apply(s, c);
        }
        ASSERT_OK(store_commit(s));
        for (uint64_t i = 1; i <= N_RECEIVED; i++) {
                ASSERT_TRUE(store_next_event(s, &e));
                ASSERT_EQ(e.type, STORE_EVENT_KNOWN);
        }
        ASSERT_FALSE(store_next_event(s, &e));
}

static int see_next_mark(const struct mark_record *r, void *userdata)
{
        uint64_t *last = userdata;

        ASSERT_EQ(r->number, *last == 0 ? 6 : *last + 1);
        *last = r->number;
        return 0;
}

TEST(undamaged_is_left_alone)
{
        _cleanup_(freep)
        char *path = fixture_path("undamaged.db");
        struct seen seen;

        make_good();
        write_file(path, good, good_size);
        ASSERT_FALSE(survive(path, &seen));
        ASSERT_EQ(seen.n_peers, N_PEERS);
        ASSERT_EQ(seen.n_queued, N_QUEUED);
        ASSERT_EQ(seen.n_numbered, N_QUEUED - 1);
}

TEST(salvage_of_the_undamaged_keeps_all)
{
        _cleanup_(freep)
        char *path = fixture_path("undamaged.db"), *aside = NULL;
        const struct store_options options = fixture_options(path, NULL);
        struct ulid long_id = fixture_id(N_RECEIVED + N_QUEUED);
        struct store *s = NULL;
        struct ring_record ring = {};
        struct seen seen = {};
        char *text = NULL;
        uint64_t n_lost;
        size_t size;

        make_good();
        write_file(path, good, good_size);
        ASSERT_OK(store_salvage(&options, FIXTURE_TIME, &s, &aside, &n_lost));
        ASSERT_EQ(n_lost, 0);
        ASSERT_OK(see_all(s, &seen));
        ASSERT_EQ(seen.n_peers, N_PEERS);
        ASSERT_EQ(seen.n_blocked, N_PEERS / 3);
        ASSERT_EQ(seen.n_queued, N_QUEUED);
        ASSERT_EQ(seen.n_numbered, N_QUEUED - 1);
        ASSERT_EQ(seen.n_streams, N_PEERS);
        ASSERT_EQ(seen.n_marks, N_PEERS * N_MARKS);
        ASSERT_EQ(seen.n_refused, N_PEERS * N_REFUSED);
        ASSERT_EQ(seen.n_blocks, N_BLOCKS);
        ASSERT_EQ(seen.n_transfers, N_TRANSFERS);
        ASSERT_EQ(store_last_sequence(s), N_RECEIVED + N_QUEUED);
        ASSERT_EQ(fixture_count(s), N_QUEUED); /* the history is in the file set aside */
        ASSERT_OK(store_load_text(s, &long_id, &(usec_t){ 0 }, &text, &size));
        ASSERT_STREQ(text, long_text);
        free(text);
        ASSERT_OK(store_load_ring(s, &ring));
        ASSERT_TRUE(ring.is_joined);
        check_origins_known(s);
        store_free(s);
        ASSERT_OK(unlink(aside));
}

/* What belonged to something that was lost would be taken for somebody else's, or does harm. */
TEST(salvage_drops_what_hangs_in_the_air)
{
        _cleanup_(freep)
        char *path = fixture_path("air.db"), *aside = NULL;
        const struct store_options options = fixture_options(path, NULL);
        struct store *s = NULL;
        struct seen seen;
        uint64_t n_lost;

        make_good();
        write_file(path, good, good_size);
        fixture_sql(path,
                "UPDATE peer SET record = NULL WHERE number = 2;" /* the conversation stays */
                "DELETE FROM stream WHERE peer = 3;"
                "DELETE FROM stream_mark WHERE peer = 4;"
                /* too high, too low, no number at all, and twice the same one */
                "UPDATE queue SET stream_number = 206 WHERE stream_number = 104;"
                "UPDATE queue SET stream_number = 99 WHERE stream_number = 105;"
                "UPDATE queue SET stream_number = -1 WHERE stream_number = 106;"
                "INSERT INTO queue (sequence, size, size_sent, stream_number)"
                " VALUES (8, 50, 0, 107);"
                "UPDATE message SET state = 0, direction = 0, done = NULL WHERE sequence = 8;");
        ASSERT_OK(store_salvage(&options, FIXTURE_TIME, &s, &aside, &n_lost));
        ASSERT_OK(see_all(s, &seen));
        ASSERT_EQ(seen.n_peers, N_PEERS - 1);
        ASSERT_EQ(seen.n_streams, N_PEERS - 2);
        ASSERT_EQ(seen.n_marks, (N_PEERS - 2) * N_MARKS);
        ASSERT_EQ(seen.n_refused, (N_PEERS - 2) * N_REFUSED);
        ASSERT_EQ(seen.n_queued, N_QUEUED + 1);
        ASSERT_EQ(seen.n_numbered, N_QUEUED - 1 - 2 - 3);
        store_free(s);
        ASSERT_OK(unlink(aside));
}

/* More than a node remembers of one peer: only pages that were left behind can bring that about. */
TEST(salvage_keeps_no_more_marks_than_there_can_be)
{
        _cleanup_(freep)
        char *path = fixture_path("marks.db"), *aside = NULL;
        const struct store_options options = fixture_options(path, NULL);
        struct store *s = fixture_open(path, NULL);
        uint64_t n_lost, last = 0;

        fixture_apply(s, fixture_peer(1, "Zeynep"));
        for (uint64_t i = 1; i <= STREAM_MARKS_MAX + 5; i++)
                fixture_apply(s, fixture_mark(1, i, i));
        ASSERT_OK(store_commit(s));
        store_free(s);
        ASSERT_OK(store_salvage(&options, FIXTURE_TIME, &s, &aside, &n_lost));
        ASSERT_OK(store_load_marks(s, see_next_mark, &last));
        ASSERT_EQ(last, STREAM_MARKS_MAX + 5);
        store_free(s);
        ASSERT_OK(unlink(aside));
}

/* What waits in a classic conversation has numbers in the stream to its successor. */
TEST(salvage_knows_successors)
{
        _cleanup_(freep)
        char *path = fixture_path("heir.db"), *aside = NULL;
        const struct store_options options = fixture_options(path, NULL);
        struct store *s = fixture_open(path, NULL);
        struct change classic = fixture_peer(1, "Zeynep");
        struct seen seen = {};
        uint64_t n_lost;

        classic.peer.successor = 2;
        fixture_apply(s, classic);
        fixture_apply(s, fixture_peer(2, "Zeynep"));
        fixture_apply(s, fixture_peer(3, "Zeynep"));
        fixture_apply(s, fixture_stream(2, STREAM, 3, 1));
        for (uint64_t i = 1; i <= 3; i++) {
                fixture_apply(s, fixture_message(i, i, MESSAGE_QUEUED, "waiting"));
                fixture_apply(s, fixture_numbered(i, i));
        }
        ASSERT_OK(store_commit(s));
        store_free(s);
        ASSERT_OK(store_salvage(&options, FIXTURE_TIME, &s, &aside, &n_lost));
        ASSERT_OK(store_load_queued(s, see_queued, &seen));
        ASSERT_EQ(seen.n_queued, 3);
        ASSERT_EQ(seen.n_numbered, 2);
        store_free(s);
        ASSERT_OK(unlink(aside));
}

/* Every page in turn is nothing but noise: at most what was on it is lost. */
TEST(each_page_in_turn)
{
        _cleanup_(freep)
        char *path = fixture_path("page.db");
        _cleanup_(freep)
        uint8_t *bad = malloc(1 << 24);
        size_t n_salvaged = 0, worst_peers = N_PEERS, worst_queued = N_QUEUED,
               worst_streams = N_PEERS, n_all = 0;

        make_good();
        for (size_t page = 0; page < good_size / PAGE; page++) {
                struct seen seen;

                memcpy(bad, good, good_size);
                random_bytes(fixture_random, bad + page * PAGE, PAGE);
                write_file(path, bad, good_size);
                n_salvaged += survive(path, &seen);
                worst_peers = MIN(worst_peers, seen.n_peers);
                worst_queued = MIN(worst_queued, seen.n_queued);
                worst_streams = MIN(worst_streams, seen.n_streams);
                ASSERT_LE(seen.n_numbered, seen.n_queued);
                n_all += seen.n_peers == N_PEERS && seen.n_queued == N_QUEUED &&
                         seen.n_streams == N_PEERS;
        }
        printf("# %zu pages, %zu salvaged, %zu without loss, worst: %zu peers, %zu queued,"
               " %zu streams\n",
                good_size / PAGE, n_salvaged, n_all, worst_peers, worst_queued, worst_streams);
        ASSERT_GT(n_salvaged, 0);
        /* A page costs what is on it: of three or four of peers one, and never what others hold. */
        ASSERT_GE(worst_peers, N_PEERS / 2);
        ASSERT_GE(worst_queued, 1);
        ASSERT_GT(n_all, good_size / PAGE / 4);
}

/* The first page alone holds the schema: nothing at all may be lost with it. */
TEST(first_page_can_be_replaced)
{
        _cleanup_(freep)
        char *path = fixture_path("first.db");
        _cleanup_(freep)
        uint8_t *bad = malloc(1 << 24);
        struct seen seen;

        make_good();
        memcpy(bad, good, good_size);
        memset(bad, 0, PAGE);
        write_file(path, bad, good_size);
        ASSERT_TRUE(survive(path, &seen));
        ASSERT_EQ(seen.n_peers, N_PEERS);
        ASSERT_EQ(seen.n_queued, N_QUEUED);
}

/* Killed while most of it was still in the write-ahead log, and then the first page was lost. */
TEST(log_is_read_too)
{
        _cleanup_(freep)
        char *live = fixture_path("live.db"), *live_wal = fixture_path("live.db-wal"),
             *path = fixture_path("killed.db"), *wal = fixture_path("killed.db-wal"), *aside = NULL;
        const struct store_options options = fixture_options(path, NULL);
        struct store *s = fixture_open(live, NULL);
        uint8_t *data = NULL, *log = NULL;
        size_t size, log_size;
        uint64_t n_lost;

        for (uint64_t i = 1; i <= 10; i++) {
                struct change c = fixture_message(i, i, MESSAGE_QUEUED, "in the log");

                (void)snprintf(c.message.number, sizeof c.message.number, "%d", (int)i);
                fixture_apply(s, fixture_peer(i, "Zeynep"));
                fixture_apply(s, c);
                ASSERT_OK(store_commit(s));
        }
        ASSERT_OK(file_read(live, 64 << 20, &data, &size));
        ASSERT_OK(file_read(live_wal, 64 << 20, &log, &log_size));
        store_free(s);
        memset(data, 0xff, MIN(size, (size_t)100));
        write_file(path, data, size);
        write_file(wal, log, log_size);
        free(data);
        free(log);

        ASSERT_OK(store_salvage(&options, FIXTURE_TIME, &s, &aside, &n_lost));
        ASSERT_EQ(fixture_peers(s), 10);
        ASSERT_EQ(fixture_queued(s), 10);
        ASSERT_EQ(n_lost, 0);
        ASSERT_OK(store_load_queued(s, see_number, NULL));
        store_free(s);
}

TEST(bytes_flipped_all_over)
{
        _cleanup_(freep)
        char *path = fixture_path("flip.db");
        _cleanup_(freep)
        uint8_t *bad = malloc(1 << 24);
        size_t n_salvaged = 0;

        make_good();
        for (int round = 0; round < 150; round++) {
                struct seen seen;

                memcpy(bad, good, good_size);
                /* The word for "written by a newer version" is believed: leave it alone. */
                for (int i = 0; i < 1 + round % 40; i++)
                        bad[64 + random_below(fixture_random, good_size - 64)] ^=
                                (uint8_t)(1 + random_below(fixture_random, 255));
                write_file(path, bad, good_size);
                n_salvaged += survive(path, &seen);
        }
        printf("# %zu of 150 salvaged\n", n_salvaged);
}

TEST(cut_short)
{
        _cleanup_(freep)
        char *path = fixture_path("short.db");

        make_good();
        for (size_t size = PAGE; size < good_size; size += PAGE + 1000) {
                struct seen seen;

                write_file(path, good, size);
                (void)survive(path, &seen);
        }
}

TEST(not_a_database)
{
        _cleanup_(freep)
        char *path = fixture_path("text.db");
        const struct store_options options = fixture_options(path, NULL);
        struct store *s;
        struct seen seen;

        write_file(path, (const uint8_t *)"this is a letter to somebody\n", 29);
        ASSERT_EQ(store_open(&options, &s), STORE_DAMAGED);
        ASSERT_TRUE(survive(path, &seen));
        ASSERT_EQ(seen.n_peers, 0);
}

/* One text that does not open hides no others. */
TEST(unreadable_row_is_passed_over)
{
        _cleanup_(freep)
        char *path = fixture_path("row.db");
        struct store *s = fixture_open(path, NULL);
        uint8_t *data = NULL;
        size_t size, at = 0;
        char text[400];

        memset(text, 'z', sizeof text - 1);
        text[sizeof text - 1] = 0;
        for (uint64_t i = 1; i <= 3; i++)
                fixture_apply(s, fixture_message(i, 1, MESSAGE_RECEIVED, text));
        ASSERT_OK(store_commit(s));
        store_free(s);
        ASSERT_OK(file_read(path, 64 << 20, &data, &size));
        /* Cells grow from the end of a page: the second message lies before the first. */
        for (size_t i = 0; i + 16 < size; i++) {
                struct ulid id = fixture_id(2);

                if (memcmp(data + i, id.bytes, sizeof id.bytes) == 0)
                        at = at ? MIN(at, i) : i;
        }
        ASSERT_GT(at, 0);
        data[at + 100] ^= 1;
        write_file(path, data, size);
        free(data);
        s = fixture_open(path, NULL);
        ASSERT_EQ(fixture_count(s), 2);
        store_free(s);
}

TEST(newer_version_is_refused)
{
        _cleanup_(freep)
        char *path = fixture_path("newer.db");
        _cleanup_(freep)
        uint8_t *newer = malloc(1 << 24);
        const struct store_options options = fixture_options(path, NULL);
        struct store *s;

        make_good();
        memcpy(newer, good, good_size);
        newer[63] = 200; /* user_version */
        write_file(path, newer, good_size);
        ASSERT_EQ(store_open(&options, &s), STORE_NEWER);
}

static int setup(void)
{
        return fixture_setup();
}

TEST_MAIN_WITH(setup)
