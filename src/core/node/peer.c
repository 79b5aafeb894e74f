/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who we know */
#include "core/node/peer.h"
#include "core/crypto/random.h"

#define EVICT_SCAN_MAX 64

int peers_init(struct peers *p, struct discovery *discovery, size_t n_max, struct random *random)
{
        uint8_t key[TABLE_KEY_SIZE];

        *p = (struct peers){ .discovery = discovery, .n_max = n_max };
        random_bytes(random, key, sizeof key);
        table_init(&p->by_number, key);
        table_init(&p->by_name, key);
        table_init(&p->by_address, key);
        list_init(&p->changed);
        list_init(&p->waiting);
        return 0;
}

static void peer_free(struct peers *p, struct peer *peer)
{
        list_for_each_safe (i, &peer->outbox.messages)
                free(container_of(i, struct queued, waiting));
        table_remove(&p->by_number, &peer->by_number);
        table_remove(&p->by_name, &peer->by_name);
        table_remove(&p->by_address, &peer->by_address);
        discovery_remove(p->discovery, &peer->neighbour);
        list_remove(&peer->changed);
        list_remove(&peer->waiting);
        free(peer);
}

void peers_done(struct peers *p)
{
        for (size_t i = 0; i < p->by_number.n_buckets; i++)
                while (p->by_number.buckets[i])
                        peer_free(p, container_of(p->by_number.buckets[i], struct peer, by_number));
        table_done(&p->by_number);
        table_done(&p->by_name);
        table_done(&p->by_address);
}

/* The bytes that make an address: without its port. */
struct address {
        uint8_t bytes[16];
        uint32_t scope;
};

static struct address address_of(const struct endpoint *e)
{
        struct address a = { .scope = e->scope };

        memcpy(a.bytes, e->address, sizeof a.bytes);
        return a;
}

static int index_name(struct peers *p, struct peer *peer)
{
        char folded[NAME_SIZE_MAX + 1];

        name_fold(peer->record.name, folded);
        return table_add(&p->by_name, &peer->by_name, folded, strlen(folded));
}

static int index_peer(struct peers *p, struct peer *peer)
{
        struct address address = address_of(&peer->record.endpoint);
        int r;

        r = table_add(
                &p->by_number, &peer->by_number, &peer->record.number, sizeof peer->record.number);
        if (r < 0)
                return r;
        r = index_name(p, peer);
        if (r < 0)
                goto undo_number;
        r = table_add(&p->by_address, &peer->by_address, &address, sizeof address);
        if (r < 0)
                goto undo_name;
        return 0;

undo_name:
        table_remove(&p->by_name, &peer->by_name);
undo_number:
        table_remove(&p->by_number, &peer->by_number);
        return r;
}

static bool has_room(const struct peers *p, const struct endpoint *e)
{
        size_t n = 0;

        if (p->by_number.n >= p->n_max)
                return false;
        for (struct peer *i = peers_next_at(p, e, NULL); i; i = peers_next_at(p, e, i))
                n++;
        return n < PEERS_PER_ADDRESS_MAX;
}

int peers_add(struct peers *p, const struct peer_record *record, usec_t heard_usec, usec_t now_usec,
        struct peer **ret)
{
        struct peer *peer;
        int r;

        if (record->number == 0 && !has_room(p, &record->endpoint))
                return -ENOBUFS;

        peer = calloc(1, sizeof *peer);
        if (!peer)
                return -ENOMEM;
        peer->record = *record;
        if (peer->record.number == 0)
                peer->record.number = p->number_last + 1;
        list_init(&peer->changed);
        list_init(&peer->waiting);
        outbox_init(&peer->outbox);

        r = index_peer(p, peer);
        if (r < 0) {
                free(peer);
                return r;
        }
        p->number_last = MAX(p->number_last, peer->record.number);
        discovery_add(p->discovery, &peer->neighbour, heard_usec, now_usec);
        *ret = peer;
        return 0;
}

