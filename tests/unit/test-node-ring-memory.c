/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Nodes of the ring without memory
 *
 * A ring comes together by many allocations of a few kinds: of those far behind the first ones,
 * only a part is tried.
 */
#include "lib/starving-net.h"

#define EACH_MAX 60

static void join(struct machine *m, const struct machine *through)
{
        NODE_OK(node_ring_join(m->node, 1, "there", &through->address, 1, net.now, NULL));
}

/* Ece and Bob here, Dan there; joined, but for Dan. */
static void form(void)
{
        net.has_ring = true;
        (void)net_add_at(&net, 0, 0, "Ece", 1, true);
        (void)net_add_at(&net, 0, 1, "Bob", 2, true);
        (void)net_add_at(&net, 1, 2, "Dan", 3, true);
        net_pass(&net, 20 * USEC_PER_SEC);
        join(&net.machines[0], &net.machines[1]);
        net_pass(&net, 2 * USEC_PER_SEC);
}

static void form_and_join(void)
{
        form();
        join(&net.machines[2], &net.machines[0]);
        net_pass(&net, 20 * USEC_PER_SEC);
}

static const char *dan(void)
{
        static char word[ID_STRING_SIZE + 4];

        snprintf(word, sizeof word, "Dan#%s", net.machines[2].identity.id);
        return word;
}

static void come_together(void)
{
        is_trying = true;
        form();
}

static void meet_another_ring(void)
{
        form();
        is_trying = true;
        join(&net.machines[2], &net.machines[0]);
        net_pass(&net, 20 * USEC_PER_SEC);
        ASSERT_EQ(net.machines[2].answer.type, EFFECT_JOINED);
}

static void find_and_write(void)
{
        struct machine *bob = &net.machines[1];
        const struct send_options options = { .security = -1, .wait_usec = SEND_WAIT_USEC };

        form_and_join();
        is_trying = true;
        NODE_OK(node_ring_find(bob->node, 2, dan(), net.now, NULL));
        net_pass(&net, USEC_PER_SEC);
        ASSERT_EQ(bob->answer.type, EFFECT_FOUND);
        NODE_OK(node_ring_find(bob->node, 2, "Zoe#k3f7q2mx", net.now, NULL));
        net_pass(&net, USEC_PER_SEC);
        NODE_OK(node_send(bob->node, 3, dan(), "hello", 5, &options, net.now, NULL));
        net_pass(&net, USEC_PER_SEC);
        ASSERT_EQ(disk_count(&net.machines[2].disk, DIRECTION_RECEIVED), 1);
}

static void leave_and_stop(void)
{
        form_and_join();
        is_trying = true;
        NODE_OK(node_ring_find(net.machines[2].node, 2, "Zoe#k3f7q2mx", net.now, NULL));
        NODE_OK(node_ring_leave(net.machines[2].node, net.now, NULL));
        net_pass(&net, USEC_PER_SEC);
        NODE_OK(node_say_goodbye(net.machines[0].node, net.now));
        net_pass(&net, USEC_PER_SEC);
        ASSERT_FALSE(node_is_saying_goodbye(net.machines[0].node));
}

static void come_back(void)
{
        form_and_join();
        net_pass(&net, 6 * USEC_PER_MINUTE);
        machine_stop(&net.machines[2]);
        net_pass(&net, USEC_PER_MINUTE);
        is_trying = true;
        machine_restart(&net.machines[2]);
        net_pass(&net, 20 * USEC_PER_SEC);
        net_cut(&net);
        net_pass(&net, 5 * USEC_PER_SEC);
}

TEST(coming_together)
{
        ASSERT_GT(starve(come_together, false, EACH_MAX), 50);
}

TEST(meeting_another_ring)
{
        ASSERT_GT(starve(meet_another_ring, false, EACH_MAX), 50);
}

TEST(finding_and_writing)
{
        ASSERT_GT(starve(find_and_write, false, EACH_MAX), 50);
}

TEST(leaving_and_stopping)
{
        ASSERT_GT(starve(leave_and_stop, false, EACH_MAX), 50);
}

TEST(coming_back)
{
        ASSERT_GT(starve(come_back, false, EACH_MAX), 50);
}

TEST_MAIN_WITH(net_set_up)
