/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections of the third dialect (core/legacy/third.h), which stay
 *
 * Nobody is announced there: who has a connection is here, and is called what he says in a message,
 * else by the beginning of his id. His row is that of his address and
 *
 *     his id, else
 *     the port where he takes connections, unless that one is here under another id: most programs
 *     make a new id at every start; else
 *     the name that he says.
 *
 * Ids, ports and names are claims, as everything is in the classic dialects. A message is sent when
 * the other side's kernel has acknowledged it: nothing tells whether the program has read it.
 */
#include <stdio.h>

#include "core/node/node-private.h"

#define NAME_OF_ID_SIZE 16             /* of an id; if that name is taken, more of it */
#define TEXTS_MAX 256                  /* that come on one connection ... */
#define TEXTS_USEC (10 * USEC_PER_SEC) /* ... in that time */
#define STEADY_USEC USEC_PER_MINUTE    /* a connection that stayed so long was worth dialling */

static const char *own_id(const struct node *n)
{
        return n->id[0] ? n->id : n->username;
}

void node_third_init(struct node *n, struct now now)
{
        struct node_options *o = &n->options;

        o->n_third_peers = o->third_port == 0 ? 0 : MIN(o->n_third_peers, (size_t)THIRD_PLACES_MAX);
        for (size_t i = 0; i < o->n_third_peers; i++)
                n->third_places[i] = (struct third_place){ .endpoint = o->third_peers[i],
                        .retry_usec = now.mono_usec };
        o->third_peers = NULL;
}

/*
 * Who has which connection
 */
static struct peer *peer_of(const struct node *n, const struct link *link)
{
        return link->third_peer > 0 ? peers_by_number(&n->peers, link->third_peer) : NULL;
}

/* The newest one that can be written on, else one that will be; or NULL. */
static struct link *link_of(const struct node *n, const struct peer *peer)
{
        struct link *found = NULL;

        list_for_each (i, &n->links) {
                struct link *link = container_of(i, struct link, list);

                if (!link->is_third || link->third_peer != peer->record.number)
                        continue;
                if (!found || !found->third || (link->third && third_is_ready(link->third)))
                        found = link;
        }
        return found;
}

static bool is_connected(const struct node *n, const struct peer *peer)
{
        struct link *link = link_of(n, peer);

        return link && link->third;
}

static struct peer *find_peer(
        const struct node *n, const struct endpoint *at, uint32_t tag, uint16_t port)
{
        struct peer *found = NULL;

        for (struct peer *i = peers_next_at(&n->peers, at, NULL); i;
                i = peers_next_at(&n->peers, at, i)) {
                const struct legacy_memory *memory = &i->record.memory;

                if (peer_is_native(i) || memory->third_tag == 0)
                        continue;
                if (memory->third_tag == tag)
                        return i;
                if (port != 0 && memory->third_port == port && !is_connected(n, i))
                        found = i;
        }
        return found;
}

/* A row for somebody of whom nothing is known yet but his id. Outcome 1: there is no room. */
static int add_peer(struct node *n, const struct endpoint *at, const char *id, uint32_t tag,
        uint16_t port, struct now now, struct peer **ret)
{
        struct peer_record record = { .endpoint = *at, .heard_usec = now.real_usec };
        struct peer *taken = NULL;

        record.endpoint.port = ENDPOINT_PORT_DEFAULT;
        record.memory.third_tag = tag;
        record.memory.third_port = port;
        for (size_t size = NAME_OF_ID_SIZE; size <= NAME_SIZE_MAX; size *= 2) {
                if (third_name(id, size, record.name) < 0)
                        return 1;
                taken = peers_at(&n->peers, at, record.name);
                if (!taken || !is_connected(n, taken))
                        break;
        }
        if (!taken)
                return node_add_peer(n, &record, now, ret);
        *ret = taken;
        return is_connected(n, taken);
}

