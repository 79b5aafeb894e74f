/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Noise XX: one straight line for each message
 *
 * The words in capitals are those of the framework. Every function works on a copy of the state
 * and puts it in place when all was well; secrets on the stack are wiped on every way out.
 */
#include "core/noise/handshake.h"
#include "core/crypto/random.h"
#include "core/noise/transport.h"

static const char protocol_name[] = "Noise_XX_25519_ChaChaPoly_SHA256";

static_assert(sizeof protocol_name - 1 == HASH_SIZE, "a longer name would have to be hashed");

static void wipe_state(struct handshake_state *s)
{
        wipe(s, sizeof *s);
}

/* MixHash(data) */
static void mix_hash(struct handshake_state *s, const void *data, size_t size)
{
        const struct blob pieces[] = { { s->hash, sizeof s->hash }, { data, size } };

        hash(pieces, ELEMENTSOF(pieces), s->hash);
}

/* HKDF(ck, secret, 2) */
static void derive(const uint8_t chain[static HASH_SIZE], const void *secret, size_t size,
        uint8_t ret_a[static HASH_SIZE], uint8_t ret_b[static HASH_SIZE])
{
        uint8_t out[2 * HASH_SIZE];

        hkdf(chain, HASH_SIZE, secret, size, "", out, sizeof out);
        memcpy(ret_a, out, HASH_SIZE);
        memcpy(ret_b, out + HASH_SIZE, HASH_SIZE);
        wipe(out, sizeof out);
}

/* MixKey(DH(key, public)), or false for a point of low order */
static bool mix_key(struct handshake_state *s, const struct x25519_key *key,
        const uint8_t public[static X25519_SIZE])
{
        uint8_t secret[X25519_SIZE];
        bool ok;

        ok = x25519(key, public, secret);
        if (ok) {
                derive(s->chain, secret, sizeof secret, s->chain, s->key);
                s->nonce = 0;
                s->has_key = true;
        }
        wipe(secret, sizeof secret);
        return ok;
}

static void set_key(struct handshake_state *s, struct aead *aead, uint8_t ret[static NONCE_SIZE])
{
        noise_nonce(s->nonce++, ret);
        aead_set_key(aead, s->key);
}

/* EncryptAndHash(plain) */
static void encrypt_and_hash(
        struct handshake_state *s, struct aead *aead, const void *plain, size_t size, uint8_t *ret)
{
        uint8_t nonce[NONCE_SIZE];

        if (!s->has_key) {
                if (size > 0)
                        memcpy(ret, plain, size);
                mix_hash(s, plain, size);
                return;
        }
        set_key(s, aead, nonce);
        aead_seal(aead, nonce, s->hash, sizeof s->hash, plain, size, ret);
        mix_hash(s, ret, size + TAG_SIZE);
}

/* DecryptAndHash(sealed) */
static bool decrypt_and_hash(
        struct handshake_state *s, struct aead *aead, const uint8_t *sealed, size_t size, void *ret)
{
        uint8_t nonce[NONCE_SIZE];

        set_key(s, aead, nonce);
        if (!aead_open(aead, nonce, s->hash, sizeof s->hash, sealed, size, ret))
                return false;
        mix_hash(s, sealed, size);
        return true;
}

int handshake_init(struct handshake *h, const void *prologue, size_t prologue_size,
        const struct x25519_key *own, struct random *random)
{
        struct handshake new = { .own = own };
        int r;

        r = aead_new(&new.aead);
        if (r < 0)
                return r;
        r = x25519_key_init_random(&new.ephemeral, random);
        if (r < 0) {
                handshake_done(&new);
                return r;
        }
        memcpy(new.state.hash, protocol_name, HASH_SIZE);
        memcpy(new.state.chain, protocol_name, HASH_SIZE);
        mix_hash(&new.state, prologue, prologue_size);
        *h = new;
        wipe_state(&new.state);
        return 0;
}

void handshake_done(struct handshake *h)
{
        x25519_key_done(&h->ephemeral);
        aead_free(h->aead);
        wipe(h, sizeof *h);
}

void handshake_write_1(struct handshake *h, uint8_t ret[static HANDSHAKE_1_SIZE])
{
        /* e */
        memcpy(ret, h->ephemeral.public, X25519_SIZE);
        mix_hash(&h->state, ret, X25519_SIZE);
}

int handshake_read_1(struct handshake *h, const uint8_t *message, size_t size, void *ret_payload)
{
        if (size < HANDSHAKE_1_SIZE)
                return HANDSHAKE_BAD_SIZE;

        /* e */
        memcpy(h->remote_ephemeral, message, X25519_SIZE);
        mix_hash(&h->state, message, X25519_SIZE);

        /* payload, in clear: there is no key yet */
        if (size > HANDSHAKE_1_SIZE)
                memcpy(ret_payload, message + HANDSHAKE_1_SIZE, size - HANDSHAKE_1_SIZE);
        mix_hash(&h->state, message + HANDSHAKE_1_SIZE, size - HANDSHAKE_1_SIZE);
        return 0;
}

