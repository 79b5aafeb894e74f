/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Transfers: the course of one, and what each side says and remembers */
#include "unit/transfer-fixture.h"

/* The side that gets the file */

TEST(an_offer_comes_and_is_accepted)
{
        struct transfer_record r;

        begin();
        connect(&ada);
        ASSERT_STREQ(done(), "");
        say_offer(&ada, 1, "holiday.jpg", 20000);
        ASSERT_STREQ(done(), "store, news");
        ASSERT_EQ(effects[TRANSFER_NEWS].record.size, 20000);
        ASSERT_MEMEQ(&effects[TRANSFER_NEWS].peer, &ada, sizeof ada);
        ASSERT_EQ(state_of(1), TRANSFER_OFFERED);
        ASSERT_EQ(transfer_list(engine, 0, &r, 1), 1);
        ASSERT_STREQ(r.name, "holiday.jpg");
        ASSERT_FALSE(r.is_outgoing);

        ASSERT_OK(accept_it(1));
        ASSERT_STREQ(done(), "store, send want 0 20000");
        say_chunk(&ada, 1, 0, CHUNK);
        ASSERT_STREQ(done(), "write 0 15360");
        say_chunk(&ada, 1, CHUNK, 20000 - CHUNK);
        ASSERT_STREQ(done(), "write 15360 4640");
        written(CHUNK);
        ASSERT_STREQ(done(), "store, progress");
        ASSERT_EQ(effects[TRANSFER_STORE].record.done, CHUNK);
        written(20000);
        ASSERT_STREQ(done(), "store, verify, progress");
        ASSERT_EQ(state_of(1), TRANSFER_VERIFYING);
        finish();
}

/* Up to where it is whole. */
static void take_all(void)
{
        uint8_t h[HASH_SIZE];

        begin_taking(CHUNK);
        say_chunk(&ada, 1, 0, CHUNK);
        (void)done();
        written(CHUNK);
        (void)done();
        hash_of_zeros(CHUNK, h);
        ASSERT_OK(transfer_verified(engine, &effects[TRANSFER_VERIFY].ref, h, &now));
        ASSERT_STREQ(done(), "store, finished 0, send end 0");
        ASSERT_EQ(state_of(1), TRANSFER_WHOLE);
}

TEST(a_whole_file_is_taken_and_the_end_confirmed)
{
        struct transfer_id id = id_of(1);

        take_all();
        ASSERT_EQ(accept_it(1), TRANSFER_IS_WHOLE);
        say_ended(&ada, 1);
        ASSERT_STREQ(done(), "store");
        ASSERT_TRUE(effects[TRANSFER_STORE].record.is_told);
        ASSERT_OK(transfer_taken(engine, &id, &now));
        ASSERT_STREQ(done(), "forget, discard");
        ASSERT_EQ(transfer_taken(engine, &id, &now), TRANSFER_UNKNOWN);
        finish();

        /* The other way round, and the end is said again in the next session. */
        take_all();
        ASSERT_OK(transfer_taken(engine, &id, &now));
        ASSERT_STREQ(done(), "store, discard");
        ASSERT_EQ(effects[TRANSFER_STORE].record.state, TRANSFER_OVER);
        disconnect(&ada);
        connect(&ada);
        ASSERT_STREQ(done(), "send end 0");
        say_offer(&ada, 1, "file", CHUNK);
        ASSERT_STREQ(done(), "send end 0");
        say_ended(&ada, 1);
        ASSERT_STREQ(done(), "forget");
        say_ended(&ada, 1);
        ASSERT_STREQ(done(), "");
        finish();
}

TEST(an_end_does_not_take_away_a_whole_file)
{
        take_all();
        say_end(&ada, 1, TRANSFER_CANCELLED);
        ASSERT_STREQ(done(), "store, send ended");
        ASSERT_EQ(state_of(1), TRANSFER_WHOLE);
        ASSERT_OK(cancel(1));
        ASSERT_STREQ(done(), "forget, discard");
        finish();
}

TEST(another_hash_fails_it)
{
        uint8_t h[HASH_SIZE] = { 1 };

        begin_taking(100);
        say_chunk(&ada, 1, 0, 100);
        (void)done();
        written(100);
        (void)done();
        ASSERT_OK(transfer_verified(engine, &effects[TRANSFER_VERIFY].ref, h, &now));
        ASSERT_STREQ(done(), "store, discard, finished 4, send end 4");
        ASSERT_EQ(state_of(1), 0);
        ASSERT_OK(transfer_verified(engine, &effects[TRANSFER_VERIFY].ref, h, &now));
        ASSERT_STREQ(done(), "");
        finish();
}

