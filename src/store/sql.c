/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Statements, and what SQLite says about them */
#include "store/store-internal.h"

static const char *const texts[N_STATEMENTS] = {
        [SQL_BEGIN] = "BEGIN IMMEDIATE",
        [SQL_COMMIT] = "COMMIT",
        [SQL_MARK_GET] = "SELECT sequence, logged FROM mark WHERE number = 1",
        [SQL_MARK_SET] = "UPDATE mark SET sequence = ?1, logged = ?2 WHERE number = 1",
        [SQL_SETTING_GET] = "SELECT value FROM setting WHERE name = ?1",
        [SQL_SETTING_SET] = "INSERT INTO setting (name, value) VALUES (?1, ?2)"
                            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        [SQL_PEER_LIST] = "SELECT number, heard, record FROM peer WHERE record IS NOT NULL"
                          " ORDER BY number",
        [SQL_PEER_SET] = "INSERT INTO peer (number, heard, record) VALUES (?1, ?2, ?3)"
                         " ON CONFLICT (number) DO UPDATE SET heard = excluded.heard,"
                         " record = excluded.record",
        [SQL_PEER_HEARD] = "UPDATE peer SET heard = ?2 WHERE number = ?1",
        [SQL_PEER_DELETE] = "DELETE FROM peer WHERE number = ?1"
                            " AND NOT EXISTS (SELECT 1 FROM message WHERE peer = ?1)",
        [SQL_KEY_GET] = "SELECT key FROM peer WHERE number = ?1",
        [SQL_KEY_SET] = "INSERT INTO peer (number, key) VALUES (?1, ?2)"
                        " ON CONFLICT (number) DO UPDATE SET key = excluded.key",
        [SQL_KEY_DELETE] = "UPDATE peer SET key = NULL WHERE number = ?1",
        [SQL_MESSAGE_ADD] = "INSERT INTO message"
                            " (sequence, id, peer, direction, security, state, time, done, sealed)"
                            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
                            " ON CONFLICT (id) DO NOTHING",
        [SQL_MESSAGE_BY_ID] = "SELECT " MESSAGE_COLUMNS " FROM message WHERE id = ?1",
        [SQL_MESSAGE_PEER] = "SELECT peer FROM message WHERE sequence = ?1",
        [SQL_MESSAGE_END] = "UPDATE message SET state = ?2, security = ?3, done = ?4"
                            " WHERE sequence = ?1",
        [SQL_MESSAGE_END_SEALED] = "UPDATE message SET state = ?2, security = ?3, done = ?4,"
                                   " sealed = ?5 WHERE sequence = ?1",
        [SQL_MESSAGE_FORGET] = "DELETE FROM message WHERE peer = ?1",
        [SQL_MESSAGE_EXPIRE] = "DELETE FROM message WHERE sequence IN (SELECT sequence FROM message"
                               " WHERE done <= ?1 ORDER BY done LIMIT ?2)",
        [SQL_MESSAGE_OLDEST] = "SELECT min(done) FROM message WHERE done IS NOT NULL",
        [SQL_QUEUE_LIST] = "SELECT sequence, id, peer, security, size, size_sent, number"
                           " FROM queue JOIN message USING (sequence) WHERE state = 0"
                           " ORDER BY sequence",
        [SQL_QUEUE_ADD] = "INSERT INTO queue (sequence, size, size_sent, number)"
                          " VALUES (?1, ?2, 0, ?3)",
        [SQL_QUEUE_DELETE] = "DELETE FROM queue WHERE sequence = ?1",
        [SQL_QUEUE_PROGRESS] = "UPDATE queue SET size_sent = ?2 WHERE sequence ="
                               " (SELECT sequence FROM message WHERE id = ?1)",
        [SQL_QUEUE_FORGET] = "DELETE FROM queue WHERE sequence IN"
                             " (SELECT sequence FROM message WHERE peer = ?1)",
};

int store_errno(struct store *s, int sqlite_result)
{
        int system = s->db ? sqlite3_system_errno(s->db) : 0;

        if (sqlite_result == SQLITE_IOERR_NOMEM)
                return -ENOMEM;
        switch (sqlite_result & 0xff) {
        case SQLITE_OK:
        case SQLITE_ROW:
        case SQLITE_DONE:
                return 0;
        case SQLITE_NOMEM:
                return -ENOMEM;
        case SQLITE_FULL:
                return -ENOSPC;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
                return -EUCLEAN;
        case SQLITE_ERROR: /* a table of ours that is not there */
        case SQLITE_SCHEMA:
        case SQLITE_MISMATCH:
        case SQLITE_CONSTRAINT:
                return s->checked ? -EUCLEAN : -EIO;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return -EBUSY;
        case SQLITE_PERM:
        case SQLITE_READONLY:
        case SQLITE_AUTH:
                return -EACCES;
        case SQLITE_CANTOPEN:
                return system > 0 ? -system : -ENOENT;
        case SQLITE_IOERR:
                return system == ENOSPC || system == EDQUOT ? -ENOSPC : -EIO;
        default:
                return -EIO;
        }
}

int store_fail(struct store *s, int r)
{
        if (r < 0 && s->failed == 0) {
                s->failed = r;
                if (r == -EUCLEAN || r == -EBADMSG) {
                        s->failed = -EUCLEAN;
                        (void)store_mark_damaged(s);
                }
        }
        return r < 0 ? s->failed : r;
}

sqlite3_stmt *store_statement(struct store *s, enum statement which, int *ret_error)
{
        if (!s->statements[which]) {
                int r = sqlite3_prepare_v3(s->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT,
                        &s->statements[which], NULL);

                if (r != SQLITE_OK) {
                        *ret_error = store_errno(s, r);
                        return NULL;
                }
        }
        return s->statements[which];
}

int store_step(struct store *s, sqlite3_stmt *q)
{
        int r = sqlite3_step(q);

        if (r == SQLITE_ROW)
                return 1;
        r = store_errno(s, r);
        (void)sqlite3_reset(q);
        return r;
}

int store_run(struct store *s, sqlite3_stmt *q)
{
        int r = store_step(s, q);

        if (r > 0)
                (void)sqlite3_reset(q);
        return r < 0 ? r : 0;
}

void store_reset(sqlite3_stmt **q)
{
        if (*q)
                (void)sqlite3_reset(*q);
}

int store_exec(struct store *s, const char *sql)
{
        return store_errno(s, sqlite3_exec(s->db, sql, NULL, NULL, NULL));
}

int store_begin(struct store *s)
{
        sqlite3_stmt *q;
        int r = 0;

        if (s->in_transaction)
                return 0;
        q = store_statement(s, SQL_BEGIN, &r);
        if (q)
                r = store_run(s, q);
        if (r < 0)
                return r;
        s->in_transaction = true;
        return 0;
}

void store_finalize_all(struct store *s)
{
        for (size_t i = 0; i < N_STATEMENTS; i++) {
                (void)sqlite3_finalize(s->statements[i]);
                s->statements[i] = NULL;
        }
}
