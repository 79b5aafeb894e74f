/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The service as its clients see it: signals, from nobody but the service */

#include "bus/client-internal.h"
#include "bus/names.h"

#define BROKER "org.freedesktop.DBus"

static bool sender_is(sd_bus_message *m, const char *name)
{
        const char *sender = sd_bus_message_get_sender(m);

        return sender && name && streq(sender, name);
}

static int on_message(struct bus_client *c, sd_bus_message *m)
{
        struct bus_message b = {
                .direction = "received",
                .state = "received",
                .address = "",
                .user_id = "",
                .security = "",
        };
        const char *key;
        int r;

        r = sd_bus_message_read(
                m, "tsssst", &b.sequence, &b.id, &b.conversation, &b.user, &b.text, &b.time_usec);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &key);
                if (r < 0)
                        return r;
                if (streq(key, "user-id"))
                        r = sd_bus_message_read(m, "v", "s", &b.user_id);
                else if (streq(key, "address"))
                        r = sd_bus_message_read(m, "v", "s", &b.address);
                else if (streq(key, "security"))
                        r = sd_bus_message_read(m, "v", "s", &b.security);
                else
                        r = sd_bus_message_skip(m, "v");
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        return c->signals->message(&b, c->userdata);
}

static int on_properties(struct bus_client *c, sd_bus_message *m)
{
        const char *interface, *name;
        uint64_t sequence;
        bool changed = false;
        int r;

        r = sd_bus_message_read(m, "s", &interface);
        if (r < 0)
                return r;
        if (!streq(interface, P2PCHAT_BUS_INTERFACE))
                return 0;
        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &name);
                if (r < 0)
                        return r;
                if (streq(name, "LastSequence")) {
                        r = sd_bus_message_read(m, "v", "t", &sequence);
                        changed = true;
                } else
                        r = sd_bus_message_skip(m, "v");
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        return changed ? c->signals->last_sequence(sequence, c->userdata) : 0;
}

static int on_file_signal(struct bus_client *c, sd_bus_message *m)
{
        const struct bus_client_signals *s = c->signals;
        const char *id, *user, *name, *security, *state, *reason;
        uint64_t done, size;
        int r = 0;

        if (s->file_offered &&
                sd_bus_message_is_signal(m, P2PCHAT_BUS_FILES_INTERFACE, "Offered")) {
                r = sd_bus_message_read(m, "sssst", &id, &user, &name, &security, &size);
                if (r >= 0)
                        r = s->file_offered(id, user, name, security, size, c->userdata);
        } else if (s->file_progress &&
                   sd_bus_message_is_signal(m, P2PCHAT_BUS_FILES_INTERFACE, "Progress")) {
                r = sd_bus_message_read(m, "stt", &id, &done, &size);
                if (r >= 0)
                        r = s->file_progress(id, done, size, c->userdata);
        } else if (s->file_finished &&
                   sd_bus_message_is_signal(m, P2PCHAT_BUS_FILES_INTERFACE, "Finished")) {
                r = sd_bus_message_read(m, "sss", &id, &state, &reason);
                if (r >= 0)
                        r = s->file_finished(id, state, reason, c->userdata);
        }
        return r;
}

