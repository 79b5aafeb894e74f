/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Bytes as text: hexadecimal, base32 and base64 (RFC 4648), and ULIDs
 *
 * Encoders write a zero byte at the end. Decoders are strict: canonical padding and unused bits
 * zero.
 */
#include "base/macro.h"

#define BASE32_SIZE(n) (((n)*8 + 4) / 5 + 1) /* without padding, with the zero byte */
#define BASE64_SIZE(n) (((n) + 2) / 3 * 4 + 1)
#define HEX_SIZE(n) ((n)*2 + 1)

/* @buffer has room for HEX_SIZE(@size), and for BASE32_SIZE() and BASE64_SIZE() below. */
void hex_encode(const void *data, size_t size, char *buffer);
/* Both cases. 0 and the number of bytes, or -EINVAL; @buffer has room for strlen / 2. */
int hex_decode(const char *s, size_t n, uint8_t *buffer, size_t *ret_size);

/* Lower case, no padding. */
void base32_encode(const void *data, size_t size, char *buffer);
/* Lower case only; 0, or -EINVAL unless @s is exactly the text of @size bytes. */
int base32_decode(const char *s, uint8_t *buffer, size_t size);

void base64_encode(const void *data, size_t size, bool url, char *buffer);
/* Padding wanted; @buffer has room for n / 4 * 3. 0 and the number of bytes, or -EINVAL. */
int base64_decode(const char *s, size_t n, bool url, uint8_t *buffer, size_t *ret_size);

/* ULID (github.com/ulid/spec): 48 bits of milliseconds, 80 bits of randomness; as text 26
 * characters of Crockford's base32. */
#define ULID_STRING_SIZE 27 /* with the zero byte */
struct ulid {
        uint8_t bytes[16];
};
struct ulid ulid_make(uint64_t real_usec, const uint8_t random[static 10]);
/* Returns @buffer; upper case. */
const char *ulid_format(const struct ulid *u, char buffer[static ULID_STRING_SIZE]);
/* Either case. 0, or -EINVAL. */
int ulid_parse(const char *s, struct ulid *ret);
static inline bool ulid_equal(const struct ulid *a, const struct ulid *b)
{
        return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}
