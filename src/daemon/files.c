/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of callers: copied into the spool, and handed over */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "core/crypto/random.h"
#include "daemon/bus.h"
#include "daemon/manager.h"
#include "daemon/publish-journal.h"
#include "os/fd.h"
#include "os/log.h"

static bool is_full(int error)
{
        return error == -ENOSPC || error == -EDQUOT || error == -EFBIG;
}

struct file_view *files_find(const struct files *f, const char *id)
{
        struct manager *m = f->manager;
        _cleanup_(freep)
        struct file_view *views = NULL;
        struct file_view *found;
        size_t n;

        if (node_list_files(m->node, manager_now(m), &views, &n) < 0)
                return NULL;
        for (size_t i = 0; i < n; i++) {
                if (!streq(views[i].id, id))
                        continue;
                found = malloc(sizeof *found);
                if (found)
                        *found = views[i];
                return found;
        }
        return NULL;
}

/*
 * Sending
 */
static void sending_free(struct file_sending *s)
{
        list_remove(&s->list);
        s->files->n_sending--;
        sd_event_source_disable_unref(s->timer);
        free(s);
}

/* It is in the spool: now the others may know. */
static int offer(
        struct file_sending *s, const uint8_t hash[static HASH_SIZE], struct refusal *ret_refusal)
{
        struct manager *m = s->files->manager;
        const struct file_offer o = {
                .spool_id = s->spool_id,
                .word = s->word,
                .name = s->name,
                .uid = s->uid,
                .size = s->size,
                .hash = hash,
        };

        return manager_take(m, node_file_offer(m->node, &o, manager_now(m), ret_refusal));
}

static void not_sent(
        struct file_sending *s, const char *reason, enum bus_outcome outcome, const char *sentence)
{
        bus_file_not_sent(s->files->manager->bus, s->call, s->id, reason, outcome, sentence);
}

static void copy_failed(struct file_sending *s, const struct spool_job *j)
{
        int error = j->result == SPOOL_OUTSIDE ? j->error : j->result;

        if (j->result == SPOOL_CHANGED)
                not_sent(s, "changed", BUS_INVALID_ARGS,
                        "The file changed while it was read, so nothing was offered: send it "
                        "again when nobody writes to it.");
        else if (j->result == SPOOL_OUTSIDE)
                not_sent(s, "unreadable", BUS_INVALID_ARGS, strerror(-error));
        else if (j->result == -ECANCELED)
                not_sent(s, "cancelled", BUS_NO_SUCH_TRANSFER,
                        "The file was cancelled before it was offered.");
        else if (is_full(error))
                not_sent(s, "no-space", BUS_STORAGE_FULL,
                        "The disk is full, so the file was not offered: make room in the state "
                        "directory of p2pchatd.");
        else
                not_sent(s, "unwritable", BUS_OTHER, strerror(-error));
        if (j->result < 0 && j->result != -ECANCELED && !is_full(error))
                log_warning_errno(error, "A file could not be copied into the spool: %m");
}

static void on_copied(struct spool_job *j)
{
        struct file_sending *s = j->userdata;
        struct manager *m = s->files->manager;
        struct refusal refusal;
        int r;

        s->job = NULL;
        if (j->result != 0) {
                copy_failed(s, j);
                sending_free(s);
                return;
        }
        r = offer(s, j->hash, &refusal);
        if (r == 0) {
                bus_file_sent(m->bus, s->call, s->id);
        } else if (r > 0) {
                bus_file_refused(m->bus, s->call, s->id, r, refusal.sentence);
                (void)manager_take(m, spool_discard(&m->spool, &s->spool_id));
        }
        sending_free(s);
}

/* It takes long: the caller hears the id, and of the rest by signals. */
static int on_late(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct file_sending *s = userdata;

        bus_file_sent(s->files->manager->bus, s->call, s->id);
        s->call = 0;
        return 0;
}

static int begin_copy(struct file_sending *s, int fd)
{
        struct manager *m = s->files->manager;
        struct spool_job *j;
        int r;

        r = spool_job_new(SPOOL_COPY, &s->spool_id, on_copied, &j);
        if (r < 0)
                return r;
        j->userdata = s;
        j->size = s->size;
        j->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (j->fd < 0) {
                r = -errno;
                spool_job_free(j);
                return r;
        }
        s->job = j;
        return spool_worker_submit(&m->spool.worker, j);
}

