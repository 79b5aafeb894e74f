/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the two sides of stream-world.h do, and what is checked when they do it */
#include "lib/stream-world.h"

/*
 * The sender's turn
 */
static inline bool is_stored(const struct receiver_disk *d, int id)
{
        for (int i = 0; i < d->n; i++)
                if (d->history[i] == id)
                        return true;
        return false;
}

static inline void write_message(struct world *w, bool is_bad)
{
        struct ulid id = ulid_of(w->n);

        TELL(w, "written %d%s\n", w->n, is_bad ? " bad" : "");
        w->bad[w->n] = is_bad;
        ASSERT_OK(stream_out_add(&w->out, &id, 10, 0));
        w->sender.rows[w->sender.n].id = w->n++;
        w->sender.rows[w->sender.n].where = QUEUED;
        w->sender.rows[w->sender.n++].number = 0;
}

static inline void cancel_message(struct world *w, int row)
{
        struct ulid id = ulid_of(w->sender.rows[row].id);

        if (w->sender.rows[row].where != QUEUED)
                return;
        TELL(w, "cancelled %d\n", w->sender.rows[row].id);
        ASSERT_NE(stream_out_cancel(&w->out, &id), STREAM_UNKNOWN);
        w->sender.rows[row].where = CANCELLED;
        w->was_cancelled[w->sender.rows[row].id] = true;
}

static inline void apply_to_sender(
        struct world *w, struct sender_disk *d, const struct stream_change *c)
{
        int i = 0;

        if (c->type == STREAM_CHANGE_STREAM) {
                w->n_streams++;
                TELL(w, "new stream\n");
                d->stream = c->stream;
                d->given = 0;
                d->oldest = 1;
                for (i = 0; i < d->n; i++)
                        d->rows[i].number = 0;
                return;
        }
        while (i < d->n && d->rows[i].id != c->id.bytes[15])
                i++;
        ASSERT_LT(i, d->n);
        if (c->type == STREAM_CHANGE_NUMBER) {
                TELL(w, "%d gets number %ju\n", d->rows[i].id, (uintmax_t)c->number);
                if (c->number <= d->given)
                        FAIL(w, "a number is given twice");
                d->rows[i].number = d->given = c->number;
                d->oldest = c->oldest;
                return;
        }
        if (c->type == STREAM_CHANGE_FAILED) {
                TELL(w, "%d failed\n", d->rows[i].id);
                if (!w->bad[d->rows[i].id])
                        FAIL(w, "%d failed", d->rows[i].id);
                d->rows[i].where = FAILED;
                return;
        }
        ASSERT_EQ(c->type, STREAM_CHANGE_DELIVERED);
        TELL(w, "%d delivered\n", d->rows[i].id);
        if (w->bad[d->rows[i].id]) {
                if (!w->sender_was_restored || w->receiver_disk_life == 0)
                        FAIL(w, "%d was refused, and is delivered", d->rows[i].id);
                d->rows[i].where = FAILED;
                return;
        }
        /* It may have been on a disk that the receiver lost. */
        if (!w->was_stored[d->rows[i].id])
                FAIL(w, "%d is delivered, and was never there", d->rows[i].id);
        if (!is_stored(&w->receiver, d->rows[i].id) && !w->sender_was_restored &&
                w->linked_disk_life == w->receiver_disk_life)
                FAIL(w, "%d is delivered, and lost", d->rows[i].id);
        d->rows[i].where = DELIVERED;
}

