/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sockets on loopback addresses, passed ones, and news about addresses */
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/test.h"
#include "os/fd.h"
#include "os/socket.h"

static void wait_for(int fd, short events)
{
        struct pollfd p = { .fd = fd, .events = events };

        ASSERT_EQ(poll(&p, 1, 60000), 1);
}

TEST(addresses_there_and_back)
{
        static const char *const texts[] = { "127.40.0.1:7001", "[fe80::1%3]:6001", "::1" };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                struct sockaddr_storage a;
                struct endpoint e, back = {};
                socklen_t size;

                ASSERT_OK(endpoint_parse(texts[i], 6001, &e));
                size = socket_address_make(&e, &a);
                ASSERT_OK(socket_address_parse((struct sockaddr *)&a, size, &back));
                ASSERT_TRUE(endpoint_equal(&e, &back));
        }
        ASSERT_EQ(socket_address_parse(
                          (struct sockaddr *)&(struct sockaddr_storage){ .ss_family = AF_UNIX },
                          sizeof(struct sockaddr_storage), &(struct endpoint){}),
                -EAFNOSUPPORT);
}

TEST(tcp_from_a_chosen_address)
{
        struct endpoint at = endpoint_ipv4(127, 40, 0, 1, 0),
                        from = endpoint_ipv4(127, 40, 0, 2, 99);
        struct endpoint peer = {};
        int listener = -EBADF, fd = -EBADF, accepted;
        struct sockaddr_storage a;
        socklen_t size = sizeof a;

        ASSERT_OK(socket_listen(&at, &listener));
        ASSERT_OK(socket_own_endpoint(listener, &at));
        ASSERT_OK(socket_connect(&at, &from, &fd));
        wait_for(fd, POLLOUT);
        ASSERT_OK(socket_error(fd));
        wait_for(listener, POLLIN);
        accepted = accept4(listener, (struct sockaddr *)&a, &size, SOCK_CLOEXEC);
        ASSERT_GE(accepted, 0);
        ASSERT_OK(socket_address_parse((struct sockaddr *)&a, size, &peer));
        ASSERT_TRUE(endpoint_same_address(&peer, &from));
        ASSERT_NE(peer.port, 99);
        ASSERT_GE(socket_unsent(fd), 0);
        fd_close(accepted);
        fd_close(fd);
        fd_close(listener);
}

TEST(all_addresses_take_ipv4_as_such)
{
        struct endpoint any = {}, bound = {}, peer = {};
        int listener = -EBADF, fd = -EBADF, accepted;
        struct sockaddr_storage a;
        socklen_t size = sizeof a;

        ASSERT_OK(socket_listen(&any, &listener));
        ASSERT_OK(socket_own_endpoint(listener, &bound));
        ASSERT_OK(socket_connect(
                &(struct endpoint){
                        .address = { 127, 40, 0, 3 }, .port = bound.port, .family = ENDPOINT_IPV4 },
                NULL, &fd));
        wait_for(listener, POLLIN);
        accepted = accept4(listener, (struct sockaddr *)&a, &size, SOCK_CLOEXEC);
        ASSERT_GE(accepted, 0);
        ASSERT_OK(socket_address_parse((struct sockaddr *)&a, size, &peer));
        ASSERT_EQ(peer.family, ENDPOINT_IPV4);
        fd_close(accepted);
        fd_close(fd);
        fd_close(listener);
}

TEST(refused_connection)
{
        struct endpoint at = endpoint_ipv4(127, 40, 0, 4, 0);
        int listener = -EBADF, fd = -EBADF, r;

        ASSERT_OK(socket_listen(&at, &listener));
        ASSERT_OK(socket_own_endpoint(listener, &at));
        listener = fd_close(listener);
        ASSERT_EQ(listener, -EBADF);
        r = socket_connect(&at, NULL, &fd);
        if (r == 0) {
                wait_for(fd, POLLOUT);
                r = socket_error(fd);
        }
        ASSERT_EQ(r, -ECONNREFUSED);
        fd_close(fd);
}

