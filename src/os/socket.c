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
                /* All addresses means those of IPv4 too. */
                r = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
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

int socket_prepare_datagram(int fd)
{
        int r;

        r = fd_set_nonblocking(fd);
        if (r == 0)
                r = fd_set_cloexec(fd);
        if (r == 0)
                r = set_option(fd, SOL_SOCKET, SO_BROADCAST, 1);
        if (r == 0)
                r = set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
        return r;
}

int socket_datagram(const struct endpoint *at, bool shared, int *ret_fd)
{
        _cleanup_(fd_closep)
        int fd = -EBADF;
        int r;

        if (at->family == ENDPOINT_IPV6)
                return -EAFNOSUPPORT;
        r = open_bound(SOCK_DGRAM, at, shared, &fd);
        if (r == 0)
                r = socket_prepare_datagram(fd);
        if (r < 0)
                return r;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

union packet_info {
        struct cmsghdr header;
        uint8_t space[CMSG_SPACE(sizeof(struct in_pktinfo))];
};

int socket_send_datagram(int fd, uint32_t interface, const struct endpoint *from,
        const struct endpoint *to, const void *data, size_t size)
{
        union packet_info control = {};
        struct in_pktinfo info = { .ipi_ifindex = (int)interface };
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
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);

        if (a.ss_family != AF_INET)
                return -EAFNOSUPPORT;
        if (from && from->family == ENDPOINT_IPV4)
                memcpy(&info.ipi_spec_dst, from->address, sizeof info.ipi_spec_dst);
        c->cmsg_level = IPPROTO_IP;
        c->cmsg_type = IP_PKTINFO;
        c->cmsg_len = CMSG_LEN(sizeof info);
        memcpy(CMSG_DATA(c), &info, sizeof info);
        return sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

ssize_t socket_receive_datagram(int fd, void *data, size_t size, struct endpoint *ret_from,
        uint32_t *ret_interface, size_t *ret_whole)
{
        union packet_info control;
        struct in_pktinfo info = {};
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
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
                if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
                        memcpy(&info, CMSG_DATA(c), sizeof info);
        r = socket_address_parse((struct sockaddr *)&a, m.msg_namelen, ret_from);
        if (r < 0)
                return r;
        *ret_interface = (uint32_t)info.ipi_ifindex;
        if (ret_whole)
                *ret_whole = (size_t)n;
        return (ssize_t)MIN((size_t)n, size);
}
