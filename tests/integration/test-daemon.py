#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""p2pchatd on real buses: what the interface promises, and what survives what"""

import os
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from daemon import *  # noqa: E402,F403
from daemon import BusError, INTERFACE, NAME, PATH, bus_call  # noqa: E402
from gi.repository import Gio, GLib  # noqa: E402
from harness import *  # noqa: E402,F403

ECE, BOB, CAN = "127.50.1.1", "127.50.1.2", "127.50.1.3"
ABSENT = "127.50.1.9"


def ece_alone(config="", **kwargs):
    return Daemon(Bus(), ECE, config=config, **{"name": "Ece", **kwargs})


def bob_beside(**kwargs):
    return Daemon(Bus(), BOB, **{"name": "Bob", **kwargs})


def two(config="", config_of_bob="", **kwargs):
    ece, bob = ece_alone(config=config, **kwargs), bob_beside(config=config_of_bob, **kwargs)
    ece.wait_user("Bob")
    bob.wait_user("Ece")
    return ece, bob


def assert_error(name, function, *args):
    """The call is answered by this error, with a sentence."""
    try:
        result = function(*args)
    except BusError as error:
        wanted = name if "." in name else "org.example.P2PChat.Error." + name
        assert_equal(error.name, wanted, f"error of {args}")
        assert_true(len(error.sentence) > 10, "sentence")
        return error.sentence
    raise Failure(f"{args}: {result!r} instead of error {name}")


INVALID_ARGS = "org.freedesktop.DBus.Error.InvalidArgs"


class Mute:
    """A peer that announces itself, takes connections and never says a word."""

    def __init__(self, address, name):
        self.address, self.name, self.links = address, name, []
        self.server = socket.create_server((address, 6001), backlog=64)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self.udp.bind((address, 0))
        defer(self.close)

    def take_links(self):
        """The connections that have come up to now."""
        self.server.settimeout(0)
        try:
            while True:
                self.links.append(self.server.accept()[0])
        except BlockingIOError:
            pass

    def is_called(self):
        """One of the connections that were taken is still open."""
        for link in self.links:
            link.setblocking(False)
            try:
                while link.recv(4096):
                    pass
            except BlockingIOError:
                return True
            except OSError:
                pass
        return False

    def announce(self, is_ours=True):
        # With an id it is taken for one of ours, and dialled for a session.
        id = ',"id":"aaaaaaaaaaaaaaaaaaaaaaaaaa"' if is_ours else ""
        self.udp.sendto(f'{{"username":"{self.name}"{id}}}'.encode(), ("127.255.255.255", 6000))

    def close(self):
        try:
            self.server.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.server.close()
        self.udp.close()
        for link in self.links:
            link.close()


# Hearing and talking

@test
def hear_each_other():
    ece, bob = two(config=NO_RING, config_of_bob=NO_RING)
    user = ece.user("Bob")
    assert_equal(user["address"], BOB, "address")
    assert_equal((user["id"], user["security"], user["flags"]), (bob.get("Id"), "unproven", ""),
                 "row")
    assert_between(user["last_heard"], (time.time() - 60) * 1e6, (time.time() + 1) * 1e6, "heard")
    assert_equal(len(ece.users()), 1, "users (not ourselves)")
    assert_equal(ece.get("UsersOnline"), 1, "UsersOnline")


@test
def online_signal():
    ece = ece_alone()
    signals = ece.signals()
    bob = bob_beside()
    signals.wait("UserChanged", lambda a: a == ("Bob", bob.get("Id"), "online"))
    signals.wait("PropertiesChanged", lambda a: a[1].get("UsersOnline") == 1)


@test
def message_is_everywhere():
    ece, bob = two()
    ece_signals, bob_signals = ece.signals(), bob.signals()
    text = "Merhaba dünya\t1\n2 \\ ’"
    id, state = ece.call("SendMessage", "ss", "bob", text)
    assert_equal(state, "delivered", "state")
    assert_equal(len(id), 26, "length of the id")

    received = bob_signals.wait("MessageReceived")
    row = bob.wait_message(text)
    assert_equal(received, (row["sequence"], row["id"], "Ece", "Ece", text, row["time"],
                            {"user-id": ece.get("Id"), "address": ECE, "security": "encrypted"}),
                 "signal")
    assert_equal({k: row[k] for k in ("direction", "conversation", "user", "address", "user_id",
                                      "state", "security")},
                 {"direction": "received", "conversation": "Ece", "user": "Ece", "address": ECE,
                  "user_id": ece.get("Id"), "state": "received", "security": "encrypted"},
                 "received row")
    own = ece.wait_message(text, "sent")
    assert_equal((own["id"], own["state"], own["conversation"], own["address"], own["user_id"]),
                 (id, "delivered", "Bob", BOB, bob.get("Id")), "sent row")

    assert_in((id, "delivered", ""), ece_signals.all("MessageStateChanged"), "state signals")
    assert_equal(ece_signals.all("MessageReceived"), [], "signals for what we sent ourselves")
    bob_signals.wait("PropertiesChanged", lambda a: a[1].get("LastSequence") == row["sequence"])
    assert_equal(bob.get("LastSequence"), row["sequence"], "LastSequence")

    line = wait_for(bob.history_log, 10, "a line in history.log")[0]
    assert_equal(line[1:], ["RECEIVED", "Ece", ECE, "encrypted", "Merhaba dünya\\t1\\n2 \\\\ ’"],
                 "line")
    assert_equal(ece.history_log()[0][1:3], ["SENT", "Bob"], "line of the sender")


