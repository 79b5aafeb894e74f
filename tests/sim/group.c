/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What groups do when people come and go, connections break, machines die and some are hostile
 *
 *     group [--seed N] [--seeds N] [--long] SCENARIO...
 *
 * Fails, with the seed, when members that can reach each other do not end with the same.
 */

#include "tests/lib/test.h"
#include "tests/sim/group-world.h"
#include "tests/sim/scenarios.h"

#define SETTLE_USEC (20 * USEC_PER_MINUTE)

static struct group_world world;

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

static unsigned any(unsigned n)
{
        return (unsigned)random_below(world.random, n);
}

static void open_world(unsigned n)
{
        group_world_open(&world, seed, n);
        group_world_run(&world, USEC_PER_SEC);
}

static usec_t settle(const struct group_id *id)
{
        usec_t took_usec = group_world_settle(&world, id, SETTLE_USEC);

        CHECK(took_usec < USEC_INFINITY, "%s", group_world_difference(&world, id));
        CHECK(!world.wrong, "%s", world.wrong);
        return took_usec;
}

static void close_world(void)
{
        CHECK(!world.wrong, "%s", world.wrong);
        group_world_close(&world);
}

static void tear(unsigned n_sides)
{
        for (unsigned i = 0; i < world.n_nodes; i++)
                world.nodes[i].side = n_sides > 1 ? any(n_sides) : 0;
        group_world_relink(&world);
}

static void heal(void)
{
        for (unsigned i = 0; i < world.n_nodes; i++)
                world.nodes[i].crash = CRASH_NOT;
        tear(1);
        for (unsigned i = 0; i < world.n_nodes; i++)
                if (!world.nodes[i].is_alive)
                        group_world_start(&world, i);
}

/* Each has sessions with a few others only, all together by way of others; pairs are cut for good.
 */
static void thin_out(unsigned n_each)
{
        for (unsigned i = 0; i < world.n_nodes; i++)
                for (unsigned k = 0; k < i; k++) {
                        bool is_neighbour = i - k == 1 || i - k == world.n_nodes - 1;

                        if (!is_neighbour && any((unsigned)world.n_nodes) >= n_each)
                                world.nodes[i].is_cut[k] = world.nodes[k].is_cut[i] = true;
                }
        group_world_relink(&world);
}

/* A member, or somebody who would be one, does something. */
static void happen(const struct group_id *id, bool with_people)
{
        unsigned i = any((unsigned)world.n_nodes);
        bool is_member = group_world_is_member(&world, i, id);

        switch (any(with_people ? 26 : 20)) {
        case 0:
                tear(2 + any(2));
                break;
        case 1:
                tear(1);
                break;
        case 2:
                if (i > 0 && world.nodes[i].is_alive)
                        group_world_crash(&world, i);
                break;
        case 3:
                if (i > 0 && world.nodes[i].is_alive)
                        world.nodes[i].crash = any(2) ? CRASH_UNSENT : CRASH_UNSTORED;
                break;
        case 4:
        case 5:
                if (!world.nodes[i].is_alive)
                        group_world_start(&world, i);
                break;
        case 20:
        case 21:
                if (i > 0)
                        (void)group_world_invite(&world, 0, id, i);
                break;
        case 22:
                if (i > 0)
                        (void)group_world_remove(&world, 0, id, i);
                break;
        case 23:
        case 24:
        case 25:
                if (i > 0 && is_member)
                        (void)group_world_leave(&world, i, id);
                break;
        default:
                if (is_member)
                        (void)group_world_say(&world, i, id);
        }
}

static usec_t live(const struct group_id *id, unsigned n_events, bool with_people)
{
        usec_t longest_usec = 0;

        for (unsigned n = 0; n < n_events; n++) {
                happen(id, with_people);
                group_world_run(&world, random_below(world.random, 2 * USEC_PER_SEC));
                if (n % 32 != 31)
                        continue;
                heal();
                longest_usec = MAX(longest_usec, settle(id));
        }
        return longest_usec;
}

