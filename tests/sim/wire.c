/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections that may break
 *
 * A connection does what TCP promises and no more. Bytes come in order, in other pieces than they
 * were written in; while the way is cut they wait and are tried again; who waits 20 s for an
 * acknowledgement gives up without the other side knowing; an end that a kernel does not know
 * answers with a reset, and so does the kernel of a process that died with the connection open.
 */
#include "tests/sim/oracle.h"

#define RETRY_USEC (300 * USEC_PER_MSEC)
#define ACKNOWLEDGE_TIMEOUT_USEC (20 * USEC_PER_SEC)
#define END_BUFFER_MAX (1024 * 1024)

struct wire *world_wire(struct world *w, uint64_t number)
{
        list_for_each (i, &w->wires) {
                struct wire *wire = container_of(i, struct wire, list);

                if (wire->number == number)
                        return wire;
        }
        return NULL;
}

static struct end *find_end(struct machine *m, uint64_t link, struct wire **ret)
{
        list_for_each (i, &m->world->wires) {
                struct wire *wire = container_of(i, struct wire, list);

                for (int k = 0; k < 2; k++)
                        if (wire->ends[k].is_attached && wire->ends[k].machine == m &&
                                wire->ends[k].link == link) {
                                *ret = wire;
                                return &wire->ends[k];
                        }
        }
        return NULL;
}

static int side(const struct wire *wire, const struct end *end)
{
        return end == &wire->ends[1];
}

static void schedule(struct world *w, struct wire *wire, int end, enum event_type type,
        usec_t delay_usec, uint64_t value)
{
        world_schedule(w, &(struct event){
                                  .time_usec = w->now_usec + delay_usec,
                                  .type = type,
                                  .wire = wire->number,
                                  .end = end,
                                  .value = value,
                          });
}

static void disturbed(struct world *w, const struct wire *wire)
{
        if (wire->ends[0].machine && wire->ends[1].machine)
                oracle_disturbed(wire->ends[0].machine, wire->ends[1].machine);
}

static void detach(struct end *end)
{
        struct machine *m = end->machine;

        end->is_attached = false;
        if (m && m->n_closed < ELEMENTSOF(m->closed))
                m->closed[m->n_closed++] = end->link;
}

/* The process hears that it is over. */
static void tell_closed(struct end *end, enum link_end how)
{
        struct machine *m = end->machine;

        if (!end->is_attached)
                return;
        detach(end);
        if (!m->node)
                return;
        machine_begin(m);
        if (node_closed(m->node, end->link, how, machine_now(m)) < 0)
                world_fail(m->world, "%c: node_closed() fails", m->letter);
}

static void give_up(struct world *w, struct wire *wire, struct end *end, enum link_end how)
{
        disturbed(w, wire);
        end->is_gone = true;
        buffer_clear(&end->out);
        tell_closed(end, how);
}

/* From now on this end knows nothing of the connection; the other is told if the way is open. */
static void reset(struct world *w, struct wire *wire, struct end *end)
{
        disturbed(w, wire);
        end->is_gone = true;
        end->is_attached = false;
        buffer_clear(&end->out);
        schedule(w, wire, !side(wire, end), EVENT_RESET, world_latency(w), LINK_RESET);
}

static bool is_over(const struct wire *wire)
{
        const struct end *a = &wire->ends[0], *b = &wire->ends[1];

        if (a->is_attached || b->is_attached || !wire->is_open)
                return a->is_gone && b->is_gone;
        return a->is_gone || b->is_gone || (a->fin_delivered && b->fin_delivered);
}

static void free_wire(struct world *w, struct wire *wire)
{
        list_remove(&wire->list);
        w->n_wires--;
        buffer_done(&wire->ends[0].out);
        buffer_done(&wire->ends[1].out);
        free(wire);
}

