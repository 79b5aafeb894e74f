/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connections, as kernels and the network between them see it */
#include "tests/sim/oracle.h"
#include "tests/sim/wire.h"

#define RETRY_USEC (300 * USEC_PER_MSEC)

/* The dial arrives. */
static void syn(struct world *w, struct wire *wire)
{
        struct end *a = &wire->ends[0], *b = &wire->ends[1];
        struct machine *m = b->machine;

        if (w->now_usec >= wire->dial_usec + DIAL_TIMEOUT_USEC) {
                a->is_gone = b->is_gone = true;
                end_tell_closed(a, LINK_TIMED_OUT);
                return;
        }
        if (a->machine->is_cut && world_chance(w, 500)) {
                a->is_gone = b->is_gone = true;
                end_tell_closed(a, LINK_REFUSED);
                return;
        }
        if (!m || !endpoint_same_address(&m->address, &b->address) ||
                (m->is_foreign && m->manner == MANNER_ABSENT) ||
                !world_is_connected(w, &a->address, &b->address)) {
                wire_schedule(w, wire, 0, EVENT_SYN,
                        usec_min(USEC_PER_SEC, wire->dial_usec + DIAL_TIMEOUT_USEC - w->now_usec),
                        0);
                return;
        }
        if (m->is_foreign ? m->manner == MANNER_REFUSE : !m->node || m->options.port != wire->port)
                wire_schedule(w, wire, 0, EVENT_RESET, world_latency(w), LINK_REFUSED);
        else
                wire_schedule(w, wire, 0, EVENT_CONNECTED, world_latency(w), 0);
}

static void connected(struct world *w, struct wire *wire)
{
        struct end *a = &wire->ends[0];

        if (!world_is_connected(w, &wire->ends[1].address, &a->address)) {
                wire_schedule(w, wire, 0, EVENT_SYN, USEC_PER_SEC, 0);
                return;
        }
        wire->is_open = true;
        machine_input(a->machine, &(struct input){ .type = INPUT_CONNECTED, .link = a->link });
        end_keep_alive_soon(w, wire, a, KEEP_ALIVE_USEC);
        end_pump_soon(w, wire, a, world_latency(w));
}

static bool accept(struct world *w, struct wire *wire)
{
        struct end *b = &wire->ends[1];
        struct machine *m = b->machine;

        wire->is_accepted = true;
        if (!m->node && !m->is_foreign) {
                end_reset(w, wire, b);
                return false;
        }
        b->is_attached = true;
        if (m->is_foreign)
                return true;
        b->link = m->link_last += 2;
        machine_input(m,
                &(struct input){
                        .type = INPUT_ACCEPTED, .link = b->link, .from = wire->ends[0].address });
        end_keep_alive_soon(w, wire, b, KEEP_ALIVE_USEC);
        return true;
}

static void foreign_received(struct world *w, struct wire *wire, struct end *end)
{
        struct machine *m = end->machine;

        if (m->manner == MANNER_ROGUE) {
                rogue_received(w, wire, end);
        } else if (m->manner == MANNER_SLAM) {
                end->is_attached = false;
                end_shut_down(w, wire, end);
        } else if (m->answer && end->n_written == 0 && end == &wire->ends[1]) {
                end_write(w, wire, end, m->answer, strlen(m->answer));
        }
}

static void received(
        struct world *w, struct wire *wire, struct end *end, const void *data, size_t size)
{
        struct machine *m = end->machine;

        if (m->is_foreign) {
                foreign_received(w, wire, end);
                return;
        }
        if (end->is_finishing)
                return;
        machine_input(
                m, &(struct input){
                           .type = INPUT_RECEIVED, .link = end->link, .data = data, .size = size });
}

/* All was taken, and the other side has ended too? */
static void check_finished(struct world *w, struct wire *wire, struct end *end)
{
        const struct end *other = &wire->ends[!wire_side(wire, end)];

        if (!end->is_attached || !end->is_finishing || !end->fin_delivered ||
                end->n_acknowledged < end->n_written + 1)
                return;
        if (other->fin_delivered) {
                end_tell_closed(end, LINK_CLOSED);
        } else if (w->now_usec >= end->finish_usec) {
                wire_disturbed(w, wire);
                if (other->machine)
                        oracle_acknowledged(end->machine, other->machine);
                end_tell_closed(end, LINK_ACKNOWLEDGED);
        }
}

