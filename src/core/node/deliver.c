/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the queue to the peer
 *
 * To a native peer in a session (seek.c, streams.c). To a classic one:
 *
 *     LOADING --text--> DIALLING --connected--> TALKING --written--> FINISHING --closed--> next
 * part, |                  |                      |                     |                 next one
 *        +------------------+----------------------+---------------------+--> rest, then again
 *
 * One message per classic peer is under way. It is sent once the other side took all of its parts;
 * until then it stays in the queue, and what is not known to have arrived goes again.
 */
#include "core/node/node-private.h"

#define AGAIN_MAX 3  /* connections that one part may want in a row */
#define NO_KEY_MAX 3 /* attempts at a key exchange before it is given up */

struct endpoint peer_endpoint(const struct peer *peer)
{
        struct endpoint e = peer->record.endpoint;

        if (peer_is_third(peer))
                e.port = peer->record.memory.third_port ?: e.port;
        else if (peer_dialect(peer) == DIALECT_SECOND)
                e.port = peer->record.second_port;
        return e;
}

enum dialect peer_dialect(const struct peer *peer)
{
        return peer_is_native(peer) || peer->record.heard_classic || peer->record.second_port == 0
                       ? DIALECT_CLASSIC
                       : DIALECT_SECOND;
}

struct queued *node_queued(const struct node *n, const struct ulid *id)
{
        for (struct table_entry *e = table_find(&n->queued_by_id, id, sizeof *id); e;
                e = table_find_next(e)) {
                struct queued *q = container_of(e, struct queued, by_id);

                if (ulid_equal(&q->id, id))
                        return q;
        }
        return NULL;
}

int node_enqueue(struct node *n, struct peer *peer, struct queued *q)
{
        int r;

        r = table_add(&n->queued_by_id, &q->by_id, &q->id, sizeof q->id);
        if (r < 0) {
                free(q);
                return r;
        }
        q->serial = ++n->serial_last;
        outbox_add(&peer->outbox, q);
        /* Whom somebody wrote to last is sought first. */
        list_remove(&peer->waiting);
        list_prepend(&n->peers.waiting, &peer->waiting);
        return peer_is_native(peer) ? node_stream_add(n, peer, q) : 0;
}

static void delivery_free(struct peer *peer)
{
        if (peer->delivery) {
                free(peer->delivery->text);
                free(peer->delivery);
                peer->delivery = NULL;
        }
}

int node_settle(struct node *n, struct peer *holder, struct queued *q, enum message_state state,
        const char *reason)
{
        struct delivery *d = holder->delivery;
        struct change c = {
                .type = CHANGE_STATE,
                .state = { .id = q->id, .state = state, .security = q->security, .reason = reason },
        };
        int r;

        if (d && d->queued == q) {
                c.state.security = d->security;
                c.state.endpoint = peer_endpoint(holder);
                delivery_free(holder);
        } else if (state == MESSAGE_DELIVERED) {
                c.state.security = peer_security(holder);
                c.state.endpoint = peer_endpoint(holder);
        }
        table_remove(&n->queued_by_id, &q->by_id);
        outbox_remove(&holder->outbox, q);
        peer_queue_changed(&n->peers, holder);

        r = agenda_add_change(&n->agenda, &c);
        if (r == 0)
                r = node_answer(n, &q->id, state);
        free(q);
        return r;
}

/* Before that time nobody is disturbed with a first connection: old programs must have heard us. */
static usec_t hold_until_usec(const struct node *n, const struct peer *peer)
{
        if (!peer->is_new || !n->discovery.announces)
                return 0;
        if (n->discovery.first_announce_usec == 0)
                return USEC_INFINITY;
        return usec_add(n->discovery.first_announce_usec, FIRST_CHAT_HOLD_USEC);
}

/*
 * The one who is here under his name, if something may be sent to him there: @peer, a classic one,
 * has moved. No native one who was known before @peer, nor a contact: who has written to @peer
 * although the name meant somebody else does not mean that one.
 */
