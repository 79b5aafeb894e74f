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
};

enum legacy_choice {
        LEGACY_CHOICE_NONE,
        LEGACY_CHOICE_JSON, /* {"choice": "y"} comes before the key */
        LEGACY_CHOICE_BARE, /* y or n */
        LEGACY_CHOICE_BYTE, /* 0 or 1 as one byte */
};

struct legacy_memory {
        uint8_t form;     /* 1 + index into the table of cipher forms, 0 unknown */
        uint8_t shape;    /* how cipher text is written: table of shapes, 0 unknown */
        uint8_t spelling; /* of the message's member, 0 the usual one */
        uint8_t group;    /* enum legacy_group */
        uint8_t choice;   /* enum legacy_choice */
        bool key_is_number;
        bool has_uuid; /* its announcement has "uuid": its plain text may be base64 */
        bool plain_is_base64;
        bool no_key; /* never answers a key: only plain text reaches it */
};

void legacy_memory_encode(const struct legacy_memory *m, uint8_t ret[static LEGACY_MEMORY_SIZE]);
/* Whatever is out of range becomes "unknown"; size 0 is fine. */
void legacy_memory_decode(const uint8_t *data, size_t size, struct legacy_memory *ret);
