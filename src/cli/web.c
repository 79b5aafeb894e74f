/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The command web: opens the page of p2pchat-web, signed in
 *
 * Arguments of programs can be seen by every user of the machine, so the browser is not given the
 * link but a file that nobody else can read, which leads to it. The part of a link behind the "#"
 * stays in the browser.
 */

#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/format.h"
#include "cli/json.h"
#include "os/fd.h"
#include "os/file.h"

#define LINK "http://127.0.0.1:6002/#"
#define FILE_NAME "p2pchat-web.html"
#define TOKEN_SIZE_MAX 128

/* Whoever opens a browser is done soon, or it is the browser itself. */
#define OPENER_MSEC 5000

extern char **environ;

static int call_failed(struct bus_client *client)
{
        _cleanup_(freep)
        char *sentence = NULL;

        if (bus_client_outcome(client) != BUS_NO_SERVICE)
                return cli_call_failed(client);
        sentence = format_escape(bus_client_error(client), ESCAPE_LINE);
        (void)cli_error("the web page is not there: %s", sentence ? sentence : "out of memory");
        fputs("Is it installed? As administrator: apt install p2pchat-web\n"
              "If it does not start: systemctl status p2pchat-web; journalctl -u p2pchat-web\n",
                stderr);
        return EXIT_NO_SERVICE;
}

/* It becomes part of a page: what is no token of ours has no place there. */
static bool token_is_plain(const char *token)
{
        size_t size = strlen(token);

        return size > 0 && size <= TOKEN_SIZE_MAX &&
               strspn(token, "abcdefghijklmnopqrstuvwxyz234567") == size;
}

static int get_token(struct cli *cli, char **ret)
{
        struct bus_client *client;
        int r;

        r = cli_client(cli, &client);
        if (r != 0)
                return r;
        r = bus_client_web_token(client, ret);
        /* It was just ending, for nobody was there: now another one is started. */
        if (r < 0 && bus_client_outcome(client) == BUS_TIMEOUT)
                r = bus_client_web_token(client, ret);
        if (r < 0)
                return call_failed(client);
        if (!token_is_plain(*ret))
                return cli_error("the answer of the web page is not understood");
        return 0;
}

/* A page that only leads to the link. */
static int write_page(const char *link, char **ret)
{
        const char *directory = getenv("XDG_RUNTIME_DIR");
        _cleanup_(freep)
        char *path = NULL, *page = NULL;
        int n, r;

        if (!directory || directory[0] != '/')
                return -ENOENT;
        if (asprintf(&path, "%s/" FILE_NAME, directory) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        n = asprintf(&page,
                "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                "<meta name=\"referrer\" content=\"no-referrer\">\n"
                "<meta http-equiv=\"refresh\" content=\"0; url=%s\">\n"
                "<title>p2pchat</title></head>\n"
                "<body><p><a href=\"%s\">Open the chat</a></p></body></html>\n",
                link, link);
        if (n < 0) {
                page = NULL;
                return -ENOMEM;
        }
        r = file_write_atomic(path, page, (size_t)n, 0600);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(path);
        return 0;
}

/* True when @pid ended well or goes on. */
static bool wait_for_opener(pid_t pid)
{
        _cleanup_(fd_closep)
        int fd = pidfd_open(pid, 0);
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int status;

        if (fd >= 0 && poll(&p, 1, OPENER_MSEC) <= 0)
                return true;
        return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool run_opener(char *const arguments[])
{
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        pid_t pid;
        int r;

        if (posix_spawn_file_actions_init(&actions) != 0)
                return false;
        if (posix_spawnattr_init(&attributes) != 0) {
                posix_spawn_file_actions_destroy(&actions);
                return false;
        }
        /* Our terminal is not its own, nor are the signals from there. */
        (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
        for (int fd = 0; fd <= 2; fd++)
                (void)posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
        r = posix_spawnp(&pid, arguments[0], &actions, &attributes, arguments, environ);
        posix_spawn_file_actions_destroy(&actions);
        posix_spawnattr_destroy(&attributes);
        return r == 0 && wait_for_opener(pid);
}

static bool has_screen(void)
{
        const char *x = getenv("DISPLAY"), *wayland = getenv("WAYLAND_DISPLAY");

        return (x && x[0]) || (wayland && wayland[0]);
}

static bool open_browser(const char *link)
{
        _cleanup_(freep)
        char *path = NULL;

        if (!has_screen() || write_page(link, &path) < 0)
                return false;
        if (run_opener((char *[]){ (char *)"xdg-open", path, NULL }) ||
                run_opener((char *[]){ (char *)"gio", (char *)"open", path, NULL }))
                return true;
        (void)unlink(path);
        return false;
}

static int print_json(const char *key, const char *value)
{
        json_object *o = json_object_new_object();
        char *line = NULL;

        if (o && json_object_object_add(o, key, json_object_new_string(value)) == 0)
                line = json_line(o);
        json_object_put(o);
        return cli_print_json(line);
}

int run_web(struct cli *cli, const struct arguments *a)
{
        _cleanup_(freep)
        char *token = NULL;
        char link[sizeof(LINK) + TOKEN_SIZE_MAX];
        int r;

        r = get_token(cli, &token);
        if (r != 0)
                return r;
        if (a->given & OPTION_TOKEN) {
                if (cli->json)
                        return print_json("token", token);
                puts(token);
                return EXIT_DONE;
        }
        (void)snprintf(link, sizeof(link), LINK "%s", token);
        if (cli->json)
                return print_json("link", link);
        if (open_browser(link)) {
                puts("The chat opens in the web browser.");
                return EXIT_DONE;
        }
        puts(link);
        fflush(stdout);
        fputs("No web browser could be started. Open this link in one on this machine: once, "
              "within\n"
              "a minute, and show it to nobody.\n",
                stderr);
        return EXIT_DONE;
}
