/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Time as a number of microseconds, with arithmetic that saturates. No clock is read here.
 */
#include <stdint.h>

typedef uint64_t usec_t;

#define USEC_INFINITY UINT64_MAX
#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC UINT64_C(1000000)
#define USEC_PER_MINUTE (60 * USEC_PER_SEC)
#define USEC_PER_HOUR (60 * USEC_PER_MINUTE)
#define USEC_PER_DAY (24 * USEC_PER_HOUR)

/*
 * The two times of one turn, read once and handed down.
 *
 * mono_usec never goes back and counts while the machine sleeps; its zero lies at least a day
 * before the start of the program, so that ages up to a day may be subtracted from it. Deadlines
 * use it. real_usec is UTC since the epoch and may jump; it is shown and stored, never waited for.
 */
struct now {
        usec_t mono_usec;
        usec_t real_usec;
};

static inline usec_t usec_add(usec_t a, usec_t b)
{
        return a > USEC_INFINITY - b ? USEC_INFINITY : a + b;
}

static inline usec_t usec_sub(usec_t a, usec_t b)
{
        if (a == USEC_INFINITY)
                return USEC_INFINITY;
        return a > b ? a - b : 0;
}

static inline usec_t usec_min(usec_t a, usec_t b)
{
        return a < b ? a : b;
}
