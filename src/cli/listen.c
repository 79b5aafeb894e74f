/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The command listen
 *
 * Received messages for scripts, on standard output or one handler process each. With a cursor the
 * number of the last message that was handled is kept on the disk; it moves only after the handler
 * succeeded, so a message is handled once, and again only if we or the machine die between the
 * handler's end and the write.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/feed.h"
#include "cli/command.h"
#include "cli/format.h"
#include "cli/json.h"
#include "cli/message.h"
#include "os/state.h"

struct listener {
        struct cli *cli;
        const char *exec;
        sd_event *event;
        struct feed *feed;
        struct bookmark bookmark;
        bool has_bookmark;

        sd_event_source *child;
        uint64_t sequence; /* what the handler works on */
        bool stopping;
        bool away; /* told that the service is away */
        int status;
};

/* Ends the loop; the complaint was made. */
static int give_up(struct listener *l, int status)
{
        l->status = status;
        return -ECANCELED;
}

static int remember(struct listener *l, uint64_t sequence)
{
        int r;

        if (!l->has_bookmark || sequence == l->bookmark.sequence)
                return 0;
        r = bookmark_write(&l->bookmark, sequence);
        if (r < 0)
                return give_up(l, cli_error_errno(r, "cannot write the cursor"));
        return 0;
}

static int on_child(sd_event_source *s, const siginfo_t *si, void *userdata)
{
        struct listener *l = userdata;
        int r;

        l->child = sd_event_source_disable_unref(l->child);
        if (si->si_code != CLD_EXITED || si->si_status != 0) {
                (void)cli_error("the handler %s %d on message %" PRIu64 "%s",
                        si->si_code == CLD_EXITED ? "failed with exit status"
                                                  : "was killed by signal",
                        si->si_status, l->sequence,
                        l->has_bookmark ? "; the cursor stays before it" : "");
                r = give_up(l, EXIT_FAILED);
        } else {
                r = remember(l, l->sequence);
                if (r >= 0)
                        r = l->stopping ? give_up(l, EXIT_DONE) : feed_done(l->feed);
        }
        return r < 0 ? sd_event_exit(l->event, r) : 0;
}

static int spawn(const char *command, int input_fd, pid_t *ret)
{
        char *const argv[] = { (char *)"sh", (char *)"-c", (char *)command, NULL };
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none;
        int r;

        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;
        r = posix_spawnattr_init(&attributes);
        if (r != 0) {
                posix_spawn_file_actions_destroy(&actions);
                return -r;
        }
        sigemptyset(&none);
        r = posix_spawn_file_actions_adddup2(&actions, input_fd, STDIN_FILENO);
        if (r == 0)
                r = posix_spawnattr_setsigmask(&attributes, &none);
        if (r == 0)
                r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
        if (r == 0)
                r = posix_spawn(ret, "/bin/sh", &actions, &attributes, argv, environ);
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
        return -r;
}

