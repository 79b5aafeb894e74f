/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Random bytes, handed to whoever needs them
 *
 * The real generator of libgcrypt, or one that gives the same bytes for the same seed: a simulation
 * is repeated with it, nothing else ever uses it.
 */
#include "base/macro.h"

struct random;

/* 0 or -ENOMEM; crypto_init() comes first. */
int random_new(struct random **ret);
/* What it gives follows from the seed: for tests and simulations. */
int random_new_seeded(uint64_t seed, struct random **ret);
struct random *random_free(struct random *r);
DEFINE_CLEANUP(struct random *, random_free)

void random_bytes(struct random *r, void *data, size_t size);
uint64_t random_u64(struct random *r);
/* Evenly from 0 to @limit - 1; @limit is not 0. */
uint64_t random_below(struct random *r, uint64_t limit);
