/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Worlds by chance
 *
 *     sim [--seed N] [--seeds K] [--nodes N] [--hours H] [--faults LIST] [--classic] [--ring]
 * [--ledger] [--files] [--trace] [--twice]
 *
 * For every seed some machines live for some hours, their users write, cancel, block, rename, trust
 * and forget, and the faults of LIST strike (see faults[] in strikes.c, "all" or "none"; in half of
 * the worlds only some of them). Then all is repaired. Ten minutes later every message must have
 * been taken; ten more, and nothing is left over, and everybody sees everybody.
 *
 * The long runs are `--nodes 5 --hours 2 --seeds 2000` and `--nodes 5 --hours 24 --seeds 50`: on
 * one core about half an hour and a quarter of one.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "core/crypto/crypto.h"
#include "tests/sim/sim.h"

struct totals {
        uint64_t n_seeds, n_said, n_native, n_delivered, n_cancelled, n_failed, n_sessions;
        uint64_t n_crashes, n_put_back, n_turns, n_steps, n_gone;
        uint64_t n_blocks, n_names, n_files, n_handed_over;
};

static void add_totals(struct totals *t, const struct world *w)
{
        const struct oracle *o = w->oracle;

        t->n_seeds++;
        t->n_said += o->n_said;
        t->n_native += o->n_native;
        t->n_delivered += o->n_delivered;
        t->n_cancelled += o->n_cancelled;
        t->n_failed += o->n_failed;
        t->n_sessions += o->n_sessions;
        t->n_crashes += w->n_crashes;
        t->n_blocks += w->n_blocks;
        t->n_names += w->n_names;
        t->n_files += o->n_files;
        t->n_handed_over += o->n_handed_over;
        t->n_put_back += w->n_put_back;
        t->n_turns += w->n_turns;
        t->n_steps += w->n_steps;
        for (size_t i = 0; i < o->n_said; i++) {
                const struct said *s = o->said[i];

                t->n_gone += s->is_native && (s->is_gone || (s->was_here && !s->is_here));
        }
}

struct arguments {
        struct world_options options;
        uint64_t n_seeds, n_nodes;
        const char *list;
        bool is_twice, is_classic; /* nobody has an identity */
        bool has_ledger;           /* all are members, and register; in the ring, too */
        bool has_files;            /* users send them, too */
        bool has_ring;             /* all take part in it: sessions come and go for it, too */
        double hours;
};

/* Who lives here. */
static void populate(struct run *r)
{
        struct world *w = r->world;
        unsigned n_classic = r->faults & STRIKE_CLASSIC ? (unsigned)below(r, 3) : 0;
        struct node_options options = { .announce = true,
                .compat = true,
                .second = below(r, 2),
                .ring = r->has_ring,
                .ledger = r->has_ledger };

        for (unsigned i = 0; i < r->n_nodes; i++) {
                struct machine *m;

                (void)snprintf(r->names[i], sizeof r->names[i], "user-%c", 'a' + i);
                /* One that has the name of another, and an identity of its own. */
                if (i == 1 && r->faults & STRIKE_ROGUE && below(r, 3) == 0) {
                        memcpy(r->names[1], r->names[0], sizeof r->names[1]);
                        w->oracle->is_loose = true;
                }
                m = world_add(w, r->names[i], 1, ++r->host_last, &options);
                m->is_classic = r->is_classic || (i + n_classic >= r->n_nodes && i > 1);
        }
        if (r->faults & STRIKE_ROGUE) {
                r->rogue = world_add_foreign(w, "rogue", 1, ++r->host_last, MANNER_ROGUE);
                w->records = w->oracle->is_loose = true;
        }
        for (unsigned i = 0; i < r->n_nodes; i++)
                machine_start(&w->machines[i]);
}

static unsigned choose_faults(struct run *r, unsigned wanted)
{
        return below(r, 2) ? wanted : wanted & (unsigned)random_u64(r->random);
}

/* Whatever is offered is accepted now. Whom a disk was lost to is told of an offer again only now
 * and then. */
static void settle_files(struct world *w)
{
        size_t n = 1;

        for (int i = 0; i < 30 && n > 0; i++) {
                n = 0;
                for (unsigned k = 0; k < w->n_machines; k++)
                        n += machine_accept_all(&w->machines[k]);
                world_run(w, 5 * USEC_PER_MINUTE);
        }
        oracle_expect_files(w);
}

/* Old programs take one message after the other, and a long queue its time. */
static void settle(struct world *w, bool has_ring)
{
        world_run(w, 10 * USEC_PER_MINUTE);
        oracle_expect_delivered(w, true);
        for (int i = 0; i < 6 && oracle_waits(w, false); i++)
                world_run(w, 10 * USEC_PER_MINUTE);
        oracle_expect_delivered(w, false);
        world_run(w, 10 * USEC_PER_MINUTE);
        if (has_ring)
                return; /* which keeps some connected */
        /* What nobody can have is tried now and then. */
        for (int i = 0; i < 20 && w->n_wires > 0; i++)
                world_run(w, 10 * USEC_PER_SEC);
        oracle_expect_quiet(w);
}

