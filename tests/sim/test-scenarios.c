/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages on their way: there, away, cut off, killed, moved */
#include "tests/sim/scenario.h"

TEST(two_discover_each_other_and_chat)
{
        _cleanup_(world_freep)
        struct world *w = begin(true);
        struct machine *a = start(w, "Ada", 1);

        world_run_until(w, AT(1));
        start(w, "Bob", 2);
        world_run_until(w, AT(12));
        machine_send(a, "bob", "hi", NULL, 0);
        world_run_until(w, AT(14));
        machine_send(a, "Bob", "hi again", "plain", 0);
        world_run_until(w, AT(16));
        expect(w,
                "[     0] a starts\n"
                "[     0] a > all:6000 "
                "{\"username\":\"Ada\",\"ip\":\"10.0.1.1\",\"port\":6001,\"ip_addres...\n"
                "[     0] a > all:6004 {\"username\":\"Ada\",\"ip\":\"10.0.1.1\",\"port\":6001}\n"
                "[  1000] b starts\n"
                "[  1000] b > all:6000 "
                "{\"username\":\"Bob\",\"ip\":\"10.0.1.2\",\"port\":6001,\"ip_addres...\n"
                "[  1000] b > all:6004 {\"username\":\"Bob\",\"ip\":\"10.0.1.2\",\"port\":6001}\n"
                "[  1010] a = Bob is online\n"
                "[  1010] a > b:6000 "
                "{\"username\":\"Ada\",\"ip\":\"10.0.1.1\",\"port\":6001,\"ip_addres...\n"
                "[  1020] b = Ada is online\n"
                "[  1020] b > a:6000 "
                "{\"username\":\"Bob\",\"ip\":\"10.0.1.2\",\"port\":6001,\"ip_addres...\n"
                "[  8000] a > all:6000 "
                "{\"username\":\"Ada\",\"ip\":\"10.0.1.1\",\"port\":6001,\"ip_addres...\n"
                "[  8000] a > all:6004 {\"username\":\"Ada\",\"ip\":\"10.0.1.1\",\"port\":6001}\n"
                "[  9000] b > all:6000 "
                "{\"username\":\"Bob\",\"ip\":\"10.0.1.2\",\"port\":6001,\"ip_addres...\n"
                "[  9000] b > all:6004 {\"username\":\"Bob\",\"ip\":\"10.0.1.2\",\"port\":6001}\n"
                "[ 12000] a = queued for b: hi\n"
                "[ 12000] a > b dial\n"
                "[ 12020] a > b {\"key\": ...}\n"
                "[ 12030] b > a {\"key\": ...}\n"
                "[ 12540] a > b {\"encrypted_message\": ..., \"username\": \"Ada\", \"user\": "
                "\"A...\n"
                "[ 12540] a > b finish\n"
                "[ 12550] b = received from a: hi\n"
                "[ 12550] b > a close\n"
                "[ 12560] a = sent\n"
                "[ 12560] a < sent\n"
                "[ 14000] a = queued for b, plain: hi again\n"
                "[ 14000] a > b dial\n"
                "[ 14020] a > b {\"unencrypted_message\": \"hi again\", \"username\": \"Ada\", "
                "\"...\n"
                "[ 14020] a > b finish\n"
                "[ 14030] b = received from a, plain: hi again\n"
                "[ 14030] b > a close\n"
                "[ 14040] a = sent\n"
                "[ 14040] a < sent\n"
                "[ 16000] a > all:6000 "
                "{\"username\":\"Ada\",\"ip\":\"10.0.1.1\",\"port\":6001,\"ip_addres...\n"
                "[ 16000] a > all:6004 {\"username\":\"Ada\",\"ip\":\"10.0.1.1\",\"port\":6001}\n");
}

TEST(who_is_absent_gets_it_once_when_back)
{
        _cleanup_(world_freep)
        struct world *w = begin(false);
        struct machine *a = start(w, "Ada", 1), *b = start(w, "Bob", 2);

        world_run_until(w, AT(10));
        machine_power_off(b);
        world_run_until(w, AT(1000));
        machine_send(a, "Bob", "first", NULL, 0);
        machine_send(a, "Bob", "second", "plain", 0);
        world_run_until(w, AT(1010));
        machine_start(b);
        world_run_until(w, AT(1020));
        expect(w, "[     0] a starts\n"
                  "[     0] b starts\n"
                  "[    10] a = Bob is online\n"
                  "[    10] b = Ada is online\n"
                  "[ 10000] b loses power\n"
                  "[ 18010] a = Bob is away\n"
                  "[908010] a = Bob is offline\n"
                  "[1000000] a = queued for b: first\n"
                  "[1000000] a = queued for b, plain: second\n"
                  "[1000000] a < queued\n"
                  "[1000000] a < queued\n"
                  "[1010000] b starts\n"
                  "[1010010] a = Bob is online\n"
                  "[1010010] a > b dial\n"
                  "[1010020] b = Ada is online\n"
                  "[1010030] a > b {\"key\": ...}\n"
                  "[1010040] b > a {\"key\": ...}\n"
                  "[1010550] a > b {\"encrypted_message\": ..., \"username\": \"Ada\", \"user\": "
                  "\"A...\n"
                  "[1010550] a > b finish\n"
                  "[1010560] b = received from a: first\n"
                  "[1010560] b > a close\n"
                  "[1010570] a = sent\n"
                  "[1010570] a > b dial\n"
                  "[1010590] a > b {\"unencrypted_message\": \"second\", \"username\": \"Ada\", "
                  "\"us...\n"
                  "[1010590] a > b finish\n"
                  "[1010600] b = received from a, plain: second\n"
                  "[1010600] b > a close\n"
                  "[1010610] a = sent\n");
}

