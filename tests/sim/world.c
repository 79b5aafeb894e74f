/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clock, machines, turns */
#include <stdio.h>

#include "tests/sim/oracle.h"

#define EVENTS_MAX 1000000

static bool is_before(const struct event *a, const struct event *b)
{
        return a->time_usec != b->time_usec ? a->time_usec < b->time_usec
                                            : a->sequence < b->sequence;
}

static void swap(struct event *a, struct event *b)
{
        struct event c = *a;

        *a = *b;
        *b = c;
}

void world_schedule(struct world *w, const struct event *event)
{
        size_t i = w->n_events;

        if (w->n_events == w->n_allocated) {
                w->n_allocated = MAX(w->n_allocated * 2, (size_t)256);
                if (w->n_allocated > EVENTS_MAX)
                        world_fail(w, "there are %zu events to come", w->n_events);
                w->heap = realloc(w->heap, w->n_allocated * sizeof *w->heap);
                assert(w->heap);
        }
        w->heap[i] = *event;
        w->heap[i].time_usec = MAX(event->time_usec, w->now_usec);
        w->heap[i].sequence = ++w->sequence;
        w->heap[i].life = event->machine ? event->machine->life : 0;
        w->n_events++;
        for (; i > 0 && is_before(&w->heap[i], &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
                swap(&w->heap[i], &w->heap[(i - 1) / 2]);
}

static bool take_event(struct world *w, usec_t until_usec, struct event *ret)
{
        size_t i = 0;

        if (w->n_events == 0 || w->heap[0].time_usec > until_usec)
                return false;

        *ret = w->heap[0];
        w->heap[0] = w->heap[--w->n_events];
        for (;;) {
                size_t child = 2 * i + 1;

                if (child + 1 < w->n_events && is_before(&w->heap[child + 1], &w->heap[child]))
                        child++;
                if (child >= w->n_events || !is_before(&w->heap[child], &w->heap[i]))
                        return true;
                swap(&w->heap[child], &w->heap[i]);
                i = child;
        }
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

        for (unsigned i = 0; i < w->n_machines; i++) {
                struct machine *m = &w->machines[i];

                m->node = node_free(m->node);
                m->store = store_free(m->store);
                m->random = random_free(m->random);
                m->disk = fault_vfs_free(m->disk);
        }
        list_for_each_safe (i, &w->wires) {
                struct wire *wire = container_of(i, struct wire, list);

                buffer_done(&wire->ends[0].out);
                buffer_done(&wire->ends[1].out);
                free(wire);
        }
        for (size_t i = 0; i < w->n_events; i++)
                free(w->heap[i].data);
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
        uint8_t key[16];

        assert(w->n_machines < MACHINES_MAX && strlen(name) < sizeof m->username);
        m->world = w;
        m->index = w->n_machines++;
        m->letter = (char)('a' + m->index);
        memcpy(m->username, name, strlen(name) + 1);
        m->lan = lan;
        m->address = endpoint_ipv4(10, 0, (uint8_t)lan, (uint8_t)host, 0);
        random_bytes(w->random, key, sizeof key);
        base32_encode(key, sizeof key, m->identity.id);
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

struct now machine_now(const struct machine *m)
{
        usec_t now_usec = m->world->now_usec;

        return (struct now){
                .mono_usec = now_usec + 2 * USEC_PER_DAY,
                .real_usec = WORLD_EPOCH_USEC + now_usec + (usec_t)m->real_offset_usec,
        };
}

struct machine *world_machine_at(struct world *w, const struct endpoint *address)
{
        for (unsigned i = 0; i < w->n_machines; i++)
                if (endpoint_same_address(&w->machines[i].address, address))
                        return &w->machines[i];
        return NULL;
}

static void check(struct machine *m, int r, const char *what)
{
        if (r < 0)
                world_fail(m->world, "%c: %s gives %s", m->letter, what, strerror(-r));
}

void machine_begin(struct machine *m)
{
        struct world *w = m->world;
        usec_t delay_usec = 0;

        m->is_dirty = true;
        if (m->has_input)
                return;
        m->has_input = true;
        if (w->weather.turn_usec > 0)
                delay_usec = random_below(w->random, w->weather.turn_usec + 1);
        world_schedule(w,
                &(struct event){
                        .time_usec = w->now_usec + delay_usec, .type = EVENT_TURN, .machine = m });
}

static int restore_peer(const struct peer_record *peer, void *userdata)
{
        struct machine *m = userdata;

        return node_restore_peer(m->node, peer, machine_now(m));
}

static int restore_queued(const struct queued_record *queued, void *userdata)
{
        struct machine *m = userdata;

        return node_restore_queued(m->node, queued, machine_now(m));
}

static void tell_network(struct machine *m)
{
        struct interface i = { .index = 1, .address = m->address, .n_broadcast = 1 };

        i.broadcast[0] = endpoint_ipv4(255, 255, 255, 255, 0);
        machine_begin(m);
        check(m, node_network(m->node, &i, m->is_cut ? 0 : 1, machine_now(m)), "node_network()");
}

void machine_start(struct machine *m)
{
        static const uint8_t secret[32] = { 1, 2, 3 };
        _cleanup_(freep)
        char *username = NULL;
        int r;

        assert(!m->node && !m->is_foreign);
        m->life++;
        m->is_off = false;
        m->link_last = 0;
        m->n_closed = 0;
        m->is_dirty = m->has_input = false;
        m->deadline_usec = USEC_INFINITY;
        check(m, random_new_seeded(random_u64(m->world->random), &m->random), "random");
        fault_vfs_plan(m->disk, FAULT_NONE, 0);
        r = store_open(
                &(struct store_options){
                        .path = "p2pchat.db",
                        .vfs = m->disk_name,
                        .secret = secret,
                        .random = m->random,
                        .age_max_usec = USEC_INFINITY,
                },
                &m->store);
        if (r != 0)
                world_fail(m->world, "%c: store_open() gives %d", m->letter, r);
        r = store_load_username(m->store, &username);
        if (r < 0 && r != -ENOENT)
                check(m, r, "store_load_username()");

        m->options.username = username ?: m->username;
        m->options.identity = &m->identity;
        m->options.random = m->random;
        check(m, node_new(&m->options, machine_now(m), &m->node), "node_new()");
        m->options.username = NULL;
        check(m, store_load_peers(m->store, restore_peer, m), "store_load_peers()");
        check(m, store_load_queued(m->store, restore_queued, m), "store_load_queued()");
        trace_line(m->world, "%c starts", m->letter);
        oracle_started(m);
        tell_network(m);
}

static void drop_process(struct machine *m)
{
        oracle_stopped(m);
        m->node = node_free(m->node);
        m->store = store_free(m->store);
        m->random = random_free(m->random);
        m->life++;
        m->world->n_crashes++;
}

void machine_kill(struct machine *m)
{
        if (!m->node)
                return;
        trace_line(m->world, "%c is killed", m->letter);
        fault_vfs_kill(m->disk);
        drop_process(m);
        wires_of_process_gone(m, true);
}

void machine_power_off(struct machine *m)
{
        if (!m->node)
                return;
        trace_line(m->world, "%c loses power", m->letter);
        fault_vfs_power_cut(m->disk, world_chance(m->world, 500));
        drop_process(m);
        m->is_off = true;
        wires_of_process_gone(m, false);
}

void machine_set_cable(struct machine *m, bool is_in)
{
        if (m->is_cut == !is_in)
                return;
        trace_line(m->world, "%c cable %s", m->letter, is_in ? "in" : "out");
        m->is_cut = !is_in;
        if (m->node)
                tell_network(m);
}

void machine_move(struct machine *m, unsigned lan, unsigned host)
{
        if (m->n_former < ELEMENTSOF(m->former))
                m->former[m->n_former++] = m->address;
        m->lan = lan;
        m->address = endpoint_ipv4(10, 0, (uint8_t)lan, (uint8_t)host, 0);
        oracle_moved(m);
        trace_line(m->world, "%c moves to 10.0.%u.%u", m->letter, lan, host);
        if (m->node)
                tell_network(m);
}

/* What a turn has changed goes to the disk. False: that failed, and the process ends. */
static bool remember(struct machine *m)
{
        struct world *w = m->world;
        struct change change;
        unsigned n = 0;
        int r = 0;

        store_set_time(m->store, machine_now(m).real_usec);
        for (; r == 0 && node_next_change(m->node, &change); n++) {
                if (n == 0 && world_chance(w, w->weather.disk))
                        fault_vfs_plan(m->disk,
                                (enum fault)(FAULT_WRITE + random_below(w->random, 3)),
                                1 + random_below(w->random, 20));
                r = store_apply(m->store, &change);
        }
        if (n > 0) {
                m->crash = m->crash_next;
                m->crash_next = CRASH_NONE;
                if (m->crash == CRASH_NONE && world_chance(w, w->weather.crash))
                        m->crash = (enum crash)(1 + random_below(w->random, N_CRASHES - 1));
        }
        if (r == 0 && m->crash != CRASH_BEFORE_COMMIT)
                r = store_commit(m->store);
        if (r < 0 && !fault_vfs_happened(m->disk))
                check(m, r, "the store");
        if (fault_vfs_happened(m->disk)) {
                trace_line(w, "%c has a disk that fails%s", m->letter, r < 0 ? "" : ", unnoticed");
                fault_vfs_plan(m->disk, FAULT_NONE, 0);
        }
        return r == 0;
}

/* One turn, in the five lines that the daemon runs; killed at one of them when @m is doomed. */
static void end_turn(struct machine *m)
{
        struct world *w = m->world;
        struct store_event event;
        struct effect effect;
        unsigned n_effects = 0;

        w->n_turns++;
        m->is_dirty = false;
        m->crash = CRASH_NONE;
        check(m, node_end_turn(m->node, machine_now(m)), "node_end_turn()");

        if (!remember(m) || m->crash == CRASH_BEFORE_COMMIT)
                return machine_kill(m);
        if (m->crash == CRASH_AFTER_COMMIT)
                return machine_kill(m);
        while (store_next_event(m->store, &event)) {
                trace_event(m, &event);
                oracle_event(m, &event);
        }
        if (m->crash == CRASH_AFTER_EVENTS)
                return machine_kill(m);
        while (node_next_effect(m->node, &effect)) {
                if (m->crash == CRASH_IN_EFFECTS && n_effects++ > 0)
                        break;
                trace_effect(m, &effect);
                if (effect.type == EFFECT_REPLY)
                        oracle_replied(m, effect.reply.call);
                else if (effect.type == EFFECT_LOAD)
                        world_schedule(w, &(struct event){ .time_usec = w->now_usec,
                                                  .type = EVENT_LOADED,
                                                  .machine = m,
                                                  .id = effect.load.id });
                else
                        network_carry_out(m, &effect);
        }
        m->n_closed = 0;
        if (m->crash == CRASH_IN_EFFECTS)
                return machine_kill(m);
        oracle_turn_ended(m);
}

/* An event for the time at which the node wants to be called. */
static void arm(struct machine *m)
{
        struct world *w = m->world;
        usec_t deadline_usec = node_deadline(m->node);

        if (deadline_usec == USEC_INFINITY)
                return;
        deadline_usec = MAX(usec_sub(deadline_usec, 2 * USEC_PER_DAY), w->now_usec);
        if (deadline_usec >= m->deadline_usec && m->deadline_usec > w->now_usec)
                return;
        m->deadline_usec = deadline_usec;
        world_schedule(
                w, &(struct event){
                           .time_usec = deadline_usec, .type = EVENT_DEADLINE, .machine = m });
}

static void load(struct machine *m, const struct event *e)
{
        _cleanup_(freep)
        char *text = NULL;
        usec_t time_usec = 0;
        size_t size = 0;
        int r;

        r = store_load_text(m->store, &e->id, &time_usec, &text, &size);
        if (r < 0 && r != -ENOENT)
                check(m, r, "store_load_text()");
        machine_begin(m);
        check(m, node_loaded(m->node, &e->id, time_usec, text, size, machine_now(m)),
                "node_loaded()");
}

static void machine_event(struct machine *m, struct event *e)
{
        struct world *w = m->world;

        if (!m->node || e->life != m->life)
                return;
        if (e->type == EVENT_TURN) {
                m->has_input = false;
                end_turn(m);
        } else if (e->type == EVENT_LOADED) {
                load(m, e);
        } else if (e->time_usec == m->deadline_usec) {
                m->deadline_usec = USEC_INFINITY;
                if (node_deadline(m->node) <= machine_now(m).mono_usec) {
                        machine_begin(m);
                        check(m, node_advance(m->node, machine_now(m)), "node_advance()");
                        if (node_deadline(m->node) <= machine_now(m).mono_usec &&
                                ++m->n_idle > 1000)
                                world_fail(w, "%c: the deadline stays in the past", m->letter);
                        if (node_deadline(m->node) > machine_now(m).mono_usec)
                                m->n_idle = 0;
                }
        }
        if (m->node && !m->is_dirty)
                arm(m);
}

void world_run_until(struct world *w, usec_t time_usec)
{
        struct event e;

        while (take_event(w, time_usec, &e)) {
                w->now_usec = e.time_usec;
                w->n_steps++;
                switch (e.type) {
                case EVENT_TURN:
                case EVENT_DEADLINE:
                case EVENT_LOADED:
                        machine_event(e.machine, &e);
                        break;
                case EVENT_CALL:
                        e.call(w, e.userdata);
                        break;
                case EVENT_DATAGRAM:
                case EVENT_SYN:
                case EVENT_CONNECTED:
                case EVENT_PUMP:
                case EVENT_ACKNOWLEDGE:
                case EVENT_RESET:
                case EVENT_WATCH:
                case EVENT_FINISH:
                        network_event(w, &e);
                        break;
                }
                free(e.data);
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

int machine_try_send(struct machine *m, const char *word, const char *text, size_t size,
        const struct send_options *options, struct refusal *ret_refusal)
{
        int r;

        machine_begin(m);
        r = node_send(
                m->node, ++m->call_last, word, text, size, options, machine_now(m), ret_refusal);
        check(m, r, "node_send()");
        if (r == 0)
                oracle_called(m, m->call_last, options->wait_usec);
        return r;
}

void machine_send(
        struct machine *m, const char *word, const char *text, const char *security, int code)
{
        struct send_options options = {
                .security = security ? security_from_word(security) : -1,
                .wait_usec = SEND_WAIT_USEC,
        };
        struct refusal refusal;
        int r;

        r = machine_try_send(m, word, text, strlen(text), &options, &refusal);
        if (r > 0)
                trace_line(m->world, "%c < refused: %s", m->letter, refusal.sentence);
        if (r != code)
                world_fail(m->world, "%c: sending to %s gives %d%s%s", m->letter, word, r,
                        r > 0 ? ": " : "", r > 0 ? refusal.sentence : "");
}
