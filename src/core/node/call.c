/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What callers want: send, cancel, block, mute, forget, another name */
#include "core/node/node-private.h"

#define CONVERSATIONS_MAX 64

int node_reply(struct node *n, uint64_t call, const struct ulid *id, enum message_state state)
{
        return agenda_add_effect(
                &n->agenda, &(struct effect){
                                    .type = EFFECT_REPLY,
                                    .reply = { .call = call, .id = *id, .state = state },
                            });
}

static int answer(struct node *n, struct call *call, enum message_state state)
{
        int r = node_reply(n, call->number, &call->id, state);

        list_remove(&call->list);
        free(call);
        return r;
}

int node_answer(struct node *n, const struct ulid *id, enum message_state state)
{
        list_for_each_safe (i, &n->calls) {
                struct call *call = container_of(i, struct call, list);

                if (ulid_equal(&call->id, id))
                        return answer(n, call, state);
        }
        return 0;
}

int node_answer_queued(struct node *n, const struct outbox *outbox)
{
        list_for_each_safe (i, &n->calls) {
                struct call *call = container_of(i, struct call, list);
                struct queued *q = node_queued(n, &call->id);
                int r;

                if (!q || q->outbox != outbox)
                        continue;
                r = answer(n, call, MESSAGE_QUEUED);
                if (r < 0)
                        return r;
        }
        return 0;
}

int node_answer_all(struct node *n)
{
        int r = node_answer_late(n, USEC_INFINITY);

        if (r == 0)
                r = node_searches_late(n, USEC_INFINITY);
        return r < 0 ? r : node_visits_end(n);
}

int node_answer_late(struct node *n, usec_t now_usec)
{
        list_for_each_safe (i, &n->calls) {
                struct call *call = container_of(i, struct call, list);
                int r;

                if (call->deadline_usec > now_usec)
                        continue;
                r = answer(n, call, node_told_state(n, call));
                if (r < 0)
                        return r;
        }
        return 0;
}

int node_refuse_call(struct node *n, uint64_t call, int code, const struct refusal *refusal)
{
        return agenda_add_effect(&n->agenda,
                &(struct effect){
                        .type = EFFECT_REFUSE,
                        .refuse = { .call = call, .code = code, .sentence = refusal->sentence },
                });
}

void node_forget_call(struct node *n, uint64_t number)
{
        agenda_drop_reply(&n->agenda, number);
        node_visit_forget_call(n, number);
        node_search_forget_call(n, number);
        list_for_each_safe (i, &n->calls) {
                struct call *call = container_of(i, struct call, list);

                if (call->number == number) {
                        list_remove(i);
                        free(call);
                        return;
                }
        }
}

int node_check_text(const char *text, size_t size, struct refusal *ret_refusal)
{
        if (size == 0)
                return refuse(ret_refusal, REFUSAL_INVALID_TEXT,
                        "The text is empty: write at least one character.");
        if (size > TEXT_SIZE_MAX)
                return refuse(ret_refusal, REFUSAL_TOO_LARGE,
                        "The text has %zu bytes; a message holds at most %d.", size, TEXT_SIZE_MAX);
        if (!utf8_is_valid(text, size))
                return refuse(ret_refusal, REFUSAL_INVALID_TEXT,
                        "The text is not valid UTF-8: convert it first.");
        if (!text_is_printable(text, size))
                return refuse(ret_refusal, REFUSAL_INVALID_TEXT,
                        "The text has control characters other than tab and line feed: remove "
                        "them.");
        return 0;
}

static int check_number(const char *number, struct refusal *ret_refusal)
{
        size_t size = number ? strlen(number) : 1;

        if (!number)
                return 0;
        if (size == 0 || size > NUMBER_SIZE_MAX || strspn(number, "0123456789") != size)
                return refuse(ret_refusal, REFUSAL_INVALID_ARGUMENT,
                        "The private number \"%.120s\" is not 1 to %d decimal digits.", number,
                        NUMBER_SIZE_MAX);
        return 0;
}

