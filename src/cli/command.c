/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table of commands */

#include "cli/command.h"

#include <getopt.h>
#include <stdio.h>
#include <strings.h>

#include "cli/format.h"
#include "cli/user.h"
#include "os/state.h"

const struct command commands[] = {
        { "users", "[--all] [--long]", "who is there", 0, 0, OPTION_ALL | OPTION_LONG,
                COMPLETE_NOTHING, false, run_users },
        { "send", "USER TEXT|- [--plain] [--number N] [--wait SECONDS]",
                "send a message; - reads it from standard input", 2, SIZE_MAX,
                OPTION_PLAIN | OPTION_NUMBER | OPTION_WAIT, COMPLETE_USER, false, run_send },
        { "cancel", "ID", "take a queued message back", 1, 1, 0, COMPLETE_NOTHING, false,
                run_cancel, true },
        { "chat", "USER [--plain] [--number N]", "talk with a user, line by line", 1, 1,
                OPTION_PLAIN | OPTION_NUMBER, COMPLETE_USER, false, run_chat },
        { "history", "[USER] [-n N | --all] [--grep TEXT] [--follow] [--forget]", "what was said",
                0, 1, OPTION_LINES | OPTION_ALL | OPTION_GREP | OPTION_FOLLOW | OPTION_FORGET,
                COMPLETE_USER, false, run_history },
        { "listen", "[--exec COMMAND] [--since N | --cursor NAME]",
                "wait for messages, for scripts", 0, 0, OPTION_EXEC | OPTION_SINCE | OPTION_CURSOR,
                COMPLETE_NOTHING, true, run_listen },
        { "name", "[NEW]", "show or set this machine's username", 0, 1, 0, COMPLETE_NOTHING, false,
                run_name },
        { "status", "", "state of the service", 0, 0, 0, COMPLETE_NOTHING, false, run_status },
        { "doctor", "", "look for what keeps the chat from working", 0, 0, 0, COMPLETE_NOTHING,
                false, run_doctor, true },
        { "block", "USER", "keep, show and send nothing from or to a user", 1, 1, 0, COMPLETE_USER,
                false, run_block },
        { "unblock", "USER", "end a block", 1, 1, 0, COMPLETE_USER, false, run_unblock, true },
        { "mute", "USER [DURATION]", "keep a user's messages without showing them", 1, 2, 0,
                COMPLETE_USER, false, run_mute },
        { "unmute", "USER", "end a mute", 1, 1, 0, COMPLETE_USER, false, run_unmute, true },
        { "alias", "USER NAME", "call a user by a name of one's own", 2, 2, 0, COMPLETE_USER, false,
                run_alias },
        { "fingerprint", "[USER]", "digits that prove who somebody is", 0, 1, 0, COMPLETE_USER,
                false, run_fingerprint },
        { "verify", "USER [DIGITS…|-]", "compare the digits that the other side shows", 1, SIZE_MAX,
                0, COMPLETE_USER, false, run_verify },
        { "trust", "USER", "let the name of a user mean this one from now on", 1, 1, 0,
                COMPLETE_USER, false, run_trust, true },
        { "identity", "[new [--yes] | export FILE | import FILE]",
                "this machine's key: show, replace, move it", 0, 2, OPTION_YES, COMPLETE_IDENTITY,
                false, run_identity },
        { "group",
                "[list | create NAME USER… | invite +GROUP USER… | accept +GROUP | "
                "members +GROUP | remove +GROUP USER | leave +GROUP]",
                "many write to many", 0, SIZE_MAX, 0, COMPLETE_PART, false, run_group },
        { "join", "HOST[:PORT]", "enter the ring in which users far away are found", 1, 1, 0,
                COMPLETE_NOTHING, false, run_join },
        { "leave", "", "leave the ring, and be found there no longer", 0, 0, 0, COMPLETE_NOTHING,
                false, run_leave, true },
        { "find", "NAME#ID", "look a user up in the ring", 1, 1, 0, COMPLETE_NOTHING, false,
                run_find },
        { "ring", "", "this machine's place in the ring", 0, 0, 0, COMPLETE_NOTHING, false,
                run_ring, true },
        { "register", "[--wait SECONDS]", "make this machine's name its own in the ledger", 0, 0,
                OPTION_WAIT, COMPLETE_NOTHING, false, run_register },
        { "revoke", "[--for USER]", "give the registered name up", 0, 0, OPTION_FOR,
                COMPLETE_NOTHING, false, run_revoke, true },
        { "ledger",
                "[show NAME | list | verify | create NAME | join NETWORK | pending | approve NAME]",
                "whose name is whose, and how that is known", 0, 2,
                (unsigned)OPTION_REGISTRAR | (unsigned)OPTION_OPEN | (unsigned)OPTION_BUILT_IN,
                COMPLETE_LEDGER, false, run_ledger },
        { "file",
                "[list | send USER PATH|- [--name NAME] [--detach] | accept ID [PATH] | reject ID "
                "| "
                "cancel ID]",
                "send and receive files", 0, 3, (unsigned)OPTION_DETACH | (unsigned)OPTION_NAME,
                COMPLETE_FILE, false, run_file },
        { "disconnect", "USER", "end the session with a user; the next message makes another", 1, 1,
                0, COMPLETE_USER, false, run_disconnect },
        { "web", "[--token]", "open the chat in a web browser of this machine", 0, 0, OPTION_TOKEN,
                COMPLETE_NOTHING, false, run_web },
        { "help", "[COMMAND]", "explain the commands", 0, 1, 0, COMPLETE_COMMAND, false, run_help },
};