/* Groups of 2 to 50; everybody is connected with everybody, or with a few. */
static void run_agree(void)
{
        static const unsigned sizes[] = { 2, 3, 5, 10, 50 };

        for (unsigned k = 0; k < 2 * ELEMENTSOF(sizes); k++) {
                unsigned n = sizes[k / 2];
                struct group_id id;
                usec_t took_usec;

                open_world(n);
                if (k % 2 == 1)
                        thin_out(3);
                CHECK(group_world_create(&world, 0, n, &id) == 0, "no group");
                took_usec = live(&id, is_long ? 640 : 64, false);
                printf("agree: %u members, %s: %" PRIu64
                       " messages, one again after %.0f s, %" PRIu64 " frames of %" PRIu64 " kB\n",
                        n, k % 2 == 1 ? "a few sessions each" : "all with all",
                        group_world_count(&world, 0, &id), seconds(took_usec), world.n_messages,
                        world.n_bytes / 1000);
                close_world();
        }
}

/* Members come, go, are removed and invited again. */
static void run_people(void)
{
        for (unsigned k = 0; k < 2; k++) {
                unsigned n = k == 0 ? 12 : 30, n_ended = 0;
                struct group_id id;
                struct group_info info;
                usec_t took_usec;

                open_world(n);
                CHECK(group_world_create(&world, 0, n / 2, &id) == 0, "no group");
                took_usec = live(&id, is_long ? 1600 : 256, true);
                group_world_run(&world, USEC_PER_MINUTE);
                (void)group_find(world.nodes[0].engine, &id, &info);
                for (unsigned i = 0; i < n; i++) {
                        struct group_info other;

                        if (!group_find(world.nodes[i].engine, &id, &other))
                                continue;
                        n_ended += other.state == GROUP_ENDED;
                        CHECK(other.state == GROUP_MEMBER || other.state == GROUP_ENDED,
                                "node %u is in state %d", i, other.state);
                }
                printf("people: version %u, %zu of %u are members, %u were, one again after %.0f "
                       "s\n",
                        info.version, info.n_members, n, n_ended, seconds(took_usec));
                CHECK(info.version > 10 && n_ended > 0, "nothing happened");
                close_world();
        }
}

/* The author tells one member, who cannot reach all, and is gone for ever. */
static void run_gone(void)
{
        struct group_id id;
        usec_t took_usec;

        open_world(10);
        CHECK(group_world_create(&world, 0, 10, &id) == 0, "no group");
        group_world_run(&world, 5 * USEC_PER_SEC);
        /* 9 - 1 - 2 - ... - 8 - 0 */
        for (unsigned i = 0; i < 10; i++)
                for (unsigned k = 0; k < i; k++)
                        world.nodes[i].is_cut[k] = world.nodes[k].is_cut[i] =
                                !((i == 9 && k == 1) || (i < 9 && i - k == 1 && k > 0) ||
                                        (i == 8 && k == 0));
        group_world_relink(&world);
        for (unsigned n = 0; n < 100; n++)
                CHECK(group_world_say(&world, 9, &id) == 0, "not said");
        group_world_run(&world, 85 * USEC_PER_MSEC);
        CHECK(world.nodes[1].n_new == 100 && world.nodes[2].n_new == 0, "one was to be told");
        group_world_crash(&world, 9);
        took_usec = settle(&id);
        CHECK(group_world_count(&world, 0, &id) == 100, "%" PRIu64 " arrived",
                group_world_count(&world, 0, &id));
        printf("gone: 100 messages through 8 members in %.0f s\n", seconds(took_usec));
        close_world();
}

/* An author forgets what it wrote, writes other things, and gets back what it wrote before. */
static void run_backup(void)
{
        struct group_id id;
        usec_t took_usec;

        open_world(6);
        CHECK(group_world_create(&world, 0, 6, &id) == 0, "no group");
        group_world_run(&world, 5 * USEC_PER_SEC);
        for (unsigned n = 0; n < 5; n++)
                (void)group_world_say(&world, 3, &id);
        group_world_run(&world, USEC_PER_SEC);
        group_world_back_up(&world, 3);
        for (unsigned n = 0; n < 5; n++)
                (void)group_world_say(&world, 3, &id);
        group_world_run(&world, USEC_PER_SEC);
        group_world_crash(&world, 3);
        for (unsigned i = 0; i < 6; i++)
                world.nodes[3].is_cut[i] = world.nodes[i].is_cut[3] = true;
        group_world_start_from_backup(&world, 3);
        /* Nobody tells it that it wrote more. */
        for (unsigned n = 0; n < 5; n++)
                (void)group_world_say(&world, 3, &id);
        for (unsigned i = 0; i < 6; i++)
                world.nodes[3].is_cut[i] = world.nodes[i].is_cut[3] = false;
        group_world_relink(&world);
        took_usec = settle(&id);
        for (unsigned i = 0; i < 6; i++)
                CHECK(group_world_count(&world, i, &id) == 15, "node %u has %" PRIu64, i,
                        group_world_count(&world, i, &id));
        printf("backup: an author got its five messages back after %.0f s\n", seconds(took_usec));
        close_world();
}

