/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests that are calls: a row of the table says which
 *
 * What reads is a GET with its arguments in the query, what changes something a POST with a JSON
 * object. The answer is an object, too: what the call answers, under the names of the documented
 * interface.
 */
#include <stdio.h>

#include "bus/names.h"
#include "web/json.h"
#include "web/web.h"

#define PROPERTIES "org.freedesktop.DBus.Properties"
#define ARGUMENTS_MAX 4
#define ANSWER_SIZE_MAX (16 * 1024 * 1024)
#define VALUE_SIZE_MAX 32

#define USER_FIELDS "name id address state last_heard security flags"
#define FILE_FIELDS "id user name size done direction state"
#define GROUP_FIELDS "id word state members"
#define MESSAGE_FIELDS                                                                             \
        "sequence id direction conversation user time address user_id state security text"

enum kind {
        KIND_NONE,
        KIND_TEXT,    /* s */
        KIND_TEXTS,   /* as */
        KIND_NUMBER,  /* t; 0 when it is not there */
        KIND_COUNT,   /* u; 0 when it is not there */
        KIND_CHOICE,  /* an entry of the a{sv} at the end, when it is there: a text */
        KIND_FIXED,   /* s: the name itself, nothing of the request */
        KIND_VARIANT, /* v: a text */
};

struct argument {
        const char *name;
        enum kind kind;
};

struct route {
        const char *path;
        bool changes;
        const char *interface, *member;
        struct argument arguments[ARGUMENTS_MAX];
        const char *answers; /* names of what comes back, or NULL */
        const char *fields;  /* of structures in it */
        /* Where the table cannot say it: all arguments, and what is added to the answer. */
        int (*append)(struct visit *v, struct json_object *body);
        int (*add)(struct visit *v, struct buffer *b, sd_bus_message *reply);
};

#define CHANGE true, P2PCHAT_BUS_INTERFACE
#define LOOK false, P2PCHAT_BUS_INTERFACE
#define USER                                                                                       \
        {                                                                                          \
                "user", KIND_TEXT                                                                  \
        }
#define GROUP                                                                                      \
        {                                                                                          \
                "group", KIND_TEXT                                                                 \
        }

static const struct route routes[] = {
        { "/api/status", LOOK, "GetStatus", { { NULL } }, "status" },
        { "/api/users", LOOK, "ListUsers", { { NULL } }, "users", USER_FIELDS },
        { "/api/history", LOOK, "GetHistoryBefore",
                { USER, { "before", KIND_NUMBER }, { "limit", KIND_COUNT } }, "messages",
                MESSAGE_FIELDS },
        { "/api/history-since", LOOK, "GetHistorySince",
                { USER, { "since", KIND_NUMBER }, { "limit", KIND_COUNT } }, "messages",
                MESSAGE_FIELDS },
        { "/api/search", LOOK, "SearchHistory",
                { USER, { "text", KIND_TEXT }, { "before", KIND_NUMBER }, { "limit", KIND_COUNT } },
                "messages", MESSAGE_FIELDS },
        { "/api/fingerprint", LOOK, "GetFingerprint", { USER }, "fingerprint" },
        { "/api/send", CHANGE, "SendMessageFull",
                { USER, { "text", KIND_TEXT }, { "security", KIND_CHOICE },
                        { "number", KIND_CHOICE } },
                "id state" },
        { "/api/cancel", CHANGE, "CancelMessage", { { "id", KIND_TEXT } } },
        { "/api/forget", CHANGE, "Forget", { USER } },
        { "/api/block", CHANGE, "Block", { USER } },
        { "/api/unblock", CHANGE, "Unblock", { USER } },
        { "/api/mute", CHANGE, "Mute", { USER, { "seconds", KIND_NUMBER } } },
        { "/api/unmute", CHANGE, "Unmute", { USER } },
        { "/api/trust", CHANGE, "Trust", { USER } },
        { "/api/verify", CHANGE, "Verify", { USER, { "digits", KIND_TEXT } } },
        { "/api/alias", CHANGE, "Alias", { USER, { "name", KIND_TEXT } } },
        { "/api/files", false, P2PCHAT_BUS_FILES_INTERFACE, "List", { { NULL } }, "files",
                FILE_FIELDS, .add = files_append_arrived },
        { "/api/file-send", true, P2PCHAT_BUS_FILES_INTERFACE, "Send", { { NULL } }, "id",
                .append = files_append_upload },
        { "/api/file-accept", true, P2PCHAT_BUS_FILES_INTERFACE, "Accept",
                .append = files_append_arrival },
        { "/api/file-reject", true, P2PCHAT_BUS_FILES_INTERFACE, "Reject",
                { { "id", KIND_TEXT } } },
        { "/api/file-cancel", true, P2PCHAT_BUS_FILES_INTERFACE, "Cancel",
                { { "id", KIND_TEXT } } },
        { "/api/groups", false, P2PCHAT_BUS_GROUPS_INTERFACE, "List", { { NULL } }, "groups",
                GROUP_FIELDS },
        { "/api/group-create", true, P2PCHAT_BUS_GROUPS_INTERFACE, "Create",
                { { "name", KIND_TEXT }, { "members", KIND_TEXTS } }, "id" },
        { "/api/group-invite", true, P2PCHAT_BUS_GROUPS_INTERFACE, "Invite", { GROUP, USER } },
        { "/api/group-remove", true, P2PCHAT_BUS_GROUPS_INTERFACE, "Remove", { GROUP, USER } },
        { "/api/group-accept", true, P2PCHAT_BUS_GROUPS_INTERFACE, "Accept", { GROUP } },
        { "/api/group-leave", true, P2PCHAT_BUS_GROUPS_INTERFACE, "Leave", { GROUP } },
        { "/api/name", true, PROPERTIES, "Set",
                { { P2PCHAT_BUS_INTERFACE, KIND_FIXED }, { "Username", KIND_FIXED },
                        { "username", KIND_VARIANT } } },
};

