/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A file to a group: one for its sender, a transfer for each member
 *
 * Which groups there are is said here, in the stead of the node: machines 0 to 3 are the team.
 */
#include "unit/node-files-fixture.h"

#define TEAM "00112233445566778899aabbccddeeff"
#define OTHER "0011ffffffffffffffffffffffffffff"

static bool has_stranger, is_invited;

int __wrap_node_list_groups(const struct node *n, struct group_view **ret, size_t *ret_n);
int __wrap_node_list_members(const struct node *n, const char *id, struct now now,
        struct group_member_view **ret, size_t *ret_n);

int __wrap_node_list_groups(const struct node *n, struct group_view **ret, size_t *ret_n)
{
        static const struct group_view groups[] = {
                { .id = TEAM, .word = "+team" },
                { .id = OTHER, .word = "+Twin#0011f" },
                { .id = "0022ffffffffffffffffffffffffffff", .word = "+twin#0022" },
        };

        *ret = malloc(sizeof groups);
        ASSERT_NOT_NULL(*ret);
        memcpy(*ret, groups, sizeof groups);
        (*ret)[0].is_invited = is_invited;
        *ret_n = ELEMENTSOF(groups);
        return 0;
}

int __wrap_node_list_members(const struct node *n, const char *id, struct now now,
        struct group_member_view **ret, size_t *ret_n)
{
        *ret = calloc(6, sizeof **ret);
        ASSERT_NOT_NULL(*ret);
        *ret_n = 0;
        for (int i = 0; i < 4 && streq(id, TEAM); i++) {
                const struct machine *m = &net.machines[i];
                struct group_member_view *v = &(*ret)[(*ret_n)++];

                snprintf(v->word, sizeof v->word, "%s", m->name);
                snprintf(v->id, sizeof v->id, "%s", m->identity.id);
                v->is_self = m->node == n;
        }
        if (has_stranger)
                snprintf((*ret)[(*ret_n)++].id, ID_STRING_SIZE, "abcdefghijklmnopqrstuvwxya");
        return 0;
}

/* Ece, who has met the other three. */
static struct machine *begin_team(void)
{
        static const char *const names[] = { "Ece", "Bob", "Ada", "Zoe" };

        has_stranger = is_invited = false;
        net_init(&net);
        for (int i = 0; i < 4; i++)
                (void)net_add(&net, i, names[i], (unsigned)i + 1, true);
        net_run(&net);
        for (int i = 1; i < 4; i++)
                ASSERT_OK(machine_send(&net.machines[0], names[i], "hi"));
        net_pass(&net, 5 * USEC_PER_SEC);
        return &net.machines[0];
}

static void accept_all(int from, int to)
{
        for (int i = from; i <= to; i++)
                accept(&net.machines[i], offered(&net.machines[i]));
        net_pass(&net, 5 * USEC_PER_SEC);
}

TEST(all_have_it)
{
        struct machine *ece = begin_team();
        const struct file_told *told;
        uint64_t last = 0;

        offer(ece, 1, "+TEAM");
        ASSERT_EQ(count_open(ece), 3);
        for (int i = 1; i < 4; i++)
                ASSERT_STREQ(spools_last(&net.machines[i].files, FILE_NEWS_OFFERED)->user, "Ece");
        accept_all(1, 2);
        ASSERT_EQ(spools_count(&ece->files, FILE_NEWS_FINISHED), 0);
        ASSERT_EQ(ece->files.n_spools, 1);
        told = spools_last(&ece->files, FILE_NEWS_PROGRESS);
        ASSERT_STREQ(told->user, "+team");
        ASSERT_STREQ(told->detail, "2 of 3 have it");
        ASSERT_EQ(told->file.size, 3 * FILE_SIZE);
        ASSERT_EQ(told->file.done, 2 * FILE_SIZE);
        accept_all(3, 3);
        assert_finished(ece, 1, TRANSFER_DONE);
        told = spools_last(&ece->files, FILE_NEWS_FINISHED);
        ASSERT_STREQ(told->user, "+team");
        ASSERT_STREQ(told->detail, "3 of 3 have it");
        ASSERT_EQ(told->file.uid, 1000);
        ASSERT_EQ(told->file.done, told->file.size);
        for (size_t i = 0; i < ece->files.n_told; i++) {
                ASSERT_GE(ece->files.told[i].file.done, last);
                last = ece->files.told[i].file.done;
        }
        for (int i = 1; i < 4; i++)
                assert_whole(&net.machines[i], 1, FILE_SIZE);
        ASSERT_EQ(ece->files.n_read, 3 * FILE_SIZE);
        assert_nothing_left(ece);
        net_done(&net);
}

