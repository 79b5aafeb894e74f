/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the chat service to bubbles, and back */
#include "notify/notifier.h"

#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include "bus/names.h"
#include "notify/launch.h"
#include "notify/notifier-private.h"
#include "os/log.h"

#define MUTE_SECONDS 3600
#define SAVE_USEC (2 * USEC_PER_SEC)

/*
 * Where we are
 */
static int on_save(sd_event_source *s, uint64_t usec, void *userdata)
{
        struct notifier *n = userdata;
        int r;

        if (!n->is_started || n->bookmark.sequence == feed_last(n->feed))
                return 0;
        r = bookmark_write(&n->bookmark, feed_last(n->feed));
        if (r < 0)
                log_warning_errno(r, "Failed to remember what was shown: %m");
        return 0;
}

static int save_later(struct notifier *n)
{
        int enabled = SD_EVENT_OFF, r;

        if (n->bookmark.sequence == feed_last(n->feed))
                return 0;
        r = sd_event_source_get_enabled(n->save, &enabled);
        if (r < 0 || enabled != SD_EVENT_OFF)
                return r < 0 ? r : 0;
        r = sd_event_source_set_time_relative(n->save, SAVE_USEC);
        return r < 0 ? r : sd_event_source_set_enabled(n->save, SD_EVENT_ONESHOT);
}

/*
 * Bubbles with one sentence
 */
int notifier_say(struct notifier *n, enum bubble_kind kind, const char *key, const char *title,
        const char *sentence)
{
        struct bubble *b = server_get(n->server, kind, key);

        if (!b)
                return -ENOMEM;
        bubble_clear(b);
        (void)snprintf(b->title, sizeof b->title, "%s", title);
        bubble_add(b, "", "", sentence);
        return server_show(n->server, b);
}

int notifier_failed(struct notifier *n, const char *word, const char *what, const char *why)
{
        char title[BUBBLE_WORD_SIZE_MAX];

        (void)snprintf(title, sizeof title, "%s: %.150s", what, word);
        return notifier_say(n, BUBBLE_FAILURE, word, title, why);
}

/*
 * Messages
 */
static void count_missed(struct notifier *n, const struct bus_message *m)
{
        size_t i = 0;

        n->n_missed_messages++;
        while (i < n->n_missed && !streq(n->missed[i].word, m->conversation))
                i++;
        if (i == MISSED_MAX)
                return;
        if (i == n->n_missed) {
                n->missed[n->n_missed++].n = 0;
                (void)snprintf(n->missed[i].word, sizeof n->missed[i].word, "%s", m->conversation);
        }
        n->missed[i].n++;
}

static int show_missed(struct notifier *n)
{
        char title[80], sentence[BUBBLE_LINE_SIZE_MAX] = "";
        size_t size = 0;

        (void)snprintf(title, sizeof title, "%zu %s while you were away", n->n_missed_messages,
                n->n_missed_messages == 1 ? "message" : "messages");
        for (size_t i = 0; i < n->n_missed && size < sizeof sentence - 1; i++) {
                int k = snprintf(sentence + size, sizeof sentence - size, "%s%s (%zu)",
                        i > 0 ? ", " : "", n->missed[i].word, n->missed[i].n);

                size += k > 0 ? (size_t)k : 0;
        }
        n->n_missed = n->n_missed_messages = 0;
        return notifier_say(n, BUBBLE_MISSED, "", title, sentence);
}

static int show_message(struct notifier *n, const struct bus_message *m)
{
        struct bubble *b = server_get(n->server, BUBBLE_CONVERSATION, m->conversation);
        bool is_group = m->conversation[0] == '+';

        if (!b)
                return -ENOMEM;
        (void)snprintf(b->title, sizeof b->title, "%s", m->conversation);
        bubble_add(b, is_group ? m->user : "", m->security, m->text);
        return server_show(n->server, b);
}

static int on_deliver(const struct bus_message *m, void *userdata)
{
        struct notifier *n = userdata;

        if (streq(m->direction, "sent")) {
                struct bubble *b = server_find(n->server, BUBBLE_CONVERSATION, m->conversation);

                return b ? server_close(n->server, b) : 0;
        }
        if (!streq(m->state, "received")) /* muted */
                return 0;
        if (n->is_summing) {
                count_missed(n, m);
                return 0;
        }
        return show_message(n, m);
}

