/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Announcements, ours and others', and who is present
 *
 * Who announces an id has a row of its own, wherever he is heard, and the row of an id that was
 * proven is changed by nothing that is only announced. Who announces none is classic, whatever else
 * is known at his address.
 */
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

/* Of our addresses the one that looks most like @to: it is the one named in the announcement. */
static const struct interface *nearest_interface(const struct node *n, const struct endpoint *to)
{
        const struct interface *nearest = NULL;
        size_t best = 0;

        for (size_t i = 0; i < n->n_interfaces; i++) {
                const struct endpoint *own = &n->interfaces[i].address;
                size_t same = 0;

                if (own->family != to->family)
                        continue;
                while (same < sizeof own->address && own->address[same] == to->address[same])
                        same++;
                if (!nearest || same > best) {
                        nearest = &n->interfaces[i];
                        best = same;
                }
        }
        return nearest;
}

/* Who has just come would wait for our next announcement for up to eight seconds. */
static int welcome(
        struct node *n, enum dialect dialect, const struct endpoint *from, struct now now)
{
        const struct interface *i = nearest_interface(n, from);
        struct endpoint to = *from;

        if (!i || !discovery_welcome(&n->discovery, from, now.mono_usec))
                return 0;
        to.port = CLASSIC_PORT;
        return announce_to(n, dialect, i, to, 0);
}

int node_network(
        struct node *n, const struct interface *interfaces, size_t n_interfaces, struct now now)
{
        int r;

        n->n_interfaces = MIN(n_interfaces, (size_t)INTERFACES_MAX);
        if (n->n_interfaces > 0)
                memcpy(n->interfaces, interfaces, n->n_interfaces * sizeof *interfaces);

        legacy_moved(n->legacy);
        if (n->n_interfaces > 0)
                discovery_announce_soon(&n->discovery, now.mono_usec);
        r = node_ring_changed(n, true, now);
        return r < 0 ? r : node_advance(n, now);
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

static int warn_no_room(struct node *n, const struct peer_record *record, struct now now)
{
        char address[ENDPOINT_STRING_MAX], sentence[SENTENCE_SIZE];

        if (!ratelimit_allow(&n->limit_warnings, now.mono_usec))
                return 0;
        (void)snprintf(sentence, sizeof sentence,
                "No room for user %s at %s: at most %zu users are kept, %d names of one address, "
                "and %d users of one name.",
                record->name, endpoint_format_address(&record->endpoint, address), n->peers.n_max,
                PEERS_PER_ADDRESS_MAX, PEERS_PER_NAME_MAX);
        return node_warn(n, "Limit", "", sentence);
}

/* If need be in the place of somebody who left no trace. Who has proven who he is need not wait
 * until that one is gone, for announcements of anybody from anywhere are made at will. */
static int add_or_evict(
        struct node *n, const struct peer_record *record, struct now now, struct peer **ret)
{
        uint64_t gone;
        int r;

        usec_t heard_usec = record->heard_usec > 0 ? now.mono_usec : 0;

        r = peers_add(&n->peers, record, heard_usec, now.mono_usec, ret);
        if (r != -ENOBUFS)
                return r;
        node_release_natives(n);
        r = peers_evict(&n->peers, record, n->is_proving, &gone);
        if (r < 0)
                return r;
        r = agenda_add_change(
                &n->agenda, &(struct change){ .type = CHANGE_PEER_GONE, .number = gone });
        return r < 0 ? r : peers_add(&n->peers, record, heard_usec, now.mono_usec, ret);
}

int node_add_peer(struct node *n, struct peer_record *record, struct now now, struct peer **ret)
{
        int r;

        record->blocked = is_blocked_here(n, &record->endpoint);
        r = add_or_evict(n, record, now, ret);
        if (r == -ENOBUFS) {
                r = warn_no_room(n, record, now);
                return r < 0 ? r : 1;
        }
        if (r < 0)
                return r;

        (*ret)->is_new = true;
        peer_presence_changed(&n->peers, *ret);
        /* Its row comes before whatever refers to it. */
        r = node_emit_peer(n, *ret);
        return r < 0 ? r : node_warn_namesake(n, *ret, now);
}

int node_hear(struct node *n, struct peer *peer, struct now now)
{
        enum presence before = peer->neighbour.presence;

        peer->record.heard_usec = now.real_usec;
        discovery_hear(&n->discovery, &peer->neighbour, now.mono_usec);
        if (before == PRESENCE_ONLINE)
                return 0;

        peer_presence_changed(&n->peers, peer);
        outbox_awake(&peer->outbox);
        if (peer->native)
                peer->native->answers_usec = 0;
        return node_warn_namesake(n, peer, now);
}

static int heard(struct node *n, struct peer *peer, struct now now)
{
        bool is_back = peer->neighbour.presence != PRESENCE_ONLINE;
        int r;

        r = node_hear(n, peer, now);
        return r < 0 || !is_back ? r : node_deliver_named(n, peer->record.name, now);
}

static bool is_own_address(const struct node *n, const struct endpoint *from)
{
        for (size_t i = 0; i < n->n_interfaces; i++)
                if (endpoint_same_address(&n->interfaces[i].address, from))
                        return true;
        return false;
}

/* With our id from elsewhere it may be a copy of us. */
static int hear_self(
        struct node *n, const struct endpoint *from, const struct announce *a, struct now now)
{
        struct endpoint at = *from;

