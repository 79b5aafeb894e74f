/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Check of org.example.P2PChat.Ledger
 *
 * Verifying a signature takes about a millisecond, so a chain is verified in slices, between which
 * everybody else is served (chore.h). One check at a time is under way, whoever asks, and each uid
 * has one; it is over when its caller leaves.
 */
#include "bus/names.h"
#include "daemon/bus-private.h"
#include "daemon/ledger-audit.h"
#include "os/clock.h"
#include "os/log.h"

/* With the last of its steps, not more than 5 ms. */
#define SLICE_USEC (2 * USEC_PER_MSEC)

struct check {
        struct list list; /* in bus.checks */
        struct bus *bus;
        struct caller *caller;
        sd_bus_message *call;
        struct audit *audit;
};

static struct check *check_free(struct check *c)
{
        if (!c)
                return NULL;
        c->caller->n_checks--;
        list_remove(&c->list);
        audit_free(c->audit);
        sd_bus_message_unref(c->call);
        free(c);
        return NULL;
}

static void wake(struct bus *b)
{
        if (list_is_empty(&b->checks))
                chore_sleep(&b->check_chore);
        else
                chore_wake(&b->check_chore);
}

void bus_checks_forget(struct bus *b, const struct caller *caller)
{
        list_for_each_safe (i, &b->checks) {
                struct check *c = container_of(i, struct check, list);

                if (!caller || c->caller == caller)
                        check_free(c);
        }
        wake(b);
}

static void answer(struct check *c, int r, const sd_bus_error *error)
{
        const struct audit_result *result = audit_result(c->audit);

        if (r >= 0)
                r = sd_bus_reply_method_return(
                        c->call, "tts", result->n_records, result->n_bad, result->first);
        else
                (void)sd_bus_reply_method_errno(c->call, r, error);
        if (r < 0)
                log_debug_errno(r, "Failed to answer a check of the ledger: %m");
        if (r == -EUCLEAN)
                manager_fail(c->bus->manager, r, "Failed to read the chain of the ledger");
}

/* 1: there is more. The network may have become one whose genesis is not here. */
static int run(struct check *c, sd_bus_error *error)
{
        usec_t begin_usec = clock_now().mono_usec;
        struct ledger_view view;
        int r;

        r = bus_ledger_view(c->bus, true, &view, error);
        if (r < 0)
                return r;
        do
                r = audit_step(c->audit, &view);
        while (r > 0 && clock_now().mono_usec - begin_usec < SLICE_USEC);
        return r;
}

static bool check_slice(void *userdata)
{
        _cleanup_(sd_bus_error_free)
        sd_bus_error error = SD_BUS_ERROR_NULL;
        struct bus *b = userdata;
        struct check *c;
        int r;

        /* What is in the chain has to be in the store, too. */
        if (b->manager->n_inputs > 0 && manager_flush(b->manager) < 0)
                return false;
        if (list_is_empty(&b->checks))
                return false;
        c = container_of(list_first(&b->checks), struct check, list);
        r = run(c, &error);
        if (r <= 0) {
                answer(c, r, &error);
                check_free(c);
        }
        return !list_is_empty(&b->checks);
}

static bool has_check(const struct bus *b, const struct caller *caller)
{
        list_for_each (i, &b->checks) {
                const struct caller *c = container_of(i, struct check, list)->caller;

                if (c == caller || (c->is_known && caller->is_known && c->uid == caller->uid))
                        return true;
        }
        return false;
}

static int check_new(struct bus *b, sd_bus_message *call, struct caller *caller)
{
        struct check *c = calloc(1, sizeof *c);
        int r = -ENOMEM;

        if (c)
                r = audit_new(b->manager->memory.store, b->manager->memory.random, &c->audit);
        if (r < 0) {
                free(c);
                return r;
        }
        c->bus = b;
        c->caller = caller;
        c->call = sd_bus_message_ref(call);
        caller->n_checks++;
        list_append(&b->checks, &c->list);
        return 0;
}

int bus_ledger_check(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        struct bus *b = userdata;
        struct ledger_view view;
        struct caller *caller;
        int r;

        r = bus_ledger_view(b, true, &view, error);
        if (r >= 0)
                r = bus_get_caller(b, call, &caller);
        if (r < 0)
                return r;
        if (has_check(b, caller))
                return bus_set_error(error, BUS_LIMIT,
                        "A check of yours is under way already: wait for its answer first.");
        r = check_new(b, call, caller);
        if (r < 0)
                return r;
        bus_ask_caller(caller);
        wake(b);
        return 1;
}

int bus_checks_start(struct bus *b)
{
        return chore_start(&b->check_chore, b->manager, check_slice, b);
}
