/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Signals and changed properties, as long as the bus takes them
 *
 * What the bus cannot take at once waits in our memory, so while much waits there nothing more is
 * sent: of each user only the last state is kept, and of messages and changed states nothing, for
 * they can be read: once the bus takes signals again, LastSequence is announced as changed, and
 * whoever follows the sequence asks for what he missed.
 */
#include "bus/names.h"
#include "daemon/bus-private.h"
#include "os/log.h"

#define QUEUED_MAX 256
#define QUEUED_SIZE_MAX (2 * 1024 * 1024)
#define PRESENCES_MAX 1024
#define DRAIN_USEC (100 * USEC_PER_MSEC)

/* The last state of a user that could not be told yet. */
struct presence_signal {
        struct list list; /* in bus.presences */
        uint64_t number;
        char user[WORD_SIZE];
        enum presence presence;
};

/* If not, the timer watches for the time when it may. */
bool bus_may_signal(struct bus *b, size_t size)
{
        uint64_t n = 0;

        if (!b->has_name)
                return false;
        (void)sd_bus_get_n_queued_write(b->connection, &n);
        if (n == 0)
                b->signals_size = 0;
        if (n < QUEUED_MAX && b->signals_size < QUEUED_SIZE_MAX) {
                b->signals_size += size + 256;
                return true;
        }
        if (sd_event_source_set_time_relative(b->drain_timer, DRAIN_USEC) >= 0)
                (void)sd_event_source_set_enabled(b->drain_timer, SD_EVENT_ONESHOT);
        return false;
}

static void change(struct bus *b, unsigned properties)
{
        b->changed |= properties;
        (void)sd_event_source_set_enabled(b->changed_source, SD_EVENT_ONESHOT);
}

void bus_report_signal(int r, const char *name)
{
        if (r < 0)
                log_debug_errno(r, "Failed to send signal %s: %m", name);
}

static int build_message(struct bus *b, const struct message_record *record, sd_bus_message **ret)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *signal = NULL;
        char id[ULID_STRING_SIZE], word[WORD_SIZE], address[ENDPOINT_STRING_MAX];
        _cleanup_(freep)
        char *text = bus_text(record->text, record->size);
        struct manager *m = b->manager;
        int r;

        if (!text)
                return -ENOMEM;
        r = sd_bus_message_new_signal(
                b->connection, &signal, P2PCHAT_BUS_PATH, P2PCHAT_BUS_INTERFACE, "MessageReceived");
        if (r >= 0)
                r = sd_bus_message_append(signal, "tssssta{sv}", record->sequence,
                        ulid_format(&record->id, id),
                        node_word(m->node, record->peer, record->name, &record->endpoint, m->now,
                                word),
                        record->name, text, record->time_usec, 3, "user-id", "s",
                        bus_user_id(m, record), "address", "s",
                        endpoint_format(&record->endpoint, address), "security", "s",
                        security_word(record->security));
        if (r < 0)
                return r;
        *ret = TAKE_PTR(signal);
        return 0;
}

void bus_signal_message(struct bus *b, const struct message_record *record)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *signal = NULL;
        int r;

        if (!b)
                return;
        change(b, CHANGED_LAST_SEQUENCE);
        if (record->direction != DIRECTION_RECEIVED || record->state == MESSAGE_MUTED ||
                !bus_may_signal(b, record->size))
                return;
        r = build_message(b, record, &signal);
        if (r >= 0)
                r = sd_bus_send(b->connection, signal, NULL);
        bus_report_signal(r, "MessageReceived");
}

void bus_signal_state(
        struct bus *b, const struct ulid *id, enum message_state state, const char *reason)
{
        char text[ULID_STRING_SIZE];

        if (!b || !bus_may_signal(b, 0))
                return;
        bus_report_signal(sd_bus_emit_signal(b->connection, P2PCHAT_BUS_PATH, P2PCHAT_BUS_INTERFACE,
                                  "MessageStateChanged", "sss", ulid_format(id, text),
                                  message_state_word(state), reason),
                "MessageStateChanged");
}

void bus_signal_warning(struct bus *b, const struct change_warning *warning)
{
        if (!b || !bus_may_signal(b, strlen(warning->sentence)))
                return;
        bus_report_signal(
                sd_bus_emit_signal(b->connection, P2PCHAT_BUS_PATH, P2PCHAT_BUS_INTERFACE,
                        "Warning", "sss", warning->kind, warning->user, warning->sentence),
                "Warning");
}

void bus_signal_invited(struct bus *b, const struct change_invited *invited)
{
        if (!b || !bus_may_signal(b, 0))
                return;
        bus_report_signal(
                sd_bus_emit_signal(b->connection, P2PCHAT_BUS_PATH, P2PCHAT_BUS_GROUPS_INTERFACE,
                        "Invited", "sss", invited->word, invited->id, invited->by),
                "Invited");
}

void bus_signal_certified(struct bus *b, const struct change_certified *certified)
{
        if (!b || !bus_may_signal(b, 0))
                return;
        bus_report_signal(
                sd_bus_emit_signal(b->connection, P2PCHAT_BUS_PATH, P2PCHAT_BUS_LEDGER_INTERFACE,
                        "NameCertified", "ss", certified->name, certified->id),
                "NameCertified");
}

/*
 * Presence
 */
static void emit_presence(struct bus *b, uint64_t number, const char *user, enum presence presence)
{
        bus_report_signal(sd_bus_emit_signal(b->connection, P2PCHAT_BUS_PATH, P2PCHAT_BUS_INTERFACE,
                                  "UserChanged", "sss", user,
                                  node_user_id(b->manager->node, number), presence_word(presence)),
                "UserChanged");
}

