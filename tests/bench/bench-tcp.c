/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes there and back over TCP, between two processes that do nothing else
 *
 *     bench-tcp [SIZE] [TIMES]
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/endpoint.h"
#include "bench/bench.h"
#include "os/socket.h"

#define SIZE_MAX_HERE 65536

static uint8_t data[SIZE_MAX_HERE];

static int transfer(int fd, size_t size, bool is_write)
{
        for (size_t done = 0; done < size;) {
                ssize_t n = is_write ? write(fd, data + done, size - done)
                                     : read(fd, data + done, size - done);

                if (n <= 0)
                        return n < 0 ? -errno : -EPIPE;
                done += (size_t)n;
        }
        return 0;
}

static int plain_socket(const struct sockaddr_storage *a, socklen_t size)
{
        int fd = socket(a->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

        must(fd < 0 || connect(fd, (const struct sockaddr *)a, size) < 0 ? -errno : 0, "connect");
        return fd;
}

/* The other process: gives everything back. */
static void echo(const struct endpoint *to, size_t size)
{
        struct sockaddr_storage a;
        int fd = plain_socket(&a, socket_address_make(to, &a));

        while (transfer(fd, size, false) == 0 && transfer(fd, size, true) == 0)
                ;
        _exit(0);
}

int main(int argc, char **argv)
{
        size_t size = argc > 1 ? strtoul(argv[1], NULL, 10) : 256;
        size_t times = argc > 2 ? strtoul(argv[2], NULL, 10) : 20000;
        struct endpoint at = endpoint_ipv4(127, 0, 0, 1, 0);
        double *values = calloc(times, sizeof *values);
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
        struct sockaddr_storage a;
        socklen_t a_size = socket_address_make(&at, &a);
        pid_t child;

        must(!values || size > SIZE_MAX_HERE || times == 0 ? -EINVAL : 0, "arguments");
        must(listener < 0 || bind(listener, (struct sockaddr *)&a, a_size) < 0 ||
                                listen(listener, 1) < 0
                        ? -errno
                        : 0,
                "listen");
        must(socket_own_endpoint(listener, &at), "getsockname");
        child = fork();
        if (child == 0)
                echo(&at, size);
        fd = accept(listener, NULL, NULL);
        must(child < 0 || fd < 0 ? -errno : 0, "accept");
        for (size_t i = 0; i < times; i++) {
                double start = bench_now();

                must(transfer(fd, size, true), "write");
                must(transfer(fd, size, false), "read");
                values[i] = bench_now() - start;
        }
        row("tcp", median(values, times));
        (void)close(fd);
        (void)waitpid(child, NULL, 0);
        free(values);
        return 0;
}
