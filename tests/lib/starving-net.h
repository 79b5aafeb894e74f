/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Nodes of node-pair.h without memory: the n-th allocation of ours fails, for n = 1 until none does
 *
 * Only what nodes allocate counts, and only while a test is trying. What comes out of the call is
 * -ENOMEM, the nodes can be freed, and nothing leaks (seen when built with the address sanitizer).
 */
#include <setjmp.h>

#include "lib/failing-memory.h"

static bool is_trying;
static int node_result;
static jmp_buf out_of_memory;

#define NODE_OK(x)                                                                                 \
        do {                                                                                       \
                is_spared = !is_trying;                                                            \
                node_result = (x);                                                                 \
                is_spared = true;                                                                  \
                if (node_result != 0)                                                              \
                        longjmp(out_of_memory, 1);                                                 \
        } while (0)

#include "lib/node-pair.h"

static struct net net;

static void live_until_it_fails(void (*live)(void))
{
        if (setjmp(out_of_memory) == 0)
                live();
        else
                ASSERT_EQ(node_result, -ENOMEM);
}

/* How many were tried: each of the first @each_max, then one in so many, more with each.
 * @is_trying_all: from the beginning; otherwise from where the test says so. */
static size_t starve(void (*live)(void), bool is_trying_all, size_t each_max)
{
        size_t n_tried = 0;

        for (fail_at = 1;; fail_at += 1 + (fail_at > each_max ? fail_at / 6 : 0)) {
                bool is_over;

                n_tried++;
                n_allocations = 0;
                is_trying = is_trying_all;
                is_spared = true;
                net_init(&net);
                live_until_it_fails(live);
                /* Some go on without: a table that does not grow. */
                is_over = n_allocations < fail_at;
                net_done(&net);
                if (is_over)
                        return n_tried;
        }
}
