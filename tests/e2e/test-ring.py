#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The ring across networks: two LANs with a router between, and later a third with one machine

Nobody hears who is behind the router. The tests build on each other's machines.
"""

import json
import os
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from circle import wait_circle  # noqa: E402
from harness import *  # noqa: E402,F403
from machine import Machine, Network, Router  # noqa: E402

NAME, PATH = "org.example.P2PChat", "/org/example/P2PChat"
NOBODY = "nobody#aaaaaaaa"

far = None
machines = {}


def boot(network, name, number, broker="dbus-daemon"):
    machine = machines[name] = Machine(network, name, number, broker)
    machine.boot()
    machine.install()
    machine.wait_active()
    machine.word = f"{name}#{machine.own_id()[:8]}"
    return machine


def boot_five():
    global far
    first, second, far = Network(), Network("192.168.78"), Network("192.168.79")
    Router(first, second, far)
    boot(first, "ece", 1)
    boot(first, "bob", 2)
    boot(first, "can", 3, "dbus-broker")
    boot(second, "dilek", 1)
    boot(second, "efe", 2)


def of(*names):
    return [machines[name] for name in names]


def find(machine, word):
    """The ids that are found; none, when nobody is."""
    done = machine.run("p2pchat", "--json", "find", word, check=False)
    if done.returncode == 0:
        return [json.loads(line)["id"] for line in done.stdout.splitlines()]
    assert_equal(done.returncode, 1, f"exit status of find {word}: {done.stderr}")
    assert_in(word.split("#")[0], done.stderr, "what find says")
    return []


def wait_found(machine, other, seconds=120):
    wait_for(lambda: other.word.split("#")[1] in [id[:8] for id in find(machine, other.word)],
             seconds, f"{machine.name} to find {other.word}", 0.5)


def say_and_answer(a, b, text):
    """By name#id there, and back as a person would answer."""
    a.run("p2pchat", "send", b.word, text)
    received = b.wait_message(text)
    b.run("p2pchat", "send", received["conversation"], f"{text}, too")
    a.wait_message(f"{text}, too")


@test
def no_announcement_passes_the_router():
    ece, dilek = of("ece", "dilek")
    for m, heard in ((ece, ["bob", "can"]), (dilek, ["efe"])):
        for name in heard:
            m.wait_user(name)
        assert_equal(sorted(u["name"] for u in m.users()), heard, f"whom {m.name} hears")
    with ece.socket(socket.SOCK_STREAM) as link:
        link.settimeout(60)
        link.connect((dilek.address, 6001))


@test
def each_lan_is_a_ring_by_itself():
    for members in (of("ece", "bob", "can"), of("dilek", "efe")):
        for status in wait_circle(members).values():
            assert_equal(status["members"], len(members), "members")
            assert_false(status["joined"], "joined")
    # Nobody asked to be known beyond the LAN.
    ece, bob = of("ece", "bob")
    assert_equal(find(ece, bob.word), [], "found before anybody joined")


@test(seconds=600)
def one_join_makes_one_ring():
    ece, dilek = of("ece", "dilek")
    dilek.run("p2pchat", "join", ece.address)
    everybody = of("ece", "bob", "can", "dilek", "efe")
    for status in wait_circle(everybody).values():
        assert_equal(status["members"], 5, "members")
    assert_true(dilek.ring_status()["joined"], "dilek has joined")
    assert_false(machines["efe"].ring_status()["joined"], "efe has joined")
    wait_found(ece, dilek)
    assert_equal(find(ece, machines["efe"].word), [], "found without having joined")

    for m in of("bob", "can", "efe"):
        m.run("p2pchat", "join", ece.address)
    ece.run("p2pchat", "join", f"{dilek.address}:6001")
    for m in everybody:
        assert_true(m.ring_status()["joined"], f"{m.name} has joined")
        assert_in("member", m.out("p2pchat", "ring"))
    for m in everybody:
        for other in everybody:
            if other is not m:
                wait_found(m, other)


@test
def the_bus_tells_the_same():
    m = machines["bob"]
    status = m.ring_status()
    for name, key in (("Members", "members"), ("Successors", "successors"),
                      ("Predecessor", "predecessor"), ("Position", "position")):
        shown = m.busctl("get-property", NAME, PATH, f"{NAME}.Ring", name).stdout
        assert_equal(json.loads(shown)["data"], status[key], name)
    row, = json.loads(m.busctl("call", NAME, PATH, f"{NAME}.Ring", "Find", "s",
                               machines["efe"].word).stdout)["data"][0]
    assert_equal((row[0], row[1]), ("efe", machines["efe"].own_id()), "name and id")
    assert_equal([e.split(":")[0] for e in row[2]], [machines["efe"].address], "endpoints")


