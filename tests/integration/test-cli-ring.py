#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command line about the ring, with a service that says what the test wants"""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from daemon import *  # noqa: E402,F403
from gi.repository import GLib  # noqa: E402
from harness import *  # noqa: E402,F403
from stand_in import StandIn  # noqa: E402

ECE = "k3f7q2mxaaaaaaaaaaaaaaaaaa"
OTHER_ECE = "k3f7q2mxbbbbbbbbbbbbbbbbbb"
POSITION = "56cbf3c2" + "0" * 56
NODES = [f"{'abcdefgh'[i] * 26}@203.0.113.{i}" for i in range(3)]


def service():
    s = StandIn(Bus())
    s.properties.update(Id=ECE)
    s.ring = {
        "state": GLib.Variant("s", "member"), "joined": GLib.Variant("b", True),
        "position": GLib.Variant("s", POSITION),
        "endpoint": GLib.Variant("s", "203.0.113.9:7001"),
        "successors": GLib.Variant("as", NODES[:2]),
        "predecessor": GLib.Variant("s", NODES[2]), "fingers": GLib.Variant("as", []),
        "members": GLib.Variant("t", 12), "last-repair": GLib.Variant("t", 0),
        "round-usec": GLib.Variant("t", 300000000), "records": GLib.Variant("u", 4),
        "published": GLib.Variant("u", 8), "sessions": GLib.Variant("u", 5),
        "found": GLib.Variant("t", 3), "missed": GLib.Variant("t", 1)}
    return s


def rows(text):
    return [" ".join(line.split()) for line in text.splitlines()]


@test
def a_place_in_the_ring():
    s = service()
    assert_equal(rows(s.cli("ring", check=True).stdout), [
        "State member", "Joined yes", f"Position {POSITION}", "Reached at 203.0.113.9:7001",
        "Nodes, about 12", f"Predecessor {NODES[2]}", f"Successors {NODES[0]}", NODES[1],
        "Fingers none", "Sessions for it 5", "Looks around every 5 min", "Last repair never",
        "Names kept here 4", "Copies of own name 8", "Users found 3", "Users not found 1"])
    lines = s.cli("--json", "ring", check=True).stdout.splitlines()
    assert_equal([json.loads(line) for line in lines], [{
        "state": "member", "joined": True, "position": POSITION, "endpoint": "203.0.113.9:7001",
        "successors": NODES[:2], "predecessor": NODES[2], "fingers": [], "members": 12,
        "last_repair": 0, "round_usec": 300000000, "records": 4, "published": 8, "sessions": 5,
        "found": 3, "missed": 1}])


@test
def a_ring_of_nobody_else():
    s = service()
    s.ring.update({"state": GLib.Variant("s", "client"), "joined": GLib.Variant("b", False),
                   "endpoint": GLib.Variant("s", ""), "predecessor": GLib.Variant("s", ""),
                   "successors": GLib.Variant("as", []), "round-usec": GLib.Variant("t", 5000000)})
    lines = rows(s.cli("ring", check=True).stdout)
    for line in ("State client", "Joined no", "Reached at none", "Predecessor none",
                 "Successors none", "Looks around every 5 s"):
        assert_in(line, lines)


@test
def what_nodes_say_is_escaped():
    s = service()
    s.ring["successors"] = GLib.Variant("as", ["a\x1b[2J"])
    assert_not_in("\x1b", s.cli("ring", check=True).stdout)
    assert_not_in("\x1b", s.cli("--json", "ring", check=True).stdout)
    s.results["Find"] = ([("e\x1b[2J", ECE, ["203.0.113.1\n"])],)
    for arguments in (["find", "ece#k3f7q2mx"], ["--json", "find", "ece#k3f7q2mx"]):
        shown = s.cli(*arguments, check=True).stdout
        assert_not_in("\x1b", shown)
        assert_equal(len(shown.splitlines()), 1)


@test
def joining_and_leaving():
    s = service()
    done = s.cli("join", "chat.example.net:7001", check=True)
    assert_equal(s.calls[0], ("Join", ("chat.example.net:7001",)))
    assert_equal((done.stdout, done.stderr),
                 ("Joined; others find this machine as Ece#k3f7q2mx.\n", ""))
    assert_equal(s.cli("--json", "join", "203.0.113.1", check=True).stdout, "")
    done = s.cli("leave", check=True)
    assert_equal((s.calls[-1], done.stdout, done.stderr), (("Leave", ()), "", ""))

    s.errors["Join"] = (ERROR + "NotReachable", "Nobody of the ring is at chat.example.net.")
    done = s.cli("join", "chat.example.net")
    assert_equal((done.returncode, done.stdout, done.stderr),
                 (1, "", "p2pchat: Nobody of the ring is at chat.example.net.\n"))
    for arguments in (["join"], ["join", "a", "b"], ["leave", "a"], ["find"], ["find", "a", "b"],
                      ["ring", "a"], ["ring", "--all"]):
        assert_equal(s.cli(*arguments).returncode, 2, " ".join(arguments))


@test
def finding():
    s = service()
    s.results["Find"] = ([("Ece", ECE, ["203.0.113.1", "[2001:db8::1]:7001"]),
                          ("ece", OTHER_ECE, [])],)
    shown = s.cli("find", "ece#k3f7q2mx", check=True).stdout
    assert_equal(s.calls[-1], ("Find", ("ece#k3f7q2mx",)))
    assert_equal(rows(shown), [f"Ece {ECE} 203.0.113.1, [2001:db8::1]:7001", f"ece {OTHER_ECE}"])
    lines = s.cli("--json", "find", "ece#k3f7q2mx", check=True).stdout.splitlines()
    assert_equal([json.loads(line) for line in lines], [
        {"name": "Ece", "id": ECE, "endpoints": ["203.0.113.1", "[2001:db8::1]:7001"]},
        {"name": "ece", "id": OTHER_ECE, "endpoints": []}])

    s.results["Find"] = ([],)
    done = s.cli("find", "bob#zzzzzzzz")
    assert_equal((done.returncode, done.stdout), (1, ""))
    assert_in("bob#zzzzzzzz", done.stderr)
    s.errors["Find"] = (ERROR + "UnknownUser", "There is no bob in the ring.")
    done = s.cli("--json", "find", "bob#zzzzzzzz")
    assert_equal((done.returncode, done.stdout, done.stderr),
                 (1, "", "p2pchat: There is no bob in the ring.\n"))


@test
def status_has_a_line_about_the_ring():
    s = service()
    for state, members, joined, line in (
            ("member", 12, True, "Ring member, about 12 nodes, joined"),
            ("member", 1, False, "Ring member, about 1 node, local network only"),
            ("client", 1000, True, "Ring client, about 1000 nodes, joined"),
            ("off", 0, False, "Ring off")):
        s.results["GetStatus"] = ({"ring-state": GLib.Variant("s", state),
                                   "ring-members": GLib.Variant("t", members),
                                   "ring-joined": GLib.Variant("b", joined)},)
        assert_equal(rows(s.cli("status", check=True).stdout), [line])
        assert_equal(json.loads(s.cli("--json", "status", check=True).stdout),
                     {"ring_state": state, "ring_members": members, "ring_joined": joined})


main()
