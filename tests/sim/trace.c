/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What happened, as text
 *
 *     [  8020] a > b {"key": ...}       written on a connection
 *     [  8040] b = received from a: hi  committed, and told
 *     [  8060] a < queued               answered to a caller
 *
 * Time is in milliseconds. What chance decides (keys, cipher text) is left out.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/session/session.h"
#include "tests/sim/oracle.h"

static void remember(struct world *w, const char *line)
{
        for (const char *c = line; *c; c++)
                w->trace_hash = (w->trace_hash ^ (uint8_t)*c) * UINT64_C(0x100000001b3);
        if (w->options.trace)
                fputs(line, stdout);
        if (w->options.keep_trace && buffer_append_string(&w->trace, line) < 0)
                abort();
}

void trace_line(struct world *w, const char *format, ...)
{
        char line[600];
        va_list arguments;
        int n;

        n = snprintf(line, sizeof line, "[%6" PRIu64 "] ", w->now_usec / 1000);
        va_start(arguments, format);
        n += vsnprintf(line + n, sizeof line - (size_t)n - 1, format, arguments);
        va_end(arguments);
        n = MIN(n, (int)sizeof line - 2);
        line[n] = '\n';
        line[n + 1] = 0;
        remember(w, line);
}

const char *world_trace(const struct world *w)
{
        return w->trace.size > 0 ? (const char *)w->trace.data : "";
}

void world_fail(struct world *w, const char *format, ...)
{
        va_list arguments;

        fflush(stdout);
        fprintf(stderr, "seed %" PRIu64 ", %" PRIu64 ".%06" PRIu64 " s: ", w->options.seed,
                w->now_usec / USEC_PER_SEC, w->now_usec % USEC_PER_SEC);
        va_start(arguments, format);
        vfprintf(stderr, format, arguments);
        va_end(arguments);
        fprintf(stderr, "\n");
        if (w->options.command)
                fprintf(stderr, "again: %s\n", w->options.command);
        exit(1);
}

static const char *letter_of(struct world *w, const struct endpoint *e, char buffer[static 80])
{
        const struct machine *m = world_machine_at(w, e);

        if (m)
                (void)snprintf(buffer, 80, "%c", m->letter);
        else
                endpoint_format_address(e, buffer);
        return buffer;
}

/* The other end of a link. */
static const char *other_end(struct machine *m, uint64_t link, char buffer[static 80])
{
        list_for_each (i, &m->world->wires) {
                struct wire *wire = container_of(i, struct wire, list);

                for (int k = 0; k < 2; k++)
                        if (wire->ends[k].is_attached && wire->ends[k].machine == m &&
                                wire->ends[k].link == link)
                                return letter_of(m->world, &wire->ends[!k].address, buffer);
        }
        return "?";
}

/* The names of the members, and the values that chance does not decide; of what is sealed only how
 * much it is. */
static void shorten(const uint8_t *data, size_t size, char *buffer, size_t buffer_size)
{
        static const char *const secret[] = {
                "\"key\": ", "\"encrypted_message\": ", "\"key\":", "\"encrypted_message\":"
        };
        size_t used = 0, i = 0;

        if (size > 0 && data[0] != '{') {
                bool is_first = session_recognise(data, size) == SESSION_IS;

                (void)snprintf(buffer, buffer_size, "%s(%zu bytes)", is_first ? "P2PC " : "", size);
                return;
        }
        while (i < size && used + 8 < buffer_size) {
                size_t skip = 0;

                for (size_t k = 0; k < ELEMENTSOF(secret) && skip == 0; k++)
                        if (size - i > strlen(secret[k]) &&
                                memcmp(data + i, secret[k], strlen(secret[k])) == 0)
                                skip = strlen(secret[k]);
                if (skip == 0) {
                        buffer[used++] = data[i] < ' ' ? ' ' : (char)data[i];
                        i++;
                        continue;
                }
                if (used + skip + 4 >= buffer_size)
                        break;
                memcpy(buffer + used, data + i, skip);
                used += skip;
                i += skip;
                while (i < size && data[i] != ',' && data[i] != '}')
                        i++;
                memcpy(buffer + used, "...", 3);
                used += 3;
        }
        memcpy(buffer + used, i < size ? "..." : "", i < size ? 4 : 1);
}

static void put_text(const char *text, size_t size, char *buffer)
{
        for (size_t i = 0; i < size; i++)
                buffer[i] = (uint8_t)text[i] < ' ' ? ' ' : text[i];
        buffer[size] = 0;
}

