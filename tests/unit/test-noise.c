/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/noise: vectors that a foreign implementation made, and attacks */
#include "core/crypto/random.h"
#include "core/noise/handshake.h"
#include "core/noise/transport.h"
#include "lib/vectors.h"

static const char prologue[] = "P2PC\1";

struct pair {
        struct random *random;
        struct x25519_key static_keys[2];
        struct handshake a, b; /* initiator, responder */
        struct transport at, bt;
        uint8_t message[3][512];
        size_t size[3];
};

static void pair_init(struct pair *p, const void *prologue_b, size_t prologue_b_size)
{
        *p = (struct pair){ 0 };
        ASSERT_OK(random_new_seeded(1, &p->random));
        for (size_t i = 0; i < 2; i++)
                ASSERT_OK(x25519_key_init_random(&p->static_keys[i], p->random));
        ASSERT_OK(handshake_init(&p->a, prologue, 5, &p->static_keys[0], p->random));
        ASSERT_OK(
                handshake_init(&p->b, prologue_b, prologue_b_size, &p->static_keys[1], p->random));
}

static void pair_done(struct pair *p)
{
        static const struct handshake zero;

        handshake_done(&p->a);
        handshake_done(&p->b);
        ASSERT_MEMEQ(&p->a, &zero, sizeof zero);
        ASSERT_MEMEQ(&p->b, &zero, sizeof zero);
        transport_done(&p->at);
        transport_done(&p->bt);
        x25519_key_done(&p->static_keys[0]);
        x25519_key_done(&p->static_keys[1]);
        random_free(p->random);
}

/* Writes message @i (from 0), with a payload of 40 bytes in the sealed ones. */
static void pair_write(struct pair *p, int i)
{
        static const size_t head[] = { HANDSHAKE_1_SIZE, HANDSHAKE_2_SIZE, HANDSHAKE_3_SIZE };
        static const uint8_t payload[40] = "payload";
        size_t n = i == 0 ? 0 : sizeof payload;
        struct handshake *h = i == 1 ? &p->b : &p->a;

        if (i == 0)
                handshake_write_1(h, p->message[0]);
        else if (i == 1)
                ASSERT_OK(handshake_write_2(h, p->message[1]));
        else
                ASSERT_OK(handshake_write_3(h, p->message[2]));
        handshake_write_payload(h, payload, n, p->message[i] + head[i]);
        p->size[i] = head[i] + n + (i == 0 ? 0 : TAG_SIZE);
}

static int pair_read_as(struct pair *p, int i, const uint8_t *message, size_t size)
{
        uint8_t payload[512], before[HASH_SIZE];

        if (i == 0)
                return handshake_read_1(&p->b, message, size, payload);
        if (i == 1)
                return handshake_read_2(&p->a, message, size, payload, before);
        return handshake_read_3(&p->b, message, size, payload, before);
}

static int pair_read(struct pair *p, int i)
{
        return pair_read_as(p, i, p->message[i], p->size[i]);
}

static void pair_complete(struct pair *p)
{
        pair_init(p, prologue, 5);
        for (int i = 0; i < 3; i++) {
                pair_write(p, i);
                ASSERT_OK(pair_read(p, i));
        }
        ASSERT_MEMEQ(p->a.state.hash, p->b.state.hash, HASH_SIZE);
        ASSERT_OK(handshake_split(&p->a, true, &p->at));
        ASSERT_OK(handshake_split(&p->b, false, &p->bt));
}

static void set_key(struct x25519_key *k, const char *hex)
{
        uint8_t secret[X25519_SIZE];

        x25519_key_done(k);
        ASSERT_EQ(vectors_bytes(hex, secret), sizeof secret);
        ASSERT_OK(x25519_key_init(k, secret));
}

static void begin(struct pair *p, const struct vectors_line *l)
{
        uint8_t data[VECTORS_LINE_MAX];
        size_t size = vectors_bytes(l->words[1], data);

        pair_init(p, data, size);
        set_key(&p->static_keys[0], l->words[2]);
        handshake_done(&p->a);
        ASSERT_OK(handshake_init(&p->a, data, size, &p->static_keys[0], p->random));
        set_key(&p->a.ephemeral, l->words[3]);
        set_key(&p->static_keys[1], l->words[4]);
        set_key(&p->b.ephemeral, l->words[5]);
}

