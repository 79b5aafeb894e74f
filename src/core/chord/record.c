/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records as bytes
 *
 *     version (1) | public key | sequence | name (blob) | nonce | sealed endpoints (blob) |
 * signature
 *
 * The signature covers all before it.
 */
#include "base/cursor.h"
#include "core/chord/values.h"
#include "core/crypto/random.h"

#define RECORD_VERSION 1
#define RECORD_PREFIX "p2pchat/1 record"
#define WITHDRAWAL_PREFIX "p2pchat/1 withdraw"
#define ENDPOINTS_SIZE_MAX (1 + RECORD_ENDPOINTS_MAX * (1 + 16 + 2))

static void endpoints_key(const uint8_t public_key[static PUBLIC_KEY_SIZE], uint8_t ret[KEY_SIZE])
{
        char id[ID_STRING_SIZE];

        identity_id(public_key, id);
        hkdf(NULL, 0, id, strlen(id), "p2pchat/1 record endpoints", ret, KEY_SIZE);
}

static int seal_endpoints(struct writer *w, const struct record *r, struct random *random)
{
        uint8_t key[KEY_SIZE], nonce[NONCE_SIZE], data[ENDPOINTS_SIZE_MAX + TAG_SIZE];
        struct writer plain = writer_make(data, ENDPOINTS_SIZE_MAX);
        _cleanup_(aead_freep)
        struct aead *aead = NULL;

        if (aead_new(&aead) < 0)
                return -ENOMEM;
        endpoints_key(r->public_key, key);
        aead_set_key(aead, key);
        random_bytes(random, nonce, sizeof nonce);
        writer_u8(&plain, (uint8_t)r->n_endpoints);
        for (size_t i = 0; i < r->n_endpoints; i++)
                endpoint_write(&plain, &r->endpoints[i]);
        aead_seal(aead, nonce, NULL, 0, data, plain.size, data);
        writer_bytes(w, nonce, sizeof nonce);
        writer_blob(w, data, plain.size + TAG_SIZE);
        return 0;
}

int record_encode(const struct record *r, const struct identity *i, struct random *random,
        uint8_t ret[static CHORD_RECORD_SIZE_MAX], size_t *ret_size)
{
        struct writer w = writer_make(ret, CHORD_RECORD_SIZE_MAX);
        uint8_t signature[SIGNATURE_SIZE];
        int e;

        writer_u8(&w, RECORD_VERSION);
        writer_bytes(&w, r->public_key, sizeof r->public_key);
        writer_u64(&w, r->sequence);
        writer_blob(&w, r->name, strlen(r->name));
        e = seal_endpoints(&w, r, random);
        if (e < 0)
                return e;
        e = sign(i, RECORD_PREFIX, &(struct blob){ ret, w.size }, 1, signature);
        if (e < 0)
                return e;
        writer_bytes(&w, signature, sizeof signature);
        assert(!w.failed);
        *ret_size = w.size;
        return 0;
}

static bool read_name(struct reader *r, char ret[static NAME_SIZE_MAX + 1])
{
        char clean[NAME_SIZE_MAX + 1];
        size_t size;
        const uint8_t *name = reader_blob(r, &size);

        if (!name || size == 0 || size > NAME_SIZE_MAX)
                return false;
        /* A name that would have to be cleaned is not the name of anybody. */
        if (name_clean((const char *)name, size, clean) < 0 || strlen(clean) != size ||
                memcmp(clean, name, size) != 0)
                return false;
        memcpy(ret, clean, size + 1);
        return true;
}

static bool read_endpoints(struct reader *r, struct record *record)
{
        size_t n = reader_u8(r);

        if (n > ELEMENTSOF(record->endpoints))
                return false;
        for (size_t i = 0; i < n; i++) {
                struct endpoint e;

                if (!endpoint_read(r, &e) || !endpoint_is_unicast(&e) || e.port == 0)
                        return false;
                record->endpoints[record->n_endpoints++] = e;
        }
        return reader_is_done(r);
}

