/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file system for SQLite that can fail */
#include <sqlite3.h>
#include <stdio.h>
#include <time.h>

#include "base/list.h"
#include "lib/fault-vfs.h"

#define BLOCK_SIZE 512
#define NAME_SIZE_MAX_VFS 256

struct image {
        uint8_t *data;
        size_t size, allocated;
};

struct file {
        struct list list;
        char name[NAME_SIZE_MAX_VFS];
        struct image now, synced;
        size_t dirty_from, dirty_to; /* what was written since the last sync */
};

struct fault_vfs {
        sqlite3_vfs vfs;
        char name[64];
        struct list files;
        uint64_t random;     /* state of a small generator */
        uint64_t generation; /* rises when all handles die */
        uint64_t n_writes, n_syncs;
        enum fault fault;
        uint64_t left; /* operations until it happens */
        bool happened, torn;
};

struct handle {
        sqlite3_file base;
        struct fault_vfs *vfs;
        struct file *file;
        uint64_t generation;
        bool delete_on_close;
};

static uint64_t next_random(struct fault_vfs *v)
{
        v->random ^= v->random << 13;
        v->random ^= v->random >> 7;
        v->random ^= v->random << 17;
        return v->random;
}

static int image_resize(struct image *i, size_t size)
{
        if (size > i->allocated) {
                size_t allocated = MAX(size, i->allocated * 2);
                uint8_t *data = realloc(i->data, allocated);

                if (!data)
                        return -ENOMEM;
                i->data = data;
                i->allocated = allocated;
        }
        if (size > i->size)
                memset(i->data + i->size, 0, size - i->size);
        i->size = size;
        return 0;
}

static struct file *find_file(struct fault_vfs *v, const char *name)
{
        list_for_each (i, &v->files) {
                struct file *f = container_of(i, struct file, list);

                if (streq(f->name, name))
                        return f;
        }
        return NULL;
}

static void mark_dirty(struct file *f, size_t from, size_t to)
{
        if (f->dirty_from == f->dirty_to) {
                f->dirty_from = from;
                f->dirty_to = to;
        } else {
                f->dirty_from = MIN(f->dirty_from, from);
                f->dirty_to = MAX(f->dirty_to, to);
        }
}

static int sync_file(struct file *f)
{
        size_t to = MIN(f->dirty_to, f->now.size);

        if (image_resize(&f->synced, f->now.size) < 0)
                return -ENOMEM;
        if (to > f->dirty_from)
                memcpy(f->synced.data + f->dirty_from, f->now.data + f->dirty_from,
                        to - f->dirty_from);
        f->dirty_from = f->dirty_to = 0;
        return 0;
}

/* Some blocks of what was not synced made it, each for itself. */
static void tear(struct fault_vfs *v, struct file *f)
{
        size_t from = f->dirty_from / BLOCK_SIZE * BLOCK_SIZE;

        for (size_t at = from; at < MIN(f->dirty_to, f->now.size); at += BLOCK_SIZE) {
                size_t n = MIN((size_t)BLOCK_SIZE, f->now.size - at);

                if (next_random(v) & 1)
                        continue;
                if (at + n > f->synced.size && image_resize(&f->synced, at + n) < 0)
                        abort();
                memcpy(f->synced.data + at, f->now.data + at, n);
        }
}

void fault_vfs_power_cut(struct fault_vfs *v, bool torn)
{
        list_for_each (i, &v->files) {
                struct file *f = container_of(i, struct file, list);

                if (torn)
                        tear(v, f);
                if (image_resize(&f->now, f->synced.size) < 0)
                        abort();
                if (f->synced.size > 0)
                        memcpy(f->now.data, f->synced.data, f->synced.size);
                f->dirty_from = f->dirty_to = 0;
        }
        v->generation++;
        v->fault = FAULT_NONE;
}

void fault_vfs_kill(struct fault_vfs *v)
{
        v->generation++;
        v->fault = FAULT_NONE;
}

void fault_vfs_set_torn(struct fault_vfs *v, bool torn)
{
        v->torn = torn;
}

void fault_vfs_plan(struct fault_vfs *v, enum fault fault, uint64_t n)
{
        v->fault = fault;
        v->left = n;
        v->happened = false;
}

bool fault_vfs_happened(const struct fault_vfs *v)
{
        return v->happened;
}

uint64_t fault_vfs_n_writes(const struct fault_vfs *v)
{
        return v->n_writes;
}

uint64_t fault_vfs_n_syncs(const struct fault_vfs *v)
{
        return v->n_syncs;
}

/* Is it this operation's turn to fail? */
static bool is_due(struct fault_vfs *v, bool is_sync)
{
        switch (v->fault) {
        case FAULT_NONE:
                return false;
        case FAULT_WRITE:
        case FAULT_FULL:
                if (is_sync)
                        return false;
                break;
        case FAULT_SYNC:
                if (!is_sync)
                        return false;
                break;
        case FAULT_POWER:
                break;
        }
        if (v->left > 1) {
                v->left--;
                return false;
        }
        v->happened = true;
        return true;
}

