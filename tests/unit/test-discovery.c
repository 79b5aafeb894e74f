/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is near: ages at their borders, and the rate of announcements */
#include "core/discovery/discovery.h"
#include "lib/test.h"

#define NOW (100000 * USEC_PER_SEC)

static const uint8_t key[TABLE_KEY_SIZE] = { 1, 2, 3 };

TEST(ages_change_exactly_at_their_border)
{
        struct neighbour b = { 0 };
        struct discovery d;

        ASSERT_OK(discovery_init(&d, true, key));
        discovery_add(&d, &b, NOW, NOW);
        ASSERT_EQ(b.presence, PRESENCE_ONLINE);
        ASSERT_EQ(d.n_online, 1);
        ASSERT_EQ(discovery_deadline(&d), NOW + ONLINE_USEC);
        ASSERT_NULL(discovery_next_aged(&d, NOW + ONLINE_USEC - 1));
        ASSERT_TRUE(discovery_next_aged(&d, NOW + ONLINE_USEC) == &b);
        ASSERT_EQ(b.presence, PRESENCE_AWAY);
        ASSERT_EQ(d.n_online, 0);
        ASSERT_EQ(discovery_deadline(&d), NOW + AWAY_USEC);
        ASSERT_NULL(discovery_next_aged(&d, NOW + AWAY_USEC - 1));
        ASSERT_TRUE(discovery_next_aged(&d, NOW + AWAY_USEC) == &b);
        ASSERT_EQ(b.presence, PRESENCE_OFFLINE);
        ASSERT_EQ(discovery_deadline(&d), USEC_INFINITY);

        discovery_hear(&d, &b, NOW + 2 * AWAY_USEC);
        ASSERT_EQ(b.presence, PRESENCE_ONLINE);
        discovery_remove(&d, &b);
        ASSERT_EQ(d.n_online, 0);
        discovery_done(&d);
}

/* Both steps at once, when nobody looked for long. */
TEST(a_long_silence_ends_offline)
{
        struct neighbour b = { 0 };
        struct discovery d;

        ASSERT_OK(discovery_init(&d, true, key));
        discovery_add(&d, &b, NOW, NOW);
        while (discovery_next_aged(&d, NOW + AWAY_USEC))
                ;
        ASSERT_EQ(b.presence, PRESENCE_OFFLINE);
        discovery_done(&d);
}

TEST(what_was_heard_before_decides_at_once)
{
        static const struct {
                usec_t age_usec;
                enum presence presence;
        } cases[] = {
                { 0, PRESENCE_ONLINE },
                { ONLINE_USEC - 1, PRESENCE_ONLINE },
                { ONLINE_USEC, PRESENCE_AWAY },
                { AWAY_USEC - 1, PRESENCE_AWAY },
                { AWAY_USEC, PRESENCE_OFFLINE },
                { NOW, PRESENCE_OFFLINE },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct neighbour b = { 0 };
                struct discovery d;

                ASSERT_OK(discovery_init(&d, true, key));
                discovery_add(&d, &b, NOW - cases[i].age_usec, NOW);
                ASSERT_EQ(b.presence, cases[i].presence);
                discovery_done(&d);
        }
}

TEST(any_order_of_adding_ages_in_the_order_of_hearing)
{
        static const usec_t ages_sec[] = { 50, 3, 700, 9, 1, 400, 12, 11 };
        struct neighbour b[ELEMENTSOF(ages_sec)] = { 0 }, *aged;
        usec_t now_usec = NOW;
        struct discovery d;

        ASSERT_OK(discovery_init(&d, true, key));
        for (size_t i = 0; i < ELEMENTSOF(b); i++)
                discovery_add(&d, &b[i], NOW - ages_sec[i] * USEC_PER_SEC, NOW);
        while (discovery_deadline(&d) != USEC_INFINITY) {
                ASSERT_GE(discovery_deadline(&d), now_usec);
                now_usec = discovery_deadline(&d);
                while ((aged = discovery_next_aged(&d, now_usec)))
                        ASSERT_EQ(now_usec,
                                aged->heard_usec + (aged->presence == PRESENCE_AWAY ? ONLINE_USEC
                                                                                    : AWAY_USEC));
        }
        for (size_t i = 0; i < ELEMENTSOF(b); i++)
                ASSERT_EQ(b[i].presence, PRESENCE_OFFLINE);
        discovery_done(&d);
}

TEST(who_is_native_is_given_more_time)
{
        struct neighbour native = { .is_native = true }, classic = { 0 }, proven = { 0 };
        struct discovery d;

        ASSERT_OK(discovery_init(&d, true, key));
        discovery_add(&d, &native, NOW, NOW);
        discovery_add(&d, &classic, NOW, NOW);
        discovery_add(&d, &proven, NOW, NOW);
        discovery_set_native(&d, &proven);
        ASSERT_EQ(discovery_deadline(&d), NOW + ONLINE_USEC);
        ASSERT_TRUE(discovery_next_aged(&d, NOW + NATIVE_ONLINE_USEC - 1) == &classic);
        ASSERT_NULL(discovery_next_aged(&d, NOW + NATIVE_ONLINE_USEC - 1));
        ASSERT_EQ(d.n_online, 2);
        ASSERT_EQ(discovery_deadline(&d), NOW + NATIVE_ONLINE_USEC);
        ASSERT_TRUE(discovery_next_aged(&d, NOW + NATIVE_ONLINE_USEC) == &native);
        ASSERT_TRUE(discovery_next_aged(&d, NOW + NATIVE_ONLINE_USEC) == &proven);
        ASSERT_EQ(native.presence, PRESENCE_AWAY);
        ASSERT_EQ(discovery_deadline(&d), NOW + AWAY_USEC);
        for (int i = 0; i < 3; i++)
                ASSERT_EQ(discovery_next_aged(&d, NOW + AWAY_USEC)->presence, PRESENCE_OFFLINE);
        ASSERT_NULL(discovery_next_aged(&d, NOW + AWAY_USEC));
        discovery_done(&d);
}