TEST(an_empty_file)
{
        begin();
        connect(&ada);
        say_offer(&ada, 1, "empty", 0);
        (void)done();
        ASSERT_OK(accept_it(1));
        ASSERT_STREQ(done(), "store, verify");
        finish();
}

/* The window: never more than 60 KiB beyond the disk. */
TEST(more_may_come_when_the_disk_has_it)
{
        begin();
        connect(&ada);
        say_offer(&ada, 1, "file", 1000000);
        ASSERT_OK(accept_it(1));
        ASSERT_STREQ(done(), "store, news, store, send want 0 61440");
        for (uint64_t i = 0; i < 4; i++)
                say_chunk(&ada, 1, i * CHUNK, CHUNK);
        (void)done();
        written(CHUNK);
        ASSERT_STREQ(done(), "store, progress, send want 61440 76800");
        written(3 * CHUNK);
        ASSERT_STREQ(done(), "store, progress, send want 61440 107520");
        finish();
}

TEST(a_large_chunk_is_taken_too)
{
        begin_taking(1000000);
        say_chunk(&ada, 1, 0, TRANSFER_CHUNK_MAX);
        ASSERT_STREQ(done(), "write 0 61440");
        finish();
}

/* Cut: from where we stand. Killed: from where the disk stands. */
TEST(a_receiver_resumes)
{
        struct transfer_record r;
        struct transfers *old;

        begin_taking(1000000);
        say_chunk(&ada, 1, 0, CHUNK);
        say_chunk(&ada, 1, CHUNK, CHUNK);
        (void)done();
        written(CHUNK);
        (void)done();
        disconnect(&ada);
        connect(&ada);
        ASSERT_STREQ(done(), "send want 30720 76800");
        say_chunk(&ada, 1, 2 * CHUNK, CHUNK);
        ASSERT_STREQ(done(), "write 30720 15360");

        r = effects[TRANSFER_STORE].record;
        r.name = "file";
        old = engine;
        begin();
        ASSERT_OK(transfer_restore(engine, &r, &now));
        ASSERT_STREQ(done(), "");
        /* An answer for the life before is none for this one. */
        effects[TRANSFER_WRITE].ref.serial = 17;
        written(3 * CHUNK);
        connect(&ada);
        ASSERT_STREQ(done(), "send want 15360 76800");
        transfer_free(old);
        finish();
}

/* A spool that knows by itself how much is on the disk may stand anywhere. */
TEST(a_receiver_resumes_in_the_middle_of_a_chunk)
{
        struct transfer_record r = { .id = id_of(1),
                .peer = ada,
                .state = TRANSFER_ACCEPTED,
                .size = 100000,
                .done = 1000,
                .name = "file",
                .until_usec = UINT64_MAX };

        begin();
        ASSERT_OK(transfer_restore(engine, &r, &now));
        connect(&ada);
        ASSERT_STREQ(done(), "send want 1000 61440");
        say_chunk(&ada, 1, 1000, CHUNK - 1000);
        say_chunk(&ada, 1, CHUNK, CHUNK);
        ASSERT_STREQ(done(), "write 1000 14360, write 15360 15360");
        written(1001);
        ASSERT_STREQ(done(), "store, progress");
        finish();
        /* And so may be asked the sender. */
        begin_sending(100000, 0);
        say_want(&ada, 1, 0, 0);
        connect(&ada);
        say_want(&ada, 1, 1000, 2 * CHUNK);
        (void)done();
        ASSERT_TRUE(send_one());
        ASSERT_TRUE(send_one());
        ASSERT_FALSE(send_one());
        ASSERT_STREQ(done(), "send chunk 1000 14360, send chunk 15360 15360");
        finish();
}