static bool is_dead(const struct handle *h)
{
        return h->generation != h->vfs->generation;
}

/*
 * Files
 */
static void drop_file(struct file *f)
{
        list_remove(&f->list);
        free(f->now.data);
        free(f->synced.data);
        free(f);
}

static int on_close(sqlite3_file *file)
{
        struct handle *h = (struct handle *)file;

        if (!is_dead(h) && h->delete_on_close)
                drop_file(h->file);
        return SQLITE_OK;
}

static int on_read(sqlite3_file *file, void *data, int size, sqlite3_int64 offset)
{
        struct handle *h = (struct handle *)file;
        size_t n = 0;

        if (is_dead(h))
                return SQLITE_IOERR_READ;
        if ((size_t)offset < h->file->now.size)
                n = MIN((size_t)size, h->file->now.size - (size_t)offset);
        if (n > 0)
                memcpy(data, h->file->now.data + offset, n);
        memset((uint8_t *)data + n, 0, (size_t)size - n);
        return n == (size_t)size ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int on_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
        struct handle *h = (struct handle *)file;
        size_t end = (size_t)offset + (size_t)size;

        if (is_dead(h))
                return SQLITE_IOERR_WRITE;
        h->vfs->n_writes++;
        if (is_due(h->vfs, false)) {
                if (h->vfs->fault == FAULT_FULL)
                        return SQLITE_FULL; /* and so it stays */
                if (h->vfs->fault == FAULT_POWER)
                        fault_vfs_power_cut(h->vfs, h->vfs->torn);
                h->vfs->fault = FAULT_NONE;
                return SQLITE_IOERR_WRITE;
        }
        if (end > h->file->now.size && image_resize(&h->file->now, end) < 0)
                return SQLITE_IOERR_NOMEM;
        memcpy(h->file->now.data + offset, data, (size_t)size);
        mark_dirty(h->file, (size_t)offset, end);
        return SQLITE_OK;
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 size)
{
        struct handle *h = (struct handle *)file;

        if (is_dead(h))
                return SQLITE_IOERR_TRUNCATE;
        if (image_resize(&h->file->now, (size_t)size) < 0)
                return SQLITE_IOERR_NOMEM;
        return SQLITE_OK;
}

static int on_sync(sqlite3_file *file, int flags)
{
        struct handle *h = (struct handle *)file;

        if (is_dead(h))
                return SQLITE_IOERR_FSYNC;
        h->vfs->n_syncs++;
        if (is_due(h->vfs, true)) {
                if (h->vfs->fault == FAULT_POWER)
                        fault_vfs_power_cut(h->vfs, h->vfs->torn);
                h->vfs->fault = FAULT_NONE;
                /* As kernels do: what could not be written counts as clean afterwards, and a later
                 * sync succeeds without it. */
                h->file->dirty_from = h->file->dirty_to = 0;
                return SQLITE_IOERR_FSYNC;
        }
        return sync_file(h->file) < 0 ? SQLITE_IOERR_NOMEM : SQLITE_OK;
}

static int on_size(sqlite3_file *file, sqlite3_int64 *ret)
{
        struct handle *h = (struct handle *)file;

        if (is_dead(h))
                return SQLITE_IOERR_FSTAT;
        *ret = (sqlite3_int64)h->file->now.size;
        return SQLITE_OK;
}

static int on_lock(sqlite3_file *file, int how)
{
        return SQLITE_OK;
}

static int on_check_lock(sqlite3_file *file, int *ret)
{
        *ret = 0;
        return SQLITE_OK;
}

static int on_control(sqlite3_file *file, int op, void *arg)
{
        return SQLITE_NOTFOUND;
}

static int on_sector_size(sqlite3_file *file)
{
        return BLOCK_SIZE;
}

static int on_characteristics(sqlite3_file *file)
{
        return 0;
}

/* Version 1: no shared memory, so a write-ahead log only with an exclusive lock. */
static const sqlite3_io_methods methods = {
        .iVersion = 1,
        .xClose = on_close,
        .xRead = on_read,
        .xWrite = on_write,
        .xTruncate = on_truncate,
        .xSync = on_sync,
        .xFileSize = on_size,
        .xLock = on_lock,
        .xUnlock = on_lock,
        .xCheckReservedLock = on_check_lock,
        .xFileControl = on_control,
        .xSectorSize = on_sector_size,
        .xDeviceCharacteristics = on_characteristics,
};

/*
 * The file system
 */
