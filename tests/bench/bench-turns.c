/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the turns of daemons cost the store alone; and long histories (bench-store has more of it)
 *
 *     bench-turns rate DIRECTORY [MESSAGES]           # native ones, both sides
 *     bench-turns fill DATABASE SECRET MESSAGES SIZE  # of a daemon that does not run
 *     bench-turns pages DATABASE SECRET
 */
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "bench/bench.h"
#include "core/crypto/crypto.h"
#include "core/crypto/random.h"
#include "os/clock.h"
#include "store/store.h"

#define SIZE 256 /* of a text */
#define GROUP_MAX 256
#define FILL_GROUP 1000
#define PEERS 100
#define FIRST_PEER 1000 /* beyond those that a daemon knows already */
#define PAGE_ROWS 50
#define PAGES 51 /* of which the median counts */

/* Messages of one turn: what a busy daemon takes at once, and a whole window. */
static const size_t groups[] = { 64, GROUP_MAX };

static struct random *random_source;

static void remove_database(const char *path)
{
        char name[8192];

        (void)snprintf(name, sizeof name, "%s-wal", path);
        (void)unlink(path);
        (void)unlink(name);
}

static struct store *open_store(const char *path, const uint8_t *secret)
{
        const struct store_options options = {
                .path = path,
                .secret = secret,
                .random = random_source,
                .age_max_usec = USEC_INFINITY,
        };
        struct store *s = NULL;

        must(store_open(&options, &s), "store_open");
        return s;
}

static void apply(struct store *s, const struct change *c)
{
        must(store_apply(s, c), "store_apply");
}

static void commit(struct store *s)
{
        struct store_event e;

        must(store_commit(s), "store_commit");
        while (store_next_event(s, &e))
                ;
}

/* What messages took: of the clock, which the disk and others share, and of our CPU. */
static void print_rates(const char *what, size_t group, size_t n, double start, double cpu_start)
{
        double cpu = bench_cpu() - cpu_start;
        char key[64];

        (void)snprintf(key, sizeof key, "%s-%zu", what, group);
        row(key, (double)n / (bench_now() - start));
        (void)snprintf(key, sizeof key, "%s-%zu-cpu", what, group);
        row(key, cpu / (double)n);
}

static struct ulid make_id(uint64_t n)
{
        uint8_t bytes[10] = {};

        for (size_t i = 0; i < 8; i++)
                bytes[i] = (uint8_t)(n >> 8 * (7 - i));
        return ulid_make(clock_now().real_usec, bytes);
}

static struct change make_message(uint64_t n, bool is_received, const char *text, size_t size)
{
        struct change c = { .type = CHANGE_MESSAGE,
                .message = {
                        .id = make_id(n),
                        .peer = 1,
                        .direction = is_received ? DIRECTION_RECEIVED : DIRECTION_SENT,
                        .security = SECURITY_ENCRYPTED,
                        .state = is_received ? MESSAGE_RECEIVED : MESSAGE_QUEUED,
                        .time_usec = clock_now().real_usec,
                        .name = "Zeynep",
                        .endpoint = endpoint_ipv4(192, 168, 1, 7, 6001),
                        .text = text,
                        .size = size,
                } };

        return c;
}

static void add_peer(struct store *s, uint64_t number)
{
        struct change c = { .type = CHANGE_PEER,
                .peer = {
                        .number = number,
                        .endpoint = endpoint_ipv4(192, 168, 1, (uint8_t)number, 6001),
                        .has_history = true,
                } };

        (void)snprintf(c.peer.name, sizeof c.peer.name, "peer-%" PRIu64, number);
        apply(s, &c);
}

/* A turn of the receiver: messages, and how far the stream was taken. */
static void receive_group(struct store *s, uint64_t first, size_t group)
{
        struct change mark = { .type = CHANGE_MARK,
                .mark = { .peer = 1, .stream = 5, .number = first + group } };
        char text[SIZE];

        memset(text, 'x', sizeof text);
        for (uint64_t i = first; i < first + group; i++) {
                struct change c = make_message(i, true, text, sizeof text);

                c.message.stream_number = i + 1;
                c.message.origin = make_id(i);
                apply(s, &c);
        }
        apply(s, &mark);
        commit(s);
}

static void receive_all(struct store *s, size_t n, size_t group, uint64_t *next)
{
        double start = bench_now(), cpu_start = bench_cpu();

        for (size_t i = 0; i < n; i += group, *next += group)
                receive_group(s, *next, group);
        print_rates("receive", group, n, start, cpu_start);
}

static void tell_stream(struct store *s, uint64_t given, uint64_t oldest)
{
        const struct change c = { .type = CHANGE_STREAM,
                .stream = { .peer = 1, .stream = 6, .given = given, .oldest = oldest } };

        apply(s, &c);
}

/* The turns of the sender: a group is queued and gets its numbers; its texts are fetched to be
 * sent; it was delivered. */
