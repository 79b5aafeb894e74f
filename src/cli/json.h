/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Objects for programs: one per line
 *
 * The keys are the argument names of dbus/org.example.P2PChat.xml with "_"; numbers are numbers.
 * Characters that could do harm on a terminal are written as \u escapes, which a JSON reader turns
 * back into the characters.
 */

#include <stdio.h>

#include "bus/client.h"

struct json_object;

/* Each returns a line with its line end, the caller's to free, or NULL when out of memory. */
char *json_message(const struct bus_message *m, size_t *ret_size);
char *json_user(const struct bus_user *u);
char *json_check(const struct bus_check *k);
char *json_found(const struct bus_found *f);
char *json_sent(const char *id, const char *state);
char *json_username(const char *username);
/* One's own half, and the digits of a pair. */
char *json_fingerprint(const char *fingerprint);
char *json_digits(const char *user, const char *digits);
char *json_identity(const char *username, const char *id, const char *fingerprint);
char *json_id(const char *id);
char *json_name(const struct bus_name *n);
char *json_pending(const struct bus_pending *p);
char *json_checked(uint64_t n_records, uint64_t n_bad, const char *first);
char *json_group(const struct bus_group *g, const char *const *members, size_t n_members);
char *json_member(const char *word);
char *json_network(const char *word);
char *json_file(const struct bus_file *f);
/* @reason, @path: or NULL. */
char *json_file_state(const char *id, const char *state, const char *reason, const char *path);
char *json_registration(const char *word, const char *registration);
/* Any object. */
char *json_line(struct json_object *o);

/* The dictionary a{sv} that @m stands in, with "_" for "-" in the keys; entries of unknown types
 * are left out. 0, the object in @ret to be put by the caller, or a negative errno. */
int json_read_dictionary(sd_bus_message *m, struct json_object **ret);
