/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Secrets that wait for a second connection */
#include "core/crypto/crypto.h"
#include "core/legacy/talk.h"

struct exchange {
        struct table_entry by_address;
        struct list list;
        struct endpoint remote; /* with the port that exchange_put() was given */
        struct secrets secrets;
        usec_t until_usec;
};

static struct exchange *find(const struct legacy *l, const struct endpoint *remote, uint16_t port)
{
        struct endpoint key = *remote;

        key.port = port;
        for (struct table_entry *e = table_find(&l->exchanges_by_address, &key, sizeof key); e;
                e = table_find_next(e)) {
                struct exchange *x = container_of(e, struct exchange, by_address);

                if (endpoint_equal(&x->remote, &key))
                        return x;
        }
        return NULL;
}

static void drop(struct legacy *l, struct exchange *x)
{
        table_remove(&l->exchanges_by_address, &x->by_address);
        list_remove(&x->list);
        wipe(x, sizeof *x);
        free(x);
}

int exchange_put(struct legacy *l, const struct endpoint *remote, uint16_t port,
        const struct secrets *secrets, usec_t now_usec)
{
        struct exchange *x = find(l, remote, port);
        int r;

        if (x)
                drop(l, x);
        else if (l->exchanges_by_address.n >= EXCHANGES_MAX)
                drop(l, container_of(list_first(&l->exchanges), struct exchange, list));

        x = calloc(1, sizeof *x);
        if (!x)
                return -ENOMEM;
        x->remote = *remote;
        x->remote.port = port;
        x->secrets = *secrets;
        x->until_usec = usec_add(now_usec, EXCHANGE_USEC);
        r = table_add(&l->exchanges_by_address, &x->by_address, &x->remote, sizeof x->remote);
        if (r < 0) {
                wipe(x, sizeof *x);
                free(x);
                return r;
        }
        list_append(&l->exchanges, &x->list);
        return 0;
}

bool exchange_find(const struct legacy *l, const struct endpoint *remote, uint16_t port,
        usec_t now_usec, struct secrets *ret)
{
        struct exchange *x = find(l, remote, port);

        if (!x || x->until_usec <= now_usec)
                return false;
        *ret = x->secrets;
        return true;
}

void exchange_drop(struct legacy *l, const struct endpoint *remote, uint16_t port)
{
        struct exchange *x = find(l, remote, port);

        if (x)
                drop(l, x);
}

void exchanges_drop_ours(struct legacy *l)
{
        list_for_each_safe (i, &l->exchanges) {
                struct exchange *x = container_of(i, struct exchange, list);

                if (x->remote.port != 0)
                        drop(l, x);
        }
}

void exchanges_expire(struct legacy *l, usec_t now_usec)
{
        /* All live equally long, so the oldest goes first. */
        while (!list_is_empty(&l->exchanges) && exchanges_deadline(l) <= now_usec)
                drop(l, container_of(list_first(&l->exchanges), struct exchange, list));
}

usec_t exchanges_deadline(const struct legacy *l)
{
        struct list *first = list_first(&l->exchanges);

        return first ? container_of(first, struct exchange, list)->until_usec : USEC_INFINITY;
}

void exchanges_done(struct legacy *l)
{
        list_for_each_safe (i, &l->exchanges)
                drop(l, container_of(i, struct exchange, list));
        table_done(&l->exchanges_by_address);
}