/* @peer is at the other end of @link: he is here from now on. */
static void meet(struct node *n, struct link *link, struct peer *peer, uint32_t tag, uint16_t port,
        struct now now)
{
        link->third_peer = peer->record.number;
        peer->record.memory.third_tag = tag;
        peer->record.memory.third_port = port ?: peer->record.memory.third_port;
        peer->record.heard_usec = now.real_usec;
        peer->is_new = false;
        node_end_succession(n, peer);
        discovery_hold(&n->discovery, &peer->neighbour, now.mono_usec);
        outbox_awake(&peer->outbox);
        peer_touch(&n->peers, peer);
}

/*
 * What the engine says
 */
static int close_link(struct node *n, struct link *link)
{
        return node_close_link(n, link->number, CLOSE_NOW);
}

static int take_greeting(
        struct node *n, struct link *link, const struct third_event *e, struct now now)
{
        bool is_ours = link->number % 2 != 0;
        uint16_t port = is_ours ? link->remote.port : e->port;
        struct peer *peer = peer_of(n, link);
        uint32_t tag = third_tag(e->id);
        int r = 0;

        if (streq(e->id, own_id(n)))
                return close_link(n, link);
        if (!peer)
                peer = find_peer(n, &link->remote, tag, port);
        if (!peer)
                r = add_peer(n, &link->remote, e->id, tag, port, now, &peer);
        if (r < 0)
                return r;
        if (r > 0 || peer->record.blocked)
                return close_link(n, link);
        meet(n, link, peer, tag, port, now);
        return node_warn_namesake(n, peer, now);
}

/* The row of that name at this address is his, too; the one that was made for his id goes, unless
 * there is something to be remembered with it. */
static int take_other_row(
        struct node *n, struct link *link, struct peer *peer, struct peer *named, struct now now)
{
        const struct legacy_memory memory = peer->record.memory;
        uint64_t number = peer->record.number;
        int r;

        if (is_connected(n, named))
                return 0;
        discovery_release(&n->discovery, &peer->neighbour, now.mono_usec);
        if (!peers_drop(&n->peers, peer)) {
                discovery_hold(&n->discovery, &peer->neighbour, now.mono_usec);
                return 0;
        }
        r = agenda_add_change(
                &n->agenda, &(struct change){ .type = CHANGE_PEER_GONE, .number = number });
        if (r < 0)
                return r;
        list_for_each (i, &n->links) {
                struct link *other = container_of(i, struct link, list);

                if (other->is_third && other->third_peer == number)
                        other->third_peer = named->record.number;
        }
        meet(n, link, named, memory.third_tag, memory.third_port, now);
        return node_deliver_named(n, named->record.name, now);
}

static int take_name(struct node *n, struct link *link, const char *name, struct now now)
{
        struct peer *peer = peer_of(n, link), *named = peers_at(&n->peers, &link->remote, name);
        int r;

        if (named == peer) /* perhaps in other letters */
                return streq(peer->record.name, name) ? 0 : node_rename(n, peer, name);
        if (named && named->record.blocked)
                return close_link(n, link);
        if (named)
                return take_other_row(n, link, peer, named, now);
        if (!peer_is_third(peer) || !peers_has_name(&n->peers, name))
                return 0;
        r = node_rename(n, peer, name);
        if (r == 0)
                r = node_warn_namesake(n, peer, now);
        return r < 0 ? r : node_deliver_named(n, peer->record.name, now);
}

static int warn_of_texts(struct node *n, const struct link *link, struct now now)
{
        char address[ENDPOINT_STRING_MAX], sentence[SENTENCE_SIZE];

        if (!ratelimit_allow(&n->limit_warnings, now.mono_usec))
                return 0;
        (void)snprintf(sentence, sizeof sentence,
                "The connection with the node at %s is ended: it sent more than %d messages in %d "
                "seconds.",
                endpoint_format_address(&link->remote, address), TEXTS_MAX,
                (int)(TEXTS_USEC / USEC_PER_SEC));
        return node_warn(n, "Limit", "", sentence);
}

