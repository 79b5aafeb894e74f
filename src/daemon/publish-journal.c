/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Committed changes as journal entries */
#include <inttypes.h>
#include <stdio.h>

#include "daemon/publish-journal.h"
#include "os/journal.h"

#define INFO "6"
#define NOTICE "5"
#define WARNING "4"
#define DEBUG "7"

void publish_journal_message(struct journal *j, enum store_keep keep,
        const struct message_record *m, const char *user_id, const char *group)
{
        char address[ENDPOINT_STRING_MAX], id[ULID_STRING_SIZE], sentence[256];
        bool sent = m->direction == DIRECTION_SENT;
        struct journal_field fields[12];
        size_t n = 0;

        if (!j || keep == STORE_KEEP_NONE)
                return;
        endpoint_format(&m->endpoint, address);
        ulid_format(&m->id, id);
        if (group[0] && sent)
                (void)snprintf(sentence, sizeof sentence, "Message to %s", group);
        else if (group[0])
                (void)snprintf(sentence, sizeof sentence, "Message from %s to %s", m->name, group);
        else
                (void)snprintf(sentence, sizeof sentence,
                        sent ? "Message to %s (%s)" : "Message from %s (%s)", m->name, address);

        fields[n++] = JOURNAL_FIELD("MESSAGE_ID", JOURNAL_ID_MESSAGE);
        fields[n++] = JOURNAL_FIELD("PRIORITY", INFO);
        fields[n++] = JOURNAL_FIELD("MESSAGE", sentence);
        fields[n++] = JOURNAL_FIELD("P2PCHAT_DIRECTION", direction_word(m->direction));
        fields[n++] = JOURNAL_FIELD("P2PCHAT_USER", m->name);
        fields[n++] = JOURNAL_FIELD("P2PCHAT_USER_ID", user_id);
        fields[n++] = JOURNAL_FIELD("P2PCHAT_ADDRESS", address);
        fields[n++] = JOURNAL_FIELD("P2PCHAT_MESSAGE_ID", id);
        fields[n++] = JOURNAL_FIELD("P2PCHAT_SECURITY", security_word(m->security));
        if (group[0])
                fields[n++] = JOURNAL_FIELD("P2PCHAT_GROUP", group);
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

static const char *warning_id(const char *kind)
{
        static const struct {
                const char *kind, *id;
        } ids[] = {
                { "Limit", JOURNAL_ID_LIMIT },
                { "KeyChanged", JOURNAL_ID_KEY_CHANGED },
                { "Namesake", JOURNAL_ID_NAMESAKE },
                { "Clone", JOURNAL_ID_CLONE },
        };

        for (size_t i = 0; i < ELEMENTSOF(ids); i++)
                if (streq(ids[i].kind, kind))
                        return ids[i].id;
        return JOURNAL_ID_WARNING;
}

void publish_journal_warning(struct journal *j, const struct change_warning *w)
{
        bool is_limit = streq(w->kind, "Limit");

        journal_send(j,
                (const struct journal_field[]){
                        JOURNAL_FIELD("MESSAGE_ID", warning_id(w->kind)),
                        JOURNAL_FIELD("PRIORITY", is_limit ? NOTICE : WARNING),
                        JOURNAL_FIELD("MESSAGE", w->sentence),
                        JOURNAL_FIELD("P2PCHAT_KIND", w->kind),
                        JOURNAL_FIELD("P2PCHAT_USER", w->user),
                },
                5);
}

void publish_session_sentence(const struct change_session *s, char ret[static PUBLISH_SESSION_SIZE])
{
        char address[ENDPOINT_STRING_MAX];

        (void)snprintf(ret, PUBLISH_SESSION_SIZE,
                "Session with %s at %s, dialled %s: %s; sent %" PRIu64 " messages in %" PRIu64
                " frames, key changed %" PRIu64 " times; received %" PRIu64 " messages in %" PRIu64
                " frames, key changed %" PRIu64 " times",
                s->user[0] ? s->user : "nobody proven", endpoint_format(&s->endpoint, address),
                s->is_ours ? "here" : "there", s->what, s->sent.n_messages, s->sent.n_frames,
                s->sent.n_rotations, s->received.n_messages, s->received.n_frames,
                s->received.n_rotations);
}

void publish_journal_session(
        struct journal *j, const struct change_session *s, const char *sentence)
{
        const struct {
                const char *name;
                uint64_t value;
        } counters[] = {
                { "P2PCHAT_SENT_MESSAGES", s->sent.n_messages },
                { "P2PCHAT_SENT_FRAMES", s->sent.n_frames },
                { "P2PCHAT_SENT_KEY_CHANGES", s->sent.n_rotations },
                { "P2PCHAT_RECEIVED_MESSAGES", s->received.n_messages },
                { "P2PCHAT_RECEIVED_FRAMES", s->received.n_frames },
                { "P2PCHAT_RECEIVED_KEY_CHANGES", s->received.n_rotations },
        };
        char address[ENDPOINT_STRING_MAX], numbers[ELEMENTSOF(counters)][24];
        struct journal_field fields[7 + ELEMENTSOF(counters)];
        size_t n = 0;

        fields[n++] = JOURNAL_FIELD("MESSAGE_ID", JOURNAL_ID_SESSION);
        fields[n++] = JOURNAL_FIELD("PRIORITY", DEBUG);
        fields[n++] = JOURNAL_FIELD("MESSAGE", sentence);
        fields[n++] = JOURNAL_FIELD("P2PCHAT_USER", s->user);
        fields[n++] = JOURNAL_FIELD("P2PCHAT_ADDRESS", endpoint_format(&s->endpoint, address));
        fields[n++] = JOURNAL_FIELD("P2PCHAT_SESSION", s->what);
        fields[n++] = JOURNAL_FIELD("P2PCHAT_DIALLED", s->is_ours ? "here" : "there");
        for (size_t i = 0; i < ELEMENTSOF(counters); i++) {
                (void)snprintf(numbers[i], sizeof numbers[i], "%" PRIu64, counters[i].value);
                fields[n++] = JOURNAL_FIELD(counters[i].name, numbers[i]);
        }
        journal_send(j, fields, n);
}

void publish_journal_invited(struct journal *j, const struct change_invited *i)
{
        char sentence[256];

        (void)snprintf(sentence, sizeof sentence, "%s invites this machine to the group %s", i->by,
                i->word);
        journal_send(j,
                (const struct journal_field[]){
                        JOURNAL_FIELD("MESSAGE_ID", JOURNAL_ID_INVITED),
                        JOURNAL_FIELD("PRIORITY", INFO),
                        JOURNAL_FIELD("MESSAGE", sentence),
                        JOURNAL_FIELD("P2PCHAT_USER", i->by),
                        JOURNAL_FIELD("P2PCHAT_GROUP", i->word),
                        JOURNAL_FIELD("P2PCHAT_GROUP_ID", i->id),
                },
                6);
}

void publish_journal_certified(struct journal *j, const struct change_certified *c)
{
        char sentence[128];

        (void)snprintf(
                sentence, sizeof sentence, "The name %s is registered to %s", c->name, c->id);
        journal_send(j,
                (const struct journal_field[]){
                        JOURNAL_FIELD("MESSAGE_ID", JOURNAL_ID_CERTIFIED),
                        JOURNAL_FIELD("PRIORITY", INFO),
                        JOURNAL_FIELD("MESSAGE", sentence),
                        JOURNAL_FIELD("P2PCHAT_USER", c->name),
                        JOURNAL_FIELD("P2PCHAT_USER_ID", c->id),
                },
                5);
}

void publish_journal_file(struct journal *j, const struct change_file *f)
{
        bool is_offer = f->news == FILE_NEWS_OFFERED, is_done = f->reason == TRANSFER_DONE;
        const char *state = is_offer ? "offered" : is_done ? "done" : "failed";
        char sentence[SENTENCE_SIZE], size[24];

        (void)snprintf(sentence, sizeof sentence, "File \"%.255s\" %s %.100s: %s", f->name,
                f->is_outgoing ? "to" : "from", f->user, state);
        (void)snprintf(size, sizeof size, "%" PRIu64, f->size);
        journal_send(j,
                (const struct journal_field[]){
                        JOURNAL_FIELD("MESSAGE_ID", JOURNAL_ID_FILE),
                        JOURNAL_FIELD("PRIORITY", is_offer || is_done ? INFO : NOTICE),
                        JOURNAL_FIELD("MESSAGE", sentence),
                        JOURNAL_FIELD("P2PCHAT_DIRECTION",
                                direction_word(
                                        f->is_outgoing ? DIRECTION_SENT : DIRECTION_RECEIVED)),
                        JOURNAL_FIELD("P2PCHAT_USER", f->user),
                        JOURNAL_FIELD("P2PCHAT_FILE", f->name),
                        JOURNAL_FIELD("P2PCHAT_FILE_ID", f->id),
                        JOURNAL_FIELD("P2PCHAT_FILE_SIZE", size),
                        JOURNAL_FIELD("P2PCHAT_STATE", state),
                        JOURNAL_FIELD("P2PCHAT_SECURITY", security_word(f->security)),
                },
                10);
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