int peers_evict(struct peers *p, uint64_t *ret_number)
{
        struct list *head = &p->discovery->by_age[PRESENCE_OFFLINE];
        size_t n = 0;

        list_for_each_safe (i, head) {
                struct peer *peer = container_of(
                        container_of(i, struct neighbour, aged), struct peer, neighbour);

                if (++n > EVICT_SCAN_MAX)
                        break;
                if (peer->record.has_history || peer->record.blocked ||
                        peer->record.muted_until_usec > 0 || peer->outbox.n > 0 || peer->delivery) {
                        /* It stays; look at others first the next time. */
                        list_remove(i);
                        list_append(head, i);
                        continue;
                }
                *ret_number = peer->record.number;
                peer_free(p, peer);
                return 0;
        }
        return -ENOBUFS;
}

int peers_rename(struct peers *p, struct peer *peer, const char *name)
{
        table_remove(&p->by_name, &peer->by_name);
        memcpy(peer->record.name, name, strlen(name) + 1);
        return index_name(p, peer);
}

struct peer *peers_by_number(const struct peers *p, uint64_t number)
{
        for (struct table_entry *e = table_find(&p->by_number, &number, sizeof number); e;
                e = table_find_next(e)) {
                struct peer *peer = container_of(e, struct peer, by_number);

                if (peer->record.number == number)
                        return peer;
        }
        return NULL;
}

struct peer *peers_next_named(const struct peers *p, const char *name, const struct peer *previous)
{
        struct table_entry *e;

        if (previous) {
                e = table_find_next(&previous->by_name);
        } else {
                char folded[NAME_SIZE_MAX + 1];

                name_fold(name, folded);
                e = table_find(&p->by_name, folded, strlen(folded));
        }
        for (; e; e = table_find_next(e))
                if (name_equal(container_of(e, struct peer, by_name)->record.name, name))
                        return container_of(e, struct peer, by_name);
        return NULL;
}

struct peer *peers_bearer(const struct peers *p, const char *name, bool *ret_several)
{
        struct peer *best = NULL;

        if (ret_several)
                *ret_several = false;
        for (struct peer *i = peers_next_named(p, name, NULL); i;
                i = peers_next_named(p, name, i)) {
                if (!peer_is_present(i))
                        continue;
                if (best && !peer_is_same_machine(best, i)) {
                        if (ret_several)
                                *ret_several = true;
                        return NULL;
                }
                if (!best || i->neighbour.presence > best->neighbour.presence ||
                        (i->neighbour.presence == best->neighbour.presence &&
                                i->record.number < best->record.number))
                        best = i;
        }
        return best;
}

struct peer *peers_next_at(
        const struct peers *p, const struct endpoint *endpoint, const struct peer *previous)
{
        struct address address = address_of(endpoint);
        struct table_entry *e = previous ? table_find_next(&previous->by_address)
                                         : table_find(&p->by_address, &address, sizeof address);

        for (; e; e = table_find_next(e)) {
                struct peer *peer = container_of(e, struct peer, by_address);

                if (endpoint_same_address(&peer->record.endpoint, endpoint))
                        return peer;
        }
        return NULL;
}

struct peer *peers_at(const struct peers *p, const struct endpoint *e, const char *name)
{
        for (struct peer *i = peers_next_at(p, e, NULL); i; i = peers_next_at(p, e, i))
                if (name_equal(i->record.name, name))
                        return i;
        return NULL;
}

void peer_presence_changed(struct peers *p, struct peer *peer)
{
        list_remove(&peer->changed);
        list_append(&p->changed, &peer->changed);
}

void peer_touch(struct peers *p, struct peer *peer)
{
        peer->is_dirty = true;
        peer_presence_changed(p, peer);
}

void peer_queue_changed(struct peers *p, struct peer *peer)
{
        if (peer->outbox.n == 0)
                list_remove(&peer->waiting);
        else if (list_is_empty(&peer->waiting))
                list_append(&p->waiting, &peer->waiting);
}
