/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Somebody has proven who he is: what his session is from now on
 *
 *     our own id                    a copy of us: a warning
 *     blocked, or no room           turned away
 *     only to see who is there      that is told, and it ends
 *     for the ring, and no user     ring-link.c
 *     all others                    users, with streams
 *
 * Of two sessions with the same peer one stays (session_replaces()), whatever they are for.
 */
#include <stdio.h>

#include "core/node/node-private.h"

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
int node_native_met_other(
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

/* As it is done with who has been blocked, or is over a limit: nobody learns which. */
static int turn_away(struct node *n, struct link *link, const char *word, struct now now)
{
        return node_native_close(n, link, word, GOODBYE_OTHER, now);
}

static struct session_claim session_claim_of(
        const struct link *link, const struct introduction *who)
{
        return (struct session_claim){
                .run = who->run,
                .is_ours = session_role(link->session) == SESSION_DIALLER,
        };
}

/* The session so far goes, and @link is the one from now on. */
static int settle_in(struct node *n, struct native *native, struct link *link,
        const struct session_claim *claim, struct now now)
{
        struct link *old = native->link != 0 ? node_link(n, native->link) : NULL;
        bool is_over = claim->run != native->claim.run;

        n->n_sessions += !old;
        native->link = link->number;
        native->claim = *claim;
        native->n_tried = 0;
        if (!old)
                return 0;
        return node_native_retire(n, old, is_over, now);
}

/* For the ring, too, there is a session now. */
static int meet(struct node *n, uint64_t number, struct now now)
{
        struct link *link = node_link(n, number);
        int r;

        r = link ? node_ring_flush(n, link, session_peer(link->session)->id, now) : 0;
        link = node_link(n, number);
        if (r == 0 && link)
                r = node_ring_met(n, link, now);
        link = node_link(n, number);
        if (r == 0 && link)
                r = node_registry_met(n, link, now);
        link = node_link(n, number);
        return r < 0 || !link ? r : node_groups_met(n, link, now);
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
                r = node_native_told(n, node_link(n, native->link), "proven", now);
        if (r == 0)
                r = node_streams_open(n, native, now);
        if (r == 0)
                r = node_files_met(n, native, now);
        return r < 0 ? r : meet(n, native->link, now);
}

/*
 * A key costs nothing, and addresses little: whoever has many could take all links. So of those
 * that others opened a fourth is left for contacts, and for who is on the way to prove that he is
 * one.
 */
bool node_native_is_one_too_many(
        const struct node *n, const struct link *link, const struct peer *peer)
{
        size_t count = 0;

        if (session_role(link->session) == SESSION_DIALLER ||
                (peer && (peer_is_contact(peer) || (peer->native && peer->native->link != 0))))
                return false;
        list_for_each (i, &n->links) {
                struct link *other = container_of(i, struct link, list);

                count += other->is_proven && session_role(other->session) == SESSION_RESPONDER &&
                         !(other->peer && peer_is_contact(other->peer));
        }
        return count >= n->options.links_max - n->options.links_max / 4;
}

/* What was for the ring alone is for this user, too. True when there was something. */
static bool adopt(struct node *n, struct native *native)
{
        struct link *link;

        if (native->link != 0 ||
                !node_ring_hand_over(n, native->peer->record.id, &link, &native->claim))
                return false;
        link->peer = native->peer;
        native->link = link->number;
        n->n_sessions++;
        return true;
}

/* A session with a user. */
static int take_user(
        struct node *n, struct link *link, const struct introduction *who, struct now now)
{
        struct peer *peer = peers_by_id(&n->peers, who->id);
        const struct session_claim claim = session_claim_of(link, who);
        bool is_heir = !peer || !peer_is_contact(peer), is_adopted;
        struct native *native;
        int r;

        if (link->ring_node)
                node_ring_dialled(n, link);
        n->is_proving = true;
        r = node_take_proof(n, who, &link->remote, now, &peer);
        n->is_proving = false;
        if (r > 0 || (r == 0 && node_native_is_one_too_many(n, link, peer)))
                return turn_away(n, link, "no-room", now);
        if (r == 0)
                r = node_get_native(n, peer, &native);
        if (r < 0)
                return r;

        link->peer = peer;
        link->is_proven = true;
        if (native->dial_link == link->number)
                native->dial_link = 0;
        is_adopted = adopt(n, native);
        if (native->link != 0 &&
                !session_replaces(&claim, &native->claim, n->id, peer->record.id)) {
                r = node_native_retire(n, link, false, now);
                return r < 0 || !is_adopted ? r : begin(n, native, is_heir, now);
        }
        r = settle_in(n, native, link, &claim, now);
        return r < 0 ? r : begin(n, native, is_heir, now);
}

int node_native_promote(struct node *n, struct link *link, struct now now)
{
        const struct introduction who = *session_peer(link->session);
        struct peer *peer = peers_by_id(&n->peers, who.id);
        bool is_heir = !peer || !peer_is_contact(peer);
        struct native *native;
        int r;

        n->is_proving = true;
        r = node_take_proof(n, &who, &link->remote, now, &peer);
        n->is_proving = false;
        if (r > 0)
                return turn_away(n, link, "no-room", now);
        if (r == 0)
                r = node_get_native(n, peer, &native);
        if (r < 0 || !adopt(n, native))
                return r;
        return begin(n, native, is_heir, now);
}

static bool is_probe(const struct link *link, const struct introduction *who)
{
        return link->purpose == LINK_FOR_PROBE ||
               (session_role(link->session) == SESSION_RESPONDER && who->features & FEATURE_PROBE);
}

/* Neither side is known to the other but by the ring. */
static bool is_for_ring(const struct link *link, const struct introduction *who)
{
        return link->purpose == LINK_FOR_RING ||
               (session_role(link->session) == SESSION_RESPONDER &&
                       who->features & FEATURE_FOR_RING);
}

/* Who only asks whether we can be reached takes a place, too: else one who is blocked would learn
 * it by asking. */
static int take_probe(struct node *n, struct link *link, const struct peer *peer, struct now now)
{
        int r = link->purpose == LINK_FOR_PROBE ? node_reach_probed(n, link, true, now) : 0;

        link->purpose = LINK_FOR_USER; /* it has been told */
        if (r == 0 && node_native_is_one_too_many(n, link, peer))
                return turn_away(n, link, "no-room", now);
        return r < 0 ? r : node_native_close(n, link, "probed", GOODBYE_ENDED, now);
}

int node_native_proven(
        struct node *n, struct link *link, const struct introduction *who, struct now now)
{
        struct peer *peer = peers_by_id(&n->peers, who->id);
        int r;

        ring_id_of_key(who->key, &link->position);
        if (streq(who->id, n->id)) {
                r = meet_self(n, link, who, now);
                return r < 0 ? r : turn_away(n, link, "self", now);
        }
        if (peer && peer->record.blocked)
                return turn_away(n, link, "blocked", now);
        if (is_probe(link, who))
                return take_probe(n, link, peer, now);
        r = link->visit ? node_ring_visited(n, link, who, now) : 0;
        if (r < 0)
                return r;
        if (!peer && n->ring.engine && is_for_ring(link, who)) {
                r = node_ring_take(n, link, who, now);
                if (r == 0)
                        r = meet(n, link->number, now);
                return r < 0 ? r : 0;
        }
        return take_user(n, link, who, now);
}

/*
 * Names, while a session goes on
 */
/* A node of the ring that is no user is known by no name. */
int node_native_take_name(
        struct node *n, struct link *link, const struct message *m, struct now now)
{
        struct native *native = link->peer ? link->peer->native : NULL;
        char name[NAME_SIZE_MAX + 1];

        if (!native || native->link != link->number ||
                name_clean(m->name.name, m->name.size, name) != 0 ||
                !ratelimit_allow(&link->names, now.mono_usec))
                return 0;
        return node_take_name(n, native->peer, name, now);
}

int node_native_renamed(struct node *n, struct now now)
{
        struct message m = { .type = FRAME_NAME,
                .name = { .name = n->username, .size = strlen(n->username) } };
        int r = 0;

        /* What is said may end a link, and that another one. */
        for (bool is_done = false; r == 0 && !is_done;) {
                is_done = true;
                list_for_each (i, &n->links) {
                        struct link *link = container_of(i, struct link, list);

                        if (!link->session || !link->is_proven || link->named == n->name_count)
                                continue;
                        link->named = n->name_count;
                        is_done = false;
                        r = node_native_tell(n, link, &m, now);
                        break;
                }
        }
        return r;
}
