/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Agreeing on a secret */
#include <gcrypt.h>

#include "core/crypto/crypto.h"
#include "core/crypto/random.h"
#include "core/crypto/x25519.h"

/* @point NULL: the base point. The scalar is clamped on a copy. */
static void multiply(uint8_t *ret, const uint8_t *scalar, const uint8_t *point)
{
        if (gcry_ecc_mul_point(GCRY_ECC_CURVE25519, ret, scalar, point))
                abort();
}

int x25519_key_init(struct x25519_key *k, const uint8_t secret[static X25519_SIZE])
{
        uint8_t *copy = secret_alloc(X25519_SIZE);

        if (!copy)
                return -ENOMEM;
        memcpy(copy, secret, X25519_SIZE);
        k->secret = copy;
        multiply(k->public, k->secret, NULL);
        return 0;
}

int x25519_key_init_random(struct x25519_key *k, struct random *random)
{
        uint8_t secret[X25519_SIZE];
        int r;

        random_bytes(random, secret, sizeof secret);
        r = x25519_key_init(k, secret);
        wipe(secret, sizeof secret);
        return r;
}

void x25519_key_done(struct x25519_key *k)
{
        k->secret = secret_free(k->secret);
}

bool x25519(const struct x25519_key *k, const uint8_t public[static X25519_SIZE],
        uint8_t ret[static X25519_SIZE])
{
        static const uint8_t zero[X25519_SIZE];

        multiply(ret, k->secret, public);
        return !equal_constant_time(ret, zero, sizeof zero);
}