TEST(who_is_away_is_tried)
{
        _cleanup_(world_freep)
        struct world *w = begin(false);
        struct machine *a = start(w, "Ada", 1), *b = start(w, "Bob", 2);

        world_run_until(w, AT(10));
        machine_power_off(b);
        world_run_until(w, AT(30));
        machine_send(a, "Bob", "are you there?", NULL, 0);
        world_run_until(w, AT(50));
        machine_start(b);
        world_run_until(w, AT(60));
        expect(w, "[     0] a starts\n"
                  "[     0] b starts\n"
                  "[    10] a = Bob is online\n"
                  "[    10] b = Ada is online\n"
                  "[ 10000] b loses power\n"
                  "[ 18010] a = Bob is away\n"
                  "[ 30000] a = queued for b: are you there?\n"
                  "[ 30000] a > b dial\n"
                  "[ 33000] a < queued\n"
                  "[ 39182] a > b dial\n"
                  "[ 48852] a > b dial\n"
                  "[ 50000] b starts\n"
                  "[ 50010] a = Bob is online\n"
                  "[ 50020] b = Ada is online\n"
                  "[ 50872] a > b {\"key\": ...}\n"
                  "[ 50882] b > a {\"key\": ...}\n"
                  "[ 51392] a > b {\"encrypted_message\": ..., \"username\": \"Ada\", \"user\": "
                  "\"A...\n"
                  "[ 51392] a > b finish\n"
                  "[ 51402] b = received from a: are you there?\n"
                  "[ 51402] b > a close\n"
                  "[ 51412] a = sent\n");
}

TEST(a_cable_is_cut_while_writing)
{
        _cleanup_(world_freep)
        struct world *w = begin(false);
        struct machine *a = start(w, "Ada", 1), *b = start(w, "Bob", 2);

        world_run_until(w, AT(10));
        forget_trace(w);
        machine_send(a, "Bob", "hello", "plain", 0);
        world_run_until(w, AT(10.025));
        machine_set_cable(b, false);
        world_run_until(w, AT(45));
        machine_set_cable(b, true);
        world_run_until(w, AT(70));
        expect(w, "[ 10000] a = queued for b, plain: hello\n"
                  "[ 10000] a > b dial\n"
                  "[ 10020] a > b {\"unencrypted_message\": \"hello\", \"username\": \"Ada\", "
                  "\"use...\n"
                  "[ 10020] a > b finish\n"
                  "[ 10025] b cable out\n"
                  "[ 13000] a < queued\n"
                  "[ 18010] b = Ada is away\n"
                  "[ 18010] a = Bob is away\n"
                  "[ 31202] a > b dial\n"
                  "[ 40872] a > b dial\n"
                  "[ 45000] b cable in\n"
                  "[ 45010] a = Bob is online\n"
                  "[ 45020] b = Ada is online\n"
                  "[ 45892] a > b {\"unencrypted_message\": \"hello\", \"username\": \"Ada\", "
                  "\"use...\n"
                  "[ 45892] a > b finish\n"
                  "[ 45902] b = received from a, plain: hello\n"
                  "[ 45902] b > a close\n"
                  "[ 45912] a = sent\n");
}

TEST(killed_between_commit_and_close_it_comes_twice)
{
        _cleanup_(world_freep)
        struct world *w = begin(false);
        struct machine *a = start(w, "Ada", 1), *b = start(w, "Bob", 2);

        world_run_until(w, AT(10));
        forget_trace(w);
        b->crash_next = CRASH_AFTER_COMMIT;
        machine_send(a, "Bob", "hello", "plain", 0);
        world_run_until(w, AT(11));
        machine_start(b);
        world_run_until(w, AT(20));
        expect(w, "[ 10000] a = queued for b, plain: hello\n"
                  "[ 10000] a > b dial\n"
                  "[ 10020] a > b {\"unencrypted_message\": \"hello\", \"username\": \"Ada\", "
                  "\"use...\n"
                  "[ 10020] a > b finish\n"
                  "[ 10030] b is killed\n"
                  "[ 10040] a < queued\n"
                  "[ 11000] b starts\n"
                  "[ 11222] a > b dial\n"
                  "[ 11242] a > b {\"unencrypted_message\": \"hello\", \"username\": \"Ada\", "
                  "\"use...\n"
                  "[ 11242] a > b finish\n"
                  "[ 11252] b = received from a, plain: hello\n"
                  "[ 11252] b > a close\n"
                  "[ 11262] a = sent\n");
}

