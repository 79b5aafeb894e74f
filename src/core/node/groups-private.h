/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The inside of a node, as far as groups are concerned
 *
 *     groups.c      the engine (core/group/group.h): sessions, frames, what comes of it
 *     team.c        groups as the node knows them: who is in them, and how they are called
 *     told.c        who has what we wrote
 *     gather.c      sessions that are sought for a group
 *     group-call.c  what callers want of groups
 *
 * A group is a "team" here, so that it is not taken for the engine's; a "fellow" is somebody else
 * who is in one with us, whether he is known here otherwise or not.
 */
#include "base/ratelimit.h"
#include "base/table.h"
#include "core/group/group.h"
#include "core/node/node.h"

struct call;
struct link;
struct peer;

#define GROUP_BANNED_MAX 64
#define TEAM_WORD_ID_MIN 4 /* hexadecimal digits */

struct fellow {
        struct table_entry by_id;
        struct list list; /* in groups.fellows */
        char id[ID_STRING_SIZE];
        struct group_key key;
        unsigned n_teams;
        unsigned n_unheard; /* teams of which we made the membership, and of which it has not spoken
                               since */
        unsigned n_wanting; /* teams that have something for it */
        usec_t wanted_usec; /* when the newest of that came to be */
        usec_t due_usec;    /* a session with it is to be sought; USEC_INFINITY: none is */
        usec_t rest_usec;   /* before that none is sought only to compare */
        unsigned n_failures; /* in a row */
        bool is_sought;      /* now */
};

struct team_member {
        struct fellow *fellow; /* NULL: we */
        struct group_key key;
        uint32_t joined;
        bool is_leaving, is_creator;
        bool is_unheard, is_wanted; /* counted by its fellow */
};

/* A message of ours that not all have. */
struct told {
        struct list list; /* in told_lane.messages, by number */
        struct ulid id;
        uint64_t number;
        size_t size;
        bool is_sent; /* one has it */
};

struct holder {
        struct group_key key;
        uint64_t number; /* it has all up to this */
};

/* One of our lanes in which there are such. */
struct told_lane {
        struct list list; /* in team.lanes */
        uint64_t stream;
        uint32_t version;
        struct list messages;
        struct holder *holders;
        size_t n_holders, n_allocated;
};

struct team {
        struct table_entry by_number, by_id;
        struct list list;    /* in groups.teams */
        struct list changed; /* in groups.changed */
        uint64_t number;     /* of the conversation */
        struct group_id id;
        enum group_state state; /* as it was stored */
        enum group_state shown; /* as people were told */
        usec_t muted_until_usec;
        struct list lanes; /* of struct told_lane */
        size_t n_told;
        size_t n_queued, queued_size; /* told to nobody yet */
        struct team_member *members;  /* while we are one, or are leaving */
        size_t n_members;
        usec_t spoken_usec; /* when we wrote here last, or changed who belongs */
        usec_t look_usec;   /* then one who is in it is met only to compare */
        bool is_joined;     /* we have just become a member: what was said is to be fetched */
        bool is_other;      /* who is in it has changed since members was filled */
};

struct group_ban {
        struct group_key key;
        usec_t until_usec;
};

struct groups {
        struct group_engine *engine; /* NULL: without an identity there are none */
        struct table by_number, by_id, fellows_by_id;
        struct list teams, fellows;
        struct list changed; /* teams of which is to be seen what follows */
        struct group_ban banned[GROUP_BANNED_MAX];
        size_t banned_next;
        struct ratelimit warnings;
        const struct ulid *writing; /* the id of the message that is just being written */
        size_t n_queued;            /* messages that were told to nobody yet */
        usec_t seek_usec;           /* the next time that a session is to be sought */
        size_t n_sought;            /* that are under way */
};

/* groups.c */
int node_groups_init(struct node *n, const uint8_t key[static TABLE_KEY_SIZE]);
void node_groups_done(struct node *n);
int node_groups_advance(struct node *n, struct now now);
usec_t node_groups_deadline(const struct node *n);
/* What the engine wants done, and what follows; at the end of a turn. */
int node_groups_end_turn(struct node *n, struct now now);
/* A session was proven that is the one from now on; the last one with @key has ended. */
int node_groups_met(struct node *n, struct link *link, struct now now);
int node_groups_lost(struct node *n, const struct group_key *key, struct now now);
/* A frame of a proven session. */
int node_groups_receive(
        struct node *n, struct link *link, const void *data, size_t size, struct now now);
