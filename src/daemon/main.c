/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* p2pchatd: the chat service */
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>

#include "core/crypto/crypto.h"
#include "daemon/bus.h"
#include "daemon/manager.h"
#include "os/log.h"
#include "os/trim.h"

#define STATE_DEFAULT "/var/lib/p2pchat"
#define LOG_DEFAULT "/var/log/p2pchat"

static void help(void)
{
        printf("p2pchatd [OPTION...]\n\n"
               "The peer-to-peer chat service. Usually systemd starts it.\n\n"
               "  --bus=system|session|ADDRESS|none  bus to be reached on (default: system)\n"
               "  --config=FILE       configuration (default: %s)\n"
               "  --state=DIRECTORY   database and keys (default: $STATE_DIRECTORY, %s)\n"
               "  --log=DIRECTORY     history.log (default: $LOGS_DIRECTORY, %s)\n"
               "  --bind=ADDRESS      take and send everything at this address alone\n"
               "  --bus-introspect    print the D-Bus interface\n"
               "  --version           print the version\n"
               "  --help              print this\n\n"
               "A second service on one machine needs its own bus, directories and address.\n",
                CONFIG_PATH, STATE_DEFAULT, LOG_DEFAULT);
}

static int introspect(void)
{
        _cleanup_(freep)
        char *xml = NULL;
        int r = bus_introspect(&xml);

        if (r < 0)
                return log_error_errno(r, "Failed to describe the interface: %m");
        fputs(xml, stdout);
        return 0;
}

/* 1: go on; 0: all is done; negative: wrong. */
static int parse(int argc, char *argv[], struct settings *s)
{
        enum { BUS = 256, CONFIG, STATE, LOG, BIND, INTROSPECT, VERSION, HELP };
        static const struct option options[] = {
                { "bus", required_argument, NULL, BUS },
                { "config", required_argument, NULL, CONFIG },
                { "state", required_argument, NULL, STATE },
                { "log", required_argument, NULL, LOG },
                { "bind", required_argument, NULL, BIND },
                { "bus-introspect", no_argument, NULL, INTROSPECT },
                { "version", no_argument, NULL, VERSION },
                { "help", no_argument, NULL, HELP },
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case BUS:
                        s->bus = optarg;
                        break;
                case CONFIG:
                        s->config = optarg;
                        break;
                case STATE:
                        s->state = optarg;
                        break;
                case LOG:
                        s->log = optarg;
                        break;
                case BIND:
                        if (endpoint_parse(optarg, 0, &s->bind) < 0 || s->bind.port != 0 ||
                                s->bind.family != ENDPOINT_IPV4 || !endpoint_is_unicast(&s->bind)) {
                                log_error("--bind=%s: wanted is a numeric IPv4 address.", optarg);
                                return -EINVAL;
                        }
                        break;
                case INTROSPECT:
                        return introspect();
                case VERSION:
                        printf("p2pchatd %s\n", P2PCHAT_VERSION);
                        return 0;
                case HELP:
                        help();
                        return 0;
                default:
                        return -EINVAL;
                }
        if (optind < argc) {
                log_error(
                        "\"%s\" is not wanted: there are options only, see --help.", argv[optind]);
                return -EINVAL;
        }
        return 1;
}

/* What is in memory stays there: no core file, and nobody looks in. */
static void protect(void)
{
        (void)setrlimit(RLIMIT_CORE, &(struct rlimit){});
        if (prctl(PR_SET_DUMPABLE, 0) < 0)
                log_warning_errno(-errno, "Failed to keep others out of our memory: %m");
        (void)signal(SIGPIPE, SIG_IGN);
}

static int prepare_crypto(void)
{
        bool locked;
        int r = crypto_init(&locked);

        if (r < 0)
                return log_error_errno(r, "The library libgcrypt is too old: %m");
        if (!locked)
                log_info("Keys may reach the swap space: memory cannot be locked here.");
        return 0;
}

static int run(int argc, char *argv[])
{
        _cleanup_(manager_freep)
        struct manager *m = NULL;
        struct settings settings = {
                .bus = "system",
                .config = CONFIG_PATH,
                .state = getenv("STATE_DIRECTORY") ?: STATE_DEFAULT,
                .log = getenv("LOGS_DIRECTORY") ?: LOG_DEFAULT,
        };
        int r;

        (void)mallopt(M_ARENA_MAX, 1); /* a worker's memory is to be nobody's but ours */
        log_setup(NULL);
        r = parse(argc, argv, &settings);
        if (r <= 0)
                return r < 0 ? 2 : EXIT_SUCCESS;
        protect();
        r = prepare_crypto();
        if (r < 0)
                return EXIT_FAILURE;

        r = manager_new(&settings, &m);
        if (r == 0)
                r = manager_start(m);
        if (r != 0)
                return r > 0 ? EXIT_NOT_STARTED : EXIT_FAILURE;

        (void)sd_notify(false, "READY=1");
        trim_memory();
        r = manager_run(m);
        (void)sd_notify(false, "STOPPING=1");
        if (r == EXIT_RESTART && !getenv("NOTIFY_SOCKET"))
                log_notice("Ended so as to begin anew: start p2pchatd again.");
        return r;
}

int main(int argc, char *argv[])
{
        return run(argc, argv);
}
