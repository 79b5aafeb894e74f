/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Small helpers of the language
 *
 * _cleanup_(f) runs f(&variable) when the variable leaves its scope; DEFINE_CLEANUP(T, f) makes the
 * f##p that it wants from a destructor f(T). TAKE_PTR and TAKE_FD give a value away.
 */
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))

#define DEFINE_CLEANUP(type, function)                                                             \
        static inline void function##p(type *p)                                                    \
        {                                                                                          \
                if (*p)                                                                            \
                        function(*p);                                                              \
        }

#define TAKE_PTR(p)                                                                                \
        ({                                                                                         \
                __typeof__(p) *_pp = &(p), _p = *_pp;                                              \
                *_pp = NULL;                                                                       \
                _p;                                                                                \
        })

#define TAKE_FD(fd)                                                                                \
        ({                                                                                         \
                int *_pfd = &(fd), _fd = *_pfd;                                                    \
                *_pfd = -EBADF;                                                                    \
                _fd;                                                                               \
        })

/* The unused branch is there for the compiler to compare the types. */
#define container_of(ptr, type, member)                                                            \
        ((type *)((char *)(1 ? (ptr) : &((type *)0)->member) - offsetof(type, member)))

#define ELEMENTSOF(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)                                                                                  \
        ({                                                                                         \
                __typeof__(a) _min_a = (a);                                                        \
                __typeof__(b) _min_b = (b);                                                        \
                _min_a < _min_b ? _min_a : _min_b;                                                 \
        })
#define MAX(a, b)                                                                                  \
        ({                                                                                         \
                __typeof__(a) _max_a = (a);                                                        \
                __typeof__(b) _max_b = (b);                                                        \
                _max_a > _max_b ? _max_a : _max_b;                                                 \
        })

static inline void freep(void *p)
{
        free(*(void **)p);
}

static inline bool streq(const char *a, const char *b)
{
        return strcmp(a, b) == 0;
}
