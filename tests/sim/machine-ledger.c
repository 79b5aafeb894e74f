/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a daemon does for the ledger (src/daemon/ledger.c): the chain from the store, single blocks,
 * hashes. All machines of a world are members of one network, with little work.
 */
#include "tests/sim/oracle.h"

#define BITS 6
#define HASHES 32 /* tried at a time, ... */
#define HASHES_USEC (20 * USEC_PER_MSEC)

static void check(struct machine *m, int r, const char *what)
{
        if (r < 0)
                world_fail(m->world, "%c: %s gives %s", m->letter, what, strerror(-r));
}

static void get_genesis(
        struct genesis *ret, struct block_record *ret_record, uint8_t data[static GENESIS_SIZE_MAX])
{
        *ret = (struct genesis){ .name = "world", .bits = BITS };
        *ret_record = (struct block_record){ .data = data, .size = genesis_encode(ret, data) };
        memcpy(ret_record->network, ret->context.network, HASH_SIZE);
}

/* A disk that is new gets the network as if a person had joined it. */
static void prepare(struct machine *m)
{
        struct change network = { .type = CHANGE_LEDGER }, block = { .type = CHANGE_BLOCK };
        uint8_t data[GENESIS_SIZE_MAX];
        struct genesis genesis;

        get_genesis(&genesis, &block.block, data);
        genesis_word(&genesis, network.ledger.network);
        check(m, store_apply(m->store, &network), "store_apply()");
        check(m, store_apply(m->store, &block), "store_apply()");
        check(m, store_commit(m->store), "store_commit()");
}

static int restore_block(const struct block_record *block, void *userdata)
{
        struct machine *m = userdata;
        int r = node_restore_block(m->node, block, machine_now(m));

        if (r > 0)
                world_fail(m->world, "%c: its block %u does not follow", m->letter, block->height);
        return r;
}

void machine_restore_ledger(struct machine *m)
{
        struct ledger_record record = { 0 };
        struct block_record block;
        uint8_t data[GENESIS_SIZE_MAX];
        struct genesis genesis;

        if (!m->options.ledger || m->is_classic)
                return;
        if (store_load_ledger(m->store, &record) == -ENOENT) {
                prepare(m);
                check(m, store_load_ledger(m->store, &record), "store_load_ledger()");
        }
        get_genesis(&genesis, &block, data);
        check(m, node_restore_ledger(m->node, &record, &block, machine_now(m)),
                "node_restore_ledger()");
        check(m, store_load_blocks(m->store, block.network, 1, UINT32_MAX, restore_block, m),
                "store_load_blocks()");
}

static int load_block(const struct block_record *block, void *userdata)
{
        struct machine *m = userdata;

        return node_block_loaded(m->node, &m->wanted_by, block->data, block->size, machine_now(m));
}

static void load_one(struct machine *m, const struct event *e)
{
        m->wanted_by = e->peer;
        check(m, store_load_blocks(m->store, e->network, (uint32_t)e->value, 1, load_block, m),
                "store_load_blocks()");
}

void machine_load_for_ledger(struct machine *m, const struct effect *effect)
{
        struct event e = { .time_usec = m->world->now_usec, .machine = m };

        e.type = effect->type == EFFECT_LOAD_CHAIN ? EVENT_CHAIN : EVENT_BLOCK;
        if (e.type == EVENT_BLOCK) {
                e.value = effect->load_block.height;
                e.peer = effect->load_block.peer;
                memcpy(e.network, effect->load_block.network, sizeof e.network);
        }
        world_schedule(m->world, &e);
}

void machine_want_work(struct machine *m)
{
        struct world *w = m->world;

        if (m->is_working || !node_ledger_is_mining(m->node, machine_now(m)))
                return;
        m->is_working = true;
        world_schedule(w,
                &(struct event){
                        .time_usec = w->now_usec + HASHES_USEC, .type = EVENT_WORK, .machine = m });
}

void machine_ledger_event(struct machine *m, const struct event *e)
{
        machine_begin(m);
        if (e->type == EVENT_CHAIN) {
                machine_restore_ledger(m);
        } else if (e->type == EVENT_BLOCK) {
                load_one(m, e);
        } else {
                m->is_working = false;
                check(m, node_ledger_mine(m->node, HASHES, machine_now(m)), "node_ledger_mine()");
        }
}

void machine_register(struct machine *m)
{
        char word[WORD_SIZE];

        machine_begin(m);
        check(m, MIN(node_ledger_register(m->node, machine_now(m), word, NULL), 0),
                "node_ledger_register()");
}

void machine_revoke(struct machine *m)
{
        machine_begin(m);
        check(m, MIN(node_ledger_revoke(m->node, "", machine_now(m), NULL), 0),
                "node_ledger_revoke()");
}

/* All who are up say the same. */
void world_expect_one_chain(struct world *w)
{
        const struct machine *first = NULL;
        struct ledger_status told = { 0 };

        for (unsigned i = 0; i < w->n_machines; i++) {
                const struct machine *m = &w->machines[i];
                struct ledger_status status;
                struct ledger_view view;

                if (!m->node || m->is_foreign || m->is_classic || !m->options.ledger)
                        continue;
                node_ledger_view(m->node, machine_now(m), &view);
                ledger_status(view.ledger, &status);
                if (!first) {
                        first = m;
                        told = status;
                } else if (memcmp(told.tip, status.tip, HASH_SIZE) != 0) {
                        world_fail(w, "%c has %u blocks and %c another chain of %u", first->letter,
                                told.height, m->letter, status.height);
                }
                if (status.n_waiting > 0)
                        world_fail(w, "%c: %zu records still wait", m->letter, status.n_waiting);
        }
        w->n_blocks += told.height;
        w->n_names += told.n_names;
}
