/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * org.example.P2PChat.Ring
 *
 * Nodes of the ring are written ID@ADDRESS, where the id is that of the user who is there.
 */
#include <stdio.h>

#include "bus/names.h"
#include "daemon/bus-private.h"

#define PEER_SIZE (ID_STRING_SIZE + 1 + ENDPOINT_STRING_MAX)
#define ID_BYTES 16 /* of a position: the id */

/*
 * Words and numbers
 */
const char *bus_ring_state(const struct ring_status *s)
{
        if (!s->is_there)
                return "off";
        switch (s->chord.state) {
        case CHORD_CLIENT:
                return "client";
        case CHORD_JOINING:
                return "joining";
        case CHORD_MEMBER:
                return "member";
        }
        return "off";
}

uint64_t bus_ring_members(const struct ring_status *s)
{
        return s->is_there ? (uint64_t)(s->chord.estimated_size + 0.5) : 0;
}

static const char *format_peer(const struct chord_peer *p, char buffer[static PEER_SIZE])
{
        char id[BASE32_SIZE(ID_BYTES)], address[ENDPOINT_STRING_MAX];

        base32_encode(p->id.bytes, ID_BYTES, id);
        (void)snprintf(buffer, PEER_SIZE, "%s@%s", id, endpoint_format(&p->endpoint, address));
        return buffer;
}

static const char *format_predecessor(const struct ring_status *s, char buffer[static PEER_SIZE])
{
        if (!s->is_there || !s->chord.has_predecessor)
                return "";
        return format_peer(&s->chord.predecessor, buffer);
}

static int append_peers(sd_bus_message *reply, const struct chord_peer *peers, size_t n)
{
        char text[PEER_SIZE];
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = sd_bus_message_append(reply, "s", format_peer(&peers[i], text));
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static size_t n_successors(const struct ring_status *s)
{
        return s->is_there ? s->chord.successors.n : 0;
}

static const char *format_position(
        const struct manager *m, char buffer[static HEX_SIZE(RING_ID_SIZE)])
{
        struct ring_id position;

        ring_id_of_key(m->memory.identity.public_key, &position);
        hex_encode(position.bytes, RING_ID_SIZE, buffer);
        return buffer;
}

/*
 * Join, Leave, Find
 */
static int check_enabled(const struct manager *m, sd_bus_error *error)
{
        if (m->config.ring)
                return 0;
        return bus_set_error(error, BUS_NOT_REACHABLE,
                "The ring is switched off: set [Ring] Enabled=yes in %s, and restart p2pchatd.",
                m->settings->config);
}

/* A call that waits for others on the network, and is charged to whose it is. */
static int new_waiting(struct bus *b, sd_bus_message *message, struct caller *caller,
        struct call **ret, sd_bus_error *error)
{
        int r;

        r = check_enabled(b->manager, error);
        if (r < 0)
                return r;
        if (!bus_caller_may_wait(b, caller))
                return bus_set_error(error, BUS_LIMIT,
                        "%u calls of yours wait already: wait for their answers first.",
                        P2PCHAT_BUS_CALLS_MAX);
        return bus_call_new(b, message, caller, true, ret);
}

static int begin_join(
        struct bus *b, sd_bus_message *message, struct caller *caller, sd_bus_error *error)
{
        struct manager *m = b->manager;
        struct refusal refusal;
        struct call *call;
        const char *host;
        int r;

        r = sd_bus_message_read(message, "s", &host);
        if (r >= 0)
                r = bus_check_space(m, error);
        if (r >= 0)
                r = new_waiting(b, message, caller, &call, error);
        if (r < 0)
                return r;
        r = bus_call_begun(
                b, call, ring_join(&m->ring, call->number, host, &refusal), &refusal, error);
        if (r > 0)
                bus_ask_caller(caller); /* there is no turn yet whose end would do it */
        return r;
}

static int begin_find(
        struct bus *b, sd_bus_message *message, struct caller *caller, sd_bus_error *error)
{
        struct manager *m = b->manager;
        struct refusal refusal;
        struct call *call;
        const char *word;
        int r;

        r = sd_bus_message_read(message, "s", &word);
        if (r >= 0)
                r = new_waiting(b, message, caller, &call, error);
        if (r < 0)
                return r;
        r = manager_take(m, node_ring_find(m->node, call->number, word, manager_now(m), &refusal));
        return bus_call_begun(b, call, r, &refusal, error);
}

static int join(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        return bus_begin_call(userdata, call, begin_join, error);
}

static int find(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        return bus_begin_call(userdata, call, begin_find, error);
}

static int leave(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        struct bus *b = userdata;
        struct manager *m = b->manager;
        struct refusal refusal;
        int r;

        r = check_enabled(m, error);
        if (r >= 0)
                r = bus_check_space(m, error);
        if (r < 0)
                return r;
        /* Also while none of it has an address yet, of which the node knows nothing. */
        if (m->config.bootstrap.n > 0)
                return bus_set_error(error, BUS_INVALID_ARGS,
                        "The configuration has this machine join: remove [Ring] Bootstrap= from "
                        "%s, reload p2pchatd, and leave then.",
                        m->settings->config);
        r = manager_take(m, node_ring_leave(m->node, manager_now(m), &refusal));
        return bus_finish(b, call, r, &refusal, error);
}

void bus_answer_joined(struct bus *b, uint64_t number)
{
        struct call *c = bus_find_call(b, number);
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        int r;

        if (!c)
                return;
        r = sd_bus_message_new_method_return(c->message, &reply);
        bus_answer_call(b, c, r, reply);
}

static int append_found(sd_bus_message *reply, const struct found_user *u)
{
        char address[ENDPOINT_STRING_MAX];
        _cleanup_(freep)
        char *name = bus_text(u->name, strlen(u->name));
        int r;

        if (!name)
                return -ENOMEM;
        r = sd_bus_message_open_container(reply, 'r', P2PCHAT_BUS_FOUND_ROW);
        if (r >= 0)
                r = sd_bus_message_append(reply, "ss", name, u->id);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "s");
        for (size_t i = 0; r >= 0 && i < u->n_endpoints; i++)
                r = sd_bus_message_append(reply, "s", endpoint_format(&u->endpoints[i], address));
        for (int i = 0; r >= 0 && i < 2; i++)
                r = sd_bus_message_close_container(reply);
        return r;
}

