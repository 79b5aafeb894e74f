/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Lines from a person
 *
 * libedit asks for a character when it wants one, and we run the event loop until there is one. So
 * handlers run while a line is half typed, and only then. To print above the line, the cursor goes
 * to where the prompt begins, the rest of the screen is cleared, the text is written, and libedit
 * draws prompt and line anew.
 */

#include "cli/shell.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#if HAVE_LIBEDIT
#include <histedit.h>
#endif

#include "base/buffer.h"
#include "cli/format.h"
#include "cli/words.h"

#define LINE_SIZE_MAX (256 * 1024)
#define HISTORY_LINES 200
#define CANDIDATES_MAX 100
#define KEY_KILL_LINE L'\x15'

struct shell {
        sd_event *event;
        shell_complete_t complete;
        void *userdata;

        bool terminal;
        bool pollable;
        bool reading;
        bool ended;       /* by a signal */
        bool interrupted; /* by Ctrl-C */
        bool ready;       /* there is input */
        const char *prompt;
        sd_event_source *input;
        sd_event_source *signals[5];
        struct buffer buffer; /* read and not yet taken, without libedit */
        bool end_of_input;

#if HAVE_LIBEDIT
        EditLine *edit;
        History *history;
        mbstate_t decoding;
#endif
};

/* Runs the loop until input is there. 1, 0 when it shall end, or a negative errno. */
static int wait_for_input(struct shell *s)
{
        int r;

        s->ready = !s->pollable;
        do {
                if (s->pollable) {
                        r = sd_event_source_set_enabled(s->input, SD_EVENT_ONESHOT);
                        if (r < 0)
                                return r;
                }
                r = sd_event_run(s->event, s->ready ? 0 : UINT64_MAX);
                if (r < 0)
                        return r;
                if (sd_event_get_state(s->event) == SD_EVENT_FINISHED) {
                        int code;

                        r = sd_event_get_exit_code(s->event, &code);
                        return r < 0 ? r : code < 0 ? code : 0;
                }
        } while (!s->ready && !s->ended && !s->interrupted);
        return s->ended ? 0 : 1;
}

static int on_input(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct shell *s = userdata;

        s->ready = true;
        return 0;
}

#if HAVE_LIBEDIT

static struct shell *shell_of(EditLine *edit)
{
        void *s = NULL;

        el_get(edit, EL_CLIENTDATA, &s);
        return s;
}

static char *get_prompt(EditLine *edit)
{
        return (char *)shell_of(edit)->prompt;
}

static size_t terminal_columns(void)
{
        struct winsize size;

        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
                return 80;
        return size.ws_col;
}

/* To the first cell of the prompt, and everything from there on cleared. */
static void clear_line(struct shell *s)
{
        const LineInfo *line = el_line(s->edit);
        _cleanup_(freep)
        char *before = strndup(line->buffer, (size_t)(line->cursor - line->buffer));
        size_t cells = format_width(s->prompt) + (before ? format_width(before) : 0);
        size_t rows = cells / terminal_columns();

        if (rows > 0)
                printf("\033[%zuA", rows);
        fputs("\r\033[J", stdout);
}

static void edit_redraw(struct shell *s)
{
        fflush(stdout);
        el_set(s->edit, EL_REFRESH);
}

struct candidates {
        char *words[CANDIDATES_MAX];
        size_t n_words;
};

static void add_candidate(const char *word, void *userdata)
{
        struct candidates *c = userdata;

        if (c->n_words < CANDIDATES_MAX) {
                c->words[c->n_words] = strdup(word);
                if (c->words[c->n_words])
                        c->n_words++;
        }
}

static void candidates_done(struct candidates *c)
{
        for (size_t i = 0; i < c->n_words; i++)
                free(c->words[i]);
}

static size_t common_prefix(const struct candidates *c)
{
        size_t n = strlen(c->words[0]);

        for (size_t i = 1; i < c->n_words; i++)
                for (size_t k = 0; k < n; k++)
                        if (c->words[i][k] != c->words[0][k])
                                n = k;
        return n;
}

