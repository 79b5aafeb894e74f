/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * One engine, peers that are played by the test, and what the engine did as a line of words
 *
 *     ASSERT_STREQ(done(), "store, news, send want 0 15360");
 */
#include <stdarg.h>

#include "core/crypto/random.h"
#include "core/transfer/wire.h"
#include "lib/test.h"

#define CHUNK TRANSFER_CHUNK_SIZE
#define WINDOW TRANSFER_WINDOW
#define FIXTURE_UNUSED __attribute__((unused))

static struct random *dice;
static struct transfers *engine;
static struct now now;
static const struct transfer_peer ada = { { 1 } }, bob = { { 2 } };
/* The last of each kind. */
static struct transfer_effect effects[TRANSFER_FINISHED + 1];
static struct transfer_load load;
static char trace[16384];
static uint8_t bytes[TRANSFER_MESSAGE_SIZE_MAX + 1];

static struct transfer_id id_of(unsigned n)
{
        struct transfer_id id = { { 0xf1, (uint8_t)(n >> 8), (uint8_t)n } };

        return id;
}

FIXTURE_UNUSED static struct transfers *make(void)
{
        struct transfers *t = NULL;

        now = (struct now){ .mono_usec = USEC_PER_DAY, .real_usec = 20000 * USEC_PER_DAY };
        ASSERT_OK(transfer_new(dice, &t));
        return t;
}

FIXTURE_UNUSED static void begin(void)
{
        engine = make();
}

FIXTURE_UNUSED static void finish(void)
{
        engine = transfer_free(engine);
}

static void tell(const char *format, ...) _printf_(1, 2);
static void tell(const char *format, ...)
{
        size_t used = strlen(trace);
        va_list arguments;

        va_start(arguments, format);
        (void)snprintf(trace + used, sizeof trace - used, "%s", used > 0 ? ", " : "");
        used = strlen(trace);
        (void)vsnprintf(trace + used, sizeof trace - used, format, arguments);
        va_end(arguments);
}

static void tell_sent(const struct transfer_effect *e)
{
        struct transfer_wire m;

        ASSERT_OK(transfer_wire_decode(e->data, e->size, &m));
        switch (m.kind) {
        case TRANSFER_WIRE_OFFER:
                tell("send offer");
                break;
        case TRANSFER_WIRE_WANT:
                tell("send want %ju %ju", (uintmax_t)m.have, (uintmax_t)m.end);
                break;
        case TRANSFER_WIRE_CHUNK:
                tell("send chunk %ju %zu", (uintmax_t)m.offset, m.data_size);
                break;
        case TRANSFER_WIRE_END:
                tell("send end %d", (int)m.reason);
                break;
        case TRANSFER_WIRE_ENDED:
                tell("send ended");
                break;
        }
}

static void tell_effect(const struct transfer_effect *e)
{
        static const char *const names[] = { "store", "forget", "send", "write", "verify",
                "discard", "ready", "news", "progress", "finished" };

        if (e->type == TRANSFER_SEND)
                tell_sent(e);
        else if (e->type == TRANSFER_WRITE)
                tell("write %ju %zu", (uintmax_t)e->offset, e->size);
        else if (e->type == TRANSFER_FINISHED)
                tell("finished %d%s", (int)e->record.reason, e->is_by_peer ? " by peer" : "");
        else
                tell("%s", names[e->type]);
}

/* What the engine wants done, all of it. */
FIXTURE_UNUSED static const char *done(void)
{
        struct transfer_effect e;

        trace[0] = 0;
        while (transfer_next_effect(engine, &e)) {
                tell_effect(&e);
                effects[e.type] = e;
                effects[e.type].data = NULL;
                effects[e.type].record.name = NULL;
        }
        return trace;
}

FIXTURE_UNUSED static void say(const struct transfer_peer *from, const struct transfer_wire *m)
{
        transfer_wire_encode(m, bytes);
        ASSERT_OK(transfer_receive(engine, from, bytes, transfer_wire_size(m), &now));
}

static const uint8_t zeros[TRANSFER_CHUNK_MAX];

FIXTURE_UNUSED static void hash_of_zeros(uint64_t size, uint8_t ret[static HASH_SIZE])
{
        struct blob b = { .data = zeros, .size = (size_t)size };

        ASSERT_LE(size, sizeof zeros);
        hash(&b, 1, ret);
}

