/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages of the ledger as bytes */
#include "core/ledger/gossip.h"
#include "base/cursor.h"

#define WANTED_SIZE (4 + HASH_SIZE)

static bool read_tip(struct reader *r, struct gossip *m)
{
        const uint8_t *header;

        m->network = reader_bytes(r, HASH_SIZE);
        if (!m->network || r->left == 0)
                return m->network;
        m->has_header = true;
        header = reader_bytes(r, BLOCK_HEADER_SIZE);
        return header && block_header_decode(header, &m->header);
}

static bool read_items(struct reader *r, size_t n, size_t n_max, size_t size, struct gossip *m)
{
        m->n = n;
        m->items = n <= n_max ? reader_bytes(r, n * size) : NULL;
        return m->items;
}

static bool read_blobs(struct reader *r, struct gossip *m)
{
        size_t size;

        m->n = reader_u8(r);
        if (m->n == 0 || m->n > GOSSIP_RECORDS_MAX)
                return false;
        m->items = r->data;
        for (size_t i = 0; i < m->n; i++)
                if (!reader_blob(r, &size) || size > CERTIFICATE_SIZE_MAX)
                        return false;
        m->size = (size_t)(r->data - m->items);
        return true;
}

static bool read_rest(struct reader *r, struct gossip *m)
{
        m->size = r->left;
        m->data = reader_bytes(r, r->left);
        return m->size > 0;
}

static bool read_body(struct reader *r, struct gossip *m)
{
        switch (m->kind) {
        case GOSSIP_TIP:
                return read_tip(r, m);
        case GOSSIP_RECORDS:
                return read_blobs(r, m);
        case GOSSIP_GET_HEADERS:
                return read_items(r, reader_u8(r), GOSSIP_LOCATOR_MAX, WANTED_SIZE, m);
        case GOSSIP_HEADERS:
                return read_items(r, reader_u16(r), GOSSIP_HEADERS_MAX, BLOCK_HEADER_SIZE, m);
        case GOSSIP_GET_BLOCK:
        case GOSSIP_MISSING:
                return read_items(r, 1, 1, WANTED_SIZE, m);
        case GOSSIP_GET_GENESIS:
                return true;
        case GOSSIP_BLOCK:
        case GOSSIP_GENESIS:
                return read_rest(r, m);
        }
        return false;
}

int gossip_decode(const void *data, size_t size, struct gossip *ret)
{
        struct reader r = reader_make(data, size);
        uint8_t kind = reader_u8(&r);

        if (size == 0 || size > LEDGER_MESSAGE_SIZE_MAX)
                return GOSSIP_MALFORMED;
        if (kind < GOSSIP_TIP || kind > GOSSIP_GENESIS)
                return GOSSIP_UNKNOWN;
        *ret = (struct gossip){ .kind = kind };
        return read_body(&r, ret) && reader_is_done(&r) ? 0 : GOSSIP_MALFORMED;
}

bool gossip_header(const struct gossip *m, size_t i, struct block_header *ret)
{
        return block_header_decode(m->items + i * BLOCK_HEADER_SIZE, ret);
}

void gossip_wanted(const struct gossip *m, size_t i, struct wanted *ret)
{
        struct reader r = reader_make(m->items + i * WANTED_SIZE, WANTED_SIZE);

        ret->height = reader_u32(&r);
        memcpy(ret->hash, reader_bytes(&r, HASH_SIZE), HASH_SIZE);
}

size_t gossip_tip(const uint8_t network[static HASH_SIZE], const struct block_header *header,
        uint8_t ret[static LEDGER_MESSAGE_SIZE_MAX])
{
        ret[0] = GOSSIP_TIP;
        memcpy(ret + 1, network, HASH_SIZE);
        if (!header)
                return 1 + HASH_SIZE;
        block_header_encode(header, ret + 1 + HASH_SIZE);
        return 1 + HASH_SIZE + BLOCK_HEADER_SIZE;
}

static void write_wanted(struct writer *w, const struct wanted *wanted)
{
        writer_u32(w, wanted->height);
        writer_bytes(w, wanted->hash, HASH_SIZE);
}

size_t gossip_one(enum gossip_kind kind, const struct wanted *wanted,
        uint8_t ret[static LEDGER_MESSAGE_SIZE_MAX])
{
        struct writer w = writer_make(ret, LEDGER_MESSAGE_SIZE_MAX);

        writer_u8(&w, (uint8_t)kind);
        write_wanted(&w, wanted);
        return w.size;
}

size_t gossip_get_headers(
        const struct wanted *have, size_t n, uint8_t ret[static LEDGER_MESSAGE_SIZE_MAX])
{
        struct writer w = writer_make(ret, LEDGER_MESSAGE_SIZE_MAX);

        writer_u8(&w, GOSSIP_GET_HEADERS);
        writer_u8(&w, (uint8_t)n);
        for (size_t i = 0; i < n; i++)
                write_wanted(&w, &have[i]);
        assert(!w.failed);
        return w.size;
}
