/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Committed changes, as log lines, journal entries and signals */
#include "daemon/bus.h"
#include "daemon/history-log.h"
#include "daemon/manager.h"
#include "daemon/publish-journal.h"
#include "os/log.h"

static void publish_message(struct manager *m, const struct message_record *message)
{
        bool is_group = message->author_id[0];
        const char *id = is_group ? message->author_id : node_user_id(m->node, message->peer);
        char word[WORD_SIZE] = "";

        if (is_group)
                node_word(m->node, message->peer, message->name, &message->endpoint, m->now, word);
        history_log_add(m->memory.log, message);
        publish_journal_message(m->journal, m->memory.keep, message, id, word);
        bus_signal_message(m->bus, message);
}

/* Counters, for whoever looks into how sessions go. */
static void publish_session(struct manager *m, const struct change_session *session)
{
        char sentence[PUBLISH_SESSION_SIZE];

        if (log_get_level() < LOG_DEBUG)
                return;
        publish_session_sentence(session, sentence);
        publish_journal_session(m->journal, session, sentence);
        if (!log_is_journal())
                log_debug("%s", sentence);
}

void manager_publish(struct manager *m, const struct store_event *event)
{
        char id[ULID_STRING_SIZE];

        switch (event->type) {
        case STORE_EVENT_MESSAGE:
                publish_message(m, &event->message);
                return;
        case STORE_EVENT_STATE:
                if (event->state.state == MESSAGE_FAILED)
                        log_warning("Message %s will not be sent: %s",
                                ulid_format(&event->state.id, id), event->state.reason);
                bus_signal_state(m->bus, &event->state.id, event->state.state, event->state.reason);
                return;
        case STORE_EVENT_PRESENCE:
                publish_journal_presence(m->journal, &event->presence);
                bus_signal_presence(m->bus, &event->presence);
                return;
        case STORE_EVENT_WARNING:
                publish_journal_warning(m->journal, &event->warning);
                if (!log_is_journal()) /* somebody looks at the terminal */
                        log_warning("%s", event->warning.sentence);
                bus_signal_warning(m->bus, &event->warning);
                return;
        case STORE_EVENT_USERNAME:
                log_info("Our name is %s now.", event->text);
                bus_signal_username(m->bus);
                return;
        case STORE_EVENT_SESSION:
                publish_session(m, &event->session);
                return;
        case STORE_EVENT_CERTIFIED:
                publish_journal_certified(m->journal, &event->certified);
                bus_signal_certified(m->bus, &event->certified);
                return;
        case STORE_EVENT_INVITED:
                publish_journal_invited(m->journal, &event->invited);
                bus_signal_invited(m->bus, &event->invited);
                return;
        case STORE_EVENT_FILE:
                files_publish(&m->files, &event->file);
                return;
        case STORE_EVENT_KNOWN: /* an input of the node, not news: flush.c */
                return;
        }
}
