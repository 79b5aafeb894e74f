/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is asked of whom
 *
 * Each lane of one member at a time, some messages at once, in a window of so many from that
 * member. What there is no room for is not remembered: the member is compared with again once
 * nothing is asked any more, or after a while. Who does not deliver what it says it has is not
 * asked for a time, each further time twice as long, and others are.
 */
#include "core/group/group-internal.h"

static struct ask *find_ask(const struct group *g, const struct group_lane_id *lane)
{
        uint8_t key[LANE_KEY_SIZE];

        group_lane_pack(lane, key);
        for (struct table_entry *i = table_find(&g->asks, key, sizeof key); i;
                i = table_find_next(i)) {
                struct ask *a = container_of(i, struct ask, in_asks);

                if (group_lane_id_equal(&a->lane, lane))
                        return a;
        }
        return NULL;
}

static bool is_paused(const struct group_engine *e, const struct meeting *m)
{
        return e->now.mono_usec < m->paused_usec;
}

/* Somebody has more: when is it asked for? */
static void plan_compare(struct group_engine *e, struct group *g)
{
        usec_t wait_usec = g->asks.n > 0 ? STALE_USEC : COMPARE_USEC;
        usec_t usec = usec_add(e->now.mono_usec, wait_usec + random_below(e->random, COMPARE_USEC));

        g->compare_usec = usec_min(g->compare_usec, usec);
        group_plan(e, g, g->compare_usec);
}

void group_want_more(struct group_engine *e, struct meeting *m)
{
        m->wants_more = true;
        plan_compare(e, m->group);
}

static bool is_more_wanted(const struct group *g)
{
        list_for_each (i, &g->meetings)
                if (container_of(i, struct meeting, in_group)->wants_more)
                        return true;
        return false;
}

static void remove_ask(struct group_engine *e, struct ask *a)
{
        struct meeting *m = a->meeting;
        struct group *g = m->group;

        if (a->until >= a->next)
                m->n_flight -= (size_t)(a->until - a->next + 1);
        table_remove(&g->asks, &a->in_asks);
        list_remove(&a->in_meeting);
        m->n_asks--;
        free(a);
        if (g->asks.n == 0 && is_more_wanted(g))
                plan_compare(e, g);
}

void group_drop_asks(struct group_engine *e, struct meeting *m)
{
        list_for_each_safe (i, &m->asks)
                remove_ask(e, container_of(i, struct ask, in_meeting));
}

static bool may_ask(struct group_engine *e, struct meeting *m, struct ask *a)
{
        if (is_paused(e, m) || m->n_asks >= GROUP_ASKS_PER_PEER_MAX)
                return false;
        return !a || e->now.mono_usec >= usec_add(a->begin_usec, STALE_USEC);
}

void group_ask(struct group_engine *e, struct meeting *m, const struct group_lane_id *lane,
        uint64_t first, uint64_t last)
{
        struct ask *a = find_ask(m->group, lane);
        uint8_t key[LANE_KEY_SIZE];

        if (a && a->meeting == m) {
                a->offered = MAX(a->offered, last);
                return;
        }
        if (!may_ask(e, m, a)) {
                group_want_more(e, m);
                return;
        }
        if (a)
                remove_ask(e, a);
        a = calloc(1, sizeof *a);
        group_lane_pack(lane, key);
        if (!a || table_add(&m->group->asks, &a->in_asks, key, sizeof key) < 0) {
                e->error = -ENOMEM;
                free(a);
                return;
        }
        a->meeting = m;
        a->lane = *lane;
        a->next = first;
        a->until = first - 1;
        a->offered = last;
        a->begin_usec = e->now.mono_usec;
        list_init(&a->in_meeting);
        list_append(&m->asks, &a->in_meeting);
        m->n_asks++;
}

static void send_get(struct group_engine *e, struct meeting *m, struct ask *a)
{
        struct group_gossip get = { .group = m->group->id, .lane = a->lane, .number = a->next };
        uint64_t left = a->offered - a->next + 1, room = GROUP_WINDOW - m->n_flight;

        left = MIN(left, room);
        get.n = (size_t)MIN(left, (uint64_t)ASK_AT_ONCE);
        a->until = a->next + get.n - 1;
        if (m->n_flight == 0)
                m->asked_usec = e->now.mono_usec;
        m->n_flight += get.n;
        group_post(e, &m->peer->key, group_gossip_get(&get, e->message));
}

void group_pump(struct group_engine *e, struct meeting *m)
{
        list_for_each_safe (i, &m->asks) {
                struct ask *a = container_of(i, struct ask, in_meeting);
                const struct lane *l = group_find_lane(m->group, &a->lane);

                if (m->n_flight >= GROUP_WINDOW)
                        break;
                if (a->until >= a->next)
                        continue;
                /* It may have come by another way. */
                if (l && l->high >= a->next)
                        a->next = l->high + 1, a->until = l->high;
                if (a->next > a->offered)
                        remove_ask(e, a);
                else
                        send_get(e, m, a);
        }
        if (m->n_flight > 0)
                group_plan(e, m->group, usec_add(m->asked_usec, ASK_USEC));
}

void group_came(struct group_engine *e, struct meeting *m, const struct group_message *message)
{
        struct ask *a = find_ask(m->group, &message->lane);

        if (!a || a->meeting != m || message->number != a->next || a->until < a->next)
                return;
        m->asked_usec = e->now.mono_usec;
        m->n_failures = 0;
        m->n_flight--;
        if (a->next++ < a->until)
                return;
        if (a->next > a->offered)
                remove_ask(e, a);
        group_pump(e, m);
}

/* What it promised did not come. */
static void give_up(struct group_engine *e, struct meeting *m)
{
        usec_t pause_usec = PAUSE_USEC << MIN(m->n_failures, PAUSE_DOUBLINGS);

        m->n_failures++;
        m->paused_usec = usec_add(e->now.mono_usec, pause_usec);
        m->wants_more = true;
        group_drop_asks(e, m);
        plan_compare(e, m->group);
}

static void compare(struct group_engine *e, struct group *g)
{
        g->compare_usec = USEC_INFINITY;
        list_for_each (i, &g->meetings) {
                struct meeting *m = container_of(i, struct meeting, in_group);

                if (!m->wants_more)
                        continue;
                if (is_paused(e, m)) {
                        g->compare_usec = usec_min(g->compare_usec, m->paused_usec);
                        continue;
                }
                m->wants_more = false;
                group_tell_tip(e, m);
        }
}

void group_wake_asks(struct group_engine *e, struct group *g)
{
        list_for_each (i, &g->meetings) {
                struct meeting *m = container_of(i, struct meeting, in_group);
                usec_t deadline = usec_add(m->asked_usec, ASK_USEC);

                if (m->n_flight == 0)
                        continue;
                if (deadline <= e->now.mono_usec)
                        give_up(e, m);
                else
                        group_plan(e, g, deadline);
        }
        if (g->compare_usec <= e->now.mono_usec)
                compare(e, g);
        group_plan(e, g, g->compare_usec);
}
