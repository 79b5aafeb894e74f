/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Delivery between two native peers: each message once, in order, whatever breaks
 *
 *     sender (stream_out)                                         receiver (stream_in)
 *       |  hello(stream, oldest number not settled)                        |
 *       | ---------------------------------------------------------------> |
 *       |            what it refused since oldest, then resume(stream, mark)
 *       | <--------------------------------------------------------------- |
 *     all up to mark are delivered                                         |
 *     numbers for the next messages, commit                                |
 *       |  message(mark + 1), message(mark + 2), ...                       |
 *       | ---------------------------------------------------------------> |  check, commit
 *       |                                        refused(n), acknowledge(n)|
 *       | <--------------------------------------------------------------- |
 *     commit: delivered, failed                                            |
 *
 * Both halves are engines without input or output, one of each per peer. The caller brings frames
 * and answers; then it drains the changes, commits them in one transaction, and only then drains
 * the effects. That order is all of the durability: what a frame promises is on disk before it.
 *
 * A stream is random; numbers in it count from 1. The receiver has one mark per stream: all numbers
 * up to it are settled there. A number up to the mark is acknowledged and dropped, the next one is
 * taken, any other breaks the rules. Of a stream that it does not know, or of which it knows less
 * than the sender has settled, it starts at the sender's oldest: so it does after losing its store.
 *
 * When a message gets its number. Not when it is written, but when it is about to be sent: after a
 * resume and inside the window, in the transaction before its first sending (with an open session
 * that is the one that stores it). There are two reasons. What never had a number can be cancelled
 * and leaves no gap. And a sender put back to an old state that is given new messages before it
 * meets the receiver would otherwise number them as it once numbered others, which the receiver
 * has: if it wrote enough of them, the mark would not even look too high, and they would be lost.
 *
 * When a new stream begins. The sender hears of a number that it never gave (it was restored), or
 * has no message for a number that the receiver awaits (a message with a number was cancelled, or
 * a refused one is awaited again by a receiver that was restored). Then it chooses a new stream in
 * the same session, says hello once more, and what is not settled gets new numbers. After a
 * restoration nothing of the old numbers is believed: all goes again, and what the receiver has
 * already it knows by its ULID. So REFUSED_KNOWN_ID, from a receiver that keeps ULIDs apart by
 * sender, says that this very message is there: it is delivered.
 *
 * And once in the life of a process: numbers of one stream are given by one process only. Otherwise
 * a sender that was put back, and then met a receiver that had lost its store and so could not
 * tell, would go on in the old stream; and a receiver put back to a state in which it knows that
 * stream further would take the new numbers for the old ones. What has a number is settled in the
 * old stream first.
 *
 * Only the receiver's word makes a number settled: the oldest that the sender tells may be one that
 * was cancelled. If hello let the mark rise over it, and the sender were then put back to before
 * the cancelling, it would take the mark for the message's arrival. Too low an oldest does no harm,
 * so it is remembered along with the next number and needs no change of its own.
 *
 * A refused number is settled too, and what comes after it is acknowledged; but an acknowledgement
 * of all before must not make it a delivered one when the word of refusal was lost. So the receiver
 * remembers refusals and repeats them before resume. The window bounds that: a number is given only
 * while it is less than STREAM_WINDOW above the oldest, so a sender that gave n, even one put back
 * to that state, asks for nothing up to n - STREAM_WINDOW. (What is left: a message that was
 * refused counts as delivered if afterwards the receiver loses its store and then the sender is put
 * back to before the refusal.)
 *
 * Texts stay in the store: the sender asks for them by STREAM_LOAD, and takes the answers in the
 * order of asking; what is no longer wanted it ignores.
 */
#include "base/encode.h"
#include "base/list.h"
#include "core/session/message.h"

struct random;
struct queued_message;

#define STREAM_WINDOW 256                /* numbers from the oldest not settled */
#define STREAM_WINDOW_SIZE (1024 * 1024) /* bytes of text in them; at least one message goes */
#define STREAM_NUMBER_MAX ((uint64_t)INT64_MAX)
#define STREAM_MARKS_MAX 8  /* streams of one sender that a receiver remembers, the last ones */
#define STREAM_HELLOS_MAX 2 /* in one session */

/*
 * What must be remembered: plain facts, the same when applied twice.
 */
enum stream_change_type {
        /* stream_out */
        STREAM_CHANGE_STREAM,    /* new stream; no message has a number, none was given */
        STREAM_CHANGE_NUMBER,    /* id has number, the highest that was given in stream; all below
                                    oldest are settled */
        STREAM_CHANGE_DELIVERED, /* id is on the peer's disk; it left the queue */
        STREAM_CHANGE_FAILED,    /* id will never be taken, for this reason; it left the queue */

        /* stream_in */
        STREAM_CHANGE_MARK,      /* all of stream up to number are settled; refusals of it up to
                                    number - STREAM_WINDOW are forgotten */
        STREAM_CHANGE_MARK_GONE, /* stream and its refusals are forgotten */
        STREAM_CHANGE_REFUSAL,   /* number of stream was refused, for this reason */
};

struct stream_change {
        enum stream_change_type type;
        struct ulid id;
        uint64_t stream;
        uint64_t number;
        uint64_t oldest;
        enum refused reason;
};

/* Outcomes. */
enum {
        STREAM_BROKEN = 1, /* the peer breaks the rules: close the session */
        STREAM_NEXT,       /* a message to be taken or refused */
        STREAM_UNKNOWN,    /* no such message */
        STREAM_MAY_ARRIVE, /* cancelled, but it was on its way and may be there */
};