const struct route *api_find(const char *path)
{
        for (size_t i = 0; i < ELEMENTSOF(routes); i++)
                if (streq(routes[i].path, path))
                        return &routes[i];
        return NULL;
}

bool api_changes(const struct route *route)
{
        return route->changes;
}

/*
 * From the request
 */
/* Where arguments are: in @body, or without one in the query. Both: 1, 0 or -EINVAL. */
static int get_text(struct visit *v, struct json_object *body, const char *name, const char **ret)
{
        return body ? json_get_text(body, name, ret) : request_argument(v->request, name, ret);
}

static int get_number(struct visit *v, struct json_object *body, const char *name, uint64_t *ret)
{
        const char *s;
        char *end;
        int r;

        if (body)
                return json_get_number(body, name, ret);
        r = request_argument(v->request, name, &s);
        if (r <= 0)
                return r;
        if (!s[0] || strspn(s, "0123456789") != strlen(s) || strlen(s) > 20)
                return -EINVAL;
        errno = 0;
        *ret = strtoull(s, &end, 10);
        return errno != 0 ? -EINVAL : 1;
}

/* What every append function here returns: 1 done, 0 after a refusal, or -errno. */
static int refuse_argument(struct visit *v, const char *name, bool is_number)
{
        visit_refuse(v, 400, "InvalidArgs", "%s is wanted as \"%s\".",
                is_number ? "A number from 0 on" : "A text", name);
        return 0;
}

static int append_text(
        struct visit *v, struct json_object *body, const struct argument *a, bool is_variant)
{
        const char *s;
        int r;

        if (get_text(v, body, a->name, &s) <= 0)
                return refuse_argument(v, a->name, false);
        r = is_variant ? sd_bus_message_append(v->call, "v", "s", s)
                       : sd_bus_message_append(v->call, "s", s);
        return r < 0 ? r : 1;
}

