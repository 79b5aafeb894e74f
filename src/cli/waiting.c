/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages that were queued in the shell */

#include "cli/waiting.h"

#include "cli/format.h"

static void forget(struct waiting *w, size_t i)
{
        free(w->items[i].id);
        free(w->items[i].user);
        w->items[i].id = w->items[i].user = NULL;
}

void waiting_add(struct waiting *w, const char *id, const char *user)
{
        size_t i = w->n++ % WAITING_MAX;

        forget(w, i);
        w->items[i].id = strdup(id);
        w->items[i].user = format_escape(user, ESCAPE_LINE);
        if (!w->items[i].id || !w->items[i].user)
                forget(w, i);
}

char *waiting_take(struct waiting *w, const char *id)
{
        for (size_t i = 0; i < WAITING_MAX; i++)
                if (w->items[i].id && streq(w->items[i].id, id)) {
                        char *user = TAKE_PTR(w->items[i].user);

                        forget(w, i);
                        return user;
                }
        return NULL;
}

void waiting_done(struct waiting *w)
{
        for (size_t i = 0; i < WAITING_MAX; i++)
                forget(w, i);
}
