/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Native nodes without memory */
#include "lib/starving-net.h"

static void send(struct machine *m, const char *word)
{
        const struct send_options options = { .security = -1, .wait_usec = SEND_WAIT_USEC };

        NODE_OK(node_send(m->node, 1, word, "hello", 5, &options, net.now, NULL));
}

static void talk(void)
{
        struct machine *ece = net_add(&net, 0, "Ece", 1, true);
        struct machine *bob = net_add(&net, 1, "Bob", 2, true);

        net_run(&net);
        send(ece, "Bob");
        send(bob, "Ece");
        net_pass(&net, 2 * USEC_PER_SEC);
        NODE_OK(node_end_session(ece->node, "Bob", net.now, NULL));
        net_run(&net);
}

static void come_back(void)
{
        struct machine *ece = net_add(&net, 0, "Ece", 1, true);
        struct machine *bob = net_add(&net, 1, "Bob", 2, false);

        net_run(&net);
        machine_stop(bob);
        net_pass(&net, 20 * USEC_PER_MINUTE);
        send(ece, "Bob");
        machine_restart(ece);
        bob->is_native = true;
        machine_restart(bob);
        net_pass(&net, 2 * USEC_PER_SEC);
        bob->is_full = true;
        send(ece, "Bob");
        net_run(&net);
        machine_restart(ece);
        bob->is_full = false;
        net_pass(&net, 2 * USEC_PER_SEC);
        NODE_OK(node_block(ece->node, "Bob", true, net.now, NULL));
        NODE_OK(node_say_goodbye(bob->node, net.now));
        net_run(&net);
}

static void copies(void)
{
        struct machine *ece = net_add(&net, 0, "Ece", 1, true);

        (void)net_add(&net, 1, "Ece", 1, true);
        net_pass(&net, 10 * USEC_PER_SEC);
        ASSERT_TRUE(node_clone(ece->node, &(struct endpoint){ 0 }));
}

TEST(talking)
{
        ASSERT_GT(starve(talk, true, SIZE_MAX), 50);
}

TEST(coming_back)
{
        ASSERT_GT(starve(come_back, true, SIZE_MAX), 50);
}

TEST(meeting_a_copy)
{
        ASSERT_GT(starve(copies, true, SIZE_MAX), 50);
}

TEST_MAIN_WITH(net_set_up)
