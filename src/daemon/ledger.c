/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the ledger needs of the world: its blocks from the store, and hashes */
#include "daemon/ledger.h"
#include "daemon/manager.h"
#include "os/clock.h"

#define PAGE_BLOCKS 256
#define CHAIN_ENDS (-ECANCELED) /* ends a reading; nobody sees it */
#define LOADS_PER_WAKE_UP 8
#define BATCH_USEC_MAX USEC_PER_MSEC /* in a slice, between two looks at the clock */
#define HASHES_MIN 16
#define HASHES_MAX (1U << 16)

/*
 * The chain
 */
struct restoring {
        struct manager *manager;
        struct ledger_record record;
        struct block_record genesis;
        uint8_t data[GENESIS_SIZE_MAX];
        uint32_t next; /* height */
        size_t n;      /* blocks of this page */
};

static int on_genesis(const struct block_record *block, void *userdata)
{
        struct restoring *x = userdata;

        if (block->size == 0 || block->size > sizeof x->data ||
                !node_ledger_is_network(x->manager->node, &x->record, block->data, block->size))
                return 0;
        x->genesis = *block;
        memcpy(x->data, block->data, block->size);
        x->genesis.data = x->data;
        return 0;
}

static int on_block(const struct block_record *block, void *userdata)
{
        struct restoring *x = userdata;
        int r;

        x->n++;
        x->next = block->height + 1;
        r = node_restore_block(x->manager->node, block, x->manager->now);
        return r > 0 ? CHAIN_ENDS : r;
}

static int restore_blocks(struct restoring *x)
{
        struct manager *m = x->manager;
        uint8_t network[HASH_SIZE];
        struct ledger_view view;
        int r;

        node_ledger_view(m->node, m->now, &view);
        if (!view.is_there || !view.ledger)
                return 0;
        memcpy(network, ledger_genesis(view.ledger)->context.network, HASH_SIZE);
        x->next = 1;
        do {
                x->n = 0;
                r = store_load_blocks(m->memory.store, network, x->next, PAGE_BLOCKS, on_block, x);
        } while (r >= 0 && x->n == PAGE_BLOCKS);
        return r == CHAIN_ENDS ? 0 : r;
}

int ledger_host_restore(struct ledger_host *h)
{
        struct manager *m = h->manager;
        struct restoring x = { .manager = m };
        int r;

        if (!m->config.ledger)
                return 0;
        r = store_load_ledger(m->memory.store, &x.record);
        if (r == -ENOENT)
                r = 0;
        if (r >= 0)
                r = store_load_genesis(m->memory.store, on_genesis, &x);
        if (r >= 0)
                r = node_restore_ledger(
                        m->node, &x.record, x.genesis.data ? &x.genesis : NULL, m->now);
        return r < 0 ? r : restore_blocks(&x);
}

int ledger_host_load_chain(struct ledger_host *h)
{
        h->wants_chain = true;
        h->n_wishes = 0; /* they were of the network before */
        return sd_event_source_set_enabled(h->load, SD_EVENT_ONESHOT);
}

static int load_chain(struct ledger_host *h)
{
        struct manager *m = h->manager;
        int r;

        h->wants_chain = false;
        (void)manager_now(m);
        r = ledger_host_restore(h);
        if (r < 0)
                manager_fail(m, r, "Failed to read the chain of the ledger");
        return r < 0 ? r : manager_take(m, 0);
}

/*
 * Single blocks
 */
int ledger_host_load_block(struct ledger_host *h, const uint8_t network[static HASH_SIZE],
        uint32_t height, const struct ledger_peer *peer)
{
        struct ledger_wish *w;

        if (h->n_wishes == h->n_allocated) {
                size_t n = h->n_allocated > 0 ? 2 * h->n_allocated : 16;

                w = reallocarray(h->wishes, n, sizeof *w);
                if (!w)
                        return -ENOMEM;
                h->wishes = w;
                h->n_allocated = n;
        }
        w = &h->wishes[h->n_wishes++];
        *w = (struct ledger_wish){ .height = height, .peer = *peer };
        memcpy(w->network, network, HASH_SIZE);
        return sd_event_source_set_enabled(h->load, SD_EVENT_ONESHOT);
}

struct granting {
        struct manager *manager;
        const struct ledger_wish *wish;
        bool is_done;
};