static void send_group(struct store *s, uint64_t first, size_t group, struct ulid *ids)
{
        char text[SIZE];

        memset(text, 'x', sizeof text);
        for (size_t i = 0; i < group; i++) {
                struct change c = make_message(first + i, false, text, sizeof text);
                const struct change number = { .type = CHANGE_NUMBER,
                        .numbered = { .id = c.message.id, .number = first + i + 1 } };

                ids[i] = c.message.id;
                apply(s, &c);
                apply(s, &number);
        }
        tell_stream(s, first + group, first + 1);
        commit(s);
        for (size_t i = 0; i < group; i++) {
                usec_t time_usec;
                char *loaded;
                size_t size;

                must(store_load_text(s, &ids[i], &time_usec, &loaded, &size), "store_load_text");
                free(loaded);
        }
        for (size_t i = 0; i < group; i++) {
                const struct change end = { .type = CHANGE_STATE,
                        .state = { .id = ids[i],
                                .state = MESSAGE_DELIVERED,
                                .security = SECURITY_ENCRYPTED,
                                .reason = "" } };

                apply(s, &end);
        }
        tell_stream(s, first + group, first + group + 1);
        commit(s);
}

static void send_all(struct store *s, size_t n, size_t group, uint64_t *next)
{
        struct ulid ids[GROUP_MAX];
        double start = bench_now(), cpu_start = bench_cpu();

        for (size_t i = 0; i < n; i += group, *next += group)
                send_group(s, *next, group, ids);
        print_rates("send", group, n, start, cpu_start);
}

/* Of a turn with one message. */
static double commit_seconds(struct store *s, size_t n, uint64_t *next)
{
        double *spans = calloc(n, sizeof *spans), result;

        must(spans ? 0 : -ENOMEM, "calloc");
        for (size_t i = 0; i < n; i++, ++*next) {
                double start = bench_now();

                receive_group(s, *next, 1);
                spans[i] = bench_now() - start;
        }
        result = median(spans, n);
        free(spans);
        return result;
}

static void bench_rate(const char *directory, size_t n)
{
        static const uint8_t secret[KEY_SIZE] = "bench";
        char path[4096];
        uint64_t next = 0;
        struct store *s;

        (void)snprintf(path, sizeof path, "%s/bench-%d.db", directory, (int)getpid());
        s = open_store(path, secret);
        add_peer(s, 1);
        commit(s);

        for (size_t i = 0; i < ELEMENTSOF(groups); i++) {
                receive_all(s, n, groups[i], &next);
                send_all(s, n, groups[i], &next);
        }
        /* Last, when the log of the database is written over rather than made longer. */
        row("commit", commit_seconds(s, n / 50, &next));
        store_free(s);
        remove_database(path);
}

static void read_secret(const char *path, uint8_t *ret)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        must(fd < 0 || read(fd, ret, KEY_SIZE) != KEY_SIZE ? -EIO : 0, path);
        (void)close(fd);
}

static void fill(struct store *s, size_t n, size_t size)
{
        char *text = malloc(size + 1);
        must(text ? 0 : -ENOMEM, "malloc");
        memset(text, 'x', size);
        for (uint64_t i = 0; i < PEERS; i++)
                add_peer(s, FIRST_PEER + i);
        for (size_t i = 0; i < n; i++) {
                struct change c = make_message(i, true, text, size);

                c.message.peer = FIRST_PEER + i % PEERS;
                apply(s, &c);
                if (i % FILL_GROUP == FILL_GROUP - 1 || i == n - 1)
                        commit(s);
        }
        /* The daemon need not write them all to its log file. */
        store_set_logged(s, store_last_sequence(s));
        add_peer(s, FIRST_PEER);
        commit(s);
        row("filled", (double)n);
        free(text);
}

static int on_message(const struct message_record *m, void *userdata)
{
        ++*(size_t *)userdata;
        return 0;
}

static double page_seconds(struct store *s, uint64_t before, const uint64_t *peers, size_t n_peers)
{
        double spans[PAGES];

        for (size_t i = 0; i < PAGES; i++) {
                const struct store_query query = {
                        .peers = peers,
                        .n_peers = n_peers,
                        .before = before,
                        .rows_max = PAGE_ROWS,
                        .bytes_max = 1024 * 1024,
                };
                double start = bench_now();
                size_t n = 0;

                must(store_read(s, &query, on_message, &n, NULL) < 0 || n == 0 ? -EIO : 0,
                        "store_read");
                spans[i] = bench_now() - start;
        }
        return median(spans, PAGES);
}

static void pages(struct store *s)
{
        uint64_t last = store_last_sequence(s), peer = FIRST_PEER;

        row("messages", (double)last);
        row("newest", page_seconds(s, 0, NULL, 0));
        row("middle", page_seconds(s, last / 2, NULL, 0));
        row("oldest", page_seconds(s, PAGE_ROWS * 2, NULL, 0));
        row("newest-of-one", page_seconds(s, 0, &peer, 1));
        row("oldest-of-one", page_seconds(s, PAGE_ROWS * PEERS, &peer, 1));
}

int main(int argc, char **argv)
{
        uint8_t secret[KEY_SIZE];
        struct store *s = NULL;
        bool locked;

        must(crypto_init(&locked), "crypto_init");
        must(random_new(&random_source), "random_new");
        if (argc >= 3 && streq(argv[1], "rate")) {
                bench_rate(argv[2], argc > 3 ? strtoul(argv[3], NULL, 10) : 25600);
        } else if ((argc == 6 && streq(argv[1], "fill")) ||
                   (argc == 4 && streq(argv[1], "pages"))) {
                read_secret(argv[3], secret);
                s = open_store(argv[2], secret);
                if (argc == 6)
                        fill(s, strtoul(argv[4], NULL, 10), strtoul(argv[5], NULL, 10));
                else
                        pages(s);
        } else {
                fprintf(stderr, "usage: see the head of bench-turns.c\n");
                return 2;
        }
        store_free(s);
        random_free(random_source);
        return 0;
}
