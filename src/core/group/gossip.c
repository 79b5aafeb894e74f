/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages between members of groups as bytes */
#include "core/group/gossip.h"
#include "core/group/membership-internal.h"

#define LANE_SIZE (PUBLIC_KEY_SIZE + 8 + 4)
#define FLAGS_AT (1 + GROUP_ID_SIZE)

static void read_lane(struct reader *r, struct group_lane_id *ret)
{
        group_read_into(r, ret->author.bytes, sizeof ret->author.bytes);
        ret->stream = reader_u64(r);
        ret->version = reader_u32(r);
}

static void write_lane(struct writer *w, const struct group_lane_id *lane)
{
        writer_bytes(w, lane->author.bytes, sizeof lane->author.bytes);
        writer_u64(w, lane->stream);
        writer_u32(w, lane->version);
}

static bool read_tip(struct reader *r, struct group_gossip *m)
{
        group_read_into(r, m->group.bytes, sizeof m->group.bytes);
        m->version = reader_u32(r);
        group_read_into(r, m->hash, sizeof m->hash);
        group_read_into(r, m->nonce, sizeof m->nonce);
        m->digest = reader_u64(r);
        return m->version > 0;
}

static bool read_have(struct reader *r, struct group_gossip *m)
{
        uint8_t flags;

        group_read_into(r, m->group.bytes, sizeof m->group.bytes);
        flags = reader_u8(r);
        m->flags = flags;
        m->n = reader_u16(r);
        if (flags > GROUP_HAVE_SAME || m->n > GROUP_GOSSIP_LANES_MAX ||
                (flags == GROUP_HAVE_SAME && m->n > 0))
                return false;
        m->size = m->n * (LANE_SIZE + 8);
        m->data = reader_bytes(r, m->size);
        return m->data;
}

static bool read_get(struct reader *r, struct group_gossip *m)
{
        group_read_into(r, m->group.bytes, sizeof m->group.bytes);
        read_lane(r, &m->lane);
        m->number = reader_u64(r);
        m->n = reader_u8(r);
        return m->lane.version > 0 && m->number > 0 && m->n > 0 && m->n <= GROUP_GOSSIP_GET_MAX;
}

static bool read_body(struct reader *r, struct group_gossip *m)
{
        switch (m->kind) {
        case GROUP_GOSSIP_TIP:
                return read_tip(r, m);
        case GROUP_GOSSIP_HAVE:
                return read_have(r, m);
        case GROUP_GOSSIP_GET:
                return read_get(r, m);
        case GROUP_GOSSIP_MEMBERSHIP:
        case GROUP_GOSSIP_LEAVE:
        case GROUP_GOSSIP_FAREWELL:
        case GROUP_GOSSIP_MESSAGE:
                m->size = r->left;
                m->data = reader_bytes(r, r->left);
                return m->size > 0;
        }
        return false;
}

int group_gossip_decode(const void *data, size_t size, struct group_gossip *ret)
{
        struct reader r = reader_make(data, size);
        uint8_t kind = reader_u8(&r);
        struct group_gossip m = { .kind = kind };

        if (size == 0 || size > GROUP_GOSSIP_SIZE_MAX)
                return GROUP_GOSSIP_MALFORMED;
        if (kind < GROUP_GOSSIP_TIP || kind > GROUP_GOSSIP_MESSAGE)
                return GROUP_GOSSIP_UNKNOWN;
        if (!read_body(&r, &m) || !reader_is_done(&r))
                return GROUP_GOSSIP_MALFORMED;
        *ret = m;
        return 0;
}

bool group_gossip_lane(
        const struct group_gossip *m, size_t i, struct group_lane_id *ret, uint64_t *ret_number)
{
        struct reader r = reader_make(m->data + i * (LANE_SIZE + 8), LANE_SIZE + 8);

        read_lane(&r, ret);
        *ret_number = reader_u64(&r);
        return ret->version > 0 && *ret_number > 0;
}

size_t group_gossip_tip(const struct group_gossip *m, uint8_t ret[static GROUP_GOSSIP_SIZE_MAX])
{
        struct writer w = writer_make(ret, GROUP_GOSSIP_SIZE_MAX);

        writer_u8(&w, GROUP_GOSSIP_TIP);
        writer_bytes(&w, m->group.bytes, sizeof m->group.bytes);
        writer_u32(&w, m->version);
        writer_bytes(&w, m->hash, sizeof m->hash);
        writer_bytes(&w, m->nonce, sizeof m->nonce);
        writer_u64(&w, m->digest);
        return w.size;
}

size_t group_gossip_get(const struct group_gossip *m, uint8_t ret[static GROUP_GOSSIP_SIZE_MAX])
{
        struct writer w = writer_make(ret, GROUP_GOSSIP_SIZE_MAX);

        writer_u8(&w, GROUP_GOSSIP_GET);
        writer_bytes(&w, m->group.bytes, sizeof m->group.bytes);
        write_lane(&w, &m->lane);
        writer_u64(&w, m->number);
        writer_u8(&w, (uint8_t)m->n);
        return w.size;
}

size_t group_gossip_have(const struct group_id *group, enum group_have_flags flags,
        uint8_t ret[static GROUP_GOSSIP_SIZE_MAX])
{
        struct writer w = writer_make(ret, GROUP_GOSSIP_SIZE_MAX);

        writer_u8(&w, GROUP_GOSSIP_HAVE);
        writer_bytes(&w, group->bytes, sizeof group->bytes);
        writer_u8(&w, (uint8_t)flags);
        writer_u16(&w, 0);
        return w.size;
}

size_t group_gossip_have_lane(uint8_t message[static GROUP_GOSSIP_SIZE_MAX], size_t size,
        const struct group_lane_id *lane, uint64_t number)
{
        struct writer w = writer_make(message + size, GROUP_GOSSIP_SIZE_MAX - size);
        struct writer count = writer_make(message + FLAGS_AT + 1, 2);
        size_t n = (size_t)message[FLAGS_AT + 1] << 8 | message[FLAGS_AT + 2];

        write_lane(&w, lane);
        writer_u64(&w, number);
        assert(!w.failed);
        writer_u16(&count, (uint16_t)(n + 1));
        return size + w.size;
}
