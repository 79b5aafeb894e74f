/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The store: what goes in comes out, once, in order, sealed */
#include <sqlite3.h>
#include <sys/stat.h>

#include "lib/store-fixture.h"
#include "os/file.h"

/* Rows as they came, for comparing. */
struct page {
        uint64_t sequences[512];
        char texts[512][32];
        enum message_state states[512];
        struct message_record last; /* text not valid */
        size_t n;
};

static int on_row(const struct message_record *m, void *userdata)
{
        struct page *p = userdata;

        ASSERT_LT(p->n, ELEMENTSOF(p->sequences));
        p->sequences[p->n] = m->sequence;
        p->states[p->n] = m->state;
        (void)snprintf(p->texts[p->n], sizeof p->texts[0], "%.*s", (int)m->size, m->text);
        p->last = *m;
        p->n++;
        return 0;
}

static int read_page(
        struct store *s, struct store_query query, struct page *ret, uint64_t *ret_next)
{
        ret->n = 0;
        if (query.rows_max == 0)
                query.rows_max = 100;
        if (query.bytes_max == 0)
                query.bytes_max = 1024 * 1024;
        return store_read(s, &query, on_row, ret, ret_next);
}

TEST(message_comes_back_whole)
{
        _cleanup_(freep)
        char *path = fixture_path("whole.db");
        struct store *s = fixture_open(path, NULL);
        struct change c = fixture_message(1, 3, MESSAGE_RECEIVED, "merhaba\nd\xc3\xbcnya");
        struct store_event e;
        struct page page;

        fixture_apply(s, fixture_peer(3, "Zeynep"));
        fixture_apply(s, c);
        ASSERT_FALSE(store_next_event(s, &e)); /* nothing before the commit */
        ASSERT_OK(store_commit(s));
        ASSERT_TRUE(store_next_event(s, &e));
        ASSERT_EQ(e.type, STORE_EVENT_MESSAGE);
        ASSERT_EQ(e.message.sequence, 1);
        ASSERT_MEMEQ(e.message.text, c.message.text, c.message.size);
        ASSERT_FALSE(store_next_event(s, &e));
        store_free(s);

        s = fixture_open(path, NULL);
        ASSERT_EQ(store_last_sequence(s), 1);
        ASSERT_EQ(read_page(s, (struct store_query){}, &page, NULL), 0);
        ASSERT_EQ(page.n, 1);
        ASSERT_STREQ(page.texts[0], "merhaba\nd\xc3\xbcnya");
        ASSERT_STREQ(page.last.name, "Zeynep");
        ASSERT_TRUE(endpoint_equal(&page.last.endpoint, &c.message.endpoint));
        ASSERT_TRUE(ulid_equal(&page.last.id, &c.message.id));
        ASSERT_EQ(page.last.time_usec, c.message.time_usec);
        ASSERT_EQ(page.last.direction, DIRECTION_RECEIVED);
        ASSERT_EQ(page.last.security, SECURITY_LEGACY);
        ASSERT_EQ(page.last.peer, 3);
        store_free(s);
}

static int on_peer(const struct peer_record *p, void *userdata)
{
        *(struct peer_record *)userdata = *p;
        return 0;
}

