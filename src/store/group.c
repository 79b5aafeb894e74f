/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is remembered of groups beside their messages
 *
 * Memberships, wishes to leave, and how far lanes were taken. What is looked for by a key of
 * somebody is found by a hash under a key of ours, so that nobody sees without the secret who is in
 * a group; its first bytes stand for the row in its seal.
 */
#include "store/store-internal.h"

#define GROUP_VERSION 1
#define GROUP_SIZE_MAX (1 + GROUP_ID_SIZE + 1 + PUBLIC_KEY_SIZE + GROUP_MEMBERSHIP_SIZE_MAX)
#define LANE_SIZE (PUBLIC_KEY_SIZE + 8 + 4 + 8)
#define LEAVE_SIZE_MAX (PUBLIC_KEY_SIZE + GROUP_LEAVE_SIZE_MAX)

static_assert(sizeof(struct ulid) == GROUP_HASH_SIZE);

/* @stream and the rest are zero for what is of a member and not of a lane. */
static void hash_place(const struct store *s, uint64_t group, const struct group_lane_id *lane,
        uint64_t number, uint8_t ret[static GROUP_HASH_SIZE])
{
        uint8_t data[8 + PUBLIC_KEY_SIZE + 8 + 4 + 8], whole[HASH_SIZE];
        struct writer w = writer_make(data, sizeof data);

        writer_u64(&w, group);
        writer_bytes(&w, lane->author.bytes, sizeof lane->author.bytes);
        writer_u64(&w, lane->stream);
        writer_u32(&w, lane->version);
        writer_u64(&w, number);
        assert(!w.failed);
        hmac(s->keys->lanes, KEY_SIZE, &(struct blob){ data, w.size }, 1, whole);
        memcpy(ret, whole, GROUP_HASH_SIZE);
}

void store_group_origin(const struct store *s, uint64_t group, const struct group_lane_id *lane,
        uint64_t number, struct ulid *ret)
{
        hash_place(s, group, lane, number, ret->bytes);
}

static struct place hashed_place(
        const char *column, uint64_t group, const uint8_t hash[static GROUP_HASH_SIZE])
{
        struct reader r = reader_make(hash, GROUP_HASH_SIZE);

        return (struct place){ column, group, reader_u64(&r) };
}

static void bind_hash(sqlite3_stmt *q, const uint8_t hash[static GROUP_HASH_SIZE])
{
        (void)sqlite3_bind_blob(q, 1, hash, GROUP_HASH_SIZE, SQLITE_STATIC);
}

/* The hash of a row is column 1. */
static const uint8_t *hash_of(sqlite3_stmt *q)
{
        return sqlite3_column_bytes(q, 1) == GROUP_HASH_SIZE ? sqlite3_column_blob(q, 1) : NULL;
}

/*
 * Groups
 */
int store_apply_group(struct store *s, const struct group_record *group)
{
        const struct place place = { "team.sealed", group->number, group->number };
        uint8_t data[GROUP_SIZE_MAX];
        struct writer w = writer_make(data, sizeof data);
        sqlite3_stmt *q;
        int r;

        writer_u8(&w, GROUP_VERSION);
        writer_bytes(&w, group->id.bytes, sizeof group->id.bytes);
        writer_u8(&w, (uint8_t)group->state);
        writer_bytes(&w, group->inviter.bytes, sizeof group->inviter.bytes);
        writer_bytes(&w, group->membership, group->size);
        assert(!w.failed);
        r = store_seal(s, s->keys->records, &place, data, w.size);
        if (r < 0)
                return r;
        q = store_statement(s, SQL_TEAM_SET, &r);
        if (!q)
                return r;
        (void)sqlite3_bind_int64(q, 1, (int64_t)group->number);
        store_bind_sealed(s, q, 2);
        r = store_run(s, q);
        if (r < 0 || group->floor == 0)
                return r;
        q = store_statement(s, SQL_LANE_DELETE, &r);
        if (!q)
                return r;
        (void)sqlite3_bind_int64(q, 1, (int64_t)group->number);
        (void)sqlite3_bind_int64(q, 2, group->floor);
        return store_run(s, q);
}

