/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* So many in so long from each address */
#include "base/ratelimits.h"

int ratelimits_init(struct ratelimits *s, size_t n, usec_t interval_usec, uint32_t burst,
        const uint8_t key[static TABLE_KEY_SIZE])
{
        assert(n > 0 && (n & (n - 1)) == 0);
        *s = (struct ratelimits){
                .items = calloc(n, sizeof *s->items),
                .n = n,
                .fresh = { .interval_usec = interval_usec, .burst = burst },
        };
        memcpy(s->key, key, sizeof s->key);
        return s->items ? 0 : -ENOMEM;
}

void ratelimits_done(struct ratelimits *s)
{
        free(s->items);
        s->items = NULL;
}

static struct ratelimit_at *place_of(
        struct ratelimits *s, const struct endpoint *from, uint64_t *ret_hash)
{
        *ret_hash = siphash(s->key, from->address, sizeof from->address);
        return &s->items[*ret_hash & (s->n - 1)];
}

bool ratelimits_allow(struct ratelimits *s, const struct endpoint *from, usec_t now_usec)
{
        uint64_t hash;
        struct ratelimit_at *i = place_of(s, from, &hash);

        if (i->rate.burst == 0 || i->hash != hash)
                *i = (struct ratelimit_at){ .hash = hash, .rate = s->fresh };
        return ratelimit_allow(&i->rate, now_usec);
}

void ratelimits_return(struct ratelimits *s, const struct endpoint *from)
{
        uint64_t hash;
        struct ratelimit_at *i = place_of(s, from, &hash);

        if (i->hash == hash)
                ratelimit_return(&i->rate);
}
