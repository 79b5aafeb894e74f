/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files between two nodes: offered, accepted, whole; rejected, cancelled, cut, restarted */
#include "unit/node-files-fixture.h"
#include "unit/node-ring-fixture.h"

TEST(offered_accepted_whole)
{
        struct machine *ece, *bob;
        const struct file_told *told;
        struct file_view view;

        meet(&ece, &bob);
        offer(ece, 1, "Bob");
        told = spools_last(&bob->files, FILE_NEWS_OFFERED);
        ASSERT_NOT_NULL(told);
        ASSERT_STREQ(told->user, "Ece");
        ASSERT_STREQ(told->name, "a file");
        ASSERT_EQ(told->file.size, FILE_SIZE);
        ASSERT_EQ(told->file.security, SECURITY_ENCRYPTED);
        ASSERT_EQ(told->file.uid, FILE_NOBODY);
        ASSERT_FALSE(told->file.is_outgoing);
        view = only_file(bob);
        ASSERT_EQ(view.state, TRANSFER_OFFERED);
        ASSERT_EQ(view.uid, FILE_NOBODY);
        ASSERT_STREQ(view.user, "Ece");
        view = only_file(ece);
        ASSERT_STREQ(view.id, name_of_id(&(struct transfer_id){ .bytes = { 0x5b, [15] = 1 } }));
        ASSERT_STREQ(view.user, "Bob");
        ASSERT_TRUE(view.is_outgoing);
        ASSERT_EQ(view.uid, 1000);

        accept(bob, offered(bob));
        net_run(&net);
        assert_finished(ece, 1, TRANSFER_DONE);
        assert_finished(bob, 1, TRANSFER_DONE);
        assert_whole(bob, 1, FILE_SIZE);
        ASSERT_EQ(ece->files.n_read, FILE_SIZE);
        view = only_file(bob);
        ASSERT_EQ(view.state, TRANSFER_WHOLE);
        ASSERT_EQ(view.uid, 1001);
        assert_nothing_left(ece);

        ASSERT_OK(node_file_taken(bob->node, view.id, net.now));
        net_run(&net);
        assert_nothing_left(bob);
        assert_finished(bob, 1, TRANSFER_DONE);
        net_done(&net);
}

TEST(what_is_told_and_stored_on_the_way)
{
        struct machine *ece, *bob;

        meet(&ece, &bob);
        offer(ece, 1, "Bob");
        accept(bob, offered(bob));
        net_run(&net);
        /* Offered, accepted, all there, whole, confirmed; offered, accepted: how far it is, the
         * spools know. */
        ASSERT_EQ(bob->files.n_records, 5);
        ASSERT_EQ(ece->files.n_records, 2);
        ASSERT_GT(spools_count(&bob->files, FILE_NEWS_PROGRESS), 3);
        ASSERT_GT(spools_count(&ece->files, FILE_NEWS_PROGRESS), 3);
        for (size_t i = 1; i < bob->files.n_told; i++)
                ASSERT_TRUE(bob->files.told[i].file.news == FILE_NEWS_FINISHED ||
                            bob->files.told[i].file.done >= bob->files.told[i - 1].file.done);
        ASSERT_LE(ece->files.n_reads_max, 2);
        net_done(&net);
}

TEST(empty_file)
{
        struct machine *ece, *bob;

        meet(&ece, &bob);
        ASSERT_OK(offer_size(ece, 1, "Bob", "nothing", 0));
        net_run(&net);
        accept(bob, offered(bob));
        net_run(&net);
        assert_finished(ece, 1, TRANSFER_DONE);
        assert_whole(bob, 1, 0);
        ASSERT_OK(node_file_taken(bob->node, offered(bob), net.now));
        net_run(&net);
        assert_nothing_left(bob);
        assert_nothing_left(ece);
        net_done(&net);
}

