/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One talk with one native peer
 *
 * The handshake is worked off as it comes in. Later packets stay in the input, sealed, until the
 * caller asks for effects, and are opened in place one by one; so nothing is copied, and what is
 * to be acknowledged is never further than one message ahead of the caller.
 */
#include "core/session/session.h"
#include "base/buffer.h"
#include "core/noise/handshake.h"
#include "core/noise/transport.h"

#define PROLOGUE_SIZE 5
/* The largest message of a handshake that we take. */
#define HANDSHAKE_MAX (HANDSHAKE_2_SIZE + INTRODUCTION_MAX + TAG_SIZE)
#define INPUT_MAX (SESSION_CHUNK_MAX + PACKET_HEAD_SIZE + PACKET_MAX)
#define KEEP_MEMORY_MAX (16 * 1024) /* a larger buffer is given back when it is empty */

static const uint8_t prologue[PROLOGUE_SIZE] = { 'P', '2', 'P', 'C', SESSION_VERSION };

static_assert(sizeof SESSION_MAGIC == PROLOGUE_SIZE, "the magic and one byte of version");

/* What is awaited. */
enum state {
        STATE_PROLOGUE,
        STATE_FIRST,
        STATE_SECOND,
        STATE_THIRD,
        STATE_OPEN,
        STATE_ENDED,
};

struct session {
        const struct session_self *self;
        enum session_role role;
        enum state state;
        char wanted_id[ID_STRING_SIZE]; /* "" for anybody */
        uint64_t features;              /* beside those of self */
        struct handshake handshake;     /* until proven */
        struct transport transport;     /* from then on */
        struct introduction peer;
        bool has_peer;

        struct buffer input;
        size_t n_used; /* bytes at its beginning that are done with, opened ones among them */
        struct buffer output;
        size_t n_told; /* bytes at its beginning that the caller has been given */
        struct flow sent, received;

        usec_t now_usec;      /* of the last input */
        usec_t deadline_usec; /* unproven, idle, or finishing */
        usec_t idle_usec;
        bool is_finishing;
        usec_t renew_usec;       /* what is due when ... */
        uint64_t renew_messages; /* ... one of these is reached */
        uint64_t renew_size;

        bool tell_proven, tell_renew, tell_ended;
        enum session_end end;
        enum goodbye goodbye; /* the peer's */
};

static void forget_input(struct session *s)
{
        wipe(s->input.data, s->n_used);
        buffer_consume(&s->input, s->n_used);
        s->n_used = 0;
        if (s->input.size == 0 && s->input.allocated > KEEP_MEMORY_MAX)
                buffer_done(&s->input);
}

static void forget_output(struct session *s)
{
        buffer_consume(&s->output, s->n_told);
        s->n_told = 0;
        if (s->output.size == 0 && s->output.allocated > KEEP_MEMORY_MAX)
                buffer_done(&s->output);
}

static void end(struct session *s, enum session_end how)
{
        if (s->state == STATE_ENDED)
                return;
        s->state = STATE_ENDED;
        s->end = how;
        s->tell_ended = true;
        s->tell_renew = false;
        s->deadline_usec = USEC_INFINITY;
        s->n_used = s->input.size;
        handshake_done(&s->handshake);
        transport_done(&s->transport);
}

/*
 * The handshake
 */
static int put_packet(struct session *s, const uint8_t *data, size_t size)
{
        const uint8_t head[PACKET_HEAD_SIZE] = { size >> 8, size };
        int r;

        r = buffer_append(&s->output, head, sizeof head);
        if (r < 0)
                return r;
        return buffer_append(&s->output, data, size);
}

