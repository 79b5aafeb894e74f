/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fernet tokens */
#include "core/legacy/fernet.h"
#include "core/crypto/crypto.h"
#include "core/crypto/legacy-cipher.h"
#include "core/crypto/random.h"
#include "core/legacy/padding.h"

#define VERSION 0x80
#define IV_OFFSET 9
#define HALF (FERNET_KEY_SIZE / 2)

bool fernet_is_token(const uint8_t *data, size_t size)
{
        return size >= fernet_size(0) && data[0] == VERSION &&
               (size - FERNET_HEAD_SIZE - FERNET_MAC_SIZE) % FERNET_BLOCK_SIZE == 0;
}

size_t fernet_size(size_t size)
{
        return FERNET_HEAD_SIZE + padded_size(size, FERNET_BLOCK_SIZE) + FERNET_MAC_SIZE;
}

int fernet_seal(const uint8_t key[static FERNET_KEY_SIZE], struct random *random, const void *text,
        size_t size, uint8_t *ret)
{
        _cleanup_(legacy_cipher_freep)
        struct legacy_cipher *c = NULL;
        size_t body_size = padded_size(size, FERNET_BLOCK_SIZE);
        uint8_t *body = ret + FERNET_HEAD_SIZE;
        int r;

        r = legacy_cipher_new(LEGACY_AES_128, LEGACY_CBC, key + HALF, &c);
        if (r < 0)
                return r;
        memset(ret, 0, IV_OFFSET);
        ret[0] = VERSION;
        random_bytes(random, ret + IV_OFFSET, FERNET_BLOCK_SIZE);
        memcpy(body, text, size);
        padding_add(body, size, FERNET_BLOCK_SIZE);
        legacy_cipher_encrypt(c, ret + IV_OFFSET, body, body_size, body);
        hmac(key, HALF, &(struct blob){ ret, FERNET_HEAD_SIZE + body_size }, 1, body + body_size);
        return 0;
}

int fernet_open(const uint8_t key[static FERNET_KEY_SIZE], const uint8_t *data, size_t size,
        uint8_t *ret, size_t *ret_size)
{
        _cleanup_(legacy_cipher_freep)
        struct legacy_cipher *c = NULL;
        uint8_t mac[HASH_SIZE];
        size_t body_size, n_pad;
        int r;

        if (!fernet_is_token(data, size))
                return 1;
        body_size = size - FERNET_HEAD_SIZE - FERNET_MAC_SIZE;
        hmac(key, HALF, &(struct blob){ data, size - FERNET_MAC_SIZE }, 1, mac);
        if (!equal_constant_time(mac, data + size - FERNET_MAC_SIZE, sizeof mac))
                return 1;

        r = legacy_cipher_new(LEGACY_AES_128, LEGACY_CBC, key + HALF, &c);
        if (r < 0)
                return r;
        legacy_cipher_decrypt(c, data + IV_OFFSET, data + FERNET_HEAD_SIZE, body_size, ret);
        n_pad = padding_find(ret + body_size - FERNET_BLOCK_SIZE, FERNET_BLOCK_SIZE);
        if (n_pad == 0)
                return 1;
        *ret_size = body_size - n_pad;
        return 0;
}
