/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The way into the ring: names of hosts become places, of which the node is told
 *
 * Those of [Ring] Bootstrap= are looked up at start, when the network or the configuration has
 * changed, and every RING_AGAIN_USEC while the ring is alone: a host may have moved. As long as
 * none of them has an address, the node keeps those that it was told before.
 */
#include "base/list.h"
#include "core/node/node.h"
#include "os/config.h"
#include "os/resolve.h"

#define RING_AGAIN_USEC (5 * USEC_PER_MINUTE)
#define RING_BOOTSTRAP_MAX (2 * CONFIG_BOOTSTRAP_MAX) /* addresses of all of them */

struct manager;

struct ring {
        struct manager *manager;
        struct resolver *resolver; /* NULL: there is no ring */
        sd_event_source *again;

        struct bootstrap {
                struct ring *ring;
                struct question *question; /* NULL: answered */
                bool is_missing;           /* it was said that it has no address */
        } bootstraps[CONFIG_BOOTSTRAP_MAX];
        size_t n_open; /* of them, not answered */
        struct endpoint places[RING_BOOTSTRAP_MAX];
        size_t n_places;
        bool is_told; /* the node has some of Bootstrap= */

        struct list joins; /* of struct join: calls whose host is looked up */
};

void ring_init(struct ring *r, struct manager *m);
/* Once the node knows the network. 0 or -errno. */
int ring_start(struct ring *r);
void ring_done(struct ring *r);

/* Looks up what Bootstrap= names now. */
void ring_refresh(struct ring *r);
/* Looks up @host, tells the node, and answers @call in the end. 0, -errno, or enum refusal_code. */
int ring_join(struct ring *r, uint64_t call, const char *host, struct refusal *ret_refusal);
/* The caller of a ring_join() left. */
void ring_forget_call(struct ring *r, uint64_t call);
