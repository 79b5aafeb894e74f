/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One connection of the third dialect */
#include <stdio.h>

#include "base/cursor.h"
#include "core/crypto/crypto.h"
#include "core/legacy/compose.h"
#include "core/legacy/third.h"

#define PATIENCE_USEC (10 * USEC_PER_SEC)  /* for an id */
#define SILENCE_USEC (100 * USEC_PER_MSEC) /* after which an id is whole */
#define PAUSE_USEC (500 * USEC_PER_MSEC)   /* until the other side has read ours for sure */
#define INPUT_MAX (64 * 1024)              /* that waits: an id, or what one read brought */
#define MADE_ID_SIZE 128                   /* of those that the library makes: all hexadecimal */
#define ESCAPED_MAX 6                      /* bytes that one of text may become */
#define FRAME_MAX 32                       /* around it */

enum third_state {
        THIRD_WAITING, /* for the id */
        THIRD_PAUSING, /* it came; nothing may be said yet */
        THIRD_OPEN,
        THIRD_OVER,
};

struct third {
        enum third_state state;
        bool is_dialled;
        char hello[THIRD_ID_SIZE_MAX + 1 + 6]; /* id and port, or id; what we say first */
        char id[THIRD_ID_SIZE_MAX + 1];
        uint16_t port;
        usec_t begin_usec, timer_usec;
        struct buffer in;
        size_t n_used; /* bytes of it */
        struct packet_reader reader;
        struct object object; /* of the last packet; its text was given out, or will be */
        struct buffer out;
        uint8_t *given; /* what was taken from there, for the caller */
        bool owes_greeted, owes_hello, owes_ready, owes_close, owes_text;
        bool is_named, is_noticed;
};

int third_new(bool is_dialled, const char *id, uint16_t port, usec_t now_usec, struct third **ret)
{
        struct third *t = calloc(1, sizeof *t);

        assert(strlen(id) <= THIRD_ID_SIZE_MAX);
        if (!t)
                return -ENOMEM;
        t->is_dialled = t->owes_hello = is_dialled;
        t->begin_usec = now_usec;
        t->timer_usec = usec_add(now_usec, PATIENCE_USEC);
        (void)snprintf(t->hello, sizeof t->hello, is_dialled ? "%s:%u" : "%s", id, port);
        buffer_init(&t->in, INPUT_MAX);
        buffer_init(&t->out, 0);
        packet_reader_init(&t->reader);
        *ret = t;
        return 0;
}

struct third *third_free(struct third *t)
{
        if (!t)
                return NULL;
        buffer_done(&t->in);
        buffer_done(&t->out);
        packet_reader_done(&t->reader);
        object_done(&t->object);
        free(t->given);
        free(t);
        return NULL;
}

static void end(struct third *t)
{
        t->state = THIRD_OVER;
        t->timer_usec = USEC_INFINITY;
        t->owes_close = true;
}

/*
 * The id
 */