@test
def nothing_lowers_a_native_user():
    ece, bob = two()
    for security in ("plain", "legacy", "encrypted"):
        assert_equal(ece.call("SendMessageFull", "ssa{sv}", "bob", security,
                              {"security": ("s", security)})[1], "delivered", "state")
        assert_equal(bob.wait_message(security)["security"], "encrypted", "security")
    assert_equal({m["security"] for m in ece.history()}, {"encrypted"}, "securities")


@test
def options():
    ece, bob = two()
    signals = ece.signals()
    id, state = ece.call("SendMessageFull", "ssa{sv}", "bob", "later",
                         {"wait-usec": ("t", 0), "number": ("s", "7")})
    assert_equal(state, "queued", "state without waiting")
    signals.wait("MessageStateChanged", lambda a: a == (id, "queued", ""))
    signals.wait("MessageStateChanged", lambda a: a == (id, "delivered", ""))
    bob.wait_message("later")
    for options, error in (({"colour": ("s", "red")}, INVALID_ARGS),
                           ({"wait-usec": ("s", "3")}, INVALID_ARGS),
                           ({"security": ("t", 3)}, INVALID_ARGS),
                           ({"security": ("s", "perfect")}, INVALID_ARGS),
                           ({"security": ("s", "unproven")}, INVALID_ARGS),
                           ({"number": ("s", "seven")}, INVALID_ARGS),
                           ({"number": ("s", "1" * 101)}, INVALID_ARGS),
                           ({"security": ("s", "verified")}, "NotSecure")):
        assert_error(error, ece.call, "SendMessageFull", "ssa{sv}", "bob", "no", options)
    assert_equal(len(ece.history()), 1, "messages")


@test
def errors_by_name():
    ece, bob = two()
    for args, error in ((("nobody", "x"), "UnknownUser"), (("", "x"), "UnknownUser"),
                        (("bob@127.50.9.9", "x"), "UnknownUser"), (("bob", ""), "InvalidText"),
                        (("bob", "a\x07b"), "InvalidText"), (("bob", "x" * 61441), "TooLarge")):
        assert_error(error, ece.call, "SendMessage", "ss", *args)
    assert_error("UnknownUser", ece.call, "GetHistory", "su", "nobody", 5)
    assert_error("UnknownUser", ece.call, "SearchHistory", "sstu", "nobody", "x", 0, 5)
    assert_error("TooLarge", ece.call, "SearchHistory", "sstu", "", "x" * 1000000, 0, 5)
    for member in ("Block", "Unblock", "Unmute", "Forget", "EndSession", "Trust",
                   "GetFingerprint"):
        assert_error("UnknownUser", ece.call, member, "s", "nobody")
    for member in ("Verify", "Alias"):
        assert_error("UnknownUser", ece.call, member, "ss", "nobody", "x")
    assert_error("UnknownUser", ece.call, "Mute", "st", "nobody", 5)
    assert_error("NoSuchMessage", ece.call, "CancelMessage", "s", "01ARZ3NDEKTSV4RRFFQ69G5FAV")
    assert_error("NoSuchMessage", ece.call, "CancelMessage", "s", "nonsense")
    assert_error(INVALID_ARGS, ece.call, "SendMessage", "su", "bob", 5)
    assert_error("org.freedesktop.DBus.Error.UnknownMethod", ece.call, "Praise", "ss", "a", "b")
    assert_equal(ece.history(), [], "history")


@test
def the_longest_message_comes_whole():
    ece, bob = two()
    text = "".join(f"{i:05d} " for i in range(10240))
    assert_equal(len(text), 60 * 1024, "bytes")
    assert_equal(ece.call("SendMessage", "ss", "bob", text)[1], "delivered", "state")
    assert_equal([m["text"] == text for m in bob.history()], [True], "what came")
    assert_equal(len(ece.history()), 1, "entries of the sender")


# Name

@test
def username():
    ece = ece_alone(name=None)
    assert_between(len(ece.get("Username")), 3, 20, "length of the default")
    signals = ece.signals()
    bob = bob_beside()
    ece.set("Username", "s", "Ece_2")
    signals.wait("PropertiesChanged", lambda a: a[1].get("Username") == "Ece_2")
    bob.wait_user("Ece_2")
    for name in ("ab", "x" * 21, "a b c", "çiğdem"):
        assert_error("InvalidName", ece.set, "Username", "s", name)
    ece.restart()
    assert_equal(ece.get("Username"), "Ece_2", "name after a restart")
    id = ece.get("Id")
    assert_equal(len(id), 26, "length of the id")
    ece.kill()
    ece.start()
    assert_equal(ece.get("Id"), id, "id after a kill")