static int check_classic(const struct node *n, const struct peer *peer, enum security security,
        const char *text, size_t size, struct refusal *ret_refusal)
{
        const char *name = peer_name(peer);
        bool is_plain = security == SECURITY_PLAIN;

        if (peer->record.cannot_chat)
                return refuse(ret_refusal, REFUSAL_CANNOT_CHAT,
                        "%s runs a program that shares files on this port and cannot chat.", name);
        if (security > SECURITY_LEGACY)
                return refuse(ret_refusal, REFUSAL_NOT_SECURE,
                        "The program of %s knows only the classic key exchange, which is not "
                        "secure: ask for \"legacy\" if that will do.",
                        name);
        if (!is_plain && peer_security(peer) == SECURITY_PLAIN)
                return refuse(ret_refusal, REFUSAL_NOT_SECURE,
                        "The program of %s understands plain text only: ask for plain text if "
                        "everybody on the network may read it.",
                        name);
        if (peer_is_third(peer))
                return 0; /* packets have no limit there */
        if (legacy_count_parts(&peer->record.memory, is_plain ? LEGACY_PLAIN : LEGACY_ENCRYPTED,
                    n->username, text, size) > LEGACY_PARTS_MAX)
                return refuse(ret_refusal, REFUSAL_TOO_LARGE,
                        "The text has %zu bytes; the program of %s takes about 700 at a time, and "
                        "at most %d such parts are sent: send less, or in several messages.",
                        size, name, LEGACY_PARTS_MAX);
        return 0;
}

static int check_native(
        const struct peer *peer, enum security security, struct refusal *ret_refusal)
{
        const char *name = peer_name(peer);

        if (security == SECURITY_VERIFIED && peer_security(peer) < security)
                return refuse(ret_refusal, REFUSAL_NOT_SECURE,
                        "The fingerprint of %s was never compared: see \"p2pchat fingerprint "
                        "%s\", then \"p2pchat verify\".",
                        name, name);
        if (security > SECURITY_ENCRYPTED && peer_security(peer) < security)
                return refuse(ret_refusal, REFUSAL_NOT_SECURE,
                        "%s has no certificate: ask for \"encrypted\" if that will do.", name);
        return 0;
}

/* May @peer be sent this text with at least @security? */
static int check_peer(const struct node *n, const struct peer *peer, enum security security,
        const char *text, size_t size, struct refusal *ret_refusal)
{
        const char *name = peer_name(peer);
        int r;

        if (peer->record.blocked)
                return refuse(ret_refusal, REFUSAL_BLOCKED,
                        "You have blocked %s: \"p2pchat unblock %s\" first.", name, name);
        r = peer_is_native(peer) ? check_native(peer, security, ret_refusal)
                                 : check_classic(n, peer, security, text, size, ret_refusal);
        if (r != 0)
                return r;
        if (peer->outbox.n >= n->options.queue_max ||
                peer->outbox.size + size > n->options.queue_size_max)
                return refuse(ret_refusal, REFUSAL_QUEUE_FULL,
                        "%zu messages wait for %s already: wait until %s is back, or cancel some.",
                        peer->outbox.n, name, name);
        return 0;
}

/* Nothing goes to a native peer with less than a session gives. */
static enum security least_security(const struct peer *peer, int asked)
{
        enum security least = peer_is_native(peer) ? SECURITY_ENCRYPTED : SECURITY_LEGACY;

        if (asked < 0)
                return least;
        return peer_is_native(peer) ? MAX((enum security)asked, least) : (enum security)asked;
}

static int store_message(struct node *n, struct peer *peer, const struct ulid *id,
        enum security security, const char *text, size_t size, const char *number, struct now now)
{
        struct change c = {
                .type = CHANGE_MESSAGE,
                .message = {
                        .id = *id,
                        .peer = peer->record.number,
                        .direction = DIRECTION_SENT,
                        .security = security,
                        .state = MESSAGE_QUEUED,
                        .time_usec = now.real_usec,
                        .endpoint = peer_endpoint(peer),
                        .text = text,
                        .size = size,
                },
        };

        memcpy(c.message.name, peer_name(peer), strlen(peer_name(peer)) + 1);
        if (number)
                memcpy(c.message.number, number, strlen(number) + 1);
        if (!peer->record.has_history) {
                peer->record.has_history = true;
                peer_touch(&n->peers, peer);
        }
        return agenda_add_change(&n->agenda, &c);
}

int node_wait(
        struct node *n, uint64_t number, const struct ulid *id, uint64_t team, usec_t deadline_usec)
{
        struct call *call = calloc(1, sizeof *call);

        if (!call)
                return -ENOMEM;
        call->number = number;
        call->id = *id;
        call->team = team;
        call->deadline_usec = deadline_usec;
        list_append(&n->calls, &call->list);
        return 0;
}

