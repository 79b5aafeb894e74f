/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is near, and when to say that we are */
#include "core/discovery/discovery.h"

static const usec_t age_max_usec[N_PRESENCES] = {
        [PRESENCE_ONLINE] = ONLINE_USEC,
        [PRESENCE_AWAY] = AWAY_USEC,
        [PRESENCE_OFFLINE] = USEC_INFINITY,
};

int discovery_init(struct discovery *d, bool announces, const uint8_t key[static TABLE_KEY_SIZE])
{
        *d = (struct discovery){
                .announces = announces,
                .next_announce_usec = USEC_INFINITY,
        };
        for (int i = 0; i < N_PRESENCES; i++)
                list_init(&d->by_age[i]);
        memcpy(d->key, key, sizeof d->key);
        d->sources = calloc(SOURCES_MAX, sizeof *d->sources);
        return d->sources ? 0 : -ENOMEM;
}

void discovery_done(struct discovery *d)
{
        free(d->sources);
        d->sources = NULL;
}

bool discovery_admit(struct discovery *d, const struct endpoint *from, usec_t now_usec)
{
        uint64_t hash = siphash(d->key, from->address, sizeof from->address);
        struct source *s = &d->sources[hash % SOURCES_MAX];

        /* Two addresses in one place push each other out: then a limit is missed, nobody is. */
        if (s->hash != hash)
                *s = (struct source){
                        .hash = hash,
                        .rate = { .interval_usec = USEC_PER_SEC, .burst = ANNOUNCE_RATE_MAX },
                };
        return ratelimit_allow(&s->rate, now_usec);
}

static void place(struct discovery *d, struct neighbour *b, enum presence presence)
{
        struct list *after = &d->by_age[presence];

        list_remove(&b->aged);
        /* Nearly always at the end. Of those offline nobody waits for the next. */
        while (presence != PRESENCE_OFFLINE && after->prev != &d->by_age[presence] &&
                container_of(after->prev, struct neighbour, aged)->heard_usec > b->heard_usec)
                after = after->prev;
        list_append(after, &b->aged);
        d->n_online += (presence == PRESENCE_ONLINE) - (b->presence == PRESENCE_ONLINE);
        b->presence = presence;
}

void discovery_add(struct discovery *d, struct neighbour *b, usec_t heard_usec, usec_t now_usec)
{
        usec_t age_usec = usec_sub(now_usec, heard_usec);
        enum presence presence = PRESENCE_ONLINE;

        while (presence != PRESENCE_OFFLINE && age_usec >= age_max_usec[presence])
                presence--;
        list_init(&b->aged);
        b->heard_usec = heard_usec;
        b->presence = PRESENCE_OFFLINE;
        place(d, b, presence);
}

void discovery_remove(struct discovery *d, struct neighbour *b)
{
        d->n_online -= b->presence == PRESENCE_ONLINE;
        b->presence = PRESENCE_OFFLINE;
        list_remove(&b->aged);
}

void discovery_hear(struct discovery *d, struct neighbour *b, usec_t now_usec)
{
        b->heard_usec = now_usec;
        place(d, b, PRESENCE_ONLINE);
}

struct neighbour *discovery_next_aged(struct discovery *d, usec_t now_usec)
{
        for (enum presence p = PRESENCE_ONLINE; p != PRESENCE_OFFLINE; p--) {
                struct list *first = list_first(&d->by_age[p]);
                struct neighbour *b = first ? container_of(first, struct neighbour, aged) : NULL;

                if (b && now_usec >= usec_add(b->heard_usec, age_max_usec[p])) {
                        place(d, b, p - 1);
                        return b;
                }
        }
        return NULL;
}

void discovery_announce_soon(struct discovery *d, usec_t now_usec)
{
        if (d->announces)
                d->next_announce_usec = now_usec;
}

bool discovery_announce_due(struct discovery *d, usec_t now_usec)
{
        if (now_usec < d->next_announce_usec)
                return false;
        d->next_announce_usec = usec_add(now_usec, ANNOUNCE_INTERVAL_USEC);
        if (d->first_announce_usec == 0)
                d->first_announce_usec = now_usec;
        return true;
}

usec_t discovery_deadline(const struct discovery *d)
{
        usec_t deadline_usec = d->next_announce_usec;

        for (enum presence p = PRESENCE_ONLINE; p != PRESENCE_OFFLINE; p--) {
                struct list *first = list_first(&d->by_age[p]);

                if (first)
                        deadline_usec = usec_min(deadline_usec,
                                usec_add(container_of(first, struct neighbour, aged)->heard_usec,
                                        age_max_usec[p]));
        }
        return deadline_usec;
}
