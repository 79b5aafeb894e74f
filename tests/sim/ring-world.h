/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Many engines of the ring on a virtual network
 *
 * An event between a node and itself is to wake it up; one without a message tells @to that it
 * could not reach @from. A node is an engine at 10.x.y.z, which is its number. A message takes
 * LATENCY_MIN_USEC to LATENCY_MAX_USEC, between the same two always as long, for sessions keep
 * order; to a node that is dead, or on the other side of a partition, it goes without an answer,
 * unless the world is told to report that. Everything comes from one seed, so a failure can be
 * repeated.
 */
#include <stdio.h>

#include "base/table.h"
#include "core/chord/chord.h"
#include "core/crypto/random.h"
#include "tests/sim/event-heap.h"

#define LATENCY_MIN_USEC (20 * USEC_PER_MSEC)
#define LATENCY_MAX_USEC (80 * USEC_PER_MSEC)

enum manner {
        MANNER_HONEST,
        MANNER_MUTE, /* keeps its place, but answers no lookup and keeps nothing */
        MANNER_LIAR, /* says that it and its friends keep whatever is asked for */
};

struct awaited {
        uint64_t number;
        struct ring_id target;
        unsigned keeper; /* when it was asked; that one, or who is it when the answer comes, is
                            right */
        char id[ID_STRING_SIZE]; /* of a find: who is to be among the found */
        bool is_find;
};

struct ring_node {
        struct chord *chord;
        struct chord_peer peer;
        bool is_alive;
        bool is_started; /* is to be a member */
        enum manner manner;
        unsigned side; /* of a partition */
        usec_t wake_usec;
        uint64_t born; /* what is older was for its former life */
        struct awaited *awaited;
        size_t n_awaited;
        struct identity identity;
        bool has_identity;
};

/* What came of lookups and finds since counts_clear(). */
struct counts {
        uint64_t n_lookups, n_right, n_nothing;
        uint64_t path_sum, path_max;
        uint64_t failed_sum, failed_max; /* nodes asked in vain */
        uint64_t asked_sum;
        uint64_t n_finds, n_found;
        uint64_t n_messages, n_bytes;
        uint64_t n_wakes; /* for a message that came, or by the clock */
};

struct ring_world {
        struct random *random;
        usec_t now_usec;
        struct event_heap heap;
        struct ring_node *nodes;
        size_t n_nodes, nodes_allocated;
        usec_t keep_alive_usec; /* after which neighbours of a dead node hear of it; 0: never */
        bool reports_dead; /* who writes to a dead node hears of it, as of a refused connection */
        unsigned lost_of_1000; /* messages that vanish, and with them the connection: reported */
        uint8_t latency_key[TABLE_KEY_SIZE];
        bool allows_lone; /* the rule of small rings: who has no live successor is its own */
        bool has_base;    /* for the check: enough members were principal the last time */
        struct counts counts;
        unsigned *sorted; /* members by position, for the checks */
        size_t n_sorted;
};

void world_open(struct ring_world *w, uint64_t seed);
void world_close(struct ring_world *w);

/* A client at a position; NULL: somewhere. */
unsigned world_add(struct ring_world *w, const struct ring_id *id);
void world_give_identity(struct ring_world *w, unsigned node);
/* Knows @contact, if that is not itself, and becomes a member. */
void world_join(struct ring_world *w, unsigned node, unsigned contact);
void world_hear(struct ring_world *w, unsigned node, unsigned other);
void world_stop(struct ring_world *w, unsigned node);
void world_kill(struct ring_world *w, unsigned node);
void world_look_up(struct ring_world *w, unsigned node, const struct ring_id *target);
void world_publish(struct ring_world *w, unsigned node, const char *name);
/* The record that @owner publishes under @name is to be found. */
void world_find(struct ring_world *w, unsigned node, const char *name, unsigned owner);

/* One event. False when there is none before @until_usec. */
bool world_step(struct ring_world *w, usec_t until_usec);
void world_run(struct ring_world *w, usec_t usec);
/* @n nodes, the first alone, the others joining evenly in @usec through any member. */
void world_build(struct ring_world *w, size_t n, usec_t usec);
/* Until the ring is ideal: the time that it took, or USEC_INFINITY after @usec_max. */
usec_t world_settle(struct ring_world *w, usec_t usec_max);
unsigned world_any_member(struct ring_world *w);
bool world_is_member(const struct ring_world *w, unsigned node);
/* Collects the members into w->sorted. */
void world_sort(struct ring_world *w);
/* Who keeps @target, of w->sorted. */
size_t world_place_of(const struct ring_world *w, const struct ring_id *target);

/* NULL, or what is wrong. */
const char *world_check_invariant(struct ring_world *w);
const char *world_check_ideal(struct ring_world *w);
/* Could @node fail, after the assumptions of the proof? */
bool world_may_fail(struct ring_world *w, unsigned node);
void world_show(struct ring_world *w, FILE *out);
