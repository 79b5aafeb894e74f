/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What callers want of groups
 *
 * What is written to a group is signed, and whoever has it may pass it on: so it cannot be
 * cancelled.
 */
#include <stdio.h>

#include "core/node/node-private.h"

static int check_ready(const struct node *n, struct refusal *ret_refusal)
{
        if (n->groups.engine)
                return 0;
        return refuse(
                ret_refusal, REFUSAL_NOT_SECURE, "This machine has no identity, and so no groups.");
}

static int find(const struct node *n, const char *word, struct team **ret, struct group_info *info,
        struct refusal *ret_refusal)
{
        int r = check_ready(n, ret_refusal);

        if (r == 0)
                r = node_find_team(n, word, ret, ret_refusal);
        if (r == 0)
                (void)group_find(n->groups.engine, &(*ret)->id, info);
        return r;
}

int node_refuse_team(const struct node *n, const struct team *team, const char *what,
        struct refusal *ret_refusal)
{
        char word[WORD_SIZE], id[GROUP_ID_STRING_SIZE];

        node_team_word(n, team, word);
        switch (team->state) {
        case GROUP_INVITED:
                return refuse(ret_refusal, REFUSAL_CANNOT_CHAT,
                        "You are only invited to %s: \"p2pchat group accept %s\" first.", word,
                        node_team_id(&team->id, id));
        case GROUP_LEAVING:
        case GROUP_ENDED:
                return refuse(ret_refusal, REFUSAL_CANNOT_CHAT,
                        "You are no member of %s any more: its creator has to invite you anew.",
                        word);
        case GROUP_MEMBER:
                break;
        }
        return refuse(ret_refusal, REFUSAL_INVALID_ARGUMENT, "%s: %s.", word, what);
}

static int refuse_full(struct refusal *ret_refusal)
{
        return refuse(ret_refusal, REFUSAL_INVALID_ARGUMENT,
                "That would be too many: at most %d groups are kept here, and %d members in one.",
                GROUP_GROUPS_MAX, GROUP_MEMBERS_MAX);
}

/* Whose key is known for certain, and who is not blocked. */
static int find_key(
        const struct node *n, const char *word, struct group_key *ret, struct refusal *ret_refusal)
{
        struct peer *peer;
        int r = node_find_user(n, word, &peer, ret_refusal);

        if (r != 0)
                return r;
        peer = peers_successor(&n->peers, peer) ?: peer;
        if (!peer_is_native(peer))
                return refuse(ret_refusal, REFUSAL_NOT_SECURE,
                        "%s uses a program without keys, and cannot be in a group.", word);
        if (!peer->record.is_proven)
                return refuse(ret_refusal, REFUSAL_NOT_REACHABLE,
                        "%s has not proven its key yet: send it a message, and try again once that "
                        "has arrived.",
                        word);
        if (peer->record.blocked)
                return refuse(ret_refusal, REFUSAL_BLOCKED,
                        "You have blocked %s: \"p2pchat unblock %s\" first.", word, word);
        memcpy(ret->bytes, peer->record.key, sizeof ret->bytes);
        return 0;
}

/*
 * Groups come and go
 */
int node_group_create(struct node *n, const char *name, const char *const *words, size_t n_words,
        struct now now, char ret_id[static GROUP_ID_STRING_SIZE], struct refusal *ret_refusal)
{
        struct group_key *keys;
        struct group_id id;
        int r = check_ready(n, ret_refusal);

        name += name[0] == '+';
        if (r == 0 && !group_name_is_valid(name))
                r = refuse(ret_refusal, REFUSAL_INVALID_NAME,
                        "\"%.100s\" cannot be the name of a group: 1 to %d bytes, no #, @ or "
                        "control characters, no blanks at the ends.",
                        name, NAME_SIZE_MAX);
        if (r == 0 && n_words >= GROUP_MEMBERS_MAX)
                r = refuse_full(ret_refusal);
        if (r != 0)
                return r;
        keys = calloc(n_words + 1, sizeof *keys);
        if (!keys)
                return -ENOMEM;
        for (size_t i = 0; i < n_words && r == 0; i++)
                r = find_key(n, words[i], &keys[i], ret_refusal);
        if (r == 0) {
                r = group_create(n->groups.engine, name, keys, n_words, &now, &id);
                r = r > 0 ? refuse_full(ret_refusal) : r;
        }
        free(keys);
        if (r != 0)
                return r;
        (void)node_team_id(&id, ret_id);
        return node_groups_drain(n, now);
}

