/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A model check of core/delivery/stream.h
 *
 * Two engines, two disks that are nothing but what the changes said, and a wire of bytes. Between
 * change, commit and every single frame, and in the middle of frames, something may happen: a
 * crash of either side (what was not committed is gone), a cut, an older state of either disk, a
 * lost disk. Then all is quiet, and the two must come to an end by themselves.
 *
 *     test-stream-model                    all tests
 *     STREAM_SEED=n test-stream-model random    that history alone, told step by step
 *     STREAM_SEEDS=n test-stream-model random   so many histories
 *
 * Checked at each commit: what is told as delivered is on the other disk, or was on one that the
 * receiver lost; what cannot be taken is
 * never delivered, and only that fails; nothing is stored twice; order is kept. A store that keeps
 * ULIDs may find one again only after the sender was put back to an older state; in half of the
 * histories it keeps none, and nobody is put back: there the marks alone must do.
 */
#include "core/crypto/crypto.h"
#include "lib/stream-turns.h"

#define N_SEEDS 20000

static void run_random(struct world *w)
{
        int n_steps = 10 + (int)roll(w, 80);

        w->keeps_ids = roll(w, 2);
        w->worst = w->keeps_ids ? N_FAULTS : N_GENTLE_FAULTS;
        w->rate = 4 + roll(w, 60);
        for (int i = 0; i < n_steps; i++)
                switch (roll(w, 8)) {
                case 0:
                case 1:
                        if (w->n < MESSAGES_MAX)
                                write_message(w, roll(w, 5) == 0);
                        break;
                case 2:
                        if (roll(w, 4) == 0 && w->sender.n > 0)
                                cancel_message(w, (int)roll(w, (unsigned)w->sender.n));
                        break;
                case 3:
                        if (roll(w, w->is_linked ? 10 : 2) == 0)
                                link_up(w);
                        break;
                case 4:
                case 5:
                        sender_turn(w, roll(w, 6), (int)roll(w, 4));
                        break;
                case 6:
                case 7:
                        receiver_turn(w, roll(w, 6));
                        break;
                }
        settle_down(w);
}

static struct world world; /* too large for a stack */

TEST(random_histories)
{
        const char *only = getenv("STREAM_SEED");
        const char *many = getenv("STREAM_SEEDS");
        uint64_t first = only ? strtoull(only, NULL, 10) : 0;
        uint64_t end = only ? first + 1 : many ? strtoull(many, NULL, 10) : N_SEEDS;
        int n_faults = 0, n_streams = 0, n = 0;

        for (uint64_t seed = first; seed < end; seed++) {
                world = (struct world){ .verbose = only };
                world_init(&world, seed);
                run_random(&world);
                n_faults += world.n_faults;
                n_streams += world.n_streams;
                n += world.n;
                world_done(&world);
        }
        printf("# %d messages, %d faults, %d streams\n", n, n_faults, n_streams);
}

/* One fixed course; @bad and @cancelled: which message, or -1. Points: how many there were. */
static int run_fixed(
        bool is_whole, int n, int bad, int cancelled, int save_at, int fault_at, enum fault fault)
{
        struct world *w = &world;
        int n_points;

        *w = (struct world){
                .is_whole = is_whole,
                .save_at = save_at,
                .fault_at = fault_at,
                .fault = fault,
        };
        w->keeps_ids = fault >= N_GENTLE_FAULTS;
        world_init(w, 1);
        for (int i = 0; i < n; i++) {
                write_message(w, i == bad);
                if (!w->sender_up)
                        link_up(w);
                sender_turn(w, 1, 1);
                receiver_turn(w, 1);
                sender_turn(w, 1, 1);
                if (i == cancelled && w->sender.n > 0)
                        cancel_message(w, w->sender.n - 1);
        }
        for (int i = 0; i < 6; i++) {
                sender_turn(w, 1, 1);
                receiver_turn(w, 1);
        }
        n_points = w->n_points;
        settle_down(w);
        world_done(w);
        return n_points;
}

/* The same course until the fault comes later than its end. */
static int run_to_the_end(bool is_whole, int n, int bad, int cancelled, enum fault fault)
{
        int at = 1;

        while (run_fixed(is_whole, n, bad, cancelled, 0, at, fault) >= at)
                at++;
        return at;
}

TEST(one_fault_at_each_point)
{
        int n_runs = 0;

        for (int n = 1; n <= 4; n++)
                for (int bad = -1; bad < n; bad++)
                        for (int cancelled = -1; cancelled < n; cancelled++)
                                for (int fault = FAULT_CUT; fault < 2 * N_FAULTS; fault++)
                                        n_runs += run_to_the_end(fault >= N_FAULTS, n, bad,
                                                cancelled, (enum fault)(fault % N_FAULTS));
        printf("# %d histories\n", n_runs);
}

