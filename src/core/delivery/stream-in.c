/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Delivery between two native peers: the receiver's half */
#include "core/delivery/stream.h"

struct refusal {
        struct list refusals; /* in the order of numbers */
        uint64_t number;
        enum refused reason;
        bool is_due;     /* to be said in this session */
        bool tell;       /* to be remembered */
        bool is_passing; /* to be said once, and not remembered */
};

static struct refusal *refusal_of(struct list *i)
{
        return container_of(i, struct refusal, refusals);
}

static void refusal_free(struct refusal *f)
{
        list_remove(&f->refusals);
        free(f);
}

static void mark_done(struct stream_mark *k)
{
        list_for_each_safe (i, &k->refusals)
                refusal_free(refusal_of(i));
}

/* Lists have their head inside, so a moved mark takes its list along. */
static void mark_move(struct stream_mark *to, struct stream_mark *from)
{
        *to = *from;
        list_init(&to->refusals);
        list_for_each_safe (i, &from->refusals) {
                list_remove(i);
                list_append(&to->refusals, i);
        }
}

void stream_in_init(struct stream_in *in)
{
        *in = (struct stream_in){ 0 };
}

void stream_in_done(struct stream_in *in)
{
        for (size_t i = 0; i < in->n_marks; i++)
                mark_done(&in->marks[i]);
        in->n_marks = 0;
}

void stream_in_restore_mark(struct stream_in *in, uint64_t stream, uint64_t number)
{
        struct stream_mark *k = &in->marks[in->n_marks++];

        assert(in->n_marks <= STREAM_MARKS_MAX);
        *k = (struct stream_mark){ .stream = stream, .number = number };
        list_init(&k->refusals);
}

static int add_refusal(struct stream_mark *k, const struct refusal *refusal)
{
        struct refusal *f = malloc(sizeof *f);
        struct list *after = &k->refusals;

        if (!f)
                return -ENOMEM;
        *f = *refusal;
        list_init(&f->refusals);
        while (after->prev != &k->refusals && refusal_of(after->prev)->number > f->number)
                after = after->prev;
        /* Appending to an element puts it in front of that element. */
        list_append(after, &f->refusals);
        return 0;
}

int stream_in_restore_refusal(
        struct stream_in *in, uint64_t stream, uint64_t number, enum refused reason)
{
        for (size_t i = 0; i < in->n_marks; i++)
                if (in->marks[i].stream == stream)
                        return add_refusal(&in->marks[i],
                                &(struct refusal){ .number = number, .reason = reason });
        return 0;
}

static struct stream_mark *last(struct stream_in *in)
{
        return &in->marks[in->n_marks - 1];
}

/* With every change of the mark, so that the store can do likewise. */
static void forget_refusals(struct stream_mark *k)
{
        list_for_each_safe (i, &k->refusals)
                if (refusal_of(i)->number + STREAM_WINDOW <= k->number)
                        refusal_free(refusal_of(i));
}

static void changed(struct stream_in *in)
{
        last(in)->tell = true;
        in->is_dirty = true;
}

void stream_in_open(struct stream_in *in)
{
        in->n_hellos = 0;
        in->is_next = false;
        in->resume_due = false;
        in->acknowledge_due = 0;
        for (size_t i = 0; i < in->n_marks; i++)
                list_for_each_safe (j, &in->marks[i].refusals) {
                        refusal_of(j)->is_due = false;
                        if (refusal_of(j)->is_passing)
                                refusal_free(refusal_of(j));
                }
}

/* Makes place for one more. False: more streams were begun than one turn can honestly see. */
static bool drop_oldest_mark(struct stream_in *in)
{
        if (in->n_gone == STREAM_MARKS_MAX)
                return false;
        in->gone[in->n_gone++] = in->marks[0].stream;
        mark_done(&in->marks[0]);
        in->n_marks--;
        for (size_t i = 0; i < in->n_marks; i++)
                mark_move(&in->marks[i], &in->marks[i + 1]);
        return true;
}

/* Brings the mark of @stream, new or known, to the end. */
static bool choose_mark(struct stream_in *in, uint64_t stream, uint64_t oldest)
{
        struct stream_mark chosen;
        size_t i;

        for (i = 0; i < in->n_marks && in->marks[i].stream != stream; i++)
                ;
        if (i == in->n_marks) {
                if (in->n_marks == STREAM_MARKS_MAX && !drop_oldest_mark(in))
                        return false;
                stream_in_restore_mark(in, stream, oldest - 1);
                changed(in);
                return true;
        }
        mark_move(&chosen, &in->marks[i]);
        for (; i + 1 < in->n_marks; i++)
                mark_move(&in->marks[i], &in->marks[i + 1]);
        mark_move(&in->marks[i], &chosen);
        return true;
}

static int receive_hello(struct stream_in *in, uint64_t stream, uint64_t oldest)
{
        struct stream_mark *k;

        if (stream == 0 || oldest == 0 || oldest > STREAM_NUMBER_MAX || in->is_next ||
                in->n_hellos >= STREAM_HELLOS_MAX)
                return STREAM_BROKEN;
        if (!choose_mark(in, stream, oldest))
                return STREAM_BROKEN;
        in->n_hellos++;
        k = last(in);
        if (k->number < oldest - 1) {
                k->number = oldest - 1;
                changed(in);
        }
        forget_refusals(k);
        list_for_each (i, &k->refusals)
                refusal_of(i)->is_due = refusal_of(i)->number >= oldest;
        in->resume_due = true;
        in->acknowledge_due = 0;
        return 0;
}

