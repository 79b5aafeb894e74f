/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Native peers: sessions that begin, break, are replaced and end */
#include "tests/sim/scenario.h"

TEST(first_contact)
{
        _cleanup_(world_freep)
        struct world *w = begin(true);
        struct machine *a = start_native(w, "Ada", 1);

        world_run_until(w, AT(1));
        start_native(w, "Bob", 2);
        world_run_until(w, AT(2));
        machine_send(a, "bob", "hi", NULL, 0);
        world_run_until(w, AT(4));
        machine_send(a, "Bob", "hi again", NULL, 0);
        world_run_until(w, AT(6));
        expect(w, "[     0] a starts\n"
                  "[     0] a > all:6000 "
                  "{\"username\":\"Ada\",\"ip\":\"10.0.1.1\",\"port\":6001,\"id\":\"yy7l...\n"
                  "[     0] a > all:6004 "
                  "{\"username\":\"Ada\",\"ip\":\"10.0.1.1\",\"port\":6001,\"id\":\"yy7l...\n"
                  "[  1000] b starts\n"
                  "[  1000] b > all:6000 "
                  "{\"username\":\"Bob\",\"ip\":\"10.0.1.2\",\"port\":6001,\"id\":\"ssjg...\n"
                  "[  1000] b > all:6004 "
                  "{\"username\":\"Bob\",\"ip\":\"10.0.1.2\",\"port\":6001,\"id\":\"ssjg...\n"
                  "[  1010] a = Bob is online\n"
                  "[  1010] a > b:6000 "
                  "{\"username\":\"Ada\",\"ip\":\"10.0.1.1\",\"port\":6001,\"id\":\"yy7l...\n"
                  "[  1020] b = Ada is online\n"
                  "[  1020] b > a:6000 "
                  "{\"username\":\"Bob\",\"ip\":\"10.0.1.2\",\"port\":6001,\"id\":\"ssjg...\n"
                  "[  2000] a = queued for b: hi\n"
                  "[  2000] a > b dial\n"
                  "[  2020] a > b P2PC (39 bytes)\n"
                  "[  2030] b > a (217 bytes)\n"
                  "[  2040] a = session with Bob: proven\n"
                  "[  2040] a > b (185 bytes)\n"
                  "[  2040] a > b (35 bytes)\n"
                  "[  2050] b = session with Ada: proven\n"
                  "[  2050] b > a (70 bytes)\n"
                  "[  2060] a > b (35 bytes)\n"
                  "[  2060] a > b (53 bytes)\n"
                  "[  2070] b = received from a: hi\n"
                  "[  2070] b > a (27 bytes)\n"
                  "[  2080] a = delivered\n"
                  "[  2080] a < delivered\n"
                  "[  4000] a = queued for b: hi again\n"
                  "[  4000] a > b (59 bytes)\n"
                  "[  4010] b = received from a: hi again\n"
                  "[  4010] b > a (27 bytes)\n"
                  "[  4020] a = delivered\n"
                  "[  4020] a < delivered\n");
}

TEST(an_idle_session_ends)
{
        _cleanup_(world_freep)
        struct world *w = begin(false);
        struct machine *a = start_native(w, "Ada", 1), *b = start_native(w, "Bob", 2);

        world_run_until(w, AT(1));
        machine_send(a, "Bob", "hi", NULL, 0);
        world_run_until(w, AT(2));
        ASSERT_EQ(node_sessions(a->node), 1);
        forget_trace(w);
        world_run_until(w, AT(200));
        ASSERT_EQ(node_sessions(a->node), 0);
        ASSERT_EQ(node_sessions(b->node), 0);
        expect(w, "[121070] b = session with Ada: idle\n"
                  "[121070] b > a (20 bytes)\n"
                  "[121070] b > a close\n"
                  "[121080] a = session with Bob: idle\n"
                  "[121080] a > b (20 bytes)\n"
                  "[121080] a > b close\n");
}

