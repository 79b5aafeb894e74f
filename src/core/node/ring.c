/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Our place in the ring
 *
 *     whom we meet ----------> chord_hear() --> the engine --> frames in sessions (ring-link.c)
 *     visits (visit.c) ------/                     |
 *     users who appear on the local network:       +---------> who was looked for (search.c)
 *     not found by a lookup? visited
 *
 * We become a member when somebody else has dialled us back; until then, and behind a router that
 * lets nobody in for ever, we look up and publish as a client. On the local network the ring comes
 * together by itself. Beyond, it begins with a place that a person or the configuration names, and
 * only from then on our name is published.
 */
#include <stdio.h>

#include "core/node/node-private.h"

#define VISIT_USEC USEC_PER_SEC /* doubling with each visit in vain */
#define VISIT_USEC_MAX (5 * USEC_PER_MINUTE)
#define VISIT_OTHERS_USEC (30 * USEC_PER_MINUTE) /* while all is well */
#define SAVE_USEC (5 * USEC_PER_MINUTE)
#define DIAL_BACKS_MAX 4 /* an address may ask for in DIAL_BACKS_USEC */
#define DIAL_BACKS_USEC (10 * USEC_PER_SEC)
#define DIAL_BACK_SOURCES 256
#define TURN_FRAMES_MAX 4096 /* of the ring, that are looked at in a turn */
#define TURN_FRAMES_LINK_MAX 256
#define DIAL_BACKS_ALL_MAX 32 /* in the same time */

static usec_t jitter(struct node *n, usec_t usec)
{
        return random_below(n->random, usec);
}

/*
 * Life
 */
static int new_engine(struct node *n, struct now now)
{
        const struct chord_options options = {
                .id = n->ring.position,
                .random = n->random,
                .identity = n->options.identity,
                .sequence_first = now.real_usec,
        };

        return chord_new(&options, &n->ring.engine);
}

int node_ring_init(struct node *n, const uint8_t key[static TABLE_KEY_SIZE], struct now now)
{
        struct ring *g = &n->ring;
        int r;

        table_init(&g->nodes_by_id, key);
        g->visit_usec = g->save_usec = USEC_INFINITY;
        g->dial_backs_all =
                (struct ratelimit){ .interval_usec = DIAL_BACKS_USEC, .burst = DIAL_BACKS_ALL_MAX };
        if (!n->options.ring || !n->options.identity)
                return 0;
        ring_id_of_key(n->options.identity->public_key, &g->position);
        n->self.features |= FEATURE_RING;
        r = ratelimits_init(
                &g->dial_backs, DIAL_BACK_SOURCES, DIAL_BACKS_USEC, DIAL_BACKS_MAX, key);
        if (r == 0)
                r = node_ring_links_init(n, key);
        return r < 0 ? r : new_engine(n, now);
}

void node_ring_done(struct node *n)
{
        struct ring *g = &n->ring;

        node_searches_done(n);
        node_visits_done(n);
        node_ring_links_done(n);
        ratelimits_done(&g->dial_backs);
        g->engine = chord_free(g->engine);
}

bool node_ring_is_alone(const struct node *n)
{
        return chord_successors(n->ring.engine)->n == 0;
}

bool node_ring_is_near(const struct node *n, const char *id)
{
        const struct peer *peer = peers_by_id(&n->peers, id);

        return peer && peer->is_near && !peer->record.blocked;
}

bool node_ring_is_joined(const struct node *n)
{
        return n->ring.record.is_joined || n->ring.n_bootstrap > 0;
}

int node_restore_ring(struct node *n, const struct ring_record *record, struct now now)
{
        n->ring.record = *record;
        n->ring.publishes = record->is_joined;
        if (record->n_places > 0)
                n->ring.visit_usec = now.mono_usec;
        return 0;
}

/*
 * What is published, and remembered
 */

static const struct endpoint nowhere;

/* A client has no successors, but sessions that it dialled. */
static bool reaches_into_the_world(const struct node *n)
{
        const struct rpc_peers *successors = chord_successors(n->ring.engine);

        for (size_t i = 0; i < successors->n; i++)
                if (ring_endpoint_is_plausible(&successors->peers[i].endpoint, &nowhere))
                        return true;
        list_for_each (i, &n->links) {
                struct link *link = container_of(i, struct link, list);

                if (link->is_proven && session_role(link->session) == SESSION_DIALLER &&
                        session_peer(link->session)->features & FEATURE_RING &&
                        ring_endpoint_is_plausible(&link->remote, &nowhere))
                        return true;
        }
        return false;
}

/* Nobody of a ring that reaches into the world has anything to say about private networks. */
bool node_ring_is_plausible(const struct node *n, const struct endpoint *e)
{
        bool is_near = n->n_interfaces > 0 && !reaches_into_the_world(n);

        return ring_endpoint_is_plausible(e, is_near ? &n->interfaces[0].address : &nowhere);
}

