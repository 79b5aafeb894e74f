/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moving house: an archive of all that makes this machine the one it is */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "core/crypto/crypto.h"
#include "daemon/archive.h"
#include "os/fd.h"
#include "os/file.h"

#define MAGIC "p2pchat archive "
#define HEAD_FORMAT MAGIC "1\ndatabase %020" PRIu64 "\n\n"
#define HEAD_SIZE (sizeof MAGIC "1\ndatabase 00000000000000000000\n\n" - 1)
#define FILES_AT HEAD_SIZE
#define DATABASE_AT (FILES_AT + STORE_SECRET_SIZE + SECRET_IDENTITY_SIZE)
#define SYNC_SIZE (8 * 1024 * 1024) /* so that the last sync is not a long one */

/*
 * The digest
 */
struct digest {
        uint8_t value[HASH_SIZE];
        uint8_t piece[ARCHIVE_PIECE_SIZE];
        size_t used;
};

static void digest_turn(struct digest *d)
{
        hash((const struct blob[]){ { d->value, sizeof d->value }, { d->piece, d->used } }, 2,
                d->value);
        wipe(d->piece, d->used);
        d->used = 0;
}

static void digest_add(struct digest *d, const uint8_t *data, size_t size)
{
        while (size > 0) {
                size_t n = MIN(size, sizeof d->piece - d->used);

                memcpy(d->piece + d->used, data, n);
                d->used += n;
                data += n;
                size -= n;
                if (d->used == sizeof d->piece)
                        digest_turn(d);
        }
}

static const uint8_t *digest_end(struct digest *d)
{
        if (d->used > 0)
                digest_turn(d);
        return d->value;
}

/*
 * Writing
 */
struct archive_writer {
        uint8_t head[DATABASE_AT + 1]; /* snprintf() ends it */
        int database;
        uint64_t left; /* of the database */
        enum { WRITE_HEAD, WRITE_DATABASE, WRITE_DIGEST, WRITE_NOTHING } next;
        struct digest digest;
        uint8_t piece[ARCHIVE_PIECE_SIZE];
};

int archive_writer_new(const uint8_t secret[static STORE_SECRET_SIZE],
        const uint8_t identity[static SECRET_IDENTITY_SIZE], int database, uint64_t size,
        struct archive_writer **ret)
{
        struct archive_writer *w = calloc(1, sizeof *w);

        if (!w)
                return -ENOMEM;
        (void)snprintf((char *)w->head, sizeof w->head, HEAD_FORMAT, size);
        memcpy(w->head + FILES_AT, secret, STORE_SECRET_SIZE);
        memcpy(w->head + FILES_AT + STORE_SECRET_SIZE, identity, SECRET_IDENTITY_SIZE);
        w->database = database;
        w->left = size;
        *ret = w;
        return 0;
}

struct archive_writer *archive_writer_free(struct archive_writer *w)
{
        if (w)
                wipe(w, sizeof *w);
        free(w);
        return NULL;
}

static int next_of_database(struct archive_writer *w, size_t *ret_size)
{
        ssize_t n;

        do
                n = read(w->database, w->piece, MIN(w->left, (uint64_t)sizeof w->piece));
        while (n < 0 && errno == EINTR);
        if (n <= 0)
                return n < 0 ? -errno : -EIO; /* shorter than it was */
        w->left -= (uint64_t)n;
        *ret_size = (size_t)n;
        return 0;
}

int archive_writer_next(struct archive_writer *w, const uint8_t **ret, size_t *ret_size)
{
        const uint8_t *data = w->piece;
        size_t size = 0;
        int r;

        switch (w->next) {
        case WRITE_HEAD:
                data = w->head;
                size = DATABASE_AT;
                break;
        case WRITE_DATABASE:
                r = next_of_database(w, &size);
                if (r < 0)
                        return r;
                break;
        case WRITE_DIGEST:
                data = digest_end(&w->digest);
                size = HASH_SIZE;
                break;
        case WRITE_NOTHING:
                break;
        }
        if (w->next < WRITE_DIGEST) {
                digest_add(&w->digest, data, size);
                w->next = w->left > 0 ? WRITE_DATABASE : WRITE_DIGEST;
        } else {
                w->next = WRITE_NOTHING;
        }
        *ret = data;
        *ret_size = size;
        return 0;
}

/*
 * Reading
 */
