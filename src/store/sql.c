/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Statements, and what SQLite says about them */
#include "store/store-internal.h"

#define QUEUE_COLUMNS "sequence, id, peer, security, size, size_sent, queue.number, stream_number"

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
                            " (sequence, id, peer, direction, security, state, time, done, sealed,"
                            " origin) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
                            " ON CONFLICT (id) DO NOTHING"
                            " ON CONFLICT (peer, origin) WHERE origin IS NOT NULL DO NOTHING",
        [SQL_MESSAGE_BY_ID] = "SELECT " MESSAGE_COLUMNS " FROM message WHERE id = ?1",
        [SQL_MESSAGE_EXISTS] = "SELECT 1 FROM message WHERE id = ?1",
        [SQL_MESSAGE_PEER] = "SELECT peer FROM message WHERE sequence = ?1",
        [SQL_MESSAGE_END] = "UPDATE message SET state = ?2, security = ?3, done = ?4"
                            " WHERE sequence = ?1",
        [SQL_MESSAGE_END_SEALED] = "UPDATE message SET state = ?2, security = ?3, done = ?4,"
                                   " sealed = ?5 WHERE sequence = ?1",
        [SQL_MESSAGE_FORGET] = "DELETE FROM message WHERE peer = ?1",
        /* What was taken in a group, its lanes tell. */
        [SQL_MESSAGE_OLD] = "SELECT peer, CASE WHEN direction < 2 THEN origin END FROM message"
                            " WHERE done <= ?1"
                            " ORDER BY done, sequence LIMIT ?2",
        [SQL_MESSAGE_EXPIRE] = "DELETE FROM message WHERE sequence IN (SELECT sequence FROM message"
                               " WHERE done <= ?1 ORDER BY done, sequence LIMIT ?2)",
        [SQL_MESSAGE_OLDEST] = "SELECT min(done) FROM message WHERE done IS NOT NULL",
        [SQL_QUEUE_LIST_NUMBERED] =
                "SELECT " QUEUE_COLUMNS " FROM queue JOIN message USING (sequence)"
                " WHERE state = 0 AND stream_number <> 0 ORDER BY stream_number",
        [SQL_QUEUE_LIST] = "SELECT " QUEUE_COLUMNS " FROM queue JOIN message USING (sequence)"
                           " WHERE state = 0 AND stream_number = 0 ORDER BY sequence",
        [SQL_QUEUE_ADD] = "INSERT INTO queue (sequence, size, size_sent, number)"
                          " VALUES (?1, ?2, 0, ?3)",
        [SQL_QUEUE_DELETE] = "DELETE FROM queue WHERE sequence = ?1",
        [SQL_QUEUE_PROGRESS] = "UPDATE queue SET size_sent = ?2 WHERE sequence ="
                               " (SELECT sequence FROM message WHERE id = ?1)",
        [SQL_QUEUE_NUMBER] = "UPDATE queue SET stream_number = ?2 WHERE sequence ="
                             " (SELECT sequence FROM message WHERE id = ?1)",
        [SQL_QUEUE_FORGET] = "DELETE FROM queue WHERE sequence IN"
                             " (SELECT sequence FROM message WHERE peer = ?1)",
        [SQL_STREAM_LIST] = "SELECT peer, sealed FROM stream ORDER BY peer",
        [SQL_STREAM_SET] = "INSERT INTO stream (peer, sealed) VALUES (?1, ?2)"
                           " ON CONFLICT (peer) DO UPDATE SET sealed = excluded.sealed",
        [SQL_STREAM_DELETE] = "DELETE FROM stream WHERE peer = ?1",
        [SQL_STREAM_MARK_LIST] = "SELECT peer, stream, sealed FROM stream_mark"
                                 " ORDER BY peer, number",
        [SQL_STREAM_MARK_SET] = "INSERT INTO stream_mark (peer, stream, sealed)"
                                " VALUES (?1, ?2, ?3)"
                                " ON CONFLICT (peer, stream) DO UPDATE SET sealed ="
                                " excluded.sealed",
        [SQL_STREAM_MARK_DELETE] = "DELETE FROM stream_mark WHERE peer = ?1 AND stream = ?2",
        [SQL_STREAM_MARK_DELETE_ALL] = "DELETE FROM stream_mark WHERE peer = ?1",
        [SQL_REFUSED_LIST] = "SELECT peer, stream, number, sealed FROM refused"
                             " ORDER BY peer, stream, number",
        [SQL_REFUSED_SET] = "INSERT INTO refused (peer, stream, number, sealed)"
                            " VALUES (?1, ?2, ?3, ?4)"
                            " ON CONFLICT (peer, stream, number) DO UPDATE SET sealed ="
                            " excluded.sealed",
        [SQL_REFUSED_DELETE] = "DELETE FROM refused WHERE peer = ?1 AND stream = ?2"
                               " AND number <= ?3",
        [SQL_REFUSED_DELETE_STREAM] = "DELETE FROM refused WHERE peer = ?1 AND stream = ?2",
        [SQL_REFUSED_DELETE_ALL] = "DELETE FROM refused WHERE peer = ?1",
        [SQL_ERASED_ADD] = "INSERT INTO erased (peer, hash, time) VALUES (?1, ?2, ?3)"
                           " ON CONFLICT (peer, hash) DO NOTHING",
        [SQL_ERASED_HAS] = "SELECT 1 FROM erased WHERE peer = ?1 AND hash = ?2",
        [SQL_ERASED_OLDEST] = "SELECT time FROM erased ORDER BY number LIMIT 1",
        [SQL_ERASED_EXPIRE] = "DELETE FROM erased WHERE number IN (SELECT number FROM erased"
                              " ORDER BY number LIMIT ?2) AND time <= ?1",
        [SQL_ERASED_TRIM] = "DELETE FROM erased WHERE number <="
                            " (SELECT max(number) FROM erased) - ?1",
        [SQL_ERASED_DELETE_ALL] = "DELETE FROM erased WHERE peer = ?1",
        [SQL_BLOCK_LIST] = "SELECT network, height, sealed FROM block WHERE network = ?1"
                           " AND height BETWEEN ?2 AND ?3 ORDER BY height LIMIT ?4",
        [SQL_BLOCK_GENESIS] = "SELECT network, 0, sealed FROM block WHERE height = 0"
                              " ORDER BY network",
        [SQL_BLOCK_SET] = "INSERT INTO block (network, height, sealed) VALUES (?1, ?2, ?3)"
                          " ON CONFLICT (network, height) DO UPDATE SET sealed ="
                          " excluded.sealed",
        [SQL_BLOCK_DELETE] = "DELETE FROM block WHERE network = ?1 AND height > ?2",
        [SQL_TEAM_LIST] = "SELECT number, muted, sealed FROM team ORDER BY number",
        [SQL_TEAM_SET] = "INSERT INTO team (number, sealed) VALUES (?1, ?2)"
                         " ON CONFLICT (number) DO UPDATE SET sealed = excluded.sealed",
        [SQL_TEAM_MUTE] = "UPDATE team SET muted = ?2 WHERE number = ?1",
        [SQL_TEAM_DELETE] = "DELETE FROM team WHERE number = ?1",
        [SQL_LEAVE_LIST] = "SELECT team, hash, sealed FROM team_leave ORDER BY place",
        [SQL_LEAVE_SET] = "INSERT INTO team_leave (hash, team, sealed) VALUES (?1, ?2, ?3)"
                          " ON CONFLICT (hash) DO UPDATE SET sealed = excluded.sealed",
        [SQL_LEAVE_DELETE] = "DELETE FROM team_leave WHERE hash = ?1",
        [SQL_LEAVE_DELETE_ALL] = "DELETE FROM team_leave WHERE team = ?1",
        [SQL_LANE_LIST] = "SELECT team, hash, version, sealed FROM team_lane ORDER BY place",
        [SQL_LANE_GET] = "SELECT team, hash, version, sealed FROM team_lane WHERE hash = ?1",
        [SQL_LANE_SET] = "INSERT INTO team_lane (hash, team, version, sealed)"
                         " VALUES (?1, ?2, ?3, ?4)"
                         " ON CONFLICT (hash) DO UPDATE SET sealed = excluded.sealed",
        [SQL_LANE_DELETE] = "DELETE FROM team_lane WHERE team = ?1 AND version < ?2",
        [SQL_LANE_DELETE_ALL] = "DELETE FROM team_lane WHERE team = ?1",
        /* Else it would walk through all messages, to have them in order. */
        [SQL_TOLD_LIST] = "SELECT " MESSAGE_COLUMNS " FROM message INDEXED BY message_told"
                          " WHERE direction = 2 AND done IS NULL ORDER BY sequence",
        [SQL_TOLD_GET] = "SELECT " MESSAGE_COLUMNS " FROM message WHERE peer = ?1 AND origin = ?2",
        [SQL_TRANSFER_LIST] = "SELECT id, sealed FROM transfer ORDER BY place",
        [SQL_TRANSFER_SET] = "INSERT INTO transfer (id, sealed) VALUES (?1, ?2)"
                             " ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed",
        [SQL_TRANSFER_DELETE] = "DELETE FROM transfer WHERE id = ?1",
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

int store_run_number(struct store *s, enum statement which, uint64_t number)
{
        sqlite3_stmt *q;
        int r = 0;

        q = store_statement(s, which, &r);
        if (!q)
                return r;
        (void)sqlite3_bind_int64(q, 1, (int64_t)number);
        return store_run(s, q);
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
