/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sessions with nodes of the ring who are no users here
 *
 * A session with a user serves the ring as well. Only with who is none there is one for the ring
 * alone: it makes nobody a user, and becomes one with a user as soon as either side says so
 * (node_native_promote()). Of these so many are kept, and those that were not used for long go
 * first, unless the ring needs them to keep its shape.
 *
 * Where nodes are, others say, and a liar can name anybody. So of dials that find nobody who was
 * meant there may be so many in all, and so many to one address; what would be said beyond that
 * gets lost as if there were no answer. Neighbours are only limited by address: or whoever names
 * many could part us from them.
 */
#include "core/node/node-private.h"

#define WAITING_MAX (16 * 1024) /* bytes to be said to one node; what is more gets lost */
#define NODES_MAX 1024
#define DIALS_USEC (10 * USEC_PER_SEC)
#define DIALS_MAX 64 /* in DIALS_USEC, that did not come to a session */
#define DIALS_AT_USEC (30 * USEC_PER_SEC)
#define DIALS_AT_MAX 16 /* of these to one address, in DIALS_AT_USEC */
#define DIAL_PLACES 256

static struct ring_node *find(const struct node *n, const char *id)
{
        const struct table *t = &n->ring.nodes_by_id;

        for (struct table_entry *e = table_find(t, id, strlen(id)); e; e = table_find_next(e)) {
                struct ring_node *node = container_of(e, struct ring_node, by_id);

                if (streq(node->id, id))
                        return node;
        }
        return NULL;
}

static void node_done(struct node *n, struct ring_node *node)
{
        table_remove(&n->ring.nodes_by_id, &node->by_id);
        list_remove(&node->list);
        buffer_done(&node->waiting);
        free(node);
}

static void used(struct node *n, struct ring_node *node)
{
        list_remove(&node->list);
        list_append(&n->ring.nodes, &node->list);
}

static bool is_idle(const struct ring_node *node)
{
        return node->link == 0 && node->dial_link == 0;
}

static void release(struct node *n, struct ring_node *node)
{
        if (is_idle(node))
                node_done(n, node);
}

/* One that nothing waits for and nothing is said to goes. False: there is none. */
static bool evict(struct node *n)
{
        list_for_each (i, &n->ring.nodes) {
                struct ring_node *node = container_of(i, struct ring_node, list);

                if (is_idle(node)) {
                        node_done(n, node);
                        return true;
                }
        }
        return false;
}

/* 0, -ENOMEM, or 1 when there are too many. */
static int get(
        struct node *n, const char *id, const struct chord_peer *peer, struct ring_node **ret)
{
        struct ring_node *node = find(n, id);
        int r;

        if (!node) {
                if (n->ring.nodes_by_id.n >= NODES_MAX && !evict(n))
                        return 1;
                node = calloc(1, sizeof *node);
                if (!node)
                        return -ENOMEM;
                memcpy(node->id, id, strlen(id));
                buffer_init(&node->waiting, WAITING_MAX);
                r = table_add(&n->ring.nodes_by_id, &node->by_id, id, strlen(id));
                if (r < 0) {
                        free(node);
                        return r;
                }
                list_append(&n->ring.nodes, &node->list);
        }
        node->peer = *peer;
        used(n, node);
        *ret = node;
        return 0;
}

int node_ring_links_init(struct node *n, const uint8_t key[static TABLE_KEY_SIZE])
{
        struct ring *g = &n->ring;

        g->dials = (struct ratelimit){ .interval_usec = DIALS_USEC, .burst = DIALS_MAX };
        return ratelimits_init(&g->dials_at, DIAL_PLACES, DIALS_AT_USEC, DIALS_AT_MAX, key);
}

void node_ring_links_done(struct node *n)
{
        ratelimits_done(&n->ring.dials_at);
        list_for_each_safe (i, &n->ring.nodes)
                node_done(n, container_of(i, struct ring_node, list));
        table_done(&n->ring.nodes_by_id);
}

struct link *node_ring_link(const struct node *n, const char *id)
{
        const struct ring_node *node = find(n, id);

        return node && node->link != 0 ? node_link(n, node->link) : NULL;
}

bool node_ring_is_waiting(const struct node *n)
{
        list_for_each (i, &n->ring.nodes)
                if (container_of(i, struct ring_node, list)->waiting.size > 0)
                        return true;
        return false;
}

/*
 * Saying
 */
static int say(struct node *n, struct link *link, const void *data, size_t size, struct now now)
{
        struct message m = { .type = FRAME_RING, .ring = { .data = data, .size = size } };

        if (link->ring_node)
                used(n, link->ring_node);
        return node_native_tell(n, link, &m, now);
}