static void check_handshake(struct pair *p, int i, const struct vectors_line *l)
{
        static const size_t head[] = { HANDSHAKE_1_SIZE, HANDSHAKE_2_SIZE, HANDSHAKE_3_SIZE };
        uint8_t payload[2048], message[2048], got[2048], before[HASH_SIZE], written[HASH_SIZE];
        size_t size = vectors_bytes(l->words[1], payload);
        struct handshake *h = i == 1 ? &p->b : &p->a;

        if (i == 0)
                handshake_write_1(h, message);
        else
                ASSERT_OK(i == 1 ? handshake_write_2(h, message) : handshake_write_3(h, message));
        memcpy(written, h->state.hash, sizeof written);
        handshake_write_payload(h, payload, size, message + head[i]);
        size += head[i] + (i == 0 ? 0 : TAG_SIZE);
        ASSERT_HEX(message, size, l->words[2]);

        if (i == 0) {
                ASSERT_OK(handshake_read_1(&p->b, message, size, got));
                ASSERT_MEMEQ(got, payload, size - head[i]);
                return;
        }
        ASSERT_OK(i == 1 ? handshake_read_2(&p->a, message, size, got, before)
                         : handshake_read_3(&p->b, message, size, got, before));
        ASSERT_MEMEQ(got, payload, size - head[i] - TAG_SIZE);
        ASSERT_MEMEQ(before, written, sizeof before);
}

static void check_transport(
        struct transport *from, struct transport *to, const char *plain_hex, const char *sealed_hex)
{
        uint8_t plain[512], sealed[512], got[512];
        size_t size = vectors_bytes(plain_hex, plain);

        ASSERT_TRUE(transport_seal(from, plain, size, sealed));
        ASSERT_HEX(sealed, size + TAG_SIZE, sealed_hex);
        ASSERT_TRUE(transport_open(to, sealed, size + TAG_SIZE, got));
        ASSERT_MEMEQ(got, plain, size);
}

TEST(vectors)
{
        FILE *f = vectors_open("noise-xx.txt");
        struct vectors_line l;
        struct pair p;
        size_t n = 0;
        int i = 0;

        while (vectors_next(f, &l)) {
                bool forth = l.n > 1 && (streq(l.words[0], "forth") || streq(l.words[1], "forth"));

                if (streq(l.words[0], "conversation")) {
                        if (n++ > 0)
                                pair_done(&p);
                        begin(&p, &l);
                        i = 0;
                } else if (streq(l.words[0], "handshake"))
                        check_handshake(&p, i++, &l);
                else if (streq(l.words[0], "hash")) {
                        ASSERT_EQ(i, 3);
                        ASSERT_HEX(p.a.state.hash, HASH_SIZE, l.words[1]);
                        ASSERT_HEX(p.b.state.hash, HASH_SIZE, l.words[1]);
                        ASSERT_OK(handshake_split(&p.a, true, &p.at));
                        ASSERT_OK(handshake_split(&p.b, false, &p.bt));
                } else if (streq(l.words[0], "rekey")) {
                        transport_rekey(forth ? &p.at.send : &p.bt.send);
                        transport_rekey(forth ? &p.bt.receive : &p.at.receive);
                } else
                        check_transport(forth ? &p.at : &p.bt, forth ? &p.bt : &p.at, l.words[1],
                                l.words[2]);
        }
        ASSERT_GE(n, 4);
        pair_done(&p);
}

TEST(every_altered_bit_is_noticed)
{
        for (int i = 0; i < 3; i++)
                for (size_t bit = 0;; bit++) {
                        struct handshake saved;
                        struct pair p;
                        int k, r;

                        pair_init(&p, prologue, 5);
                        for (k = 0; k < i; k++) {
                                pair_write(&p, k);
                                ASSERT_OK(pair_read(&p, k));
                        }
                        pair_write(&p, i);
                        if (bit >= 8 * p.size[i]) {
                                pair_done(&p);
                                break;
                        }
                        p.message[i][bit / 8] ^= 1 << bit % 8;
                        saved = i == 1 ? p.a : p.b;
                        r = pair_read(&p, i);
                        if (i > 0) {
                                /* Noticed at once, and nothing has changed: the genuine one fits.
                                 */
                                ASSERT_GT(r, 0);
                                ASSERT_MEMEQ(i == 1 ? &p.a : &p.b, &saved, sizeof saved);
                                p.message[i][bit / 8] ^= 1 << bit % 8;
                                ASSERT_OK(pair_read(&p, i));
                        } else {
                                /* The first message is in clear: noticed with the second one. */
                                ASSERT_OK(r);
                                pair_write(&p, 1);
                                ASSERT_GT(pair_read(&p, 1), 0);
                        }
                        pair_done(&p);
                        bit += 2; /* every byte, and each bit somewhere */
                }
}

