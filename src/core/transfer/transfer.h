/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Files between two peers: offered, accepted, and carried over whatever breaks
 *
 *     a, who has the file                      b
 *     | OFFER  id, size, hash, name            |    again in each session, while it is open
 *     | -------------------------------------> |    the user of b accepts
 *     |                  WANT  have 0, end 4   |    counted in chunks here, in bytes on the wire
 *     | <------------------------------------- |
 *     | CHUNK 0, 1, 2, 3                       |
 *     | -------------------------------------> |    WRITE; the disk of b has the first
 *     |                  WANT  have 4, end 5   |
 *     | <------------------------------------- |
 *     |  ...                                   |    all there: VERIFY
 *     |                             END  done  |    again in each session, until it is confirmed
 *     | <------------------------------------- |
 *     | ENDED                                  |    both forget
 *     | -------------------------------------> |
 *
 * Either side may say END, with its reason, at any time. An engine like the others of the core: one
 * of it has all transfers of a node. Peers are named by the key that a session has proven, and what
 * comes from one comes in the order in which it was said, from its present session only.
 *
 * What is sent twice. The receiver lets nothing be sent that is more than TRANSFER_WINDOW, the
 * largest chunk, beyond what its disk has for certain; in a new session it asks from where it
 * stands: behind what it was given if it lived on, behind what its disk has if it did not. So an
 * interruption, of whatever kind, has at most one largest chunk of a transfer sent again. What we
 * send are quarters of it, so that there is something on the way while the disk is busy, and a
 * message waits for less.
 *
 * Who may send when. The engine gives a chunk away only when transfer_next_chunk() asks for one. A
 * caller that asks only while little waits in the session lets its messages overtake.
 *
 * What survives. TRANSFER_STORE brings a record, and transfer_restore() takes it back. Effects come
 * in an order that must be kept: what stands behind a STORE or FORGET relies on its being
 * committed. A caller whose spool itself knows how much of it the disk has may leave out records in
 * which only done differs, if it puts its own figure into record.done at the start.
 *
 * Memory: a record of at most TRANSFER_MEMORY bytes for each transfer, and the effects that were
 * not drained: at most TRANSFER_PEER_WINDOW bytes of chunks that came from one peer and are not
 * written, and TRANSFER_LOADS_MAX chunks that go to one.
 */
#include "base/usec.h"
#include "core/crypto/crypto.h"
#include "core/crypto/identity.h"

struct transfers;
struct random;

#define TRANSFER_ID_SIZE 16
#define TRANSFER_NAME_MAX 255
#define TRANSFER_FILE_SIZE_MAX (UINT64_C(1) << 32)
#define TRANSFER_CHUNK_MAX (60 * 1024)     /* that is understood */
#define TRANSFER_CHUNK_SIZE (15 * 1024)    /* that is sent, and the grid on which chunks end */
#define TRANSFER_WINDOW TRANSFER_CHUNK_MAX /* of one transfer, beyond what is on the disk */
#define TRANSFER_PEER_WINDOW (120 * 1024)  /* of all that one peer sends */
#define TRANSFER_LOADS_MAX 8               /* for one peer, that are not answered */
#define TRANSFER_MESSAGE_SIZE_MAX (25 + TRANSFER_CHUNK_MAX)
#define TRANSFER_OPEN_MAX 100            /* with one peer, in each direction */
#define TRANSFER_OVER_MAX 100            /* likewise, that the peer has not confirmed */
#define TRANSFER_UNDECIDED_MAX 4096      /* offers of all peers, that nobody decided on */
#define TRANSFER_OFFERS_BURST 120        /* new ones of one peer, in a minute */
#define TRANSFER_SETBACKS_MAX 8          /* a receiver may have lost what it had */
#define TRANSFER_USEC (7 * USEC_PER_DAY) /* without progress */
#define TRANSFER_MEMORY 640              /* with what malloc() adds */

#define TRANSFER_NOBODY UINT64_MAX

struct transfer_id {
        uint8_t bytes[TRANSFER_ID_SIZE];
};

struct transfer_peer {
        uint8_t bytes[PUBLIC_KEY_SIZE];
};

enum transfer_state {
        TRANSFER_OFFERED = 1, /* the receiver's user has not decided, or it was not told to us */
        TRANSFER_ACCEPTED,    /* under way */
        TRANSFER_VERIFYING,   /* we receive: all is there and is being hashed */
        TRANSFER_WHOLE,       /* we received: it is right, and waits in the spool to be taken */
        TRANSFER_OVER,        /* remembered until the peer has confirmed it */
};

