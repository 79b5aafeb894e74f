/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Every message after a sequence number, each once, in order, for as long as one likes
 *
 * Signals may be missed: a slow reader is spared them, and nobody hears them while the service or
 * the bus restarts. The history misses nothing. So a signal is only a hint. When it is exactly the
 * next message it is delivered as it is; any jump, any change of LastSequence, and every return of
 * the service make the feed read on from history:
 *
 *        GetHistorySince(last) ─► rows ─► deliver, last = row ─► … ─► empty page: caught up
 *                  ▲                                                        │
 *                  └──────── a number above last was heard of ◄─────────────┘
 *
 * A lost bus is sought again with growing pauses. A service that was stopped is waited for, never
 * started: who stopped it meant it. (The first connection does start it.)
 */

#include <systemd/sd-event.h>

#include "bus/client.h"

struct feed;

struct feed_handler {
        /* The next message. 0: done with it. 1: not yet, feed_done() will say so; meanwhile nothing
         * else is delivered. A negative errno ends the loop. */
        int (*deliver)(const struct bus_message *m, void *userdata);
        /* All that is known was delivered. */
        int (*idle)(void *userdata);
        /* The service, or the bus, came or went. */
        int (*service)(bool there, void *userdata);
        /* The history ends before what was delivered already: an older state was put back. The feed
         * goes on from @sequence. */
        int (*restored)(uint64_t sequence, void *userdata);
        /* Passed on from the service. */
        int (*message_state)(const char *id, const char *state, const char *reason, void *userdata);
        int (*user)(const char *user, const char *id, const char *state, void *userdata);
        int (*warning)(const char *kind, const char *user, const char *sentence, void *userdata);
        int (*invited)(const char *group, const char *id, const char *inviter, void *userdata);
        int (*file_offered)(const char *id, const char *user, const char *name,
                const char *security, uint64_t size, void *userdata);
        int (*file_finished)(const char *id, const char *state, const char *reason, void *userdata);
};

/* @user: a user word, or "" for everybody. @where, @user and @handler must outlive the feed. */
int feed_new(sd_event *event, const char *where, const char *user,
        const struct feed_handler *handler, void *userdata, struct feed **ret);
struct feed *feed_free(struct feed *f);
DEFINE_CLEANUP(struct feed *, feed_free)

/* Connects; must succeed once. Negative errno: with feed_client() NULL no bus was reached, else the
 * details are in the client. */
int feed_connect(struct feed *f);
/* Begins after @sequence, or after the newest message for UINT64_MAX. Deliveries may come before it
 * returns. */
int feed_start(struct feed *f, uint64_t sequence);
/* After deliver() returned 1. 0 or -errno. */
int feed_done(struct feed *f);
/* The last message that was delivered and done, or is known not to concern us. */
uint64_t feed_last(const struct feed *f);
/* The feed's; NULL while there is no bus. */
struct bus_client *feed_client(struct feed *f);
