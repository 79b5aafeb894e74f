/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The inside of the bus, for its files
 *
 *     bus.c                the connection: made, lost, made again
 *     bus-manager.c        the main interface: its vtable, its properties, its errors
 *     bus-user.c           handlers about users: translate, call the node, translate back
 *     bus-call.c           calls that are answered later: who waits, how many may, who has left
 *     bus-send.c           SendMessage: its options, and its answer
 *     bus-groups.c         org.example.P2PChat.Groups
 *     bus-ring.c           org.example.P2PChat.Ring
 *     bus-ledger.c         org.example.P2PChat.Ledger
 *     bus-ledger-status.c  its GetStatus and properties
 *     bus-check.c          its method Check, in slices
 *     bus-files.c          org.example.P2PChat.Files: deciding, listing, signals
 *     bus-files-send.c     its Send and Accept, and their answers
 *     bus-history.c        pages of history, and searching in slices
 *     bus-status.c         GetStatus
 *     bus-diagnose.c       Diagnose
 *     bus-signal.c         signals and changed properties, as long as the bus takes them
 *     bus-identity.c       org.example.P2PChat.Identity
 *     bus-log-control.c    org.freedesktop.LogControl1
 */
#include <systemd/sd-bus.h>

#include "base/list.h"
#include "bus/errors.h"
#include "core/node/node.h"
#include "daemon/bus.h"
#include "daemon/chore.h"
#include "daemon/manager.h"

#define CALLERS_IDLE_MAX 128
#define SEARCHES_WAITING_MAX 16 /* per uid */

/* A connection to the bus that has asked for something that takes time. */
struct caller {
        struct list list; /* in bus.callers, the latest first */
        struct bus *bus;
        char *name; /* unique name */
        uid_t uid;
        bool is_asked; /* we have asked who it is, and will hear when it leaves */
        bool is_known;
        sd_bus_slot *query, *match;
        unsigned n_calls;   /* that the node answers, and has not yet; */
        unsigned n_waiting; /* those of them that may wait longer than this turn */
        unsigned n_searches;
        unsigned n_checks;
        unsigned n_unread; /* in bus.unread */
};

/* Reads a call and begins it, see bus_begin_call(). */
typedef int (*begin_fn)(
        struct bus *b, sd_bus_message *message, struct caller *caller, sd_bus_error *error);

/* A call, kept until its time. */
struct held {
        struct list list;
        sd_bus_message *message;
        begin_fn begin;        /* in bus.unread */
        sd_bus_message *reply; /* in bus.done; NULL: one without a word */
};

/* A call that an effect of the node answers. */
struct call {
        struct list list; /* in bus.calls */
        uint64_t number;
        sd_bus_message *message;
        struct caller *caller;
        bool may_wait; /* charged to the caller */
        bool is_new;   /* not committed yet */
};

enum changed_property {
        CHANGED_USERNAME = 1 << 0,
        CHANGED_LAST_SEQUENCE = 1 << 1,
        CHANGED_USERS_ONLINE = 1 << 2,
        CHANGED_MESSAGES_QUEUED = 1 << 3,
        CHANGED_MEMBERS = 1 << 4,
        CHANGED_SUCCESSORS = 1 << 5,
        CHANGED_PREDECESSOR = 1 << 6,
        CHANGED_HEIGHT = 1 << 7,
        CHANGED_TIP = 1 << 8,
};

/* Of the ring, as it was told last. */
struct ring_told {
        uint64_t members;
        struct rpc_peers successors;
        bool has_predecessor;
        struct chord_peer predecessor;
};

struct ledger_told {
        bool is_known;
        uint32_t height;
        uint8_t tip[HASH_SIZE];
};

struct bus {
        struct manager *manager;
        sd_bus *connection;
        bool has_name;
        sd_event_source *retry;
        usec_t retry_wait_usec;

        struct list callers, calls; /* calls: of struct call */
        size_t n_callers, n_waiting;
        uint64_t call_last;
        struct list unread; /* of struct held: calls that are read once all callers are known */
        struct list done;   /* of struct held: answered when the turn is committed */

        struct list searches; /* of struct search, bus-history.c */
        struct chore search_chore;
        struct list checks; /* of struct check, bus-check.c */
        struct chore check_chore;
        struct identity_job *identity_job; /* bus-identity.c: the one that is under way, or NULL */