int store_decode_group(struct store *s, const void *sealed, size_t size, struct group_record *group)
{
        const struct place place = { "team.sealed", group->number, group->number };
        const uint8_t *id, *inviter;
        struct reader in;
        uint8_t version, state;
        int r;

        r = store_unseal(s, s->keys->records, &place, sealed, size);
        if (r < 0)
                return r;
        in = reader_make(s->plain.data, s->plain.size);
        version = reader_u8(&in);
        id = reader_bytes(&in, sizeof group->id.bytes);
        state = reader_u8(&in);
        inviter = reader_bytes(&in, sizeof group->inviter.bytes);
        if (in.failed || version != GROUP_VERSION)
                return -EBADMSG;
        memcpy(group->id.bytes, id, sizeof group->id.bytes);
        group->state = (enum group_state)state;
        memcpy(group->inviter.bytes, inviter, sizeof group->inviter.bytes);
        group->membership = in.data;
        group->size = in.left;
        return 0;
}

int store_apply_group_muted(struct store *s, uint64_t number, usec_t until_usec)
{
        sqlite3_stmt *q;
        int r = 0;

        q = store_statement(s, SQL_TEAM_MUTE, &r);
        if (!q)
                return r;
        (void)sqlite3_bind_int64(q, 1, (int64_t)number);
        (void)sqlite3_bind_int64(q, 2, (int64_t)until_usec);
        return store_run(s, q);
}

int store_apply_group_gone(struct store *s, uint64_t number)
{
        int r = store_run_number(s, SQL_TEAM_DELETE, number);

        if (r == 0)
                r = store_run_number(s, SQL_LEAVE_DELETE_ALL, number);
        return r < 0 ? r : store_run_number(s, SQL_LANE_DELETE_ALL, number);
}

int store_load_groups(struct store *s, store_group_fn fn, void *userdata)
{
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        int r = 0;

        q = store_statement(s, SQL_TEAM_LIST, &r);
        if (!q)
                return store_needed(s, r);
        while ((r = store_step(s, q)) > 0) {
                struct group_record group = {
                        .number = (uint64_t)sqlite3_column_int64(q, 0),
                        .muted_until_usec = (usec_t)sqlite3_column_int64(q, 1),
                };

                r = store_decode_group(
                        s, sqlite3_column_blob(q, 2), (size_t)sqlite3_column_bytes(q, 2), &group);
                if (r < 0)
                        return store_needed(s, r);
                r = fn(&group, userdata);
                if (r < 0)
                        return r;
        }
        return store_needed(s, r);
}

/*
 * Wishes to leave
 */
static void hash_leave(const struct store *s, const struct leave_record *leave,
        uint8_t ret[static GROUP_HASH_SIZE])
{
        const struct group_lane_id member = { .author = leave->key };

        hash_place(s, leave->group, &member, 0, ret);
}

int store_apply_leave(struct store *s, const struct leave_record *leave)
{
        uint8_t data[LEAVE_SIZE_MAX], hash[GROUP_HASH_SIZE];
        struct writer w = writer_make(data, sizeof data);
        struct place place;
        sqlite3_stmt *q;
        int r;

        hash_leave(s, leave, hash);
        place = hashed_place("team_leave.sealed", leave->group, hash);
        writer_bytes(&w, leave->key.bytes, sizeof leave->key.bytes);
        writer_bytes(&w, leave->data, leave->size);
        assert(!w.failed);
        r = store_seal(s, s->keys->records, &place, data, w.size);
        if (r < 0)
                return r;
        q = store_statement(s, SQL_LEAVE_SET, &r);
        if (!q)
                return r;
        bind_hash(q, hash);
        (void)sqlite3_bind_int64(q, 2, (int64_t)leave->group);
        store_bind_sealed(s, q, 3);
        return store_run(s, q);
}

