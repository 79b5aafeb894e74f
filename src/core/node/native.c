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
int node_native_told(struct node *n, const struct link *link, const char *what, struct now now)
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

        if (link->is_proven && link->peer)
                c.session.user = node_word(n, link->peer->record.number, NULL, NULL, now, word);
        else if (link->is_proven)
                c.session.user = session_peer(link->session)->id;
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
static int session_lost(struct node *n, struct native *native, enum link_loss loss, struct now now)
{
        struct peer *peer = native->peer;
        int r;

        native->link = 0;
        native->expected_usec = loss == LOSS_REPLACED ? usec_add(now.mono_usec, EXPECTED_USEC) : 0;
        n->n_sessions--;
        node_streams_close(native);
        discovery_release(&n->discovery, &peer->neighbour, now.mono_usec);
        peer->record.heard_usec = now.real_usec;
        peer_touch(&n->peers, peer);
        r = node_files_lost(n, native, loss == LOSS_IN_PEACE, now);
        if (r < 0 || native->dial_link != 0 || !peer_is_awaited(peer) ||
                (loss == LOSS_IN_PEACE && node_files_rest(n, peer, now)))
                return r;
        if (loss == LOSS_REPLACED) {
                n->retry_usec = usec_min(n->retry_usec, native->expected_usec);
                return 0;
        }
        return node_native_rest(n, peer, now);
}

/* What a dial was for, or a session for the ring alone, is over. */
static int forget_other(
        struct node *n, const struct link *gone, enum link_loss loss, struct now now)
{
        if (gone->ring_node)
                return node_ring_link_gone(n, gone->ring_node, gone->number, loss, now);
        if (gone->visit)
                return node_visit_missed(n, gone->visit, now);
        if (gone->purpose == LINK_FOR_PROBE)
                return node_reach_probed(n, gone, false, now);
        return 0;
}

static int forget_session(
        struct node *n, const struct link *gone, enum link_loss loss, struct now now)
{
        struct native *native = native_of(gone);
        int r;

        if (native && native->link == gone->number) {
                r = session_lost(n, native, loss, now);
                return r < 0 ? r : node_ring_lost(n, &gone->position, loss == LOSS_FAILED, now);
        }
        if (native && native->dial_link == gone->number)
                return node_native_missed(n, native, now);
        return forget_other(n, gone, loss, now);
}

/* The link of a session, or of a dial, is gone or going. */
static int forget(struct node *n, struct link *link, enum link_loss loss, struct now now)
{
        const struct link gone = *link, *other;
        char id[ID_STRING_SIZE];
        int r;

        node_forget_link(n, link);
        r = forget_session(n, &gone, loss, now);
        if (r < 0 || !gone.is_member)
                return r;
        ring_id_to_id(&gone.position, id);
        other = node_session_with(n, id);
        return other && other->is_member ? 0 : node_registry_lost(n, &gone.position, now);
}

static int drain(struct node *n, uint64_t number, struct now now);

/* The caller drains it, where it ends. */
static int close_session(
        struct node *n, struct link *link, const char *word, enum goodbye reason, struct now now)
{
        link->end_word = word;
        return session_close(link->session, reason, now.mono_usec);
}

int node_native_close(
        struct node *n, struct link *link, const char *word, enum goodbye reason, struct now now)
{
        int r = close_session(n, link, word, reason, now);

        return r < 0 ? r : drain(n, link->number, now);
}

/* The caller drains it. What was said in it before the other side knew is not lost by this. */
static int retire(struct node *n, struct link *link, struct now now)
{
        link->end_word = "replaced";
        return session_finish(link->session, GOODBYE_REPLACED, now.mono_usec);
}

int node_native_retire(struct node *n, struct link *link, bool is_over, struct now now)
{
        int r;

        if (is_over)
                return node_native_close(n, link, "replaced", GOODBYE_REPLACED, now);
        r = retire(n, link, now);
        return r < 0 ? r : drain(n, link->number, now);
}