TEST(who_has_moved_takes_over_the_queue)
{
        _cleanup_(world_freep)
        struct world *w = begin(false);
        struct machine *a = start(w, "Ada", 1), *b = start(w, "Bob", 2);

        world_run_until(w, AT(10));
        machine_power_off(b);
        world_run_until(w, AT(1000));
        machine_send(a, "Bob", "where are you?", NULL, 0);
        machine_move(b, 1, 77);
        machine_start(b);
        world_run_until(w, AT(1010));
        expect(w, "[     0] a starts\n"
                  "[     0] b starts\n"
                  "[    10] a = Bob is online\n"
                  "[    10] b = Ada is online\n"
                  "[ 10000] b loses power\n"
                  "[ 18010] a = Bob is away\n"
                  "[908010] a = Bob is offline\n"
                  "[1000000] b moves to 10.0.1.77\n"
                  "[1000000] b starts\n"
                  "[1000000] a = queued for 10.0.1.2: where are you?\n"
                  "[1000000] a < queued\n"
                  "[1000010] a = Bob is online\n"
                  "[1000010] a > b dial\n"
                  "[1000020] b = Ada is online\n"
                  "[1000030] a > b {\"key\": ...}\n"
                  "[1000040] b > a {\"key\": ...}\n"
                  "[1000550] a > b {\"encrypted_message\": ..., \"username\": \"Ada\", \"user\": "
                  "\"A...\n"
                  "[1000550] a > b finish\n"
                  "[1000560] b = received from a: where are you?\n"
                  "[1000560] b > a close\n"
                  "[1000570] a = sent\n");
}

TEST(two_of_one_name_are_ambiguous)
{
        _cleanup_(world_freep)
        struct world *w = begin(false);
        struct machine *a = start(w, "Ada", 1);

        start(w, "Bob", 2);
        start(w, "bob", 3);
        world_run_until(w, AT(10));
        machine_send(a, "Bob", "which one?", NULL, REFUSAL_AMBIGUOUS_USER);
        machine_send(a, "Bob@10.0.1.3", "you", "plain", 0);
        world_run_until(w, AT(12));
        expect(w, "[     0] a starts\n"
                  "[     0] b starts\n"
                  "[     0] c starts\n"
                  "[    10] a = Bob@10.0.1.2 is online\n"
                  "[    10] a = bob@10.0.1.3 is online\n"
                  "[    10] b = Ada is online\n"
                  "[    10] b = bob is online\n"
                  "[    10] c = Ada is online\n"
                  "[    10] c = Bob is online\n"
                  "[ 10000] a < refused: Several users are meant by \"Bob\"; name one of them: "
                  "bob@10.0.1.3, Bob@10.0.1.2.\n"
                  "[ 10000] a = queued for c, plain: you\n"
                  "[ 10000] a > c dial\n"
                  "[ 10020] a > c {\"unencrypted_message\": \"you\", \"username\": \"Ada\", "
                  "\"user\"...\n"
                  "[ 10020] a > c finish\n"
                  "[ 10030] c = received from a, plain: you\n"
                  "[ 10030] c > a close\n"
                  "[ 10040] a = sent\n"
                  "[ 10040] a < sent\n");
}

TEST(an_old_program_hears_us_before_we_call)
{
        _cleanup_(world_freep)
        struct world *w = begin(false);
        struct machine *a = start(w, "Ada", 1);
        struct machine *old = world_add_foreign(w, "old", 1, 9, MANNER_SWALLOW);

        world_run_until(w, AT(1));
        announce(old, DIALECT_CLASSIC, "{\"username\": \"Old\"}");
        world_run_until(w, AT(2));
        machine_send(a, "Old", "hello", "plain", 0);
        world_run_until(w, AT(12));
        expect(w, "[     0] a starts\n"
                  "[  1010] a = Old is online\n"
                  "[  2000] a = queued for b, plain: hello\n"
                  "[  2000] a < queued\n"
                  "[ 10000] a > b dial\n"
                  "[ 10020] a > b {\"unencrypted_message\": \"hello\", \"username\": \"Ada\", "
                  "\"use...\n"
                  "[ 10020] a > b finish\n"
                  "[ 10040] a = sent\n"
                  "[ 11010] a = Old is away\n");
}

TEST_MAIN_WITH(set_up)
