/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Blocks as bytes, and their trees of hashes */
#include "core/ledger/block.h"
#include "base/cursor.h"
#include "base/encode.h"

#define HEADER_MARK 'B'
#define GENESIS_MARK 'G'
#define NONCE_PLACE (BLOCK_HEADER_SIZE - 8)
#define BUILT_IN_BITS 22 /* about a second of one core: see doc/ledger.md */

void block_header_encode(const struct block_header *h, uint8_t ret[static BLOCK_HEADER_SIZE])
{
        struct writer w = writer_make(ret, BLOCK_HEADER_SIZE);

        writer_u8(&w, HEADER_MARK);
        writer_u32(&w, h->height);
        writer_bytes(&w, h->previous, sizeof h->previous);
        writer_u64(&w, h->time_usec);
        writer_bytes(&w, h->root, sizeof h->root);
        writer_u64(&w, h->total);
        writer_u64(&w, h->nonce);
        assert(!w.failed && w.left == 0);
}

bool block_header_decode(const uint8_t data[static BLOCK_HEADER_SIZE], struct block_header *ret)
{
        struct reader r = reader_make(data, BLOCK_HEADER_SIZE);
        struct block_header h = { .height = 0 };
        uint8_t mark = reader_u8(&r);

        h.height = reader_u32(&r);
        memcpy(h.previous, reader_bytes(&r, HASH_SIZE), HASH_SIZE);
        h.time_usec = reader_u64(&r);
        memcpy(h.root, reader_bytes(&r, HASH_SIZE), HASH_SIZE);
        h.total = reader_u64(&r);
        h.nonce = reader_u64(&r);
        if (mark != HEADER_MARK || h.height == 0)
                return false;
        *ret = h;
        return true;
}

void block_header_hash(const struct block_header *h, uint8_t ret[static HASH_SIZE])
{
        uint8_t data[BLOCK_HEADER_SIZE];

        block_header_encode(h, data);
        hash(&(struct blob){ data, sizeof data }, 1, ret);
}

bool block_has_work(const uint8_t hash[static HASH_SIZE], unsigned bits)
{
        for (; bits >= 8; bits -= 8)
                if (*hash++ != 0)
                        return false;
        return bits == 0 || *hash >> (8 - bits) == 0;
}

unsigned block_work_bits(unsigned bits, uint64_t n_records)
{
        if (bits == 0)
                return 0;
        for (uint64_t n = 1; n < n_records; n *= 2)
                bits++;
        return bits;
}

/* Counts up in the bytes of the header: writing them anew each time takes as long as hashing. */
bool block_search(struct block *b, unsigned bits, unsigned n)
{
        uint8_t data[BLOCK_HEADER_SIZE];

        bits = block_work_bits(bits, b->n_records);
        block_header_encode(&b->header, data);
        for (; n > 0; n--) {
                hash(&(struct blob){ data, sizeof data }, 1, b->hash);
                if (block_has_work(b->hash, bits))
                        return true;
                b->header.nonce++;
                for (size_t i = sizeof data; i > NONCE_PLACE && ++data[--i] == 0;)
                        ;
        }
        return false;
}

static void leaf_hash(const void *record, size_t size, uint8_t ret[static HASH_SIZE])
{
        hash((const struct blob[]){ { "\0", 1 }, { record, size } }, 2, ret);
}

static void inner_hash(const uint8_t left[static HASH_SIZE], const uint8_t right[static HASH_SIZE],
        uint8_t ret[static HASH_SIZE])
{
        uint8_t result[HASH_SIZE];

        hash((const struct blob[]){ { "\1", 1 }, { left, HASH_SIZE }, { right, HASH_SIZE } }, 3,
                result);
        memcpy(ret, result, HASH_SIZE);
}

/* Where RFC 6962 parts n > 1 leaves: the greatest power of two below n. */
static size_t split_of(size_t n)
{
        size_t k = 1;

        while (2 * k < n)
                k *= 2;
        return k;
}

