/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Commands about one's own name in the ledger: register, revoke */

#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>

#include "cli/command.h"
#include "cli/format.h"
#include "cli/json.h"
#include "os/clock.h"

#define LOOK_MSEC 100
#define ID_SHOWN 8

/* What GetStatus says of the registration. */
struct state {
        bool is_registered, needs_registrar;
        usec_t until_usec;
};

static int read_state(struct bus_client *client, struct state *ret)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL;
        struct json_object *status, *value;

        if (bus_client_ledger_status(client, &m) < 0)
                return cli_call_failed(client);
        if (json_read_dictionary(m, &status) < 0)
                return cli_error_errno(-EBADMSG, "cannot read the answer of the service");
        *ret = (struct state){ 0 };
        if (json_object_object_get_ex(status, "registration", &value))
                ret->is_registered = streq(json_object_get_string(value), "registered");
        if (json_object_object_get_ex(status, "mode", &value))
                ret->needs_registrar = streq(json_object_get_string(value), "registrars");
        if (json_object_object_get_ex(status, "registered_until", &value))
                ret->until_usec = json_object_get_uint64(value);
        json_object_put(status);
        return EXIT_DONE;
}

/* The state changes with a block, which nobody can hurry; a look costs next to nothing. */
static int wait_until_registered(struct bus_client *client, usec_t wait_usec, struct state *s)
{
        usec_t deadline_usec = usec_add(clock_now().mono_usec, wait_usec);
        int r;

        for (;;) {
                r = read_state(client, s);
                if (r != EXIT_DONE || s->is_registered || clock_now().mono_usec >= deadline_usec)
                        return r;
                (void)poll(NULL, 0, LOOK_MSEC);
        }
}

/* "ece#k3f7q2mxabcdefghijklmnopqm" is cut behind the eighth character of the id. */
static void shorten(char *word)
{
        char *hash = strchr(word, '#');

        if (hash && strlen(hash + 1) > ID_SHOWN)
                hash[1 + ID_SHOWN] = 0;
}

static void explain(const char *word, const struct state *s)
{
        char time[FORMAT_TIME_SIZE];

        if (s->is_registered)
                printf("%s is registered until %s, and is renewed by itself.\n", word,
                        format_time(s->until_usec, time));
        else if (s->needs_registrar)
                printf("%s waits for a registrar of the network, who says:\n"
                       "p2pchat ledger approve %s\n",
                        word, word);
        else
                printf("%s is registered once it is in a block, in about a second; then "
                       "\"p2pchat ledger\" tells.\n",
                        word);
}

int run_register(struct cli *cli, const struct arguments *a)
{
        bool waits = a->given & OPTION_WAIT;
        _cleanup_(freep)
        char *word = NULL, *shown = NULL;
        struct bus_client *client;
        struct state s = { 0 };
        int r;

        r = cli_client(cli, &client);
        if (r != 0)
                return r;
        if (bus_client_ledger_register(client, &word) < 0)
                return cli_call_failed(client);
        r = wait_until_registered(client, waits ? a->wait_usec : 0, &s);
        if (r != EXIT_DONE)
                return r;
        if (cli->json) {
                r = cli_print_json(
                        json_registration(word, s.is_registered ? "registered" : "waiting"));
        } else {
                shorten(word);
                shown = format_escape(word, ESCAPE_LINE);
                explain(shown ? shown : "?", &s);
        }
        return r == EXIT_DONE && waits && !s.is_registered ? EXIT_QUEUED : r;
}

int run_revoke(struct cli *cli, const struct arguments *a)
{
        _cleanup_(freep)
        char *shown = format_escape(a->successor ?: "nobody", ESCAPE_LINE);
        struct bus_client *client;
        int r;

        r = cli_client(cli, &client);
        if (r != 0)
                return r;
        if (bus_client_ledger_revoke(client, a->successor) < 0)
                return cli_call_failed(client);
        if (!cli->json)
                printf("The name is given up once that is in a block, in about a second. For 30 "
                       "days %s may register it.\n",
                        !a->successor ? "nobody"
                        : shown       ? shown
                                      : "?");
        return EXIT_DONE;
}