TEST(peer_comes_back_whole)
{
        _cleanup_(freep)
        char *path = fixture_path("peer.db");
        struct store *s = fixture_open(path, NULL);
        struct change c = fixture_peer(9, "\xc5\x9e\x65yda");
        struct peer_record p = {};
        struct store_event e;
        char *username = NULL;

        c.peer.blocked = c.peer.cannot_chat = true;
        memcpy(c.peer.id, "abcdefghijklmnopqrstuvwxya", sizeof c.peer.id);
        c.peer.muted_until_usec = USEC_INFINITY;
        c.peer.memory.no_key = true;
        c.peer.memory.group = LEGACY_GROUP_23_5;
        fixture_apply(s, c);
        fixture_apply(s, (struct change){ .type = CHANGE_PRESENCE,
                                 .presence = { .number = 9,
                                         .user = "S",
                                         .presence = PRESENCE_ONLINE,
                                         .heard_usec = FIXTURE_TIME + 5 } });
        fixture_apply(s, (struct change){ .type = CHANGE_USERNAME, .text = "Ece" });
        ASSERT_EQ(store_load_username(s, &username), 0);
        free(username);
        ASSERT_OK(store_commit(s));
        ASSERT_TRUE(store_next_event(s, &e));
        ASSERT_EQ(e.type, STORE_EVENT_PRESENCE);
        ASSERT_STREQ(e.presence.user, "S");
        ASSERT_TRUE(store_next_event(s, &e));
        ASSERT_EQ(e.type, STORE_EVENT_USERNAME);
        ASSERT_STREQ(e.text, "Ece");
        store_free(s);

        s = fixture_open(path, NULL);
        ASSERT_OK(store_load_peers(s, on_peer, &p));
        ASSERT_EQ(p.number, 9);
        ASSERT_STREQ(p.name, c.peer.name);
        ASSERT_TRUE(endpoint_equal(&p.endpoint, &c.peer.endpoint));
        ASSERT_EQ(p.second_port, 6004);
        ASSERT_TRUE(p.blocked && p.cannot_chat && p.heard_classic && p.has_history);
        ASSERT_STREQ(p.id, "abcdefghijklmnopqrstuvwxya");
        ASSERT_EQ(p.heard_usec, FIXTURE_TIME + 5);
        ASSERT_EQ(p.muted_until_usec, USEC_INFINITY);
        ASSERT_TRUE(p.memory.no_key);
        ASSERT_EQ(p.memory.group, LEGACY_GROUP_23_5);
        ASSERT_OK(store_load_username(s, &username));
        ASSERT_STREQ(username, "Ece");
        free(username);

        fixture_apply(s, (struct change){ .type = CHANGE_PEER_GONE, .number = 9 });
        ASSERT_OK(store_commit(s));
        ASSERT_EQ(fixture_peers(s), 0);
        store_free(s);
}

TEST(username_is_absent_at_first)
{
        struct store *s = fixture_open(":memory:", NULL);
        char *username;

        ASSERT_EQ(store_load_username(s, &username), -ENOENT);
        store_free(s);
}

TEST(same_message_twice_is_one)
{
        struct store *s = fixture_open(":memory:", NULL);

        fixture_apply(s, fixture_message(1, 1, MESSAGE_RECEIVED, "once"));
        fixture_apply(s, fixture_message(1, 1, MESSAGE_RECEIVED, "once"));
        ASSERT_OK(store_commit(s));
        ASSERT_EQ(fixture_drain(s), 1);
        fixture_apply(s, fixture_message(1, 1, MESSAGE_RECEIVED, "once"));
        ASSERT_OK(store_commit(s));
        ASSERT_EQ(fixture_drain(s), 0);
        ASSERT_EQ(fixture_count(s), 1);
        ASSERT_EQ(store_last_sequence(s), 1);
        store_free(s);
}

static int on_queued(const struct queued_record *q, void *userdata)
{
        *(struct queued_record *)userdata = *q;
        return 0;
}

