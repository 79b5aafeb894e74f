/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What waits for one peer: order, counting, and the pauses between attempts */
#include "core/crypto/crypto.h"
#include "core/crypto/random.h"
#include "core/delivery/outbox.h"
#include "lib/test.h"

#define NOW (1000 * USEC_PER_SEC)

static struct queued *make(uint64_t serial, size_t size)
{
        struct ulid id = { .bytes = { (uint8_t)serial } };
        struct queued *q = queued_new(&id, 7, 1, size, 0, "17");

        ASSERT_NOT_NULL(q);
        q->serial = serial;
        return q;
}

static void drain(struct outbox *o, const char *expected)
{
        char serials[100] = "";
        struct queued *q;

        while ((q = outbox_first(o))) {
                size_t n = strlen(serials);

                (void)snprintf(serials + n, sizeof serials - n, "%s%ju", n > 0 ? " " : "",
                        (uintmax_t)q->serial);
                outbox_remove(o, q);
                free(q);
        }
        ASSERT_STREQ(serials, expected);
        ASSERT_EQ(o->n, 0);
        ASSERT_EQ(o->size, 0);
}

TEST(first_in_first_out_and_counted)
{
        struct outbox o;
        struct queued *q;

        outbox_init(&o);
        ASSERT_NULL(outbox_first(&o));
        for (uint64_t i = 1; i <= 3; i++)
                outbox_add(&o, make(i, 10 * i));
        ASSERT_EQ(o.n, 3);
        ASSERT_EQ(o.size, 60);
        q = outbox_first(&o);
        ASSERT_EQ(q->serial, 1);
        ASSERT_TRUE(q->outbox == &o);
        ASSERT_STREQ(q->number, "17");
        outbox_remove(&o, q);
        ASSERT_NULL(q->outbox);
        ASSERT_EQ(o.size, 50);
        free(q);
        drain(&o, "2 3");
}

TEST(moved_queues_keep_the_order_of_writing)
{
        static const struct {
                uint64_t to[4], from[4];
                const char *expected;
        } cases[] = {
                { { 0 }, { 0 }, "" },
                { { 0 }, { 1, 2 }, "1 2" },
                { { 1, 2 }, { 0 }, "1 2" },
                { { 3, 4 }, { 1, 2 }, "1 2 3 4" },
                { { 1, 2 }, { 3, 4 }, "1 2 3 4" },
                { { 2, 5, 6 }, { 1, 3, 7 }, "1 2 3 5 6 7" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct outbox to, from;

                outbox_init(&to);
                outbox_init(&from);
                for (size_t k = 0; cases[i].to[k]; k++)
                        outbox_add(&to, make(cases[i].to[k], 1));
                for (size_t k = 0; cases[i].from[k]; k++)
                        outbox_add(&from, make(cases[i].from[k], 1));
                outbox_move(&to, &from);
                ASSERT_EQ(from.n, 0);
                ASSERT_EQ(from.size, 0);
                ASSERT_EQ(to.size, to.n);
                list_for_each (k, &to.messages)
                        ASSERT_TRUE(container_of(k, struct queued, waiting)->outbox == &to);
                drain(&to, cases[i].expected);
                drain(&from, "");
        }
}

TEST(pauses_double_with_jitter_up_to_five_minutes)
{
        usec_t pause_usec = RETRY_USEC_MIN, first_usec = 0;
        bool differs = false;
        struct random *random;
        struct outbox o;

        ASSERT_OK(random_new_seeded(1, &random));
        for (int i = 0; i < 20; i++) {
                outbox_init(&o);
                outbox_failed(&o, random, NOW);
                differs = differs || (i > 0 && o.retry_usec != first_usec);
                first_usec = o.retry_usec;
        }
        ASSERT_TRUE(differs);

        outbox_init(&o);
        for (int i = 0; i < 100; i++) {
                outbox_failed(&o, random, NOW);
                ASSERT_GE(o.retry_usec - NOW, pause_usec * 3 / 4);
                ASSERT_LE(o.retry_usec - NOW, pause_usec * 5 / 4);
                pause_usec = usec_min(pause_usec * 2, RETRY_USEC_MAX);
        }
        outbox_awake(&o);
        ASSERT_EQ(o.retry_usec, 0);
        outbox_failed(&o, random, NOW);
        ASSERT_LE(o.retry_usec - NOW, RETRY_USEC_MIN * 5 / 4);
        random_free(random);
}

static int set_up(void)
{
        bool is_locked;

        return crypto_init(&is_locked) < 0 ? 1 : 0;
}

TEST_MAIN_WITH(set_up)
