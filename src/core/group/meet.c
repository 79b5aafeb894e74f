/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Peers, and what members say to each other when they meet or something is new */
#include "core/group/group-internal.h"

struct peer_of_groups *group_find_peer(const struct group_engine *e, const struct group_key *key)
{
        for (struct table_entry *i = table_find(&e->peers, key->bytes, sizeof key->bytes); i;
                i = table_find_next(i)) {
                struct peer_of_groups *p = container_of(i, struct peer_of_groups, in_peers);

                if (group_key_equal(&p->key, key))
                        return p;
        }
        return NULL;
}

static void set_limits(struct peer_of_groups *p)
{
        p->taken =
                (struct ratelimit){ .interval_usec = USEC_PER_MINUTE, .burst = GROUP_TAKEN_BURST };
        p->served =
                (struct ratelimit){ .interval_usec = USEC_PER_MINUTE, .burst = GROUP_SERVED_BURST };
        p->signatures = (struct ratelimit){ .interval_usec = USEC_PER_MINUTE,
                .burst = GROUP_SIGNATURES_BURST };
}

int group_add_peer(struct group_engine *e, const struct group_key *key)
{
        struct peer_of_groups *p = group_find_peer(e, key);

        if (p)
                group_remove_peer(e, p);
        if (e->n_peers >= GROUP_PEERS_MAX)
                return 0;
        p = calloc(1, sizeof *p);
        if (!p || table_add(&e->peers, &p->in_peers, key->bytes, sizeof key->bytes) < 0) {
                free(p);
                return e->error = -ENOMEM;
        }
        p->key = *key;
        set_limits(p);
        list_init(&p->meetings);
        list_init(&p->in_engine);
        list_append(&e->all_peers, &p->in_engine);
        e->n_peers++;
        list_for_each (i, &e->all_groups) {
                struct group *g = container_of(i, struct group, in_engine);

                if (g->state == GROUP_MEMBER)
                        group_meet_peer(e, g, p);
                else if (g->state == GROUP_LEAVING)
                        group_tell_leaving(e, g, key);
        }
        return e->error;
}

void group_remove_peer(struct group_engine *e, struct peer_of_groups *p)
{
        list_for_each_safe (i, &p->meetings)
                group_remove_meeting(e, container_of(i, struct meeting, in_peer));
        table_remove(&e->peers, &p->in_peers);
        list_remove(&p->in_engine);
        free(p);
        e->n_peers--;
}

/* Whichever list is the shorter one is usually that of the peer. */
struct meeting *group_find_meeting(const struct group *g, const struct peer_of_groups *p)
{
        list_for_each (i, &p->meetings) {
                struct meeting *m = container_of(i, struct meeting, in_peer);

                if (m->group == g)
                        return m;
        }
        return NULL;
}

void group_remove_meeting(struct group_engine *e, struct meeting *m)
{
        group_drop_asks(e, m);
        list_remove(&m->in_group);
        list_remove(&m->in_peer);
        free(m);
}

static bool *heard(const struct meeting *m)
{
        const struct group_membership *membership = m->group->membership;

        return &m->group->heard[group_membership_member(membership, &m->peer->key) -
                                membership->members];
}

void group_tell_membership(
        struct group_engine *e, const struct group *g, const struct group_key *peer)
{
        e->message[0] = GROUP_GOSSIP_MEMBERSHIP;
        group_post(e, peer, 1 + group_membership_encode(g->membership, e->message + 1));
}

void group_push(struct group_engine *e, struct meeting *m)
{
        if (m->pushed_usec != 0 && e->now.mono_usec < usec_add(m->pushed_usec, PUSH_USEC))
                return;
        m->pushed_usec = e->now.mono_usec;
        group_tell_membership(e, m->group, &m->peer->key);
}

void group_tell_tip(struct group_engine *e, struct meeting *m)
{
        const struct group *g = m->group;
        struct group_gossip t = { .group = g->id, .version = g->membership->version };

        memcpy(t.hash, g->membership->hash, sizeof t.hash);
        random_bytes(e->random, t.nonce, sizeof t.nonce);
        t.digest = group_digest(e, g, &m->peer->key, t.nonce);
        group_post(e, &m->peer->key, group_gossip_tip(&t, e->message));
        m->awaited_usec = usec_add(e->now.mono_usec, ANSWER_USEC);
        if (*heard(m))
                group_plan(e, m->group, m->awaited_usec);
}

