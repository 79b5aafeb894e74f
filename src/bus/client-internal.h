/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files client*.c (calls) and watch.c (signals) share */

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

/* All return 0, or a negative errno with the details in the client. */
int client_fail(struct bus_client *c, int r);
int client_new_call(
        struct bus_client *c, const char *interface, const char *member, sd_bus_message **ret);
/* @timeout_usec 0: the library's default; USEC_INFINITY: none. */
int client_finish_call(
        struct bus_client *c, sd_bus_message *call, usec_t timeout_usec, sd_bus_message **ret);
/* A call with the arguments that @types describes. */
int client_call(struct bus_client *c, const char *interface, const char *member,
        sd_bus_message **ret, const char *types, ...);
/* Hands out an answer that is one array, opened for reading. */
int client_take_rows(
        struct bus_client *c, sd_bus_message *reply, const char *contents, sd_bus_message **ret);
/* The text that an answer consists of, in a variant or not. */
int client_take_text(struct bus_client *c, sd_bus_message *reply, bool variant, char **ret);
