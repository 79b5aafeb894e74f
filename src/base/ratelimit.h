/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * So many in so long: a token bucket that is told the time
 */
#include <stdbool.h>

#include "base/usec.h"

struct ratelimit {
        usec_t interval_usec; /* in which ... */
        uint32_t burst;       /* ... so many are allowed */
        uint32_t n;           /* used since begin */
        usec_t begin_usec;
        uint64_t n_refused; /* since it was last taken by ratelimit_take_refused() */
};

static inline bool ratelimit_allow(struct ratelimit *r, usec_t now_usec)
{
        if (r->begin_usec == 0 || now_usec >= usec_add(r->begin_usec, r->interval_usec)) {
                r->begin_usec = now_usec;
                r->n = 0;
        }
        if (r->n >= r->burst) {
                r->n_refused++;
                return false;
        }
        r->n++;
        return true;
}

/* One that was allowed turned out to be none of those that are limited. */
static inline void ratelimit_return(struct ratelimit *r)
{
        if (r->n > 0)
                r->n--;
}

static inline uint64_t ratelimit_take_refused(struct ratelimit *r)
{
        uint64_t n = r->n_refused;

        r->n_refused = 0;
        return n;
}
