/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The side that calls
 *
 *     BEGIN -> PAUSE -> WAIT_KEY -> HOLD -> LISTEN
 *
 * PAUSE only for those who want to hear "secure or not" first: they read it apart from the key.
 * HOLD because some close after their key reply and take the message on a second connection; who
 * does which is found out once and remembered.
 */
#include <stdio.h>

#include "core/crypto/crypto.h"
#include "core/crypto/random.h"
#include "core/legacy/compose.h"
#include "core/legacy/talk.h"

static int fail(struct legacy *l, struct talk *t, enum legacy_outcome outcome)
{
        int r;

        r = talk_learned(l, t);
        if (r == 0)
                r = talk_close(l, t);
        return r < 0 ? r : talk_result(l, t, outcome);
}

/* What we were asked to say, and then we only listen: some answer. */
static int say(struct legacy *l, struct talk *t, usec_t now_usec)
{
        struct buffer b;
        int r;

        buffer_init(&b, 2 * LEGACY_OBJECT_MAX);
        r = compose_message(&t->memory, l->random, t->security, t->secrets.of[0].number,
                t->username, t->text, t->size, &b);
        if (r == 0)
                r = talk_send(l, t, &b);
        buffer_done(&b);
        assert(r != -E2BIG);
        if (r == 0)
                r = talk_learned(l, t);
        if (r == 0)
                r = talk_finish(l, t);
        if (r == 0)
                r = talk_result(l, t, LEGACY_WRITTEN);
        t->state = TALK_LISTEN;
        t->timer_usec = usec_add(now_usec, LISTEN_USEC);
        return r;
}

/* From 2 to 17 it is good in both groups; the user's own number makes it in the likelier one. */
static void choose_public(struct legacy *l, struct talk *t)
{
        bool is_second = t->memory.group == LEGACY_GROUP_23_5;

        if (t->number[0])
                (void)dh_power(
                        is_second ? "5" : "2", t->number, is_second ? "23" : "19", t->public);
        else
                (void)snprintf(t->public, sizeof t->public, "%u",
                        2 + (unsigned)random_below(l->random, 16));
}

static int send_key(struct legacy *l, struct talk *t, usec_t now_usec)
{
        enum key_form form = t->memory.key_is_bare     ? KEY_BARE
                             : t->memory.key_is_number ? KEY_NUMBER
                                                       : KEY_STRING;
        struct buffer b;
        int r;

        choose_public(l, t);
        buffer_init(&b, LEGACY_SEND_MAX);
        r = compose_key(form, t->memory.key_is_public, t->public, &b);
        if (r == 0)
                r = talk_send(l, t, &b);
        buffer_done(&b);
        t->state = TALK_WAIT_KEY;
        t->timer_usec = usec_add(now_usec, PATIENCE_USEC);
        return r;
}

static int speak(struct legacy *l, struct talk *t, usec_t now_usec)
{
        if (t->security == LEGACY_PLAIN)
                return say(l, t, now_usec);
        if (exchange_find(l, &t->remote, t->remote.port, now_usec, &t->secrets)) {
                exchange_drop(l, &t->remote, t->remote.port);
                return say(l, t, now_usec);
        }
        return send_key(l, t, now_usec);
}

int initiator_begin(struct legacy *l, struct talk *t, usec_t now_usec)
{
        struct buffer b;
        int r;

        if (t->dialect == DIALECT_SECOND && t->security == LEGACY_ENCRYPTED)
                return fail(l, t, LEGACY_NO_KEY);
        if (t->dialect == DIALECT_SECOND || t->memory.choice == LEGACY_CHOICE_NONE)
                return speak(l, t, now_usec);

        buffer_init(&b, LEGACY_SEND_MAX);
        r = compose_choice(t->memory.choice, t->security == LEGACY_ENCRYPTED, &b);
        if (r == 0)
                r = talk_send(l, t, &b);
        buffer_done(&b);
        t->state = TALK_PAUSE;
        t->timer_usec = usec_add(now_usec, CHOICE_USEC);
        return r;
}

/*
 * The secret, by our logarithm in the group that he used: as he said, or as his number shows, or as
 * he was known to. 0, or -EINVAL when there is none.
 */
