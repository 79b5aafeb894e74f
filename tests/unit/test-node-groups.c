/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole nodes and groups: who is in them, what is said, who has it, restarts, words */
#include "unit/node-groups-fixture.h"

TEST(who_is_invited_is_told_and_accepts)
{
        char id[GROUP_ID_STRING_SIZE];
        struct group_view *views;
        size_t n;

        begin_groups(2);
        ASSERT_OK(try_create(0, "team", 2, id));
        net_pass(&net, 5 * USEC_PER_SEC);
        ASSERT_EQ(at(1)->n_invited, 1);
        ASSERT_STREQ(at(1)->invited_word, "+team");
        ASSERT_STREQ(at(1)->invited_by, "Ana");
        ASSERT_STREQ(at(1)->invited.id, id);
        ASSERT_OK(node_list_groups(at(1)->node, &views, &n));
        ASSERT_EQ(n, 1);
        ASSERT_TRUE(views[0].is_invited);
        ASSERT_STREQ(views[0].id, id);
        free(views);
        ASSERT_EQ(machine_send(at(1), "+team", "too early"), REFUSAL_CANNOT_CHAT);
        ASSERT_OK(node_group_accept(at(1)->node, "+team", net.now, NULL));
        ASSERT_EQ(node_group_accept(at(1)->node, "+team", net.now, NULL), REFUSAL_INVALID_ARGUMENT);
        ASSERT_EQ(count_members(1), 2);
        net_done(&net);
}

TEST(what_is_said_comes_to_all)
{
        struct row *row;

        begin_groups(3);
        make_team(0, 3);
        ASSERT_OK(machine_send(at(1), "+team", "good morning"));
        net_pass(&net, 5 * USEC_PER_SEC);
        for (int i = 0; i < 3; i++)
                ASSERT_EQ(count_text(i, "good morning"), 1);
        ASSERT_EQ(state_of(1, "good morning"), MESSAGE_DELIVERED);
        row = find_text(2, "good morning");
        ASSERT_EQ(row->message.state, MESSAGE_RECEIVED);
        ASSERT_STREQ(row->message.name, "Bob");
        ASSERT_STREQ(row->message.author_id, at(1)->identity.id);
        ASSERT_EQ(row->message.security, SECURITY_ENCRYPTED);
        ASSERT_EQ(row->message.peer, at(2)->disk.groups[0].group.number);
        ASSERT_STREQ(node_user_id(at(2)->node, row->message.peer), "");
        net_done(&net);
}

/* delivered: all have it; sent: one; else queued. */
TEST(states_tell_how_many_have_it)
{
        begin_groups(3);
        make_team(0, 3);
        machine_stop(at(2));
        fall_silent();
        ASSERT_OK(machine_send(at(0), "+team", "first"));
        net_pass(&net, SEND_WAIT_USEC);
        ASSERT_EQ(at(0)->reply.reply.state, MESSAGE_SENT);
        ASSERT_EQ(state_of(0, "first"), MESSAGE_SENT);
        ASSERT_EQ(state_of(1, "first"), MESSAGE_RECEIVED);
        machine_stop(at(1));
        fall_silent();
        ASSERT_OK(machine_send(at(0), "+team", "second"));
        net_pass(&net, SEND_WAIT_USEC);
        ASSERT_EQ(at(0)->reply.reply.state, MESSAGE_QUEUED);
        ASSERT_EQ(state_of(0, "second"), MESSAGE_QUEUED);
        ASSERT_EQ(node_messages_queued(at(0)->node), 1);
        machine_restart(at(1));
        machine_restart(at(2));
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_EQ(state_of(0, "first"), MESSAGE_DELIVERED);
        ASSERT_EQ(state_of(0, "second"), MESSAGE_DELIVERED);
        ASSERT_EQ(node_messages_queued(at(0)->node), 0);
        ASSERT_EQ(count_text(2, "first"), 1);
        ASSERT_EQ(count_text(2, "second"), 1);
        net_done(&net);
}