/* Answers now, or when the message has gone, at the latest after @wait_usec. */
static int reply_later(struct node *n, uint64_t number, const struct ulid *id, usec_t wait_usec,
        const struct peer *peer, struct now now)
{
        bool is_going =
                peer_is_native(peer) ? node_is_seeking(n, peer, now) : peer->delivery != NULL;

        if (wait_usec == 0 || !is_going)
                return node_reply(n, number, id, MESSAGE_QUEUED);
        return node_wait(n, number, id, 0, usec_add(now.mono_usec, wait_usec));
}

/* What a classic peer turned out to be is written to instead. */
static int find_recipient(
        const struct node *n, const char *word, struct peer **ret, struct refusal *ret_refusal)
{
        int r = node_find_user(n, word, ret, ret_refusal);

        if (r == 0)
                *ret = peers_successor(&n->peers, *ret) ?: *ret;
        return r;
}

int node_send(struct node *n, uint64_t call, const char *word, const char *text, size_t size,
        const struct send_options *options, struct now now, struct refusal *ret_refusal)
{
        enum security security;
        uint8_t random[10];
        struct peer *peer;
        struct queued *q;
        struct ulid id;
        bool is_group = node_is_team_word(n, word);
        int r;

        r = is_group ? 0 : find_recipient(n, word, &peer, ret_refusal);
        if (r == REFUSAL_UNKNOWN_USER && n->ring.engine && strchr(word, '#'))
                return node_search_recipient(n, call, word, text, size, options, now, ret_refusal);
        if (r == 0)
                r = node_check_text(text, size, ret_refusal);
        if (r == 0)
                r = check_number(options->number, ret_refusal);
        if (r == 0 && is_group)
                return node_group_send(n, call, word, text, size, options, now, ret_refusal);
        if (r != 0)
                return r;
        security = least_security(peer, options->security);
        r = check_peer(n, peer, security, text, size, ret_refusal);
        if (r != 0)
                return r;

        random_bytes(n->random, random, sizeof random);
        id = ulid_make(now.real_usec, random);
        q = queued_new(&id, peer->record.number, (int)security, size, 0,
                options->number ? options->number : "");
        if (!q)
                return -ENOMEM;
        q->is_by_name = word_is_name(word);
        r = node_enqueue(n, peer, q);
        if (r < 0)
                return r;
        r = store_message(n, peer, &id, security, text, size, options->number, now);
        if (r < 0)
                return r;
        r = node_make_contact(n, peer, now);
        if (r == 0)
                r = node_deliver(n, peer, now);
        if (r < 0)
                return r;
        /* It may have been passed on to another one of that name. */
        peer = container_of(q->outbox, struct peer, outbox);
        return reply_later(n, call, &id, options->wait_usec, peer, now);
}

static int refuse_no_message(struct refusal *ret_refusal, const struct ulid *id, const char *why)
{
        char text[ULID_STRING_SIZE];

        return refuse(
                ret_refusal, REFUSAL_NO_SUCH_MESSAGE, "Message %s %s.", ulid_format(id, text), why);
}

/* Out of what is under way to the peer. 0, -errno, or 1 when his answer has just come. */
static int take_back(struct node *n, struct peer *peer, struct queued *q)
{
        if (peer_is_native(peer))
                return node_stream_cancel(n, peer, q);
        return peer->delivery && peer->delivery->queued == q ? node_delivery_abort(n, peer) : 0;
}

static bool is_told(const struct node *n, const struct ulid *id)
{
        list_for_each (i, &n->groups.teams)
                if (node_told_find(container_of(i, const struct team, list), id))
                        return true;
        return false;
}

int node_cancel(struct node *n, const struct ulid *id, struct now now, struct refusal *ret_refusal)
{
        struct queued *q = node_queued(n, id);
        struct peer *peer;
        int r;

        if (!q && is_told(n, id))
                return refuse_no_message(ret_refusal, id,
                        "is signed for a group, where anybody may have it: it cannot be called "
                        "back");
        if (!q)
                return refuse_no_message(
                        ret_refusal, id, "is not in the queue: it never was, or it has gone");
        peer = container_of(q->outbox, struct peer, outbox);
        if (node_stream_is_sent(peer, q) || (peer->delivery && peer->delivery->queued == q &&
                                                    peer->delivery->state >= DELIVERY_TALKING))
                return refuse_no_message(
                        ret_refusal, id, "is on its way and cannot be called back");
        r = take_back(n, peer, q);
        if (r > 0)
                return refuse_no_message(ret_refusal, id, "has just been answered");
        if (r < 0)
                return r;
        r = node_settle(n, peer, q, MESSAGE_CANCELLED, "");
        return r < 0 ? r : node_deliver(n, peer, now);
}

