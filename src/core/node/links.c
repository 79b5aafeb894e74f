/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections: who may have one, and which protocol is spoken there
 *
 * What comes in is the classic engine's, whose timers end the silent, until its first bytes tell
 * that it is a session. Until somebody has proven who he is he is a stranger; classic ones never
 * do.
 */
#include <stdio.h>

#include "core/node/node-private.h"

struct link *node_link(const struct node *n, uint64_t number)
{
        for (struct table_entry *e = table_find(&n->links_by_number, &number, sizeof number); e;
                e = table_find_next(e)) {
                struct link *link = container_of(e, struct link, by_number);

                if (link->number == number)
                        return link;
        }
        return NULL;
}

static int link_add(struct node *n, uint64_t number, const struct endpoint *remote,
        struct peer *peer, struct link **ret)
{
        struct link *link = calloc(1, sizeof *link);
        int r;

        if (!link)
                return -ENOMEM;
        link->number = number;
        link->remote = *remote;
        link->peer = peer;
        link->names = (struct ratelimit){ .interval_usec = USEC_PER_MINUTE, .burst = NAMES_MAX };
        r = table_add(&n->links_by_number, &link->by_number, &number, sizeof number);
        if (r < 0) {
                free(link);
                return r;
        }
        list_append(&n->links, &link->list);
        *ret = link;
        return 0;
}

void node_forget_link(struct node *n, struct link *link)
{
        table_remove(&n->links_by_number, &link->by_number);
        list_remove(&link->list);
        n->has_third_gone = n->has_third_gone || link->is_third;
        session_free(link->session);
        third_free(link->third);
        free(link);
}

int node_emit_close(struct node *n, uint64_t number, enum close_how how)
{
        return agenda_add_effect(&n->agenda,
                &(struct effect){ .type = EFFECT_CLOSE, .close = { .link = number, .how = how } });
}

int node_close_link(struct node *n, uint64_t number, enum close_how how)
{
        struct link *link = node_link(n, number);

        if (!link)
                return 0;
        legacy_lost(n->legacy, number);
        node_forget_link(n, link);
        return node_emit_close(n, number, how);
}

static int dial(struct node *n, struct peer *peer, const struct endpoint *to, bool is_third,
        struct link **ret)
{
        struct effect e = { .type = EFFECT_DIAL, .dial = { .to = *to, .resets = is_third } };
        struct link *link;
        int r;

        n->link_last += 2;
        r = link_add(n, n->link_last, to, peer, &link);
        if (r < 0)
                return r;
        link->is_third = is_third;
        e.dial.link = link->number;
        *ret = link;
        return agenda_add_effect(&n->agenda, &e);
}

int node_dial(struct node *n, struct peer *peer, const struct endpoint *to, struct link **ret)
{
        return dial(n, peer, to, false, ret);
}

int node_dial_third(struct node *n, const struct endpoint *to, struct link **ret)
{
        return dial(n, NULL, to, true, ret);
}

/* All who are known at this address are classic and blocked. A native one is known by what it
 * proves, and turned away then. */
static bool is_blocked_address(const struct node *n, const struct endpoint *remote)
{
        struct peer *first = peers_next_at(&n->peers, remote, NULL);

        for (struct peer *i = first; i; i = peers_next_at(&n->peers, remote, i))
                if (!i->record.blocked || peer_is_native(i))
                        return false;
        return first;
}

static bool is_accepted(const struct link *link)
{
        return link->number % 2 == 0;
}

static bool is_stranger(const struct link *link)
{
        return is_accepted(link) && !link->is_proven;
}

static size_t count_at(const struct node *n, const struct endpoint *remote,
        bool (*is_counted)(const struct link *link))
{
        size_t count = 0;

        list_for_each (i, &n->links) {
                struct link *link = container_of(i, struct link, list);

                count += is_counted(link) && endpoint_same_address(&link->remote, remote);
        }
        return count;
}

/* Nodes of the third dialect stay: they have a part of the places only, so that others find one. */
static bool is_third_stranger(const struct link *link)
{
        return link->is_third && is_stranger(link);
}

static size_t count_all(const struct node *n, bool (*is_counted)(const struct link *link))
{
        size_t count = 0;

        list_for_each (i, &n->links)
                count += is_counted(container_of(i, struct link, list));
        return count;
}

