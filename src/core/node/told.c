/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who has what we wrote to a group
 *
 *     queued --one has it--> sent --all have it--> delivered
 *
 * All are those who are in the group, do not say that they leave, and belonged when it was written.
 * What they have they tell when they meet us, and when it comes to them; so after a restart it is
 * heard anew, and nothing of it is stored.
 */
#include "core/node/node-private.h"

static struct told *told_of(struct list *i)
{
        return container_of(i, struct told, list);
}

static struct told_lane *lane_of(struct list *i)
{
        return container_of(i, struct told_lane, list);
}

static void drop_lane(struct told_lane *lane)
{
        list_for_each_safe (i, &lane->messages)
                free(told_of(i));
        list_remove(&lane->list);
        free(lane->holders);
        free(lane);
}

static struct told_lane *find_lane(const struct team *team, uint64_t stream, uint32_t version)
{
        list_for_each (i, &team->lanes)
                if (lane_of(i)->stream == stream && lane_of(i)->version == version)
                        return lane_of(i);
        return NULL;
}

static struct told_lane *add_lane(struct team *team, uint64_t stream, uint32_t version)
{
        struct told_lane *lane = calloc(1, sizeof *lane);

        if (!lane)
                return NULL;
        lane->stream = stream;
        lane->version = version;
        list_init(&lane->messages);
        list_init(&lane->list);
        list_append(&team->lanes, &lane->list);
        return lane;
}

static void uncount(struct node *n, struct team *team, const struct told *t)
{
        if (t->is_sent)
                return;
        team->n_queued--;
        team->queued_size -= t->size;
        n->groups.n_queued--;
}

static int tell(struct node *n, const struct told *t, enum message_state state, bool is_open,
        const char *reason)
{
        return agenda_add_change(&n->agenda, &(struct change){
                                                     .type = CHANGE_STATE,
                                                     .state = { .id = t->id,
                                                             .state = state,
                                                             .security = SECURITY_ENCRYPTED,
                                                             .reason = reason,
                                                             .is_open = is_open },
                                             });
}

/* It is over with this state. */
static int settle(struct node *n, struct team *team, struct told *t, enum message_state state,
        const char *reason)
{
        int r = tell(n, t, state, false, reason);

        if (r == 0)
                r = node_answer(n, &t->id, state);
        uncount(n, team, t);
        team->n_told--;
        list_remove(&t->list);
        free(t);
        return r;
}

static int mark_sent(struct node *n, struct team *team, struct told *t)
{
        uncount(n, team, t);
        t->is_sent = true;
        return tell(n, t, MESSAGE_SENT, true, "");
}

/* There is a bound to what is waited for: the oldest stays what it is. */
static int make_room(struct node *n, struct team *team)
{
        if (team->n_told < n->options.queue_max)
                return 0;
        list_for_each (i, &team->lanes)
                list_for_each (k, &lane_of(i)->messages)
                        if (told_of(k)->is_sent)
                                return settle(n, team, told_of(k), MESSAGE_SENT, "");
        return 0;
}

int node_told_add(struct node *n, struct team *team, const struct group_lane_id *lane,
        const struct told *message)
{
        struct told_lane *l = find_lane(team, lane->stream, lane->version);
        struct told *t;
        int r = make_room(n, team);

        if (r == 0 && !l)
                l = add_lane(team, lane->stream, lane->version);
        t = malloc(sizeof *t);
        if (r < 0 || !l || !t) {
                free(t);
                return r < 0 ? r : -ENOMEM;
        }
        *t = *message;
        list_init(&t->list);
        list_append(&l->messages, &t->list);
        team->n_told++;
        if (!t->is_sent) {
                team->n_queued++;
                team->queued_size += t->size;
                n->groups.n_queued++;
        }
        node_team_changed(n, team, false);
        return 0;
}

