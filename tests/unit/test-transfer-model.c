/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Transfers through cuts and crashes of both sides
 *
 * Files go both ways while links are cut and programs killed between any two effects. In the end
 * each is whole, nothing is remembered, and no more was sent twice than one largest chunk for each
 * interruption. TRANSFER_SEED=n repeats one history, TRANSFER_SEEDS=n tries so many.
 */
#include "lib/transfer-world.h"

#define N_SEEDS 400
#define N_STEPS 1500
#define LARGEST_CHUNK (60 * 1024)

static void world_init(struct world *w, uint64_t seed)
{
        *w = (struct world){ .seed = seed,
                .dice = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15),
                .now = { .mono_usec = USEC_PER_DAY, .real_usec = 20000 * USEC_PER_DAY } };
        ASSERT_OK(random_new_seeded(seed, &w->random));
        for (unsigned i = 0; i < 2; i++) {
                w->nodes[i].key.bytes[0] = (uint8_t)(i + 1);
                start(w, &w->nodes[i]);
        }
}

static void world_done(struct world *w)
{
        for (unsigned i = 0; i < 2; i++) {
                transfer_free(w->nodes[i].engine);
                clear(&w->wires[i]);
        }
        for (unsigned i = 0; i < w->n_files; i++) {
                free(w->files[i].data);
                free(w->files[i].copy);
        }
        random_free(w->random);
}

/* What users do */

static void make_file(struct world *w)
{
        struct file *f = &w->files[w->n_files];
        struct transfer_offer o = { .id = id_of(w->n_files), .name = "a file", .user = 1000 };
        struct blob b;

        f->from = roll(w, 2);
        f->size = roll(w, 4) == 0 ? roll(w, 3) * TRANSFER_CHUNK_SIZE : roll(w, SIZE_MAX_HERE);
        f->data = malloc(f->size + 1);
        f->copy = malloc(f->size + 1);
        ASSERT_TRUE(f->data && f->copy);
        random_bytes(w->random, f->data, f->size);
        b = (struct blob){ .data = f->data, .size = f->size };
        hash(&b, 1, f->hash);
        f->n_faults_before = w->n_faults;
        o.peer = w->nodes[!f->from].key;
        o.size = f->size;
        memcpy(o.hash, f->hash, HASH_SIZE);
        w->n_files++;
        ASSERT_OK(transfer_offer(w->nodes[f->from].engine, &o, &w->now));
        /* The user has his answer when it is stored; before that it may be lost with the rest. */
        while (!w->nodes[f->from].rows[w->n_files - 1].is_there) {
                if (drain(w, f->from))
                        break;
                (void)transfer_offer(w->nodes[f->from].engine, &o, &w->now);
        }
}

static void decide(struct world *w)
{
        for (unsigned i = 0; i < w->n_files; i++) {
                struct node *n = &w->nodes[!w->files[i].from];
                struct transfer_id id = id_of(i);
                struct transfer_record r;

                if (!transfer_find(n->engine, &id, &r))
                        continue;
                if (r.state == TRANSFER_OFFERED && roll(w, 20) == 0) {
                        w->files[i].is_disturbed = true;
                        ASSERT_OK(transfer_reject(n->engine, &id, &w->now));
                } else if (r.state == TRANSFER_OFFERED) {
                        ASSERT_OK(transfer_accept(n->engine, &id, 1, &w->now));
                } else if (r.state == TRANSFER_WHOLE) {
                        ASSERT_MEMEQ(w->files[i].copy, w->files[i].data, w->files[i].size);
                        w->files[i].is_decided = true;
                        ASSERT_OK(transfer_taken(n->engine, &id, &w->now));
                }
        }
}

static void cancel_one(struct world *w)
{
        unsigned i = w->n_files > 0 ? roll(w, w->n_files) : 0;
        struct transfer_id id = id_of(i);
        struct transfer_record r;
        struct node *n = &w->nodes[roll(w, 2)];

        if (w->n_files == 0 || !transfer_find(n->engine, &id, &r))
                return;
        w->files[i].is_disturbed = true;
        ASSERT_OK(transfer_cancel(n->engine, &id, &w->now));
}

/* What disks answer */

static void answer_write(struct world *w, struct node *n, const struct question *q)
{
        unsigned f = file_of(&q->ref.id);

        n->on_disk[f] = MAX(n->on_disk[f], q->end);
        ASSERT_OK(transfer_written(n->engine, &q->ref, q->end, &w->now));
}

static void answer_verify(struct world *w, struct node *n, const struct question *q)
{
        const struct file *f = &w->files[file_of(&q->ref.id)];
        struct blob b = { .data = f->copy, .size = f->size };
        uint8_t h[HASH_SIZE];

        hash(&b, 1, h);
        ASSERT_OK(transfer_verified(n->engine, &q->ref, h, &w->now));
}

static void answer_one(struct world *w, unsigned i)
{
        struct node *n = &w->nodes[i];
        struct question q;

        if (n->n_questions == 0)
                return;
        q = n->questions[0];
        memmove(n->questions, n->questions + 1, --n->n_questions * sizeof q);
        if (q.type == TRANSFER_WRITE)
                answer_write(w, n, &q);
        else if (q.type == TRANSFER_VERIFY)
                answer_verify(w, n, &q);
        else
                ASSERT_OK(transfer_loaded(n->engine, &q.load.ref,
                        w->files[file_of(&q.load.ref.id)].data + q.load.offset, q.load.size,
                        &w->now));
}

