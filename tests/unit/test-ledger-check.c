/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Verifying a stored chain in slices shorter than a block: how often a signature is looked at */
#include "core/ledger/ledger-internal.h"
#include "unit/ledger-fixture.h"

static unsigned n_signatures; /* that were verified */

int __real_sign_verify(const uint8_t key[static PUBLIC_KEY_SIZE], const char *prefix,
        const struct blob *pieces, size_t n, const uint8_t signature[static SIGNATURE_SIZE]);
int __wrap_sign_verify(const uint8_t key[static PUBLIC_KEY_SIZE], const char *prefix,
        const struct blob *pieces, size_t n, const uint8_t signature[static SIGNATURE_SIZE]);

int __wrap_sign_verify(const uint8_t key[static PUBLIC_KEY_SIZE], const char *prefix,
        const struct blob *pieces, size_t n, const uint8_t signature[static SIGNATURE_SIZE])
{
        n_signatures++;
        return __real_sign_verify(key, prefix, pieces, n, signature);
}

static struct ledger *make(void)
{
        struct ledger_options o = { .genesis = &genesis, .random = dice };
        struct ledger *l = NULL;

        ASSERT_OK(ledger_new(&o, &l));
        return l;
}

/* Block 1, in which @n people register. */
static void make_block(struct block *b, unsigned n)
{
        *b = (struct block){ .header = { .height = 1, .total = n, .time_usec = BEGIN_USEC },
                .n_records = n };
        memcpy(b->header.previous, genesis.context.network, HASH_SIZE);
        for (unsigned i = 0; i < n; i++) {
                char name[] = { 'n', 'a', 'm', 'e', (char)('a' + i), 0 };

                b->records[i] = registration(i, name, BEGIN_USEC);
        }
        finish(b, genesis.bits);
}

/* Or whoever fills his blocks would have his names for nothing. */
TEST(a_block_takes_the_work_of_all_its_records)
{
        static uint8_t data[BLOCK_SIZE_MAX];
        static struct block b;
        size_t bad;

        ASSERT_EQ(block_work_bits(4, 1), 4);
        ASSERT_EQ(block_work_bits(4, 2), 5);
        ASSERT_EQ(block_work_bits(4, 3), 6);
        ASSERT_EQ(block_work_bits(4, BLOCK_RECORDS_MAX), 10);
        ASSERT_EQ(block_work_bits(0, BLOCK_RECORDS_MAX), 0);
        for (unsigned n = 2; n < PEOPLE_MAX; n++) {
                unsigned enough = block_work_bits(genesis.bits, n);
                struct ledger *l = make();

                make_block(&b, n);
                ASSERT_TRUE(block_has_work(b.hash, enough));
                do {
                        b.header.nonce++;
                        block_header_hash(&b.header, b.hash);
                } while (!block_has_work(b.hash, enough - 1) || block_has_work(b.hash, enough));
                ASSERT_EQ(ledger_check(l, data, block_encode(&b, data), &bad), LEDGER_INVALID);
                make_block(&b, n);
                ASSERT_OK(ledger_check(l, data, block_encode(&b, data), &bad));
                ledger_free(l);
        }
}

static void verify_all(struct ledger *l, const void *data, size_t size, size_t slice)
{
        size_t first = 0, n;

        do {
                size_t before = first;

                ASSERT_OK(ledger_verify_some(l, data, size, first, slice, &first, &n));
                ASSERT_EQ(n, PEOPLE_MAX);
                ASSERT_EQ(first, MIN(before + slice, n));
        } while (first < n);
}

TEST(what_was_verified_in_slices_is_not_verified_again)
{
        static uint8_t data[BLOCK_SIZE_MAX];
        static struct block b;
        size_t size, bad;

        make_block(&b, PEOPLE_MAX);
        size = block_encode(&b, data);
        for (size_t slice = 1; slice <= PEOPLE_MAX + 1; slice += 5) {
                struct ledger *l = make();

                n_signatures = 0;
                verify_all(l, data, size, slice);
                ASSERT_EQ(n_signatures, PEOPLE_MAX);
                ASSERT_OK(ledger_check(l, data, size, &bad));
                ASSERT_EQ(n_signatures, PEOPLE_MAX);
                ledger_free(l);
        }
}

