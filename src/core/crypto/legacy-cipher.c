/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ciphers of the classic dialects */
#include <gcrypt.h>

#include "core/crypto/legacy-cipher.h"

static const struct {
        int algorithm;
        size_t key_size, block_size;
} algorithms[N_LEGACY_ALGORITHMS] = {
        [LEGACY_DES] = { GCRY_CIPHER_DES, 8, 8 },
        [LEGACY_3DES] = { GCRY_CIPHER_3DES, 24, 8 },
        [LEGACY_AES_128] = { GCRY_CIPHER_AES128, 16, 16 },
        [LEGACY_AES_256] = { GCRY_CIPHER_AES256, 32, 16 },
};

struct legacy_cipher {
        gcry_cipher_hd_t cipher;
        enum legacy_algorithm algorithm;
        enum legacy_mode mode;
};

static void must(gcry_error_t e)
{
        if (e)
                abort();
}

size_t legacy_key_size(enum legacy_algorithm a)
{
        return algorithms[a].key_size;
}

size_t legacy_block_size(enum legacy_algorithm a)
{
        return algorithms[a].block_size;
}

int legacy_cipher_new(enum legacy_algorithm a, enum legacy_mode mode, const uint8_t *key,
        struct legacy_cipher **ret)
{
        _cleanup_(legacy_cipher_freep)
        struct legacy_cipher *c = calloc(1, sizeof *c);
        gcry_error_t e;

        if (!c)
                return -ENOMEM;
        c->algorithm = a;
        c->mode = mode;
        if (gcry_cipher_open(&c->cipher, algorithms[a].algorithm,
                    mode == LEGACY_CBC ? GCRY_CIPHER_MODE_CBC : GCRY_CIPHER_MODE_ECB, 0))
                return -ENOMEM;

        /* Small secrets make weak keys. Even when allowed they are reported, but set. */
        must(gcry_cipher_ctl(c->cipher, GCRYCTL_SET_ALLOW_WEAK_KEY, NULL, 1));
        e = gcry_cipher_setkey(c->cipher, key, algorithms[a].key_size);
        if (gcry_err_code(e) != GPG_ERR_WEAK_KEY)
                must(e);
        *ret = TAKE_PTR(c);
        return 0;
}

struct legacy_cipher *legacy_cipher_free(struct legacy_cipher *c)
{
        if (!c)
                return NULL;
        if (c->cipher)
                gcry_cipher_close(c->cipher);
        free(c);
        return NULL;
}

/* CBC goes on from the message before unless it gets its first block anew. */
static void begin(struct legacy_cipher *c, const uint8_t *iv, size_t size)
{
        size_t block_size = algorithms[c->algorithm].block_size;

        assert(size % block_size == 0);
        if (c->mode == LEGACY_CBC)
                must(gcry_cipher_setiv(c->cipher, iv, block_size));
}

void legacy_cipher_encrypt(
        struct legacy_cipher *c, const uint8_t *iv, const void *data, size_t size, void *ret)
{
        begin(c, iv, size);
        if (size > 0)
                must(gcry_cipher_encrypt(
                        c->cipher, ret, size, data == ret ? NULL : data, data == ret ? 0 : size));
}

void legacy_cipher_decrypt(
        struct legacy_cipher *c, const uint8_t *iv, const void *data, size_t size, void *ret)
{
        begin(c, iv, size);
        if (size > 0)
                must(gcry_cipher_decrypt(
                        c->cipher, ret, size, data == ret ? NULL : data, data == ret ? 0 : size));
}
