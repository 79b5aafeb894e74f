/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole nodes among themselves: sessions, and what goes through them */
#include "core/node/node-private.h"
#include "lib/node-pair.h"

static struct net net;

/* Machines ece and bob, who have heard of each other. */
static void begin(struct machine **ret_ece, struct machine **ret_bob)
{
        net_init(&net);
        *ret_ece = net_add(&net, 0, "Ece", 1, true);
        *ret_bob = net_add(&net, 1, "Bob", 2, true);
        net_run(&net);
}

static struct row *received(struct machine *m, size_t n)
{
        return disk_nth(&m->disk, DIRECTION_RECEIVED, n);
}

static struct row *sent(struct machine *m, size_t n)
{
        return disk_nth(&m->disk, DIRECTION_SENT, n);
}

static void assert_received(struct machine *m, size_t n, const char *text)
{
        ASSERT_EQ(disk_count(&m->disk, DIRECTION_RECEIVED), n);
        ASSERT_STREQ(received(m, n - 1)->text, text);
}

static const struct peer_record *record_of(struct machine *m, struct machine *other)
{
        for (size_t i = 0; i < m->disk.n_peers; i++)
                if (streq(m->disk.peers[i].id, other->identity.id))
                        return &m->disk.peers[i];
        TEST_FAIL("%s does not know %s", m->name, other->name);
}

static bool was_warned(const struct machine *m, const char *kind)
{
        for (size_t i = 0; i < m->n_warnings; i++)
                if (streq(m->warnings[i][0], kind))
                        return true;
        return false;
}

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

