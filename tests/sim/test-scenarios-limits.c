/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is not taken, not sent, or not more than so many times */
#include "tests/sim/scenario.h"

TEST(who_never_answers_a_key_is_given_up)
{
        _cleanup_(world_freep)
        struct world *w = begin(false);
        struct machine *a = start(w, "Ada", 1);
        struct machine *old = world_add_foreign(w, "old", 1, 9, MANNER_SLAM);

        announce(old, DIALECT_CLASSIC, "{\"username\": \"Old\"}");
        world_run_until(w, AT(30));
        forget_trace(w);
        machine_send(a, "Old", "psst", NULL, 0);
        world_run_until(w, AT(60));
        machine_send(a, "Old", "psst", NULL, REFUSAL_NOT_SECURE);
        machine_send(a, "Old", "hello", "plain", 0);
        world_run_until(w, AT(62));
        expect(w, "[ 30000] a = queued for b: psst\n"
                  "[ 30000] a > b dial\n"
                  "[ 30020] a > b {\"key\": ...}\n"
                  "[ 30040] a > b close\n"
                  "[ 30040] a > b dial\n"
                  "[ 30060] a > b {\"key\": ...}\n"
                  "[ 30080] a > b close\n"
                  "[ 30080] a < queued\n"
                  "[ 31043] a > b dial\n"
                  "[ 31063] a > b {\"key\": ...}\n"
                  "[ 31083] a > b close\n"
                  "[ 31083] a > b dial\n"
                  "[ 31103] a > b {\"key\": ...}\n"
                  "[ 31123] a > b close\n"
                  "[ 32739] a > b dial\n"
                  "[ 32759] a > b {\"key\": ...}\n"
                  "[ 32779] a > b close\n"
                  "[ 32779] a > b dial\n"
                  "[ 32799] a > b {\"key\": ...}\n"
                  "[ 32819] a = failed: NotSecure\n"
                  "[ 32819] a > b close\n"
                  "[ 60000] a < refused: The program of Old understands plain text only: ask for "
                  "plain text if everybody on the network may read it.\n"
                  "[ 60000] a = queued for b, plain: hello\n"
                  "[ 60000] a > b dial\n"
                  "[ 60020] a > b {\"unencrypted_message\": \"hello\", \"username\": \"Ada\", "
                  "\"use...\n"
                  "[ 60020] a > b finish\n"
                  "[ 60040] a = sent\n"
                  "[ 60040] a < sent\n");
}

TEST(the_second_dialect_is_plain_and_only_on_request)
{
        _cleanup_(world_freep)
        struct world *w = begin(false);
        struct machine *a = start(w, "Ada", 1);
        struct machine *old = world_add_foreign(w, "old", 1, 9, MANNER_SWALLOW);

        announce(old, DIALECT_SECOND,
                "{\"username\": \"Old\", \"ip\": \"10.0.1.9\", \"port\": 7777}");
        world_run_until(w, AT(20));
        machine_send(a, "Old", "hello", NULL, REFUSAL_NOT_SECURE);
        machine_send(a, "Old", "hello", "plain", 0);
        world_run_until(w, AT(22));
        expect(w, "[     0] a starts\n"
                  "[    10] a = Old is online\n"
                  "[ 10010] a = Old is away\n"
                  "[ 20000] a < refused: The program of Old understands plain text only: ask for "
                  "plain text if everybody on the network may read it.\n"
                  "[ 20000] a = queued for b, plain: hello\n"
                  "[ 20000] a > b dial\n"
                  "[ 20020] a > b {\"unencrypted_message\": \"hello\", \"username\": \"Ada\", "
                  "\"use...\n"
                  "[ 20020] a > b finish\n"
                  "[ 20040] a = sent\n"
                  "[ 20040] a < sent\n");
}

TEST(another_name_is_announced_at_once)
{
        _cleanup_(world_freep)
        struct world *w = begin(true);
        struct machine *a = start(w, "Ada", 1);

        start(w, "Bob", 2);
        world_run_until(w, AT(10));
        forget_trace(w);
        machine_begin(a);
        ASSERT_OK(node_set_username(a->node, "Ece", machine_now(a), NULL));
        world_run_until(w, AT(11));
        expect(w, "[ 10000] a = username Ece\n"
                  "[ 10000] a > all:6000 "
                  "{\"username\":\"Ece\",\"ip\":\"10.0.1.1\",\"port\":6001,\"ip_addres...\n"
                  "[ 10000] a > all:6004 {\"username\":\"Ece\",\"ip\":\"10.0.1.1\",\"port\":6001}\n"
                  "[ 10010] b = Ece is online\n"
                  "[ 10010] b > a:6000 "
                  "{\"username\":\"Bob\",\"ip\":\"10.0.1.2\",\"port\":6001,\"ip_addres...\n");
}

