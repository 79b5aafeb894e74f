/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Native sessions: keys, frames, introductions, and whole talks driven by a small program
 *
 * The first byte chooses the target, the rest is its input. In a talk a byte says what happens (its
 * low three bits) to which side (the next bit); some take arguments from the bytes behind it. One
 * random seed and one pair of identities serve all inputs, so that an input does the same each
 * time.
 */
#include "base/buffer.h"
#include "base/cursor.h"
#include "core/crypto/crypto.h"
#include "core/crypto/random.h"
#include "core/session/session.h"
#include "fuzz.h"

#define WIRE_MAX (16 * 1024 * 1024)

static void fuzz_key(const uint8_t *data, size_t size)
{
        uint8_t key[PUBLIC_KEY_SIZE] = { 0 }, signature[SIGNATURE_SIZE] = { 0 };
        bool ok;

        memcpy(key, data, MIN(size, sizeof key));
        if (size > sizeof key)
                memcpy(signature, data + sizeof key, MIN(size - sizeof key, sizeof signature));
        ok = sign_key_check(key);
        /* The library must not end us, whatever the key. */
        if ((sign_verify(key, "p2pchat/1 fuzz", NULL, 0, signature) == SIGN_BAD_KEY) == ok)
                abort();
}

static void fuzz_frame(const uint8_t *data, size_t size)
{
        static uint8_t again[FRAME_SIZE_MAX];
        struct message m;

        if (size > FRAME_SIZE_MAX || message_decode(data, size, &m) != 0)
                return;
        if (message_size(&m) != size)
                abort();
        message_encode(&m, again);
        /* Reasons of the future are read as "other"; everything else is written as it was read. */
        if (m.type != FRAME_REFUSED && m.type != FRAME_GOODBYE && memcmp(again, data, size) != 0)
                abort();
}

static void fuzz_introduction(const uint8_t *data, size_t size)
{
        static const uint8_t hash[HASH_SIZE], key[X25519_SIZE];
        struct introduction i;

        /* Nobody finds a signature by chance. */
        if (introduction_decode(data, size, SESSION_DIALLER, hash, key, &i) == 0)
                abort();
}

struct side {
        struct identity identity;
        struct x25519_key key;
        struct session_self self;
        struct session *session;
        struct buffer wire; /* sent by it */
        bool proven, ended, is_tampered;
};

static void begin(struct side *s, struct random *random, bool is_dialler, usec_t now_usec)
{
        uint8_t seed[IDENTITY_SEED_SIZE] = { is_dialler };

        *s = (struct side){ 0 };
        buffer_init(&s->wire, WIRE_MAX);
        if (identity_init(&s->identity, seed) < 0 || x25519_key_init_random(&s->key, random) < 0)
                abort();
        s->self = (struct session_self){
                .identity = &s->identity,
                .static_key = &s->key,
                .random = random,
                .username = is_dialler ? "Ece" : "Bob",
                .port = 6001,
        };
        if (session_new(&s->self, is_dialler ? SESSION_DIALLER : SESSION_RESPONDER, NULL, now_usec,
                    &s->session) < 0)
                abort();
}

static void drain(struct side *s)
{
        struct session_effect e;

        while (session_next_effect(s->session, &e))
                switch (e.type) {
                case SESSION_SEND:
                        if (e.send.size == 0 ||
                                buffer_append(&s->wire, e.send.data, e.send.size) == -ENOMEM)
                                abort();
                        break;
                case SESSION_PROVEN:
                        if (s->proven || s->ended || !id_is_valid(e.peer->id))
                                abort();
                        s->proven = true;
                        break;
                case SESSION_MESSAGE:
                        if (!s->proven || s->ended || s->is_tampered)
                                abort();
                        break;
                case SESSION_RENEW:
                        if (!s->proven || session_role(s->session) != SESSION_DIALLER)
                                abort();
                        break;
                case SESSION_ENDED:
                        if (s->ended)
                                abort();
                        s->ended = true;
                        break;
                }
        if (s->ended != (session_deadline(s->session) == USEC_INFINITY))
                abort();
}

