/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What must be true of messages to an id */
#include "tests/sim/oracle.h"

static struct said *find_text(struct oracle *o, const char *text, size_t size)
{
        for (struct table_entry *e = table_find(&o->by_text, text, size); e;
                e = table_find_next(e)) {
                struct said *s = container_of(e, struct said, by_text);

                if (s->size == size && memcmp(s->text, text, size) == 0)
                        return s;
        }
        return NULL;
}

static bool is_lost(const struct oracle *o, const struct said *s)
{
        return !s->is_here && !s->is_forgotten && s->life == o->disk_life[s->to];
}

void native_settled(struct machine *m, struct said *s, enum message_state state, const char *reason)
{
        struct world *w = m->world;
        const struct machine *to;

        /* Of a name the ledger may say that it is another's. */
        if (state == MESSAGE_CANCELLED ||
                (m->options.ledger && state == MESSAGE_FAILED && streq(reason, "KeyChanged"))) {
                s->was_cancelled = true;
                return;
        }
        if (state != MESSAGE_DELIVERED)
                world_fail(w, "%c: \"%.20s\" is written to an id, and is %s %s", m->letter, s->text,
                        message_state_word(state), reason);
        if (s->to == NOBODY)
                world_fail(w, "%c: \"%.20s\" is delivered to nobody", m->letter, s->text);
        to = &w->machines[s->to];
        if (!s->was_here)
                world_fail(w, "%c: \"%.20s\" is delivered, and was never at %c", m->letter, s->text,
                        to->letter);
        if (is_lost(w->oracle, s))
                world_fail(w, "%c: \"%.20s\" is delivered, and %c does not have it", m->letter,
                        s->text, to->letter);
}

static void check_order(struct machine *m, struct pair *pair, const struct said *s)
{
        struct world *w = m->world;

        if (s->index + 1 < pair->n_here && !s->may_be_late && !s->is_forgotten)
                world_fail(w, "%c hears \"%.20s\" after \"%.20s\"", m->letter, s->text,
                        pair->said[pair->n_here - 1]->text);
        while (pair->first_open < pair->n &&
                (pair->said[pair->first_open]->state != MESSAGE_QUEUED ||
                        pair->said[pair->first_open]->is_here))
                pair->first_open++;
        for (size_t i = pair->first_open; i < s->index; i++) {
                const struct said *t = pair->said[i];

                if (t->is_native && t->state == MESSAGE_QUEUED && !t->is_here && !t->is_gone &&
                        !t->is_forgotten && !t->may_be_late)
                        world_fail(w, "%c hears \"%.20s\", and \"%.20s\" still waits", m->letter,
                                s->text, t->text);
        }
}

void native_received(struct machine *m, const struct row *row, const struct message_record *r)
{
        struct world *w = m->world;
        struct oracle *o = w->oracle;
        struct said *s = find_text(o, r->text, r->size);
        struct pair *pair;

        if (!s || !streq(w->machines[s->from].identity.id, row->id))
                world_fail(w, "%c hears of %s what it never said: \"%.*s\"", m->letter, row->id,
                        (int)MIN(r->size, (size_t)60), r->text);
        /* The queue of a name and an address may have gone to an heir. */
        if (s->to != m->index && (s->is_native || !o->is_loose))
                world_fail(w, "%c hears \"%.20s\", which is for another", m->letter, s->text);
        if (r->security < SECURITY_ENCRYPTED)
                world_fail(w, "%c hears \"%.20s\" of an id, and it is %s", m->letter, s->text,
                        security_word(r->security));
        if (s->to != m->index)
                return;
        if (s->is_here)
                world_fail(w, "%c hears \"%.20s\" twice", m->letter, s->text);
        pair = &o->pairs[s->from][s->to];
        if (s->is_native)
                check_order(m, pair, s);
        s->is_here = s->was_here = true;
        s->life = o->disk_life[m->index];
        s->n_covered = s->size;
        if (s->is_native)
                pair->n_here = MAX(pair->n_here, s->index + 1);
}

void native_remembered(struct machine *m, const struct message_record *r)
{
        struct world *w = m->world;
        struct said *s = find_text(w->oracle, r->text, r->size);

        if (!s)
                world_fail(w, "%c remembers what nobody said: \"%.*s\"", m->letter,
                        (int)MIN(r->size, (size_t)60), r->text);
        if (s->to != m->index)
                return;
        if (s->is_found)
                world_fail(w, "%c remembers \"%.20s\" twice", m->letter, s->text);
        s->is_found = true;
}

void native_started(struct machine *m)
{
        struct world *w = m->world;
        struct oracle *o = w->oracle;

        for (unsigned from = 0; from < w->n_machines; from++) {
                struct pair *pair = &o->pairs[from][m->index];

                pair->n_here = pair->first_open = 0;
                for (size_t i = 0; i < pair->n; i++) {
                        struct said *s = pair->said[i];

                        if (s->is_here && !s->is_found && !m->was_put_back && !s->is_forgotten)
                                world_fail(w, "%c lost \"%.20s\"", m->letter, s->text);
                        s->is_here = s->is_found;
                        if (!s->is_here)
                                continue;
                        s->was_here = true;
                        s->life = o->disk_life[m->index];
                        if (s->is_native)
                                pair->n_here = i + 1;
                }
        }
}

void native_forgotten(struct machine *m, unsigned other, bool is_certain)
{
        struct pair *pair = &m->world->oracle->pairs[other][m->index];

        if (is_certain)
                pair->n_here = 0;
        for (size_t i = 0; i < pair->n; i++) {
                if (!pair->said[i]->is_here)
                        continue;
                pair->said[i]->is_forgotten = true;
                pair->said[i]->is_here = !is_certain;
        }
}
