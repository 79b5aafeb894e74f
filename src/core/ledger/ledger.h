/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The ledger: names that belong to keys, the same everywhere and with nobody in charge
 *
 * A chain of blocks (block.h) of records (certificate.h) that every member verifies from its first
 * block. An engine like the others of the core: the caller brings what happened and what time it
 * is, and drains what is to be done. It has no connections and no disk; peers are named by the
 * position that a session has proven, and what comes from one comes in the order in which it was
 * said.
 *
 * Rules of a chain (names.c, chain.c)
 *
 *   - A block is later than the median of the eleven before it, and not more than two hours ahead
 *     of the clock. Time in the rules below is the block's.
 *   - A record's own time is at most two hours ahead of that and at most seven days behind, and
 *     later than the last record of the same name by the same key: so nothing can be said twice.
 *   - REGISTER: the name is free or has ended, and the key has no other. It ends after 400 days,
 *     unless its owner registers it again, 30 days after the last time or later.
 *   - REVOKE: by the key that has the name. For 30 days nobody may register it but the successor.
 *   - Where the genesis names registrars, a registration has the signature of one.
 *
 * Which chain (chain.c, path.c): the heaviest; of two of one weight, the one whose last block has
 * the smaller hash. A block that was held for 24 hours, or is ten deep, is final: the heavier chain
 * that contradicts it is reported and not followed. What was in blocks that are left waits again.
 *
 * How it spreads (peers.c, path.c)
 *
 *     a                                   b
 *     | TIP  the header of my last block  |      when they meet, and when it changes
 *     | --------------------------------> |
 *     |                      GET_HEADERS  |      unless that header follows what b has
 *     | <-------------------------------- |
 *     | HEADERS                           |      work, times and links are checked: a path
 *     | --------------------------------> |
 *     |                       GET_BLOCKS  |      also to c, d ...: from all who have them
 *     | <-------------------------------- |
 *     | BLOCK  one in each message        |
 *     | --------------------------------> |      verified, followed, told to all others
 *
 * There is one path at a time, and no other blocks beside the chain: whatever was not asked for is
 * not looked at, so blocks without a parent cannot pile up. Records are told to all when they are
 * new here. Who sends what honest members never have (a wrong signature, no work, a broken rule) is
 * banned by an effect; who promises and does not deliver is not asked for a while.
 *
 * The caller stores what LEDGER_APPEND says, forgets what LEDGER_REORGANISE says, in the same
 * transaction where they come in one turn, and gives it back with ledger_restore() at start.
 *
 * Memory: LEDGER_NAME_MEMORY bytes a name and LEDGER_BLOCK_MEMORY a block, less than so much again
 * for the tables; the last ten blocks whole; the pool.
 */
#include "core/ledger/block.h"

struct ledger;
struct random;

#define LEDGER_MESSAGE_SIZE_MAX                                                                    \
        (60 * 1024) /* a block is up to 12.6 kB: more than a small frame                           \
                     */
#define LEDGER_PEERS_MAX 64
#define LEDGER_POOL_MAX 1024
#define LEDGER_POOL_PER_PEER_MAX 64
#define LEDGER_RECORDS_BURST 128 /* of one peer, in a minute: each costs a verification */
#define LEDGER_AHEAD_USEC (2 * USEC_PER_HOUR)
#define LEDGER_RECORD_AGE_USEC (7 * USEC_PER_DAY)
#define LEDGER_VALID_USEC (400 * USEC_PER_DAY)
#define LEDGER_RENEW_USEC (30 * USEC_PER_DAY)
#define LEDGER_REST_USEC (30 * USEC_PER_DAY)
#define LEDGER_FINAL_USEC USEC_PER_DAY
#define LEDGER_FINAL_DEPTH 10
#define LEDGER_MEDIAN 11

#define LEDGER_NAME_MEMORY 176 /* with what malloc() adds */
#define LEDGER_BLOCK_MEMORY 144

struct ledger_peer {
        uint8_t bytes[HASH_SIZE];
};

struct ledger_options {
        const struct genesis *genesis; /* copied */
        struct random *random;         /* borrowed */
};

enum ledger_effect_type {
        LEDGER_SEND,       /* data to peer */
        LEDGER_LOAD,       /* the stored block of that height for that peer: ledger_loaded() */
        LEDGER_APPEND,     /* data is the block of that height: to be stored, with held_usec */
        LEDGER_REORGANISE, /* stored blocks above that height are no more */
        LEDGER_CERTIFIED,  /* a registration is in the chain: name, public_key */
        LEDGER_REPORT,     /* peer has a heavier chain whose block of that height, hash, is not our
                              final one */
        LEDGER_BAN,        /* peer sent what is not honest */
};

struct ledger_effect {
        enum ledger_effect_type type;
        struct ledger_peer peer;
        const uint8_t *data; /* the engine's, until the next call of it */
        size_t size;
        uint32_t height;
        usec_t held_usec;
        uint8_t hash[HASH_SIZE];
        char name[USERNAME_SIZE_MAX + 1];
        uint8_t public_key[PUBLIC_KEY_SIZE];
};

