/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What must be remembered: records, and the changes that carry them to the store
 *
 * A change is a plain fact: applied twice it does what it did once, replayed it gives the same
 * state. The node lists changes during a turn; the store applies them all in one transaction, and
 * what has become new in it comes back as events for log file, journal and signals.
 */
#include "base/encode.h"
#include "base/endpoint.h"
#include "base/text.h"
#include "base/usec.h"
#include "core/crypto/identity.h"
#include "core/discovery/announce.h"
#include "core/group/group.h"
#include "core/ledger/block.h"
#include "core/legacy/memory.h"
#include "core/session/message.h"
#include "core/transfer/transfer.h"

#define TEXT_SIZE_MAX (60 * 1024) /* bytes of one message */
#define NUMBER_SIZE_MAX 100       /* decimal digits of a private number */
#define SENTENCE_SIZE 512         /* of a warning or a refusal, with the zero byte */

enum direction {
        DIRECTION_SENT,
        DIRECTION_RECEIVED,
};

/* From the least to the best. */
enum security {
        SECURITY_PLAIN,
        SECURITY_LEGACY,    /* classic key exchange: toy cryptography */
        SECURITY_UNPROVEN,  /* of a user only: announces an id, and has not proven it yet */
        SECURITY_ENCRYPTED, /* native, the key was pinned when it was first proven */
        SECURITY_CERTIFIED, /* the ledger binds the name to this key */
        SECURITY_VERIFIED,  /* a person compared fingerprints */
        N_SECURITIES,
};

enum message_state {
        MESSAGE_QUEUED,
        MESSAGE_SENT,      /* classic: written, and the other side closed or acknowledged */
        MESSAGE_DELIVERED, /* on the peer's disk */
        MESSAGE_FAILED,
        MESSAGE_CANCELLED,
        MESSAGE_RECEIVED,
        MESSAGE_MUTED, /* received while its sender was muted */
        N_MESSAGE_STATES,
};

/* The words that people and D-Bus see, and back: the value, or -EINVAL. */
const char *direction_word(enum direction d);
const char *security_word(enum security s);
const char *message_state_word(enum message_state s);
const char *presence_word(enum presence p);
int security_from_word(const char *word);

/*
 * A peer whom we know, which is also a conversation.
 *
 * With an id it is native: one row per id, wherever it is and whatever it is called; nothing leaves
 * for it but in a session that proved this id. Without one it is classic: one row per address and
 * folded name.
 */
struct peer_record {
        uint64_t number;              /* given by the node from 1, never used again */
        char name[NAME_SIZE_MAX + 1]; /* native: of its last session; announced, until proven */
        struct endpoint endpoint;     /* where it takes connections: native: last proven there, or
                                         announced, until proven */
        bool cannot_chat;
        usec_t heard_usec; /* realtime, 0 never */
        bool blocked;
        usec_t muted_until_usec; /* realtime, 0 not muted, USEC_INFINITY until unmuted */
        bool has_history;        /* has, or had, messages: its row is kept */

        /* native */
        char id[ID_STRING_SIZE]; /* "": classic */
        bool is_proven;          /* at least once: */
        uint8_t key[PUBLIC_KEY_SIZE];
        char contact[NAME_SIZE_MAX + 1]; /* the name that is bound to it here; "": no contact */
        bool is_verified;                /* a contact whose fingerprint a person compared */
        bool is_warned_of;               /* that it bears the name of a contact was told */

        /* classic */
        uint16_t second_port; /* where it takes connections of the second dialect; 0: never heard */
        bool heard_classic;   /* ever heard on UDP 6000 */
        uint64_t successor;   /* number of the native peer that it turned out to be: what waits in
                                 this conversation goes there; 0: none */
        struct legacy_memory memory;
};

/* What a message of a group has beside its text (core/group/message.h): enough to be told to others
 * as its author signed it. */
struct group_part {
        struct group_lane_id lane;
        uint64_t number;  /* in the lane, from 1; 0: the message is of no group */
        usec_t time_usec; /* by the author's clock */
        uint8_t signature[SIGNATURE_SIZE];
};

/* A message, as it is kept and shown. */
struct message_record {
        struct ulid id;
        uint64_t peer; /* the conversation: of a peer or of a group */
        enum direction direction;
        enum security security; /* sent and still queued: the least accepted */
        enum message_state state;
        usec_t time_usec;             /* realtime: written here, or arrived here */
        char name[NAME_SIZE_MAX + 1]; /* of the other side; in a group of the author */
        struct endpoint endpoint;     /* in a group none */
        const char *text;             /* valid UTF-8; need not end with a zero byte */
        size_t size;
        char number[NUMBER_SIZE_MAX + 1]; /* the user's own private number while queued, or "" */
        uint64_t sequence;                /* given by the store; 0 in a change */

