/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Outcomes and their names on the bus */
#include "bus/errors.h"
#include "bus/names.h"
#include "lib/test.h"

static enum bus_outcome outcome_of(const char *name)
{
        sd_bus_error error = SD_BUS_ERROR_NULL;
        enum bus_outcome outcome;

        (void)sd_bus_error_set(&error, name, "a sentence");
        outcome = bus_outcome_from_error(&error);
        sd_bus_error_free(&error);
        return outcome;
}

TEST(names_lead_to_outcomes_and_back)
{
        for (enum bus_outcome i = BUS_UNKNOWN_USER; i < BUS_OTHER; i++)
                ASSERT_EQ(outcome_of(bus_error_name(i)), i);
}

TEST(names_are_as_published)
{
        ASSERT_STREQ(bus_error_name(BUS_UNKNOWN_USER), "org.example.P2PChat.Error.UnknownUser");
        ASSERT_STREQ(bus_error_name(BUS_CANNOT_CHAT), "org.example.P2PChat.Error.CannotChat");
        ASSERT_STREQ(bus_error_name(BUS_OTHER), "org.freedesktop.DBus.Error.Failed");
}

TEST(whatever_else_may_come)
{
        const sd_bus_error none = SD_BUS_ERROR_NULL;

        ASSERT_EQ(bus_outcome_from_error(NULL), BUS_OK);
        ASSERT_EQ(bus_outcome_from_error(&none), BUS_OK);
        ASSERT_EQ(outcome_of("org.example.P2PChat.Error.FromTheFuture"), BUS_OTHER);
        ASSERT_EQ(outcome_of("org.freedesktop.DBus.Error.Spawn.ExecFailed"), BUS_NO_SERVICE);
        ASSERT_EQ(outcome_of("org.freedesktop.systemd1.NoSuchUnit"), BUS_NO_SERVICE);
        ASSERT_EQ(outcome_of("org.freedesktop.DBus.Error.NameHasNoOwner"), BUS_NO_SERVICE);
        ASSERT_EQ(outcome_of("org.freedesktop.DBus.Error.Timeout"), BUS_TIMEOUT);
        ASSERT_STREQ(bus_error_name((enum bus_outcome)1000), SD_BUS_ERROR_FAILED);
}

TEST_MAIN()
