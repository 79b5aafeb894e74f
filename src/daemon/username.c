/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The username that a machine has before anybody gave it one */
#include <stdio.h>
#include <strings.h>

#include "daemon/username.h"

void username_default(const char *host, const char *id, char ret[static USERNAME_SIZE_MAX + 1])
{
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789_-";
        size_t size = MIN(strcspn(host, "."), (size_t)USERNAME_SIZE_MAX);

        for (size_t i = 0; i < size; i++)
                ret[i] = '-';
        for (size_t i = 0; i < size; i++)
                if (strchr(allowed, host[i]))
                        ret[i] = host[i];
        ret[size] = 0;
        if (size < USERNAME_SIZE_MIN || strcasecmp(ret, "localhost") == 0)
                (void)snprintf(ret, USERNAME_SIZE_MAX + 1, "user-%.4s", id);
}
