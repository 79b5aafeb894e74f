/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What groups need of the world: what is stored of them, at start and for other members
 */
#include <systemd/sd-event.h>

#include "core/node/node.h"

struct manager;

/* A message that a member wants. */
struct team_wish {
        uint64_t group, number;
        struct group_lane_id lane;
        struct group_key peer;
};

struct team_host {
        struct manager *manager;
        struct team_wish *wishes;
        size_t n_wishes, n_allocated;
        sd_event_source *load;
};

void team_host_init(struct team_host *h, struct manager *m);
int team_host_start(struct team_host *h);
void team_host_done(struct team_host *h);
/* All groups, into the node. 0 or -errno. */
int team_host_restore(struct team_host *h);
/* EFFECT_LOAD_GROUP_MESSAGE. 0 or -errno. */
int team_host_load_message(struct team_host *h, const struct effect *e);
