/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the ledger says of the names that users bear
 *
 *     the name is registered to this key        certified
 *     to another key, and he is no contact      he is refused by that name: shown as #id
 *     to another key, and he is a contact       he stays what he is; when it is registered, a
 *                                               warning; if a person calls him otherwise, what he
 *                                               calls himself does not mean him
 *     to nobody, or he has no key               nothing
 *
 * An id is the hash of a key, so a name is refused before anything was proven, too. What is shown
 * as #id gets its name back with its next announcement or session after the registration has ended.
 */
#include <stdio.h>

#include "core/node/node-private.h"

#define SHOWN_ID_SIZE 8 /* characters */
#define TAKEN_USEC USEC_PER_HOUR

bool node_name_holder(
        const struct node *n, const char *name, usec_t real_usec, struct ledger_name *ret)
{
        return n->registry.engine && ledger_find(n->registry.engine, name, real_usec, ret) &&
               ret->state == LEDGER_HELD;
}

static bool is_of_id(const struct ledger_name *holder, const char *id)
{
        char its[ID_STRING_SIZE];

        identity_id(holder->public_key, its);
        return streq(its, id);
}

static bool is_of_another(const struct node *n, const char *id, const char *name, struct now now)
{
        struct ledger_name holder;

        return id[0] && node_name_holder(n, name, now.real_usec, &holder) && !is_of_id(&holder, id);
}

const char *node_certified_name(const struct node *n, const char *id, const char *contact,
        const char *name, struct now now, char buffer[static NAME_SIZE_MAX + 1])
{
        if (contact[0] || !is_of_another(n, id, name, now))
                return name;
        (void)snprintf(buffer, NAME_SIZE_MAX + 1, "#%.*s", SHOWN_ID_SIZE, id);
        return buffer;
}

bool peer_is_nameless(const struct peer *peer)
{
        return peer->record.name[0] == '#' || peer->is_borrower;
}

/* Strangers may do so at will: that must hide no warning about a contact's key. */
static int warn_borrowed(struct node *n, struct peer *peer, const char *name, struct now now)
{
        char sentence[SENTENCE_SIZE], address[ENDPOINT_STRING_MAX], id[ID_STRING_SIZE];
        struct ledger_name holder;

        if (peer->is_borrower_told || peer->record.blocked || !peer->record.is_proven ||
                !node_name_holder(n, name, now.real_usec, &holder) ||
                !ratelimit_allow(&n->registry.borrower_warnings, now.mono_usec))
                return 0;
        peer->is_borrower_told = true;
        identity_id(holder.public_key, id);
        (void)snprintf(sentence, sizeof sentence,
                "Somebody at %s calls himself %s, but the ledger has given that name to another "
                "key (%s#%.8s): he is shown as %s, and nothing for %s goes there.",
                endpoint_format_address(&peer->record.endpoint, address), name, holder.name, id,
                peer_name(peer), holder.name);
        utf8_repair(sentence);
        return node_warn(n, "KeyChanged", peer_name(peer), sentence);
}

/* What was written to the name, before it was known that it is another's, is not for him; what was
 * written to his id is. */
static int fail_queued(struct node *n, struct peer *peer)
{
        list_for_each_safe (i, &peer->outbox.messages) {
                struct queued *q = container_of(i, struct queued, waiting);
                int r = q->is_by_name ? node_stream_cancel(n, peer, q) : 1;

                if (r == 0)
                        r = node_settle(n, peer, q, MESSAGE_FAILED, "KeyChanged");
                if (r < 0)
                        return r;
        }
        return 0;
}

