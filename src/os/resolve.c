/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of hosts become addresses, and the loop never waits for it */
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/list.h"
#include "os/fd.h"
#include "os/resolve.h"
#include "os/socket.h"

#define STACK_SIZE (512 * 1024) /* modules of the name service put much on it */

struct resolver {
        sd_event *event;
        struct list asked, waiting; /* of struct question */
        size_t n_threads;
};

struct question {
        struct list list;
        struct resolver *resolver;
        struct host host;
        resolved_fn fn; /* NULL: cancelled */
        void *userdata;
        bool has_thread;
        int fd;
        sd_event_source *io;
};

/* What a thread is given, and frees. */
struct errand {
        struct host host;
        int fd;
};

/* One packet between the two sockets. */
struct answer {
        int error; /* EAI_... */
        int error_number;
        size_t n;
        struct endpoint endpoints[RESOLVED_MAX];
};

/*
 * Hosts
 */
static bool is_label(const char *s, size_t size)
{
        if (size == 0 || size > 63 || s[0] == '-' || s[size - 1] == '-')
                return false;
        for (size_t i = 0; i < size; i++) {
                bool is_letter = (s[i] | 0x20) >= 'a' && (s[i] | 0x20) <= 'z';

                if (!is_letter && !(s[i] >= '0' && s[i] <= '9') && s[i] != '-' && s[i] != '_')
                        return false;
        }
        return true;
}

/* A last label of digits belongs to an address that is not whole, as "192.168.1". */
static bool is_host_name(const char *s, size_t size)
{
        size_t label = 0;

        if (size > 1 && s[size - 1] == '.')
                size--;
        if (size > HOST_NAME_SIZE_MAX)
                return false;
        for (;;) {
                size_t n = strcspn(s + label, ".");

                n = MIN(n, size - label);
                if (!is_label(s + label, n))
                        return false;
                if (label + n == size)
                        return strspn(s + label, "0123456789") < n;
                label += n + 1;
        }
}

static int parse_port(const char *s, uint16_t *ret)
{
        unsigned long v;

        if (!*s || strspn(s, "0123456789") != strlen(s) || strlen(s) > 5)
                return -EINVAL;
        v = strtoul(s, NULL, 10);
        if (v == 0 || v > UINT16_MAX)
                return -EINVAL;
        *ret = (uint16_t)v;
        return 0;
}

int host_parse(const char *s, uint16_t port_default, struct host *ret)
{
        struct host h = { .port = port_default };
        size_t size = strcspn(s, ":");

        if (endpoint_parse(s, port_default, &h.endpoint) == 0) {
                if (!endpoint_is_unicast(&h.endpoint))
                        return -EINVAL;
                h.port = h.endpoint.port;
                *ret = h;
                return 0;
        }
        h.endpoint = (struct endpoint){};
        if (!is_host_name(s, size) || size >= sizeof h.name)
                return -EINVAL;
        if (s[size] && parse_port(s + size + 1, &h.port) < 0)
                return -EINVAL;
        memcpy(h.name, s, size);
        *ret = h;
        return 0;
}

/*
 * The thread
 */
static void add_address(struct answer *a, const struct addrinfo *info, uint16_t port)
{
        struct endpoint e;

        if (a->n == RESOLVED_MAX || socket_address_parse(info->ai_addr, info->ai_addrlen, &e) < 0)
                return;
        e.port = port;
        if (!endpoint_is_unicast(&e))
                return;
        for (size_t i = 0; i < a->n; i++)
                if (endpoint_equal(&a->endpoints[i], &e))
                        return;
        a->endpoints[a->n++] = e;
}

static void look_up(const struct host *host, struct answer *ret)
{
        const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
        struct addrinfo *list = NULL;

        ret->error = getaddrinfo(host->name, NULL, &hints, &list);
        ret->error_number = errno;
        if (ret->error != 0)
                return;
        for (const struct addrinfo *i = list; i; i = i->ai_next)
                add_address(ret, i, host->port);
        freeaddrinfo(list);
        if (ret->n == 0)
                ret->error = EAI_NONAME;
}

static void give(int fd, const struct answer *a)
{
        (void)send(fd, a, sizeof *a, MSG_NOSIGNAL); /* fails when nobody wants to know any more */
}

static void *run(void *userdata)
{
        struct errand *e = userdata;
        struct answer a = {};

        look_up(&e->host, &a);
        give(e->fd, &a);
        fd_close(e->fd);
        free(e);
        return NULL;
}

