/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The engine of groups, from inside
 *
 *     group.c    begins and ends, hands messages and times around
 *     effect.c   what is to be done
 *     restore.c  what was stored; groups come and go
 *     user.c     what a user wants; questions
 *     draft.c    the next version of a membership
 *     version.c  adopting one; invitations
 *     part.c     leaving, and being told that one has left
 *     lane.c     how much we have of what everybody wrote; the digest
 *     meet.c     peers, and what is said when a membership or a message is new
 *     ask.c      what is asked of whom
 *     serve.c    taking messages, and giving stored ones
 *
 * Running out of memory sets e->error, which every input returns at its end; so most functions here
 * return nothing. A ban frees the peer with its meetings: nothing is done with them afterwards.
 */
#include "base/list.h"
#include "base/ratelimit.h"
#include "base/table.h"
#include "core/crypto/random.h"
#include "core/group/group.h"

#define NEWS_USEC (500 * USEC_PER_MSEC) /* to twice so much: until others are told */
#define COMPARE_USEC                                                                               \
        (2 * USEC_PER_SEC)             /* to twice so much: until what could not be taken is asked \
                                          for again */
#define ANSWER_USEC USEC_PER_MINUTE    /* without an answer to TIP: once more */
#define ASK_USEC (15 * USEC_PER_SEC)   /* without what was asked for */
#define STALE_USEC (45 * USEC_PER_SEC) /* after that another may be asked */
#define PAUSE_USEC (30 * USEC_PER_SEC) /* who did not deliver is not asked for so long */
#define PAUSE_DOUBLINGS 5U
#define PUSH_USEC (20 * USEC_PER_SEC) /* between two times of giving one membership */
#define ASK_AT_ONCE 16                /* messages in one GET */

#define LANE_KEY_SIZE (PUBLIC_KEY_SIZE + 8 + 4)

struct author {
        struct table_entry in_authors;
        struct list in_group;
        struct group_key key;
        struct list lanes;
        size_t n_lanes;
};

struct lane {
        struct table_entry in_lanes;
        struct list in_author;
        struct author *author;
        uint64_t stream;
        uint32_t version;
        uint32_t exchange; /* of a meeting: it has what we have */
        uint64_t high;     /* we have 1 up to this */
        uint64_t changed;  /* n_changes of the group at that time */
};

/* A wish to leave that is in no version yet. */
struct wish {
        struct list in_group;
        struct group_leave leave;
};

struct group {
        struct table_entry in_groups;
        struct list in_engine;
        struct group_id id;
        enum group_state state;
        struct group_key inviter;
        struct group_membership *membership;
        bool heard[GROUP_MEMBERS_MAX]; /* by place in the membership: it spoke of the group */
        struct list wishes;
        struct table authors, lanes;
        struct list all_authors;
        size_t n_shared; /* lanes beyond GROUP_LANES_FREE of their author */
        uint64_t n_changes;
        uint32_t n_exchanges;
        struct table asks;    /* by lane: one at a time */
        struct list meetings; /* while we are a member */
        usec_t news_usec;     /* then members are told what is new; USEC_INFINITY: nothing is */
        usec_t compare_usec;  /* then those that have more are asked for it */
        usec_t wake_usec;     /* the next time that anything is to be done */
};

struct peer_of_groups {
        struct table_entry in_peers;
        struct list in_engine;
        struct group_key key;
        struct list meetings;
        struct ratelimit taken, served, signatures;
        usec_t bytes_begin_usec; /* of a minute in which ... */
        uint64_t n_bytes;        /* ... so many were given */
};

/* A connected peer in a group to which both belong. */
struct meeting {
        struct list in_group, in_peer;
        struct group *group;
        struct peer_of_groups *peer;
        uint64_t told;       /* n_changes of the group at that time */
        uint32_t exchange;   /* that of the lanes that it mentioned since the last one ended */
        bool wants_more;     /* it has what could not be asked for or taken */
        usec_t awaited_usec; /* an answer to TIP; 0: none */
        usec_t pushed_usec;  /* a membership, the last time */
        usec_t paused_usec;  /* until then it is not asked for anything */
        unsigned n_failures;
        struct list asks;
        size_t n_asks, n_flight; /* lanes, messages under way */
        usec_t asked_usec;       /* or the last that came */
        struct ratelimit answers;
};

struct ask {
        struct list in_meeting;
        struct table_entry in_asks;
        struct meeting *meeting;
        struct group_lane_id lane;
        uint64_t next, until, offered; /* until: the last under way, or below next */
        usec_t begin_usec;
};

struct queued_group_effect {
        struct list in_effects;
        struct group_effect effect;
        uint8_t data[];
};

struct group_engine {
        const struct identity *identity;
        struct random *random;
        struct group_key self;
        uint64_t life;
        int error;
        struct now now;
        struct table groups, peers;
        struct list all_groups, all_peers;
        size_t n_groups, n_peers;
        usec_t wake_usec;
        struct list effects;
        struct queued_group_effect *given;
        uint8_t message[GROUP_GOSSIP_SIZE_MAX]; /* being written */
};

/* effect.c */
/* NULL without memory; the data is copied. */
struct group_effect *group_add_effect(struct group_engine *e, enum group_effect_type type,
        const struct group *g, const void *data, size_t size);
/* What stands in e->message. */
void group_post(struct group_engine *e, const struct group_key *peer, size_t size);
/* Behind its kind. */
void group_post_record(struct group_engine *e, const struct group_key *peer,
        enum group_gossip_kind kind, const void *data, size_t size);
void group_ban(struct group_engine *e, struct peer_of_groups *p);
void group_store(struct group_engine *e, const struct group *g);
void group_show_change(struct group_engine *e, const struct group *g, bool is_contradicted);

