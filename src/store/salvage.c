/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What can be read of a damaged database
 *
 * A new database is filled beside the damaged one and then takes its place, so a salvage that is
 * interrupted begins anew. Rows are copied as they are sealed, once their seal has proved them:
 * only what is whole gets through. Tables are walked by row number; where a page cannot be read,
 * the walk goes on behind it. When even the first page is gone, which tells where the tables begin,
 * the walk is done on a copy with the first page of a fresh database, for all of ours begin alike.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/store-internal.h"

struct salvage {
        const struct store_options *options;
        struct store *from, *to;
        uint64_t n_lost;
        uint64_t sequence_max;
};

/* Whether reading may go on behind this. */
static bool is_damage(int sqlite_result)
{
        int primary = sqlite_result & 0xff;

        return primary == SQLITE_CORRUPT || primary == SQLITE_IOERR || primary == SQLITE_NOTADB ||
               primary == SQLITE_MISMATCH;
}

typedef int (*row_fn)(struct salvage *v, sqlite3_stmt *q);

/* Stands @q on the first row from @from on. */
static int seek(sqlite3_stmt *q, int64_t from)
{
        (void)sqlite3_reset(q);
        (void)sqlite3_bind_int64(q, 1, from);
        return sqlite3_step(q);
}

/* The lowest number from which reading is possible again, when it is not from @bad on; INT64_MAX
 * when there is none. */
static int64_t find_readable(sqlite3_stmt *q, int64_t bad)
{
        int64_t good, step = 1;

        for (good = bad; is_damage(seek(q, good)); step = step > INT64_MAX / 2 ? step : step * 2) {
                bad = good;
                if (__builtin_add_overflow(good, step, &good))
                        return INT64_MAX;
        }
        while (good - bad > 1) {
                int64_t middle = bad + (good - bad) / 2;

                if (is_damage(seek(q, middle)))
                        bad = middle;
                else
                        good = middle;
        }
        return good;
}

/*
 * Calls @fn for each readable row of @sql, whose first column is the number, not negative, by which
 * it is ordered, and whose parameter ?1 is the number from which it begins.
 */
static int walk(struct salvage *v, const char *sql, row_fn fn)
{
        sqlite3_stmt *q = NULL;
        int64_t from = 0;
        int r, k;

        r = sqlite3_prepare_v2(v->from->db, sql, -1, &q, NULL);
        if (r != SQLITE_OK) {
                v->n_lost++;
                return 0; /* no such table any more */
        }
        r = 0;
        for (k = seek(q, from); r == 0; k = sqlite3_step(q)) {
                if (is_damage(k)) {
                        v->n_lost++;
                        from = find_readable(q, from);
                        if (from == INT64_MAX)
                                break;
                        k = seek(q, from);
                }
                if (k != SQLITE_ROW)
                        break;
                from = sqlite3_column_int64(q, 0);
                r = fn(v, q);
                if (__builtin_add_overflow(from, 1, &from))
                        break;
        }
        if (r == 0 && !is_damage(k))
                r = store_errno(v->from, k);
        (void)sqlite3_finalize(q);
        return r;
}

static void bind_column(sqlite3_stmt *to, int parameter, sqlite3_stmt *from, int column)
{
        (void)sqlite3_bind_value(to, parameter, sqlite3_column_value(from, column));
}

/* number, heard, record, key */
static int copy_peer(struct salvage *v, sqlite3_stmt *q)
{
        uint64_t number = (uint64_t)sqlite3_column_int64(q, 0);
        struct peer_record peer;
        const uint8_t *key;
        sqlite3_stmt *to;
        int r = 0;

        if (number == 0 || number > INT64_MAX)
                return 0;
        if (sqlite3_column_type(q, 2) != SQLITE_NULL) {
                r = store_decode_peer(v->from, number, sqlite3_column_blob(q, 2),
                        (size_t)sqlite3_column_bytes(q, 2), &peer);
                if (r == -ENOMEM)
                        return r;
                if (r < 0)
                        v->n_lost++;
                else {
                        to = store_statement(v->to, SQL_PEER_SET, &r);
                        if (!to)
                                return r;
                        bind_column(to, 1, q, 0);
                        (void)sqlite3_bind_int64(to, 2, sqlite3_column_int64(q, 1));
                        bind_column(to, 3, q, 2);
                        r = store_run(v->to, to);
                        if (r < 0)
                                return r;
                }
        }
        if (sqlite3_column_type(q, 3) == SQLITE_NULL)
                return 0;

        r = store_conversation_key(v->from, number, false, &key);
        if (r < 0) {
                v->n_lost++;
                return r == -ENOMEM ? r : 0;
        }
        to = store_statement(v->to, SQL_KEY_SET, &r);
        if (!to)
                return r;
        bind_column(to, 1, q, 0);
        bind_column(to, 2, q, 3);
        return store_run(v->to, to);
}

