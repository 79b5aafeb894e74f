/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What all commands share: the connection, how to print, how to fail
 */

#include "bus/client.h"
#include "cli/columns.h"

enum {
        EXIT_DONE = 0,
        EXIT_FAILED = 1,
        EXIT_USAGE = 2,
        EXIT_QUEUED = 3,
        EXIT_NO_SERVICE = 4,
};

struct dialogue;

struct cli {
        const char *where; /* which bus */
        bool json;
        bool colour;
        bool in_shell;
        struct dialogue *dialogue; /* the shell we are in, or NULL */
        struct bus_client *client; /* opened by the first command that needs it */
};

/* The connection, opened or opened again if need be. 0, or an exit status after a complaint. */
int cli_client(struct cli *cli, struct bus_client **ret);
void cli_done(struct cli *cli);

/* Complaints on standard error; each returns the exit status that fits. */
int cli_usage(const char *format, ...) _printf_(1, 2);
int cli_error(const char *format, ...) _printf_(1, 2);
int cli_error_errno(int r, const char *what);
/* The last call failed: says why and what to do. */
int cli_call_failed(const struct bus_client *c);
int cli_bus_failed(const char *where, int r);

/* A line from whoever sits in front: 1 and the line (the caller's) without blanks at its ends, 0 at
 * the end of input, or a negative errno. In the shell it is a line of the shell. */
int cli_ask(struct cli *cli, const char *question, char **ret);
/* Whether there is somebody who can be asked, and who reads the answer. */
bool cli_is_terminal(void);

/* To a person whose message waits. */
void cli_explain_queued(const char *user);

/* Prints a line of cli/json.h and frees it; NULL is out of memory. */
int cli_print_json(char *line);
/* Flushes standard output: an answer that was not written was not given. */
int cli_flush(int status);
