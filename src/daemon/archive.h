/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Moving house: an archive of all that makes this machine the one it is
 *
 *     p2pchat archive 1\n
 *     database 00000000000000123456\n     its size in bytes, 20 digits
 *     \n
 *     the secret, 32 bytes
 *     the file "identity", 60 bytes: sealed with the secret
 *     the database: sealed with the secret, but for the tables themselves
 *     the digest of everything before it, 32 bytes
 *
 * The digest begins as 32 zero bytes; with every 64 KiB, and in the end with what is left of them,
 * it becomes SHA-256(digest ‖ these bytes). It finds accidents, not forgeries: the archive holds
 * the key to itself, and whoever has it is this machine.
 *
 * Both sides work in pieces, so that neither waits for a disk or a pipe longer than for one.
 */
#include "daemon/secret.h"

#define ARCHIVE_PIECE_SIZE (64 * 1024)

enum archive_outcome {
        ARCHIVE_NOT_ONE = 1, /* does not begin like one */
        ARCHIVE_NEWER,       /* of a version that is not known here */
        ARCHIVE_DAMAGED,     /* cut off, longer than it says, or altered */
};

/* @database: a descriptor, borrowed, at its beginning; @size: of it. */
struct archive_writer;
int archive_writer_new(const uint8_t secret[static STORE_SECRET_SIZE],
        const uint8_t identity[static SECRET_IDENTITY_SIZE], int database, uint64_t size,
        struct archive_writer **ret);
struct archive_writer *archive_writer_free(struct archive_writer *w);
/* What comes next, valid until the next call; no bytes: that was all. 0 or -errno. */
int archive_writer_next(struct archive_writer *w, const uint8_t **ret, size_t *ret_size);

/* Writes the files "secret", "identity" and "p2pchat.db" into @directory, where none of them is. */
struct archive_reader;
int archive_reader_new(const char *directory, struct archive_reader **ret);
struct archive_reader *archive_reader_free(struct archive_reader *r);
/* What came. 0, an outcome, or -errno. */
int archive_reader_take(struct archive_reader *r, const uint8_t *data, size_t size);
/* That was all: 0, and the files are whole and synced. */
int archive_reader_finish(struct archive_reader *r);
