/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engine of groups, joined to the node
 *
 *     sessions --frames--> the engine --> groups, messages to the store; frames to others
 *     callers ------------>    |
 *                              +--> told.c: who has what we wrote; gather.c: whom to meet
 *
 * Whoever has proven his key is told to the engine, which speaks with those only who share a group
 * with us. A session that was for the ring alone is for users, too, once something about groups is
 * said in it.
 */
#include <stdio.h>

#include "core/node/node-private.h"

#define BANNED_USEC USEC_PER_HOUR

int node_groups_init(struct node *n, const uint8_t key[static TABLE_KEY_SIZE])
{
        struct groups *g = &n->groups;

        table_init(&g->by_number, key);
        table_init(&g->by_id, key);
        table_init(&g->fellows_by_id, key);
        list_init(&g->teams);
        list_init(&g->fellows);
        list_init(&g->changed);
        g->seek_usec = USEC_INFINITY;
        g->warnings = (struct ratelimit){ .interval_usec = USEC_PER_MINUTE, .burst = 5 };
        if (!n->options.identity)
                return 0;
        return group_engine_new(
                &(struct group_options){ .identity = n->options.identity, .random = n->random },
                &g->engine);
}

void node_groups_done(struct node *n)
{
        struct groups *g = &n->groups;

        if (!g->teams.next)
                return; /* it never came to be */
        list_for_each_safe (i, &g->teams)
                node_drop_team(n, container_of(i, struct team, list));
        table_done(&g->by_number);
        table_done(&g->by_id);
        table_done(&g->fellows_by_id);
        g->engine = group_engine_free(g->engine);
}

/*
 * Sessions
 */
static struct group_key key_of(const struct link *link)
{
        struct group_key key;

        memcpy(key.bytes, session_peer(link->session)->key, sizeof key.bytes);
        return key;
}

static struct link *session_of(const struct node *n, const struct group_key *key)
{
        char id[ID_STRING_SIZE];

        identity_id(key->bytes, id);
        return node_session_with(n, id);
}

static bool is_banned(const struct node *n, const struct group_key *key, struct now now)
{
        for (size_t i = 0; i < GROUP_BANNED_MAX; i++)
                if (n->groups.banned[i].until_usec > now.mono_usec &&
                        group_key_equal(&n->groups.banned[i].key, key))
                        return true;
        return false;
}

/* The engine has so many places, and keys cost nothing: a fourth is for contacts and fellows. */
static bool has_place_for(const struct node *n, const struct link *link)
{
        size_t count = 0, max = GROUP_PEERS_MAX;

        if ((!link->peer || !peer_is_contact(link->peer)) &&
                !node_fellow(n, session_peer(link->session)->id))
                max -= max / 4;
        list_for_each (i, &n->links) {
                const struct link *other = container_of(i, const struct link, list);

                count += other->is_in_groups &&
                         memcmp(&other->position, &link->position, sizeof link->position) != 0;
        }
        return count < max;
}

int node_groups_met(struct node *n, struct link *link, struct now now)
{
        struct group_key key = key_of(link);
        struct fellow *f = node_fellow(n, session_peer(link->session)->id);

        if (!n->groups.engine || is_banned(n, &key, now) || !has_place_for(n, link))
                return 0;
        link->is_in_groups = true;
        if (f)
                node_gather_met(n, f, now);
        return group_connected(n->groups.engine, &key, &now);
}

int node_groups_lost(struct node *n, const struct group_key *key, struct now now)
{
        char id[ID_STRING_SIZE];
        struct fellow *f;

        if (!n->groups.engine)
                return 0;
        identity_id(key->bytes, id);
        f = node_fellow(n, id);
        if (f)
                node_gather_lost(n, f, now);
        return group_gone(n->groups.engine, key, &now);
}

/* It speaks: is it of a group whose membership it was still to hear? */
static void has_spoken(struct node *n, const char *id)
{
        struct fellow *f = node_fellow(n, id);

        if (!f || f->n_unheard == 0)
                return;
        list_for_each (i, &n->groups.teams) {
                struct team *team = container_of(i, struct team, list);

                for (size_t k = 0; k < team->n_members; k++)
                        if (team->members[k].fellow == f && team->members[k].is_unheard)
                                node_team_changed(n, team, true);
        }
}

int node_groups_receive(
        struct node *n, struct link *link, const void *data, size_t size, struct now now)
{
        struct group_key key = key_of(link);
        int r = 0;

