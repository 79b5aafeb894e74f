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

#define ASK_USEC (10 * USEC_PER_SEC)
#define ASK_USEC_MAX (30 * USEC_PER_MINUTE)

int node_reach_ask(struct node *n, struct link *link, struct now now)
{
        struct message m = { .type = FRAME_DIAL_BACK, .dial_back.port = n->options.port };

        n->ring.ask_usec = usec_add(now.mono_usec, ASK_USEC);
        return node_native_tell(n, link, &m, now);
}

/* Somebody of the ring with whom there is a session. */
struct link *node_reach_somebody(const struct node *n)
{
        list_for_each (i, &n->links) {
                struct link *link = container_of(i, struct link, list);
                const struct introduction *who =
                        link->session && link->is_proven ? session_peer(link->session) : NULL;

                if (who && who->features & FEATURE_RING && node_session_with(n, who->id) == link)
                        return link;
        }
        return NULL;
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

        if (!n->ring.engine || n->is_leaving || !node_has_room(n) ||
                !ratelimits_allow(&n->ring.dial_backs, &to, now.mono_usec))
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

int node_reach_reached(
        struct node *n, const struct link *link, const struct endpoint *endpoint, struct now now)
{
        struct ring *g = &n->ring;
        int r;

        if (!g->engine || n->is_leaving || g->is_renewing)
                return 0;
        g->is_unsure = false;
        if (endpoint->family == ENDPOINT_NONE ||
                !ring_endpoint_is_plausible(endpoint, &link->remote)) {
                g->n_unreached++;
                g->ask_usec = usec_add(now.mono_usec,
                        usec_min(ASK_USEC << MIN(g->n_unreached, 10U), ASK_USEC_MAX));
                return 0;
        }
        g->n_unreached = 0;
        if (endpoint_equal(endpoint, &g->endpoint))
                return 0;
        g->endpoint = *endpoint;
        g->publishes = true;
        /* Elsewhere now: others must learn it. */
        r = chord_is_member(g->engine) ? chord_stop(g->engine, now.mono_usec) : 0;
        return r < 0 ? r : chord_start(g->engine, endpoint, now.mono_usec);
}
