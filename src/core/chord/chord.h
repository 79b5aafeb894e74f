/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The ring: who keeps what, found in a few steps, with no server
 *
 * Chord (Stoica et al., IEEE/ACM Transactions on Networking 2003), repaired after Pamela Zave,
 * Reasoning about Identifier Spaces: How to Make Chord Correct (arXiv 1610.01140). An engine like
 * the others of the core: the caller brings what happened and what time it is, and drains what is
 * to be done. It has no connections; peers are named by position and endpoint, and whatever comes
 * from one comes with a position that a session has proven.
 *
 * What one peer says must arrive in the order in which it was said, as a session does.
 *
 * What keeps the ring one ring
 *
 *   - A list of successors is only ever taken from a live node, whole, in the moment of its answer,
 *     and becomes that node followed by its list. A node of which nothing was heard is never put
 *     first. Dead ones are only taken from the front: in the middle they show where one is missing.
 *   - Joining: look up the own position, hear from the successor, take its list; only then is the
 *     node a member and tells its predecessor (JOIN), which puts it between, and its successor
 *     (NOTIFY). So all newcomers of one gap are put in one after the other by the node before it,
 *     and a thousand of them at once are not a chain that stabilisation has to sort out.
 *   - A nearer successor that does not know the former one yet (both have just joined, or come from
 *     two rings) is put before the list that is there, and the two are introduced: nobody is
 *     skipped who was not skipped before. So two rings that touch at one place become one like a
 *     zip.
 *   - Rectify instead of a blind notify: a predecessor is replaced by a nearer one, or when it does
 *     not answer; never by a farther one while it lives.
 *   - A list that changed is told to the predecessor at once, which takes it as if it had asked; so
 *     news goes back as far as lists reach, and there it ends.
 *   - Every round a node looks up itself through others. If another is found in its place, it joins
 *     there again: whoever hangs beside the ring comes back by this.
 *
 * Zave's invariant, which tests check after every message: each member has a live node in its list,
 * and at least CHORD_SUCCESSORS + 1 members are not skipped by anybody's extended list (the member
 * itself, followed by its list).
 *
 * Rings smaller than that, which is every day's. A list ends before its owner comes again, has
 * nobody twice, and says whether it is everybody; then its owner comes behind the last, and with
 * that counts as skipping whom it does not have. Zave's base of r + 1 members keeps lists from
 * wrapping past their owner, which lists that are cut there cannot; that there is one circle does
 * not follow from her proof for smaller rings, and rests on tests of all short histories. The rule
 * is therefore: each member that is not alone has a live node in its list, and the first live
 * successors make one circle, in order, to which all lead; once a ring of r + 1 or more has been at
 * rest, Zave's invariant holds for as long as failures leave that many principal. What the proof
 * takes for granted and a small ring cannot promise, that never all successors of a node fail at
 * once, is made good from outside of it: a node without any successor is its own, a ring of one,
 * and comes back through those whom it knew (fingers, predecessor, contacts) as a newcomer does;
 * every round it tries one that it lost.
 *
 * Two rings become one when a member hears of a node (chord_hear(), INTRODUCE) that a lookup in its
 * own ring does not find: then it looks up itself over there and joins there too.
 *
 * Records of names: core/chord/values.h.
 */
#include "base/usec.h"
#include "core/chord/id.h"
#include "core/chord/rpc.h"
#include "core/chord/values.h"

struct chord;
struct random;

#define CHORD_FINGERS 24                          /* halves of the circle, down to 2^-24 */
#define CHORD_CONTACTS_MAX 16                     /* whom we could ask for a ring */
#define CHORD_SHORTCUTS_MAX 64                    /* first hops of lookups, beside the fingers */
#define CHORD_LOOKUPS_MAX 64                      /* under way, our own included */
#define CHORD_ASK_USEC (3 * USEC_PER_SEC)         /* no answer for so long: gone */
#define CHORD_PATIENCE_USEC (700 * USEC_PER_MSEC) /* then a lookup asks another one too */
#define CHORD_LOOKUP_USEC (30 * USEC_PER_SEC)
#define CHORD_LOOKUP_ASKS_MAX 64
#define CHORD_ROUND_USEC (5 * USEC_PER_SEC)        /* after a change ... */
#define CHORD_ROUND_USEC_MAX (5 * USEC_PER_MINUTE) /* ... doubling up to this */
#define CHORD_SUSPICION_USEC (30 * USEC_PER_SEC)   /* a node that failed is not taken from lists */

enum chord_state {
        CHORD_CLIENT, /* looks up and publishes, keeps nothing, is in nobody's list */
        CHORD_JOINING,
        CHORD_MEMBER,
};