TEST(what_a_receiver_waits_for_survives)
{
        struct transfer_record r = { .id = id_of(1),
                .peer = ada,
                .state = TRANSFER_ACCEPTED,
                .size = 100,
                .done = 100,
                .name = "file",
                .until_usec = UINT64_MAX };

        begin();
        ASSERT_OK(transfer_restore(engine, &r, &now));
        ASSERT_STREQ(done(), "store, verify");
        finish();
        begin();
        r.state = TRANSFER_VERIFYING;
        ASSERT_OK(transfer_restore(engine, &r, &now));
        ASSERT_STREQ(done(), "verify");
        finish();
        begin();
        r.state = TRANSFER_WHOLE;
        ASSERT_OK(transfer_restore(engine, &r, &now));
        connect(&ada);
        ASSERT_STREQ(done(), "send end 0");
        finish();
        begin();
        r.state = TRANSFER_OVER;
        r.reason = TRANSFER_QUOTA;
        ASSERT_OK(transfer_restore(engine, &r, &now));
        connect(&ada);
        ASSERT_STREQ(done(), "discard, send end 8");
        finish();
        begin();
        r.state = TRANSFER_OFFERED;
        r.done = 0;
        ASSERT_OK(transfer_restore(engine, &r, &now));
        connect(&ada);
        ASSERT_STREQ(done(), "");
        ASSERT_OK(accept_it(1));
        ASSERT_STREQ(done(), "store, send want 0 100");
        finish();
}

TEST(rejecting)
{
        struct transfer_id id = id_of(1);

        begin();
        connect(&ada);
        say_offer(&ada, 1, "file", 10);
        (void)done();
        ASSERT_OK(transfer_reject(engine, &id, &now));
        ASSERT_STREQ(done(), "store, discard, finished 1, send end 1");
        ASSERT_EQ(transfer_reject(engine, &id, &now), TRANSFER_UNKNOWN);
        ASSERT_EQ(accept_it(1), TRANSFER_UNKNOWN);
        /* It comes again before the word arrived. */
        connect(&ada);
        ASSERT_STREQ(done(), "send end 1");
        say_offer(&ada, 1, "file", 10);
        ASSERT_STREQ(done(), "send end 1");
        say_ended(&ada, 1);
        ASSERT_STREQ(done(), "forget");
        finish();
}

TEST(without_a_session_the_end_is_said_later)
{
        begin_taking(100);
        disconnect(&ada);
        ASSERT_EQ(transfer_reject(engine, &(struct transfer_id){ { 0 } }, &now), TRANSFER_UNKNOWN);
        ASSERT_OK(cancel(1));
        ASSERT_STREQ(done(), "store, discard, finished 2");
        connect(&ada);
        ASSERT_STREQ(done(), "send end 2");
        finish();
}

TEST(the_sender_ends_it)
{
        static const enum transfer_reason reasons[] = { TRANSFER_CANCELLED, TRANSFER_EXPIRED,
                TRANSFER_GONE, TRANSFER_SHRANK, TRANSFER_BROKEN, TRANSFER_UNREADABLE };

        for (size_t i = 0; i < ELEMENTSOF(reasons); i++) {
                begin_taking(100);
                say_end(&ada, 1, reasons[i]);
                (void)done();
                ASSERT_EQ(effects[TRANSFER_FINISHED].record.reason, reasons[i]);
                ASSERT_TRUE(effects[TRANSFER_FINISHED].is_by_peer);
                ASSERT_EQ(state_of(1), 0);
                finish();
        }
        begin_taking(100);
        say_end(&ada, 1, TRANSFER_DONE);
        ASSERT_STREQ(done(), "forget, discard, finished 11 by peer, send ended");
        finish();
}

TEST(the_disk_of_the_receiver_is_full)
{
        begin_taking(100);
        say_chunk(&ada, 1, 0, 100);
        (void)done();
        ASSERT_OK(transfer_failed(engine, &effects[TRANSFER_WRITE].ref, TRANSFER_NO_SPACE, &now));
        ASSERT_STREQ(done(), "store, discard, finished 7, send end 7");
        ASSERT_OK(transfer_failed(engine, &effects[TRANSFER_WRITE].ref, TRANSFER_NO_SPACE, &now));
        ASSERT_STREQ(done(), "");
        finish();
}

/* The side that has the file */

