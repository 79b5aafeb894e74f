/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What the files of the store share
 */
#include <sqlite3.h>

#include "base/buffer.h"
#include "base/cursor.h"
#include "base/list.h"
#include "core/crypto/crypto.h"
#include "core/crypto/random.h"
#include "core/delivery/stream.h"
#include "store/store.h"

#define SEAL_SIZE (NONCE_SIZE + TAG_SIZE) /* that a sealed value is longer than a plain one */
#define SCRATCH_SIZE_MAX (1024 * 1024)
#define CONVERSATION_KEYS 1024 /* unwrapped ones that are kept at hand */

/* What makes version 1 of nothing, version 2 of that, and so on. */
extern const char store_schema_1[], store_schema_2[], store_schema_3[], store_schema_4[],
        store_schema_5[];

/* Prepared once, when first used, and kept. */
enum statement {
        SQL_BEGIN,
        SQL_COMMIT,
        SQL_MARK_GET,
        SQL_MARK_SET,
        SQL_SETTING_GET,
        SQL_SETTING_SET,
        SQL_PEER_LIST,
        SQL_PEER_SET,
        SQL_PEER_HEARD,
        SQL_PEER_DELETE,
        SQL_KEY_GET,
        SQL_KEY_SET,
        SQL_KEY_DELETE,
        SQL_MESSAGE_ADD,
        SQL_MESSAGE_BY_ID,
        SQL_MESSAGE_EXISTS,
        SQL_MESSAGE_PEER,
        SQL_MESSAGE_END,
        SQL_MESSAGE_END_SEALED,
        SQL_MESSAGE_FORGET,
        SQL_MESSAGE_OLD,
        SQL_MESSAGE_EXPIRE,
        SQL_MESSAGE_OLDEST,
        SQL_QUEUE_LIST_NUMBERED,
        SQL_QUEUE_LIST,
        SQL_QUEUE_ADD,
        SQL_QUEUE_DELETE,
        SQL_QUEUE_PROGRESS,
        SQL_QUEUE_NUMBER,
        SQL_QUEUE_FORGET,
        SQL_STREAM_LIST,
        SQL_STREAM_SET,
        SQL_STREAM_DELETE,
        SQL_STREAM_MARK_LIST,
        SQL_STREAM_MARK_SET,
        SQL_STREAM_MARK_DELETE,
        SQL_STREAM_MARK_DELETE_ALL,
        SQL_REFUSED_LIST,
        SQL_REFUSED_SET,
        SQL_REFUSED_DELETE,
        SQL_REFUSED_DELETE_STREAM,
        SQL_REFUSED_DELETE_ALL,
        SQL_ERASED_ADD,
        SQL_ERASED_HAS,
        SQL_ERASED_OLDEST,
        SQL_ERASED_EXPIRE,
        SQL_ERASED_TRIM,
        SQL_ERASED_DELETE_ALL,
        SQL_BLOCK_LIST,
        SQL_BLOCK_GENESIS,
        SQL_BLOCK_SET,
        SQL_BLOCK_DELETE,
        SQL_TEAM_LIST,
        SQL_TEAM_SET,
        SQL_TEAM_MUTE,
        SQL_TEAM_DELETE,
        SQL_LEAVE_LIST,
        SQL_LEAVE_SET,
        SQL_LEAVE_DELETE,
        SQL_LEAVE_DELETE_ALL,
        SQL_LANE_LIST,
        SQL_LANE_GET,
        SQL_LANE_SET,
        SQL_LANE_DELETE,
        SQL_LANE_DELETE_ALL,
        SQL_TOLD_LIST,
        SQL_TOLD_GET,
        SQL_TRANSFER_LIST,
        SQL_TRANSFER_SET,
        SQL_TRANSFER_DELETE,
        N_STATEMENTS,
};

struct conversation_key {
        uint64_t peer; /* 0: empty */
        uint8_t key[KEY_SIZE];
};

