/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the store keeps of native peers: streams, numbers, origins */
#include <sqlite3.h>

#include "core/delivery/stream.h"
#include "lib/store-fixture.h"

#define BIG UINT64_C(0xfedcba9876543210) /* a stream that is negative for SQLite */

/* All that is loaded at a start. */
struct loaded {
        struct stream_record streams[8];
        struct mark_record marks[32];
        struct refused_record refused[1000];
        struct queued_record queued[32];
        size_t n_streams, n_marks, n_refused, n_queued;
};

static int on_stream(const struct stream_record *r, void *userdata)
{
        struct loaded *l = userdata;

        ASSERT_LT(l->n_streams, ELEMENTSOF(l->streams));
        l->streams[l->n_streams++] = *r;
        return 0;
}

static int on_mark(const struct mark_record *r, void *userdata)
{
        struct loaded *l = userdata;

        ASSERT_LT(l->n_marks, ELEMENTSOF(l->marks));
        l->marks[l->n_marks++] = *r;
        return 0;
}

static int on_refused(const struct refused_record *r, void *userdata)
{
        struct loaded *l = userdata;

        ASSERT_LT(l->n_refused, ELEMENTSOF(l->refused));
        l->refused[l->n_refused++] = *r;
        return 0;
}

static int on_queued(const struct queued_record *r, void *userdata)
{
        struct loaded *l = userdata;

        ASSERT_LT(l->n_queued, ELEMENTSOF(l->queued));
        l->queued[l->n_queued++] = *r;
        return 0;
}

static void load(struct store *s, struct loaded *ret)
{
        *ret = (struct loaded){};
        ASSERT_OK(store_load_streams(s, on_stream, ret));
        ASSERT_OK(store_load_marks(s, on_mark, ret));
        ASSERT_OK(store_load_refused(s, on_refused, ret));
        ASSERT_OK(store_load_queued(s, on_queued, ret));
}

/* Twice, as every change may be. */
static void apply(struct store *s, struct change c)
{
        fixture_apply(s, c);
        fixture_apply(s, c);
}

static struct store *reopen(struct store *s, const char *path)
{
        ASSERT_OK(store_commit(s));
        store_free(s);
        return fixture_open(path, NULL);
}

static int on_peer(const struct peer_record *p, void *userdata)
{
        *(struct peer_record *)userdata = *p;
        return 0;
}

TEST(native_peer_comes_back_whole)
{
        _cleanup_(freep)
        char *path = fixture_path("native.db");
        struct store *s = fixture_open(path, NULL);
        struct change c = fixture_peer(9, "Zeynep");
        struct peer_record p = {};

        memcpy(c.peer.id, "abcdefghijklmnopqrstuvwxya", sizeof c.peer.id);
        c.peer.is_proven = c.peer.is_verified = c.peer.is_warned_of = true;
        memset(c.peer.key, 0xa5, sizeof c.peer.key);
        memset(c.peer.contact, 'x', NAME_SIZE_MAX);
        memset(c.peer.name, 'y', NAME_SIZE_MAX);
        c.peer.successor = BIG;
        apply(s, c);
        s = reopen(s, path);
        ASSERT_OK(store_load_peers(s, on_peer, &p));
        ASSERT_STREQ(p.id, c.peer.id);
        ASSERT_TRUE(p.is_proven && p.is_verified && p.is_warned_of);
        ASSERT_MEMEQ(p.key, c.peer.key, sizeof p.key);
        ASSERT_STREQ(p.contact, c.peer.contact);
        ASSERT_STREQ(p.name, c.peer.name);
        ASSERT_EQ(p.successor, BIG);

        c.peer.is_proven = c.peer.is_verified = c.peer.is_warned_of = false;
        c.peer.contact[0] = 0;
        c.peer.successor = 0;
        apply(s, c);
        s = reopen(s, path);
        ASSERT_OK(store_load_peers(s, on_peer, &p));
        ASSERT_FALSE(p.is_proven || p.is_verified || p.is_warned_of);
        ASSERT_STREQ(p.contact, "");
        ASSERT_EQ(p.successor, 0);
        ASSERT_STREQ(p.id, c.peer.id);
        store_free(s);
}

