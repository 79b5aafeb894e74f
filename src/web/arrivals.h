/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Files that came and wait for a browser to take them
 *
 * The chat service writes a file that it was told to accept into a descriptor, whenever it is
 * whole; by then the browser, its session and this program may be gone. So the descriptor is that
 * of a file in a directory of ours, with a second file beside it that says what it is: ID and
 * ID.about. What is there is all there is to know: a file of which the chat service knows nothing
 * any more is over, and when it has all its bytes, it came.
 */
#include "base/buffer.h"

#define ARRIVALS_MAX 64
#define FILE_ID_SIZE_MAX 64
#define ABOUT_SIZE_MAX 4096

/* 0 and the directory, or -errno. */
int arrivals_open(const char *path, int *ret_directory);
bool file_id_is_valid(const char *id);

/* Room for a file: @about is an object with the member "size". 0 and a descriptor for the caller to
 * give away; -EINVAL for a bad id; -ENOBUFS when too many wait; -errno. */
int arrival_make(int directory, const char *id, const struct buffer *about, int *ret_fd);
/* One that came. 0 and a descriptor; -ENOENT when there is none, or not all of it. */
int arrival_take(int directory, const char *id, int *ret_fd);
void arrival_remove(int directory, const char *id);

/* Appends an array of what came. @is_known: whether the chat service still knows a file. What is
 * over and did not come is removed. 0 or -errno. */
int arrivals_append(int directory, struct buffer *b,
        bool (*is_known)(const char *id, void *userdata), void *userdata);
