/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The network: who reaches whom, datagrams that may be lost, and misfortune */
#include "tests/sim/oracle.h"

bool world_chance(struct world *w, unsigned per_mille)
{
        return per_mille > 0 && random_below(w->random, 1000) < per_mille;
}

usec_t world_latency(struct world *w)
{
        const struct weather *h = &w->weather;

        if (h->latency_usec_max <= h->latency_usec_min)
                return h->latency_usec_min;
        return h->latency_usec_min +
               random_below(w->random, h->latency_usec_max - h->latency_usec_min);
}

bool world_is_connected(struct world *w, const struct endpoint *from, const struct endpoint *to)
{
        const struct machine *a = world_machine_at(w, from), *b = world_machine_at(w, to);

        if (a && a == b)
                return !a->is_off;
        if ((a && (a->is_cut || a->is_off)) || (b && (b->is_cut || b->is_off)))
                return false;
        return !a || !b || !w->is_cut[a->index][b->index];
}

/*
 * Datagrams
 */
static void send_datagram(struct world *w, enum dialect dialect, const struct endpoint *from,
        struct machine *to, const void *data, size_t size)
{
        unsigned n_copies = 1 + world_chance(w, w->weather.duplicate);

        if (!to->node || !world_is_connected(w, from, &to->address))
                return;
        for (unsigned i = 0; i < n_copies; i++) {
                struct event e = {
                        .time_usec = w->now_usec + world_latency(w),
                        .type = EVENT_DATAGRAM,
                        .machine = to,
                        .from = *from,
                        .dialect = dialect,
                        .size = size,
                };

                if (world_chance(w, w->weather.loss))
                        continue;
                e.data = malloc(size + 1);
                assert(e.data);
                memcpy(e.data, data, size);
                world_schedule(w, &e);
        }
}

void world_datagram(struct world *w, enum dialect dialect, const struct endpoint *from,
        const struct machine *to, const void *data, size_t size)
{
        send_datagram(w, dialect, from, &w->machines[to->index], data, size);
}

static void carry_datagram(struct machine *m, const struct effect *effect)
{
        struct endpoint from = m->address, to = effect->datagram.to;
        struct world *w = m->world;

        from.port = to.port;
        record_datagram(w, &from, effect);
        for (unsigned i = 0; i < w->n_machines; i++) {
                struct machine *other = &w->machines[i];
                bool is_meant = endpoint_is_unicast(&to)
                                        ? endpoint_same_address(&to, &other->address)
                                        : other->lan == m->lan;

                if (is_meant)
                        send_datagram(w, effect->datagram.dialect, &from, other,
                                effect->datagram.data, effect->datagram.size);
        }
}

static void put_in(struct world *w, void *userdata)
{
        (void)w;
        machine_set_cable(userdata, true);
}

static void open_way(struct world *w, void *userdata)
{
        (void)w;
        *(bool *)userdata = false;
}

/* Misfortune that comes just while two are talking. */
static void snap(struct world *w, struct wire *wire)
{
        const struct weather *h = &w->weather;
        int k = (int)random_below(w->random, 2);
        struct machine *m = wire->ends[k].machine, *other = wire->ends[!k].machine;
        usec_t later_usec = w->now_usec + random_below(w->random, USEC_PER_MINUTE);

        if (!m || m->is_foreign || !other || m == other)
                return;
        if (world_chance(w, h->snap_cable) && !m->is_cut) {
                machine_set_cable(m, false);
                world_at(w, later_usec, put_in, m);
        } else if (world_chance(w, h->snap_way)) {
                w->is_cut[m->index][other->index] = true;
                world_at(w, later_usec, open_way, &w->is_cut[m->index][other->index]);
        } else if (world_chance(w, h->snap_kill)) {
                machine_kill(m);
        } else if (world_chance(w, h->snap_power)) {
                machine_power_off(m);
        } else if (wire->is_accepted && world_chance(w, h->snap_wire)) {
                wire_cut(w, wire);
        }
}

void network_carry_out(struct machine *m, const struct effect *effect)
{
        if (effect->type == EFFECT_DATAGRAM)
                carry_datagram(m, effect);
        else
                wire_carry_out(m, effect);
}

static void datagram_arrives(struct machine *m, const struct event *e)
{
        if (!m->node || e->life != m->life)
                return;
        machine_input(m, &(struct input){ .type = INPUT_DATAGRAM,
                                 .dialect = e->dialect,
                                 .from = e->from,
                                 .data = e->data,
                                 .size = e->size });
}

void network_event(struct world *w, struct event *e)
{
        struct wire *wire;

        if (e->type == EVENT_DATAGRAM) {
                datagram_arrives(e->machine, e);
                return;
        }
        wire = world_wire(w, e->wire);
        if (wire)
                snap(w, wire);
        wire_event(w, e);
}