TEST(both_ways_at_once)
{
        struct machine *ece, *bob;

        begin(&ece, &bob);
        /* Proven, and then without a session: both call. */
        ASSERT_OK(machine_send(ece, "Bob", "hi"));
        net_run(&net);
        net_pass(&net, 3 * USEC_PER_MINUTE);
        ASSERT_EQ(node_sessions(ece->node), 0);
        for (unsigned i = 0; i < 3; i++) {
                ASSERT_OK(offer_size(ece, 2 * i, "Bob", "there", FILE_SIZE + i));
                ASSERT_OK(offer_size(bob, 2 * i + 1, "Ece", "and back", FILE_SIZE - i));
        }
        net_run(&net);
        ASSERT_EQ(spools_count(&ece->files, FILE_NEWS_OFFERED), 3);
        ASSERT_EQ(spools_count(&bob->files, FILE_NEWS_OFFERED), 3);
        for (size_t i = 0; i < 3; i++) {
                accept(ece, name_of_id(&ece->files.told[i].file.spool_id));
                accept(bob, name_of_id(&bob->files.told[i].file.spool_id));
        }
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_EQ(spools_count(&ece->files, FILE_NEWS_FINISHED), 6);
        ASSERT_EQ(spools_count(&bob->files, FILE_NEWS_FINISHED), 6);
        ASSERT_EQ(ece->files.n_reads_max, 2); /* of three that could be */
        ASSERT_EQ(ece->files.n_read, 3 * FILE_SIZE + 3);
        ASSERT_EQ(bob->files.n_read, 3 * FILE_SIZE - 3);
        net_done(&net);
}

/*
 * Ends before the end
 */
TEST(rejected)
{
        struct machine *ece, *bob;

        meet(&ece, &bob);
        offer(ece, 1, "Bob");
        ASSERT_OK(node_file_reject(bob->node, offered(bob), net.now, NULL));
        net_run(&net);
        assert_finished(ece, 1, TRANSFER_REJECTED);
        assert_finished(bob, 1, TRANSFER_REJECTED);
        assert_nothing_left(ece);
        assert_nothing_left(bob);
        ASSERT_EQ(
                node_file_reject(bob->node, offered(bob), net.now, NULL), REFUSAL_NO_SUCH_TRANSFER);
        net_done(&net);
}

/* @by: 0 the sender, 1 the receiver. */
static void cancel_by(unsigned by, bool is_accepted)
{
        struct machine *ece, *bob;
        const char *id;

        meet(&ece, &bob);
        offer(ece, 1, "Bob");
        if (is_accepted) {
                bob->files.is_holding = true;
                accept(bob, offered(bob));
                net_run(&net);
                ASSERT_EQ(ece->files.n_read, TRANSFER_WINDOW);
        }
        id = by == 0 ? name_of_id(&(struct transfer_id){ .bytes = { 0x5b, [15] = 1 } })
                     : offered(bob);
        ASSERT_OK(node_file_cancel((by == 0 ? ece : bob)->node, id, net.now, NULL));
        bob->files.is_holding = false;
        net_run(&net);
        assert_finished(ece, 1, TRANSFER_CANCELLED);
        assert_finished(bob, 1, TRANSFER_CANCELLED);
        assert_nothing_left(ece);
        assert_nothing_left(bob);
        ASSERT_EQ(node_file_cancel(ece->node, id, net.now, NULL), REFUSAL_NO_SUCH_TRANSFER);
        net_done(&net);
}

TEST(cancelled)
{
        for (unsigned by = 0; by < 2; by++) {
                cancel_by(by, false);
                cancel_by(by, true);
        }
}

TEST(cancelled_while_the_other_is_away)
{
        struct machine *ece, *bob;

        meet(&ece, &bob);
        offer(ece, 1, "Bob");
        machine_stop(bob);
        net_run(&net);
        ASSERT_OK(node_file_cancel(ece->node, only_file(ece).id, net.now, NULL));
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_EQ(count_open(ece), 0);
        ASSERT_EQ(ece->files.n_spools, 0);
        ASSERT_EQ(ece->files.n_rows, 1); /* until it is confirmed */
        machine_restart(ece);
        machine_restart(bob);
        ASSERT_EQ(count_open(bob), 1);
        net_pass(&net, 10 * USEC_PER_SEC);
        assert_nothing_left(ece);
        assert_nothing_left(bob);
        assert_finished(bob, 1, TRANSFER_CANCELLED);
        net_done(&net);
}

