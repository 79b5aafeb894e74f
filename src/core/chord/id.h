/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The circle of the ring: 2^256 positions, after the last comes the first
 *
 * A node stands at SHA-256 of its public key, so nobody chooses where, and who has a session with
 * it has seen the proof. The first half of a position is the id of that node
 * (core/crypto/identity.h). A name lies at two points that have nothing to do with each other. All
 * distances go clockwise.
 */
#include "base/endpoint.h"
#include "core/crypto/crypto.h"
#include "core/crypto/identity.h"

#define RING_ID_SIZE HASH_SIZE
#define RING_BITS (8 * RING_ID_SIZE)
#define RING_POINTS 2        /* of every name */
#define RING_ID_CHARACTERS 8 /* of an id that belong to a name on the ring */

struct ring_id {
        uint8_t bytes[RING_ID_SIZE]; /* big-endian */
};

/* Who and where: what nodes tell each other about nodes. */
struct chord_peer {
        struct ring_id id;
        struct endpoint endpoint;
};

static inline bool ring_id_equal(const struct ring_id *a, const struct ring_id *b)
{
        return memcmp(a->bytes, b->bytes, RING_ID_SIZE) == 0;
}

void ring_id_of_key(const uint8_t public_key[static PUBLIC_KEY_SIZE], struct ring_id *ret);
/* The id of the node that stands there. */
void ring_id_to_id(const struct ring_id *position, char ret[static ID_STRING_SIZE]);
/* The least position that a node of this id can have: its successor is that node, or it is not
 * there. */
void ring_id_of_id(const char *id, struct ring_id *ret);
/* Where records of @name and the id that begins with @id (at least RING_ID_CHARACTERS) are kept;
 * @point counts from 0. */
void ring_id_of_name(const char *name, const char *id, unsigned point, struct ring_id *ret);

/* The way from @a to @b; 0 when they are the same. */
struct ring_id ring_distance(const struct ring_id *a, const struct ring_id *b);
/* Is the way from @from to @a shorter than the way from @from to @b? */
bool ring_is_nearer(const struct ring_id *from, const struct ring_id *a, const struct ring_id *b);
/* Strictly between @a and @b; when they are the same, everything but that one. */
bool ring_between(const struct ring_id *a, const struct ring_id *x, const struct ring_id *b);
/* The same, or @x is @b. */
bool ring_between_or_end(const struct ring_id *a, const struct ring_id *x, const struct ring_id *b);
/* @a + 2^@exponent */
struct ring_id ring_add_power(const struct ring_id *a, unsigned exponent);
/* A distance as a part of the circle, 0 to 1: for estimates only. */
double ring_part(const struct ring_id *distance);

/*
 * May @source have told us of @e? Who is far away has nothing to say about our own machine and the
 * networks that only we can reach: otherwise it could have us dial them.
 */
bool ring_endpoint_is_plausible(const struct endpoint *e, const struct endpoint *source);
/* Of one protocol, and worth something equally far: who has several such is the same with each. */
bool ring_endpoints_are_alike(const struct endpoint *a, const struct endpoint *b);
