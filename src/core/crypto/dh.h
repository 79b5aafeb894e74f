/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Diffie-Hellman of the classic dialects, in decimal text
 *
 * Numbers are decimal digits without leading zeros, at most a hundred of them, with a zero byte:
 * that is how they travel and how keys are made from them. Too small to protect anything.
 */
#include "base/macro.h"

#define DECIMAL_DIGITS_MAX 100
#define DECIMAL_SIZE (DECIMAL_DIGITS_MAX + 1)
#define DECIMAL_BYTES_MAX 42 /* of a number below 10^100 */

/* Only digits, leading zeros dropped: 0, or -EINVAL. */
int decimal_parse(const char *s, size_t n, char ret[static DECIMAL_SIZE]);
/* Negative, 0 or positive, as a is less than, equal to or greater than b. */
int decimal_compare(const char *a, const char *b);
/* Big-endian, filled with zeros on the left: 0, or -ERANGE when it needs more than @size bytes. */
int decimal_to_bytes(const char *s, uint8_t *ret, size_t size);

/* base ^ exponent mod modulus: 0, or -EINVAL when the modulus is below 2. */
int dh_power(
        const char *base, const char *exponent, const char *modulus, char ret[static DECIMAL_SIZE]);

#define DH_LOGARITHM_MODULUS_MAX 65536
/* The least x with base ^ x = value mod modulus; -EINVAL when there is none or the modulus is too
 * large to search. */
int dh_logarithm(
        const char *base, const char *value, const char *modulus, char ret[static DECIMAL_SIZE]);
