/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What is said in a session
 *
 * Each side sends its messages in a stream: a random number that it chose once for this peer, and
 * numbers from 1 within it.
 *
 *     a                                                             b
 *     | hello(stream S of a, oldest number not yet acknowledged)    |
 *     | ----------------------------------------------------------> |
 *     |                          resume(S, highest number b has)    |
 *     | <---------------------------------------------------------- |
 *     | message(n), message(n + 1), ...                             |
 *     | ----------------------------------------------------------> |
 *     |                               acknowledge(n), refused(n+1)  |
 *     | <---------------------------------------------------------- |
 *
 * and the same the other way round. Nothing is sent before resume: only it tells whether b has
 * heard numbers that a, put back to an older state, is about to give a second time.
 *
 * Who is called otherwise from now on says so, too. Beside that, nodes of the ring talk
 * (core/chord/rpc.h), in a session that may be for this alone, and members of the ledger
 * (core/ledger/gossip.h), members of groups (core/group/gossip.h), and who has a file for the other
 * (core/transfer/wire.h):
 *
 *     | ring(bytes)                                                 |
 *     | <---------------------------------------------------------> |
 *     | ledger(bytes)                                               |
 *     | <---------------------------------------------------------> |
 *     | group(bytes), group_message(bytes), file(bytes)             |
 *     | <---------------------------------------------------------> |
 *     | dial_back(port): can I be reached?                          |
 *     | ----------------------------------------------------------> |  b dials a, and tells what
 *     |                                 reached(endpoint, or none)  |  came of it
 *     | <---------------------------------------------------------- |
 */
#include "base/encode.h"
#include "base/endpoint.h"
#include "base/usec.h"
#include "core/session/frame.h"

/* Why a message will never be taken. */
enum refused {
        REFUSED_OTHER,
        REFUSED_INVALID_TEXT, /* not printable UTF-8, or empty */
        REFUSED_TOO_LARGE,
        REFUSED_KNOWN_ID, /* another message of this sender has its ULID */
};

enum goodbye {
        GOODBYE_OTHER,
        GOODBYE_STOP,     /* the program ends */
        GOODBYE_IDLE,     /* nothing was said for long */
        GOODBYE_REPLACED, /* there is a newer session with the same peer */
        GOODBYE_ENDED,    /* somebody asked for it */
};

/* One of the frames that are known. Pointers of a decoded one point into the frame. */
struct message {
        enum frame_type type;
        union {
                struct {
                        uint64_t stream; /* of who says it */
                        uint64_t oldest; /* the least number not acknowledged, or the next one to
                                            be given when all are; from 1 */
                } hello;
                struct {
                        uint64_t stream; /* of the other side, from its hello */
                        uint64_t mark;   /* the highest number that is on our disk; 0: none */
                } resume;
                struct {
                        uint64_t number; /* from 1 */
                        struct ulid id;
                        usec_t time_usec; /* when it was written, realtime */
                        const char *text; /* decoded: any bytes of any size; whoever takes it
                                             checks them, and refuses */
                        size_t size;
                } text; /* FRAME_MESSAGE */
                struct {
                        uint64_t number; /* this one and all before it are on disk */
                } acknowledge;
                struct {
                        uint64_t number;
                        enum refused reason;
                } refused;
                struct {
                        enum goodbye reason;
                } goodbye;
                struct {
                        const uint8_t *data;
                        size_t size; /* at most RING_FRAME_MAX */
                } ring;
                struct {
                        const uint8_t *data;
                        size_t size; /* at most LEDGER_FRAME_MAX */
                } ledger;
                struct {
                        const uint8_t *data;
                        size_t size; /* at most GROUP_FRAME_MAX */
                } group;             /* FRAME_GROUP_MESSAGE, too */
                struct {
                        const uint8_t *data;
                        size_t size; /* at most FILE_FRAME_MAX */
                } file;
                struct {
                        const char *name; /* not cleaned */
                        size_t size;      /* at most NAME_FRAME_MAX */
                } name;                   /* of who says it, from now on */
                struct {
                        uint16_t port; /* at the address that this connection comes from */
                } dial_back;
                struct {
                        struct endpoint endpoint; /* no family: not reached */
                } reached;
        };
};

#define RING_FRAME_MAX 2048
#define LEDGER_FRAME_MAX (60 * 1024)
#define GROUP_FRAME_MAX (61 * 1024)
#define FILE_FRAME_MAX (61 * 1024)
#define NAME_FRAME_MAX 255
#define MESSAGE_TEXT_HEAD 33                                  /* bytes before the text */
#define MESSAGE_TEXT_MAX (FRAME_SIZE_MAX - MESSAGE_TEXT_HEAD) /* bytes that a frame can bear */

enum message_fault {
        MESSAGE_UNKNOWN = 1, /* to be skipped */
        MESSAGE_MALFORMED,
};

/* Bytes of its frame. */
size_t message_size(const struct message *m);
/* @ret has room for message_size() bytes, at most FRAME_SIZE_MAX. */
void message_encode(const struct message *m, uint8_t *ret);
/* 0, or enum message_fault. */
int message_decode(const uint8_t *frame, size_t size, struct message *ret);
