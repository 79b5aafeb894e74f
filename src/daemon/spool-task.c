/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the worker does, slice by slice; only its thread comes here */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/text.h"
#include "daemon/spool-worker.h"
#include "os/fd.h"
#include "os/file.h"

#define NAMES_MAX 1000 /* NAME, NAME (2), ... */

enum slice {
        SLICE_DONE, /* well; everything else that ends a job is negative, or an outcome */
        SLICE_AGAIN = 1000,
};

static int outside(struct spool_job *j, int error)
{
        j->error = error;
        return SPOOL_OUTSIDE;
}

static void count(struct spool_job *j, size_t n)
{
        j->done += n;
        j->unsynced += n;
}

static int check_space(const struct spool_worker *w)
{
        struct statvfs s;

        if (fstatvfs(w->place.directory, &s) < 0)
                return -errno;
        return (uint64_t)s.f_bavail * s.f_frsize < SPOOL_SPACE_MIN ? -ENOSPC : 0;
}

/*
 * Chunks
 */
/* The first of a file makes it; what a process left that died at just that is made anew. */
static int open_for_writing(struct spool_worker *w, struct spool_job *j)
{
        char name[SPOOL_NAME_SIZE];
        int r = spool_file_open(&w->place, &j->id, &j->file);

        if (j->offset > 0 || (r != -ENOENT && r != -EBADMSG))
                return r;
        spool_name(&j->id, name);
        if (r == -EBADMSG && unlinkat(w->place.directory, name, 0) < 0)
                return -errno;
        return spool_file_create(&w->place, &j->id, &j->file);
}

static int write_slice(struct spool_worker *w, struct spool_job *j)
{
        int r;

        r = check_space(w);
        if (r >= 0)
                r = open_for_writing(w, j);
        if (r >= 0)
                r = spool_file_write(j->file, j->offset, j->data, j->n);
        return r < 0 ? r : spool_file_sync(j->file);
}

static int read_slice(struct spool_worker *w, struct spool_job *j)
{
        int r;

        j->data = malloc(MAX(j->n, (size_t)1));
        if (!j->data)
                return -ENOMEM;
        r = spool_file_open(&w->place, &j->id, &j->file);
        return r < 0 ? r : spool_file_read(j->file, j->offset, j->data, j->n);
}

/*
 * Into the spool
 */
