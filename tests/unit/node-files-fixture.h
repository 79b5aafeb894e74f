/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Files between machines of node-native-fixture.h */
#include "unit/node-native-fixture.h"

#define FILE_SIZE (10 * TRANSFER_CHUNK_SIZE + 321)

/* Ece and Bob, each proven to the other. */
static inline void meet(struct machine **ret_ece, struct machine **ret_bob)
{
        begin(ret_ece, ret_bob);
        ASSERT_OK(machine_send(*ret_ece, "Bob", "hi"));
        net_run(&net);
        assert_received(*ret_bob, 1, "hi");
}

static inline struct transfer_id spool_id_of(unsigned file)
{
        return (struct transfer_id){ .bytes = { 0x5b, [15] = (uint8_t)file } };
}

/* As callers write it. */
static inline const char *name_of_id(const struct transfer_id *id)
{
        static char names[4][FILE_ID_STRING_SIZE];
        static unsigned next;
        char *name = names[next++ % 4];

        hex_encode(id->bytes, sizeof id->bytes, name);
        return name;
}

static inline uint8_t byte_of(unsigned file, uint64_t i)
{
        return (uint8_t)(i * 7 + (i >> 8) + file * 31);
}

/* Puts file @file of @size bytes into the spool of @m and offers it; 0 or the refusal. */
static inline int offer_size(
        struct machine *m, unsigned file, const char *word, const char *name, uint64_t size)
{
        const struct transfer_id id = spool_id_of(file);
        struct spool *spool = spools_get(&m->files, &id);
        uint8_t digest[HASH_SIZE];
        struct file_offer offer = { .spool_id = id,
                .word = word,
                .name = name,
                .uid = 1000,
                .size = size,
                .hash = digest };
        int r;

        spool->data = realloc(spool->data, size + 1);
        ASSERT_NOT_NULL(spool->data);
        for (uint64_t i = 0; i < size; i++)
                spool->data[i] = byte_of(file, i);
        spool->n = spool->n_certain = size;
        hash(&(struct blob){ spool->data, size }, 1, digest);
        r = node_file_offer(m->node, &offer, net.now, NULL);
        if (r != 0)
                spools_drop(&m->files, &id);
        return r;
}

static inline void offer(struct machine *m, unsigned file, const char *word)
{
        ASSERT_OK(offer_size(m, file, word, "a file", FILE_SIZE));
        net_run(&net);
}

/* The id of the file that was offered last to @m. */
static inline const char *offered(struct machine *m)
{
        const struct file_told *told = spools_last(&m->files, FILE_NEWS_OFFERED);

        ASSERT_NOT_NULL(told);
        return name_of_id(&told->file.spool_id);
}

static inline void accept(struct machine *m, const char *id)
{
        bool is_whole = true;

        ASSERT_OK(node_file_accept(m->node, id, 1001, net.now, &is_whole, NULL));
        ASSERT_FALSE(is_whole);
}

static inline size_t count_open(struct machine *m)
{
        struct file_view *views;
        size_t n;

        ASSERT_OK(node_list_files(m->node, net.now, &views, &n));
        free(views);
        return n;
}

/* The only file of @m that is not over. */
static inline struct file_view only_file(struct machine *m)
{
        struct file_view *views, view;
        size_t n;

        ASSERT_OK(node_list_files(m->node, net.now, &views, &n));
        ASSERT_EQ(n, 1);
        view = views[0];
        free(views);
        return view;
}

static inline void assert_finished(struct machine *m, size_t n_times, enum transfer_reason reason)
{
        ASSERT_EQ(spools_count(&m->files, FILE_NEWS_FINISHED), n_times);
        ASSERT_EQ(spools_last(&m->files, FILE_NEWS_FINISHED)->file.reason, reason);
}

/* File @file of @size bytes is in the spool of @m, whole. */
static inline void assert_whole(struct machine *m, unsigned file, uint64_t size)
{
        const struct file_told *told = spools_last(&m->files, FILE_NEWS_FINISHED);
        struct spool *spool;

        ASSERT_NOT_NULL(told);
        ASSERT_EQ(told->file.reason, TRANSFER_DONE);
        ASSERT_EQ(told->file.state, TRANSFER_WHOLE);
        spool = spools_find(&m->files, &told->file.spool_id);
        ASSERT_TRUE(spool || size == 0);
        for (uint64_t i = 0; i < size; i++)
                if (spool->data[i] != byte_of(file, i))
                        TEST_FAIL("byte %ju is another", (uintmax_t)i);
}

/* Nothing is remembered, nothing lies in a spool. */
static inline void assert_nothing_left(struct machine *m)
{
        ASSERT_EQ(count_open(m), 0);
        ASSERT_EQ(m->files.n_rows, 0);
        ASSERT_EQ(m->files.n_spools, 0);
}