@test
def username_by_configuration():
    ece = ece_alone()
    assert_error("org.freedesktop.DBus.Error.PropertyReadOnly", ece.set, "Username", "s", "Other")
    ece.configure(name="Renamed")
    ece.process.send_signal(signal.SIGHUP)
    wait_for(lambda: ece.get("Username") == "Renamed", 30, "the name of the new configuration")


@test
def properties():
    ece = ece_alone()
    assert_equal(ece.get("Features"), ["sessions", "classic", "second", "queue", "groups", "files",
                                        "ring", "ledger"], "Features")
    assert_equal((ece.get("LastSequence"), ece.get("UsersOnline"), ece.get("MessagesQueued")),
                 (0, 0, 0), "numbers")
    assert_true(ece.get("Version"), "Version")
    assert_error("org.freedesktop.DBus.Error.PropertyReadOnly", ece.set, "Id", "s", "x")


# Block, mute, forget, cancel

@test
def block():
    ece, bob = two()
    ece.call("SendMessage", "ss", "bob", "one")
    bob.wait_message("one")
    bob.call("Block", "s", "ece")
    assert_equal(bob.user("Ece")["flags"], "blocked", "flags")
    assert_error("Blocked", bob.call, "SendMessage", "ss", "ece", "no")
    id, state = ece.call("SendMessage", "ss", "bob", "two")
    assert_equal([m["text"] for m in bob.history()], ["one"], "history of who blocks")
    bob.restart()
    assert_equal(bob.user("Ece")["flags"], "blocked", "flags after a restart")
    bob.call("Unblock", "s", "ece")
    assert_equal(bob.user("Ece")["flags"], "", "flags")
    bob.call("SendMessage", "ss", "ece", "yes")
    ece.wait_message("yes")


@test
def mute():
    ece, bob = two()
    signals = bob.signals()
    bob.call("Mute", "st", "ece", 0)
    assert_equal(bob.user("Ece")["flags"], "muted", "flags")
    ece.call("SendMessage", "ss", "bob", "quiet")
    assert_equal(bob.wait_message("quiet")["state"], "muted", "state")
    bob.call("Unmute", "s", "ece")
    ece.call("SendMessage", "ss", "bob", "loud")
    signals.wait("MessageReceived", lambda a: a[4] == "loud")
    assert_equal([a[4] for a in signals.all("MessageReceived")], ["loud"], "signals")
    assert_equal(bob.wait_message("loud")["state"], "received", "state")
    bob.call("Mute", "st", "ece", 3600)
    bob.restart()
    assert_equal(bob.user("Ece")["flags"], "muted", "flags after a restart")
    bob.call("Mute", "st", "ece", 1)
    wait_for(lambda: bob.user("Ece")["flags"] == "", 30, "the mute to be over")


@test
def forget():
    ece, bob = two()
    ece.call("SendMessage", "ss", "bob", "to be forgotten")
    bob.wait_message("to be forgotten")
    bob.call("Forget", "s", "ece")
    assert_equal(bob.history(), [], "history")
    last = bob.get("LastSequence")
    ece.call("SendMessage", "ss", "bob", "new")
    assert_true(bob.wait_message("new")["sequence"] > last, "sequences go on")
    bob.stop()
    with open(os.path.join(bob.state, "p2pchat.db"), "rb") as file:
        assert_not_in(b"to be forgotten", file.read(), "database")


@test
def what_is_old_is_erased():
    """Sent and received alike; what waits has no age."""
    ece, bob = two(config="[History]\nMaxAge=2min\n")
    ece.call("SendMessage", "ss", "bob", "sent")
    bob.wait_message("sent")
    bob.call("SendMessage", "ss", "ece", "received")
    ece.wait_message("received")
    bob.kill()
    ece.call("SendMessage", "ss", "bob", "waits")
    wait_for(lambda: [m["state"] for m in ece.history()] == ["queued", "received", "delivered"], 30,
             "the acknowledgement")
    ece.stop()
    with sqlite3.connect(os.path.join(ece.state, "p2pchat.db")) as database:
        database.execute("UPDATE message SET done = done - 150000000")
    database.close()
    ece.start()
    wait_for(lambda: [m["text"] for m in ece.history()] == ["waits"], 30, "the others to go")


@test
def cancel():
    ece, bob = two()
    bob.kill()
    id, state = ece.call("SendMessage", "ss", "bob", "never mind")
    assert_equal(state, "queued", "state")
    assert_equal(ece.get("MessagesQueued"), 1, "MessagesQueued")
    signals = ece.signals()
    ece.call("CancelMessage", "s", id)
    signals.wait("MessageStateChanged", lambda a: a[:2] == (id, "cancelled"))
    assert_equal(ece.history()[0]["state"], "cancelled", "state")
    assert_equal(ece.get("MessagesQueued"), 0, "MessagesQueued")
    assert_error("NoSuchMessage", ece.call, "CancelMessage", "s", id)
    bob.start()
    bob.wait_user("Ece")
    ece.call("SendMessage", "ss", "bob", "after")
    bob.wait_message("after")
    assert_equal([m["text"] for m in bob.history()], ["after"], "what came")