static void pump_soon(struct world *w, struct wire *wire, struct end *end, usec_t delay_usec)
{
        if (end->unacknowledged_usec == USEC_INFINITY &&
                end->n_written + end->wants_fin > end->n_acknowledged)
                end->unacknowledged_usec = w->now_usec;
        if (!end->is_watched && end->unacknowledged_usec != USEC_INFINITY) {
                end->is_watched = true;
                schedule(w, wire, side(wire, end), EVENT_WATCH, ACKNOWLEDGE_TIMEOUT_USEC, 0);
        }
        if (end->is_pumping || !wire->is_open)
                return;
        end->is_pumping = true;
        schedule(w, wire, side(wire, end), EVENT_PUMP, delay_usec, 0);
}

static void write_end(
        struct world *w, struct wire *wire, struct end *end, const void *data, size_t size)
{
        if (buffer_append(&end->out, data, size) < 0)
                world_fail(w, "more than %d bytes wait on a connection", END_BUFFER_MAX);
        end->n_written += size;
        pump_soon(w, wire, end, world_latency(w));
}

static void shut_down(struct world *w, struct wire *wire, struct end *end)
{
        if (end->wants_fin)
                return;
        end->wants_fin = true;
        pump_soon(w, wire, end, world_latency(w));
}

static struct wire *new_wire(struct world *w, struct machine *from, const struct endpoint *address,
        uint64_t link, const struct endpoint *to)
{
        struct wire *wire = calloc(1, sizeof *wire);

        assert(wire);
        wire->number = ++w->wire_last;
        wire->port = to->port;
        wire->dial_usec = w->now_usec;
        for (int i = 0; i < 2; i++) {
                buffer_init(&wire->ends[i].out, END_BUFFER_MAX);
                wire->ends[i].unacknowledged_usec = USEC_INFINITY;
        }
        wire->ends[0].machine = from;
        wire->ends[0].address = *address;
        wire->ends[0].address.port = (uint16_t)(32768 + wire->number % 28000);
        wire->ends[0].link = link;
        wire->ends[0].is_attached = true;
        wire->ends[1].address = *to;
        wire->ends[1].machine = world_machine_at(w, to);
        list_append(&w->wires, &wire->list);
        w->n_wires++;
        schedule(w, wire, 0, EVENT_SYN, world_latency(w), 0);
        return wire;
}

uint64_t foreign_dial(struct machine *m, const struct endpoint *from, struct machine *to,
        const char *data, bool ends)
{
        struct world *w = m->world;
        struct endpoint target = to->address;
        struct wire *wire;

        target.port = to->options.port;
        wire = new_wire(w, m, from ?: &m->address, 0, &target);
        if (data)
                write_end(w, wire, &wire->ends[0], data, strlen(data));
        if (ends)
                shut_down(w, wire, &wire->ends[0]);
        return wire->number;
}

static void close_link(struct machine *m, uint64_t link, enum close_how how)
{
        struct world *w = m->world;
        struct wire *wire;
        struct end *end = find_end(m, link, &wire);

        if (!end) {
                for (size_t i = 0; i < m->n_closed; i++)
                        if (m->closed[i] == link)
                                return;
                world_fail(w, "%c closes link %ju, which is not there", m->letter, (uintmax_t)link);
        }
        switch (how) {
        case CLOSE_NOW:
                detach(end);
                reset(w, wire, end);
                break;
        case CLOSE_FLUSH:
                detach(end);
                shut_down(w, wire, end);
                break;
        case CLOSE_FINISH:
                if (end->is_finishing)
                        world_fail(w, "%c finishes link %ju twice", m->letter, (uintmax_t)link);
                end->is_finishing = true;
                end->finish_usec = w->now_usec + FINISH_TIMEOUT_USEC;
                shut_down(w, wire, end);
                schedule(w, wire, side(wire, end), EVENT_FINISH, FINISH_TIMEOUT_USEC, 0);
                break;
        }
        if (is_over(wire))
                free_wire(w, wire);
}

