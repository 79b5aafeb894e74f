/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ledger's records, blocks, proofs and messages as bytes */
#include "base/encode.h"
#include "core/ledger/gossip.h"
#include "unit/ledger-fixture.h"

/* Short points of Ed25519, at which the library would end the process: see test-sign.c. */
static const uint8_t short_key[PUBLIC_KEY_SIZE] = { 1 };

static struct certificate sample(unsigned i)
{
        struct certificate c;

        if (i == 0)
                return registration(2, "Ece", BEGIN_USEC);
        if (i == 1)
                return record_of(CERTIFICATE_REVOKE, 3, "a-name_of20character", 7, &genesis);
        if (i == 2)
                return record_of(CERTIFICATE_REVOKE_SUCCESSOR, 4, "bob", UINT64_MAX, &genesis);
        c = record_of(CERTIFICATE_REGISTER, 5, "Chloe", BEGIN_USEC, &registrar_genesis);
        ASSERT_OK(certificate_approve(&c, &people[1], &registrar_genesis.context));
        return c;
}
#define SAMPLES 4

static const struct certificate_context *context_of(unsigned i)
{
        return i == 3 ? &registrar_genesis.context : &genesis.context;
}

TEST(a_record_comes_back_as_it_was)
{
        for (unsigned i = 0; i < SAMPLES; i++) {
                struct certificate c = sample(i), back;
                uint8_t data[CERTIFICATE_SIZE_MAX], again[CERTIFICATE_SIZE_MAX];
                size_t size = certificate_encode(&c, data);

                ASSERT_OK(certificate_decode(data, size, &back));
                ASSERT_EQ(certificate_encode(&back, again), size);
                ASSERT_MEMEQ(data, again, size);
                ASSERT_MEMEQ(back.id, c.id, HASH_SIZE);
                ASSERT_STREQ(back.name, c.name);
                ASSERT_OK(certificate_verify(&back, context_of(i)));
        }
}

/* Whatever decodes encodes to itself, and is genuine only if nothing was changed. */
static void assert_altered(const uint8_t *data, size_t size, unsigned i)
{
        uint8_t again[CERTIFICATE_SIZE_MAX];
        struct certificate back;

        if (certificate_decode(data, size, &back) != 0)
                return;
        ASSERT_EQ(certificate_encode(&back, again), size);
        ASSERT_MEMEQ(again, data, size);
        ASSERT_GT(certificate_verify(&back, context_of(i)), 0);
}

TEST(altered_records_are_refused)
{
        for (unsigned i = 0; i < SAMPLES; i++) {
                struct certificate c = sample(i), back;
                uint8_t data[2 * CERTIFICATE_SIZE_MAX];
                size_t size = certificate_encode(&c, data);

                for (size_t k = 0; k < 8 * size; k++) {
                        data[k / 8] ^= 1 << k % 8;
                        assert_altered(data, size, i);
                        data[k / 8] ^= 1 << k % 8;
                }
                for (size_t k = 0; k < size; k++)
                        ASSERT_EQ(certificate_decode(data, k, &back), CERTIFICATE_MALFORMED);
                memcpy(data + size, data, size);
                for (size_t k = 1; k <= size; k++)
                        ASSERT_EQ(certificate_decode(data, size + k, &back), CERTIFICATE_MALFORMED);
        }
}

TEST(a_signature_does_not_make_another_record)
{
        struct certificate c = sample(3), d = c;

        ASSERT_OK(certificate_approve(&d, &people[0], &registrar_genesis.context));
        ASSERT_TRUE(memcmp(c.registrar_signature, d.registrar_signature, SIGNATURE_SIZE) != 0);
        ASSERT_MEMEQ(c.id, d.id, HASH_SIZE);
        ASSERT_OK(certificate_verify(&d, &registrar_genesis.context));
}

TEST(a_record_counts_in_its_network_only)
{
        struct certificate c = sample(0), d = sample(3);
        struct genesis other = genesis;
        uint8_t data[GENESIS_SIZE_MAX];

        other.bits++;
        (void)genesis_encode(&other, data);
        ASSERT_EQ(certificate_verify(&c, &other.context), CERTIFICATE_NOT_GENUINE);
        ASSERT_EQ(certificate_verify(&d, &genesis.context), CERTIFICATE_NOT_GENUINE);
}

