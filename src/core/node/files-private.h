/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The inside of a node, as far as files are concerned
 *
 *     files.c     the engine of transfers: sessions, the spool, what comes of it
 *     file.c      files and their transfers: what is told and remembered of them
 *     offer.c     what callers want
 *
 * A file is what callers know: one spool, one id. A transfer is between us and one peer: what goes
 * to a group is one file with a transfer for each member.
 */
#include "base/list.h"
#include "base/table.h"
#include "core/node/node.h"

struct native;
struct peer;

struct file {
        struct table_entry by_id;
        struct transfer_id id; /* of its spool */
        bool is_outgoing;
        struct list parts; /* of struct file_part; never empty between turns */
        struct list moved; /* in files.moved: progress is to be told */

        /* to a group */
        bool is_to_group;
        struct group_id group;
        uint32_t n_members, n_done, n_missed;
        enum transfer_reason reason; /* of the last who missed it */
};

/* A transfer. */
struct file_part {
        struct table_entry by_id;
        struct transfer_id id;
        struct file *file;
        struct list in_file;
        struct list gone;           /* in files.gone: its record is forgotten */
        struct transfer_record had; /* as it was stored last, without its name */
        bool is_stored;
        bool is_finished;  /* that was told */
        bool is_discarded; /* it needs its spool no more */
};

struct files {
        struct transfers *engine; /* NULL: nothing but the classic dialects is spoken */
        struct table by_id, parts_by_id;
        struct list moved, gone;
        struct list ready; /* of struct native: there may be chunks for them */
        bool is_draining;
};

/* files.c */
int node_files_init(struct node *n, const uint8_t key[static TABLE_KEY_SIZE]);
void node_files_done(struct node *n);
int node_files_advance(struct node *n, struct now now);
usec_t node_files_deadline(const struct node *n);
/* What the engine wants done; at the end of a turn, before the ends of sessions and rows of peers.
 */
int node_files_end_turn(struct node *n, struct now now);
/* A session was proven that is the one from now on; the last one has ended, @in_peace: because
 * nothing was to be said. */
int node_files_met(struct node *n, struct native *native, struct now now);
int node_files_lost(struct node *n, struct native *native, bool in_peace, struct now now);
/* A frame of it. */
int node_files_receive(
        struct node *n, struct native *native, const void *data, size_t size, struct now now);
/* Nothing more of @peer is wanted: blocked, or with @even_whole its conversation forgotten. */
int node_files_break_off(struct node *n, struct peer *peer, bool even_whole, struct now now);
struct transfer_peer node_file_peer(const struct peer *peer);
/* What its transfers need a session for may be something else now. */
void node_files_changed(struct node *n, struct peer *peer);
/* Does it have to be done without a session with @peer for now, though something waits for it? */
bool node_files_rest(struct node *n, const struct peer *peer, struct now now);

/* file.c */
struct file *node_file(const struct node *n, const struct transfer_id *id);
struct file_part *node_file_part(const struct node *n, const struct transfer_id *id);
/* One more transfer: of a file with this spool, which is made when there is none. */
int node_file_add(struct node *n, const struct transfer_id *id, const struct transfer_id *spool_id,
        bool is_outgoing, struct file_part **ret);
/* Forgets those that are gone. */
void node_file_sweep(struct node *n);
/* The user at the other side of a transfer, or the id of whom we do not know any more. */
const char *node_file_user(const struct node *n, const struct transfer_peer *peer, struct now now,
        char buffer[static WORD_SIZE]);
uint64_t node_file_owner(const struct transfer_record *record);
/* Effects of the engine, as far as they are about what is remembered and told. */
int node_file_store(struct node *n, const struct transfer_effect *e);
int node_file_forget(struct node *n, const struct transfer_effect *e);
int node_file_discard(struct node *n, const struct transfer_effect *e);
int node_file_offered(struct node *n, const struct transfer_effect *e, struct now now);
int node_file_progress(struct node *n, const struct transfer_effect *e);
int node_file_finished(struct node *n, const struct transfer_effect *e, struct now now);
/* At the end of a turn: the files that moved. */
int node_files_tell(struct node *n, struct now now);
