/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files between two machines on a virtual clock
 *
 *     transfer [--seed N] interrupted    thousands of files, cables cut and programs killed
 *     transfer [--seed N] chat           what messages wait while files go
 *
 * A machine has one loop, which stands still while it commits, and a worker that brings the spool
 * to the disk. A line takes its time for each byte. The first machine sends; it asks for a chunk
 * only when its line is idle. Contents are a pattern, so that a spool need not be kept.
 */
#include <stdio.h>

#include "core/crypto/random.h"
#include "core/transfer/wire.h"
#include "tests/sim/event-heap.h"
#include "tests/sim/scenarios.h"

#define COMMIT_USEC (4 * USEC_PER_MSEC)
#define SYNC_USEC (4 * USEC_PER_MSEC)
#define HASHED_PER_USEC 500
#define FILES_MAX 4096
#define OPEN_FILES 8
#define PATTERN_SIZE 65521
#define LARGEST_CHUNK (60 * 1024)

#define CHECK(x, ...)                                                                              \
        do {                                                                                       \
                if (!(x)) {                                                                        \
                        printf("seed %ju: ", (uintmax_t)seed);                                     \
                        printf(__VA_ARGS__);                                                       \
                        printf("\n");                                                              \
                        exit(1);                                                                   \
                }                                                                                  \
        } while (0)

enum what {
        LETTER,   /* of the other machine */
        SYNCED,   /* the spool has it */
        VERIFIED, /* the spool was hashed */
        TURN,
        UP,
        FAULT,
        CHAT,
};

/* In front of what an event carries. */
struct head {
        unsigned number; /* of the session, or of the life */
        bool is_chat;
        usec_t written_usec;
        struct transfer_ref ref;
        uint64_t end;
};

struct machine {
        struct transfers *engine;
        struct transfer_peer key;
        struct random *random;
        unsigned life;
        usec_t loop_usec, line_usec, worker_usec; /* busy until then */
        usec_t turn_usec;                         /* the next one that is planned; 0: none */
        bool is_busy_with_chat;
        struct heap_event inbox[4096];
        unsigned n_inbox;
        struct transfer_record rows[FILES_MAX]; /* state 0: none */
};

struct file {
        uint64_t size, in_spool, n_sent;
        unsigned n_faults_before;
        bool is_whole, is_known; /* to the receiver; to the sender */
};

struct world {
        usec_t now_usec;
        struct event_heap heap;
        struct machine machines[2];
        struct file files[FILES_MAX];
        unsigned n_files, n_done, n_faults, session;
        bool is_up, has_faults;
        double bytes_per_usec;
        usec_t away_usec;
        uint64_t n_arrived, most_under_way;
        usec_t waited_usec, longest_usec;
        unsigned n_chats;
        uint8_t pattern[PATTERN_SIZE + LARGEST_CHUNK];
};

static struct random *dice;
static struct world world;

static struct now now_of(const struct world *w)
{
        return (struct now){ .mono_usec = w->now_usec, .real_usec = w->now_usec };
}

static struct transfer_id id_of(unsigned f)
{
        return (struct transfer_id){ { 1, (uint8_t)(f >> 8), (uint8_t)f } };
}

static unsigned file_of(const struct transfer_id *id)
{
        return (unsigned)id->bytes[1] << 8 | id->bytes[2];
}

static const uint8_t *contents(const struct world *w, unsigned f, uint64_t offset)
{
        return w->pattern + (f * 7919U + offset) % PATTERN_SIZE;
}

static void plan(struct world *w, enum what what, unsigned to, usec_t when_usec,
        const struct head *head, const void *data, size_t size)
{
        struct heap_event e = { .time_usec = when_usec, .from = what, .to = to };

        if (head) {
                e.size = sizeof *head + size;
                e.data = must_realloc(NULL, e.size);
                memcpy(e.data, head, sizeof *head);
                if (size > 0)
                        memcpy(e.data + sizeof *head, data, size);
        }
        event_heap_push(&w->heap, e);
}

