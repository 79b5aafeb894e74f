/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The worker: all that a disk, or the file of a caller, may keep waiting
 *
 *     loop: spool_worker_submit() --> urgent, slow --> thread: slice after slice --> done
 *                                                                                     |
 *     loop: job->answer() <------------------ event descriptor <----------------------+
 *
 * One thread, which is there only while there is work and a moment longer. It does jobs in slices:
 * one of the first urgent job, which are the chunks of transfers, then one of the first slow job,
 * which goes to the end of its queue with what is left of it. So a chunk waits for two slices and
 * no longer, however large the file is that is copied beside it, and a copy does not starve.
 *
 * A job belongs to the worker from its submission to its answer. Who submits bounds how many there
 * are; the worker itself has one buffer of a slice.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "daemon/spool-file.h"

#define SPOOL_SLICE_SIZE (4 * TRANSFER_CHUNK_SIZE)
#define SPOOL_SYNC_SIZE (8 * 1024 * 1024)     /* is brought to the disk at a time */
#define SPOOL_DISCARD_SIZE (64 * 1024 * 1024) /* and taken from it */
/* Free bytes of the disk that are left to messages: with less, nothing comes into the spool. */
#define SPOOL_SPACE_MIN (32 * 1024 * 1024)
#define SPOOL_LINGER_USEC (1 * USEC_PER_SEC)   /* the thread waits for more */
#define SPOOL_STOP_USEC_MAX (2 * USEC_PER_SEC) /* and we for it, at the end */

enum spool_task {
        SPOOL_WRITE,     /* data at offset, to the disk */
        SPOOL_READ,      /* n bytes from offset, into data */
        SPOOL_COPY,      /* the file at fd comes into the spool: size bytes, and their hash */
        SPOOL_HASH,      /* of size bytes */
        SPOOL_HAND_OVER, /* size bytes to the file at fd */
        SPOOL_PUT,       /* the same to a new file, of that name or one like it, in a directory */
        SPOOL_DISCARD,   /* jobs about the same file that are not done yet end with -ECANCELED */
};

enum spool_outcome {
        SPOOL_CHANGED = 1, /* the file at fd, while it was copied */
        SPOOL_OUTSIDE,     /* it could not be read or written; error tells why */
};

struct spool_job {
        struct list list;
        enum spool_task task;
        struct transfer_id id;
        uint64_t size, offset;
        uint8_t *data; /* the job's */
        size_t n;
        int fd; /* likewise, or -EBADF */
        char *directory;
        char name[TRANSFER_NAME_MAX + 1]; /* PUT: the one it got, in the end */
        struct transfer_ref ref;          /* the submitter's */
        void *userdata;
        /* In the loop, before the job is freed. */
        void (*answer)(struct spool_job *job);

        int result; /* 0, enum spool_outcome, or -errno */
        int error;  /* -errno */
        uint8_t hash[HASH_SIZE];
        _Atomic uint64_t done; /* bytes of a slow job, to be looked at any time */

        _Atomic bool is_cancelled;
        struct spool_file *file; /* from here on the worker's */
        struct hasher *hasher;
        uint64_t unsynced;
        struct timespec changed;
        bool is_begun;
};

struct spool_worker {
        struct spool_place place;
        pthread_mutex_t lock;
        pthread_cond_t wake;
        struct list urgent, slow, done; /* of struct spool_job; under the lock */
        struct spool_job *current;      /* likewise */
        bool is_leaving, is_stopping;   /* likewise */
        bool is_started;                /* there is a thread to be joined */
        pthread_t thread;
        int event; /* readable: something is done, or the thread has left */
        uint8_t *buffer;
        size_t n_jobs;
};

/* @place is copied; its random is used by the thread from now on. 0 or -errno. */
int spool_worker_init(struct spool_worker *w, const struct spool_place *place);
/* Ends the thread; jobs that were not done are dropped without an answer. A thread that hangs in
 * somebody's file system is left behind: the process is to end. */
void spool_worker_done(struct spool_worker *w);

/* 0 or -ENOMEM. @answer is called in the loop, and the job freed after it. */
int spool_job_new(enum spool_task task, const struct transfer_id *id,
        void (*answer)(struct spool_job *job), struct spool_job **ret);
struct spool_job *spool_job_free(struct spool_job *j);
DEFINE_CLEANUP(struct spool_job *, spool_job_free)

/* Takes the job. 0, or -errno when there can be no thread: then the job is freed. */
int spool_worker_submit(struct spool_worker *w, struct spool_job *j);
/* It ends as soon as it can, with -ECANCELED, unless it is done already. */
void spool_job_cancel(struct spool_job *j);
/* The event descriptor is readable: answers what is done. */
void spool_worker_dispatch(struct spool_worker *w);

/* spool-task.c: a slice of a job, in the thread. True: it is done, and its result there. */
bool spool_task_slice(struct spool_worker *w, struct spool_job *j);