struct archive_reader {
        char *directory;
        uint8_t head[DATABASE_AT];
        size_t head_size; /* of them that have come */
        int database;
        uint64_t left, unsynced;
        uint8_t trailer[HASH_SIZE];
        size_t trailer_size;
        struct digest digest;
};

int archive_reader_new(const char *directory, struct archive_reader **ret)
{
        struct archive_reader *r = calloc(1, sizeof *r);

        if (!r)
                return -ENOMEM;
        r->database = -EBADF;
        r->directory = strdup(directory);
        if (!r->directory) {
                archive_reader_free(r);
                return -ENOMEM;
        }
        *ret = r;
        return 0;
}

struct archive_reader *archive_reader_free(struct archive_reader *r)
{
        if (!r)
                return NULL;
        fd_close(r->database);
        free(r->directory);
        wipe(r, sizeof *r);
        free(r);
        return NULL;
}

static int write_file(struct archive_reader *r, const char *name, const uint8_t *data, size_t size)
{
        _cleanup_(freep)
        char *path = NULL;

        if (asprintf(&path, "%s/%s", r->directory, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        return file_create_atomic(path, data, size, 0600);
}

static int open_database(struct archive_reader *r)
{
        _cleanup_(freep)
        char *path = NULL;

        if (asprintf(&path, "%s/p2pchat.db", r->directory) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        r->database = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        return r->database < 0 ? -errno : 0;
}

/* It begins with text, so whatever it is instead can be told at once. */
static int check_head(const struct archive_reader *r)
{
        size_t n = MIN(r->head_size, sizeof MAGIC - 1);

        if (memcmp(r->head, MAGIC, n) != 0)
                return ARCHIVE_NOT_ONE;
        if (r->head_size > sizeof MAGIC && memcmp(r->head + sizeof MAGIC - 1, "1\n", 2) != 0)
                return ARCHIVE_NEWER;
        return 0;
}

static int take_head(struct archive_reader *r)
{
        char head[HEAD_SIZE + 1], wanted[HEAD_SIZE + 1];
        const uint8_t *secret = r->head + FILES_AT, *identity = secret + STORE_SECRET_SIZE;
        int k;

        memcpy(head, r->head, HEAD_SIZE);
        head[HEAD_SIZE] = 0;
        r->left = strtoull(head + sizeof MAGIC "1\ndatabase " - 1, NULL, 10);
        (void)snprintf(wanted, sizeof wanted, HEAD_FORMAT, r->left);
        if (!streq(head, wanted))
                return ARCHIVE_DAMAGED;
        k = write_file(r, "secret", secret, STORE_SECRET_SIZE);
        if (k == 0)
                k = write_file(r, "identity", identity, SECRET_IDENTITY_SIZE);
        if (k == 0)
                k = open_database(r);
        return k;
}

static int take_database(struct archive_reader *r, const uint8_t *data, size_t size)
{
        int k = fd_write_all(r->database, data, size);

        if (k < 0)
                return k;
        r->left -= size;
        r->unsynced += size;
        if (r->unsynced >= SYNC_SIZE) {
                if (fdatasync(r->database) < 0)
                        return -errno;
                r->unsynced = 0;
        }
        return 0;
}

int archive_reader_take(struct archive_reader *r, const uint8_t *data, size_t size)
{
        size_t n = MIN(size, DATABASE_AT - r->head_size);
        int k = 0;

        if (n > 0) {
                memcpy(r->head + r->head_size, data, n);
                r->head_size += n;
                k = check_head(r);
                if (k == 0 && r->head_size == DATABASE_AT)
                        k = take_head(r);
                digest_add(&r->digest, data, n);
                data += n;
                size -= n;
        }
        n = (size_t)MIN((uint64_t)size, r->left);
        if (k == 0 && n > 0) {
                k = take_database(r, data, n);
                digest_add(&r->digest, data, n);
                data += n;
                size -= n;
        }
        if (k != 0 || size == 0)
                return k;
        if (size > sizeof r->trailer - r->trailer_size)
                return ARCHIVE_DAMAGED;
        memcpy(r->trailer + r->trailer_size, data, size);
        r->trailer_size += size;
        return 0;
}

int archive_reader_finish(struct archive_reader *r)
{
        if (r->head_size < sizeof MAGIC)
                return ARCHIVE_NOT_ONE;
        if (r->trailer_size < sizeof r->trailer ||
                memcmp(r->trailer, digest_end(&r->digest), sizeof r->trailer) != 0)
                return ARCHIVE_DAMAGED;
        return fsync(r->database) < 0 ? -errno : 0;
}
