/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The interactive shell
 *
 * Straight lines of question and answer: shell_read() runs the event loop while a person thinks,
 * and what comes in meanwhile is printed above the question. Commands are those of the table;
 * Users, Chat and History of the classic shell are three of them, in any case.
 */

#include "cli/dialogue.h"

#include <ctype.h>
#include <strings.h>
#include <time.h>

#include "bus/feed.h"
#include "cli/command.h"
#include "cli/format.h"
#include "cli/groups.h"
#include "cli/message.h"
#include "cli/question.h"
#include "cli/shell.h"
#include "cli/user.h"
#include "cli/waiting.h"
#include "cli/words.h"
#include "os/state.h"

#define ASKED_FILE "username-asked"
#define RECENT_LINES 10

struct dialogue {
        struct cli *cli;
        sd_event *event;
        struct shell *shell;
        struct feed *feed;
        char *partner;    /* whom we chat with, or NULL */
        char *partner_id; /* "" when classic or not known yet; may be a group's */
        bool unproven;    /* the partner's key was not proven when we looked last */
        uint64_t shown;   /* the newest message of the partner's history that was shown */
        bool away;        /* told that the service is away */
        bool leave;       /* end of input, or quit */
        struct waiting waiting;
};

/* Prints a line, and frees it; a line that could not be made is dropped. */
static int print_owned(struct dialogue *d, char *line)
{
        if (!line)
                return -ENOMEM;
        shell_print(d->shell, line);
        free(line);
        return 0;
}

static _printf_(2, 3) int print(struct dialogue *d, const char *format, ...)
{
        char *line;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&line, format, ap);
        va_end(ap);
        return r < 0 ? -ENOMEM : print_owned(d, line);
}

/* Whether something is about the one we chat with, whatever the word that was typed. */
static bool is_partner(const struct dialogue *d, const char *word, const char *id)
{
        if (!d->partner)
                return false;
        if (d->partner[0] == '+') /* as they are called now, and were when it was typed */
                return group_is_same(d->partner_id, word, d->partner);
        return strcasecmp(word, d->partner) == 0 || (id[0] && streq(id, d->partner_id));
}

/* "Ece", or "+team Ece" of a group that we do not chat with just now. */
static char *who_says(const struct bus_message *m, bool is_partner)
{
        _cleanup_(freep)
        char *both = NULL;

        if (is_partner)
                return format_escape(m->user, ESCAPE_LINE);
        if (!message_is_of_group(m))
                return format_escape(m->conversation, ESCAPE_LINE);
        if (asprintf(&both, "%s %s", m->conversation, m->user) < 0)
                both = NULL;
        return both ? format_escape(both, ESCAPE_LINE) : NULL;
}

static int on_deliver(const struct bus_message *m, void *userdata)
{
        _cleanup_(freep)
        char *user = NULL, *text = NULL;
        struct dialogue *d = userdata;
        time_t t = (time_t)(m->time_usec / USEC_PER_SEC);
        char clock[16] = "";
        enum style style;
        struct tm tm;
        bool partner;

        if (!streq(m->direction, "received") || streq(m->state, "muted"))
                return 0;
        partner = is_partner(d, m->conversation, message_is_of_group(m) ? "" : m->user_id);
        if (partner && m->sequence <= d->shown)
                return 0;
        user = who_says(m, partner);
        text = format_escape(m->text, ESCAPE_TEXT);
        if (!user || !text)
                return -ENOMEM;
        if (localtime_r(&t, &tm))
                strftime(clock, sizeof(clock), "%H:%M", &tm);
        style = security_style(m->security);
        return print(d, "%s%s%s %s%s%s (%s%s%s): %s\n", style_start(STYLE_FAINT, d->cli->colour),
                clock, style_end(STYLE_FAINT, d->cli->colour),
                style_start(STYLE_BOLD, d->cli->colour), user,
                style_end(STYLE_BOLD, d->cli->colour), style_start(style, d->cli->colour),
                m->security, style_end(style, d->cli->colour), text);
}

