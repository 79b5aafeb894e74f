/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The service as its clients see it
 *
 * For the programs that are not the daemon: a connection to a bus, typed calls, and the signals of
 * the service. Nothing here knows how the daemon works.
 *
 * Calls wait for their answer. They return 0, or a negative errno with the details in
 * bus_client_error(), which stays until the next call. Answers with rows are given as the bus
 * message; the rows are read one by one, and their strings live as long as the message.
 *
 * Signals can be forged. A match rule with sender= keeps broadcasts of others away, but any program
 * may also send a signal to our unique name, which no rule filters, and sd-bus cannot compare a
 * unique name with a well-known one. So the owner of the name is followed, and only what has its
 * unique name as sender is passed on; and who the owner is, only the bus itself may tell.
 */

#include <systemd/sd-bus.h>

#include "base/macro.h"
#include "base/usec.h"
#include "bus/errors.h"

struct bus_client;

/* A row of ListUsers. */
struct bus_user {
        const char *name;
        const char *id;
        const char *address;
        const char *state;
        usec_t last_heard_usec;
        const char *security;
        const char *flags;
};

/* A row of a history page, and what a MessageReceived tells. */
struct bus_message {
        uint64_t sequence;
        const char *id;
        const char *direction;
        const char *conversation;
        const char *user;
        usec_t time_usec;
        const char *address;
        const char *user_id;
        const char *state;
        const char *security;
        const char *text;
};

/* A row of Diagnose. */
struct bus_check {
        const char *stage;
        const char *result;
        const char *sentence;
};

/* A row of the groups' List; its members follow, bus_group_next_member(). */
struct bus_group {
        const char *id;
        const char *word;
        const char *state;
};

/* A row of Find. */
#define BUS_FOUND_ENDPOINTS_MAX 16
struct bus_found {
        const char *name;
        const char *id;
        const char *endpoints[BUS_FOUND_ENDPOINTS_MAX]; /* what is more is left out */
        size_t n_endpoints;
};

/* A row of List, or what Get answers: a name in the ledger. */
struct bus_name {
        const char *name;
        const char *id;
        usec_t time_usec;
        const char *state;
        const char *block;
};

/* A row of Pending. */
struct bus_pending {
        const char *name;
        const char *id;
        usec_t time_usec;
};

/* A row of List: a file that is not over. */
struct bus_file {
        const char *id;
        const char *user;
        const char *name;
        uint64_t size;
        uint64_t done;
        const char *direction;
        const char *state;
};

struct bus_send_options {
        const char *security; /* NULL: the default of the service */
        const char *number;   /* NULL: random */
        usec_t wait_usec;     /* USEC_INFINITY: the default of the service */
};

/* What to do when the service says something. Members may be NULL. Strings live until the function
 * returns; a negative result ends the event loop with it. */
struct bus_client_signals {
        int (*message)(const struct bus_message *message, void *userdata);
        int (*message_state)(const char *id, const char *state, const char *reason, void *userdata);
        int (*user)(const char *user, const char *id, const char *state, void *userdata);
        int (*warning)(const char *kind, const char *user, const char *sentence, void *userdata);
        int (*file_offered)(const char *id, const char *user, const char *name,
                const char *security, uint64_t size, void *userdata);
        int (*file_progress)(const char *id, uint64_t done, uint64_t size, void *userdata);
        int (*file_finished)(const char *id, const char *state, const char *reason, void *userdata);
        int (*invited)(const char *group, const char *id, const char *inviter, void *userdata);
        int (*last_sequence)(uint64_t sequence, void *userdata);
        /* The service took its name, or lost it. */
        int (*service)(bool there, void *userdata);
        /* The connection is gone; only bus_client_free() makes sense now, and not in here. */
        int (*disconnected)(void *userdata);
};

/* @where: "system", "session" or an address. @autostart: whether a call may start the service. 0 or
 * -errno. */
int bus_client_new(const char *where, bool autostart, struct bus_client **ret);
struct bus_client *bus_client_free(struct bus_client *c);
DEFINE_CLEANUP(struct bus_client *, bus_client_free)

/* The client's own. */
sd_bus *bus_client_bus(struct bus_client *c);
enum bus_outcome bus_client_outcome(const struct bus_client *c);
/* The sentence of the last error, for people; text of the service, to be escaped. */
const char *bus_client_error(const struct bus_client *c);

/* Starts to follow the service. @signals and @userdata must outlive the client. The loop is
 * attached by sd_bus_attach_event() on bus_client_bus(). */
int bus_client_watch(
        struct bus_client *c, const struct bus_client_signals *signals, void *userdata);
/* Whether the service owns its name; only after bus_client_watch(). */
bool bus_client_service_is_there(const struct bus_client *c);
/* Whether the service sent a message, as far as it is known now; only after bus_client_watch(). */
bool bus_client_is_service(const struct bus_client *c, sd_bus_message *m);

int bus_client_list_users(struct bus_client *c, sd_bus_message **ret);
int bus_client_history(
        struct bus_client *c, const char *user, uint32_t limit, sd_bus_message **ret);
int bus_client_history_before(struct bus_client *c, const char *user, uint64_t sequence,
        uint32_t limit, sd_bus_message **ret);
