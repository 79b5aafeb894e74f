/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The inside of a node, for the files of this folder
 *
 *     node.c      life, restoring, the turn, questions
 *     hear.c      announcements, ours and others'; presence
 *     links.c     connections: who may have one, and which protocol is spoken there
 *     classic.c   what the classic engine makes of them
 *     third.c     connections of the third dialect, which stay
 *     seek.c      native peers: where they are looked for
 *     native.c    sessions with them: begun, used, ended
 *     proof.c     who has proven who he is in one, and what it is for
 *     files.c, file.c, offer.c    files-private.h
 *     registry.c, register.c, certify.c   registry-private.h
 *     ring.c, reach.c, greet.c, ring-link.c, visit.c, search.c   ring-private.h
 *     streams.c   what is said in them: from the queue to the peer, from the peer to the history
 *     deliver.c   the queue, and from there to a classic peer
 *     contact.c   whom a name means, and what a proof changes in that
 *     call.c      what callers want
 *     word.c      user words, and back
 *     users.c     the list of users
 */
#include "base/ratelimits.h"
#include "core/crypto/random.h"
#include "core/crypto/x25519.h"
#include "core/delivery/stream.h"
#include "core/legacy/legacy.h"
#include "core/legacy/third.h"
#include "core/node/agenda.h"
#include "core/node/files-private.h"
#include "core/node/node.h"
#include "core/node/peer.h"
#include "core/node/registry-private.h"
#include "core/node/ring-private.h"
#include "core/session/session.h"

#define UNICAST_PEERS_MAX 256 /* as many as the configuration takes */
#define THIRD_PLACES_MAX 16   /* likewise */
#define INTERFACES_MAX 64
#define CLASSIC_PORT 6000
#define SECOND_PORT 6004
#define SAVE_INTERVAL_USEC (5 * USEC_PER_MINUTE)
#define NAMES_MAX 4       /* that one gives himself in a session, in a minute */
#define HANDSHAKES_MAX 50 /* that others begin, in a second */
#define HANDSHAKES_PER_ADDRESS_MAX 5

/* What a native link that we dialled is for. */
enum link_purpose {
        LINK_FOR_USER,  /* link.peer */
        LINK_FOR_CLONE, /* whoever has our own id */
        LINK_FOR_RING,  /* link.ring_node, or a visit */
        LINK_FOR_PROBE, /* can it be reached? Its session ends as soon as that is known */
};

struct link {
        struct table_entry by_number;
        struct list list; /* in node.links, oldest first */
        uint64_t number;
        struct endpoint remote;
        struct peer *peer; /* to whom we dialled, or who has proven to be it; NULL: a stranger */

        usec_t begin_usec; /* when it was accepted or dialled */

        /* Accepted, and its protocol is not known yet: until then the classic engine has it. */
        bool is_undecided;
        uint8_t head[4]; /* what came so far */
        size_t head_size;

        /* native */
        struct session *session; /* NULL: classic, or not known yet */
        bool is_native;          /* dialled, and to become a session */
        enum link_purpose purpose;
        char wanted_id[ID_STRING_SIZE]; /* who must be there; "": whoever is */
        bool is_proven;                 /* peer, or ring_node, is who it is */
        struct ring_id position;        /* of who has proven its key */
        bool is_member;                 /* of our network of the ledger, as far as we know */
        uint64_t ledger_turn;           /* in which ... */
        unsigned n_questions;           /* ... so many questions about the ledger came */
        unsigned n_loading;             /* blocks for it that are being read */
        struct ring_node *ring_node;    /* with whom it is for the ring alone, or shall be */
        struct visit *visit;            /* that this dial is of */
        uint64_t n_renewed;     /* messages in it when it was made anew last, or should have been */
        const char *end_word;   /* why we ended the session; NULL: we did not */
        usec_t asked_usec;      /* when it was asked whether we can be reached; 0: never */
        uint64_t ring_turn;     /* in which ... */
        unsigned n_ring;        /* ... so many frames of the ring came */
        uint64_t named;         /* node.name_count of when our name was told in it */
        struct ratelimit names; /* that the other side takes in it */
        bool is_drained;        /* an effect of the session is being taken */