static int on_user(const char *user, const char *id, const char *state, void *userdata)
{
        _cleanup_(freep)
        char *shown = format_escape(user, ESCAPE_LINE);
        _cleanup_(freep)
        char *word = format_escape(state, ESCAPE_LINE);
        struct dialogue *d = userdata;

        /* Who comes is news for everybody, who goes only for the one who talks with them. */
        if (!streq(state, "online") && !is_partner(d, user, id))
                return 0;
        return print(d, "%s is %s\n", shown ? shown : "?", word ? word : "?");
}

static int on_warning(const char *kind, const char *user, const char *sentence, void *userdata)
{
        _cleanup_(freep)
        char *shown = format_escape(sentence, ESCAPE_LINE);
        struct dialogue *d = userdata;

        return print(d, "%sWarning:%s %s\n", style_start(STYLE_YELLOW, d->cli->colour),
                style_end(STYLE_YELLOW, d->cli->colour), shown ? shown : kind);
}

static int on_invited(const char *group, const char *id, const char *inviter, void *userdata)
{
        _cleanup_(freep)
        char *word = format_escape(group, ESCAPE_LINE), *by = format_escape(inviter, ESCAPE_LINE);
        _cleanup_(freep)
        char *typed = group_argument(group, id);
        struct dialogue *d = userdata;

        if (!word || !by || !typed)
                return -ENOMEM;
        return print(d, "%s invites you to %s: \"group accept %s\", or \"group leave %s\"\n", by,
                word, typed, typed);
}

static int on_message_state(const char *id, const char *state, const char *reason, void *userdata)
{
        _cleanup_(freep)
        char *user = NULL;
        struct dialogue *d = userdata;

        if (streq(state, "queued"))
                return 0;
        user = waiting_take(&d->waiting, id);
        return !user ? 0
                     : print(d, "the message to %s that was queued: %s%s%s\n", user, state,
                               reason[0] ? ", " : "", reason);
}

static int on_service(bool there, void *userdata)
{
        struct dialogue *d = userdata;
        int r = 0;

        if (!there && !d->away)
                r = print(d, "the chat service is away; waiting for it\n");
        else if (there && d->away)
                r = print(d, "the chat service is back\n");
        d->away = !there;
        return r;
}

/* Asks until @ret is an answer or the input ends (NULL). 0, or a negative errno. */
static int ask(struct dialogue *d, const char *question, char **ret)
{
        _cleanup_(freep)
        char *line = NULL;
        char *start, *end;
        int r = shell_read(d->shell, question, &line);

        if (r < 0)
                return r;
        if (r == 0) {
                d->leave = true;
                *ret = NULL;
                return 0;
        }
        for (start = line; isspace((unsigned char)*start); start++)
                ;
        for (end = start + strlen(start); end > start && isspace((unsigned char)end[-1]); end--)
                ;
        *ret = strndup(start, (size_t)(end - start));
        return *ret ? 0 : -ENOMEM;
}

int dialogue_ask(struct dialogue *d, const char *question, char **ret)
{
        int r = ask(d, question, ret);

        return r < 0 ? r : *ret != NULL;
}

/* Finds the row of @user: 1 and its security (the caller's) and id, or 0 when there is none. */
static int look_up(struct dialogue *d, const char *user, char **ret_security, char **ret_id)
{
        _cleanup_(users_done)
        struct users us = { 0 };
        _cleanup_(freep)
        char *security = NULL, *id = NULL;
        const struct bus_user *u;
        struct bus_client *client;

        if (cli_client(d->cli, &client) != 0 || users_read(&us, client) < 0)
                return 0;
        u = user_find(us.rows, us.n_rows, user);
        if (!u)
                return 0;
        security = strdup(u->security);
        id = strdup(u->id);
        if (!security || !id)
                return -ENOMEM;
        *ret_security = TAKE_PTR(security);
        *ret_id = TAKE_PTR(id);
        return 1;
}