static void add_endpoint(struct endpoint *list, size_t *n_list, const struct endpoint *e)
{
        for (size_t i = 0; i < *n_list; i++)
                if (endpoint_equal(&list[i], e))
                        return;
        if (*n_list < RECORD_ENDPOINTS_MAX)
                list[(*n_list)++] = *e;
}

static int publish(struct node *n, struct now now)
{
        struct endpoint endpoints[RECORD_ENDPOINTS_MAX];
        size_t n_endpoints = 0;

        n->ring.publishes = false;
        if (!node_ring_is_joined(n))
                return 0;
        if (n->ring.endpoint.family != ENDPOINT_NONE)
                add_endpoint(endpoints, &n_endpoints, &n->ring.endpoint);
        for (size_t i = 0; i < n->n_interfaces; i++) {
                struct endpoint e = n->interfaces[i].address;

                e.port = n->options.port;
                if (node_ring_is_plausible(n, &e))
                        add_endpoint(endpoints, &n_endpoints, &e);
        }
        return chord_publish(n->ring.engine, n->username, endpoints, n_endpoints, now.mono_usec);
}

static int store_record(struct node *n)
{
        return agenda_add_change(
                &n->agenda, &(struct change){ .type = CHANGE_RING, .ring = n->ring.record });
}

static void remember(struct ring_record *record, const struct chord_peer *peer)
{
        struct ring_place place = { .endpoint = peer->endpoint };

        ring_id_to_id(&peer->id, place.id);
        for (size_t i = 0; i < record->n_places; i++)
                if (streq(record->places[i].id, place.id))
                        return;
        if (record->n_places < RING_PLACES_MAX)
                record->places[record->n_places++] = place;
}

/* Those whom we would come back by are stored now and then, when they have changed. */
static int save(struct node *n, struct now now)
{
        struct ring_record record = { .is_joined = n->ring.record.is_joined };
        struct chord_status status;

        n->ring.save_usec = usec_add(now.mono_usec, SAVE_USEC);
        chord_status(n->ring.engine, &status);
        if (!node_ring_is_joined(n) || status.successors.n == 0)
                return 0;
        for (size_t i = 0; i < status.successors.n; i++)
                remember(&record, &status.successors.peers[i]);
        for (size_t i = 0; i < status.n_fingers; i++)
                remember(&record, &status.fingers[i]);
        /* Who was there before is better than nobody. */
        for (size_t i = 0; i < n->ring.record.n_places; i++)
                if (record.n_places < RING_PLACES_MAX / 2)
                        record.places[record.n_places++] = n->ring.record.places[i];
        if (memcmp(&record, &n->ring.record, sizeof record) == 0)
                return 0;
        n->ring.record = record;
        return store_record(n);
}

int node_ring_changed(struct node *n, bool is_moved, struct now now)
{
        struct ring *g = &n->ring;
        struct link *link;

        if (!g->engine)
                return 0;
        g->publishes = true;
        if (!is_moved)
                return 0;
        g->n_asked = g->n_unreached = 0;
        g->is_unsure = true;
        g->ask_usec = now.mono_usec;
        link = node_reach_somebody(n);
        return link ? node_reach_ask(n, link, now) : 0;
}

/*
 * Whom we meet
 */
static struct chord_peer peer_of(const struct link *link)
{
        struct chord_peer peer = { .id = link->position, .endpoint = link->remote };

        if (session_role(link->session) == SESSION_RESPONDER)
                peer.endpoint.port = session_peer(link->session)->port ?: ENDPOINT_PORT_DEFAULT;
        return peer;
}

int node_ring_visited(
        struct node *n, struct link *link, const struct introduction *who, struct now now)
{
        struct visit *v = link->visit;
        struct chord_peer peer = peer_of(link);
        bool is_asked = v->call != 0;
        int r;

        link->visit = NULL;
        if (!(who->features & FEATURE_RING))
                return node_visit_missed(n, v, now);
        r = node_visit_met(n, v, now);
        if (r == 0)
                r = chord_hear(n->ring.engine, &peer, now.mono_usec);
        n->ring.n_vain = 0;
        if (r < 0 || !is_asked)
                return r;
        n->ring.record.is_joined = n->ring.publishes = true;
        remember(&n->ring.record, &peer);
        return store_record(n);
}

int node_ring_met(struct node *n, struct link *link, struct now now)
{
        const struct introduction *who = session_peer(link->session);
        struct chord_peer peer = peer_of(link);
        int r = 0;

        if (!n->ring.engine || n->is_leaving || n->ring.is_renewing ||
                !(who->features & FEATURE_RING) ||
                !(node_ring_is_joined(n) || node_ring_is_near(n, who->id)))
                return 0;
        if (node_ring_is_alone(n))
                r = chord_hear(n->ring.engine, &peer, now.mono_usec);
        if (r == 0 && node_reach_is_wanted(n) && n->ring.ask_usec <= now.mono_usec)
                r = node_reach_ask(n, link, now);
        return r;
}

