/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The interactive shell: what is asked, and what the answers do */

#include "cli/cli.h"

struct dialogue;

/* The whole shell, until the user leaves it: an exit status. */
int dialogue_run(struct cli *cli);
/* A question of a command that runs in the shell: as cli_ask(). */
int dialogue_ask(struct dialogue *d, const char *question, char **ret);