/* The creator is restored from a backup, and makes other versions than the members have. */
static void run_fork(void)
{
        for (unsigned ahead = 0; ahead < 3; ahead++) {
                unsigned n_contradicted = 0;
                struct group_id id;
                usec_t took_usec;

                open_world(12);
                CHECK(group_world_create(&world, 0, 6, &id) == 0, "no group");
                group_world_run(&world, 5 * USEC_PER_SEC);
                group_world_back_up(&world, 0);
                (void)group_world_invite(&world, 0, &id, 6);
                (void)group_world_invite(&world, 0, &id, 7);
                group_world_run(&world, 5 * USEC_PER_SEC);
                for (unsigned i = 0; i < 12; i++)
                        (void)group_world_say(&world, i, &id);
                group_world_run(&world, 5 * USEC_PER_SEC);
                group_world_crash(&world, 0);
                /* Of the others, half hear of the new versions first. */
                for (unsigned i = 0; i < 12; i++)
                        world.nodes[i].side = i % 2;
                for (unsigned i = 1; i < 6; i += 2)
                        world.nodes[i].side = 1;
                for (unsigned i = 2; i < 8; i += 2)
                        group_world_crash(&world, i);
                group_world_start_from_backup(&world, 0);
                for (unsigned n = 0; n < 1 + ahead; n++)
                        (void)group_world_invite(&world, 0, &id, 8 + n);
                (void)group_world_say(&world, 0, &id);
                group_world_run(&world, 5 * USEC_PER_SEC);
                heal();
                took_usec = settle(&id);
                for (unsigned i = 0; i < 12; i++)
                        n_contradicted += world.nodes[i].n_contradicted;
                /* The creator finds somebody missing, and says so again. */
                for (unsigned i = 6; i < 10; i++)
                        (void)group_world_invite(&world, 0, &id, i);
                took_usec = MAX(took_usec, settle(&id));
                for (unsigned i = 0; i < 10; i++)
                        CHECK(group_world_is_member(&world, i, &id), "node %u is none", i);
                printf("fork: %u versions against two, %u contradictions seen, one after %.0f s\n",
                        1 + ahead, n_contradicted, seconds(took_usec));
                close_world();
        }
}

/* Hostile members, who know all that members know */

static void post_to_all(unsigned i, const uint8_t *data, size_t size)
{
        for (unsigned k = 0; k < world.n_nodes; k++)
                group_world_post(&world, i, k, data, size);
}

static uint32_t version_of(unsigned i, const struct group_id *id)
{
        struct group_info info = { .version = 0 };

        (void)group_find(world.nodes[i].engine, id, &info);
        return info.version;
}

/* A message of @author in a stream of its own, sent by @i. */
static void post_message(
        unsigned i, unsigned author, const struct group_id *id, uint32_t version, bool is_genuine)
{
        static uint8_t data[GROUP_FRAME_SIZE_MAX];
        struct group_message m = { .group = *id,
                .lane = { .version = version },
                .number = 1,
                .text = "hello",
                .text_size = 5 };
        size_t size;

        m.lane.stream = random_u64(world.random);
        CHECK(group_message_sign(&m, &world.nodes[author].identity, data + 1, &size) == 0,
                "no memory");
        data[0] = GROUP_GOSSIP_MESSAGE;
        data[size] ^= !is_genuine;
        post_to_all(i, data, 1 + size);
}

