/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/session when all goes well: codecs, golden traces, rotation, renewal, ends, replacing */
#include "lib/session-pair.h"
#include "lib/vectors.h"

static const struct message samples[] = {
        { .type = FRAME_HELLO, .hello = { .stream = 0x0102030405060708, .oldest = 9 } },
        { .type = FRAME_RESUME, .resume = { .stream = UINT64_MAX, .mark = 0 } },
        { .type = FRAME_ACKNOWLEDGE, .acknowledge.number = 77 },
        { .type = FRAME_REFUSED, .refused = { .number = 3, .reason = REFUSED_TOO_LARGE } },
        { .type = FRAME_GOODBYE, .goodbye.reason = GOODBYE_STOP },
        { .type = FRAME_MESSAGE,
                .text = { .number = 1,
                        .id = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 } },
                        .time_usec = 0x1122334455667788,
                        .text = "hi",
                        .size = 2 } },
        { .type = FRAME_MESSAGE, .text = { .number = UINT64_MAX, .text = "", .size = 0 } },
};

/* What the samples look like, for ever. */
static const char *const sample_bytes[] = {
        "0101020304050607080000000000000009",
        "02ffffffffffffffff0000000000000000",
        "03000000000000004d",
        "04000000000000000302",
        "0501",
        "8000000000000000010102030405060708090a0000000000001122334455667788"
        "6869",
        "80ffffffffffffffff000000000000000000000000000000000000000000000000",
};

static bool message_equal(const struct message *a, const struct message *b)
{
        uint8_t x[256], y[256];

        if (a->type != b->type || message_size(a) != message_size(b))
                return false;
        message_encode(a, x);
        message_encode(b, y);
        return memcmp(x, y, message_size(a)) == 0;
}

TEST(frames_have_these_bytes)
{
        static_assert(ELEMENTSOF(samples) == ELEMENTSOF(sample_bytes), "one for each");

        for (size_t i = 0; i < ELEMENTSOF(samples); i++) {
                struct message m;
                uint8_t data[256];

                message_encode(&samples[i], data);
                ASSERT_HEX(data, message_size(&samples[i]), sample_bytes[i]);
                ASSERT_OK(message_decode(data, message_size(&samples[i]), &m));
                ASSERT_TRUE(message_equal(&m, &samples[i]));
        }
}

/* Each good frame cut, lengthened, and with each bit turned: never anything but a decoded message
 * that is written the same way again, or a refusal. */
TEST(frames_altered_in_every_way)
{
        for (size_t i = 0; i < ELEMENTSOF(samples); i++) {
                size_t size = message_size(&samples[i]);
                uint8_t data[256] = { 0 }, again[256];
                struct message m;

                message_encode(&samples[i], data);
                for (size_t n = 0; n < size; n++)
                        if (samples[i].type != FRAME_MESSAGE || n < MESSAGE_TEXT_HEAD)
                                ASSERT_EQ(message_decode(data, n, &m), MESSAGE_MALFORMED);
                if (samples[i].type != FRAME_MESSAGE)
                        ASSERT_EQ(message_decode(data, size + 1, &m), MESSAGE_MALFORMED);
                for (size_t bit = 0; bit < 8 * size; bit++) {
                        data[bit / 8] ^= 1 << bit % 8;
                        if (message_decode(data, size, &m) == 0) {
                                ASSERT_EQ(message_size(&m), size);
                                message_encode(&m, again);
                                if (m.type != FRAME_REFUSED && m.type != FRAME_GOODBYE)
                                        ASSERT_MEMEQ(again, data, size);
                        }
                        data[bit / 8] ^= 1 << bit % 8;
                }
        }
}

static void check_carried(enum frame_type type, size_t size_max)
{
        static uint8_t data[FRAME_SIZE_MAX] = { 0, 1, 2 };
        uint8_t again[3];
        struct message m;

        data[0] = (uint8_t)type;
        ASSERT_OK(message_decode(data, 3, &m));
        ASSERT_EQ(m.type, type);
        message_encode(&m, again);
        ASSERT_HEX(again + 1, sizeof again - 1, "0102");
        ASSERT_OK(message_decode(data, 1 + size_max, &m));
        ASSERT_EQ(message_size(&m), 1 + size_max);
        ASSERT_EQ(message_decode(data, 2 + size_max, &m), MESSAGE_MALFORMED);
        ASSERT_EQ(message_decode(data, 1, &m), MESSAGE_MALFORMED);
}

