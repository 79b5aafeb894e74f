#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine that sleeps for minutes, longer than every patience of its neighbours"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from faults import a_pause_of  # noqa: E402
from harness import *  # noqa: E402,F403

PAUSE_SECONDS = 7 * 60


@test(seconds=1200)
def a_long_pause():
    a_pause_of(PAUSE_SECONDS, "127.60.32.1", "127.60.32.2", "127.60.32.3")


main()
