/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Announcements, ours and others', and who is present */
#include <stdio.h>

#include "core/node/node-private.h"

/* On IPv6 there are native peers alone. */
static bool is_spoken_to(const struct node *n, enum dialect dialect, const struct endpoint *to)
{
        return to->family != ENDPOINT_IPV6 || (dialect == DIALECT_CLASSIC && n->id[0]);
}

static int announce_to(struct node *n, enum dialect dialect, const struct interface *i,
        struct endpoint to, uint32_t index)
{
        struct announce a = { .port = n->options.port };
        char data[ANNOUNCE_SIZE_MAX + 1];
        size_t size;
        int r;

        if (!is_spoken_to(n, dialect, &to))
                return 0;
        memcpy(a.username, n->username, sizeof n->username);
        memcpy(a.id, n->id, sizeof a.id);
        r = legacy_encode_announce(dialect, &a, &i->address, n->options.compat, data, &size);
        if (r < 0)
                return r;

        to.port = dialect == DIALECT_SECOND ? SECOND_PORT : to.port;
        return agenda_add_effect(&n->agenda,
                &(struct effect){
                        .type = EFFECT_DATAGRAM,
                        .datagram = {
                                .dialect = dialect,
                                .interface = index,
                                .to = to,
                                .data = (uint8_t *)data,
                                .size = size,
                        },
                });
}

static int announce_everywhere(struct node *n, enum dialect dialect)
{
        int r;

        for (size_t i = 0; i < n->n_interfaces; i++) {
                const struct interface *interface = &n->interfaces[i];

                for (size_t k = 0; k < interface->n_broadcast; k++) {
                        struct endpoint to = interface->broadcast[k];

                        to.port = CLASSIC_PORT;
                        r = announce_to(n, dialect, interface, to, interface->index);
                        if (r < 0)
                                return r;
                }
        }

        if (n->n_interfaces == 0)
                return 0;
        for (size_t i = 0; i < n->options.n_peers; i++) {
                r = announce_to(n, dialect, &n->interfaces[0], n->unicast[i], 0);
                if (r < 0)
                        return r;
        }
        return 0;
}

int node_announce(struct node *n, struct now now)
{
        int r;

        r = announce_everywhere(n, DIALECT_CLASSIC);
        if (r < 0 || !n->options.second)
                return r;
        return announce_everywhere(n, DIALECT_SECOND);
}

int node_network(
        struct node *n, const struct interface *interfaces, size_t n_interfaces, struct now now)
{
        n->n_interfaces = MIN(n_interfaces, (size_t)INTERFACES_MAX);
        if (n->n_interfaces > 0)
                memcpy(n->interfaces, interfaces, n->n_interfaces * sizeof *interfaces);

        if (n->n_interfaces > 0)
                discovery_announce_soon(&n->discovery, now.mono_usec);
        return node_advance(n, now);
}

int node_emit_peer(struct node *n, struct peer *peer)
{
        peer->is_dirty = false;
        return agenda_add_change(
                &n->agenda, &(struct change){ .type = CHANGE_PEER, .peer = peer->record });
}

/* Only blocked ones are here at this address: another name does not free them. */
static bool is_blocked_here(const struct node *n, const struct endpoint *e)
{
        bool is_blocked = false;

        for (struct peer *i = peers_next_at(&n->peers, e, NULL); i;
                i = peers_next_at(&n->peers, e, i)) {
                if (!peer_is_present(i))
                        continue;
                if (!i->record.blocked)
                        return false;
                is_blocked = true;
        }
        return is_blocked;
}