TEST(what_a_spool_cannot)
{
        struct machine *ece, *bob;

        meet(&ece, &bob);
        offer(ece, 1, "Bob");
        bob->files.ill = TRANSFER_NO_SPACE;
        accept(bob, offered(bob));
        net_run(&net);
        assert_finished(ece, 1, TRANSFER_NO_SPACE);
        assert_finished(bob, 1, TRANSFER_NO_SPACE);
        bob->files.ill = 0;

        offer(ece, 2, "Bob");
        spools_find(&ece->files, &(struct transfer_id){ .bytes = { 0x5b, [15] = 2 } })->n = 100;
        accept(bob, offered(bob));
        net_run(&net);
        assert_finished(ece, 2, TRANSFER_SHRANK);
        assert_finished(bob, 2, TRANSFER_SHRANK);

        offer(ece, 3, "Bob");
        spools_find(&ece->files, &(struct transfer_id){ .bytes = { 0x5b, [15] = 3 } })->data[7]++;
        accept(bob, offered(bob));
        net_run(&net);
        assert_finished(ece, 3, TRANSFER_WRONG_HASH);
        assert_finished(bob, 3, TRANSFER_WRONG_HASH);
        assert_nothing_left(ece);
        assert_nothing_left(bob);
        net_done(&net);
}

TEST(nobody_cares_for_a_week)
{
        struct machine *ece, *bob;

        meet(&ece, &bob);
        offer(ece, 1, "Bob");
        net_pass(&net, TRANSFER_USEC + USEC_PER_HOUR);
        ASSERT_EQ(spools_last(&ece->files, FILE_NEWS_FINISHED)->file.reason, TRANSFER_EXPIRED);
        ASSERT_EQ(spools_last(&bob->files, FILE_NEWS_FINISHED)->file.reason, TRANSFER_EXPIRED);
        ASSERT_EQ(spools_count(&ece->files, FILE_NEWS_FINISHED), 1);
        assert_nothing_left(ece);
        assert_nothing_left(bob);
        net_done(&net);
}

/*
 * Interruptions
 */
TEST(cut_and_resumed)
{
        struct machine *ece, *bob;

        meet(&ece, &bob);
        offer(ece, 1, "Bob");
        bob->files.is_holding = true;
        accept(bob, offered(bob));
        net_run(&net);
        ASSERT_EQ(ece->files.n_read, TRANSFER_WINDOW);
        net_cut(&net);
        bob->files.is_holding = false;
        net_pass(&net, 20 * USEC_PER_SEC);
        assert_whole(bob, 1, FILE_SIZE);
        assert_finished(ece, 1, TRANSFER_DONE);
        ASSERT_EQ(ece->files.n_read, FILE_SIZE); /* what had come was not lost */
        net_done(&net);
}

TEST(either_side_starts_anew_on_the_way)
{
        for (unsigned which = 0; which < 3; which++) {
                struct machine *ece, *bob;
                uint64_t n_lost = which == 0 ? 0 : TRANSFER_WINDOW;

                meet(&ece, &bob);
                offer(ece, 1, "Bob");
                bob->files.is_holding = true;
                accept(bob, offered(bob));
                net_run(&net);
                if (which != 1)
                        machine_restart(ece);
                if (which != 0)
                        machine_restart(bob);
                bob->files.is_holding = false;
                net_pass(&net, 20 * USEC_PER_SEC);
                assert_whole(bob, 1, FILE_SIZE);
                assert_finished(ece, 1, TRANSFER_DONE);
                ASSERT_EQ(ece->files.n_read, FILE_SIZE + n_lost);
                ASSERT_EQ(only_file(bob).uid, 1001);
                net_done(&net);
        }
}