static enum link_loss loss_of(enum session_end how, enum goodbye goodbye)
{
        if (how == SESSION_IDLE || how == SESSION_CLOSED || how == SESSION_USED_UP)
                return LOSS_IN_PEACE;
        if (how != SESSION_GOODBYE)
                return LOSS_FAILED;
        switch (goodbye) {
        case GOODBYE_REPLACED:
                return LOSS_REPLACED;
        case GOODBYE_IDLE:
        case GOODBYE_ENDED:
                return LOSS_IN_PEACE;
        case GOODBYE_STOP:
        case GOODBYE_OTHER:
                break;
        }
        return LOSS_FAILED;
}

static int take_end(struct node *n, struct link *link, enum session_end how, enum goodbye goodbye,
        struct now now)
{
        int r;

        r = node_native_told(n, link, end_word(link, how, goodbye), now);
        if (r == 0)
                r = node_emit_close(n, link->number, CLOSE_FLUSH);
        if (r == 0 && how == SESSION_OTHER_ID)
                r = node_native_met_other(n, link, session_peer(link->session), now);
        return r < 0 ? r : forget(n, link, loss_of(how, goodbye), now);
}

/* What is said of streams and files: to one who is for the ring alone so far, we are a user. */
static int take_user_message(
        struct node *n, struct link *link, const struct message *m, struct now now)
{
        struct native *native = proven_at(link);
        int r;

        if (!native && link->ring_node && link->ring_node->link == link->number) {
                r = node_native_promote(n, link, now);
                native = proven_at(link);
                if (r < 0)
                        return r;
        }
        if (!native)
                return 0;
        if (m->type == FRAME_FILE)
                return node_files_receive(n, native, m->file.data, m->file.size, now);
        r = node_stream_receive(n, native, m, now);
        return r == STREAM_BROKEN ? close_session(n, link, "broken", GOODBYE_OTHER, now) : r;
}

static int take_message(struct node *n, struct link *link, const struct message *m, struct now now)
{
        switch (m->type) {
        case FRAME_RING:
                return node_ring_receive(n, link, m->ring.data, m->ring.size, now);
        case FRAME_LEDGER:
                return node_registry_receive(n, link, m->ledger.data, m->ledger.size, now);
        case FRAME_NAME:
                return node_native_take_name(n, link, m, now);
        case FRAME_DIAL_BACK:
                return node_reach_dial_back(n, link, m->dial_back.port, now);
        case FRAME_REACHED:
                return node_reach_reached(n, link, &m->reached.endpoint, now);
        case FRAME_HELLO:
        case FRAME_RESUME:
        case FRAME_ACKNOWLEDGE:
        case FRAME_REFUSED:
        case FRAME_MESSAGE:
        case FRAME_FILE:
                return take_user_message(n, link, m, now);
        case FRAME_GROUP:
        case FRAME_GOODBYE:
                break;
        }
        return 0;
}

static int renew(struct node *n, struct link *link, struct now now)
{
        struct native *native = proven_at(link);
        struct link *new;
        int r;

        if (!native || native->dial_link != 0 || n->is_leaving ||
                n->links_by_number.n >= n->options.links_max)
                return 0;
        r = node_dial_native(n, native->peer, LINK_FOR_USER, &link->remote, now, &new);
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
                return node_native_proven(n, link, e->peer, now);
        case SESSION_MESSAGE:
                return take_message(n, link, &e->message, now);
        case SESSION_RENEW:
                return renew(n, link, now);
        case SESSION_ENDED:
                return take_end(n, link, e->ended.how, e->ended.goodbye, now);
        }
        return 0;
}

/* What an effect causes may end this session, or another one. Whatever is said or closed in this
 * one meanwhile comes out here, behind what the effect still has in hand. */
