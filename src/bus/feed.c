/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every message after a sequence number, each once, in order */

#include "bus/feed.h"

#include <time.h>

#include "bus/names.h"

#define PAUSE_USEC_MIN (100 * USEC_PER_MSEC)
#define PAUSE_USEC_MAX (5 * USEC_PER_SEC)

struct feed {
        sd_event *event;
        const char *where;
        const char *user;
        const struct feed_handler *handler;
        void *userdata;

        struct bus_client *client;
        sd_event_source *pause; /* until the next attempt */
        usec_t pause_usec;

        bool started;
        uint64_t last;
        uint64_t heard; /* the highest number that a signal named */
        bool behind;    /* history may have more than last */
        bool busy;      /* a delivery is not done */
        uint64_t busy_sequence;
        sd_bus_message *page; /* rows to deliver */
        size_t n_page;        /* rows taken from it */
};

static int pump(struct feed *f);

int feed_new(sd_event *event, const char *where, const char *user,
        const struct feed_handler *handler, void *userdata, struct feed **ret)
{
        struct feed *f = calloc(1, sizeof(*f));

        if (!f)
                return -ENOMEM;
        f->event = sd_event_ref(event);
        f->where = where;
        f->user = user;
        f->handler = handler;
        f->userdata = userdata;
        f->pause_usec = PAUSE_USEC_MIN;
        *ret = f;
        return 0;
}

static void disconnect(struct feed *f)
{
        f->page = sd_bus_message_unref(f->page);
        if (f->client)
                sd_bus_detach_event(bus_client_bus(f->client));
        f->client = bus_client_free(f->client);
}

struct feed *feed_free(struct feed *f)
{
        if (!f)
                return NULL;
        disconnect(f);
        sd_event_source_disable_unref(f->pause);
        sd_event_unref(f->event);
        free(f);
        return NULL;
}

uint64_t feed_last(const struct feed *f)
{
        return f->last;
}

struct bus_client *feed_client(struct feed *f)
{
        return f->client;
}

/* What the next attempt would meet is not for this one to complain about. */
static bool is_passing(const struct feed *f)
{
        switch (bus_client_outcome(f->client)) {
        case BUS_NO_SERVICE:
        case BUS_TIMEOUT:
        case BUS_LIMIT:
                return true;
        case BUS_OK:
        case BUS_UNKNOWN_USER:
        case BUS_AMBIGUOUS_USER:
        case BUS_NOT_REACHABLE:
        case BUS_KEY_CHANGED:
        case BUS_NOT_SECURE:
        case BUS_BLOCKED:
        case BUS_INVALID_TEXT:
        case BUS_TOO_LARGE:
        case BUS_QUEUE_FULL:
        case BUS_INVALID_NAME:
        case BUS_NAME_TAKEN:
        case BUS_NO_SUCH_MESSAGE:
        case BUS_NO_SUCH_TRANSFER:
        case BUS_FINGERPRINT_MISMATCH:
        case BUS_STORAGE_FULL:
        case BUS_CANNOT_CHAT:
        case BUS_ACCESS_DENIED:
        case BUS_READ_ONLY:
        case BUS_INVALID_ARGS:
        case BUS_OTHER:
        case _BUS_OUTCOME_MAX:
                return false;
        }
        return false;
}

static int on_pause(sd_event_source *s, uint64_t usec, void *userdata);

static int pause_then_retry(struct feed *f)
{
        usec_t usec = f->pause_usec;
        int r;

        f->pause_usec = usec_min(f->pause_usec * 2, PAUSE_USEC_MAX);
        if (!f->pause) {
                r = sd_event_add_time_relative(
                        f->event, &f->pause, CLOCK_MONOTONIC, usec, 0, on_pause, f);
                return r < 0 ? r : 0;
        }
        r = sd_event_source_set_time_relative(f->pause, usec);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(f->pause, SD_EVENT_ONESHOT);
}

/* The service is there: whether its history still is the one we know. */
static int look_again(struct feed *f)
{
        uint64_t newest;
        int r;

        r = bus_client_get_last_sequence(f->client, &newest);
        if (r < 0)
                return is_passing(f) ? pause_then_retry(f) : r;
        f->heard = newest;
        if (f->last > newest) {
                f->last = newest;
                if (f->handler->restored) {
                        r = f->handler->restored(newest, f->userdata);
                        if (r < 0)
                                return r;
                }
        }
        f->behind = true;
        return pump(f);
}

static int on_message(const struct bus_message *m, void *userdata)
{
        struct feed *f = userdata;
        int r;

        if (!f->started || m->sequence <= f->last)
                return 0;
        f->heard = MAX(f->heard, m->sequence);
        if (f->busy || f->page || f->behind || m->sequence != f->last + 1 || !streq(f->user, "")) {
                f->behind = true;
                return pump(f);
        }

        r = f->handler->deliver(m, f->userdata);
        if (r < 0)
                return r;
        if (r > 0) {
                f->busy = true;
                f->busy_sequence = m->sequence;
                return 0;
        }
        f->last = m->sequence;
        return f->handler->idle ? f->handler->idle(f->userdata) : 0;
}

static int on_last_sequence(uint64_t sequence, void *userdata)
{
        struct feed *f = userdata;

        if (!f->started || sequence <= f->last)
                return 0;
        f->heard = MAX(f->heard, sequence);
        f->behind = true;
        return pump(f);
}

static int on_service(bool there, void *userdata)
{
        struct feed *f = userdata;
        int r = 0;

        if (f->handler->service)
                r = f->handler->service(there, f->userdata);
        return r < 0 || !there || !f->started ? r : look_again(f);
}