TEST(who_is_held_stays_online)
{
        struct neighbour b = { .is_native = true };
        struct discovery d;

        ASSERT_OK(discovery_init(&d, false, key));
        discovery_add(&d, &b, 0, NOW);
        ASSERT_EQ(b.presence, PRESENCE_OFFLINE);
        discovery_hold(&d, &b, NOW);
        discovery_hold(&d, &b, NOW);
        discovery_hear(&d, &b, NOW + 1);
        ASSERT_EQ(b.presence, PRESENCE_ONLINE);
        ASSERT_EQ(d.n_online, 1);
        ASSERT_EQ(discovery_deadline(&d), USEC_INFINITY);
        ASSERT_NULL(discovery_next_aged(&d, NOW + USEC_PER_DAY));

        discovery_release(&d, &b, NOW + USEC_PER_DAY);
        discovery_release(&d, &b, NOW + 2 * USEC_PER_DAY);
        ASSERT_EQ(d.n_online, 1);
        ASSERT_EQ(discovery_deadline(&d), NOW + USEC_PER_DAY + NATIVE_ONLINE_USEC);
        ASSERT_TRUE(discovery_next_aged(&d, NOW + USEC_PER_DAY + NATIVE_ONLINE_USEC) == &b);
        ASSERT_EQ(d.n_online, 0);

        discovery_hold(&d, &b, NOW + 3 * USEC_PER_DAY);
        discovery_remove(&d, &b);
        ASSERT_EQ(d.n_online, 0);
        ASSERT_NULL(list_first(&d.held));
        discovery_done(&d);
}

TEST(newcomers_are_welcomed_at_a_rate)
{
        struct endpoint e = endpoint_ipv4(10, 0, 0, 1, 5);
        unsigned n = 0;
        struct discovery d;

        ASSERT_OK(discovery_init(&d, true, key));
        ASSERT_TRUE(discovery_welcome(&d, &e, NOW));
        ASSERT_FALSE(discovery_welcome(&d, &e, NOW + ANNOUNCE_INTERVAL_USEC - 1));
        ASSERT_TRUE(discovery_welcome(&d, &e, NOW + ANNOUNCE_INTERVAL_USEC));
        for (unsigned i = 0; i < 200; i++) {
                e.address[3] = (uint8_t)(2 + i);
                n += discovery_welcome(&d, &e, NOW + 10 * USEC_PER_SEC + i);
        }
        ASSERT_EQ(n, WELCOME_RATE_MAX);
        discovery_done(&d);

        ASSERT_OK(discovery_init(&d, false, key));
        ASSERT_FALSE(discovery_welcome(&d, &e, NOW));
        discovery_done(&d);
}

TEST(announcements_of_one_address_have_a_rate)
{
        struct endpoint noisy = endpoint_ipv4(10, 0, 0, 1, 5),
                        quiet = endpoint_ipv4(10, 0, 0, 2, 5);
        unsigned n = 0;
        struct discovery d;

        ASSERT_OK(discovery_init(&d, true, key));
        for (unsigned i = 0; i < 10000; i++) {
                noisy.port = (uint16_t)i; /* the address counts */
                n += discovery_admit(&d, &noisy, NOW + i);
        }
        ASSERT_EQ(n, ANNOUNCE_RATE_MAX);
        ASSERT_TRUE(discovery_admit(&d, &quiet, NOW + 10000));
        ASSERT_TRUE(discovery_admit(&d, &noisy, NOW + USEC_PER_SEC));
        discovery_done(&d);
}

TEST(we_announce_every_eight_seconds_and_when_asked)
{
        struct discovery d;

        ASSERT_OK(discovery_init(&d, true, key));
        ASSERT_FALSE(discovery_announce_due(&d, NOW));
        discovery_announce_soon(&d, NOW);
        ASSERT_TRUE(discovery_announce_due(&d, NOW));
        ASSERT_FALSE(discovery_announce_due(&d, NOW + ANNOUNCE_INTERVAL_USEC - 1));
        ASSERT_TRUE(discovery_announce_due(&d, NOW + ANNOUNCE_INTERVAL_USEC));
        ASSERT_EQ(d.first_announce_usec, NOW);
        discovery_done(&d);

        ASSERT_OK(discovery_init(&d, false, key));
        discovery_announce_soon(&d, NOW);
        ASSERT_FALSE(discovery_announce_due(&d, NOW + USEC_PER_DAY));
        discovery_done(&d);
}

TEST_MAIN()
