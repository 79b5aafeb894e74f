/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Erases messages that have grown too old */
#include "daemon/retention.h"

#include "daemon/manager.h"

#define STEP_USEC USEC_PER_MINUTE /* clocks that are only regulated differ by less */
#define PATIENCE_USEC USEC_PER_HOUR

usec_t wall_clock_wait(struct wall_clock *c, struct now now, usec_t patience_usec)
{
        usec_t expected_usec =
                usec_add(c->last.real_usec, usec_sub(now.mono_usec, c->last.mono_usec));
        usec_t low = usec_min(expected_usec, now.real_usec),
               high = MAX(expected_usec, now.real_usec);

        if (c->last.real_usec > 0 && high - low > STEP_USEC)
                c->believed_usec = usec_add(now.mono_usec, patience_usec);
        c->last = now;
        return usec_sub(c->believed_usec, now.mono_usec);
}

static usec_t patience(const struct retention *r)
{
        return usec_min(PATIENCE_USEC, r->manager->memory.age_max_usec);
}

/* Not for longer than that: the clock may be set meanwhile. */
static int arm(struct retention *r, usec_t wait_usec)
{
        int k = sd_event_source_set_time_relative(r->timer, usec_min(wait_usec, patience(r)));

        return k < 0 ? k : sd_event_source_set_enabled(r->timer, SD_EVENT_ONESHOT);
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
        struct retention *r = userdata;
        struct manager *m = r->manager;
        struct now now = manager_now(m);
        usec_t wait_usec = wall_clock_wait(&r->clock, now, patience(r)), next_usec;
        int k;

        if (wait_usec > 0)
                return arm(r, wait_usec);
        k = store_expire(m->memory.store, now.real_usec, &next_usec);
        if (k < 0) {
                manager_fail(m, k, "Failed to erase old messages");
                return 0;
        }
        m->n_inputs++;
        return next_usec == USEC_INFINITY ? 0 : arm(r, usec_sub(next_usec, now.real_usec));
}

int retention_start(struct retention *r, struct manager *m)
{
        r->manager = m;
        if (m->memory.age_max_usec == USEC_INFINITY)
                return 0;
        return sd_event_add_time(m->event, &r->timer, CLOCK_BOOTTIME, 0, USEC_PER_SEC, on_timer, r);
}

void retention_done(struct retention *r)
{
        r->timer = sd_event_source_unref(r->timer);
}

/* What has just ended has the longest time before it. */
int retention_look(struct retention *r)
{
        int enabled, k;

        if (!r->timer)
                return 0;
        (void)wall_clock_wait(&r->clock, r->manager->now, patience(r));
        k = sd_event_source_get_enabled(r->timer, &enabled);
        if (k < 0 || enabled != SD_EVENT_OFF)
                return k < 0 ? k : 0;
        return arm(r, r->manager->memory.age_max_usec);
}
