/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Many engines of the ring on a virtual network */
#include "tests/sim/ring-world.h"
#include "core/crypto/crypto.h"

#define MUST(x)                                                                                    \
        do {                                                                                       \
                if ((x) < 0)                                                                       \
                        abort();                                                                   \
        } while (0)

/* Nodes and messages */

static unsigned number_of(const struct endpoint *e)
{
        return (unsigned)e->address[1] << 16 | (unsigned)e->address[2] << 8 | e->address[3];
}

/* The same for a pair each time: a session keeps its messages in order. */
static usec_t latency(const struct ring_world *w, unsigned from, unsigned to)
{
        unsigned pair[2] = { from, to };

        return LATENCY_MIN_USEC +
               siphash(w->latency_key, pair, sizeof pair) % (LATENCY_MAX_USEC - LATENCY_MIN_USEC);
}

static bool is_reachable(const struct ring_world *w, unsigned from, unsigned to)
{
        return w->nodes[to].is_alive && w->nodes[from].side == w->nodes[to].side;
}

static void post(struct ring_world *w, unsigned from, unsigned to, const void *data, size_t size)
{
        struct heap_event e = { .from = from, .to = to, .size = size };

        w->counts.n_messages++;
        w->counts.n_bytes += size;
        e.time_usec = usec_add(w->now_usec, latency(w, from, to));
        if (!is_reachable(w, from, to) ||
                (w->lost_of_1000 > 0 && random_below(w->random, 1000) < w->lost_of_1000)) {
                if (!w->reports_dead && w->lost_of_1000 == 0)
                        return;
                /* The other way round: who wrote hears that it did not arrive. */
                e.from = to;
                e.to = from;
                e.size = 0;
                e.time_usec = usec_add(e.time_usec, latency(w, to, from));
        }
        if (e.size > 0) {
                e.data = must_realloc(NULL, size);
                memcpy(e.data, data, size);
        }
        event_heap_push(&w->heap, e);
}

static void looked_up(struct ring_world *w, const struct awaited *a, const struct chord_effect *e)
{
        struct counts *n = &w->counts;
        bool is_right = false;

        n->n_lookups++;
        n->n_nothing += e->successors.n == 0;
        world_sort(w);
        for (size_t i = 0; i < e->successors.n; i++) {
                unsigned k = number_of(&e->successors.peers[i].endpoint);

                if (!world_is_member(w, k))
                        continue;
                is_right = k == w->sorted[world_place_of(w, &a->target)] || k == a->keeper;
                break;
        }
        n->n_right += is_right;
        n->path_sum += e->path;
        n->path_max = MAX(n->path_max, (uint64_t)e->path);
        n->asked_sum += e->n_asked;
        n->failed_sum += e->n_failed;
        n->failed_max = MAX(n->failed_max, (uint64_t)e->n_failed);
}

static void answered(struct ring_world *w, struct ring_node *node, const struct chord_effect *e)
{
        for (size_t i = 0; i < node->n_awaited; i++) {
                struct awaited a = node->awaited[i];

                if (a.number != e->number || a.is_find != (e->type == CHORD_FOUND))
                        continue;
                node->awaited[i] = node->awaited[--node->n_awaited];
                if (!a.is_find) {
                        looked_up(w, &a, e);
                        return;
                }
                w->counts.n_finds++;
                for (size_t k = 0; k < e->n_records; k++) {
                        char id[ID_STRING_SIZE];

                        identity_id(e->records[k].public_key, id);
                        w->counts.n_found += streq(id, a.id);
                }
                return;
        }
        abort();
}

static void after(struct ring_world *w, unsigned i)
{
        struct ring_node *node = &w->nodes[i];
        struct chord_effect e;
        usec_t deadline;

        while (chord_next_effect(node->chord, &e)) {
                if (e.type == CHORD_SEND)
                        post(w, i, number_of(&e.peer.endpoint), e.data, e.size);
                else
                        answered(w, node, &e);
        }
        deadline = chord_deadline(node->chord);
        if (deadline < node->wake_usec) {
                node->wake_usec = MAX(deadline, w->now_usec);
                event_heap_push(&w->heap,
                        (struct heap_event){ .time_usec = node->wake_usec, .from = i, .to = i });
        }
}

/* The nearest liars behind the target: as good as a lie can be. */
static void lie(struct ring_world *w, unsigned liar, unsigned to, const struct rpc *asked)
{
        struct rpc m = { .kind = RPC_FOUND, .number = asked->number, .is_member = true };
        uint8_t data[CHORD_MESSAGE_SIZE_MAX];
        size_t place;

        world_sort(w);
        place = world_place_of(w, &asked->target);
        for (size_t i = 0; i < w->n_sorted && m.successors.n < 4; i++) {
                unsigned k = w->sorted[(place + i) % w->n_sorted];

                if (w->nodes[k].manner == MANNER_LIAR)
                        m.successors.peers[m.successors.n++] = w->nodes[k].peer;
        }
        post(w, liar, to, data, rpc_encode(&m, data));
}

