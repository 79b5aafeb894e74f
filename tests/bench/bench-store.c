/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How fast the store is, against SQLite without any of it in the same run and on the same disk
 *
 *     bench-store DIRECTORY [MESSAGES]
 */
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#include "core/crypto/crypto.h"
#include "core/crypto/random.h"
#include "os/clock.h"
#include "store/store.h"

#define GROUP 64 /* messages of one turn */
#define TEXT_SIZE 256
#define ROW_SIZE 400 /* of a bare row: about what a sealed message has */
#define PEERS 100
#define PAGE_ROWS 50

static void must(int r, const char *what)
{
        if (r == 0)
                return;
        fprintf(stderr, "%s: %d%s%s\n", what, r, r < 0 ? " " : "", r < 0 ? strerror(-r) : "");
        exit(1);
}

static double seconds_since(usec_t start)
{
        return (double)(clock_now().mono_usec - start) / 1e6;
}

static void remove_database(const char *path)
{
        char name[4096];

        (void)snprintf(name, sizeof name, "%s-wal", path);
        (void)unlink(path);
        (void)unlink(name);
}

/* Rows a second of one table with nothing but a key and a blob, as durable as ours. */
static double bench_bare(const char *path, size_t n)
{
        static const uint8_t row[ROW_SIZE];
        sqlite3_stmt *q = NULL;
        sqlite3 *db = NULL;
        usec_t start;
        double seconds;

        remove_database(path);
        must(sqlite3_open(path, &db), "sqlite3_open");
        must(sqlite3_exec(db,
                     "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
                     "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000;"
                     "CREATE TABLE t (n INTEGER PRIMARY KEY, v BLOB)",
                     NULL, NULL, NULL),
                "create");
        must(sqlite3_prepare_v2(db, "INSERT INTO t (v) VALUES (?1)", -1, &q, NULL), "prepare");
        start = clock_now().mono_usec;
        for (size_t i = 0; i < n; i++) {
                if (i % GROUP == 0)
                        must(sqlite3_exec(db, "BEGIN", NULL, NULL, NULL), "begin");
                (void)sqlite3_bind_blob(q, 1, row, sizeof row, SQLITE_STATIC);
                must(sqlite3_step(q) == SQLITE_DONE ? 0 : -EIO, "step");
                (void)sqlite3_reset(q);
                if (i % GROUP == GROUP - 1 || i == n - 1)
                        must(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), "commit");
        }
        seconds = seconds_since(start);
        (void)sqlite3_finalize(q);
        (void)sqlite3_close(db);
        remove_database(path);
        return (double)n / seconds;
}

static struct message_record make_message(uint64_t n, enum message_state state, const char *text)
{
        uint8_t random[10] = {};

        for (size_t i = 0; i < 8; i++)
                random[i] = (uint8_t)(n >> 8 * (7 - i));
        return (struct message_record){
                .id = ulid_make(clock_now().real_usec, random),
                .peer = 1 + n % PEERS,
                .direction = state == MESSAGE_RECEIVED ? DIRECTION_RECEIVED : DIRECTION_SENT,
                .security = SECURITY_LEGACY,
                .state = state,
                .time_usec = clock_now().real_usec,
                .name = "Zeynep",
                .endpoint = endpoint_ipv4(192, 168, 1, 7, 6001),
                .text = text,
                .size = TEXT_SIZE,
        };
}

static double bench_store(struct store *s, size_t n, uint64_t first, enum message_state state)
{
        char text[TEXT_SIZE];
        usec_t start = clock_now().mono_usec;
        struct store_event e;

        memset(text, 'x', sizeof text);
        for (size_t i = 0; i < n; i++) {
                const struct change c = { .type = CHANGE_MESSAGE,
                        .message = make_message(first + i, state, text) };

                must(store_apply(s, &c), "store_apply");
                if (state == MESSAGE_QUEUED) {
                        const struct change end = { .type = CHANGE_STATE,
                                .state = { .id = c.message.id,
                                        .state = MESSAGE_DELIVERED,
                                        .security = SECURITY_LEGACY,
                                        .reason = "" } };

                        must(store_apply(s, &end), "store_apply");
                }
                if (i % GROUP == GROUP - 1 || i == n - 1) {
                        must(store_commit(s), "store_commit");
                        while (store_next_event(s, &e))
                                ;
                }
        }
        return (double)n / seconds_since(start);
}

