/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pages of history, and searching in slices
 *
 * A page is read while its reply is written. A search opens texts one by one, so it looks at a
 * slice of rows at a time and lets others come in between (chore.h); of one uid, one search runs at
 * a time and the others wait for it.
 */
#include "bus/names.h"
#include "daemon/bus-private.h"
#include "os/log.h"

#define CONVERSATIONS_MAX 64
#define SLICE_ROWS 2000
#define ROW_SIZE 160            /* about, of a row without its strings of variable length */
#define PAGE_IS_FULL (-ENOBUFS) /* ends a reading; nobody sees it */

struct page {
        struct bus *bus;
        sd_bus_message *reply; /* its array is open */
        size_t n_rows, rows_max, size;
        uint64_t word_peer; /* whose word is in "word", 0: nobody's */
        char word[WORD_SIZE];
};

struct search {
        struct list list; /* in bus.searches */
        struct caller *caller;
        sd_bus_message *call;
        struct page page;
        uint64_t peers[CONVERSATIONS_MAX];
        size_t n_peers;
        uint64_t before;
        char *text;
};

/*
 * Pages
 */
static int page_open(struct page *p, struct bus *b, sd_bus_message *call, uint32_t limit)
{
        int r;

        *p = (struct page){ .bus = b };
        p->rows_max = limit > 0 ? MIN(limit, P2PCHAT_BUS_PAGE_ROWS_MAX) : P2PCHAT_BUS_PAGE_ROWS_MAX;
        r = sd_bus_message_new_method_return(call, &p->reply);
        if (r < 0)
                return r;
        return sd_bus_message_open_container(p->reply, 'a', "(" P2PCHAT_BUS_MESSAGE_ROW ")");
}

static void page_done(struct page *p)
{
        p->reply = sd_bus_message_unref(p->reply);
}

static int page_send(struct page *p)
{
        int r = sd_bus_message_close_container(p->reply);

        return r < 0 ? r : sd_bus_send(NULL, p->reply, NULL);
}

static const char *page_word(struct page *p, const struct message_record *record)
{
        struct manager *m = p->bus->manager;

        if (p->word_peer != record->peer)
                node_word(m->node, record->peer, record->name, &record->endpoint, manager_now(m),
                        p->word);
        p->word_peer = record->peer;
        return p->word;
}

static int page_add(const struct message_record *record, void *userdata)
{
        char id[ULID_STRING_SIZE], address[ENDPOINT_STRING_MAX];
        struct page *p = userdata;
        size_t size = ROW_SIZE + strlen(record->name) + record->size + sizeof p->word;
        _cleanup_(freep)
        char *text = NULL;
        int r;

        if (p->n_rows >= p->rows_max ||
                (p->n_rows > 0 && p->size + size > P2PCHAT_BUS_PAGE_SIZE_MAX))
                return PAGE_IS_FULL;
        text = bus_text(record->text, record->size);
        if (!text)
                return -ENOMEM;
        r = sd_bus_message_append(p->reply, "(" P2PCHAT_BUS_MESSAGE_ROW ")", record->sequence,
                ulid_format(&record->id, id), direction_word(record->direction),
                page_word(p, record), record->name, record->time_usec,
                endpoint_format(&record->endpoint, address), bus_user_id(p->bus->manager, record),
                message_state_word(record->state), security_word(record->security), text);
        if (r < 0)
                return r;
        p->n_rows++;
        p->size += size;
        return 0;
}

/* 0: that is all; 1: there may be more; negative errno. A damaged store ends the daemon, for the
 * next start mends it. */
static int page_read(struct page *p, struct store_query *query, uint64_t *ret_next)
{
        struct manager *m = p->bus->manager;
        int r;

        query->rows_max = p->rows_max - p->n_rows;
        query->bytes_max = P2PCHAT_BUS_PAGE_SIZE_MAX;
        r = store_read(m->memory.store, query, page_add, p, ret_next);
        if (r == PAGE_IS_FULL)
                return 0;
        if (r == -EUCLEAN)
                manager_fail(m, r, "Failed to read the history");
        else if (r == 1 && (p->n_rows >= p->rows_max || p->size >= P2PCHAT_BUS_PAGE_SIZE_MAX))
                return 0;
        return r;
}

/* Whose history: 0, or an error. */
static int find_peers(struct bus *b, const char *word, uint64_t peers[static CONVERSATIONS_MAX],
        size_t *ret_n, sd_bus_error *error)
{
        struct manager *m = b->manager;
        struct refusal refusal;
        int r;

        *ret_n = 0;
        if (!word[0])
                return 0;
        r = node_find_conversations(
                m->node, word, manager_now(m), peers, CONVERSATIONS_MAX, ret_n, &refusal);
        return r > 0 ? bus_set_refusal(error, r, &refusal) : r;
}

static int answer_page(struct bus *b, sd_bus_message *call, const char *word, uint32_t limit,
        struct store_query *query, sd_bus_error *error)
{
        _cleanup_(page_done)
        struct page page = {};
        uint64_t peers[CONVERSATIONS_MAX];
        int r;

        r = find_peers(b, word, peers, &query->n_peers, error);
        if (r < 0)
                return r;
        query->peers = peers;
        r = page_open(&page, b, call, limit);
        if (r >= 0)
                r = page_read(&page, query, NULL);
        return r < 0 ? r : page_send(&page);
}