static void plan_turn(struct world *w, unsigned i, usec_t when_usec)
{
        struct machine *m = &w->machines[i];

        if (m->turn_usec != 0 && m->turn_usec <= when_usec)
                return;
        m->turn_usec = when_usec;
        plan(w, TURN, i, when_usec, NULL, NULL, 0);
}

static void transmit(struct world *w, unsigned from, usec_t when_usec, struct head *head,
        const void *data, size_t size)
{
        struct machine *m = &w->machines[from];

        if (!w->is_up)
                return;
        head->number = w->session;
        if (m->line_usec < when_usec)
                m->line_usec = when_usec;
        m->line_usec += 1 + (usec_t)((double)(size + 50) / w->bytes_per_usec);
        plan(w, LETTER, !from, m->line_usec + w->away_usec, head, data, size);
        plan_turn(w, from, m->line_usec);
}

/* A turn: what came, one commit, what is to be done */

static void take_one(struct world *w, unsigned i, struct heap_event *e)
{
        struct machine *m = &w->machines[i];
        struct now now = now_of(w);
        struct head h;
        uint8_t hash[HASH_SIZE] = { 0 };
        int r = 0;

        memcpy(&h, e->data, sizeof h);
        if (e->from == LETTER && h.number == w->session && w->is_up && !h.is_chat)
                r = transfer_receive(m->engine, &w->machines[!i].key, e->data + sizeof h,
                        e->size - sizeof h, &now);
        else if (e->from == SYNCED && h.number == m->life)
                r = transfer_written(m->engine, &h.ref, h.end, &now);
        else if (e->from == VERIFIED && h.number == m->life)
                r = transfer_verified(m->engine, &h.ref, hash, &now);
        CHECK(r == 0, "an input gives %d", r);
}

static void save(struct machine *m, const struct transfer_effect *e)
{
        struct transfer_record *row = &m->rows[file_of(&e->record.id)];

        *row = e->record;
        row->name = "file";
        if (e->type == TRANSFER_FORGET)
                row->state = 0;
}

static void write_bytes(
        struct world *w, unsigned i, usec_t when_usec, const struct transfer_effect *e)
{
        struct machine *m = &w->machines[i];
        unsigned f = file_of(&e->ref.id);
        struct head h = { .number = m->life, .ref = e->ref, .end = e->offset + e->size };

        CHECK(e->offset == w->files[f].in_spool, "a gap in file %u", f);
        CHECK(memcmp(e->data, contents(w, f, e->offset), e->size) == 0, "other contents");
        w->files[f].in_spool = h.end;
        w->n_arrived += e->size;
        w->most_under_way = MAX(w->most_under_way, h.end - m->rows[f].done);
        m->worker_usec = MAX(m->worker_usec, when_usec + SYNC_USEC);
        plan(w, SYNCED, i, m->worker_usec, &h, NULL, 0);
}

static void send_words(
        struct world *w, unsigned i, usec_t when_usec, const struct transfer_effect *e)
{
        struct head h = { .number = 0 };
        struct transfer_wire m;

        CHECK(transfer_wire_decode(e->data, e->size, &m) == 0, "malformed");
        if (m.kind == TRANSFER_WIRE_CHUNK)
                w->files[file_of(&m.id)].n_sent += m.data_size;
        transmit(w, i, when_usec, &h, e->data, e->size);
}

static void carry_out(
        struct world *w, unsigned i, usec_t when_usec, const struct transfer_effect *e)
{
        struct machine *m = &w->machines[i];
        unsigned f = file_of(&e->ref.id);
        struct head h = { .number = m->life, .ref = e->ref };
        struct now now = now_of(w);

        switch (e->type) {
        case TRANSFER_SEND:
                send_words(w, i, when_usec, e);
                break;
        case TRANSFER_STORE:
        case TRANSFER_FORGET:
                save(m, e);
                break;
        case TRANSFER_WRITE:
                write_bytes(w, i, when_usec, e);
                break;
        case TRANSFER_VERIFY:
                plan(w, VERIFIED, i, when_usec + e->record.size / HASHED_PER_USEC, &h, NULL, 0);
                break;
        case TRANSFER_NEWS:
                CHECK(transfer_accept(m->engine, &e->ref.id, 1, &now) == 0, "not accepted");
                break;
        case TRANSFER_FINISHED:
                CHECK(e->record.reason == TRANSFER_DONE, "file %u: reason %d", f,
                        (int)e->record.reason);
                w->files[f].is_known |= e->is_by_peer;
                w->files[f].is_whole |= !e->is_by_peer;
                break;
        case TRANSFER_DISCARD:
        case TRANSFER_READY:
        case TRANSFER_PROGRESS:
                break;
        }
}

