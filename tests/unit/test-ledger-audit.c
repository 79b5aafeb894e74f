/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The stored chain held against itself: what is damaged, missing, another, or should not be there
 */
#include "daemon/ledger-audit.h"
#include "unit/ledger-fixture.h"

#define BLOCKS 5
#define STEPS_MAX 1000

/* What the store has, in order; a size of 0 cannot be read. */
static struct row {
        struct block_record record;
        uint8_t data[BLOCK_SIZE_MAX];
} rows[BLOCKS], genesis_row;
static size_t n_rows;
static bool has_genesis;

int store_load_genesis(struct store *s, store_block_fn fn, void *userdata)
{
        return has_genesis ? fn(&genesis_row.record, userdata) : 0;
}

int store_load_blocks(struct store *s, const uint8_t network[static HASH_SIZE], uint32_t from,
        size_t n_max, store_block_fn fn, void *userdata)
{
        int r = 0;

        for (size_t i = 0; i < n_rows && n_max > 0 && r >= 0; i++)
                if (rows[i].record.height >= from &&
                        memcmp(rows[i].record.network, network, HASH_SIZE) == 0) {
                        r = fn(&rows[i].record, userdata);
                        n_max--;
                }
        return r;
}

static void set_row(struct row *row, const struct block *b)
{
        row->record = (struct block_record){
                .height = b->header.height, .data = row->data, .size = block_encode(b, row->data)
        };
        memcpy(row->record.network, genesis.context.network, HASH_SIZE);
}

/* It comes without bytes then. */
static void damage(size_t i)
{
        rows[i].record.data = NULL;
        rows[i].record.size = 0;
}

static void drop_row(size_t i)
{
        n_rows--;
        for (; i < n_rows; i++) {
                rows[i] = rows[i + 1];
                rows[i].record.data = rows[i].data;
        }
}

/* The chain that has @first as the owner of its first name; @forged: that block has a signature of
 * nobody, 0: none has. */
static void make_chain(struct block blocks[static BLOCKS], unsigned first, unsigned forged)
{
        for (unsigned i = 0; i < BLOCKS; i++) {
                usec_t time_usec = BEGIN_USEC + i * USEC_PER_HOUR;
                char name[] = "name-0";
                struct certificate c;

                name[5] = (char)('0' + i);
                c = registration(first + i, name, time_usec);
                if (i + 1 == forged)
                        c.signature[0] ^= 1;
                blocks[i] = block_behind(i > 0 ? &blocks[i - 1] : NULL, time_usec, &c);
        }
}

/* All of it is stored; the node has the first @n_known. */
static struct ledger *store_chain(const struct block blocks[static BLOCKS], size_t n_known)
{
        struct ledger_options options = { .genesis = &genesis, .random = dice };
        struct ledger *l;

        ASSERT_OK(ledger_new(&options, &l));
        for (size_t i = 0; i < BLOCKS; i++) {
                set_row(&rows[i], &blocks[i]);
                if (i < n_known)
                        ASSERT_OK(ledger_restore(l, rows[i].data, rows[i].record.size, BEGIN_USEC));
        }
        n_rows = BLOCKS;
        genesis_row.record = (struct block_record){ .data = genesis_row.data,
                .size = genesis_encode(&genesis, genesis_row.data) };
        memcpy(genesis_row.record.network, genesis.context.network, HASH_SIZE);
        has_genesis = true;
        return l;
}

static struct audit_result run(struct ledger *l, bool is_built_in)
{
        struct ledger_view view = { .is_there = true, .is_built_in = is_built_in, .ledger = l };
        struct audit_result result;
        unsigned n = 0;
        struct audit *a;
        int r;

        ASSERT_OK(audit_new(NULL, dice, &a));
        do
                r = audit_step(a, &view);
        while (r > 0 && n++ < STEPS_MAX);
        ASSERT_OK(r);
        ASSERT_LT(n, STEPS_MAX);
        result = *audit_result(a);
        audit_free(a);
        return result;
}

static void expect(struct ledger *l, uint64_t n_records, uint64_t n_bad, const char *says)
{
        struct audit_result result = run(l, false);

        ASSERT_EQ(result.n_records, n_records);
        ASSERT_EQ(result.n_bad, n_bad);
        if (!says)
                ASSERT_STREQ(result.first, "");
        else
                ASSERT_TRUE(strstr(result.first, says));
        ledger_free(l);
}

static struct ledger *make_good(size_t n_known)
{
        struct block blocks[BLOCKS];

        make_chain(blocks, 0, 0);
        return store_chain(blocks, n_known);
}

TEST(a_good_chain)
{
        expect(make_good(BLOCKS), BLOCKS, 0, NULL);
}

TEST(no_chain_at_all)
{
        struct ledger *l = make_good(0);

        n_rows = 0;
        expect(l, 0, 0, NULL);
}

