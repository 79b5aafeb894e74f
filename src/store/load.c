/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a node is told at its start, and the texts that it asks for later */
#include "store/store-internal.h"

/* A seal that does not open is damage, not somebody's fault. */
static int damage(int r)
{
        return r == -EBADMSG ? -EUCLEAN : r;
}

int store_needed(struct store *s, int r)
{
        r = damage(r);
        return r == -EUCLEAN ? store_fail(s, r) : r;
}

int store_load_peers(struct store *s, store_peer_fn fn, void *userdata)
{
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        int r = 0;

        q = store_statement(s, SQL_PEER_LIST, &r);
        if (!q)
                return store_needed(s, r);
        while ((r = store_step(s, q)) > 0) {
                struct peer_record peer;

                r = store_decode_peer(s, (uint64_t)sqlite3_column_int64(q, 0),
                        sqlite3_column_blob(q, 2), (size_t)sqlite3_column_bytes(q, 2), &peer);
                if (r < 0)
                        return store_needed(s, r);
                peer.heard_usec = (usec_t)sqlite3_column_int64(q, 1);
                r = fn(&peer, userdata);
                if (r < 0)
                        return r;
        }
        return store_needed(s, r);
}

/* Into s->plain. */
static int unseal_number(
        struct store *s, uint64_t peer, uint64_t sequence, const void *sealed, size_t size)
{
        const struct place place = { "queue.number", peer, sequence };
        const uint8_t *key;
        int r;

        r = store_conversation_key(s, peer, false, &key);
        if (r == 0)
                r = store_unseal(s, key, &place, sealed, size);
        if (r < 0)
                return r == -ENOENT ? -EBADMSG : r;
        return s->plain.size > NUMBER_SIZE_MAX ? -EBADMSG : 0;
}

int store_proves_number(struct store *s, uint64_t sequence, const void *sealed, size_t size)
{
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        int r = 0;

        q = store_statement(s, SQL_MESSAGE_PEER, &r);
        if (!q)
                return store_needed(s, r);
        (void)sqlite3_bind_int64(q, 1, (int64_t)sequence);
        r = store_step(s, q);
        if (r <= 0)
                return r < 0 ? r : -ENOENT;
        return unseal_number(s, (uint64_t)sqlite3_column_int64(q, 0), sequence, sealed, size);
}

/* Column 6 of the queue's row. */
static int decode_number(struct store *s, sqlite3_stmt *q, uint64_t peer, char *ret)
{
        int r;

        if (sqlite3_column_type(q, 6) == SQLITE_NULL)
                return 0;
        r = unseal_number(s, peer, (uint64_t)sqlite3_column_int64(q, 0), sqlite3_column_blob(q, 6),
                (size_t)sqlite3_column_bytes(q, 6));
        if (r < 0)
                return r;
        memcpy(ret, s->plain.data, s->plain.size + 1);
        return 0;
}

static int load_queued_row(struct store *s, sqlite3_stmt *q, store_queued_fn fn, void *userdata)
{
        struct queued_record row = {
                .peer = (uint64_t)sqlite3_column_int64(q, 2),
                .size = (size_t)sqlite3_column_int64(q, 4),
                .size_sent = (size_t)sqlite3_column_int64(q, 5),
                .stream_number = (uint64_t)sqlite3_column_int64(q, 7),
        };
        int64_t security = sqlite3_column_int64(q, 3);
        int r;

        if (security < 0 || security >= N_SECURITIES || row.size_sent > row.size ||
                row.stream_number > STREAM_NUMBER_MAX)
                return store_needed(s, -EUCLEAN);
        row.security = (enum security)security;
        r = store_decode_id(q, 1, &row.id);
        if (r == 0)
                r = decode_number(s, q, row.peer, row.number);
        if (r < 0)
                return store_needed(s, r);
        return fn(&row, userdata);
}

int store_load_queued(struct store *s, store_queued_fn fn, void *userdata)
{
        static const enum statement lists[] = { SQL_QUEUE_LIST_NUMBERED, SQL_QUEUE_LIST };

        for (size_t i = 0; i < ELEMENTSOF(lists); i++) {
                _cleanup_statement_ sqlite3_stmt *q = NULL;
                int r = 0;

                q = store_statement(s, lists[i], &r);
                if (!q)
                        return store_needed(s, r);
                while ((r = store_step(s, q)) > 0) {
                        r = load_queued_row(s, q, fn, userdata);
                        if (r < 0)
                                return r;
                }
                if (r < 0)
                        return store_needed(s, r);
        }
        return 0;
}

int store_load_username(struct store *s, char **ret)
{
        char *username;
        int r;

        r = store_get_setting(s, "username");
        if (r < 0)
                return store_needed(s, r);
        username = strndup((const char *)s->plain.data, s->plain.size);
        if (!username)
                return -ENOMEM;
        *ret = username;
        return 0;
}

int store_load_text(
        struct store *s, const struct ulid *id, usec_t *ret_time_usec, char **ret, size_t *ret_size)
{
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        struct message_row row;
        struct message_record m;
        char *text;
        int r = 0;

        q = store_statement(s, SQL_MESSAGE_BY_ID, &r);
        if (!q)
                return r;
        (void)sqlite3_bind_blob(q, 1, id->bytes, sizeof id->bytes, SQLITE_STATIC);
        r = store_step(s, q);
        if (r < 0)
                return r;
        if (r == 0 || sqlite3_column_int(q, COLUMN_STATE) != MESSAGE_QUEUED)
                return -ENOENT;
        row = store_message_row(q);
        r = store_decode_message(s, &row, &m);
        if (r < 0)
                return damage(r);
        text = malloc(m.size + 1);
        if (!text)
                return -ENOMEM;
        memcpy(text, m.text, m.size);
        text[m.size] = 0;
        *ret_time_usec = m.time_usec;
        *ret = text;
        *ret_size = m.size;
        return 0;
}
