/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole nodes and the ledger: registering, what it says of names, networks, restarts */
#include "unit/node-ledger-fixture.h"

static bool has_heard_of(const struct machine *m, const char *name, const char *id)
{
        for (size_t i = 0; i < m->n_certified; i++)
                if (streq(m->certified[i].name, name) && streq(m->certified[i].id, id))
                        return true;
        return false;
}

TEST(who_has_registered_is_certified_everywhere)
{
        begin_ledger(3);
        ASSERT_OK(machine_send(machine(0), "Bob", "hello"));
        net_pass(&net, USEC_PER_SEC);
        ASSERT_EQ(user(0, 1)->security, SECURITY_ENCRYPTED);
        register_name(1);
        assert_one_chain(3, 1);
        for (int i = 0; i < 3; i++)
                ASSERT_TRUE(has_heard_of(machine(i), "Bob", machine(1)->identity.id));
        ASSERT_EQ(user(0, 1)->security, SECURITY_CERTIFIED);
        ASSERT_OK(machine_send(machine(0), "Bob", "again"));
        ASSERT_OK(machine_send(machine(1), "Ana", "back"));
        net_pass(&net, USEC_PER_SEC);
        ASSERT_EQ(sent(machine(0), 1)->message.security, SECURITY_CERTIFIED);
        ASSERT_EQ(received(machine(0), 0)->message.security, SECURITY_CERTIFIED);
        net_done(&net);
}

TEST(a_second_time_is_no_second_record)
{
        begin_ledger(2);
        register_name(0);
        register_name(0);
        assert_one_chain(2, 1);
        ASSERT_EQ(chain(0).n_waiting, 0);
        net_done(&net);
}

TEST(a_name_of_somebody_else_is_refused_at_once)
{
        begin_ledger(2);
        register_name(0);
        ASSERT_OK(node_set_username(machine(1)->node, "ana", net.now, NULL));
        ASSERT_EQ(try_register(1), REFUSAL_NAME_TAKEN);
        ASSERT_EQ(view(1).registration, REGISTRATION_NONE);
        assert_one_chain(2, 1);
        net_done(&net);
}

/* Mia comes, whose name was registered by Ana's machine, to somebody who never met Ana. */
TEST(an_impostor_is_refused_by_the_name)
{
        struct machine *mia;
        const struct user *u;
        char shown[NAME_SIZE_MAX + 1];

        begin_ledger(2);
        register_name(0);
        mia = net_add(&net, 2, "Ana", 77, true);
        net_pass(&net, SETTLE_USEC);
        snprintf(shown, sizeof shown, "#%.8s", mia->identity.id);
        u = user(1, 2);
        ASSERT_STREQ(u->name, shown);
        ASSERT_NE(u->security, SECURITY_CERTIFIED);
        ASSERT_TRUE(was_warned(machine(1), "KeyChanged"));

        /* The name means who has it; the other one is reached by what is shown, and only so. */
        ASSERT_OK(machine_send(machine(1), "Ana", "for Ana"));
        ASSERT_OK(machine_send(machine(1), shown, "for you"));
        net_pass(&net, USEC_PER_SEC);
        assert_received(machine(0), 1, "for Ana");
        assert_received(mia, 1, "for you");
        ASSERT_EQ(node_trust(machine(1)->node, shown, net.now, NULL), REFUSAL_INVALID_NAME);
        ASSERT_OK(node_alias(machine(1)->node, shown, "Mia", net.now, NULL));
        ASSERT_STREQ(user(1, 2)->name, "Mia");
        net_done(&net);
}

/* He is known already, and takes the name only now. */
TEST(who_takes_a_name_of_somebody_else_loses_his_own)
{
        begin_ledger(3);
        register_name(0);
        ASSERT_STREQ(user(1, 2)->name, "Cem");
        ASSERT_OK(node_set_username(machine(2)->node, "Ana", net.now, NULL));
        net_pass(&net, USEC_PER_SEC);
        ASSERT_EQ(user(1, 2)->name[0], '#');
        ASSERT_TRUE(was_warned(machine(1), "KeyChanged"));
        ASSERT_OK(node_set_username(machine(2)->node, "Cem", net.now, NULL));
        net_pass(&net, USEC_PER_SEC);
        ASSERT_STREQ(user(1, 2)->name, "Cem");
        net_done(&net);
}

/* Only the impostor is there: nobody is written to under the name. */
TEST(a_name_is_refused_where_its_owner_was_never_met)
{
        begin_ledger(2);
        register_name(0);
        machine_stop(machine(0));
        add_lan(0, 3, 1); /* Dan, who has never met Ana, gets the chain from Bob */
        net_pass(&net, SETTLE_USEC);
        ASSERT_EQ(chain(3).height, 1);
        net_add(&net, 2, "Ana", 77, true);
        net_pass(&net, SETTLE_USEC);
        ASSERT_EQ(machine_send(machine(3), "Ana", "who are you?"), REFUSAL_UNKNOWN_USER);
        ASSERT_EQ(user(3, 2)->name[0], '#');
        net_done(&net);
}

