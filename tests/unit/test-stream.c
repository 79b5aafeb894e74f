/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Delivery between native peers, rule by rule: the sender */
#include "core/crypto/crypto.h"
#include "core/crypto/random.h"
#include "lib/failing-memory.h"
#include "lib/stream-trace.h"

static struct random *dice;

static const char *out_turn(struct stream_out *o)
{
        struct stream_out_effect e;
        struct stream_change c;

        line_size = 0;
        line[0] = 0;
        while (stream_out_next_change(o, &c))
                say_change(&c);
        say("|");
        while (stream_out_next_effect(o, &e))
                switch (e.type) {
                case STREAM_SEND:
                        say_frame(&e.frame);
                        break;
                case STREAM_LOAD:
                        say(" load(%c)", e.id.bytes[0]);
                        break;
                case STREAM_REOPEN:
                        say(" reopen");
                        break;
                }
        return line;
}

static void add(struct stream_out *o, const char *letters)
{
        for (; *letters; letters++) {
                struct ulid id = id_of(*letters);

                ASSERT_OK(stream_out_add(o, &id, 10, 0));
        }
}

static int cancel(struct stream_out *o, char letter)
{
        struct ulid id = id_of(letter);

        return stream_out_cancel(o, &id);
}

/* The number under which the text goes out, or 0. */
static uint64_t loaded(struct stream_out *o, char letter)
{
        struct ulid id = id_of(letter);
        struct message m;

        if (!stream_out_loaded(o, &id, 77, "text", 4, &m))
                return 0;
        ASSERT_EQ(m.type, FRAME_MESSAGE);
        ASSERT_TRUE(ulid_equal(&m.text.id, &id));
        ASSERT_EQ(m.text.time_usec, 77);
        ASSERT_EQ(m.text.size, 4);
        return m.text.number;
}

static int resume(struct stream_out *o, uint64_t stream, uint64_t mark)
{
        return stream_out_receive(
                o, &(struct message){ .type = FRAME_RESUME, .resume = { stream, mark } });
}

static int acknowledge(struct stream_out *o, uint64_t number)
{
        return stream_out_receive(
                o, &(struct message){ .type = FRAME_ACKNOWLEDGE, .acknowledge = { number } });
}

static int refused(struct stream_out *o, uint64_t number, enum refused reason)
{
        return stream_out_receive(
                o, &(struct message){ .type = FRAME_REFUSED, .refused = { number, reason } });
}

/* Stream A with a to c sent and d queued, a acknowledged. */
static void make_talking(struct stream_out *o)
{
        letter_of(0);
        stream_out_init(o, dice);
        add(o, "abc");
        ASSERT_STREQ(out_turn(o), "|");
        stream_out_open(o);
        ASSERT_STREQ(out_turn(o), "stream A | hello(A, 1)");
        ASSERT_OK(resume(o, o->stream, 0));
        ASSERT_STREQ(out_turn(o), "a=1 b=2 c=3 | load(a) load(b) load(c)");
        ASSERT_EQ(loaded(o, 'a'), 1);
        ASSERT_EQ(loaded(o, 'b'), 2);
        ASSERT_EQ(loaded(o, 'c'), 3);
        ASSERT_OK(acknowledge(o, 1));
        ASSERT_STREQ(out_turn(o), "a delivered |");
}

TEST(sender_talks)
{
        struct stream_out o;

        make_talking(&o);
        add(&o, "d");
        ASSERT_STREQ(out_turn(&o), "d=4 | load(d)");
        ASSERT_EQ(loaded(&o, 'd'), 4);
        ASSERT_OK(refused(&o, 2, REFUSED_INVALID_TEXT));
        ASSERT_OK(acknowledge(&o, 3));
        ASSERT_STREQ(out_turn(&o), "b failed(1) c delivered |");
        ASSERT_OK(acknowledge(&o, 2)); /* late, and harmless */
        ASSERT_OK(refused(&o, 4, REFUSED_KNOWN_ID));
        ASSERT_STREQ(out_turn(&o), "d delivered |");
        ASSERT_EQ(o.n, 0);
        ASSERT_EQ(o.oldest, 5);
        stream_out_done(&o);
}

