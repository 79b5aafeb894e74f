/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Commands about the ring: join, leave, find, ring */

#include <json-c/json.h>
#include <stdio.h>

#include "base/buffer.h"
#include "cli/command.h"
#include "cli/dictionary.h"
#include "cli/format.h"
#include "cli/json.h"

#define FOUND_COLUMNS 3
#define ID_SHOWN 8
#define ENDPOINTS_SIZE_MAX 4096

/* What others write from now on is good to know. */
static int report_joined(struct bus_client *client)
{
        _cleanup_(freep)
        char *name = NULL, *id = NULL, *shown = NULL, *shown_id = NULL;

        if (bus_client_get_text(client, "Username", &name) < 0 ||
                bus_client_get_text(client, "Id", &id) < 0)
                return cli_call_failed(client);
        shown = format_escape(name, ESCAPE_LINE);
        shown_id = format_escape(id, ESCAPE_LINE);
        if (!shown || !shown_id)
                return cli_error_errno(-ENOMEM, "cannot show the name");
        printf("Joined; others find this machine as %s#%.*s.\n", shown, ID_SHOWN, shown_id);
        return EXIT_DONE;
}

int run_join(struct cli *cli, const struct arguments *a)
{
        struct bus_client *client;
        int r;

        r = cli_client(cli, &client);
        if (r != 0)
                return r;
        if (bus_client_ring_join(client, a->words[0]) < 0)
                return cli_call_failed(client);
        return cli->json ? EXIT_DONE : report_joined(client);
}

int run_leave(struct cli *cli, const struct arguments *a)
{
        struct bus_client *client;
        int r;

        r = cli_client(cli, &client);
        if (r != 0)
                return r;
        return bus_client_ring_leave(client) < 0 ? cli_call_failed(client) : EXIT_DONE;
}

static char *join_endpoints(const struct bus_found *f)
{
        _cleanup_(buffer_done)
        struct buffer b;

        buffer_init(&b, ENDPOINTS_SIZE_MAX);
        for (size_t i = 0; i < f->n_endpoints; i++)
                if (buffer_append_string(&b, i > 0 ? ", " : "") < 0 ||
                        buffer_append_string(&b, f->endpoints[i]) < 0)
                        break;
        return format_escape(b.size > 0 ? (char *)b.data : "", ESCAPE_LINE);
}

static int add_found(struct columns *c, const struct bus_found *f)
{
        if (columns_add_owned(c, format_escape(f->name, ESCAPE_LINE), STYLE_NONE) < 0 ||
                columns_add_owned(c, format_escape(f->id, ESCAPE_LINE), STYLE_NONE) < 0 ||
                columns_add_owned(c, join_endpoints(f), STYLE_NONE) < 0)
                return -ENOMEM;
        return 0;
}

/* The rows of @m; *ret_n tells how many. */
static int print_found(struct cli *cli, sd_bus_message *m, size_t *ret_n)
{
        _cleanup_(columns_freep)
        struct columns *columns = NULL;
        struct bus_found f;
        size_t n = 0;
        int r;

        r = columns_new(FOUND_COLUMNS, &columns);
        if (r < 0)
                return cli_error_errno(r, "cannot show who was found");
        while ((r = bus_found_next(m, &f)) > 0) {
                n++;
                if (cli->json && cli_print_json(json_found(&f)) != EXIT_DONE)
                        return EXIT_FAILED;
                if (!cli->json && add_found(columns, &f) < 0)
                        return cli_error_errno(-ENOMEM, "cannot show who was found");
        }
        if (r < 0)
                return cli_error_errno(r, "cannot read the answer of the service");
        columns_print(columns, stdout, cli->colour);
        *ret_n = n;
        return EXIT_DONE;
}

int run_find(struct cli *cli, const struct arguments *a)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL;
        _cleanup_(freep)
        char *shown = format_escape(a->words[0], ESCAPE_LINE);
        struct bus_client *client;
        size_t n = 0;
        int r;

        r = cli_client(cli, &client);
        if (r != 0)
                return r;
        if (bus_client_ring_find(client, a->words[0], &m) < 0)
                return cli_call_failed(client);
        r = print_found(cli, m, &n);
        if (r != EXIT_DONE || n > 0)
                return r;
        return cli_error("nobody in the ring is %s: the other machine has to run and to have "
                         "joined",
                shown ? shown : "that user");
}

static const struct dictionary_label labels[] = {
        { "state", "State", VALUE_PLAIN },
        { "joined", "Joined", VALUE_PLAIN },
        { "position", "Position", VALUE_PLAIN },
        { "endpoint", "Reached at", VALUE_LINES },
        { "members", "Nodes, about", VALUE_PLAIN },
        { "predecessor", "Predecessor", VALUE_LINES },
        { "successors", "Successors", VALUE_LINES },
        { "fingers", "Fingers", VALUE_LINES },
        { "sessions", "Sessions for it", VALUE_PLAIN },
        { "round_usec", "Looks around every", VALUE_SPAN },
        { "last_repair", "Last repair", VALUE_TIME },
        { "records", "Names kept here", VALUE_PLAIN },
        { "published", "Copies of own name", VALUE_PLAIN },
        { "found", "Users found", VALUE_PLAIN },
        { "missed", "Users not found", VALUE_PLAIN },
};

int run_ring(struct cli *cli, const struct arguments *a)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL;
        struct bus_client *client;
        int r;

        r = cli_client(cli, &client);
        if (r != 0)
                return r;
        if (bus_client_ring_status(client, &m) < 0)
                return cli_call_failed(client);
        return dictionary_show(cli, m, labels, ELEMENTSOF(labels), NULL);
}