/* Completes @message, whose first @head bytes are written, by our introduction. */
static int put_introduction(struct session *s, uint8_t *message, size_t head)
{
        struct introduction own = {
                .port = s->self->port,
                .features = s->self->features | s->features,
                .run = s->self->run,
        };
        uint8_t payload[INTRODUCTION_OWN_MAX];
        size_t size;
        int r;

        assert(strlen(s->self->username) <= NAME_SIZE_MAX);
        memcpy(own.name, s->self->username, strlen(s->self->username));
        r = introduction_encode(&own, s->self->identity, s->role, s->handshake.state.hash,
                s->self->static_key->public, payload, &size);
        if (r < 0)
                return r;
        handshake_write_payload(&s->handshake, payload, size, message + head);
        return put_packet(s, message, head + size + TAG_SIZE);
}

/* 0: who it is, is known; positive: it is not proven; -ENOMEM. */
static int take_introduction(
        struct session *s, const uint8_t *payload, size_t size, const uint8_t *hash)
{
        enum session_role role = s->role == SESSION_DIALLER ? SESSION_RESPONDER : SESSION_DIALLER;
        int r;

        r = introduction_decode(payload, size, role, hash, s->handshake.remote_static, &s->peer);
        s->has_peer = r == 0;
        return r;
}

static int become_proven(struct session *s)
{
        int r;

        r = handshake_split(&s->handshake, s->role == SESSION_DIALLER, &s->transport);
        if (r < 0)
                return r;
        handshake_done(&s->handshake);
        s->state = STATE_OPEN;
        s->tell_proven = true;
        s->idle_usec = SESSION_IDLE_USEC;
        s->deadline_usec = usec_add(s->now_usec, s->idle_usec);
        s->renew_usec = usec_add(s->now_usec, SESSION_RENEW_USEC);
        s->renew_messages = SESSION_RENEW_MESSAGES;
        s->renew_size = SESSION_RENEW_SIZE;
        return 0;
}

/* Positive results of all steps: the peer did something wrong. */
static int step_first(struct session *s, const uint8_t *message, size_t size)
{
        uint8_t answer[HANDSHAKE_MAX];
        int r;

        if (size != HANDSHAKE_1_SIZE)
                return 1;
        r = handshake_read_1(&s->handshake, message, size, NULL);
        if (r == 0)
                r = handshake_write_2(&s->handshake, answer);
        if (r != 0)
                return r;
        s->state = STATE_THIRD;
        return put_introduction(s, answer, HANDSHAKE_2_SIZE);
}

static int step_second(struct session *s, const uint8_t *message, size_t size)
{
        uint8_t payload[HANDSHAKE_MAX], hash[HASH_SIZE], answer[HANDSHAKE_MAX];
        int r;

        r = handshake_read_2(&s->handshake, message, size, payload, hash);
        if (r == 0)
                r = take_introduction(s, payload, size - HANDSHAKE_2_SIZE - TAG_SIZE, hash);
        if (r != 0)
                return r;
        if (s->wanted_id[0] && !streq(s->wanted_id, s->peer.id)) {
                end(s, SESSION_OTHER_ID);
                return 0;
        }
        r = handshake_write_3(&s->handshake, answer);
        if (r == 0)
                r = put_introduction(s, answer, HANDSHAKE_3_SIZE);
        return r == 0 ? become_proven(s) : r;
}

static int step_third(struct session *s, const uint8_t *message, size_t size)
{
        uint8_t payload[HANDSHAKE_MAX], hash[HASH_SIZE];
        int r;

        r = handshake_read_3(&s->handshake, message, size, payload, hash);
        if (r == 0)
                r = take_introduction(s, payload, size - HANDSHAKE_3_SIZE - TAG_SIZE, hash);
        return r == 0 ? become_proven(s) : r;
}

static int step(struct session *s, const uint8_t *message, size_t size)
{
        switch (s->state) {
        case STATE_FIRST:
                return step_first(s, message, size);
        case STATE_SECOND:
                return step_second(s, message, size);
        case STATE_THIRD:
                return step_third(s, message, size);
        case STATE_PROLOGUE:
        case STATE_OPEN:
        case STATE_ENDED:
                break;
        }
        abort();
}