/* The first message to somebody new proves the key: what the chat is called changes with it. */
static void tell_proof(struct dialogue *d)
{
        _cleanup_(freep)
        char *security = NULL, *id = NULL, *shown = NULL;

        if (!d->unproven || look_up(d, d->partner, &security, &id) <= 0 ||
                streq(security, "unproven"))
                return;
        d->unproven = false;
        shown = format_escape(d->partner, ESCAPE_LINE);
        if (shell_is_terminal(d->shell))
                (void)print(d, "the key of %s is proven: %s\n", shown ? shown : "?",
                        user_security_phrase(security));
}

/* Sends one line of a chat: an exit status. */
static int say(struct dialogue *d, const char *text, const struct bus_send_options *options)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL;
        struct bus_client *client;
        const char *id, *state;
        int r;

        r = cli_client(d->cli, &client);
        if (r != 0)
                return r;
        r = bus_client_send(client, d->partner, text, options, &m, &id, &state);
        if (r < 0)
                return cli_call_failed(client);
        if (!streq(state, "queued")) {
                tell_proof(d);
                return EXIT_DONE;
        }
        cli_explain_queued(d->partner);
        waiting_add(&d->waiting, id, d->partner);
        return EXIT_QUEUED;
}

/* What was said lately; also finds out whether the service knows the user. */
static int show_recent(struct dialogue *d)
{
        _cleanup_(messages_done)
        struct messages ms = { 0 };
        _cleanup_(columns_freep)
        struct columns *columns = NULL;
        struct bus_client *client;
        int r;

        r = cli_client(d->cli, &client);
        if (r != 0)
                return r;
        r = messages_read(&ms, client, d->partner, NULL, RECENT_LINES);
        if (r < 0)
                return cli_call_failed(client);
        r = columns_new(MESSAGE_COLUMNS, &columns);
        for (size_t i = 0; i < ms.n_rows && r >= 0; i++)
                r = message_add_row(columns, &ms.rows[i]);
        if (r < 0)
                return cli_error_errno(r, "cannot show the history");
        columns_print(columns, stdout, d->cli->colour);
        if (ms.n_rows > 0)
                d->shown = ms.rows[ms.n_rows - 1].sequence;
        return EXIT_DONE;
}

/* A group has members, and all that is said there is encrypted. */
static int greet_group(struct dialogue *d, const char *shown)
{
        _cleanup_(groups_done)
        struct groups gs = { 0 };
        const struct group_row *row;
        struct bus_client *client;
        size_t n;

        if (cli_client(d->cli, &client) != 0 || groups_read(&gs, client) < 0)
                return 0;
        row = group_find(&gs, d->partner, &n);
        if (!row)
                return 0;
        free(d->partner_id);
        d->partner_id = strdup(row->group.id);
        if (!d->partner_id)
                return -ENOMEM;
        if (shell_is_terminal(d->shell))
                printf("%s: %zu member%s, encrypted. Each line is sent; /end leaves.\n", shown,
                        row->n_members, row->n_members == 1 ? "" : "s");
        return 0;
}

/* How secure it will be is said before the first line is typed. */
static int greet(struct dialogue *d, const char *shown, const struct bus_send_options *options)
{
        _cleanup_(freep)
        char *security = NULL, *id = NULL;
        const char *phrase = options->security;
        int r;

        if (d->partner[0] == '+')
                return greet_group(d, shown);
        r = look_up(d, d->partner, &security, &id);
        if (r < 0)
                return r;
        if (r > 0) {
                d->unproven = streq(security, "unproven");
                free(d->partner_id);
                d->partner_id = TAKE_PTR(id);
        }
        /* Nothing lowers the security of a proven or announced key. */
        if (r > 0 && (d->partner_id[0] || !phrase))
                phrase = security;
        if (shell_is_terminal(d->shell))
                printf("%s%s%s. Each line is sent; /end leaves.\n", shown, phrase ? ": " : "",
                        phrase ? user_security_phrase(phrase) : "");
        return 0;
}

