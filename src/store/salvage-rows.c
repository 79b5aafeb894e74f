/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rows of a damaged database that can be proved
 *
 * Rows come from the pages themselves (pages.c), whatever became of the trees, and are copied as
 * they are sealed, once their seal has proved them: only what is whole gets through. First
 * settings, peers with their keys and their streams, groups, and blocks of chains, then the
 * messages that wait, then what the queue tells of them. In the end whatever refers to something
 * that was lost goes, too.
 */
#include "store/store-internal.h"

#define LISTS_SIZE_MAX (64 * 1024 * 1024)
#define STRING_(x) #x
#define STRING(x) STRING_(x)

struct span {
        uint64_t peer;
        uint64_t oldest, given; /* of the stream to it */
        uint64_t last;          /* number that was seen in the queue */
};

struct succession {
        uint64_t peer, successor;
};

struct rows {
        struct store *to;
        usec_t real_usec;
        uint64_t sequence_max;
        uint64_t n_lost;
        uint64_t n_opened; /* seals that our keys open */
        uint64_t n_closed; /* and those they do not */

        struct buffer spans;       /* struct span, by peer */
        struct buffer successions; /* struct succession, by peer */
        struct buffer wrong;       /* struct ulid: of queued messages whose number cannot be */
};

static bool is_null(const struct page_value *v)
{
        return !v->is_number && !v->is_blob;
}

static bool are_numbers(const struct page_row *row, size_t from, size_t to)
{
        for (size_t i = from; i <= to; i++)
                if (!row->columns[i].is_number)
                        return false;
        return true;
}

static void bind_value(sqlite3_stmt *q, int column, const struct page_value *v)
{
        if (v->is_number)
                (void)sqlite3_bind_int64(q, column, v->number);
        else if (v->is_blob)
                (void)sqlite3_bind_blob(q, column, v->data, (int)v->size, SQLITE_STATIC);
}

/* @sql with the row's number as ?1 and its further columns behind that. */
static int insert(struct rows *v, const char *sql, const struct page_row *row)
{
        sqlite3_stmt *q = NULL;
        int r;

        r = sqlite3_prepare_v2(v->to->db, sql, -1, &q, NULL);
        if (r != SQLITE_OK)
                return store_errno(v->to, r);
        (void)sqlite3_bind_int64(q, 1, row->number);
        for (size_t i = 1; i < row->n_columns; i++)
                bind_value(q, (int)i + 1, &row->columns[i]);
        r = store_errno(v->to, sqlite3_step(q));
        (void)sqlite3_finalize(q);
        return r;
}

/* Counts what a seal said. 1 when it opened, 0 when not, or -ENOMEM. */
static int judge(struct rows *v, int r)
{
        if (r == -ENOMEM)
                return r;
        if (r == 0)
                v->n_opened++;
        else {
                v->n_closed++;
                v->n_lost++;
        }
        return r == 0;
}

/* number (in the row's own), heard, key, record */
static int copy_peer(struct rows *v, const struct page_row *row)
{
        const uint64_t number = (uint64_t)row->number;
        const struct place place = { "peer.key", number, number };
        struct page_row proved = *row;
        struct page_value *key = &proved.columns[2], *record = &proved.columns[3];
        struct peer_record peer;
        int r;

        if (record->is_blob) {
                r = judge(v, store_decode_peer(v->to, number, record->data, record->size, &peer));
                if (r < 0)
                        return r;
                if (r == 0)
                        *record = (struct page_value){};
        }
        if (key->is_blob) {
                r = judge(v, store_unseal(v->to, v->to->keys->wrap, &place, key->data, key->size));
                if (r < 0)
                        return r;
                if (r == 0)
                        *key = (struct page_value){};
        }
        if (is_null(key) && is_null(record))
                return 0;
        return insert(v,
                "INSERT OR IGNORE INTO peer (number, heard, key, record) VALUES (?1, ?2, ?3, ?4)",
                &proved);
}