TEST(each_step_of_a_transfer_survives)
{
        struct machine *ece, *bob;
        bool is_whole = false;
        char id[FILE_ID_STRING_SIZE];

        meet(&ece, &bob);
        machine_stop(bob);
        net_run(&net);
        ASSERT_OK(offer_size(ece, 1, "Bob", "a file", FILE_SIZE));
        net_run(&net);
        machine_restart(ece); /* not said to anybody yet */
        machine_restart(bob);
        net_pass(&net, 10 * USEC_PER_SEC);
        snprintf(id, sizeof id, "%s", offered(bob));
        machine_restart(bob);
        net_pass(&net, 10 * USEC_PER_SEC);
        ASSERT_EQ(spools_count(&bob->files, FILE_NEWS_OFFERED), 1);
        machine_stop(ece);
        net_run(&net);
        accept(bob, id);
        net_run(&net);
        machine_restart(bob); /* accepted, and the sender does not know */
        machine_restart(ece);
        net_pass(&net, 30 * USEC_PER_SEC);
        assert_whole(bob, 1, FILE_SIZE);
        machine_restart(bob); /* whole, and not taken */
        machine_restart(ece);
        net_pass(&net, 30 * USEC_PER_SEC);
        assert_finished(bob, 1, TRANSFER_DONE);
        assert_finished(ece, 1, TRANSFER_DONE);
        assert_nothing_left(ece);
        ASSERT_OK(node_file_accept(bob->node, id, 1001, net.now, &is_whole, NULL));
        ASSERT_TRUE(is_whole);
        ASSERT_OK(node_file_taken(bob->node, id, net.now));
        net_run(&net);
        assert_nothing_left(bob);
        net_done(&net);
}

TEST(hashing_is_asked_for_again)
{
        struct machine *ece, *bob;

        meet(&ece, &bob);
        ASSERT_OK(offer_size(ece, 1, "Bob", "small", 100));
        net_run(&net);
        accept(bob, offered(bob));
        for (int i = 0; i < 20 && only_file(bob).state != TRANSFER_VERIFYING; i++) {
                bob->files.is_holding = true;
                net_run(&net);
                bob->files.is_holding = false;
                if (only_file(bob).state == TRANSFER_VERIFYING)
                        break;
                (void)machine_serve_files(bob);
        }
        ASSERT_EQ(only_file(bob).state, TRANSFER_VERIFYING);
        bob->files.is_holding = true;
        net_run(&net);
        machine_restart(bob);
        bob->files.is_holding = false;
        net_pass(&net, 20 * USEC_PER_SEC);
        assert_whole(bob, 1, 100);
        assert_finished(ece, 1, TRANSFER_DONE);
        net_done(&net);
}

TEST(the_spool_knows_better_than_the_record)
{
        struct machine *ece, *bob;
        struct transfer_id spool_id;

        meet(&ece, &bob);
        offer(ece, 1, "Bob");
        accept(bob, offered(bob));
        for (int i = 0; i < 6; i++) {
                net.is_busy = false;
                (void)machine_serve_files(bob);
                (void)machine_serve_files(ece);
                machine_end_turn(bob);
                machine_end_turn(ece);
                for (size_t k = 0; k < net.n_pipes; k++)
                        for (int end = 0; end < 2; end++)
                                (void)end_step(&net, net.pipes[k], end);
        }
        ASSERT_GT(only_file(bob).done, 0);
        /* Its spool is gone. */
        spool_id = only_file(bob).spool_id;
        spools_drop(&bob->files, &spool_id);
        machine_restart(bob);
        ASSERT_EQ(only_file(bob).done, 0);
        net_pass(&net, 20 * USEC_PER_SEC);
        assert_whole(bob, 1, FILE_SIZE);
        net_done(&net);
}

TEST(records_of_nobody_are_forgotten)
{
        struct machine *ece, *bob;
        struct file_row row;

        meet(&ece, &bob);
        offer(ece, 1, "Bob");
        row = ece->files.rows[0];
        machine_stop(ece);
        ece->files.rows[0].record.transfer.peer.bytes[3]++; /* of somebody who is not known */
        machine_restart(ece);
        net_run(&net);
        ASSERT_EQ(count_open(ece), 0); /* so its spool is nobody's */
        ASSERT_EQ(ece->files.n_rows, 0);

        machine_stop(ece);
        ece->files.n_rows = 1;
        ece->files.rows[0] = row;
        ece->files.rows[0].record.transfer.state = TRANSFER_WHOLE; /* that cannot be */
        machine_restart(ece);
        net_run(&net);
        ASSERT_EQ(ece->files.n_rows, 0);
        net_done(&net);
}

/*
 * When there is a session
 */
