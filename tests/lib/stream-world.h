/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Two stream engines, two disks, and a wire, for test-stream-model.c
 *
 * A disk is nothing but what the changes said; the wire is bytes. point() stands between any two
 * steps, and there something may happen.
 */
#include "core/crypto/crypto.h"
#include "core/crypto/random.h"
#include "core/delivery/stream.h"
#include "lib/test.h"

#define MESSAGES_MAX 24
#define SAVES_MAX 4
#define WIRE_MAX 65536

enum where {
        QUEUED,
        DELIVERED,
        FAILED,
        CANCELLED,
};

struct sender_disk {
        uint64_t stream, given, oldest;
        int n;
        struct {
                int id;
                enum where where;
                uint64_t number;
        } rows[MESSAGES_MAX];
};

struct receiver_disk {
        int n_marks, n_refusals, n;
        struct {
                uint64_t stream, number;
        } marks[STREAM_MARKS_MAX];
        struct {
                uint64_t stream, number;
                enum refused reason;
        } refusals[100];
        int history[MESSAGES_MAX];
};

struct wire {
        uint8_t data[WIRE_MAX];
        size_t used, size;
};

enum fault {
        FAULT_NONE,
        FAULT_CUT,
        FAULT_CRASH_SENDER,
        FAULT_CRASH_RECEIVER,
        FAULT_CRASH_BOTH,
        N_GENTLE_FAULTS,
        FAULT_RESTORE_SENDER = N_GENTLE_FAULTS,
        FAULT_RESTORE_RECEIVER,
        FAULT_RESTORE_BOTH,
        FAULT_LOSE_RECEIVER,
        FAULT_LOSE_SENDER,
        N_FAULTS,
};

struct world {
        uint64_t seed, dice;
        struct random *random;
        bool keeps_ids, verbose;
        bool is_whole; /* what was written before a cut arrives all the same */

        struct stream_out out;
        struct sender_disk sender, sender_saves[SAVES_MAX];
        struct ulid loads[1000]; /* asked for and not answered */
        int n_loads, n_sender_saves, sender_life;
        bool sender_up;

        struct stream_in in;
        struct receiver_disk receiver, receiver_saves[SAVES_MAX];
        int n_receiver_saves, receiver_life, receiver_disk_life;
        bool receiver_up;

        bool is_linked;
        int linked_disk_life; /* the receiver's, when the session began */
        struct wire there, back;

        int n; /* messages written */
        bool bad[MESSAGES_MAX], was_cancelled[MESSAGES_MAX], may_be_late[MESSAGES_MAX];
        bool was_stored[MESSAGES_MAX]; /* on some disk of the receiver */
        bool sender_was_restored;

        /* What happens at which point. */
        int n_points, save_at, fault_at;
        enum fault fault, worst;
        unsigned rate; /* one fault in so many points; 0: none */
        int n_faults, n_streams;
};

#define FAIL(w, ...)                                                                               \
        do {                                                                                       \
                fprintf(stderr, "# seed %ju, point %d of fault %d, save at %d\n",                  \
                        (uintmax_t)(w)->seed, (w)->fault_at, (w)->fault, (w)->save_at);            \
                TEST_FAIL(__VA_ARGS__);                                                            \
        } while (0)
#define TELL(w, ...)                                                                               \
        do {                                                                                       \
                if ((w)->verbose)                                                                  \
                        printf("# " __VA_ARGS__);                                                  \
        } while (0)

static inline unsigned roll(struct world *w, unsigned limit)
{
        w->dice ^= w->dice << 13;
        w->dice ^= w->dice >> 7;
        w->dice ^= w->dice << 17;
        return (unsigned)((w->dice >> 16) % limit);
}

static inline struct ulid ulid_of(int id)
{
        return (struct ulid){ .bytes = { [0] = 7, [15] = (uint8_t)id } };
}

/*
 * The wire: two bytes of length, then the frame
 */
static inline void put(struct world *w, struct wire *wire, bool is_up, const struct message *m)
{
        size_t size = message_size(m);

        if (!is_up || !w->is_linked)
                return;
        ASSERT_LE(wire->size + 2 + size, WIRE_MAX);
        wire->data[wire->size] = (uint8_t)(size >> 8);
        wire->data[wire->size + 1] = (uint8_t)size;
        message_encode(m, wire->data + wire->size + 2);
        wire->size += 2 + size;
}

static inline bool get(struct wire *wire, struct message *ret)
{
        size_t left = wire->size - wire->used, size;
        uint8_t *p = wire->data + wire->used;

        if (left < 2)
                return false;
        size = (size_t)p[0] << 8 | p[1];
        if (left < 2 + size)
                return false;
        ASSERT_OK(message_decode(p + 2, size, ret));
        wire->used += 2 + size;
        return true;
}

static inline void cut(struct world *w, struct wire *wire)
{
        if (wire->size > wire->used && !w->is_whole)
                wire->size = wire->used + roll(w, (unsigned)(wire->size - wire->used) + 1);
}

static inline void cut_link(struct world *w)
{
        if (!w->is_linked)
                return;
        w->is_linked = false;
        cut(w, &w->there);
        cut(w, &w->back);
}

