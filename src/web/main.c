/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* p2pchat-web: the chat in a web browser of this machine */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "os/config.h"
#include "os/fd.h"
#include "os/log.h"
#include "os/socket.h"
#include "web/page.h"
#include "web/web.h"

#define IDLE_USEC (10 * USEC_PER_SEC)
#define SPAN_USEC_MAX USEC_PER_DAY
#define DESCRIPTORS_MAX (2 * CONNECTIONS_MAX)

static void help(void)
{
        puts("p2pchat-web [OPTION...]\n\n"
             "A web page to chat with, at http://" PAGE_HOST "/ of this machine. Usually systemd\n"
             "starts it; people sign in with: p2pchat web\n\n"
             "  --bus=system|session|ADDRESS  bus on which the chat service is (default: system)\n"
             "  --state=DIRECTORY     where files wait for being saved (default: "
             "$STATE_DIRECTORY)\n"
             "  --token-time=SPAN     how long a link waits for being opened (default: 60s)\n"
             "  --session-time=SPAN   how long who asks nothing stays signed in (default: 30min)\n"
             "  --idle-time=SPAN      how long it runs with nobody signed in (default: 10s)\n"
             "  --bus-introspect      print the D-Bus interface\n"
             "  --version             print the version\n"
             "  --help                print this");
}

static int introspect(void)
{
        _cleanup_(freep)
        char *xml = NULL;
        int r = service_introspect(&xml);

        if (r < 0)
                return log_error_errno(r, "Failed to describe the interface: %m");
        fputs(xml, stdout);
        return 0;
}

static int parse_time(const char *option, const char *value, usec_t *ret)
{
        usec_t usec;

        if (config_parse_span(value, &usec) < 0 || usec < USEC_PER_SEC || usec > SPAN_USEC_MAX) {
                log_error("--%s=%s: wanted is a time between 1s and 24h.", option, value);
                return -EINVAL;
        }
        *ret = usec;
        return 1;
}

/* 1: go on; 0: all is done; negative: wrong. */
static int parse(int argc, char *argv[], struct settings *s)
{
        enum { BUS = 256, STATE, TOKEN, SESSION, IDLE, INTROSPECT, VERSION, HELP };
        static const struct option options[] = {
                { "bus", required_argument, NULL, BUS },
                { "state", required_argument, NULL, STATE },
                { "token-time", required_argument, NULL, TOKEN },
                { "session-time", required_argument, NULL, SESSION },
                { "idle-time", required_argument, NULL, IDLE },
                { "bus-introspect", no_argument, NULL, INTROSPECT },
                { "version", no_argument, NULL, VERSION },
                { "help", no_argument, NULL, HELP },
                {},
        };
        int c, r = 1;

        while (r > 0 && (c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case BUS:
                        s->bus = optarg;
                        break;
                case STATE:
                        s->state = optarg;
                        break;
                case TOKEN:
                        r = parse_time("token-time", optarg, &s->token_usec);
                        break;
                case SESSION:
                        r = parse_time("session-time", optarg, &s->session_usec);
                        break;
                case IDLE:
                        r = parse_time("idle-time", optarg, &s->idle_usec);
                        break;
                case INTROSPECT:
                        return introspect();
                case VERSION:
                        puts("p2pchat-web " P2PCHAT_VERSION);
                        return 0;
                case HELP:
                        help();
                        return 0;
                default:
                        return -EINVAL;
                }
        if (r > 0 && optind < argc) {
                log_error(
                        "\"%s\" is not wanted: there are options only, see --help.", argv[optind]);
                return -EINVAL;
        }
        return r;
}

/* What is in memory stays there: no core file, and nobody looks in. */
static void protect(void)
{
        (void)setrlimit(RLIMIT_CORE, &(struct rlimit){});
        if (prctl(PR_SET_DUMPABLE, 0) < 0)
                log_warning_errno(-errno, "Failed to keep others out of our memory: %m");
        (void)signal(SIGPIPE, SIG_IGN);
}

/* A descriptor for each page, and ours. The unit allows as many. */
static void allow_descriptors(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;
        limit.rlim_cur = MAX(limit.rlim_cur, MIN(limit.rlim_max, (rlim_t)DESCRIPTORS_MAX));
        (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Passed by the service manager, or our own. Nobody but this machine may reach it. */
static int get_socket(int *ret)
{
        struct endpoint at = {};
        int n, r;

        n = sd_listen_fds(true);
        if (n < 0)
                return log_error_errno(n, "Failed to take the passed socket: %m");
        if (n > 1 || (n == 1 && sd_is_socket(SD_LISTEN_FDS_START, AF_INET, SOCK_STREAM, 1) <= 0))
                return log_error_errno(
                        -EINVAL, "One listening TCP socket at " PAGE_HOST " is wanted.");
        if (n == 1) {
                *ret = SD_LISTEN_FDS_START;
                return fd_set_nonblocking(*ret);
        }
        (void)endpoint_parse(PAGE_ADDRESS, PAGE_PORT, &at);
        r = socket_listen(&at, ret);
        return r < 0 ? log_error_errno(r, "Failed to listen at " PAGE_HOST ": %m") : 0;
}

int main(int argc, char *argv[])
{
        _cleanup_(web_freep)
        struct web *w = NULL;
        struct settings settings = {
                .bus = "system",
                .state = getenv("STATE_DIRECTORY"),
                .token_usec = TOKEN_USEC,
                .session_usec = SESSION_USEC,
                .idle_usec = IDLE_USEC,
        };
        sigset_t signals;
        int fd, r;

        log_setup(NULL);
        r = parse(argc, argv, &settings);
        if (r <= 0)
                return r < 0 ? 2 : EXIT_SUCCESS;
        protect();
        allow_descriptors();
        (void)sigemptyset(&signals);
        (void)sigaddset(&signals, SIGTERM);
        (void)sigaddset(&signals, SIGINT);
        (void)sigprocmask(SIG_BLOCK, &signals, NULL);

        r = get_socket(&fd);
        if (r >= 0)
                r = web_new(&settings, fd, &w);
        if (r >= 0)
                r = web_run(w);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
