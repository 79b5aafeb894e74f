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

static int compare(const char *a, const char *b)
{
        char x[NAME_SIZE_MAX + 1], y[NAME_SIZE_MAX + 1];

        name_fold(a, x);
        name_fold(b, y);
        return strcmp(x, y);
}

/* Puts it in its place among the @n that are there; the last falls out when they are @n_max. */
static size_t put_in_order(const struct ledger *l, const struct claim *c, usec_t real_usec,
        struct ledger_name *names, size_t n, size_t n_max)
{
        size_t i = n;

        while (i > 0 && compare(c->name, names[i - 1].name) < 0)
                i--;
        if (i == n_max)
                return n;
        n = MIN(n + 1, n_max);
        memmove(names + i + 1, names + i, (n - 1 - i) * sizeof *names);
        show(l, c, real_usec, &names[i]);
        return n;
}

size_t ledger_list(const struct ledger *l, const char *after, usec_t real_usec,
        struct ledger_name *ret, size_t n_max)
{
        const struct table *t = &l->names.by_name;
        char folded[NAME_SIZE_MAX + 1];
        size_t n = 0;

        if (strlen(after) > NAME_SIZE_MAX)
                return 0;
        name_fold(after, folded);
        for (size_t i = 0; i < t->n_buckets && n_max > 0; i++)
                for (const struct table_entry *e = t->buckets[i]; e; e = e->next) {
                        const struct claim *c =
                                &container_of(e, const struct holding, by_name)->claim;

                        if (compare(c->name, folded) > 0)
                                n = put_in_order(l, c, real_usec, ret, n, n_max);
                }
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
                .work = l->genesis.context.n_registrars > 0
                                ? 0
                                : (uint64_t)tip->header.height << l->genesis.bits,
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
