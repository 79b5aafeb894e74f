/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who knows what must be true: what was written, where it is, and who waits for an answer */
#include "tests/sim/oracle.h"
#include "core/session/frame.h"

struct oracle *oracle_new(struct world *w)
{
        struct oracle *o = calloc(1, sizeof *o);

        assert(o);
        o->world = w;
        table_init(&o->by_id, (const uint8_t[TABLE_KEY_SIZE]){ 0 });
        table_init(&o->by_text, (const uint8_t[TABLE_KEY_SIZE]){ 0 });
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
        for (unsigned i = 0; i < MACHINES_MAX; i++) {
                free(o->rows[i]);
                for (unsigned k = 0; k <= MACHINES_MAX; k++)
                        free(o->pairs[i][k].said);
        }
        free(o->said);
        free(o->files);
        table_done(&o->by_id);
        table_done(&o->by_text);
        free(o);
        return NULL;
}

struct said *oracle_find(struct oracle *o, const struct ulid *id)
{
        for (struct table_entry *e = table_find(&o->by_id, id, sizeof *id); e;
                e = table_find_next(e)) {
                struct said *s = container_of(e, struct said, by_id);

                if (ulid_equal(&s->id, id))
                        return s;
        }
        return NULL;
}

struct machine *oracle_who(struct world *w, const struct endpoint *address)
{
        struct machine *m = world_machine_at(w, address);

        for (unsigned i = 0; !m && i < w->n_machines; i++)
                for (size_t k = 0; k < w->machines[i].n_former; k++)
                        if (endpoint_same_address(&w->machines[i].former[k], address))
                                return &w->machines[i];
        return m;
}

/* Who has this id, or NULL. A machine without a node has none, whatever it says. */
static struct machine *whose(struct world *w, const char *id)
{
        for (unsigned i = 0; i < w->n_machines; i++) {
                struct machine *m = &w->machines[i];

                if (!m->is_foreign && !m->is_classic && streq(m->identity.id, id))
                        return m;
        }
        return NULL;
}

static struct machine *whose_row(struct world *w, const struct row *row)
{
        return row->id[0] ? whose(w, row->id) : oracle_who(w, &row->endpoint);
}

/*
 * Rows
 */
struct row *oracle_row(struct machine *m, uint64_t number)
{
        struct oracle *o = m->world->oracle;

        if (number >= o->n_rows[m->index]) {
                size_t n = number + 32;

                o->rows[m->index] = realloc(o->rows[m->index], n * sizeof(struct row));
                assert(o->rows[m->index]);
                memset(o->rows[m->index] + o->n_rows[m->index], 0,
                        (n - o->n_rows[m->index]) * sizeof(struct row));
                o->n_rows[m->index] = n;
        }
        return &o->rows[m->index][number];
}

void oracle_peer(struct machine *m, const struct peer_record *peer)
{
        struct world *w = m->world;
        struct row *row = oracle_row(m, peer->number);

        if (row->id[0] && !streq(row->id, peer->id))
                world_fail(w, "%c: row %ju changes its id", m->letter, (uintmax_t)peer->number);
        memcpy(row->id, peer->id, sizeof row->id);
        row->endpoint = peer->endpoint;
        if (row->is_blocked != peer->blocked) {
                const struct machine *other = whose_row(w, row);

                row->is_blocked = peer->blocked;
                row->blocked_turn = w->n_turns;
                if (other)
                        w->oracle->refused_usec[m->index][other->index] = w->now_usec;
        }
}

/* From now on: a commit that fails may be on the disk all the same. */
static void forget_said(struct pair *pair)
{
        for (size_t i = 0; i < pair->n; i++)
                pair->said[i]->is_forgotten = true;
}

