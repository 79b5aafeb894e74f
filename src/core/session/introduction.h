/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Who somebody is: the payload of the second and third message of the handshake
 *
 *     key (32) | username (2 + n) | port (2) | features (8) | run (8) | further ... | signature
 * (64)
 *
 * The signature covers a prefix that names the role, a zero byte, h of Noise just before the
 * payload, the sender's static key of Noise, and the payload up to the signature. So it is made
 * for this one conversation, and proves that who has the identity has the static key as well.
 */
#include "core/crypto/sign.h"
#include "core/crypto/x25519.h"

#define INTRODUCTION_MAX 1024 /* bytes that are taken; "further" is for those who come later */
#define INTRODUCTION_OWN_MAX (32 + 2 + NAME_SIZE_MAX + 2 + 8 + 8 + SIGNATURE_SIZE)

enum session_role {
        SESSION_DIALLER, /* speaks first: the initiator of Noise */
        SESSION_RESPONDER,
};

/* Bits of struct introduction.features; unknown ones mean nothing. */
#define FEATURE_RING (UINT64_C(1) << 0) /* takes part in the ring */
#define FEATURE_FOR_RING                                                                           \
        (UINT64_C(1) << 1)                /* a dialler's: knows the other only by the ring, and    \
                                             neither is a user of the other for this session */
#define FEATURE_PROBE (UINT64_C(1) << 2)  /* a dialler's: only sees whether it can be reached */
#define FEATURE_LEDGER (UINT64_C(1) << 3) /* is a member of the ledger, of whatever network */

struct introduction {
        uint8_t key[PUBLIC_KEY_SIZE];
        char id[ID_STRING_SIZE];
        uint16_t port;                /* where it takes connections */
        uint64_t features;            /* FEATURE_… */
        uint64_t run;                 /* chosen anew at each start */
        char name[NAME_SIZE_MAX + 1]; /* cleaned; "" when nothing usable was given */
};

enum introduction_fault {
        INTRODUCTION_MALFORMED = 1,
        INTRODUCTION_BAD_KEY,
        INTRODUCTION_BAD_SIGNATURE,
};

/* @i: name, port, features and run; @identity gives the rest. 0 or -ENOMEM. */
int introduction_encode(const struct introduction *i, const struct identity *identity,
        enum session_role role, const uint8_t hash[static HASH_SIZE],
        const uint8_t static_key[static X25519_SIZE], uint8_t ret[static INTRODUCTION_OWN_MAX],
        size_t *ret_size);
/* @role: of who sent it. 0, enum introduction_fault, or -ENOMEM. */
int introduction_decode(const uint8_t *data, size_t size, enum session_role role,
        const uint8_t hash[static HASH_SIZE], const uint8_t static_key[static X25519_SIZE],
        struct introduction *ret);
