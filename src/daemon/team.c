/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What groups need of the world: what is stored of them, at start and for other members */
#include "daemon/team.h"
#include "daemon/manager.h"

#define LOADS_PER_WAKE_UP 8

/*
 * At start
 */
static int restore_group(const struct group_record *group, void *userdata)
{
        struct manager *m = userdata;

        return node_restore_group(m->node, group, m->now);
}

static int restore_leave(const struct leave_record *leave, void *userdata)
{
        return node_restore_leave(((struct manager *)userdata)->node, leave);
}

static int restore_lane(const struct lane_record *lane, void *userdata)
{
        return node_restore_lane(((struct manager *)userdata)->node, lane);
}

static int restore_told(const struct told_record *told, void *userdata)
{
        struct manager *m = userdata;

        return node_restore_told(m->node, told, m->now);
}

int team_host_restore(struct team_host *h)
{
        struct manager *m = h->manager;
        int r;

        r = store_load_groups(m->memory.store, restore_group, m);
        if (r == 0)
                r = store_load_leaves(m->memory.store, restore_leave, m);
        if (r == 0)
                r = store_load_lanes(m->memory.store, restore_lane, m);
        return r < 0 ? r : store_load_told(m->memory.store, restore_told, m);
}

/*
 * Single messages
 */
int team_host_load_message(struct team_host *h, const struct effect *e)
{
        struct team_wish *w;

        if (h->n_wishes == h->n_allocated) {
                size_t n = h->n_allocated > 0 ? 2 * h->n_allocated : 16;

                w = reallocarray(h->wishes, n, sizeof *w);
                if (!w)
                        return -ENOMEM;
                h->wishes = w;
                h->n_allocated = n;
        }
        h->wishes[h->n_wishes++] = (struct team_wish){
                .group = e->load_group_message.group,
                .number = e->load_group_message.number,
                .lane = e->load_group_message.lane,
                .peer = e->load_group_message.peer,
        };
        return sd_event_source_set_enabled(h->load, SD_EVENT_ONESHOT);
}

struct granting {
        struct manager *manager;
        const struct team_wish *wish;
};

static int grant(const struct message_record *message, void *userdata)
{
        struct granting *g = userdata;
        struct manager *m = g->manager;

        return manager_take(m, node_group_message_loaded(m->node, g->wish->group, &g->wish->peer,
                                       message, manager_now(m)));
}

static int load_message(struct team_host *h, const struct team_wish *w)
{
        struct granting g = { .manager = h->manager, .wish = w };
        int r;

        r = store_load_group_message(
                h->manager->memory.store, w->group, &w->lane, w->number, grant, &g);
        if (r == -ENOENT)
                return grant(NULL, &g);
        if (r < 0)
                manager_fail(h->manager, r, "Failed to read a message of a group");
        return r;
}

static int on_load(sd_event_source *s, void *userdata)
{
        struct team_host *h = userdata;
        size_t n = MIN(h->n_wishes, (size_t)LOADS_PER_WAKE_UP);

        for (size_t i = 0; i < n; i++) {
                const struct team_wish w = h->wishes[i];

                if (load_message(h, &w) < 0)
                        return 0;
        }
        h->n_wishes -= n;
        memmove(h->wishes, h->wishes + n, h->n_wishes * sizeof *h->wishes);
        return sd_event_source_set_enabled(s, h->n_wishes > 0 ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

/*
 * Life
 */
void team_host_init(struct team_host *h, struct manager *m)
{
        *h = (struct team_host){ .manager = m };
}

int team_host_start(struct team_host *h)
{
        int r = sd_event_add_defer(h->manager->event, &h->load, on_load, h);

        if (r >= 0)
                r = sd_event_source_set_enabled(h->load, SD_EVENT_OFF);
        return r < 0 ? r : 0;
}

void team_host_done(struct team_host *h)
{
        h->load = sd_event_source_disable_unref(h->load);
        free(h->wishes);
        h->wishes = NULL;
}
