/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files under way: the directory, the effects and their answers */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "core/crypto/random.h"
#include "daemon/manager.h"
#include "os/fd.h"
#include "os/log.h"

/*
 * Answers
 */
static bool is_full(int error)
{
        return error == -ENOSPC || error == -EDQUOT;
}

/* What was not done because nobody needs it any more is no failure; without memory we end. */
static void failed(struct spool_job *j)
{
        struct manager *m = j->userdata;

        if (j->result == -ECANCELED)
                return;
        if (j->result == -ENOMEM) {
                (void)manager_take(m, -ENOMEM);
                return;
        }
        log_warning_errno(j->result, "A file of the spool could not be %s: %m",
                j->task == SPOOL_WRITE ? "written" : "read");
        (void)manager_take(m, node_spool_failed(m->node, &j->ref,
                                      is_full(j->result) ? TRANSFER_NO_SPACE : TRANSFER_UNREADABLE,
                                      manager_now(m)));
}

static void on_written(struct spool_job *j)
{
        struct manager *m = j->userdata;

        if (j->result < 0)
                failed(j);
        else
                (void)manager_take(
                        m, node_spool_written(m->node, &j->ref, j->offset + j->n, manager_now(m)));
}

static void on_read(struct spool_job *j)
{
        struct manager *m = j->userdata;

        if (j->result < 0)
                failed(j);
        else
                (void)manager_take(
                        m, node_spool_read(m->node, &j->ref, j->data, j->n, manager_now(m)));
}

static void on_hashed(struct spool_job *j)
{
        struct manager *m = j->userdata;

        if (j->result < 0)
                failed(j);
        else
                (void)manager_take(m, node_spool_hashed(m->node, &j->ref, j->hash, manager_now(m)));
}

static void on_discarded(struct spool_job *j)
{
        if (j->result < 0)
                log_warning_errno(j->result,
                        "A file of the spool could not be removed: %m; the next start does it");
}

static int on_event(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct spool *s = userdata;

        spool_worker_dispatch(&s->worker);
        return 0;
}

/*
 * Effects
 */
static int submit(struct spool *s, enum spool_task task, const struct effect *e,
        void (*answer)(struct spool_job *))
{
        struct spool_job *j;
        int r;

        r = spool_job_new(task, &e->spool.id, answer, &j);
        if (r < 0)
                return r;
        j->userdata = s->manager;
        j->ref = e->spool.ref;
        j->size = e->spool.size;
        j->offset = e->spool.offset;
        j->n = e->spool.n;
        if (task == SPOOL_WRITE) {
                j->data = malloc(MAX(j->n, (size_t)1));
                if (!j->data) {
                        spool_job_free(j);
                        return -ENOMEM;
                }
                memcpy(j->data, e->spool.data, j->n);
        }
        return spool_worker_submit(&s->worker, j);
}

int spool_carry_out(struct spool *s, const struct effect *e)
{
        if (e->type == EFFECT_SPOOL_WRITE)
                return submit(s, SPOOL_WRITE, e, on_written);
        if (e->type == EFFECT_SPOOL_READ)
                return submit(s, SPOOL_READ, e, on_read);
        if (e->type == EFFECT_SPOOL_HASH)
                return submit(s, SPOOL_HASH, e, on_hashed);
        return spool_discard(s, &e->spool.id);
}

int spool_discard(struct spool *s, const struct transfer_id *id)
{
        struct spool_job *j;
        int r = spool_job_new(SPOOL_DISCARD, id, on_discarded, &j);

        return r < 0 ? r : spool_worker_submit(&s->worker, j);
}

/*
 * Life
 */
void spool_init(struct spool *s, struct manager *m)
{
        *s = (struct spool){ .manager = m };
}

static int open_directory(const char *state)
{
        _cleanup_(freep)
        char *path = NULL;
        int fd;

        if (asprintf(&path, "%s/spool", state) < 0) {
                path = NULL;
                return log_oom();
        }
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
                return log_error_errno(-errno, "Failed to make %s: %m", path);
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        return fd < 0 ? log_error_errno(-errno, "Failed to open %s: %m", path) : fd;
}

int spool_open(struct spool *s)
{
        struct memory *memory = &s->manager->memory;
        struct spool_place place = { .key = memory->spool_key };
        int r;

        place.directory = open_directory(memory->state);
        if (place.directory < 0)
                return place.directory;
        r = random_new(&s->random);
        place.random = s->random;
        if (r >= 0)
                r = spool_worker_init(&s->worker, &place);
        if (r < 0) {
                fd_close(place.directory);
                return log_error_errno(r, "Failed to prepare the spool: %m");
        }
        s->is_open = true;
        return 0;
}

int spool_certain(struct spool *s, const struct transfer_id *id, uint64_t size, uint64_t *ret_done)
{
        return spool_file_certain(&s->worker.place, id, size, ret_done);
}

static bool is_known(const struct file_view *files, size_t n, const char *name)
{
        char known[SPOOL_NAME_SIZE];

        for (size_t i = 0; i < n; i++) {
                spool_name(&files[i].spool_id, known);
                if (streq(known, name))
                        return true;
        }
        return false;
}

static int tidy(struct spool *s)
{
        struct manager *m = s->manager;
        _cleanup_(freep)
        struct file_view *files = NULL;
        int fd = openat(s->worker.place.directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *d = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *e;
        size_t n_files;
        int r;

        if (!d) {
                r = -errno;
                fd_close(fd);
                return r;
        }
        r = node_list_files(m->node, manager_now(m), &files, &n_files);
        while (r >= 0 && (e = readdir(d)))
                if (e->d_name[0] != '.' && !is_known(files, n_files, e->d_name) &&
                        unlinkat(dirfd(d), e->d_name, 0) < 0)
                        log_warning_errno(
                                -errno, "Failed to remove %s from the spool: %m", e->d_name);
        (void)closedir(d);
        return r;
}

int spool_start(struct spool *s)
{
        int r;

        r = tidy(s);
        if (r >= 0)
                r = sd_event_add_io(
                        s->manager->event, &s->event, s->worker.event, EPOLLIN, on_event, s);
        return r < 0 ? log_error_errno(r, "Failed to look through the spool: %m") : 0;
}

void spool_done(struct spool *s)
{
        s->event = sd_event_source_disable_unref(s->event);
        if (!s->is_open)
                return;
        s->is_open = false;
        spool_worker_done(&s->worker);
        if (s->worker.event >= 0)
                return; /* the thread hangs, and has the rest */
        fd_close(s->worker.place.directory);
        s->random = random_free(s->random);
}
