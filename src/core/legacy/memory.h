/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * How a classic peer speaks, remembered per peer
 *
 * Zero bytes mean that nothing is known yet. It is kept as it is, by legacy_memory_encode().
 */
#include "base/macro.h"

#define LEGACY_MEMORY_SIZE 16

enum legacy_group {
        LEGACY_GROUP_UNKNOWN,
        LEGACY_GROUP_19_2,
        LEGACY_GROUP_23_5,
        N_LEGACY_GROUPS,
};

enum legacy_choice {
        LEGACY_CHOICE_NONE,
        LEGACY_CHOICE_JSON,  /* {"choice": "y"} comes before the key */
        LEGACY_CHOICE_BARE,  /* y or n */
        LEGACY_CHOICE_BYTE,  /* 0 or 1 as one byte */
        LEGACY_CHOICE_DIGIT, /* 0 or 1 as a digit */
        N_LEGACY_CHOICES,
};

enum legacy_spelling {
        LEGACY_SPELLING_USUAL,   /* encrypted_message */
        LEGACY_SPELLING_BLANK,   /* encrypted message */
        LEGACY_SPELLING_GLUED,   /* encryptedmessage */
        LEGACY_SPELLING_MESSAGE, /* message when plain, else the usual one */
        N_LEGACY_SPELLINGS,
};

enum legacy_connections {
        LEGACY_CONNECTIONS_UNKNOWN,
        LEGACY_CONNECTIONS_ONE, /* key and message on one */
        LEGACY_CONNECTIONS_TWO, /* closed after the key reply, the message comes on another */
        N_LEGACY_CONNECTIONS,
};

struct legacy_memory {
        uint8_t form;        /* 1 + index into the table of cipher forms, 0 unknown */
        uint8_t shape;       /* how cipher text is written: table of shapes, 0 unknown */
        uint8_t spelling;    /* enum legacy_spelling, of the message's member */
        uint8_t group;       /* enum legacy_group */
        uint8_t choice;      /* enum legacy_choice */
        uint8_t connections; /* enum legacy_connections */
        bool key_is_number;
        bool key_is_bare;   /* without an object around it */
        bool key_is_public; /* the member is "public_key" */
        bool has_uuid;      /* its announcement has "uuid": its plain text may be base64 */
        bool plain_is_base64;
        bool no_key; /* never answers a key: only plain text reaches it */

        /* Third dialect, where peers have ids and take connections at any port. */
        uint32_t third_tag;  /* of its id, see third_tag(); 0: it was never met there */
        uint16_t third_port; /* 0: not told */
};

void legacy_memory_encode(const struct legacy_memory *m, uint8_t ret[static LEGACY_MEMORY_SIZE]);
/* Whatever is out of range becomes "unknown"; size 0 is fine. */
void legacy_memory_decode(const uint8_t *data, size_t size, struct legacy_memory *ret);
