/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The store and a damaged file: never a crash, never an untruth, and what can be read is kept */
#include <fcntl.h>
#include <sys/stat.h>

#include "lib/store-fixture.h"
#include "os/file.h"

#define N_PEERS 60
#define N_QUEUED 40
#define N_RECEIVED 300
#define LONG_SIZE 20000 /* of one queued message, over several pages */
#define PAGE 4096

static uint8_t *good;
static size_t good_size;
static char long_text[LONG_SIZE + 1];

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
        for (uint64_t i = 1; i <= N_PEERS; i++) {
                struct change c = fixture_peer(i, "Zeynep");

                c.peer.blocked = i % 3 == 0;
                fixture_apply(s, c);
        }
        for (uint64_t i = 0; i < N_RECEIVED; i++)
                fixture_apply(s, fixture_message(++n, 1 + i % N_PEERS, MESSAGE_RECEIVED,
                                         "a message of ordinary length, as people write them"));
        for (uint64_t i = 1; i < N_QUEUED; i++)
                fixture_apply(s, fixture_message(++n, 1 + i % N_PEERS, MESSAGE_QUEUED, "waiting"));
        memset(long_text, 'l', LONG_SIZE);
        fixture_apply(s, fixture_message(++n, 1, MESSAGE_QUEUED, long_text));
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
        size_t n_peers, n_blocked, n_queued;
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
        ASSERT_LE(q->size_sent, q->size);
        ((struct seen *)userdata)->n_queued++;
        return 0;
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
        struct store *s = NULL;
        char *username = NULL;
        int r;

        r = store_open(&options, &s);
        if (r == STORE_DAMAGED)
                return false;
        ASSERT_OK(r);
        *seen = (struct seen){};
        r = store_load_peers(s, see_peer, seen);
        if (r == 0)
                r = store_load_queued(s, see_queued, seen);
        if (r == 0) {
                r = store_load_username(s, &username);
                if (r == 0)
                        ASSERT_STREQ(username, "Ece");
                free(username);
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
                *seen = (struct seen){};
                ASSERT_OK(store_load_peers(s, see_peer, seen));
                ASSERT_OK(store_load_queued(s, see_queued, seen));
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
                *seen = (struct seen){};
                ASSERT_OK(store_load_peers(s, see_peer, seen));
                ASSERT_OK(store_load_queued(s, see_queued, seen));
                ASSERT_OK(store_apply(s, &more));
                ASSERT_OK(store_commit(s));
                ASSERT_OK(unlink(aside));
                store_free(s);
                salvaged = true;
        }
        return salvaged;
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
}

TEST(salvage_of_the_undamaged_keeps_all)
{
        _cleanup_(freep)
        char *path = fixture_path("undamaged.db"), *aside = NULL;
        const struct store_options options = fixture_options(path, NULL);
        struct ulid long_id = fixture_id(N_RECEIVED + N_QUEUED);
        struct store *s = NULL;
        struct seen seen = {};
        char *text = NULL;
        uint64_t n_lost;
        size_t size;

        make_good();
        write_file(path, good, good_size);
        ASSERT_OK(store_salvage(&options, FIXTURE_TIME, &s, &aside, &n_lost));
        ASSERT_EQ(n_lost, 0);
        ASSERT_OK(store_load_peers(s, see_peer, &seen));
        ASSERT_OK(store_load_queued(s, see_queued, &seen));
        ASSERT_EQ(seen.n_peers, N_PEERS);
        ASSERT_EQ(seen.n_blocked, N_PEERS / 3);
        ASSERT_EQ(seen.n_queued, N_QUEUED);
        ASSERT_EQ(store_last_sequence(s), N_RECEIVED + N_QUEUED);
        ASSERT_EQ(fixture_count(s), N_QUEUED); /* the history is in the file set aside */
        ASSERT_OK(store_load_text(s, &long_id, &(usec_t){ 0 }, &text, &size));
        ASSERT_STREQ(text, long_text);
        free(text);
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
        size_t n_salvaged = 0, worst_peers = N_PEERS, worst_queued = N_QUEUED, n_all = 0;

        make_good();
        for (size_t page = 0; page < good_size / PAGE; page++) {
                struct seen seen;

                memcpy(bad, good, good_size);
                random_bytes(fixture_random, bad + page * PAGE, PAGE);
                write_file(path, bad, good_size);
                n_salvaged += survive(path, &seen);
                worst_peers = MIN(worst_peers, seen.n_peers);
                worst_queued = MIN(worst_queued, seen.n_queued);
                n_all += seen.n_peers == N_PEERS && seen.n_queued == N_QUEUED;
        }
        printf("# %zu pages, %zu salvaged, %zu without loss, worst: %zu peers, %zu queued\n",
                good_size / PAGE, n_salvaged, n_all, worst_peers, worst_queued);
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
        newer[63] = 3; /* user_version */
        write_file(path, newer, good_size);
        ASSERT_EQ(store_open(&options, &s), STORE_NEWER);
}

static int setup(void)
{
        return fixture_setup();
}

TEST_MAIN_WITH(setup)
