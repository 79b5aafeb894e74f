/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Inside the engine of the classic dialects: one talk per connection
 *
 * legacy.c keeps talks, effects and time; responder.c answers connections that came in,
 * initiator.c speaks on those that we opened; incoming.c takes texts, whoever opened.
 */
#include "base/list.h"
#include "base/table.h"
#include "core/legacy/legacy.h"
#include "core/legacy/object.h"

#define TALK_BYTES_MAX (1024 * 1024) /* of one connection */
#define TALK_OBJECTS_MAX 256
#define EXCHANGES_MAX 256

#define EXCHANGE_USEC (30 * USEC_PER_SEC)  /* a secret is kept for a second connection */
#define PATIENCE_USEC (10 * USEC_PER_SEC)  /* for something complete, or for the key reply */
#define AFTER_KEY_USEC (30 * USEC_PER_SEC) /* somebody types his message */
#define SILENCE_USEC (1 * USEC_PER_SEC)    /* after a message */
#define BARE_USEC (200 * USEC_PER_MSEC)    /* a bare word or number may go on */
#define DIGIT_USEC (1 * USEC_PER_SEC)      /* a key may follow, if it was none itself */
#define CHOICE_USEC (300 * USEC_PER_MSEC)  /* between two writes that must not be read as one */
#define HOLD_USEC (500 * USEC_PER_MSEC)    /* does he close after the key reply? */
#define CLOSING_USEC (2 * USEC_PER_SEC)    /* he will, he did so before */
#define LISTEN_USEC (60 * USEC_PER_SEC)    /* for a reply after all was said */

/* The shared secrets that the numbers seen allow, the likelier first. */
struct secrets {
        struct {
                char number[DECIMAL_SIZE];
                uint8_t group; /* enum legacy_group */
        } of[2];
        size_t n;
        bool is_exchanged; /* keys went both ways, even if n is 0 */
};

enum talk_state {
        TALK_ANSWER,   /* responder, all the time */
        TALK_PAUSE,    /* initiator: the choice is said */
        TALK_WAIT_KEY, /* ours is said */
        TALK_HOLD,     /* theirs has come */
        TALK_LISTEN,   /* all is said */
};

struct talk {
        struct table_entry by_link;
        struct list list;
        uint64_t link;
        struct endpoint remote;
        struct legacy_memory memory;
        struct legacy_memory told; /* what the caller knows of it */
        enum talk_state state;
        struct object_reader reader;
        size_t n_bytes, n_objects;
        struct secrets secrets;
        char name[NAME_SIZE_MAX + 1]; /* as heard on this connection */
        usec_t timer_usec;            /* of the state */
        usec_t bare_usec;             /* something bare is complete then */
        usec_t silence_usec;          /* a message came, and nothing since */
        bool is_noticed;              /* the user was told of something unreadable */
        bool is_deaf;                 /* what comes is not for us any more */
        bool is_over;                 /* to be freed at the end of the call */
        bool has_moved;               /* it began at another address of ours */

        /* initiator: the order, copied */
        enum legacy_security security;
        enum dialect dialect;
        char *text;
        size_t size;
        char username[NAME_SIZE_MAX + 1];
        char number[DECIMAL_SIZE]; /* the user's own, or "" */
        char public[DECIMAL_SIZE]; /* our public value */
};

struct legacy {
        struct random *random;
        struct table by_link;
        struct list talks;
        struct list effects; /* struct queued_effect */
        struct queued_effect *current;
        struct table exchanges_by_address;
        struct list exchanges; /* oldest first */
};

/* All return 0 or -ENOMEM. */

int talk_send(struct legacy *l, struct talk *t, struct buffer *b); /* consumes @b */
int talk_close(struct legacy *l, struct talk *t);
int talk_finish(struct legacy *l, struct talk *t);
int talk_result(struct legacy *l, struct talk *t, enum legacy_outcome outcome);
int talk_notice(struct legacy *l, struct talk *t, const char *sentence);
/* Tells the caller what was learned since it last heard. */
int talk_learned(struct legacy *l, struct talk *t);
int talk_message(struct legacy *l, struct talk *t, enum legacy_security security, const char *text,
        size_t size);

/* Secrets for a second connection. Ours and theirs differ: @port is 0 for connections that came in,
 * whose ports say nothing. */
int exchange_put(struct legacy *l, const struct endpoint *remote, uint16_t port,
        const struct secrets *secrets, usec_t now_usec);
bool exchange_find(const struct legacy *l, const struct endpoint *remote, uint16_t port,
        usec_t now_usec, struct secrets *ret);
void exchange_drop(struct legacy *l, const struct endpoint *remote, uint16_t port);
void exchanges_drop_ours(struct legacy *l);
void exchanges_expire(struct legacy *l, usec_t now_usec);
usec_t exchanges_deadline(const struct legacy *l);
void exchanges_done(struct legacy *l);

/* OBJECT_PLAIN and OBJECT_ENCRYPTED, in any state. */
int incoming_text(struct legacy *l, struct talk *t, struct object *o, usec_t now_usec);

int responder_object(struct legacy *l, struct talk *t, struct object *o, usec_t now_usec);

int initiator_begin(struct legacy *l, struct talk *t, usec_t now_usec);
int initiator_object(struct legacy *l, struct talk *t, struct object *o, usec_t now_usec);
int initiator_rubbish(struct legacy *l, struct talk *t);
int initiator_end(struct legacy *l, struct talk *t, usec_t now_usec);
int initiator_timer(struct legacy *l, struct talk *t, usec_t now_usec);
