/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The notification server of the desktop (Desktop Notifications Specification 1.2)
 *
 * Any of them, whatever it can; it may be started late, die, and be another one afterwards. A
 * bubble that changed is shown as soon as the last Notify of it was answered, for only the answer
 * tells what the next one replaces. When the server is another one, what is unread is shown again.
 *
 *     server_show() ── capabilities known? ── Notify(replaces id) ──► id ── changed? ──► again
 *                            no: ask                  failed: when the server is there again
 */
#include <systemd/sd-bus.h>

#include "notify/bubble.h"

#define SERVER_BUBBLES_MAX 64 /* then the oldest is forgotten */
#define SERVER_ACTIONS_MAX 4

struct server;

/* Keys and labels of buttons. */
struct server_action {
        const char *key, *label;
};
#define ACTION_DEFAULT "default"    /* a click on the bubble */
#define ACTION_REPLY "inline-reply" /* where the server has a field for it */

struct server_handler {
        /* Fills in at most SERVER_ACTIONS_MAX and returns how many. */
        size_t (*actions)(
                const struct bubble *b, bool has_reply, struct server_action *ret, void *userdata);
        void (*action)(struct bubble *b, const char *key, void *userdata);
        void (*reply)(struct bubble *b, const char *text, void *userdata);
        /* A person closed it. */
        void (*dismissed)(struct bubble *b, void *userdata);
};

/* @bus is the session's; handler and userdata outlive the server. 0 or -errno. */
int server_new(sd_bus *bus, bool is_private, const struct server_handler *handler, void *userdata,
        struct server **ret);
struct server *server_free(struct server *s);
DEFINE_CLEANUP(struct server *, server_free)

/* The bubble of this kind and key, made when there is none; NULL without memory. */
struct bubble *server_get(struct server *s, enum bubble_kind kind, const char *key);
/* NULL: there is none. */
struct bubble *server_find(struct server *s, enum bubble_kind kind, const char *key);
/* It says something else now. 0 or -errno. */
int server_show(struct server *s, struct bubble *b);
/* It goes, from the screen too. 0 or -errno. */
int server_close(struct server *s, struct bubble *b);
/* Nothing is left to be told to it. */
bool server_is_idle(const struct server *s);