/* What the engine said of a change of the membership. */
static int finish(struct node *n, struct team *team, int fault, const char *user, struct now now,
        struct refusal *ret_refusal)
{
        char word[WORD_SIZE];

        if (fault <= 0) {
                team->spoken_usec = now.mono_usec;
                return fault < 0 ? fault : node_groups_drain(n, now);
        }
        node_team_word(n, team, word);
        switch ((enum group_fault)fault) {
        case GROUP_NOT_CREATOR:
                return refuse(ret_refusal, REFUSAL_INVALID_ARGUMENT,
                        "Only the creator of %s decides who is in it.", word);
        case GROUP_KNOWN:
                return refuse(ret_refusal, REFUSAL_INVALID_ARGUMENT,
                        "%.100s is a member of %s, or invited, already.", user, word);
        case GROUP_UNKNOWN:
                return refuse(ret_refusal, REFUSAL_UNKNOWN_USER, "%.100s is no member of %s.", user,
                        word);
        case GROUP_FULL:
                return refuse_full(ret_refusal);
        case GROUP_WRONG_STATE:
        case GROUP_INVALID:
                break;
        }
        return node_refuse_team(n, team, "you are a member already", ret_refusal);
}

int node_group_invite(struct node *n, const char *group, const char *user, struct now now,
        struct refusal *ret_refusal)
{
        struct group_info info;
        struct group_key key;
        struct team *team;
        int r = find(n, group, &team, &info, ret_refusal);

        if (r == 0)
                r = find_key(n, user, &key, ret_refusal);
        if (r != 0)
                return r;
        r = group_invite(n->groups.engine, &team->id, &key, 1, &now);
        return finish(n, team, r, user, now, ret_refusal);
}

int node_group_accept(
        struct node *n, const char *group, struct now now, struct refusal *ret_refusal)
{
        struct group_info info;
        struct team *team;
        int r = find(n, group, &team, &info, ret_refusal);

        if (r != 0)
                return r;
        r = group_accept(n->groups.engine, &team->id, &now);
        return finish(n, team, r, "", now, ret_refusal);
}

static bool begins_with(const char *id, const char *word)
{
        word += word[0] == '#';
        return strlen(word) >= 4 && strncmp(id, word, strlen(word)) == 0;
}

/* A member is named as any user, or by its id, whether it is a user here or not. */
static int find_member(const struct node *n, struct team *team, const char *word,
        struct group_key *ret, struct refusal *ret_refusal)
{
        const struct team_member *found = NULL;
        struct peer *peer;

        if (node_find_user(n, word, &peer, NULL) == 0 && peer->record.is_proven) {
                memcpy(ret->bytes, peer->record.key, sizeof ret->bytes);
                return 0;
        }
        for (size_t i = 0; i < team->n_members; i++) {
                const struct team_member *m = &team->members[i];

                if (!m->fellow || !begins_with(m->fellow->id, word))
                        continue;
                if (found)
                        return refuse(ret_refusal, REFUSAL_AMBIGUOUS_USER,
                                "Several members are meant by \"%.100s\": write more of the id.",
                                word);
                found = m;
        }
        if (!found)
                return finish((struct node *)n, team, GROUP_UNKNOWN, word, (struct now){ 0 },
                        ret_refusal);
        *ret = found->key;
        return 0;
}

