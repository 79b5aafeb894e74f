/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whom a name means, and what a proof changes in that
 *
 * A contact is a name that is bound here to one id and its key. Persons make contacts: by sending,
 * trust, verify or alias. What others announce, send or prove makes none, and takes no name from
 * one: whoever bears it, too, is a namesake, and a person is told so.
 */
#include <stdarg.h>
#include <stdio.h>

#include "core/node/node-private.h"

/*
 * Warnings
 */
_printf_(5, 6) static int warn(struct node *n, const char *kind, struct peer *peer,
        const char *word, const char *format, ...)
{
        char sentence[SENTENCE_SIZE];
        va_list arguments;

        peer->record.is_warned_of = true;
        peer_touch(&n->peers, peer);
        va_start(arguments, format);
        (void)vsnprintf(sentence, sizeof sentence, format, arguments);
        va_end(arguments);
        utf8_repair(sentence);
        return node_warn(n, kind, word, sentence);
}

int node_warn_namesake(struct node *n, struct peer *peer, struct now now)
{
        char word[WORD_SIZE], address[ENDPOINT_STRING_MAX];
        struct peer *found;
        const char *name;

        if (peer->record.is_warned_of || peer->record.blocked ||
                !peers_is_namesake(&n->peers, peer) ||
                !ratelimit_allow(&n->name_warnings, now.mono_usec))
                return 0;
        name = peer_name(peers_contact(&n->peers, peer->record.name));
        endpoint_format_address(&peer->record.endpoint, address);
        node_word(n, peer->record.number, NULL, NULL, now, word);
        if (node_find_user(n, word, &found, NULL) == 0 && found == peer)
                return warn(n, "Namesake", peer, word,
                        "Somebody else at %s bears the name of your contact %s. %s still means "
                        "your contact; the other one is reached as %s only.",
                        address, name, name, word);
        return warn(n, "Namesake", peer, word,
                "Somebody at %s bears the name of your contact %s, but uses a program without "
                "keys. %s still means your contact; nothing can be sent to the other one.",
                address, name, name);
}

/* Where @contact should be, or under its name, is @peer, who has proven another key. */
static int warn_key(struct node *n, const struct peer *contact, struct peer *peer, struct now now)
{
        char word[WORD_SIZE], address[ENDPOINT_STRING_MAX];
        const char *name = peer_name(contact);

        if (peer->is_key_told || peer->record.blocked ||
                !ratelimit_allow(&n->key_warnings, now.mono_usec))
                return 0;
        peer->is_key_told = true;
        node_word(n, peer->record.number, NULL, NULL, now, word);
        return warn(n, "KeyChanged", peer, word,
                "%s at %s has another key than your contact %s; what is for %s is not sent there. "
                "If that machine was set up anew, compare fingerprints (\"p2pchat fingerprint "
                "%s\"), then \"p2pchat trust %s\". Else somebody may pretend to be %s.",
                word, endpoint_format_address(&peer->record.endpoint, address), name, name, word,
                word, name);
}

/* A namesake beside the contact is one; in its place it may be the contact with a new key. */
static int warn_of_proof(struct node *n, struct peer *peer, bool is_first, struct now now)
{
        const struct peer *contact = peers_contact(&n->peers, peer->record.name);
        bool is_there;

        if (!peers_is_namesake(&n->peers, peer))
                return 0;
        is_there = contact->neighbour.presence == PRESENCE_ONLINE &&
                   !endpoint_equal(&contact->record.endpoint, &peer->record.endpoint);
        if (!is_there && (is_first || !peer->record.is_warned_of))
                return warn_key(n, contact, peer, now);
        return node_warn_namesake(n, peer, now);
}

/*
 * Proofs
 */
static int bind_name(struct node *n, struct peer *peer, const char *name)
{
        peer_touch(&n->peers, peer);
        n->registry.is_changed = true; /* what it calls itself may mean it now, or not any more */
        return peers_bind(&n->peers, peer, name);
}

int node_make_contact(struct node *n, struct peer *peer, struct now now)
{
        if (!peer->record.is_proven || peer_is_contact(peer) || peer_is_nameless(peer) ||
                peers_contact(&n->peers, peer->record.name))
                return 0;
        return bind_name(n, peer, peer->record.name);
}

/* Where it takes connections. An accepted one comes from any port, and says which is its own. */
static struct endpoint place_of(
        const struct peer *peer, const struct introduction *who, const struct endpoint *remote)
{
        struct endpoint e = *remote;

        for (size_t i = 0; peer && i < WHEREABOUTS_MAX; i++)
                if (endpoint_equal(&peer->whereabouts[i], remote))
                        return e;
        e.port = who->port ?: ENDPOINT_PORT_DEFAULT;
        return e;
}

static int add_proven(struct node *n, const struct introduction *who, const struct endpoint *remote,
        struct now now, struct peer **ret)
{
        char buffer[NAME_SIZE_MAX + 1];
        struct peer_record record = {
                .endpoint = place_of(NULL, who, remote),
                .heard_usec = now.real_usec,
        };
        int r;

