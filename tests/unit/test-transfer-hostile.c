/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Transfers: peers that break the rules, one by one */
#include "core/transfer/transfer-internal.h"
#include "unit/transfer-fixture.h"

#define BROKEN "store, discard, finished 11, send end 11"

/* What a sender may not do */

TEST(more_than_was_offered)
{
        begin_taking(CHUNK);
        say_chunk(&ada, 1, 0, CHUNK);
        ASSERT_STREQ(done(), "write 0 15360");
        say_chunk(&ada, 1, CHUNK, 1);
        ASSERT_STREQ(done(), BROKEN);
        finish();
        /* In one piece; while it is hashed. */
        begin_taking(CHUNK);
        say_chunk(&ada, 1, 0, CHUNK + 1);
        ASSERT_STREQ(done(), BROKEN);
        finish();
        begin_taking(CHUNK);
        say_chunk(&ada, 1, 0, CHUNK);
        (void)done();
        written(CHUNK);
        (void)done();
        say_chunk(&ada, 1, 0, CHUNK);
        ASSERT_STREQ(done(), BROKEN);
        finish();
}

TEST(more_than_was_asked_for)
{
        begin_taking(1000000);
        for (uint64_t i = 0; i < 4; i++)
                say_chunk(&ada, 1, i * CHUNK, CHUNK);
        (void)done();
        say_chunk(&ada, 1, 4 * CHUNK, CHUNK);
        ASSERT_STREQ(done(), BROKEN);
        finish();
}

TEST(at_another_place)
{
        static const uint64_t offsets[] = { 1, CHUNK, 2 * CHUNK };

        for (size_t i = 0; i < ELEMENTSOF(offsets); i++) {
                begin_taking(1000000);
                say_chunk(&ada, 1, offsets[i], CHUNK);
                ASSERT_STREQ(done(), BROKEN);
                finish();
        }
        /* Twice. */
        begin_taking(1000000);
        say_chunk(&ada, 1, 0, CHUNK);
        (void)done();
        say_chunk(&ada, 1, 0, CHUNK);
        ASSERT_STREQ(done(), BROKEN);
        finish();
}

/* Each of them would cost a commit. */
TEST(in_crumbs)
{
        begin_taking(1000000);
        say_chunk(&ada, 1, 0, 1);
        ASSERT_STREQ(done(), BROKEN);
        finish();
}

TEST(chunks_that_nobody_asked_for)
{
        begin();
        connect(&ada);
        say_chunk(&ada, 1, 0, 10);
        ASSERT_STREQ(done(), "");
        say_offer(&ada, 1, "file", 10);
        (void)done();
        say_chunk(&ada, 1, 0, 10);
        /* Nobody decided on it, so it leaves no trace. */
        ASSERT_STREQ(done(), "forget, discard, finished 11, send end 11");
        say_offer(&ada, 2, "file", 10);
        say_end(&ada, 2, TRANSFER_CANCELLED);
        (void)done();
        say_chunk(&ada, 2, 0, 10);
        ASSERT_STREQ(done(), "");
        finish();
        /* On its way when we cancelled. */
        begin_taking(10);
        ASSERT_OK(cancel(1));
        (void)done();
        say_chunk(&ada, 1, 0, 10);
        ASSERT_STREQ(done(), "");
        finish();
}

TEST(an_offer_that_changes)
{
        begin();
        connect(&ada);
        say_offer(&ada, 1, "file", 1000);
        (void)done();
        say_offer(&ada, 1, "file", 1000);
        ASSERT_STREQ(done(), "");
        say_offer(&ada, 1, "file", 1001);
        ASSERT_STREQ(done(), "forget, discard, finished 11, send end 11");
        finish();
        begin_taking(1000);
        say_offer(&ada, 1, "file", 1000);
        ASSERT_STREQ(done(), "");
        say_offer(&ada, 1, "elif", 1000);
        ASSERT_STREQ(done(), BROKEN);
        finish();
        begin_taking(1000);
        say_offer(&ada, 1, "file2", 1000);
        ASSERT_STREQ(done(), BROKEN);
        finish();
        /* Another hash. */
        begin_taking(TRANSFER_CHUNK_MAX);
        transfer_wire_encode(&(struct transfer_wire){ .kind = TRANSFER_WIRE_OFFER,
                                     .id = id_of(1),
                                     .size = TRANSFER_CHUNK_MAX,
                                     .hash = zeros,
                                     .name = "file",
                                     .name_size = 4 },
                bytes);
        ASSERT_OK(transfer_receive(engine, &ada, bytes, 58 + 4, &now));
        ASSERT_STREQ(done(), BROKEN);
        finish();
}

