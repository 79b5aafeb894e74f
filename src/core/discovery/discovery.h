/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Who is near, and when to say that we are
 *
 * Everybody who was ever heard is a struct neighbour inside something bigger. As the same ages hold
 * for all of a kind, a list in the order of hearing for each kind and age is all the timers that
 * are needed: the head of each is always the next to age. Who is held does not age.
 */
#include "base/endpoint.h"
#include "base/list.h"
#include "base/ratelimits.h"
#include "core/discovery/announce.h"

#define ANNOUNCE_INTERVAL_USEC (8 * USEC_PER_SEC)
#define ONLINE_USEC (10 * USEC_PER_SEC)        /* heard within: online */
#define NATIVE_ONLINE_USEC (18 * USEC_PER_SEC) /* the same for a native peer */
#define AWAY_USEC (900 * USEC_PER_SEC)         /* heard within: away, and listed */

#define ANNOUNCE_RATE_MAX 20 /* announcements heard a second from one address */
#define SOURCES_MAX 2048     /* addresses whose rate is watched at a time; a power of two */
#define WELCOME_RATE_MAX 20  /* newcomers who are answered a second */

struct neighbour {
        struct list aged;
        usec_t heard_usec; /* 0: not within reach of the clock */
        enum presence presence;
        bool is_native; /* proven to be: it is given more time */
        bool is_held;   /* online, whether heard or not */
};

enum neighbour_kind {
        NEIGHBOUR_CLASSIC,
        NEIGHBOUR_NATIVE,
        N_NEIGHBOUR_KINDS,
};

struct discovery {
        /* Of struct neighbour, longest unheard first. All who are offline are in the first one. */
        struct list by_age[N_PRESENCES][N_NEIGHBOUR_KINDS];
        struct list held;
        size_t n_online; /* with those who are held */
        bool announces;
        usec_t next_announce_usec;    /* USEC_INFINITY: not at all */
        usec_t first_announce_usec;   /* 0: not yet */
        struct ratelimits heard_from; /* announcements of each address */
        struct ratelimits welcomed;   /* one address at a time, */
        struct ratelimit welcomes;    /* and all of them */
};

/* @key keeps others from choosing whose rate limit they share. 0 or -ENOMEM. */
int discovery_init(struct discovery *d, bool announces, const uint8_t key[static TABLE_KEY_SIZE]);
void discovery_done(struct discovery *d);

/* May one more announcement from this address be looked at? */
bool discovery_admit(struct discovery *d, const struct endpoint *from, usec_t now_usec);
/* A newcomer at this address need not wait for the next announcement: may it be told of us now? */
bool discovery_welcome(struct discovery *d, const struct endpoint *from, usec_t now_usec);

/* Starts watching @b, last heard at @heard_usec; its presence follows from that. With many at once
 * it is quicker in the order of heard_usec. */
void discovery_add(struct discovery *d, struct neighbour *b, usec_t heard_usec, usec_t now_usec);
void discovery_remove(struct discovery *d, struct neighbour *b);
/* It has proven to be native. */
void discovery_set_native(struct discovery *d, struct neighbour *b);
/* Heard just now: online. */
void discovery_hear(struct discovery *d, struct neighbour *b, usec_t now_usec);
/* There is a session with @b: it is online until it is released, and was heard until then. */
void discovery_hold(struct discovery *d, struct neighbour *b, usec_t now_usec);
/* Harmless when it is not held. */
void discovery_release(struct discovery *d, struct neighbour *b, usec_t now_usec);
/* The next one whose presence has just fallen, or NULL when all are up to date. */
struct neighbour *discovery_next_aged(struct discovery *d, usec_t now_usec);

/* The network or our name changed: announce at the next opportunity. */
void discovery_announce_soon(struct discovery *d, usec_t now_usec);
/* True once per interval, when it is time to announce. */
bool discovery_announce_due(struct discovery *d, usec_t now_usec);

usec_t discovery_deadline(const struct discovery *d);
