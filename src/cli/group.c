/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The command group */

#include <stdio.h>
#include <strings.h>

#include "cli/command.h"
#include "cli/format.h"
#include "cli/groups.h"
#include "cli/json.h"

/*
 * What there is
 */
static int read_groups(struct bus_client *client, struct groups *gs)
{
        if (groups_read(gs, client) >= 0)
                return EXIT_DONE;
        return bus_client_outcome(client) != BUS_OK
                       ? cli_call_failed(client)
                       : cli_error_errno(-EBADMSG, "cannot read the answer of the service");
}

/* "Ece#k3f7q2mx, Bob, Can" */
static char *members_of(const struct group_row *row)
{
        char *text = strdup("");

        for (size_t i = 0; i < row->n_members && text; i++) {
                _cleanup_(freep)
                char *before = text, *member = format_escape(row->members[i], ESCAPE_LINE);

                if (!member || asprintf(&text, "%s%s%s", before, i > 0 ? ", " : "", member) < 0)
                        text = NULL;
        }
        return text;
}

static int add_row(struct columns *c, const struct group_row *row)
{
        bool is_invited = streq(row->group.state, "invited");
        int r = columns_add_owned(c, format_escape(row->group.word, ESCAPE_LINE), STYLE_BOLD);

        if (r >= 0)
                r = columns_add_owned(c, format_escape(row->group.state, ESCAPE_LINE),
                        is_invited ? STYLE_YELLOW : STYLE_GREEN);
        return r < 0 ? r : columns_add_owned(c, members_of(row), STYLE_NONE);
}

static int list(struct cli *cli, struct bus_client *client, const struct arguments *a)
{
        _cleanup_(columns_freep)
        struct columns *columns = NULL;
        _cleanup_(groups_done)
        struct groups gs = { 0 };
        int r;

        r = read_groups(client, &gs);
        if (r != EXIT_DONE)
                return r;
        if (columns_new(3, &columns) < 0)
                return cli_error_errno(-ENOMEM, "cannot show the groups");
        for (size_t i = 0; i < gs.n_rows; i++) {
                const struct group_row *row = &gs.rows[i];

                if (cli->json && cli_print_json(json_group(
                                         &row->group, row->members, row->n_members)) != EXIT_DONE)
                        return EXIT_FAILED;
                if (!cli->json && add_row(columns, row) < 0)
                        return cli_error_errno(-ENOMEM, "cannot show the groups");
        }
        columns_print(columns, stdout, cli->colour);
        if (gs.n_rows == 0 && !cli->json)
                fputs("this machine is in no group; \"p2pchat group create NAME USER…\" makes "
                      "one\n",
                        stderr);
        return EXIT_DONE;
}

static int fail_to_find(const struct groups *gs, const char *word, size_t n)
{
        _cleanup_(freep)
        char *shown = format_escape(word, ESCAPE_LINE), *candidates = strdup("");

        if (n == 0)
                return cli_error("there is no group %s here; \"p2pchat group list\" shows those "
                                 "that are",
                        shown ? shown : "?");
        for (size_t i = 0; i < gs->n_rows && candidates; i++) {
                _cleanup_(freep)
                char *before = candidates, *one = NULL;

                if (!group_is_same(gs->rows[i].group.id, gs->rows[i].group.word, word)) {
                        before = NULL;
                        continue;
                }
                one = format_escape(gs->rows[i].group.word, ESCAPE_LINE);
                if (asprintf(&candidates, "%s%s%s", before, before[0] ? ", " : "",
                            one ? one : "?") < 0)
                        candidates = NULL;
        }
        return cli_error("%s is ambiguous: %s", shown ? shown : "?",
                candidates ? candidates : "several groups");
}

static int show_members(struct cli *cli, struct bus_client *client, const struct arguments *a)
{
        _cleanup_(groups_done)
        struct groups gs = { 0 };
        _cleanup_(freep)
        char *word = group_word(a->words[1]);
        const struct group_row *row;
        size_t n;
        int r;

        if (!word)
                return cli_error_errno(-ENOMEM, "cannot show the members");
        r = read_groups(client, &gs);
        if (r != EXIT_DONE)
                return r;
        row = group_find(&gs, word, &n);
        if (!row)
                return fail_to_find(&gs, word, n);
        for (size_t i = 0; i < row->n_members; i++) {
                _cleanup_(freep)
                char *shown = format_escape(row->members[i], ESCAPE_LINE);

                if (!cli->json)
                        puts(shown ? shown : "?");
                else if (cli_print_json(json_member(row->members[i])) != EXIT_DONE)
                        return EXIT_FAILED;
        }
        return EXIT_DONE;
}

/*
 * Changes
 */