TEST(where_there_are_registrars_one_must_have_signed)
{
        struct certificate c =
                record_of(CERTIFICATE_REGISTER, 5, "Chloe", BEGIN_USEC, &registrar_genesis);
        struct certificate r =
                record_of(CERTIFICATE_REVOKE, 5, "Chloe", BEGIN_USEC, &registrar_genesis);

        ASSERT_EQ(certificate_verify(&c, &registrar_genesis.context), CERTIFICATE_NOT_APPROVED);
        ASSERT_OK(certificate_verify(&r, &registrar_genesis.context));
        ASSERT_EQ(certificate_approve(&c, &people[2], &registrar_genesis.context),
                CERTIFICATE_BAD_KEY);
        ASSERT_OK(certificate_approve(&c, &people[0], &registrar_genesis.context));
        c.registrar = 1;
        ASSERT_EQ(certificate_verify(&c, &registrar_genesis.context), CERTIFICATE_NOT_GENUINE);
        c.registrar = 2;
        ASSERT_EQ(certificate_verify(&c, &registrar_genesis.context), CERTIFICATE_NOT_APPROVED);
}

TEST(bad_keys_never_reach_the_library)
{
        struct certificate c = sample(2);
        uint8_t data[GENESIS_SIZE_MAX];
        struct genesis g = registrar_genesis, back;

        memcpy(c.successor, short_key, sizeof short_key);
        ASSERT_EQ(certificate_verify(&c, &genesis.context), CERTIFICATE_BAD_KEY);
        c = sample(0);
        memcpy(c.public_key, short_key, sizeof short_key);
        ASSERT_EQ(certificate_verify(&c, &genesis.context), CERTIFICATE_BAD_KEY);
        memcpy(g.context.registrars[1], short_key, sizeof short_key);
        ASSERT_EQ(genesis_decode(data, genesis_encode(&g, data), &back), -EINVAL);
}

static void make_block(struct block *b, size_t n)
{
        static const char *const names[] = { "ece", "bob", "chloe" };

        memset(b, 0, sizeof *b);
        b->header = (struct block_header){ .height = 7, .time_usec = BEGIN_USEC, .total = n };
        memset(b->header.previous, 9, HASH_SIZE);
        for (size_t i = 0; i < n; i++)
                b->records[i] = registration(i % PEOPLE_MAX, names[i % 3], BEGIN_USEC + i);
        b->n_records = n;
        finish(b, 8);
}

TEST(a_block_comes_back_as_it_was)
{
        static struct block b, back;
        static uint8_t data[BLOCK_SIZE_MAX], again[BLOCK_SIZE_MAX];

        for (size_t n = 1; n <= BLOCK_RECORDS_MAX; n += n < 4 ? 1 : 20) {
                size_t size;

                make_block(&b, n);
                size = block_encode(&b, data);
                ASSERT_OK(block_decode(data, size, &back));
                ASSERT_EQ(block_encode(&back, again), size);
                ASSERT_MEMEQ(data, again, size);
                ASSERT_MEMEQ(back.hash, b.hash, HASH_SIZE);
                ASSERT_TRUE(block_has_work(back.hash, 8));
        }
}

/* Every bit of a block is covered by its hash: what still decodes has another. */
TEST(altered_blocks_are_refused)
{
        static struct block b, back;
        static uint8_t data[2 * BLOCK_SIZE_MAX];
        size_t size;

        make_block(&b, 3);
        size = block_encode(&b, data);
        for (size_t k = 0; k < 8 * size; k++) {
                data[k / 8] ^= 1 << k % 8;
                if (block_decode(data, size, &back) == 0) {
                        ASSERT_LT(k / 8, BLOCK_HEADER_SIZE);
                        ASSERT_TRUE(memcmp(back.hash, b.hash, HASH_SIZE) != 0);
                }
                data[k / 8] ^= 1 << k % 8;
        }
        for (size_t k = 0; k < size; k++)
                ASSERT_EQ(block_decode(data, k, &back), -EINVAL);
        memcpy(data + size, data, size);
        for (size_t k = 1; k <= size; k += 7)
                ASSERT_EQ(block_decode(data, size + k, &back), -EINVAL);
}

