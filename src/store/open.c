/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening, creating and closing the database */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "store/store-internal.h"

#define SCHEMA_VERSION 5
#define SCHEMA_VERSION_PLAUSIBLE 1000 /* no later version will be above; that is damage */
#define CHECK_VALUE "p2pchat"
#define WAL_PAGES 4000 /* 16 MB, then it is copied into the database */

/* Exclusive: nobody else opens it while we run, and no shared memory file is needed. */
static const char settings[] = "PRAGMA page_size = 4096;"
                               "PRAGMA locking_mode = EXCLUSIVE;"
                               "PRAGMA synchronous = FULL;"
                               "PRAGMA secure_delete = ON;"
                               "PRAGMA cell_size_check = ON;"
                               "PRAGMA trusted_schema = OFF;"
                               "PRAGMA temp_store = MEMORY;"
                               "PRAGMA journal_size_limit = 33554432;";

/* An ordinary one, not something inside a VFS. */
static bool is_file(const struct store_options *options)
{
        return !options->vfs && !streq(options->path, ":memory:");
}

/* The first number of the first row of @sql. */
static int query_number(struct store *s, const char *sql, int64_t *ret)
{
        sqlite3_stmt *q = NULL;
        int r, k;

        r = sqlite3_prepare_v2(s->db, sql, -1, &q, NULL);
        if (r != SQLITE_OK)
                return store_errno(s, r);
        k = sqlite3_step(q);
        if (k == SQLITE_ROW)
                *ret = sqlite3_column_int64(q, 0);
        r = k == SQLITE_ROW ? 0 : k == SQLITE_DONE ? -ENODATA : store_errno(s, k);
        (void)sqlite3_finalize(q);
        return r;
}

/* SQLite gives its other files the mode of this one, so it is made before SQLite would. */
static int create_file(const char *path)
{
        int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        if (fd < 0)
                return errno == EEXIST ? 0 : -errno;
        (void)close(fd);
        return 0;
}

