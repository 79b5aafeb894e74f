/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a program says about itself */
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "os/journal.h"
#include "os/log.h"

#define LINE_SIZE_MAX 2048

/* A process has one standard error, so this is one per process. */
static struct {
        struct journal *journal; /* NULL: standard error */
        int level;
        bool is_terminal;
} target = { .level = LOG_INFO };

/* systemd tells in $JOURNAL_STREAM which socket it connected to the journal: compare, for standard
 * error may have been redirected since. */
static bool stderr_is_journal(void)
{
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;

        if (!stream || sscanf(stream, "%llu:%llu", &device, &inode) != 2)
                return false;
        return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_setup(struct journal *journal)
{
        target.journal = journal && stderr_is_journal() ? journal : NULL;
        target.is_terminal = isatty(STDERR_FILENO) == 1;
}

bool log_is_journal(void)
{
        return target.journal != NULL;
}

void log_set_level(int level)
{
        assert(level >= LOG_EMERG && level <= LOG_DEBUG);
        target.level = level;
}

int log_get_level(void)
{
        return target.level;
}

static const char *const level_words[] = {
        [LOG_EMERG] = "emerg",
        [LOG_ALERT] = "alert",
        [LOG_CRIT] = "crit",
        [LOG_ERR] = "err",
        [LOG_WARNING] = "warning",
        [LOG_NOTICE] = "notice",
        [LOG_INFO] = "info",
        [LOG_DEBUG] = "debug",
};

int log_level_from_word(const char *word)
{
        for (size_t i = 0; i < ELEMENTSOF(level_words); i++)
                if (streq(word, level_words[i]))
                        return (int)i;
        return -EINVAL;
}

const char *log_level_word(int level)
{
        assert(level >= LOG_EMERG && level <= LOG_DEBUG);
        return level_words[level];
}

/* One call is one line, whatever somebody else's text in it may hold. */
static void write_stderr(int level, char *line, size_t size)
{
        struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
        const char prefix[] = { '<', (char)('0' + level), '>' };
        struct iovec iov[] = {
                { .iov_base = (void *)prefix, .iov_len = target.is_terminal ? 0 : sizeof prefix },
                { .iov_base = line, .iov_len = size },
                { .iov_base = (void *)"\n", .iov_len = 1 },
        };

        for (size_t i = 0; i < size; i++)
                if ((uint8_t)line[i] < ' ' || line[i] == 0x7f)
                        line[i] = ' ';
        /* A pipe that is ready takes a line of this length without waiting. */
        if (poll(&p, 1, 0) > 0 && (p.revents & POLLOUT))
                (void)!writev(STDERR_FILENO, iov, ELEMENTSOF(iov));
}

int log_full(int level, int error, const char *format, ...)
{
        char line[LINE_SIZE_MAX], priority[2] = { (char)('0' + level), 0 };
        int saved = errno, n;
        va_list ap;

        if (level > target.level)
                return error;

        errno = error < 0 ? -error : error;
        va_start(ap, format);
        n = vsnprintf(line, sizeof line, format, ap);
        va_end(ap);
        if (n > 0) {
                size_t size = MIN((size_t)n, sizeof line - 1);
                const struct journal_field fields[] = {
                        JOURNAL_FIELD("PRIORITY", priority),
                        { .name = "MESSAGE", .value = line, .size = size },
                };

                if (target.journal)
                        journal_send(target.journal, fields, ELEMENTSOF(fields));
                else
                        write_stderr(level, line, size);
        }
        errno = saved;
        return error;
}