TEST(a_wrong_signature_is_found_all_the_same)
{
        static uint8_t data[BLOCK_SIZE_MAX];
        static struct block b;

        for (size_t i = 0; i < PEOPLE_MAX; i += 6) {
                struct ledger *l = make();
                size_t size, bad;

                make_block(&b, PEOPLE_MAX);
                b.records[i].signature[5] ^= 1;
                finish(&b, genesis.bits);
                size = block_encode(&b, data);
                verify_all(l, data, size, 3);
                ASSERT_EQ(ledger_check(l, data, size, &bad), LEDGER_NOT_GENUINE);
                ASSERT_EQ(bad, i);
                ledger_free(l);
        }
}

static unsigned set_of(const struct certificate *c)
{
        uint8_t data[CERTIFICATE_SIZE_MAX], whole[HASH_SIZE];

        hash(&(struct blob){ data, certificate_encode(c, data) }, 1, whole);
        return (whole[0] << 8 | whole[1]) % VERIFIED_SETS;
}

/* A block of @n records that are all remembered in one set. How many signatures it takes to verify
 * it ahead, and then to check it. */
static void verify_crowd(unsigned n, unsigned *ret_ahead, unsigned *ret_check)
{
        static uint8_t data[BLOCK_SIZE_MAX];
        static struct block b;
        struct ledger *l = make();
        size_t size, bad, first, n_all;

        make_block(&b, n);
        for (unsigned i = 1; i < n; i++)
                for (usec_t k = 1; set_of(&b.records[i]) != set_of(&b.records[0]); k++) {
                        char name[] = { 'n', 'a', 'm', 'e', (char)('a' + i), 0 };

                        b.records[i] = registration(i, name, BEGIN_USEC + k);
                }
        finish(&b, genesis.bits);
        size = block_encode(&b, data);
        n_signatures = 0;
        ASSERT_OK(ledger_verify_some(l, data, size, 0, n, &first, &n_all));
        *ret_ahead = n_signatures;
        ASSERT_OK(ledger_check(l, data, size, &bad));
        *ret_check = n_signatures - *ret_ahead;
        ledger_free(l);
}

TEST(what_was_driven_out_is_verified_again)
{
        unsigned ahead, check;

        verify_crowd(VERIFIED_WAYS, &ahead, &check);
        ASSERT_EQ(ahead, VERIFIED_WAYS);
        ASSERT_EQ(check, 0);
        /* Each now drives out the next. */
        verify_crowd(VERIFIED_WAYS + 1, &ahead, &check);
        ASSERT_EQ(ahead, VERIFIED_WAYS + 1);
        ASSERT_EQ(check, VERIFIED_WAYS + 1);
}

TEST(malformed_blocks_are_left_to_the_check)
{
        static uint8_t data[BLOCK_SIZE_MAX];
        static struct block b;
        struct ledger *l = make();
        size_t size, bad, first = 7, n = 7;

        make_block(&b, 3);
        size = block_encode(&b, data);
        n_signatures = 0;
        ASSERT_OK(ledger_verify_some(l, data, size - 1, 0, 4, &first, &n));
        ASSERT_EQ(first, 0);
        ASSERT_EQ(n, 0);
        ASSERT_EQ(n_signatures, 0);
        ASSERT_EQ(ledger_check(l, data, size - 1, &bad), LEDGER_INVALID);
        /* Nothing of it, and what is beyond it. */
        ASSERT_OK(ledger_verify_some(l, data, size, 2, 0, &first, &n));
        ASSERT_EQ(first, 2);
        ASSERT_OK(ledger_verify_some(l, data, size, SIZE_MAX, SIZE_MAX, &first, &n));
        ASSERT_EQ(first, 3);
        ASSERT_EQ(n, 3);
        ASSERT_EQ(n_signatures, 0);
        ledger_free(l);
}

TEST_MAIN_WITH(set_up)