/* The root of leaves that stand side by side; not deeper than PROOF_STEPS_MAX. */
static void tree_root(uint8_t (*leaves)[HASH_SIZE], size_t n, uint8_t ret[static HASH_SIZE])
{
        uint8_t left[HASH_SIZE], right[HASH_SIZE];
        size_t k;

        if (n == 1) {
                memcpy(ret, leaves[0], HASH_SIZE);
                return;
        }
        k = split_of(n);
        tree_root(leaves, k, left);
        tree_root(leaves + k, n - k, right);
        inner_hash(left, right, ret);
}

static void make_leaves(const struct block *b, uint8_t (*ret)[HASH_SIZE])
{
        uint8_t data[CERTIFICATE_SIZE_MAX];

        for (size_t i = 0; i < b->n_records; i++)
                leaf_hash(data, certificate_encode(&b->records[i], data), ret[i]);
}

void block_seal(struct block *b)
{
        uint8_t leaves[BLOCK_RECORDS_MAX][HASH_SIZE];

        assert(b->n_records > 0 && b->n_records <= BLOCK_RECORDS_MAX);
        make_leaves(b, leaves);
        tree_root(leaves, b->n_records, b->header.root);
}

size_t block_encode(const struct block *b, uint8_t ret[static BLOCK_SIZE_MAX])
{
        struct writer w = writer_make(ret + BLOCK_HEADER_SIZE, BLOCK_SIZE_MAX - BLOCK_HEADER_SIZE);
        uint8_t data[CERTIFICATE_SIZE_MAX];

        block_header_encode(&b->header, ret);
        writer_u8(&w, (uint8_t)b->n_records);
        for (size_t i = 0; i < b->n_records; i++)
                writer_blob(&w, data, certificate_encode(&b->records[i], data));
        assert(!w.failed);
        return BLOCK_HEADER_SIZE + w.size;
}

int block_decode(const void *data, size_t size, struct block *ret)
{
        struct reader r = reader_make(data, size);
        const uint8_t *header = reader_bytes(&r, BLOCK_HEADER_SIZE);
        uint8_t leaves[BLOCK_RECORDS_MAX][HASH_SIZE], root[HASH_SIZE];

        if (!header || !block_header_decode(header, &ret->header))
                return -EINVAL;
        ret->n_records = reader_u8(&r);
        if (ret->n_records == 0 || ret->n_records > BLOCK_RECORDS_MAX)
                return -EINVAL;
        for (size_t i = 0; i < ret->n_records; i++) {
                size_t n;
                const uint8_t *record = reader_blob(&r, &n);

                if (!record || certificate_decode(record, n, &ret->records[i]) != 0)
                        return -EINVAL;
                leaf_hash(record, n, leaves[i]);
        }
        if (!reader_is_done(&r))
                return -EINVAL;
        tree_root(leaves, ret->n_records, root);
        if (memcmp(root, ret->header.root, HASH_SIZE) != 0)
                return -EINVAL;
        hash(&(struct blob){ header, BLOCK_HEADER_SIZE }, 1, ret->hash);
        return 0;
}

void block_prove(const struct block *b, size_t place, struct block_proof *ret)
{
        uint8_t leaves[BLOCK_RECORDS_MAX][HASH_SIZE], steps[PROOF_STEPS_MAX][HASH_SIZE];
        size_t begin = 0, n = b->n_records, at = place, n_steps = 0;

        assert(place < b->n_records);
        make_leaves(b, leaves);
        /* From the root down; a proof goes up. */
        while (n > 1) {
                size_t k = split_of(n);

                if (at < k) {
                        tree_root(leaves + begin + k, n - k, steps[n_steps++]);
                        n = k;
                } else {
                        tree_root(leaves + begin, k, steps[n_steps++]);
                        begin += k;
                        at -= k;
                        n -= k;
                }
        }
        *ret = (struct block_proof){
                .place = (uint8_t)place, .n_records = (uint8_t)b->n_records, .n_steps = n_steps
        };
        for (size_t i = 0; i < n_steps; i++)
                memcpy(ret->steps[i], steps[n_steps - 1 - i], HASH_SIZE);
}

