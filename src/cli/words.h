/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A line of the interactive shell as words */

#include "base/macro.h"

#define WORDS_MAX 256

/*
 * Blanks separate words; '...' and "..." keep blanks, a backslash keeps the next character. A quote
 * inside a word, or one that nobody closes, is an ordinary character: "say it's late" are three
 * words. @ret is one allocation, NULL-terminated, to be freed by the caller. The number of words,
 * -ENOMEM, or -E2BIG.
 */
int words_split(const char *line, char ***ret);