/* The message goes into a file in memory: a handler that reads nothing cannot hold us up. */
static int start_handler(struct listener *l, const struct bus_message *m)
{
        _cleanup_(freep)
        char *line = NULL;
        size_t size;
        pid_t pid;
        int fd, r = 0;

        line = json_message(m, &size);
        if (!line)
                return -ENOMEM;
        fd = memfd_create("message", MFD_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (write(fd, line, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) < 0)
                r = -EIO;
        if (r >= 0)
                r = spawn(l->exec, fd, &pid);
        close(fd);
        if (r < 0)
                return r;
        l->sequence = m->sequence;
        return sd_event_add_child(l->event, &l->child, pid, WEXITED, on_child, l);
}

static int print(struct listener *l, const struct bus_message *m)
{
        int r = EXIT_DONE;

        if (l->cli->json)
                r = cli_print_json(json_message(m, NULL));
        else if (message_print(m, stdout, l->cli->colour) < 0)
                r = cli_error_errno(-ENOMEM, "cannot show a message");
        return cli_flush(r);
}

static int on_deliver(const struct bus_message *m, void *userdata)
{
        struct listener *l = userdata;
        int r;

        if (!streq(m->direction, "received") || streq(m->state, "muted"))
                return 0;
        if (l->exec) {
                r = start_handler(l, m);
                return r < 0 ? give_up(l, cli_error_errno(r, "cannot run the handler")) : 1;
        }
        r = print(l, m);
        if (r != EXIT_DONE)
                return give_up(l, r);
        return remember(l, m->sequence);
}

/* What was passed over (sent, muted) needs no second look after a restart. */
static int on_idle(void *userdata)
{
        struct listener *l = userdata;

        return remember(l, feed_last(l->feed));
}

static int on_service(bool there, void *userdata)
{
        struct listener *l = userdata;

        if (!there && !l->away)
                fputs("p2pchat: the chat service is away; waiting for it\n", stderr);
        if (there && l->away)
                fputs("p2pchat: the chat service is back\n", stderr);
        l->away = !there;
        return 0;
}

static int on_restored(uint64_t sequence, void *userdata)
{
        struct listener *l = userdata;

        fprintf(stderr,
                "p2pchat: the history ends before the place where reading stopped (an older state "
                "was restored?); going on after message %" PRIu64 "\n",
                sequence);
        return remember(l, sequence);
}

static int on_warning(const char *kind, const char *user, const char *sentence, void *userdata)
{
        _cleanup_(freep)
        char *shown = format_escape(sentence, ESCAPE_LINE);

        fprintf(stderr, "p2pchat: warning: %s\n", shown ? shown : kind);
        return 0;
}

static int on_stop(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata)
{
        struct listener *l = userdata;

        /* A handler at work is awaited, unless the wish is repeated. */
        if (l->child && !l->stopping) {
                l->stopping = true;
                return 0;
        }
        l->status = l->child ? EXIT_FAILED : EXIT_DONE;
        return sd_event_exit(l->event, -ECANCELED);
}

static int open_bookmark(struct listener *l, const char *name, uint64_t *sequence)
{
        int r = bookmark_open(name, &l->bookmark);

        if (r == -EBUSY)
                return cli_error("another listener uses the cursor '%s'", name);
        if (r == -EBADMSG)
                return cli_error("the file of the cursor '%s' holds no number; remove it to begin "
                                 "with the next message",
                        name);
        if (r < 0)
                return cli_error_errno(r, "cannot open the cursor");
        l->has_bookmark = true;
        if (r > 0)
                *sequence = l->bookmark.sequence;
        return 0;
}

static int prepare(struct listener *l)
{
        static const struct feed_handler handler = {
                .deliver = on_deliver,
                .idle = on_idle,
                .service = on_service,
                .restored = on_restored,
                .warning = on_warning,
        };
        sigset_t set;
        int r;

        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        r = sd_event_new(&l->event);
        if (r < 0)
                return r;
        r = sd_event_add_signal(l->event, NULL, SIGINT, on_stop, l);
        if (r < 0)
                return r;
        r = sd_event_add_signal(l->event, NULL, SIGTERM, on_stop, l);
        if (r < 0)
                return r;
        return feed_new(l->event, l->cli->where, "", &handler, l, &l->feed);
}

static int run(struct listener *l, uint64_t sequence)
{
        struct bus_client *client;
        int r;

        r = feed_connect(l->feed);
        if (r < 0)
                return cli_bus_failed(l->cli->where, r);
        r = feed_start(l->feed, sequence);
        if (r >= 0)
                r = sd_event_loop(l->event);
        if (r == -ECANCELED)
                return l->status;
        client = feed_client(l->feed);
        if (client && bus_client_outcome(client) != BUS_OK)
                return cli_call_failed(client);
        return cli_error_errno(r, "cannot listen");
}

static void listener_done(struct listener *l)
{
        sd_event_source_disable_unref(l->child);
        feed_free(l->feed);
        sd_event_unref(l->event);
        bookmark_done(&l->bookmark);
}

int run_listen(struct cli *cli, const struct arguments *a)
{
        _cleanup_(listener_done)
        struct listener l = { .cli = cli, .exec = a->exec, .bookmark.lock_fd = -EBADF };
        uint64_t sequence = a->given & OPTION_SINCE ? a->since : UINT64_MAX;
        int r;

        if (a->given & OPTION_SINCE && a->cursor)
                return cli_usage("listen: --since and --cursor exclude each other");
        if (a->cursor) {
                r = open_bookmark(&l, a->cursor, &sequence);
                if (r != 0)
                        return r;
        }
        r = prepare(&l);
        if (r < 0)
                return cli_error_errno(r, "cannot listen");
        return run(&l, sequence);
}
