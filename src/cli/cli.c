/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What all commands share: the connection, how to print, how to fail */

#include "cli/cli.h"

#include <ctype.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/dialogue.h"
#include "cli/format.h"

int cli_client(struct cli *cli, struct bus_client **ret)
{
        int r;

        if (cli->client && sd_bus_is_open(bus_client_bus(cli->client)) <= 0)
                cli->client = bus_client_free(cli->client);
        if (!cli->client) {
                r = bus_client_new(cli->where, true, &cli->client);
                if (r < 0)
                        return cli_bus_failed(cli->where, r);
        }
        *ret = cli->client;
        return 0;
}

void cli_done(struct cli *cli)
{
        cli->client = bus_client_free(cli->client);
}

static void complain(const char *format, va_list ap)
{
        fflush(stdout);
        fputs("p2pchat: ", stderr);
        vfprintf(stderr, format, ap);
        putc('\n', stderr);
}

int cli_usage(const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        complain(format, ap);
        va_end(ap);
        return EXIT_USAGE;
}

int cli_error(const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        complain(format, ap);
        va_end(ap);
        return EXIT_FAILED;
}

int cli_error_errno(int r, const char *what)
{
        return cli_error("%s: %s", what, strerror(-r));
}

int cli_bus_failed(const char *where, int r)
{
        (void)cli_error("cannot reach the message bus (%s): %s", where, strerror(-r));
        if (streq(where, "system"))
                fputs("Is dbus running? Try: systemctl status dbus\n", stderr);
        return EXIT_NO_SERVICE;
}

static int access_denied(void)
{
        struct passwd *pw = getpwuid(geteuid());
        const char *user = pw ? pw->pw_name : "USER";

        (void)cli_error("this account (%s) may not use the chat service.", user);
        fprintf(stderr,
                "Members of the group p2pchat may. As administrator: adduser %s p2pchat\n"
                "The membership counts from the next login; until then: sg p2pchat -c 'p2pchat "
                "…'\n",
                user);
        return EXIT_FAILED;
}

int cli_call_failed(const struct bus_client *c)
{
        _cleanup_(freep)
        char *sentence = format_escape(bus_client_error(c), ESCAPE_LINE);
        enum bus_outcome outcome = bus_client_outcome(c);

        if (outcome == BUS_ACCESS_DENIED)
                return access_denied();
        if (outcome == BUS_NO_SERVICE) {
                (void)cli_error("the chat service is not running: %s",
                        sentence ? sentence : "out of memory");
                fputs("Start it: systemctl start p2pchatd.socket p2pchatd.service\n"
                      "If it does not start: systemctl status p2pchatd; journalctl -u p2pchatd\n",
                        stderr);
                return EXIT_NO_SERVICE;
        }
        if (outcome == BUS_TIMEOUT)
                return cli_error("the chat service did not answer in time: %s",
                        sentence ? sentence : "out of memory");
        return cli_error("%s", sentence ? sentence : "out of memory");
}

int cli_print_json(char *line)
{
        if (!line)
                return cli_error_errno(-ENOMEM, "cannot write the answer");
        fputs(line, stdout);
        free(line);
        return EXIT_DONE;
}

int cli_flush(int status)
{
        if (fflush(stdout) == 0 && !ferror(stdout))
                return status;
        if (errno != EPIPE)
                (void)cli_error_errno(-errno, "cannot write to standard output");
        clearerr(stdout);
        return status == EXIT_DONE ? EXIT_FAILED : status;
}

bool cli_is_terminal(void)
{
        return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

static int read_line(const char *question, char **ret)
{
        _cleanup_(freep)
        char *line = NULL;
        size_t n_allocated = 0;
        char *start, *end;

        fflush(stdout);
        if (isatty(STDIN_FILENO))
                fputs(question, stderr);
        errno = 0;
        if (getline(&line, &n_allocated, stdin) < 0)
                return errno != 0 ? -errno : 0;
        for (start = line; isspace((unsigned char)*start); start++)
                ;
        for (end = start + strlen(start); end > start && isspace((unsigned char)end[-1]); end--)
                ;
        *ret = strndup(start, (size_t)(end - start));
        return *ret ? 1 : -ENOMEM;
}

int cli_ask(struct cli *cli, const char *question, char **ret)
{
        return cli->dialogue ? dialogue_ask(cli->dialogue, question, ret)
                             : read_line(question, ret);
}

void cli_explain_queued(const char *user)
{
        _cleanup_(freep)
        char *shown = format_escape(user, ESCAPE_LINE);

        fflush(stdout);
        if (user[0] == '+') {
                fprintf(stderr,
                        "no other member of %s has it yet: queued, will be sent when one is "
                        "there\n",
                        shown ? shown : "?");
                return;
        }
        fprintf(stderr,
                "connection with %s cannot be established: queued, will be sent when %s is back\n",
                shown ? shown : "?", shown ? shown : "?");
}
