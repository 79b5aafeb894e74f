/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading history
 *
 * Each conversation asked for has a cursor of its own on the index (peer, sequence), and the rows
 * of all cursors are merged: a page costs the same at any depth and whatever else is stored.
 */
#include "store/store-internal.h"

#define SCAN_ROW_SIZE 1024 /* longer texts count for several rows of a slice */

struct cursor {
        sqlite3_stmt *q;
        uint64_t sequence; /* of the row that it stands on; 0 at its end */
};

struct reading {
        struct store *store;
        const struct store_query *query;
        struct cursor *cursors;
        size_t n_cursors;
        struct buffer folded; /* the text looked at, for a search */
        struct buffer needle;
        size_t n_rows, n_bytes, n_scanned, n_bytes_scanned;
};

static void fold(uint8_t *data, size_t size)
{
        for (size_t i = 0; i < size; i++)
                if (data[i] >= 'A' && data[i] <= 'Z')
                        data[i] = (uint8_t)(data[i] + 32);
}

static int set_folded(struct buffer *b, const char *text, size_t size)
{
        int r;

        buffer_clear(b);
        r = buffer_append(b, text, size);
        if (r < 0)
                return r;
        fold(b->data, b->size);
        return 0;
}

static int cursor_step(struct reading *in, struct cursor *c)
{
        int r = store_step(in->store, c->q);

        if (r < 0)
                return r;
        c->sequence = r > 0 ? (uint64_t)sqlite3_column_int64(c->q, COLUMN_SEQUENCE) : 0;
        return 0;
}

static int cursor_open(struct reading *in, struct cursor *c, uint64_t peer, bool is_all)
{
        static const char *const texts[2][2] = {
                { "SELECT " MESSAGE_COLUMNS " FROM message WHERE peer = ?2 AND sequence < ?1"
                  " ORDER BY sequence DESC",
                        "SELECT " MESSAGE_COLUMNS " FROM message WHERE peer = ?2 AND sequence > ?1"
                        " ORDER BY sequence" },
                { "SELECT " MESSAGE_COLUMNS " FROM message WHERE sequence < ?1"
                  " ORDER BY sequence DESC",
                        "SELECT " MESSAGE_COLUMNS " FROM message WHERE sequence > ?1"
                        " ORDER BY sequence" },
        };
        const struct store_query *query = in->query;
        uint64_t bound = query->is_since ? query->since : query->before;
        int r;

        if (bound > INT64_MAX || (!query->is_since && bound == 0))
                bound = INT64_MAX;
        r = sqlite3_prepare_v2(in->store->db, texts[is_all][query->is_since], -1, &c->q, NULL);
        if (r != SQLITE_OK)
                return store_errno(in->store, r);
        (void)sqlite3_bind_int64(c->q, 1, (int64_t)bound);
        if (!is_all)
                (void)sqlite3_bind_int64(c->q, 2, (int64_t)peer);
        return cursor_step(in, c);
}

static int open_cursors(struct reading *in)
{
        const struct store_query *query = in->query;
        size_t n = query->n_peers > 0 ? query->n_peers : 1;

        in->cursors = calloc(n, sizeof *in->cursors);
        if (!in->cursors)
                return -ENOMEM;
        for (in->n_cursors = 0; in->n_cursors < n;) {
                struct cursor *c = &in->cursors[in->n_cursors++];
                uint64_t peer = query->n_peers > 0 ? query->peers[in->n_cursors - 1] : 0;
                int r = cursor_open(in, c, peer, query->n_peers == 0);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* The cursor with the next row, or NULL at the end of all. */
static struct cursor *next_cursor(const struct reading *in)
{
        struct cursor *best = NULL;

        for (size_t i = 0; i < in->n_cursors; i++) {
                struct cursor *c = &in->cursors[i];

                if (c->sequence > 0 &&
                        (!best || (in->query->is_since ? c->sequence < best->sequence
                                                       : c->sequence > best->sequence)))
                        best = c;
        }
        return best;
}

/* Shows the row on which @c stands, if it is wanted. */
static int show_row(struct reading *in, struct cursor *c, store_message_fn fn, void *userdata)
{
        const struct message_row row = store_message_row(c->q);
        struct message_record m;
        int r;

        r = store_decode_message(in->store, &row, &m);
        if (r == -EBADMSG)
                return 0; /* one that cannot be read hides no others */
        if (r < 0)
                return r;
        in->n_bytes_scanned += m.size;
        if (in->query->search) {
                r = set_folded(&in->folded, m.text, m.size);
                if (r < 0)
                        return r;
                if (in->needle.size > 0 &&
                        !memmem(in->folded.data, in->folded.size, in->needle.data, in->needle.size))
                        return 0;
        }
        in->n_rows++;
        in->n_bytes += m.size;
        return fn(&m, userdata);
}

static bool is_full(const struct reading *in)
{
        const struct store_query *query = in->query;

        return in->n_rows >= query->rows_max || in->n_bytes > query->bytes_max ||
               (query->scan_max > 0 &&
                       (in->n_scanned >= query->scan_max ||
                               in->n_bytes_scanned >= query->scan_max * SCAN_ROW_SIZE));
}

static int read_rows(struct reading *in, store_message_fn fn, void *userdata, uint64_t *ret_next)
{
        uint64_t last = in->query->is_since ? in->query->since : in->query->before;
        int r;

        while (!is_full(in)) {
                struct cursor *c = next_cursor(in);

                if (!c)
                        return 0;
                last = c->sequence;
                in->n_scanned++;
                r = show_row(in, c, fn, userdata);
                if (r < 0)
                        return r;
                r = cursor_step(in, c);
                if (r < 0)
                        return r;
        }
        if (ret_next)
                *ret_next = last;
        return 1;
}

int store_read(struct store *s, const struct store_query *query, store_message_fn fn,
        void *userdata, uint64_t *ret_next)
{
        struct reading in = { .store = s, .query = query };
        int r = 0;

        buffer_init(&in.folded, SCRATCH_SIZE_MAX);
        buffer_init(&in.needle, SCRATCH_SIZE_MAX);
        if (query->search)
                r = set_folded(&in.needle, query->search, strlen(query->search));
        if (r == 0)
                r = open_cursors(&in);
        if (r == 0)
                r = read_rows(&in, fn, userdata, ret_next);

        for (size_t i = 0; i < in.n_cursors; i++)
                (void)sqlite3_finalize(in.cursors[i].q);
        free(in.cursors);
        if (in.folded.data)
                wipe(in.folded.data, in.folded.allocated);
        buffer_done(&in.folded);
        buffer_done(&in.needle);
        return r;
}
