/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may use the page: tokens and sessions */
#include "web/session.h"

void sessions_init(struct sessions *s)
{
        *s = (struct sessions){ .token_usec = TOKEN_USEC, .session_usec = SESSION_USEC };
}

/* However much of them is equal, it takes the same time. */
static bool secret_equal(const struct secret *a, const struct secret *b)
{
        volatile uint8_t different = 0;

        for (size_t i = 0; i < SECRET_SIZE; i++)
                different |= a->bytes[i] ^ b->bytes[i];
        return different == 0;
}

static void secret_format(const struct secret *secret, char ret[static SECRET_STRING_SIZE])
{
        base32_encode(secret->bytes, SECRET_SIZE, ret);
}

static bool token_is_good(const struct token *t, usec_t now_usec)
{
        return t->end_usec > now_usec;
}

static usec_t session_end(const struct sessions *s, const struct session *session)
{
        if (!session->is_open || session->n_requests > 0)
                return USEC_INFINITY;
        return usec_add(session->used_usec, s->session_usec);
}

int sessions_add_token(struct sessions *s, const struct secret *random, usec_t now_usec,
        char ret[static SECRET_STRING_SIZE])
{
        for (size_t i = 0; i < TOKENS_MAX; i++) {
                struct token *t = &s->tokens[i];

                if (token_is_good(t, now_usec))
                        continue;
                t->secret = *random;
                t->end_usec = usec_add(now_usec, s->token_usec);
                secret_format(random, ret);
                return 0;
        }
        return -ENOBUFS;
}

static struct token *find_token(struct sessions *s, const char *text, usec_t now_usec)
{
        struct secret secret;

        if (base32_decode(text, secret.bytes, SECRET_SIZE) < 0)
                return NULL;
        for (size_t i = 0; i < TOKENS_MAX; i++)
                if (token_is_good(&s->tokens[i], now_usec) &&
                        secret_equal(&s->tokens[i].secret, &secret))
                        return &s->tokens[i];
        return NULL;
}

int sessions_sign_in(struct sessions *s, const char *text, const struct secret *random,
        usec_t now_usec, char ret[static SECRET_STRING_SIZE])
{
        struct token *token = find_token(s, text, now_usec);

        if (!token)
                return -EACCES;
        sessions_advance(s, now_usec);
        for (size_t i = 0; i < SESSIONS_MAX; i++) {
                struct session *session = &s->sessions[i];

                /* One that was closed is somebody's as long as its requests are under way. */
                if (session->is_open || session->n_requests > 0)
                        continue;
                *token = (struct token){ 0 };
                *session = (struct session){
                        .secret = *random, .is_open = true, .used_usec = now_usec
                };
                secret_format(random, ret);
                return 0;
        }
        return -ENOBUFS;
}

struct session *sessions_find(struct sessions *s, const char *text, usec_t now_usec)
{
        struct secret secret;

        if (base32_decode(text, secret.bytes, SECRET_SIZE) < 0)
                return NULL;
        for (size_t i = 0; i < SESSIONS_MAX; i++)
                if (s->sessions[i].is_open && session_end(s, &s->sessions[i]) > now_usec &&
                        secret_equal(&s->sessions[i].secret, &secret))
                        return &s->sessions[i];
        return NULL;
}

void session_begin_request(struct session *session)
{
        session->n_requests++;
}

void session_end_request(struct session *session, usec_t now_usec)
{
        assert(session->n_requests > 0);
        session->n_requests--;
        session->used_usec = now_usec;
}

void session_close(struct session *session)
{
        session->is_open = false;
        session->secret = (struct secret){ 0 };
}

void sessions_advance(struct sessions *s, usec_t now_usec)
{
        for (size_t i = 0; i < TOKENS_MAX; i++)
                if (s->tokens[i].end_usec != 0 && !token_is_good(&s->tokens[i], now_usec))
                        s->tokens[i] = (struct token){ 0 };
        for (size_t i = 0; i < SESSIONS_MAX; i++)
                if (session_end(s, &s->sessions[i]) <= now_usec)
                        session_close(&s->sessions[i]);
}

usec_t sessions_deadline(const struct sessions *s)
{
        usec_t deadline = USEC_INFINITY;

        for (size_t i = 0; i < TOKENS_MAX; i++)
                if (s->tokens[i].end_usec != 0)
                        deadline = usec_min(deadline, s->tokens[i].end_usec);
        for (size_t i = 0; i < SESSIONS_MAX; i++)
                deadline = usec_min(deadline, session_end(s, &s->sessions[i]));
        return deadline;
}

bool sessions_is_empty(const struct sessions *s)
{
        for (size_t i = 0; i < TOKENS_MAX; i++)
                if (s->tokens[i].end_usec != 0)
                        return false;
        for (size_t i = 0; i < SESSIONS_MAX; i++)
                if (s->sessions[i].is_open)
                        return false;
        return true;
}
