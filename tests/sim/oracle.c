/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who knows what must be true */
#include "tests/sim/oracle.h"

#define ANSWER_SLACK_USEC (1 * USEC_PER_SEC)

struct oracle *oracle_new(struct world *w)
{
        struct oracle *o = calloc(1, sizeof *o);

        assert(o);
        o->world = w;
        table_init(&o->by_id, (const uint8_t[TABLE_KEY_SIZE]){ 0 });
        return o;
}

struct oracle *oracle_free(struct oracle *o)
{
        if (!o)
                return NULL;
        for (size_t i = 0; i < o->n_said; i++) {
                free(o->said[i]->text);
                free(o->said[i]);
        }
        free(o->said);
        table_done(&o->by_id);
        free(o);
        return NULL;
}

static struct said *find(struct oracle *o, const struct ulid *id)
{
        for (struct table_entry *e = table_find(&o->by_id, id, sizeof *id); e;
                e = table_find_next(e)) {
                struct said *s = container_of(e, struct said, by_id);

                if (ulid_equal(&s->id, id))
                        return s;
        }
        return NULL;
}

/* Who is meant: a machine may have left this address, but none is used again. */
static struct machine *who(struct world *w, const struct endpoint *address)
{
        struct machine *m = world_machine_at(w, address);

        for (unsigned i = 0; !m && i < w->n_machines; i++)
                for (size_t k = 0; k < w->machines[i].n_former; k++)
                        if (endpoint_same_address(&w->machines[i].former[k], address))
                                return &w->machines[i];
        return m;
}

static bool is_excused(const struct oracle *o, const struct said *s)
{
        return s->is_forgotten || o->is_blocked[s->to][s->from] ||
               o->refused_usec[s->to][s->from] >= s->time_usec;
}

static void said(struct machine *m, const struct message_record *r)
{
        struct world *w = m->world;
        struct oracle *o = w->oracle;
        struct machine *to = who(w, &r->endpoint);
        struct said *s = calloc(1, sizeof *s);

        assert(s);
        if (!to)
                world_fail(w, "%c wrote to %s, whom nobody knows", m->letter, r->name);
        if (find(o, &r->id))
                world_fail(w, "%c gave an id twice", m->letter);
        s->id = r->id;
        s->from = m->index;
        s->to = to->index;
        s->peer = r->peer;
        s->size = r->size;
        s->text = malloc(r->size + 1);
        assert(s->text);
        memcpy(s->text, r->text, r->size);
        s->text[r->size] = 0;
        s->state = MESSAGE_QUEUED;
        s->time_usec = w->now_usec;
        s->n_disturbed = o->n_disturbed[s->from][s->to];
        if (o->n_said == o->n_allocated) {
                o->n_allocated = MAX(2 * o->n_allocated, (size_t)256);
                o->said = realloc(o->said, o->n_allocated * sizeof(struct said *));
                assert(o->said);
        }
        o->said[o->n_said++] = s;
        if (table_add(&o->by_id, &s->by_id, &s->id, sizeof s->id) < 0)
                abort();
}

static void settled(struct machine *m, struct said *s, enum message_state state, const char *reason)
{
        struct world *w = m->world;
        char id[ULID_STRING_SIZE];

        if (s->state == state)
                return;
        if (s->state != MESSAGE_QUEUED)
                world_fail(w, "%c: %s was %s and becomes %s", m->letter, ulid_format(&s->id, id),
                        message_state_word(s->state), message_state_word(state));
        if (state == MESSAGE_SENT && s->n_covered < s->size && !is_excused(w->oracle, s) &&
                !w->machines[s->to].is_foreign)
                world_fail(w, "%c: \"%.20s\" is sent, but %c has %zu of %zu bytes", m->letter,
                        s->text, w->machines[s->to].letter, s->n_covered, s->size);
        if (state == MESSAGE_FAILED && !w->machines[s->to].is_foreign)
                world_fail(w, "%c: \"%.20s\" failed: %s", m->letter, s->text, reason);
        s->state = state;
        w->oracle->n_settled++;
}

/* All that was written before @s into the same conversation has come, or never will. */
static void check_order(struct machine *m, struct oracle *o, const struct said *s)
{
        for (size_t i = 0; i < o->n_said && o->said[i] != s; i++) {
                const struct said *t = o->said[i];

                if (t->from == s->from && t->peer == s->peer && t->to == s->to &&
                        t->n_covered < t->size && t->state == MESSAGE_QUEUED && !is_excused(o, t))
                        world_fail(o->world, "%c hears \"%.20s\" before \"%.20s\"", m->letter,
                                s->text, t->text);
        }
}

static void repeated(struct machine *m, struct oracle *o, struct said *s)
{
        o->n_repeats++;
        s->n_repeats++;
        if (o->n_disturbed[s->from][s->to] - s->n_disturbed < s->n_repeats)
                world_fail(o->world, "%c hears \"%.20s\" again, and nothing broke", m->letter,
                        s->text);
}

