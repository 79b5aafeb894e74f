/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What goes wrong in a world, and how it is mended at the end */
#include "tests/sim/sim.h"

static const struct {
        const char *name;
        unsigned bit;
} faults[N_STRIKES] = {
        { "loss", STRIKE_LOSS },           /* datagrams lost, doubled, late */
        { "split", STRIKE_SPLIT },         /* reads cut anywhere */
        { "cable", STRIKE_CABLE },         /* cables out and in */
        { "oneway", STRIKE_ONEWAY },       /* ways that are open in one direction only */
        { "crash", STRIKE_CRASH },         /* processes killed, at any line of a turn */
        { "power", STRIKE_POWER },         /* machines that are gone without a word */
        { "clock", STRIKE_CLOCK },         /* realtime jumps */
        { "move", STRIKE_MOVE },           /* new addresses */
        { "user", STRIKE_USER },           /* users who cancel, block, rename, trust, forget */
        { "batch", STRIKE_BATCH },         /* many inputs in one turn */
        { "disk", STRIKE_DISK },           /* writes and syncs that fail, and no space */
        { "partition", STRIKE_PARTITION }, /* two groups that do not reach each other */
        { "wire", STRIKE_WIRE },           /* connections reset at any byte */
        { "pause", STRIKE_PAUSE },         /* processes that stand still */
        { "backup", STRIKE_BACKUP },       /* disks put back to an older state */
        { "lost", STRIKE_LOST },           /* disks that are empty, all but the identity */
        { "rogue", STRIKE_ROGUE },         /* impostors */
        { "classic", STRIKE_CLASSIC },     /* nodes without an identity */
};

unsigned parse_faults(const char *list)
{
        unsigned bits = 0;

        if (streq(list, "all"))
                return UINT32_MAX;
        if (streq(list, "none"))
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(faults); i++)
                if (strstr(list, faults[i].name))
                        bits |= faults[i].bit;
        return bits;
}

void set_weather(struct run *r, struct weather *ret)
{
        *ret = (struct weather){
                .latency_usec_min = 1 * USEC_PER_MSEC,
                .latency_usec_max = 20 * USEC_PER_MSEC,
        };
        if (r->faults & STRIKE_LOSS) {
                ret->loss = (unsigned)below(r, 300);
                ret->duplicate = (unsigned)below(r, 100);
                ret->latency_usec_max = (1 + below(r, 500)) * USEC_PER_MSEC;
        }
        if (r->faults & STRIKE_SPLIT)
                ret->split = (unsigned)below(r, 1000);
        if (r->faults & STRIKE_CRASH)
                ret->crash = (unsigned)below(r, 10);
        if (r->faults & STRIKE_CABLE)
                ret->snap_cable = (unsigned)below(r, 10);
        if (r->faults & STRIKE_ONEWAY)
                ret->snap_way = (unsigned)below(r, 10);
        if (r->faults & STRIKE_CRASH)
                ret->snap_kill = (unsigned)below(r, 10);
        if (r->faults & STRIKE_POWER)
                ret->snap_power = (unsigned)below(r, 10);
        if (r->faults & STRIKE_WIRE)
                ret->snap_wire = (unsigned)below(r, 20);
        if (r->faults & STRIKE_DISK)
                ret->disk = (unsigned)below(r, 10);
        if (r->faults & STRIKE_BATCH)
                ret->turn_usec = below(r, 100 * USEC_PER_MSEC);
}

static void move(struct run *r, struct machine *m)
{
        if (r->host_last < 250 && m->n_former < ELEMENTSOF(m->former))
                machine_move(m, 1, ++r->host_last);
}

static void divide(struct run *r)
{
        struct world *w = r->world;
        uint64_t side = below(r, 2) ? 0 : below(r, UINT64_C(1) << w->n_machines);

        for (unsigned i = 0; i < w->n_machines; i++)
                for (unsigned k = 0; k < w->n_machines; k++)
                        w->is_cut[i][k] = (side >> i & 1) != (side >> k & 1);
}

