/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A node without memory: the n-th allocation of ours fails, for n = 1 until none does
 *
 * Linked with --wrap. What comes out is -ENOMEM, the node can be freed, and nothing leaks (seen
 * when built with the address sanitizer).
 */
#include "lib/failing-memory.h"
#include "unit/people-fixture.h"

static int hear(struct fixture *f)
{
        int r;

        r = fixture_hear(f, 2, "{\"username\": \"Bob\", \"id\": \"" OTHER_ID "\"}");
        if (r == 0)
                r = fixture_hear(f, 2, "{\"username\": \"Rob\", \"id\": \"" OTHER_ID "\"}");
        if (r == 0)
                r = fixture_hear(f, 3, "{\"username\": \"Eve\", \"uuid\": \"1\"}");
        return r < 0 ? r : node_end_turn(f->node, f->now);
}

/* Takes what comes out, so that the next turn can begin; *ret_link is the last one dialled. */
static int end_turn(struct fixture *f, uint64_t *ret_link, struct ulid *ret_load)
{
        struct change c;
        struct effect e;
        int r;

        r = node_end_turn(f->node, f->now);
        if (r < 0)
                return r;
        while (node_next_change(f->node, &c))
                ;
        while (node_next_effect(f->node, &e)) {
                if (e.type == EFFECT_DIAL)
                        *ret_link = e.dial.link;
                else if (e.type == EFFECT_LOAD)
                        *ret_load = e.load.id;
        }
        return 0;
}

static int send_one(struct fixture *f)
{
        const struct send_options options = { .security = SECURITY_PLAIN, .wait_usec = 1000 };
        struct ulid id = { 0 };
        uint64_t link = 0;
        int r;

        r = hear(f);
        if (r == 0)
                r = node_send(f->node, 1, "Rob", "hello", 5, &options, f->now, NULL);
        if (r == 0)
                r = end_turn(f, &link, &id);
        if (r == 0)
                r = node_loaded(f->node, &id, START_REAL, "hello", 5, f->now);
        if (r == 0)
                r = end_turn(f, &link, &id);
        if (r == 0)
                r = node_connected(f->node, link, f->now);
        if (r == 0)
                r = end_turn(f, &link, &id);
        if (r == 0)
                r = node_closed(f->node, link, LINK_CLOSED, f->now);
        if (r == 0)
                r = end_turn(f, &link, &id);
        return r;
}

static int receive_one(struct fixture *f)
{
        static const char data[] = "{\"unencrypted_message\": \"hello\", \"user\": \"Zoe\"}";
        struct endpoint from = host(7);
        struct ulid id = { 0 };
        uint64_t link = 0;
        int r;

        r = node_accepted(f->node, 2, &from, f->now);
        if (r == 0)
                r = node_received(f->node, 2, data, sizeof data - 1, f->now);
        if (r == 0)
                r = node_ended(f->node, 2, f->now);
        if (r == 0)
                r = end_turn(f, &link, &id);
        if (r == 0)
                r = node_forget(f->node, "Zoe", f->now, NULL);
        if (r == 0)
                r = node_set_username(f->node, "Ece", f->now, NULL);
        return r < 0 ? r : end_turn(f, &link, &id);
}

static int list(struct fixture *f)
{
        struct user *users = NULL;
        size_t n;
        int r;

        r = hear(f);
        if (r == 0)
                r = node_list_users(f->node, f->now, &users, &n);
        if (r == 0)
                free(users);
        return r;
}

static int decide(struct fixture *f)
{
        struct introduction bob = introduction(1, "Bob"), again = introduction(2, "Bob");
        struct endpoint remote = host(4);
        struct peer *peer;
        int r;

        r = fixture_hear(f, 4, "{\"username\": \"Bob\"}");
        if (r == 0)
                r = node_take_proof(f->node, &bob, &remote, f->now, &peer);
        if (r == 0)
                r = node_alias(f->node, "Bob", "Robert", f->now, NULL);
        if (r == 0)
                r = node_trust(f->node, "Robert", f->now, NULL);
        if (r == 0)
                r = node_found_other(f->node, peer, &again, &peer->record.endpoint, f->now);
        if (r == 0)
                r = node_trust(f->node, again.id, f->now, NULL);
        return r < 0 ? r : node_end_turn(f->node, f->now);
}

static int nothing(struct fixture *f)
{
        return 0;
}

static void starve(int (*live)(struct fixture *f))
{
        size_t n;
        int r;

        for (n = 1;; n++) {
                struct fixture f;

                n_allocations = 0;
                fail_at = n;
                r = fixture_init(&f, NULL);
                if (r == 0)
                        r = live(&f);
                fail_at = SIZE_MAX;
                fixture_done(&f);
                if (n_allocations < n)
                        break;
                /* Tables go on without growing. */
                if (r != 0)
                        ASSERT_EQ(r, -ENOMEM);
        }
        ASSERT_OK(r);
        ASSERT_GT(n, 3);
}

TEST(beginning)
{
        starve(nothing);
}

TEST(hearing)
{
        starve(hear);
}

TEST(deciding)
{
        starve(decide);
}

TEST(sending)
{
        starve(send_one);
}

TEST(receiving)
{
        starve(receive_one);
}

TEST(listing)
{
        starve(list);
}

TEST_MAIN_WITH(fixture_set_up)
