/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* p2pchat: the chat service from the command line */

#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/dialogue.h"

static bool want_colour(void)
{
        const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

        return isatty(STDOUT_FILENO) && !(no_color && no_color[0]) && term && !streq(term, "dumb");
}

static void print_word(const char *word, void *userdata)
{
        puts(word);
}

/* What stands before the command. -1 to go on, else an exit status. */
static int parse_globals(struct cli *cli, int argc, char **argv, bool *ret_complete)
{
        static const struct option options[] = {
                { "json", no_argument, NULL, 'j' },
                { "bus", required_argument, NULL, 'b' },
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'v' },
                { "complete", no_argument, NULL, 'c' },
                { 0 },
        };
        int c;

        opterr = 0;
        while ((c = getopt_long(argc, argv, "+h", options, NULL)) >= 0)
                switch (c) {
                case 'j':
                        cli->json = true;
                        break;
                case 'b':
                        cli->where = optarg;
                        break;
                case 'h':
                        command_print_help(stdout);
                        return cli_flush(EXIT_DONE);
                case 'v':
                        puts("p2pchat " P2PCHAT_VERSION);
                        return cli_flush(EXIT_DONE);
                case 'c':
                        *ret_complete = true;
                        break;
                default:
                        return cli_usage("option %s is unknown, or its value is missing; see: "
                                         "p2pchat --help",
                                argv[optind - 1]);
                }
        return -1;
}

int main(int argc, char **argv)
{
        _cleanup_(cli_done)
        struct cli cli = { .where = "system" };
        bool complete = false;
        int r;

        (void)setlocale(LC_CTYPE, "");
        cli.colour = want_colour();
        r = parse_globals(&cli, argc, argv, &complete);
        if (r >= 0)
                return r;

        argc -= optind;
        argv += optind;
        if (complete) {
                command_complete(&cli, argc, argv, print_word, NULL);
                return EXIT_DONE;
        }
        if (argc == 0)
                return dialogue_run(&cli);
        return command_run(&cli, argc, argv);
}
