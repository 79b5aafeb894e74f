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
        table_init(&p->by_contact, key);
        table_init(&p->by_id, key);
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
        if (peer_is_contact(peer))
                table_remove(&p->by_contact, &peer->by_contact);
        if (peer_is_native(peer))
                table_remove(&p->by_id, &peer->by_id);
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
        table_done(&p->by_contact);
        table_done(&p->by_id);
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

static int index_by_name(struct table *t, struct table_entry *e, const char *name)
{
        char folded[NAME_SIZE_MAX + 1];

        name_fold(name, folded);
        return table_add(t, e, folded, strlen(folded));
}

static int index_address(struct peers *p, struct peer *peer)
{
        struct address address = address_of(&peer->record.endpoint);

        return table_add(&p->by_address, &peer->by_address, &address, sizeof address);
}

static int index_peer(struct peers *p, struct peer *peer)
{
        struct peer_record *record = &peer->record;
        int r;

        r = table_add(&p->by_number, &peer->by_number, &record->number, sizeof record->number);
        if (r < 0)
                return r;
        r = index_by_name(&p->by_name, &peer->by_name, record->name);
        if (r < 0)
                goto undo_number;
        r = index_address(p, peer);
        if (r < 0)
                goto undo_name;
        if (peer_is_native(peer)) {
                r = table_add(&p->by_id, &peer->by_id, record->id, strlen(record->id));
                if (r < 0)
                        goto undo_address;
        }
        if (peer_is_contact(peer)) {
                r = index_by_name(&p->by_contact, &peer->by_contact, record->contact);
                if (r < 0)
                        goto undo_id;
        }
        return 0;

undo_id:
        table_remove(&p->by_id, &peer->by_id);
undo_address:
        table_remove(&p->by_address, &peer->by_address);
undo_name:
        table_remove(&p->by_name, &peer->by_name);
undo_number:
        table_remove(&p->by_number, &peer->by_number);
        return r;
}

bool peers_has_place(const struct peers *p, const struct endpoint *e)
{
        size_t n = 0;

        for (struct peer *i = peers_next_at(p, e, NULL); i; i = peers_next_at(p, e, i))
                n++;
        return n < PEERS_PER_ADDRESS_MAX;
}

bool peers_has_name(const struct peers *p, const char *name)
{
        size_t n = 0;

        for (struct peer *i = peers_next_named(p, name, NULL); i; i = peers_next_named(p, name, i))
                n++;
        return n < PEERS_PER_NAME_MAX;
}

int peers_add(struct peers *p, const struct peer_record *record, usec_t heard_usec, usec_t now_usec,
        struct peer **ret)
{
        struct peer *peer;
        int r;

        if (record->number == 0 &&
                (p->by_number.n >= p->n_max || !peers_has_place(p, &record->endpoint) ||
                        !peers_has_name(p, record->name)))
                return -ENOBUFS;
        if (record->id[0] && peers_by_id(p, record->id))
                return -EEXIST;

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
        p->has_blocked |= record->blocked;
        peer->neighbour.is_native = record->is_proven;
        if (peer_is_native(peer))
                peer->whereabouts[0] = record->endpoint;
        discovery_add(p->discovery, &peer->neighbour, heard_usec, now_usec);
        *ret = peer;
        return 0;
}

/* Nothing would be lost with it, and nobody has a pointer to it. */
static bool is_traceless(const struct peer *peer)
{
        return !peer->record.has_history && !peer->record.blocked && !peer_is_contact(peer) &&
               peer->record.muted_until_usec == 0 && peer->outbox.n == 0 && !peer->has_files &&
               !peer->delivery && !peer->native && !peer->neighbour.is_held && !peer->is_fellow;
}

bool peers_drop(struct peers *p, struct peer *peer)
{
        if (!is_traceless(peer))
                return false;
        peer_free(p, peer);
        return true;
}

/* The one of both who may go, and who was heard less lately; or NULL. */
static struct peer *better_gone(struct peer *a, struct peer *b, bool even_present)
{
        if (!is_traceless(b) || (!even_present && peer_is_present(b)))
                return a;
        return !a || b->neighbour.heard_usec < a->neighbour.heard_usec ? b : a;
}

static struct peer *traceless_at(
        const struct peers *p, const struct endpoint *at, bool even_present)
{
        struct peer *found = NULL;

        for (struct peer *i = peers_next_at(p, at, NULL); i; i = peers_next_at(p, at, i))
                found = better_gone(found, i, even_present);
        return found;
}

