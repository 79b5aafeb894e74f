/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * An announcement: somebody says that he is here
 *
 * It comes by datagram, in one dialect or another, and proves nothing: who it is from is the source
 * address of the datagram, and the name is the one that he claims.
 */
#include "base/text.h"

#define ID_STRING_SIZE 27     /* 26 characters of base32, with the zero byte */
#define ANNOUNCE_SIZE_MAX 256 /* of what we send */

enum dialect {
        DIALECT_CLASSIC, /* UDP 6000 */
        DIALECT_SECOND,  /* UDP 6004 */
        N_DIALECTS,
};

/* By how long ago somebody was last heard. */
enum presence {
        PRESENCE_OFFLINE,
        PRESENCE_AWAY,
        PRESENCE_ONLINE,
        N_PRESENCES,
};

struct announce {
        char username[NAME_SIZE_MAX + 1]; /* cleaned by name_clean() */
        char id[ID_STRING_SIZE];          /* "" when none, or not one of ours; asks for a session */
        uint16_t port;                    /* TCP, host byte order; 0 when not given */
        bool has_uuid;                    /* a member "uuid", and no id of ours */
        bool cannot_chat;                 /* another program on the same port: it shares files */
};
