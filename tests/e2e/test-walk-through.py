#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""doc/walk-through.md, typed on three machines: what they print is what it says

Then what a document is no place for: the impostor on a machine that never met the owner, and who is
a contact already.
"""

import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import *  # noqa: E402,F403
from machine import Machine, Network  # noqa: E402

DOCUMENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../doc/walk-through.md")
# What only looks: it is asked again until the others have heard of what was done before.
LOOKS = ("p2pchat history", "p2pchat users", "p2pchat ledger show", "p2pchat ledger list",
         "journalctl")

network = None
machines = {}


def boot(name, number):
    m = machines[name] = Machine(network, name, number)
    m.boot()
    m.install()
    m.wait_active()
    return m


def boot_three():
    global network
    network = Network()
    for number, name in enumerate(("ece", "bob", "can"), start=1):
        boot(name, number)
    for m in machines.values():
        for other in machines:
            if other != m.name:
                m.wait_user(other)


def sections():
    """Of each section its title and its commands: machine, command, what it prints."""
    text = open(DOCUMENT, encoding="utf-8").read()
    for section in text.split("\n## ")[1:]:
        commands = []
        for block in re.findall(r"```console\n(.*?)```", section, re.S):
            for line in block.splitlines():
                prompt = re.match(r"(ece|bob|can)# (.*)", line)
                if prompt:
                    commands.append((prompt[1], prompt[2], []))
                else:
                    commands[-1][2].append(line)
        yield section.splitlines()[0], commands


def pattern(lines):
    """A line of nothing but the ellipsis stands for any lines, else it does for a part of one."""
    parts = [r"(?:.*\n)*?" if line == "…" else
             ".*".join(re.escape(part) for part in re.sub(" +", " ", line).split("…")) + r" *\n"
             for line in lines]
    return re.compile("".join(parts) + r"\Z")


def type_command(name, command, expected):
    wanted = pattern(expected)
    printed = None

    def look():
        nonlocal printed
        done = machines[name].run("sh", "-c", command, check=False)
        printed = done.stdout + done.stderr
        return wanted.match(re.sub(" +", " ", printed))

    if command.startswith(LOOKS):
        try:
            wait_for(look, 90, f"{name}# {command}", 0.5)
        except Failure:
            raise Failure(f"{name}# {command} printed {printed!r}") from None
    else:
        assert_true(look(), f"{name}# {command} printed {printed!r}")


@test(seconds=900)
def the_document_is_true():
    n_typed = 0
    for title, commands in sections():
        print(f"# {title}")
        for name, command, expected in commands:
            type_command(name, command, expected)
            n_typed += 1
    assert_true(n_typed > 20, f"only {n_typed} commands were found")


def security_of(machine, user_id):
    return next((u["security"], u["name"]) for u in machine.users() if u["id"] == user_id)


def register(machine):
    machine.run("p2pchat", "register", "--wait", "90")


@test(seconds=600)
def an_impostor_where_the_owner_was_never_met():
    """dan comes when only the impostor is there, and gets the chain from him and bob."""
    bob, can = machines["bob"], machines["can"]
    owner = boot("efe", 4)
    owner.run("p2pchat", "ledger", "join", "office#fnvf322jbcaivldymvap7z44na")
    bob.wait_user("efe")
    register(owner)
    wait_for(lambda: "registered" in bob.run("p2pchat", "ledger", "show", "efe",
                                             check=False).stdout, 60, "bob to know of efe")
    owner_id = owner.own_id()
    owner.power_cut()
    can.run("p2pchat", "name", "efe")
    dan = boot("dan", 5)
    dan.run("p2pchat", "ledger", "join", "office#fnvf322jbcaivldymvap7z44na")
    shown = f"#{can.own_id()[:8]}"
    for m in (bob, dan):
        wait_for(lambda: security_of(m, can.own_id())[1] == shown, 90,
                 f"{m.name} to show the impostor as {shown}", 0.5)
    done = dan.run("p2pchat", "send", "efe", "who are you?", check=False)
    assert_equal(done.returncode, 1, "exit status")
    assert_in(f"efe#{owner_id[:8]}", done.stderr, "what send says")
    assert_equal([m for m in can.history() if m["text"] == "who are you?"], [], "what he has")


@test(seconds=600)
def who_squats_the_name_of_a_contact_changes_nothing():
    bob, dan = machines["bob"], machines["dan"]
    dan.run("p2pchat", "send", "bob", "you are my contact")
    bob.run("p2pchat", "send", "dan", "and you mine")
    can = machines["can"]
    can.run("p2pchat", "name", "dan")
    register(can)
    wait_for(lambda: can.own_id() in bob.run("p2pchat", "ledger", "show", "dan",
                                             check=False).stdout, 60, "bob to know of it")
    assert_equal(security_of(bob, dan.own_id()), ("encrypted", "dan"), "the contact")
    bob.run("p2pchat", "send", "dan", "still you")
    dan.wait_message("still you")
    assert_equal([m for m in can.history() if m["text"] == "still you"], [], "what he has")
    assert_in("keeps its key", bob.out("journalctl", "--quiet", "--unit", "p2pchatd.service",
                                       "--output", "cat", "--grep", "keeps its key"))


@test(seconds=300)
def the_power_is_cut_and_the_chain_is_there():
    bob = machines["bob"]
    before = bob.out("p2pchat", "--json", "ledger", "list")
    bob.power_cut()
    bob.boot()
    bob.wait_active()
    assert_equal(bob.out("p2pchat", "--json", "ledger", "list"), before, "names")
    assert_in("nothing is wrong", bob.out("p2pchat", "ledger", "verify"))


main(boot_three)
