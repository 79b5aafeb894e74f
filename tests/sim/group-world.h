/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Many engines of groups on a virtual network
 *
 * An event without a message is to wake a node up. A message takes 20 to 80 ms, the same for a pair
 * each time. Cutting, crashing and banning end sessions. What an engine says is to be stored is all
 * that it gets back after a crash; a crash may hit between storing and sending, or before both. A
 * backup is a copy of what was stored. The same seed gives the same run. A signature that was
 * verified once in this process is not computed again (--wrap=sign_verify).
 *
 * Checked at each step: what is new comes once and in the order of its author; nobody sends a
 * message to somebody who did not belong at its version, or does not belong any more as far as the
 * sender has stored; nobody honest bans somebody honest.
 */
#include "core/crypto/random.h"
#include "core/group/group.h"
#include "tests/sim/event-heap.h"

#define GROUP_BEGIN_USEC (20000 * USEC_PER_DAY)
#define GROUP_WORLD_MAX 64

enum group_manner {
        GROUP_HONEST,
        GROUP_FORGER,   /* sends messages and memberships that are not signed */
        GROUP_FLOODER,  /* begins streams without end */
        GROUP_PROMISER, /* says that it has what is not there, and gives nothing */
        GROUP_SMUGGLER, /* passes on what a removed member wrote afterwards */
        GROUP_GREEDY,   /* asks for what it has no right to */
};

struct stored_message {
        struct group_id group;
        struct group_lane_id lane;
        uint64_t number;
        uint8_t *data;
        size_t size;
};

struct stored_group {
        struct group_id id;
        enum group_state state;
        struct group_key inviter;
        uint8_t *data;
        size_t size;
};

struct stored_leave {
        struct group_id group;
        struct group_key key;
        uint8_t *data;
        size_t size;
};

struct group_disk {
        struct stored_group *groups;
        struct stored_leave *leaves;
        struct stored_message *messages;
        size_t n_groups, n_leaves, n_messages;
        uint64_t life;
};

enum crash {
        CRASH_NOT,
        CRASH_UNSENT,   /* stored and not sent */
        CRASH_UNSTORED, /* neither */
};

struct group_node {
        struct group_engine *engine;
        struct identity identity;
        struct group_key key;
        enum group_manner manner;
        bool is_alive, is_accepting; /* invitations, at once */
        unsigned side;               /* of a partition */
        uint64_t born;               /* what was sent before does not reach it */
        usec_t wake_usec;
        bool is_cut[GROUP_WORLD_MAX], is_joined[GROUP_WORLD_MAX];
        struct group_disk disk, backup;
        enum crash crash; /* in the next turn */
        unsigned n_new, n_invited, n_changed, n_contradicted, n_bans, n_held, n_sent, n_loads;
        unsigned n_lives;
};

struct group_world {
        struct random *random;
        usec_t now_usec; /* since the beginning */
        struct group_node nodes[GROUP_WORLD_MAX];
        size_t n_nodes;
        struct event_heap heap;
        uint64_t n_messages, n_bytes;
        unsigned n_banned[GROUP_GREEDY + 1]; /* by the honest */
        const char *wrong;                   /* the first thing that must not be */
};

void group_world_open(struct group_world *w, uint64_t seed, size_t n_nodes);
void group_world_close(struct group_world *w);
struct now group_world_clock(const struct group_world *w);
/* Everything that is due in that time. */
void group_world_run(struct group_world *w, usec_t usec);
/* Sessions follow: who may no longer talk stops, who may again begins. */
void group_world_relink(struct group_world *w);
void group_world_cut(struct group_world *w, unsigned a, unsigned b, bool is_cut);
/* What an engine was told from outside is carried out. */
void group_world_after(struct group_world *w, unsigned i);
void group_world_crash(struct group_world *w, unsigned i);
/* From what it stored, with its life; or from its backup with a new one. */
void group_world_start(struct group_world *w, unsigned i);
void group_world_back_up(struct group_world *w, unsigned i);
void group_world_start_from_backup(struct group_world *w, unsigned i);
/* Says to one whom it is connected to, whatever it is. */
void group_world_post(
        struct group_world *w, unsigned from, unsigned to, const uint8_t *data, size_t size);

/* What users do; what the engine says. */
int group_world_create(struct group_world *w, unsigned i, unsigned n, struct group_id *ret);
int group_world_invite(struct group_world *w, unsigned i, const struct group_id *id, unsigned who);
int group_world_remove(struct group_world *w, unsigned i, const struct group_id *id, unsigned who);
int group_world_leave(struct group_world *w, unsigned i, const struct group_id *id);
int group_world_say(struct group_world *w, unsigned i, const struct group_id *id);

/* Have all honest members that are alive one membership, and of each lane to which they have a
 * right as much as any of them? NULL, or what differs. */
const char *group_world_difference(const struct group_world *w, const struct group_id *id);
/* Until there is none. How long it took, or USEC_INFINITY. */
usec_t group_world_settle(struct group_world *w, const struct group_id *id, usec_t usec_max);
/* Messages of @author that @i has stored, and that count for @i. */
size_t group_world_stored(const struct group_world *w, unsigned i, unsigned author);
uint64_t group_world_count(const struct group_world *w, unsigned i, const struct group_id *id);
bool group_world_is_member(const struct group_world *w, unsigned i, const struct group_id *id);
