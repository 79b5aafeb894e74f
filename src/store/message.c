/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows and records */
#include "store/store-internal.h"

#define PEER_SIZE_MAX 384
#define PEER_VERSION 2

enum peer_flag {
        PEER_HEARD_CLASSIC = 1 << 0,
        PEER_CANNOT_CHAT = 1 << 1,
        PEER_BLOCKED = 1 << 2,
        PEER_HAS_HISTORY = 1 << 3,
        PEER_IS_PROVEN = 1 << 4,
        PEER_IS_VERIFIED = 1 << 5,
        PEER_IS_WARNED_OF = 1 << 6,
};

void store_write_endpoint(struct writer *w, const struct endpoint *e)
{
        writer_bytes(w, e->address, sizeof e->address);
        writer_u32(w, e->scope);
        writer_u16(w, e->port);
        writer_u16(w, e->family);
}

struct endpoint store_read_endpoint(struct reader *r)
{
        struct endpoint e = {};
        const uint8_t *address = reader_bytes(r, sizeof e.address);

        if (address)
                memcpy(e.address, address, sizeof e.address);
        e.scope = reader_u32(r);
        e.port = reader_u16(r);
        e.family = reader_u16(r);
        if (e.family != ENDPOINT_NONE && e.family != ENDPOINT_IPV4 && e.family != ENDPOINT_IPV6)
                r->failed = true;
        return e;
}

void store_read_string(struct reader *r, char *ret, size_t size_max)
{
        size_t size;
        const uint8_t *data = reader_blob(r, &size);

        if (size > size_max) {
                r->failed = true;
                size = 0;
        }
        if (size > 0)
                memcpy(ret, data, size);
        ret[size] = 0;
}

static uint8_t encode_flags(const struct peer_record *p)
{
        return (uint8_t)((p->heard_classic ? PEER_HEARD_CLASSIC : 0) |
                         (p->cannot_chat ? PEER_CANNOT_CHAT : 0) | (p->blocked ? PEER_BLOCKED : 0) |
                         (p->has_history ? PEER_HAS_HISTORY : 0) |
                         (p->is_proven ? PEER_IS_PROVEN : 0) |
                         (p->is_verified ? PEER_IS_VERIFIED : 0) |
                         (p->is_warned_of ? PEER_IS_WARNED_OF : 0));
}

static void decode_flags(uint8_t flags, struct peer_record *p)
{
        p->heard_classic = flags & PEER_HEARD_CLASSIC;
        p->cannot_chat = flags & PEER_CANNOT_CHAT;
        p->blocked = flags & PEER_BLOCKED;
        p->has_history = flags & PEER_HAS_HISTORY;
        p->is_proven = flags & PEER_IS_PROVEN;
        p->is_verified = flags & PEER_IS_VERIFIED;
        p->is_warned_of = flags & PEER_IS_WARNED_OF;
}

int store_encode_peer(struct store *s, const struct peer_record *p)
{
        const struct place place = { "peer.record", p->number, p->number };
        uint8_t data[PEER_SIZE_MAX], memory[LEGACY_MEMORY_SIZE];
        struct writer w = writer_make(data, sizeof data);

        legacy_memory_encode(&p->memory, memory);
        writer_u8(&w, PEER_VERSION);
        writer_u8(&w, encode_flags(p));
        writer_blob(&w, p->name, strlen(p->name));
        writer_blob(&w, p->id, strlen(p->id));
        store_write_endpoint(&w, &p->endpoint);
        writer_u16(&w, p->second_port);
        writer_u64(&w, p->muted_until_usec);
        writer_blob(&w, memory, sizeof memory);
        writer_blob(&w, p->key, p->is_proven ? sizeof p->key : 0);
        writer_blob(&w, p->contact, strlen(p->contact));
        writer_u64(&w, p->successor);
        assert(!w.failed);
        return store_seal(s, s->keys->records, &place, data, w.size);
}