/* From secret_alloc(). */
struct store_keys {
        uint8_t wrap[KEY_SIZE];    /* seals the keys of conversations */
        uint8_t records[KEY_SIZE]; /* seals settings, peers, streams, blocks, groups, transfers */
        uint8_t erased[KEY_SIZE];  /* hashes origins of erased messages */
        uint8_t lanes[KEY_SIZE];   /* hashes lanes of groups and places in them */
        uint8_t in_use[KEY_SIZE];  /* the one that the cipher has */
};

struct store {
        sqlite3 *db;
        sqlite3_stmt *statements[N_STATEMENTS];
        char *path;
        bool is_file; /* an ordinary file, not something inside a VFS */

        struct random *random;
        struct aead *aead;
        struct store_keys *keys;
        struct conversation_key conversation_keys[CONVERSATION_KEYS]; /* by peer modulo size */
        struct buffer plain;  /* what was opened last, or is to be sealed */
        struct buffer sealed; /* what was sealed last */

        usec_t age_max_usec;
        usec_t real_usec; /* of this turn */
        uint64_t last_sequence;
        uint64_t logged;
        bool logged_changed;
        bool in_transaction;
        bool erased;     /* keys or texts are gone, but old pages of them may still be in the log */
        bool any_erased; /* origins of erased messages are remembered */
        int failed;      /* negative once something failed: from then on everything does */
        bool checked;    /* it is ours, and what fails now is damage */

        struct list pending, committed; /* struct stored_event */
        struct stored_event *shown;     /* the last that store_next_event() gave */
};

/*
 * sql.c
 */
/* The outcome of SQLite as an errno; 0 for SQLITE_OK, ROW and DONE. */
int store_errno(struct store *s, int sqlite_result);
/* The same where it ends this transaction and all later ones. */
int store_fail(struct store *s, int r);
/* A statement ready for binding, or NULL and *ret_error. */
sqlite3_stmt *store_statement(struct store *s, enum statement which, int *ret_error);
/* 1 for a row, 0 at the end (then it is reset), or negative (then too). */
int store_step(struct store *s, sqlite3_stmt *q);
/* Runs to its end what gives no rows. */
int store_run(struct store *s, sqlite3_stmt *q);
/* The same with the one number that @which wants. */
int store_run_number(struct store *s, enum statement which, uint64_t number);
void store_reset(sqlite3_stmt **q);
int store_exec(struct store *s, const char *sql);
/* Begins the transaction unless it is open. */
int store_begin(struct store *s);
void store_finalize_all(struct store *s);

#define _cleanup_statement_ _cleanup_(store_reset)

/*
 * seal.c
 *
 * Where a sealed value stands: it opens nowhere else.
 */
struct place {
        const char *column; /* "table.column" */
        uint64_t conversation;
        uint64_t row;
        const uint8_t *network; /* HASH_SIZE, or NULL: of none */
};

int store_seal_init(struct store *s, const uint8_t *secret);
void store_seal_done(struct store *s);
/* Into s->sealed. 0 or -ENOMEM. */
int store_seal(struct store *s, const uint8_t key[static KEY_SIZE], const struct place *place,
        const void *plain, size_t size);
/* As parameter @column of @q, which must run before anything else is sealed. */
void store_bind_sealed(const struct store *s, sqlite3_stmt *q, int column);
/* Into s->plain. 0, -ENOMEM, or -EBADMSG when it is not genuine. */
int store_unseal(struct store *s, const uint8_t key[static KEY_SIZE], const struct place *place,
        const void *sealed, size_t size);
/* The key of a conversation, valid until the next call; with @create made when it has none.
 * 0, -ENOENT, -EBADMSG, or what the database says. */
int store_conversation_key(struct store *s, uint64_t peer, bool create, const uint8_t **ret);
void store_forget_key(struct store *s, uint64_t peer);
int store_set_setting(struct store *s, const char *name, const void *value, size_t size);
/* Into s->plain. 0, -ENOENT, -EBADMSG, or what the database says. */
int store_get_setting(struct store *s, const char *name);

