/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Who may use the page: tokens and sessions
 *
 * A token is made on the bus, where the policy decides who may ask for it. It opens one session,
 * once, within its time. A session ends some time after the end of its last request. Both are 256
 * random bits, written in base32. No clock is read here.
 */
#include "base/encode.h"
#include "base/usec.h"

#define SECRET_SIZE 32
#define SECRET_STRING_SIZE BASE32_SIZE(SECRET_SIZE)

#define TOKENS_MAX 64
#define SESSIONS_MAX 64

#define TOKEN_USEC (60 * USEC_PER_SEC)
#define SESSION_USEC (30 * USEC_PER_MINUTE)

struct secret {
        uint8_t bytes[SECRET_SIZE];
};

struct token {
        struct secret secret;
        usec_t end_usec; /* 0: there is none */
};

struct session {
        struct secret secret;
        bool is_open;
        usec_t used_usec;    /* mono: when its last request ended */
        unsigned n_requests; /* under way, streams too: as long as there are any, it does not end */
        unsigned n_streams;
};

struct sessions {
        usec_t token_usec, session_usec; /* how long they last */
        struct token tokens[TOKENS_MAX];
        struct session sessions[SESSIONS_MAX];
};

void sessions_init(struct sessions *s);

/* @random becomes the token. 0, or -ENOBUFS when too many wait for being used. */
int sessions_add_token(struct sessions *s, const struct secret *random, usec_t now_usec,
        char ret[static SECRET_STRING_SIZE]);
/* Opens a session, with @random as its secret. 0; -EACCES when the token is none, was used or is
 * too old; -ENOBUFS when too many are open, and the token stays. */
int sessions_sign_in(struct sessions *s, const char *token, const struct secret *random,
        usec_t now_usec, char ret[static SECRET_STRING_SIZE]);
/* The open session that has this secret, or NULL. */
struct session *sessions_find(struct sessions *s, const char *secret, usec_t now_usec);

void session_begin_request(struct session *session);
void session_end_request(struct session *session, usec_t now_usec);
void session_close(struct session *session);

/* Forgets what is over. */
void sessions_advance(struct sessions *s, usec_t now_usec);
/* When the next of them is over; USEC_INFINITY: none is. */
usec_t sessions_deadline(const struct sessions *s);
/* Nobody is signed in, and nobody may. */
bool sessions_is_empty(const struct sessions *s);
