/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * JSON: what the bus says for the page, and what the page says for the bus
 *
 * Structures of the bus have no names for their members; who asks gives them, in order, as one text
 * with blanks. In keys of dictionaries "-" becomes "_", as on the command line.
 */
#include <systemd/sd-bus.h>

#include "base/buffer.h"

#define BODY_SIZE_MAX (512 * 1024) /* the longest text, and every byte of it escaped */

struct bus_message;
struct json_object;

/* Appends the next value of @m, whatever it is. @fields: of structures in it, or NULL. 0, or what
 * sd-bus or buffer_append() says; -EBADMSG for a structure with other members. */
int json_append_value(struct buffer *b, sd_bus_message *m, const char *fields);
int json_append_number(struct buffer *b, uint64_t n);
/* "key":"text", and a comma before it unless an object or an array begins there. */
int json_append_member(struct buffer *b, const char *key, const char *text);

/* A message as an object, its members named as in the documented interface. */
int json_append_message(struct buffer *b, const struct bus_message *m);

/* The one object that a body is, to be freed by json_free(). 0, -EBADMSG when it is anything
 * else, or -ENOMEM. */
int json_parse(const char *s, size_t size, struct json_object **ret);
void json_free(struct json_object *o);
static inline void json_freep(struct json_object **o)
{
        if (*o)
                json_free(*o);
}

/* A member of it. 1, 0 when it is not there, or -EINVAL when it is of another kind (a text with a
 * zero byte is, too). */
int json_get_text(struct json_object *o, const char *key, const char **ret);
int json_get_number(struct json_object *o, const char *key, uint64_t *ret);
/* A text of an array of them; 0 behind the last one. */
int json_get_item(struct json_object *o, const char *key, size_t i, const char **ret);