static int build_found(
        struct call *c, const struct found_user *users, size_t n, sd_bus_message **reply)
{
        int r;

        r = sd_bus_message_new_method_return(c->message, reply);
        if (r >= 0)
                r = sd_bus_message_open_container(*reply, 'a', "(" P2PCHAT_BUS_FOUND_ROW ")");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = append_found(*reply, &users[i]);
        return r < 0 ? r : sd_bus_message_close_container(*reply);
}

void bus_answer_found(struct bus *b, uint64_t number, const struct found_user *users, size_t n)
{
        struct call *c = bus_find_call(b, number);
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        int r;

        if (!c)
                return;
        r = build_found(c, users, n, &reply);
        bus_answer_call(b, c, r, reply);
}

/*
 * GetStatus
 */
static int append_list(
        sd_bus_message *reply, const char *key, const struct chord_peer *peers, size_t n)
{
        int r;

        r = sd_bus_message_open_container(reply, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(reply, "s", key);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'v', "as");
        if (r >= 0)
                r = append_peers(reply, peers, n);
        for (int i = 0; r >= 0 && i < 2; i++)
                r = sd_bus_message_close_container(reply);
        return r;
}

/* The engine knows the monotonic clock alone. */
static usec_t repaired_usec(const struct chord_status *s, struct now now)
{
        if (s->repaired_usec == 0)
                return 0;
        return usec_sub(now.real_usec, usec_sub(now.mono_usec, s->repaired_usec));
}

static int append_neighbours(sd_bus_message *reply, const struct ring_status *s)
{
        char text[PEER_SIZE];
        int r;

        r = append_list(reply, "successors", s->chord.successors.peers, n_successors(s));
        if (r >= 0)
                r = bus_append_text(reply, "predecessor", format_predecessor(s, text));
        return r < 0 ? r
                     : append_list(reply, "fingers", s->chord.fingers,
                               s->is_there ? s->chord.n_fingers : 0);
}

static int append_counts(sd_bus_message *reply, const struct ring_status *s, struct now now)
{
        int r;

        r = bus_append_number(reply, "members", bus_ring_members(s));
        if (r >= 0)
                r = bus_append_number(reply, "last-repair", repaired_usec(&s->chord, now));
        if (r >= 0)
                r = bus_append_number(reply, "round-usec", s->chord.round_usec);
        if (r >= 0)
                r = bus_append_count(reply, "records", s->chord.n_records);
        if (r >= 0)
                r = bus_append_count(reply, "published", s->chord.n_published);
        if (r >= 0)
                r = bus_append_count(reply, "sessions", s->n_sessions);
        if (r >= 0)
                r = bus_append_number(reply, "found", s->n_found);
        return r < 0 ? r : bus_append_number(reply, "missed", s->n_missed);
}

