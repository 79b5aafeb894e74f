/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A whole chat node as a pure state machine
 *
 * The caller brings what happened and what time it is; the node changes its state and lists what
 * must be remembered (changes, record.h) and what the world must do (effects, effect.h). It never
 * reads a clock, touches a socket, a file, a bus or a log, and never calls back.
 *
 * A turn: any number of inputs, then
 *
 *     node_end_turn(n, now);
 *     while (node_next_change(n, &change)) store_apply(...);
 *     commit;
 *     what the store knew already: node_known(n, ...);
 *     node_committed(n, now);
 *     while (node_next_effect(n, &effect)) carry it out;
 *
 * What is promised to a native peer, numbers and acknowledgements, becomes an effect only in
 * node_committed().
 *
 * Inputs return 0, or a negative errno when we failed (-ENOMEM: the input may be half taken; the
 * caller ends the process, for what is committed is whole). What peers do wrong is never an error.
 */
#include "core/chord/chord.h"
#include "core/group/group.h"
#include "core/node/effect.h"
#include "core/node/record.h"

struct node;
struct random;

#define WORD_SIZE                                                                                  \
        (NAME_SIZE_MAX + 1 + ENDPOINT_STRING_MAX) /* of a user word, with the zero byte            \
                                                   */
#define SEND_WAIT_USEC (3 * USEC_PER_SEC)
#define FIRST_CHAT_HOLD_USEC (10 * USEC_PER_SEC)

/* Everything is copied, but for @random and @identity, which are borrowed for the node's life. */
struct node_options {
        const char *username;            /* valid by username_is_valid() */
        const struct identity *identity; /* NULL: nothing but the classic dialects is spoken */
        struct random *random;
        uint16_t port;       /* TCP port that we announce and that unknown peers are dialled at */
        bool announce;       /* be seen at all */
        bool compat;         /* members that some old listeners insist on */
        bool second;         /* speak the second dialect */
        uint16_t third_port; /* where we are called in the third dialect; 0: it is not spoken */
        const struct endpoint *third_peers; /* with whom a connection of it is kept */
        size_t n_third_peers;
        bool ring;             /* take part in the ring; without an identity nobody does */
        size_t ring_links_max; /* sessions that are kept for the ring alone */
        bool ledger;           /* be a member of the ledger; the same holds of it */
        const char *network;   /* word of the network that the configuration fixes, NULL: none */
        const struct endpoint *peers; /* announced to by unicast; port as given */
        size_t n_peers;
        size_t peers_max; /* limits, design defaults when 0 */
        size_t links_max;
        size_t links_per_address_max;
        size_t links_strange_max;
        size_t queue_max;      /* messages per peer */
        size_t queue_size_max; /* bytes per peer */
};

/* One address of one interface of ours, and where announcements go from it. Those of IPv4 come
 * first. */
struct interface {
        uint32_t index;
        struct endpoint address;      /* port ignored */
        struct endpoint broadcast[4]; /* destinations, port ignored: 255.255.255.255, directed, or
                                         the group of native peers on IPv6 */
        size_t n_broadcast; /* 0: this address is ours, but nothing is announced from it */
};

/* 0 or -errno. What @options points to must outlive the node. */
int node_new(const struct node_options *options, struct now now, struct node **ret);
struct node *node_free(struct node *n);
DEFINE_CLEANUP(struct node *, node_free)

/* What the store remembers, after node_new() and before anything else. Order does not matter within
 * a kind but where it is said; peers come first, what is queued for them last, oldest first. */
int node_restore_peer(struct node *n, const struct peer_record *peer, struct now now);
int node_restore_stream(struct node *n, const struct stream_record *stream);
/* Of one peer in the order in which its streams were first told. */
int node_restore_mark(struct node *n, const struct mark_record *mark);
/* After the marks, in the order of numbers. */
int node_restore_refused(struct node *n, const struct refused_record *refused);
int node_restore_queued(struct node *n, const struct queued_record *queued, struct now now);
/* After the peers: groups, then what refers to them; messages of ours oldest first. */
int node_restore_group(struct node *n, const struct group_record *group, struct now now);
int node_restore_leave(struct node *n, const struct leave_record *leave);
int node_restore_lane(struct node *n, const struct lane_record *lane);
int node_restore_told(struct node *n, const struct told_record *told, struct now now);
/* In the order in which they were first told. @done_on_disk: how much of a file that comes the
 * spool has for certain, from its beginning; that, and not the record, tells where it goes on. */
int node_restore_transfer(
        struct node *n, const struct file_record *file, uint64_t done_on_disk, struct now now);