TEST(an_offer_waits_for_its_user)
{
        struct machine *ece, *bob;

        meet(&ece, &bob);
        machine_stop(bob);
        net_pass(&net, USEC_PER_MINUTE);
        offer(ece, 1, "Bob");
        net_pass(&net, USEC_PER_HOUR);
        machine_restart(bob);
        net_pass(&net, 2 * USEC_PER_SEC);
        ASSERT_EQ(spools_count(&bob->files, FILE_NEWS_OFFERED), 1);
        net_done(&net);
}

TEST(nobody_is_called_only_to_decide)
{
        struct machine *ece, *bob;
        size_t n_dials;

        meet(&ece, &bob);
        offer(ece, 1, "Bob");
        net_pass(&net, 4 * USEC_PER_MINUTE);
        ASSERT_EQ(node_sessions(ece->node), 0); /* it was idle */
        n_dials = ece->n_dials + bob->n_dials;
        net_pass(&net, 20 * USEC_PER_MINUTE);
        ASSERT_EQ(ece->n_dials + bob->n_dials, n_dials);
        net_pass(&net, 20 * USEC_PER_MINUTE);
        ASSERT_EQ(ece->n_dials + bob->n_dials, n_dials + 1); /* now and then all the same */
        net_pass(&net, 5 * USEC_PER_MINUTE);
        ASSERT_EQ(node_sessions(ece->node), 0);
        /* A message need not wait for that. */
        ASSERT_OK(machine_send(ece, "Bob", "did you see it?"));
        net_run(&net);
        assert_received(bob, 2, "did you see it?");
        net_pass(&net, 5 * USEC_PER_MINUTE);
        ASSERT_EQ(node_sessions(ece->node), 0);
        /* Who decides calls. */
        accept(bob, offered(bob));
        net_run(&net);
        assert_whole(bob, 1, FILE_SIZE);
        net_done(&net);
}

/* A program that knows no files, say, and so confirms no end. */
TEST(nobody_is_called_only_to_confirm)
{
        struct machine *ece, *bob;
        struct transfer_peer key;
        size_t n_dials;

        meet(&ece, &bob);
        memcpy(key.bytes, ece->identity.public_key, sizeof key.bytes);
        ASSERT_OK(transfer_gone(bob->node->files.engine, &key, &net.now));
        offer(ece, 1, "Bob");
        ASSERT_OK(node_file_cancel(ece->node, only_file(ece).id, net.now, NULL));
        net_pass(&net, 4 * USEC_PER_MINUTE);
        ASSERT_EQ(node_sessions(ece->node), 0);
        ASSERT_EQ(ece->files.n_rows, 1);
        n_dials = ece->n_dials;
        net_pass(&net, 20 * USEC_PER_MINUTE);
        ASSERT_EQ(ece->n_dials, n_dials);
        net_pass(&net, 20 * USEC_PER_MINUTE);
        ASSERT_EQ(ece->n_dials, n_dials + 1);
        assert_nothing_left(ece);
        net_done(&net);
}

TEST(who_went_without_a_word_is_called_again)
{
        struct machine *ece, *bob;

        meet(&ece, &bob);
        offer(ece, 1, "Bob");
        net_cut(&net);
        net_pass(&net, 5 * USEC_PER_SEC);
        ASSERT_EQ(node_sessions(ece->node), 1);
        /* He was away, and perhaps has lost what he knew. */
        net_pass(&net, 4 * USEC_PER_MINUTE);
        ASSERT_EQ(node_sessions(ece->node), 0);
        machine_stop(bob);
        net_pass(&net, 5 * USEC_PER_MINUTE);
        bob->files.n_rows = 0;
        machine_restart(bob);
        net_pass(&net, 5 * USEC_PER_SEC);
        ASSERT_EQ(spools_count(&bob->files, FILE_NEWS_OFFERED), 2);
        net_done(&net);
}

TEST(no_chunk_goes_where_no_room_is)
{
        struct machine *ece, *bob;

        meet(&ece, &bob);
        offer(ece, 1, "Bob");
        ece->files.is_deaf = true;
        accept(bob, offered(bob));
        net_run(&net);
        ASSERT_EQ(ece->files.n_read, 0);
        ASSERT_EQ(ece->files.n_asked, 1); /* once, not again and again */
        ASSERT_OK(machine_send(ece, "Bob", "overtakes"));
        net_run(&net);
        assert_received(bob, 2, "overtakes");
        ece->files.is_deaf = false;
        net_run(&net);
        assert_whole(bob, 1, FILE_SIZE);
        ASSERT_LE(ece->files.n_reads_max, 2);
        net_done(&net);
}