        if (!n->groups.engine || is_banned(n, &key, now))
                return 0;
        if (!link->is_in_groups)
                r = node_groups_met(n, link, now);
        if (r < 0 || !link->is_in_groups)
                return r;
        has_spoken(n, session_peer(link->session)->id);
        return group_receive(n->groups.engine, &key, data, size, &now);
}

/* What bears a message counts as one for the change of keys. */
static int say(struct node *n, const struct group_effect *e, struct now now)
{
        struct link *link = session_of(n, &e->peer);
        struct message m = {
                .type = e->data[0] == GROUP_GOSSIP_MESSAGE ? FRAME_GROUP_MESSAGE : FRAME_GROUP,
                .group = { .data = e->data, .size = e->size },
        };

        return link ? node_native_tell(n, link, &m, now) : 0;
}

/*
 * What comes of it
 */
static int store_group(struct node *n, const struct group_effect *e, struct now now)
{
        struct team *team = node_team_by_id(n, &e->group);
        struct change c = {
                .type = CHANGE_GROUP,
                .group = {
                        .id = e->group,
                        .state = e->state,
                        .inviter = e->inviter,
                        .membership = e->data,
                        .size = e->size,
                },
        };
        struct group_membership *m;
        int r = 0;

        if (!team)
                r = node_add_team(n, &e->group, 0, now, &team);
        if (r == 0)
                r = group_membership_decode(e->data, e->size, &m);
        if (r != 0)
                return MIN(r, 0);
        c.group.number = team->number;
        c.group.floor = m->floor;
        free(m);
        team->state = e->state;
        if (e->state == GROUP_INVITED)
                team->shown = e->state;
        node_team_changed(n, team, true);
        return agenda_add_change(&n->agenda, &c);
}

static int store_leave(struct node *n, const struct group_effect *e, enum change_type type)
{
        struct team *team = node_team_by_id(n, &e->group);

        if (!team)
                return 0;
        node_team_changed(n, team, true);
        return agenda_add_change(
                &n->agenda, &(struct change){
                                    .type = type,
                                    .leave = { .group = team->number,
                                            .key = e->peer,
                                            .data = type == CHANGE_LEAVE ? e->data : NULL,
                                            .size = type == CHANGE_LEAVE ? e->size : 0 },
                            });
}

static int forget_group(struct node *n, const struct group_effect *e)
{
        struct team *team = node_team_by_id(n, &e->group);
        int r;

        if (!team)
                return 0;
        r = agenda_add_change(
                &n->agenda, &(struct change){ .type = CHANGE_GROUP_GONE, .number = team->number });
        node_drop_team(n, team);
        return r;
}

static enum security security_of(const struct peer *author)
{
        /* The signature proves the key, whether a session ever did or not. */
        return author && author->record.is_proven ? peer_security(author) : SECURITY_ENCRYPTED;
}

static void describe(const struct node *n, const struct team *team, const struct group_effect *e,
        const struct group_message *m, struct now now, struct message_record *ret)
{
        const struct peer *author;
        uint8_t random[10];

        *ret = (struct message_record){
                .peer = team->number,
                .time_usec = now.real_usec,
                .text = m->text,
                .size = m->text_size,
                .group = { .lane = m->lane, .number = m->number, .time_usec = m->time_usec },
        };
        memcpy(ret->group.signature, m->signature, sizeof ret->group.signature);
        identity_id(m->lane.author.bytes, ret->author_id);
        node_author_name(n, ret->author_id, ret->name);
        author = peers_by_id(&n->peers, ret->author_id);
        ret->security = security_of(author);
        if (e->is_own && n->groups.writing) {
                ret->id = *n->groups.writing;
        } else {
                random_bytes(n->random, random, sizeof random);
                ret->id = ulid_make(now.real_usec, random);
        }
        if (e->is_own) {
                /* What others have of us, and we forgot, one has. */
                ret->direction = DIRECTION_SENT;
                ret->state = n->groups.writing ? MESSAGE_QUEUED : MESSAGE_SENT;
        } else {
                bool is_muted = team->muted_until_usec > now.real_usec ||
                                (author && peer_is_muted(author, now.real_usec));

                ret->direction = DIRECTION_RECEIVED;
                ret->state = is_muted ? MESSAGE_MUTED : MESSAGE_RECEIVED;
        }
}

static bool is_blocked(const struct node *n, const char *id)
{
        const struct peer *peer = peers_by_id(&n->peers, id);

        return peer && peer->record.blocked;
}

