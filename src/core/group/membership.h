/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Who belongs to a group, and since when: signed by its creator
 *
 *     format (1) | creator (32) | nonce (16) | name (blob) | version (4) | floor (4)
 *         | hash of the previous (32) | number of members (2) | members | number of departed (2)
 *         | departed | signature (64)
 *
 *     member    key (32) | version at which it joined (4)
 *     departed  key (32) | joined (4) | removed (4) | number of cuts (1) | cuts | signature (64)
 *     cut       version (4) | stream (8) | last number that counts (8)
 *
 * What stands before the last signature is the membership; its SHA-256 is its hash. The id of the
 * group follows from creator and nonce, so nobody else can sign for it.
 *
 * Every version says all that must be known: who is in, who was in, from which version up to which,
 * and how much of what the departed wrote counts. So whoever has the newest needs none before it,
 * and of two that have one number the smaller hash wins, with nothing to be merged. What is older
 * than the floor is no longer passed on, and departures before it are not listed; that is how the
 * list stays finite.
 *
 * A lane is what one author wrote in one life (stream) under one version; its messages have the
 * numbers 1, 2, 3 ... So a member has a right to all of a lane or to nothing of it, and may take a
 * lane from its first message without asking what came before.
 *
 * The signature of a departed entry, with the group's id before it, is what he is told: it says
 * that he was removed and nothing about who is there today.
 */
#include "base/text.h"
#include "core/crypto/sign.h"

#define GROUP_ID_SIZE 16
#define GROUP_NONCE_SIZE 16
#define GROUP_MEMBERS_MAX 256
#define GROUP_DEPARTED_MAX 256
#define GROUP_CUTS_MAX 128 /* of one departed */
#define GROUP_CUTS_ALL_MAX 1200
#define GROUP_MEMBERSHIP_SIZE_MAX                                                                  \
        (1 + 32 + 16 + 2 + NAME_SIZE_MAX + 4 + 4 + 32 + 2 + GROUP_MEMBERS_MAX * 36 + 2 +           \
                GROUP_DEPARTED_MAX * (41 + 64) + GROUP_CUTS_ALL_MAX * 20 + 64)
#define GROUP_LEAVE_SIZE_MAX (1 + GROUP_ID_SIZE + 32 + 4 + 1 + GROUP_CUTS_MAX * 20 + 64)
#define GROUP_FAREWELL_SIZE_MAX (GROUP_ID_SIZE + 41 + GROUP_CUTS_MAX * 20 + 64)

struct group_id {
        uint8_t bytes[GROUP_ID_SIZE];
};

struct group_key {
        uint8_t bytes[PUBLIC_KEY_SIZE];
};

struct group_lane_id {
        struct group_key author;
        uint64_t stream;
        uint32_t version;
};

struct group_cut {
        uint32_t version;
        uint64_t stream;
        uint64_t number;
};

struct group_member {
        struct group_key key;
        uint32_t joined;
};

struct group_departed {
        struct group_key key;
        uint32_t joined, removed; /* in all versions from joined up to that before removed */
        size_t first_cut, n_cuts; /* in the cuts of the membership, ascending */
        uint8_t signature[SIGNATURE_SIZE];
};

/* One piece of memory, to be freed by free(). */
struct group_membership {
        struct group_key creator;
        uint8_t nonce[GROUP_NONCE_SIZE];
        char name[NAME_SIZE_MAX + 1];
        uint32_t version, floor;
        uint8_t previous[HASH_SIZE]; /* zeros in version 1 */
        size_t n_members, n_departed, n_cuts;
        struct group_member *members;    /* ascending */
        struct group_departed *departed; /* ascending by key, then by joined */
        struct group_cut *cuts;          /* of all departed, one after the other */
        uint8_t signature[SIGNATURE_SIZE];
        uint8_t hash[HASH_SIZE]; /* set by decoding and signing */
        struct group_id id;      /* likewise */
};

enum group_codec_fault {
        GROUP_CODEC_MALFORMED = 1,
        GROUP_CODEC_BAD_KEY,
        GROUP_CODEC_NOT_GENUINE,
};

