/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The wish to leave, and what a departed is told */
#include "core/group/membership-internal.h"

#define LEAVE_PREFIX "p2pchat/1 group leave"

static void write_body(struct writer *w, const struct group_leave *l)
{
        writer_u8(w, GROUP_FORMAT);
        writer_bytes(w, l->group.bytes, sizeof l->group.bytes);
        writer_bytes(w, l->key.bytes, sizeof l->key.bytes);
        writer_u32(w, l->joined);
        writer_u8(w, (uint8_t)l->n_cuts);
        group_write_cuts(w, l->cuts, l->n_cuts);
}

size_t group_leave_encode(const struct group_leave *l, uint8_t ret[static GROUP_LEAVE_SIZE_MAX])
{
        struct writer w = writer_make(ret, GROUP_LEAVE_SIZE_MAX);

        write_body(&w, l);
        writer_bytes(&w, l->signature, sizeof l->signature);
        assert(!w.failed);
        return w.size;
}

int group_leave_decode(const void *data, size_t size, struct group_leave *ret)
{
        struct reader r = reader_make(data, size);
        struct group_leave l = { .joined = 0 };

        if (reader_u8(&r) != GROUP_FORMAT)
                return GROUP_CODEC_MALFORMED;
        group_read_into(&r, l.group.bytes, sizeof l.group.bytes);
        group_read_into(&r, l.key.bytes, sizeof l.key.bytes);
        l.joined = reader_u32(&r);
        l.n_cuts = reader_u8(&r);
        if (l.joined == 0 || l.n_cuts > GROUP_CUTS_MAX ||
                !group_read_cuts(&r, l.n_cuts, l.joined, UINT32_MAX, l.cuts))
                return GROUP_CODEC_MALFORMED;
        group_read_into(&r, l.signature, sizeof l.signature);
        if (!reader_is_done(&r))
                return GROUP_CODEC_MALFORMED;
        *ret = l;
        return 0;
}

static size_t encode_body(const struct group_leave *l, uint8_t ret[static GROUP_LEAVE_SIZE_MAX])
{
        return group_leave_encode(l, ret) - SIGNATURE_SIZE;
}

int group_leave_sign(struct group_leave *l, const struct identity *i)
{
        uint8_t data[GROUP_LEAVE_SIZE_MAX];
        struct blob body = { data, 0 };

        memcpy(l->key.bytes, i->public_key, sizeof l->key.bytes);
        body.size = encode_body(l, data);
        return sign(i, LEAVE_PREFIX, &body, 1, l->signature);
}

int group_leave_verify(const struct group_leave *l)
{
        uint8_t data[GROUP_LEAVE_SIZE_MAX];
        struct blob body = { data, encode_body(l, data) };

        return group_codec_fault_of(
                sign_verify(l->key.bytes, LEAVE_PREFIX, &body, 1, l->signature));
}

int group_farewell_decode(const void *data, size_t size, struct group_farewell *ret)
{
        struct reader r = reader_make(data, size);
        struct group_farewell f = { .data = data };
        struct group_cut cuts[GROUP_CUTS_MAX];
        struct group_departed *d = &f.departed;

        group_read_into(&r, f.group.bytes, sizeof f.group.bytes);
        group_read_into(&r, d->key.bytes, sizeof d->key.bytes);
        d->joined = reader_u32(&r);
        d->removed = reader_u32(&r);
        d->n_cuts = reader_u8(&r);
        if (d->joined == 0 || d->joined >= d->removed || d->n_cuts > GROUP_CUTS_MAX ||
                !group_read_cuts(&r, d->n_cuts, d->joined, d->removed, cuts))
                return GROUP_CODEC_MALFORMED;
        f.size = size - r.left;
        group_read_into(&r, d->signature, sizeof d->signature);
        if (!reader_is_done(&r))
                return GROUP_CODEC_MALFORMED;
        *ret = f;
        return 0;
}
