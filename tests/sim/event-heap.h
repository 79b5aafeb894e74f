/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What is to happen to engines on a virtual network: messages that arrive, nodes that wake up
 *
 * Ordered by time, then by age, so that the same seed gives the same run.
 */
#include "base/usec.h"

struct heap_event {
        usec_t time_usec;
        uint64_t age; /* set by the heap */
        unsigned from, to;
        size_t size;
        uint8_t *data; /* of a message: malloc()ed, the heap's until it is popped */
};

struct event_heap {
        struct heap_event *events; /* the first is the next */
        size_t n, n_allocated;
        uint64_t age_last;
};

static inline void *must_realloc(void *p, size_t size)
{
        p = realloc(p, size);
        if (!p)
                abort();
        return p;
}

static inline bool heap_event_is_before(const struct heap_event *a, const struct heap_event *b)
{
        if (a->time_usec != b->time_usec)
                return a->time_usec < b->time_usec;
        return a->age < b->age;
}

static inline void event_heap_push(struct event_heap *h, struct heap_event e)
{
        size_t i = h->n++;

        if (i == h->n_allocated) {
                h->n_allocated = MAX(2 * h->n_allocated, (size_t)1024);
                h->events = must_realloc(h->events, h->n_allocated * sizeof *h->events);
        }
        e.age = ++h->age_last;
        while (i > 0 && heap_event_is_before(&e, &h->events[(i - 1) / 2])) {
                h->events[i] = h->events[(i - 1) / 2];
                i = (i - 1) / 2;
        }
        h->events[i] = e;
}

/* USEC_INFINITY: there is none. */
static inline usec_t event_heap_next_usec(const struct event_heap *h)
{
        return h->n > 0 ? h->events[0].time_usec : USEC_INFINITY;
}

static inline struct heap_event event_heap_pop(struct event_heap *h)
{
        struct heap_event top = h->events[0], last = h->events[--h->n];
        size_t i = 0;

        for (;;) {
                size_t k = 2 * i + 1;

                if (k >= h->n)
                        break;
                if (k + 1 < h->n && heap_event_is_before(&h->events[k + 1], &h->events[k]))
                        k++;
                if (!heap_event_is_before(&h->events[k], &last))
                        break;
                h->events[i] = h->events[k];
                i = k;
        }
        h->events[i] = last;
        return top;
}

static inline void event_heap_done(struct event_heap *h)
{
        for (size_t i = 0; i < h->n; i++)
                free(h->events[i].data);
        free(h->events);
}
