/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Applying changes, and the one commit of a turn
 *
 * The first change of a turn opens the transaction. Whatever fails in it fails the store for good:
 * the node is ahead of what is kept then, and only a new start brings both together again.
 */
#include "store/store-internal.h"

static void bind_id(sqlite3_stmt *q, int column, const struct ulid *id)
{
        (void)sqlite3_bind_blob(q, column, id->bytes, sizeof id->bytes, SQLITE_STATIC);
}

static int apply_peer(struct store *s, const struct peer_record *p)
{
        sqlite3_stmt *q;
        int r;

        r = store_encode_peer(s, p);
        if (r < 0)
                return r;
        q = store_statement(s, SQL_PEER_SET, &r);
        if (!q)
                return r;
        (void)sqlite3_bind_int64(q, 1, (int64_t)p->number);
        (void)sqlite3_bind_int64(q, 2, (int64_t)p->heard_usec);
        store_bind_sealed(s, q, 3);
        return store_run(s, q);
}

/* @number: sealed, or NULL. */
static int add_queue_row(
        struct store *s, uint64_t sequence, size_t size, const struct buffer *number)
{
        sqlite3_stmt *q;
        int r = 0;

        q = store_statement(s, SQL_QUEUE_ADD, &r);
        if (!q)
                return r;
        (void)sqlite3_bind_int64(q, 1, (int64_t)sequence);
        (void)sqlite3_bind_int64(q, 2, (int64_t)size);
        if (number)
                (void)sqlite3_bind_blob(q, 3, number->data, (int)number->size, SQLITE_STATIC);
        else
                (void)sqlite3_bind_null(q, 3);
        return store_run(s, q);
}

/* Number and size of a queued message; the conversation's key is @key. */
static int enqueue(
        struct store *s, const struct message_record *m, uint64_t sequence, const uint8_t *key)
{
        const struct place place = { "queue.number", m->peer, sequence };
        int r;

        if (!m->number[0])
                return add_queue_row(s, sequence, m->size, NULL);
        r = store_seal(s, key, &place, m->number, strlen(m->number));
        if (r < 0)
                return r;
        return add_queue_row(s, sequence, m->size, &s->sealed);
}

/* 1, 0 when a message with this id or origin is there already, or negative. @done_usec 0: it waits.
 */
static int add_message_row(struct store *s, const struct message_row *row, usec_t done_usec)
{
        sqlite3_stmt *q;
        int r = 0;

        q = store_statement(s, SQL_MESSAGE_ADD, &r);
        if (!q)
                return r;
        (void)sqlite3_bind_int64(q, 1, (int64_t)row->sequence);
        (void)sqlite3_bind_blob(q, 2, row->id, (int)row->id_size, SQLITE_STATIC);
        (void)sqlite3_bind_int64(q, 3, (int64_t)row->peer);
        (void)sqlite3_bind_int64(q, 4, row->direction);
        (void)sqlite3_bind_int64(q, 5, row->security);
        (void)sqlite3_bind_int64(q, 6, row->state);
        (void)sqlite3_bind_int64(q, 7, (int64_t)row->time_usec);
        if (done_usec == 0)
                (void)sqlite3_bind_null(q, 8);
        else
                (void)sqlite3_bind_int64(q, 8, (int64_t)done_usec);
        (void)sqlite3_bind_blob(q, 9, row->sealed, (int)row->sealed_size, SQLITE_STATIC);
        if (row->origin)
                bind_id(q, 10, row->origin);
        else
                (void)sqlite3_bind_null(q, 10);
        r = store_run(s, q);
        if (r < 0)
                return r;
        return sqlite3_changes(s->db) > 0;
}

int store_copy_queued(struct store *s, const struct message_row *row, size_t text_size)
{
        int r = add_message_row(s, row, 0);

        if (row->direction & DIRECTION_IN_GROUP)
                return MIN(r, 0);
        return r > 0 ? add_queue_row(s, row->sequence, text_size, NULL) : r;
}

/* When a message was done with, or 0 while it waits: in a group, until all have it. */
static usec_t done_time(const struct store *s, const struct message_record *m)
{
        if (m->state == MESSAGE_QUEUED || (m->state == MESSAGE_SENT && m->group.number > 0))
                return 0;
        if (m->direction == DIRECTION_RECEIVED || s->real_usec == 0)
                return m->time_usec;
        return s->real_usec;
}

/* Is there a message with this id: 1, 0 or negative. */
static int has_message(struct store *s, const struct ulid *id)
{
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        int r = 0;

        q = store_statement(s, SQL_MESSAGE_EXISTS, &r);
        if (!q)
                return r;
        bind_id(q, 1, id);
        return store_step(s, q);
}