TEST(nothing_comes_from_who_is_blocked)
{
        struct machine *ece, *bob;

        begin(&ece, &bob);
        ASSERT_OK(machine_send(bob, "Ece", "one"));
        net_run(&net);
        ASSERT_OK(node_block(ece->node, "Bob", true, net.now, NULL));
        net_run(&net);
        ASSERT_EQ(node_sessions(ece->node), 0);
        ASSERT_EQ(node_links(ece->node), 0);
        ASSERT_OK(machine_send(bob, "Ece", "two"));
        net_pass(&net, USEC_PER_HOUR);
        assert_received(ece, 1, "one");
        ASSERT_EQ(machine_send(ece, "Bob", "no"), REFUSAL_BLOCKED);
        /* He does not knock all the time. */
        ASSERT_LT(bob->n_dials, 40);
        ASSERT_EQ(sent(bob, 1)->message.state, MESSAGE_QUEUED);

        ASSERT_OK(node_block(ece->node, "Bob", false, net.now, NULL));
        net_pass(&net, 10 * USEC_PER_MINUTE);
        assert_received(ece, 2, "two");
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

/* Somebody else sits at Bob's address, and calls himself Bob. */
TEST(an_impostor_gets_nothing)
{
        struct machine *ece, *bob, *eve;

        begin(&ece, &bob);
        ASSERT_OK(machine_send(ece, "Bob", "one"));
        net_run(&net);
        machine_stop(bob);
        eve = net_add(&net, 2, "Bob", 3, true);
        machine_stop(eve);
        eve->address = bob->address;
        machine_restart(eve);
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_OK(machine_send(ece, "Bob", "secret"));
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_EQ(disk_count(&eve->disk, DIRECTION_RECEIVED), 0);
        ASSERT_EQ(sent(ece, 1)->message.state, MESSAGE_QUEUED);
        ASSERT_TRUE(was_warned(ece, "KeyChanged") || was_warned(ece, "Namesake"));

        /* The real one is found elsewhere. */
        bob->address = endpoint_ipv4(10, 0, 0, 77, 6001);
        machine_restart(bob);
        net_pass(&net, 10 * USEC_PER_MINUTE);
        assert_received(bob, 2, "secret");
        ASSERT_EQ(disk_count(&eve->disk, DIRECTION_RECEIVED), 0);
        net_done(&net);
}

TEST(a_forged_announcement_leads_nobody_astray)
{
        static const char forged[] = "{\"username\": \"Bob\", \"id\": \"%s\", \"port\": 6001}";
        struct endpoint at = endpoint_ipv4(10, 0, 0, 3, 5000);
        struct machine *ece, *bob, *eve;
        char data[256];

        begin(&ece, &bob);
        eve = net_add(&net, 2, "Eve", 3, true);
        snprintf(data, sizeof data, forged, bob->identity.id);
        ASSERT_OK(node_datagram(ece->node, DIALECT_CLASSIC, &at, data, strlen(data), net.now));
        ASSERT_OK(machine_send(ece, "Bob", "secret"));
        net_pass(&net, 10 * USEC_PER_SEC);
        assert_received(bob, 1, "secret");
        ASSERT_EQ(disk_count(&eve->disk, DIRECTION_RECEIVED), 0);
        net_done(&net);
}

/* A classic program at the address of a native peer, under its name. */
TEST(no_classic_byte_goes_to_a_native_peer)
{
        struct machine *ece, *bob, *old;

        begin(&ece, &bob);
        ASSERT_OK(machine_send(ece, "Bob", "one"));
        net_run(&net);
        machine_stop(bob);
        old = net_add(&net, 2, "Bob", 3, false);
        machine_stop(old);
        old->address = bob->address;
        machine_restart(old);
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_OK(machine_send(ece, "Bob", "two"));
        ASSERT_OK(machine_send_as(ece, "Bob", "three", SECURITY_PLAIN, 0));
        net_pass(&net, 20 * USEC_PER_MINUTE);
        ASSERT_EQ(disk_count(&old->disk, DIRECTION_RECEIVED), 0);
        ASSERT_EQ(sent(ece, 1)->message.state, MESSAGE_QUEUED);
        ASSERT_EQ(sent(ece, 2)->message.state, MESSAGE_QUEUED);
        ASSERT_EQ(sent(ece, 2)->message.security, SECURITY_ENCRYPTED);
        net_done(&net);
}

TEST(security_that_cannot_be_had_is_refused)
{
        struct machine *ece, *bob, *old;

        begin(&ece, &bob);
        old = net_add(&net, 2, "Old", 3, false);
        net_run(&net);
        ASSERT_EQ(machine_send_as(ece, "Old", "x", SECURITY_ENCRYPTED, 0), REFUSAL_NOT_SECURE);
        ASSERT_EQ(machine_send_as(ece, "Bob", "x", SECURITY_VERIFIED, 0), REFUSAL_NOT_SECURE);
        ASSERT_EQ(machine_send_as(ece, "Bob", "x", SECURITY_CERTIFIED, 0), REFUSAL_NOT_SECURE);
        ASSERT_OK(machine_send_as(ece, "Bob", "x", SECURITY_UNPROVEN, 0));
        ASSERT_OK(machine_send(ece, "Old", "x"));
        net_pass(&net, 20 * USEC_PER_SEC);
        ASSERT_EQ(disk_count(&old->disk, DIRECTION_RECEIVED), 1);
        ASSERT_EQ(received(old, 0)->message.security, SECURITY_LEGACY);
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

TEST(a_lost_store_doubles_nothing)
{
        struct machine *ece, *bob;

        begin(&ece, &bob);
        ASSERT_OK(machine_send(ece, "Bob", "one"));
        ASSERT_OK(machine_send(ece, "Bob", "two"));
        net_run(&net);
        machine_stop(ece);
        ece->disk.n_streams = ece->disk.n_marks = 0; /* its peers and its history are there */
        machine_restart(ece);
        ASSERT_OK(machine_send(ece, "Bob", "three"));
        net_pass(&net, 10 * USEC_PER_SEC);
        assert_received(bob, 3, "three");
        ASSERT_EQ(bob->disk.n_marks, 2);

        /* Put back to when "three" was not delivered. */
        machine_stop(ece);
        sent(ece, 2)->message.state = MESSAGE_QUEUED;
        sent(ece, 2)->stream_number = 0;
        ece->disk.n_streams = 0;
        machine_restart(ece);
        net_pass(&net, 10 * USEC_PER_SEC);
        assert_received(bob, 3, "three");
        ASSERT_EQ(sent(ece, 2)->message.state, MESSAGE_DELIVERED);
        net_done(&net);
}

TEST(what_nobody_may_see_is_refused)
{
        struct machine *ece, *bob;
        struct native *native;

        begin(&ece, &bob);
        ASSERT_OK(machine_send(bob, "Ece", "one"));
        net_run(&net);
        native = container_of(list_first(&ece->node->natives), struct native, list);
        ASSERT_OK(node_native_say(ece->node, native,
                &(struct message){
                        .type = FRAME_MESSAGE, .text = { .number = 1, .text = "\a", .size = 1 } },
                net.now));
        ASSERT_OK(node_native_flush(ece->node, native, net.now));
        net_run(&net);
        ASSERT_EQ(disk_count(&bob->disk, DIRECTION_RECEIVED), 0);
        ASSERT_EQ(bob->disk.n_refused, 1);
        ASSERT_EQ(bob->disk.refused[0].reason, REFUSED_INVALID_TEXT);
        ASSERT_EQ(bob->disk.marks[0].number, 1);
        ASSERT_STREQ(ece->session_end, "broken");
        net_done(&net);
}

TEST(a_copy_of_us_is_noticed)
{
        struct machine *ece, *copy;
        struct endpoint at;

        net_init(&net);
        ece = net_add(&net, 0, "Ece", 1, true);
        net_run(&net);
        ASSERT_FALSE(node_clone(ece->node, &at));
        copy = net_add(&net, 1, "Ece", 1, true);
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_TRUE(node_clone(ece->node, &at));
        ASSERT_TRUE(endpoint_same_address(&at, &copy->address));
        ASSERT_EQ(ece->n_warnings, 1);
        ASSERT_STREQ(ece->warnings[0][0], "Clone");
        net_pass(&net, 50 * USEC_PER_MINUTE);
        ASSERT_EQ(ece->n_warnings, 1);
        ASSERT_EQ(node_sessions(ece->node), 0);
        net_done(&net);
}

TEST(our_own_address_is_no_copy_of_us)
{
        struct machine *ece;
        struct endpoint at;

        net_init(&net);
        ece = net_add(&net, 0, "Ece", 1, true);
        net_run(&net);
        ASSERT_OK(node_check_clone(ece->node, &ece->address, net.now));
        net_run(&net);
        ASSERT_EQ(ece->n_dials, 1);
        ASSERT_FALSE(node_clone(ece->node, &at));
        ASSERT_EQ(ece->n_warnings, 0);
        ASSERT_EQ(node_links(ece->node), 0);
        /* Nor is it looked at all the time. */
        ASSERT_OK(node_check_clone(ece->node, &ece->address, net.now));
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_OK(node_check_clone(ece->node, &ece->address, net.now));
        net_run(&net);
        ASSERT_EQ(ece->n_dials, 1);
        net_done(&net);
}

/* A stranger's connection that says @text. */
static struct end *knock(struct machine *m, const char *text)
{
        struct pipe *p = net_dial(&net, -1, 0, &m->address);

        bytes_append(&p->ends[1].in, text, strlen(text));
        net_run(&net);
        return &p->ends[1];
}

TEST(handshakes_are_limited)
{
        struct machine *ece, *bob;
        struct end *ends[2 * HANDSHAKES_PER_ADDRESS_MAX];

        begin(&ece, &bob);
        for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
                ends[i] = knock(ece, "P2PC");
                ASSERT_EQ(ends[i]->is_closed, i >= HANDSHAKES_PER_ADDRESS_MAX);
        }
        ASSERT_TRUE(was_warned(ece, "Limit"));
        ASSERT_FALSE(knock(ece, "{")->is_closed);
        /* Others notice nothing, and our own dials are not counted. */
        ASSERT_OK(machine_send(bob, "Ece", "one"));
        net_run(&net);
        assert_received(ece, 1, "one");
        net_pass(&net, USEC_PER_SEC);
        ASSERT_FALSE(knock(ece, "P2PC")->is_closed);
        net_done(&net);
}

TEST(the_silent_are_closed)
{
        static const char *const begins[] = { "", "P", "P2P", "P2PC", "P2PC\1", "P2PC\2" };
        struct machine *ece, *bob;

        for (size_t i = 0; i < ELEMENTSOF(begins); i++) {
                struct end *end;

                begin(&ece, &bob);
                end = knock(ece, "");
                ASSERT_FALSE(end->is_closed);
                net_pass(&net, 9 * USEC_PER_SEC);
                ASSERT_FALSE(end->is_closed);
                bytes_append(&end->in, begins[i], strlen(begins[i]));
                net_pass(&net, USEC_PER_SEC);
                ASSERT_TRUE(end->is_closed);
                ASSERT_EQ(node_links(ece->node), 0);
                net_done(&net);
        }
}

TEST(a_magic_in_pieces_is_one)
{
        static const char plain[] = "{\"unencrypted_message\": \"hello\"}";
        struct machine *ece, *bob;
        struct end *end;

        begin(&ece, &bob);
        end = knock(ece, "P2");
        ASSERT_FALSE(end->is_closed);
        bytes_append(&end->in, "PC\2", 3); /* a version that nobody speaks */
        net_run(&net);
        ASSERT_TRUE(end->is_closed);
        ASSERT_STREQ(ece->session_end, "not-native");

        end = knock(ece, plain);
        end->is_ended = true;
        net_run(&net);
        assert_received(ece, 1, "hello");
        net_done(&net);
}

static void assert_hidden(const struct bytes *b, const char *word)
{
        ASSERT_FALSE(bytes_contain(b, word, strlen(word)));
}

TEST(nothing_can_be_read_on_the_wire)
{
        struct machine *ece, *bob;
        uint8_t digest[16];

        begin(&ece, &bob);
        ASSERT_OK(machine_send(ece, "Bob", "the quick brown fox jumps"));
        ASSERT_OK(machine_send(bob, "Ece", "over the lazy dog"));
        net_pass(&net, 3 * USEC_PER_MINUTE);
        ASSERT_GT(net.capture.size, 500);
        for (int i = 0; i < 2; i++) {
                const struct identity *own = &net.machines[i].identity;

                ASSERT_EQ(base32_decode(own->id, digest, sizeof digest), 0);
                ASSERT_FALSE(bytes_contain(&net.capture, digest, sizeof digest));
                ASSERT_FALSE(bytes_contain(&net.capture, own->public_key, sizeof own->public_key));
                assert_hidden(&net.capture, own->id);
                assert_hidden(&net.capture, net.machines[i].name);
        }
        assert_hidden(&net.capture, "quick");
        assert_hidden(&net.capture, "lazy");
        assert_hidden(&net.capture, "username");
        net_done(&net);
}

TEST_MAIN_WITH(net_set_up)