/* name, value */
static int copy_setting(struct rows *v, const struct page_row *row)
{
        static const struct {
                const char *name, *column;
        } kept[] = {
                { "username", "setting.username" },
                { "ring", "setting.ring" },
                { "ledger", "setting.ledger" },
        };
        const struct page_value *name = &row->columns[0], *value = &row->columns[1];

        for (size_t i = 0; i < ELEMENTSOF(kept); i++) {
                const struct place place = { kept[i].column, 0, 0 };
                int r;

                if (name->size != strlen(kept[i].name) ||
                        memcmp(name->data, kept[i].name, name->size) != 0)
                        continue;
                r = judge(v, store_unseal(v->to, v->to->keys->records, &place, value->data,
                                     value->size));
                if (r <= 0)
                        return r;
                return store_set_setting(v->to, kept[i].name, v->to->plain.data, v->to->plain.size);
        }
        return 0;
}

/* number, sequence, logged */
static void copy_mark(struct rows *v, const struct page_row *row)
{
        int64_t sequence = row->columns[1].number, logged = row->columns[2].number;

        if (row->number != 1 || sequence < 0 || logged < 0)
                return;
        v->sequence_max = MAX(v->sequence_max, (uint64_t)sequence);
        v->to->logged = (uint64_t)logged;
}

/* peer (in the row's own), sealed */
static int copy_stream(struct rows *v, const struct page_row *row)
{
        const struct page_value *sealed = &row->columns[1];
        struct stream_record stream = { .peer = (uint64_t)row->number };
        int r = judge(v, store_decode_stream(v->to, sealed->data, sealed->size, &stream));

        if (r <= 0)
                return r;
        return insert(v, "INSERT OR IGNORE INTO stream (peer, sealed) VALUES (?1, ?2)", row);
}

/* number (in the row's own), sealed, peer, stream */
static int copy_stream_mark(struct rows *v, const struct page_row *row)
{
        const struct page_value *sealed = &row->columns[1];
        struct mark_record mark = {
                .peer = (uint64_t)row->columns[2].number,
                .stream = (uint64_t)row->columns[3].number,
        };
        int r = judge(v, store_decode_mark(v->to, sealed->data, sealed->size, &mark));

        if (r <= 0)
                return r;
        return insert(v,
                "INSERT OR IGNORE INTO stream_mark (number, sealed, peer, stream)"
                " VALUES (?1, ?2, ?3, ?4)",
                row);
}

/* place (in the row's own), sealed, peer, stream, number */
static int copy_refused(struct rows *v, const struct page_row *row)
{
        const struct page_value *sealed = &row->columns[1];
        struct refused_record refused = {
                .peer = (uint64_t)row->columns[2].number,
                .stream = (uint64_t)row->columns[3].number,
                .number = (uint64_t)row->columns[4].number,
        };
        int r = judge(v, store_decode_refused(v->to, sealed->data, sealed->size, &refused));

        if (r <= 0)
                return r;
        return insert(v,
                "INSERT OR IGNORE INTO refused (place, sealed, peer, stream, number)"
                " VALUES (?1, ?2, ?3, ?4, ?5)",
                row);
}

/* number (in the row's own), peer, hash, time. Nothing proves it, and a wrong one does no harm. */
static int copy_erased(struct rows *v, const struct page_row *row)
{
        return insert(v,
                "INSERT OR IGNORE INTO erased (number, peer, hash, time) VALUES (?1, ?2, ?3, ?4)",
                row);
}

/* place (in the row's own), network, height, sealed. With a place of its own: a page that was left
 * behind may have the same one for a block that is gone. */
static int copy_block(struct rows *v, const struct page_row *row)
{
        const struct page_value *sealed = &row->columns[3];
        struct block_record block = { .height = (uint32_t)row->columns[2].number };
        int r;

        memcpy(block.network, row->columns[1].data, HASH_SIZE);
        r = judge(v, store_decode_block(v->to, sealed->data, sealed->size, &block));
        if (r <= 0)
                return r;
        return insert(v,
                "INSERT OR IGNORE INTO block (network, height, sealed) VALUES (?2, ?3, ?4)", row);
}

/* number (in the row's own), muted, sealed */
static int copy_team(struct rows *v, const struct page_row *row)
{
        const struct page_value *sealed = &row->columns[2];
        struct group_record group = { .number = (uint64_t)row->number };
        int r = judge(v, store_decode_group(v->to, sealed->data, sealed->size, &group));

        if (r <= 0)
                return r;
        return insert(
                v, "INSERT OR IGNORE INTO team (number, muted, sealed) VALUES (?1, ?2, ?3)", row);
}

