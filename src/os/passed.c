/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sockets passed by the service manager: they come in any order, so names tell them apart */
#include <systemd/sd-daemon.h>

#include "os/fd.h"
#include "os/log.h"
#include "os/socket.h"

static const struct {
        const char *name;
        int family;
        int type;
        int listening; /* -1: does not matter */
} kinds[N_PASSED_SOCKETS] = {
        [PASSED_CHAT] = { "chat", AF_UNSPEC, SOCK_STREAM, 1 },
        [PASSED_ANNOUNCE] = { "announce", AF_INET, SOCK_DGRAM, -1 },
        [PASSED_ANNOUNCE6] = { "announce6", AF_INET6, SOCK_DGRAM, -1 },
        [PASSED_SECOND] = { "second", AF_INET, SOCK_DGRAM, -1 },
};

/* What @fd named @name is, or a negative number. */
static int recognise(int fd, const char *name)
{
        for (int i = 0; i < N_PASSED_SOCKETS; i++)
                if (streq(name, kinds[i].name) &&
                        sd_is_socket(fd, kinds[i].family, kinds[i].type, kinds[i].listening) > 0)
                        return i;
        return -EINVAL;
}

int socket_take_passed(int ret_fds[static N_PASSED_SOCKETS])
{
        char **names = NULL;
        int n, n_taken = 0;

        for (int i = 0; i < N_PASSED_SOCKETS; i++)
                ret_fds[i] = -EBADF;
        n = sd_listen_fds_with_names(true, &names);
        if (n < 0)
                return n;

        for (int i = 0; i < n; i++) {
                int fd = SD_LISTEN_FDS_START + i, kind = recognise(fd, names[i]), r = 0;

                if (kind >= 0 && ret_fds[kind] < 0)
                        r = kinds[kind].type == SOCK_DGRAM ? socket_prepare_datagram(fd)
                                                           : fd_set_nonblocking(fd);
                else
                        r = -ENOTSUP;
                if (r < 0) {
                        log_warning_errno(r,
                                "Closing passed socket \"%s\", which is not wanted: %m", names[i]);
                        fd_close(fd);
                } else {
                        ret_fds[kind] = fd;
                        n_taken++;
                }
                free(names[i]);
        }
        free(names);
        return n_taken;
}
