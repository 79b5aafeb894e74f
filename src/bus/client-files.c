/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The service as its clients see it: calls about files */

#include "bus/client-internal.h"
#include "bus/names.h"

#define FILES P2PCHAT_BUS_FILES_INTERFACE

/* A whole file is written, perhaps a large one to a slow disk. */
#define HAND_OVER_USEC (60 * 60 * USEC_PER_SEC)

int bus_file_next(sd_bus_message *m, struct bus_file *ret)
{
        struct bus_file f;
        int r = sd_bus_message_read(m, "(" P2PCHAT_BUS_FILE_ROW ")", &f.id, &f.user, &f.name,
                &f.size, &f.done, &f.direction, &f.state);

        if (r > 0)
                *ret = f;
        return r;
}

int bus_client_file_list(struct bus_client *c, sd_bus_message **ret)
{
        sd_bus_message *reply = NULL;
        int r = client_call(c, FILES, "List", &reply, "");

        return r < 0 ? r : client_take_rows(c, reply, "(" P2PCHAT_BUS_FILE_ROW ")", ret);
}

int bus_client_file_send(
        struct bus_client *c, const char *user, const char *name, int fd, char **ret_id)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        int r = client_call(c, FILES, "Send", &reply, "ssh", user, name, fd);

        return r < 0 ? r : client_take_text(c, reply, false, ret_id);
}

int bus_client_file_accept(struct bus_client *c, const char *id, int fd)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = client_new_call(c, FILES, "Accept", &m);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "sh", id, fd);
        return r < 0 ? client_fail(c, r) : client_finish_call(c, m, HAND_OVER_USEC, &reply);
}

int bus_client_file_reject(struct bus_client *c, const char *id)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;

        return client_call(c, FILES, "Reject", &reply, "s", id);
}

int bus_client_file_cancel(struct bus_client *c, const char *id)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;

        return client_call(c, FILES, "Cancel", &reply, "s", id);
}
