/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The spool: sealed files, the tasks of the worker slice by slice, and its thread */
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/crypto/random.h"
#include "daemon/spool-worker.h"
#include "lib/failing-memory.h"
#include "lib/test.h"
#include "os/fd.h"

#define CHUNK TRANSFER_CHUNK_SIZE
#define SIZE (5 * CHUNK + 777)

static char directory[] = "/tmp/p2pchat-spool-XXXXXX";
static const uint8_t key[KEY_SIZE] = "a secret of thirty-two bytes ...";
static const struct transfer_id id = { "0123456789abcdef" }, other = { "fedcba9876543210" };
static struct spool_place place;
static uint8_t content[SIZE];

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
        return remove(name);
}

static void clean(void)
{
        (void)nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        place.random = random_free(place.random);
        place.directory = fd_close(place.directory);
}

static int setup(void)
{
        bool locked;

        ASSERT_OK(crypto_init(&locked));
        ASSERT_NOT_NULL(mkdtemp(directory));
        (void)atexit(clean);
        place.directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ASSERT_GE(place.directory, 0);
        place.key = key;
        ASSERT_OK(random_new_seeded(7, &place.random));
        random_bytes(place.random, content, sizeof content);
        return 0;
}

static int open_raw(const struct transfer_id *which)
{
        char name[SPOOL_NAME_SIZE];
        int fd;

        spool_name(which, name);
        fd = openat(place.directory, name, O_RDWR | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static off_t raw_size(const struct transfer_id *which)
{
        _cleanup_(fd_closep)
        int fd = open_raw(which);
        struct stat st;

        if (fd < 0)
                return -1;
        ASSERT_OK(fstat(fd, &st));
        return st.st_size;
}

static void forget(const struct transfer_id *which)
{
        char name[SPOOL_NAME_SIZE];

        spool_name(which, name);
        (void)unlinkat(place.directory, name, 0);
}

static void flip(const struct transfer_id *which, off_t at)
{
        _cleanup_(fd_closep)
        int fd = open_raw(which);
        uint8_t byte;

        ASSERT_EQ(pread(fd, &byte, 1, at), 1);
        byte ^= 1;
        ASSERT_EQ(pwrite(fd, &byte, 1, at), 1);
}

/* The whole content, in a file of the spool. */
static void fill(const struct transfer_id *which)
{
        _cleanup_(spool_file_freep)
        struct spool_file *f = NULL;

        forget(which);
        ASSERT_OK(spool_file_create(&place, which, &f));
        ASSERT_OK(spool_file_write(f, 0, content, sizeof content));
        ASSERT_OK(spool_file_sync(f));
}

static int read_all(const struct spool_place *p, const struct transfer_id *which)
{
        static uint8_t data[SIZE];
        struct spool_file *f = NULL;
        int r = spool_file_open(p, which, &f);

        if (r >= 0)
                r = spool_file_read(f, 0, data, sizeof data);
        spool_file_free(f);
        if (r == 0)
                ASSERT_MEMEQ(data, content, sizeof data);
        return r;
}

/*
 * Files
 */
TEST(sealed_and_read_again_at_any_place)
{
        _cleanup_(spool_file_freep)
        struct spool_file *f = NULL;
        static uint8_t raw[2 * SIZE], data[SIZE];
        _cleanup_(fd_closep)
        int fd = -EBADF;
        struct stat st;
        ssize_t n;

        fill(&id);
        ASSERT_OK(read_all(&place, &id));
        ASSERT_EQ(raw_size(&id), SPOOL_HEAD_SIZE + SIZE + 6 * SPOOL_SEAL_SIZE);
        fd = open_raw(&id);
        ASSERT_OK(fstat(fd, &st));
        ASSERT_EQ(st.st_mode & 07777, 0600);
        n = pread(fd, raw, sizeof raw, 0);
        ASSERT_GT(n, 0);
        for (size_t at = 0; at + 16 < SIZE; at += 16)
                ASSERT_NULL(memmem(raw, (size_t)n, content + at, 16));

        ASSERT_OK(spool_file_open(&place, &id, &f));
        for (size_t at = 0; at < SIZE; at += 4999)
                for (size_t size = 0; at + size <= SIZE; size += 7001) {
                        ASSERT_OK(spool_file_read(f, at, data, size));
                        ASSERT_MEMEQ(data, content + at, size);
                }
        ASSERT_EQ(spool_file_read(f, SIZE - 10, data, 11), -EBADMSG);
        ASSERT_EQ(spool_file_read(f, (uint64_t)100 * CHUNK, data, 1), -EBADMSG);
        ASSERT_EQ(spool_file_write(f, 1, data, 1), -EINVAL);
}

TEST(every_nonce_and_every_file_is_another)
{
        static uint8_t a[2 * SIZE], b[2 * SIZE];
        _cleanup_(fd_closep)
        int fd = -EBADF;
        ssize_t n;

        fill(&id);
        fd = open_raw(&id);
        n = pread(fd, a, sizeof a, 0);
        fd = fd_close(fd);
        fill(&id);
        fd = open_raw(&id);
        ASSERT_EQ(pread(fd, b, sizeof b, 0), n);
        for (size_t at = 8; at + 32 <= (size_t)n; at += 32)
                ASSERT_NE(memcmp(a + at, b + at, 32), 0);
}

TEST(an_altered_byte_is_noticed_wherever_it_is)
{
        off_t size;

        fill(&id);
        size = raw_size(&id);
        for (off_t at = 0; at < size; at += at < 100 ? 1 : 1021) {
                flip(&id, at);
                ASSERT_EQ(read_all(&place, &id), -EBADMSG);
                flip(&id, at);
        }
        ASSERT_OK(read_all(&place, &id));
}

TEST(another_secret_another_file_and_another_place_do_not_open)
{
        static const uint8_t wrong[KEY_SIZE] = "another secret of thirty-two ...";
        struct spool_place p = place;
        static uint8_t block[SPOOL_BLOCK_SIZE];
        char from[SPOOL_NAME_SIZE], to[SPOOL_NAME_SIZE];
        _cleanup_(fd_closep)
        int fd = -EBADF;

        fill(&id);
        p.key = wrong;
        ASSERT_EQ(read_all(&p, &id), -EBADMSG);

        forget(&other);
        spool_name(&id, from);
        spool_name(&other, to);
        ASSERT_OK(linkat(place.directory, from, place.directory, to, 0));
        ASSERT_EQ(read_all(&place, &other), -EBADMSG);
        forget(&other);

        fd = open_raw(&id);
        ASSERT_EQ(pread(fd, block, sizeof block, SPOOL_HEAD_SIZE), (ssize_t)sizeof block);
        ASSERT_EQ(pwrite(fd, block, sizeof block, SPOOL_HEAD_SIZE + SPOOL_BLOCK_SIZE),
                (ssize_t)sizeof block);
        ASSERT_EQ(read_all(&place, &id), -EBADMSG);
}

static uint64_t certain(uint64_t size)
{
        uint64_t done = 99;

        ASSERT_OK(spool_file_certain(&place, &id, size, &done));
        return done;
}

TEST(what_is_certain_after_whatever_happened)
{
        _cleanup_(fd_closep)
        int fd = -EBADF;

        forget(&id);
        ASSERT_EQ(certain(SIZE), 0);
        fill(&id);
        ASSERT_EQ(certain(SIZE), SIZE);
        /* More is offered than is there: of its short block nothing can be used. */
        ASSERT_EQ(certain(10 * CHUNK), 5 * CHUNK);
        ASSERT_EQ(certain(2 * CHUNK), 2 * CHUNK);

        fd = open_raw(&id);
        /* A write that was torn. */
        ASSERT_OK(ftruncate(fd, raw_size(&id) - 1));
        ASSERT_EQ(certain(SIZE), 5 * CHUNK);
        ASSERT_OK(ftruncate(fd, SPOOL_HEAD_SIZE + 3 * SPOOL_BLOCK_SIZE + 20));
        ASSERT_EQ(certain(SIZE), 3 * CHUNK);
        /* Power that failed: as long as it should be, but empty. */
        ASSERT_OK(ftruncate(fd, SPOOL_HEAD_SIZE + 5 * SPOOL_BLOCK_SIZE));
        ASSERT_EQ(certain(SIZE), 3 * CHUNK);
        ASSERT_OK(ftruncate(fd, SPOOL_HEAD_SIZE));
        ASSERT_EQ(certain(SIZE), 0);
        ASSERT_OK(ftruncate(fd, 3));
        ASSERT_EQ(certain(SIZE), 0);
}

/*
 * Tasks, slice by slice
 */
static struct spool_worker *stepping(void)
{
        static uint8_t buffer[SPOOL_SLICE_SIZE];
        static struct spool_worker w;

        w.place = place;
        w.buffer = buffer;
        return &w;
}

static struct spool_job *job(enum spool_task task, uint64_t size, int fd)
{
        struct spool_job *j;

        ASSERT_OK(spool_job_new(task, &id, NULL, &j));
        j->size = size;
        j->fd = fd;
        return j;
}

static int finish(struct spool_job *j)
{
        while (!spool_task_slice(stepping(), j))
                ;
        return j->result;
}

static int chunk(uint64_t offset, size_t n)
{
        _cleanup_(spool_job_freep)
        struct spool_job *j = job(SPOOL_WRITE, SIZE, -EBADF);

        j->offset = offset;
        j->n = n;
        j->data = malloc(n);
        ASSERT_NOT_NULL(j->data);
        memcpy(j->data, content + offset, n);
        return finish(j);
}

static int memory_file(const void *data, size_t size)
{
        int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        ASSERT_GE(fd, 0);
        ASSERT_OK(fd_write_all(fd, data, size));
        return fd;
}

static void hash_of(const void *data, size_t size, uint8_t ret[static HASH_SIZE])
{
        hash(&(struct blob){ data, size }, 1, ret);
}

TEST(chunks_come_and_go_on_after_a_death)
{
        _cleanup_(fd_closep)
        int fd = -EBADF;

        forget(&id);
        ASSERT_EQ(chunk(CHUNK, CHUNK), -ENOENT); /* the beginning is missing */
        ASSERT_OK(chunk(0, CHUNK));
        ASSERT_OK(chunk(CHUNK, 2 * CHUNK));
        fd = open_raw(&id);
        ASSERT_OK(ftruncate(fd, raw_size(&id) - 5));
        ASSERT_EQ(certain(SIZE), 2 * CHUNK);
        ASSERT_OK(chunk(2 * CHUNK, 3 * CHUNK));
        ASSERT_OK(chunk(5 * CHUNK, SIZE - 5 * CHUNK));
        ASSERT_OK(read_all(&place, &id));
        /* Somebody died when the file was as good as made. */
        ASSERT_OK(ftruncate(fd, 3));
        ASSERT_OK(chunk(0, CHUNK));
        ASSERT_EQ(certain(CHUNK), CHUNK);
}

TEST(read_as_chunks)
{
        struct spool_job *j;

        fill(&id);
        j = job(SPOOL_READ, SIZE, -EBADF);
        j->offset = 100;
        j->n = CHUNK - 100;
        ASSERT_OK(finish(j));
        ASSERT_MEMEQ(j->data, content + 100, CHUNK - 100);
        spool_job_free(j);
        forget(&id);
        j = job(SPOOL_READ, SIZE, -EBADF);
        j->n = CHUNK;
        ASSERT_EQ(finish(j), -ENOENT);
        spool_job_free(j);
}

TEST(copied_and_hashed)
{
        static const size_t sizes[] = { 0, 1, CHUNK, SPOOL_SLICE_SIZE, SPOOL_SLICE_SIZE + 1, SIZE };
        uint8_t wanted[HASH_SIZE];

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                struct spool_job *j;

                forget(&id);
                j = job(SPOOL_COPY, sizes[i], memory_file(content, sizes[i]));
                ASSERT_OK(finish(j));
                ASSERT_EQ(j->done, sizes[i]);
                hash_of(content, sizes[i], wanted);
                ASSERT_MEMEQ(j->hash, wanted, HASH_SIZE);
                spool_job_free(j);
                j = job(SPOOL_HASH, sizes[i], -EBADF);
                ASSERT_OK(finish(j));
                ASSERT_MEMEQ(j->hash, wanted, HASH_SIZE);
                spool_job_free(j);
        }
        ASSERT_OK(read_all(&place, &id));
}

static void change_by_size(int fd, off_t size)
{
        ASSERT_OK(ftruncate(fd, size));
}

/* Another second, whatever the clock of the file system is. */
static void change_in_place(int fd, off_t unused)
{
        static const struct timespec times[] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = 5 } };

        ASSERT_OK(futimens(fd, times));
}

