/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Long work, done in slices between which everybody else is served */
#include "daemon/chore.h"
#include "daemon/manager.h"

static void run_slice(struct chore *c)
{
        chore_sleep(c);
        if (c->slice(c->userdata))
                chore_wake(c);
}

static int on_idle(sd_event_source *s, void *userdata)
{
        struct chore *c = userdata;

        if (c->manager->n_inputs == 0 || manager_flush(c->manager) >= 0)
                run_slice(c);
        return 0;
}

static int on_late(sd_event_source *s, uint64_t usec, void *userdata)
{
        run_slice(userdata);
        return 0;
}

int chore_start(struct chore *c, struct manager *m, bool (*slice)(void *userdata), void *userdata)
{
        int r;

        *c = (struct chore){ .manager = m, .slice = slice, .userdata = userdata };
        r = sd_event_add_defer(m->event, &c->idle, on_idle, c);
        if (r >= 0)
                r = sd_event_source_set_priority(c->idle, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                r = sd_event_add_time(
                        m->event, &c->late, CLOCK_MONOTONIC, 0, USEC_PER_MSEC, on_late, c);
        if (r < 0)
                return r;
        chore_sleep(c);
        return 0;
}

void chore_wake(struct chore *c)
{
        int enabled = SD_EVENT_OFF;

        (void)sd_event_source_get_enabled(c->late, &enabled);
        if (enabled != SD_EVENT_OFF)
                return;
        (void)sd_event_source_set_enabled(c->idle, SD_EVENT_ONESHOT);
        (void)sd_event_source_set_time_relative(c->late, CHORE_WAIT_USEC);
        (void)sd_event_source_set_enabled(c->late, SD_EVENT_ONESHOT);
}

void chore_sleep(struct chore *c)
{
        (void)sd_event_source_set_enabled(c->idle, SD_EVENT_OFF);
        (void)sd_event_source_set_enabled(c->late, SD_EVENT_OFF);
}

void chore_done(struct chore *c)
{
        c->idle = sd_event_source_disable_unref(c->idle);
        c->late = sd_event_source_disable_unref(c->late);
}
