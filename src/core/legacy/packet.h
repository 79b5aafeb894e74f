/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Packets of the third dialect: from a stream of bytes to texts
 *
 *     payload 0x04
 *     base64(compressed payload, "zlib") 0x02 0x04
 *
 * The payload is text, or a JSON object whose "message" is the text. Of the three compressions
 * that such programs know, zlib is understood.
 */
#include "core/legacy/legacy.h"
#include "core/legacy/object.h"

#define PACKET_END 0x04
#define PACKET_COMPRESSED 0x02
#define PACKET_SIZE_MAX LEGACY_OBJECT_MAX /* as it came, and again when it is unpacked */
#define PACKET_SKIPPED_MAX (1024 * 1024)  /* of one that is too large */

struct packet_reader {
        struct buffer bytes; /* of the packet under way, or of the one that was read last */
        size_t n_skipped;    /* of one that is too large; 0: it is not */
        bool is_read;        /* bytes were given out */
};

enum {
        PACKET_MORE = 0,  /* all was used, nothing is complete */
        PACKET_READ,      /* *ret is set, until the next call; there may be more behind *ret_used */
        PACKET_TOO_LARGE, /* one was passed over; there may be more behind *ret_used */
        PACKET_ENDLESS,   /* it does not end: the connection is worth nothing any more */
};

void packet_reader_init(struct packet_reader *r);
void packet_reader_done(struct packet_reader *r);
/* Empty ones are passed over. PACKET_*, or -ENOMEM. */
int packet_read(struct packet_reader *r, const void *data, size_t size, size_t *ret_used,
        const struct buffer **ret);

/* What a packet says: OBJECT_PLAIN with its text, or OBJECT_OTHER when there is nothing for people
 * in it; in both cases the name that is told along with it, if any. 0; 1 and in *ret_why the end of
 * a sentence when it cannot be read; or -ENOMEM. */
int packet_understand(const struct buffer *packet, struct object *ret, const char **ret_why);
