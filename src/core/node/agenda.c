/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two lists of a turn */
#include "core/node/agenda.h"

struct agenda_item {
        struct list list;
        union {
                struct change change;
                struct effect effect;
        };
        char payload[]; /* copies of what pointers point to */
};

void agenda_init(struct agenda *a)
{
        *a = (struct agenda){ 0 };
        list_init(&a->changes);
        list_init(&a->effects);
}

static void clear(struct list *items)
{
        list_for_each_safe (i, items)
                free(container_of(i, struct agenda_item, list));
        list_init(items);
}

void agenda_done(struct agenda *a)
{
        clear(&a->changes);
        clear(&a->effects);
        free(a->change);
        free(a->effect);
        agenda_init(a);
}

/* Copies @size bytes to *@end, with a zero byte behind them, and returns the copy. */
static char *copy(char **end, const void *data, size_t size)
{
        char *p = *end;

        if (size > 0)
                memcpy(p, data, size);
        p[size] = 0;
        *end = p + size + 1;
        return p;
}

static size_t string_size(const char *s)
{
        return s ? strlen(s) : 0;
}

static size_t change_size(const struct change *c)
{
        switch (c->type) {
        case CHANGE_MESSAGE:
                return c->message.size;
        case CHANGE_STATE:
                return string_size(c->state.reason);
        case CHANGE_USERNAME:
                return string_size(c->text);
        case CHANGE_PRESENCE:
                return string_size(c->presence.user);
        case CHANGE_WARNING:
                return string_size(c->warning.kind) + string_size(c->warning.user) +
                       string_size(c->warning.sentence);
        case CHANGE_SESSION:
                return string_size(c->session.user) + string_size(c->session.what);
        case CHANGE_BLOCK:
                return c->block.size;
        case CHANGE_GROUP:
                return c->group.size;
        case CHANGE_LEAVE:
                return c->leave.size;
        case CHANGE_INVITED:
                return string_size(c->invited.word) + string_size(c->invited.by);
        case CHANGE_FILE:
                return string_size(c->file.user) + string_size(c->file.name) +
                       string_size(c->file.detail);
        case CHANGE_PEER:
        case CHANGE_PEER_GONE:
        case CHANGE_PROGRESS:
        case CHANGE_NUMBER:
        case CHANGE_STREAM:
        case CHANGE_MARK:
        case CHANGE_MARK_GONE:
        case CHANGE_REFUSED:
        case CHANGE_FORGET:
        case CHANGE_RING:
        case CHANGE_LEDGER:
        case CHANGE_BLOCKS_GONE:
        case CHANGE_GROUP_GONE:
        case CHANGE_GROUP_MUTED:
        case CHANGE_LEAVE_GONE:
        case CHANGE_LANE:
        case CHANGE_CERTIFIED:
                break;
        }
        return 0;
}

int agenda_add_change(struct agenda *a, const struct change *change)
{
        struct agenda_item *i = malloc(sizeof *i + change_size(change) + 3);
        struct change *c;
        char *end;

        if (!i)
                return -ENOMEM;

        i->change = *change;
        c = &i->change;
        end = i->payload;
        switch (c->type) {
        case CHANGE_MESSAGE:
                c->message.text = copy(&end, c->message.text, c->message.size);
                break;
        case CHANGE_STATE:
                c->state.reason = copy(&end, c->state.reason, string_size(c->state.reason));
                break;
        case CHANGE_USERNAME:
                c->text = copy(&end, c->text, string_size(c->text));
                break;
        case CHANGE_PRESENCE:
                c->presence.user = copy(&end, c->presence.user, string_size(c->presence.user));
                break;
        case CHANGE_WARNING:
                c->warning.kind = copy(&end, c->warning.kind, string_size(c->warning.kind));
                c->warning.user = copy(&end, c->warning.user, string_size(c->warning.user));
                c->warning.sentence =
                        copy(&end, c->warning.sentence, string_size(c->warning.sentence));
                break;
        case CHANGE_SESSION:
                c->session.user = copy(&end, c->session.user, string_size(c->session.user));
                c->session.what = copy(&end, c->session.what, string_size(c->session.what));
                break;
        case CHANGE_BLOCK:
                c->block.data = (uint8_t *)copy(&end, c->block.data, c->block.size);
                break;
        case CHANGE_GROUP:
                c->group.membership = (uint8_t *)copy(&end, c->group.membership, c->group.size);
                break;
        case CHANGE_LEAVE:
                c->leave.data = (uint8_t *)copy(&end, c->leave.data, c->leave.size);
                break;
        case CHANGE_INVITED:
                c->invited.word = copy(&end, c->invited.word, string_size(c->invited.word));
                c->invited.by = copy(&end, c->invited.by, string_size(c->invited.by));
                break;
        case CHANGE_FILE:
                c->file.user = copy(&end, c->file.user, string_size(c->file.user));
                c->file.name = copy(&end, c->file.name, string_size(c->file.name));
                c->file.detail = copy(&end, c->file.detail, string_size(c->file.detail));
                break;
        case CHANGE_PEER:
        case CHANGE_PEER_GONE:
        case CHANGE_PROGRESS:
        case CHANGE_NUMBER:
        case CHANGE_STREAM:
        case CHANGE_MARK:
        case CHANGE_MARK_GONE:
        case CHANGE_REFUSED:
        case CHANGE_FORGET:
        case CHANGE_RING:
        case CHANGE_LEDGER:
        case CHANGE_BLOCKS_GONE:
        case CHANGE_GROUP_GONE:
        case CHANGE_GROUP_MUTED:
        case CHANGE_LEAVE_GONE:
        case CHANGE_LANE:
        case CHANGE_CERTIFIED:
                break;
        }
        list_append(&a->changes, &i->list);
        return 0;
}

