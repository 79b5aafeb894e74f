/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What wire.c (how processes use connections) and wire-kernel.c (what becomes of them) share */
#include "tests/sim/world.h"

#define ACKNOWLEDGE_TIMEOUT_USEC (20 * USEC_PER_SEC)
/* As the daemon asks its kernel to. */
#define KEEP_ALIVE_USEC (10 * USEC_PER_SEC)
#define PROBE_USEC (4 * USEC_PER_SEC)
#define PROBES_MAX 2

int wire_side(const struct wire *wire, const struct end *end);
void wire_schedule(struct world *w, struct wire *wire, int end, enum event_type type,
        usec_t delay_usec, uint64_t value);
void wire_disturbed(struct world *w, const struct wire *wire);
bool wire_is_over(const struct wire *wire);
void wire_free(struct world *w, struct wire *wire);

/* The process hears that it is over. */
void end_tell_closed(struct end *end, enum link_end how);
/* The kernel forgets it and tells the process, but not the other side. */
void end_give_up(struct world *w, struct wire *wire, struct end *end, enum link_end how);
/* From now on this end knows nothing of the connection; the other is told if the way is open. */
void end_reset(struct world *w, struct wire *wire, struct end *end);
void end_pump_soon(struct world *w, struct wire *wire, struct end *end, usec_t delay_usec);
void end_write(struct world *w, struct wire *wire, struct end *end, const void *data, size_t size);
void end_shut_down(struct world *w, struct wire *wire, struct end *end);
void end_keep_alive_soon(struct world *w, struct wire *wire, struct end *end, usec_t delay_usec);
