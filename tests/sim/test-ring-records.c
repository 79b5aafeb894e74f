/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records on a ring: they stay where they belong, as long as they should, whatever happens */
#include "core/chord/chord-internal.h"
#include "core/crypto/crypto.h"
#include "lib/test.h"
#include "tests/sim/ring-world.h"

#define NAME "Ece"

static struct ring_world w;
static unsigned owner;

static struct ring_id point(unsigned i)
{
        struct ring_id id;

        ring_id_of_name(NAME, w.nodes[owner].identity.id, i, &id);
        return id;
}

/* A ring of @n, and an owner who is no member, as behind NAT. */
static void set_up(size_t n, uint64_t seed)
{
        world_open(&w, seed);
        world_build(&w, n, 10 * USEC_PER_SEC);
        ASSERT_LT(world_settle(&w, 5 * USEC_PER_MINUTE), USEC_INFINITY);
        owner = world_add(&w, NULL);
        world_give_identity(&w, owner);
        world_hear(&w, owner, 0);
        world_hear(&w, owner, (unsigned)n - 1);
        world_publish(&w, owner, NAME);
        world_run(&w, 5 * USEC_PER_SEC);
}

static bool has_record(unsigned node, const struct ring_id *key)
{
        struct rpc m = { .kind = RPC_RECORDS };

        w.nodes[node].chord->now_usec = w.now_usec;
        holder_fetch(w.nodes[node].chord, key, &m);
        return m.n_records > 0;
}

/* How many of the four that should keep it do. */
static size_t n_in_place(unsigned i)
{
        struct ring_id key = point(i);
        size_t n = 0, place;

        world_sort(&w);
        place = world_place_of(&w, &key);
        for (size_t k = 0; k < RECORD_HOLDERS && k < w.n_sorted; k++)
                n += has_record(w.sorted[(place + k) % w.n_sorted], &key);
        return n;
}

static unsigned holder(unsigned i, size_t k)
{
        struct ring_id key = point(i);

        world_sort(&w);
        return w.sorted[(world_place_of(&w, &key) + k) % w.n_sorted];
}

/* Of @n finds from anywhere, so many found it. */
static uint64_t find(unsigned n)
{
        uint64_t found = w.counts.n_found, asked = w.counts.n_finds;

        for (unsigned i = 0; i < n; i++)
                world_find(&w, world_any_member(&w), NAME, owner);
        for (unsigned i = 0; i < 400 && w.counts.n_finds < asked + n; i++)
                world_run(&w, 100 * USEC_PER_MSEC);
        ASSERT_EQ(w.counts.n_finds, asked + n);
        return w.counts.n_found - found;
}

TEST(both_points_have_four_holders)
{
        for (size_t n = 1; n <= 40; n = n < 10 ? n + 1 : n + 10) {
                set_up(n, n);
                for (unsigned i = 0; i < RING_POINTS; i++)
                        ASSERT_EQ(n_in_place(i), MIN(n, (size_t)RECORD_HOLDERS));
                ASSERT_EQ(find(5), 5);
                world_close(&w);
        }
}

/* Published where there were few, before many came at once: each of them stands between the holders
 * and the point, and nobody refreshes the record for ten minutes. */
TEST(it_goes_along_when_the_ring_grows)
{
        for (uint64_t seed = 1; seed <= 20; seed++) {
                set_up(4, seed);
                for (unsigned k = 0; k < 120; k++) {
                        world_join(&w, world_add(&w, NULL), world_any_member(&w));
                        world_run(&w, 40 * USEC_PER_MSEC);
                }
                world_run(&w, 2 * USEC_PER_MINUTE);
                for (unsigned i = 0; i < RING_POINTS; i++)
                        ASSERT_EQ(n_in_place(i), RECORD_HOLDERS);
                ASSERT_EQ(find(10), 10);
                world_close(&w);
        }
}

TEST(any_three_holders_of_a_point_may_fail)
{
        for (unsigned spared = 0; spared < RECORD_HOLDERS; spared++) {
                unsigned victims[RECORD_HOLDERS];

                set_up(40, 7 + spared);
                for (size_t k = 0; k < RECORD_HOLDERS; k++)
                        victims[k] = holder(0, k);
                for (size_t k = 0; k < RECORD_HOLDERS; k++)
                        if (k != spared)
                                world_kill(&w, victims[k]);
                ASSERT_EQ(find(10), 10);
                /* The owner is not there to help: only the one that is left can have repaired it.
                 */
                world_kill(&w, owner);
                world_run(&w, 90 * USEC_PER_SEC);
                ASSERT_EQ(n_in_place(0), RECORD_HOLDERS);
                ASSERT_EQ(n_in_place(1), RECORD_HOLDERS);
                ASSERT_EQ(find(10), 10);
                world_close(&w);
        }
}

