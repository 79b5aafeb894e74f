/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Ece and Bob, whose programs are ours */
#include "core/node/node-private.h"
#include "lib/node-pair.h"

static struct net net;

/* Machines ece and bob, who have heard of each other. */
static inline void begin(struct machine **ret_ece, struct machine **ret_bob)
{
        net_init(&net);
        *ret_ece = net_add(&net, 0, "Ece", 1, true);
        *ret_bob = net_add(&net, 1, "Bob", 2, true);
        net_run(&net);
}

static inline struct row *received(struct machine *m, size_t n)
{
        struct row *row = disk_nth(&m->disk, DIRECTION_RECEIVED, n);

        if (!row)
                TEST_FAIL("%s has not received that many", m->name);
        return row;
}

static inline struct row *sent(struct machine *m, size_t n)
{
        struct row *row = disk_nth(&m->disk, DIRECTION_SENT, n);

        if (!row)
                TEST_FAIL("%s has not sent that many", m->name);
        return row;
}

static inline void assert_received(struct machine *m, size_t n, const char *text)
{
        ASSERT_EQ(disk_count(&m->disk, DIRECTION_RECEIVED), n);
        ASSERT_STREQ(received(m, n - 1)->text, text);
}

static inline const struct peer_record *record_of(struct machine *m, struct machine *other)
{
        for (size_t i = 0; i < m->disk.n_peers; i++)
                if (streq(m->disk.peers[i].id, other->identity.id))
                        return &m->disk.peers[i];
        TEST_FAIL("%s does not know %s", m->name, other->name);
}

static inline bool was_warned(const struct machine *m, const char *kind)
{
        for (size_t i = 0; i < m->n_warnings; i++)
                if (streq(m->warnings[i][0], kind))
                        return true;
        return false;
}