TEST(frames_that_carry_something_are_taken_up_to_their_limit)
{
        check_carried(FRAME_RING, RING_FRAME_MAX);
        check_carried(FRAME_LEDGER, LEDGER_FRAME_MAX);
        check_carried(FRAME_GROUP, GROUP_FRAME_MAX);
        check_carried(FRAME_GROUP_MESSAGE, GROUP_FRAME_MAX);
        check_carried(FRAME_FILE, FILE_FRAME_MAX);
}

TEST(frames_that_are_refused_or_skipped)
{
        static const struct {
                const char *hex;
                int expected;
        } frames[] = {
                { "-", MESSAGE_MALFORMED },
                { "00", MESSAGE_UNKNOWN },
                { "06", MESSAGE_MALFORMED },     /* nothing is said */
                { "070000", MESSAGE_MALFORMED }, /* port 0 */
                { "0805", MESSAGE_MALFORMED },
                { "08047f000001", MESSAGE_MALFORMED }, /* no port */
                { "08047f0000010000", MESSAGE_MALFORMED },
                { "09", MESSAGE_MALFORMED }, /* nothing is said */
                { "0a", MESSAGE_MALFORMED }, /* no name */
                { "0b", MESSAGE_MALFORMED }, /* nothing is said */
                { "0c", MESSAGE_MALFORMED },
                { "0d", MESSAGE_UNKNOWN },
                { "7fffff", MESSAGE_UNKNOWN },
                { "81", MESSAGE_MALFORMED }, /* nothing is said */
                { "82", MESSAGE_UNKNOWN },
                { "ff00", MESSAGE_UNKNOWN },
                { "0100000000000000010000000000000000", MESSAGE_MALFORMED }, /* oldest 0 */
                { "030000000000000000", MESSAGE_MALFORMED },                 /* number 0 */
                { "04000000000000000001", MESSAGE_MALFORMED },
                { "80000000000000000000000000000000000000000000000000000000000000000061",
                        MESSAGE_MALFORMED },
        };

        for (size_t i = 0; i < ELEMENTSOF(frames); i++) {
                uint8_t data[64];
                struct message m;

                ASSERT_EQ(message_decode(data, vectors_bytes(frames[i].hex, data), &m),
                        frames[i].expected);
        }
}

TEST(reasons_nobody_knows_yet)
{
        struct message m;

        ASSERT_OK(message_decode((const uint8_t *)"\4\0\0\0\0\0\0\0\1\xee", 10, &m));
        ASSERT_EQ(m.refused.reason, REFUSED_OTHER);
        ASSERT_OK(message_decode((const uint8_t *)"\5\xee", 2, &m));
        ASSERT_EQ(m.goodbye.reason, GOODBYE_OTHER);
}

TEST(recognised_by_its_first_bytes)
{
        ASSERT_EQ(session_recognise("", 0), SESSION_MAY_BE);
        ASSERT_EQ(session_recognise("P", 1), SESSION_MAY_BE);
        ASSERT_EQ(session_recognise("P2P", 3), SESSION_MAY_BE);
        ASSERT_EQ(session_recognise("P2PC", 4), SESSION_IS);
        ASSERT_EQ(session_recognise("P2PC\7...", 8), SESSION_IS);
        ASSERT_EQ(session_recognise("P2PD", 4), SESSION_IS_NOT);
        ASSERT_EQ(session_recognise("{", 1), SESSION_IS_NOT);
        ASSERT_EQ(session_recognise("y", 1), SESSION_IS_NOT);
}

