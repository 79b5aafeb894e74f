/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A message to a group, signed by its author
 *
 *     format (1) | group (16) | author (32) | stream (8) | membership version (4) | number (8)
 *         | time (8) | text (blob) | signature (64)
 *
 * The SHA-256 of what stands before the signature identifies the message, and is what is signed.
 */
#include "base/usec.h"
#include "core/group/membership.h"

#define GROUP_TEXT_SIZE_MAX (60 * 1024)
#define GROUP_MESSAGE_SIZE_MAX                                                                     \
        (1 + GROUP_ID_SIZE + 32 + 8 + 4 + 8 + 8 + 2 + GROUP_TEXT_SIZE_MAX + 64)

struct group_message {
        struct group_id group;
        struct group_lane_id lane;
        uint64_t number;  /* in the lane, from 1 */
        usec_t time_usec; /* by the author's clock */
        const char *text; /* no zero byte at its end; in what was decoded */
        size_t text_size;
        uint8_t signature[SIGNATURE_SIZE];
        uint8_t id[HASH_SIZE];
};

/* 1 to GROUP_TEXT_SIZE_MAX bytes of printable UTF-8. */
bool group_text_is_valid(const char *text, size_t size);
size_t group_message_encode(
        const struct group_message *m, uint8_t ret[static GROUP_MESSAGE_SIZE_MAX]);
/* 0 or GROUP_CODEC_MALFORMED. The signature is not looked at. */
int group_message_decode(const void *data, size_t size, struct group_message *ret);
/* Encodes it, @i being the author; sets the id. 0 or -ENOMEM. */
int group_message_sign(struct group_message *m, const struct identity *i,
        uint8_t ret[static GROUP_MESSAGE_SIZE_MAX], size_t *ret_size);
/* 0, enum group_codec_fault, or -ENOMEM */
int group_message_verify(const struct group_message *m);