int node_restore_ring(struct node *n, const struct ring_record *ring, struct now now);
/*
 * @ledger: what is stored, or all zero. Which of the stored genesis blocks is the one of our
 * network is asked with node_ledger_is_network(); @genesis is that one, or NULL when there is none.
 * After this the blocks of that network, from 1 in order of height. Outcome 1: this block cannot
 * follow; those from its height on are given up (the node lists the change and a warning, and gets
 * them anew from others), and no more are to be given.
 */
int node_restore_ledger(struct node *n, const struct ledger_record *ledger,
        const struct block_record *genesis, struct now now);
int node_restore_block(struct node *n, const struct block_record *block, struct now now);

/*
 * Inputs: the world
 */
/* All our addresses, at start and when they changed. Announces at once. */
int node_network(
        struct node *n, const struct interface *interfaces, size_t n_interfaces, struct now now);
int node_datagram(struct node *n, enum dialect dialect, const struct endpoint *from,
        const void *data, size_t size, struct now now);
/* @link is even and new. The node may close it by an effect. */
int node_accepted(struct node *n, uint64_t link, const struct endpoint *from, struct now now);
/* The same, at the port of the third dialect. */
int node_third_accepted(struct node *n, uint64_t link, const struct endpoint *from, struct now now);
int node_connected(struct node *n, uint64_t link, struct now now);
int node_received(struct node *n, uint64_t link, const void *data, size_t size, struct now now);
/* The other side shut down writing; the link still lives. */
int node_ended(struct node *n, uint64_t link, struct now now);
/* Answers EFFECT_SEND with a word: the other kernel has everything that was to be written. */
int node_taken(struct node *n, uint64_t link, uint64_t word, struct now now);
/* The link is gone, and its number with it. */
int node_closed(struct node *n, uint64_t link, enum link_end how, struct now now);
/* Answers EFFECT_LOAD, in the order of asking; @text NULL: the store no longer has it. @time_usec:
 * realtime at which it was written. */
int node_loaded(struct node *n, const struct ulid *id, usec_t time_usec, const char *text,
        size_t size, struct now now);
/* Answers EFFECT_LOAD_BLOCK; @data NULL: it cannot be read. */
int node_block_loaded(struct node *n, const struct ledger_peer *peer, const void *data, size_t size,
        struct now now);
/* Answers EFFECT_LOAD_GROUP_MESSAGE; @message NULL: it is not there, or not any more. */
int node_group_message_loaded(struct node *n, uint64_t group, const struct group_key *peer,
        const struct message_record *message, struct now now);
int node_advance(struct node *n, struct now now);
/* When node_advance() wants to be called (mono), or USEC_INFINITY. */
usec_t node_deadline(const struct node *n);

/*
 * Inputs: callers. They return 0, -errno, or a positive enum refusal; then *ret_refusal (may be
 * NULL) has a sentence that names the value and what to do.
 */
enum refusal_code {
        REFUSAL_UNKNOWN_USER = 1,
        REFUSAL_AMBIGUOUS_USER, /* the sentence lists the candidates */
        REFUSAL_NOT_SECURE,
        REFUSAL_BLOCKED,
        REFUSAL_INVALID_TEXT,
        REFUSAL_TOO_LARGE,
        REFUSAL_QUEUE_FULL,
        REFUSAL_INVALID_NAME,
        REFUSAL_NO_SUCH_MESSAGE,
        REFUSAL_CANNOT_CHAT,
        REFUSAL_NOT_REACHABLE, /* it would take a session with the user, and there is none */
        REFUSAL_NAME_TAKEN,
        REFUSAL_FINGERPRINT_MISMATCH,
        REFUSAL_NO_SUCH_TRANSFER,
        REFUSAL_INVALID_ARGUMENT, /* the standard error of D-Bus */
        N_REFUSALS,
};

struct refusal {
        char sentence[SENTENCE_SIZE];
};

struct send_options {
        int security;       /* enum security, the least accepted; negative: the default */
        usec_t wait_usec;   /* how long a better state is waited for before EFFECT_REPLY; 0: not */
        const char *number; /* the user's own private number, or NULL */
};

/* Answered by EFFECT_REPLY with @call in this turn or a later one; not after a refusal. */
int node_send(struct node *n, uint64_t call, const char *word, const char *text, size_t size,
        const struct send_options *options, struct now now, struct refusal *ret_refusal);
