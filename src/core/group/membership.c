/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memberships: rules, signatures, and who was in when */
#include "core/group/membership.h"
#include "core/group/membership-internal.h"

#define SIGN_PREFIX "p2pchat/1 group membership"
#define FAREWELL_PREFIX "p2pchat/1 group farewell"

void group_make_id(const struct group_key *creator, const uint8_t nonce[static GROUP_NONCE_SIZE],
        struct group_id *ret)
{
        static const char prefix[] = "p2pchat/1 group"; /* with its zero byte */
        uint8_t digest[HASH_SIZE];

        hash((struct blob[]){ { prefix, sizeof prefix }, { creator->bytes, sizeof creator->bytes },
                     { nonce, GROUP_NONCE_SIZE } },
                3, digest);
        memcpy(ret->bytes, digest, sizeof ret->bytes);
}

bool group_name_is_valid(const char *name)
{
        char clean[NAME_SIZE_MAX + 1];

        return name_clean(name, strlen(name), clean) == 0 && streq(name, clean);
}

struct group_membership *group_membership_new(size_t n_members, size_t n_departed, size_t n_cuts)
{
        struct group_membership *m =
                calloc(1, sizeof *m + n_members * sizeof *m->members +
                                  n_departed * sizeof *m->departed + n_cuts * sizeof *m->cuts);

        if (!m)
                return NULL;
        /* Those that want the widest alignment first. */
        m->cuts = (struct group_cut *)(m + 1);
        m->departed = (struct group_departed *)(m->cuts + n_cuts);
        m->members = (struct group_member *)(m->departed + n_departed);
        m->n_members = n_members;
        m->n_departed = n_departed;
        m->n_cuts = n_cuts;
        return m;
}

static int sign_departed(
        const struct group_membership *m, struct group_departed *d, const struct identity *i)
{
        static const uint8_t none[SIGNATURE_SIZE];
        uint8_t data[GROUP_FAREWELL_SIZE_MAX];
        size_t size;

        if (memcmp(d->signature, none, sizeof none) != 0)
                return 0;
        size = group_farewell_encode(m, d, data) - SIGNATURE_SIZE;
        return sign(i, FAREWELL_PREFIX, &(struct blob){ data, size }, 1, d->signature);
}

int group_membership_sign(struct group_membership *m, const struct identity *i)
{
        int r;

        group_make_id(&m->creator, m->nonce, &m->id);
        for (size_t k = 0; k < m->n_departed; k++) {
                r = sign_departed(m, &m->departed[k], i);
                if (r < 0)
                        return r;
        }
        r = group_membership_hash(m);
        if (r < 0)
                return r;
        return sign(i, SIGN_PREFIX, &(struct blob){ m->hash, HASH_SIZE }, 1, m->signature);
}

int group_codec_fault_of(int sign_result)
{
        if (sign_result == SIGN_BAD_KEY)
                return GROUP_CODEC_BAD_KEY;
        return sign_result > 0 ? GROUP_CODEC_NOT_GENUINE : sign_result;
}

int group_membership_verify(const struct group_membership *m)
{
        return group_codec_fault_of(sign_verify(m->creator.bytes, SIGN_PREFIX,
                &(struct blob){ m->hash, HASH_SIZE }, 1, m->signature));
}

int group_farewell_verify(const struct group_farewell *f, const struct group_key *creator)
{
        return group_codec_fault_of(sign_verify(creator->bytes, FAREWELL_PREFIX,
                &(struct blob){ f->data, f->size }, 1, f->departed.signature));
}

bool group_membership_is_better(uint32_t a_version, const uint8_t a_hash[static HASH_SIZE],
        uint32_t b_version, const uint8_t b_hash[static HASH_SIZE])
{
        if (a_version != b_version)
                return a_version > b_version;
        return memcmp(a_hash, b_hash, HASH_SIZE) < 0;
}

const struct group_member *group_membership_member(
        const struct group_membership *m, const struct group_key *key)
{
        size_t low = 0, high = m->n_members;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int r = memcmp(m->members[middle].key.bytes, key->bytes, sizeof key->bytes);

                if (r == 0)
                        return &m->members[middle];
                if (r < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return NULL;
}

/* The first departed whose key is not smaller. */
static size_t first_departed(const struct group_membership *m, const struct group_key *key)
{
        size_t low = 0, high = m->n_departed;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (memcmp(m->departed[middle].key.bytes, key->bytes, sizeof key->bytes) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

const struct group_departed *group_membership_departed(
        const struct group_membership *m, const struct group_key *key)
{
        const struct group_departed *last = NULL;

        for (size_t i = first_departed(m, key);
                i < m->n_departed && group_key_equal(&m->departed[i].key, key); i++)
                last = &m->departed[i];
        return last;
}

static const struct group_departed *departed_at(
        const struct group_membership *m, const struct group_key *key, uint32_t version)
{
        for (size_t i = first_departed(m, key);
                i < m->n_departed && group_key_equal(&m->departed[i].key, key); i++)
                if (version >= m->departed[i].joined && version < m->departed[i].removed)
                        return &m->departed[i];
        return NULL;
}

bool group_membership_had(
        const struct group_membership *m, const struct group_key *key, uint32_t version)
{
        const struct group_member *member = group_membership_member(m, key);

        if (version > m->version)
                return false;
        return (member && member->joined <= version) || departed_at(m, key, version);
}

uint64_t group_cuts_find(const struct group_cut *cuts, size_t n, uint32_t version, uint64_t stream)
{
        for (size_t i = 0; i < n; i++)
                if (cuts[i].version == version && cuts[i].stream == stream)
                        return cuts[i].number;
        return 0;
}

uint64_t group_membership_cut(const struct group_membership *m, const struct group_lane_id *lane)
{
        const struct group_departed *d;
        const struct group_member *member;

        if (lane->version == 0 || lane->version < m->floor || lane->version > m->version)
                return 0;
        d = departed_at(m, &lane->author, lane->version);
        if (d)
                return group_cuts_find(
                        m->cuts + d->first_cut, d->n_cuts, lane->version, lane->stream);
        member = group_membership_member(m, &lane->author);
        return member && member->joined <= lane->version ? UINT64_MAX : 0;
}
