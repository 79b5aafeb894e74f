/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A line of the interactive shell as words */

#include "cli/words.h"

static bool is_blank(char c)
{
        return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The quote that closes the word which @s opens, if it stands at the word's end. */
static const char *closing_quote(const char *s)
{
        for (const char *p = s + 1; *p; p++) {
                if (*p == '\\' && *s == '"' && p[1])
                        p++;
                else if (*p == *s)
                        return p[1] == 0 || is_blank(p[1]) ? p : NULL;
        }
        return NULL;
}

/* Copies one word to @t and returns what follows it. */
static const char *take_word(const char *s, char **t)
{
        const char *end = *s == '\'' || *s == '"' ? closing_quote(s) : NULL;

        if (end) {
                bool escapes = *s == '"';

                for (s++; s < end; s++) {
                        if (escapes && *s == '\\' && (s[1] == '"' || s[1] == '\\'))
                                s++;
                        *(*t)++ = *s;
                }
                s++;
        } else
                for (; *s && !is_blank(*s); s++) {
                        if (*s == '\\' &&
                                (is_blank(s[1]) || s[1] == '\\' || s[1] == '"' || s[1] == '\''))
                                s++;
                        *(*t)++ = *s;
                }
        *(*t)++ = 0;
        return s;
}

int words_split(const char *line, char ***ret)
{
        size_t n_max = MIN(strlen(line) / 2 + 1, (size_t)WORDS_MAX);
        size_t table = (n_max + 1) * sizeof(char *);
        char **words = malloc(table + strlen(line) + 2), *t;
        size_t n = 0;

        if (!words)
                return -ENOMEM;
        t = (char *)words + table;

        for (;;) {
                while (is_blank(*line))
                        line++;
                if (!*line)
                        break;
                if (n == n_max) {
                        free(words);
                        return -E2BIG;
                }
                words[n++] = t;
                line = take_word(line, &t);
        }
        words[n] = NULL;
        *ret = words;
        return (int)n;
}
