/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Sockets: bound, passed, connected; and the addresses of this machine
 *
 * All descriptors are non-blocking and close-on-exec. A socket for datagrams is of one family,
 * while one that listens for connections at all addresses takes both.
 */
#include <net/if.h>
#include <sys/socket.h>

#include "base/endpoint.h"

/* Returns the size used. IPv4 endpoints become AF_INET. */
socklen_t socket_address_make(const struct endpoint *e, struct sockaddr_storage *ret);
/* 0, or -EAFNOSUPPORT; IPv4-mapped IPv6 becomes IPv4. */
int socket_address_parse(const struct sockaddr *a, socklen_t size, struct endpoint *ret);
/* The address that a socket is bound to. 0 or -errno. */
int socket_own_endpoint(int fd, struct endpoint *ret);

/*
 * TCP
 */
/* @at with family ENDPOINT_NONE: its port on all addresses, IPv4 and IPv6. 0 or -errno. */
int socket_listen(const struct endpoint *at, int *ret_fd);
/* Begins to connect; writable when it is decided (SO_ERROR). @from may be NULL; its port is
 * ignored. 0 or -errno. */
int socket_connect(const struct endpoint *to, const struct endpoint *from, int *ret_fd);
/* Outcome of a connect: 0 or -errno. */
int socket_error(int fd);
/* Bytes written but not acknowledged by the other kernel, or -errno. */
int socket_unsent(int fd);

/*
 * UDP
 */
/* @at with family ENDPOINT_NONE: its port on all IPv4 addresses. @shared: others may be bound to
 * the same (for a socket at a broadcast address). 0 or -errno; -EAFNOSUPPORT or -EADDRNOTAVAIL when
 * this machine has no IPv6. */
int socket_datagram(const struct endpoint *at, bool shared, int *ret_fd);
/* Makes a passed one equal to one of socket_datagram(): flags, broadcasts, and that the interface
 * of a datagram is told. */
int socket_prepare_datagram(int fd);
/* Hears, or no longer hears, what is sent to a multicast group of IPv6 on one interface. 0 or
 * -errno: -EADDRINUSE when it does already, -EADDRNOTAVAIL when it does not. */
int socket_join(int fd, const struct endpoint *group, uint32_t interface);
int socket_leave(int fd, const struct endpoint *group, uint32_t interface);
/* @interface: index, or 0 for what the routing table says; @from: source address, may be NULL.
 * 0 or -errno. */
int socket_send_datagram(int fd, uint32_t interface, const struct endpoint *from,
        const struct endpoint *to, const void *data, size_t size);
/* Bytes of one datagram, -EAGAIN when none waits, or another -errno (which says nothing about the
 * next one). A longer datagram is cut to @size; *ret_whole (may be NULL) tells. */
ssize_t socket_receive_datagram(int fd, void *data, size_t size, struct endpoint *ret_from,
        uint32_t *ret_interface, size_t *ret_whole);

/*
 * Passed by the service manager
 */
enum passed_socket {
        PASSED_CHAT,      /* "chat": TCP */
        PASSED_ANNOUNCE,  /* "announce": UDP */
        PASSED_ANNOUNCE6, /* "announce6": UDP, IPv6 alone */
        PASSED_SECOND,    /* "second": UDP */
        N_PASSED_SOCKETS,
};
/* Told apart by name alone, each checked for its kind. Fills -EBADF for what was not passed; closes
 * what has an unknown name or the wrong kind, with a warning. The number of sockets taken, or
 * -errno. */
int socket_take_passed(int ret_fds[static N_PASSED_SOCKETS]);

/*
 * Own addresses
 */
struct interface_address {
        char name[IF_NAMESIZE];
        uint32_t index;
        struct endpoint address;   /* port 0 */
        struct endpoint broadcast; /* directed broadcast of this network, or family ENDPOINT_NONE */
        bool is_loopback;
        bool can_broadcast;
        bool can_multicast;
        bool is_up; /* and running */
};
/* IPv4, and IPv6 as far as it can be used already: a new address is checked for a second whether
 * another machine has it. Memory to be freed by the caller. 0 or -errno. */
int interface_list(struct interface_address **ret, size_t *ret_n);

/* Readable when an address or a link changed; drain it then. 0 or -errno. */
int interface_watch(int *ret_fd);
/* True when something relevant was in it. */
bool interface_watch_drain(int fd);
