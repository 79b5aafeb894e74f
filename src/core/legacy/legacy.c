/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The engine of the classic dialects: talks, effects, time */
#include "core/crypto/crypto.h"
#include "core/crypto/random.h"
#include "core/legacy/talk.h"

struct queued_effect {
        struct list list;
        struct legacy_effect effect;
        uint8_t *data; /* owned; what effect.data or effect.sentence points to */
        char name[NAME_SIZE_MAX + 1];
};

static struct queued_effect *queued_free(struct queued_effect *q)
{
        if (!q)
                return NULL;
        free(q->data);
        free(q);
        return NULL;
}

/* Takes *data over. */
static int emit(struct legacy *l, struct talk *t, const struct legacy_effect *e, uint8_t **data)
{
        struct queued_effect *q = calloc(1, sizeof *q);

        if (!q)
                return -ENOMEM;
        q->effect = *e;
        q->effect.link = t->link;
        q->effect.remote = t->remote;
        q->data = data ? TAKE_PTR(*data) : NULL;
        memcpy(q->name, t->name, sizeof q->name);
        list_append(&l->effects, &q->list);
        return 0;
}

static int copy(const void *data, size_t size, uint8_t **ret)
{
        uint8_t *p = malloc(size + 1);

        if (!p)
                return -ENOMEM;
        if (size > 0)
                memcpy(p, data, size);
        p[size] = 0;
        *ret = p;
        return 0;
}

int talk_send(struct legacy *l, struct talk *t, struct buffer *b)
{
        _cleanup_(freep)
        uint8_t *data = NULL;
        size_t size;

        data = buffer_take(b, &size);
        return emit(l, t, &(struct legacy_effect){ .type = LEGACY_SEND, .size = size }, &data);
}

int talk_close(struct legacy *l, struct talk *t)
{
        t->is_over = true;
        return emit(l, t, &(struct legacy_effect){ .type = LEGACY_CLOSE }, NULL);
}

int talk_finish(struct legacy *l, struct talk *t)
{
        return emit(l, t, &(struct legacy_effect){ .type = LEGACY_FINISH }, NULL);
}

int talk_result(struct legacy *l, struct talk *t, enum legacy_outcome outcome)
{
        return emit(
                l, t, &(struct legacy_effect){ .type = LEGACY_RESULT, .outcome = outcome }, NULL);
}

int talk_notice(struct legacy *l, struct talk *t, const char *sentence)
{
        _cleanup_(freep)
        uint8_t *data = NULL;
        int r;

        r = copy(sentence, strlen(sentence), &data);
        return r < 0 ? r : emit(l, t, &(struct legacy_effect){ .type = LEGACY_NOTICE }, &data);
}

int talk_learned(struct legacy *l, struct talk *t)
{
        uint8_t before[LEGACY_MEMORY_SIZE], now[LEGACY_MEMORY_SIZE];

        legacy_memory_encode(&t->told, before);
        legacy_memory_encode(&t->memory, now);
        if (memcmp(before, now, sizeof now) == 0)
                return 0;
        t->told = t->memory;
        return emit(
                l, t, &(struct legacy_effect){ .type = LEGACY_LEARNED, .memory = t->memory }, NULL);
}

int talk_message(struct legacy *l, struct talk *t, enum legacy_security security, const char *text,
        size_t size)
{
        _cleanup_(freep)
        uint8_t *data = NULL;
        int r;

        r = copy(text, size, &data);
        return r < 0 ? r
                     : emit(l, t,
                               &(struct legacy_effect){
                                       .type = LEGACY_MESSAGE, .size = size, .security = security },
                               &data);
}

bool legacy_next_effect(struct legacy *l, struct legacy_effect *ret)
{
        struct list *first = list_first(&l->effects);

        l->current = queued_free(l->current);
        if (!first)
                return false;
        l->current = container_of(first, struct queued_effect, list);
        list_remove(first);

        *ret = l->current->effect;
        if (ret->type == LEGACY_NOTICE)
                ret->sentence = (char *)l->current->data;
        else
                ret->data = l->current->data;
        ret->name = l->current->name;
        return true;
}

/*
 * Talks
 */
static struct talk *find(const struct legacy *l, uint64_t link)
{
        for (struct table_entry *e = table_find(&l->by_link, &link, sizeof link); e;
                e = table_find_next(e)) {
                struct talk *t = container_of(e, struct talk, by_link);

                if (t->link == link)
                        return t;
        }
        return NULL;
}

