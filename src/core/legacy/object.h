/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * From a stream of bytes to the things that classic programs say
 *
 * There is no framing: objects come glued together or in pieces, and besides objects bare words and
 * numbers. Everything is JSON ↔ struct here, and nowhere else.
 */
#include "base/buffer.h"
#include "base/text.h"
#include "core/crypto/dh.h"
#include "core/legacy/memory.h"

enum object_type {
        OBJECT_OTHER,     /* well formed, nothing for us in it */
        OBJECT_KEY,       /* number, key_form, is_public_key, p, g */
        OBJECT_BAD_KEY,   /* a key that is no number */
        OBJECT_ENCRYPTED, /* text: cipher text, whatever its shape; spelling */
        OBJECT_PLAIN,     /* text: valid and printable; spelling */
        OBJECT_CHOICE,    /* choice */
        OBJECT_REQUEST,   /* chat_request of the second dialect */
};

enum key_form {
        KEY_STRING,
        KEY_NUMBER,
        KEY_BARE, /* no object around it */
};

struct object {
        enum object_type type;
        char number[DECIMAL_SIZE];
        enum key_form key_form;
        bool is_public_key;           /* the member was "public_key" */
        char p[DECIMAL_SIZE];         /* "" when not given */
        char g[DECIMAL_SIZE];         /* likewise */
        char *text;                   /* owned */
        size_t size;                  /* of text */
        uint8_t spelling;             /* enum legacy_spelling */
        enum legacy_choice choice;    /* how it was written */
        char name[NAME_SIZE_MAX + 1]; /* what the sender calls himself, cleaned, or "" */
};

void object_done(struct object *o);
/* Makes @s its text; what is no printable UTF-8 in it becomes U+FFFD. 0 or -ENOMEM. */
int object_set_printable(struct object *o, const char *s, size_t n);

struct object_reader {
        struct buffer text; /* of the value under way; numbers in it are quoted */
        size_t size;        /* bytes that came of it */
        size_t depth;       /* open braces and brackets */
        enum {
                READER_BETWEEN,
                READER_JSON,
                READER_WORD,
                READER_NUMBER,
        } state;
        char quote; /* the string under way ends with it, or 0 */
        bool is_escaped, is_number;
        bool is_started; /* something but blanks came on this connection */
};

enum {
        OBJECT_MORE = 0, /* all was used, nothing is complete */
        OBJECT_READ,     /* *ret is set; there may be more behind *ret_used */
        OBJECT_RUBBISH,  /* no classic program says that */
};

void object_reader_init(struct object_reader *r);
void object_reader_done(struct object_reader *r);
/* OBJECT_*, or -ENOMEM. */
int object_read(struct object_reader *r, const void *data, size_t size, size_t *ret_used,
        struct object *ret);
/* A bare word or number waits for whether it goes on. */
bool object_reader_is_bare(const struct object_reader *r);
/* It is a single 1: a key, or "secure" and the key comes in an object of its own. */
bool object_reader_is_ambiguous(const struct object_reader *r);
/* Nothing comes any more, so what is bare is complete: OBJECT_*, or -ENOMEM. */
int object_reader_finish(struct object_reader *r, struct object *ret);

struct json_object;
/* The value of a datagram, with its numbers as object_text() wants them: OBJECT_READ and *ret, to
 * be put; OBJECT_RUBBISH; or -ENOMEM. */
int object_parse_one(const void *data, size_t size, struct json_object **ret);
/* The text of a string or number, else NULL. */
const char *object_text(struct json_object *value, size_t *ret_size, bool *ret_is_number);
/* Does the member @name mean @plain: letters in either case, without '_', '-' and blanks. */
bool object_name_is(const char *name, const char *plain);
