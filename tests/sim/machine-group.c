/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a daemon does for groups (src/daemon/team.c), and what must be true of them in the end */
#include "core/node/node-private.h"
#include "tests/sim/oracle.h"

static void check(struct machine *m, int r, const char *what)
{
        if (r < 0)
                world_fail(m->world, "%c: %s gives %s", m->letter, what, strerror(-r));
}

static int restore_group(const struct group_record *group, void *userdata)
{
        struct machine *m = userdata;

        return node_restore_group(m->node, group, machine_now(m));
}

static int restore_leave(const struct leave_record *leave, void *userdata)
{
        return node_restore_leave(((struct machine *)userdata)->node, leave);
}

static int restore_lane(const struct lane_record *lane, void *userdata)
{
        return node_restore_lane(((struct machine *)userdata)->node, lane);
}

static int restore_told(const struct told_record *told, void *userdata)
{
        struct machine *m = userdata;

        return node_restore_told(m->node, told, machine_now(m));
}

void machine_restore_groups(struct machine *m)
{
        check(m, store_load_groups(m->store, restore_group, m), "store_load_groups()");
        check(m, store_load_leaves(m->store, restore_leave, m), "store_load_leaves()");
        check(m, store_load_lanes(m->store, restore_lane, m), "store_load_lanes()");
        check(m, store_load_told(m->store, restore_told, m), "store_load_told()");
}

void machine_load_for_group(struct machine *m, const struct effect *effect)
{
        struct event e = { .time_usec = m->world->now_usec,
                .type = EVENT_WANTED,
                .machine = m,
                .data = malloc(sizeof *effect) };

        assert(e.data);
        memcpy(e.data, effect, sizeof *effect);
        world_schedule(m->world, &e);
}

struct wish {
        struct machine *machine;
        const struct effect *effect;
};

static int give(const struct message_record *message, void *userdata)
{
        const struct wish *w = userdata;

        return node_group_message_loaded(w->machine->node, w->effect->load_group_message.group,
                &w->effect->load_group_message.peer, message, machine_now(w->machine));
}

void machine_group_event(struct machine *m, const struct event *e)
{
        struct effect effect;
        struct wish wish = { m, &effect };
        int r;

        memcpy(&effect, e->data, sizeof effect);
        machine_begin(m);
        r = store_load_group_message(m->store, effect.load_group_message.group,
                &effect.load_group_message.lane, effect.load_group_message.number, give, &wish);
        check(m, r == -ENOENT ? give(NULL, &wish) : r, "store_load_group_message()");
}

void machine_accept_invitations(struct machine *m)
{
        struct group_view *views;
        size_t n;

        machine_begin(m);
        check(m, node_list_groups(m->node, &views, &n), "node_list_groups()");
        for (size_t i = 0; i < n; i++)
                if (views[i].is_invited &&
                        node_group_accept(m->node, views[i].id, machine_now(m), NULL) != 0)
                        world_fail(m->world, "%c cannot accept %s", m->letter, views[i].word);
        free(views);
}

/*
 * In the end
 */

/* 0: it is no member, or says that it leaves. */
static uint32_t joined(
        const struct machine *m, const struct group_id *id, const struct machine *who)
{
        static struct group_member_info members[GROUP_MEMBERS_MAX];
        size_t n = group_members(m->node->groups.engine, id, members, ELEMENTSOF(members));

        for (size_t i = 0; i < n; i++)
                if (!members[i].is_leaving && memcmp(members[i].key.bytes, who->identity.public_key,
                                                      PUBLIC_KEY_SIZE) == 0)
                        return members[i].joined;
        return 0;
}

static uint64_t lane_number(
        const struct machine *m, const struct group_id *id, const struct group_lane_id *lane)
{
        static struct group_lane_info lanes[4096];
        size_t n = group_lanes(m->node->groups.engine, id, lanes, ELEMENTSOF(lanes));

        for (size_t i = 0; i < MIN(n, ELEMENTSOF(lanes)); i++)
                if (group_lane_id_equal(&lanes[i].id, lane))
                        return lanes[i].number;
        return 0;
}

/* All of @a to which both have a right, @b has. */
static void compare(struct machine *a, struct machine *b, const struct group_info *info)
{
        static struct group_lane_info lanes[4096];
        struct world *w = a->world;
        uint32_t since = MAX(joined(a, &info->id, a), joined(a, &info->id, b));
        size_t n = group_lanes(a->node->groups.engine, &info->id, lanes, ELEMENTSOF(lanes));

        for (size_t i = 0; i < MIN(n, ELEMENTSOF(lanes)); i++) {
                uint64_t number = lane_number(b, &info->id, &lanes[i].id);

                if (lanes[i].id.version >= since && number < lanes[i].number)
                        world_fail(w, "%c has %ju of a lane of %s, and %c only %ju", a->letter,
                                (uintmax_t)lanes[i].number, info->name, b->letter,
                                (uintmax_t)number);
        }
}

static void expect_agreed(struct machine *a, struct machine *b)
{
        static struct group_info groups[64];
        struct world *w = a->world;
        size_t n = group_list(a->node->groups.engine, groups, ELEMENTSOF(groups));

        for (size_t i = 0; i < n; i++) {
                struct group_info other;

                if (groups[i].state != GROUP_MEMBER || joined(a, &groups[i].id, b) == 0)
                        continue;
                bool is_in = group_find(b->node->groups.engine, &groups[i].id, &other) &&
                             other.state == GROUP_MEMBER;

                /* A creator that was put back may have forgotten that one came, or left, and nobody
                 * tells that one (doc/groups.md). */
                if (w->n_put_back > 0 && (!is_in || joined(b, &groups[i].id, a) == 0))
                        continue;
                if (!is_in)
                        world_fail(w, "%c takes %c for a member of %s, and it is not", a->letter,
                                b->letter, groups[i].name);
                if (other.version != groups[i].version ||
                        memcmp(other.hash, groups[i].hash, HASH_SIZE) != 0)
                        world_fail(w, "%c has version %u of %s, and %c another one of number %u",
                                a->letter, groups[i].version, groups[i].name, b->letter,
                                other.version);
                /* What is not kept because of who wrote it cannot be given, should he forget it. */
                if (!w->oracle->has_blocks || w->n_put_back == 0)
                        compare(a, b, &groups[i]);
        }
}

void world_expect_groups_agree(struct world *w)
{
        for (unsigned a = 0; a < w->n_machines; a++)
                for (unsigned b = 0; b < w->n_machines; b++) {
                        struct machine *x = &w->machines[a], *y = &w->machines[b];

                        if (a != b && x->node && y->node && !x->is_classic && !y->is_classic)
                                expect_agreed(x, y);
                }
}