static struct peer *traceless_named(const struct peers *p, const char *name, bool even_present)
{
        struct peer *found = NULL;

        for (struct peer *i = peers_next_named(p, name, NULL); i; i = peers_next_named(p, name, i))
                found = better_gone(found, i, even_present);
        return found;
}

static struct peer *traceless_among(struct peers *p, enum presence presence)
{
        struct list *head = &p->discovery->by_age[presence][NEIGHBOUR_CLASSIC];
        size_t n = 0;

        list_for_each_safe (i, head) {
                struct peer *peer = container_of(
                        container_of(i, struct neighbour, aged), struct peer, neighbour);

                if (++n > EVICT_SCAN_MAX)
                        break;
                if (is_traceless(peer))
                        return peer;
                if (presence != PRESENCE_OFFLINE)
                        continue;
                /* It stays; look at others first the next time. */
                list_remove(i);
                list_append(head, i);
        }
        return NULL;
}

int peers_evict(struct peers *p, const struct peer_record *newcomer, bool even_present,
        uint64_t *ret_number)
{
        struct peer *peer;

        if (!peers_has_place(p, &newcomer->endpoint)) {
                peer = traceless_at(p, &newcomer->endpoint, even_present);
        } else if (!peers_has_name(p, newcomer->name)) {
                peer = traceless_named(p, newcomer->name, even_present);
        } else {
                peer = traceless_among(p, PRESENCE_OFFLINE);
                if (!peer && even_present)
                        peer = traceless_among(p, PRESENCE_AWAY);
                if (!peer && even_present)
                        peer = traceless_among(p, PRESENCE_ONLINE);
        }
        if (!peer)
                return -ENOBUFS;
        *ret_number = peer->record.number;
        peer_free(p, peer);
        return 0;
}

int peers_rename(struct peers *p, struct peer *peer, const char *name)
{
        table_remove(&p->by_name, &peer->by_name);
        memcpy(peer->record.name, name, strlen(name) + 1);
        return index_by_name(&p->by_name, &peer->by_name, peer->record.name);
}

int peers_bind(struct peers *p, struct peer *peer, const char *contact)
{
        int r;

        if (peer_is_contact(peer))
                table_remove(&p->by_contact, &peer->by_contact);
        memcpy(peer->record.contact, contact, strlen(contact) + 1);
        if (!peer_is_contact(peer))
                return 0;
        r = index_by_name(&p->by_contact, &peer->by_contact, peer->record.contact);
        if (r < 0)
                peer->record.contact[0] = 0;
        return r;
}