TEST(what_a_blocked_user_sends_is_not_taken)
{
        _cleanup_(world_freep)
        struct world *w = begin(false);
        struct machine *a = start(w, "Ada", 1), *b = start(w, "Bob", 2);

        world_run_until(w, AT(10));
        forget_trace(w);
        machine_begin(a);
        ASSERT_OK(node_block(a->node, "Bob", true, machine_now(a), NULL));
        machine_send(a, "Bob", "hello", NULL, REFUSAL_BLOCKED);
        machine_send(b, "Ada", "hello", "plain", 0);
        world_run_until(w, AT(11));
        machine_begin(a);
        ASSERT_OK(node_block(a->node, "Bob", false, machine_now(a), NULL));
        world_run_until(w, AT(14));
        expect(w, "[ 10000] a < refused: You have blocked Bob: \"p2pchat unblock Bob\" first.\n"
                  "[ 10000] a = Bob is offline\n"
                  "[ 10000] b = queued for a, plain: hello\n"
                  "[ 10000] b > a dial\n"
                  "[ 10020] b > a {\"unencrypted_message\": \"hello\", \"username\": \"Bob\", "
                  "\"use...\n"
                  "[ 10020] b > a finish\n"
                  "[ 10030] a > b drop\n"
                  "[ 10040] b < queued\n"
                  "[ 10924] b > a dial\n"
                  "[ 10944] b > a {\"unencrypted_message\": \"hello\", \"username\": \"Bob\", "
                  "\"use...\n"
                  "[ 10944] b > a finish\n"
                  "[ 10954] a > b drop\n"
                  "[ 11000] a = Bob is online\n"
                  "[ 13448] b > a dial\n"
                  "[ 13468] b > a {\"unencrypted_message\": \"hello\", \"username\": \"Bob\", "
                  "\"use...\n"
                  "[ 13468] b > a finish\n"
                  "[ 13478] a = received from b, plain: hello\n"
                  "[ 13478] a > b close\n"
                  "[ 13488] b = sent\n");
}

TEST(what_a_muted_user_sends_is_kept_without_a_word)
{
        _cleanup_(world_freep)
        struct world *w = begin(false);
        struct machine *a = start(w, "Ada", 1), *b = start(w, "Bob", 2);

        world_run_until(w, AT(10));
        forget_trace(w);
        machine_begin(a);
        ASSERT_OK(
                node_mute(a->node, "Bob", machine_now(a).real_usec + AT(60), machine_now(a), NULL));
        machine_send(b, "Ada", "one", "plain", 0);
        world_run_until(w, AT(60));
        machine_send(b, "Ada", "two", "plain", 0);
        world_run_until(w, AT(71));
        machine_send(b, "Ada", "three", "plain", 0);
        world_run_until(w, AT(75));
        expect(w, "[ 10000] b = queued for a, plain: one\n"
                  "[ 10000] b > a dial\n"
                  "[ 10020] b > a {\"unencrypted_message\": \"one\", \"username\": \"Bob\", "
                  "\"user\"...\n"
                  "[ 10020] b > a finish\n"
                  "[ 10030] a = muted from b, plain: one\n"
                  "[ 10030] a > b close\n"
                  "[ 10040] b = sent\n"
                  "[ 10040] b < sent\n"
                  "[ 60000] b = queued for a, plain: two\n"
                  "[ 60000] b > a dial\n"
                  "[ 60020] b > a {\"unencrypted_message\": \"two\", \"username\": \"Bob\", "
                  "\"user\"...\n"
                  "[ 60020] b > a finish\n"
                  "[ 60030] a = muted from b, plain: two\n"
                  "[ 60030] a > b close\n"
                  "[ 60040] b = sent\n"
                  "[ 60040] b < sent\n"
                  "[ 71000] b = queued for a, plain: three\n"
                  "[ 71000] b > a dial\n"
                  "[ 71020] b > a {\"unencrypted_message\": \"three\", \"username\": \"Bob\", "
                  "\"use...\n"
                  "[ 71020] b > a finish\n"
                  "[ 71030] a = received from b, plain: three\n"
                  "[ 71030] a > b close\n"
                  "[ 71040] b = sent\n"
                  "[ 71040] b < sent\n");
}

