/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The notification server of the desktop */
#include "notify/server.h"

#include "os/log.h"

#define NAME "org.freedesktop.Notifications"
#define PATH "/org/freedesktop/Notifications"
#define APPLICATION "p2pchat"
#define CLOSED_BY_USER 2
#define CALL_USEC UINT64_C(10000000) /* a server may be started for it */

struct server {
        sd_bus *bus;
        const struct server_handler *handler;
        void *userdata;
        struct bubble_style style;
        bool has_actions, has_reply;
        bool is_known, is_asked; /* its capabilities */
        unsigned generation;     /* another server, another number */
        sd_bus_slot *owner_slot, *signal_slot;
        struct list bubbles;
        size_t n_bubbles;
};

/* A Notify that is not answered yet. */
struct sent {
        struct server *server;
        struct bubble *bubble;
        unsigned generation;
};

static void bubble_free(struct server *s, struct bubble *b)
{
        list_remove(&b->list);
        s->n_bubbles--;
        free(b->key);
        free(b);
}

struct bubble *server_find(struct server *s, enum bubble_kind kind, const char *key)
{
        list_for_each (i, &s->bubbles) {
                struct bubble *b = container_of(i, struct bubble, list);

                if (b->kind == kind && streq(b->key, key) && !b->is_closed)
                        return b;
        }
        return NULL;
}

/* The one that was there longest, and waits for no answer. */
static void make_room(struct server *s)
{
        struct bubble *oldest = NULL;

        if (s->n_bubbles < SERVER_BUBBLES_MAX)
                return;
        list_for_each (i, &s->bubbles) {
                struct bubble *b = container_of(i, struct bubble, list);

                if (!b->is_sent)
                        oldest = oldest ? oldest : b;
        }
        if (oldest)
                bubble_free(s, oldest);
}

struct bubble *server_get(struct server *s, enum bubble_kind kind, const char *key)
{
        struct bubble *b = server_find(s, kind, key);

        if (b) {
                list_remove(&b->list);
                list_append(&s->bubbles, &b->list);
                return b;
        }
        make_room(s);
        b = calloc(1, sizeof *b);
        if (!b)
                return NULL;
        b->kind = kind;
        b->key = strdup(key);
        if (!b->key) {
                free(b);
                return NULL;
        }
        list_append(&s->bubbles, &b->list);
        s->n_bubbles++;
        return b;
}

static struct bubble *find_id(struct server *s, uint32_t id)
{
        list_for_each (i, &s->bubbles) {
                struct bubble *b = container_of(i, struct bubble, list);

                if (id != 0 && b->id == id)
                        return b;
        }
        return NULL;
}

bool server_is_idle(const struct server *s)
{
        list_for_each (i, &s->bubbles) {
                const struct bubble *b = container_of(i, const struct bubble, list);

                if (b->is_sent || b->is_changed)
                        return false;
        }
        return true;
}

/*
 * Notify
 */
static int flush(struct server *s);

static int close_now(struct server *s, struct bubble *b)
{
        int r = 0;

        if (b->id != 0)
                r = sd_bus_call_method_async(s->bus, NULL, NAME, PATH, NAME, "CloseNotification",
                        NULL, NULL, "u", b->id);
        bubble_free(s, b);
        return r < 0 ? r : 0;
}

static void sent_free(void *p)
{
        free(p);
}

static int on_notified(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct sent *sent = userdata;
        struct server *s = sent->server;
        struct bubble *b = sent->bubble;
        uint32_t id = 0;

        b->is_sent = false;
        if (sd_bus_message_is_method_error(m, NULL)) {
                log_debug("The notification server did not take a bubble: %s",
                        sd_bus_message_get_error(m)->message);
                b->id = 0;
                /* Shown when a server comes, or with the next news. */
                if (sent->generation == s->generation)
                        b->is_changed = false;
        } else if (sd_bus_message_read(m, "u", &id) >= 0 && sent->generation == s->generation) {
                b->id = id;
        }
        if (b->is_closed)
                return close_now(s, b);
        return flush(s);
}

static int append_actions(const struct server *s, const struct bubble *b, sd_bus_message *m)
{
        struct server_action actions[SERVER_ACTIONS_MAX];
        size_t n = 0;
        int r;

        if (s->has_actions)
                n = s->handler->actions(b, s->has_reply, actions, s->userdata);
        r = sd_bus_message_open_container(m, 'a', "s");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = sd_bus_message_append(m, "ss", actions[i].key, actions[i].label);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static const char *category(enum bubble_kind kind)
{
        switch (kind) {
        case BUBBLE_CONVERSATION:
        case BUBBLE_MISSED:
                return "im.received";
        case BUBBLE_OFFER:
        case BUBBLE_FILE:
                return "transfer";
        case BUBBLE_INVITATION:
                return "im";
        case BUBBLE_WARNING:
        case BUBBLE_FAILURE:
        case BUBBLE_REFUSED:
                return "im.error";
        }
        return "im";
}

static int send_bubble(struct server *s, struct bubble *b)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL;
        sd_bus_slot *slot = NULL;
        struct sent *sent;
        char summary[BUBBLE_SUMMARY_SIZE], body[BUBBLE_BODY_SIZE];
        uint8_t urgency = b->kind == BUBBLE_WARNING ? 2 : 1;
        int r;

        bubble_summary(b, &s->style, summary);
        bubble_body(b, &s->style, body);
        r = sd_bus_message_new_method_call(s->bus, &m, NAME, PATH, NAME, "Notify");
        if (r >= 0)
                r = sd_bus_message_append(
                        m, "susss", APPLICATION, b->id, APPLICATION, summary, body);
        if (r >= 0)
                r = append_actions(s, b, m);
        if (r >= 0)
                r = sd_bus_message_append(m, "a{sv}i", 3, "category", "s", category(b->kind),
                        "desktop-entry", "s", "p2pchat", "urgency", "y", urgency, -1);
        if (r < 0)
                return r;
        sent = malloc(sizeof *sent);
        if (!sent)
                return -ENOMEM;
        *sent = (struct sent){ .server = s, .bubble = b, .generation = s->generation };
        r = sd_bus_call_async(s->bus, &slot, m, on_notified, sent, CALL_USEC);
        if (r < 0) {
                free(sent);
                return r;
        }
        r = sd_bus_slot_set_destroy_callback(slot, sent_free);
        if (r >= 0)
                r = sd_bus_slot_set_floating(slot, 1);
        sd_bus_slot_unref(slot);
        b->is_sent = true;
        b->is_changed = false;
        return r < 0 ? r : 0;
}

