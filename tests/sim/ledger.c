/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the ledger does with many members, some of them hostile
 *
 *     ledger [--seed N] [--seeds N] [--long] SCENARIO...
 *
 * Fails, with the seed, when the honest do not agree.
 */

#include "tests/lib/test.h"
#include "tests/sim/ledger-bench.h"
#include "tests/sim/ledger-world.h"
#include "tests/sim/scenarios.h"

#define MEMBERS 50
#define BITS 7 /* with a hash a second of each of 50: a block in 2.6 s */

static const struct genesis open_genesis = { .name = "simulated", .bits = BITS };

#define CHECK(x, ...)                                                                              \
        do {                                                                                       \
                if (!(x)) {                                                                        \
                        printf("seed %" PRIu64 ": %s fails: ", seed, #x);                          \
                        printf(__VA_ARGS__);                                                       \
                        printf("\n");                                                              \
                        exit(1);                                                                   \
                }                                                                                  \
        } while (0)

static double seconds(usec_t usec)
{
        return (double)usec / (double)USEC_PER_SEC;
}

static void check(const struct ledger_world *w)
{
        const char *wrong = ledger_world_check(w);

        CHECK(!wrong, "%s", wrong);
}

static usec_t settle(struct ledger_world *w)
{
        usec_t took_usec = ledger_world_settle(w, 30 * USEC_PER_MINUTE);

        CHECK(took_usec < USEC_INFINITY, "no agreement");
        check(w);
        return took_usec;
}

static struct ledger_status status_of(const struct ledger_world *w, unsigned i)
{
        struct ledger_status s;

        ledger_status(w->nodes[i].ledger, &s);
        return s;
}

static void register_own(struct ledger_world *w, unsigned i)
{
        char name[USERNAME_SIZE_MAX + 1];

        (void)snprintf(name, sizeof name, "member-%u", i);
        (void)ledger_world_register(w, i, NULL, name);
}

static void tear(struct ledger_world *w, unsigned n_sides)
{
        for (unsigned i = 0; i < w->n_nodes; i++)
                w->nodes[i].side = n_sides > 1 ? (unsigned)random_below(w->random, n_sides) : 0;
        ledger_world_relink(w);
}

/* Something happens: a name is wanted, a member dies or comes back, the network is torn or healed.
 */
static void happen(struct ledger_world *w)
{
        unsigned i = (unsigned)random_below(w->random, w->n_nodes);

        switch (random_below(w->random, 24)) {
        case 0:
                tear(w, 2 + (unsigned)random_below(w->random, 2));
                break;
        case 1:
                tear(w, 1);
                break;
        case 2:
                if (i > 0 && w->nodes[i].is_alive && w->nodes[i].manner == MANNER_HONEST)
                        ledger_world_crash(w, i);
                break;
        case 3:
        case 4:
                if (!w->nodes[i].is_alive)
                        ledger_world_start(w, i);
                break;
        default:
                ledger_world_register_one(w, ledger_world_any(w));
        }
}

static void heal(struct ledger_world *w)
{
        tear(w, 1);
        for (unsigned i = 0; i < w->n_nodes; i++)
                if (!w->nodes[i].is_alive)
                        ledger_world_start(w, i);
}

/* Parts of the network never part for so long that blocks become final on both sides. The longest
 * time until all were one again. */
static usec_t live(struct ledger_world *w, unsigned n_events)
{
        usec_t longest_usec = 0;

        for (unsigned n = 0; n < n_events; n++) {
                happen(w);
                ledger_world_run(w, random_below(w->random, 3 * USEC_PER_SEC));
                if (n % 16 == 15) {
                        heal(w);
                        longest_usec = MAX(longest_usec, settle(w));
                }
        }
        return longest_usec;
}

/* The same among liars, who lie before each healing of the network and at the end. */
static usec_t live_among_liars(struct ledger_world *w, unsigned n_events)
{
        usec_t longest_usec = 0;

        for (unsigned n = 0; n < n_events; n += 16) {
                ledger_hostile_act(w);
                longest_usec = MAX(longest_usec, live(w, 16));
        }
        ledger_hostile_act(w);
        ledger_world_run(w, 10 * USEC_PER_MINUTE);
        return MAX(longest_usec, settle(w));
}

static unsigned sum_of_reorganised(const struct ledger_world *w)
{
        unsigned sum = 0;

        for (unsigned i = 0; i < w->n_nodes; i++)
                sum += w->nodes[i].n_reorganised;
        return sum;
}

static void run_agree(void)
{
        struct ledger_world w;
        usec_t took_usec;

        ledger_world_open(&w, seed, &open_genesis, MEMBERS);
        ledger_world_connect(&w);
        took_usec = live(&w, is_long ? 1600 : 96);
        printf("agree: %u blocks, %" PRIu64
               " names, %u times another chain, one again after %.0f s at most\n",
                status_of(&w, 0).height, status_of(&w, 0).n_records, sum_of_reorganised(&w),
                seconds(took_usec));
        CHECK(status_of(&w, 0).n_records > 10, "nothing happened");
        ledger_world_close(&w);
}

static const struct {
        enum manner manner;
        const char *what;
        bool is_banned, withholds, mines;
} expected[] = {
        { MANNER_IDLER, "work that was not done", .is_banned = true },
        { MANNER_THIEF, "names of others", .is_banned = true },
        { MANNER_HOARDER, "blocks withheld", .withholds = true, .mines = true },
        { MANNER_MISER, "every other block withheld", .withholds = true, .mines = true },
        { MANNER_PROMISER, "blocks that do not exist", .withholds = true },
        { MANNER_FORGER, "forged signatures", .is_banned = true, .mines = true },
        { MANNER_FUTURE, "a clock far ahead", .mines = true },
        { MANNER_EDGE, "a clock at the limit", .mines = true },
        { MANNER_PAST, "a clock behind", .mines = true },
};

/* Each of them did what it is there for, and only what nobody honest does is banned. */
static void check_hostile(const struct ledger_world *w)
{
        for (size_t i = 0; i < ELEMENTSOF(expected); i++) {
                enum manner m = expected[i].manner;

                CHECK((w->n_banned[m] > 0) == expected[i].is_banned, "%s: %u bans",
                        expected[i].what, w->n_banned[m]);
                CHECK((w->n_withheld[m] > 0) == expected[i].withholds, "%s: %u were withheld",
                        expected[i].what, w->n_withheld[m]);
                CHECK(!expected[i].mines || w->n_mined[m] > 0, "%s: no blocks", expected[i].what);
        }
}

static void run_hostile(void)
{
        struct ledger_world w;
        struct ledger_name name;
        usec_t took_usec;

        ledger_world_open(&w, seed, &open_genesis, MEMBERS);
        for (unsigned i = 0; i < 2 * ELEMENTSOF(expected); i++) {
                /* Two of each; who is to make blocks works twenty times as much. */
                w.nodes[2 * i + 3].manner = expected[i % ELEMENTSOF(expected)].manner;
                w.nodes[2 * i + 3].rate = 20;
        }
        ledger_world_connect(&w);
        took_usec = live_among_liars(&w, is_long ? 640 : 80);
        printf("hostile: %u blocks, %" PRIu64 " names, %u + %u + %u bans, %u + %u + %u blocks "
               "withheld, one again after %.0f s at most\n",
                status_of(&w, 0).height, status_of(&w, 0).n_records, w.n_banned[MANNER_IDLER],
                w.n_banned[MANNER_THIEF], w.n_banned[MANNER_FORGER], w.n_withheld[MANNER_HOARDER],
                w.n_withheld[MANNER_MISER], w.n_withheld[MANNER_PROMISER], seconds(took_usec));
        check_hostile(&w);
        CHECK(!ledger_find(w.nodes[0].ledger, "stolen", LEDGER_BEGIN_USEC, &name),
                "a name was stolen");
        ledger_world_close(&w);
}

static void find(const struct ledger_world *w, unsigned i, const char *name, uint8_t *ret_key)
{
        struct ledger_name n;

        CHECK(ledger_find(w->nodes[i].ledger, name, LEDGER_BEGIN_USEC, &n), "%s is lost", name);
        memcpy(ret_key, n.public_key, PUBLIC_KEY_SIZE);
}

/* Torn in two, both sides register the same names for others; then the network heals. */
static void run_conflict(void)
{
        enum { NAMES = 8 };
        uint8_t keys[2][NAMES][PUBLIC_KEY_SIZE], key[PUBLIC_KEY_SIZE];
        unsigned n_of[2] = { 0 };
        struct ledger_world w;

        ledger_world_open(&w, seed, &open_genesis, MEMBERS);
        ledger_world_connect(&w);
        for (unsigned i = 0; i < MEMBERS; i++)
                w.nodes[i].side = i < MEMBERS / 2 ? 0 : 1;
        ledger_world_relink(&w);
        for (unsigned k = 0; k < NAMES; k++) {
                char name[] = { 'n', 'a', 'm', 'e', (char)('0' + k), 0 };

                ledger_world_register_for_new(&w, k, name);
                ledger_world_register_for_new(&w, MEMBERS - 1 - k, name);
                ledger_world_run(&w, 10 * USEC_PER_SEC);
        }
        ledger_world_run(&w, USEC_PER_MINUTE);
        for (unsigned k = 0; k < NAMES; k++)
                for (unsigned i = 0; i < 2; i++) {
                        char name[] = { 'n', 'a', 'm', 'e', (char)('0' + k), 0 };

                        find(&w, i * (MEMBERS - 1), name, keys[i][k]);
                }
        tear(&w, 1);
        (void)settle(&w);
        for (unsigned k = 0; k < NAMES; k++) {
                char name[] = { 'n', 'a', 'm', 'e', (char)('0' + k), 0 };

                CHECK(memcmp(keys[0][k], keys[1][k], sizeof key) != 0, "no conflict");
                for (unsigned i = 0; i < MEMBERS; i++) {
                        find(&w, i, name, key);
                        if (i == 0)
                                n_of[memcmp(key, keys[1][k], sizeof key) == 0]++;
                        CHECK(memcmp(key, keys[n_of[1] > 0][k], sizeof key) == 0,
                                "%s is of two, or of the side that lost", name);
                }
        }
        CHECK(n_of[0] == 0 || n_of[1] == 0, "names of both sides");
        CHECK(sum_of_reorganised(&w) >= MEMBERS / 2, "nobody gave in");
        printf("conflict: of %u names that two had registered, all are of the side that won\n",
                NAMES);
        ledger_world_close(&w);
}

/* One with a hundred times the work of each, for itself: so many blocks, each with a name. */
static void work_alone(struct ledger_world *w, unsigned i, uint32_t n_blocks)
{
        uint32_t until = status_of(w, i).height + n_blocks;

        for (unsigned n = 0; status_of(w, i).height < until; n++) {
                char name[USERNAME_SIZE_MAX + 1];

                (void)snprintf(name, sizeof name, "secret-%u-%u", until, n);
                ledger_world_register_for_new(w, i, name);
                while (status_of(w, i).n_waiting > 0)
                        ledger_world_run(w, USEC_PER_SEC);
        }
}

static void run_power(void)
{
        struct ledger_world w;
        unsigned strong = MEMBERS - 1;
        uint32_t height;

        ledger_world_open(&w, seed, &open_genesis, MEMBERS);
        w.nodes[strong].rate = 100;
        ledger_world_connect(&w);
        for (unsigned i = 0; i < 20; i++)
                register_own(&w, i);
        (void)settle(&w);
        /* It turns over what is not final: all follow, and the names come back. */
        w.nodes[strong].side = 1;
        ledger_world_relink(&w);
        for (unsigned i = 20; i < 24; i++) {
                register_own(&w, i);
                ledger_world_run(&w, 20 * USEC_PER_SEC);
        }
        work_alone(&w, strong, 8);
        tear(&w, 1);
        (void)settle(&w);
        CHECK(w.nodes[0].n_reorganised > 0 && w.nodes[0].n_reports == 0, "not followed");
        for (unsigned i = 0; i < 24; i++) {
                struct ledger_name name;

                CHECK(ledger_find_key(w.nodes[0].ledger, w.nodes[i].identity.public_key,
                              LEDGER_BEGIN_USEC, &name),
                        "a name is lost");
        }
        printf("power: a shorter chain was left for one of more work, no name lost\n");
        /* It turns over what is final: all report the same block, and stay. */
        w.nodes[strong].side = 1;
        ledger_world_relink(&w);
        height = status_of(&w, 0).height;
        for (unsigned i = 24; i < 46; i++) {
                register_own(&w, i);
                ledger_world_run(&w, 20 * USEC_PER_SEC);
        }
        work_alone(&w, strong, status_of(&w, 0).height - height + 20);
        CHECK(status_of(&w, 0).height > height + LEDGER_FINAL_DEPTH, "too few blocks");
        w.nodes[strong].manner = MANNER_FORGER; /* not honest: agreement is without it */
        w.is_lying = true;
        tear(&w, 1);
        (void)settle(&w);
        ledger_world_run(&w, USEC_PER_MINUTE);
        w.is_lying = false;
        for (unsigned i = 0; i < strong; i++) {
                const struct ledger_node *n = &w.nodes[i];

                CHECK(!n->is_joined[strong] || (n->n_reports > 0 && n->report_height == height + 1),
                        "member %u reports %u times, height %u", i, n->n_reports, n->report_height);
        }
        printf("power: final blocks stayed, and the block of height %u was reported\n", height + 1);
        ledger_world_close(&w);
}

/* Torn for so long that both sides have final blocks of their own. */
static void run_halves(void)
{
        struct ledger_world w;
        uint32_t height, heights[2];
        unsigned lighter, n_reports = 0;

        ledger_world_open(&w, seed, &open_genesis, MEMBERS);
        ledger_world_connect(&w);
        register_own(&w, 0);
        (void)settle(&w);
        height = status_of(&w, 0).height;
        for (unsigned i = 0; i < MEMBERS; i++)
                w.nodes[i].side = i < MEMBERS / 2 ? 0 : 1;
        ledger_world_relink(&w);
        for (unsigned i = 1; i < 44; i++) {
                register_own(&w, i < 22 ? i : i + 3);
                ledger_world_run(&w, 30 * USEC_PER_SEC);
        }
        ledger_world_run(&w, 5 * USEC_PER_MINUTE);
        heights[0] = status_of(&w, 0).height;
        heights[1] = status_of(&w, MEMBERS - 1).height;
        CHECK(MIN(heights[0], heights[1]) > height + LEDGER_FINAL_DEPTH, "too few blocks");
        tear(&w, 1);
        ledger_world_run(&w, 5 * USEC_PER_MINUTE);
        check(&w);
        lighter = heights[0] < heights[1] ? 0 : 1;
        for (unsigned i = 0; i < MEMBERS; i++) {
                CHECK(w.nodes[i].n_reports == 0 || w.nodes[i].report_height == height + 1,
                        "member %u reports height %u", i, w.nodes[i].report_height);
                n_reports += w.nodes[i].n_reports > 0 && (i >= MEMBERS / 2) == lighter;
                CHECK(memcmp(status_of(&w, i).tip,
                              status_of(&w, i < MEMBERS / 2 ? 0 : MEMBERS - 1).tip, HASH_SIZE) == 0,
                        "the halves are not one each");
        }
        CHECK(heights[0] == heights[1] || n_reports > MEMBERS / 3, "only %u report", n_reports);
        printf("halves: %u and %u blocks, the fork at %u reported by %u of the lighter side\n",
                heights[0] - height, heights[1] - height, height + 1, n_reports);
        ledger_world_close(&w);
}

/* A network with a registrar; @n_promisers promise heavier chains all the time. */
static void run_office(const char *what, unsigned n_promisers)
{
        struct genesis g = { .name = "office", .context.n_registrars = 1 };
        uint8_t key[IDENTITY_SEED_SIZE] = { 7 };
        struct identity registrar;
        struct ledger_world w;
        usec_t took_usec;

        if (identity_init(&registrar, key) < 0)
                abort();
        memcpy(g.context.registrars[0], registrar.public_key, PUBLIC_KEY_SIZE);
        ledger_world_open(&w, seed, &g, MEMBERS);
        w.registrar = &registrar;
        for (unsigned i = 0; i < n_promisers; i++)
                w.nodes[2 * i + 1].manner = MANNER_PROMISER;
        ledger_world_connect(&w);
        took_usec = live_among_liars(&w, is_long ? 800 : 48);
        CHECK(n_promisers == 0 || w.n_withheld[MANNER_PROMISER] > 0, "nothing was promised");
        printf("%s: %u blocks, %" PRIu64
               " names, %u times another chain, one again after %.0f s at most\n",
                what, status_of(&w, 0).height, status_of(&w, 0).n_records, sum_of_reorganised(&w),
                seconds(took_usec));
        ledger_world_close(&w);
        identity_done(&registrar);
}

static void run_registrars(void)
{
        run_office("registrars", 0);
}

/* Where headers cost nothing. */
static void run_promises(void)
{
        run_office("promises", 10);
}

/* Of this machine. */
static void run_bench(void)
{
        ledger_bench(seed, is_long ? 100000 : 2000);
}

static const struct scenario scenarios[] = {
        { "agree", run_agree },
        { "hostile", run_hostile },
        { "conflict", run_conflict },
        { "power", run_power },
        { "halves", run_halves },
        { "registrars", run_registrars },
        { "promises", run_promises },
        { "bench", run_bench },
};

int main(int argc, char **argv)
{
        return scenarios_main(argc, argv, scenarios, ELEMENTSOF(scenarios));
}
