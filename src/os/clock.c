/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one place where the clock is read */
#include <time.h>

#include "base/macro.h"
#include "os/clock.h"

static usec_t read_clock(clockid_t id)
{
        struct timespec t;
        int r = clock_gettime(id, &t);

        assert(r == 0);
        (void)r;
        return (usec_t)t.tv_sec * USEC_PER_SEC + (usec_t)t.tv_nsec / 1000;
}

struct now clock_now(void)
{
        return (struct now){
                .mono_usec = read_clock(CLOCK_BOOTTIME) + USEC_PER_DAY,
                .real_usec = read_clock(CLOCK_REALTIME),
        };
}
