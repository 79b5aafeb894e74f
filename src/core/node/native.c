/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sessions with native peers
 *
 *     seek --dial--> connected --handshake--> proven --frames--> ended --something waits--> seek
 *             |                    |             |
 *             |                    |             +-- there is one already: session_replaces()
 *             +--------------------+-- in vain: the next place; after the last the outbox rests
 *
 * A dialled one always wants its peer's id, so an address is a hint and no more. A renewal is a
 * dial beside the session, which goes on if that comes to nothing.
 */
#include <stdio.h>

#include "core/node/node-private.h"

/* The native peer whose session or dial this is. */
static struct native *native_of(const struct link *link)
{
        return link->peer ? link->peer->native : NULL;
}

static struct native *proven_at(const struct link *link)
{
        struct native *native = native_of(link);

        return native && native->link == link->number ? native : NULL;
}

/*
 * The end of a session
 */
static int tell(struct node *n, const struct link *link, const char *what, struct now now)
{
        struct change c = {
                .type = CHANGE_SESSION,
                .session = {
                        .user = "",
                        .endpoint = link->remote,
                        .what = what,
                        .is_ours = session_role(link->session) == SESSION_DIALLER,
                        .sent = *session_sent(link->session),
                        .received = *session_received(link->session),
                },
        };
        char word[WORD_SIZE];

        if (link->is_proven)
                c.session.user = node_word(n, link->peer->record.number, NULL, NULL, now, word);
        return agenda_add_change(&n->agenda, &c);
}

static const char *goodbye_word(enum goodbye reason)
{
        switch (reason) {
        case GOODBYE_STOP:
                return "stopped";
        case GOODBYE_IDLE:
                return "idle";
        case GOODBYE_REPLACED:
                return "replaced";
        case GOODBYE_ENDED:
                return "ended";
        case GOODBYE_OTHER:
                break;
        }
        return "goodbye";
}

static const char *end_word(const struct link *link, enum session_end how, enum goodbye goodbye)
{
        if (link->end_word)
                return link->end_word;
        switch (how) {
        case SESSION_GOODBYE:
                return goodbye_word(goodbye);
        case SESSION_IDLE:
                return "idle";
        case SESSION_TIMED_OUT:
                return "timed-out";
        case SESSION_NOT_NATIVE:
                return "not-native";
        case SESSION_NOT_PROVEN:
                return "not-proven";
        case SESSION_OTHER_ID:
                return "other-id";
        case SESSION_ALTERED:
                return "altered";
        case SESSION_MALFORMED:
                return "malformed";
        case SESSION_USED_UP:
                return "used-up";
        case SESSION_CLOSED:
                break;
        }
        return "closed";
}

/* What waits goes in another session, after a rest; but a renewal that is under way is that. */
static int session_lost(struct node *n, struct native *native, struct now now)
{
        struct peer *peer = native->peer;

        native->link = 0;
        n->n_sessions--;
        node_streams_close(native);
        discovery_release(&n->discovery, &peer->neighbour, now.mono_usec);
        peer->record.heard_usec = now.real_usec;
        peer_touch(&n->peers, peer);
        if (native->dial_link != 0 || peer->outbox.n == 0)
                return 0;
        return node_native_rest(n, peer, now);
}

/* The link of a session, or of a dial, is gone or going. */
static int forget(struct node *n, struct link *link, struct now now)
{
        struct native *native = native_of(link);
        uint64_t number = link->number;

        node_forget_link(n, link);
        if (native && native->link == number)
                return session_lost(n, native, now);
        if (native && native->dial_link == number)
                return node_native_missed(n, native, now);
        return 0;
}

static int drain(struct node *n, uint64_t number, struct now now);

/* The caller drains it, where it ends. */
static int close_session(
        struct node *n, struct link *link, const char *word, enum goodbye reason, struct now now)
{
        link->end_word = word;
        return session_close(link->session, reason, now.mono_usec);
}

/* Our own id, proven there: it is us, or a copy of us. */
static int meet_self(
        struct node *n, const struct link *link, const struct introduction *who, struct now now)
{
        char address[ENDPOINT_STRING_MAX], sentence[SENTENCE_SIZE];

