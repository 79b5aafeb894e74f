/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole nodes in the ring: how they come together, who is found, what is said over it */
#include "unit/node-ring-fixture.h"

static void assert_not_found(int by, int whom)
{
        const struct effect *e = find(by, word(whom));

        ASSERT_EQ(e->type, EFFECT_REFUSE);
        ASSERT_EQ(e->refuse.code, REFUSAL_UNKNOWN_USER);
}

TEST(a_local_network_is_a_ring_by_itself)
{
        set_up();
        add_lan(0, 0, 2);
        net_pass(&net, SETTLE_USEC);
        assert_one_ring(0, 2);
        for (int i = 2; i < 6; i++) {
                add_lan(0, i, 1);
                net_pass(&net, SETTLE_USEC);
                assert_one_ring(0, i + 1);
        }
        net_done(&net);
}

TEST(all_at_once)
{
        set_up();
        add_lan(0, 0, 8);
        net_pass(&net, SETTLE_USEC);
        assert_one_ring(0, 8);
        net_done(&net);
}

TEST(nobody_is_published_who_has_not_joined)
{
        set_up();
        add_lan(0, 0, 3);
        net_pass(&net, SETTLE_USEC);
        assert_not_found(0, 1);
        net_done(&net);
}

TEST(two_rings_become_one)
{
        two_networks();
        assert_found(2, 3);
        assert_found(5, 3);
        join(1, 4);
        net_pass(&net, SETTLE_USEC);
        assert_found(5, 1);
        net_done(&net);
}

TEST(who_is_found_is_written_to)
{
        struct machine *cem, *dan;

        two_networks();
        cem = machine(2);
        dan = machine(3);
        ASSERT_OK(machine_send(cem, word(3), "far away"));
        net_pass(&net, USEC_PER_SEC);
        ASSERT_EQ(cem->n_replies, 1);
        ASSERT_EQ(cem->reply.reply.state, MESSAGE_DELIVERED);
        assert_received(dan, 1, "far away");
        ASSERT_EQ(received(dan, 0)->message.security, SECURITY_ENCRYPTED);
        ASSERT_STREQ(record_of(cem, dan)->contact, "Dan");

        ASSERT_OK(machine_send(dan, "Cem", "and back"));
        net_pass(&net, USEC_PER_SEC);
        assert_received(cem, 1, "and back");
        net_done(&net);
}

/* Whom only the ring knows is no user. */
TEST(the_ring_makes_no_users)
{
        two_networks();
        for (int i = 0; i < 6; i++) {
                struct user *users;
                size_t n;

                ASSERT_OK(node_list_users(machine(i)->node, net.now, &users, &n));
                ASSERT_EQ(n, 2);
                free(users);
                ASSERT_EQ(machine(i)->disk.n_peers, 2);
                ASSERT_GT(status(i).n_sessions, 0);
        }
        net_done(&net);
}

TEST(who_stops_is_not_found)
{
        two_networks();
        assert_found(2, 3);
        ASSERT_OK(node_say_goodbye(machine(3)->node, net.now));
        net_pass(&net, USEC_PER_SEC);
        machine_stop(machine(3));
        assert_not_found(2, 3);
        net_pass(&net, SETTLE_USEC);
        assert_not_found(5, 3);
        net_done(&net);
}

TEST(who_crashes_is_repaired_around_and_comes_back_by_itself)
{
        two_networks();
        machine_stop(machine(3));
        net_pass(&net, 2 * SETTLE_USEC);
        ASSERT_EQ(status(0).chord.successors.n, 4);
        machine_restart(machine(3));
        net_pass(&net, 2 * SETTLE_USEC);
        assert_one_ring(0, 6);
        assert_found(2, 3);
        net_done(&net);
}

/* Nobody of its own network is there: it comes back by whom it remembers. */
TEST(who_was_joined_comes_back_alone)
{
        set_up();
        add_lan(0, 0, 2);
        add_lan(1, 2, 1);
        net_pass(&net, SETTLE_USEC);
        join(2, 0);
        net_pass(&net, 10 * USEC_PER_MINUTE);
        assert_one_ring(0, 3);
        machine_stop(machine(2));
        /* The one it joined by is away, too. */
        machine_stop(machine(0));
        net_pass(&net, SETTLE_USEC);
        machine_restart(machine(2));
        net_pass(&net, SETTLE_USEC);
        ASSERT_EQ(status(2).chord.successors.n, 1);
        assert_found(1, 2);
        net_done(&net);
}

