/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * core/noise for test-noise-foreign.py: a question a line, an answer a line
 *
 *     begin initiator|responder PROLOGUE [STATIC EPHEMERAL]    -> STATIC-PUBLIC
 *     write PAYLOAD         -> MESSAGE H-BEFORE-PAYLOAD | refused
 *     read MESSAGE          -> PAYLOAD H-BEFORE-PAYLOAD | refused
 *     end                   -> H REMOTE-STATIC, and the transport begins
 *     seal PLAIN            -> SEALED
 *     open SEALED           -> PLAIN | refused
 *     rekey send|receive    -> ok
 *
 * Bytes in hexadecimal, "-" for nothing.
 */
#include "core/crypto/random.h"
#include "core/noise/handshake.h"
#include "core/noise/transport.h"
#include "lib/test.h"
#include "lib/vectors.h"

static struct handshake handshake;
static struct transport transport;
static struct x25519_key own;
static struct random *generator;
static bool initiator;
static int step; /* the next message, from 1 */

static uint8_t in[VECTORS_LINE_MAX], out[VECTORS_LINE_MAX];

static void say(const void *data, size_t size)
{
        const uint8_t *d = data;

        for (size_t i = 0; i < size; i++)
                printf("%02x", d[i]);
        printf(size > 0 ? " " : "- ");
}

static void begin(const struct vectors_line *l)
{
        uint8_t key[X25519_SIZE];
        size_t size;

        handshake_done(&handshake);
        transport_done(&transport);
        x25519_key_done(&own);
        initiator = streq(l->words[1], "initiator");
        step = 1;
        if (l->n > 3) {
                vectors_bytes(l->words[3], key);
                ASSERT_OK(x25519_key_init(&own, key));
        } else
                ASSERT_OK(x25519_key_init_random(&own, generator));
        size = vectors_bytes(l->words[2], in);
        ASSERT_OK(handshake_init(&handshake, in, size, &own, generator));
        if (l->n > 4) {
                vectors_bytes(l->words[4], key);
                x25519_key_done(&handshake.ephemeral);
                ASSERT_OK(x25519_key_init(&handshake.ephemeral, key));
        }
        say(own.public, X25519_SIZE);
}

static void write_message(const char *payload)
{
        size_t size = vectors_bytes(payload, in), n = 0;
        uint8_t before[HASH_SIZE];
        int r = 0;

        switch (step++) {
        case 1:
                handshake_write_1(&handshake, out);
                n = HANDSHAKE_1_SIZE;
                break;
        case 2:
                r = handshake_write_2(&handshake, out);
                n = HANDSHAKE_2_SIZE;
                break;
        case 3:
                r = handshake_write_3(&handshake, out);
                n = HANDSHAKE_3_SIZE;
                break;
        }
        if (r != 0) {
                printf("refused");
                return;
        }
        memcpy(before, handshake.state.hash, sizeof before);
        handshake_write_payload(&handshake, in, size, out + n);
        say(out, n + size + (n == HANDSHAKE_1_SIZE ? 0 : TAG_SIZE));
        say(before, sizeof before);
}

static void read_message(const char *message)
{
        size_t size = vectors_bytes(message, in), n = 0;
        uint8_t before[HASH_SIZE] = { 0 };
        int r = 0;

        switch (step) {
        case 1:
                r = handshake_read_1(&handshake, in, size, out);
                n = HANDSHAKE_1_SIZE;
                break;
        case 2:
                r = handshake_read_2(&handshake, in, size, out, before);
                n = HANDSHAKE_2_SIZE + TAG_SIZE;
                break;
        case 3:
                r = handshake_read_3(&handshake, in, size, out, before);
                n = HANDSHAKE_3_SIZE + TAG_SIZE;
                break;
        }
        if (r != 0) {
                printf("refused");
                return;
        }
        step++;
        say(out, size - n);
        say(before, sizeof before);
}

static void answer(const struct vectors_line *l)
{
        const char *word = l->words[0];
        size_t size;

        if (streq(word, "begin"))
                begin(l);
        else if (streq(word, "write"))
                write_message(l->words[1]);
        else if (streq(word, "read"))
                read_message(l->words[1]);
        else if (streq(word, "end")) {
                ASSERT_OK(handshake_split(&handshake, initiator, &transport));
                say(handshake.state.hash, HASH_SIZE);
                say(handshake.remote_static, X25519_SIZE);
        } else if (streq(word, "seal")) {
                size = vectors_bytes(l->words[1], in);
                ASSERT_TRUE(transport_seal(&transport, in, size, out));
                say(out, size + TAG_SIZE);
        } else if (streq(word, "open")) {
                size = vectors_bytes(l->words[1], in);
                if (transport_open(&transport, in, size, out))
                        say(out, size - TAG_SIZE);
                else
                        printf("refused");
        } else if (streq(word, "rekey")) {
                transport_rekey(streq(l->words[1], "send") ? &transport.send : &transport.receive);
                printf("ok");
        } else
                TEST_FAIL("unknown word %s", word);
        printf("\n");
}

int main(void)
{
        struct vectors_line l;
        bool locked;

        (void)setvbuf(stdout, NULL, _IOLBF, 0);
        ASSERT_OK(crypto_init(&locked));
        ASSERT_OK(random_new(&generator));
        while (vectors_next(stdin, &l))
                answer(&l);
        handshake_done(&handshake);
        transport_done(&transport);
        x25519_key_done(&own);
        random_free(generator);
        return 0;
}
