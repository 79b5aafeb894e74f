/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clock and machines */
#include <stdio.h>

#include "tests/sim/oracle.h"

#define EVENTS_MAX 1000000

static bool is_before(const struct event *a, const struct event *b)
{
        return a->time_usec != b->time_usec ? a->time_usec < b->time_usec
                                            : a->sequence < b->sequence;
}

static void swap(struct event **a, struct event **b)
{
        struct event *c = *a;

        *a = *b;
        *b = c;
}

void world_schedule(struct world *w, const struct event *event)
{
        struct event *e = malloc(sizeof *e);
        size_t i = w->n_events++;

        assert(e);
        *e = *event;
        e->time_usec = MAX(event->time_usec, w->now_usec);
        e->sequence = ++w->sequence;
        e->life = event->machine ? event->machine->life : 0;
        if (i == w->n_allocated) {
                w->n_allocated = MAX(w->n_allocated * 2, (size_t)256);
                if (w->n_allocated > EVENTS_MAX)
                        world_fail(w, "there are %zu events to come", w->n_events);
                w->heap = realloc(w->heap, w->n_allocated * sizeof(struct event *));
                assert(w->heap);
        }
        w->heap[i] = e;
        for (; i > 0 && is_before(w->heap[i], w->heap[(i - 1) / 2]); i = (i - 1) / 2)
                swap(&w->heap[i], &w->heap[(i - 1) / 2]);
}

/* NULL: there is none before @until_usec. */
static struct event *take_event(struct world *w, usec_t until_usec)
{
        struct event *e;
        size_t i = 0;

        if (w->n_events == 0 || w->heap[0]->time_usec > until_usec)
                return NULL;

        e = w->heap[0];
        w->heap[0] = w->heap[--w->n_events];
        for (;;) {
                size_t child = 2 * i + 1;

                if (child + 1 < w->n_events && is_before(w->heap[child + 1], w->heap[child]))
                        child++;
                if (child >= w->n_events || !is_before(w->heap[child], w->heap[i]))
                        return e;
                swap(&w->heap[child], &w->heap[i]);
                i = child;
        }
}

static void free_event(struct event *e)
{
        free(e->data);
        free(e);
}

struct world *world_new(const struct world_options *options)
{
        struct world *w = calloc(1, sizeof *w);
        int r;

        assert(w);
        w->options = *options;
        w->weather = options->weather;
        list_init(&w->wires);
        buffer_init(&w->trace, 64 * 1024 * 1024);
        w->trace_hash = UINT64_C(0xcbf29ce484222325);
        r = random_new_seeded(options->seed, &w->random);
        assert(r == 0);
        w->oracle = oracle_new(w);
        return w;
}

struct world *world_free(struct world *w)
{
        if (!w)
                return NULL;

        for (unsigned i = 0; i < w->n_machines; i++)
                machine_done(&w->machines[i]);
        list_for_each_safe (i, &w->wires) {
                struct wire *wire = container_of(i, struct wire, list);

                for (int k = 0; k < 2; k++) {
                        buffer_done(&wire->ends[k].out);
                        buffer_done(&wire->ends[k].head);
                }
                free(wire);
        }
        for (size_t i = 0; i < w->n_events; i++)
                free_event(w->heap[i]);
        for (size_t i = 0; i < TAPES_MAX; i++) {
                free(w->calls[i].data);
                free(w->datagrams[i].data);
        }
        free(w->heap);
        oracle_free(w->oracle);
        buffer_done(&w->trace);
        random_free(w->random);
        free(w);
        return NULL;
}

static struct machine *add(struct world *w, const char *name, unsigned lan, unsigned host)
{
        struct machine *m = &w->machines[w->n_machines];
        uint8_t seed[IDENTITY_SEED_SIZE];
        int r;

        assert(w->n_machines < MACHINES_MAX && strlen(name) < sizeof m->username);
        m->world = w;
        m->index = w->n_machines++;
        m->letter = (char)('a' + m->index);
        memcpy(m->username, name, strlen(name) + 1);
        m->lan = lan;
        m->address = endpoint_ipv4(10, 0, (uint8_t)lan, (uint8_t)host, 0);
        list_init(&m->held);
        list_init(&m->spools);
        random_bytes(w->random, seed, sizeof seed);
        r = identity_init(&m->identity, seed);
        assert(r == 0);
        return m;
}

struct machine *world_add(struct world *w, const char *username, unsigned lan, unsigned host,
        const struct node_options *options)
{
        struct machine *m = add(w, username, lan, host);
        int r;

        m->options = options ? *options
                             : (struct node_options){
                                       .announce = true,
                                       .compat = true,
                                       .second = true,
                               };
        m->options.port = m->options.port ?: ENDPOINT_PORT_DEFAULT;
        (void)snprintf(m->disk_name, sizeof m->disk_name, "sim-%c", m->letter);
        r = fault_vfs_new(m->disk_name, random_u64(w->random), &m->disk);
        assert(r == 0);
        return m;
}

struct machine *world_add_foreign(
        struct world *w, const char *name, unsigned lan, unsigned host, enum manner manner)
{
        struct machine *m = add(w, name, lan, host);

        m->is_foreign = true;
        m->manner = manner;
        return m;
}

struct machine *world_machine_at(struct world *w, const struct endpoint *address)
{
        for (unsigned i = 0; i < w->n_machines; i++)
                if (endpoint_same_address(&w->machines[i].address, address))
                        return &w->machines[i];
        return NULL;
}

static void happen(struct world *w, struct event *e)
{
        switch (e->type) {
        case EVENT_TURN:
        case EVENT_DEADLINE:
        case EVENT_LOADED:
        case EVENT_BLOCK:
        case EVENT_CHAIN:
        case EVENT_WORK:
        case EVENT_SPOOL:
        case EVENT_ANSWER:
        case EVENT_ROOM:
        case EVENT_TAKE:
        case EVENT_RESUME:
                machine_event(e->machine, e);
                break;
        case EVENT_CALL:
                e->call(w, e->userdata);
                break;
        case EVENT_DATAGRAM:
        case EVENT_SYN:
        case EVENT_CONNECTED:
        case EVENT_PUMP:
        case EVENT_ACKNOWLEDGE:
        case EVENT_RESET:
        case EVENT_WATCH:
        case EVENT_FINISH:
        case EVENT_KEEP_ALIVE:
                network_event(w, e);
                break;
        }
}

void world_run_until(struct world *w, usec_t time_usec)
{
        struct event *e;

        while ((e = take_event(w, time_usec))) {
                w->now_usec = e->time_usec;
                w->n_steps++;
                happen(w, e);
                free_event(e);
        }
        w->now_usec = time_usec;
}

void world_run(struct world *w, usec_t span_usec)
{
        world_run_until(w, w->now_usec + span_usec);
}

void world_at(struct world *w, usec_t time_usec, void (*call)(struct world *w, void *userdata),
        void *userdata)
{
        world_schedule(w, &(struct event){ .time_usec = time_usec,
                                  .type = EVENT_CALL,
                                  .call = call,
                                  .userdata = userdata });
}
