/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/session when memory runs out: each call says so, and nothing is lost or left behind */
#include "lib/failing-memory.h"
#include "lib/session-pair.h"

/* Carries what @from tells to @to. 0 or -ENOMEM. */
static int carry(struct session *from, struct session *to, struct side *told, usec_t now_usec)
{
        struct session_effect e;
        int r = 0;

        while (r == 0 && session_next_effect(from, &e)) {
                if (e.type == SESSION_SEND)
                        r = session_receive(to, e.send.data, e.send.size, now_usec);
                told->proven = told->proven || e.type == SESSION_PROVEN;
                told->n_messages += e.type == SESSION_MESSAGE;
                told->ended = told->ended || e.type == SESSION_ENDED;
        }
        return r;
}

static int talk(struct pair *p)
{
        const struct message m = { .type = FRAME_MESSAGE,
                .text = { .number = 1, .text = "hi", .size = 2 } };
        int r;

        r = session_new(&p->a.self, SESSION_DIALLER, NULL, p->now_usec, &p->a.session);
        if (r == 0)
                r = session_new(&p->b.self, SESSION_RESPONDER, NULL, p->now_usec, &p->b.session);
        for (int i = 0; r == 0 && i < 2; i++) {
                r = carry(p->a.session, p->b.session, &p->a, p->now_usec);
                if (r == 0)
                        r = carry(p->b.session, p->a.session, &p->b, p->now_usec);
        }
        for (int i = 0; r == 0 && i < 100; i++) /* more than a buffer's first piece */
                r = session_send(p->b.session, &m, p->now_usec);
        if (r == 0)
                r = session_close(p->b.session, GOODBYE_STOP, p->now_usec);
        if (r == 0)
                r = carry(p->b.session, p->a.session, &p->b, p->now_usec);
        return r == 0 ? carry(p->a.session, p->b.session, &p->a, p->now_usec) : r;
}

TEST(the_nth_allocation_fails)
{
        size_t n;

        for (n = 1;; n++) {
                struct pair p;
                int r;

                pair_init(&p);
                n_allocations = 0;
                fail_at = n;
                r = talk(&p);
                fail_at = SIZE_MAX;
                if (r == 0) {
                        ASSERT_LT(n_allocations, n);
                        ASSERT_TRUE(p.a.proven && p.b.proven && p.a.ended && p.b.ended);
                        ASSERT_EQ(p.a.n_messages, 100);
                } else
                        ASSERT_EQ(r, -ENOMEM);
                pair_done(&p);
                if (r == 0)
                        break;
        }
        ASSERT_GT(n, 10);
}

static int setup(void)
{
        bool locked;

        return crypto_init(&locked);
}

TEST_MAIN_WITH(setup)
