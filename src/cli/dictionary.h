/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Dictionaries of the service as tables of two columns
 */

#include "cli/cli.h"

struct json_object;
struct sd_bus_message;

/* How a value is shown. */
enum dictionary_value {
        VALUE_PLAIN,     /* as it is; a list in one line */
        VALUE_TIME,      /* microseconds since 1970 */
        VALUE_SPAN,      /* microseconds */
        VALUE_LINES,     /* a list or a text, each on a line of its own; "none" */
        VALUE_SENTENCES, /* the same, of something that is wrong; an empty line */
};

struct dictionary_label {
        const char *key;
        const char *label;
        enum dictionary_value value;
};

/* What the service answered, an a{sv}: as JSON if that is wanted, else as a table, before which
 * @arrange (or NULL) may change entries: 0 or a negative errno. Exit status. */
int dictionary_show(struct cli *cli, struct sd_bus_message *m,
        const struct dictionary_label *labels, size_t n_labels,
        int (*arrange)(struct json_object *o));
/* An object of json_read_dictionary(): first what has a label, in the order of @labels, then the
 * rest under its own name. 0 or a negative errno. */
int dictionary_print(struct cli *cli, struct json_object *o, const struct dictionary_label *labels,
        size_t n_labels);