int handshake_write_2(struct handshake *h, uint8_t ret[static HANDSHAKE_2_SIZE])
{
        _cleanup_(wipe_state)
        struct handshake_state s = h->state;

        /* e */
        memcpy(ret, h->ephemeral.public, X25519_SIZE);
        mix_hash(&s, ret, X25519_SIZE);

        /* ee */
        if (!mix_key(&s, &h->ephemeral, h->remote_ephemeral))
                return HANDSHAKE_LOW_ORDER;

        /* s */
        encrypt_and_hash(&s, h->aead, h->own->public, X25519_SIZE, ret + X25519_SIZE);

        /* es */
        if (!mix_key(&s, h->own, h->remote_ephemeral))
                return HANDSHAKE_LOW_ORDER;

        h->state = s;
        return 0;
}

int handshake_read_2(struct handshake *h, const uint8_t *message, size_t size, void *ret_payload,
        uint8_t ret_hash[static HASH_SIZE])
{
        _cleanup_(wipe_state)
        struct handshake_state s = h->state;
        uint8_t remote_static[X25519_SIZE], before[HASH_SIZE];

        if (size < HANDSHAKE_2_SIZE + TAG_SIZE)
                return HANDSHAKE_BAD_SIZE;

        /* e */
        mix_hash(&s, message, X25519_SIZE);

        /* ee */
        if (!mix_key(&s, &h->ephemeral, message))
                return HANDSHAKE_LOW_ORDER;

        /* s */
        if (!decrypt_and_hash(
                    &s, h->aead, message + X25519_SIZE, X25519_SIZE + TAG_SIZE, remote_static))
                return HANDSHAKE_NOT_GENUINE;

        /* es */
        if (!mix_key(&s, &h->ephemeral, remote_static))
                return HANDSHAKE_LOW_ORDER;

        /* payload */
        memcpy(before, s.hash, sizeof before);
        if (!decrypt_and_hash(
                    &s, h->aead, message + HANDSHAKE_2_SIZE, size - HANDSHAKE_2_SIZE, ret_payload))
                return HANDSHAKE_NOT_GENUINE;

        memcpy(h->remote_ephemeral, message, X25519_SIZE);
        memcpy(h->remote_static, remote_static, X25519_SIZE);
        memcpy(ret_hash, before, sizeof before);
        h->state = s;
        return 0;
}

int handshake_write_3(struct handshake *h, uint8_t ret[static HANDSHAKE_3_SIZE])
{
        _cleanup_(wipe_state)
        struct handshake_state s = h->state;

        /* s */
        encrypt_and_hash(&s, h->aead, h->own->public, X25519_SIZE, ret);

        /* se */
        if (!mix_key(&s, h->own, h->remote_ephemeral))
                return HANDSHAKE_LOW_ORDER;

        h->state = s;
        return 0;
}

int handshake_read_3(struct handshake *h, const uint8_t *message, size_t size, void *ret_payload,
        uint8_t ret_hash[static HASH_SIZE])
{
        _cleanup_(wipe_state)
        struct handshake_state s = h->state;
        uint8_t remote_static[X25519_SIZE], before[HASH_SIZE];

        if (size < HANDSHAKE_3_SIZE + TAG_SIZE)
                return HANDSHAKE_BAD_SIZE;

        /* s */
        if (!decrypt_and_hash(&s, h->aead, message, X25519_SIZE + TAG_SIZE, remote_static))
                return HANDSHAKE_NOT_GENUINE;

        /* se */
        if (!mix_key(&s, &h->ephemeral, remote_static))
                return HANDSHAKE_LOW_ORDER;

        /* payload */
        memcpy(before, s.hash, sizeof before);
        if (!decrypt_and_hash(
                    &s, h->aead, message + HANDSHAKE_3_SIZE, size - HANDSHAKE_3_SIZE, ret_payload))
                return HANDSHAKE_NOT_GENUINE;

        memcpy(h->remote_static, remote_static, X25519_SIZE);
        memcpy(ret_hash, before, sizeof before);
        h->state = s;
        return 0;
}

void handshake_write_payload(struct handshake *h, const void *payload, size_t size, void *ret)
{
        encrypt_and_hash(&h->state, h->aead, payload, size, ret);
}

int handshake_split(const struct handshake *h, bool initiator, struct transport *ret)
{
        uint8_t forth[KEY_SIZE], back[KEY_SIZE];
        int r;

        derive(h->state.chain, NULL, 0, forth, back);
        r = transport_init(ret, initiator ? forth : back, initiator ? back : forth);
        wipe(forth, sizeof forth);
        wipe(back, sizeof back);
        return r;
}
