/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Many engines of the ledger on a virtual network */
#include "tests/sim/ledger-world.h"

#include <stdio.h>

#include "base/table.h"
#include "core/ledger/gossip.h"

#define MUST(x)                                                                                    \
        do {                                                                                       \
                if ((x) < 0)                                                                       \
                        abort();                                                                   \
        } while (0)

/* Messages and effects */

struct now ledger_world_clock(const struct ledger_world *w, unsigned i)
{
        usec_t difference_usec = i * 7 % 41 * (CLOCK_DIFFERENCE_USEC / 40);
        struct now now = { .mono_usec = USEC_PER_DAY + w->now_usec,
                .real_usec = LEDGER_BEGIN_USEC + w->now_usec + difference_usec };

        if (w->nodes[i].manner == MANNER_FUTURE)
                now.real_usec += 5 * USEC_PER_HOUR;
        else if (w->nodes[i].manner == MANNER_EDGE)
                now.real_usec += LEDGER_AHEAD_USEC - difference_usec + CLOCK_DIFFERENCE_USEC / 2;
        else if (w->nodes[i].manner == MANNER_PAST)
                now.real_usec -= USEC_PER_DAY;
        return now;
}

static usec_t latency(unsigned from, unsigned to)
{
        static const uint8_t key[TABLE_KEY_SIZE] = "pairs of members";
        unsigned pair[2] = { from, to };

        return LATENCY_MIN_USEC +
               siphash(key, pair, sizeof pair) % (LATENCY_MAX_USEC - LATENCY_MIN_USEC);
}

static unsigned number_of(const struct ledger_peer *p)
{
        return (unsigned)p->bytes[0] << 8 | p->bytes[1];
}

void ledger_world_post(
        struct ledger_world *w, unsigned from, unsigned to, const uint8_t *data, size_t size)
{
        struct heap_event e = { .from = from, .to = to, .size = size };

        if (!w->nodes[from].is_joined[to])
                return;
        if (!w->is_lying && ledger_hostile_withholds(w, from, data))
                return;
        w->n_messages++;
        w->n_bytes += size;
        e.time_usec = w->now_usec + latency(from, to);
        e.data = must_realloc(NULL, size);
        memcpy(e.data, data, size);
        event_heap_push(&w->heap, e);
}

static void part(struct ledger_world *w, unsigned i, unsigned k);

static void append(struct ledger_node *n, const struct ledger_effect *e)
{
        if (e->height != n->n_stored + 1)
                abort();
        if (n->n_stored == n->stored_allocated) {
                n->stored_allocated = MAX(2 * n->stored_allocated, (size_t)64);
                n->stored = must_realloc(n->stored, n->stored_allocated * sizeof *n->stored);
        }
        n->stored[n->n_stored] = (struct stored_block){
                .data = must_realloc(NULL, e->size), .size = e->size, .held_usec = e->held_usec
        };
        memcpy(n->stored[n->n_stored++].data, e->data, e->size);
}

static void forget(struct ledger_node *n, uint32_t height)
{
        n->n_reorganised++;
        n->deepest = MAX(n->deepest, (uint32_t)n->n_stored - height);
        while (n->n_stored > height)
                free(n->stored[--n->n_stored].data);
}

static void carry_out(struct ledger_world *w, unsigned i, const struct ledger_effect *e)
{
        struct ledger_node *n = &w->nodes[i];
        struct now now = ledger_world_clock(w, i);

        switch (e->type) {
        case LEDGER_SEND:
                ledger_world_post(w, i, number_of(&e->peer), e->data, e->size);
                break;
        case LEDGER_LOAD:
                MUST(ledger_loaded(n->ledger, &e->peer, n->stored[e->height - 1].data,
                        n->stored[e->height - 1].size, &now));
                break;
        case LEDGER_APPEND:
                append(n, e);
                break;
        case LEDGER_REORGANISE:
                forget(n, e->height);
                break;
        case LEDGER_REPORT:
                n->n_reports++;
                n->report_height = e->height;
                break;
        case LEDGER_BAN:
                n->n_bans++;
                if (n->manner == MANNER_HONEST)
                        w->n_banned[w->nodes[number_of(&e->peer)].manner]++;
                n->is_linked[number_of(&e->peer)] = false;
                w->nodes[number_of(&e->peer)].is_linked[i] = false;
                if (w->nodes[number_of(&e->peer)].manner == MANNER_HONEST &&
                        n->manner == MANNER_HONEST)
                        abort(); /* nobody honest is ever banned */
                part(w, i, number_of(&e->peer));
                break;
        case LEDGER_CERTIFIED:
                break;
        }
}