        unsigned changed;                     /* enum changed_property */
        size_t users_online, messages_queued; /* as they were told last */
        struct ring_told ring;                /* the same */
        struct ledger_told ledger;
        sd_event_source *changed_source, *drain_timer;
        struct list presences; /* of struct presence_signal, bus-signal.c: while the bus is slow */
        size_t n_presences;
        struct list progresses; /* of struct progress_signal, bus-files.c */
        size_t n_progresses;
        sd_event_source *progress_timer;
        size_t signals_size; /* bytes of signals since nothing was queued */
};

extern const sd_bus_vtable bus_manager_vtable[];
extern const sd_bus_vtable bus_identity_vtable[];
extern const sd_bus_vtable bus_groups_vtable[];
extern const sd_bus_vtable bus_ring_vtable[];
extern const sd_bus_vtable bus_ledger_vtable[];
extern const sd_bus_vtable bus_files_vtable[];
extern const sd_bus_vtable bus_log_control_vtable[];

/* bus-manager.c */
/* What the node answered to a call: 0 lets it wait for the commit, a refusal becomes an error. */
int bus_finish(struct bus *b, sd_bus_message *call, int r, const struct refusal *refusal,
        sd_bus_error *error);
/* The same, answered by @text. */
int bus_finish_text(struct bus *b, sd_bus_message *call, int r, const struct refusal *refusal,
        const char *text, sd_bus_error *error);
int bus_set_refusal(sd_bus_error *error, int code, const struct refusal *refusal);
_printf_(3, 4) int bus_set_error(
        sd_bus_error *error, enum bus_outcome outcome, const char *format, ...);
/* Refused when the disk is nearly full: 0, or StorageFull. */
int bus_check_space(const struct manager *m, sd_bus_error *error);
int bus_reply_storage_full(sd_bus_message *call);
/* Whose a message is: the id of the other side, in a group of the author; or "". */
const char *bus_user_id(const struct manager *m, const struct message_record *record);
/* Text of others as D-Bus takes it; memory to be freed, NULL without any. */
char *bus_text(const char *s, size_t size);

/* bus-user.c */
int bus_list_users(sd_bus_message *call, void *userdata, sd_bus_error *error);
int bus_forget(sd_bus_message *call, void *userdata, sd_bus_error *error);
int bus_end_session(sd_bus_message *call, void *userdata, sd_bus_error *error);
int bus_block(sd_bus_message *call, void *userdata, sd_bus_error *error);
int bus_unblock(sd_bus_message *call, void *userdata, sd_bus_error *error);
int bus_mute(sd_bus_message *call, void *userdata, sd_bus_error *error);
int bus_unmute(sd_bus_message *call, void *userdata, sd_bus_error *error);
int bus_trust(sd_bus_message *call, void *userdata, sd_bus_error *error);
int bus_verify(sd_bus_message *call, void *userdata, sd_bus_error *error);
int bus_alias(sd_bus_message *call, void *userdata, sd_bus_error *error);
int bus_get_fingerprint(sd_bus_message *call, void *userdata, sd_bus_error *error);

/* bus-send.c */
int bus_send_message(sd_bus_message *call, void *userdata, sd_bus_error *error);

/* bus-ring.c */
/* Which of its properties, enum changed_property, are no longer what @told has; it has them now. */
unsigned bus_ring_look(const struct bus *b, struct ring_told *told);
/* The state of the ring in a word, as GetStatus says it. */
const char *bus_ring_state(const struct ring_status *status);
uint64_t bus_ring_members(const struct ring_status *status);

/* bus-ledger.c */
/* 0, or an error: there is no ledger, or, where it is wanted, not its genesis. */
int bus_ledger_view(
        struct bus *b, bool wants_genesis, struct ledger_view *ret, sd_bus_error *error);

/* bus-ledger-status.c */
int bus_ledger_get_status(sd_bus_message *call, void *userdata, sd_bus_error *error);
/* "none", "waiting" or "registered". */
const char *bus_ledger_registration(const struct ledger_view *view);
/* Without a genesis it is zero all over. */
struct ledger_told bus_ledger_now(const struct bus *b);
unsigned bus_ledger_look(const struct bus *b, struct ledger_told *told);

/* bus-check.c */
int bus_ledger_check(sd_bus_message *call, void *userdata, sd_bus_error *error);
int bus_checks_start(struct bus *b);
/* Of one caller, or NULL for all. */
void bus_checks_forget(struct bus *b, const struct caller *c);