        at.port = a->port ?: ENDPOINT_PORT_DEFAULT;
        return a->id[0] && !is_own_address(n, from) ? node_check_clone(n, &at, now) : 0;
}

static bool is_self(const struct node *n, const struct endpoint *from, const struct announce *a)
{
        if (a->id[0])
                return streq(a->id, n->id);
        return is_own_address(n, from) && name_equal(a->username, n->username);
}

int node_rename(struct node *n, struct peer *peer, const char *name)
{
        bool is_other = !name_equal(peer->record.name, name);
        int r;

        r = peers_rename(&n->peers, peer, name);
        if (r < 0)
                return r;
        peer_touch(&n->peers, peer);
        if (is_other) {
                peer->presence_told = PRESENCE_OFFLINE; /* under this name nothing was told */
                peer->record.is_warned_of = false;
        }
        return 0;
}

/* What an announcement says of somebody who has proven nothing yet. His place is not stored for
 * it: who has two would be written at each announcement. Of IPv4 and IPv6, which he announces both,
 * people know the former. */
static int take_hint(struct node *n, struct peer *peer, const struct announce *a,
        const struct endpoint *at, struct now now)
{
        const struct endpoint *e = &peer->record.endpoint;
        char buffer[NAME_SIZE_MAX + 1];
        const char *name =
                node_certified_name(n, a->id, peer->record.contact, a->username, now, buffer);
        int r = 0;

        if (!streq(peer->record.name, name) &&
                (name_equal(peer->record.name, name) || peers_has_name(&n->peers, name)))
                r = node_rename(n, peer, name);
        if (r < 0 || (e->family == ENDPOINT_IPV4 && at->family == ENDPOINT_IPV6))
                return r;
        if (endpoint_same_address(e, at) || peers_has_place(&n->peers, at))
                r = peers_move(&n->peers, peer, at);
        return r;
}

static int hear_native(struct node *n, const struct endpoint *from, const struct announce *a,
        struct now now, struct peer **ret)
{
        struct peer *peer = peers_by_id(&n->peers, a->id);
        struct endpoint at = *from;
        char buffer[NAME_SIZE_MAX + 1];
        int r;

        at.port = a->port ?: ENDPOINT_PORT_DEFAULT;
        if (!peer) {
                struct peer_record record = { .endpoint = at, .heard_usec = now.real_usec };

                (void)snprintf(record.name, sizeof record.name, "%s",
                        node_certified_name(n, a->id, "", a->username, now, buffer));
                memcpy(record.id, a->id, sizeof record.id);
                r = node_add_peer(n, &record, now, ret);
                if (r != 0)
                        return r;
                (*ret)->is_near = true;
                node_greet(n, *ret, now);
                return node_deliver_named(n, record.name, now);
        }

        *ret = peer;
        if (peer->neighbour.presence != PRESENCE_ONLINE || !peer->is_near)
                node_greet(n, peer, now);
        peer->is_near = true;
        if (!peer->record.is_proven) {
                r = take_hint(n, peer, a, &at, now);
                if (r < 0)
                        return r;
        }
        if (peer_sighted(peer, &at)) {
                outbox_awake(&peer->outbox);
                r = node_deliver(n, peer, now);
                if (r < 0)
                        return r;
        }
        return heard(n, peer, now);
}

/* What an announcement says of a classic peer. True when its record is another now. */
static bool take_announce(
        struct peer_record *record, enum dialect dialect, const struct announce *a)
{
        struct peer_record before = *record;
        uint16_t port = a->port ?: ENDPOINT_PORT_DEFAULT;

        memcpy(record->name, a->username, strlen(a->username) + 1);
        if (dialect == DIALECT_SECOND) {
                record->second_port = port;
        } else {
                record->endpoint.port = port;
                record->heard_classic = true;
                record->cannot_chat = a->cannot_chat;
                record->memory.has_uuid = a->has_uuid;
        }