        /* classic */
        struct legacy_memory memory;
        bool has_learned; /* memory is news */
        bool is_closed;   /* its result is still to come, then it goes */
        bool is_gone;     /* the same, and the world has closed it */

        /* third dialect */
        bool is_third;
        struct third *third;    /* NULL while it is dialled */
        uint64_t third_peer;    /* number of who is there, or is looked for there; 0: not known */
        uint64_t word;          /* the last one given with EFFECT_SEND */
        struct ratelimit texts; /* that come on it */
};

/* Where a node of the third dialect is that a connection is kept to. */
struct third_place {
        struct endpoint endpoint;
        uint64_t link; /* dialled, 0: none */
        usec_t begin_usec, retry_usec;
        unsigned n_failures;
};

enum delivery_state {
        DELIVERY_LOADING,
        DELIVERY_DIALLING,
        DELIVERY_TALKING,
        DELIVERY_FINISHING, /* all is written: it can no longer be called back */
};

/* The message that is under way to a peer. */
struct delivery {
        enum delivery_state state;
        struct queued *queued;
        char *text;
        size_t part_size;
        uint64_t link;
        enum dialect dialect;
        enum security security;
        unsigned n_again;
};

/* What there is with a native peer who was ever sought or talked to, or whose streams are known. */
struct native {
        struct peer *peer;
        struct list list;      /* in node.natives */
        struct list moved;     /* in node.moved: the streams have something to tell or to do */
        struct stream_out out; /* mirrors the outbox once is_filled: in the first session */
        bool is_filled;
        bool has_taken, is_mixed; /* in this turn: texts; texts of more than one stream, perhaps */
        struct stream_in in;
        uint64_t link;              /* of the proven session, 0: none */
        uint64_t dial_link;         /* that we opened and that is not proven yet, 0: none */
        struct endpoint dial_place; /* where that is */
        unsigned n_tried;           /* places where it was sought in vain in this round */
        struct session_claim claim; /* of the proven session */
        usec_t expected_usec;       /* until then another session is: this one was replaced */
        struct list ready;          /* in files.ready: chunks for it may wait */
        bool is_asking;             /* the world was asked for room for them */
        usec_t answers_usec;  /* before it is called only because it has to answer about files */
        usec_t searched_usec; /* when it was last looked for on the ring; 0: never */
};

struct call {
        struct list list; /* in node.calls */
        uint64_t number;
        struct ulid id;
        usec_t deadline_usec;
};

struct node {
        char username[USERNAME_SIZE_MAX + 1];
        char id[ID_STRING_SIZE];
        struct random *random;
        struct x25519_key static_key; /* of Noise; made anew at each start */
        struct session_self self;
        uint64_t name_count; /* rises with each name of ours */
        struct node_options options;
        struct endpoint unicast[UNICAST_PEERS_MAX];
        struct interface interfaces[INTERFACES_MAX];
        size_t n_interfaces;

        struct discovery discovery;
        struct peers peers;
        struct agenda agenda;
        struct legacy *legacy;

        struct third_place third_places[THIRD_PLACES_MAX];
        bool has_third_gone; /* in this turn a link of the third dialect went */

        struct table links_by_number;
        struct list links;
        uint64_t link_last; /* odd */

        struct list natives, moved;
        size_t n_sessions;               /* proven ones */
        usec_t unproven_usec;            /* no dial to an unproven place before */
        usec_t clone_usec;               /* nor to who announces our id */
        struct ratelimit handshakes;     /* that others begin, in all */
        struct ratelimits handshakes_at; /* and from each address */
        struct ratelimits clone_checks;  /* of addresses that announce our id */
        struct ratelimits clone_warnings;
        struct endpoint clone; /* where somebody else proved our id; no family: nowhere */
        bool is_proving;       /* in node_take_proof(): nobody is dialled meanwhile */
        bool is_leaving;       /* nobody is dialled any more */
        struct ring ring;
        struct registry registry;
        struct files files;

        struct table queued_by_id;
        uint64_t serial_last; /* of struct queued */
        struct list calls;
        usec_t retry_usec;               /* no outbox is due before */
        usec_t save_usec;                /* when times of hearing are stored */
        struct ratelimit limit_warnings; /* one kind must not hide the other */
        struct ratelimit text_warnings;
        struct ratelimit name_warnings;
        struct ratelimit key_warnings;
};