struct chord_options {
        struct ring_id id;               /* our position */
        struct random *random;           /* borrowed */
        const struct identity *identity; /* borrowed; signs records; NULL: publishes nothing */
        uint64_t sequence_first; /* of our records; above all that we ever gave: the realtime clock
                                  */
};

enum chord_effect_type {
        CHORD_SEND,      /* data to peer, in a session that proves its position; dial when there is
                            none, and tell chord_failed() when that cannot be had */
        CHORD_LOOKED_UP, /* answer to chord_look_up() */
        CHORD_FOUND,     /* answer to chord_find() */
};

struct chord_effect {
        enum chord_effect_type type;
        struct chord_peer peer; /* CHORD_SEND */
        const uint8_t *data;    /* CHORD_SEND: the engine's, until the next call of it */
        size_t size;
        uint64_t number; /* CHORD_LOOKED_UP, CHORD_FOUND: what chord_look_up() or chord_find() gave
                          */
        struct rpc_peers successors; /* CHORD_LOOKED_UP: who keeps it, first the nearest; none: not
                                        found */
        unsigned path;               /* CHORD_LOOKED_UP: nodes asked, one after the other */
        unsigned n_asked, n_failed;  /* CHORD_LOOKED_UP */
        struct record records[CHORD_OWNERS_MAX]; /* CHORD_FOUND: genuine ones, the newest of each
                                                    owner */
        size_t n_records;
};

struct chord_status {
        enum chord_state state;
        struct rpc_peers successors;
        bool has_predecessor;
        struct chord_peer predecessor;
        struct chord_peer fingers[CHORD_FINGERS]; /* those that differ */
        size_t n_fingers;
        double estimated_size;
        usec_t repaired_usec; /* when a successor or predecessor that failed was last replaced; 0:
                                 never */
        usec_t round_usec;    /* between rounds now */
        size_t n_records;     /* kept for others */
        size_t n_published;   /* nodes that keep ours */
};

/* Functions that can fail return 0, or -ENOMEM; then nothing is to be hoped of this engine. */
int chord_new(const struct chord_options *options, struct chord **ret);
struct chord *chord_free(struct chord *c);
DEFINE_CLEANUP(struct chord *, chord_free)

/* Another one dialled us back at @endpoint: become a member, through the contacts if there are any,
 * otherwise as the first. */
int chord_start(struct chord *c, const struct endpoint *endpoint, usec_t now_usec);
/* Withdraw our records, say goodbye, be a client again. */
int chord_stop(struct chord *c, usec_t now_usec);
/* A member of a ring, ours or another, is said to be there. To be told once, when it appears, and
 * not with every announcement: unless it is a neighbour, we look whether it is on our ring. */
int chord_hear(struct chord *c, const struct chord_peer *peer, usec_t now_usec);
/* It cannot be reached: dialling failed, the connection died. */
int chord_failed(struct chord *c, const struct ring_id *id, usec_t now_usec);

/* @from: the position that the session proved, and the address that the other end has in it. What
 * breaks the rules is skipped. */
int chord_receive(struct chord *c, const struct chord_peer *from, const void *data, size_t size,
        usec_t now_usec);
int chord_advance(struct chord *c, usec_t now_usec);
usec_t chord_deadline(const struct chord *c);
bool chord_next_effect(struct chord *c, struct chord_effect *ret);

enum chord_outcome {
        CHORD_BUSY = 1, /* too many lookups are under way */
        CHORD_NOBODY,   /* no contact: there is nobody to ask */
};

/* 0 and the number that the effect will bear, enum chord_outcome, or -ENOMEM. */
int chord_look_up(
        struct chord *c, const struct ring_id *target, usec_t now_usec, uint64_t *ret_number);
/* @id: at least RING_ID_CHARACTERS of it; only owners whose id begins so are returned. */
int chord_find(
        struct chord *c, const char *name, const char *id, usec_t now_usec, uint64_t *ret_number);
/* Keep this record on the ring, from now on and refreshed; replaces what was published before. */
int chord_publish(struct chord *c, const char *name, const struct endpoint *endpoints,
        size_t n_endpoints, usec_t now_usec);
int chord_withdraw(struct chord *c, usec_t now_usec);

bool chord_is_member(const struct chord *c);
/* The engine's, until its next input. */
const struct rpc_peers *chord_successors(const struct chord *c);
/* NULL: unknown */
const struct chord_peer *chord_predecessor(const struct chord *c);
void chord_status(const struct chord *c, struct chord_status *ret);
/* A neighbour: worth keeping connected. */
bool chord_is_neighbour(const struct chord *c, const struct ring_id *id);
