/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Groups: many write to many, and nobody in the middle
 *
 * The engine of all groups of a node. The caller brings what happened and what time it is, and
 * drains what is to be done. It has no connections and no disk; peers are named by the key that a
 * session has proven, and what comes from one comes in the order in which it was said.
 *
 * Who belongs (membership.h, version.c): the creator signs versions; the newest counts alone. A
 * member that leaves says so itself; that counts at once for whoever hears of it, and the creator
 * puts it into the next version.
 *
 * What was said (message.h, lane.c): messages of one lane (an author, one life of it, one version)
 * are numbered from 1 and taken in that order only, so what one has of a lane is one number. A
 * member has a right to the lanes of versions to which it belonged. What comes too early is not
 * kept but asked for again when it can be taken; so it waits where it is, and costs nothing here.
 *
 * How it spreads (meet.c, ask.c, serve.c)
 *
 *     a                                       b
 *     | MESSAGE  what a wrote, to all         |
 *     | ------------------------------------> |
 *     |                                       |     when they meet, or a membership is new:
 *     | TIP  my membership; a digest of what  |
 *     |      we both may have                 |
 *     | ------------------------------------> |
 *     |       HAVE  all that I have, or: same |     b's membership is the better: MEMBERSHIP
 *     | <------------------------------------ |     a is not in it any more: FAREWELL
 *     | HAVE  what you did not mention        |
 *     | ------------------------------------> |
 *     | GET  some messages of a lane          |     each asks the other for what it lacks, each
 *     | ------------------------------------> |     lane of one peer at a time
 *     |                              MESSAGE  |
 *     | <------------------------------------ |
 *     | HAVE  what is new here, in a second   |     to all but it is a small message; so what
 *     | ------------------------------------> |     somebody told one of them reaches all
 *
 * Nothing is said in a group to somebody who does not belong to it as far as is known here, but
 * FAREWELL to who did belong; what is said for a group by others is not answered.
 *
 * Invitations: a membership that names us, brought by somebody whom it names. The group waits for
 * group_accept() and until then nothing is said to its members and nothing taken from them.
 *
 * The caller stores what the effects say, in the order in which they come and before it sends
 * anything, and gives it back by the restore functions at start.
 */
#include "core/group/gossip.h"

struct group_engine;
struct random;

#define GROUP_FRAME_SIZE_MAX GROUP_GOSSIP_SIZE_MAX
#define GROUP_GROUPS_MAX 1000
#define GROUP_PER_CREATOR_MAX 16 /* groups of one creator that is not we */
#define GROUP_INVITED_MAX 128    /* that wait for us */
#define GROUP_INVITED_PER_PEER_MAX 8
#define GROUP_PEERS_MAX 512
#define GROUP_AUTHORS_MAX 1024 /* of one group, those that have gone too */
#define GROUP_LANES_PER_AUTHOR_MAX 1024
#define GROUP_LANES_FREE 16          /* of each author, which no other can use up */
#define GROUP_LANES_SHARED_MAX 16384 /* of one group, beyond these */
#define GROUP_ASKS_PER_PEER_MAX 256  /* lanes of one group that are asked of one member */
#define GROUP_WINDOW 64              /* messages under way from one member to us */
#define GROUP_TAKEN_BURST 6000       /* new messages from one peer, in a minute */
#define GROUP_SERVED_BURST 6000      /* stored messages for one peer, in a minute */
#define GROUP_SERVED_BYTES (UINT64_C(64) * 1024 * 1024) /* likewise */
#define GROUP_SIGNATURES_BURST 600 /* memberships, leaves, farewells of one peer, in a minute */
#define GROUP_ANSWERS_BURST 30     /* for one member of one group, in a minute */

struct group_options {
        const struct identity *identity; /* borrowed */
        struct random *random;           /* borrowed */
        /* That of before, by GROUP_LIFE; only if what is restored is certain to be the newest that
         * was stored. 0 is always right, and begins a new life: no number is used twice. */
        uint64_t life;
};

enum group_state {
        GROUP_INVITED = 1,
        GROUP_MEMBER = 2,
        GROUP_LEAVING = 3, /* we left, and do not know yet that a member knows */
        GROUP_ENDED = 4,   /* we left, or were removed; what was said may be read */
};

enum group_effect_type {
        GROUP_SEND,        /* data to peer */
        GROUP_LOAD,        /* the stored message of that group, lane and number for that peer:
                              group_loaded() */
        GROUP_STORE,       /* data, a membership, is that of the group: with state and inviter */
        GROUP_STORE_LEAVE, /* data, a wish to leave, of that group and of key */
        GROUP_DROP_LEAVE,  /* that wish is done */
        GROUP_FORGET,      /* nothing of that group is to be kept */
        GROUP_STORE_LIFE,  /* our life */
        GROUP_NEW,         /* data, a message, is new: to be stored, and shown */
        GROUP_HELD,        /* peer has what we wrote in that lane up to number */
        GROUP_INVITATION,  /* to be shown: inviter brought it */
        GROUP_CHANGED,     /* state, or who belongs: to be shown */
        GROUP_BAN,         /* peer sent what is not honest */
};