/* hear.c */
int node_announce(struct node *n, struct now now);
int node_age(struct node *n, struct now now);
/* The peer from whom something came on a connection, made when he is new; heard thereby. Outcome 1:
 * no room for him. */
int node_hear_from(struct node *n, const struct endpoint *remote, const char *hint, struct now now,
        struct peer **ret);
/* The one at an address who was heard last, or NULL. */
struct peer *node_peer_at(const struct node *n, const struct endpoint *remote);
/* Adds a peer, if need be in the place of somebody who left no trace; heard now if the record says
 * when, else not heard yet. Outcome 1: no room for him. */
int node_add_peer(struct node *n, struct peer_record *record, struct now now, struct peer **ret);
/* He is here: online. Delivers nothing yet. */
int node_hear(struct node *n, struct peer *peer, struct now now);
/* It lives, so it did not become somebody else. */
void node_end_succession(struct node *n, struct peer *peer);
/* He calls himself otherwise now. */
int node_rename(struct node *n, struct peer *peer, const char *name);
int node_save_heard(struct node *n, struct now now);
int node_emit_peer(struct node *n, struct peer *peer);

/* links.c */
int node_dial(struct node *n, struct peer *peer, const struct endpoint *to, struct link **ret);
/* The same in the third dialect. */
int node_dial_third(struct node *n, const struct endpoint *to, struct link **ret);
/* The world closes it, and the node has forgotten it. */
int node_close_link(struct node *n, uint64_t number, enum close_how how);
/* It is gone, or closed already. */
void node_forget_link(struct node *n, struct link *link);
int node_emit_close(struct node *n, uint64_t number, enum close_how how);
struct link *node_link(const struct node *n, uint64_t number);
int node_warn_of_links(struct node *n, const struct endpoint *remote, struct now now);

/* A connection came in, and has a place; outcome 1: it was turned away. */
int node_admit(struct node *n, uint64_t number, const struct endpoint *from, bool is_third,
        struct now now, struct link **ret);

/* classic.c */
int node_drain_legacy(struct node *n, struct now now);
/* A text came from @peer, who was heard thereby: into the history. */
int node_take_text(struct node *n, struct peer *peer, enum security security, const void *text,
        size_t size, struct now now);
/* Something came from there that cannot be read. */
int node_warn_unreadable(
        struct node *n, const struct peer *peer, const char *sentence, struct now now);

/* third.c */
void node_third_init(struct node *n, struct now now);
int node_third_connected(struct node *n, struct link *link, struct now now);
int node_third_received(
        struct node *n, struct link *link, const void *data, size_t size, struct now now);
int node_third_closed(struct node *n, struct link *link, enum link_end how, struct now now);
int node_third_advance(struct node *n, struct now now);
usec_t node_third_deadline(const struct node *n);
/* Who has lost his last connection is no longer held online, and what was under way there goes
 * again. */
int node_third_end_turn(struct node *n, struct now now);
/* Does @q go to @peer in the third dialect? */
bool node_third_is_way(const struct node *n, const struct peer *peer, const struct queued *q);
/* The loaded message of its delivery goes on the connection that there is, or on a new one. Outcome
 * 1: it cannot go now. */
int node_third_deliver(struct node *n, struct peer *peer, struct now now);
/* All connections with it end. */
int node_third_hang_up(struct node *n, const struct peer *peer);

/* seek.c */
/* peer->native, made when there is none. 0 or -ENOMEM. */
int node_get_native(struct node *n, struct peer *peer, struct native **ret);
void node_free_native(struct node *n, struct peer *peer);
/* Of peers who left no trace: they may be evicted then. */
void node_release_natives(struct node *n);
/* Sees to it that there is a session with a native peer soon, if it can be: one dial at a time, the
 * places where it may be in turn, then the outbox rests. */
int node_seek_session(struct node *n, struct peer *peer, struct now now);
/* Is there a session, or will one be tried for without a pause? */
bool node_is_seeking(const struct node *n, const struct peer *peer, struct now now);
/* Our own id is announced there: looks who it is, rate-limited. */
int node_check_clone(struct node *n, const struct endpoint *at, struct now now);
/* For a session. @peer: only with LINK_FOR_USER. */
int node_dial_native(struct node *n, struct peer *peer, enum link_purpose purpose,
        const struct endpoint *to, struct now now, struct link **ret);
