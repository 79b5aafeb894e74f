/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Commands about who somebody really is: fingerprint, verify */

#include <stdio.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/format.h"
#include "cli/json.h"

/* A pair's digits in four rows, the halves of the two keys one below the other. */
#define GROUPS_PER_ROW 3

static int print_groups(const char *groups)
{
        _cleanup_(freep)
        char *rows = NULL;

        if (!isatty(STDOUT_FILENO)) {
                puts(groups);
                return EXIT_DONE;
        }
        rows = format_rows(groups, GROUPS_PER_ROW);
        if (!rows)
                return cli_error_errno(-ENOMEM, "cannot show the fingerprint");
        fputs(rows, stdout);
        return EXIT_DONE;
}

static void explain(const struct cli *cli, const char *user)
{
        _cleanup_(freep)
        char *shown = format_escape(user, ESCAPE_LINE);

        fflush(stdout);
        fprintf(stderr,
                "The other machine shows the same digits, or somebody is in between. Compare them "
                "by\nvoice or in person, then: %sverify %s\n",
                cli->in_shell ? "" : "p2pchat ", shown ? shown : "USER");
}

int run_fingerprint(struct cli *cli, const struct arguments *a)
{
        _cleanup_(freep)
        char *groups = NULL, *shown = NULL;
        const char *user = a->n_words > 0 ? a->words[0] : NULL;
        struct bus_client *client;
        int r;

        r = cli_client(cli, &client);
        if (r != 0)
                return r;
        r = user ? bus_client_get_fingerprint(client, user, &groups)
                 : bus_client_get_text(client, "Fingerprint", &groups);
        if (r < 0)
                return cli_call_failed(client);
        if (cli->json)
                return cli_print_json(user ? json_digits(user, groups) : json_fingerprint(groups));

        /* Digits do not need it, but they come from elsewhere, too. */
        shown = format_escape(groups, ESCAPE_LINE);
        if (!shown)
                return cli_error_errno(-ENOMEM, "cannot show the fingerprint");
        r = print_groups(shown);
        if (r == EXIT_DONE && user && cli_is_terminal())
                explain(cli, user);
        return r;
}

/* 0, or an exit status after a complaint. */
static int take_digits(
        const char *text, char digits[static FINGERPRINT_DIGITS + 1], size_t *n_digits)
{
        int r = format_take_digits(text, digits, n_digits);

        if (r == -ERANGE)
                return cli_usage("verify: these are more than %d digits", FINGERPRINT_DIGITS);
        if (r < 0)
                return cli_usage("verify: only digits and blanks are wanted, all %d that the other "
                                 "machine shows",
                        FINGERPRINT_DIGITS);
        return 0;
}

/* Row by row, as somebody reads them out. */
static int ask_digits(struct cli *cli, char digits[static FINGERPRINT_DIGITS + 1], size_t *n_digits)
{
        while (*n_digits < FINGERPRINT_DIGITS) {
                _cleanup_(freep)
                char *line = NULL;
                char question[64];
                int r;

                snprintf(question, sizeof(question),
                        *n_digits == 0 ? "Digits that the other machine shows: "
                                       : "%zu of %d; go on: ",
                        *n_digits, FINGERPRINT_DIGITS);
                r = cli_ask(cli, question, &line);
                if (r < 0)
                        return cli_error_errno(r, "cannot read a line");
                if (r == 0 || !line[0])
                        break;
                r = take_digits(line, digits, n_digits);
                if (r != 0)
                        return r;
        }
        return 0;
}

static int get_digits(struct cli *cli, struct bus_client *client, const struct arguments *a,
        char digits[static FINGERPRINT_DIGITS + 1])
{
        _cleanup_(freep)
        char *known = NULL;
        size_t n = 0;
        int r = 0;

        if (a->n_words == 1 || (a->n_words == 2 && streq(a->words[1], "-"))) {
                /* Nobody shall read out sixty digits to hear that there is no such user. */
                if (bus_client_get_fingerprint(client, a->words[0], &known) < 0)
                        return cli_call_failed(client);
                r = ask_digits(cli, digits, &n);
        } else
                for (size_t i = 1; i < a->n_words && r == 0; i++)
                        r = take_digits(a->words[i], digits, &n);
        if (r == 0 && n < FINGERPRINT_DIGITS)
                return cli_usage("verify: all %d digits are wanted, not %zu; nothing was changed",
                        FINGERPRINT_DIGITS, n);
        return r;
}

int run_verify(struct cli *cli, const struct arguments *a)
{
        _cleanup_(freep)
        char *shown = format_escape(a->words[0], ESCAPE_LINE);
        char digits[FINGERPRINT_DIGITS + 1] = "";
        struct bus_client *client;
        int r;

        r = cli_client(cli, &client);
        if (r == 0)
                r = get_digits(cli, client, a, digits);
        if (r != 0)
                return r;
        if (bus_client_call_words(client, "Verify", a->words[0], digits) < 0)
                return cli_call_failed(client);
        if (!cli->json)
                printf("%s is verified: the digits are right.\n", shown ? shown : "?");
        return EXIT_DONE;
}
