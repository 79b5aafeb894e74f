/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Users as people name them */

#include "cli/user.h"

#include <stdio.h>
#include <strings.h>

#define ID_CHARACTERS 26
#define ID_PREFIX_MIN 4

int users_read(struct users *us, struct bus_client *client)
{
        struct bus_user u;
        size_t n_allocated = 0;
        int r;

        *us = (struct users){ 0 };
        r = bus_client_list_users(client, &us->answer);
        if (r < 0)
                return r;
        while ((r = bus_user_next(us->answer, &u)) > 0) {
                if (us->n_rows == n_allocated) {
                        size_t n = MAX(n_allocated * 2, (size_t)64);
                        struct bus_user *rows = reallocarray(us->rows, n, sizeof(*rows));

                        if (!rows)
                                return -ENOMEM;
                        us->rows = rows;
                        n_allocated = n;
                }
                us->rows[us->n_rows++] = u;
        }
        return r;
}

void users_done(struct users *us)
{
        free(us->rows);
        sd_bus_message_unref(us->answer);
        *us = (struct users){ 0 };
}

bool user_has_flag(const struct bus_user *u, const char *flag)
{
        size_t n = strlen(flag);

        for (const char *s = u->flags; *s;) {
                size_t k = strcspn(s, " ");

                if (k == n && memcmp(s, flag, n) == 0)
                        return true;
                s += k + strspn(s + k, " ");
        }
        return false;
}

static bool is_native(const struct bus_user *u)
{
        return u->id[0];
}

static size_t common_prefix(const char *a, const char *b)
{
        size_t n = 0;

        while (a[n] && a[n] == b[n])
                n++;
        return n;
}

/* How many characters of its id tell @u from all others of its name. */
static size_t id_prefix(const struct bus_user *rows, size_t n_rows, const struct bus_user *u)
{
        size_t n = ID_PREFIX_MIN;

        for (size_t i = 0; i < n_rows; i++)
                if (is_native(&rows[i]) && !streq(rows[i].id, u->id) &&
                        strcasecmp(rows[i].name, u->name) == 0)
                        n = MAX(n, common_prefix(rows[i].id, u->id) + 1);
        return n;
}

char *user_word(const struct bus_user *rows, size_t n_rows, const struct bus_user *u)
{
        char *t;
        int r;

        if (!user_has_flag(u, "namesake") || user_has_flag(u, "contact"))
                return strdup(u->name);
        if (is_native(u))
                r = asprintf(&t, "%s#%.*s", u->name, (int)id_prefix(rows, n_rows, u), u->id);
        else
                r = asprintf(&t, "%s@%s", u->name, u->address);
        return r < 0 ? NULL : t;
}

static bool has_name(const struct bus_user *u, const char *name, size_t n)
{
        return strlen(u->name) == n && strncasecmp(u->name, name, n) == 0;
}

/* Whether a word with "#" or "@", or a whole id, names @u. */
static bool is_named_exactly(const struct bus_user *u, const char *word)
{
        const char *mark = strpbrk(word, "#@");
        size_t n = mark ? strlen(mark + 1) : 0;

        if (!mark)
                return is_native(u) && strcasecmp(u->id, word) == 0;
        if (!has_name(u, word, (size_t)(mark - word)))
                return false;
        return *mark == '#' ? n >= ID_PREFIX_MIN && strncasecmp(u->id, mark + 1, n) == 0
                            : strcasecmp(u->address, mark + 1) == 0;
}

/* The better one of two of the same name: a contact is the only one meant by a bare name, who is
 * there comes before who is not. 0: neither. */
static int compare_bearers(const struct bus_user *a, const struct bus_user *b)
{
        bool a_contact = user_has_flag(a, "contact"), b_contact = user_has_flag(b, "contact");
        bool a_there = !streq(a->state, "offline"), b_there = !streq(b->state, "offline");

        return a_contact != b_contact ? a_contact - b_contact : a_there - b_there;
}

const struct bus_user *user_find(const struct bus_user *rows, size_t n_rows, const char *word)
{
        bool exact = strpbrk(word, "#@") || strlen(word) == ID_CHARACTERS;
        const struct bus_user *found = NULL;
        bool several = false;

        for (size_t i = 0; i < n_rows; i++) {
                int better = 0;

                if (exact ? !is_named_exactly(&rows[i], word)
                          : !has_name(&rows[i], word, strlen(word)))
                        continue;
                if (found)
                        better = exact ? is_native(&rows[i]) - is_native(found)
                                       : compare_bearers(&rows[i], found);
                several = better == 0 ? found != NULL : better > 0 ? false : several;
                if (!found || better > 0)
                        found = &rows[i];
        }
        return several ? NULL : found;
}

const char *user_of_message(const struct bus_message *m)
{
        size_t n = strlen(m->user);

        return strncasecmp(m->conversation, m->user, n) == 0 && m->conversation[n] &&
                               strchr("#@", m->conversation[n])
                       ? m->conversation
                       : m->user;
}

const char *user_security_phrase(const char *security)
{
        static const struct {
                const char *word;
                const char *phrase;
        } phrases[] = {
                { "verified", "verified, the fingerprint was compared" },
                { "certified", "certified, the ledger binds the name to this key" },
                { "encrypted", "encrypted, the fingerprint was not compared" },
                { "unproven", "unproven, nothing is sent before the key is proven" },
                { "legacy", "legacy, whoever records the packets can read it" },
                { "plain", "WITHOUT encryption, anyone on the network can read it" },
        };

        for (size_t i = 0; i < ELEMENTSOF(phrases); i++)
                if (streq(phrases[i].word, security))
                        return phrases[i].phrase;
        return security;
}
