/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memberships as bytes */
#include "core/group/membership-internal.h"

#define MEMBER_SIZE (PUBLIC_KEY_SIZE + 4)
#define CUT_SIZE (4 + 8 + 8)

void group_read_into(struct reader *r, void *ret, size_t size)
{
        const uint8_t *bytes = reader_bytes(r, size);

        if (bytes)
                memcpy(ret, bytes, size);
}

void group_write_cuts(struct writer *w, const struct group_cut *cuts, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                writer_u32(w, cuts[i].version);
                writer_u64(w, cuts[i].stream);
                writer_u64(w, cuts[i].number);
        }
}

static bool cut_is_before(const struct group_cut *a, const struct group_cut *b)
{
        if (a->version != b->version)
                return a->version < b->version;
        return a->stream < b->stream;
}

bool group_read_cuts(
        struct reader *r, size_t n, uint32_t begin, uint32_t end, struct group_cut *ret)
{
        for (size_t i = 0; i < n; i++) {
                struct group_cut c;

                c.version = reader_u32(r);
                c.stream = reader_u64(r);
                c.number = reader_u64(r);
                if (r->failed || c.version < begin || c.version >= end || c.number == 0)
                        return false;
                if (i > 0 && !cut_is_before(&ret[i - 1], &c))
                        return false;
                ret[i] = c;
        }
        return true;
}

/* The entry, up to its signature. */
static void write_departed(
        struct writer *w, const struct group_membership *m, const struct group_departed *d)
{
        writer_bytes(w, d->key.bytes, sizeof d->key.bytes);
        writer_u32(w, d->joined);
        writer_u32(w, d->removed);
        writer_u8(w, (uint8_t)d->n_cuts);
        group_write_cuts(w, m->cuts + d->first_cut, d->n_cuts);
}

size_t group_farewell_encode(const struct group_membership *m, const struct group_departed *d,
        uint8_t ret[static GROUP_FAREWELL_SIZE_MAX])
{
        struct writer w = writer_make(ret, GROUP_FAREWELL_SIZE_MAX);

        writer_bytes(&w, m->id.bytes, sizeof m->id.bytes);
        write_departed(&w, m, d);
        writer_bytes(&w, d->signature, sizeof d->signature);
        assert(!w.failed);
        return w.size;
}

static void write_body(struct writer *w, const struct group_membership *m)
{
        writer_u8(w, GROUP_FORMAT);
        writer_bytes(w, m->creator.bytes, sizeof m->creator.bytes);
        writer_bytes(w, m->nonce, sizeof m->nonce);
        writer_blob(w, m->name, strlen(m->name));
        writer_u32(w, m->version);
        writer_u32(w, m->floor);
        writer_bytes(w, m->previous, sizeof m->previous);
        writer_u16(w, (uint16_t)m->n_members);
        for (size_t i = 0; i < m->n_members; i++) {
                writer_bytes(w, m->members[i].key.bytes, sizeof m->members[i].key.bytes);
                writer_u32(w, m->members[i].joined);
        }
        writer_u16(w, (uint16_t)m->n_departed);
        for (size_t i = 0; i < m->n_departed; i++) {
                write_departed(w, m, &m->departed[i]);
                writer_bytes(w, m->departed[i].signature, SIGNATURE_SIZE);
        }
}

size_t group_membership_encode(
        const struct group_membership *m, uint8_t ret[static GROUP_MEMBERSHIP_SIZE_MAX])
{
        struct writer w = writer_make(ret, GROUP_MEMBERSHIP_SIZE_MAX);

        write_body(&w, m);
        writer_bytes(&w, m->signature, sizeof m->signature);
        assert(!w.failed);
        return w.size;
}

int group_membership_hash(struct group_membership *m)
{
        uint8_t *data = malloc(GROUP_MEMBERSHIP_SIZE_MAX);
        struct writer w;

        if (!data)
                return -ENOMEM;
        w = writer_make(data, GROUP_MEMBERSHIP_SIZE_MAX);
        write_body(&w, m);
        assert(!w.failed);
        hash(&(struct blob){ data, w.size }, 1, m->hash);
        free(data);
        return 0;
}

/* Reading: how many there are is counted first, so that all has its place in one piece of memory.
 */

static bool skip_departed(struct reader *r, size_t n, size_t *ret_n_cuts)
{
        *ret_n_cuts = 0;
        for (size_t i = 0; i < n; i++) {
                size_t n_cuts;

                (void)reader_bytes(r, PUBLIC_KEY_SIZE + 4 + 4);
                n_cuts = reader_u8(r);
                if (n_cuts > GROUP_CUTS_MAX)
                        return false;
                *ret_n_cuts += n_cuts;
                (void)reader_bytes(r, n_cuts * CUT_SIZE + SIGNATURE_SIZE);
        }
        return !r->failed && *ret_n_cuts <= GROUP_CUTS_ALL_MAX;
}

