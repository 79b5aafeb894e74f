/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Diagnose: stage by stage, what keeps the chat from working, and what to do about it */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "bus/names.h"
#include "daemon/bus-private.h"
#include "daemon/history-log.h"
#include "os/journal.h"
#include "os/socket.h"

#define CLOCK_MIN_USEC (UINT64_C(1767225600) * USEC_PER_SEC) /* 2026: this program is no older */
#define SPACE_LOW (64 * 1024 * 1024)

#define OK "ok"
#define WARNING "warning"
#define FAILED "failed"

_printf_(4, 5) static int check(
        sd_bus_message *reply, const char *stage, const char *result, const char *format, ...)
{
        char sentence[SENTENCE_SIZE];
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(sentence, sizeof sentence, format, ap);
        va_end(ap);
        return sd_bus_message_append(reply, "(" P2PCHAT_BUS_CHECK_ROW ")", stage, result, sentence);
}

static int check_configuration(sd_bus_message *reply, struct manager *m)
{
        char sentence[SENTENCE_SIZE];

        if (m->config.n_mistakes == 0)
                return check(reply, "configuration", OK, "No mistake in %s or its fragments.",
                        m->settings->config);
        bus_describe_mistakes(m, sentence);
        return check(reply, "configuration", WARNING, "%s", sentence);
}

static int check_interface(sd_bus_message *reply, struct manager *m)
{
        size_t n = network_n_announcing(&m->network);

        if (n > 0)
                return check(reply, "interface", OK, "Announcing from %zu address%s.", n,
                        n == 1 ? "" : "es");
        return check(reply, "interface", WARNING,
                "No network interface is up and can broadcast, so nobody is found: connect the "
                "machine, or name peers in [Lan] Peers=.");
}

static int check_port(sd_bus_message *reply, struct manager *m)
{
        struct endpoint own = {};
        char address[ENDPOINT_STRING_MAX];

        if (socket_own_endpoint(m->listener.fd, &own) < 0)
                return check(reply, "port", FAILED,
                        "TCP port %d is not open: restart p2pchatd.socket.", ENDPOINT_PORT_DEFAULT);
        return check(reply, "port", OK, "Chats are taken on TCP port %u of %s.", own.port,
                m->settings->bind.family == ENDPOINT_NONE ? "all addresses"
                                                          : endpoint_format_address(&own, address));
}

static int check_listening(sd_bus_message *reply, struct manager *m)
{
        bool classic = m->datagrams.own[DIALECT_CLASSIC].fd >= 0;
        bool second = m->datagrams.own[DIALECT_SECOND].fd >= 0;

        if (!classic)
                return check(reply, "listening", FAILED,
                        "UDP port 6000 is not open, so nobody is heard: see which program has it "
                        "(ss -lupn), end that, and restart p2pchatd.");
        if (m->config.second && !second)
                return check(reply, "listening", WARNING,
                        "UDP port 6004 is not open, so peers of the second dialect are not heard: "
                        "see which program has it (ss -lupn), or set [Legacy] Second=no.");
        if (m->config.node_port > 0 && m->third_listener.fd < 0)
                return check(reply, "listening", WARNING,
                        "TCP port %u is not open, so nodes of the third dialect find nobody here: "
                        "see which program has it (ss -ltnp), or set another [Legacy] NodePort=.",
                        m->third_listener.port);
        return check(reply, "listening", OK, "Announcements are heard on UDP port 6000%s.",
                second ? " and 6004" : "");
}

static int check_announcing(sd_bus_message *reply, struct manager *m)
{
        int e = m->datagrams.send_error[DIALECT_CLASSIC];

        if (!m->config.announce)
                return check(reply, "announcing", WARNING,
                        "Others do not see this machine: [Lan] Announce=no.");
        if (e < 0)
                return check(reply, "announcing", WARNING,
                        "The last announcement did not go out: %s. Look at the network and the "
                        "firewall.",
                        strerror(-e));
        if (m->datagrams.sent_usec[DIALECT_CLASSIC] == 0)
                return check(reply, "announcing", WARNING, "Nothing has been announced yet.");
        return check(reply, "announcing", OK, "Others hear this machine as \"%s\".",
                node_username(m->node));
}