/* Opens and creates, but believes nothing of what it finds. */
static int open_database(const struct store_options *options, struct store **ret)
{
        _cleanup_(store_freep)
        struct store *s = NULL;
        const char *path = options->path;
        int r;

        s = calloc(1, sizeof *s);
        if (!s)
                return -ENOMEM;
        list_init(&s->pending);
        list_init(&s->committed);
        buffer_init(&s->plain, SCRATCH_SIZE_MAX);
        buffer_init(&s->sealed, SCRATCH_SIZE_MAX);
        s->random = options->random;
        s->age_max_usec = options->age_max_usec;
        s->is_file = is_file(options);
        s->path = strdup(path);
        if (!s->path)
                return -ENOMEM;
        r = store_seal_init(s, options->secret);
        if (r < 0)
                return r;

        if (s->is_file) {
                r = create_file(path);
                if (r < 0)
                        return r;
        }
        r = sqlite3_open_v2(path, &s->db,
                SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, options->vfs);
        if (r != SQLITE_OK)
                return store_errno(s, r);
        (void)sqlite3_extended_result_codes(s->db, true);
        (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        r = store_exec(s, settings);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

/* Closing must not write what it does not understand, or what failed. */
static void keep_hands_off(struct store *s)
{
        if (s->db)
                (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}

struct store *store_free(struct store *s)
{
        if (!s)
                return NULL;
        if (s->db && s->checked && s->failed == 0 && !s->in_transaction && s->logged_changed &&
                store_begin(s) == 0)
                (void)store_commit(s);
        if (s->failed < 0)
                keep_hands_off(s);
        store_finalize_all(s);
        (void)sqlite3_close_v2(s->db);
        store_drop_events(s);
        store_seal_done(s);
        free(s->path);
        free(s);
        return NULL;
}

static int use_wal(struct store *s)
{
        sqlite3_stmt *q = NULL;
        const char *mode;
        int r;

        r = sqlite3_prepare_v2(s->db, "PRAGMA journal_mode = WAL", -1, &q, NULL);
        if (r != SQLITE_OK)
                return store_errno(s, r);
        r = sqlite3_step(q);
        mode = r == SQLITE_ROW ? (const char *)sqlite3_column_text(q, 0) : NULL;
        if (!mode)
                r = r == SQLITE_ROW || r == SQLITE_DONE ? -EIO : store_errno(s, r);
        else
                /* A database in memory has no log, and needs none. */
                r = streq(mode, "wal") || streq(s->path, ":memory:") ? 0 : -EIO;
        (void)sqlite3_finalize(q);
        if (r == 0)
                (void)sqlite3_wal_autocheckpoint(s->db, WAL_PAGES);
        return r;
}

/*
 * What a failed fsync could not write counts as written afterwards: this program reads it, and the
 * disk does not have it. Should the log hold such a page, then a loss of power would end the log
 * there, with all that was committed behind it. So the log of whoever was here before is written
 * once more, and synced, before anything is built upon it.
 */
static int rewrite_log(struct store *s)
{
        uint8_t data[16 * 1024];
        sqlite3_file *log = NULL;
        sqlite3_int64 size = 0;
        int r;

        r = sqlite3_file_control(s->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
        if (r != SQLITE_OK || !log || !log->pMethods)
                return 0;
        r = log->pMethods->xFileSize(log, &size);
        for (sqlite3_int64 at = 0; r == SQLITE_OK && at < size;) {
                int n = (int)MIN((sqlite3_int64)sizeof data, size - at);

                r = log->pMethods->xRead(log, data, n, at);
                if (r == SQLITE_OK)
                        r = log->pMethods->xWrite(log, data, n, at);
                at += n;
        }
        if (r == SQLITE_OK && size > 0)
                r = log->pMethods->xSync(log, SQLITE_SYNC_FULL);
        return r == SQLITE_OK ? 0 : store_errno(s, r);
}

/* From @version, 0 for nothing, to the newest one, in the open transaction. */
static int extend_schema(struct store *s, int64_t version)
{
        static const char *const schemas[SCHEMA_VERSION] = { store_schema_1, store_schema_2,
                store_schema_3, "" /* version 4 is that of files */, store_schema_5 };
        int r;

        r = store_begin(s);
        for (int64_t v = version; r == 0 && v < SCHEMA_VERSION; v++)
                r = store_exec(s, schemas[v]);
        return r;
}

static int create_schema(struct store *s)
{
        int r;

        r = use_wal(s);
        if (r == 0)
                r = extend_schema(s, 0);
        if (r == 0)
                r = store_set_setting(s, "check", CHECK_VALUE, strlen(CHECK_VALUE));
        if (r == 0)
                r = store_commit(s);
        return r;
}

/* What an older version left. Not by store_commit(), which writes counters that are not loaded yet.
 */
static int migrate(struct store *s, int64_t version)
{
        int r;

        if (version == SCHEMA_VERSION)
                return 0;
        r = extend_schema(s, version);
        if (r == 0)
                r = store_exec(s, "COMMIT");
        if (r == 0)
                s->in_transaction = false;
        return r;
}

/* Does any of the first rows of @sql (number, sealed value) open as a value of @column? */
static bool any_opens(struct store *s, const char *sql, const char *column, const uint8_t *key)
{
        sqlite3_stmt *q = NULL;
        bool opens = false;

        if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) != SQLITE_OK)
                return false;
        while (!opens && sqlite3_step(q) == SQLITE_ROW) {
                uint64_t number = (uint64_t)sqlite3_column_int64(q, 0);
                const struct place place = { column, number, number };

                opens = store_unseal(s, key, &place, sqlite3_column_blob(q, 1),
                                (size_t)sqlite3_column_bytes(q, 1)) == 0;
        }
        (void)sqlite3_finalize(q);
        return opens;
}

/* Does the secret open anything of it? */
static bool secret_fits(struct store *s)
{
        return any_opens(s, "SELECT number, record FROM peer WHERE record IS NOT NULL LIMIT 100",
                       "peer.record", s->keys->records) ||
               any_opens(s, "SELECT number, key FROM peer WHERE key IS NOT NULL LIMIT 100",
                       "peer.key", s->keys->wrap);
}

/* What is counted on from where it was left. */
static int load_counters(struct store *s)
{
        int64_t last = 0;
        sqlite3_stmt *q;
        int r = 0;

        q = store_statement(s, SQL_MARK_GET, &r);
        if (!q)
                return r;
        r = store_step(s, q);
        if (r <= 0)
                return r < 0 ? r : STORE_DAMAGED;
        s->last_sequence = (uint64_t)sqlite3_column_int64(q, 0);
        s->logged = (uint64_t)sqlite3_column_int64(q, 1);
        (void)sqlite3_reset(q);
        r = query_number(s, "SELECT max(sequence) FROM message", &last);
        if (r < 0)
                return r;
        s->last_sequence = MAX(s->last_sequence, (uint64_t)last);
        return store_erased_init(s);
}

/* Ours, sealed with this secret, and with the tables that it should have; of this version then. */
static int check(struct store *s)
{
        int64_t n_tables, version;
        int r;

        r = query_number(s, "SELECT count(*) FROM sqlite_schema", &n_tables);
        if (r == 0)
                r = query_number(s, "PRAGMA user_version", &version);
        if (r < 0)
                return r;
        if (version > SCHEMA_VERSION && version <= SCHEMA_VERSION_PLAUSIBLE)
                return STORE_NEWER;
        if (version == 0 && n_tables == 0) {
                r = create_schema(s);
                if (r < 0)
                        return r;
                version = SCHEMA_VERSION;
        } else if (version < 1 || version > SCHEMA_VERSION)
                return STORE_DAMAGED;

        s->checked = true;
        r = store_get_setting(s, "check");
        if (r < 0) {
                if (r != -ENOENT && r != -EBADMSG)
                        return r;
                /* The constant itself may be what is damaged. */
                return secret_fits(s) ? STORE_DAMAGED : STORE_WRONG_SECRET;
        }
        r = use_wal(s);
        if (r == 0)
                r = rewrite_log(s);
        if (r == 0)
                r = migrate(s, version);
        return r < 0 ? r : load_counters(s);
}

static char *damage_path(const char *path)
{
        char *mark;

        return asprintf(&mark, "%s" DAMAGE_SUFFIX, path) < 0 ? NULL : mark;
}

/* Damage that is met while running must not be forgotten by the start after it. */
int store_mark_damaged(struct store *s)
{
        _cleanup_(freep)
        char *mark = NULL;
        int fd;

        if (!s->is_file)
                return 0;
        mark = damage_path(s->path);
        if (!mark)
                return -ENOMEM;
        fd = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        (void)close(fd);
        return 0;
}

static bool is_marked_damaged(const char *path)
{
        _cleanup_(freep)
        char *mark = damage_path(path);

        return mark && access(mark, F_OK) == 0;
}

int store_open(const struct store_options *options, struct store **ret)
{
        _cleanup_(store_freep)
        struct store *s = NULL;
        int r;

        if (is_file(options) && is_marked_damaged(options->path))
                return STORE_DAMAGED;
        r = open_database(options, &s);
        if (r == 0)
                r = check(s);
        if (r == -EUCLEAN)
                r = STORE_DAMAGED;
        if (r != 0) {
                if (s)
                        keep_hands_off(s);
                return r;
        }
        *ret = TAKE_PTR(s);
        return 0;
}
