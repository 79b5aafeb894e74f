/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What must be true of groups
 *
 * What somebody wrote comes to each once and in its author's order; only to who belonged when it
 * was written; and not from who is blocked. What is on a disk stays there. Its state tells how many
 * have it, and goes forward only.
 */
#include <limits.h>

#include "core/node/node-private.h"
#include "tests/sim/oracle.h"

void group_oracle_init(struct oracle *o)
{
        table_init(&o->spoken_by_text, (const uint8_t[TABLE_KEY_SIZE]){ 0 });
}

void group_oracle_done(struct oracle *o)
{
        for (size_t i = 0; i < o->n_spoken; i++) {
                free(o->spoken[i]->text);
                free(o->spoken[i]);
        }
        free(o->spoken);
        free(o->reached);
        table_done(&o->spoken_by_text);
}

static struct spoken *find_text(struct oracle *o, const char *text, size_t size)
{
        for (struct table_entry *e = table_find(&o->spoken_by_text, text, size); e;
                e = table_find_next(e)) {
                struct spoken *s = container_of(e, struct spoken, by_text);

                if (s->size == size && memcmp(s->text, text, size) == 0)
                        return s;
        }
        return NULL;
}

struct spoken *group_find_spoken(struct oracle *o, const struct ulid *id)
{
        for (size_t i = o->n_spoken; i-- > 0;)
                if (ulid_equal(&o->spoken[i]->id, id))
                        return o->spoken[i];
        return NULL;
}

static struct machine *whose(struct world *w, const char *id)
{
        for (unsigned i = 0; i < w->n_machines; i++)
                if (streq(w->machines[i].identity.id, id))
                        return &w->machines[i];
        return NULL;
}

/* Bits of those who are in the group as its author knows it; all, when that is another membership
 * than the one under which it was written. */
static unsigned members_of(struct machine *m, const struct message_record *r)
{
        static struct group_member_info members[GROUP_MEMBERS_MAX];
        const struct team *team = node_team(m->node, r->peer);
        struct group_engine *e = m->node->groups.engine;
        struct group_info info;
        unsigned bits = 0;
        size_t n;

        if (!team || !group_find(e, &team->id, &info) || info.version != r->group.lane.version)
                return UINT_MAX;
        n = group_members(e, &team->id, members, ELEMENTSOF(members));
        for (size_t i = 0; i < n; i++) {
                char id[ID_STRING_SIZE];
                const struct machine *other;

                identity_id(members[i].key.bytes, id);
                other = whose(m->world, id);
                bits |= other ? 1U << other->index : 0;
        }
        return bits;
}

static struct spoken *speak(struct machine *m, const struct message_record *r)
{
        struct oracle *o = m->world->oracle;
        struct spoken *s = calloc(1, sizeof *s);

        assert(s);
        s->id = r->id;
        s->from = m->index;
        s->size = r->size;
        s->text = malloc(r->size + 1);
        assert(s->text);
        memcpy(s->text, r->text, r->size);
        s->text[r->size] = 0;
        s->members = members_of(m, r);
        if (o->n_spoken == o->n_spoken_allocated) {
                o->n_spoken_allocated = MAX(2 * o->n_spoken_allocated, (size_t)256);
                o->spoken = realloc(o->spoken, o->n_spoken_allocated * sizeof(struct spoken *));
                assert(o->spoken);
        }
        o->spoken[o->n_spoken++] = s;
        if (table_add(&o->spoken_by_text, &s->by_text, s->text, s->size) < 0)
                abort();
        return s;
}

static struct reached *reached(struct machine *m, const struct message_record *r)
{
        struct oracle *o = m->world->oracle;

        for (size_t i = 0; i < o->n_reached; i++) {
                struct reached *x = &o->reached[i];

                if (x->machine == m->index && x->conversation == r->peer &&
                        group_lane_id_equal(&x->lane, &r->group.lane))
                        return x;
        }
        if (o->n_reached == o->n_reached_allocated) {
                o->n_reached_allocated = MAX(2 * o->n_reached_allocated, (size_t)256);
                o->reached = realloc(o->reached, o->n_reached_allocated * sizeof(struct reached));
                assert(o->reached);
        }
        o->reached[o->n_reached] = (struct reached){ m->index, r->peer, r->group.lane, 0 };
        return &o->reached[o->n_reached++];
}

static void check_order(struct machine *m, const struct message_record *r)
{
        struct reached *x = reached(m, r);
        bool is_next = r->group.number == x->number + 1;

        if (r->group.number <= x->number || (!is_next && !m->world->oracle->has_blocks))
                world_fail(m->world, "%c: \"%.*s\" has number %ju after %ju", m->letter,
                        (int)MIN(r->size, (size_t)20), r->text, (uintmax_t)r->group.number,
                        (uintmax_t)x->number);
        x->number = r->group.number;
}