static inline bool group_key_equal(const struct group_key *a, const struct group_key *b)
{
        return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static inline bool group_id_equal(const struct group_id *a, const struct group_id *b)
{
        return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static inline bool group_lane_id_equal(const struct group_lane_id *a, const struct group_lane_id *b)
{
        return a->stream == b->stream && a->version == b->version &&
               group_key_equal(&a->author, &b->author);
}

void group_make_id(const struct group_key *creator, const uint8_t nonce[static GROUP_NONCE_SIZE],
        struct group_id *ret);
/* Is it a name that need not be cleaned any more? */
bool group_name_is_valid(const char *name);

/* Zeroed, with room for so many; NULL without memory. */
struct group_membership *group_membership_new(size_t n_members, size_t n_departed, size_t n_cuts);
/* The size of what was written. */
size_t group_membership_encode(
        const struct group_membership *m, uint8_t ret[static GROUP_MEMBERSHIP_SIZE_MAX]);
/* 0, GROUP_CODEC_MALFORMED, or -ENOMEM. All is as the rules want it but for the signatures. */
int group_membership_decode(const void *data, size_t size, struct group_membership **ret);
/* Sets hash, id and the signature, and those of the departed whose signature is all zeros. @i is
 * the creator. 0 or -ENOMEM. */
int group_membership_sign(struct group_membership *m, const struct identity *i);
/* 0, enum group_codec_fault, or -ENOMEM. Looks at the last signature only: it covers the rest. */
int group_membership_verify(const struct group_membership *m);

/* Does @a win over @b? A higher version, or the smaller hash. */
bool group_membership_is_better(uint32_t a_version, const uint8_t a_hash[static HASH_SIZE],
        uint32_t b_version, const uint8_t b_hash[static HASH_SIZE]);
/* NULL: it is none. */
const struct group_member *group_membership_member(
        const struct group_membership *m, const struct group_key *key);
/* The last time that it left, or NULL. */
const struct group_departed *group_membership_departed(
        const struct group_membership *m, const struct group_key *key);
/* Did it belong at that version? */
bool group_membership_had(
        const struct group_membership *m, const struct group_key *key, uint32_t version);
/* The last number of a lane that counts: 0 for none, UINT64_MAX for all. */
uint64_t group_membership_cut(const struct group_membership *m, const struct group_lane_id *lane);
/* The number of @cuts that have that lane, or 0; ascending. */
uint64_t group_cuts_find(const struct group_cut *cuts, size_t n, uint32_t version, uint64_t stream);

/*
 * A member's own wish to leave, with the last numbers of what it wrote
 *
 *     format (1) | group (16) | key (32) | joined (4) | number of cuts (1) | cuts | signature (64)
 */
struct group_leave {
        struct group_id group;
        struct group_key key;
        uint32_t joined;
        size_t n_cuts;
        struct group_cut cuts[GROUP_CUTS_MAX];
        uint8_t signature[SIGNATURE_SIZE];
};
size_t group_leave_encode(const struct group_leave *l, uint8_t ret[static GROUP_LEAVE_SIZE_MAX]);
/* 0 or GROUP_CODEC_MALFORMED */
int group_leave_decode(const void *data, size_t size, struct group_leave *ret);
/* @i becomes the key. 0 or -ENOMEM. */
int group_leave_sign(struct group_leave *l, const struct identity *i);
/* 0, enum group_codec_fault, or -ENOMEM */
int group_leave_verify(const struct group_leave *l);

/* What a departed is told: the id of the group and his entry, as bytes. */
size_t group_farewell_encode(const struct group_membership *m, const struct group_departed *d,
        uint8_t ret[static GROUP_FAREWELL_SIZE_MAX]);
struct group_farewell {
        struct group_id group;
        struct group_departed departed; /* without its cuts */
        const uint8_t *data;            /* what is signed; in what was decoded */
        size_t size;
};
/* 0 or GROUP_CODEC_MALFORMED */
int group_farewell_decode(const void *data, size_t size, struct group_farewell *ret);
/* 0, enum group_codec_fault, or -ENOMEM */
int group_farewell_verify(const struct group_farewell *f, const struct group_key *creator);