int store_apply_leave_gone(struct store *s, const struct leave_record *leave)
{
        uint8_t hash[GROUP_HASH_SIZE];
        sqlite3_stmt *q;
        int r = 0;

        hash_leave(s, leave, hash);
        q = store_statement(s, SQL_LEAVE_DELETE, &r);
        if (!q)
                return r;
        bind_hash(q, hash);
        return store_run(s, q);
}

int store_decode_leave(struct store *s, const uint8_t hash[static GROUP_HASH_SIZE],
        const void *sealed, size_t size, struct leave_record *leave)
{
        const struct place place = hashed_place("team_leave.sealed", leave->group, hash);
        const uint8_t *key;
        struct reader in;
        int r;

        r = store_unseal(s, s->keys->records, &place, sealed, size);
        if (r < 0)
                return r;
        in = reader_make(s->plain.data, s->plain.size);
        key = reader_bytes(&in, sizeof leave->key.bytes);
        if (in.failed)
                return -EBADMSG;
        memcpy(leave->key.bytes, key, sizeof leave->key.bytes);
        leave->data = in.data;
        leave->size = in.left;
        return 0;
}

int store_load_leaves(struct store *s, store_leave_fn fn, void *userdata)
{
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        int r = 0;

        q = store_statement(s, SQL_LEAVE_LIST, &r);
        if (!q)
                return store_needed(s, r);
        while ((r = store_step(s, q)) > 0) {
                struct leave_record leave = { .group = (uint64_t)sqlite3_column_int64(q, 0) };
                const uint8_t *hash = hash_of(q);

                r = hash ? store_decode_leave(s, hash, sqlite3_column_blob(q, 2),
                                   (size_t)sqlite3_column_bytes(q, 2), &leave)
                         : -EBADMSG;
                if (r < 0)
                        return store_needed(s, r);
                r = fn(&leave, userdata);
                if (r < 0)
                        return r;
        }
        return store_needed(s, r);
}

/*
 * Lanes
 */
int store_decode_lane(struct store *s, const uint8_t hash[static GROUP_HASH_SIZE],
        const void *sealed, size_t size, struct lane_record *lane)
{
        const struct place place = hashed_place("team_lane.sealed", lane->group, hash);
        const uint8_t *author;
        struct reader in;
        int r;

        r = store_unseal(s, s->keys->records, &place, sealed, size);
        if (r < 0)
                return r;
        in = reader_make(s->plain.data, s->plain.size);
        author = reader_bytes(&in, sizeof lane->lane.author.bytes);
        lane->lane.stream = reader_u64(&in);
        lane->lane.version = reader_u32(&in);
        lane->number = reader_u64(&in);
        if (!reader_is_done(&in))
                return -EBADMSG;
        memcpy(lane->lane.author.bytes, author, sizeof lane->lane.author.bytes);
        return 0;
}

/* Of a row of SQL_LANE_LIST. */
static int read_lane(struct store *s, sqlite3_stmt *q, struct lane_record *ret)
{
        struct lane_record lane = { .group = (uint64_t)sqlite3_column_int64(q, 0) };
        const uint8_t *hash = hash_of(q);
        int r;

        if (!hash)
                return -EBADMSG;
        r = store_decode_lane(
                s, hash, sqlite3_column_blob(q, 3), (size_t)sqlite3_column_bytes(q, 3), &lane);
        if (r == 0 && sqlite3_column_int64(q, 2) != lane.lane.version)
                r = -EBADMSG;
        if (r == 0)
                *ret = lane;
        return r;
}

/* How far it is: 0 and the number, or negative. */
static int get_lane(
        struct store *s, const uint8_t hash[static GROUP_HASH_SIZE], uint64_t *ret_number)
{
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        struct lane_record lane = {};
        int r = 0;

