/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The one place where the clock is read
 */
#include "base/usec.h"

/* mono: CLOCK_BOOTTIME plus one day; real: CLOCK_REALTIME. */
struct now clock_now(void);