static int tell_known(struct store *s, const struct message_record *m)
{
        const struct store_event event = { .type = STORE_EVENT_KNOWN,
                .known = { .peer = m->peer, .stream_number = m->stream_number } };

        return store_add_event(s, &event);
}

/* It was not stored: because this very change was applied before, or because of its origin. */
static int already_there(struct store *s, const struct message_record *m)
{
        int r;

        if (m->stream_number == 0)
                return 0;
        r = has_message(s, &m->id);
        if (r != 0)
                return r < 0 ? r : 0;
        return tell_known(s, m);
}

/* The lane has come so far, whether the message is here already or not. */
static int take_lane(struct store *s, const struct message_record *m, struct ulid *ret_origin)
{
        const struct lane_record lane = { m->peer, m->group.lane, m->group.number };

        store_group_origin(s, m->peer, &m->group.lane, m->group.number, ret_origin);
        return store_apply_lane(s, &lane);
}

static int apply_message(struct store *s, const struct message_record *m)
{
        struct store_event event = { .type = STORE_EVENT_MESSAGE, .message = *m };
        uint64_t sequence = s->last_sequence + 1;
        bool is_in_group = m->group.number > 0;
        struct ulid origin = m->origin;
        struct message_row row;
        const uint8_t *key;
        int r;

        if (is_in_group) {
                r = take_lane(s, m, &origin);
                if (r < 0)
                        return r;
        }
        if (m->stream_number > 0) {
                r = store_is_erased(s, m->peer, &m->origin);
                if (r != 0)
                        return r < 0 ? r : tell_known(s, m);
        }
        r = store_conversation_key(s, m->peer, true, &key);
        if (r < 0)
                return r;
        r = store_encode_message(s, key, m, sequence);
        if (r < 0)
                return r;
        row = (struct message_row){
                .sequence = sequence,
                .id = m->id.bytes,
                .id_size = sizeof m->id.bytes,
                .peer = m->peer,
                .direction = m->direction | (is_in_group ? DIRECTION_IN_GROUP : 0),
                .security = m->security,
                .state = m->state,
                .time_usec = m->time_usec,
                .sealed = s->sealed.data,
                .sealed_size = s->sealed.size,
                .origin = m->stream_number > 0 || is_in_group ? &origin : NULL,
        };
        r = add_message_row(s, &row, done_time(s, m));
        if (r <= 0)
                return r < 0 ? r : already_there(s, m);

        s->last_sequence = sequence;
        if (m->state == MESSAGE_QUEUED && !is_in_group) {
                r = enqueue(s, m, sequence, key);
                if (r < 0)
                        return r;
        }
        event.message.sequence = sequence;
        return store_add_event(s, &event);
}

/* Writes the message's end; its address too when that is another one than it was stored with. */
static int end_message(struct store *s, struct message_record *m, const struct change_state *c,
        bool readable, usec_t done_usec)
{
        bool went = c->state == MESSAGE_SENT || c->state == MESSAGE_DELIVERED;
        bool moved = readable && c->endpoint.family != ENDPOINT_NONE &&
                     !endpoint_equal(&c->endpoint, &m->endpoint);
        sqlite3_stmt *q;
        int r = 0;

        if (moved) {
                const uint8_t *key;

                r = store_conversation_key(s, m->peer, false, &key);
                if (r < 0)
                        return r;
                m->endpoint = c->endpoint;
                r = store_encode_message(s, key, m, m->sequence);
                if (r < 0)
                        return r;
        }
        q = store_statement(s, moved ? SQL_MESSAGE_END_SEALED : SQL_MESSAGE_END, &r);
        if (!q)
                return r;
        (void)sqlite3_bind_int64(q, 1, (int64_t)m->sequence);
        (void)sqlite3_bind_int(q, 2, (int)c->state);
        (void)sqlite3_bind_int(q, 3, (int)(went ? c->security : m->security));
        if (done_usec == 0)
                (void)sqlite3_bind_null(q, 4);
        else
                (void)sqlite3_bind_int64(q, 4, (int64_t)done_usec);
        if (moved)
                store_bind_sealed(s, q, 5);
        r = store_run(s, q);
        if (r < 0)
                return r;
        return store_run_number(s, SQL_QUEUE_DELETE, m->sequence);
}

/* May its state change? That of a message to a group, when some have it and others do not. */
static bool is_waiting(const struct message_row *row)
{
        return row->state == MESSAGE_QUEUED ||
               (row->state == MESSAGE_SENT && row->direction & DIRECTION_IN_GROUP);
}

/* The row of a message by its id: 1, 0 when there is none or it does not wait, or negative.
 * *ret_readable: whether its seal opened; if not, only the plain columns are there. */
static int find_queued(
        struct store *s, const struct ulid *id, struct message_record *ret, bool *ret_readable)
{
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        struct message_row row;
        int r = 0;