# Nothing is lost

@test
def queued_over_kills_arrives_once():
    ece, bob = two()
    bob.kill()
    texts = [f"message {i}" for i in range(5)]
    for text in texts:
        assert_equal(ece.call("SendMessage", "ss", "bob", text)[1], "queued", "state")
    ece.kill()
    ece.start()
    assert_equal(ece.get("MessagesQueued"), 5, "MessagesQueued")
    bob.start()
    bob.wait_message(texts[-1])
    wait_for(lambda: ece.get("MessagesQueued") == 0, 60, "an empty queue")
    assert_equal([m["text"] for m in reversed(bob.history())], texts, "what came, in order")
    assert_equal({m["state"] for m in ece.history()}, {"delivered"}, "states")
    for line in wait_for(lambda: len(ece.history_log()) >= 5 and ece.history_log(), 30, "the log"):
        assert_equal(line[1], "SENT", "line")
    ece.kill()
    ece.start()
    ece.wait_user("Bob")
    assert_equal(len(bob.history()), 5, "after another start")


@test
def killed_at_any_time():
    """What was answered is in the history after a kill, and comes to Bob's once, in order."""
    ece, bob = two()
    sent = []
    for round in range(5):
        stop = threading.Event()

        def chat(connection):
            i = 0
            while not stop.is_set():
                text = f"{round} {i}"
                try:
                    bus_call(connection, NAME, PATH, INTERFACE, "SendMessage", "ss", "bob", text)
                except BusError:
                    return
                sent.append(text)
                i += 1

        thread = threading.Thread(target=chat, args=(ece.bus.connect(),))
        thread.start()
        before = len(sent)
        try:
            wait_for(lambda: len(sent) >= before + 5 * (round + 1), 60, "some messages")
        finally:
            ece.kill()
            stop.set()
            thread.join()
        ece.start()
        ece.wait_user("Bob")
    texts = [m["text"] for m in ece.history()]
    assert_equal([t for t in sent if texts.count(t) != 1], [], "answered, but not there once")
    wait_for(lambda: ece.get("MessagesQueued") == 0, 60, "an empty queue")
    assert_equal([m["text"] for m in bob.history()], texts, "what came")


# How a connection ends tells whether the message arrived

class Listener(Mute):
    """Reads one message of plain text on each connection, then does as .end says."""

    def __init__(self, address, name, end):
        super().__init__(address, name)
        self.end, self.texts, self.n_ended = end, [], 0
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                link = self.server.accept()[0]
            except OSError:
                return
            self.links.append(link)
            self.texts.append(link.recv(1024))
            if self.end == "reset":
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if self.end in ("reset", "close"):
                link.close()
                self.n_ended += 1


def send_to(end):
    """To a classic program; what goes first to somebody new is held back for a while."""
    ece = ece_alone()
    peer = Listener(CAN, "Can", end)
    peer.announce(is_ours=False)
    user = ece.wait_user("Can")
    assert_equal((user["id"], user["security"]), ("", "legacy"), "row")
    ece.call("SendMessageFull", "ssa{sv}", "can", "open", {"security": ("s", "plain")})
    wait_for(lambda: peer.texts, 60, "the message to go", 0.5)
    return ece, peer


def wait_sent(ece):
    wait_for(lambda: ece.history()[0]["state"] == "sent", 60, "the message to be sent", 0.5)


@test
def close_is_delivery():
    ece, peer = send_to("close")
    wait_sent(ece)
    assert_equal(len(peer.texts), 1, "connections")
    assert_in(b"open", peer.texts[0], "bytes")
    row = ece.history()[0]
    assert_equal((row["security"], row["user_id"]), ("plain", ""), "row")


@test
def acknowledgement_is_delivery():
    """An old program does not close, but its kernel has it all."""
    ece, peer = send_to("keep open")
    wait_sent(ece)
    assert_equal(len(peer.texts), 1, "connections")


@test
def reset_is_no_delivery():
    ece, peer = send_to("reset")
    wait_for(lambda: peer.n_ended > 0, 30, "the reset")
    assert_equal(ece.history()[0]["state"], "queued", "state")
    peer.end = "close"
    peer.announce(is_ours=False)
    wait_sent(ece)
    assert_true(len(peer.texts) > 1, "connections")


@test
def nobody_listens():
    ece = ece_alone()
    peer = Mute(CAN, "Can")
    peer.announce()
    ece.wait_user("Can")
    peer.close()
    started = time.monotonic()
    assert_equal(ece.call("SendMessageFull", "ssa{sv}", "can", "x",
                          {"wait-usec": ("t", 60000000)})[1], "queued", "state")
    assert_true(time.monotonic() - started < 30, "it does not wait for what is refused")