/* Puts the first @n bytes of @word in place of the @n_typed bytes before the cursor, with a
 * backslash before blanks. */
static void insert_word(EditLine *edit, const char *word, size_t n, size_t n_typed)
{
        _cleanup_(freep)
        char *text = malloc(n * 2 + 1);
        size_t used = 0;

        if (!text)
                return;
        for (size_t i = 0; i < n; i++) {
                if (strchr(" \\'\"", word[i]))
                        text[used++] = '\\';
                text[used++] = word[i];
        }
        text[used] = 0;
        el_deletestr(edit, (int)n_typed);
        (void)el_insertstr(edit, text);
}

static void show_candidates(struct shell *s, const struct candidates *c)
{
        _cleanup_(buffer_done)
        struct buffer b;

        buffer_init(&b, LINE_SIZE_MAX);
        for (size_t i = 0; i < c->n_words; i++)
                if (buffer_append_string(&b, c->words[i]) < 0 ||
                        buffer_append_string(&b, i + 1 < c->n_words ? "  " : "\n") < 0)
                        return;
        if (b.size > 0)
                shell_print(s, (char *)b.data);
}

/* Tab. Not a function bound to the key: libedit never frees the names of those. */
static void complete_word(struct shell *s)
{
        _cleanup_(candidates_done)
        struct candidates c = { .n_words = 0 };
        _cleanup_(freep)
        char *before = NULL;
        _cleanup_(freep)
        char **words = NULL, **all = NULL;
        const LineInfo *line = el_line(s->edit);
        size_t typed_size, typed, n;
        bool fresh;
        int n_words;

        before = strndup(line->buffer, (size_t)(line->cursor - line->buffer));
        n_words = before ? words_split(before, &words) : -ENOMEM;
        if (n_words < 0)
                return;
        typed_size = strlen(before);
        fresh = typed_size == 0 || before[typed_size - 1] == ' ';
        all = calloc((size_t)n_words + 2, sizeof(*all));
        if (!all)
                return;
        memcpy(all, words, (size_t)n_words * sizeof(*all));
        if (fresh)
                all[n_words++] = (char *)"";
        /* Characters that the word has on the line; one that was typed with quotes stays as it is.
         */
        typed = mbstowcs(NULL, all[n_words - 1], 0);
        if (typed == (size_t)-1 || strlen(all[n_words - 1]) > typed_size ||
                !streq(before + typed_size - strlen(all[n_words - 1]), all[n_words - 1]))
                return;

        s->complete(n_words, all, add_candidate, &c, s->userdata);
        if (c.n_words == 0)
                return;
        n = common_prefix(&c);
        while (n > 0 && ((unsigned char)c.words[0][n] & 0xc0) == 0x80)
                n--;
        if (c.n_words > 1 && n <= strlen(all[n_words - 1])) {
                show_candidates(s, &c);
                return;
        }
        clear_line(s);
        insert_word(s->edit, c.words[0], n, typed);
        if (c.n_words == 1)
                (void)el_insertstr(s->edit, " ");
        edit_redraw(s);
}

/* One character for libedit: 1, 0 at the end, -1 on an error. */
static int get_character(EditLine *edit, wchar_t *ret)
{
        struct shell *s = shell_of(edit);

        for (;;) {
                ssize_t n;
                size_t used;
                char c;
                int r = wait_for_input(s);

                if (r <= 0) {
                        if (r < 0)
                                errno = -r;
                        return r < 0 ? -1 : 0;
                }
                if (s->interrupted) {
                        s->interrupted = false;
                        *ret = KEY_KILL_LINE;
                        return 1;
                }
                n = read(STDIN_FILENO, &c, 1);
                if (n < 0 && (errno == EINTR || errno == EAGAIN))
                        continue;
                if (n <= 0)
                        return (int)n;
                used = mbrtowc(ret, &c, 1, &s->decoding);
                if (used == (size_t)-1) {
                        s->decoding = (mbstate_t){ 0 };
                        continue; /* no character of this terminal's coding */
                }
                if (used == (size_t)-2)
                        continue;
                if (*ret != L'\t' || !s->complete)
                        return 1;
                complete_word(s);
        }
}

