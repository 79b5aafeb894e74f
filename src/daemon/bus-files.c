/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.example.P2PChat.Files: deciding, listing, and the signals */
#include <stdio.h>

#include "bus/names.h"
#include "daemon/bus-private.h"

#define PROGRESS_USEC (250 * USEC_PER_MSEC) /* between two signals about one file */
#define PROGRESSES_MAX 256                  /* files whose progress is told */

/* How far a file is, as it was told last, or is to be told. */
struct progress_signal {
        struct list list; /* in bus.progresses */
        char id[FILE_ID_STRING_SIZE];
        uint64_t done, size;
        usec_t told_usec;
        bool is_new;
};

/*
 * Deciding
 */
static int reject(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        struct bus *b = userdata;
        struct manager *m = b->manager;
        struct refusal refusal;
        const char *id;
        int r;

        r = sd_bus_message_read(call, "s", &id);
        if (r < 0)
                return r;
        r = manager_take(m, node_file_reject(m->node, id, manager_now(m), &refusal));
        return bus_finish(b, call, r, &refusal, error);
}

static int cancel(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        struct bus *b = userdata;
        struct manager *m = b->manager;
        struct refusal refusal;
        const char *id;
        int r;

        r = sd_bus_message_read(call, "s", &id);
        if (r < 0)
                return r;
        if (files_cancel_sending(&m->files, id))
                return sd_bus_reply_method_return(call, NULL);
        r = manager_take(m, node_file_cancel(m->node, id, manager_now(m), &refusal));
        return bus_finish(b, call, r, &refusal, error);
}

/*
 * Listing
 */
static const char *state_word(enum transfer_state s)
{
        switch (s) {
        case TRANSFER_OFFERED:
                return "offered";
        case TRANSFER_ACCEPTED:
                return "accepted";
        case TRANSFER_VERIFYING:
                return "verifying";
        case TRANSFER_WHOLE:
                return "whole";
        case TRANSFER_OVER:
                break;
        }
        return "over";
}

static const char *direction_of(bool is_outgoing)
{
        return direction_word(is_outgoing ? DIRECTION_SENT : DIRECTION_RECEIVED);
}

static int append_files(sd_bus_message *reply, struct manager *m)
{
        _cleanup_(freep)
        struct file_view *views = NULL;
        size_t n;
        int r;

        r = node_list_files(m->node, manager_now(m), &views, &n);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                const struct file_view *v = &views[i];

                r = sd_bus_message_append(reply, "(" P2PCHAT_BUS_FILE_ROW ")", v->id, v->user,
                        v->name, v->size, v->done, direction_of(v->is_outgoing),
                        state_word(v->state));
        }
        list_for_each (i, &m->files.sending) {
                const struct file_sending *s = container_of(i, struct file_sending, list);

                if (r >= 0)
                        r = sd_bus_message_append(reply, "(" P2PCHAT_BUS_FILE_ROW ")", s->id,
                                s->word, s->name, s->size, s->job ? s->job->done : s->size,
                                direction_of(true), "preparing");
        }
        return r;
}