bool block_proof_check(const struct block_proof *p, const struct certificate *c,
        const uint8_t root[static HASH_SIZE])
{
        uint8_t data[CERTIFICATE_SIZE_MAX], at[HASH_SIZE];
        bool is_right[PROOF_STEPS_MAX];
        size_t n = p->n_records, place = p->place, n_steps = 0;

        if (n == 0 || n > BLOCK_RECORDS_MAX || place >= n)
                return false;
        for (; n > 1; n_steps++) {
                size_t k = split_of(n);

                is_right[n_steps] = place >= k;
                place = is_right[n_steps] ? place - k : place;
                n = is_right[n_steps] ? n - k : k;
        }
        if (n_steps != p->n_steps)
                return false;
        leaf_hash(data, certificate_encode(c, data), at);
        for (size_t i = 0; i < n_steps; i++) {
                if (is_right[n_steps - 1 - i])
                        inner_hash(p->steps[i], at, at);
                else
                        inner_hash(at, p->steps[i], at);
        }
        return memcmp(at, root, HASH_SIZE) == 0;
}

size_t genesis_encode(struct genesis *g, uint8_t ret[static GENESIS_SIZE_MAX])
{
        struct writer w = writer_make(ret, GENESIS_SIZE_MAX);

        writer_u8(&w, GENESIS_MARK);
        writer_blob(&w, g->name, strlen(g->name));
        writer_u8(&w, g->bits);
        writer_u8(&w, (uint8_t)g->context.n_registrars);
        for (size_t i = 0; i < g->context.n_registrars; i++)
                writer_bytes(&w, g->context.registrars[i], PUBLIC_KEY_SIZE);
        assert(!w.failed);
        hash(&(struct blob){ ret, w.size }, 1, g->context.network);
        return w.size;
}

static bool read_registrars(struct reader *r, struct certificate_context *x)
{
        size_t n = reader_u8(r);

        if (n > REGISTRARS_MAX)
                return false;
        for (; x->n_registrars < n; x->n_registrars++) {
                const uint8_t *key = reader_bytes(r, PUBLIC_KEY_SIZE);

                if (!key || !sign_key_check(key))
                        return false;
                for (size_t i = 0; i < x->n_registrars; i++)
                        if (memcmp(x->registrars[i], key, PUBLIC_KEY_SIZE) == 0)
                                return false;
                memcpy(x->registrars[x->n_registrars], key, PUBLIC_KEY_SIZE);
        }
        return true;
}

int genesis_decode(const void *data, size_t size, struct genesis *ret)
{
        struct reader r = reader_make(data, size);
        struct genesis g = { .bits = 0 };
        uint8_t mark = reader_u8(&r);
        size_t n;
        const uint8_t *name = reader_blob(&r, &n);

        if (mark != GENESIS_MARK || !name || n > USERNAME_SIZE_MAX || memchr(name, 0, n))
                return -EINVAL;
        memcpy(g.name, name, n);
        g.bits = reader_u8(&r);
        if (!username_is_valid(g.name) || g.bits > WORK_BITS_MAX ||
                !read_registrars(&r, &g.context) || !reader_is_done(&r))
                return -EINVAL;
        if (g.context.n_registrars > 0 && g.bits > 0)
                return -EINVAL;
        hash(&(struct blob){ data, size }, 1, g.context.network);
        *ret = g;
        return 0;
}

void genesis_built_in(struct genesis *ret)
{
        uint8_t data[GENESIS_SIZE_MAX];

        *ret = (struct genesis){ .name = "p2pchat", .bits = BUILT_IN_BITS };
        (void)genesis_encode(ret, data);
}

void genesis_word(const struct genesis *g, char ret[static GENESIS_WORD_SIZE])
{
        size_t n = strlen(g->name);

        memcpy(ret, g->name, n);
        ret[n] = '#';
        base32_encode(g->context.network, ID_SIZE, ret + n + 1);
}
