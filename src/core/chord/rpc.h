/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What nodes of the ring say to each other
 *
 * Every message fits into one frame of a session: a byte that tells its kind, a number that the
 * answer repeats, and a body. Positions are proven by the session and never told by who speaks
 * about itself. Unknown kinds are skipped.
 *
 *     asked                                   answered
 *     FIND_SUCCESSOR   who keeps target?      FOUND      nodes nearer to it; who keeps it, if known
 *     STABILIZE        how do you stand?      STATE      predecessor and successors
 *     PING_PREDECESSOR are you there?         PONG
 *     STORE            keep this record       STORED
 *     FETCH            what is at target?     RECORDS
 *
 *     told
 *     JOIN        I stand between you and your successor; these are my successors
 *     NOTIFY      I think that I am your predecessor (Zave's rectify)
 *     INTRODUCE   look whether this node is on your ring
 *     LEAVE       I go
 *     WITHDRAW    forget the record of this owner
 */
#include "base/usec.h"
#include "core/chord/id.h"

#define CHORD_SUCCESSORS 8
#define CHORD_OWNERS_MAX 4        /* records under one key */
#define CHORD_RECORD_SIZE_MAX 384 /* one record, encoded */
#define CHORD_MESSAGE_SIZE_MAX 2048

enum rpc_kind {
        RPC_FIND_SUCCESSOR = 1,
        RPC_FOUND = 2,
        RPC_STABILIZE = 3,
        RPC_STATE = 4,
        RPC_PING_PREDECESSOR = 5,
        RPC_PONG = 6,
        RPC_JOIN = 7,
        RPC_NOTIFY = 8,
        RPC_INTRODUCE = 9,
        RPC_LEAVE = 10,
        RPC_STORE = 11,
        RPC_STORED = 12,
        RPC_FETCH = 13,
        RPC_RECORDS = 14,
        RPC_WITHDRAW = 15,
};

enum stored {
        STORED_KEPT,
        STORED_OLD,     /* a newer one is here, or it was withdrawn */
        STORED_FULL,    /* over a limit */
        STORED_REFUSED, /* not genuine, or not ours to keep */
};

/* Peers in a message: in place, decoded one by one. */
struct rpc_peers {
        struct chord_peer peers[CHORD_SUCCESSORS];
        size_t n;
};

struct rpc_blob {
        const uint8_t *data; /* borrowed from the message */
        size_t size;
};

struct rpc {
        enum rpc_kind kind;
        uint32_t number;
        bool is_member;          /* FOUND, STATE, PONG: of who answers */
        bool is_whole;           /* STATE, JOIN: behind the last of successors comes who speaks */
        bool has_predecessor;    /* STATE */
        struct chord_peer peer;  /* STATE: predecessor; JOIN, NOTIFY: who speaks, its id is not
                                    encoded; INTRODUCE */
        struct ring_id target;   /* FIND_SUCCESSOR, STORE, FETCH */
        struct rpc_peers closer; /* FOUND: before the target, the nearest to it first */
        struct rpc_peers successors;               /* FOUND: at or behind the target; STATE, JOIN */
        uint32_t ttl_sec;                          /* STORE */
        enum stored stored;                        /* STORED */
        struct rpc_blob records[CHORD_OWNERS_MAX]; /* STORE, WITHDRAW: the first; RECORDS */
        size_t n_records;
};

enum rpc_fault {
        RPC_UNKNOWN = 1, /* to be skipped */
        RPC_MALFORMED,
};

/* The size of what was written. */
size_t rpc_encode(const struct rpc *m, uint8_t ret[static CHORD_MESSAGE_SIZE_MAX]);
/* 0, or enum rpc_fault. Peers with endpoints that @source cannot speak for are left out. */
int rpc_decode(const void *data, size_t size, const struct endpoint *source, struct rpc *ret);

/* Without a scope. */
struct reader;
struct writer;
