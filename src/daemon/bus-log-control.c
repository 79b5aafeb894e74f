/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.freedesktop.LogControl1: how much the service says, changed while it runs */
#include "daemon/bus-private.h"
#include "os/log.h"

static const char *target(void)
{
        return log_is_journal() ? "journal" : "console";
}

static int get_level(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        return sd_bus_message_append(reply, "s", log_level_word(log_get_level()));
}

static int set_level(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *value, void *userdata, sd_bus_error *error)
{
        const char *word;
        int level, r;

        r = sd_bus_message_read(value, "s", &word);
        if (r < 0)
                return r;
        level = log_level_from_word(word);
        if (level < 0)
                return bus_set_error(error, BUS_INVALID_ARGS,
                        "\"%.100s\" is no log level: emerg, alert, crit, err, warning, notice, "
                        "info or debug.",
                        word);
        log_set_level(level);
        return 0;
}

static int get_target(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        return sd_bus_message_append(reply, "s", target());
}

/* It follows from how the service was started, and cannot be another. */
static int set_target(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *value, void *userdata, sd_bus_error *error)
{
        const char *word;
        int r;

        r = sd_bus_message_read(value, "s", &word);
        if (r < 0)
                return r;
        if (!streq(word, target()) && !streq(word, "auto"))
                return bus_set_error(error, BUS_INVALID_ARGS,
                        "The log goes to the %s and cannot go to \"%.100s\".", target(), word);
        return 0;
}

static int get_identifier(sd_bus *bus, const char *path, const char *interface,
        const char *property, sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        return sd_bus_message_append(reply, "s", "p2pchatd");
}

/* clang-format off */
const sd_bus_vtable bus_log_control_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", get_level, set_level, 0,
                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_WRITABLE_PROPERTY("LogTarget", "s", get_target, set_target, 0,
                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("SyslogIdentifier", "s", get_identifier, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END,
};
/* clang-format on */
