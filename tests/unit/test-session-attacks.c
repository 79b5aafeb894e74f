/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/session against what the network and bad peers do */
#include "core/noise/handshake.h"
#include "core/noise/transport.h"
#include "lib/session-pair.h"
#include "lib/vectors.h"

/* Alters byte @at of what @from has sent, carries it over, and lets the rest go on. */
static void carry_altered(struct pair *p, struct side *from, size_t at, uint8_t change)
{
        ASSERT_LT(at, from->wire.size);
        from->wire.data[at] ^= change;
        pair_carry(p, from, 0);
        pair_run(p, 0);
}

/* What a handshake's n-th flight is, and who sends it. */
static struct side *flight(struct pair *p, int n)
{
        pair_init(p);
        pair_dial(p, NULL);
        for (int i = 0; i < n; i++)
                pair_carry(p, i % 2 == 0 ? &p->a : &p->b, 0);
        return n % 2 == 0 ? &p->a : &p->b;
}

TEST(every_altered_byte_of_a_handshake)
{
        for (int n = 0; n < 3; n++)
                for (size_t at = 0;; at++) {
                        struct side *from, *victim;
                        struct pair p;
                        bool done;

                        from = flight(&p, n);
                        victim = n < 2 ? &p.a : &p.b; /* the first flight is in clear: a notices */
                        done = at >= from->wire.size;
                        if (!done) {
                                carry_altered(&p, from, at, 1 << at % 8);
                                ASSERT_FALSE(victim->proven);
                                ASSERT_FALSE(p.b.proven);
                                p.now_usec += SESSION_UNPROVEN_USEC;
                                ASSERT_OK(session_advance(victim->session, p.now_usec));
                                side_drain(&p, victim);
                                ASSERT_TRUE(victim->ended);
                        }
                        pair_done(&p);
                        if (done)
                                break;
                }
}

TEST(streams_truncated_at_every_byte)
{
        for (int n = 0; n < 3; n++)
                for (size_t size = 0;; size++) {
                        struct side *from, *to;
                        struct pair p;
                        bool done;

                        from = flight(&p, n);
                        to = from == &p.a ? &p.b : &p.a;
                        done = size >= from->wire.size;
                        if (!done) {
                                from->wire.size = size;
                                pair_carry(&p, from, 0);
                                ASSERT_FALSE(to->proven);
                                ASSERT_FALSE(to->ended);
                        }
                        pair_done(&p);
                        if (done)
                                break;
                }
}

TEST(frames_altered_truncated_repeated_swapped)
{
        enum { ALTERED, TRUNCATED, REPEATED, SWAPPED, DROPPED, REFLECTED, N_WAYS };
        const size_t size = PACKET_HEAD_SIZE + MESSAGE_TEXT_HEAD + 1 + TAG_SIZE;

        for (int way = 0; way < N_WAYS; way++)
                for (size_t at = 0; at < size; at++) {
                        uint8_t stream[4 * 64];
                        struct side *victim;
                        struct pair p;

                        pair_open(&p);
                        victim = way == REFLECTED ? &p.a : &p.b;
                        side_say(&p, &p.a, 1, "1");
                        side_say(&p, &p.a, 2, "2");
                        side_say(&p, &p.a, 3, "3");
                        ASSERT_EQ(p.a.wire.size, 3 * size);
                        memcpy(stream, p.a.wire.data, 3 * size);
                        buffer_clear(&p.a.wire);
                        if (way == ALTERED) {
                                stream[size + at] ^= 1 << at % 8;
                                side_feed(&p, &p.b, stream, 3 * size, 0);
                        } else if (way == TRUNCATED) {
                                side_feed(&p, &p.b, stream, size + at, 0);
                        } else if (way == REPEATED) {
                                side_feed(&p, &p.b, stream, size, 0);
                                side_feed(&p, &p.b, stream, size, 0);
                        } else if (way == SWAPPED) {
                                side_feed(&p, &p.b, stream, size, 0);
                                side_feed(&p, &p.b, stream + 2 * size, size, 0);
                        } else if (way == DROPPED)
                                side_feed(&p, &p.b, stream + size, size, 0);
                        else
                                side_feed(&p, &p.a, stream, size, 0);

                        /* What came before is there, nothing after it. A longer length only waits.
                         */
                        ASSERT_EQ(victim->n_messages, way == DROPPED || way == REFLECTED ? 0 : 1);
                        if (way == TRUNCATED)
                                ASSERT_FALSE(victim->ended);
                        else if (way != ALTERED || at >= PACKET_HEAD_SIZE) {
                                ASSERT_TRUE(victim->ended);
                                ASSERT_EQ(victim->how, SESSION_ALTERED);
                        }
                        pair_done(&p);
                        if (way >= REPEATED)
                                break;
                }
}

