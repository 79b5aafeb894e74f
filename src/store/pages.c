/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rows of a damaged database, page by page
 *
 * Reads the file format of SQLite (https://sqlite.org/fileformat2.html) without its trees: every
 * page that looks like a leaf is taken apart by itself, wherever it belongs. So a damaged page
 * costs what is on it, and nothing that it only led to. What is no leaf, or was damaged, gives rows
 * that make no sense; whoever gets them believes only what its seal proves.
 */
#include <fcntl.h>
#include <unistd.h>

#include "base/cursor.h"
#include "store/store-internal.h"

#define LEAF_OF_INDEX 0x0a
#define LEAF_OF_TABLE 0x0d
#define HEADER_SIZE 8 /* of a leaf */
#define INLINE_TABLE_MAX (STORE_PAGE_SIZE - 35)
#define INLINE_INDEX_MAX ((STORE_PAGE_SIZE - 12) * 64 / 255 - 23)
#define INLINE_MIN ((STORE_PAGE_SIZE - 12) * 32 / 255 - 23)
#define OVERFLOW_SIZE (STORE_PAGE_SIZE - 4)

struct pages {
        int fd;
        uint64_t n_pages;
        struct buffer payload; /* of a row that goes over several pages */
};

static uint64_t read_varint(struct reader *r)
{
        uint64_t v = 0;

        for (int i = 0; i < 8; i++) {
                uint8_t b = reader_u8(r);

                v = v << 7 | (b & 0x7f);
                if (!(b & 0x80))
                        return v;
        }
        return v << 8 | reader_u8(r);
}

static bool read_page(const struct pages *p, uint64_t number, uint8_t *ret)
{
        return pread(p->fd, ret, STORE_PAGE_SIZE, (off_t)((number - 1) * STORE_PAGE_SIZE)) ==
               STORE_PAGE_SIZE;
}

/* The part of @size bytes that is in the leaf itself. */
static size_t inline_size(size_t size, bool is_index)
{
        size_t max = is_index ? INLINE_INDEX_MAX : INLINE_TABLE_MAX;
        size_t part = INLINE_MIN + (size - INLINE_MIN) % OVERFLOW_SIZE;

        if (size <= max)
                return size;
        return part <= max ? part : INLINE_MIN;
}

/* Appends what is on further pages to p->payload. False when the chain is broken. */
static bool follow(struct pages *p, uint64_t number, size_t size)
{
        uint8_t page[STORE_PAGE_SIZE];

        while (size > 0) {
                struct reader r = reader_make(page, sizeof page);
                size_t n = MIN(size, (size_t)OVERFLOW_SIZE);

                if (number < 2 || number > p->n_pages || !read_page(p, number, page))
                        return false;
                number = reader_u32(&r);
                if (buffer_append(&p->payload, reader_bytes(&r, n), n) < 0)
                        return false;
                size -= n;
        }
        return true;
}

static bool read_value(struct reader *r, uint64_t type, struct page_value *ret)
{
        static const uint8_t sizes[] = { 0, 1, 2, 3, 4, 6, 8 };
        struct page_value v = {};

        if (type >= 12) {
                v.is_blob = true;
                v.size = (type - 12) / 2;
                v.data = reader_bytes(r, v.size);
        } else if (type == 8 || type == 9) {
                v.is_number = true;
                v.number = (int64_t)type - 8;
        } else if (type >= 1 && type <= 6) {
                const uint8_t *data = reader_bytes(r, sizes[type]);
                uint64_t u = data && data[0] & 0x80 ? UINT64_MAX : 0;

                for (size_t i = 0; data && i < sizes[type]; i++)
                        u = u << 8 | data[i];
                v.is_number = true;
                v.number = (int64_t)u;
        } else if (type != 0)
                return false; /* fractions are not in our tables */
        *ret = v;
        return !r->failed;
}

static bool read_row(const uint8_t *data, size_t size, struct page_row *row)
{
        struct reader types = reader_make(data, size), values;
        uint64_t header_size = read_varint(&types);
        size_t taken = size - types.left;

        if (types.failed || header_size < taken || header_size > size)
                return false;
        values = reader_make(data + header_size, size - header_size);
        types.left = header_size - taken;
        row->n_columns = 0;
        while (types.left > 0) {
                uint64_t type = read_varint(&types);

                if (types.failed || row->n_columns >= ELEMENTSOF(row->columns) ||
                        !read_value(&values, type, &row->columns[row->n_columns++]))
                        return false;
        }
        return true;
}

/* The row at @at of a leaf: 0 also when there is none that makes sense. */
static int walk_cell(struct pages *p, const uint8_t *page, size_t at, bool is_index, page_row_fn fn,
        void *userdata)
{
        struct reader r = reader_make(page + at, STORE_PAGE_SIZE - at);
        struct page_row row = { .is_index = is_index };
        uint64_t size = read_varint(&r);
        const uint8_t *data;
        size_t part;

        if (!is_index)
                row.number = (int64_t)read_varint(&r);
        if (r.failed || size < 1 || size > SCRATCH_SIZE_MAX)
                return 0;
        part = inline_size(size, is_index);
        data = reader_bytes(&r, part);
        if (part < size) {
                uint64_t next;

                buffer_clear(&p->payload);
                if (!data || buffer_append(&p->payload, data, part) < 0)
                        return 0;
                next = reader_u32(&r);
                if (r.failed || !follow(p, next, size - part))
                        return 0;
                data = p->payload.data;
        }
        if (r.failed || !read_row(data, size, &row))
                return 0;
        return fn(&row, userdata);
}

static int walk_page(struct pages *p, const uint8_t *page, page_row_fn fn, void *userdata)
{
        struct reader r = reader_make(page, STORE_PAGE_SIZE);
        bool is_index = page[0] == LEAF_OF_INDEX;
        uint16_t n;

        if (page[0] != LEAF_OF_INDEX && page[0] != LEAF_OF_TABLE)
                return 0;
        (void)reader_bytes(&r, 3);
        n = reader_u16(&r);
        (void)reader_bytes(&r, HEADER_SIZE - 5);
        while (n-- > 0) {
                uint16_t at = reader_u16(&r);
                int k;

                if (r.failed)
                        break;
                if (at < HEADER_SIZE || at >= STORE_PAGE_SIZE)
                        continue;
                k = walk_cell(p, page, at, is_index, fn, userdata);
                if (k < 0)
                        return k;
        }
        return 0;
}

int store_walk_pages(const char *path, page_row_fn fn, void *userdata)
{
        uint8_t page[STORE_PAGE_SIZE];
        struct pages p = {};
        off_t size;
        int r = 0;

        p.fd = open(path, O_RDONLY | O_CLOEXEC);
        if (p.fd < 0)
                return -errno;
        buffer_init(&p.payload, SCRATCH_SIZE_MAX);
        size = lseek(p.fd, 0, SEEK_END);
        p.n_pages = size > 0 ? (uint64_t)size / STORE_PAGE_SIZE : 0;
        /* The first page has the schema, which we know. */
        for (uint64_t i = 2; i <= p.n_pages && r >= 0; i++)
                if (read_page(&p, i, page))
                        r = walk_page(&p, page, fn, userdata);
        buffer_done(&p.payload);
        (void)close(p.fd);
        return r;
}