static int check_heard(sd_bus_message *reply, struct manager *m)
{
        size_t n = node_users_online(m->node);

        if (n > 0)
                return check(reply, "heard", OK, "%zu user%s online.", n, n == 1 ? " is" : "s are");
        return check(reply, "heard", WARNING,
                "Nobody is heard at present. If somebody should be: is UDP port 6000 open in both "
                "firewalls, and is it the same network? Else name the address in [Lan] Peers=.");
}

/* Announcements come by UDP, chats go by TCP: a firewall may let through the one alone. */
static int check_reached(sd_bus_message *reply, struct manager *m)
{
        _cleanup_(freep)
        struct user *users = NULL;
        const struct user *first = NULL;
        char address[ENDPOINT_STRING_MAX], word[WORD_SIZE];
        size_t n, count = 0;
        int r;

        r = node_list_users(m->node, manager_now(m), &users, &n);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++)
                if (users[i].is_deaf && users[i].presence == PRESENCE_ONLINE) {
                        first = first ? first : &users[i];
                        count++;
                }
        if (!first)
                return check(reply, "reached", OK, "Nobody who is heard refuses connections.");
        return check(reply, "reached", WARNING,
                "%s at %s%s is heard, but takes no connection: is p2pchatd.socket active there, "
                "and "
                "TCP port %u open in its firewall? What is for it waits.",
                node_word(m->node, first->number, NULL, NULL, manager_now(m), word),
                endpoint_format(&first->endpoint, address), count > 1 ? ", as others," : "",
                first->endpoint.port);
}

static int check_keys(sd_bus_message *reply, struct manager *m)
{
        _cleanup_(freep)
        struct user *users = NULL;
        char address[ENDPOINT_STRING_MAX], word[WORD_SIZE];
        size_t n;
        int r;

        r = node_list_users(m->node, manager_now(m), &users, &n);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                if (!users[i].namesake || !users[i].id[0] || users[i].blocked ||
                        users[i].presence == PRESENCE_OFFLINE)
                        continue;
                node_word(m->node, users[i].number, NULL, NULL, manager_now(m), word);
                return check(reply, "keys", WARNING,
                        "%s at %s bears the name of a contact, with another key, and gets nothing "
                        "of "
                        "what is for that. If it is the same person, compare fingerprints "
                        "(\"p2pchat "
                        "fingerprint %s\"), then \"p2pchat trust %s\"; else block it.",
                        word, endpoint_format(&users[i].endpoint, address), word, word);
        }
        return check(reply, "keys", OK, "Nobody bears the name of a contact with another key.");
}

/* Far away, and not only on the local network, where the ring comes together by itself. */
static int check_joined(sd_bus_message *reply, const struct ring_status *ring)
{
        if (ring->chord.successors.n == 0 && ring->n_sessions == 0)
                return check(reply, "ring", WARNING,
                        "Nobody of the ring is reached, so users far away are not found: look at "
                        "the network, or name a machine that runs: p2pchat join HOST.");
        if (ring->chord.state == CHORD_CLIENT)
                return check(reply, "ring", WARNING,
                        "Nobody reaches this machine from outside, so others find it but cannot "
                        "call it: let TCP port %d in at the firewall or the router.",
                        ENDPOINT_PORT_DEFAULT);
        if (ring->chord.state == CHORD_JOINING)
                return check(reply, "ring", OK, "The place in the ring is being taken.");
        return check(reply, "ring", OK, "A member of a ring of about %" PRIu64 " machines.",
                bus_ring_members(ring));
}

static int check_ring(sd_bus_message *reply, struct manager *m)
{
        struct ring_status ring;

        node_ring_status(m->node, &ring);
        if (!m->config.ring)
                return check(reply, "ring", OK, "No part is taken in a ring: [Ring] Enabled=no.");
        if (ring.is_there && ring.is_joined)
                return check_joined(reply, &ring);
        return check(reply, "ring", OK,
                "The ring is that of the local network; users beyond are found after p2pchat join "
                "HOST.");
}