TEST(datagrams)
{
        struct endpoint at = endpoint_ipv4(127, 40, 0, 5, 0),
                        other = endpoint_ipv4(127, 40, 0, 6, 0);
        struct endpoint from = {}, chosen = endpoint_ipv4(127, 40, 0, 7, 0);
        uint32_t interface = 0;
        size_t whole = 0;
        char data[8];
        int fd = -EBADF, any = -EBADF;

        ASSERT_OK(socket_datagram(&at, false, &fd));
        ASSERT_OK(socket_own_endpoint(fd, &at));
        ASSERT_OK(socket_datagram(&(struct endpoint){}, false, &any));
        ASSERT_EQ(socket_receive_datagram(fd, data, sizeof data, &from, &interface, NULL), -EAGAIN);

        /* A source address chosen, and a datagram longer than the room for it. */
        ASSERT_OK(socket_send_datagram(any, if_nametoindex("lo"), &chosen, &at, "0123456789", 10));
        wait_for(fd, POLLIN);
        ASSERT_EQ(socket_receive_datagram(fd, data, sizeof data, &from, &interface, &whole), 8);
        ASSERT_EQ(whole, 10);
        ASSERT_MEMEQ(data, "01234567", 8);
        ASSERT_TRUE(endpoint_same_address(&from, &chosen));
        ASSERT_EQ(interface, if_nametoindex("lo"));

        ASSERT_OK(socket_send_datagram(any, 0, NULL, &at, "", 0));
        wait_for(fd, POLLIN);
        ASSERT_EQ(socket_receive_datagram(fd, data, sizeof data, &from, &interface, &whole), 0);
        /* A socket is of one family. */
        other.family = ENDPOINT_IPV6;
        ASSERT_LT(socket_send_datagram(any, 0, NULL, &other, "x", 1), 0);
        fd_close(any);
        fd_close(fd);
}

/* Two programs of one machine hear the same broadcast. */
TEST(broadcast_on_loopback)
{
        struct endpoint at = endpoint_ipv4(127, 255, 255, 255, 0),
                        sender = endpoint_ipv4(127, 40, 0, 8, 0);
        struct endpoint from = {};
        uint32_t interface;
        int first = -EBADF, second = -EBADF, fd = -EBADF;
        char data[8];

        ASSERT_OK(socket_datagram(&at, true, &first));
        ASSERT_OK(socket_own_endpoint(first, &at));
        ASSERT_OK(socket_datagram(&at, true, &second));
        ASSERT_OK(socket_datagram(&sender, false, &fd));
        ASSERT_OK(socket_send_datagram(fd, 0, &sender, &at, "all", 3));
        wait_for(first, POLLIN);
        wait_for(second, POLLIN);
        ASSERT_EQ(socket_receive_datagram(first, data, sizeof data, &from, &interface, NULL), 3);
        ASSERT_TRUE(endpoint_same_address(&from, &sender));
        ASSERT_EQ(socket_receive_datagram(second, data, sizeof data, &from, &interface, NULL), 3);
        fd_close(first);
        fd_close(second);
        fd_close(fd);
}

/* False on a machine without IPv6. */
static bool open_ipv6(uint16_t port, int *ret_fd)
{
        int r = socket_datagram(
                &(struct endpoint){ .family = ENDPOINT_IPV6, .port = port }, false, ret_fd);

        if (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL) {
                printf("# no IPv6 here\n");
                return false;
        }
        ASSERT_OK(r);
        return true;
}

TEST(datagrams_of_ipv6)
{
        uint32_t lo = if_nametoindex("lo"), interface = 0;
        struct endpoint at = {}, from = {}, to;
        int fd = -EBADF, ipv4 = -EBADF;
        char data[8];

        if (!open_ipv6(0, &fd))
                return;
        ASSERT_OK(socket_own_endpoint(fd, &at));
        /* It is for IPv6 alone: the same port of IPv4 is free. */
        ASSERT_OK(socket_datagram(&(struct endpoint){ .port = at.port }, false, &ipv4));
        ASSERT_OK(endpoint_parse("::1", at.port, &to));
        if (socket_send_datagram(fd, 0, NULL, &to, "one", 3) == 0) {
                wait_for(fd, POLLIN);
                ASSERT_EQ(
                        socket_receive_datagram(fd, data, sizeof data, &from, &interface, NULL), 3);
                ASSERT_TRUE(endpoint_equal(&from, &to));
                ASSERT_EQ(interface, lo);
        } else
                printf("# no IPv6 on loopback\n");
        fd_close(ipv4);
        fd_close(fd);
}

/* What is heard then, tests/integration/test-ipv6.py tells: loopback has no multicast. */
TEST(group_of_ipv6)
{
        uint32_t lo = if_nametoindex("lo");
        struct endpoint group = {};
        int fd = -EBADF;

        if (!open_ipv6(0, &fd))
                return;
        ASSERT_OK(endpoint_parse("ff12::7032:7064", 1, &group));
        ASSERT_EQ(socket_leave(fd, &group, lo), -EADDRNOTAVAIL);
        ASSERT_OK(socket_join(fd, &group, lo));
        ASSERT_EQ(socket_join(fd, &group, lo), -EADDRINUSE);
        ASSERT_OK(socket_leave(fd, &group, lo));
        ASSERT_OK(socket_join(fd, &group, lo));
        fd_close(fd);
}

