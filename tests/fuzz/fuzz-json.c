/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reader of objects: whole and in pieces it must find the same */
#include "core/crypto/crypto.h"
#include "core/legacy/object.h"
#include "fuzz.h"

#define OBJECTS_MAX 64

struct found {
        int end; /* OBJECT_MORE or OBJECT_RUBBISH */
        size_t n;
        enum object_type types[OBJECTS_MAX];
        size_t sizes[OBJECTS_MAX];
};

static void take(struct found *f, struct object *o)
{
        if (o->type == OBJECT_PLAIN && !text_is_printable(o->text, o->size))
                abort();
        if (!text_is_printable(o->name, strlen(o->name)))
                abort();
        if (o->type == OBJECT_KEY && (!o->number[0] || strlen(o->number) > DECIMAL_DIGITS_MAX))
                abort();
        if (f->n < OBJECTS_MAX) {
                f->types[f->n] = o->type;
                f->sizes[f->n] = o->text ? o->size : 0;
        }
        f->n++;
        object_done(o);
}

static struct found read_all(const uint8_t *data, size_t size, size_t piece)
{
        struct object_reader r;
        struct found f = { 0 };
        struct object o;

        object_reader_init(&r);
        while (size > 0 && f.end == OBJECT_MORE) {
                size_t n = MIN(piece, size), used;
                int k;

                k = object_read(&r, data, n, &used, &o);
                if (used > n || (k == OBJECT_MORE && used != n))
                        abort();
                if (k == OBJECT_READ)
                        take(&f, &o);
                else
                        f.end = k;
                data += used;
                size -= used;
        }
        if (f.end == OBJECT_MORE && object_reader_finish(&r, &o) == OBJECT_READ)
                take(&f, &o);
        object_reader_done(&r);
        return f;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct found whole, pieces;

        whole = read_all(data, size, SIZE_MAX);
        pieces = read_all(data, size, 1);
        if (memcmp(&whole, &pieces, sizeof whole) != 0)
                abort();
        return 0;
}