        /* Received from a native peer; in changes only. A second message of this conversation with
         * the same origin is not stored, but told by STORE_EVENT_KNOWN. */
        uint64_t stream_number; /* 0: not native */
        struct ulid origin;     /* the sender's id of the message */

        /* Of a group. A second one of that lane and number is not stored. */
        struct group_part group;
        char author_id[ID_STRING_SIZE]; /* follows from the lane; "": of no group */
};

/* A message that waits for its peer, without its text. */
struct queued_record {
        struct ulid id;
        uint64_t peer;
        enum security security; /* the least accepted */
        size_t size;
        size_t size_sent; /* bytes of text that already went, in whole parts */
        char number[NUMBER_SIZE_MAX + 1];
        uint64_t stream_number; /* in the stream to a native peer, 0: none yet */
};

/* The stream to a native peer (core/delivery/stream.h): one row per peer. */
struct stream_record {
        uint64_t peer;
        uint64_t stream, given, oldest;
};

/* How far a stream from a native peer was taken: one row per peer and stream. */
struct mark_record {
        uint64_t peer;
        uint64_t stream, number;
};

/* A message of such a stream that was refused. */
struct refused_record {
        uint64_t peer;
        uint64_t stream, number;
        enum refused reason;
};

/* What is remembered of the ring (core/chord/chord.h): how to come back. */
#define RING_PLACES_MAX 16
struct ring_record {
        bool is_joined; /* to more than the local network, by a person */
        struct ring_place {
                char id[ID_STRING_SIZE];
                struct endpoint endpoint;
        } places[RING_PLACES_MAX]; /* of nodes that were there last */
        size_t n_places;
};

/* What is remembered of the ledger (core/ledger/ledger.h) beside its blocks. */
struct ledger_record {
        char network[GENESIS_WORD_SIZE];       /* "": the one that is built in */
        uint8_t waiting[CERTIFICATE_SIZE_MAX]; /* a record of ours that is not in the chain yet */
        size_t n_waiting;                      /* 0: none */
};

/* A block of the chain of a network, as bytes. Height 0: the genesis. */
struct block_record {
        uint8_t network[HASH_SIZE];
        uint32_t height;
        usec_t held_usec; /* realtime at which it became part of the chain here */
        const uint8_t *data;
        size_t size; /* 0: a stored one that cannot be read */
};

/*
 * A group, which is also a conversation: its number is one of those of peers. The membership is the
 * engine's; lanes are stored with each message, too.
 */
struct group_record {
        uint64_t number;
        struct group_id id;
        enum group_state state;
        struct group_key inviter;
        uint32_t floor;            /* lanes of versions below are forgotten */
        usec_t muted_until_usec;   /* when loaded; a change leaves it as it is */
        const uint8_t *membership; /* core/group/membership.h */
        size_t size;
};

/* A wish to leave: one row per group and member. */
struct leave_record {
        uint64_t group;
        struct group_key key;
        const uint8_t *data;
        size_t size;
};

/* How far a lane of a group was taken; it never goes back. */
struct lane_record {
        uint64_t group;
        struct group_lane_id lane;
        uint64_t number;
};

/* A message of ours that not all members of its group have, without its text. */
struct told_record {
        struct ulid id;
        uint64_t group;
        struct group_lane_id lane;
        uint64_t number;
        enum message_state state; /* queued or sent */
        size_t size;
};

