/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ed25519 signatures */
#include <gcrypt.h>

#include "core/crypto/sign-internal.h"

#define COORDINATE_SIZE 32
#define COORDINATE_BITS_MIN 193 /* the library wants all four limbs of 64 bits to be there */

static void must(gcry_error_t e)
{
        if (e)
                abort();
}

static void release_sexp(gcry_sexp_t *s)
{
        gcry_sexp_release(*s);
}

/*
 * The numbers of the curve, made when needed and handed around
 *
 * -x^2 + y^2 = 1 + d x^2 y^2 mod p, p = 2^255 - 19
 */
struct curve {
        gcry_mpi_t p, d;
        gcry_mpi_t root_of_minus_one; /* 2^((p - 1) / 4) */
        gcry_mpi_t root_exponent;     /* (p + 3) / 8 */
};

static gcry_mpi_t number_from_hex(const char *s)
{
        gcry_mpi_t m;

        must(gcry_mpi_scan(&m, GCRYMPI_FMT_HEX, s, 0, NULL));
        return m;
}

static void curve_init(struct curve *c)
{
        c->p = number_from_hex("7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed");
        c->d = number_from_hex("52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3");
        c->root_of_minus_one =
                number_from_hex("2b8324804fc1df0b2b4d00993dfbd7a72f431806ad2fe478c4ee1b274a0ea0b0");
        c->root_exponent =
                number_from_hex("0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe");
}

static void curve_done(struct curve *c)
{
        gcry_mpi_release(c->p);
        gcry_mpi_release(c->d);
        gcry_mpi_release(c->root_of_minus_one);
        gcry_mpi_release(c->root_exponent);
}

/* A square root of @w mod p into @x, or false. */
static bool square_root(const struct curve *c, gcry_mpi_t w, gcry_mpi_t x)
{
        gcry_mpi_t square = gcry_mpi_new(0), other = gcry_mpi_new(0);
        bool found;

        /* p is 5 mod 8: w^((p + 3) / 8) squared is w or -w, if w has a root. */
        gcry_mpi_powm(x, w, c->root_exponent, c->p);
        gcry_mpi_mulm(square, x, x, c->p);
        found = gcry_mpi_cmp(square, w) == 0;
        if (!found) {
                gcry_mpi_subm(other, c->p, w, c->p);
                if (gcry_mpi_cmp(square, other) == 0) {
                        gcry_mpi_mulm(x, x, c->root_of_minus_one, c->p);
                        found = true;
                }
        }
        gcry_mpi_release(square);
        gcry_mpi_release(other);
        return found;
}

/* One of the two x of the points with this y, or false when there is none. */
static bool recover_x(const struct curve *c, gcry_mpi_t y, gcry_mpi_t x)
{
        gcry_mpi_t u = gcry_mpi_new(0), v = gcry_mpi_new(0);
        bool found;

        /* x^2 = (y^2 - 1) / (d y^2 + 1), whose denominator is never 0 */
        gcry_mpi_mulm(u, y, y, c->p);
        gcry_mpi_mulm(v, u, c->d, c->p);
        gcry_mpi_sub_ui(u, u, 1);
        gcry_mpi_mod(u, u, c->p);
        gcry_mpi_add_ui(v, v, 1);
        found = gcry_mpi_invm(v, v, c->p);
        if (found) {
                gcry_mpi_mulm(u, u, v, c->p);
                found = square_root(c, u, x);
        }
        gcry_mpi_release(u);
        gcry_mpi_release(v);
        return found;
}

static bool is_usable_point(const struct curve *c, gcry_mpi_t y)
{
        gcry_mpi_t x, negative;
        bool ok;

        if (gcry_mpi_cmp(y, c->p) >= 0 || gcry_mpi_get_nbits(y) < COORDINATE_BITS_MIN)
                return false;

        x = gcry_mpi_new(0);
        negative = gcry_mpi_new(0);
        ok = recover_x(c, y, x);
        if (ok) {
                gcry_mpi_sub(negative, c->p, x);
                ok = gcry_mpi_get_nbits(x) >= COORDINATE_BITS_MIN &&
                     gcry_mpi_get_nbits(negative) >= COORDINATE_BITS_MIN;
        }
        gcry_mpi_release(x);
        gcry_mpi_release(negative);
        return ok;
}

/* The points of order 1, 2 and 4 have a coordinate 0; these are the y of those of order 8. */
static bool has_order_eight(const uint8_t y[static COORDINATE_SIZE])
{
        static const uint8_t low[2][COORDINATE_SIZE] = {
                { 0x7a, 0x03, 0xac, 0x92, 0x77, 0xfd, 0xc7, 0x4e, 0xc6, 0xcc, 0x39, 0x2c, 0xfa,
                        0x53, 0x20, 0x2a, 0x0f, 0x67, 0x10, 0x0d, 0x76, 0x0b, 0x3c, 0xba, 0x4f,
                        0xd8, 0x4d, 0x3d, 0x70, 0x6a, 0x17, 0xc7 },
                { 0x05, 0xfc, 0x53, 0x6d, 0x88, 0x02, 0x38, 0xb1, 0x39, 0x33, 0xc6, 0xd3, 0x05,
                        0xac, 0xdf, 0xd5, 0xf0, 0x98, 0xef, 0xf2, 0x89, 0xf4, 0xc3, 0x45, 0xb0,
                        0x27, 0xb2, 0xc2, 0x8f, 0x95, 0xe8, 0x26 },
        };

        /* given with the highest byte first */
        return memcmp(y, low[0], sizeof low[0]) == 0 || memcmp(y, low[1], sizeof low[1]) == 0;
}

