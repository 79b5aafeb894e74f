/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The command ledger: the network, its names, its chain */

#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <strings.h>

#include "bus/names.h"
#include "cli/command.h"
#include "cli/dictionary.h"
#include "cli/format.h"
#include "cli/json.h"

#define ID_SHOWN 8
#define OPTIONS_OF_CREATE ((unsigned)OPTION_REGISTRAR | (unsigned)OPTION_OPEN)

/*
 * ledger: how it is
 */
static const struct dictionary_label labels[] = {
        { "network", "Network", VALUE_PLAIN },
        { "mode", "Who may register", VALUE_PLAIN },
        { "registrars", "Registrars", VALUE_LINES },
        { "own_name", "Own name", VALUE_PLAIN },
        { "names", "Names", VALUE_PLAIN },
        { "records", "Records", VALUE_PLAIN },
        { "height", "Last block", VALUE_PLAIN },
        { "tip", "Its hash", VALUE_PLAIN },
        { "final_height", "Final up to block", VALUE_PLAIN },
        { "work", "Work, in hashes", VALUE_PLAIN },
        { "waiting", "Records that wait", VALUE_PLAIN },
        { "unapproved", "To be approved", VALUE_PLAIN },
        { "members", "Members met", VALUE_PLAIN },
        { "catching_up", "Catching up", VALUE_PLAIN },
        { "disputed", "Disputed", VALUE_PLAIN },
};

static const char *text_of(struct json_object *status, const char *key)
{
        struct json_object *value;

        return json_object_object_get_ex(status, key, &value) ? json_object_get_string(value) : "";
}

static bool is_set(struct json_object *status, const char *key)
{
        struct json_object *value;

        return json_object_object_get_ex(status, key, &value) && json_object_get_boolean(value);
}

static int set_text(struct json_object *status, const char *key, const char *text)
{
        struct json_object *value = json_object_new_string(text);

        if (!value || json_object_object_add(status, key, value) < 0) {
                json_object_put(value);
                return -ENOMEM;
        }
        return 0;
}

/* Three entries become one line: "ece, until 2027-01-01 12:00:00". */
static int unite_own(struct json_object *status)
{
        const char *registration = text_of(status, "registration");
        char text[128], time[FORMAT_TIME_SIZE];
        struct json_object *until;
        int r;

        if (streq(registration, "registered") &&
                json_object_object_get_ex(status, "registered_until", &until))
                (void)snprintf(text, sizeof text, "%.64s, until %s",
                        text_of(status, "registered_name"),
                        format_time(json_object_get_uint64(until), time));
        else if (streq(registration, "waiting"))
                (void)snprintf(text, sizeof text, "%.64s, waits for a block",
                        text_of(status, "registered_name"));
        else
                (void)snprintf(text, sizeof text, "not registered");
        r = set_text(status, "own_name", text);
        json_object_object_del(status, "registration");
        json_object_object_del(status, "registered_name");
        json_object_object_del(status, "registered_until");
        return r;
}

static const char *mode_words(struct json_object *status)
{
        const char *mode = text_of(status, "mode");

        if (streq(mode, "open"))
                return "everybody";
        return streq(mode, "registrars") ? "whom a registrar approves" : "not known yet";
}

static int arrange(struct json_object *status)
{
        bool has_registrars = streq(text_of(status, "mode"), "registrars");
        char network[128];
        int r;

        if (text_of(status, "network")[0] == 0) {
                json_object_object_foreach (status, key, value) {
                        (void)value;
                        json_object_object_del(status, key);
                }
                return set_text(status, "network", "none: [Ledger] Enabled=no");
        }
        (void)snprintf(network, sizeof network, "%.100s%s", text_of(status, "network"),
                is_set(status, "built_in") ? ", built in" : "");
        r = set_text(status, "mode", mode_words(status));
        if (r >= 0)
                r = set_text(status, "network", network);
        if (r >= 0)
                r = unite_own(status);
        if (!has_registrars)
                json_object_object_del(status, "registrars");
        if (text_of(status, "disputed")[0] == 0)
                json_object_object_del(status, "disputed");
        json_object_object_del(status, "built_in");
        json_object_object_del(status, "known");
        return r;
}

static int show_status(struct cli *cli, struct bus_client *client, const struct arguments *a)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL;

        if (bus_client_ledger_status(client, &m) < 0)
                return cli_call_failed(client);
        return dictionary_show(cli, m, labels, ELEMENTSOF(labels), arrange);
}

/*
 * ledger show, ledger list
 */
