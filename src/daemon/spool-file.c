/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file of the spool: sealed, and read and written at any block */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/encode.h"
#include "core/crypto/random.h"
#include "daemon/spool-file.h"
#include "os/fd.h"

#define MAGIC "p2pspool"
#define PLACE_SIZE (TRANSFER_ID_SIZE + 8)
/* What may be under way when the power fails: a write, and what the file system wrote before. */
#define UNCERTAIN_BLOCKS (2 * TRANSFER_WINDOW / TRANSFER_CHUNK_SIZE)

struct spool_file {
        int fd;
        struct transfer_id id;
        struct random *random;
        struct aead *aead;
        uint8_t plain[TRANSFER_CHUNK_SIZE];
        uint8_t sealed[SPOOL_BLOCK_SIZE];
};

void spool_name(const struct transfer_id *id, char ret[static SPOOL_NAME_SIZE])
{
        hex_encode(id->bytes, sizeof id->bytes, ret);
}

struct spool_file *spool_file_free(struct spool_file *f)
{
        if (!f)
                return NULL;
        fd_close(f->fd);
        aead_free(f->aead);
        wipe(f->plain, sizeof f->plain);
        free(f);
        return NULL;
}

/*
 * Whole reads and writes at a place
 */
static int write_at(int fd, uint64_t offset, const uint8_t *data, size_t size)
{
        while (size > 0) {
                ssize_t n = pwrite(fd, data, size, (off_t)offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                data += n;
                offset += (uint64_t)n;
                size -= (size_t)n;
        }
        return 0;
}

/* -EBADMSG: the file ends before. */
static int read_at(int fd, uint64_t offset, uint8_t *ret, size_t size)
{
        while (size > 0) {
                ssize_t n = pread(fd, ret, size, (off_t)offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EBADMSG;
                ret += n;
                offset += (uint64_t)n;
                size -= (size_t)n;
        }
        return 0;
}

/*
 * Opening
 */
static int new_file(
        const struct spool_place *place, const struct transfer_id *id, struct spool_file **ret)
{
        _cleanup_(spool_file_freep)
        struct spool_file *f = calloc(1, sizeof *f);
        int r;

        if (!f)
                return -ENOMEM;
        f->fd = -EBADF;
        f->id = *id;
        f->random = place->random;
        r = aead_new(&f->aead);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(f);
        return 0;
}

static void use_salt(
        struct spool_file *f, const struct spool_place *place, const uint8_t salt[SPOOL_SALT_SIZE])
{
        uint8_t key[KEY_SIZE];

        hkdf(salt, SPOOL_SALT_SIZE, place->key, KEY_SIZE, "p2pchat/1 spool file", key, sizeof key);
        aead_set_key(f->aead, key);
        wipe(key, sizeof key);
}

int spool_file_create(
        const struct spool_place *place, const struct transfer_id *id, struct spool_file **ret)
{
        _cleanup_(spool_file_freep)
        struct spool_file *f = NULL;
        uint8_t head[SPOOL_HEAD_SIZE];
        char name[SPOOL_NAME_SIZE];
        int r;

        r = new_file(place, id, &f);
        if (r < 0)
                return r;
        spool_name(id, name);
        f->fd = openat(
                place->directory, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (f->fd < 0)
                return -errno;
        memcpy(head, MAGIC, 8);
        random_bytes(f->random, head + 8, SPOOL_SALT_SIZE);
        r = write_at(f->fd, 0, head, sizeof head);
        if (r == 0 && (fsync(f->fd) < 0 || fsync(place->directory) < 0))
                r = -errno;
        if (r < 0) {
                (void)unlinkat(place->directory, name, 0);
                return r;
        }
        use_salt(f, place, head + 8);
        *ret = TAKE_PTR(f);
        return 0;
}

int spool_file_open(
        const struct spool_place *place, const struct transfer_id *id, struct spool_file **ret)
{
        _cleanup_(spool_file_freep)
        struct spool_file *f = NULL;
        uint8_t head[SPOOL_HEAD_SIZE];
        char name[SPOOL_NAME_SIZE];
        int r;

        r = new_file(place, id, &f);
        if (r < 0)
                return r;
        spool_name(id, name);
        f->fd = openat(place->directory, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (f->fd < 0)
                return -errno;
        r = read_at(f->fd, 0, head, sizeof head);
        if (r < 0)
                return r;
        if (memcmp(head, MAGIC, 8) != 0)
                return -EBADMSG;
        use_salt(f, place, head + 8);
        *ret = TAKE_PTR(f);
        return 0;
}

/*
 * Blocks
 */
static void encode_place(const struct spool_file *f, uint64_t block, uint8_t ret[PLACE_SIZE])
{
        struct writer w = writer_make(ret, PLACE_SIZE);

        writer_bytes(&w, f->id.bytes, TRANSFER_ID_SIZE);
        writer_u64(&w, block);
}

static uint64_t block_offset(uint64_t block)
{
        return SPOOL_HEAD_SIZE + block * SPOOL_BLOCK_SIZE;
}

static int write_block(struct spool_file *f, uint64_t block, const void *data, size_t size)
{
        uint8_t place[PLACE_SIZE];

        encode_place(f, block, place);
        random_bytes(f->random, f->sealed, NONCE_SIZE);
        aead_seal(f->aead, f->sealed, place, sizeof place, data, size, f->sealed + NONCE_SIZE);
        return write_at(f->fd, block_offset(block), f->sealed, size + SPOOL_SEAL_SIZE);
}

/* Into f->plain, of which there are *ret_size bytes then. */
static int read_block(struct spool_file *f, uint64_t block, size_t *ret_size)
{
        uint8_t place[PLACE_SIZE];
        size_t size = 0;
        ssize_t n;

        do {
                n = pread(f->fd, f->sealed + size, sizeof f->sealed - size,
                        (off_t)(block_offset(block) + size));
                if (n < 0 && errno != EINTR)
                        return -errno;
                size += (size_t)MAX(n, 0);
        } while (n != 0 && size < sizeof f->sealed);
        if (size < SPOOL_SEAL_SIZE)
                return -EBADMSG;
        encode_place(f, block, place);
        if (!aead_open(f->aead, f->sealed, place, sizeof place, f->sealed + NONCE_SIZE,
                    size - NONCE_SIZE, f->plain))
                return -EBADMSG;
        *ret_size = size - SPOOL_SEAL_SIZE;
        return 0;
}

int spool_file_write(struct spool_file *f, uint64_t offset, const void *data, size_t size)
{
        const uint8_t *p = data;
        int r = 0;

        if (offset % TRANSFER_CHUNK_SIZE != 0)
                return -EINVAL;
        while (r == 0 && size > 0) {
                size_t n = MIN(size, (size_t)TRANSFER_CHUNK_SIZE);

                r = write_block(f, offset / TRANSFER_CHUNK_SIZE, p, n);
                p += n;
                offset += n;
                size -= n;
        }
        return r;
}

int spool_file_read(struct spool_file *f, uint64_t offset, void *ret, size_t size)
{
        uint8_t *p = ret;

        while (size > 0) {
                size_t skip = offset % TRANSFER_CHUNK_SIZE, there = 0, n;
                int r = read_block(f, offset / TRANSFER_CHUNK_SIZE, &there);

                if (r < 0)
                        return r;
                if (there <= skip)
                        return -EBADMSG;
                n = MIN(size, there - skip);
                memcpy(p, f->plain + skip, n);
                p += n;
                offset += n;
                size -= n;
        }
        return 0;
}

int spool_file_sync(struct spool_file *f)
{
        return fdatasync(f->fd) < 0 ? -errno : 0;
}

/*
 * What was left behind
 */
/* Blocks that are there as the file is long, of which only the last may be short. */
static int count_blocks(const struct spool_file *f, uint64_t *ret)
{
        struct stat st;
        uint64_t size;

        if (fstat(f->fd, &st) < 0)
                return -errno;
        size = (uint64_t)st.st_size - SPOOL_HEAD_SIZE;
        *ret = size / SPOOL_BLOCK_SIZE + (size % SPOOL_BLOCK_SIZE != 0);
        return 0;
}

/* Every write was brought to the disk before the next one began; so what is not right is near the
 * end, and all before it is. */
static int look(struct spool_file *f, uint64_t size, uint64_t *ret)
{
        uint64_t n_blocks = 0, first, done;
        int r;

        r = count_blocks(f, &n_blocks);
        if (r < 0)
                return r;
        n_blocks = MIN(n_blocks, (size + TRANSFER_CHUNK_SIZE - 1) / TRANSFER_CHUNK_SIZE);
        first = n_blocks > UNCERTAIN_BLOCKS ? n_blocks - UNCERTAIN_BLOCKS : 0;
        done = first * TRANSFER_CHUNK_SIZE;
        for (uint64_t i = first; i < n_blocks; i++) {
                uint64_t wanted = MIN(size - done, (uint64_t)TRANSFER_CHUNK_SIZE);
                size_t there = 0;

                r = read_block(f, i, &there);
                if (r < 0 && r != -EBADMSG)
                        return r;
                if (r < 0 || there != wanted)
                        break;
                done += there;
        }
        *ret = done;
        return 0;
}

int spool_file_certain(
        const struct spool_place *place, const struct transfer_id *id, uint64_t size, uint64_t *ret)
{
        _cleanup_(spool_file_freep)
        struct spool_file *f = NULL;
        int r;

        r = spool_file_open(place, id, &f);
        if (r == -ENOENT || r == -EBADMSG) {
                *ret = 0;
                return 0;
        }
        /* What is read after a kill may still be in memory only. */
        if (r >= 0)
                r = spool_file_sync(f);
        return r < 0 ? r : look(f, size, ret);
}