/*
 * message.c: rows ↔ records
 */
#define ENDPOINT_SIZE 24 /* encoded */
void store_write_endpoint(struct writer *w, const struct endpoint *e);
struct endpoint store_read_endpoint(struct reader *r);
/* A blob as a string; @ret has room for @size_max bytes and a zero byte. */
void store_read_string(struct reader *r, char *ret, size_t size_max);
int store_encode_peer(struct store *s, const struct peer_record *peer); /* into s->sealed */
/* 0, -EBADMSG, -ENOMEM. */
int store_decode_peer(
        struct store *s, uint64_t number, const void *record, size_t size, struct peer_record *ret);
int store_encode_message(struct store *s, const uint8_t key[static KEY_SIZE],
        const struct message_record *message, uint64_t sequence); /* into s->sealed */
#define MESSAGE_COLUMNS "sequence, id, peer, direction, security, state, time, sealed"
enum {
        COLUMN_SEQUENCE,
        COLUMN_ID,
        COLUMN_PEER,
        COLUMN_DIRECTION,
        COLUMN_SECURITY,
        COLUMN_STATE,
        COLUMN_TIME,
        COLUMN_SEALED,
};
/* Beside the bit that tells sent from received. */
#define DIRECTION_IN_GROUP 2

/* As it lies in the table; anything may be in it. */
struct message_row {
        uint64_t sequence;
        const void *id;
        size_t id_size;
        uint64_t peer;
        int64_t direction, security, state;
        usec_t time_usec;
        const void *sealed;
        size_t sealed_size;
        const struct ulid *origin; /* NULL: none; not in MESSAGE_COLUMNS */
};
/* Of MESSAGE_COLUMNS; valid until the statement moves. */
struct message_row store_message_row(sqlite3_stmt *q);
/* The text is in s->plain. 0, -EBADMSG when it cannot be read, or negative. */
int store_decode_message(
        struct store *s, const struct message_row *row, struct message_record *ret);
/* 0 or -EBADMSG. */
int store_decode_id(sqlite3_stmt *q, int column, struct ulid *ret);

/*
 * load.c
 */
/* The same where a node cannot start without what failed to load: the next store_open() knows. */
int store_needed(struct store *s, int r);
/* Is @sealed the private number of the queued message @sequence? 0, -EBADMSG, -ENOENT, ... */
int store_proves_number(struct store *s, uint64_t sequence, const void *sealed, size_t size);

/*
 * change.c
 */
/* A row of the queue and its message as they were, sealed. */
int store_copy_queued(struct store *s, const struct message_row *row, size_t text_size);

/*
 * stream.c: streams from and to native peers
 */
int store_apply_number(struct store *s, const struct ulid *id, uint64_t number);
int store_apply_stream(struct store *s, const struct stream_record *stream);
int store_apply_mark(struct store *s, const struct mark_record *mark);
int store_apply_mark_gone(struct store *s, const struct mark_record *mark);
int store_apply_refused(struct store *s, const struct refused_record *refused);
/* All that is known of the streams of a peer that is forgotten. */
int store_forget_streams(struct store *s, uint64_t peer);
/* Of a row, what is sealed; the rest is there already. 0, -EBADMSG or -ENOMEM. */
int store_decode_stream(
        struct store *s, const void *sealed, size_t size, struct stream_record *stream);
int store_decode_mark(struct store *s, const void *sealed, size_t size, struct mark_record *mark);
int store_decode_refused(
        struct store *s, const void *sealed, size_t size, struct refused_record *refused);

/*
 * ring.c
 */
int store_apply_ring(struct store *s, const struct ring_record *ring);

/*
 * ledger.c
 */
int store_apply_ledger(struct store *s, const struct ledger_record *ledger);
int store_apply_block(struct store *s, const struct block_record *block);
int store_apply_blocks_gone(struct store *s, const struct block_record *block);
/* Of a row, what is sealed, with its bytes in s->plain; network and height are there already. 0,
 * -EBADMSG or -ENOMEM. */
