/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Lines from a person, and room above for what happens meanwhile
 *
 * On a terminal that can move its cursor lines are edited, and what is printed appears above the
 * line being typed. On a dumb terminal or a pipe lines are simply read. While a line is awaited the
 * event loop runs; at no other time.
 */

#include <systemd/sd-event.h>

#include "base/macro.h"

struct shell;

/* Calls @emit for every word that may complete the last of @words. */
typedef void (*shell_complete_t)(int n_words, char *const *words,
        void (*emit)(const char *word, void *userdata), void *emit_userdata, void *userdata);

/* @complete may be NULL. */
int shell_new(sd_event *event, shell_complete_t complete, void *userdata, struct shell **ret);
struct shell *shell_free(struct shell *s);
DEFINE_CLEANUP(struct shell *, shell_free)

/* Whether a person sits in front of it. */
bool shell_is_terminal(const struct shell *s);
/* 1 and a line without its line end (the caller's), 0 at the end of input, or a negative errno,
 * that of the event loop too. */
int shell_read(struct shell *s, const char *prompt, char **ret);
/* Whole lines, escaped by the caller. May be called by event handlers and between lines. */
void shell_print(struct shell *s, const char *lines);