/* In a child, because passed descriptors have fixed numbers. */
static int run_child(int (*body)(void))
{
        pid_t child = fork();
        int status;

        ASSERT_GE(child, 0);
        if (child == 0)
                _exit(body());
        ASSERT_EQ(waitpid(child, &status, 0), child);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define CANNOT 77

static int take_passed(void)
{
        struct endpoint at = endpoint_ipv4(127, 40, 0, 9, 0);
        int datagram = -EBADF, stream = -EBADF, taken[N_PASSED_SOCKETS];
        char pid[16];

        if (socket_datagram(&at, false, &datagram) < 0 || socket_listen(&at, &stream) < 0)
                return 1;
        /* Any order; one name unknown, one with the wrong kind. */
        if (dup2(datagram, 13) < 0 || dup2(stream, 14) < 0)
                return 2;
        if (dup2(13, 3) < 0 || dup2(13, 4) < 0 || dup2(14, 5) < 0 || dup2(14, 6) < 0)
                return 3;
        (void)snprintf(pid, sizeof pid, "%d", (int)getpid());
        (void)setenv("LISTEN_PID", pid, 1);
        (void)setenv("LISTEN_FDS", "4", 1);
        (void)setenv("LISTEN_FDNAMES", "announce:strange:chat:second", 1);
        if (socket_take_passed(taken) != 2)
                return 4;
        if (taken[PASSED_ANNOUNCE] != 3 || taken[PASSED_CHAT] != 5 || taken[PASSED_SECOND] >= 0)
                return 5;
        if (fcntl(4, F_GETFD) >= 0 || fcntl(6, F_GETFD) >= 0)
                return 6;
        if (!(fcntl(5, F_GETFL) & O_NONBLOCK) || !(fcntl(3, F_GETFD) & FD_CLOEXEC))
                return 7;
        return getenv("LISTEN_FDS") ? 8 : 0;
}

TEST(passed_sockets_by_name)
{
        ASSERT_EQ(run_child(take_passed), 0);
}

/* Names are not enough: a socket of one family says nothing about the other one. */
static int take_passed_ipv6(void)
{
        int ipv6 = -EBADF, ipv4 = -EBADF, taken[N_PASSED_SOCKETS];
        char pid[16];

        if (socket_datagram(&(struct endpoint){ .family = ENDPOINT_IPV6 }, false, &ipv6) < 0)
                return CANNOT;
        if (socket_datagram(&(struct endpoint){}, false, &ipv4) < 0)
                return 1;
        if (dup2(ipv6, 13) < 0 || dup2(ipv4, 14) < 0)
                return 2;
        if (dup2(14, 3) < 0 || dup2(13, 4) < 0 || dup2(13, 5) < 0 || dup2(14, 6) < 0)
                return 3;
        (void)snprintf(pid, sizeof pid, "%d", (int)getpid());
        (void)setenv("LISTEN_PID", pid, 1);
        (void)setenv("LISTEN_FDS", "4", 1);
        (void)setenv("LISTEN_FDNAMES", "announce6:announce6:announce:announce", 1);
        if (socket_take_passed(taken) != 2)
                return 4;
        return taken[PASSED_ANNOUNCE6] == 4 && taken[PASSED_ANNOUNCE] == 6 ? 0 : 5;
}

TEST(passed_sockets_by_family)
{
        int r = run_child(take_passed_ipv6);

        if (r != CANNOT)
                ASSERT_EQ(r, 0);
}

TEST(nothing_passed)
{
        int taken[N_PASSED_SOCKETS];

        ASSERT_EQ(socket_take_passed(taken), 0);
        for (int i = 0; i < N_PASSED_SOCKETS; i++)
                ASSERT_LT(taken[i], 0);
}

TEST(loopback_is_listed)
{
        _cleanup_(freep)
        struct interface_address *list = NULL;
        bool found = false;
        size_t n = 0;

        ASSERT_OK(interface_list(&list, &n));
        for (size_t i = 0; i < n; i++)
                if (streq(list[i].name, "lo") && list[i].address.family == ENDPOINT_IPV4) {
                        ASSERT_TRUE(list[i].is_loopback);
                        ASSERT_EQ(list[i].index, if_nametoindex("lo"));
                        ASSERT_EQ(list[i].address.port, 0);
                        found = true;
                }
        ASSERT_TRUE(found);
}

/* In a network of its own, where loopback is still down. */
static int watch_changes(void)
{
        struct ifreq request = { .ifr_name = "lo" };
        int watch = -EBADF, fd;
        struct pollfd p;

        if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
                return CANNOT;
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || interface_watch(&watch) < 0)
                return 1;
        if (interface_watch_drain(watch))
                return 2;
        if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
                return CANNOT;
        request.ifr_flags |= IFF_UP;
        if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
                return CANNOT;
        p = (struct pollfd){ .fd = watch, .events = POLLIN };
        if (poll(&p, 1, 60000) != 1)
                return 3;
        if (!interface_watch_drain(watch))
                return 4;
        return interface_watch_drain(watch) ? 5 : 0;
}

TEST(changes_are_seen)
{
        int r = run_child(watch_changes);

        if (r == CANNOT)
                printf("# no network namespaces here\n");
        else
                ASSERT_EQ(r, 0);
}

TEST_MAIN()
