/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The engine of the ring, from inside
 *
 *     chord.c    begins and ends, hands messages and times around
 *     ask.c      what was asked and of whom; what is to be sent
 *     ring.c     successors and predecessor
 *     place.c    our place: joining, coming back, merging
 *     finger.c   fingers
 *     lookup.c   lookups
 *     holder.c   records kept for others
 *     owner.c    our own record; finding those of others
 *
 * Running out of memory sets c->error, which every input returns at its end; so most functions here
 * return nothing.
 */
#include "base/list.h"
#include "base/ratelimit.h"
#include "core/chord/chord.h"
#include "core/crypto/random.h"

#define LOOKUP_CANDIDATES_MAX 24
#define SUSPECTS_MAX 16
#define INTRODUCTIONS_MAX 16
#define INTRODUCTIONS_PER_ROUND 32 /* in CHORD_ROUND_USEC */
#define FINGERS_ASKED_MAX 3        /* at a time */
#define FINDS_MAX 16
#define VERIFIED_MAX 256      /* records whose signature need not be looked at again */
#define VERIFICATIONS_MAX 256 /* in a second: a part of it, on any machine */

enum ask_purpose {
        ASK_SUCCESSOR,   /* the first round trip of a round */
        ASK_NEARER,      /* somebody who seems to stand before our successor */
        ASK_PREDECESSOR, /* is it there? */
        ASK_FINGER,      /* who stands before it? */
        ASK_LOST,        /* is it back? */
        ASK_LOOKUP,
        ASK_STORE,
        ASK_FETCH,
};

struct ask {
        uint32_t number;
        enum ask_purpose purpose;
        struct chord_peer peer;
        uint64_t reference; /* ASK_FINGER: its index; ASK_LOOKUP, ASK_FETCH: number of the lookup or
                               find; ASK_STORE: the point */
        usec_t patience_usec; /* ASK_LOOKUP, ASK_FETCH: then another one is asked too */
        usec_t deadline_usec;
};

enum lookup_purpose {
        LOOKUP_USER,
        LOOKUP_FINGER,  /* reference: its index */
        LOOKUP_SELF,    /* does the ring find us where we are? */
        LOOKUP_JOIN,    /* where would we be on the ring of others? */
        LOOKUP_CHECK,   /* is c->checked on our ring? */
        LOOKUP_PUBLISH, /* reference: the point */
        LOOKUP_MOVE,    /* who keeps the target now? We did once */
        LOOKUP_FIND,    /* reference: number of the find * RING_POINTS + point */
};

enum candidate_state {
        CANDIDATE_NEW,
        CANDIDATE_ASKED,
        CANDIDATE_ANSWERED,
        CANDIDATE_FAILED,
};

struct candidate {
        struct chord_peer peer;
        enum candidate_state state;
        usec_t patience_usec; /* ASKED: after that others are asked too */
        unsigned depth;       /* in how many steps it was come by */
};

struct lookup {
        uint64_t number;
        enum lookup_purpose purpose;
        uint64_t reference;
        struct ring_id target;
        bool has_excluded;
        struct ring_id excluded;                            /* not to be believed */
        struct candidate candidates[LOOKUP_CANDIDATES_MAX]; /* the nearest to the target first */
        size_t n_candidates;
        bool has_claim; /* somebody, or our own list, says who keeps the target */
        struct chord_peer claimant;
        struct rpc_peers claim;
        unsigned claim_depth;
        bool is_doubtful; /* the claim */
        unsigned n_asked, n_failed;
        usec_t deadline_usec;
};

struct suspect {
        struct ring_id id;
        usec_t until_usec;
};

struct introduced {
        struct chord_peer peer;
        bool by_neighbour; /* who saw it beside us */
};

struct holding {
        struct list in_holdings;
        struct ring_id key;
        uint8_t public_key[PUBLIC_KEY_SIZE];
        uint64_t sequence;
        usec_t until_usec;
        struct ring_id by; /* who brought it ... */
        bool is_copy;      /* ... and is not its owner */
        size_t size;       /* 0: was withdrawn */
        bool moves;        /* it is to be looked up who keeps it now, ... */
        bool is_moved;     /* ... and that one has it */
        uint8_t data[];
};

struct publication {
        bool is_wanted;
        struct record record;
        uint8_t data[CHORD_RECORD_SIZE_MAX];
        size_t size;
        usec_t next_usec;
        bool has_failed;                                            /* this time */
        unsigned n_failures;                                        /* one after the other */
        struct chord_peer holders[RING_POINTS][2 * RECORD_HOLDERS]; /* the last ones asked */
        size_t holder_next[RING_POINTS];
        size_t n_kept[RING_POINTS]; /* this time */
};