@test
def a_message_crosses_the_router():
    ece, dilek = of("ece", "dilek")
    text = "across the router"
    ece.run("p2pchat", "send", dilek.word, text)
    received = dilek.wait_message(text)
    sent = ece.wait_message(text, "sent")
    assert_equal((received["security"], received["state"], received["user_id"]),
                 ("encrypted", "received", ece.own_id()), "what dilek has")
    assert_equal((sent["security"], sent["state"], sent["user_id"]),
                 ("encrypted", "delivered", dilek.own_id()), "what ece has")
    dilek.run("p2pchat", "send", received["conversation"], "and back")
    ece.wait_message("and back")
    # Both histories are the same two messages.
    theirs = {"received": "sent", "sent": "received"}
    assert_equal([(m["direction"], m["text"], m["security"]) for m in ece.history()],
                 [(theirs[m["direction"]], m["text"], m["security"]) for m in dilek.history()],
                 "histories")
    # And by the ring alone, from one who was never spoken to.
    can, efe = of("can", "efe")
    say_and_answer(efe, can, "from efe")


@test(seconds=900)
def it_goes_on_without_the_one_all_came_by():
    bob, can, dilek, efe = of("bob", "can", "dilek", "efe")
    machines["ece"].power_cut()
    fatma = boot(far, "fatma", 1)
    assert_equal(fatma.users(), [], "whom fatma hears")
    fatma.run("p2pchat", "join", efe.address)
    for status in wait_circle([bob, can, dilek, efe, fatma]).values():
        assert_equal(status["members"], 5, "members")
    for m in (bob, can, dilek, efe):
        wait_found(fatma, m)
        wait_found(m, fatma)
    say_and_answer(fatma, bob, "from fatma")
    say_and_answer(dilek, fatma, "to fatma")


@test(seconds=900)
def a_power_cut_is_no_farewell():
    """It comes back into the ring by itself, and is where it was."""
    ece = machines["ece"]
    if ece.leader is None:
        ece.boot()
        ece.wait_active()
    everybody = of("ece", "bob", "can", "dilek", "efe", "fatma")
    for status in wait_circle(everybody).values():
        assert_equal(status["members"], 6, "members")
    assert_true(ece.ring_status()["joined"], "ece has joined")
    for m in of("dilek", "fatma"):
        wait_found(m, ece)
    say_and_answer(machines["fatma"], ece, "to ece")


@test(seconds=600)
def a_restarted_service_comes_back():
    can = machines["can"]
    can.run("systemctl", "restart", "p2pchatd.service")
    can.wait_active()
    wait_circle(of("ece", "bob", "can", "dilek", "efe", "fatma"))
    wait_found(machines["efe"], can)
    say_and_answer(machines["efe"], can, "to can")


@test(seconds=600)
def a_stopped_user_is_not_found():
    bob, efe = of("bob", "efe")
    wait_found(bob, efe)
    id = efe.own_id()
    efe.run("systemctl", "stop", "p2pchatd.socket", "p2pchatd.service")
    stopped = time.monotonic()
    # Nobody forgets so soon whom he does not hear: it is because efe said so.
    wait_for(lambda: id not in find(bob, efe.word), 60, "efe to be found no more")
    print(f"# not found {time.monotonic() - stopped:.1f} s after the stop; goal: 1 s")
    assert_equal(find(machines["fatma"], efe.word), [], "what fatma finds")
    others = of("ece", "bob", "can", "dilek", "fatma")
    wait_circle(others)

    efe.run("systemctl", "start", "p2pchatd.socket", "p2pchatd.service")
    efe.wait_active()
    wait_circle([*others, efe])
    wait_found(bob, efe)


@test
def nobody_of_this_name():
    for m in of("bob", "efe"):
        start = time.monotonic()
        for command in (["find", NOBODY], ["send", NOBODY, "x"]):
            done = m.run("p2pchat", *command, check=False)
            assert_equal(done.returncode, 1, f"exit status of {command}")
            assert_in("nobody", done.stderr)
        print(f"# nobody by {m.name}: {time.monotonic() - start:.1f} s")
        done = m.run("gdbus", "call", "--system", "--dest", NAME, "--object-path", PATH,
                     "--method", f"{NAME}.Ring.Find", NOBODY, check=False)
        assert_in(f"{NAME}.Error.UnknownUser", done.stderr, "error")
    assert_equal([m["text"] for m in machines["bob"].history() if m["text"] == "x"], [], "queued")


@test
def join_where_nobody_is():
    m = machines["bob"]
    before = m.ring_status()["successors"]
    done = m.run("p2pchat", "join", f"{far.subnet}.77", check=False)
    assert_equal(done.returncode, 1, "exit status")
    assert_in(f"{far.subnet}.77", done.stderr)
    assert_equal(m.ring_status()["successors"], before, "successors")


@test(seconds=600)
def who_leaves_is_not_found():
    can, fatma = of("can", "fatma")
    wait_found(can, fatma)
    fatma.run("p2pchat", "leave")
    assert_false(fatma.ring_status()["joined"], "fatma has joined")
    wait_for(lambda: find(can, fatma.word) == [], 60, "fatma to be found no more", 0.3)
    wait_circle(of("ece", "bob", "can", "dilek", "efe"))


main(boot_five)