/* One machine, or two at about the same time, are copied, or put back. */
static void turn_back(struct run *r, struct machine *m, struct machine *other)
{
        bool is_both = below(r, 3) == 0;

        for (int i = 0; i < 2; i++, m = other) {
                if (i == 1 && !is_both)
                        return;
                if (m->n_backups == 0 || below(r, 2) == 0)
                        machine_back_up(m);
                else
                        machine_put_back(m, &m->backups[below(r, m->n_backups)]);
        }
}

static void strike(struct run *r, struct machine *m, struct machine *other)
{
        unsigned bit = 1U << below(r, N_STRIKES);

        if (!(r->faults & bit))
                return;
        if (bit == STRIKE_CABLE)
                machine_set_cable(m, m->is_cut);
        else if (bit == STRIKE_ONEWAY)
                r->world->is_cut[m->index][other->index] =
                        m != other && !r->world->is_cut[m->index][other->index];
        else if (bit == STRIKE_PARTITION)
                divide(r);
        else if (bit == STRIKE_CRASH && below(r, 2) == 0)
                machine_kill(m);
        else if (bit == STRIKE_CRASH)
                m->crash_next = (enum crash)(1 + below(r, N_CRASHES - 1));
        else if (bit == STRIKE_POWER)
                machine_power_off(m);
        else if (bit == STRIKE_CLOCK)
                m->real_offset_usec = (int64_t)below(r, 2 * USEC_PER_DAY) - (int64_t)USEC_PER_DAY;
        else if (bit == STRIKE_MOVE && below(r, 8) == 0)
                move(r, m);
        else if (bit == STRIKE_PAUSE)
                machine_pause(m,
                        below(r, 2) ? below(r, 5 * USEC_PER_SEC) : below(r, 2 * USEC_PER_MINUTE));
        else if (bit == STRIKE_BACKUP)
                turn_back(r, m, other);
        else if (bit == STRIKE_LOST && below(r, 4) == 0)
                machine_put_back(m, NULL);
}

void tick_fault(struct world *w, void *userdata)
{
        struct run *r = userdata;

        if (w->now_usec >= r->end_usec)
                return;
        for (unsigned i = 0; i < r->n_nodes; i++)
                if (!w->machines[i].node && below(r, 3) == 0)
                        machine_start(&w->machines[i]);
        strike(r, any(r), any(r));
        world_at(w, w->now_usec + below(r, 40 * USEC_PER_SEC), tick_fault, r);
}

void tick_rogue(struct world *w, void *userdata)
{
        struct run *r = userdata;

        if (w->now_usec >= r->end_usec)
                return;
        rogue_act(r->rogue, any(r), any(r));
        world_at(w, w->now_usec + below(r, 20 * USEC_PER_SEC), tick_rogue, r);
}

static void silence(struct machine *rogue)
{
        struct world *w = rogue->world;

        rogue->manner = MANNER_REFUSE;
        w->records = false;
        list_for_each_safe (i, &w->wires) {
                struct wire *wire = container_of(i, struct wire, list);

                if (wire->ends[0].machine == rogue || wire->ends[1].machine == rogue)
                        wire_cut(w, wire);
        }
}

void repair(struct run *r)
{
        struct world *w = r->world;

        w->weather = (struct weather){
                .latency_usec_min = w->weather.latency_usec_min,
                .latency_usec_max = w->weather.latency_usec_max,
                .split = w->weather.split,
                .turn_usec = w->weather.turn_usec,
        };
        memset(w->is_cut, 0, sizeof w->is_cut);
        if (r->rogue)
                silence(r->rogue);
        for (unsigned i = 0; i < r->n_nodes; i++) {
                struct machine *m = &w->machines[i];

                machine_go_on(m);
                machine_set_cable(m, true);
                m->crash_next = CRASH_NONE;
                fault_vfs_plan(m->disk, FAULT_NONE, 0);
                m->real_offset_usec = 0;
                if (!m->node)
                        machine_start(m);
                rename_one(m, r->names[i]);
                unblock_all(m);
        }
}