        q = store_statement(s, SQL_MESSAGE_BY_ID, &r);
        if (!q)
                return r;
        bind_id(q, 1, id);
        r = store_step(s, q);
        if (r <= 0)
                return r;
        row = store_message_row(q);
        if (!is_waiting(&row))
                return 0;
        r = store_decode_message(s, &row, ret);
        if (r < 0 && r != -EBADMSG)
                return r;
        *ret_readable = r == 0;
        if (r < 0)
                *ret = (struct message_record){
                        .sequence = row.sequence,
                        .peer = row.peer,
                        .state = (enum message_state)row.state,
                        .time_usec = row.time_usec,
                };
        return 1;
}

static int apply_state(struct store *s, const struct change_state *c)
{
        const struct store_event event = { .type = STORE_EVENT_STATE, .state = *c };
        struct message_record m;
        usec_t done_usec = 0;
        bool readable = false;
        int r;

        if (c->state == MESSAGE_QUEUED)
                return 0;
        r = find_queued(s, &c->id, &m, &readable);
        if (r <= 0)
                return r;
        if (!c->is_open)
                done_usec = s->real_usec > 0 ? s->real_usec : m.time_usec;
        r = end_message(s, &m, c, readable, done_usec);
        if (r < 0)
                return r;
        return m.state != c->state ? store_add_event(s, &event) : 0;
}

static int apply_progress(struct store *s, const struct ulid *id, size_t size_sent)
{
        sqlite3_stmt *q;
        int r = 0;

        q = store_statement(s, SQL_QUEUE_PROGRESS, &r);
        if (!q)
                return r;
        bind_id(q, 1, id);
        (void)sqlite3_bind_int64(q, 2, (int64_t)size_sent);
        return store_run(s, q);
}

static int apply_forget(struct store *s, uint64_t peer)
{
        int r;

        r = store_run_number(s, SQL_QUEUE_FORGET, peer);
        if (r == 0)
                r = store_run_number(s, SQL_MESSAGE_FORGET, peer);
        if (r == 0)
                r = store_run_number(s, SQL_ERASED_DELETE_ALL, peer);
        if (r == 0)
                r = store_run_number(s, SQL_KEY_DELETE, peer);
        store_forget_key(s, peer);
        s->erased = true;
        return r;
}

static int apply_gone(struct store *s, uint64_t peer)
{
        int r;

        store_forget_key(s, peer);
        r = store_forget_streams(s, peer);
        return r < 0 ? r : store_run_number(s, SQL_PEER_DELETE, peer);
}

static int apply_group_gone(struct store *s, uint64_t number)
{
        int r = apply_forget(s, number);

        if (r == 0)
                r = store_apply_group_gone(s, number);
        return r < 0 ? r : store_run_number(s, SQL_PEER_DELETE, number);
}

static int apply_presence(struct store *s, const struct change_presence *c)
{
        const struct store_event event = { .type = STORE_EVENT_PRESENCE, .presence = *c };
        sqlite3_stmt *q;
        int r = 0;

        q = store_statement(s, SQL_PEER_HEARD, &r);
        if (!q)
                return r;
        (void)sqlite3_bind_int64(q, 1, (int64_t)c->number);
        (void)sqlite3_bind_int64(q, 2, (int64_t)c->heard_usec);
        r = store_run(s, q);
        if (r < 0)
                return r;
        return store_add_event(s, &event);
}

static int apply_username(struct store *s, const char *username)
{
        const struct store_event event = { .type = STORE_EVENT_USERNAME, .text = username };
        int r;

        r = store_set_setting(s, "username", username, strlen(username));
        if (r < 0)
                return r;
        return store_add_event(s, &event);
}

static int apply_warning(struct store *s, const struct change_warning *c)
{
        const struct store_event event = { .type = STORE_EVENT_WARNING, .warning = *c };

        return store_add_event(s, &event);
}

static int apply_session(struct store *s, const struct change_session *c)
{
        const struct store_event event = { .type = STORE_EVENT_SESSION, .session = *c };

        return store_add_event(s, &event);
}

static int apply_certified(struct store *s, const struct change_certified *c)
{
        const struct store_event event = { .type = STORE_EVENT_CERTIFIED, .certified = *c };

        return store_add_event(s, &event);
}

static int apply_invited(struct store *s, const struct change_invited *c)
{
        const struct store_event event = { .type = STORE_EVENT_INVITED, .invited = *c };

        return store_add_event(s, &event);
}

static int apply_file(struct store *s, const struct change_file *c)
{
        const struct store_event event = { .type = STORE_EVENT_FILE, .file = *c };

        return store_add_event(s, &event);
}

/* Only told, as an event of its turn; nothing of it is kept. */
static bool is_told_only(enum change_type type)
{
        return type == CHANGE_WARNING || type == CHANGE_SESSION || type == CHANGE_CERTIFIED ||
               type == CHANGE_INVITED || type == CHANGE_FILE;
}

