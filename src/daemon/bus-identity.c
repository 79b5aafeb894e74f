/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * org.example.P2PChat.Identity: another identity, or the whole house in an archive
 *
 * One job at a time, as a chore. It begins when the broker has told who asks, for the policy of a
 * bus of one's own may let anybody call. A pipe is written and read only as far as it does not
 * block, and waited for in between.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/names.h"
#include "core/crypto/crypto.h"
#include "daemon/archive.h"
#include "daemon/bus-private.h"
#include "daemon/staging.h"
#include "os/fd.h"
#include "os/log.h"

/* A pipe that says it is ready takes as much without blocking, and no more. */
#define PIPE_WRITE_SIZE 4096
#define WRITES_PER_SLICE 64

enum job_kind {
        JOB_NEW,
        JOB_EXPORT,
        JOB_IMPORT,
};

struct identity_job {
        enum job_kind kind;
        struct bus *bus;
        struct caller *caller;
        sd_bus_message *call;
        sd_bus_error error; /* what the caller is told, once it is set */
        struct chore chore;
        int fd; /* of the call, which holds it */
        bool is_pipe;
        sd_event_source *io; /* of a pipe */

        /* Export */
        char *copy_path;
        struct store_copy *copy; /* while it is made */
        int copy_fd;
        struct archive_writer *writer;
        const uint8_t *piece;
        size_t piece_size;

        /* Import */
        char *staging;
        struct archive_reader *reader;
};

static struct identity_job *job_free(struct identity_job *j)
{
        if (!j)
                return NULL;
        j->bus->identity_job = NULL;
        chore_done(&j->chore);
        sd_event_source_disable_unref(j->io);
        store_copy_free(j->copy);
        archive_writer_free(j->writer);
        fd_close(j->copy_fd);
        if (j->copy_path)
                (void)unlink(j->copy_path);
        archive_reader_free(j->reader);
        if (j->staging)
                staging_abort(j->bus->manager->memory.state);
        sd_bus_message_unref(j->call);
        sd_bus_error_free(&j->error);
        free(j->copy_path);
        free(j->staging);
        free(j);
        return NULL;
}

void bus_identity_forget(struct bus *b, const struct caller *c)
{
        if (b->identity_job && b->identity_job->caller == c)
                job_free(b->identity_job);
}

bool bus_identity_is_asked_by(const struct caller *c)
{
        return c->bus->identity_job && c->bus->identity_job->caller == c;
}

void bus_identity_wake(struct bus *b)
{
        if (b->identity_job)
                chore_wake(&b->identity_job->chore);
}

/*
 * What a slice comes to: something negative ends the job, and j->error says why unless it is plain
 */
enum slice {
        SLICE_DONE,
        SLICE_AGAIN,
        SLICE_WAIT, /* for the pipe, or for the broker */
};

static int fail_with_errno(struct identity_job *j, int error, const char *what)
{
        if (error == -ENOSPC || error == -EDQUOT)
                return bus_set_error(&j->error, BUS_STORAGE_FULL,
                        "Failed to %s: the disk is full. Make room and try again.", what);
        return bus_set_error(&j->error, BUS_OTHER, "Failed to %s: %s.", what, strerror(-error));
}

static int load_secret(struct identity_job *j, uint8_t **ret)
{
        struct memory *m = &j->bus->manager->memory;
        int r = secret_load(m->state, m->database, m->random, ret);

        return r == 0 ? 0 : fail_with_errno(j, r < 0 ? r : -EIO, "read the secret of this machine");
}

/*
 * New
 */
static int make_new(struct identity_job *j)
{
        struct manager *m = j->bus->manager;
        char id[ID_STRING_SIZE];
        uint8_t *secret;
        int r;

        r = load_secret(j, &secret);
        if (r < 0)
                return r;
        r = secret_new_identity(m->memory.state, secret, m->memory.random, id);
        secret_free(secret);
        if (r < 0)
                return fail_with_errno(j, r, "write the new identity");
        log_notice("This machine has a new identity, %s.", id);
        (void)sd_bus_reply_method_return(j->call, "s", id);
        manager_restart(m);
        return SLICE_DONE;
}

