/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Dictionaries of the service as tables of two columns */

#include "cli/dictionary.h"

#include <inttypes.h>
#include <json-c/json.h>

#include "base/buffer.h"
#include "cli/format.h"
#include "cli/json.h"

#define LIST_SIZE_MAX 4096

static char *join_list(struct json_object *list)
{
        _cleanup_(buffer_done)
        struct buffer b;

        buffer_init(&b, LIST_SIZE_MAX);
        for (size_t i = 0; i < json_object_array_length(list); i++)
                if (buffer_append_string(&b, i > 0 ? ", " : "") < 0 ||
                        buffer_append_string(
                                &b, json_object_get_string(json_object_array_get_idx(list, i))) < 0)
                        break;
        return format_escape(b.size > 0 ? (char *)b.data : "", ESCAPE_LINE);
}

/* "5 s", "5 min" */
static char *span(uint64_t usec)
{
        uint64_t seconds = usec / USEC_PER_SEC;
        char *t;

        if (asprintf(&t, seconds < 120 ? "%" PRIu64 " s" : "%" PRIu64 " min",
                    seconds < 120 ? seconds : seconds / 60) < 0)
                return NULL;
        return t;
}

static char *text_of(struct json_object *value, enum dictionary_value how)
{
        char time[FORMAT_TIME_SIZE];
        const char *text = json_object_get_string(value);

        if (json_object_is_type(value, json_type_array))
                return join_list(value);
        if (json_object_is_type(value, json_type_boolean))
                text = json_object_get_boolean(value) ? "yes" : "no";
        else if (how == VALUE_TIME && json_object_is_type(value, json_type_int))
                text = format_time(json_object_get_uint64(value), time);
        else if (how == VALUE_SPAN && json_object_is_type(value, json_type_int))
                return span(json_object_get_uint64(value));
        return format_escape(text ? text : "", ESCAPE_LINE);
}

static int add_row(struct columns *c, const char *label, char *text, enum style style)
{
        int r = columns_add_owned(c, format_escape(label, ESCAPE_LINE), STYLE_FAINT);

        if (r < 0) {
                free(text);
                return r;
        }
        return columns_add_owned(c, text, style);
}

static int add_lines(
        struct columns *c, const char *label, struct json_object *value, enum dictionary_value how)
{
        enum style style = how == VALUE_SENTENCES ? STYLE_YELLOW : STYLE_NONE;
        size_t n = json_object_array_length(value);
        int r = 0;

        if (n == 0)
                return add_row(c, label, strdup(how == VALUE_LINES ? "none" : ""), STYLE_NONE);
        for (size_t i = 0; i < n && r >= 0; i++) {
                const char *s = json_object_get_string(json_object_array_get_idx(value, i));

                r = add_row(c, i == 0 ? label : "", format_escape(s, ESCAPE_LINE), style);
        }
        return r;
}

static int add_value(
        struct columns *c, const char *label, struct json_object *value, enum dictionary_value how)
{
        bool is_empty = streq(json_object_get_string(value) ?: "", "");

        if (how == VALUE_LINES && is_empty)
                return add_row(c, label, strdup("none"), STYLE_NONE);
        if ((how == VALUE_LINES || how == VALUE_SENTENCES) &&
                json_object_is_type(value, json_type_array))
                return add_lines(c, label, value, how);
        return add_row(c, label, text_of(value, how), STYLE_NONE);
}

static bool is_labelled(const char *key, const struct dictionary_label *labels, size_t n_labels)
{
        for (size_t i = 0; i < n_labels; i++)
                if (streq(labels[i].key, key))
                        return true;
        return false;
}

static int fill(struct columns *c, struct json_object *o, const struct dictionary_label *labels,
        size_t n_labels)
{
        int r = 0;

        for (size_t i = 0; i < n_labels && r >= 0; i++) {
                struct json_object *value;

                if (json_object_object_get_ex(o, labels[i].key, &value))
                        r = add_value(c, labels[i].label, value, labels[i].value);
        }
        if (r < 0)
                return r;

        json_object_object_foreach (o, key, value) {
                if (is_labelled(key, labels, n_labels))
                        continue;
                r = add_value(c, key, value, VALUE_PLAIN);
                if (r < 0)
                        return r;
        }
        return 0;
}

int dictionary_print(struct cli *cli, struct json_object *o, const struct dictionary_label *labels,
        size_t n_labels)
{
        _cleanup_(columns_freep)
        struct columns *columns = NULL;
        int r;

        r = columns_new(2, &columns);
        if (r >= 0)
                r = fill(columns, o, labels, n_labels);
        if (r < 0)
                return r;
        columns_print(columns, stdout, cli->colour);
        return 0;
}

int dictionary_show(struct cli *cli, struct sd_bus_message *m,
        const struct dictionary_label *labels, size_t n_labels,
        int (*arrange)(struct json_object *o))
{
        struct json_object *o;
        int r;

        r = json_read_dictionary(m, &o);
        if (r < 0)
                return cli_error_errno(r, "cannot read the answer of the service");
        if (cli->json)
                r = cli_print_json(json_line(o));
        else {
                r = arrange ? arrange(o) : 0;
                if (r >= 0)
                        r = dictionary_print(cli, o, labels, n_labels);
                r = r < 0 ? cli_error_errno(r, "cannot show it") : EXIT_DONE;
        }
        json_object_put(o);
        return r;
}
