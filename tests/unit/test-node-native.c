/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole nodes among themselves: sessions, and what goes through them */
#include "unit/node-native-fixture.h"

TEST(first_contact_by_name)
{
        struct machine *ece, *bob;

        begin(&ece, &bob);
        ASSERT_OK(machine_send(ece, "Bob", "hello"));
        net_run(&net);
        ASSERT_EQ(ece->n_replies, 1);
        ASSERT_EQ(ece->reply.reply.state, MESSAGE_DELIVERED);
        ASSERT_EQ(sent(ece, 0)->message.state, MESSAGE_DELIVERED);
        ASSERT_EQ(sent(ece, 0)->message.security, SECURITY_ENCRYPTED);
        assert_received(bob, 1, "hello");
        ASSERT_EQ(received(bob, 0)->message.state, MESSAGE_RECEIVED);
        ASSERT_EQ(received(bob, 0)->message.security, SECURITY_ENCRYPTED);
        ASSERT_STREQ(received(bob, 0)->message.name, "Ece");
        ASSERT_EQ(node_sessions(ece->node), 1);
        ASSERT_EQ(node_sessions(bob->node), 1);
        /* Who sends makes a contact, who receives does not. */
        ASSERT_STREQ(record_of(ece, bob)->contact, "Bob");
        ASSERT_STREQ(record_of(bob, ece)->contact, "");
        ASSERT_TRUE(record_of(bob, ece)->is_proven);

        ASSERT_OK(machine_send(bob, "Ece", "hello yourself"));
        net_run(&net);
        assert_received(ece, 1, "hello yourself");
        ASSERT_EQ(bob->n_dials, 0);
        net_done(&net);
}

TEST(what_waits_goes_when_the_peer_is_back)
{
        struct machine *ece, *bob;

        begin(&ece, &bob);
        machine_stop(bob);
        ASSERT_OK(machine_send(ece, "Bob", "one"));
        net_run(&net);
        ASSERT_EQ(ece->reply.reply.state, MESSAGE_QUEUED);
        ASSERT_EQ(ece->n_replies, 1);
        /* The last dial has just failed: nobody waits for another. */
        ASSERT_OK(machine_send(ece, "Bob", "two"));
        ASSERT_EQ(ece->n_replies, 1);
        machine_end_turn(ece);
        ASSERT_EQ(ece->n_replies, 2);
        net_pass(&net, 3 * USEC_PER_HOUR);
        ASSERT_GT(ece->n_dials, 30);
        ASSERT_LT(ece->n_dials, 70);

        machine_restart(bob);
        net_run(&net);
        assert_received(bob, 2, "two");
        ASSERT_STREQ(received(bob, 0)->text, "one");
        ASSERT_EQ(node_messages_queued(ece->node), 0);
        net_done(&net);
}

TEST(delivered_is_what_is_on_the_other_disk)
{
        struct machine *ece, *bob;

        begin(&ece, &bob);
        ASSERT_OK(machine_send(ece, "Bob", "one"));
        net_run(&net);
        bob->is_full = true;
        ASSERT_OK(machine_send(ece, "Bob", "two"));
        net_run(&net);
        ASSERT_EQ(sent(ece, 1)->message.state, MESSAGE_QUEUED);
        ASSERT_EQ(ece->n_replies, 1);

        /* Its turn is lost with all that was in it. */
        machine_restart(bob);
        bob->is_full = false;
        net_pass(&net, 10 * USEC_PER_SEC);
        assert_received(bob, 2, "two");
        ASSERT_EQ(sent(ece, 1)->message.state, MESSAGE_DELIVERED);
        net_done(&net);
}

TEST(nothing_is_lost_or_doubled_when_connections_break)
{
        struct machine *ece, *bob;
        char text[8];

        begin(&ece, &bob);
        for (int i = 0; i < 60; i++) {
                snprintf(text, sizeof text, "%d", i);
                ASSERT_OK(machine_send(ece, "Bob", text));
                ASSERT_OK(machine_send(bob, "Ece", text));
                machine_end_turn(ece);
                machine_end_turn(bob);
                for (int turn = 0; turn < i % 7; turn++) {
                        machine_end_turn(ece);
                        (void)machine_load(ece);
                        for (size_t k = 0; k < net.n_pipes; k++)
                                (void)(end_step(&net, net.pipes[k], 0) +
                                        end_step(&net, net.pipes[k], 1));
                        machine_end_turn(bob);
                        (void)machine_load(bob);
                }
                if (i % 3 == 0)
                        net_cut(&net);
                if (i % 10 == 4)
                        machine_restart(i % 20 == 4 ? ece : bob);
                net_pass(&net, 2 * USEC_PER_SEC);
        }
        net_pass(&net, 10 * USEC_PER_MINUTE);
        for (int i = 0; i < 60; i++) {
                snprintf(text, sizeof text, "%d", i);
                ASSERT_STREQ(received(ece, (size_t)i)->text, text);
                ASSERT_STREQ(received(bob, (size_t)i)->text, text);
                ASSERT_EQ(sent(ece, (size_t)i)->message.state, MESSAGE_DELIVERED);
        }
        ASSERT_EQ(disk_count(&ece->disk, DIRECTION_RECEIVED), 60);
        ASSERT_EQ(disk_count(&bob->disk, DIRECTION_RECEIVED), 60);
        net_done(&net);
}