TEST(some_have_it)
{
        struct machine *ece = begin_team();

        offer(ece, 1, TEAM);
        ASSERT_OK(node_file_reject(net.machines[1].node, offered(&net.machines[1]), net.now, NULL));
        accept_all(2, 3);
        assert_finished(ece, 1, TRANSFER_REJECTED);
        ASSERT_STREQ(spools_last(&ece->files, FILE_NEWS_FINISHED)->detail, "2 of 3 have it");
        assert_nothing_left(ece);
        net_done(&net);
}

TEST(what_became_of_it_survives)
{
        struct machine *ece = begin_team();

        offer(ece, 1, "+team#0011");
        accept_all(1, 1);
        ASSERT_OK(node_file_reject(net.machines[2].node, offered(&net.machines[2]), net.now, NULL));
        net_run(&net);
        ASSERT_EQ(ece->files.n_rows, 1);
        machine_restart(ece);
        net_pass(&net, 5 * USEC_PER_SEC);
        ASSERT_EQ(ece->files.n_spools, 1);
        accept_all(3, 3);
        assert_finished(ece, 1, TRANSFER_REJECTED);
        ASSERT_STREQ(spools_last(&ece->files, FILE_NEWS_FINISHED)->detail, "2 of 3 have it");
        ASSERT_STREQ(spools_last(&ece->files, FILE_NEWS_FINISHED)->user, "+team");
        assert_nothing_left(ece);
        net_done(&net);
}

TEST(cancelled_for_all)
{
        struct machine *ece = begin_team();
        const struct transfer_id id = spool_id_of(1);

        offer(ece, 1, "+team");
        accept_all(1, 1);
        ASSERT_OK(node_file_cancel(ece->node, name_of_id(&id), net.now, NULL));
        net_run(&net);
        assert_finished(ece, 1, TRANSFER_CANCELLED);
        ASSERT_STREQ(spools_last(&ece->files, FILE_NEWS_FINISHED)->detail, "1 of 3 have it");
        assert_finished(&net.machines[3], 1, TRANSFER_CANCELLED);
        assert_nothing_left(ece);
        ASSERT_EQ(node_file_cancel(ece->node, name_of_id(&id), net.now, NULL),
                REFUSAL_NO_SUCH_TRANSFER);
        net_done(&net);
}

TEST(members_to_whom_nothing_can_go)
{
        struct machine *ece = begin_team();
        char name[TRANSFER_NAME_MAX + 1];
        struct refusal refusal;

        has_stranger = true;
        ASSERT_OK(node_block(ece->node, "Bob", true, net.now, NULL));
        offer(ece, 1, "+team");
        ASSERT_EQ(count_open(ece), 2);
        accept_all(2, 3);
        assert_finished(ece, 1, TRANSFER_GONE);
        ASSERT_STREQ(spools_last(&ece->files, FILE_NEWS_FINISHED)->detail, "2 of 4 have it");
        ASSERT_EQ(spools_count(&net.machines[1].files, FILE_NEWS_OFFERED), 0);

        ASSERT_OK(node_block(ece->node, "Ada", true, net.now, NULL));
        ASSERT_OK(node_block(ece->node, "Zoe", true, net.now, NULL));
        ASSERT_EQ(node_file_check(ece->node, "+team", "x", 1, net.now, name, &refusal),
                REFUSAL_NOT_REACHABLE);
        ASSERT_TRUE(strstr(refusal.sentence, "+team"));
        net_done(&net);
}

TEST(words_of_groups_that_are_refused)
{
        struct machine *ece = begin_team();
        char name[TRANSFER_NAME_MAX + 1];
        struct refusal refusal;

        ASSERT_EQ(node_file_check(ece->node, "+twin", "x", 1, net.now, name, &refusal),
                REFUSAL_AMBIGUOUS_USER);
        ASSERT_TRUE(
                strstr(refusal.sentence, "+Twin#0011f") && strstr(refusal.sentence, "+twin#0022"));
        ASSERT_EQ(node_file_check(ece->node, "+team#001", "x", 1, net.now, name, &refusal),
                REFUSAL_UNKNOWN_USER);
        ASSERT_EQ(node_file_check(ece->node, "+team#0022", "x", 1, net.now, name, &refusal),
                REFUSAL_UNKNOWN_USER);
        is_invited = true;
        ASSERT_EQ(node_file_check(ece->node, "+team", "x", 1, net.now, name, &refusal),
                REFUSAL_UNKNOWN_USER);
        ASSERT_TRUE(strstr(refusal.sentence, "group accept"));
        net_done(&net);
}

TEST_MAIN_WITH(net_set_up)
