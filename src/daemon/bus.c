/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The connection to the bus: made, lost, made again */
#include <poll.h>
#include <stdio.h>

#include "bus/introspect.h"
#include "bus/names.h"
#include "daemon/bus-private.h"
#include "os/log.h"

#define FLUSH_WAIT_MSEC 500
#define RETRY_USEC_MIN (100 * USEC_PER_MSEC)
#define RETRY_USEC_MAX (5 * USEC_PER_SEC)

static int connect_again(sd_event_source *s, uint64_t usec, void *userdata);

static void free_messages(struct list *list)
{
        list_for_each_safe (i, list) {
                struct held *h = container_of(i, struct held, list);

                list_remove(i);
                sd_bus_message_unref(h->message);
                sd_bus_message_unref(h->reply);
                free(h);
        }
}

static void forget_everybody(struct bus *b)
{
        b->has_name = false;
        bus_searches_forget(b, NULL);
        bus_checks_forget(b, NULL);
        bus_forget_callers(b);
        bus_signals_forget(b);
        free_messages(&b->done);
}

static void retry(struct bus *b)
{
        forget_everybody(b);
        if (sd_event_source_set_time_relative(b->retry, b->retry_wait_usec) < 0 ||
                sd_event_source_set_enabled(b->retry, SD_EVENT_ONESHOT) < 0)
                manager_fail(b->manager, -ENOMEM, "Failed to wait for the bus");
        b->retry_wait_usec = usec_min(2 * b->retry_wait_usec, RETRY_USEC_MAX);
}

static int on_disconnected(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        struct bus *b = userdata;

        if (b->has_name)
                log_warning("The bus is lost; the chat goes on, and the bus is sought again.");
        retry(b);
        return 0;
}

static const char *address_of(const char *where, char buffer[static 512])
{
        const char *address;

        if (streq(where, "system"))
                return getenv("DBUS_SYSTEM_BUS_ADDRESS") ?: "unix:path=/run/dbus/system_bus_socket";
        if (!streq(where, "session"))
                return where;
        address = getenv("DBUS_SESSION_BUS_ADDRESS");
        if (address)
                return address;
        (void)snprintf(buffer, 512, "unix:path=%s/bus", getenv("XDG_RUNTIME_DIR") ?: "/run");
        return buffer;
}

static int add_interfaces(struct bus *b, sd_bus *connection)
{
        static const struct {
                const char *name;
                const sd_bus_vtable *vtable;
        } interfaces[] = {
                { P2PCHAT_BUS_INTERFACE, bus_manager_vtable },
                { P2PCHAT_BUS_GROUPS_INTERFACE, bus_groups_vtable },
                { P2PCHAT_BUS_RING_INTERFACE, bus_ring_vtable },
                { P2PCHAT_BUS_LEDGER_INTERFACE, bus_ledger_vtable },
                { P2PCHAT_BUS_FILES_INTERFACE, bus_files_vtable },
                { P2PCHAT_BUS_IDENTITY_INTERFACE, bus_identity_vtable },
        };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(interfaces); i++)
                r = sd_bus_add_object_vtable(connection, NULL, P2PCHAT_BUS_PATH, interfaces[i].name,
                        interfaces[i].vtable, b);
        return r;
}

static int add_objects(struct bus *b, sd_bus *connection)
{
        int r;

        r = add_interfaces(b, connection);
        if (r < 0)
                return r;
        return sd_bus_add_object_vtable(connection, NULL, "/org/freedesktop/LogControl1",
                "org.freedesktop.LogControl1", bus_log_control_vtable, b);
}