void wire_carry_out(struct machine *m, const struct effect *effect)
{
        struct world *w = m->world;
        struct wire *wire;
        struct end *end;

        switch (effect->type) {
        case EFFECT_SEND:
                end = find_end(m, effect->send.link, &wire);
                if (end) {
                        if (end->wants_fin)
                                world_fail(w, "%c writes on link %ju after its end", m->letter,
                                        (uintmax_t)effect->send.link);
                        write_end(w, wire, end, effect->send.data, effect->send.size);
                        return;
                }
                for (size_t i = 0; i < m->n_closed; i++)
                        if (m->closed[i] == effect->send.link)
                                return;
                world_fail(w, "%c writes on link %ju, which is not there", m->letter,
                        (uintmax_t)effect->send.link);
        case EFFECT_DIAL:
                if (effect->dial.link % 2 == 0 || find_end(m, effect->dial.link, &wire))
                        world_fail(w, "%c dials with link %ju", m->letter,
                                (uintmax_t)effect->dial.link);
                (void)new_wire(w, m, &m->address, effect->dial.link, &effect->dial.to);
                return;
        case EFFECT_CLOSE:
                close_link(m, effect->close.link, effect->close.how);
                return;
        case EFFECT_DATAGRAM:
        case EFFECT_REPLY:
        case EFFECT_LOAD:
                return;
        }
}

/* The dial arrives. */
static void syn(struct world *w, struct wire *wire)
{
        struct end *a = &wire->ends[0], *b = &wire->ends[1];
        struct machine *m = b->machine;

        if (w->now_usec >= wire->dial_usec + DIAL_TIMEOUT_USEC) {
                a->is_gone = b->is_gone = true;
                tell_closed(a, LINK_TIMED_OUT);
                return;
        }
        if (a->machine->is_cut && world_chance(w, 500)) {
                a->is_gone = b->is_gone = true;
                tell_closed(a, LINK_REFUSED);
                return;
        }
        if (!m || !endpoint_same_address(&m->address, &b->address) ||
                (m->is_foreign && m->manner == MANNER_ABSENT) ||
                !world_is_connected(w, &a->address, &b->address)) {
                schedule(w, wire, 0, EVENT_SYN,
                        usec_min(USEC_PER_SEC, wire->dial_usec + DIAL_TIMEOUT_USEC - w->now_usec),
                        0);
                return;
        }
        if (m->is_foreign ? m->manner == MANNER_REFUSE : !m->node || m->options.port != wire->port)
                schedule(w, wire, 0, EVENT_RESET, world_latency(w), LINK_REFUSED);
        else
                schedule(w, wire, 0, EVENT_CONNECTED, world_latency(w), 0);
}

static void connected(struct world *w, struct wire *wire)
{
        struct end *a = &wire->ends[0];

        if (!world_is_connected(w, &wire->ends[1].address, &a->address)) {
                schedule(w, wire, 0, EVENT_SYN, USEC_PER_SEC, 0);
                return;
        }
        wire->is_open = true;
        if (a->machine->node) {
                machine_begin(a->machine);
                if (node_connected(a->machine->node, a->link, machine_now(a->machine)) < 0)
                        world_fail(w, "%c: node_connected() fails", a->machine->letter);
        }
        pump_soon(w, wire, a, world_latency(w));
}

static bool accept(struct world *w, struct wire *wire)
{
        struct end *b = &wire->ends[1];
        struct machine *m = b->machine;

        wire->is_accepted = true;
        if (!m->node && !m->is_foreign) {
                reset(w, wire, b);
                return false;
        }
        b->is_attached = true;
        if (m->is_foreign)
                return true;
        b->link = m->link_last += 2;
        machine_begin(m);
        if (node_accepted(m->node, b->link, &wire->ends[0].address, machine_now(m)) < 0)
                world_fail(w, "%c: node_accepted() fails", m->letter);
        return true;
}