TEST(queue_survives_and_ends_once)
{
        _cleanup_(freep)
        char *path = fixture_path("queue.db");
        struct store *s = fixture_open(path, NULL);
        struct change c = fixture_message(1, 2, MESSAGE_QUEUED, "waiting");
        struct change end = fixture_state(1, MESSAGE_SENT);
        struct queued_record q = {};
        struct store_event e;
        struct ulid id = fixture_id(1);
        struct page page;
        char *text = NULL;
        size_t size = 0;

        (void)snprintf(c.message.number, sizeof c.message.number, "123456789");
        fixture_apply(s, c);
        fixture_apply(s, (struct change){ .type = CHANGE_PROGRESS,
                                 .progress = { .id = id, .size_sent = 3 } });
        ASSERT_OK(store_commit(s));
        store_free(s);

        s = fixture_open(path, NULL);
        ASSERT_OK(store_load_queued(s, on_queued, &q));
        ASSERT_TRUE(ulid_equal(&q.id, &id));
        ASSERT_EQ(q.peer, 2);
        ASSERT_EQ(q.size, 7);
        ASSERT_EQ(q.size_sent, 3);
        ASSERT_EQ(q.security, SECURITY_LEGACY);
        ASSERT_STREQ(q.number, "123456789");
        ASSERT_OK(store_load_text(s, &id, &(usec_t){ 0 }, &text, &size));
        ASSERT_EQ(size, 7);
        ASSERT_STREQ(text, "waiting");
        free(text);

        end.state.endpoint = endpoint_ipv4(10, 0, 0, 7, 6004);
        fixture_apply(s, end);
        fixture_apply(s, fixture_state(1, MESSAGE_FAILED)); /* too late */
        ASSERT_OK(store_commit(s));
        ASSERT_TRUE(store_next_event(s, &e));
        ASSERT_EQ(e.type, STORE_EVENT_STATE);
        ASSERT_EQ(e.state.state, MESSAGE_SENT);
        ASSERT_FALSE(store_next_event(s, &e));
        ASSERT_EQ(fixture_queued(s), 0);
        ASSERT_EQ(store_load_text(s, &id, &(usec_t){ 0 }, &text, &size), -ENOENT);
        ASSERT_EQ(read_page(s, (struct store_query){}, &page, NULL), 0);
        ASSERT_EQ(page.states[0], MESSAGE_SENT);
        ASSERT_EQ(page.last.security, SECURITY_PLAIN);
        ASSERT_TRUE(endpoint_equal(&page.last.endpoint, &end.state.endpoint));
        ASSERT_STREQ(page.texts[0], "waiting");
        store_free(s);
}

TEST(cancelled_keeps_its_security)
{
        struct store *s = fixture_open(":memory:", NULL);
        struct page page;

        fixture_apply(s, fixture_message(1, 2, MESSAGE_QUEUED, "x"));
        fixture_apply(s, fixture_state(1, MESSAGE_CANCELLED));
        ASSERT_EQ(read_page(s, (struct store_query){}, &page, NULL), 0);
        ASSERT_EQ(page.states[0], MESSAGE_CANCELLED);
        ASSERT_EQ(page.last.security, SECURITY_LEGACY);
        store_free(s);
}

TEST(state_of_unknown_is_nothing)
{
        struct store *s = fixture_open(":memory:", NULL);

        fixture_apply(s, fixture_state(99, MESSAGE_SENT));
        ASSERT_OK(store_commit(s));
        ASSERT_EQ(fixture_drain(s), 0);
        store_free(s);
}

TEST(warning_needs_no_transaction)
{
        struct store *s = fixture_open(":memory:", NULL);
        struct store_event e;

        fixture_apply(
                s, (struct change){ .type = CHANGE_WARNING,
                           .warning = { .kind = "Limit", .user = "", .sentence = "Too much." } });
        ASSERT_OK(store_commit(s));
        ASSERT_TRUE(store_next_event(s, &e));
        ASSERT_STREQ(e.warning.kind, "Limit");
        ASSERT_STREQ(e.warning.sentence, "Too much.");
        store_free(s);
}

/* 300 messages, by turns from peers 1, 2 and 3; text "m<sequence>". */
static struct store *filled(void)
{
        struct store *s = fixture_open(":memory:", NULL);

        for (uint64_t i = 1; i <= 300; i++) {
                char text[16];

                (void)snprintf(text, sizeof text, "m%d", (int)i);
                fixture_apply(s, fixture_message(i, 1 + (i - 1) % 3, MESSAGE_RECEIVED, text));
        }
        ASSERT_OK(store_commit(s));
        fixture_drain(s);
        return s;
}

