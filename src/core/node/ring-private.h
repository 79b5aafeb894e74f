/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The inside of a node, as far as the ring is concerned
 *
 *     ring.c      our place in the ring: its engine, coming to it, whom we meet
 *     reach.c     whether we can be reached, and others
 *     greet.c     who appears on the local network: is he on our ring?
 *     ring-link.c sessions with nodes of the ring who are no users here
 *     visit.c     going to places where a node of the ring may be
 *     search.c    users who are looked for on the ring
 */
#include "base/buffer.h"
#include "base/ratelimits.h"
#include "core/chord/chord.h"
#include "core/node/node.h"
#include "core/session/session.h"

struct link;
struct peer;

/* How a session ended. */
enum link_loss {
        LOSS_IN_PEACE, /* somebody ended it who is still there */
        LOSS_REPLACED, /* the other side has a newer one, of which we shall hear */
        LOSS_FAILED,
};

/* A node of the ring with whom there is, or shall be, a session that is for the ring alone. */
struct ring_node {
        struct table_entry by_id;
        struct list list; /* in ring.nodes, least used first */
        char id[ID_STRING_SIZE];
        struct chord_peer peer;
        uint64_t link;              /* of that session once it is proven, 0: none */
        struct session_claim claim; /* of it */
        uint64_t dial_link;         /* that we opened and that is not proven yet, 0: none */
        usec_t expected_usec;       /* as of a native user */
        struct buffer waiting;      /* to be said once it is: size (2), bytes, ... */
};

/* Going to one of some places to see whether a node of the ring is there. */
struct visit {
        struct list list;               /* in ring.visits */
        uint64_t call;                  /* of node_ring_join(), 0: nobody asked */
        char name[NAME_SIZE_MAX + 1];   /* what a person calls the places */
        char wanted_id[ID_STRING_SIZE]; /* who must be there; "": whoever is */
        struct endpoint places[RING_PLACES_MAX];
        size_t n_places, next;
        uint64_t link; /* of the dial */
};

#define EXPECTED_USEC USEC_PER_SEC
#define GREETINGS_MAX 128

/* A native user who appeared on the local network: is it on our ring? */
struct greeting {
        char id[ID_STRING_SIZE];
        usec_t due_usec;
        uint64_t lookup; /* that is under way, 0: none */
};

struct ring {
        struct chord *engine; /* NULL: we take no part */
        struct ring_id position;
        struct endpoint endpoint; /* where others reached us; no family: nowhere yet */
        struct ring_record record;
        bool is_renewing; /* the engine is to be made anew: it has left the ring */
        bool publishes;   /* our record is to be told to the engine */
        usec_t save_usec; /* when whom we know is next looked at for the store */

        struct table nodes_by_id; /* of struct ring_node */
        struct list nodes;
        size_t n_links;             /* sessions for the ring alone */
        struct ratelimit dials;     /* that did not come to one of these */
        struct ratelimits dials_at; /* and to each address */

        struct list visits;
        struct endpoint bootstrap[RING_PLACES_MAX]; /* of the configuration */
        size_t n_bootstrap;
        size_t place_next; /* of these and the remembered ones, to be visited */
        usec_t visit_usec; /* when */
        unsigned n_vain;   /* such visits, one after the other */
        struct greeting greetings[GREETINGS_MAX];
        size_t n_greetings;

        usec_t ask_usec;               /* when somebody may be asked whether we can be reached */
        unsigned n_asked;              /* since we were, or moved */
        unsigned n_unreached;          /* who said that we were not */
        char asked_id[ID_STRING_SIZE]; /* who is to answer, until ... */
        usec_t answer_usec;
        bool is_unsure;                  /* our addresses have changed since */
        struct ratelimits dial_backs;    /* that an address may ask for */
        struct ratelimit dial_backs_all; /* that all may */

        struct list searches;
        size_t n_found, n_missed;
        uint64_t turn;       /* counts them */
        unsigned n_ring;     /* frames that came in this one */
        usec_t goodbye_usec; /* we are leaving: withdrawals that wait do so no longer than this */
};

/* ring.c */
int node_ring_init(struct node *n, const uint8_t key[static TABLE_KEY_SIZE], struct now now);
void node_ring_done(struct node *n);
int node_ring_advance(struct node *n, struct now now);
usec_t node_ring_deadline(const struct node *n);
/* What the engine wants done; before anything else of the end of a turn. */
int node_ring_end_turn(struct node *n, struct now now);
int node_ring_receive(
        struct node *n, struct link *link, const void *data, size_t size, struct now now);
/* A session was proven, for the ring or for anything else, and is the one from now on. */
int node_ring_met(struct node *n, struct link *link, struct now now);
/* A visit has found somebody. */
int node_ring_visited(
        struct node *n, struct link *link, const struct introduction *who, struct now now);