/*
 * Export
 */
static int start_export(struct identity_job *j)
{
        struct memory *m = &j->bus->manager->memory;
        int64_t space = memory_space(m);
        struct stat st;
        int r;

        if (stat(m->database, &st) < 0)
                return fail_with_errno(j, -errno, "look at the database");
        if (space >= 0 && space < st.st_size + MEMORY_SPACE_MIN)
                return bus_set_error(&j->error, BUS_STORAGE_FULL,
                        "A copy of the database is made first, and there is no room for its %jd "
                        "bytes: make room in %s.",
                        (intmax_t)st.st_size, m->state);
        if (asprintf(&j->copy_path, "%s/export.db", m->state) < 0) {
                j->copy_path = NULL;
                return -ENOMEM;
        }
        (void)unlink(j->copy_path);
        r = store_copy_new(m->store, j->copy_path, &j->copy);
        return r < 0 ? fail_with_errno(j, r, "copy the database") : SLICE_AGAIN;
}

static int open_archive(struct identity_job *j)
{
        struct memory *m = &j->bus->manager->memory;
        uint8_t identity[SECRET_IDENTITY_SIZE], *secret;
        struct stat st;
        int r;

        j->copy = store_copy_free(j->copy);
        j->copy_fd = open(j->copy_path, O_RDONLY | O_CLOEXEC);
        if (j->copy_fd < 0 || fstat(j->copy_fd, &st) < 0)
                return fail_with_errno(j, -errno, "open the copy of the database");
        (void)unlink(j->copy_path); /* it goes with the descriptor */
        r = secret_read_identity(m->state, identity);
        if (r != 0)
                return fail_with_errno(j, r < 0 ? r : -EIO, "read the identity of this machine");
        r = load_secret(j, &secret);
        if (r < 0)
                return r;
        r = archive_writer_new(secret, identity, j->copy_fd, (uint64_t)st.st_size, &j->writer);
        secret_free(secret);
        return r < 0 ? r : SLICE_AGAIN;
}

/* Is the pipe ready? It blocks for others as they like, so its flags are not ours to change. */
static bool is_ready(const struct identity_job *j, short event)
{
        struct pollfd p = { .fd = j->fd, .events = event };

        return !j->is_pipe || poll(&p, 1, 0) != 0;
}

static int write_archive(struct identity_job *j)
{
        for (int i = 0; i < WRITES_PER_SLICE; i++) {
                ssize_t n;

                if (j->piece_size == 0) {
                        int r = archive_writer_next(j->writer, &j->piece, &j->piece_size);

                        if (r < 0)
                                return fail_with_errno(j, r, "read the copy of the database");
                        if (j->piece_size == 0) {
                                (void)sd_bus_reply_method_return(j->call, NULL);
                                return SLICE_DONE;
                        }
                }
                if (!is_ready(j, POLLOUT))
                        return SLICE_WAIT;
                n = write(j->fd, j->piece,
                        j->is_pipe ? MIN(j->piece_size, (size_t)PIPE_WRITE_SIZE) : j->piece_size);
                if (n < 0 && errno != EINTR && errno != EAGAIN)
                        return fail_with_errno(j, -errno, "write the archive");
                j->piece += MAX(n, 0);
                j->piece_size -= (size_t)MAX(n, 0);
        }
        return SLICE_AGAIN;
}

static int export_slice(struct identity_job *j)
{
        int r;

        if (j->writer)
                return write_archive(j);
        if (!j->copy)
                return start_export(j);
        r = store_copy_step(j->copy);
        if (r < 0)
                return fail_with_errno(j, r, "copy the database");
        return r > 0 ? SLICE_AGAIN : open_archive(j);
}

/*
 * Import
 */