const size_t n_commands = ELEMENTSOF(commands);

/* Values of the long options; the short ones are characters. */
enum {
        VALUE_JSON = 256,
        VALUE_HELP,
        VALUE_OPTION, /* + bit number */
};

static const struct {
        const char *name;
        const char *value; /* NULL: takes none */
        const char *help;
} options[] = {
        { "all", NULL, "all of them: users not heard lately, too; messages from the first on" },
        { "plain", NULL, "send without any encryption" },
        { "number", "N", "own private number for the classic key exchange" },
        { "wait", "SECONDS", "how long to wait until it is done (send: 3, register: not)" },
        { "lines", "N", "how many messages; -n N (default 50)" },
        { "grep", "TEXT", "only messages that contain TEXT" },
        { "follow", NULL, "then show what comes" },
        { "forget", NULL, "delete the conversation with USER" },
        { "exec", "COMMAND", "run COMMAND for each message, JSON on its standard input" },
        { "since", "N", "begin after sequence number N" },
        { "cursor", "NAME", "begin where the reader NAME stopped, and remember" },
        { "long", NULL, "a table with security, address, id, time last heard, and flags" },
        { "yes", NULL, "do not ask" },
        { "for", "USER", "who alone may register the name then" },
        { "registrar", "USER", "who may approve registrations, or a key; up to 16 times" },
        { "open", NULL, "everybody may register" },
        { "built-in", NULL, "the network that is built in" },
        { "detach", NULL, "do not wait until the other side has it" },
        { "name", "NAME", "what to call the file (default: as its path does)" },
        { "token", NULL, "print what signs in, for scripts" },
};

const struct command *command_find(const char *name)
{
        for (size_t i = 0; i < n_commands; i++)
                if (strcasecmp(commands[i].name, name) == 0)
                        return &commands[i];
        return NULL;
}

static void print_options(const struct command *command, FILE *f)
{
        for (size_t i = 0; i < ELEMENTSOF(options); i++) {
                char option[32];

                if (!(command->options & 1U << i))
                        continue;
                snprintf(option, sizeof(option), "--%s%s%s", options[i].name,
                        options[i].value ? " " : "", options[i].value ? options[i].value : "");
                fprintf(f, "  %-18s %s\n", option, options[i].help);
        }
}