/* Many dials to who does not answer must not keep others from reaching us. */
bool node_has_room(const struct node *n);
/* A dial came to nothing. */
int node_native_missed(struct node *n, struct native *native, struct now now);
/* It was not found anywhere, or did not stay: who waits for an answer gets it, and what waits for a
 * classic peer of that name need not wait for this one. */
int node_native_rest(struct node *n, struct peer *peer, struct now now);

/* native.c */
/* A connection came in that begins with SESSION_MAGIC. Outcome 1: it was turned away, and is gone.
 */
int node_native_accepted(struct node *n, struct link *link, struct now now);
int node_native_connected(struct node *n, struct link *link, struct now now);
int node_native_received(
        struct node *n, struct link *link, const void *data, size_t size, struct now now);
/* The other side shut down writing, without a goodbye. */
int node_native_ended(struct node *n, struct link *link, struct now now);
int node_native_closed(struct node *n, struct link *link, enum link_end how, struct now now);
int node_native_advance(struct node *n, struct now now);
usec_t node_native_deadline(const struct node *n);
/* What is to be done with the session of @native was done: it sends now. */
int node_native_flush(struct node *n, struct native *native, struct now now);
/* Says @m in the proven session, if there is one; sent by node_native_flush(). */
int node_native_say(struct node *n, struct native *native, const struct message *m, struct now now);
/* The same in the session of @link, which goes on however that ends, and sent at once. */
int node_native_tell(struct node *n, struct link *link, const struct message *m, struct now now);
/* The proven session with this id, whatever it is for, or NULL. */
struct link *node_session_with(const struct node *n, const char *id);
/* There is a newer one with the same peer: it says no more, but hears what was said already;
 * @is_over: there is nobody left who said anything. */
int node_native_retire(struct node *n, struct link *link, bool is_over, struct now now);
int node_native_close(
        struct node *n, struct link *link, const char *word, enum goodbye reason, struct now now);
/* For the journal: what has become of a session. */
int node_native_told(struct node *n, const struct link *link, const char *what, struct now now);
/* All sessions end. */
int node_native_goodbye(struct node *n, struct now now);
/* A proven session with it ends, and no dial goes on: blocked, asked for, to be made anew. */
int node_hang_up(struct node *n, struct peer *peer, enum goodbye reason, struct now now);

/* proof.c */
int node_native_proven(
        struct node *n, struct link *link, const struct introduction *who, struct now now);
/* Who was dialled is not there, but @found is: something may wait for that one. */
int node_native_met_other(
        struct node *n, const struct link *link, const struct introduction *found, struct now now);
/* A session for the ring alone becomes one with that user, too. */
int node_native_promote(struct node *n, struct link *link, struct now now);
/* The other side is called otherwise from now on. */
int node_native_take_name(
        struct node *n, struct link *link, const struct message *m, struct now now);
/* Our name is another: all with whom there is a session hear it. */
int node_native_renamed(struct node *n, struct now now);
/* May @peer, or NULL for nobody known, not have @link, too? */
bool node_native_is_one_too_many(
        const struct node *n, const struct link *link, const struct peer *peer);

/* streams.c */
/* A message was put into the outbox of a native peer: it goes in the stream, too. */
int node_stream_add(struct node *n, struct peer *peer, struct queued *q);
/* It is taken out, not by the peer's word. 0, or 1 when the peer's word has just come. */
int node_stream_cancel(struct node *n, struct peer *peer, struct queued *q);
/* Was it sent in the session that is open? */
bool node_stream_is_sent(const struct peer *peer, const struct queued *q);
/* The outbox has got messages among its others: those not numbered yet go in its order. */
int node_stream_reorder(struct node *n, struct peer *peer);
/* A session was proven that is the one from now on; it ended. */
int node_streams_open(struct node *n, struct native *native, struct now now);
void node_streams_close(struct native *native);
/* A frame of it. 0, -errno, or STREAM_BROKEN. */
int node_stream_receive(
        struct node *n, struct native *native, const struct message *m, struct now now);
int node_stream_loaded(struct node *n, struct peer *peer, struct queued *q, usec_t time_usec,
        const char *text, size_t size, struct now now);