int store_decode_block(
        struct store *s, const void *sealed, size_t size, struct block_record *block);

/*
 * group.c
 */
#define GROUP_HASH_SIZE 16
int store_apply_group(struct store *s, const struct group_record *group);
int store_apply_group_gone(struct store *s, uint64_t number);
int store_apply_group_muted(struct store *s, uint64_t number, usec_t until_usec);
int store_apply_leave(struct store *s, const struct leave_record *leave);
int store_apply_leave_gone(struct store *s, const struct leave_record *leave);
int store_apply_lane(struct store *s, const struct lane_record *lane);
/* What stands in the origin of a message of a group. */
void store_group_origin(const struct store *s, uint64_t group, const struct group_lane_id *lane,
        uint64_t number, struct ulid *ret);
/* Of rows, what is sealed; the rest is there already. Bytes are in s->plain. 0, -EBADMSG, -ENOMEM.
 */
int store_decode_group(
        struct store *s, const void *sealed, size_t size, struct group_record *group);
int store_decode_leave(struct store *s, const uint8_t hash[static GROUP_HASH_SIZE],
        const void *sealed, size_t size, struct leave_record *leave);
int store_decode_lane(struct store *s, const uint8_t hash[static GROUP_HASH_SIZE],
        const void *sealed, size_t size, struct lane_record *lane);

/*
 * transfer.c
 */
int store_apply_transfer(struct store *s, const struct file_record *file);
int store_apply_transfer_gone(struct store *s, const struct transfer_id *id);
/* Of a row, what is sealed; file->transfer.id is there already. @name gets what its name points to.
 * 0, -EBADMSG or -ENOMEM. */
int store_decode_transfer(struct store *s, const void *sealed, size_t size,
        struct file_record *file, char name[static TRANSFER_NAME_MAX + 1]);

/*
 * erase.c: erasing what is old, and what is remembered of it
 */
#define ERASED_KEPT_USEC (90 * USEC_PER_DAY)
#define ERASED_MAX 200000 /* the newest are kept */
#define ORIGIN_HASH_SIZE 16
/* Counts what is there. */
int store_erased_init(struct store *s);
/* Remembers that a message with this origin was there, at @time_usec. */
int store_remember_origin(
        struct store *s, uint64_t peer, const struct ulid *origin, usec_t time_usec);
/* 1, 0 or negative. */
int store_is_erased(struct store *s, uint64_t peer, const struct ulid *origin);
int store_trim_erased(struct store *s);

/*
 * pages.c
 */
#define STORE_PAGE_SIZE 4096

struct page_value {
        bool is_number, is_blob; /* neither: NULL */
        int64_t number;
        const uint8_t *data; /* of a blob or text */
        size_t size;
};

struct page_row {
        bool is_index;  /* of a table WITHOUT ROWID, or an index */
        int64_t number; /* else: the row's */
        struct page_value columns[10];
        size_t n_columns;
};
typedef int (*page_row_fn)(const struct page_row *row, void *userdata);
/* Calls @fn for everything in the file that looks like a row; a negative return ends it and is
 * returned. */
int store_walk_pages(const char *path, page_row_fn fn, void *userdata);

/*
 * salvage-rows.c
 */
/* Copies what can be proved of the damaged database @from into the empty @to, and commits. 0,
 * STORE_WRONG_SECRET, or negative. */
int store_copy_rows(struct store *to, const char *from, usec_t real_usec, uint64_t *ret_n_lost);

/*
 * open.c
 */
int store_mark_damaged(struct store *s);
#define DAMAGE_SUFFIX ".damaged"

/*
 * event.c: all strings are copied; into pending
 */
int store_add_event(struct store *s, const struct store_event *event);
void store_publish_events(struct store *s);
void store_drop_events(struct store *s);