void oracle_change(struct machine *m, const struct change *change)
{
        struct oracle *o = m->world->oracle;
        const struct machine *other;

        if (change->type == CHANGE_PEER)
                oracle_peer(m, &change->peer);
        if (change->type != CHANGE_FORGET)
                return;
        other = whose_row(m->world, oracle_row(m, change->number));
        forget_said(&o->pairs[m->index][other ? other->index : NOBODY]);
        if (!other)
                return;
        if (o->n_forgotten[m->index] == ELEMENTSOF(o->forgotten[0]))
                world_fail(m->world, "%c forgets too much in one turn", m->letter);
        o->forgotten[m->index][o->n_forgotten[m->index]++] = other->index;
        o->refused_usec[m->index][other->index] = m->world->now_usec;
}

static void take_forgotten(struct machine *m, bool is_certain)
{
        struct oracle *o = m->world->oracle;

        for (size_t i = 0; i < o->n_forgotten[m->index]; i++)
                native_forgotten(m, o->forgotten[m->index][i], is_certain);
        o->n_forgotten[m->index] = 0;
}

/*
 * What is written and settled
 */
static void append(struct pair *pair, struct said *s)
{
        if (pair->n == pair->n_allocated) {
                pair->n_allocated = MAX(2 * pair->n_allocated, (size_t)64);
                pair->said = realloc(pair->said, pair->n_allocated * sizeof(struct said *));
                assert(pair->said);
        }
        s->index = pair->n;
        pair->said[pair->n++] = s;
}

static void remember(struct oracle *o, struct said *s)
{
        if (o->n_said == o->n_allocated) {
                o->n_allocated = MAX(2 * o->n_allocated, (size_t)256);
                o->said = realloc(o->said, o->n_allocated * sizeof(struct said *));
                assert(o->said);
        }
        o->said[o->n_said++] = s;
        append(&o->pairs[s->from][s->to], s);
        if (table_add(&o->by_id, &s->by_id, &s->id, sizeof s->id) < 0 ||
                table_add(&o->by_text, &s->by_text, s->text, s->size) < 0)
                abort();
}

static struct said *said(struct machine *m, const struct message_record *r)
{
        struct world *w = m->world;
        struct oracle *o = w->oracle;
        const struct row *row = oracle_row(m, r->peer);
        const struct machine *to = row->id[0] ? whose(w, row->id) : oracle_who(w, &r->endpoint);
        struct said *s = calloc(1, sizeof *s);

        assert(s);
        if (!to && !row->id[0])
                world_fail(w, "%c wrote to %s, whom nobody knows", m->letter, r->name);
        if (oracle_find(o, &r->id))
                world_fail(w, "%c gave an id twice", m->letter);
        s->id = r->id;
        s->from = m->index;
        s->to = to ? to->index : NOBODY;
        s->is_native = row->id[0];
        s->peer = r->peer;
        s->size = r->size;
        s->text = malloc(r->size + 1);
        assert(s->text);
        memcpy(s->text, r->text, r->size);
        s->text[r->size] = 0;
        s->state = MESSAGE_QUEUED;
        s->time_usec = w->now_usec;
        s->n_disturbed = to ? o->n_disturbed[s->from][s->to] : 0;
        remember(o, s);
        o->n_queued[m->index]++;
        o->n_native += s->is_native;
        return s;
}

static void count(struct oracle *o, enum message_state state)
{
        o->n_settled++;
        o->n_delivered += state == MESSAGE_DELIVERED || state == MESSAGE_SENT;
        o->n_cancelled += state == MESSAGE_CANCELLED;
        o->n_failed += state == MESSAGE_FAILED;
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
        if (s->is_native)
                native_settled(m, s, state, reason);
        else
                classic_settled(m, s, state, reason);
        s->state = state;
        w->oracle->n_queued[m->index]--;
        count(w->oracle, state);
}

static void received(struct machine *m, const struct message_record *r)
{
        struct oracle *o = m->world->oracle;
        const struct row *row = oracle_row(m, r->peer);

        if (row->is_blocked && row->blocked_turn < m->world->n_turns)
                world_fail(
                        m->world, "%c takes a message of %s, who is blocked", m->letter, r->name);
        o->n_received++;
        if (row->id[0])
                native_received(m, row, r);
        else
                classic_received(m, oracle_who(m->world, &r->endpoint), r);
}