static void ended(struct world *w, struct wire *wire, struct end *end)
{
        struct machine *m = end->machine;

        if (!end->is_attached)
                return;
        if (m->is_foreign) {
                end->is_attached = false;
                end_shut_down(w, wire, end);
                return;
        }
        if (end->is_finishing) {
                check_finished(w, wire, end);
                return;
        }
        machine_input(m, &(struct input){ .type = INPUT_ENDED, .link = end->link });
}

/* Moves what @end has written to the other end. */
static void pump(struct world *w, struct wire *wire, struct end *end)
{
        struct end *other = &wire->ends[!wire_side(wire, end)];

        end->is_pumping = false;
        if (end->is_gone)
                return;
        if (!world_is_connected(w, &end->address, &other->address)) {
                end_pump_soon(w, wire, end, RETRY_USEC);
                return;
        }
        if (other->is_gone) {
                end_reset(w, wire, other);
                return;
        }
        if (!wire->is_accepted && !accept(w, wire))
                return;

        if (end->out.size > 0) {
                size_t size = end->out.size;
                uint8_t *data;

                if (!other->is_attached) {
                        end_reset(w, wire, other);
                        return;
                }
                if (world_chance(w, w->weather.split))
                        size = 1 + random_below(w->random, size);
                data = malloc(size);
                assert(data);
                memcpy(data, end->out.data, size);
                buffer_consume(&end->out, size);
                end->n_delivered += size;
                wire_schedule(w, wire, wire_side(wire, end), EVENT_ACKNOWLEDGE, world_latency(w),
                        end->n_delivered);
                received(w, wire, other, data, size);
                free(data);
        } else if (end->wants_fin && !end->fin_delivered) {
                end->fin_delivered = true;
                end->n_delivered++;
                wire_schedule(w, wire, wire_side(wire, end), EVENT_ACKNOWLEDGE, world_latency(w),
                        end->n_delivered);
                ended(w, wire, other);
        }
        if (end->out.size > 0 || (end->wants_fin && !end->fin_delivered))
                end_pump_soon(w, wire, end, w->weather.split > 0 ? world_latency(w) / 4 : 0);
}

static void acknowledge(struct world *w, struct wire *wire, struct end *end, struct event *e)
{
        struct end *other = &wire->ends[!wire_side(wire, end)];
        uint64_t value = e->value;

        if (end->is_gone || value <= end->n_acknowledged)
                return;
        if (e->is_again && other->is_gone) {
                /* What was sent once more met nobody. */
                end_reset(w, wire, other);
                return;
        }
        if (!world_is_connected(w, &other->address, &end->address)) {
                struct event again = *e;

                again.time_usec = w->now_usec + RETRY_USEC;
                again.is_again = true;
                world_schedule(w, &again);
                return;
        }
        end->n_acknowledged = value;
        end->unacknowledged_usec =
                value < end->n_written + end->wants_fin ? w->now_usec : USEC_INFINITY;
        check_finished(w, wire, end);
}

static void watch(struct world *w, struct wire *wire, struct end *end)
{
        usec_t due_usec = usec_add(end->unacknowledged_usec, ACKNOWLEDGE_TIMEOUT_USEC);

        end->is_watched = false;
        if (end->is_gone || end->unacknowledged_usec == USEC_INFINITY)
                return;
        if (w->now_usec >= due_usec) {
                end_give_up(w, wire, end, LINK_TIMED_OUT);
                return;
        }
        end->is_watched = true;
        wire_schedule(w, wire, wire_side(wire, end), EVENT_WATCH, due_usec - w->now_usec, 0);
}

