/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How fast the store is, against SQLite without any of it in the same run and on the same disk
 *
 *     bench-store DIRECTORY [MESSAGES]
 */
#include <sqlite3.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "core/crypto/crypto.h"
#include "core/crypto/random.h"
#include "os/clock.h"
#include "store/store.h"

#define TEXT_SIZE 256
#define ROW_SIZE 400 /* of a bare row: about what a sealed message has */
#define PEERS 100
#define PAGE_ROWS 50
#define NATIVE_PEER (PEERS + 1)
#define STREAM UINT64_C(0xfedcba9876543210)

/* Messages of one turn: what a busy daemon takes at once, and a whole window. */
static const size_t groups[] = { 64, 256 };

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

/* What a number of messages took: of the clock, which the disk and others share, and of our CPU. */
struct watch {
        usec_t start;
        clock_t cpu_start;
};

static struct watch watch_start(void)
{
        return (struct watch){ clock_now().mono_usec, clock() };
}

/* @bare: a rate to compare with, or 0. Returns the rate. */
static double watch_print(const struct watch *w, const char *what, size_t n, double bare)
{
        double cpu = (double)(clock() - w->cpu_start) / CLOCKS_PER_SEC;
        double rate = (double)n / seconds_since(w->start);

        printf("  %-30s %8.0f /s %6.1f us of CPU", what, rate, cpu * 1e6 / (double)n);
        if (bare > 0)
                printf(", %.2f of the bare rows", rate / bare);
        printf("\n");
        return rate;
}

static void remove_database(const char *path)
{
        char name[8192];

        (void)snprintf(name, sizeof name, "%s-wal", path);
        (void)unlink(path);
        (void)unlink(name);
}

/* Rows a second of one table with nothing but a key and a blob, as durable as ours. */
static double bench_bare(const char *path, size_t n, size_t group)
{
        static const uint8_t row[ROW_SIZE];
        sqlite3_stmt *q = NULL;
        sqlite3 *db = NULL;
        struct watch watch;
        double rate;

        remove_database(path);
        must(sqlite3_open(path, &db), "sqlite3_open");
        must(sqlite3_exec(db,
                     "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
                     "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000;"
                     "CREATE TABLE t (n INTEGER PRIMARY KEY, v BLOB)",
                     NULL, NULL, NULL),
                "create");
        must(sqlite3_prepare_v2(db, "INSERT INTO t (v) VALUES (?1)", -1, &q, NULL), "prepare");
        watch = watch_start();
        for (size_t i = 0; i < n; i++) {
                if (i % group == 0)
                        must(sqlite3_exec(db, "BEGIN", NULL, NULL, NULL), "begin");
                (void)sqlite3_bind_blob(q, 1, row, sizeof row, SQLITE_STATIC);
                must(sqlite3_step(q) == SQLITE_DONE ? 0 : -EIO, "step");
                (void)sqlite3_reset(q);
                if (i % group == group - 1 || i == n - 1)
                        must(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), "commit");
        }
        rate = watch_print(&watch, "bare rows", n, 0);
        (void)sqlite3_finalize(q);
        (void)sqlite3_close(db);
        remove_database(path);
        return rate;
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

static void apply(struct store *s, struct change c)
{
        must(store_apply(s, &c), "store_apply");
}

static void commit(struct store *s)
{
        struct store_event e;

        must(store_commit(s), "store_commit");
        while (store_next_event(s, &e))
                ;
}

static void bench_store(
        struct store *s, size_t n, uint64_t first, size_t group, enum message_state state)
{
        char text[TEXT_SIZE];

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
                if (i % group == group - 1 || i == n - 1)
                        commit(s);
        }
}

/* From one busy native peer: the messages of a turn and one mark. */
static void bench_native_received(struct store *s, size_t n, uint64_t first, size_t group)
{
        char text[TEXT_SIZE];

        memset(text, 'x', sizeof text);
        for (size_t i = 0; i < n; i++) {
                struct change c = { .type = CHANGE_MESSAGE,
                        .message = make_message(first + i, MESSAGE_RECEIVED, text) };

                c.message.peer = NATIVE_PEER;
                c.message.security = SECURITY_ENCRYPTED;
                c.message.stream_number = first + i + 1;
                c.message.origin = c.message.id;
                c.message.origin.bytes[15] ^= 0xff;
                apply(s, c);
                if (i % group == group - 1 || i == n - 1) {
                        apply(s, (struct change){ .type = CHANGE_MARK,
                                         .mark = { NATIVE_PEER, STREAM, first + i + 1 } });
                        commit(s);
                }
        }
}

