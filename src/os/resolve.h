/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Names of hosts become addresses, and the loop never waits for it
 *
 * getaddrinfo() blocks for as long as servers do not answer, so it runs in a thread that has a copy
 * of the question and one end of a pair of sockets, writes its answer there once, and ends. It
 * shares nothing else with us: whoever loses interest closes the other end, and so does a daemon
 * that ends. An address needs no thread, and is answered in the same way.
 *
 * RESOLVER_THREADS_MAX threads run at a time, and further questions wait for one. What is cancelled
 * keeps its thread until getaddrinfo() returns.
 */
#include <systemd/sd-event.h>

#include "base/endpoint.h"

#define HOST_NAME_SIZE_MAX 253
#define RESOLVER_THREADS_MAX 4
#define RESOLVED_MAX 8 /* addresses of one name, the best first */

struct resolver;
struct question;

/* "chat.example.net", "chat.example.net:7001", or all that endpoint_parse() takes of an address
 * that one peer can have; ASCII alone. */
struct host {
        char name[HOST_NAME_SIZE_MAX + 1]; /* "": endpoint is it */
        struct endpoint endpoint;
        uint16_t port;
};
/* Looks at the shape only. 0, or -EINVAL; a port that is not written becomes @port_default. */
int host_parse(const char *s, uint16_t port_default, struct host *ret);

/* @why: NULL, or why there is none (@n is 0). The question is no more. */
typedef void (*resolved_fn)(
        const struct endpoint *endpoints, size_t n, const char *why, void *userdata);

/* 0 or -errno. */
int resolver_new(sd_event *event, struct resolver **ret);
/* Nobody is answered any more. Not from within a resolved_fn. */
struct resolver *resolver_free(struct resolver *r);
DEFINE_CLEANUP(struct resolver *, resolver_free)

/* @fn is called by the loop later, never in here. 0, or -errno. */
int resolver_ask(struct resolver *r, const struct host *host, resolved_fn fn, void *userdata,
        struct question **ret);
/* It is not answered any more; @q may be NULL. Returns NULL. */
struct question *question_cancel(struct question *q);