/* Connecting goes on in the loop. */
static int open_connection(struct bus *b)
{
        _cleanup_(sd_bus_unrefp)
        sd_bus *c = NULL;
        char buffer[512];
        int r;

        r = sd_bus_new(&c);
        if (r >= 0)
                r = sd_bus_set_address(c, address_of(b->manager->settings->bus, buffer));
        if (r >= 0)
                r = sd_bus_set_bus_client(c, true);
        if (r >= 0)
                r = sd_bus_negotiate_fds(c, true);
        if (r >= 0)
                r = sd_bus_set_description(c, "p2pchat");
        if (r >= 0)
                r = sd_bus_set_close_on_exit(c, false); /* who waits is answered after the loop */
        if (r >= 0)
                r = add_objects(b, c);
        if (r >= 0)
                r = sd_bus_match_signal(c, NULL, "org.freedesktop.DBus.Local",
                        "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local", "Disconnected",
                        on_disconnected, b);
        if (r >= 0)
                r = sd_bus_start(c);
        if (r >= 0)
                r = sd_bus_attach_event(c, b->manager->event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return r;
        b->connection = TAKE_PTR(c);
        return 0;
}

static void has_name(struct bus *b)
{
        b->has_name = true;
        b->retry_wait_usec = RETRY_USEC_MIN;
}

static int on_name(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        struct bus *b = userdata;
        uint32_t result = 0;

        if (!e && sd_bus_message_read(reply, "u", &result) >= 0 && result == 1) {
                log_info("The bus is back.");
                has_name(b);
                return 0;
        }
        log_warning("The bus refuses the name " P2PCHAT_BUS_NAME ": %s",
                e && e->message ? e->message : "somebody else has it");
        retry(b);
        return 0;
}

static int connect_again(sd_event_source *s, uint64_t usec, void *userdata)
{
        struct bus *b = userdata;
        int r;

        if (b->connection) {
                (void)sd_bus_detach_event(b->connection);
                b->connection = sd_bus_close_unref(b->connection);
        }
        r = open_connection(b);
        if (r >= 0)
                r = sd_bus_request_name_async(b->connection, NULL, P2PCHAT_BUS_NAME, 0, on_name, b);
        if (r < 0) {
                log_debug_errno(r, "Failed to reach the bus: %m");
                retry(b);
        }
        return 0;
}

int bus_new(struct manager *m, struct bus **ret)
{
        _cleanup_(bus_freep)
        struct bus *b = calloc(1, sizeof *b);
        int r;

        if (!b)
                return -ENOMEM;
        b->manager = m;
        b->retry_wait_usec = RETRY_USEC_MIN;
        list_init(&b->callers);
        list_init(&b->calls);
        list_init(&b->unread);
        list_init(&b->done);
        list_init(&b->searches);
        list_init(&b->checks);
        list_init(&b->presences);
        list_init(&b->progresses);
        r = sd_event_add_time(m->event, &b->retry, CLOCK_MONOTONIC, 0, 0, connect_again, b);
        if (r >= 0)
                r = sd_event_source_set_enabled(b->retry, SD_EVENT_OFF);
        if (r >= 0)
                r = bus_searches_start(b);
        if (r >= 0)
                r = bus_checks_start(b);
        if (r >= 0)
                r = bus_files_start(b);
        if (r >= 0)
                r = bus_signals_start(b);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(b);
        return 0;
}

int bus_start(struct bus *b)
{
        char buffer[512];
        int r;

        r = open_connection(b);
        if (r < 0)
                return log_error_errno(r, "Failed to connect to the bus at %s: %m",
                        address_of(b->manager->settings->bus, buffer));
        r = sd_bus_request_name(b->connection, P2PCHAT_BUS_NAME, 0);
        if (r == -EEXIST || r == -EALREADY)
                return log_error_errno(r,
                        "Another program has the name " P2PCHAT_BUS_NAME
                        " on this bus. A second p2pchatd needs a bus of its own (--bus=).");
        if (r < 0)
                return log_error_errno(r,
                        "The bus refuses the name " P2PCHAT_BUS_NAME
                        ": %m. If the package was just installed, reload the bus's "
                        "configuration: systemctl reload dbus");
        has_name(b);
        return 0;
}

/* Writes what is queued, unless the broker sleeps. */
static void flush_writes(sd_bus *connection)
{
        struct pollfd p = { .fd = sd_bus_get_fd(connection), .events = POLLOUT };
        uint64_t n = 0;

        (void)sd_bus_get_n_queued_write(connection, &n);
        if (n > 0 && p.fd >= 0 && poll(&p, 1, FLUSH_WAIT_MSEC) > 0)
                (void)sd_bus_flush(connection);
}

struct bus *bus_free(struct bus *b)
{
        if (!b)
                return NULL;
        forget_everybody(b);
        if (b->connection) {
                flush_writes(b->connection);
                (void)sd_bus_detach_event(b->connection);
                b->connection = sd_bus_close_unref(b->connection);
        }
        bus_signals_done(b);
        bus_files_done(b);
        chore_done(&b->search_chore);
        chore_done(&b->check_chore);
        sd_event_source_disable_unref(b->retry);
        free(b);
        return NULL;
}

void bus_end_turn(struct bus *b)
{
        if (!b)
                return;
        list_for_each_safe (i, &b->done) {
                struct held *h = container_of(i, struct held, list);
                int r = h->reply ? sd_bus_send(NULL, h->reply, NULL)
                                 : sd_bus_reply_method_return(h->message, NULL);

                if (r < 0)
                        log_debug_errno(r, "Failed to answer a call: %m");
                list_remove(i);
                sd_bus_message_unref(h->message);
                sd_bus_message_unref(h->reply);
                free(h);
        }
        bus_calls_end_turn(b);
        bus_signals_look(b);
}

void bus_refuse_turn(struct bus *b)
{
        if (!b)
                return;
        list_for_each (i, &b->done)
                (void)bus_reply_storage_full(container_of(i, struct held, list)->message);
        bus_calls_refuse_turn(b);
        if (b->connection)
                flush_writes(b->connection);
}

static int add_to_nobody(sd_bus *connection, void *userdata)
{
        return add_interfaces(userdata, connection);
}

int bus_introspect(char **ret)
{
        struct bus nobody = {};

        return bus_introspect_object(P2PCHAT_BUS_PATH, add_to_nobody, &nobody, ret);
}
