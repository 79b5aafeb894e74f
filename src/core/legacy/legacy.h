/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Talks in the classic dialects, as an engine without input or output
 *
 * One struct legacy serves all classic connections of a node. A connection is a link number, given
 * by whoever has the connection; the engine hears what came in on it and says what must be sent.
 *
 *     initiator                                   responder
 *        |  {"key": "A"}                              |
 *        | -----------------------------------------> |     A = g^a mod p
 *        |                              {"key": "B"}  |
 *        | <----------------------------------------- |     B = g^b mod p, S = g^ab mod p
 *        |  {"encrypted_message": "..."}              |
 *        | -----------------------------------------> |
 *        |  close                                     |
 *
 * or, in plain text, {"unencrypted_message": "..."} and close. Programs in the wild differ in all
 * of it; the engine understands everybody and remembers per peer how he spoke (struct
 * legacy_memory). All of this is toy cryptography: it is called "legacy" and never secure.
 *
 * After each call the caller drains legacy_next_effect().
 */
#include "base/endpoint.h"
#include "base/usec.h"
#include "core/discovery/announce.h"
#include "core/legacy/memory.h"

struct legacy;
struct random;

#define LEGACY_OBJECT_MAX (16 * 1024) /* bytes of one object that comes in */
#define LEGACY_JSON_DEPTH_MAX 8
#define LEGACY_SEND_MAX 1000 /* an object that we send is shorter than this */
#define LEGACY_PARTS_MAX 16
#define LEGACY_NUMBER_MAX 101 /* decimal digits of a number, with the zero byte */

enum legacy_security {
        LEGACY_PLAIN,     /* sent as it is */
        LEGACY_ENCRYPTED, /* the classic key exchange */
};

/* What is to be sent on a link that we opened. */
struct legacy_order {
        enum legacy_security security;
        enum dialect dialect;
        const char *text; /* valid UTF-8, one part; copied */
        size_t size;
        const char *username; /* ours; copied */
        const char *number;   /* the user's own private number, decimal, or NULL for a random one */
};

enum legacy_outcome {
        LEGACY_WRITTEN, /* all is said; sent once the other side has closed or acknowledged */
        LEGACY_AGAIN,   /* open another connection and initiate again: the memory has changed, or
                           the key is agreed upon and the message goes on a second connection */
        LEGACY_NO_KEY,  /* the other side does not answer the key exchange, in no spelling */
        LEGACY_NOT_UNDERSTOOD, /* it answered something that is no key */
};

enum legacy_effect_type {
        LEGACY_SEND,    /* data, size: to be written on the link */
        LEGACY_CLOSE,   /* close it when all was written; the engine has forgotten the link */
        LEGACY_FINISH,  /* all is said: shut down writing when all was written, then wait for the
                           other side. The engine listens on, for a reply is a message like any
                           other; it neither sends nor closes any more */
        LEGACY_MESSAGE, /* a message came: text, size, security, name */
        LEGACY_LEARNED, /* memory: how the peer at this address speaks, to be kept with him */
        LEGACY_RESULT,  /* outcome of legacy_initiate(), once per link; LEGACY_FINISH precedes
                           LEGACY_WRITTEN, LEGACY_CLOSE the others */
        LEGACY_NOTICE,  /* sentence: something came that cannot be read; for the user */
};

/* Pointers stay valid until the next call of any legacy_ function. */
struct legacy_effect {
        enum legacy_effect_type type;
        uint64_t link;
        struct endpoint remote;
        const void *data; /* SEND; for MESSAGE valid, printable UTF-8 */
        size_t size;
        enum legacy_security security;
        const char *name; /* MESSAGE: what the sender calls himself, cleaned, or "": a hint only */
        struct legacy_memory memory;
        enum legacy_outcome outcome;
        const char *sentence;
};

/* @random is borrowed. 0 or -ENOMEM. */
int legacy_new(struct random *random, struct legacy **ret);
struct legacy *legacy_free(struct legacy *l);
DEFINE_CLEANUP(struct legacy *, legacy_free)

/* A connection came in from @remote, of whom @memory is known (empty for a stranger). */
int legacy_accepted(struct legacy *l, uint64_t link, const struct endpoint *remote,
        const struct legacy_memory *memory, usec_t now_usec);
/* A connection that we opened to @remote stands. */
int legacy_initiate(struct legacy *l, uint64_t link, const struct endpoint *remote,
        const struct legacy_memory *memory, const struct legacy_order *order, usec_t now_usec);
int legacy_receive(struct legacy *l, uint64_t link, const void *data, size_t size, usec_t now_usec);
/* The other side will write no more (end of file). */
int legacy_end(struct legacy *l, uint64_t link, usec_t now_usec);
/* The connection is gone, without any effect of ours. Initiated: no LEGACY_RESULT comes any more.
 */
void legacy_lost(struct legacy *l, uint64_t link);
/* Our addresses are others now, and peers know us by them: a key that was agreed upon for a second
 * connection is agreed upon anew. */
void legacy_moved(struct legacy *l);
/* All return 0 or -ENOMEM; what the peer does wrong shows in effects only. Unknown links are
 * ignored. */

/* The time has come that legacy_deadline() named; USEC_INFINITY: never. */
int legacy_advance(struct legacy *l, usec_t now_usec);
usec_t legacy_deadline(const struct legacy *l);
bool legacy_next_effect(struct legacy *l, struct legacy_effect *ret);

/*
 * How many bytes of @text go into the first part, so that its object is shorter than
 * LEGACY_SEND_MAX; cut between code points, at least one.
 */
size_t legacy_part_size(const struct legacy_memory *memory, enum legacy_security security,
        const char *username, const char *text, size_t size);
/* Into how many parts it goes, counting no further than LEGACY_PARTS_MAX + 1. */
size_t legacy_count_parts(const struct legacy_memory *memory, enum legacy_security security,
        const char *username, const char *text, size_t size);

/*
 * Announcements ↔ JSON. Decoding: 0, positive when it is none (broken JSON, no username, no valid
 * name), -ENOMEM. Encoding: @ip is the address in its dialect's text; returns the size without the
 * zero byte that is written too, always <= ANNOUNCE_SIZE_MAX.
 */
int legacy_decode_announce(
        enum dialect dialect, const void *data, size_t size, struct announce *ret);
int legacy_encode_announce(enum dialect dialect, const struct announce *a,
        const struct endpoint *ip, bool compat, char buffer[static ANNOUNCE_SIZE_MAX + 1],
        size_t *ret_size);
