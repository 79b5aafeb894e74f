/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * From the chat service to bubbles, and back
 *
 *     service ──feed──► conversation ──► bubble ──► notification server
 *        ▲                                  │
 *        └── SendMessage, Mute ◄── reply, buttons
 *
 * What came while nobody was logged in is summed up in one bubble at the start; afterwards each
 * message is shown, also those that came while the service or its bus was away. A conversation in
 * which somebody of this machine writes is read.
 */
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "base/macro.h"

struct notifier;

struct notifier_options {
        const char *where; /* the bus of the service; borrowed */
        bool is_private;   /* who, but not what */
};

/* @session: the user's own bus, attached to @event. 0 or -errno, logged; -EBUSY: another one runs
 * for this user. */
int notifier_new(const struct notifier_options *options, sd_event *event, sd_bus *session,
        struct notifier **ret);
/* From here on the loop of @event does all. It ends with 0 when there is nothing to be done for
 * this user. */
int notifier_start(struct notifier *n);
struct notifier *notifier_free(struct notifier *n);
DEFINE_CLEANUP(struct notifier *, notifier_free)
