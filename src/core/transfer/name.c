/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of files */
#include "base/text.h"
#include "core/transfer/transfer.h"

static size_t last_component(const char *s, size_t n)
{
        size_t begin = n;

        while (begin > 0 && s[begin - 1] != '/')
                begin--;
        return begin;
}

/* Is it more than blanks, and no word of the file system? */
static bool is_name(const char *s)
{
        return s[strspn(s, " ")] != 0 && !streq(s, ".") && !streq(s, "..");
}

int transfer_name_clean(const char *s, size_t n, char ret[static TRANSFER_NAME_MAX + 1])
{
        char name[TRANSFER_NAME_MAX + 1];
        size_t used = 0;

        if (!utf8_is_valid(s, n))
                return -EINVAL;
        for (size_t i = last_component(s, n); i < n;) {
                uint32_t c;
                size_t size = (size_t)utf8_decode(s + i, n - i, &c);

                if (!codepoint_is_control(c) && !codepoint_is_bidi(c) &&
                        !codepoint_is_noncharacter(c)) {
                        if (used + size > TRANSFER_NAME_MAX)
                                break;
                        memcpy(name + used, s + i, size);
                        used += size;
                }
                i += size;
        }
        name[used] = 0;
        if (!is_name(name))
                return -EINVAL;
        memcpy(ret, name, used + 1);
        return 0;
}

bool transfer_name_is_clean(const char *s, size_t n)
{
        char name[TRANSFER_NAME_MAX + 1];

        return n <= TRANSFER_NAME_MAX && transfer_name_clean(s, n, name) == 0 &&
               strlen(name) == n && memcmp(name, s, n) == 0;
}
