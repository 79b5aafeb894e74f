/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Native nodes without memory: the n-th allocation of ours fails, for n = 1 until none does
 *
 * Linked with --wrap. What comes out of the call is -ENOMEM, the nodes can be freed, and nothing
 * leaks (seen when built with the address sanitizer).
 */
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>

static bool is_armed;
static int node_result;
static jmp_buf out_of_memory;

#define NODE_OK(x)                                                                                 \
        do {                                                                                       \
                is_armed = true;                                                                   \
                node_result = (x);                                                                 \
                is_armed = false;                                                                  \
                if (node_result != 0)                                                              \
                        longjmp(out_of_memory, 1);                                                 \
        } while (0)

#include "lib/node-pair.h"

static size_t n_allocations, fail_at;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

static bool fails(void)
{
        return is_armed && ++n_allocations == fail_at;
}

void *__wrap_malloc(size_t size)
{
        return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
        return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
        return fails() ? NULL : __real_realloc(p, size);
}

static struct net net;

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

static void starve(void (*live)(void))
{
        for (fail_at = 1;; fail_at++) {
                bool is_over = true;

                n_allocations = 0;
                net_init(&net);
                if (setjmp(out_of_memory) == 0)
                        live();
                else
                        ASSERT_EQ(node_result, -ENOMEM);
                /* Some go on without: a table that does not grow. */
                is_over = n_allocations < fail_at;
                net_done(&net);
                if (is_over)
                        break;
        }
        ASSERT_GT(fail_at, 50);
}

TEST(talking)
{
        starve(talk);
}

TEST(coming_back)
{
        starve(come_back);
}

TEST(meeting_a_copy)
{
        starve(copies);
}

TEST_MAIN_WITH(net_set_up)
