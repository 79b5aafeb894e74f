/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What must be true of messages to an address and a name */
#include "tests/sim/oracle.h"

bool classic_is_excused(const struct oracle *o, const struct said *s)
{
        if (o->is_loose || s->is_forgotten || s->to == NOBODY ||
                o->refused_usec[s->to][s->from] >= s->time_usec)
                return true;
        /* It had the key, and lost it: what comes then is taken, and cannot be read. */
        if (o->undecryptable_usec[s->to] >= s->time_usec &&
                o->n_disturbed[s->from][s->to] > s->n_disturbed)
                return true;
        /* Its kernel acknowledged, and it has not read yet: it may die before it does. */
        if (o->stands_until_usec[s->to] >= s->time_usec ||
                o->acknowledged_usec[s->from][s->to] >= s->time_usec)
                return true;
        for (size_t i = 0; i < o->n_rows[s->to]; i++) {
                const struct row *row = &o->rows[s->to][i];

                if (row->is_blocked &&
                        oracle_who(o->world, &row->endpoint) == &o->world->machines[s->from])
                        return true;
        }
        return false;
}

void classic_settled(
        struct machine *m, struct said *s, enum message_state state, const char *reason)
{
        struct world *w = m->world;
        const struct machine *to = &w->machines[s->to];

        if (to->is_foreign || w->oracle->is_loose)
                return;
        if (state == MESSAGE_SENT && s->n_covered < s->size && !classic_is_excused(w->oracle, s))
                world_fail(w, "%c: \"%.20s\" is sent, but %c has %zu of %zu bytes", m->letter,
                        s->text, to->letter, s->n_covered, s->size);
        if (state == MESSAGE_DELIVERED && !s->was_here)
                world_fail(w, "%c: \"%.20s\" is delivered, and was never at %c", m->letter, s->text,
                        to->letter);
        /* Who hung up time and again after the key seems to have no cipher. */
        if (state == MESSAGE_FAILED && !classic_is_excused(w->oracle, s) &&
                (!streq(reason, "NotSecure") || w->oracle->n_disturbed[s->from][s->to] == 0))
                world_fail(w, "%c: \"%.20s\" failed: %s", m->letter, s->text, reason);
}

/* All that was written before @s into the same conversation has come, or never will. */
static void check_order(struct machine *m, struct oracle *o, const struct said *s)
{
        const struct pair *pair = &o->pairs[s->from][s->to];

        for (size_t i = 0; i < s->index; i++) {
                const struct said *t = pair->said[i];

                if (t->peer == s->peer && t->n_covered < t->size && t->state == MESSAGE_QUEUED &&
                        !t->is_gone && !classic_is_excused(o, t))
                        world_fail(o->world, "%c hears \"%.20s\" before \"%.20s\"", m->letter,
                                s->text, t->text);
        }
}

static void repeated(struct machine *m, struct oracle *o, struct said *s)
{
        o->n_repeats++;
        s->n_repeats++;
        /* Who was put back sends all parts once more. */
        if (!o->is_loose && o->disk_life[s->from] == 0 &&
                o->n_disturbed[s->from][s->to] - s->n_disturbed < s->n_repeats)
                world_fail(o->world, "%c hears \"%.20s\" again, and nothing broke", m->letter,
                        s->text);
}

/* Where in what @from said to @m this belongs: the next part, or one that came before. */
void classic_received(struct machine *m, struct machine *from, const struct message_record *r)
{
        struct oracle *o = m->world->oracle;
        struct pair *pair;

        if (!from || from->is_foreign)
                return;
        pair = &o->pairs[from->index][m->index];
        for (size_t i = 0; i < pair->n; i++) {
                struct said *s = pair->said[i];
                size_t left = s->size - s->n_covered;

                if (s->is_native || left < r->size || left == 0 ||
                        memcmp(s->text + s->n_covered, r->text, r->size) != 0)
                        continue;
                check_order(m, o, s);
                s->n_covered += r->size;
                return;
        }
        for (size_t i = pair->n; i > 0; i--) {
                struct said *s = pair->said[i - 1];
                const char *at = memmem(s->text, s->size, r->text, r->size);

                if (s->is_native || !at)
                        continue;
                /* Otherwise a part before it was lost. */
                if ((size_t)(at - s->text) <= s->n_covered)
                        repeated(m, o, s);
                else if (!classic_is_excused(o, s))
                        continue;
                s->n_covered = MAX(s->n_covered, (size_t)(at - s->text) + r->size);
                return;
        }
        if (!o->is_loose)
                world_fail(o->world, "%c hears of %c what it never said: \"%.*s\"", m->letter,
                        from->letter, (int)MIN(r->size, (size_t)60), r->text);
}
