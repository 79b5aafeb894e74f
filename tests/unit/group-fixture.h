/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * People with keys, in the order of their keys; the first creates groups
 */
#include "core/crypto/random.h"
#include "core/group/gossip.h"
#include "lib/test.h"

#define PEOPLE_MAX 8
#define BEGIN_USEC (20000 * USEC_PER_DAY)

static struct random *dice;
static struct identity people[PEOPLE_MAX];

__attribute__((unused)) static struct group_key key_of(unsigned who)
{
        struct group_key k;

        memcpy(k.bytes, people[who].public_key, sizeof k.bytes);
        return k;
}

static int compare_identities(const void *a, const void *b)
{
        return memcmp(((const struct identity *)a)->public_key,
                ((const struct identity *)b)->public_key, PUBLIC_KEY_SIZE);
}

static int set_up(void)
{
        bool is_locked;

        if (crypto_init(&is_locked) < 0 || random_new_seeded(1, &dice) < 0)
                return TEST_SKIP;
        for (unsigned i = 0; i < PEOPLE_MAX; i++) {
                uint8_t seed[IDENTITY_SEED_SIZE];

                random_bytes(dice, seed, sizeof seed);
                ASSERT_OK(identity_init(&people[i], seed));
        }
        qsort(people, PEOPLE_MAX, sizeof people[0], compare_identities);
        return 0;
}

/* Of people 0 (the creator), 1 and 3 from versions 1, 1 and 6 on; 2 was in from 1 to 3 and from 4
 * to 5, 3 from 2 to 4. Version 7, nothing older than 2 counts. To be freed. */
__attribute__((unused)) static struct group_membership *sample_membership(void)
{
        static const uint32_t joined[] = { 1, 1, 6 };
        static const unsigned who[] = { 0, 1, 3 };
        static const struct group_departed departed[] = {
                { .joined = 1, .removed = 3, .n_cuts = 2 },
                { .joined = 4, .removed = 5, .first_cut = 2 },
                { .joined = 2, .removed = 4, .first_cut = 2, .n_cuts = 1 }
        };
        static const struct group_cut cuts[] = { { 1, 7, 3 }, { 2, 7, 1 }, { 3, 9, UINT64_MAX } };
        struct group_membership *m = group_membership_new(3, 3, 3);

        ASSERT_NOT_NULL(m);
        m->creator = key_of(0);
        memcpy(m->nonce, "sixteen bytes...", sizeof m->nonce);
        memcpy(m->name, "team \xc3\xa4", sizeof "team \xc3\xa4");
        m->version = 7;
        m->floor = 2;
        memset(m->previous, 5, sizeof m->previous);
        for (unsigned i = 0; i < 3; i++) {
                m->members[i] = (struct group_member){ key_of(who[i]), joined[i] };
                m->departed[i] = departed[i];
                m->departed[i].key = key_of(i < 2 ? 2 : 3);
                m->cuts[i] = cuts[i];
        }
        ASSERT_OK(group_membership_sign(m, &people[0]));
        return m;
}
