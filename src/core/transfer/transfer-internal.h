/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The engine of transfers, from inside
 *
 *     transfer.c  begins and ends, effects, messages, questions
 *     party.c     peers: who is connected, and how much is charged to whom
 *     life.c      one transfer: its beginning and end, what users decide, what is restored
 *     send.c      the side that has the file
 *     take.c      the side that gets it
 *     wire.c      messages as bytes; name.c names of files
 *
 * Running out of memory sets t->error, which every input returns at its end; so most functions here
 * return nothing. A transfer may be gone after transfer_end() and transfer_confirmed(); its party
 * stays while it is connected.
 */
#include "base/list.h"
#include "base/ratelimit.h"
#include "base/table.h"
#include "core/transfer/wire.h"

enum transfer_direction {
        TRANSFER_IN,
        TRANSFER_OUT,
};

/* A peer with which there are transfers or a session. */
struct transfer_party {
        struct table_entry by_key;
        struct list in_parties;
        struct transfer_peer peer;
        bool is_connected;
        bool is_ready;         /* TRANSFER_READY was said, and no chunk denied since */
        struct list transfers; /* who comes first gets the next chunk, or lets it come */
        size_t n_open[2];      /* by enum transfer_direction */
        size_t n_undecided;    /* of those that it offers */
        size_t n_loading;
        struct ratelimit offers;
};

struct transfer {
        struct list in_all, in_party, in_deadlines;
        struct table_entry by_id;
        struct transfer_party *party;
        uint64_t serial;               /* of this one among all that ever were */
        struct transfer_record record; /* its name is below */
        usec_t deadline_usec;

        /* What comes: bytes that came, and what may come before the next WANT. What goes: bytes
         * that went in this session, and what may go. */
        uint64_t moved, end;
        bool is_want_due; /* in: END is not said yet */
        bool is_said;     /* since we started: the offer; or that it is over */

        bool is_wanted;       /* out: in this session */
        uint64_t load_serial; /* out, with a load_size: asked for */
        size_t load_size;
        uint64_t most; /* out: that the peer ever had */
        unsigned n_setbacks;
        char name[];
};

struct transfer_queued {
        struct list in_effects;
        struct transfer_effect effect;
        char name[TRANSFER_NAME_MAX + 1];
        uint8_t data[];
};

struct transfers {
        struct random *random;
        int error;
        struct now now;
        struct table by_id, by_key;
        struct list all;       /* in the order of beginning */
        struct list deadlines; /* the next one first */
        struct list parties;
        size_t n_undecided;
        uint64_t last_serial;
        struct list effects;
        struct transfer_queued *given;
};

static inline enum transfer_direction transfer_direction(const struct transfer *x)
{
        return x->record.is_outgoing ? TRANSFER_OUT : TRANSFER_IN;
}

static inline bool transfer_is_open(const struct transfer *x)
{
        return x->record.state != TRANSFER_OVER;
}

/* Chunks end here, or where the file does. */
static inline uint64_t transfer_next_end(const struct transfer *x, uint64_t from)
{
        uint64_t next = (from / TRANSFER_CHUNK_SIZE + 1) * TRANSFER_CHUNK_SIZE;

        return MIN(next, x->record.size);
}

static inline bool transfer_is_end(const struct transfer *x, uint64_t offset)
{
        return offset % TRANSFER_CHUNK_SIZE == 0 || offset == x->record.size;
}

/* transfer.c */
/* @x: NULL for one about a peer only. NULL without memory; data is filled in by the caller. */
struct transfer_effect *transfer_add_effect(
        struct transfers *t, enum transfer_effect_type type, const struct transfer *x, size_t size);
/* Nothing, while there is no session. */
void transfer_say(
        struct transfers *t, const struct transfer_party *p, const struct transfer_wire *m);
void transfer_say_end(struct transfers *t, const struct transfer_party *p,
        const struct transfer_id *id, enum transfer_reason reason);
struct transfer *transfer_lookup(const struct transfers *t, const struct transfer_id *id);
/* What an answer is about: @is_load by the serial of its LOAD. NULL: it comes too late. */
struct transfer *transfer_of_ref(
        const struct transfers *t, const struct transfer_ref *ref, bool is_load);

/* party.c */
struct transfer_party *transfer_party_find(
        const struct transfers *t, const struct transfer_peer *peer);
/* Makes it where there is none. NULL without memory. */
struct transfer_party *transfer_party_get(struct transfers *t, const struct transfer_peer *peer);
/* When nothing keeps it. */
void transfer_party_release(struct transfers *t, struct transfer_party *p);
/* May this peer offer one more? If all offers together are too many, another may have to go. */
bool transfer_party_may_offer(struct transfers *t, struct transfer_party *p);
/* Forgets the oldest that are over and unconfirmed, of one direction, if they are too many. */
void transfer_party_prune(
        struct transfers *t, struct transfer_party *p, enum transfer_direction direction);

/* life.c */
/* As @record says, with all counted. NULL without memory. */
struct transfer *transfer_begin(
        struct transfers *t, struct transfer_party *p, const struct transfer_record *record);
/* No effect tells of it. */
void transfer_remove(struct transfers *t, struct transfer *x);
void transfer_forget(struct transfers *t, struct transfer *x);
void transfer_set_state(struct transfers *t, struct transfer *x, enum transfer_state state);
/* Its seven days begin anew. */
void transfer_touch(struct transfers *t, struct transfer *x);
/* Of one that is open; tells all who must know. */
void transfer_end(
        struct transfers *t, struct transfer *x, enum transfer_reason reason, bool is_by_peer);
/* The peer knows of the end of one that is whole or over. */
void transfer_confirmed(struct transfers *t, struct transfer *x);

/* send.c */
void transfer_send_offer(struct transfers *t, struct transfer *x);
void transfer_send_wanted(struct transfers *t, struct transfer *x, const struct transfer_wire *m);
/* Tells that there are chunks to be asked for, unless it was told. */
void transfer_send_ready(struct transfers *t, struct transfer_party *p);
/* The session is over, or another one begins. */
void transfer_send_reset(struct transfer *x);

/* take.c */
void transfer_take_offer(
        struct transfers *t, struct transfer_party *p, const struct transfer_wire *m);
void transfer_take_accept(struct transfers *t, struct transfer *x, uint64_t user);
void transfer_take_chunk(struct transfers *t, struct transfer *x, const struct transfer_wire *m);
/* Lets come what may come, and tells the peer. */
void transfer_take_grant(struct transfers *t, struct transfer_party *p);
/* Has it hashed, if nothing is missing; stores what it is now in any case. */
void transfer_take_finish(struct transfers *t, struct transfer *x);
/* As transfer_send_reset(). */
void transfer_take_reset(struct transfer *x);
