#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""p2pchat doctor names the stage that fails, for set-ups that were broken on purpose"""

import glob
import json
import os
import shutil
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from daemon import *  # noqa: E402,F403
from daemon import BUS_CONFIG, NAME, SANITIZER_ENVIRONMENT, build_directory  # noqa: E402
from harness import *  # noqa: E402,F403

ECE, BOB, CAN = "127.50.24.1", "127.50.24.2", "127.50.24.3"


def doctor(bus):
    """What it says, by stage; a set-up without a failure ends with 0."""
    done = run([os.path.join(build_directory(), "src/cli/p2pchat"), "--json", "doctor"], check=False,
               env=dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=bus.address, **SANITIZER_ENVIRONMENT))
    rows = {}
    for line in done.stdout.splitlines():
        row = json.loads(line)
        rows[row["stage"]] = (row["result"], row["sentence"])
    assert_equal(done.returncode, int(any(r == "failed" for r, _ in rows.values())), "exit status")
    return rows


def assert_names(bus, stage, result, *words):
    """That stage and no other before it is at fault."""
    rows = doctor(bus)
    assert_in(stage, rows)
    assert_equal(rows[stage][0], result, f"{stage}: {rows[stage][1]}")
    for word in words:
        assert_in(word, rows[stage][1])
    return rows


def at_fault(rows):
    return [stage for stage, (result, _) in rows.items() if result != "ok"]


def two(**kwargs):
    ece = Daemon(Bus(), ECE, name="Ece", config=NO_RING, **kwargs)
    bob = Daemon(Bus(), BOB, name="Bob", config=NO_RING)
    wait_for(lambda: ece.call("ListUsers")[0] and bob.call("ListUsers")[0], 60, "they hear each other")
    return ece, bob


@test
def nothing_is_wrong():
    ece, _ = two()
    assert_equal(at_fault(doctor(ece.bus)), [], "faults")


@test
def no_interface():
    ece = Daemon(Bus(), None, name="Ece", inside=["unshare", "--net"])
    assert_names(ece.bus, "interface", "warning", "No network interface is up")


@test
def announcements_are_heard_by_another_program():
    thief = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    defer(thief.close)
    thief.bind(("127.255.255.255", 6000))
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    defer(other.close)
    other.bind((ECE, 6000))
    ece = Daemon(Bus(), ECE, name="Ece", config=NO_RING)
    assert_names(ece.bus, "listening", "failed", "UDP port 6000", "ss -lupn")


@test
def the_port_of_the_third_dialect_is_taken():
    thief = socket.create_server((ECE, 6010))
    defer(thief.close)
    ece = Daemon(Bus(), ECE, name="Ece", config="[Legacy]\nNodePort=6010\n")
    assert_names(ece.bus, "listening", "warning", "TCP port 6010", "ss -ltnp")


@test
def nobody_sees_it():
    ece = Daemon(Bus(), ECE, name="Ece", config="[Lan]\nAnnounce=no\n")
    assert_names(ece.bus, "announcing", "warning", "Announce=no")


@test
def nothing_is_heard():
    ece = Daemon(Bus(), ECE, name="Ece", config=NO_RING)
    rows = assert_names(ece.bus, "heard", "warning", "UDP port 6000", "firewalls")
    assert_equal(at_fault(rows), ["heard"])


@test
def heard_but_refused():
    ece, bob = two()
    ece.call("SendMessage", "ss", "Bob", "hi")
    ece.call("EndSession", "s", "Bob")
    identity = bob.get("Id")
    bob.kill()
    # Something there goes on announcing, but nobody listens.
    announcer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    defer(announcer.close)
    announcer.bind((BOB, 0))
    text = json.dumps({"username": "Bob", "id": identity, "p2pchat": 1}).encode()

    def look():
        announcer.sendto(text, (ECE, 6000))
        ece.call("SendMessage", "ss", "Bob", "are you there?")
        return doctor(ece.bus)["reached"][0] == "warning"
    wait_for(look, 60, "the stage")
    assert_names(ece.bus, "reached", "warning", "Bob", BOB, "TCP port 6001", "firewall")
    bob.start()
    wait_for(lambda: doctor(ece.bus)["reached"][0] == "ok", 60, "it takes connections again")


@test
def another_key():
    ece, bob = two()
    ece.call("SendMessage", "ss", "Bob", "hi")
    bob.stop()
    Daemon(Bus(), CAN, name="Bob", config=NO_RING)
    wait_for(lambda: doctor(ece.bus)["keys"][0] == "warning", 60, "the stage")
    assert_names(ece.bus, "keys", "warning", "fingerprint", CAN)


@test
def a_clone():
    ece, bob = two()
    ece.stop()
    bob.stop()
    shutil.rmtree(bob.state)
    shutil.copytree(ece.state, bob.state)
    ece.start()
    bob.start()
    wait_for(lambda: doctor(ece.bus)["identity"][0] == "warning", 60, "the stage")
    assert_names(ece.bus, "identity", "warning", "identity new")


@test
def the_clock_is_wrong():
    libraries = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
    if not libraries:
        skip("libfaketime is missing")
    # It goes on from there: only what time it is is false.
    ece = Daemon(Bus(), ECE, name="Ece", config=NO_RING, sanitized=False,
                 environment={"LD_PRELOAD": libraries[0], "FAKETIME": "@2001-01-01 00:00:00",
                              "FAKETIME_DONT_FAKE_MONOTONIC": "1"})
    assert_names(ece.bus, "clock", "warning", "timedatectl")


@test
def a_mistake_in_the_configuration():
    ece = Daemon(Bus(), ECE, name="Ece", config="[Lan]\nColour=blue\n" + NO_RING)
    assert_names(ece.bus, "configuration", "warning", "mistake")


@test
def the_policy_of_the_bus():
    bus = Bus(BUS_CONFIG.replace(
        '<allow own="*"/>', f'<allow own="*"/>\n<deny send_destination="{NAME}"/>'))
    Daemon(bus, ECE, name="Ece", config=NO_RING)
    # Without the group there is nothing that the policy could go by.
    assert_names(bus, "policy", "failed", "p2pchat")


@test
def it_does_not_run():
    assert_names(Bus(), "service", "failed", "systemctl start p2pchatd.socket")


main()
