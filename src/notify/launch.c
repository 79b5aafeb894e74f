/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Other programs */
#include "notify/launch.h"

#include <spawn.h>

#include "base/macro.h"

#define WEB_NAME "org.example.P2PChat.Web"
#define TERMINAL "x-terminal-emulator" /* Debian's alternative */

extern char **environ;

/* Whoever it is, it outlives us; the kernel reaps it, for main.c ignores SIGCHLD. */
static int spawn(const char *const *command)
{
        posix_spawnattr_t attributes;
        pid_t pid;
        int r;

        r = posix_spawnattr_init(&attributes);
        if (r != 0)
                return -r;
        r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
        if (r == 0)
                r = posix_spawnp(&pid, command[0], NULL, &attributes, (char **)command, environ);
        (void)posix_spawnattr_destroy(&attributes);
        return -r;
}

int launch_download(const char *id)
{
        static const char script[] =
                "directory=$(xdg-user-dir DOWNLOAD 2>/dev/null) || directory=\n"
                "[ -d \"$directory\" ] || directory=$HOME\n"
                "exec p2pchat file accept \"$1\" \"$directory/\" </dev/null >/dev/null\n";
        const char *command[] = { "sh", "-c", script, "sh", id, NULL };

        return spawn(command);
}

static bool has_web(sd_bus *bus)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        const char *name;
        bool found = false;
        int r;

        r = sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                "org.freedesktop.DBus", "ListActivatableNames", NULL, &reply, "");
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "s");
        while (r >= 0 && !found && (r = sd_bus_message_read(reply, "s", &name)) > 0)
                found = streq(name, WEB_NAME);
        return found;
}

int launch_conversation(sd_bus *system, const char *word)
{
        const char *web[] = { "p2pchat", "web", NULL };
        const char *chat[] = { TERMINAL, "-e", "p2pchat", "chat", "--", word, NULL };
        const char *shell[] = { TERMINAL, "-e", "p2pchat", NULL };

        if (has_web(system) && spawn(web) == 0)
                return 0;
        return spawn(word[0] ? chat : shell);
}
