/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Who we know
 *
 * A native peer is its id, wherever it is heard and however it calls itself. A classic one is an
 * address and a name (after case folding); the same name at another address is another peer,
 * several names at one address are several peers. A peer is also a conversation.
 *
 * Three names must not be confused: record.name is what the peer calls itself, record.contact what
 * a native one is called here, and peer_name() what is shown.
 */
#include "core/delivery/outbox.h"
#include "core/discovery/discovery.h"
#include "core/node/record.h"

#define PEERS_PER_ADDRESS_MAX 32
#define PEERS_PER_NAME_MAX 256 /* what a name means is looked for among all of that name */

#define WHEREABOUTS_MAX 4 /* addresses of a native peer that are tried in turn */

struct delivery; /* node-private.h: what is under way to a classic peer */
struct native;   /* node-private.h: session and streams of a native peer */

struct peer {
        struct peer_record record;
        struct neighbour neighbour;
        enum presence presence_told;
        bool is_new;         /* never known before this run: it may not have heard us yet */
        unsigned n_no_key;   /* key exchanges in a row that it did not answer */
        bool is_deaf;        /* took no connection when it was called last */
        bool is_dirty;       /* the record is to be stored at the end of the turn */
        struct list changed; /* in peers.changed: record or presence */
        /* by_name: record.name; by_contact and by_id: only while there is one */
        struct table_entry by_number, by_name, by_address, by_contact, by_id;
        struct outbox outbox;
        struct list waiting; /* in peers.waiting while peer_is_awaited(), written to last first */
        struct delivery *delivery;

        /* native */
        struct native *native;                        /* NULL: none was ever needed in this run */
        bool has_files;                               /* transfers with it are remembered, ... */
        enum transfer_need files_need;                /* ... which need a session for this */
        struct endpoint whereabouts[WHEREABOUTS_MAX]; /* the one to be tried next first; no family:
                                                         no more */
        bool is_near;                                 /* its announcements were heard in this run */
        bool is_fellow;                               /* in a group with us */
        bool is_sought;                               /* something of a group is for it */
        bool is_certified;                            /* the ledger binds its name to its key */
        bool is_borrower; /* a contact by another name: the one it calls itself is another's by
                             the ledger, and does not mean it */
        bool is_borrower_told;
        usec_t taken_usec; /* when it was told that its name is another's now; 0: never */
        bool is_key_told;  /* that it has another key than a contact in its place was told */
};

struct peers {
        struct table by_number, by_name, by_address, by_contact, by_id;
        struct list changed;
        struct list waiting;
        struct discovery *discovery;
        uint64_t number_last;
        size_t n_max;
        bool has_blocked; /* or had, in this run */
};

/* 0 or -ENOMEM; @discovery and @random must outlive it. */
int peers_init(struct peers *p, struct discovery *discovery, size_t n_max, struct random *random);
void peers_done(struct peers *p);

/* A new one from a record; its number is given when it is 0. 0, -ENOMEM, -EEXIST when there is one
 * of this id, or -ENOBUFS when there is no room: in the table, for one more at this address, or
 * for one more of this name. */
int peers_add(struct peers *p, const struct peer_record *record, usec_t heard_usec, usec_t now_usec,
        struct peer **ret);
/* Makes room for @newcomer by forgetting somebody unheard for long who left no trace; with
 * @even_present also one who is here. 0 and its number, or -ENOBUFS. */
int peers_evict(struct peers *p, const struct peer_record *newcomer, bool even_present,
        uint64_t *ret_number);
/* Forgets @peer, if nothing would be lost with it. */
bool peers_drop(struct peers *p, struct peer *peer);
/* Gives @peer another name, 0 or -ENOMEM: a classic one none that another classic peer of its
 * address has. */
int peers_rename(struct peers *p, struct peer *peer, const char *name);
/* Binds a name to a native peer, which nobody else has for a contact; "" makes it no contact.
 * 0 or -ENOMEM. */
