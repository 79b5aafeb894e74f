# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tests of faults have in common: messages that must arrive once and in their order

    meet(ece, bob)
    write(ece, "Bob", ["1", "2"])       # whatever state they are in then
    wait_texts(bob, "Ece", ["1", "2"])  # exactly these, in this order
    a_pause_of(25, "127.0.0.2", "127.0.0.3", "127.0.0.4")
    faults = Faults()                   # of the clock and the disk of one daemon
    ece = Daemon(…, sanitized=False, environment=faults.environment)
    faults.set(ahead_sec=86400)
"""

import mmap
import os
import signal
import struct
import time

from daemon import Bus, Daemon
from harness import assert_equal, environment, tempdir, wait_for

ARRIVAL_SECONDS = 120


class Faults:
    """What tests/lib/preload-faults.c, put before a daemon, reads while that runs."""

    FIELDS = ("ahead_sec", "boot_ahead_sec", "fail", "n_failed", "n_after")

    def __init__(self):
        path = os.path.join(tempdir("p2pchat-faults-"), "faults")
        with open(path, "w+b") as file:
            file.truncate(8 * len(self.FIELDS) + 32)
            self.memory = mmap.mmap(file.fileno(), 0)
        self.environment = {"P2PCHAT_FAULTS": path, "LD_PRELOAD": os.path.join(
            environment("P2PCHAT_BUILD"), "tests/integration/preload-faults.so")}

    def set(self, file=None, **values):
        if file is not None:
            self.memory[8 * len(self.FIELDS):] = file.encode().ljust(32, b"\0")
        for name, value in values.items():
            struct.pack_into("<q", self.memory, 8 * self.FIELDS.index(name), value)

    def get(self, name):
        return struct.unpack_from("<q", self.memory, 8 * self.FIELDS.index(name))[0]


def meet(*daemons):
    for one in daemons:
        for other in daemons:
            if one is not other:
                one.wait_user(other.get("Username"))


def write(daemon, user, texts):
    """Without waiting until somebody has them."""
    for text in texts:
        daemon.call("SendMessageFull", "ssa{sv}", user, text, {"wait-usec": ("t", 0)})


def texts_of(daemon, user, direction="received"):
    """All that came from a user, or went to him, the oldest first."""
    return [m["text"] for m in reversed(daemon.history()) if m["direction"] == direction
            and m["user"] == user]


def wait_texts(daemon, user, texts):
    """Until all have come, which must be once and in this order."""
    wait_for(lambda: set(texts) <= set(texts_of(daemon, user)), ARRIVAL_SECONDS,
             f"{len(texts)} messages of {user}", 0.2)
    assert_equal(texts_of(daemon, user), texts, f"what came from {user}")


def wait_delivered(daemon, user, texts):
    """Until the sender knows of all that they have come, in the order of writing."""

    def look():
        rows = [m for m in reversed(daemon.history()) if m["direction"] == "sent"
                and m["user"] == user]
        assert_equal([(m["text"], m["state"]) for m in rows],
                     [(text, "delivered") for text in texts], f"what went to {user}")
        return True

    wait_for(look, ARRIVAL_SECONDS, f"acknowledgements of {user}", 0.2)


def a_pause_of(seconds, *addresses):
    """One of three stands still, with messages on both sides that wait for others."""
    names = ("Ece", "Bob", "Can")
    ece, bob, can = [Daemon(Bus(), a, name=n) for a, n in zip(addresses, names)]
    meet(ece, bob, can)
    write(ece, "Bob", ["to Bob before"])
    write(bob, "Ece", ["to Ece before"])
    wait_texts(bob, "Ece", ["to Bob before"])
    wait_texts(ece, "Bob", ["to Ece before"])
    # Bob has a queue of his own when he is stopped.
    can.kill()
    to_can = [f"to Can {i}" for i in range(20)]
    write(bob, "Can", to_can)

    os.kill(bob.pid, signal.SIGSTOP)
    to_bob = [f"to Bob {i}" for i in range(60)]
    write(ece, "Bob", to_bob[:20])
    can.start()
    time.sleep(seconds / 2)
    write(ece, "Bob", to_bob[20:40])
    time.sleep(seconds / 2)
    write(ece, "Bob", to_bob[40:])
    assert_equal(len([m for m in ece.history("Bob") if m["state"] == "delivered"]), 1,
                 "what Bob has while he stands still")
    os.kill(bob.pid, signal.SIGCONT)

    to_ece = [f"to Ece {i}" for i in range(20)]
    write(bob, "Ece", to_ece)
    wait_texts(bob, "Ece", ["to Bob before", *to_bob])
    wait_texts(ece, "Bob", ["to Ece before", *to_ece])
    wait_texts(can, "Bob", to_can)
    wait_delivered(ece, "Bob", ["to Bob before", *to_bob])
    wait_delivered(bob, "Ece", ["to Ece before", *to_ece])
    wait_delivered(bob, "Can", to_can)
    meet(ece, bob, can)
    for daemon in (ece, bob, can):
        assert_equal(sorted(u["name"] for u in daemon.users()),
                     sorted(n for n in names if n != daemon.get("Username")), "rows")
