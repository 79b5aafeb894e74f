/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON: what the bus says for the page, and what the page says for the bus */
#include "web/json.h"

#include <json-c/json.h>
#include <stdio.h>

#include "bus/client.h"
#include "web/page.h"

#define DEPTH_MAX 8

/*
 * From the bus
 */
int json_append_number(struct buffer *b, uint64_t n)
{
        char text[24];

        (void)snprintf(text, sizeof(text), "%ju", (uintmax_t)n);
        return buffer_append_string(b, text);
}

static int append_comma(struct buffer *b)
{
        uint8_t last = b->size > 0 ? b->data[b->size - 1] : '[';

        return last == '[' || last == '{' || last == ':' ? 0 : buffer_append(b, ",", 1);
}

static int append_key(struct buffer *b, const char *key, size_t size)
{
        char copy[64];
        int r = append_comma(b);

        if (r < 0)
                return r;
        (void)snprintf(copy, sizeof(copy), "%.*s", (int)MIN(size, sizeof(copy) - 1), key);
        for (char *c = copy; *c; c++)
                if (*c == '-')
                        *c = '_';
        r = page_append_json(b, copy);
        return r < 0 ? r : buffer_append(b, ":", 1);
}

int json_append_member(struct buffer *b, const char *key, const char *text)
{
        int r = append_key(b, key, strlen(key));

        return r < 0 ? r : page_append_json(b, text);
}

static int append_signed(struct buffer *b, int64_t n)
{
        char text[24];

        (void)snprintf(text, sizeof(text), "%jd", (intmax_t)n);
        return buffer_append_string(b, text);
}

static int append_basic(struct buffer *b, sd_bus_message *m, char type)
{
        union {
                const char *s;
                uint8_t y;
                int b;
                int16_t n;
                uint16_t q;
                int32_t i;
                uint32_t u;
                int64_t x;
                uint64_t t;
                double d;
        } v;
        char text[32];
        int r = sd_bus_message_read_basic(m, type, &v);

        if (r < 0)
                return r;
        switch (type) {
        case 's':
        case 'o':
        case 'g':
                return page_append_json(b, v.s);
        case 'b':
                return buffer_append_string(b, v.b ? "true" : "false");
        case 'y':
                return json_append_number(b, v.y);
        case 'q':
                return json_append_number(b, v.q);
        case 'u':
                return json_append_number(b, v.u);
        case 't':
                return json_append_number(b, v.t);
        case 'n':
                return append_signed(b, v.n);
        case 'i':
                return append_signed(b, v.i);
        case 'x':
                return append_signed(b, v.x);
        case 'd':
                (void)snprintf(text, sizeof(text), "%.17g", v.d);
                return buffer_append_string(b, text);
        default: /* a descriptor says nothing to a page */
                return buffer_append_string(b, "null");
        }
}

static int append_value(struct buffer *b, sd_bus_message *m, const char *fields, unsigned depth);

static int append_dictionary(
        struct buffer *b, sd_bus_message *m, const char *contents, unsigned depth)
{
        const char *key;
        char entry[SD_BUS_MAXIMUM_SIGNATURE_LENGTH + 1];
        int r;

        (void)snprintf(entry, sizeof(entry), "%.*s", (int)strlen(contents) - 2, contents + 1);
        r = buffer_append(b, "{", 1);
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', entry)) > 0) {
                r = sd_bus_message_read_basic(m, 's', &key);
                if (r >= 0)
                        r = append_key(b, key, strlen(key));
                if (r >= 0)
                        r = append_value(b, m, NULL, depth);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r < 0 ? r : buffer_append(b, "}", 1);
}

static int append_array(struct buffer *b, sd_bus_message *m, const char *contents,
        const char *fields, unsigned depth)
{
        int r = buffer_append(b, "[", 1);

        while (r >= 0 && (r = sd_bus_message_at_end(m, false)) == 0) {
                r = append_comma(b);
                if (r >= 0)
                        r = append_value(b, m, fields, depth);
        }
        return r < 0 ? r : buffer_append(b, "]", 1);
}