static int on_idle(void *userdata)
{
        struct notifier *n = userdata;
        int r = 0;

        if (n->is_summing && n->n_missed_messages > 0)
                r = show_missed(n);
        n->is_summing = false;
        return r < 0 || !n->is_started ? r : save_later(n);
}

static int on_message_state(const char *id, const char *state, const char *reason, void *userdata)
{
        struct notifier *n = userdata;

        if (!streq(state, "failed"))
                return 0;
        for (size_t i = 0; i < REPLIES_MAX; i++)
                if (streq(n->answers[i].id, id))
                        return notifier_failed(n, n->answers[i].word, "Not delivered", reason);
        return 0;
}

static int on_warning(const char *kind, const char *user, const char *sentence, void *userdata)
{
        static const struct {
                const char *kind, *title;
        } warnings[] = {
                { "KeyChanged", "Another key" },
                { "Namesake", "A namesake" },
                { "Clone", "This machine was copied" },
        };
        char title[BUBBLE_WORD_SIZE_MAX], key[BUBBLE_WORD_SIZE_MAX];

        for (size_t i = 0; i < ELEMENTSOF(warnings); i++) {
                if (!streq(warnings[i].kind, kind))
                        continue;
                (void)snprintf(key, sizeof key, "%s %.150s", kind, user);
                (void)snprintf(title, sizeof title, "%s%s%.150s", warnings[i].title,
                        user[0] ? ": " : "", user);
                return notifier_say(userdata, BUBBLE_WARNING, key, title, sentence);
        }
        return 0;
}

/*
 * The service
 */
static int refuse(struct notifier *n)
{
        const struct passwd *user = getpwuid(getuid());
        char sentence[BUBBLE_LINE_SIZE_MAX];

        n->is_refused = true;
        (void)snprintf(sentence, sizeof sentence,
                "You may not use the chat service of this machine. An administrator can change "
                "that: \"adduser %.32s p2pchat\". Then log in again.",
                user ? user->pw_name : "USER");
        log_warning("%s", sentence);
        return notifier_say(n, BUBBLE_REFUSED, "", "Chat is not for you yet", sentence);
}

static int start_feed(struct notifier *n)
{
        uint64_t last = n->bookmark.sequence;
        int r;

        n->is_summing = last != UINT64_MAX;
        r = feed_start(n->feed, last);
        if (r < 0 && bus_client_outcome(feed_client(n->feed)) == BUS_ACCESS_DENIED)
                return refuse(n);
        /* It went before it answered: it will come back. */
        if (r < 0 && r != -ENOMEM) {
                log_info("The chat service does not answer: %s",
                        bus_client_error(feed_client(n->feed)));
                return 0;
        }
        if (r < 0)
                return r;
        n->is_started = true;
        r = notifier_show_waiting(n);
        return r < 0 ? r : save_later(n);
}

static int on_service(bool there, void *userdata)
{
        struct notifier *n = userdata;

        log_debug("The chat service is %s.", there ? "there" : "gone");
        return there && !n->is_started && !n->is_refused ? start_feed(n) : 0;
}

static const struct feed_handler feed_handler = {
        .deliver = on_deliver,
        .idle = on_idle,
        .service = on_service,
        .message_state = on_message_state,
        .warning = on_warning,
        .invited = notifier_invited,
        .file_offered = notifier_offered,
        .file_finished = notifier_finished,
};

/*
 * Buttons
 */
static void mute(struct notifier *n, const char *word)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL;
        int r;

        r = call_new(n, P2PCHAT_BUS_INTERFACE, "Mute", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "st", word, (uint64_t)MUTE_SECONDS);
        call_send(n, m, r, word, "Not muted");
}

static void on_reply(struct bubble *b, const char *text, void *userdata)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL;
        struct notifier *n = userdata;
        int r;

        if (b->kind != BUBBLE_CONVERSATION || !text[0])
                return;
        r = call_new(n, P2PCHAT_BUS_INTERFACE, "SendMessage", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", b->key, text);
        call_send(n, m, r, b->key, CALL_SEND_FAILED);
}

