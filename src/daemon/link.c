/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connections as the kernel sees them */
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "base/buffer.h"
#include "core/crypto/random.h"
#include "daemon/link.h"
#include "daemon/manager.h"
#include "os/fd.h"
#include "os/log.h"
#include "os/socket.h"

#define USER_TIMEOUT_MSEC 20000
#define KEEP_IDLE_SEC 10
#define KEEP_INTERVAL_SEC 4
#define KEEP_PROBES 2
#define RECHECK_USEC (20 * USEC_PER_MSEC)
#define TIMER_ACCURACY_USEC (10 * USEC_PER_MSEC)
#define DISCARD_SIZE_MAX (64 * 1024)

enum link_state {
        LINK_CONNECTING,
        LINK_OPEN,
        LINK_FLUSHING,  /* the node has forgotten it */
        LINK_FINISHING, /* nothing more is to be written */
        LINK_BROKEN,    /* the node is still to be told */
};

struct connection {
        struct links *links;
        struct table_entry by_number;
        struct list list;
        uint64_t number;
        enum link_state state;
        int fd;
        sd_event_source *io, *timer; /* the timer only when there is something to wait for */
        usec_t deadline_usec;        /* CLOCK_MONOTONIC */
        struct buffer out;
        uint64_t word; /* to be told when everything was acknowledged, 0: none */
        bool is_ended; /* the other side will not write any more */
        bool asks_room;
        bool is_shut; /* neither will we */
        enum link_end end;
};

static struct connection *connection_free(struct connection *c)
{
        if (!c)
                return NULL;
        sd_event_source_disable_unref(c->io);
        sd_event_source_disable_unref(c->timer);
        fd_close(c->fd);
        table_remove(&c->links->by_number, &c->by_number);
        list_remove(&c->list);
        buffer_done(&c->out);
        free(c);
        return NULL;
}

static struct connection *connection_find(const struct links *l, uint64_t number)
{
        for (struct table_entry *e = table_find(&l->by_number, &number, sizeof number); e;
                e = table_find_next(e)) {
                struct connection *c = container_of(e, struct connection, by_number);

                if (c->number == number)
                        return c;
        }
        return NULL;
}

/* It is gone: the node hears of it in a turn of its own, unless it does not care any more. */
static void connection_break(struct connection *c, enum link_end end)
{
        if (c->state == LINK_FLUSHING) {
                connection_free(c);
                return;
        }
        c->io = sd_event_source_disable_unref(c->io);
        c->timer = sd_event_source_disable_unref(c->timer);
        c->fd = fd_close(c->fd);
        c->state = LINK_BROKEN;
        c->end = end;
        list_remove(&c->list);
        list_append(&c->links->broken, &c->list);
        (void)sd_event_source_set_enabled(c->links->broken_source, SD_EVENT_ONESHOT);
}

static enum link_end end_from_error(int error)
{
        switch (-error) {
        case ECONNREFUSED:
        case ENETUNREACH:
        case EHOSTUNREACH:
        case ENETDOWN:
        case EADDRNOTAVAIL:
                return LINK_REFUSED;
        case ETIMEDOUT:
                return LINK_TIMED_OUT;
        }
        return LINK_RESET;
}

/*
 * Events
 */
static int on_timer(sd_event_source *s, uint64_t usec, void *userdata);
static int on_io(sd_event_source *s, int fd, uint32_t events, void *userdata);

static int set_timer(struct connection *c, usec_t wait_usec)
{
        struct manager *m = c->links->manager;
        int r;

        if (!c->timer)
                return sd_event_add_time_relative(m->event, &c->timer, CLOCK_MONOTONIC, wait_usec,
                        TIMER_ACCURACY_USEC, on_timer, c);
        r = sd_event_source_set_time_relative(c->timer, wait_usec);
        return r < 0 ? r : sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
}

static usec_t monotonic_usec(const struct connection *c)
{
        uint64_t usec = 0;

        (void)sd_event_now(c->links->manager->event, CLOCK_MONOTONIC, &usec);
        return usec;
}

static int set_deadline(struct connection *c, usec_t wait_usec)
{
        c->deadline_usec = usec_add(monotonic_usec(c), wait_usec);
        return set_timer(c, wait_usec);
}

static int update_events(struct connection *c)
{
        uint32_t events = 0;

        if (c->state == LINK_CONNECTING || c->out.size > 0 || c->asks_room)
                events |= EPOLLOUT;
        if ((c->state == LINK_OPEN || c->state == LINK_FINISHING) && !c->is_ended)
                events |= EPOLLIN;
        return sd_event_source_set_io_events(c->io, events);
}

