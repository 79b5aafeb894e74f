/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can be asked of the ledger */
#include "core/ledger/ledger-internal.h"

const struct genesis *ledger_genesis(const struct ledger *l)
{
        return &l->genesis;
}

static void show(
        const struct ledger *l, const struct claim *c, usec_t real_usec, struct ledger_name *ret)
{
        *ret = (struct ledger_name){
                .has_successor = c->has_successor,
                .state = real_usec >= c->until_usec ? LEDGER_ENDED
                         : c->is_revoked            ? LEDGER_REVOKED
                                                    : LEDGER_HELD,
                .since_usec = c->since_usec,
                .until_usec = c->until_usec,
                .height = c->height,
        };
        memcpy(ret->name, c->name, sizeof ret->name);
        memcpy(ret->public_key, c->public_key, sizeof ret->public_key);
        memcpy(ret->successor, c->successor, sizeof ret->successor);
        memcpy(ret->block, l->links[c->height].hash, sizeof ret->block);
}

bool ledger_find(
        const struct ledger *l, const char *name, usec_t real_usec, struct ledger_name *ret)
{
        /* A name of somebody may be longer than any that can be registered. */
        const struct holding *h = username_is_valid(name) ? names_find(&l->names, name) : NULL;

        if (h)
                show(l, &h->claim, real_usec, ret);
        return h;
}

bool ledger_find_key(const struct ledger *l, const uint8_t key[static PUBLIC_KEY_SIZE],
        usec_t real_usec, struct ledger_name *ret)
{
        const struct holding *h = names_find_key(&l->names, key, real_usec);

        if (h)
                show(l, &h->claim, real_usec, ret);
        return h;
}

static int lower(char c)
{
        return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : (unsigned char)c;
}

/* As name_equal() folds. */
static int compare(const char *a, const char *b)
{
        while (*a && lower(*a) == lower(*b)) {
                a++;
                b++;
        }
        return lower(*a) - lower(*b);
}

static int compare_names(const void *a, const void *b)
{
        return compare(
                ((const struct ledger_name *)a)->name, ((const struct ledger_name *)b)->name);
}

static void swap(struct ledger_name *a, struct ledger_name *b)
{
        struct ledger_name c = *a;

        *a = *b;
        *b = c;
}

/* The names are a heap, the last in order on top. */
static void sift_up(struct ledger_name *names, size_t i)
{
        for (; i > 0 && compare_names(&names[i], &names[(i - 1) / 2]) > 0; i = (i - 1) / 2)
                swap(&names[i], &names[(i - 1) / 2]);
}

static void sift_down(struct ledger_name *names, size_t n)
{
        for (size_t i = 0, k; (k = 2 * i + 1) < n; i = k) {
                if (k + 1 < n && compare_names(&names[k + 1], &names[k]) > 0)
                        k++;
                if (compare_names(&names[k], &names[i]) <= 0)
                        return;
                swap(&names[k], &names[i]);
        }
}

/* The first @n_max so far, in a heap; the new size of it. */
static size_t put_in_heap(const struct ledger *l, const struct claim *c, usec_t real_usec,
        struct ledger_name *names, size_t n, size_t n_max)
{
        if (n < n_max) {
                show(l, c, real_usec, &names[n]);
                sift_up(names, n);
                return n + 1;
        }
        if (compare(c->name, names[0].name) < 0) {
                show(l, c, real_usec, &names[0]);
                sift_down(names, n);
        }
        return n;
}

size_t ledger_list(const struct ledger *l, const char *after, usec_t real_usec,
        struct ledger_name *ret, size_t n_max)
{
        const struct table *t = &l->names.by_name;
        size_t n = 0;

        for (size_t i = 0; i < t->n_buckets && n_max > 0; i++)
                for (const struct table_entry *e = t->buckets[i]; e; e = e->next) {
                        const struct claim *c =
                                &container_of(e, const struct holding, by_name)->claim;

                        if (compare(c->name, after) > 0)
                                n = put_in_heap(l, c, real_usec, ret, n, n_max);
                }
        if (n > 0)
                qsort(ret, n, sizeof *ret, compare_names);
        return n;
}

size_t ledger_unapproved(const struct ledger *l, struct certificate *ret, size_t n_max)
{
        size_t n = 0;

        list_for_each (i, &l->pool) {
                const struct waiting *w = container_of(i, struct waiting, in_pool);

                if (!w->is_approved && n < n_max)
                        ret[n++] = w->certificate;
        }
        return n;
}

void ledger_status(const struct ledger *l, struct ledger_status *ret)
{
        const struct link *tip = chain_tip(l);

        *ret = (struct ledger_status){
                .height = tip->header.height,
                .final_height = l->final_height,
                .n_records = tip->header.total,
                .work = l->genesis.context.n_registrars > 0 ? 0
                                                            : tip->header.total << l->genesis.bits,
                .n_names = l->names.by_name.n,
                .n_waiting = l->n_pool,
                .n_unapproved = l->n_unapproved,
                .n_peers = l->n_members,
                .is_catching_up = l->path.n > 0,
        };
        memcpy(ret->tip, tip->hash, HASH_SIZE);
}

bool ledger_header(const struct ledger *l, uint32_t height, struct block_header *ret,
        uint8_t ret_hash[static HASH_SIZE])
{
        if (height == 0 || height >= l->n_links)
                return false;
        *ret = l->links[height].header;
        memcpy(ret_hash, l->links[height].hash, HASH_SIZE);
        return true;
}