TEST(a_whole_conversation_replayed)
{
        struct buffer recorded;
        struct pair p;

        buffer_init(&recorded, 1 << 20);
        pair_init(&p);
        pair_dial(&p, NULL);
        while (p.a.wire.size > 0) {
                ASSERT_OK(buffer_append(&recorded, p.a.wire.data, p.a.wire.size));
                pair_carry(&p, &p.a, 0);
                pair_carry(&p, &p.b, 0);
        }
        side_say(&p, &p.a, 1, "pay Bob");
        ASSERT_OK(buffer_append(&recorded, p.a.wire.data, p.a.wire.size));
        pair_carry(&p, &p.a, 0);
        ASSERT_EQ(p.b.n_messages, 1);

        /* the same bytes to the same responder, with the same static key */
        session_free(p.b.session);
        p.b.proven = p.b.ended = false;
        ASSERT_OK(session_new(&p.b.self, SESSION_RESPONDER, NULL, p.now_usec, &p.b.session));
        side_feed(&p, &p.b, recorded.data, recorded.size, 0);
        ASSERT_FALSE(p.b.proven);
        ASSERT_TRUE(p.b.ended);
        ASSERT_EQ(p.b.how, SESSION_NOT_PROVEN);
        ASSERT_EQ(p.b.n_messages, 1);
        buffer_done(&recorded);
        pair_done(&p);
}

