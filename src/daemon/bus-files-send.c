/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Send and Accept of org.example.P2PChat.Files: calls with a descriptor, and their answers */
#include <stdio.h>

#include "bus/names.h"
#include "daemon/bus-private.h"

/*
 * Send
 */
static int refuse_descriptor(sd_bus_error *error, const char *why)
{
        return bus_set_error(error, BUS_INVALID_ARGS, "%s", why);
}

/* 0, or an error: before anything is copied. *ret_name: as it will be offered. */
static int check_send(struct bus *b, const struct caller *caller, const char *word,
        const char *name, uint64_t size, char ret_name[static TRANSFER_NAME_MAX + 1],
        sd_bus_error *error)
{
        struct manager *m = b->manager;
        char sentence[SENTENCE_SIZE];
        struct refusal refusal;
        const char *why;
        int r;

        r = node_file_check(m->node, word, name, size, manager_now(m), ret_name, &refusal);
        if (r != 0)
                return r < 0 ? r : bus_set_refusal(error, r, &refusal);
        if (strlen(word) >= WORD_SIZE)
                return bus_set_error(error, BUS_UNKNOWN_USER, "\"%.100s\" is no user.", word);
        why = files_refuse_sending(&m->files, caller->uid);
        if (why)
                return bus_set_error(error, BUS_LIMIT, "%s", why);
        r = bus_check_space(m, error);
        if (r < 0)
                return r;
        r = files_check_room(&m->files, caller->uid, size, sentence);
        return r > 0 ? bus_set_error(error, BUS_STORAGE_FULL, "%s", sentence) : r;
}

static int begin_send(
        struct bus *b, sd_bus_message *message, struct caller *caller, sd_bus_error *error)
{
        bool may_wait = bus_caller_may_wait(b, caller);
        char clean[TRANSFER_NAME_MAX + 1];
        const char *word, *name, *why;
        struct manager *m = b->manager;
        struct call *call = NULL;
        struct file_sending *s;
        uint64_t size = 0;
        int fd, r;

        r = sd_bus_message_read(message, "ssh", &word, &name, &fd);
        if (r < 0)
                return r;
        why = files_refuse_source(fd, &size);
        if (why)
                return refuse_descriptor(error, why);
        r = check_send(b, caller, word, name, size, clean, error);
        if (r < 0)
                return r;
        if (may_wait)
                r = bus_call_new(b, message, caller, true, &call);
        if (r < 0)
                return r;
        r = files_send(&m->files, word, clean, size, caller->uid, fd, call ? call->number : 0, &s);
        if (r < 0 && call)
                bus_call_free(b, call);
        if (r >= 0 && !call)
                return sd_bus_reply_method_return(message, "s", s->id);
        if (r >= 0)
                bus_ask_caller(caller);
        return r < 0 ? r : 1;
}

int bus_file_send(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        return bus_begin_known_call(userdata, message, begin_send, error);
}

void bus_file_sent(struct bus *b, uint64_t number, const char *id)
{
        struct call *c = bus_find_call(b, number);
        _cleanup_(sd_bus_error_free)
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        if (!c)
                return;
        r = bus_finish_text(b, c->message, 0, NULL, id, &error);
        if (r < 0)
                (void)sd_bus_reply_method_errno(c->message, r, &error);
        bus_call_free(b, c);
        (void)manager_take(b->manager, 0); /* the answer leaves at the end of a turn */
}

void bus_file_not_sent(struct bus *b, uint64_t number, const char *id, const char *reason,
        enum bus_outcome outcome, const char *sentence)
{
        struct call *c = bus_find_call(b, number);
        _cleanup_(sd_bus_error_free)
        sd_bus_error error = SD_BUS_ERROR_NULL;

        if (!c) {
                bus_signal_file_finished(b, id, "failed", reason);
                return;
        }
        (void)bus_set_error(&error, outcome, "%s", sentence);
        (void)sd_bus_reply_method_error(c->message, &error);
        bus_call_free(b, c);
}

