/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A whole chat node: life, restoring, the turn, questions */
#include "core/node/node-private.h"

#define PEERS_MAX 10000
#define LINKS_MAX 512
#define LINKS_PER_ADDRESS_MAX 16
#define LINKS_STRANGE_MAX 64
#define RING_LINKS_MAX 64
#define QUEUE_MAX 10000
#define QUEUE_SIZE_MAX (64 * 1024 * 1024)
#define HANDSHAKE_SOURCES 512
#define CLONE_SOURCES 64
#define CLONE_CHECK_USEC (5 * USEC_PER_MINUTE) /* of one address */
#define CLONE_WARNING_USEC USEC_PER_HOUR       /* likewise */

static void set_defaults(struct node_options *o)
{
        o->peers_max = o->peers_max ?: PEERS_MAX;
        o->links_max = o->links_max ?: LINKS_MAX;
        o->links_per_address_max = o->links_per_address_max ?: LINKS_PER_ADDRESS_MAX;
        o->links_strange_max = o->links_strange_max ?: LINKS_STRANGE_MAX;
        o->ring_links_max = o->ring_links_max ?: RING_LINKS_MAX;
        o->queue_max = o->queue_max ?: QUEUE_MAX;
        o->queue_size_max = o->queue_size_max ?: QUEUE_SIZE_MAX;
}

/* What native sessions need; without an identity there are none. */
static int init_native(struct node *n, const uint8_t key[static TABLE_KEY_SIZE])
{
        int r;

        n->handshakes =
                (struct ratelimit){ .interval_usec = USEC_PER_SEC, .burst = HANDSHAKES_MAX };
        r = ratelimits_init(&n->handshakes_at, HANDSHAKE_SOURCES, USEC_PER_SEC,
                HANDSHAKES_PER_ADDRESS_MAX, key);
        if (r == 0)
                r = ratelimits_init(&n->clone_checks, CLONE_SOURCES, CLONE_CHECK_USEC, 1, key);
        if (r == 0)
                r = ratelimits_init(&n->clone_warnings, CLONE_SOURCES, CLONE_WARNING_USEC, 1, key);
        if (r == 0)
                r = x25519_key_init_random(&n->static_key, n->random);
        n->self = (struct session_self){
                .identity = n->options.identity,
                .static_key = &n->static_key,
                .random = n->random,
                .username = n->username,
                .port = n->options.port,
                .run = random_u64(n->random),
        };
        return r;
}

int node_new(const struct node_options *options, struct now now, struct node **ret)
{
        _cleanup_(node_freep)
        struct node *n = NULL;
        uint8_t key[TABLE_KEY_SIZE];
        int r;

        assert(username_is_valid(options->username));

        n = calloc(1, sizeof *n);
        if (!n)
                return -ENOMEM;

        n->options = *options;
        set_defaults(&n->options);
        n->random = options->random;
        n->link_last = UINT64_MAX; /* the first one is 1 */
        n->retry_usec = USEC_INFINITY;
        n->save_usec = usec_add(now.mono_usec, SAVE_INTERVAL_USEC);
        n->limit_warnings = (struct ratelimit){ .interval_usec = USEC_PER_MINUTE, .burst = 5 };
        n->text_warnings = n->name_warnings = n->key_warnings = n->limit_warnings;
        memcpy(n->username, options->username, strlen(options->username) + 1);
        if (options->identity)
                memcpy(n->id, options->identity->id, sizeof n->id);
        n->options.username = n->username;
        n->options.n_peers = MIN(options->n_peers, (size_t)UNICAST_PEERS_MAX);
        if (n->options.n_peers > 0)
                memcpy(n->unicast, options->peers, n->options.n_peers * sizeof n->unicast[0]);
        n->options.peers = n->unicast;
        node_third_init(n, now);

        agenda_init(&n->agenda);
        list_init(&n->links);
        list_init(&n->natives);
        list_init(&n->moved);
        list_init(&n->calls);
        random_bytes(n->random, key, sizeof key);
        table_init(&n->links_by_number, key);
        table_init(&n->queued_by_id, key);
        list_init(&n->peers.changed);
        list_init(&n->peers.waiting);
        list_init(&n->files.moved);
        list_init(&n->files.gone);
        list_init(&n->files.ready);
        list_init(&n->ring.nodes);
        list_init(&n->ring.visits);
        list_init(&n->ring.searches);

        r = discovery_init(&n->discovery, options->announce, key);
        if (r < 0)
                return r;
        r = peers_init(&n->peers, &n->discovery, n->options.peers_max, n->random);
        if (r < 0)
                return r;
        r = legacy_new(n->random, &n->legacy);
        if (r == 0 && n->options.identity)
                r = init_native(n, key);
        if (r == 0)
                r = node_ring_init(n, key, now);
        if (r == 0)
                r = node_registry_init(n, key);
        if (r == 0)
                r = node_groups_init(n, key);
        if (r == 0)
                r = node_files_init(n, key);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(n);
        return 0;
}