static int apply(struct store *s, const struct change *c)
{
        switch (c->type) {
        case CHANGE_PEER:
                return apply_peer(s, &c->peer);
        case CHANGE_PEER_GONE:
                return apply_gone(s, c->number);
        case CHANGE_MESSAGE:
                return apply_message(s, &c->message);
        case CHANGE_STATE:
                return apply_state(s, &c->state);
        case CHANGE_PROGRESS:
                return apply_progress(s, &c->progress.id, c->progress.size_sent);
        case CHANGE_FORGET:
                return apply_forget(s, c->number);
        case CHANGE_NUMBER:
                return store_apply_number(s, &c->numbered.id, c->numbered.number);
        case CHANGE_STREAM:
                return store_apply_stream(s, &c->stream);
        case CHANGE_MARK:
                return store_apply_mark(s, &c->mark);
        case CHANGE_MARK_GONE:
                return store_apply_mark_gone(s, &c->mark);
        case CHANGE_REFUSED:
                return store_apply_refused(s, &c->refused);
        case CHANGE_SESSION:
                return apply_session(s, &c->session);
        case CHANGE_USERNAME:
                return apply_username(s, c->text);
        case CHANGE_RING:
                return store_apply_ring(s, &c->ring);
        case CHANGE_LEDGER:
                return store_apply_ledger(s, &c->ledger);
        case CHANGE_BLOCK:
                return store_apply_block(s, &c->block);
        case CHANGE_BLOCKS_GONE:
                return store_apply_blocks_gone(s, &c->block);
        case CHANGE_GROUP:
                return store_apply_group(s, &c->group);
        case CHANGE_GROUP_GONE:
                return apply_group_gone(s, c->number);
        case CHANGE_GROUP_MUTED:
                return store_apply_group_muted(s, c->muted.number, c->muted.until_usec);
        case CHANGE_LEAVE:
                return store_apply_leave(s, &c->leave);
        case CHANGE_LEAVE_GONE:
                return store_apply_leave_gone(s, &c->leave);
        case CHANGE_LANE:
                return store_apply_lane(s, &c->lane);
        case CHANGE_TRANSFER:
                return store_apply_transfer(s, &c->transfer);
        case CHANGE_TRANSFER_GONE:
                return store_apply_transfer_gone(s, &c->transfer_id);
        case CHANGE_CERTIFIED:
                return apply_certified(s, &c->certified);
        case CHANGE_INVITED:
                return apply_invited(s, &c->invited);
        case CHANGE_FILE:
                return apply_file(s, &c->file);
        case CHANGE_PRESENCE:
                return apply_presence(s, &c->presence);
        case CHANGE_WARNING:
                return apply_warning(s, &c->warning);
        }
        return -EINVAL;
}

int store_apply(struct store *s, const struct change *change)
{
        int r;

        if (s->failed < 0)
                return s->failed;
        if (!is_told_only(change->type)) {
                r = store_begin(s);
                if (r < 0)
                        return store_fail(s, r);
        }
        return store_fail(s, apply(s, change));
}

void store_set_time(struct store *s, usec_t real_usec)
{
        s->real_usec = real_usec;
}

static int commit(struct store *s)
{
        sqlite3_stmt *q;
        int r = 0;

        q = store_statement(s, SQL_MARK_SET, &r);
        if (!q)
                return r;
        (void)sqlite3_bind_int64(q, 1, (int64_t)s->last_sequence);
        (void)sqlite3_bind_int64(q, 2, (int64_t)s->logged);
        r = store_run(s, q);
        if (r < 0)
                return r;
        q = store_statement(s, SQL_COMMIT, &r);
        if (!q)
                return r;
        r = store_run(s, q);
        if (r < 0)
                return r;
        s->in_transaction = false;
        s->logged_changed = false;
        return 0;
}

int store_commit(struct store *s)
{
        int r;

        if (s->failed < 0)
                return s->failed;
        if (s->in_transaction) {
                r = commit(s);
                if (r < 0)
                        return store_fail(s, r);
        }
        store_publish_events(s);

        /* What was erased must not stay readable in the write-ahead log. When that fails, nothing
         * that was committed is in danger: the log is whole, and it is tried again. */
        if (s->erased && sqlite3_wal_checkpoint_v2(
                                 s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) == SQLITE_OK)
                s->erased = false;
        return 0;
}

uint64_t store_last_sequence(const struct store *s)
{
        return s->last_sequence;
}

uint64_t store_logged(const struct store *s)
{
        return s->logged;
}

void store_set_logged(struct store *s, uint64_t sequence)
{
        if (sequence == s->logged)
                return;
        s->logged = sequence;
        s->logged_changed = true;
}
