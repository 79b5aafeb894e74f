/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Erases messages that have grown too old ([History] MaxAge=, Keep=none)
 *
 * Ages are told by the wall clock, which somebody may set. What is erased does not come back, so a
 * clock that was set is believed when it has gone on for an hour, or for the age itself where that
 * is less. At the start it is believed: nobody else tells how long we were away.
 */
#include <systemd/sd-event.h>

#include "base/usec.h"

struct manager;

/* The wall clock beside one that nobody sets. */
struct wall_clock {
        struct now last;      /* real_usec 0: was never looked at */
        usec_t believed_usec; /* mono: from when on */
};
/* For how long it is not to be believed yet: 0 when it is. */
usec_t wall_clock_wait(struct wall_clock *c, struct now now, usec_t patience_usec);

struct retention {
        struct manager *manager;
        sd_event_source *timer; /* NULL: messages have no age */
        struct wall_clock clock;
};

/* Looks at once. 0 or -errno. */
int retention_start(struct retention *r, struct manager *m);
void retention_done(struct retention *r);
/* Messages have ended in this turn. 0 or -errno. */
int retention_look(struct retention *r);