static int receive_again(struct stream_in *in, uint64_t number)
{
        list_for_each (i, &last(in)->refusals)
                if (refusal_of(i)->number == number) {
                        refusal_of(i)->is_due = true;
                        return 0;
                }
        in->acknowledge_due = MAX(in->acknowledge_due, number);
        return 0;
}

int stream_in_receive(struct stream_in *in, const struct message *m)
{
        switch (m->type) {
        case FRAME_HELLO:
                return receive_hello(in, m->hello.stream, m->hello.oldest);
        case FRAME_MESSAGE:
                assert(!in->is_next);
                if (in->n_hellos == 0 || m->text.number == 0 || m->text.number > STREAM_NUMBER_MAX)
                        return STREAM_BROKEN;
                if (m->text.number <= last(in)->number)
                        return receive_again(in, m->text.number);
                if (m->text.number != last(in)->number + 1)
                        return STREAM_BROKEN;
                in->is_next = true;
                return STREAM_NEXT;
        case FRAME_RESUME:
        case FRAME_ACKNOWLEDGE:
        case FRAME_REFUSED:
        case FRAME_GOODBYE:
        case FRAME_RING:
        case FRAME_LEDGER:
        case FRAME_NAME:
        case FRAME_GROUP:
        case FRAME_GROUP_MESSAGE:
        case FRAME_FILE:
        case FRAME_DIAL_BACK:
        case FRAME_REACHED:
                return 0;
        }
        return 0;
}

static void raise_mark(struct stream_in *in)
{
        struct stream_mark *k = last(in);

        assert(in->is_next);
        in->is_next = false;
        k->number++;
        forget_refusals(k);
        changed(in);
}

void stream_in_take(struct stream_in *in)
{
        raise_mark(in);
        in->acknowledge_due = last(in)->number;
}

int stream_in_refuse(struct stream_in *in, enum refused reason)
{
        const struct refusal f = {
                .number = last(in)->number + 1,
                .reason = reason,
                .is_due = true,
                .tell = true,
        };
        int r;

        r = add_refusal(last(in), &f);
        if (r == 0)
                raise_mark(in);
        return r;
}

int stream_in_known(struct stream_in *in, uint64_t number)
{
        const struct refusal f = {
                .number = number,
                .reason = REFUSED_KNOWN_ID,
                .is_due = true,
                .is_passing = true,
        };

        assert(in->is_dirty);
        return add_refusal(last(in), &f);
}

void stream_in_committed(struct stream_in *in)
{
        in->is_dirty = false;
}

static bool next_refusal(struct stream_mark *k, struct stream_change *ret)
{
        list_for_each (i, &k->refusals) {
                struct refusal *f = refusal_of(i);

                if (!f->tell)
                        continue;
                f->tell = false;
                *ret = (struct stream_change){
                        .type = STREAM_CHANGE_REFUSAL,
                        .stream = k->stream,
                        .number = f->number,
                        .reason = f->reason,
                };
                return true;
        }
        return false;
}

bool stream_in_next_change(struct stream_in *in, struct stream_change *ret)
{
        if (in->n_gone > 0) {
                *ret = (struct stream_change){
                        .type = STREAM_CHANGE_MARK_GONE,
                        .stream = in->gone[--in->n_gone],
                };
                return true;
        }
        for (size_t i = 0; i < in->n_marks; i++) {
                struct stream_mark *k = &in->marks[i];

                if (!k->tell) {
                        if (next_refusal(k, ret))
                                return true;
                        continue;
                }
                k->tell = false;
                *ret = (struct stream_change){
                        .type = STREAM_CHANGE_MARK,
                        .stream = k->stream,
                        .number = k->number,
                };
                return true;
        }
        return false;
}

bool stream_in_next_frame(struct stream_in *in, struct message *ret)
{
        struct stream_mark *k;

        if (in->is_dirty || in->n_hellos == 0)
                return false;
        k = last(in);
        /* First what was refused: an acknowledgement speaks for all before it. */
        list_for_each (i, &k->refusals) {
                struct refusal *f = refusal_of(i);

                if (!f->is_due)
                        continue;
                f->is_due = false;
                *ret = (struct message){
                        .type = FRAME_REFUSED,
                        .refused = { .number = f->number, .reason = f->reason },
                };
                if (f->is_passing)
                        refusal_free(f);
                return true;
        }
        if (in->resume_due) {
                in->resume_due = false;
                *ret = (struct message){
                        .type = FRAME_RESUME,
                        .resume = { .stream = k->stream, .mark = k->number },
                };
                return true;
        }
        if (in->acknowledge_due == 0)
                return false;
        *ret = (struct message){
                .type = FRAME_ACKNOWLEDGE,
                .acknowledge.number = in->acknowledge_due,
        };
        in->acknowledge_due = 0;
        return true;
}