/* Of those that are counted the oldest link of the address that has most of them. */
static struct link *noisiest(
        const struct node *n, bool (*is_counted)(const struct link *link), size_t *ret_count)
{
        struct link *found = NULL;
        size_t most = 0;

        list_for_each (i, &n->links) {
                struct link *link = container_of(i, struct link, list);
                size_t count = is_counted(link) ? count_at(n, &link->remote, is_counted) : 0;

                if (count > most) {
                        most = count;
                        found = link;
                }
        }
        *ret_count = most;
        return found;
}

int node_warn_of_links(struct node *n, const struct endpoint *remote, struct now now)
{
        char address[ENDPOINT_STRING_MAX], sentence[SENTENCE_SIZE];

        if (!ratelimit_allow(&n->limit_warnings, now.mono_usec))
                return 0;
        (void)snprintf(sentence, sizeof sentence,
                "Connections of %s are turned away: at most %zu at a time from one address, %zu "
                "from strangers, %zu in all; a second, at most %d handshakes from one address, %d "
                "in all.",
                endpoint_format_address(remote, address), n->options.links_per_address_max,
                n->options.links_strange_max, n->options.links_max, HANDSHAKES_PER_ADDRESS_MAX,
                HANDSHAKES_MAX);
        return node_warn(n, "Limit", "", sentence);
}

/* 0: there is room now among those that are counted, 1: the newcomer is turned away. */
static int make_room_among(struct node *n, const struct endpoint *from,
        bool (*is_counted)(const struct link *link), size_t n_max)
{
        size_t n_here = count_at(n, from, is_counted), n_noisiest;
        struct link *link;

        if (count_all(n, is_counted) < n_max)
                return 0;
        link = noisiest(n, is_counted, &n_noisiest);
        if (!link || n_here + 1 >= n_noisiest)
                return 1;
        return node_close_link(n, link->number, CLOSE_NOW);
}

static int make_room(struct node *n, const struct endpoint *from, bool is_third)
{
        size_t n_max = n->options.links_strange_max;
        int r = 0;

        if (count_at(n, from, is_accepted) >= n->options.links_per_address_max ||
                n->links_by_number.n >= n->options.links_max)
                return 1;
        if (is_third)
                r = make_room_among(n, from, is_third_stranger, MAX(n_max / 2, (size_t)1));
        return r == 0 ? make_room_among(n, from, is_stranger, n_max) : r;
}

int node_admit(struct node *n, uint64_t number, const struct endpoint *from, bool is_third,
        struct now now, struct link **ret)
{
        int r;

        assert(number % 2 == 0);

        if (is_blocked_address(n, from)) {
                r = node_emit_close(n, number, CLOSE_NOW);
                return r < 0 ? r : 1;
        }
        r = make_room(n, from, is_third);
        if (r < 0)
                return r;
        if (r > 0) {
                r = node_emit_close(n, number, CLOSE_NOW);
                if (r == 0)
                        r = node_warn_of_links(n, from, now);
                return r < 0 ? r : 1;
        }

        r = link_add(n, number, from, NULL, ret);
        if (r < 0)
                return r;
        (*ret)->begin_usec = now.mono_usec;
        (*ret)->is_third = is_third;
        return 0;
}

int node_accepted(struct node *n, uint64_t number, const struct endpoint *from, struct now now)
{
        struct legacy_memory memory = { 0 };
        struct peer *peer;
        struct link *link;
        int r;

        r = node_admit(n, number, from, false, now, &link);
        if (r != 0)
                return r < 0 ? r : 0;
        link->is_undecided = n->options.identity;
        peer = node_peer_at(n, from);
        if (peer)
                memory = peer->record.memory;
        r = legacy_accepted(n->legacy, number, from, &memory, now.mono_usec);
        if (r < 0)
                return r;
        return node_drain_legacy(n, now);
}

int node_connected(struct node *n, uint64_t number, struct now now)
{
        struct link *link = node_link(n, number);
        int r;

        if (!link)
                return 0;
        if (link->peer)
                link->peer->is_deaf = false;
        if (link->is_native)
                return node_native_connected(n, link, now);
        if (link->is_third)
                return node_third_connected(n, link, now);
        r = node_delivery_connected(n, link, now);
        return r < 0 ? r : node_drain_legacy(n, now);
}