/* By a stranger who bore it before, and not by a contact. */
TEST(a_name_is_lost_to_who_registers_it)
{
        begin_ledger(2);
        net_add(&net, 2, "Dan", 21, true);
        net_pass(&net, SETTLE_USEC);
        ASSERT_OK(machine_send(machine(0), "Dan", "you are my contact"));
        net_pass(&net, USEC_PER_SEC);
        net_add(&net, 3, "Dan", 4, true);
        net_pass(&net, SETTLE_USEC);
        register_name(3);
        ASSERT_EQ(user(1, 2)->name[0], '#');
        ASSERT_STREQ(user(1, 3)->name, "Dan");
        ASSERT_EQ(user(1, 3)->security, SECURITY_CERTIFIED);
        ASSERT_STREQ(user(0, 2)->name, "Dan");
        ASSERT_TRUE(user(0, 2)->contact);
        ASSERT_TRUE(user(0, 3)->namesake);
        ASSERT_TRUE(was_warned(machine(0), "KeyChanged"));
        ASSERT_OK(machine_send(machine(0), "Dan", "still you"));
        net_pass(&net, USEC_PER_SEC);
        assert_received(machine(2), 2, "still you");
        ASSERT_EQ(disk_count(&machine(3)->disk, DIRECTION_RECEIVED), 0);
        net_done(&net);
}

TEST(a_restart_keeps_chain_and_registration)
{
        begin_ledger(2);
        register_name(0);
        machine_restart(machine(0));
        machine_restart(machine(1));
        net_pass(&net, SETTLE_USEC);
        assert_one_chain(2, 1);
        ASSERT_EQ(view(0).registration, REGISTRATION_HELD);
        ASSERT_EQ(user(1, 0)->security, SECURITY_CERTIFIED);
        ASSERT_EQ(machine(0)->n_warnings, 0);
        net_done(&net);
}

/* It was told to nobody yet, and no block made. */
TEST(what_waits_outlives_a_restart)
{
        char registered[WORD_SIZE];

        begin_ledger(2);
        ASSERT_OK(node_ledger_register(machine(0)->node, net.now, registered, NULL));
        ASSERT_EQ(strncmp(registered, word(0), strlen(word(0))), 0);
        machine_end_turn(machine(0));
        machine_restart(machine(0));
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_EQ(view(0).registration, REGISTRATION_HELD);
        assert_one_chain(2, 1);
        net_done(&net);
}

TEST(registrations_are_renewed_before_they_end)
{
        begin_ledger(2);
        register_name(0);
        net.now.real_usec += 360 * USEC_PER_DAY;
        net_pass(&net, 2 * USEC_PER_HOUR);
        assert_one_chain(2, 1);
        net.now.real_usec += 15 * USEC_PER_DAY;
        net_pass(&net, 2 * USEC_PER_HOUR);
        assert_one_chain(2, 2);
        ASSERT_GT(view(0).own.until_usec, net.now.real_usec + 390 * USEC_PER_DAY);
        net_done(&net);
}

TEST(what_is_revoked_rests_and_then_is_free)
{
        begin_ledger(3);
        register_name(0);
        ASSERT_EQ(user(1, 0)->security, SECURITY_CERTIFIED);
        ASSERT_OK(node_ledger_revoke(machine(0)->node, "Cem", net.now, NULL));
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_EQ(view(0).registration, REGISTRATION_NONE);
        ASSERT_EQ(user(1, 0)->security, SECURITY_ENCRYPTED);
        ASSERT_EQ(
                node_ledger_revoke(machine(0)->node, "", net.now, NULL), REFUSAL_INVALID_ARGUMENT);
        ASSERT_OK(node_set_username(machine(1)->node, "Ana", net.now, NULL));
        ASSERT_EQ(try_register(1), REFUSAL_NAME_TAKEN);
        ASSERT_OK(node_set_username(machine(2)->node, "Ana", net.now, NULL));
        register_name(2);
        net_done(&net);
}