void group_wake_meetings(struct group_engine *e, struct group *g)
{
        list_for_each (i, &g->meetings) {
                struct meeting *m = container_of(i, struct meeting, in_group);

                /* Who is invited only says nothing. */
                if (m->awaited_usec == 0 || !*heard(m))
                        continue;
                if (m->awaited_usec > e->now.mono_usec) {
                        group_plan(e, g, m->awaited_usec);
                        continue;
                }
                /* It may have lost its memory, and not know of the group any more. */
                *heard(m) = false;
                group_push(e, m);
                group_tell_tip(e, m);
        }
}

void group_meet_peer(struct group_engine *e, struct group *g, struct peer_of_groups *p)
{
        struct meeting *m = group_find_meeting(g, p);

        if (m || !group_is_current(g, &p->key) || group_key_equal(&p->key, &e->self))
                return;
        m = calloc(1, sizeof *m);
        if (!m) {
                e->error = -ENOMEM;
                return;
        }
        m->group = g;
        m->peer = p;
        m->told = g->n_changes;
        m->exchange = ++g->n_exchanges;
        m->answers = (struct ratelimit){ .interval_usec = USEC_PER_MINUTE,
                .burst = GROUP_ANSWERS_BURST };
        list_init(&m->asks);
        list_init(&m->in_group);
        list_init(&m->in_peer);
        list_append(&g->meetings, &m->in_group);
        list_append(&p->meetings, &m->in_peer);
        /* Who has not spoken since this membership began may not even know of the group. */
        if (!*heard(m))
                group_push(e, m);
        group_tell_wishes(e, g, &p->key);
        group_tell_tip(e, m);
}

void group_meet(struct group_engine *e, struct group *g)
{
        list_for_each_safe (i, &g->meetings) {
                struct meeting *m = container_of(i, struct meeting, in_group);

                if (!group_is_current(g, &m->peer->key))
                        group_remove_meeting(e, m);
        }
        list_for_each (i, &e->all_peers)
                group_meet_peer(e, g, container_of(i, struct peer_of_groups, in_engine));
}

/* TIP and HAVE */

/* That @m has what we wrote in that lane. */
static void report_held(
        struct group_engine *e, const struct meeting *m, const struct lane *l, uint64_t number)
{
        struct group_effect *effect = group_add_effect(e, GROUP_HELD, m->group, NULL, 0);

        if (!effect)
                return;
        effect->peer = m->peer->key;
        effect->lane = group_id_of_lane(l);
        effect->number = MIN(number, l->high);
}

static void report_all_held(struct group_engine *e, const struct meeting *m)
{
        list_for_each (i, &m->group->all_authors) {
                const struct author *a = container_of(i, struct author, in_group);

                if (!group_key_equal(&a->key, &e->self))
                        continue;
                list_for_each (k, &a->lanes) {
                        const struct lane *l = container_of(k, struct lane, in_author);

                        if (group_lane_is_for(e, m->group, &m->peer->key, l->version))
                                report_held(e, m, l, group_lane_number(m->group, l));
                }
        }
}

enum which {
        EVERYTHING,
        CHANGED,       /* since it was told the last time */
        NOT_MENTIONED, /* in this exchange */
};

static bool is_wanted(const struct group_engine *e, const struct meeting *m, const struct lane *l,
        enum which which)
{
        if (which == CHANGED && l->changed <= m->told)
                return false;
        if (which == NOT_MENTIONED && l->exchange == m->exchange)
                return false;
        return group_lane_number(m->group, l) > 0 &&
               group_lane_is_for(e, m->group, &m->peer->key, l->version);
}

/* As many messages as it takes; without lanes one only if it is an answer. */
static void tell_have(
        struct group_engine *e, struct meeting *m, enum which which, enum group_have_flags flags)
{
        size_t begin = group_gossip_have(&m->group->id, GROUP_HAVE_NEWS, e->message);
        size_t size = begin;