enum change_type {
        CHANGE_PEER,        /* peer: new, or different from before */
        CHANGE_PEER_GONE,   /* number: forgotten, it had no messages */
        CHANGE_MESSAGE,     /* message: a new row, in the queue if its state is queued */
        CHANGE_STATE,       /* state: of a sent message; everything but queued ends the waiting */
        CHANGE_PROGRESS,    /* progress: a part of a queued message went out */
        CHANGE_NUMBER,      /* numbered: a queued message got, or lost, its number in a stream */
        CHANGE_STREAM,      /* stream */
        CHANGE_MARK,        /* mark; its refusals up to number - STREAM_WINDOW are forgotten */
        CHANGE_MARK_GONE,   /* mark: forgotten, with its refusals; number means nothing */
        CHANGE_REFUSED,     /* refused */
        CHANGE_FORGET,      /* number: delete the conversation's key and rows */
        CHANGE_USERNAME,    /* text */
        CHANGE_RING,        /* ring */
        CHANGE_LEDGER,      /* ledger */
        CHANGE_BLOCK,       /* block: in the stead of one of that height, if there is one */
        CHANGE_BLOCKS_GONE, /* block: those of its network above its height; the rest of it means
                               nothing */
        CHANGE_GROUP,       /* group: new, or different from before */
        CHANGE_GROUP_GONE,  /* number: forgotten, with all that was said in it */
        CHANGE_GROUP_MUTED, /* muted */
        CHANGE_LEAVE,       /* leave */
        CHANGE_LEAVE_GONE,  /* leave: it is done; its data mean nothing */
        CHANGE_LANE,        /* lane: taken so far without a message to be kept */
        CHANGE_PRESENCE,    /* presence: nothing to keep but when it was heard; for the signal */
        CHANGE_WARNING,     /* warning: nothing to keep; for journal and signal */
        CHANGE_SESSION,     /* session: nothing to keep; for the journal */
        CHANGE_CERTIFIED,   /* certified: nothing to keep; for journal and signal */
        CHANGE_INVITED,     /* invited: likewise */
        CHANGE_FILE,        /* file: likewise */
};

struct change_state {
        struct ulid id;
        enum message_state state;
        enum security security;   /* that it went with */
        struct endpoint endpoint; /* where it went, or family ENDPOINT_NONE */
        const char *reason;       /* a word for programs (the error's name), or "" */
        bool is_open;             /* it may become another: a group's, that some do not have yet */
};

struct change_presence {
        uint64_t number;
        const char *user; /* the word by which it can be named now */
        enum presence presence;
        usec_t heard_usec; /* realtime */
};

struct change_warning {
        const char *kind;     /* "Limit", "Undecryptable", "Namesake", "KeyChanged", "Clone" */
        const char *user;     /* or "" */
        const char *sentence; /* what happened and what to do */
};

/* A registration has come into the chain, or its renewal. */
struct change_certified {
        char name[USERNAME_SIZE_MAX + 1];
        char id[ID_STRING_SIZE]; /* of the key that has it now */
};

/* We were invited to a group. */
struct change_invited {
        char id[2 * GROUP_ID_SIZE + 1];
        const char *word; /* of the group */
        const char *by;   /* the word of the user who brought it */
};

/* Something is new about a file that comes or goes. */
enum file_news {
        FILE_NEWS_OFFERED,  /* to us */
        FILE_NEWS_PROGRESS, /* done, or the state, is another */
        FILE_NEWS_FINISHED, /* outcome, reason; what was sent to a group: all of its transfers.
                               What comes to us with TRANSFER_DONE is whole, to be handed over */
};
struct change_file {
        enum file_news news;
        char id[2 * TRANSFER_ID_SIZE + 1];
        struct transfer_id spool_id;
        const char *user; /* the word of the other side; or of the group to which it goes */
        const char *name;
        enum security security;
        uint64_t uid;        /* whose it is here, or FILE_NOBODY */
        uint64_t size, done; /* to a group: of all its transfers together */
        bool is_outgoing;
        enum transfer_state state;
        enum transfer_reason reason; /* FINISHED */
        const char *detail;          /* of a group: "2 of 3 have it"; or "" */
};

/* A session began or ended. */
struct change_session {
        const char *user; /* the word by which it can be named, or "" when it was never proven */
        struct endpoint endpoint;
        const char *what; /* a word: "proven", "replaced", "goodbye", "idle", "lost", ... */
        bool is_ours;     /* we dialled */
        struct flow sent, received;
};

/* Pointers belong to the node and stay valid until its next node_next_change(). */
struct change {
        enum change_type type;
        union {
                struct peer_record peer;
                uint64_t number;
                struct message_record message;
                struct change_state state;
                struct {
                        struct ulid id;
                        size_t size_sent;
                } progress;
                struct {
                        struct ulid id;
                        uint64_t number; /* 0: none any more */
                } numbered;
                struct stream_record stream;
                struct mark_record mark;
                struct refused_record refused;
                const char *text;
                struct ring_record ring;
                struct ledger_record ledger;
                struct block_record block;
                struct group_record group;
                struct {
                        uint64_t number;
                        usec_t until_usec;
                } muted;
                struct leave_record leave;
                struct lane_record lane;
                struct change_presence presence;
                struct change_warning warning;
                struct change_session session;
                struct change_certified certified;
                struct change_invited invited;
                struct change_file file;
        };
};