TEST(dials_that_cross_become_one_session)
{
        struct machine *ece, *bob;

        begin(&ece, &bob);
        ASSERT_OK(machine_send(ece, "Bob", "from ece"));
        ASSERT_OK(machine_send(bob, "Ece", "from bob"));
        net_run(&net);
        ASSERT_EQ(ece->n_dials, 1);
        ASSERT_EQ(bob->n_dials, 1);
        net_pass(&net, 5 * USEC_PER_SEC);
        assert_received(ece, 1, "from bob");
        assert_received(bob, 1, "from ece");
        ASSERT_EQ(node_sessions(ece->node), 1);
        ASSERT_EQ(node_links(ece->node), 1);
        ASSERT_EQ(node_links(bob->node), 1);
        ASSERT_EQ(ece->n_dials + bob->n_dials, 2);
        net_done(&net);
}

TEST(a_used_session_is_made_anew_beside_the_old_one)
{
        struct machine *ece, *bob;
        char text[8];

        begin(&ece, &bob);
        for (int i = 0; i < 12; i++) {
                snprintf(text, sizeof text, "%d", i);
                ASSERT_OK(machine_send(ece, "Bob", text));
                net_pass(&net, 30 * USEC_PER_SEC);
                assert_received(bob, (size_t)i + 1, text);
        }
        ASSERT_EQ(ece->n_dials, 2);
        ASSERT_EQ(ece->n_proven, 2);
        ASSERT_EQ(bob->n_proven, 2);
        ASSERT_STREQ(ece->session_end, "replaced");
        ASSERT_STREQ(bob->session_end, "replaced");
        ASSERT_TRUE(ece->session.is_ours);
        ASSERT_EQ(ece->session.sent.n_messages, 11);
        ASSERT_EQ(ece->session.sent.n_rotations, 1);
        ASSERT_EQ(bob->session.received.n_rotations, 1);
        ASSERT_EQ(node_sessions(ece->node), 1);

        net_pass(&net, 3 * USEC_PER_MINUTE);
        ASSERT_STREQ(ece->session_end, "idle");
        ASSERT_EQ(node_sessions(ece->node) + node_links(ece->node) + node_links(bob->node), 0);
        net_done(&net);
}

TEST(a_restarted_peer_replaces_its_session)
{
        struct machine *ece, *bob;

        begin(&ece, &bob);
        ASSERT_OK(machine_send(ece, "Bob", "one"));
        net_run(&net);
        /* The cable of bob is out when he dies, so nobody is told. */
        for (size_t i = 0; i < net.n_pipes; i++)
                net.pipes[i]->ends[1].machine = -1;
        machine_restart(bob);
        ASSERT_OK(machine_send(bob, "Ece", "I am new"));
        net_run(&net);
        assert_received(ece, 1, "I am new");
        ASSERT_EQ(node_sessions(ece->node), 1);
        ASSERT_STREQ(ece->session_end, "replaced");
        net_done(&net);
}

TEST(the_muted_are_kept)
{
        struct machine *ece, *bob;

        begin(&ece, &bob);
        ASSERT_OK(node_mute(ece->node, "Bob", USEC_INFINITY, net.now, NULL));
        ASSERT_OK(machine_send(bob, "Ece", "one"));
        net_run(&net);
        ASSERT_EQ(received(ece, 0)->message.state, MESSAGE_MUTED);
        net_done(&net);
}

TEST(a_session_ends_when_asked)
{
        struct machine *ece, *bob;

        begin(&ece, &bob);
        ASSERT_EQ(node_end_session(ece->node, "Bob", net.now, NULL), REFUSAL_NOT_REACHABLE);
        ASSERT_OK(machine_send(ece, "Bob", "one"));
        net_run(&net);
        ASSERT_OK(node_end_session(ece->node, "Bob", net.now, NULL));
        net_run(&net);
        ASSERT_STREQ(ece->session_end, "ended");
        ASSERT_STREQ(bob->session_end, "ended");
        ASSERT_EQ(node_sessions(bob->node), 0);
        ASSERT_OK(machine_send(ece, "Bob", "two"));
        net_run(&net);
        assert_received(bob, 2, "two");

        ASSERT_OK(node_say_goodbye(bob->node, net.now));
        net_run(&net);
        ASSERT_STREQ(ece->session_end, "stopped");
        ASSERT_EQ(node_sessions(ece->node) + node_sessions(bob->node), 0);
        net_done(&net);
}

