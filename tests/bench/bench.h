/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What the measuring programs share
 *
 * Each prints lines "key value", in plain units: seconds, bytes, or so many a second. bench.py has
 * their meaning.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/macro.h"

static inline double bench_clock(clockid_t which)
{
        struct timespec t;

        (void)clock_gettime(which, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Seconds, of a clock that only means something in differences. */
static inline double bench_now(void)
{
        return bench_clock(CLOCK_MONOTONIC);
}

/* Those that this program had a processor. */
static inline double bench_cpu(void)
{
        return bench_clock(CLOCK_PROCESS_CPUTIME_ID);
}

/* Ends the program, unless @r is 0. */
static inline void must(int r, const char *what)
{
        if (r == 0)
                return;
        (void)fprintf(stderr, "%s: %d%s%s\n", what, r, r < 0 ? " " : "", r < 0 ? strerror(-r) : "");
        exit(EXIT_FAILURE);
}

static inline void row(const char *key, double value)
{
        (void)printf("%s %.9g\n", key, value);
        (void)fflush(stdout);
}

static inline int compare_doubles(const void *a, const void *b)
{
        const double *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

static inline double median(double *values, size_t n)
{
        qsort(values, n, sizeof *values, compare_doubles);
        return values[n / 2];
}
