/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What members of groups say to each other
 *
 *     TIP         group (16) | version (4) | hash (32) | nonce (16) | digest (8)
 *     MEMBERSHIP  a membership (membership.h)
 *     LEAVE       a wish to leave
 *     FAREWELL    to a departed: his entry
 *     HAVE        group (16) | flags (1) | number (2) | lanes: author (32), stream (8),
 *                 version (4), highest number (8)
 *     GET         group (16) | author (32) | stream (8) | version (4) | first number (8) | how
 *                 many (1)
 *     MESSAGE     a message (message.h)
 *
 * each behind a byte that tells its kind. Unknown kinds are skipped. Flags of HAVE are one of enum
 * group_have_flags.
 */
#include "core/group/message.h"

#define GROUP_GOSSIP_SIZE_MAX (1 + GROUP_MESSAGE_SIZE_MAX)
#define GROUP_GOSSIP_LANES_MAX 1024
#define GROUP_GOSSIP_GET_MAX 32
#define GROUP_DIGEST_NONCE_SIZE 16

enum group_gossip_kind {
        GROUP_GOSSIP_TIP = 1,
        GROUP_GOSSIP_MEMBERSHIP = 2,
        GROUP_GOSSIP_LEAVE = 3,
        GROUP_GOSSIP_FAREWELL = 4,
        GROUP_GOSSIP_HAVE = 5,
        GROUP_GOSSIP_GET = 6,
        GROUP_GOSSIP_MESSAGE = 7,
};

enum group_have_flags {
        GROUP_HAVE_NEWS = 0,   /* or an answer that goes on */
        GROUP_HAVE_ANSWER = 1, /* the last of an answer to TIP: that is all */
        GROUP_HAVE_SAME = 2,   /* an answer: the same as yours; no lanes follow */
};

struct group_gossip {
        enum group_gossip_kind kind;
        struct group_id group;   /* TIP, HAVE, GET */
        uint32_t version;        /* TIP */
        uint8_t hash[HASH_SIZE]; /* TIP */
        uint8_t nonce[GROUP_DIGEST_NONCE_SIZE];
        uint64_t digest;             /* TIP: of all lanes that both have a right to, see lane.c */
        enum group_have_flags flags; /* HAVE */
        struct group_lane_id lane;   /* GET */
        uint64_t number;             /* GET: the first */
        size_t n;                    /* HAVE: lanes; GET: messages */
        const uint8_t *data;         /* HAVE: the lanes; others: what is carried; in the message */
        size_t size;
};

enum group_gossip_fault {
        GROUP_GOSSIP_UNKNOWN = 1, /* to be skipped */
        GROUP_GOSSIP_MALFORMED,
};

/* 0 or enum group_gossip_fault. What is carried is still to be decoded. */
int group_gossip_decode(const void *data, size_t size, struct group_gossip *ret);
/* Lane @i of HAVE. False: it is nonsense. */
bool group_gossip_lane(
        const struct group_gossip *m, size_t i, struct group_lane_id *ret, uint64_t *ret_number);

/* The size of what was written. */
size_t group_gossip_tip(const struct group_gossip *m, uint8_t ret[static GROUP_GOSSIP_SIZE_MAX]);
size_t group_gossip_get(const struct group_gossip *m, uint8_t ret[static GROUP_GOSSIP_SIZE_MAX]);
/* HAVE, lane by lane: begin, then add as long as there is room. */
size_t group_gossip_have(const struct group_id *group, enum group_have_flags flags,
        uint8_t ret[static GROUP_GOSSIP_SIZE_MAX]);
size_t group_gossip_have_lane(uint8_t message[static GROUP_GOSSIP_SIZE_MAX], size_t size,
        const struct group_lane_id *lane, uint64_t number);
/* Once it is known whether more follows. */
static inline void group_gossip_set_flags(
        uint8_t message[static GROUP_GOSSIP_SIZE_MAX], enum group_have_flags flags)
{
        message[1 + GROUP_ID_SIZE] = (uint8_t)flags;
}
static inline bool group_gossip_is_full(const uint8_t message[static GROUP_GOSSIP_SIZE_MAX])
{
        return (message[1 + GROUP_ID_SIZE + 1] << 8 | message[1 + GROUP_ID_SIZE + 2]) >=
               GROUP_GOSSIP_LANES_MAX;
}