static bool is_hex(uint8_t c)
{
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Where it ends: before a colon, or before what has come behind it too early. That can be told of a
 * JSON object, and of anything behind an id that the library made. */
static size_t id_size(const uint8_t *data, size_t size)
{
        size_t n = 0;

        while (n < size && is_hex(data[n]) && n < MADE_ID_SIZE)
                n++;
        if (n == MADE_ID_SIZE)
                return n;
        while (n < size && data[n] >= ' ' && data[n] != 0x7f && !strchr(":{\"", data[n]))
                n++;
        return n;
}

/* The digits at *@n, which is moved behind them. 0: none, or they are no port. */
static uint16_t take_port(const uint8_t *data, size_t size, size_t *n)
{
        uint32_t port = 0;

        for (; *n < size && data[*n] >= '0' && data[*n] <= '9'; (*n)++)
                port = MIN(port * 10 + (data[*n] - '0'), UINT32_C(1000000));
        return port <= UINT16_MAX ? (uint16_t)port : 0;
}

/* What has come is an id, and perhaps more. Others knock at open ports, too: browsers, scanners. */
static void take_id(struct third *t)
{
        const uint8_t *data = t->in.data;
        size_t n = id_size(data, t->in.size), size = n;

        if (n == 0 || n > THIRD_ID_SIZE_MAX || !utf8_is_valid((char *)data, n) ||
                (n < t->in.size && data[n] < ' ' && data[n] != PACKET_END)) {
                end(t);
                return;
        }
        memcpy(t->id, data, n);
        t->id[n] = 0;
        if (n < t->in.size && data[n] == ':') {
                size = n + 1;
                t->port = take_port(data, t->in.size, &size);
        }
        t->n_used = size;
        t->owes_greeted = true;
        t->owes_hello = !t->is_dialled;
        t->state = THIRD_PAUSING;
}

/*
 * Inputs
 */
int third_receive(struct third *t, const void *data, size_t size, usec_t now_usec)
{
        int r;

        if (t->state == THIRD_OVER)
                return 0;
        r = buffer_append(&t->in, data, size);
        if (r == -E2BIG) {
                end(t);
                return 0;
        }
        if (r == 0 && t->state == THIRD_WAITING)
                t->timer_usec = usec_min(
                        usec_add(now_usec, SILENCE_USEC), usec_add(t->begin_usec, PATIENCE_USEC));
        return r;
}

bool third_is_ready(const struct third *t)
{
        return t->state == THIRD_OPEN;
}

int third_say(struct third *t, const char *text, size_t size)
{
        assert(t->state == THIRD_OPEN && t->out.size == 0 && size > 0);
        buffer_done(&t->out);
        buffer_init(&t->out, size * ESCAPED_MAX + FRAME_MAX);
        return compose_packet(text, size, &t->out);
}

void third_advance(struct third *t, usec_t now_usec)
{
        if (now_usec < t->timer_usec)
                return;
        t->timer_usec = USEC_INFINITY;
        if (t->state == THIRD_PAUSING) {
                t->state = THIRD_OPEN;
                t->owes_ready = true;
        } else if (t->state == THIRD_WAITING && t->in.size == 0) {
                end(t);
        } else if (t->state == THIRD_WAITING) {
                take_id(t);
                if (t->state == THIRD_PAUSING)
                        t->timer_usec = usec_add(now_usec, PAUSE_USEC);
        }
}

usec_t third_deadline(const struct third *t)
{
        return t->timer_usec;
}

/*
 * Events
 */
static bool notice(struct third *t, const char *why, struct third_event *ret)
{
        if (t->is_noticed)
                return false;
        t->is_noticed = true;
        *ret = (struct third_event){ .type = THIRD_NOTICE, .why = why };
        return true;
}

static bool give_text(struct third *t, struct third_event *ret)
{
        t->owes_text = false;
        *ret = (struct third_event){
                .type = THIRD_MESSAGE,
                .data = (uint8_t *)t->object.text,
                .size = t->object.size,
        };
        return true;
}

/* True when there is an event in it. */
static int take_packet(struct third *t, const struct buffer *packet, struct third_event *ret)
{
        const char *why;
        int r;

        object_done(&t->object);
        r = packet_understand(packet, &t->object, &why);
        if (r != 0)
                return r < 0 ? r : notice(t, why, ret);
        t->owes_text = t->object.type == OBJECT_PLAIN;
        if (t->object.name[0] && !t->is_named) {
                t->is_named = true;
                *ret = (struct third_event){ .type = THIRD_NAMED, .name = t->object.name };
                return true;
        }
        return t->owes_text ? give_text(t, ret) : false;
}

static int next_packet(struct third *t, struct third_event *ret)
{
        int found = false;

        while (!found && t->n_used < t->in.size) {
                const struct buffer *packet;
                size_t used;
                int r;

                r = packet_read(
                        &t->reader, t->in.data + t->n_used, t->in.size - t->n_used, &used, &packet);
                t->n_used += used;
                if (r < 0)
                        return r;
                if (r == PACKET_READ)
                        found = take_packet(t, packet, ret);
                else if (r == PACKET_TOO_LARGE)
                        found = notice(t, "it is larger than 16 KiB.", ret);
                else if (r == PACKET_ENDLESS)
                        end(t);
                if (t->state == THIRD_OVER)
                        break;
        }
        if (t->n_used == t->in.size) {
                buffer_clear(&t->in);
                t->n_used = 0;
        }
        return found;
}

static bool give_send(struct third *t, struct third_event *ret)
{
        *ret = (struct third_event){ .type = THIRD_SEND };
        ret->data = t->given = buffer_take(&t->out, &ret->size);
        return true;
}

static bool give_hello(struct third *t, struct third_event *ret)
{
        t->owes_hello = false;
        *ret = (struct third_event){
                .type = THIRD_SEND,
                .data = (uint8_t *)t->hello,
                .size = strlen(t->hello),
        };
        return true;
}

int third_next_event(struct third *t, struct third_event *ret)
{
        free(t->given);
        t->given = NULL;
        if (t->owes_greeted) {
                t->owes_greeted = false;
                *ret = (struct third_event){ .type = THIRD_GREETED, .id = t->id, .port = t->port };
                return true;
        }
        if (t->owes_hello)
                return give_hello(t, ret);
        if (t->owes_ready) {
                t->owes_ready = false;
                *ret = (struct third_event){ .type = THIRD_READY };
                return true;
        }
        if (t->out.size > 0)
                return give_send(t, ret);
        if (t->owes_text)
                return give_text(t, ret);
        if (t->state == THIRD_PAUSING || t->state == THIRD_OPEN) {
                int r = next_packet(t, ret);

                if (r != false)
                        return r;
        }
        if (!t->owes_close)
                return false;
        t->owes_close = false;
        *ret = (struct third_event){ .type = THIRD_CLOSE };
        return true;
}

/*
 * Ids
 */
uint32_t third_tag(const char *id)
{
        struct blob piece = { id, strlen(id) };
        uint8_t digest[HASH_SIZE];
        struct reader r;

        hash(&piece, 1, digest);
        r = reader_make(digest, sizeof digest);
        return reader_u32(&r) ?: 1;
}

int third_name(const char *id, size_t size, char ret[static NAME_SIZE_MAX + 1])
{
        return name_clean(id, utf8_cut(id, strlen(id), size), ret);
}