static struct talk *talk_free(struct legacy *l, struct talk *t)
{
        if (!t)
                return NULL;
        table_remove(&l->by_link, &t->by_link);
        list_remove(&t->list);
        object_reader_done(&t->reader);
        free(t->text);
        wipe(t, sizeof *t); /* secrets and numbers */
        free(t);
        return NULL;
}

static int talk_new(struct legacy *l, uint64_t link, const struct endpoint *remote,
        const struct legacy_memory *memory, struct talk **ret)
{
        struct talk *t;
        int r;

        assert(!find(l, link));

        t = calloc(1, sizeof *t);
        if (!t)
                return -ENOMEM;
        t->link = link;
        t->remote = *remote;
        t->memory = t->told = *memory;
        t->timer_usec = t->bare_usec = t->silence_usec = USEC_INFINITY;
        r = table_add(&l->by_link, &t->by_link, &t->link, sizeof t->link);
        if (r < 0) {
                free(t);
                return r;
        }
        object_reader_init(&t->reader);
        list_append(&l->talks, &t->list);
        *ret = t;
        return 0;
}

int legacy_new(struct random *random, struct legacy **ret)
{
        uint8_t key[TABLE_KEY_SIZE];
        struct legacy *l = calloc(1, sizeof *l);

        if (!l)
                return -ENOMEM;
        l->random = random;
        random_bytes(random, key, sizeof key);
        table_init(&l->by_link, key);
        table_init(&l->exchanges_by_address, key);
        list_init(&l->talks);
        list_init(&l->effects);
        list_init(&l->exchanges);
        *ret = l;
        return 0;
}

struct legacy *legacy_free(struct legacy *l)
{
        if (!l)
                return NULL;
        list_for_each_safe (i, &l->talks)
                talk_free(l, container_of(i, struct talk, list));
        list_for_each_safe (i, &l->effects)
                queued_free(container_of(i, struct queued_effect, list));
        queued_free(l->current);
        exchanges_done(l);
        table_done(&l->by_link);
        free(l);
        return NULL;
}

int legacy_accepted(struct legacy *l, uint64_t link, const struct endpoint *remote,
        const struct legacy_memory *memory, usec_t now_usec)
{
        struct talk *t;
        int r;

        r = talk_new(l, link, remote, memory, &t);
        if (r < 0)
                return r;
        t->state = TALK_ANSWER;
        t->timer_usec = usec_add(now_usec, PATIENCE_USEC);
        return 0;
}

/* What follows a call: the talk may be over. */
static int settle(struct legacy *l, struct talk *t, int r)
{
        if (t->is_over)
                talk_free(l, t);
        return r;
}

int legacy_initiate(struct legacy *l, uint64_t link, const struct endpoint *remote,
        const struct legacy_memory *memory, const struct legacy_order *order, usec_t now_usec)
{
        struct talk *t;
        int r;

        assert(strlen(order->username) <= NAME_SIZE_MAX);
        assert(order->size <= LEGACY_OBJECT_MAX / 8);

        r = talk_new(l, link, remote, memory, &t);
        if (r < 0)
                return r;
        t->state = TALK_PAUSE;
        t->security = order->security;
        t->dialect = order->dialect;
        t->size = order->size;
        memcpy(t->username, order->username, strlen(order->username) + 1);
        if (order->number)
                (void)decimal_parse(order->number, strlen(order->number), t->number);
        r = copy(order->text, order->size, (uint8_t **)&t->text);
        if (r < 0) {
                talk_free(l, t);
                return r;
        }
        return settle(l, t, initiator_begin(l, t, now_usec));
}

static int take_object(struct legacy *l, struct talk *t, struct object *o, usec_t now_usec)
{
        int r;

        if (++t->n_objects > TALK_OBJECTS_MAX) {
                object_done(o);
                t->is_deaf = true;
                return t->state == TALK_ANSWER ? talk_close(l, t) : 0;
        }
        if (o->name[0])
                memcpy(t->name, o->name, sizeof t->name);
        r = t->state == TALK_ANSWER ? responder_object(l, t, o, now_usec)
                                    : initiator_object(l, t, o, now_usec);
        object_done(o);
        return r;
}

static int take_rubbish(struct legacy *l, struct talk *t)
{
        return t->state == TALK_ANSWER ? talk_close(l, t) : initiator_rubbish(l, t);
}

