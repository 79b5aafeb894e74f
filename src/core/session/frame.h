/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Frames: what one sealed message holds, and how often keys change
 *
 * A frame is a byte that tells its type, and a body. Types from FRAME_MESSAGE on are messages,
 * whether this program knows them or not: they count for the change of keys, so both sides must
 * count alike. Unknown types of either kind are skipped.
 *
 * On the stream each message of Noise, of the handshake and after it, has two bytes of length in
 * front.
 */
#include "base/macro.h"

#define PACKET_HEAD_SIZE 2
#define PACKET_MAX 65535
#define FRAME_SIZE_MAX 65519 /* type and body; sealed it just fits into a packet */

enum frame_type {
        FRAME_HELLO = 1,
        FRAME_RESUME = 2,
        FRAME_ACKNOWLEDGE = 3,
        FRAME_REFUSED = 4,
        FRAME_GOODBYE = 5,
        FRAME_RING = 6,
        FRAME_DIAL_BACK = 7,
        FRAME_REACHED = 8,
        FRAME_LEDGER = 9,
        FRAME_NAME = 10,
        FRAME_GROUP = 11,
        FRAME_FILE = 12,
        FRAME_MESSAGE = 0x80,
        FRAME_GROUP_MESSAGE = 0x81, /* as FRAME_GROUP, for what bears a message */
};

static inline bool frame_is_message(uint8_t type)
{
        return type >= FRAME_MESSAGE;
}

#define ROTATION_MESSAGES 8
/* Bytes of frames that are no messages. */
#define ROTATION_OTHER_SIZE (UINT64_C(64) * 1024 * 1024)

/* What went in one direction of a session. */
struct flow {
        uint64_t n_frames;
        uint64_t n_messages;
        uint64_t size;        /* bytes of frames */
        uint64_t other_size;  /* of frames that are no messages, since they last changed the key */
        uint64_t n_rotations; /* how often the key changed */
};

/* Counts a frame. True: after this one both sides change the key of this direction. */
bool flow_count(struct flow *f, uint8_t type, size_t size);

/* The next packet of a stream: true and the size of its contents behind PACKET_HEAD_SIZE; false
 * when it is not whole yet, and *ret_size is what is known of it (0: nothing). */
bool packet_peek(const uint8_t *data, size_t left, size_t *ret_size);