/* The queue's own row of a message: 1 when it was there and is bound to @to, 0 when not. */
static int bind_queue_row(struct salvage *v, sqlite3_stmt *to, int64_t sequence, size_t size)
{
        sqlite3_stmt *q = NULL;
        int found = 0;

        if (sqlite3_prepare_v2(v->from->db,
                    "SELECT size_sent, number FROM queue WHERE sequence = ?1", -1, &q,
                    NULL) != SQLITE_OK)
                return 0;
        (void)sqlite3_bind_int64(q, 1, sequence);
        if (sqlite3_step(q) == SQLITE_ROW) {
                int64_t sent = sqlite3_column_int64(q, 0);

                (void)sqlite3_bind_int64(to, 3, sent > 0 && (size_t)sent <= size ? sent : 0);
                bind_column(to, 4, q, 1);
                found = 1;
        }
        (void)sqlite3_finalize(q);
        return found;
}

static int copy_queue_row(struct salvage *v, int64_t sequence, size_t size)
{
        sqlite3_stmt *to = NULL;
        int r;

        r = sqlite3_prepare_v2(v->to->db,
                "INSERT OR REPLACE INTO queue (sequence, size, size_sent, number)"
                " VALUES (?1, ?2, ?3, ?4)",
                -1, &to, NULL);
        if (r != SQLITE_OK)
                return store_errno(v->to, r);
        (void)sqlite3_bind_int64(to, 1, sequence);
        (void)sqlite3_bind_int64(to, 2, (int64_t)size);
        (void)sqlite3_bind_int64(to, 3, 0);
        if (bind_queue_row(v, to, sequence, size) == 0)
                v->n_lost++;
        r = store_errno(v->to, sqlite3_step(to));
        (void)sqlite3_finalize(to);
        return r;
}

/* A row of MESSAGE_COLUMNS, which is one that waits for its peer. */
static int copy_message(struct salvage *v, sqlite3_stmt *q)
{
        struct message_record m;
        sqlite3_stmt *to;
        int r;

        r = store_decode_message(v->from, q, &m);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                v->n_lost++;
                return 0;
        }
        to = store_statement(v->to, SQL_MESSAGE_ADD, &r);
        if (!to)
                return r;
        for (int i = COLUMN_SEQUENCE; i <= COLUMN_TIME; i++)
                bind_column(to, i + 1, q, i);
        (void)sqlite3_bind_null(to, 8);
        bind_column(to, 9, q, COLUMN_SEALED);
        r = store_run(v->to, to);
        if (r < 0)
                return r;
        return copy_queue_row(v, (int64_t)m.sequence, m.size);
}

/* sequence, state: the whole row is only fetched of what waits for its peer. */
static int copy_queued(struct salvage *v, sqlite3_stmt *q)
{
        int64_t sequence = sqlite3_column_int64(q, 0);
        sqlite3_stmt *row = NULL;
        int r;

        v->sequence_max = MAX(v->sequence_max, (uint64_t)sequence);
        if (sqlite3_column_int(q, 1) != MESSAGE_QUEUED)
                return 0;
        r = sqlite3_prepare_v2(v->from->db,
                "SELECT " MESSAGE_COLUMNS " FROM message NOT INDEXED WHERE sequence = ?1", -1, &row,
                NULL);
        if (r != SQLITE_OK)
                return store_errno(v->from, r);
        (void)sqlite3_bind_int64(row, 1, sequence);
        if (sqlite3_step(row) == SQLITE_ROW)
                r = copy_message(v, row);
        else
                v->n_lost++;
        (void)sqlite3_finalize(row);
        return r;
}

