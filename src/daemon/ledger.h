/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What the ledger needs of the world: its blocks from the store, and hashes
 *
 * The chain is given to the node at start and when its network has become another, page by page;
 * a single block when another member wants it.
 *
 * While a record waits for a block that takes work, hashes are tried when nothing else is to be
 * done, for LEDGER_SLICE_USEC at a time, and a turn is ended before and after each slice: who talks
 * to us waits for one slice at most, and a block that was found leaves at once. Everybody else goes
 * first, always: on a machine that is never idle no block is made, and others make it. A turn in
 * which no block was found changes nothing, and so costs no fsync.
 */
#include <systemd/sd-event.h>

#include "core/node/node.h"

/* With the last of its batches, not more than 4 ms. */
#define LEDGER_SLICE_USEC (3 * USEC_PER_MSEC)

struct manager;

struct ledger_host {
        struct manager *manager;
        sd_event_source *load, *mine;
        bool wants_chain;
        struct ledger_wish {
                uint8_t network[HASH_SIZE];
                uint32_t height;
                struct ledger_peer peer;
        } * wishes; /* blocks that the node asked for */
        size_t n_wishes, n_allocated;
        unsigned n_hashes; /* that take a part of a slice here */
};

void ledger_host_init(struct ledger_host *h, struct manager *m);
int ledger_host_start(struct ledger_host *h);
void ledger_host_done(struct ledger_host *h);

/* Gives the node what is stored of its network: at start. 0 or -errno. */
int ledger_host_restore(struct ledger_host *h);
/* EFFECT_LOAD_CHAIN and EFFECT_LOAD_BLOCK. 0 or -errno. */
int ledger_host_load_chain(struct ledger_host *h);
int ledger_host_load_block(struct ledger_host *h, const uint8_t network[static HASH_SIZE],
        uint32_t height, const struct ledger_peer *peer);
/* At the end of a turn: is there work now? */
void ledger_host_look(struct ledger_host *h);
