/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The system journal, without ever waiting for it
 *
 * Speaks journald's native protocol with MSG_DONTWAIT. What cannot be taken at once waits in a
 * bounded queue; what does not fit there is counted, and the count is written as an entry of its
 * own once the queue has drained. A journal that is stopped, restarted or absent disturbs nobody.
 *
 * The owner watches journal_fd() for reading and calls journal_flush() then; that is all.
 */
#include "base/macro.h"

#define JOURNAL_ENTRIES_MAX 1024
#define JOURNAL_BYTES_MAX (1024 * 1024)

struct journal;

/* @path: NULL for the system's socket. 0, or -errno. */
int journal_new(const char *path, struct journal **ret);
/* Tries once more to send what waits. */
struct journal *journal_free(struct journal *j);
DEFINE_CLEANUP(struct journal *, journal_free)

struct journal_field {
        const char *name; /* upper case letters, digits and underscores */
        const void *value;
        size_t size;
};
#define JOURNAL_FIELD(n, v) ((struct journal_field){ .name = (n), .value = (v), .size = strlen(v) })

/* One entry; everything is copied. SYSLOG_IDENTIFIER and SYSLOG_PID are added. @j may be NULL. */
void journal_send(struct journal *j, const struct journal_field *fields, size_t n_fields);

/* A timer descriptor, owned by the journal: readable when it is time to try again. */
int journal_fd(const struct journal *j);
/* Sends what can be sent; true when nothing waits any more. */
bool journal_flush(struct journal *j);

/* Entries given up since the start. */
uint64_t journal_n_lost(const struct journal *j);
