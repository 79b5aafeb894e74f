/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GetStatus: how it goes */
#include <inttypes.h>
#include <stdio.h>

#include "bus/names.h"
#include "daemon/bus-private.h"
#include "daemon/history-log.h"
#include "os/journal.h"
#include "os/socket.h"

int bus_append_text(sd_bus_message *reply, const char *key, const char *value)
{
        return sd_bus_message_append(reply, "{sv}", key, "s", value);
}

int bus_append_number(sd_bus_message *reply, const char *key, uint64_t value)
{
        return sd_bus_message_append(reply, "{sv}", key, "t", value);
}

int bus_append_count(sd_bus_message *reply, const char *key, size_t value)
{
        return sd_bus_message_append(reply, "{sv}", key, "u", (uint32_t)value);
}

int bus_answer_dictionary(sd_bus_message *call, struct manager *m, append_fn append)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(call, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r >= 0)
                r = append(reply, m);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static enum config_keep keep_in_force(const struct manager *m)
{
        switch (m->memory.keep) {
        case STORE_KEEP_FULL:
                return CONFIG_KEEP_FULL;
        case STORE_KEEP_SEALED:
                return CONFIG_KEEP_SEALED;
        case STORE_KEEP_NONE:
                return CONFIG_KEEP_NONE;
        }
        return CONFIG_KEEP_FULL;
}

/* name#id, by which others can name this machine without doubt. */
static int append_own_word(sd_bus_message *reply, const struct manager *m)
{
        char word[USERNAME_SIZE_MAX + 1 + ID_STRING_SIZE];

        (void)snprintf(word, sizeof word, "%s#%.8s", node_username(m->node), m->memory.identity.id);
        return bus_append_text(reply, "word", word);
}

static int append_sockets(sd_bus_message *reply, const struct manager *m)
{
        char text[80] = "";
        size_t used;

        used = (size_t)snprintf(text, sizeof text, "TCP %d", ENDPOINT_PORT_DEFAULT);
        if (m->third_listener.fd >= 0)
                used += (size_t)snprintf(
                        text + used, sizeof text - used, ", TCP %u", m->third_listener.port);
        for (enum dialect i = 0; i < N_DIALECTS; i++)
                if (m->datagrams.own[i].fd >= 0)
                        used += (size_t)snprintf(
                                text + used, sizeof text - used, ", UDP %u", datagrams_port(i));
        if (m->datagrams.ipv6.fd >= 0)
                (void)snprintf(text + used, sizeof text - used, ", UDP %u (IPv6)",
                        datagrams_port(DIALECT_CLASSIC));
        return bus_append_text(reply, "sockets", text);
}

static int append_ring(sd_bus_message *reply, const struct manager *m)
{
        struct ring_status ring;
        int r;

        node_ring_status(m->node, &ring);
        r = bus_append_text(reply, "ring-state", bus_ring_state(&ring));
        if (r >= 0)
                r = bus_append_number(reply, "ring-members", bus_ring_members(&ring));
        return r < 0 ? r
                     : sd_bus_message_append(
                               reply, "{sv}", "ring-joined", "b", ring.is_there && ring.is_joined);
}

static int append_ledger(sd_bus_message *reply, struct manager *m)
{
        struct ledger_status s = {};
        struct ledger_view view;
        int r;

        node_ledger_view(m->node, manager_now(m), &view);
        if (view.is_there && view.ledger)
                ledger_status(view.ledger, &s);
        r = bus_append_text(reply, "ledger-network", view.is_there ? view.network : "");
        if (r >= 0)
                r = bus_append_number(reply, "ledger-height", s.height);
        return r < 0 ? r
                     : bus_append_text(
                               reply, "ledger-registration", bus_ledger_registration(&view));
}

static int append_files(sd_bus_message *reply, const struct manager *m)
{
        struct files_usage u;
        int r;

        r = files_usage(&m->files, FILE_NOBODY, &u);
        if (r >= 0)
                r = bus_append_count(reply, "files", u.n_files);
        if (r >= 0)
                r = bus_append_number(reply, "files-size", u.files_size);
        if (r >= 0)
                r = bus_append_number(reply, "spool-size", u.spool_size);
        return r < 0 ? r : bus_append_number(reply, "spool-max", m->config.spool_max);
}

void bus_describe_mistakes(const struct manager *m, char ret[static SENTENCE_SIZE])
{
        unsigned n = m->config.n_mistakes;

        (void)snprintf(ret, SENTENCE_SIZE,
                "%u mistake%s in %s or its fragments, where defaults are used: see journalctl -u "
                "p2pchatd, correct %s, and restart p2pchatd.",
                n, n == 1 ? "" : "s", m->settings->config, n == 1 ? "it" : "them");
}