static int on_open(
        sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags)
{
        struct fault_vfs *v = vfs->pAppData;
        struct handle *h = (struct handle *)file;
        char made[32];
        struct file *f;

        *h = (struct handle){};
        if (!name) {
                (void)snprintf(
                        made, sizeof made, "temporary-%llx", (unsigned long long)next_random(v));
                name = made;
        }
        f = find_file(v, name);
        if (!f) {
                if (!(flags & SQLITE_OPEN_CREATE) || strlen(name) >= sizeof f->name)
                        return SQLITE_CANTOPEN;
                f = calloc(1, sizeof *f);
                if (!f)
                        return SQLITE_NOMEM;
                memcpy(f->name, name, strlen(name) + 1);
                list_append(&v->files, &f->list);
        }
        h->base.pMethods = &methods;
        h->vfs = v;
        h->file = f;
        h->generation = v->generation;
        h->delete_on_close = flags & SQLITE_OPEN_DELETEONCLOSE;
        if (ret_flags)
                *ret_flags = flags;
        return SQLITE_OK;
}

static int on_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
        struct file *f = find_file(vfs->pAppData, name);

        if (!f)
                return SQLITE_IOERR_DELETE_NOENT;
        drop_file(f);
        return SQLITE_OK;
}

static int on_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
        *ret = find_file(vfs->pAppData, name) != NULL;
        return SQLITE_OK;
}

static int on_full_pathname(sqlite3_vfs *vfs, const char *name, int size, char *ret)
{
        return snprintf(ret, (size_t)size, "%s", name) < size ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int on_randomness(sqlite3_vfs *vfs, int size, char *ret)
{
        for (int i = 0; i < size; i++)
                ret[i] = (char)next_random(vfs->pAppData);
        return size;
}

static int on_sleep(sqlite3_vfs *vfs, int usec)
{
        return usec;
}

static int on_time(sqlite3_vfs *vfs, double *ret)
{
        *ret = 2460000.5; /* a Julian day; nothing depends on it */
        return SQLITE_OK;
}

static int on_last_error(sqlite3_vfs *vfs, int size, char *ret)
{
        return 0;
}

int fault_vfs_new(const char *name, uint64_t seed, struct fault_vfs **ret)
{
        _cleanup_(fault_vfs_freep)
        struct fault_vfs *v = calloc(1, sizeof *v);

        if (!v)
                return -ENOMEM;
        list_init(&v->files);
        v->random = seed * 2 + 1;
        (void)snprintf(v->name, sizeof v->name, "%s", name);
        v->vfs = (sqlite3_vfs){
                .iVersion = 1,
                .szOsFile = sizeof(struct handle),
                .mxPathname = NAME_SIZE_MAX_VFS - 1,
                .zName = v->name,
                .pAppData = v,
                .xOpen = on_open,
                .xDelete = on_delete,
                .xAccess = on_access,
                .xFullPathname = on_full_pathname,
                .xRandomness = on_randomness,
                .xSleep = on_sleep,
                .xCurrentTime = on_time,
                .xGetLastError = on_last_error,
        };
        if (sqlite3_vfs_register(&v->vfs, 0) != SQLITE_OK)
                return -EIO;
        *ret = TAKE_PTR(v);
        return 0;
}

/*
 * Backups
 */
struct fault_copy {
        struct list files;
};

static void drop_all(struct list *files)
{
        list_for_each_safe (i, files)
                drop_file(container_of(i, struct file, list));
}

/* All of it counts as synced: it has been on another disk meanwhile. */
static int copy_file(const struct file *f, struct list *to)
{
        struct file *c = calloc(1, sizeof *c);

        if (!c)
                return -ENOMEM;
        memcpy(c->name, f->name, sizeof c->name);
        list_append(to, &c->list);
        if (f->now.size == 0)
                return 0;
        if (image_resize(&c->now, f->now.size) < 0 || image_resize(&c->synced, f->now.size) < 0)
                return -ENOMEM;
        memcpy(c->now.data, f->now.data, f->now.size);
        memcpy(c->synced.data, f->now.data, f->now.size);
        return 0;
}

static int copy_all(const struct list *from, struct list *to)
{
        int r = 0;

        list_for_each (i, from)
                r = r < 0 ? r : copy_file(container_of(i, struct file, list), to);
        return r;
}

struct fault_copy *fault_vfs_copy(const struct fault_vfs *v)
{
        struct fault_copy *c = calloc(1, sizeof *c);

        if (!c)
                return NULL;
        list_init(&c->files);
        return copy_all(&v->files, &c->files) < 0 ? fault_copy_free(c) : c;
}

struct fault_copy *fault_copy_free(struct fault_copy *c)
{
        if (c)
                drop_all(&c->files);
        free(c);
        return NULL;
}

int fault_vfs_put_back(struct fault_vfs *v, const struct fault_copy *copy)
{
        fault_vfs_kill(v);
        drop_all(&v->files);
        return copy ? copy_all(&copy->files, &v->files) : 0;
}

struct fault_vfs *fault_vfs_free(struct fault_vfs *v)
{
        if (!v)
                return NULL;
        (void)sqlite3_vfs_unregister(&v->vfs);
        drop_all(&v->files);
        free(v);
        return NULL;
}