int files_send(struct files *f, const char *word, const char *name, uint64_t size, uint64_t uid,
        int fd, uint64_t call, struct file_sending **ret)
{
        struct manager *m = f->manager;
        struct file_sending *s = calloc(1, sizeof *s);
        int r;

        if (!s)
                return -ENOMEM;
        s->files = f;
        s->uid = uid;
        s->size = size;
        s->call = call;
        memcpy(s->word, word, strnlen(word, sizeof s->word - 1));
        memcpy(s->name, name, strnlen(name, sizeof s->name - 1));
        random_bytes(m->memory.random, s->spool_id.bytes, sizeof s->spool_id.bytes);
        hex_encode(s->spool_id.bytes, sizeof s->spool_id.bytes, s->id);
        list_append(&f->sending, &s->list);
        f->n_sending++;
        r = sd_event_add_time_relative(
                m->event, &s->timer, CLOCK_MONOTONIC, FILES_SEND_WAIT_USEC, 0, on_late, s);
        if (r >= 0)
                r = begin_copy(s, fd);
        if (r < 0) {
                sending_free(s);
                return r;
        }
        *ret = s;
        return 0;
}

bool files_cancel_sending(struct files *f, const char *id)
{
        list_for_each (i, &f->sending) {
                struct file_sending *s = container_of(i, struct file_sending, list);

                if (!streq(s->id, id))
                        continue;
                spool_job_cancel(s->job);
                return true;
        }
        return false;
}

const char *files_refuse_sending(const struct files *f, uint64_t uid)
{
        size_t n = 0;

        list_for_each (i, &f->sending)
                n += container_of(i, struct file_sending, list)->uid == uid;
        return f->n_sending >= FILES_SENDING_MAX || n >= FILES_SENDING_USER_MAX
                       ? "Too many files are being copied at this moment: try again when one of "
                         "them is offered."
                       : NULL;
}

/*
 * Handing over
 */
static void held_free(struct file_held *h)
{
        list_remove(&h->list);
        h->files->n_held--;
        fd_close(h->fd);
        free(h);
}

static struct file_held *find_held(const struct files *f, const char *id)
{
        list_for_each (i, &f->held) {
                struct file_held *h = container_of(i, struct file_held, list);

                if (streq(h->id, id))
                        return h;
        }
        return NULL;
}

static void not_handed_over(struct file_held *h, const struct spool_job *j)
{
        int error = j->result == SPOOL_OUTSIDE ? j->error : j->result;
        const char *reason = is_full(error)               ? "no-space"
                             : error == -ECANCELED        ? "cancelled"
                             : j->result == SPOOL_OUTSIDE ? "unwritable"
                                                          : "unreadable";

        if (error != -ECANCELED)
                log_warning_errno(
                        error, "File %s is whole, but could not be handed over: %m", h->id);
        bus_file_not_taken(
                h->files->manager->bus, h->call, h->id, reason, is_full(error), strerror(-error));
}

static void on_handed_over(struct spool_job *j)
{
        struct file_held *h = j->userdata;
        struct files *f = h->files;
        struct manager *m = f->manager;

        h->job = NULL;
        if (j->result != 0) {
                not_handed_over(h, j);
                held_free(h);
                return;
        }
        if (j->task == SPOOL_PUT)
                log_notice("File %s is %s/%s now.", h->id, j->directory, j->name);
        (void)manager_take(m, node_file_taken(m->node, h->id, manager_now(m)));
        list_remove(&h->list);
        list_append(&f->taken, &h->list);
}

void files_end_turn(struct files *f)
{
        list_for_each_safe (i, &f->taken) {
                struct file_held *h = container_of(i, struct file_held, list);

                bus_file_taken(f->manager->bus, h->call, h->id);
                held_free(h);
        }
}

static int begin_handing_over(
        struct file_held *h, const struct transfer_id *spool_id, enum spool_task task)
{
        struct manager *m = h->files->manager;
        struct spool_job *j;
        int r;