/* One more session for the ring alone: does one of the others have to go? */
static int make_room(struct node *n, struct now now)
{
        if (n->ring.n_links < n->options.ring_links_max)
                return 0;
        list_for_each (i, &n->ring.nodes) {
                struct ring_node *node = container_of(i, struct ring_node, list);

                if (node->link == 0 || chord_is_neighbour(n->ring.engine, &node->peer.id))
                        continue;
                return node_native_close(n, node_link(n, node->link), "idle", GOODBYE_IDLE, now);
        }
        return 0;
}

/* Where it is: who is seen on the local network is reached there. */
static struct endpoint place_of(const struct node *n, const struct ring_node *node)
{
        const struct peer *peer = peers_by_id(&n->peers, node->id);

        return peer && peer_is_present(peer) ? peer->whereabouts[0] : node->peer.endpoint;
}

static bool may_dial(
        struct node *n, const struct ring_node *node, const struct endpoint *to, struct now now)
{
        return ratelimits_allow(&n->ring.dials_at, to, now.mono_usec) &&
               (ratelimit_allow(&n->ring.dials, now.mono_usec) ||
                       chord_is_neighbour(n->ring.engine, &node->peer.id));
}

/* Who was meant is there: that dial does not count. */
static void has_met(struct node *n, const struct link *link)
{
        ratelimit_return(&n->ring.dials);
        ratelimits_return(&n->ring.dials_at, &link->remote);
}

static int dial(struct node *n, struct ring_node *node, struct now now)
{
        struct endpoint place;
        struct link *link;
        int r;

        if (node->dial_link != 0)
                return 0;
        place = place_of(n, node);
        if (!may_dial(n, node, &place, now)) {
                node_done(n, node);
                return 0;
        }
        r = make_room(n, now);
        if (r < 0)
                return r;
        r = node_dial_native(n, NULL, LINK_FOR_RING, &place, now, &link);
        if (r < 0)
                return r;
        memcpy(link->wanted_id, node->id, sizeof link->wanted_id);
        link->ring_node = node;
        node->dial_link = link->number;
        return 0;
}

static int wait(struct ring_node *node, const void *data, size_t size)
{
        const uint8_t head[2] = { size >> 8, size };
        int r;

        if (node->waiting.size + sizeof head + size > WAITING_MAX)
                return 0;
        r = buffer_append(&node->waiting, head, sizeof head);
        return r < 0 ? r : buffer_append(&node->waiting, data, size);
}

/* Until then another session than the one that has just ended will be proven; 0: why should it? */
static usec_t expected_usec(const struct node *n, const struct ring_node *node)
{
        const struct peer *peer = peers_by_id(&n->peers, node->id);

        return MAX(node->expected_usec, peer && peer->native ? peer->native->expected_usec : 0);
}

int node_ring_send(
        struct node *n, const struct chord_peer *to, const void *data, size_t size, struct now now)
{
        char id[ID_STRING_SIZE];
        const struct peer *peer;
        struct ring_node *node;
        struct link *link;
        int r;

        ring_id_to_id(&to->id, id);
        peer = peers_by_id(&n->peers, id);
        link = node_session_with(n, id);
        if (link)
                return say(n, link, data, size, now);
        if ((peer && peer->record.blocked) || !node_has_room(n))
                return chord_failed(n->ring.engine, &to->id, now.mono_usec);
        r = get(n, id, to, &node);
        if (r > 0)
                return chord_failed(n->ring.engine, &to->id, now.mono_usec);
        if (r == 0)
                r = wait(node, data, size);
        return r < 0 || expected_usec(n, node) > now.mono_usec ? r : dial(n, node, now);
}

/* When one is to be dialled because the session that was expected did not come. */
static usec_t due_usec(const struct node *n, const struct ring_node *node)
{
        return is_idle(node) && node->waiting.size > 0 ? expected_usec(n, node) : USEC_INFINITY;
}

usec_t node_ring_links_deadline(const struct node *n)
{
        usec_t next = USEC_INFINITY;

        list_for_each (i, &n->ring.nodes)
                next = usec_min(next, due_usec(n, container_of(i, struct ring_node, list)));
        return next;
}

static struct ring_node *find_due(const struct node *n, struct now now)
{
        list_for_each (i, &n->ring.nodes) {
                struct ring_node *node = container_of(i, struct ring_node, list);

                if (due_usec(n, node) <= now.mono_usec)
                        return node;
        }
        return NULL;
}