static void say_offer_of_name(const char *name, size_t name_size)
{
        struct transfer_wire m = { .kind = TRANSFER_WIRE_OFFER,
                .id = id_of(1),
                .size = 1,
                .hash = zeros,
                .name = name,
                .name_size = name_size };

        say(&ada, &m);
}

TEST(names_that_are_none)
{
        static const struct {
                const char *name;
                size_t size;
        } bad[] = { { "", 0 }, { ".", 1 }, { "..", 2 }, { "../x", 4 }, { "/etc/passwd", 11 },
                { "a/", 2 }, { "a\0b", 3 }, { "a\nb", 3 }, { "\x1b[2J", 4 },
                { "gpj\xe2\x80\xae.exe", 10 }, { "\xff", 1 }, { "   ", 3 } };

        begin();
        connect(&ada);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                say_offer_of_name(bad[i].name, bad[i].size);
                ASSERT_STREQ(done(), "send end 10");
                ASSERT_EQ(state_of(1), 0);
        }
        /* With one that is good it may come all the same. */
        say_offer_of_name("x", 1);
        ASSERT_STREQ(done(), "store, news");
        /* And is then no more what it was. */
        say_offer_of_name("..", 2);
        ASSERT_STREQ(done(), "forget, discard, finished 11, send end 11");
        finish();
}

TEST(sizes_that_are_none)
{
        begin();
        connect(&ada);
        say_offer(&ada, 1, "file", TRANSFER_FILE_SIZE_MAX + 1);
        ASSERT_STREQ(done(), "send end 10");
        say_offer(&ada, 1, "file", UINT64_MAX);
        ASSERT_STREQ(done(), "send end 10");
        say_offer(&ada, 1, "file", TRANSFER_FILE_SIZE_MAX);
        ASSERT_STREQ(done(), "store, news");
        finish();
}

TEST(a_thousand_offers)
{
        begin();
        connect(&ada);
        for (unsigned i = 0; i < 1000; i++) {
                say_offer(&ada, i, "file", 10);
                ASSERT_STREQ(done(), i < TRANSFER_OPEN_MAX ? "store, news" : "send end 9");
        }
        /* Nobody else notices. */
        connect(&bob);
        say_offer(&bob, 2000, "file", 10);
        ASSERT_STREQ(done(), "store, news");
        finish();
}

/* Each new one is a commit and a signal. */
TEST(offers_that_come_and_go)
{
        unsigned n = 0;

        begin();
        connect(&ada);
        for (unsigned i = 0; i < 1000; i++) {
                say_offer(&ada, i, "file", 10);
                n += streq(done(), "store, news");
                say_end(&ada, i, TRANSFER_CANCELLED);
                (void)done();
        }
        ASSERT_EQ(n, TRANSFER_OFFERS_BURST);
        now.mono_usec += USEC_PER_MINUTE;
        say_offer(&ada, 1, "file", 10);
        ASSERT_STREQ(done(), "store, news");
        finish();
}

/* Many strangers: those who have most lose one, until all have the same. */
TEST(offers_of_a_crowd)
{
        struct transfer_peer peer = { { 0 } };
        unsigned n = 0;

        begin();
        for (unsigned i = 0; i < 50; i++) {
                peer.bytes[1] = (uint8_t)i;
                connect(&peer);
                for (unsigned k = 0; k < TRANSFER_OPEN_MAX; k++)
                        say_offer(&peer, ++n, "file", 10);
                (void)done();
        }
        ASSERT_EQ(engine->n_undecided, TRANSFER_UNDECIDED_MAX);
        connect(&bob);
        for (unsigned i = 0; i < 10; i++) {
                say_offer(&bob, ++n, "file", 10);
                ASSERT_STREQ(done(), "forget, discard, finished 9, send end 9, store, news");
        }
        ASSERT_EQ(engine->n_undecided, TRANSFER_UNDECIDED_MAX);
        finish();
}

