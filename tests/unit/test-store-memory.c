/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store without memory
 *
 * The n-th allocation of ours, or of SQLite, fails, for each n until a scenario gets through: it
 * ends with -ENOMEM, and what was committed before is there.
 */
#include <sqlite3.h>

#include "lib/failing-memory.h"
#include "lib/fault-vfs.h"
#include "lib/store-fixture.h"

#define TURNS 3
#define N_LEDGER 7 /* changes of the ledger, the last of the first turn */

/* SQLite's own, in front of those that it came with. */
static sqlite3_mem_methods original;
static bool in_sqlite; /* count these too */

static void *sqlite_malloc(int size)
{
        return in_sqlite && is_failing() ? NULL : original.xMalloc(size);
}

static void *sqlite_realloc(void *p, int size)
{
        return in_sqlite && is_failing() ? NULL : original.xRealloc(p, size);
}

static int setup(void)
{
        sqlite3_mem_methods methods;

        ASSERT_OK(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &original));
        methods = original;
        methods.xMalloc = sqlite_malloc;
        methods.xRealloc = sqlite_realloc;
        ASSERT_OK(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods));
        ASSERT_OK(sqlite3_initialize());
        return fixture_setup();
}

static int count_text(const struct message_record *m, void *userdata)
{
        ++*(size_t *)userdata;
        return 0;
}

static int count_stream(const struct stream_record *m, void *userdata)
{
        ++*(size_t *)userdata;
        return 0;
}

static int count_mark(const struct mark_record *m, void *userdata)
{
        ++*(size_t *)userdata;
        return 0;
}

static int count_refused(const struct refused_record *m, void *userdata)
{
        ++*(size_t *)userdata;
        return 0;
}

static int count_block(const struct block_record *b, void *userdata)
{
        *(size_t *)userdata += b->size > 0;
        return 0;
}

static int load_ledger(struct store *s)
{
        static const uint8_t network[HASH_SIZE] = "memory";
        struct ledger_record ledger;
        size_t n = 0;
        int r;

        r = store_load_genesis(s, count_block, &n);
        if (r == 0)
                r = store_load_blocks(s, network, 1, 100, count_block, &n);
        if (r == 0)
                r = store_load_ledger(s, &ledger);
        if (r == 0)
                ASSERT_EQ(n, 3); /* none is unreadable for want of memory */
        return r;
}

static int load_streams(struct store *s, size_t turns)
{
        size_t n = 0;
        int r;

        r = store_load_streams(s, count_stream, &n);
        if (r == 0)
                r = store_load_marks(s, count_mark, &n);
        if (r == 0)
                r = store_load_refused(s, count_refused, &n);
        if (r == 0)
                ASSERT_EQ(n, 2 * turns); /* the mark has overtaken the refusal */
        return r;
}

/* One more turn: all that is not queued, and then what one peer sends again. */
static int erase(struct store **s, int *ret_turns)
{
        struct store_options options = fixture_options("memory.db", "memory");
        const struct change again = fixture_native(999, 1, 9, 1);
        usec_t next;
        int r;

        *s = store_free(*s);
        options.age_max_usec = USEC_PER_MINUTE;
        r = store_open(&options, s);
        if (r == 0)
                r = store_expire(*s, FIXTURE_TIME + USEC_PER_HOUR, &next);
        if (r == 0)
                r = store_apply(*s, &again);
        if (r == 0)
                r = store_commit(*s);
        if (r == 0)
                ++*ret_turns;
        return r;
}

static struct change fixture_block(uint32_t height, const uint8_t *data, size_t size)
{
        return (struct change){ .type = CHANGE_BLOCK,
                .block = { .network = "memory", .height = height, .data = data, .size = size } };
}

/* Turns that were committed, or a negative error. */
static int run_scenario(struct store **s, int *ret_turns)
{
        const struct store_options options = fixture_options("memory.db", "memory");
        const struct store_query query = { .rows_max = 100, .bytes_max = 1000, .search = "TEXT" };
        int r;

        r = store_open(&options, s);
        for (uint64_t t = 1; r == 0 && t <= TURNS; t++) {
                uint8_t block[300] = {};
                struct change changes[] = {
                        fixture_peer(t, "Ada"),
                        fixture_message(2 * t, t, MESSAGE_RECEIVED, "some text"),
                        fixture_message(2 * t + 1, t, MESSAGE_QUEUED, "more text"),
                        fixture_state(2 * t + 1, MESSAGE_SENT),
                        { .type = CHANGE_USERNAME, .text = "Ece" },
                        fixture_native(100 + t, t, t, 1),
                        fixture_native(200 + t, t, t + 1, 1),
                        fixture_message(300 + t, t, MESSAGE_QUEUED, "even more text"),
                        fixture_numbered(300 + t, t),
                        fixture_stream(t, t, t, 1),
                        fixture_refused(t, t, t, REFUSED_OTHER),
                        fixture_mark(t, t, 300),
                        { .type = CHANGE_SESSION, .session = { .user = "Ada", .what = "idle" } },
                        fixture_block(0, block, 100),
                        fixture_block(1, block, sizeof block),
                        { .type = CHANGE_BLOCKS_GONE, .block = { .network = "memory" } },
                        fixture_block(1, block, sizeof block),
                        fixture_block(2, block, sizeof block),
                        { .type = CHANGE_LEDGER, .ledger = { .n_waiting = 1 } },
                        { .type = CHANGE_CERTIFIED, .certified = { .name = "Ece" } },
                };
                size_t n_changes = ELEMENTSOF(changes) - (t == 1 ? 0 : N_LEDGER), n = 0, size;
                char *text = NULL;

                changes[3].state.endpoint = endpoint_ipv4(10, 0, 0, 1, 1);
                for (size_t i = 0; i < n_changes && r == 0; i++) {
                        r = store_apply(*s, &changes[i]);
                        if (r == 0 && i == 2) {
                                r = store_load_text(
                                        *s, &changes[2].message.id, &(usec_t){ 0 }, &text, &size);
                                free(text);
                        }
                }
                if (r == 0)
                        r = store_commit(*s);
                if (r == 0) {
                        *ret_turns = (int)t;
                        ASSERT_EQ(fixture_drain(*s), t == 1 ? 9 : 8);
                        r = store_read(*s, &query, count_text, &n, NULL);
                        if (r == 0) {
                                ASSERT_EQ(n, 3 * t);
                                r = load_streams(*s, t);
                                if (r == 0)
                                        r = load_ledger(*s);
                        }
                }
        }
        return r < 0 ? r : erase(s, ret_turns);
}

