/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Users who are looked for on the ring
 *
 *     Find          whoever has published this name and beginning of an id
 *     SendMessage   the same; if there is one, a user of this id is made and written to
 *     a user whom something waits for and who is not near: other places where it may be
 *
 * A record says where to look. Who is there proves it in a session, or gets nothing.
 */
#include <stdio.h>

#include "core/node/node-private.h"

#define SEARCH_USEC (20 * USEC_PER_SEC) /* before callers of D-Bus give up */
#define SEARCH_AGAIN_USEC USEC_PER_MINUTE

enum search_purpose {
        SEARCH_FIND,
        SEARCH_RECIPIENT,
        SEARCH_PLACES,
};

struct search {
        struct list list; /* in ring.searches */
        enum search_purpose purpose;
        uint64_t number; /* the engine's */
        usec_t deadline_usec;
        char name[NAME_SIZE_MAX + 1], id[ID_STRING_SIZE];
        uint64_t call; /* FIND, RECIPIENT */

        /* RECIPIENT */
        char *text;
        size_t size;
        int security;
        usec_t wait_until_usec;
        char number_text[NUMBER_SIZE_MAX + 1];
};

static void search_free(struct search *s)
{
        list_remove(&s->list);
        free(s->text);
        free(s);
}

void node_searches_done(struct node *n)
{
        list_for_each_safe (i, &n->ring.searches)
                search_free(container_of(i, struct search, list));
}

bool node_search_parse(const char *word, char ret_name[static NAME_SIZE_MAX + 1],
        char ret_id[static ID_STRING_SIZE])
{
        const char *hash = strchr(word, '#');
        size_t name_size = hash ? (size_t)(hash - word) : 0, id_size = hash ? strlen(hash + 1) : 0;

        if (name_size == 0 || name_size > NAME_SIZE_MAX || id_size < RING_ID_CHARACTERS ||
                id_size >= ID_STRING_SIZE ||
                strspn(hash + 1, "abcdefghijklmnopqrstuvwxyz234567") != id_size)
                return false;
        memset(ret_name, 0, NAME_SIZE_MAX + 1);
        memcpy(ret_name, word, name_size);
        memcpy(ret_id, hash + 1, id_size + 1);
        return true;
}

static int refuse_word(const char *word, struct refusal *ret)
{
        return refuse(ret, REFUSAL_INVALID_ARGUMENT,
                "\"%.100s\" cannot be looked for: the ring knows users as name#id with at least %d "
                "characters of the id, as in ece#k3f7q2mx. \"p2pchat status\" shows one's own.",
                word, RING_ID_CHARACTERS);
}

/* Asks the engine: 0 and *@ret with purpose and call to be filled in, -errno, or a refusal. */
static int begin(struct node *n, const char *name, const char *id, struct now now,
        struct search **ret, struct refusal *ret_refusal)
{
        struct search *s;
        uint64_t number;
        int r;

        if (!n->ring.engine || n->is_leaving)
                return refuse(ret_refusal, REFUSAL_NOT_REACHABLE,
                        "This machine takes no part in the ring: set Enabled=yes in section [Ring] "
                        "of its configuration.");
        r = chord_find(n->ring.engine, name, id, now.mono_usec, &number);
        if (r < 0)
                return r;
        if (r == CHORD_NOBODY)
                return refuse(ret_refusal, REFUSAL_NOT_REACHABLE,
                        "%.64s#%s is not known here, and nobody is who could be asked: join the "
                        "ring by \"p2pchat join\" and the address of a machine in it.",
                        name, id);
        if (r > 0)
                return refuse(ret_refusal, REFUSAL_NOT_REACHABLE,
                        "%.64s#%s was not looked for: too much is looked for already. Try again in "
                        "a moment.",
                        name, id);
        s = calloc(1, sizeof *s);
        if (!s)
                return -ENOMEM;
        s->number = number;
        s->deadline_usec = usec_add(now.mono_usec, SEARCH_USEC);
        memcpy(s->name, name, strlen(name));
        memcpy(s->id, id, strlen(id));
        list_append(&n->ring.searches, &s->list);
        *ret = s;
        return 0;
}

int node_ring_find(struct node *n, uint64_t call, const char *word, struct now now,
        struct refusal *ret_refusal)
{
        char name[NAME_SIZE_MAX + 1], id[ID_STRING_SIZE];
        struct search *s;
        int r;

        if (!node_search_parse(word, name, id))
                return refuse_word(word, ret_refusal);
        r = begin(n, name, id, now, &s, ret_refusal);
        if (r != 0)
                return r;
        s->purpose = SEARCH_FIND;
        s->call = call;
        return 0;
}

int node_search_recipient(struct node *n, uint64_t call, const char *word, const char *text,
        size_t size, const struct send_options *options, struct now now,
        struct refusal *ret_refusal)
{
        char name[NAME_SIZE_MAX + 1], id[ID_STRING_SIZE];
        struct search *s;
        int r;

