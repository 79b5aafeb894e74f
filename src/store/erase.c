/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Erasing what is old
 *
 * Of a message from a native peer its origin outlives it for a while, as a hash under a key of
 * ours: should its sender be put back to an older state, he sends it again, and it must not come a
 * second time. Nobody without the secret can tell from the hash which message it was.
 */
#include "base/cursor.h"
#include "store/store-internal.h"

#define EXPIRE_ROWS_MAX 500
#define EXPIRE_INTERVAL_USEC (10 * USEC_PER_SEC)
#define ERASED_INTERVAL_USEC USEC_PER_HOUR /* few together are cheaper than each at its second */

/*
 * Origins of what was erased
 */
static void hash_origin(const struct store *s, uint64_t peer, const struct ulid *origin,
        uint8_t ret[static ORIGIN_HASH_SIZE])
{
        uint8_t data[sizeof peer + sizeof origin->bytes], whole[HASH_SIZE];
        struct writer w = writer_make(data, sizeof data);

        writer_u64(&w, peer);
        writer_bytes(&w, origin->bytes, sizeof origin->bytes);
        assert(!w.failed);
        hmac(s->keys->erased, KEY_SIZE, &(struct blob){ data, w.size }, 1, whole);
        memcpy(ret, whole, ORIGIN_HASH_SIZE);
}

static sqlite3_stmt *bind_origin(struct store *s, enum statement which, uint64_t peer,
        const uint8_t hash[static ORIGIN_HASH_SIZE], int *ret_error)
{
        sqlite3_stmt *q = store_statement(s, which, ret_error);

        if (!q)
                return NULL;
        (void)sqlite3_bind_int64(q, 1, (int64_t)peer);
        (void)sqlite3_bind_blob(q, 2, hash, ORIGIN_HASH_SIZE, SQLITE_STATIC);
        return q;
}

int store_remember_origin(
        struct store *s, uint64_t peer, const struct ulid *origin, usec_t time_usec)
{
        uint8_t hash[ORIGIN_HASH_SIZE];
        sqlite3_stmt *q;
        int r = 0;

        hash_origin(s, peer, origin, hash);
        q = bind_origin(s, SQL_ERASED_ADD, peer, hash, &r);
        if (!q)
                return r;
        (void)sqlite3_bind_int64(q, 3, (int64_t)time_usec);
        s->any_erased = true;
        return store_run(s, q);
}

int store_is_erased(struct store *s, uint64_t peer, const struct ulid *origin)
{
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        uint8_t hash[ORIGIN_HASH_SIZE];
        int r = 0;

        if (!s->any_erased)
                return 0;
        hash_origin(s, peer, origin, hash);
        q = bind_origin(s, SQL_ERASED_HAS, peer, hash, &r);
        return q ? store_step(s, q) : r;
}

int store_trim_erased(struct store *s)
{
        return store_run_number(s, SQL_ERASED_TRIM, ERASED_MAX);
}

/* When the first of those that are remembered was erased: 1, 0 for none, or negative. */
static int oldest_erased(struct store *s, usec_t *ret)
{
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        int r = 0;

        q = store_statement(s, SQL_ERASED_OLDEST, &r);
        if (!q)
                return r;
        r = store_step(s, q);
        if (r > 0)
                *ret = (usec_t)sqlite3_column_int64(q, 0);
        return r;
}

int store_erased_init(struct store *s)
{
        usec_t oldest_usec;
        int r = oldest_erased(s, &oldest_usec);

        if (r >= 0)
                s->any_erased = r > 0;
        return r < 0 ? r : 0;
}

static int delete_slice(struct store *s, enum statement which, usec_t before_usec, int *ret_n)
{
        sqlite3_stmt *q;
        int r = 0;

        q = store_statement(s, which, &r);
        if (!q)
                return r;
        (void)sqlite3_bind_int64(q, 1, (int64_t)before_usec);
        (void)sqlite3_bind_int(q, 2, EXPIRE_ROWS_MAX);
        r = store_run(s, q);
        if (r < 0)
                return r;
        *ret_n = sqlite3_changes(s->db);
        return 0;
}

