/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Where the clock is read; but waits of threads want one of their own
 */
#include "base/usec.h"

/* mono: CLOCK_BOOTTIME plus one day; real: CLOCK_REALTIME. */
struct now clock_now(void);
