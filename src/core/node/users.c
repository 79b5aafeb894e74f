/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The list of users: contacts, who was heard of late, and whom something was decided about */
#include "core/node/node-private.h"

/* A classic one behind a native one is not another user, unless it bears the name of a contact that
 * it is not: then it may be somebody who would like to be taken for him. */
static bool is_listed(const struct node *n, const struct peer *peer, struct now now)
{
        if (peer->record.blocked || peer_is_muted(peer, now.real_usec) || peer->outbox.n > 0 ||
                peer_is_contact(peer))
                return true;
        return peer_is_present(peer) &&
               (!peers_is_hidden(&n->peers, peer) || peers_is_namesake(&n->peers, peer));
}

/* By name, as words name them: "bob" beside "Bob". */
static int compare_users(const void *a, const void *b)
{
        char name_x[NAME_SIZE_MAX + 1], name_y[NAME_SIZE_MAX + 1];
        const struct user *x = a, *y = b;
        int r;

        name_fold(x->name, name_x);
        name_fold(y->name, name_y);
        r = strcmp(name_x, name_y);
        if (r == 0)
                r = y->contact - x->contact;
        return r != 0 ? r : memcmp(&x->endpoint, &y->endpoint, sizeof x->endpoint);
}

static void fill_in(const struct node *n, const struct peer *peer, struct now now, struct user *u)
{
        u->number = peer->record.number;
        memcpy(u->name, peer_name(peer), strlen(peer_name(peer)) + 1);
        memcpy(u->id, peer->record.id, sizeof u->id);
        u->endpoint = peer_endpoint(peer);
        u->presence = peer_presence(peer);
        u->heard_usec = peer->neighbour.is_held ? now.real_usec : peer->record.heard_usec;
        u->security = peer_security(peer);
        u->contact = peer_is_contact(peer);
        u->namesake = peers_is_namesake(&n->peers, peer);
        u->blocked = peer->record.blocked;
        u->muted = peer_is_muted(peer, now.real_usec);
        u->cannot_chat = peer->record.cannot_chat;
        u->is_deaf = peer->is_deaf && !(peer->native && peer->native->link != 0);
}

int node_list_users(const struct node *n, struct now now, struct user **ret, size_t *ret_n)
{
        const struct table *t = &n->peers.by_number;
        struct user *users = calloc(MAX(t->n, (size_t)1), sizeof *users);
        size_t n_users = 0;

        if (!users)
                return -ENOMEM;

        for (size_t i = 0; i < t->n_buckets; i++)
                for (struct table_entry *e = t->buckets[i]; e; e = e->next) {
                        const struct peer *peer = container_of(e, struct peer, by_number);

                        if (is_listed(n, peer, now))
                                fill_in(n, peer, now, &users[n_users++]);
                }

        qsort(users, n_users, sizeof *users, compare_users);
        *ret = users;
        *ret_n = n_users;
        return 0;
}
