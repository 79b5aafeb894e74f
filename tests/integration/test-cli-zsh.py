#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Completion in a real zsh"""

import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from daemon import *  # noqa: E402,F403
from daemon import SANITIZER_ENVIRONMENT, build_directory  # noqa: E402
from harness import *  # noqa: E402,F403

TREE = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
ECE, BOB = "127.50.23.1", "127.50.23.2"


class Zsh:
    def __init__(self, bus):
        for tool in ("zsh", "tmux"):
            if not shutil.which(tool):
                skip(f"{tool} is missing")
        home = tempdir()
        functions = os.path.join(home, "functions")
        os.mkdir(functions)
        shutil.copy(os.path.join(TREE, "src/cli/p2pchat.zsh"), os.path.join(functions, "_p2pchat"))
        with open(os.path.join(home, ".zshrc"), "w", encoding="utf-8") as file:
            file.write(f"PS1='> '\nfpath=({functions} $fpath)\nautoload -U compinit\n"
                       "compinit -u -D\nbindkey '^I' complete-word\n")
        self.socket = os.path.join(home, "tmux")
        values = dict(SANITIZER_ENVIRONMENT, DBUS_SYSTEM_BUS_ADDRESS=bus.address, ZDOTDIR=home,
                      HOME=home, LC_ALL="C.UTF-8", TERM="screen",
                      PATH=os.path.join(build_directory(), "src/cli") + ":" + os.environ["PATH"])
        defer(self.tmux, "kill-server", check=False)
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "20",
                  "env", *(f"{k}={v}" for k, v in values.items()), "zsh", "-i")
        wait_for(lambda: self.line() == ">", 60, "the prompt")

    def tmux(self, *arguments, check=True):
        return run(["tmux", "-S", self.socket, *arguments], check=check).stdout

    def line(self):
        lines = [t.rstrip() for t in self.tmux("capture-pane", "-p").splitlines() if t.strip()]
        return lines[-1] if lines else ""

    def complete(self, typed, wanted):
        """What stands on the line when @typed was completed."""
        self.tmux("send-keys", "-l", "--", typed)
        wait_for(lambda: self.line() == f"> {typed}".rstrip(), 60, "what was typed")
        self.tmux("send-keys", "Tab")
        wait_for(lambda: self.line() == f"> {wanted}", 60,
                 f"{wanted!r} from {typed!r}")
        self.tmux("send-keys", "C-u")
        wait_for(lambda: self.line() == ">", 60, "an empty line")


@test
def commands_users_and_options():
    bus = Bus()
    ece = Daemon(bus, ECE, name="Ece", config=NO_RING)
    bob = Daemon(Bus(), BOB, name="Bob-K", config=NO_RING)
    wait_for(lambda: any(u[0] == "Bob-K" for u in ece.call("ListUsers")[0]), 60, "Bob")
    assert_true(bob.pid > 0)
    zsh = Zsh(bus)
    zsh.complete("p2pchat hist", "p2pchat history")
    zsh.complete("p2pchat send bo", "p2pchat send Bob-K")
    zsh.complete("p2pchat --vers", "p2pchat --version")
    zsh.complete(f"p2pchat --bus={bus.address} send B", f"p2pchat --bus={bus.address} send Bob-K")
    zsh.complete("p2pchat ledger ver", "p2pchat ledger verify")


main()