TEST(an_offer_far_away_to_who_has_forgotten_us)
{
        struct machine *cem, *dan;
        struct file_view view;

        two_networks();
        cem = machine(2);
        dan = machine(3);
        ASSERT_OK(machine_send(cem, word(3), "far away"));
        net_pass(&net, USEC_PER_SEC);
        assert_received(dan, 1, "far away");
        machine_stop(dan);
        dan->disk.n_peers = dan->disk.n_streams = dan->disk.n_marks = 0;
        machine_start(dan, "Dan");
        ASSERT_NULL(peers_by_id(&dan->node->peers, cem->identity.id));
        ASSERT_OK(offer_size(cem, 1, "Dan", "a file", FILE_SIZE));
        net_pass(&net, USEC_PER_MINUTE);
        view = only_file(dan);
        ASSERT_STREQ(view.user, "Cem");
        ASSERT_EQ(spools_count(&dan->files, FILE_NEWS_OFFERED), 1);
        /* A row with something open stays, though nothing else is known of it. */
        net_pass(&net, 20 * USEC_PER_MINUTE);
        ASSERT_FALSE(
                peers_drop(&dan->node->peers, peers_by_id(&dan->node->peers, cem->identity.id)));
        accept(dan, view.id);
        net_pass(&net, USEC_PER_MINUTE);
        assert_whole(dan, 1, FILE_SIZE);
        net_done(&net);
}

/*
 * Block, mute, forget
 */
TEST(nothing_goes_to_or_comes_from_whom_we_block)
{
        struct machine *ece, *bob;

        meet(&ece, &bob);
        offer(ece, 1, "Bob");
        offer(ece, 2, "Bob");
        bob->files.is_holding = true;
        accept(bob, offered(bob));
        net_run(&net);
        ASSERT_OK(offer_size(bob, 3, "Ece", "back", 1000));
        net_run(&net);
        ASSERT_OK(node_block(bob->node, "Ece", true, net.now, NULL));
        bob->files.is_holding = false;
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_EQ(count_open(bob), 0);
        ASSERT_EQ(bob->files.n_spools, 0);
        ASSERT_EQ(bob->files.n_rows, 2); /* two ends to be told, should it be unblocked */
        ASSERT_EQ(spools_count(&bob->files, FILE_NEWS_FINISHED), 3);
        ASSERT_EQ(spools_count(&ece->files, FILE_NEWS_FINISHED), 0); /* nobody told */
        ASSERT_EQ(offer_size(bob, 4, "Ece", "no", 10), REFUSAL_BLOCKED);
        offer(ece, 5, "Bob");
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_EQ(count_open(bob), 0);
        ASSERT_EQ(spools_count(&bob->files, FILE_NEWS_OFFERED), 2);

        ASSERT_OK(node_block(bob->node, "Ece", false, net.now, NULL));
        net_pass(&net, 10 * USEC_PER_MINUTE);
        ASSERT_EQ(spools_count(&ece->files, FILE_NEWS_FINISHED), 2);
        ASSERT_EQ(bob->files.n_rows, 2); /* the offer that was dropped, and the new one */
        ASSERT_EQ(count_open(bob), 2);
        ASSERT_EQ(count_open(ece), 2);
        net_done(&net);
}

TEST(what_is_whole_stays_when_its_sender_is_blocked)
{
        struct machine *ece, *bob;

        meet(&ece, &bob);
        offer(ece, 1, "Bob");
        accept(bob, offered(bob));
        net_run(&net);
        ASSERT_OK(node_block(bob->node, "Ece", true, net.now, NULL));
        net_run(&net);
        ASSERT_EQ(only_file(bob).state, TRANSFER_WHOLE);
        assert_whole(bob, 1, FILE_SIZE);
        net_done(&net);
}

