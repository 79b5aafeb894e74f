/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Who knows what must be true
 *
 * The oracle stands outside the nodes. It sees what the stores committed, what callers were told
 * and what the network did, and fails the world when a promise is broken.
 *
 * For everybody:
 *   - a message that was accepted is settled once; what is neither settled nor received is queued
 *   - sequence numbers rise; every caller is answered once and in time
 *
 * Of what was written in a native conversation, that is to an id (oracle-native.c):
 *   - it comes to the machine that has this id, and to nobody else; never as a classic message
 *   - it is never twice on one disk, whatever was cut, killed or put back, and only a sender that
 *     was put back sends again what is there
 *   - it comes in the order of writing, and nothing that waits is overtaken
 *   - when it is said to be delivered it is on the receiver's disk, and stays there
 *   - it never fails
 *
 * Of what was written to a classic peer, an address and a name (oracle-classic.c):
 *   - when it is said to be sent, its receiver committed it, whole and unaltered
 *   - what came twice has an excuse: a connection that broke, or a process that died
 *   - messages of one queue come in the order of writing
 *
 * Of files (oracle-file.c): who accepted one gets it whole and once.
 *
 * A disk that is put back to an older state, or lost, may have forgotten what its own machine wrote
 * and heard afterwards, and nothing else:
 *   - What the machine wrote afterwards is not expected any more; where it arrived already it
 * stays, and it never comes a second time.
 *   - What waits in the older state and was delivered meanwhile is recognised by its receiver, and
 *     is delivered. What waits in it, and in between was cancelled, or missing from the disk that
 *     the machine had instead, or lost by its receiver, goes again, and may come after later ones
 *     (may_be_late).
 *   - What the machine had heard and acknowledged is gone: its sender has no reason to say it
 * again. What it had not acknowledged comes, once.
 */
#include "tests/sim/world.h"

/* To whom something is written that nobody can have: an id that was made up. */
#define NOBODY MACHINES_MAX

/* What one machine wrote to another. */
struct said {
        struct ulid id;
        struct table_entry by_id, by_text;
        unsigned from, to;
        size_t index;   /* in the order of writing, between the two */
        bool is_native; /* written to an id */
        uint64_t peer;  /* the conversation at the sender */
        char *text;
        size_t size;
        enum message_state state;
        usec_t time_usec;
        bool is_found;     /* in the history, at a start */
        bool is_gone;      /* its writer's disk was put back and does not know it */
        bool is_forgotten; /* by its writer or its receiver, on purpose */

        /* native */
        bool is_here;  /* on the receiver's disk */
        bool was_here; /* on one that it had */
        uint64_t life; /* of the disk on which it came last */
        bool was_cancelled;
        bool may_be_late;

        /* classic */
        size_t n_covered; /* bytes of text that the receiver committed, from the beginning */
        unsigned n_repeats;
        uint64_t n_disturbed; /* between the two, when it was written */
};

/* All that one wrote to another. */
struct pair {
        struct said **said;
        size_t n, n_allocated;
        size_t first_open; /* none before it waits */
        size_t n_here;     /* one more than the index of the last that is on the receiver's disk */
};

/* A row of a machine's list of peers, as its store was told. */
struct row {
        char id[ID_STRING_SIZE];
        struct endpoint endpoint;
        bool is_blocked;
        uint64_t blocked_turn; /* turn of the world in which that changed */
};

