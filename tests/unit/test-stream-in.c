/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Delivery between native peers, rule by rule: the receiver */
#include "lib/failing-memory.h"
#include "lib/stream-trace.h"

static const char *in_turn(struct stream_in *in)
{
        struct stream_change c;
        struct message m;

        line_size = 0;
        line[0] = 0;
        while (stream_in_next_change(in, &c))
                say_change(&c);
        say("|");
        if (in->is_dirty)
                ASSERT_FALSE(stream_in_next_frame(in, &m));
        stream_in_committed(in);
        while (stream_in_next_frame(in, &m))
                say_frame(&m);
        return line;
}

static int hello(struct stream_in *in, uint64_t stream, uint64_t oldest)
{
        return stream_in_receive(
                in, &(struct message){ .type = FRAME_HELLO, .hello = { stream, oldest } });
}

static int text(struct stream_in *in, uint64_t number)
{
        return stream_in_receive(
                in, &(struct message){ .type = FRAME_MESSAGE, .text = { .number = number } });
}

static void take(struct stream_in *in, uint64_t from, uint64_t to)
{
        for (uint64_t i = from; i <= to; i++) {
                ASSERT_EQ(text(in, i), STREAM_NEXT);
                stream_in_take(in);
        }
}

static void make_hearing(struct stream_in *in)
{
        letter_of(0);
        stream_in_init(in);
        stream_in_open(in);
        ASSERT_OK(hello(in, 50, 1));
        ASSERT_STREQ(in_turn(in), "mark A 0 | resume(A, 0)");
}

TEST(receiver_hears)
{
        struct stream_in in;

        make_hearing(&in);
        take(&in, 1, 3);
        ASSERT_STREQ(in_turn(&in), "mark A 3 | acknowledge(3)");
        ASSERT_OK(text(&in, 2)); /* dropped */
        ASSERT_STREQ(in_turn(&in), "| acknowledge(2)");
        take(&in, 4, 4);
        ASSERT_EQ(text(&in, 5), STREAM_NEXT);
        ASSERT_OK(stream_in_refuse(&in, REFUSED_TOO_LARGE));
        ASSERT_STREQ(in_turn(&in), "mark A 5 refusal A 5(2) | refused(5, 2) acknowledge(4)");
        take(&in, 6, 7);
        ASSERT_OK(stream_in_known(&in, 6));
        ASSERT_STREQ(in_turn(&in), "mark A 7 | refused(6, 3) acknowledge(7)");
        ASSERT_OK(text(&in, 5));
        ASSERT_STREQ(in_turn(&in), "| refused(5, 2)");

        stream_in_open(&in);
        ASSERT_STREQ(in_turn(&in), "|");
        ASSERT_OK(hello(&in, 50, 3));
        ASSERT_STREQ(in_turn(&in), "| refused(5, 2) resume(A, 7)");
        stream_in_open(&in);
        ASSERT_OK(hello(&in, 50, 6));
        ASSERT_STREQ(in_turn(&in), "| resume(A, 7)");
        stream_in_done(&in);
}

TEST(receiver_waits_for_the_commit)
{
        struct stream_change c;
        struct stream_in in;
        struct message m;

        make_hearing(&in);
        take(&in, 1, 2);
        ASSERT_FALSE(stream_in_next_frame(&in, &m));
        stream_in_open(&in); /* a newer session, in the same turn */
        ASSERT_OK(hello(&in, 50, 1));
        ASSERT_FALSE(stream_in_next_frame(&in, &m));
        while (stream_in_next_change(&in, &c))
                ;
        ASSERT_FALSE(stream_in_next_frame(&in, &m));
        ASSERT_STREQ(in_turn(&in), "| resume(A, 2)");
        stream_in_done(&in);
}

TEST(receiver_lost_something)
{
        struct stream_in in;

        letter_of(0);
        stream_in_init(&in);
        stream_in_restore_mark(&in, 50, 3);
        ASSERT_OK(stream_in_restore_refusal(&in, 50, 2, REFUSED_OTHER));
        stream_in_open(&in);
        ASSERT_OK(hello(&in, 50, 8)); /* an older state: goes on where the sender is */
        ASSERT_STREQ(in_turn(&in), "mark A 7 | resume(A, 7)");
        ASSERT_OK(hello(&in, 51, 1));
        take(&in, 1, 1);
        ASSERT_STREQ(in_turn(&in), "mark B 1 | resume(B, 1) acknowledge(1)");
        stream_in_open(&in);
        ASSERT_OK(hello(&in, 52, 400)); /* nothing is known of it */
        ASSERT_STREQ(in_turn(&in), "mark C 399 | resume(C, 399)");
        ASSERT_OK(hello(&in, 50, 6)); /* each stream keeps its mark */
        ASSERT_STREQ(in_turn(&in), "| resume(A, 7)");
        stream_in_done(&in);
}

