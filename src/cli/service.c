/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Commands about the service: name, status */

#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>

#include "base/text.h"
#include "cli/command.h"
#include "cli/dictionary.h"
#include "cli/format.h"
#include "cli/json.h"

int run_name(struct cli *cli, const struct arguments *a)
{
        _cleanup_(freep)
        char *name = NULL, *shown = NULL;
        struct bus_client *client;
        int r;

        r = cli_client(cli, &client);
        if (r != 0)
                return r;
        if (a->n_words > 0)
                return bus_client_set_username(client, a->words[0]) < 0 ? cli_call_failed(client)
                                                                        : EXIT_DONE;

        if (bus_client_get_text(client, "Username", &name) < 0)
                return cli_call_failed(client);
        if (cli->json)
                return cli_print_json(json_username(name));
        shown = format_escape(name, ESCAPE_LINE);
        puts(shown ? shown : "?");
        return EXIT_DONE;
}

static const struct dictionary_label labels[] = {
        { "username", "Username", VALUE_PLAIN },
        { "word", "Name with id", VALUE_PLAIN },
        { "id", "Identity", VALUE_PLAIN },
        { "version", "Version", VALUE_PLAIN },
        { "started", "Running since", VALUE_TIME },
        { "users_online", "Users online", VALUE_PLAIN },
        { "users_known", "Users known", VALUE_PLAIN },
        { "messages_queued", "Messages queued", VALUE_PLAIN },
        { "groups", "Groups", VALUE_PLAIN },
        { "invitations", "Invitations", VALUE_PLAIN },
        { "last_sequence", "Last sequence", VALUE_PLAIN },
        { "links", "Connections", VALUE_PLAIN },
        { "sessions", "Encrypted sessions", VALUE_PLAIN },
        { "ring", "Ring", VALUE_PLAIN },
        { "ledger", "Ledger", VALUE_PLAIN },
        { "files", "Files under way", VALUE_PLAIN },
        { "spool", "Spool", VALUE_PLAIN },
        { "sockets", "Ports", VALUE_PLAIN },
        { "keep", "Kept of messages", VALUE_PLAIN },
        { "store", "Database", VALUE_PLAIN },
        { "log", "Log file", VALUE_PLAIN },
        { "journal_lost", "Lost to the journal", VALUE_PLAIN },
        { "warnings", "Warnings", VALUE_SENTENCES },
};

/* Three entries become one line: "member, about 12 nodes, joined". */
static int unite_ring(struct json_object *status)
{
        struct json_object *state, *members, *joined, *line;
        char text[128];

        if (!json_object_object_get_ex(status, "ring_state", &state) ||
                !json_object_object_get_ex(status, "ring_members", &members) ||
                !json_object_object_get_ex(status, "ring_joined", &joined))
                return 0;
        if (streq(json_object_get_string(state), "off"))
                (void)snprintf(text, sizeof text, "off");
        else
                (void)snprintf(text, sizeof text, "%.20s, about %" PRIu64 " node%s, %s",
                        json_object_get_string(state), json_object_get_uint64(members),
                        json_object_get_uint64(members) == 1 ? "" : "s",
                        json_object_get_boolean(joined) ? "joined" : "local network only");
        line = json_object_new_string(text);
        if (!line || json_object_object_add(status, "ring", line) < 0)
                return -ENOMEM;
        json_object_object_del(status, "ring_state");
        json_object_object_del(status, "ring_members");
        json_object_object_del(status, "ring_joined");
        return 0;
}

/* The same: "acme#k3f7q2mxabcdefghijklmnopqm, block 12, own name registered". */
static int unite_ledger(struct json_object *status)
{
        struct json_object *network, *height, *registration, *line;
        const char *own;
        char text[192];

        if (!json_object_object_get_ex(status, "ledger_network", &network) ||
                !json_object_object_get_ex(status, "ledger_height", &height) ||
                !json_object_object_get_ex(status, "ledger_registration", &registration))
                return 0;
        own = json_object_get_string(registration);
        if (json_object_get_string_len(network) == 0)
                (void)snprintf(text, sizeof text, "off");
        else
                (void)snprintf(text, sizeof text, "%.100s, block %" PRIu64 ", own name %.20s",
                        json_object_get_string(network), json_object_get_uint64(height),
                        streq(own, "none") ? "not registered" : own);
        line = json_object_new_string(text);
        if (!line || json_object_object_add(status, "ledger", line) < 0)
                return -ENOMEM;
        json_object_object_del(status, "ledger_network");
        json_object_object_del(status, "ledger_height");
        json_object_object_del(status, "ledger_registration");
        return 0;
}

/* The same twice: "2, 20 MiB", and "20 MiB of 16 GiB". */
static int unite_files(struct json_object *status)
{
        static const char *const keys[] = { "files", "files_size", "spool_size", "spool_max" };
        char texts[2][64], sizes[3][SIZE_STRING_MAX];
        struct json_object *values[ELEMENTSOF(keys)], *files, *spool;

        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (!json_object_object_get_ex(status, keys[i], &values[i]))
                        return 0;
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++)
                size_format(json_object_get_uint64(values[i + 1]), sizes[i]);
        (void)snprintf(texts[0], sizeof texts[0], "%" PRIu64 ", %s",
                json_object_get_uint64(values[0]), sizes[0]);
        (void)snprintf(texts[1], sizeof texts[1], "%s of %s", sizes[1], sizes[2]);
        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                json_object_object_del(status, keys[i]);
        files = json_object_new_string(texts[0]);
        if (!files || json_object_object_add(status, "files", files) < 0)
                return -ENOMEM;
        spool = json_object_new_string(texts[1]);
        return !spool || json_object_object_add(status, "spool", spool) < 0 ? -ENOMEM : 0;
}

static int unite(struct json_object *status)
{
        int r = unite_ring(status);

        if (r >= 0)
                r = unite_ledger(status);
        return r < 0 ? r : unite_files(status);
}

int run_status(struct cli *cli, const struct arguments *a)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL;
        struct bus_client *client;
        int r;

        r = cli_client(cli, &client);
        if (r != 0)
                return r;
        if (bus_client_status(client, &m) < 0)
                return cli_call_failed(client);
        return dictionary_show(cli, m, labels, ELEMENTSOF(labels), unite);
}