int bus_client_history_since(struct bus_client *c, const char *user, uint64_t sequence,
        uint32_t limit, sd_bus_message **ret);
int bus_client_search(struct bus_client *c, const char *user, const char *text, uint64_t before,
        uint32_t limit, sd_bus_message **ret);
/* The answer's rows are entries of a dictionary: read with sd_bus_message_*(). */
int bus_client_status(struct bus_client *c, sd_bus_message **ret);
int bus_client_diagnose(struct bus_client *c, sd_bus_message **ret);

/* The next row: 1, 0 after the last one, or a negative errno. */
int bus_user_next(sd_bus_message *m, struct bus_user *ret);
int bus_message_next(sd_bus_message *m, struct bus_message *ret);
int bus_check_next(sd_bus_message *m, struct bus_check *ret);
int bus_group_next(sd_bus_message *m, struct bus_group *ret);
/* Of the group that was read last, all of them before the next group. */
int bus_group_next_member(sd_bus_message *m, const char **ret);
int bus_found_next(sd_bus_message *m, struct bus_found *ret);
int bus_name_next(sd_bus_message *m, struct bus_name *ret);
int bus_pending_next(sd_bus_message *m, struct bus_pending *ret);
int bus_file_next(sd_bus_message *m, struct bus_file *ret);

/* @options may be NULL. @ret_id and @ret_state live as long as @ret. */
int bus_client_send(struct bus_client *c, const char *user, const char *text,
        const struct bus_send_options *options, sd_bus_message **ret, const char **ret_id,
        const char **ret_state);

/* Methods that take one word and answer nothing: CancelMessage, Forget, EndSession, Block, Unblock,
 * Unmute, Trust. */
int bus_client_call_word(struct bus_client *c, const char *member, const char *word);
/* The same with two: Verify, Alias. */
int bus_client_call_words(
        struct bus_client *c, const char *member, const char *first, const char *second);
int bus_client_mute(struct bus_client *c, const char *user, uint64_t seconds);

/* @ret is the caller's. The 60 digits of the pair, and a property that is a text. */
int bus_client_get_fingerprint(struct bus_client *c, const char *user, char **ret);
int bus_client_get_text(struct bus_client *c, const char *property, char **ret);
int bus_client_set_username(struct bus_client *c, const char *username);
int bus_client_get_last_sequence(struct bus_client *c, uint64_t *ret);

/* Groups. @ret_id is the caller's. Methods that answer nothing: Invite and Remove, with a user,
 * Accept and Leave, with NULL. */
int bus_client_group_create(struct bus_client *c, const char *name, char *const *members,
        size_t n_members, char **ret_id);
int bus_client_group_call(
        struct bus_client *c, const char *member, const char *group, const char *user);
int bus_client_group_list(struct bus_client *c, sd_bus_message **ret);

/* The ring. Join and Find wait for other machines. The answer's rows as for GetStatus. */
int bus_client_ring_join(struct bus_client *c, const char *host);
int bus_client_ring_leave(struct bus_client *c);
int bus_client_ring_find(struct bus_client *c, const char *user, sd_bus_message **ret);
int bus_client_ring_status(struct bus_client *c, sd_bus_message **ret);

/* The ledger. @registrars and @ret_first, @ret_word are the caller's; the strings of @ret_name live
 * as long as @ret. @successor NULL: nobody. A check takes as long as it takes. */
int bus_client_ledger_create(struct bus_client *c, const char *name, const char *const *registrars,
        size_t n_registrars, char **ret_word);
int bus_client_ledger_join(struct bus_client *c, const char *word);
int bus_client_ledger_register(struct bus_client *c, char **ret_word);
int bus_client_ledger_revoke(struct bus_client *c, const char *successor);
int bus_client_ledger_pending(struct bus_client *c, sd_bus_message **ret);
int bus_client_ledger_approve(struct bus_client *c, const char *word);
int bus_client_ledger_get(
        struct bus_client *c, const char *name, sd_bus_message **ret, struct bus_name *ret_name);
int bus_client_ledger_list(
        struct bus_client *c, const char *after, uint32_t limit, sd_bus_message **ret);
int bus_client_ledger_check(
        struct bus_client *c, uint64_t *ret_n_records, uint64_t *ret_n_bad, char **ret_first);
int bus_client_ledger_status(struct bus_client *c, sd_bus_message **ret);

/* Files. Descriptors stay the caller's, and @ret_id is his. Accepting what is whole already takes
 * as long as its writing. */
int bus_client_file_list(struct bus_client *c, sd_bus_message **ret);
int bus_client_file_send(
        struct bus_client *c, const char *user, const char *name, int fd, char **ret_id);
int bus_client_file_accept(struct bus_client *c, const char *id, int fd);
int bus_client_file_reject(struct bus_client *c, const char *id);
int bus_client_file_cancel(struct bus_client *c, const char *id);

/* Of p2pchat-web, which is started for it: what signs in to its page, once. @ret is the
 * caller's. */
int bus_client_web_token(struct bus_client *c, char **ret);

/* Of this machine, for root. @ret_id is the caller's. The descriptor stays his, too. */
int bus_client_identity_new(struct bus_client *c, char **ret_id);
int bus_client_identity_export(struct bus_client *c, int fd);
int bus_client_identity_import(struct bus_client *c, int fd);
