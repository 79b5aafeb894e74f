/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Files of callers: what comes from their descriptors, and what goes to them
 *
 *     Send:    descriptor --copy, hash--> spool --> node_file_offer()
 *     Accept:  descriptor, held ................ whole --hand over--> node_file_taken()
 *     nobody's: accepted by the configuration .. whole --put into the directory--> the same
 *
 * A descriptor does not survive the process. A copy that was not done then was never offered; a
 * file that was accepted comes all the same, and waits in the spool until somebody accepts it once
 * more.
 *
 * A caller's file may be anything, on anything. Of a descriptor that we are given only its kind and
 * flags and a size that the kernel knows by heart are looked at here; whatever may wait for a disk
 * or a server is the worker's.
 */
#include <systemd/sd-event.h>

#include "base/list.h"
#include "core/node/node.h"

#define FILES_SENDING_MAX 64 /* copies at a time */
#define FILES_SENDING_USER_MAX 16
#define FILES_HELD_MAX 1024 /* descriptors that wait for their file */
#define FILES_HELD_USER_MAX 256
#define FILES_SEND_WAIT_USEC (3 * USEC_PER_SEC) /* a caller waits for its copy */
/* Whose the files are that the configuration accepts: no user of the machine has this number. */
#define FILES_SERVICE_UID (UINT64_C(1) << 32)

struct manager;
struct spool_job;

/* A file that is copied into the spool, to be offered then. */
struct file_sending {
        struct list list; /* in files.sending */
        struct files *files;
        struct transfer_id spool_id;
        char id[FILE_ID_STRING_SIZE];
        char word[WORD_SIZE], name[TRANSFER_NAME_MAX + 1];
        uint64_t uid, size;
        struct spool_job *job;
        uint64_t call; /* of the bus, that waits; 0: none any more */
        sd_event_source *timer;
};

/* A descriptor that waits for its file; or a file that is handed over, or was, in this turn. */
struct file_held {
        struct list list; /* in files.held, files.taken */
        struct files *files;
        char id[FILE_ID_STRING_SIZE], name[TRANSFER_NAME_MAX + 1];
        uint64_t uid, size;
        int fd;
        struct spool_job *job; /* it is being handed over */
        uint64_t call;         /* that waits for this */
};

struct files {
        struct manager *manager;
        struct list sending, held, taken;
        size_t n_sending, n_held;
        char *directory;
        sd_event_source *look_source; /* at offers that the configuration may accept */
};

void files_init(struct files *f, struct manager *m);
/* After the spool. 0 or -errno. */
int files_start(struct files *f);
void files_done(struct files *f);

/* Why @fd cannot be read as a file, or be written as one; NULL: it can. */
const char *files_refuse_source(int fd, uint64_t *ret_size);
const char *files_refuse_target(int fd);

/* files-room.c: where what the configuration accepts is put. */
const char *files_directory(const struct files *f);

/* What is under way, and what of the spool it takes, or will. */
struct files_usage {
        size_t n_files;
        uint64_t files_size;     /* of all that is not over */
        uint64_t spool_size;     /* of what is in the spool, as far as it was let in */
        uint64_t user_size;      /* the part of it of one uid */
        uint64_t unwritten_size; /* that is still to come */
};
int files_usage(const struct files *f, uint64_t uid, struct files_usage *ret);
/* Is there room for another file of that size? 0; 1 and a sentence; -errno. */
int files_check_room(const struct files *f, uint64_t uid, uint64_t size,
        char ret_sentence[static SENTENCE_SIZE]);

/* The two limits; a sentence when one is reached, else NULL. */
const char *files_refuse_sending(const struct files *f, uint64_t uid);
const char *files_refuse_holding(const struct files *f, uint64_t uid);

/* Begins to copy; @fd stays the caller's. What comes of it is told by bus_file_sent() or
 * bus_file_not_sent(). 0 or -errno. */
int files_send(struct files *f, const char *word, const char *name, uint64_t size, uint64_t uid,
        int fd, uint64_t call, struct file_sending **ret);
/* Of a copy: true when there is one of that id, and it ends. */
bool files_cancel_sending(struct files *f, const char *id);

/* An accepted file goes to this descriptor, which stays the caller's. @call: not 0 when it is
 * whole, and to be handed over now. 0; -EBUSY: it is being handed over; -errno. */
int files_hold(struct files *f, const struct file_view *view, uint64_t uid, int fd, uint64_t call);
/* The caller has left: what was begun goes on. */
void files_forget_call(struct files *f, uint64_t call);
/* The file of an id; NULL: there is none, or no memory. To be freed. */
struct file_view *files_find(const struct files *f, const char *id);

/* Something is new about a file: committed, and about to be told. */
void files_publish(struct files *f, const struct change_file *change);
/* The turn is committed: what was taken in it is told. */
void files_end_turn(struct files *f);
