/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The command history */

#include "bus/feed.h"
#include "cli/command.h"
#include "cli/format.h"
#include "cli/json.h"
#include "cli/message.h"

struct follower {
        struct cli *cli;
        const char *grep;
        int status; /* why the loop ended, where that is known */
};

static int forget(struct cli *cli, const struct arguments *a)
{
        _cleanup_(freep)
        char *shown = NULL;
        struct bus_client *client;
        int r;

        if (a->n_words == 0)
                return cli_usage("history --forget: say whose conversation is to be deleted");
        if (a->given & ~(unsigned)OPTION_FORGET)
                return cli_usage("history --forget takes no other options");
        r = cli_client(cli, &client);
        if (r != 0)
                return r;
        if (bus_client_call_word(client, "Forget", a->words[0]) < 0)
                return cli_call_failed(client);
        if (cli->json)
                return EXIT_DONE;

        shown = format_escape(a->words[0], ESCAPE_LINE);
        fprintf(stderr,
                "The conversation with %s is deleted from the store, and its queue is empty.\n"
                "Its lines in /var/log/p2pchat/history.log and in the system journal stay until\n"
                "they are rotated away (logrotate, journalctl --vacuum-time=).\n",
                shown ? shown : "?");
        return EXIT_DONE;
}

static int print_one(struct cli *cli, const struct bus_message *m)
{
        if (cli->json)
                return cli_print_json(json_message(m, NULL));
        return message_print(m, stdout, cli->colour) < 0
                       ? cli_error_errno(-ENOMEM, "cannot show a message")
                       : EXIT_DONE;
}

static int print_all(struct cli *cli, const struct messages *ms)
{
        _cleanup_(columns_freep)
        struct columns *columns = NULL;
        int r;

        if (!cli->json && columns_new(MESSAGE_COLUMNS, &columns) < 0)
                return cli_error_errno(-ENOMEM, "cannot show the history");
        for (size_t i = 0; i < ms->n_rows; i++) {
                if (cli->json) {
                        r = print_one(cli, &ms->rows[i]);
                        if (r != 0)
                                return r;
                } else if (message_add_row(columns, &ms->rows[i]) < 0)
                        return cli_error_errno(-ENOMEM, "cannot show the history");
        }
        if (columns)
                columns_print(columns, stdout, cli->colour);
        return EXIT_DONE;
}

static int on_deliver(const struct bus_message *m, void *userdata)
{
        struct follower *f = userdata;

        if (f->grep && !strcasestr(m->text, f->grep))
                return 0;
        f->status = cli_flush(print_one(f->cli, m));
        return f->status == EXIT_DONE ? 0 : -ECANCELED;
}

static int follow(struct cli *cli, const char *user, const char *grep, uint64_t sequence)
{
        static const struct feed_handler handler = { .deliver = on_deliver };
        _cleanup_(sd_event_unrefp)
        sd_event *event = NULL;
        _cleanup_(feed_freep)
        struct feed *feed = NULL;
        struct follower f = { .cli = cli, .grep = grep };
        int r;

        r = sd_event_new(&event);
        if (r >= 0)
                r = feed_new(event, cli->where, user, &handler, &f, &feed);
        if (r < 0)
                return cli_error_errno(r, "cannot follow the history");
        r = feed_connect(feed);
        if (r < 0)
                return cli_bus_failed(cli->where, r);
        r = feed_start(feed, sequence);
        if (r >= 0)
                r = sd_event_loop(event);
        if (r == -ECANCELED)
                return f.status;
        if (feed_client(feed) && bus_client_outcome(feed_client(feed)) != BUS_OK)
                return cli_call_failed(feed_client(feed));
        return cli_error_errno(r, "cannot follow the history");
}

int run_history(struct cli *cli, const struct arguments *a)
{
        _cleanup_(messages_done)
        struct messages ms = { 0 };
        const char *user = a->n_words > 0 ? a->words[0] : "";
        struct bus_client *client;
        uint64_t newest = 0;
        int r;

        if (a->given & OPTION_FORGET)
                return forget(cli, a);
        if (a->given & OPTION_FOLLOW && cli->in_shell)
                return cli_usage("--follow is for the command line; here messages are shown as "
                                 "they come");

        r = cli_client(cli, &client);
        if (r != 0)
                return r;
        /* Asked before the history is read: what comes in between is in the history. */
        if (a->given & OPTION_FOLLOW && bus_client_get_last_sequence(client, &newest) < 0)
                return cli_call_failed(client);
        r = messages_read(&ms, client, user, a->grep, a->lines);
        if (r < 0)
                return bus_client_outcome(client) != BUS_OK
                               ? cli_call_failed(client)
                               : cli_error_errno(r, "cannot read the history");
        r = cli_flush(print_all(cli, &ms));
        if (r != 0 || !(a->given & OPTION_FOLLOW))
                return r;
        if (ms.n_rows > 0)
                newest = MAX(newest, ms.rows[ms.n_rows - 1].sequence);
        return follow(cli, user, a->grep, newest);
}
