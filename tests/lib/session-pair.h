/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Two sessions and what flows between them, on a clock of their own
 *
 * What one side sends waits in .wire of that side until pair_run() carries it over, in one piece or
 * byte by byte. What happens is written into a trace, if wanted:
 *
 *     [   0] a > 37 bytes
 *     [   0] b . proven ece 7001
 *
 * where a is the dialler, "> n bytes" is what it writes, and "." is what it tells its caller.
 */
#include <stdarg.h>

#include "base/buffer.h"
#include "core/crypto/random.h"
#include "core/session/session.h"
#include "lib/test.h"

struct side {
        const char *name;
        struct identity identity;
        struct x25519_key static_key;
        struct session_self self;
        struct session *session;
        struct buffer wire; /* sent and not yet carried over */
        bool proven, renew, ended;
        enum session_end how;
        enum goodbye goodbye;
        size_t n_messages;
        struct message last; /* text: in last_text */
        char last_text[64];
};

struct pair {
        struct side a, b;
        struct random *random;
        usec_t now_usec;
        char trace[8192];
        size_t trace_size;
        bool tracing;
};

_printf_(2, 3) static inline void pair_trace(struct pair *p, const char *format, ...)
{
        va_list ap;

        if (!p->tracing)
                return;
        va_start(ap, format);
        p->trace_size += (size_t)vsnprintf(
                p->trace + p->trace_size, sizeof p->trace - p->trace_size, format, ap);
        va_end(ap);
        ASSERT_LT(p->trace_size, sizeof p->trace);
}

static inline void side_init(
        struct pair *p, struct side *s, const char *name, const char *username, uint8_t seed)
{
        uint8_t bytes[IDENTITY_SEED_SIZE] = { seed };

        *s = (struct side){ .name = name };
        ASSERT_OK(identity_init(&s->identity, bytes));
        ASSERT_OK(x25519_key_init_random(&s->static_key, p->random));
        buffer_init(&s->wire, SIZE_MAX / 2);
        s->self = (struct session_self){
                .identity = &s->identity,
                .static_key = &s->static_key,
                .random = p->random,
                .username = username,
                .port = 7000 + seed,
                .run = 100 + seed,
        };
}

static inline void pair_init(struct pair *p)
{
        *p = (struct pair){ .now_usec = USEC_PER_DAY };
        ASSERT_OK(random_new_seeded(7, &p->random));
        side_init(p, &p->a, "a", "Ece", 1);
        side_init(p, &p->b, "b", "Bob", 2);
}

static inline void side_done(struct side *s)
{
        s->session = session_free(s->session);
        identity_done(&s->identity);
        x25519_key_done(&s->static_key);
        buffer_done(&s->wire);
}

static inline void pair_done(struct pair *p)
{
        side_done(&p->a);
        side_done(&p->b);
        random_free(p->random);
}

static inline void side_tell(struct pair *p, struct side *s, const struct session_effect *e)
{
        static const char *const ends[] = { "closed", "goodbye", "idle", "timed out", "not native",
                "not proven", "other id", "altered", "malformed", "used up" };
        unsigned ms = (unsigned)((p->now_usec - USEC_PER_DAY) / USEC_PER_MSEC);

        switch (e->type) {
        case SESSION_SEND:
                pair_trace(p, "[%4u] %s > %zu bytes\n", ms, s->name, e->send.size);
                ASSERT_OK(buffer_append(&s->wire, e->send.data, e->send.size));
                break;
        case SESSION_PROVEN:
                ASSERT_FALSE(s->proven);
                s->proven = true;
                pair_trace(
                        p, "[%4u] %s . proven %s %u\n", ms, s->name, e->peer->name, e->peer->port);
                break;
        case SESSION_MESSAGE:
                ASSERT_TRUE(s->proven);
                s->n_messages++;
                s->last = e->message;
                if (e->message.type == FRAME_MESSAGE) {
                        size_t n = MIN(e->message.text.size, sizeof s->last_text - 1);

                        memcpy(s->last_text, e->message.text.text, n);
                        s->last_text[n] = 0;
                        s->last.text.text = s->last_text;
                        pair_trace(p, "[%4u] %s . message %" PRIu64 " \"%s\"\n", ms, s->name,
                                e->message.text.number, s->last_text);
                } else
                        pair_trace(p, "[%4u] %s . frame %d\n", ms, s->name, e->message.type);
                break;
        case SESSION_RENEW:
                s->renew = true;
                pair_trace(p, "[%4u] %s . renew\n", ms, s->name);
                break;
        case SESSION_ENDED:
                ASSERT_FALSE(s->ended);
                s->ended = true;
                s->how = e->ended.how;
                s->goodbye = e->ended.goodbye;
                pair_trace(p, "[%4u] %s . ended: %s\n", ms, s->name, ends[s->how]);
                break;
        }
}

static inline void side_drain(struct pair *p, struct side *s)
{
        struct session_effect e;

        while (session_next_effect(s->session, &e))
                side_tell(p, s, &e);
        ASSERT_FALSE(session_next_effect(s->session, &e));
}

static inline void pair_dial(struct pair *p, const char *wanted_id)
{
        ASSERT_OK(session_new(&p->a.self, SESSION_DIALLER, wanted_id, p->now_usec, &p->a.session));
        ASSERT_OK(session_new(&p->b.self, SESSION_RESPONDER, NULL, p->now_usec, &p->b.session));
        side_drain(p, &p->a);
        side_drain(p, &p->b);
}

/* Hands @data to @s in pieces of @piece bytes (0: all at once). */
static inline void side_feed(
        struct pair *p, struct side *s, const void *data, size_t size, size_t piece)
{
        const uint8_t *d = data;

        while (size > 0) {
                size_t n = MIN(size, piece > 0 ? piece : (size_t)SESSION_CHUNK_MAX);

                ASSERT_OK(session_receive(s->session, d, n, p->now_usec));
                side_drain(p, s);
                d += n;
                size -= n;
        }
}

/* Carries over what @from has sent. True: there was something. */
static inline bool pair_carry(struct pair *p, struct side *from, size_t piece)
{
        struct side *to = from == &p->a ? &p->b : &p->a;
        size_t size;
        uint8_t *data;

        if (from->wire.size == 0)
                return false;
        data = buffer_take(&from->wire, &size);
        side_feed(p, to, data, size, piece);
        free(data);
        return true;
}

static inline void pair_run(struct pair *p, size_t piece)
{
        while (pair_carry(p, &p->a, piece) || pair_carry(p, &p->b, piece))
                ;
}

static inline void pair_open(struct pair *p)
{
        pair_init(p);
        pair_dial(p, NULL);
        pair_run(p, 0);
        ASSERT_TRUE(p->a.proven && p->b.proven);
}

static inline void side_say(struct pair *p, struct side *s, uint64_t number, const char *text)
{
        const struct message m = {
                .type = FRAME_MESSAGE,
                .text = { .number = number, .text = text, .size = strlen(text) },
        };

        ASSERT_OK(session_send(s->session, &m, p->now_usec));
        side_drain(p, s);
}

static inline void side_acknowledge(struct pair *p, struct side *s, uint64_t number)
{
        const struct message m = { .type = FRAME_ACKNOWLEDGE, .acknowledge.number = number };

        ASSERT_OK(session_send(s->session, &m, p->now_usec));
        side_drain(p, s);
}