static int take_text(struct node *n, struct link *link, const struct third_event *e, struct now now)
{
        struct peer *peer = peer_of(n, link);
        int r;

        if (!ratelimit_allow(&link->texts, now.mono_usec)) {
                r = warn_of_texts(n, link, now);
                return r < 0 ? r : close_link(n, link);
        }
        r = node_hear(n, peer, now);
        return r < 0 ? r : node_take_text(n, peer, SECURITY_PLAIN, e->data, e->size, now);
}

static int take_notice(struct node *n, struct link *link, const char *why, struct now now)
{
        char address[ENDPOINT_STRING_MAX], sentence[SENTENCE_SIZE];

        (void)snprintf(sentence, sizeof sentence, "A message from %s cannot be read: %s",
                endpoint_format_address(&link->remote, address), why);
        return node_warn_unreadable(n, peer_of(n, link), sentence, now);
}

static int send_bytes(struct node *n, struct link *link, const struct third_event *e)
{
        struct effect effect = {
                .type = EFFECT_SEND,
                .send = { .link = link->number, .data = e->data, .size = e->size },
        };

        effect.send.word = third_is_ready(link->third) ? ++link->word : 0;
        return agenda_add_effect(&n->agenda, &effect);
}

/* What waited for the connection goes now; what waits in the queue, too. */
static int take_ready(struct node *n, struct link *link, struct now now)
{
        struct peer *peer = peer_of(n, link);
        struct delivery *d = peer->delivery;

        if (!d || d->state != DELIVERY_DIALLING || d->link != link->number)
                return node_deliver_named(n, peer->record.name, now);
        return node_third_deliver(n, peer, now);
}

static int take_event(
        struct node *n, struct link *link, const struct third_event *e, struct now now)
{
        switch (e->type) {
        case THIRD_SEND:
                return send_bytes(n, link, e);
        case THIRD_GREETED:
                return take_greeting(n, link, e, now);
        case THIRD_READY: /* from here on there is a peer: he is held */
                return take_ready(n, link, now);
        case THIRD_NAMED:
                return take_name(n, link, e->name, now);
        case THIRD_MESSAGE:
                return take_text(n, link, e, now);
        case THIRD_NOTICE:
                return take_notice(n, link, e->why, now);
        case THIRD_CLOSE:
                return node_third_closed(n, link, LINK_RESET, now);
        }
        return 0;
}

static int drain(struct node *n, uint64_t number, struct now now)
{
        struct link *link;
        int r = 0;

        while (r == 0 && (link = node_link(n, number)) && link->third) {
                struct third_event e;

                r = third_next_event(link->third, &e);
                if (r <= 0)
                        return r;
                r = take_event(n, link, &e, now);
        }
        return r;
}

/*
 * Life of a connection
 */
static int begin(struct node *n, struct link *link, bool is_ours, struct now now)
{
        int r;

        link->texts = (struct ratelimit){ .interval_usec = TEXTS_USEC, .burst = TEXTS_MAX };
        r = third_new(is_ours, own_id(n), n->options.third_port, now.mono_usec, &link->third);
        return r < 0 ? r : drain(n, link->number, now);
}

int node_third_accepted(
        struct node *n, uint64_t number, const struct endpoint *from, struct now now)
{
        struct link *link;
        int r;

        if (n->options.third_port == 0 || from->family != ENDPOINT_IPV4)
                return node_emit_close(n, number, CLOSE_NOW);
        r = node_admit(n, number, from, true, now, &link);
        if (r != 0)
                return r < 0 ? r : 0;
        return begin(n, link, false, now);
}

int node_third_connected(struct node *n, struct link *link, struct now now)
{
        return link->third ? 0 : begin(n, link, true, now);
}