int node_group_remove(struct node *n, const char *group, const char *user, struct now now,
        struct refusal *ret_refusal)
{
        struct group_info info;
        struct group_key key;
        struct team *team;
        char id[GROUP_ID_STRING_SIZE];
        int r = find(n, group, &team, &info, ret_refusal);

        if (r == 0 && (streq(user, n->id) || name_equal(user, n->username)))
                return refuse(ret_refusal, REFUSAL_INVALID_ARGUMENT,
                        "%.100s is this machine: \"p2pchat group leave %s\" takes it out.", user,
                        node_team_id(&team->id, id));
        if (r == 0 && team->is_other)
                r = node_team_refresh(n, team);
        if (r == 0)
                r = find_member(n, team, user, &key, ret_refusal);
        if (r != 0)
                return r;
        r = group_remove(n->groups.engine, &team->id, &key, &now);
        return finish(n, team, r, user, now, ret_refusal);
}

int node_group_leave(struct node *n, const char *group, struct now now, struct refusal *ret_refusal)
{
        struct group_info info;
        struct team *team;
        int r = find(n, group, &team, &info, ret_refusal);

        if (r != 0)
                return r;
        r = group_leave(n->groups.engine, &team->id, &now);
        if (r == 0)
                team->shown = GROUP_LEAVING; /* whatever follows, nobody has removed us */
        return finish(n, team, r, "", now, ret_refusal);
}

/*
 * Conversations
 */
int node_group_mute(
        struct node *n, const char *word, usec_t until_usec, struct refusal *ret_refusal)
{
        struct group_info info;
        struct team *team;
        int r = find(n, word, &team, &info, ret_refusal);

        if (r != 0)
                return r;
        team->muted_until_usec = until_usec;
        return agenda_add_change(&n->agenda,
                &(struct change){ .type = CHANGE_GROUP_MUTED,
                        .muted = { .number = team->number, .until_usec = until_usec } });
}

/* Those that nobody has are lost to all. What we write next must not wait for them elsewhere: it
 * goes in another lane. */
static int cancel(struct node *n, struct team *team, struct now now)
{
        int r;

        if (team->n_told == 0)
                return 0;
        r = node_told_cancel(n, team);
        return r < 0 ? r : MIN(group_renew(n->groups.engine, &now), 0);
}

int node_group_forget(struct node *n, const char *word, struct now now, struct refusal *ret_refusal)
{
        struct group_info info;
        struct team *team;
        int r = find(n, word, &team, &info, ret_refusal);

        if (r == 0)
                r = cancel(n, team, now);
        if (r == 0)
                r = agenda_add_change(&n->agenda,
                        &(struct change){ .type = CHANGE_FORGET, .number = team->number });
        if (r != 0)
                return r;
        if (info.state == GROUP_INVITED || info.state == GROUP_ENDED)
                r = MIN(group_forget(n->groups.engine, &team->id, &now), 0);
        return r < 0 ? r : node_groups_drain(n, now);
}

static int check_send(const struct node *n, const struct team *team, size_t size,
        const struct send_options *options, struct refusal *ret_refusal)
{
        char word[WORD_SIZE];

        node_team_word(n, team, word);
        if (team->state != GROUP_MEMBER)
                return node_refuse_team(n, team, "", ret_refusal);
        if (options->security > SECURITY_ENCRYPTED)
                return refuse(ret_refusal, REFUSAL_NOT_SECURE,
                        "What is written to %s goes encrypted to all its members, whoever has "
                        "compared their fingerprints: ask for \"encrypted\" if that will do.",
                        word);
        if (team->n_queued >= n->options.queue_max ||
                team->queued_size + size > n->options.queue_size_max)
                return refuse(ret_refusal, REFUSAL_QUEUE_FULL,
                        "%zu messages to %s wait already, and no member has them: wait until one "
                        "is back.",
                        team->n_queued, word);
        return 0;
}