        list_for_each (i, &m->group->all_authors) {
                const struct author *a = container_of(i, struct author, in_group);

                list_for_each (k, &a->lanes) {
                        const struct lane *l = container_of(k, struct lane, in_author);
                        struct group_lane_id id = group_id_of_lane(l);

                        if (!is_wanted(e, m, l, which))
                                continue;
                        if (group_gossip_is_full(e->message)) {
                                group_post(e, &m->peer->key, size);
                                size = group_gossip_have(
                                        &m->group->id, GROUP_HAVE_NEWS, e->message);
                        }
                        size = group_gossip_have_lane(
                                e->message, size, &id, group_lane_number(m->group, l));
                }
        }
        if (flags == GROUP_HAVE_NEWS && size == begin)
                return;
        group_gossip_set_flags(e->message, flags);
        group_post(e, &m->peer->key, size);
}

void group_has_news(struct group_engine *e, struct group *g)
{
        if (g->news_usec == USEC_INFINITY)
                g->news_usec =
                        usec_add(e->now.mono_usec, NEWS_USEC + random_below(e->random, NEWS_USEC));
        group_plan(e, g, g->news_usec);
}

void group_tell_news(struct group_engine *e, struct group *g)
{
        g->news_usec = USEC_INFINITY;
        list_for_each (i, &g->meetings) {
                struct meeting *m = container_of(i, struct meeting, in_group);

                tell_have(e, m, CHANGED, GROUP_HAVE_NEWS);
                m->told = g->n_changes;
        }
}

static void answer_tip(struct group_engine *e, struct meeting *m, const struct group_gossip *t)
{
        const struct group *g = m->group;

        if (group_digest(e, g, &m->peer->key, t->nonce) != t->digest) {
                tell_have(e, m, EVERYTHING, GROUP_HAVE_ANSWER);
                m->told = g->n_changes;
                return;
        }
        report_all_held(e, m);
        group_post(e, &m->peer->key, group_gossip_have(&g->id, GROUP_HAVE_SAME, e->message));
}

void group_received_tip(
        struct group_engine *e, struct peer_of_groups *p, const struct group_gossip *t)
{
        struct group *g = group_look_up(e, &t->group);
        struct meeting *m = g ? group_find_meeting(g, p) : NULL;

        if (!g || g->state != GROUP_MEMBER)
                return;
        if (!m) {
                if (ratelimit_allow(&p->signatures, e->now.mono_usec))
                        group_tell_farewell(e, g, &p->key);
                return;
        }
        if (!ratelimit_allow(&m->answers, e->now.mono_usec))
                return;
        if (memcmp(t->hash, g->membership->hash, HASH_SIZE) == 0) {
                *heard(m) = true;
                answer_tip(e, m, t);
        } else if (group_membership_is_better(
                           t->version, t->hash, g->membership->version, g->membership->hash)) {
                /* So that it sees that we do not have it. */
                group_tell_tip(e, m);
        } else {
                group_push(e, m);
        }
}

static void take_entry(
        struct group_engine *e, struct meeting *m, const struct group_lane_id *id, uint64_t number)
{
        struct group *g = m->group;
        struct lane *l = group_find_lane(g, id);
        uint64_t have = l ? l->high : 0, counts = group_cut(g, id);

        if (l && number >= MIN(have, counts))
                l->exchange = m->exchange;
        if (l && group_key_equal(&id->author, &e->self))
                report_held(e, m, l, number);
        counts = MIN(counts, number);
        if (counts > have && group_membership_had(g->membership, &e->self, id->version) &&
                (l || group_lane_fits(g, &id->author)))
                group_ask(e, m, id, have + 1, counts);
}

void group_received_have(
        struct group_engine *e, struct peer_of_groups *p, const struct group_gossip *h)
{
        struct group *g = group_look_up(e, &h->group);
        struct meeting *m = g ? group_find_meeting(g, p) : NULL;

        for (size_t i = 0; i < h->n; i++) {
                struct group_lane_id id;
                uint64_t number;

                if (!group_gossip_lane(h, i, &id, &number)) {
                        group_ban(e, p);
                        return;
                }
                if (m)
                        take_entry(e, m, &id, number);
        }
        if (!m)
                return;
        group_pump(e, m);
        if (h->flags == GROUP_HAVE_NEWS)
                return;
        /* It answers those only who have its membership. */
        *heard(m) = *heard(m) || m->awaited_usec != 0;
        if (h->flags == GROUP_HAVE_SAME)
                report_all_held(e, m);
        else if (m->awaited_usec != 0)
                tell_have(e, m, NOT_MENTIONED, GROUP_HAVE_NEWS);
        m->awaited_usec = 0;
        m->exchange = ++g->n_exchanges;
}
