/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * One engine, and a script in the place of the other side
 *
 *     hear(w, 2, "{\"key\": \"13\"}");
 *     EXPECT(w, "2 > {\"key\": \"#\"}\n");
 *
 * What the engine wants is written as a trace, a line an effect. Numbers of keys are random: they
 * show as # and are kept in w->key.
 */
#include <stdarg.h>

#include "base/buffer.h"
#include "core/crypto/crypto.h"
#include "core/crypto/dh.h"
#include "core/crypto/random.h"
#include "core/legacy/dialect.h"
#include "core/legacy/legacy.h"
#include "lib/test.h"

struct world {
        struct random *random;
        struct legacy *legacy;
        usec_t now_usec;
        struct legacy_memory memory; /* as last learned */
        char key[DECIMAL_SIZE];      /* the last public value that was sent */
        struct buffer trace;
};

#define WORLD_START_USEC (USEC_PER_DAY * 2)

static inline void world_init(struct world *w)
{
        *w = (struct world){ .now_usec = WORLD_START_USEC };
        ASSERT_OK(random_new_seeded(42, &w->random));
        ASSERT_OK(legacy_new(w->random, &w->legacy));
        buffer_init(&w->trace, 1024 * 1024);
}

static inline void world_done(struct world *w)
{
        legacy_free(w->legacy);
        random_free(w->random);
        buffer_done(&w->trace);
}

#define WORLD(w)                                                                                   \
        _cleanup_(world_done)                                                                      \
        struct world w##_object;                                                                   \
        struct world *w = &w##_object;                                                             \
                                                                                                   \
        world_init(w)

static inline struct endpoint world_remote(uint64_t link)
{
        return endpoint_ipv4(127, 30, 9, 9, link % 2 ? 6001 : 40000 + link);
}

static inline void trace_line(struct world *w, const char *format, ...) _printf_(2, 3);
static inline void trace_line(struct world *w, const char *format, ...)
{
        char line[4096];
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(line, sizeof line, format, ap);
        va_end(ap);
        ASSERT_OK(buffer_append_string(&w->trace, line));
}

/* Takes the number out of a key, in any of its spellings. */
static inline void trace_send(struct world *w, uint64_t link, const char *data, size_t size)
{
        char text[2048];
        const char *p = data, *number;

        ASSERT_LT(size, LEGACY_SEND_MAX);
        if (!(strstr(data, "key\":") || (size > 1 && data[0] >= '0' && data[0] <= '9') ||
                    (size == 1 && data[0] >= '2' && data[0] <= '9'))) {
                if (size == 1 && (uint8_t)data[0] < 2)
                        trace_line(w, "%" PRIu64 " > byte %d\n", link, data[0]);
                else
                        trace_line(w, "%" PRIu64 " > %.*s\n", link, (int)size, data);
                return;
        }
        while (*p && !(*p >= '0' && *p <= '9'))
                p++;
        number = p;
        while (*p >= '0' && *p <= '9')
                p++;
        ASSERT_OK(decimal_parse(number, (size_t)(p - number), w->key));
        (void)snprintf(text, sizeof text, "%.*s#%s", (int)(number - data), data, p);
        trace_line(w, "%" PRIu64 " > %s\n", link, text);
}

static inline void trace_memory(struct world *w, uint64_t link, const struct legacy_memory *m)
{
        trace_line(w, "%" PRIu64 " learned", link);
        if (m->form)
                trace_line(w, " %s", dialect_form_name(m->form - 1));
        if (m->shape > 1)
                trace_line(w, " shape %d", m->shape - 1);
        if (m->spelling)
                trace_line(w, " spelling %d", m->spelling);
        if (m->group)
                trace_line(w, " %s", m->group == LEGACY_GROUP_19_2 ? "(19, 2)" : "(23, 5)");
        if (m->choice)
                trace_line(w, " choice %d", m->choice);
        if (m->connections)
                trace_line(w, " connections %d", m->connections);
        trace_line(w, "%s%s%s%s%s\n", m->key_is_number ? " number" : "",
                m->key_is_bare ? " bare" : "", m->key_is_public ? " public_key" : "",
                m->plain_is_base64 ? " base64" : "", m->no_key ? " no-key" : "");
}

