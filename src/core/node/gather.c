/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sessions that are sought for groups
 *
 * Something of ours is for a fellow: whether it is heard or not, the newest first, and again after
 * longer and longer times. A fellow is here again: both compare what they have. Something came from
 * another: two of those who are here and have no session with us, by chance, hear of it; they do
 * the same in turn. Nothing has happened for a while: one of them, by chance.
 *
 * So what one member was told reaches all, and nobody calls everybody: few are called at a time.
 * What is only to be compared is compared at most once in a while.
 */
#include "core/node/node-private.h"

#define SOUGHT_MAX 8
#define REST_USEC USEC_PER_MINUTE        /* between two comparisons with one */
#define LOOK_USEC (15 * USEC_PER_MINUTE) /* to twice so much */
#define HEARD_USEC (2 * USEC_PER_SEC)    /* at most, until who is here again is called */
#define NEWS_USEC (500 * USEC_PER_MSEC)  /* to twice so much */
#define NEWS_FELLOWS 2
#define AGAIN_USEC USEC_PER_SEC

static struct fellow *fellow_of(struct list *i)
{
        return container_of(i, struct fellow, list);
}

static void plan(struct node *n, struct fellow *f, usec_t usec)
{
        f->due_usec = usec_min(f->due_usec, usec);
        n->groups.seek_usec = usec_min(n->groups.seek_usec, f->due_usec);
}

static void put_off(struct node *n, struct fellow *f, usec_t usec)
{
        f->due_usec = USEC_INFINITY;
        plan(n, f, usec);
}

static void plan_again(struct node *n, struct fellow *f, struct now now)
{
        if (f->n_wanting == 0)
                put_off(n, f, USEC_INFINITY);
        else
                put_off(n, f,
                        usec_add(now.mono_usec, outbox_pause_usec(n->random, f->n_failures++)));
}

static void set_sought(struct node *n, struct fellow *f, bool is_sought)
{
        n->groups.n_sought -= f->is_sought;
        n->groups.n_sought += is_sought;
        f->is_sought = is_sought;
}

static const struct peer *present(const struct node *n, const struct fellow *f)
{
        const struct peer *peer = peers_by_id(&n->peers, f->id);

        return peer && peer_is_present(peer) && !peer->record.blocked ? peer : NULL;
}

/*
 * Occasions
 */
void node_gather_wanted(struct node *n, struct fellow *f, struct now now)
{
        if (f->due_usec == USEC_INFINITY && !f->is_sought && !node_session_with(n, f->id))
                plan(n, f, now.mono_usec);
}

static void plan_comparison(struct node *n, struct fellow *f, usec_t usec)
{
        if (!f->is_sought && !node_session_with(n, f->id))
                plan(n, f, MAX(usec, f->rest_usec));
}

void node_gather_heard(struct node *n, const struct peer *peer, struct now now)
{
        struct fellow *f = node_fellow(n, peer->record.id);

        if (!f || peer->record.blocked)
                return;
        f->n_failures = 0;
        plan_comparison(n, f, usec_add(now.mono_usec, random_below(n->random, HEARD_USEC)));
}

/* One of those who are here and with whom there is no session, or NULL. */
static struct fellow *pick(struct node *n, const struct team *team)
{
        struct fellow *found = NULL;
        uint64_t count = 0;

        for (size_t i = 0; i < team->n_members; i++) {
                struct fellow *f = team->members[i].fellow;

                if (f && !team->members[i].is_leaving && !f->is_sought && present(n, f) &&
                        !node_session_with(n, f->id) && random_below(n->random, ++count) == 0)
                        found = f;
        }
        return found;
}

void node_gather_news(struct node *n, struct team *team, struct now now)
{
        for (int i = 0; i < NEWS_FELLOWS; i++) {
                struct fellow *f = pick(n, team);

                if (f)
                        plan_comparison(n, f,
                                usec_add(now.mono_usec,
                                        NEWS_USEC + random_below(n->random, NEWS_USEC)));
        }
}

void node_gather_met(struct node *n, struct fellow *f, struct now now)
{
        set_sought(n, f, false);
        f->due_usec = USEC_INFINITY;
        f->rest_usec = usec_add(now.mono_usec, REST_USEC);
}

void node_gather_lost(struct node *n, struct fellow *f, struct now now)
{
        f->rest_usec = usec_add(now.mono_usec, REST_USEC);
        plan_again(n, f, now);
}