TEST(pages_back_through_everything)
{
        struct store *s = filled();
        uint64_t next = 0, expected = 300;
        struct page page;
        int r;

        do {
                r = read_page(
                        s, (struct store_query){ .before = next, .rows_max = 7 }, &page, &next);
                ASSERT_GE(r, 0);
                for (size_t i = 0; i < page.n; i++)
                        ASSERT_EQ(page.sequences[i], expected--);
        } while (r > 0);
        ASSERT_EQ(expected, 0);
        store_free(s);
}

TEST(pages_of_some_conversations_are_merged)
{
        struct store *s = filled();
        const uint64_t peers[] = { 3, 1, 77 };
        uint64_t next = 0, last = 0;
        struct page page;
        size_t n = 0;
        int r;

        do {
                r = read_page(s,
                        (struct store_query){ .peers = peers,
                                .n_peers = 3,
                                .is_since = true,
                                .since = next,
                                .rows_max = 11 },
                        &page, &next);
                ASSERT_GE(r, 0);
                for (size_t i = 0; i < page.n; i++) {
                        ASSERT_GT(page.sequences[i], last);
                        ASSERT_NE((page.sequences[i] - 1) % 3, 1); /* not those of peer 2 */
                        last = page.sequences[i];
                }
                n += page.n;
        } while (r > 0);
        ASSERT_EQ(n, 200);

        r = read_page(s, (struct store_query){ .peers = peers + 1, .n_peers = 1, .rows_max = 101 },
                &page, NULL);
        ASSERT_EQ(r, 0);
        ASSERT_EQ(page.n, 100);
        ASSERT_EQ(page.sequences[0], 298);
        store_free(s);
}

TEST(page_ends_by_bytes)
{
        struct store *s = filled();
        struct page page;

        ASSERT_EQ(read_page(s, (struct store_query){ .bytes_max = 10 }, &page, NULL), 1);
        ASSERT_EQ(page.n, 3); /* "m300" three times four: the row that exceeds it is the last */
        store_free(s);
}

TEST(search_folds_and_goes_in_slices)
{
        struct store *s = filled();
        uint64_t next = 0;
        struct page page;
        size_t n = 0, slices = 0;
        int r;

        fixture_apply(s, fixture_message(1000, 1, MESSAGE_RECEIVED, "Der Zug nach \xc3\x9cmit"));
        do {
                r = read_page(s,
                        (struct store_query){ .search = "M29", .scan_max = 50, .before = next },
                        &page, &next);
                ASSERT_GE(r, 0);
                n += page.n;
                slices++;
        } while (r > 0);
        ASSERT_EQ(n, 11); /* m29, m290 to m299 */
        ASSERT_EQ(slices, 7);
        ASSERT_EQ(read_page(s, (struct store_query){ .search = "zUG NACH \xc3\x9c" }, &page, NULL),
                0);
        ASSERT_EQ(page.n, 1);
        ASSERT_EQ(read_page(s, (struct store_query){ .search = "none such" }, &page, NULL), 0);
        ASSERT_EQ(page.n, 0);
        store_free(s);
}

TEST(slice_ends_by_bytes)
{
        struct store *s = filled();
        char text[4096];
        struct page page;
        uint64_t next = 0;

        memset(text, 'x', sizeof text - 1);
        text[sizeof text - 1] = 0;
        for (unsigned i = 0; i < 10; i++)
                fixture_apply(s, fixture_message(1000 + i, 1, MESSAGE_RECEIVED, text));
        ASSERT_EQ(read_page(s, (struct store_query){ .search = "m300", .scan_max = 20 }, &page,
                          &next),
                1);
        ASSERT_EQ(page.n, 0); /* six of the new ones are more than 20 KiB */
        ASSERT_EQ(read_page(s,
                          (struct store_query){ .search = "m300", .scan_max = 20, .before = next },
                          &page, &next),
                1);
        ASSERT_EQ(page.n, 1);
        store_free(s);
}