TEST(connections_from_one_address_have_a_limit)
{
        _cleanup_(world_freep)
        struct world *w = begin(false);
        struct machine *a = start(w, "Ada", 1);
        struct machine *old = world_add_foreign(w, "old", 1, 9, MANNER_SWALLOW);

        world_run_until(w, AT(1));
        forget_trace(w);
        for (int i = 0; i < 18; i++)
                (void)foreign_dial(old, NULL, a, NULL, 0, false);
        world_run_until(w, AT(1.1));
        ASSERT_EQ(node_links(a->node), 16);
        expect(w, "[  1030] a = warning Limit: Connections of 10.0.1.9 are turned away: at most 16 "
                  "at a time from one address, 64 from strangers, 512 in all; a second, at most 5 "
                  "handshakes from one address, 50 in all.\n"
                  "[  1030] a = warning Limit: Connections of 10.0.1.9 are turned away: at most 16 "
                  "at a time from one address, 64 from strangers, 512 in all; a second, at most 5 "
                  "handshakes from one address, 50 in all.\n"
                  "[  1030] a > b drop\n"
                  "[  1030] a > b drop\n");
        /* Who says nothing is not kept. */
        world_run_until(w, AT(30));
        ASSERT_EQ(node_links(a->node), 0);
        ASSERT_EQ(w->n_wires, 0);
}

TEST(of_64_strangers_the_noisiest_makes_room)
{
        _cleanup_(world_freep)
        struct world *w = begin(false);
        struct machine *a = start(w, "Ada", 1);
        struct machine *old = world_add_foreign(w, "old", 1, 9, MANNER_SWALLOW);
        struct endpoint from = endpoint_ipv4(10, 0, 2, 0, 0);
        static const char me_too[] = "{\"unencrypted_message\": \"me too\"}";

        world_run_until(w, AT(1));
        for (int i = 0; i < 64; i++) {
                from.address[3] = (uint8_t)(i < 10 ? 200 : i);
                (void)foreign_dial(old, &from, a, NULL, 0, false);
        }
        world_run_until(w, AT(1.1));
        ASSERT_EQ(node_links(a->node), 64);
        forget_trace(w);
        from.address[3] = 150;
        (void)foreign_dial(old, &from, a, me_too, strlen(me_too), true);
        world_run_until(w, AT(1.2));
        /* The noisiest himself makes no room for himself. */
        from.address[3] = 200;
        for (int i = 0; i < 3; i++)
                (void)foreign_dial(old, &from, a, NULL, 0, false);
        world_run_until(w, AT(1.3));
        ASSERT_EQ(node_links(a->node), 64);
        expect(w, "[  1130] a = received from 10.0.2.150, plain: me too\n"
                  "[  1130] a = 10.0.2.150 is online\n"
                  "[  1130] a > 10.0.2.200 drop\n"
                  "[  1130] a > 10.0.2.150 close\n"
                  "[  1230] a = warning Limit: Connections of 10.0.2.200 are turned away: at most "
                  "16 at a time from one address, 64 from strangers, 512 in all; a second, at most "
                  "5 handshakes from one address, 50 in all.\n"
                  "[  1230] a = warning Limit: Connections of 10.0.2.200 are turned away: at most "
                  "16 at a time from one address, 64 from strangers, 512 in all; a second, at most "
                  "5 handshakes from one address, 50 in all.\n"
                  "[  1230] a > 10.0.2.200 drop\n"
                  "[  1230] a > 10.0.2.200 drop\n");
}