void trace_effect(struct machine *m, const struct effect *effect)
{
        static const char *const how[] = {
                [CLOSE_NOW] = "drop",
                [CLOSE_FLUSH] = "close",
                [CLOSE_FINISH] = "finish",
        };
        struct world *w = m->world;
        char to[80], text[64];

        switch (effect->type) {
        case EFFECT_SEND:
                shorten(effect->send.data, effect->send.size, text, sizeof text);
                trace_line(w, "%c > %s %s", m->letter, other_end(m, effect->send.link, to), text);
                return;
        case EFFECT_DIAL:
                trace_line(w, "%c > %s dial", m->letter, letter_of(w, &effect->dial.to, to));
                return;
        case EFFECT_CLOSE:
                trace_line(w, "%c > %s %s", m->letter, other_end(m, effect->close.link, to),
                        how[effect->close.how]);
                return;
        case EFFECT_DATAGRAM:
                if (!w->options.trace_announcements)
                        return;
                shorten(effect->datagram.data, effect->datagram.size, text, sizeof text);
                trace_line(w, "%c > %s:%u %s", m->letter,
                        endpoint_is_unicast(&effect->datagram.to)
                                ? letter_of(w, &effect->datagram.to, to)
                                : "all",
                        effect->datagram.to.port, text);
                return;
        case EFFECT_REPLY:
                trace_line(w, "%c < %s", m->letter, message_state_word(effect->reply.state));
                return;
        case EFFECT_REFUSE:
        case EFFECT_JOINED:
        case EFFECT_FOUND:
                break;
        case EFFECT_LOAD:
        case EFFECT_LOAD_BLOCK:
        case EFFECT_LOAD_CHAIN:
        case EFFECT_SPOOL_WRITE:
        case EFFECT_SPOOL_READ:
        case EFFECT_SPOOL_HASH:
        case EFFECT_SPOOL_DISCARD:
        case EFFECT_ASK_ROOM:
                return;
        }
}

void trace_event(struct machine *m, const struct store_event *event)
{
        struct world *w = m->world;
        const struct message_record *r = &event->message;
        char at[80], text[48];

        switch (event->type) {
        case STORE_EVENT_MESSAGE:
                put_text(r->text, MIN(r->size, (size_t)36), text);
                trace_line(w, "%c = %s %s %s%s: %s%s", m->letter, message_state_word(r->state),
                        r->direction == DIRECTION_SENT ? "for" : "from",
                        letter_of(w, &r->endpoint, at),
                        r->security == SECURITY_PLAIN ? ", plain" : "", text,
                        r->size > 36 ? "..." : "");
                return;
        case STORE_EVENT_STATE:
                trace_line(w, "%c = %s%s%s", m->letter, message_state_word(event->state.state),
                        event->state.reason[0] ? ": " : "", event->state.reason);
                return;
        case STORE_EVENT_PRESENCE:
                trace_line(w, "%c = %s is %s", m->letter, event->presence.user,
                        presence_word(event->presence.presence));
                return;
        case STORE_EVENT_WARNING:
                trace_line(w, "%c = warning %s: %s", m->letter, event->warning.kind,
                        event->warning.sentence);
                return;
        case STORE_EVENT_SESSION:
                trace_line(w, "%c = session with %s: %s", m->letter,
                        event->session.user[0] ? event->session.user : "?", event->session.what);
                return;
        case STORE_EVENT_KNOWN:
                trace_line(w, "%c = number %ju was here already", m->letter,
                        (uintmax_t)event->known.stream_number);
                return;
        case STORE_EVENT_USERNAME:
                trace_line(w, "%c = username %s", m->letter, event->text);
                return;
        case STORE_EVENT_CERTIFIED:
                trace_line(w, "%c = name %s belongs to %s", m->letter, event->certified.name,
                        event->certified.id);
                return;
        case STORE_EVENT_INVITED:
                trace_line(w, "%c = invited to %s by %s", m->letter, event->invited.word,
                        event->invited.by);
                return;
        case STORE_EVENT_FILE:
                trace_line(w, "%c = %s %s %s: state %d, reason %d, %ju bytes", m->letter,
                        event->file.name, event->file.is_outgoing ? "for" : "from",
                        event->file.user, event->file.state, event->file.reason,
                        (uintmax_t)event->file.done);
                return;
        }
}
