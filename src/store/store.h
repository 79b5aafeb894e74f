/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Memory across restarts: one SQLite database, sealed
 *
 * WAL, synchronous=FULL, secure_delete=ON. Each conversation has a random key, kept wrapped under a
 * key derived from one secret; text, names and addresses are sealed with ChaCha20-Poly1305 under a
 * fresh random nonce each, with table, column, conversation and row as associated data.
 *
 * Changes are applied to one open transaction; store_commit() ends it with one fsync. What became
 * new in it then comes from store_next_event(). After a failed commit nothing may be acknowledged
 * and the process ends: an fsync is never tried again.
 */
#include "core/node/record.h"

struct store;
struct random;

enum store_keep {
        STORE_KEEP_FULL,   /* messages stay */
        STORE_KEEP_SEALED, /* the same for the store; log and journal leave the text out */
        STORE_KEEP_NONE,   /* a message is erased once it is age_max_usec old after its end */
};

struct store_options {
        const char *path;      /* of the database; ":memory:" for a simulation */
        const char *vfs;       /* name of a SQLite VFS, or NULL */
        const uint8_t *secret; /* 32 bytes; copied */
        struct random *random; /* borrowed */
        usec_t age_max_usec;   /* messages older than this after they were delivered or arrived are
                                  erased, row and index; USEC_INFINITY: never */
};

/* Outcomes of store_open() beside 0 and negative errno. */
enum store_outcome {
        STORE_WRONG_SECRET =
                1,     /* the database was sealed with another secret; nothing was touched */
        STORE_NEWER,   /* written by a newer version */
        STORE_DAMAGED, /* see store_salvage() */
};

/* Creates it, mode 0600, when it is not there; takes over what an older version left. */
int store_open(const struct store_options *options, struct store **ret);
struct store *store_free(struct store *s);
DEFINE_CLEANUP(struct store *, store_free)

/*
 * Moves a damaged database aside (PATH.damaged-TIME, its path to *ret_aside, to be freed) and makes
 * a new one with what could be read row by row: settings, peers with blocks, contacts and keys,
 * streams with marks and refusals, groups, the queue with its numbers, origins of received
 * messages, and chains of the ledger as far as they go, with gaps where a block was lost. What
 * belongs to something that was lost is left out. *ret_n_lost counts what could not be read. Same
 * outcomes as store_open().
 */
int store_salvage(const struct store_options *options, usec_t real_usec, struct store **ret,
        char **ret_aside, uint64_t *ret_n_lost);

/*
 * Loading. -EUCLEAN tells that the database is damaged; of what a node needs to start, the next
 * store_open() will say STORE_DAMAGED.
 */
typedef int (*store_peer_fn)(const struct peer_record *peer, void *userdata);
typedef int (*store_queued_fn)(const struct queued_record *queued, void *userdata);
typedef int (*store_stream_fn)(const struct stream_record *stream, void *userdata);
typedef int (*store_mark_fn)(const struct mark_record *mark, void *userdata);
typedef int (*store_refused_fn)(const struct refused_record *refused, void *userdata);
/* Callback for each, in the order that node.h wants; a negative return ends it and is returned.
 * Queued ones with a number in a stream come first, by number, then the others, oldest first: in a
 * stream those with numbers are older than those without, whenever they were written. */
int store_load_peers(struct store *s, store_peer_fn fn, void *userdata);
int store_load_streams(struct store *s, store_stream_fn fn, void *userdata);
int store_load_marks(struct store *s, store_mark_fn fn, void *userdata);
int store_load_refused(struct store *s, store_refused_fn fn, void *userdata);
int store_load_queued(struct store *s, store_queued_fn fn, void *userdata);
/* What a node needs of groups: they come first, then the rest in any order. Bytes last for the
 * call, in which nothing is asked of the store. Messages of ours that not all members have come
 * oldest first. */
typedef int (*store_group_fn)(const struct group_record *group, void *userdata);
typedef int (*store_leave_fn)(const struct leave_record *leave, void *userdata);
typedef int (*store_lane_fn)(const struct lane_record *lane, void *userdata);
typedef int (*store_told_fn)(const struct told_record *told, void *userdata);
int store_load_groups(struct store *s, store_group_fn fn, void *userdata);
int store_load_leaves(struct store *s, store_leave_fn fn, void *userdata);
int store_load_lanes(struct store *s, store_lane_fn fn, void *userdata);
int store_load_told(struct store *s, store_told_fn fn, void *userdata);
/* 0 and memory to be freed, or -ENOENT. */
int store_load_username(struct store *s, char **ret);
/* 0, or -ENOENT: nothing was kept, or not by anything that this version knows. */
int store_load_ring(struct store *s, struct ring_record *ret);
/* 0, or -ENOENT likewise. */
int store_load_ledger(struct store *s, struct ledger_record *ret);
/* The bytes of @block last for the call, in which nothing is asked of the store. */
typedef int (*store_block_fn)(const struct block_record *block, void *userdata);
/* Each genesis that is stored, in order of their networks. */
int store_load_genesis(struct store *s, store_block_fn fn, void *userdata);
/* Blocks of a network from height @from on, at most @n_max, in order of height. One that cannot be
 * unsealed comes with size 0; one that is missing is left out. */
