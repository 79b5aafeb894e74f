/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Commands behind a command */

#include <strings.h>

#include "cli/command.h"

static int usage(const char *command, const struct command_part *part)
{
        return cli_usage("usage: p2pchat %s %s%s%s", command, part->name,
                part->arguments[0] ? " " : "", part->arguments);
}

int part_run(struct cli *cli, const char *command, const struct command_part *parts, size_t n,
        const struct arguments *a)
{
        const struct command_part *part = a->n_words == 0 ? parts : NULL;
        struct bus_client *client;
        int r;

        for (size_t i = 0; i < n && !part; i++)
                if (strcasecmp(a->words[0], parts[i].name) == 0)
                        part = &parts[i];
        if (!part)
                return cli_usage("%s: there is no '%s'; see: p2pchat help %s", command, a->words[0],
                        command);
        if ((a->n_words > 0 && a->n_words < part->n_words_min) || a->n_words > part->n_words_max ||
                a->given & ~part->options || (part->fits && !part->fits(a)))
                return usage(command, part);
        r = cli_client(cli, &client);
        return r != 0 ? r : part->run(cli, client, a);
}

void part_complete(const struct command_part *parts, size_t n, const char *prefix,
        command_emit_t emit, void *userdata)
{
        for (size_t i = 0; i < n; i++)
                if (strncasecmp(parts[i].name, prefix, strlen(prefix)) == 0)
                        emit(parts[i].name, userdata);
}
