/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a program remembers for its user
 *
 * Small files in $XDG_STATE_HOME/p2pchat, replaced whole and on the disk before the call returns.
 * A bookmark is one of them: the sequence number of the last message that a reader handled. One
 * reader at a time may hold it.
 */

#include "base/macro.h"

/* The directory "p2pchat" of this user; the caller's. 0, -ENOMEM, or -ENOENT without a home. */
int state_directory(char **ret);
/* Replaces file @name in @directory, which is made if it is missing. */
int state_write(const char *directory, const char *name, const char *contents);
/* 1 and the contents (the caller's), 0 when there is no such file, or a negative errno. */
int state_read(const char *directory, const char *name, char **ret);

struct bookmark {
        char *directory;
        char *name;
        int lock_fd;
        uint64_t sequence; /* as written last; UINT64_MAX: never */
};

#define BOOKMARK_NAME_SIZE_MAX 64

/* 1 to 64 of A-Za-z0-9._- and no "." in front. */
bool bookmark_name_is_valid(const char *name);
/* 1: opened, @ret->sequence is what it says; 0: opened, there was none yet; -EBUSY: another has
 * it; -EBADMSG: it holds no number; other negative errno. Directory: $STATE_DIRECTORY, else
 * "cursors" in state_directory(). */
int bookmark_open(const char *name, struct bookmark *ret);
int bookmark_write(struct bookmark *b, uint64_t sequence);
void bookmark_done(struct bookmark *b);