static void take_prologue(struct session *s)
{
        size_t n = MIN(s->input.size, sizeof prologue);

        if (n > 0 && memcmp(s->input.data, prologue, n) != 0) {
                end(s, SESSION_NOT_NATIVE);
                return;
        }
        if (n == sizeof prologue) {
                s->n_used = n;
                s->state = STATE_FIRST;
        }
}

/* Works off what has come of the handshake. */
static int shake_hands(struct session *s)
{
        if (s->state == STATE_PROLOGUE)
                take_prologue(s);
        while (s->state == STATE_FIRST || s->state == STATE_SECOND || s->state == STATE_THIRD) {
                const uint8_t *packet = s->input.data + s->n_used;
                size_t size;
                bool is_whole;
                int r;

                is_whole = packet_peek(packet, s->input.size - s->n_used, &size);
                if (size > HANDSHAKE_MAX) {
                        end(s, SESSION_NOT_PROVEN);
                        return 0;
                }
                if (!is_whole)
                        return 0;
                r = step(s, packet + PACKET_HEAD_SIZE, size);
                if (r < 0)
                        return r;
                if (r > 0)
                        end(s, SESSION_NOT_PROVEN);
                if (s->state != STATE_ENDED)
                        s->n_used += PACKET_HEAD_SIZE + size;
        }
        return 0;
}

/*
 * Frames
 */

/* A frame went in either direction. */
static void count(struct session *s, bool is_sent, uint8_t type, size_t size)
{
        uint64_t n_messages, n_bytes;

        if (flow_count(is_sent ? &s->sent : &s->received, type, size))
                transport_rekey(is_sent ? &s->transport.send : &s->transport.receive);

        if (s->is_finishing)
                return;
        if (type == FRAME_RING || type == FRAME_LEDGER)
                s->idle_usec = SESSION_IDLE_RING_USEC;
        s->deadline_usec = usec_add(s->now_usec, s->idle_usec);
        n_messages = s->sent.n_messages + s->received.n_messages;
        n_bytes = s->sent.size + s->received.size;
        if (s->role != SESSION_DIALLER ||
                (n_messages < s->renew_messages && n_bytes < s->renew_size &&
                        (s->now_usec < s->renew_usec || !frame_is_message(type))))
                return;
        s->tell_renew = true;
        s->renew_messages = n_messages + SESSION_RENEW_MESSAGES;
        s->renew_size = n_bytes + SESSION_RENEW_SIZE;
        s->renew_usec = usec_add(s->now_usec, SESSION_RENEW_USEC);
}

static int put_message(struct session *s, const struct message *m)
{
        size_t size = message_size(m), sealed = size + TAG_SIZE;
        uint8_t *out;
        int r;

        assert(size <= FRAME_SIZE_MAX);
        r = buffer_reserve(&s->output, PACKET_HEAD_SIZE + sealed);
        if (r < 0)
                return r;
        out = s->output.data + s->output.size;
        out[0] = sealed >> 8;
        out[1] = sealed;
        message_encode(m, out + PACKET_HEAD_SIZE);
        if (!transport_seal(&s->transport, out + PACKET_HEAD_SIZE, size, out + PACKET_HEAD_SIZE)) {
                wipe(out, PACKET_HEAD_SIZE + size);
                end(s, SESSION_USED_UP);
                return 1;
        }
        s->output.size += PACKET_HEAD_SIZE + sealed;
        count(s, true, m->type, size);
        return 0;
}

