/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Users as people name them
 *
 * The service alone decides what a word means. What is worked out here from the rows of ListUsers
 * is only what to show: the shortest word that names a row, and the row that a word most likely
 * names.
 */

#include "bus/client.h"

/* All rows of ListUsers; their strings live as long as the struct. */
struct users {
        sd_bus_message *answer;
        struct bus_user *rows;
        size_t n_rows;
};

/* 0, or a negative errno with the details in the client when it is the service's. */
int users_read(struct users *us, struct bus_client *client);
void users_done(struct users *us);

/* Flags are words between blanks. */
bool user_has_flag(const struct bus_user *u, const char *flag);

/* "bob"; of a namesake "bob#k3f7", with as much of the id as tells it from the others, or
 * "bob@192.168.1.7". Not escaped. The caller's; NULL when out of memory. */
char *user_word(const struct bus_user *rows, size_t n_rows, const struct bus_user *u);

/* The row that @word names, or NULL when none does or several do. */
const struct bus_user *user_find(const struct bus_user *rows, size_t n_rows, const char *word);

/* Who the other side of a message is: its name, or the word that tells it from the one who is meant
 * by this name today. Not escaped; lives as long as @m. */
const char *user_of_message(const struct bus_message *m);

/* What the security of a user means for a chat, as the rest of a sentence "Chat with bob: …". */
const char *user_security_phrase(const char *security);
