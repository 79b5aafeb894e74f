/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * history.log: a line for every message
 *
 * Two marks: "written" is the newest message whose line the kernel has, and the store is told a
 * number only once that line is synced, now and then. So after a kill or a power cut the store
 * knows less than the file has. At the start, then, messages above the store's mark are compared
 * with the last lines of the file, and what is there already is not written again.
 *
 * Whenever lines cannot be written they are dropped here and read from the store later ("behind").
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "daemon/history-log.h"
#include "os/fd.h"
#include "os/log.h"

#define LINES_SIZE_MAX (4 * 1024 * 1024)
#define PAGE_ROWS 1000
#define PAGE_BYTES (256 * 1024) /* of texts; escapes make at most four times that */
#define TAIL_SIZE_MAX (2 * 1024 * 1024)
#define LINE_SIZE_MAX (1024 * 1024) /* that a half line may have to be searched for its begin */
#define UNSYNCED_SIZE_MAX (1024 * 1024)
#define SYNC_INTERVAL_USEC (5 * USEC_PER_SEC)
#define RETRY_INTERVAL_USEC (5 * USEC_PER_SEC)

struct history_log {
        char *path;
        enum store_keep keep;
        struct store *store;
        history_log_word_fn word;
        void *userdata;
        int fd;
        struct buffer lines; /* to be written at the end of this turn */
        uint64_t lines_last; /* sequence of the last of them */
        uint64_t written;    /* sequence of the last line in the file */
        size_t unsynced;     /* bytes written since the last sync */
        usec_t sync_usec;    /* mono: when the next one is due */
        bool behind;         /* what is above "written" is to be read from the store */
        usec_t retry_usec;   /* mono: not before, after trouble */
        struct buffer tail;  /* of the file at the start, while it is compared */
        char trouble[256];
};

/*
 * Lines
 */
static int append_escaped(struct buffer *b, const char *s, size_t n)
{
        while (n > 0) {
                uint32_t c = 0;
                int size = utf8_decode(s, n, &c), r;
                char escape[8];

                if (size > 0 && c != '\\' && !codepoint_is_control(c) && !codepoint_is_bidi(c))
                        r = buffer_append(b, s, (size_t)size);
                else if (size == 1 && strchr("\\\n\t\r", (int)c) && c != 0) {
                        const char name[] = { '\\', c == '\n'   ? 'n'
                                                    : c == '\t' ? 't'
                                                    : c == '\r' ? 'r'
                                                                : '\\' };
                        r = buffer_append(b, name, sizeof name);
                } else {
                        size = 1; /* each byte of it for itself */
                        (void)snprintf(escape, sizeof escape, "\\%03o", (uint8_t)*s);
                        r = buffer_append_string(b, escape);
                }
                if (r < 0)
                        return r;
                s += size;
                n -= (size_t)size;
        }
        return 0;
}

static void format_time(usec_t usec, char ret[static 40])
{
        time_t seconds = (time_t)(usec / USEC_PER_SEC);
        struct tm tm;
        size_t n = 0;

        if (gmtime_r(&seconds, &tm))
                n = strftime(ret, 20, "%Y-%m-%dT%H:%M:%S", &tm);
        if (n == 0)
                n = (size_t)snprintf(ret, 20, "9999-12-31T23:59:59");
        (void)snprintf(ret + n, 40 - n, ".%06uZ", (unsigned)(usec % USEC_PER_SEC));
}

/* A group has no address: its word stands there. */
static int append_place(struct history_log *l, const struct message_record *m)
{
        char address[ENDPOINT_STRING_MAX], word[WORD_SIZE];
        const char *place = endpoint_format(&m->endpoint, address);

        if (m->author_id[0])
                place = l->word ? l->word(m, word, l->userdata) : "+";
        return append_escaped(&l->lines, place, strlen(place));
}

static int append_line(struct history_log *l, const struct message_record *m)
{
        struct buffer *b = &l->lines;
        char time[40];
        int r;

        format_time(m->time_usec, time);
        r = buffer_append_string(b, time);
        if (r == 0)
                r = buffer_append_string(
                        b, m->direction == DIRECTION_SENT ? "\tSENT\t" : "\tRECEIVED\t");
        if (r == 0)
                r = append_escaped(b, m->name, strlen(m->name));
        if (r == 0)
                r = buffer_append_string(b, "\t");
        if (r == 0)
                r = append_place(l, m);
        if (r == 0)
                r = buffer_append_string(b, "\t");
        if (r == 0)
                r = buffer_append_string(b, security_word(m->security));
        if (r == 0)
                r = buffer_append_string(b, "\t");
        if (r == 0 && l->keep == STORE_KEEP_FULL)
                r = append_escaped(b, m->text, m->size);
        if (r == 0)
                r = buffer_append(b, "\n", 1);
        return r;
}