static void explain_chat(struct dialogue *d)
{
        shell_print(d->shell,
                "Each line is a message. /end, or Ctrl-D, ends the chat; the shell has "
                "more: help.\n");
}

static int talk(struct dialogue *d, const struct bus_send_options *options)
{
        _cleanup_(freep)
        char *shown = format_escape(d->partner, ESCAPE_LINE), *prompt = NULL;
        int r, status = EXIT_DONE;

        r = show_recent(d);
        if (r != EXIT_DONE)
                return r;
        if (!shown || asprintf(&prompt, "%s> ", shown) < 0)
                return cli_error_errno(-ENOMEM, "cannot chat");
        r = greet(d, shown, options);
        if (r < 0)
                return cli_error_errno(r, "cannot chat");

        while (!d->leave) {
                _cleanup_(freep)
                char *line = NULL;

                r = ask(d, prompt, &line);
                if (r < 0)
                        return cli_error_errno(r, "cannot read a line");
                if (!line || streq(line, "/end"))
                        break;
                if (streq(line, "/help"))
                        explain_chat(d);
                if (line[0] == 0 || streq(line, "/help"))
                        continue;
                r = say(d, line, options);
                if (r != EXIT_DONE && status != EXIT_FAILED)
                        status = r;
        }
        return status;
}

static int chat_with(struct dialogue *d, const char *user, const struct bus_send_options *options)
{
        int r;

        d->partner = strdup(user);
        d->partner_id = strdup("");
        r = d->partner && d->partner_id ? talk(d, options)
                                        : cli_error_errno(-ENOMEM, "cannot chat");
        free(d->partner);
        free(d->partner_id);
        d->partner = d->partner_id = NULL;
        d->unproven = false;
        d->shown = 0;
        return r;
}

/* "Chat" without a name: the questions of the classic protocol. Who has an id is spoken to
 * encrypted whatever the answer, and needs no number. */
static int chat_guided(struct dialogue *d)
{
        _cleanup_(freep)
        char *user = NULL, *number = NULL, *security = NULL, *id = NULL;
        struct bus_send_options options = { .wait_usec = USEC_INFINITY };
        bool is_native, is_secure = true;
        int r;

        r = ask(d, "Name: ", &user);
        if (r < 0 || !user || !user[0])
                return r;
        if (user[0] == '+')
                return (void)chat_with(d, user, &options), 0;
        r = look_up(d, user, &security, &id);
        if (r < 0)
                return r;
        is_native = r > 0 && id[0];
        r = question_secure(d, &is_secure);
        if (r > 0 && !is_native && is_secure)
                r = question_number(d, &number);
        if (r <= 0)
                return r;
        if (!is_native) {
                options.security = is_secure ? "legacy" : "plain";
                options.number = number;
        }
        (void)chat_with(d, user, &options);
        return 0;
}

/* Once per desktop user, on a terminal. */
static int ask_username(struct dialogue *d)
{
        _cleanup_(freep)
        char *directory = NULL, *before = NULL, *present = NULL, *question = NULL;
        struct bus_client *client;
        int r;

        if (!shell_is_terminal(d->shell) || state_directory(&directory) < 0 ||
                state_read(directory, ASKED_FILE, &before) != 0)
                return 0;
        if (cli_client(d->cli, &client) != 0 ||
                bus_client_get_text(client, "Username", &present) < 0)
                return 0;
        if (asprintf(&question, "Your username [%s]: ", present) < 0)
                return -ENOMEM;

        for (;;) {
                _cleanup_(freep)
                char *name = NULL;

                r = ask(d, question, &name);
                if (r < 0 || !name)
                        return r;
                if (!name[0] || bus_client_set_username(client, name) >= 0)
                        break;
                (void)cli_call_failed(client);
                if (bus_client_outcome(client) != BUS_INVALID_NAME &&
                        bus_client_outcome(client) != BUS_NAME_TAKEN)
                        break;
        }
        /* A home that cannot be written to means being asked again, no more. */
        (void)state_write(directory, ASKED_FILE, "yes\n");
        return 0;
}

