/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The command file: list, send, reject, cancel */

#include "cli/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/format.h"
#include "cli/json.h"
#include "os/fd.h"

#define ID_SIZE 32
#define ID_SHOWN 8
#define COPY_SIZE (64 * 1024)

/*
 * Ids
 */
void file_row_done(struct file_row *row)
{
        free(row->name);
}

static bool is_id(const char *word)
{
        size_t n = strlen(word);

        return n >= ID_SHOWN && n <= ID_SIZE && strspn(word, "0123456789abcdefABCDEF") == n;
}

static int keep_row(const struct bus_file *f, struct file_row *ret)
{
        file_row_done(ret);
        (void)snprintf(ret->id, sizeof ret->id, "%s", f->id);
        ret->name = strdup(f->name);
        ret->size = f->size;
        ret->is_received = streq(f->direction, "received");
        return ret->name ? 0 : -ENOMEM;
}

int file_find(struct bus_client *client, const char *word, struct file_row *ret)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL;
        _cleanup_(freep)
        char *shown = format_escape(word, ESCAPE_LINE);
        struct file_row row = { .id = "" };
        struct bus_file f;
        bool is_ambiguous = false;
        int r;

        if (!is_id(word))
                return cli_usage("'%s' is no id of a file: those are %d characters, of which %d "
                                 "are enough; see: p2pchat file list",
                        shown ? shown : "?", ID_SIZE, ID_SHOWN);
        if (bus_client_file_list(client, &m) < 0)
                return cli_call_failed(client);
        while ((r = bus_file_next(m, &f)) > 0) {
                if (strncasecmp(f.id, word, strlen(word)) != 0)
                        continue;
                is_ambiguous = is_ambiguous || (row.id[0] && !streq(row.id, f.id));
                r = keep_row(&f, &row);
                if (r < 0)
                        break;
        }
        if (r < 0)
                r = cli_error_errno(r, "cannot read the answer of the service");
        else if (is_ambiguous)
                r = cli_error(
                        "more than one file has an id that begins with %s: write more of it", word);
        else if (!row.id[0])
                r = cli_error("there is no file %s (any more); see: p2pchat file list", word);
        if (r != 0) {
                file_row_done(&row);
                return r;
        }
        *ret = row;
        return 0;
}

const char *file_reason(const char *reason)
{
        static const struct {
                const char *reason, *words;
        } reasons[] = {
                { "rejected", "the other side does not want it" },
                { "cancelled", "it was cancelled" },
                { "expired", "nothing came of it for seven days" },
                { "wrong-hash", "what came is not what was offered" },
                { "gone", "the other side does not know it any more" },
                { "shrank", "the other side has less of it than it offered" },
                { "no-space", "the disk is full" },
                { "quota", "there is no room for it in the spool of the other side" },
                { "too-many", "too many offers wait at the other side" },
                { "malformed", "the other side does not understand the offer" },
                { "broken", "the other side broke the rules" },
                { "unreadable", "the file cannot be read" },
                { "unwritable", "the file cannot be written" },
                { "changed",
                        "it changed while it was read; send it again when nobody writes to it" },
                { "refused", "the service does not offer it" },
                { "unknown", "the service does not know it any more; it may have ended meanwhile" },
        };

        for (size_t i = 0; i < ELEMENTSOF(reasons); i++)
                if (streq(reasons[i].reason, reason))
                        return reasons[i].words;
        return reason;
}

/*
 * list
 */
static int add_file(struct columns *c, const struct bus_file *f)
{
        char id[ID_SHOWN + 1], size[SIZE_STRING_MAX], percent[8];
        bool is_sent = streq(f->direction, "sent");

        (void)snprintf(id, sizeof id, "%s", f->id);
        (void)snprintf(percent, sizeof percent, "%u%%",
                f->size > 0 ? (unsigned)(100.0 * (double)f->done / (double)f->size) : 100);
        if (columns_add_owned(c, format_escape(id, ESCAPE_LINE), STYLE_BOLD) < 0 ||
                columns_add(c, is_sent ? "to" : "from", STYLE_FAINT) < 0 ||
                columns_add_owned(c, format_escape(f->user, ESCAPE_LINE), STYLE_NONE) < 0 ||
                columns_add_owned(c, format_escape(f->state, ESCAPE_LINE),
                        streq(f->state, "offered") && !is_sent ? STYLE_YELLOW : STYLE_NONE) < 0 ||
                columns_add(c, percent, STYLE_NONE) < 0 ||
                columns_add(c, size_format(f->size, size), STYLE_NONE) < 0)
                return -ENOMEM;
        return columns_add_owned(c, format_escape(f->name, ESCAPE_LINE), STYLE_NONE);
}