TEST(a_conversation)
{
        struct pair p;

        pair_init(&p);
        p.tracing = true;
        pair_dial(&p, p.b.identity.id);
        pair_run(&p, 0);
        p.now_usec += 110 * USEC_PER_MSEC;
        side_say(&p, &p.a, 1, "hi");
        side_say(&p, &p.a, 2, "there");
        pair_run(&p, 0);
        p.now_usec += 10 * USEC_PER_MSEC;
        side_acknowledge(&p, &p.b, 2);
        side_say(&p, &p.b, 1, "hello");
        pair_run(&p, 0);
        p.now_usec += USEC_PER_SEC;
        ASSERT_OK(session_close(p.b.session, GOODBYE_STOP, p.now_usec));
        side_drain(&p, &p.b);
        pair_run(&p, 0);
        ASSERT_STREQ(p.trace, "[   0] a > 39 bytes\n"
                              "[   0] b > 217 bytes\n"
                              "[   0] a . proven Bob 7002\n"
                              "[   0] a > 185 bytes\n"
                              "[   0] b . proven Ece 7001\n"
                              "[ 110] a > 53 bytes\n"
                              "[ 110] a > 56 bytes\n"
                              "[ 110] b . message 1 \"hi\"\n"
                              "[ 110] b . message 2 \"there\"\n"
                              "[ 120] b > 27 bytes\n"
                              "[ 120] b > 56 bytes\n"
                              "[ 120] a . frame 3\n"
                              "[ 120] a . message 1 \"hello\"\n"
                              "[1120] b > 20 bytes\n"
                              "[1120] b . ended: closed\n"
                              "[1120] a . ended: goodbye\n");
        ASSERT_EQ(p.a.goodbye, GOODBYE_STOP);
        ASSERT_EQ(session_deadline(p.a.session), USEC_INFINITY);

        /* What comes after the end changes nothing. */
        ASSERT_EQ(session_send(p.a.session, &samples[0], p.now_usec), 1);
        ASSERT_OK(session_receive(p.a.session, "xyz", 3, p.now_usec));
        ASSERT_OK(session_close(p.a.session, GOODBYE_STOP, p.now_usec));
        ASSERT_OK(session_advance(p.a.session, p.now_usec + USEC_PER_DAY));
        side_drain(&p, &p.a);
        ASSERT_EQ(p.a.wire.size, 0);
        pair_done(&p);
}

TEST(byte_by_byte_it_is_the_same)
{
        struct pair p;

        for (size_t piece = 1; piece < 60; piece += 7) {
                pair_init(&p);
                pair_dial(&p, NULL);
                pair_run(&p, piece);
                ASSERT_TRUE(p.a.proven && p.b.proven);
                for (uint64_t i = 1; i <= 20; i++) {
                        side_say(&p, &p.a, i, "to Bob");
                        side_say(&p, &p.b, i, "to Ece");
                        side_acknowledge(&p, &p.b, i);
                }
                pair_run(&p, piece);
                ASSERT_EQ(p.a.n_messages, 40);
                ASSERT_EQ(p.b.n_messages, 20);
                ASSERT_EQ(p.b.last.text.number, 20);
                ASSERT_STREQ(p.b.last.text.text, "to Bob");
                pair_done(&p);
        }
}

TEST(who_the_other_is)
{
        const struct introduction *i;
        struct pair p;

        pair_init(&p);
        p.b.self.features = 0x8000000000000001;
        p.b.self.username = "\xe2\x80\xae"
                            "@Bob\x01 "; /* cleaned by who hears it */
        pair_dial(&p, p.b.identity.id);
        ASSERT_NULL(session_peer(p.a.session));
        pair_run(&p, 0);
        i = session_peer(p.a.session);
        ASSERT_STREQ(i->id, p.b.identity.id);
        ASSERT_MEMEQ(i->key, p.b.identity.public_key, PUBLIC_KEY_SIZE);
        ASSERT_STREQ(i->name, "_Bob_");
        ASSERT_EQ(i->port, 7002);
        ASSERT_EQ(i->run, 102);
        ASSERT_EQ(i->features, 0x8000000000000001);
        i = session_peer(p.b.session);
        ASSERT_STREQ(i->id, p.a.identity.id);
        ASSERT_EQ(session_role(p.a.session), SESSION_DIALLER);
        ASSERT_EQ(session_role(p.b.session), SESSION_RESPONDER);
        pair_done(&p);

        pair_init(&p);
        p.b.self.username = "  "; /* nothing usable: proven all the same */
        pair_dial(&p, NULL);
        pair_run(&p, 0);
        ASSERT_STREQ(session_peer(p.a.session)->name, "");
        pair_done(&p);
}