int node_ring_links_advance(struct node *n, struct now now)
{
        struct ring_node *node;
        int r = 0;

        while (r == 0 && (node = find_due(n, now)))
                r = dial(n, node, now);
        return r;
}

int node_ring_flush(struct node *n, struct link *link, const char *id, struct now now)
{
        struct ring_node *node = find(n, id);
        struct buffer waiting;
        uint64_t number = link->number;
        int r = 0;

        if (!node)
                return 0;
        waiting = node->waiting;
        buffer_init(&node->waiting, WAITING_MAX);
        release(n, node);
        for (size_t i = 0; r == 0 && link && i < waiting.size; link = node_link(n, number)) {
                size_t size = (size_t)waiting.data[i] << 8 | waiting.data[i + 1];

                r = say(n, link, waiting.data + i + 2, size, now);
                i += 2 + size;
        }
        buffer_done(&waiting);
        return r;
}

/*
 * Sessions
 */
static int settle_in(struct node *n, struct ring_node *node, struct link *link,
        const struct session_claim *claim, struct now now)
{
        struct link *old = node->link != 0 ? node_link(n, node->link) : NULL;
        bool is_over = claim->run != node->claim.run;

        n->ring.n_links += !old;
        node->link = link->number;
        node->claim = *claim;
        link->ring_node = node;
        if (!old)
                return 0;
        old->ring_node = NULL;
        return node_native_retire(n, old, is_over, now);
}

int node_ring_take(
        struct node *n, struct link *link, const struct introduction *who, struct now now)
{
        const struct session_claim claim = {
                .run = who->run,
                .is_ours = session_role(link->session) == SESSION_DIALLER,
        };
        struct chord_peer peer = { .id = link->position, .endpoint = link->remote };
        struct ring_node *node;
        int r;

        if (!claim.is_ours)
                peer.endpoint.port = who->port ?: ENDPOINT_PORT_DEFAULT;
        r = node_native_is_one_too_many(n, link, NULL) ? 1 : get(n, who->id, &peer, &node);
        if (r > 0)
                r = node_native_close(n, link, "no-room", GOODBYE_OTHER, now) ?: 1;
        if (r != 0)
                return r;

        link->is_proven = true;
        if (node->dial_link == link->number) {
                node->dial_link = 0;
                has_met(n, link);
        }
        if (node->link != 0 && !session_replaces(&claim, &node->claim, n->id, who->id)) {
                link->ring_node = NULL;
                return node_native_retire(n, link, false, now) ?: 1;
        }
        return settle_in(n, node, link, &claim, now);
}

bool node_ring_hand_over(
        struct node *n, const char *id, struct link **ret, struct session_claim *ret_claim)
{
        struct ring_node *node = find(n, id);

        if (!node || node->link == 0)
                return false;
        *ret = node_link(n, node->link);
        *ret_claim = node->claim;
        (*ret)->ring_node = NULL;
        node->link = 0;
        n->ring.n_links--;
        if (node->waiting.size == 0)
                release(n, node);
        return true;
}

int node_ring_link_gone(struct node *n, struct ring_node *node, uint64_t number,
        enum link_loss loss, struct now now)
{
        struct ring_id position = node->peer.id;
        bool failed = loss == LOSS_FAILED;
        if (node->link == number) {
                node->link = 0;
                n->ring.n_links--;
                if (loss == LOSS_REPLACED)
                        node->expected_usec = usec_add(now.mono_usec, EXPECTED_USEC);
        } else {
                node->dial_link = 0;
                failed = true;
        }
        failed = failed && !node_session_with(n, node->id) && is_idle(node);
        if (failed)
                buffer_clear(&node->waiting);
        if (loss != LOSS_REPLACED)
                release(n, node);
        return node_ring_lost(n, &position, failed, now);
}

void node_ring_dialled(struct node *n, struct link *link)
{
        struct ring_node *node = link->ring_node;

        link->ring_node = NULL;
        node->dial_link = 0;
        has_met(n, link);
        if (node->waiting.size == 0)
                release(n, node);
}

int node_ring_hang_up(struct node *n, enum goodbye reason, struct now now)
{
        list_for_each_safe (i, &n->links) {
                struct link *link = container_of(i, struct link, list);
                int r;

                if (!link->ring_node || !link->session)
                        continue;
                r = node_native_close(
                        n, link, reason == GOODBYE_STOP ? "stopped" : "ended", reason, now);
                if (r < 0)
                        return r;
        }
        return 0;
}