/* Of who is blocked nothing is kept; but what comes after it must not wait for it. */
static int take_message(struct node *n, const struct group_effect *e, struct now now)
{
        struct team *team = node_team_by_id(n, &e->group);
        struct change c = { .type = CHANGE_MESSAGE };
        struct group_message m;
        int r;

        if (!team || group_message_decode(e->data, e->size, &m) != 0)
                return 0;
        describe(n, team, e, &m, now, &c.message);
        if (!e->is_own && is_blocked(n, c.message.author_id))
                c = (struct change){ .type = CHANGE_LANE,
                        .lane = { .group = team->number, .lane = m.lane, .number = m.number } };
        r = agenda_add_change(&n->agenda, &c);
        if (r < 0)
                return r;
        if (!e->is_own) {
                node_gather_news(n, team, now);
                return 0;
        }
        team->spoken_usec = now.mono_usec;
        return node_told_add(n, team, &m.lane,
                &(struct told){ .id = c.message.id,
                        .number = m.number,
                        .size = m.text_size,
                        .is_sent = !n->groups.writing });
}

static int load_message(struct node *n, const struct group_effect *e)
{
        const struct team *team = node_team_by_id(n, &e->group);
        struct link *link = session_of(n, &e->peer);

        /* Who is honest has no more under way. */
        if (!team || !link || link->n_group_loading >= GROUP_WINDOW)
                return 0;
        link->n_group_loading++;
        return agenda_add_effect(&n->agenda, &(struct effect){
                                                     .type = EFFECT_LOAD_GROUP_MESSAGE,
                                                     .load_group_message = { .group = team->number,
                                                             .lane = e->lane,
                                                             .number = e->number,
                                                             .peer = e->peer },
                                             });
}

int node_group_message_loaded(struct node *n, uint64_t group, const struct group_key *peer,
        const struct message_record *message, struct now now)
{
        const struct team *team = node_team(n, group);
        struct link *link = session_of(n, peer);
        struct group_message m;
        uint8_t *data;
        size_t size;
        int r;

        if (link && link->n_group_loading > 0)
                link->n_group_loading--;
        if (!team || !message)
                return 0;
        m = (struct group_message){
                .group = team->id,
                .lane = message->group.lane,
                .number = message->group.number,
                .time_usec = message->group.time_usec,
                .text = message->text,
                .text_size = message->size,
        };
        memcpy(m.signature, message->group.signature, sizeof m.signature);
        data = malloc(GROUP_MESSAGE_SIZE_MAX);
        if (!data)
                return -ENOMEM;
        size = group_message_encode(&m, data);
        r = group_loaded(n->groups.engine, peer, data, size, &now);
        free(data);
        return r;
}

static int invited(struct node *n, const struct group_effect *e, struct now now)
{
        const struct team *team = node_team_by_id(n, &e->group);
        char inviter[ID_STRING_SIZE], creator[ID_STRING_SIZE], word[WORD_SIZE], by[WORD_SIZE];
        struct change c = { .type = CHANGE_INVITED };
        const struct peer *peer;
        struct group_info info;

        if (!team || !group_find(n->groups.engine, &e->group, &info))
                return 0;
        identity_id(e->inviter.bytes, inviter);
        identity_id(info.creator.bytes, creator);
        if (is_blocked(n, inviter) || is_blocked(n, creator))
                return MIN(group_forget(n->groups.engine, &e->group, &now), 0);
        peer = peers_by_id(&n->peers, inviter);
        (void)snprintf(by, sizeof by, "#%.8s", inviter);
        c.invited.word = node_team_word(n, team, word);
        c.invited.by = peer ? node_word(n, peer->record.number, NULL, NULL, now, by) : by;
        for (size_t i = 0; i < sizeof team->id.bytes; i++)
                (void)snprintf(c.invited.id + 2 * i, 3, "%02x", team->id.bytes[i]);
        return agenda_add_change(&n->agenda, &c);
}

static int warn(struct node *n, const char *word, const char *sentence, struct now now)
{
        return ratelimit_allow(&n->groups.warnings, now.mono_usec)
                       ? node_warn(n, "Group", word, sentence)
                       : 0;
}

