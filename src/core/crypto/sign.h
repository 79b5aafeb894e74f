/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Signatures: Ed25519 (RFC 8032), each for one purpose
 *
 * What is signed always begins with a prefix that names the purpose, and a zero byte; so a
 * signature made for one place is worth nothing in another.
 *
 * The library ends the process when it is given a point with a short coordinate. Therefore nothing
 * but sign.c hands keys of others to it, and only after sign_key_check().
 */
#include "base/macro.h"
#include "core/crypto/crypto.h"
#include "core/crypto/identity.h"

#define SIGNATURE_SIZE 64

enum sign_fault {
        SIGN_BAD_KEY = 1, /* sign_key_check() refuses it */
        SIGN_BAD_SIGNATURE,
};

/*
 * May this key of somebody else be used at all? Refused: y that is not below p, a point that is not
 * on the curve, x, p - x or y below 2^192 (nobody meets one by chance), points of low order. Costs
 * about 50 us; who has stored a key should have checked it before, and every decoder that takes a
 * key does.
 */
bool sign_key_check(const uint8_t key[static PUBLIC_KEY_SIZE]);

/* Signs @prefix, a zero byte, and the pieces one after the other. 0 or -ENOMEM. */
int sign(const struct identity *i, const char *prefix, const struct blob *pieces, size_t n,
        uint8_t ret[static SIGNATURE_SIZE]);
/* 0: genuine; positive enum sign_fault; -ENOMEM. Checks the key first. S must be below L, so that
 * nobody can make a second signature out of one. */
int sign_verify(const uint8_t key[static PUBLIC_KEY_SIZE], const char *prefix,
        const struct blob *pieces, size_t n, const uint8_t signature[static SIGNATURE_SIZE]);
