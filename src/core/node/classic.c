/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the classic engine makes of a connection */
#include "core/node/node-private.h"

static bool is_same_memory(const struct legacy_memory *a, const struct legacy_memory *b)
{
        uint8_t x[LEGACY_MEMORY_SIZE], y[LEGACY_MEMORY_SIZE];

        legacy_memory_encode(a, x);
        legacy_memory_encode(b, y);
        return memcmp(x, y, sizeof x) == 0;
}

static void learn(struct node *n, struct peer *peer, const struct legacy_memory *memory)
{
        struct legacy_memory m = *memory;

        /* Of the third dialect nothing is learnt here, and it is this peer's alone, while @memory
         * may have begun as that of another one at this address. */
        m.third_tag = peer->record.memory.third_tag;
        m.third_port = peer->record.memory.third_port;
        if (peer_is_native(peer) || is_same_memory(&peer->record.memory, &m))
                return;
        peer->record.memory = m;
        peer_touch(&n->peers, peer);
}

int node_take_text(struct node *n, struct peer *peer, enum security security, const void *text,
        size_t size, struct now now)
{
        uint8_t random[10];
        struct change c;

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
                        .security = security,
                        .state = peer_is_muted(peer, now.real_usec) ? MESSAGE_MUTED :
                                                                      MESSAGE_RECEIVED,
                        .time_usec = now.real_usec,
                        .endpoint = peer_endpoint(peer),
                        .text = text,
                        .size = size,
                },
        };
        memcpy(c.message.name, peer->record.name, sizeof c.message.name);
        return agenda_add_change(&n->agenda, &c);
}

static int take_message(struct node *n, const struct legacy_effect *e, struct now now)
{
        struct link *link = node_link(n, e->link);
        struct peer *peer;
        int r;

        r = node_hear_from(n, &e->remote, e->name, now, &peer);
        if (r != 0)
                return r < 0 ? r : 0;
        if (link && link->has_learned)
                learn(n, peer, &link->memory);
        return node_take_text(n, peer,
                e->security == LEGACY_ENCRYPTED ? SECURITY_LEGACY : SECURITY_PLAIN, e->data,
                e->size, now);
}

int node_warn_unreadable(
        struct node *n, const struct peer *peer, const char *sentence, struct now now)
{
        char word[WORD_SIZE];

        if (!ratelimit_allow(&n->text_warnings, now.mono_usec))
                return 0;
        node_word(n, peer->record.number, NULL, NULL, now, word);
        return node_warn(n, "Undecryptable", word, sentence);
}

static int take_notice(struct node *n, const struct legacy_effect *e, struct now now)
{
        struct peer *peer = node_peer_at(n, &e->remote);
        char address[ENDPOINT_STRING_MAX];

        if (peer)
                return node_warn_unreadable(n, peer, e->sentence, now);
        if (!ratelimit_allow(&n->text_warnings, now.mono_usec))
                return 0;
        return node_warn(
                n, "Undecryptable", endpoint_format_address(&e->remote, address), e->sentence);
}

static int take_result(struct node *n, const struct legacy_effect *e, struct now now)
{
        struct link *link = node_link(n, e->link);
        struct peer *peer = link ? link->peer : NULL;

        if (link && (link->is_closed || link->is_gone))
                node_forget_link(n, link);
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
                        node_forget_link(n, link);
                return node_emit_close(n, e->link, CLOSE_FLUSH);
        case LEGACY_FINISH:
                return node_emit_close(n, e->link, CLOSE_FINISH);
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
