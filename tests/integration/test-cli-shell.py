#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The interactive shell on a real terminal: tmux shows what a person would see"""

import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../interop"))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from daemon import *  # noqa: E402,F403
from harness import *  # noqa: E402,F403
from peer import Peer  # noqa: E402
from terminal import Terminal  # noqa: E402


def start(config=""):
    """Ece in a shell that has asked for the name already, and Bob."""
    ece = Daemon(Bus(), "127.20.2.1", name="Ece", config=config)
    bob = Daemon(Bus(), "127.20.2.2", name="Bob", config=config)
    directory = os.path.join(ece.directory, "xdg-state/p2pchat")
    os.makedirs(directory)
    open(os.path.join(directory, "username-asked"), "w").close()
    ece.wait_user("Bob")
    bob.wait_user("Ece")
    return ece, bob


@test
def the_first_start_asks_for_the_username():
    ece = Daemon(Bus(), "127.20.2.1")
    present = ece.get("Username")
    terminal = Terminal(ece.bus, ece.directory)
    terminal.wait(rf"^Your username \[{re.escape(present)}\]:$")
    terminal.enter("no good")
    terminal.wait(r"^p2pchat: [\s\S]*^Your username \[.*\]:$", "the question again")
    terminal.enter("Ece-3")
    terminal.wait(r"^p2pchat>$")
    assert_equal(ece.get("Username"), "Ece-3")
    terminal.leave()
    terminal = Terminal(ece.bus, ece.directory)
    terminal.wait(r"^p2pchat>$")
    assert_false([line for line in terminal.screen() if "Your username" in line], "asked again")
    terminal.leave()


@test
def enter_keeps_the_present_name():
    ece = Daemon(Bus(), "127.20.2.1")
    present = ece.get("Username")
    terminal = Terminal(ece.bus, ece.directory)
    terminal.wait(r"^Your username")
    terminal.enter()
    terminal.wait(r"^p2pchat>$")
    assert_equal(ece.get("Username"), present)
    terminal.leave()


def type_while_messages_come(size):
    ece, bob = start()
    terminal = Terminal(ece.bus, ece.directory, size=size)
    terminal.wait(r"^p2pchat>$")
    half = "send bob this line is longer than the terminal is wide, and it wraps"
    terminal.type(half)
    terminal.wait(rf"^p2pchat> {half}$")
    bob.cli("send", "ece", "--wait", "30", "hello while typing", check=True)
    lines = terminal.wait(rf"Bob \(encrypted\): hello while typing\np2pchat> {half}$")
    assert_equal(sum("p2pchat> send" in line for line in lines), 1, "lines with the prompt")
    terminal.key("Home")
    bob.cli("send", "ece", "--wait", "30", "and\nagain", check=True)
    lines = terminal.wait(rf"Bob \(encrypted\): and\n    again\np2pchat> {half}$")
    assert_equal(sum("p2pchat> send" in line for line in lines), 1, "lines with the prompt")
    terminal.key("End")
    terminal.enter(" indeed")
    bob.wait_message(half.removeprefix("send bob ") + " indeed")
    terminal.leave()


@test
def messages_appear_above_the_line_being_typed():
    type_while_messages_come((60, 20))


@test
def messages_on_an_ordinary_terminal():
    type_while_messages_come((80, 24))


@test
def messages_on_a_small_terminal():
    type_while_messages_come((40, 10))


@test
def the_classic_words():
    ece, bob = start()
    dan = Peer(ece.address, "127.20.2.3", "Dan")
    ece.wait_user("Dan")
    terminal = Terminal(ece.bus, ece.directory)
    terminal.wait(r"^p2pchat>$")
    terminal.enter("Users")
    terminal.wait(r"^Bob \(Online\)\nDan \(Online\)$")
    terminal.enter("Chat")
    terminal.wait(r"^Name:$")
    terminal.enter("Dan")
    terminal.wait(r"^Secure\? \[yes/no\]$")
    terminal.enter("yes")
    terminal.wait(r"^Your secret number")
    terminal.enter("11")
    terminal.wait(r"^Dan: legacy, [\s\S]*^Dan>$")
    terminal.enter("/help")
    terminal.wait(r"^Each line is a message\. /end, or Ctrl-D, ends the chat[\s\S]*^Dan>$")
    terminal.enter("classic words")
    dan.wait_text("classic words", True)
    dan.call_secure("an answer")
    terminal.wait(r"Dan \(legacy\): an answer\nDan>$")
    terminal.enter("/end")
    terminal.wait(r"^p2pchat>$")
    terminal.enter("HISTORY")
    terminal.wait(r"SENT .* classic words$[\s\S]*RECEIVED .* an answer$")
    terminal.leave()


@test
def who_has_a_key_is_always_spoken_to_in_secret():
    ece, bob = start(NO_RING)
    terminal = Terminal(ece.bus, ece.directory)
    terminal.wait(r"^p2pchat>$")
    terminal.enter("Chat")
    terminal.wait(r"^Name:$")
    terminal.enter("bob")
    terminal.wait(r"^Secure\? \[yes/no\]$")
    terminal.enter("no")
    terminal.wait(r"^bob: unproven, [\s\S]*^bob>$")
    terminal.enter("secret words")
    assert_equal(bob.wait_message("secret words")["security"], "encrypted")
    terminal.wait(r"^the key of bob is proven: encrypted, [\s\S]*^bob>$")
    bob.cli("send", "ece", "--wait", "30", "an answer", check=True)
    terminal.wait(r"Bob \(encrypted\): an answer\nbob>$")
    terminal.enter("/end")
    terminal.wait(r"^p2pchat>$")
    terminal.leave()


@test
def who_comes_online_is_told():
    ece, bob = start()
    bob.stop()
    ece.wait_user("Bob", state="away")
    terminal = Terminal(ece.bus, ece.directory)
    terminal.wait(r"^p2pchat>$")
    bob.start()
    terminal.wait(r"^Bob is online\np2pchat>$")
    terminal.leave()


@test
def tab_completes():
    ece, bob = start()
    terminal = Terminal(ece.bus, ece.directory)
    terminal.wait(r"^p2pchat>$")
    terminal.type("sen")
    terminal.key("Tab")
    terminal.wait(r"^p2pchat> send$")
    terminal.type("b")
    terminal.key("Tab")
    terminal.wait(r"^p2pchat> send Bob$")
    terminal.key("C-c")
    terminal.wait(r"^p2pchat>$")
    terminal.type("un")
    terminal.key("Tab")
    terminal.wait(r"^unblock  unmute\np2pchat> un$")
    terminal.leave()


@test
def a_dumb_terminal_will_do():
    ece, bob = start()
    terminal = Terminal(ece.bus, ece.directory, term="dumb")
    terminal.wait(r"^p2pchat>$")
    terminal.type("use")
    bob.cli("send", "ece", "--wait", "30", "to a dumb one", check=True)
    terminal.wait(r"Bob \(encrypted\): to a dumb one$")
    terminal.enter("rs")
    terminal.wait(r"^Bob \(Online\)$")
    terminal.key("C-d")
    terminal.wait(r"status=0$")


@test
def what_was_queued_is_told_when_it_went():
    ece, bob = start()
    terminal = Terminal(ece.bus, ece.directory, "chat", "bob")
    terminal.wait(r"^bob>$")
    bob.kill()
    terminal.enter("later then")
    terminal.wait(r"cannot be established: queued")
    bob.start()
    bob.wait_message("later then")
    terminal.wait(r"the message to bob that was queued: delivered$")
    terminal.enter("/end")
    terminal.wait(r"status=3$")


main()