TEST(streams_come_back)
{
        _cleanup_(freep)
        char *path = fixture_path("streams.db");
        struct store *s = fixture_open(path, NULL);
        struct loaded l;

        apply(s, fixture_stream(2, BIG, 7, 5));
        apply(s, fixture_stream(1, 1, 0, 1));
        apply(s, fixture_stream(3, UINT64_MAX, INT64_MAX, INT64_MAX));
        apply(s, fixture_stream(1, 77, 3, 2));
        s = reopen(s, path);
        load(s, &l);
        ASSERT_EQ(l.n_streams, 3);
        ASSERT_EQ(l.streams[0].peer, 1);
        ASSERT_EQ(l.streams[0].stream, 77);
        ASSERT_EQ(l.streams[0].given, 3);
        ASSERT_EQ(l.streams[0].oldest, 2);
        ASSERT_EQ(l.streams[1].stream, BIG);
        ASSERT_EQ(l.streams[1].given, 7);
        ASSERT_EQ(l.streams[1].oldest, 5);
        ASSERT_EQ(l.streams[2].stream, UINT64_MAX);
        ASSERT_EQ(l.streams[2].given, INT64_MAX);
        store_free(s);
}

TEST(marks_come_back_in_the_order_of_telling)
{
        static const uint64_t order[] = { 500, BIG, 3, UINT64_MAX, 4 };
        _cleanup_(freep)
        char *path = fixture_path("marks.db");
        struct store *s = fixture_open(path, NULL);
        struct loaded l;

        for (size_t i = 0; i < ELEMENTSOF(order); i++)
                for (uint64_t peer = 2; peer > 0; peer--)
                        apply(s, fixture_mark(peer, order[i], i));
        apply(s, fixture_mark(1, 500, INT64_MAX)); /* the order is that of the first telling */
        s = reopen(s, path);
        load(s, &l);
        ASSERT_EQ(l.n_marks, 2 * ELEMENTSOF(order));
        for (size_t i = 0; i < l.n_marks; i++) {
                size_t k = i % ELEMENTSOF(order);

                ASSERT_EQ(l.marks[i].peer, i < ELEMENTSOF(order) ? 1 : 2);
                ASSERT_EQ(l.marks[i].stream, order[k]);
                ASSERT_EQ(l.marks[i].number, i == 0 ? INT64_MAX : k);
        }

        apply(s, (struct change){ .type = CHANGE_MARK_GONE, .mark = { 1, 500, 0 } });
        apply(s, (struct change){ .type = CHANGE_MARK_GONE, .mark = { 1, 4, 0 } });
        apply(s, fixture_mark(1, 500, 8)); /* heard again: it is the last one now */
        s = reopen(s, path);
        load(s, &l);
        ASSERT_EQ(l.n_marks, 9);
        ASSERT_EQ(l.marks[0].stream, BIG);
        ASSERT_EQ(l.marks[3].stream, 500);
        ASSERT_EQ(l.marks[3].number, 8);
        ASSERT_EQ(l.marks[4].peer, 2);
        ASSERT_EQ(l.marks[4].stream, 500);
        store_free(s);
}

TEST(refusals_go_with_the_window)
{
        struct store *s = fixture_open(":memory:", NULL);
        struct loaded l;

        for (uint64_t n = 300; n > 0; n--) {
                apply(s, fixture_refused(1, BIG, n, REFUSED_TOO_LARGE));
                apply(s, fixture_refused(1, 5, n, REFUSED_INVALID_TEXT));
        }
        apply(s, fixture_refused(2, BIG, 1, REFUSED_KNOWN_ID));
        apply(s, fixture_mark(1, BIG, STREAM_WINDOW));
        load(s, &l);
        ASSERT_EQ(l.n_refused, 601); /* up to number - STREAM_WINDOW: none yet */
        apply(s, fixture_mark(1, BIG, STREAM_WINDOW + 10));
        load(s, &l);
        ASSERT_EQ(l.n_refused, 591);
        ASSERT_EQ(l.refused[0].stream, BIG); /* as SQLite sorts it */
        ASSERT_EQ(l.refused[0].number, 11);
        ASSERT_EQ(l.refused[0].reason, REFUSED_TOO_LARGE);
        ASSERT_EQ(l.refused[289].number, 300);
        ASSERT_EQ(l.refused[290].stream, 5);
        ASSERT_EQ(l.refused[290].number, 1);
        ASSERT_EQ(l.refused[290].reason, REFUSED_INVALID_TEXT);
        apply(s, (struct change){ .type = CHANGE_MARK_GONE, .mark = { 1, BIG, 0 } });
        load(s, &l);
        ASSERT_EQ(l.n_refused, 301);
        ASSERT_EQ(l.n_marks, 0);
        apply(s, fixture_refused(2, BIG, 1, REFUSED_OTHER)); /* the last word counts */
        load(s, &l);
        ASSERT_EQ(l.refused[300].peer, 2);
        ASSERT_EQ(l.refused[300].reason, REFUSED_OTHER);
        store_free(s);
}