TEST(somebody_else_is_there)
{
        struct pair p;

        pair_init(&p);
        pair_dial(&p, p.a.identity.id); /* not b's */
        pair_carry(&p, &p.a, 0);
        pair_carry(&p, &p.b, 0);
        ASSERT_TRUE(p.a.ended && !p.a.proven);
        ASSERT_EQ(p.a.how, SESSION_OTHER_ID);
        ASSERT_EQ(p.a.wire.size, 0); /* b does not learn who dialled */
        ASSERT_STREQ(session_peer(p.a.session)->id, p.b.identity.id);
        ASSERT_NULL(session_peer(p.b.session));
        pair_done(&p);
}

TEST(largest_message)
{
        char *text = malloc(MESSAGE_TEXT_MAX);
        struct message m = { .type = FRAME_MESSAGE,
                .text = { .number = 1, .text = text, .size = MESSAGE_TEXT_MAX } };
        struct pair p;

        ASSERT_NOT_NULL(text);
        memset(text, 'x', MESSAGE_TEXT_MAX);
        pair_open(&p);
        for (size_t i = 1; i <= 40; i++) {
                m.text.number = i;
                ASSERT_OK(session_send(p.a.session, &m, p.now_usec));
        }
        side_drain(&p, &p.a);
        ASSERT_EQ(p.a.wire.size, 40 * (PACKET_HEAD_SIZE + PACKET_MAX));
        pair_run(&p, 0);
        ASSERT_EQ(p.b.n_messages, 40);
        ASSERT_EQ(p.b.last.text.size, MESSAGE_TEXT_MAX);
        ASSERT_EQ(session_received(p.b.session)->size, 40 * FRAME_SIZE_MAX);

        /* Nobody drains: it ends at a limit, and nothing is lost that was taken. */
        for (size_t i = 41;; i++) {
                int r;

                m.text.number = i;
                r = session_send(p.a.session, &m, p.now_usec);
                if (r != 0) {
                        ASSERT_EQ(r, -E2BIG);
                        ASSERT_EQ(i, 41 + SESSION_OUTPUT_MAX / (PACKET_HEAD_SIZE + PACKET_MAX));
                        break;
                }
        }
        side_drain(&p, &p.a);
        pair_run(&p, 0);
        ASSERT_EQ(p.b.n_messages, 40 + SESSION_OUTPUT_MAX / (PACKET_HEAD_SIZE + PACKET_MAX));
        free(text);
        pair_done(&p);
}

/* Where both sides must change keys, seen from outside: a peer that rotates otherwise cannot be
 * understood. */
TEST(keys_rotate_after_every_8th_message)
{
        struct pair p;

        pair_open(&p);
        for (uint64_t i = 1; i <= 100; i++) {
                side_say(&p, &p.a, i, "x");
                ASSERT_EQ(session_sent(p.a.session)->n_rotations, i / 8);
                side_acknowledge(&p, &p.a, i); /* counts for nothing */
                ASSERT_EQ(session_sent(p.a.session)->n_rotations, i / 8);
                pair_run(&p, 0);
                ASSERT_EQ(session_received(p.b.session)->n_rotations, i / 8);
                ASSERT_EQ(session_sent(p.b.session)->n_rotations, 0);
        }
        side_say(&p, &p.b, 1, "x");
        pair_run(&p, 0);
        ASSERT_EQ(p.a.n_messages, 1);
        ASSERT_EQ(p.b.n_messages, 200);
        ASSERT_EQ(session_sent(p.a.session)->n_frames, 200);
        ASSERT_EQ(session_sent(p.a.session)->n_messages, 100);
        pair_done(&p);
}