static int agree(struct talk *t, const struct object *o)
{
        const char *p = "19", *g = "2";
        char exponent[DECIMAL_SIZE], number[DECIMAL_SIZE];
        int r;

        if (o->p[0]) {
                p = o->p;
                g = o->g[0] ? o->g : streq(p, "23") ? "5" : "2";
        } else if (t->memory.group == LEGACY_GROUP_23_5 || decimal_compare(o->number, "18") > 0) {
                p = "23";
                g = "5";
        }
        if (decimal_compare(o->number, p) >= 0 || streq(o->number, "0"))
                return -EINVAL;
        r = dh_logarithm(g, t->public, p, exponent);
        if (r == 0)
                r = dh_power(o->number, exponent, p, number);
        if (r < 0)
                return r;

        if (streq(p, "23") && streq(g, "5") && t->memory.group != LEGACY_GROUP_23_5 && !o->p[0])
                t->memory.group = LEGACY_GROUP_23_5;
        t->secrets = (struct secrets){ .n = 1, .is_exchanged = true };
        memcpy(t->secrets.of[0].number, number, sizeof number);
        wipe(exponent, sizeof exponent);
        wipe(number, sizeof number);
        return 0;
}

static int take_key(struct legacy *l, struct talk *t, const struct object *o, usec_t now_usec)
{
        if (t->state != TALK_WAIT_KEY)
                return 0;
        if (agree(t, o) < 0)
                return fail(l, t, LEGACY_NOT_UNDERSTOOD);
        t->memory.no_key = false;
        if (t->memory.connections == LEGACY_CONNECTIONS_ONE)
                return say(l, t, now_usec);
        t->state = TALK_HOLD;
        t->timer_usec = usec_add(now_usec,
                t->memory.connections == LEGACY_CONNECTIONS_TWO ? CLOSING_USEC : HOLD_USEC);
        return 0;
}

static int go_on_elsewhere(struct legacy *l, struct talk *t, usec_t now_usec)
{
        int r = 0;

        t->memory.connections = LEGACY_CONNECTIONS_TWO;
        if (!t->has_moved)
                r = exchange_put(l, &t->remote, t->remote.port, &t->secrets, now_usec);
        return r < 0 ? r : fail(l, t, LEGACY_AGAIN);
}

/* The spellings of a key, one after the other. */
static int no_answer(struct legacy *l, struct talk *t)
{
        if (t->memory.key_is_bare) {
                t->memory.key_is_bare = false;
                return fail(l, t, LEGACY_AGAIN);
        }
        if (!t->memory.key_is_number) {
                t->memory.key_is_number = true;
                return fail(l, t, LEGACY_AGAIN);
        }
        t->memory.key_is_number = false;
        t->memory.no_key = true;
        return fail(l, t, LEGACY_NO_KEY);
}

int initiator_object(struct legacy *l, struct talk *t, struct object *o, usec_t now_usec)
{
        switch (o->type) {
        case OBJECT_KEY:
                return take_key(l, t, o, now_usec);
        case OBJECT_BAD_KEY:
                return t->state == TALK_WAIT_KEY ? fail(l, t, LEGACY_NOT_UNDERSTOOD) : 0;
        case OBJECT_PLAIN:
        case OBJECT_ENCRYPTED:
                return incoming_text(l, t, o, now_usec);
        case OBJECT_OTHER:
        case OBJECT_CHOICE:
        case OBJECT_REQUEST:
                return 0;
        }
        return 0;
}

int initiator_rubbish(struct legacy *l, struct talk *t)
{
        t->is_deaf = true;
        return t->state == TALK_WAIT_KEY ? fail(l, t, LEGACY_NOT_UNDERSTOOD) : 0;
}

int initiator_end(struct legacy *l, struct talk *t, usec_t now_usec)
{
        switch (t->state) {
        case TALK_PAUSE:
                return t->security == LEGACY_PLAIN ? say(l, t, now_usec) : no_answer(l, t);
        case TALK_WAIT_KEY:
                return no_answer(l, t);
        case TALK_HOLD:
                return go_on_elsewhere(l, t, now_usec);
        case TALK_ANSWER:
        case TALK_LISTEN:
                t->is_over = true;
        }
        return 0;
}

int initiator_timer(struct legacy *l, struct talk *t, usec_t now_usec)
{
        switch (t->state) {
        case TALK_PAUSE:
                return speak(l, t, now_usec);
        case TALK_WAIT_KEY:
                return no_answer(l, t);
        case TALK_HOLD:
                if (t->memory.connections == LEGACY_CONNECTIONS_TWO)
                        return go_on_elsewhere(l, t, now_usec);
                t->memory.connections = LEGACY_CONNECTIONS_ONE;
                return say(l, t, now_usec);
        case TALK_ANSWER:
        case TALK_LISTEN:
                t->is_over = true;
        }
        return 0;
}