static struct peer *heir_of(const struct node *n, const struct peer *peer)
{
        struct peer *heir = peers_bearer(&n->peers, peer->record.name, NULL);
        const struct queued *q = outbox_first(&peer->outbox);

        if (!heir || heir == peer || heir->record.blocked || peer_is_contact(heir) ||
                (peer_is_native(heir) && heir->record.number < peer->record.number) ||
                (heir->record.cannot_chat && !peer_is_native(heir)) || peer_is_present(peer))
                return NULL;
        /* Of its two dialects it may have been heard in the second one first. */
        if ((peer_dialect(heir) == DIALECT_SECOND || peer_is_third(heir)) && q &&
                q->security > SECURITY_PLAIN)
                return NULL;
        return heir;
}

static bool is_talking(const struct peer *peer)
{
        return peer->delivery && peer->delivery->state >= DELIVERY_TALKING;
}

int node_pass_on(struct node *n, struct peer *peer, struct peer *heir, struct now now)
{
        int r = 0;

        assert(!peer_is_native(peer));
        r = node_delivery_abort(n, peer);
        if (r < 0)
                return r;
        if (peer_is_native(heir) && peer->record.successor != heir->record.number) {
                assert(heir->record.is_proven);
                peer->record.successor = heir->record.number;
                peer_touch(&n->peers, peer);
        }
        outbox_move(&heir->outbox, &peer->outbox);
        peer_queue_changed(&n->peers, peer);
        peer_queue_changed(&n->peers, heir);
        if (peer_is_native(heir)) {
                r = node_make_contact(n, heir, now);
                if (r == 0)
                        r = node_stream_reorder(n, heir);
        }
        return r < 0 ? r : node_deliver(n, heir, now);
}

int node_inherit(struct node *n, struct peer *heir, bool by_name, struct now now)
{
        const char *name = heir->record.name;
        int r = 0;

        for (struct peer *i = peers_next_named(&n->peers, name, NULL); i && r == 0;
                i = peers_next_named(&n->peers, name, i)) {
                bool is_absent = !peer_is_present(i) && i->record.number < heir->record.number;

                if (peer_is_native(i) || i->outbox.n == 0 || i->record.blocked || is_talking(i))
                        continue;
                if (i->record.successor == heir->record.number || (by_name && is_absent))
                        r = node_pass_on(n, i, heir, now);
        }
        return r;
}

/* The native one who announces himself with the name and at the address of a classic one: that he
 * is the same must be proven first. */
static struct peer *native_at(const struct node *n, const struct peer *peer)
{
        for (struct peer *i = peers_next_named(&n->peers, peer->record.name, NULL); i;
                i = peers_next_named(&n->peers, peer->record.name, i))
                if (peer_is_native(i) && !i->record.is_proven && !i->record.blocked &&
                        peer_is_present(i) &&
                        endpoint_same_address(&i->record.endpoint, &peer->record.endpoint))
                        return i;
        return NULL;
}

/* True when it is to be seen first whether what waits for @peer, a classic one, may go in a
 * session; or it has been passed on to somebody else. */
static int find_better(struct node *n, struct peer *peer, struct now now, bool *ret)
{
        struct peer *native = native_at(n, peer), *heir = peers_successor(&n->peers, peer);

        if (!heir && !native)
                heir = heir_of(n, peer);
        if (heir && (!peer_is_native(heir) || heir->record.is_proven)) {
                *ret = true;
                return node_pass_on(n, peer, heir, now);
        }
        native = native ?: heir;
        *ret = native && node_is_seeking(n, native, now);
        return native ? node_seek_session(n, native, now) : 0;
}