static enum style state_style(const char *state)
{
        return streq(state, "registered") ? STYLE_GREEN
               : streq(state, "waiting")  ? STYLE_YELLOW
                                          : STYLE_FAINT;
}

static int add_row(struct columns *c, const char *label, const char *value, enum style style)
{
        int r = columns_add(c, label, STYLE_FAINT);

        return r < 0 ? r : columns_add_owned(c, format_escape(value, ESCAPE_LINE), style);
}

static int print_name(struct cli *cli, const struct bus_name *n)
{
        _cleanup_(columns_freep)
        struct columns *columns = NULL;
        char time[FORMAT_TIME_SIZE];

        if (columns_new(2, &columns) < 0 || add_row(columns, "Name", n->name, STYLE_BOLD) < 0 ||
                add_row(columns, "Identity", n->id, STYLE_NONE) < 0 ||
                add_row(columns, "State", n->state, state_style(n->state)) < 0)
                return cli_error_errno(-ENOMEM, "cannot show the name");
        if (n->block[0] && (add_row(columns, "Registered since", format_time(n->time_usec, time),
                                    STYLE_NONE) < 0 ||
                                   add_row(columns, "In block", n->block, STYLE_NONE) < 0))
                return cli_error_errno(-ENOMEM, "cannot show the name");
        columns_print(columns, stdout, cli->colour);
        return EXIT_DONE;
}

static int show_name(struct cli *cli, struct bus_client *client, const struct arguments *a)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL;
        struct bus_name name;

        if (bus_client_ledger_get(client, a->words[1], &m, &name) < 0)
                return cli_call_failed(client);
        return cli->json ? cli_print_json(json_name(&name)) : print_name(cli, &name);
}

/* "ece#k3f7q2mx", as a user word. */
static char *word_of(const char *name, const char *id)
{
        _cleanup_(freep)
        char *word = NULL;

        if (asprintf(&word, "%s#%.*s", name, ID_SHOWN, id) < 0)
                word = NULL;
        return word ? format_escape(word, ESCAPE_LINE) : NULL;
}

static int add_name(struct columns *c, const struct bus_name *n)
{
        char time[FORMAT_TIME_SIZE];

        if (columns_add_owned(c, word_of(n->name, n->id), STYLE_NONE) < 0 ||
                columns_add_owned(c, format_escape(n->state, ESCAPE_LINE), state_style(n->state)) <
                        0)
                return -ENOMEM;
        return columns_add(c, format_time(n->time_usec, time), STYLE_NONE);
}

/* A page of names; *ret_last is the last of them, of *ret_n. */
static int print_page(struct cli *cli, sd_bus_message *m, char last[static 256], size_t *ret_n)
{
        _cleanup_(columns_freep)
        struct columns *columns = NULL;
        struct bus_name name;
        size_t n = 0;
        int r;

        r = columns_new(3, &columns);
        if (r < 0)
                return cli_error_errno(r, "cannot show the names");
        while ((r = bus_name_next(m, &name)) > 0) {
                n++;
                (void)snprintf(last, 256, "%s", name.name);
                if (cli->json && cli_print_json(json_name(&name)) != EXIT_DONE)
                        return EXIT_FAILED;
                if (!cli->json && add_name(columns, &name) < 0)
                        return cli_error_errno(-ENOMEM, "cannot show the names");
        }
        if (r < 0)
                return cli_error_errno(r, "cannot read the answer of the service");
        columns_print(columns, stdout, cli->colour);
        *ret_n = n;
        return EXIT_DONE;
}

static int list_names(struct cli *cli, struct bus_client *client, const struct arguments *a)
{
        char last[256] = "";
        size_t n;
        int r;

        do {
                _cleanup_(sd_bus_message_unrefp)
                sd_bus_message *m = NULL;

                if (bus_client_ledger_list(client, last, P2PCHAT_BUS_PAGE_ROWS_MAX, &m) < 0)
                        return cli_call_failed(client);
                r = print_page(cli, m, last, &n);
        } while (r == EXIT_DONE && n == P2PCHAT_BUS_PAGE_ROWS_MAX);
        return r;
}

/*
 * ledger verify
 */
static int verify(struct cli *cli, struct bus_client *client, const struct arguments *a)
{
        _cleanup_(freep)
        char *first = NULL, *shown = NULL;
        uint64_t n_records, n_bad;
        int r;

        if (bus_client_ledger_check(client, &n_records, &n_bad, &first) < 0)
                return cli_call_failed(client);
        if (cli->json) {
                r = cli_print_json(json_checked(n_records, n_bad, first));
                return r == EXIT_DONE && n_bad > 0 ? EXIT_FAILED : r;
        }
        if (n_bad == 0) {
                printf("%" PRIu64 " record%s verified, and nothing is wrong.\n", n_records,
                        n_records == 1 ? "" : "s");
                return EXIT_DONE;
        }
        shown = format_escape(first, ESCAPE_LINE);
        return cli_error("%" PRIu64 " of %" PRIu64 " records %s bad. %s", n_bad, n_records,
                n_bad == 1 ? "is" : "are", shown ? shown : "");
}

