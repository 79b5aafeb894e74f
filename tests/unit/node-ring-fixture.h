/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Machines of several local networks, in the ring */
#include "unit/node-native-fixture.h"

#define SETTLE_USEC USEC_PER_MINUTE

static const char *const names[] = { "Ana", "Bob", "Cem", "Dan", "Eva", "Fay", "Gus", "Hal" };

/* @n machines, from @first on, on a network of their own. */
static inline void add_lan(int lan, int first, int n)
{
        for (int i = first; i < first + n; i++)
                net_add_at(&net, lan, i, names[i], (unsigned)i + 1, true);
}

static inline void set_up(void)
{
        net_init(&net);
        net.has_ring = true;
}

static inline struct machine *machine(int i)
{
        return &net.machines[i];
}

static inline struct ring_status status(int i)
{
        struct ring_status s;

        node_ring_status(machine(i)->node, &s);
        return s;
}

/* From the first of @n machines on, each knows the others behind it in order, as one circle. */
static inline void assert_one_ring(int first, int n)
{
        for (int i = first; i < first + n; i++) {
                struct ring_status s = status(i);
                const struct ring_id *last = &s.position;

                ASSERT_EQ(s.chord.state, CHORD_MEMBER);
                ASSERT_EQ(s.chord.successors.n, n - 1);
                for (int k = 0; k < n - 1; k++) {
                        ASSERT_TRUE(
                                ring_between(last, &s.chord.successors.peers[k].id, &s.position));
                        last = &s.chord.successors.peers[k].id;
                }
        }
}

static inline struct endpoint place(int i)
{
        return machine(i)->address;
}

static inline void join(int i, int through)
{
        struct endpoint e = place(through);
        size_t n = machine(i)->n_answers;

        ASSERT_OK(node_ring_join(machine(i)->node, 7, "there", &e, 1, net.now, NULL));
        net_pass(&net, USEC_PER_SEC);
        ASSERT_EQ(machine(i)->n_answers, n + 1);
        ASSERT_EQ(machine(i)->answer.type, EFFECT_JOINED);
        ASSERT_EQ(machine(i)->answer.joined.call, 7);
}

static inline const char *word(int i)
{
        static char text[64];

        snprintf(text, sizeof text, "%s#%.8s", names[i], machine(i)->identity.id);
        return text;
}

static inline const struct effect *find(int i, const char *what)
{
        size_t n = machine(i)->n_answers;

        ASSERT_OK(node_ring_find(machine(i)->node, 8, what, net.now, NULL));
        net_pass(&net, 30 * USEC_PER_SEC);
        ASSERT_EQ(machine(i)->n_answers, n + 1);
        return &machine(i)->answer;
}

static inline void assert_found(int by, int whom)
{
        const struct effect *e = find(by, word(whom));

        ASSERT_EQ(e->type, EFFECT_FOUND);
        ASSERT_EQ(e->found.n, 1);
        ASSERT_STREQ(e->found.users[0].id, machine(whom)->identity.id);
        ASSERT_STREQ(e->found.users[0].name, names[whom]);
        ASSERT_GT(e->found.users[0].n_endpoints, 0);
        ASSERT_TRUE(endpoint_equal(&e->found.users[0].endpoints[0], &machine(whom)->address));
}

/* Two networks: Ana, Bob and Cem here; Dan, Eva and Fay there. Dan joins through Ana. */
static inline void two_networks(void)
{
        set_up();
        add_lan(0, 0, 3);
        add_lan(1, 3, 3);
        net_pass(&net, SETTLE_USEC);
        assert_one_ring(0, 3);
        assert_one_ring(3, 3);
        join(3, 0);
        net_pass(&net, 2 * SETTLE_USEC);
        assert_one_ring(0, 6);
}
