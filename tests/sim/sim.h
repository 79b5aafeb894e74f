/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* One world by chance: who lives in it, and what may happen there */
#include "tests/sim/oracle.h"

#define NAMES_MAX 3 /* that a machine may take beside its first */

enum {
        STRIKE_LOSS = 1 << 0,
        STRIKE_SPLIT = 1 << 1,
        STRIKE_CABLE = 1 << 2,
        STRIKE_ONEWAY = 1 << 3,
        STRIKE_CRASH = 1 << 4,
        STRIKE_POWER = 1 << 5,
        STRIKE_CLOCK = 1 << 6,
        STRIKE_MOVE = 1 << 7,
        STRIKE_USER = 1 << 8,
        STRIKE_BATCH = 1 << 9,
        STRIKE_DISK = 1 << 10,
        STRIKE_PARTITION = 1 << 11,
        STRIKE_WIRE = 1 << 12,
        STRIKE_PAUSE = 1 << 13,
        STRIKE_BACKUP = 1 << 14,
        STRIKE_LOST = 1 << 15,
        STRIKE_ROGUE = 1 << 16,
        STRIKE_CLASSIC = 1 << 17,
};
#define N_STRIKES 18

struct run {
        struct world *world;
        struct random *random; /* of the users; the world has its own */
        unsigned faults;
        unsigned n_nodes;
        bool is_classic; /* nobody has an identity */
        bool has_ring, has_ledger, has_files;
        usec_t end_usec;
        unsigned host_last;
        uint64_t n_texts;
        struct machine *rogue;                           /* or NULL */
        char names[MACHINES_MAX][USERNAME_SIZE_MAX + 1]; /* those of the beginning */
};

static inline uint64_t below(struct run *r, uint64_t limit)
{
        return random_below(r->random, limit);
}

static inline struct machine *any(struct run *r)
{
        return &r->world->machines[below(r, r->n_nodes)];
}

/* users.c */
void tick_user(struct world *w, void *userdata);
void tick_file(struct world *w, void *userdata);
void rename_one(struct machine *m, const char *name);
void unblock_all(struct machine *m);

/* strikes.c */
/* A comma-separated list of names, "all" or "none". */
unsigned parse_faults(const char *list);
void set_weather(struct run *r, struct weather *ret);
void tick_fault(struct world *w, void *userdata);
void tick_rogue(struct world *w, void *userdata);
void repair(struct run *r);