/* Opens the next packet in place. Its frame, or NULL when there is none, or the session ended. */
static uint8_t *open_packet(struct session *s, size_t *ret_size)
{
        uint8_t *packet = s->input.data + s->n_used, *frame = packet + PACKET_HEAD_SIZE;
        size_t size;

        if (s->input.size == s->n_used || !packet_peek(packet, s->input.size - s->n_used, &size))
                return NULL;
        if (size <= TAG_SIZE) { /* a frame has a type at least */
                end(s, SESSION_MALFORMED);
                return NULL;
        }
        if (!transport_open(&s->transport, frame, size, frame)) {
                end(s, s->transport.receive.nonce == UINT64_MAX ? SESSION_USED_UP
                                                                : SESSION_ALTERED);
                return NULL;
        }
        s->n_used += PACKET_HEAD_SIZE + size;
        *ret_size = size - TAG_SIZE;
        count(s, false, frame[0], *ret_size);
        return frame;
}

/* The next message for the caller; false when there is none. */
static bool take_message(struct session *s, struct message *ret)
{
        while (s->state == STATE_OPEN) {
                size_t size;
                uint8_t *frame = open_packet(s, &size);
                int r;

                if (!frame)
                        return false;
                r = message_decode(frame, size, ret);
                if (r == MESSAGE_MALFORMED)
                        end(s, SESSION_MALFORMED);
                else if (r == 0 && ret->type == FRAME_GOODBYE) {
                        s->goodbye = ret->goodbye.reason;
                        end(s, SESSION_GOODBYE);
                } else if (r == 0)
                        return true;
        }
        return false;
}

/*
 * The engine
 */
enum session_guess session_recognise(const void *data, size_t size)
{
        size_t n = MIN(size, strlen(SESSION_MAGIC));

        if (n > 0 && memcmp(data, SESSION_MAGIC, n) != 0)
                return SESSION_IS_NOT;
        return n < strlen(SESSION_MAGIC) ? SESSION_MAY_BE : SESSION_IS;
}

int session_new(const struct session_self *self, enum session_role role, const char *wanted_id,
        usec_t now_usec, struct session **ret)
{
        _cleanup_(session_freep)
        struct session *s = calloc(1, sizeof *s);
        uint8_t message[HANDSHAKE_1_SIZE];
        int r;

        if (!s)
                return -ENOMEM;
        s->self = self;
        s->role = role;
        s->now_usec = now_usec;
        s->deadline_usec = usec_add(now_usec, SESSION_UNPROVEN_USEC);
        buffer_init(&s->input, INPUT_MAX);
        buffer_init(&s->output, SESSION_OUTPUT_MAX);
        if (wanted_id) {
                assert(role == SESSION_DIALLER && strlen(wanted_id) < sizeof s->wanted_id);
                memcpy(s->wanted_id, wanted_id, strlen(wanted_id));
        }
        r = handshake_init(
                &s->handshake, prologue, sizeof prologue, self->static_key, self->random);
        if (r < 0)
                return r;

        if (role == SESSION_DIALLER) {
                handshake_write_1(&s->handshake, message);
                handshake_write_payload(&s->handshake, NULL, 0, NULL);
                r = buffer_append(&s->output, prologue, sizeof prologue);
                if (r == 0)
                        r = put_packet(s, message, sizeof message);
                if (r < 0)
                        return r;
                s->state = STATE_SECOND;
        }
        *ret = TAKE_PTR(s);
        return 0;
}

struct session *session_free(struct session *s)
{
        if (!s)
                return NULL;
        handshake_done(&s->handshake);
        transport_done(&s->transport);
        wipe(s->input.data, s->input.size);
        buffer_done(&s->input);
        buffer_done(&s->output);
        free(s);
        return NULL;
}

int session_receive(struct session *s, const void *data, size_t size, usec_t now_usec)
{
        int r;

        assert(size <= SESSION_CHUNK_MAX);
        forget_input(s);
        forget_output(s);
        s->now_usec = now_usec;
        if (s->state == STATE_ENDED)
                return 0;
        r = buffer_append(&s->input, data, size);
        return r < 0 ? r : shake_hands(s);
}

