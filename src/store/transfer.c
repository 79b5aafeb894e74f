/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is remembered of files that come and go
 *
 * A row is sealed for its id, and nothing of it is in the open: neither names of files nor with
 * whom they are shared. One that does not open is damage, as with peers: a node that went on
 * without it would begin anew what the other side has had.
 */
#include "store/store-internal.h"

#define TRANSFER_VERSION 1
#define RECORD_SIZE_MAX                                                                            \
        (1 + PUBLIC_KEY_SIZE + 4 + 8 + 8 + 8 + HASH_SIZE + 8 + 2 + TRANSFER_NAME_MAX +             \
                TRANSFER_ID_SIZE + 1 + GROUP_ID_SIZE + 4 + 4 + 4 + 1)

/* Its two halves stand for conversation and row. */
static struct place place_of(const struct transfer_id *id)
{
        struct reader r = reader_make(id->bytes, sizeof id->bytes);
        struct place place = { .column = "transfer.sealed" };

        place.conversation = reader_u64(&r);
        place.row = reader_u64(&r);
        return place;
}

static void encode(struct writer *w, const struct file_record *file)
{
        const struct transfer_record *t = &file->transfer;

        writer_u8(w, TRANSFER_VERSION);
        writer_bytes(w, t->peer.bytes, sizeof t->peer.bytes);
        writer_u8(w, t->is_outgoing);
        writer_u8(w, (uint8_t)t->state);
        writer_u8(w, (uint8_t)t->reason);
        writer_u8(w, t->is_told);
        writer_u64(w, t->user);
        writer_u64(w, t->size);
        writer_u64(w, t->done);
        writer_bytes(w, t->hash, sizeof t->hash);
        writer_u64(w, t->until_usec);
        writer_blob(w, t->name, strlen(t->name));
        writer_bytes(w, file->spool_id.bytes, sizeof file->spool_id.bytes);
        writer_u8(w, file->is_to_group);
        writer_bytes(w, file->group.bytes, sizeof file->group.bytes);
        writer_u32(w, file->n_members);
        writer_u32(w, file->n_done);
        writer_u32(w, file->n_missed);
        writer_u8(w, (uint8_t)file->group_reason);
}

static void read_bytes(struct reader *r, uint8_t *ret, size_t size)
{
        const uint8_t *bytes = reader_bytes(r, size);

        if (bytes)
                memcpy(ret, bytes, size);
}

static void decode(struct reader *r, struct file_record *file, char name[TRANSFER_NAME_MAX + 1])
{
        struct transfer_record *t = &file->transfer;

        read_bytes(r, t->peer.bytes, sizeof t->peer.bytes);
        t->is_outgoing = reader_u8(r) != 0;
        t->state = reader_u8(r);
        t->reason = reader_u8(r);
        t->is_told = reader_u8(r) != 0;
        t->user = reader_u64(r);
        t->size = reader_u64(r);
        t->done = reader_u64(r);
        read_bytes(r, t->hash, sizeof t->hash);
        t->until_usec = reader_u64(r);
        store_read_string(r, name, TRANSFER_NAME_MAX);
        t->name = name;
        read_bytes(r, file->spool_id.bytes, sizeof file->spool_id.bytes);
        file->is_to_group = reader_u8(r) != 0;
        read_bytes(r, file->group.bytes, sizeof file->group.bytes);
        file->n_members = reader_u32(r);
        file->n_done = reader_u32(r);
        file->n_missed = reader_u32(r);
        file->group_reason = reader_u8(r);
}

static void bind_id(sqlite3_stmt *q, const struct transfer_id *id)
{
        (void)sqlite3_bind_blob(q, 1, id->bytes, sizeof id->bytes, SQLITE_STATIC);
}

int store_apply_transfer(struct store *s, const struct file_record *file)
{
        const struct place place = place_of(&file->transfer.id);
        uint8_t data[RECORD_SIZE_MAX];
        struct writer w = writer_make(data, sizeof data);
        sqlite3_stmt *q;
        int r;

        encode(&w, file);
        assert(!w.failed);
        r = store_seal(s, s->keys->records, &place, data, w.size);
        if (r < 0)
                return r;
        q = store_statement(s, SQL_TRANSFER_SET, &r);
        if (!q)
                return r;
        bind_id(q, &file->transfer.id);
        store_bind_sealed(s, q, 2);
        return store_run(s, q);
}

int store_apply_transfer_gone(struct store *s, const struct transfer_id *id)
{
        sqlite3_stmt *q;
        int r = 0;

        q = store_statement(s, SQL_TRANSFER_DELETE, &r);
        if (!q)
                return r;
        bind_id(q, id);
        return store_run(s, q);
}

int store_decode_transfer(struct store *s, const void *sealed, size_t size,
        struct file_record *file, char name[static TRANSFER_NAME_MAX + 1])
{
        const struct place place = place_of(&file->transfer.id);
        struct reader in;
        int r;

        r = store_unseal(s, s->keys->records, &place, sealed, size);
        if (r < 0)
                return r;
        in = reader_make(s->plain.data, s->plain.size);
        if (reader_u8(&in) != TRANSFER_VERSION)
                return -EBADMSG;
        decode(&in, file, name);
        return reader_is_done(&in) && file->transfer.reason < TRANSFER_REASONS &&
                               file->group_reason < TRANSFER_REASONS
                       ? 0
                       : -EBADMSG;
}

int store_load_transfers(struct store *s, store_transfer_fn fn, void *userdata)
{
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        int r = 0;

        q = store_statement(s, SQL_TRANSFER_LIST, &r);
        if (!q)
                return store_needed(s, r);
        while ((r = store_step(s, q)) > 0) {
                struct file_record file = {};
                char name[TRANSFER_NAME_MAX + 1];

                if (sqlite3_column_bytes(q, 0) != TRANSFER_ID_SIZE)
                        return store_needed(s, -EUCLEAN);
                memcpy(file.transfer.id.bytes, sqlite3_column_blob(q, 0), TRANSFER_ID_SIZE);
                r = store_decode_transfer(s, sqlite3_column_blob(q, 1),
                        (size_t)sqlite3_column_bytes(q, 1), &file, name);
                if (r < 0)
                        return store_needed(s, r);
                r = fn(&file, userdata);
                if (r < 0)
                        return r;
        }
        return store_needed(s, r);
}
