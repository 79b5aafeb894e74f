/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the parts of the command file share
 */

#include "cli/command.h"
#include "cli/follow.h"

/* A row of List, kept. */
struct file_row {
        char id[40];
        char *name;
        uint64_t size;
        bool is_received;
};
void file_row_done(struct file_row *row);

/* The file whose id is @word or begins with it. 0, or an exit status after a complaint. */
int file_find(struct bus_client *client, const char *word, struct file_row *ret);
/* What a reason of Finished means, for people. */
const char *file_reason(const char *reason);

int file_accept(struct cli *cli, struct bus_client *client, const struct arguments *a);
