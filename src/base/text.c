/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text that came from somebody */
#include <stdio.h>

#include "base/text.h"

int utf8_decode(const char *s, size_t n, uint32_t *ret)
{
        static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
        const uint8_t *u = (const uint8_t *)s;
        uint32_t c;
        size_t size;

        if (n == 0)
                return -EINVAL;
        if (u[0] < 0x80) {
                *ret = u[0];
                return 1;
        }
        if ((u[0] & 0xe0) == 0xc0)
                size = 2, c = u[0] & 0x1f;
        else if ((u[0] & 0xf0) == 0xe0)
                size = 3, c = u[0] & 0x0f;
        else if ((u[0] & 0xf8) == 0xf0)
                size = 4, c = u[0] & 0x07;
        else
                return -EINVAL;
        if (size > n)
                return -EINVAL;
        for (size_t i = 1; i < size; i++) {
                if ((u[i] & 0xc0) != 0x80)
                        return -EINVAL;
                c = c << 6 | (u[i] & 0x3f);
        }
        if (c < least[size] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
                return -EINVAL;
        *ret = c;
        return (int)size;
}

bool utf8_is_valid(const char *s, size_t n)
{
        while (n > 0) {
                uint32_t c;
                int size = utf8_decode(s, n, &c);

                if (size < 0)
                        return false;
                s += size;
                n -= (size_t)size;
        }
        return true;
}

size_t utf8_cut(const char *s, size_t n, size_t max)
{
        if (n <= max)
                return n;
        while (max > 0 && ((uint8_t)s[max] & 0xc0) == 0x80)
                max--;
        return max;
}

void utf8_repair(char *s)
{
        size_t n = strlen(s);
        char *to = s;

        while (n > 0) {
                uint32_t c;
                int size = utf8_decode(s, n, &c);
                size_t used = size < 0 ? 1 : (size_t)size;

                if (size > 0) {
                        memmove(to, s, used);
                        to += used;
                }
                s += used;
                n -= used;
        }
        *to = 0;
}

bool codepoint_is_control(uint32_t c)
{
        return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029;
}

bool codepoint_is_bidi(uint32_t c)
{
        return c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
               (c >= 0x2066 && c <= 0x2069);
}

bool codepoint_is_noncharacter(uint32_t c)
{
        return (c >= 0xfdd0 && c <= 0xfdef) || (c & 0xfffe) == 0xfffe;
}

bool text_is_printable(const char *s, size_t n)
{
        while (n > 0) {
                uint32_t c;
                int size = utf8_decode(s, n, &c);

                if (size < 0)
                        return false;
                if (codepoint_is_control(c) && c != '\t' && c != '\n' && c != '\r')
                        return false;
                s += size;
                n -= (size_t)size;
        }
        return true;
}

int name_clean(const char *s, size_t n, char ret[static NAME_SIZE_MAX + 1])
{
        char name[NAME_SIZE_MAX + 1];
        size_t used = 0, first, last;

        for (size_t i = 0; i < n;) {
                uint32_t c;
                int size = utf8_decode(s + i, n - i, &c);

                if (size < 0)
                        return -EINVAL;
                if (!codepoint_is_control(c) && !codepoint_is_bidi(c) &&
                        !codepoint_is_noncharacter(c)) {
                        if (used + (size_t)size > NAME_SIZE_MAX)
                                break;
                        memcpy(name + used, s + i, (size_t)size);
                        used += (size_t)size;
                }
                i += (size_t)size;
        }

        for (size_t i = 0; i < used; i++)
                if (name[i] == '#' || name[i] == '@')
                        name[i] = '_';
        if (used > 0 && name[0] == '+')
                name[0] = '_';
        for (first = 0; first < used && name[first] == ' '; first++)
                ;
        if (first == used)
                return -EINVAL;
        for (last = used; name[last - 1] == ' '; last--)
                ;
        memset(name, '_', first);
        memset(name + last, '_', used - last);

        memcpy(ret, name, used);
        ret[used] = 0;
        return 0;
}

static char fold(char c)
{
        return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool name_equal(const char *a, const char *b)
{
        for (; *a && fold(*a) == fold(*b); a++, b++)
                ;
        return fold(*a) == fold(*b);
}

void name_fold(const char *s, char ret[static NAME_SIZE_MAX + 1])
{
        size_t i;

        for (i = 0; s[i] && i < NAME_SIZE_MAX; i++)
                ret[i] = fold(s[i]);
        ret[i] = 0;
}

bool username_is_valid(const char *s)
{
        size_t n = strlen(s);

        if (n < USERNAME_SIZE_MIN || n > USERNAME_SIZE_MAX)
                return false;
        for (; *s; s++)
                if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
                            (*s >= '0' && *s <= '9') || *s == '_' || *s == '-'))
                        return false;
        return true;
}

void file_name_make(const char *name, unsigned n, char ret[static FILE_NAME_SIZE])
{
        const char *slash = strrchr(name, '/');
        char suffix[16] = "";
        size_t left, size = 0, max;

        name = slash ? slash + 1 : name;
        if (n > 1)
                (void)snprintf(suffix, sizeof suffix, " (%u)", n);
        max = FILE_NAME_SIZE - 1 - strlen(suffix);
        left = strlen(name);
        while (left > 0) {
                uint32_t c;
                int k = utf8_decode(name, left, &c);

                if (k < 0)
                        k = 1, c = '\n';
                if (size + (size_t)k > max)
                        break;
                if (!codepoint_is_control(c) && !codepoint_is_bidi(c)) {
                        memcpy(ret + size, name, (size_t)k);
                        size += (size_t)k;
                }
                name += k;
                left -= (size_t)k;
        }
        for (size_t i = 0; i < size && (ret[i] == '.' || ret[i] == '-'); i++)
                ret[i] = '_';
        if (size == 0)
                ret[size++] = '_';
        memcpy(ret + size, suffix, strlen(suffix) + 1);
}

const char *size_format(uint64_t size, char ret[static SIZE_STRING_MAX])
{
        static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
        uint64_t tenths = size * 10;
        size_t unit = 0;

        if (size < 1024) {
                (void)snprintf(
                        ret, SIZE_STRING_MAX, "%u byte%s", (unsigned)size, size == 1 ? "" : "s");
                return ret;
        }
        /* Above 1 EiB tenths do not matter, nor would they fit. */
        tenths = size > UINT64_MAX / 10 ? size / 1024 * 10 : tenths / 1024;
        for (; tenths >= 10240 && unit + 1 < ELEMENTSOF(units); unit++)
                tenths /= 1024;
        if (tenths < 100 && tenths % 10 > 0)
                (void)snprintf(ret, SIZE_STRING_MAX, "%u.%u %s", (unsigned)(tenths / 10),
                        (unsigned)(tenths % 10), units[unit]);
        else
                (void)snprintf(ret, SIZE_STRING_MAX, "%u %s", (unsigned)(tenths / 10), units[unit]);
        return ret;
}
