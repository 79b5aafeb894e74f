/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file to a group: one for its sender, a transfer for each member */
#include "unit/node-files-fixture.h"
#include "unit/node-groups-fixture.h"

/* Four machines in +team. */
static struct machine *begin_team(void)
{
        begin_groups(4);
        make_team(0, 4);
        return at(0);
}

/* The only group of machine 0. */
static struct group_view team_view(void)
{
        struct group_view *views, view;
        size_t n;

        ASSERT_OK(node_list_groups(at(0)->node, &views, &n));
        ASSERT_EQ(n, 1);
        view = views[0];
        free(views);
        return view;
}

static void accept_all(int from, int to)
{
        for (int i = from; i <= to; i++)
                accept(&net.machines[i], offered(&net.machines[i]));
        net_pass(&net, 5 * USEC_PER_SEC);
}

TEST(all_have_it)
{
        struct machine *ana = begin_team();
        const struct file_told *told;
        uint64_t last = 0;

        offer(ana, 1, "+TEAM");
        ASSERT_EQ(count_open(ana), 3);
        for (int i = 1; i < 4; i++)
                ASSERT_STREQ(spools_last(&net.machines[i].files, FILE_NEWS_OFFERED)->user, "Ana");
        accept_all(1, 2);
        ASSERT_EQ(spools_count(&ana->files, FILE_NEWS_FINISHED), 0);
        ASSERT_EQ(ana->files.n_spools, 1);
        told = spools_last(&ana->files, FILE_NEWS_PROGRESS);
        ASSERT_STREQ(told->user, "+team");
        ASSERT_STREQ(told->detail, "2 of 3 have it");
        ASSERT_EQ(told->file.size, 3 * FILE_SIZE);
        ASSERT_EQ(told->file.done, 2 * FILE_SIZE);
        accept_all(3, 3);
        assert_finished(ana, 1, TRANSFER_DONE);
        told = spools_last(&ana->files, FILE_NEWS_FINISHED);
        ASSERT_STREQ(told->user, "+team");
        ASSERT_STREQ(told->detail, "3 of 3 have it");
        ASSERT_EQ(told->file.uid, 1000);
        ASSERT_EQ(told->file.done, told->file.size);
        for (size_t i = 0; i < ana->files.n_told; i++) {
                ASSERT_GE(ana->files.told[i].file.done, last);
                last = ana->files.told[i].file.done;
        }
        for (int i = 1; i < 4; i++)
                assert_whole(&net.machines[i], 1, FILE_SIZE);
        ASSERT_EQ(ana->files.n_read, 3 * FILE_SIZE);
        assert_nothing_left(ana);
        net_done(&net);
}

TEST(some_have_it)
{
        struct machine *ana = begin_team();

        offer(ana, 1, team_view().id);
        ASSERT_OK(node_file_reject(net.machines[1].node, offered(&net.machines[1]), net.now, NULL));
        accept_all(2, 3);
        assert_finished(ana, 1, TRANSFER_REJECTED);
        ASSERT_STREQ(spools_last(&ana->files, FILE_NEWS_FINISHED)->detail, "2 of 3 have it");
        assert_nothing_left(ana);
        net_done(&net);
}

TEST(what_became_of_it_survives)
{
        struct machine *ana = begin_team();
        char word[WORD_SIZE];

        (void)snprintf(word, sizeof word, "+team#%.4s", team_view().id);
        offer(ana, 1, word);
        accept_all(1, 1);
        ASSERT_OK(node_file_reject(net.machines[2].node, offered(&net.machines[2]), net.now, NULL));
        net_run(&net);
        ASSERT_EQ(ana->files.n_rows, 1);
        machine_restart(ana);
        net_pass(&net, 5 * USEC_PER_SEC);
        ASSERT_EQ(ana->files.n_spools, 1);
        accept_all(3, 3);
        assert_finished(ana, 1, TRANSFER_REJECTED);
        ASSERT_STREQ(spools_last(&ana->files, FILE_NEWS_FINISHED)->detail, "2 of 3 have it");
        ASSERT_STREQ(spools_last(&ana->files, FILE_NEWS_FINISHED)->user, "+team");
        assert_nothing_left(ana);
        net_done(&net);
}