/* Up to @size bytes of what @from sent. */
static void carry(struct side *from, struct side *to, size_t size, usec_t now_usec)
{
        size = MIN(size, from->wire.size);
        if (session_receive(to->session, from->wire.data, size, now_usec) < 0)
                abort();
        buffer_consume(&from->wire, size);
        drain(to);
}

static void say(struct side *s, struct reader *r, usec_t now_usec)
{
        uint8_t how = reader_u8(r);
        size_t size;
        const uint8_t *text = reader_blob(r, &size);
        struct message m = { .type = FRAME_MESSAGE,
                .text = { .number = how, .text = (const char *)text, .size = size } };

        if (how % 4 == 1)
                m = (struct message){ .type = FRAME_ACKNOWLEDGE, .acknowledge.number = how };
        else if (how % 4 == 2)
                m = (struct message){ .type = FRAME_HELLO, .hello = { how, how } };
        if ((m.type != FRAME_MESSAGE || size <= MESSAGE_TEXT_MAX) &&
                session_send(s->session, &m, now_usec) == -ENOMEM)
                abort();
        drain(s);
}

/* Bytes of the input, instead of those that the other side sent. */
static void tamper(struct side *s, struct reader *r, usec_t now_usec)
{
        size_t size;
        const uint8_t *data = reader_blob(r, &size);

        if (size == 0)
                return;
        s->is_tampered = s->is_tampered || s->proven;
        if (session_receive(s->session, data, size, now_usec) < 0)
                abort();
        drain(s);
}

static void act(struct side *s, struct side *other, unsigned op, struct reader *r, usec_t *now_usec)
{
        switch (op & 7) {
        case 0:
        case 1:
                carry(other, s, other->wire.size, *now_usec);
                break;
        case 2:
                carry(other, s, reader_u8(r), *now_usec);
                break;
        case 3:
        case 4:
                say(s, r, *now_usec);
                break;
        case 5:
                tamper(s, r, *now_usec);
                break;
        case 6:
                *now_usec = usec_add(*now_usec, reader_u8(r) * USEC_PER_SEC);
                if (session_advance(s->session, *now_usec) < 0)
                        abort();
                drain(s);
                if (session_deadline(s->session) <= *now_usec)
                        abort();
                break;
        case 7:
                if (op & 0x80 && session_close(s->session, op >> 4 & 3, *now_usec) < 0)
                        abort();
                drain(s);
                break;
        }
}

static void end(struct side *s)
{
        session_free(s->session);
        identity_done(&s->identity);
        x25519_key_done(&s->key);
        buffer_done(&s->wire);
}

static void fuzz_talk(const uint8_t *data, size_t size)
{
        struct reader r = reader_make(data, size);
        usec_t now_usec = 2 * USEC_PER_DAY;
        struct random *random;
        struct side sides[2];

        if (random_new_seeded(1, &random) < 0)
                abort();
        begin(&sides[0], random, true, now_usec);
        begin(&sides[1], random, false, now_usec);
        drain(&sides[0]);
        drain(&sides[1]);
        while (!r.failed && r.left > 0) {
                unsigned op = reader_u8(&r), i = op >> 3 & 1;

                act(&sides[i], &sides[!i], op, &r, &now_usec);
        }
        end(&sides[0]);
        end(&sides[1]);
        random_free(random);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (crypto_init(&(bool){ false }) < 0)
                abort();
        if (size == 0)
                return 0;
        switch (data[0] & 3) {
        case 0:
                fuzz_key(data + 1, size - 1);
                break;
        case 1:
                fuzz_frame(data + 1, size - 1);
                break;
        case 2:
                fuzz_introduction(data + 1, size - 1);
                break;
        case 3:
                fuzz_talk(data + 1, size - 1);
                break;
        }
        return 0;
}