        if (who->run == n->self.run)
                return 0;
        n->clone = link->remote;
        if (!ratelimits_allow(&n->clone_warnings, &link->remote, now.mono_usec))
                return 0;
        (void)snprintf(sentence, sizeof sentence,
                "A machine at %s has the identity of this one: one is a copy of the other. Run "
                "\"p2pchat identity new\" on one of them, or messages go to either.",
                endpoint_format_address(&link->remote, address));
        return node_warn(n, "Clone", "", sentence);
}

/* Who was dialled is not there, but @found is: something may wait for that one. */
static int meet_other(
        struct node *n, const struct link *link, const struct introduction *found, struct now now)
{
        struct peer *peer;
        int r;

        if (streq(found->id, n->id))
                return meet_self(n, link, found, now);
        if (!link->peer)
                return 0;
        r = node_found_other(n, link->peer, found, &link->remote, now);
        peer = peers_by_id(&n->peers, found->id);
        return r < 0 || !peer ? r : node_deliver(n, peer, now);
}

static int take_end(struct node *n, struct link *link, enum session_end how, enum goodbye goodbye,
        struct now now)
{
        int r;

        r = tell(n, link, end_word(link, how, goodbye), now);
        if (r == 0)
                r = node_emit_close(n, link->number, CLOSE_FLUSH);
        if (r == 0 && how == SESSION_OTHER_ID)
                r = meet_other(n, link, session_peer(link->session), now);
        return r < 0 ? r : forget(n, link, now);
}

/*
 * A proven one
 */

/* As it is done with who has been blocked, or is over a limit: nobody learns which. */
static int turn_away(struct node *n, struct link *link, const char *word, struct now now)
{
        return close_session(n, link, word, GOODBYE_OTHER, now);
}

/* The session so far goes, and @link is the one from now on. */
static int settle_in(struct node *n, struct native *native, struct link *link,
        const struct session_claim *claim, struct now now)
{
        struct link *old = native->link != 0 ? node_link(n, native->link) : NULL;
        int r;

        n->n_sessions += !old;
        native->link = link->number;
        native->claim = *claim;
        native->n_tried = 0;
        if (!old)
                return 0;
        r = close_session(n, old, "replaced", GOODBYE_REPLACED, now);
        return r < 0 ? r : drain(n, old->number, now);
}

/* @is_heir: it was no contact before, so what waits for absent classic peers of its name is for it.
 */
static int begin(struct node *n, struct native *native, bool is_heir, struct now now)
{
        struct peer *peer = native->peer;
        int r;

        discovery_hold(&n->discovery, &peer->neighbour, now.mono_usec);
        peer->record.heard_usec = now.real_usec;
        peer->is_new = false;
        peer_touch(&n->peers, peer);
        r = node_inherit(n, peer, is_heir && !peers_is_namesake(&n->peers, peer), now);
        if (r == 0)
                r = tell(n, node_link(n, native->link), "proven", now);
        return r < 0 ? r : node_streams_open(n, native, now);
}

/*
 * A key costs nothing, and addresses little: whoever has many could take all links. So of those
 * that others opened a fourth is left for contacts, and for who is on the way to prove that he is
 * one.
 */
static bool is_one_too_many(const struct node *n, const struct link *link, const struct peer *peer)
{
        size_t count = 0;

        if (session_role(link->session) == SESSION_DIALLER || peer_is_contact(peer) ||
                (peer->native && peer->native->link != 0))
                return false;
        list_for_each (i, &n->links) {
                struct link *other = container_of(i, struct link, list);

                count += other->is_proven && session_role(other->session) == SESSION_RESPONDER &&
                         !peer_is_contact(other->peer);
        }
        return count >= n->options.links_max - n->options.links_max / 4;
}

static int take_proven(
        struct node *n, struct link *link, const struct introduction *who, struct now now)
{
        struct peer *peer = peers_by_id(&n->peers, who->id);
        const struct session_claim claim = {
                .run = who->run,
                .is_ours = session_role(link->session) == SESSION_DIALLER,
        };
        bool is_heir = !peer || !peer_is_contact(peer);
        struct native *native;
        int r;

        if (streq(who->id, n->id)) {
                r = meet_self(n, link, who, now);
                return r < 0 ? r : turn_away(n, link, "self", now);
        }
        if (peer && peer->record.blocked)
                return turn_away(n, link, "blocked", now);
        n->is_proving = true;
        r = node_take_proof(n, who, &link->remote, now, &peer);
        n->is_proving = false;
        if (r > 0 || (r == 0 && is_one_too_many(n, link, peer)))
                return turn_away(n, link, "no-room", now);
        if (r == 0)
                r = node_get_native(n, peer, &native);
        if (r < 0)
                return r;

