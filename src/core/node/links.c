/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connections, and what the classic engine makes of them */
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
        r = table_add(&n->links_by_number, &link->by_number, &number, sizeof number);
        if (r < 0) {
                free(link);
                return r;
        }
        list_append(&n->links, &link->list);
        *ret = link;
        return 0;
}

static void link_free(struct node *n, struct link *link)
{
        table_remove(&n->links_by_number, &link->by_number);
        list_remove(&link->list);
        free(link);
}

static int emit_close(struct node *n, uint64_t number, enum close_how how)
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
        link_free(n, link);
        return emit_close(n, number, how);
}

int node_dial(struct node *n, struct peer *peer, const struct endpoint *to, uint64_t *ret_link)
{
        struct link *link;
        int r;

        n->link_last += 2;
        r = link_add(n, n->link_last, to, peer, &link);
        if (r < 0)
                return r;
        *ret_link = link->number;
        return agenda_add_effect(&n->agenda, &(struct effect){ .type = EFFECT_DIAL,
                                                     .dial = { .link = link->number, .to = *to } });
}

/* All who are known at this address are blocked. */
static bool is_blocked_address(const struct node *n, const struct endpoint *remote)
{
        struct peer *first = peers_next_at(&n->peers, remote, NULL);

        for (struct peer *i = first; i; i = peers_next_at(&n->peers, remote, i))
                if (!i->record.blocked)
                        return false;
        return first;
}

static size_t count_strangers_at(const struct node *n, const struct endpoint *remote)
{
        size_t count = 0;

        list_for_each (i, &n->links) {
                struct link *link = container_of(i, struct link, list);

                count += !link->peer && endpoint_same_address(&link->remote, remote);
        }
        return count;
}

static size_t count_strangers(const struct node *n)
{
        size_t count = 0;

        list_for_each (i, &n->links)
                count += !container_of(i, struct link, list)->peer;
        return count;
}

/* The oldest stranger's link of the address that has most of them. */
static struct link *noisiest(const struct node *n, size_t *ret_count)
{
        struct link *found = NULL;
        size_t most = 0;

        list_for_each (i, &n->links) {
                struct link *link = container_of(i, struct link, list);
                size_t count = link->peer ? 0 : count_strangers_at(n, &link->remote);

                if (count > most) {
                        most = count;
                        found = link;
                }
        }
        *ret_count = most;
        return found;
}

static int warn_limit(struct node *n, const struct endpoint *remote, struct now now)
{
        char address[ENDPOINT_STRING_MAX], sentence[SENTENCE_SIZE];

        if (!ratelimit_allow(&n->limit_warnings, now.mono_usec))
                return 0;
        (void)snprintf(sentence, sizeof sentence,
                "Connections of %s are turned away: at most %zu at a time from one address, %zu "
                "from "
                "strangers, %zu in all.",
                endpoint_format_address(remote, address), n->options.links_per_address_max,
                n->options.links_strange_max, n->options.links_max);
        return node_warn(n, "Limit", "", sentence);
}

/* 0: there is room now, 1: the newcomer is turned away. */
static int make_room(struct node *n, const struct endpoint *from)
{
        size_t n_here = count_strangers_at(n, from), n_noisiest;
        struct link *link;

        if (n_here >= n->options.links_per_address_max ||
                n->links_by_number.n >= n->options.links_max)
                return 1;
        if (count_strangers(n) < n->options.links_strange_max)
                return 0;
        link = noisiest(n, &n_noisiest);
        if (!link || n_here + 1 >= n_noisiest)
                return 1;
        return node_close_link(n, link->number, CLOSE_NOW);
}

int node_accepted(struct node *n, uint64_t number, const struct endpoint *from, struct now now)
{
        struct legacy_memory memory = { 0 };
        struct peer *peer;
        struct link *link;
        int r;

        assert(number % 2 == 0);

        if (is_blocked_address(n, from))
                return emit_close(n, number, CLOSE_NOW);
        r = make_room(n, from);
        if (r < 0)
                return r;
        if (r > 0) {
                r = emit_close(n, number, CLOSE_NOW);
                return r < 0 ? r : warn_limit(n, from, now);
        }

        r = link_add(n, number, from, NULL, &link);
        if (r < 0)
                return r;
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
        r = node_delivery_connected(n, link, now);
        return r < 0 ? r : node_drain_legacy(n, now);
}

int node_received(struct node *n, uint64_t number, const void *data, size_t size, struct now now)
{
        int r;

        r = legacy_receive(n->legacy, number, data, size, now.mono_usec);
        return r < 0 ? r : node_drain_legacy(n, now);
}

int node_ended(struct node *n, uint64_t number, struct now now)
{
        int r;

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
        if (link->peer && how == LINK_RESET && node_is_talking(link)) {
                r = hear_the_end(n, link, now);
                link = node_link(n, number);
                if (r < 0 || !link)
                        return r;
        }
        peer = link->peer;
        legacy_lost(n->legacy, number);
        link_free(n, link);
        if (peer && peer->delivery && peer->delivery->link == number)
                return node_delivery_closed(n, peer, how, now);
        return 0;
}