/* As much as there is, up to @size: how much, or -errno. */
static ssize_t read_outside(int fd, uint64_t offset, uint8_t *ret, size_t size)
{
        size_t got = 0;

        while (got < size) {
                ssize_t n = pread(fd, ret + got, size - got, (off_t)(offset + got));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                got += (size_t)n;
        }
        return (ssize_t)got;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
        return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static int copy_begin(struct spool_worker *w, struct spool_job *j)
{
        struct stat st;
        int r;

        if (fstat(j->fd, &st) < 0)
                return outside(j, -errno);
        if ((uint64_t)st.st_size != j->size)
                return SPOOL_CHANGED;
        j->changed = st.st_mtim;
        r = hasher_new(&j->hasher);
        if (r >= 0)
                r = spool_file_create(&w->place, &j->id, &j->file);
        return r < 0 ? r : SLICE_AGAIN;
}

static int copy_end(struct spool_job *j)
{
        struct stat st;
        int r;

        if (fstat(j->fd, &st) < 0)
                return outside(j, -errno);
        if ((uint64_t)st.st_size != j->size || !same_time(&j->changed, &st.st_mtim))
                return SPOOL_CHANGED;
        r = spool_file_sync(j->file);
        if (r < 0)
                return r;
        hasher_finish(j->hasher, j->hash);
        return SLICE_DONE;
}

static int sync_now_and_then(struct spool_worker *w, struct spool_job *j)
{
        int r;

        if (j->unsynced < SPOOL_SYNC_SIZE)
                return 0;
        j->unsynced = 0;
        r = spool_file_sync(j->file);
        return r < 0 ? r : check_space(w);
}

static int copy_slice(struct spool_worker *w, struct spool_job *j)
{
        size_t n = MIN(j->size - j->done, (uint64_t)SPOOL_SLICE_SIZE);
        ssize_t got;
        int r;

        if (!j->is_begun)
                return copy_begin(w, j);
        if (n == 0)
                return copy_end(j);
        got = read_outside(j->fd, j->done, w->buffer, n);
        if (got < 0)
                return outside(j, (int)got);
        if ((size_t)got < n)
                return SPOOL_CHANGED;
        hasher_add(j->hasher, w->buffer, n);
        r = spool_file_write(j->file, j->done, w->buffer, n);
        if (r < 0)
                return r;
        count(j, n);
        r = sync_now_and_then(w, j);
        return r < 0 ? r : SLICE_AGAIN;
}

/*
 * Out of it
 */
/* The next piece of the spool in the buffer. Of an empty file there may be none. */
static int read_piece(struct spool_worker *w, struct spool_job *j, size_t *ret)
{
        size_t n = MIN(j->size - j->done, (uint64_t)SPOOL_SLICE_SIZE);
        int r = 0;

        if (n > 0 && !j->file)
                r = spool_file_open(&w->place, &j->id, &j->file);
        if (n > 0 && r >= 0)
                r = spool_file_read(j->file, j->done, w->buffer, n);
        if (r < 0)
                return r;
        *ret = n;
        return 0;
}

static int hash_slice(struct spool_worker *w, struct spool_job *j)
{
        size_t n;
        int r;

        if (!j->is_begun) {
                r = hasher_new(&j->hasher);
                return r < 0 ? r : SLICE_AGAIN;
        }
        r = read_piece(w, j, &n);
        if (r < 0)
                return r;
        if (n == 0) {
                hasher_finish(j->hasher, j->hash);
                return SLICE_DONE;
        }
        hasher_add(j->hasher, w->buffer, n);
        count(j, n);
        return SLICE_AGAIN;
}

static int write_outside(struct spool_job *j, const uint8_t *data, size_t size)
{
        uint64_t offset = j->done;

        while (size > 0) {
                ssize_t n = pwrite(j->fd, data, size, (off_t)offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return outside(j, n < 0 ? -errno : -EIO);
                data += n;
                offset += (uint64_t)n;
                size -= (size_t)n;
        }
        return 0;
}

static int hand_over_slice(struct spool_worker *w, struct spool_job *j)
{
        size_t n;
        int r;

        if (!j->is_begun)
                return ftruncate(j->fd, 0) < 0 ? outside(j, -errno) : SLICE_AGAIN;
        r = read_piece(w, j, &n);
        if (r < 0)
                return r;
        if (n == 0)
                return fsync(j->fd) < 0 ? outside(j, -errno) : SLICE_DONE;
        r = write_outside(j, w->buffer, n);
        if (r != 0)
                return r;
        count(j, n);
        if (j->unsynced < SPOOL_SYNC_SIZE)
                return SLICE_AGAIN;
        j->unsynced = 0;
        return fdatasync(j->fd) < 0 ? outside(j, -errno) : SLICE_AGAIN;
}

/*
 * Into a directory: under a name of its own until it is whole. The directory is opened each time,
 * for it may be another in the end, or be gone.
 */
static void part_name(const struct spool_job *j, char ret[static SPOOL_NAME_SIZE + 16])
{
        char name[SPOOL_NAME_SIZE];

        spool_name(&j->id, name);
        (void)snprintf(ret, SPOOL_NAME_SIZE + 16, ".%s.part", name);
}

static int open_directory(const struct spool_job *j)
{
        int fd = open(j->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

static int put_begin(struct spool_job *j)
{
        char part[SPOOL_NAME_SIZE + 16];
        _cleanup_(fd_closep)
        int directory = open_directory(j);

        if (directory < 0)
                return outside(j, directory);
        part_name(j, part);
        (void)unlinkat(directory, part, 0); /* of a process that died at it */
        j->fd = openat(directory, part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        return j->fd < 0 ? outside(j, -errno) : SLICE_AGAIN;
}

static int put_end(struct spool_job *j)
{
        char part[SPOOL_NAME_SIZE + 16], name[FILE_NAME_SIZE];
        _cleanup_(fd_closep)
        int directory = open_directory(j);
        int r = -EEXIST;

        if (directory < 0)
                return outside(j, directory);
        part_name(j, part);
        for (unsigned i = 1; i <= NAMES_MAX && r == -EEXIST; i++) {
                file_name_make(j->name, i, name);
                r = file_rename_new(directory, part, name);
        }
        if (r == 0 && fsync(directory) < 0)
                r = -errno;
        if (r < 0)
                return outside(j, r);
        memcpy(j->name, name, strlen(name) + 1);
        return SLICE_DONE;
}

static int put_slice(struct spool_worker *w, struct spool_job *j)
{
        int r;

        if (j->fd < 0)
                return put_begin(j);
        r = hand_over_slice(w, j);
        return r == SLICE_DONE ? put_end(j) : r;
}

static void put_clean(const struct spool_job *j)
{
        char part[SPOOL_NAME_SIZE + 16];
        _cleanup_(fd_closep)
        int directory = open_directory(j);

        part_name(j, part);
        if (directory >= 0)
                (void)unlinkat(directory, part, 0);
}

/*
 * Away: its name at once, the rest in pieces, for a file system may take its time with a large file
 */
static int discard_slice(struct spool_worker *w, struct spool_job *j)
{
        char name[SPOOL_NAME_SIZE];
        struct stat st;

        if (j->is_begun)
                return fstat(j->fd, &st) == 0 && st.st_size > SPOOL_DISCARD_SIZE &&
                                       ftruncate(j->fd, st.st_size - SPOOL_DISCARD_SIZE) == 0
                               ? SLICE_AGAIN
                               : SLICE_DONE;
        spool_name(&j->id, name);
        j->fd = openat(w->place.directory, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        if (unlinkat(w->place.directory, name, 0) < 0 && errno != ENOENT)
                return -errno;
        return j->fd < 0 ? SLICE_DONE : SLICE_AGAIN;
}

static int slice(struct spool_worker *w, struct spool_job *j)
{
        switch (j->task) {
        case SPOOL_WRITE:
                return write_slice(w, j);
        case SPOOL_READ:
                return read_slice(w, j);
        case SPOOL_COPY:
                return copy_slice(w, j);
        case SPOOL_HASH:
                return hash_slice(w, j);
        case SPOOL_HAND_OVER:
                return hand_over_slice(w, j);
        case SPOOL_PUT:
                return put_slice(w, j);
        case SPOOL_DISCARD:
                return discard_slice(w, j);
        }
        return -EINVAL;
}

static void clean(struct spool_worker *w, struct spool_job *j)
{
        char name[SPOOL_NAME_SIZE];

        if (j->task == SPOOL_COPY && j->file) {
                spool_name(&j->id, name);
                (void)unlinkat(w->place.directory, name, 0);
        }
        if (j->task == SPOOL_PUT)
                put_clean(j);
}

bool spool_task_slice(struct spool_worker *w, struct spool_job *j)
{
        int r = j->is_cancelled ? -ECANCELED : slice(w, j);

        j->is_begun = true;
        if (r == SLICE_AGAIN)
                return false;
        if (r != SLICE_DONE)
                clean(w, j);
        j->file = spool_file_free(j->file);
        j->result = r;
        return true;
}