/* What came with version 2. An id of version 1 was announced by a classic row, which it stays. */
static void read_native(struct reader *in, uint8_t version, struct peer_record *p)
{
        const uint8_t *key;
        size_t key_size;

        if (version == 1) {
                p->id[0] = 0;
                return;
        }
        key = reader_blob(in, &key_size);
        if (key_size != (p->is_proven ? sizeof p->key : 0))
                in->failed = true;
        else if (p->is_proven)
                memcpy(p->key, key, sizeof p->key);
        store_read_string(in, p->contact, NAME_SIZE_MAX);
        p->successor = reader_u64(in);
}

int store_decode_peer(
        struct store *s, uint64_t number, const void *record, size_t size, struct peer_record *ret)
{
        const struct place place = { "peer.record", number, number };
        struct peer_record p = { .number = number };
        const uint8_t *memory;
        struct reader in;
        uint8_t version;
        size_t memory_size;
        int r;

        r = store_unseal(s, s->keys->records, &place, record, size);
        if (r < 0)
                return r;
        in = reader_make(s->plain.data, s->plain.size);
        version = reader_u8(&in);
        decode_flags(reader_u8(&in), &p);
        store_read_string(&in, p.name, NAME_SIZE_MAX);
        store_read_string(&in, p.id, ID_STRING_SIZE - 1);
        p.endpoint = store_read_endpoint(&in);
        p.second_port = reader_u16(&in);
        p.muted_until_usec = reader_u64(&in);
        memory = reader_blob(&in, &memory_size);
        legacy_memory_decode(memory, memory_size, &p.memory);
        read_native(&in, version, &p);
        if (!reader_is_done(&in) || version < 1 || version > PEER_VERSION)
                return -EBADMSG;
        *ret = p;
        return 0;
}

/*
 * Messages
 */
#define GROUP_PART_SIZE (PUBLIC_KEY_SIZE + 8 + 4 + 8 + 8 + SIGNATURE_SIZE)

static bool is_in_group(const struct message_record *m)
{
        return m->group.number > 0;
}

static struct place message_place(bool is_in_group, uint64_t conversation, uint64_t sequence)
{
        return (struct place){ is_in_group ? "message.group" : "message.sealed", conversation,
                sequence };
}

static void write_group_part(struct writer *w, const struct group_part *p)
{
        writer_bytes(w, p->lane.author.bytes, sizeof p->lane.author.bytes);
        writer_u64(w, p->lane.stream);
        writer_u32(w, p->lane.version);
        writer_u64(w, p->number);
        writer_u64(w, p->time_usec);
        writer_bytes(w, p->signature, sizeof p->signature);
}

static void read_group_part(struct reader *in, struct message_record *m)
{
        struct group_part *p = &m->group;
        const uint8_t *author = reader_bytes(in, sizeof p->lane.author.bytes), *signature;

        if (author)
                memcpy(p->lane.author.bytes, author, sizeof p->lane.author.bytes);
        p->lane.stream = reader_u64(in);
        p->lane.version = reader_u32(in);
        p->number = reader_u64(in);
        p->time_usec = reader_u64(in);
        signature = reader_bytes(in, sizeof p->signature);
        if (signature)
                memcpy(p->signature, signature, sizeof p->signature);
        if (!in->failed)
                identity_id(p->lane.author.bytes, m->author_id);
}

int store_encode_message(struct store *s, const uint8_t key[static KEY_SIZE],
        const struct message_record *m, uint64_t sequence)
{
        const struct place place = message_place(is_in_group(m), m->peer, sequence);
        size_t size = 2 + strlen(m->name) + MAX(ENDPOINT_SIZE, GROUP_PART_SIZE) + m->size;
        struct buffer plain;
        struct writer w;
        int r;

        /* Not s->plain: the record may point there. */
        buffer_init(&plain, SCRATCH_SIZE_MAX - SEAL_SIZE);
        r = buffer_reserve(&plain, size);
        if (r < 0)
                return r;
        w = writer_make(plain.data, size);
        writer_blob(&w, m->name, strlen(m->name));
        if (is_in_group(m))
                write_group_part(&w, &m->group);
        else
                store_write_endpoint(&w, &m->endpoint);
        writer_bytes(&w, m->text, m->size);
        assert(!w.failed);
        r = store_seal(s, key, &place, plain.data, w.size);
        wipe(plain.data, w.size);
        buffer_done(&plain);
        return r;
}

