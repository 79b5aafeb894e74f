/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The web page's own name on the bus */

#include "bus/client-internal.h"
#include "bus/names.h"

int bus_client_web_token(struct bus_client *c, char **ret)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        const char *token;
        int r;

        sd_bus_error_free(&c->error);
        r = sd_bus_call_method(c->bus, P2PCHAT_WEB_BUS_NAME, P2PCHAT_BUS_PATH, P2PCHAT_WEB_BUS_NAME,
                "GetToken", &c->error, &reply, "");
        if (r >= 0)
                r = sd_bus_message_read(reply, "s", &token);
        if (r < 0)
                return client_fail(c, r);
        *ret = strdup(token);
        return *ret ? 0 : client_fail(c, -ENOMEM);
}
