/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The system journal, without ever waiting for it
 *
 * An entry is one datagram: fields as NAME=value, a line each; a value with a line break in it as
 * NAME, a line break, its size in 64 bits little-endian, the value, a line break. One that is too
 * large for a datagram goes as a sealed memory file in an otherwise empty one.
 *
 * Entries go out in the order in which they came: while one waits, later ones queue behind it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/list.h"
#include "base/usec.h"
#include "os/fd.h"
#include "os/journal.h"

#define JOURNAL_PATH "/run/systemd/journal/socket"
#define ENTRY_SIZE_MAX (512 * 1024)
#define RETRY_USEC_MIN (100 * USEC_PER_MSEC)
#define RETRY_USEC_MAX (30 * USEC_PER_SEC)

struct entry {
        struct list list;
        size_t size;
        uint8_t data[];
};

struct journal {
        int fd;       /* datagram socket, not connected */
        int timer_fd; /* armed while something waits */
        struct sockaddr_un address;
        socklen_t address_size;
        struct list waiting; /* struct entry */
        size_t n_waiting;
        size_t bytes_waiting;
        uint64_t n_lost;
        uint64_t n_lost_unsaid; /* not yet told in the journal */
        usec_t retry_usec;
};

int journal_new(const char *path, struct journal **ret)
{
        _cleanup_(journal_freep)
        struct journal *j = NULL;
        size_t size;

        if (!path)
                path = JOURNAL_PATH;
        size = strlen(path);
        if (size >= sizeof j->address.sun_path)
                return -ENAMETOOLONG;

        j = calloc(1, sizeof *j);
        if (!j)
                return -ENOMEM;
        j->fd = j->timer_fd = -EBADF;
        j->retry_usec = RETRY_USEC_MIN;
        list_init(&j->waiting);
        j->address.sun_family = AF_UNIX;
        memcpy(j->address.sun_path, path, size + 1);
        j->address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + 1);

        j->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (j->fd < 0)
                return -errno;
        j->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (j->timer_fd < 0)
                return -errno;

        *ret = TAKE_PTR(j);
        return 0;
}

static void drop_first(struct journal *j)
{
        struct entry *e = container_of(list_first(&j->waiting), struct entry, list);

        list_remove(&e->list);
        j->n_waiting--;
        j->bytes_waiting -= e->size;
        free(e);
}

struct journal *journal_free(struct journal *j)
{
        if (!j)
                return NULL;
        if (j->fd >= 0 && j->timer_fd >= 0)
                (void)journal_flush(j);
        while (!list_is_empty(&j->waiting))
                drop_first(j);
        fd_close(j->fd);
        fd_close(j->timer_fd);
        free(j);
        return NULL;
}

/* The memory file must be sealed, or the journal would not trust it. -EMSGSIZE when it could not be
 * made: waiting would not help, and hold up what comes after it. */
