/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The node on D-Bus
 *
 * All of these take NULL for a daemon without a bus, but for bus_start(). A bus that is lost is
 * sought again while the chat goes on; who was waiting for an answer is forgotten then.
 */
#include "bus/errors.h"
#include "core/node/effect.h"
#include "store/store.h"

struct bus;
struct manager;

int bus_new(struct manager *m, struct bus **ret);
/* Connects, and owns the name when it returns. Logs; 0 or -errno. */
int bus_start(struct bus *b);
struct bus *bus_free(struct bus *b);
DEFINE_CLEANUP(struct bus *, bus_free)

/* EFFECT_REPLY, EFFECT_REFUSE, EFFECT_JOINED, EFFECT_FOUND. */
void bus_answer(struct bus *b, uint64_t call, const struct ulid *id, enum message_state state);
void bus_refuse(struct bus *b, uint64_t call, int code, const char *sentence);
void bus_answer_joined(struct bus *b, uint64_t call);
void bus_answer_found(struct bus *b, uint64_t call, const struct found_user *users, size_t n);
/* The last turn was: whoever waits still hears that it is not done. */
void bus_stop(struct bus *b);
/* The turn is committed: what depends on it is answered. */
void bus_end_turn(struct bus *b);
/* The turn is not committed, for want of room: its callers are told. */
void bus_refuse_turn(struct bus *b);

void bus_signal_message(struct bus *b, const struct message_record *message);
void bus_signal_state(
        struct bus *b, const struct ulid *id, enum message_state state, const char *reason);
void bus_signal_presence(struct bus *b, const struct change_presence *presence);
void bus_signal_warning(struct bus *b, const struct change_warning *warning);
void bus_signal_username(struct bus *b);
void bus_signal_invited(struct bus *b, const struct change_invited *invited);
void bus_signal_certified(struct bus *b, const struct change_certified *certified);

/* A file was copied into the spool and is offered, or takes long; or it is not offered. @call: of
 * Send, 0 or gone: who called hears it by a signal. @reason: a word for programs. */
void bus_file_sent(struct bus *b, uint64_t call, const char *id);
void bus_file_not_sent(struct bus *b, uint64_t call, const char *id, const char *reason,
        enum bus_outcome outcome, const char *sentence);
void bus_file_refused(struct bus *b, uint64_t call, const char *id, int code, const char *sentence);
/* A whole file was handed over, or could not be. @call: of Accept, likewise. */
void bus_file_taken(struct bus *b, uint64_t call, const char *id);
void bus_file_not_taken(struct bus *b, uint64_t call, const char *id, const char *reason,
        bool is_full, const char *sentence);
void bus_signal_file_offered(struct bus *b, const struct change_file *change);
void bus_signal_file_progress(struct bus *b, const struct change_file *change);
void bus_signal_file_ended(struct bus *b, const struct change_file *change);
void bus_signal_file_finished(struct bus *b, const char *id, const char *state, const char *reason);

/* The interface as XML, without any bus. 0 and memory to be freed, or -errno. */
int bus_introspect(char **ret);
