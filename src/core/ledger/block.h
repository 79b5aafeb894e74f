/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Blocks, what they begin with, and proofs that a record is in one
 *
 *     header  'B' (1) | height (4) | previous (32) | time (8) | root (32) | total (8) | nonce (8)
 *     block   header | number of records (1) | records (blobs)
 *     genesis 'G' (1) | name (blob) | bits (1) | number of registrars (1) | their keys (32 each)
 *
 * The hash of a block is SHA-256 of its header; that of the genesis, SHA-256 of its bytes, is the
 * previous of block 1 and names the network. total counts the records of the chain up to and with
 * this block, so that headers alone tell how heavy a chain is.
 *
 * Work: the hash begins with at least so many zero bits as the genesis says for one record, and one
 * more each time that the number of records doubles. So a name costs its work whoever makes the
 * blocks and however he cuts them, and a crowd of names costs a crowd of work. The number is never
 * adjusted, since work is there for that and not to pay anybody. The weight of a chain is its
 * number of records. Where registrars sign, blocks need no work and weigh the same.
 *
 * Root: the tree of RFC 6962, section 2.1, over whole records, with their signatures; leaves are
 * hashed behind a zero byte, inner nodes behind a one, so neither passes for the other. Headers
 * begin with 'B' and so pass for neither.
 */
#include "core/ledger/certificate.h"

#define BLOCK_RECORDS_MAX 64
#define BLOCK_HEADER_SIZE (1 + 4 + 32 + 8 + 32 + 8 + 8)
#define BLOCK_SIZE_MAX (BLOCK_HEADER_SIZE + 1 + BLOCK_RECORDS_MAX * (2 + CERTIFICATE_SIZE_MAX))
#define WORK_BITS_MAX 48
#define PROOF_STEPS_MAX 6 /* log2 of BLOCK_RECORDS_MAX */

struct block_header {
        uint32_t height; /* the genesis has 0 */
        uint8_t previous[HASH_SIZE];
        usec_t time_usec;
        uint8_t root[HASH_SIZE];
        uint64_t total;
        uint64_t nonce;
};

struct block {
        struct block_header header;
        uint8_t hash[HASH_SIZE];
        struct certificate records[BLOCK_RECORDS_MAX];
        size_t n_records;
};

void block_header_encode(const struct block_header *h, uint8_t ret[static BLOCK_HEADER_SIZE]);
/* False: not one. */
bool block_header_decode(const uint8_t data[static BLOCK_HEADER_SIZE], struct block_header *ret);
void block_header_hash(const struct block_header *h, uint8_t ret[static HASH_SIZE]);
/* Zero bits that a block of so many records needs, where the genesis says @bits. */
unsigned block_work_bits(unsigned bits, uint64_t n_records);
/* Does the hash begin with so many zero bits? */
bool block_has_work(const uint8_t hash[static HASH_SIZE], unsigned bits);
/* Tries @n nonces, from that of the header on. True: one was found, and the hash is set. */
bool block_search(struct block *b, unsigned bits, unsigned n);

/* Sets the root of the header from the records. */
void block_seal(struct block *b);
/* Returns the bytes that were written. */
size_t block_encode(const struct block *b, uint8_t ret[static BLOCK_SIZE_MAX]);
/* 0, or -EINVAL when it is malformed or its records are not those of its root. Neither work nor
 * signatures are looked at. */
int block_decode(const void *data, size_t size, struct block *ret);

/* That a record is in the block with some root: its place, and what to hash it with, from below. */
struct block_proof {
        uint8_t place, n_records;
        uint8_t steps[PROOF_STEPS_MAX][HASH_SIZE];
        size_t n_steps;
};
/* @place: of the record in the block. */
void block_prove(const struct block *b, size_t place, struct block_proof *ret);
/* Is @c in the block with this root? */
bool block_proof_check(const struct block_proof *p, const struct certificate *c,
        const uint8_t root[static HASH_SIZE]);

struct genesis {
        char name[USERNAME_SIZE_MAX + 1];   /* of the network */
        uint8_t bits;                       /* 0 when there are registrars */
        struct certificate_context context; /* the hash of the genesis, and the registrars */
};
#define GENESIS_SIZE_MAX (1 + 2 + USERNAME_SIZE_MAX + 2 + REGISTRARS_MAX * PUBLIC_KEY_SIZE)
/* Sets the hash; the rest is given. Returns the bytes that were written. */
size_t genesis_encode(struct genesis *g, uint8_t ret[static GENESIS_SIZE_MAX]);
/* 0, or -EINVAL; keys of registrars are checked. */
int genesis_decode(const void *data, size_t size, struct genesis *ret);
/* The network of whoever has not chosen another: open, and never to be changed, for then it would
 * be another one. */
void genesis_built_in(struct genesis *ret);
/* NAME#hash, the first 16 bytes of it as in ids: 128 bits against a second genesis of that word. */
#define GENESIS_WORD_SIZE (USERNAME_SIZE_MAX + 1 + ID_STRING_SIZE)
void genesis_word(const struct genesis *g, char ret[static GENESIS_WORD_SIZE]);
