/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames as bytes */
#include "core/session/message.h"
#include "base/cursor.h"

static size_t reached_size(const struct endpoint *e)
{
        switch (e->family) {
        case ENDPOINT_IPV4:
                return 1 + 4 + 2;
        case ENDPOINT_IPV6:
                return 1 + 16 + 2;
        default:
                return 1;
        }
}

size_t message_size(const struct message *m)
{
        switch (m->type) {
        case FRAME_HELLO:
        case FRAME_RESUME:
                return 1 + 8 + 8;
        case FRAME_ACKNOWLEDGE:
                return 1 + 8;
        case FRAME_REFUSED:
                return 1 + 8 + 1;
        case FRAME_GOODBYE:
                return 1 + 1;
        case FRAME_RING:
                return 1 + m->ring.size;
        case FRAME_LEDGER:
                return 1 + m->ledger.size;
        case FRAME_GROUP:
        case FRAME_GROUP_MESSAGE:
                return 1 + m->group.size;
        case FRAME_FILE:
                return 1 + m->file.size;
        case FRAME_NAME:
                return 1 + m->name.size;
        case FRAME_DIAL_BACK:
                return 1 + 2;
        case FRAME_REACHED:
                return 1 + reached_size(&m->reached.endpoint);
        case FRAME_MESSAGE:
                return MESSAGE_TEXT_HEAD + m->text.size;
        }
        abort();
}

void message_encode(const struct message *m, uint8_t *ret)
{
        struct writer w = writer_make(ret, message_size(m));

        writer_u8(&w, m->type);
        switch (m->type) {
        case FRAME_HELLO:
                writer_u64(&w, m->hello.stream);
                writer_u64(&w, m->hello.oldest);
                break;
        case FRAME_RESUME:
                writer_u64(&w, m->resume.stream);
                writer_u64(&w, m->resume.mark);
                break;
        case FRAME_ACKNOWLEDGE:
                writer_u64(&w, m->acknowledge.number);
                break;
        case FRAME_REFUSED:
                writer_u64(&w, m->refused.number);
                writer_u8(&w, m->refused.reason);
                break;
        case FRAME_GOODBYE:
                writer_u8(&w, m->goodbye.reason);
                break;
        case FRAME_RING:
                writer_bytes(&w, m->ring.data, m->ring.size);
                break;
        case FRAME_LEDGER:
                writer_bytes(&w, m->ledger.data, m->ledger.size);
                break;
        case FRAME_GROUP:
        case FRAME_GROUP_MESSAGE:
                writer_bytes(&w, m->group.data, m->group.size);
                break;
        case FRAME_FILE:
                writer_bytes(&w, m->file.data, m->file.size);
                break;
        case FRAME_NAME:
                writer_bytes(&w, m->name.name, m->name.size);
                break;
        case FRAME_DIAL_BACK:
                writer_u16(&w, m->dial_back.port);
                break;
        case FRAME_REACHED:
                if (m->reached.endpoint.family == ENDPOINT_NONE)
                        writer_u8(&w, ENDPOINT_NONE);
                else
                        endpoint_write(&w, &m->reached.endpoint);
                break;
        case FRAME_MESSAGE:
                writer_u64(&w, m->text.number);
                writer_bytes(&w, m->text.id.bytes, sizeof m->text.id.bytes);
                writer_u64(&w, m->text.time_usec);
                writer_bytes(&w, m->text.text, m->text.size);
                break;
        }
        assert(!w.failed && w.left == 0);
}

static enum refused read_refusal(struct reader *r)
{
        uint8_t v = reader_u8(r);

        return v <= REFUSED_KNOWN_ID ? v : REFUSED_OTHER;
}

static enum goodbye read_goodbye(struct reader *r)
{
        uint8_t v = reader_u8(r);

        return v <= GOODBYE_ENDED ? v : GOODBYE_OTHER;
}

static bool read_reached(struct reader *r, struct endpoint *ret)
{
        if (r->left == 1)
                return reader_u8(r) == ENDPOINT_NONE;
        return endpoint_read(r, ret) && ret->port > 0;
}

static void read_text(struct reader *r, struct message *m)
{
        const uint8_t *id;

        m->text.number = reader_u64(r);
        id = reader_bytes(r, sizeof m->text.id.bytes);
        if (id)
                memcpy(m->text.id.bytes, id, sizeof m->text.id.bytes);
        m->text.time_usec = reader_u64(r);
        m->text.size = r->left;
        m->text.text = (const char *)reader_bytes(r, r->left);
}

int message_decode(const uint8_t *frame, size_t size, struct message *ret)
{
        struct reader r = reader_make(frame, size);
        uint8_t type = reader_u8(&r);
        struct message m = { .type = type };
        bool ok = true;

        switch (type) {
        case FRAME_HELLO:
                m.hello.stream = reader_u64(&r);
                m.hello.oldest = reader_u64(&r);
                ok = m.hello.oldest > 0;
                break;
        case FRAME_RESUME:
                m.resume.stream = reader_u64(&r);
                m.resume.mark = reader_u64(&r);
                break;
        case FRAME_ACKNOWLEDGE:
                m.acknowledge.number = reader_u64(&r);
                ok = m.acknowledge.number > 0;
                break;
        case FRAME_REFUSED:
                m.refused.number = reader_u64(&r);
                m.refused.reason = read_refusal(&r);
                ok = m.refused.number > 0;
                break;
        case FRAME_GOODBYE:
                m.goodbye.reason = read_goodbye(&r);
                break;
        case FRAME_RING:
                m.ring.size = r.left;
                m.ring.data = reader_bytes(&r, r.left);
                ok = m.ring.size > 0 && m.ring.size <= RING_FRAME_MAX;
                break;
        case FRAME_LEDGER:
                m.ledger.size = r.left;
                m.ledger.data = reader_bytes(&r, r.left);
                ok = m.ledger.size > 0 && m.ledger.size <= LEDGER_FRAME_MAX;
                break;
        case FRAME_GROUP:
        case FRAME_GROUP_MESSAGE:
                m.group.size = r.left;
                m.group.data = reader_bytes(&r, r.left);
                ok = m.group.size > 0 && m.group.size <= GROUP_FRAME_MAX;
                break;
        case FRAME_FILE:
                m.file.size = r.left;
                m.file.data = reader_bytes(&r, r.left);
                ok = m.file.size > 0 && m.file.size <= FILE_FRAME_MAX;
                break;
        case FRAME_NAME:
                m.name.size = r.left;
                m.name.name = (const char *)reader_bytes(&r, r.left);
                ok = m.name.size > 0 && m.name.size <= NAME_FRAME_MAX;
                break;
        case FRAME_DIAL_BACK:
                m.dial_back.port = reader_u16(&r);
                ok = m.dial_back.port > 0;
                break;
        case FRAME_REACHED:
                ok = read_reached(&r, &m.reached.endpoint);
                break;
        case FRAME_MESSAGE:
                read_text(&r, &m);
                ok = m.text.number > 0;
                break;
        default:
                return size > 0 ? MESSAGE_UNKNOWN : MESSAGE_MALFORMED;
        }
        if (!ok || !reader_is_done(&r))
                return MESSAGE_MALFORMED;
        *ret = m;
        return 0;
}
