/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Groups as the node knows them: conversations, who is in them, and how they are called
 *
 *     +team           the group of this name of which we are a member; else the one to which we are
 *                     invited; else the one in which we were
 *     +team#k3f7      the one of this name whose id begins so
 *     (32 digits)     the one of this id
 *
 * Nobody can make the name of one of our groups ambiguous by inviting us to another.
 */
#include <stdio.h>

#include "core/node/node-private.h"

/*
 * Tables
 */
struct team *node_team(const struct node *n, uint64_t number)
{
        for (struct table_entry *e = table_find(&n->groups.by_number, &number, sizeof number); e;
                e = table_find_next(e)) {
                struct team *team = container_of(e, struct team, by_number);

                if (team->number == number)
                        return team;
        }
        return NULL;
}

struct team *node_team_by_id(const struct node *n, const struct group_id *id)
{
        for (struct table_entry *e = table_find(&n->groups.by_id, id->bytes, sizeof id->bytes); e;
                e = table_find_next(e)) {
                struct team *team = container_of(e, struct team, by_id);

                if (group_id_equal(&team->id, id))
                        return team;
        }
        return NULL;
}

struct fellow *node_fellow(const struct node *n, const char *id)
{
        for (struct table_entry *e = table_find(&n->groups.fellows_by_id, id, strlen(id)); e;
                e = table_find_next(e)) {
                struct fellow *f = container_of(e, struct fellow, by_id);

                if (streq(f->id, id))
                        return f;
        }
        return NULL;
}

int node_add_team(struct node *n, const struct group_id *id, uint64_t number, struct now now,
        struct team **ret)
{
        struct groups *g = &n->groups;
        struct team *team = calloc(1, sizeof *team);

        if (!team)
                return -ENOMEM;
        team->id = *id;
        team->number = number ?: n->peers.number_last + 1;
        if (table_add(&g->by_number, &team->by_number, &team->number, sizeof team->number) < 0) {
                free(team);
                return -ENOMEM;
        }
        if (table_add(&g->by_id, &team->by_id, team->id.bytes, sizeof team->id.bytes) < 0) {
                table_remove(&g->by_number, &team->by_number);
                free(team);
                return -ENOMEM;
        }
        n->peers.number_last = MAX(n->peers.number_last, team->number);
        team->look_usec = USEC_INFINITY;
        team->spoken_usec = now.mono_usec;
        list_init(&team->lanes);
        list_init(&team->list);
        list_init(&team->changed);
        list_append(&g->teams, &team->list);
        *ret = team;
        return 0;
}

void node_team_changed(struct node *n, struct team *team, bool is_other)
{
        team->is_other |= is_other;
        if (list_is_empty(&team->changed))
                list_append(&n->groups.changed, &team->changed);
}

/*
 * Who is in them
 */
static void mark_peer(struct node *n, const char *id, bool is_fellow)
{
        struct peer *peer = peers_by_id(&n->peers, id);

        if (!peer)
                return;
        peer->is_fellow = is_fellow;
        peer->is_sought = peer->is_sought && is_fellow;
}

static int get_fellow(struct node *n, const struct group_key *key, struct fellow **ret)
{
        struct groups *g = &n->groups;
        char id[ID_STRING_SIZE];
        struct fellow *f;

        identity_id(key->bytes, id);
        f = node_fellow(n, id);
        if (!f) {
                f = calloc(1, sizeof *f);
                if (!f)
                        return -ENOMEM;
                memcpy(f->id, id, sizeof f->id);
                f->key = *key;
                f->due_usec = USEC_INFINITY;
                if (table_add(&g->fellows_by_id, &f->by_id, f->id, strlen(f->id)) < 0) {
                        free(f);
                        return -ENOMEM;
                }
                list_init(&f->list);
                list_append(&g->fellows, &f->list);
                mark_peer(n, id, true);
        }
        f->n_teams++;
        *ret = f;
        return 0;
}

static void release_fellow(struct node *n, struct fellow *f)
{
        if (--f->n_teams > 0)
                return;
        node_gather_forget(n, f);
        mark_peer(n, f->id, false);
        table_remove(&n->groups.fellows_by_id, &f->by_id);
        list_remove(&f->list);
        free(f);
}

static void release_members(struct node *n, struct team_member *members, size_t n_members)
{
        for (size_t i = 0; i < n_members; i++) {
                struct fellow *f = members[i].fellow;

                if (!f)
                        continue;
                f->n_unheard -= members[i].is_unheard;
                f->n_wanting -= members[i].is_wanted;
                release_fellow(n, f);
        }
        free(members);
}

