/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What client.c (calls) and watch.c (signals) share */

#include "bus/client.h"

struct bus_client {
        sd_bus *bus;
        bool autostart;
        sd_bus_error error; /* of the last call */

        const struct bus_client_signals *signals;
        void *userdata;
        char *owner; /* unique name of the service, NULL while it is away */
        sd_bus_slot *slots[3];
};
