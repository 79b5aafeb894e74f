/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.example.P2PChat.Groups */
#include "bus/names.h"
#include "daemon/bus-private.h"

/*
 * Changes
 */
/* The words of @call, an array; the strings are the message's. Memory to be freed. */
static int read_words(sd_bus_message *call, const char ***ret, size_t *ret_n)
{
        _cleanup_(freep)
        const char **words = NULL;
        size_t n = 0, n_allocated = 0;
        const char *word;
        int r;

        r = sd_bus_message_enter_container(call, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read_basic(call, 's', &word)) > 0) {
                if (n == n_allocated) {
                        const char **more;

                        n_allocated = MAX(2 * n_allocated, (size_t)16);
                        more = reallocarray(words, n_allocated, sizeof *words);
                        if (!more)
                                return -ENOMEM;
                        words = more;
                }
                words[n++] = word;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(call);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(words);
        *ret_n = n;
        return 0;
}

static int create(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        _cleanup_(freep)
        const char **words = NULL;
        struct bus *b = userdata;
        struct manager *m = b->manager;
        char id[GROUP_ID_STRING_SIZE];
        struct refusal refusal;
        const char *name;
        size_t n;
        int r;

        r = sd_bus_message_read(call, "s", &name);
        if (r >= 0)
                r = read_words(call, &words, &n);
        if (r >= 0)
                r = bus_check_space(m, error);
        if (r < 0)
                return r;
        r = manager_take(
                m, node_group_create(m->node, name, words, n, manager_now(m), id, &refusal));
        return bus_finish_text(b, call, r, &refusal, id, error);
}

typedef int (*decide_fn)(struct node *, const char *, struct now, struct refusal *);

static int with_group(
        struct bus *b, sd_bus_message *call, decide_fn decide, bool grows, sd_bus_error *error)
{
        struct manager *m = b->manager;
        struct refusal refusal;
        const char *group;
        int r;

        r = sd_bus_message_read(call, "s", &group);
        if (r >= 0 && grows)
                r = bus_check_space(m, error);
        if (r < 0)
                return r;
        r = manager_take(m, decide(m->node, group, manager_now(m), &refusal));
        return bus_finish(b, call, r, &refusal, error);
}

static int accept_invitation(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        return with_group(userdata, call, node_group_accept, true, error);
}

/* Also on a full disk: it makes room, and must not be kept from anybody. */
static int leave(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        return with_group(userdata, call, node_group_leave, false, error);
}

static int with_group_and_user(struct bus *b, sd_bus_message *call,
        int (*decide)(struct node *, const char *, const char *, struct now, struct refusal *),
        bool grows, sd_bus_error *error)
{
        struct manager *m = b->manager;
        const char *group, *user;
        struct refusal refusal;
        int r;

        r = sd_bus_message_read(call, "ss", &group, &user);
        if (r >= 0 && grows)
                r = bus_check_space(m, error);
        if (r < 0)
                return r;
        r = manager_take(m, decide(m->node, group, user, manager_now(m), &refusal));
        return bus_finish(b, call, r, &refusal, error);
}

static int invite(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        return with_group_and_user(userdata, call, node_group_invite, true, error);
}

static int remove_member(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        return with_group_and_user(userdata, call, node_group_remove, false, error);
}

/*
 * What there is
 */
static int append_members(sd_bus_message *reply, struct manager *m, const char *id)
{
        _cleanup_(freep)
        struct group_member_view *members = NULL;
        size_t n;
        int r;

        r = node_list_members(m->node, id, manager_now(m), &members, &n);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "s");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = sd_bus_message_append(reply, "s", members[i].word);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_group(sd_bus_message *reply, struct manager *m, const struct group_view *g)
{
        int r;

        r = sd_bus_message_open_container(reply, 'r', P2PCHAT_BUS_GROUP_ROW);
        if (r >= 0)
                r = sd_bus_message_append(
                        reply, "sss", g->id, g->word, g->is_invited ? "invited" : "member");
        if (r >= 0)
                r = append_members(reply, m, g->id);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int list(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        struct manager *m = ((struct bus *)userdata)->manager;
        _cleanup_(freep)
        struct group_view *groups = NULL;
        size_t n;
        int r;

        r = node_list_groups(m->node, &groups, &n);
        if (r >= 0)
                r = sd_bus_message_new_method_return(call, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(" P2PCHAT_BUS_GROUP_ROW ")");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = append_group(reply, m, &groups[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/*
 * What the bus sees, in the order of the documentation
 */
#define UNPRIVILEGED SD_BUS_VTABLE_UNPRIVILEGED

/* clang-format off */
const sd_bus_vtable bus_groups_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Create",
                SD_BUS_ARGS("s", name, "as", members),
                SD_BUS_RESULT("s", id),
                create, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Invite",
                SD_BUS_ARGS("s", group, "s", user),
                SD_BUS_NO_RESULT,
                invite, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Accept",
                SD_BUS_ARGS("s", group),
                SD_BUS_NO_RESULT,
                accept_invitation, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Remove",
                SD_BUS_ARGS("s", group, "s", user),
                SD_BUS_NO_RESULT,
                remove_member, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Leave",
                SD_BUS_ARGS("s", group),
                SD_BUS_NO_RESULT,
                leave, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("List",
                SD_BUS_NO_ARGS,
                SD_BUS_RESULT("a(" P2PCHAT_BUS_GROUP_ROW ")", groups),
                list, UNPRIVILEGED),

        SD_BUS_SIGNAL_WITH_ARGS("Invited", SD_BUS_ARGS("s", group, "s", id, "s", inviter), 0),
        SD_BUS_VTABLE_END,
};
/* clang-format on */
