/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Texts that came, encrypted or not */
#include <stdio.h>

#include "base/encode.h"
#include "core/legacy/dialect.h"
#include "core/legacy/talk.h"

static void learn_spelling(struct talk *t, uint8_t spelling)
{
        /* "message" goes together with the usual name of encrypted texts. */
        if (t->memory.spelling == LEGACY_SPELLING_MESSAGE && spelling == LEGACY_SPELLING_USUAL)
                return;
        t->memory.spelling = spelling;
}

static int deliver(struct legacy *l, struct talk *t, enum legacy_security security,
        const char *text, size_t size)
{
        bool is_echo = t->text && size == t->size && memcmp(text, t->text, size) == 0;
        int r;

        r = talk_learned(l, t);
        if (r < 0 || size == 0 || is_echo)
                return r;
        return talk_message(l, t, security, text, size);
}

/* Some put plain text through base64. Only for those who showed both signs of it. */
static int take_plain(struct legacy *l, struct talk *t, const struct object *o)
{
        _cleanup_(freep)
        uint8_t *decoded = NULL;
        size_t size;

        if ((t->memory.has_uuid || t->memory.plain_is_base64) && o->size > 0) {
                decoded = malloc(o->size);
                if (!decoded)
                        return -ENOMEM;
                if (base64_decode(o->text, o->size, false, decoded, &size) == 0 && size > 0 &&
                        text_is_printable((char *)decoded, size)) {
                        t->memory.plain_is_base64 = true;
                        return deliver(l, t, LEGACY_PLAIN, (char *)decoded, size);
                }
        }
        return deliver(l, t, LEGACY_PLAIN, o->text, o->size);
}

static int notice(struct legacy *l, struct talk *t, const char *why)
{
        char address[ENDPOINT_STRING_MAX], sentence[400];

        if (t->is_noticed)
                return 0;
        t->is_noticed = true;
        endpoint_format_address(&t->remote, address);
        (void)snprintf(
                sentence, sizeof sentence, "A message from %s cannot be read: %s", address, why);
        return talk_notice(l, t, sentence);
}

static int take_cipher(struct legacy *l, struct talk *t, struct object *o, usec_t now_usec)
{
        bool is_here = t->secrets.is_exchanged;
        struct secrets secrets = t->secrets;
        const char *numbers[ELEMENTSOF(secrets.of)];
        struct dialect_reading reading;
        uint8_t group;
        int r;

        if (!is_here)
                (void)exchange_find(l, &t->remote, 0, now_usec, &secrets);
        for (size_t i = 0; i < secrets.n; i++)
                numbers[i] = secrets.of[i].number;

        r = dialect_decrypt(&t->memory, numbers, secrets.n, o->text, o->size, &reading);
        if (r < 0)
                return r;
        if (r == DIALECT_NO_CIPHER && !is_here) {
                /* In the second dialect that is the ordinary way to say something. */
                if (!text_is_printable(o->text, o->size))
                        return notice(l, t, "it is neither text nor a known cipher's.");
                return deliver(l, t, LEGACY_PLAIN, o->text, o->size);
        }
        if (r > 0 && !secrets.is_exchanged)
                return notice(l, t, "it is encrypted, but no keys were exchanged before.");
        if (r > 0)
                return notice(l, t,
                        "none of the classic programs' ciphers fits it. XOR and Caesar ciphers "
                        "are not supported: ask for plain text.");

        learn_spelling(t, o->spelling);
        t->memory.form = reading.form;
        t->memory.shape = reading.shape;
        t->memory.no_key = false;
        group = secrets.of[reading.secret].group;
        if (group != LEGACY_GROUP_UNKNOWN && reading.is_sure)
                t->memory.group = group;
        if (t->state == TALK_ANSWER) {
                t->memory.connections = is_here ? LEGACY_CONNECTIONS_ONE : LEGACY_CONNECTIONS_TWO;
                r = exchange_put(l, &t->remote, 0, &secrets, now_usec);
        }
        if (r == 0)
                r = deliver(l, t, LEGACY_ENCRYPTED, reading.text, reading.size);
        free(reading.text);
        return r;
}

int incoming_text(struct legacy *l, struct talk *t, struct object *o, usec_t now_usec)
{
        if (o->type == OBJECT_ENCRYPTED)
                return take_cipher(l, t, o, now_usec);
        learn_spelling(t, o->spelling);
        return take_plain(l, t, o);
}
