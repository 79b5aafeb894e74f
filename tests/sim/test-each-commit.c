/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Death at every commit
 *
 * Two machines meet, write to each other and share files, in one fixed course. Then the same course
 * is run once for every commit of either machine and every line of the turn around it: there the
 * machine dies, starts again a little later, and in the end every message must have come once and
 * in order. The oracle watches; it is the same as that of the worlds by chance.
 */
#include "tests/sim/scenario.h"

/* What happens beside the one death. */
enum course {
        COURSE_PLAIN,
        COURSE_FILES,        /* a file goes each way */
        COURSE_CANCEL,       /* one of the messages is called back */
        COURSE_PUT_BACK_A,   /* a's disk is put back to an older state */
        COURSE_PUT_BACK_B,   /* or b's, */
        COURSE_PUT_BACK_TWO, /* or both */
        COURSE_EMPTY_B,      /* b loses its disk */
        N_COURSES,
};

static void send(struct machine *m, const char *text)
{
        struct world *w = m->world;
        struct machine *other = &w->machines[m->index == 0];
        struct send_options options = { .security = -1 };

        if (!m->node)
                machine_start(m);
        /* Who was put back may not know the other yet. */
        (void)machine_try_send(
                m, other->identity.id, text, strlen(text), &options, &(struct refusal){ 0 });
}

static void rest(struct world *w, double seconds)
{
        world_run(w, AT(seconds));
        for (unsigned i = 0; i < w->n_machines; i++)
                if (!w->machines[i].node)
                        machine_start(&w->machines[i]);
}

static void cancel_last(struct machine *m)
{
        struct oracle *o = m->world->oracle;

        if (!m->node || o->n_said == 0)
                return;
        machine_begin(m);
        ASSERT_LE(0, node_cancel(m->node, &o->said[o->n_said - 1]->id, machine_now(m), NULL));
}

static void meddle(struct world *w, enum course course)
{
        struct machine *a = &w->machines[0], *b = &w->machines[1];

        switch (course) {
        case COURSE_PLAIN:
        case COURSE_FILES:
        case N_COURSES:
                return;
        case COURSE_CANCEL:
                send(a, "called back");
                cancel_last(a);
                return;
        case COURSE_PUT_BACK_A:
                machine_put_back(a, &a->backups[0]);
                return;
        case COURSE_PUT_BACK_B:
                machine_put_back(b, &b->backups[0]);
                return;
        case COURSE_PUT_BACK_TWO:
                machine_put_back(a, &a->backups[0]);
                machine_put_back(b, &b->backups[0]);
                return;
        case COURSE_EMPTY_B:
                machine_put_back(b, NULL);
                return;
        }
}

/* Whatever was offered so far is accepted, and what is whole is taken. */
static void share(struct world *w, bool is_offering)
{
        for (unsigned i = 0; i < 2; i++) {
                struct machine *m = &w->machines[i];

                if (is_offering)
                        machine_offer(m, &w->machines[!i], 5 * TRANSFER_CHUNK_SIZE + 7 + i);
                (void)machine_accept_files(m);
        }
        rest(w, 5);
}

/* How many commits there were. */
static uint64_t run(const struct world_options *options, enum course course)
{
        _cleanup_(world_freep)
        struct world *w = world_new(options);
        struct machine *a = start_native(w, "Ada", 1), *b = start_native(w, "Bob", 2);

        rest(w, 0.5);
        send(a, "one");
        send(a, "two");
        rest(w, 2);
        send(b, "three");
        rest(w, 2);
        send(a, "four");
        machine_back_up(a);
        machine_back_up(b);
        rest(w, 0.015);
        send(a, "five");
        send(b, "six");
        rest(w, 2);
        meddle(w, course);
        rest(w, 5);
        for (int i = 0; i < 4 && course == COURSE_FILES; i++)
                share(w, i == 0);
        send(a, "seven");
        send(a, "eight");
        send(b, "nine");
        rest(w, 2);
        if (course == COURSE_FILES)
                share(w, false);
        rest(w, 5 * 60);
        if (course == COURSE_FILES)
                oracle_expect_files(w);
        if (course == COURSE_FILES && options->crash_commit > w->n_commits)
                ASSERT_EQ(w->oracle->n_handed_over, 2);
        oracle_expect_delivered(w, true);
        rest(w, 5 * 60);
        rest(w, 60); /* when it died in the last minute but one */
        oracle_expect_quiet(w);
        return w->n_commits;
}

/* $SIM_COMMIT_STEP: only each so-manieth of them, where everything is slow. */
static uint64_t commit_step(void)
{
        const char *step = getenv("SIM_COMMIT_STEP");

        return step ? (uint64_t)MAX(atoi(step), 1) : 1;
}

TEST(each_commit)
{
        const uint64_t step = commit_step();
        unsigned n_runs = 0;

        for (enum course course = COURSE_PLAIN; course < N_COURSES; course++)
                for (unsigned crash = CRASH_BEFORE_COMMIT; crash < 2 * N_CRASHES; crash++) {
                        struct world_options options = {
                                .seed = 1,
                                .weather = { .latency_usec_min = 10 * USEC_PER_MSEC },
                                .crash = (enum crash)(crash % N_CRASHES),
                                .crash_is_power = crash > N_CRASHES,
                        };
                        char command[100];

                        /* Without power it makes a difference what the disk has. */
                        if (options.crash == CRASH_NONE ||
                                (options.crash_is_power && options.crash > CRASH_AFTER_COMMIT))
                                continue;
                        options.command = command;
                        for (uint64_t n = 0; options.crash_commit <= n; n_runs++) {
                                options.crash_commit += step;
                                (void)snprintf(command, sizeof command,
                                        "course %d, crash %d%s, commit %ju", course, options.crash,
                                        options.crash_is_power ? " by power" : "",
                                        (uintmax_t)options.crash_commit);
                                n = run(&options, course);
                        }
                }
        printf("# %u courses\n", n_runs);
}

TEST_MAIN_WITH(set_up)
