/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who somebody is, signed for one conversation */
#include "core/session/introduction.h"
#include "base/cursor.h"

static const char *prefix_of(enum session_role role)
{
        switch (role) {
        case SESSION_DIALLER:
                return "p2pchat/1 initiator";
        case SESSION_RESPONDER:
                return "p2pchat/1 responder";
        }
        abort();
}

int introduction_encode(const struct introduction *i, const struct identity *identity,
        enum session_role role, const uint8_t hash[static HASH_SIZE],
        const uint8_t static_key[static X25519_SIZE], uint8_t ret[static INTRODUCTION_OWN_MAX],
        size_t *ret_size)
{
        struct writer w = writer_make(ret, INTRODUCTION_OWN_MAX - SIGNATURE_SIZE);
        int r;

        writer_bytes(&w, identity->public_key, PUBLIC_KEY_SIZE);
        writer_blob(&w, i->name, strlen(i->name));
        writer_u16(&w, i->port);
        writer_u64(&w, i->features);
        writer_u64(&w, i->run);
        assert(!w.failed);

        r = sign(identity, prefix_of(role),
                (const struct blob[]){
                        { hash, HASH_SIZE }, { static_key, X25519_SIZE }, { ret, w.size } },
                3, ret + w.size);
        if (r < 0)
                return r;
        *ret_size = w.size + SIGNATURE_SIZE;
        return 0;
}

static int verify(const uint8_t *data, size_t size, enum session_role role,
        const uint8_t hash[static HASH_SIZE], const uint8_t static_key[static X25519_SIZE])
{
        const struct blob pieces[] = { { hash, HASH_SIZE }, { static_key, X25519_SIZE },
                { data, size - SIGNATURE_SIZE } };
        int r;

        r = sign_verify(
                data, prefix_of(role), pieces, ELEMENTSOF(pieces), data + size - SIGNATURE_SIZE);
        if (r == SIGN_BAD_KEY)
                return INTRODUCTION_BAD_KEY;
        if (r == SIGN_BAD_SIGNATURE)
                return INTRODUCTION_BAD_SIGNATURE;
        return r;
}

int introduction_decode(const uint8_t *data, size_t size, enum session_role role,
        const uint8_t hash[static HASH_SIZE], const uint8_t static_key[static X25519_SIZE],
        struct introduction *ret)
{
        struct introduction i = { 0 };
        const uint8_t *key, *name;
        struct reader r;
        size_t name_size;
        int v;

        if (size < SIGNATURE_SIZE || size > INTRODUCTION_MAX)
                return INTRODUCTION_MALFORMED;
        r = reader_make(data, size - SIGNATURE_SIZE);
        key = reader_bytes(&r, PUBLIC_KEY_SIZE);
        name = reader_blob(&r, &name_size);
        i.port = reader_u16(&r);
        i.features = reader_u64(&r);
        i.run = reader_u64(&r);
        if (r.failed)
                return INTRODUCTION_MALFORMED;

        v = verify(data, size, role, hash, static_key);
        if (v != 0)
                return v;
        memcpy(i.key, key, PUBLIC_KEY_SIZE);
        identity_id(i.key, i.id);
        if (name_clean((const char *)name, name_size, i.name) < 0)
                i.name[0] = 0;
        *ret = i;
        return 0;
}
