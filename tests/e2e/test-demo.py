#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The demonstration shows what it promises"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from harness import *  # noqa: E402,F403


@test(seconds=900)
def a_message_crosses_without_systemd():
    if os.path.isdir("/run/systemd/system"):
        skip("systemd runs here, the demonstration would install the package on this machine")
    demo = os.path.join(HERE, "../demo")
    done = run(["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$0"', demo],
               timeout=800)
    assert_in("Bob (Online)", done.stdout)
    lines = [line for line in done.stdout.splitlines() if "RECEIVED" in line]
    assert_equal(len(lines), 1, "lines of the history")
    assert_in("Merhaba Bob", lines[0])
    assert_equal(done.stderr, "", "complaints")


main()
