/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * p2pchat-web: a page beside the service
 *
 *     browser --HTTP--> server.c --> door.c     who comes, from where, with which session
 *                                      |--> api.c      a request becomes a call on the bus
 *                                      |--> files.c    files that go and come
 *                                      |--> log.c      the whole log, page by page
 *                                      |--> stream.c   what is new, until one of us goes
 *     bus <-----------> service.c    the chat service, and who asks for a token
 *
 * It knows the chat service only over the bus, keeps nothing of its own but who is signed in and
 * files that wait for being saved, and ends when nobody is there.
 */
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "base/list.h"
#include "web/feed.h"
#include "web/server.h"
#include "web/session.h"

struct service;
struct json_object;

/* Calls of one session that may be waiting, and of all that may be under way on the bus: the broker
 * ends the patience at 128. Further ones wait here. */
#define SESSION_CALLS_MAX 32
#define CALLS_MAX 64

/* Streams of all sessions. Beyond that, whoever has the most gives one up for who has fewer. */
#define STREAMS_MAX 1024

/* Whole logs that are being read: each is a page of the history in memory, for as long as it takes.
 */
#define DOWNLOADS_MAX 16

/* Files that browsers are sending, in pieces, and what one may have. */
#define UPLOADS_MAX 16
#define SESSION_UPLOADS_MAX 4
#define UPLOAD_SIZE_MAX (UINT64_C(4) * 1024 * 1024 * 1024)

struct settings {
        const char *bus;
        const char *state; /* directory for files, or NULL */
        usec_t token_usec, session_usec;
        usec_t idle_usec; /* how long nobody needs to be there before we end */
};

struct web {
        const struct settings *settings;
        sd_event *event;
        struct server *server;
        struct service *service;
        struct sessions sessions;
        struct feed feed;

        struct list streams; /* of struct visit, the oldest first */
        size_t n_streams;
        sd_event_source *flush, *beat; /* stream.c: what is new goes out; a sign of life */
        usec_t flushed_usec;

        struct list waiting; /* of struct visit: calls that have to wait for others */
        size_t n_calls;      /* under way on the bus */
        size_t n_downloads;

        int directory; /* for files, or negative; files.c */
        struct list uploads;
        size_t n_uploads;

        sd_event_source *timer; /* sessions that end, and we */
        usec_t idle_since_usec; /* USEC_INFINITY: somebody is there */
};

/* A request from its first byte to its last, with what the parts keep about it. */
struct visit {
        struct list list; /* in web.waiting or web.streams */
        struct web *web;
        struct request *request;
        struct session *session; /* NULL: nobody's */
        const struct route *route;

        sd_bus_message *call; /* api.c: to be sent */

        uint64_t position; /* stream.c: in the feed */
        usec_t beat_usec;  /* when it was told something last */
        bool is_stream, is_greeted, is_over;

        struct download *download; /* log.c */
        int file;                  /* files.c: that is being given, or negative */
};

/* @settings must outlive it, @fd is taken over. 0 or -errno. */
int web_new(const struct settings *settings, int fd, struct web **ret);
struct web *web_free(struct web *w);
DEFINE_CLEANUP(struct web *, web_free)
/* Until nobody is there any more, or a signal. 0 or -errno. */
int web_run(struct web *w);
usec_t web_now(const struct web *w);
/* Who is signed in has changed, or a request has come or gone. */
void web_look(struct web *w);

/* door.c */
extern const struct server_handlers door_handlers;
/* Answers. What is refused says why, in a word and in a sentence that also says what to do. */
void visit_refuse(struct visit *v, unsigned status, const char *word, const char *format, ...)
        _printf_(4, 5);
void visit_refuse_error(struct visit *v, const sd_bus_error *error);
/* A call that could not be sent. */
void visit_refuse_errno(struct visit *v, int r);
void visit_out_of_memory(struct visit *v);
/* Frees nothing; @body is an object. */
void visit_answer(struct visit *v, const struct buffer *body);

/* api.c */
/* A request that is a call: of GET and of POST, by its path. */
struct route;
const struct route *api_find(const char *path);
bool api_changes(const struct route *route);
void api_begin(struct visit *v);
/* The visit is gone. */
void api_end(struct visit *v);
/* Sends what waits, as far as may be. */
void api_send_waiting(struct web *w);

/* stream.c */
int stream_start(struct web *w);
void stream_begin(struct visit *v);
void stream_end(struct visit *v);
/* Tells all streams a line, an object. */
void stream_tell(struct web *w, const struct buffer *line);
/* A session was closed. */
void stream_close_session(struct web *w, const struct session *session);

/* log.c */
void log_begin(struct visit *v);
void log_end(struct visit *v);

/* files.c */
void files_begin(struct visit *v);
void files_piece(struct visit *v);
void files_stop(struct visit *v);
void files_give(struct visit *v);
void files_remove(struct visit *v);
void files_end(struct visit *v);
/* Of api.c: arguments with a descriptor (1, 0 after a refusal, or -errno), and what is added to the
 * list of files. */
int files_append_upload(struct visit *v, struct json_object *body);
int files_append_arrival(struct visit *v, struct json_object *body);
int files_append_arrived(struct visit *v, struct buffer *b, sd_bus_message *reply);
/* Uploads of sessions that are closed. */
void files_forget_closed(struct web *w);
void files_done(struct web *w);

/* service.c */
int service_new(struct web *w, struct service **ret);
struct service *service_free(struct service *s);
bool service_is_there(const struct service *s);
/* A stream was opened: from now on all it is not told can be read in the history. */
void service_follow(struct service *s);
/* Makes the name free for the next of us, who is started when somebody asks. */
void service_leave(struct service *s);
/* A call to the chat service, which is not started by it. Without a bus: -ENOTCONN. */
int service_new_call(
        struct service *s, const char *interface, const char *member, sd_bus_message **ret);
int service_send(
        struct service *s, sd_bus_message *call, sd_bus_message_handler_t callback, void *userdata);
int service_introspect(char **ret);
