/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Tables for people
 *
 * Cells are added row by row and printed with aligned columns, two blanks between them; the last
 * column is as long as it is. Cells must be escaped already (cli/format.h).
 */

#include <stdio.h>

#include "base/macro.h"

/* Colours of a cell; shown only when the table is printed with colours. */
enum style {
        STYLE_NONE,
        STYLE_BOLD,
        STYLE_FAINT,
        STYLE_GREEN,
        STYLE_YELLOW,
        STYLE_RED,
};

struct columns;

/* 0 or -ENOMEM. */
int columns_new(size_t n_columns, struct columns **ret);
struct columns *columns_free(struct columns *c);
DEFINE_CLEANUP(struct columns *, columns_free)

/* Copies @cell. 0 or -ENOMEM. */
int columns_add(struct columns *c, const char *cell, enum style style);
/* The same with an own, allocated string, which it takes over even when it fails; NULL is
 * -ENOMEM, so that the result of an allocating function can be passed on. */
int columns_add_owned(struct columns *c, char *cell, enum style style);
/* The rows, each column as wide as its widest cell. */
void columns_print(const struct columns *c, FILE *f, bool colour);

/* Of a word of security. */
enum style security_style(const char *security);
/* What starts a style on a terminal, and what ends it; "" for none. */
const char *style_start(enum style style, bool colour);
const char *style_end(enum style style, bool colour);
