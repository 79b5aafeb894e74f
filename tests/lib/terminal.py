# SPDX-License-Identifier: LGPL-2.1-or-later
"""A terminal, by default of 60 by 20: tmux shows what a person would see

    terminal = Terminal(bus, directory, "chat", "bob")
    terminal.wait(r"^bob>$")
    terminal.enter("hello")
"""

import os
import re
import shutil

from daemon import SANITIZER_ENVIRONMENT, build_directory
from harness import Failure, defer, run, skip, tempdir, wait_for

COLUMNS = 60


class Terminal:
    """p2pchat on a terminal; @home: where its user's files go."""

    def __init__(self, bus, home, *arguments, term="screen", size=(COLUMNS, 20)):
        if not shutil.which("tmux"):
            skip("tmux is missing")
        self.socket = os.path.join(tempdir(), "tmux")
        environment_ = {"DBUS_SYSTEM_BUS_ADDRESS": bus.address, "TERM": term,
                        "XDG_STATE_HOME": os.path.join(home, "xdg-state"),
                        "HOME": home, "LC_ALL": "C.UTF-8", **SANITIZER_ENVIRONMENT}
        program = os.path.join(build_directory(), "src/cli/p2pchat")
        words = ["env", *(f"{k}={v}" for k, v in environment_.items()), program, *arguments]
        quoted = " ".join("'" + w.replace("'", "'\\''") + "'" for w in words)
        defer(self.tmux, "kill-server", check=False)
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(size[0]), "-y", str(size[1]),
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
