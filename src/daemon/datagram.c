/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Announcements in and out */
#include "daemon/datagram.h"
#include "daemon/manager.h"
#include "os/fd.h"
#include "os/log.h"
#include "os/socket.h"

#define DATAGRAM_SIZE_MAX 8192 /* longer ones are no announcements */

uint16_t datagrams_port(enum dialect dialect)
{
        switch (dialect) {
        case DIALECT_CLASSIC:
                return 6000;
        case DIALECT_SECOND:
                return 6004;
        case N_DIALECTS:
                break;
        }
        return 0;
}

static int on_io(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
        struct datagram_socket *socket = userdata;
        struct manager *m = socket->owner->manager;
        uint8_t data[DATAGRAM_SIZE_MAX];

        for (unsigned i = 0; i < DATAGRAMS_PER_WAKE_UP; i++) {
                struct endpoint from;
                uint32_t interface;
                size_t whole;
                ssize_t n;

                n = socket_receive_datagram(fd, data, sizeof data, &from, &interface, &whole);
                if (n == -EAGAIN)
                        break;
                if (n < 0 || whole > sizeof data)
                        continue;
                if (manager_take(m, node_datagram(m->node, socket->dialect, &from, data, (size_t)n,
                                            manager_now(m))) < 0)
                        break;
        }
        return 0;
}

static int watch(struct datagram_socket *s)
{
        if (s->fd < 0)
                return 0;
        return sd_event_add_io(s->owner->manager->event, &s->io, s->fd, EPOLLIN, on_io, s);
}

static void open_own(struct datagram_socket *s, const struct endpoint *bind)
{
        struct endpoint at = *bind;
        int r;

        at.port = datagrams_port(s->dialect);
        r = socket_datagram(&at, false, &s->fd);
        if (r < 0)
                log_warning_errno(r,
                        "Failed to open UDP port %u, others will not be heard there: %m. Is "
                        "another program using it?",
                        at.port);
}

static void open_broadcast(struct datagram_socket *s)
{
        struct endpoint at;
        char address[ENDPOINT_STRING_MAX];
        int r;

        if (!network_broadcast(&s->owner->manager->network, &at))
                return;
        at.port = datagrams_port(s->dialect);
        r = socket_datagram(&at, true, &s->fd);
        if (r < 0)
                log_warning_errno(
                        r, "Failed to hear what is sent to %s: %m", endpoint_format(&at, address));
}

void datagrams_init(struct datagrams *d, struct manager *m)
{
        *d = (struct datagrams){ .manager = m };
        for (enum dialect i = 0; i < N_DIALECTS; i++)
                d->own[i] = d->broadcast[i] =
                        (struct datagram_socket){ .owner = d, .dialect = i, .fd = -EBADF };
}

int datagrams_start(struct datagrams *d, int *classic, int *second)
{
        const struct endpoint *bind = &d->manager->settings->bind;
        int *passed[N_DIALECTS] = { [DIALECT_CLASSIC] = classic, [DIALECT_SECOND] = second };

        for (enum dialect i = 0; i < N_DIALECTS; i++) {
                int r;

                if (i == DIALECT_SECOND && !d->manager->config.second)
                        continue;
                if (*passed[i] >= 0)
                        d->own[i].fd = TAKE_FD(*passed[i]);
                else
                        open_own(&d->own[i], bind);
                if (bind->family != ENDPOINT_NONE)
                        open_broadcast(&d->broadcast[i]);
                r = watch(&d->own[i]);
                if (r >= 0)
                        r = watch(&d->broadcast[i]);
                if (r < 0)
                        return log_error_errno(
                                r, "Failed to watch UDP port %u: %m", datagrams_port(i));
        }
        return 0;
}

static void close_socket(struct datagram_socket *s)
{
        s->io = sd_event_source_disable_unref(s->io);
        s->fd = fd_close(s->fd);
}

void datagrams_done(struct datagrams *d)
{
        for (enum dialect i = 0; i < N_DIALECTS; i++) {
                close_socket(&d->own[i]);
                close_socket(&d->broadcast[i]);
        }
}

void datagrams_send(struct datagrams *d, enum dialect dialect, uint32_t interface,
        const struct endpoint *to, const void *data, size_t size)
{
        const struct endpoint *bind = &d->manager->settings->bind;
        char address[ENDPOINT_STRING_MAX];
        int r;

        if (d->own[dialect].fd < 0)
                return;
        r = socket_send_datagram(d->own[dialect].fd, interface,
                bind->family == ENDPOINT_NONE ? NULL : bind, to, data, size);
        if (r < 0 && d->send_error[dialect] != r)
                log_info_errno(r, "Failed to announce to %s: %m", endpoint_format(to, address));
        if (r == 0)
                d->sent_usec[dialect] = d->manager->now.real_usec;
        d->send_error[dialect] = r;
}