int node_third_received(
        struct node *n, struct link *link, const void *data, size_t size, struct now now)
{
        int r = third_receive(link->third, data, size, now.mono_usec);

        return r < 0 ? r : drain(n, link->number, now);
}

int node_taken(struct node *n, uint64_t number, uint64_t word, struct now now)
{
        struct link *link = node_link(n, number);
        struct peer *peer = link && link->word == word ? peer_of(n, link) : NULL;

        if (!peer || !peer->delivery || peer->delivery->link != number ||
                peer->delivery->state != DELIVERY_FINISHING)
                return 0;
        return node_delivery_closed(n, peer, LINK_ACKNOWLEDGED, now);
}

/* The end of one that we keep. One that did not stay is dialled less and less often. */
static void leave_place(struct node *n, uint64_t number, struct now now)
{
        for (size_t i = 0; i < n->options.n_third_peers; i++) {
                struct third_place *place = &n->third_places[i];

                if (place->link != number)
                        continue;
                if (usec_sub(now.mono_usec, place->begin_usec) >= STEADY_USEC)
                        place->n_failures = 0;
                place->link = 0;
                place->retry_usec =
                        usec_add(now.mono_usec, outbox_pause_usec(n->random, place->n_failures++));
        }
}

int node_third_closed(struct node *n, struct link *link, enum link_end how, struct now now)
{
        struct peer *peer = peer_of(n, link);
        uint64_t number = link->number;
        int r = close_link(n, link);

        leave_place(n, number, now);
        if (r < 0 || !peer || !peer->delivery || peer->delivery->link != number ||
                peer->delivery->state == DELIVERY_LOADING)
                return r;
        return node_delivery_closed(n, peer, how == LINK_CLOSED ? LINK_RESET : how, now);
}

/* Closed by us, without another word. */
static int lose(struct node *n, struct peer *peer, struct now now)
{
        struct delivery *d = peer->delivery;

        if (d && d->state != DELIVERY_LOADING && !node_link(n, d->link))
                return node_delivery_closed(n, peer, LINK_RESET, now);
        return 0;
}

static int release(struct node *n, struct peer *peer, struct now now)
{
        if (peer_is_native(peer) || is_connected(n, peer))
                return 0;
        discovery_release(&n->discovery, &peer->neighbour, now.mono_usec);
        peer->record.heard_usec = now.real_usec;
        peer_touch(&n->peers, peer);
        return 0;
}

int node_third_end_turn(struct node *n, struct now now)
{
        if (!n->has_third_gone)
                return 0;
        n->has_third_gone = false;
        for (size_t i = 0; i < n->options.n_third_peers; i++)
                if (n->third_places[i].link > 0 && !node_link(n, n->third_places[i].link))
                        leave_place(n, n->third_places[i].link, now);
        list_for_each_safe (i, &n->discovery.held) {
                struct neighbour *b = container_of(i, struct neighbour, aged);
                struct peer *peer = container_of(b, struct peer, neighbour);
                int r = lose(n, peer, now);

                if (r == 0)
                        r = release(n, peer, now);
                if (r < 0)
                        return r;
        }
        return 0;
}

int node_third_hang_up(struct node *n, const struct peer *peer)
{
        list_for_each_safe (i, &n->links) {
                struct link *link = container_of(i, struct link, list);
                int r;

                if (!link->is_third || link->third_peer != peer->record.number)
                        continue;
                r = close_link(n, link);
                if (r < 0)
                        return r;
        }
        return 0;
}

/*
 * What we say
 */
bool node_third_is_way(const struct node *n, const struct peer *peer, const struct queued *q)
{
        return peer_is_third(peer) || (q->security == SECURITY_PLAIN && is_connected(n, peer));
}

static int say(struct node *n, struct link *link, struct delivery *d, struct now now)
{
        const char *text = d->text + d->queued->size_sent;
        int r;

        d->state = DELIVERY_FINISHING;
        d->part_size = d->queued->size - d->queued->size_sent;
        r = third_say(link->third, text, d->part_size);
        return r < 0 ? r : drain(n, link->number, now);
}