/* Made already; how it is called now is only for the person. */
static void tell_word(struct bus_client *client, const char *id, size_t n_members)
{
        _cleanup_(groups_done)
        struct groups gs = { 0 };
        const struct group_row *row = NULL;
        _cleanup_(freep)
        char *shown = NULL, *typed = NULL;
        const char *word;
        size_t n;

        if (groups_read(&gs, client) >= 0)
                row = group_find(&gs, id, &n);
        word = row ? row->group.word : id;
        shown = format_escape(word, ESCAPE_LINE);
        typed = group_argument(word, id);
        if (n_members == 0)
                printf("%s is made; \"p2pchat group invite %s USER\" invites to it.\n",
                        shown ? shown : id, typed ? typed : id);
        else
                printf("%s is made, and %zu user%s invited.\n", shown ? shown : id, n_members,
                        n_members == 1 ? " is" : "s are");
}

static int create(struct cli *cli, struct bus_client *client, const struct arguments *a)
{
        const char *name = a->words[1];
        size_t n_members = a->n_words - 2;
        _cleanup_(freep)
        char *id = NULL;

        name += name[0] == '+'; /* as it will be typed */
        if (bus_client_group_create(client, name, a->words + 2, n_members, &id) < 0)
                return cli_call_failed(client);
        if (cli->json)
                return cli_print_json(json_id(id));
        tell_word(client, id, n_members);
        return EXIT_DONE;
}

static int call(struct bus_client *client, const char *member, const struct arguments *a)
{
        _cleanup_(freep)
        char *word = group_word(a->words[1]);

        if (!word)
                return cli_error_errno(-ENOMEM, "cannot do it");
        return bus_client_group_call(client, member, word, a->n_words > 2 ? a->words[2] : NULL) < 0
                       ? cli_call_failed(client)
                       : EXIT_DONE;
}

static int invite(struct cli *cli, struct bus_client *client, const struct arguments *a)
{
        for (size_t i = 2; i < a->n_words; i++) {
                char *words[] = { a->words[0], a->words[1], a->words[i], NULL };
                struct arguments one = { .words = words, .n_words = 3 };
                int r = call(client, "Invite", &one);

                if (r != EXIT_DONE)
                        return r;
        }
        return EXIT_DONE;
}

static int accept_invitation(struct cli *cli, struct bus_client *client, const struct arguments *a)
{
        return call(client, "Accept", a);
}

static int remove_member(struct cli *cli, struct bus_client *client, const struct arguments *a)
{
        return call(client, "Remove", a);
}

static int leave(struct cli *cli, struct bus_client *client, const struct arguments *a)
{
        return call(client, "Leave", a);
}

/*
 * What is wanted
 */
static const struct command_part parts[] = {
        { "list", "", 1, 1, 0, list, NULL },
        { "create", "NAME USER…", 2, SIZE_MAX, 0, create, NULL },
        { "invite", "+GROUP USER…", 3, SIZE_MAX, 0, invite, NULL },
        { "accept", "+GROUP", 2, 2, 0, accept_invitation, NULL },
        { "members", "+GROUP", 2, 2, 0, show_members, NULL },
        { "remove", "+GROUP USER", 3, 3, 0, remove_member, NULL },
        { "leave", "+GROUP", 2, 2, 0, leave, NULL },
};

void groups_complete(const struct cli *cli, const char *prefix, command_emit_t emit, void *userdata)
{
        _cleanup_(bus_client_freep)
        struct bus_client *c = NULL;
        _cleanup_(groups_done)
        struct groups gs = { 0 };

        if (bus_client_new(cli->where, false, &c) < 0 || groups_read(&gs, c) < 0)
                return;
        for (size_t i = 0; i < gs.n_rows; i++) {
                const char *word = gs.rows[i].group.word;
                _cleanup_(freep)
                char *shown = format_escape(word, ESCAPE_LINE);

                /* A name that has to be escaped is nothing to type by itself. */
                if (shown && streq(shown, word) && strncasecmp(word, prefix, strlen(prefix)) == 0)
                        emit(word, userdata);
        }
}

/* A group comes first, which "create" makes, then users. */
enum completion group_complete(
        const char *part, size_t n_before, const char *prefix, command_emit_t emit, void *userdata)
{
        if (n_before == 0)
                part_complete(parts, ELEMENTSOF(parts), prefix, emit, userdata);
        for (size_t i = 0; i < ELEMENTSOF(parts) && n_before > 0; i++) {
                if (strcasecmp(parts[i].name, part) != 0 || n_before >= parts[i].n_words_max)
                        continue;
                if (n_before > 1)
                        return COMPLETE_USER;
                return parts[i].run == create ? COMPLETE_NOTHING : COMPLETE_GROUP;
        }
        return COMPLETE_NOTHING;
}

int run_group(struct cli *cli, const struct arguments *a)
{
        return part_run(cli, "group", parts, ELEMENTSOF(parts), a);
}