int store_load_blocks(struct store *s, const uint8_t network[static HASH_SIZE], uint32_t from,
        size_t n_max, store_block_fn fn, void *userdata);
/* When a queued message was written, and its text: 0 and memory to be freed (a zero byte behind
 * it), or -ENOENT. */
int store_load_text(struct store *s, const struct ulid *id, usec_t *ret_time_usec, char **ret,
        size_t *ret_size);

/*
 * Changing
 */
/* The realtime of this turn: when a message that ends in it was done with. Before store_apply(). */
void store_set_time(struct store *s, usec_t real_usec);
/* 0; or negative, and the process ends: nothing of this transaction will be kept. */
int store_apply(struct store *s, const struct change *change);
/* 0; or negative: -ENOSPC when the disk is full, -EUCLEAN when the database is damaged (the next
 * store_open() says STORE_DAMAGED), -EIO otherwise. Nothing to do when nothing changed. */
int store_commit(struct store *s);

enum store_event_type {
        STORE_EVENT_MESSAGE,   /* message, with its sequence: stored */
        STORE_EVENT_STATE,     /* state: of a sent message changed */
        STORE_EVENT_PRESENCE,  /* presence */
        STORE_EVENT_WARNING,   /* warning */
        STORE_EVENT_USERNAME,  /* text */
        STORE_EVENT_KNOWN,     /* known: a received native message was here already, and left so */
        STORE_EVENT_SESSION,   /* session */
        STORE_EVENT_CERTIFIED, /* certified */
        STORE_EVENT_INVITED,   /* invited */
        STORE_EVENT_FILE,      /* file */
};

/* Pointers belong to the store and stay valid until the next call of store_next_event(). */
struct store_event {
        enum store_event_type type;
        union {
                struct message_record message;
                struct change_state state;
                struct change_presence presence;
                struct change_warning warning;
                const char *text;
                struct {
                        uint64_t peer, stream_number;
                } known;
                struct change_session session;
                struct change_certified certified;
                struct change_invited invited;
                struct change_file file;
        };
};
bool store_next_event(struct store *s, struct store_event *ret);

/* The sequence of the newest message ever stored, 0 for none: erasing does not lower it. */
uint64_t store_last_sequence(const struct store *s);

/* What was written to the log file: kept lazily with the next commit. */
uint64_t store_logged(const struct store *s);
void store_set_logged(struct store *s, uint64_t sequence);

/* Erases what is too old (store_options.age_max_usec) in the open transaction, a slice at a time.
 * Origins of native messages are remembered for 90 days more, as a keyed hash, so that a message
 * that comes again is STORE_EVENT_KNOWN;
 * *ret_next_usec: realtime at which there is more to do, or USEC_INFINITY. */
int store_expire(struct store *s, usec_t real_usec, usec_t *ret_next_usec);

/*
 * A copy of the database as it is when the last step is done, with the same seals: @path, mode
 * 0600, must not exist. Works on beside everything else; end it before store_free().
 */
struct store_copy;
int store_copy_new(struct store *s, const char *path, struct store_copy **ret);
/* About a MiB. 1: there is more; 0: it is whole; or negative. */
int store_copy_step(struct store_copy *c);
struct store_copy *store_copy_free(struct store_copy *c);
DEFINE_CLEANUP(struct store_copy *, store_copy_free)

/*
 * Reading history; works on what is committed and pending alike
 */
struct store_query {
        const uint64_t *peers; /* of these conversations; */
        size_t n_peers;        /* 0: of all */
        uint64_t before;       /* only sequences below; 0: from the newest */
        uint64_t since;        /* only sequences above, oldest first; used when is_since */
        bool is_since;
        const char *search; /* only texts that contain this, ASCII case folded; NULL: all */
        size_t rows_max;    /* at most so many rows */
        size_t bytes_max;   /* ends after the row with which texts exceed it */
        size_t scan_max;    /* looks at no more than so many rows, or KiB of text, for a search in
                             * slices; 0: no limit */
};
/* Negative ends the reading and is returned. Pointers in @message last for the call. */
typedef int (*store_message_fn)(const struct message_record *message, void *userdata);
/* One message of a group, as its author signed it; what @fn returns, or -ENOENT. */
int store_load_group_message(struct store *s, uint64_t group, const struct group_lane_id *lane,
        uint64_t number, store_message_fn fn, void *userdata);
/* 0: reached the end of the history; 1: there may be more, *ret_next (may be NULL) is the "before"
 * or "since" with which it goes on. */
int store_read(struct store *s, const struct store_query *query, store_message_fn fn,
        void *userdata, uint64_t *ret_next);
