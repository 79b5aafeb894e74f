/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * core/session for test-session-foreign.py: one session on standard input and output
 *
 *     session-driver dialler|responder
 *
 * Every text message is acknowledged and sent back, with its number. What is proven and how it
 * ended is told on standard error.
 */
#include <stdio.h>
#include <unistd.h>

#include "core/crypto/random.h"
#include "core/session/session.h"
#include "lib/test.h"

static void write_all(const uint8_t *data, size_t size)
{
        while (size > 0) {
                ssize_t n = write(STDOUT_FILENO, data, size);

                if (n <= 0)
                        exit(1);
                data += n;
                size -= (size_t)n;
        }
}

static void answer(struct session *s, const struct message *m)
{
        const struct message ack = { .type = FRAME_ACKNOWLEDGE,
                .acknowledge.number = m->text.number };
        struct message back = *m;
        char *text = malloc(m->text.size + 1);

        ASSERT_NOT_NULL(text);
        memcpy(text, m->text.text, m->text.size);
        back.text.text = text;
        ASSERT_OK(session_send(s, &ack, 1));
        ASSERT_OK(session_send(s, &back, 1));
        free(text);
}

/* False: it is over. */
static bool drain(struct session *s)
{
        struct session_effect e;
        bool on = true;

        while (session_next_effect(s, &e))
                switch (e.type) {
                case SESSION_SEND:
                        write_all(e.send.data, e.send.size);
                        break;
                case SESSION_PROVEN:
                        fprintf(stderr, "proven %s %s %u %" PRIu64 " %" PRIu64 "\n", e.peer->id,
                                e.peer->name, e.peer->port, e.peer->features, e.peer->run);
                        break;
                case SESSION_MESSAGE:
                        if (e.message.type == FRAME_MESSAGE)
                                answer(s, &e.message);
                        break;
                case SESSION_RENEW:
                        fprintf(stderr, "renew\n");
                        break;
                case SESSION_ENDED:
                        fprintf(stderr, "ended %d %d rotations %" PRIu64 " %" PRIu64 "\n",
                                e.ended.how, e.ended.goodbye, session_received(s)->n_rotations,
                                session_sent(s)->n_rotations);
                        on = false;
                        break;
                }
        return on;
}

int main(int argc, char **argv)
{
        static const uint8_t seed[IDENTITY_SEED_SIZE] = { 1 };
        static uint8_t data[65536];
        struct session_self self = { .username = "Ece", .port = 6001, .features = 5, .run = 99 };
        struct session *s;
        struct random *random;
        struct identity identity;
        struct x25519_key key;
        bool locked;
        ssize_t n;

        ASSERT_OK(crypto_init(&locked));
        ASSERT_OK(random_new(&random));
        ASSERT_OK(identity_init(&identity, seed));
        ASSERT_OK(x25519_key_init_random(&key, random));
        self.identity = &identity;
        self.static_key = &key;
        self.random = random;
        ASSERT_OK(session_new(&self,
                argc > 1 && streq(argv[1], "dialler") ? SESSION_DIALLER : SESSION_RESPONDER, NULL,
                1, &s));
        while (drain(s) && (n = read(STDIN_FILENO, data, sizeof data)) > 0)
                ASSERT_OK(session_receive(s, data, (size_t)n, 1));
        session_free(s);
        x25519_key_done(&key);
        identity_done(&identity);
        random_free(random);
        return 0;
}
