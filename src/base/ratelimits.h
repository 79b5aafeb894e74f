/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * So many in so long from each address
 *
 * A table of fixed size: two addresses in one place push each other out, and then a limit is
 * missed, but nobody is kept out. The key keeps others from choosing whose place they share.
 */
#include "base/endpoint.h"
#include "base/ratelimit.h"
#include "base/table.h"

struct ratelimit_at {
        uint64_t hash; /* of the address */
        struct ratelimit rate;
};

struct ratelimits {
        struct ratelimit_at *items;
        size_t n; /* a power of two */
        uint8_t key[TABLE_KEY_SIZE];
        struct ratelimit fresh; /* of an address not seen so far */
};

/* @n addresses, a power of two; of each @burst in @interval_usec. 0 or -ENOMEM. */
int ratelimits_init(struct ratelimits *s, size_t n, usec_t interval_usec, uint32_t burst,
        const uint8_t key[static TABLE_KEY_SIZE]);
void ratelimits_done(struct ratelimits *s);
/* May one more from the address of @from be looked at? */
bool ratelimits_allow(struct ratelimits *s, const struct endpoint *from, usec_t now_usec);
/* One that was allowed turned out to be none of those that are limited. */
void ratelimits_return(struct ratelimits *s, const struct endpoint *from);
