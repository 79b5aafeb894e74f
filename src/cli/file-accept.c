/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The command file accept
 *
 * The file is written under a name of its own beside its place, and gets its place when it is
 * whole; nothing that is there is ever overwritten. Somebody who does not want to wait leaves: then
 * it gets its place at once, and what is missing later.
 */

#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/file.h"
#include "cli/format.h"
#include "cli/json.h"
#include "os/fd.h"
#include "os/file.h"

#define NAMES_MAX 1000
#define PART_SIZE 32

/* Where it is to be. */
struct place {
        char *directory; /* as the user wrote it; "" for the present one */
        int directory_fd;
        char name[FILE_NAME_SIZE]; /* offered, or wanted */
        bool is_exact;             /* this name or none */
        char part[PART_SIZE];      /* what it has until then */
        int fd;
};

static void place_done(struct place *p)
{
        fd_close(p->fd);
        fd_close(p->directory_fd);
        free(p->directory);
}

static bool is_directory(const char *path)
{
        struct stat st;

        return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* 0, or an exit status after a complaint. */
static int choose(struct place *p, const char *path, const struct file_row *row)
{
        const char *slash = path ? strrchr(path, '/') : NULL;
        struct stat st;

        if (!path || is_directory(path)) {
                p->directory = strdup(path ?: "");
                file_name_make(row->name, 1, p->name);
        } else {
                const char *name = slash ? slash + 1 : path;

                if (!*name || strlen(name) >= sizeof p->name)
                        return cli_error("%s: there is no such directory", path);
                p->is_exact = true;
                p->directory = strndup(path, slash ? (size_t)(slash - path) + 1 : 0);
                memcpy(p->name, name, strlen(name) + 1);
        }
        if (!p->directory)
                return cli_error_errno(-ENOMEM, "cannot accept the file");
        p->directory_fd =
                open(p->directory[0] ? p->directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (p->directory_fd < 0)
                return cli_error_errno(-errno, p->directory[0] ? p->directory : ".");
        if (p->is_exact && fstatat(p->directory_fd, p->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
                return cli_error("%s is there already, and is not overwritten", path);
        return 0;
}

static int create(struct place *p, const char *id)
{
        unsigned number = 0;

        for (int i = 0; i < NAMES_MAX; i++) {
                (void)!getrandom(&number, sizeof number, 0);
                (void)snprintf(p->part, sizeof p->part, "%.8s-%08x.part", id, number);
                p->fd = openat(p->directory_fd, p->part,
                        O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
                if (p->fd >= 0)
                        return 0;
                if (errno != EEXIST)
                        break;
        }
        return cli_error_errno(-errno, p->directory[0] ? p->directory : ".");
}

/* Gives it its name, or one like it when somebody has taken that meanwhile. *ret_path: the
 * caller's.
 */
static int settle(struct place *p, char **ret_path)
{
        char name[FILE_NAME_SIZE];
        size_t n = strlen(p->directory);
        const char *between = n > 0 && p->directory[n - 1] != '/' ? "/" : "";
        int r = -EEXIST;

        for (unsigned i = 1; i <= NAMES_MAX && r == -EEXIST; i++) {
                if (p->is_exact && i == 1)
                        memcpy(name, p->name, sizeof name);
                else
                        file_name_make(p->name, i, name);
                r = file_rename_new(p->directory_fd, p->part, name);
        }
        if (r < 0)
                return cli_error("the file is in %s%s%s, for it cannot get its name: %s",
                        p->directory, between, p->part, strerror(-r));
        (void)fsync(p->directory_fd);
        return asprintf(ret_path, "%s%s%s", p->directory, between, name) < 0
                       ? cli_error_errno(-ENOMEM, "cannot tell the name of the file")
                       : 0;
}

/* It goes to the descriptor that was given last. */
static bool is_elsewhere(const struct place *p, uint64_t size)
{
        struct stat st;

        return fstat(p->fd, &st) == 0 && (uint64_t)st.st_size != size;
}

static int report_done(struct cli *cli, struct follow *f, struct place *p, uint64_t size)
{
        _cleanup_(freep)
        char *path = NULL, *shown = NULL;
        int r;

        if (is_elsewhere(p, size)) {
                (void)unlinkat(p->directory_fd, p->part, 0);
                return cli_error(
                        "%s came, but somebody else accepted it, too, and has it", f->name);
        }
        r = settle(p, &path);
        if (r != 0)
                return r;
        if (cli->json)
                return cli_print_json(json_file_state(f->id, "done", NULL, path));
        shown = format_escape(path, ESCAPE_LINE);
        printf("%s is here\n", shown ? shown : "?");
        return EXIT_DONE;
}

/* It is empty until it is whole. */
static int report_interrupted(struct follow *f, struct place *p)
{
        _cleanup_(freep)
        char *path = NULL, *shown = NULL;
        int r = settle(p, &path);

        if (r != 0)
                return r;
        shown = format_escape(path, ESCAPE_LINE);
        fprintf(stderr,
                "It goes on without this program: %s is filled when all of it is there. To end it: "
                "p2pchat file cancel %.8s\n",
                shown ? shown : "?", f->id);
        return EXIT_QUEUED;
}

static int report(struct cli *cli, struct follow *f, struct place *p, uint64_t size)
{
        enum follow_end how = f->end;

        if (how == FOLLOW_DONE)
                return report_done(cli, f, p, size);
        if (how == FOLLOW_INTERRUPTED)
                return report_interrupted(f, p);
        (void)unlinkat(p->directory_fd, p->part, 0);
        if (how == FOLLOW_LOST)
                return EXIT_FAILED;
        if (cli->json)
                (void)cli_print_json(json_file_state(
                        f->id, how == FOLLOW_FAILED ? "failed" : "whole", f->reason, NULL));
        if (how == FOLLOW_FAILED)
                return cli_error("%s did not come: %s", f->name, file_reason(f->reason));
        return cli_error("%s came, but could not be written: %s. It waits; accept it again.",
                f->name, file_reason(f->reason));
}

static int accept_into(struct cli *cli, const struct file_row *row, struct place *p)
{
        struct follow f;
        int r = follow_start(&f, cli, p->fd);

        if (r == 0 && bus_client_file_accept(f.client, row->id, p->fd) < 0)
                r = cli_call_failed(f.client);
        if (r == 0) {
                f.end = follow_run(&f, row->id, row->name, row->size);
                r = report(cli, &f, p, row->size);
        } else
                (void)unlinkat(p->directory_fd, p->part, 0);
        follow_done(&f);
        return r;
}

int file_accept(struct cli *cli, struct bus_client *client, const struct arguments *a)
{
        _cleanup_(file_row_done)
        struct file_row row = { .id = "" };
        _cleanup_(place_done)
        struct place p = { .directory_fd = -EBADF, .fd = -EBADF };
        int r;

        if (cli->in_shell)
                return cli_usage("'file accept' waits for the file: use it on the command line");
        r = file_find(client, a->words[1], &row);
        if (r != 0)
                return r;
        if (!row.is_received)
                return cli_error(
                        "file %s is sent from here; there is nothing to accept", a->words[1]);
        r = choose(&p, a->n_words > 2 ? a->words[2] : NULL, &row);
        if (r == 0)
                r = create(&p, row.id);
        return r != 0 ? r : accept_into(cli, &row, &p);
}
