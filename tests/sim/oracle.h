/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Who knows what must be true
 *
 * The oracle stands outside the nodes. It sees what the stores committed, what callers were told
 * and what the network did, and fails the world when a promise is broken:
 *
 *   - a message that is said to be sent was committed by its receiver, whole and unaltered
 *   - what came twice has an excuse: a connection that broke, or a process that died
 *   - messages of one queue come in the order of writing
 *   - a message is settled once; what is neither settled nor received is still queued
 *   - sequence numbers rise
 *   - every caller is answered once and in time
 */
#include "tests/sim/world.h"

/* What one machine wrote to another. */
struct said {
        struct ulid id;
        struct table_entry by_id;
        unsigned from, to;
        uint64_t peer; /* the conversation at the sender */
        char *text;
        size_t size;
        size_t n_covered; /* bytes of text that the receiver committed, from the beginning */
        unsigned n_repeats;
        uint64_t n_disturbed; /* between the two, when it was written */
        enum message_state state;
        usec_t time_usec;
        bool is_found;     /* in the history, at a start */
        bool is_forgotten; /* by its writer, or by its receiver while it was under way */
};

struct oracle {
        struct world *world;
        struct table by_id;
        struct said **said; /* in the order of writing */
        size_t n_said, n_allocated;
        uint64_t sequence_last[MACHINES_MAX];
        /* Between two machines, in either direction: connections that broke, processes that died.
         */
        uint64_t n_disturbed[MACHINES_MAX][MACHINES_MAX];
        /* A blocked what came from B, or forgot it, last at. */
        usec_t refused_usec[MACHINES_MAX][MACHINES_MAX];
        bool is_blocked[MACHINES_MAX][MACHINES_MAX];
        struct {
                uint64_t call;
                usec_t deadline_usec;
        } calls[MACHINES_MAX][256];
        size_t n_calls[MACHINES_MAX];
        uint64_t n_received, n_repeats, n_settled, n_replies;
};

struct oracle *oracle_new(struct world *w);
struct oracle *oracle_free(struct oracle *o);

void oracle_event(struct machine *m, const struct store_event *event);
/* A process begins: what its store remembers is compared, and what was committed but never told is
 * taken over. */
void oracle_started(struct machine *m);
void oracle_stopped(struct machine *m);
void oracle_turn_ended(struct machine *m);
void oracle_disturbed(struct machine *a, struct machine *b);
void oracle_called(struct machine *m, uint64_t call, usec_t wait_usec);
void oracle_forget_call(struct machine *m, uint64_t call);
void oracle_replied(struct machine *m, uint64_t call);
/* @m blocks or unblocks, or forgets once, what @other says. */
void oracle_blocked(struct machine *m, const struct machine *other, bool block);
/* To another address: nobody blocks what is there. */
void oracle_moved(struct machine *m);
void oracle_forgot(struct machine *m, const struct machine *other);
/* After a long time without any fault: nothing waits, all see all. */
void oracle_settled(struct world *w);