TEST(keys_rotate_after_64_mib_of_others)
{
        struct flow f = { 0 };
        uint64_t size = 0;

        for (int i = 0; i < 5000; i++) {
                bool rotated = flow_count(&f, FRAME_ACKNOWLEDGE, FRAME_SIZE_MAX);

                size += FRAME_SIZE_MAX;
                ASSERT_EQ(rotated, size >= ROTATION_OTHER_SIZE);
                if (rotated)
                        size = 0;
        }
        ASSERT_EQ(f.n_rotations, 4);
        /* Messages count on their own; a type that nobody knows is one of the two kinds. */
        for (int i = 1; i <= 64; i++)
                ASSERT_EQ(flow_count(&f, i % 2 ? FRAME_MESSAGE : 0xee, FRAME_SIZE_MAX), i % 8 == 0);
        ASSERT_FALSE(flow_count(&f, 0x7f, 1));
        ASSERT_EQ(f.n_rotations, 12);
}

TEST(renewal_after_1000_messages)
{
        struct pair p;

        pair_open(&p);
        for (uint64_t i = 1; i <= 500; i++) {
                side_say(&p, &p.a, i, "x");
                ASSERT_FALSE(p.a.renew);
                side_say(&p, &p.b, i, "x");
                pair_run(&p, 0);
        }
        ASSERT_TRUE(p.a.renew); /* both directions count */
        p.a.renew = false;
        for (uint64_t i = 1; i <= 999; i++)
                side_say(&p, &p.a, i, "x");
        ASSERT_FALSE(p.a.renew);
        side_say(&p, &p.a, 1000, "x"); /* again, as the new session did not come */
        ASSERT_TRUE(p.a.renew);
        ASSERT_FALSE(p.b.renew);
        pair_done(&p);
}

TEST(renewal_after_5_minutes_of_use)
{
        struct pair p;

        pair_open(&p);
        for (uint64_t i = 1; i <= 5; i++) {
                ASSERT_FALSE(p.a.renew);
                p.now_usec += USEC_PER_MINUTE;
                side_say(&p, &p.b, i, "x");
                pair_run(&p, 0);
        }
        ASSERT_TRUE(p.a.renew);
        ASSERT_FALSE(p.b.renew);
        pair_done(&p);
}

TEST(renewal_after_1_gib)
{
        char *text = calloc(1, MESSAGE_TEXT_MAX);
        struct message m = { .type = FRAME_MESSAGE,
                .text = { .number = 1, .text = text, .size = MESSAGE_TEXT_MAX } };
        struct flow *f;
        struct pair p;

        pair_open(&p);
        f = (struct flow *)session_sent(p.a.session); /* as if it had carried so much */
        f->size = SESSION_RENEW_SIZE - FRAME_SIZE_MAX - 1;
        ASSERT_OK(session_send(p.a.session, &m, p.now_usec));
        side_drain(&p, &p.a);
        ASSERT_FALSE(p.a.renew);
        side_acknowledge(&p, &p.a, 1);
        ASSERT_TRUE(p.a.renew);
        free(text);
        pair_done(&p);
}

TEST(idle_sessions_close)
{
        struct pair p;
        usec_t deadline;

        pair_open(&p);
        deadline = p.now_usec + SESSION_IDLE_USEC;
        ASSERT_EQ(session_deadline(p.a.session), deadline);
        ASSERT_EQ(session_deadline(p.b.session), deadline);
        p.now_usec = deadline - 1;
        ASSERT_OK(session_advance(p.b.session, p.now_usec));
        side_drain(&p, &p.b);
        ASSERT_FALSE(p.b.ended);
        side_say(&p, &p.a, 1, "x");
        pair_run(&p, 0);
        ASSERT_EQ(session_deadline(p.b.session), p.now_usec + SESSION_IDLE_USEC);
        p.now_usec += SESSION_IDLE_USEC;
        ASSERT_OK(session_advance(p.b.session, p.now_usec));
        side_drain(&p, &p.b);
        ASSERT_TRUE(p.b.ended);
        ASSERT_EQ(p.b.how, SESSION_IDLE);
        pair_run(&p, 0);
        ASSERT_EQ(p.a.how, SESSION_GOODBYE);
        ASSERT_EQ(p.a.goodbye, GOODBYE_IDLE);
        pair_done(&p);
}

