/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store on a disk that fails
 *
 * One scenario of turns runs again and again, and each time another write or sync of it fails or is
 * the last before the power goes. Whatever happens: what was committed is there, nothing is half
 * there, and after a failure the store takes nothing more.
 */
#include "lib/fault-vfs.h"
#include "lib/store-fixture.h"

#define TURNS 12
#define REOPEN_AT 5 /* closed and opened in this turn: the log goes into the database */
#define FORGET_AT 8 /* and here, by forgetting */
#define BATCH_AT 10 /* a large turn */
#define BATCH 200
#define FORGOTTEN 900 /* peer that is forgotten */
#define STREAMS_PEER 1
#define STREAM UINT64_C(0xfedcba9876543210)

struct run {
        struct fault_vfs *vfs;
        struct store *store;
        int n_turns; /* committed */
        int error;   /* that ended it, or 0 */
};

static int apply(struct run *r, struct change c)
{
        return store_apply(r->store, &c);
}

/* Each turn: a new peer, a message received, twice, one queued, and the one queued before is
 * delivered; and with all of these the streams go on. */
static int turn(struct run *r, uint64_t t)
{
        const struct change changes[] = {
                fixture_peer(t, "Ada"),
                fixture_native(2 * t, t, t, 2 * t),
                fixture_native(5 * TURNS + t, t, t, 2 * t),
                fixture_mark(STREAMS_PEER, STREAM, t),
                fixture_refused(STREAMS_PEER, STREAM, t, REFUSED_OTHER),
                fixture_message(2 * t + 1, t, MESSAGE_QUEUED, "out"),
                fixture_numbered(2 * t + 1, t),
                fixture_stream(STREAMS_PEER, STREAM, t, t),
                fixture_state(2 * t - 1, MESSAGE_DELIVERED),
        };
        int k = 0;

        for (size_t i = 0; k == 0 && i < ELEMENTSOF(changes); i++)
                k = apply(r, changes[i]);
        if (k == 0 && t == FORGET_AT - 1)
                k = apply(r, fixture_message(5000, FORGOTTEN, MESSAGE_RECEIVED, "forget me"));
        if (k == 0 && t == FORGET_AT)
                k = apply(r, (struct change){ .type = CHANGE_FORGET, .number = FORGOTTEN });
        for (uint64_t i = 0; k == 0 && t == BATCH_AT && i < BATCH; i++)
                k = apply(r, fixture_message(10000 + i, 1, MESSAGE_RECEIVED, "batch"));
        if (k == 0)
                k = store_commit(r->store);
        return k;
}

static int open_store(struct run *r)
{
        const struct store_options options = fixture_options("crash.db", "crash");

        return store_open(&options, &r->store);
}

static void run_scenario(struct run *r)
{
        r->error = open_store(r);
        for (uint64_t t = 1; r->error == 0 && t <= TURNS; t++) {
                if (t == REOPEN_AT) {
                        r->store = store_free(r->store);
                        r->error = open_store(r);
                        if (r->error != 0)
                                return;
                }
                r->error = turn(r, t);
                if (r->error == 0)
                        r->n_turns = (int)t;
        }
}

static int see_stream(const struct stream_record *stream, void *userdata)
{
        *(uint64_t *)userdata += stream->given;
        return 0;
}

static int see_mark(const struct mark_record *mark, void *userdata)
{
        *(uint64_t *)userdata += mark->number;
        return 0;
}

static int see_refused(const struct refused_record *refused, void *userdata)
{
        ++*(uint64_t *)userdata;
        return 0;
}

static int see_queued(const struct queued_record *queued, void *userdata)
{
        *(uint64_t *)userdata += queued->stream_number;
        return 0;
}

/* All of the streams stand at @t. */
static bool are_streams_at(struct store *s, uint64_t t)
{
        uint64_t given = 0, mark = 0, n_refused = 0, number = 0;

        ASSERT_OK(store_load_streams(s, see_stream, &given));
        ASSERT_OK(store_load_marks(s, see_mark, &mark));
        ASSERT_OK(store_load_refused(s, see_refused, &n_refused));
        ASSERT_OK(store_load_queued(s, see_queued, &number));
        return given == t && mark == t && n_refused == t && number == t;
}

/* Exactly what @t turns leave. */
static bool is_state_of(struct store *s, int t)
{
        size_t n = (size_t)t * 2;
        uint64_t last = n;

        if (t >= FORGET_AT - 1)
                last++;
        if (t == FORGET_AT - 1)
                n++;
        if (t >= BATCH_AT) {
                n += BATCH;
                last += BATCH;
        }
        return fixture_count(s) == (ssize_t)n && store_last_sequence(s) == last &&
               fixture_queued(s) == (t > 0 ? 1 : 0) && fixture_peers(s) == (size_t)t &&
               are_streams_at(s, (uint64_t)t);
}

