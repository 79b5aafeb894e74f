/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The worker: its thread and its queues */
#include <malloc.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "daemon/spool-worker.h"
#include "os/fd.h"

#define STACK_SIZE (128 * 1024)

/*
 * Jobs
 */
int spool_job_new(enum spool_task task, const struct transfer_id *id,
        void (*answer)(struct spool_job *job), struct spool_job **ret)
{
        struct spool_job *j = calloc(1, sizeof *j);

        if (!j)
                return -ENOMEM;
        list_init(&j->list);
        j->task = task;
        j->id = *id;
        j->answer = answer;
        j->fd = -EBADF;
        *ret = j;
        return 0;
}

struct spool_job *spool_job_free(struct spool_job *j)
{
        if (!j)
                return NULL;
        list_remove(&j->list);
        spool_file_free(j->file);
        hasher_free(j->hasher);
        fd_close(j->fd);
        free(j->directory);
        free(j->data);
        free(j);
        return NULL;
}

void spool_job_cancel(struct spool_job *j)
{
        j->is_cancelled = true;
}

/* What is asked about one file is begun in the order of asking: with the name of a file its place
 * is free, and the rest of it can wait. */
static bool is_urgent(const struct spool_job *j)
{
        return j->task == SPOOL_WRITE || j->task == SPOOL_READ ||
               (j->task == SPOOL_DISCARD && !j->is_begun);
}

/*
 * The thread
 */
static void tell(struct spool_worker *w)
{
        const uint64_t one = 1;

        (void)!write(w->event, &one, sizeof one);
}

/* False: nothing came for a while, or we are to end. */
static bool wait_for_work(struct spool_worker *w)
{
        struct timespec until;

        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += SPOOL_LINGER_USEC / USEC_PER_SEC;
        while (list_is_empty(&w->urgent) && list_is_empty(&w->slow) && !w->is_stopping)
                if (pthread_cond_timedwait(&w->wake, &w->lock, &until) == ETIMEDOUT)
                        break;
        return !w->is_stopping && !(list_is_empty(&w->urgent) && list_is_empty(&w->slow));
}

static void do_slice(struct spool_worker *w, struct list *queue)
{
        struct spool_job *j = NULL;
        bool is_done;

        if (list_is_empty(queue))
                return;
        j = container_of(list_first(queue), struct spool_job, list);
        list_remove(&j->list);
        w->current = j;
        (void)pthread_mutex_unlock(&w->lock);
        is_done = spool_task_slice(w, j);
        (void)pthread_mutex_lock(&w->lock);
        w->current = NULL;
        list_append(is_done ? &w->done : is_urgent(j) ? &w->urgent : &w->slow, &j->list);
        if (is_done)
                tell(w);
}

static void *run(void *userdata)
{
        struct spool_worker *w = userdata;

        w->buffer = malloc(SPOOL_SLICE_SIZE);
        (void)pthread_mutex_lock(&w->lock);
        while (w->buffer && wait_for_work(w)) {
                do_slice(w, &w->urgent);
                do_slice(w, &w->slow);
        }
        w->is_leaving = true;
        tell(w);
        (void)pthread_mutex_unlock(&w->lock);
        if (w->buffer)
                wipe(w->buffer, SPOOL_SLICE_SIZE);
        free(w->buffer);
        w->buffer = NULL;
        return NULL;
}

/* Signals are the loop's. */
static int start(struct spool_worker *w)
{
        pthread_attr_t attributes;
        sigset_t all;
        int r;

        (void)sigfillset(&all);
        r = pthread_attr_init(&attributes);
        if (r != 0)
                return -r;
        r = pthread_attr_setstacksize(&attributes, STACK_SIZE);
        if (r == 0)
                r = pthread_attr_setsigmask_np(&attributes, &all);
        if (r == 0)
                r = pthread_create(&w->thread, &attributes, run, w);
        (void)pthread_attr_destroy(&attributes);
        w->is_started = r == 0;
        return -r;
}

/* A thread that has left, or is about to without looking again. */
static void join_leaving(struct spool_worker *w)
{
        if (!w->is_started || !w->is_leaving)
                return;
        (void)pthread_mutex_unlock(&w->lock);
        (void)pthread_join(w->thread, NULL);
        (void)malloc_trim(0); /* what was needed for the files that are over now */
        (void)pthread_mutex_lock(&w->lock);
        w->is_started = w->is_leaving = false;
}

