/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Delivery between two native peers: the sender's half */
#include "core/delivery/stream.h"
#include "core/crypto/random.h"

struct queued_message {
        struct list queue;
        struct ulid id;
        size_t size;
        uint64_t number; /* 0: none */
        bool has_failed; /* once settled */
        enum refused reason;
};

static struct queued_message *message_of(struct list *i)
{
        return container_of(i, struct queued_message, queue);
}

static void free_all(struct list *l)
{
        list_for_each_safe (i, l) {
                list_remove(i);
                free(message_of(i));
        }
}

static void free_told(struct stream_out *o)
{
        free(o->told);
        o->told = NULL;
}

void stream_out_init(struct stream_out *o, struct random *random)
{
        *o = (struct stream_out){ .random = random };
        list_init(&o->waiting);
        list_init(&o->numbered);
        list_init(&o->settled);
}

void stream_out_done(struct stream_out *o)
{
        free_told(o);
        free_all(&o->waiting);
        free_all(&o->numbered);
        free_all(&o->settled);
}

void stream_out_restore(struct stream_out *o, uint64_t stream, uint64_t given, uint64_t oldest)
{
        assert(stream != 0 && oldest > 0 && oldest <= given + 1);
        o->stream = stream;
        o->given = o->given_told = given;
        o->oldest = oldest;
        o->is_restored = true;
}

/* From the end: what is asked for is mostly near it. NULL: that number was settled or cancelled. */
static struct queued_message *numbered(const struct stream_out *o, uint64_t number)
{
        for (struct list *i = o->numbered.prev; i != &o->numbered; i = i->prev) {
                struct queued_message *q = message_of(i);

                if (q->number <= number)
                        return q->number == number ? q : NULL;
        }
        return NULL;
}

/* Gives numbers, as far as the window goes. */
static void fill_window(struct stream_out *o)
{
        struct list *first;

        while (o->state == STREAM_OUT_OPEN && (first = list_first(&o->waiting))) {
                struct queued_message *q = message_of(first);

                if (o->given + 1 >= o->oldest + STREAM_WINDOW || o->given >= STREAM_NUMBER_MAX)
                        return;
                if (!list_is_empty(&o->numbered) && o->numbered_size + q->size > STREAM_WINDOW_SIZE)
                        return;
                q->number = ++o->given;
                o->numbered_size += q->size;
                list_remove(&q->queue);
                list_append(&o->numbered, &q->queue);
        }
}

int stream_out_add(struct stream_out *o, const struct ulid *id, size_t size, uint64_t number)
{
        struct queued_message *q = malloc(sizeof *q);

        if (!q)
                return -ENOMEM;
        assert(number == 0 || (list_is_empty(&o->waiting) && number <= o->given));
        *q = (struct queued_message){ .id = *id, .size = size, .number = number };
        list_init(&q->queue);
        list_append(number > 0 ? &o->numbered : &o->waiting, &q->queue);
        if (number > 0)
                o->numbered_size += size;
        o->n++;
        fill_window(o);
        return 0;
}

static void take_out(struct stream_out *o, struct queued_message *q)
{
        list_remove(&q->queue);
        if (q->number > 0)
                o->numbered_size -= q->size;
        o->n--;
}

static void settle(struct stream_out *o, struct queued_message *q, bool has_failed)
{
        take_out(o, q);
        q->has_failed = has_failed;
        list_append(&o->settled, &q->queue);
}

static void settle_up_to(struct stream_out *o, uint64_t number)
{
        struct list *first;

        while ((first = list_first(&o->numbered)) && message_of(first)->number <= number)
                settle(o, message_of(first), false);
        o->oldest = MAX(o->oldest, number + 1);
}

static struct queued_message *find(struct list *l, const struct ulid *id)
{
        list_for_each (i, l)
                if (ulid_equal(&message_of(i)->id, id))
                        return message_of(i);
        return NULL;
}

int stream_out_cancel(struct stream_out *o, const struct ulid *id)
{
        struct queued_message *q = find(&o->waiting, id);

        if (q) {
                take_out(o, q);
                free(q);
                return 0;
        }
        q = find(&o->numbered, id);
        if (!q)
                return STREAM_UNKNOWN;
        /* What would go after it cannot go in this session; the next resume finds the gap. */
        if (o->state == STREAM_OUT_OPEN && q->number > o->sent) {
                o->state = STREAM_OUT_CLOSED;
                o->tell_reopen = true;
        }
        take_out(o, q);
        free(q);
        fill_window(o);
        return STREAM_MAY_ARRIVE;
}

/*
 * The talk
 */
static void begin_stream(struct stream_out *o)
{
        do
                o->stream = random_u64(o->random);
        while (o->stream == 0);
        o->is_fresh = true;
        o->is_restored = false;
        o->tell_stream = true;
        o->given = o->given_told = 0;
        o->oldest = 1;
        o->numbered_size = 0;
        /* All that had numbers goes back in front of what has none. */
        while (!list_is_empty(&o->numbered)) {
                struct list *last = o->numbered.prev;

                list_remove(last);
                message_of(last)->number = 0;
                list_append(o->waiting.next, last);
        }
}

void stream_out_open(struct stream_out *o)
{
        o->state = STREAM_OUT_HELLO;
        o->is_fresh = false;
        o->tell_reopen = false;
        if (o->stream == 0 || (o->is_restored && list_is_empty(&o->numbered)))
                begin_stream(o);
}

void stream_out_close(struct stream_out *o)
{
        o->state = STREAM_OUT_CLOSED;
        o->tell_reopen = false;
}