static int deliver_classic(struct node *n, struct peer *peer, struct now now)
{
        struct queued *q = outbox_first(&peer->outbox);
        bool is_done;
        usec_t due_usec;
        int r;

        r = find_better(n, peer, now, &is_done);
        if (r < 0 || is_done || !peer_is_present(peer))
                return r;

        due_usec = MAX(peer->outbox.retry_usec, hold_until_usec(n, peer));
        if (due_usec > now.mono_usec) {
                n->retry_usec = usec_min(n->retry_usec, due_usec);
                return 0;
        }

        peer->delivery = calloc(1, sizeof *peer->delivery);
        if (!peer->delivery)
                return -ENOMEM;
        peer->delivery->state = DELIVERY_LOADING;
        peer->delivery->queued = q;
        return agenda_add_effect(
                &n->agenda, &(struct effect){ .type = EFFECT_LOAD, .load = { .id = q->id } });
}

int node_deliver(struct node *n, struct peer *peer, struct now now)
{
        if (!peer_is_awaited(peer) || peer->delivery || peer->record.blocked ||
                node_files_rest(n, peer, now))
                return 0;
        if (peer_is_native(peer))
                return node_seek_session(n, peer, now);
        return peer->record.cannot_chat ? 0 : deliver_classic(n, peer, now);
}

int node_deliver_named(struct node *n, const char *name, struct now now)
{
        for (struct peer *i = peers_next_named(&n->peers, name, NULL); i;
                i = peers_next_named(&n->peers, name, i)) {
                int r = node_deliver(n, i, now);

                if (r < 0)
                        return r;
        }
        return 0;
}

