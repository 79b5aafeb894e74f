/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Files of vectors: lines of words, comments after '#'
 *
 *     FILE *f = vectors_open("ed25519-points.txt");
 *     while ((n = vectors_next(f, &line, words)) > 0)
 *             ...
 *
 * VECTORS is the directory, given by the build.
 */
#include <stdio.h>

#include "base/encode.h"
#include "lib/test.h"

#define VECTORS_WORDS_MAX 8
#define VECTORS_LINE_MAX 8192

struct vectors_line {
        char text[VECTORS_LINE_MAX];
        char *words[VECTORS_WORDS_MAX];
        size_t n;
};

static inline FILE *vectors_open(const char *name)
{
        char path[4096];
        FILE *f;

        (void)snprintf(path, sizeof path, "%s/%s", VECTORS, name);
        f = fopen(path, "re");
        if (!f)
                TEST_FAIL("cannot open %s", path);
        return f;
}

/* The next line with words in it; false at the end, which closes the file. */
static inline bool vectors_next(FILE *f, struct vectors_line *l)
{
        while (fgets(l->text, sizeof l->text, f)) {
                char *rest = l->text, *word;

                l->n = 0;
                while ((word = strsep(&rest, " \n")) && *word != '#')
                        if (*word && l->n < VECTORS_WORDS_MAX)
                                l->words[l->n++] = word;
                if (l->n > 0)
                        return true;
        }
        fclose(f);
        return false;
}

/* The bytes of hexadecimal text, or of nothing when it is "-". */
static inline size_t vectors_bytes(const char *hex, void *ret)
{
        size_t size = 0;

        if (!streq(hex, "-"))
                ASSERT_OK(hex_decode(hex, strlen(hex), ret, &size));
        return size;
}

#define ASSERT_HEX(data, size, text)                                                               \
        do {                                                                                       \
                char _hex[2 * VECTORS_LINE_MAX];                                                   \
                                                                                                   \
                hex_encode(data, size, _hex);                                                      \
                ASSERT_STREQ(_hex, text);                                                          \
        } while (0)
