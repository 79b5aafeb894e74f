/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages of the ring as bytes */
#include "core/chord/rpc.h"
#include "base/cursor.h"

enum {
        FLAG_MEMBER = 1 << 0,
        FLAG_PREDECESSOR = 1 << 1,
        FLAG_WHOLE = 1 << 2,
};

static void write_id(struct writer *w, const struct ring_id *id)
{
        writer_bytes(w, id->bytes, sizeof id->bytes);
}

static void read_id(struct reader *r, struct ring_id *ret)
{
        const uint8_t *bytes = reader_bytes(r, sizeof ret->bytes);

        if (bytes)
                memcpy(ret->bytes, bytes, sizeof ret->bytes);
}

static void write_peer(struct writer *w, const struct chord_peer *p)
{
        write_id(w, &p->id);
        endpoint_write(w, &p->endpoint);
}

static bool read_peer(struct reader *r, struct chord_peer *ret)
{
        memset(ret, 0, sizeof *ret);
        read_id(r, &ret->id);
        return endpoint_read(r, &ret->endpoint);
}

static void write_peers(struct writer *w, const struct rpc_peers *peers)
{
        writer_u8(w, (uint8_t)peers->n);
        for (size_t i = 0; i < peers->n; i++)
                write_peer(w, &peers->peers[i]);
}

static bool read_peers(struct reader *r, const struct endpoint *source, struct rpc_peers *ret)
{
        size_t n = reader_u8(r);
        struct chord_peer p;

        if (n > ELEMENTSOF(ret->peers))
                return false;
        for (size_t i = 0; i < n; i++) {
                if (!read_peer(r, &p))
                        return false;
                if (ring_endpoint_is_plausible(&p.endpoint, source))
                        ret->peers[ret->n++] = p;
        }
        return true;
}

size_t rpc_encode(const struct rpc *m, uint8_t ret[static CHORD_MESSAGE_SIZE_MAX])
{
        struct writer w = writer_make(ret, CHORD_MESSAGE_SIZE_MAX);
        uint8_t flags = (m->is_member ? FLAG_MEMBER : 0) |
                        (m->has_predecessor ? FLAG_PREDECESSOR : 0) |
                        (m->is_whole ? FLAG_WHOLE : 0);

        writer_u8(&w, (uint8_t)m->kind);
        writer_u32(&w, m->number);
        switch (m->kind) {
        case RPC_FIND_SUCCESSOR:
        case RPC_FETCH:
                write_id(&w, &m->target);
                break;
        case RPC_FOUND:
                writer_u8(&w, flags);
                write_peers(&w, &m->closer);
                write_peers(&w, &m->successors);
                break;
        case RPC_STATE:
                writer_u8(&w, flags);
                if (m->has_predecessor)
                        write_peer(&w, &m->peer);
                write_peers(&w, &m->successors);
                break;
        case RPC_PONG:
                writer_u8(&w, flags);
                break;
        case RPC_JOIN:
                writer_u8(&w, flags);
                endpoint_write(&w, &m->peer.endpoint);
                write_peers(&w, &m->successors);
                break;
        case RPC_NOTIFY:
                endpoint_write(&w, &m->peer.endpoint);
                break;
        case RPC_INTRODUCE:
                write_peer(&w, &m->peer);
                break;
        case RPC_STABILIZE:
        case RPC_PING_PREDECESSOR:
        case RPC_LEAVE:
                break;
        case RPC_STORE:
                write_id(&w, &m->target);
                writer_u32(&w, m->ttl_sec);
                writer_blob(&w, m->records[0].data, m->records[0].size);
                break;
        case RPC_STORED:
                writer_u8(&w, (uint8_t)m->stored);
                break;
        case RPC_RECORDS:
                writer_u8(&w, (uint8_t)m->n_records);
                for (size_t i = 0; i < m->n_records; i++)
                        writer_blob(&w, m->records[i].data, m->records[i].size);
                break;
        case RPC_WITHDRAW:
                writer_blob(&w, m->records[0].data, m->records[0].size);
                break;
        }
        assert(!w.failed);
        return w.size;
}

