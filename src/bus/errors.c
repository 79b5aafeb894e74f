/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Outcomes of calls and their names on the bus */

#include "bus/errors.h"

#include <string.h>

#include "bus/names.h"

#define ERROR(word) P2PCHAT_BUS_ERROR_PREFIX word

static const char *const names[_BUS_OUTCOME_MAX] = {
        [BUS_UNKNOWN_USER] = ERROR("UnknownUser"),
        [BUS_AMBIGUOUS_USER] = ERROR("AmbiguousUser"),
        [BUS_NOT_REACHABLE] = ERROR("NotReachable"),
        [BUS_KEY_CHANGED] = ERROR("KeyChanged"),
        [BUS_NOT_SECURE] = ERROR("NotSecure"),
        [BUS_BLOCKED] = ERROR("Blocked"),
        [BUS_INVALID_TEXT] = ERROR("InvalidText"),
        [BUS_TOO_LARGE] = ERROR("TooLarge"),
        [BUS_QUEUE_FULL] = ERROR("QueueFull"),
        [BUS_INVALID_NAME] = ERROR("InvalidName"),
        [BUS_NAME_TAKEN] = ERROR("NameTaken"),
        [BUS_NO_SUCH_MESSAGE] = ERROR("NoSuchMessage"),
        [BUS_NO_SUCH_TRANSFER] = ERROR("NoSuchTransfer"),
        [BUS_FINGERPRINT_MISMATCH] = ERROR("FingerprintMismatch"),
        [BUS_STORAGE_FULL] = ERROR("StorageFull"),
        [BUS_CANNOT_CHAT] = ERROR("CannotChat"),

        [BUS_NO_SERVICE] = SD_BUS_ERROR_SERVICE_UNKNOWN,
        [BUS_ACCESS_DENIED] = SD_BUS_ERROR_ACCESS_DENIED,
        [BUS_READ_ONLY] = SD_BUS_ERROR_PROPERTY_READ_ONLY,
        [BUS_INVALID_ARGS] = SD_BUS_ERROR_INVALID_ARGS,
        [BUS_LIMIT] = SD_BUS_ERROR_LIMITS_EXCEEDED,
        [BUS_TIMEOUT] = SD_BUS_ERROR_NO_REPLY,
};

/* Other spellings of what the last group means. A last character "." marks a prefix: the bus
 * passes on why systemd or the broker could not start the service. */
static const struct {
        const char *name;
        enum bus_outcome outcome;
} synonyms[] = {
        { SD_BUS_ERROR_NAME_HAS_NO_OWNER, BUS_NO_SERVICE },
        { SD_BUS_ERROR_NO_SERVER, BUS_NO_SERVICE },
        { SD_BUS_ERROR_DISCONNECTED, BUS_NO_SERVICE },
        { SD_BUS_ERROR_FILE_NOT_FOUND, BUS_NO_SERVICE },
        { "org.freedesktop.DBus.Error.Spawn.", BUS_NO_SERVICE },
        { "org.freedesktop.systemd1.", BUS_NO_SERVICE },
        { SD_BUS_ERROR_TIMEOUT, BUS_TIMEOUT },
        { "org.freedesktop.DBus.Error.TimedOut", BUS_TIMEOUT },
};

const char *bus_error_name(enum bus_outcome outcome)
{
        const char *name = outcome >= 0 && outcome < _BUS_OUTCOME_MAX ? names[outcome] : NULL;

        return name ? name : SD_BUS_ERROR_FAILED;
}

enum bus_outcome bus_outcome_from_error(const sd_bus_error *error)
{
        if (!error || !error->name)
                return BUS_OK;

        for (enum bus_outcome i = 0; i < _BUS_OUTCOME_MAX; i++)
                if (names[i] && strcmp(names[i], error->name) == 0)
                        return i;

        for (size_t i = 0; i < sizeof(synonyms) / sizeof(synonyms[0]); i++) {
                const char *name = synonyms[i].name;
                size_t size = strlen(name);

                if (name[size - 1] == '.' ? strncmp(name, error->name, size) == 0
                                          : strcmp(name, error->name) == 0)
                        return synonyms[i].outcome;
        }

        return BUS_OTHER;
}