void bus_file_refused(
        struct bus *b, uint64_t number, const char *id, int code, const char *sentence)
{
        if (bus_find_call(b, number))
                bus_refuse(b, number, code, sentence);
        else
                bus_signal_file_finished(b, id, "failed", "refused");
}

/*
 * Accept
 */
static int check_accept(struct bus *b, const struct caller *caller, const struct file_view *view,
        sd_bus_error *error)
{
        struct manager *m = b->manager;
        const char *why = files_refuse_holding(&m->files, caller->uid);
        char sentence[SENTENCE_SIZE];
        int r;

        if (why)
                return bus_set_error(error, BUS_LIMIT, "%s", why);
        if (view->is_outgoing || view->state != TRANSFER_OFFERED)
                return 0;
        r = bus_check_space(m, error);
        if (r < 0)
                return r;
        r = files_check_room(&m->files, caller->uid, view->size, sentence);
        return r > 0 ? bus_set_error(error, BUS_STORAGE_FULL, "%s", sentence) : r;
}

/* What is whole is handed over, and answered then; for the rest the descriptor is held. */
static int hold(struct bus *b, sd_bus_message *message, struct caller *caller,
        const struct file_view *view, int fd, bool is_whole, sd_bus_error *error)
{
        struct call *call = NULL;
        int r;

        if (is_whole) {
                r = bus_call_new(b, message, caller, true, &call);
                if (r < 0)
                        return r;
                bus_ask_caller(caller);
        }
        r = files_hold(&b->manager->files, view, caller->uid, fd, call ? call->number : 0);
        if (r < 0 && call)
                bus_call_free(b, call);
        if (r == -EBUSY)
                return bus_set_error(error, BUS_LIMIT,
                        "File %s is being handed over to another descriptor.", view->id);
        return r;
}

static int begin_accept(
        struct bus *b, sd_bus_message *message, struct caller *caller, sd_bus_error *error)
{
        _cleanup_(freep)
        struct file_view *view = NULL;
        struct manager *m = b->manager;
        struct refusal refusal;
        bool is_whole = false;
        const char *id, *why;
        int fd, r;

        r = sd_bus_message_read(message, "sh", &id, &fd);
        if (r < 0)
                return r;
        why = files_refuse_target(fd);
        if (why)
                return refuse_descriptor(error, why);
        view = files_find(&m->files, id);
        r = view ? check_accept(b, caller, view, error) : 0;
        if (r < 0)
                return r;
        r = manager_take(
                m, node_file_accept(m->node, id, caller->uid, manager_now(m), &is_whole, &refusal));
        if (r == 0 && view)
                r = hold(b, message, caller, view, fd, is_whole, error);
        if (r < 0)
                return r;
        return r == 0 && is_whole ? 1 : bus_finish(b, message, r, &refusal, error);
}

int bus_file_accept(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        return bus_begin_known_call(userdata, message, begin_accept, error);
}

void bus_file_taken(struct bus *b, uint64_t number, const char *id)
{
        struct call *c = bus_find_call(b, number);

        if (c) {
                (void)sd_bus_reply_method_return(c->message, NULL);
                bus_call_free(b, c);
        }
        bus_signal_file_finished(b, id, "done", "");
}

void bus_file_not_taken(struct bus *b, uint64_t number, const char *id, const char *reason,
        bool is_full, const char *sentence)
{
        struct call *c = bus_find_call(b, number);

        if (c) {
                (void)sd_bus_reply_method_errorf(c->message,
                        bus_error_name(is_full ? BUS_STORAGE_FULL : BUS_OTHER),
                        "File %s is whole, but could not be written to the descriptor: %s. Accept "
                        "it once more with another one.",
                        id, sentence);
                bus_call_free(b, c);
        } else if (!streq(reason, "cancelled")) {
                bus_signal_file_finished(b, id, "whole", reason);
        }
}