/* True when the engine is not to see it. */
static bool misbehave(struct ring_world *w, const struct heap_event *e)
{
        uint8_t data[CHORD_MESSAGE_SIZE_MAX];
        struct rpc m, reply;

        if (w->nodes[e->to].manner == MANNER_HONEST ||
                rpc_decode(e->data, e->size, &w->nodes[e->from].peer.endpoint, &m) != 0)
                return false;
        reply = (struct rpc){ .number = m.number };
        if (m.kind == RPC_STORE)
                reply.kind = RPC_STORED;
        else if (m.kind == RPC_FETCH)
                reply.kind = RPC_RECORDS;
        else if (m.kind != RPC_FIND_SUCCESSOR)
                return false;
        if (w->nodes[e->to].manner == MANNER_MUTE)
                return true;
        if (m.kind == RPC_FIND_SUCCESSOR)
                lie(w, e->to, e->from, &m);
        else
                post(w, e->to, e->from, data, rpc_encode(&reply, data));
        return true;
}

static void deliver(struct ring_world *w, const struct heap_event *e)
{
        struct ring_node *node = &w->nodes[e->to];
        const struct chord_peer *from = &w->nodes[e->from].peer;

        if (!node->is_alive || e->age < node->born)
                return;
        if (e->from == e->to) {
                if (node->wake_usec != e->time_usec)
                        return;
                node->wake_usec = USEC_INFINITY;
                w->counts.n_wakes++;
                MUST(chord_advance(node->chord, w->now_usec));
        } else if (e->size == 0) {
                w->counts.n_wakes++;
                MUST(chord_failed(node->chord, &from->id, w->now_usec));
        } else if (!misbehave(w, e)) {
                w->counts.n_wakes++;
                MUST(chord_receive(node->chord, from, e->data, e->size, w->now_usec));
        }
        after(w, e->to);
}

bool world_step(struct ring_world *w, usec_t until_usec)
{
        struct heap_event e;

        if (w->heap.n == 0 || event_heap_next_usec(&w->heap) > until_usec)
                return false;
        e = event_heap_pop(&w->heap);
        w->now_usec = MAX(w->now_usec, e.time_usec);
        deliver(w, &e);
        free(e.data);
        return true;
}

void world_run(struct ring_world *w, usec_t usec)
{
        usec_t until_usec = usec_add(w->now_usec, usec);

        while (world_step(w, until_usec))
                ;
        w->now_usec = until_usec;
}

void world_open(struct ring_world *w, uint64_t seed)
{
        *w = (struct ring_world){ .now_usec = USEC_PER_DAY };
        MUST(random_new_seeded(seed, &w->random));
        random_bytes(w->random, w->latency_key, sizeof w->latency_key);
}

void world_close(struct ring_world *w)
{
        for (size_t i = 0; i < w->n_nodes; i++) {
                chord_free(w->nodes[i].chord);
                free(w->nodes[i].awaited);
                if (w->nodes[i].has_identity)
                        identity_done(&w->nodes[i].identity);
        }
        event_heap_done(&w->heap);
        free(w->nodes);
        free(w->sorted);
        random_free(w->random);
}

static void make_engine(struct ring_world *w, struct ring_node *node)
{
        struct chord_options options = {
                .id = node->peer.id,
                .random = w->random,
                .sequence_first = w->now_usec,
        };

        chord_free(node->chord);
        node->chord = NULL;
        if (node->has_identity)
                options.identity = &node->identity;
        MUST(chord_new(&options, &node->chord));
        node->is_alive = true;
        node->born = w->heap.age_last;
        node->wake_usec = USEC_INFINITY;
}

unsigned world_add(struct ring_world *w, const struct ring_id *id)
{
        unsigned i = (unsigned)w->n_nodes++;
        struct ring_node *node;

        if (i == w->nodes_allocated) {
                w->nodes_allocated = MAX(2 * w->nodes_allocated, (size_t)64);
                w->nodes = must_realloc(w->nodes, w->nodes_allocated * sizeof *w->nodes);
        }
        node = &w->nodes[i];
        memset(node, 0, sizeof *node);
        if (id)
                node->peer.id = *id;
        else
                random_bytes(w->random, node->peer.id.bytes, RING_ID_SIZE);
        node->peer.endpoint = endpoint_ipv4(
                10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i, ENDPOINT_PORT_DEFAULT);
        make_engine(w, node);
        return i;
}

