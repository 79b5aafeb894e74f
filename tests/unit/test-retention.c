/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When the wall clock is believed, and when not */
#include "daemon/retention.h"
#include "lib/test.h"

#define START_USEC (1700000000 * USEC_PER_SEC)

static struct wall_clock wall;
static struct now at;

static void begin(void)
{
        wall = (struct wall_clock){};
        at = (struct now){ .mono_usec = USEC_PER_DAY, .real_usec = START_USEC };
}

/* So long later, with a clock that was set by so much meanwhile. */
static usec_t look(usec_t later_usec, int64_t set_usec)
{
        at.mono_usec += later_usec;
        at.real_usec += later_usec + (usec_t)set_usec;
        return wall_clock_wait(&wall, at, USEC_PER_HOUR);
}

TEST(a_clock_that_goes_on_is_believed)
{
        begin();
        ASSERT_EQ(look(0, 0), 0);
        for (int i = 0; i < 1000; i++)
                ASSERT_EQ(
                        look(USEC_PER_HOUR, i % 2 ? 2 * USEC_PER_SEC : -2 * (int64_t)USEC_PER_SEC),
                        0);
        ASSERT_EQ(look(90 * USEC_PER_DAY, 0), 0); /* a suspend */
}

TEST(a_clock_that_was_set_is_believed_after_an_hour)
{
        int64_t year_usec = 365 * (int64_t)USEC_PER_DAY;

        for (int ahead = 0; ahead < 2; ahead++) {
                begin();
                ASSERT_EQ(look(0, 0), 0);
                ASSERT_EQ(look(USEC_PER_SEC, ahead ? year_usec : -year_usec), USEC_PER_HOUR);
                ASSERT_EQ(look(USEC_PER_MINUTE, 0), USEC_PER_HOUR - USEC_PER_MINUTE);
                ASSERT_EQ(look(USEC_PER_HOUR, 0), 0);
        }
}

TEST(a_clock_that_is_set_right_again_waits_anew)
{
        begin();
        ASSERT_EQ(look(0, 0), 0);
        ASSERT_EQ(look(USEC_PER_SEC, 400 * (int64_t)USEC_PER_DAY), USEC_PER_HOUR);
        ASSERT_EQ(look(USEC_PER_MINUTE, -400 * (int64_t)USEC_PER_DAY), USEC_PER_HOUR);
        ASSERT_EQ(look(USEC_PER_HOUR, 0), 0);
}

/* As far back as 1970: no number wraps. */
TEST(a_clock_at_its_beginning)
{
        begin();
        ASSERT_EQ(look(0, 0), 0);
        ASSERT_EQ(look(0, -(int64_t)START_USEC), USEC_PER_HOUR);
        ASSERT_EQ(look(USEC_PER_HOUR, 0), 0);
}

TEST_MAIN()
