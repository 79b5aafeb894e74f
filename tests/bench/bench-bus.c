/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls on one bus and signals on another one: of two services that do nothing else, or of daemons
 *
 *     bench-bus serve BUS-A BUS-B              # prints "ready"; ends when its input ends
 *     bench-bus flow BUS-A BUS-B USER CALLS SIZE  # 64 in flight, until the last signal
 *     bench-bus one BUS-A BUS-B USER TIMES SIZE   # one after the other
 *     bench-bus queue BUS USER CALLS SIZE      # without waiting for anything but the answers
 *     bench-bus ping BUS TIMES                 # an empty method of the service of a bus
 *     bench-bus spawn TIMES PROGRAM ARGUMENT... # a program from its start to its end
 *
 * The services are two processes with a pipe between them, as daemons have a connection: the one at
 * bus A takes SendMessage, the one at bus B emits MessageReceived.
 */
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bus/names.h"

#define WINDOW 64
#define TEXT_SIZE_MAX 4000
#define ID "01J00000000000000000000000"

struct record {
        uint32_t size;
        char text[TEXT_SIZE_MAX + 1];
};

static void must_be(int r, const char *what)
{
        must(MIN(r, 0), what);
}

static sd_bus *connect_to(const char *address)
{
        sd_bus *bus = NULL;

        must_be(sd_bus_new(&bus), "sd_bus_new");
        must_be(sd_bus_set_address(bus, address), "sd_bus_set_address");
        must_be(sd_bus_set_bus_client(bus, true), "sd_bus_set_bus_client");
        must_be(sd_bus_start(bus), "sd_bus_start");
        return bus;
}

/*
 * Two services that do nothing
 */
