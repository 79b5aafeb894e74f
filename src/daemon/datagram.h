/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Announcements in and out: UDP 6000, and UDP 6004 for the second dialect
 *
 * Bound to one address (--bind=), a socket hears no broadcasts: a second one, bound to the
 * broadcast address of that network and shared with others, does.
 */
#include <systemd/sd-event.h>

#include "core/discovery/announce.h"
#include "core/node/effect.h"

#define DATAGRAMS_PER_WAKE_UP 64

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
        int send_error[N_DIALECTS];   /* of the last announcement, 0: it went */
        usec_t sent_usec[N_DIALECTS]; /* realtime of the last one that went, 0: none */
};

void datagrams_init(struct datagrams *d, struct manager *m);
/* Takes the descriptors that are none, and opens what is missing. A port that cannot be had is
 * logged and not an error: chatting goes on. 0, or -errno when we failed. */
int datagrams_start(struct datagrams *d, int *classic, int *second);
void datagrams_done(struct datagrams *d);

void datagrams_send(struct datagrams *d, enum dialect dialect, uint32_t interface,
        const struct endpoint *to, const void *data, size_t size);
uint16_t datagrams_port(enum dialect dialect);