/*
 * Sender
 */
enum stream_out_state {
        STREAM_OUT_CLOSED, /* no session, or one that is to be closed */
        STREAM_OUT_HELLO,  /* hello is to be sent */
        STREAM_OUT_WAITS,  /* for resume */
        STREAM_OUT_OPEN,
};

struct stream_out {
        struct random *random;       /* borrowed */
        uint64_t stream;             /* 0: none yet */
        uint64_t given;              /* highest number */
        uint64_t oldest;             /* the peer's word settled all below it */
        struct list waiting;         /* without a number, in the order of writing */
        struct list numbered;        /* all older than those, in the order of numbers */
        struct list settled;         /* to be told as changes */
        size_t n;                    /* in waiting and numbered */
        size_t numbered_size;        /* bytes of text */
        bool tell_stream;            /* what the changes have to say yet */
        uint64_t given_told;         /* likewise: numbers above it */
        struct queued_message *told; /* the last settled one, freed by the next call */
        enum stream_out_state state;
        bool is_fresh;    /* the stream was chosen in this session */
        bool is_restored; /* the stream is that of an earlier process: no number is given in it */
        bool tell_reopen;
        uint64_t asked, sent; /* highest number in this session */
};

enum stream_out_effect_type {
        STREAM_SEND,   /* frame, in the session */
        STREAM_LOAD,   /* fetch time and text of id; stream_out_loaded() takes them */
        STREAM_REOPEN, /* close the session, and make another one when something is queued */
};

struct stream_out_effect {
        enum stream_out_effect_type type;
        struct message frame;
        struct ulid id;
};

void stream_out_init(struct stream_out *o, struct random *random);
void stream_out_done(struct stream_out *o);
/* What was remembered, before anything else; then the queue with stream_out_add(). */
void stream_out_restore(struct stream_out *o, uint64_t stream, uint64_t given, uint64_t oldest);

/* Puts a message at the end of the queue. @number: 0, but at loading the one that it has. 0 or
 * -ENOMEM. */
int stream_out_add(struct stream_out *o, const struct ulid *id, size_t size, uint64_t number);
/*
 * Takes a message out of the queue; no change tells of it. 0: it was never sent.
 * STREAM_MAY_ARRIVE: it had a number. STREAM_UNKNOWN: it is not, or no longer, in the queue. The
 * same for a message whose text cannot be loaded.
 */
int stream_out_cancel(struct stream_out *o, const struct ulid *id);

/* A session with the peer was proven, and replaces the one before. */
void stream_out_open(struct stream_out *o);
void stream_out_close(struct stream_out *o);
/* A frame of that session; types that are not for a sender are ignored. 0 or STREAM_BROKEN. */
int stream_out_receive(struct stream_out *o, const struct message *m);
/* The answer to STREAM_LOAD. True: *ret, which borrows @text, is to be sent in the session. */
bool stream_out_loaded(struct stream_out *o, const struct ulid *id, usec_t time_usec,
        const char *text, size_t size, struct message *ret);

bool stream_out_next_change(struct stream_out *o, struct stream_change *ret);
/* After the changes were committed. */
bool stream_out_next_effect(struct stream_out *o, struct stream_out_effect *ret);

/*
 * Receiver
 */
struct stream_mark {
        uint64_t stream;
        uint64_t number; /* highest that is settled */
        struct list refusals;
        bool tell;
};

struct stream_in {
        struct stream_mark marks[STREAM_MARKS_MAX]; /* the last one: of this session */
        size_t n_marks;
        uint64_t gone[STREAM_MARKS_MAX]; /* streams, to be told as changes */
        size_t n_gone;
        unsigned n_hellos; /* in this session */
        bool is_next;      /* a message is to be taken or refused */
        bool is_dirty;     /* changed, and not committed */
        bool resume_due;
        uint64_t acknowledge_due; /* 0: nothing */
};

void stream_in_init(struct stream_in *in);
void stream_in_done(struct stream_in *in);
/* What was remembered, before anything else: marks (at most STREAM_MARKS_MAX) in the order in which
 * their streams were first told, then refusals in the order of numbers. 0 or -ENOMEM. */
void stream_in_restore_mark(struct stream_in *in, uint64_t stream, uint64_t number);
int stream_in_restore_refusal(
        struct stream_in *in, uint64_t stream, uint64_t number, enum refused reason);

/* A session with the peer was proven, and replaces the one before. */
void stream_in_open(struct stream_in *in);
/* A frame of that session; types that are not for a receiver are ignored. 0, STREAM_BROKEN, or
 * STREAM_NEXT: then comes stream_in_take() or stream_in_refuse(). */
int stream_in_receive(struct stream_in *in, const struct message *m);
/* The text will be stored in this turn's transaction. */
void stream_in_take(struct stream_in *in);
/* It never will. 0, or -ENOMEM: then nothing changed. */
int stream_in_refuse(struct stream_in *in, enum refused reason);
/* The store has an older message of this sender with the ULID of @number, taken in this turn, and
 * left it at that. Before stream_in_committed(). 0, or -ENOMEM: then it will be acknowledged, which
 * means the same. */
int stream_in_known(struct stream_in *in, uint64_t number);
/* All changes were drained and are on disk. Without this no frame comes out. */
void stream_in_committed(struct stream_in *in);

bool stream_in_next_change(struct stream_in *in, struct stream_change *ret);
/* The next frame to be sent in the session. */
bool stream_in_next_frame(struct stream_in *in, struct message *ret);
