#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The interactive shell on a real terminal: tmux shows what a person would see"""

import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from daemon import *  # noqa: E402,F403
from daemon import SANITIZER_ENVIRONMENT, build_directory  # noqa: E402
from harness import *  # noqa: E402,F403

COLUMNS = 60


class Terminal:
    """A terminal of 60 by 20 with p2pchat in it."""

    def __init__(self, daemon, *arguments, term="screen"):
        if not shutil.which("tmux"):
            skip("tmux is missing")
        self.socket = os.path.join(tempdir(), "tmux")
        environment_ = {"DBUS_SYSTEM_BUS_ADDRESS": daemon.bus.address, "TERM": term,
                        "XDG_STATE_HOME": os.path.join(daemon.directory, "xdg-state"),
                        "HOME": daemon.directory, "LC_ALL": "C.UTF-8", **SANITIZER_ENVIRONMENT}
        program = os.path.join(build_directory(), "src/cli/p2pchat")
        words = ["env", *(f"{k}={v}" for k, v in environment_.items()), program, *arguments]
        quoted = " ".join("'" + w.replace("'", "'\\''") + "'" for w in words)
        defer(self.tmux, "kill-server", check=False)
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(COLUMNS), "-y", "20",
                  f"{quoted}; echo status=$?; sleep 1000")

    def tmux(self, *arguments, check=True):
        return run(["tmux", "-S", self.socket, *arguments], check=check).stdout

    def type(self, text):
        self.tmux("send-keys", "-l", "--", text)

    def key(self, *names):
        self.tmux("send-keys", *names)

    def enter(self, text=""):
        if text:
            self.type(text)
        self.key("Enter")

    def screen(self):
        """The lines of the screen, wrapped lines joined, without the empty ones at the end."""
        return self.tmux("capture-pane", "-p", "-J", "-S", "-").rstrip().split("\n")

    def wait(self, pattern, what=None):
        """Until the screen matches; returns its lines."""

        def look():
            lines = self.screen()
            text = "\n".join(line.rstrip() for line in lines)
            if not re.search(pattern, text, re.M):
                raise Failure(f"the screen is\n{text}")
            return lines

        return wait_for(look, 60, what or f"{pattern!r} on the screen")

    def leave(self):
        self.key("C-c")
        self.key("C-d")
        self.wait(r"^status=0$")


def start():
    """Ece in a shell that has asked for the name already, and Bob."""
    ece = Daemon(Bus(), "127.20.2.1", name="Ece")
    bob = Daemon(Bus(), "127.20.2.2", name="Bob")
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
    terminal = Terminal(ece)
    terminal.wait(rf"^Your username \[{re.escape(present)}\]:$")
    terminal.enter("no good")
    terminal.wait(r"^p2pchat: [\s\S]*^Your username \[.*\]:$", "the question again")
    terminal.enter("Ece-3")
    terminal.wait(r"^p2pchat>$")
    assert_equal(ece.get("Username"), "Ece-3")
    terminal.leave()
    terminal = Terminal(ece)
    terminal.wait(r"^p2pchat>$")
    assert_false([line for line in terminal.screen() if "Your username" in line], "asked again")
    terminal.leave()


@test
def enter_keeps_the_present_name():
    ece = Daemon(Bus(), "127.20.2.1")
    present = ece.get("Username")
    terminal = Terminal(ece)
    terminal.wait(r"^Your username")
    terminal.enter()
    terminal.wait(r"^p2pchat>$")
    assert_equal(ece.get("Username"), present)
    terminal.leave()


@test
def messages_appear_above_the_line_being_typed():
    ece, bob = start()
    terminal = Terminal(ece)
    terminal.wait(r"^p2pchat>$")
    half = "send bob this line is longer than the terminal is wide, and it wraps"
    terminal.type(half)
    terminal.wait(rf"^p2pchat> {half}$")
    bob.cli("send", "ece", "--wait", "30", "hello while typing", check=True)
    lines = terminal.wait(rf"Bob \(legacy\): hello while typing\np2pchat> {half}$")
    assert_equal(sum("p2pchat> send" in line for line in lines), 1, "lines with the prompt")
    terminal.key("Home")
    bob.cli("send", "ece", "--wait", "30", "and\nagain", check=True)
    lines = terminal.wait(rf"Bob \(legacy\): and\n    again\np2pchat> {half}$")
    assert_equal(sum("p2pchat> send" in line for line in lines), 1, "lines with the prompt")
    terminal.key("End")
    terminal.enter(" indeed")
    bob.wait_message(half.removeprefix("send bob ") + " indeed")
    terminal.leave()


@test
def the_classic_words():
    ece, bob = start()
    terminal = Terminal(ece)
    terminal.wait(r"^p2pchat>$")
    terminal.enter("Users")
    terminal.wait(r"^Bob \(Online\)$")
    terminal.enter("Chat")
    terminal.wait(r"^Name:$")
    terminal.enter("Bob")
    terminal.wait(r"^Secure\? \[yes/no\]$")
    terminal.enter("yes")
    terminal.wait(r"^Your secret number")
    terminal.enter("11")
    terminal.wait(r"^Bob>$")
    terminal.enter("classic words")
    assert_equal(bob.wait_message("classic words")["security"], "legacy")
    bob.cli("send", "ece", "--wait", "30", "an answer", check=True)
    terminal.wait(r"Bob \(legacy\): an answer\nBob>$")
    terminal.enter("/end")
    terminal.wait(r"^p2pchat>$")
    terminal.enter("HISTORY")
    terminal.wait(r"SENT .* classic words$[\s\S]*RECEIVED .* an answer$")
    terminal.leave()


@test
def who_comes_online_is_told():
    ece, bob = start()
    bob.stop()
    ece.wait_user("Bob", state="away")
    terminal = Terminal(ece)
    terminal.wait(r"^p2pchat>$")
    bob.start()
    terminal.wait(r"^Bob is online\np2pchat>$")
    terminal.leave()


@test
def tab_completes():
    ece, bob = start()
    terminal = Terminal(ece)
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
    terminal = Terminal(ece, term="dumb")
    terminal.wait(r"^p2pchat>$")
    terminal.type("use")
    bob.cli("send", "ece", "--wait", "30", "to a dumb one", check=True)
    terminal.wait(r"Bob \(legacy\): to a dumb one$")
    terminal.enter("rs")
    terminal.wait(r"^Bob \(Online\)$")
    terminal.key("C-d")
    terminal.wait(r"status=0$")


@test
def what_was_queued_is_told_when_it_went():
    ece, bob = start()
    terminal = Terminal(ece, "chat", "bob")
    terminal.wait(r"^bob>$")
    bob.kill()
    terminal.enter("later then")
    terminal.wait(r"cannot be established: queued")
    bob.start()
    bob.wait_message("later then")
    terminal.wait(r"the message to bob that was queued: sent$")
    terminal.enter("/end")
    terminal.wait(r"status=3$")


main()
