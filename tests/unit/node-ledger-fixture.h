/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Machines that share a ledger */
#include "unit/node-ring-fixture.h"

/* Everybody on one local network, in one network of the ledger with little work. */
static inline void begin_ledger(int n)
{
        set_up();
        net.has_ledger = true;
        net.genesis = (struct genesis){ .name = "test", .bits = 4 };
        (void)genesis_encode(&net.genesis, (uint8_t[GENESIS_SIZE_MAX]){ 0 });
        add_lan(0, 0, n);
        net_pass(&net, SETTLE_USEC);
}

static inline struct ledger_view view(int i)
{
        struct ledger_view v;

        node_ledger_view(machine(i)->node, net.now, &v);
        return v;
}

static inline struct ledger_status chain(int i)
{
        struct ledger_view v = view(i);
        struct ledger_status s;

        ASSERT_TRUE(v.ledger);
        ledger_status(v.ledger, &s);
        return s;
}

static inline void assert_one_chain(int n, uint32_t height)
{
        for (int i = 0; i < n; i++) {
                ASSERT_EQ(chain(i).height, height);
                ASSERT_EQ(memcmp(chain(i).tip, chain(0).tip, HASH_SIZE), 0);
        }
}

static inline int try_register(int i)
{
        char registered[WORD_SIZE];
        int r = node_ledger_register(machine(i)->node, net.now, registered, NULL);

        net_pass(&net, USEC_PER_MINUTE);
        return r;
}

static inline void register_name(int i)
{
        ASSERT_OK(try_register(i));
        ASSERT_EQ(view(i).registration, REGISTRATION_HELD);
}

static inline const struct user *user_of(int i, const char *id)
{
        static struct user *users;
        size_t n;

        free(users);
        ASSERT_OK(node_list_users(machine(i)->node, net.now, &users, &n));
        for (size_t k = 0; k < n; k++)
                if (streq(users[k].id, id))
                        return &users[k];
        TEST_FAIL("%s does not know %s", names[i], id);
}

static inline const struct user *user(int i, int other)
{
        return user_of(i, machine(other)->identity.id);
}
