/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Messages that were queued in the shell: their fate is told when it is known */

#include "base/macro.h"

#define WAITING_MAX 64

struct waiting {
        struct {
                char *id, *user;
        } items[WAITING_MAX];
        size_t n; /* ever; older ones are overwritten */
};

/* Remembers @id, and @user as it is shown; one that finds no memory is forgotten. */
void waiting_add(struct waiting *w, const char *id, const char *user);
/* To whom @id went, the caller's, as it was known until now; NULL: it is none of these. */
char *waiting_take(struct waiting *w, const char *id);
void waiting_done(struct waiting *w);