        return !streq(before.name, record->name) ||
               !endpoint_equal(&before.endpoint, &record->endpoint) ||
               before.second_port != record->second_port ||
               before.heard_classic != record->heard_classic ||
               before.cannot_chat != record->cannot_chat ||
               before.memory.has_uuid != record->memory.has_uuid;
}

void node_end_succession(struct node *n, struct peer *peer)
{
        if (peer->record.successor == 0)
                return;
        peer->record.successor = 0;
        peer_touch(&n->peers, peer);
}

/* A peer that was only an address so far, and now tells its name. */
static int name_unnamed(
        struct node *n, const struct endpoint *from, const char *name, struct peer **ret)
{
        char address[ENDPOINT_STRING_MAX];

        *ret = peers_at(&n->peers, from, endpoint_format_address(from, address));
        return *ret ? node_rename(n, *ret, name) : 0;
}

static int hear_classic(struct node *n, enum dialect dialect, const struct endpoint *from,
        const struct announce *a, struct now now, struct peer **ret)
{
        struct peer *peer = peers_at(&n->peers, from, a->username);
        bool was_classic;
        int r;

        if (!peer) {
                r = name_unnamed(n, from, a->username, &peer);
                if (r < 0)
                        return r;
        }
        if (!peer) {
                struct peer_record record = { .endpoint = *from, .heard_usec = now.real_usec };

                record.endpoint.port = ENDPOINT_PORT_DEFAULT;
                (void)take_announce(&record, dialect, a);
                r = node_add_peer(n, &record, now, ret);
                return r != 0 ? r : node_deliver_named(n, record.name, now);
        }

        *ret = peer;
        node_end_succession(n, peer);
        was_classic = peer->record.heard_classic;
        if (take_announce(&peer->record, dialect, a))
                peer_touch(&n->peers, peer);
        r = heard(n, peer, now);
        /* What waits may want more than the second dialect can do. */
        return r < 0 || peer->record.heard_classic == was_classic
                       ? r
                       : node_deliver_named(n, peer->record.name, now);
}

/* Is the one who announces this here already? Then he has heard us, or will. */
static bool is_online(const struct node *n, const struct endpoint *from, const struct announce *a)
{
        struct peer *peer =
                a->id[0] ? peers_by_id(&n->peers, a->id) : peers_at(&n->peers, from, a->username);

        return peer && peer->neighbour.presence == PRESENCE_ONLINE;
}

int node_datagram(struct node *n, enum dialect dialect, const struct endpoint *from,
        const void *data, size_t size, struct now now)
{
        struct announce a;
        struct peer *peer;
        bool is_newcomer;
        int r;

        if (!endpoint_is_unicast(from) || (dialect == DIALECT_SECOND && !n->options.second) ||
                !discovery_admit(&n->discovery, from, now.mono_usec))
                return 0;

        r = legacy_decode_announce(dialect, data, size, &a);
        if (r != 0)
                return r < 0 ? r : 0;
        if (!n->id[0])
                a.id[0] = 0;
        if (is_self(n, from, &a))
                return hear_self(n, from, &a, now);
        if (from->family == ENDPOINT_IPV6 && !a.id[0])
                return 0;

        is_newcomer = !is_online(n, from, &a);
        r = a.id[0] ? hear_native(n, from, &a, now, &peer)
                    : hear_classic(n, dialect, from, &a, now, &peer);
        if (r != 0)
                return r < 0 ? r : 0;
        return is_newcomer && !peer->record.blocked ? welcome(n, dialect, from, now) : 0;
}

struct peer *node_peer_at(const struct node *n, const struct endpoint *remote)
{
        struct peer *last = NULL;

        for (struct peer *i = peers_next_at(&n->peers, remote, NULL); i;
                i = peers_next_at(&n->peers, remote, i))
                if (!peer_is_native(i) && !peer_is_third(i) &&
                        (!last || i->neighbour.heard_usec > last->neighbour.heard_usec))
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
                r = node_add_peer(n, &record, now, ret);
                return r != 0 ? r : node_deliver_named(n, record.name, now);
        }

        *ret = peer;
        node_end_succession(n, peer);
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

                /* A session was the last that was heard of it. */
                if (b->is_native)
                        peer->record.heard_usec = MAX(peer->record.heard_usec,
                                usec_sub(now.real_usec, now.mono_usec - b->heard_usec));
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
        for (int k = 0; k < N_NEIGHBOUR_KINDS; k++)
                list_for_each (i, &n->discovery.by_age[PRESENCE_ONLINE][k])
                        peer_touch(&n->peers, container_of(container_of(i, struct neighbour, aged),
                                                      struct peer, neighbour));
        list_for_each (i, &n->discovery.held) {
                struct peer *peer = container_of(
                        container_of(i, struct neighbour, aged), struct peer, neighbour);

                peer->record.heard_usec = now.real_usec;
                peer_touch(&n->peers, peer);
        }
        return 0;
}
