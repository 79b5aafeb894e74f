/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Where others connect: TCP port 6001, and the port of the third dialect
 */
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct manager;

struct listener {
        struct manager *manager;
        uint16_t port;
        bool is_third;
        int fd; /* -EBADF: not started */
        sd_event_source *io;
        sd_event_source *pause; /* accepting again, after we ran out of descriptors */
};

void listener_init(struct listener *l, struct manager *m, bool is_third);
/* Takes *@fd, or opens a socket of its own where that is none. Logs; 0 or -errno. */
int listener_start(struct listener *l, uint16_t port, int *fd);
void listener_done(struct listener *l);