static int edit_new(struct shell *s)
{
        HistEvent event;

        s->edit = el_init("p2pchat", stdin, stdout, stderr);
        s->history = history_init();
        if (!s->edit || !s->history)
                return -ENOMEM;
        (void)history(s->history, &event, H_SETSIZE, HISTORY_LINES);
        (void)history(s->history, &event, H_SETUNIQUE, 1);
        el_set(s->edit, EL_CLIENTDATA, s);
        el_set(s->edit, EL_EDITOR, "emacs");
        el_set(s->edit, EL_SIGNAL, 0);
        el_set(s->edit, EL_PROMPT, get_prompt);
        el_set(s->edit, EL_GETCFN, get_character);
        el_set(s->edit, EL_HIST, history, s->history);
        (void)el_source(s->edit, NULL);
        return 0;
}

static void edit_done(struct shell *s)
{
        if (s->history)
                history_end(s->history);
        if (s->edit)
                el_end(s->edit);
}

static bool edit_is_used(const struct shell *s)
{
        return s->edit;
}

static int edit_read(struct shell *s, char **ret)
{
        HistEvent event;
        const char *line;
        char *copy;
        int n = 0;

        errno = 0;
        line = el_gets(s->edit, &n);
        if (!line || n <= 0) {
                putchar('\n');
                return n < 0 && errno != 0 ? -errno : 0;
        }
        copy = strdup(line);
        if (!copy)
                return -ENOMEM;
        copy[strcspn(copy, "\r\n")] = 0;
        if (copy[0])
                (void)history(s->history, &event, H_ENTER, copy);
        *ret = copy;
        return 1;
}

static void edit_resize(struct shell *s)
{
        el_resize(s->edit);
}

static void edit_continue(struct shell *s)
{
        el_set(s->edit, EL_PREP_TERM, 1);
        edit_redraw(s);
}

#else

static int edit_new(struct shell *s)
{
        return 0;
}

static void edit_done(struct shell *s)
{
}

static bool edit_is_used(const struct shell *s)
{
        return false;
}

static int edit_read(struct shell *s, char **ret)
{
        return -EOPNOTSUPP;
}

static void clear_line(struct shell *s)
{
}

static void edit_redraw(struct shell *s)
{
}

static void edit_resize(struct shell *s)
{
}

static void edit_continue(struct shell *s)
{
}

#endif

static const int handled_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGCONT };

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata)
{
        struct shell *s = userdata;

        switch (si->ssi_signo) {
        case SIGINT:
                if (!s->terminal)
                        s->ended = true;
                s->interrupted = true;
                break;
        case SIGWINCH:
                if (edit_is_used(s))
                        edit_resize(s);
                break;
        case SIGCONT:
                if (edit_is_used(s) && s->reading)
                        edit_continue(s);
                break;
        default:
                s->ended = true;
        }
        return 0;
}

static void handled_set(sigset_t *set)
{
        sigemptyset(set);
        for (size_t i = 0; i < ELEMENTSOF(handled_signals); i++)
                sigaddset(set, handled_signals[i]);
}

/* sd-event demands that a signal is blocked when its source is made; shell_read() blocks the
 * signals again, and while a command works they do what they always do. */
static int add_signals(struct shell *s)
{
        sigset_t set, old;
        int r = 0;

        handled_set(&set);
        if (sigprocmask(SIG_BLOCK, &set, &old) < 0)
                return -errno;
        for (size_t i = 0; i < ELEMENTSOF(handled_signals) && r >= 0; i++)
                r = sd_event_add_signal(s->event, &s->signals[i], handled_signals[i], on_signal, s);
        (void)sigprocmask(SIG_SETMASK, &old, NULL);
        return r < 0 ? r : 0;
}

