/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a classic peer speaks, as it is kept
 *
 * One byte each: form, shape, spelling, group, choice, connections, flags; then of the third
 * dialect the port (2) and the tag (4). The rest is zero and left to later versions.
 */
#include "core/legacy/memory.h"
#include "base/cursor.h"
#include "core/legacy/dialect.h"

enum {
        FLAG_KEY_IS_NUMBER = 1 << 0,
        FLAG_HAS_UUID = 1 << 1,
        FLAG_PLAIN_IS_BASE64 = 1 << 2,
        FLAG_NO_KEY = 1 << 3,
        FLAG_KEY_IS_BARE = 1 << 4,
        FLAG_KEY_IS_PUBLIC = 1 << 5,
};

void legacy_memory_encode(const struct legacy_memory *m, uint8_t ret[static LEGACY_MEMORY_SIZE])
{
        struct writer w = writer_make(ret, LEGACY_MEMORY_SIZE);
        unsigned flags = 0;

        flags |= m->key_is_number ? FLAG_KEY_IS_NUMBER : 0;
        flags |= m->has_uuid ? FLAG_HAS_UUID : 0;
        flags |= m->plain_is_base64 ? FLAG_PLAIN_IS_BASE64 : 0;
        flags |= m->no_key ? FLAG_NO_KEY : 0;
        flags |= m->key_is_bare ? FLAG_KEY_IS_BARE : 0;
        flags |= m->key_is_public ? FLAG_KEY_IS_PUBLIC : 0;

        memset(ret, 0, LEGACY_MEMORY_SIZE);
        writer_u8(&w, m->form);
        writer_u8(&w, m->shape);
        writer_u8(&w, m->spelling);
        writer_u8(&w, m->group);
        writer_u8(&w, m->choice);
        writer_u8(&w, m->connections);
        writer_u8(&w, flags);
        writer_u16(&w, m->third_port);
        writer_u32(&w, m->third_tag);
}

static uint8_t below(uint8_t v, size_t limit)
{
        return v < limit ? v : 0;
}

void legacy_memory_decode(const uint8_t *data, size_t size, struct legacy_memory *ret)
{
        struct reader r = reader_make(data, size);
        struct legacy_memory m = { 0 };
        unsigned flags;

        m.form = below(reader_u8(&r), dialect_n_forms + 1);
        m.shape = below(reader_u8(&r), N_SHAPES + 1);
        m.spelling = below(reader_u8(&r), N_LEGACY_SPELLINGS);
        m.group = below(reader_u8(&r), N_LEGACY_GROUPS);
        m.choice = below(reader_u8(&r), N_LEGACY_CHOICES);
        m.connections = below(reader_u8(&r), N_LEGACY_CONNECTIONS);
        flags = reader_u8(&r);
        m.third_port = reader_u16(&r);
        m.third_tag = reader_u32(&r);

        m.key_is_number = flags & FLAG_KEY_IS_NUMBER;
        m.has_uuid = flags & FLAG_HAS_UUID;
        m.plain_is_base64 = flags & FLAG_PLAIN_IS_BASE64;
        m.no_key = flags & FLAG_NO_KEY;
        m.key_is_bare = flags & FLAG_KEY_IS_BARE;
        m.key_is_public = flags & FLAG_KEY_IS_PUBLIC;
        *ret = m;
}