static int append_texts(struct visit *v, struct json_object *body, const struct argument *a)
{
        const char *s;
        int r = sd_bus_message_open_container(v->call, 'a', "s");

        for (size_t i = 0; r >= 0; i++) {
                int there = body ? json_get_item(body, a->name, i, &s) : 0;

                if (there < 0)
                        return refuse_argument(v, a->name, false);
                if (there == 0)
                        break;
                r = sd_bus_message_append(v->call, "s", s);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(v->call);
        return r < 0 ? r : 1;
}

static int append_number(struct visit *v, struct json_object *body, const struct argument *a)
{
        uint64_t n = 0, max = a->kind == KIND_COUNT ? UINT32_MAX : UINT64_MAX;
        int r;

        if (get_number(v, body, a->name, &n) < 0 || n > max)
                return refuse_argument(v, a->name, true);
        r = a->kind == KIND_COUNT ? sd_bus_message_append(v->call, "u", (uint32_t)n)
                                  : sd_bus_message_append(v->call, "t", n);
        return r < 0 ? r : 1;
}

/* All choices from @a on, in one dictionary. */
static int append_choices(
        struct visit *v, struct json_object *body, const struct argument *a, size_t n)
{
        int r = sd_bus_message_open_container(v->call, 'a', "{sv}");

        for (size_t i = 0; r >= 0 && i < n; i++) {
                const char *s;

                if (a[i].kind != KIND_CHOICE)
                        continue;
                r = get_text(v, body, a[i].name, &s);
                if (r < 0)
                        return refuse_argument(v, a[i].name, false);
                if (r > 0)
                        r = sd_bus_message_append(v->call, "{sv}", a[i].name, "s", s);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(v->call);
        return r < 0 ? r : 1;
}

static int append_arguments(struct visit *v, struct json_object *body)
{
        const struct argument *arguments = v->route->arguments;
        int r = 1;

        if (v->route->append)
                return v->route->append(v, body);

        for (size_t i = 0; r > 0 && i < ARGUMENTS_MAX; i++) {
                const struct argument *a = &arguments[i];

                switch (a->kind) {
                case KIND_NONE:
                        return r;
                case KIND_TEXT:
                case KIND_VARIANT:
                        r = append_text(v, body, a, a->kind == KIND_VARIANT);
                        break;
                case KIND_TEXTS:
                        r = append_texts(v, body, a);
                        break;
                case KIND_NUMBER:
                case KIND_COUNT:
                        r = append_number(v, body, a);
                        break;
                case KIND_CHOICE:
                        return append_choices(v, body, a, ARGUMENTS_MAX - i);
                case KIND_FIXED:
                        r = sd_bus_message_append(v->call, "s", a->name);
                        r = r < 0 ? r : 1;
                        break;
                }
        }
        return r;
}

/*
 * The call
 */
static int append_answer(struct visit *v, struct buffer *b, sd_bus_message *reply)
{
        const struct route *route = v->route;
        const char *name = route->answers ?: "";
        int r = buffer_append(b, "{", 1);

        while (r == 0 && *name) {
                size_t n = strcspn(name, " ");
                char key[VALUE_SIZE_MAX];

                (void)snprintf(
                        key, sizeof(key), "%s\"%.*s\":", b->size > 1 ? "," : "", (int)n, name);
                r = buffer_append_string(b, key);
                if (r == 0)
                        r = json_append_value(b, reply, route->fields);
                name += n + (name[n] == ' ');
        }
        if (r == 0 && route->add)
                r = route->add(v, b, reply);
        return r < 0 ? r : buffer_append(b, "}\n", 2);
}

static int on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        struct visit *v = userdata;
        _cleanup_(buffer_done)
        struct buffer b;
        int r;

        v->web->n_calls--;
        buffer_init(&b, ANSWER_SIZE_MAX);
        if (sd_bus_message_is_method_error(reply, NULL))
                visit_refuse_error(v, sd_bus_message_get_error(reply));
        else {
                r = append_answer(v, &b, reply);
                if (r == -ENOMEM)
                        visit_out_of_memory(v);
                else if (r < 0)
                        visit_refuse(v, 500, "Failed",
                                "The answer of the chat service is not understood: it is newer "
                                "than "
                                "this page. Restart p2pchat-web.");
                else
                        visit_answer(v, &b);
        }
        api_send_waiting(v->web);
        return 0;
}

void api_send_waiting(struct web *w)
{
        while (w->n_calls < CALLS_MAX && !list_is_empty(&w->waiting)) {
                struct visit *v = container_of(list_first(&w->waiting), struct visit, list);
                int r = service_send(w->service, v->call, on_answer, v);

                list_remove(&v->list);
                v->call = sd_bus_message_unref(v->call);
                if (r < 0)
                        visit_refuse_errno(v, r);
                else
                        w->n_calls++;
        }
}

void api_begin(struct visit *v)
{
        _cleanup_(json_freep)
        struct json_object *body = NULL;
        const char *text;
        size_t size;
        int r;

        text = request_body(v->request, &size);
        if (v->route->changes && json_parse(text, size, &body) < 0) {
                visit_refuse(v, 400, "InvalidArgs", "The body is not one JSON object.");
                return;
        }
        r = service_new_call(v->web->service, v->route->interface, v->route->member, &v->call);
        if (r >= 0)
                r = append_arguments(v, body);
        if (r < 0)
                visit_refuse_errno(v, r);
        if (r <= 0)
                return;
        list_append(&v->web->waiting, &v->list);
        api_send_waiting(v->web);
}

void api_end(struct visit *v)
{
        v->call = sd_bus_message_unref(v->call);
}
