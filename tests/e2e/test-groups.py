#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Three machines in a group, whose author is switched off when his message is asked for

Everything is done by the commands that a person types, and by signals on the system bus.
"""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import *  # noqa: E402,F403
from machine import Machine, Network  # noqa: E402

SECONDS = 240  # who has not met for a while looks for each other now and then

ece = bob = can = None


def boot_all():
    global ece, bob, can
    network = Network()
    ece, bob, can = (Machine(network, name, i + 1) for i, name in enumerate(("ece", "bob", "can")))
    for machine in (ece, bob, can):
        machine.boot()
        machine.install()
        machine.wait_active()
    for machine in (ece, bob, can):
        for other in (ece, bob, can):
            if other is not machine:
                machine.wait_user(other.name)
                machine.run("p2pchat", "send", other.name, "--wait", "60", f"hello {other.name}",
                            timeout=90)


def groups(machine):
    """By word: state, names of the members."""
    rows = [json.loads(line) for line in
            machine.out("p2pchat", "--json", "group", "list").splitlines()]
    return {row["word"]: (row["state"], sorted(m.split("#")[0] for m in row["members"]))
            for row in rows}


def wait_groups(machine, wanted):
    wait_for(lambda: groups(machine) == wanted, SECONDS, f"{wanted} at {machine.name}", 0.5)


def texts(machine, word="+team"):
    return [m["text"] for m in reversed(machine.history(word))]


def wait_texts(machine, wanted, word="+team"):
    wait_for(lambda: texts(machine, word) == wanted, SECONDS, f"{wanted} at {machine.name}", 0.5)


def send(machine, text):
    done = machine.run("p2pchat", "send", "+team", "--wait", "30", text, check=False, timeout=90)
    return done.stdout.split()[1]


@test(seconds=900)
def three_come_together():
    ece.run("p2pchat", "group", "create", "team", "bob", "can")
    everybody = ["bob", "can", "ece"]
    for machine in (bob, can):
        wait_groups(machine, {"+team": ("invited", everybody)})
        machine.run("p2pchat", "group", "accept", "team")
    for machine in (ece, bob, can):
        wait_groups(machine, {"+team": ("member", everybody)})
    assert_in(send(ece, "one"), ("sent", "delivered"), "state")
    assert_in(send(bob, "two"), ("sent", "delivered"), "state")
    for machine in (ece, bob, can):
        wait_for(lambda: sorted(texts(machine)) == ["one", "two"], SECONDS,
                 f"both at {machine.name}", 0.5)
    entries = [e for e in can.journal("-u", "p2pchatd.service")
               if e.get("P2PCHAT_GROUP") == "+team" and e.get("P2PCHAT_MESSAGE") == "two"]
    assert_equal([(e["P2PCHAT_USER"], e["P2PCHAT_DIRECTION"]) for e in entries],
                 [("bob", "received")], "entries of the journal")
    assert_in("67b7bfe92638424c8186f55677c05396",
              [e.get("MESSAGE_ID") for e in can.journal("-u", "p2pchatd.service")],
              "the entry of the invitation")
    assert_in(["RECEIVED", "bob", "+team", "encrypted", "two"],
              [line[1:] for line in can.history_log()], "lines of the log")


@test(seconds=900)
def an_absent_member_gets_it_through_a_third_while_the_author_is_switched_off():
    before = texts(can)
    can.power_cut()
    assert_in(send(ece, "for who is away"), ("sent", "queued"), "state")
    wait_for(lambda: "for who is away" in texts(bob), SECONDS, "bob to have it", 0.5)
    ece.power_cut()
    can.boot()
    can.wait_active()
    wait_texts(can, [*before, "for who is away"])
    row = can.history("+team")[0]
    assert_equal((row["conversation"], row["user"], row["security"]),
                 ("+team", "ece", "encrypted"), "who wrote it")
    assert_in("+team ece", can.out("p2pchat", "history", "+team"), "what a person sees")

    # The author learns of it when he is back.
    ece.boot()
    ece.wait_active()
    wait_for(lambda: ece.history("+team")[0]["state"] == "delivered", SECONDS,
             "ece to know that all have it", 0.5)


@test(seconds=900)
def cables_are_cut_in_turn():
    """Each writes while it is alone; all have the same in the end, each author's in order."""
    before = len(texts(ece))
    wanted = []
    for machine in (ece, bob, can):
        machine.cable(False)
        for i in range(3):
            text = f"alone {machine.name} {i}"
            wanted.append(text)
            # By itself: nobody can have it.
            machine.run("p2pchat", "send", "+team", "--wait", "0", text, check=False)
        machine.cable(True)
    for machine in (ece, bob, can):
        wait_for(lambda: sorted(texts(machine)[before:]) == sorted(wanted), SECONDS,
                 f"all of it at {machine.name}", 1)
        for author in ("ece", "bob", "can"):
            assert_equal([t for t in texts(machine)[before:] if f" {author} " in t],
                         [f"alone {author} {i}" for i in range(3)],
                         f"what {author} wrote, at {machine.name}")


@test(seconds=900)
def who_is_removed_gets_nothing_more():
    kept = texts(can)
    ece.run("p2pchat", "group", "remove", "team", "can")
    wait_groups(bob, {"+team": ("member", ["bob", "ece"])})
    assert_in(send(ece, "without can"), ("sent", "delivered"), "state")
    wait_for(lambda: "without can" in texts(bob), SECONDS, "bob to have it", 0.5)
    wait_groups(can, {})
    assert_equal(texts(can), kept, "what can keeps")
    # An upgrade, and the power cut: nothing is lost.
    for machine in (ece, bob):
        machine.run("systemctl", "restart", "p2pchatd.service")
        machine.wait_active()
    bob.power_cut()
    bob.boot()
    bob.wait_active()
    wait_groups(bob, {"+team": ("member", ["bob", "ece"])})
    assert_equal(texts(bob)[-1], "without can", "what bob has")


main(boot_all)
