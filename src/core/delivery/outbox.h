/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What waits for one peer
 *
 * A queue in the order of writing. The first message is tried; if that fails the whole queue rests,
 * longer each time (1 s doubling to 5 min, with jitter), until the time is over or the peer is
 * heard anew. Texts are not kept here. To a native peer what waits goes in a stream, and only the
 * search for a session rests.
 */
#include "base/encode.h"
#include "base/list.h"
#include "base/table.h"
#include "base/usec.h"

#define RETRY_USEC_MIN (1 * USEC_PER_SEC)
#define RETRY_USEC_MAX (5 * USEC_PER_MINUTE)

struct random;

struct queued {
        struct outbox *outbox; /* where it waits */
        struct list waiting;
        struct table_entry by_id;
        struct ulid id;
        uint64_t peer;   /* the conversation that it was written in */
        uint64_t serial; /* rises in the order of writing; the caller's care */
        int security;    /* enum security: the least accepted */
        size_t size;
        size_t size_sent;       /* bytes of text that already went, in whole parts */
        bool is_by_name;        /* written to a bare name, in this run */
        bool is_streamed;       /* to a native peer: in its stream, too (stream.h) */
        uint64_t stream_number; /* there, as it is remembered; 0: none */
        char number[];          /* the user's own private number, or "" */
};

struct outbox {
        struct list messages; /* of struct queued, oldest first */
        size_t n;
        size_t size;         /* bytes of text */
        usec_t retry_usec;   /* rests until then, 0: does not rest */
        unsigned n_failures; /* in a row */
};

/* Memory from one allocation, to be freed with free() once it is unlinked. NULL: no memory. */
struct queued *queued_new(const struct ulid *id, uint64_t peer, int security, size_t size,
        size_t size_sent, const char *number);

void outbox_init(struct outbox *o);
void outbox_add(struct outbox *o, struct queued *q);
void outbox_remove(struct outbox *o, struct queued *q);
/* Moves all of @from to @to, each to its place in the order of writing. */
void outbox_move(struct outbox *to, struct outbox *from);
struct queued *outbox_first(const struct outbox *o);

/* How long to rest after so many failures before this one. */
usec_t outbox_pause_usec(struct random *random, unsigned n_failures);
void outbox_failed(struct outbox *o, struct random *random, usec_t now_usec);
/* Something went well, or the peer was heard anew: try at once. */
void outbox_awake(struct outbox *o);
