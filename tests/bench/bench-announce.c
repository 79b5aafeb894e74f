/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Announcements: how many a node takes, and many at once for a daemon
 *
 *     bench-announce node [USERS] [ANNOUNCEMENTS]
 *     bench-announce send FIRST USERS ROUNDS TO     # datagrams from 127.x.y.z on, each another
 * user
 */
#include "bench/bench.h"
#include "core/crypto/crypto.h"
#include "core/crypto/random.h"
#include "core/node/node.h"
#include "os/fd.h"
#include "os/socket.h"

#define TURN 256 /* inputs between two ends of a turn */
#define CONTENT_SIZE 256

static struct endpoint address_of(const struct endpoint *first, size_t i)
{
        struct endpoint e = *first;
        uint32_t n = ((uint32_t)e.address[1] << 16 | (uint32_t)e.address[2] << 8 | e.address[3]) +
                     (uint32_t)i;

        e.address[1] = (uint8_t)(n >> 16);
        e.address[2] = (uint8_t)(n >> 8);
        e.address[3] = (uint8_t)n;
        return e;
}

/* As one of ours has it, with name and id of its own. */
static size_t content(char *text, const struct endpoint *from)
{
        size_t i =
                (size_t)from->address[1] << 16 | (size_t)from->address[2] << 8 | from->address[3];
        static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
        char id[ID_STRING_SIZE] = "aaaaaaaaaaaaaaaaaaaaaaaaaa", address[ENDPOINT_STRING_MAX];

        for (size_t k = 0; k < 5; k++)
                id[k] = digits[i >> 5 * k & 31];
        endpoint_format_address(from, address);
        return (size_t)snprintf(text, CONTENT_SIZE,
                "{\"username\":\"user-%zu\",\"ip\":\"%s\",\"port\":6001,\"id\":\"%s\",\"p2pchat\":"
                "1,"
                "\"ip_address\":\"%s\",\"uuid\":\"%s\"}",
                i, address, id, address, id);
}

static void end_turn(struct node *n, struct now now)
{
        struct change c;
        struct effect e;

        must(node_end_turn(n, now), "node_end_turn");
        while (node_next_change(n, &c))
                ;
        must(node_committed(n, now), "node_committed");
        while (node_next_effect(n, &e))
                ;
}

static void bench_node(size_t n_users, size_t n)
{
        struct endpoint first = endpoint_ipv4(10, 1, 0, 0, 6000);
        char(*texts)[CONTENT_SIZE] = calloc(n_users, sizeof *texts);
        struct now now = { .mono_usec = 2 * USEC_PER_DAY, .real_usec = 1700000000 * USEC_PER_SEC };
        static struct identity identity;
        struct node_options options = { .username = "Ece", .identity = &identity, .port = 6001 };
        const uint8_t seed[IDENTITY_SEED_SIZE] = "bench";
        double start = 0;
        struct node *node;

        must(texts ? 0 : -ENOMEM, "calloc");
        must(identity_init(&identity, seed), "identity_init");
        must(random_new_seeded(1, &options.random), "random_new");
        must(node_new(&options, now, &node), "node_new");
        for (size_t i = 0; i < n_users; i++) {
                struct endpoint from = address_of(&first, i);

                (void)content(texts[i], &from);
        }
        /* The first round is of newcomers. */
        for (size_t i = 0; i < n_users + n; i++) {
                struct endpoint from = address_of(&first, i % n_users);

                if (i == n_users)
                        start = bench_cpu();
                must(node_datagram(node, DIALECT_CLASSIC, &from, texts[i % n_users],
                             strlen(texts[i % n_users]), now),
                        "node_datagram");
                if (i % TURN == TURN - 1)
                        end_turn(node, now);
                if (i % n_users == n_users - 1) /* they repeat it every 8 s */
                        now = (struct now){ now.mono_usec + 8 * USEC_PER_SEC,
                                now.real_usec + 8 * USEC_PER_SEC };
        }
        row("announcements", (double)n / (bench_cpu() - start));
        node_free(node);
        random_free(options.random);
        identity_done(&identity);
        free(texts);
}

static void send_all(
        const struct endpoint *first, size_t n_users, size_t rounds, const struct endpoint *to)
{
        struct endpoint any = {};
        size_t n_sent = 0;
        int fd = -EBADF;

        must(socket_datagram(&any, false, &fd), "socket_datagram");
        for (size_t i = 0; i < n_users * rounds; i++) {
                struct endpoint from = address_of(first, i % n_users);
                char text[CONTENT_SIZE];
                size_t size = content(text, &from);

                n_sent += socket_send_datagram(fd, 0, &from, to, text, size) == 0;
        }
        row("sent", (double)n_sent);
        fd_close(fd);
}

int main(int argc, char **argv)
{
        struct endpoint first, to;
        bool locked;

        if (argc >= 2 && streq(argv[1], "node")) {
                must(crypto_init(&locked), "crypto_init");
                bench_node(argc > 2 ? strtoul(argv[2], NULL, 10) : 1000,
                        argc > 3 ? strtoul(argv[3], NULL, 10) : 1000000);
        } else if (argc == 6 && streq(argv[1], "send") && endpoint_parse(argv[2], 0, &first) == 0 &&
                   endpoint_parse(argv[5], 0, &to) == 0) {
                send_all(&first, strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10), &to);
        } else {
                fprintf(stderr, "usage: see the head of bench-announce.c\n");
                return 2;
        }
        return 0;
}
