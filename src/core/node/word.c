/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * User words: how a person or a program names somebody
 *
 *     ece                 the contact of this name; else the one who is present under it
 *     ece#k3f7            the native one whose id begins so; #k3f7 whatever his name
 *     (26 characters)     the native one of this id
 *     ece@192.168.1.7     who was heard there; the native one, if there is one
 *
 * A name may mean a contact or what somebody calls himself. Nobody present under it: those who were
 * are taken for one user that changed its address, as the queue does too, and the one heard last
 * stands for them, unless there are several ids. An ambiguous word is never guessed at.
 */
#include <stdarg.h>
#include <stdio.h>

#include "core/node/node-private.h"

int refuse(struct refusal *ret, enum refusal_code code, const char *format, ...)
{
        va_list arguments;

        if (ret) {
                va_start(arguments, format);
                (void)vsnprintf(ret->sentence, sizeof ret->sentence, format, arguments);
                va_end(arguments);
                utf8_repair(ret->sentence); /* words are cut where they may be inside a character */
        }
        return (int)code;
}

#define ID_PREFIX_MIN 4

bool word_is_id(const char *word)
{
        return strlen(word) == ID_STRING_SIZE - 1 &&
               strspn(word, "abcdefghijklmnopqrstuvwxyz234567") == ID_STRING_SIZE - 1;
}

bool word_is_name(const char *word)
{
        return !strpbrk(word, "#@+") && !word_is_id(word);
}

static int refuse_unknown(struct refusal *ret, const char *word)
{
        return refuse(ret, REFUSAL_UNKNOWN_USER,
                "No user \"%.100s\" is known here. Users appear when they are heard on the "
                "network: see \"p2pchat users --all\".",
                word);
}

/* Nobody is here under that name; the ledger may know somebody. */
static int refuse_name(const struct node *n, struct refusal *ret, const char *name)
{
        struct ledger_name holder;
        char id[ID_STRING_SIZE];

        if (!node_name_holder(n, name, 0, &holder))
                return refuse_unknown(ret, name);
        identity_id(holder.public_key, id);
        return refuse(ret, REFUSAL_UNKNOWN_USER,
                "Nobody who may call himself %.64s was heard here. The ledger knows that name: "
                "\"%s#%.8s\" looks for its owner on the ring.",
                name, holder.name, id);
}

/* The only one who is meant, or some who are. */
struct candidates {
        struct peer *peers[16];
        size_t n;
};

static void add_candidate(struct candidates *c, struct peer *peer)
{
        if (c->n < ELEMENTSOF(c->peers))
                c->peers[c->n++] = peer;
}

static int refuse_ambiguous(
        const struct node *n, const struct candidates *c, const char *word, struct refusal *ret)
{
        char list[SENTENCE_SIZE - 160] = "";
        size_t used = 0;

        for (size_t i = 0; ret && i < c->n; i++) {
                char item[WORD_SIZE];
                size_t size;

                node_word(n, c->peers[i]->record.number, NULL, NULL, (struct now){ 0 }, item);
                size = strlen(item);
                if (used + 2 + size >= sizeof list)
                        break;
                used += (size_t)snprintf(
                        list + used, sizeof list - used, "%s%s", used > 0 ? ", " : "", item);
        }
        return refuse(ret, REFUSAL_AMBIGUOUS_USER,
                "Several users are meant by \"%.100s\"; name one of them: %s.", word, list);
}

/* The ones present, without those who are hidden behind others. */
static int refuse_bearers(const struct node *n, const char *name, bool present, struct refusal *ret)
{
        struct candidates c = { 0 };

        for (struct peer *i = peers_next_named(&n->peers, name, NULL); i;
                i = peers_next_named(&n->peers, name, i))
                if (peer_is_present(i) == present && !peers_is_hidden(&n->peers, i))
                        add_candidate(&c, i);
        return refuse_ambiguous(n, &c, name, ret);
}

/* The one who was here last, when nobody is. */
static int find_absent(
        const struct node *n, const char *name, struct peer **ret, struct refusal *ret_refusal)
{
        struct peer *classic = NULL, *native = NULL;

        for (struct peer *i = peers_next_named(&n->peers, name, NULL); i;
                i = peers_next_named(&n->peers, name, i)) {
                if (peers_is_hidden(&n->peers, i))
                        continue;
                if (!peer_is_native(i)) {
                        if (!classic || i->record.heard_usec > classic->record.heard_usec)
                                classic = i;
                        continue;
                }
                if (native)
                        return refuse_bearers(n, name, false, ret_refusal);
                native = i;
        }
        if (!native && !classic)
                return refuse_name(n, ret_refusal, name);
        if (native && classic && classic->record.heard_usec > native->record.heard_usec)
                return refuse_bearers(n, name, false, ret_refusal);
        *ret = native ?: classic;
        return 0;
}

