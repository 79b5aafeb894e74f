/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Whole small files
 */
#include <sys/types.h>

#include "base/macro.h"

/* 0 and memory to be freed (a zero byte behind it); -E2BIG when the file has more than @size_max
 * bytes; -ENOENT and other -errno. */
int file_read(const char *path, size_t size_max, uint8_t **ret, size_t *ret_size);

/* Writes beside it, syncs, renames over it, syncs the directory: after a power cut either the old
 * file is there or the whole new one. 0 or -errno. */
int file_write_atomic(const char *path, const void *data, size_t size, mode_t mode);
/* The same, but -EEXIST, and the old file untouched, when there is one already. */
int file_create_atomic(const char *path, const void *data, size_t size, mode_t mode);

/* Renames, unless @to is there: -EEXIST. Where the file system cannot do that in one step, a second
 * link comes first. 0 or -errno. */
int file_rename_new(int directory, const char *from, const char *to);

/* Syncs the directory in which @path lies. 0 or -errno. */
int file_sync_directory(const char *path);
/* 1 when it exists (whatever it is), 0 when not, or -errno. */
int file_exists(const char *path);
