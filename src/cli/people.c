/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Commands about users, and those that only pass a word on */

#include <ctype.h>
#include <stdio.h>

#include "cli/command.h"
#include "cli/format.h"
#include "cli/json.h"
#include "cli/user.h"

#define USER_COLUMNS 6
#define ID_SHOWN 8

/* "Ece (Online)" */
static char *name_and_state(const struct users *us, const struct bus_user *u)
{
        _cleanup_(freep)
        char *word = user_word(us->rows, us->n_rows, u), *state = NULL, *name = NULL;
        char *t;

        state = format_escape(u->state, ESCAPE_LINE);
        name = word ? format_escape(word, ESCAPE_LINE) : NULL;
        if (!state || !name)
                return NULL;
        state[0] = (char)toupper((unsigned char)state[0]);
        return asprintf(&t, "%s (%s)", name, state) < 0 ? NULL : t;
}

/* "#k3f7q2mx", behind the name a user word that fits one machine of the world. */
static char *short_id(const struct bus_user *u)
{
        _cleanup_(freep)
        char *t = NULL;

        if (asprintf(&t, "%s%.*s", u->id[0] ? "#" : "", ID_SHOWN, u->id) < 0)
                t = NULL;
        return t ? format_escape(t, ESCAPE_LINE) : NULL;
}

static enum style state_style(const char *state)
{
        return streq(state, "online") ? STYLE_GREEN
               : streq(state, "away") ? STYLE_YELLOW
                                      : STYLE_FAINT;
}

static int add_row(
        struct columns *c, const struct users *us, const struct bus_user *u, bool all_columns)
{
        char time[FORMAT_TIME_SIZE];

        if (columns_add_owned(c, name_and_state(us, u), state_style(u->state)) < 0)
                return -ENOMEM;
        if (!all_columns)
                return 0;
        if (columns_add_owned(
                    c, format_escape(u->security, ESCAPE_LINE), security_style(u->security)) < 0 ||
                columns_add_owned(c, format_escape(u->address, ESCAPE_LINE), STYLE_NONE) < 0 ||
                columns_add_owned(c, short_id(u), STYLE_NONE) < 0 ||
                columns_add(c, format_time(u->last_heard_usec, time), STYLE_FAINT) < 0 ||
                columns_add_owned(c, format_escape(u->flags, ESCAPE_LINE), STYLE_YELLOW) < 0)
                return -ENOMEM;
        return 0;
}

static int print_users(struct cli *cli, const struct users *us, bool all, bool all_columns)
{
        _cleanup_(columns_freep)
        struct columns *columns = NULL;
        size_t n = 0;
        int r;

        r = columns_new(all_columns ? USER_COLUMNS : 1, &columns);
        for (size_t i = 0; i < us->n_rows && r >= 0; i++) {
                if (!all && streq(us->rows[i].state, "offline"))
                        continue;
                n++;
                if (!cli->json)
                        r = add_row(columns, us, &us->rows[i], all_columns);
                else if (cli_print_json(json_user(&us->rows[i])) != EXIT_DONE)
                        return EXIT_FAILED;
        }
        if (r < 0)
                return cli_error_errno(r, "cannot show the users");
        columns_print(columns, stdout, cli->colour);
        if (n == 0 && !cli->json)
                fputs(all ? "nobody was ever heard\n"
                          : "nobody is there; other machines appear within 8 seconds\n",
                        stderr);
        return EXIT_DONE;
}

int run_users(struct cli *cli, const struct arguments *a)
{
        _cleanup_(users_done)
        struct users us = { 0 };
        bool all = a->given & OPTION_ALL;
        struct bus_client *client;
        int r;

        r = cli_client(cli, &client);
        if (r != 0)
                return r;
        r = users_read(&us, client);
        if (r < 0)
                return bus_client_outcome(client) != BUS_OK
                               ? cli_call_failed(client)
                               : cli_error_errno(r, "cannot read the answer of the service");
        return print_users(cli, &us, all, all || a->given & OPTION_LONG);
}

static int call_word(struct cli *cli, const char *member, const char *word)
{
        struct bus_client *client;
        int r;

        r = cli_client(cli, &client);
        if (r != 0)
                return r;
        return bus_client_call_word(client, member, word) < 0 ? cli_call_failed(client) : EXIT_DONE;
}

int run_block(struct cli *cli, const struct arguments *a)
{
        return call_word(cli, "Block", a->words[0]);
}

int run_unblock(struct cli *cli, const struct arguments *a)
{
        return call_word(cli, "Unblock", a->words[0]);
}

int run_unmute(struct cli *cli, const struct arguments *a)
{
        return call_word(cli, "Unmute", a->words[0]);
}

int run_trust(struct cli *cli, const struct arguments *a)
{
        return call_word(cli, "Trust", a->words[0]);
}

int run_disconnect(struct cli *cli, const struct arguments *a)
{
        return call_word(cli, "EndSession", a->words[0]);
}

int run_alias(struct cli *cli, const struct arguments *a)
{
        struct bus_client *client;
        int r;

        r = cli_client(cli, &client);
        if (r != 0)
                return r;
        return bus_client_call_words(client, "Alias", a->words[0], a->words[1]) < 0
                       ? cli_call_failed(client)
                       : EXIT_DONE;
}

int run_cancel(struct cli *cli, const struct arguments *a)
{
        return call_word(cli, "CancelMessage", a->words[0]);
}

int run_mute(struct cli *cli, const struct arguments *a)
{
        struct bus_client *client;
        uint64_t seconds = 0;
        int r;

        if (a->n_words > 1) {
                r = format_parse_duration(a->words[1], &seconds);
                if (r < 0 || seconds == 0)
                        return cli_usage(
                                "mute: '%s' is not a duration such as 30m, 2h or 1d", a->words[1]);
        }
        r = cli_client(cli, &client);
        if (r != 0)
                return r;
        return bus_client_mute(client, a->words[0], seconds) < 0 ? cli_call_failed(client)
                                                                 : EXIT_DONE;
}
