/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What users do with groups: make some, invite, leave, write */
#include <stdio.h>

#include "tests/sim/sim.h"

#define GROUPS_MAX 4 /* of a world */

static void check(struct machine *m, int r, const char *what)
{
        if (r < 0)
                world_fail(m->world, "%c: %s gives %s", m->letter, what, strerror(-r));
}

static void create(struct run *r, struct machine *m, struct machine *other)
{
        const char *words[] = { other->identity.id };
        char name[16], id[GROUP_ID_STRING_SIZE];
        int k;

        (void)snprintf(name, sizeof name, "team-%u", r->n_groups);
        k = node_group_create(m->node, name, words, 1, machine_now(m), id, NULL);
        check(m, k, "node_group_create()");
        r->n_groups += k == 0;
}

static void write_to(struct run *r, struct machine *m, const char *word)
{
        static char text[TEXT_SIZE_MAX];
        struct send_options options = {
                .security = -1,
                .wait_usec = below(r, 2) == 0 ? SEND_WAIT_USEC : 0,
        };

        for (uint64_t n = below(r, 10) == 0 ? below(r, 100) : 1; n > 0; n--) {
                size_t size = make_text(r, text, below(r, 40) == 0 ? sizeof text : 2000);

                (void)machine_try_send(m, word, text, size, &options, NULL);
        }
}

/* One of those that it is in. */
static void act(struct run *r, struct machine *m, const struct machine *other, const char *id)
{
        struct now now = machine_now(m);
        uint64_t way = below(r, 20);

        if (way < 4)
                check(m, node_group_invite(m->node, id, other->identity.id, now, NULL),
                        "node_group_invite()");
        else if (way == 4)
                check(m, node_group_remove(m->node, id, other->identity.id, now, NULL),
                        "node_group_remove()");
        else if (way == 5 && below(r, 4) == 0)
                check(m, node_group_leave(m->node, id, now, NULL), "node_group_leave()");
        else
                write_to(r, m, id);
}

void meet_in_group(struct run *r, struct machine *m, struct machine *other)
{
        struct group_view *views;
        size_t n;

        if (m->is_classic || other->is_classic)
                return;
        machine_accept_invitations(m);
        if (r->n_groups < GROUPS_MAX && below(r, 6) == 0)
                create(r, m, other);
        check(m, node_list_groups(m->node, &views, &n), "node_list_groups()");
        if (n > 0) {
                const struct group_view *v = &views[below(r, n)];

                if (!v->is_invited)
                        act(r, m, other, v->id);
        }
        free(views);
}