TEST(a_block_that_is_damaged)
{
        for (size_t i = 0; i < BLOCKS; i++) {
                struct ledger *l = make_good(BLOCKS);
                char says[64];

                damage(i);
                (void)snprintf(says, sizeof says, "Block %zu is damaged", i + 1);
                expect(l, BLOCKS, 1, says);
        }
}

TEST(two_blocks_that_are_damaged)
{
        struct ledger *l = make_good(BLOCKS);

        damage(1);
        damage(3);
        expect(l, BLOCKS, 2, "Block 2 is damaged");
}

TEST(a_block_that_is_missing)
{
        struct ledger *l = make_good(BLOCKS);

        drop_row(2);
        expect(l, BLOCKS, 1, "Block 3 is missing");
}

TEST(a_block_that_is_another)
{
        struct ledger *l = make_good(BLOCKS);
        struct block blocks[BLOCKS];

        make_chain(blocks, BLOCKS, 0);
        set_row(&rows[2], &blocks[2]);
        expect(l, BLOCKS, 1, "Block 3 is another");
}

TEST(a_signature_of_nobody)
{
        struct block blocks[BLOCKS];

        make_chain(blocks, 0, 4);
        expect(store_chain(blocks, BLOCKS), BLOCKS, 1,
                "Record 1 of block 4, of the name name-3, is bad, for its signature is not "
                "genuine");
}

TEST(the_genesis)
{
        struct ledger *l = make_good(BLOCKS);
        struct audit_result result;

        genesis_row.data[4] ^= 1;
        result = run(l, false);
        ASSERT_EQ(result.n_bad, 1);
        ASSERT_EQ(result.n_records, BLOCKS);
        ASSERT_TRUE(strstr(result.first, "The genesis of test-net is damaged"));
        has_genesis = false;
        result = run(l, false);
        ASSERT_TRUE(strstr(result.first, "The genesis of test-net is missing"));
        result = run(l, true);
        ASSERT_EQ(result.n_bad, 0);
        /* What comes behind it is looked at all the same. */
        damage(0);
        result = run(l, false);
        ASSERT_EQ(result.n_bad, 2);
        ASSERT_TRUE(strstr(result.first, "The genesis"));
        ledger_free(l);
}

TEST(what_is_stored_behind_a_damaged_block)
{
        struct ledger *l = make_good(2);

        damage(2);
        expect(l, BLOCKS, 1, "Block 3 is damaged in the database: it and those behind it");
        l = make_good(2);
        drop_row(2);
        expect(l, BLOCKS, 1, "Block 3 is missing");
        l = make_good(2);
        damage(2);
        damage(3);
        damage(4);
        expect(l, BLOCKS, 3, "Block 3 is damaged");
        l = make_good(0);
        damage(0);
        damage(2);
        expect(l, BLOCKS, 2, "Block 1 is damaged");
        /* One that can be read, and was not taken. */
        expect(make_good(2), BLOCKS, 1, "Block 3 does not follow");
}

TEST(the_chain_becomes_another_meanwhile)
{
        struct ledger_view view = { .is_there = true };
        struct block blocks[BLOCKS];

        for (unsigned n_before = 0; n_before < 20; n_before++) {
                struct ledger *l = make_good(BLOCKS), *other;
                struct audit *a;
                int r = 1;

                ASSERT_OK(audit_new(NULL, dice, &a));
                view.ledger = l;
                for (unsigned i = 0; i < n_before && r > 0; i++)
                        r = audit_step(a, &view);
                make_chain(blocks, BLOCKS, 0);
                other = store_chain(blocks, BLOCKS);
                view.ledger = other;
                do
                        r = audit_step(a, &view);
                while (r > 0);
                ASSERT_OK(r);
                ASSERT_EQ(audit_result(a)->n_records, BLOCKS);
                ASSERT_STREQ(audit_result(a)->first, "");
                audit_free(a);
                ledger_free(l);
                ledger_free(other);
        }
}

TEST(the_chain_grows_meanwhile)
{
        struct ledger_view view = { .is_there = true };
        struct block blocks[BLOCKS];
        struct ledger *shorter = make_good(3), *longer;
        struct audit *a;

        make_chain(blocks, 0, 0);
        n_rows = 3;
        view.ledger = shorter;
        ASSERT_OK(audit_new(NULL, dice, &a));
        for (unsigned i = 0; i < 5; i++)
                ASSERT_EQ(audit_step(a, &view), 1);
        longer = store_chain(blocks, BLOCKS);
        view.ledger = longer;
        while (audit_step(a, &view) > 0)
                ;
        ASSERT_EQ(audit_result(a)->n_records, BLOCKS);
        ASSERT_EQ(audit_result(a)->n_bad, 0);
        audit_free(a);
        ledger_free(shorter);
        ledger_free(longer);
}

TEST_MAIN_WITH(set_up)