static void post_promises(unsigned i, const struct group_id *id)
{
        static uint8_t data[GROUP_FRAME_SIZE_MAX];
        size_t size = group_gossip_have(id, GROUP_HAVE_ANSWER, data);

        for (unsigned n = 0; n < 500; n++) {
                struct group_lane_id lane = { world.nodes[any(5)].key, random_u64(world.random),
                        version_of(i, id) };

                size = group_gossip_have_lane(data, size, &lane, 1 + any(1000));
        }
        post_to_all(i, data, size);
}

/* All that an honest member has stored, whether @i has a right to it or not. */
static void post_requests(unsigned i)
{
        static uint8_t data[GROUP_FRAME_SIZE_MAX];
        const struct group_disk *d = &world.nodes[0].disk;

        for (size_t k = 0; k < d->n_messages; k++) {
                struct group_gossip get = { .group = d->messages[k].group,
                        .lane = d->messages[k].lane,
                        .number = d->messages[k].number,
                        .n = 1 };

                post_to_all(i, data, group_gossip_get(&get, data));
        }
}

static void post_forged_membership(unsigned i, const struct group_id *id)
{
        static uint8_t data[GROUP_FRAME_SIZE_MAX];
        const struct group_disk *d = &world.nodes[i].disk;
        struct group_membership *m;

        for (size_t k = 0; k < d->n_groups; k++) {
                if (!group_id_equal(&d->groups[k].id, id) ||
                        group_membership_decode(d->groups[k].data, d->groups[k].size, &m) != 0)
                        continue;
                m->version += 5;
                memset(m->previous, 1, sizeof m->previous);
                data[0] = GROUP_GOSSIP_MEMBERSHIP;
                post_to_all(i, data, 1 + group_membership_encode(m, data + 1));
                free(m);
        }
}

static void act(unsigned i, const struct group_id *id, unsigned removed, uint32_t version)
{
        switch (world.nodes[i].manner) {
        case GROUP_HONEST:
                break;
        case GROUP_FORGER:
                if (any(2))
                        post_message(i, i, id, version_of(i, id), false);
                else
                        post_forged_membership(i, id);
                break;
        case GROUP_FLOODER:
                for (unsigned n = 0; n < 100; n++)
                        post_message(i, i, id, version_of(i, id), true);
                break;
        case GROUP_PROMISER:
                post_promises(i, id);
                break;
        case GROUP_SMUGGLER:
                /* Dated back to when its author belonged. */
                post_message(i, removed, id, version, true);
                post_message(i, removed, id, version_of(i, id), true);
                break;
        case GROUP_GREEDY:
                post_requests(i);
                break;
        }
}

enum { MEMBERS = 20, NEWCOMER = 18, REMOVED = 19 };

static void be_hostile(void)
{
        for (unsigned i = 0; i < 2; i++) {
                world.nodes[11 + i].manner = GROUP_FORGER;
                world.nodes[13 + i].manner = GROUP_PROMISER;
                world.nodes[15 + i].manner = GROUP_SMUGGLER;
        }
        world.nodes[NEWCOMER].manner = world.nodes[REMOVED].manner = GROUP_GREEDY;
}

static void check_hostile(void)
{
        unsigned n_loads = 0;

        for (unsigned i = 0; i <= 10; i++) {
                n_loads += world.nodes[i].n_loads;
                CHECK(group_world_stored(&world, i, REMOVED) == 1, "%zu messages of the removed",
                        group_world_stored(&world, i, REMOVED));
        }
        CHECK(n_loads > 0, "nothing was asked for");
        CHECK(world.n_banned[GROUP_FORGER] > 0, "forgers were not banned");
        CHECK(world.n_banned[GROUP_PROMISER] + world.n_banned[GROUP_SMUGGLER] +
                                world.n_banned[GROUP_GREEDY] ==
                        0,
                "somebody is banned for what honest members may do");
}