TEST(an_offer_is_made_and_fetched)
{
        struct transfer_record r;

        begin();
        connect(&ada);
        ASSERT_OK(offer(&ada, 1, "/home/bob/../a.txt", 50000));
        ASSERT_STREQ(done(), "store, send offer");
        ASSERT_TRUE(transfer_find(engine, &effects[TRANSFER_STORE].record.id, &r));
        ASSERT_STREQ(r.name, "a.txt");
        ASSERT_EQ(r.user, 1000);
        ASSERT_FALSE(send_one());
        say_want(&ada, 1, 0, 2 * CHUNK);
        ASSERT_STREQ(done(), "store, progress, ready");
        ASSERT_EQ(state_of(1), TRANSFER_ACCEPTED);
        ASSERT_TRUE(send_one());
        ASSERT_TRUE(send_one());
        ASSERT_FALSE(send_one());
        ASSERT_STREQ(done(), "send chunk 0 15360, send chunk 15360 15360");
        say_want(&ada, 1, CHUNK, 50000);
        ASSERT_STREQ(done(), "progress, ready");
        ASSERT_EQ(effects[TRANSFER_PROGRESS].record.done, CHUNK);
        ASSERT_TRUE(send_one());
        ASSERT_TRUE(send_one());
        ASSERT_FALSE(send_one());
        ASSERT_STREQ(done(), "send chunk 30720 15360, send chunk 46080 3920");
        say_end(&ada, 1, TRANSFER_DONE);
        ASSERT_STREQ(done(), "forget, discard, finished 0 by peer, send ended");
        /* The word of confirmation was lost. */
        say_end(&ada, 1, TRANSFER_DONE);
        ASSERT_STREQ(done(), "send ended");
        finish();
}

TEST(an_offer_is_made_again_in_each_session)
{
        struct transfer_record r;

        begin();
        ASSERT_OK(offer(&ada, 1, "file", 100));
        ASSERT_STREQ(done(), "store");
        connect(&ada);
        ASSERT_STREQ(done(), "send offer");
        connect(&ada);
        ASSERT_STREQ(done(), "send offer");
        connect(&bob);
        ASSERT_STREQ(done(), "");
        say_want(&ada, 1, 0, 0);
        ASSERT_STREQ(done(), "store, progress");
        r = effects[TRANSFER_STORE].record;
        r.name = "file";
        finish();
        begin();
        ASSERT_OK(transfer_restore(engine, &r, &now));
        connect(&ada);
        ASSERT_STREQ(done(), "send offer");
        say_want(&ada, 1, 50, 100);
        ASSERT_STREQ(done(), "progress, ready");
        ASSERT_TRUE(send_one());
        ASSERT_STREQ(done(), "send chunk 50 50");
        finish();
}

TEST(several_are_sent_in_turn)
{
        begin();
        connect(&ada);
        for (unsigned i = 0; i < 3; i++) {
                ASSERT_OK(offer(&ada, i, "file", 1000000));
                say_want(&ada, i, 0, 2 * CHUNK);
        }
        (void)done();
        for (unsigned i = 0; i < 6; i++) {
                struct transfer_id id = id_of(i % 3);

                ASSERT_TRUE(send_one());
                ASSERT_MEMEQ(&load.ref.id, &id, sizeof id);
        }
        ASSERT_FALSE(send_one());
        finish();
}

/* As many as fit, then each gets what becomes free in turn. */
TEST(several_are_taken_in_turn)
{
        begin();
        connect(&ada);
        for (unsigned i = 0; i < 3; i++)
                say_offer(&ada, i, "file", 1000000);
        (void)done();
        ASSERT_OK(accept_it(0));
        ASSERT_OK(accept_it(1));
        ASSERT_STREQ(done(), "store, send want 0 61440, store, send want 0 61440");
        ASSERT_OK(accept_it(2));
        ASSERT_STREQ(done(), "store, send want 0 0");
        say_chunk(&ada, 0, 0, CHUNK);
        (void)done();
        written(CHUNK);
        ASSERT_STREQ(done(), "store, progress, send want 0 15360");
        ASSERT_OK(cancel(1));
        ASSERT_STREQ(done(), "store, discard, finished 2, send end 2, send want 15360 76800, "
                             "send want 0 61440");
        finish();
}

