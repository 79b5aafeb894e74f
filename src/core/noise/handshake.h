/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Noise_XX_25519_ChaChaPoly_SHA256 (the Noise Protocol Framework, revision 34): the handshake
 *
 *     initiator                                            responder
 *        |  1: e                                               |
 *        | --------------------------------------------------> |
 *        |                              2: e, ee, s, es        |
 *        | <-------------------------------------------------- |
 *        |  3: s, se                                           |
 *        | --------------------------------------------------> |
 *
 * Each message ends with a payload: in clear in the first, sealed in the others. What proves the
 * sender of a payload belongs into it: a signature over h as it is just before the payload. So a
 * message is written in two steps,
 *
 *     handshake_write_2(h, message);              the tokens
 *     ... h->state.hash ...
 *     handshake_write_payload(h, payload, size, message + HANDSHAKE_2_SIZE);
 *
 * and whoever reads a message is told what h was. A message that is not genuine changes nothing in
 * the handshake. The order of calls is the caller's duty: 1, 2, 3, split, done.
 */
#include "core/crypto/crypto.h"
#include "core/crypto/x25519.h"

#define HANDSHAKE_1_SIZE X25519_SIZE /* bytes before the payload */
#define HANDSHAKE_2_SIZE (2 * X25519_SIZE + TAG_SIZE)
#define HANDSHAKE_3_SIZE (X25519_SIZE + TAG_SIZE)
#define HANDSHAKE_MESSAGE_MAX 65535

struct random;
struct transport;

/* What the framework calls a symmetric state: ck, h, and the key and nonce for the next bytes. */
struct handshake_state {
        uint8_t chain[HASH_SIZE];
        uint8_t hash[HASH_SIZE];
        uint8_t key[KEY_SIZE];
        uint8_t nonce; /* a key seals two things at most */
        bool has_key;
};

struct handshake {
        struct handshake_state state;
        const struct x25519_key *own; /* s, borrowed */
        struct x25519_key ephemeral;  /* e */
        uint8_t remote_ephemeral[X25519_SIZE];
        uint8_t remote_static[X25519_SIZE]; /* proven once the message that bears it was read */
        struct aead *aead;
};

enum handshake_fault {
        HANDSHAKE_BAD_SIZE = 1,
        HANDSHAKE_LOW_ORDER, /* a public key that makes a secret which everybody knows */
        HANDSHAKE_NOT_GENUINE,
};

/* @own is borrowed until handshake_done(), everything else is copied. 0 or -ENOMEM. */
int handshake_init(struct handshake *h, const void *prologue, size_t prologue_size,
        const struct x25519_key *own, struct random *random);
/* Wipes; harmless on zeros. */
void handshake_done(struct handshake *h);

void handshake_write_1(struct handshake *h, uint8_t ret[static HANDSHAKE_1_SIZE]);
/* 0, or HANDSHAKE_LOW_ORDER. */
int handshake_write_2(struct handshake *h, uint8_t ret[static HANDSHAKE_2_SIZE]);
int handshake_write_3(struct handshake *h, uint8_t ret[static HANDSHAKE_3_SIZE]);
/* Ends a message; @ret has room for @size bytes, and TAG_SIZE more but in message 1. */
void handshake_write_payload(struct handshake *h, const void *payload, size_t size, void *ret);

/* @size: of the whole message. The payload, as much as follows the tokens (without the tag in 2 and
 * 3), is written to @ret_payload, and h as it was before it to @ret_hash. 0, or enum
 * handshake_fault with nothing changed but @ret_payload wiped. */
int handshake_read_1(struct handshake *h, const uint8_t *message, size_t size, void *ret_payload);
int handshake_read_2(struct handshake *h, const uint8_t *message, size_t size, void *ret_payload,
        uint8_t ret_hash[static HASH_SIZE]);
int handshake_read_3(struct handshake *h, const uint8_t *message, size_t size, void *ret_payload,
        uint8_t ret_hash[static HASH_SIZE]);

/* After message 3: the keys of both directions; @initiator tells which is ours. 0 or -ENOMEM. */
int handshake_split(const struct handshake *h, bool initiator, struct transport *ret);