        q = store_statement(s, SQL_LANE_GET, &r);
        if (!q)
                return r;
        bind_hash(q, hash);
        r = store_step(s, q);
        if (r > 0)
                r = read_lane(s, q, &lane);
        *ret_number = lane.number;
        return r;
}

static int set_lane(
        struct store *s, const uint8_t hash[static GROUP_HASH_SIZE], const struct lane_record *lane)
{
        const struct place place = hashed_place("team_lane.sealed", lane->group, hash);
        uint8_t data[LANE_SIZE];
        struct writer w = writer_make(data, sizeof data);
        sqlite3_stmt *q;
        int r;

        writer_bytes(&w, lane->lane.author.bytes, sizeof lane->lane.author.bytes);
        writer_u64(&w, lane->lane.stream);
        writer_u32(&w, lane->lane.version);
        writer_u64(&w, lane->number);
        assert(!w.failed);
        r = store_seal(s, s->keys->records, &place, data, w.size);
        if (r < 0)
                return r;
        q = store_statement(s, SQL_LANE_SET, &r);
        if (!q)
                return r;
        bind_hash(q, hash);
        (void)sqlite3_bind_int64(q, 2, (int64_t)lane->group);
        (void)sqlite3_bind_int64(q, 3, lane->lane.version);
        store_bind_sealed(s, q, 4);
        return store_run(s, q);
}

int store_apply_lane(struct store *s, const struct lane_record *lane)
{
        uint8_t hash[GROUP_HASH_SIZE];
        uint64_t number = 0;
        int r;

        hash_place(s, lane->group, &lane->lane, 0, hash);
        r = get_lane(s, hash, &number);
        if (r < 0 || number >= lane->number)
                return r;
        return set_lane(s, hash, lane);
}

int store_load_lanes(struct store *s, store_lane_fn fn, void *userdata)
{
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        int r = 0;

        q = store_statement(s, SQL_LANE_LIST, &r);
        if (!q)
                return store_needed(s, r);
        while ((r = store_step(s, q)) > 0) {
                struct lane_record lane;

                r = read_lane(s, q, &lane);
                if (r < 0)
                        return store_needed(s, r);
                r = fn(&lane, userdata);
                if (r < 0)
                        return r;
        }
        return store_needed(s, r);
}

/*
 * Messages
 */
int store_load_told(struct store *s, store_told_fn fn, void *userdata)
{
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        int r = 0;

        q = store_statement(s, SQL_TOLD_LIST, &r);
        if (!q)
                return store_needed(s, r);
        while ((r = store_step(s, q)) > 0) {
                const struct message_row row = store_message_row(q);
                struct message_record m;
                struct told_record told;

                r = store_decode_message(s, &row, &m);
                if (r < 0)
                        return store_needed(s, r);
                told = (struct told_record){ m.id, m.peer, m.group.lane, m.group.number, m.state,
                        m.size };
                r = fn(&told, userdata);
                if (r < 0)
                        return r;
        }
        return store_needed(s, r);
}

int store_load_group_message(struct store *s, uint64_t group, const struct group_lane_id *lane,
        uint64_t number, store_message_fn fn, void *userdata)
{
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        struct message_row row;
        struct message_record m;
        struct ulid origin;
        int r = 0;

        store_group_origin(s, group, lane, number, &origin);
        q = store_statement(s, SQL_TOLD_GET, &r);
        if (!q)
                return r;
        (void)sqlite3_bind_int64(q, 1, (int64_t)group);
        (void)sqlite3_bind_blob(q, 2, origin.bytes, sizeof origin.bytes, SQLITE_STATIC);
        r = store_step(s, q);
        if (r <= 0)
                return r < 0 ? r : -ENOENT;
        row = store_message_row(q);
        r = store_decode_message(s, &row, &m);
        if (r < 0)
                return r == -EBADMSG ? -ENOENT : r;
        return fn(&m, userdata);
}