static int find_named(
        const struct node *n, const char *name, struct peer **ret, struct refusal *ret_refusal)
{
        struct peer *found = peers_contact(&n->peers, name);
        bool several = false;

        if (!found)
                found = peers_bearer(&n->peers, name, &several);
        if (several)
                return refuse_bearers(n, name, true, ret_refusal);
        if (!found)
                return find_absent(n, name, ret, ret_refusal);
        *ret = found;
        return 0;
}

static bool is_called(const struct peer *peer, const char *name)
{
        return name_equal(peer->record.name, name) ||
               (peer_is_contact(peer) && name_equal(peer->record.contact, name));
}

static int refuse_id(const char *word, struct refusal *ret)
{
        return refuse(ret, REFUSAL_UNKNOWN_USER,
                "\"%.100s\" is no user who was heard here: after the # come at least %d characters "
                "of an id, as in ece#k3f7, or all %d. See \"p2pchat users --all\".",
                word, ID_PREFIX_MIN, ID_STRING_SIZE - 1);
}

static void add_all(const struct node *n, const char *prefix, struct candidates *c)
{
        const struct table *t = &n->peers.by_id;

        for (size_t i = 0; i < t->n_buckets; i++)
                for (struct table_entry *e = t->buckets[i]; e; e = e->next) {
                        struct peer *peer = container_of(e, struct peer, by_id);

                        if (strncmp(peer->record.id, prefix, strlen(prefix)) == 0)
                                add_candidate(c, peer);
                }
}

static void add_called(
        const struct node *n, const char *name, const char *prefix, struct candidates *c)
{
        struct peer *contact = peers_contact(&n->peers, name);

        for (struct peer *i = peers_next_named(&n->peers, name, NULL); i;
                i = peers_next_named(&n->peers, name, i))
                if (i != contact && strncmp(i->record.id, prefix, strlen(prefix)) == 0)
                        add_candidate(c, i);
        if (contact && strncmp(contact->record.id, prefix, strlen(prefix)) == 0)
                add_candidate(c, contact);
}

static int find_by_prefix(const struct node *n, const char *word, const char *hash,
        struct peer **ret, struct refusal *ret_refusal)
{
        char name[NAME_SIZE_MAX + 1];
        struct candidates c = { 0 };

        if ((size_t)(hash - word) > NAME_SIZE_MAX || strlen(hash + 1) < ID_PREFIX_MIN)
                return refuse_id(word, ret_refusal);
        memcpy(name, word, (size_t)(hash - word));
        name[hash - word] = 0;

        if (name[0])
                add_called(n, name, hash + 1, &c);
        else
                add_all(n, hash + 1, &c);
        if (c.n == 0)
                return refuse_id(word, ret_refusal);
        if (c.n > 1)
                return refuse_ambiguous(n, &c, word, ret_refusal);
        *ret = c.peers[0];
        return 0;
}

static int find_at(const struct node *n, const char *word, const char *at, struct peer **ret,
        struct refusal *ret_refusal)
{
        struct candidates proven = { 0 }, natives = { 0 };
        char name[NAME_SIZE_MAX + 1];
        struct endpoint e;
        struct peer *peer;

        if ((size_t)(at - word) > NAME_SIZE_MAX || endpoint_parse(at + 1, 0, &e) < 0)
                return refuse(ret_refusal, REFUSAL_UNKNOWN_USER,
                        "\"%.150s\" is no user: after the @ comes a numeric address, as in "
                        "ece@192.168.1.7.",
                        word);
        memcpy(name, word, (size_t)(at - word));
        name[at - word] = 0;

        for (peer = peers_next_at(&n->peers, &e, NULL); peer;
                peer = peers_next_at(&n->peers, &e, peer)) {
                if (!peer_is_native(peer) || !is_called(peer, name) ||
                        (e.port != 0 && e.port != peer->record.endpoint.port))
                        continue;
                add_candidate(peer->record.is_proven ? &proven : &natives, peer);
        }
        if (proven.n == 0)
                proven = natives;
        if (proven.n > 1)
                return refuse_ambiguous(n, &proven, word, ret_refusal);

        peer = proven.n == 1 ? proven.peers[0] : peers_at(&n->peers, &e, name);
        if (!peer || (e.port != 0 && e.port != peer_endpoint(peer).port))
                return refuse_unknown(ret_refusal, word);
        *ret = peer;
        return 0;
}

int node_find_user(
        const struct node *n, const char *word, struct peer **ret, struct refusal *ret_refusal)
{
        const char *at = strrchr(word, '@'), *hash = strchr(word, '#');

        if (!word[0])
                return refuse(ret_refusal, REFUSAL_UNKNOWN_USER, "The name of the user is empty.");
        if (word[0] == '+')
                return refuse(ret_refusal, REFUSAL_UNKNOWN_USER,
                        "\"%.100s\" is a group, for it begins with a +, and no user.", word);
        if (at)
                return find_at(n, word, at, ret, ret_refusal);
        if (hash)
                return find_by_prefix(n, word, hash, ret, ret_refusal);
        if (!word_is_id(word))
                return find_named(n, word, ret, ret_refusal);
        *ret = peers_by_id(&n->peers, word);
        return *ret ? 0 : refuse_id(word, ret_refusal);
}

