/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Transfers: messages, names, and an engine driven by a small program
 *
 * The first byte says which: 0 a message, 1 a name; else a program for an engine, in which a byte
 * says what happens and takes its arguments from the bytes behind it. There are two peers and four
 * ids; what the engine asked for is remembered, so that an input can answer it.
 */
#include "base/cursor.h"
#include "core/crypto/random.h"
#include "core/transfer/wire.h"
#include "fuzz.h"

#define IDS 4
#define STEPS_MAX 400

static void must(bool x)
{
        if (!x)
                abort();
}

/* Whatever decodes encodes to the same bytes. */
static void try_message(const uint8_t *data, size_t size)
{
        static uint8_t again[TRANSFER_MESSAGE_SIZE_MAX];
        struct transfer_wire m;

        if (transfer_wire_decode(data, size, &m) != 0)
                return;
        must(transfer_wire_size(&m) == size);
        transfer_wire_encode(&m, again);
        must(memcmp(again, data, size) == 0);
}

static void try_name(const uint8_t *data, size_t size)
{
        char name[TRANSFER_NAME_MAX + 1];

        if (transfer_name_clean((const char *)data, size, name) != 0)
                return;
        must(transfer_name_is_clean(name, strlen(name)));
        must(!strchr(name, '/') && name[0] && strcmp(name, "..") != 0);
}

struct world {
        struct transfers *t;
        struct random *random;
        struct now now;
        struct transfer_ref writes[IDS], verifies[IDS];
        uint64_t written[IDS], base[IDS]; /* up to where; what was answered */
        struct transfer_load load;
};

static const struct transfer_peer peers[2] = { { { 1 } }, { { 2 } } };
static const uint8_t contents[TRANSFER_CHUNK_MAX];

static struct transfer_id id_of(uint8_t n)
{
        return (struct transfer_id){ { 7, n % IDS } };
}

static void look(struct world *w, const struct transfer_effect *e)
{
        struct transfer_wire m;
        uint8_t i = e->ref.id.bytes[1] % IDS;

        switch (e->type) {
        case TRANSFER_SEND:
                must(transfer_wire_decode(e->data, e->size, &m) == 0);
                break;
        case TRANSFER_WRITE:
                if (w->writes[i].serial != e->ref.serial)
                        w->base[i] = e->record.done;
                must(e->offset + e->size <= e->record.size);
                must(e->offset + e->size - e->record.done <= TRANSFER_WINDOW);
                w->writes[i] = e->ref;
                w->written[i] = e->offset + e->size;
                break;
        case TRANSFER_VERIFY:
                must(e->record.done == e->record.size);
                w->verifies[i] = e->ref;
                break;
        case TRANSFER_STORE:
        case TRANSFER_FORGET:
        case TRANSFER_NEWS:
        case TRANSFER_PROGRESS:
        case TRANSFER_FINISHED:
                must(e->record.done <= e->record.size && e->record.reason < TRANSFER_REASONS);
                must(transfer_name_is_clean(e->record.name, strlen(e->record.name)));
                break;
        case TRANSFER_DISCARD:
        case TRANSFER_READY:
                break;
        }
}

static void drain(struct world *w)
{
        struct transfer_effect e;
        struct transfer_record r[2 * IDS];

        while (transfer_next_effect(w->t, &e))
                look(w, &e);
        must(transfer_list(w->t, 0, r, ELEMENTSOF(r)) <= IDS + 1);
}

/* A message with numbers that are near to right ones. */
static void say(struct world *w, struct reader *r)
{
        static uint8_t message[TRANSFER_MESSAGE_SIZE_MAX];
        const struct transfer_peer *from = &peers[reader_u8(r) % 2];
        struct transfer_wire m = { .kind = 1 + reader_u8(r) % 5,
                .id = id_of(reader_u8(r)),
                .size = (uint64_t)reader_u8(r) * 5120,
                .hash = contents,
                .name = "file",
                .name_size = 4 };

        m.have = m.offset = (uint64_t)reader_u8(r) * 5120 + reader_u8(r) % 2;
        m.end = m.have + (uint64_t)reader_u8(r) * 5120;
        m.data = contents;
        m.data_size = m.size < TRANSFER_CHUNK_MAX ? m.size : TRANSFER_CHUNK_MAX;
        m.reason = reader_u8(r) % TRANSFER_REASONS;
        transfer_wire_encode(&m, message);
        must(transfer_receive(w->t, from, message, transfer_wire_size(&m), &w->now) == 0);
}