struct group_effect {
        enum group_effect_type type;
        struct group_id group;
        struct group_key peer; /* or key */
        const uint8_t *data;   /* the engine's, until the next call of it */
        size_t size;
        enum group_state state;
        struct group_key inviter;
        struct group_lane_id lane;
        uint64_t number;
        uint64_t life;
        uint8_t id[HASH_SIZE]; /* of a message */
        bool is_own;           /* GROUP_NEW: we wrote it */
        bool is_contradicted;  /* GROUP_CHANGED: the membership that was, was another one of that
                                  number, or the new one does not follow it: the creator was
                                  restored from a backup, and some of its changes may be undone */
};

/* Outcomes that are nobody's mistake. */
enum group_fault {
        GROUP_UNKNOWN = 1, /* there is no such group, or such member */
        GROUP_NOT_CREATOR, /* only the creator may */
        GROUP_WRONG_STATE, /* not a member, not invited, or still a member */
        GROUP_INVALID,     /* a name, a text, or bytes that are none of ours */
        GROUP_KNOWN,       /* is a member already */
        GROUP_FULL,
};

/* Functions that can fail return 0, or -ENOMEM; then nothing is to be hoped of this engine.
 * Positive outcomes are enum group_fault. */
int group_engine_new(const struct group_options *options, struct group_engine **ret);
struct group_engine *group_engine_free(struct group_engine *e);
DEFINE_CLEANUP(struct group_engine *, group_engine_free)

/*
 * What was stored, before anything else: first groups, then wishes to leave and lanes. For each
 * lane the highest number of its stored messages, of which none is missing. Signatures are not
 * verified again. GROUP_INVALID: bytes that are none, or of a group that is not there.
 */
int group_restore(struct group_engine *e, enum group_state state, const struct group_key *inviter,
        const void *membership, size_t size);
int group_restore_leave(struct group_engine *e, const void *leave, size_t size);
int group_restore_lane(struct group_engine *e, const struct group_id *group,
        const struct group_lane_id *lane, uint64_t number);

/* A session with somebody; beyond GROUP_PEERS_MAX it is not taken up. */
int group_connected(struct group_engine *e, const struct group_key *peer, const struct now *now);
int group_gone(struct group_engine *e, const struct group_key *peer, const struct now *now);
int group_receive(struct group_engine *e, const struct group_key *from, const void *data,
        size_t size, const struct now *now);
/* What GROUP_LOAD asked for; need not be called when it is not there. */
int group_loaded(struct group_engine *e, const struct group_key *peer, const void *message,
        size_t size, const struct now *now);
int group_advance(struct group_engine *e, const struct now *now);
usec_t group_deadline(const struct group_engine *e);
bool group_next_effect(struct group_engine *e, struct group_effect *ret);

/* Ours, with these members besides us: GROUP_INVALID for the name, GROUP_FULL. Who is named twice
 * is taken once. */
int group_create(struct group_engine *e, const char *name, const struct group_key *keys, size_t n,
        const struct now *now, struct group_id *ret);
/* By the creator: GROUP_KNOWN when all of them are members, GROUP_FULL. */
int group_invite(struct group_engine *e, const struct group_id *id, const struct group_key *keys,
        size_t n, const struct now *now);
/* By the creator, of another. */
int group_remove(struct group_engine *e, const struct group_id *id, const struct group_key *key,
        const struct now *now);
/* An invitation. */
int group_accept(struct group_engine *e, const struct group_id *id, const struct now *now);
/* Also declines an invitation. When the creator leaves, the group goes on as it is for ever. */
int group_leave(struct group_engine *e, const struct group_id *id, const struct now *now);
/* One that has ended; or an invitation, of which nobody is told and which may come again. */
int group_forget(struct group_engine *e, const struct group_id *id, const struct now *now);
/* What we write from now on is in lanes of its own: some of what we wrote before will never be
 * given to those who lack it, and they would not take what comes after it. */
int group_renew(struct group_engine *e, const struct now *now);
/* GROUP_INVALID for the text; GROUP_FULL when we began too many lanes here. The lane and number
 * that it got come by GROUP_NEW. */
int group_send(struct group_engine *e, const struct group_id *id, const char *text, size_t size,
        const struct now *now);

struct group_info {
        struct group_id id;
        enum group_state state;
        char name[NAME_SIZE_MAX + 1];
        struct group_key creator, inviter;
        uint32_t version;
        size_t n_members;
        uint8_t hash[HASH_SIZE]; /* of the membership */
};
struct group_member_info {
        struct group_key key;
        uint32_t joined;
        bool is_leaving; /* it said so, the creator not yet */
        bool is_heard;   /* it has spoken of the group since this membership is ours */
};
/* What counts of a lane, as far as it is here. */
struct group_lane_info {
        struct group_lane_id id;
        uint64_t number;
};

/* False: there is none. */
bool group_find(const struct group_engine *e, const struct group_id *id, struct group_info *ret);
/* All groups, at most GROUP_GROUPS_MAX; how many. */
size_t group_list(const struct group_engine *e, struct group_info *ret, size_t n_max);
/* How many, at most GROUP_MEMBERS_MAX. */
size_t group_members(const struct group_engine *e, const struct group_id *id,
        struct group_member_info *ret, size_t n_max);
/* The last number of a lane that counts, UINT64_MAX for all: what its author wrote beyond that,
 * before it heard that it was removed, is taken by nobody. */
uint64_t group_counts(
        const struct group_engine *e, const struct group_id *id, const struct group_lane_id *lane);
/* The lanes that count and to which we have a right; how many there are, of which n_max were
 * written. */
size_t group_lanes(const struct group_engine *e, const struct group_id *id,
        struct group_lane_info *ret, size_t n_max);