bool sign_key_check(const uint8_t key[static PUBLIC_KEY_SIZE])
{
        uint8_t big_endian[COORDINATE_SIZE];
        struct curve c;
        gcry_mpi_t y;
        bool ok;

        for (size_t i = 0; i < COORDINATE_SIZE; i++)
                big_endian[i] = key[COORDINATE_SIZE - 1 - i];
        big_endian[0] &= 0x7f; /* the sign of x */
        if (has_order_eight(big_endian))
                return false;

        must(gcry_mpi_scan(&y, GCRYMPI_FMT_USG, big_endian, sizeof big_endian, NULL));
        curve_init(&c);
        ok = is_usable_point(&c, y);
        curve_done(&c);
        gcry_mpi_release(y);
        return ok;
}

/* The second half of a signature, little-endian, is below the order L of the base point. */
static bool is_reduced(const uint8_t s[static COORDINATE_SIZE])
{
        static const uint8_t order[COORDINATE_SIZE] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12,
                0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10 };

        for (size_t i = COORDINATE_SIZE; i-- > 0;)
                if (s[i] != order[i])
                        return s[i] < order[i];
        return false;
}

static void build_data(gcry_sexp_t *ret, const void *message, size_t size)
{
        must(gcry_sexp_build(ret, NULL, "(data(flags eddsa)(hash-algo sha512)(value %b))",
                (int)size, size > 0 ? message : ""));
}

static void copy_half(gcry_sexp_t signature, const char *name, uint8_t *ret)
{
        _cleanup_(release_sexp)
        gcry_sexp_t half = gcry_sexp_find_token(signature, name, 0);
        const void *data;
        size_t size = 0;

        data = half ? gcry_sexp_nth_data(half, 1, &size) : NULL;
        if (!data || size != SIGNATURE_SIZE / 2)
                abort();
        memcpy(ret, data, size);
}

void sign_bare(const struct identity *i, const void *message, size_t size,
        uint8_t ret[static SIGNATURE_SIZE])
{
        _cleanup_(release_sexp)
        gcry_sexp_t key = NULL;
        _cleanup_(release_sexp)
        gcry_sexp_t data = NULL;
        _cleanup_(release_sexp)
        gcry_sexp_t signature = NULL;

        /* The seed lies in locked memory, and so does everything built from it. */
        must(gcry_sexp_build(&key, NULL,
                "(private-key(ecc(curve Ed25519)(flags eddsa)(q %b)(d %b)))", PUBLIC_KEY_SIZE,
                i->public_key, IDENTITY_SEED_SIZE, i->seed));
        build_data(&data, message, size);
        must(gcry_pk_sign(&signature, data, key));
        copy_half(signature, "r", ret);
        copy_half(signature, "s", ret + SIGNATURE_SIZE / 2);
}

int sign_verify_bare(const uint8_t public_key[static PUBLIC_KEY_SIZE], const void *message,
        size_t size, const uint8_t signature[static SIGNATURE_SIZE])
{
        _cleanup_(release_sexp)
        gcry_sexp_t key = NULL;
        _cleanup_(release_sexp)
        gcry_sexp_t data = NULL;
        _cleanup_(release_sexp)
        gcry_sexp_t s = NULL;

        if (!sign_key_check(public_key))
                return SIGN_BAD_KEY;
        if (!is_reduced(signature + SIGNATURE_SIZE / 2))
                return SIGN_BAD_SIGNATURE;

        must(gcry_sexp_build(&key, NULL, "(public-key(ecc(curve Ed25519)(flags eddsa)(q %b)))",
                PUBLIC_KEY_SIZE, public_key));
        must(gcry_sexp_build(&s, NULL, "(sig-val(eddsa(r %b)(s %b)))", SIGNATURE_SIZE / 2,
                signature, SIGNATURE_SIZE / 2, signature + SIGNATURE_SIZE / 2));
        build_data(&data, message, size);
        return gcry_pk_verify(s, data, key) ? SIGN_BAD_SIGNATURE : 0;
}

/* The library wants one piece; @ret is to be freed. */
static int join(
        const char *prefix, const struct blob *pieces, size_t n, uint8_t **ret, size_t *ret_size)
{
        size_t size = strlen(prefix) + 1;
        uint8_t *message;

        for (size_t i = 0; i < n; i++)
                size += pieces[i].size;
        assert(size <= INT32_MAX);
        message = malloc(size);
        if (!message)
                return -ENOMEM;

        size = strlen(prefix) + 1;
        memcpy(message, prefix, size);
        for (size_t i = 0; i < n; i++) {
                if (pieces[i].size > 0)
                        memcpy(message + size, pieces[i].data, pieces[i].size);
                size += pieces[i].size;
        }
        *ret = message;
        *ret_size = size;
        return 0;
}

int sign(const struct identity *i, const char *prefix, const struct blob *pieces, size_t n,
        uint8_t ret[static SIGNATURE_SIZE])
{
        _cleanup_(freep)
        uint8_t *message = NULL;
        size_t size;
        int r;

        r = join(prefix, pieces, n, &message, &size);
        if (r < 0)
                return r;
        sign_bare(i, message, size, ret);
        return 0;
}

int sign_verify(const uint8_t key[static PUBLIC_KEY_SIZE], const char *prefix,
        const struct blob *pieces, size_t n, const uint8_t signature[static SIGNATURE_SIZE])
{
        _cleanup_(freep)
        uint8_t *message = NULL;
        size_t size;
        int r;

        r = join(prefix, pieces, n, &message, &size);
        if (r < 0)
                return r;
        return sign_verify_bare(key, message, size, signature);
}
