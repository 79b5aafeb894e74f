/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * HTTP: connections become requests, answers become bytes
 *
 *     begin     the headers are there: answer (refuse), or tell how much of a body is welcome
 *     complete  the body is there, too: answer, or let the request wait
 *     gone      it was answered, or its connection broke; the request is no more after this
 *
 * A request that waits is answered later, from anywhere in the loop; one that is answered by a
 * source is asked for bytes as long as the connection takes them. While a request waits nobody
 * looks at its connection, so it cannot go away before it is answered or woken.
 */
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/buffer.h"

/* Streams, the requests beside them, and what knocks and says nothing. Descriptors: see LimitNOFILE
 * in the unit. */
#define CONNECTIONS_MAX 2048
#define CONNECTION_SECONDS_MAX 20 /* of silence, while we do not wait ourselves */

struct server;
struct request;

enum method {
        METHOD_GET,
        METHOD_HEAD,
        METHOD_POST,
        METHOD_OTHER,
};

struct server_handlers {
        void (*begin)(struct request *r, void *userdata);
        void (*complete)(struct request *r, void *userdata);
        void (*gone)(struct request *r, void *userdata);
};

/* What a source reads when it has nothing: wait for request_wake(), or this is the end, or the rest
 * cannot be had and the other side should know. */
enum {
        SOURCE_WAIT = 0,
        SOURCE_END = -1,
        SOURCE_BROKEN = -2,
};
typedef ssize_t (*source_fn)(struct request *r, char *data, size_t size);

/* Takes the listening socket. 0 or -errno. */
int server_new(sd_event *event, int fd, const struct server_handlers *handlers, void *userdata,
        struct server **ret);
/* Breaks what is under way. */
struct server *server_free(struct server *s);
DEFINE_CLEANUP(struct server *, server_free)
/* Requests that are not gone yet. */
size_t server_n_requests(const struct server *s);

const char *request_path(const struct request *r);
enum method request_method(const struct request *r);
/* Of a header that stands there several times: "", which is nothing that is wanted. */
const char *request_header(const struct request *r, const char *name);
/* A word of the query: 1, 0 when it is not there, -EINVAL with a zero byte in it. */
int request_argument(const struct request *r, const char *name, const char **ret);
/* As a text; a zero byte in it shows in the size. */
const char *request_body(const struct request *r, size_t *ret_size);
/* What the handlers keep with it. */
void request_set_data(struct request *r, void *data);
void *request_data(const struct request *r);

/* In begin: the body may have that many bytes; with a longer one the connection is closed. */
void request_welcome(struct request *r, size_t size_max);

/* Answers; exactly one for a request. Everything is copied but @data of answer_constant. */
void request_answer(
        struct request *r, unsigned status, const char *type, const struct buffer *body);
void request_answer_constant(
        struct request *r, unsigned status, const char *type, const char *data);
/* @file: a name to save it under, or NULL. */
void request_answer_source(struct request *r, const char *type, const char *file, source_fn source);
/* A header of the answer, before it is given; @value lives until then. */
void request_add_header(struct request *r, const char *name, const char *value);
bool request_is_answered(const struct request *r);

/* Its source has something again. */
void request_wake(struct request *r);