TEST(who_writes_alone_has_told_all)
{
        char id[GROUP_ID_STRING_SIZE];

        begin_groups(1);
        ASSERT_OK(try_create(0, "notes", 1, id));
        ASSERT_OK(machine_send(at(0), "+notes", "buy milk"));
        net_run(&net);
        ASSERT_EQ(at(0)->reply.reply.state, MESSAGE_DELIVERED);
        net_done(&net);
}

/* Own messages that some lack are known again, and who has them is heard anew. */
TEST(a_restart_keeps_groups_and_what_is_to_be_told)
{
        begin_groups(3);
        make_team(0, 3);
        machine_stop(at(1));
        machine_stop(at(2));
        fall_silent();
        ASSERT_OK(machine_send(at(0), "+team", "still there?"));
        net_pass(&net, USEC_PER_MINUTE);
        machine_restart(at(0));
        ASSERT_EQ(count_members(0), 3);
        ASSERT_EQ(node_messages_queued(at(0)->node), 1);
        ASSERT_OK(machine_send(at(0), "+team", "after"));
        net_pass(&net, USEC_PER_MINUTE);
        machine_restart(at(1));
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_EQ(state_of(0, "still there?"), MESSAGE_SENT);
        machine_restart(at(0));
        machine_restart(at(2));
        net_pass(&net, 2 * USEC_PER_MINUTE);
        ASSERT_EQ(state_of(0, "still there?"), MESSAGE_DELIVERED);
        ASSERT_EQ(state_of(0, "after"), MESSAGE_DELIVERED);
        for (int i = 1; i < 3; i++) {
                ASSERT_EQ(count_text(i, "still there?"), 1);
                ASSERT_EQ(count_text(i, "after"), 1);
        }
        net_done(&net);
}

/* Ana is gone before Cem comes: he has it from Bob, as Ana signed it. */
TEST(an_absent_member_gets_it_from_another)
{
        struct row *row;

        begin_groups(3);
        make_team(0, 3);
        machine_stop(at(2));
        fall_silent();
        ASSERT_OK(machine_send(at(0), "+team", "from me"));
        net_pass(&net, 5 * USEC_PER_SEC);
        machine_stop(at(0));
        fall_silent();
        machine_restart(at(2));
        net_pass(&net, USEC_PER_MINUTE);
        row = find_text(2, "from me");
        ASSERT_TRUE(row);
        ASSERT_STREQ(row->message.name, "Ana");
        ASSERT_STREQ(row->message.author_id, at(0)->identity.id);
        machine_stop(at(1));
        machine_restart(at(0));
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_EQ(count_text(2, "from me"), 1);
        net_done(&net);
}

TEST(who_is_removed_hears_it_and_gets_nothing_more)
{
        begin_groups(3);
        make_team(0, 3);
        ASSERT_EQ(node_group_remove(at(1)->node, "+team", "Cem", net.now, NULL),
                REFUSAL_INVALID_ARGUMENT);
        ASSERT_OK(node_group_remove(at(0)->node, "+team", "Cem", net.now, NULL));
        net_pass(&net, 5 * USEC_PER_SEC);
        ASSERT_TRUE(was_warned(at(2), "Group"));
        ASSERT_FALSE(was_warned(at(1), "Group"));
        ASSERT_EQ(count_groups(2), 0);
        ASSERT_EQ(count_members(1), 2);
        ASSERT_OK(machine_send(at(1), "+team", "without him"));
        net_pass(&net, 5 * USEC_PER_SEC);
        ASSERT_EQ(state_of(1, "without him"), MESSAGE_DELIVERED);
        ASSERT_EQ(count_text(2, "without him"), 0);
        ASSERT_EQ(machine_send(at(2), "+team", "let me in"), REFUSAL_CANNOT_CHAT);
        net_done(&net);
}

TEST(who_leaves_is_gone_for_all)
{
        begin_groups(3);
        make_team(0, 3);
        ASSERT_OK(node_group_leave(at(2)->node, "+team", net.now, NULL));
        net_pass(&net, 10 * USEC_PER_SEC);
        ASSERT_EQ(count_groups(2), 0);
        ASSERT_FALSE(was_warned(at(2), "Group"));
        ASSERT_EQ(count_members(0), 2);
        ASSERT_EQ(count_members(1), 2);
        ASSERT_OK(node_forget(at(2)->node, "+team", net.now, NULL));
        net_run(&net);
        ASSERT_EQ(at(2)->disk.n_groups, 0);
        net_done(&net);
}

