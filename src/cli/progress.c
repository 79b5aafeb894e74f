/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How far a file is, in one line */

#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/format.h"

#define NAME_CELLS_MAX 30
#define BAR_CELLS_MIN 6
#define BAR_CELLS_MAX 40
#define LINE_SIZE_MAX 1024
#define LEFT_MAX (UINT64_C(100) * 3600)

void progress_take(struct progress *p, uint64_t done, uint64_t size, usec_t now_usec)
{
        if (p->counted_usec == 0 || done < p->counted) {
                p->counted = done;
                p->counted_usec = now_usec;
        }
        p->done = done;
        p->size = size;
}

/* The past counts less and less. */
void progress_count(struct progress *p, usec_t now_usec)
{
        usec_t span_usec = now_usec - p->counted_usec;
        uint64_t now;

        if (p->counted_usec == 0 || span_usec < USEC_PER_SEC / 2)
                return;
        now = (uint64_t)((double)(p->done - p->counted) * USEC_PER_SEC / (double)span_usec);
        p->rate = p->rate == 0 ? now : (2 * p->rate + now) / 3;
        p->counted = p->done;
        p->counted_usec = now_usec;
}

/* Returns how long the text is. */
static size_t describe(const struct progress *p, size_t width, char text[static 160])
{
        char done[SIZE_STRING_MAX], size[SIZE_STRING_MAX], rate[SIZE_STRING_MAX];
        unsigned percent =
                p->size > 0 ? (unsigned)(100.0 * (double)p->done / (double)p->size) : 100;
        uint64_t left = p->rate > 0 ? (p->size - p->done) / p->rate : 0;
        size_t n;

        n = (size_t)snprintf(text, 160, "%3u%%", percent);
        if (width >= 40)
                n += (size_t)snprintf(text + n, 160 - n, "  %s of %s", size_format(p->done, done),
                        size_format(p->size, size));
        if (width >= 56 && p->rate > 0)
                n += (size_t)snprintf(text + n, 160 - n, "  %s/s", size_format(p->rate, rate));
        if (width >= 72 && p->rate > 0 && p->done < p->size && left < LEFT_MAX)
                n += (size_t)snprintf(text + n, 160 - n, "  %" PRIu64 ":%02" PRIu64 " left",
                        left / 60, left % 60);
        return n;
}

/* As many whole characters as fit into @cells. */
static size_t cut(const char *name, size_t cells)
{
        size_t n = strlen(name), used = 0;

        while (used < n) {
                char one[5] = "";
                uint32_t c;
                int k = utf8_decode(name + used, n - used, &c);
                size_t width;

                if (k < 0)
                        break;
                memcpy(one, name + used, (size_t)k);
                width = format_width(one);
                if (width > cells)
                        break;
                cells -= width;
                used += (size_t)k;
        }
        return used;
}

char *progress_line(const struct progress *p, const char *name, size_t width)
{
        char text[160], bar[BAR_CELLS_MAX + 8] = "", *line = malloc(LINE_SIZE_MAX);
        size_t n = describe(p, width, text), name_size, room, cells;

        if (!line)
                return NULL;
        room = width > n + 2 ? width - n - 2 : 0;
        name_size = cut(name, room < NAME_CELLS_MAX ? room : NAME_CELLS_MAX);
        (void)snprintf(line, LINE_SIZE_MAX, "%.*s", (int)name_size, name);
        cells = format_width(line);
        room = room > cells ? room - cells : 0;
        if (room >= BAR_CELLS_MIN + 4) {
                size_t size = room - 4 < BAR_CELLS_MAX ? room - 4 : BAR_CELLS_MAX;
                size_t full = p->size > 0
                                      ? (size_t)((double)size * (double)p->done / (double)p->size)
                                      : size;

                (void)snprintf(bar, sizeof bar, "  [%*s]", (int)size, "");
                memset(bar + 3, '#', full < size ? full : size);
        }
        (void)snprintf(line, LINE_SIZE_MAX, "%.*s%s  %s", (int)name_size, name, bar, text);
        return line;
}