static int compare_heard(const void *a, const void *b)
{
        const struct peer *x = *(struct peer *const *)a, *y = *(struct peer *const *)b;

        return (x->record.heard_usec < y->record.heard_usec) -
               (x->record.heard_usec > y->record.heard_usec);
}

struct found {
        struct peer *peers[64];
        size_t n, max;
};

static void add_found(struct found *f, struct peer *peer)
{
        for (size_t i = 0; i < f->n; i++)
                if (f->peers[i] == peer)
                        return;
        if (f->n < f->max)
                f->peers[f->n++] = peer;
}

/* Those whose successor it is: they may have been called otherwise. */
static void add_predecessors(const struct node *n, struct found *f, const struct peer *peer)
{
        const struct table *t = &n->peers.by_number;

        for (size_t i = 0; i < t->n_buckets; i++)
                for (struct table_entry *e = t->buckets[i]; e; e = e->next) {
                        struct peer *classic = container_of(e, struct peer, by_number);

                        if (classic->record.successor == peer->record.number)
                                add_found(f, classic);
                }
}

/* Those who are not here: a name meant them once. To a native one belong those only who were known
 * before it, for whoever came later may have taken its name. */
static void add_absent(
        const struct node *n, struct found *f, const char *name, const struct peer *peer)
{
        for (struct peer *i = peers_next_named(&n->peers, name, NULL); i;
                i = peers_next_named(&n->peers, name, i)) {
                if (peer_is_native(i) || peer_is_present(i) || peers_successor(&n->peers, i))
                        continue;
                if (!peer_is_native(peer) || i->record.number < peer->record.number)
                        add_found(f, i);
        }
}

int node_find_conversations(const struct node *n, const char *word, struct now now,
        uint64_t *ret_numbers, size_t max, size_t *ret_n, struct refusal *ret_refusal)
{
        struct found f = { .max = MIN(max, ELEMENTSOF(f.peers)) };
        struct peer *peer;
        struct team *team;
        int r;

        if (node_is_team_word(n, word)) {
                r = node_find_team(n, word, &team, ret_refusal);
                if (r == 0 && max > 0)
                        ret_numbers[0] = team->number;
                *ret_n = r == 0 && max > 0;
                return r;
        }
        r = node_find_user(n, word, &peer, ret_refusal);
        if (r != 0)
                return r;

        add_found(&f, peer);
        if (peer_is_native(peer))
                add_predecessors(n, &f, peer);
        if (strchr(word, '@')) {
                /* One place, one name: the word for both. */
                struct peer *classic =
                        peers_at(&n->peers, &peer->record.endpoint, peer->record.name);

                if (classic && !peers_successor(&n->peers, classic))
                        add_found(&f, classic);
        } else if (word_is_name(word)) {
                add_absent(n, &f, word, peer);
        }

        qsort(f.peers, f.n, sizeof f.peers[0], compare_heard);
        for (size_t i = 0; i < f.n; i++)
                ret_numbers[i] = f.peers[i]->record.number;
        *ret_n = f.n;
        return 0;
}

static bool means(const struct node *n, const char *word, const struct peer *peer)
{
        struct peer *found;

        return node_find_user(n, word, &found, NULL) == 0 && found == peer;
}

static void write_at(const char *name, const struct endpoint *e, char buffer[static WORD_SIZE])
{
        char address[ENDPOINT_STRING_MAX];

        (void)snprintf(buffer, WORD_SIZE, "%s@%s", name, endpoint_format(e, address));
}

const char *node_word(const struct node *n, uint64_t number, const char *name,
        const struct endpoint *endpoint, struct now now, char buffer[static WORD_SIZE])
{
        struct peer *peer = peers_by_number(&n->peers, number);
        const struct team *team = node_team(n, number);
        struct endpoint e;

        if (team)
                return node_team_word(n, team, buffer);
        if (!peer) {
                if (endpoint->family == ENDPOINT_NONE)
                        (void)snprintf(buffer, WORD_SIZE, "%s", name);
                else
                        write_at(name, endpoint, buffer);
                return buffer;
        }
        peer = peers_successor(&n->peers, peer) ?: peer;
        name = peer_name(peer);
        (void)snprintf(buffer, WORD_SIZE, "%s", name);
        if (means(n, buffer, peer))
                return buffer;

        if (!peer_is_native(peer)) {
                e = peer_endpoint(peer);
                write_at(name, &e, buffer);
                return buffer;
        }
        for (int size = ID_PREFIX_MIN; size < ID_STRING_SIZE; size++) {
                (void)snprintf(buffer, WORD_SIZE, "%s#%.*s", name[0] == '#' ? "" : name, size,
                        peer->record.id);
                if (means(n, buffer, peer))
                        break;
        }
        return buffer;
}