/* How a transfer ended. The numbers stand in messages and in stores. */
enum transfer_reason {
        TRANSFER_DONE = 0,
        TRANSFER_REJECTED = 1,
        TRANSFER_CANCELLED = 2,
        TRANSFER_EXPIRED = 3,     /* nothing happened for seven days */
        TRANSFER_WRONG_HASH = 4,  /* what came is not what was offered */
        TRANSFER_GONE = 5,        /* the other side does not know it any more */
        TRANSFER_SHRANK = 6,      /* the sender's spool has less than was offered */
        TRANSFER_NO_SPACE = 7,    /* the receiver's disk is full */
        TRANSFER_QUOTA = 8,       /* the receiver's spool is */
        TRANSFER_TOO_MANY = 9,    /* the sender has too many open offers */
        TRANSFER_MALFORMED = 10,  /* an offer with an impossible name or size, or another's id */
        TRANSFER_BROKEN = 11,     /* the other side broke the rules */
        TRANSFER_UNREADABLE = 12, /* a spool could not be read or written */
};
#define TRANSFER_REASONS 13

/* What must be remembered of a transfer, in plain facts; the same when stored twice. */
struct transfer_record {
        struct transfer_id id;
        struct transfer_peer peer;
        bool is_outgoing;
        enum transfer_state state;
        enum transfer_reason reason; /* WHOLE, OVER */
        bool is_told;                /* WHOLE, OVER: the peer has confirmed the end */
        uint64_t user; /* who offered or accepted it here, as the caller counts them; nobody yet:
                          TRANSFER_NOBODY */
        uint64_t size;
        uint64_t done; /* bytes from the beginning; in: on the disk, out: what the peer told */
        uint8_t hash[HASH_SIZE];
        usec_t until_usec; /* real time */
        const char *name;  /* an effect's or a question's: the engine's, until its next call */
};

/* What an answer is about. Taken from the effect; an answer that comes too late is ignored. */
struct transfer_ref {
        struct transfer_id id;
        uint64_t serial;
};

enum transfer_effect_type {
        TRANSFER_STORE,    /* record */
        TRANSFER_FORGET,   /* the record of record.id */
        TRANSFER_SEND,     /* data to peer */
        TRANSFER_WRITE,    /* data at offset of the spool: transfer_written() */
        TRANSFER_VERIFY,   /* hash the spool, record.size bytes: transfer_verified() */
        TRANSFER_DISCARD,  /* the spool of it is not needed any more */
        TRANSFER_READY,    /* there are chunks for peer: transfer_next_chunk() */
        TRANSFER_NEWS,     /* an offer came: record */
        TRANSFER_PROGRESS, /* record.done and record.state are others; may be coalesced */
        TRANSFER_FINISHED, /* record.reason, is_by_peer. With TRANSFER_DONE what we received is
                              WHOLE: to be handed over, then transfer_taken() */
};

struct transfer_effect {
        enum transfer_effect_type type;
        struct transfer_ref ref; /* of a transfer: all but SEND and READY */
        struct transfer_peer peer;
        struct transfer_record record; /* likewise */
        uint64_t offset;
        const uint8_t *data; /* the engine's, until its next call */
        size_t size;
        bool is_by_peer;
};

/* A chunk that is to be read from the spool, for transfer_loaded(). */
struct transfer_load {
        struct transfer_ref ref;
        uint64_t offset;
        size_t size;
};

/* Outcomes. */
enum {
        TRANSFER_UNKNOWN = 1, /* there is no such transfer, or it is over */
        TRANSFER_UNFIT,       /* not in this direction, or not in this state */
        TRANSFER_IS_WHOLE,    /* nothing to be accepted: it can be taken */
        TRANSFER_BAD_NAME,    /* nothing of it can be the name of a file */
        TRANSFER_TOO_LARGE,
        TRANSFER_TOO_MANY_OPEN,
        TRANSFER_KNOWN,   /* there is one of this id */
        TRANSFER_INVALID, /* no record of ours: it is not taken */
};

struct transfer_offer {
        struct transfer_id id; /* of transfer_make_id() */
        struct transfer_peer peer;
        uint64_t user;
        const char *name; /* a path or what else a user wrote */
        uint64_t size;
        uint8_t hash[HASH_SIZE];
};

/*
 * Functions that can fail return 0, or -ENOMEM; then nothing is to be hoped of this engine.
 * Positive outcomes are named.
 */
int transfer_new(struct random *random /* borrowed */, struct transfers **ret);
struct transfers *transfer_free(struct transfers *t);
DEFINE_CLEANUP(struct transfers *, transfer_free)

