/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Records of the ledger: who bears which name
 *
 *     REGISTER  this name is mine: the first time, or once more before it ends
 *     REVOKE    this name is no longer this key's; if a successor is named, it alone may have it
 *
 *     version (1) | kind (1) | name (blob) | public key (32) | time (8) | successor (0 or 32)
 *         | signature (64) | registrar (1) | its signature (64)
 *
 * What stands before the signature is the record; its SHA-256 is the identity of the record, so
 * another signature does not make another record. Nothing can be written in two ways: whatever
 * decodes encodes to the same bytes. The name is kept as its owner writes it and compared after
 * folding.
 *
 * Signatures cover the hash of the network too: who registers in one has not registered in another.
 * A registrar signs the whole of what the owner signed, and the owner's signature; it is named by
 * its place in the genesis, where 255 stands for none, and then nothing follows.
 */
#include "base/text.h"
#include "base/usec.h"
#include "core/crypto/sign.h"

#define CERTIFICATE_SIZE_MAX (2 + 2 + USERNAME_SIZE_MAX + 32 + 8 + 64 + 1 + 64)
#define REGISTRARS_MAX 16

enum certificate_kind {
        CERTIFICATE_REGISTER = 1,
        CERTIFICATE_REVOKE = 2,           /* nobody has the name for a while */
        CERTIFICATE_REVOKE_SUCCESSOR = 3, /* ... but this one */
};

struct certificate {
        enum certificate_kind kind;
        char name[USERNAME_SIZE_MAX + 1];
        uint8_t public_key[PUBLIC_KEY_SIZE];
        usec_t time_usec; /* by the owner's clock; a later one of the same key counts */
        uint8_t successor[PUBLIC_KEY_SIZE];
        uint8_t signature[SIGNATURE_SIZE];
        bool has_registrar;
        uint8_t registrar; /* its place in the genesis */
        uint8_t registrar_signature[SIGNATURE_SIZE];
        uint8_t id[HASH_SIZE];
};

/* Who may sign, and for what network. */
struct certificate_context {
        uint8_t network[HASH_SIZE];
        uint8_t registrars[REGISTRARS_MAX][PUBLIC_KEY_SIZE]; /* checked by sign_key_check() */
        size_t n_registrars;                                 /* 0: everybody may register */
};

enum certificate_fault {
        CERTIFICATE_MALFORMED = 1,
        CERTIFICATE_BAD_KEY,
        CERTIFICATE_NOT_GENUINE,
        CERTIFICATE_NOT_APPROVED, /* a registration without a registrar where there are some */
};

/* The size of what was written. */
size_t certificate_encode(const struct certificate *c, uint8_t ret[static CERTIFICATE_SIZE_MAX]);
/* 0 or CERTIFICATE_MALFORMED. Keys and signatures are not looked at: that is for
 * certificate_verify(), before anything else is done with them. */
int certificate_decode(const void *data, size_t size, struct certificate *ret);

/* Signs with the key of @i, which becomes the public key; sets the identity. 0 or -ENOMEM. */
int certificate_sign(
        struct certificate *c, const struct identity *i, const struct certificate_context *x);
/* Adds the signature of a registrar. 0, CERTIFICATE_BAD_KEY when @i is none, or -ENOMEM. */
int certificate_approve(
        struct certificate *c, const struct identity *i, const struct certificate_context *x);
/* 0, enum certificate_fault, or -ENOMEM. */
int certificate_verify(const struct certificate *c, const struct certificate_context *x);