static uint64_t held_by(const struct told_lane *lane, const struct group_key *key)
{
        for (size_t i = 0; i < lane->n_holders; i++)
                if (group_key_equal(&lane->holders[i].key, key))
                        return lane->holders[i].number;
        return 0;
}

static int add_holder(struct told_lane *lane, const struct group_key *key)
{
        size_t n_new = MAX(2 * lane->n_allocated, (size_t)4);
        struct holder *holders;

        if (lane->n_holders == lane->n_allocated) {
                holders = realloc(lane->holders, n_new * sizeof *holders);
                if (!holders)
                        return -ENOMEM;
                lane->holders = holders;
                lane->n_allocated = n_new;
        }
        lane->holders[lane->n_holders++] = (struct holder){ .key = *key };
        return 0;
}

int node_told_held(struct node *n, struct team *team, const struct group_key *key,
        const struct group_lane_id *lane, uint64_t number)
{
        struct told_lane *l = find_lane(team, lane->stream, lane->version);
        int r;

        if (!l || held_by(l, key) >= number)
                return 0;
        if (held_by(l, key) == 0) {
                r = add_holder(l, key);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < l->n_holders; i++)
                if (group_key_equal(&l->holders[i].key, key))
                        l->holders[i].number = number;
        node_team_changed(n, team, false);
        return 0;
}

static bool is_for(const struct team_member *m, const struct told_lane *lane)
{
        return m->fellow && !m->is_leaving && m->joined <= lane->version;
}

/* Nobody else will ever take it. */
static int give_up(struct node *n, struct team *team, struct told *t)
{
        bool is_sent = t->is_sent;

        return settle(
                n, team, t, is_sent ? MESSAGE_SENT : MESSAGE_FAILED, is_sent ? "" : "NotMember");
}

static int look_at_lane(struct node *n, struct team *team, struct told_lane *lane)
{
        uint64_t all = UINT64_MAX, any = 0, counts;
        struct group_lane_id id = { .stream = lane->stream, .version = lane->version };
        int r = 0;

        memcpy(id.author.bytes, n->options.identity->public_key, sizeof id.author.bytes);
        counts = group_counts(n->groups.engine, &team->id, &id);

        for (size_t i = 0; i < team->n_members; i++) {
                const struct team_member *m = &team->members[i];

                if (is_for(m, lane))
                        all = MIN(all, held_by(lane, &m->key));
        }
        for (size_t i = 0; i < lane->n_holders; i++)
                any = MAX(any, lane->holders[i].number);
        list_for_each_safe (i, &lane->messages) {
                struct told *t = told_of(i);

                if (r == 0 && t->number > counts)
                        r = give_up(n, team, t);
                else if (r == 0 && t->number <= all)
                        r = settle(n, team, t, MESSAGE_DELIVERED, "");
                else if (r == 0 && t->number <= any && !t->is_sent)
                        r = mark_sent(n, team, t);
        }
        return r;
}

/* We do not belong any more: nobody is told anything. */
static int give_up_lane(struct node *n, struct team *team, struct told_lane *lane)
{
        int r = 0;

        list_for_each_safe (i, &lane->messages)
                if (r == 0)
                        r = give_up(n, team, told_of(i));
        return r;
}

static bool lacks_some(const struct team *team, const struct team_member *m)
{
        list_for_each (i, &team->lanes) {
                const struct told_lane *lane = lane_of(i);

                if (is_for(m, lane) && !list_is_empty(&lane->messages) &&
                        held_by(lane, &m->key) < told_of(lane->messages.prev)->number)
                        return true;
        }
        return false;
}

static void look_at_member(struct node *n, struct team *team, struct team_member *m, struct now now)
{
        struct fellow *f = m->fellow;
        bool is_wanted;

        if (!f)
                return;
        is_wanted = team->state == GROUP_LEAVING || m->is_unheard || lacks_some(team, m);
        f->n_wanting -= m->is_wanted;
        f->n_wanting += is_wanted;
        m->is_wanted = is_wanted;
        if (!is_wanted)
                return;
        f->wanted_usec = MAX(f->wanted_usec, team->spoken_usec);
        node_gather_wanted(n, f, now);
}