TEST(a_network_with_registrars_comes_to_others_by_its_word)
{
        char made[GENESIS_WORD_SIZE];
        const char *registrar[] = { "Bob" };

        begin_ledger(3);
        ASSERT_OK(machine_send(machine(0), "Bob", "be my registrar"));
        net_pass(&net, USEC_PER_SEC);
        ASSERT_OK(
                node_ledger_create(machine(0)->node, "office", registrar, 1, net.now, made, NULL));
        net_pass(&net, USEC_PER_SEC);
        ASSERT_STREQ(view(0).network, made);
        ASSERT_EQ(chain(0).n_peers, 0);
        for (int i = 1; i < 3; i++) {
                ASSERT_OK(node_ledger_join(machine(i)->node, made, net.now, NULL));
                net_pass(&net, USEC_PER_MINUTE);
                ASSERT_STREQ(view(i).network, made);
        }
        ASSERT_EQ(chain(0).n_peers, 2);

        ASSERT_OK(try_register(2));
        ASSERT_EQ(view(2).registration, REGISTRATION_WAITING);
        ASSERT_EQ(node_ledger_approve(machine(0)->node, "Cem", net.now, NULL),
                REFUSAL_INVALID_ARGUMENT);
        ASSERT_EQ(
                node_ledger_approve(machine(1)->node, "Dan", net.now, NULL), REFUSAL_UNKNOWN_USER);
        ASSERT_OK(node_ledger_approve(machine(1)->node, word(2), net.now, NULL));
        net_pass(&net, USEC_PER_MINUTE);
        assert_one_chain(3, 1);
        ASSERT_EQ(view(2).registration, REGISTRATION_HELD);
        ASSERT_EQ(user(0, 2)->security, SECURITY_CERTIFIED);

        /* Back, and there again: nothing was lost. */
        ASSERT_OK(node_ledger_join(machine(0)->node, "", net.now, NULL));
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_TRUE(view(0).is_built_in);
        ASSERT_EQ(chain(0).height, 0);
        ASSERT_EQ(user(0, 2)->security, SECURITY_ENCRYPTED);
        machine_restart(machine(0));
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_OK(node_ledger_join(machine(0)->node, made, net.now, NULL));
        net_run(&net);
        ASSERT_EQ(chain(0).height, 1);
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_EQ(user(0, 2)->security, SECURITY_CERTIFIED);
        net_done(&net);
}

TEST(bad_words_of_networks_are_refused)
{
        char made[GENESIS_WORD_SIZE];
        const char *nobody[] = { "Zoe" };

        begin_ledger(1);
        ASSERT_EQ(node_ledger_join(machine(0)->node, "office", net.now, NULL),
                REFUSAL_INVALID_ARGUMENT);
        ASSERT_EQ(node_ledger_join(machine(0)->node, "office#abc", net.now, NULL),
                REFUSAL_INVALID_ARGUMENT);
        ASSERT_EQ(node_ledger_create(machine(0)->node, "a b", NULL, 0, net.now, made, NULL),
                REFUSAL_INVALID_NAME);
        ASSERT_EQ(node_ledger_create(machine(0)->node, "office", nobody, 1, net.now, made, NULL),
                REFUSAL_UNKNOWN_USER);
        net_done(&net);
}

/* Ten blocks, of which the fifth is damaged on one disk: it comes from the other machine. */
TEST(what_is_damaged_is_got_from_others)
{
        begin_ledger(8);
        for (int i = 0; i < 6; i++)
                register_name(i);
        assert_one_chain(8, 6);
        for (size_t i = 0; i < machine(7)->disk.n_blocks; i++)
                if (machine(7)->disk.blocks[i].height == 4)
                        machine(7)->disk.blocks[i].size = 0;
        machine_restart(machine(7));
        ASSERT_EQ(chain(7).height, 3);
        net_pass(&net, SETTLE_USEC);
        ASSERT_TRUE(was_warned(machine(7), "Ledger"));
        assert_one_chain(8, 6);
        machine_restart(machine(7));
        ASSERT_EQ(chain(7).height, 6);
        net_done(&net);
}

TEST(who_sends_nonsense_is_banned_and_still_a_user)
{
        static const uint8_t nonsense[] = { 1, 2, 3 };
        struct message m = { .type = FRAME_LEDGER,
                .ledger = { .data = nonsense, .size = sizeof nonsense } };
        struct link *link;

        begin_ledger(2);
        ASSERT_EQ(chain(0).n_peers, 1);
        link = node_session_with(machine(1)->node, machine(0)->identity.id);
        ASSERT_TRUE(link);
        ASSERT_OK(node_native_tell(machine(1)->node, link, &m, net.now));
        net_pass(&net, USEC_PER_SEC);
        ASSERT_EQ(chain(0).n_peers, 0);
        ASSERT_TRUE(was_warned(machine(0), "Ledger"));
        ASSERT_OK(machine_send(machine(1), "Ana", "sorry"));
        net_pass(&net, USEC_PER_SEC);
        assert_received(machine(0), 1, "sorry");
        net_pass(&net, 2 * USEC_PER_HOUR);
        net_cut(&net);
        net_pass(&net, SETTLE_USEC);
        ASSERT_EQ(chain(0).n_peers, 1);
        net_done(&net);
}

TEST(off_is_off)
{
        char registered[WORD_SIZE];

        set_up();
        add_lan(0, 0, 2);
        net_pass(&net, SETTLE_USEC);
        ASSERT_FALSE(view(0).is_there);
        ASSERT_EQ(node_ledger_register(machine(0)->node, net.now, registered, NULL),
                REFUSAL_NOT_REACHABLE);
        ASSERT_EQ(node_ledger_join(machine(0)->node, "", net.now, NULL), REFUSAL_NOT_REACHABLE);
        net_done(&net);
}

TEST_MAIN_WITH(net_set_up)
