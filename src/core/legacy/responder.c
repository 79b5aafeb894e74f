/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The side that is called
 *
 *     > {"key": "A"}                     < {"key": "B"}
 *     > {"encrypted_message": "..."}     taken
 *
 * Nobody says which group he calculates in. 2 generates all of 1..18 mod 19, and 5 all of 1..22 mod
 * 23: a B from 2 to 17 is a public value in both, and as both logarithms are found at once, both
 * secrets are known. The text that comes tells which one was meant.
 */
#include <stdio.h>

#include "core/crypto/crypto.h"
#include "core/crypto/random.h"
#include "core/legacy/compose.h"
#include "core/legacy/talk.h"

static const struct {
        const char *p, *g;
        uint8_t group;
} groups[] = {
        { "19", "2", LEGACY_GROUP_19_2 },
        { "23", "5", LEGACY_GROUP_23_5 },
};

static void add_secret(struct secrets *s, const char *number, uint8_t group)
{
        memcpy(s->of[s->n].number, number, strlen(number) + 1);
        s->of[s->n].group = group;
        s->n++;
}

/* The secrets in both groups, the likelier first, when we answer @ours to @theirs. */
static void agree_both(const struct legacy_memory *memory, const char *theirs, const char *ours,
        struct secrets *ret)
{
        struct secrets s = { .is_exchanged = true };
        bool is_second_first = memory->group == LEGACY_GROUP_23_5;

        for (size_t i = 0; i < ELEMENTSOF(groups); i++) {
                size_t k = is_second_first ? ELEMENTSOF(groups) - 1 - i : i;
                char exponent[DECIMAL_SIZE], number[DECIMAL_SIZE];

                if (decimal_compare(theirs, groups[k].p) >= 0)
                        continue;
                if (dh_logarithm(groups[k].g, ours, groups[k].p, exponent) < 0 ||
                        dh_power(theirs, exponent, groups[k].p, number) < 0)
                        continue;
                add_secret(&s, number, groups[k].group);
                wipe(exponent, sizeof exponent);
                wipe(number, sizeof number);
        }
        *ret = s;
}

/*
 * Will the text show which secret was meant, and which form? DES ignores the lowest bit of a key's
 * byte: to it 12 is 13, with zeros in front 12 is 2, with zeros behind 2 is 20; and with nothing
 * but 0 and 1 in the secret it makes no difference on which side the zeros are.
 */
static bool tells_apart(const struct secrets *s)
{
        char keys[2][2][8]; /* of each secret: zeros in front, zeros behind */

        memset(keys, '0', sizeof keys);
        for (size_t i = 0; i < s->n; i++) {
                const char *number = s->of[i].number;
                size_t n = MIN(strlen(number), sizeof keys[i][0]);

                for (size_t k = 0; k < n; k++) {
                        keys[i][0][sizeof keys[i][0] - n + k] = (char)(number[k] & ~1);
                        keys[i][1][k] = (char)(number[k] & ~1);
                }
                if (memcmp(keys[i][0], keys[i][1], sizeof keys[i][0]) == 0)
                        return false;
        }
        return s->n < 2 || (memcmp(keys[0][0], keys[1][0], sizeof keys[0][0]) != 0 &&
                                   memcmp(keys[0][1], keys[1][1], sizeof keys[0][1]) != 0);
}

#define PUBLIC_MIN 2 /* good in both groups */
#define N_PUBLIC 16

/* Our public value and the secrets, for one who says nothing of his group: if there is one, a value
 * whose secrets tell most. */
static void answer_both(struct legacy *l, const struct legacy_memory *memory, const char *theirs,
        char ret_ours[static DECIMAL_SIZE], struct secrets *ret)
{
        unsigned first = (unsigned)random_below(l->random, N_PUBLIC);

        for (unsigned i = 0; i <= N_PUBLIC; i++) {
                (void)snprintf(ret_ours, DECIMAL_SIZE, "%u", PUBLIC_MIN + (first + i) % N_PUBLIC);
                agree_both(memory, theirs, ret_ours, ret);
                if (tells_apart(ret))
                        return;
        }
}