/* What nobody had is lost with it, and its writer is told so. */
TEST(who_leaves_takes_what_nobody_has_with_him)
{
        begin_groups(2);
        make_team(0, 2);
        machine_stop(at(0));
        fall_silent();
        ASSERT_OK(machine_send(at(1), "+team", "too late"));
        net_pass(&net, 5 * USEC_PER_SEC);
        ASSERT_OK(node_group_leave(at(1)->node, "+team", net.now, NULL));
        net_run(&net);
        ASSERT_EQ(state_of(1, "too late"), MESSAGE_FAILED);
        ASSERT_STREQ(find_text(1, "too late")->reason, "NotMember");
        net_done(&net);
}

TEST(muted_are_members_and_groups)
{
        begin_groups(3);
        make_team(0, 3);
        ASSERT_OK(node_mute(at(1)->node, "+team", USEC_INFINITY, net.now, NULL));
        ASSERT_OK(node_mute(at(2)->node, "Ana", USEC_INFINITY, net.now, NULL));
        ASSERT_OK(machine_send(at(0), "+team", "quiet"));
        net_pass(&net, 5 * USEC_PER_SEC);
        ASSERT_EQ(state_of(1, "quiet"), MESSAGE_MUTED);
        ASSERT_EQ(state_of(2, "quiet"), MESSAGE_MUTED);
        machine_restart(at(1));
        net_pass(&net, 5 * USEC_PER_SEC);
        ASSERT_OK(node_mute(at(2)->node, "Ana", 0, net.now, NULL));
        ASSERT_OK(machine_send(at(0), "+team", "again"));
        net_pass(&net, 5 * USEC_PER_SEC);
        ASSERT_EQ(state_of(1, "again"), MESSAGE_MUTED);
        ASSERT_EQ(state_of(2, "again"), MESSAGE_RECEIVED);
        ASSERT_OK(node_mute(at(1)->node, "+team", 0, net.now, NULL));
        ASSERT_OK(machine_send(at(0), "+team", "loud"));
        net_pass(&net, 5 * USEC_PER_SEC);
        ASSERT_EQ(state_of(1, "loud"), MESSAGE_RECEIVED);
        net_done(&net);
}

/* Cem has blocked Ana: nothing of hers is kept, and nothing waits for it. */
TEST(of_who_is_blocked_nothing_is_kept)
{
        struct refusal refusal;

        begin_groups(3);
        make_team(1, 3);
        ASSERT_OK(node_block(at(2)->node, "Ana", true, net.now, NULL));
        net_pass(&net, 5 * USEC_PER_SEC);
        ASSERT_OK(machine_send(at(0), "+team", "not for Cem"));
        net_pass(&net, 5 * USEC_PER_SEC);
        ASSERT_OK(machine_send(at(1), "+team", "for Cem"));
        net_pass(&net, 5 * USEC_PER_SEC);
        ASSERT_EQ(count_text(2, "not for Cem"), 0);
        ASSERT_EQ(count_text(2, "for Cem"), 1);
        machine_restart(at(2));
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_OK(node_block(at(2)->node, "Ana", false, net.now, NULL));
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_EQ(count_text(2, "not for Cem"), 0);
        ASSERT_OK(machine_send(at(0), "+team", "for Cem, too"));
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_EQ(count_text(2, "for Cem, too"), 1);
        ASSERT_EQ(node_block(at(2)->node, "+team", true, net.now, &refusal),
                REFUSAL_INVALID_ARGUMENT);
        ASSERT_TRUE(strstr(refusal.sentence, "group leave"));
        net_done(&net);
}