int agenda_add_effect(struct agenda *a, const struct effect *effect)
{
        const void *data = NULL;
        struct agenda_item *i;
        size_t size = 0;

        if (effect->type == EFFECT_SEND)
                data = effect->send.data, size = effect->send.size;
        else if (effect->type == EFFECT_DATAGRAM)
                data = effect->datagram.data, size = effect->datagram.size;
        else if (effect->type == EFFECT_REFUSE)
                data = effect->refuse.sentence, size = strlen(effect->refuse.sentence) + 1;
        else if (effect->type == EFFECT_SPOOL_WRITE)
                data = effect->spool.data, size = effect->spool.n;

        i = malloc(sizeof *i + size);
        if (!i)
                return -ENOMEM;

        i->effect = *effect;
        if (size > 0)
                memcpy(i->payload, data, size);
        if (effect->type == EFFECT_SEND)
                i->effect.send.data = (uint8_t *)i->payload;
        else if (effect->type == EFFECT_DATAGRAM)
                i->effect.datagram.data = (uint8_t *)i->payload;
        else if (effect->type == EFFECT_REFUSE)
                i->effect.refuse.sentence = i->payload;
        else if (effect->type == EFFECT_SPOOL_WRITE)
                i->effect.spool.data = (uint8_t *)i->payload;
        list_append(&a->effects, &i->list);
        return 0;
}

/* Does it answer @call? */
static bool is_answer(const struct effect *e, uint64_t call)
{
        switch (e->type) {
        case EFFECT_REPLY:
                return e->reply.call == call;
        case EFFECT_REFUSE:
                return e->refuse.call == call;
        case EFFECT_JOINED:
                return e->joined.call == call;
        case EFFECT_FOUND:
                return e->found.call == call;
        case EFFECT_SEND:
        case EFFECT_DIAL:
        case EFFECT_CLOSE:
        case EFFECT_DATAGRAM:
        case EFFECT_LOAD:
        case EFFECT_LOAD_BLOCK:
        case EFFECT_LOAD_CHAIN:
        case EFFECT_LOAD_GROUP_MESSAGE:
        case EFFECT_SPOOL_WRITE:
        case EFFECT_SPOOL_READ:
        case EFFECT_SPOOL_HASH:
        case EFFECT_SPOOL_DISCARD:
        case EFFECT_ASK_ROOM:
                break;
        }
        return false;
}

void agenda_drop_reply(struct agenda *a, uint64_t call)
{
        list_for_each_safe (i, &a->effects) {
                struct agenda_item *item = container_of(i, struct agenda_item, list);

                if (!is_answer(&item->effect, call))
                        continue;
                list_remove(i);
                free(item);
        }
}

/* Moves the first of @items to *@given, where the one before it is freed. */
static struct agenda_item *take(struct list *items, struct agenda_item **given)
{
        struct list *first = list_first(items);

        free(*given);
        *given = NULL;
        if (!first)
                return NULL;
        list_remove(first);
        return *given = container_of(first, struct agenda_item, list);
}

bool agenda_next_change(struct agenda *a, struct change *ret)
{
        struct agenda_item *i = take(&a->changes, &a->change);

        if (i)
                *ret = i->change;
        return i;
}

bool agenda_next_effect(struct agenda *a, struct effect *ret)
{
        struct agenda_item *i = take(&a->effects, &a->effect);

        if (i)
                *ret = i->effect;
        return i;
}