TEST(sender_goes_on_after_resume)
{
        struct stream_out o;

        make_talking(&o);
        stream_out_close(&o);
        add(&o, "d");
        ASSERT_OK(acknowledge(&o, 3)); /* of a session that is over */
        ASSERT_STREQ(out_turn(&o), "|");
        stream_out_open(&o);
        ASSERT_STREQ(out_turn(&o), "| hello(A, 2)");
        ASSERT_OK(resume(&o, o.stream, 2));
        ASSERT_STREQ(out_turn(&o), "b delivered d=4 | load(c) load(d)");
        ASSERT_EQ(loaded(&o, 'b'), 0); /* answers to what an earlier session asked */
        ASSERT_EQ(loaded(&o, 'd'), 0);
        ASSERT_EQ(loaded(&o, 'c'), 3);
        ASSERT_EQ(loaded(&o, 'd'), 4);
        ASSERT_EQ(loaded(&o, 'd'), 0);
        stream_out_done(&o);
}

TEST(sender_was_restored)
{
        struct stream_out o;
        struct ulid b = id_of('b');

        letter_of(0);
        stream_out_init(&o, dice);
        stream_out_restore(&o, 7000, 3, 2);
        ASSERT_OK(stream_out_add(&o, &b, 10, 2));
        add(&o, "xy");
        stream_out_open(&o);
        ASSERT_STREQ(out_turn(&o), "| hello(A, 2)");
        ASSERT_OK(refused(&o, 9, REFUSED_OTHER)); /* of a future that is lost */
        ASSERT_OK(resume(&o, 7000, 9));
        ASSERT_NE(o.stream, 7000);
        ASSERT_STREQ(out_turn(&o), "stream B | hello(B, 1)");
        ASSERT_OK(resume(&o, o.stream, 0));
        ASSERT_STREQ(out_turn(&o), "b=1 x=2 y=3 | load(b) load(x) load(y)");
        stream_out_done(&o);
}

/* Otherwise two pasts of a sender could give one number to two messages, and a receiver that knows
 * only one of them would take it for the other. */
TEST(numbers_of_a_stream_are_given_by_one_process)
{
        struct stream_out o;
        struct ulid b = id_of('b'), c = id_of('c');

        letter_of(0);
        stream_out_init(&o, dice);
        stream_out_restore(&o, 7000, 3, 4);
        add(&o, "x");
        stream_out_open(&o);
        ASSERT_NE(o.stream, 7000);
        ASSERT_STREQ(out_turn(&o), "stream A | hello(A, 1)");
        stream_out_done(&o);

        /* What has a number already: the receiver says first whether it has it. */
        letter_of(0);
        stream_out_init(&o, dice);
        stream_out_restore(&o, 7000, 3, 2);
        ASSERT_OK(stream_out_add(&o, &b, 10, 2));
        ASSERT_OK(stream_out_add(&o, &c, 10, 3));
        add(&o, "x");
        stream_out_open(&o);
        ASSERT_STREQ(out_turn(&o), "| hello(A, 2)");
        ASSERT_OK(resume(&o, 7000, 2));
        ASSERT_NE(o.stream, 7000);
        ASSERT_STREQ(out_turn(&o), "b delivered stream B | hello(B, 1)");
        ASSERT_OK(resume(&o, o.stream, 0));
        ASSERT_STREQ(out_turn(&o), "c=1 x=2 | load(c) load(x)");
        stream_out_done(&o);
}

TEST(sender_cancels)
{
        struct stream_out o;

        make_talking(&o);
        ASSERT_EQ(cancel(&o, 'a'), STREAM_UNKNOWN);
        ASSERT_EQ(cancel(&o, 'b'), STREAM_MAY_ARRIVE); /* was sent: no gap */
        ASSERT_STREQ(out_turn(&o), "|");
        add(&o, "d");
        ASSERT_STREQ(out_turn(&o), "d=4 | load(d)");
        ASSERT_OK(acknowledge(&o, 3));
        ASSERT_STREQ(out_turn(&o), "c delivered |");
        stream_out_close(&o);
        add(&o, "ef");
        ASSERT_EQ(cancel(&o, 'e'), 0);
        ASSERT_EQ(cancel(&o, 'd'), STREAM_MAY_ARRIVE);
        stream_out_open(&o);
        ASSERT_STREQ(out_turn(&o), "| hello(A, 4)");
        ASSERT_OK(resume(&o, o.stream, 3)); /* awaits d */
        ASSERT_STREQ(out_turn(&o), "stream B | hello(B, 1)");
        ASSERT_OK(resume(&o, o.stream, 0));
        ASSERT_STREQ(out_turn(&o), "f=1 | load(f)");
        ASSERT_EQ(cancel(&o, 'f'), STREAM_MAY_ARRIVE); /* asked for, and not sent */
        ASSERT_STREQ(out_turn(&o), "| reopen");
        ASSERT_EQ(loaded(&o, 'f'), 0);
        ASSERT_OK(acknowledge(&o, 1));
        stream_out_done(&o);
}

