/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What must be true of answers to callers, and at the end of a world */
#include "tests/sim/oracle.h"

#define ANSWER_SLACK_USEC (1 * USEC_PER_SEC)

void oracle_called(struct machine *m, uint64_t call, usec_t wait_usec)
{
        struct oracle *o = m->world->oracle;
        size_t n = o->n_calls[m->index]++;

        if (n >= ELEMENTSOF(o->calls[0]))
                world_fail(m->world, "%c: %zu calls wait", m->letter, n);
        o->calls[m->index][n].call = call;
        o->calls[m->index][n].deadline_usec =
                m->world->now_usec + wait_usec + m->world->weather.turn_usec + ANSWER_SLACK_USEC;
}

void oracle_paused(struct machine *m, usec_t span_usec)
{
        struct oracle *o = m->world->oracle;

        o->stands_until_usec[m->index] = m->world->now_usec + span_usec;
        for (size_t i = 0; i < o->n_calls[m->index]; i++)
                o->calls[m->index][i].deadline_usec += span_usec;
}

static bool drop_call(struct machine *m, uint64_t call)
{
        struct oracle *o = m->world->oracle;
        size_t n = o->n_calls[m->index];

        for (size_t i = 0; i < n; i++)
                if (o->calls[m->index][i].call == call) {
                        o->calls[m->index][i] = o->calls[m->index][n - 1];
                        o->n_calls[m->index]--;
                        return true;
                }
        return false;
}

void oracle_forget_call(struct machine *m, uint64_t call)
{
        (void)drop_call(m, call);
}

void oracle_replied(
        struct machine *m, uint64_t call, const struct ulid *id, enum message_state state)
{
        struct world *w = m->world;
        const struct said *s = oracle_find(w->oracle, id);
        const struct spoken *g = s ? NULL : group_find_spoken(w->oracle, id);
        bool is_own = s ? s->from == m->index : g && g->from == m->index;
        enum message_state stored = s ? s->state : g ? g->state : MESSAGE_FAILED;

        if (!drop_call(m, call))
                world_fail(w, "%c: call %ju is answered, but does not wait", m->letter,
                        (uintmax_t)call);
        if (!is_own)
                world_fail(w, "%c: call %ju is answered, and nothing is on disk", m->letter,
                        (uintmax_t)call);
        if (state != MESSAGE_QUEUED && stored != state)
                world_fail(w, "%c: call %ju hears %s, and it is %s", m->letter, (uintmax_t)call,
                        message_state_word(state), message_state_word(stored));
        w->oracle->n_replies++;
}

/*
 * The end of a world
 */
static bool is_meant(const struct user *user, const struct machine *m, const struct machine *other)
{
        if (!m->is_classic && !other->is_classic)
                return streq(user->id, other->identity.id);
        return !user->id[0] && endpoint_same_address(&user->endpoint, &other->address) &&
               name_equal(user->name, other->username);
}

static void check_sees(struct machine *m, const struct machine *other)
{
        struct world *w = m->world;
        struct user *users, *found = NULL;
        size_t n_users;

        if (node_list_users(m->node, machine_now(m), &users, &n_users) < 0)
                world_fail(w, "%c: node_list_users() fails", m->letter);
        for (size_t i = 0; i < n_users; i++) {
                if (!is_meant(&users[i], m, other))
                        continue;
                if (found)
                        world_fail(w, "%c sees %c twice", m->letter, other->letter);
                found = &users[i];
        }
        if (!found || found->presence != PRESENCE_ONLINE)
                world_fail(w, "%c sees %c %s", m->letter, other->letter,
                        found ? presence_word(found->presence) : "nowhere");
        free(users);
}

/* A classic queue is bound to a name, which may be another now. */
static bool may_wait(const struct world *w, const struct said *s)
{
        const struct machine *to = &w->machines[s->to];

        if (s->to == NOBODY || to->is_foreign)
                return true;
        return !s->is_native && (w->oracle->is_loose || s->time_usec <= to->renamed_usec);
}

static bool waits(const struct world *w, const struct said *s, bool native_only)
{
        return s->state == MESSAGE_QUEUED && !may_wait(w, s) && (s->is_native || !native_only);
}

bool oracle_waits(struct world *w, bool native_only)
{
        struct oracle *o = w->oracle;

        for (size_t i = 0; i < o->n_said; i++)
                if (waits(w, o->said[i], native_only))
                        return true;
        return false;
}

void oracle_expect_delivered(struct world *w, bool native_only)
{
        struct oracle *o = w->oracle;

        for (size_t i = 0; i < o->n_said; i++) {
                const struct said *s = o->said[i];

                if (waits(w, s, native_only))
                        world_fail(w, "%c still keeps \"%.20s\" for %c",
                                w->machines[s->from].letter, s->text, w->machines[s->to].letter);
                if (s->is_native && s->state == MESSAGE_DELIVERED && !s->is_here &&
                        !s->is_forgotten && s->life == o->disk_life[s->to])
                        world_fail(w, "\"%.20s\" is delivered, and %c does not have it", s->text,
                                w->machines[s->to].letter);
        }
}

static void check_quiet(struct machine *m)
{
        struct world *w = m->world;

        if (node_links(m->node) > 0 || node_sessions(m->node) > 0)
                world_fail(w, "%c has %zu links and %zu sessions left", m->letter,
                        node_links(m->node), node_sessions(m->node));
        if (w->oracle->n_calls[m->index] > 0)
                world_fail(w, "%c has %zu calls left", m->letter, w->oracle->n_calls[m->index]);
        for (unsigned k = 0; k < w->n_machines; k++)
                if (k != m->index && !w->machines[k].is_foreign && w->machines[k].lan == m->lan)
                        check_sees(m, &w->machines[k]);
}

void oracle_expect_quiet(struct world *w)
{
        for (unsigned i = 0; i < w->n_machines; i++)
                if (!w->machines[i].is_foreign)
                        check_quiet(&w->machines[i]);
        if (w->n_wires > 0)
                world_fail(w, "%zu connections are left", w->n_wires);
}
