/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files that came and wait for a browser to take them */
#include "web/arrivals.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fd.h"
#include "web/json.h"

#define ABOUT ".about"
#define PATH_SIZE (FILE_ID_SIZE_MAX + sizeof(ABOUT))

int arrivals_open(const char *path, int *ret_directory)
{
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        *ret_directory = fd;
        return 0;
}

bool file_id_is_valid(const char *id)
{
        size_t size = strlen(id);

        return size > 0 && size <= FILE_ID_SIZE_MAX &&
               strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == size;
}

static void about_path(const char *id, char ret[static PATH_SIZE])
{
        (void)snprintf(ret, PATH_SIZE, "%.*s" ABOUT, FILE_ID_SIZE_MAX, id);
}

/* What the second file says. 0 or -errno; -ENOENT also for one that says nothing. */
static int read_about(int directory, const char *id, struct buffer *about, uint64_t *ret_size)
{
        _cleanup_(json_freep)
        struct json_object *o = NULL;
        _cleanup_(fd_closep)
        int fd = -EBADF;
        char path[PATH_SIZE];
        ssize_t n;
        int r;

        about_path(id, path);
        fd = openat(directory, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        r = buffer_reserve(about, ABOUT_SIZE_MAX);
        if (r < 0)
                return r;
        n = read(fd, about->data, ABOUT_SIZE_MAX);
        if (n < 0)
                return -errno;
        about->size = (size_t)n;
        about->data[n] = 0;
        r = json_parse((char *)about->data, about->size, &o);
        if (r == -ENOMEM)
                return r;
        return r == 0 && json_get_number(o, "size", ret_size) > 0 ? 0 : -ENOENT;
}

static int write_about(int directory, const char *id, const struct buffer *about)
{
        _cleanup_(fd_closep)
        int fd = -EBADF;
        char path[PATH_SIZE];

        about_path(id, path);
        fd = openat(directory, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        return fd < 0 ? -errno : fd_write_all(fd, about->data, about->size);
}

void arrival_remove(int directory, const char *id)
{
        char path[PATH_SIZE];

        if (!file_id_is_valid(id))
                return;
        about_path(id, path);
        (void)unlinkat(directory, id, 0);
        (void)unlinkat(directory, path, 0);
}

/* A stream of its names, from the beginning; NULL without memory. */
static DIR *open_names(int directory)
{
        int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *d = fd < 0 ? NULL : fdopendir(fd);

        if (!d)
                fd_close(fd);
        return d;
}

static void closedirp(DIR **d)
{
        if (*d)
                closedir(*d);
}

static int count(int directory)
{
        _cleanup_(closedirp)
        DIR *d = open_names(directory);
        int n = 0;

        if (!d)
                return -ENOMEM;
        for (const struct dirent *e; (e = readdir(d));)
                n += file_id_is_valid(e->d_name);
        return n;
}

int arrival_make(int directory, const char *id, const struct buffer *about, int *ret_fd)
{
        _cleanup_(fd_closep)
        int fd = -EBADF;
        int r;

        if (!file_id_is_valid(id))
                return -EINVAL;
        r = count(directory);
        if (r >= ARRIVALS_MAX && faccessat(directory, id, F_OK, 0) < 0)
                return -ENOBUFS;
        if (r >= 0)
                r = write_about(directory, id, about);
        if (r < 0)
                return r;
        fd = openat(directory, id, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int arrival_take(int directory, const char *id, int *ret_fd)
{
        _cleanup_(buffer_done)
        struct buffer about;
        _cleanup_(fd_closep)
        int fd = -EBADF;
        struct stat st;
        uint64_t size;
        int r;

        buffer_init(&about, ABOUT_SIZE_MAX);
        if (!file_id_is_valid(id))
                return -ENOENT;
        r = read_about(directory, id, &about, &size);
        if (r < 0)
                return r;
        fd = openat(directory, id, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if ((uint64_t)st.st_size != size)
                return -ENOENT;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static int append_one(int directory, struct buffer *b, const char *id)
{
        _cleanup_(buffer_done)
        struct buffer about;
        _cleanup_(fd_closep)
        int fd = -EBADF;
        uint64_t size;
        int r;

        buffer_init(&about, ABOUT_SIZE_MAX);
        r = arrival_take(directory, id, &fd);
        if (r == 0)
                r = read_about(directory, id, &about, &size);
        if (r == -ENOENT) {
                arrival_remove(directory, id);
                return 0;
        }
        if (r == 0 && b->data[b->size - 1] != '[')
                r = buffer_append(b, ",", 1);
        return r < 0 ? r : buffer_append(b, about.data, about.size);
}

int arrivals_append(int directory, struct buffer *b,
        bool (*is_known)(const char *id, void *userdata), void *userdata)
{
        _cleanup_(closedirp)
        DIR *d = open_names(directory);
        int r = d ? buffer_append(b, "[", 1) : -ENOMEM;

        for (const struct dirent *e; r == 0 && (e = readdir(d));)
                if (file_id_is_valid(e->d_name) && !is_known(e->d_name, userdata))
                        r = append_one(directory, b, e->d_name);
        return r < 0 ? r : buffer_append(b, "]", 1);
}