/* The same in the group that he gave: 0, or -EINVAL when it is none. */
static int answer_given(struct legacy *l, const struct object *o,
        char ret_ours[static DECIMAL_SIZE], struct secrets *ret)
{
        const char *g = o->g[0] ? o->g : streq(o->p, "23") ? "5" : "2";
        struct secrets s = { .is_exchanged = true };
        char exponent[DECIMAL_SIZE], number[DECIMAL_SIZE];
        uint8_t group = LEGACY_GROUP_UNKNOWN;

        if (decimal_compare(o->p, "3") < 0)
                return -EINVAL;
        for (size_t i = 0; i < ELEMENTSOF(groups); i++)
                if (streq(o->p, groups[i].p) && streq(g, groups[i].g))
                        group = groups[i].group;

        (void)snprintf(exponent, sizeof exponent, "%llu",
                1 + (unsigned long long)random_below(l->random, UINT64_C(1) << 62));
        (void)dh_power(g, exponent, o->p, ret_ours);
        (void)dh_power(o->number, exponent, o->p, number);
        add_secret(&s, number, group);
        wipe(exponent, sizeof exponent);
        wipe(number, sizeof number);
        *ret = s;
        return 0;
}

static int answer_key(struct legacy *l, struct talk *t, const struct object *o, usec_t now_usec)
{
        char ours[DECIMAL_SIZE];
        struct buffer b;
        int r;

        if (!o->p[0])
                answer_both(l, &t->memory, o->number, ours, &t->secrets);
        else if (answer_given(l, o, ours, &t->secrets) < 0)
                return talk_close(l, t);
        if (t->secrets.n == 1 && t->secrets.of[0].group != LEGACY_GROUP_UNKNOWN)
                t->memory.group = t->secrets.of[0].group;

        /* A string says nothing: he may want numbers from us all the same, as was found out. */
        if (o->key_form == KEY_NUMBER)
                t->memory.key_is_number = true;
        t->memory.key_is_bare = o->key_form == KEY_BARE;
        t->memory.key_is_public = o->is_public_key;
        t->memory.no_key = false;
        t->timer_usec = usec_add(now_usec, AFTER_KEY_USEC);

        buffer_init(&b, LEGACY_SEND_MAX);
        r = compose_key(o->key_form, o->is_public_key, ours, &b);
        if (r == 0)
                r = talk_send(l, t, &b);
        buffer_done(&b);
        if (r == 0)
                r = exchange_put(l, &t->remote, 0, &t->secrets, now_usec);
        return r < 0 ? r : talk_learned(l, t);
}

static int answer_request(struct legacy *l, struct talk *t, usec_t now_usec)
{
        struct buffer b;
        int r;

        t->timer_usec = usec_add(now_usec, AFTER_KEY_USEC);
        buffer_init(&b, LEGACY_SEND_MAX);
        r = compose_accept(&b);
        if (r == 0)
                r = talk_send(l, t, &b);
        buffer_done(&b);
        return r;
}

int responder_object(struct legacy *l, struct talk *t, struct object *o, usec_t now_usec)
{
        switch (o->type) {
        case OBJECT_OTHER:
                return 0;
        case OBJECT_KEY:
                return answer_key(l, t, o, now_usec);
        case OBJECT_BAD_KEY:
                return talk_close(l, t);
        case OBJECT_PLAIN:
        case OBJECT_ENCRYPTED:
                t->silence_usec = usec_add(now_usec, SILENCE_USEC);
                t->timer_usec = usec_add(now_usec, PATIENCE_USEC);
                return incoming_text(l, t, o, now_usec);
        case OBJECT_CHOICE:
                t->memory.choice = o->choice;
                t->timer_usec = usec_add(now_usec, AFTER_KEY_USEC);
                return talk_learned(l, t);
        case OBJECT_REQUEST:
                return answer_request(l, t, now_usec);
        }
        return 0;
}
