/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owned descriptors */
#include <fcntl.h>
#include <unistd.h>

#include "os/fd.h"

int fd_close(int fd)
{
        int saved = errno;

        if (fd >= 0)
                (void)close(fd); /* even after EINTR it is closed */
        errno = saved;
        return -EBADF;
}

int fd_set_nonblocking(int fd)
{
        int flags = fcntl(fd, F_GETFL);

        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
                return -errno;
        return 0;
}

int fd_set_cloexec(int fd)
{
        int flags = fcntl(fd, F_GETFD);

        if (flags < 0 || fcntl(fd, F_SETFD, flags | FD_CLOEXEC) < 0)
                return -errno;
        return 0;
}

int fd_write_all(int fd, const void *data, size_t size)
{
        const uint8_t *p = data;

        while (size > 0) {
                ssize_t n = write(fd, p, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return -EIO;
                p += n;
                size -= (size_t)n;
        }
        return 0;
}