/* Where in what @from said to @m this belongs: the next part, or one that came before. */
static void received(struct machine *m, const struct message_record *r)
{
        struct world *w = m->world;
        struct oracle *o = w->oracle;
        struct machine *from = who(w, &r->endpoint);

        if (!from || from->is_foreign)
                return;
        o->n_received++;
        if (o->is_blocked[m->index][from->index] &&
                r->time_usec > WORLD_EPOCH_USEC + o->refused_usec[m->index][from->index] +
                                       (usec_t)m->real_offset_usec)
                world_fail(w, "%c takes a message of %c, who is blocked", m->letter, from->letter);

        for (size_t i = 0; i < o->n_said; i++) {
                struct said *s = o->said[i];
                size_t left = s->size - s->n_covered;

                if (s->from == from->index && s->to == m->index && left >= r->size && left > 0 &&
                        memcmp(s->text + s->n_covered, r->text, r->size) == 0) {
                        check_order(m, o, s);
                        s->n_covered += r->size;
                        return;
                }
        }
        for (size_t i = o->n_said; i > 0; i--) {
                struct said *s = o->said[i - 1];
                const char *at;

                if (s->from != from->index || s->to != m->index)
                        continue;
                at = memmem(s->text, s->size, r->text, r->size);
                if (!at || (size_t)(at - s->text) > s->n_covered)
                        continue;
                s->n_covered = MAX(s->n_covered, (size_t)(at - s->text) + r->size);
                repeated(m, o, s);
                return;
        }
        world_fail(w, "%c hears of %c what it never said: \"%.*s\"", m->letter, from->letter,
                (int)MIN(r->size, (size_t)60), r->text);
}

static void message(struct machine *m, const struct message_record *r)
{
        struct oracle *o = m->world->oracle;

        if (r->sequence <= o->sequence_last[m->index])
                world_fail(m->world, "%c: sequence %ju after %ju", m->letter,
                        (uintmax_t)r->sequence, (uintmax_t)o->sequence_last[m->index]);
        o->sequence_last[m->index] = r->sequence;
        if (r->direction == DIRECTION_SENT)
                said(m, r);
        else
                received(m, r);
}

void oracle_event(struct machine *m, const struct store_event *event)
{
        struct oracle *o = m->world->oracle;

        if (event->type == STORE_EVENT_MESSAGE) {
                message(m, &event->message);
        } else if (event->type == STORE_EVENT_STATE) {
                struct said *s = find(o, &event->state.id);

                if (!s)
                        world_fail(m->world, "%c: an unknown message is %s", m->letter,
                                message_state_word(event->state.state));
                if (s->state == event->state.state)
                        world_fail(m->world, "%c: \"%.20s\" is %s twice", m->letter, s->text,
                                message_state_word(s->state));
                settled(m, s, event->state.state, event->state.reason);
        }
}

static int read_row(const struct message_record *r, void *userdata)
{
        struct machine *m = userdata;
        struct oracle *o = m->world->oracle;
        struct said *s;

        if (r->sequence > o->sequence_last[m->index])
                message(m, r);
        if (r->direction != DIRECTION_SENT)
                return 0;
        s = find(o, &r->id);
        if (!s)
                world_fail(m->world, "%c remembers what it never wrote", m->letter);
        if (r->size != s->size || memcmp(r->text, s->text, r->size) != 0)
                world_fail(m->world, "%c remembers another text", m->letter);
        if (r->state != MESSAGE_QUEUED)
                settled(m, s, r->state, "");
        s->is_found = true;
        return 0;
}

void oracle_started(struct machine *m)
{
        struct world *w = m->world;
        struct oracle *o = w->oracle;
        struct store_query query = {
                .is_since = true,
                .rows_max = SIZE_MAX,
                .bytes_max = SIZE_MAX,
        };
        struct user *users;
        size_t n_users;
        int r;

        for (size_t i = 0; i < o->n_said; i++)
                o->said[i]->is_found = false;
        r = store_read(m->store, &query, read_row, m, NULL);
        if (r != 0)
                world_fail(w, "%c: store_read() gives %d", m->letter, r);
        for (size_t i = 0; i < o->n_said; i++) {
                struct said *s = o->said[i];

                if (s->from != m->index || s->state != MESSAGE_QUEUED || s->is_found)
                        continue;
                if (!s->is_forgotten)
                        world_fail(w, "%c forgot \"%.20s\"", m->letter, s->text);
                s->state = MESSAGE_CANCELLED;
        }

        /* What was blocked in a turn that was lost is not blocked. */
        r = node_list_users(m->node, machine_now(m), &users, &n_users);
        if (r < 0)
                world_fail(w, "%c: node_list_users() fails", m->letter);
        memset(o->is_blocked[m->index], 0, sizeof o->is_blocked[m->index]);
        for (size_t i = 0; i < n_users; i++) {
                const struct machine *other = world_machine_at(w, &users[i].endpoint);

                if (other && users[i].blocked)
                        o->is_blocked[m->index][other->index] = true;
        }
        free(users);
        oracle_turn_ended(m);
}

