/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all open pages are told */
#include "web/feed.h"

void feed_init(struct feed *f)
{
        /* Nobody has read what is before 1, so 0 is a position that has fallen behind. */
        f->begin = 1;
        buffer_init(&f->text, FEED_SIZE_MAX);
}

void feed_done(struct feed *f)
{
        buffer_done(&f->text);
}

static void drop(struct feed *f, size_t size)
{
        buffer_consume(&f->text, size);
        f->begin += size;
}

void feed_clear(struct feed *f)
{
        f->begin = feed_end(f);
        buffer_done(&f->text);
        buffer_init(&f->text, FEED_SIZE_MAX);
}

int feed_append(struct feed *f, const char *line, size_t size)
{
        int r;

        /* By halves, so that the rest is not moved for every line. */
        if (f->text.size + size + 1 > FEED_SIZE_MAX)
                drop(f, MIN(f->text.size, MAX(size + 1, (size_t)FEED_SIZE_MAX / 2)));
        r = buffer_reserve(&f->text, size + 1);
        if (r < 0) {
                feed_clear(f);
                f->begin++;
                return r == -E2BIG ? 0 : r;
        }
        (void)buffer_append(&f->text, line, size);
        (void)buffer_append(&f->text, "\n", 1);
        return 0;
}

uint64_t feed_end(const struct feed *f)
{
        return f->begin + f->text.size;
}

ssize_t feed_read(const struct feed *f, uint64_t *position, char *data, size_t size)
{
        size_t at, n;

        if (*position < f->begin)
                return -ESTALE;
        at = (size_t)(*position - f->begin);
        n = MIN(size, f->text.size - at);
        if (n > 0)
                memcpy(data, f->text.data + at, n);
        *position += n;
        return (ssize_t)n;
}
