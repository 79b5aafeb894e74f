/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Objects for programs: one per line */

#include "cli/json.h"

#include <json-c/json.h>

#include "base/text.h"

static void object_putp(json_object **o)
{
        json_object_put(*o);
}

static int add(json_object *o, const char *key, json_object *value)
{
        if (!value)
                return -ENOMEM;
        if (json_object_object_add(o, key, value) < 0) {
                json_object_put(value);
                return -ENOMEM;
        }
        return 0;
}

static int add_string(json_object *o, const char *key, const char *s)
{
        return add(o, key, json_object_new_string(s));
}

static int add_number(json_object *o, const char *key, uint64_t n)
{
        return add(o, key, json_object_new_uint64(n));
}

/* json-c escapes what JSON demands, the C0 controls. Outside strings its plain form is ASCII, so
 * every other character here stands in a string, where \u may replace it. All of those that
 * matter are below U+10000. */
static char *line(json_object *o, size_t *ret_size)
{
        size_t n, used = 0;
        const char *s = json_object_to_json_string_length(
                o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &n);
        char *t;

        /* Six characters for what took two bytes at least, or one (DEL). */
        t = s ? malloc(n * 6 + 2) : NULL;
        if (!t)
                return NULL;
        while (n > 0) {
                uint32_t c;
                int taken = utf8_decode(s, n, &c);

                if (taken < 0) {
                        taken = 1;
                        c = 0xfffd;
                }
                if (codepoint_is_control(c) || codepoint_is_bidi(c))
                        used += (size_t)sprintf(t + used, "\\u%04x", c);
                else {
                        memcpy(t + used, s, (size_t)taken);
                        used += (size_t)taken;
                }
                s += taken;
                n -= (size_t)taken;
        }
        t[used++] = '\n';
        t[used] = 0;
        if (ret_size)
                *ret_size = used;
        return t;
}

char *json_message(const struct bus_message *m, size_t *ret_size)
{
        _cleanup_(object_putp)
        json_object *o = json_object_new_object();

        if (!o || add_number(o, "sequence", m->sequence) < 0 || add_string(o, "id", m->id) < 0 ||
                add_string(o, "direction", m->direction) < 0 ||
                add_string(o, "conversation", m->conversation) < 0 ||
                add_string(o, "user", m->user) < 0 || add_number(o, "time", m->time_usec) < 0 ||
                add_string(o, "address", m->address) < 0 ||
                add_string(o, "user_id", m->user_id) < 0 || add_string(o, "state", m->state) < 0 ||
                add_string(o, "security", m->security) < 0 || add_string(o, "text", m->text) < 0)
                return NULL;
        return line(o, ret_size);
}

char *json_user(const struct bus_user *u)
{
        _cleanup_(object_putp)
        json_object *o = json_object_new_object();

        if (!o || add_string(o, "name", u->name) < 0 || add_string(o, "id", u->id) < 0 ||
                add_string(o, "address", u->address) < 0 || add_string(o, "state", u->state) < 0 ||
                add_number(o, "last_heard", u->last_heard_usec) < 0 ||
                add_string(o, "security", u->security) < 0 || add_string(o, "flags", u->flags) < 0)
                return NULL;
        return line(o, NULL);
}

char *json_check(const struct bus_check *k)
{
        _cleanup_(object_putp)
        json_object *o = json_object_new_object();

        if (!o || add_string(o, "stage", k->stage) < 0 || add_string(o, "result", k->result) < 0 ||
                add_string(o, "sentence", k->sentence) < 0)
                return NULL;
        return line(o, NULL);
}

static int add_endpoints(json_object *o, const struct bus_found *f)
{
        json_object *list = json_object_new_array();

        for (size_t i = 0; list && i < f->n_endpoints; i++) {
                json_object *endpoint = json_object_new_string(f->endpoints[i]);

                if (!endpoint || json_object_array_add(list, endpoint) < 0) {
                        json_object_put(endpoint);
                        json_object_put(list);
                        return -ENOMEM;
                }
        }
        return add(o, "endpoints", list);
}

char *json_found(const struct bus_found *f)
{
        _cleanup_(object_putp)
        json_object *o = json_object_new_object();

        if (!o || add_string(o, "name", f->name) < 0 || add_string(o, "id", f->id) < 0 ||
                add_endpoints(o, f) < 0)
                return NULL;
        return line(o, NULL);
}

