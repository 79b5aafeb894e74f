/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Long chains: how long they take to restore, to verify and to catch up with, and how much memory
 *
 * Times are of the processor, but where it is said; memory is what malloc() has given out.
 */
#include "tests/sim/ledger-bench.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <time.h>

#include "tests/sim/ledger-world.h"

#define RESTORED 100000
#define LISTED 1000

static const struct genesis bench_genesis = { .name = "simulated", .bits = 4 };

static void must(bool is_fine, const char *what)
{
        if (is_fine)
                return;
        printf("bench: %s\n", what);
        exit(1);
}

static double since(clock_t begin)
{
        return (double)(clock() - begin) / CLOCKS_PER_SEC;
}

/* Large pieces are not of the heap. */
static double memory_bytes(void)
{
        struct mallinfo2 m = mallinfo2();

        return (double)m.uordblks + (double)m.hblkhd;
}

/* A record of somebody, signed or not: to restore it, which does not look, not. */
static void make_record(
        const struct ledger_world *w, struct certificate *c, size_t i, bool is_signed)
{
        uint8_t key[IDENTITY_SEED_SIZE] = { 9 };
        struct identity identity;

        *c = (struct certificate){ .kind = CERTIFICATE_REGISTER, .time_usec = LEDGER_BEGIN_USEC };
        (void)snprintf(c->name, sizeof c->name, "name-%u", (unsigned)i);
        memcpy(key + 8, &i, sizeof i);
        memcpy(c->public_key, key, sizeof key);
        if (!is_signed)
                return;
        if (identity_init(&identity, key) < 0 ||
                certificate_sign(c, &identity, &w->genesis.context) < 0)
                abort();
        identity_done(&identity);
}

static void keep(struct ledger_node *n, const struct block *b)
{
        uint8_t data[BLOCK_SIZE_MAX];
        struct stored_block *s = &n->stored[n->n_stored++];

        s->size = block_encode(b, data);
        s->data = malloc(s->size);
        if (!s->data)
                abort();
        memcpy(s->data, data, s->size);
}

/* A chain of full blocks on the disk of a member, made by hand. */
static void fill_disk(
        struct ledger_world *w, struct ledger_node *n, size_t n_records, bool is_signed)
{
        static struct block b;

        b = (struct block){ .n_records = 0 };
        memcpy(b.hash, w->genesis.context.network, HASH_SIZE);
        n->stored_allocated = n_records / BLOCK_RECORDS_MAX + 1;
        n->stored = calloc(n->stored_allocated, sizeof *n->stored);
        if (!n->stored)
                abort();
        for (size_t i = 0; i < n_records; i++) {
                make_record(w, &b.records[b.n_records++], i, is_signed);
                if (b.n_records < BLOCK_RECORDS_MAX && i + 1 < n_records)
                        continue;
                b.header = (struct block_header){ .height = (uint32_t)n->n_stored + 1,
                        .time_usec = LEDGER_BEGIN_USEC + n->n_stored,
                        .total = i + 1 };
                memcpy(b.header.previous, b.hash, HASH_SIZE);
                block_seal(&b);
                while (!block_search(&b, w->genesis.bits, 1000))
                        ;
                keep(n, &b);
                b.n_records = 0;
        }
}

static void bench_check(struct ledger_world *w, const struct ledger_node *n, size_t n_records)
{
        struct ledger_options o = { .genesis = &w->genesis, .random = w->random };
        double took, longest = 0, before = memory_bytes();
        struct ledger *l = NULL;
        clock_t begin = clock();
        size_t bad;

        must(ledger_new(&o, &l) == 0, "no memory");
        for (size_t i = 0; i < n->n_stored; i++) {
                clock_t slice = clock();

                must(ledger_check(l, n->stored[i].data, n->stored[i].size, &bad) == 0, "damaged");
                longest = MAX(longest, since(slice));
        }
        took = since(begin);
        printf("check: %zu records in %.1f s, %.0f a second; the longest block %.0f ms; %.1f MB\n",
                n_records, took, (double)n_records / took, 1000 * longest,
                (memory_bytes() - before) / 1e6);
        ledger_free(l);
}

/* The disk of another one. */
static void copy_disk(struct ledger_node *to, const struct ledger_node *from)
{
        to->stored = calloc(from->n_stored, sizeof *to->stored);
        must(to->stored, "no memory");
        for (size_t i = 0; i < from->n_stored; i++) {
                struct stored_block *s = &to->stored[i];

                *s = from->stored[i];
                s->data = must_realloc(NULL, s->size);
                memcpy(s->data, from->stored[i].data, s->size);
        }
        to->n_stored = to->stored_allocated = from->n_stored;
}

/* All members have the chain but the last one. */
static void bench_newcomer(struct ledger_world *w, size_t n_records)
{
        size_t n = w->n_nodes - 1;
        double before;
        clock_t begin;
        usec_t took_usec;

        for (unsigned i = 0; i < n; i++) {
                if (i > 0)
                        copy_disk(&w->nodes[i], &w->nodes[0]);
                ledger_world_crash(w, i);
                ledger_world_start(w, i);
                w->nodes[i].is_linked[n] = w->nodes[n].is_linked[i] = true;
        }
        before = memory_bytes();
        begin = clock();
        ledger_world_relink(w);
        took_usec = ledger_world_settle(w, 30 * USEC_PER_MINUTE);
        must(took_usec < USEC_INFINITY, "no agreement");
        printf("newcomer: %zu records from %zu members in %.1f s of the network's time, %.1f s of "
               "work for all, %.1f MB with its disk\n",
                n_records, n, (double)took_usec / (double)USEC_PER_SEC, since(begin),
                (memory_bytes() - before) / 1e6);
        must(!ledger_world_check(w), "it has another chain");
}

static void bench_restore(uint64_t seed)
{
        struct ledger_name *names = calloc(LISTED, sizeof *names);
        struct ledger_world w;
        double before;
        clock_t begin;

        must(names, "no memory");
        ledger_world_open(&w, seed, &bench_genesis, 1);
        fill_disk(&w, &w.nodes[0], RESTORED, false);
        ledger_world_crash(&w, 0);
        before = memory_bytes();
        begin = clock();
        ledger_world_start(&w, 0);
        printf("restore: %d records in %.0f ms; %.0f bytes of memory a record\n", RESTORED,
                1000 * since(begin), (memory_bytes() - before) / RESTORED);
        must(!w.nodes[0].is_restored_badly, "not restored");
        begin = clock();
        must(ledger_list(w.nodes[0].ledger, "name-5", LEDGER_BEGIN_USEC, names, LISTED) == LISTED,
                "names are missing");
        printf("list: %d names in %.1f ms\n", LISTED, 1000 * since(begin));
        free(names);
        ledger_world_close(&w);
}

void ledger_bench(uint64_t seed, size_t n_records)
{
        struct ledger_world w;

        bench_restore(seed);
        ledger_world_open(&w, seed, &bench_genesis, 9);
        fill_disk(&w, &w.nodes[0], n_records, true);
        bench_check(&w, &w.nodes[0], n_records);
        bench_newcomer(&w, n_records);
        ledger_world_close(&w);
}