        memcpy(record.id, who->id, sizeof record.id);
        /* A name made of the id, for who has none. */
        memcpy(record.name, who->id, 8);
        if (who->name[0])
                (void)snprintf(record.name, sizeof record.name, "%s",
                        node_certified_name(n, who->id, "", who->name, now, buffer));
        record.is_warned_of = true; /* not before it is known what there is to say */
        r = node_add_peer(n, &record, now, ret);
        if (r == 0)
                (*ret)->record.is_warned_of = false;
        return r;
}

/* It is called so, unless the ledger has given the name to another: node_certify() sees to that. */
static int bear(struct node *n, struct peer *peer, const char *name, struct now now)
{
        char buffer[NAME_SIZE_MAX + 1];

        if (!name[0] || streq(peer->record.name, name) ||
                node_certified_name(n, peer->record.id, peer->record.contact, name, now, buffer) !=
                        name)
                return 0;
        return node_rename(n, peer, name);
}

static int take_introduction(struct node *n, struct peer *peer, const struct introduction *who,
        const struct endpoint *remote, struct now now)
{
        struct peer_record *record = &peer->record;
        struct endpoint place = place_of(peer, who, remote);
        int r;

        r = bear(n, peer, who->name, now);
        if (r < 0)
                return r;
        if (!record->is_proven || !endpoint_equal(&record->endpoint, &place))
                peer_touch(&n->peers, peer);
        r = peers_move(&n->peers, peer, &place);
        if (r < 0)
                return r;
        record->is_proven = true;
        memcpy(record->key, who->key, sizeof record->key);
        memset(peer->whereabouts, 0, sizeof peer->whereabouts);
        peer->whereabouts[0] = place;
        discovery_set_native(&n->discovery, &peer->neighbour);
        return 0;
}

/* The classic peer that it was: of its address and name, and known before the id was. Whoever came
 * later is somebody else, though he may say otherwise. */
static struct peer *predecessor_of(const struct node *n, const struct peer *peer)
{
        struct peer *classic = peers_at(&n->peers, &peer->record.endpoint, peer->record.name);

        return classic && classic->record.number < peer->record.number ? classic : NULL;
}

static void succeed(struct node *n, struct peer *peer, struct peer *classic)
{
        classic->record.successor = peer->record.number;
        peer_touch(&n->peers, classic);
        peer->record.blocked |= classic->record.blocked;
        peer->record.muted_until_usec =
                MAX(peer->record.muted_until_usec, classic->record.muted_until_usec);
        peer_touch(&n->peers, peer);
}

int node_take_proof(struct node *n, const struct introduction *who, const struct endpoint *remote,
        struct now now, struct peer **ret)
{
        struct peer *peer = peers_by_id(&n->peers, who->id), *classic = NULL;
        bool is_first;
        int r;

        if (!peer) {
                r = add_proven(n, who, remote, now, &peer);
                if (r != 0)
                        return r;
        }
        is_first = !peer->record.is_proven;
        /* An id is half a hash; what counts is the key. */
        if (!is_first && memcmp(peer->record.key, who->key, sizeof who->key) != 0)
                return 1;

        r = take_introduction(n, peer, who, remote, now);
        /* Before it is anybody's successor: by a name that is another's it is nobody's. */
        if (r == 0 && who->name[0])
                r = node_certify(n, peer, who->name, now);
        if (r < 0)
                return r;
        if (is_first)
                classic = predecessor_of(n, peer);
        if (classic)
                succeed(n, peer, classic);
        if (peer->record.blocked)
                return 1;

        if (peer->outbox.n > 0 || (classic && classic->outbox.n > 0))
                r = node_make_contact(n, peer, now);
        if (r == 0)
                r = warn_of_proof(n, peer, is_first, now);
        if (r == 0)
                r = node_hear(n, peer, now);
        if (r < 0)
                return r;
        *ret = peer;
        return 0;
}

int node_take_name(struct node *n, struct peer *peer, const char *name, struct now now)
{
        int r = bear(n, peer, name, now);

        if (r == 0)
                r = node_certify(n, peer, name, now);
        return r < 0 ? r : warn_of_proof(n, peer, false, now);
}

int node_found_other(struct node *n, struct peer *wanted, const struct introduction *found,
        const struct endpoint *remote, struct now now)
{
        struct peer *peer = peers_by_id(&n->peers, found->id);
        int r;

        if (peer && peer->record.blocked)
                return 0;
        r = node_take_proof(n, found, remote, now, &peer);
        if (r != 0)
                return r < 0 ? r : 0;
        /* At a place that was only announced there may be anybody. */
        if (!peer_is_contact(wanted) || peer_is_contact(peer) ||
                !endpoint_equal(&wanted->record.endpoint, remote))
                return 0;
        return warn_key(n, wanted, peer, now);
}

/*
 * What persons say
 */

