# SPDX-License-Identifier: LGPL-2.1-or-later
"""A private bus and daemons started by hand

    bus = Bus()                                 # a dbus-daemon of our own, without policy
    ece = Daemon(bus, "127.0.0.2", name="Ece")  # waits until it is ready
    ece.call("SendMessage", "ss", "bob", "hi")  # -> ["01J...", "sent"], or raises BusError
    signals = ece.signals()                     # all signals from now on
    signals.wait("MessageReceived", lambda args: args[4] == "hi")
    ece.kill(); ece.start()

All of it ends with the present test. Daemons come from the sanitized build where there is one
($P2PCHAT_BUILD_SAN), else from $P2PCHAT_BUILD; sanitized=False insists on the plain build.
"""

import os
import select
import signal
import socket
import subprocess
import time

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

from harness import (Failure, assert_equal, child_dies_with_us, defer,  # noqa: E402
                     environment, on_failure, run, tempdir, wait_for)

NAME = "org.example.P2PChat"
PATH = "/org/example/P2PChat"
INTERFACE = "org.example.P2PChat"
ERROR = "org.example.P2PChat.Error."

START_SECONDS = 60
STOP_SECONDS = 60
RESTART_STATUS = 75

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""

SANITIZER_ENVIRONMENT = {
    "ASAN_OPTIONS": "halt_on_error=1:abort_on_error=0:detect_leaks=1:exitcode=99",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1:exitcode=99",
}


class BusError(Exception):
    """A call was answered by an error: .name is its D-Bus name, .sentence its text."""

    def __init__(self, name, sentence):
        super().__init__(f"{name}: {sentence}")
        self.name = name
        self.sentence = sentence


# Neighbours on the ring prove their keys by themselves; with this they do so when somebody writes.
NO_RING = "[Ring]\nEnabled=no\n"


def build_directory(sanitized=None):
    """Where the binaries are; None: sanitized if there is such a build."""
    if sanitized is None:
        sanitized = bool(os.environ.get("P2PCHAT_BUILD_SAN"))
    return environment("P2PCHAT_BUILD_SAN" if sanitized else "P2PCHAT_BUILD")