TEST(truncated_and_lengthened)
{
        for (int i = 0; i < 3; i++) {
                struct pair p;

                pair_init(&p, prologue, 5);
                for (int k = 0; k < i; k++) {
                        pair_write(&p, k);
                        ASSERT_OK(pair_read(&p, k));
                }
                pair_write(&p, i);
                for (size_t size = 0; size < p.size[i]; size++)
                        ASSERT_GT(pair_read_as(&p, i, p.message[i], size), 0);
                if (i > 0)
                        ASSERT_GT(pair_read_as(&p, i, p.message[i], p.size[i] + 1), 0);
                ASSERT_OK(pair_read(&p, i));
                pair_done(&p);
        }
}

TEST(replayed)
{
        struct pair first, second;

        /* Messages of one handshake are worth nothing in another, whichever side they are sent to:
         * the other side has made new ephemeral keys. */
        pair_complete(&first);
        pair_init(&second, prologue, 5);
        handshake_done(&second.b);
        handshake_done(&second.a);
        random_u64(second.random);
        ASSERT_OK(handshake_init(&second.a, prologue, 5, &second.static_keys[0], second.random));
        ASSERT_OK(handshake_init(&second.b, prologue, 5, &second.static_keys[1], second.random));
        pair_write(&second, 0);
        ASSERT_GT(pair_read_as(&second, 1, first.message[1], first.size[1]), 0);
        ASSERT_OK(pair_read_as(&second, 0, first.message[0], first.size[0]));
        pair_write(&second, 1);
        ASSERT_GT(pair_read_as(&second, 2, first.message[2], first.size[2]), 0);
        pair_done(&first);
        pair_done(&second);
}

TEST(another_prologue)
{
        struct pair p;

        pair_init(&p, "P2PC\2", 5);
        pair_write(&p, 0);
        ASSERT_OK(pair_read(&p, 0));
        pair_write(&p, 1);
        ASSERT_EQ(pair_read(&p, 1), HANDSHAKE_NOT_GENUINE);
        pair_done(&p);
}

TEST(keys_of_low_order)
{
        static const uint8_t low[X25519_SIZE] = { 1 };
        struct handshake saved;
        struct pair p;

        /* the initiator's ephemeral */
        pair_init(&p, prologue, 5);
        ASSERT_OK(pair_read_as(&p, 0, low, sizeof low));
        saved = p.b;
        ASSERT_EQ(handshake_write_2(&p.b, p.message[1]), HANDSHAKE_LOW_ORDER);
        ASSERT_MEMEQ(&p.b, &saved, sizeof saved);
        pair_done(&p);

        /* the responder's ephemeral */
        pair_init(&p, prologue, 5);
        for (int i = 0; i < 2; i++) {
                pair_write(&p, i);
                if (i == 0)
                        ASSERT_OK(pair_read(&p, i));
        }
        memcpy(p.message[1], low, sizeof low);
        ASSERT_EQ(pair_read(&p, 1), HANDSHAKE_LOW_ORDER);
        pair_done(&p);

        /* either's static key, well sealed */
        pair_init(&p, prologue, 5);
        pair_write(&p, 0);
        ASSERT_OK(pair_read(&p, 0));
        memcpy(p.static_keys[1].public, low, sizeof low);
        pair_write(&p, 1);
        ASSERT_EQ(pair_read(&p, 1), HANDSHAKE_LOW_ORDER);
        pair_done(&p);

        pair_init(&p, prologue, 5);
        memcpy(p.static_keys[0].public, low, sizeof low);
        for (int i = 0; i < 2; i++) {
                pair_write(&p, i);
                ASSERT_OK(pair_read(&p, i));
        }
        pair_write(&p, 2);
        ASSERT_EQ(pair_read(&p, 2), HANDSHAKE_LOW_ORDER);
        pair_done(&p);
}

