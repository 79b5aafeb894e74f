/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of callers: which descriptors will do, and what there is room for */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "daemon/manager.h"

/*
 * Descriptors
 */
static const char *refuse_kind(mode_t mode)
{
        if (S_ISREG(mode))
                return NULL;
        if (S_ISDIR(mode))
                return "This is a directory and no file: put it into an archive first.";
        if (S_ISFIFO(mode))
                return "This is a pipe and no file: write what comes from it to a file first.";
        if (S_ISSOCK(mode))
                return "This is a socket and no file: write what comes from it to a file first.";
        return "This is a device and no file: give the descriptor of a regular file.";
}

/* Nothing here waits for whoever serves the file: the flag asks for what the kernel knows. */
static const char *refuse(int fd, int *ret_flags, struct statx *ret)
{
        int flags = fcntl(fd, F_GETFL);

        if (flags < 0 ||
                statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_SIZE, ret) < 0)
                return "This is no descriptor of a file.";
        *ret_flags = flags;
        return refuse_kind(ret->stx_mode);
}

const char *files_refuse_source(int fd, uint64_t *ret_size)
{
        struct statx st;
        int flags;
        const char *why = refuse(fd, &flags, &st);

        if (why)
                return why;
        if ((flags & O_PATH) || (flags & O_ACCMODE) == O_WRONLY)
                return "The file is not open for reading: open it for that and give that "
                       "descriptor.";
        *ret_size = st.stx_size;
        return NULL;
}

const char *files_refuse_target(int fd)
{
        struct statx st;
        int flags, seals;
        const char *why = refuse(fd, &flags, &st);

        if (why)
                return why;
        if ((flags & O_PATH) || (flags & O_ACCMODE) == O_RDONLY)
                return "The file is not open for writing: open it for that and give that "
                       "descriptor.";
        if (flags & O_APPEND)
                return "The file is open for appending: open it without O_APPEND.";
        seals = fcntl(fd, F_GET_SEALS);
        if (seals >= 0 &&
                (seals & (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE)))
                return "The file is sealed, so nothing can be written to it: give another one.";
        return NULL;
}

/*
 * Room
 */
static int by_spool_id(const void *a, const void *b)
{
        const struct file_view *x = a, *y = b;

        return memcmp(&x->spool_id, &y->spool_id, sizeof x->spool_id);
}

/* An offer that nobody has accepted takes no room. */
static bool is_in_spool(const struct file_view *v)
{
        return v->is_outgoing || v->state != TRANSFER_OFFERED;
}

static void add(struct files_usage *u, uint64_t uid, uint64_t of, uint64_t size, uint64_t unwritten)
{
        u->spool_size += size;
        u->unwritten_size += unwritten;
        if (of == uid)
                u->user_size += size;
}

int files_usage(const struct files *f, uint64_t uid, struct files_usage *ret)
{
        struct manager *m = f->manager;
        _cleanup_(freep)
        struct file_view *views = NULL;
        struct files_usage u = {};
        size_t n;
        int r;

        r = node_list_files(m->node, manager_now(m), &views, &n);
        if (r < 0)
                return r;
        if (n > 0)
                qsort(views, n, sizeof *views, by_spool_id);
        for (size_t i = 0; i < n; i++) {
                const struct file_view *v = &views[i];

                u.n_files++;
                u.files_size += v->size;
                /* What goes to a group is there once for all its members. */
                if (is_in_spool(v) && (i == 0 || by_spool_id(v, v - 1) != 0))
                        add(&u, uid, v->uid, v->size, v->is_outgoing ? 0 : v->size - v->done);
        }
        list_for_each (i, &f->sending) {
                const struct file_sending *s = container_of(i, struct file_sending, list);

                u.n_files++;
                u.files_size += s->size;
                add(&u, uid, s->uid, s->size, s->size - (s->job ? s->job->done : s->size));
        }
        *ret = u;
        return 0;
}

static int no_room(const char *whose, uint64_t size, uint64_t taken, uint64_t max,
        const char *option, char ret[static SENTENCE_SIZE])
{
        char a[SIZE_STRING_MAX], b[SIZE_STRING_MAX], c[SIZE_STRING_MAX];

        (void)snprintf(ret, SENTENCE_SIZE,
                "There is no room for %s: files under way%s take %s, and may take %s. Wait until "
                "some are done, cancel one, or raise [Limits] %s=.",
                size_format(size, a), whose, size_format(taken, b), size_format(max, c), option);
        return 1;
}

int files_check_room(
        const struct files *f, uint64_t uid, uint64_t size, char ret_sentence[static SENTENCE_SIZE])
{
        const struct manager *m = f->manager;
        const struct config *c = &m->config;
        char a[SIZE_STRING_MAX], b[SIZE_STRING_MAX];
        struct files_usage u;
        int64_t space;
        int r;

        r = files_usage(f, uid, &u);
        if (r < 0)
                return r;
        if (size > c->spool_user_max || u.user_size > c->spool_user_max - size)
                return no_room(" of this user", size, u.user_size, c->spool_user_max,
                        "SpoolPerUser", ret_sentence);
        if (size > c->spool_max || u.spool_size > c->spool_max - size)
                return no_room("", size, u.spool_size, c->spool_max, "SpoolTotal", ret_sentence);
        space = memory_space(&m->memory);
        if (space < 0 || (uint64_t)space >= size + u.unwritten_size + 2 * SPOOL_SPACE_MIN)
                return 0;
        (void)snprintf(ret_sentence, SENTENCE_SIZE,
                "There is no room for %s: the disk with %s has %s left, of which some must stay "
                "for messages and for files under way. Make room there.",
                size_format(size, a), m->memory.state, size_format((uint64_t)space, b));
        return 1;
}

const char *files_directory(const struct files *f)
{
        return f->manager->config.accept_into[0] ? f->manager->config.accept_into : f->directory;
}