int command_print_help_of(const struct command *command, FILE *f)
{
        fprintf(f, "p2pchat %s%s%s: %s\n", command->name, command->arguments[0] ? " " : "",
                command->arguments, command->help);
        print_options(command, f);
        return EXIT_DONE;
}

static void print_commands(FILE *f)
{
        for (size_t i = 0; i < n_commands; i++)
                fprintf(f, "  %-12s %s\n", commands[i].name, commands[i].help);
}

/* Short enough for a small terminal. */
static void print_commands_of_shell(FILE *f)
{
        for (size_t i = 0; i < n_commands; i++) {
                bool has_opposite = i + 1 < n_commands && commands[i + 1].is_opposite;
                char names[32];

                if (commands[i].not_in_shell || commands[i].is_opposite)
                        continue;
                snprintf(names, sizeof(names), "%s%s%s", commands[i].name, has_opposite ? ", " : "",
                        has_opposite ? commands[i + 1].name : "");
                fprintf(f, "  %-15s %s\n", names, commands[i].help);
        }
}

void command_print_help(FILE *f)
{
        fputs("Usage: p2pchat [--json] [--bus=system|session|ADDRESS] [COMMAND …]\n\n"
              "Without a command: the interactive shell.\n\n",
                f);
        print_commands(f);
        fputs("\n  --json        one JSON object per line instead of tables\n"
              "  --bus=BUS     where the service is (default: system)\n"
              "  --help        this text; p2pchat help COMMAND tells more\n"
              "  --version     the version\n\n"
              "Exit status: 0 done, 1 failed, 2 wrong usage, 3 queued but not delivered,\n"
              "4 the service is not there.\n",
                f);
}

static unsigned option_number(unsigned option)
{
        return (unsigned)__builtin_ctz(option);
}

static int parse_value(struct arguments *a, unsigned option, const char *value)
{
        int r = 0;

        switch (option) {
        case OPTION_NUMBER:
                if (!value[0] || strspn(value, "0123456789") != strlen(value))
                        return cli_usage("--number %s: a decimal number is wanted", value);
                a->number = value;
                break;
        case OPTION_WAIT:
                r = format_parse_seconds(value, &a->wait_usec);
                if (r < 0)
                        return cli_usage("--wait %s: seconds between 0 and 3600 are wanted", value);
                break;
        case OPTION_LINES:
                r = format_parse_number(value, UINT32_MAX, &a->lines);
                if (r < 0)
                        return cli_usage("-n %s: a number is wanted", value);
                break;
        case OPTION_GREP:
                a->grep = value;
                break;
        case OPTION_EXEC:
                a->exec = value;
                break;
        case OPTION_SINCE:
                r = format_parse_number(value, UINT64_MAX, &a->since);
                if (r < 0)
                        return cli_usage("--since %s: a sequence number is wanted", value);
                break;
        case OPTION_CURSOR:
                if (!bookmark_name_is_valid(value))
                        return cli_usage("--cursor %s: a name of letters, digits, '.', '_' and "
                                         "'-' is wanted, without '.' in front",
                                value);
                a->cursor = value;
                break;
        case OPTION_FOR:
                a->successor = value;
                break;
        case OPTION_NAME:
                a->name = value;
                break;
        case OPTION_REGISTRAR:
                if (a->n_registrars == REGISTRARS_MAX)
                        return cli_usage(
                                "--registrar %s: there are at most %d", value, REGISTRARS_MAX);
                a->registrars[a->n_registrars++] = value;
                break;
        }
        return 0;
}

static void long_options(struct option table[static ELEMENTSOF(options) + 3])
{
        size_t n = 0;

        for (; n < ELEMENTSOF(options); n++)
                table[n] = (struct option){ .name = options[n].name,
                        .has_arg = options[n].value ? required_argument : no_argument,
                        .val = VALUE_OPTION + (int)n };
        table[n++] = (struct option){ .name = "json", .val = VALUE_JSON };
        table[n++] = (struct option){ .name = "help", .val = VALUE_HELP };
        table[n] = (struct option){ 0 };
}