static void check_author(struct machine *m, const struct message_record *r, const struct spoken *s)
{
        struct world *w = m->world;
        const struct machine *from = whose(w, r->author_id);

        if (!from || from->index != s->from)
                world_fail(w, "%c has \"%.20s\" as of another", m->letter, s->text);
        if (r->direction == DIRECTION_SENT)
                return;
        if (!(s->members & 1U << m->index) && w->n_put_back == 0)
                world_fail(w, "%c gets \"%.20s\", and was not in the group", m->letter, s->text);
        for (size_t i = 0; i < w->oracle->n_rows[m->index]; i++) {
                const struct row *row = &w->oracle->rows[m->index][i];

                if (streq(row->id, r->author_id) && row->is_blocked &&
                        row->blocked_turn < w->n_turns)
                        world_fail(w, "%c keeps \"%.20s\" of %s, who is blocked", m->letter,
                                s->text, r->name);
        }
}

void group_message_stored(struct machine *m, const struct message_record *r)
{
        struct oracle *o = m->world->oracle;
        struct spoken *s = find_text(o, r->text, r->size);

        if (!s && r->direction == DIRECTION_SENT)
                s = speak(m, r);
        if (!s)
                world_fail(m->world, "%c hears what nobody said: \"%.*s\"", m->letter,
                        (int)MIN(r->size, (size_t)60), r->text);
        check_author(m, r, s);
        if (s->here & 1U << m->index)
                world_fail(m->world, "%c gets \"%.20s\" twice", m->letter, s->text);
        s->here |= 1U << m->index;
        check_order(m, r);
        if (r->direction == DIRECTION_SENT) {
                s->id = r->id;
                s->state = r->state;
        } else {
                o->n_heard++;
        }
}

static unsigned count(unsigned bits)
{
        return (unsigned)__builtin_popcount(bits);
}

bool group_state_changed(struct machine *m, const struct change_state *state)
{
        struct world *w = m->world;
        struct spoken *s = group_find_spoken(w->oracle, &state->id);

        if (!s)
                return false;
        if (state->state == s->state)
                world_fail(w, "%c: \"%.20s\" is %s twice", m->letter, s->text,
                        message_state_word(s->state));
        if (s->state != MESSAGE_QUEUED && s->state != MESSAGE_SENT)
                world_fail(w, "%c: \"%.20s\" was %s and becomes %s", m->letter, s->text,
                        message_state_word(s->state), message_state_word(state->state));
        if (state->state == MESSAGE_SENT && count(s->here) < 2 && !w->oracle->has_blocks &&
                w->n_put_back == 0)
                world_fail(w, "%c: nobody has \"%.20s\", which is sent", m->letter, s->text);
        s->state = state->state;
        return true;
}

size_t group_n_queued(const struct machine *m)
{
        const struct oracle *o = m->world->oracle;
        size_t n = 0;

        for (size_t i = 0; i < o->n_spoken; i++) {
                const struct spoken *s = o->spoken[i];

                n += s->from == m->index && s->state == MESSAGE_QUEUED &&
                     (s->here & 1U << m->index);
        }
        return n;
}

/*
 * Starts
 */
void group_restoring(struct machine *m)
{
        struct oracle *o = m->world->oracle;

        for (size_t i = 0; i < o->n_spoken; i++) {
                o->spoken[i]->found &= ~(1U << m->index);
                if (m->was_put_back)
                        o->spoken[i]->here &= ~(1U << m->index);
        }
        if (!m->was_put_back)
                return;
        for (size_t i = 0; i < o->n_reached; i++)
                if (o->reached[i].machine == m->index)
                        o->reached[i].number = 0;
}

void group_message_found(struct machine *m, const struct message_record *r)
{
        struct oracle *o = m->world->oracle;
        struct spoken *s = find_text(o, r->text, r->size);

        if (!s || (m->was_put_back && s->here & 1U << m->index))
                world_fail(m->world, "%c remembers \"%.*s\", %s", m->letter,
                        (int)MIN(r->size, (size_t)60), r->text, s ? "twice" : "which nobody said");
        if (s->found & 1U << m->index)
                world_fail(m->world, "%c remembers \"%.20s\" twice", m->letter, s->text);
        s->found |= 1U << m->index;
        if (r->direction == DIRECTION_SENT) {
                s->state = r->state;
                s->id = r->id;
        }
        if (!m->was_put_back)
                return;
        s->here |= 1U << m->index;
        check_order(m, r);
}

void group_started(struct machine *m)
{
        struct oracle *o = m->world->oracle;

        for (size_t i = 0; i < o->n_spoken; i++) {
                const struct spoken *s = o->spoken[i];

                if (s->here & 1U << m->index && !(s->found & 1U << m->index))
                        world_fail(m->world, "%c lost \"%.20s\"", m->letter, s->text);
        }
}
