/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What the tests of the store share: a directory of their own, changes made easily, rows counted
 */
#include <ftw.h>
#include <sqlite3.h>
#include <unistd.h>

#include "core/crypto/crypto.h"
#include "core/crypto/random.h"
#include "lib/test.h"
#include "store/store.h"

#define FIXTURE_TIME (UINT64_C(1767225600) * USEC_PER_SEC) /* 2026-01-01 */

static struct random *fixture_random;
static char fixture_directory[] = "/tmp/p2pchat-test-XXXXXX";
static const uint8_t fixture_secret[KEY_SIZE] = "a secret of thirty-two bytes ...";

static int fixture_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        return remove(path);
}

static void fixture_clean(void)
{
        (void)nftw(fixture_directory, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
        fixture_random = random_free(fixture_random);
}

/* For TEST_MAIN_WITH(). */
static inline int fixture_setup(void)
{
        bool locked;

        ASSERT_OK(crypto_init(&locked));
        ASSERT_OK(random_new_seeded(7, &fixture_random));
        ASSERT_NOT_NULL(mkdtemp(fixture_directory));
        (void)atexit(fixture_clean);
        return 0;
}

/* In the directory of this run; to be freed. */
static inline char *fixture_path(const char *name)
{
        char *path;

        ASSERT_GT(asprintf(&path, "%s/%s", fixture_directory, name), 0);
        return path;
}

static inline struct store_options fixture_options(const char *path, const char *vfs)
{
        return (struct store_options){
                .path = path,
                .vfs = vfs,
                .secret = fixture_secret,
                .random = fixture_random,
                .age_max_usec = USEC_INFINITY,
        };
}

static inline struct store *fixture_open(const char *path, const char *vfs)
{
        const struct store_options options = fixture_options(path, vfs);
        struct store *s = NULL;

        ASSERT_OK(store_open(&options, &s));
        return s;
}

static inline struct ulid fixture_id(uint64_t n)
{
        uint8_t random[10] = {};

        for (size_t i = 0; i < 8; i++)
                random[i] = (uint8_t)(n >> 8 * (7 - i));
        return ulid_make(FIXTURE_TIME, random);
}

static inline struct change fixture_peer(uint64_t number, const char *name)
{
        struct change c = { .type = CHANGE_PEER,
                .peer = {
                        .number = number,
                        .endpoint = endpoint_ipv4(192, 168, 1, (uint8_t)number, 6001),
                        .second_port = 6004,
                        .heard_classic = true,
                        .heard_usec = FIXTURE_TIME,
                        .has_history = true,
                } };

        (void)snprintf(c.peer.name, sizeof c.peer.name, "%s", name);
        return c;
}

/* Received, or queued, from or to peer @peer; its id is made of @n. */
static inline struct change fixture_message(
        uint64_t n, uint64_t peer, enum message_state state, const char *text)
{
        struct change c = { .type = CHANGE_MESSAGE,
                .message = {
                        .id = fixture_id(n),
                        .peer = peer,
                        .direction = state == MESSAGE_RECEIVED || state == MESSAGE_MUTED
                                             ? DIRECTION_RECEIVED
                                             : DIRECTION_SENT,
                        .security = SECURITY_LEGACY,
                        .state = state,
                        .time_usec = FIXTURE_TIME + n,
                        .name = "Zeynep",
                        .endpoint = endpoint_ipv4(192, 168, 1, (uint8_t)peer, 6001),
                        .text = text,
                        .size = strlen(text),
                } };

        return c;
}

static inline struct change fixture_state(uint64_t n, enum message_state state)
{
        return (struct change){ .type = CHANGE_STATE,
                .state = {
                        .id = fixture_id(n),
                        .state = state,
                        .security = SECURITY_PLAIN,
                        .reason = "",
                } };
}

/* Received in a stream, with the origin that is made of @origin. */
static inline struct change fixture_native(
        uint64_t n, uint64_t peer, uint64_t stream_number, uint64_t origin)
{
        struct change c = fixture_message(n, peer, MESSAGE_RECEIVED, "native");

        c.message.security = SECURITY_ENCRYPTED;
        c.message.stream_number = stream_number;
        c.message.origin = fixture_id(origin);
        return c;
}

static inline struct change fixture_stream(
        uint64_t peer, uint64_t stream, uint64_t given, uint64_t oldest)
{
        return (struct change){ .type = CHANGE_STREAM, .stream = { peer, stream, given, oldest } };
}

static inline struct change fixture_numbered(uint64_t n, uint64_t number)
{
        return (struct change){ .type = CHANGE_NUMBER, .numbered = { fixture_id(n), number } };
}

static inline struct change fixture_mark(uint64_t peer, uint64_t stream, uint64_t number)
{
        return (struct change){ .type = CHANGE_MARK, .mark = { peer, stream, number } };
}

static inline struct change fixture_refused(
        uint64_t peer, uint64_t stream, uint64_t number, enum refused reason)
{
        return (struct change){ .type = CHANGE_REFUSED,
                .refused = { peer, stream, number, reason } };
}

/* File @n, coming from somebody; @n is all over it. */
static inline struct change fixture_transfer(uint8_t n)
{
        struct change c = { .type = CHANGE_TRANSFER,
                .transfer = { .transfer = { .id = { { n } },
                                      .state = TRANSFER_ACCEPTED,
                                      .user = n,
                                      .size = 1000 + n,
                                      .done = n,
                                      .until_usec = FIXTURE_TIME + n,
                                      .name = "a file" },
                        .spool_id = { { n } } } };

        memset(c.transfer.transfer.peer.bytes, n, sizeof c.transfer.transfer.peer.bytes);
        memset(c.transfer.transfer.hash, n, sizeof c.transfer.transfer.hash);
        return c;
}

static inline void fixture_apply(struct store *s, struct change c)
{
        ASSERT_OK(store_apply(s, &c));
}

/* On a database that no store has open. */
static inline void fixture_sql(const char *path, const char *sql)
{
        sqlite3 *db = NULL;

        ASSERT_OK(sqlite3_open(path, &db));
        ASSERT_OK(sqlite3_exec(db, sql, NULL, NULL, NULL));
        (void)sqlite3_close(db);
}

static inline size_t fixture_drain(struct store *s)
{
        struct store_event e;
        size_t n = 0;

        while (store_next_event(s, &e))
                n++;
        return n;
}

static int fixture_count_message(const struct message_record *m, void *userdata)
{
        ++*(size_t *)userdata;
        return 0;
}

/* Rows of the whole history that can be read; or negative. */
static inline ssize_t fixture_count(struct store *s)
{
        const struct store_query all = { .rows_max = SIZE_MAX, .bytes_max = SIZE_MAX };
        size_t n = 0;
        int r = store_read(s, &all, fixture_count_message, &n, NULL);

        return r < 0 ? r : (ssize_t)n;
}

static int fixture_count_queued(const struct queued_record *q, void *userdata)
{
        ++*(size_t *)userdata;
        return 0;
}

static int fixture_count_peer(const struct peer_record *p, void *userdata)
{
        ++*(size_t *)userdata;
        return 0;
}

static inline size_t fixture_queued(struct store *s)
{
        size_t n = 0;

        ASSERT_OK(store_load_queued(s, fixture_count_queued, &n));
        return n;
}

static inline size_t fixture_peers(struct store *s)
{
        size_t n = 0;

        ASSERT_OK(store_load_peers(s, fixture_count_peer, &n));
        return n;
}