/* The first and the last turn of messages to a native peer: with their numbers; delivered. */
static void send_group(struct store *s, const struct change *messages, size_t n, uint64_t first)
{
        for (size_t i = 0; i < n; i++) {
                apply(s, messages[i]);
                apply(s, (struct change){ .type = CHANGE_NUMBER,
                                 .numbered = { messages[i].message.id, first + i + 1 } });
        }
        apply(s, (struct change){ .type = CHANGE_STREAM,
                         .stream = { NATIVE_PEER, STREAM, first + n, first + 1 } });
        commit(s);
}

static void acknowledge_group(struct store *s, const struct change *messages, size_t n)
{
        for (size_t i = 0; i < n; i++)
                apply(s, (struct change){ .type = CHANGE_STATE,
                                 .state = { .id = messages[i].message.id,
                                         .state = MESSAGE_DELIVERED,
                                         .security = SECURITY_ENCRYPTED,
                                         .endpoint = messages[i].message.endpoint,
                                         .reason = "" } });
        commit(s);
}

static void bench_native_sent(struct store *s, size_t n, uint64_t first, size_t group)
{
        static struct change messages[256];
        char text[TEXT_SIZE];

        memset(text, 'x', sizeof text);
        for (size_t i = 0; i + group <= n; i += group) {
                for (size_t k = 0; k < group; k++) {
                        messages[k] = (struct change){ .type = CHANGE_MESSAGE,
                                .message = make_message(first + i + k, MESSAGE_QUEUED, text) };
                        messages[k].message.peer = NATIVE_PEER;
                }
                send_group(s, messages, group, first + i);
                acknowledge_group(s, messages, group);
        }
}

/* One table of figures, on a database of its own. */
static void bench_group(
        const struct store_options *options, const char *bare_path, size_t n, size_t group)
{
        struct store *s = NULL;
        struct watch watch;
        double bare;

        printf("groups of %zu\n", group);
        bare = bench_bare(bare_path, n, group);
        must(store_open(options, &s), "store_open");
        watch = watch_start();
        bench_store(s, n, 0, group, MESSAGE_RECEIVED);
        watch_print(&watch, "messages received", n, bare);
        watch = watch_start();
        bench_store(s, n / 10, n, group, MESSAGE_QUEUED);
        watch_print(&watch, "messages queued and delivered", n / 10, bare);
        watch = watch_start();
        bench_native_received(s, n, 2 * n, group);
        watch_print(&watch, "native, received", n, bare);
        watch = watch_start();
        bench_native_sent(s, n / 2, 4 * n, group);
        watch_print(&watch, "native, sent and acknowledged", n / 2, bare);
        store_free(s);
}

/* Keep=none: what is old is erased, and its origins are looked up for every new message. */
static void bench_erase(const struct store_options *options, size_t n)
{
        const usec_t later = clock_now().real_usec + 2 * USEC_PER_HOUR;
        struct store_options aging = *options;
        struct store *s = NULL;
        struct watch watch;
        usec_t next = 0;

        aging.age_max_usec = USEC_PER_HOUR;
        must(store_open(&aging, &s), "store_open");
        printf("with messages erased by age\n");
        bench_native_received(s, n, 0, groups[0]);
        watch = watch_start();
        while (next <= later) {
                must(store_expire(s, later, &next), "store_expire");
                commit(s);
        }
        watch_print(&watch, "erased", n, 0);
        watch = watch_start();
        bench_native_received(s, n, n, groups[0]);
        watch_print(&watch, "native, received", n, 0);
        store_free(s);
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
        char path[4096], bare_path[4096], erase_path[4096];
        struct store_options options = {
                .path = path, .secret = secret, .age_max_usec = USEC_INFINITY
        };
        struct store_options erase_options;
        struct random *random = NULL;
        struct store *s = NULL;
        bool locked;

        if (argc < 2 || n < 1000) {
                fprintf(stderr, "usage: bench-store DIRECTORY [MESSAGES]\n");
                return 2;
        }
        must(crypto_init(&locked), "crypto_init");
        must(random_new(&random), "random_new");
        options.random = random;
        erase_options = options;
        erase_options.path = erase_path;
        (void)snprintf(path, sizeof path, "%s/bench-%d.db", argv[1], (int)getpid());
        (void)snprintf(
                erase_path, sizeof erase_path, "%s/bench-erase-%d.db", argv[1], (int)getpid());
        (void)snprintf(bare_path, sizeof bare_path, "%s/bench-bare-%d.db", argv[1], (int)getpid());

        for (size_t i = 0; i < ELEMENTSOF(groups); i++) {
                remove_database(path);
                bench_group(&options, bare_path, n, groups[i]);
        }
        bench_erase(&erase_options, n / 2);
        remove_database(erase_path);
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
