/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the store remembers of the ledger: one setting, and one chain of each network */
#include "lib/fault-vfs.h"
#include "unit/store-ledger-fixture.h"

/*
 * The setting
 */
TEST(nothing_is_there_at_first)
{
        struct store *s = fixture_open(":memory:", NULL);
        struct ledger_record r;

        ASSERT_EQ(store_load_ledger(s, &r), -ENOENT);
        ASSERT_EQ(walk_chain(s, ours, 0), 0);
        assert_genesis(s, 0, 0);
        store_free(s);
}

TEST(setting_comes_back_whole)
{
        _cleanup_(freep)
        char *path = fixture_path("setting.db");
        const struct change full = setting(LONGEST, CERTIFICATE_SIZE_MAX);
        struct store *s = fixture_open(path, NULL);
        struct ledger_record r;

        ASSERT_EQ(strlen(LONGEST), GENESIS_WORD_SIZE - 1);
        fixture_apply(s, setting("", 0));
        fixture_apply(s, full);
        ASSERT_OK(store_commit(s));
        store_free(s);

        s = fixture_open(path, NULL);
        ASSERT_OK(store_load_ledger(s, &r));
        ASSERT_STREQ(r.network, LONGEST);
        ASSERT_EQ(r.n_waiting, CERTIFICATE_SIZE_MAX);
        ASSERT_MEMEQ(r.waiting, full.ledger.waiting, r.n_waiting);
        fixture_apply(s, setting("", 0));
        ASSERT_OK(store_commit(s));
        ASSERT_OK(store_load_ledger(s, &r));
        ASSERT_STREQ(r.network, "");
        ASSERT_EQ(r.n_waiting, 0);
        store_free(s);
}

TEST(setting_that_is_not_understood_is_ignored)
{
        struct store *s = fixture_open(":memory:", NULL);
        struct ledger_record r;
        uint8_t data[512];
        struct writer w;
        size_t size;

        fixture_apply(s, setting("home#abc", 20));
        ASSERT_OK(store_get_setting(s, "ledger"));
        size = s->plain.size;
        memcpy(data, s->plain.data, size);
        data[size] = 0;
        for (size_t cut = 0; cut <= size + 1; cut++) {
                ASSERT_OK(store_set_setting(s, "ledger", data, cut));
                ASSERT_EQ(store_load_ledger(s, &r), cut == size ? 0 : -ENOENT);
        }
        data[0]++; /* the version */
        ASSERT_OK(store_set_setting(s, "ledger", data, size));
        ASSERT_EQ(store_load_ledger(s, &r), -ENOENT);

        /* Too long for their places, each by one byte. */
        for (size_t i = 0; i < 3; i++) {
                const size_t n_waiting = CERTIFICATE_SIZE_MAX + (i == 2);
                const char *network = i == 1 ? LONGEST "b" : LONGEST;
                uint8_t waiting[CERTIFICATE_SIZE_MAX + 1] = {};

                w = writer_make(data, sizeof data);
                writer_u8(&w, 1);
                writer_blob(&w, network, strlen(network));
                writer_blob(&w, waiting, n_waiting);
                ASSERT_OK(store_set_setting(s, "ledger", data, w.size));
                ASSERT_EQ(store_load_ledger(s, &r), i == 0 ? 0 : -ENOENT);
        }
        store_free(s);
}

/*
 * Chains
 */
TEST(chain_grows_and_comes_back)
{
        _cleanup_(freep)
        char *path = fixture_path("chain.db");
        struct store *s = fixture_open(path, NULL);

        add_chain(s, ours, 0, 2);
        for (uint32_t i = 3; i <= HEIGHT; i++) {
                ASSERT_EQ(walk_chain(s, ours, i - 1), UINT32_MAX);
                add_chain(s, ours, i, i);
                /* The same change once more does nothing more. */
                add_chain(s, ours, i, i);
                store_free(s);
                s = fixture_open(path, NULL);
        }
        ASSERT_EQ(walk_chain(s, ours, HEIGHT), UINT32_MAX);
        assert_genesis(s, 1, 0);
        store_free(s);
}

