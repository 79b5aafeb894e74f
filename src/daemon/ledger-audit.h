/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The stored chain, held against itself and its rules, a step at a time
 *
 * Each stored block is unsealed, and must be the one whose header the node holds; its records are
 * verified in an engine of its own, from the first block on, signatures and rules of names. Behind
 * the first bad block that engine cannot go on, for names depend on all that came before: the rest
 * is still read and held against the headers, which finds every block that is damaged or missing.
 * A header has the root of all its records, so what is told of those is as good; only a record that
 * should never have been taken is not found behind the first.
 *
 * Where the service began with a damaged block, its chain ends before that, and the rest is in the
 * store until other blocks take its place: it is looked at likewise, with the number of records
 * that each header tells.
 *
 * When the chain is reorganised meanwhile, or the network becomes another, the audit begins again.
 */
#include "core/node/node.h"
#include "store/store.h"

struct audit;

struct audit_result {
        uint64_t n_records;        /* of the chain, and of what is stored behind its end */
        uint64_t n_bad;            /* of them; a genesis that is not there counts as one */
        char first[SENTENCE_SIZE]; /* what the first of them is, or "" */
};

/* Both are borrowed. */
int audit_new(struct store *s, struct random *random, struct audit **ret);
struct audit *audit_free(struct audit *a);
DEFINE_CLEANUP(struct audit *, audit_free)

/*
 * One block is read, one record verified, or one block of verified records taken: some 2 ms; but
 * now and then the table of names doubles, which takes 13 ms when they are 65 536. @view has a
 * ledger, and the store has what the node has. 1: there is more; 0: the result is whole; or -errno.
 */
int audit_step(struct audit *a, const struct ledger_view *view);
const struct audit_result *audit_result(const struct audit *a);
