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

/* Not on a machine that has no IPv6, nor bound to one address, which is of IPv4. */
static void open_ipv6(struct datagram_socket *s)
{
        struct endpoint at = { .family = ENDPOINT_IPV6, .port = datagrams_port(s->dialect) };
        int r;

        if (s->owner->manager->settings->bind.family != ENDPOINT_NONE)
                return;
        r = socket_datagram(&at, false, &s->fd);
        if (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL)
                log_debug("This machine has no IPv6: nobody is looked for there.");
        else if (r < 0)
                log_warning_errno(r,
                        "Failed to open UDP port %u for IPv6, others will not be heard there: %m. "
                        "Is another program using it?",
                        at.port);
}

void datagrams_init(struct datagrams *d, struct manager *m)
{
        *d = (struct datagrams){ .manager = m };
        d->ipv6 = (struct datagram_socket){ .owner = d, .dialect = DIALECT_CLASSIC, .fd = -EBADF };
        for (enum dialect i = 0; i < N_DIALECTS; i++)
                d->own[i] = d->broadcast[i] =
                        (struct datagram_socket){ .owner = d, .dialect = i, .fd = -EBADF };
}

static int start_ipv6(struct datagrams *d, int *passed)
{
        int r;

        if (*passed >= 0)
                d->ipv6.fd = TAKE_FD(*passed);
        else
                open_ipv6(&d->ipv6);
        r = watch(&d->ipv6);
        return r < 0 ? log_error_errno(r, "Failed to watch a UDP port for IPv6: %m") : 0;
}

int datagrams_start(struct datagrams *d, int *classic, int *ipv6, int *second)
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
        return start_ipv6(d, ipv6);
}

static bool is_announced_to(const struct interface *list, size_t n, uint32_t link)
{
        for (size_t i = 0; i < n; i++)
                if (list[i].index == link && list[i].address.family == ENDPOINT_IPV6 &&
                        list[i].n_broadcast > 0)
                        return true;
        return false;
}

static bool is_listened_on(const struct datagrams *d, uint32_t link)
{
        for (size_t i = 0; i < d->n_links; i++)
                if (d->links[i] == link)
                        return true;
        return false;
}

static void leave_others(struct datagrams *d, const struct interface *list, size_t n)
{
        size_t n_left = 0;

        for (size_t i = 0; i < d->n_links; i++)
                if (is_announced_to(list, n, d->links[i]))
                        d->links[n_left++] = d->links[i];
                else
                        (void)socket_leave(d->ipv6.fd, &DATAGRAMS_GROUP, d->links[i]);
        d->n_links = n_left;
}

static void listen_on(struct datagrams *d, uint32_t link)
{
        int r;

        if (d->n_links == DATAGRAMS_LINKS_MAX || is_listened_on(d, link))
                return;
        /* A passed socket may have joined already, even on an interface of that number that is no
         * more. */
        (void)socket_leave(d->ipv6.fd, &DATAGRAMS_GROUP, link);
        r = socket_join(d->ipv6.fd, &DATAGRAMS_GROUP, link);
        if (r < 0)
                log_warning_errno(
                        r, "Failed to hear others by IPv6 on interface number %u: %m", link);
        else
                d->links[d->n_links++] = link;
}

void datagrams_listen(struct datagrams *d, const struct interface *interfaces, size_t n)
{
        if (d->ipv6.fd < 0)
                return;
        leave_others(d, interfaces, n);
        for (size_t i = 0; i < n; i++)
                if (is_announced_to(interfaces, n, interfaces[i].index))
                        listen_on(d, interfaces[i].index);
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
        close_socket(&d->ipv6);
}

void datagrams_send(struct datagrams *d, enum dialect dialect, uint32_t interface,
        const struct endpoint *to, const void *data, size_t size)
{
        const struct endpoint *bind = &d->manager->settings->bind;
        bool is_ipv6 = to->family == ENDPOINT_IPV6;
        int *error = is_ipv6 ? &d->send_error_ipv6 : &d->send_error[dialect];
        int fd = is_ipv6 ? d->ipv6.fd : d->own[dialect].fd, r;
        char address[ENDPOINT_STRING_MAX];

        if (fd < 0)
                return;
        r = socket_send_datagram(
                fd, interface, bind->family == ENDPOINT_NONE ? NULL : bind, to, data, size);
        if (r < 0 && *error != r)
                log_info_errno(r, "Failed to announce to %s: %m", endpoint_format(to, address));
        if (r == 0)
                d->sent_usec[dialect] = d->manager->now.real_usec;
        *error = r;
}