TEST(unproven_sessions_close)
{
        struct pair p;
        size_t size;

        for (int stage = 0; stage < 3; stage++) {
                pair_init(&p);
                pair_dial(&p, NULL);
                if (stage > 0)
                        pair_carry(&p, &p.a, 0);
                if (stage > 1) { /* all but the last byte of the third message */
                        pair_carry(&p, &p.b, 0);
                        p.a.wire.size--;
                        p.now_usec += SESSION_UNPROVEN_USEC - 1;
                        pair_carry(&p, &p.a, 1);
                        p.now_usec++;
                } else
                        p.now_usec += SESSION_UNPROVEN_USEC;
                ASSERT_EQ(session_deadline(p.b.session), p.now_usec);
                size = p.b.wire.size;
                ASSERT_OK(session_advance(p.b.session, p.now_usec));
                side_drain(&p, &p.b);
                ASSERT_TRUE(p.b.ended);
                ASSERT_EQ(p.b.how, SESSION_TIMED_OUT);
                ASSERT_EQ(p.b.wire.size, size); /* without a word */
                pair_done(&p);
        }
}

TEST(closing_before_it_is_proven)
{
        struct pair p;

        pair_init(&p);
        pair_dial(&p, NULL);
        ASSERT_OK(session_close(p.b.session, GOODBYE_STOP, p.now_usec));
        side_drain(&p, &p.b);
        ASSERT_EQ(p.b.how, SESSION_CLOSED);
        ASSERT_EQ(p.b.wire.size, 0);
        ASSERT_EQ(session_send(p.a.session, &samples[0], p.now_usec), 1);
        pair_done(&p);
}

/* Secrets under way fit into locked memory, as many as there may ever be. */
TEST(handshakes_at_once)
{
        struct session *sessions[512];
        struct buffer first;
        struct pair p;

        pair_init(&p);
        pair_dial(&p, NULL);
        buffer_init(&first, 256);
        ASSERT_OK(buffer_append(&first, p.a.wire.data, p.a.wire.size));
        for (size_t i = 0; i < ELEMENTSOF(sessions); i++) {
                ASSERT_OK(
                        session_new(&p.b.self, SESSION_RESPONDER, NULL, p.now_usec, &sessions[i]));
                ASSERT_OK(session_receive(sessions[i], first.data, first.size, p.now_usec));
        }
        pair_run(&p, 0);
        ASSERT_TRUE(p.a.proven && p.b.proven);
        for (size_t i = 0; i < ELEMENTSOF(sessions); i++)
                session_free(sessions[i]);
        buffer_done(&first);
        pair_done(&p);
}

TEST(which_session_stays)
{
        static const struct {
                struct session_claim new, old;
                bool replaces_for_smaller; /* our id is the smaller one */
                bool replaces_for_larger;
        } cases[] = {
                /* another run: whoever dialled */
                { { 2, true }, { 1, true }, true, true },
                { { 2, true }, { 1, false }, true, true },
                { { 2, false }, { 1, true }, true, true },
                { { 1, false }, { 2, false }, true, true },
                /* the same run and dialler: the newer */
                { { 1, true }, { 1, true }, true, true },
                { { 1, false }, { 1, false }, true, true },
                /* crossing: what the smaller id dialled */
                { { 1, true }, { 1, false }, true, false },
                { { 1, false }, { 1, true }, false, true },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                ASSERT_EQ(session_replaces(&cases[i].new, &cases[i].old, "aaa", "bbb"),
                        cases[i].replaces_for_smaller);
                ASSERT_EQ(session_replaces(&cases[i].new, &cases[i].old, "bbb", "aaa"),
                        cases[i].replaces_for_larger);
        }
        /* Both ends of two crossed sessions keep the same one, in whichever order they see them. */
        for (int order = 0; order < 4; order++) {
                struct session_claim a[2] = { { 1, order & 1 }, { 1, !(order & 1) } };
                struct session_claim b[2] = { { 1, order & 2 }, { 1, !(order & 2) } };
                bool a_keeps_own =
                        session_replaces(&a[1], &a[0], "aaa", "bbb") ? a[1].is_ours : a[0].is_ours;
                bool b_keeps_own =
                        session_replaces(&b[1], &b[0], "bbb", "aaa") ? b[1].is_ours : b[0].is_ours;

                ASSERT_TRUE(a_keeps_own);
                ASSERT_FALSE(b_keeps_own);
        }
}

static int setup(void)
{
        bool locked;

        return crypto_init(&locked);
}

TEST_MAIN_WITH(setup)
