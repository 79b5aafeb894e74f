/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Streams from and to native peers: how far they are, and what was refused */
#include "base/cursor.h"
#include "store/store-internal.h"

#define SEALED_NUMBERS_MAX 3

static struct place stream_place(uint64_t peer)
{
        return (struct place){ "stream.sealed", peer, peer };
}

static struct place mark_place(uint64_t peer, uint64_t stream)
{
        return (struct place){ "stream_mark.sealed", peer, stream };
}

static struct place refused_place(uint64_t peer, uint64_t stream)
{
        return (struct place){ "refused.sealed", peer, stream };
}

static int seal_numbers(
        struct store *s, const struct place *place, const uint64_t *numbers, size_t n)
{
        uint8_t data[SEALED_NUMBERS_MAX * sizeof *numbers];
        struct writer w = writer_make(data, sizeof data);

        for (size_t i = 0; i < n; i++)
                writer_u64(&w, numbers[i]);
        assert(!w.failed);
        return store_seal(s, s->keys->records, place, data, w.size);
}

static int unseal_numbers(struct store *s, const struct place *place, const void *sealed,
        size_t size, uint64_t *ret, size_t n)
{
        struct reader in;
        int r;

        r = store_unseal(s, s->keys->records, place, sealed, size);
        if (r < 0)
                return r;
        in = reader_make(s->plain.data, s->plain.size);
        for (size_t i = 0; i < n; i++)
                ret[i] = reader_u64(&in);
        return reader_is_done(&in) ? 0 : -EBADMSG;
}

/*
 * Applying
 */
int store_apply_number(struct store *s, const struct ulid *id, uint64_t number)
{
        sqlite3_stmt *q;
        int r = 0;

        q = store_statement(s, SQL_QUEUE_NUMBER, &r);
        if (!q)
                return r;
        (void)sqlite3_bind_blob(q, 1, id->bytes, sizeof id->bytes, SQLITE_STATIC);
        (void)sqlite3_bind_int64(q, 2, (int64_t)number);
        return store_run(s, q);
}

int store_apply_stream(struct store *s, const struct stream_record *stream)
{
        const struct place place = stream_place(stream->peer);
        const uint64_t numbers[] = { stream->stream, stream->given, stream->oldest };
        sqlite3_stmt *q;
        int r;

        r = seal_numbers(s, &place, numbers, ELEMENTSOF(numbers));
        if (r < 0)
                return r;
        q = store_statement(s, SQL_STREAM_SET, &r);
        if (!q)
                return r;
        (void)sqlite3_bind_int64(q, 1, (int64_t)stream->peer);
        store_bind_sealed(s, q, 2);
        return store_run(s, q);
}

static int delete_of_stream(
        struct store *s, enum statement which, uint64_t peer, uint64_t stream, uint64_t number)
{
        sqlite3_stmt *q;
        int r = 0;

        q = store_statement(s, which, &r);
        if (!q)
                return r;
        (void)sqlite3_bind_int64(q, 1, (int64_t)peer);
        (void)sqlite3_bind_int64(q, 2, (int64_t)stream);
        if (number > 0)
                (void)sqlite3_bind_int64(q, 3, (int64_t)number);
        return store_run(s, q);
}

int store_apply_mark(struct store *s, const struct mark_record *mark)
{
        const struct place place = mark_place(mark->peer, mark->stream);
        sqlite3_stmt *q;
        int r;

        r = seal_numbers(s, &place, &mark->number, 1);
        if (r < 0)
                return r;
        q = store_statement(s, SQL_STREAM_MARK_SET, &r);
        if (!q)
                return r;
        (void)sqlite3_bind_int64(q, 1, (int64_t)mark->peer);
        (void)sqlite3_bind_int64(q, 2, (int64_t)mark->stream);
        store_bind_sealed(s, q, 3);
        r = store_run(s, q);
        if (r < 0 || mark->number <= STREAM_WINDOW)
                return r;
        return delete_of_stream(
                s, SQL_REFUSED_DELETE, mark->peer, mark->stream, mark->number - STREAM_WINDOW);
}

int store_apply_mark_gone(struct store *s, const struct mark_record *mark)
{
        int r;

        r = delete_of_stream(s, SQL_STREAM_MARK_DELETE, mark->peer, mark->stream, 0);
        if (r < 0)
                return r;
        return delete_of_stream(s, SQL_REFUSED_DELETE_STREAM, mark->peer, mark->stream, 0);
}