static inline void link_up(struct world *w)
{
        TELL(w, "linked\n");
        w->there.used = w->there.size = w->back.used = w->back.size = 0;
        w->is_linked = w->sender_up = w->receiver_up = true;
        w->linked_disk_life = w->receiver_disk_life;
        stream_out_open(&w->out);
        stream_in_open(&w->in);
}

/*
 * Faults
 */
static inline void start_sender(struct world *w)
{
        stream_out_init(&w->out, w->random);
        if (w->sender.stream != 0)
                stream_out_restore(&w->out, w->sender.stream, w->sender.given, w->sender.oldest);
        /* Those with numbers are the older ones. */
        for (int i = 0; i < w->sender.n; i++) {
                struct ulid id = ulid_of(w->sender.rows[i].id);

                if (w->sender.rows[i].where == QUEUED)
                        ASSERT_OK(stream_out_add(&w->out, &id, 10, w->sender.rows[i].number));
        }
        w->n_loads = 0;
        w->sender_up = false;
        w->sender_life++;
}

static inline void start_receiver(struct world *w)
{
        const struct receiver_disk *d = &w->receiver;

        stream_in_init(&w->in);
        for (int i = 0; i < d->n_marks; i++)
                stream_in_restore_mark(&w->in, d->marks[i].stream, d->marks[i].number);
        for (int i = 0; i < d->n_refusals; i++)
                ASSERT_OK(stream_in_restore_refusal(&w->in, d->refusals[i].stream,
                        d->refusals[i].number, d->refusals[i].reason));
        w->receiver_up = false;
        w->receiver_life++;
}

static inline void crash_sender(struct world *w)
{
        cut_link(w);
        w->back.size = w->back.used;
        stream_out_done(&w->out);
        start_sender(w);
}

static inline void crash_receiver(struct world *w)
{
        cut_link(w);
        w->there.size = w->there.used;
        stream_in_done(&w->in);
        start_receiver(w);
}

/* One of the saved states; those that are newer are not of this past any more. */
static inline void restore_sender(struct world *w)
{
        if (w->n_sender_saves == 0)
                return;
        w->n_sender_saves = (int)roll(w, (unsigned)w->n_sender_saves) + 1;
        w->sender = w->sender_saves[w->n_sender_saves - 1];
        w->sender_was_restored = true;
        for (int i = 0; i < w->sender.n; i++) {
                int id = w->sender.rows[i].id;

                if (w->sender.rows[i].where == QUEUED &&
                        (w->was_cancelled[id] || w->receiver_disk_life > 0))
                        w->may_be_late[id] = true;
        }
        crash_sender(w);
}

static inline void restore_receiver(struct world *w)
{
        if (w->n_receiver_saves == 0)
                return;
        w->n_receiver_saves = (int)roll(w, (unsigned)w->n_receiver_saves) + 1;
        w->receiver = w->receiver_saves[w->n_receiver_saves - 1];
        w->receiver_disk_life++;
        crash_receiver(w);
}

static inline void save(struct world *w, bool sender, bool receiver)
{
        if (sender && w->n_sender_saves < SAVES_MAX)
                w->sender_saves[w->n_sender_saves++] = w->sender;
        if (receiver && w->n_receiver_saves < SAVES_MAX)
                w->receiver_saves[w->n_receiver_saves++] = w->receiver;
}

static inline void happen(struct world *w, enum fault fault)
{
        static const char *const names[] = { "none", "cut", "crash of sender", "crash of receiver",
                "crash of both", "restored sender", "restored receiver", "restored both",
                "receiver's disk lost", "sender's disk lost" };

        TELL(w, "%s\n", names[fault]);
        w->n_faults++;
        switch (fault) {
        case FAULT_NONE:
        case N_FAULTS:
                break;
        case FAULT_CUT:
                cut_link(w);
                break;
        case FAULT_CRASH_BOTH:
                crash_receiver(w);
                crash_sender(w);
                break;
        case FAULT_CRASH_SENDER:
                crash_sender(w);
                break;
        case FAULT_CRASH_RECEIVER:
                crash_receiver(w);
                break;
        case FAULT_RESTORE_SENDER:
                restore_sender(w);
                break;
        case FAULT_RESTORE_RECEIVER:
                restore_receiver(w);
                break;
        case FAULT_RESTORE_BOTH:
                restore_receiver(w);
                restore_sender(w);
                break;
        case FAULT_LOSE_RECEIVER:
                w->receiver = (struct receiver_disk){ 0 };
                w->n_receiver_saves = 0;
                w->receiver_disk_life++;
                crash_receiver(w);
                break;
        case FAULT_LOSE_SENDER:
                w->sender = (struct sender_disk){ 0 };
                w->n_sender_saves = 0;
                crash_sender(w);
                break;
        }
}

/* Between any two steps. */
static inline void point(struct world *w)
{
        w->n_points++;
        if (w->n_points == w->save_at)
                save(w, true, true);
        if (w->n_points == w->fault_at)
                happen(w, w->fault);
        if (w->rate == 0)
                return;
        if (w->worst == N_FAULTS && roll(w, 12) == 0)
                save(w, roll(w, 2), roll(w, 2));
        if (roll(w, w->rate) == 0)
                happen(w, 1 + roll(w, w->worst - 1));
}