/* A newer service may add to a signal; what we do not understand is not ours to judge. */
static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct bus_client *c = userdata;
        const struct bus_client_signals *s = c->signals;
        const char *x, *y, *z;
        int r;

        if (!sender_is(m, c->owner))
                return 0;

        if (s->last_sequence &&
                sd_bus_message_is_signal(m, "org.freedesktop.DBus.Properties", "PropertiesChanged"))
                r = on_properties(c, m);
        else if (s->message &&
                 sd_bus_message_is_signal(m, P2PCHAT_BUS_INTERFACE, "MessageReceived"))
                r = on_message(c, m);
        else if (s->message_state &&
                 sd_bus_message_is_signal(m, P2PCHAT_BUS_INTERFACE, "MessageStateChanged")) {
                r = sd_bus_message_read(m, "sss", &x, &y, &z);
                if (r >= 0)
                        r = s->message_state(x, y, z, c->userdata);
        } else if (s->user && sd_bus_message_is_signal(m, P2PCHAT_BUS_INTERFACE, "UserChanged")) {
                r = sd_bus_message_read(m, "sss", &x, &y, &z);
                if (r >= 0)
                        r = s->user(x, y, z, c->userdata);
        } else if (s->warning && sd_bus_message_is_signal(m, P2PCHAT_BUS_INTERFACE, "Warning")) {
                r = sd_bus_message_read(m, "sss", &x, &y, &z);
                if (r >= 0)
                        r = s->warning(x, y, z, c->userdata);
        } else if (s->invited &&
                   sd_bus_message_is_signal(m, P2PCHAT_BUS_GROUPS_INTERFACE, "Invited")) {
                r = sd_bus_message_read(m, "sss", &x, &y, &z);
                if (r >= 0)
                        r = s->invited(x, y, z, c->userdata);
        } else
                r = on_file_signal(c, m);

        if (r == -ENXIO || r == -EBADMSG)
                return 0;
        return r < 0 ? sd_event_exit(sd_bus_get_event(c->bus), r) : 0;
}

static int set_owner(struct bus_client *c, const char *owner)
{
        char *copy = NULL;

        if (owner && owner[0]) {
                copy = strdup(owner);
                if (!copy)
                        return -ENOMEM;
        }
        free(c->owner);
        c->owner = copy;
        return 0;
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct bus_client *c = userdata;
        const char *name, *before, *after;
        int r;

        if (!sender_is(m, BROKER))
                return 0;
        r = sd_bus_message_read(m, "sss", &name, &before, &after);
        if (r < 0 || !streq(name, P2PCHAT_BUS_NAME))
                return 0;
        r = set_owner(c, after);
        if (r >= 0 && c->signals->service)
                r = c->signals->service(c->owner, c->userdata);
        return r < 0 ? sd_event_exit(sd_bus_get_event(c->bus), r) : 0;
}

static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct bus_client *c = userdata;
        int r;

        if (sd_bus_is_open(c->bus) > 0)
                return 0;
        r = set_owner(c, NULL);
        if (r >= 0 && c->signals->disconnected)
                r = c->signals->disconnected(c->userdata);
        return r < 0 ? sd_event_exit(sd_bus_get_event(c->bus), r) : 0;
}

int bus_client_watch(struct bus_client *c, const struct bus_client_signals *signals, void *userdata)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        const char *owner = NULL;
        int r;

        c->signals = signals;
        c->userdata = userdata;

        r = sd_bus_match_signal(c->bus, &c->slots[0], "org.freedesktop.DBus.Local",
                "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local", "Disconnected",
                on_disconnected, c);
        if (r < 0)
                return r;
        /* The bus does one thing after the other: once it tells the owner, both rules stand, and
         * no change of owner and no signal is missed from there on. */
        r = sd_bus_add_match_async(c->bus, &c->slots[1],
                "type='signal',sender='" BROKER "',path='/org/freedesktop/DBus',"
                "interface='" BROKER "',member='NameOwnerChanged',arg0='" P2PCHAT_BUS_NAME "'",
                on_owner_changed, NULL, c);
        if (r < 0)
                return r;
        r = sd_bus_add_match_async(c->bus, &c->slots[2],
                "type='signal',sender='" P2PCHAT_BUS_NAME "',path='" P2PCHAT_BUS_PATH "'",
                on_signal, NULL, c);
        if (r < 0)
                return r;

        sd_bus_error_free(&c->error);
        r = sd_bus_call_method(c->bus, BROKER, "/org/freedesktop/DBus", BROKER, "GetNameOwner",
                &c->error, &reply, "s", P2PCHAT_BUS_NAME);
        if (r < 0 && bus_client_outcome(c) != BUS_NO_SERVICE)
                return r;
        if (r >= 0) {
                r = sd_bus_message_read(reply, "s", &owner);
                if (r < 0)
                        return r;
        }
        return set_owner(c, owner);
}

bool bus_client_service_is_there(const struct bus_client *c)
{
        return c->owner;
}

bool bus_client_is_service(const struct bus_client *c, sd_bus_message *m)
{
        return sender_is(m, c->owner);
}