int node_ring_lost(struct node *n, const struct ring_id *position, bool failed, struct now now)
{
        if (!n->ring.engine || !failed)
                return 0;
        if (node_ring_is_alone(n))
                n->ring.visit_usec = usec_min(n->ring.visit_usec, now.mono_usec);
        return chord_failed(n->ring.engine, position, now.mono_usec);
}

/* A small frame may be answered by a large one, and all answers of a turn are in memory at once. */
static bool is_flood(struct ring *g, struct link *link)
{
        if (link->ring_turn != g->turn)
                link->n_ring = 0;
        link->ring_turn = g->turn;
        return link->n_ring++ >= TURN_FRAMES_LINK_MAX || g->n_ring++ >= TURN_FRAMES_MAX;
}

int node_ring_receive(
        struct node *n, struct link *link, const void *data, size_t size, struct now now)
{
        struct chord_peer from = peer_of(link);

        if (!n->ring.engine || n->ring.is_renewing || !link->is_proven || is_flood(&n->ring, link))
                return 0;
        return chord_receive(n->ring.engine, &from, data, size, now.mono_usec);
}

/*
 * Coming to the ring
 */
int node_ring_bootstrap(
        struct node *n, const struct endpoint *places, size_t n_places, struct now now)
{
        struct ring *g = &n->ring;

        n_places = MIN(n_places, ELEMENTSOF(g->bootstrap));
        if (n_places == g->n_bootstrap &&
                memcmp(g->bootstrap, places, n_places * sizeof *places) == 0)
                return 0;
        memcpy(g->bootstrap, places, n_places * sizeof *places);
        g->n_bootstrap = n_places;
        if (!g->engine)
                return 0;
        g->publishes = true;
        if (n_places > 0)
                g->visit_usec = usec_min(g->visit_usec, now.mono_usec);
        else if (!g->record.is_joined)
                return chord_withdraw(g->engine, now.mono_usec);
        return 0;
}

/* Alone, one after the other of the places that we know; else only now and then, for we may be on a
 * ring that is not theirs. */
static int visit_next(struct node *n, struct now now)
{
        struct ring *g = &n->ring;
        size_t n_all = g->n_bootstrap + g->record.n_places, i;
        usec_t wait_usec = usec_min(VISIT_USEC << MIN(g->n_vain, 10U), VISIT_USEC_MAX);

        if (!node_ring_is_alone(n))
                wait_usec = VISIT_OTHERS_USEC;
        g->visit_usec = n_all == 0 ? USEC_INFINITY
                                   : usec_add(now.mono_usec, wait_usec + jitter(n, wait_usec));
        if (n_all == 0)
                return 0;
        i = g->place_next++ % n_all;
        g->n_vain++;
        if (i < g->n_bootstrap)
                return node_visit(n, 0, "", "", &g->bootstrap[i], 1, now);
        i -= g->n_bootstrap;
        return node_visit(n, 0, "", g->record.places[i].id, &g->record.places[i].endpoint, 1, now);
}

static int refuse_off(struct refusal *ret)
{
        return refuse(ret, REFUSAL_NOT_REACHABLE,
                "This machine takes no part in the ring: set Enabled=yes in section [Ring] of its "
                "configuration.");
}

int node_ring_join(struct node *n, uint64_t call, const char *name, const struct endpoint *places,
        size_t n_places, struct now now, struct refusal *ret_refusal)
{
        if (!n->ring.engine)
                return refuse_off(ret_refusal);
        return node_visit(n, call, name, "", places, n_places, now);
}

int node_ring_leave(struct node *n, struct now now, struct refusal *ret_refusal)
{
        struct ring *g = &n->ring;
        int r;

        if (!g->engine)
                return refuse_off(ret_refusal);
        if (g->n_bootstrap > 0)
                return refuse(ret_refusal, REFUSAL_INVALID_ARGUMENT,
                        "The configuration has this machine join: remove Bootstrap= from its "
                        "section [Ring] first.");
        g->record = (struct ring_record){ 0 };
        g->visit_usec = USEC_INFINITY;
        g->is_renewing = true;
        g->endpoint = (struct endpoint){ 0 };
        r = chord_stop(g->engine, now.mono_usec);
        return r < 0 ? r : store_record(n);
}

