/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The spool of a machine of node-pair.h, and what its node told of files
 *
 * What a spool was given is lost when the machine stops, until the node was told that the disk has
 * it. Nothing is answered while it is_holding.
 */
#include "core/node/node.h"
#include "lib/test.h"

#define SPOOLS_MAX 40
#define FILE_ROWS_MAX 300
#define FILE_NEWS_MAX 3000

struct spool {
        struct transfer_id id;
        uint8_t *data;
        uint64_t n, n_certain;
};

struct file_told {
        struct change_file file; /* its strings are these */
        char user[WORD_SIZE], name[TRANSFER_NAME_MAX + 1], detail[64];
};

struct file_row {
        struct file_record record;
        char name[TRANSFER_NAME_MAX + 1];
};

struct spools {
        size_t n_spools, n_rows, n_told, n_asked;
        struct spool spools[SPOOLS_MAX];
        struct file_row *rows;  /* FILE_ROWS_MAX */
        struct file_told *told; /* FILE_NEWS_MAX */
        struct effect asked[128];
        bool is_holding;             /* nothing is answered */
        bool is_deaf;                /* no room is found on any link */
        enum transfer_reason ill;    /* what comes cannot be written: why; 0: it can */
        uint64_t n_read;             /* bytes for others */
        size_t n_records;            /* that were to be stored */
        size_t n_reads_max, n_reads; /* at one time */
};

static inline struct spool *spools_find(struct spools *s, const struct transfer_id *id)
{
        for (size_t i = 0; i < s->n_spools; i++)
                if (memcmp(&s->spools[i].id, id, sizeof *id) == 0)
                        return &s->spools[i];
        return NULL;
}

static inline struct spool *spools_get(struct spools *s, const struct transfer_id *id)
{
        struct spool *spool = spools_find(s, id);

        if (spool)
                return spool;
        ASSERT_LT(s->n_spools, SPOOLS_MAX);
        s->spools[s->n_spools] = (struct spool){ .id = *id };
        return &s->spools[s->n_spools++];
}

static inline void spools_drop(struct spools *s, const struct transfer_id *id)
{
        struct spool *spool = spools_find(s, id);

        if (!spool)
                return;
        free(spool->data);
        *spool = s->spools[--s->n_spools];
}

static inline void spool_write(struct spool *spool, uint64_t offset, const void *data, size_t n)
{
        ASSERT_EQ(offset, spool->n);
        spool->data = realloc(spool->data, offset + n + 1);
        ASSERT_NOT_NULL(spool->data);
        memcpy(spool->data + offset, data, n);
        spool->n = offset + n;
}

/*
 * Records and news
 */
static inline struct file_row *spools_row(struct spools *s, const struct transfer_id *id)
{
        for (size_t i = 0; i < s->n_rows; i++)
                if (memcmp(&s->rows[i].record.transfer.id, id, sizeof *id) == 0)
                        return &s->rows[i];
        return NULL;
}

static inline void spools_put(struct spools *s, const struct file_record *record)
{
        struct file_row *row = spools_row(s, &record->transfer.id);

        s->n_records++;
        if (!s->rows)
                s->rows = calloc(FILE_ROWS_MAX, sizeof *s->rows);
        ASSERT_NOT_NULL(s->rows);
        if (!row) {
                ASSERT_LT(s->n_rows, FILE_ROWS_MAX);
                row = &s->rows[s->n_rows++];
        }
        snprintf(row->name, sizeof row->name, "%s", record->transfer.name);
        row->record = *record;
}

static inline void spools_forget(struct spools *s, const struct transfer_id *id)
{
        struct file_row *row = spools_row(s, id);

        if (row)
                memmove(row, row + 1, (size_t)(s->rows + --s->n_rows - row) * sizeof *row);
}

static inline void spools_tell(struct spools *s, const struct change_file *file)
{
        struct file_told *told;

        if (!s->told)
                s->told = calloc(FILE_NEWS_MAX, sizeof *s->told);
        ASSERT_NOT_NULL(s->told);
        told = &s->told[s->n_told];
        ASSERT_LT(s->n_told++, FILE_NEWS_MAX);
        told->file = *file;
        snprintf(told->user, sizeof told->user, "%s", file->user);
        snprintf(told->name, sizeof told->name, "%s", file->name);
        snprintf(told->detail, sizeof told->detail, "%s", file->detail);
}

