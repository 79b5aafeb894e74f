/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What can be read of a damaged database
 *
 * A new database is filled beside the damaged one and then takes its place, so a salvage that is
 * interrupted begins anew. Rows come from the pages themselves (pages.c), whatever became of the
 * trees, and are copied as they are sealed, once their seal has proved them: only what is whole
 * gets through. First settings and peers with their keys, then the messages that wait, then what
 * the queue tells of them.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "store/store-internal.h"

struct salvage {
        const struct store_options *options;
        struct store *to;
        uint64_t sequence_max;
        uint64_t n_lost;
        uint64_t n_opened; /* seals that our keys open */
        uint64_t n_closed; /* and those they do not */
};

static bool is_null(const struct page_value *v)
{
        return !v->is_number && !v->is_blob;
}

/* @sql with a number and up to two values, of which each may be absent. */
static int insert(struct salvage *v, const char *sql, int64_t number, int64_t second,
        const struct page_value *a, const struct page_value *b)
{
        const struct page_value *values[] = { a, b };
        sqlite3_stmt *q = NULL;
        int r;

        r = sqlite3_prepare_v2(v->to->db, sql, -1, &q, NULL);
        if (r != SQLITE_OK)
                return store_errno(v->to, r);
        (void)sqlite3_bind_int64(q, 1, number);
        (void)sqlite3_bind_int64(q, 2, second);
        for (int i = 0; i < 2; i++)
                if (values[i] && values[i]->is_blob)
                        (void)sqlite3_bind_blob(
                                q, 3 + i, values[i]->data, (int)values[i]->size, SQLITE_STATIC);
        r = store_errno(v->to, sqlite3_step(q));
        (void)sqlite3_finalize(q);
        return r;
}

/* Counts what a seal said. 1 when it opened, 0 when not, or -ENOMEM. */
static int judge(struct salvage *v, int r)
{
        if (r == -ENOMEM)
                return r;
        if (r == 0)
                v->n_opened++;
        else {
                v->n_closed++;
                v->n_lost++;
        }
        return r == 0;
}

/* number (in the row's own), heard, key, record */
static int copy_peer(struct salvage *v, const struct page_row *row)
{
        const struct page_value *key = &row->columns[2], *record = &row->columns[3];
        const uint64_t number = (uint64_t)row->number;
        const struct place place = { "peer.key", number, number };
        struct peer_record peer;
        int r;

        if (row->number <= 0)
                return 0;
        if (record->is_blob) {
                r = judge(v, store_decode_peer(v->to, number, record->data, record->size, &peer));
                if (r < 0)
                        return r;
                if (r == 0)
                        record = NULL;
        }
        if (key->is_blob) {
                r = judge(v, store_unseal(v->to, v->to->keys->wrap, &place, key->data, key->size));
                if (r < 0)
                        return r;
                if (r == 0)
                        key = NULL;
        }
        if ((!key || is_null(key)) && (!record || is_null(record)))
                return 0;
        return insert(v,
                "INSERT OR IGNORE INTO peer (number, heard, key, record) VALUES (?1, ?2, ?3, ?4)",
                row->number, row->columns[1].number, key, record);
}

/* name, value */
static int copy_setting(struct salvage *v, const struct page_row *row)
{
        static const char username[] = "username";
        const struct place place = { "setting.username", 0, 0 };
        const struct page_value *name = &row->columns[0], *value = &row->columns[1];
        int r;

        if (name->size != strlen(username) || memcmp(name->data, username, name->size) != 0)
                return 0;
        r = judge(v, store_unseal(v->to, v->to->keys->records, &place, value->data, value->size));
        if (r <= 0)
                return r;
        return store_set_setting(v->to, username, v->to->plain.data, v->to->plain.size);
}

/* number, sequence, logged */
static void copy_mark(struct salvage *v, const struct page_row *row)
{
        int64_t sequence = row->columns[1].number, logged = row->columns[2].number;

        if (row->number != 1 || sequence < 0 || logged < 0)
                return;
        v->sequence_max = MAX(v->sequence_max, (uint64_t)sequence);
        v->to->logged = (uint64_t)logged;
}

static bool are_numbers(const struct page_row *row, size_t from, size_t to)
{
        for (size_t i = from; i <= to; i++)
                if (!row->columns[i].is_number)
                        return false;
        return true;
}

static int on_first_row(const struct page_row *row, void *userdata)
{
        struct salvage *v = userdata;
        const struct page_value *c = row->columns;

        if (row->is_index)
                return row->n_columns == 2 && c[0].is_blob && c[1].is_blob ? copy_setting(v, row)
                                                                           : 0;
        if (row->n_columns == 3 && is_null(&c[0]) && are_numbers(row, 1, 2))
                copy_mark(v, row);
        if (row->n_columns == 4 && is_null(&c[0]) && c[1].is_number && !c[2].is_number &&
                !c[3].is_number)
                return copy_peer(v, row);
        return 0;
}

