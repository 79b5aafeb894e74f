/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Values as people write and read them */

#include "cli/format.h"

#include <stdio.h>
#include <time.h>
#include <wchar.h>

#include "base/text.h"

#define SET_IN "    "

/* The longest that one byte or code point becomes: "\U0010FFFF" with its zero byte. */
#define ESCAPED_SIZE_MAX 11

/* Format characters that show nothing and make two texts look the same, and interlinear ones. */
static bool codepoint_is_invisible(uint32_t c)
{
        return c == 0xad || c == 0x180e || c == 0x200b || (c >= 0x2060 && c <= 0x2064) ||
               (c >= 0x206a && c <= 0x206f) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) ||
               (c >= 0xe0000 && c <= 0xe007f);
}

static size_t escape_one(const char *s, size_t n, enum escape mode, char *buffer, int *ret_taken)
{
        uint32_t c;
        int taken = utf8_decode(s, n, &c);

        *ret_taken = taken < 0 ? 1 : taken;
        if (taken < 0)
                return (size_t)sprintf(buffer, "\\x%02X", (unsigned char)*s);
        if (c == '\n')
                return (size_t)sprintf(buffer, "%s", mode == ESCAPE_TEXT ? "\n" SET_IN : "\\n");
        if (c == '\t')
                return (size_t)sprintf(buffer, "%s", mode == ESCAPE_TEXT ? SET_IN : "\\t");
        if (c == '\r')
                return (size_t)sprintf(buffer, "\\r");
        if (codepoint_is_control(c) || codepoint_is_bidi(c) || codepoint_is_invisible(c))
                return (size_t)sprintf(buffer,
                        c < 0x100     ? "\\x%02X"
                        : c < 0x10000 ? "\\u%04X"
                                      : "\\U%08X",
                        c);
        memcpy(buffer, s, (size_t)taken);
        return (size_t)taken;
}

char *format_escape(const char *s, enum escape mode)
{
        size_t n = strlen(s), used = 0, allocated = n + n / 8 + ESCAPED_SIZE_MAX + 1;
        char *t = malloc(allocated);

        if (!t)
                return NULL;

        while (n > 0) {
                int taken;

                if (allocated - used <= ESCAPED_SIZE_MAX) {
                        char *bigger = realloc(t, allocated * 2);

                        if (!bigger) {
                                free(t);
                                return NULL;
                        }
                        t = bigger;
                        allocated *= 2;
                }
                used += escape_one(s, n, mode, t + used, &taken);
                s += taken;
                n -= (size_t)taken;
        }
        t[used] = 0;
        return t;
}

size_t format_width(const char *s)
{
        size_t n = strlen(s), width = 0;

        while (n > 0) {
                uint32_t c;
                int taken = utf8_decode(s, n, &c), cells = 1;

                if (taken > 1)
                        cells = wcwidth((wchar_t)c);
                width += cells < 0 ? 1 : (size_t)cells;
                s += taken < 0 ? 1 : taken;
                n -= taken < 0 ? 1 : (size_t)taken;
        }
        return width;
}

const char *format_time(usec_t real_usec, char buffer[static FORMAT_TIME_SIZE])
{
        time_t t = (time_t)(real_usec / USEC_PER_SEC);
        struct tm tm;

        if (real_usec == 0)
                return "never";
        if (!localtime_r(&t, &tm) || strftime(buffer, FORMAT_TIME_SIZE, "%F %T", &tm) == 0)
                return "?";
        return buffer;
}

int format_parse_number(const char *s, uint64_t max, uint64_t *ret)
{
        uint64_t n = 0;

        if (!*s)
                return -EINVAL;
        for (; *s; s++) {
                if (*s < '0' || *s > '9')
                        return -EINVAL;
                if (__builtin_mul_overflow(n, UINT64_C(10), &n) ||
                        __builtin_add_overflow(n, (uint64_t)(*s - '0'), &n) || n > max)
                        return -ERANGE;
        }
        *ret = n;
        return 0;
}

static uint64_t unit_seconds(char unit)
{
        switch (unit) {
        case 's':
                return 1;
        case 'm':
                return 60;
        case 'h':
                return 60 * 60;
        case 'd':
                return 24 * 60 * 60;
        case 'w':
                return 7 * 24 * 60 * 60;
        default:
                return 0;
        }
}

int format_parse_duration(const char *s, uint64_t *ret_seconds)
{
        uint64_t sum = 0;

        if (!*s)
                return -EINVAL;
        while (*s) {
                size_t digits = strspn(s, "0123456789");
                char number[24];
                uint64_t n, unit;
                int r;

                if (digits == 0)
                        return -EINVAL;
                if (digits >= sizeof(number))
                        return -ERANGE;
                memcpy(number, s, digits);
                number[digits] = 0;
                r = format_parse_number(number, UINT64_MAX, &n);
                if (r < 0)
                        return r;
                s += digits;

                /* A bare number is seconds, if it stands alone. */
                unit = *s ? unit_seconds(*s) : sum == 0 ? 1 : 0;
                if (unit == 0)
                        return -EINVAL;
                if (*s)
                        s++;
                if (__builtin_mul_overflow(n, unit, &n) || __builtin_add_overflow(sum, n, &sum))
                        return -ERANGE;
        }
        *ret_seconds = sum;
        return 0;
}

int format_parse_seconds(const char *s, usec_t *ret_usec)
{
        char whole[24];
        size_t digits = strcspn(s, ".");
        usec_t usec, scale = USEC_PER_SEC / 10;
        uint64_t n;
        int r;

        if (digits >= sizeof(whole))
                return -ERANGE;
        memcpy(whole, s, digits);
        whole[digits] = 0;
        r = format_parse_number(whole, 60 * 60, &n);
        if (r < 0)
                return r;
        usec = n * USEC_PER_SEC;

        s += digits;
        if (*s == '.' && !*++s)
                return -EINVAL;
        for (; *s; s++, scale /= 10) {
                if (*s < '0' || *s > '9')
                        return -EINVAL;
                usec += (usec_t)(*s - '0') * scale;
        }
        *ret_usec = usec;
        return 0;
}

char *format_rows(const char *groups, size_t n_groups)
{
        char *t = malloc(strlen(groups) + 2), *end = t;
        size_t n = 0;

        if (!t)
                return NULL;
        for (const char *s = groups; *s; s++)
                *end++ = *s == ' ' && ++n % n_groups == 0 ? '\n' : *s;
        *end++ = '\n';
        *end = 0;
        return t;
}

int format_take_digits(const char *text, char digits[static FINGERPRINT_DIGITS + 1], size_t *n)
{
        for (; *text; text++) {
                if (strchr(" \t\r\n", *text))
                        continue;
                if (*text < '0' || *text > '9')
                        return -EINVAL;
                if (*n == FINGERPRINT_DIGITS)
                        return -ERANGE;
                digits[(*n)++] = *text;
                digits[*n] = 0;
        }
        return 0;
}
