/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The engine of the ledger, from inside
 *
 *     ledger.c  begins and ends, hands messages and times around, answers questions
 *     names.c   who has which name after the blocks so far; taking a record back
 *     chain.c   headers, appending and leaving blocks, finality
 *     pool.c    records that wait
 *     mine.c    a block of our own
 *     peers.c   whom we talk to: what is told and answered
 *     path.c    the way to a heavier chain
 *     follow.c  going it
 *
 * Running out of memory sets l->error, which every input returns at its end; so most functions here
 * return nothing, or whether they did it.
 */
#include "base/list.h"
#include "base/ratelimit.h"
#include "base/table.h"
#include "core/crypto/random.h"
#include "core/ledger/gossip.h"
#include "core/ledger/ledger.h"

#define PATH_WINDOW 16  /* blocks that are asked for, or wait for those before them */
#define PATH_PER_PEER 4 /* of these, asked of one peer */
#define ASK_USEC (5 * USEC_PER_SEC)
#define PATH_USEC (15 * USEC_PER_SEC)       /* without progress: given up */
#define HEARD_BURST 4096                    /* records of one peer, known or not, in a minute */
#define SERVED_BURST 60000                  /* headers and blocks for one peer, in a minute */
#define WITHHELD_USEC (2 * USEC_PER_MINUTE) /* who did not deliver is not asked for so long */
#define WITHHELD_DOUBLINGS 6U
#define DISPUTED_USEC (10 * USEC_PER_MINUTE)
#define VERIFIED_AT_ONCE 4 /* about 1 ms each; the rest in the next turn */
#define VERIFIED_SETS 512
#define VERIFIED_WAYS 4
#define TELL_AGAIN_USEC USEC_PER_MINUTE
#define APPROVED_WAIT_USEC (10 * USEC_PER_SEC) /* others may make the block first */

/* What the chain says of a name. */
struct claim {
        char name[USERNAME_SIZE_MAX + 1];
        bool is_revoked, has_successor;
        uint32_t height;
        uint8_t public_key[PUBLIC_KEY_SIZE], successor[PUBLIC_KEY_SIZE];
        usec_t since_usec, until_usec;
        usec_t time_usec; /* of its last record */
        usec_t block_usec;
};

struct holding {
        struct table_entry by_name, by_key;
        struct claim claim;
};

struct names {
        struct table by_name, by_key;
};

struct undo {
        bool was_there;
        struct claim before; /* or its name only */
};

/* Of one of the last blocks: what is needed to leave it. */
struct body {
        struct undo *undo; /* both lie behind this */
        uint8_t *data;
        size_t n_undo, size;
};

struct link {
        struct block_header header;
        uint8_t hash[HASH_SIZE];
        usec_t held_usec;
        struct body *body; /* NULL when there are LEDGER_FINAL_DEPTH behind it */
};

struct waiting {
        struct list in_pool;
        struct certificate certificate;
        struct ledger_peer peer; /* who is charged */
        bool is_own, is_approved;
        usec_t ready_usec; /* before this others may put it into a block */
        usec_t tell_usec;  /* own: again */
};

struct step {
        struct block_header header;
        uint8_t hash[HASH_SIZE];
        uint8_t *data; /* NULL: not here yet */
        size_t size;
        bool is_asked;
        struct ledger_peer asked;
        usec_t deadline_usec;
        bool is_verified;  /* all its records */
        size_t n_verified; /* of its records */
};

/* What leads from a block of ours to the heavier tip of another. */
struct path {
        struct ledger_peer giver;
        uint32_t fork_height; /* the last that is common */
        struct step *steps;
        size_t n, next;       /* steps before next were followed */
        usec_t deadline_usec; /* without progress */
};

struct member {
        struct ledger_peer peer;
        bool has_tip, is_tip_done; /* we have it, or will not */
        struct block_header tip;
        uint8_t tip_hash[HASH_SIZE];
        usec_t asked_headers_usec; /* deadline; 0: was not asked */
        usec_t wait_usec;          /* until then it is not asked for anything */
        unsigned n_failures;       /* promises that were not kept, one after the other */
        unsigned n_asked;          /* blocks */
        bool is_lacking;           /* it does not have the blocks of this path */
        size_t n_charged;          /* records in the pool */
        struct ratelimit heard, records, served;
};

struct queued_effect {
        struct list in_effects;
        struct ledger_effect effect;
        uint8_t data[];
};

struct ledger {
        struct genesis genesis;
        struct random *random;
        int error;
        struct now now;

        struct names names;
        struct link *links; /* [0]: the genesis */
        size_t n_links, links_allocated;
        uint32_t bare_height; /* up to this links have no body */
        uint32_t final_height;
        uint8_t reported[HASH_SIZE];
        /* Whole records, in the set that they hash to, the newest first. Those of one block nearly
         * never drive each other out. */
        uint8_t verified[VERIFIED_SETS][VERIFIED_WAYS][HASH_SIZE];

        struct list pool;
        size_t n_pool, n_unapproved;

        struct block *template; /* what is being mined */
        bool is_template_valid;
        usec_t template_usec;

        struct member members[LEDGER_PEERS_MAX];
        size_t n_members;
        struct path path; /* n is 0: none */

        struct list effects;
        struct queued_effect *given;
        uint8_t message[LEDGER_MESSAGE_SIZE_MAX]; /* being written */
};