/* The engine has left, and what it had to say is said: another one that knows nobody. */
static int begin_anew(struct node *n, struct now now)
{
        struct ring *g = &n->ring;
        int r;

        if (!g->is_renewing || node_ring_is_waiting(n))
                return 0;
        g->is_renewing = false;
        g->engine = chord_free(g->engine);
        r = new_engine(n, now);
        /* Nobody answers these any more. */
        if (r == 0)
                r = node_searches_late(n, USEC_INFINITY);
        if (r == 0)
                r = node_ring_hang_up(n, GOODBYE_ENDED, now);
        g->ask_usec = g->n_asked = g->n_greetings = 0;
        list_for_each (i, &n->natives) {
                struct peer *peer = container_of(i, struct native, list)->peer;

                if (peer_is_present(peer))
                        node_greet(n, peer, now);
        }
        return r;
}

int node_ring_say_goodbye(struct node *n, struct now now)
{
        int r;

        if (!n->ring.engine)
                return node_native_goodbye(n, now);
        r = save(n, now);
        n->ring.goodbye_usec = usec_add(now.mono_usec, GOODBYE_USEC_MAX);
        return r < 0 ? r : chord_stop(n->ring.engine, now.mono_usec);
}

bool node_is_saying_goodbye(const struct node *n)
{
        return n->ring.goodbye_usec > 0;
}

/*
 * The turn
 */
int node_ring_advance(struct node *n, struct now now)
{
        struct ring *g = &n->ring;
        struct link *link;
        int r;

        if (!g->engine)
                return 0;
        r = chord_deadline(g->engine) <= now.mono_usec ? chord_advance(g->engine, now.mono_usec)
                                                       : 0;
        if (r == 0)
                r = node_searches_late(n, now.mono_usec);
        if (r == 0)
                r = node_ring_links_advance(n, now);
        if (r < 0 || n->is_leaving || g->is_renewing)
                return r;
        r = node_greet_due(n, now);
        if (r == 0 && g->visit_usec <= now.mono_usec)
                r = visit_next(n, now);
        if (r == 0 && g->save_usec <= now.mono_usec)
                r = save(n, now);
        link = node_reach_is_wanted(n) && g->ask_usec <= now.mono_usec ? node_reach_somebody(n)
                                                                       : NULL;
        return r < 0 || !link ? r : node_reach_ask(n, link, now);
}

usec_t node_ring_deadline(const struct node *n)
{
        const struct ring *g = &n->ring;
        usec_t next;

        if (!g->engine)
                return USEC_INFINITY;
        next = usec_min(chord_deadline(g->engine), node_searches_deadline(n));
        next = usec_min(next, node_ring_links_deadline(n));
        if (n->is_leaving)
                return g->goodbye_usec > 0 ? usec_min(next, g->goodbye_usec) : next;
        next = usec_min(next, usec_min(g->visit_usec, g->save_usec));
        for (size_t i = 0; i < g->n_greetings; i++)
                if (g->greetings[i].lookup == 0)
                        next = usec_min(next, g->greetings[i].due_usec);
        if (node_reach_is_wanted(n) && node_reach_somebody(n))
                next = usec_min(next, g->ask_usec);
        return next;
}

static int take_effect(struct node *n, const struct chord_effect *e, struct now now)
{
        switch (e->type) {
        case CHORD_SEND:
                return node_ring_send(n, &e->peer, e->data, e->size, now);
        case CHORD_LOOKED_UP:
                return node_greet_looked_up(n, e, now);
        case CHORD_FOUND:
                return node_search_found(n, e, now);
        }
        return 0;
}

int node_ring_end_turn(struct node *n, struct now now)
{
        struct ring *g = &n->ring;
        struct chord_effect e;
        int r = 0;

        if (!g->engine)
                return 0;
        g->turn++;
        g->n_ring = 0;
        if (g->publishes && !n->is_leaving && !g->is_renewing)
                r = publish(n, now);
        if (g->save_usec == USEC_INFINITY && node_ring_is_joined(n))
                g->save_usec = usec_add(now.mono_usec, SAVE_USEC);
        while (r == 0 && chord_next_effect(g->engine, &e))
                r = take_effect(n, &e, now);
        if (r == 0)
                r = begin_anew(n, now);
        if (r == 0 && g->goodbye_usec > 0 &&
                (!node_ring_is_waiting(n) || g->goodbye_usec <= now.mono_usec)) {
                g->goodbye_usec = 0;
                r = node_native_goodbye(n, now);
        }
        return r;
}

void node_ring_status(const struct node *n, struct ring_status *ret)
{
        const struct ring *g = &n->ring;

        *ret = (struct ring_status){ .is_there = g->engine };
        if (!g->engine)
                return;
        ret->is_joined = node_ring_is_joined(n);
        ret->position = g->position;
        ret->endpoint = g->endpoint;
        ret->n_sessions = g->n_links;
        ret->n_found = g->n_found;
        ret->n_missed = g->n_missed;
        chord_status(g->engine, &ret->chord);
}