/* The last news of this kind, or NULL; and how many there were. */
static inline const struct file_told *spools_last(const struct spools *s, enum file_news news)
{
        for (size_t i = s->n_told; i-- > 0;)
                if (s->told[i].file.news == news)
                        return &s->told[i];
        return NULL;
}

static inline size_t spools_count(const struct spools *s, enum file_news news)
{
        size_t n = 0;

        for (size_t i = 0; i < s->n_told; i++)
                n += s->told[i].file.news == news;
        return n;
}

/*
 * Effects
 */
static inline void spools_ask(struct spools *s, const struct effect *e)
{
        if (e->type == EFFECT_SPOOL_DISCARD) {
                spools_drop(s, &e->spool.id);
                return;
        }
        if (e->type == EFFECT_SPOOL_WRITE && s->ill == 0)
                spool_write(
                        spools_get(s, &e->spool.id), e->spool.offset, e->spool.data, e->spool.n);
        if (e->type == EFFECT_SPOOL_READ)
                s->n_reads_max = MAX(s->n_reads_max, ++s->n_reads);
        ASSERT_LT(s->n_asked, ELEMENTSOF(s->asked));
        s->asked[s->n_asked++] = *e;
}

static inline int spools_answer_write(
        struct spools *s, struct node *node, const struct effect *e, struct now now)
{
        struct spool *spool = spools_find(s, &e->spool.id);
        uint64_t end = e->spool.offset + e->spool.n;

        if (s->ill != 0)
                return node_spool_failed(node, &e->spool.ref, s->ill, now);
        if (!spool || spool->n < end)
                return 0;
        spool->n_certain = MAX(spool->n_certain, end);
        return node_spool_written(node, &e->spool.ref, spool->n_certain, now);
}

static inline int spools_answer_read(
        struct spools *s, struct node *node, const struct effect *e, struct now now)
{
        struct spool *spool = spools_find(s, &e->spool.id);
        uint64_t left = spool && spool->n > e->spool.offset ? spool->n - e->spool.offset : 0;
        size_t n = (size_t)MIN(left, (uint64_t)e->spool.n);

        s->n_reads--;
        s->n_read += n;
        if (!spool)
                return node_spool_failed(node, &e->spool.ref, TRANSFER_UNREADABLE, now);
        return node_spool_read(
                node, &e->spool.ref, n > 0 ? spool->data + e->spool.offset : NULL, n, now);
}

static inline int spools_answer_hash(
        struct spools *s, struct node *node, const struct effect *e, struct now now)
{
        struct spool *spool = spools_find(s, &e->spool.id);
        uint8_t digest[HASH_SIZE];

        if (!spool && e->spool.size > 0)
                return node_spool_failed(node, &e->spool.ref, TRANSFER_UNREADABLE, now);
        hash(&(struct blob){ spool ? spool->data : NULL, spool ? spool->n : 0 }, 1, digest);
        return node_spool_hashed(node, &e->spool.ref, digest, now);
}

static inline int spools_answer(
        struct spools *s, struct node *node, const struct effect *e, struct now now)
{
        if (e->type == EFFECT_SPOOL_WRITE)
                return spools_answer_write(s, node, e, now);
        if (e->type == EFFECT_SPOOL_READ)
                return spools_answer_read(s, node, e, now);
        if (e->type == EFFECT_SPOOL_HASH)
                return spools_answer_hash(s, node, e, now);
        ASSERT_EQ(e->type, EFFECT_ASK_ROOM);
        return node_has_room_on(node, e->ask_room.link, now);
}

/* The machine has stopped: what was not certain is lost. */
static inline void spools_stop(struct spools *s)
{
        s->n_asked = s->n_reads = 0;
        for (size_t i = 0; i < s->n_spools; i++)
                s->spools[i].n = s->spools[i].n_certain;
}

static inline void spools_done(struct spools *s)
{
        while (s->n_spools > 0)
                spools_drop(s, &s->spools[0].id);
        free(s->rows);
        free(s->told);
}
