/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bound and connected sockets */
#include <arpa/inet.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/socket.h"

socklen_t socket_address_make(const struct endpoint *e, struct sockaddr_storage *ret)
{
        struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

        memset(ret, 0, sizeof *ret);
        if (e->family == ENDPOINT_IPV6) {
                v6->sin6_family = AF_INET6;
                v6->sin6_port = htons(e->port);
                v6->sin6_scope_id = e->scope;
                memcpy(&v6->sin6_addr, e->address, sizeof v6->sin6_addr);
                return sizeof *v6;
        }
        v4->sin_family = AF_INET;
        v4->sin_port = htons(e->port);
        memcpy(&v4->sin_addr, e->address, sizeof v4->sin_addr);
        return sizeof *v4;
}

int socket_address_parse(const struct sockaddr *a, socklen_t size, struct endpoint *ret)
{
        struct endpoint e = {};
        struct sockaddr_in6 v6;
        struct sockaddr_in v4;

        if (size >= sizeof v4 && a->sa_family == AF_INET) {
                memcpy(&v4, a, sizeof v4);
                e.family = ENDPOINT_IPV4;
                e.port = ntohs(v4.sin_port);
                memcpy(e.address, &v4.sin_addr, sizeof v4.sin_addr);
        } else if (size >= sizeof v6 && a->sa_family == AF_INET6) {
                memcpy(&v6, a, sizeof v6);
                e.port = ntohs(v6.sin6_port);
                if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
                        e.family = ENDPOINT_IPV4;
                        memcpy(e.address, v6.sin6_addr.s6_addr + 12, 4);
                } else {
                        e.family = ENDPOINT_IPV6;
                        memcpy(e.address, &v6.sin6_addr, sizeof e.address);
                        if (IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr))
                                e.scope = v6.sin6_scope_id;
                }
        } else
                return -EAFNOSUPPORT;

        *ret = e;
        return 0;
}

int socket_own_endpoint(int fd, struct endpoint *ret)
{
        struct sockaddr_storage a;
        socklen_t size = sizeof a;

        if (getsockname(fd, (struct sockaddr *)&a, &size) < 0)
                return -errno;
        return socket_address_parse((struct sockaddr *)&a, size, ret);
}

static int set_option(int fd, int level, int option, int value)
{
        return setsockopt(fd, level, option, &value, sizeof value) < 0 ? -errno : 0;
}

/* A socket bound to @at; its family follows from it. */
static int open_bound(int type, const struct endpoint *at, bool reuse, int *ret_fd)
{
        _cleanup_(fd_closep)
        int fd = -EBADF;
        struct sockaddr_storage a;
        socklen_t size = socket_address_make(at, &a);
        int r;

        fd = socket(a.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (a.ss_family == AF_INET6) {
                /* All addresses means those of IPv4 too, for connections. */
                r = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, type == SOCK_DGRAM);
                if (r < 0)
                        return r;
        }
        if (reuse) {
                r = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
                if (r < 0)
                        return r;
        }
        if (bind(fd, (struct sockaddr *)&a, size) < 0)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int socket_listen(const struct endpoint *at, int *ret_fd)
{
        _cleanup_(fd_closep)
        int fd = -EBADF;
        struct endpoint any = { .family = ENDPOINT_IPV6, .port = at->port };
        int r;

        r = open_bound(SOCK_STREAM, at->family == ENDPOINT_NONE ? &any : at, true, &fd);
        if (at->family == ENDPOINT_NONE && (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL)) {
                any.family = ENDPOINT_IPV4; /* a machine without IPv6 */
                r = open_bound(SOCK_STREAM, &any, true, &fd);
        }
        if (r < 0)
                return r;
        if (listen(fd, SOMAXCONN) < 0)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int socket_connect(const struct endpoint *to, const struct endpoint *from, int *ret_fd)
{
        _cleanup_(fd_closep)
        int fd = -EBADF;
        struct sockaddr_storage a;
        socklen_t size;
        int r;

        if (from && from->family == to->family) {
                struct endpoint source = *from;

                source.port = 0;
                r = open_bound(SOCK_STREAM, &source, false, &fd);
                if (r < 0)
                        return r;
        }
        size = socket_address_make(to, &a);
        if (fd < 0)
                fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *)&a, size) < 0 && errno != EINPROGRESS)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int socket_error(int fd)
{
        int error;
        socklen_t size = sizeof error;

        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
                return -errno;
        return -error;
}

int socket_unsent(int fd)
{
        int n;

        return ioctl(fd, SIOCOUTQ, &n) < 0 ? -errno : n;
}