static int on_message(const struct message_record *m, void *userdata)
{
        ++*(size_t *)userdata;
        return 0;
}

/* The slowest of some pages of @n_peers conversations around @before. */
static double bench_page(struct store *s, uint64_t before, size_t n_peers)
{
        const uint64_t peers[] = { 3, 7, 11 };
        double worst = 0;

        for (int i = 0; i < 20; i++) {
                const struct store_query query = {
                        .peers = peers,
                        .n_peers = n_peers,
                        .before = before,
                        .rows_max = PAGE_ROWS,
                        .bytes_max = 1024 * 1024,
                };
                usec_t start = clock_now().mono_usec;
                size_t n = 0;

                if (store_read(s, &query, on_message, &n, NULL) < 0 || n == 0)
                        must(-EIO, "store_read");
                worst = MAX(worst, seconds_since(start) * 1000);
        }
        return worst;
}

static int on_peer(const struct peer_record *p, void *userdata)
{
        return 0;
}

static int on_queued(const struct queued_record *q, void *userdata)
{
        return 0;
}

static double bench_open(const struct store_options *options, struct store **ret)
{
        usec_t start = clock_now().mono_usec;

        must(store_open(options, ret), "store_open");
        must(store_load_peers(*ret, on_peer, NULL), "store_load_peers");
        must(store_load_queued(*ret, on_queued, NULL), "store_load_queued");
        return seconds_since(start) * 1000;
}

int main(int argc, char **argv)
{
        static const uint8_t secret[KEY_SIZE] = "bench";
        size_t n = argc > 2 ? strtoul(argv[2], NULL, 10) : 100000;
        char path[4096], bare_path[4096];
        struct store_options options = {
                .path = path, .secret = secret, .age_max_usec = USEC_INFINITY
        };
        struct random *random = NULL;
        struct store *s = NULL;
        double bare, ours, both;
        bool locked;

        if (argc < 2 || n < 1000) {
                fprintf(stderr, "usage: bench-store DIRECTORY [MESSAGES]\n");
                return 2;
        }
        must(crypto_init(&locked), "crypto_init");
        must(random_new(&random), "random_new");
        options.random = random;
        (void)snprintf(path, sizeof path, "%s/bench-%d.db", argv[1], (int)getpid());
        (void)snprintf(bare_path, sizeof bare_path, "%s/bench-bare-%d.db", argv[1], (int)getpid());

        bare = bench_bare(bare_path, n);
        must(store_open(&options, &s), "store_open");
        ours = bench_store(s, n, 0, MESSAGE_RECEIVED);
        both = bench_store(s, n / 10, n, MESSAGE_QUEUED);
        s = store_free(s);
        printf("bare rows                      %9.0f /s, groups of %d\n", bare, GROUP);
        printf("messages received              %9.0f /s, %.2f of the bare rows\n", ours,
                ours / bare);
        printf("messages queued and delivered  %9.0f /s, %.2f\n", both, both / bare);
        printf("open with %zu messages     %6.2f ms\n", n, bench_open(&options, &s));
        printf("page of %d, one conversation: newest %.2f ms, middle %.2f ms, oldest %.2f ms\n",
                PAGE_ROWS, bench_page(s, 0, 1), bench_page(s, n / 2, 1), bench_page(s, 300, 1));
        printf("page of %d, three:            newest %.2f ms, middle %.2f ms\n", PAGE_ROWS,
                bench_page(s, 0, 3), bench_page(s, n / 2, 3));
        printf("page of %d, all:              newest %.2f ms, middle %.2f ms\n", PAGE_ROWS,
                bench_page(s, 0, 0), bench_page(s, n / 2, 0));
        store_free(s);
        remove_database(path);
        random_free(random);
        return 0;
}