TEST(not_this_protocol)
{
        static const struct {
                const char *data;
                size_t size;
                enum session_end how;
        } cases[] = {
                { "{\"key\": \"7\"}", 12, SESSION_NOT_NATIVE },
                { "P2PX", 4, SESSION_NOT_NATIVE },
                { "P2PC\2", 5, SESSION_NOT_NATIVE },
                { "GET / HTTP/1.1\r\n", 16, SESSION_NOT_NATIVE },
                { "P2PC\1\xff\xff", 7, SESSION_NOT_PROVEN }, /* at once: nothing is kept for it */
                { "P2PC\1\0\0", 7, SESSION_NOT_PROVEN },
                { "P2PC\1\0\37aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 38, SESSION_NOT_PROVEN },
                { "P2PC\1\0\41aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 40, SESSION_NOT_PROVEN },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (size_t piece = 0; piece < 2; piece++) {
                        struct pair p;

                        pair_init(&p);
                        pair_dial(&p, NULL);
                        side_feed(&p, &p.b, cases[i].data, cases[i].size, piece);
                        ASSERT_TRUE(p.b.ended);
                        ASSERT_EQ(p.b.how, cases[i].how);
                        ASSERT_EQ(p.b.wire.size, 0);
                        pair_done(&p);
                }
}

/*
 * A dialler that keeps to Noise and to nothing else: it says what it is told to
 */
struct forger {
        struct pair p;
        struct identity identity;
        struct x25519_key static_key;
        struct handshake handshake;
        struct transport transport;
        uint8_t payload[HANDSHAKE_MESSAGE_MAX];
        size_t size;
};

static void forger_init(struct forger *f)
{
        static const uint8_t seed[IDENTITY_SEED_SIZE] = { 66 };
        uint8_t message[HANDSHAKE_1_SIZE], answer[2048], hash[HASH_SIZE];
        struct pair *p = &f->p;

        *f = (struct forger){ 0 };
        pair_init(p);
        ASSERT_OK(identity_init(&f->identity, seed));
        ASSERT_OK(x25519_key_init_random(&f->static_key, p->random));
        ASSERT_OK(handshake_init(&f->handshake, "P2PC\1", 5, &f->static_key, p->random));
        ASSERT_OK(session_new(&p->b.self, SESSION_RESPONDER, NULL, p->now_usec, &p->b.session));

        handshake_write_1(&f->handshake, message);
        handshake_write_payload(&f->handshake, NULL, 0, NULL);
        side_feed(p, &p->b, "P2PC\1\0\40", 7, 0);
        side_feed(p, &p->b, message, sizeof message, 0);
        ASSERT_GT(p->b.wire.size, 2);
        ASSERT_OK(handshake_read_2(&f->handshake, p->b.wire.data + PACKET_HEAD_SIZE,
                p->b.wire.size - PACKET_HEAD_SIZE, answer, hash));
        buffer_clear(&p->b.wire);
}

static void forger_done(struct forger *f)
{
        handshake_done(&f->handshake);
        transport_done(&f->transport);
        identity_done(&f->identity);
        x25519_key_done(&f->static_key);
        pair_done(&f->p);
}

static void feed_packet(struct forger *f, const uint8_t *data, size_t size)
{
        const uint8_t head[] = { size >> 8, size };

        side_feed(&f->p, &f->p.b, head, sizeof head, 0);
        side_feed(&f->p, &f->p.b, data, size, 0);
}

/* The third message, with an introduction that @spoil may change: it is signed before. */
static void introduce(struct forger *f, enum session_role role, const uint8_t *hash,
        const uint8_t *static_key, void (*spoil)(struct forger *f, int argument), int argument)
{
        static const struct introduction own = { .name = "Mallory", .port = 6001, .run = 1 };
        static uint8_t message[HANDSHAKE_MESSAGE_MAX];

        ASSERT_OK(handshake_write_3(&f->handshake, message));
        ASSERT_OK(
                introduction_encode(&own, &f->identity, role, hash ? hash : f->handshake.state.hash,
                        static_key ? static_key : f->static_key.public, f->payload, &f->size));
        if (spoil)
                spoil(f, argument);
        handshake_write_payload(&f->handshake, f->payload, f->size, message + HANDSHAKE_3_SIZE);
        ASSERT_OK(handshake_split(&f->handshake, true, &f->transport));
        feed_packet(f, message, HANDSHAKE_3_SIZE + f->size + TAG_SIZE);
}

static void expect_not_proven(struct forger *f)
{
        ASSERT_FALSE(f->p.b.proven);
        ASSERT_TRUE(f->p.b.ended);
        ASSERT_EQ(f->p.b.how, SESSION_NOT_PROVEN);
        ASSERT_NULL(session_peer(f->p.b.session));
        forger_done(f);
}

TEST(introductions_for_something_else)
{
        static const uint8_t other[HASH_SIZE] = { 1 };
        struct forger f;

        forger_init(&f); /* an honest one, to see that the forger can */
        introduce(&f, SESSION_DIALLER, NULL, NULL, NULL, 0);
        ASSERT_TRUE(f.p.b.proven);
        ASSERT_STREQ(session_peer(f.p.b.session)->name, "Mallory");
        forger_done(&f);

        forger_init(&f); /* signed as responder: what a victim would sign when it is dialled */
        introduce(&f, SESSION_RESPONDER, NULL, NULL, NULL, 0);
        expect_not_proven(&f);
        forger_init(&f); /* of another conversation */
        introduce(&f, SESSION_DIALLER, other, NULL, NULL, 0);
        expect_not_proven(&f);
        forger_init(&f); /* of somebody with another static key */
        introduce(&f, SESSION_DIALLER, NULL, other, NULL, 0);
        expect_not_proven(&f);
}

static void cut(struct forger *f, int n)
{
        f->size = (size_t)n;
}

static void turn_bit(struct forger *f, int n)
{
        f->payload[n / 8] ^= 1 << n % 8;
}

static void fill(struct forger *f, int n)
{
        memset(f->payload + f->size, 'x', (size_t)n);
        f->size += (size_t)n;
}

static void add_order(struct forger *f, int n)
{
        static const uint8_t order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6,
                0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10 };
        uint8_t *s = f->payload + f->size - 32;
        unsigned carry = 0;

        for (size_t i = 0; i < sizeof order; i++) {
                carry += s[i] + order[i];
                s[i] = carry;
                carry >>= 8;
        }
}

/* Signs again what was changed. */
static void sign_anew(struct forger *f, size_t size)
{
        const struct blob pieces[] = { { f->handshake.state.hash, HASH_SIZE },
                { f->static_key.public, X25519_SIZE }, { f->payload, size } };

        ASSERT_OK(sign(&f->identity, "p2pchat/1 initiator", pieces, 3, f->payload + size));
        f->size = size + SIGNATURE_SIZE;
}

static void extend(struct forger *f, int n)
{
        size_t size = f->size - SIGNATURE_SIZE;

        memset(f->payload + size, 'x', (size_t)n);
        sign_anew(f, size + (size_t)n);
}

static void claim_long_name(struct forger *f, int n)
{
        f->payload[PUBLIC_KEY_SIZE] = n >> 8;
        f->payload[PUBLIC_KEY_SIZE + 1] = n;
        sign_anew(f, f->size - SIGNATURE_SIZE);
}

TEST(introductions_altered)
{
        struct forger f;
        int size;

        forger_init(&f);
        introduce(&f, SESSION_DIALLER, NULL, NULL, NULL, 0);
        size = (int)f.size;
        forger_done(&f);
        for (int n = 0; n < size; n++) {
                forger_init(&f);
                introduce(&f, SESSION_DIALLER, NULL, NULL, cut, n);
                expect_not_proven(&f);
        }
        for (int n = 0; n < 8 * size; n += 3) {
                forger_init(&f);
                introduce(&f, SESSION_DIALLER, NULL, NULL, turn_bit, n);
                expect_not_proven(&f);
        }
        forger_init(&f);
        introduce(&f, SESSION_DIALLER, NULL, NULL, fill, 1);
        expect_not_proven(&f);
        forger_init(&f); /* a second signature out of the first */
        introduce(&f, SESSION_DIALLER, NULL, NULL, add_order, 0);
        expect_not_proven(&f);
        for (int n = 26; n < 70000; n = n * 3 / 2) { /* the name runs over what is signed */
                forger_init(&f);
                introduce(&f, SESSION_DIALLER, NULL, NULL, claim_long_name, n & 0xffff);
                expect_not_proven(&f);
        }
}

TEST(introductions_of_later_versions)
{
        struct forger f;

        forger_init(&f);
        introduce(&f, SESSION_DIALLER, NULL, NULL, extend, 500);
        ASSERT_TRUE(f.p.b.proven);
        forger_done(&f);
        forger_init(&f); /* but not without a limit */
        introduce(&f, SESSION_DIALLER, NULL, NULL, extend, INTRODUCTION_MAX);
        expect_not_proven(&f);
}

static uint8_t hurting_key[PUBLIC_KEY_SIZE];

static void use_hurting_key(struct forger *f, int n)
{
        memcpy(f->payload, hurting_key, sizeof hurting_key);
        memset(f->payload + f->size - 32, 0, 32); /* a signature that gets as far as it can */
        f->payload[f->size - 32] = 1;
}

/* If a decoder let one of these keys through, this program would be ended. */
TEST(introductions_with_keys_made_to_hurt)
{
        struct vectors_line l;
        FILE *f = vectors_open("ed25519-points.txt");
        size_t n = 0;

        while (vectors_next(f, &l)) {
                struct forger forger;

                ASSERT_EQ(vectors_bytes(l.words[1], hurting_key), sizeof hurting_key);
                forger_init(&forger);
                introduce(&forger, SESSION_DIALLER, NULL, NULL, use_hurting_key, 0);
                expect_not_proven(&forger);
                n++;
        }
        ASSERT_GE(n, 200);
}

TEST(ephemeral_keys_of_low_order)
{
        static const uint8_t first[] = "P2PC\1\0\40\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                                       "\0\0\0\0\0\0\0";
        struct pair p;

        pair_init(&p);
        pair_dial(&p, NULL);
        side_feed(&p, &p.b, first, 39, 0);
        ASSERT_EQ(p.b.how, SESSION_NOT_PROVEN);
        ASSERT_EQ(p.b.wire.size, 0);
        pair_done(&p);

        /* the responder's */
        pair_init(&p);
        pair_dial(&p, NULL);
        pair_carry(&p, &p.a, 0);
        memset(p.b.wire.data + PACKET_HEAD_SIZE, 0, X25519_SIZE);
        pair_carry(&p, &p.b, 0);
        ASSERT_EQ(p.a.how, SESSION_NOT_PROVEN);
        ASSERT_EQ(p.a.wire.size, 0);
        pair_done(&p);
}

static void send_frame(struct forger *f, const void *frame, size_t size)
{
        static uint8_t sealed[PACKET_MAX];

        ASSERT_TRUE(transport_seal(&f->transport, frame, size, sealed));
        feed_packet(f, sealed, size + TAG_SIZE);
}

TEST(peers_that_break_the_rules)
{
        static const struct {
                const char *hex;
                enum session_end how;
        } cases[] = {
                { "-", SESSION_MALFORMED }, /* no type */
                { "01", SESSION_MALFORMED },
                { "0100000000000000010000000000000000", SESSION_MALFORMED },
                { "030000000000000000", SESSION_MALFORMED },
                { "80", SESSION_MALFORMED },
                { "05", SESSION_MALFORMED },
                { "0501", SESSION_GOODBYE },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint8_t frame[64];
                struct forger f;

                forger_init(&f);
                introduce(&f, SESSION_DIALLER, NULL, NULL, NULL, 0);
                send_frame(&f, frame, vectors_bytes(cases[i].hex, frame));
                ASSERT_TRUE(f.p.b.ended);
                ASSERT_EQ(f.p.b.how, cases[i].how);
                ASSERT_EQ(f.p.b.n_messages, 0);
                send_frame(&f, "\3\0\0\0\0\0\0\0\1", 9); /* nobody listens any more */
                ASSERT_EQ(f.p.b.n_messages, 0);
                forger_done(&f);
        }
}

/* Types of the future are skipped, and change keys like those of today. */
TEST(frames_that_nobody_knows_yet)
{
        struct forger f;

        forger_init(&f);
        introduce(&f, SESSION_DIALLER, NULL, NULL, NULL, 0);
        for (int i = 1; i <= 40; i++) {
                send_frame(&f, "\xfe what is this", 14);
                if (i % 8 == 0)
                        transport_rekey(&f.transport.send);
                send_frame(&f, "\x7f", 1);
        }
        ASSERT_FALSE(f.p.b.ended);
        ASSERT_EQ(f.p.b.n_messages, 0);
        ASSERT_EQ(session_received(f.p.b.session)->n_rotations, 5);
        send_frame(&f, "\3\0\0\0\0\0\0\0\1", 9);
        ASSERT_EQ(f.p.b.n_messages, 1);
        forger_done(&f);
}

/* A peer that does not change its key is not understood: an old key is worth nothing. */
TEST(a_key_that_is_over)
{
        struct forger f;

        forger_init(&f);
        introduce(&f, SESSION_DIALLER, NULL, NULL, NULL, 0);
        for (int i = 1; i <= 9; i++)
                send_frame(&f, "\x80\0\0\0\0\0\0\0\1iiiiiiiiiiiiiiiittttttttx", 34);
        ASSERT_EQ(f.p.b.n_messages, 8);
        ASSERT_EQ(f.p.b.how, SESSION_ALTERED);
        forger_done(&f);
}

/* Whoever sits between has two sessions, and each end sees his id in one of them. */
TEST(a_man_in_the_middle_shows_himself)
{
        struct forger f;

        forger_init(&f);
        introduce(&f, SESSION_DIALLER, NULL, NULL, NULL, 0);
        ASSERT_STREQ(session_peer(f.p.b.session)->id, f.identity.id);
        ASSERT_TRUE(!streq(session_peer(f.p.b.session)->id, f.p.a.identity.id));
        forger_done(&f);
}

TEST(packets_too_short_to_be_sealed)
{
        for (uint8_t size = 0; size <= TAG_SIZE; size++) {
                uint8_t packet[PACKET_HEAD_SIZE + TAG_SIZE] = { 0, size };
                struct pair p;

                pair_open(&p);
                side_feed(&p, &p.b, packet, PACKET_HEAD_SIZE + size, 0);
                ASSERT_TRUE(p.b.ended);
                ASSERT_EQ(p.b.how, SESSION_MALFORMED);
                pair_done(&p);
        }
}

TEST(floods_of_rubbish)
{
        uint8_t *rubbish = malloc(SESSION_CHUNK_MAX);
        struct pair p;

        ASSERT_NOT_NULL(rubbish);
        pair_open(&p);
        random_bytes(p.random, rubbish, SESSION_CHUNK_MAX);
        side_feed(&p, &p.b, rubbish, SESSION_CHUNK_MAX, 0);
        ASSERT_EQ(p.b.how, SESSION_ALTERED);
        side_feed(&p, &p.b, rubbish, SESSION_CHUNK_MAX, 0);
        pair_done(&p);
        free(rubbish);
}

static int setup(void)
{
        bool locked;

        return crypto_init(&locked);
}

TEST_MAIN_WITH(setup)