@test
def broker_restart():
    ece, bob = two()
    listener = bob.bus.connect()
    listener.close_sync(None)
    talk = socket.create_connection((BOB, 6001))
    defer(talk.close)
    ece.bus.restart()
    ece._connection = None

    def calls_work():
        try:
            return ece.get("Username") == "Ece"
        except (BusError, GLib.Error) as error:
            ece._connection = None
            raise Failure(str(error)) from None

    wait_for(calls_work, 60, "calls to work again")
    signals = ece.signals()
    bob.call("SendMessage", "ss", "ece", "across a restart")
    signals.wait("MessageReceived", lambda a: a[4] == "across a restart")
    ece.call("SendMessage", "ss", "bob", "back")
    bob.wait_message("back")
    assert_equal(ece.process.poll(), None, "exit status")


@test
def links_survive_the_bus():
    """A message whose connection is open while the broker goes arrives over that connection."""
    ece = ece_alone()
    with socket.create_connection((ECE, 6001), source_address=(CAN, 0)) as link:
        link.sendall(b'{"unencrypted_')
        wait_for(lambda: ece.call("GetStatus")[0]["links"] == 1, 30, "the link")
        ece.bus.restart()
        ece._connection = None
        link.sendall(b'message": "half before, half after", "username": "Can"}')
        link.shutdown(socket.SHUT_WR)

        def is_there():
            try:
                return ece.wait_message("half before, half after", seconds=1)
            except (BusError, GLib.Error) as error:
                ece._connection = None
                raise Failure(str(error)) from None

        wait_for(is_there, 60, "the message")


# Waiting calls

def mute_peer_of(ece):
    peer = Mute(CAN, "Can")
    peer.announce()
    ece.wait_user("Can")
    return peer


@test
def sixty_four_calls_wait():
    ece = ece_alone()
    mute_peer_of(ece)
    one, two_ = ece.bus.connect(), ece.bus.connect()
    calls = [AsyncCall(c, INTERFACE, "SendMessage", "ss", "can", f"message {i}")
             for i in range(40) for c in (one, two_)]
    wait_for(lambda: sum(c.is_done for c in calls) >= 16, 60, "those above the limit")
    early = [c for c in calls if c.is_done]
    # All are of one uid, so of both connections together 64 wait.
    assert_equal(len(early), 16, "calls that are answered at once")
    wait_for(lambda: all(c.is_done for c in calls), 60, "all answers")
    assert_equal([c.error for c in calls if c.error], [], "errors")
    assert_equal({c.result[1] for c in calls}, {"queued"}, "states")
    assert_equal(len({c.result[0] for c in calls}), 80, "ids")
    assert_equal(ece.get("MessagesQueued"), 80, "MessagesQueued")


@test
def others_are_served_while_calls_wait():
    ece = ece_alone()
    mute_peer_of(ece)
    connection = ece.bus.connect()
    calls = [AsyncCall(connection, INTERFACE, "SendMessage", "ss", "can", f"message {i}")
             for i in range(64)]
    started = time.monotonic()
    wait_for(lambda: len(ece.history()) == 64, 2, "all to be stored")
    ece.call("GetStatus")
    assert_equal(sum(c.is_done for c in calls), 0,
                 f"answers after {time.monotonic() - started:.1f} s")
    wait_for(lambda: all(c.is_done for c in calls), 60, "all answers")


@test
def caller_leaves():
    """Its places are free at once, not only when the peer has been given up."""
    ece = ece_alone()
    peer = mute_peer_of(ece)
    n_queued, n_in_time = 0, 0
    for round in range(4):
        connection = ece.bus.connect()
        for i in range(64):
            AsyncCall(connection, INTERFACE, "SendMessageFull", "ssa{sv}", "can", f"{round} {i}",
                      {"wait-usec": GLib.Variant("t", 60000000)})
        n_queued += 64
        wait_for(lambda: ece.get("MessagesQueued") == n_queued, 60, "all to be queued")
        peer.take_links()
        connection.close_sync(None)

        def probe_waits():
            call = AsyncCall(ece.connection, INTERFACE, "SendMessageFull", "ssa{sv}", "can",
                             "probe", {"wait-usec": GLib.Variant("t", 300000)})
            wait_for(lambda: call.is_done, 30, "the probe")
            ece.call("CancelMessage", "s", call.result[0])
            return call.seconds >= 0.25

        wait_for(probe_waits, 60, "the places of who left")
        n_in_time += peer.is_called()
        peer.announce()
    assert_true(n_in_time > 0, "times that the places were free while the peer was still called")
    assert_equal(ece.get("MessagesQueued"), n_queued, "what they wrote stays queued")


@test
def stop_answers_who_waits():
    ece = ece_alone()
    mute_peer_of(ece)
    connection = ece.bus.connect()
    calls = [AsyncCall(connection, INTERFACE, "SendMessageFull", "ssa{sv}", "can", f"message {i}",
                       {"wait-usec": GLib.Variant("t", 60000000)}) for i in range(10)]
    wait_for(lambda: ece.get("MessagesQueued") == 10, 60, "all to be queued")
    ece.stop()
    wait_for(lambda: all(c.is_done for c in calls), 60, "all answers")
    assert_equal([c.result[1] if c.result else str(c.error) for c in calls], ["queued"] * 10,
                 "answers")


# History

