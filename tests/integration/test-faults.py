#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Faults of the machine under running daemons: they stand still, as in a suspend, their networks
change, somebody sets the clock, the disk fails"""

import contextlib
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from capture import Capture  # noqa: E402
from daemon import *  # noqa: E402,F403
from faults import (ARRIVAL_SECONDS, Faults, a_pause_of, meet, wait_delivered,  # noqa: E402
                    wait_texts, write)
from harness import *  # noqa: E402,F403
from link import Cable, Space, exists  # noqa: E402

ECE, BOB, CAN = "127.60.31.1", "127.60.31.2", "127.60.31.3"
PAUSE_SECONDS = 25  # long enough to be taken for gone


# Pauses, as a suspend makes them

@test
def a_pause():
    a_pause_of(PAUSE_SECONDS, ECE, BOB, CAN)


# Networks that change under daemons that talk

NETWORK = 24


class Pair:
    """Two daemons at the two ends of a cable, with addresses of both families."""

    def __init__(self):
        self.a, self.b = Space("ece"), Space("bob")
        self.cable = Cable(self.a, self.b)
        self.name = {s: self.cable.name(s) for s in (self.a, self.b)}
        self.give(self.a, "10.63.0.1")
        self.give(self.b, "10.63.0.2")
        if exists():
            self.cable.addresses()
        self.ece = Daemon(Bus(), None, name="Ece", inside=self.a.inside())
        self.bob = Daemon(Bus(), None, name="Bob", inside=self.b.inside())
        self.written, self.heard = {self.ece: [], self.bob: []}, {}
        meet(self.ece, self.bob)
        self.talk("at first")

    def give(self, space, address):
        space.run("ip", "address", "add", f"{address}/{NETWORK}", "broadcast", "+", "dev",
                  self.name[space])

    def take(self, space, address):
        space.run("ip", "address", "delete", f"{address}/{NETWORK}", "dev", self.name[space])

    def set(self, space, *what):
        space.run("ip", "link", "set", "dev", self.name[space], *what)

    def write(self, text):
        for daemon, user in ((self.ece, "Bob"), (self.bob, "Ece")):
            texts = [f"{text}, {i} to {user}" for i in range(3)]
            write(daemon, user, texts)
            self.written[daemon] += texts

    def check(self):
        for one, other in ((self.ece, self.bob), (self.bob, self.ece)):
            wait_texts(other, one.get("Username"), self.written[one])
            wait_delivered(one, other.get("Username"), self.written[one])
        meet(self.ece, self.bob)
        for daemon in (self.ece, self.bob):
            assert_equal(len(daemon.users()), 1, "rows")

    def talk(self, text):
        self.write(text)
        self.check()

    def hear(self):
        """From now on what the two announce is heard at the other end."""
        captures = contextlib.ExitStack()
        defer(captures.close)
        for daemon, far in ((self.ece, self.b), (self.bob, self.a)):
            self.heard[daemon] = captures.enter_context(
                Capture(f"/proc/{far.process.pid}/ns/net", self.name[far]))

    def check_announced(self, space, address):
        daemon = self.ece if space is self.a else self.bob
        wait_for(lambda: address in self.heard[daemon].announced(daemon.get("Username")),
                 ARRIVAL_SECONDS, f"an announcement of {address}")

    def check_addresses(self):
        """Where the other one is shown to be."""
        for one, other, far in ((self.ece, self.bob, self.b), (self.bob, self.ece, self.a)):
            def shown():
                address = one.user(other.get("Username"))["address"].split("%")[0]
                assert_in(address, addresses_of(far, self.name[far]), "address of the other")
                return True

            wait_for(shown, ARRIVAL_SECONDS, "the right address")


def addresses_of(space, name):
    shown = json.loads(space.run("ip", "-json", "address", "show", "dev", name).stdout)
    return [a["local"] for i in shown for a in i.get("addr_info", []) if "local" in a]


@test
def an_interface_is_renamed():
    pair = Pair()
    for name in ("lan", "wan0"):
        # The kernel does not rename what is up.
        pair.set(pair.a, "down")
        pair.set(pair.a, "name", name)
        pair.name[pair.a] = name
        pair.write(f"before {name} is up")
        pair.set(pair.a, "up")
        pair.talk(f"by {name}")
        pair.check_addresses()


@test
def an_interface_flaps():
    pair = Pair()
    for i in range(10):
        side = (pair.a, pair.b)[i % 2]
        pair.set(side, "down")
        pair.write(f"down {i}")
        pair.set(side, "up")
        pair.write(f"up {i}")
    pair.check()
    pair.talk("when it is calm")
    pair.check_addresses()


@test
def an_address_changes():
    pair = Pair()
    pair.hear()
    for i, (space, old, new) in enumerate((
            (pair.a, "10.63.0.1", "10.63.0.11"), (pair.b, "10.63.0.2", "10.63.0.12"),
            # Each gets what the other had before: an address says nothing about who is there.
            (pair.a, "10.63.0.11", "10.63.0.2"), (pair.b, "10.63.0.12", "10.63.0.1"))):
        pair.take(space, old)
        pair.write(f"without {i}")
        pair.give(space, new)
        pair.talk(f"with {new}")
        pair.check_addresses()
        pair.check_announced(space, new)


# The clock, and the disk

def faulty(config=""):
    """One with faults, and another that has none."""
    faults = Faults()
    ece = Daemon(Bus(), ECE, name="Ece", config=config, sanitized=False,
                 environment=faults.environment)
    bob = Daemon(Bus(), BOB, name="Bob", sanitized=False)
    meet(ece, bob)
    return faults, ece, bob


def set_the_clock(config, shifts):
    """Order, history and presence do not care."""
    faults, ece, bob = faulty(config)
    to_bob, to_ece = [], []
    for ahead in shifts:
        faults.set(ahead_sec=ahead)
        to_bob += [f"to Bob at {ahead}, {len(to_bob)}", f"to Bob at {ahead} again, {len(to_bob)}"]
        to_ece += [f"to Ece at {ahead}, {len(to_ece)}"]
        write(ece, "Bob", to_bob[-2:])
        write(bob, "Ece", to_ece[-1:])
        wait_texts(bob, "Ece", to_bob)
        wait_texts(ece, "Bob", to_ece)
        for one, other in ((ece, "Bob"), (bob, "Ece")):
            assert_equal(one.user(other)["state"], "online", f"{other} at {ahead}")
    wait_delivered(ece, "Bob", to_bob)
    wait_delivered(bob, "Ece", to_ece)
    ece.restart()
    meet(ece, bob)
    wait_texts(ece, "Bob", to_ece)
    wait_delivered(ece, "Bob", to_bob)


@test
def the_clock_is_set_by_days():
    """And back: what is kept for thirty days is kept."""
    day = 24 * 60 * 60
    set_the_clock("[History]\nMaxAge=30d\n", (0, day, -day, 400 * day, 0))


@test
def a_wrong_clock_erases_nothing_within_an_hour():
    """400 days ahead it makes everything old; it is believed when it has stayed so for an hour."""
    hour, ahead = 60 * 60, 400 * 24 * 60 * 60
    faults, ece, bob = faulty("[History]\nMaxAge=30d\n")
    texts = ["old", "old, too"]
    write(bob, "Ece", texts)
    wait_texts(ece, "Bob", texts)
    # However long nobody looked before: it is noticed, and counts from here.
    for hours in (2, 2.5):
        passed = int(hours * hour)
        faults.set(boot_ahead_sec=passed, ahead_sec=ahead + passed)
        texts.append(f"after {hours} hours")
        write(bob, "Ece", texts[-1:])
        wait_texts(ece, "Bob", texts)
    faults.set(boot_ahead_sec=4 * hour, ahead_sec=ahead + 4 * hour)
    wait_for(lambda: [m["text"] for m in ece.history()] == texts[:1:-1], 60, "the old ones to go")


@test
def the_clock_is_set_by_decades():
    now = int(time.time())
    set_the_clock("", (978307200 - now, 2208988800 - now, -now, 0))


@test
def a_disk_that_fails_to_sync():
    """It ends, for nobody knows what is on such a disk; it does not sync again as if nothing had
    happened; what was not acknowledged comes again."""
    faults, ece, bob = faulty()
    write(bob, "Ece", ["before"])
    wait_texts(ece, "Bob", ["before"])
    faults.set(file="-wal", fail=1)
    write(bob, "Ece", ["meanwhile", "too"])
    assert_equal(ece.wait_exit(60), 1, "exit status")
    assert_in("Failed to keep what happened: Input/output error", ece.errors())
    assert_equal((faults.get("n_failed"), faults.get("n_after")), (1, 0), "syncs, and after that")
    ece.start()
    meet(ece, bob)
    write(bob, "Ece", ["afterwards"])
    wait_texts(ece, "Bob", ["before", "meanwhile", "too", "afterwards"])
    wait_delivered(bob, "Ece", ["before", "meanwhile", "too", "afterwards"])


main()