static int stop_at_second(const struct block_record *b, void *userdata)
{
        return ++*(size_t *)userdata == 2 ? -ECANCELED : 0;
}

TEST(a_part_of_a_chain)
{
        struct store *s = fixture_open(":memory:", NULL);

        add_chain(s, ours, 0, HEIGHT);
        for (uint32_t from = 0; from <= HEIGHT + 1; from++) {
                for (size_t n_max = 0; n_max <= HEIGHT + 2; n_max++) {
                        struct walk w = { .network = ours,
                                .next = from,
                                .fork = UINT32_MAX,
                                .size = SIZE,
                                .bad = UINT32_MAX };

                        ASSERT_OK(store_load_blocks(s, ours, from, n_max, see_block, &w));
                        ASSERT_EQ(w.bad, UINT32_MAX);
                        ASSERT_EQ(w.next, MIN(from + n_max, (size_t)HEIGHT + 1));
                }
        }
        for (size_t i = 0; i < 2; i++) {
                size_t n = 0;

                ASSERT_EQ(store_load_blocks(s, ours, 0, SIZE_MAX, stop_at_second, &n), -ECANCELED);
                ASSERT_EQ(n, 2);
        }
        store_free(s);
}

TEST(sizes_and_heights_up_to_their_limits)
{
        struct store *s = fixture_open(":memory:", NULL);
        static const size_t sizes[] = { 1, GENESIS_SIZE_MAX, 4096, BLOCK_SIZE_MAX };
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                struct walk w = { .network = ours,
                        .next = UINT32_MAX - 1,
                        .fork = UINT32_MAX,
                        .size = sizes[i],
                        .bad = UINT32_MAX };

                ASSERT_OK(apply_block(s, ours, UINT32_MAX - 1, 0, sizes[i]));
                ASSERT_OK(store_load_blocks(s, ours, w.next, 1, see_block, &w));
                ASSERT_EQ(w.bad, UINT32_MAX);
                ASSERT_EQ(w.next, UINT32_MAX);
        }
        ASSERT_OK(apply_block(s, ours, UINT32_MAX, 0, SIZE));
        ASSERT_OK(store_load_blocks(s, ours, UINT32_MAX, SIZE_MAX, count_block, &n));
        ASSERT_EQ(n, 1);
        ASSERT_OK(apply_gone(s, ours, UINT32_MAX));
        ASSERT_OK(apply_gone(s, ours, UINT32_MAX - 1));
        ASSERT_OK(store_load_blocks(s, ours, 0, SIZE_MAX, count_block, &n));
        ASSERT_EQ(n, 2);
        store_free(s);
}

TEST(networks_do_not_meet)
{
        struct store *s = fixture_open(":memory:", NULL);

        add_chain(s, ours, 0, HEIGHT);
        add_chain(s, theirs, 0, HEIGHT);
        assert_genesis(s, 2, 0);
        ASSERT_OK(apply_gone(s, theirs, FORK));
        for (uint32_t i = FORK + 1; i <= HEIGHT + 2; i++)
                ASSERT_OK(apply_block(s, theirs, i, 1, SIZE));
        ASSERT_OK(store_commit(s));
        ASSERT_EQ(walk_chain(s, ours, HEIGHT), UINT32_MAX);
        ASSERT_EQ(walk_fork(s, theirs, HEIGHT + 2), UINT32_MAX);

        /* Replaced at its height, without being told that the old one is gone. */
        ASSERT_OK(apply_block(s, theirs, 5, 0, SIZE));
        ASSERT_OK(apply_block(s, theirs, 5, 1, SIZE));
        ASSERT_EQ(walk_fork(s, theirs, HEIGHT + 2), UINT32_MAX);

        /* All of it but the genesis, as when a chain begins anew. */
        ASSERT_OK(apply_gone(s, theirs, 0));
        ASSERT_EQ(walk_chain(s, theirs, 0), UINT32_MAX);
        ASSERT_EQ(walk_chain(s, ours, HEIGHT), UINT32_MAX);
        assert_genesis(s, 2, 0);
        store_free(s);
}

