/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Taking messages, and giving stored ones */
#include "core/group/group-internal.h"

static void count_message(struct group_engine *e, struct group *g, struct lane *l,
        const struct group_message *message, const void *data, size_t size)
{
        struct group_effect *effect = group_add_effect(e, GROUP_NEW, g, data, size);

        l->high = message->number;
        l->changed = ++g->n_changes;
        if (!effect)
                return;
        effect->lane = message->lane;
        effect->number = message->number;
        effect->is_own = group_key_equal(&message->lane.author, &e->self);
        memcpy(effect->id, message->id, sizeof effect->id);
}

void group_begin_life(struct group_engine *e)
{
        struct group_effect *effect = group_add_effect(e, GROUP_STORE_LIFE, NULL, NULL, 0);

        do
                e->life = random_u64(e->random);
        while (e->life == 0);
        if (effect)
                effect->life = e->life;
}

enum verdict {
        TAKE,
        LEAVE, /* it is of no use, whoever's fault that is */
        LATER, /* the time has not come */
};

static enum verdict judge(struct group_engine *e, struct meeting *m,
        const struct group_message *message, const struct lane *l)
{
        const struct group *g = m->group;
        uint64_t have = l ? l->high : 0;

        if (message->lane.version > g->membership->version)
                return LATER;
        if (message->number <= have || message->number > group_cut(g, &message->lane) ||
                !group_membership_had(g->membership, &e->self, message->lane.version))
                return LEAVE;
        if (message->number > have + 1)
                return LATER;
        if (!l && !group_lane_fits(g, &message->lane.author))
                return LEAVE;
        return ratelimit_allow(&m->peer->taken, e->now.mono_usec) ? TAKE : LATER;
}

static void take(struct group_engine *e, struct group *g, const struct group_message *message,
        const void *data, size_t size)
{
        struct lane *l = group_find_lane(g, &message->lane);

        if (!l)
                l = group_add_lane(e, g, &message->lane);
        if (!l)
                return;
        count_message(e, g, l, message, data, size);
        /* We wrote it and do not remember: who gave us our memory was mistaken about its age. */
        if (group_key_equal(&message->lane.author, &e->self) &&
                message->lane.stream == group_own_stream(e, g))
                group_begin_life(e);
        group_has_news(e, g);
}

void group_received_message(
        struct group_engine *e, struct peer_of_groups *p, const void *data, size_t size)
{
        struct group_message message;
        struct group *g;
        struct meeting *m;
        int r = 0;

        if (group_message_decode(data, size, &message) != 0) {
                group_ban(e, p);
                return;
        }
        g = group_look_up(e, &message.group);
        m = g ? group_find_meeting(g, p) : NULL;
        if (!m)
                return;
        switch (judge(e, m, &message, group_find_lane(g, &message.lane))) {
        case TAKE:
                r = group_message_verify(&message);
                if (r == 0)
                        take(e, g, &message, data, size);
                break;
        case LATER:
                group_want_more(e, m);
                break;
        case LEAVE:
                break;
        }
        if (r < 0)
                e->error = r;
        else if (r > 0)
                group_ban(e, p);
        else
                group_came(e, m, &message);
}

/* Giving */

void group_received_get(
        struct group_engine *e, struct peer_of_groups *p, const struct group_gossip *get)
{
        const struct group *g = group_look_up(e, &get->group);
        const struct meeting *m = g ? group_find_meeting(g, p) : NULL;
        const struct lane *l = m ? group_find_lane(g, &get->lane) : NULL;
        uint64_t last;

        if (!l || !group_lane_is_for(e, g, &p->key, get->lane.version))
                return;
        last = group_lane_number(g, l);
        for (size_t i = 0; i < get->n; i++) {
                struct group_effect *effect;

                if (get->number > last || i > last - get->number ||
                        !ratelimit_allow(&p->served, e->now.mono_usec))
                        return;
                effect = group_add_effect(e, GROUP_LOAD, g, NULL, 0);
                if (!effect)
                        return;
                effect->peer = p->key;
                effect->lane = get->lane;
                effect->number = get->number + i;
        }
}

static bool may_give(struct group_engine *e, struct peer_of_groups *p, size_t size)
{
        if (p->bytes_begin_usec == 0 ||
                e->now.mono_usec >= usec_add(p->bytes_begin_usec, USEC_PER_MINUTE)) {
                p->bytes_begin_usec = e->now.mono_usec;
                p->n_bytes = 0;
        }
        p->n_bytes += size;
        return p->n_bytes <= GROUP_SERVED_BYTES;
}

/* In the meantime the peer may have been removed. */
int group_loaded(struct group_engine *e, const struct group_key *peer, const void *message,
        size_t size, const struct now *now)
{
        struct peer_of_groups *p = group_find_peer(e, peer);
        struct group_message m;
        const struct group *g;

        e->now = *now;
        if (!p || group_message_decode(message, size, &m) != 0)
                return e->error;
        g = group_look_up(e, &m.group);
        if (g && group_find_meeting(g, p) && group_lane_is_for(e, g, peer, m.lane.version) &&
                m.number <= group_cut(g, &m.lane) && may_give(e, p, size))
                group_post_record(e, peer, GROUP_GOSSIP_MESSAGE, message, size);
        return e->error;
}

int group_renew(struct group_engine *e, const struct now *now)
{
        e->now = *now;
        group_begin_life(e);
        return e->error;
}

int group_send(struct group_engine *e, const struct group_id *id, const char *text, size_t size,
        const struct now *now)
{
        struct group *g = group_look_up(e, id);
        struct group_message m = {
                .group = *id, .time_usec = now->real_usec, .text = text, .text_size = size
        };
        struct lane *l;
        int r;

        e->now = *now;
        if (!g)
                return GROUP_UNKNOWN;
        if (g->state != GROUP_MEMBER)
                return GROUP_WRONG_STATE;
        if (!group_text_is_valid(text, size))
                return GROUP_INVALID;
        m.lane = (struct group_lane_id){ e->self, group_own_stream(e, g), g->membership->version };
        l = group_find_lane(g, &m.lane);
        if (!l && !group_lane_fits(g, &e->self))
                return GROUP_FULL;
        if (!l)
                l = group_add_lane(e, g, &m.lane);
        if (!l)
                return e->error;
        m.number = l->high + 1;
        r = group_message_sign(&m, e->identity, e->message + 1, &size);
        if (r < 0)
                return e->error = r;
        e->message[0] = GROUP_GOSSIP_MESSAGE;
        count_message(e, g, l, &m, e->message + 1, size);
        list_for_each (i, &g->meetings)
                group_post(e, &container_of(i, struct meeting, in_group)->peer->key, 1 + size);
        return e->error;
}
