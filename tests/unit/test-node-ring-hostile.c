/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole nodes in the ring, and others who use it against them */
#include "unit/node-ring-fixture.h"

static struct link *session(int of, int with)
{
        struct link *link = node_session_with(machine(of)->node, machine(with)->identity.id);

        ASSERT_TRUE(link);
        return link;
}

/* Puts it behind what @by has to say to @to; all of it goes at once, by utter(). */
static void mutter(int by, int to, const struct message *m)
{
        ASSERT_OK(session_send(session(by, to)->session, m, net.now.mono_usec));
}

static void utter(int by, int to, const struct message *m)
{
        ASSERT_OK(node_native_tell(machine(by)->node, session(by, to), m, net.now));
}

/* What @by has said is taken by the others before anything else happens. */
static void deliver(int by)
{
        machine_end_turn(machine(by));
        for (size_t i = 0; i < net.n_pipes; i++)
                for (int k = 0; k < 2; k++)
                        if (net.pipes[i]->ends[1 - k].machine == by &&
                                net.pipes[i]->ends[k].in.size > 0)
                                (void)end_step(&net, net.pipes[i], k);
}

/* What comes behind a message is not looked at before the message is: here the first stream message
 * of a session for the ring alone makes it a user's, and by that other things are said in it. */
TEST(messages_are_taken_in_their_order)
{
        static char text[30 * 1024];
        struct message m = { .type = FRAME_MESSAGE,
                .text = { .number = 1, .text = text, .size = sizeof text } };
        struct message hello = { .type = FRAME_HELLO, .hello = { .stream = 7, .oldest = 1 } };
        uint64_t number;

        two_networks();
        memset(text, 'x', sizeof text);
        ASSERT_TRUE(node_ring_link(machine(0)->node, machine(3)->identity.id));
        machine(0)->node->ring.record.is_joined = true;
        machine(0)->node->ring.is_unsure = true;
        machine(0)->node->ring.ask_usec = 0;
        number = session(0, 3)->number;
        mutter(3, 0, &m);
        utter(3, 0, &hello);
        deliver(3);
        ASSERT_GT(machine(0)->node->ring.ask_usec, 0);
        net_run(&net);
        ASSERT_FALSE(node_link(machine(0)->node, number));
        ASSERT_EQ(disk_count(&machine(0)->disk, DIRECTION_RECEIVED), 0);
        net_done(&net);
}

/* Who is turned away in the moment of his proof is gone, and nothing is said to him any more. */
TEST(a_full_house_turns_the_ring_away)
{
        struct endpoint e;

        set_up();
        for (int i = 0; i < 5; i++)
                add_lan(i, i, 1);
        net_run(&net);
        for (int i = 1; i < 4; i++)
                join(i, 0);
        net_pass(&net, SETTLE_USEC);
        ASSERT_EQ(node_links(machine(0)->node), 3);
        machine(0)->node->options.links_max = 4;
        e = place(0);
        ASSERT_OK(node_ring_join(machine(4)->node, 7, "there", &e, 1, net.now, NULL));
        net_pass(&net, USEC_PER_SEC);
        ASSERT_FALSE(node_session_with(machine(0)->node, machine(4)->identity.id));
        ASSERT_STREQ(machine(0)->session_end, "no-room");
        net_done(&net);
}

TEST_MAIN_WITH(net_set_up)