int session_send(struct session *s, const struct message *m, usec_t now_usec)
{
        forget_output(s);
        s->now_usec = now_usec;
        return s->state == STATE_OPEN && !s->is_finishing ? put_message(s, m) : 1;
}

void session_declare(struct session *s, uint64_t features)
{
        s->features = features;
}

/* @reason: what the peer is told. */
static int close_as(struct session *s, enum session_end how, enum goodbye reason)
{
        int r = 0;

        if (s->state == STATE_OPEN && !s->is_finishing)
                r = put_message(
                        s, &(struct message){ .type = FRAME_GOODBYE, .goodbye.reason = reason });
        end(s, how);
        return r == -ENOMEM ? r : 0; /* with a full output it is cut off without a goodbye */
}

int session_finish(struct session *s, enum goodbye reason, usec_t now_usec)
{
        int r;

        if (s->state != STATE_OPEN)
                return session_close(s, reason, now_usec);
        forget_output(s);
        s->now_usec = now_usec;
        if (s->is_finishing)
                return 0;
        r = put_message(s, &(struct message){ .type = FRAME_GOODBYE, .goodbye.reason = reason });
        if (r != 0) {
                end(s, SESSION_CLOSED); /* with a full output it is cut off without a goodbye */
                return r == -ENOMEM ? r : 0;
        }
        s->is_finishing = true;
        s->tell_renew = false;
        s->deadline_usec = usec_add(now_usec, SESSION_FINISH_USEC);
        return 0;
}

int session_close(struct session *s, enum goodbye reason, usec_t now_usec)
{
        forget_output(s);
        s->now_usec = now_usec;
        return close_as(s, SESSION_CLOSED, reason);
}

int session_advance(struct session *s, usec_t now_usec)
{
        forget_output(s);
        s->now_usec = now_usec;
        if (now_usec < s->deadline_usec)
                return 0;
        if (s->is_finishing)
                return close_as(s, SESSION_CLOSED, GOODBYE_OTHER);
        return close_as(s, s->state == STATE_OPEN ? SESSION_IDLE : SESSION_TIMED_OUT, GOODBYE_IDLE);
}

usec_t session_deadline(const struct session *s)
{
        return s->deadline_usec;
}

/* A flag that is told once. */
static bool take(bool *flag)
{
        bool was = *flag;

        *flag = false;
        return was;
}

bool session_next_effect(struct session *s, struct session_effect *ret)
{
        forget_output(s);
        if (take(&s->tell_proven)) {
                *ret = (struct session_effect){ .type = SESSION_PROVEN, .peer = &s->peer };
                return true;
        }
        if (take_message(s, &ret->message)) {
                ret->type = SESSION_MESSAGE;
                return true;
        }
        forget_input(s);
        if (take(&s->tell_renew)) {
                ret->type = SESSION_RENEW;
                return true;
        }
        if (s->output.size > 0) {
                s->n_told = s->output.size;
                *ret = (struct session_effect){
                        .type = SESSION_SEND,
                        .send = { .data = s->output.data, .size = s->output.size },
                };
                return true;
        }
        if (take(&s->tell_ended)) {
                *ret = (struct session_effect){
                        .type = SESSION_ENDED,
                        .ended = { .how = s->end, .goodbye = s->goodbye },
                };
                return true;
        }
        return false;
}

enum session_role session_role(const struct session *s)
{
        return s->role;
}

const struct introduction *session_peer(const struct session *s)
{
        return s->has_peer ? &s->peer : NULL;
}

const struct flow *session_sent(const struct session *s)
{
        return &s->sent;
}

const struct flow *session_received(const struct session *s)
{
        return &s->received;
}

bool session_replaces(const struct session_claim *new, const struct session_claim *old,
        const char *own_id, const char *peer_id)
{
        if (new->run != old->run)
                return true;
        if (new->is_ours == old->is_ours)
                return true;
        return new->is_ours == (strcmp(own_id, peer_id) < 0);
}