TEST(a_file_that_changes_while_it_is_copied)
{
        static const struct {
                void (*change)(int fd, off_t size);
                off_t size;
                int slices;
        } cases[] = {
                { change_by_size, 10, 0 },       /* shrinks before anything was read */
                { change_by_size, 10, 1 },       /* before its first piece was */
                { change_by_size, CHUNK, 2 },    /* behind what was */
                { change_by_size, SIZE + 1, 0 }, /* grows */
                { change_by_size, SIZE + 1, 2 },
                { change_in_place, 0, 2 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct spool_job *j = job(SPOOL_COPY, SIZE, memory_file(content, SIZE));

                forget(&id);
                for (int k = 0; k < cases[i].slices; k++)
                        ASSERT_FALSE(spool_task_slice(stepping(), j));
                cases[i].change(j->fd, cases[i].size);
                ASSERT_EQ(finish(j), SPOOL_CHANGED);
                ASSERT_EQ(raw_size(&id), -1); /* nothing is left */
                spool_job_free(j);
        }
}

TEST(a_copy_that_is_cancelled_or_cannot_be_read)
{
        struct spool_job *j = job(SPOOL_COPY, SIZE, memory_file(content, SIZE));

        forget(&id);
        ASSERT_FALSE(spool_task_slice(stepping(), j));
        ASSERT_FALSE(spool_task_slice(stepping(), j));
        spool_job_cancel(j);
        ASSERT_EQ(finish(j), -ECANCELED);
        ASSERT_EQ(raw_size(&id), -1);
        spool_job_free(j);

        j = job(SPOOL_COPY, 1, open(directory, O_RDONLY | O_CLOEXEC));
        j->size = (uint64_t)({
                struct stat st;
                ASSERT_OK(fstat(j->fd, &st));
                st.st_size;
        });
        ASSERT_EQ(finish(j), SPOOL_OUTSIDE);
        ASSERT_EQ(j->error, -EISDIR);
        ASSERT_EQ(raw_size(&id), -1);
        spool_job_free(j);
}

TEST(handed_over_in_the_stead_of_what_was_there)
{
        static uint8_t longer[2 * SIZE], data[2 * SIZE];
        struct spool_job *j;

        fill(&id);
        j = job(SPOOL_HAND_OVER, SIZE, memory_file(longer, sizeof longer));
        ASSERT_OK(finish(j));
        ASSERT_EQ(pread(j->fd, data, sizeof data, 0), SIZE);
        ASSERT_MEMEQ(data, content, SIZE);
        spool_job_free(j);

        j = job(SPOOL_HAND_OVER, SIZE, open("/dev/full", O_RDWR | O_CLOEXEC));
        ASSERT_EQ(finish(j), SPOOL_OUTSIDE);
        spool_job_free(j);

        flip(&id, SPOOL_HEAD_SIZE + 100);
        j = job(SPOOL_HAND_OVER, SIZE, memory_file(longer, 1));
        ASSERT_EQ(finish(j), -EBADMSG);
        spool_job_free(j);

        /* Of an empty file nothing is in the spool. */
        forget(&id);
        j = job(SPOOL_HAND_OVER, 0, memory_file(longer, sizeof longer));
        ASSERT_OK(finish(j));
        ASSERT_EQ(pread(j->fd, data, sizeof data, 0), 0);
        spool_job_free(j);
}

static void put(const char *name, const char *wanted)
{
        struct spool_job *j = job(SPOOL_PUT, SIZE, -EBADF);
        char target[] = "/tmp/p2pchat-put-XXXXXX";
        static uint8_t data[2 * SIZE];
        _cleanup_(fd_closep)
        int at = -EBADF;
        _cleanup_(fd_closep)
        int fd = -EBADF;

        ASSERT_NOT_NULL(mkdtemp(target));
        at = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ASSERT_OK(symlinkat("/dev/null", at, "there")); /* dangling or not, it is taken */
        j->directory = strdup(target);
        (void)snprintf(j->name, sizeof j->name, "%s", name);
        ASSERT_OK(finish(j));
        ASSERT_STREQ(j->name, wanted);
        fd = openat(at, wanted, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        ASSERT_EQ(pread(fd, data, sizeof data, 0), SIZE);
        ASSERT_MEMEQ(data, content, SIZE);
        ASSERT_OK(unlinkat(at, wanted, 0));
        ASSERT_OK(unlinkat(at, "there", 0));
        ASSERT_OK(rmdir(target)); /* and nothing else is in it */
        spool_job_free(j);
}

TEST(put_into_a_directory_under_a_harmless_name)
{
        struct spool_job *j = job(SPOOL_PUT, SIZE, -EBADF);

        fill(&id);
        put("report.txt", "report.txt");
        put("there", "there (2)");
        put(".profile", "_profile");
        put("-rf", "_rf");
        put("--..x", "____x");
        j->directory = strdup("/nowhere/at/all");
        ASSERT_EQ(finish(j), SPOOL_OUTSIDE);
        ASSERT_EQ(j->error, -ENOENT);
        spool_job_free(j);
}

TEST(discarded)
{
        struct spool_job *j;

        fill(&id);
        for (int i = 0; i < 2; i++) { /* once more does no harm */
                j = job(SPOOL_DISCARD, 0, -EBADF);
                ASSERT_OK(finish(j));
                ASSERT_EQ(raw_size(&id), -1);
                spool_job_free(j);
        }
}

/* Whatever fails, the task says so, nothing is left behind, and the next try succeeds. */
static int all_tasks(void)
{
        static const enum spool_task tasks[] = { SPOOL_COPY, SPOOL_READ, SPOOL_HASH,
                SPOOL_HAND_OVER, SPOOL_WRITE };
        int r = 0;

        for (size_t i = 0; r == 0 && i < ELEMENTSOF(tasks); i++) {
                struct spool_job *j;
                bool has_fd = tasks[i] == SPOOL_COPY || tasks[i] == SPOOL_HAND_OVER;

                r = spool_job_new(tasks[i], &id, NULL, &j);
                if (r < 0)
                        return r;
                is_spared = true; /* what the test itself needs */
                j->fd = has_fd ? memory_file(content, SIZE) : -EBADF;
                j->data = tasks[i] == SPOOL_WRITE ? calloc(1, CHUNK) : NULL;
                is_spared = false;
                j->size = SIZE;
                j->n = CHUNK;
                r = finish(j);
                if (r < 0 && tasks[i] == SPOOL_COPY)
                        ASSERT_EQ(raw_size(&id), -1);
                spool_job_free(j);
        }
        return r;
}

TEST(each_allocation_fails_once)
{
        size_t n;

        for (n = 1;; n++) {
                int r;

                forget(&id);
                n_allocations = 0;
                fail_at = n;
                r = all_tasks();
                fail_at = SIZE_MAX;
                if (r == 0)
                        break;
                ASSERT_EQ(r, -ENOMEM);
        }
        ASSERT_GT(n, 12);
        forget(&id);
        ASSERT_OK(all_tasks());
}

/*
 * The thread
 */
static size_t n_answers, n_cancelled;
static struct spool_job *big;

static void on_answer(struct spool_job *j)
{
        n_answers++;
        n_cancelled += j->result == -ECANCELED;
        if (j->result != -ECANCELED)
                ASSERT_OK(j->result);
}

/* A chunk is answered while the large file is still being copied. */
static void on_chunk(struct spool_job *j)
{
        on_answer(j);
        ASSERT_LT(big->done, big->size);
}

static void wait_answers(struct spool_worker *w, size_t n)
{
        while (n_answers < n) {
                struct pollfd p = { .fd = w->event, .events = POLLIN };

                ASSERT_EQ(poll(&p, 1, 60000), 1);
                spool_worker_dispatch(w);
        }
}

static struct spool_job *answered(
        enum spool_task task, const struct transfer_id *which, void (*answer)(struct spool_job *))
{
        struct spool_job *j;

        ASSERT_OK(spool_job_new(task, which, answer, &j));
        return j;
}

TEST(chunks_do_not_wait_for_a_copy)
{
        struct spool_worker w;
        int fd = memory_file("", 0);

        forget(&id);
        fill(&other);
        ASSERT_OK(spool_worker_init(&w, &place));
        n_answers = n_cancelled = 0;
        ASSERT_OK(ftruncate(fd, 256 << 20));
        big = answered(SPOOL_COPY, &id, on_answer);
        big->size = 256 << 20;
        big->fd = fd;
        ASSERT_OK(spool_worker_submit(&w, big));
        for (int i = 0; i < 50; i++) {
                struct spool_job *j = answered(SPOOL_READ, &other, on_chunk);

                j->n = CHUNK;
                ASSERT_OK(spool_worker_submit(&w, j));
        }
        wait_answers(&w, 50);
        ASSERT_EQ(n_cancelled, 0);
        ASSERT_OK(spool_worker_submit(&w, answered(SPOOL_DISCARD, &id, on_answer)));
        wait_answers(&w, 52);
        ASSERT_EQ(n_cancelled, 1);
        ASSERT_EQ(w.n_jobs, 0);
        ASSERT_EQ(raw_size(&id), -1);
        spool_worker_done(&w);
}

TEST(ended_with_work_to_do)
{
        struct spool_worker w;

        fill(&other);
        n_answers = 0;
        ASSERT_OK(spool_worker_init(&w, &place));
        for (int i = 0; i < 500; i++) {
                struct spool_job *j = answered(SPOOL_HASH, &other, on_answer);

                j->size = SIZE;
                ASSERT_OK(spool_worker_submit(&w, j));
        }
        spool_worker_done(&w);
        ASSERT_EQ(n_answers, 0);
}

TEST_MAIN_WITH(setup)
