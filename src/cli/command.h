/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The table of commands
 *
 * One table serves the command line, the interactive shell, help and completion.
 */

#include "cli/cli.h"

/* Options; which of them a command takes is a mask in its row. */
enum {
        OPTION_ALL = 1 << 0,
        OPTION_PLAIN = 1 << 1,
        OPTION_NUMBER = 1 << 2,
        OPTION_WAIT = 1 << 3,
        OPTION_LINES = 1 << 4,
        OPTION_GREP = 1 << 5,
        OPTION_FOLLOW = 1 << 6,
        OPTION_FORGET = 1 << 7,
        OPTION_EXEC = 1 << 8,
        OPTION_SINCE = 1 << 9,
        OPTION_CURSOR = 1 << 10,
        OPTION_LONG = 1 << 11,
        OPTION_YES = 1 << 12,
        OPTION_FOR = 1 << 13,
        OPTION_REGISTRAR = 1 << 14,
        OPTION_OPEN = 1 << 15,
        OPTION_BUILT_IN = 1 << 16,
        OPTION_DETACH = 1 << 17,
        OPTION_NAME = 1 << 18,
        OPTION_TOKEN = 1 << 19,
};

#define LINES_DEFAULT 50
#define REGISTRARS_MAX 16

struct arguments {
        char **words; /* without the command, NULL-terminated */
        size_t n_words;
        unsigned given; /* options that were there */
        const char *number;
        const char *grep;
        const char *exec;
        const char *cursor;
        const char *successor;
        const char *name;
        const char *registrars[REGISTRARS_MAX];
        size_t n_registrars;
        uint64_t since;
        uint64_t lines;
        usec_t wait_usec;
};

/* What a word stands for, when it is completed. */
enum completion {
        COMPLETE_NOTHING,
        COMPLETE_USER,
        COMPLETE_COMMAND,
        COMPLETE_IDENTITY, /* a word of the command identity */
        COMPLETE_LEDGER,   /* a word of the command ledger */
        COMPLETE_FILE,     /* likewise of file, and then what it wants */
        COMPLETE_PART,     /* a word of the command group, and what goes with it */
        COMPLETE_GROUP,
};

struct command {
        const char *name;
        const char *arguments; /* as in the synopsis */
        const char *help;      /* one line */
        size_t n_words_min;
        size_t n_words_max;
        unsigned options;
        enum completion completion; /* of the first word */
        bool not_in_shell;
        int (*run)(struct cli *cli, const struct arguments *a); /* an exit status */
        bool is_opposite; /* of the command before it, or goes with it: one line of a short list has
                             both */
};

extern const struct command commands[];
extern const size_t n_commands;

/* Any case: the classic shell has "Users". */
const struct command *command_find(const char *name);

/* @words[0] is the command's name. Parses, complains, runs: an exit status. */
int command_run(struct cli *cli, int n_words, char **words);

void command_print_help(FILE *f);
int command_print_help_of(const struct command *command, FILE *f);

/* Calls @emit for each word that may stand in place of the last of @words. Never complains and
 * never starts the service. */
typedef void (*command_emit_t)(const char *word, void *userdata);
void command_complete(
        struct cli *cli, int n_words, char *const *words, command_emit_t emit, void *userdata);

/* part.c: what a command is followed by that is a command itself, as in "ledger verify". */
struct command_part {
        const char *name, *arguments;
        size_t n_words_min, n_words_max; /* with the name */
        unsigned options;
        int (*run)(struct cli *cli, struct bus_client *client, const struct arguments *a);
        bool (*fits)(const struct arguments *a); /* NULL: numbers and options tell it all */
};
/* Runs the one that is the first of the words; the first of all where there are none. An exit
 * status. */
int part_run(struct cli *cli, const char *command, const struct command_part *parts, size_t n,
        const struct arguments *a);
void part_complete(const struct command_part *parts, size_t n, const char *prefix,
        command_emit_t emit, void *userdata);

/* group.c: the words of the command, after which @n_before stand before the one that is completed,
 * @part the first of them; or what else may stand there. */
enum completion group_complete(
        const char *part, size_t n_before, const char *prefix, command_emit_t emit, void *userdata);
/* The groups. */
void groups_complete(
        const struct cli *cli, const char *prefix, command_emit_t emit, void *userdata);
/* ledger.c: the words of the command. */
void ledger_complete(const char *prefix, command_emit_t emit, void *userdata);

/* file.c: the words of the command, and the beginnings of ids. */
void file_complete(const char *prefix, command_emit_t emit, void *userdata);
void file_complete_ids(
        struct cli *cli, const char *word, const char *prefix, command_emit_t emit, void *userdata);

/* The functions of the table. */
int run_users(struct cli *cli, const struct arguments *a);
int run_send(struct cli *cli, const struct arguments *a);
int run_chat(struct cli *cli, const struct arguments *a);
int run_history(struct cli *cli, const struct arguments *a);
int run_listen(struct cli *cli, const struct arguments *a);
int run_name(struct cli *cli, const struct arguments *a);
int run_status(struct cli *cli, const struct arguments *a);
int run_doctor(struct cli *cli, const struct arguments *a);
int run_block(struct cli *cli, const struct arguments *a);
int run_unblock(struct cli *cli, const struct arguments *a);
int run_mute(struct cli *cli, const struct arguments *a);
int run_unmute(struct cli *cli, const struct arguments *a);
int run_cancel(struct cli *cli, const struct arguments *a);
int run_trust(struct cli *cli, const struct arguments *a);
int run_alias(struct cli *cli, const struct arguments *a);
int run_disconnect(struct cli *cli, const struct arguments *a);
int run_fingerprint(struct cli *cli, const struct arguments *a);
int run_verify(struct cli *cli, const struct arguments *a);
int run_identity(struct cli *cli, const struct arguments *a);
int run_group(struct cli *cli, const struct arguments *a);
int run_join(struct cli *cli, const struct arguments *a);
int run_leave(struct cli *cli, const struct arguments *a);
int run_find(struct cli *cli, const struct arguments *a);
int run_ring(struct cli *cli, const struct arguments *a);
int run_register(struct cli *cli, const struct arguments *a);
int run_revoke(struct cli *cli, const struct arguments *a);
int run_file(struct cli *cli, const struct arguments *a);
int run_ledger(struct cli *cli, const struct arguments *a);
int run_web(struct cli *cli, const struct arguments *a);
int run_help(struct cli *cli, const struct arguments *a);