static void after(struct ledger_world *w, unsigned i)
{
        struct ledger_node *n = &w->nodes[i];
        struct ledger_effect e;
        usec_t deadline;

        while (ledger_next_effect(n->ledger, &e))
                carry_out(w, i, &e);
        deadline = ledger_deadline(n->ledger);
        if (deadline == USEC_INFINITY)
                return;
        deadline = MAX(usec_sub(deadline, USEC_PER_DAY), w->now_usec);
        if (deadline < n->wake_usec) {
                n->wake_usec = deadline;
                event_heap_push(
                        &w->heap, (struct heap_event){ .time_usec = deadline, .from = i, .to = i });
        }
}

static void deliver(struct ledger_world *w, const struct heap_event *e)
{
        struct ledger_node *n = &w->nodes[e->to];
        struct now now = ledger_world_clock(w, e->to);

        if (!n->is_alive || e->age < n->born)
                return;
        if (!e->data) {
                if (n->wake_usec != e->time_usec)
                        return;
                n->wake_usec = USEC_INFINITY;
                MUST(ledger_advance(n->ledger, &now));
        } else {
                if (!n->is_joined[e->from] || ledger_hostile_answers(w, e))
                        return;
                MUST(ledger_receive(n->ledger, &w->nodes[e->from].peer, e->data, e->size, &now));
        }
        after(w, e->to);
}

static void tick(struct ledger_world *w)
{
        for (unsigned i = 0; i < w->n_nodes; i++) {
                struct ledger_node *n = &w->nodes[i];
                struct now now = ledger_world_clock(w, i);
                size_t n_before = n->n_stored;

                if (!n->is_alive || !ledger_is_mining(n->ledger, &now))
                        continue;
                MUST(ledger_mine(n->ledger, n->rate, &now));
                after(w, i);
                if (n->n_stored > n_before)
                        ledger_hostile_mined(w, i);
        }
}

void ledger_world_run(struct ledger_world *w, usec_t usec)
{
        usec_t until_usec = w->now_usec + usec;

        for (;;) {
                struct heap_event e;
                usec_t next = event_heap_next_usec(&w->heap);

                if (MIN(next, w->tick_usec) > until_usec)
                        break;
                if (w->tick_usec <= next) {
                        w->now_usec = MAX(w->now_usec, w->tick_usec);
                        w->tick_usec += USEC_PER_SEC;
                        tick(w);
                        continue;
                }
                e = event_heap_pop(&w->heap);
                w->now_usec = MAX(w->now_usec, e.time_usec);
                deliver(w, &e);
                free(e.data);
        }
        w->now_usec = until_usec;
}

/* Sessions */

static void join(struct ledger_world *w, unsigned i, unsigned k)
{
        struct now now = ledger_world_clock(w, i);

        w->nodes[i].is_joined[k] = true;
        MUST(ledger_connected(w->nodes[i].ledger, &w->nodes[k].peer, &now));
}

static void part(struct ledger_world *w, unsigned i, unsigned k)
{
        for (unsigned turn = 0; turn < 2; turn++) {
                struct ledger_node *n = &w->nodes[turn == 0 ? i : k];
                unsigned other = turn == 0 ? k : i;
                struct now now = ledger_world_clock(w, turn == 0 ? i : k);

                if (!n->is_joined[other])
                        continue;
                n->is_joined[other] = false;
                if (n->is_alive)
                        MUST(ledger_gone(n->ledger, &w->nodes[other].peer, &now));
        }
}

void ledger_world_relink(struct ledger_world *w)
{
        for (unsigned i = 0; i < w->n_nodes; i++)
                for (unsigned k = 0; k < i; k++) {
                        const struct ledger_node *a = &w->nodes[i], *b = &w->nodes[k];
                        bool may =
                                a->is_linked[k] && a->is_alive && b->is_alive && a->side == b->side;

                        if (a->is_joined[k] == may)
                                continue;
                        if (!may) {
                                part(w, i, k);
                                continue;
                        }
                        join(w, i, k);
                        join(w, k, i);
                        after(w, i);
                        after(w, k);
                }
}

/* The honest are a ring: whoever has hostile neighbours only knows no better. */
static unsigned next_of(const struct ledger_world *w, unsigned i)
{
        do
                i = (i + 1) % (unsigned)w->n_nodes;
        while (w->nodes[i].manner != MANNER_HONEST);
        return i;
}

void ledger_world_connect(struct ledger_world *w)
{
        size_t n = w->n_nodes;

        for (unsigned i = 0; i < n; i++)
                for (unsigned k = 0; k < 4; k++) {
                        unsigned other =
                                k == 0 ? next_of(w, i) : (unsigned)random_below(w->random, n);

                        if (other == i)
                                continue;
                        w->nodes[i].is_linked[other] = w->nodes[other].is_linked[i] = true;
                }
        ledger_world_relink(w);
}