def fill(ece, n, size=0):
    """Messages to somebody who is not there, as fast as they go."""
    peer = Mute(CAN, "Can")
    peer.announce()
    ece.wait_user("Can")
    peer.close()
    connection = ece.bus.connect()
    for start in range(0, n, 50):
        calls = [AsyncCall(connection, INTERFACE, "SendMessageFull", "ssa{sv}", "can",
                           f"text {i} ".ljust(size, "x"), {"wait-usec": GLib.Variant("t", 0),
                                                           "security": GLib.Variant("s", "plain")})
                 for i in range(start, min(start + 50, n))]
        wait_for(lambda: all(c.is_done for c in calls), 60, "answers")
        assert_equal([c.error for c in calls if c.error], [], "errors")


@test
def history_pages():
    ece = ece_alone()
    fill(ece, 1100)
    newest = ece.history(limit=10)
    assert_equal([m["text"].strip() for m in newest], [f"text {i}" for i in range(1099, 1089, -1)],
                 "newest first")
    assert_equal(len(ece.history(limit=0)), 1000, "rows of the largest page")
    assert_equal(len(ece.history(limit=5000)), 1000, "rows of the largest page")
    page = history_rows(ece.call("GetHistoryBefore", "stu", "can", newest[-1]["sequence"], 10)[0])
    assert_equal([m["text"].strip() for m in page], [f"text {i}" for i in range(1089, 1079, -1)],
                 "the page before")
    since = ece.history_since(newest[5]["sequence"])
    assert_equal([m["text"].strip() for m in since], [f"text {i}" for i in range(1095, 1100)],
                 "what came after, oldest first")
    assert_equal(ece.history_since(ece.get("LastSequence")), [], "nothing newer")
    all_rows, at = [], 0
    while True:
        rows = ece.history_since(at, limit=300)
        if not rows:
            break
        all_rows += rows
        at = rows[-1]["sequence"]
    assert_equal([m["text"].strip() for m in all_rows], [f"text {i}" for i in range(1100)], "all")
    assert_equal(history_rows(ece.call("GetHistoryBefore", "stu", "", all_rows[0]["sequence"],
                                       10)[0]), [], "before the first")


@test
def history_page_of_a_megabyte():
    ece = ece_alone()
    fill(ece, 120, size=15000)
    rows = ece.history(limit=1000)
    size = sum(len(m["text"]) for m in rows)
    assert_between(size, 900 * 1024, 1024 * 1024, "bytes of a page")
    rest = history_rows(ece.call("GetHistoryBefore", "stu", "", rows[-1]["sequence"], 1000)[0])
    assert_equal(len(rows) + len(rest), 120, "rows of two pages")


@test
def search():
    ece = ece_alone()
    fill(ece, 3000)
    def texts(user, text, before, limit):
        rows = history_rows(ece.call("SearchHistory", "sstu", user, text, before, limit)[0])
        return [m["text"].strip() for m in rows], rows

    found, rows = texts("", "TEXT 29", 0, 5)
    assert_equal(found, [f"text {i}" for i in range(2999, 2994, -1)], "found, newest first")
    found, _ = texts("can", "text 29", rows[-1]["sequence"], 3)
    assert_equal(found, [f"text {i}" for i in range(2994, 2991, -1)], "found before")
    assert_equal(texts("", "text 7 ", 0, 0)[0], ["text 7"], "found beyond the first slice")
    assert_equal(texts("", "nowhere", 0, 0)[0], [], "found")
    # Many at a time: all but too many are answered, one after the other.
    connection = ece.bus.connect()
    calls = [AsyncCall(connection, INTERFACE, "SearchHistory", "sstu", "", "text 1 ", 0, 10)
             for i in range(40)]
    wait_for(lambda: all(c.is_done for c in calls), 120, "all searches")
    served = [c for c in calls if c.result]
    assert_between(len(served), 16, 40, "searches that were served")
    assert_equal({c.result[0][0][10].strip() for c in served}, {"text 1"}, "found")
    for c in calls:
        if c.error:
            assert_in("LimitsExceeded", str(c.error), "error")
    leaver = ece.bus.connect()
    for i in range(10):
        AsyncCall(leaver, INTERFACE, "SearchHistory", "sstu", "", "nowhere", 0, 10)
    leaver.flush_sync(None)
    leaver.close_sync(None)
    assert_equal(texts("", "text 7 ", 0, 0)[0], ["text 7"], "found after somebody left")


@test
def searches_let_others_through():
    ece = ece_alone()
    fill(ece, 4500, size=500)  # three slices each, between which other calls are read
    connection = ece.bus.connect()

    def answers_after_the_message():
        searches = [AsyncCall(connection, INTERFACE, "SearchHistory", "sstu", "", "nowhere", 0, 10)
                    for i in range(16)]
        message = AsyncCall(connection, INTERFACE, "SendMessageFull", "ssa{sv}", "can",
                            "not at the end", {"wait-usec": GLib.Variant("t", 0),
                             "security": GLib.Variant("s", "plain")})
        wait_for(lambda: message.is_done and all(s.is_done for s in searches), 180, "all answers")
        assert_equal(message.error, None, "error")
        return sum(s.place > message.place for s in searches)

    # Counted in the order of the answers. A machine that is slow to call may find all searches
    # done: then it calls again.
    assert_true(any(answers_after_the_message() > 0 for _ in range(20)),
                "answered while searches go on")


