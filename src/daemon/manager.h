/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The daemon: one node, its memory, its sockets, its bus, and the loop that feeds it
 *
 * What the world does is an input of the node:
 *
 *     manager_take(m, node_received(m->node, link, data, size, manager_now(m)));
 *
 * Inputs gather in a turn, which manager_flush() ends: changes are committed, then shown, then the
 * node's effects are carried out. Nothing that depends on a change leaves before its commit.
 * Effects never feed the node: what comes of them is an input of a later turn.
 */
#include <systemd/sd-event.h>

#include "core/node/node.h"
#include "daemon/chore.h"
#include "daemon/datagram.h"
#include "daemon/files.h"
#include "daemon/ledger.h"
#include "daemon/link.h"
#include "daemon/listener.h"
#include "daemon/memory.h"
#include "daemon/network.h"
#include "daemon/retention.h"
#include "daemon/ring.h"
#include "daemon/spool.h"
#include "daemon/team.h"
#include "os/config.h"

#define MANAGER_TURN_INPUTS_MAX 256
#define MANAGER_TURN_USEC_MAX (20 * USEC_PER_MSEC) /* while there is always something to read */
#define EXIT_NOT_STARTED 78                        /* EX_CONFIG: a restart does not mend it */
#define EXIT_RESTART 75 /* EX_TEMPFAIL: begin again with what is on disk */

struct bus;
struct journal;

/* From the command line; strings are borrowed. */
struct settings {
        const char *bus; /* "system", "session", "none" or an address */
        const char *config, *state, *log;
        struct endpoint bind; /* family ENDPOINT_NONE: all addresses */
};

struct manager {
        sd_event *event;
        const struct settings *settings;
        struct config config;
        struct journal *journal;
        struct memory memory;
        struct node *node;
        struct links links;
        struct listener listener, third_listener;
        struct datagrams datagrams;
        struct network network;
        struct ring ring;
        struct ledger_host ledger;
        struct team_host teams;
        struct spool spool;
        struct files files;
        struct retention retention;
        struct bus *bus; /* NULL with --bus=none */

        struct now now; /* of this turn, once it has an input */
        size_t n_inputs;
        usec_t started_usec; /* realtime */
        int exit_status;
        bool is_restarting;
        struct loads {
                struct ulid *items; /* texts that the node asked for */
                size_t n, n_allocated;
        } loads;

        sd_event_source *node_timer;    /* node_deadline() */
        sd_event_source *goodbye_timer; /* we are about to end, when the last goodbye is written */
        sd_event_source *load_source;
        struct chore log_chore; /* the log file has to catch up */
};

/* All of these log what goes wrong. 0, MEMORY_REFUSED, or negative errno. */
int manager_new(const struct settings *settings, struct manager **ret);
/* After this it is on the network, and has its name on the bus. */
int manager_start(struct manager *m);
/* Until a signal ends it, or a failure: the exit status. */
int manager_run(struct manager *m);
struct manager *manager_free(struct manager *m);
DEFINE_CLEANUP(struct manager *, manager_free)

/* The time of this turn. */
struct now manager_now(struct manager *m);
/* Counts an input; @r is what the node said of it. A failure ends the daemon: negative then. */
int manager_take(struct manager *m, int r);
/* Says goodbye to all sessions and ends the loop; called again, it ends it at once. */
void manager_stop(struct manager *m);
/* The same, and manager_run() returns EXIT_RESTART. */
void manager_restart(struct manager *m);
/* Logs and ends the loop: a restart begins with what is committed. */
void manager_fail(struct manager *m, int error, const char *what);
bool manager_is_failing(const struct manager *m);

/* flush.c: the end of a turn. 0, or negative when the daemon ends. */
int manager_flush(struct manager *m);
/* publish.c: what is new becomes a log line, a journal entry and a signal. */
void manager_publish(struct manager *m, const struct store_event *event);
