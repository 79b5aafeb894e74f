/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole nodes with groups, and others who use them against them */
#include "unit/node-groups-fixture.h"

static struct link *session(int of, int with)
{
        struct link *link = node_session_with(at(of)->node, at(with)->identity.id);

        ASSERT_TRUE(link);
        return link;
}

/* @by says it in the session that there is with @to. */
static void utter(int by, int to, const void *data, size_t size)
{
        const struct message m = { .type = FRAME_GROUP, .group = { .data = data, .size = size } };

        ASSERT_OK(node_native_tell(at(by)->node, session(by, to), &m, net.now));
        net_run(&net);
}

static void talk(int i, int k)
{
        ASSERT_OK(machine_send(at(i), group_names[k], "are you there?"));
        net_pass(&net, USEC_PER_SEC);
}

static void get_team(int i, struct group_id *ret)
{
        *ret = at(i)->disk.groups[0].group.id;
}

TEST(who_sends_nonsense_is_not_listened_to_for_an_hour)
{
        static const uint8_t nonsense[] = { GROUP_GOSSIP_TIP, 1, 2, 3 };
        size_t n_warnings;

        begin_groups(3);
        make_team(0, 3);
        utter(1, 0, nonsense, sizeof nonsense);
        ASSERT_TRUE(was_warned(at(0), "Group"));
        n_warnings = at(0)->n_warnings;
        utter(1, 0, nonsense, sizeof nonsense);
        ASSERT_EQ(at(0)->n_warnings, n_warnings);
        ASSERT_OK(machine_send(at(1), "+team", "by way of Cem"));
        net_pass(&net, 10 * USEC_PER_SEC);
        /* What he writes is genuine, and others bring it; what he says is not heard. */
        ASSERT_EQ(count_text(0, "by way of Cem"), 1);
        ASSERT_OK(machine_send(at(1), "Ana", "and I may chat"));
        net_pass(&net, 5 * USEC_PER_SEC);
        ASSERT_EQ(count_text(0, "and I may chat"), 1);
        machine_stop(at(2));
        ASSERT_OK(machine_send(at(1), "+team", "nobody brings it"));
        net_pass(&net, 5 * USEC_PER_MINUTE);
        ASSERT_EQ(count_text(0, "nobody brings it"), 0);
        net_pass(&net, 2 * USEC_PER_HOUR);
        ASSERT_EQ(count_text(0, "nobody brings it"), 1);
        net_done(&net);
}

/* To a stranger nothing is said of a group, nor does he learn that there is one. */
TEST(a_stranger_learns_nothing)
{
        struct group_gossip tip = { .version = 1 };
        uint8_t data[GROUP_GOSSIP_SIZE_MAX];
        size_t size, before;

        begin_groups(3);
        make_team(0, 2);
        talk(2, 0);
        get_team(0, &tip.group);
        size = group_gossip_tip(&tip, data);
        before = session_sent(session(0, 2)->session)->n_frames;
        utter(2, 0, data, size);
        net_pass(&net, 5 * USEC_PER_SEC);
        ASSERT_EQ(session_sent(session(0, 2)->session)->n_frames, before);
        net_done(&net);
}

/* Not one message more than a member may have under way. */
TEST(messages_are_read_for_one_so_many_at_a_time)
{
        struct group_gossip get = { .n = GROUP_GOSSIP_GET_MAX, .number = 1 };
        uint8_t data[GROUP_GOSSIP_SIZE_MAX];
        struct message m = { .type = FRAME_GROUP };
        size_t n_asked;

        begin_groups(2);
        make_team(0, 2);
        for (int i = 0; i < 40; i++)
                ASSERT_OK(machine_send(at(0), "+team", "text"));
        net_pass(&net, 5 * USEC_PER_SEC);
        talk(1, 0);
        get.lane = at(0)->disk.lanes[0].lane;
        get_team(0, &get.group);
        m.group.size = group_gossip_get(&get, data);
        m.group.data = data;
        for (int i = 0; i < 20; i++) {
                ASSERT_OK(node_native_tell(at(1)->node, session(1, 0), &m, net.now));
                machine_end_turn(at(1));
        }
        for (size_t i = 0; i < net.n_pipes; i++)
                for (int k = 0; k < 2; k++)
                        while (net.pipes[i]->ends[k].machine == 0 &&
                                end_step(&net, net.pipes[i], k))
                                ;
        machine_end_turn(at(0));
        n_asked = at(0)->n_asked;
        ASSERT_GT(n_asked, 32);
        ASSERT_LE(n_asked, GROUP_WINDOW);
        net_run(&net);
        utter(1, 0, data, m.group.size);
        net_done(&net);
}

