/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What members of a ledger say to each other
 *
 *     TIP          network (32) | header, if there is a block
 *     RECORDS      number (1) | records (blobs)
 *     GET_HEADERS  number (1) | height and hash of blocks that I have, the last first
 *     HEADERS      number (2) | those that follow the first of these that is in my chain
 *     GET_BLOCK    height and hash
 *     BLOCK        a block
 *     MISSING      height and hash of a block that is not in my chain
 *     GET_GENESIS  the first word of who has the name of a network only
 *     GENESIS      it
 *
 * each behind a byte that tells its kind. Unknown kinds are skipped.
 */
#include "core/ledger/ledger.h"

#define GOSSIP_LOCATOR_MAX 40
#define GOSSIP_HEADERS_MAX 650 /* more than the records of LEDGER_FINAL_DEPTH full blocks */
#define GOSSIP_RECORDS_MAX 64

enum gossip_kind {
        GOSSIP_TIP = 1,
        GOSSIP_RECORDS = 2,
        GOSSIP_GET_HEADERS = 3,
        GOSSIP_HEADERS = 4,
        GOSSIP_GET_BLOCK = 5,
        GOSSIP_BLOCK = 6,
        GOSSIP_MISSING = 7,
        GOSSIP_GET_GENESIS = 8,
        GOSSIP_GENESIS = 9,
};

struct gossip {
        enum gossip_kind kind;
        const uint8_t *network; /* TIP; like all pointers here, into the message */
        bool has_header;
        struct block_header header;
        size_t n;
        const uint8_t *items; /* GET_HEADERS, HEADERS, GET_BLOCK, MISSING: n of one size; RECORDS:
                                 blobs */
        const uint8_t *data;  /* BLOCK, GENESIS */
        size_t size;
};

struct wanted {
        uint32_t height;
        uint8_t hash[HASH_SIZE];
};

enum gossip_fault {
        GOSSIP_UNKNOWN = 1, /* to be skipped */
        GOSSIP_MALFORMED,
};

/* 0 or enum gossip_fault. The sum of sizes is right; the n records are still to be decoded. */
int gossip_decode(const void *data, size_t size, struct gossip *ret);
/* Item @i of HEADERS (false: not a header); of GET_HEADERS, GET_BLOCK and MISSING. */
bool gossip_header(const struct gossip *m, size_t i, struct block_header *ret);
void gossip_wanted(const struct gossip *m, size_t i, struct wanted *ret);

/* The size of what was written. */
size_t gossip_tip(const uint8_t network[static HASH_SIZE], const struct block_header *header,
        uint8_t ret[static LEDGER_MESSAGE_SIZE_MAX]);
/* GET_BLOCK, MISSING */
size_t gossip_one(enum gossip_kind kind, const struct wanted *wanted,
        uint8_t ret[static LEDGER_MESSAGE_SIZE_MAX]);
size_t gossip_get_headers(
        const struct wanted *have, size_t n, uint8_t ret[static LEDGER_MESSAGE_SIZE_MAX]);
