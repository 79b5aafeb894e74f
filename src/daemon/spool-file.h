/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A file of the spool: sealed, and read and written at any block
 *
 *     "p2pspool" | salt (32) | block 0 | block 1 | ...
 *     block: nonce (12) | TRANSFER_CHUNK_SIZE sealed bytes, of the last one what is left | tag (16)
 *
 * The key is derived from the salt and the secret of the spool; id of the file and number of the
 * block are associated data. So a block that was altered, or moved to another place or file, does
 * not open; that the file is the right one as a whole is for the hash of the transfer to say.
 *
 * Everything here blocks as long as the disk does: it is for the worker (spool-worker.h), and for
 * the time before the loop. A file may be used by one thread at a time.
 */
#include "core/crypto/crypto.h"
#include "core/transfer/transfer.h"

#define SPOOL_SALT_SIZE 32
#define SPOOL_HEAD_SIZE (8 + SPOOL_SALT_SIZE)
#define SPOOL_SEAL_SIZE (NONCE_SIZE + TAG_SIZE)
#define SPOOL_BLOCK_SIZE (TRANSFER_CHUNK_SIZE + SPOOL_SEAL_SIZE)
#define SPOOL_NAME_SIZE (2 * TRANSFER_ID_SIZE + 1)

struct random;
struct spool_file;

/* The directory and its secret, which must outlive the files; @random belongs to the same thread.
 */
struct spool_place {
        int directory;
        const uint8_t *key; /* KEY_SIZE bytes */
        struct random *random;
};

/* The name of the file is its id in hexadecimal. */
void spool_name(const struct transfer_id *id, char ret[static SPOOL_NAME_SIZE]);

/* 0; -ENOENT; -EEXIST; -EBADMSG when it is no file of a spool; or another -errno. A new one is in
 * the directory for certain when the function returns. */
int spool_file_create(
        const struct spool_place *place, const struct transfer_id *id, struct spool_file **ret);
int spool_file_open(
        const struct spool_place *place, const struct transfer_id *id, struct spool_file **ret);
struct spool_file *spool_file_free(struct spool_file *f);
DEFINE_CLEANUP(struct spool_file *, spool_file_free)

/* @offset: a multiple of TRANSFER_CHUNK_SIZE; so is the end, but of the last bytes of the file. 0
 * or -errno. */
int spool_file_write(struct spool_file *f, uint64_t offset, const void *data, size_t size);
/* From anywhere. 0; -EBADMSG: it is not there, or altered; -errno. */
int spool_file_read(struct spool_file *f, uint64_t offset, void *ret, size_t size);
/* After this the disk has what was written. 0 or -errno. */
int spool_file_sync(struct spool_file *f);

/* Of a file that was left behind, whatever ended the process: the bytes from the beginning that the
 * disk has, at most @size. 0, also when there is no such file, or -errno. */
int spool_file_certain(const struct spool_place *place, const struct transfer_id *id, uint64_t size,
        uint64_t *ret);