int store_apply_refused(struct store *s, const struct refused_record *refused)
{
        const struct place place = refused_place(refused->peer, refused->stream);
        const uint64_t numbers[] = { refused->number, refused->reason };
        sqlite3_stmt *q;
        int r;

        r = seal_numbers(s, &place, numbers, ELEMENTSOF(numbers));
        if (r < 0)
                return r;
        q = store_statement(s, SQL_REFUSED_SET, &r);
        if (!q)
                return r;
        (void)sqlite3_bind_int64(q, 1, (int64_t)refused->peer);
        (void)sqlite3_bind_int64(q, 2, (int64_t)refused->stream);
        (void)sqlite3_bind_int64(q, 3, (int64_t)refused->number);
        store_bind_sealed(s, q, 4);
        return store_run(s, q);
}

int store_forget_streams(struct store *s, uint64_t peer)
{
        static const enum statement all[] = {
                SQL_STREAM_DELETE,
                SQL_STREAM_MARK_DELETE_ALL,
                SQL_REFUSED_DELETE_ALL,
                SQL_ERASED_DELETE_ALL,
        };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(all) && r == 0; i++)
                r = store_run_number(s, all[i], peer);
        return r;
}

/*
 * Loading
 */
int store_decode_stream(
        struct store *s, const void *sealed, size_t size, struct stream_record *stream)
{
        const struct place place = stream_place(stream->peer);
        uint64_t numbers[3];
        int r;

        r = unseal_numbers(s, &place, sealed, size, numbers, ELEMENTSOF(numbers));
        if (r < 0)
                return r;
        stream->stream = numbers[0];
        stream->given = numbers[1];
        stream->oldest = numbers[2];
        return 0;
}

int store_decode_mark(struct store *s, const void *sealed, size_t size, struct mark_record *mark)
{
        const struct place place = mark_place(mark->peer, mark->stream);

        return unseal_numbers(s, &place, sealed, size, &mark->number, 1);
}

int store_decode_refused(
        struct store *s, const void *sealed, size_t size, struct refused_record *refused)
{
        const struct place place = refused_place(refused->peer, refused->stream);
        uint64_t numbers[2];
        int r;

        r = unseal_numbers(s, &place, sealed, size, numbers, ELEMENTSOF(numbers));
        if (r < 0)
                return r;
        if (numbers[0] != refused->number)
                return -EBADMSG;
        refused->reason = (enum refused)numbers[1];
        return 0;
}

int store_load_streams(struct store *s, store_stream_fn fn, void *userdata)
{
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        int r = 0;

        q = store_statement(s, SQL_STREAM_LIST, &r);
        if (!q)
                return store_needed(s, r);
        while ((r = store_step(s, q)) > 0) {
                struct stream_record stream = { .peer = (uint64_t)sqlite3_column_int64(q, 0) };

                r = store_decode_stream(
                        s, sqlite3_column_blob(q, 1), (size_t)sqlite3_column_bytes(q, 1), &stream);
                if (r < 0)
                        return store_needed(s, r);
                r = fn(&stream, userdata);
                if (r < 0)
                        return r;
        }
        return store_needed(s, r);
}

int store_load_marks(struct store *s, store_mark_fn fn, void *userdata)
{
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        int r = 0;

        q = store_statement(s, SQL_STREAM_MARK_LIST, &r);
        if (!q)
                return store_needed(s, r);
        while ((r = store_step(s, q)) > 0) {
                struct mark_record mark = {
                        .peer = (uint64_t)sqlite3_column_int64(q, 0),
                        .stream = (uint64_t)sqlite3_column_int64(q, 1),
                };

                r = store_decode_mark(
                        s, sqlite3_column_blob(q, 2), (size_t)sqlite3_column_bytes(q, 2), &mark);
                if (r < 0)
                        return store_needed(s, r);
                r = fn(&mark, userdata);
                if (r < 0)
                        return r;
        }
        return store_needed(s, r);
}

int store_load_refused(struct store *s, store_refused_fn fn, void *userdata)
{
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        int r = 0;

        q = store_statement(s, SQL_REFUSED_LIST, &r);
        if (!q)
                return store_needed(s, r);
        while ((r = store_step(s, q)) > 0) {
                struct refused_record refused = {
                        .peer = (uint64_t)sqlite3_column_int64(q, 0),
                        .stream = (uint64_t)sqlite3_column_int64(q, 1),
                        .number = (uint64_t)sqlite3_column_int64(q, 2),
                };

                r = store_decode_refused(
                        s, sqlite3_column_blob(q, 3), (size_t)sqlite3_column_bytes(q, 3), &refused);
                if (r < 0)
                        return store_needed(s, r);
                r = fn(&refused, userdata);
                if (r < 0)
                        return r;
        }
        return store_needed(s, r);
}