static int dispatch(struct dialogue *d, char *line)
{
        _cleanup_(freep)
        char **words = NULL;
        int n = words_split(line, &words);

        if (n < 0)
                return n == -E2BIG ? (cli_usage("too many words"), 0) : n;
        if (n == 0)
                return 0;
        if (strcasecmp(words[0], "quit") == 0 || strcasecmp(words[0], "exit") == 0) {
                d->leave = true;
                return 0;
        }
        if (n == 1 && strcasecmp(words[0], "chat") == 0)
                return chat_guided(d);
        (void)command_run(d->cli, n, words);
        fflush(stdout);
        return 0;
}

static void complete(int n_words, char *const *words,
        void (*emit)(const char *word, void *userdata), void *emit_userdata, void *userdata)
{
        struct dialogue *d = userdata;

        if (!d->partner)
                command_complete(d->cli, n_words, words, emit, emit_userdata);
}

static const struct feed_handler handler = {
        .deliver = on_deliver,
        .service = on_service,
        .message_state = on_message_state,
        .user = on_user,
        .warning = on_warning,
        .invited = on_invited,
};

/* 0, or an exit status after a complaint. */
static int dialogue_start(struct dialogue *d)
{
        int r;

        r = sd_event_new(&d->event);
        if (r >= 0)
                r = shell_new(d->event, complete, d, &d->shell);
        if (r >= 0)
                r = feed_new(d->event, d->cli->where, "", &handler, d, &d->feed);
        if (r < 0)
                return cli_error_errno(r, "cannot start the shell");
        r = feed_connect(d->feed);
        if (r < 0)
                return cli_bus_failed(d->cli->where, r);
        r = feed_start(d->feed, UINT64_MAX);
        if (r < 0)
                return cli_call_failed(feed_client(d->feed));
        d->cli->in_shell = true;
        d->cli->dialogue = d;
        return 0;
}

static void dialogue_done(struct dialogue *d)
{
        feed_free(d->feed);
        shell_free(d->shell);
        sd_event_unref(d->event);
        waiting_done(&d->waiting);
        free(d->partner);
        free(d->partner_id);
        d->cli->dialogue = NULL;
}

int dialogue_run(struct cli *cli)
{
        _cleanup_(dialogue_done)
        struct dialogue d = { .cli = cli };
        int r;

        r = dialogue_start(&d);
        if (r != 0)
                return r;
        r = ask_username(&d);
        if (r >= 0 && shell_is_terminal(d.shell) && !d.leave)
                puts("Users, Chat, History; help explains more, quit leaves.");

        while (r >= 0 && !d.leave) {
                _cleanup_(freep)
                char *line = NULL;

                r = ask(&d, "p2pchat> ", &line);
                if (r >= 0 && line)
                        r = dispatch(&d, line);
        }
        return r < 0 ? cli_error_errno(r, "the shell ended") : EXIT_DONE;
}

int run_chat(struct cli *cli, const struct arguments *a)
{
        struct bus_send_options options = {
                .security = a->given & OPTION_PLAIN ? "plain" : NULL,
                .number = a->number,
                .wait_usec = USEC_INFINITY,
        };
        _cleanup_(dialogue_done)
        struct dialogue d = { .cli = cli };
        int r;

        if (cli->dialogue)
                return chat_with(cli->dialogue, a->words[0], &options);
        r = dialogue_start(&d);
        return r != 0 ? r : chat_with(&d, a->words[0], &options);
}