static int receive_classic(
        struct node *n, uint64_t number, const void *data, size_t size, struct now now)
{
        int r;

        r = legacy_receive(n->legacy, number, data, size, now.mono_usec);
        return r < 0 ? r : node_drain_legacy(n, now);
}

static int receive_native(
        struct node *n, uint64_t number, const void *data, size_t size, struct now now)
{
        struct link *link = node_link(n, number);

        return link ? node_native_received(n, link, data, size, now) : 0;
}

/* Gives @data, behind what was kept of it, to whom it belongs; as long as nobody can tell, keeps
 * it. */
static int receive_first(
        struct node *n, struct link *link, const uint8_t *data, size_t size, struct now now)
{
        size_t n_used = MIN(size, sizeof link->head - link->head_size), head_size;
        int (*receive)(struct node *, uint64_t, const void *, size_t, struct now) = NULL;
        uint64_t number = link->number;
        uint8_t head[sizeof link->head];
        int r = 0;

        memcpy(link->head + link->head_size, data, n_used);
        link->head_size += n_used;
        switch (session_recognise(link->head, link->head_size)) {
        case SESSION_MAY_BE:
                return 0;
        case SESSION_IS_NOT:
                receive = receive_classic;
                break;
        case SESSION_IS:
                legacy_lost(n->legacy, number);
                r = node_native_accepted(n, link, now);
                receive = receive_native;
                break;
        }
        if (r != 0)
                return r < 0 ? r : 0;

        link->is_undecided = false;
        head_size = link->head_size;
        memcpy(head, link->head, head_size);
        r = receive(n, number, head, head_size, now);
        if (r == 0 && n_used < size)
                r = receive(n, number, data + n_used, size - n_used, now);
        return r;
}

int node_received(struct node *n, uint64_t number, const void *data, size_t size, struct now now)
{
        struct link *link = node_link(n, number);

        if (!link || size == 0)
                return 0;
        if (link->is_undecided)
                return receive_first(n, link, data, size, now);
        if (link->is_third)
                return node_third_received(n, link, data, size, now);
        return link->session ? node_native_received(n, link, data, size, now)
                             : receive_classic(n, number, data, size, now);
}

int node_ended(struct node *n, uint64_t number, struct now now)
{
        struct link *link = node_link(n, number);
        int r = 0;

        if (!link)
                return 0;
        if (link->session)
                return node_native_ended(n, link, now);
        if (link->is_third)
                return node_third_closed(n, link, LINK_RESET, now);
        if (link->is_undecided && link->head_size > 0) {
                link->is_undecided = false;
                r = receive_classic(n, number, link->head, link->head_size, now);
        }
        if (r == 0)
                r = legacy_end(n->legacy, number, now.mono_usec);
        return r < 0 ? r : node_drain_legacy(n, now);
}

/* Some hang up with a reset where others end the file: for the engine both are an answer, or none.
 */
static int hear_the_end(struct node *n, struct link *link, struct now now)
{
        int r;

        link->is_gone = true;
        r = legacy_end(n->legacy, link->number, now.mono_usec);
        return r < 0 ? r : node_drain_legacy(n, now);
}

int node_closed(struct node *n, uint64_t number, enum link_end how, struct now now)
{
        struct link *link = node_link(n, number);
        struct peer *peer;
        int r;

        if (!link)
                return 0;
        if (link->peer && (how == LINK_REFUSED || how == LINK_TIMED_OUT))
                link->peer->is_deaf = true;
        if (link->is_native || link->session)
                return node_native_closed(n, link, how, now);
        if (link->is_third)
                return node_third_closed(n, link, how, now);
        if (link->peer && how == LINK_RESET && node_is_talking(link)) {
                r = hear_the_end(n, link, now);
                link = node_link(n, number);
                if (r < 0 || !link)
                        return r;
        }
        peer = link->peer;
        legacy_lost(n->legacy, number);
        node_forget_link(n, link);
        if (peer && peer->delivery && peer->delivery->link == number)
                return node_delivery_closed(n, peer, how, now);
        return 0;
}
