/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The words of records */
#include "core/node/record.h"

static const char *const security_words[N_SECURITIES] = {
        [SECURITY_PLAIN] = "plain",
        [SECURITY_LEGACY] = "legacy",
        [SECURITY_UNPROVEN] = "unproven",
        [SECURITY_ENCRYPTED] = "encrypted",
        [SECURITY_CERTIFIED] = "certified",
        [SECURITY_VERIFIED] = "verified",
};

static const char *const message_state_words[N_MESSAGE_STATES] = {
        [MESSAGE_QUEUED] = "queued",
        [MESSAGE_SENT] = "sent",
        [MESSAGE_DELIVERED] = "delivered",
        [MESSAGE_FAILED] = "failed",
        [MESSAGE_CANCELLED] = "cancelled",
        [MESSAGE_RECEIVED] = "received",
        [MESSAGE_MUTED] = "muted",
};

static const char *const presence_words[N_PRESENCES] = {
        [PRESENCE_OFFLINE] = "offline",
        [PRESENCE_AWAY] = "away",
        [PRESENCE_ONLINE] = "online",
};

const char *direction_word(enum direction d)
{
        return d == DIRECTION_SENT ? "sent" : "received";
}

const char *security_word(enum security s)
{
        return security_words[s];
}

const char *message_state_word(enum message_state s)
{
        return message_state_words[s];
}

const char *presence_word(enum presence p)
{
        return presence_words[p];
}

int security_from_word(const char *word)
{
        for (int i = 0; i < N_SECURITIES; i++)
                if (streq(word, security_words[i]))
                        return i;
        return -EINVAL;
}