static void keep_presence(struct bus *b, const struct change_presence *presence)
{
        struct presence_signal *p;

        list_for_each (i, &b->presences) {
                p = container_of(i, struct presence_signal, list);
                if (p->number == presence->number) {
                        p->presence = presence->presence;
                        return;
                }
        }
        if (b->n_presences >= PRESENCES_MAX)
                return;
        p = calloc(1, sizeof *p);
        if (!p)
                return;
        memcpy(p->user, presence->user, MIN(strlen(presence->user), sizeof p->user - 1));
        p->number = presence->number;
        p->presence = presence->presence;
        list_append(&b->presences, &p->list);
        b->n_presences++;
}

static void drop_presence(struct bus *b, struct presence_signal *p)
{
        list_remove(&p->list);
        free(p);
        b->n_presences--;
}

void bus_signal_presence(struct bus *b, const struct change_presence *presence)
{
        if (!b || !b->has_name)
                return;
        /* What came earlier and waits still must not overtake it. */
        if (b->n_presences == 0 && bus_may_signal(b, 0))
                emit_presence(b, presence->number, presence->user, presence->presence);
        else
                keep_presence(b, presence);
}

static int on_drain(sd_event_source *s, uint64_t usec, void *userdata)
{
        struct bus *b = userdata;

        list_for_each_safe (i, &b->presences) {
                struct presence_signal *p = container_of(i, struct presence_signal, list);

                if (!bus_may_signal(b, 0))
                        return 0;
                emit_presence(b, p->number, p->user, p->presence);
                drop_presence(b, p);
        }
        change(b, CHANGED_LAST_SEQUENCE);
        return 0;
}

/*
 * Properties
 */
void bus_signal_username(struct bus *b)
{
        if (b)
                change(b, CHANGED_USERNAME);
}

void bus_signals_look(struct bus *b)
{
        const struct node *n = b->manager->node;
        unsigned ring = bus_ring_look(b, &b->ring), ledger = bus_ledger_look(b, &b->ledger);

        if (b->users_online != node_users_online(n))
                change(b, CHANGED_USERS_ONLINE);
        if (b->messages_queued != node_messages_queued(n))
                change(b, CHANGED_MESSAGES_QUEUED);
        if (ring)
                change(b, ring);
        if (ledger)
                change(b, ledger);
        b->users_online = node_users_online(n);
        b->messages_queued = node_messages_queued(n);
}

static void emit_changed(struct bus *b, const char *interface, const char *const *names)
{
        bus_report_signal(sd_bus_emit_properties_changed_strv(
                                  b->connection, P2PCHAT_BUS_PATH, interface, (char **)names),
                "PropertiesChanged");
}

/* Runs when there is nothing else to do, so many changes become one signal of each interface. */
static int on_changed(sd_event_source *s, void *userdata)
{
        static const struct {
                unsigned bit;
                const char *interface, *name;
        } properties[] = {
                { CHANGED_USERNAME, P2PCHAT_BUS_INTERFACE, "Username" },
                { CHANGED_LAST_SEQUENCE, P2PCHAT_BUS_INTERFACE, "LastSequence" },
                { CHANGED_USERS_ONLINE, P2PCHAT_BUS_INTERFACE, "UsersOnline" },
                { CHANGED_MESSAGES_QUEUED, P2PCHAT_BUS_INTERFACE, "MessagesQueued" },
                { CHANGED_MEMBERS, P2PCHAT_BUS_RING_INTERFACE, "Members" },
                { CHANGED_SUCCESSORS, P2PCHAT_BUS_RING_INTERFACE, "Successors" },
                { CHANGED_PREDECESSOR, P2PCHAT_BUS_RING_INTERFACE, "Predecessor" },
                { CHANGED_HEIGHT, P2PCHAT_BUS_LEDGER_INTERFACE, "Height" },
                { CHANGED_TIP, P2PCHAT_BUS_LEDGER_INTERFACE, "Tip" },
        };
        const char *names[ELEMENTSOF(properties) + 1];
        struct bus *b = userdata;
        size_t n;

        if (b->changed == 0 || !bus_may_signal(b, 0))
                return 0; /* on_drain() comes back to it */
        for (size_t i = 0; i < ELEMENTSOF(properties);) {
                const char *interface = properties[i].interface;

                for (n = 0; i < ELEMENTSOF(properties) && streq(properties[i].interface, interface);
                        i++)
                        if (b->changed & properties[i].bit)
                                names[n++] = properties[i].name;
                names[n] = NULL;
                if (n > 0)
                        emit_changed(b, interface, names);
        }
        b->changed = 0;
        return 0;
}

/*
 * Life
 */
int bus_signals_start(struct bus *b)
{
        sd_event *e = b->manager->event;
        int r;

        r = sd_event_add_defer(e, &b->changed_source, on_changed, b);
        if (r >= 0)
                r = sd_event_source_set_priority(b->changed_source, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                r = sd_event_source_set_enabled(b->changed_source, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time(e, &b->drain_timer, CLOCK_MONOTONIC, 0, 0, on_drain, b);
        return r < 0 ? r : sd_event_source_set_enabled(b->drain_timer, SD_EVENT_OFF);
}

void bus_signals_forget(struct bus *b)
{
        list_for_each_safe (i, &b->presences)
                drop_presence(b, container_of(i, struct presence_signal, list));
        b->signals_size = 0;
}

void bus_signals_done(struct bus *b)
{
        bus_signals_forget(b);
        b->changed_source = sd_event_source_disable_unref(b->changed_source);
        b->drain_timer = sd_event_source_disable_unref(b->drain_timer);
}
