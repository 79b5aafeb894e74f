/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a bubble says */
#include "notify/bubble.h"

#include <stdio.h>

#include "base/text.h"

static const struct {
        const char *word, *sentence;
} securities[] = {
        { "plain", "not encrypted" },
        { "legacy", "not secure: encrypted by an old program" },
        { "unproven", "not proven who it is" },
        { "encrypted", "encrypted" },
        { "certified", "encrypted, name certified" },
        { "verified", "encrypted, verified" },
};

/* The least secure is first; no word at all is the last. */
static size_t rank(const char *word)
{
        for (size_t i = 0; i < ELEMENTSOF(securities); i++)
                if (streq(securities[i].word, word))
                        return i;
        return ELEMENTSOF(securities);
}

/* Copies what fits, between code points; an ellipsis tells that there is more. Line ends become
 * blanks, for a line is a message. */
static void cut(const char *s, size_t max, char *ret)
{
        size_t n = strlen(s), k = utf8_cut(s, n, max);

        memcpy(ret, s, k);
        ret[k] = 0;
        for (char *p = ret; *p; p++)
                if ((unsigned char)*p < ' ')
                        *p = ' ';
        if (k < n)
                memcpy(ret + k, "…", sizeof "…");
}

void bubble_add(struct bubble *b, const char *user, const char *security, const char *text)
{
        struct bubble_line *line;

        if (b->n_lines == BUBBLE_LINES_MAX) {
                memmove(b->lines, b->lines + 1, (BUBBLE_LINES_MAX - 1) * sizeof *b->lines);
                b->n_lines--;
        }
        line = &b->lines[b->n_lines++];
        cut(user, sizeof line->user - 4, line->user);
        cut(text, BUBBLE_LINE_SIZE_MAX, line->text);
        b->n_unread++;
        if (rank(security) < rank(b->security))
                (void)snprintf(b->security, sizeof b->security, "%s", security);
}

void bubble_clear(struct bubble *b)
{
        b->n_unread = b->n_lines = 0;
        b->security[0] = 0;
}

struct out {
        char *p;
        size_t left; /* with the zero byte */
        bool has_markup;
};

static void put(struct out *o, const char *s)
{
        size_t n = strlen(s);

        if (n >= o->left)
                return;
        memcpy(o->p, s, n + 1);
        o->p += n;
        o->left -= n;
}

/* Text of others: a character or nothing of it. */
static void put_escaped(struct out *o, const char *s)
{
        for (; *s; s++) {
                char one[] = { *s, 0 };

                if (o->has_markup && *s == '&')
                        put(o, "&amp;");
                else if (o->has_markup && *s == '<')
                        put(o, "&lt;");
                else if (o->has_markup && *s == '>')
                        put(o, "&gt;");
                else
                        put(o, one);
        }
}

static void put_security(struct out *o, const char *word)
{
        size_t i = rank(word);

        if (i == ELEMENTSOF(securities))
                return;
        put(o, o->has_markup ? "\n<i>" : "\n(");
        put(o, securities[i].sentence);
        put(o, o->has_markup ? "</i>" : ")");
}

static void put_lines(struct out *o, const struct bubble *b)
{
        for (size_t i = 0; i < b->n_lines; i++) {
                if (i > 0)
                        put(o, "\n");
                if (b->lines[i].user[0]) {
                        put_escaped(o, b->lines[i].user);
                        put(o, ": ");
                }
                put_escaped(o, b->lines[i].text);
        }
}

/* What others wrote is private, what we say is not. */
static bool is_hidden(const struct bubble *b, const struct bubble_style *style)
{
        return style->is_private && b->kind == BUBBLE_CONVERSATION;
}

/* Summaries have no markup. */
void bubble_summary(const struct bubble *b, const struct bubble_style *style,
        char ret[static BUBBLE_SUMMARY_SIZE])
{
        struct out o = { .p = ret, .left = BUBBLE_SUMMARY_SIZE };
        char number[40];

        ret[0] = 0;
        put(&o, b->title);
        if (b->kind == BUBBLE_CONVERSATION && b->n_unread > 1) {
                (void)snprintf(number, sizeof number, " (%zu)", b->n_unread);
                put(&o, number);
        }
        /* Without a body it is all that can be said. */
        if (!style->has_body && b->n_lines > 0 && !is_hidden(b, style)) {
                put(&o, ": ");
                put(&o, b->lines[b->n_lines - 1].text);
        }
}

void bubble_body(
        const struct bubble *b, const struct bubble_style *style, char ret[static BUBBLE_BODY_SIZE])
{
        struct out o = { .p = ret, .left = BUBBLE_BODY_SIZE, .has_markup = style->has_markup };

        ret[0] = 0;
        if (!style->has_body)
                return;
        if (is_hidden(b, style))
                put(&o, b->n_unread == 1 ? "New message" : "New messages");
        else
                put_lines(&o, b);
        put_security(&o, b->security);
}