/* Without IPV6_MULTICAST_ALL a socket hears all groups that any program of this machine joined. */
static int prepare_family(int fd)
{
        int family, r;
        socklen_t size = sizeof family;

        if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) < 0)
                return -errno;
        if (family == AF_INET6) {
                r = set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
                return r < 0 ? r : set_option(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);
        }
        r = set_option(fd, SOL_SOCKET, SO_BROADCAST, 1);
        return r < 0 ? r : set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
}

int socket_prepare_datagram(int fd)
{
        int r;

        r = fd_set_nonblocking(fd);
        if (r == 0)
                r = fd_set_cloexec(fd);
        return r < 0 ? r : prepare_family(fd);
}

int socket_datagram(const struct endpoint *at, bool shared, int *ret_fd)
{
        _cleanup_(fd_closep)
        int fd = -EBADF;
        int r;

        r = open_bound(SOCK_DGRAM, at, shared, &fd);
        if (r == 0)
                r = socket_prepare_datagram(fd);
        if (r < 0)
                return r;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static int change_membership(int fd, int option, const struct endpoint *group, uint32_t interface)
{
        struct ipv6_mreq request = { .ipv6mr_interface = interface };

        memcpy(&request.ipv6mr_multiaddr, group->address, sizeof request.ipv6mr_multiaddr);
        return setsockopt(fd, IPPROTO_IPV6, option, &request, sizeof request) < 0 ? -errno : 0;
}

int socket_join(int fd, const struct endpoint *group, uint32_t interface)
{
        return change_membership(fd, IPV6_ADD_MEMBERSHIP, group, interface);
}

int socket_leave(int fd, const struct endpoint *group, uint32_t interface)
{
        return change_membership(fd, IPV6_DROP_MEMBERSHIP, group, interface);
}

union packet_info {
        struct cmsghdr header;
        uint8_t space[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

static void set_control(struct msghdr *m, int level, int type, const void *info, size_t size)
{
        struct cmsghdr *c = CMSG_FIRSTHDR(m);

        c->cmsg_level = level;
        c->cmsg_type = type;
        c->cmsg_len = CMSG_LEN(size);
        memcpy(CMSG_DATA(c), info, size);
        m->msg_controllen = CMSG_SPACE(size);
}

/* Where a datagram leaves: interface and address. */
static void set_packet_info(
        struct msghdr *m, int family, uint32_t interface, const struct endpoint *from)
{
        struct in6_pktinfo v6 = { .ipi6_ifindex = interface };
        struct in_pktinfo v4 = { .ipi_ifindex = (int)interface };

        if (family == AF_INET6) {
                if (from && from->family == ENDPOINT_IPV6)
                        memcpy(&v6.ipi6_addr, from->address, sizeof v6.ipi6_addr);
                set_control(m, IPPROTO_IPV6, IPV6_PKTINFO, &v6, sizeof v6);
                return;
        }
        if (from && from->family == ENDPOINT_IPV4)
                memcpy(&v4.ipi_spec_dst, from->address, sizeof v4.ipi_spec_dst);
        set_control(m, IPPROTO_IP, IP_PKTINFO, &v4, sizeof v4);
}

int socket_send_datagram(int fd, uint32_t interface, const struct endpoint *from,
        const struct endpoint *to, const void *data, size_t size)
{
        union packet_info control = {};
        struct sockaddr_storage a;
        struct iovec iov = { .iov_base = (void *)data, .iov_len = size };
        struct msghdr m = {
                .msg_name = &a,
                .msg_namelen = socket_address_make(to, &a),
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof control,
        };

        set_packet_info(&m, a.ss_family, interface, from);
        return sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* The interface that it came in by. */
static uint32_t packet_interface(struct msghdr *m)
{
        struct in6_pktinfo v6;
        struct in_pktinfo v4;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
                if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
                        memcpy(&v4, CMSG_DATA(c), sizeof v4);
                        return (uint32_t)v4.ipi_ifindex;
                } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
                        memcpy(&v6, CMSG_DATA(c), sizeof v6);
                        return v6.ipi6_ifindex;
                }
        return 0;
}

ssize_t socket_receive_datagram(int fd, void *data, size_t size, struct endpoint *ret_from,
        uint32_t *ret_interface, size_t *ret_whole)
{
        union packet_info control;
        struct sockaddr_storage a;
        struct iovec iov = { .iov_base = data, .iov_len = size };
        struct msghdr m = {
                .msg_name = &a,
                .msg_namelen = sizeof a,
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof control,
        };
        ssize_t n;
        int r;

        n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);
        if (n < 0)
                return -errno;
        r = socket_address_parse((struct sockaddr *)&a, m.msg_namelen, ret_from);
        if (r < 0)
                return r;
        *ret_interface = packet_interface(&m);
        if (ret_whole)
                *ret_whole = (size_t)n;
        return (ssize_t)MIN((size_t)n, size);
}