static int grant(struct granting *g, const void *data, size_t size)
{
        struct manager *m = g->manager;

        g->is_done = true;
        return manager_take(
                m, node_block_loaded(m->node, &g->wish->peer, data, size, manager_now(m)));
}

static int on_wanted(const struct block_record *block, void *userdata)
{
        struct granting *g = userdata;

        if (block->height != g->wish->height || block->size == 0)
                return 0;
        return grant(g, block->data, block->size);
}

static int load_block(struct ledger_host *h, const struct ledger_wish *w)
{
        struct granting g = { .manager = h->manager, .wish = w };
        int r;

        r = store_load_blocks(h->manager->memory.store, w->network, w->height, 1, on_wanted, &g);
        if (r < 0)
                manager_fail(h->manager, r, "Failed to read a block of the ledger");
        return r < 0 || g.is_done ? r : grant(&g, NULL, 0);
}

static int on_load(sd_event_source *s, void *userdata)
{
        struct ledger_host *h = userdata;
        size_t n = MIN(h->n_wishes, (size_t)LOADS_PER_WAKE_UP);

        if (h->wants_chain)
                return load_chain(h) < 0 ? 0 : sd_event_source_set_enabled(s, SD_EVENT_OFF);
        for (size_t i = 0; i < n; i++)
                if (load_block(h, &h->wishes[i]) < 0)
                        return 0;
        h->n_wishes -= n;
        memmove(h->wishes, h->wishes + n, h->n_wishes * sizeof *h->wishes);
        return sd_event_source_set_enabled(s, h->n_wishes > 0 ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

/*
 * Work
 */
static bool is_mining(const struct ledger_host *h)
{
        const struct manager *m = h->manager;

        return !m->goodbye_timer && node_ledger_is_mining(m->node, m->now);
}

/* So many that the next batch is done in time, whatever machine this is. */
static void adapt(struct ledger_host *h, usec_t took_usec)
{
        if (took_usec > BATCH_USEC_MAX)
                h->n_hashes = MAX(h->n_hashes / 2, (unsigned)HASHES_MIN);
        else if (took_usec < BATCH_USEC_MAX / 2)
                h->n_hashes = MIN(2 * h->n_hashes, HASHES_MAX);
}

static void mine_slice(struct ledger_host *h)
{
        usec_t begin_usec = clock_now().mono_usec, before_usec = begin_usec, after_usec;
        struct manager *m = h->manager;

        do {
                if (manager_take(m, node_ledger_mine(m->node, h->n_hashes, manager_now(m))) < 0)
                        return;
                after_usec = clock_now().mono_usec;
                adapt(h, after_usec - before_usec);
                before_usec = after_usec;
        } while (after_usec - begin_usec < LEDGER_SLICE_USEC && is_mining(h));
}

static int on_mine(sd_event_source *s, void *userdata)
{
        struct ledger_host *h = userdata;
        struct manager *m = h->manager;

        if (m->n_inputs > 0 && manager_flush(m) < 0)
                return 0;
        (void)manager_now(m);
        if (is_mining(h))
                mine_slice(h);
        return 0; /* the end of the turn looks whether it goes on */
}

void ledger_host_look(struct ledger_host *h)
{
        if (h->mine)
                (void)sd_event_source_set_enabled(
                        h->mine, is_mining(h) ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

/*
 * Life
 */
void ledger_host_init(struct ledger_host *h, struct manager *m)
{
        *h = (struct ledger_host){ .manager = m, .n_hashes = HASHES_MIN };
}

int ledger_host_start(struct ledger_host *h)
{
        struct manager *m = h->manager;
        int r;

        r = sd_event_add_defer(m->event, &h->load, on_load, h);
        if (r >= 0)
                r = sd_event_source_set_enabled(h->load, SD_EVENT_OFF);
        if (r >= 0 && m->config.ledger)
                r = sd_event_add_defer(m->event, &h->mine, on_mine, h);
        if (r >= 0 && h->mine)
                r = sd_event_source_set_priority(h->mine, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0 && h->mine)
                r = sd_event_source_set_enabled(h->mine, SD_EVENT_OFF);
        return r < 0 ? r : 0;
}

void ledger_host_done(struct ledger_host *h)
{
        h->load = sd_event_source_disable_unref(h->load);
        h->mine = sd_event_source_disable_unref(h->mine);
        free(h->wishes);
        h->wishes = NULL;
}