static int refuse(const struct message_record *m, void *userdata)
{
        return -ECANCELED;
}

TEST(reader_may_stop)
{
        struct store *s = filled();
        const struct store_query query = { .rows_max = 5, .bytes_max = 100 };

        ASSERT_EQ(store_read(s, &query, refuse, NULL, NULL), -ECANCELED);
        store_free(s);
}

TEST(sequence_survives_erasure)
{
        _cleanup_(freep)
        char *path = fixture_path("erasure.db");
        struct store *s = fixture_open(path, NULL);

        fixture_apply(s, fixture_message(1, 1, MESSAGE_RECEIVED, "a"));
        fixture_apply(s, fixture_message(2, 1, MESSAGE_QUEUED, "b"));
        fixture_apply(s, (struct change){ .type = CHANGE_FORGET, .number = 1 });
        ASSERT_OK(store_commit(s));
        ASSERT_EQ(fixture_count(s), 0);
        ASSERT_EQ(fixture_queued(s), 0);
        store_free(s);

        s = fixture_open(path, NULL);
        ASSERT_EQ(store_last_sequence(s), 2);
        fixture_apply(s, fixture_message(3, 1, MESSAGE_RECEIVED, "c"));
        ASSERT_OK(store_commit(s));
        ASSERT_EQ(store_last_sequence(s), 3);
        ASSERT_EQ(fixture_count(s), 1);
        store_free(s);
}

TEST(logged_is_kept_lazily)
{
        _cleanup_(freep)
        char *path = fixture_path("logged.db");
        struct store *s = fixture_open(path, NULL);

        ASSERT_EQ(store_logged(s), 0);
        store_set_logged(s, 5);
        store_free(s);
        s = fixture_open(path, NULL);
        ASSERT_EQ(store_logged(s), 5);
        store_free(s);
}

TEST(old_messages_are_erased)
{
        struct store_options options = fixture_options(":memory:", NULL);
        struct store *s = NULL;
        usec_t next, now = FIXTURE_TIME + USEC_PER_HOUR;

        options.age_max_usec = 10 * USEC_PER_MINUTE;
        ASSERT_OK(store_open(&options, &s));
        fixture_apply(s, fixture_message(1, 1, MESSAGE_RECEIVED, "old"));
        fixture_apply(s, fixture_message(2, 1, MESSAGE_QUEUED, "waits"));
        ASSERT_OK(store_commit(s));
        ASSERT_OK(store_expire(s, FIXTURE_TIME + USEC_PER_MINUTE, &next));
        ASSERT_EQ(next, FIXTURE_TIME + 1 + 10 * USEC_PER_MINUTE);
        ASSERT_EQ(fixture_count(s), 2);

        ASSERT_OK(store_expire(s, now, &next));
        ASSERT_OK(store_commit(s));
        ASSERT_EQ(next, USEC_INFINITY);
        ASSERT_EQ(fixture_count(s), 1);
        ASSERT_EQ(fixture_queued(s), 1); /* what is queued has no age */

        store_set_time(s, now);
        fixture_apply(s, fixture_state(2, MESSAGE_DELIVERED));
        ASSERT_OK(store_commit(s));
        ASSERT_OK(store_expire(s, now + USEC_PER_MINUTE, &next));
        ASSERT_EQ(next, now + 10 * USEC_PER_MINUTE); /* counted from the delivery */
        ASSERT_EQ(fixture_count(s), 1);
        ASSERT_OK(store_expire(s, next, &next));
        ASSERT_OK(store_commit(s));
        ASSERT_EQ(fixture_count(s), 0);
        ASSERT_EQ(store_last_sequence(s), 2);
        store_free(s);
}

