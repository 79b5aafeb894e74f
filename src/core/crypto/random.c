/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Random bytes: the real generator, or the key stream of ChaCha20 under a seed */
#include <gcrypt.h>

#include "core/crypto/crypto.h"
#include "core/crypto/random.h"

/* A call of the real generator costs about 9 us, whatever the size: nonces come from a stock. */
#define STOCK_SIZE 512

struct random {
        gcry_cipher_hd_t stream; /* NULL: the real generator */
        uint8_t stock[STOCK_SIZE];
        size_t left; /* unused bytes at its end; the others are wiped */
};

int random_new(struct random **ret)
{
        struct random *r = calloc(1, sizeof *r);

        if (!r)
                return -ENOMEM;
        *ret = r;
        return 0;
}

int random_new_seeded(uint64_t seed, struct random **ret)
{
        _cleanup_(random_freep)
        struct random *r = NULL;
        uint8_t text[8], key[HASH_SIZE];
        static const uint8_t nonce[NONCE_SIZE];

        if (random_new(&r) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < sizeof text; i++)
                text[i] = seed >> 8 * i;
        hash(&(struct blob){ text, sizeof text }, 1, key);

        if (gcry_cipher_open(&r->stream, GCRY_CIPHER_CHACHA20, GCRY_CIPHER_MODE_STREAM, 0))
                return -ENOMEM;
        if (gcry_cipher_setkey(r->stream, key, sizeof key) ||
                gcry_cipher_setiv(r->stream, nonce, sizeof nonce))
                abort();
        *ret = TAKE_PTR(r);
        return 0;
}

struct random *random_free(struct random *r)
{
        if (!r)
                return NULL;
        if (r->stream)
                gcry_cipher_close(r->stream);
        wipe(r->stock, sizeof r->stock);
        free(r);
        return NULL;
}

static void take_from_stock(struct random *r, void *data, size_t size)
{
        uint8_t *from;

        if (size > r->left) {
                gcry_randomize(r->stock, sizeof r->stock, GCRY_STRONG_RANDOM);
                r->left = sizeof r->stock;
        }
        from = r->stock + sizeof r->stock - r->left;
        memcpy(data, from, size);
        wipe(from, size);
        r->left -= size;
}

void random_bytes(struct random *r, void *data, size_t size)
{
        if (size == 0)
                return;
        if (!r->stream) {
                if (size <= sizeof r->stock)
                        take_from_stock(r, data, size);
                else
                        gcry_randomize(data, size, GCRY_STRONG_RANDOM);
                return;
        }
        memset(data, 0, size);
        if (gcry_cipher_encrypt(r->stream, data, size, NULL, 0))
                abort();
}

uint64_t random_u64(struct random *r)
{
        uint8_t data[8];
        uint64_t v = 0;

        random_bytes(r, data, sizeof data);
        for (size_t i = 0; i < sizeof data; i++)
                v = v << 8 | data[i];
        return v;
}

uint64_t random_below(struct random *r, uint64_t limit)
{
        uint64_t uneven, v;

        assert(limit > 0);
        uneven = -limit % limit; /* 2^64 mod limit: that many values would be too likely */
        do
                v = random_u64(r);
        while (v < uneven);
        return v % limit;
}