static int on_disconnected(void *userdata)
{
        struct feed *f = userdata;
        int r = 0;

        if (f->handler->service)
                r = f->handler->service(false, f->userdata);
        return r < 0 ? r : pause_then_retry(f);
}

static int on_message_state(const char *id, const char *state, const char *reason, void *userdata)
{
        struct feed *f = userdata;

        return f->handler->message_state ? f->handler->message_state(id, state, reason, f->userdata)
                                         : 0;
}

static int on_user(const char *user, const char *id, const char *state, void *userdata)
{
        struct feed *f = userdata;

        return f->handler->user ? f->handler->user(user, id, state, f->userdata) : 0;
}

static int on_warning(const char *kind, const char *user, const char *sentence, void *userdata)
{
        struct feed *f = userdata;

        return f->handler->warning ? f->handler->warning(kind, user, sentence, f->userdata) : 0;
}

static int on_invited(const char *group, const char *id, const char *inviter, void *userdata)
{
        struct feed *f = userdata;

        return f->handler->invited ? f->handler->invited(group, id, inviter, f->userdata) : 0;
}

static int on_file_offered(const char *id, const char *user, const char *name, const char *security,
        uint64_t size, void *userdata)
{
        struct feed *f = userdata;

        return f->handler->file_offered
                       ? f->handler->file_offered(id, user, name, security, size, f->userdata)
                       : 0;
}

static int on_file_finished(const char *id, const char *state, const char *reason, void *userdata)
{
        struct feed *f = userdata;

        return f->handler->file_finished ? f->handler->file_finished(id, state, reason, f->userdata)
                                         : 0;
}

static const struct bus_client_signals signals = {
        .message = on_message,
        .message_state = on_message_state,
        .user = on_user,
        .warning = on_warning,
        .invited = on_invited,
        .file_offered = on_file_offered,
        .file_finished = on_file_finished,
        .last_sequence = on_last_sequence,
        .service = on_service,
        .disconnected = on_disconnected,
};

int feed_connect(struct feed *f)
{
        int r;

        disconnect(f);
        r = bus_client_new(f->where, !f->started, &f->client);
        if (r < 0)
                return r;
        r = bus_client_watch(f->client, &signals, f);
        if (r < 0)
                return r;
        return sd_bus_attach_event(bus_client_bus(f->client), f->event, SD_EVENT_PRIORITY_NORMAL);
}

/* The connection is new, or the service asked for patience. */
static int retry(struct feed *f)
{
        int r;

        if (!f->client || sd_bus_is_open(bus_client_bus(f->client)) <= 0) {
                r = feed_connect(f);
                if (r < 0)
                        return r == -ENOMEM ? r : pause_then_retry(f);
                if (bus_client_service_is_there(f->client) && f->handler->service) {
                        r = f->handler->service(true, f->userdata);
                        if (r < 0)
                                return r;
                }
        }
        if (!bus_client_service_is_there(f->client))
                return 0;
        return look_again(f);
}

static int on_pause(sd_event_source *s, uint64_t usec, void *userdata)
{
        struct feed *f = userdata;
        int r = retry(f);

        return r < 0 ? sd_event_exit(f->event, r) : 0;
}

int feed_start(struct feed *f, uint64_t sequence)
{
        uint64_t newest;
        int r;

        /* This also starts the service where the bus can do that. */
        r = bus_client_get_last_sequence(f->client, &newest);
        if (r < 0)
                return r;
        f->heard = newest;
        f->last = sequence == UINT64_MAX ? newest : sequence;
        if (f->last > newest) {
                f->last = newest;
                if (f->handler->restored) {
                        r = f->handler->restored(newest, f->userdata);
                        if (r < 0)
                                return r;
                }
        }
        f->started = true;
        f->behind = f->last < newest;
        return pump(f);
}

int feed_done(struct feed *f)
{
        assert(f->busy);

        f->busy = false;
        f->last = f->busy_sequence;
        return pump(f);
}

/* Delivers what is left of the page. 1: a delivery waits; 0: the page is used up. */
static int deliver_page(struct feed *f)
{
        struct bus_message m;
        int r;

        while ((r = bus_message_next(f->page, &m)) > 0) {
                f->n_page++;
                if (m.sequence <= f->last)
                        continue;
                r = f->handler->deliver(&m, f->userdata);
                if (r < 0)
                        return r;
                if (r > 0) {
                        f->busy = true;
                        f->busy_sequence = m.sequence;
                        return 1;
                }
                f->last = m.sequence;
        }
        return r;
}

static int fetch_page(struct feed *f)
{
        int r;

        if (!f->client || sd_bus_is_open(bus_client_bus(f->client)) <= 0 ||
                !bus_client_service_is_there(f->client))
                return 0; /* it will come back */

        r = bus_client_history_since(
                f->client, f->user, f->last, P2PCHAT_BUS_PAGE_ROWS_MAX, &f->page);
        if (r < 0)
                return is_passing(f) ? pause_then_retry(f) : r;
        f->pause_usec = PAUSE_USEC_MIN;
        f->n_page = 0;
        return 1;
}

static int pump(struct feed *f)
{
        int r;

        while (!f->busy) {
                if (f->page) {
                        r = deliver_page(f);
                        if (r != 0)
                                return r < 0 ? r : 0;
                        f->page = sd_bus_message_unref(f->page);
                        if (f->n_page == 0) {
                                /* Whatever else was heard of concerns others, or is gone. */
                                f->last = MAX(f->last, f->heard);
                                f->behind = false;
                        }
                }
                if (!f->behind)
                        return f->handler->idle ? f->handler->idle(f->userdata) : 0;
                r = fetch_page(f);
                if (r <= 0)
                        return r;
        }
        return 0;
}