/* A removed member who was away writes on: nobody takes it, and it hears why. */
TEST(what_a_removed_member_writes_afterwards_is_taken_by_nobody)
{
        begin_groups(3);
        make_team(0, 3);
        machine_stop(at(2));
        fall_silent();
        ASSERT_OK(node_group_remove(at(0)->node, "+team", "Cem", net.now, NULL));
        net_pass(&net, 5 * USEC_PER_SEC);
        net.is_deaf = true;
        machine_restart(at(2));
        ASSERT_OK(machine_send_as(at(2), "+team", "too late", -1, 0));
        net.is_deaf = false;
        net_pass(&net, 2 * USEC_PER_MINUTE);
        ASSERT_EQ(count_text(0, "too late"), 0);
        ASSERT_EQ(count_text(1, "too late"), 0);
        ASSERT_TRUE(was_warned(at(2), "Group"));
        ASSERT_EQ(state_of(2, "too late"), MESSAGE_FAILED);
        net_done(&net);
}

/* Who lost its disk, and does not know that it belongs, is told so; what was said comes again. */
TEST(an_empty_disk_is_found)
{
        begin_groups(3);
        make_team(0, 3);
        ASSERT_OK(machine_send(at(0), "+team", "remember"));
        net_pass(&net, 5 * USEC_PER_SEC);
        fall_silent();
        machine_stop(at(2));
        disk_drop_group(&at(2)->disk, at(2)->disk.groups[0].group.number);
        net_pass(&net, USEC_PER_MINUTE);
        machine_restart(at(2));
        net_pass(&net, 5 * USEC_PER_MINUTE);
        ASSERT_EQ(at(2)->n_invited, 2);
        ASSERT_OK(node_group_accept(at(2)->node, "+team", net.now, NULL));
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_EQ(count_text(2, "remember"), 1);
        net_done(&net);
}

/* Each pays for itself: who does not answer keeps nobody from others. */
TEST(few_are_called_at_a_time)
{
        begin_groups(8);
        make_team(0, 8);
        for (int i = 1; i < 8; i++)
                machine_stop(at(i));
        fall_silent();
        ASSERT_OK(machine_send(at(0), "+team", "hello"));
        net_pass(&net, 10 * USEC_PER_SEC);
        ASSERT_EQ(at(0)->reply.reply.state, MESSAGE_QUEUED);
        ASSERT_LE(at(0)->node->groups.n_sought, 8);
        at(0)->n_dials = 0;
        net_pass(&net, USEC_PER_HOUR);
        /* Each now and then: between once in ten minutes and once in two. */
        ASSERT_GT(at(0)->n_dials, 7 * 6);
        ASSERT_LT(at(0)->n_dials, 7 * 30);
        for (int i = 1; i < 8; i++)
                machine_restart(at(i));
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_EQ(state_of(0, "hello"), MESSAGE_DELIVERED);
        net_done(&net);
}

/* Nothing is sought where nothing is new: sessions end, and stay ended for a while. */
TEST(a_silent_group_is_silent)
{
        size_t n_dials = 0;

        begin_groups(4);
        make_team(0, 4);
        ASSERT_OK(machine_send(at(0), "+team", "hello"));
        fall_silent();
        for (int i = 0; i < 4; i++)
                at(i)->n_dials = 0;
        net_pass(&net, USEC_PER_HOUR);
        for (int i = 0; i < 4; i++)
                n_dials += at(i)->n_dials;
        ASSERT_GT(n_dials, 4);
        ASSERT_LT(n_dials, 4 * 5);
        net_done(&net);
}

TEST_MAIN_WITH(net_set_up)