static void say_raw(struct world *w, struct reader *r)
{
        const struct transfer_peer *from = &peers[reader_u8(r) % 2];
        size_t size;
        const uint8_t *data = reader_blob(r, &size);

        if (data)
                must(transfer_receive(w->t, from, data, size, &w->now) == 0);
}

/* What was written is answered once, up to any place of it. */
static void answer_write(struct world *w, struct reader *r)
{
        uint8_t i = reader_u8(r) % IDS;
        uint64_t left = w->written[i] - w->base[i];

        if (w->writes[i].serial == 0)
                return;
        if (left > 0)
                w->base[i] += left - reader_u8(r) % left;
        must(transfer_written(w->t, &w->writes[i], w->base[i], &w->now) == 0);
}

static void answer_load(struct world *w, struct reader *r)
{
        size_t size = w->load.size;

        if (size > 0 && reader_u8(r) % 8 == 0)
                size--;
        must(transfer_loaded(w->t, &w->load.ref, contents, size, &w->now) == 0);
}

static void offer(struct world *w, struct reader *r)
{
        struct transfer_offer o = { .id = id_of(reader_u8(r)),
                .peer = peers[reader_u8(r) % 2],
                .name = "a/b",
                .size = (uint64_t)reader_u8(r) * 5120 };

        must(transfer_offer(w->t, &o, &w->now) >= 0);
}

static void restart(struct world *w)
{
        struct transfer_record r[IDS + 1];
        struct transfers *old = w->t;
        size_t n;

        must(transfer_new(w->random, &w->t) == 0);
        n = transfer_list(old, 0, r, ELEMENTSOF(r));
        for (size_t i = 0; i < n; i++)
                must(transfer_restore(w->t, &r[i], &w->now) == 0);
        memset(w->writes, 0, sizeof w->writes);
        memset(w->verifies, 0, sizeof w->verifies);
        w->load = (struct transfer_load){ .size = 0 };
        transfer_free(old);
}

static void step(struct world *w, struct reader *r)
{
        uint8_t what = reader_u8(r) % 16, n = what >= 8 ? reader_u8(r) : 0;
        struct transfer_id id = id_of(n);

        switch (what) {
        case 0:
        case 1:
                say(w, r);
                break;
        case 2:
                say_raw(w, r);
                break;
        case 3:
                answer_write(w, r);
                break;
        case 4:
                answer_load(w, r);
                break;
        case 5:
                offer(w, r);
                break;
        case 6:
                restart(w);
                break;
        case 7:
                w->now.mono_usec += USEC_PER_DAY;
                w->now.real_usec += USEC_PER_DAY;
                must(transfer_advance(w->t, &w->now) == 0);
                must(transfer_deadline(w->t) > w->now.mono_usec);
                break;
        case 8:
                must(transfer_connected(w->t, &peers[n % 2], &w->now) == 0);
                break;
        case 9:
                must(transfer_gone(w->t, &peers[n % 2], &w->now) == 0);
                break;
        case 10:
                must(transfer_accept(w->t, &id, n, &w->now) >= 0);
                break;
        case 11:
                must(transfer_reject(w->t, &id, &w->now) >= 0);
                break;
        case 12:
                must(transfer_cancel(w->t, &id, &w->now) >= 0);
                break;
        case 13:
                must(transfer_taken(w->t, &id, &w->now) >= 0);
                break;
        case 14:
                (void)transfer_next_chunk(w->t, &peers[n % 2], &w->load);
                break;
        case 15:
                must((n < 128 ? transfer_verified(w->t, &w->verifies[n % IDS], contents, &w->now)
                              : transfer_failed(
                                        w->t, &w->writes[n % IDS], TRANSFER_QUOTA, &w->now)) == 0);
                break;
        }
}

static void try_engine(const uint8_t *data, size_t size)
{
        struct world w = { .now = {
                                   .mono_usec = USEC_PER_DAY, .real_usec = 20000 * USEC_PER_DAY } };
        struct reader r = reader_make(data, size);

        must(random_new_seeded(1, &w.random) == 0 && transfer_new(w.random, &w.t) == 0);
        for (unsigned i = 0; i < 2; i++)
                must(transfer_connected(w.t, &peers[i], &w.now) == 0);
        for (unsigned i = 0; i < STEPS_MAX && r.left > 0; i++) {
                step(&w, &r);
                drain(&w);
        }
        transfer_free(w.t);
        random_free(w.random);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        bool is_locked;

        if (size == 0 || crypto_init(&is_locked) < 0)
                return 0;
        if (data[0] == 0)
                try_message(data + 1, size - 1);
        else if (data[0] == 1)
                try_name(data + 1, size - 1);
        else
                try_engine(data + 1, size - 1);
        return 0;
}
