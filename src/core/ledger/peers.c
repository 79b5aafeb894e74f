/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Members that we talk to: what is told to them, and what they are answered */
#include "base/cursor.h"
#include "core/ledger/ledger-internal.h"

struct member *peers_find(struct ledger *l, const struct ledger_peer *peer)
{
        for (size_t i = 0; i < l->n_members; i++)
                if (peer_equal(&l->members[i].peer, peer))
                        return &l->members[i];
        return NULL;
}

size_t ledger_write_tip(const struct ledger *l, uint8_t ret[static LEDGER_MESSAGE_SIZE_MAX])
{
        const struct block_header *h = l->n_links > 1 ? &chain_tip(l)->header : NULL;

        return gossip_tip(l->genesis.context.network, h, ret);
}

void peers_tell_tip(struct ledger *l)
{
        for (size_t i = 0; i < l->n_members; i++)
                ledger_send(l, &l->members[i].peer, ledger_write_tip(l, l->message));
}

static void write_record(struct writer *w, const struct certificate *c)
{
        uint8_t data[CERTIFICATE_SIZE_MAX];

        writer_blob(w, data, certificate_encode(c, data));
}

void peers_tell_record(struct ledger *l, const struct certificate *c, const struct ledger_peer *but)
{
        for (size_t i = 0; i < l->n_members; i++) {
                struct writer w = writer_make(l->message, sizeof l->message);

                if (but && peer_equal(&l->members[i].peer, but))
                        continue;
                writer_u8(&w, GOSSIP_RECORDS);
                writer_u8(&w, 1);
                write_record(&w, c);
                ledger_send(l, &l->members[i].peer, w.size);
        }
}

static void tell_pool(struct ledger *l, const struct ledger_peer *peer)
{
        struct list *i = l->pool.next;

        while (i != &l->pool) {
                struct writer w = writer_make(l->message, sizeof l->message);
                uint8_t n = 0;

                writer_u8(&w, GOSSIP_RECORDS);
                writer_u8(&w, 0);
                for (; i != &l->pool && n < GOSSIP_RECORDS_MAX; i = i->next, n++)
                        write_record(&w, &container_of(i, struct waiting, in_pool)->certificate);
                l->message[1] = n;
                ledger_send(l, peer, w.size);
        }
}

void peers_meet(struct ledger *l, const struct ledger_peer *peer)
{
        struct member *m = peers_find(l, peer);
        bool is_again = m;

        if (!m && l->n_members == ELEMENTSOF(l->members))
                return;
        if (!m)
                m = &l->members[l->n_members++];
        *m = (struct member){ .peer = *peer,
                .heard = { .interval_usec = USEC_PER_MINUTE, .burst = HEARD_BURST },
                .records = { .interval_usec = USEC_PER_MINUTE, .burst = LEDGER_RECORDS_BURST },
                .served = { .interval_usec = USEC_PER_MINUTE, .burst = SERVED_BURST } };
        if (is_again)
                path_peer_gone(l, peer);
        list_for_each (i, &l->pool)
                m->n_charged += peer_equal(&container_of(i, struct waiting, in_pool)->peer, peer);
        ledger_send(l, peer, ledger_write_tip(l, l->message));
        tell_pool(l, peer);
}

void peers_remove(struct ledger *l, struct member *m)
{
        struct ledger_peer peer = m->peer;

        *m = l->members[--l->n_members];
        path_peer_gone(l, &peer);
}

static void received_tip(struct ledger *l, struct member *m, const struct gossip *message)
{
        uint8_t hash[HASH_SIZE];

        if (!hash_equal(message->network, l->genesis.context.network)) {
                peers_remove(l, m);
                return;
        }
        if (!message->has_header)
                return;
        block_header_hash(&message->header, hash);
        if (!block_has_work(hash, l->genesis.bits)) {
                ledger_ban(l, &m->peer);
                return;
        }
        m->has_tip = true;
        m->is_tip_done = false;
        m->tip = message->header;
        memcpy(m->tip_hash, hash, sizeof hash);
        path_begin(l);
}

