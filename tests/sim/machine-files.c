/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a daemon does for files: a spool, whose disk takes its time
 *
 * What was to be written is lost with the process until it is done; then it stays, whether the node
 * has heard of it or not. All that is asked of a spool is done in the order of asking.
 */
#include <stdio.h>

#include "tests/sim/oracle.h"

#define SPOOL_USEC (4 * USEC_PER_MSEC)  /* until it is done, ... */
#define ANSWER_USEC (1 * USEC_PER_MSEC) /* ... and until the node hears of it */
#define ROOM_USEC (2 * USEC_PER_MSEC)   /* a full link is looked at again */
#define OWNER 1000

struct spool {
        struct list list; /* in machine.spools */
        struct transfer_id id;
        uint8_t *data;
        uint64_t n;
};

static void check(struct machine *m, int r, const char *what)
{
        if (r < 0)
                world_fail(m->world, "%c: %s gives %s", m->letter, what, strerror(-r));
}

static struct spool *find(struct machine *m, const struct transfer_id *id)
{
        list_for_each (i, &m->spools) {
                struct spool *s = container_of(i, struct spool, list);

                if (memcmp(&s->id, id, sizeof *id) == 0)
                        return s;
        }
        return NULL;
}

static void drop(struct spool *s)
{
        if (!s)
                return;
        list_remove(&s->list);
        free(s->data);
        free(s);
}

static struct spool *make(struct machine *m, const struct transfer_id *id)
{
        struct spool *s = calloc(1, sizeof *s);

        assert(s);
        s->id = *id;
        list_append(&m->spools, &s->list);
        return s;
}

static void append(struct spool *s, const void *data, size_t n)
{
        s->data = realloc(s->data, s->n + n + 1);
        assert(s->data);
        if (n > 0)
                memcpy(s->data + s->n, data, n);
        s->n += n;
}

void machine_drop_spools(struct machine *m)
{
        list_for_each_safe (i, &m->spools)
                drop(container_of(i, struct spool, list));
}

/*
 * What the node asks for
 */
static void job(struct machine *m, enum event_type type, usec_t delay_usec, char *data, size_t size)
{
        world_schedule(m->world, &(struct event){ .time_usec = m->world->now_usec + delay_usec,
                                         .type = type,
                                         .machine = m,
                                         .data = data,
                                         .size = size });
}

void machine_ask_spool(struct machine *m, const struct effect *effect)
{
        size_t n = effect->type == EFFECT_SPOOL_WRITE ? effect->spool.n : 0;
        char *data;

        if (effect->type == EFFECT_ASK_ROOM) {
                world_schedule(
                        m->world, &(struct event){ .time_usec = m->world->now_usec + ROOM_USEC,
                                          .type = EVENT_ROOM,
                                          .machine = m,
                                          .value = effect->ask_room.link });
                return;
        }
        data = malloc(sizeof *effect + n);
        assert(data);
        memcpy(data, effect, sizeof *effect);
        if (n > 0)
                memcpy(data + sizeof *effect, effect->spool.data, n);
        job(m, EVENT_SPOOL, SPOOL_USEC, data, sizeof *effect + n);
}

/* The disk does it. */
static void carry_out(struct machine *m, struct event *event)
{
        const struct effect *e = (const struct effect *)event->data;
        struct spool *s = find(m, &e->spool.id);

        if (e->type == EFFECT_SPOOL_DISCARD) {
                drop(s);
                return;
        }
        if (e->type == EFFECT_SPOOL_WRITE) {
                s = s ?: make(m, &e->spool.id);
                if (e->spool.offset != s->n)
                        world_fail(m->world, "%c writes at %ju of a spool that has %ju bytes",
                                m->letter, (uintmax_t)e->spool.offset, (uintmax_t)s->n);
                append(s, event->data + sizeof *e, e->spool.n);
        }
        job(m, EVENT_ANSWER, ANSWER_USEC, TAKE_PTR(event->data), event->size);
}

static int answer_read(struct machine *m, const struct spool *s, const struct effect *e)
{
        uint64_t left = s && s->n > e->spool.offset ? s->n - e->spool.offset : 0;
        size_t n = (size_t)MIN(left, (uint64_t)e->spool.n);

        if (!s)
                return node_spool_failed(
                        m->node, &e->spool.ref, TRANSFER_UNREADABLE, machine_now(m));
        return node_spool_read(m->node, &e->spool.ref, n > 0 ? s->data + e->spool.offset : NULL, n,
                machine_now(m));
}

static void answer(struct machine *m, const struct effect *e)
{
        struct spool *s = find(m, &e->spool.id);
        uint8_t digest[HASH_SIZE];

        machine_begin(m);
        if (e->type == EFFECT_SPOOL_READ) {
                check(m, answer_read(m, s, e), "node_spool_read()");
        } else if (e->type == EFFECT_SPOOL_WRITE) {
                check(m,
                        node_spool_written(m->node, &e->spool.ref, e->spool.offset + e->spool.n,
                                machine_now(m)),
                        "node_spool_written()");
        } else {
                hash(&(struct blob){ s ? s->data : NULL, s ? s->n : 0 }, 1, digest);
                check(m, node_spool_hashed(m->node, &e->spool.ref, digest, machine_now(m)),
                        "node_spool_hashed()");
        }
}

static void look_for_room(struct machine *m, const struct event *e)
{
        if (!wire_has_room(m, e->value)) {
                struct event again = *e;

                again.time_usec = m->world->now_usec + ROOM_USEC;
                world_schedule(m->world, &again);
                return;
        }
        machine_begin(m);
        check(m, node_has_room_on(m->node, e->value, machine_now(m)), "node_has_room_on()");
}

