/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Scenarios that read like the protocol
 *
 * Each is a little world whose whole trace is written down. Latency is 10 ms; a is the machine that
 * is looked at. When behaviour changes on purpose, the trace that is printed is the new one.
 */
#include "core/crypto/crypto.h"
#include "lib/test.h"
#include "tests/sim/oracle.h"

#define AT(seconds) ((usec_t)((seconds)*1e6))

static inline struct world *begin(bool announcements)
{
        return world_new(&(struct world_options){
                .seed = 1,
                .weather = { .latency_usec_min = 10 * USEC_PER_MSEC },
                .keep_trace = true,
                .trace_announcements = announcements,
        });
}

/* One that has an identity. */
static inline struct machine *start_native(struct world *w, const char *name, unsigned host)
{
        struct machine *m = world_add(w, name, 1, host, NULL);

        machine_start(m);
        return m;
}

/* One that has none, and speaks as old programs do. */
static inline struct machine *start(struct world *w, const char *name, unsigned host)
{
        struct machine *m = world_add(w, name, 1, host, NULL);

        m->is_classic = true;
        machine_start(m);
        return m;
}

/* What came before is not looked at. */
static inline void forget_trace(struct world *w)
{
        buffer_clear(&w->trace);
}

static inline void expect(struct world *w, const char *trace)
{
        if (!streq(world_trace(w), trace))
                TEST_FAIL("the trace is another:\n%s# and not:\n%s", world_trace(w), trace);
}

/* A foreign machine says that it is here. */
static inline void announce(struct machine *m, enum dialect dialect, const char *data)
{
        struct world *w = m->world;

        for (unsigned i = 0; i < w->n_machines; i++)
                if (!w->machines[i].is_foreign)
                        world_datagram(
                                w, dialect, &m->address, &w->machines[i], data, strlen(data));
}

static inline int set_up(void)
{
        bool is_locked;

        return crypto_init(&is_locked) < 0 ? 1 : 0;
}