TEST(a_chunk_at_a_time_is_loaded_of_each)
{
        struct transfer_load first, second;

        begin_sending(1000000, WINDOW);
        ASSERT_TRUE(transfer_next_chunk(engine, &ada, &first));
        ASSERT_EQ(first.offset, 0);
        ASSERT_EQ(first.size, CHUNK);
        ASSERT_FALSE(transfer_next_chunk(engine, &ada, &load));
        ASSERT_STREQ(done(), "");
        /* The session ends meanwhile: the answer is for the one before. */
        connect(&ada);
        say_want(&ada, 1, 0, WINDOW);
        (void)done();
        ASSERT_TRUE(transfer_next_chunk(engine, &ada, &second));
        ASSERT_OK(transfer_loaded(engine, &first.ref, zeros, first.size, &now));
        ASSERT_STREQ(done(), "");
        ASSERT_OK(transfer_loaded(engine, &second.ref, zeros, second.size, &now));
        ASSERT_STREQ(done(), "send chunk 0 15360");
        ASSERT_FALSE(transfer_next_chunk(engine, &bob, &load));
        finish();
}

TEST(ready_is_said_once_until_nothing_is_left)
{
        begin_sending(1000000, CHUNK);
        say_want(&ada, 1, 0, 2 * CHUNK);
        ASSERT_STREQ(done(), "");
        ASSERT_TRUE(transfer_next_chunk(engine, &ada, &load));
        ASSERT_FALSE(send_one());
        ASSERT_OK(transfer_loaded(engine, &load.ref, zeros, load.size, &now));
        ASSERT_STREQ(done(), "send chunk 0 15360, ready");
        finish();
}

TEST(loads_for_one_peer_are_bounded)
{
        struct transfer_load loads[TRANSFER_LOADS_MAX];

        begin();
        connect(&ada);
        for (unsigned i = 0; i < 20; i++) {
                ASSERT_OK(offer(&ada, i, "file", 1000));
                say_want(&ada, i, 0, 1000);
        }
        for (unsigned i = 0; i < TRANSFER_LOADS_MAX; i++)
                ASSERT_TRUE(transfer_next_chunk(engine, &ada, &loads[i]));
        ASSERT_FALSE(transfer_next_chunk(engine, &ada, &load));
        (void)done();
        ASSERT_OK(transfer_loaded(engine, &loads[3].ref, zeros, 1000, &now));
        ASSERT_STREQ(done(), "send chunk 0 1000, ready");
        /* One that ends while it is loaded makes room, too. */
        while (transfer_next_chunk(engine, &ada, &load))
                ;
        (void)done();
        ASSERT_OK(transfer_cancel(engine, &loads[0].ref.id, &now));
        ASSERT_STREQ(done(), "store, discard, finished 2, send end 2, ready");
        finish();
}

TEST(the_file_shrank)
{
        begin_sending(1000, 1000);
        ASSERT_TRUE(transfer_next_chunk(engine, &ada, &load));
        ASSERT_OK(transfer_loaded(engine, &load.ref, zeros, 999, &now));
        ASSERT_STREQ(done(), "store, discard, finished 6, send end 6");
        say_ended(&ada, 1);
        ASSERT_STREQ(done(), "forget");
        finish();
}

TEST(the_file_cannot_be_read)
{
        begin_sending(1000, 1000);
        ASSERT_TRUE(transfer_next_chunk(engine, &ada, &load));
        ASSERT_OK(transfer_failed(engine, &load.ref, TRANSFER_UNREADABLE, &now));
        ASSERT_STREQ(done(), "store, discard, finished 12, send end 12");
        finish();
}

TEST(the_receiver_ends_it)
{
        static const enum transfer_reason reasons[] = { TRANSFER_DONE, TRANSFER_REJECTED,
                TRANSFER_CANCELLED, TRANSFER_EXPIRED, TRANSFER_WRONG_HASH, TRANSFER_GONE,
                TRANSFER_NO_SPACE, TRANSFER_QUOTA, TRANSFER_TOO_MANY, TRANSFER_MALFORMED,
                TRANSFER_BROKEN, TRANSFER_UNREADABLE };

        for (size_t i = 0; i < ELEMENTSOF(reasons); i++) {
                begin_sending(1000, 1000);
                say_end(&ada, 1, reasons[i]);
                (void)done();
                ASSERT_EQ(effects[TRANSFER_FINISHED].record.reason, reasons[i]);
                ASSERT_EQ(state_of(1), 0);
                ASSERT_FALSE(send_one());
                finish();
        }
        begin_sending(1000, 1000);
        say_end(&ada, 1, TRANSFER_SHRANK);
        ASSERT_STREQ(done(), "forget, discard, finished 11 by peer, send ended");
        finish();
}

/* Time */