/* What was written to a classic Bob goes natively once that is what he has become. */
static void upgrade(unsigned at)
{
        struct machine *ece, *bob;

        net_init(&net);
        ece = net_add(&net, 0, "Ece", 1, true);
        bob = net_add(&net, 1, "Bob", 2, false);
        net_run(&net);
        machine_stop(bob);
        net_pass(&net, 30 * USEC_PER_MINUTE);
        ASSERT_OK(machine_send(ece, "Bob", "one"));
        ASSERT_OK(machine_send(ece, "Bob", "two"));
        net_run(&net);

        bob->is_native = true;
        bob->address = endpoint_ipv4(10, 0, 0, (uint8_t)at, 6001);
        machine_restart(bob);
        net_pass(&net, 10 * USEC_PER_SEC);
        assert_received(bob, 2, "two");
        ASSERT_EQ(received(bob, 0)->message.security, SECURITY_ENCRYPTED);
        ASSERT_EQ(sent(ece, 0)->message.state, MESSAGE_DELIVERED);
        ASSERT_STREQ(record_of(ece, bob)->contact, "Bob");
        ASSERT_EQ(ece->disk.peers[0].successor, record_of(ece, bob)->number);
        net_done(&net);
}

TEST(a_classic_queue_goes_natively_at_its_address)
{
        upgrade(2);
}

TEST(a_classic_queue_goes_natively_at_another_address)
{
        upgrade(9);
}

/* A classic program dies in the middle of a key exchange, and comes back as a native one. */
TEST(what_was_written_first_goes_first)
{
        struct machine *ece, *bob;
        char word[40];

        net_init(&net);
        ece = net_add(&net, 0, "Ece", 1, true);
        bob = net_add(&net, 1, "Bob", 2, false);
        net_pass(&net, 20 * USEC_PER_SEC);
        bob->is_full = true;
        ASSERT_OK(machine_send(ece, "Bob", "one"));
        ASSERT_OK(machine_send(ece, "Bob", "two"));
        net_run(&net);
        for (size_t i = 0; i < net.n_pipes; i++)
                net.pipes[i]->ends[1].machine = -1;
        bob->is_full = false;
        bob->is_native = true;
        machine_restart(bob);
        net_run(&net);

        snprintf(word, sizeof word, "%s", bob->identity.id);
        ASSERT_OK(machine_send(ece, word, "now"));
        net_run(&net);
        assert_received(bob, 1, "now");
        machine_stop(bob);
        net_run(&net);
        ASSERT_OK(machine_send(ece, "Bob", "three"));
        net_pass(&net, 30 * USEC_PER_SEC);
        machine_restart(bob);
        net_pass(&net, 10 * USEC_PER_SEC);
        assert_received(bob, 4, "three");
        ASSERT_STREQ(received(bob, 1)->text, "one");
        ASSERT_STREQ(received(bob, 2)->text, "two");
        net_done(&net);
}

/* The native one has got a message of its own before it is known that it is the classic one. */
TEST(a_new_contact_inherits_what_its_name_waits_for)
{
        struct machine *ece, *bob;

        net_init(&net);
        ece = net_add(&net, 0, "Ece", 1, true);
        bob = net_add(&net, 1, "Bob", 2, false);
        net_run(&net);
        machine_stop(bob);
        net_pass(&net, 30 * USEC_PER_MINUTE);
        ASSERT_OK(machine_send(ece, "Bob", "one"));
        net_run(&net);
        bob->is_native = true;
        bob->address = endpoint_ipv4(10, 0, 0, 9, 6001);
        machine_restart(bob);
        machine_end_turn(bob);
        ASSERT_OK(machine_send(ece, "Bob", "two"));
        net_pass(&net, 2 * USEC_PER_SEC);
        assert_received(bob, 2, "two");
        ASSERT_STREQ(received(bob, 0)->text, "one");
        net_done(&net);
}

TEST(a_queue_survives_a_restart)
{
        struct machine *ece, *bob;

        begin(&ece, &bob);
        ASSERT_OK(machine_send(ece, "Bob", "one"));
        net_run(&net);
        bob->is_full = true;
        for (int i = 0; i < 5; i++)
                ASSERT_OK(machine_send(ece, "Bob", "more"));
        net_run(&net); /* they are on their way, with numbers */
        ASSERT_EQ(sent(ece, 5)->stream_number, 6);
        machine_stop(bob);
        machine_restart(ece);
        ASSERT_EQ(node_messages_queued(ece->node), 5);
        bob->is_full = false;
        machine_restart(bob);
        net_pass(&net, 10 * USEC_PER_SEC);
        assert_received(bob, 6, "more");
        ASSERT_EQ(sent(ece, 5)->message.state, MESSAGE_DELIVERED);
        net_done(&net);
}