static int start_import(struct identity_job *j)
{
        int r;

        r = staging_begin(j->bus->manager->memory.state, &j->staging);
        if (r < 0)
                return fail_with_errno(j, r, "make room for the archive");
        r = archive_reader_new(j->staging, &j->reader);
        return r < 0 ? r : SLICE_AGAIN;
}

static int refuse_archive(struct identity_job *j, int outcome)
{
        switch ((enum archive_outcome)outcome) {
        case ARCHIVE_NOT_ONE:
                return bus_set_error(&j->error, BUS_INVALID_ARGS,
                        "This is no archive of p2pchat: give a file that \"p2pchat identity "
                        "export\" wrote. Nothing was changed.");
        case ARCHIVE_NEWER:
                return bus_set_error(&j->error, BUS_INVALID_ARGS,
                        "A newer version of p2pchat wrote this archive: install that version "
                        "first. Nothing was changed.");
        case ARCHIVE_DAMAGED:
                break;
        }
        return bus_set_error(&j->error, BUS_INVALID_ARGS,
                "The archive is cut off or damaged: take another copy of it. Nothing was changed.");
}

static int refuse_staging(struct identity_job *j, int outcome)
{
        switch ((enum staging_outcome)outcome) {
        case STAGING_OTHER_SECRET:
                return bus_set_error(&j->error, BUS_INVALID_ARGS,
                        "This machine is given the credential p2pchat.secret, which is not the "
                        "secret of the archive: take the credential away first. Nothing was "
                        "changed.");
        case STAGING_NEWER:
                return refuse_archive(j, ARCHIVE_NEWER);
        case STAGING_DAMAGED:
                break;
        }
        return refuse_archive(j, ARCHIVE_DAMAGED);
}

static int finish_import(struct identity_job *j)
{
        struct manager *m = j->bus->manager;
        int r;

        r = archive_reader_finish(j->reader);
        if (r != 0)
                return r < 0 ? fail_with_errno(j, r, "write the files of the archive")
                             : refuse_archive(j, r);
        r = staging_check(j->staging, m->memory.random);
        if (r != 0)
                return r < 0 ? fail_with_errno(j, r, "read the files of the archive")
                             : refuse_staging(j, r);
        r = staging_commit(m->memory.state);
        if (r < 0)
                return fail_with_errno(j, r, "keep the files of the archive");
        log_notice("An archive is to take the place of this machine's identity and messages.");
        (void)sd_bus_reply_method_return(j->call, NULL);
        manager_restart(m);
        return SLICE_DONE;
}

static int import_slice(struct identity_job *j)
{
        uint8_t data[ARCHIVE_PIECE_SIZE];
        ssize_t n;
        int r;

        if (!j->reader)
                return start_import(j);
        if (!is_ready(j, POLLIN))
                return SLICE_WAIT;
        r = bus_check_space(j->bus->manager, &j->error);
        if (r < 0)
                return r;
        n = read(j->fd, data, sizeof data);
        if (n < 0)
                return errno == EINTR || errno == EAGAIN
                               ? SLICE_AGAIN
                               : fail_with_errno(j, -errno, "read the archive");
        if (n == 0)
                return finish_import(j);
        r = archive_reader_take(j->reader, data, (size_t)n);
        wipe(data, (size_t)n);
        if (r != 0)
                return r < 0 ? fail_with_errno(j, r, "write the files of the archive")
                             : refuse_archive(j, r);
        return SLICE_AGAIN;
}

/*
 * Jobs
 */
/* On the system bus the policy lets root in alone, and this sees to it once more; a daemon on a bus
 * of its own obeys whoever runs it, too. */
static bool is_allowed(const struct identity_job *j)
{
        uid_t uid = j->caller->uid;

        return uid == 0 || (uid == geteuid() && !streq(j->bus->manager->settings->bus, "system"));
}

