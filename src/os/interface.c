/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The addresses of this machine, and news about them */
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>

#include "os/fd.h"
#include "os/socket.h"

static socklen_t address_size(const struct sockaddr *a)
{
        return a->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

/* Nothing can be sent from an address of IPv6 before it was seen that no other machine has it. */
static bool is_usable(const struct endpoint *e)
{
        struct sockaddr_storage a;
        socklen_t size = socket_address_make(e, &a);
        bool usable;
        int fd;

        if (e->family != ENDPOINT_IPV6)
                return true;
        fd = socket(a.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        usable = fd >= 0 && bind(fd, (struct sockaddr *)&a, size) >= 0;
        fd_close(fd);
        return usable;
}

/* 0, or -EAFNOSUPPORT for what is not an address of the Internet, or not ours yet. */
static int describe(const struct ifaddrs *i, struct interface_address *ret)
{
        struct interface_address a = {
                .is_loopback = i->ifa_flags & IFF_LOOPBACK,
                .can_broadcast = i->ifa_flags & IFF_BROADCAST,
                .can_multicast = i->ifa_flags & IFF_MULTICAST,
                .is_up = (i->ifa_flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING),
        };
        size_t size = strcspn(i->ifa_name, ":"); /* "eth0:1" is a second address of eth0 */
        int r;

        if (!i->ifa_addr)
                return -EAFNOSUPPORT;
        r = socket_address_parse(i->ifa_addr, address_size(i->ifa_addr), &a.address);
        if (r < 0)
                return r;
        if (a.can_broadcast && i->ifa_broadaddr && i->ifa_addr->sa_family == AF_INET)
                (void)socket_address_parse(
                        i->ifa_broadaddr, address_size(i->ifa_broadaddr), &a.broadcast);
        memcpy(a.name, i->ifa_name, MIN(size, sizeof a.name - 1));
        a.index = if_nametoindex(a.name);
        if (a.index == 0 || !is_usable(&a.address))
                return -EAFNOSUPPORT;
        *ret = a;
        return 0;
}

int interface_list(struct interface_address **ret, size_t *ret_n)
{
        _cleanup_(freep)
        struct interface_address *list = NULL;
        struct ifaddrs *all;
        size_t n = 0;

        if (getifaddrs(&all) < 0)
                return -errno;
        for (const struct ifaddrs *i = all; i; i = i->ifa_next)
                n++;
        list = calloc(n + 1, sizeof *list);
        if (!list) {
                freeifaddrs(all);
                return -ENOMEM;
        }

        n = 0;
        for (const struct ifaddrs *i = all; i; i = i->ifa_next)
                if (describe(i, &list[n]) == 0)
                        n++;
        freeifaddrs(all);
        *ret = TAKE_PTR(list);
        *ret_n = n;
        return 0;
}

int interface_watch(int *ret_fd)
{
        _cleanup_(fd_closep)
        int fd = -EBADF;
        const struct sockaddr_nl a = {
                .nl_family = AF_NETLINK,
                .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
        };

        fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
        if (fd < 0)
                return -errno;
        if (bind(fd, (const struct sockaddr *)&a, sizeof a) < 0)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

bool interface_watch_drain(int fd)
{
        _Alignas(struct nlmsghdr) uint8_t data[8192];
        bool relevant = false;

        for (;;) {
                struct sockaddr_nl from = {};
                socklen_t from_size = sizeof from;
                ssize_t size = recvfrom(
                        fd, data, sizeof data, MSG_DONTWAIT, (struct sockaddr *)&from, &from_size);
                uint32_t left = size > 0 ? (uint32_t)size : 0;

                if (size < 0 && errno == EINTR)
                        continue;
                if (size < 0 && errno == ENOBUFS) {
                        relevant = true; /* some were lost, and who knows which */
                        continue;
                }
                if (size <= 0)
                        return relevant;
                if (from.nl_pid != 0)
                        continue; /* not from the kernel */
                for (struct nlmsghdr *h = (struct nlmsghdr *)data; NLMSG_OK(h, left);
                        h = NLMSG_NEXT(h, left))
                        if (h->nlmsg_type == RTM_NEWADDR || h->nlmsg_type == RTM_DELADDR ||
                                h->nlmsg_type == RTM_NEWLINK || h->nlmsg_type == RTM_DELLINK)
                                relevant = true;
        }
}