char *json_sent(const char *id, const char *state)
{
        _cleanup_(object_putp)
        json_object *o = json_object_new_object();

        if (!o || add_string(o, "id", id) < 0 || add_string(o, "state", state) < 0)
                return NULL;
        return line(o, NULL);
}

char *json_username(const char *username)
{
        _cleanup_(object_putp)
        json_object *o = json_object_new_object();

        if (!o || add_string(o, "username", username) < 0)
                return NULL;
        return line(o, NULL);
}

char *json_fingerprint(const char *fingerprint)
{
        _cleanup_(object_putp)
        json_object *o = json_object_new_object();

        if (!o || add_string(o, "fingerprint", fingerprint) < 0)
                return NULL;
        return line(o, NULL);
}

char *json_digits(const char *user, const char *digits)
{
        _cleanup_(object_putp)
        json_object *o = json_object_new_object();

        if (!o || add_string(o, "user", user) < 0 || add_string(o, "digits", digits) < 0)
                return NULL;
        return line(o, NULL);
}

char *json_identity(const char *username, const char *id, const char *fingerprint)
{
        _cleanup_(object_putp)
        json_object *o = json_object_new_object();

        if (!o || add_string(o, "username", username) < 0 || add_string(o, "id", id) < 0 ||
                add_string(o, "fingerprint", fingerprint) < 0)
                return NULL;
        return line(o, NULL);
}

char *json_id(const char *id)
{
        _cleanup_(object_putp)
        json_object *o = json_object_new_object();

        if (!o || add_string(o, "id", id) < 0)
                return NULL;
        return line(o, NULL);
}

char *json_name(const struct bus_name *n)
{
        _cleanup_(object_putp)
        json_object *o = json_object_new_object();

        if (!o || add_string(o, "name", n->name) < 0 || add_string(o, "id", n->id) < 0 ||
                add_number(o, "time", n->time_usec) < 0 || add_string(o, "state", n->state) < 0 ||
                add_string(o, "block", n->block) < 0)
                return NULL;
        return line(o, NULL);
}

char *json_file(const struct bus_file *f)
{
        _cleanup_(object_putp)
        json_object *o = json_object_new_object();

        if (!o || add_string(o, "id", f->id) < 0 || add_string(o, "user", f->user) < 0 ||
                add_string(o, "name", f->name) < 0 || add_number(o, "size", f->size) < 0 ||
                add_number(o, "done", f->done) < 0 ||
                add_string(o, "direction", f->direction) < 0 ||
                add_string(o, "state", f->state) < 0)
                return NULL;
        return line(o, NULL);
}

char *json_file_state(const char *id, const char *state, const char *reason, const char *path)
{
        _cleanup_(object_putp)
        json_object *o = json_object_new_object();

        if (!o || add_string(o, "id", id) < 0 || add_string(o, "state", state) < 0 ||
                (reason && add_string(o, "reason", reason) < 0) ||
                (path && add_string(o, "path", path) < 0))
                return NULL;
        return line(o, NULL);
}

char *json_pending(const struct bus_pending *p)
{
        _cleanup_(object_putp)
        json_object *o = json_object_new_object();

        if (!o || add_string(o, "name", p->name) < 0 || add_string(o, "id", p->id) < 0 ||
                add_number(o, "time", p->time_usec) < 0)
                return NULL;
        return line(o, NULL);
}

char *json_checked(uint64_t n_records, uint64_t n_bad, const char *first)
{
        _cleanup_(object_putp)
        json_object *o = json_object_new_object();

        if (!o || add_number(o, "records", n_records) < 0 || add_number(o, "bad", n_bad) < 0 ||
                add_string(o, "first", first) < 0)
                return NULL;
        return line(o, NULL);
}

char *json_group(const struct bus_group *g, const char *const *members, size_t n_members)
{
        _cleanup_(object_putp)
        json_object *o = json_object_new_object();
        json_object *all = json_object_new_array();

        if (!o || !all || add_string(o, "id", g->id) < 0 || add_string(o, "word", g->word) < 0 ||
                add_string(o, "state", g->state) < 0 ||
                json_object_object_add(o, "members", all) < 0) {
                json_object_put(all);
                return NULL;
        }
        for (size_t i = 0; i < n_members; i++) {
                json_object *one = json_object_new_string(members[i]);

                if (!one || json_object_array_add(all, one) < 0) {
                        json_object_put(one);
                        return NULL;
                }
        }
        return line(o, NULL);
}

