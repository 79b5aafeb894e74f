/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages to a group as bytes, and their signatures */
#include "core/group/message.h"
#include "core/group/membership-internal.h"

#define MESSAGE_PREFIX "p2pchat/1 group message"

bool group_text_is_valid(const char *text, size_t size)
{
        return size > 0 && size <= GROUP_TEXT_SIZE_MAX && text_is_printable(text, size);
}

size_t group_message_encode(
        const struct group_message *m, uint8_t ret[static GROUP_MESSAGE_SIZE_MAX])
{
        struct writer w = writer_make(ret, GROUP_MESSAGE_SIZE_MAX);

        writer_u8(&w, GROUP_FORMAT);
        writer_bytes(&w, m->group.bytes, sizeof m->group.bytes);
        writer_bytes(&w, m->lane.author.bytes, sizeof m->lane.author.bytes);
        writer_u64(&w, m->lane.stream);
        writer_u32(&w, m->lane.version);
        writer_u64(&w, m->number);
        writer_u64(&w, m->time_usec);
        writer_blob(&w, m->text, m->text_size);
        writer_bytes(&w, m->signature, sizeof m->signature);
        assert(!w.failed);
        return w.size;
}

int group_message_decode(const void *data, size_t size, struct group_message *ret)
{
        struct reader r = reader_make(data, size);
        struct group_message m = { .number = 0 };

        if (reader_u8(&r) != GROUP_FORMAT)
                return GROUP_CODEC_MALFORMED;
        group_read_into(&r, m.group.bytes, sizeof m.group.bytes);
        group_read_into(&r, m.lane.author.bytes, sizeof m.lane.author.bytes);
        m.lane.stream = reader_u64(&r);
        m.lane.version = reader_u32(&r);
        m.number = reader_u64(&r);
        m.time_usec = reader_u64(&r);
        m.text = (const char *)reader_blob(&r, &m.text_size);
        group_read_into(&r, m.signature, sizeof m.signature);
        if (!reader_is_done(&r) || m.lane.version == 0 || m.number == 0 ||
                !group_text_is_valid(m.text, m.text_size))
                return GROUP_CODEC_MALFORMED;
        hash(&(struct blob){ data, size - SIGNATURE_SIZE }, 1, m.id);
        *ret = m;
        return 0;
}

int group_message_sign(struct group_message *m, const struct identity *i,
        uint8_t ret[static GROUP_MESSAGE_SIZE_MAX], size_t *ret_size)
{
        size_t size;
        int r;

        memcpy(m->lane.author.bytes, i->public_key, sizeof m->lane.author.bytes);
        size = group_message_encode(m, ret);
        hash(&(struct blob){ ret, size - SIGNATURE_SIZE }, 1, m->id);
        r = sign(i, MESSAGE_PREFIX, &(struct blob){ m->id, HASH_SIZE }, 1, m->signature);
        if (r < 0)
                return r;
        memcpy(ret + size - SIGNATURE_SIZE, m->signature, sizeof m->signature);
        *ret_size = size;
        return 0;
}

int group_message_verify(const struct group_message *m)
{
        return group_codec_fault_of(sign_verify(m->lane.author.bytes, MESSAGE_PREFIX,
                &(struct blob){ m->id, HASH_SIZE }, 1, m->signature));
}