TEST(who_is_absent_gets_it_once_when_back)
{
        _cleanup_(world_freep)
        struct world *w = begin(false);
        struct machine *a = start_native(w, "Ada", 1), *b = start_native(w, "Bob", 2);

        world_run_until(w, AT(10));
        machine_power_off(b);
        world_run_until(w, AT(1000));
        forget_trace(w);
        machine_send(a, "Bob", "first", NULL, 0);
        machine_send(a, "Bob", "second", NULL, 0);
        machine_move(b, 1, 77);
        world_run_until(w, AT(1010));
        machine_start(b);
        world_run_until(w, AT(1020));
        expect(w, "[1000000] b moves to 10.0.1.77\n"
                  "[1000000] a = queued for 10.0.1.2: first\n"
                  "[1000000] a = queued for 10.0.1.2: second\n"
                  "[1000000] a > 10.0.1.2 dial\n"
                  "[1003000] a < queued\n"
                  "[1003000] a < queued\n"
                  "[1008769] a > 10.0.1.2 dial\n"
                  "[1010000] b starts\n"
                  "[1010010] a = Bob is online\n"
                  "[1010020] b = Ada is online\n"
                  "[1016769] a > b dial\n"
                  "[1016789] a > b P2PC (39 bytes)\n"
                  "[1016799] b > a (217 bytes)\n"
                  "[1016809] a = session with Bob: proven\n"
                  "[1016809] a > b (185 bytes)\n"
                  "[1016809] a > b (35 bytes)\n"
                  "[1016819] b = session with Ada: proven\n"
                  "[1016819] b > a (70 bytes)\n"
                  "[1016829] a > b (35 bytes)\n"
                  "[1016829] a > b (113 bytes)\n"
                  "[1016839] b = received from a: first\n"
                  "[1016839] b = received from a: second\n"
                  "[1016839] b > a (27 bytes)\n"
                  "[1016849] a = delivered\n"
                  "[1016849] a = delivered\n");
}

/* Nobody is told that Bob has gone: only the kernel of Ada finds out. */
TEST(a_dead_session_ends_in_20_seconds)
{
        _cleanup_(world_freep)
        struct world *w = begin(false);
        struct machine *a = start_native(w, "Ada", 1), *b = start_native(w, "Bob", 2);

        world_run_until(w, AT(10));
        machine_send(a, "Bob", "hi", NULL, 0);
        world_run_until(w, AT(12));
        ASSERT_EQ(node_sessions(a->node), 1);
        machine_power_off(b);
        forget_trace(w);
        world_run_until(w, AT(40));
        ASSERT_EQ(node_sessions(a->node), 0);
        expect(w, "[ 28020] a = session with Bob: silent\n");
}

TEST(killed_between_commit_and_acknowledgement_it_comes_once)
{
        _cleanup_(world_freep)
        struct world *w = begin(false);
        struct machine *a = start_native(w, "Ada", 1), *b = start_native(w, "Bob", 2);

        world_run_until(w, AT(10));
        machine_send(a, "Bob", "one", NULL, 0);
        world_run_until(w, AT(12));
        forget_trace(w);
        b->crash_next = CRASH_AFTER_EVENTS;
        machine_send(a, "Bob", "two", NULL, 0);
        world_run_until(w, AT(13));
        machine_start(b);
        world_run_until(w, AT(20));
        expect(w, "[ 12000] a = queued for b: two\n"
                  "[ 12000] a > b (54 bytes)\n"
                  "[ 12010] b = received from a: two\n"
                  "[ 12010] b is killed\n"
                  "[ 12020] a = session with Bob: lost\n"
                  "[ 12020] a < queued\n"
                  "[ 12938] a > b dial\n"
                  "[ 13000] b starts\n"
                  "[ 14865] a > b dial\n"
                  "[ 14885] a > b P2PC (39 bytes)\n"
                  "[ 14895] b > a (217 bytes)\n"
                  "[ 14905] a = session with Bob: proven\n"
                  "[ 14905] a > b (185 bytes)\n"
                  "[ 14905] a > b (35 bytes)\n"
                  "[ 14915] b = session with Ada: proven\n"
                  "[ 14915] b > a (70 bytes)\n"
                  "[ 14925] a = delivered\n"
                  "[ 14925] a > b (35 bytes)\n");
}

