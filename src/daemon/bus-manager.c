/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The main interface: its vtable, its properties, its errors */
#include <stdarg.h>
#include <stdio.h>

#include "bus/names.h"
#include "daemon/bus-private.h"
#include "os/log.h"

/*
 * Errors and texts
 */
int bus_set_error(sd_bus_error *error, enum bus_outcome outcome, const char *format, ...)
{
        char sentence[SENTENCE_SIZE];
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(sentence, sizeof sentence, format, ap);
        va_end(ap);
        /* With half a character in it, cut out of a word, it could not be sent at all. */
        utf8_repair(sentence);
        return sd_bus_error_set(error, bus_error_name(outcome), sentence);
}

static enum bus_outcome outcome_from_refusal(enum refusal_code code)
{
        switch (code) {
        case REFUSAL_UNKNOWN_USER:
                return BUS_UNKNOWN_USER;
        case REFUSAL_AMBIGUOUS_USER:
                return BUS_AMBIGUOUS_USER;
        case REFUSAL_NOT_SECURE:
                return BUS_NOT_SECURE;
        case REFUSAL_BLOCKED:
                return BUS_BLOCKED;
        case REFUSAL_INVALID_TEXT:
                return BUS_INVALID_TEXT;
        case REFUSAL_TOO_LARGE:
                return BUS_TOO_LARGE;
        case REFUSAL_QUEUE_FULL:
                return BUS_QUEUE_FULL;
        case REFUSAL_INVALID_NAME:
                return BUS_INVALID_NAME;
        case REFUSAL_NO_SUCH_MESSAGE:
                return BUS_NO_SUCH_MESSAGE;
        case REFUSAL_CANNOT_CHAT:
                return BUS_CANNOT_CHAT;
        case REFUSAL_NOT_REACHABLE:
                return BUS_NOT_REACHABLE;
        case REFUSAL_NAME_TAKEN:
                return BUS_NAME_TAKEN;
        case REFUSAL_FINGERPRINT_MISMATCH:
                return BUS_FINGERPRINT_MISMATCH;
        case REFUSAL_NO_SUCH_TRANSFER:
                return BUS_NO_SUCH_TRANSFER;
        case REFUSAL_INVALID_ARGUMENT:
                return BUS_INVALID_ARGS;
        case N_REFUSALS:
                break;
        }
        return BUS_OTHER;
}

int bus_set_refusal(sd_bus_error *error, int code, const struct refusal *refusal)
{
        return bus_set_error(
                error, outcome_from_refusal((enum refusal_code)code), "%s", refusal->sentence);
}

static int hold_until_committed(struct bus *b, sd_bus_message *call, sd_bus_message *reply)
{
        struct held *h = calloc(1, sizeof *h);

        if (!h)
                return -ENOMEM;
        h->message = sd_bus_message_ref(call);
        h->reply = sd_bus_message_ref(reply);
        list_append(&b->done, &h->list);
        return 1;
}

int bus_finish(struct bus *b, sd_bus_message *call, int r, const struct refusal *refusal,
        sd_bus_error *error)
{
        if (r != 0)
                return r < 0 ? r : bus_set_refusal(error, r, refusal);
        return hold_until_committed(b, call, NULL);
}

int bus_finish_text(struct bus *b, sd_bus_message *call, int r, const struct refusal *refusal,
        const char *text, sd_bus_error *error)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;

        if (r != 0)
                return r < 0 ? r : bus_set_refusal(error, r, refusal);
        r = sd_bus_message_new_method_return(call, &reply);
        if (r >= 0)
                r = sd_bus_message_append(reply, "s", text);
        return r < 0 ? r : hold_until_committed(b, call, reply);
}

#define STORAGE_FULL_SENTENCE "The disk is full, so nothing can be kept: make room in %s."

int bus_check_space(const struct manager *m, sd_bus_error *error)
{
        int64_t space = memory_space(&m->memory);

        if (space >= 0 && space < MEMORY_SPACE_MIN)
                return bus_set_error(
                        error, BUS_STORAGE_FULL, STORAGE_FULL_SENTENCE, m->memory.state);
        return 0;
}

int bus_reply_storage_full(sd_bus_message *call)
{
        return sd_bus_reply_method_errorf(call, bus_error_name(BUS_STORAGE_FULL),
                STORAGE_FULL_SENTENCE, "the state directory of p2pchatd");
}

/* Libraries on the bus disagree about noncharacters, and a message that one of them refuses is lost
 * as a whole. */
const char *bus_user_id(const struct manager *m, const struct message_record *record)
{
        return record->author_id[0] ? record->author_id : node_user_id(m->node, record->peer);
}