/* What is whole is taken at once. */
static void take_whole(struct world *w, unsigned i)
{
        struct transfer_record r[OPEN_FILES];
        struct now now = now_of(w);
        size_t n = transfer_list(w->machines[i].engine, 0, r, ELEMENTSOF(r));

        for (size_t k = 0; k < n; k++)
                if (r[k].state == TRANSFER_WHOLE)
                        (void)transfer_taken(w->machines[i].engine, &r[k].id, &now);
}

/* When they are committed, if there is anything that must be. */
static usec_t drain(struct world *w, unsigned i, bool has_changes)
{
        struct machine *m = &w->machines[i];
        struct transfer_effect e;
        usec_t when_usec = w->now_usec + (has_changes ? COMMIT_USEC : 0);

        while (transfer_next_effect(m->engine, &e)) {
                if (e.type == TRANSFER_STORE || e.type == TRANSFER_FORGET)
                        when_usec = w->now_usec + COMMIT_USEC;
                carry_out(w, i, when_usec, &e);
        }
        return when_usec;
}

static void pull(struct world *w, unsigned i, usec_t when_usec)
{
        struct machine *m = &w->machines[i];
        struct now now = now_of(w);
        struct transfer_load l;

        while (w->is_up && m->line_usec <= when_usec &&
                transfer_next_chunk(m->engine, &w->machines[!i].key, &l)) {
                CHECK(transfer_loaded(m->engine, &l.ref, contents(w, file_of(&l.ref.id), l.offset),
                              l.size, &now) == 0,
                        "not loaded");
                (void)drain(w, i, false);
        }
}

static void arrived(struct world *w, const struct heap_event *e, usec_t when_usec)
{
        struct head h;

        memcpy(&h, e->data, sizeof h);
        if (e->from != LETTER || !h.is_chat)
                return;
        w->n_chats++;
        w->waited_usec += when_usec - h.written_usec;
        w->longest_usec = MAX(w->longest_usec, when_usec - h.written_usec);
}

static void turn(struct world *w, unsigned i)
{
        struct machine *m = &w->machines[i];
        bool has_chat = false;
        usec_t when_usec;

        if (m->loop_usec > w->now_usec) {
                plan_turn(w, i, m->loop_usec);
                return;
        }
        for (unsigned k = 0; k < m->n_inbox; k++) {
                struct head h;

                memcpy(&h, m->inbox[k].data, sizeof h);
                has_chat |= h.is_chat;
                take_one(w, i, &m->inbox[k]);
        }
        take_whole(w, i);
        when_usec = drain(w, i, has_chat);
        m->loop_usec = when_usec;
        for (unsigned k = 0; k < m->n_inbox; k++) {
                struct head h;

                memcpy(&h, m->inbox[k].data, sizeof h);
                arrived(w, &m->inbox[k], when_usec);
                if (m->inbox[k].from == CHAT)
                        transmit(w, i, when_usec, &h, NULL, 0);
                free(m->inbox[k].data);
        }
        m->n_inbox = 0;
        if (when_usec > w->now_usec)
                plan_turn(w, i, when_usec);
        else
                pull(w, i, when_usec);
        if (m->line_usec > w->now_usec)
                plan_turn(w, i, m->line_usec);
}

/* The world */

static void start(struct world *w, unsigned i)
{
        struct machine *m = &w->machines[i];
        struct now now = now_of(w);

        m->key.bytes[0] = (uint8_t)(i + 1);
        CHECK(transfer_new(dice, &m->engine) == 0, "no memory");
        for (unsigned f = 0; f < w->n_files; f++)
                if (m->rows[f].state != 0) {
                        CHECK(transfer_restore(m->engine, &m->rows[f], &now) == 0, "no record");
                        if (i == 1 && m->rows[f].state == TRANSFER_ACCEPTED)
                                w->files[f].in_spool = m->rows[f].done;
                        /* Whether the word of its end was given is not remembered. */
                        w->files[f].is_whole |= i == 1 && m->rows[f].state >= TRANSFER_WHOLE;
                }
}

