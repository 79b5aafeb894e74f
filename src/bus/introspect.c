/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a program has on the bus: two ends of a socket pair, one of which asks the other */
#include "bus/introspect.h"

#include <sys/socket.h>

#include "base/macro.h"

static int open_end(int fd, bool server, sd_bus **ret)
{
        _cleanup_(sd_bus_unrefp)
        sd_bus *c = NULL;
        int r;

        r = sd_bus_new(&c);
        if (r >= 0)
                r = sd_bus_set_fd(c, fd, fd);
        if (r >= 0 && server)
                r = sd_bus_set_server(c, true, (sd_id128_t){ .bytes = { 1 } });
        if (r >= 0)
                r = sd_bus_set_anonymous(c, true);
        if (r >= 0)
                r = sd_bus_start(c);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

static int on_introspected(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        char **ret = userdata;
        const char *xml;

        if (!sd_bus_message_is_method_error(reply, NULL) &&
                sd_bus_message_read(reply, "s", &xml) >= 0)
                *ret = strdup(xml);
        return 0;
}

int bus_introspect_object(
        const char *path, int (*add)(sd_bus *bus, void *userdata), void *userdata, char **ret)
{
        _cleanup_(sd_bus_unrefp)
        sd_bus *server = NULL, *client = NULL;
        char *xml = NULL;
        int fds[2], r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
                return -errno;
        r = open_end(fds[0], true, &server);
        if (r >= 0)
                r = open_end(fds[1], false, &client);
        if (r >= 0)
                r = add(server, userdata);
        if (r >= 0)
                r = sd_bus_call_method_async(client, NULL, NULL, path,
                        "org.freedesktop.DBus.Introspectable", "Introspect", on_introspected, &xml,
                        "");
        for (int idle = 0; r >= 0 && !xml && idle < 2;) {
                int done = sd_bus_process(server, NULL);

                r = done < 0 ? done : sd_bus_process(client, NULL);
                idle = done > 0 || r > 0 ? 0 : idle + 1;
        }
        if (r < 0 || !xml)
                return r < 0 ? r : -EIO;
        *ret = xml;
        return 0;
}