/* Ada has forgotten that she wrote three messages; what she writes then is new all the same. */
TEST(a_sender_that_was_put_back)
{
        _cleanup_(world_freep)
        struct world *w = begin(false);
        struct machine *a = start_native(w, "Ada", 1);

        start_native(w, "Bob", 2);
        world_run_until(w, AT(10));
        machine_send(a, "Bob", "one", NULL, 0);
        world_run_until(w, AT(12));
        machine_back_up(a);
        machine_send(a, "Bob", "two", NULL, 0);
        machine_send(a, "Bob", "three", NULL, 0);
        world_run_until(w, AT(14));
        machine_put_back(a, &a->backups[0]);
        machine_start(a);
        world_run_until(w, AT(25));
        forget_trace(w);
        machine_send(a, "Bob", "four", NULL, 0);
        machine_send(a, "Bob", "five", NULL, 0);
        machine_send(a, "Bob", "six", NULL, 0);
        world_run_until(w, AT(30));
        expect(w, "[ 25000] a = queued for b: four\n"
                  "[ 25000] a = queued for b: five\n"
                  "[ 25000] a = queued for b: six\n"
                  "[ 25000] a > b dial\n"
                  "[ 25020] a > b P2PC (39 bytes)\n"
                  "[ 25030] b > a (217 bytes)\n"
                  "[ 25040] a = session with Bob: proven\n"
                  "[ 25040] a > b (185 bytes)\n"
                  "[ 25040] a > b (35 bytes)\n"
                  "[ 25050] b = session with Ada: proven\n"
                  "[ 25050] b > a (70 bytes)\n"
                  "[ 25060] a > b (35 bytes)\n"
                  "[ 25060] a > b (164 bytes)\n"
                  "[ 25070] b = received from a: four\n"
                  "[ 25070] b = received from a: five\n"
                  "[ 25070] b = received from a: six\n"
                  "[ 25070] b > a (27 bytes)\n"
                  "[ 25080] a = delivered\n"
                  "[ 25080] a = delivered\n"
                  "[ 25080] a = delivered\n"
                  "[ 25080] a < delivered\n"
                  "[ 25080] a < delivered\n"
                  "[ 25080] a < delivered\n");
}

/* What waited in the older state was delivered since: Bob knows it. */
TEST(what_was_queued_before_the_backup_comes_once)
{
        _cleanup_(world_freep)
        struct world *w = begin(false);
        struct machine *a = start_native(w, "Ada", 1), *b = start_native(w, "Bob", 2);

        world_run_until(w, AT(10));
        machine_send(a, "Bob", "zero", NULL, 0);
        world_run_until(w, AT(12));
        machine_kill(b);
        world_run_until(w, AT(13));
        machine_send(a, "Bob", "one", NULL, 0);
        world_run_until(w, AT(14));
        machine_back_up(a);
        machine_start(b);
        world_run_until(w, AT(30));
        machine_put_back(a, &a->backups[0]);
        machine_start(a);
        forget_trace(w);
        world_run_until(w, AT(50));
        expect(w, "[ 30000] a > b dial\n"
                  "[ 30010] a = Bob is away\n"
                  "[ 30020] a > b P2PC (39 bytes)\n"
                  "[ 30030] b > a (217 bytes)\n"
                  "[ 30040] a = session with Bob: proven\n"
                  "[ 30040] a = Bob is online\n"
                  "[ 30040] a > b (185 bytes)\n"
                  "[ 30040] a > b (35 bytes)\n"
                  "[ 30050] b = session with Ada: replaced\n"
                  "[ 30050] b = session with Ada: proven\n"
                  "[ 30050] b > a (20 bytes)\n"
                  "[ 30050] b > a close\n"
                  "[ 30050] b > a (70 bytes)\n"
                  "[ 30060] a > b (35 bytes)\n"
                  "[ 30060] a > b (54 bytes)\n"
                  "[ 30070] b = number 1 was here already\n"
                  "[ 30070] b > a (55 bytes)\n"
                  "[ 30080] a = delivered\n");
}

