/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* p2pchat-notify: messages as notifications of the desktop */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>

#include "notify/notifier.h"
#include "os/log.h"

#define EXIT_USAGE 2

static int usage(int status)
{
        fputs("p2pchat-notify [--private] [--bus=system|session|ADDRESS]\n"
              "Shows the messages of the chat service as notifications of the desktop.\n"
              "  --private  tell who wrote, but not what\n"
              "  --bus=     where the chat service is\n",
                status == 0 ? stdout : stderr);
        return status;
}

/* -1 to go on, else an exit status. */
static int parse(int argc, char **argv, struct notifier_options *options)
{
        static const struct option known[] = {
                { "private", no_argument, NULL, 'p' },
                { "bus", required_argument, NULL, 'b' },
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'v' },
                { 0 },
        };
        int c;

        while ((c = getopt_long(argc, argv, "h", known, NULL)) >= 0)
                switch (c) {
                case 'p':
                        options->is_private = true;
                        break;
                case 'b':
                        options->where = optarg;
                        break;
                case 'h':
                        return usage(0);
                case 'v':
                        puts("p2pchat-notify " P2PCHAT_VERSION);
                        return 0;
                default:
                        return usage(EXIT_USAGE);
                }
        return optind < argc ? usage(EXIT_USAGE) : -1;
}

static int add_signals(sd_event *event)
{
        sigset_t signals;
        int r;

        (void)signal(SIGCHLD, SIG_IGN);
        if (sigemptyset(&signals) < 0 || sigaddset(&signals, SIGTERM) < 0 ||
                sigaddset(&signals, SIGINT) < 0 || sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
                return -errno;
        r = sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL);
        return r < 0 ? r : sd_event_add_signal(event, NULL, SIGINT, NULL, NULL);
}

static int run(const struct notifier_options *options)
{
        _cleanup_(sd_event_unrefp)
        sd_event *event = NULL;
        _cleanup_(sd_bus_flush_close_unrefp)
        sd_bus *session = NULL;
        _cleanup_(notifier_freep)
        struct notifier *n = NULL;
        int r;

        r = sd_event_new(&event);
        if (r >= 0)
                r = add_signals(event);
        if (r < 0)
                return log_error_errno(r, "Failed to set up the event loop: %m");
        r = sd_bus_open_user(&session);
        if (r >= 0)
                r = sd_bus_set_exit_on_disconnect(session, true);
        if (r >= 0)
                r = sd_bus_attach_event(session, event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return log_error_errno(r, "Failed to reach the bus of this desktop session: %m");
        r = notifier_new(options, event, session, &n);
        if (r == -EBUSY) {
                log_info("Another one shows the messages of this user already.");
                return 0;
        }
        if (r >= 0)
                r = notifier_start(n);
        return r < 0 ? r : sd_event_loop(event);
}

int main(int argc, char **argv)
{
        struct notifier_options options = { .where = "system" };
        int r;

        log_setup(NULL);
        r = parse(argc, argv, &options);
        if (r >= 0)
                return r;
        return run(&options) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