static inline bool peer_equal(const struct ledger_peer *a, const struct ledger_peer *b)
{
        return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static inline bool hash_equal(const uint8_t a[static HASH_SIZE], const uint8_t b[static HASH_SIZE])
{
        return memcmp(a, b, HASH_SIZE) == 0;
}

/* ledger.c */
/* NULL without memory; the data is to be filled in by the caller. */
struct ledger_effect *ledger_add_effect(
        struct ledger *l, enum ledger_effect_type type, size_t size);
/* What stands in l->message. */
void ledger_send(struct ledger *l, const struct ledger_peer *peer, size_t size);
void ledger_ban(struct ledger *l, const struct ledger_peer *peer);

/* names.c */
void names_init(struct names *n, struct random *random);
void names_done(struct names *n);
struct holding *names_find(const struct names *n, const char *name);
/* The one that it holds at that time, or NULL. */
struct holding *names_find_key(
        const struct names *n, const uint8_t key[static PUBLIC_KEY_SIZE], usec_t time_usec);
/* 0 or enum ledger_fault. @time_usec: of the block that it would be in. */
int names_check(const struct names *n, const struct certificate *c, usec_t time_usec);
/* The same, or -ENOMEM; when 0, *ret_undo takes it back. */
int names_apply(struct names *n, const struct certificate *c, const struct block_header *h,
        struct undo *ret_undo);
void names_undo(struct names *n, const struct undo *u);

/* chain.c */
const struct link *chain_tip(const struct ledger *l);
/* Is a chain that ends with this heavier than ours? */
bool chain_is_better(
        const struct ledger *l, const struct block_header *h, const uint8_t hash[static HASH_SIZE]);
/* The height of our block of that hash, if it has this height. */
bool chain_has(const struct ledger *l, uint32_t height, const uint8_t hash[static HASH_SIZE]);
/* May this header follow @previous, which times of @times (the last first) precede? */
bool chain_header_follows(const struct ledger *l, const struct link *previous, const usec_t *times,
        size_t n_times, const struct block_header *h, const uint8_t hash[static HASH_SIZE]);
/* The times of our block of that height and those before it, the last first; how many. */
size_t chain_times(const struct ledger *l, uint32_t height, usec_t ret[static LEDGER_MEDIAN]);
usec_t chain_median(const usec_t *times, size_t n);
/* As certificate_verify(), but a record comes in the pool, in a block and in another one. */
int chain_verify_record(struct ledger *l, const struct certificate *c);
enum verify {
        VERIFY_NOTHING, /* was done before */
        VERIFY_RECORDS,
};
/* Appends a block whose header follows our tip. 0, enum ledger_fault, or -ENOMEM; *ret_bad is the
 * record that it is about. */
int chain_append(struct ledger *l, const struct block *b, const void *data, size_t size,
        enum verify verify, usec_t held_usec, size_t *ret_bad);
/* Leaves the last block, and hands over what it was, with its body. */
struct link chain_leave(struct ledger *l);
/* Looks what has become final, and forgets bodies. */
void chain_update_final(struct ledger *l);
/* After a block was appended in earnest: effects, the pool, the others. */
void chain_appended(struct ledger *l, const struct block *b, const void *data, size_t size);

/* pool.c */
void pool_clear(struct ledger *l);
struct waiting *pool_find(const struct ledger *l, const uint8_t id[static HASH_SIZE]);
/* 0, enum ledger_fault, or -ENOMEM. @from: NULL when it is our own. */
int pool_add(struct ledger *l, const struct certificate *c, struct member *from);
/* Of a block that was left: no check but the rules. */
void pool_return(struct ledger *l, const struct certificate *c);
/* Drops what the chain has, or what cannot be in it any more. */
void pool_review(struct ledger *l);
void pool_tell_again(struct ledger *l);
usec_t pool_deadline(const struct ledger *l);

/* peers.c */
struct member *peers_find(struct ledger *l, const struct ledger_peer *peer);
void peers_meet(struct ledger *l, const struct ledger_peer *peer);
void peers_remove(struct ledger *l, struct member *m);
void peers_received(struct ledger *l, struct member *m, const struct gossip *message);
void peers_tell_tip(struct ledger *l);
/* To all but @but, which may be NULL. */
void peers_tell_record(
        struct ledger *l, const struct certificate *c, const struct ledger_peer *but);

/* path.c */
void path_clear(struct ledger *l);
/* Looks for somebody whose chain is heavier, unless there is a path. */
void path_begin(struct ledger *l);
void path_headers(struct ledger *l, struct member *m, const struct gossip *message);
void path_block(struct ledger *l, struct member *m, const uint8_t *data, size_t size);
void path_missing(struct ledger *l, struct member *m, const struct gossip *message);
/* What is to be done without anybody speaking. */
void path_advance(struct ledger *l);
usec_t path_deadline(const struct ledger *l);
void path_peer_gone(struct ledger *l, const struct ledger_peer *peer);
/* Asks for the blocks that are wanted next. */
void path_pump(struct ledger *l);
/* Does the path begin behind a block that is not our last? */
bool path_is_fork(const struct ledger *l);

/* follow.c */
bool path_can_follow(const struct ledger *l);
/* One block, or a whole fork. */
void path_follow(struct ledger *l);
/* Looks for another one. */
void path_give_up(struct ledger *l);

/* mine.c */
void mine_forget(struct ledger *l);