/* 0, RECORD_MALFORMED or -ENOMEM. */
static int open_endpoints(
        const uint8_t *nonce, const uint8_t *sealed, size_t size, struct record *record)
{
        uint8_t key[KEY_SIZE], plain[ENDPOINTS_SIZE_MAX];
        struct reader r;
        _cleanup_(aead_freep)
        struct aead *aead = NULL;

        if (size < TAG_SIZE || size > sizeof plain + TAG_SIZE)
                return RECORD_MALFORMED;
        if (aead_new(&aead) < 0)
                return -ENOMEM;
        endpoints_key(record->public_key, key);
        aead_set_key(aead, key);
        if (!aead_open(aead, nonce, NULL, 0, sealed, size, plain))
                return RECORD_MALFORMED;
        r = reader_make(plain, size - TAG_SIZE);
        return read_endpoints(&r, record) ? 0 : RECORD_MALFORMED;
}

static int check_signature(const uint8_t *key, const char *prefix, const void *data, size_t size,
        const uint8_t *signature)
{
        int e = sign_verify(key, prefix, &(struct blob){ data, size }, 1, signature);

        return e > 0 ? RECORD_NOT_GENUINE : e;
}

static int decode(const void *data, size_t size, bool is_verified, struct record *ret)
{
        struct reader r = reader_make(data, size);
        struct record record = { .sequence = 0 };
        const uint8_t *key, *nonce, *sealed, *signature;
        size_t sealed_size;
        uint8_t version = reader_u8(&r);
        int e;

        key = reader_bytes(&r, PUBLIC_KEY_SIZE);
        record.sequence = reader_u64(&r);
        if (version != RECORD_VERSION || !key || !read_name(&r, record.name))
                return RECORD_MALFORMED;
        memcpy(record.public_key, key, PUBLIC_KEY_SIZE);
        nonce = reader_bytes(&r, NONCE_SIZE);
        sealed = reader_blob(&r, &sealed_size);
        signature = reader_bytes(&r, SIGNATURE_SIZE);
        if (!nonce || !sealed || !signature || !reader_is_done(&r))
                return RECORD_MALFORMED;
        e = is_verified
                    ? 0
                    : check_signature(key, RECORD_PREFIX, data, size - SIGNATURE_SIZE, signature);
        if (e != 0)
                return e;
        e = open_endpoints(nonce, sealed, sealed_size, &record);
        if (e != 0)
                return e;
        *ret = record;
        return 0;
}

int record_decode(const void *data, size_t size, struct record *ret)
{
        return decode(data, size, false, ret);
}

int record_decode_verified(const void *data, size_t size, struct record *ret)
{
        return decode(data, size, true, ret);
}

int record_point(const struct record *r, const struct ring_id *key)
{
        char id[ID_STRING_SIZE];
        struct ring_id point;

        identity_id(r->public_key, id);
        for (unsigned i = 0; i < RING_POINTS; i++) {
                ring_id_of_name(r->name, id, i, &point);
                if (ring_id_equal(&point, key))
                        return (int)i;
        }
        return -1;
}

int withdrawal_encode(
        const struct identity *i, uint64_t sequence, uint8_t ret[static WITHDRAWAL_SIZE])
{
        struct writer w = writer_make(ret, WITHDRAWAL_SIZE);
        uint8_t signature[SIGNATURE_SIZE];
        int e;

        writer_bytes(&w, i->public_key, PUBLIC_KEY_SIZE);
        writer_u64(&w, sequence);
        e = sign(i, WITHDRAWAL_PREFIX, &(struct blob){ ret, w.size }, 1, signature);
        if (e < 0)
                return e;
        writer_bytes(&w, signature, sizeof signature);
        return 0;
}

int withdrawal_decode(const void *data, size_t size, struct record *ret)
{
        struct reader r = reader_make(data, size);
        const uint8_t *key, *signature;
        uint64_t sequence;
        int e;

        key = reader_bytes(&r, PUBLIC_KEY_SIZE);
        sequence = reader_u64(&r);
        signature = reader_bytes(&r, SIGNATURE_SIZE);
        if (!key || !signature || !reader_is_done(&r))
                return RECORD_MALFORMED;
        e = check_signature(key, WITHDRAWAL_PREFIX, data, size - SIGNATURE_SIZE, signature);
        if (e != 0)
                return e;
        *ret = (struct record){ .sequence = sequence };
        memcpy(ret->public_key, key, PUBLIC_KEY_SIZE);
        return 0;
}