/* What is bare is complete, since nothing followed. */
static int finish_bare(struct legacy *l, struct talk *t, usec_t now_usec)
{
        struct object o;
        int r;

        t->bare_usec = USEC_INFINITY;
        r = object_reader_finish(&t->reader, &o);
        if (r == OBJECT_READ)
                return take_object(l, t, &o, now_usec);
        return r == OBJECT_RUBBISH ? take_rubbish(l, t) : r;
}

static int take_bytes(
        struct legacy *l, struct talk *t, const uint8_t *data, size_t size, usec_t now_usec)
{
        int r;

        t->n_bytes += size;
        if (t->n_bytes > TALK_BYTES_MAX)
                return take_rubbish(l, t);
        if (t->silence_usec != USEC_INFINITY)
                t->silence_usec = usec_add(now_usec, SILENCE_USEC);

        while (!t->is_over && !t->is_deaf) {
                struct object o;
                size_t used;

                r = object_read(&t->reader, data, size, &used, &o);
                data += used;
                size -= used;
                if (r == OBJECT_MORE)
                        break;
                if (r == OBJECT_READ)
                        r = take_object(l, t, &o, now_usec);
                else if (r == OBJECT_RUBBISH)
                        r = take_rubbish(l, t);
                if (r < 0)
                        return r;
        }
        t->bare_usec = USEC_INFINITY;
        if (object_reader_is_bare(&t->reader))
                t->bare_usec = usec_add(
                        now_usec, object_reader_is_ambiguous(&t->reader) ? DIGIT_USEC : BARE_USEC);
        return 0;
}

int legacy_receive(struct legacy *l, uint64_t link, const void *data, size_t size, usec_t now_usec)
{
        struct talk *t = find(l, link);

        if (!t || t->is_deaf || size == 0)
                return 0;
        return settle(l, t, take_bytes(l, t, data, size, now_usec));
}

static int take_end(struct legacy *l, struct talk *t, usec_t now_usec)
{
        int r;

        r = t->is_deaf ? 0 : finish_bare(l, t, now_usec);
        if (r < 0 || t->is_over)
                return r;
        if (t->state != TALK_ANSWER)
                return initiator_end(l, t, now_usec);
        /* Whoever exchanged keys here may say the rest on another connection: from now on. */
        if (t->secrets.is_exchanged)
                r = exchange_put(l, &t->remote, 0, &t->secrets, now_usec);
        return r < 0 ? r : talk_close(l, t);
}

int legacy_end(struct legacy *l, uint64_t link, usec_t now_usec)
{
        struct talk *t = find(l, link);

        return t ? settle(l, t, take_end(l, t, now_usec)) : 0;
}

void legacy_lost(struct legacy *l, uint64_t link)
{
        talk_free(l, find(l, link));
}

void legacy_moved(struct legacy *l)
{
        exchanges_drop_ours(l);
        list_for_each (i, &l->talks)
                container_of(i, struct talk, list)->has_moved = true;
}

static usec_t talk_deadline(const struct talk *t)
{
        return usec_min(usec_min(t->timer_usec, t->silence_usec), t->bare_usec);
}

static int take_time(struct legacy *l, struct talk *t, usec_t now_usec)
{
        int r;

        if (t->bare_usec <= now_usec) {
                r = finish_bare(l, t, now_usec);
                if (r < 0 || t->is_over)
                        return r;
        }
        if (usec_min(t->timer_usec, t->silence_usec) > now_usec)
                return 0;
        return t->state == TALK_ANSWER ? talk_close(l, t) : initiator_timer(l, t, now_usec);
}

int legacy_advance(struct legacy *l, usec_t now_usec)
{
        int r;

        exchanges_expire(l, now_usec);
        list_for_each_safe (i, &l->talks) {
                struct talk *t = container_of(i, struct talk, list);

                if (talk_deadline(t) > now_usec)
                        continue;
                r = settle(l, t, take_time(l, t, now_usec));
                if (r < 0)
                        return r;
        }
        return 0;
}

usec_t legacy_deadline(const struct legacy *l)
{
        usec_t deadline_usec = exchanges_deadline(l);

        list_for_each (i, &l->talks)
                deadline_usec =
                        usec_min(deadline_usec, talk_deadline(container_of(i, struct talk, list)));
        return deadline_usec;
}
