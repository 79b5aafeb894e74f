/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The engine of the ledger: begins and ends, messages and times */
#include "core/ledger/ledger-internal.h"

int ledger_new(const struct ledger_options *options, struct ledger **ret)
{
        struct ledger *l = calloc(1, sizeof *l);
        uint8_t data[GENESIS_SIZE_MAX];

        if (!l)
                return -ENOMEM;
        l->links = calloc(1, sizeof *l->links);
        if (!l->links) {
                free(l);
                return -ENOMEM;
        }
        l->genesis = *options->genesis;
        (void)genesis_encode(&l->genesis, data);
        l->random = options->random;
        l->n_links = l->links_allocated = 1;
        memcpy(l->links[0].hash, l->genesis.context.network, HASH_SIZE);
        names_init(&l->names, l->random);
        list_init(&l->pool);
        list_init(&l->effects);
        *ret = l;
        return 0;
}

struct ledger *ledger_free(struct ledger *l)
{
        if (!l)
                return NULL;
        list_for_each_safe (i, &l->effects)
                free(container_of(i, struct queued_effect, in_effects));
        free(l->given);
        pool_clear(l);
        path_clear(l);
        mine_forget(l);
        names_done(&l->names);
        for (size_t i = 0; i < l->n_links; i++)
                free(l->links[i].body);
        free(l->links);
        free(l);
        return NULL;
}

/* Effects */

struct ledger_effect *ledger_add_effect(struct ledger *l, enum ledger_effect_type type, size_t size)
{
        struct queued_effect *q = calloc(1, sizeof *q + size);

        if (!q) {
                l->error = -ENOMEM;
                return NULL;
        }
        q->effect.type = type;
        q->effect.data = q->data;
        q->effect.size = size;
        list_append(&l->effects, &q->in_effects);
        return &q->effect;
}

void ledger_send(struct ledger *l, const struct ledger_peer *peer, size_t size)
{
        struct ledger_effect *e = ledger_add_effect(l, LEDGER_SEND, size);

        if (!e)
                return;
        e->peer = *peer;
        memcpy((uint8_t *)e->data, l->message, size);
}

void ledger_ban(struct ledger *l, const struct ledger_peer *peer)
{
        struct ledger_effect *e = ledger_add_effect(l, LEDGER_BAN, 0);
        struct member *m = peers_find(l, peer);

        if (e)
                e->peer = *peer;
        if (m)
                peers_remove(l, m);
}

bool ledger_next_effect(struct ledger *l, struct ledger_effect *ret)
{
        struct list *first = list_first(&l->effects);

        free(l->given);
        l->given = NULL;
        if (!first)
                return false;
        list_remove(first);
        l->given = container_of(first, struct queued_effect, in_effects);
        *ret = l->given->effect;
        return true;
}

/* Stored blocks */

static int append_stored(struct ledger *l, const void *data, size_t size, enum verify verify,
        usec_t held_usec, size_t *ret_bad)
{
        const struct link *tip = chain_tip(l);
        usec_t times[LEDGER_MEDIAN];
        struct block b;
        int r;

        *ret_bad = 0;
        if (block_decode(data, size, &b) < 0 ||
                !chain_header_follows(l, tip, times, chain_times(l, tip->header.height, times),
                        &b.header, b.hash))
                return LEDGER_INVALID;
        r = chain_append(l, &b, data, size, verify, held_usec, ret_bad);
        if (r == 0)
                chain_update_final(l);
        return r;
}

int ledger_restore(struct ledger *l, const void *data, size_t size, usec_t held_usec)
{
        size_t bad;

        return append_stored(l, data, size, VERIFY_NOTHING, held_usec, &bad);
}

int ledger_check(struct ledger *l, const void *data, size_t size, size_t *ret_bad)
{
        return append_stored(l, data, size, VERIFY_RECORDS, 0, ret_bad);
}

int ledger_verify_some(struct ledger *l, const void *data, size_t size, size_t first, size_t n,
        size_t *ret_first, size_t *ret_n)
{
        struct block b;
        size_t end = 0;

        if (block_decode(data, size, &b) < 0)
                b.n_records = 0;
        else
                end = first < b.n_records ? first + MIN(n, b.n_records - first) : b.n_records;
        for (size_t i = first; i < end; i++) {
                int r = chain_verify_record(l, &b.records[i]);

                if (r < 0)
                        return r;
        }
        *ret_first = end;
        *ret_n = b.n_records;
        return 0;
}

/* Inputs */

int ledger_connected(struct ledger *l, const struct ledger_peer *peer, const struct now *now)
{
        l->now = *now;
        peers_meet(l, peer);
        return l->error;
}

int ledger_gone(struct ledger *l, const struct ledger_peer *peer, const struct now *now)
{
        struct member *m = peers_find(l, peer);

        l->now = *now;
        if (m)
                peers_remove(l, m);
        return l->error;
}

int ledger_receive(struct ledger *l, const struct ledger_peer *from, const void *data, size_t size,
        const struct now *now)
{
        struct member *m = peers_find(l, from);
        struct gossip message;
        int r;

        l->now = *now;
        chain_update_final(l);
        if (!m)
                return l->error;
        r = gossip_decode(data, size, &message);
        if (r == 0)
                peers_received(l, m, &message);
        else if (r == GOSSIP_MALFORMED)
                ledger_ban(l, from);
        return l->error;
}

int ledger_loaded(struct ledger *l, const struct ledger_peer *peer, const void *data, size_t size,
        const struct now *now)
{
        l->now = *now;
        if (peers_find(l, peer) && size <= BLOCK_SIZE_MAX) {
                l->message[0] = GOSSIP_BLOCK;
                memcpy(l->message + 1, data, size);
                ledger_send(l, peer, 1 + size);
        }
        return l->error;
}

int ledger_advance(struct ledger *l, const struct now *now)
{
        l->now = *now;
        chain_update_final(l);
        path_advance(l);
        pool_tell_again(l);
        return l->error;
}

usec_t ledger_deadline(const struct ledger *l)
{
        return usec_min(path_deadline(l), pool_deadline(l));
}

int ledger_submit(struct ledger *l, const struct certificate *c, const struct now *now)
{
        int r;

        l->now = *now;
        r = pool_add(l, c, NULL);
        if (r < 0)
                l->error = r;
        return l->error < 0 ? l->error : r;
}
