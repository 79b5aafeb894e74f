/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The command identity */

#include <fcntl.h>
#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/format.h"
#include "cli/json.h"
#include "os/fd.h"

#define ID_SHOWN 8 /* characters behind the name, enough for every network */

struct own {
        char *username;
        char *id;
        char *fingerprint;
};

static void own_done(struct own *o)
{
        free(o->username);
        free(o->id);
        free(o->fingerprint);
}

static int print_own(struct cli *cli, const struct own *o)
{
        _cleanup_(columns_freep)
        struct columns *columns = NULL;
        _cleanup_(freep)
        char *word = NULL;

        if (cli->json)
                return cli_print_json(json_identity(o->username, o->id, o->fingerprint));
        if (asprintf(&word, "%s#%.*s", o->username, ID_SHOWN, o->id) < 0)
                word = NULL;
        if (!word || columns_new(2, &columns) < 0 ||
                columns_add(columns, "Name with id", STYLE_FAINT) < 0 ||
                columns_add_owned(columns, format_escape(word, ESCAPE_LINE), STYLE_BOLD) < 0 ||
                columns_add(columns, "Identity", STYLE_FAINT) < 0 ||
                columns_add_owned(columns, format_escape(o->id, ESCAPE_LINE), STYLE_NONE) < 0 ||
                columns_add(columns, "Fingerprint", STYLE_FAINT) < 0 ||
                columns_add_owned(columns, format_escape(o->fingerprint, ESCAPE_LINE), STYLE_NONE) <
                        0)
                return cli_error_errno(-ENOMEM, "cannot show the identity");
        columns_print(columns, stdout, cli->colour);
        return EXIT_DONE;
}

static int show(struct cli *cli)
{
        _cleanup_(own_done)
        struct own o = { NULL, NULL, NULL };
        struct bus_client *client;
        int r;

        r = cli_client(cli, &client);
        if (r != 0)
                return r;
        if (bus_client_get_text(client, "Username", &o.username) < 0 ||
                bus_client_get_text(client, "Id", &o.id) < 0 ||
                bus_client_get_text(client, "Fingerprint", &o.fingerprint) < 0)
                return cli_call_failed(client);
        return print_own(cli, &o);
}

/* The group may chat, but not take the machine's key away or replace it. */
static int call_failed(const struct bus_client *c, const char *what)
{
        if (bus_client_outcome(c) != BUS_ACCESS_DENIED)
                return cli_call_failed(c);
        return cli_error("only the administrator may do this: sudo p2pchat identity %s", what);
}

/* 0 to go on, else an exit status. */
static int confirm(struct cli *cli, const struct arguments *a)
{
        _cleanup_(freep)
        char *answer = NULL;
        int r;

        if (a->given & OPTION_YES)
                return 0;
        if (!isatty(STDIN_FILENO))
                return cli_usage("identity new: nobody can be asked here; --yes says that it is "
                                 "meant");
        fputs("This machine gets a new key. Others will be warned that its key has changed, and "
              "what\nthey still have waiting for the old one does not come here.\n",
                stderr);
        r = cli_ask(cli, "Make a new identity? [yes/no] ", &answer);
        if (r < 0)
                return cli_error_errno(r, "cannot read a line");
        if (r == 0 || strcasecmp(answer, "yes") != 0)
                return cli_error("nothing was changed");
        return 0;
}

static int make_new(struct cli *cli, const struct arguments *a)
{
        _cleanup_(freep)
        char *id = NULL, *shown = NULL;
        struct bus_client *client;
        int r;

        r = confirm(cli, a);
        if (r == 0)
                r = cli_client(cli, &client);
        if (r != 0)
                return r;
        if (bus_client_identity_new(client, &id) < 0)
                return call_failed(client, "new");
        if (cli->json)
                return cli_print_json(json_id(id));
        shown = format_escape(id, ESCAPE_LINE);
        puts(shown ? shown : "?");
        return EXIT_DONE;
}

/* The file is ours and new, so nobody else can have it open, and nothing is lost by writing. */
static int open_new(const char *path, int *ret)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0600);

        if (fd < 0 && errno == EEXIST)
                return cli_error("%s is there already, and is not overwritten", path);
        if (fd < 0)
                return cli_error_errno(-errno, path);
        *ret = fd;
        return 0;
}

static int export_to(struct cli *cli, int fd)
{
        struct bus_client *client;
        int r;

        r = cli_client(cli, &client);
        if (r != 0)
                return r;
        return bus_client_identity_export(client, fd) < 0 ? call_failed(client, "export FILE")
                                                          : EXIT_DONE;
}

static int export_identity(struct cli *cli, const char *path)
{
        _cleanup_(fd_closep)
        int fd = -EBADF;
        int r;

        if (streq(path, "-"))
                return isatty(STDOUT_FILENO)
                               ? cli_usage("identity export -: the archive is nothing to be shown")
                               : export_to(cli, STDOUT_FILENO);
        r = open_new(path, &fd);
        if (r != 0)
                return r;
        r = export_to(cli, fd);
        if (r == EXIT_DONE && fsync(fd) < 0)
                r = cli_error_errno(-errno, path);
        if (r != EXIT_DONE) {
                (void)unlink(path);
                return r;
        }
        fprintf(stderr,
                "Whoever has %s can speak in the name of this machine and read all it kept: guard "
                "it like a key.\n",
                path);
        return EXIT_DONE;
}

static int import_identity(struct cli *cli, const char *path)
{
        _cleanup_(fd_closep)
        int fd = -EBADF;
        struct bus_client *client;
        bool standard = streq(path, "-");
        int r;

        if (!standard) {
                fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
                if (fd < 0)
                        return cli_error_errno(-errno, path);
        }
        r = cli_client(cli, &client);
        if (r != 0)
                return r;
        return bus_client_identity_import(client, standard ? STDIN_FILENO : fd) < 0
                       ? call_failed(client, "import FILE")
                       : EXIT_DONE;
}

int run_identity(struct cli *cli, const struct arguments *a)
{
        const char *what = a->n_words > 0 ? a->words[0] : NULL;

        if (a->given & OPTION_YES && !(what && strcasecmp(what, "new") == 0))
                return cli_usage("identity: --yes goes with new");
        if (!what)
                return show(cli);
        if (strcasecmp(what, "new") == 0 && a->n_words == 1)
                return make_new(cli, a);
        if (strcasecmp(what, "export") == 0 && a->n_words == 2)
                return export_identity(cli, a->words[1]);
        if (strcasecmp(what, "import") == 0 && a->n_words == 2)
                return import_identity(cli, a->words[1]);
        return cli_usage("usage: p2pchat identity [new | export FILE | import FILE]");
}
