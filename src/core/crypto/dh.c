/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Diffie-Hellman of the classic dialects */
#include <gcrypt.h>

#include "core/crypto/crypto.h"
#include "core/crypto/dh.h"

int decimal_parse(const char *s, size_t n, char ret[static DECIMAL_SIZE])
{
        if (n == 0)
                return -EINVAL;
        for (size_t i = 0; i < n; i++)
                if (s[i] < '0' || s[i] > '9')
                        return -EINVAL;
        for (; n > 1 && *s == '0'; n--)
                s++;
        if (n > DECIMAL_DIGITS_MAX)
                return -EINVAL;
        memcpy(ret, s, n);
        ret[n] = 0;
        return 0;
}

int decimal_compare(const char *a, const char *b)
{
        size_t n_a = strlen(a), n_b = strlen(b);

        if (n_a != n_b)
                return n_a < n_b ? -1 : 1;
        return strcmp(a, b);
}

int decimal_to_bytes(const char *s, uint8_t *ret, size_t size)
{
        uint8_t v[DECIMAL_BYTES_MAX] = { 0 };
        int r = 0;

        for (; *s; s++) {
                unsigned carry = (unsigned)(*s - '0');

                for (size_t i = sizeof v; i-- > 0; carry >>= 8) {
                        carry += v[i] * 10u;
                        v[i] = carry;
                }
        }
        for (size_t i = 0; i + size < sizeof v; i++)
                if (v[i] != 0)
                        r = -ERANGE;
        if (r == 0) {
                memset(ret, 0, size);
                if (size >= sizeof v)
                        memcpy(ret + size - sizeof v, v, sizeof v);
                else
                        memcpy(ret, v + sizeof v - size, size);
        }
        wipe(v, sizeof v);
        return r;
}

/* Consumes @v. */
static void decimal_from_bytes(uint8_t *v, size_t size, char ret[static DECIMAL_SIZE])
{
        char digits[DECIMAL_SIZE];
        size_t n = sizeof digits;

        digits[--n] = 0;
        for (;;) {
                unsigned rest = 0;
                bool more = false;

                for (size_t i = 0; i < size; i++) {
                        rest = rest << 8 | v[i];
                        v[i] = rest / 10;
                        rest %= 10;
                        more = more || v[i] > 0;
                }
                assert(n > 0);
                digits[--n] = (char)('0' + rest);
                if (!more)
                        break;
        }
        memcpy(ret, digits + n, sizeof digits - n);
        wipe(digits, sizeof digits);
}

static gcry_mpi_t mpi_from_decimal(const char *s)
{
        uint8_t bytes[DECIMAL_BYTES_MAX];
        gcry_mpi_t m;

        if (decimal_to_bytes(s, bytes, sizeof bytes) < 0 ||
                gcry_mpi_scan(&m, GCRYMPI_FMT_USG, bytes, sizeof bytes, NULL))
                abort();
        wipe(bytes, sizeof bytes);
        return m;
}

int dh_power(
        const char *base, const char *exponent, const char *modulus, char ret[static DECIMAL_SIZE])
{
        gcry_mpi_t b, e, m, result;
        uint8_t bytes[DECIMAL_BYTES_MAX];
        size_t size;

        if (decimal_compare(modulus, "2") < 0)
                return -EINVAL;

        b = mpi_from_decimal(base);
        e = mpi_from_decimal(exponent);
        m = mpi_from_decimal(modulus);
        result = gcry_mpi_new(0);
        gcry_mpi_powm(result, b, e, m);
        if (gcry_mpi_print(GCRYMPI_FMT_USG, bytes, sizeof bytes, &size, result))
                abort();
        decimal_from_bytes(bytes, size, ret);

        wipe(bytes, sizeof bytes);
        gcry_mpi_release(b); /* wipes */
        gcry_mpi_release(e);
        gcry_mpi_release(m);
        gcry_mpi_release(result);
        return 0;
}

static uint64_t small(const char *s, uint64_t modulus)
{
        uint64_t v = 0;

        for (; *s; s++)
                v = (v * 10 + (uint64_t)(*s - '0')) % modulus;
        return v;
}

int dh_logarithm(
        const char *base, const char *value, const char *modulus, char ret[static DECIMAL_SIZE])
{
        uint64_t m, b, v, power = 1;

        m = strlen(modulus) <= 6 ? small(modulus, UINT64_C(1000000)) : 0;
        if (m < 2 || m > DH_LOGARITHM_MODULUS_MAX)
                return -EINVAL;
        b = small(base, m);
        v = small(value, m);
        for (uint64_t x = 0; x < m; x++, power = power * b % m)
                if (power == v) {
                        uint8_t bytes[8];

                        for (size_t i = 0; i < sizeof bytes; i++)
                                bytes[i] = x >> 8 * (7 - i);
                        decimal_from_bytes(bytes, sizeof bytes, ret);
                        return 0;
                }
        return -EINVAL;
}
