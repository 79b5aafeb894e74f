/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Commands about users, and those that only pass a word on */

#include <ctype.h>

#include "cli/command.h"
#include "cli/format.h"
#include "cli/json.h"

/* "Ece (Online)" */
static char *name_and_state(const struct bus_user *u)
{
        _cleanup_(freep)
        char *name = NULL, *state = format_escape(u->state, ESCAPE_LINE);
        bool namesake = strstr(u->flags, "namesake");
        char *t;

        if (!state)
                return NULL;
        if (asprintf(&t, "%s%s%s", u->name, namesake ? "@" : "", namesake ? u->address : "") < 0)
                return NULL;
        name = format_escape(t, ESCAPE_LINE);
        free(t);
        if (!name)
                return NULL;
        state[0] = (char)toupper((unsigned char)state[0]);
        if (asprintf(&t, "%s (%s)", name, state) < 0)
                return NULL;
        return t;
}

static enum style state_style(const char *state)
{
        return streq(state, "online") ? STYLE_GREEN
               : streq(state, "away") ? STYLE_YELLOW
                                      : STYLE_FAINT;
}

static int add_row(struct columns *c, const struct bus_user *u, bool all)
{
        char time[FORMAT_TIME_SIZE];

        if (columns_add_owned(c, name_and_state(u), state_style(u->state)) < 0)
                return -ENOMEM;
        if (!all)
                return 0;
        if (columns_add_owned(c, format_escape(u->address, ESCAPE_LINE), STYLE_NONE) < 0 ||
                columns_add_owned(c, format_escape(u->security, ESCAPE_LINE), STYLE_NONE) < 0 ||
                columns_add(c, format_time(u->last_heard_usec, time), STYLE_FAINT) < 0 ||
                columns_add_owned(c, format_escape(u->flags, ESCAPE_LINE), STYLE_YELLOW) < 0)
                return -ENOMEM;
        return 0;
}

int run_users(struct cli *cli, const struct arguments *a)
{
        _cleanup_(columns_freep)
        struct columns *columns = NULL;
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL;
        bool all = a->given & OPTION_ALL;
        struct bus_client *client;
        struct bus_user u;
        size_t n = 0;
        int r;

        r = cli_client(cli, &client);
        if (r != 0)
                return r;
        if (bus_client_list_users(client, &m) < 0)
                return cli_call_failed(client);
        r = columns_new(all ? 5 : 1, &columns);
        if (r < 0)
                return cli_error_errno(r, "cannot show the users");

        while ((r = bus_user_next(m, &u)) > 0) {
                if (!all && streq(u.state, "offline"))
                        continue;
                n++;
                if (cli->json) {
                        r = cli_print_json(json_user(&u));
                        if (r != 0)
                                return r;
                } else if (add_row(columns, &u, all) < 0)
                        return cli_error_errno(-ENOMEM, "cannot show the users");
        }
        if (r < 0)
                return cli_error_errno(r, "cannot read the answer of the service");

        columns_print(columns, stdout, cli->colour);
        if (n == 0 && !cli->json)
                fputs(all ? "nobody was ever heard\n"
                          : "nobody is there; other machines appear within 8 seconds\n",
                        stderr);
        return EXIT_DONE;
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
