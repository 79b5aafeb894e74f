/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How far a file is, in one line
 */

#include "base/text.h"
#include "base/usec.h"

/* Bytes over time; what was before the first is not counted, for it came earlier. */
struct progress {
        uint64_t done, size;
        uint64_t counted; /* when rate was made last */
        usec_t counted_usec;
        uint64_t rate; /* bytes a second; 0: not known yet */
};

/* @now_usec: of any clock that does not jump. */
void progress_take(struct progress *p, uint64_t done, uint64_t size, usec_t now_usec);
void progress_count(struct progress *p, usec_t now_usec);
/* "report.pdf  [#####     ]  45%  9 MiB of 20 MiB  3.2 MiB/s  0:04 left" in at most @width cells;
 * @name is escaped already. What there is no room for is left out, the name is cut. The caller's;
 * NULL: no memory. */
char *progress_line(const struct progress *p, const char *name, size_t width);