/* Nothing was written for a while: is the other end there? */
static void keep_alive(struct world *w, struct wire *wire, struct end *end)
{
        struct end *other = &wire->ends[!wire_side(wire, end)];

        if (end->is_gone || !end->is_attached)
                return;
        if (end->unacknowledged_usec != USEC_INFINITY) {
                end->n_probes = 0; /* then there is another watch */
        } else if (world_is_connected(w, &end->address, &other->address) &&
                   world_is_connected(w, &other->address, &end->address)) {
                end->n_probes = 0;
                if (other->is_gone) {
                        end_give_up(w, wire, end, LINK_RESET);
                        return;
                }
        } else if (end->n_probes++ == PROBES_MAX) {
                end_give_up(w, wire, end, LINK_TIMED_OUT);
                return;
        }
        end_keep_alive_soon(w, wire, end, end->n_probes > 0 ? PROBE_USEC : KEEP_ALIVE_USEC);
}

static void reset_arrives(struct world *w, struct wire *wire, struct end *end, enum link_end how)
{
        struct end *other = &wire->ends[!wire_side(wire, end)];

        if (!world_is_connected(w, &other->address, &end->address)) {
                if (!wire->is_open) /* the dial goes on */
                        wire_schedule(w, wire, 0, EVENT_SYN, USEC_PER_SEC, 0);
                return;
        }
        end->is_gone = other->is_gone = true;
        if (wire->is_open)
                wire_disturbed(w, wire);
        end_tell_closed(end, how);
}

/* Some more of what one end wrote arrives. */
static void deliver_some(struct world *w, struct wire *wire, struct end *end)
{
        struct end *other = &wire->ends[!wire_side(wire, end)];
        size_t size = end->out.size > 0 ? random_below(w->random, end->out.size + 1) : 0;
        uint8_t *data;

        if (size == 0 || !other->is_attached || end->is_gone)
                return;
        data = malloc(size);
        assert(data);
        memcpy(data, end->out.data, size);
        buffer_clear(&end->out);
        received(w, wire, other, data, size);
        free(data);
}

void wire_cut(struct world *w, struct wire *wire)
{
        for (int k = 0; k < 2; k++)
                deliver_some(w, wire, &wire->ends[k]);
        for (int k = 0; k < 2; k++)
                end_give_up(w, wire, &wire->ends[k], LINK_RESET);
        if (wire_is_over(wire))
                wire_free(w, wire);
}

void wire_event(struct world *w, struct event *e)
{
        struct wire *wire = world_wire(w, e->wire);
        struct end *end;

        if (!wire)
                return;
        end = &wire->ends[e->end];
        if (e->type == EVENT_SYN)
                syn(w, wire);
        else if (e->type == EVENT_CONNECTED)
                connected(w, wire);
        else if (e->type == EVENT_PUMP)
                pump(w, wire, end);
        else if (e->type == EVENT_ACKNOWLEDGE)
                acknowledge(w, wire, end, e);
        else if (e->type == EVENT_RESET)
                reset_arrives(w, wire, end, (enum link_end)e->value);
        else if (e->type == EVENT_WATCH)
                watch(w, wire, end);
        else if (e->type == EVENT_FINISH)
                check_finished(w, wire, end);
        else if (e->type == EVENT_KEEP_ALIVE)
                keep_alive(w, wire, end);
        if (wire_is_over(wire))
                wire_free(w, wire);
}

void wires_of_process_gone(struct machine *m, bool is_told)
{
        struct world *w = m->world;

        list_for_each_safe (i, &w->wires) {
                struct wire *wire = container_of(i, struct wire, list);

                for (int k = 0; k < 2; k++) {
                        struct end *end = &wire->ends[k];

                        if (end->machine != m || end->is_gone || (k == 1 && !wire->is_accepted))
                                continue;
                        if (is_told && end->is_attached) {
                                end_reset(w, wire, end);
                        } else if (!is_told) {
                                end->is_gone = true;
                                end->is_attached = false;
                                wire_disturbed(w, wire);
                        }
                }
                if (wire_is_over(wire) || (!wire->is_open && wire->ends[0].is_gone))
                        wire_free(w, wire);
        }
}
