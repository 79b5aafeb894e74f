/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The ciphers of the classic dialects, without authentication: DES and 3DES (FIPS 46-3), AES
 * (FIPS 197), each as ECB or CBC (NIST SP 800-38A)
 *
 * Only to be understood by old programs. Weak keys are taken; sizes are whole blocks.
 */
#include "base/macro.h"

enum legacy_algorithm {
        LEGACY_DES,     /* key 8 bytes, block 8 */
        LEGACY_3DES,    /* 24, 8 */
        LEGACY_AES_128, /* 16, 16 */
        LEGACY_AES_256, /* 32, 16 */
        N_LEGACY_ALGORITHMS,
};

enum legacy_mode {
        LEGACY_ECB,
        LEGACY_CBC,
};

#define LEGACY_KEY_MAX 32
#define LEGACY_BLOCK_MAX 16

size_t legacy_key_size(enum legacy_algorithm a);
size_t legacy_block_size(enum legacy_algorithm a);

struct legacy_cipher;
/* 0 or -ENOMEM. */
int legacy_cipher_new(enum legacy_algorithm a, enum legacy_mode mode, const uint8_t *key,
        struct legacy_cipher **ret);
struct legacy_cipher *legacy_cipher_free(struct legacy_cipher *c);
DEFINE_CLEANUP(struct legacy_cipher *, legacy_cipher_free)

/* @iv: one block, ignored without CBC. @ret has @size bytes too and may be @data. */
void legacy_cipher_encrypt(
        struct legacy_cipher *c, const uint8_t *iv, const void *data, size_t size, void *ret);
void legacy_cipher_decrypt(
        struct legacy_cipher *c, const uint8_t *iv, const void *data, size_t size, void *ret);