FIXTURE_UNUSED static void say_offer(
        const struct transfer_peer *from, unsigned n, const char *name, uint64_t size)
{
        uint8_t h[HASH_SIZE] = { 7 };
        struct transfer_wire m = { .kind = TRANSFER_WIRE_OFFER,
                .id = id_of(n),
                .size = size,
                .hash = h,
                .name = name,
                .name_size = strlen(name) };

        if (size <= sizeof zeros)
                hash_of_zeros(size, h);
        say(from, &m);
}

FIXTURE_UNUSED static void say_want(
        const struct transfer_peer *from, unsigned n, uint64_t have, uint64_t end)
{
        struct transfer_wire m = {
                .kind = TRANSFER_WIRE_WANT, .id = id_of(n), .have = have, .end = end
        };

        say(from, &m);
}

FIXTURE_UNUSED static void say_chunk(
        const struct transfer_peer *from, unsigned n, uint64_t offset, size_t size)
{
        struct transfer_wire m = { .kind = TRANSFER_WIRE_CHUNK,
                .id = id_of(n),
                .offset = offset,
                .data = zeros,
                .data_size = size };

        say(from, &m);
}

FIXTURE_UNUSED static void say_end(
        const struct transfer_peer *from, unsigned n, enum transfer_reason reason)
{
        struct transfer_wire m = { .kind = TRANSFER_WIRE_END, .id = id_of(n), .reason = reason };

        say(from, &m);
}

FIXTURE_UNUSED static void say_ended(const struct transfer_peer *from, unsigned n)
{
        struct transfer_wire m = { .kind = TRANSFER_WIRE_ENDED, .id = id_of(n) };

        say(from, &m);
}

FIXTURE_UNUSED static int offer(
        const struct transfer_peer *to, unsigned n, const char *name, uint64_t size)
{
        struct transfer_offer o = {
                .id = id_of(n), .peer = *to, .user = 1000, .name = name, .size = size
        };

        return transfer_offer(engine, &o, &now);
}

FIXTURE_UNUSED static void connect(const struct transfer_peer *peer)
{
        ASSERT_OK(transfer_connected(engine, peer, &now));
}

FIXTURE_UNUSED static void disconnect(const struct transfer_peer *peer)
{
        ASSERT_OK(transfer_gone(engine, peer, &now));
}

FIXTURE_UNUSED static int accept_it(unsigned n)
{
        struct transfer_id id = id_of(n);

        return transfer_accept(engine, &id, 1000, &now);
}

FIXTURE_UNUSED static int cancel(unsigned n)
{
        struct transfer_id id = id_of(n);

        return transfer_cancel(engine, &id, &now);
}

/* 0: it is over, or was never there. */
FIXTURE_UNUSED static enum transfer_state state_of(unsigned n)
{
        struct transfer_id id = id_of(n);
        struct transfer_record r = { 0 };

        (void)transfer_find(engine, &id, &r);
        return r.state;
}

/* An offer of ours that is wanted from the beginning. */
FIXTURE_UNUSED static void begin_sending(uint64_t size, uint64_t end)
{
        begin();
        connect(&ada);
        ASSERT_OK(offer(&ada, 1, "file", size));
        say_want(&ada, 1, 0, end);
        (void)done();
}

/* An offer of ada's that was accepted; nothing came yet. */
FIXTURE_UNUSED static void begin_taking(uint64_t size)
{
        begin();
        connect(&ada);
        say_offer(&ada, 1, "file", size);
        ASSERT_OK(accept_it(1));
        (void)done();
}

FIXTURE_UNUSED static void written(uint64_t end)
{
        ASSERT_OK(transfer_written(engine, &effects[TRANSFER_WRITE].ref, end, &now));
}

/* Asks for one chunk and answers it; false: there is none. */
FIXTURE_UNUSED static bool send_one(void)
{
        if (!transfer_next_chunk(engine, &ada, &load))
                return false;
        ASSERT_OK(transfer_loaded(engine, &load.ref, zeros, load.size, &now));
        return true;
}

FIXTURE_UNUSED static int transfer_set_up(void)
{
        bool is_locked;

        if (crypto_init(&is_locked) < 0)
                return 1;
        return random_new_seeded(1, &dice) < 0 ? 1 : 0;
}