        r = node_check_text(text, size, ret_refusal);
        if (r != 0)
                return r;
        if (!node_search_parse(word, name, id))
                return refuse(ret_refusal, REFUSAL_UNKNOWN_USER,
                        "\"%.100s\" is no user who was heard here; to look for somebody on the "
                        "ring it takes at least %d characters of the id.",
                        word, RING_ID_CHARACTERS);
        r = begin(n, name, id, now, &s, ret_refusal);
        if (r != 0)
                return r;
        s->purpose = SEARCH_RECIPIENT;
        s->call = call;
        s->security = options->security;
        s->wait_until_usec = usec_add(now.mono_usec, options->wait_usec);
        if (options->number)
                (void)snprintf(s->number_text, sizeof s->number_text, "%s", options->number);
        s->text = malloc(size);
        if (!s->text)
                return -ENOMEM;
        memcpy(s->text, text, size);
        s->size = size;
        return 0;
}

int node_search_places(struct node *n, struct peer *peer, struct now now)
{
        struct native *native = peer->native;
        struct search *s;
        int r;

        if (!n->ring.engine || !native || (peer->outbox.n == 0 && !peer->is_sought) ||
                (native->searched_usec > 0 &&
                        usec_add(native->searched_usec, SEARCH_AGAIN_USEC) > now.mono_usec))
                return 0;
        r = begin(n, peer->record.name, peer->record.id, now, &s, NULL);
        if (r < 0)
                return r;
        native->searched_usec = now.mono_usec;
        if (r == 0)
                s->purpose = SEARCH_PLACES;
        return 0;
}

/*
 * What was found
 */
static void list_found(const struct node *n, const struct search *s, const struct chord_effect *e,
        struct found_user *users, size_t *ret_n)
{
        *ret_n = 0;
        for (size_t i = 0; i < e->n_records; i++) {
                const struct record *record = &e->records[i];
                struct found_user *u = &users[*ret_n];

                *u = (struct found_user){ 0 };
                if (name_clean(record->name, strlen(record->name), u->name) != 0 ||
                        !name_equal(u->name, s->name))
                        continue;
                identity_id(record->public_key, u->id);
                if (strncmp(u->id, s->id, strlen(s->id)) != 0)
                        continue;
                for (size_t k = 0; k < record->n_endpoints; k++)
                        if (node_ring_is_plausible(n, &record->endpoints[k]))
                                u->endpoints[u->n_endpoints++] = record->endpoints[k];
                (*ret_n)++;
        }
}

static int refuse_unknown(const struct search *s, struct refusal *ret)
{
        return refuse(ret, REFUSAL_UNKNOWN_USER,
                "Nobody on the ring is %.64s#%s: the user may be off, or have joined no ring.",
                s->name, s->id);
}

static int answer_find(
        struct node *n, const struct search *s, const struct found_user *users, size_t n_users)
{
        struct effect e = { .type = EFFECT_FOUND, .found = { .call = s->call, .n = n_users } };
        struct refusal refusal;

        if (s->call == 0)
                return 0;
        if (n_users == 0)
                return node_refuse_call(n, s->call, refuse_unknown(s, &refusal), &refusal);
        memcpy(e.found.users, users, n_users * sizeof *users);
        return agenda_add_effect(&n->agenda, &e);
}

static void tell_places(struct peer *peer, const struct found_user *u)
{
        for (size_t i = u->n_endpoints; i > 0; i--)
                (void)peer_sighted(peer, &u->endpoints[i - 1]);
}

/* The row of who was found: not heard, and not proven. Outcome 1: no room for it. */
static int get_user(struct node *n, const struct found_user *u, struct now now, struct peer **ret)
{
        struct peer_record record = { 0 };
        char buffer[NAME_SIZE_MAX + 1];
        int r = 0;

        *ret = peers_by_id(&n->peers, u->id);
        if (!*ret) {
                (void)snprintf(record.name, sizeof record.name, "%s",
                        node_certified_name(n, u->id, "", u->name, now, buffer));
                memcpy(record.id, u->id, sizeof record.id);
                if (u->n_endpoints > 0)
                        record.endpoint = u->endpoints[0];
                r = node_add_peer(n, &record, now, ret);
        }
        if (r == 0)
                tell_places(*ret, u);
        return r;
}

static int refuse_several(
        const struct search *s, const struct found_user *users, size_t n_users, struct refusal *ret)
{
        char list[SENTENCE_SIZE - 160] = "";
        size_t used = 0;

        for (size_t i = 0; i < n_users; i++)
                used += (size_t)snprintf(list + used, sizeof list - used, "%s%.64s#%s",
                        used > 0 ? ", " : "", users[i].name, users[i].id);
        return refuse(ret, REFUSAL_AMBIGUOUS_USER,
                "Several users on the ring are %.64s#%s; name one of them: %s.", s->name, s->id,
                list);
}