/* restore.c */
struct group *group_look_up(const struct group_engine *e, const struct group_id *id);
/* Takes the membership, also when it fails. NULL without memory. */
struct group *group_add(struct group_engine *e, struct group_membership *m, enum group_state state);
void group_drop(struct group_engine *e, struct group *g);
bool group_is_creator(const struct group_engine *e, const struct group *g);
/* @usec at the latest. */
void group_plan(struct group_engine *e, struct group *g, usec_t usec);
void group_end(struct group_engine *e, struct group *g);

/* draft.c */
/* The next version, signed: with these members more and these less. 0, GROUP_FULL, or -ENOMEM. */
int group_draft(struct group_engine *e, const struct group *g, const struct group_key *add,
        size_t n_add, const struct group_key *drop, size_t n_drop, struct group_membership **ret);
/* The highest numbers of an author's lanes that count at @g, of its last time in the group, the
 * newest versions if they are too many; ascending. How many. */
size_t group_author_cuts(const struct group *g, const struct group_key *key, uint32_t joined,
        size_t n_max, struct group_cut ret[static GROUP_CUTS_MAX]);

/* version.c */
/* Takes @m: it is verified and better. @from: who brought it, or NULL. */
void group_adopt(struct group_engine *e, struct group *g, struct group_membership *m,
        const struct group_key *from);
void group_received_membership(
        struct group_engine *e, struct peer_of_groups *p, const void *data, size_t size);

/* part.c */
const struct wish *group_find_wish(const struct group *g, const struct group_key *key);
int group_add_wish(struct group_engine *e, struct group *g, const struct group_leave *l);
void group_drop_wishes(struct group_engine *e, struct group *g);
/* A member that did not say that it leaves. */
bool group_is_current(const struct group *g, const struct group_key *key);
/* The version at which it joined the last time, or 0. */
uint32_t group_joined(const struct group *g, const struct group_key *key);
void group_received_leave(
        struct group_engine *e, struct peer_of_groups *p, const void *data, size_t size);
void group_received_farewell(
        struct group_engine *e, struct peer_of_groups *p, const void *data, size_t size);
/* If it left. */
void group_tell_farewell(
        struct group_engine *e, const struct group *g, const struct group_key *peer);
void group_tell_wishes(struct group_engine *e, const struct group *g, const struct group_key *peer);
/* While we are leaving: that we do, to a member. */
void group_tell_leaving(
        struct group_engine *e, const struct group *g, const struct group_key *peer);

/* lane.c */
struct lane *group_find_lane(const struct group *g, const struct group_lane_id *id);
/* May it begin? */
bool group_lane_fits(const struct group *g, const struct group_key *author);
/* NULL without memory. */
struct lane *group_add_lane(
        struct group_engine *e, struct group *g, const struct group_lane_id *id);
void group_clear_lanes(struct group *g);
void group_drop_lanes_below(struct group *g, uint32_t floor);
struct group_lane_id group_id_of_lane(const struct lane *l);
/* The last number that counts. */
uint64_t group_cut(const struct group *g, const struct group_lane_id *id);
/* What we have of it and counts. */
uint64_t group_lane_number(const struct group *g, const struct lane *l);
/* Do both have a right to it? */
bool group_lane_is_for(const struct group_engine *e, const struct group *g,
        const struct group_key *peer, uint32_t version);
uint64_t group_digest(const struct group_engine *e, const struct group *g,
        const struct group_key *peer, const uint8_t nonce[static GROUP_DIGEST_NONCE_SIZE]);
void group_lane_pack(const struct group_lane_id *id, uint8_t ret[static LANE_KEY_SIZE]);
uint64_t group_own_stream(const struct group_engine *e, const struct group *g);

/* meet.c */
struct peer_of_groups *group_find_peer(const struct group_engine *e, const struct group_key *key);
int group_add_peer(struct group_engine *e, const struct group_key *key);
void group_remove_peer(struct group_engine *e, struct peer_of_groups *p);
struct meeting *group_find_meeting(const struct group *g, const struct peer_of_groups *p);
/* With whom there can be one there is one, and with nobody else. */
void group_meet(struct group_engine *e, struct group *g);
void group_meet_peer(struct group_engine *e, struct group *g, struct peer_of_groups *p);
void group_remove_meeting(struct group_engine *e, struct meeting *m);
void group_tell_tip(struct group_engine *e, struct meeting *m);
/* Our membership. */
void group_push(struct group_engine *e, struct meeting *m);
void group_tell_membership(
        struct group_engine *e, const struct group *g, const struct group_key *peer);
void group_received_tip(
        struct group_engine *e, struct peer_of_groups *p, const struct group_gossip *t);
void group_received_have(
        struct group_engine *e, struct peer_of_groups *p, const struct group_gossip *h);
void group_has_news(struct group_engine *e, struct group *g);
void group_tell_news(struct group_engine *e, struct group *g);
/* Who owes an answer is asked again. */
void group_wake_meetings(struct group_engine *e, struct group *g);

/* ask.c */
void group_ask(struct group_engine *e, struct meeting *m, const struct group_lane_id *lane,
        uint64_t first, uint64_t last);
void group_pump(struct group_engine *e, struct meeting *m);
void group_came(struct group_engine *e, struct meeting *m, const struct group_message *message);
/* It has what we could not take: later. */
void group_want_more(struct group_engine *e, struct meeting *m);
void group_drop_asks(struct group_engine *e, struct meeting *m);
/* What is due now. */
void group_wake_asks(struct group_engine *e, struct group *g);

/* serve.c */
void group_begin_life(struct group_engine *e);
void group_received_message(
        struct group_engine *e, struct peer_of_groups *p, const void *data, size_t size);
void group_received_get(
        struct group_engine *e, struct peer_of_groups *p, const struct group_gossip *get);
