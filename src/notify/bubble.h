/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What a bubble says: pure text
 *
 * One bubble per conversation, which is replaced while it is unread and then shows the last of its
 * messages. What others wrote is cut, and escaped where the notification server understands markup
 * (Desktop Notifications Specification 1.2, "Markup").
 */
#include "base/list.h"
#include "base/macro.h"

#define BUBBLE_LINES_MAX 4
#define BUBBLE_LINE_SIZE_MAX 240 /* bytes of a message, before it is escaped */
#define BUBBLE_WORD_SIZE_MAX 200
#define BUBBLE_SUMMARY_SIZE 512 /* title, number and a line fit; */
#define BUBBLE_BODY_SIZE 10240  /* all lines, each character escaped */

enum bubble_kind {
        BUBBLE_CONVERSATION, /* key: its word */
        BUBBLE_MISSED,       /* what came while nobody was logged in; key "" */
        BUBBLE_WARNING,      /* key: kind and user; lines[0] */
        BUBBLE_FAILURE,      /* something that was asked for here did not succeed; lines[0] */
        BUBBLE_OFFER,        /* of a file; key: its id */
        BUBBLE_FILE,         /* a file that was accepted here is over; key: its id */
        BUBBLE_INVITATION,   /* to a group; key: its id */
        BUBBLE_REFUSED,      /* the user may not use the service; key "" */
};

struct bubble_line {
        char user[BUBBLE_WORD_SIZE_MAX]; /* who wrote it, where that is not the conversation */
        char text[BUBBLE_LINE_SIZE_MAX + 4];
};

struct bubble {
        struct list list; /* in server.bubbles, the latest first */
        enum bubble_kind kind;
        char *key;
        char title[BUBBLE_WORD_SIZE_MAX];
        char security[16]; /* the least of its messages; "" */
        size_t n_unread;
        struct bubble_line lines[BUBBLE_LINES_MAX]; /* the last n_lines */
        size_t n_lines;

        /* the server's */
        uint32_t id;     /* on the screen; 0: not there */
        bool is_sent;    /* Notify is not answered yet */
        bool is_changed; /* what is on the screen is not what it says */
        bool is_closed;  /* to be closed as soon as it is answered */
};

/* One more message. @user: "" where the title says who it is. */
void bubble_add(struct bubble *b, const char *user, const char *security, const char *text);
/* Nobody need read it any more. */
void bubble_clear(struct bubble *b);

struct bubble_style {
        bool has_markup, has_body;
        bool is_private; /* who, but not what */
};
void bubble_summary(const struct bubble *b, const struct bubble_style *style,
        char ret[static BUBBLE_SUMMARY_SIZE]);
void bubble_body(const struct bubble *b, const struct bubble_style *style,
        char ret[static BUBBLE_BODY_SIZE]);