/* Numbered ones first, in the order of numbers, then the others as they were written. */
TEST(queue_has_numbers)
{
        _cleanup_(freep)
        char *path = fixture_path("numbers.db");
        struct store *s = fixture_open(path, NULL);
        struct loaded l;

        for (uint64_t i = 1; i <= 6; i++)
                apply(s, fixture_message(i, 1, MESSAGE_QUEUED, "x"));
        apply(s, fixture_numbered(5, 1));
        apply(s, fixture_numbered(2, 2));
        apply(s, fixture_numbered(4, STREAM_NUMBER_MAX));
        apply(s, fixture_numbered(3, 9));
        apply(s, fixture_numbered(3, 0));
        apply(s, fixture_numbered(99, 4)); /* nobody */
        s = reopen(s, path);
        load(s, &l);
        ASSERT_EQ(l.n_queued, 6);
        for (size_t i = 0; i < 6; i++) {
                static const struct {
                        uint64_t id, number;
                } expected[] = { { 5, 1 }, { 2, 2 }, { 4, STREAM_NUMBER_MAX }, { 1, 0 }, { 3, 0 },
                        { 6, 0 } };
                struct ulid id = fixture_id(expected[i].id);

                ASSERT_TRUE(ulid_equal(&l.queued[i].id, &id));
                ASSERT_EQ(l.queued[i].stream_number, expected[i].number);
        }
        apply(s, fixture_state(5, MESSAGE_DELIVERED));
        apply(s, fixture_state(6, MESSAGE_CANCELLED));
        apply(s, fixture_numbered(5, 12)); /* it waits no more */
        load(s, &l);
        ASSERT_EQ(l.n_queued, 4);
        ASSERT_EQ(l.queued[0].stream_number, 2);
        store_free(s);
}

/*
 * Origins
 */
TEST(known_origin_is_told_and_not_stored)
{
        _cleanup_(freep)
        char *path = fixture_path("known.db");
        struct store *s = fixture_open(path, NULL);
        struct store_event e;

        apply(s, fixture_native(1, 3, 1, 100));
        ASSERT_OK(store_commit(s));
        ASSERT_EQ(fixture_drain(s), 1); /* the same change again tells nothing */
        fixture_apply(s, fixture_native(2, 3, BIG, 100));
        ASSERT_FALSE(store_next_event(s, &e));
        ASSERT_OK(store_commit(s));
        ASSERT_TRUE(store_next_event(s, &e));
        ASSERT_EQ(e.type, STORE_EVENT_KNOWN);
        ASSERT_EQ(e.known.peer, 3);
        ASSERT_EQ(e.known.stream_number, BIG);
        ASSERT_FALSE(store_next_event(s, &e));
        ASSERT_EQ(fixture_count(s), 1);
        ASSERT_EQ(store_last_sequence(s), 1);

        s = reopen(s, path);
        fixture_apply(s, fixture_native(3, 3, 7, 100));
        fixture_apply(s, fixture_native(4, 4, 7, 100)); /* somebody else's */
        fixture_apply(s, fixture_native(5, 3, 8, 101));
        fixture_apply(s, fixture_native(6, 3, 9, 101)); /* twice in one turn */
        ASSERT_OK(store_commit(s));
        ASSERT_TRUE(store_next_event(s, &e));
        ASSERT_EQ(e.type, STORE_EVENT_KNOWN);
        ASSERT_EQ(e.known.stream_number, 7);
        ASSERT_TRUE(store_next_event(s, &e));
        ASSERT_EQ(e.type, STORE_EVENT_MESSAGE);
        ASSERT_EQ(e.message.peer, 4);
        ASSERT_TRUE(store_next_event(s, &e));
        ASSERT_EQ(e.type, STORE_EVENT_MESSAGE);
        ASSERT_EQ(e.message.sequence, 3);
        ASSERT_TRUE(store_next_event(s, &e));
        ASSERT_EQ(e.type, STORE_EVENT_KNOWN);
        ASSERT_EQ(e.known.stream_number, 9);
        ASSERT_FALSE(store_next_event(s, &e));
        ASSERT_EQ(fixture_count(s), 3);
        store_free(s);
}