void oracle_stopped(struct machine *m)
{
        struct oracle *o = m->world->oracle;

        o->n_calls[m->index] = 0;
        for (unsigned i = 0; i < m->world->n_machines; i++)
                oracle_disturbed(m, &m->world->machines[i]);
}

void oracle_turn_ended(struct machine *m)
{
        struct world *w = m->world;
        struct oracle *o = w->oracle;
        size_t n_queued = 0;

        for (size_t i = 0; i < o->n_said; i++)
                n_queued += o->said[i]->from == m->index && o->said[i]->state == MESSAGE_QUEUED;
        if (n_queued != node_messages_queued(m->node))
                world_fail(w, "%c has %zu messages queued, not %zu", m->letter,
                        node_messages_queued(m->node), n_queued);
        for (size_t i = 0; i < o->n_calls[m->index]; i++)
                if (o->calls[m->index][i].deadline_usec < w->now_usec)
                        world_fail(w, "%c: call %ju has no answer", m->letter,
                                (uintmax_t)o->calls[m->index][i].call);
}

void oracle_disturbed(struct machine *a, struct machine *b)
{
        struct oracle *o = a->world->oracle;

        o->n_disturbed[a->index][b->index]++;
        if (a != b)
                o->n_disturbed[b->index][a->index]++;
}

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

void oracle_replied(struct machine *m, uint64_t call)
{
        if (!drop_call(m, call))
                world_fail(m->world, "%c: call %ju is answered, but does not wait", m->letter,
                        (uintmax_t)call);
        m->world->oracle->n_replies++;
}

void oracle_blocked(struct machine *m, const struct machine *other, bool block)
{
        struct oracle *o = m->world->oracle;

        if (o->is_blocked[m->index][other->index] == block)
                return;
        o->is_blocked[m->index][other->index] = block;
        o->refused_usec[m->index][other->index] = m->world->now_usec;
}

void oracle_moved(struct machine *m)
{
        for (unsigned i = 0; i < m->world->n_machines; i++)
                oracle_blocked(&m->world->machines[i], m, false);
}

void oracle_forgot(struct machine *m, const struct machine *other)
{
        struct oracle *o = m->world->oracle;

        o->refused_usec[m->index][other->index] = m->world->now_usec;
        for (size_t i = 0; i < o->n_said; i++)
                if (o->said[i]->from == m->index && o->said[i]->to == other->index)
                        o->said[i]->is_forgotten = true;
}

static void check_sees(struct machine *m, const struct machine *other)
{
        struct world *w = m->world;
        struct user *users;
        size_t n_users;

        if (node_list_users(m->node, machine_now(m), &users, &n_users) < 0)
                world_fail(w, "%c: node_list_users() fails", m->letter);
        for (size_t i = 0; i < n_users; i++)
                if (endpoint_same_address(&users[i].endpoint, &other->address) &&
                        name_equal(users[i].name, other->username)) {
                        if (users[i].presence != PRESENCE_ONLINE)
                                world_fail(w, "%c sees %c %s", m->letter, other->letter,
                                        presence_word(users[i].presence));
                        free(users);
                        return;
                }
        world_fail(w, "%c does not see %c", m->letter, other->letter);
}

void oracle_settled(struct world *w)
{
        struct oracle *o = w->oracle;

        for (size_t i = 0; i < o->n_said; i++) {
                const struct said *s = o->said[i];

                /* A queue is bound to a name, which may be another now. */
                if (s->state == MESSAGE_QUEUED && !w->machines[s->to].is_foreign &&
                        s->time_usec > w->machines[s->to].renamed_usec)
                        world_fail(w, "%c still keeps \"%.20s\" for %c",
                                w->machines[s->from].letter, s->text, w->machines[s->to].letter);
        }
        for (unsigned i = 0; i < w->n_machines; i++) {
                struct machine *m = &w->machines[i];

                if (m->is_foreign)
                        continue;
                if (node_links(m->node) > 0)
                        world_fail(w, "%c has %zu links left", m->letter, node_links(m->node));
                if (o->n_calls[i] > 0)
                        world_fail(w, "%c has %zu calls left", m->letter, o->n_calls[i]);
                for (unsigned k = 0; k < w->n_machines; k++)
                        if (k != i && !w->machines[k].is_foreign && w->machines[k].lan == m->lan)
                                check_sees(m, &w->machines[k]);
        }
        if (w->n_wires > 0)
                world_fail(w, "%zu connections are left", w->n_wires);
}