static int write_message(struct node *n, struct team *team, const struct ulid *id, const char *text,
        size_t size, struct now now, struct refusal *ret_refusal)
{
        int r = node_groups_drain(n, now);

        if (r < 0)
                return r;
        r = group_send(n->groups.engine, &team->id, text, size, &now);
        if (r > 0)
                return refuse(ret_refusal, REFUSAL_QUEUE_FULL,
                        "This machine has begun too many series of messages in this group: its "
                        "creator has to make another one.");
        n->groups.writing = id;
        if (r == 0)
                r = node_groups_drain(n, now);
        n->groups.writing = NULL;
        return r < 0 ? r : node_told_look(n, team, now);
}

int node_group_send(struct node *n, uint64_t call, const char *word, const char *text, size_t size,
        const struct send_options *options, struct now now, struct refusal *ret_refusal)
{
        struct group_info info;
        uint8_t random[10];
        struct team *team;
        struct ulid id;
        int r = find(n, word, &team, &info, ret_refusal);

        if (r == 0)
                r = check_send(n, team, size, options, ret_refusal);
        if (r != 0)
                return r;
        random_bytes(n->random, random, sizeof random);
        id = ulid_make(now.real_usec, random);
        r = write_message(n, team, &id, text, size, now, ret_refusal);
        if (r != 0)
                return r;
        return node_told_reply(n, call, team, &id, options->wait_usec, now);
}

/*
 * Views
 */
static int compare_groups(const void *a, const void *b)
{
        const struct group_view *x = a, *y = b;

        return strcmp(x->word, y->word);
}

int node_list_groups(const struct node *n, struct group_view **ret, size_t *ret_n)
{
        struct group_view *views = calloc(n->groups.by_number.n + 1, sizeof *views);
        size_t n_views = 0;

        if (!views)
                return -ENOMEM;
        list_for_each (i, &n->groups.teams) {
                const struct team *team = container_of(i, const struct team, list);
                struct group_view *v = &views[n_views];
                struct group_info info;

                if (!group_find(n->groups.engine, &team->id, &info) ||
                        (info.state != GROUP_MEMBER && info.state != GROUP_INVITED))
                        continue;
                n_views++;
                for (size_t k = 0; k < sizeof team->id.bytes; k++)
                        (void)snprintf(v->id + 2 * k, 3, "%02x", team->id.bytes[k]);
                node_team_word(n, team, v->word);
                v->is_invited = info.state == GROUP_INVITED;
        }
        qsort(views, n_views, sizeof *views, compare_groups);
        *ret = views;
        *ret_n = n_views;
        return 0;
}

static void view_member(const struct node *n, const struct group_info *info,
        const struct group_member_info *m, struct now now, struct group_member_view *ret)
{
        const struct peer *peer;

        identity_id(m->key.bytes, ret->id);
        ret->is_self = streq(ret->id, n->id);
        ret->is_creator = group_key_equal(&m->key, &info->creator);
        peer = peers_by_id(&n->peers, ret->id);
        if (ret->is_self)
                (void)snprintf(ret->word, sizeof ret->word, "%s#%s", n->username, n->id);
        else if (peer)
                node_word(n, peer->record.number, NULL, NULL, now, ret->word);
        else
                memcpy(ret->word, ret->id, sizeof ret->id);
}

int node_list_members(const struct node *n, const char *id, struct now now,
        struct group_member_view **ret, size_t *ret_n)
{
        struct group_member_view *views = calloc(GROUP_MEMBERS_MAX, sizeof *views);
        struct group_member_info *members = calloc(GROUP_MEMBERS_MAX, sizeof *members);
        struct group_info info;
        struct team *team;
        size_t count = 0;

        if (!views || !members) {
                free(views);
                free(members);
                return -ENOMEM;
        }
        if (n->groups.engine && node_find_team(n, id, &team, NULL) == 0 &&
                group_find(n->groups.engine, &team->id, &info))
                count = group_members(n->groups.engine, &team->id, members, GROUP_MEMBERS_MAX);
        for (size_t i = 0; i < count; i++)
                view_member(n, &info, &members[i], now, &views[i]);
        free(members);
        *ret = views;
        *ret_n = count;
        return 0;
}
