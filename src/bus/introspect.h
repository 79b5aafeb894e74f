/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What a program has on the bus, printed without a bus
 */
#include <systemd/sd-bus.h>

/* Lets @add put its interfaces on a connection, and asks for the description of @path: XML, to be
 * freed by the caller. 0 or -errno. */
int bus_introspect_object(
        const char *path, int (*add)(sd_bus *bus, void *userdata), void *userdata, char **ret);