/* That @turns leave; after the last one only what is queued is not erased. */
static ssize_t expected(int turns)
{
        return turns <= TURNS ? 4 * turns : TURNS;
}

static void run_all(void)
{
        size_t n = 0;
        bool happened;

        do {
                struct fault_vfs *vfs = NULL;
                struct store *s = NULL;
                int turns = 0, r;

                ASSERT_OK(fault_vfs_new("memory", 1, &vfs));
                n_allocations = 0;
                fail_at = ++n;
                r = run_scenario(&s, &turns);
                fail_at = SIZE_MAX;
                happened = n_allocations >= n;
                if (!happened)
                        ASSERT_OK(r);
                else if (r != 0) /* what is only convenient may be missing */
                        ASSERT_EQ(r, -ENOMEM);
                s = store_free(s);
                ASSERT_OK(store_open(&(struct store_options){ .path = "memory.db",
                                             .vfs = "memory",
                                             .secret = fixture_secret,
                                             .random = fixture_random,
                                             .age_max_usec = USEC_INFINITY },
                        &s));
                if (fixture_count(s) != expected(turns) && fixture_count(s) != expected(turns + 1))
                        TEST_FAIL("after %d turns %zd messages", turns, fixture_count(s));
                store_free(s);
                fault_vfs_free(vfs);
        } while (happened);
        printf("# %d allocations\n", (int)n - 1);
        ASSERT_GT(n, 20);
}

/*
 * Groups
 */
static int count_group(const struct group_record *g, void *userdata)
{
        ++*(size_t *)userdata;
        return 0;
}

static int count_leave(const struct leave_record *l, void *userdata)
{
        ++*(size_t *)userdata;
        return 0;
}

static int count_lane(const struct lane_record *l, void *userdata)
{
        ++*(size_t *)userdata;
        return 0;
}

static int count_told(const struct told_record *t, void *userdata)
{
        ++*(size_t *)userdata;
        return 0;
}

static int load_groups(struct store *s, size_t *ret)
{
        int r;

        *ret = 0;
        r = store_load_groups(s, count_group, ret);
        if (r == 0)
                r = store_load_leaves(s, count_leave, ret);
        if (r == 0)
                r = store_load_lanes(s, count_lane, ret);
        return r < 0 ? r : store_load_told(s, count_told, ret);
}

static int run_groups(struct store **s)
{
        static const uint8_t data[1000];
        const struct store_options options = fixture_options("groups.db", "groups");
        const struct group_lane_id lane = { .stream = 1, .version = 1 };
        struct change changes[] = {
                { .type = CHANGE_GROUP,
                        .group = { .number = 1, .membership = data, .size = sizeof data } },
                { .type = CHANGE_LEAVE, .leave = { 1, .data = data, .size = 100 } },
                fixture_message(1, 1, MESSAGE_QUEUED, "to all"),
                fixture_message(2, 1, MESSAGE_RECEIVED, "from one"),
                { .type = CHANGE_GROUP_MUTED, .muted = { 1, USEC_INFINITY } },
                { .type = CHANGE_LANE, .lane = { 1, lane, 9 } },
        };
        size_t n;
        int r;

        changes[2].message.group = changes[3].message.group =
                (struct group_part){ .lane = lane, .number = 1 };
        changes[3].message.group.number = 2;
        r = store_open(&options, s);
        for (size_t i = 0; i < ELEMENTSOF(changes) && r == 0; i++)
                r = store_apply(*s, &changes[i]);
        if (r == 0)
                r = store_commit(*s);
        if (r == 0)
                r = store_load_group_message(*s, 1, &lane, 2, count_text, &n);
        if (r == 0)
                r = load_groups(*s, &n);
        if (r == 0)
                ASSERT_EQ(n, 4);
        return r;
}

TEST(each_allocation_for_groups_fails)
{
        bool happened = true;

        in_sqlite = false;
        for (size_t n = 1, n_loaded; happened; n++) {
                struct fault_vfs *vfs = NULL;
                struct store *s = NULL;
                int r;

                ASSERT_OK(fault_vfs_new("groups", 1, &vfs));
                n_allocations = 0;
                fail_at = n;
                r = run_groups(&s);
                fail_at = SIZE_MAX;
                happened = n_allocations >= n;
                if (r != 0 || !happened)
                        ASSERT_EQ(r, happened ? -ENOMEM : 0);
                store_free(s);
                s = fixture_open("groups.db", "groups");
                ASSERT_OK(load_groups(s, &n_loaded));
                ASSERT_TRUE(n_loaded == 0 || n_loaded == 4);
                store_free(s);
                fault_vfs_free(vfs);
        }
}

TEST(each_allocation_of_ours_fails)
{
        in_sqlite = false;
        run_all();
}

TEST(each_allocation_of_sqlite_fails)
{
        in_sqlite = true;
        run_all();
}

TEST_MAIN_WITH(setup)