# Configuration and life

@test
def reload_reopens_the_log():
    ece, bob = two()
    ece.call("SendMessage", "ss", "bob", "before")
    wait_for(ece.history_log, 30, "a line")
    path = os.path.join(ece.log, "history.log")
    os.rename(path, path + ".1")
    ece.process.send_signal(signal.SIGHUP)
    states = []

    def is_reloaded():
        try:
            states.append(ece._notify.recv(4096, socket.MSG_DONTWAIT).decode())
        except BlockingIOError:
            pass
        return any("READY=1" in s for s in states)

    wait_for(is_reloaded, 30, "READY=1")
    assert_true(any("RELOADING=1" in s and "MONOTONIC_USEC=" in s for s in states), "RELOADING=1")
    ece.call("SendMessage", "ss", "bob", "after")
    wait_for(lambda: [line[5] for line in ece.history_log()] == ["after"], 30, "the new file")
    assert_equal(os.stat(path).st_mode & 0o777, 0o640, "mode")


@test
def keep_sealed():
    ece, bob = two(config="[History]\nKeep=sealed\n")
    ece.call("SendMessage", "ss", "bob", "secret text")
    bob.wait_message("secret text")
    assert_equal(ece.history()[0]["text"], "secret text", "text in the store")
    line = wait_for(ece.history_log, 30, "a line")[0]
    assert_equal(line[1:], ["SENT", "Bob", BOB, "encrypted", ""], "line without text")
    assert_equal(ece.call("GetStatus")[0]["keep"], "sealed", "keep")


@test
def keep_none():
    ece, bob = two(config="[History]\nKeep=none\n")
    ece.call("SendMessage", "ss", "bob", "short-lived")
    bob.wait_message("short-lived")
    assert_equal(ece.history()[0]["text"], "short-lived", "text in the store")
    assert_equal(ece.history_log(), [], "lines")
    assert_equal(ece.call("GetStatus")[0]["keep"], "none", "keep")


def assert_not_started(daemon, *words):
    daemon.start(wait=False)
    assert_equal(daemon.wait_exit(), 78, "exit status")
    lines = daemon.errors().strip().splitlines()
    for word in words:
        assert_in(word, lines[-1], "the last line")


@test
def lost_secret():
    ece = ece_alone()
    ece.stop()
    secret = os.path.join(ece.state, "secret")
    with open(secret, "rb") as file:
        kept = file.read()
    os.unlink(secret)
    database = os.path.join(ece.state, "p2pchat.db")
    with open(database, "rb") as file:
        before = file.read()
    assert_not_started(ece, "secret")
    assert_false(os.path.exists(secret), "a new secret")
    with open(secret, "wb") as file:
        file.write(bytes(b ^ 1 for b in kept))
    os.chmod(secret, 0o600)
    assert_not_started(ece)
    with open(database, "rb") as file:
        assert_true(file.read() == before, "the database is as it was")
    with open(secret, "wb") as file:
        file.write(kept)
    ece.start()


@test
def damaged_database():
    ece = ece_alone()
    fill(ece, 50, size=2000)
    ece.stop()
    path = os.path.join(ece.state, "p2pchat.db")
    with open(path, "r+b") as file:
        file.seek(0)
        file.write(b"\0" * 100)
    ece.start()
    status = ece.call("GetStatus")[0]
    assert_true(status["warnings"], "warnings")
    assert_in("damaged", status["warnings"][0], "warning")
    aside = [f for f in os.listdir(ece.state) if "damaged" in f]
    assert_true(aside, "the old file is kept")
    assert_equal([c[1] for c in ece.call("Diagnose")[0] if c[0] == "store"], ["warning"], "check")


@test
def status_and_diagnosis():
    ece, bob = two()
    status = ece.call("GetStatus")[0]
    assert_equal({k: status[k] for k in ("username", "users-online", "users-known", "keep",
                                         "messages-queued", "last-sequence", "links", "sessions",
                                         "warnings")},
                 {"username": "Ece", "users-online": 1, "users-known": 1, "keep": "full",
                  "messages-queued": 0, "last-sequence": 0, "links": 0, "sessions": 0,
                  "warnings": []}, "status")
    assert_equal(status["word"], f"Ece#{status['id'][:8]}", "word")
    checks = {c[0]: c[1] for c in ece.call("Diagnose")[0]}
    for stage in ("configuration", "interface", "port", "listening", "announcing", "heard",
                  "ring", "identity", "store", "log", "bus", "clock"):
        assert_equal(checks.get(stage), "ok", stage)
    os.rename(ece.log, ece.log + ".away")
    ece.process.send_signal(signal.SIGHUP)
    wait_for(lambda: {c[0]: c[1] for c in ece.call("Diagnose")[0]}["log"] == "warning", 30,
             "the missing log directory to be noticed")
    assert_true(ece.call("GetStatus")[0]["warnings"], "warnings")
    ece.call("SendMessage", "ss", "bob", "goes on")
    bob.wait_message("goes on")
    assert_equal(ece.call("GetStatus")[0]["sessions"], 1, "sessions")
    os.rename(ece.log + ".away", ece.log)
    wait_for(lambda: [line[5] for line in ece.history_log()] == ["goes on"], 60,
             "the line that was missing")