/* Somebody else has the address now, and says that he has the id, too. */
TEST(an_impostor_hears_nothing)
{
        _cleanup_(world_freep)
        struct world *w = begin(false);
        struct machine *a = start_native(w, "Ada", 1), *b = start_native(w, "Bob", 2);
        struct machine *c = world_add(w, "Bob", 1, 3, NULL);
        char forged[200];

        world_run_until(w, AT(10));
        machine_send(a, "Bob", "hi", NULL, 0);
        world_run_until(w, AT(12));
        machine_power_off(b);
        machine_move(b, 1, 77);
        machine_move(c, 1, 2);
        machine_start(c);
        world_run_until(w, AT(40));
        forget_trace(w);
        (void)snprintf(forged, sizeof forged,
                "{\"username\":\"Bob\",\"port\":6001,\"id\":\"%s\",\"p2pchat\":1}", b->identity.id);
        world_datagram(w, DIALECT_CLASSIC, &c->address, a, forged, strlen(forged));
        world_run_until(w, AT(41));
        machine_send(a, "Bob", "are you there?", NULL, 0);
        world_run_until(w, AT(45));
        machine_start(b);
        world_run_until(w, AT(50));
        expect(w, "[ 40010] a = Bob is online\n"
                  "[ 41000] a = queued for c: are you there?\n"
                  "[ 41000] a > c dial\n"
                  "[ 41020] a > c P2PC (39 bytes)\n"
                  "[ 41030] c > a (217 bytes)\n"
                  "[ 41040] a = session with ?: other-id\n"
                  "[ 41040] a = warning KeyChanged: Bob#iqmk at 10.0.1.2 has another key than your "
                  "contact Bob; what is for Bob is not sent there. If that machine was set up "
                  "anew, compare fingerprints (\"p2pchat fingerprint Bob#iqmk\"), then \"p2pchat "
                  "trust Bob#iqmk\". Else somebody may pretend to be Bob.\n"
                  "[ 41040] a > c close\n"
                  "[ 41040] a < queued\n"
                  "[ 41050] c = session with ?: lost\n"
                  "[ 41050] c > a close\n"
                  "[ 42165] a > c dial\n"
                  "[ 42185] a > c P2PC (39 bytes)\n"
                  "[ 42195] c > a (217 bytes)\n"
                  "[ 42205] a = session with ?: other-id\n"
                  "[ 42205] a > c close\n"
                  "[ 42215] c = session with ?: lost\n"
                  "[ 42215] c > a close\n"
                  "[ 44439] a > c dial\n"
                  "[ 44459] a > c P2PC (39 bytes)\n"
                  "[ 44469] c > a (217 bytes)\n"
                  "[ 44479] a = session with ?: other-id\n"
                  "[ 44479] a > c close\n"
                  "[ 44489] c = session with ?: lost\n"
                  "[ 44489] c > a close\n"
                  "[ 45000] b starts\n"
                  "[ 45010] a > b dial\n"
                  "[ 45010] c = Bob is online\n"
                  "[ 45020] b = Bob is online\n"
                  "[ 45030] a > b P2PC (39 bytes)\n"
                  "[ 45040] b > a (217 bytes)\n"
                  "[ 45050] a = session with Bob: proven\n"
                  "[ 45050] a > b (185 bytes)\n"
                  "[ 45050] a > b (35 bytes)\n"
                  "[ 45060] b = session with Ada: proven\n"
                  "[ 45060] b = Ada is online\n"
                  "[ 45060] b > a (70 bytes)\n"
                  "[ 45070] a > b (35 bytes)\n"
                  "[ 45070] a > b (65 bytes)\n"
                  "[ 45080] b = received from a: are you there?\n"
                  "[ 45080] b > a (27 bytes)\n"
                  "[ 45090] a = delivered\n");
}

TEST(who_moves_is_found)
{
        _cleanup_(world_freep)
        struct world *w = begin(false);
        struct machine *a = start_native(w, "Ada", 1), *b = start_native(w, "Bob", 2);

        world_run_until(w, AT(10));
        machine_move(b, 1, 77);
        world_run_until(w, AT(10.1));
        forget_trace(w);
        machine_send(a, "Bob", "one", NULL, 0);
        world_run_until(w, AT(30));
        expect(w, "[ 10100] a = queued for b: one\n"
                  "[ 10100] a > b dial\n"
                  "[ 10120] a > b P2PC (39 bytes)\n"
                  "[ 10130] b > a (217 bytes)\n"
                  "[ 10140] a = session with Bob: proven\n"
                  "[ 10140] a > b (185 bytes)\n"
                  "[ 10140] a > b (35 bytes)\n"
                  "[ 10150] b = session with Ada: proven\n"
                  "[ 10150] b > a (70 bytes)\n"
                  "[ 10160] a > b (35 bytes)\n"
                  "[ 10160] a > b (54 bytes)\n"
                  "[ 10170] b = received from a: one\n"
                  "[ 10170] b > a (27 bytes)\n"
                  "[ 10180] a = delivered\n"
                  "[ 10180] a < delivered\n");
}

