/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records, blocks, and a member of the ledger that is spoken to
 *
 * The first byte says which: 0 a record, 1 a block, 2 a genesis; else an engine, which is said
 * messages of a 16-bit size each, in turns by two peers.
 */
#include "base/cursor.h"
#include "core/crypto/random.h"
#include "core/ledger/ledger.h"
#include "fuzz.h"

static void must(bool x)
{
        if (!x)
                abort();
}

/* Whatever decodes encodes to the same bytes. */
static void try_record(const uint8_t *data, size_t size)
{
        uint8_t again[CERTIFICATE_SIZE_MAX];
        struct certificate_context x = { .n_registrars = 0 };
        struct certificate c;

        if (certificate_decode(data, size, &c) != 0)
                return;
        must(certificate_encode(&c, again) == size && memcmp(again, data, size) == 0);
        (void)certificate_verify(&c, &x);
}

static void try_block(const uint8_t *data, size_t size)
{
        uint8_t again[BLOCK_SIZE_MAX];
        struct block_proof p;
        struct block b;

        if (block_decode(data, size, &b) != 0)
                return;
        must(block_encode(&b, again) == size && memcmp(again, data, size) == 0);
        block_prove(&b, b.n_records - 1, &p);
        must(block_proof_check(&p, &b.records[b.n_records - 1], b.header.root));
}

static void try_genesis(const uint8_t *data, size_t size)
{
        uint8_t again[GENESIS_SIZE_MAX];
        struct genesis g;

        if (genesis_decode(data, size, &g) != 0)
                return;
        must(genesis_encode(&g, again) == size && memcmp(again, data, size) == 0);
}

static void drain(struct ledger *l)
{
        struct ledger_effect e;

        while (ledger_next_effect(l, &e))
                must(e.size <= LEDGER_MESSAGE_SIZE_MAX);
}

static void try_engine(const uint8_t *data, size_t size)
{
        struct genesis g = { .name = "fuzz", .bits = 0 };
        struct now now = { .mono_usec = USEC_PER_DAY, .real_usec = 20000 * USEC_PER_DAY };
        struct ledger_peer peers[2] = { { { 1 } }, { { 2 } } };
        struct reader r = reader_make(data, size);
        struct ledger_options o = { .genesis = &g };
        struct ledger *l;

        if (random_new_seeded(1, &o.random) < 0 || ledger_new(&o, &l) < 0)
                abort();
        for (unsigned i = 0; i < 2; i++)
                must(ledger_connected(l, &peers[i], &now) == 0);
        for (unsigned i = 0; r.left > 0; i++) {
                size_t n;
                const uint8_t *message = reader_blob(&r, &n);

                if (!message)
                        break;
                must(ledger_receive(l, &peers[i % 2], message, n, &now) == 0);
                drain(l);
                now.mono_usec += USEC_PER_SEC;
                now.real_usec += USEC_PER_SEC;
                must(ledger_advance(l, &now) == 0);
                must(ledger_mine(l, 2, &now) == 0);
                drain(l);
        }
        ledger_free(l);
        random_free(o.random);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        bool is_locked;

        if (size == 0 || crypto_init(&is_locked) < 0)
                return 0;
        if (data[0] == 0)
                try_record(data + 1, size - 1);
        else if (data[0] == 1)
                try_block(data + 1, size - 1);
        else if (data[0] == 2)
                try_genesis(data + 1, size - 1);
        else
                try_engine(data + 1, size - 1);
        return 0;
}