/* Writes what waits. 0, or what the kernel says. */
static int write_some(struct connection *c)
{
        while (c->out.size > 0) {
                ssize_t n = send(c->fd, c->out.data, c->out.size, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (n < 0)
                        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
                buffer_consume(&c->out, (size_t)n);
        }
        return 0;
}

/*
 * Until its message is on our disk, a caller must not take our end for an answer: he believes that
 * an end of file says "taken", and a process that dies gives just that. With this it is a reset.
 * Others, who do not look for the end of a connection, notice nothing else.
 */
static void reset_at_death(int fd, bool is_wanted)
{
        struct linger l = { .l_onoff = is_wanted };

        if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l) < 0)
                log_debug_errno(-errno, "Failed to set how a connection ends: %m");
}

/* Bytes that came and were not read would make the kernel cut the connection, and with it what we
 * have just written. */
static void flushed(struct connection *c)
{
        uint8_t data[4096];

        reset_at_death(c->fd, false);
        (void)shutdown(c->fd, SHUT_WR);
        for (size_t n = 0; n < DISCARD_SIZE_MAX; n += sizeof data)
                if (recv(c->fd, data, sizeof data, MSG_DONTWAIT) <= 0)
                        break;
        connection_free(c);
}

/*
 * The other side took everything when its end of file has come and its kernel has acknowledged all
 * bytes; an end of file alone may have been on its way before them.
 */
static void finish(struct connection *c)
{
        int unsent;

        if (!c->is_shut && shutdown(c->fd, SHUT_WR) < 0) {
                connection_break(c, LINK_RESET);
                return;
        }
        c->is_shut = true;
        if (!c->is_ended)
                return;
        unsent = socket_unsent(c->fd);
        if (socket_error(c->fd) < 0 || unsent < 0) {
                connection_break(c, LINK_RESET);
        } else if (unsent == 0) {
                connection_break(c, LINK_CLOSED);
        } else if (sd_event_source_set_enabled(c->io, SD_EVENT_OFF) < 0 ||
                   set_timer(c, RECHECK_USEC) < 0) {
                /* both directions are shut, so the kernel has nothing to tell but a hang-up */
                connection_break(c, LINK_RESET);
        }
}

/* The kernel does not tell when the other one has acknowledged: it is asked again and again. */
static void look_for_acknowledgement(struct connection *c)
{
        struct manager *m = c->links->manager;
        uint64_t word = c->word;
        int unsent;

        if (word == 0 || c->state != LINK_OPEN || c->out.size > 0)
                return;
        unsent = socket_unsent(c->fd);
        if (unsent < 0 || (unsent > 0 && set_timer(c, RECHECK_USEC) < 0)) {
                connection_break(c, LINK_RESET);
        } else if (unsent == 0) {
                c->word = 0;
                (void)manager_take(m, node_taken(m->node, c->number, word, manager_now(m)));
        }
}

static void advance(struct connection *c)
{
        int r;

        r = write_some(c);
        if (r < 0) {
                connection_break(c, end_from_error(r));
                return;
        }
        if (c->out.size == 0 && c->state == LINK_FLUSHING) {
                flushed(c);
                return;
        }
        if (update_events(c) < 0) {
                connection_break(c, LINK_RESET);
                return;
        }
        if (c->out.size == 0 && c->state == LINK_FINISHING)
                finish(c);
        else if (c->out.size == 0 && c->state == LINK_OPEN && c->word != 0 &&
                 set_timer(c, RECHECK_USEC) < 0)
                connection_break(c, LINK_RESET);
}

static void connected(struct connection *c)
{
        struct manager *m = c->links->manager;
        int r;

        r = socket_error(c->fd);
        if (r < 0) {
                connection_break(c, end_from_error(r));
                return;
        }
        c->state = LINK_OPEN;
        c->timer = sd_event_source_disable_unref(c->timer);
        if (update_events(c) < 0) {
                connection_break(c, LINK_RESET);
                return;
        }
        (void)manager_take(m, node_connected(m->node, c->number, manager_now(m)));
}

/* Others must not fill the disk: then nothing could be kept, and we would have to end. */
static bool has_space(struct links *l)
{
        const struct memory *memory = &l->manager->memory;
        int64_t space = memory_space(memory);
        bool was_short = l->is_short;

        l->is_short = space >= 0 && space < LINKS_SPACE_MIN;
        if (l->is_short && !was_short)
                log_warning("The disk with %s is nearly full, so others are turned away: make "
                            "room there.",
                        memory->state);
        return !l->is_short;
}