static inline void drain(struct world *w)
{
        static const char *const outcomes[] = { [LEGACY_WRITTEN] = "written",
                [LEGACY_AGAIN] = "again",
                [LEGACY_NO_KEY] = "no key",
                [LEGACY_NOT_UNDERSTOOD] = "not understood" };
        struct legacy_effect e;

        buffer_clear(&w->trace);
        while (legacy_next_effect(w->legacy, &e)) {
                struct endpoint remote = world_remote(e.link);

                ASSERT_TRUE(endpoint_equal(&e.remote, &remote));
                switch (e.type) {
                case LEGACY_SEND:
                        trace_send(w, e.link, e.data, e.size);
                        break;
                case LEGACY_CLOSE:
                        trace_line(w, "%" PRIu64 " close\n", e.link);
                        break;
                case LEGACY_FINISH:
                        trace_line(w, "%" PRIu64 " finish\n", e.link);
                        break;
                case LEGACY_MESSAGE:
                        ASSERT_GT(e.size, 0);
                        ASSERT_TRUE(text_is_printable(e.data, e.size));
                        trace_line(w, "%" PRIu64 " message %s <%s> %.*s\n", e.link,
                                e.security == LEGACY_PLAIN ? "plain" : "legacy", e.name,
                                (int)e.size, (const char *)e.data);
                        break;
                case LEGACY_LEARNED:
                        w->memory = e.memory;
                        trace_memory(w, e.link, &e.memory);
                        break;
                case LEGACY_RESULT:
                        trace_line(w, "%" PRIu64 " result %s\n", e.link, outcomes[e.outcome]);
                        break;
                case LEGACY_NOTICE:
                        trace_line(w, "%" PRIu64 " notice %s\n", e.link, e.sentence);
                        break;
                }
        }
}

#define EXPECT(w, text)                                                                            \
        do {                                                                                       \
                drain(w);                                                                          \
                ASSERT_STREQ((w)->trace.data ? (char *)(w)->trace.data : "", text);                \
        } while (0)

static inline void accept_link(struct world *w, uint64_t link)
{
        struct endpoint remote = world_remote(link);

        ASSERT_OK(legacy_accepted(w->legacy, link, &remote, &w->memory, w->now_usec));
}

static inline void hear_bytes(struct world *w, uint64_t link, const void *data, size_t size)
{
        ASSERT_OK(legacy_receive(w->legacy, link, data, size, w->now_usec));
}

static inline void hear(struct world *w, uint64_t link, const char *text)
{
        hear_bytes(w, link, text, strlen(text));
}

static inline void end_link(struct world *w, uint64_t link)
{
        ASSERT_OK(legacy_end(w->legacy, link, w->now_usec));
}

static inline void pass(struct world *w, usec_t usec)
{
        w->now_usec += usec;
        ASSERT_OK(legacy_advance(w->legacy, w->now_usec));
}

static inline void initiate(
        struct world *w, uint64_t link, enum legacy_security security, const char *text)
{
        struct endpoint remote = world_remote(link);
        struct legacy_order order = {
                .security = security, .text = text, .size = strlen(text), .username = "Ece"
        };

        ASSERT_OK(legacy_initiate(w->legacy, link, &remote, &w->memory, &order, w->now_usec));
}

/* What the script says encrypted, with the secret of its own exponent and the key it was sent. */
static inline const char *cipher(struct world *w, const char *exponent, const char *p,
        const struct legacy_memory *form, const char *text, struct buffer *b)
{
        char secret[DECIMAL_SIZE];

        ASSERT_OK(dh_power(w->key, exponent, p, secret));
        buffer_clear(b);
        ASSERT_OK(buffer_append_string(b, "{\"encrypted_message\": "));
        ASSERT_OK(dialect_encrypt(form, w->random, secret, text, strlen(text), b));
        ASSERT_OK(buffer_append_string(b, "}"));
        return (char *)b->data;
}
