/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Our addresses, and where announcements go from them: at start and whenever that changes
 *
 * One announcement to 255.255.255.255 from each interface that can broadcast, and one to the group
 * of native peers from each that has a link-local address of IPv6; [Lan] Interfaces= chooses among
 * them, [Lan] Broadcast= adds directed addresses. Bound to one address, there is that one alone.
 */
#include <systemd/sd-event.h>

#include "core/node/node.h"

struct manager;

struct network {
        struct manager *manager;
        int fd; /* news about interfaces */
        sd_event_source *io, *settle;
        struct interface *interfaces; /* as the node knows them */
        size_t n_interfaces;
};

void network_init(struct network *n, struct manager *m);
/* Looks at the interfaces. 0 or -errno. */
int network_prepare(struct network *n);
/* Tells the node, and watches from now on. 0 or -errno. */
int network_start(struct network *n);
/* Looks again soon. */
void network_refresh(struct network *n);
void network_done(struct network *n);

/* Bound to one address: the broadcast address of its network. False if there is none. */
bool network_broadcast(const struct network *n, struct endpoint *ret);
/* Addresses from which announcements go. */
size_t network_n_announcing(const struct network *n);
