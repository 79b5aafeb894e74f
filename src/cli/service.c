/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Commands about the service: name, status, doctor */

#include <json-c/json.h>

#include "base/buffer.h"
#include "cli/command.h"
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

#define LIST_SIZE_MAX 4096

/* What stands first, in which words. The rest follows under its own name. */
static const struct {
        const char *key;
        const char *label;
} labels[] = {
        { "username", "Username" },
        { "word", "Name with id" },
        { "id", "Identity" },
        { "version", "Version" },
        { "started", "Running since" },
        { "users_online", "Users online" },
        { "users_known", "Users known" },
        { "messages_queued", "Messages queued" },
        { "last_sequence", "Last sequence" },
        { "links", "Connections" },
        { "sessions", "Encrypted sessions" },
        { "sockets", "Ports" },
        { "keep", "Kept of messages" },
        { "store", "Database" },
        { "log", "Log file" },
        { "journal_lost", "Lost to the journal" },
        { "warnings", "Warnings" },
};

static bool is_labelled(const char *key)
{
        for (size_t i = 0; i < ELEMENTSOF(labels); i++)
                if (streq(labels[i].key, key))
                        return true;
        return false;
}

static char *join_list(struct json_object *list)
{
        _cleanup_(buffer_done)
        struct buffer b;

        buffer_init(&b, LIST_SIZE_MAX);
        for (size_t i = 0; i < json_object_array_length(list); i++)
                if (buffer_append_string(&b, i > 0 ? ", " : "") < 0 ||
                        buffer_append_string(
                                &b, json_object_get_string(json_object_array_get_idx(list, i))) < 0)
                        break;
        return format_escape(b.size > 0 ? (char *)b.data : "", ESCAPE_LINE);
}

/* Sentences, each on a line of its own. */
static int add_warnings(struct columns *c, const char *label, struct json_object *list)
{
        int r = 0;

        for (size_t i = 0; i < json_object_array_length(list) && r >= 0; i++) {
                const char *s = json_object_get_string(json_object_array_get_idx(list, i));

                r = columns_add(c, i == 0 ? label : "", STYLE_FAINT);
                if (r >= 0)
                        r = columns_add_owned(c, format_escape(s, ESCAPE_LINE), STYLE_YELLOW);
        }
        return r;
}

static int add_value(
        struct columns *c, const char *label, const char *key, struct json_object *value)
{
        bool list = json_object_is_type(value, json_type_array);
        char time[FORMAT_TIME_SIZE];
        const char *text;
        int r;

        if (list && streq(key, "warnings") && json_object_array_length(value) > 0)
                return add_warnings(c, label, value);
        r = columns_add_owned(c, format_escape(label, ESCAPE_LINE), STYLE_FAINT);
        if (r < 0)
                return r;
        if (list)
                return columns_add_owned(c, join_list(value), STYLE_NONE);
        if (streq(key, "started") && json_object_is_type(value, json_type_int))
                text = format_time(json_object_get_uint64(value), time);
        else
                text = json_object_get_string(value);
        return columns_add_owned(c, format_escape(text ? text : "", ESCAPE_LINE), STYLE_NONE);
}

static int fill_status(struct columns *c, struct json_object *status)
{
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(labels) && r >= 0; i++) {
                struct json_object *value;

                if (json_object_object_get_ex(status, labels[i].key, &value))
                        r = add_value(c, labels[i].label, labels[i].key, value);
        }
        if (r < 0)
                return r;

        json_object_object_foreach (status, key, value) {
                if (is_labelled(key))
                        continue;
                r = add_value(c, key, key, value);
                if (r < 0)
                        return r;
        }
        return 0;
}

int run_status(struct cli *cli, const struct arguments *a)
{
        _cleanup_(columns_freep)
        struct columns *columns = NULL;
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL;
        struct json_object *status;
        struct bus_client *client;
        int r;

        r = cli_client(cli, &client);
        if (r != 0)
                return r;
        if (bus_client_status(client, &m) < 0)
                return cli_call_failed(client);
        r = json_read_dictionary(m, &status);
        if (r < 0)
                return cli_error_errno(r, "cannot read the answer of the service");

        if (cli->json)
                r = cli_print_json(json_line(status));
        else {
                r = columns_new(2, &columns);
                if (r >= 0)
                        r = fill_status(columns, status);
                if (r >= 0)
                        columns_print(columns, stdout, cli->colour);
                r = r < 0 ? cli_error_errno(r, "cannot show the status") : EXIT_DONE;
        }
        json_object_put(status);
        return r;
}

int run_doctor(struct cli *cli, const struct arguments *a)
{
        _cleanup_(columns_freep)
        struct columns *columns = NULL;
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL;
        struct bus_client *client;
        struct bus_check k;
        bool failed = false;
        int r;

        r = cli_client(cli, &client);
        if (r != 0)
                return r;
        if (bus_client_diagnose(client, &m) < 0)
                return cli_call_failed(client);
        r = columns_new(3, &columns);
        if (r < 0)
                return cli_error_errno(r, "cannot show the result");

        while ((r = bus_check_next(m, &k)) > 0) {
                enum style style = streq(k.result, "ok")        ? STYLE_GREEN
                                   : streq(k.result, "warning") ? STYLE_YELLOW
                                                                : STYLE_RED;

                failed = failed || streq(k.result, "failed");
                if (cli->json) {
                        r = cli_print_json(json_check(&k));
                        if (r != 0)
                                return r;
                } else if (columns_add_owned(
                                   columns, format_escape(k.stage, ESCAPE_LINE), STYLE_NONE) < 0 ||
                           columns_add_owned(columns, format_escape(k.result, ESCAPE_LINE), style) <
                                   0 ||
                           columns_add_owned(
                                   columns, format_escape(k.sentence, ESCAPE_LINE), STYLE_NONE) < 0)
                        return cli_error_errno(-ENOMEM, "cannot show the result");
        }
        if (r < 0)
                return cli_error_errno(r, "cannot read the answer of the service");
        columns_print(columns, stdout, cli->colour);
        return failed ? EXIT_FAILED : EXIT_DONE;
}