static int append_structure(struct buffer *b, sd_bus_message *m, const char *fields, unsigned depth)
{
        int r = buffer_append(b, "{", 1);

        while (r >= 0 && (r = sd_bus_message_at_end(m, false)) == 0) {
                size_t n = fields ? strcspn(fields, " ") : 0;

                if (n == 0)
                        return -EBADMSG;
                r = append_key(b, fields, n);
                if (r >= 0)
                        r = append_value(b, m, NULL, depth);
                fields += n + (fields[n] == ' ');
        }
        if (r < 0)
                return r;
        return fields && *fields ? -EBADMSG : buffer_append(b, "}", 1);
}

static int append_value(struct buffer *b, sd_bus_message *m, const char *fields, unsigned depth)
{
        const char *contents;
        char type;
        int r = sd_bus_message_peek_type(m, &type, &contents);

        if (r <= 0)
                return r < 0 ? r : -ENXIO;
        if (depth == DEPTH_MAX)
                return -EBADMSG;
        if (!strchr("arv", type))
                return append_basic(b, m, type);

        r = sd_bus_message_enter_container(m, type, contents);
        if (r < 0)
                return r;
        if (type == 'v')
                r = append_value(b, m, fields, depth + 1);
        else if (type == 'r')
                r = append_structure(b, m, fields, depth + 1);
        else if (strncmp(contents, "{s", 2) == 0)
                r = append_dictionary(b, m, contents, depth + 1);
        else
                r = append_array(b, m, contents, fields, depth + 1);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

int json_append_value(struct buffer *b, sd_bus_message *m, const char *fields)
{
        int r = append_value(b, m, fields, 0);

        return r < 0 ? r : 0;
}

static int append_number_member(struct buffer *b, const char *key, uint64_t n)
{
        int r = append_key(b, key, strlen(key));

        return r < 0 ? r : json_append_number(b, n);
}

int json_append_message(struct buffer *b, const struct bus_message *m)
{
        const struct {
                const char *key, *value;
        } members[] = {
                { "id", m->id },
                { "direction", m->direction },
                { "conversation", m->conversation },
                { "user", m->user },
                { "address", m->address },
                { "user_id", m->user_id },
                { "state", m->state },
                { "security", m->security },
                { "text", m->text },
        };
        int r = buffer_append(b, "{", 1);

        if (r == 0)
                r = append_number_member(b, "sequence", m->sequence);
        if (r == 0)
                r = append_number_member(b, "time", m->time_usec);
        for (size_t i = 0; r == 0 && i < ELEMENTSOF(members); i++)
                r = json_append_member(b, members[i].key, members[i].value);
        return r < 0 ? r : buffer_append(b, "}", 1);
}

/*
 * From the page
 */
int json_parse(const char *s, size_t size, struct json_object **ret)
{
        struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
        struct json_object *o;
        enum json_tokener_error error;

        if (!tokener)
                return -ENOMEM;
        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
        o = json_tokener_parse_ex(tokener, s, (int)MIN(size, (size_t)INT32_MAX));
        error = json_tokener_get_error(tokener);
        json_tokener_free(tokener);
        if (error != json_tokener_success || !json_object_is_type(o, json_type_object)) {
                json_object_put(o);
                return -EBADMSG;
        }
        *ret = o;
        return 0;
}

void json_free(struct json_object *o)
{
        json_object_put(o);
}

static int take_text(struct json_object *value, const char **ret)
{
        const char *s;

        if (!json_object_is_type(value, json_type_string))
                return -EINVAL;
        s = json_object_get_string(value);
        if (strlen(s) != (size_t)json_object_get_string_len(value))
                return -EINVAL;
        *ret = s;
        return 1;
}

int json_get_text(struct json_object *o, const char *key, const char **ret)
{
        struct json_object *value;

        return json_object_object_get_ex(o, key, &value) ? take_text(value, ret) : 0;
}

int json_get_item(struct json_object *o, const char *key, size_t i, const char **ret)
{
        struct json_object *list;

        if (!json_object_object_get_ex(o, key, &list))
                return 0;
        if (!json_object_is_type(list, json_type_array))
                return -EINVAL;
        if (i >= json_object_array_length(list))
                return 0;
        return take_text(json_object_array_get_idx(list, i), ret);
}

int json_get_number(struct json_object *o, const char *key, uint64_t *ret)
{
        struct json_object *value;

        if (!json_object_object_get_ex(o, key, &value))
                return 0;
        if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0)
                return -EINVAL;
        *ret = json_object_get_uint64(value);
        return 1;
}