static int job_slice(struct identity_job *j)
{
        if (!j->caller->is_known)
                return SLICE_WAIT;
        if (!is_allowed(j))
                return bus_set_error(
                        &j->error, BUS_ACCESS_DENIED, "Only root may do that: use sudo.");
        switch (j->kind) {
        case JOB_NEW:
                return make_new(j);
        case JOB_EXPORT:
                return export_slice(j);
        case JOB_IMPORT:
                return import_slice(j);
        }
        return -EINVAL;
}

/* The job, and the chore in it, are gone when it returns false; unless it waits. */
static bool on_slice(void *userdata)
{
        struct identity_job *j = userdata;
        int r = job_slice(j);

        if (r == SLICE_AGAIN)
                return true;
        if (r == SLICE_WAIT) {
                if (j->io && j->caller->is_known)
                        (void)sd_event_source_set_enabled(j->io, SD_EVENT_ONESHOT);
                return false;
        }
        if (r < 0)
                (void)sd_bus_reply_method_errno(j->call, r, &j->error);
        job_free(j);
        return false;
}

static int on_pipe(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
        struct identity_job *j = userdata;

        chore_wake(&j->chore);
        return 0;
}

/* 1, or an error. */
static int take_descriptor(struct identity_job *j, sd_bus_error *error)
{
        int wrong = j->kind == JOB_EXPORT ? O_RDONLY : O_WRONLY, flags, r;
        struct stat st;

        r = sd_bus_message_read(j->call, "h", &j->fd);
        if (r < 0)
                return r;
        flags = fcntl(j->fd, F_GETFL);
        if (flags < 0 || fstat(j->fd, &st) < 0)
                return -errno;
        j->is_pipe = S_ISFIFO(st.st_mode);
        if ((flags & O_ACCMODE) == wrong || (flags & O_PATH) ||
                !(S_ISREG(st.st_mode) || j->is_pipe))
                return bus_set_error(error, BUS_INVALID_ARGS,
                        "Wanted is the descriptor of a file or a pipe that is open for %s.",
                        j->kind == JOB_EXPORT ? "writing" : "reading");
        if (!j->is_pipe)
                return 1;
        r = sd_event_add_io(j->bus->manager->event, &j->io, j->fd,
                j->kind == JOB_EXPORT ? EPOLLOUT : EPOLLIN, on_pipe, j);
        return r < 0 ? r : sd_event_source_set_enabled(j->io, SD_EVENT_OFF);
}

static int job_new(struct bus *b, sd_bus_message *call, enum job_kind kind, sd_bus_error *error)
{
        struct identity_job *j;
        int r;

        if (b->identity_job)
                return bus_set_error(error, BUS_LIMIT,
                        "Somebody else is at the identity just now: try again when that is done.");
        j = calloc(1, sizeof *j);
        if (!j)
                return -ENOMEM;
        *j = (struct identity_job){ .kind = kind, .bus = b, .fd = -EBADF, .copy_fd = -EBADF };
        b->identity_job = j;
        j->call = sd_bus_message_ref(call);
        r = bus_get_caller(b, call, &j->caller);
        if (r >= 0)
                r = chore_start(&j->chore, b->manager, on_slice, j);
        if (r >= 0 && kind != JOB_NEW)
                r = take_descriptor(j, error);
        if (r < 0) {
                job_free(j);
                return r;
        }
        chore_wake(&j->chore);
        bus_ask_caller(j->caller);
        return 1;
}

static int new_identity(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        return job_new(userdata, call, JOB_NEW, error);
}

static int export_identity(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        return job_new(userdata, call, JOB_EXPORT, error);
}

static int import_identity(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        return job_new(userdata, call, JOB_IMPORT, error);
}

/* clang-format off */
const sd_bus_vtable bus_identity_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("New",
                SD_BUS_NO_ARGS,
                SD_BUS_RESULT("s", id),
                new_identity, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Export",
                SD_BUS_ARGS("h", archive),
                SD_BUS_NO_RESULT,
                export_identity, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Import",
                SD_BUS_ARGS("h", archive),
                SD_BUS_NO_RESULT,
                import_identity, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
/* clang-format on */