TEST(behind_a_router_that_lets_nobody_in)
{
        struct machine *hal;

        set_up();
        add_lan(0, 0, 3);
        net_pass(&net, SETTLE_USEC);
        hal = net_add_at(&net, 1, 7, "Hal", 8, true);
        hal->is_shut = true;
        join(7, 0);
        net_pass(&net, 2 * SETTLE_USEC);
        ASSERT_EQ(status(7).chord.state, CHORD_CLIENT);
        assert_one_ring(0, 3);
        join(1, 0);
        net_pass(&net, SETTLE_USEC);
        assert_found(7, 1);
        ASSERT_OK(machine_send(hal, word(1), "from inside"));
        net_pass(&net, USEC_PER_SEC);
        assert_received(machine(1), 1, "from inside");
        ASSERT_OK(machine_send(machine(1), "Hal", "to inside"));
        net_pass(&net, USEC_PER_SEC);
        assert_received(hal, 1, "to inside");
        net_done(&net);
}

TEST(who_moves_behind_such_a_router_is_a_member_no_more)
{
        struct interface interface = { .index = 1 };
        struct machine *hal;

        set_up();
        add_lan(0, 0, 3);
        net_pass(&net, SETTLE_USEC);
        hal = net_add_at(&net, 1, 7, "Hal", 8, true);
        join(7, 0);
        net_pass(&net, SETTLE_USEC);
        ASSERT_EQ(status(7).chord.state, CHORD_MEMBER);
        hal->is_shut = true;
        interface.address = hal->address = endpoint_ipv4(10, 0, 0, 77, ENDPOINT_PORT_DEFAULT);
        ASSERT_OK(node_network(hal->node, &interface, 1, net.now));
        net_pass(&net, 5 * USEC_PER_MINUTE);
        ASSERT_EQ(status(7).chord.state, CHORD_CLIENT);
        assert_one_ring(0, 3);
        assert_found(0, 7);
        net_done(&net);
}

TEST(a_contact_that_moved_is_found_where_it_is)
{
        struct machine *cem, *dan;

        two_networks();
        cem = machine(2);
        dan = machine(3);
        ASSERT_OK(machine_send(cem, word(3), "one"));
        net_pass(&net, USEC_PER_SEC);
        machine_stop(dan);
        dan->address = endpoint_ipv4(10, 0, 0, 77, ENDPOINT_PORT_DEFAULT);
        net_pass(&net, SETTLE_USEC);
        ASSERT_OK(machine_send(cem, "Dan", "two"));
        net_pass(&net, SETTLE_USEC);
        ASSERT_EQ(node_messages_queued(cem->node), 1);
        machine_restart(dan);
        net_pass(&net, 8 * USEC_PER_MINUTE);
        assert_received(dan, 2, "two");
        net_done(&net);
}

TEST(leaving_withdraws_and_forgets)
{
        two_networks();
        assert_found(2, 3);
        ASSERT_OK(node_ring_leave(machine(3)->node, net.now, NULL));
        net_pass(&net, USEC_PER_SEC);
        ASSERT_FALSE(machine(3)->disk.ring.is_joined);
        ASSERT_EQ(machine(3)->disk.ring.n_places, 0);
        assert_not_found(2, 3);
        net_pass(&net, 40 * USEC_PER_MINUTE);
        assert_not_found(2, 3);
        net_done(&net);
}

/* Those who know it from before call again; that does not make it one of them. */
TEST(who_left_stays_away)
{
        set_up();
        add_lan(0, 0, 2);
        add_lan(1, 2, 1);
        net_pass(&net, SETTLE_USEC);
        join(2, 0);
        net_pass(&net, SETTLE_USEC);
        assert_one_ring(0, 3);
        ASSERT_OK(node_ring_leave(machine(2)->node, net.now, NULL));
        net_pass(&net, USEC_PER_HOUR);
        ASSERT_EQ(status(2).chord.state, CHORD_CLIENT);
        assert_one_ring(0, 2);
        net_done(&net);
}