static void open_conversation(struct notifier *n, const char *word)
{
        struct bus_client *c = feed_client(n->feed);
        int r;

        r = c ? launch_conversation(bus_client_bus(c), word) : -ENOTCONN;
        if (r >= 0)
                return;
        log_warning_errno(r, "Failed to open the conversation: %m");
        (void)notifier_failed(n, word, "Cannot open",
                "Neither the web page nor a terminal was found. Install p2pchat-web, or run "
                "\"p2pchat chat\" in a terminal.");
}

static size_t on_actions(
        const struct bubble *b, bool has_reply, struct server_action *ret, void *userdata)
{
        size_t n = 0;

        if (b->kind == BUBBLE_CONVERSATION || b->kind == BUBBLE_MISSED)
                ret[n++] = (struct server_action){ ACTION_DEFAULT, "Open" };
        if (b->kind == BUBBLE_CONVERSATION) {
                ret[n++] = (struct server_action){ has_reply ? ACTION_REPLY : "reply", "Reply" };
                ret[n++] = (struct server_action){ "mute", "Mute 1 h" };
        }
        return n + notifier_request_actions(b, ret + n);
}

static void on_action(struct bubble *b, const char *key, void *userdata)
{
        struct notifier *n = userdata;

        if (notifier_request_action(n, b, key))
                return;
        if (b->kind == BUBBLE_CONVERSATION && streq(key, "mute"))
                mute(n, b->key);
        else if (b->kind == BUBBLE_CONVERSATION &&
                 (streq(key, ACTION_DEFAULT) || streq(key, "reply")))
                open_conversation(n, b->key);
        else if (b->kind == BUBBLE_MISSED && streq(key, ACTION_DEFAULT))
                open_conversation(n, "");
        else
                return;
        (void)server_close(n->server, b);
}

static void on_dismissed(struct bubble *b, void *userdata)
{
        struct notifier *n = userdata;

        (void)server_close(n->server, b);
}

static const struct server_handler server_handler = {
        .actions = on_actions,
        .action = on_action,
        .reply = on_reply,
        .dismissed = on_dismissed,
};

/*
 * Life
 */
/* Who may not use the service is told so; then there is nothing left to do. */
static int on_done(sd_event_source *s, void *userdata)
{
        struct notifier *n = userdata;

        return n->is_refused && server_is_idle(n->server) ? sd_event_exit(n->event, 0) : 0;
}

int notifier_new(const struct notifier_options *options, sd_event *event, sd_bus *session,
        struct notifier **ret)
{
        struct notifier *n = calloc(1, sizeof *n);
        int r;

        if (!n)
                return log_oom();
        n->event = sd_event_ref(event);
        n->bookmark.lock_fd = -EBADF;
        r = bookmark_open("notify", &n->bookmark);
        if (r == -EBADMSG)
                r = log_warning_errno(r, "What was shown last is not readable in the cursor "
                                         "\"notify\": remove it");
        else if (r < 0 && r != -EBUSY)
                log_error_errno(r, "Failed to open the cursor \"notify\": %m");
        if (r >= 0)
                r = sd_event_add_time(
                        event, &n->save, CLOCK_MONOTONIC, 0, USEC_PER_SEC, on_save, n);
        if (r >= 0)
                r = sd_event_source_set_enabled(n->save, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_post(event, NULL, on_done, n);
        if (r >= 0)
                r = server_new(session, options->is_private, &server_handler, n, &n->server);
        if (r >= 0)
                r = feed_new(event, options->where, "", &feed_handler, n, &n->feed);
        if (r < 0) {
                notifier_free(n);
                return r;
        }
        *ret = n;
        return 0;
}

int notifier_start(struct notifier *n)
{
        int r;

        r = feed_connect(n->feed);
        if (r < 0)
                return log_error_errno(r, "Failed to reach the bus of the chat service: %m");
        return bus_client_service_is_there(feed_client(n->feed)) ? start_feed(n) : 0;
}

struct notifier *notifier_free(struct notifier *n)
{
        if (!n)
                return NULL;
        if (n->is_started)
                (void)on_save(NULL, 0, n);
        n->feed = feed_free(n->feed);
        n->server = server_free(n->server);
        sd_event_source_disable_unref(n->save);
        bookmark_done(&n->bookmark);
        sd_event_unref(n->event);
        free(n);
        return NULL;
}
