/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Announcements in and out: UDP 6000, and UDP 6004 for the second dialect
 *
 * Bound to one address (--bind=), a socket hears no broadcasts: a second one, bound to the
 * broadcast address of that network and shared with others, does.
 *
 * On IPv6, native peers alone announce, on UDP 6000 to a group of each link. Bound to one address,
 * we neither hear nor tell them.
 */
#include <systemd/sd-event.h>

#include "core/discovery/announce.h"
#include "core/node/node.h"

#define DATAGRAMS_PER_WAKE_UP 64
#define DATAGRAMS_LINKS_MAX 64 /* on which the group is heard */

/* ff12::7032:7063 */
#define DATAGRAMS_GROUP                                                                            \
        ((struct endpoint){ .family = ENDPOINT_IPV6,                                               \
                .address = { 0xff, 0x12, [12] = 0x70, [13] = 0x32, 0x70, 0x63 } })

struct manager;
struct datagrams;

struct datagram_socket {
        struct datagrams *owner;
        enum dialect dialect;
        int fd;
        sd_event_source *io;
};

struct datagrams {
        struct manager *manager;
        struct datagram_socket own[N_DIALECTS], broadcast[N_DIALECTS];
        struct datagram_socket ipv6;
        int send_error[N_DIALECTS];          /* of the last announcement, 0: it went */
        int send_error_ipv6;                 /* the same */
        usec_t sent_usec[N_DIALECTS];        /* realtime of the last one that went, 0: none */
        uint32_t links[DATAGRAMS_LINKS_MAX]; /* interfaces on which the group is heard */
        size_t n_links;
};

void datagrams_init(struct datagrams *d, struct manager *m);
/* Takes the descriptors that are none, and opens what is missing. A port that cannot be had is
 * logged and not an error: chatting goes on. 0, or -errno when we failed. */
int datagrams_start(struct datagrams *d, int *classic, int *ipv6, int *second);
void datagrams_done(struct datagrams *d);
/* Hears the group of IPv6 where we announce to it, and nowhere else. */
void datagrams_listen(struct datagrams *d, const struct interface *interfaces, size_t n);

void datagrams_send(struct datagrams *d, enum dialect dialect, uint32_t interface,
        const struct endpoint *to, const void *data, size_t size);
uint16_t datagrams_port(enum dialect dialect);
