/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where others connect */
#include "daemon/listener.h"
#include "daemon/manager.h"
#include "os/fd.h"
#include "os/log.h"
#include "os/socket.h"

#define ACCEPTS_PER_WAKE_UP 16
#define PAUSE_USEC (200 * USEC_PER_MSEC)
#define LINGERING_MAX 64 /* links that the node has forgotten, but the kernel not yet */

static int on_pause_over(sd_event_source *s, uint64_t usec, void *userdata)
{
        struct listener *l = userdata;

        return sd_event_source_set_enabled(l->io, SD_EVENT_ON);
}

/* Whoever waits in the backlog waits a little longer; accepting again and again would only turn
 * the loop. */
static int pause_accepting(struct listener *l, int error)
{
        int enabled = SD_EVENT_OFF, r;

        log_warning_errno(error, "Failed to accept a connection, pausing: %m");
        (void)sd_event_source_get_enabled(l->pause, &enabled);
        if (enabled != SD_EVENT_OFF)
                return 0;
        r = sd_event_source_set_enabled(l->io, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_time_relative(l->pause, PAUSE_USEC);
        return r < 0 ? r : sd_event_source_set_enabled(l->pause, SD_EVENT_ONESHOT);
}

/* 0; 1 when nobody waits; negative when accepting has to rest. */
static int accept_one(struct listener *l)
{
        struct manager *m = l->manager;
        struct sockaddr_storage a;
        socklen_t size = sizeof a;
        struct endpoint from;
        int fd;

        fd = accept4(l->fd, (struct sockaddr *)&a, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
                switch (errno) {
                case EMFILE:
                case ENFILE:
                case ENOBUFS:
                case ENOMEM:
                        return -errno;
                case EAGAIN:
                        return 1;
                default:
                        return 0; /* it is about that connection, not about us */
                }
        if (socket_address_parse((struct sockaddr *)&a, size, &from) < 0 ||
                links_n(&m->links) >= m->config.links_max + LINGERING_MAX) {
                fd_close(fd);
                return 0;
        }
        if (links_accept(&m->links, fd, &from, l->is_third) < 0)
                manager_fail(m, -ENOMEM, "Failed to take a connection");
        return 0;
}

static int on_io(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
        struct listener *l = userdata;

        for (unsigned i = 0; i < ACCEPTS_PER_WAKE_UP; i++) {
                int r = accept_one(l);

                if (r < 0)
                        return pause_accepting(l, r);
                if (r > 0)
                        return 0;
        }
        return 0;
}

void listener_init(struct listener *l, struct manager *m, bool is_third)
{
        *l = (struct listener){ .manager = m, .is_third = is_third, .fd = -EBADF };
}

int listener_start(struct listener *l, uint16_t port, int *fd)
{
        struct endpoint at = l->manager->settings->bind;
        int r;

        at.port = l->port = port;
        if (*fd >= 0) {
                l->fd = TAKE_FD(*fd);
        } else {
                r = socket_listen(&at, &l->fd);
                if (r < 0)
                        return log_error_errno(r,
                                "Failed to listen on TCP port %u: %m. Is another program, or "
                                "another p2pchatd, using it?",
                                at.port);
        }
        r = sd_event_add_io(l->manager->event, &l->io, l->fd, EPOLLIN, on_io, l);
        if (r >= 0)
                r = sd_event_add_time(
                        l->manager->event, &l->pause, CLOCK_MONOTONIC, 0, 0, on_pause_over, l);
        if (r >= 0)
                r = sd_event_source_set_enabled(l->pause, SD_EVENT_OFF);
        return r < 0 ? log_error_errno(r, "Failed to watch TCP port %u: %m", at.port) : 0;
}

void listener_done(struct listener *l)
{
        l->io = sd_event_source_disable_unref(l->io);
        l->pause = sd_event_source_disable_unref(l->pause);
        l->fd = fd_close(l->fd);
}