TEST(receiver_meets_breakers)
{
        static const struct {
                uint64_t hello, oldest, number;
        } cases[] = {
                { 0, 0, 5 },                                 /* a gap */
                { 0, 0, 0 },                                 /* no number */
                { 0, 0, UINT64_MAX },                        /* no number of ours */
                { 0, 1, 0 },                                 /* no stream */
                { 9, 0, 0 },                                 /* no oldest */
                { 9, (uint64_t)INT64_MAX + 1, 0 },           /* no oldest of ours */
                { 9, STREAM_NUMBER_MAX, UINT64_C(1) << 63 }, /* the numbers are used up */
        };
        struct stream_in in;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                int r = 0;

                make_hearing(&in);
                take(&in, 1, 3);
                if (cases[i].hello || cases[i].oldest)
                        r = hello(&in, cases[i].hello, cases[i].oldest);
                if (i == 6) {
                        ASSERT_OK(r);
                        take(&in, STREAM_NUMBER_MAX, STREAM_NUMBER_MAX);
                }
                if (r == 0)
                        r = text(&in, cases[i].number);
                if (r != STREAM_BROKEN)
                        TEST_FAIL("case %zu gives %d", i, r);
                stream_in_done(&in);
        }

        make_hearing(&in);
        ASSERT_OK(hello(&in, 50, 1));
        ASSERT_EQ(hello(&in, 50, 1), STREAM_BROKEN); /* once too often */
        stream_in_open(&in);
        ASSERT_EQ(text(&in, 1), STREAM_BROKEN); /* before hello */
        stream_in_done(&in);
}

TEST(receiver_remembers_the_last_streams)
{
        struct stream_in in;

        make_hearing(&in);
        for (uint64_t i = 1; i < STREAM_MARKS_MAX; i++) {
                stream_in_open(&in);
                ASSERT_OK(hello(&in, 50 + i, 1));
        }
        stream_in_open(&in);
        ASSERT_OK(hello(&in, 50, 1)); /* so A is the last one now */
        ASSERT_STREQ(in_turn(&in),
                "mark B 0 mark C 0 mark D 0 mark E 0 mark F 0 mark G 0 mark H 0 | resume(A, 0)");
        stream_in_open(&in);
        ASSERT_OK(hello(&in, 99, 1));
        ASSERT_STREQ(in_turn(&in), "gone B mark I 0 | resume(I, 0)");

        /* As many as that in one turn nobody can honestly begin. */
        for (uint64_t i = 0; i < STREAM_MARKS_MAX; i++) {
                stream_in_open(&in);
                ASSERT_OK(hello(&in, 1000 + i, 1));
        }
        stream_in_open(&in);
        ASSERT_EQ(hello(&in, 2000, 1), STREAM_BROKEN);
        stream_in_done(&in);
}

TEST(receiver_forgets_refusals_below_the_window)
{
        struct stream_in in;
        struct message m;
        size_t n = 0;

        make_hearing(&in);
        for (uint64_t i = 1; i <= 1000; i++) {
                ASSERT_EQ(text(&in, i), STREAM_NEXT);
                ASSERT_OK(stream_in_refuse(&in, REFUSED_OTHER));
        }
        (void)in_turn(&in);
        stream_in_open(&in);
        ASSERT_OK(hello(&in, 50, 1));
        while (stream_in_next_frame(&in, &m))
                if (m.type == FRAME_REFUSED)
                        ASSERT_EQ(m.refused.number, 1000 - STREAM_WINDOW + ++n);
        ASSERT_EQ(n, STREAM_WINDOW);
        stream_in_done(&in);
}

TEST(receiver_without_memory)
{
        struct stream_in in;
        int r;

        make_hearing(&in);
        ASSERT_EQ(text(&in, 1), STREAM_NEXT);
        n_allocations = 0;
        fail_at = 1;
        r = stream_in_refuse(&in, REFUSED_OTHER);
        fail_at = SIZE_MAX;
        ASSERT_EQ(r, -ENOMEM);
        ASSERT_STREQ(in_turn(&in), "|");
        ASSERT_OK(stream_in_refuse(&in, REFUSED_OTHER)); /* the choice is still open */
        ASSERT_STREQ(in_turn(&in), "mark A 1 refusal A 1(0) | refused(1, 0)");
        take(&in, 2, 2);
        n_allocations = 0;
        fail_at = 1;
        r = stream_in_known(&in, 2);
        fail_at = SIZE_MAX;
        ASSERT_EQ(r, -ENOMEM);
        ASSERT_STREQ(in_turn(&in), "mark A 2 | acknowledge(2)");
        stream_in_done(&in);
}

TEST_MAIN()