        r = spool_job_new(task, spool_id, on_handed_over, &j);
        if (r < 0)
                return r;
        j->userdata = h;
        j->size = h->size;
        j->fd = h->fd;
        h->fd = -EBADF;
        memcpy(j->name, h->name, sizeof j->name);
        if (task == SPOOL_PUT) {
                j->directory = strdup(files_directory(h->files));
                if (!j->directory) {
                        spool_job_free(j);
                        return -ENOMEM;
                }
        }
        r = spool_worker_submit(&m->spool.worker, j);
        h->job = r < 0 ? NULL : j;
        return r;
}

static int held_new(struct files *f, const char *id, const char *name, uint64_t size, uint64_t uid,
        struct file_held **ret)
{
        struct file_held *h = calloc(1, sizeof *h);

        if (!h)
                return -ENOMEM;
        h->files = f;
        h->fd = -EBADF;
        h->size = size;
        h->uid = uid;
        memcpy(h->id, id, strnlen(id, sizeof h->id - 1));
        memcpy(h->name, name, strnlen(name, sizeof h->name - 1));
        list_append(&f->held, &h->list);
        f->n_held++;
        *ret = h;
        return 0;
}

int files_hold(struct files *f, const struct file_view *view, uint64_t uid, int fd, uint64_t call)
{
        struct file_held *h = find_held(f, view->id);
        int r;

        if (h && h->job)
                return -EBUSY;
        if (h)
                held_free(h);
        r = held_new(f, view->id, view->name, view->size, uid, &h);
        if (r < 0)
                return r;
        h->call = call;
        h->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        r = h->fd < 0 ? -errno : 0;
        if (r == 0 && call != 0)
                r = begin_handing_over(h, &view->spool_id, SPOOL_HAND_OVER);
        if (r < 0)
                held_free(h);
        return r;
}

const char *files_refuse_holding(const struct files *f, uint64_t uid)
{
        size_t n = 0;

        list_for_each (i, &f->held)
                n += container_of(i, struct file_held, list)->uid == uid;
        return f->n_held >= FILES_HELD_MAX || n >= FILES_HELD_USER_MAX
                       ? "Too many accepted files are under way: wait for one of them, or cancel "
                         "one."
                       : NULL;
}

void files_forget_call(struct files *f, uint64_t call)
{
        list_for_each (i, &f->sending) {
                struct file_sending *s = container_of(i, struct file_sending, list);

                s->call = s->call == call ? 0 : s->call;
        }
        list_for_each (i, &f->held) {
                struct file_held *h = container_of(i, struct file_held, list);

                h->call = h->call == call ? 0 : h->call;
        }
}

/* A file of ours goes into the directory; 0 or -errno. */
static int put(struct files *f, const char *id, const char *name, uint64_t size,
        const struct transfer_id *spool_id)
{
        struct file_held *h;
        int r;

        r = held_new(f, id, name, size, FILES_SERVICE_UID, &h);
        if (r < 0)
                return r;
        r = begin_handing_over(h, spool_id, SPOOL_PUT);
        if (r < 0)
                held_free(h);
        return r;
}

static void whole(struct files *f, const struct change_file *c)
{
        struct file_held *h = find_held(f, c->id);
        int r = 0;

        if (h && h->fd >= 0)
                r = begin_handing_over(h, &c->spool_id, SPOOL_HAND_OVER);
        else if (!h && c->uid == FILES_SERVICE_UID)
                r = put(f, c->id, c->name, c->size, &c->spool_id);
        else if (!h)
                bus_signal_file_finished(f->manager->bus, c->id, "whole", "not-taken");
        if (r < 0)
                manager_fail(f->manager, r, "Failed to hand a file over");
}

