/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What all open pages are told: one text, of lines, that each stream reads at its own pace
 *
 * However many read, it is kept once. Its end is what is new; its beginning is thrown away when it
 * gets too long, and a stream that stood there has fallen behind.
 */
#include <sys/types.h>

#include "base/buffer.h"

#define FEED_SIZE_MAX (2 * 1024 * 1024)

struct feed {
        struct buffer text;
        uint64_t begin; /* position of its first byte */
};

void feed_init(struct feed *f);
void feed_done(struct feed *f);

/* A line without its end. 0 or -ENOMEM; then, and for a line longer than all that may be kept, all
 * who read have fallen behind. */
int feed_append(struct feed *f, const char *line, size_t size);
/* Where somebody begins who is told what is new from now on. */
uint64_t feed_end(const struct feed *f);
/* Copies what follows @position, and moves it: the number of bytes, 0 at the end, -ESTALE for who
 * has fallen behind. */
ssize_t feed_read(const struct feed *f, uint64_t *position, char *data, size_t size);
/* Nobody reads: gives the memory back. */
void feed_clear(struct feed *f);
