/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Messages as people see them, and pages of history put together
 */

#include "bus/client.h"
#include "cli/columns.h"

#define MESSAGE_COLUMNS 6

/* Adds the row of a message: time, direction, user, address, security, text. */
int message_add_row(struct columns *c, const struct bus_message *m);
/* One message by itself. */
int message_print(const struct bus_message *m, FILE *f, bool colour);

/* Messages of several pages, oldest first; they live as long as the struct. */
struct messages {
        sd_bus_message **pages;
        size_t n_pages;
        struct bus_message *rows;
        size_t n_rows;
        size_t n_allocated;
};

/* Reads the newest @limit messages, all that contain @text if it is not NULL. 0, or a negative
 * errno with the details in the client when it is the service's. */
int messages_read(struct messages *ms, struct bus_client *client, const char *user,
        const char *text, uint64_t limit);
void messages_done(struct messages *ms);
