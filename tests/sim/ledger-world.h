/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Many engines of the ledger on a virtual network
 *
 * An event without a message is to wake a member up. Each member is connected to some others; a
 * message takes 20 to 80 ms, the same for a pair each time. Cutting, crashing and banning end
 * connections. Once a second whoever has something to mine tries as many hashes as its rate says.
 * What an engine says is to be stored is all that it gets back after a crash. Clocks differ by up
 * to CLOCK_DIFFERENCE_USEC. The same seed gives the same run.
 */
#include "core/crypto/random.h"
#include "core/ledger/ledger.h"
#include "tests/sim/event-heap.h"

#define LATENCY_MIN_USEC (20 * USEC_PER_MSEC)
#define LATENCY_MAX_USEC (80 * USEC_PER_MSEC)
#define CLOCK_DIFFERENCE_USEC (40 * USEC_PER_SEC)
#define LEDGER_BEGIN_USEC (20000 * USEC_PER_DAY)

enum manner {
        MANNER_HONEST,
        MANNER_IDLER,    /* says that it has blocks that have no work */
        MANNER_THIEF,    /* sends registrations of the names of others that they did not sign */
        MANNER_HOARDER,  /* tells of its blocks and does not give them */
        MANNER_MISER,    /* gives every other block */
        MANNER_PROMISER, /* tells of blocks that do not exist, and says that it lacks them */
        MANNER_FORGER,   /* makes blocks of which a record is not signed */
        MANNER_FUTURE,   /* its clock is five hours ahead */
        MANNER_EDGE,     /* its clock is so far ahead that some believe it and others do not */
        MANNER_PAST,     /* its clock is a day behind */
};

#define MANNERS (MANNER_PAST + 1)
#define PROMISED 3  /* blocks */
#define N_NAMES 300 /* that are wanted */

struct stored_block {
        uint8_t *data;
        size_t size;
        usec_t held_usec;
};

struct ledger_node {
        struct ledger *ledger;
        struct ledger_peer peer;
        struct identity identity;
        bool is_alive;
        enum manner manner;
        unsigned side; /* of a partition */
        unsigned rate; /* hashes a second */
        uint64_t born; /* what was sent before does not reach it */
        usec_t wake_usec;
        bool *is_linked;             /* with whom it may have a session ... */
        bool *is_joined;             /* ... and has one */
        struct stored_block *stored; /* of height i + 1 */
        size_t n_stored, stored_allocated;
        unsigned n_reports, n_bans, n_reorganised;
        uint32_t report_height, deepest;
        bool is_restored_badly;
        struct block promised[PROMISED];
        unsigned n_asked; /* for what it does not give */
};

struct ledger_world {
        struct random *random;
        struct genesis genesis;
        usec_t now_usec; /* since the beginning, and an hour */
        struct ledger_node *nodes;
        size_t n_nodes;
        struct event_heap heap;
        uint64_t n_messages, n_bytes;
        usec_t tick_usec;
        unsigned n_mined[MANNERS], n_banned[MANNERS], n_withheld[MANNERS];
        bool is_lying;                    /* now */
        const struct identity *registrar; /* approves whatever a member asks for; NULL: none */
};

/* @genesis: its network is set here. */
void ledger_world_open(
        struct ledger_world *w, uint64_t seed, const struct genesis *genesis, size_t n_nodes);
void ledger_world_close(struct ledger_world *w);
/* Everybody with a ring of neighbours and some others, all at once. */
void ledger_world_connect(struct ledger_world *w);
void ledger_world_run(struct ledger_world *w, usec_t usec);

/* Sessions follow: who may no longer talk stops, who may again begins. */
void ledger_world_relink(struct ledger_world *w);
void ledger_world_crash(struct ledger_world *w, unsigned i);
void ledger_world_start(struct ledger_world *w, unsigned i);
struct now ledger_world_clock(const struct ledger_world *w, unsigned i);

/* Node @i asks for a name under a key, its own if NULL. What ledger_submit() says. */
int ledger_world_register(
        struct ledger_world *w, unsigned i, const struct identity *key, const char *name);
/* Says to all whom it is connected to. */
void ledger_world_say(struct ledger_world *w, unsigned i, const void *data, size_t size);
unsigned ledger_world_any(struct ledger_world *w);

/* ledger-hostile.c: what those who are not honest do, besides what their engines do */

/* A turn of it: lies are told, names wanted. */
void ledger_hostile_act(struct ledger_world *w);
/* Member @i made a block. */
void ledger_hostile_mined(struct ledger_world *w, unsigned i);
/* Is this not sent? */
bool ledger_hostile_withholds(struct ledger_world *w, unsigned from, const uint8_t *data);
/* Is this not for the engine? It may be answered. */
bool ledger_hostile_answers(struct ledger_world *w, const struct heap_event *e);

/* For somebody new; the latter a name that some other wants too, now and then. */
void ledger_world_register_for_new(struct ledger_world *w, unsigned i, const char *name);
void ledger_world_register_one(struct ledger_world *w, unsigned i);
/* To one whom it is connected to. */
void ledger_world_post(
        struct ledger_world *w, unsigned from, unsigned to, const uint8_t *data, size_t size);

/* Until all honest members have one tip and nothing waits; how long it took, or USEC_INFINITY. */
usec_t ledger_world_settle(struct ledger_world *w, usec_t usec_max);
bool ledger_world_is_agreed(const struct ledger_world *w);
/* NULL, or what is wrong with what the honest have stored and say: the disk has the chain, it is
 * valid from its first block, the first registration of each name owns it, all say the same. */
const char *ledger_world_check(const struct ledger_world *w);
