/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Going to places where a node of the ring may be
 *
 * Places come from a person (join), from the configuration, from what was remembered, or from an
 * announcement on the local network. They are dialled one after the other until one of them proves
 * to be a node of the ring.
 */
#include <stdio.h>

#include "core/node/node-private.h"

#define VISITS_MAX 16

static void visit_free(struct visit *v)
{
        list_remove(&v->list);
        free(v);
}

void node_visits_done(struct node *n)
{
        list_for_each_safe (i, &n->ring.visits)
                visit_free(container_of(i, struct visit, list));
}

static size_t count_visits(const struct node *n)
{
        size_t count = 0;

        list_for_each (i, &n->ring.visits)
                count++;
        return count;
}

static int give_up(struct node *n, struct visit *v)
{
        struct refusal refusal;
        int r = 0, code;

        if (v->call != 0) {
                code = refuse(&refusal, REFUSAL_NOT_REACHABLE,
                        "Nobody of the ring answers at \"%.100s\": p2pchat must run there, and its "
                        "TCP port be open.",
                        v->name);
                r = node_refuse_call(n, v->call, code, &refusal);
        }
        visit_free(v);
        return r;
}

/* The next place, or the end. */
static int go_on(struct node *n, struct visit *v, struct now now)
{
        struct link *link;
        int r;

        if (v->next == v->n_places || n->is_leaving || !node_has_room(n))
                return give_up(n, v);
        r = node_dial_native(n, NULL, LINK_FOR_RING, &v->places[v->next++], now, &link);
        if (r < 0)
                return r;
        memcpy(link->wanted_id, v->wanted_id, sizeof link->wanted_id);
        link->visit = v;
        v->link = link->number;
        return 0;
}

int node_visit(struct node *n, uint64_t call, const char *name, const char *wanted_id,
        const struct endpoint *places, size_t n_places, struct now now)
{
        struct visit *v;

        /* Nobody asked for it: another time will do. */
        if (call == 0 && count_visits(n) >= VISITS_MAX)
                return 0;
        v = calloc(1, sizeof *v);
        if (!v)
                return -ENOMEM;
        v->call = call;
        (void)snprintf(v->name, sizeof v->name, "%s", name);
        memcpy(v->wanted_id, wanted_id, strlen(wanted_id));
        v->n_places = MIN(n_places, ELEMENTSOF(v->places));
        memcpy(v->places, places, v->n_places * sizeof *places);
        list_append(&n->ring.visits, &v->list);
        return go_on(n, v, now);
}

int node_visit_met(struct node *n, struct visit *v, struct now now)
{
        int r = 0;

        if (v->call != 0)
                r = agenda_add_effect(&n->agenda,
                        &(struct effect){ .type = EFFECT_JOINED, .joined = { .call = v->call } });
        visit_free(v);
        return r;
}

int node_visit_missed(struct node *n, struct visit *v, struct now now)
{
        return go_on(n, v, now);
}

void node_visit_forget_call(struct node *n, uint64_t call)
{
        list_for_each (i, &n->ring.visits) {
                struct visit *v = container_of(i, struct visit, list);

                if (v->call == call)
                        v->call = 0;
        }
}

int node_visits_end(struct node *n)
{
        list_for_each_safe (i, &n->ring.visits) {
                struct visit *v = container_of(i, struct visit, list);
                struct link *link = node_link(n, v->link);
                int r;

                if (link)
                        link->visit = NULL;
                r = give_up(n, v);
                if (r < 0)
                        return r;
        }
        return 0;
}