TEST(muted_offers_are_listed_and_not_told)
{
        struct machine *ece, *bob;

        meet(&ece, &bob);
        ASSERT_OK(node_mute(bob->node, "Ece", USEC_INFINITY, net.now, NULL));
        offer(ece, 1, "Bob");
        ASSERT_EQ(spools_count(&bob->files, FILE_NEWS_OFFERED), 0);
        ASSERT_EQ(only_file(bob).state, TRANSFER_OFFERED);
        accept(bob, only_file(bob).id);
        net_run(&net);
        assert_whole(bob, 1, FILE_SIZE);
        net_done(&net);
}

TEST(forgotten_with_the_conversation)
{
        struct machine *ece, *bob;

        meet(&ece, &bob);
        offer(ece, 1, "Bob");
        accept(bob, offered(bob));
        net_run(&net);
        offer(ece, 2, "Bob");
        ASSERT_EQ(count_open(bob), 2);
        ASSERT_OK(node_forget(bob->node, "Ece", net.now, NULL));
        net_run(&net);
        assert_nothing_left(bob);
        assert_nothing_left(ece);
        assert_finished(ece, 2, TRANSFER_GONE);
        net_done(&net);
}

/*
 * Words
 */
TEST(sending_makes_a_contact)
{
        struct machine *ece, *bob;

        meet(&ece, &bob);
        ASSERT_STREQ(record_of(bob, ece)->contact, "");
        ASSERT_OK(offer_size(bob, 1, "Ece", "back", 1000));
        net_run(&net);
        ASSERT_STREQ(record_of(bob, ece)->contact, "Ece");
        net_done(&net);
}

static int check_word(struct machine *m, const char *word, const char *name, uint64_t size,
        const char *part_of_sentence)
{
        char clean[TRANSFER_NAME_MAX + 1];
        struct refusal refusal = { "" };
        int r = node_file_check(m->node, word, name, size, net.now, clean, &refusal);

        if (r == 0)
                ASSERT_STREQ(clean, part_of_sentence);
        else
                ASSERT_TRUE(strstr(refusal.sentence, part_of_sentence));
        return r;
}

TEST(words_that_are_refused)
{
        struct machine *ece, *bob, *old;
        char word[WORD_SIZE];

        meet(&ece, &bob);
        old = net_add(&net, 2, "Old", 3, false);
        net_run(&net);
        (void)old;
        ASSERT_OK(check_word(ece, "Bob", "/home/ece/x\033y", 1, "xy"));
        snprintf(word, sizeof word, "Bob#%.8s", bob->identity.id);
        ASSERT_OK(check_word(ece, word, "x", TRANSFER_FILE_SIZE_MAX, "x"));
        ASSERT_OK(check_word(ece, bob->identity.id, "x", 0, "x"));
        ASSERT_EQ(check_word(ece, "Nobody", "x", 1, "\"Nobody\""), REFUSAL_UNKNOWN_USER);
        ASSERT_EQ(check_word(ece, "+team", "x", 1, "No group \"+team\""), REFUSAL_UNKNOWN_USER);
        /* As in messages: of a group only where there is one, for somebody may be called so. */
        ASSERT_EQ(check_word(ece, "0123456789abcdef0123456789abcdef", "x", 1,
                          "No user \"0123456789abcdef0123456789abcdef\""),
                REFUSAL_UNKNOWN_USER);
        ASSERT_EQ(check_word(ece, "Old", "x", 1, "takes no files"), REFUSAL_NOT_SECURE);
        ASSERT_EQ(check_word(ece, "Bob", "..", 1, "\"..\" cannot be"), REFUSAL_INVALID_NAME);
        ASSERT_EQ(check_word(ece, "Bob", "x", TRANSFER_FILE_SIZE_MAX + 1, "4 GiB"),
                REFUSAL_TOO_LARGE);
        ASSERT_OK(node_block(ece->node, "Bob", true, net.now, NULL));
        ASSERT_EQ(check_word(ece, "Bob", "x", 1, "unblock Bob"), REFUSAL_BLOCKED);
        net_done(&net);
}

TEST(who_has_not_proven_his_key_is_called)
{
        struct machine *ece, *bob;

        begin(&ece, &bob);
        ASSERT_EQ(check_word(ece, "Bob", "x", 1, "being called"), REFUSAL_NOT_REACHABLE);
        net_run(&net);
        ASSERT_OK(check_word(ece, "Bob", "x", 1, "x"));
        net_done(&net);
}