static void message(struct machine *m, const struct message_record *r)
{
        struct oracle *o = m->world->oracle;

        if (r->sequence <= o->sequence_last[m->index])
                world_fail(m->world, "%c: sequence %ju after %ju", m->letter,
                        (uintmax_t)r->sequence, (uintmax_t)o->sequence_last[m->index]);
        o->sequence_last[m->index] = r->sequence;
        if (r->direction == DIRECTION_SENT)
                (void)said(m, r);
        else
                received(m, r);
}

static void state_changed(struct machine *m, const struct change_state *state)
{
        struct said *s = oracle_find(m->world->oracle, &state->id);

        if (!s)
                world_fail(m->world, "%c: an unknown message is %s", m->letter,
                        message_state_word(state->state));
        if (s->state == state->state)
                world_fail(m->world, "%c: \"%.20s\" is %s twice", m->letter, s->text,
                        message_state_word(s->state));
        if (state->state == MESSAGE_DELIVERED && state->security < SECURITY_ENCRYPTED)
                world_fail(m->world, "%c: \"%.20s\" is delivered %s", m->letter, s->text,
                        security_word(state->security));
        settled(m, s, state->state, state->reason);
}

static void check_flow(struct machine *m, const struct flow *f)
{
        if (f->n_rotations != f->n_messages / ROTATION_MESSAGES)
                world_fail(m->world, "%c: %ju changes of keys after %ju messages", m->letter,
                        (uintmax_t)f->n_rotations, (uintmax_t)f->n_messages);
}

/* Marks alone keep doubles away, but from a sender that has forgotten what it sent. */
static void known(struct machine *m, uint64_t peer)
{
        struct oracle *o = m->world->oracle;
        const struct machine *from = whose_row(m->world, oracle_row(m, peer));

        if (from && o->disk_life[from->index] == 0)
                world_fail(
                        m->world, "%c sends %c what it has, without need", from->letter, m->letter);
}

void oracle_event(struct machine *m, const struct store_event *event)
{
        switch (event->type) {
        case STORE_EVENT_MESSAGE:
                message(m, &event->message);
                return;
        case STORE_EVENT_STATE:
                state_changed(m, &event->state);
                return;
        case STORE_EVENT_SESSION:
                m->world->oracle->n_sessions += streq(event->session.what, "proven");
                check_flow(m, &event->session.sent);
                check_flow(m, &event->session.received);
                return;
        case STORE_EVENT_WARNING:
                if (streq(event->warning.kind, "Undecryptable"))
                        m->world->oracle->undecryptable_usec[m->index] = m->world->now_usec;
                return;
        case STORE_EVENT_PRESENCE:
        case STORE_EVENT_USERNAME:
        case STORE_EVENT_CERTIFIED:
        case STORE_EVENT_INVITED:
                return;
        case STORE_EVENT_FILE:
                oracle_file(m, &event->file);
                return;
        case STORE_EVENT_KNOWN:
                known(m, event->known.peer);
                return;
        }
}

/*
 * Starts and stops
 */
void oracle_restoring(struct machine *m)
{
        struct oracle *o = m->world->oracle;

        if (o->n_rows[m->index] > 0)
                memset(o->rows[m->index], 0, o->n_rows[m->index] * sizeof(struct row));
}

/* The state on a disk that is not the one that was there before. */
static void take_over(struct machine *m, struct said *s, enum message_state state)
{
        struct oracle *o = m->world->oracle;

        if (state == MESSAGE_QUEUED && s->to != NOBODY &&
                (s->was_cancelled || s->is_gone || o->disk_life[s->to] > 0))
                s->may_be_late = true;
        s->is_gone = false;
        s->state = state;
}