/*
 * ledger create, join, pending, approve
 */
static int create(struct cli *cli, struct bus_client *client, const struct arguments *a)
{
        _cleanup_(freep)
        char *word = NULL, *shown = NULL;

        if (bus_client_ledger_create(client, a->words[1], a->registrars, a->n_registrars, &word) <
                0)
                return cli_call_failed(client);
        if (cli->json)
                return cli_print_json(json_network(word));
        shown = format_escape(word, ESCAPE_LINE);
        printf("This machine is in %s now. Others come to it by:\np2pchat ledger join %s\n",
                shown ? shown : "?", shown ? shown : "?");
        return EXIT_DONE;
}

static int join(struct cli *cli, struct bus_client *client, const struct arguments *a)
{
        const char *word = a->given & OPTION_BUILT_IN ? "" : a->words[1];
        _cleanup_(freep)
        char *shown = format_escape(word, ESCAPE_LINE);

        if (bus_client_ledger_join(client, word) < 0)
                return cli_call_failed(client);
        if (!cli->json)
                printf("This machine is in %s now; what is new there comes from the next machine "
                       "of it that is met.\n",
                        word[0] && shown ? shown : "the network that is built in");
        return EXIT_DONE;
}

static int list_pending(struct cli *cli, struct bus_client *client, const struct arguments *a)
{
        _cleanup_(columns_freep)
        struct columns *columns = NULL;
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL;
        char time[FORMAT_TIME_SIZE];
        struct bus_pending p;
        int r;

        if (bus_client_ledger_pending(client, &m) < 0)
                return cli_call_failed(client);
        r = columns_new(2, &columns);
        if (r < 0)
                return cli_error_errno(r, "cannot show what waits");
        while ((r = bus_pending_next(m, &p)) > 0) {
                if (cli->json && cli_print_json(json_pending(&p)) != EXIT_DONE)
                        return EXIT_FAILED;
                if (!cli->json &&
                        (columns_add_owned(columns, word_of(p.name, p.id), STYLE_NONE) < 0 ||
                                columns_add(columns, format_time(p.time_usec, time), STYLE_NONE) <
                                        0))
                        return cli_error_errno(-ENOMEM, "cannot show what waits");
        }
        if (r < 0)
                return cli_error_errno(r, "cannot read the answer of the service");
        columns_print(columns, stdout, cli->colour);
        return EXIT_DONE;
}

static int approve(struct cli *cli, struct bus_client *client, const struct arguments *a)
{
        return bus_client_ledger_approve(client, a->words[1]) < 0 ? cli_call_failed(client)
                                                                  : EXIT_DONE;
}

/*
 * What is wanted
 */
/* Exactly one of the two is said. */
static bool creates_one_kind(const struct arguments *a)
{
        return !!(a->given & OPTION_REGISTRAR) != !!(a->given & OPTION_OPEN);
}

static bool joins_one(const struct arguments *a)
{
        return (a->n_words == 2) != !!(a->given & OPTION_BUILT_IN);
}

static const struct command_part parts[] = {
        { "show", "NAME", 2, 2, 0, show_name, NULL },
        { "list", "", 1, 1, 0, list_names, NULL },
        { "verify", "", 1, 1, 0, verify, NULL },
        { "create", "NAME --registrar USER|KEY… | --open", 2, 2, OPTIONS_OF_CREATE, create,
                creates_one_kind },
        { "join", "NETWORK | --built-in", 1, 2, OPTION_BUILT_IN, join, joins_one },
        { "pending", "", 1, 1, 0, list_pending, NULL },
        { "approve", "NAME[#ID]", 2, 2, 0, approve, NULL },
};

void ledger_complete(const char *prefix, command_emit_t emit, void *userdata)
{
        part_complete(parts, ELEMENTSOF(parts), prefix, emit, userdata);
}

int run_ledger(struct cli *cli, const struct arguments *a)
{
        struct bus_client *client;
        int r;

        if (a->n_words > 0)
                return part_run(cli, "ledger", parts, ELEMENTSOF(parts), a);
        if (a->given)
                return cli_usage("ledger: the options go with create and join");
        r = cli_client(cli, &client);
        return r != 0 ? r : show_status(cli, client, a);
}