/* True when our identity is in use elsewhere. */
bool bus_describe_clone(const struct manager *m, char ret[static SENTENCE_SIZE])
{
        char address[ENDPOINT_STRING_MAX];
        struct endpoint at;

        if (!node_clone(m->node, &at))
                return false;
        (void)snprintf(ret, SENTENCE_SIZE,
                "The machine at %s has the same identity as this one, so messages may go to "
                "either: "
                "was it copied from this one? On one of the two run: p2pchat identity new.",
                endpoint_format(&at, address));
        return true;
}

static int append_warnings(sd_bus_message *reply, const struct manager *m)
{
        const char *trouble = history_log_trouble(m->memory.log);
        char sentence[SENTENCE_SIZE];
        int r;

        r = sd_bus_message_open_container(reply, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(reply, "s", "warnings");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "s");
        if (r >= 0 && m->memory.aside) {
                (void)snprintf(sentence, sizeof sentence,
                        "The database was damaged at this start; the old one is %s.",
                        m->memory.aside);
                r = sd_bus_message_append(reply, "s", sentence);
        }
        if (r >= 0 && trouble[0])
                r = sd_bus_message_append(reply, "s", trouble);
        if (r >= 0 && m->config.n_mistakes > 0) {
                bus_describe_mistakes(m, sentence);
                r = sd_bus_message_append(reply, "s", sentence);
        }
        if (r >= 0 && bus_describe_clone(m, sentence))
                r = sd_bus_message_append(reply, "s", sentence);
        for (int i = 0; r >= 0 && i < 3; i++)
                r = sd_bus_message_close_container(reply);
        return r;
}

/* Those that we are in, and those that wait for an answer. */
static int append_groups(sd_bus_message *reply, const struct manager *m)
{
        _cleanup_(freep)
        struct group_view *groups = NULL;
        size_t n, n_invited = 0;
        int r;

        r = node_list_groups(m->node, &groups, &n);
        for (size_t i = 0; r >= 0 && i < n; i++)
                n_invited += groups[i].is_invited;
        if (r >= 0)
                r = bus_append_count(reply, "groups", n - n_invited);
        return r < 0 ? r : bus_append_count(reply, "invitations", n_invited);
}

static int append_status(sd_bus_message *reply, struct manager *m)
{
        _cleanup_(freep)
        struct user *users = NULL;
        const struct memory *memory = &m->memory;
        const char *trouble = history_log_trouble(memory->log);
        size_t n_users;
        int r;

        r = node_list_users(m->node, manager_now(m), &users, &n_users);
        if (r >= 0)
                r = bus_append_text(reply, "username", node_username(m->node));
        if (r >= 0)
                r = bus_append_text(reply, "id", memory->identity.id);
        if (r >= 0)
                r = append_own_word(reply, m);
        if (r >= 0)
                r = bus_append_text(reply, "version", P2PCHAT_VERSION);
        if (r >= 0)
                r = bus_append_number(reply, "started", m->started_usec);
        if (r >= 0)
                r = bus_append_count(reply, "users-online", node_users_online(m->node));
        if (r >= 0)
                r = bus_append_count(reply, "users-known", n_users);
        if (r >= 0)
                r = bus_append_count(reply, "messages-queued", node_messages_queued(m->node));
        if (r >= 0)
                r = append_groups(reply, m);
        if (r >= 0)
                r = bus_append_count(reply, "links", node_links(m->node));
        if (r >= 0)
                r = bus_append_count(reply, "sessions", node_sessions(m->node));
        if (r >= 0)
                r = bus_append_number(reply, "last-sequence", store_last_sequence(memory->store));
        if (r >= 0)
                r = bus_append_text(reply, "keep", config_keep_word(keep_in_force(m)));
        if (r >= 0)
                r = bus_append_text(reply, "store", memory->database);
        if (r >= 0)
                r = bus_append_text(reply, "log",
                        memory->keep == STORE_KEEP_NONE ? "off"
                        : trouble[0]                    ? trouble
                                                        : memory->log_path);
        if (r >= 0)
                r = bus_append_number(
                        reply, "journal-lost", m->journal ? journal_n_lost(m->journal) : 0);
        if (r >= 0)
                r = append_sockets(reply, m);
        if (r >= 0)
                r = append_ring(reply, m);
        if (r >= 0)
                r = append_ledger(reply, m);
        if (r >= 0)
                r = append_files(reply, m);
        return r < 0 ? r : append_warnings(reply, m);
}

int bus_get_status(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        return bus_answer_dictionary(call, ((struct bus *)userdata)->manager, append_status);
}