TEST(after_seven_days_without_progress_it_expires)
{
        begin();
        ASSERT_EQ(transfer_deadline(engine), USEC_INFINITY);
        connect(&ada);
        say_offer(&ada, 1, "file", 10);
        ASSERT_OK(offer(&ada, 2, "mine", 10));
        (void)done();
        ASSERT_EQ(transfer_deadline(engine), now.mono_usec + TRANSFER_USEC);
        now.mono_usec += TRANSFER_USEC - 1;
        ASSERT_OK(transfer_advance(engine, &now));
        ASSERT_STREQ(done(), "");
        now.mono_usec++;
        ASSERT_OK(transfer_advance(engine, &now));
        /* Ours is remembered until they know, theirs is not. */
        ASSERT_STREQ(done(), "forget, discard, finished 3, send end 3, "
                             "store, discard, finished 3, send end 3");
        now.mono_usec += TRANSFER_USEC;
        ASSERT_OK(transfer_advance(engine, &now));
        ASSERT_STREQ(done(), "forget");
        ASSERT_EQ(transfer_deadline(engine), USEC_INFINITY);
        finish();
}

TEST(progress_lets_the_days_begin_anew)
{
        usec_t before;

        begin_taking(1000000);
        now.mono_usec += USEC_PER_DAY;
        before = transfer_deadline(engine);
        say_chunk(&ada, 1, 0, CHUNK);
        (void)done();
        ASSERT_EQ(transfer_deadline(engine), before);
        written(CHUNK);
        ASSERT_EQ(transfer_deadline(engine), before + USEC_PER_DAY);
        finish();

        begin_sending(1000000, WINDOW);
        now.mono_usec += USEC_PER_DAY;
        before = transfer_deadline(engine);
        ASSERT_TRUE(send_one());
        say_want(&ada, 1, 0, WINDOW);
        ASSERT_EQ(transfer_deadline(engine), before);
        say_want(&ada, 1, CHUNK, WINDOW + CHUNK);
        ASSERT_EQ(transfer_deadline(engine), before + USEC_PER_DAY);
        finish();
}

TEST(a_whole_file_waits_seven_days)
{
        take_all();
        now.mono_usec += TRANSFER_USEC;
        ASSERT_OK(transfer_advance(engine, &now));
        /* The sender is told that it arrived, for so it did. */
        ASSERT_STREQ(done(), "store, discard");
        connect(&ada);
        ASSERT_STREQ(done(), "send end 0");
        finish();
}

TEST(days_go_on_while_the_program_does_not_run)
{
        struct transfer_record r = {
                .id = id_of(1), .peer = ada, .state = TRANSFER_OFFERED, .size = 100, .name = "file"
        };

        begin();
        r.until_usec = now.real_usec + USEC_PER_DAY;
        ASSERT_OK(transfer_restore(engine, &r, &now));
        r.id = id_of(2);
        r.until_usec = now.real_usec - USEC_PER_DAY;
        ASSERT_OK(transfer_restore(engine, &r, &now));
        r.id = id_of(3);
        r.until_usec = UINT64_MAX; /* the clock was wrong */
        ASSERT_OK(transfer_restore(engine, &r, &now));
        ASSERT_EQ(transfer_deadline(engine), now.mono_usec);
        ASSERT_OK(transfer_advance(engine, &now));
        ASSERT_STREQ(done(), "forget, discard, finished 3");
        ASSERT_EQ(transfer_deadline(engine), now.mono_usec + USEC_PER_DAY);
        now.mono_usec += USEC_PER_DAY;
        ASSERT_OK(transfer_advance(engine, &now));
        ASSERT_EQ(transfer_deadline(engine), now.mono_usec + 6 * USEC_PER_DAY);
        finish();
}

/* Users and records */