/* place (in the row's own), hash, team, sealed */
static int copy_leave(struct rows *v, const struct page_row *row)
{
        const struct page_value *sealed = &row->columns[3];
        struct leave_record leave = { .group = (uint64_t)row->columns[2].number };
        int r = judge(v, store_decode_leave(
                                 v->to, row->columns[1].data, sealed->data, sealed->size, &leave));

        if (r <= 0)
                return r;
        return insert(v,
                "INSERT OR IGNORE INTO team_leave (hash, team, sealed) VALUES (?2, ?3, ?4)", row);
}

/* place (in the row's own), hash, team, version, sealed. Of a lane that went on, pages that were
 * left behind have older rows: the highest number counts. */
static int copy_lane(struct rows *v, const struct page_row *row)
{
        const struct page_value *sealed = &row->columns[4];
        struct lane_record lane = { .group = (uint64_t)row->columns[2].number };
        int r = judge(v,
                store_decode_lane(v->to, row->columns[1].data, sealed->data, sealed->size, &lane));

        return r <= 0 ? r : store_apply_lane(v->to, &lane);
}

static bool is_hash(const struct page_value *v)
{
        return v->is_blob && v->size == GROUP_HASH_SIZE;
}

/* Rows of groups. 1, 0 for none of them, or negative. */
static int on_team_row(struct rows *v, const struct page_row *row)
{
        const struct page_value *c = row->columns;
        int r = 0;

        if (row->n_columns == 3 && c[1].is_number && c[2].is_blob)
                r = copy_team(v, row);
        else if (row->n_columns == 4 && is_hash(&c[1]) && c[2].is_number && c[3].is_blob)
                r = copy_leave(v, row);
        else if (row->n_columns == 5 && is_hash(&c[1]) && are_numbers(row, 2, 3) && c[4].is_blob)
                r = copy_lane(v, row);
        else
                return 0;
        return r < 0 ? r : 1;
}

static bool is_block(const struct page_row *row)
{
        const struct page_value *c = row->columns;

        return row->n_columns == 4 && c[1].is_blob && c[1].size == HASH_SIZE && c[2].is_number &&
               c[2].number >= 0 && c[2].number <= UINT32_MAX && c[3].is_blob;
}

static int on_first_row(const struct page_row *row, void *userdata)
{
        struct rows *v = userdata;
        const struct page_value *c = row->columns;
        int r;

        if (row->is_index)
                return row->n_columns == 2 && c[0].is_blob && c[1].is_blob ? copy_setting(v, row)
                                                                           : 0;
        if (row->number <= 0 || row->n_columns < 2 || !is_null(&c[0]))
                return 0;
        r = on_team_row(v, row);
        if (r != 0)
                return MIN(r, 0);
        if (row->n_columns == 2 && c[1].is_blob)
                return copy_stream(v, row);
        if (row->n_columns == 3 && are_numbers(row, 1, 2))
                copy_mark(v, row);
        if (row->n_columns == 4 && c[1].is_number && !c[2].is_number && !c[3].is_number)
                return copy_peer(v, row);
        if (row->n_columns == 4 && c[1].is_number && c[2].size == ORIGIN_HASH_SIZE &&
                c[3].is_number)
                return copy_erased(v, row);
        if (row->n_columns == 4 && c[1].is_blob && are_numbers(row, 2, 3))
                return copy_stream_mark(v, row);
        if (row->n_columns == 5 && c[1].is_blob && are_numbers(row, 2, 4))
                return copy_refused(v, row);
        if (is_block(row))
                return copy_block(v, row);
        return 0;
}

/* History is not copied, but a native sender must not be able to double it. */
static int remember_origin(struct rows *v, const struct message_row *m, const struct page_row *row)
{
        const struct page_value *done = &row->columns[7], *origin = &row->columns[9];
        struct ulid id;

        if (row->n_columns < 10 || m->state == MESSAGE_QUEUED || !done->is_number ||
                m->direction & DIRECTION_IN_GROUP || origin->size != sizeof id.bytes ||
                usec_add((usec_t)done->number, ERASED_KEPT_USEC) <= v->real_usec)
                return 0;
        memcpy(id.bytes, origin->data, sizeof id.bytes);
        return store_remember_origin(v->to, m->peer, &id, (usec_t)done->number);
}