/* Adds a peer, if need be in the place of somebody who left no trace. Outcome 1: no room. */
static int add_peer(struct node *n, struct peer_record *record, struct now now, struct peer **ret)
{
        uint64_t gone;
        int r;

        record->blocked = is_blocked_here(n, &record->endpoint);
        r = peers_add(&n->peers, record, now.mono_usec, now.mono_usec, ret);
        if (r == -ENOBUFS && n->peers.by_number.n >= n->peers.n_max) {
                r = peers_evict(&n->peers, &gone);
                if (r == 0) {
                        r = agenda_add_change(&n->agenda,
                                &(struct change){ .type = CHANGE_PEER_GONE, .number = gone });
                        if (r < 0)
                                return r;
                        r = peers_add(&n->peers, record, now.mono_usec, now.mono_usec, ret);
                }
        }
        if (r == -ENOBUFS) {
                char address[ENDPOINT_STRING_MAX], sentence[SENTENCE_SIZE];

                if (!ratelimit_allow(&n->limit_warnings, now.mono_usec))
                        return 1;
                (void)snprintf(sentence, sizeof sentence,
                        "No room for user %s at %s: at most %zu users are kept, and %d names of "
                        "one "
                        "address.",
                        record->name, endpoint_format_address(&record->endpoint, address),
                        n->peers.n_max, PEERS_PER_ADDRESS_MAX);
                r = node_warn(n, "Limit", "", sentence);
                return r < 0 ? r : 1;
        }
        if (r < 0)
                return r;

        (*ret)->is_new = true;
        peer_presence_changed(&n->peers, *ret);
        /* Its row comes before whatever refers to it. */
        r = node_emit_peer(n, *ret);
        return r < 0 ? r : node_deliver_named(n, record->name, now);
}

static int heard(struct node *n, struct peer *peer, struct now now)
{
        enum presence before = peer->neighbour.presence;

        peer->record.heard_usec = now.real_usec;
        discovery_hear(&n->discovery, &peer->neighbour, now.mono_usec);
        if (before == PRESENCE_ONLINE)
                return 0;

        peer_presence_changed(&n->peers, peer);
        outbox_awake(&peer->outbox);
        return node_deliver_named(n, peer->record.name, now);
}

static bool is_own(const struct node *n, const struct endpoint *from, const struct announce *a)
{
        if (streq(a->id, n->id))
                return true;
        for (size_t i = 0; i < n->n_interfaces; i++)
                if (endpoint_same_address(&n->interfaces[i].address, from))
                        return name_equal(a->username, n->username);
        return false;
}

/* A peer that was only an address so far, and now tells its name. */
static struct peer *unnamed_at(const struct node *n, const struct endpoint *from)
{
        char address[ENDPOINT_STRING_MAX];

        return peers_at(&n->peers, from, endpoint_format_address(from, address));
}

/* The one of ours at this address who called himself otherwise so far. */
static struct peer *renamed_at(
        const struct node *n, const struct endpoint *from, const struct announce *a)
{
        for (struct peer *i = peers_next_at(&n->peers, from, NULL); i && a->id[0];
                i = peers_next_at(&n->peers, from, i))
                if (streq(i->record.id, a->id))
                        return i;
        return NULL;
}

/* Who is not known by this name at this address, but is by another: he gets it. */
static int rename_peer(
        struct node *n, const struct endpoint *from, const struct announce *a, struct peer **ret)
{
        struct peer *peer = unnamed_at(n, from) ?: renamed_at(n, from, a);
        int r;

        if (!peer)
                return 0;
        r = peers_rename(&n->peers, peer, a->username);
        if (r < 0)
                return r;
        peer_touch(&n->peers, peer);
        peer->presence_told = PRESENCE_OFFLINE; /* under this name nothing was told */
        *ret = peer;
        return 0;
}

/* What an announcement says of a peer. True when its record is another now. */
static bool take_announce(
        struct peer_record *record, enum dialect dialect, const struct announce *a)
{
        struct peer_record before = *record;

        uint16_t port = a->port ?: ENDPOINT_PORT_DEFAULT;

        memcpy(record->name, a->username, strlen(a->username) + 1);
        memcpy(record->id, a->id, sizeof record->id);
        if (dialect == DIALECT_SECOND)
                record->second_port = port;
        /* Ours take both dialects at one port. */
        if (dialect == DIALECT_CLASSIC || a->id[0])
                record->endpoint.port = port;
        /* And need no trial to see whether they close after the key. */
        if (a->id[0])
                record->memory.connections = LEGACY_CONNECTIONS_ONE;
        if (dialect == DIALECT_CLASSIC) {
                record->heard_classic = true;
                record->cannot_chat = a->cannot_chat;
                record->memory.has_uuid = a->has_uuid;
        }