/* The caller of a node_send() left: no EFFECT_REPLY, not even one that is listed already. */
void node_forget_call(struct node *n, uint64_t call);
/* We are about to end: whoever waits hears now that his message is queued. */
int node_answer_all(struct node *n);
int node_cancel(struct node *n, const struct ulid *id, struct now now, struct refusal *ret_refusal);
int node_block(
        struct node *n, const char *word, bool block, struct now now, struct refusal *ret_refusal);
/* @until_usec in realtime: USEC_INFINITY until unmuted, 0 unmute. */
int node_mute(struct node *n, const char *word, usec_t until_usec, struct now now,
        struct refusal *ret_refusal);
int node_forget(struct node *n, const char *word, struct now now, struct refusal *ret_refusal);
/* Makes a proven native user the contact of its own name; another contact of that name loses it. */
int node_trust(struct node *n, const char *word, struct now now, struct refusal *ret_refusal);
/* @digits: what the other side shows, all 60, blanks ignored. Makes it a contact, too. */
int node_verify(struct node *n, const char *word, const char *digits, struct now now,
        struct refusal *ret_refusal);
/* Binds @name to a proven native user. */
int node_alias(struct node *n, const char *word, const char *name, struct now now,
        struct refusal *ret_refusal);
/* The digits of the pair. */
int node_fingerprint(const struct node *n, const char *word, char ret[static FINGERPRINT_SIZE],
        struct refusal *ret_refusal);
int node_end_session(struct node *n, const char *word, struct now now, struct refusal *ret_refusal);
/* We are about to end: all sessions hear it, once the ring has been told not to find us any more.
 */
int node_say_goodbye(struct node *n, struct now now);
/* Does the ring still have to be told? At most for GOODBYE_USEC_MAX. */
#define GOODBYE_USEC_MAX (500 * USEC_PER_MSEC)
bool node_is_saying_goodbye(const struct node *n);
int node_set_username(
        struct node *n, const char *username, struct now now, struct refusal *ret_refusal);

/*
 * Inputs: the ring, by which users are found who are not near (core/chord/chord.h). On the local
 * network it comes together by itself; beyond, it begins with a place where one of its nodes is.
 */
/* The places of the configuration, in the stead of those told before: whoever has some has joined.
 */
int node_ring_bootstrap(
        struct node *n, const struct endpoint *places, size_t n_places, struct now now);
/* Goes there, and is published from then on, also after a restart. Answered by EFFECT_JOINED, or by
 * EFFECT_REFUSE when nobody of the ring was found at any of @places. @name: what a person calls
 * them. */
int node_ring_join(struct node *n, uint64_t call, const char *name, const struct endpoint *places,
        size_t n_places, struct now now, struct refusal *ret_refusal);
/* Withdraws what was published, forgets whom it knew, and is with those of the local network only.
 */
int node_ring_leave(struct node *n, struct now now, struct refusal *ret_refusal);
/* @word: name#id, with at least RING_ID_CHARACTERS of the id. Answered by EFFECT_FOUND or
 * EFFECT_REFUSE. */
int node_ring_find(struct node *n, uint64_t call, const char *word, struct now now,
        struct refusal *ret_refusal);

struct ring_status {
        bool is_there;  /* else nothing of this means anything */
        bool is_joined; /* to more than the local network: published */
        struct chord_status chord;
        struct ring_id position;
        struct endpoint endpoint; /* where others reached us; no family: nowhere yet */
        size_t n_sessions;        /* that are for the ring alone */
        size_t n_found, n_missed; /* of what was looked for */
};
void node_ring_status(const struct node *n, struct ring_status *ret);

/*
 * Inputs: the ledger, which says whose name is whose (core/ledger/ledger.h)
 */
/* Another network, and we in it. @registrars: words of proven users, own ones included, or keys of
 * 64 hexadecimal digits; none: everybody may register, and blocks take work. */
int node_ledger_create(struct node *n, const char *name, const char *const *registrars,
        size_t n_registrars, struct now now, char ret_word[static GENESIS_WORD_SIZE],
        struct refusal *ret_refusal);
/* @word: NAME#hash; "": the one that is built in. What was kept of another network stays. Its
 * genesis is got from the next member of it whom we meet. */
int node_ledger_join(struct node *n, const char *word, struct now now, struct refusal *ret_refusal);
/* Our username for our key; renews it when it is ours already. *ret_word: name#id, by which a
 * registrar approves it. */
int node_ledger_register(struct node *n, struct now now, char ret_word[static WORD_SIZE],
        struct refusal *ret_refusal);
/* @successor: the id or word of a proven user who alone may have the name then, or "". */
int node_ledger_revoke(
        struct node *n, const char *successor, struct now now, struct refusal *ret_refusal);