/* What the engine has listed. */
int node_groups_drain(struct node *n, struct now now);
/* @peer was blocked, or is no longer. */
int node_groups_blocked(struct node *n, const struct peer *peer, struct now now);

/* team.c */
struct team *node_team(const struct node *n, uint64_t number);
struct team *node_team_by_id(const struct node *n, const struct group_id *id);
/* @number 0: the next one. */
int node_add_team(struct node *n, const struct group_id *id, uint64_t number, struct now now,
        struct team **ret);
void node_drop_team(struct node *n, struct team *team);
/* At the end of the turn it is seen what follows; @is_other: who is in it has changed. */
void node_team_changed(struct node *n, struct team *team, bool is_other);
/* Fills in who is in it. */
int node_team_refresh(struct node *n, struct team *team);
struct fellow *node_fellow(const struct node *n, const char *id);
/* In hexadecimal, as commands take it: a name may have anything in it. */
const char *node_team_id(const struct group_id *id, char ret[static GROUP_ID_STRING_SIZE]);
/* The word by which a group can be named now. */
const char *node_team_word(
        const struct node *n, const struct team *team, char buffer[static WORD_SIZE]);
/* Does it name a group, or would it? */
bool node_is_team_word(const struct node *n, const char *word);
/* 0 and the group, or a refusal. */
int node_find_team(
        const struct node *n, const char *word, struct team **ret, struct refusal *ret_refusal);
/* In its state that cannot be; @what: why, where a member may not either. */
int node_refuse_team(const struct node *n, const struct team *team, const char *what,
        struct refusal *ret_refusal);
/* How somebody is called here, or "#" and the beginning of his id. */
void node_author_name(const struct node *n, const char *id, char ret[static NAME_SIZE_MAX + 1]);

/* told.c */
int node_told_add(struct node *n, struct team *team, const struct group_lane_id *lane,
        const struct told *message);
/* @key has what we wrote in @lane up to @number. */
int node_told_held(struct node *n, struct team *team, const struct group_key *key,
        const struct group_lane_id *lane, uint64_t number);
/* What has become of our messages, and who lacks some of them. */
int node_told_look(struct node *n, struct team *team, struct now now);
/* Nobody asks any more what becomes of them. */
void node_told_drop(struct node *n, struct team *team);
const struct told *node_told_find(const struct team *team, const struct ulid *id);
/* Of those that nobody has it is said that they are cancelled, and of none is asked any more. */
int node_told_cancel(struct node *n, struct team *team);
/* Answers a call now, or when more is known of that message. */
int node_told_reply(struct node *n, uint64_t call, const struct team *team, const struct ulid *id,
        usec_t wait_usec, struct now now);
enum message_state node_told_state(const struct node *n, const struct call *call);
/* Callers who wait for what nobody is about to take are answered. */
int node_told_answer(struct node *n);

/* gather.c */
/* Something is for it. */
void node_gather_wanted(struct node *n, struct fellow *f, struct now now);
/* Something has come into @team from somebody else: does everybody have it? */
void node_gather_news(struct node *n, struct team *team, struct now now);
/* Who is in @team is another. */
void node_gather_plan(struct node *n, struct team *team, struct now now);
/* A user is here again. */
void node_gather_heard(struct node *n, const struct peer *peer, struct now now);
void node_gather_met(struct node *n, struct fellow *f, struct now now);
void node_gather_lost(struct node *n, struct fellow *f, struct now now);
void node_gather_forget(struct node *n, struct fellow *f);
int node_gather(struct node *n, struct now now);

/* group-call.c */
/* As node_send(), to a group. */
int node_group_send(struct node *n, uint64_t call, const char *word, const char *text, size_t size,
        const struct send_options *options, struct now now, struct refusal *ret_refusal);
int node_group_mute(
        struct node *n, const char *word, usec_t until_usec, struct refusal *ret_refusal);
int node_group_forget(
        struct node *n, const char *word, struct now now, struct refusal *ret_refusal);
