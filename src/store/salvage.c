/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What can be read of a damaged database
 *
 * A new database is filled beside the damaged one (salvage-rows.c) and then takes its place, so a
 * salvage that is interrupted begins anew.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "store/store-internal.h"

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
                SQLITE_OK) {
                /* Reading opens the log, even when it then finds that the tables are not where the
                 * first page says. */
                (void)sqlite3_exec(db,
                        "PRAGMA locking_mode = EXCLUSIVE; SELECT 1 FROM sqlite_schema", NULL, NULL,
                        NULL);
                (void)sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
        }
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

/* The new database, filled: 0, STORE_WRONG_SECRET, or negative. */
static int fill(const struct store_options *options, usec_t real_usec, const char *made,
        const char *merged, uint64_t *ret_n_lost)
{
        _cleanup_(store_freep)
        struct store *to = NULL;
        struct store_options made_options = *options;
        int r;

        made_options.path = made;
        r = store_open(&made_options, &to);
        if (r != 0)
                return r < 0 ? r : -EIO;
        r = checkpoint(to);
        if (r == 0)
                r = make_merged(options->path, merged, made);
        if (r < 0)
                return r;
        r = store_copy_rows(to, r > 0 ? merged : options->path, real_usec, ret_n_lost);
        if (r == 0)
                r = checkpoint(to);
        return r;
}

int store_salvage(const struct store_options *options, usec_t real_usec, struct store **ret,
        char **ret_aside, uint64_t *ret_n_lost)
{
        _cleanup_(freep)
        char *made = suffixed(options->path, ".salvage"),
             *merged = suffixed(options->path, ".merged"), *aside = NULL;
        uint64_t n_lost = 0;
        int r;

        if (options->vfs || streq(options->path, ":memory:"))
                return -EOPNOTSUPP;
        if (!made || !merged)
                return -ENOMEM;
        remove_database(made);
        remove_database(merged);

        r = fill(options, real_usec, made, merged, &n_lost);
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
        *ret_n_lost = n_lost;
        return 0;
}
