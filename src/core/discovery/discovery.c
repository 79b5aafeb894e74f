/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is near, and when to say that we are */
#include "core/discovery/discovery.h"

static const usec_t age_max_usec[N_PRESENCES][N_NEIGHBOUR_KINDS] = {
        [PRESENCE_ONLINE] = { ONLINE_USEC, NATIVE_ONLINE_USEC },
        [PRESENCE_AWAY] = { AWAY_USEC, AWAY_USEC },
        [PRESENCE_OFFLINE] = { USEC_INFINITY, USEC_INFINITY },
};

int discovery_init(struct discovery *d, bool announces, const uint8_t key[static TABLE_KEY_SIZE])
{
        int r;

        *d = (struct discovery){
                .announces = announces,
                .next_announce_usec = USEC_INFINITY,
                .welcomes = { .interval_usec = USEC_PER_SEC, .burst = WELCOME_RATE_MAX },
        };
        for (int p = 0; p < N_PRESENCES; p++)
                for (int k = 0; k < N_NEIGHBOUR_KINDS; k++)
                        list_init(&d->by_age[p][k]);
        list_init(&d->held);
        r = ratelimits_init(&d->heard_from, SOURCES_MAX, USEC_PER_SEC, ANNOUNCE_RATE_MAX, key);
        if (r == 0)
                r = ratelimits_init(&d->welcomed, SOURCES_MAX, ANNOUNCE_INTERVAL_USEC, 1, key);
        return r;
}

void discovery_done(struct discovery *d)
{
        ratelimits_done(&d->heard_from);
        ratelimits_done(&d->welcomed);
}

bool discovery_admit(struct discovery *d, const struct endpoint *from, usec_t now_usec)
{
        return ratelimits_allow(&d->heard_from, from, now_usec);
}

bool discovery_welcome(struct discovery *d, const struct endpoint *from, usec_t now_usec)
{
        /* Who is one too many hears us at the latest when he could be welcomed again. */
        return d->announces && ratelimits_allow(&d->welcomed, from, now_usec) &&
               ratelimit_allow(&d->welcomes, now_usec);
}

static enum neighbour_kind kind_of(const struct neighbour *b)
{
        return b->is_native ? NEIGHBOUR_NATIVE : NEIGHBOUR_CLASSIC;
}

static void place(struct discovery *d, struct neighbour *b, enum presence presence)
{
        struct list *head = &d->by_age[presence][kind_of(b)], *after;

        if (presence == PRESENCE_OFFLINE)
                head = &d->by_age[presence][NEIGHBOUR_CLASSIC];
        if (b->is_held)
                head = &d->held;

        list_remove(&b->aged);
        after = head;
        /* Nearly always at the end. Of those offline or held nobody waits for the next. */
        while (presence != PRESENCE_OFFLINE && !b->is_held && after->prev != head &&
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

        while (presence != PRESENCE_OFFLINE && age_usec >= age_max_usec[presence][kind_of(b)])
                presence--;
        list_init(&b->aged);
        b->heard_usec = heard_usec;
        b->presence = PRESENCE_OFFLINE;
        b->is_held = false;
        place(d, b, presence);
}

void discovery_remove(struct discovery *d, struct neighbour *b)
{
        d->n_online -= b->presence == PRESENCE_ONLINE;
        b->presence = PRESENCE_OFFLINE;
        b->is_held = false;
        list_remove(&b->aged);
}

void discovery_set_native(struct discovery *d, struct neighbour *b)
{
        b->is_native = true;
        place(d, b, b->presence);
}

void discovery_hear(struct discovery *d, struct neighbour *b, usec_t now_usec)
{
        b->heard_usec = now_usec;
        place(d, b, PRESENCE_ONLINE);
}

void discovery_hold(struct discovery *d, struct neighbour *b, usec_t now_usec)
{
        b->is_held = true;
        discovery_hear(d, b, now_usec);
}

void discovery_release(struct discovery *d, struct neighbour *b, usec_t now_usec)
{
        if (!b->is_held)
                return;
        b->is_held = false;
        discovery_hear(d, b, now_usec);
}

static struct neighbour *first_of(const struct list *head)
{
        struct list *first = list_first(head);

        return first ? container_of(first, struct neighbour, aged) : NULL;
}

struct neighbour *discovery_next_aged(struct discovery *d, usec_t now_usec)
{
        for (enum presence p = PRESENCE_ONLINE; p != PRESENCE_OFFLINE; p--)
                for (int k = 0; k < N_NEIGHBOUR_KINDS; k++) {
                        struct neighbour *b = first_of(&d->by_age[p][k]);

                        if (b && now_usec >= usec_add(b->heard_usec, age_max_usec[p][k])) {
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

        for (enum presence p = PRESENCE_ONLINE; p != PRESENCE_OFFLINE; p--)
                for (int k = 0; k < N_NEIGHBOUR_KINDS; k++) {
                        struct neighbour *b = first_of(&d->by_age[p][k]);

                        if (b)
                                deadline_usec = usec_min(
                                        deadline_usec, usec_add(b->heard_usec, age_max_usec[p][k]));
                }
        return deadline_usec;
}