        return !streq(before.name, record->name) ||
               !endpoint_equal(&before.endpoint, &record->endpoint) ||
               before.second_port != record->second_port ||
               before.heard_classic != record->heard_classic || !streq(before.id, record->id) ||
               before.cannot_chat != record->cannot_chat ||
               before.memory.has_uuid != record->memory.has_uuid;
}

int node_datagram(struct node *n, enum dialect dialect, const struct endpoint *from,
        const void *data, size_t size, struct now now)
{
        struct announce a;
        struct peer *peer;
        int r;

        if (!endpoint_is_unicast(from) || (dialect == DIALECT_SECOND && !n->options.second) ||
                !discovery_admit(&n->discovery, from, now.mono_usec))
                return 0;

        r = legacy_decode_announce(dialect, data, size, &a);
        if (r != 0)
                return r < 0 ? r : 0;
        if (is_own(n, from, &a) || (from->family == ENDPOINT_IPV6 && !a.id[0]))
                return 0;

        peer = peers_at(&n->peers, from, a.username);
        if (!peer) {
                r = rename_peer(n, from, &a, &peer);
                if (r < 0)
                        return r;
        }
        if (!peer) {
                struct peer_record record = { .endpoint = *from, .heard_usec = now.real_usec };

                record.endpoint.port = ENDPOINT_PORT_DEFAULT;
                (void)take_announce(&record, dialect, &a);
                r = add_peer(n, &record, now, &peer);
                return r > 0 ? 0 : r;
        }

        if (take_announce(&peer->record, dialect, &a))
                peer_touch(&n->peers, peer);
        return heard(n, peer, now);
}

struct peer *node_peer_at(const struct node *n, const struct endpoint *remote)
{
        struct peer *last = NULL;

        for (struct peer *i = peers_next_at(&n->peers, remote, NULL); i;
                i = peers_next_at(&n->peers, remote, i))
                if (!last || i->neighbour.heard_usec > last->neighbour.heard_usec)
                        last = i;
        return last;
}

int node_hear_from(struct node *n, const struct endpoint *remote, const char *hint, struct now now,
        struct peer **ret)
{
        struct peer_record record = { .endpoint = *remote, .heard_usec = now.real_usec };
        char address[ENDPOINT_STRING_MAX];
        struct peer *peer = NULL;
        int r;

        /* The name inside a message only chooses between those who were heard at this address. */
        if (hint[0])
                peer = peers_at(&n->peers, remote, hint);
        if (!peer)
                peer = node_peer_at(n, remote);
        if (!peer) {
                record.endpoint.port = ENDPOINT_PORT_DEFAULT;
                record.heard_classic = true;
                endpoint_format_address(remote, address);
                if (hint[0])
                        memcpy(record.name, hint, strlen(hint) + 1);
                else
                        (void)snprintf(record.name, sizeof record.name, "%.64s", address);
                r = add_peer(n, &record, now, ret);
                return r;
        }

        *ret = peer;
        /* He can be reached, so what rests need not. */
        outbox_awake(&peer->outbox);
        r = heard(n, peer, now);
        return r < 0 ? r : node_deliver(n, peer, now);
}

int node_age(struct node *n, struct now now)
{
        struct neighbour *b;
        int r;

        while ((b = discovery_next_aged(&n->discovery, now.mono_usec))) {
                struct peer *peer = container_of(b, struct peer, neighbour);

                peer_presence_changed(&n->peers, peer);
                /* Somebody of that name may be here at another address. */
                r = node_deliver_named(n, peer->record.name, now);
                if (r < 0)
                        return r;
        }
        return 0;
}

int node_save_heard(struct node *n, struct now now)
{
        list_for_each (i, &n->discovery.by_age[PRESENCE_ONLINE])
                peer_touch(&n->peers, container_of(container_of(i, struct neighbour, aged),
                                              struct peer, neighbour));
        return 0;
}