struct find_point {
        struct ring_id key;
        struct rpc_peers holders;
        size_t n_asked, n_open;
        bool has_record;
        usec_t until_usec; /* when it is done although somebody was asked and has not answered */
        bool is_done;
        bool is_retried;
        struct ring_id claimant;
};

struct find {
        uint64_t number;
        char id[ID_STRING_SIZE];
        struct find_point points[RING_POINTS];
        struct record records[CHORD_OWNERS_MAX];
        uint8_t digests[CHORD_OWNERS_MAX][HASH_SIZE]; /* of what the records were decoded from */
        size_t n_records;
};

struct queued_effect {
        struct list in_effects;
        struct chord_effect effect;
        uint8_t data[];
};

struct chord {
        struct chord_options options;
        struct ring_id id;
        enum chord_state state;
        struct endpoint endpoint;
        usec_t now_usec; /* of the input that is being handled */
        int error;

        struct rpc_peers successors;
        bool is_whole; /* that is everybody */
        bool has_predecessor;
        struct chord_peer predecessor;
        bool has_rival; /* stands there if the predecessor does not answer */
        struct chord_peer rival;
        bool takes_place; /* between these two: the one ahead is asked, then behind is told */
        struct chord_peer behind;
        struct ring_id ahead;
        struct suspect bridged; /* a successor that the one before it is still to learn of */
        bool is_broken;         /* a neighbour failed and was not replaced yet */
        usec_t repaired_usec;

        struct chord_peer fingers[CHORD_FINGERS]; /* 0 is half a circle away */
        uint32_t fingers_known, fingers_wanted;
        unsigned fingers_asked;

        struct chord_peer contacts[CHORD_CONTACTS_MAX];
        size_t n_contacts, contact_next;
        struct chord_peer shortcuts[CHORD_SHORTCUTS_MAX]; /* answered lookups of ours lately */
        size_t shortcut_next;
        struct suspect suspects[SUSPECTS_MAX];
        size_t suspect_next;
        struct introduced introductions[INTRODUCTIONS_MAX];
        size_t n_introductions;
        struct chord_peer checked;
        unsigned introductions_taken;
        usec_t introductions_usec;

        usec_t round_usec, interval_usec; /* the next one; after it the next but one */
        bool has_changed;                 /* neighbours, since the last round */
        bool fingers_changed;
        bool joins; /* a LOOKUP_JOIN is under way */

        struct ask *asks;
        size_t n_asks, asks_allocated;
        uint32_t number_last;
        struct lookup *lookups[CHORD_LOOKUPS_MAX];
        size_t n_lookups;
        uint64_t lookup_last;
        struct find *finds[FINDS_MAX];
        size_t n_finds;

        /* Hashes of records that are genuine, each in the place that its first byte gives. */
        uint8_t verified[VERIFIED_MAX][HASH_SIZE];

        struct list holdings;
        size_t n_holdings;
        struct ratelimit verifications; /* of what others would have us keep, or forget */
        usec_t repair_usec;             /* of records */
        struct ring_id repaired_to[RECORD_HOLDERS - 1];
        size_t n_repaired_to;
        bool has_handed_over;
        struct ring_id handed_over_to;
        struct publication publication;

        struct list effects;
        struct queued_effect *given;
};

/* ask.c */
void chord_send(struct chord *c, const struct chord_peer *peer, const struct rpc *m);
/* @m gets a number. */
void chord_ask(struct chord *c, const struct chord_peer *peer, struct rpc *m,
        enum ask_purpose purpose, uint64_t reference);
/* Takes the ask that this answers, if there is one. */
bool chord_take_ask(
        struct chord *c, const struct ring_id *from, const struct rpc *answer, struct ask *ret);
bool chord_is_asked(const struct chord *c, const struct ring_id *id, enum ask_purpose purpose);
/* Those that do not let us wait for too long yet. */
unsigned chord_count_asked(const struct chord *c, enum ask_purpose purpose, uint64_t reference);
/* One that is over at @now_usec, or that goes to @id if that is not NULL. */
bool chord_take_failed_ask(struct chord *c, const struct ring_id *id, struct ask *ret);
struct chord_effect *chord_add_effect(struct chord *c, enum chord_effect_type type, size_t size);

/* chord.c */
/* record_decode() that verifies a signature once: that takes most of the time of a lookup. */
int chord_decode_record(struct chord *c, const struct rpc_blob *record, struct record *ret);
void chord_ask_failed(struct chord *c, const struct ask *a);