/* RFC 6962, 2.1: of three leaves, H(1, H(1, a, b), c). */
TEST(the_root_is_that_of_the_rfc)
{
        static struct block b;
        uint8_t leaves[3][1 + CERTIFICATE_SIZE_MAX], nodes[3][1 + 2 * HASH_SIZE], root[HASH_SIZE];

        make_block(&b, 3);
        for (size_t i = 0; i < 3; i++) {
                size_t size = certificate_encode(&b.records[i], leaves[i] + 1);

                leaves[i][0] = 0;
                hash(&(struct blob){ leaves[i], 1 + size }, 1,
                        i < 2 ? nodes[0] + 1 + i * HASH_SIZE : nodes[1] + 1 + HASH_SIZE);
        }
        nodes[0][0] = nodes[1][0] = 1;
        hash(&(struct blob){ nodes[0], sizeof nodes[0] }, 1, nodes[1] + 1);
        hash(&(struct blob){ nodes[1], sizeof nodes[1] }, 1, root);
        ASSERT_MEMEQ(root, b.header.root, HASH_SIZE);
}

TEST(proofs_hold_for_their_record_only)
{
        static struct block b;

        for (size_t n = 1; n <= BLOCK_RECORDS_MAX; n = n < 9 ? n + 1 : 2 * n - 2) {
                make_block(&b, n);
                for (size_t i = 0; i < n; i++) {
                        struct block_proof p;

                        block_prove(&b, i, &p);
                        for (size_t k = 0; k < n; k++)
                                ASSERT_EQ(block_proof_check(&p, &b.records[k], b.header.root),
                                        i == k);
                        for (size_t k = 0; k < p.n_steps; k++) {
                                p.steps[k][5] ^= 4;
                                ASSERT_FALSE(block_proof_check(&p, &b.records[i], b.header.root));
                                p.steps[k][5] ^= 4;
                        }
                        p.n_records++;
                        p.n_steps++;
                        ASSERT_FALSE(p.n_steps <= PROOF_STEPS_MAX &&
                                     block_proof_check(&p, &b.records[i], b.header.root));
                }
        }
}

TEST(work_is_counted_in_bits)
{
        uint8_t hash[HASH_SIZE] = { 0, 0x10 };

        ASSERT_TRUE(block_has_work(hash, 0));
        ASSERT_TRUE(block_has_work(hash, 11));
        ASSERT_FALSE(block_has_work(hash, 12));
}

/* What is hashed is the header with that nonce, also where a byte of it, or all, begin anew. */
TEST(nonces_are_tried_one_after_the_other)
{
        static const uint64_t first[] = { 0, 0xfe, 0xfffe, UINT32_MAX - UINT64_C(1),
                UINT64_MAX - 1 };
        static struct block b;
        uint8_t expected[HASH_SIZE];

        make_block(&b, 1);
        for (size_t i = 0; i < ELEMENTSOF(first); i++)
                for (unsigned n = 1; n < 5; n++) {
                        b.header.nonce = first[i] + n - 1;
                        block_header_hash(&b.header, expected);
                        b.header.nonce = first[i];
                        ASSERT_FALSE(block_search(&b, WORK_BITS_MAX, n));
                        ASSERT_EQ(b.header.nonce, first[i] + n);
                        ASSERT_MEMEQ(b.hash, expected, HASH_SIZE);
                }
        while (!block_search(&b, 8, 10))
                ;
        block_header_hash(&b.header, expected);
        ASSERT_MEMEQ(b.hash, expected, HASH_SIZE);
        ASSERT_TRUE(block_has_work(b.hash, 8));
}

