/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What became new: kept apart until it is committed */
#include "store/store-internal.h"

struct stored_event {
        struct list list;
        struct store_event event;
        char strings[];
};

/* Appends a copy of @size bytes and a zero byte at *at, which is moved behind it. */
static const char *copy(char **at, const char *from, size_t size)
{
        char *to = *at;

        if (size > 0)
                memcpy(to, from, size);
        to[size] = 0;
        *at = to + size + 1;
        return to;
}

static const char *copy_string(char **at, const char *from)
{
        return copy(at, from ? from : "", from ? strlen(from) : 0);
}

static size_t string_size(const char *s)
{
        return s ? strlen(s) + 1 : 1;
}

static size_t strings_size(const struct store_event *e)
{
        switch (e->type) {
        case STORE_EVENT_MESSAGE:
                return e->message.size + 1;
        case STORE_EVENT_STATE:
                return string_size(e->state.reason);
        case STORE_EVENT_PRESENCE:
                return string_size(e->presence.user);
        case STORE_EVENT_WARNING:
                return string_size(e->warning.kind) + string_size(e->warning.user) +
                       string_size(e->warning.sentence);
        case STORE_EVENT_USERNAME:
                return string_size(e->text);
        case STORE_EVENT_SESSION:
                return string_size(e->session.user) + string_size(e->session.what);
        case STORE_EVENT_INVITED:
                return string_size(e->invited.word) + string_size(e->invited.by);
        case STORE_EVENT_FILE:
                return string_size(e->file.user) + string_size(e->file.name) +
                       string_size(e->file.detail);
        case STORE_EVENT_KNOWN:
        case STORE_EVENT_CERTIFIED:
                break;
        }
        return 0;
}

int store_add_event(struct store *s, const struct store_event *event)
{
        struct stored_event *e = malloc(sizeof *e + strings_size(event));
        char *at;

        if (!e)
                return -ENOMEM;
        e->event = *event;
        at = e->strings;
        switch (event->type) {
        case STORE_EVENT_MESSAGE:
                e->event.message.text = copy(&at, event->message.text, event->message.size);
                break;
        case STORE_EVENT_STATE:
                e->event.state.reason = copy_string(&at, event->state.reason);
                break;
        case STORE_EVENT_PRESENCE:
                e->event.presence.user = copy_string(&at, event->presence.user);
                break;
        case STORE_EVENT_WARNING:
                e->event.warning.kind = copy_string(&at, event->warning.kind);
                e->event.warning.user = copy_string(&at, event->warning.user);
                e->event.warning.sentence = copy_string(&at, event->warning.sentence);
                break;
        case STORE_EVENT_USERNAME:
                e->event.text = copy_string(&at, event->text);
                break;
        case STORE_EVENT_SESSION:
                e->event.session.user = copy_string(&at, event->session.user);
                e->event.session.what = copy_string(&at, event->session.what);
                break;
        case STORE_EVENT_INVITED:
                e->event.invited.word = copy_string(&at, event->invited.word);
                e->event.invited.by = copy_string(&at, event->invited.by);
                break;
        case STORE_EVENT_FILE:
                e->event.file.user = copy_string(&at, event->file.user);
                e->event.file.name = copy_string(&at, event->file.name);
                e->event.file.detail = copy_string(&at, event->file.detail);
                break;
        case STORE_EVENT_KNOWN:
        case STORE_EVENT_CERTIFIED:
                break;
        }
        list_append(&s->pending, &e->list);
        return 0;
}

void store_publish_events(struct store *s)
{
        struct list *i;

        while ((i = list_first(&s->pending))) {
                list_remove(i);
                list_append(&s->committed, i);
        }
}

bool store_next_event(struct store *s, struct store_event *ret)
{
        struct list *i = list_first(&s->committed);

        free(s->shown);
        s->shown = NULL;
        if (!i)
                return false;
        list_remove(i);
        s->shown = container_of(i, struct stored_event, list);
        *ret = s->shown->event;
        return true;
}

static void drop(struct list *head)
{
        struct list *i;

        while ((i = list_first(head))) {
                list_remove(i);
                free(container_of(i, struct stored_event, list));
        }
}

void store_drop_events(struct store *s)
{
        drop(&s->pending);
        drop(&s->committed);
        free(s->shown);
        s->shown = NULL;
}