TEST(expiry_goes_in_slices)
{
        struct store_options options = fixture_options(":memory:", NULL);
        struct store *s = NULL;
        usec_t next = 0, now = FIXTURE_TIME + USEC_PER_HOUR;
        size_t slices = 0;

        options.age_max_usec = USEC_PER_MINUTE;
        ASSERT_OK(store_open(&options, &s));
        for (uint64_t i = 1; i <= 1200; i++)
                fixture_apply(s, fixture_message(i, 1, MESSAGE_RECEIVED, "x"));
        do {
                ASSERT_OK(store_expire(s, now, &next));
                ASSERT_OK(store_commit(s));
                slices++;
        } while (next <= now);
        ASSERT_EQ(slices, 3);
        ASSERT_EQ(fixture_count(s), 0);
        store_free(s);
}

/*
 * Secrets
 */
static bool file_contains(const char *path, const char *text)
{
        uint8_t *data = NULL;
        size_t size = 0;
        bool found;

        if (file_read(path, 64 << 20, &data, &size) < 0)
                return false;
        found = memmem(data, size, text, strlen(text)) != NULL;
        free(data);
        return found;
}

TEST(nothing_is_in_clear)
{
        static const char *const secrets[] = { "Geheimnis", "Zeynep", "192.168.1.2", "987654321",
                "meinname" };
        _cleanup_(freep)
        char *path = fixture_path("clear.db"), *wal = fixture_path("clear.db-wal");
        struct store *s = fixture_open(path, NULL);
        const uint8_t address[] = { 192, 168, 1, 2, 0 };
        struct change c = fixture_message(1, 2, MESSAGE_QUEUED, "ein Geheimnis");
        struct stat st;

        (void)snprintf(c.message.number, sizeof c.message.number, "987654321");
        fixture_apply(s, fixture_peer(2, "Zeynep"));
        fixture_apply(s, c);
        fixture_apply(s, (struct change){ .type = CHANGE_USERNAME, .text = "meinname" });
        ASSERT_OK(store_commit(s));
        ASSERT_OK(stat(path, &st));
        ASSERT_EQ(st.st_mode & 07777, 0600);
        ASSERT_OK(stat(wal, &st));
        ASSERT_EQ(st.st_mode & 07777, 0600);
        ASSERT_GT(st.st_size, 0);
        for (int round = 0; round < 2; round++) {
                for (size_t i = 0; i < ELEMENTSOF(secrets); i++) {
                        ASSERT_FALSE(file_contains(path, secrets[i]));
                        ASSERT_FALSE(file_contains(wal, secrets[i]));
                }
                ASSERT_FALSE(file_contains(path, (const char *)address));
                ASSERT_FALSE(file_contains(wal, (const char *)address));
                s = store_free(s); /* and once more after everything went into the database */
        }
}

struct sealed {
        uint8_t data[4096];
        size_t size;
};

/* The value that @sql finds in the file, as it is. */
static void read_sealed(const char *path, const char *sql, struct sealed *ret)
{
        sqlite3_stmt *q = NULL;
        sqlite3 *db = NULL;

        ASSERT_OK(sqlite3_open(path, &db));
        ASSERT_OK(sqlite3_prepare_v2(db, sql, -1, &q, NULL));
        ASSERT_EQ(sqlite3_step(q), SQLITE_ROW);
        ret->size = (size_t)sqlite3_column_bytes(q, 0);
        ASSERT_LE(ret->size, sizeof ret->data);
        ASSERT_GT(ret->size, 16);
        memcpy(ret->data, sqlite3_column_blob(q, 0), ret->size);
        (void)sqlite3_finalize(q);
        (void)sqlite3_close(db);
}

/* How many pieces of 16 bytes of it are in the file. */
static size_t count_pieces(const struct sealed *v, const char *path)
{
        uint8_t *data = NULL;
        size_t size = 0, n = 0;

        if (file_read(path, 64 << 20, &data, &size) < 0)
                return 0;
        for (size_t i = 0; i + 16 <= v->size; i += 16)
                n += memmem(data, size, v->data + i, 16) != NULL;
        free(data);
        return n;
}