TEST(a_hundred_are_enough)
{
        struct machine *ece, *bob;

        meet(&ece, &bob);
        machine_stop(bob);
        for (unsigned i = 0; i < TRANSFER_OPEN_MAX; i++) {
                ASSERT_OK(offer_size(ece, i, "Bob", "x", 1));
                spools_drop(
                        &ece->files, &(struct transfer_id){ .bytes = { 0x5b, [15] = (uint8_t)i } });
        }
        ASSERT_EQ(check_word(ece, "Bob", "x", 1, "100 files for Bob"), REFUSAL_QUEUE_FULL);
        ASSERT_EQ(offer_size(ece, 200, "Bob", "x", 1), REFUSAL_QUEUE_FULL);
        ASSERT_EQ(count_open(ece), TRANSFER_OPEN_MAX);
        net_done(&net);
}

TEST(ids_that_are_refused)
{
        static const char *const ids[] = { "", "5b", "0123456789abcdef0123456789abcdef",
                "5b00000000000000000000000000000x", "5b000000000000000000000000000001ff" };
        struct machine *ece, *bob;
        struct refusal refusal;
        bool is_whole;

        meet(&ece, &bob);
        offer(ece, 1, "Bob");
        for (size_t i = 0; i < ELEMENTSOF(ids); i++) {
                ASSERT_EQ(node_file_accept(bob->node, ids[i], 1, net.now, &is_whole, &refusal),
                        REFUSAL_NO_SUCH_TRANSFER);
                ASSERT_TRUE(strstr(refusal.sentence, ids[i]));
                ASSERT_EQ(node_file_reject(bob->node, ids[i], net.now, &refusal),
                        REFUSAL_NO_SUCH_TRANSFER);
                ASSERT_EQ(node_file_cancel(bob->node, ids[i], net.now, &refusal),
                        REFUSAL_NO_SUCH_TRANSFER);
                ASSERT_OK(node_file_taken(bob->node, ids[i], net.now));
        }
        ASSERT_EQ(node_file_accept(ece->node, only_file(ece).id, 1, net.now, &is_whole, &refusal),
                REFUSAL_NO_SUCH_TRANSFER);
        ASSERT_TRUE(strstr(refusal.sentence, "this machine sends"));
        ASSERT_EQ(node_file_reject(ece->node, only_file(ece).id, net.now, &refusal),
                REFUSAL_NO_SUCH_TRANSFER);
        bob->files.is_holding = true;
        accept(bob, offered(bob));
        accept(bob, offered(bob)); /* once more changes nothing */
        ASSERT_EQ(node_file_reject(bob->node, offered(bob), net.now, &refusal),
                REFUSAL_NO_SUCH_TRANSFER);
        ASSERT_TRUE(strstr(refusal.sentence, "file cancel"));
        /* A spool has one file. */
        ASSERT_EQ(node_file_offer(ece->node,
                          &(struct file_offer){ .spool_id = only_file(ece).spool_id,
                                  .word = "Bob",
                                  .name = "x",
                                  .hash = (const uint8_t[HASH_SIZE]){ 0 } },
                          net.now, &refusal),
                REFUSAL_INVALID_ARGUMENT);
        net_done(&net);
}

TEST(without_an_identity_there_are_no_files)
{
        struct machine *old, *bob;
        struct file_view *views;
        bool is_whole;
        size_t n = 1;

        net_init(&net);
        old = net_add(&net, 0, "Old", 1, false);
        bob = net_add(&net, 1, "Bob", 2, true);
        net_run(&net);
        (void)bob;
        ASSERT_EQ(check_word(old, "Bob", "x", 1, "takes no files"), REFUSAL_NOT_SECURE);
        ASSERT_OK(node_list_files(old->node, net.now, &views, &n));
        ASSERT_EQ(n, 0);
        free(views);
        ASSERT_EQ(node_file_accept(old->node, "5b000000000000000000000000000001", 1, net.now,
                          &is_whole, NULL),
                REFUSAL_NO_SUCH_TRANSFER);
        net_done(&net);
}

TEST_MAIN_WITH(net_set_up)
