/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keyed hash table */
#include "base/table.h"

#define ROTL(x, b) ((x) << (b) | (x) >> (64 - (b)))

static void sip_round(uint64_t v[static 4])
{
        v[0] += v[1], v[1] = ROTL(v[1], 13), v[1] ^= v[0], v[0] = ROTL(v[0], 32);
        v[2] += v[3], v[3] = ROTL(v[3], 16), v[3] ^= v[2];
        v[0] += v[3], v[3] = ROTL(v[3], 21), v[3] ^= v[0];
        v[2] += v[1], v[1] = ROTL(v[1], 17), v[1] ^= v[2], v[2] = ROTL(v[2], 32);
}

static uint64_t little_endian(const uint8_t *data, size_t size)
{
        uint64_t v = 0;

        for (size_t i = 0; i < size; i++)
                v |= (uint64_t)data[i] << 8 * i;
        return v;
}

uint64_t siphash(const uint8_t key[static TABLE_KEY_SIZE], const void *data, size_t size)
{
        uint64_t k0 = little_endian(key, 8), k1 = little_endian(key + 8, 8), m;
        uint64_t v[4] = { k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
                k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573) };
        const uint8_t *d = data;
        size_t left = size;

        for (; left >= 8; left -= 8, d += 8) {
                m = little_endian(d, 8);
                v[3] ^= m;
                sip_round(v);
                sip_round(v);
                v[0] ^= m;
        }
        m = (left > 0 ? little_endian(d, left) : 0) | (uint64_t)size << 56;
        v[3] ^= m;
        sip_round(v);
        sip_round(v);
        v[0] ^= m;
        v[2] ^= 0xff;
        for (int i = 0; i < 4; i++)
                sip_round(v);
        return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void table_init(struct table *t, const uint8_t key[static TABLE_KEY_SIZE])
{
        *t = (struct table){ 0 };
        memcpy(t->key, key, TABLE_KEY_SIZE);
}

void table_done(struct table *t)
{
        free(t->buckets);
        t->buckets = NULL;
        t->n_buckets = t->n = 0;
}

static struct table_entry **bucket(const struct table *t, uint64_t hash)
{
        return &t->buckets[hash & (t->n_buckets - 1)];
}

static int grow(struct table *t)
{
        struct table_entry **old = t->buckets;
        size_t n_old = t->n_buckets, n = n_old > 0 ? n_old * 2 : 16;
        struct table_entry **buckets = calloc(n, sizeof *buckets);

        if (!buckets)
                return n_old > 0 ? 0 : -ENOMEM;
        t->buckets = buckets;
        t->n_buckets = n;
        for (size_t i = 0; i < n_old; i++)
                for (struct table_entry *e = old[i], *next; e; e = next) {
                        next = e->next;
                        e->next = *bucket(t, e->hash);
                        *bucket(t, e->hash) = e;
                }
        free(old);
        return 0;
}

int table_add(struct table *t, struct table_entry *e, const void *key, size_t size)
{
        int r;

        if (t->n >= t->n_buckets) {
                r = grow(t);
                if (r < 0)
                        return r;
        }
        e->hash = siphash(t->key, key, size);
        e->next = *bucket(t, e->hash);
        *bucket(t, e->hash) = e;
        t->n++;
        return 0;
}

void table_remove(struct table *t, struct table_entry *e)
{
        for (struct table_entry **p = bucket(t, e->hash); *p; p = &(*p)->next)
                if (*p == e) {
                        *p = e->next;
                        t->n--;
                        return;
                }
}

struct table_entry *table_find(const struct table *t, const void *key, size_t size)
{
        uint64_t hash;

        if (t->n_buckets == 0)
                return NULL;
        hash = siphash(t->key, key, size);
        for (struct table_entry *e = *bucket(t, hash); e; e = e->next)
                if (e->hash == hash)
                        return e;
        return NULL;
}

struct table_entry *table_find_next(const struct table_entry *e)
{
        for (struct table_entry *n = e->next; n; n = n->next)
                if (n->hash == e->hash)
                        return n;
        return NULL;
}