/* What was in the turn before it is lost with the crash; this is the bare rest of a turn. */
static inline void finish_sender_turn(struct world *w, struct message *ready, int n_ready)
{
        struct sender_disk next = w->sender;
        struct stream_out_effect e;
        struct stream_change c;
        int life = w->sender_life;

        while (stream_out_next_change(&w->out, &c))
                apply_to_sender(w, &next, &c);
        point(w);
        if (w->sender_life != life)
                return;
        w->sender = next;
        point(w);
        for (int i = 0; w->sender_life == life && i < n_ready; i++) {
                put(w, &w->there, w->sender_up, &ready[i]);
                point(w);
        }
        while (w->sender_life == life && stream_out_next_effect(&w->out, &e)) {
                if (e.type == STREAM_SEND)
                        put(w, &w->there, w->sender_up, &e.frame);
                if (e.type == STREAM_LOAD) {
                        ASSERT_LT(w->n_loads, (int)ELEMENTSOF(w->loads));
                        w->loads[w->n_loads++] = e.id;
                }
                if (e.type == STREAM_REOPEN) {
                        stream_out_close(&w->out);
                        w->sender_up = false;
                        cut_link(w);
                }
                point(w);
        }
}

static inline void hear_at_sender(struct world *w, unsigned n_frames)
{
        bool is_more = true;
        struct message m;

        while (w->sender_up && n_frames-- > 0 && (is_more = get(&w->back, &m)))
                if (stream_out_receive(&w->out, &m) != 0)
                        FAIL(w, "the sender finds the peer broken: frame %d", m.type);
        if (w->sender_up && !w->is_linked && !is_more) {
                w->sender_up = false;
                stream_out_close(&w->out);
        }
}

static inline void sender_turn(struct world *w, unsigned n_frames, int n_answers)
{
        struct message ready[2 * MESSAGES_MAX];
        int n_ready = 0;

        hear_at_sender(w, n_frames);
        while (w->n_loads > 0 && n_answers-- > 0) {
                struct ulid id = w->loads[0];
                int i = 0;

                memmove(w->loads, w->loads + 1, (size_t)--w->n_loads * sizeof *w->loads);
                while (i < w->sender.n && w->sender.rows[i].id != id.bytes[15])
                        i++;
                if (i == w->sender.n || w->sender.rows[i].where != QUEUED)
                        continue;
                if (stream_out_loaded(&w->out, &id, 5, "text", 4, &ready[n_ready])) {
                        /* It goes only with a number that is on disk. */
                        ASSERT_EQ(w->sender.rows[i].number, ready[n_ready].text.number);
                        n_ready++;
                }
        }
        finish_sender_turn(w, ready, n_ready);
}

/*
 * The receiver's turn
 */
static inline void apply_to_receiver(struct receiver_disk *d, const struct stream_change *c)
{
        int i = 0, n = 0;

        if (c->type == STREAM_CHANGE_REFUSAL) {
                ASSERT_LT(d->n_refusals, (int)ELEMENTSOF(d->refusals));
                d->refusals[d->n_refusals].stream = c->stream;
                d->refusals[d->n_refusals].number = c->number;
                d->refusals[d->n_refusals++].reason = c->reason;
                return;
        }
        for (int j = 0; j < d->n_refusals; j++)
                if (d->refusals[j].stream != c->stream ||
                        (c->type == STREAM_CHANGE_MARK &&
                                d->refusals[j].number + STREAM_WINDOW > c->number))
                        d->refusals[n++] = d->refusals[j];
        d->n_refusals = n;
        while (i < d->n_marks && d->marks[i].stream != c->stream)
                i++;
        if (c->type == STREAM_CHANGE_MARK_GONE) {
                if (i == d->n_marks)
                        return;
                memmove(d->marks + i, d->marks + i + 1,
                        (size_t)(--d->n_marks - i) * sizeof *d->marks);
                return;
        }
        ASSERT_EQ(c->type, STREAM_CHANGE_MARK);
        if (i == d->n_marks)
                d->n_marks++;
        ASSERT_LE(d->n_marks, STREAM_MARKS_MAX);
        d->marks[i].stream = c->stream;
        d->marks[i].number = c->number;
}

