/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Growing byte buffer that must be given its limit
 *
 * Lives inside something (buffer_init, buffer_done). Data stays in one piece and always has a zero
 * byte behind it, so that it can be read as a string when it is one.
 */
#include "base/macro.h"

struct buffer {
        uint8_t *data;
        size_t size;      /* bytes used */
        size_t allocated; /* bytes owned, or 0 */
        size_t size_max;
};

/* Empty, without memory; it never gets more than @size_max bytes. */
void buffer_init(struct buffer *b, size_t size_max);
void buffer_done(struct buffer *b);

/* 0, -ENOMEM, or -E2BIG when the result would be larger than the limit; then nothing changed. */
int buffer_append(struct buffer *b, const void *data, size_t size);
int buffer_append_string(struct buffer *b, const char *s);
/* Room for @size more bytes at data + size; the caller adds to size what it used. */
int buffer_reserve(struct buffer *b, size_t size);
/* The same of one byte, for who goes byte by byte. */
static inline int buffer_append_byte(struct buffer *b, uint8_t byte)
{
        if (b->size >= b->size_max || b->size + 2 > b->allocated)
                return buffer_append(b, &byte, 1);
        b->data[b->size++] = byte;
        b->data[b->size] = 0;
        return 0;
}
/* Drops the first @size bytes. */
void buffer_consume(struct buffer *b, size_t size);
/* Forgets the contents and keeps the memory. */
void buffer_clear(struct buffer *b);
/* Hands the memory over (to be freed by the caller; NULL when empty) and starts anew. */
uint8_t *buffer_take(struct buffer *b, size_t *ret_size);