void ledger_world_crash(struct ledger_world *w, unsigned i)
{
        struct ledger_node *n = &w->nodes[i];

        n->is_alive = false;
        n->ledger = ledger_free(n->ledger);
        ledger_world_relink(w);
}

static void make_engine(struct ledger_world *w, unsigned i)
{
        struct ledger_options o = { .genesis = &w->genesis, .random = w->random };
        struct ledger_node *n = &w->nodes[i];

        MUST(ledger_new(&o, &n->ledger));
        for (size_t k = 0; k < n->n_stored; k++)
                if (ledger_restore(n->ledger, n->stored[k].data, n->stored[k].size,
                            n->stored[k].held_usec) != 0)
                        n->is_restored_badly = true;
        n->is_alive = true;
        n->born = w->heap.age_last;
        n->wake_usec = USEC_INFINITY;
}

void ledger_world_start(struct ledger_world *w, unsigned i)
{
        make_engine(w, i);
        ledger_world_relink(w);
}

void ledger_world_open(
        struct ledger_world *w, uint64_t seed, const struct genesis *genesis, size_t n_nodes)
{
        uint8_t data[GENESIS_SIZE_MAX], key[IDENTITY_SEED_SIZE];

        *w = (struct ledger_world){ .genesis = *genesis,
                .now_usec = USEC_PER_HOUR,
                .tick_usec = USEC_PER_HOUR,
                .n_nodes = n_nodes };
        (void)genesis_encode(&w->genesis, data);
        MUST(random_new_seeded(seed, &w->random));
        w->nodes = calloc(n_nodes, sizeof *w->nodes);
        if (!w->nodes)
                abort();
        for (unsigned i = 0; i < n_nodes; i++) {
                struct ledger_node *n = &w->nodes[i];

                random_bytes(w->random, key, sizeof key);
                MUST(identity_init(&n->identity, key));
                n->peer.bytes[0] = (uint8_t)(i >> 8);
                n->peer.bytes[1] = (uint8_t)i;
                n->rate = 1;
                n->is_linked = calloc(n_nodes, sizeof *n->is_linked);
                n->is_joined = calloc(n_nodes, sizeof *n->is_joined);
                if (!n->is_linked || !n->is_joined)
                        abort();
                make_engine(w, i);
        }
}

void ledger_world_close(struct ledger_world *w)
{
        for (size_t i = 0; i < w->n_nodes; i++) {
                struct ledger_node *n = &w->nodes[i];

                ledger_free(n->ledger);
                identity_done(&n->identity);
                while (n->n_stored > 0)
                        free(n->stored[--n->n_stored].data);
                free(n->stored);
                free(n->is_linked);
                free(n->is_joined);
        }
        event_heap_done(&w->heap);
        free(w->nodes);
        random_free(w->random);
}

/* What members do */

int ledger_world_register(
        struct ledger_world *w, unsigned i, const struct identity *key, const char *name)
{
        struct ledger_node *n = &w->nodes[i];
        struct now now = ledger_world_clock(w, i);
        struct certificate c = { .kind = CERTIFICATE_REGISTER, .time_usec = now.real_usec };
        int r;

        memcpy(c.name, name, strlen(name));
        MUST(certificate_sign(&c, key ? key : &n->identity, &w->genesis.context));
        if (w->registrar)
                MUST(certificate_approve(&c, w->registrar, &w->genesis.context));
        r = ledger_submit(n->ledger, &c, &now);
        MUST(r);
        after(w, i);
        return r;
}

void ledger_world_register_for_new(struct ledger_world *w, unsigned i, const char *name)
{
        uint8_t key[IDENTITY_SEED_SIZE];
        struct identity identity;

        random_bytes(w->random, key, sizeof key);
        MUST(identity_init(&identity, key));
        (void)ledger_world_register(w, i, &identity, name);
        identity_done(&identity);
}

void ledger_world_register_one(struct ledger_world *w, unsigned i)
{
        char name[USERNAME_SIZE_MAX + 1];

        (void)snprintf(name, sizeof name, "name-%u", (unsigned)random_below(w->random, N_NAMES));
        ledger_world_register_for_new(w, i, name);
}

void ledger_world_say(struct ledger_world *w, unsigned i, const void *data, size_t size)
{
        for (unsigned k = 0; k < w->n_nodes; k++)
                ledger_world_post(w, i, k, data, size);
}

unsigned ledger_world_any(struct ledger_world *w)
{
        unsigned i;

        do
                i = (unsigned)random_below(w->random, w->n_nodes);
        while (!w->nodes[i].is_alive || w->nodes[i].manner != MANNER_HONEST);
        return i;
}
