/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a stream of bytes to the things that classic programs say
 *
 * A scanner finds where a value ends, byte by byte, so that a stream in small pieces costs no more
 * than one in large ones; complete text goes to the parser once. Public values have up to a hundred
 * digits, more than the parser keeps of a number: the scanner hands it every number as a string
 * that begins with a character no sender has reason to use.
 */
#include <json-c/json.h>

#include "core/legacy/legacy.h"
#include "core/legacy/object.h"

#define NUMBER_MARK '\x01'
#define NUMBER_OPEN "\"\\u0001"
#define TEXT_MAX (LEGACY_OBJECT_MAX * 5) /* with every number quoted */
#define WORD_MAX 3                       /* "yes" */

static bool is_blank(char c)
{
        return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char lower(char c)
{
        return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

void object_done(struct object *o)
{
        free(o->text);
        o->text = NULL;
}

void object_reader_init(struct object_reader *r)
{
        *r = (struct object_reader){ 0 };
        buffer_init(&r->text, TEXT_MAX);
}

void object_reader_done(struct object_reader *r)
{
        buffer_done(&r->text);
}

bool object_reader_is_bare(const struct object_reader *r)
{
        return r->state == READER_WORD || r->state == READER_NUMBER;
}

bool object_reader_is_ambiguous(const struct object_reader *r)
{
        return r->state == READER_NUMBER && r->text.size == 1 && r->text.data[0] == '1';
}

bool object_name_is(const char *name, const char *plain)
{
        for (; *name; name++) {
                if (*name == '_' || *name == '-' || *name == ' ')
                        continue;
                if (lower(*name) != *plain)
                        return false;
                plain++;
        }
        return !*plain;
}

const char *object_text(struct json_object *value, size_t *ret_size, bool *ret_is_number)
{
        const char *s;
        size_t n;

        if (!json_object_is_type(value, json_type_string))
                return NULL;
        s = json_object_get_string(value);
        n = (size_t)json_object_get_string_len(value);
        *ret_is_number = n > 0 && s[0] == NUMBER_MARK;
        *ret_size = *ret_is_number ? n - 1 : n;
        return *ret_is_number ? s + 1 : s;
}

static int get_decimal(
        struct json_object *value, char ret[static DECIMAL_SIZE], bool *ret_is_number)
{
        size_t n;
        const char *s = object_text(value, &n, ret_is_number);

        if (!s)
                return -EINVAL;
        for (; n > 0 && is_blank(*s); n--)
                s++;
        for (; n > 0 && is_blank(s[n - 1]); n--)
                ;
        return decimal_parse(s, n, ret);
}

int object_set_printable(struct object *o, const char *s, size_t n)
{
        struct buffer b;
        int r = 0;

        buffer_init(&b, n * 3);
        r = buffer_reserve(&b, 0);
        while (r == 0 && n > 0) {
                uint32_t c;
                int size = utf8_decode(s, n, &c);
                size_t used = size < 0 ? 1 : (size_t)size;

                if (size > 0 && text_is_printable(s, used))
                        r = buffer_append(&b, s, used);
                else
                        r = buffer_append(&b, "\xef\xbf\xbd", 3);
                s += used;
                n -= used;
        }
        if (r < 0) {
                buffer_done(&b);
                return r;
        }
        free(o->text);
        o->text = (char *)buffer_take(&b, &o->size);
        return 0;
}

static int set_text(struct object *o, const char *s, size_t n)
{
        char *text = malloc(n + 1);

        if (!text)
                return -ENOMEM;
        memcpy(text, s, n);
        text[n] = 0;
        free(o->text);
        o->text = text;
        o->size = n;
        return 0;
}

/* A list of bytes, as text again: one shape of cipher text among others. */
static int set_list(struct object *o, struct json_object *list)
{
        struct buffer b;
        size_t n = json_object_array_length(list);
        int r;

        buffer_init(&b, TEXT_MAX);
        r = buffer_append_string(&b, "[");
        for (size_t i = 0; r == 0 && i < n; i++) {
                size_t size;
                bool is_number;
                const char *s = object_text(json_object_array_get_idx(list, i), &size, &is_number);

                if (i > 0)
                        r = buffer_append_string(&b, ",");
                if (r == 0 && s)
                        r = buffer_append(&b, s, size);
        }
        if (r == 0)
                r = buffer_append_string(&b, "]");
        if (r == 0)
                r = set_text(o, (char *)b.data, b.size);
        buffer_done(&b);
        return r == -E2BIG ? set_text(o, "", 0) : r;
}

static uint8_t spelling_of(const char *name)
{
        if (object_name_is(name, "message"))
                return LEGACY_SPELLING_MESSAGE;
        if (strchr(name, '_'))
                return LEGACY_SPELLING_USUAL;
        return strchr(name, ' ') ? LEGACY_SPELLING_BLANK : LEGACY_SPELLING_GLUED;
}

/* What the first member of this kind means; keys come before texts, texts before the rest. */
static int take_member(struct object *o, const char *name, struct json_object *value)
{
        const char *s;
        size_t n;
        bool is_number;

        if (object_name_is(name, "key") || object_name_is(name, "publickey")) {
                o->type =
                        get_decimal(value, o->number, &is_number) < 0 ? OBJECT_BAD_KEY : OBJECT_KEY;
                if (o->type == OBJECT_KEY)
                        o->key_form = is_number ? KEY_NUMBER : KEY_STRING;
                o->is_public_key = !object_name_is(name, "key");
                return 0;
        }
        if (o->type == OBJECT_KEY || o->type == OBJECT_BAD_KEY)
                return 0;

        s = object_text(value, &n, &is_number);
        if (object_name_is(name, "encryptedmessage")) {
                bool is_list = json_object_is_type(value, json_type_array);

                if (!s && !is_list)
                        return 0;
                o->type = OBJECT_ENCRYPTED;
                o->spelling = spelling_of(name);
                return is_list ? set_list(o, value) : set_text(o, s, n);
        }
        if (o->type == OBJECT_ENCRYPTED || !s)
                return 0;

        if (object_name_is(name, "unencryptedmessage") || object_name_is(name, "message")) {
                o->type = OBJECT_PLAIN;
                o->spelling = spelling_of(name);
                return object_set_printable(o, s, n);
        }
        if (o->type == OBJECT_OTHER && object_name_is(name, "chatrequest"))
                o->type = OBJECT_REQUEST;
        else if (o->type == OBJECT_OTHER && object_name_is(name, "choice")) {
                o->type = OBJECT_CHOICE;
                o->choice = LEGACY_CHOICE_JSON;
        }
        return 0;
}

static void take_detail(struct object *o, const char *name, struct json_object *value)
{
        static const char *const moduli[] = { "p", "mod", "modulus", "prime" };
        bool is_number;
        const char *s;
        size_t n;

        for (size_t i = 0; i < ELEMENTSOF(moduli); i++)
                if (object_name_is(name, moduli[i]))
                        (void)get_decimal(value, o->p, &is_number);
        if (object_name_is(name, "g") || object_name_is(name, "base"))
                (void)get_decimal(value, o->g, &is_number);
        if (!o->name[0] && (object_name_is(name, "username") || object_name_is(name, "user") ||
                                   object_name_is(name, "author"))) {
                s = object_text(value, &n, &is_number);
                if (s)
                        (void)name_clean(s, n, o->name);
        }
}

static int parse_text(struct buffer *text, struct json_object **ret)
{
        struct json_tokener *t = json_tokener_new_ex(LEGACY_JSON_DEPTH_MAX + 1);
        struct json_object *json;
        bool is_whole;

        if (!t)
                return -ENOMEM;
        json = json_tokener_parse_ex(t, (char *)text->data, (int)text->size);
        is_whole = json_tokener_get_parse_end(t) == text->size;
        json_tokener_free(t);
        if (!is_whole || !json_object_is_type(json, json_type_object)) {
                json_object_put(json);
                return OBJECT_RUBBISH;
        }
        *ret = json;
        return OBJECT_READ;
}

static int understand(struct buffer *text, struct object *ret)
{
        struct object o = { .type = OBJECT_OTHER };
        struct json_object *json = NULL;
        int r;

        r = parse_text(text, &json);
        if (r != OBJECT_READ)
                return r;
        json_object_object_foreach (json, name, value) {
                int k = take_member(&o, name, value);

                if (k < 0) {
                        r = k;
                        break;
                }
                take_detail(&o, name, value);
        }
        json_object_put(json);

        if (r != OBJECT_READ)
                object_done(&o);
        else
                *ret = o;
        return r;
}

static void reset(struct object_reader *r)
{
        buffer_clear(&r->text);
        r->size = r->depth = 0;
        r->state = READER_BETWEEN;
        r->quote = 0;
        r->is_escaped = r->is_number = false;
}

static int finish_word(struct object_reader *r, struct object *ret)
{
        static const char *const words[] = { "y", "n", "yes", "no" };

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (object_name_is((char *)r->text.data, words[i])) {
                        *ret = (struct object){ .type = OBJECT_CHOICE,
                                .choice = LEGACY_CHOICE_BARE };
                        reset(r);
                        return OBJECT_READ;
                }
        return OBJECT_RUBBISH;
}

static int finish_number(struct object_reader *r, char next, struct object *ret)
{
        struct object o = { .type = OBJECT_KEY, .key_form = KEY_BARE };
        const char *s = (char *)r->text.data;

        /* One digit before an object is the answer to "secure or not?". */
        if (r->text.size == 1 && (*s == '0' || (*s == '1' && next == '{')))
                o = (struct object){ .type = OBJECT_CHOICE, .choice = LEGACY_CHOICE_DIGIT };
        else if (decimal_parse(s, r->text.size, o.number) < 0)
                return OBJECT_RUBBISH;
        reset(r);
        *ret = o;
        return OBJECT_READ;
}

int object_reader_finish(struct object_reader *r, struct object *ret)
{
        switch (r->state) {
        case READER_BETWEEN:
        case READER_JSON:
                return OBJECT_MORE;
        case READER_WORD:
                return finish_word(r, ret);
        case READER_NUMBER:
                return finish_number(r, 0, ret);
        }
        return OBJECT_MORE;
}

/* The first byte of something: *ret_used tells whether it was consumed. */
static int begin(struct object_reader *r, char c, bool *ret_used, struct object *ret)
{
        bool is_first = !r->is_started;

        *ret_used = true;
        /* A zero byte ends a string of C, but begins with "not secure". */
        if (is_blank(c) || (c == 0 && !is_first))
                return OBJECT_MORE;
        r->is_started = true;
        if (c == 0 || c == 1) {
                *ret = (struct object){ .type = OBJECT_CHOICE, .choice = LEGACY_CHOICE_BYTE };
                return OBJECT_READ;
        }

        *ret_used = false;
        if (c == '{')
                r->state = READER_JSON;
        else if (is_digit(c))
                r->state = READER_NUMBER;
        else if (lower(c) == 'y' || lower(c) == 'n')
                r->state = READER_WORD;
        else
                return OBJECT_RUBBISH;
        return OBJECT_MORE;
}

static int continue_string(struct object_reader *r, char c)
{
        if (r->is_escaped)
                r->is_escaped = false;
        else if (c == '\\')
                r->is_escaped = true;
        else if (c == r->quote)
                r->quote = 0;
        return buffer_append_byte(&r->text, (uint8_t)c);
}

static bool is_number_character(char c)
{
        return is_digit(c) || c == '.' || c == '+' || c == '-' || c == 'e' || c == 'E';
}

/* OBJECT_READ once the outermost brace is closed. */
static int scan(struct object_reader *r, char c)
{
        char before = r->text.size > 0 ? (char)r->text.data[r->text.size - 1] : 0;
        int k = 0;

        if (++r->size > LEGACY_OBJECT_MAX)
                return OBJECT_RUBBISH;
        /* The parser stops at a zero byte, and knows comments: it may take a part for the whole. */
        if (c == 0 || (c == '/' && !r->quote))
                return OBJECT_RUBBISH;
        if (r->quote)
                return continue_string(r, c);

        if (r->is_number && !is_number_character(c)) {
                k = buffer_append_string(&r->text, "\"");
                r->is_number = false;
        } else if (!r->is_number && (is_digit(c) || c == '-') && !is_letter(before)) {
                k = buffer_append_string(&r->text, NUMBER_OPEN);
                r->is_number = true;
        }
        if (k == 0)
                k = buffer_append_byte(&r->text, (uint8_t)c);
        if (k < 0)
                return k;

        if (c == '"' || c == '\'')
                r->quote = c;
        else if ((c == '{' || c == '[') && ++r->depth > LEGACY_JSON_DEPTH_MAX)
                return OBJECT_RUBBISH;
        else if ((c == '}' || c == ']') && --r->depth == 0)
                return OBJECT_READ;
        return OBJECT_MORE;
}

static int continue_json(struct object_reader *r, char c, struct object *ret)
{
        int k;

        k = scan(r, c);
        if (k != OBJECT_READ)
                return k;
        k = understand(&r->text, ret);
        reset(r);
        return k;
}

int object_parse_one(const void *data, size_t size, struct json_object **ret)
{
        struct object_reader r;
        const char *s = data;
        int k = OBJECT_MORE;

        for (; size > 0 && is_blank(*s); size--)
                s++;
        if (size == 0 || *s != '{')
                return OBJECT_RUBBISH;

        object_reader_init(&r);
        for (; k == OBJECT_MORE && size > 0; size--)
                k = scan(&r, *s++);
        if (k == OBJECT_READ)
                k = parse_text(&r.text, ret);
        object_reader_done(&r);
        return k < 0 && k != -E2BIG ? k : k == OBJECT_READ ? OBJECT_READ : OBJECT_RUBBISH;
}

static int step(struct object_reader *r, char c, bool *ret_used, struct object *ret)
{
        *ret_used = true;
        switch (r->state) {
        case READER_BETWEEN:
                return begin(r, c, ret_used, ret);
        case READER_JSON:
                return continue_json(r, c, ret);
        case READER_WORD:
                if (is_letter(c))
                        return r->text.size < WORD_MAX ? buffer_append_byte(&r->text, (uint8_t)c)
                                                       : OBJECT_RUBBISH;
                *ret_used = false;
                return finish_word(r, ret);
        case READER_NUMBER:
                if (is_digit(c))
                        return r->text.size < LEGACY_OBJECT_MAX
                                       ? buffer_append_byte(&r->text, (uint8_t)c)
                                       : OBJECT_RUBBISH;
                *ret_used = false;
                return finish_number(r, c, ret);
        }
        return OBJECT_RUBBISH;
}

int object_read(struct object_reader *r, const void *data, size_t size, size_t *ret_used,
        struct object *ret)
{
        const char *s = data;
        size_t i = 0;
        int k = OBJECT_MORE;

        while (k == OBJECT_MORE && i < size) {
                bool used;

                k = step(r, s[i], &used, ret);
                i += used;
        }
        *ret_used = i;
        return k == -E2BIG ? OBJECT_RUBBISH : k;
}
