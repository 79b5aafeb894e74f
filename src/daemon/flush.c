/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The end of a turn
 *
 * The whole of our durability: what must be remembered is committed, and only then shown, and only
 * then promised to others and acted upon. When the commit fails, nobody hears of this turn and the
 * process ends; it begins again with what is on disk. An fsync is never tried twice.
 */
#include "daemon/bus.h"
#include "daemon/history-log.h"
#include "daemon/manager.h"
#include "os/log.h"

static int load_later(struct manager *m, const struct ulid *id)
{
        struct loads *l = &m->loads;

        if (l->n == l->n_allocated) {
                size_t n = l->n_allocated > 0 ? 2 * l->n_allocated : 16;
                struct ulid *items = reallocarray(l->items, n, sizeof *items);

                if (!items)
                        return -ENOMEM;
                l->items = items;
                l->n_allocated = n;
        }
        l->items[l->n++] = *id;
        return sd_event_source_set_enabled(m->load_source, SD_EVENT_ONESHOT);
}

static int carry_out(struct manager *m, const struct effect *e)
{
        switch (e->type) {
        case EFFECT_SEND:
                return links_send(
                        &m->links, e->send.link, e->send.data, e->send.size, e->send.word);
        case EFFECT_DIAL:
                return links_dial(&m->links, e->dial.link, &e->dial.to, e->dial.resets);
        case EFFECT_CLOSE:
                return links_close(&m->links, e->close.link, e->close.how);
        case EFFECT_DATAGRAM:
                datagrams_send(&m->datagrams, e->datagram.dialect, e->datagram.interface,
                        &e->datagram.to, e->datagram.data, e->datagram.size);
                return 0;
        case EFFECT_REPLY:
                bus_answer(m->bus, e->reply.call, &e->reply.id, e->reply.state);
                return 0;
        case EFFECT_REFUSE:
                bus_refuse(m->bus, e->refuse.call, e->refuse.code, e->refuse.sentence);
                return 0;
        case EFFECT_JOINED:
                bus_answer_joined(m->bus, e->joined.call);
                return 0;
        case EFFECT_FOUND:
                bus_answer_found(m->bus, e->found.call, e->found.users, e->found.n);
                return 0;
        case EFFECT_LOAD:
                return load_later(m, &e->load.id);
        case EFFECT_LOAD_BLOCK:
                return ledger_host_load_block(&m->ledger, e->load_block.network,
                        e->load_block.height, &e->load_block.peer);
        case EFFECT_LOAD_CHAIN:
                return ledger_host_load_chain(&m->ledger);
        case EFFECT_LOAD_GROUP_MESSAGE:
                return team_host_load_message(&m->teams, e);
        case EFFECT_SPOOL_WRITE:
        case EFFECT_SPOOL_READ:
        case EFFECT_SPOOL_HASH:
        case EFFECT_SPOOL_DISCARD:
                return spool_carry_out(&m->spool, e);
        case EFFECT_ASK_ROOM:
                links_ask_room(&m->links, e->ask_room.link);
                return 0;
        }
        return 0;
}

static bool is_answer(const struct effect *e)
{
        return e->type == EFFECT_REPLY || e->type == EFFECT_REFUSE || e->type == EFFECT_JOINED ||
               e->type == EFFECT_FOUND;
}

static int commit(struct manager *m)
{
        struct change change;
        int r;

        r = node_end_turn(m->node, m->now);
        if (r < 0)
                return r;
        store_set_time(m->memory.store, m->now.real_usec);
        while (node_next_change(m->node, &change)) {
                r = store_apply(m->memory.store, &change);
                if (r < 0)
                        return r;
        }
        return store_commit(m->memory.store);
}

/* What was asked for in this turn is not done, and that is certain when the disk was full: then the
 * callers may know. */
static void give_up(struct manager *m, int error)
{
        m->memory.failed = true;
        if (error == -ENOSPC) {
                log_error("The disk with %s is full: make room there.", m->memory.state);
                bus_refuse_turn(m->bus);
        }
        manager_fail(m, error, "Failed to keep what happened");
}

/* CLOCK_BOOTTIME is what the node's time counts, from a day before. */
static int arm_node_timer(struct manager *m)
{
        usec_t deadline_usec = node_deadline(m->node);
        int r;

        if (deadline_usec == USEC_INFINITY)
                return sd_event_source_set_enabled(m->node_timer, SD_EVENT_OFF);
        r = sd_event_source_set_time(m->node_timer, usec_sub(deadline_usec, USEC_PER_DAY));
        return r < 0 ? r : sd_event_source_set_enabled(m->node_timer, SD_EVENT_ONESHOT);
}

static int arm_timers(struct manager *m, bool stored)
{
        int r = arm_node_timer(m);

        return r < 0 || !stored ? r : retention_look(&m->retention);
}

/* What is new is shown to people and programs; what was known, the node is told. */
static int show(struct manager *m, bool *ret_stored)
{
        struct store_event event;
        bool stored = false;
        int r = 0;

        while (r >= 0 && store_next_event(m->memory.store, &event)) {
                manager_publish(m, &event);
                stored = stored || event.type == STORE_EVENT_MESSAGE ||
                         event.type == STORE_EVENT_STATE;
                if (event.type == STORE_EVENT_KNOWN)
                        r = node_known(m->node, event.known.peer, event.known.stream_number);
        }
        *ret_stored = stored;
        return r;
}

int manager_flush(struct manager *m)
{
        bool stopping = sd_event_get_state(m->event) == SD_EVENT_FINISHED, stored;
        struct effect effect;
        int r;

        if (manager_is_failing(m))
                return -EIO;
        m->now = manager_now(m);

        r = commit(m);
        if (r < 0) {
                give_up(m, r);
                return r;
        }
        r = show(m, &stored);
        if (history_log_flush(m->memory.log, m->now) && !stopping)
                chore_wake(&m->log_chore);

        if (r >= 0)
                r = node_committed(m->node, m->now);
        while (r >= 0 && node_next_effect(m->node, &effect))
                if (!stopping || is_answer(&effect))
                        r = carry_out(m, &effect);
        bus_end_turn(m->bus);
        files_end_turn(&m->files);
        m->n_inputs = 0;
        if (r >= 0 && !stopping)
                r = arm_timers(m, stored);
        if (r >= 0 && !stopping)
                ledger_host_look(&m->ledger);
        if (r < 0)
                manager_fail(m, r, "Failed to act");
        return r < 0 ? r : 0;
}