void files_publish(struct files *f, const struct change_file *c)
{
        struct manager *m = f->manager;
        struct file_held *h;

        switch (c->news) {
        case FILE_NEWS_OFFERED:
                publish_journal_file(m->journal, c);
                bus_signal_file_offered(m->bus, c);
                if (m->config.accept_from != CONFIG_ACCEPT_NOBODY && f->look_source)
                        (void)sd_event_source_set_enabled(f->look_source, SD_EVENT_ONESHOT);
                return;
        case FILE_NEWS_PROGRESS:
                bus_signal_file_progress(m->bus, c);
                return;
        case FILE_NEWS_FINISHED:
                publish_journal_file(m->journal, c);
                if (!c->is_outgoing && c->reason == TRANSFER_DONE) {
                        whole(f, c);
                        return;
                }
                h = find_held(f, c->id);
                if (h && !h->job)
                        held_free(h);
                bus_signal_file_ended(m->bus, c);
                return;
        }
}

/*
 * What the configuration accepts
 */
static bool is_welcome(struct files *f, const struct file_view *v)
{
        struct manager *m = f->manager;
        _cleanup_(freep)
        struct user *users = NULL;
        size_t n;

        if (v->size > m->config.accept_size_max)
                return false;
        switch (m->config.accept_from) {
        case CONFIG_ACCEPT_NOBODY:
                return false;
        case CONFIG_ACCEPT_VERIFIED:
                return v->security == SECURITY_VERIFIED;
        case CONFIG_ACCEPT_CONTACTS:
                break;
        }
        if (node_list_users(m->node, manager_now(m), &users, &n) < 0)
                return false;
        for (size_t i = 0; i < n; i++)
                if (users[i].contact && users[i].id[0] && streq(users[i].name, v->user))
                        return true;
        return false;
}

static void welcome(struct files *f, const struct file_view *v)
{
        struct manager *m = f->manager;
        char sentence[SENTENCE_SIZE];
        bool is_whole = false;
        int r;

        if (v->is_outgoing || v->state != TRANSFER_OFFERED || !is_welcome(f, v))
                return;
        r = files_check_room(f, FILES_SERVICE_UID, v->size, sentence);
        if (r > 0)
                log_warning("File %s is not accepted: %s", v->id, sentence);
        if (r == 0)
                r = manager_take(m, node_file_accept(m->node, v->id, FILES_SERVICE_UID,
                                            manager_now(m), &is_whole, NULL));
        if (r == 0)
                log_info("File %s is accepted, as the configuration has it.", v->id);
}

static int on_look(sd_event_source *source, void *userdata)
{
        struct files *f = userdata;
        struct manager *m = f->manager;
        _cleanup_(freep)
        struct file_view *views = NULL;
        size_t n;
        int r;

        r = node_list_files(m->node, manager_now(m), &views, &n);
        if (manager_take(m, r) < 0)
                return 0;
        for (size_t i = 0; i < n; i++) {
                const struct file_view *v = &views[i];

                welcome(f, v);
                if (!v->is_outgoing && v->state == TRANSFER_WHOLE && v->uid == FILES_SERVICE_UID &&
                        !find_held(f, v->id) && put(f, v->id, v->name, v->size, &v->spool_id) < 0)
                        log_warning("File %s waits for the next start.", v->id);
        }
        return 0;
}

/*
 * Life
 */
void files_init(struct files *f, struct manager *m)
{
        *f = (struct files){ .manager = m };
        list_init(&f->sending);
        list_init(&f->held);
        list_init(&f->taken);
}

int files_start(struct files *f)
{
        const struct manager *m = f->manager;
        int r;

        if (asprintf(&f->directory, "%s/received", m->memory.state) < 0) {
                f->directory = NULL;
                return -ENOMEM;
        }
        if (m->config.accept_from != CONFIG_ACCEPT_NOBODY && !m->config.accept_into[0] &&
                mkdir(f->directory, 0700) < 0 && errno != EEXIST)
                log_warning_errno(-errno, "Failed to make %s: %m", f->directory);
        r = sd_event_add_defer(m->event, &f->look_source, on_look, f);
        return r < 0 ? r : 0; /* once at the start, for what was left */
}

void files_done(struct files *f)
{
        list_for_each_safe (i, &f->sending)
                sending_free(container_of(i, struct file_sending, list));
        list_for_each_safe (i, &f->held)
                held_free(container_of(i, struct file_held, list));
        list_for_each_safe (i, &f->taken)
                held_free(container_of(i, struct file_held, list));
        f->look_source = sd_event_source_disable_unref(f->look_source);
        free(f->directory);
        f->directory = NULL;
}