static int append_status(sd_bus_message *reply, struct manager *m)
{
        char position[HEX_SIZE(RING_ID_SIZE)], address[ENDPOINT_STRING_MAX];
        struct ring_status s;
        int r;

        node_ring_status(m->node, &s);
        r = bus_append_text(reply, "state", bus_ring_state(&s));
        if (r >= 0)
                r = sd_bus_message_append(reply, "{sv}", "joined", "b", s.is_there && s.is_joined);
        if (r >= 0)
                r = bus_append_text(reply, "position", format_position(m, position));
        if (r >= 0)
                r = bus_append_text(reply, "endpoint",
                        s.endpoint.family == ENDPOINT_NONE ? ""
                                                           : endpoint_format(&s.endpoint, address));
        if (r >= 0)
                r = append_neighbours(reply, &s);
        return r < 0 ? r : append_counts(reply, &s, manager_now(m));
}

static int get_status(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        return bus_answer_dictionary(call, ((struct bus *)userdata)->manager, append_status);
}

/*
 * Properties
 */
static int get_members(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        struct bus *b = userdata;
        struct ring_status s;

        node_ring_status(b->manager->node, &s);
        return sd_bus_message_append(reply, "t", bus_ring_members(&s));
}

static int get_successors(sd_bus *bus, const char *path, const char *interface,
        const char *property, sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        struct bus *b = userdata;
        struct ring_status s;

        node_ring_status(b->manager->node, &s);
        return append_peers(reply, s.chord.successors.peers, n_successors(&s));
}

static int get_predecessor(sd_bus *bus, const char *path, const char *interface,
        const char *property, sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        struct bus *b = userdata;
        struct ring_status s;
        char text[PEER_SIZE];

        node_ring_status(b->manager->node, &s);
        return sd_bus_message_append(reply, "s", format_predecessor(&s, text));
}

static int get_position(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        char text[HEX_SIZE(RING_ID_SIZE)];
        struct bus *b = userdata;

        return sd_bus_message_append(reply, "s", format_position(b->manager, text));
}

static bool is_same_peer(const struct chord_peer *a, const struct chord_peer *b)
{
        return ring_id_equal(&a->id, &b->id) && endpoint_equal(&a->endpoint, &b->endpoint);
}

static bool are_same_peers(const struct rpc_peers *a, const struct rpc_peers *b)
{
        if (a->n != b->n)
                return false;
        for (size_t i = 0; i < a->n; i++)
                if (!is_same_peer(&a->peers[i], &b->peers[i]))
                        return false;
        return true;
}

/* The estimate of a large ring moves with every neighbour that comes or goes; a small one is
 * counted. */
static bool is_noise(uint64_t told, uint64_t now)
{
        return (told > now ? told - now : now - told) <= told / 8;
}

unsigned bus_ring_look(const struct bus *b, struct ring_told *told)
{
        struct ring_status s;
        unsigned changed = 0;

        node_ring_status(b->manager->node, &s);
        if (!is_noise(told->members, bus_ring_members(&s))) {
                changed |= CHANGED_MEMBERS;
                told->members = bus_ring_members(&s);
        }
        if (!are_same_peers(&told->successors, &s.chord.successors)) {
                changed |= CHANGED_SUCCESSORS;
                told->successors = s.chord.successors;
        }
        if (told->has_predecessor != s.chord.has_predecessor ||
                (told->has_predecessor &&
                        !is_same_peer(&told->predecessor, &s.chord.predecessor))) {
                changed |= CHANGED_PREDECESSOR;
                told->has_predecessor = s.chord.has_predecessor;
                told->predecessor = s.chord.predecessor;
        }
        return changed;
}

/*
 * What the bus sees, in the order of the documentation
 */
#define UNPRIVILEGED SD_BUS_VTABLE_UNPRIVILEGED

/* clang-format off */
const sd_bus_vtable bus_ring_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Join",
                SD_BUS_ARGS("s", host),
                SD_BUS_NO_RESULT,
                join, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Leave",
                SD_BUS_NO_ARGS,
                SD_BUS_NO_RESULT,
                leave, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Find",
                SD_BUS_ARGS("s", user),
                SD_BUS_RESULT("a(" P2PCHAT_BUS_FOUND_ROW ")", users),
                find, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetStatus",
                SD_BUS_NO_ARGS,
                SD_BUS_RESULT("a{sv}", status),
                get_status, UNPRIVILEGED),

        SD_BUS_PROPERTY("Members", "t", get_members, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Successors", "as", get_successors, 0,
                SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Predecessor", "s", get_predecessor, 0,
                SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Position", "s", get_position, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END,
};
/* clang-format on */