/* sequence, logged */
static int copy_mark(struct salvage *v, sqlite3_stmt *q)
{
        v->sequence_max = MAX(v->sequence_max, (uint64_t)sqlite3_column_int64(q, 1));
        v->to->logged = (uint64_t)sqlite3_column_int64(q, 2);
        return 0;
}

static int copy_username(struct salvage *v)
{
        int r = store_get_setting(v->from, "username");

        if (r < 0) {
                v->n_lost += r != -ENOENT;
                return r == -ENOMEM ? r : 0;
        }
        return store_set_setting(v->to, "username", v->from->plain.data, v->from->plain.size);
}

static int copy_all(struct salvage *v)
{
        int r;

        r = store_begin(v->to);
        if (r == 0)
                r = walk(v, "SELECT number, sequence, logged FROM mark WHERE number >= ?1",
                        copy_mark);
        if (r == 0)
                r = copy_username(v);
        if (r == 0)
                r = walk(v,
                        "SELECT number, heard, record, key FROM peer WHERE number >= ?1"
                        " ORDER BY number",
                        copy_peer);
        /* The state in the message itself decides, so a damaged queue loses no message. */
        if (r == 0)
                r = walk(v,
                        "SELECT sequence, state FROM message NOT INDEXED WHERE sequence >= ?1"
                        " ORDER BY sequence",
                        copy_queued);
        if (r < 0)
                return r;
        v->to->last_sequence = v->sequence_max;
        if (v->to->logged > v->sequence_max)
                v->to->logged = v->sequence_max;
        return store_commit(v->to);
}

/*
 * Files
 */
static char *suffixed(const char *path, const char *suffix)
{
        char *s;

        return asprintf(&s, "%s%s", path, suffix) < 0 ? NULL : s;
}

static void remove_database(const char *path)
{
        _cleanup_(freep)
        char *wal = suffixed(path, "-wal");

        (void)unlink(path);
        if (wal)
                (void)unlink(wal);
}

static int copy_file(const char *from, const char *to)
{
        uint8_t data[65536];
        int in, out, r = 0;
        ssize_t n = 0;

        in = open(from, O_RDONLY | O_CLOEXEC);
        if (in < 0)
                return -errno;
        out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (out < 0)
                r = -errno;
        while (r == 0 && (n = read(in, data, sizeof data)) > 0)
                if (write(out, data, (size_t)n) != n)
                        r = -EIO;
        if (r == 0 && n < 0)
                r = -errno;
        if (out >= 0)
                (void)close(out);
        (void)close(in);
        return r;
}

/* Puts the first page of the fresh database @good into @path. */
static int replace_first_page(const char *path, const char *good)
{
        uint8_t page[4096];
        int in, out, r = 0;

        in = open(good, O_RDONLY | O_CLOEXEC);
        if (in < 0)
                return -errno;
        if (pread(in, page, sizeof page, 0) != sizeof page)
                r = -EIO;
        (void)close(in);
        if (r < 0)
                return r;
        /* A change counter unlike the one that the page count goes with: the size of the file
         * counts then. */
        page[27] ^= 1;
        out = open(path, O_WRONLY | O_CLOEXEC);
        if (out < 0)
                return -errno;
        if (pwrite(out, page, sizeof page, 0) != sizeof page)
                r = -EIO;
        (void)close(out);
        return r;
}

static bool schema_is_readable(struct store *s)
{
        sqlite3_stmt *q = NULL;
        int r = sqlite3_prepare_v2(s->db,
                "SELECT number FROM mark, (SELECT key FROM peer, message, queue, setting) LIMIT 0",
                -1, &q, NULL);

        if (r == SQLITE_OK)
                r = sqlite3_step(q);
        (void)sqlite3_finalize(q);
        return r == SQLITE_DONE;
}