TEST(what_users_may_not_do)
{
        struct transfer_id id = id_of(1);

        begin_sending(1000, 1000);
        ASSERT_EQ(accept_it(1), TRANSFER_UNFIT);
        ASSERT_EQ(transfer_reject(engine, &id, &now), TRANSFER_UNFIT);
        ASSERT_EQ(transfer_taken(engine, &id, &now), TRANSFER_UNFIT);
        ASSERT_EQ(accept_it(9), TRANSFER_UNKNOWN);
        ASSERT_EQ(cancel(9), TRANSFER_UNKNOWN);
        ASSERT_EQ(offer(&ada, 1, "again", 5), TRANSFER_KNOWN);
        ASSERT_EQ(offer(&ada, 2, "..", 5), TRANSFER_BAD_NAME);
        ASSERT_EQ(offer(&ada, 2, "x", TRANSFER_FILE_SIZE_MAX + 1), TRANSFER_TOO_LARGE);
        ASSERT_OK(offer(&ada, 2, "x", TRANSFER_FILE_SIZE_MAX));
        finish();

        begin_taking(1000);
        ASSERT_EQ(transfer_reject(engine, &id, &now), TRANSFER_UNFIT);
        ASSERT_OK(accept_it(1));
        ASSERT_STREQ(done(), "");
        ASSERT_EQ(transfer_taken(engine, &id, &now), TRANSFER_UNFIT);
        finish();
}

TEST(records_that_are_none)
{
        const struct transfer_record good = {
                .id = id_of(1), .peer = ada, .state = TRANSFER_ACCEPTED, .size = 100, .name = "file"
        };
        struct transfer_record r = good;

        begin();
        r.state = 0;
        ASSERT_EQ(transfer_restore(engine, &r, &now), TRANSFER_INVALID);
        r.state = TRANSFER_OVER + 1;
        ASSERT_EQ(transfer_restore(engine, &r, &now), TRANSFER_INVALID);
        r.state = TRANSFER_VERIFYING;
        ASSERT_EQ(transfer_restore(engine, &r, &now), TRANSFER_INVALID);
        r.done = 100;
        r.is_outgoing = true;
        ASSERT_EQ(transfer_restore(engine, &r, &now), TRANSFER_INVALID);
        r = good;
        r.done = 101;
        ASSERT_EQ(transfer_restore(engine, &r, &now), TRANSFER_INVALID);
        r = good;
        r.name = "a/b";
        ASSERT_EQ(transfer_restore(engine, &r, &now), TRANSFER_INVALID);
        r = good;
        r.size = TRANSFER_FILE_SIZE_MAX + 1;
        ASSERT_EQ(transfer_restore(engine, &r, &now), TRANSFER_INVALID);
        r = good;
        r.state = TRANSFER_OVER;
        r.reason = TRANSFER_REASONS;
        ASSERT_EQ(transfer_restore(engine, &r, &now), TRANSFER_INVALID);
        ASSERT_OK(transfer_restore(engine, &good, &now));
        ASSERT_EQ(transfer_restore(engine, &good, &now), TRANSFER_INVALID);
        finish();
}

TEST(listing)
{
        struct transfer_record r[4];

        begin();
        for (unsigned i = 0; i < 5; i++)
                ASSERT_OK(offer(i % 2 ? &ada : &bob, i, "file", i));
        ASSERT_OK(cancel(2));
        ASSERT_EQ(transfer_list(engine, 0, r, 4), 4);
        ASSERT_EQ(r[0].size, 0);
        ASSERT_EQ(r[1].size, 1);
        ASSERT_EQ(r[2].size, 3);
        ASSERT_EQ(r[3].size, 4);
        ASSERT_EQ(transfer_list(engine, 1, r, 2), 2);
        ASSERT_EQ(r[0].size, 1);
        ASSERT_EQ(transfer_list(engine, 4, r, 4), 0);
        finish();
}

/*
 * What a session is needed for, and breaking off
 */
static void verified(void)
{
        uint8_t h[HASH_SIZE];

        hash_of_zeros(100, h);
        ASSERT_OK(transfer_verified(engine, &effects[TRANSFER_VERIFY].ref, h, &now));
}