int node_certify(struct node *n, struct peer *peer, const char *name, struct now now)
{
        const struct peer_record *record = &peer->record;
        char buffer[NAME_SIZE_MAX + 1];
        struct ledger_name holder;
        const char *shown;
        int r = 0;

        if (!peer_is_native(peer))
                return 0;
        shown = node_certified_name(n, record->id, record->contact, name, now, buffer);
        peer->is_certified = record->is_proven &&
                             node_name_holder(n, name, now.real_usec, &holder) &&
                             memcmp(holder.public_key, record->key, PUBLIC_KEY_SIZE) == 0;
        peer->is_borrower = peer_is_contact(peer) && !name_equal(record->contact, name) &&
                            is_of_another(n, record->id, name, now);
        if (shown == name)
                return peer->is_borrower ? warn_borrowed(n, peer, name, now) : 0;
        if (!streq(record->name, shown))
                r = fail_queued(n, peer);
        if (r == 0 && !streq(record->name, shown))
                r = node_rename(n, peer, shown);
        return r < 0 ? r : warn_borrowed(n, peer, name, now);
}

int node_certify_all(struct node *n, struct now now)
{
        const struct table *t = &n->peers.by_id;
        uint64_t *numbers;
        size_t count = 0;
        int r = 0;

        numbers = calloc(t->n + 1, sizeof *numbers);
        if (!numbers)
                return -ENOMEM;
        for (size_t i = 0; i < t->n_buckets; i++)
                for (struct table_entry *e = t->buckets[i]; e; e = e->next)
                        numbers[count++] = container_of(e, struct peer, by_id)->record.number;
        for (size_t i = 0; i < count && r >= 0; i++) {
                struct peer *peer = peers_by_number(&n->peers, numbers[i]);
                char name[NAME_SIZE_MAX + 1];

                if (!peer)
                        continue;
                memcpy(name, peer->record.name, sizeof name);
                r = node_certify(n, peer, name, now);
        }
        free(numbers);
        return r;
}

/* A name may go from one key to the next many times in one block: that is told once in a while. */
static bool is_news(usec_t *told_usec, struct now now)
{
        if (*told_usec > 0 && usec_add(*told_usec, TAKEN_USEC) > now.mono_usec)
                return false;
        *told_usec = now.mono_usec;
        return true;
}

/* What we call ourselves: until somebody has us as a contact, we are nobody for him. What waits of
 * our own is told of where it is looked at. */
static int warn_robbed(struct node *n, const char *name, const char *id, struct now now)
{
        char sentence[SENTENCE_SIZE];

        if (!name_equal(name, n->username) || streq(id, n->id) ||
                n->registry.record.n_waiting > 0 || !is_news(&n->registry.taken_usec, now))
                return 0;
        (void)snprintf(sentence, sizeof sentence,
                "The ledger has given the name of this machine to another key (%s#%.8s): who has "
                "this one not as a contact knows it as #%.8s only. Choose another name by "
                "\"p2pchat name\".",
                name, id, n->id);
        return node_warn(n, "NameTaken", "", sentence);
}

int node_certified(struct node *n, const struct ledger_effect *e, struct now now)
{
        struct change c = { .type = CHANGE_CERTIFIED };
        struct peer *contact = peers_contact(&n->peers, e->name);
        char sentence[SENTENCE_SIZE];
        int r;

        memcpy(c.certified.name, e->name, sizeof c.certified.name);
        identity_id(e->public_key, c.certified.id);
        r = agenda_add_change(&n->agenda, &c);
        if (r == 0)
                r = warn_robbed(n, c.certified.name, c.certified.id, now);
        if (r < 0 || !contact || memcmp(contact->record.key, e->public_key, PUBLIC_KEY_SIZE) == 0 ||
                !is_news(&contact->taken_usec, now))
                return r;
        (void)snprintf(sentence, sizeof sentence,
                "The ledger has given the name of your contact %s to another key (%s#%.8s). Your "
                "contact keeps its key (%.8s), and %s still means your contact.",
                peer_name(contact), e->name, c.certified.id, contact->record.id,
                peer_name(contact));
        return node_warn(n, "KeyChanged", peer_name(contact), sentence);
}