/* Changes of all streams that moved, before the commit; what they have to say, after it. */
int node_streams_end_turn(struct node *n);
int node_streams_committed(struct node *n, struct now now);

/* contact.c */
/*
 * Somebody has proven who he is, in a session at @remote: the row of this id, made when it is new,
 * with key, name and place as they are now. Warns of namesakes and changed keys, makes it the
 * successor of the classic peer that it was until now, and a contact if something waits for either.
 * Nothing is delivered or passed on: that is the caller's, who has the session. Outcome 1: no room
 * for him, or he is blocked.
 */
int node_take_proof(struct node *n, const struct introduction *who, const struct endpoint *remote,
        struct now now, struct peer **ret);
/* It calls itself so from now on, as its session says. */
int node_take_name(struct node *n, struct peer *peer, const char *name, struct now now);
/* Where @wanted was dialled there is somebody else. */
int node_found_other(struct node *n, struct peer *wanted, const struct introduction *found,
        const struct endpoint *remote, struct now now);
/* A person sends to it: its name means it from now on, unless that means somebody else. Nothing
 * happens when it is not proven, not native, or a contact already. */
int node_make_contact(struct node *n, struct peer *peer, struct now now);
/* Tells once that @peer bears the name of a contact, if it does. */
int node_warn_namesake(struct node *n, struct peer *peer, struct now now);

/* deliver.c */
/* All that waits for @peer, a classic one, goes to @heir from now on, and so it is remembered when
 * that is a native one, who must be proven. */
int node_pass_on(struct node *n, struct peer *peer, struct peer *heir, struct now now);
/* The same for what waits for classic peers that @heir, who is proven, was before; and @by_name for
 * those of its name who are not here. */
int node_inherit(struct node *n, struct peer *heir, bool by_name, struct now now);
/* Where and in which dialect a peer is reached. */
struct endpoint peer_endpoint(const struct peer *peer);
enum dialect peer_dialect(const struct peer *peer);
/* Starts what can be started now for @peer; if he is absent, for the only one who is here under his
 * name, to whom all that waits goes then. */
int node_deliver(struct node *n, struct peer *peer, struct now now);
/* The same for all of this name: somebody has come, gone, or is no longer blocked. */
int node_deliver_named(struct node *n, const char *name, struct now now);
int node_deliver_due(struct node *n, struct now now);
/* A message is being handed over on this link that we opened. */
bool node_is_talking(const struct link *link);
int node_delivery_connected(struct node *n, struct link *link, struct now now);
int node_delivery_result(
        struct node *n, struct peer *peer, enum legacy_outcome outcome, struct now now);
int node_delivery_closed(struct node *n, struct peer *peer, enum link_end how, struct now now);
int node_delivery_abort(struct node *n, struct peer *peer);
/* The message leaves the queue with this state. */
int node_settle(struct node *n, struct peer *holder, struct queued *q, enum message_state state,
        const char *reason);
int node_enqueue(struct node *n, struct peer *peer, struct queued *q);
struct queued *node_queued(const struct node *n, const struct ulid *id);

/* call.c */
/* A call that is answered later than its turn gets an error. */
int node_refuse_call(struct node *n, uint64_t call, int code, const struct refusal *refusal);
/* Is this a text that can be sent? 0 or a refusal. */
int node_check_text(const char *text, size_t size, struct refusal *ret_refusal);
/* Calls that wait for this message are answered. */
int node_answer(struct node *n, const struct ulid *id, enum message_state state);
/* Calls that wait for what is in this outbox are answered: queued. */
int node_answer_queued(struct node *n, const struct outbox *outbox);
int node_answer_late(struct node *n, usec_t now_usec);

/* word.c */
/* 0 and the peer, -errno, or a refusal. */
int node_find_user(
        const struct node *n, const char *word, struct peer **ret, struct refusal *ret_refusal);
/* 26 characters as in an id, whether it is one or not: never a name. */
bool word_is_id(const char *word);
/* A name alone, which says nothing of where or who. */
bool word_is_name(const char *word);
/* Writes the sentence, when one is wanted, and returns @code. */
int refuse(struct refusal *ret, enum refusal_code code, const char *format, ...) _printf_(3, 4);

/* node.c */
int node_warn(struct node *n, const char *kind, const char *user, const char *sentence);