int node_told_look(struct node *n, struct team *team, struct now now)
{
        int r = team->is_other ? node_team_refresh(n, team) : 0;

        node_gather_plan(n, team, now);
        list_for_each_safe (i, &team->lanes) {
                if (r == 0)
                        r = team->state == GROUP_MEMBER ? look_at_lane(n, team, lane_of(i))
                                                        : give_up_lane(n, team, lane_of(i));
                if (list_is_empty(&lane_of(i)->messages))
                        drop_lane(lane_of(i));
        }
        for (size_t i = 0; r == 0 && i < team->n_members; i++)
                look_at_member(n, team, &team->members[i], now);
        if (r == 0 && team->is_joined)
                node_gather_news(n, team, now);
        team->is_joined = false;
        return r;
}

void node_told_drop(struct node *n, struct team *team)
{
        list_for_each_safe (i, &team->lanes) {
                list_for_each (k, &lane_of(i)->messages)
                        uncount(n, team, told_of(k));
                drop_lane(lane_of(i));
        }
        team->n_told = 0;
}

int node_told_cancel(struct node *n, struct team *team)
{
        int r = 0;

        list_for_each_safe (i, &team->lanes) {
                list_for_each_safe (k, &lane_of(i)->messages)
                        if (r == 0 && !told_of(k)->is_sent)
                                r = settle(n, team, told_of(k), MESSAGE_CANCELLED, "");
        }
        if (r == 0)
                node_told_drop(n, team);
        return r;
}

/*
 * Who waits for them
 */
const struct told *node_told_find(const struct team *team, const struct ulid *id)
{
        for (struct list *i = team->lanes.prev; i != &team->lanes; i = i->prev)
                for (struct list *k = lane_of(i)->messages.prev; k != &lane_of(i)->messages;
                        k = k->prev)
                        if (ulid_equal(&told_of(k)->id, id))
                                return told_of(k);
        return NULL;
}

enum message_state node_told_state(const struct node *n, const struct call *call)
{
        const struct team *team = call->team > 0 ? node_team(n, call->team) : NULL;
        const struct told *t = team ? node_told_find(team, &call->id) : NULL;

        return t && t->is_sent ? MESSAGE_SENT : MESSAGE_QUEUED;
}

int node_told_reply(struct node *n, uint64_t call, const struct team *team, const struct ulid *id,
        usec_t wait_usec, struct now now)
{
        const struct told *t = node_told_find(team, id);

        /* Where nobody else is, all have it. */
        if (!t || wait_usec == 0)
                return node_reply(n, call, id, t ? MESSAGE_QUEUED : MESSAGE_DELIVERED);
        return node_wait(n, call, id, team->number, usec_add(now.mono_usec, wait_usec));
}

/* Is anybody who lacks it there, or being called? */
static bool is_going(const struct node *n, const struct team *team)
{
        for (size_t i = 0; i < team->n_members; i++) {
                const struct team_member *m = &team->members[i];
                const struct peer *peer =
                        m->is_wanted ? peers_by_id(&n->peers, m->fellow->id) : NULL;

                if (m->is_wanted && node_session_with(n, m->fellow->id))
                        return true;
                if (peer && peer->native && peer->native->dial_link != 0)
                        return true;
        }
        return false;
}

int node_told_answer(struct node *n)
{
        int r = 0;

        list_for_each_safe (i, &n->calls) {
                const struct call *call = container_of(i, struct call, list);
                const struct team *team = call->team > 0 ? node_team(n, call->team) : NULL;

                if (r == 0 && call->team > 0 && (!team || !is_going(n, team)))
                        r = node_answer(n, &call->id, node_told_state(n, call));
        }
        return r;
}
