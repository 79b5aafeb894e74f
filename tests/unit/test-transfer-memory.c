/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Transfers: each allocation fails once; what comes out is -ENOMEM, and nothing leaks */
#include "lib/failing-memory.h"
#include "unit/transfer-fixture.h"

#define TRY(x)                                                                                     \
        do {                                                                                       \
                int _r = (x);                                                                      \
                                                                                                   \
                if (_r != 0)                                                                       \
                        return _r;                                                                 \
        } while (0)

static int hear(const struct transfer_wire *m)
{
        transfer_wire_encode(m, bytes);
        return transfer_receive(engine, &ada, bytes, transfer_wire_size(m), &now);
}

/* One comes, from its offer to its end. */
static int take(void)
{
        uint8_t h[HASH_SIZE];
        struct transfer_id id = id_of(1);
        struct transfer_wire m = { .kind = TRANSFER_WIRE_OFFER,
                .id = id,
                .size = 100,
                .hash = h,
                .name = "file",
                .name_size = 4 };

        hash_of_zeros(100, h);
        TRY(transfer_connected(engine, &ada, &now));
        TRY(hear(&m));
        TRY(accept_it(1));
        m = (struct transfer_wire){
                .kind = TRANSFER_WIRE_CHUNK, .id = id, .data = zeros, .data_size = 100
        };
        TRY(hear(&m));
        (void)done();
        TRY(transfer_written(engine, &effects[TRANSFER_WRITE].ref, 100, &now));
        (void)done();
        TRY(transfer_verified(engine, &effects[TRANSFER_VERIFY].ref, h, &now));
        TRY(transfer_gone(engine, &ada, &now));
        TRY(transfer_connected(engine, &ada, &now));
        m = (struct transfer_wire){ .kind = TRANSFER_WIRE_ENDED, .id = id };
        TRY(hear(&m));
        TRY(transfer_taken(engine, &id, &now));
        (void)done();
        return 0;
}

/* Some go; one fails, one is cancelled, one expires, one is restored. */
static int give(void)
{
        struct transfer_record r = { .id = id_of(9),
                .peer = bob,
                .state = TRANSFER_ACCEPTED,
                .size = 100,
                .done = 100,
                .name = "file",
                .until_usec = UINT64_MAX };
        struct transfer_wire m = { .kind = TRANSFER_WIRE_WANT, .id = id_of(2), .end = 100 };

        TRY(transfer_restore(engine, &r, &now));
        TRY(offer(&ada, 2, "file", 100));
        TRY(offer(&ada, 3, "file", 100));
        TRY(offer(&bob, 4, "file", 100));
        TRY(transfer_connected(engine, &ada, &now));
        TRY(hear(&m));
        if (transfer_next_chunk(engine, &ada, &load))
                TRY(transfer_loaded(engine, &load.ref, zeros, load.size, &now));
        m.end = 99;
        TRY(hear(&m));
        TRY(cancel(3));
        now.mono_usec += TRANSFER_USEC;
        TRY(transfer_advance(engine, &now));
        (void)done();
        return 0;
}

static int live(int (*course)(void))
{
        int r;

        now = (struct now){ .mono_usec = USEC_PER_DAY, .real_usec = 20000 * USEC_PER_DAY };
        r = transfer_new(dice, &engine);
        if (r < 0)
                return r;
        r = course();
        /* Whoever goes on all the same does no harm. */
        if (r < 0) {
                (void)done();
                ASSERT_EQ(transfer_advance(engine, &now), r);
                (void)done();
        }
        engine = transfer_free(engine);
        return r;
}

static size_t starve(int (*course)(void))
{
        size_t n;

        for (n = 1;; n++) {
                int r;

                n_allocations = 0;
                fail_at = n;
                r = live(course);
                fail_at = SIZE_MAX;
                if (r == 0)
                        return n;
                ASSERT_EQ(r, -ENOMEM);
        }
}

TEST(one_comes)
{
        ASSERT_GT(starve(take), 15);
}

TEST(some_go)
{
        ASSERT_GT(starve(give), 20);
}

TEST_MAIN_WITH(transfer_set_up)
