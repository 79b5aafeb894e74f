/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole small files */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/file.h"

int file_read(const char *path, size_t size_max, uint8_t **ret, size_t *ret_size)
{
        _cleanup_(fd_closep)
        int fd = -EBADF;
        _cleanup_(freep)
        uint8_t *data = NULL;
        size_t size = 0;

        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return -errno;
        /* One byte more than allowed shows that there is more; one behind it is the zero byte. */
        data = malloc(size_max + 2);
        if (!data)
                return -ENOMEM;

        for (;;) {
                ssize_t n = read(fd, data + size, size_max + 1 - size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                size += (size_t)n;
                if (size > size_max)
                        return -E2BIG;
        }

        data[size] = 0;
        *ret = TAKE_PTR(data);
        *ret_size = size;
        return 0;
}

int file_sync_directory(const char *path)
{
        _cleanup_(freep)
        char *directory = NULL;
        _cleanup_(fd_closep)
        int fd = -EBADF;
        const char *slash = strrchr(path, '/');

        if (!slash)
                directory = strdup(".");
        else
                directory = strndup(path, slash == path ? 1 : (size_t)(slash - path));
        if (!directory)
                return -ENOMEM;

        fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || fsync(fd) < 0)
                return -errno;
        return 0;
}

/* Makes the whole file under a name of its own: 0 and that name, or -errno and nothing left. */
static int write_temporary(
        const char *path, const void *data, size_t size, mode_t mode, char **ret_name)
{
        _cleanup_(freep)
        char *name = NULL;
        _cleanup_(fd_closep)
        int fd = -EBADF;
        int r;

        if (asprintf(&name, "%s.XXXXXX", path) < 0) {
                name = NULL;
                return -ENOMEM;
        }
        fd = mkostemp(name, O_CLOEXEC);
        if (fd < 0)
                return -errno;

        r = fchmod(fd, mode) < 0 ? -errno : 0;
        if (r == 0)
                r = fd_write_all(fd, data, size);
        if (r == 0 && fsync(fd) < 0)
                r = -errno;
        if (r < 0) {
                (void)unlink(name);
                return r;
        }
        *ret_name = TAKE_PTR(name);
        return 0;
}

static int write_file(const char *path, const void *data, size_t size, mode_t mode, bool replace)
{
        _cleanup_(freep)
        char *name = NULL;
        int r;

        r = write_temporary(path, data, size, mode, &name);
        if (r < 0)
                return r;
        /* link() refuses to replace, rename() replaces. */
        r = (replace ? rename(name, path) : link(name, path)) < 0 ? -errno : 0;
        if (r < 0 || !replace)
                (void)unlink(name);
        if (r < 0)
                return r;
        return file_sync_directory(path);
}

int file_write_atomic(const char *path, const void *data, size_t size, mode_t mode)
{
        return write_file(path, data, size, mode, true);
}

int file_create_atomic(const char *path, const void *data, size_t size, mode_t mode)
{
        return write_file(path, data, size, mode, false);
}

int file_exists(const char *path)
{
        struct stat st;

        if (lstat(path, &st) == 0)
                return 1;
        return errno == ENOENT ? 0 : -errno;
}

int file_rename_new(int directory, const char *from, const char *to)
{
        if (renameat2(directory, from, directory, to, RENAME_NOREPLACE) == 0)
                return 0;
        if (errno != EINVAL && errno != ENOSYS)
                return -errno;
        if (linkat(directory, from, directory, to, 0) < 0)
                return -errno;
        return unlinkat(directory, from, 0) < 0 ? -errno : 0;
}