        link->peer = peer;
        link->is_proven = true;
        if (native->dial_link == link->number)
                native->dial_link = 0;
        if (native->link != 0 && !session_replaces(&claim, &native->claim, n->id, peer->record.id))
                return close_session(n, link, "replaced", GOODBYE_REPLACED, now);
        r = settle_in(n, native, link, &claim, now);
        return r < 0 ? r : begin(n, native, is_heir, now);
}

static int take_message(struct node *n, struct link *link, const struct message *m, struct now now)
{
        struct native *native = proven_at(link);
        int r;

        if (!native)
                return 0;
        r = node_stream_receive(n, native, m, now);
        return r == STREAM_BROKEN ? close_session(n, link, "broken", GOODBYE_OTHER, now) : r;
}

static int renew(struct node *n, struct link *link, struct now now)
{
        struct native *native = proven_at(link);
        struct link *new;
        int r;

        if (!native || native->dial_link != 0 || n->is_leaving ||
                n->links_by_number.n >= n->options.links_max)
                return 0;
        r = node_dial_native(n, native->peer, &link->remote, now, &new);
        if (r < 0)
                return r;
        native->dial_link = new->number;
        return 0;
}

static int take_effect(
        struct node *n, struct link *link, const struct session_effect *e, struct now now)
{
        switch (e->type) {
        case SESSION_SEND:
                return agenda_add_effect(&n->agenda, &(struct effect){
                                                             .type = EFFECT_SEND,
                                                             .send = { .link = link->number,
                                                                     .data = e->send.data,
                                                                     .size = e->send.size },
                                                     });
        case SESSION_PROVEN:
                return take_proven(n, link, e->peer, now);
        case SESSION_MESSAGE:
                return take_message(n, link, &e->message, now);
        case SESSION_RENEW:
                return renew(n, link, now);
        case SESSION_ENDED:
                return take_end(n, link, e->ended.how, e->ended.goodbye, now);
        }
        return 0;
}

/* What an effect causes may end this session, or another one. */
static int drain(struct node *n, uint64_t number, struct now now)
{
        struct session_effect e;
        struct link *link;
        int r;

        while ((link = node_link(n, number)) && session_next_effect(link->session, &e)) {
                r = take_effect(n, link, &e, now);
                if (r < 0)
                        return r;
        }
        return 0;
}

/*
 * The world
 */

/* Is that where a session comes from that was used enough to be made anew? Its dialler keeps to the
 * rules, once for so many messages, and to the limit of all, but may be quicker than strangers. */
static bool take_renewal(struct node *n, const struct endpoint *remote)
{
        list_for_each (i, &n->links) {
                struct link *link = container_of(i, struct link, list);
                uint64_t n_messages;

                if (!link->session || !proven_at(link) ||
                        !endpoint_same_address(&link->remote, remote))
                        continue;
                n_messages = session_sent(link->session)->n_messages +
                             session_received(link->session)->n_messages;
                if (n_messages < link->n_renewed + SESSION_RENEW_MESSAGES)
                        continue;
                link->n_renewed = n_messages;
                return true;
        }
        return false;
}

int node_native_accepted(struct node *n, struct link *link, struct now now)
{
        struct endpoint remote = link->remote;
        int r;

        if ((take_renewal(n, &remote) ||
                    ratelimits_allow(&n->handshakes_at, &remote, now.mono_usec)) &&
                ratelimit_allow(&n->handshakes, now.mono_usec))
                return session_new(
                        &n->self, SESSION_RESPONDER, NULL, link->begin_usec, &link->session);
        r = node_close_link(n, link->number, CLOSE_NOW);
        if (r == 0)
                r = node_warn_of_links(n, &remote, now);
        return r < 0 ? r : 1;
}

int node_native_connected(struct node *n, struct link *link, struct now now)
{
        const char *wanted_id = link->peer ? link->peer->record.id : n->id;
        int r;

        r = session_new(&n->self, SESSION_DIALLER, wanted_id, now.mono_usec, &link->session);
        return r < 0 ? r : drain(n, link->number, now);
}

