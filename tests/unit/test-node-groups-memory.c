/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Members of groups without memory */
#include "lib/starving-net.h"

#define EACH_MAX 60

/* NODE_OK() says what fails for want of memory. */
static void send(struct machine *m, const char *word, const char *text)
{
        const struct send_options options = { .security = -1, .wait_usec = SEND_WAIT_USEC };

        NODE_OK(node_send(m->node, 1, word, text, strlen(text), &options, net.now, NULL));
}

/* Ece and Bob, who know each other's key. */
static void meet(void)
{
        (void)net_add(&net, 0, "Ece", 1, true);
        (void)net_add(&net, 1, "Bob", 2, true);
        net_pass(&net, USEC_PER_SEC);
        send(&net.machines[0], "Bob", "hello");
        net_pass(&net, 5 * USEC_PER_SEC);
}

static void create(void)
{
        const char *bob = "Bob";
        char id[GROUP_ID_STRING_SIZE];

        NODE_OK(node_group_create(net.machines[0].node, "team", &bob, 1, net.now, id, NULL));
        net_pass(&net, 5 * USEC_PER_SEC);
        NODE_OK(node_group_accept(net.machines[1].node, "+team", net.now, NULL));
        net_pass(&net, 5 * USEC_PER_SEC);
}

static bool has(struct machine *m, const char *text, enum message_state state)
{
        for (size_t i = 0; i < m->disk.n_rows; i++)
                if (streq(m->disk.rows[i].text, text) && m->disk.rows[i].message.state == state)
                        return true;
        return false;
}

static void create_and_speak(void)
{
        meet();
        is_trying = true;
        create();
        send(&net.machines[0], "+team", "one");
        send(&net.machines[1], "+team", "two");
        net_pass(&net, 5 * USEC_PER_SEC);
        ASSERT_TRUE(has(&net.machines[1], "one", MESSAGE_RECEIVED));
        ASSERT_TRUE(has(&net.machines[1], "two", MESSAGE_DELIVERED));
}

static void come_back(void)
{
        meet();
        create();
        machine_stop(&net.machines[1]);
        net_pass(&net, 3 * USEC_PER_MINUTE);
        send(&net.machines[0], "+team", "waits");
        net_pass(&net, 5 * USEC_PER_SEC);
        is_trying = true;
        machine_restart(&net.machines[0]);
        machine_restart(&net.machines[1]);
        net_pass(&net, 20 * USEC_PER_SEC);
        ASSERT_TRUE(has(&net.machines[0], "waits", MESSAGE_DELIVERED));
}

static void remove_and_forget(void)
{
        meet();
        create();
        send(&net.machines[0], "+team", "one");
        net_pass(&net, 5 * USEC_PER_SEC);
        is_trying = true;
        NODE_OK(node_mute(net.machines[1].node, "+team", USEC_INFINITY, net.now, NULL));
        NODE_OK(node_group_remove(net.machines[0].node, "+team", "Bob", net.now, NULL));
        net_pass(&net, 5 * USEC_PER_SEC);
        NODE_OK(node_forget(net.machines[1].node, "+team", net.now, NULL));
        NODE_OK(node_group_leave(net.machines[0].node, "+team", net.now, NULL));
        net_pass(&net, 5 * USEC_PER_SEC);
        ASSERT_EQ(net.machines[1].disk.n_groups, 0);
}

static void look(void)
{
        struct group_member_view *members;
        static struct group_view *views; /* of the last time, when that failed behind it */
        size_t n;

        free(views);
        views = NULL;
        meet();
        create();
        is_trying = true;
        NODE_OK(node_list_groups(net.machines[0].node, &views, &n));
        ASSERT_EQ(n, 1);
        NODE_OK(node_list_members(net.machines[0].node, views[0].id, net.now, &members, &n));
        ASSERT_EQ(n, 2);
        free(members);
        free(views);
        views = NULL;
}

TEST(creating_and_speaking)
{
        ASSERT_GT(starve(create_and_speak, false, EACH_MAX), 50);
}

TEST(coming_back)
{
        ASSERT_GT(starve(come_back, false, EACH_MAX), 50);
}

TEST(removing_and_forgetting)
{
        ASSERT_GT(starve(remove_and_forget, false, EACH_MAX), 30);
}

TEST(looking)
{
        ASSERT_GT(starve(look, false, EACH_MAX), 2);
}

TEST_MAIN_WITH(net_set_up)