static void run_hostile(void)
{
        unsigned n_rounds = is_long ? 100 : 12;
        struct group_id id;
        uint32_t version;
        uint64_t n_before;
        usec_t took_usec = 0;

        open_world(MEMBERS);
        CHECK(group_world_create(&world, 0, NEWCOMER, &id) == 0, "no group");
        (void)group_world_invite(&world, 0, &id, REMOVED);
        group_world_run(&world, 10 * USEC_PER_SEC);
        version = version_of(0, &id);
        for (unsigned i = 0; i < MEMBERS; i++)
                (void)group_world_say(&world, i, &id);
        settle(&id);
        CHECK(group_world_remove(&world, 0, &id, REMOVED) == 0, "not removed");
        CHECK(group_world_invite(&world, 0, &id, NEWCOMER) == 0, "not invited");
        group_world_run(&world, 10 * USEC_PER_SEC);
        n_before = group_world_count(&world, 0, &id);
        be_hostile();
        for (unsigned n = 0; n < n_rounds; n++) {
                for (unsigned i = 11; i < MEMBERS; i++)
                        act(i, &id, REMOVED, version);
                (void)group_world_say(&world, any(11), &id);
                if (n % 4 == 1)
                        tear(2);
                group_world_run(&world, random_below(world.random, 5 * USEC_PER_SEC));
                tear(1);
                took_usec = MAX(took_usec, settle(&id));
        }
        check_hostile();
        CHECK(group_world_count(&world, 0, &id) == n_before + n_rounds,
                "%" PRIu64 " messages instead of %" PRIu64, group_world_count(&world, 0, &id),
                n_before + n_rounds);
        printf("hostile: %u bans of forgers, one again after %.0f s\n",
                world.n_banned[GROUP_FORGER], seconds(took_usec));
        close_world();
}

/* One begins streams without end: it fills its own share, and all others go on. */
static void run_flood(void)
{
        enum { FLOODER = 3 };
        struct group_id id;
        uint64_t n_own = 0;

        open_world(4);
        CHECK(group_world_create(&world, 0, 4, &id) == 0, "no group");
        group_world_run(&world, 5 * USEC_PER_SEC);
        world.nodes[FLOODER].manner = GROUP_FLOODER;
        for (unsigned n = 0; n < 11; n++) {
                act(FLOODER, &id, 0, 0);
                if (n % 4 == 0 && group_world_say(&world, n % 3, &id) == 0)
                        n_own++;
                group_world_run(&world, USEC_PER_SEC);
        }
        settle(&id);
        CHECK(group_world_count(&world, 0, &id) == GROUP_LANES_PER_AUTHOR_MAX + n_own,
                "%" PRIu64 " messages", group_world_count(&world, 0, &id));
        CHECK(world.n_banned[GROUP_FLOODER] == 0, "a flooder is banned");
        printf("flood: %d streams of one were taken, all others went on\n",
                GROUP_LANES_PER_AUTHOR_MAX);
        close_world();
}

/* A newcomer, and one who was away for long, catch up. */
static void run_catch_up(void)
{
        unsigned n_messages = is_long ? 5000 : 300;
        struct group_id id;
        usec_t took_usec;

        open_world(5);
        CHECK(group_world_create(&world, 0, 4, &id) == 0, "no group");
        group_world_run(&world, 5 * USEC_PER_SEC);
        group_world_crash(&world, 3);
        for (unsigned n = 0; n < n_messages; n++) {
                (void)group_world_say(&world, n % 3, &id);
                group_world_run(&world, 10 * USEC_PER_MSEC);
        }
        (void)group_world_invite(&world, 0, &id, 4);
        (void)group_world_say(&world, 1, &id);
        settle(&id);
        group_world_start(&world, 3);
        took_usec = settle(&id);
        CHECK(group_world_count(&world, 3, &id) == n_messages + 1, "%" PRIu64 " messages",
                group_world_count(&world, 3, &id));
        CHECK(group_world_count(&world, 4, &id) <= 1, "a newcomer has what is older than it");
        printf("catch-up: %u messages in %.0f s\n", n_messages, seconds(took_usec));
        close_world();
}

static const struct scenario scenarios[] = {
        { "agree", run_agree },
        { "people", run_people },
        { "gone", run_gone },
        { "backup", run_backup },
        { "fork", run_fork },
        { "hostile", run_hostile },
        { "flood", run_flood },
        { "catch-up", run_catch_up },
};

int main(int argc, char **argv)
{
        return scenarios_main(argc, argv, scenarios, ELEMENTSOF(scenarios));
}