@test
def mistakes_in_the_configuration_are_told():
    ece = ece_alone(config="[Legacy]\nSecond=perhaps\n[Lan]\nColour=blue\n")
    told = ece.call("GetStatus")[0]["warnings"]
    assert_equal(len(told), 1, "warnings")
    assert_true(told[0].startswith("2 mistakes in "), told[0])
    checks = {c[0]: c[1:] for c in ece.call("Diagnose")[0]}
    assert_equal(checks["configuration"], ("warning", told[0]), "diagnosis")


@test
def log_control():
    ece = ece_alone()

    def log_call(member, signature, *args):
        return bus_call(ece.connection, NAME, "/org/freedesktop/LogControl1",
                        "org.freedesktop.DBus.Properties", member, signature,
                        "org.freedesktop.LogControl1", *args)

    assert_equal(log_call("Get", "ss", "LogLevel"), ["info"], "LogLevel")
    log_call("Set", "ssv", "LogLevel", GLib.Variant("s", "debug"))
    assert_equal(log_call("Get", "ss", "LogLevel"), ["debug"], "LogLevel")
    assert_equal(log_call("Get", "ss", "SyslogIdentifier"), ["p2pchatd"], "SyslogIdentifier")
    assert_error(INVALID_ARGS, log_call, "Set", "ssv", "LogLevel", GLib.Variant("s", "loud"))


@test
def name_is_taken():
    bus = Bus()
    Daemon(bus, ECE, name="Ece")
    other = Daemon(bus, BOB, name="Bob", start=False)
    other.start(wait=False)
    assert_equal(other.wait_exit(), 1, "exit status")
    assert_in("bus of its own", other.errors(), "what it says")


@test
def without_a_bus():
    ece = Daemon(None, ECE, name="Ece")
    bob = bob_beside()
    bob.wait_user("Ece")
    bob.call("SendMessage", "ss", "ece", "nobody calls you")
    wait_for(ece.history_log, 60, "a line")
    assert_equal(ece.history_log()[0][5], "nobody calls you", "text")


PASSING = """
import os, socket, sys
address = sys.argv[1]
specs = [("second", socket.SOCK_DGRAM, 6004), ("strange", socket.SOCK_DGRAM, 6999),
         ("chat", socket.SOCK_STREAM, 6001), ("announce", socket.SOCK_DGRAM, 6000)]
sockets = []
for name, kind, port in specs:
    s = socket.socket(socket.AF_INET, kind)
    s.bind((address, port))
    if kind == socket.SOCK_STREAM:
        s.listen()
    sockets.append(s)
# Above all of their final places first.
fds = [os.dup2(s.fileno(), 20 + i) for i, s in enumerate(sockets)]
for i, fd in enumerate(fds):
    os.dup2(fd, 3 + i)
    os.set_inheritable(3 + i, True)
os.closerange(3 + len(fds), 64)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)),
                  LISTEN_FDNAMES=":".join(s[0] for s in specs))
os.execv(sys.argv[2], sys.argv[2:])
"""


@test
def passed_sockets():
    """By name, in any order; an unknown one is closed with a warning."""
    ece = Daemon(Bus(), ECE, name="Ece", start=False)
    ece._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    path = os.path.join(ece.directory, "notify")
    ece._notify.bind(path)
    with open(ece.stderr_path, "ab") as stderr:
        ece.process = subprocess.Popen(
            ["/usr/bin/python3", "-c", PASSING, ECE, ece.program, f"--bus={ece.bus.address}",
             f"--config={ece.config}", f"--state={ece.state}", f"--log={ece.log}",
             f"--bind={ECE}"], stderr=stderr, stdin=subprocess.DEVNULL,
            env=dict(os.environ, NOTIFY_SOCKET=path), preexec_fn=child_dies_with_us)
    ece.wait_ready()
    bob = bob_beside()
    ece.wait_user("Bob")
    bob.wait_user("Ece")
    bob.call("SendMessage", "ss", "ece", "through a passed socket")
    ece.wait_message("through a passed socket")
    assert_in("strange", ece.errors(), "what it says")


@test
def command_line():
    ece = Daemon(Bus(), ECE, name="Ece", start=False)
    done = run([ece.program, "--version"])
    assert_in("p2pchatd ", done.stdout, "version")
    assert_in("--bind=", run([ece.program, "--help"]).stdout, "help")
    for arguments in (["--nonsense"], ["--bind=nowhere"], ["--bind=127.0.0.1:7"], ["word"]):
        assert_equal(run([ece.program, *arguments], check=False).returncode, 2, f"{arguments}")


@test
def core_is_kept_in():
    ece = ece_alone()
    with open(f"/proc/{ece.pid}/limits", encoding="ascii") as file:
        core = [line for line in file if line.startswith("Max core file size")][0].split()
    assert_equal(core[4], "0", "core limit")


main()