void node_gather_forget(struct node *n, struct fellow *f)
{
        set_sought(n, f, false);
}

/*
 * Seeking
 */

/* A dial has come to something, or to nothing. */
static void look_at_sought(struct node *n, struct fellow *f, struct now now)
{
        const struct peer *peer = peers_by_id(&n->peers, f->id);

        if (node_session_with(n, f->id) || (peer && peer->native && peer->native->dial_link != 0))
                return;
        set_sought(n, f, false);
        plan_again(n, f, now);
        if (peer && f->n_wanting > 0)
                put_off(n, f, MAX(f->due_usec, peer->outbox.retry_usec));
}

/* It rests, or all rest: when it may be tried. */
static usec_t rest_until(const struct node *n, const struct peer *peer)
{
        usec_t usec = MAX(peer->outbox.retry_usec, n->unproven_usec);

        return peer->native ? MAX(usec, peer->native->expected_usec) : usec;
}

static int seek(struct node *n, struct fellow *f, struct now now)
{
        struct peer *peer = peers_by_id(&n->peers, f->id);
        int r;

        f->due_usec = USEC_INFINITY;
        if (!peer || peer->record.blocked || node_session_with(n, f->id) ||
                (f->n_wanting == 0 && !peer_is_present(peer)))
                return 0;
        peer->is_sought = f->n_wanting > 0;
        r = node_seek_session(n, peer, now);
        if (r < 0 || node_session_with(n, f->id))
                return r;
        if (peer->native && peer->native->dial_link != 0)
                set_sought(n, f, true);
        else
                put_off(n, f, MAX(rest_until(n, peer), usec_add(now.mono_usec, AGAIN_USEC)));
        return 0;
}

/* Newest conversations first; who has nothing to expect, last. */
static struct fellow *find_due(const struct node *n, struct now now)
{
        struct fellow *found = NULL;

        list_for_each (i, &n->groups.fellows) {
                struct fellow *f = fellow_of(i);

                if (f->is_sought || f->due_usec > now.mono_usec)
                        continue;
                if (!found || (f->n_wanting > 0 && (found->n_wanting == 0 ||
                                                           f->wanted_usec > found->wanted_usec)))
                        found = f;
        }
        return found;
}

void node_gather_plan(struct node *n, struct team *team, struct now now)
{
        if (team->n_members < 2)
                team->look_usec = USEC_INFINITY;
        else if (team->look_usec == USEC_INFINITY)
                team->look_usec =
                        usec_add(now.mono_usec, LOOK_USEC + random_below(n->random, LOOK_USEC));
        n->groups.seek_usec = usec_min(n->groups.seek_usec, team->look_usec);
}

static void look_at_teams(struct node *n, struct now now)
{
        list_for_each (i, &n->groups.teams) {
                struct team *team = container_of(i, struct team, list);
                struct fellow *f;

                if (team->look_usec > now.mono_usec)
                        continue;
                f = pick(n, team);
                if (f)
                        plan_comparison(n, f, now.mono_usec);
                team->look_usec = USEC_INFINITY;
                node_gather_plan(n, team, now);
        }
}

static void plan_next(struct node *n)
{
        struct groups *g = &n->groups;

        g->seek_usec = USEC_INFINITY;
        list_for_each (i, &g->teams)
                g->seek_usec =
                        usec_min(g->seek_usec, container_of(i, struct team, list)->look_usec);
        if (g->n_sought >= SOUGHT_MAX)
                return; /* a dial that ends tells */
        list_for_each (i, &g->fellows)
                if (!fellow_of(i)->is_sought)
                        g->seek_usec = usec_min(g->seek_usec, fellow_of(i)->due_usec);
}

int node_gather(struct node *n, struct now now)
{
        struct groups *g = &n->groups;
        size_t n_before = g->n_sought;
        struct fellow *f;
        int r = 0;

        if (n->is_leaving) {
                g->seek_usec = USEC_INFINITY;
                return 0;
        }
        if (g->n_sought > 0)
                list_for_each (i, &g->fellows)
                        if (fellow_of(i)->is_sought)
                                look_at_sought(n, fellow_of(i), now);
        if (g->seek_usec > now.mono_usec && g->n_sought == n_before)
                return 0;
        look_at_teams(n, now);
        while (r >= 0 && g->n_sought < SOUGHT_MAX && (f = find_due(n, now)))
                r = seek(n, f, now);
        plan_next(n);
        return r < 0 ? r : 0;
}