TEST(a_genesis_comes_back_and_names_its_network)
{
        uint8_t data[2 * GENESIS_SIZE_MAX];
        char word[GENESIS_WORD_SIZE], other[GENESIS_WORD_SIZE];
        struct genesis back;
        size_t size = genesis_encode(&registrar_genesis, data);

        ASSERT_OK(genesis_decode(data, size, &back));
        ASSERT_EQ(back.context.n_registrars, 2);
        ASSERT_MEMEQ(back.context.network, registrar_genesis.context.network, HASH_SIZE);
        genesis_word(&registrar_genesis, word);
        ASSERT_EQ(strlen(word), strlen("office#") + 26);
        for (size_t k = 0; k < 8 * size; k++) {
                data[k / 8] ^= 1 << k % 8;
                if (genesis_decode(data, size, &back) == 0) {
                        genesis_word(&back, other);
                        ASSERT_FALSE(streq(word, other));
                }
                data[k / 8] ^= 1 << k % 8;
        }
        for (size_t k = 0; k < size; k++)
                ASSERT_EQ(genesis_decode(data, k, &back), -EINVAL);
        ASSERT_EQ(genesis_decode(data, size + 1, &back), -EINVAL);
        /* Work where registrars sign; a registrar twice. */
        back = registrar_genesis;
        back.bits = 3;
        ASSERT_EQ(genesis_decode(data, genesis_encode(&back, data), &back), -EINVAL);
        back = registrar_genesis;
        memcpy(back.context.registrars[1], back.context.registrars[0], PUBLIC_KEY_SIZE);
        ASSERT_EQ(genesis_decode(data, genesis_encode(&back, data), &back), -EINVAL);
}

/* Another word is another network: everybody's names would be gone. */
TEST(the_built_in_network_never_changes)
{
        uint8_t data[GENESIS_SIZE_MAX];
        char word[GENESIS_WORD_SIZE];
        struct genesis g, back;

        genesis_built_in(&g);
        genesis_word(&g, word);
        ASSERT_STREQ(word, "p2pchat#vnkc7rckpjmyayvwt65awvegsy");
        ASSERT_OK(genesis_decode(data, genesis_encode(&g, data), &back));
        ASSERT_STREQ(back.name, "p2pchat");
        ASSERT_EQ(back.bits, 22);
        ASSERT_EQ(back.context.n_registrars, 0);
        ASSERT_MEMEQ(back.context.network, g.context.network, HASH_SIZE);
}

TEST(messages_are_bounded)
{
        static uint8_t data[LEDGER_MESSAGE_SIZE_MAX + 1];
        struct block_header header = { .height = 3, .total = 5 }, got;
        struct wanted wanted[GOSSIP_LOCATOR_MAX] = { { .height = 4 } }, w;
        struct gossip m;
        size_t size = gossip_tip(genesis.context.network, &header, data);

        ASSERT_OK(gossip_decode(data, size, &m));
        ASSERT_TRUE(m.has_header);
        ASSERT_EQ(m.header.total, 5);
        for (size_t k = 0; k < size; k++)
                if (k != 1 + HASH_SIZE)
                        ASSERT_EQ(gossip_decode(data, k, &m), GOSSIP_MALFORMED);
        size = gossip_get_headers(wanted, GOSSIP_LOCATOR_MAX, data);
        ASSERT_OK(gossip_decode(data, size, &m));
        gossip_wanted(&m, 0, &w);
        ASSERT_EQ(w.height, 4);
        data[1]++;
        ASSERT_EQ(gossip_decode(data, size + 4 + HASH_SIZE, &m), GOSSIP_MALFORMED);
        size = gossip_one(GOSSIP_GET_BLOCK, wanted, data);
        ASSERT_OK(gossip_decode(data, size, &m));
        ASSERT_EQ(gossip_decode(data, size + 1, &m), GOSSIP_MALFORMED);
        data[0] = GOSSIP_HEADERS;
        data[1] = 650 >> 8;
        data[2] = 650 & 255;
        block_header_encode(&header, data + 3);
        ASSERT_OK(gossip_decode(data, 3 + 650 * BLOCK_HEADER_SIZE, &m));
        ASSERT_TRUE(gossip_header(&m, 0, &got));
        ASSERT_FALSE(gossip_header(&m, 649, &got));
        data[2]++;
        ASSERT_EQ(gossip_decode(data, 3 + 651 * BLOCK_HEADER_SIZE, &m), GOSSIP_MALFORMED);
        data[0] = 77;
        ASSERT_EQ(gossip_decode(data, 10, &m), GOSSIP_UNKNOWN);
        ASSERT_EQ(gossip_decode(data, sizeof data, &m), GOSSIP_MALFORMED);
        ASSERT_EQ(gossip_decode(data, 0, &m), GOSSIP_MALFORMED);
}

TEST_MAIN_WITH(set_up)
