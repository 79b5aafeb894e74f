/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Groups as people name them: "+team", "+team#1a2b", or a whole id
 */

#include "bus/client.h"

#define GROUP_ID_DIGITS 32

/* The rows of List; they live as long as the struct. */
struct group_row {
        struct bus_group group;
        const char **members;
        size_t n_members;
};
struct groups {
        sd_bus_message *answer;
        struct group_row *rows;
        size_t n_rows;
};

/* 0, or a negative errno with the details in the client when it is the service's. */
int groups_read(struct groups *gs, struct bus_client *client);
void groups_done(struct groups *gs);

/* The row that @word names. NULL: none does, or several; *ret_n: how many. */
const struct group_row *group_find(const struct groups *gs, const char *word, size_t *ret_n);
/* Do the two words name one group, of which @id is known? */
bool group_is_same(const char *id, const char *word, const char *other);

/* Where a word can name a group only, "team" is "+team". The caller's; NULL when out of memory. */
char *group_word(const char *s);

/* A group as it can be pasted behind a command: its word, quoted if need be, or else its id. The
 * caller's; NULL when out of memory. */
char *group_argument(const char *word, const char *id);

/* Does a message belong to a group? */
bool message_is_of_group(const struct bus_message *m);