TEST(transport_takes_each_message_once_and_in_order)
{
        uint8_t one[3 + TAG_SIZE], two[3 + TAG_SIZE], bad[3 + TAG_SIZE], got[3 + TAG_SIZE];
        struct pair p;

        pair_complete(&p);
        ASSERT_TRUE(transport_seal(&p.at, "one", 3, one));
        ASSERT_TRUE(transport_seal(&p.at, "two", 3, two));
        ASSERT_FALSE(transport_open(&p.bt, two, sizeof two, got));
        ASSERT_FALSE(transport_open(&p.at, one, sizeof one, got)); /* reflected */
        for (size_t size = 0; size < sizeof one; size++)
                ASSERT_FALSE(transport_open(&p.bt, one, size, got));
        for (size_t bit = 0; bit < 8 * sizeof one; bit++) {
                memcpy(bad, one, sizeof bad);
                bad[bit / 8] ^= 1 << bit % 8;
                ASSERT_FALSE(transport_open(&p.bt, bad, sizeof bad, got));
        }
        ASSERT_TRUE(transport_open(&p.bt, one, sizeof one, got));
        ASSERT_FALSE(transport_open(&p.bt, one, sizeof one, got));
        ASSERT_TRUE(transport_open(&p.bt, two, sizeof two, two)); /* in place */
        ASSERT_MEMEQ(two, "two", 3);
        pair_done(&p);
}

TEST(rekeying)
{
        uint8_t sealed[1 + TAG_SIZE], got[1 + TAG_SIZE];
        struct pair p;

        pair_complete(&p);
        for (int i = 0; i < 100; i++) {
                ASSERT_TRUE(transport_seal(&p.at, "x", 1, sealed));
                ASSERT_TRUE(transport_open(&p.bt, sealed, sizeof sealed, got));
                ASSERT_EQ(p.at.send.nonce, i + 1); /* goes on */
                transport_rekey(&p.at.send);
                transport_rekey(&p.bt.receive);
        }
        transport_rekey(&p.at.send);
        ASSERT_TRUE(transport_seal(&p.at, "x", 1, sealed));
        ASSERT_FALSE(transport_open(&p.bt, sealed, sizeof sealed, got));
        transport_rekey(&p.bt.receive);
        ASSERT_TRUE(transport_open(&p.bt, sealed, sizeof sealed, got));
        /* the other direction has its own key */
        ASSERT_TRUE(transport_seal(&p.bt, "y", 1, sealed));
        ASSERT_TRUE(transport_open(&p.at, sealed, sizeof sealed, got));
        pair_done(&p);
}

TEST(nonces_end)
{
        uint8_t sealed[1 + TAG_SIZE], got[1 + TAG_SIZE];
        struct pair p;

        pair_complete(&p);
        p.at.send.nonce = p.bt.receive.nonce = UINT64_MAX - 1;
        ASSERT_TRUE(transport_seal(&p.at, "x", 1, sealed));
        ASSERT_TRUE(transport_open(&p.bt, sealed, sizeof sealed, got));
        ASSERT_FALSE(transport_seal(&p.at, "x", 1, sealed));
        ASSERT_FALSE(transport_open(&p.bt, sealed, sizeof sealed, got));
        pair_done(&p);
}

TEST(largest_message)
{
        uint8_t *data = malloc(65535);
        struct pair p;

        pair_complete(&p);
        ASSERT_NOT_NULL(data);
        memset(data, 'x', TRANSPORT_PLAIN_MAX);
        ASSERT_TRUE(transport_seal(&p.at, data, TRANSPORT_PLAIN_MAX, data));
        ASSERT_TRUE(transport_open(&p.bt, data, 65535, data));
        for (size_t i = 0; i < TRANSPORT_PLAIN_MAX; i++)
                ASSERT_EQ(data[i], 'x');
        free(data);
        pair_done(&p);
}

static int setup(void)
{
        bool locked;

        return crypto_init(&locked);
}

TEST_MAIN_WITH(setup)