/* A creator can say it at will, so it is told once in a while. */
static int changed(struct node *n, const struct group_effect *e, struct now now)
{
        struct team *team = node_team_by_id(n, &e->group);
        char word[WORD_SIZE], sentence[SENTENCE_SIZE];
        enum group_state before;

        if (!team)
                return 0;
        before = team->shown;
        team->shown = e->state;
        team->is_joined |= e->state == GROUP_MEMBER && before != GROUP_MEMBER;
        node_team_changed(n, team, true);
        node_team_word(n, team, word);
        if (e->state == GROUP_ENDED && before == GROUP_MEMBER) {
                (void)snprintf(sentence, sizeof sentence,
                        "You were removed from the group %s; what was said there can still be "
                        "read.",
                        word);
                return warn(n, word, sentence, now);
        }
        if (!e->is_contradicted)
                return 0;
        (void)snprintf(sentence, sizeof sentence,
                "The creator of %s has contradicted itself about who belongs, as after a restored "
                "backup: some of its changes may be undone. See \"p2pchat group list\", and ask "
                "the creator to repeat what is missing.",
                word);
        return warn(n, word, sentence, now);
}

static int ban(struct node *n, const struct group_key *key, struct now now)
{
        struct groups *g = &n->groups;
        struct link *link = session_of(n, key);
        char sentence[SENTENCE_SIZE], address[ENDPOINT_STRING_MAX];

        g->banned[g->banned_next++ % GROUP_BANNED_MAX] = (struct group_ban){
                .key = *key,
                .until_usec = usec_add(now.mono_usec, BANNED_USEC),
        };
        if (!link)
                return 0;
        link->is_in_groups = false;
        (void)snprintf(sentence, sizeof sentence,
                "%.8s… at %s sends what no honest member of a group has: it is not listened to "
                "about groups for an hour.",
                session_peer(link->session)->id, endpoint_format(&link->remote, address));
        return warn(n, "", sentence, now);
}

static int take_effect(struct node *n, const struct group_effect *e, struct now now)
{
        struct team *team = e->type == GROUP_SEND ? NULL : node_team_by_id(n, &e->group);

        switch (e->type) {
        case GROUP_SEND:
                return say(n, e, now);
        case GROUP_LOAD:
                return load_message(n, e);
        case GROUP_STORE:
                return store_group(n, e, now);
        case GROUP_STORE_LEAVE:
                return store_leave(n, e, CHANGE_LEAVE);
        case GROUP_DROP_LEAVE:
                return store_leave(n, e, CHANGE_LEAVE_GONE);
        case GROUP_FORGET:
                return forget_group(n, e);
        case GROUP_STORE_LIFE:
                return 0; /* nobody is certain that what is restored is the newest */
        case GROUP_NEW:
                return take_message(n, e, now);
        case GROUP_HELD:
                return team ? node_told_held(n, team, &e->peer, &e->lane, e->number) : 0;
        case GROUP_INVITATION:
                return invited(n, e, now);
        case GROUP_CHANGED:
                return changed(n, e, now);
        case GROUP_BAN:
                return ban(n, &e->peer, now);
        }
        return 0;
}

int node_groups_drain(struct node *n, struct now now)
{
        struct group_effect e;
        int r = 0;

        while (r >= 0 && n->groups.engine && group_next_effect(n->groups.engine, &e))
                r = take_effect(n, &e, now);
        return r < 0 ? r : 0;
}

int node_groups_blocked(struct node *n, const struct peer *peer, struct now now)
{
        char id[ID_STRING_SIZE];
        int r = 0;

        if (!n->groups.engine)
                return 0;
        list_for_each (i, &n->groups.teams) {
                struct team *team = container_of(i, struct team, list);
                struct group_info info;

                node_team_changed(n, team, false);
                if (r < 0 || !peer->record.blocked ||
                        !group_find(n->groups.engine, &team->id, &info) ||
                        info.state != GROUP_INVITED)
                        continue;
                identity_id(info.inviter.bytes, id);
                if (streq(id, peer->record.id))
                        r = MIN(group_forget(n->groups.engine, &team->id, &now), 0);
        }
        return r;
}

int node_groups_end_turn(struct node *n, struct now now)
{
        struct list *first;
        int r;

        if (!n->groups.engine)
                return 0;
        do {
                r = node_groups_drain(n, now);
                while (r == 0 && (first = list_first(&n->groups.changed))) {
                        list_remove(first);
                        r = node_told_look(n, container_of(first, struct team, changed), now);
                }
                if (r == 0)
                        r = node_gather(n, now);
                if (r == 0)
                        r = node_groups_drain(n, now);
        } while (r == 0 && !list_is_empty(&n->groups.changed));
        return r < 0 ? r : node_told_answer(n);
}

int node_groups_advance(struct node *n, struct now now)
{
        return n->groups.engine ? group_advance(n->groups.engine, &now) : 0;
}

usec_t node_groups_deadline(const struct node *n)
{
        return n->groups.engine ? usec_min(group_deadline(n->groups.engine), n->groups.seek_usec)
                                : USEC_INFINITY;
}