/* bus-files.c */
int bus_files_start(struct bus *b);
void bus_files_done(struct bus *b);

/* bus-files-send.c */
int bus_file_send(sd_bus_message *message, void *userdata, sd_bus_error *error);
int bus_file_accept(sd_bus_message *message, void *userdata, sd_bus_error *error);

/* bus-call.c */
/* Lets @begin read the call, at once or when it is known whose it is. What a handler returns. */
int bus_begin_call(struct bus *b, sd_bus_message *message, begin_fn begin, sd_bus_error *error);
/* The same, but always when it is known whose it is. */
int bus_begin_known_call(
        struct bus *b, sd_bus_message *message, begin_fn begin, sd_bus_error *error);
/* Fewer of its uid's calls wait than may. */
bool bus_caller_may_wait(const struct bus *b, const struct caller *caller);
/* @may_wait: longer than this turn. 0 or -ENOMEM. */
int bus_call_new(struct bus *b, sd_bus_message *message, struct caller *caller, bool may_wait,
        struct call **ret);
void bus_call_free(struct bus *b, struct call *c);
/* What the node said of it: 0 lets it wait for its effect; else it is freed. What a handler
 * returns. */
int bus_call_begun(
        struct bus *b, struct call *c, int r, const struct refusal *refusal, sd_bus_error *error);
/* NULL when its caller has left, or @b is NULL. */
struct call *bus_find_call(struct bus *b, uint64_t number);
/* Sends @reply, or when @r is negative that error, and frees the call. */
void bus_answer_call(struct bus *b, struct call *c, int r, sd_bus_message *reply);
/* The caller of @message, made when it is new. 0 or -errno. */
int bus_get_caller(struct bus *b, sd_bus_message *message, struct caller **ret);
/* Learns who it is and when it leaves. */
void bus_ask_caller(struct caller *c);
void bus_forget_callers(struct bus *b);
void bus_calls_end_turn(struct bus *b);
void bus_calls_refuse_turn(struct bus *b);

/* bus-history.c */
int bus_get_history(sd_bus_message *call, void *userdata, sd_bus_error *error);
int bus_get_history_before(sd_bus_message *call, void *userdata, sd_bus_error *error);
int bus_get_history_since(sd_bus_message *call, void *userdata, sd_bus_error *error);
int bus_search_history(sd_bus_message *call, void *userdata, sd_bus_error *error);
int bus_searches_start(struct bus *b);
void bus_searches_wake(struct bus *b);
/* Of one caller, or NULL for all. */
void bus_searches_forget(struct bus *b, const struct caller *c);

/* bus-identity.c */
/* The caller has left; it is known. */
void bus_identity_forget(struct bus *b, const struct caller *c);
void bus_identity_wake(struct bus *b);
bool bus_identity_is_asked_by(const struct caller *c);

/* bus-status.c */
int bus_get_status(sd_bus_message *call, void *userdata, sd_bus_error *error);
/* One entry of an a{sv}: 0 or more, or -errno. */
int bus_append_text(sd_bus_message *reply, const char *key, const char *value);
int bus_append_number(sd_bus_message *reply, const char *key, uint64_t value);
int bus_append_count(sd_bus_message *reply, const char *key, size_t value);
/* Answers @call by an a{sv} whose entries @append adds. */
typedef int (*append_fn)(sd_bus_message *reply, struct manager *m);
int bus_answer_dictionary(sd_bus_message *call, struct manager *m, append_fn append);
void bus_describe_mistakes(const struct manager *m, char ret[static SENTENCE_SIZE]);
/* Somebody else has our identity? */
bool bus_describe_clone(const struct manager *m, char ret[static SENTENCE_SIZE]);

/* bus-diagnose.c */
int bus_diagnose(sd_bus_message *call, void *userdata, sd_bus_error *error);

/* bus-signal.c */
int bus_signals_start(struct bus *b);
/* May a signal of about that size be sent? The bus may have enough of them. */
bool bus_may_signal(struct bus *b, size_t size);
/* @r: what became of it. */
void bus_report_signal(int r, const char *name);
void bus_signals_forget(struct bus *b);
void bus_signals_done(struct bus *b);
/* At the end of a turn: numbers may be others now. */
void bus_signals_look(struct bus *b);