/* As above, and each earlier point is the one that comes back. */
static int run_with_each_save(bool is_whole, int n, int bad, enum fault fault)
{
        int n_runs = 0, n_points, at = 2;

        do {
                n_points = 0;
                for (int save_at = 1; save_at < at; save_at++, n_runs++)
                        n_points = run_fixed(is_whole, n, bad, -1, save_at, at, fault);
        } while (n_points >= at++);
        return n_runs;
}

TEST(each_older_state_at_each_point)
{
        int n_runs = 0;

        for (int n = 1; n <= 4; n++)
                for (int bad = -1; bad < n; bad++)
                        for (int fault = FAULT_RESTORE_SENDER; fault <= FAULT_RESTORE_BOTH; fault++)
                                for (int is_whole = 0; is_whole < 2; is_whole++)
                                        n_runs += run_with_each_save(
                                                is_whole, n, bad, (enum fault)fault);
        printf("# %d histories\n", n_runs);
}

/* A peer that says anything at all: what it says of numbers, the engines believe only within their
 * rules. */
static void hear_anything(struct world *w)
{
        static const enum frame_type types[] = { FRAME_HELLO, FRAME_RESUME, FRAME_ACKNOWLEDGE,
                FRAME_REFUSED, FRAME_MESSAGE };
        uint64_t number = roll(w, 8);
        struct message m = { .type = types[roll(w, ELEMENTSOF(types))] };
        int r;

        if (roll(w, 10) == 0)
                number = UINT64_MAX - number;
        switch (m.type) {
        case FRAME_HELLO:
                m.hello.stream = roll(w, 12);
                m.hello.oldest = number;
                break;
        case FRAME_RESUME:
                m.resume.stream = roll(w, 10) ? w->out.stream : 5;
                m.resume.mark = number;
                break;
        case FRAME_ACKNOWLEDGE:
                m.acknowledge.number = number;
                break;
        case FRAME_REFUSED:
                m.refused.number = number;
                m.refused.reason = (enum refused)roll(w, REFUSED_KNOWN_ID + 1);
                break;
        case FRAME_MESSAGE:
                m.text.number = number;
                break;
        case FRAME_GOODBYE:
        case FRAME_RING:
        case FRAME_LEDGER:
        case FRAME_NAME:
        case FRAME_GROUP:
        case FRAME_GROUP_MESSAGE:
        case FRAME_FILE:
        case FRAME_DIAL_BACK:
        case FRAME_REACHED:
                break;
        }
        (void)stream_out_receive(&w->out, &m);
        r = stream_in_receive(&w->in, &m);
        if (r == STREAM_NEXT && roll(w, 2))
                stream_in_take(&w->in);
        else if (r == STREAM_NEXT)
                ASSERT_OK(stream_in_refuse(&w->in, REFUSED_OTHER));
        if (r == STREAM_BROKEN)
                stream_in_open(&w->in);
}

static void run_against_rogue(struct world *w)
{
        struct stream_out_effect e;
        struct stream_change c;
        struct message m;

        for (int i = 0; i < 60; i++) {
                struct ulid id = ulid_of((int)roll(w, MESSAGES_MAX));

                if (roll(w, 4) == 0 && w->n++ < MESSAGES_MAX)
                        ASSERT_OK(stream_out_add(&w->out, &id, 10, 0));
                if (roll(w, 10) == 0)
                        (void)stream_out_cancel(&w->out, &id);
                if (w->out.state == STREAM_OUT_CLOSED && roll(w, 3) == 0)
                        stream_out_open(&w->out);
                hear_anything(w);
                while (stream_out_next_change(&w->out, &c))
                        ;
                while (stream_out_next_effect(&w->out, &e))
                        if (e.type == STREAM_LOAD && roll(w, 2))
                                (void)stream_out_loaded(&w->out, &e.id, 0, "", 0, &m);
                while (stream_in_next_change(&w->in, &c))
                        ;
                stream_in_committed(&w->in);
                while (stream_in_next_frame(&w->in, &m))
                        ;
                ASSERT_LE(w->out.oldest, w->out.given + 1);
                ASSERT_LE(w->out.given, MESSAGES_MAX);
                ASSERT_LE(w->in.n_marks, STREAM_MARKS_MAX);
        }
}

TEST(rogue_peers)
{
        for (uint64_t seed = 0; seed < N_SEEDS; seed++) {
                world = (struct world){ 0 };
                world_init(&world, seed);
                run_against_rogue(&world);
                world_done(&world);
        }
}

static int set_up(void)
{
        bool is_locked;

        return crypto_init(&is_locked) < 0 ? 1 : 0;
}

TEST_MAIN_WITH(set_up)