/* 0 and the arguments, or an exit status with 1 added, for --help may be a success. */
static int parse(struct cli *cli, const struct command *command, int n_words, char **words,
        struct arguments *a)
{
        struct option table[ELEMENTSOF(options) + 3];
        int c, r;

        *a = (struct arguments){ .lines = LINES_DEFAULT, .wait_usec = USEC_INFINITY };
        long_options(table);
        optind = 0;
        opterr = 0;
        while ((c = getopt_long(n_words, words, "n:h", table, NULL)) >= 0) {
                unsigned option;

                if (c == VALUE_JSON) {
                        cli->json = true;
                        continue;
                }
                if (c == 'h' || c == VALUE_HELP)
                        return command_print_help_of(command, stdout) + 1;
                if (c == '?') {
                        (void)cli_usage("%s: option %s is unknown, or its value is missing; a text "
                                        "that begins with '-' goes after '--'",
                                command->name, words[optind - 1]);
                        return EXIT_USAGE + 1;
                }
                option = c == 'n' ? OPTION_LINES : 1U << (c - VALUE_OPTION);
                if (!(command->options & option)) {
                        (void)cli_usage("%s: this command has no option --%s; see: p2pchat help %s",
                                command->name, options[option_number(option)].name, command->name);
                        return EXIT_USAGE + 1;
                }
                a->given |= option;
                r = parse_value(a, option, optarg);
                if (r != 0)
                        return r + 1;
        }

        a->words = words + optind;
        a->n_words = (size_t)(n_words - optind);
        if (a->n_words < command->n_words_min || a->n_words > command->n_words_max) {
                (void)cli_usage("too %s arguments; usage: p2pchat %s %s",
                        a->n_words < command->n_words_min ? "few" : "many", command->name,
                        command->arguments);
                return EXIT_USAGE + 1;
        }
        return 0;
}

int command_run(struct cli *cli, int n_words, char **words)
{
        const struct command *command = command_find(words[0]);
        struct arguments a;
        bool json = cli->json;
        int r;

        if (!command)
                return cli_usage("there is no command '%s'; see: p2pchat help", words[0]);
        if (cli->in_shell && command->not_in_shell)
                return cli_usage("'%s' is for the command line; here messages are shown as they "
                                 "come",
                        command->name);

        r = parse(cli, command, n_words, words, &a);
        r = cli_flush(r > 0 ? r - 1 : command->run(cli, &a));
        cli->json = json;
        return r;
}

int run_help(struct cli *cli, const struct arguments *a)
{
        const struct command *command;

        if (a->n_words == 0 && cli->in_shell) {
                print_commands_of_shell(stdout);
                puts("  quit            end the shell; so does Ctrl-D\n"
                     "help COMMAND tells more; chat alone asks for all it needs.");
                return EXIT_DONE;
        }
        if (a->n_words == 0) {
                command_print_help(stdout);
                return EXIT_DONE;
        }
        command = command_find(a->words[0]);
        if (!command)
                return cli_usage("there is no command '%s'; see: p2pchat help", a->words[0]);
        return command_print_help_of(command, stdout);
}

/* Whether the word after @word is its value. */
static bool takes_value(const char *word)
{
        if (streq(word, "-n"))
                return true;
        for (size_t i = 0; i < ELEMENTSOF(options); i++)
                if (options[i].value && strncmp(word, "--", 2) == 0 &&
                        streq(word + 2, options[i].name))
                        return true;
        return false;
}