TEST(forget_leaves_no_trace)
{
        _cleanup_(freep)
        char *path = fixture_path("forget.db"), *wal = fixture_path("forget.db-wal");
        struct store *s = fixture_open(path, NULL);
        struct sealed text, key;
        char long_text[2001];

        memset(long_text, 'x', sizeof long_text - 1);
        long_text[sizeof long_text - 1] = 0;
        fixture_apply(s, fixture_peer(2, "Zeynep"));
        fixture_apply(s, fixture_message(1, 2, MESSAGE_RECEIVED, long_text));
        ASSERT_OK(store_commit(s));
        store_free(s);
        read_sealed(path, "SELECT sealed FROM message", &text);
        read_sealed(path, "SELECT key FROM peer", &key);
        ASSERT_GT(count_pieces(&text, path), 120);
        ASSERT_GT(count_pieces(&key, path), 0);

        s = fixture_open(path, NULL);
        fixture_apply(s, (struct change){ .type = CHANGE_FORGET, .number = 2 });
        ASSERT_OK(store_commit(s));
        /* While it still runs: neither the database nor its log hold any of it. */
        ASSERT_EQ(count_pieces(&text, path), 0);
        ASSERT_EQ(count_pieces(&text, wal), 0);
        ASSERT_EQ(count_pieces(&key, path), 0);
        ASSERT_EQ(count_pieces(&key, wal), 0);

        ASSERT_EQ(fixture_peers(s), 1); /* the node still knows it */
        fixture_apply(s, fixture_message(2, 2, MESSAGE_RECEIVED, "anew"));
        ASSERT_OK(store_commit(s));
        ASSERT_EQ(fixture_count(s), 1);
        store_free(s);
}

TEST(expired_leaves_no_trace)
{
        _cleanup_(freep)
        char *path = fixture_path("expired.db"), *wal = fixture_path("expired.db-wal");
        struct store_options options = fixture_options(path, NULL);
        struct store *s = fixture_open(path, NULL);
        struct sealed text;
        usec_t next;

        fixture_apply(s, fixture_message(1, 2, MESSAGE_RECEIVED, "a text that grows old quickly"));
        ASSERT_OK(store_commit(s));
        store_free(s);
        read_sealed(path, "SELECT sealed FROM message", &text);

        options.age_max_usec = USEC_PER_MINUTE;
        ASSERT_OK(store_open(&options, &s));
        ASSERT_OK(store_expire(s, FIXTURE_TIME + USEC_PER_HOUR, &next));
        ASSERT_OK(store_commit(s));
        ASSERT_EQ(count_pieces(&text, path), 0);
        ASSERT_EQ(count_pieces(&text, wal), 0);
        store_free(s);
}

/* Who can write to the file but has no secret cannot put one text in the place of another. */
TEST(sealed_values_open_only_in_their_place)
{
        _cleanup_(freep)
        char *path = fixture_path("place.db");
        struct store *s = fixture_open(path, NULL);
        size_t n = 0;

        fixture_apply(s, fixture_peer(1, "Zeynep"));
        fixture_apply(s, fixture_peer(2, "Zeynep"));
        for (uint64_t i = 1; i <= 4; i++)
                fixture_apply(s, fixture_message(i, 1 + i % 2, MESSAGE_RECEIVED, "text"));
        ASSERT_OK(store_commit(s));
        store_free(s);

        fixture_sql(path,
                "UPDATE message SET sealed = (SELECT sealed FROM message WHERE sequence = 3)"
                " WHERE sequence = 1"); /* same conversation, other row */
        fixture_sql(
                path, "UPDATE message SET peer = 1 WHERE sequence = 3"); /* other conversation */
        s = fixture_open(path, NULL);
        ASSERT_EQ(fixture_count(s), 2);
        store_free(s);
        fixture_sql(path, "UPDATE peer SET key = (SELECT key FROM peer WHERE number = 2)");
        s = fixture_open(path, NULL);
        ASSERT_EQ(fixture_count(s), 0);
        store_free(s);
        fixture_sql(path, "UPDATE peer SET record = (SELECT record FROM peer WHERE number = 1)");
        s = fixture_open(path, NULL);
        ASSERT_EQ(store_load_peers(s, fixture_count_peer, &n), -EUCLEAN);
        store_free(s);
}

