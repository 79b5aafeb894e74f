/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Small rings through every short history
 *
 *     test-ring-histories [--long] [WORD...]
 *
 * From a ring of 1 to 9 nodes at rest, every sequence of two events (three with --long), at several
 * distances in time: a node joins in any gap, any node dies or goes. The invariant is checked after
 * every message, and in the end, after those that lost each other heard of each other once more,
 * all must be one ideal ring.
 */
#include <stdio.h>

#include "core/crypto/crypto.h"
#include "lib/test.h"
#include "tests/sim/ring-world.h"

#define NODES_MAX 9
#define EVENTS_MAX 3

static unsigned history_length = 2;

/* In the middle of an exchange, at the end of one, and after the next round. */
static const usec_t distances_usec[] = { 0, 30 * USEC_PER_MSEC, 130 * USEC_PER_MSEC,
        6 * USEC_PER_SEC };

enum happening {
        JOINS, /* behind node k */
        DIES,
        GOES,
        N_HAPPENINGS,
};

struct step {
        enum happening what;
        unsigned node;
        usec_t after_usec;
};

struct history {
        unsigned n_nodes;
        struct step steps[EVENTS_MAX];
};

static struct ring_id position(unsigned n, unsigned of)
{
        struct ring_id id = { { 0 } };
        unsigned v = 65536 * n / of;

        id.bytes[0] = (uint8_t)(v >> 8);
        id.bytes[1] = (uint8_t)v;
        return id;
}

static void fail(struct ring_world *w, const struct history *h, const char *problem)
{
        static const char *const names[] = { "joins behind", "dies", "goes" };

        world_show(w, stderr);
        for (unsigned i = 0; i < history_length; i++)
                (void)fprintf(stderr, "# after %u ms %s %u\n",
                        (unsigned)(h->steps[i].after_usec / USEC_PER_MSEC), names[h->steps[i].what],
                        h->steps[i].node);
        TEST_FAIL("%u nodes at %.3f s: %s", h->n_nodes,
                (double)(w->now_usec - USEC_PER_DAY) / USEC_PER_SEC, problem);
}

static void run_checked(struct ring_world *w, const struct history *h, usec_t usec)
{
        usec_t until_usec = w->now_usec + usec;

        do {
                /* The proof takes for granted that only dead nodes do not answer. */
                const char *problem = w->lost_of_1000 > 0 ? NULL : world_check_invariant(w);

                if (problem)
                        fail(w, h, problem);
        } while (world_step(w, until_usec));
        w->now_usec = until_usec;
}

static unsigned some_live(const struct ring_world *w, unsigned but)
{
        for (unsigned i = 0; i < w->n_nodes; i++)
                if (i != but && world_is_member(w, i))
                        return i;
        return but;
}

static void happen(struct ring_world *w, const struct history *h, const struct step *s, unsigned k)
{
        struct ring_id id;
        unsigned i;

        switch (s->what) {
        case JOINS:
                /* In the gap behind the node, each newcomer in another half of what is left. */
                id = position((s->node * 8) + 4 + k, h->n_nodes * 8);
                i = world_add(w, &id);
                world_join(w, i, some_live(w, i));
                break;
        case DIES:
                if (w->nodes[s->node].is_alive && world_may_fail(w, s->node))
                        world_kill(w, s->node);
                break;
        case GOES:
                if (w->nodes[s->node].is_alive && world_may_fail(w, s->node))
                        world_stop(w, s->node);
                break;
        case N_HAPPENINGS:
                abort();
        }
}

static void hear_each_other(struct ring_world *w)
{
        for (unsigned i = 0; i < w->n_nodes; i++) {
                if (!w->nodes[i].is_alive)
                        continue;
                for (unsigned k = 0; k < w->n_nodes; k++)
                        if (k != i && world_is_member(w, k))
                                world_hear(w, i, k);
        }
}

static bool has_lone(struct ring_world *w)
{
        world_sort(w);
        for (size_t i = 0; i < w->n_sorted && w->n_sorted > 1; i++)
                if (chord_successors(w->nodes[w->sorted[i]].chord)->n == 0)
                        return true;
        return false;
}

static uint64_t n_histories;