struct node *node_free(struct node *n)
{
        if (!n)
                return NULL;

        node_ring_done(n);
        node_registry_done(n);
        node_groups_done(n);
        node_files_done(n);
        list_for_each_safe (i, &n->natives)
                node_free_native(n, container_of(i, struct native, list)->peer);
        for (struct list *i = n->peers.waiting.next; i != &n->peers.waiting; i = i->next) {
                struct peer *peer = container_of(i, struct peer, waiting);

                if (peer->delivery)
                        free(peer->delivery->text);
                free(peer->delivery);
        }
        peers_done(&n->peers);
        list_for_each_safe (i, &n->links)
                node_forget_link(n, container_of(i, struct link, list));
        list_for_each_safe (i, &n->calls)
                free(container_of(i, struct call, list));
        table_done(&n->links_by_number);
        table_done(&n->queued_by_id);
        legacy_free(n->legacy);
        discovery_done(&n->discovery);
        ratelimits_done(&n->handshakes_at);
        ratelimits_done(&n->clone_checks);
        ratelimits_done(&n->clone_warnings);
        x25519_key_done(&n->static_key);
        agenda_done(&n->agenda);
        free(n);
        return NULL;
}

/* A second row of one id, from a time when there was one for each address of it. */
static int restore_twin(struct node *n, const struct peer_record *record, usec_t heard_usec,
        struct now now, struct peer **ret)
{
        struct peer_record classic = *record;

        classic.successor = peers_by_id(&n->peers, record->id)->record.number;
        classic.id[0] = classic.contact[0] = 0;
        classic.is_proven = classic.is_verified = false;
        return peers_add(&n->peers, &classic, heard_usec, now.mono_usec, ret);
}

int node_restore_peer(struct node *n, const struct peer_record *record, struct now now)
{
        usec_t age_usec, heard_usec = 0;
        struct peer *peer;
        int r;

        /* Heard later than now: the clock was set, and nothing is known. */
        age_usec = usec_sub(now.real_usec, record->heard_usec);
        if (record->heard_usec > 0 && record->heard_usec <= now.real_usec &&
                age_usec < now.mono_usec)
                heard_usec = now.mono_usec - age_usec;
        r = peers_add(&n->peers, record, heard_usec, now.mono_usec, &peer);
        if (r == -EEXIST)
                r = restore_twin(n, record, heard_usec, now, &peer);
        if (r < 0)
                return r;
        peer->presence_told = peer_presence(peer);
        return 0;
}

int node_restore_queued(struct node *n, const struct queued_record *record, struct now now)
{
        struct peer *peer = peers_by_number(&n->peers, record->peer);
        struct queued *q;
        int r;

        if (!peer)
                return 0;
        peer = peers_successor(&n->peers, peer) ?: peer;

        q = queued_new(&record->id, record->peer, (int)record->security, record->size,
                record->size_sent, record->number);
        if (!q)
                return -ENOMEM;
        if (peer_is_native(peer))
                q->stream_number = record->stream_number;
        r = node_enqueue(n, peer, q);
        if (r < 0)
                return r;
        n->retry_usec = now.mono_usec;
        return 0;
}

int node_advance(struct node *n, struct now now)
{
        int r;

        r = node_age(n, now);
        if (r < 0)
                return r;

        if (discovery_announce_due(&n->discovery, now.mono_usec)) {
                r = node_announce(n, now);
                if (r < 0)
                        return r;
                n->retry_usec = now.mono_usec;
        }

        if (now.mono_usec >= n->save_usec) {
                n->save_usec = usec_add(now.mono_usec, SAVE_INTERVAL_USEC);
                r = node_save_heard(n, now);
                if (r < 0)
                        return r;
        }

        r = legacy_advance(n->legacy, now.mono_usec);
        if (r < 0)
                return r;
        r = node_drain_legacy(n, now);
        if (r == 0)
                r = node_native_advance(n, now);
        if (r == 0)
                r = node_third_advance(n, now);
        if (r == 0)
                r = node_ring_advance(n, now);
        if (r == 0)
                r = node_registry_advance(n, now);
        if (r == 0)
                r = node_groups_advance(n, now);
        if (r == 0)
                r = node_files_advance(n, now);
        if (r < 0)
                return r;

        r = node_deliver_due(n, now);
        if (r < 0)
                return r;
        return node_answer_late(n, now.mono_usec);
}