char *bus_text(const char *s, size_t size)
{
        static const char replacement[] = "\xef\xbf\xbd";
        char *text = strndup(s, size);
        size_t left;
        uint32_t c;

        if (!text)
                return NULL;
        left = strlen(text);
        /* As long as the shortest of them: three bytes or four. */
        for (char *p = text; left > 0;) {
                int n = utf8_decode(p, left, &c);

                if (n <= 0)
                        break;
                if (codepoint_is_noncharacter(c)) {
                        memcpy(p, replacement, 3);
                        if (n == 4)
                                p[3] = '?';
                }
                p += n;
                left -= (size_t)n;
        }
        return text;
}

/*
 * Messages
 */
static int cancel_message(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        struct bus *b = userdata;
        struct manager *m = b->manager;
        struct refusal refusal;
        const char *word;
        struct ulid id;
        int r;

        r = sd_bus_message_read(call, "s", &word);
        if (r < 0)
                return r;
        if (ulid_parse(word, &id) < 0)
                return bus_set_error(error, BUS_NO_SUCH_MESSAGE,
                        "\"%.100s\" is no message id: those are 26 characters.", word);
        r = manager_take(m, node_cancel(m->node, &id, manager_now(m), &refusal));
        return bus_finish(b, call, r, &refusal, error);
}

/*
 * Properties
 */
static int get_username(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        struct bus *b = userdata;

        return sd_bus_message_append(reply, "s", node_username(b->manager->node));
}

/* The answer leaves when this returns, so the turn ends here. */
static int set_username(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *value, void *userdata, sd_bus_error *error)
{
        struct bus *b = userdata;
        struct manager *m = b->manager;
        struct refusal refusal;
        const char *username;
        int r;

        r = sd_bus_message_read(value, "s", &username);
        if (r < 0)
                return r;
        if (m->config.username[0])
                return bus_set_error(error, BUS_READ_ONLY,
                        "The configuration fixes the name: change [Identity] Username= in %s.",
                        m->settings->config);
        r = bus_check_space(m, error);
        if (r < 0)
                return r;
        r = manager_take(m, node_set_username(m->node, username, manager_now(m), &refusal));
        if (r != 0)
                return r < 0 ? r : bus_set_refusal(error, r, &refusal);
        return manager_flush(m);
}

static int get_id(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        struct bus *b = userdata;

        return sd_bus_message_append(reply, "s", b->manager->memory.identity.id);
}

static int get_fingerprint(sd_bus *bus, const char *path, const char *interface,
        const char *property, sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        char digits[FINGERPRINT_HALF_SIZE];
        struct bus *b = userdata;

        fingerprint_half(b->manager->memory.identity.public_key, digits);
        return sd_bus_message_append(reply, "s", digits);
}

static int get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        return sd_bus_message_append(reply, "s", P2PCHAT_VERSION);
}