TEST(a_whole_point_may_fail)
{
        unsigned victims[RECORD_HOLDERS];

        for (unsigned i = 0; i < RING_POINTS; i++) {
                set_up(40, 20 + i);
                for (size_t k = 0; k < RECORD_HOLDERS; k++)
                        victims[k] = holder(i, k);
                for (size_t k = 0; k < RECORD_HOLDERS; k++)
                        world_kill(&w, victims[k]);
                ASSERT_EQ(find(10), 10);
                world_run(&w, 60 * USEC_PER_SEC);
                ASSERT_EQ(n_in_place(i), 0);
                ASSERT_EQ(find(10), 10);
                world_run(&w, RECORD_REFRESH_USEC);
                ASSERT_EQ(n_in_place(i), RECORD_HOLDERS);
                world_close(&w);
        }
}

TEST(a_growing_and_shrinking_ring_keeps_it)
{
        set_up(20, 30);
        world_kill(&w, owner); /* no help from its refreshing */
        for (unsigned i = 0; i < 40; i++) {
                world_join(&w, world_add(&w, NULL), world_any_member(&w));
                world_run(&w, 5 * USEC_PER_SEC);
        }
        world_run(&w, 30 * USEC_PER_SEC);
        for (unsigned i = 0; i < RING_POINTS; i++)
                ASSERT_EQ(n_in_place(i), RECORD_HOLDERS);
        for (unsigned i = 0; i < 40; i++) {
                world_stop(&w, world_any_member(&w));
                world_run(&w, 5 * USEC_PER_SEC);
        }
        world_run(&w, 30 * USEC_PER_SEC);
        for (unsigned i = 0; i < RING_POINTS; i++)
                ASSERT_EQ(n_in_place(i), RECORD_HOLDERS);
        ASSERT_EQ(find(5), 5);
        world_close(&w);
}

TEST(who_stops_is_not_found_within_a_second)
{
        for (size_t n = 1; n <= 40; n += 13) {
                set_up(n, 40);
                ASSERT_EQ(find(5), 5);
                world_stop(&w, owner);
                world_run(&w, USEC_PER_SEC);
                for (unsigned i = 0; i < w.n_nodes; i++)
                        for (unsigned k = 0; k < RING_POINTS; k++) {
                                struct ring_id key = point(k);

                                ASSERT_FALSE(w.nodes[i].is_alive && has_record(i, &key));
                        }
                ASSERT_EQ(find(5), 0);
                /* Not brought back by those who repair. */
                for (unsigned i = 0; i < 5; i++)
                        world_join(&w, world_add(&w, NULL), 0);
                world_run(&w, USEC_PER_MINUTE);
                ASSERT_EQ(find(5), 0);
                world_close(&w);
        }
}

TEST(who_crashes_is_found_until_the_record_is_too_old)
{
        set_up(20, 50);
        world_kill(&w, owner);
        world_run(&w, RECORD_TTL_USEC - USEC_PER_MINUTE);
        ASSERT_EQ(find(5), 5);
        /* Copies for repair do not make it younger. */
        for (unsigned i = 0; i < 10; i++)
                world_join(&w, world_add(&w, NULL), 0);
        world_run(&w, 2 * USEC_PER_MINUTE);
        ASSERT_EQ(find(5), 0);
        for (unsigned i = 0; i < w.n_nodes; i++)
                ASSERT_FALSE(w.nodes[i].is_alive && w.nodes[i].chord->n_holdings > 0);
        world_close(&w);
}

TEST(it_is_refreshed_for_as_long_as_its_owner_lives)
{
        set_up(20, 60);
        world_run(&w, 3 * USEC_PER_HOUR);
        ASSERT_EQ(find(5), 5);
        world_close(&w);
}

TEST(owners_of_one_name_do_not_hide_each_other)
{
        unsigned first, second;

        set_up(20, 70);
        first = owner;
        second = world_add(&w, NULL);
        world_give_identity(&w, second);
        world_hear(&w, second, 0);
        world_publish(&w, second, NAME);
        world_run(&w, 5 * USEC_PER_SEC);
        ASSERT_EQ(find(3), 3);
        owner = second;
        ASSERT_EQ(find(3), 3);
        owner = first;
        world_close(&w);
}

TEST(another_name_replaces_the_former)
{
        uint64_t found;

        set_up(20, 80);
        world_publish(&w, owner, "Ada");
        world_run(&w, 5 * USEC_PER_SEC);
        ASSERT_EQ(find(5), 0);
        found = w.counts.n_found;
        world_find(&w, 3, "Ada", owner);
        world_run(&w, 10 * USEC_PER_SEC);
        ASSERT_EQ(w.counts.n_found, found + 1);
        world_close(&w);
}

static int set_up_crypto(void)
{
        bool is_locked;

        return crypto_init(&is_locked) < 0 ? TEST_SKIP : 0;
}

TEST_MAIN_WITH(set_up_crypto)