TEST(wrong_secret_touches_nothing)
{
        _cleanup_(freep)
        char *path = fixture_path("wrong.db");
        struct store_options options = fixture_options(path, NULL);
        struct store *s = fixture_open(path, NULL);
        uint8_t other[KEY_SIZE] = "another one", *before = NULL, *after = NULL;
        size_t before_size, after_size;
        char *aside;
        uint64_t n_lost;

        fixture_apply(s, fixture_peer(2, "Zeynep"));
        fixture_apply(s, fixture_message(1, 2, MESSAGE_RECEIVED, "hello"));
        ASSERT_OK(store_commit(s));
        s = store_free(s);
        ASSERT_OK(file_read(path, 64 << 20, &before, &before_size));
        options.secret = other;
        ASSERT_EQ(store_open(&options, &s), STORE_WRONG_SECRET);
        ASSERT_EQ(store_salvage(&options, FIXTURE_TIME, &s, &aside, &n_lost), STORE_WRONG_SECRET);
        ASSERT_OK(file_read(path, 64 << 20, &after, &after_size));
        ASSERT_EQ(before_size, after_size);
        ASSERT_MEMEQ(before, after, after_size);
        free(before);
        free(after);
        s = fixture_open(path, NULL);
        ASSERT_EQ(fixture_count(s), 1);
        store_free(s);
}

TEST(one_at_a_time)
{
        _cleanup_(freep)
        char *path = fixture_path("busy.db");
        const struct store_options options = fixture_options(path, NULL);
        struct store *s = fixture_open(path, NULL), *second = NULL;

        ASSERT_EQ(store_open(&options, &second), -EBUSY);
        store_free(s);
}

TEST(large_texts)
{
        struct store *s = fixture_open(":memory:", NULL);
        char *text = malloc(TEXT_SIZE_MAX + 1), *back = NULL;
        struct ulid id = fixture_id(1);
        size_t size = 0;

        memset(text, 'y', TEXT_SIZE_MAX);
        text[TEXT_SIZE_MAX] = 0;
        fixture_apply(s, fixture_message(1, 2, MESSAGE_QUEUED, text));
        fixture_apply(s, fixture_message(2, 2, MESSAGE_QUEUED, ""));
        ASSERT_OK(store_commit(s));
        ASSERT_OK(store_load_text(s, &id, &(usec_t){ 0 }, &back, &size));
        ASSERT_EQ(size, TEXT_SIZE_MAX);
        ASSERT_STREQ(back, text);
        free(back);
        id = fixture_id(2);
        ASSERT_OK(store_load_text(s, &id, &(usec_t){ 0 }, &back, &size));
        ASSERT_EQ(size, 0);
        ASSERT_STREQ(back, "");
        free(back);
        free(text);
        store_free(s);
}

TEST(many_conversations_share_the_key_cache)
{
        struct store *s = fixture_open(":memory:", NULL);

        for (uint64_t i = 1; i <= 3000; i++)
                fixture_apply(s, fixture_message(i, i, MESSAGE_RECEIVED, "x"));
        for (uint64_t i = 1; i <= 3000; i++)
                fixture_apply(s, fixture_message(10000 + i, i, MESSAGE_RECEIVED, "y"));
        ASSERT_OK(store_commit(s));
        ASSERT_EQ(fixture_count(s), 6000);
        store_free(s);
}

TEST_MAIN_WITH(fixture_setup)