TEST(what_is_on_its_way_cannot_be_called_back)
{
        struct machine *ece, *bob;

        begin(&ece, &bob);
        machine_stop(bob);
        ASSERT_OK(machine_send(ece, "Bob", "one"));
        net_run(&net);
        ASSERT_OK(node_cancel(ece->node, &sent(ece, 0)->message.id, net.now, NULL));
        net_run(&net);
        ASSERT_EQ(sent(ece, 0)->message.state, MESSAGE_CANCELLED);

        machine_restart(bob);
        net_run(&net);
        ASSERT_OK(machine_send(ece, "Bob", "two"));
        net_pass(&net, 10 * USEC_PER_SEC);
        assert_received(bob, 1, "two");
        bob->is_full = true;
        ASSERT_OK(machine_send(ece, "Bob", "three"));
        net_run(&net);
        ASSERT_EQ(node_cancel(ece->node, &sent(ece, 2)->message.id, net.now, NULL),
                REFUSAL_NO_SUCH_MESSAGE);
        bob->is_full = false;
        net_run(&net);
        assert_received(bob, 2, "three");

        /* Numbered and not sent: the session is made anew, and goes on without it. */
        ASSERT_OK(machine_send(ece, "Bob", "four"));
        ASSERT_OK(machine_send(ece, "Bob", "five"));
        machine_end_turn(ece);
        ASSERT_EQ(sent(ece, 3)->stream_number, 3);
        ASSERT_OK(node_cancel(ece->node, &sent(ece, 3)->message.id, net.now, NULL));
        net_pass(&net, 10 * USEC_PER_SEC);
        assert_received(bob, 3, "five");
        ASSERT_EQ(sent(ece, 3)->message.state, MESSAGE_CANCELLED);
        net_done(&net);
}

TEST(forgetting_takes_back_what_waits)
{
        struct machine *ece, *bob;

        begin(&ece, &bob);
        ASSERT_OK(machine_send(ece, "Bob", "one"));
        net_run(&net);
        machine_stop(bob);
        net_run(&net);
        ASSERT_OK(machine_send(ece, "Bob", "two"));
        ASSERT_OK(node_forget(ece->node, "Bob", net.now, NULL));
        net_run(&net);
        ASSERT_EQ(sent(ece, 1)->message.state, MESSAGE_CANCELLED);
        machine_restart(bob);
        net_run(&net);
        ASSERT_OK(machine_send(ece, "Bob", "three"));
        net_pass(&net, 10 * USEC_PER_SEC);
        assert_received(bob, 2, "three");
        net_done(&net);
}

TEST(who_is_found_by_chance_gets_what_waits)
{
        struct machine *ece, *bob, *cem;

        begin(&ece, &bob);
        cem = net_add(&net, 2, "Cem", 3, true);
        net_run(&net);
        ASSERT_OK(machine_send(ece, "Bob", "one"));
        ASSERT_OK(machine_send(ece, "Cem", "one"));
        net_pass(&net, 2 * USEC_PER_SEC);
        machine_stop(bob);
        machine_stop(cem);
        net_run(&net);
        ASSERT_OK(machine_send(ece, "Cem", "two"));
        net_pass(&net, USEC_PER_HOUR);

        net.is_deaf = true;
        cem->address = bob->address;
        machine_restart(cem);
        ASSERT_OK(machine_send(ece, "Bob", "two"));
        net_pass(&net, USEC_PER_SEC / 10);
        assert_received(cem, 2, "two");
        ASSERT_EQ(sent(ece, 3)->message.state, MESSAGE_QUEUED);
        net_done(&net);
}

TEST(a_new_name_is_heard_in_the_session)
{
        struct machine *ece, *bob;

        begin(&ece, &bob);
        ASSERT_OK(machine_send(ece, "Bob", "hello"));
        net_run(&net);
        net.is_deaf = true; /* announcements say nothing of who is proven */
        ASSERT_OK(node_set_username(bob->node, "Robert", net.now, NULL));
        net_run(&net);
        ASSERT_STREQ(record_of(ece, bob)->name, "Robert");
        ASSERT_STREQ(record_of(ece, bob)->contact, "Bob");

        /* So often, and no more. */
        for (int i = 0; i < 2 * NAMES_MAX; i++) {
                char name[USERNAME_SIZE_MAX + 1];

                snprintf(name, sizeof name, "Bob-%d", i);
                ASSERT_OK(node_set_username(bob->node, name, net.now, NULL));
                net_run(&net);
        }
        ASSERT_STREQ(record_of(ece, bob)->name, "Bob-2");
        net_done(&net);
}

TEST_MAIN_WITH(net_set_up)