static int on_call(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        int fd = *(int *)userdata;
        struct record record = {};
        const char *user, *text;
        size_t whole;
        int r;

        r = sd_bus_message_read(m, "ss", &user, &text);
        if (r < 0)
                return r;
        record.size = (uint32_t)MIN(strlen(text), (size_t)TEXT_SIZE_MAX);
        memcpy(record.text, text, record.size);
        whole = sizeof record.size + record.size + 1;
        if (write(fd, &record, whole) != (ssize_t)whole)
                return -EIO;
        return sd_bus_reply_method_return(m, "ss", ID, "delivered");
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("SendMessage", "ss", "ss", on_call, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL("MessageReceived", "tssssta{sv}", 0),
        SD_BUS_VTABLE_END,
};

static sd_bus *serve_at(const char *address, sd_event *e, int *fd)
{
        sd_bus *bus = connect_to(address);

        must_be(sd_bus_add_object_vtable(
                        bus, NULL, P2PCHAT_BUS_PATH, P2PCHAT_BUS_INTERFACE, vtable, fd),
                "sd_bus_add_object_vtable");
        must_be(sd_bus_request_name(bus, P2PCHAT_BUS_NAME, 0), "sd_bus_request_name");
        must_be(sd_bus_attach_event(bus, e, 0), "sd_bus_attach_event");
        return bus;
}

struct emitter {
        sd_bus *bus;
        uint64_t sequence;
        size_t used;
        char data[4 * sizeof(struct record)];
};

static void emit(struct emitter *s, const char *text)
{
        must_be(sd_bus_emit_signal(s->bus, P2PCHAT_BUS_PATH, P2PCHAT_BUS_INTERFACE,
                        "MessageReceived", "tssssta{sv}", ++s->sequence, ID, "Ece", "Ece", text,
                        UINT64_C(1700000000000000), 3, "user-id", "s", "abcdefghijklmnopqrstuvwxya",
                        "address", "s", "127.0.0.1", "security", "s", "encrypted"),
                "sd_bus_emit_signal");
}

static int on_records(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct emitter *s = userdata;
        ssize_t n = read(fd, s->data + s->used, sizeof s->data - s->used);
        size_t at = 0;
        uint32_t size;

        if (n <= 0)
                return sd_event_exit(sd_event_source_get_event(source), 0);
        s->used += (size_t)n;
        while (s->used - at >= sizeof size) {
                memcpy(&size, s->data + at, sizeof size);
                if (s->used - at < sizeof size + size + 1)
                        break;
                emit(s, s->data + at + sizeof size);
                at += sizeof size + size + 1;
        }
        memmove(s->data, s->data + at, s->used - at);
        s->used -= at;
        return 0;
}

static int on_input(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        return sd_event_exit(sd_event_source_get_event(source), 0);
}

static void serve_signals(const char *address, int fd, int ready)
{
        struct emitter s = {};
        sd_event *e = NULL;

        must_be(sd_event_new(&e), "sd_event_new");
        s.bus = serve_at(address, e, NULL);
        must_be(sd_event_add_io(e, NULL, fd, EPOLLIN, on_records, &s), "sd_event_add_io");
        must(write(ready, "", 1) == 1 ? 0 : -EIO, "write");
        _exit(sd_event_loop(e) < 0);
}

static void serve(const char *address_a, const char *address_b)
{
        int records[2], ready[2];
        sd_event *e = NULL;
        sd_bus *bus;
        pid_t child;
        char c;

        must(pipe(records) < 0 || pipe(ready) < 0 ? -errno : 0, "pipe");
        child = fork();
        must(child < 0 ? -errno : 0, "fork");
        if (child == 0) {
                (void)close(records[1]);
                serve_signals(address_b, records[0], ready[1]);
        }
        must(read(ready[0], &c, 1) == 1 ? 0 : -EIO, "read");
        must_be(sd_event_new(&e), "sd_event_new");
        bus = serve_at(address_a, e, &records[1]);
        must_be(sd_event_add_io(e, NULL, STDIN_FILENO, EPOLLIN, on_input, NULL), "sd_event_add_io");
        (void)printf("ready\n");
        (void)fflush(stdout);
        must_be(sd_event_loop(e), "sd_event_loop");
        sd_bus_flush_close_unref(bus);
        sd_event_unref(e);
        (void)close(records[1]);
        (void)waitpid(child, NULL, 0);
}

/*
 * Who measures
 */
struct client {
        sd_event *event;
        sd_bus *a, *b;
        const char *user;
        char text[TEXT_SIZE_MAX + 1];
        size_t window, n, n_called, n_answered, n_signals, n_better;
        bool is_queueing; /* nobody takes it */
        double start, answered;
        double *spans; /* of each, from call to signal; NULL: not wanted */
};

static int call_more(struct client *c);

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct client *c = userdata;
        const char *id, *state;

        must(sd_bus_message_is_method_error(m, NULL) ? -EREMOTEIO : 0,
                sd_bus_message_is_method_error(m, NULL) ? sd_bus_message_get_error(m)->message
                                                        : "SendMessage");
        must_be(sd_bus_message_read(m, "ss", &id, &state), "answer");
        c->n_better += !streq(state, "queued");
        c->answered = bench_now();
        c->n_answered++;
        return call_more(c);
}

static int call(struct client *c)
{
        if (c->is_queueing)
                return sd_bus_call_method_async(c->a, NULL, P2PCHAT_BUS_NAME, P2PCHAT_BUS_PATH,
                        P2PCHAT_BUS_INTERFACE, "SendMessageFull", on_answer, c, "ssa{sv}", c->user,
                        c->text, 1, "wait-usec", "t", UINT64_C(0));
        return sd_bus_call_method_async(c->a, NULL, P2PCHAT_BUS_NAME, P2PCHAT_BUS_PATH,
                P2PCHAT_BUS_INTERFACE, "SendMessage", on_answer, c, "ss", c->user, c->text);
}

/* A window of calls; with a window of one, the next waits for the signal of this one, too. */
static int call_more(struct client *c)
{
        while (c->n_called < c->n && c->n_called - c->n_answered < c->window &&
                (!c->spans || c->n_signals == c->n_called)) {
                c->n_called++;
                if (c->spans)
                        c->start = bench_now();
                must_be(call(c), "sd_bus_call_method_async");
        }
        if (c->n_answered == c->n && (c->is_queueing || c->n_signals == c->n))
                return sd_event_exit(c->event, 0);
        return 0;
}

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct client *c = userdata;

        if (c->spans && c->n_signals < c->n)
                c->spans[c->n_signals] = bench_now() - c->start;
        c->n_signals++;
        return call_more(c);
}