/* Why a record cannot be in the next block, or a block not in the chain. */
enum ledger_fault {
        LEDGER_TAKEN = 1,   /* the name is another's */
        LEDGER_RESTS,       /* it was revoked, and not for this key */
        LEDGER_HAS_NAME,    /* the key has another name */
        LEDGER_TOO_SOON,    /* a renewal, less than 30 days after the last */
        LEDGER_NOT_OWNER,   /* who revokes does not have it */
        LEDGER_OUT_OF_TIME, /* too old, too far ahead, or not later than the one before */
        LEDGER_KNOWN,       /* it waits already */
        LEDGER_FULL,        /* too many wait */
        LEDGER_NOT_GENUINE,
        LEDGER_INVALID, /* a block: links, work, time or count */
};

/* Functions that can fail return 0, or -ENOMEM; then nothing is to be hoped of this engine.
 * Positive outcomes are named. */
int ledger_new(const struct ledger_options *options, struct ledger **ret);
struct ledger *ledger_free(struct ledger *l);
DEFINE_CLEANUP(struct ledger *, ledger_free)

/*
 * Stored blocks, in order, before anything else. Links, roots, work, times and the rules of names
 * are checked, so a changed bit is found; signatures are not, for the block was verified when it
 * came. LEDGER_INVALID, or why a record of it cannot be: it is not taken, and the next must be
 * another one of that height.
 */
int ledger_restore(struct ledger *l, const void *data, size_t size, usec_t held_usec);
/* The same with everything verified: of a fresh engine that is given all stored blocks, one after
 * the other, this is ledger verify, in slices of a block. *ret_bad: the place of the first record
 * that is not as it should be; 0 when it is the block itself. */
int ledger_check(struct ledger *l, const void *data, size_t size, size_t *ret_bad);

/* Verifies some of the records of a block ahead of ledger_check() or what comes from peers, which
 * then need not: so a slice is as short as one wants. *ret_first: how many of all are done; the
 * block is, when *ret_first == *ret_n. 0 or -ENOMEM; what is wrong is left to ledger_check(). */
int ledger_verify_some(struct ledger *l, const void *data, size_t size, size_t first, size_t n,
        size_t *ret_first, size_t *ret_n);

/* A session with a member of our network; beyond LEDGER_PEERS_MAX it is not taken up. */
int ledger_connected(struct ledger *l, const struct ledger_peer *peer, const struct now *now);
int ledger_gone(struct ledger *l, const struct ledger_peer *peer, const struct now *now);
int ledger_receive(struct ledger *l, const struct ledger_peer *from, const void *data, size_t size,
        const struct now *now);
/* What LEDGER_LOAD asked for. */
int ledger_loaded(struct ledger *l, const struct ledger_peer *peer, const void *data, size_t size,
        const struct now *now);
int ledger_advance(struct ledger *l, const struct now *now);
usec_t ledger_deadline(const struct ledger *l);
bool ledger_next_effect(struct ledger *l, struct ledger_effect *ret);

/* A record made here, or approved: verified, told to all, put into a block. 0, or enum
 * ledger_fault. It is told again every minute until it is in the chain or cannot be any more. */
int ledger_submit(struct ledger *l, const struct certificate *c, const struct now *now);
/* Tries so many hashes; nothing to do while no record waits. */
int ledger_mine(struct ledger *l, unsigned n_hashes, const struct now *now);
bool ledger_is_mining(const struct ledger *l, const struct now *now);

enum ledger_name_state {
        LEDGER_HELD,
        LEDGER_REVOKED, /* nobody's, or kept for the successor */
        LEDGER_ENDED,
};

struct ledger_name {
        char name[USERNAME_SIZE_MAX + 1];
        uint8_t public_key[PUBLIC_KEY_SIZE];
        bool has_successor;
        uint8_t successor[PUBLIC_KEY_SIZE];
        enum ledger_name_state state;
        usec_t since_usec, until_usec;
        uint32_t height; /* of its last record */
        uint8_t block[HASH_SIZE];
};

struct ledger_status {
        uint32_t height, final_height;
        uint8_t tip[HASH_SIZE];
        uint64_t n_records; /* in the chain */
        uint64_t work;      /* expected number of hashes in it; 0 where registrars sign */
        size_t n_names;     /* those that ended and were not taken since count too */
        size_t n_waiting, n_unapproved;
        size_t n_peers;
        bool is_catching_up;
};

const struct genesis *ledger_genesis(const struct ledger *l);
/* False: nobody ever had it. */
bool ledger_find(
        const struct ledger *l, const char *name, usec_t real_usec, struct ledger_name *ret);
/* False: no name is held by that key. */
bool ledger_find_key(const struct ledger *l, const uint8_t key[static PUBLIC_KEY_SIZE],
        usec_t real_usec, struct ledger_name *ret);
/* The next names after @after, in the order of folded bytes; how many. */
size_t ledger_list(const struct ledger *l, const char *after, usec_t real_usec,
        struct ledger_name *ret, size_t n_max);
/* Registrations that wait for a registrar; how many. */
size_t ledger_unapproved(const struct ledger *l, struct certificate *ret, size_t n_max);
void ledger_status(const struct ledger *l, struct ledger_status *ret);
/* The message that tells our last block: for who is no member of ours, and has to hear that. Its
 * size. */
size_t ledger_write_tip(const struct ledger *l, uint8_t ret[static LEDGER_MESSAGE_SIZE_MAX]);
/* False: there is none of that height. */
bool ledger_header(const struct ledger *l, uint32_t height, struct block_header *ret,
        uint8_t ret_hash[static HASH_SIZE]);
