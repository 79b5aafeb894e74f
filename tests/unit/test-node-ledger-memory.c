/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Members of the ledger without memory */
#include "lib/starving-net.h"

#define EACH_MAX 60

static void register_name(struct machine *m)
{
        char word[WORD_SIZE];

        NODE_OK(node_ledger_register(m->node, net.now, word, NULL));
        net_pass(&net, 30 * USEC_PER_SEC);
}

/* Ece and Bob, members of one network with little work. */
static void form(void)
{
        net.has_ring = net.has_ledger = true;
        net.genesis = (struct genesis){ .name = "test", .bits = 4 };
        (void)genesis_encode(&net.genesis, (uint8_t[GENESIS_SIZE_MAX]){ 0 });
        (void)net_add_at(&net, 0, 0, "Ece", 1, true);
        (void)net_add_at(&net, 0, 1, "Bob", 2, true);
        net_pass(&net, 20 * USEC_PER_SEC);
}

static struct ledger_status chain(const struct machine *m)
{
        struct ledger_view v;
        struct ledger_status s;

        node_ledger_view(m->node, net.now, &v);
        ledger_status(v.ledger, &s);
        return s;
}

static void register_and_revoke(void)
{
        struct machine *ece = &net.machines[0];

        form();
        is_trying = true;
        register_name(ece);
        ASSERT_EQ(chain(&net.machines[1]).height, 1);
        NODE_OK(node_ledger_revoke(ece->node, "Bob", net.now, NULL));
        net_pass(&net, 30 * USEC_PER_SEC);
        ASSERT_EQ(chain(&net.machines[1]).height, 2);
}

static void meet_an_impostor(void)
{
        form();
        register_name(&net.machines[0]);
        is_trying = true;
        (void)net_add_at(&net, 0, 2, "Ece", 9, true);
        net_pass(&net, 20 * USEC_PER_SEC);
        ASSERT_EQ(chain(&net.machines[2]).height, 1);
}

static void change_networks(void)
{
        char word[GENESIS_WORD_SIZE];
        const char *registrar = "Ece";

        form();
        is_trying = true;
        NODE_OK(node_ledger_create(
                net.machines[0].node, "office", &registrar, 1, net.now, word, NULL));
        net_pass(&net, USEC_PER_SEC);
        NODE_OK(node_ledger_join(net.machines[1].node, word, net.now, NULL));
        net_pass(&net, USEC_PER_SEC);
        register_name(&net.machines[1]);
        NODE_OK(node_ledger_approve(net.machines[0].node, "Bob", net.now, NULL));
        net_pass(&net, 30 * USEC_PER_SEC);
        ASSERT_EQ(chain(&net.machines[1]).height, 1);
}

static void come_back(void)
{
        form();
        register_name(&net.machines[0]);
        is_trying = true;
        machine_restart(&net.machines[1]);
        net_pass(&net, 20 * USEC_PER_SEC);
        ASSERT_EQ(chain(&net.machines[1]).height, 1);
}

TEST(registering_and_revoking)
{
        ASSERT_GT(starve(register_and_revoke, false, EACH_MAX), 50);
}

TEST(meeting_an_impostor)
{
        ASSERT_GT(starve(meet_an_impostor, false, EACH_MAX), 50);
}

TEST(changing_networks)
{
        ASSERT_GT(starve(change_networks, false, EACH_MAX), 50);
}

TEST(coming_back)
{
        ASSERT_GT(starve(come_back, false, EACH_MAX), 50);
}

TEST_MAIN_WITH(net_set_up)