/* What an honest member never sends on; the rest may be a matter of who heard of what first. */
static bool is_dishonest(int fault)
{
        return fault == LEDGER_NOT_GENUINE;
}

static void received_records(struct ledger *l, struct member *m, const struct gossip *message)
{
        struct reader r = reader_make(message->items, message->size);

        for (size_t i = 0; i < message->n; i++) {
                struct certificate c;
                size_t size;
                const uint8_t *data = reader_blob(&r, &size);
                int fault = LEDGER_NOT_GENUINE;

                if (!ratelimit_allow(&m->heard, l->now.mono_usec))
                        return;
                if (certificate_decode(data, size, &c) == 0) {
                        if (pool_find(l, c.id) && !c.has_registrar)
                                continue;
                        if (!ratelimit_allow(&m->records, l->now.mono_usec))
                                return;
                        fault = pool_add(l, &c, m);
                }
                if (fault < 0) {
                        l->error = fault;
                        return;
                }
                if (is_dishonest(fault)) {
                        ledger_ban(l, &m->peer);
                        return;
                }
        }
}

/* The height of the first of these blocks that we have. */
static uint32_t common_height(const struct ledger *l, const struct gossip *message)
{
        struct wanted w;

        for (size_t i = 0; i < message->n; i++) {
                gossip_wanted(message, i, &w);
                if (chain_has(l, w.height, w.hash))
                        return w.height;
        }
        return 0;
}

static void answer_headers(struct ledger *l, struct member *m, const struct gossip *message)
{
        size_t begin = common_height(l, message) + 1;
        size_t n = MIN(l->n_links - begin, (size_t)GOSSIP_HEADERS_MAX);
        struct writer w = writer_make(l->message, sizeof l->message);

        writer_u8(&w, GOSSIP_HEADERS);
        writer_u16(&w, (uint16_t)n);
        for (size_t i = 0; i < n; i++) {
                uint8_t header[BLOCK_HEADER_SIZE];

                block_header_encode(&l->links[begin + i].header, header);
                writer_bytes(&w, header, sizeof header);
        }
        assert(!w.failed);
        ledger_send(l, &m->peer, w.size);
}

static void answer_block(struct ledger *l, struct member *m, const struct gossip *message)
{
        const struct body *body;
        struct ledger_effect *e;
        struct wanted wanted;

        gossip_wanted(message, 0, &wanted);
        if (wanted.height == 0 || !chain_has(l, wanted.height, wanted.hash)) {
                ledger_send(l, &m->peer, gossip_one(GOSSIP_MISSING, &wanted, l->message));
                return;
        }
        body = l->links[wanted.height].body;
        if (body) {
                l->message[0] = GOSSIP_BLOCK;
                memcpy(l->message + 1, body->data, body->size);
                ledger_send(l, &m->peer, 1 + body->size);
                return;
        }
        e = ledger_add_effect(l, LEDGER_LOAD, 0);
        if (!e)
                return;
        e->peer = m->peer;
        e->height = wanted.height;
        memcpy(e->hash, wanted.hash, HASH_SIZE);
}

static void answer(struct ledger *l, struct member *m, const struct gossip *message)
{
        if (!ratelimit_allow(&m->served, l->now.mono_usec))
                return;
        if (message->kind == GOSSIP_GET_HEADERS)
                answer_headers(l, m, message);
        else
                answer_block(l, m, message);
}

void peers_received(struct ledger *l, struct member *m, const struct gossip *message)
{
        switch (message->kind) {
        case GOSSIP_TIP:
                received_tip(l, m, message);
                break;
        case GOSSIP_RECORDS:
                received_records(l, m, message);
                break;
        case GOSSIP_GET_HEADERS:
        case GOSSIP_GET_BLOCK:
                answer(l, m, message);
                break;
        case GOSSIP_HEADERS:
                path_headers(l, m, message);
                break;
        case GOSSIP_BLOCK:
                path_block(l, m, message->data, message->size);
                break;
        case GOSSIP_MISSING:
                path_missing(l, m, message);
                break;
        case GOSSIP_GET_GENESIS:
        case GOSSIP_GENESIS:
                break; /* the caller's: who has no engine yet asks and hears, too */
        }
}