int node_block(
        struct node *n, const char *word, bool block, struct now now, struct refusal *ret_refusal)
{
        struct peer *peer;
        int r;

        if (node_is_team_word(n, word))
                return refuse(ret_refusal, REFUSAL_INVALID_ARGUMENT,
                        "\"%.100s\" is a group, and only users are blocked: leave it by \"p2pchat "
                        "group leave\", or mute it.",
                        word);
        r = node_find_user(n, word, &peer, ret_refusal);
        if (r != 0 || peer->record.blocked == block)
                return r;

        peer->record.blocked = block;
        n->peers.has_blocked |= block;
        peer_touch(&n->peers, peer);
        r = node_groups_blocked(n, peer, now);
        if (r < 0)
                return r;
        if (!block)
                return node_deliver_named(n, peer->record.name, now);
        r = node_hang_up(n, peer, GOODBYE_OTHER, now);
        if (r == 0)
                r = node_files_break_off(n, peer, false, now);
        if (r == 0)
                r = node_third_hang_up(n, peer);
        return r < 0 ? r : node_delivery_abort(n, peer);
}

int node_mute(struct node *n, const char *word, usec_t until_usec, struct now now,
        struct refusal *ret_refusal)
{
        struct peer *peer;
        int r;

        if (node_is_team_word(n, word))
                return node_group_mute(n, word, until_usec, ret_refusal);
        r = node_find_user(n, word, &peer, ret_refusal);
        if (r != 0)
                return r;
        peer->record.muted_until_usec = until_usec;
        peer_touch(&n->peers, peer);
        return 0;
}

/* Cancels what was written in this conversation, wherever it waits now. */
static int cancel_all(struct node *n, uint64_t number)
{
        list_for_each_safe (i, &n->peers.waiting) {
                struct peer *peer = container_of(i, struct peer, waiting);

                list_for_each_safe (k, &peer->outbox.messages) {
                        struct queued *q = container_of(k, struct queued, waiting);
                        int r;

                        if (q->peer != number)
                                continue;
                        r = take_back(n, peer, q);
                        if (r == 0)
                                r = node_settle(n, peer, q, MESSAGE_CANCELLED, "");
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

int node_forget(struct node *n, const char *word, struct now now, struct refusal *ret_refusal)
{
        uint64_t numbers[CONVERSATIONS_MAX];
        size_t n_numbers;
        int r;

        if (node_is_team_word(n, word))
                return node_group_forget(n, word, now, ret_refusal);
        r = node_find_conversations(
                n, word, now, numbers, ELEMENTSOF(numbers), &n_numbers, ret_refusal);
        if (r != 0)
                return r;

        for (size_t i = 0; i < n_numbers; i++) {
                struct peer *peer = peers_by_number(&n->peers, numbers[i]);

                r = cancel_all(n, numbers[i]);
                if (r == 0)
                        r = node_files_break_off(n, peer, true, now);
                if (r < 0)
                        return r;
                peer->record.has_history = false;
                peer_touch(&n->peers, peer);
                r = agenda_add_change(&n->agenda,
                        &(struct change){ .type = CHANGE_FORGET, .number = numbers[i] });
                if (r < 0)
                        return r;
        }
        /* What others wrote into the same queue may go now. */
        n->retry_usec = now.mono_usec;
        return 0;
}

int node_set_username(
        struct node *n, const char *username, struct now now, struct refusal *ret_refusal)
{
        int r;

        if (!username_is_valid(username))
                return refuse(ret_refusal, REFUSAL_INVALID_NAME,
                        "\"%.100s\" cannot be a username: 3 to 20 letters, digits, _ and - of "
                        "ASCII.",
                        username);
        if (streq(username, n->username))
                return 0;
        memcpy(n->username, username, strlen(username) + 1);
        discovery_announce_soon(&n->discovery, now.mono_usec);
        n->name_count++;
        r = node_ring_changed(n, false, now);
        if (r == 0)
                r = node_native_renamed(n, now);
        return r < 0 ? r
                     : agenda_add_change(&n->agenda,
                               &(struct change){ .type = CHANGE_USERNAME, .text = n->username });
}
