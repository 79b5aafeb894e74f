/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What the world must do
 *
 * Effects are carried out after the changes of the same turn were committed, in their order. None
 * waits for another turn. Pointers in an effect belong to the node and stay valid until its next
 * node_next_effect(); whoever must keep the bytes longer copies them.
 */
#include "core/ledger/ledger.h"
#include "core/node/record.h"
#include "core/transfer/transfer.h"

enum effect_type {
        EFFECT_SEND,     /* append bytes to what is written on a link */
        EFFECT_DIAL,     /* open a connection; node_connected() or node_closed() will tell */
        EFFECT_CLOSE,    /* end a link; how says in what manner */
        EFFECT_DATAGRAM, /* send one, on the interface given; errors are nobody's business */
        EFFECT_REPLY,    /* answer a call of node_send() */
        EFFECT_REFUSE, /* the same, or one of another call that is answered later: with an error */
        EFFECT_JOINED, /* answer a call of node_ring_join() */
        EFFECT_FOUND,  /* answer a call of node_ring_find() */
        EFFECT_LOAD,   /* fetch the text of a queued message; node_loaded() takes it */
        EFFECT_LOAD_BLOCK, /* fetch a stored block; node_block_loaded() takes it */
        EFFECT_LOAD_CHAIN, /* our network is another: node_restore_ledger(), then its blocks, as at
                              start */
        EFFECT_LOAD_GROUP_MESSAGE, /* fetch a stored message of a group;
                                      node_group_message_loaded() takes it */
        EFFECT_SPOOL_WRITE,   /* bytes of a file; node_spool_written() once the disk has them */
        EFFECT_SPOOL_READ,    /* fetch some; node_spool_read() takes them */
        EFFECT_SPOOL_HASH,    /* of the whole; node_spool_hashed() takes it */
        EFFECT_SPOOL_DISCARD, /* it is not needed any more */
        EFFECT_ASK_ROOM, /* node_has_room_on() tells when nothing waits to be written on a link */
};

/* Who was found on the ring. */
#define FOUND_MAX 4
#define FOUND_ENDPOINTS_MAX 4
struct found_user {
        char name[NAME_SIZE_MAX + 1];
        char id[ID_STRING_SIZE];
        struct endpoint endpoints[FOUND_ENDPOINTS_MAX];
        size_t n_endpoints;
};

enum close_how {
        CLOSE_NOW,    /* drop it; no node_closed() follows */
        CLOSE_FLUSH,  /* write what is left, then close; no node_closed() follows. Before this no
                         accepted link may end in an end of file, should the process die: the other
                         side takes that for "on your disk" */
        CLOSE_FINISH, /* write what is left, shut down writing, wait for the other side (at most
                         FINISH_TIMEOUT_USEC); node_closed() follows and says what was seen */
};

#define FINISH_TIMEOUT_USEC (5 * USEC_PER_SEC)
#define DIAL_TIMEOUT_USEC (8 * USEC_PER_SEC)

/* How a link ended. */
enum link_end {
        LINK_CLOSED,       /* end of file; after CLOSE_FINISH: everything was taken */
        LINK_ACKNOWLEDGED, /* CLOSE_FINISH: the other kernel has everything, but nobody closed */
        LINK_REFUSED,      /* a dial: nobody listens there, or the network is unreachable */
        LINK_TIMED_OUT,    /* a dial without an answer, or bytes never acknowledged */
        LINK_RESET,        /* any other error */
};

struct effect {
        enum effect_type type;
        union {
                struct {
                        uint64_t link;
                        const uint8_t *data;
                        size_t size;
                        uint64_t word; /* not 0: node_taken() tells it when the other side's kernel
                                          has acknowledged all that was to be written by then */
                } send;
                struct {
                        uint64_t link; /* odd: those that we dial; even ones are accepted */
                        struct endpoint to;
                        bool resets; /* the other side notices a reset, but no end of file: so is
                                        the link to end, also when the process dies */
                } dial;
                struct {
                        uint64_t link;
                        enum close_how how;
                } close;
                struct {
                        enum dialect
                                dialect; /* which socket; to IPv6 there is one, DIALECT_CLASSIC */
                        uint32_t interface; /* index, or 0: as the routing table says */
                        struct endpoint to;
                        const uint8_t *data;
                        size_t size;
                } datagram;
                struct {
                        uint64_t call;
                        struct ulid id;
                        enum message_state state;
                } reply;
                struct {
                        uint64_t call;
                        int code;             /* enum refusal_code (node.h) */
                        const char *sentence; /* names the value and what to do */
                } refuse;
                struct {
                        uint64_t call;
                } joined;
                struct {
                        uint64_t call;
                        struct found_user users[FOUND_MAX];
                        size_t n;
                } found;
                struct {
                        struct ulid id;
                } load;
                struct {
                        uint8_t network[HASH_SIZE];
                        uint32_t height;
                        struct ledger_peer peer; /* who wants it */
                } load_block;
                struct {
                        uint64_t group; /* number of the conversation */
                        struct group_lane_id lane;
                        uint64_t number;
                        struct group_key peer; /* who wants it */
                } load_group_message;
                struct {
                        struct transfer_ref ref;
                        struct transfer_id id;
                        uint64_t size; /* of the whole file */
                        uint64_t uid;  /* who accepted it */
                        uint64_t offset;
                        const uint8_t *data;
                        size_t n; /* bytes to be written or read */
                } spool;
                struct {
                        uint64_t link;
                } ask_room;
        };
};
