/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * How classic programs encrypt: the table of forms, and trial decryption
 *
 * A form says how a key is made of the shared secret (decimal text) and which cipher it goes into;
 * a shape says how the cipher text is written. Nobody tells which he uses: all are tried, and only
 * strict padding and printable text are believed.
 */
#include "base/buffer.h"
#include "core/legacy/memory.h"

struct random;

enum dialect_shape {
        SHAPE_BASE64,
        SHAPE_HEX,
        SHAPE_LIST,    /* JSON list of bytes */
        SHAPE_TOKEN,   /* Fernet's own */
        SHAPE_WRAPPED, /* a Fernet token in base64 once more */
};
#define N_SHAPES (SHAPE_WRAPPED + 1)

extern const size_t dialect_n_forms;

/* Short, for tests and traces. */
const char *dialect_form_name(size_t form);

enum {
        DIALECT_READ = 0,
        DIALECT_UNREADABLE, /* cipher text by its shape, but no form fits */
        DIALECT_NO_CIPHER,  /* its shape is no cipher text's */
};

struct dialect_reading {
        char *text; /* to be freed by the caller; printable UTF-8, not empty */
        size_t size;
        uint8_t form, shape; /* as in struct legacy_memory: 1 + index */
        size_t secret;       /* index of the one that fitted */
        bool is_sure;        /* of that: no other one gives text in the same form. DES ignores bits,
                                so it takes 12 for 13 */
};

/*
 * Tries the remembered form first, then all in their order, each with all @secrets. DIALECT_*, or
 * -ENOMEM.
 */
int dialect_decrypt(const struct legacy_memory *memory, const char *const *secrets,
        size_t n_secrets, const char *text, size_t size, struct dialect_reading *ret);

/* Appends the JSON value (with its quotes) of @text in the remembered form, or the usual one. 0,
 * -ENOMEM or -E2BIG. */
int dialect_encrypt(const struct legacy_memory *memory, struct random *random, const char *secret,
        const char *text, size_t size, struct buffer *b);
/* How long that value becomes at most. */
size_t dialect_encrypted_size(const struct legacy_memory *memory, size_t size);