TEST(certified_is_told_once_it_is_committed)
{
        struct store *s = fixture_open(":memory:", NULL);
        struct change c = { .type = CHANGE_CERTIFIED,
                .certified = { .name = "Ece", .id = "abcdefghijklmnopqrstuvwxya" } };
        struct store_event e;

        fixture_apply(s, c);
        ASSERT_FALSE(store_next_event(s, &e));
        ASSERT_FALSE(s->in_transaction); /* nothing to write */
        ASSERT_OK(store_commit(s));
        ASSERT_TRUE(store_next_event(s, &e));
        ASSERT_EQ(e.type, STORE_EVENT_CERTIFIED);
        ASSERT_STREQ(e.certified.name, "Ece");
        ASSERT_STREQ(e.certified.id, c.certified.id);
        ASSERT_FALSE(store_next_event(s, &e));
        add_chain(s, ours, 0, 1);
        ASSERT_FALSE(store_next_event(s, &e)); /* a block is no news */
        store_free(s);
}

/*
 * Reorganised in one turn, or not at all
 */
static bool is_reorganised(struct store *s)
{
        struct ledger_record r;
        bool is = store_load_ledger(s, &r) == 0;
        size_t n = 0;

        ASSERT_EQ(walk_chain(s, theirs, HEIGHT), UINT32_MAX);
        ASSERT_OK(store_load_blocks(s, ours, 0, SIZE_MAX, count_block, &n));
        ASSERT_EQ(n, is ? HEIGHT + 2 : HEIGHT + 1);
        ASSERT_EQ(is ? walk_fork(s, ours, HEIGHT + 1) : walk_chain(s, ours, HEIGHT), UINT32_MAX);
        return is;
}

/* True when the fault happened. */
static bool reorganise_with(enum fault fault, uint64_t n, bool torn)
{
        struct fault_vfs *vfs = NULL;
        struct store *s;
        bool happened;
        int r;

        ASSERT_OK(fault_vfs_new("reorganise", n, &vfs));
        fault_vfs_set_torn(vfs, torn);
        s = fixture_open("chain.db", "reorganise");
        add_chain(s, ours, 0, HEIGHT);
        add_chain(s, theirs, 0, HEIGHT);
        fault_vfs_plan(vfs, fault, n);
        r = reorganise(s);
        if (r == 0)
                r = store_commit(s);
        happened = fault_vfs_happened(vfs);
        fault_vfs_power_cut(vfs, torn);
        store_free(s);
        fault_vfs_plan(vfs, FAULT_NONE, 0);
        s = fixture_open("chain.db", "reorganise");
        /* Without a sync that came back either is right. */
        if (!is_reorganised(s))
                ASSERT_LT(r, 0);
        store_free(s);
        fault_vfs_free(vfs);
        return happened;
}

static void reorganise_with_all(enum fault fault, bool torn)
{
        uint64_t n = 0;

        while (reorganise_with(fault, ++n, torn))
                ;
        printf("# %d places\n", (int)n - 1);
        ASSERT_GT(n, 1);
}

TEST(a_crash_leaves_one_chain_or_the_other)
{
        reorganise_with_all(FAULT_POWER, false);
        reorganise_with_all(FAULT_POWER, true);
        reorganise_with_all(FAULT_WRITE, false);
        reorganise_with_all(FAULT_SYNC, false);
        reorganise_with_all(FAULT_FULL, false);
}

TEST(killed_before_the_commit_nothing_of_it_is_there)
{
        struct fault_vfs *vfs = NULL;
        struct store *s;

        ASSERT_OK(fault_vfs_new("reorganise", 1, &vfs));
        for (int commit = 0; commit < 2; commit++) {
                s = fixture_open("chain.db", "reorganise");
                add_chain(s, ours, 0, HEIGHT);
                add_chain(s, theirs, 0, HEIGHT);
                ASSERT_OK(reorganise(s));
                if (commit)
                        ASSERT_OK(store_commit(s));
                fault_vfs_kill(vfs);
                store_free(s);
                s = fixture_open("chain.db", "reorganise");
                ASSERT_EQ(is_reorganised(s), commit);
                store_free(s);
        }
        fault_vfs_free(vfs);
}

TEST_MAIN_WITH(fixture_setup)