class Bus:
    """A dbus-daemon with an address of its own."""

    def __init__(self, config=BUS_CONFIG):
        self.directory = tempdir("p2pchat-bus-")
        self.socket = os.path.join(self.directory, "bus")
        self.address = f"unix:path={self.socket}"
        self.config = os.path.join(self.directory, "bus.conf")
        self.process = None
        self.stderr_path = os.path.join(self.directory, "stderr")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(config.format(path=self.socket))
        on_failure(self._tail)
        self.start()
        defer(self.stop)

    def start(self):
        with open(self.stderr_path, "ab") as stderr:
            self.process = subprocess.Popen(
                ["dbus-daemon", f"--config-file={self.config}", "--nofork", "--print-address"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr,
                preexec_fn=child_dies_with_us)
        if not self.process.stdout.readline():
            raise Failure("dbus-daemon did not start")

    def stop(self):
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process = None
        if os.path.exists(self.socket):
            os.unlink(self.socket)

    def restart(self):
        self.stop()
        self.start()

    def _tail(self):
        with open(self.stderr_path, encoding="utf-8", errors="replace") as file:
            # It always complains that it may not have more descriptors.
            lines = [line for line in file if "fd limit" not in line]
        return "--- dbus-daemon:\n" + "".join(lines[-20:]) if lines else ""

    def connect(self):
        """A connection (Gio.DBusConnection) of its own."""
        connection = Gio.DBusConnection.new_for_address_sync(
            self.address,
            Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
            | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION,
            None, None)
        connection.set_exit_on_close(False)
        return connection


def _to_variant(signature, args):
    """Plain Python to a GVariant; values of a{sv} are (signature, value) pairs."""

    def wrap(value):
        if isinstance(value, dict):
            return {k: GLib.Variant(v[0], v[1]) if isinstance(v, tuple) else v
                    for k, v in value.items()}
        return value

    return GLib.Variant(f"({signature})", tuple(wrap(a) for a in args))


def bus_call(connection, destination, path, interface, member, signature="", *args, timeout=60):
    """Any call on a connection; returns the list of its results."""
    try:
        reply = connection.call_sync(
            destination, path, interface, member, _to_variant(signature, args), None,
            Gio.DBusCallFlags.NO_AUTO_START, int(timeout * 1000), None)
    except GLib.Error as error:
        name = Gio.DBusError.get_remote_error(error) or f"local:{error.domain}:{error.code}"
        sentence = error.message.removeprefix(f"GDBus.Error:{name}: ")
        raise BusError(name, sentence) from None
    return list(reply.unpack())


class AsyncCall:
    """A call that is under way. When it is done, place tells which answer it was of all."""

    n_done = 0

    def __init__(self, connection, interface, member, signature="", *args):
        self.result = self.error = None  # or the error's name
        self.started = time.monotonic()
        self.seconds = None
        connection.call(NAME, PATH, interface, member, GLib.Variant(f"({signature})", args), None,
                        Gio.DBusCallFlags.NO_AUTO_START, 60000, None, self._done)

    def _done(self, connection, result):
        self.seconds = time.monotonic() - self.started
        AsyncCall.n_done += 1
        self.place = AsyncCall.n_done
        try:
            self.result = list(connection.call_finish(result).unpack())
        except GLib.Error as error:
            self.error = Gio.DBusError.get_remote_error(error) or str(error)

    @property
    def is_done(self):
        context = GLib.MainContext.default()
        while context.iteration(False):
            pass
        return self.seconds is not None


def bus_call_with_descriptor(connection, interface, member, fd, timeout=60):
    """A call whose only argument is a descriptor."""
    descriptors = Gio.UnixFDList.new()
    argument = GLib.Variant("(h)", (descriptors.append(fd),))
    try:
        connection.call_with_unix_fd_list_sync(
            NAME, PATH, interface, member, argument, None, Gio.DBusCallFlags.NO_AUTO_START,
            int(timeout * 1000), descriptors, None)
    except GLib.Error as error:
        name = Gio.DBusError.get_remote_error(error) or f"local:{error.domain}:{error.code}"
        raise BusError(name, error.message.removeprefix(f"GDBus.Error:{name}: ")) from None


def bus_call_with_file(connection, member, signature, *args, fd, timeout=60):
    """A call of the interface of files; its last argument is a descriptor."""
    descriptors = Gio.UnixFDList.new()
    argument = GLib.Variant(f"({signature}h)", (*args, descriptors.append(fd)))
    try:
        reply, _ = connection.call_with_unix_fd_list_sync(
            NAME, PATH, INTERFACE + ".Files", member, argument, None,
            Gio.DBusCallFlags.NO_AUTO_START, int(timeout * 1000), descriptors, None)
    except GLib.Error as error:
        name = Gio.DBusError.get_remote_error(error) or f"local:{error.domain}:{error.code}"
        raise BusError(name, error.message.removeprefix(f"GDBus.Error:{name}: ")) from None
    return list(reply.unpack())


class Signals:
    """All signals of one sender, collected from now on as (member, args)."""

    def __init__(self, bus):
        self.connection = bus.connect()
        self.items = []
        self.connection.signal_subscribe(NAME, None, None, PATH, None,
                                         Gio.DBusSignalFlags.NONE, self._take)
        # A round trip, so that the match is in place.
        bus_call(self.connection, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                 "org.freedesktop.DBus", "GetId")
        defer(self.close)

    def _take(self, connection, sender, path, interface, member, parameters):
        self.items.append((member, parameters.unpack()))

    def all(self, member=None):
        """What came up to now: arguments of that member, or (member, args) of all."""
        context = GLib.MainContext.default()
        while context.iteration(False):
            pass
        return list(self.items) if member is None else [a for m, a in self.items if m == member]

    def wait(self, member, condition=lambda args: True, seconds=60):
        """The arguments of the first such signal."""

        def look():
            return [a for a in self.all(member) if condition(a)]

        return wait_for(look, seconds, f"signal {member}, have {len(self.items)} others")[0]

    def close(self):
        if not self.connection.is_closed():
            self.connection.close_sync(None)


class Daemon:
    """One p2pchatd on a bus of its own (bus=None: --bus=none), at one loopback address; or at all
    addresses (None) of a network that the command @inside enters, which runs it."""

    def __init__(self, bus, address, name=None, config="", arguments=(), sanitized=None,
                 start=True, environment=None, inside=()):
        self.bus = bus
        self.address = address
        self.directory = tempdir("p2pchat-daemon-")
        self.state = os.path.join(self.directory, "state")
        self.log = os.path.join(self.directory, "log")
        self.config = os.path.join(self.directory, "p2pchat.conf")
        self.stderr_path = os.path.join(self.directory, "stderr")
        self.sanitized = sanitized
        self.arguments = list(arguments)
        self.inside = list(inside)
        self.environment = dict(environment or {})
        self.process = None
        self._connection = None
        self._notify = None
        os.mkdir(self.state, 0o700)
        os.mkdir(self.log, 0o750)
        self.configure(config, name)
        on_failure(self._tail)
        defer(self._end)
        if start:
            self.start()

    def configure(self, config="", name=None):
        """Writes the configuration file; takes effect at the next start."""
        with open(self.config, "w", encoding="utf-8") as file:
            if name is not None:
                file.write(f"[Identity]\nUsername={name}\n")
            file.write(config)

    @property
    def program(self):
        return os.path.join(build_directory(self.sanitized), "src/daemon/p2pchatd")

    @property
    def pid(self):
        return self.process.pid

    @property
    def connection(self):
        if self._connection is None or self._connection.is_closed():
            self._connection = self.bus.connect()
        return self._connection

    def start(self, wait=True):
        notify = os.path.join(self.directory, "notify")
        if os.path.exists(notify):
            os.unlink(notify)
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(notify)
        environment_ = dict(os.environ, NOTIFY_SOCKET=notify, **SANITIZER_ENVIRONMENT)
        environment_.update(self.environment)
        for name in ("JOURNAL_STREAM", "CREDENTIALS_DIRECTORY", "LISTEN_FDS", "LISTEN_PID"):
            environment_.pop(name, None)
        with open(self.stderr_path, "ab") as stderr:
            self.process = subprocess.Popen(
                [*self.inside, self.program, f"--bus={self.bus.address if self.bus else 'none'}",
                 f"--config={self.config}", f"--state={self.state}", f"--log={self.log}",
                 *([f"--bind={self.address}"] if self.address else []), *self.arguments],
                stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr, env=environment_,
                preexec_fn=child_dies_with_us)
        if wait:
            self.wait_ready()

    def wait_ready(self, seconds=START_SECONDS):
        """Until it says READY=1."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if select.select([self._notify], [], [], 0.05)[0]:
                if b"READY=1" in self._notify.recv(4096).split(b"\n"):
                    return
            if self.process.poll() is not None:
                raise Failure(f"p2pchatd ended with {self.process.returncode} instead of starting: "
                              f"{self.errors()[-1500:]}")
        raise Failure(f"p2pchatd was not ready after {seconds} s: {self.errors()[-1500:]}")

    def wait_exit(self, seconds=STOP_SECONDS):
        """Until it ends by itself; returns its exit status."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"p2pchatd still runs after {seconds} s") from None
        self._close()
        return status

    def stop(self):
        """Ends it as systemd does, and insists on a clean end."""
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            status = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failure(f"p2pchatd did not stop in {STOP_SECONDS} s") from None
        finally:
            self._close()
        if status != 0:
            raise Failure(f"p2pchatd ended with {status}: {self.errors()[-1500:]}")

    def kill(self):
        """kill -9"""
        self.process.kill()
        self.process.wait()
        self._close()

    def restart(self):
        self.stop()
        self.start()

    def _close(self):
        self.process = None
        if self._notify is not None:
            self._notify.close()
            self._notify = None
        if self._connection is not None:
            if not self._connection.is_closed():
                self._connection.close_sync(None)
            self._connection = None

    def _end(self):
        if self.process is not None:
            status = self.process.poll()
            if status is not None:
                self._close()
                raise Failure(f"p2pchatd had ended with {status}: {self.errors()[-1500:]}")
            self.stop()
        self.check_errors()

    def check_errors(self):
        """No sanitizer has anything to say."""
        for mark in ("AddressSanitizer", "LeakSanitizer", "runtime error:", "Assertion "):
            if mark in self.errors():
                raise Failure(f"p2pchatd at {self.address}: {self.errors()[-3000:]}")

    def errors(self):
        """What it wrote to standard error in all its lives."""
        try:
            with open(self.stderr_path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def _tail(self):
        text = self.errors()
        return f"--- p2pchatd at {self.address}:\n{text[-3000:]}" if text else ""

    def history_log(self):
        """The lines of history.log, each split at its tabs."""
        path = os.path.join(self.log, "history.log")
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as file:
            return [line.rstrip("\n").split("\t") for line in file]

    def resident_kib(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        raise Failure("no VmRSS")

    def cpu_seconds(self):
        """Of the processor, that it has used since it was started."""
        with open(f"/proc/{self.pid}/schedstat", encoding="ascii") as file:
            return int(file.read().split()[0]) / 1e9

    # The bus

    def call(self, member, signature="", *args, timeout=60):
        """Calls a member of the main interface; returns the list of its results. Values of an
        a{sv} argument are pairs: {"security": ("s", "plain")}."""
        return bus_call(self.connection, NAME, PATH, INTERFACE, member, signature, *args,
                        timeout=timeout)

    def ring(self, member, signature="", *args, timeout=90):
        """The same, of the interface of the ring."""
        return bus_call(self.connection, NAME, PATH, INTERFACE + ".Ring", member, signature, *args,
                        timeout=timeout)

    def ring_status(self):
        return self.ring("GetStatus")[0]

    def ring_get(self, name):
        """A property of the ring."""
        return bus_call(self.connection, NAME, PATH, "org.freedesktop.DBus.Properties", "Get",
                        "ss", INTERFACE + ".Ring", name)[0]

    def ledger(self, member, signature="", *args, timeout=60):
        """A member of the interface of the ledger; returns the list of its results."""
        return bus_call(self.connection, NAME, PATH, INTERFACE + ".Ledger", member, signature,
                        *args, timeout=timeout)

    def ledger_status(self):
        return self.ledger("GetStatus")[0]

    def file(self, member, signature="", *args, timeout=60):
        """A member of the interface of files; returns the list of its results."""
        return bus_call(self.connection, NAME, PATH, INTERFACE + ".Files", member, signature,
                        *args, timeout=timeout)

    def file_send(self, user, name, file, timeout=60):
        """@file: an open file, or a descriptor. Returns the id."""
        fd = file if isinstance(file, int) else file.fileno()
        return bus_call_with_file(self.connection, "Send", "ss", user, name, fd=fd,
                                  timeout=timeout)[0]

    def file_accept(self, id, file, timeout=60):
        fd = file if isinstance(file, int) else file.fileno()
        bus_call_with_file(self.connection, "Accept", "s", id, fd=fd, timeout=timeout)

    def files(self):
        """List as dictionaries."""
        keys = ("id", "user", "name", "size", "done", "direction", "state")
        return [dict(zip(keys, row)) for row in self.file("List")[0]]

    def group(self, member, signature="", *args):
        """A member of the interface of groups; returns the list of its results."""
        return bus_call(self.connection, NAME, PATH, INTERFACE + ".Groups", member, signature, *args)

    def new_identity(self):
        """Returns the new id; the daemon ends so as to be started again, and is."""
        id = bus_call(self.connection, NAME, PATH, INTERFACE + ".Identity", "New")[0]
        self.start_anew()
        return id

    def export_identity(self, fd):
        bus_call_with_descriptor(self.connection, INTERFACE + ".Identity", "Export", fd)

    def import_identity(self, fd):
        """Started again when it has taken the archive."""
        bus_call_with_descriptor(self.connection, INTERFACE + ".Identity", "Import", fd)
        self.start_anew()

    def start_anew(self):
        """It ends by itself, with the status after which systemd starts it again."""
        status = self.wait_exit()
        if status != RESTART_STATUS:
            raise Failure(f"p2pchatd ended with {status} instead of {RESTART_STATUS}")
        self.start()

    def set_log_level(self, level):
        bus_call(self.connection, NAME, "/org/freedesktop/LogControl1",
                 "org.freedesktop.DBus.Properties", "Set", "ssv", "org.freedesktop.LogControl1",
                 "LogLevel", GLib.Variant("s", level))

    def get(self, name):
        """A property."""
        return bus_call(self.connection, NAME, PATH, "org.freedesktop.DBus.Properties", "Get",
                        "ss", INTERFACE, name)[0]

    def set(self, name, signature, value):
        bus_call(self.connection, NAME, PATH, "org.freedesktop.DBus.Properties", "Set", "ssv",
                 INTERFACE, name, GLib.Variant(signature, value))

    def signals(self):
        return Signals(self.bus)

    def users(self):
        """ListUsers as dictionaries."""
        keys = ("name", "id", "address", "state", "last_heard", "security", "flags")
        return [dict(zip(keys, row)) for row in self.call("ListUsers")[0]]

    def user(self, name):
        """The row of one user, or None."""
        rows = [u for u in self.users() if u["name"] == name]
        return rows[0] if rows else None

    def history(self, user="", limit=1000):
        """GetHistory as dictionaries, newest first."""
        return history_rows(self.call("GetHistory", "su", user, limit)[0])

    def history_since(self, sequence, user="", limit=1000):
        return history_rows(self.call("GetHistorySince", "stu", user, sequence, limit)[0])

    def wait_user(self, name, state="online", seconds=60):
        """Until a user is listed in that state; returns its row."""

        def look():
            user = self.user(name)
            return user if user is not None and user["state"] == state else None

        return wait_for(look, seconds, f"{name} to be {state}", 0.1)

    def wait_message(self, text, direction="received", seconds=60):
        """Until the history has such a text; returns its row."""

        def look():
            rows = [m for m in self.history() if m["text"] == text and m["direction"] == direction]
            return rows[0] if rows else None

        return wait_for(look, seconds, f"the message {text!r}", 0.1)

    def cli(self, *arguments, input=None, check=False, timeout=60, environment=None):
        """Runs p2pchat on this daemon's bus; returns its CompletedProcess."""
        program = os.path.join(build_directory(self.sanitized), "src/cli/p2pchat")
        env = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=self.bus.address,
                   XDG_STATE_HOME=os.path.join(self.directory, "xdg-state"),
                   **SANITIZER_ENVIRONMENT)
        env.pop("STATE_DIRECTORY", None)
        env.update(environment or {})
        return run([program, *arguments], input=input, check=check, timeout=timeout, env=env)


def history_rows(rows):
    keys = ("sequence", "id", "direction", "conversation", "user", "time", "address", "user_id",
            "state", "security", "text")
    return [dict(zip(keys, row)) for row in rows]


def announce_users(first, count, to):
    """Users number @first and following announce themselves, each at an address of its own; no
    more at a time than a socket holds, 100."""
    address = socket.inet_ntoa(((127 << 24) + (100 << 16) + 1 + first).to_bytes(4, "big"))
    program = os.path.join(environment("P2PCHAT_BUILD"), "tests/bench/bench-announce")
    out = run([program, "send", address, str(count), "1", f"{to}:6000"]).stdout
    assert_equal(float(out.split()[1]), count, "announcements that went")
