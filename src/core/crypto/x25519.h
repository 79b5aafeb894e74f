/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Agreeing on a secret: X25519 (RFC 7748)
 */
#include "base/macro.h"

#define X25519_SIZE 32

struct random;

struct x25519_key {
        uint8_t *secret; /* from secret_alloc(); NULL: empty */
        uint8_t public[X25519_SIZE];
};

/* 0 or -ENOMEM. */
int x25519_key_init(struct x25519_key *k, const uint8_t secret[static X25519_SIZE]);
int x25519_key_init_random(struct x25519_key *k, struct random *random);
/* Wipes; harmless when empty. */
void x25519_key_done(struct x25519_key *k);

/*
 * The secret shared with the owner of @public. False, and @ret all zeros, when that point has a low
 * order: anybody could know the result. It takes the same time either way.
 */
bool x25519(const struct x25519_key *k, const uint8_t public[static X25519_SIZE],
        uint8_t ret[static X25519_SIZE]);
