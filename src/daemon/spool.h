/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Files under way: STATE/spool, and what the node asks of it
 *
 * All work at a disk is the worker's (spool-worker.h). A chunk is told to be written once the disk
 * has it. What of an incoming file was there for certain is looked at when the process begins, and
 * what belongs to no transfer is removed then.
 */
#include <systemd/sd-event.h>

#include "core/node/node.h"
#include "daemon/spool-worker.h"

struct manager;

struct spool {
        struct manager *manager;
        struct random *random; /* the worker's */
        struct spool_worker worker;
        sd_event_source *event;
        bool is_open;
};

void spool_init(struct spool *s, struct manager *m);
/* Once the memory is open, and before the node is told of transfers. 0 or -errno, logged. */
int spool_open(struct spool *s);
/* Of an incoming file: bytes from the beginning. 0 or -errno. */
int spool_certain(struct spool *s, const struct transfer_id *id, uint64_t size, uint64_t *ret_done);
/* Removes what the node does not know; then answers come in. 0 or -errno, logged. */
int spool_start(struct spool *s);
void spool_done(struct spool *s);

/* The four effects. 0 or -errno. */
int spool_carry_out(struct spool *s, const struct effect *e);
int spool_discard(struct spool *s, const struct transfer_id *id);
