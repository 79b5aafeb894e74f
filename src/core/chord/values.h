/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Records on the ring: where the owner of a name can be reached
 *
 * A name with the first RING_ID_CHARACTERS of its owner's id is a key; it lies at RING_POINTS
 * points, each kept by the RECORD_HOLDERS nodes that follow it. Up to CHORD_OWNERS_MAX owners share
 * a key. The owner signs; whoever keeps or reads a record checks that, and that its name and key
 * lead to where it lies, so nobody can put anything elsewhere or under a stranger's name.
 *
 *     owner                      the first behind the point          the next three
 *       |  lookup, store  ------------------------------------------------> |   every 10 min
 *       | -------------------------> |                                      |
 *       |                            |  store, when the ring has changed    |
 *       |                            | -----------------------------------> |
 *       |  withdraw  ----------------------------------------------------> |   at stop
 *
 * A holder forgets after RECORD_TTL_USEC by its own clock, counted from the owner's sending: a copy
 * for repair carries what is left. The same sequence number never lives longer than it once had, so
 * refreshing needs the owner. What was withdrawn is remembered for as long, or a holder that did
 * not hear of it would bring it back.
 *
 * The endpoints are sealed under a key made of the whole id. The record also has the public key,
 * and the id follows from that: so the seal keeps addresses from who greps through a holder's
 * memory or a log of packets, not from a holder who wants to know.
 */
#include "base/text.h"
#include "core/chord/rpc.h"
#include "core/crypto/sign.h"

struct random;

#define RECORD_HOLDERS 4 /* of each point */
#define RECORD_ENDPOINTS_MAX 4
#define RECORD_TTL_USEC (30 * USEC_PER_MINUTE)
#define RECORD_REFRESH_USEC (10 * USEC_PER_MINUTE)
#define RECORDS_PER_OWNER_MAX 64                 /* keys of one owner at one holder */
#define RECORDS_MAX 4096                         /* at one holder */
#define RECORDS_PER_COPIER_MAX (RECORDS_MAX / 8) /* of others, that one node brought */

struct record {
        uint8_t public_key[PUBLIC_KEY_SIZE];
        uint64_t sequence; /* a greater one replaces */
        char name[NAME_SIZE_MAX + 1];
        struct endpoint endpoints[RECORD_ENDPOINTS_MAX];
        size_t n_endpoints;
};

/* Signs and seals @r, whose public key is that of @i. 0 or -ENOMEM. */
int record_encode(const struct record *r, const struct identity *i, struct random *random,
        uint8_t ret[static CHORD_RECORD_SIZE_MAX], size_t *ret_size);

enum record_fault {
        RECORD_MALFORMED = 1,
        RECORD_NOT_GENUINE,
};

/* 0, positive enum record_fault, or -ENOMEM. */
int record_decode(const void *data, size_t size, struct record *ret);
/* The same of one whose signature was found right before. */
int record_decode_verified(const void *data, size_t size, struct record *ret);
/* The point at which @key lies, or -1 when the record does not belong there. */
int record_point(const struct record *r, const struct ring_id *key);

/* The word of an owner that all of its records up to @sequence are no more. */
#define WITHDRAWAL_SIZE (PUBLIC_KEY_SIZE + 8 + SIGNATURE_SIZE)
int withdrawal_encode(
        const struct identity *i, uint64_t sequence, uint8_t ret[static WITHDRAWAL_SIZE]);
/* 0, enum record_fault, or -ENOMEM. Sets public key and sequence. */
int withdrawal_decode(const void *data, size_t size, struct record *ret);