TEST(sender_finds_cancelled_delivered)
{
        struct stream_out o;

        make_talking(&o);
        ASSERT_EQ(cancel(&o, 'c'), STREAM_MAY_ARRIVE);
        stream_out_open(&o);
        ASSERT_STREQ(out_turn(&o), "| hello(A, 2)");
        ASSERT_OK(resume(&o, o.stream, 3));
        add(&o, "d");
        ASSERT_STREQ(out_turn(&o), "b delivered d=4 | load(d)");
        stream_out_done(&o);
}

TEST(sender_meets_breakers)
{
        struct stream_out o;

        for (int i = 0; i < 9; i++) {
                int r = 0;

                make_talking(&o); /* sent 3, settled 1 */
                if (i >= 4) {
                        stream_out_open(&o);
                        if (i >= 5)
                                (void)out_turn(&o);
                }
                switch (i) {
                case 0: /* what was never sent */
                        r = acknowledge(&o, 4);
                        break;
                case 1:
                        r = refused(&o, 4, REFUSED_OTHER);
                        break;
                case 2: /* nobody asked */
                        r = resume(&o, o.stream, 3);
                        break;
                case 3: /* numbered, loading, but not sent */
                        add(&o, "d");
                        (void)out_turn(&o);
                        r = acknowledge(&o, 4);
                        break;
                case 4: /* before hello */
                        r = refused(&o, 2, REFUSED_OTHER);
                        break;
                case 5: /* before resume */
                        r = acknowledge(&o, 2);
                        break;
                case 6: /* of another stream */
                        r = resume(&o, o.stream + 1, 2);
                        break;
                case 7: /* below what it acknowledged, and was told in hello */
                        r = resume(&o, o.stream, 0);
                        break;
                case 8: /* of a stream chosen just now */
                        ASSERT_OK(resume(&o, o.stream, 99));
                        ASSERT_STREQ(out_turn(&o), "stream B | hello(B, 1)");
                        r = resume(&o, o.stream, 1);
                        break;
                }
                if (r != STREAM_BROKEN)
                        TEST_FAIL("case %d gives %d", i, r);
                ASSERT_STREQ(out_turn(&o), "|");
                ASSERT_OK(acknowledge(&o, 1000)); /* deaf from then on */
                stream_out_done(&o);
        }
}

static size_t n_loads(struct stream_out *o)
{
        size_t n = 0;

        for (const char *p = out_turn(o); (p = strstr(p, "load(")); p++)
                n++;
        return n;
}

TEST(sender_keeps_to_the_window)
{
        static const struct {
                size_t size;
                size_t n;
        } cases[] = { { 0, 256 }, { 1000, 256 }, { 4096, 256 }, { 4097, 255 }, { 60 * 1024, 17 },
                { 600 * 1024, 1 }, { 2 * STREAM_WINDOW_SIZE, 1 } };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct ulid id = id_of('a');
                struct stream_out o;

                stream_out_init(&o, dice);
                for (int j = 0; j < 600; j++)
                        ASSERT_OK(stream_out_add(&o, &id, cases[i].size, 0));
                stream_out_open(&o);
                (void)out_turn(&o);
                ASSERT_OK(resume(&o, o.stream, 0));
                ASSERT_EQ(n_loads(&o), cases[i].n);
                ASSERT_EQ(o.given, cases[i].n);
                ASSERT_EQ(loaded(&o, 'a'), 1);
                ASSERT_OK(acknowledge(&o, 1));
                ASSERT_EQ(n_loads(&o), 1);
                stream_out_done(&o);
        }
}

TEST(sender_without_memory)
{
        struct ulid id = id_of('a');
        struct stream_out o;
        int r;

        stream_out_init(&o, dice);
        n_allocations = 0;
        fail_at = 1;
        r = stream_out_add(&o, &id, 1, 0);
        fail_at = SIZE_MAX;
        ASSERT_EQ(r, -ENOMEM);
        ASSERT_EQ(o.n, 0);
        stream_out_done(&o);
}

static int set_up(void)
{
        bool is_locked;

        return crypto_init(&is_locked) < 0 || random_new_seeded(3, &dice) < 0;
}

TEST_MAIN_WITH(set_up)