/* A whole one is handed over. */
static void take(struct machine *m, const char *id)
{
        struct transfer_id bytes;
        struct spool *s;
        size_t size;

        (void)hex_decode(id, strlen(id), bytes.bytes, &size);
        s = find(m, &bytes);
        oracle_file_taken(m, id, s ? s->data : NULL, s ? s->n : 0);
        machine_begin(m);
        check(m, node_file_taken(m->node, id, machine_now(m)), "node_file_taken()");
}

void machine_take_soon(struct machine *m, const char *id)
{
        char *data = strdup(id);

        assert(data);
        job(m, EVENT_TAKE, SPOOL_USEC, data, strlen(id) + 1);
}

static bool is_whole(struct machine *m, const char *id)
{
        bool is = false;

        machine_begin(m);
        check(m, MIN(node_file_accept(m->node, id, OWNER, machine_now(m), &is, NULL), 0),
                "node_file_accept()");
        return is;
}

void machine_files_event(struct machine *m, struct event *e)
{
        if (e->type == EVENT_SPOOL)
                carry_out(m, e);
        else if (e->type == EVENT_ANSWER)
                answer(m, (const struct effect *)e->data);
        else if (e->type == EVENT_ROOM)
                look_for_room(m, e);
        else if (is_whole(m, e->data))
                take(m, e->data);
}

/*
 * Start
 */
static int restore(const struct file_record *file, void *userdata)
{
        struct machine *m = userdata;
        struct spool *s = find(m, &file->spool_id);

        return node_restore_transfer(m->node, file, s ? s->n : 0, machine_now(m));
}

static struct file_view *list(struct machine *m, size_t *ret_n)
{
        struct file_view *views = NULL;

        check(m, node_list_files(m->node, machine_now(m), &views, ret_n), "node_list_files()");
        return views;
}

/* What the node does not know is nobody's. */
void machine_restore_files(struct machine *m)
{
        struct file_view *views;
        size_t n;

        check(m, store_load_transfers(m->store, restore, m), "store_load_transfers()");
        views = list(m, &n);
        list_for_each_safe (i, &m->spools) {
                struct spool *s = container_of(i, struct spool, list);
                size_t k = 0;

                while (k < n && memcmp(&views[k].spool_id, &s->id, sizeof s->id) != 0)
                        k++;
                if (k == n)
                        drop(s);
        }
        free(views);
}

/*
 * Callers
 */
void machine_offer(struct machine *m, struct machine *to, size_t size)
{
        struct file_offer offer = { .word = to->identity.id, .uid = OWNER, .size = size };
        uint8_t digest[HASH_SIZE];
        struct spool *s;
        char name[32];
        int r;

        random_bytes(m->world->random, offer.spool_id.bytes, sizeof offer.spool_id.bytes);
        s = make(m, &offer.spool_id);
        append(s, NULL, 0);
        s->data = realloc(s->data, size + 1);
        assert(s->data);
        random_bytes(m->world->random, s->data, size);
        s->n = size;
        hash(&(struct blob){ s->data, size }, 1, digest);
        (void)snprintf(name, sizeof name, "file-%zu", oracle_next_file(m->world));
        offer.hash = digest;
        offer.name = name;
        machine_begin(m);
        r = node_file_offer(m->node, &offer, machine_now(m), NULL);
        check(m, r, "node_file_offer()");
        if (r == 0)
                oracle_file_offered(m, to, digest, size);
        else
                drop(s);
}

static void decide(struct machine *m, const struct file_view *v, uint64_t die)
{
        struct now now = machine_now(m);
        bool is_offer = !v->is_outgoing && v->state == TRANSFER_OFFERED, is = false;

        machine_begin(m);
        if (is_offer && die > 1) {
                check(m, MIN(node_file_accept(m->node, v->id, OWNER, now, &is, NULL), 0),
                        "node_file_accept()");
                oracle_file_accepted(m, v->name);
        } else if (is_offer && die == 1) {
                check(m, MIN(node_file_reject(m->node, v->id, now, NULL), 0), "node_file_reject()");
                oracle_file_given_up(m, v->name);
        } else if (die == 0) {
                check(m, MIN(node_file_cancel(m->node, v->id, now, NULL), 0), "node_file_cancel()");
                oracle_file_given_up(m, v->name);
        } else if (v->state == TRANSFER_WHOLE) {
                machine_take_soon(m, v->id);
        }
}

void machine_decide(struct machine *m)
{
        struct file_view *views;
        size_t n;

        if (!m->node || m->is_foreign)
                return;
        views = list(m, &n);
        if (n > 0)
                decide(m, &views[random_below(m->world->random, n)],
                        random_below(m->world->random, 12));
        free(views);
}

size_t machine_accept_all(struct machine *m)
{
        struct file_view *views;
        size_t n;

        if (!m->node || m->is_foreign)
                return 0;
        views = list(m, &n);
        for (size_t i = 0; i < n; i++)
                decide(m, &views[i], 12);
        free(views);
        return n;
}

static int count(const struct file_record *file, void *userdata)
{
        ++*(size_t *)userdata;
        return 0;
}

/* Nothing is on its way or remembered, and nothing lies in the spool. */
void machine_expect_no_files(struct machine *m)
{
        size_t n_rows = 0;

        if (!m->node || m->is_foreign)
                return;
        check(m, store_load_transfers(m->store, count, &n_rows), "store_load_transfers()");
        if (n_rows > 0)
                world_fail(m->world, "%c remembers %zu transfers", m->letter, n_rows);
        if (!list_is_empty(&m->spools))
                world_fail(m->world, "%c has something in its spool", m->letter);
}