static int list_files(struct cli *cli, struct bus_client *client, const struct arguments *a)
{
        _cleanup_(columns_freep)
        struct columns *columns = NULL;
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL;
        struct bus_file f;
        int r;

        if (bus_client_file_list(client, &m) < 0)
                return cli_call_failed(client);
        r = columns_new(7, &columns);
        if (r < 0)
                return cli_error_errno(r, "cannot show the files");
        while ((r = bus_file_next(m, &f)) > 0) {
                if (cli->json && cli_print_json(json_file(&f)) != EXIT_DONE)
                        return EXIT_FAILED;
                if (!cli->json && add_file(columns, &f) < 0)
                        return cli_error_errno(-ENOMEM, "cannot show the files");
        }
        if (r < 0)
                return cli_error_errno(r, "cannot read the answer of the service");
        columns_print(columns, stdout, cli->colour);
        return EXIT_DONE;
}

/*
 * send
 */
/* What comes from standard input is no file yet; it may be large, so it goes to a disk. */
static int open_nameless(void)
{
        const char *directory = getenv("TMPDIR") ?: "/var/tmp";
        int fd = open(directory, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);

        if (fd < 0)
                fd = memfd_create("p2pchat", MFD_CLOEXEC);
        return fd < 0 ? cli_error_errno(-errno, directory) : fd;
}

static int read_standard_input(int *ret)
{
        static char data[COPY_SIZE];
        _cleanup_(fd_closep)
        int fd = -EBADF;
        ssize_t n;
        int r;

        r = open_nameless();
        if (r == EXIT_FAILED)
                return r;
        fd = r;
        while ((n = read(STDIN_FILENO, data, sizeof data)) != 0) {
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return cli_error_errno(-errno, "standard input");
                r = fd_write_all(fd, data, (size_t)n);
                if (r < 0)
                        return cli_error_errno(r, "cannot keep what is to be sent");
        }
        *ret = TAKE_FD(fd);
        return 0;
}

/* Opening a pipe or a device would wait, or worse. */
static int open_regular(const char *path, int *ret)
{
        _cleanup_(fd_closep)
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return cli_error_errno(-errno, path);
        if (S_ISDIR(st.st_mode))
                return cli_error("%s is a directory: put it into an archive, and send that", path);
        if (!S_ISREG(st.st_mode))
                return cli_error("%s is no regular file; what comes out of it can be sent with: "
                                 "p2pchat file send USER - --name NAME",
                        path);
        *ret = TAKE_FD(fd);
        return 0;
}

static void explain_interrupted(const char *id)
{
        fprintf(stderr, "It goes on without this program. To end it: p2pchat file cancel %.*s\n",
                ID_SHOWN, id);
}

static int report_sent(struct cli *cli, struct follow *f, enum follow_end how)
{
        switch (how) {
        case FOLLOW_DONE:
                if (cli->json)
                        return cli_print_json(json_file_state(f->id, "done", f->reason, NULL));
                printf("%s has arrived%s%s\n", f->name, f->reason[0] ? ": " : "", f->reason);
                return EXIT_DONE;
        case FOLLOW_FAILED:
        case FOLLOW_NOT_WRITTEN:
                if (cli->json)
                        (void)cli_print_json(json_file_state(f->id, "failed", f->reason, NULL));
                return cli_error("%s was not sent: %s", f->name, file_reason(f->reason));
        case FOLLOW_INTERRUPTED:
                explain_interrupted(f->id);
                return EXIT_QUEUED;
        case FOLLOW_LOST:
                break;
        }
        return EXIT_FAILED;
}

