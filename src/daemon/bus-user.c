/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Users: who is there, and what a person decides about one */
#include <stdio.h>

#include "bus/names.h"
#include "daemon/bus-private.h"

/*
 * The list
 */
/* Users come name by name. Whoever bears the name of a contact is a namesake; where nobody is the
 * contact, all who share a name are. */
static bool is_namesake(const struct user *users, size_t n, size_t at)
{
        const struct user *u = &users[at];

        if (u->namesake || u->contact)
                return u->namesake;
        return (at > 0 && name_equal(users[at - 1].name, u->name)) ||
               (at + 1 < n && name_equal(users[at + 1].name, u->name));
}

static int append_user(sd_bus_message *reply, const struct user *users, size_t n, size_t at)
{
        char flags[64] = "", address[ENDPOINT_STRING_MAX];
        const struct user *u = &users[at];
        const struct {
                bool is_set;
                const char *word;
        } words[] = {
                { u->contact, " contact" },
                { u->blocked, " blocked" },
                { u->muted, " muted" },
                { is_namesake(users, n, at), " namesake" },
                { u->cannot_chat, " cannot-chat" },
        };
        size_t used = 0;

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (words[i].is_set)
                        used += (size_t)snprintf(
                                flags + used, sizeof flags - used, "%s", words[i].word);
        return sd_bus_message_append(reply, "(" P2PCHAT_BUS_USER_ROW ")", u->name, u->id,
                endpoint_format(&u->endpoint, address), presence_word(u->presence), u->heard_usec,
                security_word(u->security), used > 0 ? flags + 1 : "");
}

int bus_list_users(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        _cleanup_(freep)
        struct user *users = NULL;
        struct bus *b = userdata;
        size_t n;
        int r;

        r = node_list_users(b->manager->node, manager_now(b->manager), &users, &n);
        if (r >= 0)
                r = sd_bus_message_new_method_return(call, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(" P2PCHAT_BUS_USER_ROW ")");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = append_user(reply, users, n, i);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/*
 * What takes a user word and nothing else
 */
static int with_user(struct bus *b, sd_bus_message *call,
        int (*decide)(struct node *, const char *, struct now, struct refusal *),
        sd_bus_error *error)
{
        struct manager *m = b->manager;
        struct refusal refusal;
        const char *word;
        int r;

        r = sd_bus_message_read(call, "s", &word);
        if (r < 0)
                return r;
        r = manager_take(m, decide(m->node, word, manager_now(m), &refusal));
        return bus_finish(b, call, r, &refusal, error);
}

int bus_forget(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        return with_user(userdata, call, node_forget, error);
}

int bus_end_session(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        return with_user(userdata, call, node_end_session, error);
}

int bus_trust(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        return with_user(userdata, call, node_trust, error);
}

static int block_user(struct node *n, const char *word, struct now now, struct refusal *ret_refusal)
{
        return node_block(n, word, true, now, ret_refusal);
}

int bus_block(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        return with_user(userdata, call, block_user, error);
}

static int unblock_user(
        struct node *n, const char *word, struct now now, struct refusal *ret_refusal)
{
        return node_block(n, word, false, now, ret_refusal);
}

int bus_unblock(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        return with_user(userdata, call, unblock_user, error);
}

static int unmute_user(
        struct node *n, const char *word, struct now now, struct refusal *ret_refusal)
{
        return node_mute(n, word, 0, now, ret_refusal);
}

int bus_unmute(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        return with_user(userdata, call, unmute_user, error);
}

/*
 * What takes more
 */
int bus_mute(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        usec_t until_usec = USEC_INFINITY;
        struct bus *b = userdata;
        struct manager *m = b->manager;
        struct refusal refusal;
        uint64_t seconds;
        const char *word;
        int r;

        r = sd_bus_message_read(call, "st", &word, &seconds);
        if (r < 0)
                return r;
        if (seconds > 0 && seconds < USEC_INFINITY / USEC_PER_SEC)
                until_usec = usec_add(manager_now(m).real_usec, seconds * USEC_PER_SEC);
        r = manager_take(m, node_mute(m->node, word, until_usec, manager_now(m), &refusal));
        return bus_finish(b, call, r, &refusal, error);
}

static int with_user_and_text(struct bus *b, sd_bus_message *call,
        int (*decide)(struct node *, const char *, const char *, struct now, struct refusal *),
        sd_bus_error *error)
{
        struct manager *m = b->manager;
        const char *word, *text;
        struct refusal refusal;
        int r;

        r = sd_bus_message_read(call, "ss", &word, &text);
        if (r < 0)
                return r;
        r = manager_take(m, decide(m->node, word, text, manager_now(m), &refusal));
        return bus_finish(b, call, r, &refusal, error);
}

int bus_verify(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        return with_user_and_text(userdata, call, node_verify, error);
}

int bus_alias(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        return with_user_and_text(userdata, call, node_alias, error);
}

int bus_get_fingerprint(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        char digits[FINGERPRINT_SIZE];
        struct bus *b = userdata;
        struct refusal refusal;
        const char *word;
        int r;

        r = sd_bus_message_read(call, "s", &word);
        if (r >= 0)
                r = node_fingerprint(b->manager->node, word, digits, &refusal);
        if (r != 0)
                return r < 0 ? r : bus_set_refusal(error, r, &refusal);
        return sd_bus_reply_method_return(call, "s", digits);
}
