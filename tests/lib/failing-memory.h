/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The n-th allocation of ours fails, libraries keep theirs
 *
 *     n_allocations = 0;
 *     fail_at = n;
 *
 * and while it is spared, what is allocated is not counted. Linked with
 * --wrap=malloc,--wrap=calloc,--wrap=realloc.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static size_t n_allocations, fail_at = SIZE_MAX;
static bool is_spared;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

static bool is_failing(void)
{
        return !is_spared && ++n_allocations == fail_at;
}

void *__wrap_malloc(size_t size)
{
        return is_failing() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
        return is_failing() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
        return is_failing() ? NULL : __real_realloc(p, size);
}