int peers_bind(struct peers *p, struct peer *peer, const char *contact);
/* A native peer is somewhere else now. 0 or -ENOMEM. */
int peers_move(struct peers *p, struct peer *peer, const struct endpoint *to);
/* May one more be known at this address, or by this name? */
bool peers_has_place(const struct peers *p, const struct endpoint *e);
bool peers_has_name(const struct peers *p, const char *name);

/* NULL: there is none. Valid until it is dropped or evicted; so with those below. */
struct peer *peers_by_number(const struct peers *p, uint64_t number);
/* The native one of this id; the contact of this name; the classic one at this address. */
struct peer *peers_by_id(const struct peers *p, const char *id);
struct peer *peers_contact(const struct peers *p, const char *name);
struct peer *peers_at(const struct peers *p, const struct endpoint *e, const char *name);
/* All of one name, all of one address: start with @previous NULL; NULL ends. */
struct peer *peers_next_named(const struct peers *p, const char *name, const struct peer *previous);
/* The one who is present and calls itself by this name, or NULL when there is none or several
 * (*ret_several, may be NULL). Not one who is hidden. */
struct peer *peers_bearer(const struct peers *p, const char *name, bool *ret_several);
struct peer *peers_next_at(
        const struct peers *p, const struct endpoint *e, const struct peer *previous);

/* A native peer was heard here. A new place is tried first, one of IPv6 after those of IPv4, whose
 * addresses people know; it drives out the last one, but never the one where it was proven. True
 * when it is new. */
bool peer_sighted(struct peer *peer, const struct endpoint *at);
/* One of its whereabouts was tried in vain: the others come first now. */
void peer_missed(struct peer *peer, const struct endpoint *at);

/* The native peer that a classic one turned out to be, or NULL. */
struct peer *peers_successor(const struct peers *p, const struct peer *peer);
/* Does the name it calls itself not mean it: because the ledger has given that to another key, or
 * because it is a classic peer that stands behind a native one, its successor, or who is present
 * under the same name at the same address, and most likely is the same? */
bool peers_is_hidden(const struct peers *p, const struct peer *peer);
/* Is it, under the name it calls itself, not the one whom that name means? */
bool peers_is_namesake(const struct peers *p, const struct peer *peer);

/* Its record changed and must be stored; or only its presence, to be told. */
void peer_touch(struct peers *p, struct peer *peer);
void peer_presence_changed(struct peers *p, struct peer *peer);
/* What is shown of its presence: of who is blocked, nothing. */
enum presence peer_presence(const struct peer *peer);
size_t peers_blocked_online(const struct peers *p);
/* To be called whenever something was put into or taken out of its outbox, or its transfers need
 * something else. */
void peer_queue_changed(struct peers *p, struct peer *peer);

static inline bool peer_is_present(const struct peer *peer)
{
        return peer->neighbour.presence != PRESENCE_OFFLINE;
}

static inline bool peer_is_native(const struct peer *peer)
{
        return peer->record.id[0];
}

/* Something waits for it to be there. */
static inline bool peer_is_awaited(const struct peer *peer)
{
        return peer->outbox.n > 0 || peer->files_need != TRANSFER_NEEDS_NOTHING;
}

/* Met in the third dialect alone. */
static inline bool peer_is_third(const struct peer *peer)
{
        const struct peer_record *record = &peer->record;

        return record->memory.third_tag != 0 && !record->id[0] && !record->heard_classic &&
               record->second_port == 0;
}

static inline bool peer_is_contact(const struct peer *peer)
{
        return peer->record.contact[0];
}

static inline const char *peer_name(const struct peer *peer)
{
        return peer->record.contact[0] ? peer->record.contact : peer->record.name;
}

/* What a message to it, or from it, would have. */
enum security peer_security(const struct peer *peer);

static inline bool peer_is_muted(const struct peer *peer, usec_t real_usec)
{
        return peer->record.muted_until_usec > real_usec;
}
