/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls of the service that are not waited for */
#include <stdio.h>

#include "bus/names.h"
#include "notify/notifier-private.h"

struct request {
        struct notifier *notifier;
        const char *what;
        char word[BUBBLE_WORD_SIZE_MAX];
};

/* A message that was written in a bubble: what becomes of it later is told, too. */
static void remember(struct notifier *n, const char *id, const char *word)
{
        struct answer *a = &n->answers[n->answer_next++ % REPLIES_MAX];

        (void)snprintf(a->id, sizeof a->id, "%s", id);
        (void)snprintf(a->word, sizeof a->word, "%s", word);
}

static int on_answered(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct request *q = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(m);
        const char *id;

        if (e)
                return notifier_failed(
                        q->notifier, q->word, q->what, e->message ? e->message : e->name);
        if (streq(q->what, CALL_SEND_FAILED) && sd_bus_message_read(m, "s", &id) >= 0)
                remember(q->notifier, id, q->word);
        return 0;
}

static int send(struct notifier *n, sd_bus_message *m, const char *word, const char *what)
{
        sd_bus_slot *slot = NULL;
        struct request *q = calloc(1, sizeof *q);
        int r;

        if (!q)
                return -ENOMEM;
        q->notifier = n;
        q->what = what;
        (void)snprintf(q->word, sizeof q->word, "%s", word);
        r = sd_bus_call_async(bus_client_bus(feed_client(n->feed)), &slot, m, on_answered, q, 0);
        if (r >= 0)
                r = sd_bus_slot_set_destroy_callback(slot, free);
        if (r < 0)
                free(q);
        else
                r = sd_bus_slot_set_floating(slot, 1);
        sd_bus_slot_unref(slot);
        return r;
}

int call_new(struct notifier *n, const char *interface, const char *member, sd_bus_message **ret)
{
        struct bus_client *c = feed_client(n->feed);

        if (!c)
                return -ENOTCONN;
        return sd_bus_message_new_method_call(
                bus_client_bus(c), ret, P2PCHAT_BUS_NAME, P2PCHAT_BUS_PATH, interface, member);
}

void call_send(struct notifier *n, sd_bus_message *m, int r, const char *word, const char *what)
{
        if (r >= 0)
                r = send(n, m, word, what);
        if (r < 0)
                (void)notifier_failed(n, word, what, "The chat service is not there.");
}
