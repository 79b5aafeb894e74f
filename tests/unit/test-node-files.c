/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files between two nodes: offered, accepted, whole; rejected, cancelled, cut, restarted */
#include "unit/node-files-fixture.h"

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

TEST_MAIN_WITH(net_set_up)
