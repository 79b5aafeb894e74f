/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What the daemon has on disk: secret, identity, store, log file; and how long it keeps it
 */
#include <stdio.h>

#include "core/crypto/identity.h"
#include "os/config.h"
#include "store/store.h"

#define MEMORY_KEEP_NONE_USEC (10 * USEC_PER_MINUTE) /* a message lives with Keep=none */
#define MEMORY_SPACE_MIN (4 * 1024 * 1024)           /* bytes; with less, nothing is taken on */

struct history_log;
struct journal;

struct memory {
        char *state;    /* directories */
        char *database; /* file */
        char *log_path;
        enum store_keep keep;
        usec_t age_max_usec; /* USEC_INFINITY: nothing is erased */
        struct random *random;
        struct identity identity;
        uint8_t *spool_key; /* KEY_SIZE bytes, from the secret */
        struct store *store;
        struct history_log *log;
        char *aside; /* where a damaged database was moved at this start, or NULL */
        uint64_t n_lost;
        bool failed; /* a commit failed: nothing is written any more */
};

enum memory_outcome {
        MEMORY_REFUSED = 1, /* logged, with the remedy as last line: exit with status 78 */
};

/* Opens everything. 0, MEMORY_REFUSED, or negative errno, logged. @journal may be NULL. */
int memory_open(struct memory *m, const char *state, const char *log, const struct config *config,
        struct journal *journal);
void memory_done(struct memory *m);

/* Free bytes where the store lies, or -errno. */
int64_t memory_space(const struct memory *m);