/* As if it had been written to now. A refusal, 0, or -errno. */
static int send(struct node *n, const struct search *s, const struct found_user *u, struct now now,
        struct refusal *ret_refusal)
{
        const struct send_options options = {
                .security = s->security,
                .wait_usec = usec_sub(s->wait_until_usec, now.mono_usec),
                .number = s->number_text[0] ? s->number_text : NULL,
        };
        struct peer *peer;
        int r;

        if (streq(u->id, n->id))
                return refuse(ret_refusal, REFUSAL_UNKNOWN_USER, "%.64s#%s is this machine itself.",
                        s->name, s->id);
        r = get_user(n, u, now, &peer);
        if (r > 0)
                return refuse(ret_refusal, REFUSAL_QUEUE_FULL,
                        "%.64s#%s was found, but no more users can be kept: forget some.", s->name,
                        s->id);
        return r < 0 ? r
                     : node_send(n, s->call, u->id, s->text, s->size, &options, now, ret_refusal);
}

static int answer_recipient(struct node *n, const struct search *s, const struct found_user *users,
        size_t n_users, struct now now)
{
        struct refusal refusal;
        int r;

        if (s->call == 0)
                return 0;
        if (n_users == 0)
                r = refuse_unknown(s, &refusal);
        else if (n_users > 1)
                r = refuse_several(s, users, n_users, &refusal);
        else
                r = send(n, s, &users[0], now, &refusal);
        return r > 0 ? node_refuse_call(n, s->call, r, &refusal) : r;
}

/* A dial to where it is not any more need not be waited for. */
static int drop_dial(struct node *n, struct peer *peer, const struct found_user *u)
{
        struct native *native = peer->native;
        uint64_t number = native ? native->dial_link : 0;

        if (number == 0 || native->link != 0)
                return 0;
        for (size_t i = 0; i < u->n_endpoints; i++)
                if (endpoint_equal(&u->endpoints[i], &native->dial_place))
                        return 0;
        native->dial_link = 0;
        return node_close_link(n, number, CLOSE_NOW);
}

static int take_places(struct node *n, const struct search *s, const struct found_user *users,
        size_t n_users, struct now now)
{
        struct peer *peer = peers_by_id(&n->peers, s->id);
        int r;

        if (!peer || n_users == 0 || users[0].n_endpoints == 0)
                return 0;
        r = drop_dial(n, peer, &users[0]);
        if (r < 0)
                return r;
        tell_places(peer, &users[0]);
        outbox_awake(&peer->outbox);
        return node_deliver(n, peer, now);
}

static int end(struct node *n, const struct search *s, const struct found_user *users,
        size_t n_users, struct now now)
{
        switch (s->purpose) {
        case SEARCH_FIND:
                return answer_find(n, s, users, n_users);
        case SEARCH_RECIPIENT:
                return answer_recipient(n, s, users, n_users, now);
        case SEARCH_PLACES:
                return take_places(n, s, users, n_users, now);
        }
        return 0;
}

int node_search_found(struct node *n, const struct chord_effect *e, struct now now)
{
        list_for_each_safe (i, &n->ring.searches) {
                struct search *s = container_of(i, struct search, list);
                struct found_user users[FOUND_MAX];
                size_t n_users;
                int r;

                if (s->number != e->number)
                        continue;
                list_found(n, s, e, users, &n_users);
                n->ring.n_found += n_users > 0;
                n->ring.n_missed += n_users == 0;
                r = end(n, s, users, n_users, now);
                search_free(s);
                return r;
        }
        return 0;
}

int node_searches_late(struct node *n, usec_t now_usec)
{
        list_for_each_safe (i, &n->ring.searches) {
                struct search *s = container_of(i, struct search, list);
                struct refusal refusal;
                int r = 0, code;

                if (s->deadline_usec > now_usec)
                        continue;
                code = refuse(&refusal, REFUSAL_NOT_REACHABLE,
                        "%.64s#%s was looked for, but the ring does not answer: try again.",
                        s->name, s->id);
                if (s->call != 0)
                        r = node_refuse_call(n, s->call, code, &refusal);
                n->ring.n_missed++;
                search_free(s);
                if (r < 0)
                        return r;
        }
        return 0;
}

usec_t node_searches_deadline(const struct node *n)
{
        usec_t next = USEC_INFINITY;

        list_for_each (i, &n->ring.searches)
                next = usec_min(next, container_of(i, struct search, list)->deadline_usec);
        return next;
}

void node_search_forget_call(struct node *n, uint64_t call)
{
        list_for_each (i, &n->ring.searches) {
                struct search *s = container_of(i, struct search, list);

                if (s->call == call)
                        s->call = 0;
        }
}
