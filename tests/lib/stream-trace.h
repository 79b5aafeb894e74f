/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What a stream engine says, as text
 *
 * A turn is a line: the changes, a bar, and what comes out after the commit. Streams are called A,
 * B, ... in the order in which they are heard of, messages by letters.
 */
#include <stdarg.h>

#include "core/delivery/stream.h"
#include "lib/test.h"

static char line[32768];
static size_t line_size;

_printf_(1, 2) static inline void say(const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        line_size += (size_t)vsnprintf(line + line_size, sizeof line - line_size, format, ap);
        va_end(ap);
        ASSERT_LT(line_size, sizeof line);
}

static inline char letter_of(uint64_t stream)
{
        static uint64_t heard[200];
        static size_t n;

        if (stream == 0) { /* a new test */
                n = 0;
                return 0;
        }
        for (size_t i = 0; i < n; i++)
                if (heard[i] == stream)
                        return (char)('A' + i);
        ASSERT_LT(n, ELEMENTSOF(heard));
        heard[n++] = stream;
        return (char)('A' + n - 1);
}

static inline struct ulid id_of(char letter)
{
        return (struct ulid){ .bytes = { (uint8_t)letter } };
}

static inline void say_change(const struct stream_change *c)
{
        switch (c->type) {
        case STREAM_CHANGE_STREAM:
                say("stream %c ", letter_of(c->stream));
                break;
        case STREAM_CHANGE_NUMBER:
                say("%c=%ju ", c->id.bytes[0], (uintmax_t)c->number);
                break;
        case STREAM_CHANGE_DELIVERED:
                say("%c delivered ", c->id.bytes[0]);
                break;
        case STREAM_CHANGE_FAILED:
                say("%c failed(%d) ", c->id.bytes[0], c->reason);
                break;
        case STREAM_CHANGE_MARK:
                say("mark %c %ju ", letter_of(c->stream), (uintmax_t)c->number);
                break;
        case STREAM_CHANGE_MARK_GONE:
                say("gone %c ", letter_of(c->stream));
                break;
        case STREAM_CHANGE_REFUSAL:
                say("refusal %c %ju(%d) ", letter_of(c->stream), (uintmax_t)c->number, c->reason);
                break;
        }
}

static inline void say_frame(const struct message *m)
{
        switch (m->type) {
        case FRAME_HELLO:
                say(" hello(%c, %ju)", letter_of(m->hello.stream), (uintmax_t)m->hello.oldest);
                break;
        case FRAME_RESUME:
                say(" resume(%c, %ju)", letter_of(m->resume.stream), (uintmax_t)m->resume.mark);
                break;
        case FRAME_ACKNOWLEDGE:
                say(" acknowledge(%ju)", (uintmax_t)m->acknowledge.number);
                break;
        case FRAME_REFUSED:
                say(" refused(%ju, %d)", (uintmax_t)m->refused.number, m->refused.reason);
                break;
        case FRAME_MESSAGE:
        case FRAME_GOODBYE:
        case FRAME_RING:
        case FRAME_LEDGER:
        case FRAME_NAME:
        case FRAME_GROUP:
        case FRAME_GROUP_MESSAGE:
        case FRAME_FILE:
        case FRAME_DIAL_BACK:
        case FRAME_REACHED:
                TEST_FAIL("a frame that is not said here");
        }
}
