/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * People with keys, their records, and blocks made by hand
 */
#include "core/crypto/random.h"
#include "core/ledger/ledger.h"
#include "lib/test.h"

#define PEOPLE_MAX 20
#define BEGIN_USEC (20000 * USEC_PER_DAY)

static struct random *dice;
static struct identity people[PEOPLE_MAX];
static struct genesis genesis, registrar_genesis;

__attribute__((unused)) static struct certificate record_of(enum certificate_kind kind,
        unsigned who, const char *name, usec_t time_usec, const struct genesis *g)
{
        struct certificate c = { .kind = kind, .time_usec = time_usec };

        memcpy(c.name, name, strlen(name));
        memcpy(c.successor, people[(who + 1) % PEOPLE_MAX].public_key, PUBLIC_KEY_SIZE);
        if (kind != CERTIFICATE_REVOKE_SUCCESSOR)
                memset(c.successor, 0, sizeof c.successor);
        ASSERT_OK(certificate_sign(&c, &people[who], &g->context));
        return c;
}

__attribute__((unused)) static struct certificate registration(
        unsigned who, const char *name, usec_t time_usec)
{
        return record_of(CERTIFICATE_REGISTER, who, name, time_usec, &genesis);
}

/* Root, work and hash of a block whose header is otherwise set. */
__attribute__((unused)) static void finish(struct block *b, unsigned bits)
{
        block_seal(b);
        while (!block_search(b, bits, 1000))
                ;
}

/* A block with one record behind @previous, or behind the genesis. */
__attribute__((unused)) static struct block block_behind(
        const struct block *previous, usec_t time_usec, const struct certificate *c)
{
        struct block b = { .header = { .height = 1, .total = 1, .time_usec = time_usec },
                .n_records = 1 };

        memcpy(b.header.previous, genesis.context.network, HASH_SIZE);
        if (previous) {
                b.header.height = previous->header.height + 1;
                b.header.total = previous->header.total + 1;
                memcpy(b.header.previous, previous->hash, HASH_SIZE);
        }
        b.records[0] = *c;
        finish(&b, genesis.bits);
        return b;
}

static int set_up(void)
{
        uint8_t data[GENESIS_SIZE_MAX];
        bool is_locked;

        if (crypto_init(&is_locked) < 0 || random_new_seeded(1, &dice) < 0)
                return TEST_SKIP;
        for (unsigned i = 0; i < PEOPLE_MAX; i++) {
                uint8_t seed[IDENTITY_SEED_SIZE];

                random_bytes(dice, seed, sizeof seed);
                ASSERT_OK(identity_init(&people[i], seed));
        }
        genesis = (struct genesis){ .name = "test-net", .bits = 4 };
        registrar_genesis = (struct genesis){ .name = "office" };
        memcpy(registrar_genesis.context.registrars[0], people[0].public_key, PUBLIC_KEY_SIZE);
        memcpy(registrar_genesis.context.registrars[1], people[1].public_key, PUBLIC_KEY_SIZE);
        registrar_genesis.context.n_registrars = 2;
        (void)genesis_encode(&genesis, data);
        (void)genesis_encode(&registrar_genesis, data);
        return 0;
}
