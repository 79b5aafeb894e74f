/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What waits for one peer */
#include "core/delivery/outbox.h"
#include "core/crypto/random.h"

struct queued *queued_new(const struct ulid *id, uint64_t peer, int security, size_t size,
        size_t size_sent, const char *number)
{
        size_t number_size = strlen(number) + 1;
        struct queued *q = malloc(sizeof *q + number_size);

        if (!q)
                return NULL;
        *q = (struct queued){
                .id = *id,
                .peer = peer,
                .security = security,
                .size = size,
                .size_sent = size_sent,
        };
        list_init(&q->waiting);
        memcpy(q->number, number, number_size);
        return q;
}

void outbox_init(struct outbox *o)
{
        *o = (struct outbox){ 0 };
        list_init(&o->messages);
}

void outbox_add(struct outbox *o, struct queued *q)
{
        list_append(&o->messages, &q->waiting);
        q->outbox = o;
        o->n++;
        o->size += q->size;
}

void outbox_remove(struct outbox *o, struct queued *q)
{
        list_remove(&q->waiting);
        q->outbox = NULL;
        o->n--;
        o->size -= q->size;
}

void outbox_move(struct outbox *to, struct outbox *from)
{
        struct list *place = to->messages.next;

        list_for_each_safe (i, &from->messages) {
                struct queued *q = container_of(i, struct queued, waiting);

                while (place != &to->messages &&
                        container_of(place, struct queued, waiting)->serial < q->serial)
                        place = place->next;
                outbox_remove(from, q);
                /* Appending to an element puts it in front of that element. */
                list_append(place, &q->waiting);
                q->outbox = to;
                to->n++;
                to->size += q->size;
        }
}

struct queued *outbox_first(const struct outbox *o)
{
        struct list *first = list_first(&o->messages);

        return first ? container_of(first, struct queued, waiting) : NULL;
}

usec_t outbox_pause_usec(struct random *random, unsigned n_failures)
{
        usec_t pause_usec = RETRY_USEC_MIN;

        for (unsigned i = 0; i < n_failures && pause_usec < RETRY_USEC_MAX; i++)
                pause_usec *= 2;
        pause_usec = usec_min(pause_usec, RETRY_USEC_MAX);
        /* From three quarters to five quarters: many that failed together try apart. */
        return pause_usec * 3 / 4 + random_below(random, pause_usec / 2 + 1);
}

void outbox_failed(struct outbox *o, struct random *random, usec_t now_usec)
{
        o->retry_usec = usec_add(now_usec, outbox_pause_usec(random, o->n_failures));
        o->n_failures++;
}

void outbox_awake(struct outbox *o)
{
        o->retry_usec = 0;
        o->n_failures = 0;
}