static void complete_users(struct cli *cli, const char *prefix, command_emit_t emit, void *userdata)
{
        _cleanup_(bus_client_freep)
        struct bus_client *c = NULL;
        _cleanup_(users_done)
        struct users us = { 0 };

        if (bus_client_new(cli->where, false, &c) < 0 || users_read(&us, c) < 0)
                return;
        for (size_t i = 0; i < us.n_rows; i++) {
                _cleanup_(freep)
                char *word = user_word(us.rows, us.n_rows, &us.rows[i]), *shown = NULL;

                /* A name that has to be escaped is nothing to type by itself. */
                shown = word ? format_escape(word, ESCAPE_LINE) : NULL;
                if (shown && streq(shown, word) && strncasecmp(word, prefix, strlen(prefix)) == 0)
                        emit(word, userdata);
        }
}

static void complete_identity(const char *prefix, command_emit_t emit, void *userdata)
{
        static const char *const words[] = { "new", "export", "import" };

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (strncasecmp(words[i], prefix, strlen(prefix)) == 0)
                        emit(words[i], userdata);
}

static void complete_options(
        const struct command *command, const char *prefix, command_emit_t emit, void *userdata)
{
        for (size_t i = 0; i < ELEMENTSOF(options); i++) {
                char word[32];

                if (!(command->options & 1U << i))
                        continue;
                snprintf(word, sizeof(word), "--%s", options[i].name);
                if (strncmp(word, prefix, strlen(prefix)) == 0)
                        emit(word, userdata);
        }
        if (strncmp("--json", prefix, strlen(prefix)) == 0)
                emit("--json", userdata);
}

static void complete_part(struct cli *cli, const char *part, size_t n_before, const char *prefix,
        command_emit_t emit, void *userdata)
{
        enum completion what = group_complete(part, n_before, prefix, emit, userdata);

        if (what == COMPLETE_USER)
                complete_users(cli, prefix, emit, userdata);
        else if (what == COMPLETE_GROUP)
                groups_complete(cli, prefix, emit, userdata);
}

static void complete_commands(
        const struct cli *cli, const char *prefix, command_emit_t emit, void *userdata)
{
        for (size_t i = 0; i < n_commands; i++)
                if (!(cli->in_shell && commands[i].not_in_shell) &&
                        strncasecmp(commands[i].name, prefix, strlen(prefix)) == 0)
                        emit(commands[i].name, userdata);
}

void command_complete(
        struct cli *cli, int n_words, char *const *words, command_emit_t emit, void *userdata)
{
        const struct command *command;
        const char *last, *part = "";
        size_t n_before = 0;

        if (n_words == 0)
                return;
        last = words[n_words - 1];
        if (n_words == 1) {
                complete_commands(cli, last, emit, userdata);
                return;
        }
        command = command_find(words[0]);
        if (!command || takes_value(words[n_words - 2]))
                return;
        if (last[0] == '-') {
                complete_options(command, last, emit, userdata);
                return;
        }
        for (int i = 1; i < n_words - 1; i++)
                if (takes_value(words[i]))
                        i++;
                else if (words[i][0] != '-') {
                        part = n_before == 0 ? words[i] : part;
                        n_before++;
                }
        if (command->completion == COMPLETE_PART)
                complete_part(cli, part, n_before, last, emit, userdata);
        else if (n_before == 0 && command->completion == COMPLETE_USER) {
                complete_users(cli, last, emit, userdata);
                groups_complete(cli, last, emit, userdata);
        } else if (n_before == 0 && command->completion == COMPLETE_COMMAND)
                complete_commands(cli, last, emit, userdata);
        else if (n_before == 0 && command->completion == COMPLETE_IDENTITY)
                complete_identity(last, emit, userdata);
        else if (n_before == 0 && command->completion == COMPLETE_LEDGER)
                ledger_complete(last, emit, userdata);
        else if (n_before == 0 && command->completion == COMPLETE_FILE)
                file_complete(last, emit, userdata);
        else if (n_before == 1 && command->completion == COMPLETE_FILE &&
                 strcasecmp(words[1], "send") == 0)
                complete_users(cli, last, emit, userdata);
        else if (n_before == 1 && command->completion == COMPLETE_FILE)
                file_complete_ids(cli, words[1], last, emit, userdata);
}