/* It ended; @failed: not because nothing was to be said. */
int node_ring_lost(struct node *n, const struct ring_id *position, bool failed, struct now now);
/* Announcements of the user with this id are heard: what is said to the ring stays near. */
bool node_ring_is_near(const struct node *n, const char *id);
/* Our name or addresses changed. */
int node_ring_changed(struct node *n, bool is_moved, struct now now);
/* Withdraws, and leaves. */
int node_ring_say_goodbye(struct node *n, struct now now);
bool node_ring_is_alone(const struct node *n);
/* To more than the local network. */
bool node_ring_is_joined(const struct node *n);
/* Neither of the local network nor of a machine, unless we are there ourselves. */
bool node_ring_is_plausible(const struct node *n, const struct endpoint *e);

/* reach.c */
/* Somebody asks whether it can be reached; that was seen; what somebody saw of us. */
int node_reach_dial_back(struct node *n, struct link *link, uint16_t port, struct now now);
int node_reach_probed(struct node *n, const struct link *link, bool is_there, struct now now);
int node_reach_reached(
        struct node *n, const struct link *link, const struct endpoint *endpoint, struct now now);
bool node_reach_is_wanted(const struct node *n);
/* A session with somebody who can be asked, or NULL. */
struct link *node_reach_somebody(const struct node *n);
int node_reach_ask(struct node *n, struct link *link, struct now now);

/* greet.c */
/* A native user of the local network has come. */
void node_greet(struct node *n, const struct peer *peer, struct now now);
int node_greet_due(struct node *n, struct now now);
int node_greet_looked_up(struct node *n, const struct chord_effect *e, struct now now);

/* ring-link.c */
int node_ring_links_init(struct node *n, const uint8_t key[static TABLE_KEY_SIZE]);
void node_ring_links_done(struct node *n);
int node_ring_links_advance(struct node *n, struct now now);
usec_t node_ring_links_deadline(const struct node *n);
/* Says it in whatever session there is, or dials. */
int node_ring_send(
        struct node *n, const struct chord_peer *to, const void *data, size_t size, struct now now);
/* A session that is for the ring alone is proven. Outcome 1: it is not the one from now on. */
int node_ring_take(
        struct node *n, struct link *link, const struct introduction *who, struct now now);
/* The session with this id is one with a user now, or was: @ret_claim and its link are handed over.
 * False when there was none for the ring alone. */
bool node_ring_hand_over(
        struct node *n, const char *id, struct link **ret, struct session_claim *ret_claim);
/* What waited for a session with the id of @link goes. */
int node_ring_flush(struct node *n, struct link *link, const char *id, struct now now);
/* A dial for the ring, or a session that is for it alone, is gone; the link is, too. */
int node_ring_link_gone(struct node *n, struct ring_node *node, uint64_t number,
        enum link_loss loss, struct now now);
/* Such a dial has found a user: it is the user's session now. */
void node_ring_dialled(struct node *n, struct link *link);
struct link *node_ring_link(const struct node *n, const char *id);
bool node_ring_is_waiting(const struct node *n);
int node_ring_hang_up(struct node *n, enum goodbye reason, struct now now);

/* visit.c */
void node_visits_done(struct node *n);
int node_visit(struct node *n, uint64_t call, const char *name, const char *wanted_id,
        const struct endpoint *places, size_t n_places, struct now now);
/* Its dial has come to a proven session with a node of the ring; to anything else. */
int node_visit_met(struct node *n, struct visit *v, struct now now);
int node_visit_missed(struct node *n, struct visit *v, struct now now);
void node_visit_forget_call(struct node *n, uint64_t call);
/* All who wait for an answer get it. */
int node_visits_end(struct node *n);

/* search.c */
void node_searches_done(struct node *n);
/* SendMessage to somebody who is not known here. 0: an answer follows. */
int node_search_recipient(struct node *n, uint64_t call, const char *word, const char *text,
        size_t size, const struct send_options *options, struct now now,
        struct refusal *ret_refusal);
/* Is @word one that may be looked for, name#id? Then its parts. */
bool node_search_parse(const char *word, char ret_name[static NAME_SIZE_MAX + 1],
        char ret_id[static ID_STRING_SIZE]);
/* Where may this native user be? Asked only so often. */
int node_search_places(struct node *n, struct peer *peer, struct now now);
int node_search_found(struct node *n, const struct chord_effect *e, struct now now);
int node_searches_late(struct node *n, usec_t now_usec);
usec_t node_searches_deadline(const struct node *n);
void node_search_forget_call(struct node *n, uint64_t call);
