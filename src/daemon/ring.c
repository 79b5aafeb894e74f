/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way into the ring: names of hosts become places, of which the node is told */
#include <stdio.h>

#include "daemon/bus.h"
#include "daemon/manager.h"
#include "os/log.h"

struct join {
        struct list list;
        struct ring *ring;
        uint64_t call;
        char *name; /* as the caller wrote it */
        struct question *question;
};

/*
 * Bootstrap=
 */
static void tell_node(struct ring *r)
{
        struct manager *m = r->manager;

        r->is_told = r->n_places > 0;
        (void)manager_take(m, node_ring_bootstrap(m->node, r->places, r->n_places, manager_now(m)));
}

/* Told once, and not every few minutes. */
static void note(struct bootstrap *b, const char *why)
{
        const char *word = b->ring->manager->config.bootstrap.items[b - b->ring->bootstraps];

        if (why && !b->is_missing)
                log_warning(
                        "[Ring] Bootstrap=: %s has no address and is tried again: %s", word, why);
        b->is_missing = why != NULL;
}

static void on_bootstrap(
        const struct endpoint *endpoints, size_t n, const char *why, void *userdata)
{
        struct bootstrap *b = userdata;
        struct ring *r = b->ring;

        b->question = NULL;
        note(b, why);
        for (size_t i = 0; i < n && r->n_places < RING_BOOTSTRAP_MAX; i++)
                r->places[r->n_places++] = endpoints[i];
        if (--r->n_open == 0 && r->n_places > 0)
                tell_node(r);
}

static int ask(struct ring *r, struct bootstrap *b, const char *word)
{
        struct host host;
        int k;

        b->ring = r;
        k = host_parse(word, ENDPOINT_PORT_DEFAULT, &host);
        if (k >= 0)
                k = resolver_ask(r->resolver, &host, on_bootstrap, b, &b->question);
        return k;
}

static void look_up(struct ring *r)
{
        const struct config_words *words = &r->manager->config.bootstrap;

        for (size_t i = 0; i < ELEMENTSOF(r->bootstraps); i++)
                r->bootstraps[i].question = question_cancel(r->bootstraps[i].question);
        r->n_places = 0;
        r->n_open = words->n;
        for (size_t i = 0; i < words->n; i++) {
                int k = ask(r, &r->bootstraps[i], words->items[i]);

                if (k < 0) {
                        log_warning_errno(k, "Failed to look up %s: %m", words->items[i]);
                        r->n_open--;
                }
        }
        if (words->n == 0 && r->is_told)
                tell_node(r);
        (void)sd_event_source_set_time_relative(r->again, RING_AGAIN_USEC);
        (void)sd_event_source_set_enabled(r->again, words->n > 0 ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

void ring_refresh(struct ring *r)
{
        if (!r->resolver)
                return;
        for (size_t i = 0; i < ELEMENTSOF(r->bootstraps); i++)
                r->bootstraps[i].is_missing = false;
        look_up(r);
}

static int on_again(sd_event_source *s, uint64_t usec, void *userdata)
{
        struct ring *r = userdata;
        struct ring_status status;

        node_ring_status(r->manager->node, &status);
        if (!r->is_told || status.chord.successors.n == 0) {
                look_up(r);
                return 0;
        }
        (void)sd_event_source_set_time_relative(s, RING_AGAIN_USEC);
        return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

/*
 * Join
 */
static void join_free(struct join *j)
{
        list_remove(&j->list);
        (void)question_cancel(j->question);
        free(j->name);
        free(j);
}

static void on_join(const struct endpoint *endpoints, size_t n, const char *why, void *userdata)
{
        struct join *j = userdata;
        struct manager *m = j->ring->manager;
        struct refusal refusal;
        int k;

        j->question = NULL;
        if (n > 0) {
                k = manager_take(m, node_ring_join(m->node, j->call, j->name, endpoints, n,
                                            manager_now(m), &refusal));
        } else {
                k = REFUSAL_NOT_REACHABLE;
                (void)snprintf(refusal.sentence, sizeof refusal.sentence,
                        "\"%.300s\" has no address (%.100s): look at the spelling and the network, "
                        "or write the address itself.",
                        j->name, why);
        }
        if (k > 0)
                bus_refuse(m->bus, j->call, k, refusal.sentence);
        join_free(j);
}

int ring_join(struct ring *r, uint64_t call, const char *text, struct refusal *ret_refusal)
{
        struct host host;
        struct join *j;
        int k;

        if (host_parse(text, ENDPOINT_PORT_DEFAULT, &host) < 0) {
                (void)snprintf(ret_refusal->sentence, sizeof ret_refusal->sentence,
                        "\"%.300s\" is no host: wanted is a name or an address, with :PORT if that "
                        "is not %d.",
                        text, ENDPOINT_PORT_DEFAULT);
                return REFUSAL_INVALID_ARGUMENT;
        }
        j = calloc(1, sizeof *j);
        if (!j)
                return -ENOMEM;
        *j = (struct join){ .ring = r, .call = call, .name = strdup(text) };
        list_append(&r->joins, &j->list);
        k = j->name ? resolver_ask(r->resolver, &host, on_join, j, &j->question) : -ENOMEM;
        if (k < 0)
                join_free(j);
        return k;
}

void ring_forget_call(struct ring *r, uint64_t call)
{
        list_for_each_safe (i, &r->joins) {
                struct join *j = container_of(i, struct join, list);

                if (j->call == call)
                        join_free(j);
        }
}

/*
 * Life
 */
void ring_init(struct ring *r, struct manager *m)
{
        *r = (struct ring){ .manager = m };
        list_init(&r->joins);
}

int ring_start(struct ring *r)
{
        sd_event *e = r->manager->event;
        int k;

        if (!r->manager->config.ring)
                return 0;
        k = resolver_new(e, &r->resolver);
        if (k >= 0)
                k = sd_event_add_time_relative(
                        e, &r->again, CLOCK_MONOTONIC, RING_AGAIN_USEC, USEC_PER_SEC, on_again, r);
        if (k < 0)
                return k;
        ring_refresh(r);
        return 0;
}

void ring_done(struct ring *r)
{
        list_for_each_safe (i, &r->joins)
                join_free(container_of(i, struct join, list));
        r->resolver = resolver_free(r->resolver);
        r->again = sd_event_source_disable_unref(r->again);
}
