/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes as text */
#include "base/encode.h"

static int digit(const char *alphabet, char c)
{
        const char *p = c ? strchr(alphabet, c) : NULL;

        return p ? (int)(p - alphabet) : -EINVAL;
}

static const char hex_alphabet[] = "0123456789abcdef";
static const char base32_alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
static const char base64_alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64_url_alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char ulid_alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void hex_encode(const void *data, size_t size, char *buffer)
{
        const uint8_t *d = data;

        for (size_t i = 0; i < size; i++) {
                *buffer++ = hex_alphabet[d[i] >> 4];
                *buffer++ = hex_alphabet[d[i] & 15];
        }
        *buffer = 0;
}

int hex_decode(const char *s, size_t n, uint8_t *buffer, size_t *ret_size)
{
        if (n % 2)
                return -EINVAL;
        for (size_t i = 0; i < n; i++) {
                char c = s[i] >= 'A' && s[i] <= 'F' ? (char)(s[i] + 32) : s[i];
                int v = digit(hex_alphabet, c);

                if (v < 0)
                        return -EINVAL;
                buffer[i / 2] = i % 2 ? (uint8_t)(buffer[i / 2] | v) : (uint8_t)(v << 4);
        }
        *ret_size = n / 2;
        return 0;
}

void base32_encode(const void *data, size_t size, char *buffer)
{
        const uint8_t *d = data;
        uint32_t bits = 0;
        unsigned n_bits = 0;

        for (size_t i = 0; i < size; i++) {
                bits = bits << 8 | d[i];
                for (n_bits += 8; n_bits >= 5; n_bits -= 5)
                        *buffer++ = base32_alphabet[bits >> (n_bits - 5) & 31];
        }
        if (n_bits > 0)
                *buffer++ = base32_alphabet[bits << (5 - n_bits) & 31];
        *buffer = 0;
}

int base32_decode(const char *s, uint8_t *buffer, size_t size)
{
        uint32_t bits = 0;
        unsigned n_bits = 0;
        size_t n = 0;

        if (strlen(s) != BASE32_SIZE(size) - 1)
                return -EINVAL;
        for (; *s; s++) {
                int v = digit(base32_alphabet, *s);

                if (v < 0)
                        return -EINVAL;
                bits = bits << 5 | (uint32_t)v;
                n_bits += 5;
                if (n_bits >= 8) {
                        n_bits -= 8;
                        buffer[n++] = bits >> n_bits;
                }
        }
        return bits & ((1u << n_bits) - 1) ? -EINVAL : 0;
}

void base64_encode(const void *data, size_t size, bool url, char *buffer)
{
        const char *alphabet = url ? base64_url_alphabet : base64_alphabet;
        const uint8_t *d = data;

        for (size_t i = 0; i < size; i += 3) {
                uint32_t v = (uint32_t)d[i] << 16 | (i + 1 < size ? (uint32_t)d[i + 1] << 8 : 0) |
                             (i + 2 < size ? d[i + 2] : 0);

                *buffer++ = alphabet[v >> 18];
                *buffer++ = alphabet[v >> 12 & 63];
                *buffer++ = i + 1 < size ? alphabet[v >> 6 & 63] : '=';
                *buffer++ = i + 2 < size ? alphabet[v & 63] : '=';
        }
        *buffer = 0;
}

int base64_decode(const char *s, size_t n, bool url, uint8_t *buffer, size_t *ret_size)
{
        const char *alphabet = url ? base64_url_alphabet : base64_alphabet;
        size_t size = 0, n_pad = 0;

        if (n % 4)
                return -EINVAL;
        if (n > 0)
                n_pad = s[n - 1] != '=' ? 0 : s[n - 2] != '=' ? 1 : 2;

        for (size_t i = 0; i < n; i += 4) {
                size_t n_digits = i + 4 == n ? 4 - n_pad : 4;
                uint32_t v = 0;

                for (size_t k = 0; k < 4; k++) {
                        int x = k < n_digits ? digit(alphabet, s[i + k]) : 0;

                        if (x < 0)
                                return -EINVAL;
                        v = v << 6 | (uint32_t)x;
                }
                if (v & ((1u << 8 * (4 - n_digits)) - 1))
                        return -EINVAL;
                for (size_t k = 0; k < n_digits - 1; k++)
                        buffer[size++] = v >> (16 - 8 * k);
        }
        *ret_size = size;
        return 0;
}

struct ulid ulid_make(uint64_t real_usec, const uint8_t random[static 10])
{
        uint64_t msec = real_usec / 1000;
        struct ulid u;

        for (size_t i = 0; i < 6; i++)
                u.bytes[i] = msec >> 8 * (5 - i);
        memcpy(u.bytes + 6, random, 10);
        return u;
}

const char *ulid_format(const struct ulid *u, char buffer[static ULID_STRING_SIZE])
{
        /* 130 bits for 128: the first character holds three. */
        for (size_t i = 0; i < 26; i++) {
                unsigned v = 0;

                for (size_t k = 0; k < 5; k++) {
                        size_t bit = i * 5 + k;

                        v <<= 1;
                        if (bit >= 2)
                                v |= u->bytes[(bit - 2) / 8] >> (7 - (bit - 2) % 8) & 1;
                }
                buffer[i] = ulid_alphabet[v];
        }
        buffer[26] = 0;
        return buffer;
}

int ulid_parse(const char *s, struct ulid *ret)
{
        struct ulid u = { 0 };

        if (strlen(s) != ULID_STRING_SIZE - 1)
                return -EINVAL;
        for (size_t i = 0; i < 26; i++) {
                char c = s[i] >= 'a' && s[i] <= 'z' ? (char)(s[i] - 32) : s[i];
                int v = digit(ulid_alphabet, c);

                if (v < 0 || (i == 0 && v > 7))
                        return -EINVAL;
                for (size_t k = 0; k < 5; k++) {
                        size_t bit = i * 5 + k;

                        if (bit >= 2 && v >> (4 - k) & 1)
                                u.bytes[(bit - 2) / 8] |= 0x80 >> (bit - 2) % 8;
                }
        }
        *ret = u;
        return 0;
}