static int get_features(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        const struct config *config = &((struct bus *)userdata)->manager->config;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        if (r >= 0)
                r = sd_bus_message_append(reply, "ss", "sessions", "classic");
        if (r >= 0 && config->second)
                r = sd_bus_message_append(reply, "s", "second");
        if (r >= 0 && config->node_port > 0)
                r = sd_bus_message_append(reply, "s", "third");
        if (r >= 0)
                r = sd_bus_message_append(reply, "s", "queue");
        if (r >= 0)
                r = sd_bus_message_append(reply, "s", "groups");
        if (r >= 0)
                r = sd_bus_message_append(reply, "s", "files");
        if (r >= 0 && config->ring)
                r = sd_bus_message_append(reply, "s", "ring");
        if (r >= 0 && config->ledger)
                r = sd_bus_message_append(reply, "s", "ledger");
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_last_sequence(sd_bus *bus, const char *path, const char *interface,
        const char *property, sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        struct bus *b = userdata;

        return sd_bus_message_append(reply, "t", store_last_sequence(b->manager->memory.store));
}

static int get_users_online(sd_bus *bus, const char *path, const char *interface,
        const char *property, sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        struct bus *b = userdata;

        return sd_bus_message_append(reply, "u", (uint32_t)node_users_online(b->manager->node));
}

static int get_messages_queued(sd_bus *bus, const char *path, const char *interface,
        const char *property, sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        struct bus *b = userdata;

        return sd_bus_message_append(reply, "u", (uint32_t)node_messages_queued(b->manager->node));
}

/*
 * What the bus sees, in the order of the documentation
 */
#define UNPRIVILEGED SD_BUS_VTABLE_UNPRIVILEGED

/* clang-format off */
const sd_bus_vtable bus_manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("ListUsers",
                SD_BUS_NO_ARGS,
                SD_BUS_RESULT("a(" P2PCHAT_BUS_USER_ROW ")", users),
                bus_list_users, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SendMessage",
                SD_BUS_ARGS("s", user, "s", text),
                SD_BUS_RESULT("s", id, "s", state),
                bus_send_message, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SendMessageFull",
                SD_BUS_ARGS("s", user, "s", text, "a{sv}", options),
                SD_BUS_RESULT("s", id, "s", state),
                bus_send_message, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("CancelMessage",
                SD_BUS_ARGS("s", id),
                SD_BUS_NO_RESULT,
                cancel_message, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetHistory",
                SD_BUS_ARGS("s", user, "u", limit),
                SD_BUS_RESULT("a(" P2PCHAT_BUS_MESSAGE_ROW ")", messages),
                bus_get_history, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetHistoryBefore",
                SD_BUS_ARGS("s", user, "t", sequence, "u", limit),
                SD_BUS_RESULT("a(" P2PCHAT_BUS_MESSAGE_ROW ")", messages),
                bus_get_history_before, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetHistorySince",
                SD_BUS_ARGS("s", user, "t", sequence, "u", limit),
                SD_BUS_RESULT("a(" P2PCHAT_BUS_MESSAGE_ROW ")", messages),
                bus_get_history_since, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SearchHistory",
                SD_BUS_ARGS("s", user, "s", text, "t", before, "u", limit),
                SD_BUS_RESULT("a(" P2PCHAT_BUS_MESSAGE_ROW ")", messages),
                bus_search_history, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Forget",
                SD_BUS_ARGS("s", user),
                SD_BUS_NO_RESULT,
                bus_forget, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("EndSession",
                SD_BUS_ARGS("s", user),
                SD_BUS_NO_RESULT,
                bus_end_session, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetStatus",
                SD_BUS_NO_ARGS,
                SD_BUS_RESULT("a{sv}", status),
                bus_get_status, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Diagnose",
                SD_BUS_NO_ARGS,
                SD_BUS_RESULT("a(" P2PCHAT_BUS_CHECK_ROW ")", checks),
                bus_diagnose, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Block",
                SD_BUS_ARGS("s", user),
                SD_BUS_NO_RESULT,
                bus_block, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Unblock",
                SD_BUS_ARGS("s", user),
                SD_BUS_NO_RESULT,
                bus_unblock, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Mute",
                SD_BUS_ARGS("s", user, "t", seconds),
                SD_BUS_NO_RESULT,
                bus_mute, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Unmute",
                SD_BUS_ARGS("s", user),
                SD_BUS_NO_RESULT,
                bus_unmute, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Trust",
                SD_BUS_ARGS("s", user),
                SD_BUS_NO_RESULT,
                bus_trust, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Verify",
                SD_BUS_ARGS("s", user, "s", digits),
                SD_BUS_NO_RESULT,
                bus_verify, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Alias",
                SD_BUS_ARGS("s", user, "s", name),
                SD_BUS_NO_RESULT,
                bus_alias, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetFingerprint",
                SD_BUS_ARGS("s", user),
                SD_BUS_RESULT("s", digits),
                bus_get_fingerprint, UNPRIVILEGED),

        SD_BUS_SIGNAL_WITH_ARGS("MessageReceived",
                SD_BUS_ARGS("t", sequence, "s", id, "s", conversation, "s", user, "s", text,
                            "t", time, "a{sv}", details), 0),
        SD_BUS_SIGNAL_WITH_ARGS("MessageStateChanged",
                SD_BUS_ARGS("s", id, "s", state, "s", reason), 0),
        SD_BUS_SIGNAL_WITH_ARGS("UserChanged", SD_BUS_ARGS("s", user, "s", id, "s", state), 0),
        SD_BUS_SIGNAL_WITH_ARGS("Warning",
                SD_BUS_ARGS("s", kind, "s", user, "s", sentence), 0),

        SD_BUS_WRITABLE_PROPERTY("Username", "s", get_username, set_username, 0,
                SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE | UNPRIVILEGED),
        SD_BUS_PROPERTY("Id", "s", get_id, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Fingerprint", "s", get_fingerprint, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Features", "as", get_features, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("LastSequence", "t", get_last_sequence, 0,
                SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("UsersOnline", "u", get_users_online, 0,
                SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("MessagesQueued", "u", get_messages_queued, 0,
                SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_VTABLE_END,
};
/* clang-format on */