static bool is_same_memory(const struct legacy_memory *a, const struct legacy_memory *b)
{
        uint8_t x[LEGACY_MEMORY_SIZE], y[LEGACY_MEMORY_SIZE];

        legacy_memory_encode(a, x);
        legacy_memory_encode(b, y);
        return memcmp(x, y, sizeof x) == 0;
}

static void learn(struct node *n, struct peer *peer, const struct legacy_memory *memory)
{
        if (is_same_memory(&peer->record.memory, memory))
                return;
        peer->record.memory = *memory;
        peer_touch(&n->peers, peer);
}

static int take_message(struct node *n, const struct legacy_effect *e, struct now now)
{
        struct link *link = node_link(n, e->link);
        uint8_t random[10];
        struct change c;
        struct peer *peer;
        int r;

        r = node_hear_from(n, &e->remote, e->name, now, &peer);
        if (r != 0)
                return r < 0 ? r : 0;
        if (link && link->has_learned)
                learn(n, peer, &link->memory);
        if (peer->record.blocked)
                return 0;
        peer->is_new = false;
        if (!peer->record.has_history) {
                peer->record.has_history = true;
                peer_touch(&n->peers, peer);
        }

        random_bytes(n->random, random, sizeof random);
        c = (struct change){
                .type = CHANGE_MESSAGE,
                .message = {
                        .id = ulid_make(now.real_usec, random),
                        .peer = peer->record.number,
                        .direction = DIRECTION_RECEIVED,
                        .security = e->security == LEGACY_ENCRYPTED ? SECURITY_LEGACY :
                                                                      SECURITY_PLAIN,
                        .state = peer_is_muted(peer, now.real_usec) ? MESSAGE_MUTED :
                                                                      MESSAGE_RECEIVED,
                        .time_usec = now.real_usec,
                        .endpoint = peer_endpoint(peer),
                        .text = e->data,
                        .size = e->size,
                },
        };
        memcpy(c.message.name, peer->record.name, sizeof c.message.name);
        return agenda_add_change(&n->agenda, &c);
}

static int take_notice(struct node *n, const struct legacy_effect *e, struct now now)
{
        struct peer *peer = node_peer_at(n, &e->remote);
        char word[WORD_SIZE];

        if (!ratelimit_allow(&n->text_warnings, now.mono_usec))
                return 0;
        if (peer)
                node_word(n, peer->record.number, NULL, NULL, now, word);
        else
                endpoint_format_address(&e->remote, word);
        return node_warn(n, "Undecryptable", word, e->sentence);
}

static int take_result(struct node *n, const struct legacy_effect *e, struct now now)
{
        struct link *link = node_link(n, e->link);
        struct peer *peer = link ? link->peer : NULL;

        if (link && (link->is_closed || link->is_gone))
                link_free(n, link);
        if (!peer || !peer->delivery || peer->delivery->link != e->link)
                return 0;
        return node_delivery_result(n, peer, e->outcome, now);
}

static int take_effect(struct node *n, const struct legacy_effect *e, struct now now)
{
        struct link *link = node_link(n, e->link);

        switch (e->type) {
        case LEGACY_SEND:
                return agenda_add_effect(&n->agenda,
                        &(struct effect){
                                .type = EFFECT_SEND,
                                .send = { .link = e->link, .data = e->data, .size = e->size },
                        });
        case LEGACY_CLOSE:
                if (!link)
                        return 0;
                if (link->is_gone)
                        return 0;
                if (link->peer)
                        link->is_closed = true;
                else
                        link_free(n, link);
                return emit_close(n, e->link, CLOSE_FLUSH);
        case LEGACY_FINISH:
                return emit_close(n, e->link, CLOSE_FINISH);
        case LEGACY_MESSAGE:
                return take_message(n, e, now);
        case LEGACY_LEARNED:
                if (!link)
                        return 0;
                link->memory = e->memory;
                link->has_learned = true;
                if (link->peer)
                        learn(n, link->peer, &e->memory);
                else if (node_peer_at(n, &e->remote))
                        learn(n, node_peer_at(n, &e->remote), &e->memory);
                return 0;
        case LEGACY_RESULT:
                return take_result(n, e, now);
        case LEGACY_NOTICE:
                return take_notice(n, e, now);
        }
        return 0;
}

int node_drain_legacy(struct node *n, struct now now)
{
        struct legacy_effect e;
        int r;

        /* What an effect causes may call the engine again, which ends the life of e's pointers: so
         * each is taken whole before the next. */
        while (legacy_next_effect(n->legacy, &e)) {
                r = take_effect(n, &e, now);
                if (r < 0)
                        return r;
        }
        return 0;
}