usec_t node_deadline(const struct node *n)
{
        usec_t deadline_usec = discovery_deadline(&n->discovery);

        deadline_usec = usec_min(deadline_usec, legacy_deadline(n->legacy));
        deadline_usec = usec_min(deadline_usec, node_native_deadline(n));
        deadline_usec = usec_min(deadline_usec, node_third_deadline(n));
        deadline_usec = usec_min(deadline_usec, node_ring_deadline(n));
        deadline_usec = usec_min(deadline_usec, node_registry_deadline(n));
        deadline_usec = usec_min(deadline_usec, node_groups_deadline(n));
        deadline_usec = usec_min(deadline_usec, node_files_deadline(n));
        deadline_usec = usec_min(deadline_usec, n->retry_usec);
        /* Nobody waits for the times of hearing; they are stored when there is an occasion, but for
         * those who are near, whom an announcement wakes us for anyway. */
        if (n->discovery.n_online > 0)
                deadline_usec = usec_min(deadline_usec, n->save_usec);
        list_for_each (i, &n->calls)
                deadline_usec =
                        usec_min(deadline_usec, container_of(i, struct call, list)->deadline_usec);
        return deadline_usec;
}

static int tell_presence(struct node *n, struct peer *peer, struct now now)
{
        char word[WORD_SIZE];

        peer->presence_told = peer_presence(peer);
        /* Of who became another nobody asks whether he is here. */
        if (peers_successor(&n->peers, peer))
                return 0;
        node_word(n, peer->record.number, NULL, NULL, now, word);
        return agenda_add_change(&n->agenda,
                &(struct change){
                        .type = CHANGE_PRESENCE,
                        .presence = {
                                .number = peer->record.number,
                                .user = word,
                                .presence = peer->presence_told,
                                .heard_usec = peer->record.heard_usec,
                        },
                });
}

int node_end_turn(struct node *n, struct now now)
{
        int r = node_ring_end_turn(n, now);

        if (r == 0)
                r = node_registry_end_turn(n, now);
        if (r == 0)
                r = node_groups_end_turn(n, now);
        if (r == 0)
                r = node_files_end_turn(n, now);
        if (r == 0)
                r = node_third_end_turn(n, now);
        if (r == 0)
                r = node_streams_end_turn(n);
        if (r < 0)
                return r;
        list_for_each_safe (i, &n->peers.changed) {
                struct peer *peer = container_of(i, struct peer, changed);

                list_remove(i);
                if (peer->is_dirty) {
                        r = node_emit_peer(n, peer);
                        if (r < 0)
                                return r;
                }
                if (peer->presence_told != peer_presence(peer)) {
                        if (peer_presence(peer) == PRESENCE_ONLINE)
                                node_gather_heard(n, peer, now);
                        r = tell_presence(n, peer, now);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

int node_committed(struct node *n, struct now now)
{
        return node_streams_committed(n, now);
}

bool node_next_change(struct node *n, struct change *ret)
{
        return agenda_next_change(&n->agenda, ret);
}

bool node_next_effect(struct node *n, struct effect *ret)
{
        return agenda_next_effect(&n->agenda, ret);
}

int node_warn(struct node *n, const char *kind, const char *user, const char *sentence)
{
        return agenda_add_change(
                &n->agenda, &(struct change){
                                    .type = CHANGE_WARNING,
                                    .warning = { .kind = kind, .user = user, .sentence = sentence },
                            });
}

const char *node_username(const struct node *n)
{
        return n->username;
}

size_t node_users_online(const struct node *n)
{
        return n->discovery.n_online - peers_blocked_online(&n->peers);
}

size_t node_messages_queued(const struct node *n)
{
        return n->queued_by_id.n + n->groups.n_queued;
}

size_t node_links(const struct node *n)
{
        return n->links_by_number.n;
}

const char *node_user_id(const struct node *n, uint64_t number)
{
        const struct peer *peer = peers_by_number(&n->peers, number);

        return peer ? peer->record.id : "";
}
