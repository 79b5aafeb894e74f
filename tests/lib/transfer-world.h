/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Two engines of transfers with their disks and spools, and a wire, for test-transfer-model.c
 *
 * A disk is what STORE and FORGET said, in their order; a spool has bytes that are on the disk and
 * bytes that a crash takes away. Between any two effects something may happen.
 */
#include "core/crypto/random.h"
#include "core/transfer/wire.h"
#include "lib/test.h"

#define FILES_MAX 12
#define SIZE_MAX_HERE (20 * TRANSFER_CHUNK_SIZE)
#define WIRE_MAX 4096
#define QUESTIONS_MAX 256

enum fault {
        FAULT_CUT,
        FAULT_CRASH_A,
        FAULT_CRASH_B,
        FAULT_CRASH_BOTH,
        N_FAULTS,
};

struct row {
        bool is_there;
        struct transfer_record record;
        char name[TRANSFER_NAME_MAX + 1];
};

/* Something that the engine waits for. */
struct question {
        enum transfer_effect_type type; /* WRITE, VERIFY; SEND: a load */
        struct transfer_ref ref;
        uint64_t end; /* WRITE: bytes up to here */
        struct transfer_load load;
};

struct node {
        struct transfers *engine;
        struct transfer_peer key;
        struct row rows[FILES_MAX];
        uint64_t on_disk[FILES_MAX]; /* bytes of the spool that survive */
        uint64_t in_spool[FILES_MAX];
        struct question questions[QUESTIONS_MAX];
        unsigned n_questions, life;
        unsigned n_finished[FILES_MAX];
        enum transfer_reason reason[FILES_MAX];
};

struct letter {
        uint8_t *data;
        size_t size;
};

struct wire {
        struct letter letters[WIRE_MAX];
        unsigned first, n;
};

struct file {
        unsigned from; /* which node has it */
        uint64_t size;
        uint8_t *data, *copy;
        uint8_t hash[HASH_SIZE];
        bool is_decided, is_disturbed; /* by a user who rejects or cancels */
        uint64_t n_sent;
        unsigned n_faults_before;
};

struct world {
        uint64_t seed, dice;
        struct random *random;
        struct now now;
        struct node nodes[2];
        struct wire wires[2]; /* to that node */
        bool is_linked;
        struct file files[FILES_MAX];
        unsigned n_files;
        unsigned rate; /* one fault in so many points; 0: none */
        unsigned n_faults;
        uint64_t n_repeated;
};

#define FAIL(w, ...)                                                                               \
        do {                                                                                       \
                fprintf(stderr, "# seed %ju\n", (uintmax_t)(w)->seed);                             \
                TEST_FAIL(__VA_ARGS__);                                                            \
        } while (0)

static inline unsigned roll(struct world *w, unsigned limit)
{
        w->dice ^= w->dice << 13;
        w->dice ^= w->dice >> 7;
        w->dice ^= w->dice << 17;
        return (unsigned)((w->dice >> 16) % limit);
}

static inline struct transfer_id id_of(unsigned file)
{
        return (struct transfer_id){ .bytes = { 0xf1, [15] = (uint8_t)file } };
}

static inline unsigned file_of(const struct transfer_id *id)
{
        ASSERT_EQ(id->bytes[0], 0xf1);
        ASSERT_LT(id->bytes[15], FILES_MAX);
        return id->bytes[15];
}

/* The wire */

static inline void clear(struct wire *wire)
{
        while (wire->n > 0) {
                free(wire->letters[wire->first].data);
                wire->first = (wire->first + 1) % WIRE_MAX;
                wire->n--;
        }
}

static inline void put(struct world *w, unsigned to, const void *data, size_t size)
{
        struct wire *wire = &w->wires[to];
        struct letter *l = &wire->letters[(wire->first + wire->n) % WIRE_MAX];

        if (!w->is_linked)
                return;
        ASSERT_LT(wire->n, WIRE_MAX);
        wire->n++;
        l->data = malloc(size);
        ASSERT_NOT_NULL(l->data);
        memcpy(l->data, data, size);
        l->size = size;
}

/* Faults */

static inline void cut_link(struct world *w)
{
        if (!w->is_linked)
                return;
        w->is_linked = false;
        for (unsigned i = 0; i < 2; i++) {
                clear(&w->wires[i]);
                ASSERT_OK(transfer_gone(w->nodes[i].engine, &w->nodes[!i].key, &w->now));
        }
}

static inline void ask(struct node *n, const struct question *q)
{
        ASSERT_LT(n->n_questions, QUESTIONS_MAX);
        n->questions[n->n_questions++] = *q;
}

/* The record may be behind the disk: the caller believes the one or the other. */
static inline void believe(struct world *w, struct node *n, unsigned f)
{
        struct transfer_record *r = &n->rows[f].record;

        if (n->rows[f].is_there && !r->is_outgoing && r->state == TRANSFER_ACCEPTED) {
                if (roll(w, 2))
                        r->done = n->on_disk[f];
                else
                        n->on_disk[f] = r->done;
        }
        n->in_spool[f] = n->on_disk[f];
}

