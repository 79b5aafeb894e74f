/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The inside of the notifier
 *
 *     notifier.c  messages, and life
 *     call.c      calls of the service
 *     requests.c  what waits for a yes or no: files that are offered, invitations to groups
 */
#include "bus/feed.h"
#include "notify/notifier.h"
#include "notify/server.h"
#include "os/state.h"

#define MISSED_MAX 16  /* conversations that are named in the summary */
#define REPLIES_MAX 16 /* of which a later failure is told */

struct missed {
        char word[BUBBLE_WORD_SIZE_MAX];
        size_t n;
};

/* A message that was written in a bubble. */
struct answer {
        char id[40];
        char word[BUBBLE_WORD_SIZE_MAX];
};

struct notifier {
        sd_event *event;
        struct server *server;
        struct feed *feed;
        struct bookmark bookmark;
        sd_event_source *save;
        bool is_started; /* the feed */
        bool is_summing; /* until it has caught up for the first time */
        bool is_refused; /* the bus keeps this user away; the loop ends once he was told */
        struct missed missed[MISSED_MAX];
        size_t n_missed, n_missed_messages;
        struct answer answers[REPLIES_MAX];
        size_t answer_next;
};

/* A bubble with one sentence. 0 or -errno. */
int notifier_say(struct notifier *n, enum bubble_kind kind, const char *key, const char *title,
        const char *sentence);
/* @what was asked for @word here, and did not come to pass. */
int notifier_failed(struct notifier *n, const char *word, const char *what, const char *why);

/* call.c: calls of the service that are not waited for */
#define CALL_SEND_FAILED "Not sent"
int call_new(struct notifier *n, const char *interface, const char *member, sd_bus_message **ret);
/* @r negative: it could not be made. When it fails, a person is told: "@what: @word". */
void call_send(struct notifier *n, sd_bus_message *m, int r, const char *word, const char *what);

/* requests.c */
int notifier_offered(const char *id, const char *user, const char *name, const char *security,
        uint64_t size, void *userdata);
int notifier_finished(const char *id, const char *state, const char *reason, void *userdata);
int notifier_invited(const char *group, const char *id, const char *inviter, void *userdata);
/* What waits since before this start. */
int notifier_show_waiting(struct notifier *n);
size_t notifier_request_actions(const struct bubble *b, struct server_action *ret);
/* True: it was one of these. The bubble may be gone. */
bool notifier_request_action(struct notifier *n, struct bubble *b, const char *key);
