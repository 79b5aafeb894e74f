/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Fernet tokens (github.com/fernet/spec), as bytes, not in base64: version 0x80, time, IV,
 * AES-128-CBC, HMAC-SHA-256
 *
 * The first half of the key authenticates, the second encrypts. Readers in classic programs do not
 * look at the time, and no clock is known here: ours is 0, theirs is ignored.
 */
#include "base/macro.h"

#define FERNET_KEY_SIZE 32
#define FERNET_HEAD_SIZE 25 /* version, time, IV */
#define FERNET_MAC_SIZE 32
#define FERNET_BLOCK_SIZE 16

struct random;

/* Could these bytes be a token? */
bool fernet_is_token(const uint8_t *data, size_t size);
/* Bytes of the token for @size bytes of text. */
size_t fernet_size(size_t size);

/* @ret has room for fernet_size(size). 0 or -ENOMEM. */
int fernet_seal(const uint8_t key[static FERNET_KEY_SIZE], struct random *random, const void *text,
        size_t size, uint8_t *ret);
/* 0 and the size in @ret, which has room for @size; positive when it is not genuine; -ENOMEM. */
int fernet_open(const uint8_t key[static FERNET_KEY_SIZE], const uint8_t *data, size_t size,
        uint8_t *ret, size_t *ret_size);