static void read_some(struct connection *c)
{
        struct manager *m = c->links->manager;
        bool is_accepted = c->number % 2 == 0;
        uint8_t data[LINKS_READ_SIZE];
        ssize_t n;

        n = recv(c->fd, data, sizeof data, MSG_DONTWAIT);
        if (n > 0 && is_accepted && !has_space(c->links)) {
                connection_break(c, LINK_RESET); /* so it is not taken, and comes again */
                return;
        }
        if (n > 0) {
                (void)manager_take(
                        m, node_received(m->node, c->number, data, (size_t)n, manager_now(m)));
                return;
        }
        if (n < 0) {
                if (errno != EAGAIN && errno != EINTR)
                        connection_break(c, end_from_error(-errno));
                return;
        }
        c->is_ended = true;
        if (manager_take(m, node_ended(m->node, c->number, manager_now(m))) >= 0)
                advance(c);
}

/* It can be written: for the kernel that means little is unsent. No input breaks a connection. */
static void tell_room(struct connection *c, struct manager *m)
{
        c->asks_room = false;
        (void)update_events(c);
        (void)manager_take(m, node_has_room_on(m->node, c->number, manager_now(m)));
}

static int on_io(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
        struct connection *c = userdata;

        if (c->state == LINK_CONNECTING) {
                connected(c);
                return 0;
        }
        if ((events & EPOLLOUT) && c->asks_room && c->out.size == 0 && c->state == LINK_OPEN)
                tell_room(c, c->links->manager);
        if ((events & (EPOLLERR | EPOLLHUP)) && (c->is_ended || c->state == LINK_FLUSHING))
                connection_break(c, LINK_RESET);
        else if ((events & EPOLLOUT) && !(events & EPOLLIN))
                advance(c);
        else
                read_some(c); /* what came before a reset can still be read */
        return 0;
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
        struct connection *c = userdata;
        bool is_late = usec >= c->deadline_usec;

        if (c->state == LINK_OPEN) {
                look_for_acknowledgement(c);
                return 0;
        }
        if (c->state != LINK_FINISHING) {
                connection_break(c, LINK_TIMED_OUT);
                return 0;
        }
        if (is_late && (!c->is_shut || socket_unsent(c->fd) != 0))
                connection_break(c, LINK_TIMED_OUT);
        else if (is_late && !c->is_ended)
                connection_break(c, LINK_ACKNOWLEDGED);
        else
                finish(c);
        return 0;
}

static int on_broken(sd_event_source *s, void *userdata)
{
        struct links *l = userdata;
        struct manager *m = l->manager;

        while (!list_is_empty(&l->broken)) {
                struct connection *c =
                        container_of(list_first(&l->broken), struct connection, list);
                uint64_t number = c->number;
                enum link_end end = c->end;

                connection_free(c);
                if (manager_take(m, node_closed(m->node, number, end, manager_now(m))) < 0)
                        break;
        }
        return 0;
}

/*
 * New ones
 */
static void set_options(int fd)
{
        static const struct {
                int level, option, value;
        } options[] = {
                { IPPROTO_TCP, TCP_NODELAY, 1 },
                { IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MSEC },
                { IPPROTO_TCP, TCP_NOTSENT_LOWAT, LINKS_UNSENT_MAX },
                { SOL_SOCKET, SO_KEEPALIVE, 1 },
                { IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_SEC },
                { IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL_SEC },
                { IPPROTO_TCP, TCP_KEEPCNT, KEEP_PROBES },
        };

        for (size_t i = 0; i < ELEMENTSOF(options); i++)
                if (setsockopt(fd, options[i].level, options[i].option, &options[i].value,
                            sizeof options[i].value) < 0)
                        log_debug_errno(-errno, "Failed to set an option of a connection: %m");
}

/* Without a descriptor yet. */
static int connection_new(
        struct links *l, uint64_t number, enum link_state state, struct connection **ret)
{
        struct connection *c = calloc(1, sizeof *c);
        int r;

        if (!c)
                return -ENOMEM;
        *c = (struct connection){ .links = l, .number = number, .state = state, .fd = -EBADF };
        buffer_init(&c->out, LINKS_QUEUE_SIZE_MAX);
        r = table_add(&l->by_number, &c->by_number, &c->number, sizeof c->number);
        if (r < 0) {
                free(c);
                return r;
        }
        list_append(&l->all, &c->list);
        *ret = c;
        return 0;
}

static int watch(struct connection *c, int fd)
{
        int r;

        c->fd = fd;
        set_options(fd);
        r = sd_event_add_io(c->links->manager->event, &c->io, fd,
                c->state == LINK_CONNECTING ? EPOLLOUT : EPOLLIN, on_io, c);
        return r < 0 ? r : 0;
}