static void run_history(const struct history *h)
{
        struct ring_world w;
        const char *problem;
        bool was_one_ring;

        world_open(&w, ++n_histories);
        w.allows_lone = true;
        for (unsigned i = 0; i < h->n_nodes; i++) {
                struct ring_id id = position(i, h->n_nodes);

                world_join(&w, world_add(&w, &id), 0);
                run_checked(&w, h, 300 * USEC_PER_MSEC);
        }
        ASSERT_LT(world_settle(&w, 60 * USEC_PER_SEC), USEC_INFINITY);
        for (unsigned i = 0; i < history_length; i++) {
                run_checked(&w, h, h->steps[i].after_usec);
                happen(&w, h, &h->steps[i], i);
        }
        run_checked(&w, h, 12 * USEC_PER_SEC);
        was_one_ring = !has_lone(&w);
        hear_each_other(&w);
        /* Who knew nobody but one that died is a ring of one, and two rings are two until they
         * have become one. */
        if (was_one_ring)
                run_checked(&w, h, 20 * USEC_PER_SEC);
        else
                world_run(&w, 20 * USEC_PER_SEC);
        problem = world_check_ideal(&w);
        if (problem && world_settle(&w, 3 * USEC_PER_MINUTE) == USEC_INFINITY)
                fail(&w, h, problem);
        world_close(&w);
}

/* The ring is the same from everywhere: the first event happens at node 0. */
static void run_all(struct history *h, unsigned depth)
{
        if (depth == history_length) {
                run_history(h);
                return;
        }
        for (unsigned what = 0; what < N_HAPPENINGS; what++)
                for (unsigned node = 0; node < (depth == 0 ? 1 : h->n_nodes); node++)
                        for (size_t d = 0; d < (depth == 0 ? 1 : ELEMENTSOF(distances_usec)); d++) {
                                h->steps[depth] = (struct step){
                                        .what = what, .node = node, .after_usec = distances_usec[d]
                                };
                                run_all(h, depth + 1);
                        }
}

TEST(every_short_history_of_small_rings)
{
        for (unsigned n = 1; n <= NODES_MAX; n++) {
                struct history h = { .n_nodes = n };

                n_histories = 0;
                run_all(&h, 0);
                printf("# %u nodes: %" PRIu64 " histories\n", n, n_histories);
        }
}

/* Whoever knows only one that dies in the middle of it is left alone. */
static void join_through_some(struct ring_world *w, unsigned contact)
{
        unsigned i = world_add(w, NULL);

        for (unsigned k = 0; k < 3; k++)
                world_hear(w, i, world_any_member(w));
        world_join(w, i, contact);
}

/* Members come and go at random, as fast as the proof allows; never more at once than it does. */
static void run_life(uint64_t seed, size_t n, unsigned n_events, unsigned lost_of_1000)
{
        struct ring_world w;
        struct history h = { .n_nodes = (unsigned)n };
        const char *problem;

        world_open(&w, seed);
        world_build(&w, n, n * USEC_PER_SEC);
        ASSERT_LT(world_settle(&w, 5 * USEC_PER_MINUTE), USEC_INFINITY);
        w.lost_of_1000 = lost_of_1000;
        for (unsigned i = 0; i < n_events; i++) {
                unsigned k = world_any_member(&w);

                world_sort(&w);
                if (random_below(w.random, 2) == 0 && w.n_sorted < 2 * n)
                        join_through_some(&w, k);
                else if (w.n_sorted > CHORD_SUCCESSORS + 2 && world_may_fail(&w, k))
                        random_below(w.random, 3) == 0 ? world_stop(&w, k) : world_kill(&w, k);
                run_checked(&w, &h, random_below(w.random, 4 * USEC_PER_SEC));
        }
        w.lost_of_1000 = 0;
        if (lost_of_1000 > 0)
                hear_each_other(&w);
        w.has_base = false;
        run_checked(&w, &h, lost_of_1000 > 0 ? 0 : USEC_PER_MINUTE);
        problem = world_check_ideal(&w);
        if (problem && world_settle(&w, 10 * USEC_PER_MINUTE) == USEC_INFINITY)
                TEST_FAIL("seed %" PRIu64 ": %s", seed, problem);
        world_close(&w);
}

TEST(lives_of_rings_that_the_proof_is_about)
{
        for (uint64_t seed = 1; seed <= (history_length > 2 ? 400 : 20); seed++)
                run_life(seed, 10 + seed % 8, 100, 0);
}

/* Connections that break take nodes for dead which are not; it must come right again. */
TEST(lives_of_rings_with_connections_that_break)
{
        for (uint64_t seed = 1; seed <= (history_length > 2 ? 200 : 10); seed++)
                run_life(seed, 3 + seed % 20, 60, 20);
}

int main(int argc, char **argv)
{
        bool is_locked;

        if (argc > 1 && streq(argv[1], "--long")) {
                history_length = EVENTS_MAX;
                argc--;
                argv++;
        }
        if (crypto_init(&is_locked) < 0)
                return TEST_SKIP;
        return test_run(argc, argv, NULL);
}
