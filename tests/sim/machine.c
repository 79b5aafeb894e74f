/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lives of a machine: turns, deaths, disks
 *
 * end_turn() is the end of a turn as the daemon runs it (src/daemon/flush.c), with a place to die
 * between any two lines.
 */
#include <stdio.h>

#include "tests/sim/oracle.h"

struct held {
        struct list list;
        struct input input; /* its data follow */
        uint8_t data[];
};

static void check(struct machine *m, int r, const char *what)
{
        if (r < 0)
                world_fail(m->world, "%c: %s gives %s", m->letter, what, strerror(-r));
}

struct now machine_now(const struct machine *m)
{
        usec_t now_usec = m->world->now_usec;

        return (struct now){
                .mono_usec = now_usec + 2 * USEC_PER_DAY,
                .real_usec = WORLD_EPOCH_USEC + now_usec + (usec_t)m->real_offset_usec,
        };
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

/*
 * What a process hears of
 */
static void hear(struct machine *m, const struct input *i)
{
        struct now now = machine_now(m);

        machine_begin(m);
        switch (i->type) {
        case INPUT_DATAGRAM:
                check(m, node_datagram(m->node, i->dialect, &i->from, i->data, i->size, now),
                        "node_datagram()");
                return;
        case INPUT_ACCEPTED:
                check(m, node_accepted(m->node, i->link, &i->from, now), "node_accepted()");
                return;
        case INPUT_CONNECTED:
                check(m, node_connected(m->node, i->link, now), "node_connected()");
                return;
        case INPUT_RECEIVED:
                check(m, node_received(m->node, i->link, i->data, i->size, now), "node_received()");
                return;
        case INPUT_ENDED:
                check(m, node_ended(m->node, i->link, now), "node_ended()");
                return;
        case INPUT_CLOSED:
                check(m, node_closed(m->node, i->link, i->how, now), "node_closed()");
                return;
        }
}

void machine_input(struct machine *m, const struct input *input)
{
        struct held *h;

        if (!m->node)
                return;
        if (!machine_is_paused(m)) {
                hear(m, input);
                return;
        }
        h = malloc(sizeof *h + input->size);
        assert(h);
        h->input = *input;
        if (input->size > 0)
                memcpy(h->data, input->data, input->size);
        h->input.data = h->data;
        list_append(&m->held, &h->list);
}

static void drop_held(struct machine *m)
{
        list_for_each_safe (i, &m->held) {
                list_remove(i);
                free(container_of(i, struct held, list));
        }
}

static void tell_network(struct machine *m)
{
        struct interface i = { .index = 1, .address = m->address, .n_broadcast = 1 };

        if (!m->node || machine_is_paused(m))
                return;
        i.broadcast[0] = endpoint_ipv4(255, 255, 255, 255, 0);
        machine_begin(m);
        check(m, node_network(m->node, &i, m->is_cut ? 0 : 1, machine_now(m)), "node_network()");
}

void machine_pause(struct machine *m, usec_t span_usec)
{
        struct world *w = m->world;

        if (!m->node || machine_is_paused(m))
                return;
        trace_line(w, "%c stands still", m->letter);
        m->resume_usec = w->now_usec + span_usec;
        oracle_paused(m, span_usec);
        world_schedule(w,
                &(struct event){ .time_usec = m->resume_usec, .type = EVENT_RESUME, .machine = m });
}

static void go_on(struct machine *m)
{
        trace_line(m->world, "%c goes on", m->letter);
        list_for_each (i, &m->held)
                hear(m, &container_of(i, struct held, list)->input);
        drop_held(m);
        tell_network(m);
}

void machine_go_on(struct machine *m)
{
        if (!machine_is_paused(m))
                return;
        m->resume_usec = m->world->now_usec;
        go_on(m);
}

/*
 * Life and death
 */
static int restore_peer(const struct peer_record *peer, void *userdata)
{
        struct machine *m = userdata;

        oracle_peer(m, peer);
        return node_restore_peer(m->node, peer, machine_now(m));
}

static int restore_stream(const struct stream_record *stream, void *userdata)
{
        return node_restore_stream(((struct machine *)userdata)->node, stream);
}

static int restore_mark(const struct mark_record *mark, void *userdata)
{
        return node_restore_mark(((struct machine *)userdata)->node, mark);
}

static int restore_refused(const struct refused_record *refused, void *userdata)
{
        return node_restore_refused(((struct machine *)userdata)->node, refused);
}

static int restore_queued(const struct queued_record *queued, void *userdata)
{
        struct machine *m = userdata;

        return node_restore_queued(m->node, queued, machine_now(m));
}

static void restore(struct machine *m)
{
        oracle_restoring(m);
        check(m, store_load_peers(m->store, restore_peer, m), "store_load_peers()");
        check(m, store_load_streams(m->store, restore_stream, m), "store_load_streams()");
        check(m, store_load_marks(m->store, restore_mark, m), "store_load_marks()");
        check(m, store_load_refused(m->store, restore_refused, m), "store_load_refused()");
        machine_restore_files(m);
        machine_restore_ledger(m);
        check(m, store_load_queued(m->store, restore_queued, m), "store_load_queued()");
}

static void open_store(struct machine *m)
{
        static const uint8_t secret[32] = { 1, 2, 3 };
        int r;

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
}

void machine_start(struct machine *m)
{
        _cleanup_(freep)
        char *username = NULL;
        int r;

        assert(!m->node && !m->is_foreign);
        m->life++;
        m->is_off = false;
        m->link_last = 0;
        m->n_closed = 0;
        m->is_dirty = m->has_input = m->is_working = false;
        m->deadline_usec = USEC_INFINITY;
        check(m, random_new_seeded(random_u64(m->world->random), &m->random), "random");
        fault_vfs_plan(m->disk, FAULT_NONE, 0);
        open_store(m);
        r = store_load_username(m->store, &username);
        if (r < 0 && r != -ENOENT)
                check(m, r, "store_load_username()");

        m->options.username = username ?: m->username;
        m->options.identity = m->is_classic ? NULL : &m->identity;
        m->options.random = m->random;
        check(m, node_new(&m->options, machine_now(m), &m->node), "node_new()");
        m->options.username = NULL;
        if (!streq(m->username, node_username(m->node))) {
                (void)snprintf(m->username, sizeof m->username, "%s", node_username(m->node));
                m->renamed_usec = m->world->now_usec;
        }
        restore(m);
        trace_line(m->world, "%c starts", m->letter);
        oracle_started(m);
        m->was_put_back = false;
        tell_network(m);
}

static void drop_process(struct machine *m)
{
        oracle_stopped(m);
        m->node = node_free(m->node);
        m->store = store_free(m->store);
        m->random = random_free(m->random);
        drop_held(m);
        m->resume_usec = 0;
        m->life++;
        m->world->n_crashes++;
}

void machine_done(struct machine *m)
{
        m->node = node_free(m->node);
        m->store = store_free(m->store);
        m->random = random_free(m->random);
        m->disk = fault_vfs_free(m->disk);
        for (unsigned i = 0; i < m->n_backups; i++)
                fault_copy_free(m->backups[i].copy);
        identity_done(&m->identity);
        machine_drop_spools(m);
        drop_held(m);
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
        m->is_off = true;
        drop_process(m);
        wires_of_process_gone(m, false);
}

void machine_set_cable(struct machine *m, bool is_in)
{
        if (m->is_cut == !is_in)
                return;
        trace_line(m->world, "%c cable %s", m->letter, is_in ? "in" : "out");
        m->is_cut = !is_in;
        tell_network(m);
}

void machine_move(struct machine *m, unsigned lan, unsigned host)
{
        if (m->n_former < ELEMENTSOF(m->former))
                m->former[m->n_former++] = m->address;
        m->lan = lan;
        m->address = endpoint_ipv4(10, 0, (uint8_t)lan, (uint8_t)host, 0);
        trace_line(m->world, "%c moves to 10.0.%u.%u", m->letter, lan, host);
        tell_network(m);
}

/*
 * Backups
 */
void machine_back_up(struct machine *m)
{
        struct fault_copy *copy = fault_vfs_copy(m->disk);

        assert(copy);
        if (m->n_backups == BACKUPS_MAX) {
                fault_copy_free(m->backups[0].copy);
                memmove(m->backups, m->backups + 1, --m->n_backups * sizeof m->backups[0]);
        }
        m->backups[m->n_backups++] = (struct backup){ copy, m->world->now_usec };
}

void machine_put_back(struct machine *m, const struct backup *backup)
{
        machine_power_off(m);
        if (fault_vfs_put_back(m->disk, backup ? backup->copy : NULL) < 0)
                abort();
        if (backup)
                trace_line(m->world, "%c gets its disk of %ju s", m->letter,
                        (uintmax_t)(backup->time_usec / USEC_PER_SEC));
        else
                trace_line(m->world, "%c gets an empty disk", m->letter);
        m->was_put_back = true;
        /* Of the spool there may be no copy. */
        if (!backup || world_chance(m->world, 500))
                machine_drop_spools(m);
        m->world->n_put_back++;
        oracle_put_back(m);
}

/*
 * Turns
 */
static void doom(struct machine *m)
{
        struct world *w = m->world;

        w->n_commits++;
        if (w->n_commits == w->options.crash_commit)
                m->crash_next = w->options.crash;
        m->crash = m->crash_next;
        m->crash_next = CRASH_NONE;
        if (m->crash == CRASH_NONE && world_chance(w, w->weather.crash))
                m->crash = (enum crash)(1 + random_below(w->random, N_CRASHES - 1));
}

static void die(struct machine *m)
{
        struct world *w = m->world;

        if (w->options.crash_commit > 0 ? w->options.crash_is_power
                                        : world_chance(w, 10 * w->weather.snap_power))
                machine_power_off(m);
        else
                machine_kill(m);
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
                oracle_change(m, &change);
                r = store_apply(m->store, &change);
        }
        if (n > 0)
                doom(m);
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

static void publish(struct machine *m)
{
        struct store_event event;

        while (store_next_event(m->store, &event)) {
                trace_event(m, &event);
                oracle_event(m, &event);
                if (event.type == STORE_EVENT_KNOWN)
                        check(m, node_known(m->node, event.known.peer, event.known.stream_number),
                                "node_known()");
        }
}

static void carry_out(struct machine *m, const struct effect *effect)
{
        struct world *w = m->world;

        trace_effect(m, effect);
        if (effect->type == EFFECT_REPLY)
                oracle_replied(m, effect->reply.call, &effect->reply.id, effect->reply.state);
        else if (effect->type == EFFECT_LOAD)
                world_schedule(w, &(struct event){ .time_usec = w->now_usec,
                                          .type = EVENT_LOADED,
                                          .machine = m,
                                          .id = effect->load.id });
        else if (effect->type == EFFECT_ASK_ROOM ||
                 (effect->type >= EFFECT_SPOOL_WRITE && effect->type <= EFFECT_SPOOL_DISCARD))
                machine_ask_spool(m, effect);
        else if (effect->type == EFFECT_LOAD_CHAIN || effect->type == EFFECT_LOAD_BLOCK)
                machine_load_for_ledger(m, effect);
        else
                network_carry_out(m, effect);
}

/* False: the machine died on the way. */
static bool act(struct machine *m)
{
        uint64_t left = UINT64_MAX;
        struct effect effect;

        if (m->crash == CRASH_IN_EFFECTS)
                left = 1 + random_below(m->world->random, 6);
        while (left-- > 0 && node_next_effect(m->node, &effect))
                carry_out(m, &effect);
        return m->crash != CRASH_IN_EFFECTS;
}

static void end_turn(struct machine *m)
{
        m->world->n_turns++;
        m->is_dirty = false;
        m->crash = CRASH_NONE;
        check(m, node_end_turn(m->node, machine_now(m)), "node_end_turn()");

        if (!remember(m) || m->crash == CRASH_BEFORE_COMMIT || m->crash == CRASH_AFTER_COMMIT) {
                die(m);
                return;
        }
        publish(m);
        if (m->crash == CRASH_AFTER_EVENTS) {
                die(m);
                return;
        }
        check(m, node_committed(m->node, machine_now(m)), "node_committed()");
        if (m->crash == CRASH_BEFORE_EFFECTS || !act(m)) {
                die(m);
                return;
        }
        m->n_closed = 0;
        machine_want_work(m);
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

static void advance(struct machine *m)
{
        usec_t now_usec = machine_now(m).mono_usec;

        m->deadline_usec = USEC_INFINITY;
        if (node_deadline(m->node) > now_usec)
                return;
        machine_begin(m);
        check(m, node_advance(m->node, machine_now(m)), "node_advance()");
        if (node_deadline(m->node) > now_usec)
                m->n_idle = 0;
        else if (++m->n_idle > 1000)
                world_fail(m->world, "%c: the deadline stays in the past", m->letter);
}

/* Its own business, which waits while it stands still. */
static void put_off(struct machine *m, struct event *e)
{
        struct event later = *e;

        if (e->type == EVENT_RESUME)
                return;
        if (e->type == EVENT_DEADLINE) {
                if (e->time_usec != m->deadline_usec)
                        return;
                m->deadline_usec = m->resume_usec;
        }
        later.time_usec = m->resume_usec;
        world_schedule(m->world, &later);
        e->data = NULL;
}

void machine_event(struct machine *m, struct event *e)
{
        if (!m->node || e->life != m->life)
                return;
        if (machine_is_paused(m)) {
                put_off(m, e);
                return;
        }
        if (e->type == EVENT_TURN) {
                m->has_input = false;
                end_turn(m);
        } else if (e->type == EVENT_LOADED) {
                load(m, e);
        } else if (e->type == EVENT_BLOCK || e->type == EVENT_CHAIN || e->type == EVENT_WORK) {
                machine_ledger_event(m, e);
        } else if (e->type == EVENT_SPOOL || e->type == EVENT_ANSWER || e->type == EVENT_ROOM ||
                   e->type == EVENT_TAKE) {
                machine_files_event(m, e);
        } else if (e->type == EVENT_RESUME && e->time_usec == m->resume_usec) {
                go_on(m);
        } else if (e->type == EVENT_DEADLINE && e->time_usec == m->deadline_usec) {
                advance(m);
        }
        if (m->node && !m->is_dirty)
                arm(m);
}

/*
 * Callers
 */
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
