/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Who we are: an Ed25519 key pair (RFC 8032) and the id that follows from it
 *
 * id = lower-case base32 without padding of the first 16 bytes of SHA-256(public key).
 */
#include "core/discovery/announce.h"

#define IDENTITY_SEED_SIZE 32
#define PUBLIC_KEY_SIZE 32
#define ID_SIZE 16 /* bytes that an id stands for */

struct identity {
        uint8_t *seed; /* from secret_alloc() */
        uint8_t public_key[PUBLIC_KEY_SIZE];
        char id[ID_STRING_SIZE];
};

/* The public key is always derived from the seed. 0 or -ENOMEM. */
int identity_init(struct identity *i, const uint8_t seed[static IDENTITY_SEED_SIZE]);
void identity_done(struct identity *i);
void identity_id(const uint8_t public_key[static PUBLIC_KEY_SIZE], char ret[static ID_STRING_SIZE]);
/* 26 characters in the one canonical spelling. */
bool id_is_valid(const char *s);

/*
 * Fingerprints, to be compared by people: six groups of five digits for each key, twelve for a
 * pair, the smaller half first, so that both sides show the same.
 */
#define FINGERPRINT_GROUPS 6
#define FINGERPRINT_HALF_SIZE (FINGERPRINT_GROUPS * 6) /* with the zero byte */
#define FINGERPRINT_SIZE (2 * FINGERPRINT_GROUPS * 6)

/* "12345 12345 12345 12345 12345 12345" */
void fingerprint_half(
        const uint8_t public_key[static PUBLIC_KEY_SIZE], char ret[static FINGERPRINT_HALF_SIZE]);
void fingerprint_pair(const uint8_t a[static PUBLIC_KEY_SIZE],
        const uint8_t b[static PUBLIC_KEY_SIZE], char ret[static FINGERPRINT_SIZE]);
/* Are these the digits, all 60 of them? Blanks do not count. */
bool fingerprint_matches(const char *fingerprint, const char *typed);