void world_give_identity(struct ring_world *w, unsigned i)
{
        struct ring_node *node = &w->nodes[i];
        uint8_t seed[IDENTITY_SEED_SIZE];

        random_bytes(w->random, seed, sizeof seed);
        MUST(identity_init(&node->identity, seed));
        node->has_identity = true;
        ring_id_of_key(node->identity.public_key, &node->peer.id);
        make_engine(w, node);
}

void world_join(struct ring_world *w, unsigned i, unsigned contact)
{
        struct ring_node *node = &w->nodes[i];

        if (!node->is_alive)
                make_engine(w, node);
        if (contact != i)
                MUST(chord_hear(node->chord, &w->nodes[contact].peer, w->now_usec));
        node->is_started = true;
        MUST(chord_start(node->chord, &node->peer.endpoint, w->now_usec));
        after(w, i);
}

void world_hear(struct ring_world *w, unsigned i, unsigned other)
{
        MUST(chord_hear(w->nodes[i].chord, &w->nodes[other].peer, w->now_usec));
        after(w, i);
}

void world_stop(struct ring_world *w, unsigned i)
{
        MUST(chord_stop(w->nodes[i].chord, w->now_usec));
        after(w, i);
        w->nodes[i].is_alive = false;
}

void world_kill(struct ring_world *w, unsigned i)
{
        const struct ring_id *id = &w->nodes[i].peer.id;

        w->nodes[i].is_alive = false;
        w->nodes[i].n_awaited = 0;
        for (unsigned k = 0; k < w->n_nodes && w->keep_alive_usec > 0; k++)
                if (world_is_member(w, k) && chord_is_neighbour(w->nodes[k].chord, id))
                        event_heap_push(&w->heap,
                                (struct heap_event){
                                        .time_usec = usec_add(w->now_usec, w->keep_alive_usec),
                                        .from = i,
                                        .to = k });
}

static struct awaited *await(struct ring_node *node)
{
        node->awaited = must_realloc(node->awaited, (node->n_awaited + 1) * sizeof *node->awaited);
        node->awaited[node->n_awaited] = (struct awaited){ 0 };
        return &node->awaited[node->n_awaited++];
}

void world_look_up(struct ring_world *w, unsigned i, const struct ring_id *target)
{
        struct ring_node *node = &w->nodes[i];
        uint64_t number;

        if (chord_look_up(node->chord, target, w->now_usec, &number) == 0) {
                struct awaited *a = await(node);

                a->number = number;
                a->target = *target;
                world_sort(w);
                a->keeper = w->n_sorted > 0 ? w->sorted[world_place_of(w, target)] : i;
        } else {
                w->counts.n_lookups++;
                w->counts.n_nothing++;
        }
        after(w, i);
}

void world_publish(struct ring_world *w, unsigned i, const char *name)
{
        struct ring_node *node = &w->nodes[i];

        MUST(chord_publish(node->chord, name, &node->peer.endpoint, 1, w->now_usec));
        after(w, i);
}

void world_find(struct ring_world *w, unsigned i, const char *name, unsigned owner)
{
        struct ring_node *node = &w->nodes[i];
        char id[ID_STRING_SIZE] = "";
        uint64_t number;

        memcpy(id, w->nodes[owner].identity.id, RING_ID_CHARACTERS);
        if (chord_find(node->chord, name, id, w->now_usec, &number) == 0) {
                struct awaited *a = await(node);

                a->number = number;
                a->is_find = true;
                memcpy(a->id, w->nodes[owner].identity.id, sizeof a->id);
        } else {
                w->counts.n_finds++;
        }
        after(w, i);
}

bool world_is_member(const struct ring_world *w, unsigned i)
{
        return w->nodes[i].is_alive && chord_is_member(w->nodes[i].chord);
}

unsigned world_any_member(struct ring_world *w)
{
        unsigned i;

        do
                i = (unsigned)random_below(w->random, w->n_nodes);
        while (!world_is_member(w, i));
        return i;
}

void world_build(struct ring_world *w, size_t n, usec_t usec)
{
        usec_t begin_usec = w->now_usec;
        unsigned first = world_add(w, NULL);

        world_join(w, first, first);
        for (size_t k = 1; k < n; k++) {
                unsigned i = world_add(w, NULL);

                world_join(w, i, world_any_member(w));
                world_run(w, begin_usec + usec * k / n - w->now_usec);
        }
}

usec_t world_settle(struct ring_world *w, usec_t usec_max)
{
        usec_t begin_usec = w->now_usec;

        while (w->now_usec - begin_usec <= usec_max) {
                if (!world_check_ideal(w))
                        return w->now_usec - begin_usec;
                world_run(w, USEC_PER_SEC / 2);
        }
        return USEC_INFINITY;
}