int peers_move(struct peers *p, struct peer *peer, const struct endpoint *to)
{
        bool is_same = endpoint_same_address(&peer->record.endpoint, to);

        if (!is_same)
                table_remove(&p->by_address, &peer->by_address);
        peer->record.endpoint = *to;
        return is_same ? 0 : index_address(p, peer);
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

struct peer *peers_by_id(const struct peers *p, const char *id)
{
        for (struct table_entry *e = table_find(&p->by_id, id, strlen(id)); e;
                e = table_find_next(e)) {
                struct peer *peer = container_of(e, struct peer, by_id);

                if (streq(peer->record.id, id))
                        return peer;
        }
        return NULL;
}

struct peer *peers_contact(const struct peers *p, const char *name)
{
        char folded[NAME_SIZE_MAX + 1];

        if (strlen(name) > NAME_SIZE_MAX)
                return NULL;
        name_fold(name, folded);
        for (struct table_entry *e = table_find(&p->by_contact, folded, strlen(folded)); e;
                e = table_find_next(e)) {
                struct peer *peer = container_of(e, struct peer, by_contact);

                if (name_equal(peer->record.contact, name))
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

bool peers_is_hidden(const struct peers *p, const struct peer *peer)
{
        if (peer_is_native(peer))
                return peer->is_borrower;
        if (peers_successor(p, peer))
                return true;
        for (struct peer *i = peers_next_at(p, &peer->record.endpoint, NULL); i;
                i = peers_next_at(p, &peer->record.endpoint, i))
                if (peer_is_native(i) && peer_is_present(i) &&
                        name_equal(i->record.name, peer->record.name))
                        return true;
        return false;
}

struct peer *peers_bearer(const struct peers *p, const char *name, bool *ret_several)
{
        struct peer *found = NULL;

        if (ret_several)
                *ret_several = false;
        for (struct peer *i = peers_next_named(p, name, NULL); i;
                i = peers_next_named(p, name, i)) {
                if (!peer_is_present(i) || peers_is_hidden(p, i))
                        continue;
                if (found) {
                        if (ret_several)
                                *ret_several = true;
                        return NULL;
                }
                found = i;
        }
        return found;
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
                if (!peer_is_native(i) && name_equal(i->record.name, name))
                        return i;
        return NULL;
}

struct peer *peers_successor(const struct peers *p, const struct peer *peer)
{
        return peer->record.successor > 0 ? peers_by_number(p, peer->record.successor) : NULL;
}

bool peers_is_namesake(const struct peers *p, const struct peer *peer)
{
        struct peer *contact = peers_contact(p, peer->record.name);

        return contact && contact != peer && !peer_is_contact(peer) &&
               peers_successor(p, peer) != contact;
}

bool peer_sighted(struct peer *peer, const struct endpoint *at)
{
        size_t n, first = 0;

        for (n = 0; n < WHEREABOUTS_MAX && peer->whereabouts[n].family != ENDPOINT_NONE; n++)
                if (endpoint_equal(&peer->whereabouts[n], at))
                        return false;

        /* The last one goes, or else the one before it. */
        if (n == WHEREABOUTS_MAX) {
                n--;
                if (peer->record.is_proven &&
                        endpoint_equal(&peer->whereabouts[n], &peer->record.endpoint))
                        peer->whereabouts[n - 1] = peer->whereabouts[n];
        }
        while (at->family == ENDPOINT_IPV6 && first < n &&
                peer->whereabouts[first].family == ENDPOINT_IPV4)
                first++;
        memmove(&peer->whereabouts[first + 1], &peer->whereabouts[first],
                (n - first) * sizeof peer->whereabouts[0]);
        peer->whereabouts[first] = *at;
        return true;
}

void peer_missed(struct peer *peer, const struct endpoint *at)
{
        const struct endpoint missed = *at;
        size_t n = 0, n_kept = 0;

        for (; n < WHEREABOUTS_MAX && peer->whereabouts[n].family != ENDPOINT_NONE; n++)
                if (!endpoint_equal(&peer->whereabouts[n], &missed))
                        peer->whereabouts[n_kept++] = peer->whereabouts[n];
        if (n_kept < n)
                peer->whereabouts[n_kept] = missed;
}

enum security peer_security(const struct peer *peer)
{
        const struct peer_record *record = &peer->record;

        if (peer_is_native(peer)) {
                if (!record->is_proven)
                        return SECURITY_UNPROVEN;
                if (record->is_verified)
                        return SECURITY_VERIFIED;
                /* Under another name than that which is certified, nothing is. */
                return peer->is_certified && name_equal(peer_name(peer), record->name)
                               ? SECURITY_CERTIFIED
                               : SECURITY_ENCRYPTED;
        }
        if (record->memory.no_key || peer_is_third(peer) ||
                (!record->heard_classic && record->second_port != 0))
                return SECURITY_PLAIN;
        return SECURITY_LEGACY;
}

void peer_presence_changed(struct peers *p, struct peer *peer)
{
        list_remove(&peer->changed);
        list_append(&p->changed, &peer->changed);
}

enum presence peer_presence(const struct peer *peer)
{
        return peer->record.blocked ? PRESENCE_OFFLINE : peer->neighbour.presence;
}

size_t peers_blocked_online(const struct peers *p)
{
        size_t count = 0;

        for (int k = 0; k < N_NEIGHBOUR_KINDS && p->has_blocked; k++)
                list_for_each (i, &p->discovery->by_age[PRESENCE_ONLINE][k])
                        count += container_of(
                                container_of(i, struct neighbour, aged), struct peer, neighbour)
                                         ->record.blocked;
        return count;
}

void peer_touch(struct peers *p, struct peer *peer)
{
        peer->is_dirty = true;
        peer_presence_changed(p, peer);
}

void peer_queue_changed(struct peers *p, struct peer *peer)
{
        if (!peer_is_awaited(peer))
                list_remove(&peer->waiting);
        else if (list_is_empty(&peer->waiting))
                list_append(&p->waiting, &peer->waiting);
}
