/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A consistent copy, while life goes on */
#include <fcntl.h>
#include <unistd.h>

#include "store/store-internal.h"

#define COPY_PAGES_PER_STEP 256 /* a MiB */

struct store_copy {
        struct store *store;
        sqlite3 *to;
        sqlite3_backup *backup;
};

struct store_copy *store_copy_free(struct store_copy *c)
{
        if (!c)
                return NULL;
        (void)sqlite3_backup_finish(c->backup);
        (void)sqlite3_close_v2(c->to);
        free(c);
        return NULL;
}

/* Whoever wants the copy on disk syncs it when it is whole, not page by page. */
static int open_target(struct store_copy *c, const char *path)
{
        int fd, r;

        fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        (void)close(fd);
        r = sqlite3_open_v2(path, &c->to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
        if (r == SQLITE_OK)
                r = sqlite3_exec(c->to, "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF;",
                        NULL, NULL, NULL);
        return r == SQLITE_OK ? 0 : r == SQLITE_NOMEM ? -ENOMEM : -EIO;
}

int store_copy_new(struct store *s, const char *path, struct store_copy **ret)
{
        struct store_copy *c = calloc(1, sizeof *c);
        int r;

        if (!c)
                return -ENOMEM;
        c->store = s;
        r = open_target(c, path);
        if (r == 0) {
                c->backup = sqlite3_backup_init(c->to, "main", s->db, "main");
                if (!c->backup)
                        r = sqlite3_errcode(c->to) == SQLITE_NOMEM ? -ENOMEM : -EIO;
        }
        if (r < 0) {
                store_copy_free(c);
                return r;
        }
        *ret = c;
        return 0;
}

int store_copy_step(struct store_copy *c)
{
        int r = sqlite3_backup_step(c->backup, COPY_PAGES_PER_STEP);

        switch (r) {
        case SQLITE_DONE:
                r = sqlite3_backup_finish(c->backup);
                c->backup = NULL;
                return r == SQLITE_OK ? 0 : -EIO;
        case SQLITE_OK:
        case SQLITE_BUSY:
        case SQLITE_LOCKED: /* a transaction is open: after its commit it goes on */
                return 1;
        case SQLITE_FULL:
                return -ENOSPC;
        default:
                return store_errno(c->store, r);
        }
}