static void fault(struct world *w)
{
        unsigned what = (unsigned)random_below(dice, 4);
        struct now now = now_of(w);

        if (!w->is_up)
                return;
        w->n_faults++;
        w->is_up = false;
        for (unsigned i = 0; i < 2; i++)
                CHECK(transfer_gone(w->machines[i].engine, &w->machines[!i].key, &now) == 0,
                        "gone");
        for (unsigned i = 0; i < 2; i++) {
                struct machine *m = &w->machines[i];

                if ((what & (1U << i)) == 0)
                        continue;
                m->life++;
                m->worker_usec = 0;
                transfer_free(m->engine);
                start(w, i);
        }
        plan(w, UP, 0, w->now_usec + random_below(dice, 10 * USEC_PER_SEC), NULL, NULL, 0);
}

static void go_up(struct world *w)
{
        struct now now = now_of(w);

        w->is_up = true;
        w->session++;
        if (w->has_faults)
                plan(w, FAULT, 0, w->now_usec + random_below(dice, 60 * USEC_PER_MSEC), NULL, NULL,
                        0);
        for (unsigned i = 0; i < 2; i++) {
                CHECK(transfer_connected(w->machines[i].engine, &w->machines[!i].key, &now) == 0,
                        "connected");
                plan_turn(w, i, w->now_usec);
        }
}

static void make_file(struct world *w, uint64_t size)
{
        struct transfer_offer o = {
                .id = id_of(w->n_files), .peer = w->machines[1].key, .name = "file", .size = size
        };
        struct now now = now_of(w);

        w->files[w->n_files] = (struct file){ .size = size, .n_faults_before = w->n_faults };
        w->n_files++;
        CHECK(transfer_offer(w->machines[0].engine, &o, &now) == 0, "not offered");
        /* The user is answered when it is stored. */
        (void)drain(w, 0, true);
}

static void step(struct world *w)
{
        struct heap_event e;
        struct machine *m;
        struct head h = { .is_chat = true };

        CHECK(w->heap.n > 0, "nothing happens any more");
        e = event_heap_pop(&w->heap);
        m = &w->machines[e.to];
        w->now_usec = e.time_usec;
        switch ((enum what)e.from) {
        case CHAT:
                h.written_usec = w->now_usec;
                e.data = must_realloc(NULL, sizeof h);
                memcpy(e.data, &h, sizeof h);
                /* fall through */
        case LETTER:
        case SYNCED:
        case VERIFIED:
                CHECK(m->n_inbox < ELEMENTSOF(m->inbox), "the inbox is full");
                m->inbox[m->n_inbox++] = e;
                plan_turn(w, e.to, MAX(w->now_usec, m->loop_usec));
                return;
        case TURN:
                if (m->turn_usec == w->now_usec) {
                        m->turn_usec = 0;
                        turn(w, e.to);
                }
                break;
        case UP:
                go_up(w);
                break;
        case FAULT:
                fault(w);
                break;
        }
}

static void open_world(struct world *w, double megabits, usec_t away_usec)
{
        *w = (struct world){
                .now_usec = USEC_PER_DAY, .bytes_per_usec = megabits / 8, .away_usec = away_usec
        };
        CHECK(random_new_seeded(seed, &dice) == 0, "no memory");
        random_bytes(dice, w->pattern, PATTERN_SIZE);
        memcpy(w->pattern + PATTERN_SIZE, w->pattern, LARGEST_CHUNK);
        start(w, 0);
        start(w, 1);
        go_up(w);
}

static void close_world(struct world *w)
{
        for (unsigned i = 0; i < 2; i++) {
                transfer_free(w->machines[i].engine);
                for (unsigned k = 0; k < w->machines[i].n_inbox; k++)
                        free(w->machines[i].inbox[k].data);
        }
        event_heap_done(&w->heap);
        random_free(dice);
}

/* Scenarios */

