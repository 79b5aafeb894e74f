#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two machines: nothing in clear, nothing lost, nothing doubled

What is sent natively is looked for on the cable; then the daemons are killed, the power is cut and
a machine is put back to a backup, and both histories must still agree.
"""

import base64
import os
import random
import re
import shutil
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from capture import Capture  # noqa: E402
from gi.repository import Gio, GLib  # noqa: E402
from harness import *  # noqa: E402,F403
from machine import Machine, Network  # noqa: E402

NAME, PATH = "org.example.P2PChat", "/org/example/P2PChat"
STATE = "/var/lib/p2pchat"
MESSAGES, KILLS, IN_FLIGHT = 10000, 50, 32

ece = bob = None


def boot_both():
    global ece, bob
    network = Network()
    ece, bob = Machine(network, "ece", 1), Machine(network, "bob", 2)
    for machine in (ece, bob):
        machine.boot()
        machine.install()
        machine.wait_active()
    ece.wait_user("bob")
    bob.wait_user("ece")


def own_id(machine):
    return machine.out("busctl", "get-property", NAME, PATH, NAME, "Id").split('"')[1]


def deliver(machine, user, text):
    """Sends, and waits longer than any slow machine takes."""
    answer = machine.busctl("--timeout=90", "call", NAME, PATH, NAME, "SendMessageFull", "ssa{sv}",
                            user, text, "1", "wait-usec", "t", "60000000", timeout=120)
    assert_in('"delivered"', answer.stdout, f"answer to {text!r}")


def texts(machine, direction, prefix, user=""):
    """All texts with this prefix, in the order of the history."""
    rows, since = [], 0
    while True:
        page = machine.call("GetHistorySince", "stu", user, since, 1000)[0]
        if not page:
            return rows
        rows += [row[-1] for row in page if row[2] == direction and row[-1].startswith(prefix)]
        since = page[-1][0]


def wait_delivered(machine, prefix, seconds=120):
    def look():
        rows = [m for m in machine.history() if m["text"].startswith(prefix)
                and m["direction"] == "sent"]
        return rows and all(m["state"] == "delivered" for m in rows)

    wait_for(look, seconds, f"all of {prefix!r} of {machine.name} to be delivered", 0.3)


@test
def nothing_is_in_clear():
    text = "the quick brown fox says merhaba"
    with Capture(ece.network.namespace, ece.port) as capture:
        # The two met before, for the ring: the capture shall hold a session from its first byte.
        deliver(ece, "bob", f"{text} before")
        ece.run("p2pchat", "disconnect", "bob", check=False)
        for i in range(20):
            deliver(ece, "bob", f"{text} {i}")
            deliver(bob, "ece", f"{text} back {i}")
        ece.call("EndSession", "s", "bob")
    stream = capture.stream()
    assert_in(b"P2PC", stream)
    assert_true(len(stream) > 40 * len(text), "the messages went over this cable")
    secrets = [text.encode(), b"merhaba", b"quick", b"ece", b"bob"]
    for machine in (ece, bob):
        name = own_id(machine)
        secrets += [name.encode(), name.upper().encode(),
                    base64.b32decode(name.upper() + "=" * (-len(name) % 8))]
    for kind, port, data in capture.payloads():
        for secret in secrets:
            # Three letters come up by chance in what is sealed; then not in the case of a name.
            if len(secret) > 3:
                assert_true(secret not in data, f"{secret} in {kind} to port {port}")
    # A short name by chance: about one in 16 million places.
    for secret in (b"ece", b"bob"):
        assert_true(stream.count(secret) <= 1 + len(stream) // 2 ** 20, f"{secret} on the cable")


@test
def keys_change_every_eight_messages():
    for machine in (ece, bob):
        machine.run("systemctl", "service-log-level", "p2pchatd.service", "debug")
        defer(machine.run, "systemctl", "service-log-level", "p2pchatd.service", "info")
    for i in range(41):
        deliver(ece, "bob", f"rhythm {i}")
    for i in range(17):
        deliver(bob, "ece", f"rhythm {i}")
    ece.call("EndSession", "s", "bob")

    def counters(machine):
        """Messages and changes of the key, of the last session: sent, received."""
        for entry in reversed(machine.journal("-u", "p2pchatd.service")):
            if "P2PCHAT_SENT_KEY_CHANGES" in entry:
                return [tuple(int(entry[f"P2PCHAT_{way}_{what}"])
                              for what in ("MESSAGES", "KEY_CHANGES"))
                        for way in ("SENT", "RECEIVED")]
        return None

    wait_for(lambda: counters(ece) == [(41, 5), (17, 2)], 20, "the counters of ece", 0.3)
    wait_for(lambda: counters(bob) == [(17, 2), (41, 5)], 20, "the counters of bob", 0.3)


@test
def fingerprints_agree():
    on_ece, on_bob = (m.call("GetFingerprint", "s", u)[0] for m, u in ((ece, "bob"), (bob, "ece")))
    assert_equal(on_ece, on_bob, "the digits of the pair")
    assert_true(re.fullmatch(r"(\d{5} ){11}\d{5}", on_ece), "twelve groups of five")
    wrong = on_ece[:-1] + str((int(on_ece[-1]) + 1) % 10)
    done = ece.run("p2pchat", "verify", "bob", *wrong.split(), check=False)
    assert_equal(done.returncode, 1)
    ece.run("p2pchat", "verify", "bob", *on_bob.split())
    assert_equal(ece.wait_user("bob")["security"], "verified")
    deliver(ece, "bob", "compared")
    assert_equal(ece.wait_message("compared", "sent")["security"], "verified")
    assert_equal(bob.wait_message("compared")["security"], "encrypted")


class Writer(threading.Thread):
    """Sends numbered texts, whatever becomes of the daemon; what was not answered is looked up."""

    def __init__(self, machine, user, prefix):
        super().__init__(daemon=True)
        self.machine, self.user, self.prefix = machine, user, prefix
        self.since = 0
        self.n_accepted = 0
        self.error = None

    def run(self):
        try:
            waiting = list(range(MESSAGES))
            while waiting:
                batch = waiting[:IN_FLIGHT]
                accepted = self._send(batch)
                if len(accepted) < len(batch):
                    accepted |= self._kept(batch)
                self.n_accepted += len(accepted)
                waiting = [i for i in batch if i not in accepted] + waiting[IN_FLIGHT:]
        except Exception as error:  # shown by the test
            self.error = error

    def _bus(self):
        path = f"/proc/{self.machine.leader}/root/run/dbus/system_bus_socket"
        return Gio.DBusConnection.new_for_address_sync(
            f"unix:path={path}", Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
            | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)

    def _call(self, bus, member, signature, *args):
        return bus.call_sync(NAME, PATH, NAME, member, GLib.Variant(f"({signature})", args), None,
                             Gio.DBusCallFlags.NONE, 20000, None).unpack()

    def _send(self, batch):
        """The numbers whose SendMessage was answered."""
        context = GLib.MainContext.new()
        context.push_thread_default()
        accepted, n_done = set(), [0]
        try:
            bus = self._bus()
            bus.set_exit_on_close(False)

            def done(connection, result, number):
                n_done[0] += 1
                try:
                    connection.call_finish(result)
                    accepted.add(number)
                except GLib.Error:
                    pass

            for i in batch:
                arguments = GLib.Variant("(ssa{sv})", (self.user, f"{self.prefix} {i:05}",
                                                       {"wait-usec": GLib.Variant("t", 0)}))
                bus.call(NAME, PATH, NAME, "SendMessageFull", arguments, None,
                         Gio.DBusCallFlags.NONE, 20000, None, done, i)
            while n_done[0] < len(batch):
                context.iteration(True)
            bus.close_sync(None)
        except GLib.Error:
            pass
        finally:
            context.pop_thread_default()
        return accepted

    def _kept(self, batch):
        """The numbers of which the history knows, though the answer never came."""
        wanted = {f"{self.prefix} {i:05}": i for i in batch}
        deadline = time.monotonic() + 60
        while True:
            try:
                bus = self._bus()
                rows = self._call(bus, "GetHistory", "su", self.user, 1000)[0]
                bus.close_sync(None)
                return {wanted[row[-1]] for row in rows
                        if row[2] == "sent" and row[-1] in wanted}
            except GLib.Error:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)


@test(seconds=900)
def kills_lose_and_double_nothing():
    chance = random.Random(6001)
    writers = [Writer(ece, "bob", "kill e"), Writer(bob, "ece", "kill b")]
    for writer in writers:
        writer.start()
    n_kills = {ece: 0, bob: 0}
    while any(w.is_alive() for w in writers) or min(n_kills.values()) < KILLS:
        machine = ece if n_kills[ece] <= n_kills[bob] else bob
        pid = machine.pid_of()
        if pid == 0 or n_kills[machine] >= KILLS:
            time.sleep(0.05)
            continue
        machine.run("kill", "-KILL", str(pid), check=False)
        n_kills[machine] += 1
        # systemd gives up on a service that dies more often than it may.
        time.sleep(0.3 + 0.3 * chance.random())
    for writer in writers:
        writer.join()
        assert_equal(writer.error, None, "error of the writer")
    assert_equal(set(n_kills.values()), {KILLS}, "kills of each daemon")

    for here, there, prefix in ((ece, bob, "kill e"), (bob, ece, "kill b")):
        here.wait_active()
        sent = texts(here, "sent", prefix)
        assert_equal(len(sent), MESSAGES, f"messages that {here.name} has written")
        assert_equal(len(set(sent)), MESSAGES, "different ones")
        wait_for(lambda t=there, p=prefix: len(texts(t, "received", p)) >= MESSAGES, 240,
                 f"all messages at {there.name}", 1)
        received = texts(there, "received", prefix)
        assert_true(received == sent, f"{there.name} has what {here.name} sent, once, in order")
        rows = here.call("GetHistoryBefore", "stu", there.name, 0, 1000)[0]
        wait_for(lambda h=here: h.call("GetStatus")[0]["messages-queued"]["data"] == 0, 60,
                 f"the queue of {here.name} to be empty", 0.5)
        assert_true(rows, "history")


@test
def a_half_open_session_ends():
    deliver(ece, "bob", "half 1")
    bob.power_cut()
    assert_equal(ece.call("SendMessage", "ss", "bob", "half 2")[1], "queued")
    bob.boot()
    bob.wait_active()
    bob.wait_message("half 2", seconds=120)
    deliver(bob, "ece", "half 3")
    wait_delivered(ece, "half")
    assert_equal(texts(bob, "received", "half"), ["half 1", "half 2"])


def stop(machine):
    machine.run("systemctl", "stop", "p2pchatd.socket", "p2pchatd.service")


def start(machine):
    machine.run("systemctl", "start", "p2pchatd.socket", "p2pchatd.service")
    machine.wait_active()


@test
def a_backup_put_back_loses_and_doubles_nothing():
    """What ece itself wrote or took after the backup is gone from its own disk, as that is what
    putting back means; it must neither come twice nor hinder anything else."""
    bob.cable(False)
    defer(bob.cable, True)
    ece.wait_user("bob", "away", 60)
    for i in range(5):
        assert_equal(ece.call("SendMessage", "ss", "bob", f"backup queued {i}")[1], "queued")
    stop(ece)
    backup = os.path.join(ece.directory, "backup")
    run(["cp", "-a", ece.root + STATE, backup])
    start(ece)
    bob.cable(True)
    wait_delivered(ece, "backup queued")
    ece.wait_user("bob", "online", 60)
    for i in range(30):
        deliver(ece, "bob", f"backup later {i}")
    for i in range(30):
        deliver(bob, "ece", f"backup to {i}")

    stop(ece)
    for i in range(3):
        bob.call("SendMessageFull", "ssa{sv}", "ece", f"backup gap {i}", 1, "wait-usec", "t", 0)
    shutil.rmtree(ece.root + STATE)
    run(["cp", "-a", backup, ece.root + STATE])
    start(ece)
    for i in range(30):
        ece.call("SendMessage", "ss", "bob", f"backup new {i}")
    for i in range(30):
        bob.call("SendMessage", "ss", "ece", f"backup anew {i}")
    wait_delivered(ece, "backup")
    wait_delivered(bob, "backup")
    expected = ([f"backup queued {i}" for i in range(5)] + [f"backup later {i}" for i in range(30)]
                + [f"backup new {i}" for i in range(30)])
    assert_equal(texts(bob, "received", "backup"), expected, "what bob has of ece")
    assert_equal(texts(ece, "received", "backup"),
                 [f"backup gap {i}" for i in range(3)] + [f"backup anew {i}" for i in range(30)],
                 "what ece has of bob")


main(boot_both)