static void close_untouched(struct store *s)
{
        if (s)
                (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        store_free(s);
}

/* Opens what is to be read: @path itself, or when its first page is gone a mended copy @mended. */
static int open_damaged(const struct store_options *options, const char *path, const char *mended,
        const char *good, struct store **ret)
{
        _cleanup_(freep)
        char *wal = suffixed(path, "-wal"), *mended_wal = suffixed(mended, "-wal");
        struct store *s = NULL;
        int r;

        if (!wal || !mended_wal)
                return -ENOMEM;
        r = store_open_database(options, path, &s);
        if (r < 0 && r != -EUCLEAN)
                return r;
        if (r == 0 && schema_is_readable(s)) {
                *ret = s;
                return 0;
        }
        close_untouched(s);

        r = copy_file(path, mended);
        if (r == 0)
                r = replace_first_page(mended, good);
        if (r == 0) {
                r = copy_file(wal, mended_wal);
                if (r == -ENOENT)
                        r = 0;
        }
        if (r < 0)
                return r;
        return store_open_database(options, mended, ret);
}

/* A name that nothing has yet, which @path then has too. */
static int link_aside(const char *path, usec_t real_usec, char **ret)
{
        for (unsigned i = 0; i < 100; i++) {
                _cleanup_(freep)
                char *aside = NULL;

                if (asprintf(&aside, "%s" DAMAGE_SUFFIX "-%llu", path,
                            (unsigned long long)(real_usec / USEC_PER_SEC + i)) < 0) {
                        aside = NULL;
                        return -ENOMEM;
                }
                if (link(path, aside) == 0) {
                        *ret = TAKE_PTR(aside);
                        return 0;
                }
                if (errno != EEXIST)
                        return -errno;
        }
        return -EEXIST;
}

/* The damaged files under another name, the new one in their place. The log goes first: it must
 * never be taken for that of the new database. If power fails before the directory is written, the
 * damaged files are found again, and all of this is done once more. */
static int swap_files(const char *path, const char *made, usec_t real_usec, char **ret_aside)
{
        _cleanup_(freep)
        char *wal = suffixed(path, "-wal"), *mark = suffixed(path, DAMAGE_SUFFIX);
        _cleanup_(freep)
        char *aside = NULL, *aside_wal = NULL;
        int r;

        if (!wal || !mark)
                return -ENOMEM;
        r = link_aside(path, real_usec, &aside);
        if (r < 0)
                return r;
        aside_wal = suffixed(aside, "-wal");
        if (!aside_wal)
                return -ENOMEM;
        if (rename(wal, aside_wal) < 0 && errno != ENOENT)
                return -errno;
        if (rename(made, path) < 0)
                return -errno;
        (void)unlink(mark);
        *ret_aside = TAKE_PTR(aside);
        return 0;
}

static int fill(struct salvage *v, const char *path, const char *made, const char *mended)
{
        struct store_options options = *v->options;
        int r;

        options.path = made;
        r = store_open(&options, &v->to);
        if (r != 0)
                return r < 0 ? r : -EIO;
        /* The first page must be in the file before it can be copied from there. */
        (void)sqlite3_wal_checkpoint_v2(v->to->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
        r = open_damaged(v->options, path, mended, made, &v->from);
        if (r < 0)
                return r;
        if (store_secret_fits(v->from) == 0)
                return STORE_WRONG_SECRET;
        r = copy_all(v);
        if (r < 0)
                return r;
        store_drop_events(v->to);
        /* Without this the file would only be whole together with its log. */
        if (sqlite3_wal_checkpoint_v2(v->to->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) !=
                SQLITE_OK)
                return -EIO;
        return 0;
}

int store_salvage(const struct store_options *options, usec_t real_usec, struct store **ret,
        char **ret_aside, uint64_t *ret_n_lost)
{
        _cleanup_(freep)
        char *made = suffixed(options->path, ".salvage"),
             *mended = suffixed(options->path, ".mended"), *aside = NULL;
        struct salvage v = { .options = options };
        int r;

        if (options->vfs || streq(options->path, ":memory:"))
                return -EOPNOTSUPP;
        if (!made || !mended)
                return -ENOMEM;
        remove_database(made);
        remove_database(mended);

        r = fill(&v, options->path, made, mended);
        close_untouched(v.from);
        store_free(v.to);
        remove_database(mended);
        if (r == 0)
                r = swap_files(options->path, made, real_usec, &aside);
        if (r != 0) {
                remove_database(made);
                return r;
        }
        r = store_open(options, ret);
        if (r != 0)
                return r;
        *ret_aside = TAKE_PTR(aside);
        *ret_n_lost = v.n_lost;
        return 0;
}