/* Somebody else's. */
TEST(an_id_of_another_peer)
{
        begin_taking(1000000);
        connect(&bob);
        say_offer(&bob, 1, "file", 1000000);
        ASSERT_STREQ(done(), "send end 10");
        say_chunk(&bob, 1, 0, CHUNK);
        ASSERT_STREQ(done(), "");
        say_end(&bob, 1, TRANSFER_CANCELLED);
        ASSERT_STREQ(done(), "send ended");
        say_ended(&bob, 1);
        ASSERT_STREQ(done(), "");
        ASSERT_EQ(state_of(1), TRANSFER_ACCEPTED);
        finish();

        begin_sending(1000000, WINDOW);
        connect(&bob);
        say_want(&bob, 1, 0, WINDOW);
        ASSERT_STREQ(done(), "send end 5");
        ASSERT_FALSE(transfer_next_chunk(engine, &bob, &load));
        ASSERT_EQ(state_of(1), TRANSFER_ACCEPTED);
        finish();
}

TEST(an_id_of_ours)
{
        begin_sending(1000000, WINDOW);
        say_offer(&ada, 1, "file", 1000000);
        ASSERT_STREQ(done(), "");
        say_chunk(&ada, 1, 0, CHUNK);
        ASSERT_STREQ(done(), BROKEN);
        finish();
        begin_taking(1000000);
        say_want(&ada, 1, 0, WINDOW);
        ASSERT_STREQ(done(), BROKEN);
        finish();
}

/* What a receiver may not do */

TEST(wanting_what_is_not_known)
{
        begin();
        connect(&ada);
        say_want(&ada, 1, 0, 10);
        ASSERT_STREQ(done(), "send end 5");
        finish();
        /* Or is over: it was told so. */
        begin_sending(10, 10);
        ASSERT_OK(cancel(1));
        (void)done();
        say_want(&ada, 1, 0, 10);
        ASSERT_STREQ(done(), "");
        finish();
}

static void assert_want_is_broken(uint64_t have, uint64_t end)
{
        begin_sending(100000, WINDOW);
        ASSERT_TRUE(send_one());
        ASSERT_TRUE(send_one());
        say_want(&ada, 1, CHUNK, WINDOW + CHUNK);
        (void)done();
        say_want(&ada, 1, have, end);
        ASSERT_STREQ(done(), BROKEN);
        ASSERT_FALSE(send_one());
        finish();
}

TEST(wanting_against_the_rules)
{
        assert_want_is_broken(0, WINDOW);                 /* backwards, and less */
        assert_want_is_broken(0, WINDOW + CHUNK);         /* wider than a window */
        assert_want_is_broken(3 * CHUNK, WINDOW + CHUNK); /* has what was not sent */
        assert_want_is_broken(CHUNK, WINDOW);             /* takes back */
        assert_want_is_broken(2 * CHUNK, WINDOW + CHUNK + 1);
        assert_want_is_broken(2 * CHUNK, 5 * CHUNK - 1);
        /* Backwards. */
        begin_sending(100000, 2 * CHUNK);
        ASSERT_TRUE(send_one());
        say_want(&ada, 1, CHUNK, 3 * CHUNK);
        (void)done();
        say_want(&ada, 1, 0, 3 * CHUNK);
        ASSERT_STREQ(done(), BROKEN);
        finish();
        /* Beyond the end of the file. */
        begin_sending(1000, 1000);
        say_want(&ada, 1, 0, CHUNK);
        ASSERT_STREQ(done(), BROKEN);
        finish();
        begin_sending(1000, 1000);
        connect(&ada);
        say_want(&ada, 1, 1001, 1001);
        ASSERT_STREQ(done(), "send offer, " BROKEN);
        finish();
}

/* The same bytes over and over. */
TEST(a_receiver_that_always_begins_anew)
{
        unsigned n = 0;

        begin_sending(1000000, WINDOW);
        while (state_of(1) == TRANSFER_ACCEPTED) {
                connect(&ada);
                say_want(&ada, 1, 2 * WINDOW, 3 * WINDOW);
                connect(&ada);
                say_want(&ada, 1, 0, WINDOW);
                n++;
                (void)done();
        }
        ASSERT_EQ(n, TRANSFER_SETBACKS_MAX + 1);
        ASSERT_EQ(effects[TRANSFER_FINISHED].record.reason, TRANSFER_BROKEN);
        finish();
        /* A window is what a killed one may have lost; that is not counted. */
        begin_sending(1000000, WINDOW);
        for (unsigned i = 0; i < 100; i++) {
                connect(&ada);
                say_want(&ada, 1, WINDOW, 2 * WINDOW);
                connect(&ada);
                say_want(&ada, 1, 0, WINDOW);
        }
        ASSERT_EQ(state_of(1), TRANSFER_ACCEPTED);
        finish();
}

