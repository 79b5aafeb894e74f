/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Committed changes as journal entries */
#include <stdio.h>

#include "daemon/publish-journal.h"
#include "os/journal.h"

#define INFO "6"
#define NOTICE "5"
#define WARNING "4"

void publish_journal_message(
        struct journal *j, enum store_keep keep, const struct message_record *m)
{
        char address[ENDPOINT_STRING_MAX], id[ULID_STRING_SIZE], sentence[256];
        bool sent = m->direction == DIRECTION_SENT;
        struct journal_field fields[11];
        size_t n = 0;

        if (!j || keep == STORE_KEEP_NONE)
                return;
        endpoint_format(&m->endpoint, address);
        ulid_format(&m->id, id);
        (void)snprintf(sentence, sizeof sentence,
                sent ? "Message to %s (%s)" : "Message from %s (%s)", m->name, address);

        fields[n++] = JOURNAL_FIELD("MESSAGE_ID", JOURNAL_ID_MESSAGE);
        fields[n++] = JOURNAL_FIELD("PRIORITY", INFO);
        fields[n++] = JOURNAL_FIELD("MESSAGE", sentence);
        fields[n++] = JOURNAL_FIELD("P2PCHAT_DIRECTION", direction_word(m->direction));
        fields[n++] = JOURNAL_FIELD("P2PCHAT_USER", m->name);
        fields[n++] = JOURNAL_FIELD("P2PCHAT_USER_ID", ""); /* classic peers prove none */
        fields[n++] = JOURNAL_FIELD("P2PCHAT_ADDRESS", address);
        fields[n++] = JOURNAL_FIELD("P2PCHAT_MESSAGE_ID", id);
        fields[n++] = JOURNAL_FIELD("P2PCHAT_SECURITY", security_word(m->security));
        if (keep == STORE_KEEP_FULL)
                fields[n++] = (struct journal_field){
                        .name = "P2PCHAT_MESSAGE", .value = m->text, .size = m->size
                };
        journal_send(j, fields, n);
}

void publish_journal_presence(struct journal *j, const struct change_presence *p)
{
        char sentence[256];

        (void)snprintf(sentence, sizeof sentence, "%s is %s", p->user, presence_word(p->presence));
        journal_send(j,
                (const struct journal_field[]){
                        JOURNAL_FIELD("MESSAGE_ID", JOURNAL_ID_PRESENCE),
                        JOURNAL_FIELD("PRIORITY", INFO),
                        JOURNAL_FIELD("MESSAGE", sentence),
                        JOURNAL_FIELD("P2PCHAT_USER", p->user),
                        JOURNAL_FIELD("P2PCHAT_STATE", presence_word(p->presence)),
                },
                5);
}

void publish_journal_warning(struct journal *j, const struct change_warning *w)
{
        bool is_limit = streq(w->kind, "Limit");

        journal_send(j,
                (const struct journal_field[]){
                        JOURNAL_FIELD(
                                "MESSAGE_ID", is_limit ? JOURNAL_ID_LIMIT : JOURNAL_ID_WARNING),
                        JOURNAL_FIELD("PRIORITY", is_limit ? NOTICE : WARNING),
                        JOURNAL_FIELD("MESSAGE", w->sentence),
                        JOURNAL_FIELD("P2PCHAT_KIND", w->kind),
                        JOURNAL_FIELD("P2PCHAT_USER", w->user),
                },
                5);
}

void publish_journal_store(struct journal *j, const char *sentence)
{
        journal_send(j,
                (const struct journal_field[]){
                        JOURNAL_FIELD("MESSAGE_ID", JOURNAL_ID_STORE),
                        JOURNAL_FIELD("PRIORITY", WARNING),
                        JOURNAL_FIELD("MESSAGE", sentence),
                },
                3);
}