/* @r stands before the number of members. */
static bool count(struct reader r, size_t *ret_members, size_t *ret_departed, size_t *ret_cuts)
{
        *ret_members = reader_u16(&r);
        if (*ret_members > GROUP_MEMBERS_MAX || !reader_bytes(&r, *ret_members * MEMBER_SIZE))
                return false;
        *ret_departed = reader_u16(&r);
        return *ret_departed <= GROUP_DEPARTED_MAX && skip_departed(&r, *ret_departed, ret_cuts) &&
               r.left == SIGNATURE_SIZE;
}

static bool read_name(struct reader *r, char ret[static NAME_SIZE_MAX + 1])
{
        size_t size;
        const uint8_t *name = reader_blob(r, &size);

        if (!name || size == 0 || size > NAME_SIZE_MAX || memchr(name, 0, size))
                return false;
        memcpy(ret, name, size);
        ret[size] = 0;
        return group_name_is_valid(ret);
}

static bool read_head(struct reader *r, struct group_membership *m)
{
        static const uint8_t none[HASH_SIZE];

        if (reader_u8(r) != GROUP_FORMAT)
                return false;
        group_read_into(r, m->creator.bytes, sizeof m->creator.bytes);
        group_read_into(r, m->nonce, sizeof m->nonce);
        if (!read_name(r, m->name))
                return false;
        m->version = reader_u32(r);
        m->floor = reader_u32(r);
        group_read_into(r, m->previous, sizeof m->previous);
        return !r->failed && m->version > 0 && m->floor <= m->version &&
               (m->version == 1) == (memcmp(m->previous, none, sizeof none) == 0);
}

static bool read_members(struct reader *r, struct group_membership *m)
{
        for (size_t i = 0; i < m->n_members; i++) {
                struct group_member *member = &m->members[i];

                group_read_into(r, member->key.bytes, sizeof member->key.bytes);
                member->joined = reader_u32(r);
                if (member->joined == 0 || member->joined > m->version)
                        return false;
                if (i > 0 && memcmp(member[-1].key.bytes, member->key.bytes, PUBLIC_KEY_SIZE) >= 0)
                        return false;
        }
        return true;
}

/* Times of one key follow one another, and the present one follows them. */
static bool departed_is_right(const struct group_membership *m, const struct group_departed *d)
{
        const struct group_member *member = group_membership_member(m, &d->key);

        if (d->joined == 0 || d->joined >= d->removed || d->removed > m->version ||
                d->removed <= m->floor)
                return false;
        if (member && member->joined < d->removed)
                return false;
        if (d > m->departed) {
                int r = memcmp(d[-1].key.bytes, d->key.bytes, sizeof d->key.bytes);

                return r < 0 || (r == 0 && d[-1].removed <= d->joined);
        }
        return true;
}

static bool read_departed(struct reader *r, struct group_membership *m)
{
        size_t n_cuts = 0;

        for (size_t i = 0; i < m->n_departed; i++) {
                struct group_departed *d = &m->departed[i];

                group_read_into(r, d->key.bytes, sizeof d->key.bytes);
                d->joined = reader_u32(r);
                d->removed = reader_u32(r);
                d->first_cut = n_cuts;
                d->n_cuts = reader_u8(r);
                if (!departed_is_right(m, d) || !group_read_cuts(r, d->n_cuts, d->joined,
                                                        d->removed, m->cuts + d->first_cut))
                        return false;
                n_cuts += d->n_cuts;
                group_read_into(r, d->signature, sizeof d->signature);
        }
        return true;
}

int group_membership_decode(const void *data, size_t size, struct group_membership **ret)
{
        struct reader r = reader_make(data, size);
        struct group_membership head = { .version = 0 };
        size_t n_members, n_departed, n_cuts;
        _cleanup_(freep)
        struct group_membership *m = NULL;

        if (size > GROUP_MEMBERSHIP_SIZE_MAX || !read_head(&r, &head) ||
                !count(r, &n_members, &n_departed, &n_cuts))
                return GROUP_CODEC_MALFORMED;
        m = group_membership_new(n_members, n_departed, n_cuts);
        if (!m)
                return -ENOMEM;
        head.members = m->members, head.departed = m->departed, head.cuts = m->cuts;
        head.n_members = n_members, head.n_departed = n_departed, head.n_cuts = n_cuts;
        *m = head;
        (void)reader_u16(&r);
        if (!read_members(&r, m))
                return GROUP_CODEC_MALFORMED;
        (void)reader_u16(&r);
        if (!read_departed(&r, m))
                return GROUP_CODEC_MALFORMED;
        hash(&(struct blob){ data, size - SIGNATURE_SIZE }, 1, m->hash);
        group_read_into(&r, m->signature, sizeof m->signature);
        group_make_id(&m->creator, m->nonce, &m->id);
        *ret = TAKE_PTR(m);
        return 0;
}