static void read_sent(struct machine *m, const struct message_record *r)
{
        struct said *s = oracle_find(m->world->oracle, &r->id);

        if (!s && m->was_put_back)
                s = said(m, r);
        if (!s)
                world_fail(m->world, "%c remembers what it never wrote", m->letter);
        if (r->size != s->size || memcmp(r->text, s->text, r->size) != 0)
                world_fail(m->world, "%c remembers another text", m->letter);
        if (m->was_put_back)
                take_over(m, s, r->state);
        else if (r->state != MESSAGE_QUEUED)
                settled(m, s, r->state, "");
        s->is_found = true;
}

static int read_row(const struct message_record *r, void *userdata)
{
        struct machine *m = userdata;
        struct oracle *o = m->world->oracle;

        if (m->was_put_back)
                o->sequence_last[m->index] = MAX(o->sequence_last[m->index], r->sequence);
        else if (r->sequence > o->sequence_last[m->index])
                message(m, r);
        if (r->direction == DIRECTION_SENT)
                read_sent(m, r);
        else if (oracle_row(m, r->peer)->id[0])
                native_remembered(m, r);
        return 0;
}

static void unfind(struct machine *m)
{
        struct oracle *o = m->world->oracle;

        for (size_t i = 0; i < o->n_said; i++)
                if (o->said[i]->from == m->index || o->said[i]->to == m->index)
                        o->said[i]->is_found = false;
}

/* What @m wrote, and its store does not have. */
static void check_forgotten(struct machine *m)
{
        struct oracle *o = m->world->oracle;

        o->n_queued[m->index] = 0;
        for (size_t i = 0; i < o->n_said; i++) {
                struct said *s = o->said[i];

                if (s->from != m->index)
                        continue;
                if (!s->is_found && m->was_put_back) {
                        s->is_gone = true;
                        s->state = MESSAGE_CANCELLED;
                } else if (!s->is_found && s->state == MESSAGE_QUEUED) {
                        if (!s->is_forgotten)
                                world_fail(m->world, "%c forgot \"%.20s\"", m->letter, s->text);
                        s->state = MESSAGE_CANCELLED;
                }
                o->n_queued[m->index] += s->state == MESSAGE_QUEUED;
        }
        if (m->was_put_back)
                for (unsigned to = 0; to <= MACHINES_MAX; to++)
                        o->pairs[m->index][to].first_open = 0;
}

void oracle_started(struct machine *m)
{
        struct oracle *o = m->world->oracle;
        struct store_query query = {
                .is_since = true,
                .rows_max = SIZE_MAX,
                .bytes_max = SIZE_MAX,
        };
        int r;

        unfind(m);
        take_forgotten(m, false);
        if (m->was_put_back)
                o->sequence_last[m->index] = 0;
        r = store_read(m->store, &query, read_row, m, NULL);
        if (r != 0)
                world_fail(m->world, "%c: store_read() gives %d", m->letter, r);
        check_forgotten(m);
        native_started(m);
        oracle_turn_ended(m);
}

void oracle_stopped(struct machine *m)
{
        struct oracle *o = m->world->oracle;

        o->n_calls[m->index] = 0;
        oracle_files_stopped(m);
        if (m->is_off)
                o->stands_until_usec[m->index] =
                        MAX(o->stands_until_usec[m->index], m->world->now_usec);
        for (unsigned i = 0; i < m->world->n_machines; i++)
                oracle_disturbed(m, &m->world->machines[i]);
}

void oracle_put_back(struct machine *m)
{
        struct oracle *o = m->world->oracle;

        o->disk_life[m->index]++;
        for (unsigned i = 0; i < m->world->n_machines; i++)
                o->refused_usec[m->index][i] = m->world->now_usec;
}

void oracle_turn_ended(struct machine *m)
{
        struct world *w = m->world;
        struct oracle *o = w->oracle;

        take_forgotten(m, true);
        oracle_files_committed(m);
        if (o->n_queued[m->index] != node_messages_queued(m->node))
                world_fail(w, "%c has %zu messages queued, not %zu", m->letter,
                        node_messages_queued(m->node), o->n_queued[m->index]);
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

void oracle_acknowledged(struct machine *a, struct machine *b)
{
        a->world->oracle->acknowledged_usec[a->index][b->index] = a->world->now_usec;
}