int links_accept(struct links *l, int fd, const struct endpoint *from, bool is_third)
{
        int (*accepted)(struct node *, uint64_t, const struct endpoint *, struct now) =
                is_third ? node_third_accepted : node_accepted;
        struct manager *m = l->manager;
        struct connection *c;
        int r;

        if (!has_space(l)) {
                reset_at_death(fd, true);
                fd_close(fd);
                return 0;
        }
        r = connection_new(l, l->accepted_last + 2, LINK_OPEN, &c);
        if (r < 0) {
                fd_close(fd);
                return r;
        }
        l->accepted_last = c->number;
        r = watch(c, fd);
        if (r < 0) {
                connection_free(c);
                log_warning_errno(r, "Failed to serve a connection: %m");
                return r == -ENOMEM ? r : 0;
        }
        reset_at_death(fd, true);
        return manager_take(m, accepted(m->node, c->number, from, manager_now(m)));
}

int links_dial(struct links *l, uint64_t number, const struct endpoint *to, bool resets)
{
        const struct endpoint *from = &l->manager->settings->bind;
        struct connection *c;
        int fd, r;

        r = connection_new(l, number, LINK_CONNECTING, &c);
        if (r < 0)
                return r;
        r = socket_connect(to, from->family == ENDPOINT_NONE ? NULL : from, &fd);
        if (r >= 0)
                r = watch(c, fd);
        if (r >= 0 && resets)
                reset_at_death(fd, true);
        if (r >= 0)
                r = set_deadline(c, DIAL_TIMEOUT_USEC);
        if (r < 0) {
                char address[ENDPOINT_STRING_MAX];

                log_debug_errno(r, "Failed to dial %s: %m", endpoint_format(to, address));
                connection_break(c, end_from_error(r));
        }
        return r == -ENOMEM ? r : 0;
}

/*
 * Effects
 */
int links_send(struct links *l, uint64_t number, const void *data, size_t size, uint64_t word)
{
        struct connection *c = connection_find(l, number);
        int r;

        if (!c || c->state != LINK_OPEN)
                return 0;
        r = buffer_append(&c->out, data, size);
        if (r == -E2BIG) {
                connection_break(c, LINK_RESET);
                return 0;
        }
        if (r < 0)
                return r;
        c->word = word ?: c->word;
        advance(c);
        return 0;
}

void links_ask_room(struct links *l, uint64_t number)
{
        struct connection *c = connection_find(l, number);

        if (c && c->state == LINK_OPEN) {
                c->asks_room = true;
                (void)update_events(c);
        }
}

int links_close(struct links *l, uint64_t number, enum close_how how)
{
        struct connection *c = connection_find(l, number);

        if (!c)
                return 0;
        switch (how) {
        case CLOSE_NOW:
                connection_free(c);
                return 0;
        case CLOSE_FLUSH:
                if (c->state == LINK_CONNECTING || c->state == LINK_BROKEN) {
                        connection_free(c);
                        return 0;
                }
                c->state = LINK_FLUSHING;
                break;
        case CLOSE_FINISH:
                if (c->state != LINK_OPEN)
                        return 0;
                c->state = LINK_FINISHING;
                break;
        }
        if (set_deadline(c, FINISH_TIMEOUT_USEC) < 0) {
                connection_break(c, LINK_RESET);
                return 0;
        }
        advance(c);
        return 0;
}

/*
 * Life
 */
void links_init(struct links *l, struct manager *m)
{
        static const uint8_t zero[TABLE_KEY_SIZE];

        *l = (struct links){ .manager = m };
        list_init(&l->all);
        list_init(&l->broken);
        table_init(&l->by_number, zero); /* nobody but us chooses numbers */
}

int links_start(struct links *l)
{
        int r;

        r = sd_event_add_defer(l->manager->event, &l->broken_source, on_broken, l);
        return r < 0 ? r : sd_event_source_set_enabled(l->broken_source, SD_EVENT_OFF);
}

void links_done(struct links *l)
{
        list_for_each_safe (i, &l->all)
                connection_free(container_of(i, struct connection, list));
        list_for_each_safe (i, &l->broken)
                connection_free(container_of(i, struct connection, list));
        table_done(&l->by_number);
        l->broken_source = sd_event_source_unref(l->broken_source);
}

bool links_are_flushing(const struct links *l)
{
        list_for_each (i, &l->all)
                if (container_of(i, struct connection, list)->state == LINK_FLUSHING)
                        return true;
        return false;
}

size_t links_n(const struct links *l)
{
        return l->by_number.n;
}
