/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The inside of a node, as far as the ledger is concerned
 *
 *     registry.c  our network: its engine, with whom we share it, what comes of it
 *     register.c  records of our own: register, renew, revoke, approve; networks of our own
 *     certify.c   what the ledger says of the names that users bear
 */
#include "base/ratelimits.h"
#include "core/ledger/ledger.h"
#include "core/node/node.h"

struct link;
struct peer;

#define BANNED_MAX 64

struct banned {
        struct ledger_peer peer;
        usec_t until_usec;
};

struct registry {
        bool is_on;
        struct ledger *engine; /* NULL: off, or the genesis is not known yet */
        struct ledger_record record;
        char network[GENESIS_WORD_SIZE]; /* ours, by the record or the configuration */
        char fixed[GENESIS_WORD_SIZE];   /* by the configuration; "": not */
        bool is_loading;                 /* the chain is still to come from the store */
        bool is_fresh;    /* the chain was restored, and nobody knows yet that we have it */
        bool has_debris;  /* blocks are stored above the one that could not be restored */
        bool is_changed;  /* the chain: all that rests on it is looked at again */
        usec_t look_usec; /* when that is done anyway, for registrations end */
        struct banned banned[BANNED_MAX];
        size_t banned_next;
        struct ratelimit ban_warnings, dispute_warnings, borrower_warnings;
        struct ratelimits meetings_at; /* of each address: what a member costs, and may do, begins
                                          anew with each */
        uint64_t turn;
        size_t n_questions;           /* in this turn */
        usec_t taken_usec;            /* when it was told that our name is another's; 0: never */
        char disputed[SENTENCE_SIZE]; /* a heavier chain that is not followed */
};

/* registry.c */
int node_registry_init(struct node *n, const uint8_t key[static TABLE_KEY_SIZE]);
void node_registry_done(struct node *n);
int node_registry_advance(struct node *n, struct now now);
usec_t node_registry_deadline(const struct node *n);
/* What the engine wants done; at the end of a turn. */
int node_registry_end_turn(struct node *n, struct now now);
/* A session was proven that is the one from now on; the last one with @position has ended. */
int node_registry_met(struct node *n, struct link *link, struct now now);
int node_registry_lost(struct node *n, const struct ring_id *position, struct now now);
/* A frame of it. */
int node_registry_receive(
        struct node *n, struct link *link, const void *data, size_t size, struct now now);
/* The record changed: it is stored. */
int node_registry_store(struct node *n);
/* The chain is that of another network from now on: it comes from the store. */
int node_registry_switch(struct node *n, const char *word);

/* register.c */
/* Our own record that waits, and what will have to be renewed. */
int node_registration_look(struct node *n, struct now now);

/* certify.c */
/* The name under which who calls himself @name is known here: that, or "#" and the beginning of his
 * id when the ledger has given it to another key. @contact: the name that is bound to him here, or
 * "": of a contact the ledger touches nothing. */
const char *node_certified_name(const struct node *n, const char *id, const char *contact,
        const char *name, struct now now, char buffer[static NAME_SIZE_MAX + 1]);
/* Is the name that he calls himself not his? */
bool peer_is_nameless(const struct peer *peer);
/* A session has proven who he is: what does the ledger say of it? Tells once that @name, which he
 * calls himself, is another's. */
int node_certify(struct node *n, struct peer *peer, const char *name, struct now now);
int node_certify_all(struct node *n, struct now now);
/* The name is registered to this key from now on; if it is a contact's or ours, a person hears it.
 */
int node_certified(struct node *n, const struct ledger_effect *e, struct now now);
/* Who has @name by the ledger: its key, or NULL when nobody does, or no ledger is known. */
bool node_name_holder(
        const struct node *n, const char *name, usec_t real_usec, struct ledger_name *ret);