static int broken(struct stream_out *o)
{
        stream_out_close(o);
        return STREAM_BROKEN;
}

/* Is there a message for each number from @number on? */
static bool has_all_from(const struct stream_out *o, uint64_t number)
{
        list_for_each (i, &o->numbered)
                if (message_of(i)->number != number++)
                        return false;
        return number == o->given + 1;
}

static int receive_resume(struct stream_out *o, uint64_t stream, uint64_t mark)
{
        if (o->state != STREAM_OUT_WAITS || stream != o->stream || mark < o->oldest - 1)
                return broken(o);
        if (mark > o->given) {
                /* Of a stream that was chosen just now nobody can have heard. */
                if (o->is_fresh)
                        return broken(o);
                begin_stream(o);
                o->state = STREAM_OUT_HELLO;
                return 0;
        }
        settle_up_to(o, mark);
        if (o->is_restored || !has_all_from(o, mark + 1)) {
                begin_stream(o);
                o->state = STREAM_OUT_HELLO;
                return 0;
        }
        o->state = STREAM_OUT_OPEN;
        o->asked = o->sent = mark;
        fill_window(o);
        return 0;
}

static int receive_refused(struct stream_out *o, uint64_t number, enum refused reason)
{
        struct queued_message *q;

        /* Before resume old refusals are repeated, which we may have heard or, being restored, not
         * know at all. */
        if (o->state == STREAM_OUT_HELLO || (o->state == STREAM_OUT_OPEN && number > o->sent))
                return broken(o);
        q = numbered(o, number);
        if (!q)
                return 0;
        q->reason = reason;
        settle(o, q, reason != REFUSED_KNOWN_ID);
        if (number == o->oldest)
                o->oldest++;
        fill_window(o);
        return 0;
}

int stream_out_receive(struct stream_out *o, const struct message *m)
{
        if (o->state == STREAM_OUT_CLOSED)
                return 0;
        switch (m->type) {
        case FRAME_RESUME:
                return receive_resume(o, m->resume.stream, m->resume.mark);
        case FRAME_ACKNOWLEDGE:
                if (o->state != STREAM_OUT_OPEN || m->acknowledge.number > o->sent)
                        return broken(o);
                settle_up_to(o, m->acknowledge.number);
                fill_window(o);
                return 0;
        case FRAME_REFUSED:
                return receive_refused(o, m->refused.number, m->refused.reason);
        case FRAME_HELLO:
        case FRAME_GOODBYE:
        case FRAME_RING:
        case FRAME_LEDGER:
        case FRAME_NAME:
        case FRAME_GROUP:
        case FRAME_GROUP_MESSAGE:
        case FRAME_FILE:
        case FRAME_DIAL_BACK:
        case FRAME_REACHED:
        case FRAME_MESSAGE:
                return 0;
        }
        return 0;
}

bool stream_out_loaded(struct stream_out *o, const struct ulid *id, usec_t time_usec,
        const char *text, size_t size, struct message *ret)
{
        struct queued_message *q;

        if (o->state != STREAM_OUT_OPEN || o->sent == o->asked)
                return false;
        q = numbered(o, o->sent + 1);
        /* Otherwise it was asked for in an earlier session, and for this one comes once more. */
        if (!q || !ulid_equal(&q->id, id))
                return false;
        o->sent++;
        *ret = (struct message){
                .type = FRAME_MESSAGE,
                .text = { .number = q->number,
                        .id = *id,
                        .time_usec = time_usec,
                        .text = text,
                        .size = size },
        };
        return true;
}

bool stream_out_next_change(struct stream_out *o, struct stream_change *ret)
{
        struct list *first = list_first(&o->settled);

        free_told(o);
        if (first) {
                struct queued_message *q = message_of(first);

                list_remove(first);
                o->told = q;
                *ret = (struct stream_change){
                        .type = q->has_failed ? STREAM_CHANGE_FAILED : STREAM_CHANGE_DELIVERED,
                        .id = q->id,
                        .reason = q->reason,
                };
                return true;
        }
        if (o->tell_stream) {
                o->tell_stream = false;
                *ret = (struct stream_change){ .type = STREAM_CHANGE_STREAM, .stream = o->stream };
                return true;
        }
        while (o->given_told < o->given) {
                struct queued_message *q = numbered(o, ++o->given_told);

                if (!q) /* given and cancelled in this turn */
                        continue;
                *ret = (struct stream_change){ .type = STREAM_CHANGE_NUMBER,
                        .id = q->id,
                        .stream = o->stream,
                        .number = q->number,
                        .oldest = o->oldest };
                return true;
        }
        return false;
}

bool stream_out_next_effect(struct stream_out *o, struct stream_out_effect *ret)
{
        struct queued_message *q;

        assert(list_is_empty(&o->settled) && !o->tell_stream && o->given_told == o->given);
        if (o->tell_reopen) {
                o->tell_reopen = false;
                *ret = (struct stream_out_effect){ .type = STREAM_REOPEN };
                return true;
        }
        if (o->state == STREAM_OUT_HELLO) {
                o->state = STREAM_OUT_WAITS;
                *ret = (struct stream_out_effect){
                        .type = STREAM_SEND,
                        .frame = { .type = FRAME_HELLO,
                                .hello = { .stream = o->stream, .oldest = o->oldest } },
                };
                return true;
        }
        if (o->state != STREAM_OUT_OPEN || o->asked == o->given)
                return false;
        q = numbered(o, o->asked + 1);
        assert(q); /* or the session would have been given up */
        o->asked++;
        *ret = (struct stream_out_effect){ .type = STREAM_LOAD, .id = q->id };
        return true;
}
