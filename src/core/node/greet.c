/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who appears on the local network: is he on our ring?
 *
 * An announced id is half of a position, enough to look it up. Who is not found is visited, and by
 * that the two rings become one. Who is alone visits whoever appears.
 */
#include "core/node/node-private.h"

#define GREET_ALONE_USEC (500 * USEC_PER_MSEC) /* at most, after who appeared */
#define GREET_USEC (5 * USEC_PER_SEC)          /* at least, when we are in a ring */
#define GREET_AGAIN_USEC (30 * USEC_PER_SEC)
#define VISIT_PAUSE_USEC USEC_PER_SEC /* to places that are only announced */

void node_greet(struct node *n, const struct peer *peer, struct now now)
{
        struct ring *g = &n->ring;
        struct greeting *new;

        if (!g->engine || peer->record.blocked)
                return;
        for (size_t i = 0; i < g->n_greetings; i++)
                if (streq(g->greetings[i].id, peer->record.id))
                        return;
        if (g->n_greetings == GREETINGS_MAX)
                return;
        new = &g->greetings[g->n_greetings++];
        *new = (struct greeting){
                .due_usec = usec_add(now.mono_usec,
                        node_ring_is_alone(n) ? random_below(n->random, GREET_ALONE_USEC)
                                              : GREET_USEC + random_below(n->random, GREET_USEC))
        };
        memcpy(new->id, peer->record.id, sizeof new->id);
}

static void drop_greeting(struct ring *g, size_t i)
{
        g->greetings[i] = g->greetings[--g->n_greetings];
}

static int visit_user(struct node *n, const struct peer *peer, struct now now)
{
        n->unproven_usec = usec_add(now.mono_usec, VISIT_PAUSE_USEC);
        return node_visit(n, 0, peer->record.name, peer->record.id, peer->whereabouts, 1, now);
}

/* True when it is done with. */
static int greet(struct node *n, struct greeting *e, struct now now, bool *ret)
{
        struct peer *peer = peers_by_id(&n->peers, e->id);
        struct link *link = node_session_with(n, e->id);
        struct ring_id target;
        int r;

        *ret = true;
        if (!peer || !peer_is_present(peer) || peer->record.blocked ||
                (link && chord_is_neighbour(n->ring.engine, &link->position)))
                return 0;
        *ret = false;
        e->due_usec = usec_add(now.mono_usec, GREET_AGAIN_USEC);
        if (node_ring_is_alone(n) && link)
                return node_ring_met(n, link, now);
        if (node_ring_is_alone(n)) {
                if (n->unproven_usec > now.mono_usec) {
                        e->due_usec = n->unproven_usec;
                        return 0;
                }
                return visit_user(n, peer, now);
        }
        ring_id_of_id(e->id, &target);
        r = chord_look_up(n->ring.engine, &target, now.mono_usec, &e->lookup);
        return r < 0 ? r : 0;
}

int node_greet_due(struct node *n, struct now now)
{
        struct ring *g = &n->ring;

        for (size_t i = 0; i < g->n_greetings;) {
                bool is_done = false;
                int r;

                if (g->greetings[i].lookup != 0 || g->greetings[i].due_usec > now.mono_usec) {
                        i++;
                        continue;
                }
                r = greet(n, &g->greetings[i], now, &is_done);
                if (r < 0)
                        return r;
                if (is_done)
                        drop_greeting(g, i);
                else
                        i++;
        }
        return 0;
}

int node_greet_looked_up(struct node *n, const struct chord_effect *e, struct now now)
{
        struct ring *g = &n->ring;

        for (size_t i = 0; i < g->n_greetings; i++) {
                struct greeting *greeting = &g->greetings[i];
                struct peer *peer = peers_by_id(&n->peers, greeting->id);
                char id[ID_STRING_SIZE] = "";

                if (greeting->lookup != e->number)
                        continue;
                greeting->lookup = 0;
                if (e->successors.n == 0)
                        return 0; /* once more */
                ring_id_to_id(&e->successors.peers[0].id, id);
                if (peer && !streq(id, peer->record.id) && n->unproven_usec > now.mono_usec) {
                        greeting->due_usec = n->unproven_usec;
                        return 0;
                }
                drop_greeting(g, i);
                return peer && !streq(id, peer->record.id) ? visit_user(n, peer, now) : 0;
        }
        return 0;
}
