/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Text that came from somebody: UTF-8, names, digits
 */
#include "base/macro.h"

#define NAME_SIZE_MAX 64 /* bytes of another's name, without the zero byte */
#define USERNAME_SIZE_MIN 3
#define USERNAME_SIZE_MAX 20

/* Bytes of the code point at @s (1 to 4) and its value, or -EINVAL; @n bytes are there. */
int utf8_decode(const char *s, size_t n, uint32_t *ret);
bool utf8_is_valid(const char *s, size_t n);
/* The largest k <= @max, @n at which the valid UTF-8 text @s may be cut between two code points. */
size_t utf8_cut(const char *s, size_t n, size_t max);
/* Takes out the bytes that belong to no code point: what is left of characters that were cut. */
void utf8_repair(char *s);

/* C0, DEL, C1, line and paragraph separators. */
bool codepoint_is_control(uint32_t c);
/* Marks, embeddings, overrides and isolates that reorder what stands around them. */
bool codepoint_is_bidi(uint32_t c);
/* The 66 code points that are no characters: valid UTF-8, but not everybody takes them. */
bool codepoint_is_noncharacter(uint32_t c);

/* Valid UTF-8 without control characters other than tab, line feed and carriage return. */
bool text_is_printable(const char *s, size_t n);

/*
 * A name as another gave it, made safe: control and bidirectional characters and noncharacters
 * dropped, '#', '@', a leading '+' and blanks at the ends become '_', cut to NAME_SIZE_MAX between
 * code points. 0, or -EINVAL for invalid UTF-8 or when nothing is left.
 */
int name_clean(const char *s, size_t n, char ret[static NAME_SIZE_MAX + 1]);
/* After ASCII case folding. */
bool name_equal(const char *a, const char *b);
/* Writes @s with ASCII letters in lower case. */
void name_fold(const char *s, char ret[static NAME_SIZE_MAX + 1]);
/* May it be our own: 3 to 20 of A-Za-z0-9_- */
bool username_is_valid(const char *s);

/*
 * The name of another's as that of a new file: what stands behind the last '/', without control and
 * bidirectional characters, leading dots and dashes as '_', cut where it must be. @n above 1 makes
 * "NAME (2)" of it, and so on.
 */
#define FILE_NAME_SIZE 256
void file_name_make(const char *name, unsigned n, char ret[static FILE_NAME_SIZE]);

/* "512 bytes", "1.5 KiB", "20 MiB". */
#define SIZE_STRING_MAX 24
const char *size_format(uint64_t size, char ret[static SIZE_STRING_MAX]);