/* Of ours to a group, that some lack. */
static bool is_told(const struct message_row *m, const struct page_row *row)
{
        return m->direction == (DIRECTION_SENT | DIRECTION_IN_GROUP) && m->origin &&
               is_null(&row->columns[7]) && m->state == MESSAGE_SENT;
}

/* sequence, id, peer, direction, security, state, time, done, sealed; since version 2 origin */
static int on_message_row(const struct page_row *row, void *userdata)
{
        struct rows *v = userdata;
        const struct page_value *c = row->columns;
        struct message_row m;
        struct message_record record;
        struct ulid origin;
        int r;

        if (row->is_index || row->n_columns < 9 || row->n_columns > 10 || row->number <= 0 ||
                !is_null(&c[0]) || !c[1].is_blob || !are_numbers(row, 2, 6) || !c[8].is_blob)
                return 0;
        m = (struct message_row){
                .sequence = (uint64_t)row->number,
                .id = c[1].data,
                .id_size = c[1].size,
                .peer = (uint64_t)c[2].number,
                .direction = c[3].number,
                .security = c[4].number,
                .state = c[5].number,
                .time_usec = (usec_t)c[6].number,
                .sealed = c[8].data,
                .sealed_size = c[8].size,
        };
        if (m.direction & DIRECTION_IN_GROUP && row->n_columns == 10 && is_hash(&c[9])) {
                memcpy(origin.bytes, c[9].data, sizeof origin.bytes);
                m.origin = &origin;
        }
        /* History is only believed when it opens. */
        r = store_decode_message(v->to, &m, &record);
        if (r == 0) {
                v->sequence_max = MAX(v->sequence_max, m.sequence);
                r = remember_origin(v, &m, row);
        }
        if (m.state != MESSAGE_QUEUED && !is_told(&m, row))
                return r == -EBADMSG ? 0 : r;
        r = judge(v, r);
        if (r <= 0)
                return r;
        return store_copy_queued(v->to, &m, record.size);
}

/* sequence, size, size_sent, number; since version 2 the number in the stream */
static int on_queue_row(const struct page_row *row, void *userdata)
{
        struct rows *v = userdata;
        const struct page_value *c = row->columns;

        if (row->is_index || row->n_columns < 4 || row->n_columns > 5 || row->number <= 0 ||
                !is_null(&c[0]) || !are_numbers(row, 1, 2) || c[3].is_number || c[2].number < 0 ||
                (row->n_columns == 5 && (!c[4].is_number || c[4].number < 0)))
                return 0;
        /* The seal of the number is proved when it is loaded; here it must only not be in the way.
         */
        if (c[3].is_blob &&
                store_proves_number(v->to, (uint64_t)row->number, c[3].data, c[3].size) != 0) {
                v->n_lost++;
                return 0;
        }
        return insert(v,
                "UPDATE queue SET size_sent = ?3, number = ?4, stream_number = coalesce(?5, 0)"
                " WHERE sequence = ?1 AND size >= ?3",
                row);
}

/*
 * Numbers in streams: only those that can be
 *
 * A message that lost its number gets another one, and if it was taken under the old one already
 * its receiver will know it by its id. A wrong number could be taken for one that was delivered.
 */
static int note_span(const struct stream_record *stream, void *userdata)
{
        const struct span span = {
                .peer = stream->peer,
                .oldest = stream->oldest,
                .given = stream->given,
        };

        return buffer_append(&((struct rows *)userdata)->spans, &span, sizeof span);
}

static int note_succession(const struct peer_record *peer, void *userdata)
{
        const struct succession s = { .peer = peer->number, .successor = peer->successor };

        if (s.successor == 0)
                return 0;
        return buffer_append(&((struct rows *)userdata)->successions, &s, sizeof s);
}

/* Both kinds begin with it. */
static int compare_peers(const void *a, const void *b)
{
        uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

        return x < y ? -1 : x > y;
}

static struct span *find_span(const struct rows *v, uint64_t peer)
{
        const struct succession *s;

