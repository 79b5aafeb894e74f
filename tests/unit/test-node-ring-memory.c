/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Nodes of the ring without memory: the n-th allocation of ours fails, for n = 1 until none does
 *
 * Linked with --wrap. What comes out of the call is -ENOMEM, the nodes can be freed, and nothing
 * leaks (seen when built with the address sanitizer). A ring comes together by many allocations of
 * a few kinds: of those far behind the first ones, only a part is tried.
 */
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>

static bool is_armed, is_trying;
static int node_result;
static jmp_buf out_of_memory;

#define NODE_OK(x)                                                                                 \
        do {                                                                                       \
                is_armed = is_trying;                                                              \
                node_result = (x);                                                                 \
                is_armed = false;                                                                  \
                if (node_result != 0)                                                              \
                        longjmp(out_of_memory, 1);                                                 \
        } while (0)

#include "lib/node-pair.h"

#define EACH_MAX 60 /* then one in so many, more with each */

static size_t n_allocations, fail_at, n_tried;

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

static void join(struct machine *m, const struct machine *through)
{
        NODE_OK(node_ring_join(m->node, 1, "there", &through->address, 1, net.now, NULL));
}

/* Ece and Bob here, Dan there; joined, but for Dan. */
static void form(void)
{
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

static void starve(void (*live)(void))
{
        n_tried = 0;
        for (fail_at = 1;; fail_at += 1 + (fail_at > EACH_MAX ? fail_at / 6 : 0)) {
                bool is_over = true;

                n_tried++;
                n_allocations = 0;
                is_trying = false;
                net_init(&net);
                net.has_ring = true;
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
        ASSERT_GT(n_tried, 50);
}

TEST(coming_together)
{
        starve(come_together);
}

TEST(meeting_another_ring)
{
        starve(meet_another_ring);
}

TEST(finding_and_writing)
{
        starve(find_and_write);
}

TEST(leaving_and_stopping)
{
        starve(leave_and_stop);
}

TEST(coming_back)
{
        starve(come_back);
}

TEST_MAIN_WITH(net_set_up)
