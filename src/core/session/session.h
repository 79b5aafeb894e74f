/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * One talk with one native peer, as an engine without input or output
 *
 *     dialler                                       responder
 *        |  "P2PC" version, e                          |
 *        | ------------------------------------------> |
 *        |           e, ee, s, es, {introduction}      |
 *        | <------------------------------------------ |  proven for the dialler, who goes away
 *        |  s, se, {introduction}                      |  here if it wanted somebody else
 *        | ------------------------------------------> |  proven for the responder
 *        |                                             |
 *        | <--------- {frame} {frame} ... -----------> |
 *
 * It hears the bytes of one connection and says what is to be written there. In each direction the
 * key changes after every 8th message (frame.h), at both sides and without a word. After each call
 * the caller drains session_next_effect().
 *
 * What the session is for - streams, acknowledgements - is the caller's: here messages only pass.
 */
#include "core/session/introduction.h"
#include "core/session/message.h"

struct random;
struct session;

#define SESSION_MAGIC "P2PC"
#define SESSION_VERSION 1
#define SESSION_UNPROVEN_USEC (10 * USEC_PER_SEC) /* within which the handshake must be over */
#define SESSION_IDLE_USEC (2 * USEC_PER_MINUTE)   /* without a frame */
/* The same once a frame of the ring or the ledger was in it: the next one may be a round away, or
 * come when somebody registers. */
#define SESSION_IDLE_RING_USEC (15 * USEC_PER_MINUTE)
#define SESSION_FINISH_USEC (10 * USEC_PER_SEC) /* for the other side to finish, too */

/* After so much the dialler is told to make a new one. Time counts when there are messages. */
#define SESSION_RENEW_MESSAGES 1000
#define SESSION_RENEW_SIZE (UINT64_C(1) << 30)
#define SESSION_RENEW_USEC (5 * USEC_PER_MINUTE)

#define SESSION_CHUNK_MAX (1024 * 1024)      /* bytes of one session_receive() */
#define SESSION_OUTPUT_MAX (8 * 1024 * 1024) /* bytes not yet drained */

/* Does a connection that begins with these bytes speak this protocol, whatever its version? */
enum session_guess {
        SESSION_IS_NOT,
        SESSION_MAY_BE, /* too few bytes to tell */
        SESSION_IS,
};
enum session_guess session_recognise(const void *data, size_t size);

/* What all sessions of a node have in common; borrowed, and may change between calls but for the
 * keys and the run. */
struct session_self {
        const struct identity *identity;
        const struct x25519_key *static_key; /* of Noise; made anew at each start */
        struct random *random;
        const char *username;
        uint16_t port;
        uint64_t features;
        uint64_t run; /* random, made anew at each start */
};

enum session_end {
        SESSION_CLOSED,     /* by session_close() */
        SESSION_GOODBYE,    /* the peer closed; goodbye tells why */
        SESSION_IDLE,       /* nothing was said for SESSION_IDLE_USEC */
        SESSION_TIMED_OUT,  /* unproven for SESSION_UNPROVEN_USEC */
        SESSION_NOT_NATIVE, /* what came is not this protocol, or not this version */
        SESSION_NOT_PROVEN, /* the handshake or what it should prove is wrong */
        SESSION_OTHER_ID,   /* dialled: there is somebody else */
        SESSION_ALTERED,    /* a packet is not the next genuine one */
        SESSION_MALFORMED,  /* the peer breaks the rules of this protocol */
        SESSION_USED_UP,    /* no nonces are left */
};

enum session_effect_type {
        SESSION_SEND,    /* to be written on the connection */
        SESSION_PROVEN,  /* the handshake is over; once, before any message */
        SESSION_MESSAGE, /* the peer says something (no goodbye: that comes as ended) */
        SESSION_RENEW,   /* dialler: complete a new session beside this one; comes again after as
                            much use once more */
        SESSION_ENDED,   /* last of all: close the connection when all was written */
};

/* Pointers belong to the session and stay valid until the next call of any function that takes it
 * without const. */
struct session_effect {
        enum session_effect_type type;
        union {
                struct {
                        const uint8_t *data;
                        size_t size;
                } send;
                const struct introduction *peer; /* PROVEN */
                struct message message;
                struct {
                        enum session_end how;
                        enum goodbye goodbye; /* SESSION_GOODBYE */
                } ended;
        };
};

/*
 * A connection stands. @wanted_id, for a dialler: who must be there, or NULL for whoever is;
 * copied. 0 or -ENOMEM.
 */
int session_new(const struct session_self *self, enum session_role role, const char *wanted_id,
        usec_t now_usec, struct session **ret);
struct session *session_free(struct session *s);
DEFINE_CLEANUP(struct session *, session_free)

/* From the first byte of the connection on, "P2PC" included; at most SESSION_CHUNK_MAX at a time.
 * 0, -ENOMEM, or -E2BIG when what came before has not been drained. */
int session_receive(struct session *s, const void *data, size_t size, usec_t now_usec);
/* Seals @m (its text at most MESSAGE_TEXT_MAX bytes). 0; 1 when the session is not proven or has
 * ended; -ENOMEM, or -E2BIG when SESSION_OUTPUT_MAX bytes have not been drained. */
int session_send(struct session *s, const struct message *m, usec_t now_usec);
/* Further bits of features for this session alone; before anything is received. */
void session_declare(struct session *s, uint64_t features);
/* Says goodbye in a proven session and sends nothing more, but goes on receiving what the other
 * side has said already: it ends with that side's goodbye, or after SESSION_FINISH_USEC. 0 or
 * -ENOMEM. */
int session_finish(struct session *s, enum goodbye reason, usec_t now_usec);
/* Says goodbye, if there is somebody to say it to, and ends. What was received and not drained is
 * lost. 0 or -ENOMEM. */
int session_close(struct session *s, enum goodbye reason, usec_t now_usec);
int session_advance(struct session *s, usec_t now_usec);
usec_t session_deadline(const struct session *s);
bool session_next_effect(struct session *s, struct session_effect *ret);

enum session_role session_role(const struct session *s);
/* NULL until proven. A dialler that found another id tells whom. */
const struct introduction *session_peer(const struct session *s);
const struct flow *session_sent(const struct session *s);
const struct flow *session_received(const struct session *s);

/*
 * Two completed sessions with one peer: does the newer one (@new, completed later) replace the
 * older one? Otherwise it is the one to be closed. Both sides come to the same answer: another run
 * replaces all of an older run; of one dialler the newer stays; of two diallers that crossed, the
 * session that the smaller id dialled.
 */
struct session_claim {
        uint64_t run; /* the peer's */
        bool is_ours; /* dialled by us */
};
bool session_replaces(const struct session_claim *new, const struct session_claim *old,
        const char *own_id, const char *peer_id);