TEST(who_is_blocked_does_not_invite)
{
        char id[GROUP_ID_STRING_SIZE];

        begin_groups(3);
        ASSERT_OK(try_create(0, "one", 3, id));
        net_pass(&net, 5 * USEC_PER_SEC);
        ASSERT_EQ(count_groups(2), 1);
        ASSERT_OK(node_block(at(2)->node, "Ana", true, net.now, NULL));
        net_run(&net);
        ASSERT_EQ(count_groups(2), 0);
        /* Bob brings it, but Ana made it. */
        ASSERT_OK(node_group_accept(at(1)->node, "+one", net.now, NULL));
        ASSERT_OK(machine_send(at(1), "Cem", "hello"));
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_EQ(count_groups(2), 0);
        net_done(&net);
}

/* What was said is gone, who belongs is not; and what is said next comes to all. */
TEST(a_forgotten_conversation_goes_on)
{
        begin_groups(3);
        make_team(0, 3);
        ASSERT_OK(machine_send(at(0), "+team", "one"));
        net_pass(&net, 5 * USEC_PER_SEC);
        machine_stop(at(1));
        machine_stop(at(2));
        fall_silent();
        ASSERT_OK(machine_send(at(0), "+team", "two"));
        net_pass(&net, 5 * USEC_PER_SEC);
        ASSERT_OK(node_forget(at(0)->node, "+team", net.now, NULL));
        net_run(&net);
        ASSERT_EQ(count_text(0, "one"), 0);
        ASSERT_EQ(count_text(0, "two"), 0);
        ASSERT_EQ(count_members(0), 3);
        ASSERT_EQ(node_messages_queued(at(0)->node), 0);
        ASSERT_OK(machine_send(at(0), "+team", "three"));
        machine_restart(at(1));
        machine_restart(at(2));
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_EQ(count_text(0, "one"), 0);
        ASSERT_EQ(count_text(1, "two"), 0);
        ASSERT_EQ(count_text(1, "three"), 1);
        ASSERT_EQ(count_text(2, "three"), 1);
        ASSERT_EQ(state_of(0, "three"), MESSAGE_DELIVERED);
        net_done(&net);
}

TEST(what_is_written_to_a_group_is_not_called_back)
{
        struct refusal refusal;

        begin_groups(2);
        make_team(0, 2);
        machine_stop(at(1));
        fall_silent();
        ASSERT_OK(machine_send(at(0), "+team", "oh"));
        net_pass(&net, 5 * USEC_PER_SEC);
        ASSERT_EQ(node_cancel(at(0)->node, &find_text(0, "oh")->message.id, net.now, &refusal),
                REFUSAL_NO_SUCH_MESSAGE);
        ASSERT_TRUE(strstr(refusal.sentence, "signed"));
        net_done(&net);
}

TEST(words_of_groups)
{
        char first[GROUP_ID_STRING_SIZE], second[GROUP_ID_STRING_SIZE], word[WORD_SIZE];
        uint64_t numbers[4];
        struct refusal refusal;
        size_t n;

        begin_groups(2);
        ASSERT_OK(try_create(0, "team", 2, first));
        net_pass(&net, 5 * USEC_PER_SEC);
        ASSERT_OK(node_group_accept(at(1)->node, "+TEAM", net.now, NULL));
        net_pass(&net, 5 * USEC_PER_SEC);
        ASSERT_OK(machine_send(at(1), "+team", "unambiguous"));

        /* An invitation does not take the name from the group that we are in. */
        ASSERT_OK(try_create(0, "+Team", 2, second));
        net_pass(&net, 5 * USEC_PER_SEC);
        snprintf(word, sizeof word, "+Team#%.4s", second);
        ASSERT_STREQ(at(1)->invited_word, word);
        ASSERT_OK(machine_send(at(1), "+team", "still unambiguous"));
        net_pass(&net, USEC_PER_SEC);
        ASSERT_OK(node_find_conversations(at(1)->node, "+team", net.now, numbers, 4, &n, NULL));
        ASSERT_EQ(n, 1);
        ASSERT_EQ(numbers[0], find_text(1, "still unambiguous")->message.peer);
        ASSERT_STREQ(node_word(at(1)->node, numbers[0], NULL, NULL, net.now, word), "+team");

        ASSERT_OK(node_group_accept(at(1)->node, second, net.now, NULL));
        net_pass(&net, 5 * USEC_PER_SEC);
        ASSERT_EQ(node_find_conversations(at(1)->node, "+team", net.now, numbers, 4, &n, &refusal),
                REFUSAL_AMBIGUOUS_USER);
        snprintf(word, sizeof word, "+team#%.4s", first);
        ASSERT_TRUE(strstr(refusal.sentence, word));
        ASSERT_OK(machine_send(at(1), word, "to the first"));
        ASSERT_OK(machine_send(at(1), second, "to the second"));
        net_pass(&net, 5 * USEC_PER_SEC);
        ASSERT_NE(find_text(0, "to the first")->message.peer,
                find_text(0, "to the second")->message.peer);
        ASSERT_EQ(machine_send(at(1), "+other", "hello"), REFUSAL_UNKNOWN_USER);
        ASSERT_EQ(machine_send(at(1), "+", "hello"), REFUSAL_UNKNOWN_USER);
        ASSERT_EQ(machine_send(at(1), "+team#12", "hello"), REFUSAL_UNKNOWN_USER);
        ASSERT_EQ(machine_send(at(1), word, ""), REFUSAL_INVALID_TEXT);
        ASSERT_EQ(machine_send_as(at(1), word, "hello", SECURITY_VERIFIED, 0), REFUSAL_NOT_SECURE);
        net_done(&net);
}