static void assert_join_fails(int i, const struct endpoint *at)
{
        ASSERT_OK(node_ring_join(machine(i)->node, 9, "nowhere.example", at, 1, net.now, NULL));
        net_pass(&net, 20 * USEC_PER_SEC);
        ASSERT_EQ(machine(i)->answer.type, EFFECT_REFUSE);
        ASSERT_EQ(machine(i)->answer.refuse.code, REFUSAL_NOT_REACHABLE);
        ASSERT_TRUE(strstr(machine(i)->sentence, "nowhere.example"));
}

TEST(joining_where_nobody_is)
{
        struct endpoint nowhere = endpoint_ipv4(10, 0, 0, 200, ENDPOINT_PORT_DEFAULT), self;

        set_up();
        add_lan(0, 0, 1);
        net_pass(&net, USEC_PER_SEC);
        self = place(0);
        assert_join_fails(0, &nowhere);
        assert_join_fails(0, &self);
        ASSERT_FALSE(status(0).is_joined);
        net_done(&net);
}

TEST(words_that_cannot_be_looked_for)
{
        static const char *const words[] = { "Bob", "Bob#k3f7", "#k3f7q2mx", "Bob#K3F7Q2MX", "" };
        struct refusal refusal;

        set_up();
        add_lan(0, 0, 2);
        net_pass(&net, SETTLE_USEC);
        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                ASSERT_EQ(node_ring_find(machine(0)->node, 1, words[i], net.now, &refusal),
                        REFUSAL_INVALID_ARGUMENT);
        ASSERT_EQ(machine_send(machine(0), "Zoe#k3f7", "x"), REFUSAL_UNKNOWN_USER);
        ASSERT_OK(machine_send(machine(0), "Zoe#k3f7q2mx", "x"));
        net_pass(&net, 30 * USEC_PER_SEC);
        ASSERT_EQ(machine(0)->n_answers, 1);
        ASSERT_EQ(machine(0)->answer.refuse.code, REFUSAL_UNKNOWN_USER);
        ASSERT_EQ(disk_count(&machine(0)->disk, DIRECTION_SENT), 0);
        net_done(&net);
}

TEST(alone_nobody_can_be_asked)
{
        struct refusal refusal;

        set_up();
        add_lan(0, 0, 1);
        net_pass(&net, USEC_PER_SEC);
        ASSERT_EQ(node_ring_find(machine(0)->node, 1, "Bob#k3f7q2mx", net.now, &refusal),
                REFUSAL_NOT_REACHABLE);
        ASSERT_TRUE(strstr(refusal.sentence, "p2pchat join"));
        net_done(&net);
}

TEST(a_blocked_one_gets_nothing)
{
        size_t n_dials;

        set_up();
        add_lan(0, 0, 3);
        net_pass(&net, SETTLE_USEC);
        ASSERT_OK(node_block(machine(0)->node, "Bob", true, net.now, NULL));
        net_run(&net);
        ASSERT_FALSE(node_session_with(machine(0)->node, machine(1)->identity.id));
        n_dials = machine(0)->n_dials;
        net_pass(&net, USEC_PER_HOUR);
        ASSERT_FALSE(node_session_with(machine(0)->node, machine(1)->identity.id));
        ASSERT_EQ(machine(0)->n_dials, n_dials);
        /* The other two have each other. */
        ASSERT_TRUE(node_session_with(machine(1)->node, machine(2)->identity.id));
        net_done(&net);
}

/* What a quiet ring of two costs. */
TEST(quiet)
{
        size_t n_pipes;

        set_up();
        add_lan(0, 0, 2);
        net_pass(&net, 10 * USEC_PER_MINUTE);
        n_pipes = net.n_pipes;
        net_pass(&net, USEC_PER_HOUR);
        ASSERT_EQ(net.n_pipes, n_pipes);
        ASSERT_EQ(machine(0)->n_warnings, 0);
        net_done(&net);
}

TEST_MAIN_WITH(net_set_up)
