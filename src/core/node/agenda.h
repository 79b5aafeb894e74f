/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The two lists of a turn: what must be remembered, what must be done
 *
 * Everything added is copied, texts and bytes too; what is taken out stays valid until the next is
 * taken from the same list.
 */
#include "base/list.h"
#include "core/node/effect.h"

struct agenda {
        struct list changes, effects;        /* of struct agenda_item */
        struct agenda_item *change, *effect; /* the ones given out last */
};

void agenda_init(struct agenda *a);
void agenda_done(struct agenda *a);

/* 0 or -ENOMEM. */
int agenda_add_change(struct agenda *a, const struct change *change);
int agenda_add_effect(struct agenda *a, const struct effect *effect);

/* A reply to @call that was not taken out yet is dropped. */
void agenda_drop_reply(struct agenda *a, uint64_t call);

bool agenda_next_change(struct agenda *a, struct change *ret);
bool agenda_next_effect(struct agenda *a, struct effect *ret);