int store_decode_id(sqlite3_stmt *q, int column, struct ulid *ret)
{
        const void *id = sqlite3_column_blob(q, column);

        if (sqlite3_column_bytes(q, column) != sizeof ret->bytes)
                return -EBADMSG;
        memcpy(ret->bytes, id, sizeof ret->bytes);
        return 0;
}

struct message_row store_message_row(sqlite3_stmt *q)
{
        return (struct message_row){
                .sequence = (uint64_t)sqlite3_column_int64(q, COLUMN_SEQUENCE),
                .id = sqlite3_column_blob(q, COLUMN_ID),
                .id_size = (size_t)sqlite3_column_bytes(q, COLUMN_ID),
                .peer = (uint64_t)sqlite3_column_int64(q, COLUMN_PEER),
                .direction = sqlite3_column_int64(q, COLUMN_DIRECTION),
                .security = sqlite3_column_int64(q, COLUMN_SECURITY),
                .state = sqlite3_column_int64(q, COLUMN_STATE),
                .time_usec = (usec_t)sqlite3_column_int64(q, COLUMN_TIME),
                .sealed = sqlite3_column_blob(q, COLUMN_SEALED),
                .sealed_size = (size_t)sqlite3_column_bytes(q, COLUMN_SEALED),
        };
}

/* The columns that are not sealed must make sense. */
static bool is_plausible(const struct message_row *row)
{
        bool received = row->state == MESSAGE_RECEIVED || row->state == MESSAGE_MUTED;

        if (row->security < 0 || row->security >= N_SECURITIES || row->state < 0 ||
                row->state >= N_MESSAGE_STATES || row->id_size != sizeof(struct ulid))
                return false;
        /* Damage must not send back what was received. */
        return (row->direction & ~(int64_t)DIRECTION_IN_GROUP) ==
               (received ? DIRECTION_RECEIVED : DIRECTION_SENT);
}

int store_decode_message(struct store *s, const struct message_row *row, struct message_record *ret)
{
        bool is_in_group = row->direction & DIRECTION_IN_GROUP;
        const struct place place = message_place(is_in_group, row->peer, row->sequence);
        struct message_record m = {
                .peer = row->peer,
                .direction = (enum direction)(row->direction & ~(int64_t)DIRECTION_IN_GROUP),
                .security = (enum security)row->security,
                .state = (enum message_state)row->state,
                .time_usec = row->time_usec,
                .sequence = row->sequence,
        };
        const uint8_t *key;
        struct reader in;
        int r;

        if (!is_plausible(row))
                return -EBADMSG;
        memcpy(m.id.bytes, row->id, sizeof m.id.bytes);
        r = store_conversation_key(s, row->peer, false, &key);
        if (r == -ENOENT || r == -EINVAL)
                return -EBADMSG;
        if (r < 0)
                return r;
        r = store_unseal(s, key, &place, row->sealed, row->sealed_size);
        if (r < 0)
                return r;

        in = reader_make(s->plain.data, s->plain.size);
        store_read_string(&in, m.name, NAME_SIZE_MAX);
        if (is_in_group)
                read_group_part(&in, &m);
        else
                m.endpoint = store_read_endpoint(&in);
        if (in.failed || is_in_group != (m.group.number > 0))
                return -EBADMSG;
        m.text = (const char *)in.data;
        m.size = in.left;
        *ret = m;
        return 0;
}
