#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Faults of the machine under running daemons: they are stopped, as by a suspend, and go on"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from daemon import *  # noqa: E402,F403
from faults import a_pause_of  # noqa: E402
from harness import *  # noqa: E402,F403

ECE, BOB, CAN = "127.60.31.1", "127.60.31.2", "127.60.31.3"
PAUSE_SECONDS = 25  # long enough to be taken for gone


# Pauses, as a suspend makes them

@test
def a_pause():
    a_pause_of(PAUSE_SECONDS, ECE, BOB, CAN)


main()