static int ensure_thread(struct spool_worker *w)
{
        join_leaving(w);
        return w->is_started ? 0 : start(w);
}

/*
 * The loop
 */
static void cancel_same(struct list *queue, const struct spool_job *j)
{
        list_for_each (i, queue) {
                struct spool_job *other = container_of(i, struct spool_job, list);

                if (memcmp(&other->id, &j->id, sizeof j->id) == 0 && other->task != SPOOL_DISCARD)
                        other->is_cancelled = true;
        }
}

int spool_worker_submit(struct spool_worker *w, struct spool_job *j)
{
        int r;

        (void)pthread_mutex_lock(&w->lock);
        r = ensure_thread(w);
        if (r == 0) {
                if (j->task == SPOOL_DISCARD) {
                        cancel_same(&w->urgent, j);
                        cancel_same(&w->slow, j);
                        if (w->current && memcmp(&w->current->id, &j->id, sizeof j->id) == 0)
                                w->current->is_cancelled = true;
                }
                list_append(is_urgent(j) ? &w->urgent : &w->slow, &j->list);
                w->n_jobs++;
                (void)pthread_cond_signal(&w->wake);
        }
        (void)pthread_mutex_unlock(&w->lock);
        if (r < 0)
                spool_job_free(j);
        return r;
}

/* Memory may have been short for the thread that left with work to do. */
static void look_after_thread(struct spool_worker *w)
{
        join_leaving(w);
        if (!w->is_started && !(list_is_empty(&w->urgent) && list_is_empty(&w->slow)))
                (void)start(w);
}

void spool_worker_dispatch(struct spool_worker *w)
{
        uint64_t n;

        (void)!read(w->event, &n, sizeof n);
        for (;;) {
                struct spool_job *j = NULL;

                (void)pthread_mutex_lock(&w->lock);
                look_after_thread(w);
                if (!list_is_empty(&w->done)) {
                        j = container_of(list_first(&w->done), struct spool_job, list);
                        list_remove(&j->list);
                        w->n_jobs--;
                }
                (void)pthread_mutex_unlock(&w->lock);
                if (!j)
                        return;
                j->answer(j);
                spool_job_free(j);
        }
}

int spool_worker_init(struct spool_worker *w, const struct spool_place *place)
{
        pthread_condattr_t attributes;
        int r;

        *w = (struct spool_worker){ .place = *place, .event = -EBADF };
        list_init(&w->urgent);
        list_init(&w->slow);
        list_init(&w->done);
        w->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (w->event < 0)
                return -errno;
        r = pthread_condattr_init(&attributes);
        if (r == 0)
                r = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        if (r == 0)
                r = pthread_cond_init(&w->wake, &attributes);
        if (r == 0)
                r = pthread_mutex_init(&w->lock, NULL);
        (void)pthread_condattr_destroy(&attributes);
        return -r;
}

static void drop(struct list *queue)
{
        list_for_each_safe (i, queue)
                spool_job_free(container_of(i, struct spool_job, list));
}

/* 0, or the thread hangs. */
static int stop(struct spool_worker *w)
{
        struct timespec until;

        (void)pthread_mutex_lock(&w->lock);
        w->is_stopping = true;
        if (w->current)
                w->current->is_cancelled = true;
        (void)pthread_cond_signal(&w->wake);
        (void)pthread_mutex_unlock(&w->lock);
        if (!w->is_started)
                return 0;
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += SPOOL_STOP_USEC_MAX / USEC_PER_SEC;
        return pthread_clockjoin_np(w->thread, NULL, CLOCK_MONOTONIC, &until);
}

void spool_worker_done(struct spool_worker *w)
{
        if (w->event < 0)
                return;
        if (stop(w) != 0)
                return; /* what it uses stays where it is */
        drop(&w->urgent);
        drop(&w->slow);
        drop(&w->done);
        (void)pthread_cond_destroy(&w->wake);
        (void)pthread_mutex_destroy(&w->lock);
        w->event = fd_close(w->event);
}