/* A registrar's: @word of a registration that waits, its name or name#id. */
int node_ledger_approve(
        struct node *n, const char *word, struct now now, struct refusal *ret_refusal);
/* Is there work to be done? Then so many hashes are tried. */
bool node_ledger_is_mining(const struct node *n, struct now now);
int node_ledger_mine(struct node *n, unsigned n_hashes, struct now now);

enum registration {
        REGISTRATION_NONE,
        REGISTRATION_WAITING, /* ours is told to others, and not in the chain yet */
        REGISTRATION_HELD,
};

struct ledger_view {
        bool is_there; /* else nothing of this means anything */
        char network[GENESIS_WORD_SIZE];
        bool is_built_in, is_fixed;  /* by the configuration */
        const struct ledger *ledger; /* to be asked; NULL: the genesis is not known yet */
        enum registration registration;
        struct ledger_name own;       /* HELD */
        char disputed[SENTENCE_SIZE]; /* a heavier chain that is not followed, or "" */
};
/* The pointer is valid until the next input. */
void node_ledger_view(const struct node *n, struct now now, struct ledger_view *ret);
/* Is the genesis in @data the one of the network that is chosen by @ledger and the configuration?
 */
bool node_ledger_is_network(
        const struct node *n, const struct ledger_record *ledger, const void *data, size_t size);

/*
 * Inputs: groups (core/group/group.h). A group is named by "+name", "+name#id" with at least four
 * hexadecimal digits of its id, or the whole id of GROUP_ID_STRING_SIZE - 1 digits. Messages go to
 * it by node_send(), and it is a conversation like that of a user: node_mute(), node_forget(),
 * node_find_conversations() take its word, too.
 */
#define GROUP_ID_STRING_SIZE (2 * GROUP_ID_SIZE + 1)
/* @words: of proven native users. */
int node_group_create(struct node *n, const char *name, const char *const *words, size_t n_words,
        struct now now, char ret_id[static GROUP_ID_STRING_SIZE], struct refusal *ret_refusal);
int node_group_invite(struct node *n, const char *group, const char *user, struct now now,
        struct refusal *ret_refusal);
int node_group_accept(
        struct node *n, const char *group, struct now now, struct refusal *ret_refusal);
/* @user may also be the id, or the beginning of it, of a member who is no user here. */
int node_group_remove(struct node *n, const char *group, const char *user, struct now now,
        struct refusal *ret_refusal);
/* Also declines an invitation. */
int node_group_leave(
        struct node *n, const char *group, struct now now, struct refusal *ret_refusal);

struct group_view {
        char id[GROUP_ID_STRING_SIZE];
        char word[WORD_SIZE]; /* by which it can be named now */
        bool is_invited;      /* it waits for node_group_accept(); else we are a member */
};
/* Those that we are in or invited to, by name: memory to be freed by the caller. */
int node_list_groups(const struct node *n, struct group_view **ret, size_t *ret_n);
struct group_member_view {
        char word[WORD_SIZE]; /* of a user; its id when it is none here; our own name#id */
        char id[ID_STRING_SIZE];
        bool is_self, is_creator;
};
/* The members of a group by its id, ourselves among them: memory to be freed by the caller. */
int node_list_members(const struct node *n, const char *id, struct now now,
        struct group_member_view **ret, size_t *ret_n);

/*
 * Inputs: files (core/transfer/transfer.h)
 *
 * What a file contains is in the spool of the world, under a spool id: one for all to whom a file
 * of ours goes, one for each transfer to us. Callers know a file by the same id, in hexadecimal.
 * Effects ask the world to write, read, hash or throw away; it answers in a later turn, with the
 * ref that stands in the effect, and does what it is asked about one spool in the order of asking.
 *
 * At start the spool tells how much it has of what comes (node_restore_transfer()). What
 * node_list_files() does not name after that is nobody's and may be thrown away.
 */
#define FILE_ID_STRING_SIZE (2 * TRANSFER_ID_SIZE + 1)

/* May a file of that size go there? Before it is copied into the spool. @word: of a user, or of a
 * group for all its members. *ret_name: as it will be offered. A user who has not proven his key is
 * called, and REFUSAL_NOT_REACHABLE says that it may go soon. */
int node_file_check(struct node *n, const char *word, const char *name, uint64_t size,
        struct now now, char ret_name[static TRANSFER_NAME_MAX + 1], struct refusal *ret_refusal);