static void foreign_received(struct world *w, struct wire *wire, struct end *end)
{
        struct machine *m = end->machine;

        if (m->manner == MANNER_SLAM) {
                end->is_attached = false;
                shut_down(w, wire, end);
        } else if (m->answer && end->n_written == 0 && end == &wire->ends[1]) {
                write_end(w, wire, end, m->answer, strlen(m->answer));
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
        machine_begin(m);
        if (node_received(m->node, end->link, data, size, machine_now(m)) < 0)
                world_fail(w, "%c: node_received() fails", m->letter);
}

/* All was taken, and the other side has ended too? */
static void check_finished(struct world *w, struct wire *wire, struct end *end)
{
        const struct end *other = &wire->ends[!side(wire, end)];

        if (!end->is_attached || !end->is_finishing || !end->fin_delivered ||
                end->n_acknowledged < end->n_written + 1)
                return;
        if (other->fin_delivered) {
                tell_closed(end, LINK_CLOSED);
        } else if (w->now_usec >= end->finish_usec) {
                disturbed(w, wire);
                tell_closed(end, LINK_ACKNOWLEDGED);
        }
}

static void ended(struct world *w, struct wire *wire, struct end *end)
{
        struct machine *m = end->machine;

        if (!end->is_attached)
                return;
        if (m->is_foreign) {
                end->is_attached = false;
                shut_down(w, wire, end);
                return;
        }
        if (end->is_finishing) {
                check_finished(w, wire, end);
                return;
        }
        machine_begin(m);
        if (node_ended(m->node, end->link, machine_now(m)) < 0)
                world_fail(w, "%c: node_ended() fails", m->letter);
}

/* Moves what @end has written to the other end. */
static void pump(struct world *w, struct wire *wire, struct end *end)
{
        struct end *other = &wire->ends[!side(wire, end)];

        end->is_pumping = false;
        if (end->is_gone)
                return;
        if (!world_is_connected(w, &end->address, &other->address)) {
                pump_soon(w, wire, end, RETRY_USEC);
                return;
        }
        if (other->is_gone) {
                reset(w, wire, other);
                return;
        }
        if (!wire->is_accepted && !accept(w, wire))
                return;

        if (end->out.size > 0) {
                size_t size = end->out.size;
                uint8_t *data;

                if (!other->is_attached) {
                        reset(w, wire, other);
                        return;
                }
                if (world_chance(w, w->weather.split))
                        size = 1 + random_below(w->random, size);
                data = malloc(size);
                assert(data);
                memcpy(data, end->out.data, size);
                buffer_consume(&end->out, size);
                end->n_delivered += size;
                schedule(w, wire, side(wire, end), EVENT_ACKNOWLEDGE, world_latency(w),
                        end->n_delivered);
                received(w, wire, other, data, size);
                free(data);
        } else if (end->wants_fin && !end->fin_delivered) {
                end->fin_delivered = true;
                end->n_delivered++;
                schedule(w, wire, side(wire, end), EVENT_ACKNOWLEDGE, world_latency(w),
                        end->n_delivered);
                ended(w, wire, other);
        }
        if (end->out.size > 0 || (end->wants_fin && !end->fin_delivered))
                pump_soon(w, wire, end, w->weather.split > 0 ? world_latency(w) / 4 : 0);
}

static void acknowledge(struct world *w, struct wire *wire, struct end *end, struct event *e)
{
        struct end *other = &wire->ends[!side(wire, end)];
        uint64_t value = e->value;

        if (end->is_gone || value <= end->n_acknowledged)
                return;
        if (e->is_again && other->is_gone) {
                /* What was sent once more met nobody. */
                reset(w, wire, other);
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
                give_up(w, wire, end, LINK_TIMED_OUT);
                return;
        }
        end->is_watched = true;
        schedule(w, wire, side(wire, end), EVENT_WATCH, due_usec - w->now_usec, 0);
}

static void reset_arrives(struct world *w, struct wire *wire, struct end *end, enum link_end how)
{
        struct end *other = &wire->ends[!side(wire, end)];

        if (!world_is_connected(w, &other->address, &end->address)) {
                if (!wire->is_open) /* the dial goes on */
                        schedule(w, wire, 0, EVENT_SYN, USEC_PER_SEC, 0);
                return;
        }
        end->is_gone = other->is_gone = true;
        if (wire->is_open)
                disturbed(w, wire);
        tell_closed(end, how);
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
        if (is_over(wire))
                free_wire(w, wire);
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
                                reset(w, wire, end);
                        } else if (!is_told) {
                                end->is_gone = true;
                                end->is_attached = false;
                                disturbed(w, wire);
                        }
                }
                if (is_over(wire) || (!wire->is_open && wire->ends[0].is_gone))
                        free_wire(w, wire);
        }
}
