/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Owned descriptors
 *
 * An empty one is -EBADF. _cleanup_(fd_closep) closes at the end of the scope, TAKE_FD gives away.
 */
#include "base/macro.h"

/* Closes @fd when it is one, keeps errno; returns -EBADF, for `x->fd = fd_close(x->fd)`. */
int fd_close(int fd);
static inline void fd_closep(int *fd)
{
        *fd = fd_close(*fd);
}

/* 0 or -errno. */
int fd_set_nonblocking(int fd);
int fd_set_cloexec(int fd);
/* Writes everything, however many calls it takes. 0 or -errno. */
int fd_write_all(int fd, const void *data, size_t size);
