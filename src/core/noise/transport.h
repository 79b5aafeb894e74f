/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Noise after the handshake: a key and a count of messages for each direction
 *
 * Messages are opened in the order in which they were sealed, or not at all.
 */
#include "core/crypto/crypto.h"

#define TRANSPORT_PLAIN_MAX (65535 - TAG_SIZE) /* bytes in one message */

struct transport_cipher {
        struct aead *aead;
        uint64_t nonce; /* of the next message; UINT64_MAX: no more */
};

struct transport {
        struct transport_cipher send, receive;
};

/* 0 or -ENOMEM; @t is untouched then. */
int transport_init(struct transport *t, const uint8_t send_key[static KEY_SIZE],
        const uint8_t receive_key[static KEY_SIZE]);
/* Harmless on zeros. */
void transport_done(struct transport *t);

/* @ret has room for @size + TAG_SIZE bytes and may be @plain. False when the nonces of this
 * direction are used up. */
bool transport_seal(struct transport *t, const void *plain, size_t size, void *ret);
/* @size counts the tag; @ret may be @sealed. False when it is not the next genuine message; @ret is
 * wiped then, and the conversation can only be ended. */
bool transport_open(struct transport *t, const void *sealed, size_t size, void *ret);

/* Rekey(): a new key out of the old one, which is forgotten. Nonces go on. Both sides do it at the
 * same message of a direction. */
void transport_rekey(struct transport_cipher *c);

/* 32 bits of zeros and the number, little-endian. */
void noise_nonce(uint64_t n, uint8_t ret[static NONCE_SIZE]);