void node_drop_team(struct node *n, struct team *team)
{
        node_told_drop(n, team);
        release_members(n, team->members, team->n_members);
        table_remove(&n->groups.by_number, &team->by_number);
        table_remove(&n->groups.by_id, &team->by_id);
        list_remove(&team->list);
        list_remove(&team->changed);
        free(team);
}

static int fill_member(struct node *n, const struct group_info *info,
        const struct group_member_info *from, struct team_member *ret)
{
        bool is_creator = group_key_equal(&from->key, &info->creator), is_ours;

        *ret = (struct team_member){
                .key = from->key,
                .joined = from->joined,
                .is_leaving = from->is_leaving,
                .is_creator = is_creator,
        };
        if (memcmp(from->key.bytes, n->options.identity->public_key, PUBLIC_KEY_SIZE) == 0)
                return 0;
        is_ours =
                memcmp(info->creator.bytes, n->options.identity->public_key, PUBLIC_KEY_SIZE) == 0;
        ret->is_unheard = is_ours && !from->is_heard;
        return get_fellow(n, &from->key, &ret->fellow);
}

static int fill_members(struct node *n, struct team *team, const struct group_info *info)
{
        struct group_member_info *members = calloc(info->n_members + 1, sizeof *members);
        size_t count;
        int r = 0;

        team->members = calloc(info->n_members + 1, sizeof *team->members);
        if (!members || !team->members) {
                free(members);
                return -ENOMEM;
        }
        count = group_members(n->groups.engine, &team->id, members, info->n_members);
        for (size_t i = 0; i < count && r == 0; i++) {
                struct team_member *m = &team->members[i];

                r = fill_member(n, info, &members[i], m);
                team->n_members += r == 0;
                if (r == 0 && m->fellow)
                        m->fellow->n_unheard += m->is_unheard;
        }
        free(members);
        return r;
}

int node_team_refresh(struct node *n, struct team *team)
{
        struct team_member *before = team->members;
        size_t n_before = team->n_members;
        struct group_info info;
        int r = 0;

        team->is_other = false;
        team->members = NULL;
        team->n_members = 0;
        if (group_find(n->groups.engine, &team->id, &info) &&
                (info.state == GROUP_MEMBER || info.state == GROUP_LEAVING))
                r = fill_members(n, team, &info);
        /* Only now: who is in it as before keeps what is known of it. */
        release_members(n, before, n_before);
        return r;
}

/*
 * Words
 */
void node_author_name(const struct node *n, const char *id, char ret[static NAME_SIZE_MAX + 1])
{
        const struct peer *peer = peers_by_id(&n->peers, id);

        if (streq(id, n->id))
                (void)snprintf(ret, NAME_SIZE_MAX + 1, "%s", n->username);
        else if (peer)
                (void)snprintf(ret, NAME_SIZE_MAX + 1, "%s", peer_name(peer));
        else
                (void)snprintf(ret, NAME_SIZE_MAX + 1, "#%.8s", id);
}

const char *node_team_id(const struct group_id *id, char ret[static GROUP_ID_STRING_SIZE])
{
        for (size_t i = 0; i < sizeof id->bytes; i++)
                (void)snprintf(ret + 2 * i, 3, "%02x", id->bytes[i]);
        return ret;
}

/* The better one is meant by a name alone. */
static int rank(enum group_state state)
{
        switch (state) {
        case GROUP_MEMBER:
                return 3;
        case GROUP_INVITED:
                return 2;
        case GROUP_LEAVING:
        case GROUP_ENDED:
                break;
        }
        return 1;
}

struct team_candidates {
        struct team *teams[8];
        size_t n;
        int rank;
};

static void add_candidate(struct team_candidates *c, struct team *team)
{
        if (rank(team->state) > c->rank) {
                c->rank = rank(team->state);
                c->n = 0;
        }
        if (rank(team->state) == c->rank && c->n < ELEMENTSOF(c->teams))
                c->teams[c->n++] = team;
}

static int refuse_unknown(const char *word, struct refusal *ret_refusal)
{
        return refuse(ret_refusal, REFUSAL_UNKNOWN_USER,
                "No group \"%.100s\" is known here: see \"p2pchat group list\".", word);
}

static int refuse_several(const struct node *n, const struct team_candidates *c, const char *word,
        struct refusal *ret)
{
        char list[SENTENCE_SIZE - 160] = "";
        size_t used = 0;

        for (size_t i = 0; ret && i < c->n; i++) {
                char item[WORD_SIZE];
                size_t size;

                size = strlen(node_team_word(n, c->teams[i], item));
                if (used + 2 + size >= sizeof list)
                        break;
                used += (size_t)snprintf(
                        list + used, sizeof list - used, "%s%s", used > 0 ? ", " : "", item);
        }
        return refuse(ret, REFUSAL_AMBIGUOUS_USER,
                "Several groups are meant by \"%.100s\"; name one of them: %s.", word, list);
}

