/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Tables for people */

#include "cli/columns.h"

#include "cli/format.h"

#define COLUMNS_MAX 16

struct cell {
        char *text;
        size_t width;
        enum style style;
};

struct columns {
        size_t n_columns;
        size_t n_cells;
        size_t n_allocated;
        struct cell *cells;
};

int columns_new(size_t n_columns, struct columns **ret)
{
        struct columns *c;

        assert(n_columns > 0 && n_columns <= COLUMNS_MAX);

        c = calloc(1, sizeof(*c));

        if (!c)
                return -ENOMEM;
        c->n_columns = n_columns;
        *ret = c;
        return 0;
}

struct columns *columns_free(struct columns *c)
{
        if (!c)
                return NULL;
        for (size_t i = 0; i < c->n_cells; i++)
                free(c->cells[i].text);
        free(c->cells);
        free(c);
        return NULL;
}

int columns_add_owned(struct columns *c, char *cell, enum style style)
{
        if (!cell)
                return -ENOMEM;
        if (c->n_cells == c->n_allocated) {
                size_t n = MAX(c->n_allocated * 2, (size_t)32);
                struct cell *cells = reallocarray(c->cells, n, sizeof(*cells));

                if (!cells) {
                        free(cell);
                        return -ENOMEM;
                }
                c->cells = cells;
                c->n_allocated = n;
        }
        c->cells[c->n_cells++] =
                (struct cell){ .text = cell, .width = format_width(cell), .style = style };
        return 0;
}

int columns_add(struct columns *c, const char *cell, enum style style)
{
        return columns_add_owned(c, strdup(cell), style);
}

const char *style_start(enum style style, bool colour)
{
        if (!colour)
                return "";
        switch (style) {
        case STYLE_NONE:
                return "";
        case STYLE_BOLD:
                return "\033[1m";
        case STYLE_FAINT:
                return "\033[2m";
        case STYLE_GREEN:
                return "\033[32m";
        case STYLE_YELLOW:
                return "\033[33m";
        case STYLE_RED:
                return "\033[31m";
        }
        return "";
}

const char *style_end(enum style style, bool colour)
{
        return colour && style != STYLE_NONE ? "\033[0m" : "";
}

static size_t column_width(const struct columns *c, size_t column)
{
        size_t width = 0;

        for (size_t i = column; i < c->n_cells; i += c->n_columns)
                width = MAX(width, c->cells[i].width);
        return width;
}

void columns_print(const struct columns *c, FILE *f, bool colour)
{
        size_t widths[COLUMNS_MAX];

        for (size_t i = 0; i < c->n_columns; i++)
                widths[i] = column_width(c, i);

        for (size_t i = 0; i < c->n_cells; i++) {
                const struct cell *cell = &c->cells[i];
                size_t column = i % c->n_columns;
                bool last = column + 1 == c->n_columns;

                fprintf(f, "%s%s%s", style_start(cell->style, colour), cell->text,
                        style_end(cell->style, colour));
                if (last)
                        putc('\n', f);
                else
                        fprintf(f, "%*s", (int)(widths[column] - cell->width + 2), "");
        }
}

enum style security_style(const char *security)
{
        return streq(security, "verified") || streq(security, "certified") ? STYLE_GREEN
               : streq(security, "legacy") || streq(security, "plain")     ? STYLE_YELLOW
                                                                           : STYLE_NONE;
}