int node_native_received(
        struct node *n, struct link *link, const void *data, size_t size, struct now now)
{
        struct native *native = proven_at(link);
        uint64_t number = link->number;
        const uint8_t *p = data;

        if (native)
                native->peer->record.heard_usec = now.real_usec;
        for (; size > 0 && link; link = node_link(n, number)) {
                size_t chunk = MIN(size, (size_t)SESSION_CHUNK_MAX);
                int r;

                r = session_receive(link->session, p, chunk, now.mono_usec);
                if (r == 0)
                        r = drain(n, number, now);
                if (r < 0)
                        return r;
                p += chunk;
                size -= chunk;
        }
        return 0;
}

int node_native_ended(struct node *n, struct link *link, struct now now)
{
        int r;

        r = tell(n, link, "lost", now);
        if (r == 0)
                r = node_emit_close(n, link->number, CLOSE_FLUSH);
        return r < 0 ? r : forget(n, link, now);
}

int node_native_closed(struct node *n, struct link *link, enum link_end how, struct now now)
{
        int r = 0;

        if (link->session)
                r = tell(n, link, how == LINK_TIMED_OUT ? "silent" : "lost", now);
        return r < 0 ? r : forget(n, link, now);
}

int node_native_advance(struct node *n, struct now now)
{
        list_for_each_safe (i, &n->links) {
                struct link *link = container_of(i, struct link, list);
                int r;

                if (!link->session || session_deadline(link->session) > now.mono_usec)
                        continue;
                r = session_advance(link->session, now.mono_usec);
                if (r == 0)
                        r = drain(n, link->number, now);
                if (r < 0)
                        return r;
        }
        return 0;
}

usec_t node_native_deadline(const struct node *n)
{
        usec_t deadline_usec = USEC_INFINITY;

        list_for_each (i, &n->links) {
                struct link *link = container_of(i, struct link, list);

                if (link->session)
                        deadline_usec = usec_min(deadline_usec, session_deadline(link->session));
        }
        return deadline_usec;
}

int node_native_flush(struct node *n, struct native *native, struct now now)
{
        return native->link != 0 ? drain(n, native->link, now) : 0;
}

int node_native_say(struct node *n, struct native *native, const struct message *m, struct now now)
{
        struct link *link = native->link != 0 ? node_link(n, native->link) : NULL;
        int r;

        if (!link)
                return 0;
        r = session_send(link->session, m, now.mono_usec);
        /* More is under way than any window allows. */
        if (r == -E2BIG)
                r = close_session(n, link, "too-slow", GOODBYE_OTHER, now);
        return r < 0 ? r : 0;
}

int node_hang_up(struct node *n, struct peer *peer, enum goodbye reason, struct now now)
{
        struct native *native = peer->native;
        uint64_t dialled;
        int r;

        if (!native)
                return 0;
        dialled = native->dial_link;
        native->dial_link = 0;
        r = dialled != 0 ? node_close_link(n, dialled, CLOSE_NOW) : 0;
        if (r < 0 || native->link == 0)
                return r;
        r = close_session(n, node_link(n, native->link), goodbye_word(reason), reason, now);
        return r < 0 ? r : drain(n, native->link, now);
}

int node_say_goodbye(struct node *n, struct now now)
{
        n->is_leaving = true;
        list_for_each (i, &n->natives) {
                int r = node_hang_up(
                        n, container_of(i, struct native, list)->peer, GOODBYE_STOP, now);

                if (r < 0)
                        return r;
        }
        return 0;
}

int node_end_session(struct node *n, const char *word, struct now now, struct refusal *ret_refusal)
{
        struct peer *peer;
        int r;

        r = node_find_user(n, word, &peer, ret_refusal);
        if (r != 0)
                return r;
        if (!peer->native || peer->native->link == 0)
                return refuse(ret_refusal, REFUSAL_NOT_REACHABLE,
                        "There is no session with %s that could be ended.", peer_name(peer));
        return node_hang_up(n, peer, GOODBYE_ENDED, now);
}

size_t node_sessions(const struct node *n)
{
        return n->n_sessions;
}

bool node_clone(const struct node *n, struct endpoint *ret)
{
        if (n->clone.family == ENDPOINT_NONE)
                return false;
        *ret = n->clone;
        return true;
}