/*
 * What the server can
 */
static int read_capabilities(struct server *s, sd_bus_message *m)
{
        const char *word;
        int r;

        s->style.has_body = s->style.has_markup = s->has_actions = s->has_reply = false;
        r = sd_bus_message_enter_container(m, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read(m, "s", &word)) > 0) {
                s->style.has_body |= streq(word, "body");
                s->style.has_markup |= streq(word, "body-markup");
                s->has_actions |= streq(word, "actions");
                s->has_reply |= streq(word, "inline-reply");
        }
        s->is_known = r >= 0;
        return r;
}

static int on_capabilities(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct server *s = userdata;

        s->is_asked = false;
        if (sd_bus_message_is_method_error(m, NULL)) {
                log_info("There is no notification server: %s",
                        sd_bus_message_get_error(m)->message);
                return 0;
        }
        if (read_capabilities(s, m) < 0)
                return 0;
        return flush(s);
}

static int ask_capabilities(struct server *s)
{
        int r;

        if (s->is_asked)
                return 0;
        r = sd_bus_call_method_async(
                s->bus, NULL, NAME, PATH, NAME, "GetCapabilities", on_capabilities, s, NULL);
        if (r < 0)
                return r;
        s->is_asked = true;
        return 0;
}

static int flush(struct server *s)
{
        int r = 0;

        list_for_each_safe (i, &s->bubbles) {
                struct bubble *b = container_of(i, struct bubble, list);

                if (!b->is_changed || b->is_sent)
                        continue;
                r = s->is_known ? send_bubble(s, b) : ask_capabilities(s);
                if (r < 0)
                        return r;
        }
        return 0;
}

int server_show(struct server *s, struct bubble *b)
{
        b->is_changed = true;
        return flush(s);
}

int server_close(struct server *s, struct bubble *b)
{
        if (!b->is_sent)
                return close_now(s, b);
        b->is_closed = true;
        b->is_changed = false;
        return 0;
}

/*
 * What comes from it
 */
static int on_owner(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct server *s = userdata;
        const char *name, *before, *after;

        if (sd_bus_message_read(m, "sss", &name, &before, &after) < 0)
                return 0;
        s->generation++;
        s->is_known = s->is_asked = false;
        list_for_each (i, &s->bubbles) {
                struct bubble *b = container_of(i, struct bubble, list);

                b->id = 0;
                b->is_changed = !b->is_closed;
        }
        return after[0] ? flush(s) : 0;
}

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct server *s = userdata;
        struct bubble *b;
        const char *text = NULL;
        uint32_t id, reason;

        if (sd_bus_message_is_signal(m, NAME, "NotificationClosed")) {
                if (sd_bus_message_read(m, "uu", &id, &reason) < 0 || !(b = find_id(s, id)))
                        return 0;
                b->id = 0;
                if (reason == CLOSED_BY_USER)
                        s->handler->dismissed(b, s->userdata);
        } else if (sd_bus_message_is_signal(m, NAME, "ActionInvoked")) {
                if (sd_bus_message_read(m, "us", &id, &text) >= 0 && (b = find_id(s, id)))
                        s->handler->action(b, text, s->userdata);
        } else if (sd_bus_message_is_signal(m, NAME, "NotificationReplied")) {
                if (sd_bus_message_read(m, "us", &id, &text) >= 0 && (b = find_id(s, id)))
                        s->handler->reply(b, text, s->userdata);
        }
        return 0;
}

int server_new(sd_bus *bus, bool is_private, const struct server_handler *handler, void *userdata,
        struct server **ret)
{
        _cleanup_(server_freep)
        struct server *s = calloc(1, sizeof *s);
        int r;

        if (!s)
                return -ENOMEM;
        list_init(&s->bubbles);
        s->bus = sd_bus_ref(bus);
        s->style.is_private = is_private;
        s->handler = handler;
        s->userdata = userdata;
        r = sd_bus_add_match_async(bus, &s->owner_slot,
                "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
                "member='NameOwnerChanged',arg0='" NAME "'",
                on_owner, NULL, s);
        if (r >= 0)
                r = sd_bus_add_match_async(bus, &s->signal_slot,
                        "type='signal',sender='" NAME "',interface='" NAME "'", on_signal, NULL, s);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

struct server *server_free(struct server *s)
{
        if (!s)
                return NULL;
        sd_bus_slot_unref(s->owner_slot);
        sd_bus_slot_unref(s->signal_slot);
        sd_bus_unref(s->bus);
        list_for_each_safe (i, &s->bubbles)
                bubble_free(s, container_of(i, struct bubble, list));
        free(s);
        return NULL;
}