/* One world. Its trace's hash. */
static uint64_t run(const struct arguments *a, struct totals *totals)
{
        struct run r = {
                .n_nodes = (unsigned)a->n_nodes,
                .end_usec = (usec_t)(a->hours * (double)USEC_PER_HOUR),
                .is_classic = a->is_classic,
                .has_ring = a->has_ring,
                .has_ledger = a->has_ledger,
                .has_files = a->has_files,
        };
        struct world *w = world_new(&a->options);
        uint64_t hash;

        r.world = w;
        if (random_new_seeded(a->options.seed ^ UINT64_C(0x5eed), &r.random) < 0)
                abort();
        r.faults = choose_faults(&r, parse_faults(a->list));
        /* A block of a clock that was far ahead is taken when that time has come: tests/sim/ledger.
         */
        if (a->has_ledger)
                r.faults &= ~(unsigned)STRIKE_CLOCK;
        set_weather(&r, &w->weather);
        populate(&r);
        world_at(w, 5 * USEC_PER_SEC, tick_user, &r);
        world_at(w, 20 * USEC_PER_SEC, tick_fault, &r);
        if (r.has_files)
                world_at(w, 10 * USEC_PER_SEC, tick_file, &r);
        if (r.rogue)
                world_at(w, 10 * USEC_PER_SEC, tick_rogue, &r);
        world_run_until(w, r.end_usec);
        repair(&r);
        if (a->has_files)
                settle_files(w);
        settle(w, a->has_ring);
        if (a->has_ledger)
                world_expect_one_chain(w);

        hash = w->trace_hash;
        add_totals(totals, w);
        random_free(r.random);
        world_free(w);
        return hash;
}

/* A world that breaks a promise ends the program, so none was broken. */
static void print_totals(const struct totals *t, double hours)
{
        printf("# %" PRIu64 " seeds of %g h: %" PRIu64 " messages (%" PRIu64 " native), %" PRIu64
               " delivered, %" PRIu64 " cancelled, %" PRIu64 " failed, %" PRIu64
               " on disks that were put back; %" PRIu64 " sessions, %" PRIu64 " crashes, %" PRIu64
               " restores, %" PRIu64 " blocks with %" PRIu64 " names, %" PRIu64 " files, %" PRIu64
               " of them handed over; lost 0, doubled 0, out of order 0; %" PRIu64
               " turns, %" PRIu64 " steps, %.1f s\n",
                t->n_seeds, hours, t->n_said, t->n_native, t->n_delivered, t->n_cancelled,
                t->n_failed, t->n_gone, t->n_sessions, t->n_crashes, t->n_put_back, t->n_blocks,
                t->n_names, t->n_files, t->n_handed_over, t->n_turns, t->n_steps,
                (double)clock() / CLOCKS_PER_SEC);
}

static int parse_arguments(int argc, char **argv, struct arguments *ret)
{
        static const struct option long_options[] = {
                { "seed", required_argument, NULL, 's' },
                { "seeds", required_argument, NULL, 'k' },
                { "nodes", required_argument, NULL, 'n' },
                { "hours", required_argument, NULL, 'h' },
                { "faults", required_argument, NULL, 'f' },
                { "classic", no_argument, NULL, 'c' },
                { "ring", no_argument, NULL, 'r' },
                { "ledger", no_argument, NULL, 'l' },
                { "files", no_argument, NULL, 'i' },
                { "trace", no_argument, NULL, 't' },
                { "twice", no_argument, NULL, '2' },
                { 0 },
        };
        int c;

        while ((c = getopt_long(argc, argv, "", long_options, NULL)) >= 0) {
                if (c == 's')
                        ret->options.seed = strtoull(optarg, NULL, 10);
                else if (c == 'k')
                        ret->n_seeds = strtoull(optarg, NULL, 10);
                else if (c == 'n')
                        ret->n_nodes = strtoull(optarg, NULL, 10);
                else if (c == 'h')
                        ret->hours = strtod(optarg, NULL);
                else if (c == 'f')
                        ret->list = optarg;
                else if (c == 'c')
                        ret->is_classic = true;
                else if (c == 'r')
                        ret->has_ring = true;
                else if (c == 'l')
                        ret->has_ring = ret->has_ledger = true;
                else if (c == 'i')
                        ret->has_files = true;
                else if (c == 't')
                        ret->options.trace = true;
                else if (c == '2')
                        ret->is_twice = true;
                else
                        return -EINVAL;
        }
        return ret->n_nodes < 1 || ret->n_nodes >= MACHINES_MAX ? -EINVAL : 0;
}

static int run_seed(struct arguments *a, struct totals *totals)
{
        struct totals again = { 0 };
        char command[300];
        uint64_t hash;

        (void)snprintf(command, sizeof command,
                "sim --seed %" PRIu64 " --nodes %" PRIu64
                " --hours %g --faults %.160s%s%s%s%s --trace",
                a->options.seed, a->n_nodes, a->hours, a->list, a->is_classic ? " --classic" : "",
                a->has_ring ? " --ring" : "", a->has_ledger ? " --ledger" : "",
                a->has_files ? " --files" : "");
        a->options.command = command;
        hash = run(a, totals);
        if (!a->is_twice || run(a, &again) == hash)
                return 0;
        fprintf(stderr, "seed %" PRIu64 " gives two different traces\nagain: %s\n", a->options.seed,
                command);
        return 1;
}

int main(int argc, char **argv)
{
        struct arguments a = {
                .options.seed = 1, .n_seeds = 1, .n_nodes = 4, .list = "all", .hours = 1
        };
        struct totals totals = { 0 };
        bool is_locked;

        if (parse_arguments(argc, argv, &a) < 0 || crypto_init(&is_locked) < 0)
                return 2;
        for (; a.n_seeds > 0; a.n_seeds--, a.options.seed++)
                if (run_seed(&a, &totals) != 0)
                        return 1;
        print_totals(&totals, a.hours);
        return 0;
}
