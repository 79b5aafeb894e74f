/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Long work, done in slices between which everybody else is served
 *
 * A slice runs when nothing else waits, and the turn is ended before it, for who has been answered
 * need not wait for the slice; or, while there is always something else, every CHORE_WAIT_USEC.
 *
 * A source of sd_event_add_defer() at the priority of everything else would not do: it counts as
 * pending since it was made, the oldest pending source goes first, and so as long as it asks to be
 * called again nothing else of its priority is.
 */
#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/usec.h"

#define CHORE_WAIT_USEC (20 * USEC_PER_MSEC)

struct manager;

struct chore {
        struct manager *manager;
        sd_event_source *idle, *late;
        /* True: there is more. Otherwise the chore may be gone when it returns. */
        bool (*slice)(void *userdata);
        void *userdata;
};

/* Asleep at first. 0, or -errno. */
int chore_start(struct chore *c, struct manager *m, bool (*slice)(void *userdata), void *userdata);
/* There is something to do. */
void chore_wake(struct chore *c);
void chore_sleep(struct chore *c);
/* Also of one that is all zeros. */
void chore_done(struct chore *c);
