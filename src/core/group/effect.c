/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Groups: what the caller is to do */
#include "core/group/group-internal.h"

struct group_effect *group_add_effect(struct group_engine *e, enum group_effect_type type,
        const struct group *g, const void *data, size_t size)
{
        struct queued_group_effect *q = calloc(1, sizeof *q + size);

        if (!q) {
                e->error = -ENOMEM;
                return NULL;
        }
        q->effect.type = type;
        if (g)
                q->effect.group = g->id;
        if (size > 0)
                memcpy(q->data, data, size);
        q->effect.data = q->data;
        q->effect.size = size;
        list_append(&e->effects, &q->in_effects);
        return &q->effect;
}

void group_post(struct group_engine *e, const struct group_key *peer, size_t size)
{
        struct group_effect *effect = group_add_effect(e, GROUP_SEND, NULL, e->message, size);

        if (effect)
                effect->peer = *peer;
}

void group_post_record(struct group_engine *e, const struct group_key *peer,
        enum group_gossip_kind kind, const void *data, size_t size)
{
        e->message[0] = (uint8_t)kind;
        memmove(e->message + 1, data, size);
        group_post(e, peer, 1 + size);
}

void group_ban(struct group_engine *e, struct peer_of_groups *p)
{
        struct group_effect *effect = group_add_effect(e, GROUP_BAN, NULL, NULL, 0);

        if (effect)
                effect->peer = p->key;
        group_remove_peer(e, p);
}

void group_store(struct group_engine *e, const struct group *g)
{
        size_t size = group_membership_encode(g->membership, e->message);
        struct group_effect *effect = group_add_effect(e, GROUP_STORE, g, e->message, size);

        if (!effect)
                return;
        effect->state = g->state;
        effect->inviter = g->inviter;
}

void group_show_change(struct group_engine *e, const struct group *g, bool is_contradicted)
{
        struct group_effect *effect = group_add_effect(e, GROUP_CHANGED, g, NULL, 0);

        if (!effect)
                return;
        effect->state = g->state;
        effect->is_contradicted = is_contradicted;
}

bool group_next_effect(struct group_engine *e, struct group_effect *ret)
{
        struct list *first = list_first(&e->effects);

        free(e->given);
        e->given = NULL;
        if (!first)
                return false;
        list_remove(first);
        e->given = container_of(first, struct queued_group_effect, in_effects);
        *ret = e->given->effect;
        return true;
}
