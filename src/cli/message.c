/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages as people see them, and pages of history put together */

#include "cli/message.h"

#include "bus/names.h"
#include "cli/format.h"
#include "cli/groups.h"
#include "cli/user.h"

/* Security, and what keeps a message from having arrived. */
static char *security_and_state(const struct bus_message *m)
{
        _cleanup_(freep)
        char *security = NULL;
        char *t;

        if (streq(m->state, "sent") || streq(m->state, "delivered") || streq(m->state, "received"))
                return format_escape(m->security, ESCAPE_LINE);
        if (asprintf(&t, "%s (%s)", m->security, m->state) < 0)
                return NULL;
        security = t;
        return format_escape(security, ESCAPE_LINE);
}

/* Who the other side is; in a group, the group and the author: "+team Ece". */
static char *who_is_it(const struct bus_message *m)
{
        _cleanup_(freep)
        char *both = NULL;

        if (!message_is_of_group(m))
                return format_escape(user_of_message(m), ESCAPE_LINE);
        if (asprintf(&both, "%s %s", m->conversation, m->user) < 0)
                both = NULL;
        return both ? format_escape(both, ESCAPE_LINE) : NULL;
}

int message_add_row(struct columns *c, const struct bus_message *m)
{
        char time[FORMAT_TIME_SIZE];
        bool sent = streq(m->direction, "sent");
        int r;

        r = columns_add(c, format_time(m->time_usec, time), STYLE_FAINT);
        if (r >= 0)
                r = columns_add(c, sent ? "SENT" : "RECEIVED", sent ? STYLE_NONE : STYLE_GREEN);
        if (r >= 0)
                r = columns_add_owned(c, who_is_it(m), STYLE_BOLD);
        if (r >= 0)
                r = columns_add_owned(c, format_escape(m->address, ESCAPE_LINE), STYLE_FAINT);
        if (r >= 0)
                r = columns_add_owned(c, security_and_state(m), STYLE_FAINT);
        if (r >= 0)
                r = columns_add_owned(c, format_escape(m->text, ESCAPE_TEXT), STYLE_NONE);
        return r;
}

int message_print(const struct bus_message *m, FILE *f, bool colour)
{
        _cleanup_(columns_freep)
        struct columns *c = NULL;
        int r;

        r = columns_new(MESSAGE_COLUMNS, &c);
        if (r < 0)
                return r;
        r = message_add_row(c, m);
        if (r < 0)
                return r;
        columns_print(c, f, colour);
        return 0;
}

/* Keeps a page, newest first. The number of its rows. */
static int add_page(struct messages *ms, sd_bus_message *page, uint64_t limit)
{
        sd_bus_message **pages = reallocarray(ms->pages, ms->n_pages + 1, sizeof(*pages));
        struct bus_message m;
        size_t before = ms->n_rows;
        int r;

        if (!pages) {
                sd_bus_message_unref(page);
                return -ENOMEM;
        }
        ms->pages = pages;
        ms->pages[ms->n_pages++] = page;

        while (ms->n_rows < limit && (r = bus_message_next(page, &m)) != 0) {
                if (r < 0)
                        return r;
                if (ms->n_rows == ms->n_allocated) {
                        size_t n = MAX(ms->n_allocated * 2, (size_t)64);
                        struct bus_message *rows = reallocarray(ms->rows, n, sizeof(*rows));

                        if (!rows)
                                return -ENOMEM;
                        ms->rows = rows;
                        ms->n_allocated = n;
                }
                ms->rows[ms->n_rows++] = m;
        }
        return (int)(ms->n_rows - before);
}

static int read_page(struct bus_client *client, const char *user, const char *text,
        const struct messages *ms, uint64_t limit, sd_bus_message **ret)
{
        uint32_t n = (uint32_t)MIN(limit - ms->n_rows, (uint64_t)P2PCHAT_BUS_PAGE_ROWS_MAX);
        uint64_t before = ms->n_rows > 0 ? ms->rows[ms->n_rows - 1].sequence : 0;

        if (text)
                return bus_client_search(client, user, text, before, n, ret);
        if (ms->n_rows == 0)
                return bus_client_history(client, user, n, ret);
        return bus_client_history_before(client, user, before, n, ret);
}

int messages_read(struct messages *ms, struct bus_client *client, const char *user,
        const char *text, uint64_t limit)
{
        int r;

        *ms = (struct messages){ 0 };
        while (ms->n_rows < limit) {
                sd_bus_message *page;
                uint64_t wanted = limit - ms->n_rows;

                r = read_page(client, user, text, ms, limit, &page);
                if (r < 0)
                        return r;
                r = add_page(ms, page, limit);
                if (r < 0)
                        return r;
                /* A page may end early because of its size, so only an empty one is the end. Where
                 * all was given that was asked for, there is no need to ask. */
                if (r == 0 || (uint64_t)r == wanted)
                        break;
        }

        for (size_t i = 0, j = ms->n_rows; i + 1 < j; i++, j--) {
                struct bus_message m = ms->rows[i];

                ms->rows[i] = ms->rows[j - 1];
                ms->rows[j - 1] = m;
        }
        return 0;
}

void messages_done(struct messages *ms)
{
        for (size_t i = 0; i < ms->n_pages; i++)
                sd_bus_message_unref(ms->pages[i]);
        free(ms->pages);
        free(ms->rows);
        *ms = (struct messages){ 0 };
}
