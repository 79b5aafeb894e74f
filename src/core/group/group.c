/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The engine of groups: begins and ends, messages and times */
#include "core/group/group-internal.h"

int group_engine_new(const struct group_options *options, struct group_engine **ret)
{
        struct group_engine *e = calloc(1, sizeof *e);
        uint8_t key[TABLE_KEY_SIZE];

        if (!e)
                return -ENOMEM;
        e->identity = options->identity;
        e->random = options->random;
        memcpy(e->self.bytes, e->identity->public_key, sizeof e->self.bytes);
        random_bytes(e->random, key, sizeof key);
        table_init(&e->groups, key);
        table_init(&e->peers, key);
        list_init(&e->all_groups);
        list_init(&e->all_peers);
        list_init(&e->effects);
        e->wake_usec = USEC_INFINITY;
        e->life = options->life;
        if (e->life == 0)
                group_begin_life(e);
        if (e->error < 0) {
                group_engine_free(e);
                return -ENOMEM;
        }
        *ret = e;
        return 0;
}

struct group_engine *group_engine_free(struct group_engine *e)
{
        if (!e)
                return NULL;
        list_for_each_safe (i, &e->all_groups)
                group_drop(e, container_of(i, struct group, in_engine));
        list_for_each_safe (i, &e->all_peers)
                group_remove_peer(e, container_of(i, struct peer_of_groups, in_engine));
        list_for_each_safe (i, &e->effects)
                free(container_of(i, struct queued_group_effect, in_effects));
        free(e->given);
        table_done(&e->groups);
        table_done(&e->peers);
        free(e);
        return NULL;
}

int group_connected(struct group_engine *e, const struct group_key *peer, const struct now *now)
{
        e->now = *now;
        return group_add_peer(e, peer);
}

int group_gone(struct group_engine *e, const struct group_key *peer, const struct now *now)
{
        struct peer_of_groups *p = group_find_peer(e, peer);

        e->now = *now;
        if (p)
                group_remove_peer(e, p);
        return e->error;
}

static void received(struct group_engine *e, struct peer_of_groups *p, const struct group_gossip *m)
{
        switch (m->kind) {
        case GROUP_GOSSIP_TIP:
                group_received_tip(e, p, m);
                break;
        case GROUP_GOSSIP_MEMBERSHIP:
                group_received_membership(e, p, m->data, m->size);
                break;
        case GROUP_GOSSIP_LEAVE:
                group_received_leave(e, p, m->data, m->size);
                break;
        case GROUP_GOSSIP_FAREWELL:
                group_received_farewell(e, p, m->data, m->size);
                break;
        case GROUP_GOSSIP_HAVE:
                group_received_have(e, p, m);
                break;
        case GROUP_GOSSIP_GET:
                group_received_get(e, p, m);
                break;
        case GROUP_GOSSIP_MESSAGE:
                group_received_message(e, p, m->data, m->size);
                break;
        }
}

int group_receive(struct group_engine *e, const struct group_key *from, const void *data,
        size_t size, const struct now *now)
{
        struct peer_of_groups *p = group_find_peer(e, from);
        struct group_gossip m;
        int r;

        e->now = *now;
        if (!p)
                return e->error;
        r = group_gossip_decode(data, size, &m);
        if (r == 0)
                received(e, p, &m);
        else if (r == GROUP_GOSSIP_MALFORMED)
                group_ban(e, p);
        return e->error;
}

static void wake(struct group_engine *e, struct group *g)
{
        g->wake_usec = USEC_INFINITY;
        if (g->news_usec <= e->now.mono_usec)
                group_tell_news(e, g);
        group_plan(e, g, g->news_usec);
        group_wake_meetings(e, g);
        group_wake_asks(e, g);
}

int group_advance(struct group_engine *e, const struct now *now)
{
        e->now = *now;
        if (e->wake_usec > now->mono_usec)
                return e->error;
        e->wake_usec = USEC_INFINITY;
        list_for_each (i, &e->all_groups) {
                struct group *g = container_of(i, struct group, in_engine);

                if (g->wake_usec <= now->mono_usec)
                        wake(e, g);
                e->wake_usec = usec_min(e->wake_usec, g->wake_usec);
        }
        return e->error;
}

usec_t group_deadline(const struct group_engine *e)
{
        return e->wake_usec;
}