        if (v->successions.size > 0) {
                s = bsearch(&peer, v->successions.data, v->successions.size / sizeof *s, sizeof *s,
                        compare_peers);
                if (s)
                        peer = s->successor;
        }
        if (v->spans.size == 0)
                return NULL;
        return bsearch(&peer, v->spans.data, v->spans.size / sizeof(struct span),
                sizeof(struct span), compare_peers);
}

/* They come in the order of numbers. */
static int check_number(const struct queued_record *queued, void *userdata)
{
        struct rows *v = userdata;
        struct span *span;

        if (queued->stream_number == 0)
                return 0;
        span = find_span(v, queued->peer);
        if (!span || queued->stream_number < span->oldest || queued->stream_number > span->given ||
                queued->stream_number <= span->last)
                return buffer_append(&v->wrong, &queued->id, sizeof queued->id);
        span->last = queued->stream_number;
        return 0;
}

static int drop_wrong_numbers(struct rows *v)
{
        int r;

        r = store_load_peers(v->to, note_succession, v);
        if (r == 0)
                r = store_load_streams(v->to, note_span, v);
        if (r == 0)
                r = store_load_queued(v->to, check_number, v);
        for (size_t i = 0; r == 0 && i < v->wrong.size; i += sizeof(struct ulid))
                r = store_apply_number(v->to, (const struct ulid *)(v->wrong.data + i), 0);
        return r;
}

/* Numbers of peers are given again when the record of the last one was lost; and of pages that were
 * left behind there may be more than a node expects. */
static int drop_orphans(struct rows *v)
{
        int r;

        r = store_exec(v->to,
                "DELETE FROM stream WHERE peer NOT IN"
                " (SELECT number FROM peer WHERE record IS NOT NULL);"
                "DELETE FROM stream_mark WHERE peer NOT IN"
                " (SELECT number FROM peer WHERE record IS NOT NULL);"
                "DELETE FROM stream_mark WHERE (SELECT count(*) FROM stream_mark AS m"
                " WHERE m.peer = stream_mark.peer AND m.number > stream_mark.number)"
                " >= " STRING(
                        STREAM_MARKS_MAX) ";"
                                          "DELETE FROM refused WHERE NOT EXISTS (SELECT 1 FROM "
                                          "stream_mark AS m"
                                          " WHERE m.peer = refused.peer AND m.stream = "
                                          "refused.stream);"
                                          "DELETE FROM erased WHERE peer NOT IN"
                                          " (SELECT number FROM peer WHERE record IS NOT NULL);"
                                          "DELETE FROM team_leave WHERE team NOT IN"
                                          " (SELECT number FROM team);"
                                          "DELETE FROM team_lane WHERE team NOT IN"
                                          " (SELECT number FROM team);"
                                          "DELETE FROM message WHERE direction = 2 AND peer NOT IN"
                                          " (SELECT number FROM team);");
        return r < 0 ? r : store_trim_erased(v->to);
}

static int copy_all(struct rows *v, const char *from)
{
        int r;

        r = store_begin(v->to);
        if (r == 0)
                r = store_walk_pages(from, on_first_row, v);
        if (r == 0)
                r = store_walk_pages(from, on_message_row, v);
        if (r == 0)
                r = store_walk_pages(from, on_queue_row, v);
        if (r < 0)
                return r;
        if (v->n_opened == 0 && v->n_closed > 0)
                return STORE_WRONG_SECRET;
        r = drop_orphans(v);
        if (r == 0)
                r = drop_wrong_numbers(v);
        if (r < 0)
                return r;
        v->to->last_sequence = v->sequence_max;
        if (v->to->logged > v->sequence_max)
                v->to->logged = v->sequence_max;
        return store_commit(v->to);
}

int store_copy_rows(struct store *to, const char *from, usec_t real_usec, uint64_t *ret_n_lost)
{
        struct rows v = { .to = to, .real_usec = real_usec };
        int r;

        buffer_init(&v.spans, LISTS_SIZE_MAX);
        buffer_init(&v.successions, LISTS_SIZE_MAX);
        buffer_init(&v.wrong, LISTS_SIZE_MAX);
        r = copy_all(&v, from);
        buffer_done(&v.spans);
        buffer_done(&v.successions);
        buffer_done(&v.wrong);
        if (r == 0)
                *ret_n_lost = v.n_lost;
        return r;
}