static bool read_records(struct reader *r, size_t n, struct rpc *m)
{
        if (n > ELEMENTSOF(m->records))
                return false;
        for (size_t i = 0; i < n; i++) {
                m->records[i].data = reader_blob(r, &m->records[i].size);
                if (m->records[i].size > CHORD_RECORD_SIZE_MAX)
                        return false;
        }
        m->n_records = n;
        return true;
}

static bool read_flags(struct reader *r, struct rpc *m)
{
        uint8_t flags = reader_u8(r);

        m->is_member = flags & FLAG_MEMBER;
        m->has_predecessor = flags & FLAG_PREDECESSOR;
        m->is_whole = flags & FLAG_WHOLE;
        return true;
}

static bool read_state(struct reader *r, const struct endpoint *source, struct rpc *m)
{
        read_flags(r, m);
        if (m->has_predecessor) {
                if (!read_peer(r, &m->peer))
                        return false;
                m->has_predecessor = ring_endpoint_is_plausible(&m->peer.endpoint, source);
        }
        return read_peers(r, source, &m->successors);
}

/* What somebody says of its own address counts no more than what others say of theirs. */
static bool read_speaker(struct reader *r, const struct endpoint *source, struct rpc *m)
{
        return endpoint_read(r, &m->peer.endpoint) &&
               ring_endpoint_is_plausible(&m->peer.endpoint, source);
}

static enum stored read_stored(struct reader *r)
{
        uint8_t v = reader_u8(r);

        return v <= STORED_REFUSED ? (enum stored)v : STORED_REFUSED;
}

/* The body of a known kind. */
static bool read_body(struct reader *r, const struct endpoint *source, struct rpc *m)
{
        switch (m->kind) {
        case RPC_FIND_SUCCESSOR:
        case RPC_FETCH:
                read_id(r, &m->target);
                return true;
        case RPC_FOUND:
                return read_flags(r, m) && read_peers(r, source, &m->closer) &&
                       read_peers(r, source, &m->successors);
        case RPC_STATE:
                return read_state(r, source, m);
        case RPC_PONG:
                return read_flags(r, m);
        case RPC_JOIN:
                return read_flags(r, m) && read_speaker(r, source, m) &&
                       read_peers(r, source, &m->successors);
        case RPC_NOTIFY:
                return read_speaker(r, source, m);
        case RPC_INTRODUCE:
                return read_peer(r, &m->peer) &&
                       ring_endpoint_is_plausible(&m->peer.endpoint, source);
        case RPC_STABILIZE:
        case RPC_PING_PREDECESSOR:
        case RPC_LEAVE:
                return true;
        case RPC_STORE:
                read_id(r, &m->target);
                m->ttl_sec = reader_u32(r);
                return read_records(r, 1, m);
        case RPC_STORED:
                m->stored = read_stored(r);
                return true;
        case RPC_RECORDS:
                return read_records(r, reader_u8(r), m);
        case RPC_WITHDRAW:
                return read_records(r, 1, m);
        }
        return false;
}

int rpc_decode(const void *data, size_t size, const struct endpoint *source, struct rpc *ret)
{
        struct reader r = reader_make(data, size);
        uint8_t kind = reader_u8(&r);

        if (size == 0 || size > CHORD_MESSAGE_SIZE_MAX)
                return RPC_MALFORMED;
        if (kind < RPC_FIND_SUCCESSOR || kind > RPC_WITHDRAW)
                return RPC_UNKNOWN;
        memset(ret, 0, sizeof *ret);
        ret->kind = kind;
        ret->number = reader_u32(&r);
        if (!read_body(&r, source, ret) || !reader_is_done(&r))
                return RPC_MALFORMED;
        return 0;
}