/* Stored records, before anything else. 0, TRANSFER_INVALID or -ENOMEM. */
int transfer_restore(
        struct transfers *t, const struct transfer_record *record, const struct now *now);

/* A session with the peer was proven, and replaces the one before: what was to be said in that is
 * dropped, and all that matters is said anew. */
int transfer_connected(
        struct transfers *t, const struct transfer_peer *peer, const struct now *now);
int transfer_gone(struct transfers *t, const struct transfer_peer *peer, const struct now *now);
/* A message of that session. Whatever is wrong with it ends its transfer or is skipped. */
int transfer_receive(struct transfers *t, const struct transfer_peer *from, const void *data,
        size_t size, const struct now *now);
int transfer_advance(struct transfers *t, const struct now *now);
usec_t transfer_deadline(const struct transfers *t);
bool transfer_next_effect(struct transfers *t, struct transfer_effect *ret);

/* The next chunk for that peer, of its transfers in turn. False: nothing may be sent now; a
 * TRANSFER_READY tells when there is something again. */
bool transfer_next_chunk(
        struct transfers *t, const struct transfer_peer *peer, struct transfer_load *ret);
/* The bytes of it. If they are fewer, the file has shrunk, and the transfer fails. */
int transfer_loaded(struct transfers *t, const struct transfer_ref *ref, const void *data,
        size_t size, const struct now *now);
/* The disk has all that WRITE brought up to byte @done, for certain. */
int transfer_written(
        struct transfers *t, const struct transfer_ref *ref, uint64_t done, const struct now *now);
/* The hash of the whole spool. */
int transfer_verified(struct transfers *t, const struct transfer_ref *ref,
        const uint8_t hash[static HASH_SIZE], const struct now *now);
/* What a LOAD, WRITE or VERIFY asked for cannot be: SHRANK, NO_SPACE, QUOTA or UNREADABLE. */
int transfer_failed(struct transfers *t, const struct transfer_ref *ref,
        enum transfer_reason reason, const struct now *now);

/* What users do. 0 or an outcome; the rest follows by effects. */
void transfer_make_id(struct transfers *t, struct transfer_id *ret);
int transfer_offer(struct transfers *t, const struct transfer_offer *offer, const struct now *now);
/* Accepting once more, as is needed for a new descriptor after a restart, changes nothing. */
int transfer_accept(
        struct transfers *t, const struct transfer_id *id, uint64_t user, const struct now *now);
int transfer_reject(struct transfers *t, const struct transfer_id *id, const struct now *now);
/* Of either side. */
int transfer_cancel(struct transfers *t, const struct transfer_id *id, const struct now *now);
/* Nothing more is wanted of that peer: its offers that nobody decided on are forgotten, and all
 * else that is open is cancelled; what is WHOLE only with @even_whole. */
int transfer_break_off(struct transfers *t, const struct transfer_peer *peer, bool even_whole,
        const struct now *now);
/* A WHOLE one was handed over. */
int transfer_taken(struct transfers *t, const struct transfer_id *id, const struct now *now);

/* Those that are not over, in the order in which they began, after the first @skip; how many. */
size_t transfer_list(
        const struct transfers *t, size_t skip, struct transfer_record *ret, size_t n_max);
/* False: it is not known, or over. */
bool transfer_find(
        const struct transfers *t, const struct transfer_id *id, struct transfer_record *ret);

/* Is anything remembered of transfers with that peer? */
bool transfer_knows(const struct transfers *t, const struct transfer_peer *peer);
/* May one more be offered to it? */
bool transfer_may_offer(const struct transfers *t, const struct transfer_peer *peer);
/* Chunks for it that transfer_next_chunk() gave and nobody has answered. */
size_t transfer_loading(const struct transfers *t, const struct transfer_peer *peer);

/* What a session with that peer is needed for. */
enum transfer_need {
        TRANSFER_NEEDS_NOTHING,
        TRANSFER_NEEDS_ANSWER,  /* all was said at least once: it has to decide, or to confirm */
        TRANSFER_NEEDS_SESSION, /* there is something to be said, or to go on */
};
enum transfer_need transfer_need(const struct transfers *t, const struct transfer_peer *peer);

/*
 * The name of a file as somebody gave it, made safe: what stands behind the last '/', without
 * control and bidirectional characters and noncharacters, cut to TRANSFER_NAME_MAX between code
 * points. 0, or -EINVAL for invalid UTF-8, ".", "..", and when only blanks are left. What comes
 * from peers must be clean already.
 */
int transfer_name_clean(const char *s, size_t n, char ret[static TRANSFER_NAME_MAX + 1]);
bool transfer_name_is_clean(const char *s, size_t n);
