/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A file under way, followed until it is over */

#include "cli/follow.h"

#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "cli/format.h"
#include "cli/json.h"
#include "os/clock.h"

#define TICK_USEC (500 * USEC_PER_MSEC)
#define ASK_USEC (5 * USEC_PER_SEC)
#define WIDTH_DEFAULT 80

static int end(struct follow *f, enum follow_end how, const char *reason)
{
        f->is_over = true;
        f->end = how;
        (void)snprintf(f->reason, sizeof f->reason, "%s", reason);
        return 0;
}

/*
 * What is seen
 */
static bool is_drawing(const struct follow *f)
{
        return !f->cli->json && isatty(STDOUT_FILENO);
}

static size_t width(void)
{
        struct winsize w;

        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0 || w.ws_col == 0)
                return WIDTH_DEFAULT;
        return w.ws_col - 1U; /* the last cell would begin a new line on some terminals */
}

static void draw(struct follow *f)
{
        _cleanup_(freep)
        char *line = progress_line(&f->progress, f->name, width());

        if (line)
                printf("\r%s\033[K", line);
        fflush(stdout);
        f->has_line = true;
}

static void tell_tenths(struct follow *f)
{
        char done[SIZE_STRING_MAX], size[SIZE_STRING_MAX];
        const struct progress *p = &f->progress;
        unsigned tenths = p->size > 0 ? (unsigned)(10.0 * (double)p->done / (double)p->size) : 10;

        if (tenths <= f->n_tenths)
                return;
        f->n_tenths = tenths;
        printf("%s: %u%%, %s of %s\n", f->name, 10 * tenths, size_format(p->done, done),
                size_format(p->size, size));
        fflush(stdout);
}

static void show(struct follow *f)
{
        if (is_drawing(f))
                draw(f);
        else if (!f->cli->json)
                tell_tenths(f);
}

static const char *explain_state(const struct follow *f, const char *state)
{
        if (streq(state, "preparing"))
                return "is being copied by the service";
        if (streq(state, "offered"))
                return "is offered, and waits for the other side to accept it";
        if (streq(state, "verifying"))
                return "is here, and is being compared";
        return f->fd < 0 ? "was accepted" : "is on its way";
}

static void set_state(struct follow *f, const char *state)
{
        if (streq(f->state, state))
                return;
        (void)snprintf(f->state, sizeof f->state, "%s", state);
        if (f->cli->json)
                return;
        if (f->has_line)
                printf("\r\033[K");
        printf("%s %s\n", f->name, explain_state(f, state));
        fflush(stdout);
        f->has_line = false;
}

/*
 * Asking
 */
static int accept_again(struct follow *f)
{
        f->wants_accept = false;
        if (bus_client_file_accept(f->client, f->id, f->fd) >= 0)
                return 0;
        (void)cli_call_failed(f->client);
        return end(f, FOLLOW_LOST, "");
}

/* Signals may have been left out. */
static int ask(struct follow *f)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL;
        uint64_t size = 0, done = 0;
        struct bus_file row;
        bool is_there = false;
        int r;

        f->asked_usec = clock_now().mono_usec;
        if (bus_client_file_list(f->client, &m) < 0)
                return 0; /* it is away: we wait for it */
        while ((r = bus_file_next(m, &row)) > 0)
                if (streq(row.id, f->id)) {
                        is_there = true;
                        size += row.size;
                        done += row.done;
                        set_state(f, row.state);
                }
        if (is_there && !streq(f->state, "preparing"))
                progress_take(&f->progress, done, size, clock_now().mono_usec);
        if (r < 0 || is_there || f->is_over)
                return 0;
        /* What ended just now is told by a signal that is on its way; what ended without one that
         * reached us is not there the next time either. */
        if (streq(f->state, "gone"))
                return end(f, FOLLOW_FAILED, "unknown");
        (void)snprintf(f->state, sizeof f->state, "gone");
        return 0;
}

/*
 * What happens
 */
static int on_progress(const char *id, uint64_t done, uint64_t size, void *userdata)
{
        struct follow *f = userdata;

        if (!f->id || !streq(id, f->id))
                return 0;
        progress_take(&f->progress, done, size, clock_now().mono_usec);
        if (!streq(f->state, "verifying"))
                set_state(f, "accepted");
        show(f);
        return 0;
}

