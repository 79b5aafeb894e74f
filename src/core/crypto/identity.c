/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who we are */
#include <gcrypt.h>

#include "base/encode.h"
#include "core/crypto/crypto.h"
#include "core/crypto/identity.h"

static void release_sexp(gcry_sexp_t *s)
{
        gcry_sexp_release(*s);
}

static void release_context(gcry_ctx_t *c)
{
        gcry_ctx_release(*c);
}

static void release_mpi(gcry_mpi_t *m)
{
        gcry_mpi_release(*m);
}

/* Never from a file: two signatures under a public key that does not belong give the seed away. */
static int derive_public_key(const uint8_t *seed, uint8_t ret[static PUBLIC_KEY_SIZE])
{
        _cleanup_(release_sexp)
        gcry_sexp_t key = NULL;
        _cleanup_(release_context)
        gcry_ctx_t context = NULL;
        _cleanup_(release_mpi)
        gcry_mpi_t q = NULL;
        const void *data;
        unsigned n_bits;

        if (gcry_sexp_build(&key, NULL, "(private-key(ecc(curve Ed25519)(flags eddsa)(d %b)))",
                    IDENTITY_SEED_SIZE, seed))
                return -ENOMEM;
        if (gcry_mpi_ec_new(&context, key, NULL))
                return -ENOMEM;
        q = gcry_mpi_ec_get_mpi("q@eddsa", context, 1);
        if (!q)
                return -ENOMEM;

        data = gcry_mpi_get_opaque(q, &n_bits);
        if (!data || n_bits != 8 * PUBLIC_KEY_SIZE)
                abort();
        memcpy(ret, data, PUBLIC_KEY_SIZE);
        return 0;
}

int identity_init(struct identity *i, const uint8_t seed[static IDENTITY_SEED_SIZE])
{
        struct identity new = { .seed = secret_alloc(IDENTITY_SEED_SIZE) };
        int r;

        if (!new.seed)
                return -ENOMEM;
        memcpy(new.seed, seed, IDENTITY_SEED_SIZE);

        r = derive_public_key(new.seed, new.public_key);
        if (r < 0) {
                identity_done(&new);
                return r;
        }
        identity_id(new.public_key, new.id);
        *i = new;
        return 0;
}

void identity_done(struct identity *i)
{
        i->seed = secret_free(i->seed);
}

void identity_id(const uint8_t public_key[static PUBLIC_KEY_SIZE], char ret[static ID_STRING_SIZE])
{
        uint8_t digest[HASH_SIZE];

        hash(&(struct blob){ public_key, PUBLIC_KEY_SIZE }, 1, digest);
        base32_encode(digest, ID_SIZE, ret);
}

bool id_is_valid(const char *s)
{
        uint8_t id[ID_SIZE];

        return base32_decode(s, id, sizeof id) == 0;
}

void fingerprint_half(
        const uint8_t public_key[static PUBLIC_KEY_SIZE], char ret[static FINGERPRINT_HALF_SIZE])
{
        static const char prefix[] = "p2pchat/1 fingerprint"; /* hashed with its zero byte */
        const struct blob pieces[] = { { prefix, sizeof prefix }, { public_key, PUBLIC_KEY_SIZE } };
        uint8_t digest[HASH_SIZE];
        char *out = ret;

        hash(pieces, ELEMENTSOF(pieces), digest);
        for (size_t i = 0; i < FINGERPRINT_GROUPS; i++) {
                uint64_t v = 0;

                for (size_t k = 0; k < 5; k++)
                        v = v << 8 | digest[5 * i + k];
                for (unsigned unit = 10000; unit > 0; unit /= 10)
                        *out++ = (char)('0' + v / unit % 10);
                *out++ = ' ';
        }
        out[-1] = 0;
}

void fingerprint_pair(const uint8_t a[static PUBLIC_KEY_SIZE],
        const uint8_t b[static PUBLIC_KEY_SIZE], char ret[static FINGERPRINT_SIZE])
{
        char x[FINGERPRINT_HALF_SIZE], y[FINGERPRINT_HALF_SIZE];
        bool swap;

        fingerprint_half(a, x);
        fingerprint_half(b, y);
        swap = strcmp(x, y) > 0;
        memcpy(ret, swap ? y : x, sizeof x);
        ret[sizeof x - 1] = ' ';
        memcpy(ret + sizeof x, swap ? x : y, sizeof x);
}

bool fingerprint_matches(const char *fingerprint, const char *typed)
{
        for (;; fingerprint++, typed++) {
                while (*fingerprint == ' ')
                        fingerprint++;
                while (*typed == ' ' || *typed == '\t' || *typed == '\n')
                        typed++;
                if (*fingerprint != *typed)
                        return false;
                if (*fingerprint == 0)
                        return true;
        }
}
