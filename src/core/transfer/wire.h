/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What two sides of a transfer say to each other
 *
 *     OFFER  id (16) | size (8) | hash (32) | size of name (1) | name
 *     WANT   id | have (8): the bytes from the beginning that I need no more
 *               | end (8): you may send what lies before it
 *     CHUNK  id | offset (8) | bytes
 *     END    id | reason (1)
 *     ENDED  id: I have heard END, or never heard of it
 *
 * each behind a byte that tells its kind. Unknown kinds are skipped. There is one spelling of
 * everything: what decodes encodes to the same bytes.
 */
#include "core/transfer/transfer.h"

enum transfer_wire_kind {
        TRANSFER_WIRE_OFFER = 1,
        TRANSFER_WIRE_WANT = 2,
        TRANSFER_WIRE_CHUNK = 3,
        TRANSFER_WIRE_END = 4,
        TRANSFER_WIRE_ENDED = 5,
};

struct transfer_wire {
        enum transfer_wire_kind kind;
        struct transfer_id id;
        uint64_t size;       /* OFFER */
        const uint8_t *hash; /* like all pointers of a decoded one, into the message */
        const char *name;    /* without a zero byte behind it */
        size_t name_size;
        uint64_t have, end; /* WANT */
        uint64_t offset;    /* CHUNK */
        const uint8_t *data;
        size_t data_size;
        enum transfer_reason reason; /* END */
};

enum transfer_wire_fault {
        TRANSFER_WIRE_UNKNOWN = 1, /* to be skipped */
        TRANSFER_WIRE_MALFORMED,
};

/* 0 or enum transfer_wire_fault. Names are clean, sizes and windows within their limits. */
int transfer_wire_decode(const void *data, size_t size, struct transfer_wire *ret);
/* Which transfer one that is malformed is about; only kind and id are filled in. False: none. */
bool transfer_wire_peek(const void *data, size_t size, struct transfer_wire *ret);

size_t transfer_wire_size(const struct transfer_wire *m);
/* Writes so many bytes. */
void transfer_wire_encode(const struct transfer_wire *m, uint8_t *ret);
