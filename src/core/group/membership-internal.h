/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What membership.c, membership-codec.c and leave.c have in common */
#include "base/cursor.h"
#include "core/group/membership.h"

#define GROUP_FORMAT 1

/* Sets the hash. 0 or -ENOMEM. */
int group_membership_hash(struct group_membership *m);
int group_codec_fault_of(int sign_result);

void group_write_cuts(struct writer *w, const struct group_cut *cuts, size_t n);
/* @n cuts, ascending, each of a version from @begin up to before @end, with a number that is not 0.
 * False: they are not, or are not there. */
bool group_read_cuts(
        struct reader *r, size_t n, uint32_t begin, uint32_t end, struct group_cut *ret);
void group_read_into(struct reader *r, void *ret, size_t size);
