/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Connections as the kernel sees them
 *
 *     links_dial() --> CONNECTING --writable--> OPEN <-- links_accept()
 *                                                |
 *             CLOSE_FLUSH: FLUSHING -- all written --> gone, silently
 *             CLOSE_FINISH: FINISHING -- all written, writing shut down, the other side --> gone
 *             CLOSE_NOW: gone, silently
 *
 * The node knows a link by its number: odd ones are its own, even ones are given here. Effects
 * never feed the node: a link that breaks while one is carried out tells so in the next turn.
 */
#include <systemd/sd-event.h>

#include "base/list.h"
#include "base/table.h"
#include "core/node/effect.h"

#define LINKS_READ_SIZE (16 * 1024) /* at most, of one link per wake-up */
/* That wait to be written to one: more than the window of a session (core/delivery/stream.h) and
 * what goes beside it, so that only who does not read at all comes to it. */
#define LINKS_QUEUE_SIZE_MAX (2 * 1024 * 1024)
/* That are unsent in the kernel when there is room: what is said next waits for no more. */
#define LINKS_UNSENT_MAX (16 * 1024)
/* Free bytes of the disk without which nothing is read from those who called. The inputs of a turn
 * may be a quarter of it, and the store holds them twice until it has tidied up. */
#define LINKS_SPACE_MIN (16 * 1024 * 1024)

struct manager;

struct links {
        struct manager *manager;
        struct table by_number;
        struct list all, broken; /* of struct link, by "list" */
        sd_event_source *broken_source;
        uint64_t accepted_last; /* even */
        bool is_short;          /* of space on the disk, when last looked */
};

void links_init(struct links *l, struct manager *m);
/* 0 or -errno. */
int links_start(struct links *l);
void links_done(struct links *l);
size_t links_n(const struct links *l);
/* Of a link that the node has forgotten, something is still to be written. */
bool links_are_flushing(const struct links *l);

/* Takes @fd, whatever happens; @is_third: it came in at the port of the third dialect. Negative: we
 * failed. */
int links_accept(struct links *l, int fd, const struct endpoint *from, bool is_third);

/* Effects; a number that is not known (any more) is no error. 0, or -ENOMEM and its like. */
int links_dial(struct links *l, uint64_t number, const struct endpoint *to, bool resets);
/* @word not 0: node_taken() tells it when the other kernel has everything. */
int links_send(struct links *l, uint64_t number, const void *data, size_t size, uint64_t word);
/* node_has_room_on() tells once nothing waits to be written, and little is unsent in the kernel. */
void links_ask_room(struct links *l, uint64_t number);
int links_close(struct links *l, uint64_t number, enum close_how how);