struct oracle {
        struct world *world;
        bool is_loose; /* somebody bears the name of another: a classic queue may go to either */
        struct table by_id, by_text;
        struct said **said; /* in the order of writing */
        size_t n_said, n_allocated;
        struct pair pairs[MACHINES_MAX][MACHINES_MAX + 1];
        struct row *rows[MACHINES_MAX]; /* by number */
        size_t n_rows[MACHINES_MAX];
        unsigned forgotten[MACHINES_MAX][32]; /* conversations with whom, in this turn */
        size_t n_forgotten[MACHINES_MAX];
        struct shared_file *files; /* oracle-file.c, in the order of offering */
        size_t n_files, n_handed_over;
        size_t n_queued[MACHINES_MAX];
        uint64_t disk_life[MACHINES_MAX]; /* rises when it is put back */
        uint64_t sequence_last[MACHINES_MAX];
        /* Between two machines, in either direction: connections that broke, processes that died.
         */
        uint64_t n_disturbed[MACHINES_MAX][MACHINES_MAX];
        /* A blocked what came from B, or forgot it, last at. */
        usec_t refused_usec[MACHINES_MAX][MACHINES_MAX];
        /* A could not read what it took, last at. */
        usec_t undecryptable_usec[MACHINES_MAX];
        /* A heard of the kernel of B that it has all, and nothing of B itself, last at. */
        usec_t acknowledged_usec[MACHINES_MAX][MACHINES_MAX];
        usec_t stands_until_usec[MACHINES_MAX]; /* or lost power then, last */
        struct {
                uint64_t call;
                usec_t deadline_usec;
        } calls[MACHINES_MAX][1024];
        size_t n_calls[MACHINES_MAX];
        uint64_t n_received, n_repeats, n_settled, n_replies;
        uint64_t n_native, n_delivered, n_cancelled, n_failed, n_sessions;
};

struct oracle *oracle_new(struct world *w);
struct oracle *oracle_free(struct oracle *o);

void oracle_change(struct machine *m, const struct change *change);
void oracle_event(struct machine *m, const struct store_event *event);
/* A process begins; then what its store remembers of its peers; then the rest is compared, and what
 * was committed but never told is taken over. */
void oracle_restoring(struct machine *m);
void oracle_peer(struct machine *m, const struct peer_record *peer);
void oracle_started(struct machine *m);
void oracle_stopped(struct machine *m);
void oracle_put_back(struct machine *m);
void oracle_turn_ended(struct machine *m);
void oracle_disturbed(struct machine *a, struct machine *b);
void oracle_acknowledged(struct machine *a, struct machine *b);
/* Callers of @m wait so much longer. */
void oracle_paused(struct machine *m, usec_t span_usec);
void oracle_called(struct machine *m, uint64_t call, usec_t wait_usec);
void oracle_forget_call(struct machine *m, uint64_t call);
void oracle_replied(
        struct machine *m, uint64_t call, const struct ulid *id, enum message_state state);
/* Some time after the last fault nothing waits, for native peers or for all; later there are no
 * connections left, and all see all. */
bool oracle_waits(struct world *w, bool native_only);
void oracle_expect_delivered(struct world *w, bool native_only);
void oracle_expect_quiet(struct world *w);

/* oracle-file.c */
size_t oracle_next_file(struct world *w);
void oracle_file_offered(
        struct machine *m, struct machine *to, const uint8_t hash[static HASH_SIZE], size_t size);
void oracle_file_accepted(struct machine *m, const char *name);
void oracle_file_given_up(struct machine *m, const char *name);
void oracle_file_taken(struct machine *m, const char *id, const void *data, size_t size);
void oracle_file(struct machine *m, const struct change_file *c);
/* What was done in its turn is certain; or is lost. */
void oracle_files_committed(struct machine *m);
void oracle_files_stopped(struct machine *m);
void oracle_expect_files(struct world *w);

/* Shared by the files of the oracle */
struct said *oracle_find(struct oracle *o, const struct ulid *id);
/* Who is meant: a machine may have left this address, but none is used again. */
struct machine *oracle_who(struct world *w, const struct endpoint *address);
struct row *oracle_row(struct machine *m, uint64_t number);

/* oracle-classic.c */
bool classic_is_excused(const struct oracle *o, const struct said *s);
void classic_settled(
        struct machine *m, struct said *s, enum message_state state, const char *reason);
void classic_received(struct machine *m, struct machine *from, const struct message_record *r);

/* oracle-native.c */
void native_settled(
        struct machine *m, struct said *s, enum message_state state, const char *reason);
void native_received(struct machine *m, const struct row *row, const struct message_record *r);
/* A row of the history at a start. */
void native_remembered(struct machine *m, const struct message_record *r);
void native_started(struct machine *m);
/* @m forgot what the other said, or may have: its disk tells at the next start. */
void native_forgotten(struct machine *m, unsigned other, bool is_certain);