/* Those of classic peers have none, however many there are. */
TEST(messages_without_origin_are_not_alike)
{
        struct store *s = fixture_open(":memory:", NULL);

        for (uint64_t i = 1; i <= 10; i++)
                fixture_apply(s, fixture_message(i, 1, MESSAGE_RECEIVED, "x"));
        fixture_apply(s, fixture_message(11, 1, MESSAGE_QUEUED, "x"));
        ASSERT_OK(store_commit(s));
        ASSERT_EQ(fixture_count(s), 11);
        ASSERT_EQ(fixture_drain(s), 11);
        store_free(s);
}

static struct store *open_aging(const char *path, usec_t age_max_usec)
{
        struct store_options options = fixture_options(path, NULL);
        struct store *s = NULL;

        options.age_max_usec = age_max_usec;
        ASSERT_OK(store_open(&options, &s));
        return s;
}

static enum store_event_type outcome(struct store *s, struct change c)
{
        struct store_event e;

        fixture_apply(s, c);
        ASSERT_OK(store_commit(s));
        ASSERT_TRUE(store_next_event(s, &e));
        ASSERT_EQ(fixture_drain(s), 0);
        return e.type;
}

TEST(origin_outlives_its_message)
{
        _cleanup_(freep)
        char *path = fixture_path("outlives.db");
        struct store *s = open_aging(path, USEC_PER_MINUTE);
        const usec_t now = FIXTURE_TIME + USEC_PER_HOUR, end = now + 90 * USEC_PER_DAY;
        usec_t next;

        fixture_apply(s, fixture_native(1, 3, 1, 100));
        fixture_apply(s, fixture_message(2, 3, MESSAGE_RECEIVED, "classic"));
        ASSERT_OK(store_expire(s, now, &next));
        ASSERT_OK(store_commit(s));
        fixture_drain(s);
        ASSERT_EQ(fixture_count(s), 0);
        ASSERT_GE(next, end);
        ASSERT_LE(next, end + USEC_PER_DAY);
        ASSERT_EQ(outcome(s, fixture_native(3, 3, 2, 100)), STORE_EVENT_KNOWN);
        store_free(s);

        s = open_aging(path, USEC_INFINITY); /* also when nothing is erased any more */
        ASSERT_EQ(outcome(s, fixture_native(4, 3, 3, 100)), STORE_EVENT_KNOWN);
        ASSERT_EQ(outcome(s, fixture_native(5, 4, 3, 100)), STORE_EVENT_MESSAGE);
        ASSERT_OK(store_expire(s, end - 1, &next));
        ASSERT_OK(store_commit(s));
        ASSERT_EQ(outcome(s, fixture_native(6, 3, 4, 100)), STORE_EVENT_KNOWN);
        ASSERT_OK(store_expire(s, end, &next));
        ASSERT_EQ(next, end); /* perhaps there is more */
        ASSERT_OK(store_expire(s, end, &next));
        ASSERT_EQ(next, USEC_INFINITY);
        ASSERT_OK(store_commit(s));
        ASSERT_EQ(outcome(s, fixture_native(7, 3, 5, 100)), STORE_EVENT_MESSAGE);
        store_free(s);
}

/* Messages go in slices, and with each slice just its origins. */
TEST(no_origin_is_lost_between_slices)
{
        struct store *s = open_aging(":memory:", USEC_PER_MINUTE);
        usec_t next;

        for (uint64_t i = 1; i <= 700; i++) {
                struct change c = fixture_native(i, 3, i, i);

                c.message.time_usec = FIXTURE_TIME + i / 2; /* two at a time */
                fixture_apply(s, c);
        }
        ASSERT_OK(store_expire(s, FIXTURE_TIME + USEC_PER_HOUR, &next));
        ASSERT_OK(store_commit(s));
        fixture_drain(s);
        ASSERT_EQ(fixture_count(s), 200);
        for (uint64_t i = 1; i <= 700; i++)
                ASSERT_EQ(outcome(s, fixture_native(1000 + i, 3, 1000 + i, i)), STORE_EVENT_KNOWN);
        store_free(s);
}