static inline void start(struct world *w, struct node *n)
{
        ASSERT_OK(transfer_new(w->random, &n->engine));
        for (unsigned i = 0; i < FILES_MAX; i++) {
                believe(w, n, i);
                n->rows[i].record.name = n->rows[i].name;
                if (n->rows[i].is_there)
                        ASSERT_OK(transfer_restore(n->engine, &n->rows[i].record, &w->now));
        }
}

static inline void crash(struct world *w, unsigned i)
{
        struct node *n = &w->nodes[i];

        cut_link(w);
        transfer_free(n->engine);
        n->n_questions = 0;
        n->life++;
        /* Some of what was not certain may be there; behind it anything may stand. */
        for (unsigned f = 0; f < w->n_files; f++) {
                if (w->files[f].from == i)
                        continue;
                if (roll(w, 2))
                        n->on_disk[f] += roll(w, (unsigned)(n->in_spool[f] - n->on_disk[f]) + 1);
                memset(w->files[f].copy + n->on_disk[f], 0xee, w->files[f].size - n->on_disk[f]);
        }
        start(w, n);
}

static inline void happen(struct world *w, enum fault fault)
{
        if (fault != FAULT_CUT || w->is_linked)
                w->n_faults++;
        switch (fault) {
        case FAULT_CUT:
        case N_FAULTS:
                cut_link(w);
                break;
        case FAULT_CRASH_A:
        case FAULT_CRASH_B:
                crash(w, fault - FAULT_CRASH_A);
                break;
        case FAULT_CRASH_BOTH:
                crash(w, 0);
                crash(w, 1);
                break;
        }
}

static inline void point(struct world *w)
{
        if (w->rate > 0 && roll(w, w->rate) == 0)
                happen(w, roll(w, N_FAULTS));
}

/* Effects */

static inline void sent(struct world *w, unsigned from, const struct transfer_effect *e)
{
        struct transfer_wire m;

        ASSERT_OK(transfer_wire_decode(e->data, e->size, &m));
        if (m.kind == TRANSFER_WIRE_CHUNK)
                w->files[file_of(&m.id)].n_sent += m.data_size;
        put(w, !from, e->data, e->size);
}

static inline void store(struct node *n, const struct transfer_effect *e)
{
        unsigned f = file_of(&e->record.id);
        struct row *row = &n->rows[f];

        row->is_there = e->type == TRANSFER_STORE;
        row->record = e->record;
        memcpy(row->name, e->record.name, strlen(e->record.name) + 1);
        row->record.name = row->name;
}

/* Into the spool, and the promise to say when the disk has it. Memory is bounded. */
static inline void write_bytes(struct world *w, struct node *n, const struct transfer_effect *e)
{
        unsigned f = file_of(&e->ref.id);
        struct question q = { .type = TRANSFER_WRITE, .ref = e->ref, .end = e->offset + e->size };
        uint64_t under_way = 0;

        ASSERT_EQ(e->offset, n->in_spool[f]);
        ASSERT_LE(q.end, w->files[f].size);
        memcpy(w->files[f].copy + e->offset, e->data, e->size);
        n->in_spool[f] = q.end;
        ask(n, &q);
        ASSERT_LE(q.end - n->rows[f].record.done, TRANSFER_WINDOW);
        for (unsigned i = 0; i < w->n_files; i++)
                if (n->rows[i].is_there && !n->rows[i].record.is_outgoing &&
                        n->rows[i].record.state == TRANSFER_ACCEPTED)
                        under_way += n->in_spool[i] - n->rows[i].record.done;
        ASSERT_LE(under_way, TRANSFER_PEER_WINDOW);
}

static inline void carry_out(struct world *w, unsigned i, const struct transfer_effect *e)
{
        struct node *n = &w->nodes[i];
        struct question q = { .type = TRANSFER_VERIFY, .ref = e->ref };
        unsigned f;

        switch (e->type) {
        case TRANSFER_SEND:
                sent(w, i, e);
                break;
        case TRANSFER_STORE:
        case TRANSFER_FORGET:
                store(n, e);
                break;
        case TRANSFER_WRITE:
                write_bytes(w, n, e);
                break;
        case TRANSFER_VERIFY:
                ask(n, &q);
                break;
        case TRANSFER_FINISHED:
                f = file_of(&e->ref.id);
                n->n_finished[f]++;
                n->reason[f] = e->record.reason;
                break;
        case TRANSFER_DISCARD:
        case TRANSFER_READY:
        case TRANSFER_NEWS:
        case TRANSFER_PROGRESS:
                break;
        }
}

/* Everything that the engine wants; false: it crashed meanwhile. */
static inline bool drain(struct world *w, unsigned i)
{
        unsigned life = w->nodes[i].life;
        struct transfer_effect e;

        while (transfer_next_effect(w->nodes[i].engine, &e)) {
                carry_out(w, i, &e);
                point(w);
                if (w->nodes[i].life != life)
                        return false;
        }
        return true;
}