static void client_run(struct client *c, char **argv)
{
        size_t size = MIN(strtoul(argv[4], NULL, 10), (unsigned long)TEXT_SIZE_MAX);

        c->user = argv[2];
        c->n = strtoul(argv[3], NULL, 10);
        memset(c->text, 'x', size);
        must_be(sd_event_new(&c->event), "sd_event_new");
        c->a = connect_to(argv[0]);
        c->b = connect_to(argv[1]);
        must_be(sd_bus_match_signal(c->b, NULL, P2PCHAT_BUS_NAME, P2PCHAT_BUS_PATH,
                        P2PCHAT_BUS_INTERFACE, "MessageReceived", on_signal, c),
                "sd_bus_match_signal");
        must_be(sd_bus_attach_event(c->a, c->event, 0), "sd_bus_attach_event");
        must_be(sd_bus_attach_event(c->b, c->event, 0), "sd_bus_attach_event");
        if (c->window == 1)
                c->spans = calloc(c->n + 1, sizeof *c->spans);
        c->start = bench_now();
        must_be(call_more(c), "call");
        must_be(sd_event_loop(c->event), "sd_event_loop");
        sd_bus_flush_close_unref(c->a);
        sd_bus_flush_close_unref(c->b);
        sd_event_unref(c->event);
}

static void flow(char **argv)
{
        static struct client c = { .window = WINDOW };

        client_run(&c, argv);
        row("flow", (double)c.n / (bench_now() - c.start));
        row("answers", (double)c.n / (c.answered - c.start));
        row("delivered", (double)c.n_better / (double)c.n);
}

static void queue(char **argv)
{
        static struct client c = { .window = WINDOW, .is_queueing = true };
        char *const both[] = { argv[0], argv[0], argv[1], argv[2], argv[3] };

        client_run(&c, (char **)both);
        row("queue", (double)c.n / (c.answered - c.start));
}

static void one(char **argv)
{
        static struct client c = { .window = 1 };

        client_run(&c, argv);
        row("one", median(c.spans, c.n));
        free(c.spans);
}

static void ping(const char *address, size_t times)
{
        double *spans = calloc(times, sizeof *spans);
        sd_bus *bus = connect_to(address);

        must(spans && times > 0 ? 0 : -ENOMEM, "calloc");
        for (size_t i = 0; i < times; i++) {
                double start = bench_now();

                must_be(sd_bus_call_method(bus, P2PCHAT_BUS_NAME, P2PCHAT_BUS_PATH,
                                "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, NULL),
                        "Ping");
                spans[i] = bench_now() - start;
        }
        row("ping", median(spans, times));
        sd_bus_flush_close_unref(bus);
        free(spans);
}

static void spawn(size_t times, char **argv)
{
        double *spans = calloc(times, sizeof *spans);
        posix_spawn_file_actions_t actions;

        must(spans && times > 0 ? 0 : -ENOMEM, "calloc");
        must(-posix_spawn_file_actions_init(&actions), "posix_spawn_file_actions_init");
        must(-posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0),
                "posix_spawn_file_actions_addopen");
        for (size_t i = 0; i < times; i++) {
                double start = bench_now();
                int status;
                pid_t pid;

                must(-posix_spawn(&pid, argv[0], &actions, NULL, argv, environ), argv[0]);
                must(waitpid(pid, &status, 0) == pid ? status : -ECHILD, argv[0]);
                spans[i] = bench_now() - start;
        }
        row("spawn", median(spans, times));
        (void)posix_spawn_file_actions_destroy(&actions);
        free(spans);
}

int main(int argc, char **argv)
{
        if (argc == 4 && streq(argv[1], "serve"))
                serve(argv[2], argv[3]);
        else if (argc == 7 && streq(argv[1], "flow"))
                flow(argv + 2);
        else if (argc == 7 && streq(argv[1], "one"))
                one(argv + 2);
        else if (argc == 6 && streq(argv[1], "queue"))
                queue(argv + 2);
        else if (argc >= 4 && streq(argv[1], "spawn"))
                spawn(strtoul(argv[2], NULL, 10), argv + 3);
        else if (argc == 4 && streq(argv[1], "ping"))
                ping(argv[2], strtoul(argv[3], NULL, 10));
        else {
                fprintf(stderr, "usage: see the head of bench-bus.c\n");
                return 2;
        }
        return 0;
}
