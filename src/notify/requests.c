/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What waits for a yes or no: files that are offered, invitations to groups */
#include <stdio.h>

#include "base/text.h"
#include "bus/names.h"
#include "notify/launch.h"
#include "notify/notifier-private.h"
#include "os/log.h"

#define WAITING_MAX 8 /* of each kind that are shown at the start */

/*
 * Files
 */
int notifier_offered(const char *id, const char *user, const char *name, const char *security,
        uint64_t size, void *userdata)
{
        struct notifier *n = userdata;
        struct bubble *b = server_get(n->server, BUBBLE_OFFER, id);
        char line[BUBBLE_LINE_SIZE_MAX], bytes[SIZE_STRING_MAX];

        if (!b)
                return -ENOMEM;
        bubble_clear(b);
        (void)snprintf(line, sizeof line, "%.180s, %s", name, size_format(size, bytes));
        (void)snprintf(b->title, sizeof b->title, "%.150s offers a file", user);
        bubble_add(b, "", security, line);
        return server_show(n->server, b);
}

static void accept_file(struct notifier *n, const struct bubble *offer)
{
        int r = launch_download(offer->key);

        if (r < 0)
                (void)notifier_failed(n, offer->key, "Not accepted", strerror(-r));
        else
                (void)notifier_say(
                        n, BUBBLE_FILE, offer->key, offer->lines[0].text, "It is being fetched.");
}

/* Offered files that are over vanish; of those that were accepted here a person hears. */
int notifier_finished(const char *id, const char *state, const char *reason, void *userdata)
{
        struct notifier *n = userdata;
        struct bubble *offer = server_find(n->server, BUBBLE_OFFER, id);
        struct bubble *file = server_find(n->server, BUBBLE_FILE, id);
        char title[BUBBLE_WORD_SIZE_MAX], sentence[BUBBLE_LINE_SIZE_MAX];

        if (file) {
                memcpy(title, file->title, sizeof title);
                (void)snprintf(sentence, sizeof sentence, "It did not come: %.150s.",
                        reason[0] ? reason : state);
                return notifier_say(n, BUBBLE_FILE, id, title,
                        streq(state, "done") ? "It is here, with the downloads." : sentence);
        }
        return offer ? server_close(n->server, offer) : 0;
}

static int show_waiting_files(struct notifier *n)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *rows = NULL;
        struct bus_file f;
        size_t count = 0;
        int r;

        if (bus_client_file_list(feed_client(n->feed), &rows) < 0)
                return 0;
        while (count < WAITING_MAX && (r = bus_file_next(rows, &f)) > 0)
                if (streq(f.direction, "received") && streq(f.state, "offered")) {
                        r = notifier_offered(f.id, f.user, f.name, "", f.size, n);
                        if (r < 0)
                                return r;
                        count++;
                }
        return 0;
}

/*
 * Invitations
 */
int notifier_invited(const char *group, const char *id, const char *inviter, void *userdata)
{
        char title[BUBBLE_WORD_SIZE_MAX], sentence[BUBBLE_LINE_SIZE_MAX];

        (void)snprintf(title, sizeof title, "Invitation to %.150s", group);
        if (inviter[0])
                (void)snprintf(sentence, sizeof sentence, "%.150s invites you.", inviter);
        else
                (void)snprintf(sentence, sizeof sentence, "You are invited.");
        return notifier_say(userdata, BUBBLE_INVITATION, id, title, sentence);
}

static int show_waiting_invitations(struct notifier *n)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *rows = NULL;
        struct bus_group g;
        const char *member;
        size_t count = 0;
        int r = 0;

        if (bus_client_group_list(feed_client(n->feed), &rows) < 0)
                return 0;
        while (count < WAITING_MAX && bus_group_next(rows, &g) > 0) {
                if (streq(g.state, "invited")) {
                        r = notifier_invited(g.word, g.id, "", n);
                        count++;
                }
                while (r >= 0 && bus_group_next_member(rows, &member) > 0)
                        ;
                if (r < 0)
                        return r;
        }
        return 0;
}

int notifier_show_waiting(struct notifier *n)
{
        int r = show_waiting_files(n);

        return r < 0 ? r : show_waiting_invitations(n);
}

/*
 * Buttons
 */
size_t notifier_request_actions(const struct bubble *b, struct server_action *ret)
{
        if (b->kind != BUBBLE_OFFER && b->kind != BUBBLE_INVITATION)
                return 0;
        ret[0] = (struct server_action){ "accept", "Accept" };
        ret[1] = (struct server_action){ "reject", b->kind == BUBBLE_OFFER ? "Reject" : "Decline" };
        return 2;
}

static void answer(struct notifier *n, const struct bubble *b, const char *interface,
        const char *member, const char *what)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL;
        int r;

        r = call_new(n, interface, member, &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", b->key);
        call_send(n, m, r, b->title, what);
}

bool notifier_request_action(struct notifier *n, struct bubble *b, const char *key)
{
        bool is_accepted = streq(key, "accept");

        if ((b->kind != BUBBLE_OFFER && b->kind != BUBBLE_INVITATION) ||
                (!is_accepted && !streq(key, "reject")))
                return false;
        if (b->kind == BUBBLE_INVITATION)
                answer(n, b, P2PCHAT_BUS_GROUPS_INTERFACE, is_accepted ? "Accept" : "Leave",
                        is_accepted ? "Not accepted" : "Not declined");
        else if (is_accepted)
                accept_file(n, b);
        else
                answer(n, b, P2PCHAT_BUS_FILES_INTERFACE, "Reject", "Not rejected");
        (void)server_close(n->server, b);
        return true;
}