static int drain(struct node *n, uint64_t number, struct now now)
{
        struct link *link = node_link(n, number);
        struct session_effect e;
        int r = 0;

        if (!link || link->is_drained)
                return 0;
        while (r >= 0 && link && session_next_effect(link->session, &e)) {
                link->is_drained = true;
                r = take_effect(n, link, &e, now);
                link = node_link(n, number);
                if (link)
                        link->is_drained = false;
        }
        return r < 0 ? r : 0;
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

/* What a dialler says of itself for this session alone. */
static uint64_t features_of(const struct node *n, const struct link *link)
{
        switch (link->purpose) {
        case LINK_FOR_USER:
        case LINK_FOR_CLONE:
                break;
        case LINK_FOR_RING:
                return peers_by_id(&n->peers, link->wanted_id) ? 0 : FEATURE_FOR_RING;
        case LINK_FOR_PROBE:
                return FEATURE_PROBE;
        }
        return 0;
}

int node_native_connected(struct node *n, struct link *link, struct now now)
{
        const char *wanted_id = link->wanted_id[0] ? link->wanted_id : NULL;
        int r;

        r = session_new(&n->self, SESSION_DIALLER, wanted_id, now.mono_usec, &link->session);
        if (r < 0)
                return r;
        session_declare(link->session, features_of(n, link));
        return drain(n, link->number, now);
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

        r = node_native_told(n, link, link->end_word ?: "lost", now);
        if (r == 0)
                r = node_emit_close(n, link->number, CLOSE_FLUSH);
        return r < 0 ? r : forget(n, link, LOSS_FAILED, now);
}

int node_native_closed(struct node *n, struct link *link, enum link_end how, struct now now)
{
        const char *word = how == LINK_TIMED_OUT ? "silent" : "lost";
        int r = 0;

        if (link->session)
                r = node_native_told(n, link, link->end_word ?: word, now);
        return r < 0 ? r : forget(n, link, LOSS_FAILED, now);
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

static int say(struct node *n, struct link *link, const struct message *m, struct now now)
{
        int r = session_send(link->session, m, now.mono_usec);

        /* More is under way than any window allows. */
        if (r == -E2BIG)
                r = close_session(n, link, "too-slow", GOODBYE_OTHER, now);
        return r < 0 ? r : 0;
}

int node_native_say(struct node *n, struct native *native, const struct message *m, struct now now)
{
        struct link *link = native->link != 0 ? node_link(n, native->link) : NULL;

        return link ? say(n, link, m, now) : 0;
}

int node_native_tell(struct node *n, struct link *link, const struct message *m, struct now now)
{
        int r = say(n, link, m, now);

        return r < 0 ? r : drain(n, link->number, now);
}

struct link *node_session_with(const struct node *n, const char *id)
{
        const struct peer *peer = peers_by_id(&n->peers, id);

        if (peer && peer->native && peer->native->link != 0)
                return node_link(n, peer->native->link);
        return node_ring_link(n, id);
}

int node_hang_up(struct node *n, struct peer *peer, enum goodbye reason, struct now now)
{
        struct native *native = peer->native;
        struct link *link = node_session_with(n, peer->record.id);
        uint64_t dialled = native ? native->dial_link : 0;
        int r = 0;

        if (dialled != 0) {
                native->dial_link = 0;
                r = node_close_link(n, dialled, CLOSE_NOW);
        }
        return r < 0 || !link ? r : node_native_close(n, link, goodbye_word(reason), reason, now);
}

int node_native_goodbye(struct node *n, struct now now)
{
        list_for_each (i, &n->natives) {
                int r = node_hang_up(
                        n, container_of(i, struct native, list)->peer, GOODBYE_STOP, now);

                if (r < 0)
                        return r;
        }
        return node_ring_hang_up(n, GOODBYE_STOP, now);
}

int node_say_goodbye(struct node *n, struct now now)
{
        n->is_leaving = true;
        return node_ring_say_goodbye(n, now);
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