static int on_finished(const char *id, const char *state, const char *reason, void *userdata)
{
        struct follow *f = userdata;

        if (!f->id || !streq(id, f->id))
                return 0;
        if (streq(state, "done"))
                return end(f, FOLLOW_DONE, reason);
        if (!streq(state, "whole"))
                return end(f, FOLLOW_FAILED, reason);
        if (!streq(reason, "not-taken"))
                return end(f, FOLLOW_NOT_WRITTEN, reason);
        f->wants_accept = f->fd >= 0;
        return 0;
}

static int on_service(bool there, void *userdata)
{
        struct follow *f = userdata;

        if (!f->id)
                return 0;
        f->asked_usec = 0;
        f->wants_accept = there && f->fd >= 0;
        return 0;
}

static int on_disconnected(void *userdata)
{
        (void)cli_error("the message bus is gone");
        return end(userdata, FOLLOW_LOST, "");
}

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *info, void *userdata)
{
        return end(userdata, FOLLOW_INTERRUPTED, "");
}

static int on_tick(sd_event_source *s, uint64_t usec, void *userdata)
{
        struct follow *f = userdata;
        int r = 0;

        if (streq(f->state, "preparing") || f->state[0] == 0 ||
                clock_now().mono_usec >= usec_add(f->asked_usec, ASK_USEC))
                r = ask(f);
        progress_count(&f->progress, clock_now().mono_usec);
        if (is_drawing(f) && streq(f->state, "accepted") && !f->is_over)
                draw(f);
        if (r >= 0)
                r = sd_event_source_set_time_relative(s, TICK_USEC);
        return r < 0 ? r : sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

/*
 * Life
 */
static const struct bus_client_signals signals = {
        .file_progress = on_progress,
        .file_finished = on_finished,
        .service = on_service,
        .disconnected = on_disconnected,
};

static int add_sources(struct follow *f)
{
        sigset_t set;
        int r;

        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGINT);
        (void)sigaddset(&set, SIGTERM);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        r = sd_event_new(&f->event);
        if (r >= 0)
                r = sd_event_add_signal(f->event, NULL, SIGINT, on_signal, f);
        if (r >= 0)
                r = sd_event_add_signal(f->event, NULL, SIGTERM, on_signal, f);
        if (r >= 0)
                r = sd_event_add_time_relative(
                        f->event, NULL, CLOCK_MONOTONIC, TICK_USEC, 0, on_tick, f);
        return r < 0 ? r : bus_client_watch(f->client, &signals, f);
}

int follow_start(struct follow *f, struct cli *cli, int fd)
{
        int r;

        *f = (struct follow){ .cli = cli, .fd = fd };
        r = cli_client(cli, &f->client);
        if (r != 0)
                return r;
        r = add_sources(f);
        return r < 0 ? cli_error_errno(r, "cannot follow the file") : 0;
}

enum follow_end follow_run(struct follow *f, const char *id, const char *name, uint64_t size)
{
        int r;

        f->id = strdup(id);
        f->name = format_escape(name, ESCAPE_LINE);
        r = f->id && f->name ? ask(f) : -ENOMEM;
        if (f->progress.size == 0)
                f->progress.size = size;
        if (r >= 0)
                r = sd_bus_attach_event(
                        bus_client_bus(f->client), f->event, SD_EVENT_PRIORITY_NORMAL);
        while (r >= 0 && !f->is_over) {
                r = sd_event_run(f->event, UINT64_MAX);
                if (r >= 0 && f->wants_accept && !f->is_over)
                        r = accept_again(f);
        }
        if (f->has_line)
                printf("\r\033[K");
        if (r < 0) {
                (void)cli_error_errno(r, "cannot follow the file");
                return FOLLOW_LOST;
        }
        return f->end;
}

void follow_done(struct follow *f)
{
        if (f->client && f->event)
                (void)sd_bus_detach_event(bus_client_bus(f->client));
        sd_event_unref(f->event);
        free(f->id);
        free(f->name);
}
