/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Hash, key derivation, authenticated encryption, comparing and wiping
 *
 * Thin names over libgcrypt that cannot be called wrongly. What cannot fail but for a broken
 * library returns nothing and aborts then.
 */
#include "base/macro.h"

#define HASH_SIZE 32
#define KEY_SIZE 32
#define NONCE_SIZE 12
#define TAG_SIZE 16

/* Prepares the library, once per process and before anything else of core/crypto. 0, or -ENOSYS
 * when it is too old. *ret_locked tells whether secrets stay out of swap. */
int crypto_init(bool *ret_locked);

/* A secret in memory that is locked where the system allows it, and wiped when freed. */
void *secret_alloc(size_t size);
void *secret_free(void *p);

void wipe(void *data, size_t size);
/* Takes the same time wherever they differ. */
bool equal_constant_time(const void *a, const void *b, size_t size);

struct blob {
        const void *data;
        size_t size;
};
/* SHA-256 (FIPS 180-4) of the pieces, one after the other. */
void hash(const struct blob *pieces, size_t n, uint8_t ret[static HASH_SIZE]);
/* The same of what comes piece by piece. hasher_finish() may be called once. */
struct hasher;
int hasher_new(struct hasher **ret);
struct hasher *hasher_free(struct hasher *h);
DEFINE_CLEANUP(struct hasher *, hasher_free)
void hasher_add(struct hasher *h, const void *data, size_t size);
void hasher_finish(struct hasher *h, uint8_t ret[static HASH_SIZE]);
/* HMAC-SHA-256 (RFC 2104). */
void hmac(const void *key, size_t key_size, const struct blob *pieces, size_t n,
        uint8_t ret[static HASH_SIZE]);
/* HKDF-SHA256 (RFC 5869), @size up to 255 * HASH_SIZE. */
void hkdf(const void *salt, size_t salt_size, const void *secret, size_t secret_size,
        const char *info, void *ret, size_t size);

/* ChaCha20-Poly1305 (RFC 8439). One handle serves many keys; it may be used by one thread. */
struct aead;
int aead_new(struct aead **ret);
struct aead *aead_free(struct aead *a);
DEFINE_CLEANUP(struct aead *, aead_free)
void aead_set_key(struct aead *a, const uint8_t key[static KEY_SIZE]);
/* @ret has room for @size + TAG_SIZE bytes and may be @plain itself. */
void aead_seal(struct aead *a, const uint8_t nonce[static NONCE_SIZE], const void *associated,
        size_t associated_size, const void *plain, size_t size, void *ret);
/* @size counts the tag. True when it is genuine; otherwise @ret (size - TAG_SIZE bytes) is wiped.
 */
bool aead_open(struct aead *a, const uint8_t nonce[static NONCE_SIZE], const void *associated,
        size_t associated_size, const void *sealed, size_t size, void *ret);
