/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * history.log: a line for every message, for people and for grep
 *
 *     2026-03-01T12:00:00.123456Z  RECEIVED  Ece  192.168.1.7  legacy  hello\nthere
 *
 * between tabs, with C escapes. It is a view of the store: what could not be written is read again
 * from there later, and after a kill the tail of the file tells what it already has. Nothing is
 * missing, and only when the file was rotated in between may a line be there twice.
 *
 * A turn: history_log_add() for each stored message, then one history_log_flush().
 */
#include "core/node/node.h"
#include "store/store.h"

struct history_log;

/* Opens @path, mode 0640, and repairs a half last line. A file that cannot be opened is no error
 * here: it is reported, and tried again. With STORE_KEEP_NONE nothing is written at all, with
 * STORE_KEEP_SEALED no texts. 0 or -ENOMEM. */
int history_log_new(
        const char *path, enum store_keep keep, struct store *store, struct history_log **ret);
/* Writes and syncs what is left, and tells the store. Call it before store_free(). */
struct history_log *history_log_free(struct history_log *l);
DEFINE_CLEANUP(struct history_log *, history_log_free)

/* How the group of a message is called now; before this is known it is "+". */
typedef const char *(*history_log_word_fn)(
        const struct message_record *message, char buffer[static WORD_SIZE], void *userdata);
void history_log_set_word(struct history_log *l, history_log_word_fn word, void *userdata);

/* Of a STORE_EVENT_MESSAGE; the text is copied. */
void history_log_add(struct history_log *l, const struct message_record *message);

/* One write for all; with it the store learns what is safely in the file. True when there is more
 * to catch up: call it again soon. */
bool history_log_flush(struct history_log *l, struct now now);

/* After rotation. */
void history_log_reopen(struct history_log *l);

/* "" while it works, else what is wrong with the file, for status and diagnosis. */
const char *history_log_trouble(const struct history_log *l);
