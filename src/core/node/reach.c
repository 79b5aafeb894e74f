/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Can we be reached?
 *
 *     we                                     somebody of the ring
 *     | dial_back(port)                       |
 *     | ------------------------------------> |
 *     |            a session, for a moment    |   only to where dial_back came from, and only so
 *     | <------------------------------------ |   often: nobody is dialled on another's behalf
 *     |                   reached(endpoint)   |
 *     | <------------------------------------ |   from now on a member, at that endpoint
 */
#include "core/node/node-private.h"

#define ASK_USEC (10 * USEC_PER_SEC) /* doubling with each time that was in vain */
#define ASK_USEC_MAX (30 * USEC_PER_MINUTE)
#define ANSWER_USEC (30 * USEC_PER_SEC) /* later an answer counts no more */
#define UNREACHED_MAX 3                 /* so many say no: we are not where we were */

int node_reach_ask(struct node *n, struct link *link, struct now now)
{
        struct message m = { .type = FRAME_DIAL_BACK, .dial_back.port = n->options.port };
        struct ring *g = &n->ring;

        g->ask_usec =
                usec_add(now.mono_usec, usec_min(ASK_USEC << MIN(g->n_asked, 10U), ASK_USEC_MAX));
        g->n_asked++;
        memcpy(g->asked_id, session_peer(link->session)->id, sizeof g->asked_id);
        g->answer_usec = usec_add(now.mono_usec, ANSWER_USEC);
        link->asked_usec = now.mono_usec;
        return node_native_tell(n, link, &m, now);
}

/* Somebody of the ring with whom there is a session: who was not asked for the longest time, so
 * that one who does not answer, or lies, is not the only one who is. */
struct link *node_reach_somebody(const struct node *n)
{
        struct link *found = NULL;

        list_for_each (i, &n->links) {
                struct link *link = container_of(i, struct link, list);
                const struct introduction *who =
                        link->session && link->is_proven ? session_peer(link->session) : NULL;

                if (who && who->features & FEATURE_RING &&
                        (node_ring_is_joined(n) || node_ring_is_near(n, who->id)) &&
                        node_session_with(n, who->id) == link &&
                        (!found || link->asked_usec < found->asked_usec))
                        found = link;
        }
        return found;
}

bool node_reach_is_wanted(const struct node *n)
{
        return n->ring.is_unsure || n->ring.endpoint.family == ENDPOINT_NONE;
}

int node_reach_dial_back(struct node *n, struct link *link, uint16_t port, struct now now)
{
        const struct introduction *who = session_peer(link->session);
        struct endpoint to = link->remote;
        struct link *probe;
        int r;

        /* Only to where it says, with its signature, that it takes connections: not to others who
         * share its address. */
        if (!n->ring.engine || n->is_leaving || !node_has_room(n) ||
                port != (who->port ?: ENDPOINT_PORT_DEFAULT) ||
                !ratelimits_allow(&n->ring.dial_backs, &to, now.mono_usec) ||
                !ratelimit_allow(&n->ring.dial_backs_all, now.mono_usec))
                return 0;
        to.port = port;
        r = node_dial_native(n, NULL, LINK_FOR_PROBE, &to, now, &probe);
        if (r < 0)
                return r;
        memcpy(probe->wanted_id, who->id, sizeof probe->wanted_id);
        return 0;
}

int node_reach_probed(struct node *n, const struct link *link, bool is_there, struct now now)
{
        struct link *asker = node_session_with(n, link->wanted_id);
        struct message m = { .type = FRAME_REACHED };

        if (!asker)
                return 0;
        if (is_there)
                m.reached.endpoint = link->remote;
        m.reached.endpoint.scope = 0;
        return node_native_tell(n, asker, &m, now);
}

/* What @link says where we are must be our own address; or that of a router before us, when we have
 * none of that kind ourselves. */
static bool may_be_ours(
        const struct node *n, const struct link *link, const struct endpoint *endpoint)
{
        static const struct endpoint nowhere = { 0 };
        bool has_public = false;

        if (endpoint->port != n->options.port || endpoint->family != link->remote.family)
                return false;
        for (size_t i = 0; i < n->n_interfaces; i++) {
                struct endpoint own = n->interfaces[i].address;

                own.port = endpoint->port;
                if (endpoint_same_address(&own, endpoint))
                        return true;
                has_public = has_public || (own.family == endpoint->family &&
                                                   ring_endpoint_is_plausible(&own, &nowhere));
        }
        if (endpoint_same_address(endpoint, &link->remote))
                return false;
        return ring_endpoint_is_plausible(endpoint, &nowhere)
                       ? !has_public
                       : !peers_next_at(&n->peers, endpoint, NULL);
}

static int move_to(struct node *n, const struct endpoint *endpoint, struct now now)
{
        struct ring *g = &n->ring;
        int r = 0;

        g->is_unsure = false;
        g->n_unreached = 0;
        if (endpoint->family != ENDPOINT_NONE)
                g->n_asked = 0;
        if (endpoint_equal(endpoint, &g->endpoint))
                return 0;
        g->endpoint = *endpoint;
        g->publishes = true;
        /* Elsewhere now: others must learn it. */
        if (chord_is_member(g->engine))
                r = chord_stop(g->engine, now.mono_usec);
        if (r == 0 && endpoint->family != ENDPOINT_NONE)
                r = chord_start(g->engine, endpoint, now.mono_usec);
        return r;
}

int node_reach_reached(
        struct node *n, const struct link *link, const struct endpoint *endpoint, struct now now)
{
        struct ring *g = &n->ring;

        if (!g->engine || n->is_leaving || g->is_renewing ||
                !streq(session_peer(link->session)->id, g->asked_id) ||
                g->answer_usec < now.mono_usec)
                return 0;
        g->asked_id[0] = 0;
        if (endpoint->family != ENDPOINT_NONE) {
                if (!ring_endpoint_is_plausible(endpoint, &link->remote) ||
                        !may_be_ours(n, link, endpoint))
                        return 0;
                return move_to(n, endpoint, now);
        }
        if (++g->n_unreached < UNREACHED_MAX || g->endpoint.family == ENDPOINT_NONE)
                return 0;
        return move_to(n, endpoint, now);
}
