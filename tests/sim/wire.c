/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections that may break
 *
 * A connection does what TCP promises and no more. Bytes come in order, in other pieces than they
 * were written in; while the way is cut they wait and are tried again; who waits 20 s for an
 * acknowledgement gives up without the other side knowing; an end that a kernel does not know
 * answers with a reset, and so does the kernel of a process that died with the connection open; who
 * hears nothing of a machine that is gone finds out by keep-alive within 20 s.
 */
#include "tests/sim/wire.h"
#include "tests/sim/oracle.h"

#define END_BUFFER_MAX (16 * 1024 * 1024)
#define HEAD_MAX ((size_t)1024)

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

int wire_side(const struct wire *wire, const struct end *end)
{
        return end == &wire->ends[1];
}

void wire_schedule(struct world *w, struct wire *wire, int end, enum event_type type,
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

void wire_disturbed(struct world *w, const struct wire *wire)
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

void end_tell_closed(struct end *end, enum link_end how)
{
        struct machine *m = end->machine;

        if (!end->is_attached)
                return;
        detach(end);
        machine_input(m, &(struct input){ .type = INPUT_CLOSED, .link = end->link, .how = how });
}

void end_give_up(struct world *w, struct wire *wire, struct end *end, enum link_end how)
{
        wire_disturbed(w, wire);
        end->is_gone = true;
        buffer_clear(&end->out);
        end_tell_closed(end, how);
}

void end_reset(struct world *w, struct wire *wire, struct end *end)
{
        wire_disturbed(w, wire);
        end->is_gone = true;
        end->is_attached = false;
        buffer_clear(&end->out);
        wire_schedule(w, wire, !wire_side(wire, end), EVENT_RESET, world_latency(w), LINK_RESET);
}

bool wire_is_over(const struct wire *wire)
{
        const struct end *a = &wire->ends[0], *b = &wire->ends[1];

        if (a->is_attached || b->is_attached || !wire->is_open)
                return a->is_gone && b->is_gone;
        return a->is_gone || b->is_gone || (a->fin_delivered && b->fin_delivered);
}

void wire_free(struct world *w, struct wire *wire)
{
        list_remove(&wire->list);
        w->n_wires--;
        record_wire(w, wire);
        for (int i = 0; i < 2; i++) {
                buffer_done(&wire->ends[i].out);
                buffer_done(&wire->ends[i].head);
        }
        free(wire);
}

void end_pump_soon(struct world *w, struct wire *wire, struct end *end, usec_t delay_usec)
{
        if (end->unacknowledged_usec == USEC_INFINITY &&
                end->n_written + end->wants_fin > end->n_acknowledged)
                end->unacknowledged_usec = w->now_usec;
        if (!end->is_watched && end->unacknowledged_usec != USEC_INFINITY) {
                end->is_watched = true;
                wire_schedule(
                        w, wire, wire_side(wire, end), EVENT_WATCH, ACKNOWLEDGE_TIMEOUT_USEC, 0);
        }
        if (end->is_pumping || !wire->is_open)
                return;
        end->is_pumping = true;
        wire_schedule(w, wire, wire_side(wire, end), EVENT_PUMP, delay_usec, 0);
}

void end_write(struct world *w, struct wire *wire, struct end *end, const void *data, size_t size)
{
        if (buffer_append(&end->out, data, size) < 0)
                world_fail(w, "more than %d bytes wait on a connection", END_BUFFER_MAX);
        end->n_written += size;
        if (w->records && end->head.size < HEAD_MAX)
                (void)buffer_append(&end->head, data, MIN(size, HEAD_MAX - end->head.size));
        end_pump_soon(w, wire, end, world_latency(w));
}

void end_shut_down(struct world *w, struct wire *wire, struct end *end)
{
        if (end->wants_fin)
                return;
        end->wants_fin = true;
        end_pump_soon(w, wire, end, world_latency(w));
}

void end_keep_alive_soon(struct world *w, struct wire *wire, struct end *end, usec_t delay_usec)
{
        if (!end->machine->is_foreign)
                wire_schedule(w, wire, wire_side(wire, end), EVENT_KEEP_ALIVE, delay_usec, 0);
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
                buffer_init(&wire->ends[i].head, HEAD_MAX);
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
        wire_schedule(w, wire, 0, EVENT_SYN, world_latency(w), 0);
        return wire;
}

uint64_t foreign_dial(struct machine *m, const struct endpoint *from, struct machine *to,
        const void *data, size_t size, bool ends)
{
        struct world *w = m->world;
        struct endpoint target = to->address;
        struct wire *wire;

        target.port = to->options.port;
        wire = new_wire(w, m, from ?: &m->address, 0, &target);
        if (data)
                end_write(w, wire, &wire->ends[0], data, size);
        if (ends)
                end_shut_down(w, wire, &wire->ends[0]);
        return wire->number;
}

void foreign_write(
        struct world *w, struct wire *wire, struct end *end, const void *data, size_t size)
{
        end_write(w, wire, end, data, size);
}

void foreign_close(struct world *w, struct wire *wire, struct end *end, bool is_reset)
{
        if (is_reset) {
                end_reset(w, wire, end);
                return;
        }
        end->is_attached = false;
        end_shut_down(w, wire, end);
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
                end_reset(w, wire, end);
                break;
        case CLOSE_FLUSH:
                detach(end);
                end_shut_down(w, wire, end);
                break;
        case CLOSE_FINISH:
                if (end->is_finishing)
                        world_fail(w, "%c finishes link %ju twice", m->letter, (uintmax_t)link);
                end->is_finishing = true;
                end->finish_usec = w->now_usec + FINISH_TIMEOUT_USEC;
                end_shut_down(w, wire, end);
                wire_schedule(w, wire, wire_side(wire, end), EVENT_FINISH, FINISH_TIMEOUT_USEC, 0);
                break;
        }
        if (wire_is_over(wire))
                wire_free(w, wire);
}

bool wire_has_room(struct machine *m, uint64_t link)
{
        struct wire *wire;
        const struct end *end = find_end(m, link, &wire);

        return !end || end->out.size == 0;
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
                        end_write(w, wire, end, effect->send.data, effect->send.size);
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
        case EFFECT_REFUSE:
        case EFFECT_JOINED:
        case EFFECT_FOUND:
        case EFFECT_LOAD_BLOCK:
        case EFFECT_LOAD_CHAIN:
        case EFFECT_SPOOL_WRITE:
        case EFFECT_SPOOL_READ:
        case EFFECT_SPOOL_HASH:
        case EFFECT_SPOOL_DISCARD:
        case EFFECT_ASK_ROOM:
                break;
        case EFFECT_LOAD:
                return;
        }
}
