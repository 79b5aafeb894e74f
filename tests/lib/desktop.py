# SPDX-License-Identifier: LGPL-2.1-or-later
"""The desktop of a user: his own bus, a notification server, and p2pchat-notify

    desktop = Desktop()
    server = desktop.mock("body actions")       # python-dbusmock, with these capabilities
    notifier = desktop.notifier(ece.bus)
    server.notify(lambda n: n.summary == "Bob")
"""

import collections
import os
import subprocess

from daemon import SANITIZER_ENVIRONMENT, Bus, build_directory, bus_call
from gi.repository import GLib
from harness import child_dies_with_us, defer, on_failure, tempdir, wait_for

NAME = "org.freedesktop.Notifications"
PATH = "/org/freedesktop/Notifications"
MOCK = "org.freedesktop.DBus.Mock"

Notification = collections.namedtuple(
    "Notification", "id replaces summary body actions hints")


class Mock:
    """A server that keeps what it is told. Answers to Notify have the ids 1, 2, 3, ..."""

    def __init__(self, desktop, capabilities):
        self.desktop = desktop
        self.connection = desktop.bus.connect()
        self.calls = []
        self.connection.signal_subscribe(NAME, MOCK, "MethodCalled", PATH, None, 0, self._take)
        self.process = subprocess.Popen(
            ["/usr/bin/python3", "-m", "dbusmock", "--session", "-t", "notification_daemon", "-p",
             '{"capabilities": "%s"}' % capabilities],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=desktop.environment(),
            preexec_fn=child_dies_with_us)
        defer(self.stop)
        wait_for(lambda: bus_call(self.connection, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                  "org.freedesktop.DBus", "NameHasOwner", "s", NAME)[0],
                 30, "the notification server")

    def _take(self, connection, sender, path, interface, member, parameters):
        self.calls.append(parameters.unpack())

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def all(self, member="Notify"):
        context = GLib.MainContext.default()
        while context.iteration(False):
            pass
        return [args for name, args in self.calls if name == member]

    def notifications(self):
        result, next_id = [], 1
        for _app, replaces, _icon, summary, body, actions, hints, _expire in self.all():
            number = replaces or next_id
            next_id += not replaces
            result.append(Notification(number, replaces, summary, body, actions, hints))
        return result

    def notify(self, condition, seconds=60):
        """The first that is like that."""
        return wait_for(lambda: [n for n in self.notifications() if condition(n)], seconds,
                        "a notification")[0]

    def emit(self, member, signature, *args):
        bus_call(self.connection, NAME, PATH, MOCK, "EmitSignal", "sssav", NAME, member, signature,
                 [GLib.Variant(s, a) for s, a in zip(signature, args)])


class Notifier:
    """A running p2pchat-notify."""

    def __init__(self, desktop, bus, *arguments):
        self.desktop = desktop
        self.command = [os.path.join(build_directory(), "src/notify/p2pchat-notify"),
                        f"--bus={bus.address}", *arguments]
        self.stderr_path = os.path.join(desktop.home, "stderr")
        on_failure(self._tail)
        self.start()
        defer(self.kill)

    def start(self):
        with open(self.stderr_path, "ab") as stderr:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr,
                env=self.desktop.environment(), preexec_fn=child_dies_with_us)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def stop(self):
        """Ends it as systemd does; its exit status."""
        self.process.terminate()
        return self.process.wait(60)

    def _tail(self):
        with open(self.stderr_path, encoding="utf-8", errors="replace") as file:
            return "--- p2pchat-notify:\n" + file.read()[-3000:]


class Desktop:
    """A user with a home and a bus. @programs: what is to be found in the path before all else, by
    name: shell scripts."""

    def __init__(self, programs=None):
        self.bus = Bus()
        self.home = tempdir("p2pchat-home-")
        self.bin = os.path.join(self.home, "bin")
        os.mkdir(self.bin)
        for name, script in (programs or {}).items():
            path = os.path.join(self.bin, name)
            with open(path, "w", encoding="utf-8") as file:
                file.write("#!/bin/sh\n" + script)
            os.chmod(path, 0o755)

    def environment(self, **more):
        return dict(os.environ, **SANITIZER_ENVIRONMENT, HOME=self.home,
                    XDG_STATE_HOME=os.path.join(self.home, "state"),
                    DBUS_SESSION_BUS_ADDRESS=self.bus.address,
                    PATH=self.bin + ":" + os.environ["PATH"], **more)

    def give_cli(self, bus):
        """Its command p2pchat asks the service on @bus."""
        path = os.path.join(self.bin, "p2pchat")
        program = os.path.join(build_directory(), "src/cli/p2pchat")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\nexec {program} --bus={bus.address} \"$@\"\n")
        os.chmod(path, 0o755)

    def mock(self, capabilities):
        return Mock(self, capabilities)

    def notifier(self, bus, *arguments):
        return Notifier(self, bus, *arguments)