TEST(both_call_at_once)
{
        _cleanup_(world_freep)
        struct world *w = begin(false);
        struct machine *a = start_native(w, "Ada", 1), *b = start_native(w, "Bob", 2);

        world_run_until(w, AT(10));
        forget_trace(w);
        machine_send(a, "Bob", "hi Bob", NULL, 0);
        machine_send(b, "Ada", "hi Ada", NULL, 0);
        world_run_until(w, AT(12));
        ASSERT_EQ(node_sessions(a->node), 1);
        ASSERT_EQ(node_sessions(b->node), 1);
        expect(w, "[ 10000] a = queued for b: hi Bob\n"
                  "[ 10000] a > b dial\n"
                  "[ 10000] b = queued for a: hi Ada\n"
                  "[ 10000] b > a dial\n"
                  "[ 10020] a > b P2PC (39 bytes)\n"
                  "[ 10020] b > a P2PC (39 bytes)\n"
                  "[ 10030] b > a (217 bytes)\n"
                  "[ 10030] a > b (217 bytes)\n"
                  "[ 10040] a = session with Bob: proven\n"
                  "[ 10040] a > b (185 bytes)\n"
                  "[ 10040] a > b (35 bytes)\n"
                  "[ 10040] b = session with Ada: proven\n"
                  "[ 10040] b > a (185 bytes)\n"
                  "[ 10040] b > a (35 bytes)\n"
                  "[ 10050] b > a (20 bytes)\n"
                  "[ 10050] a = session with Bob: proven\n"
                  "[ 10050] a > b (20 bytes)\n"
                  "[ 10050] a > b (70 bytes)\n"
                  "[ 10060] a = session with Bob: replaced\n"
                  "[ 10060] a > b close\n"
                  "[ 10060] b = session with Ada: replaced\n"
                  "[ 10060] b > a close\n"
                  "[ 10060] b > a (35 bytes)\n"
                  "[ 10060] b > a (57 bytes)\n"
                  "[ 10070] a = received from b: hi Ada\n"
                  "[ 10070] a > b (27 bytes)\n"
                  "[ 10070] a > b (57 bytes)\n"
                  "[ 10080] b = received from a: hi Bob\n"
                  "[ 10080] b = delivered\n"
                  "[ 10080] b < delivered\n"
                  "[ 10080] b > a (27 bytes)\n"
                  "[ 10090] a = delivered\n"
                  "[ 10090] a < delivered\n");
}

TEST(an_old_program_and_a_new_one)
{
        _cleanup_(world_freep)
        struct world *w = begin(false);
        struct machine *a = start_native(w, "Ada", 1), *b = start(w, "Bob", 2);

        world_run_until(w, AT(12));
        forget_trace(w);
        machine_send(a, "Bob", "hi Bob", NULL, 0);
        machine_send(b, "Ada", "hi Ada", NULL, 0);
        machine_send(a, "Bob", "psst", "encrypted", REFUSAL_NOT_SECURE);
        world_run_until(w, AT(20));
        expect(w, "[ 12000] a < refused: The program of Bob knows only the classic key exchange, "
                  "which is not secure: ask for \"legacy\" if that will do.\n"
                  "[ 12000] a = queued for b: hi Bob\n"
                  "[ 12000] b = queued for a: hi Ada\n"
                  "[ 12000] a > b dial\n"
                  "[ 12000] b > a dial\n"
                  "[ 12020] a > b {\"key\": ...}\n"
                  "[ 12020] b > a {\"key\": ...}\n"
                  "[ 12030] b > a {\"key\": ...}\n"
                  "[ 12030] a > b {\"key\": ...}\n"
                  "[ 12540] a > b {\"encrypted_message\": ..., \"username\": \"Ada\", \"user\": "
                  "\"A...\n"
                  "[ 12540] a > b finish\n"
                  "[ 12540] b > a {\"encrypted_message\": ..., \"username\": \"Bob\", \"user\": "
                  "\"B...\n"
                  "[ 12540] b > a finish\n"
                  "[ 12550] b = received from a: hi Bob\n"
                  "[ 12550] a = received from b: hi Ada\n"
                  "[ 12550] b > a close\n"
                  "[ 12550] a > b close\n"
                  "[ 12560] a = sent\n"
                  "[ 12560] a < sent\n"
                  "[ 12560] b = sent\n"
                  "[ 12560] b < sent\n");
}

TEST_MAIN_WITH(set_up)