/* sequence, id, peer, direction, security, state, time, done, sealed */
static int on_message_row(const struct page_row *row, void *userdata)
{
        struct salvage *v = userdata;
        const struct page_value *c = row->columns;
        struct message_row m;
        struct message_record record;
        int r;

        if (row->is_index || row->n_columns != 9 || row->number <= 0 || !is_null(&c[0]) ||
                !c[1].is_blob || !are_numbers(row, 2, 6) || !c[8].is_blob)
                return 0;
        m = (struct message_row){
                .sequence = (uint64_t)row->number,
                .id = c[1].data,
                .id_size = c[1].size,
                .peer = (uint64_t)c[2].number,
                .direction = c[3].number,
                .security = c[4].number,
                .state = c[5].number,
                .time_usec = (usec_t)c[6].number,
                .sealed = c[8].data,
                .sealed_size = c[8].size,
        };
        /* History is not copied, and a row of it is only believed when it opens. */
        r = store_decode_message(v->to, &m, &record);
        if (r == 0)
                v->sequence_max = MAX(v->sequence_max, m.sequence);
        if (m.state != MESSAGE_QUEUED)
                return r == -ENOMEM ? r : 0;
        r = judge(v, r);
        if (r <= 0)
                return r;
        return store_copy_queued(v->to, &m, record.size);
}

/* sequence, size, size_sent, number */
static int on_queue_row(const struct page_row *row, void *userdata)
{
        struct salvage *v = userdata;
        const struct page_value *c = row->columns;

        if (row->is_index || row->n_columns != 4 || row->number <= 0 || !is_null(&c[0]) ||
                !are_numbers(row, 1, 2) || c[3].is_number || c[2].number < 0)
                return 0;
        /* The seal of the number is proved when it is loaded; here it must only not be in the way.
         */
        if (c[3].is_blob &&
                store_proves_number(v->to, (uint64_t)row->number, c[3].data, c[3].size) != 0) {
                v->n_lost++;
                return 0;
        }
        return insert(v,
                "UPDATE queue SET size_sent = ?2, number = ?3 WHERE sequence = ?1 AND size >= ?2",
                row->number, c[2].number, &c[3], NULL);
}

static int copy_all(struct salvage *v, const char *from)
{
        int r;

        r = store_begin(v->to);
        if (r == 0)
                r = store_walk_pages(from, on_first_row, v);
        if (r == 0)
                r = store_walk_pages(from, on_message_row, v);
        if (r == 0)
                r = store_walk_pages(from, on_queue_row, v);
        if (r < 0)
                return r;
        if (v->n_opened == 0 && v->n_closed > 0)
                return STORE_WRONG_SECRET;
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
        uint8_t page[STORE_PAGE_SIZE];
        int in, out, r = 0;

        in = open(good, O_RDONLY | O_CLOEXEC);
        if (in < 0)
                return -errno;
        if (pread(in, page, sizeof page, 0) != sizeof page)
                r = -EIO;
        (void)close(in);
        if (r < 0)
                return r;
        out = open(path, O_WRONLY | O_CLOEXEC);
        if (out < 0)
                return -errno;
        if (pwrite(out, page, sizeof page, 0) != sizeof page)
                r = -EIO;
        (void)close(out);
        return r;
}

/* The newest pages are in the write-ahead log: a copy of the database gets them. With a fresh first
 * page, because a damaged one would keep SQLite from doing so; how well it goes, the rows will
 * tell. 1, or 0 when there is no log, or negative. */
static int make_merged(const char *path, const char *merged, const char *good)
{
        _cleanup_(freep)
        char *wal = suffixed(path, "-wal"), *merged_wal = suffixed(merged, "-wal");
        sqlite3 *db = NULL;
        int r;

        if (!wal || !merged_wal)
                return -ENOMEM;
        r = copy_file(wal, merged_wal);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        r = copy_file(path, merged);
        if (r == 0)
                r = replace_first_page(merged, good);
        if (r < 0)
                return r;
        if (sqlite3_open_v2(merged, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) ==
                SQLITE_OK)
                (void)sqlite3_exec(db,
                        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA wal_checkpoint (TRUNCATE)", NULL,
                        NULL, NULL);
        (void)sqlite3_close(db);
        return 1;
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

/* What was committed goes into the file itself: it will be moved without its log. */
static int checkpoint(struct store *s)
{
        return sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) ==
                               SQLITE_OK
                       ? 0
                       : -EIO;
}

static int fill(struct salvage *v, const char *path, const char *made, const char *merged)
{
        struct store_options options = *v->options;
        int r;

        options.path = made;
        r = store_open(&options, &v->to);
        if (r != 0)
                return r < 0 ? r : -EIO;
        r = checkpoint(v->to);
        if (r == 0)
                r = make_merged(path, merged, made);
        if (r < 0)
                return r;
        r = copy_all(v, r > 0 ? merged : path);
        if (r == 0)
                r = checkpoint(v->to);
        return r;
}

int store_salvage(const struct store_options *options, usec_t real_usec, struct store **ret,
        char **ret_aside, uint64_t *ret_n_lost)
{
        _cleanup_(freep)
        char *made = suffixed(options->path, ".salvage"),
             *merged = suffixed(options->path, ".merged"), *aside = NULL;
        struct salvage v = { .options = options };
        int r;

        if (options->vfs || streq(options->path, ":memory:"))
                return -EOPNOTSUPP;
        if (!made || !merged)
                return -ENOMEM;
        remove_database(made);
        remove_database(merged);

        r = fill(&v, options->path, made, merged);
        store_free(v.to);
        remove_database(merged);
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