struct file_offer {
        struct transfer_id spool_id; /* random: where it is, and its id */
        const char *word, *name;
        uint64_t uid; /* whose it is */
        uint64_t size;
        const uint8_t *hash; /* HASH_SIZE bytes */
};
/* It is in the spool, for certain. After a refusal the spool is the caller's to throw away. */
int node_file_offer(struct node *n, const struct file_offer *offer, struct now now,
        struct refusal *ret_refusal);
/* *ret_is_whole: it is here already, and can be handed over. Accepting once more changes nothing.
 */
int node_file_accept(struct node *n, const char *id, uint64_t uid, struct now now,
        bool *ret_is_whole, struct refusal *ret_refusal);
int node_file_reject(struct node *n, const char *id, struct now now, struct refusal *ret_refusal);
/* Of either side; of a file to a group, to all its members. */
int node_file_cancel(struct node *n, const char *id, struct now now, struct refusal *ret_refusal);
/* A whole one was handed over: the spool may go. */
int node_file_taken(struct node *n, const char *id, struct now now);

/* Answers of the spool. */
int node_spool_read(struct node *n, const struct transfer_ref *ref, const void *data, size_t size,
        struct now now);
int node_spool_written(
        struct node *n, const struct transfer_ref *ref, uint64_t done, struct now now);
int node_spool_hashed(struct node *n, const struct transfer_ref *ref,
        const uint8_t hash[static HASH_SIZE], struct now now);
int node_spool_failed(struct node *n, const struct transfer_ref *ref, enum transfer_reason reason,
        struct now now);
/* Answers EFFECT_ASK_ROOM: nothing waits to be written on this link any more, neither here nor
 * unsent in the kernel. */
int node_has_room_on(struct node *n, uint64_t link, struct now now);

struct file_view {
        char id[FILE_ID_STRING_SIZE];
        struct transfer_id spool_id;
        char user[WORD_SIZE]; /* the other side */
        char name[TRANSFER_NAME_MAX + 1];
        enum security security;
        uint64_t size, done;
        bool is_outgoing;
        enum transfer_state state;
        uint64_t uid; /* whose it is here; FILE_NOBODY: no one has accepted it yet */
};
#define FILE_NOBODY UINT64_MAX
/* Those that are not over, oldest first; a file to a group is in it once for each member: memory to
 * be freed by the caller. */
int node_list_files(const struct node *n, struct now now, struct file_view **ret, size_t *ret_n);

/*
 * Questions; they change nothing
 */
const char *node_username(const struct node *n);
size_t node_users_online(const struct node *n);
size_t node_messages_queued(const struct node *n);
size_t node_links(const struct node *n);
size_t node_sessions(const struct node *n); /* proven ones */
/* Somebody else proved our id, at that address: our identity was copied. False: never. */
bool node_clone(const struct node *n, struct endpoint *ret);

struct user {
        uint64_t number;
        char name[NAME_SIZE_MAX + 1]; /* of a contact: the one that is bound to it here */
        char id[ID_STRING_SIZE];      /* "": classic */
        struct endpoint endpoint;
        enum presence presence;
        usec_t heard_usec; /* realtime, 0 never */
        enum security security;
        bool contact, namesake, blocked, muted, cannot_chat;
        bool is_deaf; /* is heard, but took no connection when it was called last */
};
/* The users of ListUsers, name by name: memory to be freed by the caller. */
int node_list_users(const struct node *n, struct now now, struct user **ret, size_t *ret_n);

/* The conversations that @word means for reading: at most @max numbers, newest heard first. */
int node_find_conversations(const struct node *n, const char *word, struct now now,
        uint64_t *ret_numbers, size_t max, size_t *ret_n, struct refusal *ret_refusal);
/* The id of a native peer, or "": classic, no longer known, or a group, whose messages tell the id
 * of their author. */
const char *node_user_id(const struct node *n, uint64_t number);
/* The word that answers to this peer now: its name if that is unambiguous, else name#id with as
 * much of the id as it takes (at least 4 characters), or name@address of a classic peer. @name
 * and @endpoint describe a peer that is no longer known. Of a group: "+name", or "+name#id". */
const char *node_word(const struct node *n, uint64_t number, const char *name,
        const struct endpoint *endpoint, struct now now, char buffer[static WORD_SIZE]);

/*
 * The end of a turn
 */
int node_end_turn(struct node *n, struct now now);
/* Of a received native message in this turn, STORE_EVENT_KNOWN: it is there already. */
int node_known(struct node *n, uint64_t peer, uint64_t stream_number);
/* Everything of this turn is on disk. */
int node_committed(struct node *n, struct now now);
bool node_next_change(struct node *n, struct change *ret);
bool node_next_effect(struct node *n, struct effect *ret);