int node_deliver_due(struct node *n, struct now now)
{
        int r;

        if (now.mono_usec < n->retry_usec)
                return 0;
        n->retry_usec = USEC_INFINITY;
        list_for_each_safe (i, &n->peers.waiting) {
                r = node_deliver(n, container_of(i, struct peer, waiting), now);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* It did not go: the queue rests, and who waits for an answer gets it. */
static int rest(struct node *n, struct peer *peer, struct now now)
{
        int r;

        delivery_free(peer);
        outbox_failed(&peer->outbox, n->random, now.mono_usec);
        r = node_answer_queued(n, &peer->outbox);
        return r < 0 ? r : node_deliver(n, peer, now);
}

static int fail(struct node *n, struct peer *peer, const char *reason, struct now now)
{
        int r;

        r = node_settle(n, peer, peer->delivery->queued, MESSAGE_FAILED, reason);
        return r < 0 ? r : node_deliver(n, peer, now);
}

static int dial(struct node *n, struct peer *peer, struct now now)
{
        struct delivery *d = peer->delivery;
        struct endpoint to;
        struct link *link;
        int r;

        if (n->links_by_number.n >= n->options.links_max)
                return rest(n, peer, now);

        d->dialect = peer_dialect(peer);
        d->security = d->dialect == DIALECT_SECOND || d->queued->security == SECURITY_PLAIN
                              ? SECURITY_PLAIN
                              : SECURITY_LEGACY;
        d->state = DELIVERY_DIALLING;
        to = peer_endpoint(peer);
        r = node_dial(n, peer, &to, &link);
        if (r < 0)
                return r;
        d->link = link->number;
        return 0;
}

int node_loaded(struct node *n, const struct ulid *id, usec_t time_usec, const char *text,
        size_t size, struct now now)
{
        struct queued *q = node_queued(n, id);
        struct peer *peer = q ? container_of(q->outbox, struct peer, outbox) : NULL;
        int r;

        if (!peer)
                return 0;
        if (peer_is_native(peer))
                return node_stream_loaded(n, peer, q, time_usec, text, size, now);
        if (!peer->delivery || peer->delivery->queued != q ||
                peer->delivery->state != DELIVERY_LOADING)
                return 0;
        if (!text)
                return fail(n, peer, "NoSuchMessage", now);

        q->size = size;
        q->size_sent = MIN(q->size_sent, size);
        peer->delivery->text = malloc(size + 1);
        if (!peer->delivery->text)
                return -ENOMEM;
        memcpy(peer->delivery->text, text, size);
        peer->delivery->text[size] = 0;

        if ((peer_dialect(peer) == DIALECT_SECOND || peer_is_third(peer)) &&
                q->security > SECURITY_PLAIN)
                return fail(n, peer, "NotSecure", now);
        if (!node_third_is_way(n, peer, q))
                return dial(n, peer, now);
        r = node_third_deliver(n, peer, now);
        return r > 0 ? rest(n, peer, now) : r;
}

int node_delivery_connected(struct node *n, struct link *link, struct now now)
{
        struct peer *peer = link->peer;
        struct delivery *d = peer ? peer->delivery : NULL;
        struct legacy_order order;

        if (!d || d->link != link->number || d->state != DELIVERY_DIALLING)
                return 0;

        order = (struct legacy_order){
                .security = d->security == SECURITY_PLAIN ? LEGACY_PLAIN : LEGACY_ENCRYPTED,
                .dialect = d->dialect,
                .text = d->text + d->queued->size_sent,
                .username = n->username,
                .number = d->queued->number[0] ? d->queued->number : NULL,
        };
        order.size = d->part_size = legacy_part_size(&peer->record.memory, order.security,
                n->username, order.text, d->queued->size - d->queued->size_sent);
        d->state = DELIVERY_TALKING;
        return legacy_initiate(n->legacy, link->number, &link->remote, &peer->record.memory, &order,
                now.mono_usec);
}

bool node_is_talking(const struct link *link)
{
        const struct delivery *d = link->peer->delivery;

        return d && d->link == link->number && d->state == DELIVERY_TALKING;
}

int node_delivery_result(
        struct node *n, struct peer *peer, enum legacy_outcome outcome, struct now now)
{
        struct delivery *d = peer->delivery;

        if (d->state != DELIVERY_TALKING)
                return 0;

        switch (outcome) {
        case LEGACY_WRITTEN:
                d->state = DELIVERY_FINISHING;
                return 0;
        case LEGACY_AGAIN:
                if (++d->n_again <= AGAIN_MAX)
                        return dial(n, peer, now);
                return rest(n, peer, now);
        case LEGACY_NO_KEY:
        case LEGACY_NOT_UNDERSTOOD:
                if (++peer->n_no_key < NO_KEY_MAX)
                        return rest(n, peer, now);
                peer->n_no_key = 0;
                return fail(n, peer, "NotSecure", now);
        }
        return 0;
}

/* A part was taken: the next one, or the message is sent. */
static int part_taken(struct node *n, struct peer *peer, struct now now)
{
        struct delivery *d = peer->delivery;
        struct queued *q = d->queued;
        int r;

        outbox_awake(&peer->outbox);
        peer->n_no_key = 0;
        peer->is_new = false;
        q->size_sent += d->part_size;
        d->n_again = 0;
        if (q->size_sent >= q->size) {
                r = node_settle(n, peer, q, MESSAGE_SENT, "");
                return r < 0 ? r : node_deliver(n, peer, now);
        }

        r = agenda_add_change(
                &n->agenda, &(struct change){
                                    .type = CHANGE_PROGRESS,
                                    .progress = { .id = q->id, .size_sent = q->size_sent },
                            });
        return r < 0 ? r : dial(n, peer, now);
}

int node_delivery_closed(struct node *n, struct peer *peer, enum link_end how, struct now now)
{
        if (peer->delivery->state == DELIVERY_FINISHING &&
                (how == LINK_CLOSED || how == LINK_ACKNOWLEDGED))
                return part_taken(n, peer, now);
        return rest(n, peer, now);
}

int node_delivery_abort(struct node *n, struct peer *peer)
{
        struct link *link;

        if (!peer->delivery)
                return 0;
        link = peer->delivery->state != DELIVERY_LOADING ? node_link(n, peer->delivery->link)
                                                         : NULL;
        delivery_free(peer);
        /* A connection of the third dialect is not there for this message alone. */
        return link && !link->is_third ? node_close_link(n, link->number, CLOSE_NOW) : 0;
}