/* True: it is new. */
static inline bool store_text(struct world *w, struct receiver_disk *d, int id)
{
        if (is_stored(d, id)) {
                if (!w->keeps_ids)
                        FAIL(w, "%d is stored twice", id);
                if (!w->sender_was_restored)
                        FAIL(w, "%d was sent twice without need", id);
                return false;
        }
        for (int i = 0; i < d->n; i++)
                if (d->history[i] > id && !w->may_be_late[id])
                        FAIL(w, "%d comes after %d", id, d->history[i]);
        d->history[d->n++] = id;
        return true;
}

static inline void receiver_turn(struct world *w, unsigned n_frames)
{
        struct receiver_disk next = w->receiver;
        struct {
                int id;
                uint64_t number;
        } taken[MESSAGES_MAX * 2];
        int n_taken = 0, life = w->receiver_life;
        bool is_more = true;
        struct stream_change c;
        struct message m;

        while (w->receiver_up && n_frames-- > 0 && (is_more = get(&w->there, &m))) {
                int r = stream_in_receive(&w->in, &m);

                if (r == STREAM_BROKEN)
                        FAIL(w, "the receiver finds the peer broken: frame %d", m.type);
                if (r != STREAM_NEXT)
                        continue;
                if (w->bad[m.text.id.bytes[15]]) {
                        ASSERT_OK(stream_in_refuse(&w->in, REFUSED_INVALID_TEXT));
                        continue;
                }
                taken[n_taken].id = m.text.id.bytes[15];
                taken[n_taken++].number = m.text.number;
                stream_in_take(&w->in);
        }
        while (stream_in_next_change(&w->in, &c))
                apply_to_receiver(&next, &c);
        for (int i = 0; i < n_taken; i++) {
                TELL(w, "taken %d as %ju\n", taken[i].id, (uintmax_t)taken[i].number);
                if (!store_text(w, &next, taken[i].id))
                        ASSERT_OK(stream_in_known(&w->in, taken[i].number));
        }
        point(w);
        if (w->receiver_life != life)
                return;
        w->receiver = next;
        for (int i = 0; i < next.n; i++)
                w->was_stored[next.history[i]] = true;
        stream_in_committed(&w->in);
        point(w);
        while (w->receiver_life == life && stream_in_next_frame(&w->in, &m)) {
                put(w, &w->back, w->receiver_up, &m);
                point(w);
        }
        if (w->receiver_life == life && !w->is_linked && !is_more)
                w->receiver_up = false;
}

static inline void world_init(struct world *w, uint64_t seed)
{
        w->seed = seed;
        w->dice = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
        ASSERT_OK(random_new_seeded(seed, &w->random));
        start_sender(w);
        start_receiver(w);
}

static inline void world_done(struct world *w)
{
        stream_out_done(&w->out);
        stream_in_done(&w->in);
        random_free(w->random);
}

/* No more faults: all must come to an end. */
static inline void settle_down(struct world *w)
{
        int i;

        TELL(w, "quiet\n");
        w->rate = 0;
        for (i = 0; i < 200; i++) {
                if (!w->sender_up && w->out.n > 0)
                        link_up(w);
                sender_turn(w, 100, 100);
                receiver_turn(w, 100);
                if (w->out.n == 0 && w->n_loads == 0 &&
                        (!w->is_linked ||
                                (w->there.used == w->there.size && w->back.used == w->back.size)))
                        break;
        }
        if (w->out.n > 0)
                FAIL(w, "%zu messages stay in the queue", w->out.n);
        if (w->is_linked && w->out.state != STREAM_OUT_OPEN)
                FAIL(w, "the sender still waits");
        for (i = 0; i < w->sender.n; i++) {
                int id = w->sender.rows[i].id;

                if (w->sender.rows[i].where == QUEUED)
                        FAIL(w, "%d stays queued on disk", id);
                if (w->sender.rows[i].where == DELIVERED && w->receiver_disk_life == 0 &&
                        !is_stored(&w->receiver, id))
                        FAIL(w, "%d is lost", id);
        }
}