static int list(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        struct bus *b = userdata;
        int r;

        r = sd_bus_message_new_method_return(call, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(" P2PCHAT_BUS_FILE_ROW ")");
        if (r >= 0)
                r = append_files(reply, b->manager);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/*
 * Signals
 */
void bus_signal_file_offered(struct bus *b, const struct change_file *c)
{
        if (!b || c->is_outgoing || !bus_may_signal(b, strlen(c->name)))
                return;
        bus_report_signal(sd_bus_emit_signal(b->connection, P2PCHAT_BUS_PATH,
                                  P2PCHAT_BUS_FILES_INTERFACE, "Offered", "sssst", c->id, c->user,
                                  c->name, security_word(c->security), c->size),
                "Offered");
}

static const char *reason_word(enum transfer_reason r)
{
        switch (r) {
        case TRANSFER_DONE:
                return "";
        case TRANSFER_REJECTED:
                return "rejected";
        case TRANSFER_CANCELLED:
                return "cancelled";
        case TRANSFER_EXPIRED:
                return "expired";
        case TRANSFER_WRONG_HASH:
                return "wrong-hash";
        case TRANSFER_GONE:
                return "gone";
        case TRANSFER_SHRANK:
                return "shrank";
        case TRANSFER_NO_SPACE:
                return "no-space";
        case TRANSFER_QUOTA:
                return "quota";
        case TRANSFER_TOO_MANY:
                return "too-many";
        case TRANSFER_MALFORMED:
                return "malformed";
        case TRANSFER_BROKEN:
                return "broken";
        case TRANSFER_UNREADABLE:
                return "unreadable";
        }
        return "broken";
}

static struct progress_signal *find_progress(struct bus *b, const char *id)
{
        list_for_each (i, &b->progresses) {
                struct progress_signal *p = container_of(i, struct progress_signal, list);

                if (streq(p->id, id))
                        return p;
        }
        return NULL;
}

static void progress_free(struct bus *b, struct progress_signal *p)
{
        list_remove(&p->list);
        free(p);
        b->n_progresses--;
}

void bus_signal_file_finished(struct bus *b, const char *id, const char *state, const char *reason)
{
        struct progress_signal *p;

        if (!b)
                return;
        p = find_progress(b, id);
        if (p)
                progress_free(b, p);
        if (!bus_may_signal(b, 0))
                return;
        bus_report_signal(
                sd_bus_emit_signal(b->connection, P2PCHAT_BUS_PATH, P2PCHAT_BUS_FILES_INTERFACE,
                        "Finished", "sss", id, state, reason),
                "Finished");
}

/* To a group the reason tells how many have it. */
void bus_signal_file_ended(struct bus *b, const struct change_file *c)
{
        bus_signal_file_finished(b, c->id, c->reason == TRANSFER_DONE ? "done" : "failed",
                c->detail && c->detail[0] ? c->detail : reason_word(c->reason));
}

/*
 * Progress: at most one signal in PROGRESS_USEC about one file, and the last one always
 */
static void tell_progress(struct bus *b, struct progress_signal *p, usec_t now_usec)
{
        if (!bus_may_signal(b, 0))
                return;
        p->is_new = false;
        p->told_usec = now_usec;
        bus_report_signal(
                sd_bus_emit_signal(b->connection, P2PCHAT_BUS_PATH, P2PCHAT_BUS_FILES_INTERFACE,
                        "Progress", "stt", p->id, p->done, p->size),
                "Progress");
}

static void arm(struct bus *b)
{
        (void)sd_event_source_set_time_relative(b->progress_timer, PROGRESS_USEC);
        (void)sd_event_source_set_enabled(b->progress_timer, SD_EVENT_ONESHOT);
}

static int on_progress_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
        struct bus *b = userdata;
        usec_t now_usec = manager_now(b->manager).mono_usec;

        list_for_each_safe (i, &b->progresses) {
                struct progress_signal *p = container_of(i, struct progress_signal, list);

                if (p->is_new)
                        tell_progress(b, p, now_usec);
                else if (now_usec >= usec_add(p->told_usec, 4 * PROGRESS_USEC))
                        progress_free(b, p);
        }
        if (!list_is_empty(&b->progresses))
                arm(b);
        return 0;
}

static struct progress_signal *progress_new(struct bus *b, const char *id)
{
        struct progress_signal *p;

        if (b->n_progresses >= PROGRESSES_MAX)
                return NULL;
        p = calloc(1, sizeof *p);
        if (!p)
                return NULL;
        memcpy(p->id, id, strnlen(id, sizeof p->id - 1));
        list_append(&b->progresses, &p->list);
        b->n_progresses++;
        return p;
}

void bus_signal_file_progress(struct bus *b, const struct change_file *c)
{
        struct progress_signal *p;
        int enabled = SD_EVENT_OFF;
        bool is_first;

        if (!b || !b->has_name)
                return;
        p = find_progress(b, c->id);
        is_first = !p;
        if (is_first)
                p = progress_new(b, c->id);
        if (!p)
                return;
        p->done = c->done;
        p->size = c->size;
        p->is_new = true;
        if (is_first)
                tell_progress(b, p, b->manager->now.mono_usec);
        (void)sd_event_source_get_enabled(b->progress_timer, &enabled);
        if (enabled == SD_EVENT_OFF)
                arm(b);
}

int bus_files_start(struct bus *b)
{
        int r;

        r = sd_event_add_time(
                b->manager->event, &b->progress_timer, CLOCK_MONOTONIC, 0, 0, on_progress_timer, b);
        return r < 0 ? r : sd_event_source_set_enabled(b->progress_timer, SD_EVENT_OFF);
}

void bus_files_done(struct bus *b)
{
        list_for_each_safe (i, &b->progresses)
                progress_free(b, container_of(i, struct progress_signal, list));
        b->progress_timer = sd_event_source_disable_unref(b->progress_timer);
}

/*
 * What the bus sees, in the order of the documentation
 */
#define UNPRIVILEGED SD_BUS_VTABLE_UNPRIVILEGED

/* clang-format off */
const sd_bus_vtable bus_files_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Send",
                SD_BUS_ARGS("s", user, "s", name, "h", file),
                SD_BUS_RESULT("s", id),
                bus_file_send, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Accept",
                SD_BUS_ARGS("s", id, "h", file),
                SD_BUS_NO_RESULT,
                bus_file_accept, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Reject",
                SD_BUS_ARGS("s", id),
                SD_BUS_NO_RESULT,
                reject, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Cancel",
                SD_BUS_ARGS("s", id),
                SD_BUS_NO_RESULT,
                cancel, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("List",
                SD_BUS_NO_ARGS,
                SD_BUS_RESULT("a(" P2PCHAT_BUS_FILE_ROW ")", files),
                list, UNPRIVILEGED),

        SD_BUS_SIGNAL_WITH_ARGS("Offered",
                SD_BUS_ARGS("s", id, "s", user, "s", name, "s", security, "t", size), 0),
        SD_BUS_SIGNAL_WITH_ARGS("Progress", SD_BUS_ARGS("s", id, "t", done, "t", size), 0),
        SD_BUS_SIGNAL_WITH_ARGS("Finished", SD_BUS_ARGS("s", id, "s", state, "s", reason), 0),
        SD_BUS_VTABLE_END,
};
/* clang-format on */