/* Anybody */

TEST(confirming_what_was_not_ended)
{
        begin_taking(1000);
        say_ended(&ada, 1);
        ASSERT_STREQ(done(), "");
        ASSERT_EQ(state_of(1), TRANSFER_ACCEPTED);
        finish();
}

TEST(malformed_words_end_their_transfer)
{
        begin_taking(1000);
        say_want(&ada, 1, 5, 5);
        ASSERT_STREQ(done(), BROKEN);
        finish();
        for (unsigned kind = TRANSFER_WIRE_OFFER; kind <= TRANSFER_WIRE_ENDED; kind++) {
                struct transfer_id id = id_of(1);

                begin_taking(1000);
                bytes[0] = (uint8_t)kind;
                memcpy(bytes + 1, &id, sizeof id);
                bytes[17] = 0xff;
                ASSERT_OK(transfer_receive(engine, &ada, bytes, 18, &now));
                ASSERT_STREQ(done(), BROKEN);
                /* It is over; of another it says nothing. */
                ASSERT_OK(transfer_receive(engine, &ada, bytes, 18, &now));
                bytes[16]++;
                ASSERT_OK(transfer_receive(engine, &ada, bytes, 18, &now));
                ASSERT_STREQ(done(), kind == TRANSFER_WIRE_OFFER ? "send end 10" : "");
                ASSERT_OK(transfer_receive(engine, &ada, bytes, 10, &now));
                ASSERT_OK(transfer_receive(engine, &ada, bytes, 0, &now));
                bytes[0] = 200;
                ASSERT_OK(transfer_receive(engine, &ada, bytes, 18, &now));
                ASSERT_STREQ(done(), "");
                finish();
        }
}

TEST(without_a_session_nothing_is_heard)
{
        begin();
        say_offer(&ada, 1, "file", 10);
        ASSERT_STREQ(done(), "");
        ASSERT_OK(offer(&ada, 2, "mine", 10));
        (void)done();
        say_want(&ada, 2, 0, 10);
        ASSERT_STREQ(done(), "");
        disconnect(&bob);
        finish();
}

/* Nor is anything said in a session that was meant for the one before. */
TEST(words_of_an_old_session_are_not_said)
{
        begin_taking(1000000);
        say_chunk(&ada, 1, 0, CHUNK);
        (void)done();
        connect(&bob);
        say_want(&bob, 9, 0, 10);
        written(CHUNK);
        disconnect(&ada);
        ASSERT_STREQ(done(), "send end 5, store, progress");
        finish();
        begin_sending(1000000, WINDOW);
        ASSERT_TRUE(send_one());
        connect(&ada);
        ASSERT_STREQ(done(), "send offer");
        finish();
}

/* Ends that nobody confirms are not remembered without end. */
TEST(ends_that_pile_up)
{
        unsigned n_forgotten = 0;

        begin();
        for (unsigned i = 0; i < 300; i++) {
                ASSERT_OK(offer(&ada, i, "file", 10));
                ASSERT_OK(cancel(i));
                n_forgotten += strstr(done(), "forget") != NULL;
        }
        ASSERT_EQ(n_forgotten, 200);
        for (unsigned i = 0; i < TRANSFER_OPEN_MAX; i++)
                ASSERT_OK(offer(&ada, 1000 + i, "file", 10));
        ASSERT_EQ(offer(&ada, 2000, "file", 10), TRANSFER_TOO_MANY_OPEN);
        ASSERT_OK(offer(&bob, 2000, "file", 10));
        finish();
}

TEST(peers_without_transfers_are_forgotten)
{
        begin();
        for (unsigned i = 0; i < 100; i++) {
                struct transfer_peer peer = { { 5, (uint8_t)i } };

                connect(&peer);
                say_offer(&peer, i, "file", 10);
                (void)done();
                disconnect(&peer);
        }
        ASSERT_EQ(engine->by_key.n, 100);
        now.mono_usec += TRANSFER_USEC;
        ASSERT_OK(transfer_advance(engine, &now));
        ASSERT_EQ(engine->by_key.n, 0);
        ASSERT_EQ(engine->by_id.n, 0);
        ASSERT_EQ(engine->n_undecided, 0);
        finish();
}

TEST(memory_is_what_the_header_says)
{
        ASSERT_LE(sizeof(struct transfer) + TRANSFER_NAME_MAX + 1 + 16, TRANSFER_MEMORY);
}

TEST_MAIN_WITH(transfer_set_up)
