/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files between nodes without memory */
#include "lib/starving-net.h"

#define EACH_MAX 60
#define SIZE (3 * TRANSFER_CHUNK_SIZE + 5)

static const struct transfer_id spool_id = { .bytes = { 1, 2, 3 } };

static void form(void)
{
        (void)net_add(&net, 0, "Ece", 1, true);
        (void)net_add(&net, 1, "Bob", 2, true);
        net_run(&net);
        NODE_OK(machine_send(&net.machines[0], "Bob", "hi"));
        net_run(&net);
}

static void offer(void)
{
        struct machine *ece = &net.machines[0];
        struct spool *spool = spools_get(&ece->files, &spool_id);
        uint8_t digest[HASH_SIZE];
        struct file_offer offer = {
                .spool_id = spool_id, .word = "Bob", .name = "a file", .size = SIZE, .hash = digest
        };

        if (!spool->data)
                spool->data = calloc(1, SIZE);
        spool->n = spool->n_certain = SIZE;
        hash(&(struct blob){ spool->data, SIZE }, 1, digest);
        NODE_OK(node_file_offer(ece->node, &offer, net.now, NULL));
        net_run(&net);
}

static const char *offered(void)
{
        static char id[FILE_ID_STRING_SIZE];
        const struct file_told *told = spools_last(&net.machines[1].files, FILE_NEWS_OFFERED);

        ASSERT_NOT_NULL(told);
        memcpy(id, told->file.id, sizeof id);
        return id;
}

static void send_one(void)
{
        struct machine *bob = &net.machines[1];
        struct file_view *views;
        bool is_whole;
        size_t n;

        form();
        is_trying = true;
        offer();
        NODE_OK(node_list_files(bob->node, net.now, &views, &n));
        free(views);
        NODE_OK(node_file_accept(bob->node, offered(), 1, net.now, &is_whole, NULL));
        net_run(&net);
        NODE_OK(node_file_taken(bob->node, offered(), net.now));
        net_run(&net);
        ASSERT_EQ(bob->files.n_rows, 0);
}

static void reject_and_cancel(void)
{
        form();
        offer();
        is_trying = true;
        NODE_OK(node_file_reject(net.machines[1].node, offered(), net.now, NULL));
        net_run(&net);
        offer();
        NODE_OK(node_block(net.machines[1].node, "Ece", true, net.now, NULL));
        net_run(&net);
        ASSERT_EQ(net.machines[1].files.n_rows, 0);
}

static void come_back(void)
{
        bool is_whole;

        form();
        offer();
        net.machines[1].files.is_holding = true;
        NODE_OK(node_file_accept(net.machines[1].node, offered(), 1, net.now, &is_whole, NULL));
        net_run(&net);
        is_trying = true;
        machine_restart(&net.machines[1]);
        net.machines[1].files.is_holding = false;
        net_pass(&net, 20 * USEC_PER_SEC);
        ASSERT_EQ(spools_last(&net.machines[1].files, FILE_NEWS_FINISHED)->file.reason,
                TRANSFER_DONE);
}

TEST(from_offer_to_end)
{
        ASSERT_GT(starve(send_one, false, EACH_MAX), 50);
}

TEST(rejecting_and_blocking)
{
        ASSERT_GT(starve(reject_and_cancel, false, EACH_MAX), 30);
}

TEST(coming_back)
{
        ASSERT_GT(starve(come_back, false, EACH_MAX), 50);
}

TEST_MAIN_WITH(net_set_up)