static int check_ledger(sd_bus_message *reply, struct manager *m)
{
        struct ledger_status s;
        struct ledger_view view;

        node_ledger_view(m->node, manager_now(m), &view);
        if (!view.is_there)
                return check(reply, "ledger", OK, "No part is taken in it: [Ledger] Enabled=no.");
        if (!view.ledger)
                return check(reply, "ledger", WARNING,
                        "The ledger %s is not here yet, so nobody is certified: it comes from the "
                        "first machine met that is in it.",
                        view.network);
        if (view.disputed[0])
                return check(reply, "ledger", WARNING, "%s", view.disputed);
        ledger_status(view.ledger, &s);
        return check(reply, "ledger", OK, "%s has %zu name%s in %" PRIu32 " block%s%s.",
                view.network, s.n_names, s.n_names == 1 ? "" : "s", s.height,
                s.height == 1 ? "" : "s", s.is_catching_up ? "; more are on their way" : "");
}

static int check_identity(sd_bus_message *reply, struct manager *m)
{
        char sentence[SENTENCE_SIZE];

        if (bus_describe_clone(m, sentence))
                return check(reply, "identity", WARNING, "%s", sentence);
        return check(reply, "identity", OK, "No other machine has shown the identity of this one.");
}

static int check_store(sd_bus_message *reply, struct manager *m)
{
        int64_t space = memory_space(&m->memory);

        if (m->memory.aside)
                return check(reply, "store", WARNING,
                        "The database was damaged at this start, and the old history is in %s.",
                        m->memory.aside);
        if (space >= 0 && space < SPACE_LOW)
                return check(reply, "store", space < MEMORY_SPACE_MIN ? FAILED : WARNING,
                        "Only %" PRId64 " KiB are free for %s: make room on that disk.",
                        space / 1024, m->memory.database);
        return check(reply, "store", OK, "%s is open; its newest message is number %" PRIu64 ".",
                m->memory.database, store_last_sequence(m->memory.store));
}

static int check_log(sd_bus_message *reply, struct manager *m)
{
        const char *trouble = history_log_trouble(m->memory.log);

        if (m->memory.keep == STORE_KEEP_NONE)
                return check(reply, "log", OK, "No log file is written: [History] Keep=none.");
        if (trouble[0])
                return check(reply, "log", WARNING,
                        "%s. Nothing is lost: what is missing is written when that is mended.",
                        trouble);
        return check(reply, "log", OK, "%s is written.", m->memory.log_path);
}

static int check_journal(sd_bus_message *reply, struct manager *m)
{
        uint64_t lost = m->journal ? journal_n_lost(m->journal) : 0;

        if (!m->journal)
                return check(reply, "journal", WARNING, "The system journal cannot be reached.");
        if (lost > 0)
                return check(reply, "journal", WARNING,
                        "The system journal did not take %" PRIu64
                        " entries; the log file has them.",
                        lost);
        return check(reply, "journal", OK, "Messages are copied to the system journal.");
}

static int check_spool(sd_bus_message *reply, struct manager *m)
{
        char used[SIZE_STRING_MAX], max[SIZE_STRING_MAX];
        struct files_usage u;
        int r;

        r = files_usage(&m->files, FILE_NOBODY, &u);
        if (r < 0)
                return r;
        size_format(u.spool_size, used);
        size_format(m->config.spool_max, max);
        if (u.spool_size >= m->config.spool_max / 10 * 9)
                return check(reply, "spool", WARNING,
                        "Files under way take %s of the %s that they may: see p2pchat file list, "
                        "accept or cancel some, or raise [Limits] SpoolTotal=.",
                        used, max);
        return check(reply, "spool", OK, "Files under way take %s of %s.", used, max);
}

static int check_clock(sd_bus_message *reply, struct manager *m)
{
        if (manager_now(m).real_usec < CLOCK_MIN_USEC)
                return check(reply, "clock", WARNING,
                        "The clock of this machine is wrong, and so are the times of messages: "
                        "timedatectl set-ntp true.");
        return check(reply, "clock", OK, "The clock is plausible.");
}

int bus_diagnose(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        static int (*const checks[])(sd_bus_message *, struct manager *) = { check_configuration,
                check_interface, check_port, check_listening, check_announcing, check_heard,
                check_reached, check_keys, check_ring, check_ledger, check_identity, check_store,
                check_log, check_journal, check_spool, check_clock };
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        struct bus *b = userdata;
        int r;

        r = sd_bus_message_new_method_return(call, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(" P2PCHAT_BUS_CHECK_ROW ")");
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(checks); i++)
                r = checks[i](reply, b->manager);
        if (r >= 0)
                r = check(reply, "bus", OK, "The name " P2PCHAT_BUS_NAME " is ours.");
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}
