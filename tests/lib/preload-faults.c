/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Put before a daemon by LD_PRELOAD: its clocks are off, and its disk fails
 *
 * Both as the file $P2PCHAT_FAULTS says, which tests/lib/faults.py writes while the daemon runs.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct faults {
        _Atomic int64_t ahead_sec;      /* the wall clock */
        _Atomic int64_t boot_ahead_sec; /* CLOCK_BOOTTIME, as after a suspend */
        _Atomic int64_t fail;           /* so many syncs fail, of the file below */
        _Atomic int64_t n_failed;       /* that did */
        _Atomic int64_t n_after;        /* syncs of it that were tried after the first failure */
        char file[32];                  /* what its path ends with */
};

static struct faults none, *faults = &none;

static void *next(const char *name)
{
        return dlsym(RTLD_NEXT, name);
}

__attribute__((constructor)) static void begin(void)
{
        const char *path = getenv("P2PCHAT_FAULTS");
        int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
        void *p = fd < 0 ? MAP_FAILED
                         : mmap(NULL, sizeof *faults, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        if (p == MAP_FAILED) {
                fprintf(stderr, "P2PCHAT_FAULTS cannot be used\n");
                _exit(127);
        }
        (void)close(fd);
        faults = p;
}

int clock_gettime(clockid_t id, struct timespec *t)
{
        static int (*real)(clockid_t, struct timespec *);
        int r;

        if (!real)
                real = next("clock_gettime");
        r = real(id, t);
        if (r == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
                t->tv_sec += faults->ahead_sec;
        else if (r == 0 && id == CLOCK_BOOTTIME)
                t->tv_sec += faults->boot_ahead_sec;
        return r;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
        struct timespec now;

        (void)zone;
        (void)clock_gettime(CLOCK_REALTIME, &now);
        *t = (struct timeval){ .tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000 };
        return 0;
}

time_t time(time_t *ret)
{
        struct timespec now;

        (void)clock_gettime(CLOCK_REALTIME, &now);
        if (ret)
                *ret = now.tv_sec;
        return now.tv_sec;
}

static bool is_meant(int fd)
{
        char link[64], path[PATH_MAX];
        size_t size = strnlen(faults->file, sizeof faults->file);
        ssize_t n;

        if (size == 0)
                return false;
        (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        n = readlink(link, path, sizeof path);
        return n >= (ssize_t)size && memcmp(path + n - size, faults->file, size) == 0;
}

/* As with Linux, the next try succeeds, and says nothing of what was lost. */
static int sync_with(const char *name, int fd)
{
        int (*real)(int) = next(name);

        if (!is_meant(fd))
                return real(fd);
        if (faults->n_failed > 0)
                faults->n_after++;
        if (faults->fail <= 0)
                return real(fd);
        faults->fail--;
        faults->n_failed++;
        errno = EIO;
        return -1;
}

int fsync(int fd)
{
        return sync_with("fsync", fd);
}

int fdatasync(int fd)
{
        return sync_with("fdatasync", fd);
}