/*
 * The file
 */
_printf_(3, 4) static void trouble(struct history_log *l, int error, const char *format, ...)
{
        bool is_new = !l->trouble[0];
        va_list ap;

        errno = -error;
        va_start(ap, format);
        (void)vsnprintf(l->trouble, sizeof l->trouble, format, ap);
        va_end(ap);
        if (is_new)
                log_error("%s; what is missing there will be written later, it is in the store",
                        l->trouble);
        l->behind = true;
}

/* Where the last whole line ends, or negative. */
static off_t find_last_end(int fd, off_t size)
{
        uint8_t data[4096];
        off_t at = size;

        while (at > 0 && size - at < LINE_SIZE_MAX) {
                size_t want = (size_t)MIN(at, (off_t)sizeof data);
                ssize_t n = pread(fd, data, want, at - (off_t)want);
                const uint8_t *end;

                if (n < 0)
                        return -errno;
                if ((size_t)n != want)
                        return -EIO;
                end = memrchr(data, '\n', want);
                if (end)
                        return at - (off_t)want + (end - data) + 1;
                at -= (off_t)want;
        }
        return at;
}

static int repair(int fd, off_t size)
{
        off_t end = find_last_end(fd, size);

        if (end < 0)
                return (int)end;
        return end < size && ftruncate(fd, end) < 0 ? -errno : 0;
}