static int send_large(struct journal *j, const void *data, size_t size)
{
        union {
                struct cmsghdr header;
                uint8_t space[CMSG_SPACE(sizeof(int))];
        } control = {};
        struct msghdr m = {
                .msg_name = &j->address,
                .msg_namelen = j->address_size,
                .msg_control = &control,
                .msg_controllen = sizeof control,
        };
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        _cleanup_(fd_closep)
        int fd = -EBADF;

        fd = memfd_create("journal-entry", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0 || fd_write_all(fd, data, size) < 0 ||
                fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) <
                        0)
                return -EMSGSIZE;

        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
        return sendmsg(j->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int send_entry(struct journal *j, const void *data, size_t size)
{
        if (sendto(j->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL,
                    (const struct sockaddr *)&j->address, j->address_size) >= 0)
                return 0;
        if (errno == EMSGSIZE || errno == ENOBUFS)
                return send_large(j, data, size);
        return -errno;
}

/* Full, stopped, restarting or not there: all of it may pass. */
static bool may_pass(int r)
{
        return r == -EAGAIN || r == -ECONNREFUSED || r == -ENOENT || r == -EINTR || r == -ENOMEM;
}

static void arm(struct journal *j, usec_t usec)
{
        const struct itimerspec t = { .it_value = {
                                              .tv_sec = (time_t)(usec / USEC_PER_SEC),
                                              .tv_nsec = (long)(usec % USEC_PER_SEC * 1000),
                                      } };

        (void)timerfd_settime(j->timer_fd, 0, &t, NULL);
}

static void give_up(struct journal *j)
{
        j->n_lost++;
        j->n_lost_unsaid++;
}

static void enqueue(struct journal *j, const void *data, size_t size)
{
        struct entry *e;

        if (j->n_waiting >= JOURNAL_ENTRIES_MAX || size > JOURNAL_BYTES_MAX - j->bytes_waiting)
                return give_up(j);
        e = malloc(sizeof *e + size);
        if (!e)
                return give_up(j);

        e->size = size;
        memcpy(e->data, data, size);
        if (list_is_empty(&j->waiting))
                arm(j, j->retry_usec);
        list_append(&j->waiting, &e->list);
        j->n_waiting++;
        j->bytes_waiting += size;
}

static int append_field(struct buffer *b, const struct journal_field *f)
{
        uint8_t size_le[8];
        int r;

        r = buffer_append_string(b, f->name);
        if (r < 0)
                return r;
        if (memchr(f->value, '\n', f->size)) {
                for (size_t i = 0; i < sizeof size_le; i++)
                        size_le[i] = (uint8_t)((uint64_t)f->size >> 8 * i);
                r = buffer_append(b, "\n", 1);
                if (r == 0)
                        r = buffer_append(b, size_le, sizeof size_le);
        } else
                r = buffer_append(b, "=", 1);
        if (r == 0)
                r = buffer_append(b, f->value, f->size);
        if (r == 0)
                r = buffer_append(b, "\n", 1);
        return r;
}

/* 0, -ENOMEM or -E2BIG. */
static int make_entry(struct buffer *b, const struct journal_field *fields, size_t n_fields)
{
        char pid[16];
        int r = 0;

        (void)snprintf(pid, sizeof pid, "%d", (int)getpid());
        for (size_t i = 0; i < n_fields && r == 0; i++)
                r = append_field(b, &fields[i]);
        if (r == 0)
                r = append_field(
                        b, &JOURNAL_FIELD("SYSLOG_IDENTIFIER", program_invocation_short_name));
        if (r == 0)
                r = append_field(b, &JOURNAL_FIELD("SYSLOG_PID", pid));
        return r;
}

/* The line that tells what was lost: true when it went out, or there is none. */
static bool say_lost(struct journal *j)
{
        struct buffer b;
        char text[80];
        bool said;

        if (j->n_lost_unsaid == 0)
                return true;
        (void)snprintf(text, sizeof text, "%llu entries lost: the journal did not take them",
                (unsigned long long)j->n_lost_unsaid);
        buffer_init(&b, ENTRY_SIZE_MAX);
        said = make_entry(&b,
                       (const struct journal_field[]){
                               JOURNAL_FIELD("PRIORITY", "4"),
                               JOURNAL_FIELD("MESSAGE", text),
                       },
                       2) == 0 &&
               send_entry(j, b.data, b.size) == 0;
        buffer_done(&b);
        if (said)
                j->n_lost_unsaid = 0;
        return said;
}

bool journal_flush(struct journal *j)
{
        uint64_t expirations;
        bool moved = false;

        if (read(j->timer_fd, &expirations, sizeof expirations) < 0 && errno != EAGAIN)
                return false;

        while (!list_is_empty(&j->waiting)) {
                struct entry *e = container_of(list_first(&j->waiting), struct entry, list);
                int r = send_entry(j, e->data, e->size);

                if (r < 0 && may_pass(r))
                        break;
                if (r < 0)
                        give_up(j);
                drop_first(j);
                moved = true;
        }

        if (list_is_empty(&j->waiting) && say_lost(j)) {
                j->retry_usec = RETRY_USEC_MIN;
                return true;
        }
        j->retry_usec = moved ? RETRY_USEC_MIN : usec_min(j->retry_usec * 2, RETRY_USEC_MAX);
        arm(j, j->retry_usec);
        return false;
}

void journal_send(struct journal *j, const struct journal_field *fields, size_t n_fields)
{
        struct buffer b;
        int r;

        if (!j)
                return;

        buffer_init(&b, ENTRY_SIZE_MAX);
        r = make_entry(&b, fields, n_fields);
        if (r < 0)
                give_up(j);
        else if (!list_is_empty(&j->waiting))
                enqueue(j, b.data, b.size);
        else {
                r = send_entry(j, b.data, b.size);
                if (r < 0 && may_pass(r))
                        enqueue(j, b.data, b.size);
                else if (r < 0)
                        give_up(j);
        }
        buffer_done(&b);

        /* Lost without anything waiting behind it: the timer tells of it later. */
        if (j->n_lost_unsaid > 0 && list_is_empty(&j->waiting))
                arm(j, j->retry_usec);
}

int journal_fd(const struct journal *j)
{
        return j->timer_fd;
}

uint64_t journal_n_lost(const struct journal *j)
{
        return j->n_lost;
}