TEST(forgetting_a_conversation_keeps_its_streams)
{
        struct store *s = open_aging(":memory:", USEC_PER_MINUTE);
        struct loaded l;
        usec_t next;

        fixture_apply(s, fixture_peer(3, "Zeynep"));
        for (uint64_t peer = 3; peer <= 4; peer++) {
                fixture_apply(s, fixture_native(peer, peer, 1, 100));
                ASSERT_OK(store_expire(s, FIXTURE_TIME + USEC_PER_HOUR, &next));
                fixture_apply(s, fixture_native(10 + peer, peer, 2, 101));
                fixture_apply(s, fixture_stream(peer, BIG, 2, 1));
                fixture_apply(s, fixture_mark(peer, BIG, 2));
                fixture_apply(s, fixture_refused(peer, BIG, 2, REFUSED_OTHER));
        }
        ASSERT_OK(store_commit(s));
        fixture_drain(s);
        apply(s, (struct change){ .type = CHANGE_FORGET, .number = 3 });
        load(s, &l);
        ASSERT_EQ(l.n_streams, 2);
        ASSERT_EQ(l.n_marks, 2);
        ASSERT_EQ(l.n_refused, 2);
        ASSERT_EQ(outcome(s, fixture_native(20, 3, 3, 100)), STORE_EVENT_MESSAGE);
        ASSERT_EQ(outcome(s, fixture_native(21, 3, 4, 101)), STORE_EVENT_MESSAGE);
        ASSERT_EQ(outcome(s, fixture_native(22, 4, 3, 100)), STORE_EVENT_KNOWN);
        ASSERT_EQ(outcome(s, fixture_native(23, 4, 4, 101)), STORE_EVENT_KNOWN);
        store_free(s);
}

TEST(peer_takes_all_along)
{
        struct store *s = open_aging(":memory:", USEC_PER_MINUTE);
        struct loaded l;
        usec_t next;

        for (uint64_t peer = 3; peer <= 4; peer++) {
                fixture_apply(s, fixture_peer(peer, "Zeynep"));
                fixture_apply(s, fixture_native(peer, peer, 1, 100));
                fixture_apply(s, fixture_stream(peer, BIG, 2, 1));
                fixture_apply(s, fixture_mark(peer, BIG, 2));
                fixture_apply(s, fixture_refused(peer, BIG, 2, REFUSED_OTHER));
        }
        ASSERT_OK(store_expire(s, FIXTURE_TIME + USEC_PER_HOUR, &next));
        apply(s, (struct change){ .type = CHANGE_PEER_GONE, .number = 3 });
        ASSERT_OK(store_commit(s));
        fixture_drain(s);
        load(s, &l);
        ASSERT_EQ(fixture_peers(s), 1);
        ASSERT_EQ(l.n_streams, 1);
        ASSERT_EQ(l.n_marks, 1);
        ASSERT_EQ(l.n_refused, 1);
        ASSERT_EQ(l.streams[0].peer, 4);
        ASSERT_EQ(l.marks[0].peer, 4);
        ASSERT_EQ(l.refused[0].peer, 4);
        ASSERT_EQ(outcome(s, fixture_native(20, 3, 3, 100)), STORE_EVENT_MESSAGE);
        ASSERT_EQ(outcome(s, fixture_native(21, 4, 3, 100)), STORE_EVENT_KNOWN);
        store_free(s);
}