/* O_NONBLOCK only for the case that it is something other than a file. */
static int open_file(struct history_log *l)
{
        _cleanup_(fd_closep)
        int fd = -EBADF;
        struct stat st;
        int r = 0;

        fd = open(l->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
        if (fd < 0 || fstat(fd, &st) < 0)
                r = -errno;
        else if (!S_ISREG(st.st_mode))
                r = -ENOTSUP;
        else if (fchmod(fd, 0640) < 0) /* umask may have taken the group's right */
                r = -errno;
        else
                r = repair(fd, st.st_size);
        if (r < 0) {
                trouble(l, r, "Failed to open %s: %m", l->path);
                return r;
        }
        l->fd = TAKE_FD(fd);
        return 0;
}

/* What the store may be told. Lines that could not be synced are lost for all we know. */
static void sync_file(struct history_log *l)
{
        if (l->fd < 0 || l->unsynced == 0)
                return;
        l->unsynced = 0;
        if (fdatasync(l->fd) < 0) {
                trouble(l, -errno, "Failed to sync %s: %m", l->path);
                l->fd = fd_close(l->fd);
                l->written = store_logged(l->store);
                return;
        }
        store_set_logged(l->store, l->written);
}

/* All lines at once, or none of them. */
static int write_lines(struct history_log *l)
{
        struct stat st;
        int r;

        if (fstat(l->fd, &st) < 0)
                r = -errno;
        else {
                r = fd_write_all(l->fd, l->lines.data, l->lines.size);
                if (r < 0)
                        (void)!ftruncate(l->fd, st.st_size);
        }
        if (r < 0) {
                trouble(l, r, "Failed to write %s: %m", l->path);
                l->fd = fd_close(l->fd);
                return r;
        }
        if (l->lines_last > l->written)
                l->unsynced +=
                        l->lines.size + 1; /* even when the file had them all: tell the store */
        l->written = l->lines_last;
        if (l->trouble[0])
                log_info("%s works again", l->path);
        l->trouble[0] = 0;
        return 0;
}

/*
 * Catching up
 */
/* The last lines of the file as it was found. */
static void load_tail(struct history_log *l)
{
        struct stat st;
        off_t from;
        size_t size;
        ssize_t n;

        if (l->fd < 0 || fstat(l->fd, &st) < 0)
                return;
        from = st.st_size > TAIL_SIZE_MAX ? st.st_size - TAIL_SIZE_MAX : 0;
        size = (size_t)(st.st_size - from);
        if (size == 0 || buffer_reserve(&l->tail, size) < 0)
                return;
        n = pread(l->fd, l->tail.data, size, from);
        if (n > 0)
                l->tail.size = (size_t)n;
}

/* The @n-th tab of a line, or its end. */
static size_t tab(const uint8_t *line, size_t size, unsigned n)
{
        size_t i;

        for (i = 0; i < size; i++)
                if (line[i] == '\t' && --n == 0)
                        break;
        return i;
}

/* Address and security may have changed since: time, direction, user and text count. */
static bool is_same_line(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
        size_t a_head = tab(a, a_size, 3), b_head = tab(b, b_size, 3);
        size_t a_text = tab(a, a_size, 5), b_text = tab(b, b_size, 5);

        return a_head == b_head && memcmp(a, b, a_head) == 0 &&
               a_size - a_text == b_size - b_text &&
               memcmp(a + a_text, b + b_text, a_size - a_text) == 0;
}

/* Lines are in the order of the messages: each is searched from behind the one before. The first
 * that is not there ends the comparing. */
static bool is_in_tail(struct history_log *l, const uint8_t *line, size_t size)
{
        while (l->tail.size > 0) {
                const uint8_t *end = memchr(l->tail.data, '\n', l->tail.size);
                size_t n = end ? (size_t)(end - l->tail.data) + 1 : l->tail.size;
                bool same = is_same_line(l->tail.data, n, line, size);

                buffer_consume(&l->tail, n);
                if (same)
                        return true;
        }
        return false;
}

static int on_missing(const struct message_record *m, void *userdata)
{
        struct history_log *l = userdata;
        size_t before = l->lines.size;
        int r;

        r = append_line(l, m);
        if (r < 0) {
                l->lines.size = before;
                return r;
        }
        l->lines_last = m->sequence;
        if (is_in_tail(l, l->lines.data + before, l->lines.size - before))
                l->lines.size = before;
        return 0;
}

/* One page from the store. True when there is more. */
static bool catch_up(struct history_log *l, usec_t mono_usec)
{
        const struct store_query query = {
                .is_since = true,
                .since = l->written,
                .rows_max = PAGE_ROWS,
                .bytes_max = PAGE_BYTES,
        };
        int r;

        if (mono_usec < l->retry_usec)
                return false;
        l->retry_usec = usec_add(mono_usec, RETRY_INTERVAL_USEC);
        if (l->fd < 0 && open_file(l) < 0)
                return false;

        buffer_clear(&l->lines);
        l->lines_last = l->written;
        r = store_read(l->store, &query, on_missing, l, NULL);
        if (r < 0) {
                trouble(l, r, "Failed to read the history for %s: %m", l->path);
                return false;
        }
        if (write_lines(l) < 0)
                return false;
        l->retry_usec = 0;
        l->behind = r > 0;
        if (!l->behind)
                buffer_done(&l->tail);
        return l->behind;
}

/*
 * Outside
 */
int history_log_new(
        const char *path, enum store_keep keep, struct store *store, struct history_log **ret)
{
        _cleanup_(history_log_freep)
        struct history_log *l = calloc(1, sizeof *l);

        if (!l)
                return -ENOMEM;
        l->fd = -EBADF;
        l->keep = keep;
        l->store = store;
        buffer_init(&l->lines, LINES_SIZE_MAX);
        buffer_init(&l->tail, TAIL_SIZE_MAX);
        l->path = strdup(path);
        if (!l->path)
                return -ENOMEM;
        /* A store that was restored from a backup may know less than it had told us. */
        l->written = MIN(store_logged(store), store_last_sequence(store));
        if (keep != STORE_KEEP_NONE) {
                (void)open_file(l);
                l->behind = true;
                load_tail(l);
        }
        *ret = TAKE_PTR(l);
        return 0;
}

void history_log_set_word(struct history_log *l, history_log_word_fn word, void *userdata)
{
        l->word = word;
        l->userdata = userdata;
}

struct history_log *history_log_free(struct history_log *l)
{
        if (!l)
                return NULL;
        if (l->path)
                sync_file(l);
        fd_close(l->fd);
        buffer_done(&l->lines);
        buffer_done(&l->tail);
        free(l->path);
        free(l);
        return NULL;
}

void history_log_add(struct history_log *l, const struct message_record *message)
{
        size_t before = l->lines.size;

        if (l->keep == STORE_KEEP_NONE || l->behind)
                return;
        if (append_line(l, message) < 0) {
                l->lines.size = before;
                l->behind = true; /* too much for one turn: by pages, then */
                return;
        }
        l->lines_last = message->sequence;
}

bool history_log_flush(struct history_log *l, struct now now)
{
        bool more = false;

        if (l->keep == STORE_KEEP_NONE) {
                store_set_logged(l->store, store_last_sequence(l->store));
                return false;
        }
        if (l->lines.size > 0 && l->fd >= 0)
                (void)write_lines(l);
        buffer_clear(&l->lines);
        if (l->behind)
                more = catch_up(l, now.mono_usec);
        buffer_clear(&l->lines);

        if (l->unsynced > 0 &&
                (now.mono_usec >= l->sync_usec || l->unsynced >= UNSYNCED_SIZE_MAX)) {
                sync_file(l);
                l->sync_usec = usec_add(now.mono_usec, SYNC_INTERVAL_USEC);
        }
        return more;
}

void history_log_reopen(struct history_log *l)
{
        if (l->keep == STORE_KEEP_NONE)
                return;
        sync_file(l);
        l->fd = fd_close(l->fd);
        buffer_done(&l->tail);
        l->retry_usec = 0;
        (void)open_file(l);
}

const char *history_log_trouble(const struct history_log *l)
{
        return l->trouble;
}