/* No signal of the daemon is for it. 0, or a positive errno. */
static int start_thread(struct errand *e)
{
        pthread_attr_t attributes;
        sigset_t all;
        pthread_t id;
        int r;

        r = pthread_attr_init(&attributes);
        if (r != 0)
                return r;
        (void)sigfillset(&all);
        r = pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        if (r == 0)
                r = pthread_attr_setstacksize(&attributes, STACK_SIZE);
        if (r == 0)
                r = pthread_attr_setsigmask_np(&attributes, &all);
        if (r == 0)
                r = pthread_create(&id, &attributes, run, e);
        (void)pthread_attr_destroy(&attributes);
        return r;
}

/*
 * Questions
 */
static void question_free(struct question *q)
{
        list_remove(&q->list);
        sd_event_source_disable_unref(q->io);
        fd_close(q->fd);
        free(q);
}

static const char *explain(const struct answer *a)
{
        if (a->error == 0)
                return NULL;
        return a->error == EAI_SYSTEM ? strerror(a->error_number) : gai_strerror(a->error);
}

static void tell(struct question *q, const struct answer *a)
{
        resolved_fn fn = q->fn;
        void *userdata = q->userdata;

        question_free(q);
        if (fn)
                fn(a->endpoints, a->n, explain(a), userdata);
}

/* Takes @fd. */
static int send_thread(struct question *q, int fd)
{
        struct errand *e = calloc(1, sizeof *e);
        int r = ENOMEM;

        if (e) {
                *e = (struct errand){ .host = q->host, .fd = fd };
                r = start_thread(e);
        }
        if (r != 0) {
                const struct answer a = { .error = EAI_SYSTEM, .error_number = r };

                give(fd, &a);
                fd_close(fd);
                free(e);
                return 0;
        }
        q->has_thread = true;
        q->resolver->n_threads++;
        return 0;
}

static int on_answer(sd_event_source *s, int fd, uint32_t events, void *userdata);

static int begin(struct question *q)
{
        const struct answer known = { .n = 1, .endpoints = { q->host.endpoint } };
        int fds[2], r;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
                return -errno;
        q->fd = fds[0];
        r = sd_event_add_io(q->resolver->event, &q->io, q->fd, EPOLLIN, on_answer, q);
        if (r < 0) {
                fd_close(fds[1]);
                return r;
        }
        list_remove(&q->list);
        list_append(&q->resolver->asked, &q->list);
        if (q->host.name[0])
                return send_thread(q, fds[1]);
        give(fds[1], &known);
        fd_close(fds[1]);
        return 0;
}

static void begin_waiting(struct resolver *r)
{
        while (r->n_threads < RESOLVER_THREADS_MAX && !list_is_empty(&r->waiting)) {
                struct question *q = container_of(list_first(&r->waiting), struct question, list);
                int k = begin(q);

                if (k < 0)
                        tell(q, &(struct answer){ .error = EAI_SYSTEM, .error_number = -k });
        }
}

static int on_answer(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
        struct question *q = userdata;
        struct resolver *r = q->resolver;
        struct answer a = {};
        ssize_t n = recv(fd, &a, sizeof a, 0);

        if (n != sizeof a)
                a = (struct answer){ .error = EAI_SYSTEM, .error_number = n < 0 ? errno : EIO };
        r->n_threads -= q->has_thread;
        tell(q, &a);
        begin_waiting(r);
        return 0;
}

int resolver_ask(struct resolver *r, const struct host *host, resolved_fn fn, void *userdata,
        struct question **ret)
{
        struct question *q = calloc(1, sizeof *q);
        int k;

        if (!q)
                return -ENOMEM;
        *q = (struct question){
                .resolver = r, .host = *host, .fn = fn, .userdata = userdata, .fd = -EBADF
        };
        list_append(&r->waiting, &q->list);
        if (!host->name[0] || r->n_threads < RESOLVER_THREADS_MAX) {
                k = begin(q);
                if (k < 0) {
                        question_free(q);
                        return k;
                }
        }
        *ret = q;
        return 0;
}

struct question *question_cancel(struct question *q)
{
        if (q && q->has_thread)
                q->fn = NULL;
        else if (q)
                question_free(q);
        return NULL;
}

/*
 * Life
 */
int resolver_new(sd_event *event, struct resolver **ret)
{
        struct resolver *r = calloc(1, sizeof *r);

        if (!r)
                return -ENOMEM;
        r->event = sd_event_ref(event);
        list_init(&r->asked);
        list_init(&r->waiting);
        *ret = r;
        return 0;
}

struct resolver *resolver_free(struct resolver *r)
{
        if (!r)
                return NULL;
        list_for_each_safe (i, &r->asked)
                question_free(container_of(i, struct question, list));
        list_for_each_safe (i, &r->waiting)
                question_free(container_of(i, struct question, list));
        sd_event_unref(r->event);
        free(r);
        return NULL;
}
