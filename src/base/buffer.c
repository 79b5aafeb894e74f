/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Growing byte buffer with a limit */
#include "base/buffer.h"

void buffer_init(struct buffer *b, size_t size_max)
{
        *b = (struct buffer){ .size_max = size_max };
}

void buffer_done(struct buffer *b)
{
        free(b->data);
        buffer_init(b, b->size_max);
}

int buffer_reserve(struct buffer *b, size_t size)
{
        size_t want, allocated;
        uint8_t *data;

        if (size > b->size_max || b->size > b->size_max - size)
                return -E2BIG;

        want = b->size + size + 1;
        if (want <= b->allocated)
                return 0;

        allocated = MAX(want, MIN(b->allocated * 2, b->size_max + 1));
        allocated = MAX(allocated, (size_t)64);
        data = realloc(b->data, allocated);
        if (!data)
                return -ENOMEM;

        b->data = data;
        b->allocated = allocated;
        b->data[b->size] = 0;
        return 0;
}

int buffer_append(struct buffer *b, const void *data, size_t size)
{
        int r;

        r = buffer_reserve(b, size);
        if (r < 0)
                return r;

        if (size > 0)
                memcpy(b->data + b->size, data, size);
        b->size += size;
        b->data[b->size] = 0;
        return 0;
}

int buffer_append_string(struct buffer *b, const char *s)
{
        return buffer_append(b, s, strlen(s));
}

void buffer_consume(struct buffer *b, size_t size)
{
        assert(size <= b->size);

        if (size == 0)
                return;

        memmove(b->data, b->data + size, b->size - size);
        b->size -= size;
        b->data[b->size] = 0;
}

void buffer_clear(struct buffer *b)
{
        b->size = 0;
        if (b->data)
                b->data[0] = 0;
}

uint8_t *buffer_take(struct buffer *b, size_t *ret_size)
{
        uint8_t *data = b->data;

        *ret_size = b->size;
        buffer_init(b, b->size_max);
        return data;
}