int shell_new(sd_event *event, shell_complete_t complete, void *userdata, struct shell **ret)
{
        _cleanup_(shell_freep)
        struct shell *s = NULL;
        const char *term = getenv("TERM");
        int r;

        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->event = sd_event_ref(event);
        s->complete = complete;
        s->userdata = userdata;
        s->prompt = "";
        s->terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
        buffer_init(&s->buffer, LINE_SIZE_MAX);

        /* Files cannot be waited for, and need not be. */
        r = sd_event_add_io(event, &s->input, STDIN_FILENO, POLLIN, on_input, s);
        if (r < 0 && r != -EPERM)
                return r;
        s->pollable = r >= 0;
        if (s->pollable) {
                /* After everything else: what was said before a line was typed stands above it. */
                r = sd_event_source_set_priority(s->input, SD_EVENT_PRIORITY_IDLE);
                if (r < 0)
                        return r;
                r = sd_event_source_set_enabled(s->input, SD_EVENT_OFF);
                if (r < 0)
                        return r;
        }
        r = add_signals(s);
        if (r < 0)
                return r;
        if (s->terminal && term && !streq(term, "dumb")) {
                r = edit_new(s);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(s);
        return 0;
}

struct shell *shell_free(struct shell *s)
{
        if (!s)
                return NULL;
        edit_done(s);
        sd_event_source_disable_unref(s->input);
        for (size_t i = 0; i < ELEMENTSOF(s->signals); i++)
                sd_event_source_disable_unref(s->signals[i]);
        sd_event_unref(s->event);
        buffer_done(&s->buffer);
        free(s);
        return NULL;
}

bool shell_is_terminal(const struct shell *s)
{
        return s->terminal;
}

/* A line out of what was read; 0 when there is none yet. */
static int take_line(struct shell *s, char **ret)
{
        char *end = s->buffer.size > 0 ? memchr(s->buffer.data, '\n', s->buffer.size) : NULL;
        size_t n;

        if (!end && !(s->end_of_input && s->buffer.size > 0))
                return 0;
        n = end ? (size_t)(end - (char *)s->buffer.data) : s->buffer.size;
        *ret = strndup((char *)s->buffer.data, n);
        if (!*ret)
                return -ENOMEM;
        buffer_consume(&s->buffer, MIN(n + 1, s->buffer.size));
        return 1;
}

static int plain_read(struct shell *s, char **ret)
{
        if (s->terminal) {
                fputs(s->prompt, stdout);
                fflush(stdout);
        }
        for (;;) {
                ssize_t n;
                int r = take_line(s, ret);

                if (r != 0)
                        return r;
                if (s->end_of_input)
                        return 0;
                r = wait_for_input(s);
                if (r <= 0)
                        return r;
                if (s->interrupted) {
                        s->interrupted = false;
                        buffer_clear(&s->buffer);
                        printf("\n%s", s->prompt);
                        fflush(stdout);
                        continue;
                }
                r = buffer_reserve(&s->buffer, 4096);
                if (r < 0)
                        return r;
                n = read(STDIN_FILENO, s->buffer.data + s->buffer.size, 4096);
                if (n < 0 && errno != EINTR && errno != EAGAIN)
                        return -errno;
                if (n == 0)
                        s->end_of_input = true;
                if (n > 0)
                        s->buffer.size += (size_t)n;
        }
}

int shell_read(struct shell *s, const char *prompt, char **ret)
{
        sigset_t set, old;
        int r;

        handled_set(&set);
        if (sigprocmask(SIG_BLOCK, &set, &old) < 0)
                return -errno;
        s->prompt = prompt;
        s->reading = true;
        s->interrupted = false;
        r = edit_is_used(s) ? edit_read(s, ret) : plain_read(s, ret);
        s->reading = false;
        s->prompt = "";
        (void)sigprocmask(SIG_SETMASK, &old, NULL);
        return r;
}

void shell_print(struct shell *s, const char *lines)
{
        if (s->reading && edit_is_used(s))
                clear_line(s);
        else if (s->reading && s->terminal)
                putchar('\n');
        fputs(lines, stdout);
        if (s->reading && edit_is_used(s))
                edit_redraw(s);
        else if (s->reading && s->terminal)
                fputs(s->prompt, stdout);
        fflush(stdout);
}