/* That place is being called already, because a connection is kept to it. */
static struct link *dialled_link(const struct node *n, const struct endpoint *to)
{
        for (size_t i = 0; i < n->options.n_third_peers; i++) {
                const struct third_place *place = &n->third_places[i];
                struct link *link = place->link > 0 ? node_link(n, place->link) : NULL;

                if (link && link->third_peer == 0 && endpoint_equal(&place->endpoint, to))
                        return link;
        }
        return NULL;
}

static int dial(struct node *n, struct peer *peer, struct link **ret)
{
        struct endpoint to = peer->record.endpoint;
        struct link *link;
        int r;

        to.port = peer->record.memory.third_port;
        link = dialled_link(n, &to);
        if (link) {
                link->third_peer = peer->record.number;
                *ret = link;
                return 0;
        }
        if (to.port == 0 || n->options.third_port == 0 || n->is_leaving ||
                n->links_by_number.n >= n->options.links_max)
                return 1;
        r = node_dial_third(n, &to, ret);
        if (r < 0)
                return r;
        (*ret)->third_peer = peer->record.number;
        return 0;
}

int node_third_deliver(struct node *n, struct peer *peer, struct now now)
{
        struct link *link = link_of(n, peer);
        struct delivery *d = peer->delivery;
        int r;

        d->security = SECURITY_PLAIN;
        if (!link) {
                r = dial(n, peer, &link);
                if (r != 0)
                        return r;
        }
        d->link = link->number;
        if (link->third && third_is_ready(link->third))
                return say(n, link, d, now);
        d->state = DELIVERY_DIALLING;
        return 0;
}

/*
 * Those to whom a connection is kept
 */
/* He has called us, or is the same as another one. */
static bool is_met(const struct node *n, const struct endpoint *at)
{
        for (struct peer *i = peers_next_at(&n->peers, at, NULL); i;
                i = peers_next_at(&n->peers, at, i))
                if (i->record.memory.third_port == at->port && (i->record.blocked || link_of(n, i)))
                        return true;
        return false;
}

static int dial_place(struct node *n, struct third_place *place, struct now now)
{
        struct link *link;
        int r;

        place->retry_usec = usec_add(now.mono_usec, STEADY_USEC);
        if (is_met(n, &place->endpoint) || n->links_by_number.n >= n->options.links_max)
                return 0;
        r = node_dial_third(n, &place->endpoint, &link);
        if (r < 0)
                return r;
        place->link = link->number;
        place->begin_usec = now.mono_usec;
        return 0;
}

int node_third_advance(struct node *n, struct now now)
{
        list_for_each_safe (i, &n->links) {
                struct link *link = container_of(i, struct link, list);
                int r;

                if (!link->third || third_deadline(link->third) > now.mono_usec)
                        continue;
                third_advance(link->third, now.mono_usec);
                r = drain(n, link->number, now);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < n->options.n_third_peers && !n->is_leaving; i++) {
                struct third_place *place = &n->third_places[i];
                int r = place->link == 0 && now.mono_usec >= place->retry_usec
                                ? dial_place(n, place, now)
                                : 0;

                if (r < 0)
                        return r;
        }
        return 0;
}

usec_t node_third_deadline(const struct node *n)
{
        usec_t deadline_usec = USEC_INFINITY;

        list_for_each (i, &n->links) {
                struct link *link = container_of(i, struct link, list);

                if (link->third)
                        deadline_usec = usec_min(deadline_usec, third_deadline(link->third));
        }
        for (size_t i = 0; i < n->options.n_third_peers && !n->is_leaving; i++)
                if (n->third_places[i].link == 0)
                        deadline_usec = usec_min(deadline_usec, n->third_places[i].retry_usec);
        return deadline_usec;
}