static void pull_chunks(struct world *w, unsigned i)
{
        struct question q = { .type = TRANSFER_SEND };

        while (w->wires[!i].n < 6 && roll(w, 4) > 0 &&
                transfer_next_chunk(w->nodes[i].engine, &w->nodes[!i].key, &q.load))
                ask(&w->nodes[i], &q);
}

static void hear_one(struct world *w, unsigned i)
{
        struct wire *wire = &w->wires[i];
        struct letter l;

        if (wire->n == 0)
                return;
        l = wire->letters[wire->first];
        wire->first = (wire->first + 1) % WIRE_MAX;
        wire->n--;
        ASSERT_OK(transfer_receive(w->nodes[i].engine, &w->nodes[!i].key, l.data, l.size, &w->now));
        free(l.data);
}

static void link_up(struct world *w)
{
        unsigned first = roll(w, 2);

        w->is_linked = true;
        for (unsigned k = 0; k < 2; k++) {
                unsigned i = first ^ k;

                ASSERT_OK(transfer_connected(w->nodes[i].engine, &w->nodes[!i].key, &w->now));
        }
}

static void turn(struct world *w, unsigned i)
{
        w->now.mono_usec += USEC_PER_MSEC;
        w->now.real_usec += USEC_PER_MSEC;
        for (unsigned n = roll(w, 4); n > 0; n--)
                hear_one(w, i);
        for (unsigned n = roll(w, 4); n > 0; n--)
                answer_one(w, i);
        pull_chunks(w, i);
        (void)drain(w, i);
}

static bool is_quiet(const struct world *w)
{
        return w->wires[0].n + w->wires[1].n + w->nodes[0].n_questions + w->nodes[1].n_questions ==
               0;
}

static void settle_down(struct world *w)
{
        unsigned quiet = 0;

        w->rate = 0;
        if (!w->is_linked)
                link_up(w);
        for (unsigned n = 0; quiet < 20; n++) {
                if (n > 20000)
                        FAIL(w, "it does not come to rest");
                decide(w);
                for (unsigned i = 0; i < 2; i++)
                        turn(w, i);
                quiet = is_quiet(w) ? quiet + 1 : 0;
        }
}

static void check(struct world *w)
{
        for (unsigned i = 0; i < w->n_files; i++) {
                const struct file *f = &w->files[i];
                uint64_t n_faults = w->n_faults - f->n_faults_before;

                for (unsigned k = 0; k < 2; k++) {
                        if (w->nodes[k].rows[i].is_there)
                                FAIL(w, "file %u is still remembered, in state %d", i,
                                        (int)w->nodes[k].rows[i].record.state);
                        if (w->nodes[k].n_finished[i] > 1)
                                FAIL(w, "file %u finished more than once", i);
                        if (!f->is_disturbed && w->nodes[k].n_finished[i] > 0 &&
                                w->nodes[k].reason[i] != TRANSFER_DONE)
                                FAIL(w, "file %u: reason %d", i, (int)w->nodes[k].reason[i]);
                }
                if (!f->is_disturbed && !f->is_decided)
                        FAIL(w, "file %u never arrived", i);
                if (f->n_sent > f->size + n_faults * LARGEST_CHUNK)
                        FAIL(w, "file %u of %ju bytes: %ju sent, %ju interruptions", i,
                                (uintmax_t)f->size, (uintmax_t)f->n_sent, (uintmax_t)n_faults);
                if (f->n_sent > f->size)
                        w->n_repeated += f->n_sent - f->size;
        }
}

static void run(struct world *w, bool has_faults)
{
        w->rate = has_faults ? 40 + roll(w, 400) : 0;
        for (unsigned n = 0; n < N_STEPS; n++) {
                if (!w->is_linked && roll(w, 5) == 0)
                        link_up(w);
                if (w->n_files < FILES_MAX && roll(w, 60) == 0)
                        make_file(w);
                if (roll(w, 10) == 0)
                        decide(w);
                if (roll(w, 600) == 0)
                        cancel_one(w);
                turn(w, roll(w, 2));
                point(w);
        }
        settle_down(w);
        check(w);
}

static struct world world; /* too large for a stack */

TEST(random_histories)
{
        const char *only = getenv("TRANSFER_SEED");
        const char *many = getenv("TRANSFER_SEEDS");
        uint64_t first = only ? strtoull(only, NULL, 10) : 0;
        uint64_t end = only ? first + 1 : many ? strtoull(many, NULL, 10) : N_SEEDS;
        uint64_t n_repeated = 0;
        unsigned n_faults = 0, n = 0;

        for (uint64_t seed = first; seed < end; seed++) {
                world_init(&world, seed);
                run(&world, true);
                n_faults += world.n_faults;
                n_repeated += world.n_repeated;
                n += world.n_files;
                world_done(&world);
        }
        printf("# %u files, %u interruptions, %ju bytes sent twice\n", n, n_faults,
                (uintmax_t)n_repeated);
}

TEST(without_interruptions_nothing_is_sent_twice)
{
        for (uint64_t seed = 0; seed < 20; seed++) {
                world_init(&world, seed);
                run(&world, false);
                ASSERT_EQ(world.n_repeated, 0);
                world_done(&world);
        }
}

static int set_up(void)
{
        bool is_locked;

        return crypto_init(&is_locked) < 0 ? 1 : 0;
}

TEST_MAIN_WITH(set_up)
