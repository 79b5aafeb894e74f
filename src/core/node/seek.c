/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looking for native peers: where, when, and how often */
#include "core/node/node-private.h"

#define UNPROVEN_DIAL_USEC                                                                         \
        (1 * USEC_PER_SEC) /* between dials to places that are only announced                      \
                            */

int node_get_native(struct node *n, struct peer *peer, struct native **ret)
{
        struct native *native = peer->native;

        if (!native) {
                native = calloc(1, sizeof *native);
                if (!native)
                        return -ENOMEM;
                native->peer = peer;
                list_init(&native->moved);
                list_init(&native->ready);
                list_append(&n->natives, &native->list);
                stream_out_init(&native->out, n->random);
                stream_in_init(&native->in);
                peer->native = native;
        }
        *ret = native;
        return 0;
}

void node_free_native(struct node *n, struct peer *peer)
{
        struct native *native = peer->native;

        if (!native)
                return;
        n->n_sessions -= native->link != 0;
        stream_out_done(&native->out);
        stream_in_done(&native->in);
        list_remove(&native->list);
        list_remove(&native->moved);
        list_remove(&native->ready);
        free(native);
        peer->native = NULL;
}

void node_release_natives(struct node *n)
{
        list_for_each_safe (i, &n->natives) {
                struct native *native = container_of(i, struct native, list);
                struct peer *peer = native->peer;

                if (native->link == 0 && native->dial_link == 0 && list_is_empty(&native->moved) &&
                        !peer_is_awaited(peer) && !peer->has_files && !peer->record.has_history &&
                        !peer_is_contact(peer))
                        node_free_native(n, peer);
        }
}

/* In a round it is sought where it was heard, latest first. Anybody can make it heard anywhere, and
 * often; so where it was proven last is the second place at the latest. */
static size_t count_sighted(const struct peer *peer)
{
        size_t n = 0;

        while (n < WHEREABOUTS_MAX && peer->whereabouts[n].family != ENDPOINT_NONE)
                n++;
        return n;
}

static size_t count_places(const struct peer *peer)
{
        size_t n = count_sighted(peer);

        for (size_t i = 0; i < n; i++)
                if (endpoint_equal(&peer->whereabouts[i], &peer->record.endpoint))
                        return n;
        return n + (peer->record.endpoint.family != ENDPOINT_NONE);
}

static struct endpoint next_place(const struct peer *peer)
{
        const struct native *native = peer->native;
        bool is_second = native->n_tried == 1 && peer->record.is_proven &&
                         !endpoint_equal(&native->dial_place, &peer->record.endpoint);

        return is_second || native->n_tried >= count_sighted(peer) ? peer->record.endpoint
                                                                   : peer->whereabouts[0];
}

static bool is_proven_place(const struct peer *peer, const struct endpoint *place)
{
        return peer->record.is_proven && endpoint_equal(place, &peer->record.endpoint);
}

static usec_t due_usec(const struct node *n, const struct peer *peer, const struct endpoint *place)
{
        usec_t usec = peer->outbox.retry_usec;

        return is_proven_place(peer, place) ? usec : MAX(usec, n->unproven_usec);
}

/* Something waits for a classic peer of this name. */
static bool is_awaited(const struct node *n, const char *name)
{
        for (struct peer *i = peers_next_named(&n->peers, name, NULL); i;
                i = peers_next_named(&n->peers, name, i))
                if (!peer_is_native(i) && i->outbox.n > 0)
                        return true;
        return false;
}

int node_native_rest(struct node *n, struct peer *peer, struct now now)
{
        peer->native->n_tried = 0;
        outbox_failed(&peer->outbox, n->random, now.mono_usec);
        n->retry_usec = usec_min(n->retry_usec, peer->outbox.retry_usec);
        if (is_awaited(n, peer->record.name))
                n->retry_usec = now.mono_usec;
        return node_answer_queued(n, &peer->outbox);
}

int node_dial_native(struct node *n, struct peer *peer, enum link_purpose purpose,
        const struct endpoint *to, struct now now, struct link **ret)
{
        const char *wanted_id = peer ? peer->record.id : purpose == LINK_FOR_CLONE ? n->id : "";
        int r;

        r = node_dial(n, peer, to, ret);
        if (r < 0)
                return r;
        (*ret)->begin_usec = now.mono_usec;
        (*ret)->is_native = true;
        (*ret)->purpose = purpose;
        memcpy((*ret)->wanted_id, wanted_id, strlen(wanted_id) + 1);
        return 0;
}

bool node_has_room(const struct node *n)
{
        return n->links_by_number.n + n->options.links_max / 8 < n->options.links_max;
}

int node_seek_session(struct node *n, struct peer *peer, struct now now)
{
        struct native *native;
        struct endpoint place;
        struct link *link;
        usec_t usec;
        int r;

        if (!n->options.identity || n->is_leaving || n->is_proving || peer->record.blocked)
                return 0;
        r = node_get_native(n, peer, &native);
        if (r < 0)
                return r;
        link = node_ring_link(n, peer->record.id);
        if (native->link == 0 && link)
                return node_native_promote(n, link, now);
        if (native->link != 0 || native->dial_link != 0 || count_places(peer) == 0)
                return 0;
        if (native->expected_usec > now.mono_usec) {
                n->retry_usec = usec_min(n->retry_usec, native->expected_usec);
                return 0;
        }

        place = next_place(peer);
        usec = due_usec(n, peer, &place);
        if (usec > now.mono_usec) {
                n->retry_usec = usec_min(n->retry_usec, usec);
                return 0;
        }
        if (!node_has_room(n))
                return node_native_rest(n, peer, now);
        if (!is_proven_place(peer, &place))
                n->unproven_usec = usec_add(now.mono_usec, UNPROVEN_DIAL_USEC);
        r = node_dial_native(n, peer, LINK_FOR_USER, &place, now, &link);
        if (r < 0)
                return r;
        native->dial_link = link->number;
        native->dial_place = place;
        return peer_is_present(peer) ? 0 : node_search_places(n, peer, now);
}

bool node_is_seeking(const struct node *n, const struct peer *peer, struct now now)
{
        const struct native *native = peer->native;

        if (!n->options.identity || n->is_leaving || peer->record.blocked)
                return false;
        if (native && (native->link != 0 || native->dial_link != 0 ||
                              native->expected_usec > now.mono_usec))
                return true;
        return count_places(peer) > 0 && peer->outbox.retry_usec <= now.mono_usec;
}

int node_check_clone(struct node *n, const struct endpoint *at, struct now now)
{
        struct link *link;

        if (!n->options.identity || n->is_leaving || now.mono_usec < n->clone_usec ||
                !node_has_room(n) || !ratelimits_allow(&n->clone_checks, at, now.mono_usec))
                return 0;
        n->clone_usec = usec_add(now.mono_usec, UNPROVEN_DIAL_USEC);
        return node_dial_native(n, NULL, LINK_FOR_CLONE, at, now, &link);
}

int node_native_missed(struct node *n, struct native *native, struct now now)
{
        struct peer *peer = native->peer;

        native->dial_link = 0;
        if (native->link != 0)
                return 0;
        peer_missed(peer, &native->dial_place);
        if (++native->n_tried >= count_places(peer))
                return node_native_rest(n, peer, now);
        return node_seek_session(n, peer, now);
}
