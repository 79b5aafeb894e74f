/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values of the configuration file: yes and no, times, sizes */
#include <strings.h>

#include "os/config.h"

int config_parse_bool(const char *s, bool *ret)
{
        static const char *const words[][2] = { { "no", "yes" }, { "false", "true" },
                { "off", "on" }, { "0", "1" } };

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                for (int v = 0; v < 2; v++)
                        if (strcasecmp(s, words[i][v]) == 0) {
                                *ret = v;
                                return 0;
                        }
        return -EINVAL;
}

/* Decimal digits at *s, which is moved behind them. 0 or -EINVAL. */
static int take_number(const char **s, uint64_t *ret)
{
        uint64_t v = 0;
        const char *p = *s;

        if (*p < '0' || *p > '9')
                return -EINVAL;
        for (; *p >= '0' && *p <= '9'; p++)
                if (__builtin_mul_overflow(v, 10, &v) ||
                        __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
                        return -EINVAL;
        *s = p;
        *ret = v;
        return 0;
}

/* The unit at *s, which is moved behind it and the blanks that follow. */
static int take_unit(const char **s, usec_t *ret)
{
        static const struct {
                const char *name;
                usec_t usec;
        } units[] = {
                { "", USEC_PER_SEC },
                { "s", USEC_PER_SEC },
                { "sec", USEC_PER_SEC },
                { "m", USEC_PER_MINUTE },
                { "min", USEC_PER_MINUTE },
                { "h", USEC_PER_HOUR },
                { "hr", USEC_PER_HOUR },
                { "d", USEC_PER_DAY },
                { "day", USEC_PER_DAY },
                { "days", USEC_PER_DAY },
                { "w", 7 * USEC_PER_DAY },
                { "week", 7 * USEC_PER_DAY },
                { "weeks", 7 * USEC_PER_DAY },
                { "ms", USEC_PER_MSEC },
                { "us", 1 },
        };
        size_t size = 0;

        *s += strspn(*s, " ");
        while ((*s)[size] >= 'a' && (*s)[size] <= 'z')
                size++;
        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (strlen(units[i].name) == size && memcmp(units[i].name, *s, size) == 0) {
                        *s += size;
                        *s += strspn(*s, " ");
                        *ret = units[i].usec;
                        return 0;
                }
        return -EINVAL;
}

int config_parse_span(const char *s, usec_t *ret)
{
        usec_t sum = 0;

        if (streq(s, "infinity")) {
                *ret = USEC_INFINITY;
                return 0;
        }
        do {
                uint64_t number;
                usec_t unit;

                if (take_number(&s, &number) < 0 || take_unit(&s, &unit) < 0 ||
                        __builtin_mul_overflow(number, unit, &number) ||
                        __builtin_add_overflow(sum, number, &sum))
                        return -EINVAL;
        } while (*s);
        *ret = sum;
        return 0;
}

int config_parse_size(const char *s, uint64_t *ret)
{
        static const char units[] = "KMGT";
        uint64_t v;
        const char *unit;

        if (take_number(&s, &v) < 0)
                return -EINVAL;
        if (*s) {
                unit = strchr(units, *s & ~0x20);
                if (!unit || s[1])
                        return -EINVAL;
                if (__builtin_mul_overflow(v, UINT64_C(1) << 10 * (unit - units + 1), &v))
                        return -EINVAL;
        }
        *ret = v;
        return 0;
}