/* After the failure: the same error for ever, and no events. */
static void check_is_closed(struct run *r)
{
        struct store_event e;
        struct change c = fixture_message(7777, 1, MESSAGE_RECEIVED, "more");

        if (!r->store)
                return;
        while (store_next_event(r->store, &e))
                ;
        ASSERT_EQ(store_apply(r->store, &c), r->error);
        ASSERT_EQ(store_commit(r->store), r->error);
        ASSERT_FALSE(store_next_event(r->store, &e));
}

static void check_after(struct run *r)
{
        ssize_t n;

        r->store = NULL;
        ASSERT_OK(open_store(r));
        if (!is_state_of(r->store, r->n_turns) && !is_state_of(r->store, r->n_turns + 1))
                TEST_FAIL("after %d committed turns: %zd messages, %zu queued, %zu peers, last %d",
                        r->n_turns, fixture_count(r->store), fixture_queued(r->store),
                        fixture_peers(r->store), (int)store_last_sequence(r->store));
        /* And it goes on from there; what is committed now survives a power cut as well, even if
         * something below it never reached the disk. */
        n = fixture_count(r->store);
        ASSERT_OK(turn(r, 100));
        fault_vfs_power_cut(r->vfs, false);
        store_free(r->store);
        ASSERT_OK(open_store(r));
        ASSERT_EQ(fixture_count(r->store), n + 2);
        store_free(r->store);
}

/* True when the fault happened. */
static bool run_with(enum fault fault, uint64_t n, bool torn, bool then_power)
{
        struct run r = {};
        bool happened;

        ASSERT_OK(fault_vfs_new("crash", n, &r.vfs));
        fault_vfs_set_torn(r.vfs, torn);
        fault_vfs_plan(r.vfs, fault, n);
        run_scenario(&r);
        happened = fault_vfs_happened(r.vfs);
        if (happened && r.error == 0)
                ASSERT_EQ(r.n_turns, TURNS); /* it hit a copy into the database: no harm */
        if (r.error != 0) {
                ASSERT_TRUE(happened);
                ASSERT_LT(r.error, 0);
                if (fault == FAULT_FULL)
                        ASSERT_EQ(r.error, -ENOSPC);
                check_is_closed(&r);
        }
        if (then_power)
                fault_vfs_power_cut(r.vfs, torn);
        else
                fault_vfs_kill(r.vfs);
        store_free(r.store);
        fault_vfs_plan(r.vfs, FAULT_NONE, 0);
        check_after(&r);
        fault_vfs_free(r.vfs);
        return happened;
}

static void run_all(enum fault fault, bool torn, bool then_power)
{
        uint64_t n = 0;

        while (run_with(fault, ++n, torn, then_power))
                ;
        printf("# %d places\n", (int)n - 1);
        ASSERT_GT(n, 10);
}

TEST(power_cut_at_every_operation)
{
        run_all(FAULT_POWER, false, true);
}

TEST(power_cut_with_torn_writes)
{
        run_all(FAULT_POWER, true, true);
}

TEST(write_fails_everywhere)
{
        run_all(FAULT_WRITE, false, false);
}

TEST(sync_fails_everywhere)
{
        run_all(FAULT_SYNC, false, true);
        run_all(FAULT_SYNC, false, false);
}

TEST(disk_full_everywhere)
{
        run_all(FAULT_FULL, false, false);
}

TEST(kill_between_turns)
{
        for (int t = 0; t <= TURNS; t++) {
                struct run r = {};

                ASSERT_OK(fault_vfs_new("crash", 1, &r.vfs));
                ASSERT_OK(open_store(&r));
                for (int i = 1; i <= t; i++)
                        ASSERT_OK(turn(&r, (uint64_t)i));
                r.n_turns = t;
                /* Half a turn that is never committed. */
                ASSERT_OK(apply(&r, fixture_message(9000, 1, MESSAGE_RECEIVED, "never")));
                fault_vfs_kill(r.vfs);
                store_free(r.store);
                ASSERT_OK(open_store(&r));
                ASSERT_TRUE(is_state_of(r.store, t));
                store_free(r.store);
                fault_vfs_free(r.vfs);
        }
}

/* A commit is one sync, whatever is in it; a turn without changes is none. */
TEST(one_sync_per_turn)
{
        struct run r = {};
        uint64_t n;

        ASSERT_OK(fault_vfs_new("crash", 1, &r.vfs));
        ASSERT_OK(open_store(&r));
        ASSERT_OK(turn(&r, 1));
        n = fault_vfs_n_syncs(r.vfs);
        ASSERT_OK(turn(&r, 2));
        ASSERT_EQ(fault_vfs_n_syncs(r.vfs), n + 1);
        ASSERT_OK(store_commit(r.store));
        store_set_logged(r.store, 1);
        ASSERT_OK(store_commit(r.store));
        ASSERT_EQ(fault_vfs_n_syncs(r.vfs), n + 1);
        store_free(r.store);
        fault_vfs_free(r.vfs);
}

TEST_MAIN_WITH(fixture_setup)
