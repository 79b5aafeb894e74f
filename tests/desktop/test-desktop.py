#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""p2pchat-notify on a desktop: an X server, and notification daemons that people have

Screenshots go to $P2PCHAT_ARTEFACTS, by default tests/artefacts.
"""

import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from daemon import *  # noqa: E402,F403
from daemon import bus_call  # noqa: E402
from desktop import *  # noqa: E402,F403
from harness import *  # noqa: E402,F403

TREE = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
ARTEFACTS = os.environ.get("P2PCHAT_ARTEFACTS", os.path.join(TREE, "tests/artefacts"))
ECE, BOB = "127.50.22.1", "127.50.22.2"
TERMINAL = 'echo "$@" >"$HOME/opened.part"\nmv "$HOME/opened.part" "$HOME/opened"\n'
DUNST = """[global]
    width = 340
    offset = 20x20
    font = DejaVu Sans 11
    markup = full
    mouse_middle_click = do_action
    dmenu = sed -n /Mute/p
"""


class Screen:
    """A desktop with an X server, and a notification daemon on it."""

    def __init__(self, server, programs=None):
        self.desktop = Desktop(programs)
        read, write = os.pipe()
        self.x = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", "640x320x24", "-nolisten", "tcp"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=[write], preexec_fn=child_dies_with_us)
        defer(lambda: (self.x.terminate(), self.x.wait()))
        os.close(write)
        with os.fdopen(read) as file:
            number = file.readline().strip()
        assert_true(number, "Xvfb starts")
        data = os.path.join(self.desktop.home, "data")
        icons = os.path.join(data, "icons/hicolor/scalable/apps")
        os.makedirs(icons)
        shutil.copy(os.path.join(TREE, "src/notify/desktop/p2pchat.svg"), icons)
        shutil.copy(os.path.join(icons, "p2pchat.svg"), os.path.join(data, "p2pchat.svg"))
        config = os.path.join(self.desktop.home, ".config/dunst")
        os.makedirs(config)
        with open(os.path.join(config, "dunstrc"), "w", encoding="utf-8") as file:
            file.write(DUNST + f"    icon_path = {icons}\n")
        self.environment = self.desktop.environment(
            DISPLAY=f":{number}", XDG_DATA_HOME=data, NO_AT_BRIDGE="1",
            XDG_CONFIG_HOME=os.path.join(self.desktop.home, ".config"))
        self.process = subprocess.Popen(
            [server], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env=self.environment, preexec_fn=child_dies_with_us)
        defer(lambda: (self.process.kill(), self.process.wait()))
        connection = self.desktop.bus.connect()
        wait_for(lambda: bus_call(connection, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                  "org.freedesktop.DBus", "NameHasOwner", "s",
                                  "org.freedesktop.Notifications")[0], 60, "the daemon's name")

    def run(self, *command):
        return subprocess.run(command, env=self.environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)

    def bubble(self, name):
        """The window of the bubble."""
        def look():
            found = self.run("xdotool", "search", "--onlyvisible", "--name", f"^{name}$")
            return found.stdout.split()
        return wait_for(look, 60, "a bubble on the screen")[0]

    def picture(self, name):
        """What is on the screen, as a file; how many colours there are."""
        os.makedirs(ARTEFACTS, exist_ok=True)
        path = os.path.join(ARTEFACTS, name)
        done = self.run("import", "-window", "root", path)
        assert_equal(done.returncode, 0, done.stderr)
        return int(self.run("identify", "-format", "%k", path).stdout)


def shown(server, name, programs=None):
    """A message of Bob is on the screen of Ece."""
    bus = Bus()
    ece = Daemon(bus, ECE, name="Ece", config=NO_RING)
    bob = Daemon(Bus(), BOB, name="Bob", config=NO_RING)
    wait_for(lambda: any(u[0] == "Ece" for u in bob.call("ListUsers")[0]), 60, "hears Ece")
    screen = Screen(server, programs)
    screen.desktop.notifier(bus)

    def say():
        bob.call("SendMessage", "ss", "Ece", "Are you coming to dinner? 8 pm & <b>sharp</b>")
        return screen.run("xdotool", "search", "--onlyvisible", "--name", f"^{name}$").stdout
    wait_for(say, 60, "a bubble")
    return ece, screen


@test
def a_message_on_the_screen():
    server = "/usr/lib/notification-daemon/notification-daemon"
    if not os.access(server, os.X_OK):
        skip("notification-daemon is not installed")
    _, screen = shown(server, "Notification")
    wait_for(lambda: screen.picture("notification-daemon.png") > 16, 60, "something is drawn")


@test
def a_click_opens_the_conversation():
    _, screen = shown("dunst", "Dunst", {"x-terminal-emulator": TERMINAL})
    wait_for(lambda: screen.picture("dunst.png") > 16, 60, "something is drawn")
    opened = os.path.join(screen.desktop.home, "opened")

    def click():
        screen.run("xdotool", "mousemove", "--window", screen.bubble("Dunst"), "20", "20",
                   "click", "2")
        return os.path.exists(opened)
    wait_for(click, 60, "the click opens a terminal")
    with open(opened, encoding="utf-8") as file:
        assert_equal(file.read(), "-e p2pchat chat -- Bob\n")


@test
def a_choice_from_the_menu_mutes():
    ece, screen = shown("dunst", "Dunst")

    def choose():
        screen.run("dunstctl", "context")
        return any(u[0] == "Bob" and "muted" in u[6].split() for u in ece.call("ListUsers")[0])
    wait_for(choose, 60, "Bob is muted")


main()
