/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Users of a node: who announce themselves, and who prove who they are */
#include "core/node/node-private.h"
#include "unit/node-fixture.h"

/* Made up: its key is @n and zeros. */
static inline struct introduction introduction(unsigned n, const char *name)
{
        struct introduction who = {
                .key = { (uint8_t)n }, .port = ENDPOINT_PORT_DEFAULT, .run = n
        };

        identity_id(who.key, who.id);
        memcpy(who.name, name, strlen(name) + 1);
        return who;
}

static inline void announce(struct fixture *f, unsigned from, const char *name, const char *id)
{
        char json[ANNOUNCE_SIZE_MAX];

        if (id)
                (void)snprintf(
                        json, sizeof json, "{\"username\": \"%s\", \"id\": \"%s\"}", name, id);
        else
                (void)snprintf(json, sizeof json, "{\"username\": \"%s\"}", name);
        ASSERT_OK(fixture_hear(f, from, json));
}

/* @who is here, in a session that he opened from any port of @from. */
static inline struct peer *prove(struct fixture *f, unsigned from, const struct introduction *who)
{
        struct endpoint remote = host(from);
        struct peer *peer;

        ASSERT_EQ(node_take_proof(f->node, who, &remote, f->now, &peer), 0);
        return peer;
}

static inline struct peer *prove_contact(
        struct fixture *f, unsigned from, const struct introduction *who)
{
        struct peer *peer = prove(f, from, who);

        ASSERT_OK(node_make_contact(f->node, peer, f->now));
        ASSERT_TRUE(peer_is_contact(peer));
        return peer;
}

static inline struct peer *find(struct fixture *f, const char *word)
{
        struct peer *peer;

        return node_find_user(f->node, word, &peer, NULL) == 0 ? peer : NULL;
}

/* The row of ListUsers, all zero when there is none. */
static inline struct user listed(struct fixture *f, const struct peer *peer)
{
        struct user *users, found = { 0 };
        size_t n;

        ASSERT_OK(node_list_users(f->node, f->now, &users, &n));
        for (size_t i = 0; i < n; i++)
                if (users[i].number == peer->record.number)
                        found = users[i];
        free(users);
        return found;
}

static inline void pass(struct fixture *f, usec_t span_usec)
{
        fixture_pass(f, span_usec);
        ASSERT_OK(node_advance(f->node, f->now));
        fixture_drain(f);
}