TEST(cancelled_for_all)
{
        struct machine *ana = begin_team();
        const struct transfer_id id = spool_id_of(1);

        offer(ana, 1, "+team");
        accept_all(1, 1);
        ASSERT_OK(node_file_cancel(ana->node, name_of_id(&id), net.now, NULL));
        net_run(&net);
        assert_finished(ana, 1, TRANSFER_CANCELLED);
        ASSERT_STREQ(spools_last(&ana->files, FILE_NEWS_FINISHED)->detail, "1 of 3 have it");
        assert_finished(&net.machines[3], 1, TRANSFER_CANCELLED);
        assert_nothing_left(ana);
        ASSERT_EQ(node_file_cancel(ana->node, name_of_id(&id), net.now, NULL),
                REFUSAL_NO_SUCH_TRANSFER);
        net_done(&net);
}

/* Of machine @i nothing is known on the disk of @m but what groups say. */
static void forget_row(struct machine *m, int i)
{
        for (size_t k = 0; k < m->disk.n_peers; k++)
                if (streq(m->disk.peers[k].id, at(i)->identity.id))
                        m->disk.peers[k] = m->disk.peers[--m->disk.n_peers];
}

TEST(members_to_whom_nothing_can_go)
{
        struct machine *ana = begin_team();
        char name[TRANSFER_NAME_MAX + 1];
        struct refusal refusal;

        machine_stop(at(3));
        machine_stop(ana);
        forget_row(ana, 3);
        machine_start(ana, "Ana");
        net_pass(&net, 5 * USEC_PER_SEC);
        ASSERT_OK(node_block(ana->node, "Bob", true, net.now, NULL));
        offer(ana, 1, "+team");
        ASSERT_EQ(count_open(ana), 1);
        accept_all(2, 2);
        assert_finished(ana, 1, TRANSFER_GONE);
        ASSERT_STREQ(spools_last(&ana->files, FILE_NEWS_FINISHED)->detail, "1 of 3 have it");
        ASSERT_EQ(spools_count(&at(1)->files, FILE_NEWS_OFFERED), 0);

        ASSERT_OK(node_block(ana->node, "Cem", true, net.now, NULL));
        ASSERT_EQ(node_file_check(ana->node, "+team", "x", 1, net.now, name, &refusal),
                REFUSAL_NOT_REACHABLE);
        ASSERT_TRUE(strstr(refusal.sentence, "+team"));
        net_done(&net);
}

static int check_word(int i, const char *word, struct refusal *refusal)
{
        char name[TRANSFER_NAME_MAX + 1];

        return node_file_check(at(i)->node, word, "x", 1, net.now, name, refusal);
}

TEST(words_of_groups_that_are_refused)
{
        char id[GROUP_ID_STRING_SIZE], word[WORD_SIZE];
        struct refusal refusal;

        (void)begin_team();
        (void)snprintf(word, sizeof word, "+team#%.3s", team_view().id);
        ASSERT_EQ(check_word(0, word, &refusal), REFUSAL_UNKNOWN_USER);
        (void)snprintf(word, sizeof word, "+teams#%.4s", team_view().id);
        ASSERT_EQ(check_word(0, word, &refusal), REFUSAL_UNKNOWN_USER);
        ASSERT_OK(try_create(0, "TEAM", 2, id));
        net_pass(&net, 5 * USEC_PER_SEC);
        ASSERT_EQ(check_word(0, "+team", &refusal), REFUSAL_AMBIGUOUS_USER);
        ASSERT_TRUE(strstr(refusal.sentence, "+team#") && strstr(refusal.sentence, "+TEAM#"));
        /* Who is only invited, and who has left. */
        ASSERT_EQ(check_word(1, id, &refusal), REFUSAL_CANNOT_CHAT);
        ASSERT_TRUE(strstr(refusal.sentence, "group accept"));
        ASSERT_OK(node_group_leave(at(2)->node, "+team", net.now, NULL));
        net_pass(&net, 5 * USEC_PER_SEC);
        ASSERT_EQ(check_word(2, "+team", &refusal), REFUSAL_CANNOT_CHAT);
        ASSERT_TRUE(strstr(refusal.sentence, "no member"));
        net_done(&net);
}

TEST_MAIN_WITH(net_set_up)