/* Forgets a slice of the origins that were kept long enough. */
static int expire_erased(struct store *s, usec_t real_usec, usec_t *ret_next_usec)
{
        usec_t oldest_usec, end_usec;
        int r, n = 0;

        *ret_next_usec = USEC_INFINITY;
        if (!s->any_erased)
                return 0;
        r = oldest_erased(s, &oldest_usec);
        if (r <= 0) {
                s->any_erased = r < 0;
                return r;
        }
        end_usec = usec_add(oldest_usec, ERASED_KEPT_USEC);
        if (end_usec > real_usec) {
                *ret_next_usec = usec_add(end_usec, ERASED_INTERVAL_USEC);
                return 0;
        }
        r = store_begin(s);
        if (r == 0)
                r = delete_slice(s, SQL_ERASED_EXPIRE, usec_sub(real_usec, ERASED_KEPT_USEC), &n);
        if (r < 0)
                return r;
        *ret_next_usec = n > 0 ? real_usec : usec_add(real_usec, ERASED_INTERVAL_USEC);
        return 0;
}

/*
 * Messages
 */
/* Of the slice that will be deleted. */
static int remember_slice(struct store *s, usec_t before_usec)
{
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        bool any = false;
        int r = 0;

        q = store_statement(s, SQL_MESSAGE_OLD, &r);
        if (!q)
                return r;
        (void)sqlite3_bind_int64(q, 1, (int64_t)before_usec);
        (void)sqlite3_bind_int(q, 2, EXPIRE_ROWS_MAX);
        while ((r = store_step(s, q)) > 0) {
                struct ulid origin;

                if (store_decode_id(q, 1, &origin) < 0)
                        continue;
                r = store_remember_origin(
                        s, (uint64_t)sqlite3_column_int64(q, 0), &origin, s->real_usec);
                if (r < 0)
                        return r;
                any = true;
        }
        return r == 0 && any ? store_trim_erased(s) : r;
}

/* Deletes a slice; *ret_n: how many. */
static int expire_slice(struct store *s, usec_t before_usec, int *ret_n)
{
        int r;

        r = store_begin(s);
        if (r == 0)
                r = remember_slice(s, before_usec);
        return r < 0 ? r : delete_slice(s, SQL_MESSAGE_EXPIRE, before_usec, ret_n);
}

/* When the oldest message was done with: 1, 0 for none, or negative. */
static int oldest_done(struct store *s, usec_t *ret)
{
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        int r = 0;

        q = store_statement(s, SQL_MESSAGE_OLDEST, &r);
        if (!q)
                return r;
        r = store_step(s, q);
        if (r <= 0 || sqlite3_column_type(q, 0) == SQLITE_NULL)
                return r < 0 ? r : 0;
        *ret = (usec_t)sqlite3_column_int64(q, 0);
        return 1;
}

static int expire_messages(struct store *s, usec_t real_usec, usec_t *ret_next_usec)
{
        usec_t oldest_usec, before_usec, next_usec = USEC_INFINITY;
        int r, n = 0;

        *ret_next_usec = USEC_INFINITY;
        if (s->age_max_usec == USEC_INFINITY)
                return 0;
        before_usec = usec_sub(real_usec, s->age_max_usec);
        r = oldest_done(s, &oldest_usec);
        if (r > 0 && oldest_usec <= before_usec) {
                r = expire_slice(s, before_usec, &n);
                if (r == 0)
                        r = oldest_done(s, &oldest_usec);
        }
        if (r < 0)
                return r;

        if (r > 0 && oldest_usec <= before_usec)
                next_usec = real_usec; /* another slice */
        else if (r > 0)
                next_usec = usec_add(oldest_usec, s->age_max_usec);
        if (n > 0 && next_usec > real_usec) {
                /* The last slice: few together are cheaper than each at its second. */
                s->erased = true;
                if (next_usec != USEC_INFINITY)
                        next_usec = MAX(next_usec, real_usec + EXPIRE_INTERVAL_USEC);
        }
        *ret_next_usec = next_usec;
        return 0;
}

int store_expire(struct store *s, usec_t real_usec, usec_t *ret_next_usec)
{
        usec_t messages_usec, erased_usec;
        int r;

        if (s->failed < 0)
                return s->failed;
        s->real_usec = real_usec;
        r = expire_messages(s, real_usec, &messages_usec);
        if (r == 0)
                r = expire_erased(s, real_usec, &erased_usec);
        if (r < 0)
                return store_fail(s, r);
        *ret_next_usec = MIN(messages_usec, erased_usec);
        return 0;
}