TEST(a_long_text_goes_in_parts)
{
        _cleanup_(world_freep)
        struct world *w = begin(false);
        struct machine *a = start(w, "Ada", 1);
        char text[20001];

        start(w, "Bob", 2);
        memset(text, 'x', sizeof text - 1);
        text[sizeof text - 1] = 0;
        for (size_t i = 0; i < sizeof text - 1; i++)
                text[i] = (char)('a' + i * i % 23);
        world_run_until(w, AT(10));
        forget_trace(w);
        machine_send(a, "Bob", text, "plain", REFUSAL_TOO_LARGE);
        text[2000] = 0;
        machine_send(a, "Bob", text, "plain", 0);
        world_run_until(w, AT(11));
        expect(w, "[ 10000] a < refused: The text has 20000 bytes; the program of Bob takes "
                  "about 700 at a time, and at most 16 such parts are sent: send less, or in "
                  "several messages.\n"
                  "[ 10000] a = queued for b, plain: abejqcndsmiggimsdncqjebabejqcndsmigg...\n"
                  "[ 10000] a > b dial\n"
                  "[ 10020] a > b {\"unencrypted_message\": "
                  "\"abejqcndsmiggimsdncqjebabejqcnd...\n"
                  "[ 10020] a > b finish\n"
                  "[ 10030] b = received from a, plain: abejqcndsmiggimsdncqjebabejqcndsmigg...\n"
                  "[ 10030] b > a close\n"
                  "[ 10040] a > b dial\n"
                  "[ 10060] a > b {\"unencrypted_message\": "
                  "\"cqjebabejqcndsmiggimsdncqjebabe...\n"
                  "[ 10060] a > b finish\n"
                  "[ 10070] b = received from a, plain: cqjebabejqcndsmiggimsdncqjebabejqcnd...\n"
                  "[ 10070] b > a close\n"
                  "[ 10080] a > b dial\n"
                  "[ 10100] a > b {\"unencrypted_message\": "
                  "\"imsdncqjebabejqcndsmiggimsdncqj...\n"
                  "[ 10100] a > b finish\n"
                  "[ 10110] b = received from a, plain: imsdncqjebabejqcndsmiggimsdncqjebabe...\n"
                  "[ 10110] b > a close\n"
                  "[ 10120] a = sent\n"
                  "[ 10120] a < sent\n");
}

TEST(a_queue_has_a_limit)
{
        _cleanup_(world_freep)
        struct world *w = begin(false);
        struct node_options options = { .announce = true, .queue_max = 2 };
        struct machine *a = world_add(w, "Ada", 1, 1, &options), *b = start(w, "Bob", 2);

        a->is_classic = true;
        machine_start(a);
        world_run_until(w, AT(10));
        machine_power_off(b);
        world_run_until(w, AT(1000));
        forget_trace(w);
        machine_send(a, "Bob", "one", NULL, 0);
        machine_send(a, "Bob", "two", NULL, 0);
        machine_send(a, "Bob", "three", NULL, REFUSAL_QUEUE_FULL);
        world_run_until(w, AT(1001));
        expect(w, "[1000000] a < refused: 2 messages wait for Bob already: wait until Bob is back, "
                  "or cancel some.\n"
                  "[1000000] a = queued for b: one\n"
                  "[1000000] a = queued for b: two\n"
                  "[1000000] a < queued\n"
                  "[1000000] a < queued\n");
}

/* Announcements that nobody asked for: memory and rows have a bound, others are still heard. */
TEST(floods_of_announcements_are_bounded)
{
        _cleanup_(world_freep)
        struct world *w = begin(false);
        struct node_options options = { .announce = true, .peers_max = 1000 };
        struct machine *a = world_add(w, "Ada", 1, 1, &options);
        struct endpoint from = endpoint_ipv4(10, 1, 0, 0, 0);
        struct user *users;
        size_t n;

        a->is_classic = true;
        machine_start(a);
        for (int i = 0; i < 10000; i++) {
                char data[60];

                (void)snprintf(data, sizeof data, "{\"username\": \"flood-%d\"}", i);
                world_datagram(w, DIALECT_CLASSIC, &from, a, data, strlen(data));
                if (i % 1000 == 0)
                        world_run(w, AT(0.1));
        }
        world_run(w, AT(1));
        ASSERT_OK(node_list_users(a->node, machine_now(a), &users, &n));
        free(users);
        ASSERT_LE(n, 32);

        for (int i = 0; i < 20000; i++) {
                char data[60];

                from.address[2] = (uint8_t)(i % 1000 / 250);
                from.address[3] = (uint8_t)(1 + i % 250);
                (void)snprintf(data, sizeof data, "{\"username\": \"flood-%d\"}", i);
                world_datagram(w, DIALECT_CLASSIC, &from, a, data, strlen(data));
                if (i % 1000 == 0)
                        world_run(w, AT(0.1));
        }
        world_run(w, AT(1));
        ASSERT_OK(node_list_users(a->node, machine_now(a), &users, &n));
        free(users);
        ASSERT_EQ(n, 1000);

        /* A quarter of an hour later those are offline, and make room. */
        world_run(w, AT(1000));
        start(w, "Bob", 2);
        world_run(w, AT(1));
        ASSERT_OK(node_list_users(a->node, machine_now(a), &users, &n));
        ASSERT_EQ(n, 1);
        ASSERT_STREQ(users[0].name, "Bob");
        free(users);
        machine_send(a, "Bob", "still here", NULL, 0);
        world_run(w, AT(10));
        ASSERT_EQ(w->oracle->n_received, 1);
}

TEST_MAIN_WITH(set_up)