char *json_member(const char *word)
{
        _cleanup_(object_putp)
        json_object *o = json_object_new_object();

        return !o || add_string(o, "user", word) < 0 ? NULL : line(o, NULL);
}

char *json_network(const char *word)
{
        _cleanup_(object_putp)
        json_object *o = json_object_new_object();

        if (!o || add_string(o, "network", word) < 0)
                return NULL;
        return line(o, NULL);
}

char *json_registration(const char *word, const char *registration)
{
        _cleanup_(object_putp)
        json_object *o = json_object_new_object();

        if (!o || add_string(o, "word", word) < 0 ||
                add_string(o, "registration", registration) < 0)
                return NULL;
        return line(o, NULL);
}

/* The value of one entry. @m stands before the contents of a variant of type @type. */
static int read_value(sd_bus_message *m, char type, const char *contents, json_object **ret)
{
        union {
                const char *s;
                uint64_t t;
                int64_t x;
                uint32_t u;
                int32_t i;
                int b;
                double d;
        } v;
        json_object *o = NULL;
        int r;

        switch (type) {
        case 's':
                r = sd_bus_message_read_basic(m, type, &v);
                o = r < 0 ? NULL : json_object_new_string(v.s);
                break;
        case 't':
                r = sd_bus_message_read_basic(m, type, &v);
                o = r < 0 ? NULL : json_object_new_uint64(v.t);
                break;
        case 'x':
                r = sd_bus_message_read_basic(m, type, &v);
                o = r < 0 ? NULL : json_object_new_int64(v.x);
                break;
        case 'u':
                r = sd_bus_message_read_basic(m, type, &v);
                o = r < 0 ? NULL : json_object_new_int64(v.u);
                break;
        case 'i':
                r = sd_bus_message_read_basic(m, type, &v);
                o = r < 0 ? NULL : json_object_new_int64(v.i);
                break;
        case 'b':
                r = sd_bus_message_read_basic(m, type, &v);
                o = r < 0 ? NULL : json_object_new_boolean(v.b);
                break;
        case 'd':
                r = sd_bus_message_read_basic(m, type, &v);
                o = r < 0 ? NULL : json_object_new_double(v.d);
                break;
        case 'a': {
                _cleanup_(object_putp)
                json_object *list = json_object_new_array();

                if (!list)
                        return -ENOMEM;
                if (!streq(contents, "s")) {
                        r = sd_bus_message_skip(m, NULL);
                        return r < 0 ? r : 0;
                }
                r = sd_bus_message_enter_container(m, 'a', "s");
                while (r >= 0 && (r = sd_bus_message_read_basic(m, 's', &v)) > 0)
                        if (json_object_array_add(list, json_object_new_string(v.s)) < 0)
                                return -ENOMEM;
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                o = r < 0 ? NULL : TAKE_PTR(list);
                break;
        }
        default:
                /* A newer service: what it means is not known here. */
                r = sd_bus_message_skip(m, NULL);
                return r < 0 ? r : 0;
        }
        if (r < 0)
                return r;
        if (!o)
                return -ENOMEM;
        *ret = o;
        return 1;
}

/* One entry: key and variant. @m stands inside the entry. */
static int read_entry(sd_bus_message *m, json_object *o)
{
        _cleanup_(freep)
        char *key = NULL;
        json_object *value = NULL;
        const char *name, *contents, *inner;
        char type;
        int r;

        r = sd_bus_message_read_basic(m, 's', &name);
        if (r < 0)
                return r;
        key = strdup(name);
        if (!key)
                return -ENOMEM;
        for (char *c = key; *c; c++)
                if (*c == '-')
                        *c = '_';

        r = sd_bus_message_peek_type(m, NULL, &contents);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(m, 'v', contents);
        if (r < 0)
                return r;
        r = sd_bus_message_peek_type(m, &type, &inner);
        if (r < 0)
                return r;
        r = read_value(m, type, inner, &value);
        if (r < 0)
                return r;
        if (r > 0) {
                r = add(o, key, value);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_exit_container(m);
}

int json_read_dictionary(sd_bus_message *m, json_object **ret)
{
        _cleanup_(object_putp)
        json_object *o = json_object_new_object();
        int r;

        if (!o)
                return -ENOMEM;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = read_entry(m, o);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(o);
        return 0;
}

char *json_line(struct json_object *o)
{
        return line(o, NULL);
}
