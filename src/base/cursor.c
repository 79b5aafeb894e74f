/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bounded reading and writing */
#include "base/cursor.h"

const uint8_t *reader_bytes(struct reader *r, size_t size)
{
        const uint8_t *data = r->data;

        if (r->failed || size > r->left) {
                r->failed = true;
                return NULL;
        }
        if (size > 0)
                r->data += size;
        r->left -= size;
        return data;
}

static uint64_t reader_integer(struct reader *r, size_t size)
{
        const uint8_t *data = reader_bytes(r, size);
        uint64_t v = 0;

        if (!data)
                return 0;
        for (size_t i = 0; i < size; i++)
                v = v << 8 | data[i];
        return v;
}

uint8_t reader_u8(struct reader *r)
{
        return reader_integer(r, 1);
}

uint16_t reader_u16(struct reader *r)
{
        return reader_integer(r, 2);
}

uint32_t reader_u32(struct reader *r)
{
        return reader_integer(r, 4);
}

uint64_t reader_u64(struct reader *r)
{
        return reader_integer(r, 8);
}

const uint8_t *reader_blob(struct reader *r, size_t *ret_size)
{
        size_t size = reader_u16(r);
        const uint8_t *data = reader_bytes(r, size);

        *ret_size = data ? size : 0;
        return data;
}

bool reader_is_done(const struct reader *r)
{
        return !r->failed && r->left == 0;
}

void writer_bytes(struct writer *w, const void *data, size_t size)
{
        if (w->failed || size > w->left) {
                w->failed = true;
                return;
        }
        if (size > 0)
                memcpy(w->data + w->size, data, size);
        w->size += size;
        w->left -= size;
}

static void writer_integer(struct writer *w, uint64_t v, size_t size)
{
        uint8_t data[8];

        for (size_t i = 0; i < size; i++)
                data[i] = v >> 8 * (size - 1 - i);
        writer_bytes(w, data, size);
}

void writer_u8(struct writer *w, uint8_t v)
{
        writer_integer(w, v, 1);
}

void writer_u16(struct writer *w, uint16_t v)
{
        writer_integer(w, v, 2);
}

void writer_u32(struct writer *w, uint32_t v)
{
        writer_integer(w, v, 4);
}

void writer_u64(struct writer *w, uint64_t v)
{
        writer_integer(w, v, 8);
}

void writer_blob(struct writer *w, const void *data, size_t size)
{
        if (size > UINT16_MAX) {
                w->failed = true;
                return;
        }
        writer_u16(w, size);
        writer_bytes(w, data, size);
}
