/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages of transfers as bytes */
#include "core/transfer/wire.h"
#include "base/cursor.h"

static bool read_offer(struct reader *r, struct transfer_wire *m)
{
        m->size = reader_u64(r);
        m->hash = reader_bytes(r, HASH_SIZE);
        m->name_size = reader_u8(r);
        m->name = (const char *)reader_bytes(r, m->name_size);
        return m->name && m->size <= TRANSFER_FILE_SIZE_MAX &&
               transfer_name_is_clean(m->name, m->name_size);
}

static bool read_want(struct reader *r, struct transfer_wire *m)
{
        m->have = reader_u64(r);
        m->end = reader_u64(r);
        return m->have <= m->end && m->end <= TRANSFER_FILE_SIZE_MAX &&
               m->end - m->have <= TRANSFER_WINDOW;
}

static bool read_chunk(struct reader *r, struct transfer_wire *m)
{
        m->offset = reader_u64(r);
        m->data_size = r->left;
        m->data = reader_bytes(r, r->left);
        /* At most TRANSFER_CHUNK_MAX, as the whole message is bounded. */
        return m->data_size > 0 && m->offset <= TRANSFER_FILE_SIZE_MAX - m->data_size;
}

static bool read_end(struct reader *r, struct transfer_wire *m)
{
        uint8_t reason = reader_u8(r);

        m->reason = reason;
        return reason < TRANSFER_REASONS;
}

static bool read_body(struct reader *r, struct transfer_wire *m)
{
        switch (m->kind) {
        case TRANSFER_WIRE_OFFER:
                return read_offer(r, m);
        case TRANSFER_WIRE_WANT:
                return read_want(r, m);
        case TRANSFER_WIRE_CHUNK:
                return read_chunk(r, m);
        case TRANSFER_WIRE_END:
                return read_end(r, m);
        case TRANSFER_WIRE_ENDED:
                return true;
        }
        return false;
}

static bool read_head(struct reader *r, struct transfer_wire *m)
{
        uint8_t kind = reader_u8(r);
        const uint8_t *id = reader_bytes(r, TRANSFER_ID_SIZE);

        if (!id || kind < TRANSFER_WIRE_OFFER || kind > TRANSFER_WIRE_ENDED)
                return false;
        *m = (struct transfer_wire){ .kind = kind };
        memcpy(m->id.bytes, id, TRANSFER_ID_SIZE);
        return true;
}

int transfer_wire_decode(const void *data, size_t size, struct transfer_wire *ret)
{
        struct reader r = reader_make(data, size);
        const uint8_t *kind = data;
        struct transfer_wire m;

        if (size == 0 || size > TRANSFER_MESSAGE_SIZE_MAX)
                return TRANSFER_WIRE_MALFORMED;
        if (*kind < TRANSFER_WIRE_OFFER || *kind > TRANSFER_WIRE_ENDED)
                return TRANSFER_WIRE_UNKNOWN;
        if (!read_head(&r, &m) || !read_body(&r, &m) || !reader_is_done(&r))
                return TRANSFER_WIRE_MALFORMED;
        *ret = m;
        return 0;
}

bool transfer_wire_peek(const void *data, size_t size, struct transfer_wire *ret)
{
        struct reader r = reader_make(data, size);

        return read_head(&r, ret);
}

size_t transfer_wire_size(const struct transfer_wire *m)
{
        size_t head = 1 + TRANSFER_ID_SIZE;

        switch (m->kind) {
        case TRANSFER_WIRE_OFFER:
                return head + 8 + HASH_SIZE + 1 + m->name_size;
        case TRANSFER_WIRE_WANT:
                return head + 8 + 8;
        case TRANSFER_WIRE_CHUNK:
                return head + 8 + m->data_size;
        case TRANSFER_WIRE_END:
                return head + 1;
        case TRANSFER_WIRE_ENDED:
                return head;
        }
        return 0;
}

void transfer_wire_encode(const struct transfer_wire *m, uint8_t *ret)
{
        struct writer w = writer_make(ret, transfer_wire_size(m));

        writer_u8(&w, (uint8_t)m->kind);
        writer_bytes(&w, m->id.bytes, TRANSFER_ID_SIZE);
        switch (m->kind) {
        case TRANSFER_WIRE_OFFER:
                writer_u64(&w, m->size);
                writer_bytes(&w, m->hash, HASH_SIZE);
                writer_u8(&w, (uint8_t)m->name_size);
                writer_bytes(&w, m->name, m->name_size);
                break;
        case TRANSFER_WIRE_WANT:
                writer_u64(&w, m->have);
                writer_u64(&w, m->end);
                break;
        case TRANSFER_WIRE_CHUNK:
                writer_u64(&w, m->offset);
                writer_bytes(&w, m->data, m->data_size);
                break;
        case TRANSFER_WIRE_END:
                writer_u8(&w, (uint8_t)m->reason);
                break;
        case TRANSFER_WIRE_ENDED:
                break;
        }
        assert(!w.failed);
}
