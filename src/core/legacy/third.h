/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * One connection of the third dialect, as an engine without input or output
 *
 *     who dialled                          who was called
 *        |  id:port                            |
 *        | ----------------------------------> |      neither with a terminator: one read, one id
 *        |                                 id  |
 *        | <---------------------------------- |      older programs: bare ids both ways
 *        |                                     |
 *        |  {"message": "..."} 0x04            |      then packets both ways (packet.h), on a
 *        | <---------------------------------> |      connection that stays
 *
 * Nothing says where an id ends but the silence after it: so it is waited for a moment before an id
 * is believed to be whole, and before the first packet the other side is given the time to read
 * ours. Nobody proves anything here, nothing is encrypted, and nothing is acknowledged.
 *
 * After each call the caller drains third_next_event().
 */
#include "base/usec.h"
#include "core/legacy/packet.h"

#define THIRD_ID_SIZE_MAX 255

struct third;

enum third_event_type {
        THIRD_SEND,    /* data, size: to be written */
        THIRD_GREETED, /* id, port (0: not told) of the other side; our own id, if it is still to be
                          said, goes with the next event, so that who is not wanted never hears it
                        */
        THIRD_READY,   /* third_say() may be called from now on */
        THIRD_NAMED,   /* name: what the other side calls itself; once, cleaned */
        THIRD_MESSAGE, /* data, size: valid, printable UTF-8, not empty */
        THIRD_NOTICE,  /* why, the end of a sentence: something cannot be read; once */
        THIRD_CLOSE,   /* this is no such program, or it said nothing: close it. The last event */
};

/* Pointers stay valid until the next call of any third_ function for this connection. */
struct third_event {
        enum third_event_type type;
        const uint8_t *data;
        size_t size;
        const char *id;
        uint16_t port;
        const char *name;
        const char *why;
};

/* We dialled, or were called, just now; @id and @port are ours. 0 or -ENOMEM. */
int third_new(bool is_dialled, const char *id, uint16_t port, usec_t now_usec, struct third **ret);
struct third *third_free(struct third *t);
DEFINE_CLEANUP(struct third *, third_free)

/* Bytes that came. 0 or -ENOMEM; what the peer does wrong ends the talk, see the events. */
int third_receive(struct third *t, const void *data, size_t size, usec_t now_usec);
/* A message, after THIRD_READY: valid, printable UTF-8, not empty. */
int third_say(struct third *t, const char *text, size_t size);
/* Can something be said? */
bool third_is_ready(const struct third *t);
void third_advance(struct third *t, usec_t now_usec);
/* When third_advance() is due; USEC_INFINITY: never. */
usec_t third_deadline(const struct third *t);
/* True and *ret; false when there is nothing; or -ENOMEM. */
int third_next_event(struct third *t, struct third_event *ret);

/* What is remembered of an id, to know it again among others of its address: never 0. */
uint32_t third_tag(const char *id);
/* The name of somebody who tells none: at most @size bytes of the beginning of his id, cleaned. 0
 * or -EINVAL. */
int third_name(const char *id, size_t size, char ret[static NAME_SIZE_MAX + 1]);
