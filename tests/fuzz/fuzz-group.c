/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memberships, wishes to leave, farewells, messages, and a member of a group that is spoken to
 *
 * The first byte says which: 0 a membership, 1 a wish, 2 a farewell, 3 a message; else an engine,
 * which is said messages of a 16-bit size each, in turns by its creator, a member and a stranger.
 */
#include "base/cursor.h"
#include "core/crypto/random.h"
#include "core/group/group.h"
#include "fuzz.h"

#define PEOPLE 4 /* the creator, we, a member, a stranger */

static void must(bool x)
{
        if (!x)
                abort();
}

/* Whatever decodes encodes to the same bytes. */
static void try_membership(const uint8_t *data, size_t size)
{
        static uint8_t again[GROUP_MEMBERSHIP_SIZE_MAX];
        struct group_membership *m;

        if (group_membership_decode(data, size, &m) != 0)
                return;
        must(group_membership_encode(m, again) == size && memcmp(again, data, size) == 0);
        for (size_t i = 0; i < m->n_departed; i++) {
                struct group_farewell f;
                struct group_lane_id lane = { m->departed[i].key, 1, m->departed[i].joined };

                must(group_farewell_decode(
                             again, group_farewell_encode(m, &m->departed[i], again), &f) == 0);
                must(group_membership_had(m, &lane.author, lane.version));
                must(group_membership_cut(m, &lane) == 0 || m->departed[i].n_cuts > 0);
        }
        (void)group_membership_verify(m);
        free(m);
}

static void try_leave(const uint8_t *data, size_t size)
{
        uint8_t again[GROUP_LEAVE_SIZE_MAX];
        struct group_leave l;

        if (group_leave_decode(data, size, &l) != 0)
                return;
        must(group_leave_encode(&l, again) == size && memcmp(again, data, size) == 0);
        (void)group_leave_verify(&l);
}

static void try_farewell(const uint8_t *data, size_t size)
{
        struct group_farewell f;

        if (group_farewell_decode(data, size, &f) == 0)
                (void)group_farewell_verify(&f, &f.departed.key);
}

static void try_message(const uint8_t *data, size_t size)
{
        static uint8_t again[GROUP_MESSAGE_SIZE_MAX];
        struct group_message m;

        if (group_message_decode(data, size, &m) != 0)
                return;
        must(group_message_encode(&m, again) == size && memcmp(again, data, size) == 0);
        (void)group_message_verify(&m);
}

static void drain(struct group_engine *e, const struct now *now)
{
        struct group_effect effect;

        while (group_next_effect(e, &effect)) {
                must(effect.size <= GROUP_FRAME_SIZE_MAX);
                if (effect.type == GROUP_INVITATION)
                        must(group_accept(e, &effect.group, now) == 0);
                else if (effect.type == GROUP_LOAD)
                        must(group_loaded(e, &effect.peer, NULL, 0, now) == 0);
        }
}

/* Of all but the stranger. */
static void begin(struct group_engine *e, const struct identity *people, const struct now *now)
{
        static uint8_t data[GROUP_MEMBERSHIP_SIZE_MAX];
        struct group_engine *creator;
        struct group_options o = { .identity = &people[0], .life = 1 };
        struct group_effect effect;
        struct group_key keys[PEOPLE];
        struct group_id id;

        for (unsigned i = 0; i < PEOPLE; i++)
                memcpy(keys[i].bytes, people[i].public_key, sizeof keys[i].bytes);
        must(random_new_seeded(1, &o.random) == 0 && group_engine_new(&o, &creator) == 0);
        must(group_create(creator, "team", &keys[1], 2, now, &id) == 0);
        while (group_next_effect(creator, &effect))
                if (effect.type == GROUP_STORE) {
                        memcpy(data, effect.data, effect.size);
                        must(group_restore(e, GROUP_MEMBER, &keys[0], data, effect.size) == 0);
                }
        group_engine_free(creator);
        random_free(o.random);
        for (unsigned i = 0; i < PEOPLE; i++)
                if (i != 1)
                        must(group_connected(e, &keys[i], now) == 0);
        must(group_send(e, &id, "hello", 5, now) == 0);
        drain(e, now);
}

static void speak(struct group_engine *e, const struct identity *people, struct reader r)
{
        struct now now = { .mono_usec = USEC_PER_DAY, .real_usec = 20000 * USEC_PER_DAY };

        begin(e, people, &now);
        for (unsigned i = 0; r.left > 0; i++) {
                static const unsigned speakers[] = { 0, 2, 3 };
                struct group_key from;
                size_t n;
                const uint8_t *message = reader_blob(&r, &n);

                if (!message)
                        break;
                memcpy(from.bytes, people[speakers[i % 3]].public_key, sizeof from.bytes);
                must(group_receive(e, &from, message, n, &now) == 0);
                drain(e, &now);
                now.mono_usec += USEC_PER_SEC;
                must(group_advance(e, &now) == 0);
                drain(e, &now);
        }
}

static void try_engine(const uint8_t *data, size_t size)
{
        struct identity people[PEOPLE];
        struct group_options o = { .identity = &people[1], .life = 2 };
        struct group_engine *e;

        for (unsigned i = 0; i < PEOPLE; i++) {
                uint8_t seed[IDENTITY_SEED_SIZE] = { (uint8_t)(1 + i) };

                must(identity_init(&people[i], seed) == 0);
        }
        must(random_new_seeded(2, &o.random) == 0 && group_engine_new(&o, &e) == 0);
        speak(e, people, reader_make(data, size));
        group_engine_free(e);
        random_free(o.random);
        for (unsigned i = 0; i < PEOPLE; i++)
                identity_done(&people[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        bool is_locked;

        if (size == 0 || crypto_init(&is_locked) < 0)
                return 0;
        if (data[0] == 0)
                try_membership(data + 1, size - 1);
        else if (data[0] == 1)
                try_leave(data + 1, size - 1);
        else if (data[0] == 2)
                try_farewell(data + 1, size - 1);
        else if (data[0] == 3)
                try_message(data + 1, size - 1);
        else
                try_engine(data + 1, size - 1);
        return 0;
}