/* Only of a proven one a name, a fingerprint or trust can be spoken of. */
static int find_proven(
        const struct node *n, const char *word, struct peer **ret, struct refusal *ret_refusal)
{
        struct peer *peer;
        int r;

        r = node_find_user(n, word, &peer, ret_refusal);
        if (r != 0)
                return r;
        if (!peer_is_native(peer) || !n->options.identity)
                return refuse(ret_refusal, REFUSAL_NOT_SECURE,
                        "%s uses a program without keys: there is nothing to trust or to "
                        "compare.",
                        word);
        if (!peer->record.is_proven)
                return refuse(ret_refusal, REFUSAL_NOT_REACHABLE,
                        "%s has not proven its key yet: send it a message, and try again once "
                        "that has arrived.",
                        word);
        *ret = peer;
        return 0;
}

static int refuse_nameless(const char *word, struct refusal *ret_refusal)
{
        return refuse(ret_refusal, REFUSAL_INVALID_NAME,
                "%s bears a name that the ledger has given to another key, and so has none here: "
                "give it one of your own by \"p2pchat alias '%s' NAME\".",
                word, word);
}

int node_trust(struct node *n, const char *word, struct now now, struct refusal *ret_refusal)
{
        struct peer *peer, *holder;
        int r;

        r = find_proven(n, word, &peer, ret_refusal);
        if (r != 0)
                return r;
        if (peer_is_nameless(peer))
                return refuse_nameless(word, ret_refusal);
        holder = peers_contact(&n->peers, peer->record.name);
        if (holder && holder != peer) {
                holder->record.is_verified = false;
                holder->record.is_warned_of = true;
                r = bind_name(n, holder, "");
                if (r < 0)
                        return r;
        }
        return bind_name(n, peer, peer->record.name);
}

static int refuse_taken(
        const struct node *n, const char *name, const char *remedy, struct refusal *ret_refusal)
{
        return refuse(ret_refusal, REFUSAL_NAME_TAKEN,
                "%s is the name of another contact (%.8s…): %s.", name,
                peers_contact(&n->peers, name)->record.id, remedy);
}

static void write_fingerprint(
        const struct node *n, const struct peer *peer, char ret[static FINGERPRINT_SIZE])
{
        fingerprint_pair(n->options.identity->public_key, peer->record.key, ret);
}

int node_verify(struct node *n, const char *word, const char *digits, struct now now,
        struct refusal *ret_refusal)
{
        char fingerprint[FINGERPRINT_SIZE];
        struct peer *peer, *holder;
        int r;

        r = find_proven(n, word, &peer, ret_refusal);
        if (r != 0)
                return r;
        if (peer_is_nameless(peer) && !peer_is_contact(peer))
                return refuse_nameless(word, ret_refusal);
        write_fingerprint(n, peer, fingerprint);
        if (!fingerprint_matches(fingerprint, digits))
                return refuse(ret_refusal, REFUSAL_FINGERPRINT_MISMATCH,
                        "\"%.80s\" is not the fingerprint of %.80s and this machine, which has 60 "
                        "digits. If it was read out correctly, somebody is in between, or it is "
                        "another %.80s: do not trust it.",
                        digits, word, word);

        holder = peers_contact(&n->peers, peer->record.name);
        if (!peer_is_contact(peer) && holder)
                return refuse_taken(n, peer->record.name, "\"p2pchat trust\" gives it to this one",
                        ret_refusal);
        r = node_make_contact(n, peer, now);
        if (r < 0)
                return r;
        peer->record.is_verified = true;
        peer_touch(&n->peers, peer);
        return 0;
}

static int check_alias(const char *name, struct refusal *ret_refusal)
{
        char cleaned[NAME_SIZE_MAX + 1];

        if (name_clean(name, strlen(name), cleaned) == 0 && streq(name, cleaned) &&
                !word_is_id(name))
                return 0;
        return refuse(ret_refusal, REFUSAL_INVALID_NAME,
                "\"%.100s\" cannot be the name of a contact: at most %d bytes, no #, @ or control "
                "characters, no + in front, no blanks at the ends, and not like an id.",
                name, NAME_SIZE_MAX);
}

int node_alias(struct node *n, const char *word, const char *name, struct now now,
        struct refusal *ret_refusal)
{
        struct peer *peer, *holder;
        int r;

        r = check_alias(name, ret_refusal);
        if (r != 0)
                return r;
        r = find_proven(n, word, &peer, ret_refusal);
        if (r != 0)
                return r;
        holder = peers_contact(&n->peers, name);
        if (holder && holder != peer)
                return refuse_taken(
                        n, name, "choose another, or give that one another first", ret_refusal);
        return bind_name(n, peer, name);
}

int node_fingerprint(const struct node *n, const char *word, char ret[static FINGERPRINT_SIZE],
        struct refusal *ret_refusal)
{
        struct peer *peer = NULL;
        int r;

        r = find_proven(n, word, &peer, ret_refusal);
        if (r != 0)
                return r;
        write_fingerprint(n, peer, ret);
        return 0;
}
