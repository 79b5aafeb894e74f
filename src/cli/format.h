/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Values as people write and read them
 *
 * Text of others may hold anything: escape sequences that repaint the screen, line ends that
 * counterfeit a line of ours, overrides that turn the reading direction. It never meets a terminal
 * but through format_escape().
 */

#include "base/macro.h"
#include "base/usec.h"

enum escape {
        ESCAPE_LINE, /* one line: line ends become \n, tabs \t */
        ESCAPE_TEXT, /* line ends stay, and what follows them is set in by four blanks */
};

/* The result is the caller's; NULL when out of memory. */
char *format_escape(const char *s, enum escape mode);

/* Cells that the text takes on a terminal. */
size_t format_width(const char *s);

/* Local time, "2025-11-20 13:36:01", or "never" for 0. */
#define FORMAT_TIME_SIZE 24
const char *format_time(usec_t real_usec, char buffer[static FORMAT_TIME_SIZE]);

/* "90", "90s", "2h", "1h30m", "1d": 0, or -EINVAL, or -ERANGE. Units s m h d w. */
int format_parse_duration(const char *s, uint64_t *ret_seconds);
/* Seconds, perhaps with a fraction: "0", "2.5"; at most an hour. 0, -EINVAL or -ERANGE. */
int format_parse_seconds(const char *s, usec_t *ret_usec);
/* Decimal digits and nothing else: 0, -EINVAL or -ERANGE. */
int format_parse_number(const char *s, uint64_t max, uint64_t *ret);

#define FINGERPRINT_DIGITS 60
/* Groups between blanks, as rows of @n_groups for people: the caller's; NULL when out of memory. */
char *format_rows(const char *groups, size_t n_groups);
/* Appends the digits of @text to @digits, of which there are *@n already; blanks are left out. 0;
 * -EINVAL for anything else; -ERANGE when there are too many. */
int format_take_digits(const char *text, char digits[static FINGERPRINT_DIGITS + 1], size_t *n);