static bool word_is_group_id(const char *word)
{
        return strlen(word) == GROUP_ID_STRING_SIZE - 1 &&
               strspn(word, "0123456789abcdef") == GROUP_ID_STRING_SIZE - 1;
}

/* @prefix: of the id, or "". @name: NULL for any. */
static void find_all(
        const struct node *n, const char *name, const char *prefix, struct team_candidates *c)
{
        list_for_each (i, &n->groups.teams) {
                struct team *team = container_of(i, struct team, list);
                char id[GROUP_ID_STRING_SIZE];
                struct group_info info;

                if (!group_find(n->groups.engine, &team->id, &info))
                        continue;
                (void)node_team_id(&team->id, id);
                if ((!name || name_equal(info.name, name)) &&
                        strncmp(id, prefix, strlen(prefix)) == 0)
                        add_candidate(c, team);
        }
}

int node_find_team(
        const struct node *n, const char *word, struct team **ret, struct refusal *ret_refusal)
{
        const char *hash = strchr(word, '#');
        struct team_candidates c = { 0 };
        char name[NAME_SIZE_MAX + 1];
        size_t size;

        if (word_is_group_id(word)) {
                find_all(n, NULL, word, &c);
        } else {
                size = hash ? (size_t)(hash - word) : strlen(word);
                if (word[0] != '+' || size < 2 || size - 1 > NAME_SIZE_MAX ||
                        (hash && strlen(hash + 1) < TEAM_WORD_ID_MIN))
                        return refuse_unknown(word, ret_refusal);
                memcpy(name, word + 1, size - 1);
                name[size - 1] = 0;
                find_all(n, name, hash ? hash + 1 : "", &c);
        }
        if (c.n == 0)
                return refuse_unknown(word, ret_refusal);
        if (c.n > 1)
                return refuse_several(n, &c, word, ret_refusal);
        *ret = c.teams[0];
        return 0;
}

bool node_is_team_word(const struct node *n, const char *word)
{
        struct team *team;

        return word[0] == '+' ||
               (word_is_group_id(word) && node_find_team(n, word, &team, NULL) == 0);
}

static bool means(const struct node *n, const char *word, const struct team *team)
{
        struct team *found;

        return node_find_team(n, word, &found, NULL) == 0 && found == team;
}

const char *node_team_word(
        const struct node *n, const struct team *team, char buffer[static WORD_SIZE])
{
        char id[GROUP_ID_STRING_SIZE];
        struct group_info info = { 0 };

        (void)group_find(n->groups.engine, &team->id, &info);
        (void)snprintf(buffer, WORD_SIZE, "+%s", info.name);
        if (means(n, buffer, team))
                return buffer;
        (void)node_team_id(&team->id, id);
        for (int size = TEAM_WORD_ID_MIN; size < GROUP_ID_STRING_SIZE; size++) {
                (void)snprintf(buffer, WORD_SIZE, "+%s#%.*s", info.name, size, id);
                if (means(n, buffer, team))
                        break;
        }
        return buffer;
}

/*
 * Restoring
 */
int node_restore_group(struct node *n, const struct group_record *group, struct now now)
{
        struct team *team;
        int r;

        n->peers.number_last = MAX(n->peers.number_last, group->number);
        if (!n->groups.engine || node_team(n, group->number))
                return 0;
        r = group_restore(
                n->groups.engine, group->state, &group->inviter, group->membership, group->size);
        if (r == 0)
                r = node_add_team(n, &group->id, group->number, now, &team);
        if (r != 0)
                return MIN(r, 0);
        team->state = team->shown = group->state;
        team->muted_until_usec = group->muted_until_usec;
        node_team_changed(n, team, true);
        return 0;
}

int node_restore_leave(struct node *n, const struct leave_record *leave)
{
        if (!n->groups.engine || !node_team(n, leave->group))
                return 0;
        return MIN(group_restore_leave(n->groups.engine, leave->data, leave->size), 0);
}

int node_restore_lane(struct node *n, const struct lane_record *lane)
{
        const struct team *team = n->groups.engine ? node_team(n, lane->group) : NULL;

        return team ? MIN(group_restore_lane(
                                  n->groups.engine, &team->id, &lane->lane, lane->number),
                              0)
                    : 0;
}

int node_restore_told(struct node *n, const struct told_record *told, struct now now)
{
        struct team *team = n->groups.engine ? node_team(n, told->group) : NULL;
        const struct told message = {
                .id = told->id,
                .number = told->number,
                .size = told->size,
                .is_sent = told->state == MESSAGE_SENT,
        };

        if (!team)
                return 0;
        team->spoken_usec = now.mono_usec;
        return node_told_add(n, team, &told->lane, &message);
}