int bus_get_history(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        struct store_query query = {};
        const char *word;
        uint32_t limit;
        int r;

        r = sd_bus_message_read(call, "su", &word, &limit);
        return r < 0 ? r : answer_page(userdata, call, word, limit, &query, error);
}

int bus_get_history_before(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        struct store_query query = {};
        const char *word;
        uint32_t limit;
        int r;

        r = sd_bus_message_read(call, "stu", &word, &query.before, &limit);
        return r < 0 ? r : answer_page(userdata, call, word, limit, &query, error);
}

int bus_get_history_since(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        struct store_query query = { .is_since = true };
        const char *word;
        uint32_t limit;
        int r;

        r = sd_bus_message_read(call, "stu", &word, &query.since, &limit);
        return r < 0 ? r : answer_page(userdata, call, word, limit, &query, error);
}

/*
 * Searches
 */
static struct search *search_free(struct search *s)
{
        if (!s)
                return NULL;
        s->caller->n_searches--;
        list_remove(&s->list);
        page_done(&s->page);
        sd_bus_message_unref(s->call);
        free(s->text);
        free(s);
        return NULL;
}

void bus_searches_wake(struct bus *b)
{
        if (list_is_empty(&b->searches))
                chore_sleep(&b->search_chore);
        else
                chore_wake(&b->search_chore);
}

void bus_searches_forget(struct bus *b, const struct caller *c)
{
        list_for_each_safe (i, &b->searches) {
                struct search *s = container_of(i, struct search, list);

                if (!c || s->caller == c)
                        search_free(s);
        }
        bus_searches_wake(b); /* others may have waited for it */
}

/* The first of its uid. */
static bool may_run(const struct bus *b, const struct search *s)
{
        if (!s->caller->is_known)
                return false;
        list_for_each (i, &b->searches) {
                const struct search *other = container_of(i, struct search, list);

                if (other == s)
                        return true;
                if (other->caller->is_known && other->caller->uid == s->caller->uid)
                        return false;
        }
        return true;
}

/* One slice. True when it goes on. */
static bool search_step(struct search *s)
{
        struct store_query query = {
                .peers = s->peers,
                .n_peers = s->n_peers,
                .before = s->before,
                .search = s->text,
                .scan_max = SLICE_ROWS,
        };
        int r;

        r = page_read(&s->page, &query, &s->before);
        if (r == 1)
                return true;
        if (r == 0)
                r = page_send(&s->page);
        if (r < 0)
                (void)sd_bus_reply_method_errno(s->call, r, NULL);
        return false;
}

/* One slice of each uid's search. Whoever cannot run yet is woken when he can. */
static bool search_slice(void *userdata)
{
        struct bus *b = userdata;
        bool again = false;

        list_for_each_safe (i, &b->searches) {
                struct search *s = container_of(i, struct search, list);

                if (!may_run(b, s))
                        continue;
                again = true;
                if (!search_step(s))
                        search_free(s);
        }
        return again;
}

static int search_new(struct bus *b, sd_bus_message *call, struct caller *caller, const char *text,
        uint32_t limit, struct search **ret)
{
        struct search *s = calloc(1, sizeof *s);
        int r = -ENOMEM;

        if (!s)
                return -ENOMEM;
        s->text = strdup(text);
        if (s->text)
                r = page_open(&s->page, b, call, limit);
        if (r < 0) {
                page_done(&s->page);
                free(s->text);
                free(s);
                return r;
        }
        s->caller = caller;
        s->call = sd_bus_message_ref(call);
        caller->n_searches++;
        list_append(&b->searches, &s->list);
        *ret = s;
        return 0;
}

static size_t count_searches(const struct bus *b, const struct caller *caller)
{
        size_t n = 0;

        list_for_each (i, &b->searches) {
                const struct caller *c = container_of(i, struct search, list)->caller;

                n += c == caller || (c->is_known && caller->is_known && c->uid == caller->uid);
        }
        return n;
}

int bus_search_history(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        uint64_t peers[CONVERSATIONS_MAX], before;
        const char *word, *text;
        struct bus *b = userdata;
        struct caller *caller;
        struct search *s;
        uint32_t limit;
        size_t n_peers;
        int r;

        r = sd_bus_message_read(call, "sstu", &word, &text, &before, &limit);
        if (r >= 0 && strlen(text) > TEXT_SIZE_MAX)
                return bus_set_error(error, BUS_TOO_LARGE,
                        "The text has %zu bytes; no message has more than %d: look for less.",
                        strlen(text), TEXT_SIZE_MAX);
        if (r >= 0)
                r = find_peers(b, word, peers, &n_peers, error);
        if (r >= 0)
                r = bus_get_caller(b, call, &caller);
        if (r < 0)
                return r;
        if (count_searches(b, caller) > SEARCHES_WAITING_MAX)
                return bus_set_error(error, BUS_LIMIT,
                        "%d searches of yours wait already: wait for their answers first.",
                        SEARCHES_WAITING_MAX);
        r = search_new(b, call, caller, text, limit, &s);
        if (r < 0)
                return r;
        memcpy(s->peers, peers, n_peers * sizeof peers[0]);
        s->n_peers = n_peers;
        s->before = before;
        bus_ask_caller(caller);
        bus_searches_wake(b);
        return 1;
}

int bus_searches_start(struct bus *b)
{
        return chore_start(&b->search_chore, b->manager, search_slice, b);
}
