/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Groups as people name them */

#include "cli/groups.h"

#include <stdio.h>
#include <strings.h>

#include "cli/format.h"

#define ID_PREFIX_MIN 4

static int add_member(struct group_row *row, const char *member, size_t *n_allocated)
{
        if (row->n_members == *n_allocated) {
                size_t n = MAX(2 * *n_allocated, (size_t)8);
                const char **more = reallocarray(row->members, n, sizeof(*more));

                if (!more)
                        return -ENOMEM;
                row->members = more;
                *n_allocated = n;
        }
        row->members[row->n_members++] = member;
        return 0;
}

static int read_members(struct group_row *row, sd_bus_message *answer)
{
        size_t n_allocated = 0;
        const char *member;
        int r;

        while ((r = bus_group_next_member(answer, &member)) > 0)
                if (add_member(row, member, &n_allocated) < 0)
                        return -ENOMEM;
        return r;
}

int groups_read(struct groups *gs, struct bus_client *client)
{
        struct bus_group g;
        size_t n_allocated = 0;
        int r;

        *gs = (struct groups){ 0 };
        r = bus_client_group_list(client, &gs->answer);
        if (r < 0)
                return r;
        while ((r = bus_group_next(gs->answer, &g)) > 0) {
                if (gs->n_rows == n_allocated) {
                        size_t n = MAX(n_allocated * 2, (size_t)16);
                        struct group_row *rows = reallocarray(gs->rows, n, sizeof(*rows));

                        if (!rows)
                                return -ENOMEM;
                        gs->rows = rows;
                        n_allocated = n;
                }
                gs->rows[gs->n_rows] = (struct group_row){ .group = g };
                r = read_members(&gs->rows[gs->n_rows++], gs->answer);
                if (r < 0)
                        return r;
        }
        return r;
}

void groups_done(struct groups *gs)
{
        for (size_t i = 0; i < gs->n_rows; i++)
                free(gs->rows[i].members);
        free(gs->rows);
        sd_bus_message_unref(gs->answer);
        *gs = (struct groups){ 0 };
}

/* Bytes of the name in "+name" or "+name#id", with the "+". */
static size_t name_size(const char *word)
{
        return strcspn(word, "#");
}

/* Are the digits behind the name, if there are any, the beginning of @id? */
static bool has_digits_of(const char *word, const char *id)
{
        const char *digits = word + name_size(word);
        size_t n = strlen(digits);

        return n == 0 || (n > ID_PREFIX_MIN && strncasecmp(id, digits + 1, n - 1) == 0);
}

bool group_is_same(const char *id, const char *word, const char *other)
{
        size_t n = name_size(word);

        return word[0] == '+' && name_size(other) == n && strncasecmp(word, other, n) == 0 &&
               has_digits_of(word, id) && has_digits_of(other, id);
}

static bool is_named(const struct bus_group *g, const char *word)
{
        return word[0] == '+' ? group_is_same(g->id, g->word, word) : strcasecmp(g->id, word) == 0;
}

const struct group_row *group_find(const struct groups *gs, const char *word, size_t *ret_n)
{
        const struct group_row *found = NULL;
        size_t n = 0;

        for (size_t i = 0; i < gs->n_rows; i++)
                if (is_named(&gs->rows[i].group, word)) {
                        found = &gs->rows[i];
                        n++;
                }
        *ret_n = n;
        return n == 1 ? found : NULL;
}

char *group_word(const char *s)
{
        bool is_id = strlen(s) == GROUP_ID_DIGITS &&
                     strspn(s, "0123456789abcdefABCDEF") == GROUP_ID_DIGITS;
        char *word;

        return asprintf(&word, "%s%s", s[0] == '+' || is_id ? "" : "+", s) < 0 ? NULL : word;
}

char *group_argument(const char *word, const char *id)
{
        static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                   "+#_.,:-";
        _cleanup_(freep)
        char *shown = format_escape(word, ESCAPE_LINE);
        char *quoted;
        size_t i = 0;

        /* One that has to be escaped or quoted in more than one way cannot be typed. */
        if (!shown || !streq(shown, word) || strpbrk(word, "'\\"))
                return shown ? strdup(id) : NULL;
        while (word[i] && ((unsigned char)word[i] >= 0x80 || strchr(safe, word[i])))
                i++;
        if (!word[i])
                return TAKE_PTR(shown);
        return asprintf(&quoted, "'%s'", word) < 0 ? NULL : quoted;
}

bool message_is_of_group(const struct bus_message *m)
{
        return m->conversation[0] == '+';
}