/* What is remembered of erased messages has an end, whoever sends how many. */
TEST(only_the_newest_origins_are_remembered)
{
        _cleanup_(freep)
        char *path = fixture_path("newest.db");
        struct store *s = open_aging(path, USEC_PER_MINUTE);
        usec_t next;

        fixture_apply(s, fixture_native(1, 3, 1, 100));
        fixture_apply(s, fixture_native(2, 3, 2, 101));
        ASSERT_OK(store_expire(s, FIXTURE_TIME + USEC_PER_HOUR, &next));
        ASSERT_OK(store_commit(s));
        store_free(s);
        fixture_sql(path, "UPDATE erased SET number = 200001 WHERE number = 2");
        s = open_aging(path, USEC_PER_MINUTE);
        ASSERT_EQ(outcome(s, fixture_native(3, 3, 3, 102)), STORE_EVENT_MESSAGE);
        ASSERT_EQ(outcome(s, fixture_native(4, 3, 4, 100)), STORE_EVENT_KNOWN);
        ASSERT_OK(store_expire(s, FIXTURE_TIME + USEC_PER_HOUR, &next));
        ASSERT_OK(store_commit(s));
        ASSERT_EQ(outcome(s, fixture_native(5, 3, 5, 100)), STORE_EVENT_MESSAGE);
        ASSERT_EQ(outcome(s, fixture_native(6, 3, 6, 101)), STORE_EVENT_KNOWN);
        ASSERT_EQ(outcome(s, fixture_native(7, 3, 7, 102)), STORE_EVENT_KNOWN);
        store_free(s);
}

TEST(session_is_told)
{
        struct store *s = fixture_open(":memory:", NULL);
        char user[] = "Ece", what[] = "proven";
        struct store_event e;

        fixture_apply(s, (struct change){ .type = CHANGE_SESSION,
                                 .session = { .user = user,
                                         .endpoint = endpoint_ipv4(10, 0, 0, 1, 6001),
                                         .what = what,
                                         .is_ours = true } });
        memset(user, 'x', 3);
        memset(what, 'x', 3);
        ASSERT_FALSE(store_next_event(s, &e));
        ASSERT_OK(store_commit(s));
        ASSERT_TRUE(store_next_event(s, &e));
        ASSERT_EQ(e.type, STORE_EVENT_SESSION);
        ASSERT_STREQ(e.session.user, "Ece");
        ASSERT_STREQ(e.session.what, "proven");
        ASSERT_TRUE(e.session.is_ours);
        ASSERT_FALSE(store_next_event(s, &e));
        store_free(s);
}

/*
 * A number that is not what it was would have messages lost: it is found out, and salvaged.
 */
static void change_and_load(const char *sql)
{
        _cleanup_(freep)
        char *path = fixture_path("changed.db"), *aside = NULL;
        const struct store_options options = fixture_options(path, NULL);
        struct store *s = fixture_open(path, NULL);
        struct loaded l = {};
        uint64_t n_lost;
        int r;

        fixture_apply(s, fixture_peer(1, "Zeynep"));
        fixture_apply(s, fixture_peer(2, "Zeynep"));
        for (uint64_t peer = 1; peer <= 2; peer++) {
                fixture_apply(s, fixture_stream(peer, BIG + peer, 2 + peer, 1));
                fixture_apply(s, fixture_mark(peer, BIG, 20 + peer));
                fixture_apply(s, fixture_refused(peer, BIG, 20 + peer, REFUSED_OTHER));
        }
        ASSERT_OK(store_commit(s));
        store_free(s);
        fixture_sql(path, sql);
        s = fixture_open(path, NULL);
        r = store_load_streams(s, on_stream, &l);
        if (r == 0)
                r = store_load_marks(s, on_mark, &l);
        if (r == 0)
                r = store_load_refused(s, on_refused, &l);
        ASSERT_EQ(r, -EUCLEAN);
        store_free(s);
        ASSERT_EQ(store_open(&options, &s), STORE_DAMAGED);
        ASSERT_OK(store_salvage(&options, FIXTURE_TIME, &s, &aside, &n_lost));
        ASSERT_GT(n_lost, 0);
        load(s, &l);
        ASSERT_LT(l.n_streams + l.n_marks + l.n_refused, 6);
        store_free(s);
        ASSERT_OK(unlink(path));
}

TEST(numbers_are_proved)
{
        change_and_load("UPDATE stream SET sealed = (SELECT sealed FROM stream WHERE peer = 1)");
        change_and_load("UPDATE stream_mark SET sealed ="
                        " (SELECT sealed FROM stream_mark WHERE peer = 1)");
        change_and_load("UPDATE stream_mark SET stream = stream + 1 WHERE peer = 1");
        change_and_load("UPDATE refused SET number = number + 1 WHERE peer = 1");
        change_and_load("UPDATE refused SET stream = stream + 1 WHERE peer = 1");
}

TEST_MAIN_WITH(fixture_setup)