TEST(who_can_be_in_a_group)
{
        const char *nobody[] = { "Zoe" }, *twice[] = { "Bob", "Bob" };
        char id[GROUP_ID_STRING_SIZE];
        struct group_member_view *members;
        size_t n;

        begin_groups(2);
        ASSERT_EQ(node_group_create(at(0)->node, "a", nobody, 1, net.now, id, NULL),
                REFUSAL_UNKNOWN_USER);
        ASSERT_EQ(node_group_create(at(0)->node, "a#b", twice, 1, net.now, id, NULL),
                REFUSAL_INVALID_NAME);
        ASSERT_EQ(node_group_create(at(0)->node, "", twice, 1, net.now, id, NULL),
                REFUSAL_INVALID_NAME);
        ASSERT_OK(node_group_create(at(0)->node, "a", twice, 2, net.now, id, NULL));
        ASSERT_OK(node_list_members(at(0)->node, id, net.now, &members, &n));
        ASSERT_EQ(n, 2);
        for (size_t i = 0; i < n; i++) {
                ASSERT_EQ(members[i].is_self, members[i].is_creator);
                if (!members[i].is_self)
                        ASSERT_STREQ(members[i].word, "Bob");
        }
        free(members);
        ASSERT_EQ(node_group_invite(at(0)->node, "+a", "Bob", net.now, NULL),
                REFUSAL_INVALID_ARGUMENT);
        ASSERT_EQ(node_group_remove(at(0)->node, "+a", "Ana", net.now, NULL),
                REFUSAL_INVALID_ARGUMENT);
        ASSERT_EQ(
                node_group_remove(at(0)->node, "+a", "zzzz", net.now, NULL), REFUSAL_UNKNOWN_USER);
        ASSERT_OK(node_group_remove(at(0)->node, "+a", at(1)->identity.id, net.now, NULL));
        ASSERT_OK(node_list_members(at(0)->node, id, net.now, &members, &n));
        ASSERT_EQ(n, 1);
        free(members);
        net_done(&net);
}

/* Who is invited by somebody who is away hears of it when both are there. */
TEST(an_invitation_waits_for_both)
{
        char id[GROUP_ID_STRING_SIZE];

        begin_groups(2);
        machine_stop(at(1));
        fall_silent();
        ASSERT_OK(try_create(0, "team", 2, id));
        net_pass(&net, 10 * USEC_PER_MINUTE);
        machine_restart(at(0));
        net_pass(&net, 10 * USEC_PER_MINUTE);
        machine_restart(at(1));
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_EQ(at(1)->n_invited, 1);
        net_done(&net);
}

TEST_MAIN_WITH(net_set_up)