TEST(what_a_session_is_needed_for)
{
        begin();
        ASSERT_FALSE(transfer_knows(engine, &ada));
        ASSERT_EQ(transfer_need(engine, &ada), TRANSFER_NEEDS_NOTHING);
        ASSERT_OK(offer(&ada, 1, "file", 100));
        ASSERT_TRUE(transfer_knows(engine, &ada));
        ASSERT_FALSE(transfer_knows(engine, &bob));
        ASSERT_EQ(transfer_need(engine, &ada), TRANSFER_NEEDS_SESSION);
        connect(&ada);
        ASSERT_EQ(transfer_need(engine, &ada), TRANSFER_NEEDS_ANSWER);
        say_want(&ada, 1, 0, 100);
        ASSERT_EQ(transfer_need(engine, &ada), TRANSFER_NEEDS_SESSION);
        disconnect(&ada);
        ASSERT_OK(cancel(1));
        ASSERT_EQ(transfer_need(engine, &ada), TRANSFER_NEEDS_SESSION);
        connect(&ada);
        ASSERT_EQ(transfer_need(engine, &ada), TRANSFER_NEEDS_ANSWER);
        say_ended(&ada, 1);
        ASSERT_EQ(transfer_need(engine, &ada), TRANSFER_NEEDS_NOTHING);
        ASSERT_FALSE(transfer_knows(engine, &ada));

        say_offer(&ada, 2, "file", 100);
        ASSERT_EQ(transfer_need(engine, &ada), TRANSFER_NEEDS_NOTHING); /* it is ours to decide */
        ASSERT_OK(accept_it(2));
        ASSERT_EQ(transfer_need(engine, &ada), TRANSFER_NEEDS_SESSION);
        say_chunk(&ada, 2, 0, 100);
        (void)done();
        written(100);
        (void)done();
        ASSERT_EQ(transfer_need(engine, &ada), TRANSFER_NEEDS_NOTHING); /* it is being hashed */
        disconnect(&ada);
        verified();
        ASSERT_EQ(transfer_need(engine, &ada), TRANSFER_NEEDS_SESSION);
        connect(&ada);
        ASSERT_EQ(transfer_need(engine, &ada), TRANSFER_NEEDS_ANSWER);
        finish();
}

TEST(breaking_off)
{
        struct transfer_record r;

        begin();
        connect(&ada);
        connect(&bob);
        say_offer(&ada, 1, "undecided", 100);
        say_offer(&ada, 2, "accepted", 100);
        ASSERT_OK(accept_it(2));
        say_offer(&ada, 3, "whole", 100);
        ASSERT_OK(accept_it(3));
        (void)done();
        say_chunk(&ada, 3, 0, 100);
        (void)done();
        written(100);
        (void)done();
        verified();
        ASSERT_OK(offer(&ada, 4, "of ours", 100));
        ASSERT_OK(offer(&bob, 5, "for another", 100));
        disconnect(&ada);
        (void)done();
        ASSERT_OK(transfer_break_off(engine, &ada, false, &now));
        ASSERT_STREQ(done(), "forget, discard, finished 5, store, discard, finished 2, store, "
                             "discard, finished 2");
        ASSERT_EQ(state_of(1), 0);
        ASSERT_EQ(state_of(3), TRANSFER_WHOLE);
        ASSERT_EQ(state_of(5), TRANSFER_OFFERED);
        ASSERT_OK(transfer_break_off(engine, &ada, true, &now));
        ASSERT_STREQ(done(), "store, discard");
        ASSERT_OK(transfer_break_off(engine, &ada, true, &now));
        ASSERT_STREQ(done(), "");
        ASSERT_EQ(transfer_list(engine, 0, &r, 1), 1);
        finish();
}

/* Of so many ends the oldest are forgotten while there are still some to come. */
TEST(breaking_off_more_than_is_remembered)
{
        struct transfer_record r;
        size_t n = 0;

        begin();
        for (unsigned i = 0; i < TRANSFER_OPEN_MAX; i++)
                ASSERT_OK(offer(&ada, i, "file", 10));
        ASSERT_FALSE(transfer_may_offer(engine, &ada));
        ASSERT_TRUE(transfer_may_offer(engine, &bob));
        for (unsigned i = 0; i < 50; i++)
                ASSERT_OK(cancel(i));
        for (unsigned i = 0; i < 50; i++)
                ASSERT_OK(offer(&ada, 1000 + i, "file", 10));
        (void)done();
        ASSERT_OK(transfer_break_off(engine, &ada, true, &now));
        for (const char *p = done(); (p = strstr(p, "finished 2")); p++)
                n++;
        ASSERT_EQ(n, TRANSFER_OPEN_MAX);
        ASSERT_EQ(transfer_list(engine, 0, &r, 1), 0);
        ASSERT_TRUE(transfer_may_offer(engine, &ada));
        finish();
}

TEST(ids_are_random)
{
        struct transfer_id a, b;

        begin();
        transfer_make_id(engine, &a);
        transfer_make_id(engine, &b);
        ASSERT_TRUE(memcmp(&a, &b, sizeof a) != 0);
        finish();
}

TEST_MAIN_WITH(transfer_set_up)