static bool is_over(const struct world *w, unsigned f)
{
        return w->machines[0].rows[f].state == 0 && w->machines[1].rows[f].state == 0;
}

static void check_file(const struct world *w, unsigned f)
{
        const struct file *x = &w->files[f];
        uint64_t n_faults = w->n_faults - x->n_faults_before;

        CHECK(x->is_whole && x->in_spool == x->size, "file %u did not arrive", f);
        CHECK(x->n_sent <= x->size + n_faults * LARGEST_CHUNK,
                "file %u of %ju bytes: %ju were sent, with %ju interruptions", f,
                (uintmax_t)x->size, (uintmax_t)x->n_sent, (uintmax_t)n_faults);
}

static void run_interrupted(void)
{
        struct world *w = &world;
        unsigned oldest = 0, n_total = 2000;
        uint64_t n_bytes = 0, n_sent = 0;

        open_world(w, 100, 300);
        w->has_faults = true;
        plan(w, FAULT, 0, w->now_usec + USEC_PER_SEC, NULL, NULL, 0);
        for (uint64_t n = 0; oldest < n_total; n++) {
                CHECK(n < 50000000, "it does not end");
                while (oldest < w->n_files && is_over(w, oldest) &&
                        w->files[oldest].n_sent >= w->files[oldest].size &&
                        w->files[oldest].is_whole)
                        check_file(w, oldest++);
                while (w->n_files < n_total && w->n_files < oldest + OPEN_FILES)
                        make_file(w, random_below(dice, 3) ? random_below(dice, 600000)
                                                           : random_below(dice, 3) * 15360);
                step(w);
        }
        for (unsigned f = 0; f < n_total; f++) {
                n_bytes += w->files[f].size;
                n_sent += w->files[f].n_sent;
        }
        CHECK(w->most_under_way <= LARGEST_CHUNK, "%ju bytes under way",
                (uintmax_t)w->most_under_way);
        printf("interrupted: %u files of %.0f MB, %u interruptions, %.1f KiB sent twice for each\n",
                n_total, (double)n_bytes / 1e6, w->n_faults,
                (double)(n_sent - n_bytes) / 1024 / w->n_faults);
        close_world(w);
}

/* Mean time from a user's call to the other machine's commit, in ms. */
static double chat(double megabits, usec_t away_usec, unsigned n_files, double *ret_rate)
{
        struct world *w = &world;
        usec_t begin_usec;
        double mean;

        open_world(w, megabits, away_usec);
        for (unsigned i = 0; i < n_files; i++)
                make_file(w, TRANSFER_FILE_SIZE_MAX);
        begin_usec = w->now_usec;
        for (unsigned i = 1; i <= 300; i++)
                plan(w, CHAT, 0, w->now_usec + i * 50000 + random_below(dice, 40000), NULL, NULL,
                        0);
        while (w->n_chats < 300)
                step(w);
        mean = (double)w->waited_usec / w->n_chats / 1000;
        *ret_rate = (double)w->n_arrived / (double)(w->now_usec - begin_usec);
        close_world(w);
        return mean;
}

static void run_chat(void)
{
        static const struct {
                double megabits;
                usec_t away_usec;
        } lines[] = { { 1000, 200 }, { 100, 300 }, { 10, 15000 }, { 100, 50000 } };

        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                double rate, idle = chat(lines[i].megabits, lines[i].away_usec, 0, &rate);

                for (unsigned n = 1; n <= 4; n += 3) {
                        double busy = chat(lines[i].megabits, lines[i].away_usec, n, &rate);

                        printf("chat: %4.0f Mbit/s, %4.1f ms away, %u files: %.1f ms, idle "
                               "%.1f ms; %.1f MB/s of files\n",
                                lines[i].megabits, (double)lines[i].away_usec / 1000, n, busy, idle,
                                rate);
                        CHECK(rate > 0.1 && busy <= 2 * idle, "messages wait too long");
                }
        }
}

static const struct scenario scenarios[] = {
        { "interrupted", run_interrupted },
        { "chat", run_chat },
};

int main(int argc, char **argv)
{
        return scenarios_main(argc, argv, scenarios, ELEMENTSOF(scenarios));
}