/* ring.c */
void ring_begin(struct chord *c);
void ring_end(struct chord *c);
void ring_round(struct chord *c);
void ring_gone(struct chord *c, const struct ring_id *id);
/* It did not answer what has nothing to do with its place. */
void ring_silent(struct chord *c, const struct ring_id *id);
void ring_state(struct chord *c, const struct ask *a, const struct rpc *m);
void ring_predecessor_answered(struct chord *c);
void ring_joined(struct chord *c, const struct chord_peer *peer, const struct rpc *m);
void ring_notified(struct chord *c, const struct chord_peer *peer);
void ring_fill_state(const struct chord *c, struct rpc *m);
bool ring_is_suspect(const struct chord *c, const struct ring_id *id);
void ring_trust(struct chord *c, const struct ring_id *id);
void ring_add_contact(struct chord *c, const struct chord_peer *peer);
struct chord_peer ring_self(const struct chord *c);
double ring_size(const struct chord *c);
/* The first successor, or NULL. */
const struct chord_peer *ring_first(const struct chord *c);
bool ring_is_nearer_successor(const struct chord *c, const struct ring_id *id);
void ring_ask_nearer(struct chord *c, const struct chord_peer *peer);
void ring_introduce(struct chord *c, const struct chord_peer *whom, const struct chord_peer *to);
void ring_join_behind(struct chord *c, const struct chord_peer *peer);
void ring_neighbours_changed(struct chord *c);
void ring_become_member(struct chord *c);

/* place.c */
void ring_look_for_place(struct chord *c);
void ring_look_up_self(struct chord *c);
void ring_try_lost(struct chord *c);
void ring_hear(struct chord *c, const struct chord_peer *peer);
void ring_hear_next(struct chord *c);
void ring_introduced(struct chord *c, const struct chord_peer *peer);
void ring_looked_up(struct chord *c, const struct lookup *l);

/* finger.c */
void finger_begin_pass(struct chord *c);
void finger_pump(struct chord *c);
void finger_state(struct chord *c, const struct ask *a, const struct rpc *m);
void finger_looked_up(struct chord *c, const struct lookup *l);
void finger_gone(struct chord *c, const struct ring_id *id);

/* lookup.c */
/* What this node knows of the way to @target. */
void lookup_answer(const struct chord *c, const struct ring_id *target, struct rpc *ret);
enum {
        SEEDS_ALL = -1, /* or which half of the first hops, 0 or 1 */
};
/* NULL when too many are under way or memory is short. */
struct lookup *lookup_new(struct chord *c, enum lookup_purpose purpose, uint64_t reference,
        const struct ring_id *target);
/* First hops: our own knowledge, and the contacts of a client. */
void lookup_seed(struct chord *c, struct lookup *l, int half);
void lookup_add(struct chord *c, struct lookup *l, const struct chord_peer *peer, unsigned depth);
/* Asks who is to be asked, or ends the lookup. */
void lookup_pump(struct chord *c, struct lookup *l);
void lookup_pump_all(struct chord *c);
void lookup_found(struct chord *c, const struct ask *a, const struct rpc *m);
/* It is no shortcut any more. */
void lookup_forget(struct chord *c, const struct ring_id *id);
void lookup_ask_failed(struct chord *c, const struct ask *a);
bool lookup_is_under_way(const struct chord *c, enum lookup_purpose purpose);

/* holder.c */
void holder_looked_up(struct chord *c, const struct lookup *l);
void holder_store(struct chord *c, const struct chord_peer *from, const struct rpc *m);
enum stored holder_keep(struct chord *c, const struct ring_id *key, const struct rpc_blob *record,
        uint32_t ttl_sec, const struct ring_id *by);
void holder_fetch(const struct chord *c, const struct ring_id *key, struct rpc *ret);
void holder_withdraw(struct chord *c, const struct rpc_blob *withdrawal, const struct ring_id *by);
void holder_ring_changed(struct chord *c);
void holder_repair(struct chord *c);
void holder_expire(struct chord *c);
usec_t holder_deadline(const struct chord *c);
void holder_clear(struct chord *c);

/* owner.c */
void owner_refresh(struct chord *c);
void owner_looked_up(struct chord *c, const struct lookup *l);
/* @m: NULL when there was no answer; so too for find_records(). */
void owner_stored(struct chord *c, const struct ask *a, const struct rpc *m);
void owner_withdraw(struct chord *c);
/* This node is dead: if it kept our record, that is told anew soon. */
void owner_holder_gone(struct chord *c, const struct ring_id *id);
void find_looked_up(struct chord *c, const struct lookup *l);
void find_records(struct chord *c, const struct ask *a, const struct rpc *m);
void find_advance(struct chord *c);
usec_t find_deadline(const struct chord *c);