static int report_offered(struct cli *cli, const char *id, const char *name)
{
        _cleanup_(freep)
        char *shown = format_escape(name, ESCAPE_LINE);

        if (cli->json)
                return cli_print_json(json_file_state(id, "offered", NULL, NULL));
        printf("%s is file %.*s\n", shown ? shown : "?", ID_SHOWN, id);
        return cli_flush(EXIT_DONE);
}

static int send_file(struct cli *cli, struct bus_client *client, const struct arguments *a)
{
        bool is_input = streq(a->words[2], "-"), detach = cli->in_shell || a->given & OPTION_DETACH;
        const char *slash = strrchr(a->words[2], '/'), *name = a->name;
        _cleanup_(freep)
        char *id = NULL;
        _cleanup_(fd_closep)
        int fd = -EBADF;
        struct follow f = { .fd = -EBADF };
        struct stat st = { 0 };
        int r;

        if (!name)
                name = is_input ? "standard-input" : slash ? slash + 1 : a->words[2];
        r = is_input ? read_standard_input(&fd) : open_regular(a->words[2], &fd);
        if (r == 0 && !detach)
                r = follow_start(&f, cli, -EBADF);
        if (r != 0)
                return r;
        if (bus_client_file_send(client, a->words[1], name, fd, &id) < 0)
                r = cli_call_failed(client);
        else
                r = report_offered(cli, id, name);
        (void)fstat(fd, &st);
        if (r == EXIT_DONE && !detach)
                r = report_sent(cli, &f, follow_run(&f, id, name, (uint64_t)st.st_size));
        follow_done(&f);
        return r;
}

/*
 * reject, cancel
 */
static int end_file(struct bus_client *client, const char *word,
        int (*call)(struct bus_client *c, const char *id))
{
        _cleanup_(file_row_done)
        struct file_row row = { .id = "" };
        int r = file_find(client, word, &row);

        if (r != 0)
                return r;
        return call(client, row.id) < 0 ? cli_call_failed(client) : EXIT_DONE;
}

static int reject_file(struct cli *cli, struct bus_client *client, const struct arguments *a)
{
        return end_file(client, a->words[1], bus_client_file_reject);
}

static int cancel_file(struct cli *cli, struct bus_client *client, const struct arguments *a)
{
        return end_file(client, a->words[1], bus_client_file_cancel);
}

/*
 * What is wanted
 */
static const struct command_part parts[] = {
        { "list", "", 1, 1, 0, list_files, NULL },
        { "send", "USER PATH|- [--name NAME] [--detach]", 3, 3,
                (unsigned)OPTION_DETACH | (unsigned)OPTION_NAME, send_file, NULL },
        { "accept", "ID [PATH]", 2, 3, 0, file_accept, NULL },
        { "reject", "ID", 2, 2, 0, reject_file, NULL },
        { "cancel", "ID", 2, 2, 0, cancel_file, NULL },
};

void file_complete(const char *prefix, command_emit_t emit, void *userdata)
{
        part_complete(parts, ELEMENTSOF(parts), prefix, emit, userdata);
}

void file_complete_ids(
        struct cli *cli, const char *word, const char *prefix, command_emit_t emit, void *userdata)
{
        bool wants_offers = strcasecmp(word, "cancel") != 0;
        _cleanup_(bus_client_freep)
        struct bus_client *c = NULL;
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL;
        char id[ID_SHOWN + 1];
        struct bus_file f;

        if (strcasecmp(word, "list") == 0 || bus_client_new(cli->where, false, &c) < 0 ||
                bus_client_file_list(c, &m) < 0)
                return;
        while (bus_file_next(m, &f) > 0) {
                (void)snprintf(id, sizeof id, "%s", f.id);
                if (is_id(id) && strncasecmp(id, prefix, strlen(prefix)) == 0 &&
                        !(wants_offers && streq(f.direction, "sent")))
                        emit(id, userdata);
        }
}

int run_file(struct cli *cli, const struct arguments *a)
{
        return part_run(cli, "file", parts, ELEMENTSOF(parts), a);
}
