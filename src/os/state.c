/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a program remembers for its user */

#include "os/state.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "os/fd.h"
#include "os/file.h"

#define FILE_SIZE_MAX 4096

static int path_join(const char *a, const char *b, char **ret)
{
        return asprintf(ret, "%s/%s", a, b) < 0 ? -ENOMEM : 0;
}

int state_directory(char **ret)
{
        const char *base = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

        if (base && base[0] == '/')
                return path_join(base, "p2pchat", ret);
        if (!home || home[0] != '/')
                return -ENOENT;
        return path_join(home, ".local/state/p2pchat", ret);
}

static int make_directories(const char *path)
{
        _cleanup_(freep)
        char *copy = strdup(path);

        if (!copy)
                return -ENOMEM;
        for (char *p = copy + 1;; p++) {
                char saved;

                p = strchrnul(p, '/');
                saved = *p;
                *p = 0;
                if (mkdir(copy, 0700) < 0 && errno != EEXIST)
                        return -errno;
                if (!saved)
                        break;
                *p = saved;
        }
        return 0;
}

int state_write(const char *directory, const char *name, const char *contents)
{
        _cleanup_(freep)
        char *path = NULL;
        int r;

        r = path_join(directory, name, &path);
        if (r < 0)
                return r;
        r = file_write_atomic(path, contents, strlen(contents), 0600);
        if (r != -ENOENT)
                return r;
        r = make_directories(directory);
        return r < 0 ? r : file_write_atomic(path, contents, strlen(contents), 0600);
}

int state_read(const char *directory, const char *name, char **ret)
{
        _cleanup_(freep)
        char *path = NULL;
        uint8_t *contents;
        size_t size;
        int r;

        r = path_join(directory, name, &path);
        if (r < 0)
                return r;
        r = file_read(path, FILE_SIZE_MAX, &contents, &size);
        if (r == -ENOENT || r == -ENOTDIR)
                return 0;
        if (r < 0)
                return r;
        *ret = (char *)contents;
        return 1;
}

bool bookmark_name_is_valid(const char *name)
{
        size_t n = strlen(name);

        return n > 0 && n <= BOOKMARK_NAME_SIZE_MAX && name[0] != '.' &&
               strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
                       n;
}

static int bookmark_directory(char **ret)
{
        _cleanup_(freep)
        char *state = NULL;
        const char *given = getenv("STATE_DIRECTORY");
        int r;

        /* systemd gives all state directories of a unit, the first is the one that counts. */
        if (given && given[0] == '/') {
                *ret = strndup(given, strcspn(given, ":"));
                return *ret ? 0 : -ENOMEM;
        }
        r = state_directory(&state);
        return r < 0 ? r : path_join(state, "cursors", ret);
}

/* The lock is a file of its own, since the bookmark is a new file after each write. */
static int bookmark_lock(struct bookmark *b)
{
        _cleanup_(freep)
        char *path = NULL;

        if (asprintf(&path, "%s/.%s.lock", b->directory, b->name) < 0)
                return -ENOMEM;
        b->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (b->lock_fd < 0)
                return -errno;
        if (flock(b->lock_fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? -EBUSY : -errno;
        return 0;
}

static bool parse_sequence(const char *s, uint64_t *ret)
{
        char *end;
        unsigned long long v;

        if (*s < '0' || *s > '9')
                return false;
        errno = 0;
        v = strtoull(s, &end, 10);
        if (errno != 0 || (*end && !streq(end, "\n")))
                return false;
        *ret = v;
        return true;
}

int bookmark_open(const char *name, struct bookmark *ret)
{
        _cleanup_(bookmark_done)
        struct bookmark b = { .lock_fd = -EBADF, .sequence = UINT64_MAX };
        _cleanup_(freep)
        char *contents = NULL;
        int r, found;

        r = bookmark_directory(&b.directory);
        if (r < 0)
                return r;
        b.name = strdup(name);
        if (!b.name)
                return -ENOMEM;
        r = make_directories(b.directory);
        if (r < 0)
                return r;
        r = bookmark_lock(&b);
        if (r < 0)
                return r;
        found = state_read(b.directory, name, &contents);
        if (found < 0)
                return found;
        if (found > 0 && !parse_sequence(contents, &b.sequence))
                return -EBADMSG;
        *ret = b;
        b = (struct bookmark){ .lock_fd = -EBADF };
        return found;
}

int bookmark_write(struct bookmark *b, uint64_t sequence)
{
        char text[24];
        int r;

        snprintf(text, sizeof(text), "%" PRIu64 "\n", sequence);
        r = state_write(b->directory, b->name, text);
        if (r < 0)
                return r;
        b->sequence = sequence;
        return 0;
}

void bookmark_done(struct bookmark *b)
{
        b->lock_fd = fd_close(b->lock_fd);
        free(b->directory);
        free(b->name);
        *b = (struct bookmark){ .lock_fd = -EBADF };
}
