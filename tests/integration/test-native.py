#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""p2pchatd among its own kind: contacts, keys that change, impostors, and nothing lost"""

import base64
import os
import random
import re
import shutil
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from daemon import *  # noqa: E402,F403
from daemon import BusError, INTERFACE, NAME, PATH, bus_call  # noqa: E402
from gi.repository import GLib  # noqa: E402
from harness import *  # noqa: E402,F403

try:
    from native_peer import GOODBYE, NativePeer
except ImportError:  # Debian's python3-dissononce is missing
    NativePeer = None

ECE, BOB, CAN = "127.60.1.1", "127.60.1.2", "127.60.1.3"
INVALID_ARGS = "org.freedesktop.DBus.Error.InvalidArgs"


def ece_alone(**kwargs):
    return Daemon(Bus(), ECE, **{"name": "Ece", **kwargs})


def bob_beside(**kwargs):
    return Daemon(Bus(), BOB, **{"name": "Bob", **kwargs})


def meet(*daemons):
    for one in daemons:
        for other in daemons:
            if one is not other:
                one.wait_user(other.get("Username"))
    return daemons


def two(**kwargs):
    return meet(ece_alone(**kwargs), bob_beside(**kwargs))


def contacts():
    """Each is the other's contact."""
    ece, bob = two()
    say(ece, "bob", "hello")
    say(bob, "ece", "hello, too")
    assert_equal((ece.user("Bob")["flags"], bob.user("Ece")["flags"]), ("contact", "contact"),
                 "flags")
    return ece, bob


def say(daemon, user, text):
    """Delivered before this returns."""
    id, state = daemon.call("SendMessageFull", "ssa{sv}", user, text,
                            {"wait-usec": ("t", 30000000)})
    assert_equal(state, "delivered", f"state of {text!r}")
    return id


def row_of(daemon, id):
    rows = [u for u in daemon.users() if u["id"] == id]
    return rows[0] if rows else None


def texts(daemon, direction="received"):
    return [m["text"] for m in reversed(daemon.history()) if m["direction"] == direction]


def refused(name, function, *args):
    try:
        result = function(*args)
    except BusError as error:
        assert_equal(error.name, name if "." in name else "org.example.P2PChat.Error." + name,
                     f"error of {args}")
        assert_true(len(error.sentence) > 10, "sentence")
        return error.sentence
    raise Failure(f"{args}: {result!r} instead of error {name}")


def announce(text, address=CAN, to="127.255.255.255"):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        s.bind((address, 0))
        s.sendto(text.encode(), (to, 6000))


def native_peer(to, name, seed=None, address=CAN):
    """A peer in Python that has dialled and shown who it is."""
    if NativePeer is None:
        skip("python3-dissononce is missing")
    link = socket.create_connection((to, 6001), timeout=30, source_address=(address, 0))
    defer(link.close)
    peer = NativePeer(link, dialler=True, name=name, seed=seed)
    peer.shake_hands()
    return peer


# Talking

@test
def both_ways_encrypted():
    ece, bob = two(config=NO_RING)
    assert_equal(ece.user("Bob")["security"], "unproven", "security before")
    say(ece, "bob", "one")
    row = ece.user("Bob")
    assert_equal((row["security"], row["flags"], row["id"]),
                 ("encrypted", "contact", bob.get("Id")), "Bob, to whom a person wrote")
    row = bob.user("Ece")
    assert_equal((row["security"], row["flags"]), ("encrypted", ""), "Ece, who only wrote")
    say(bob, "ece", "two")
    assert_equal(bob.user("Ece")["flags"], "contact", "flags")
    assert_equal([(m["text"], m["state"], m["security"]) for m in ece.history()],
                 [("two", "received", "encrypted"), ("one", "delivered", "encrypted")], "history")


@test
def words_with_an_id():
    ece, bob = two()
    id = bob.get("Id")
    for word in (f"bob#{id[:4]}", f"BOB#{id}", id, f"bob@{BOB}"):
        say(ece, word, word)
    assert_equal(texts(bob), [f"bob#{id[:4]}", f"BOB#{id}", id, f"bob@{BOB}"], "what came")
    wrong = ("b" if id[0] == "a" else "a") + id[1:4]
    refused("UnknownUser", ece.call, "SendMessage", "ss", f"bob#{wrong}", "x")


@test
def before_it_was_ever_proven():
    """What is sent to somebody announced, and gone, waits for that identity."""
    ece, bob = two()
    bob.kill()
    assert_equal(ece.call("SendMessage", "ss", "bob", "early")[1], "queued", "state")
    ece.restart()
    bob.start()
    bob.wait_message("early")
    wait_for(lambda: ece.history()[0]["state"] == "delivered", 30, "the acknowledgement")
    assert_equal(ece.user("Bob")["flags"], "contact", "flags")


# Blocked

def sight(to, seed, features=0, address=CAN):
    """What somebody with that key gets to see who dials: the pieces, and how it ends."""
    if NativePeer is None:
        skip("python3-dissononce is missing")
    link = socket.create_connection((to, 6001), timeout=30, source_address=(address, 0))
    defer(link.close)
    peer = NativePeer(link, dialler=True, name="Can", seed=bytes([seed] * 32), features=features)
    peer.shake_hands()
    seen = []
    try:
        while True:
            kind, body = peer.read_frame()
            seen.append((kind, body.hex(), len(body)))
    except EOFError as error:
        seen.append(str(error))  # an end of file, not a reset, and after how many bytes
    return seen


@test
def who_is_blocked_sees_what_one_too_many_sees():
    """All that comes over the network after the handshake, to the last byte and the way it ends."""
    ece = ece_alone(config=NO_RING + "[Link]\nMaxLinks=4\n")
    blocked = native_peer(ECE, "Can", seed=bytes([1] * 32))
    blocked.send_hello(1, 1)
    ece.wait_user("Can")
    ece.call("Block", "s", blocked.id)
    as_blocked, as_prober = sight(ECE, 1), sight(ECE, 1, features=4)
    held = [native_peer(ECE, f"Guest{i}", address="127.60.1.4") for i in range(3)]
    wait_for(lambda: ece.call("GetStatus")[0]["sessions"] == 3, 30, "their sessions")
    assert_equal(sight(ECE, 2, address="127.60.1.5"), as_blocked, "one too many")
    assert_equal(sight(ECE, 3, 4, address="127.60.1.5"), as_prober, "one too many who only asks")
    assert_equal(as_blocked[0][:2], (GOODBYE, "00"), "the only frame")
    assert_equal(len(as_blocked), 2, "frames")
    for peer in held:
        peer.sock.close()


@test
def nothing_of_who_is_blocked_is_kept_or_shown():
    ece, bob = contacts()
    ece.call("Block", "s", "bob")
    signals, before, row = ece.signals(), ece.history(), ece.user("Bob")
    assert_equal((row["state"], row["flags"]), ("offline", "contact blocked"), "row")
    assert_equal(ece.get("UsersOnline"), 0, "UsersOnline")
    assert_equal(bob.call("SendMessage", "ss", "ece", "unheard")[1], "queued", "state")
    bob.configure(name="Robert")
    bob.restart()
    bob.wait_user("Ece")
    bob.call("SendMessage", "ss", "ece", "nor this")
    # He is heard: who came after him is.
    can = Daemon(Bus(), CAN, name="Can")
    ece.wait_user("Can")
    can.wait_user("Robert")
    assert_equal(ece.history(), before, "history")
    assert_equal(row_of(ece, bob.get("Id")), row, "row")
    assert_equal([a for a in signals.all("UserChanged") if a[1] == row["id"]], [], "signals")
    assert_equal(signals.all("MessageReceived"), [], "signals")
    ece.restart()
    assert_equal(row_of(ece, row["id"]), row, "row after a restart")
    assert_not_in("unheard", [line[-1] for line in ece.history_log()], "the log")

    signals = ece.signals()
    ece.call("Unblock", "s", row["id"])
    signals.wait("UserChanged", lambda a: a[1:] == (row["id"], "online"))
    for text in ("unheard", "nor this"):
        ece.wait_message(text)


# Fingerprints, names

@test
def verify():
    ece, bob = two()
    refused("UnknownUser", ece.call, "GetFingerprint", "s", "nobody")
    say(ece, "bob", "before")
    digits = ece.call("GetFingerprint", "s", "bob")[0]
    assert_equal(digits, bob.call("GetFingerprint", "s", "ece")[0], "digits on both sides")
    assert_true(re.fullmatch(r"\d{5}( \d{5}){11}", digits), digits)
    for daemon in (ece, bob):
        assert_in(daemon.get("Fingerprint"), digits, "own half")
    other = digits[:-1] + str((int(digits[-1]) + 1) % 10)
    for wrong in (other, digits[:-1], digits + "1", ""):
        refused("FingerprintMismatch", ece.call, "Verify", "ss", "bob", wrong)
    assert_equal(ece.user("Bob")["security"], "encrypted", "security")
    refused("NotSecure", ece.call, "SendMessageFull", "ssa{sv}", "bob", "x",
            {"security": ("s", "verified")})
    ece.call("Verify", "ss", "bob", digits.replace(" ", ""))
    assert_equal(ece.user("Bob")["security"], "verified", "security")
    say(ece, "bob", "after")
    assert_equal([m["security"] for m in ece.history()], ["verified", "encrypted"], "messages")
    assert_equal(bob.user("Ece")["security"], "encrypted", "the other side verified nothing")
    ece.restart()
    assert_equal(ece.user("Bob")["security"], "verified", "security after a restart")


@test
def alias():
    ece, bob, can = meet(ece_alone(), bob_beside(), Daemon(Bus(), CAN, name="Can"))
    say(ece, "bob", "one")
    say(ece, "can", "one")
    ece.call("Alias", "ss", "bob", "Robert")
    assert_equal(ece.user("Robert")["id"], bob.get("Id"), "id")
    assert_equal(ece.user("Bob"), None, "the name that it had")
    say(ece, "robert", "two")
    assert_equal(texts(bob), ["one", "two"], "what came")
    refused("NameTaken", ece.call, "Alias", "ss", "can", "robert")
    for name in ("a#b", "a@b", "+a", ""):
        refused("InvalidName", ece.call, "Alias", "ss", "can", name)
    ece.restart()
    say(ece, "robert", "three")


@test
def end_session():
    # The ring would make another one, perhaps before anybody has looked.
    ece, bob = two(config=NO_RING)
    refused("NotReachable", ece.call, "EndSession", "s", "bob")
    say(ece, "bob", "one")
    assert_equal(ece.call("GetStatus")[0]["sessions"], 1, "sessions")
    ece.call("EndSession", "s", "bob")
    for daemon in (ece, bob):
        wait_for(lambda: daemon.call("GetStatus")[0]["sessions"] == 0, 30, "the end of the session")
    say(bob, "ece", "two")
    say(ece, "bob", "three")


@test
def keys_change_with_every_eighth_message():
    ece, bob = two()
    for daemon in (ece, bob):
        daemon.set_log_level("debug")
    for i in range(17):
        say(ece, "bob", f"message {i}")
    say(bob, "ece", "one back")
    ece.call("EndSession", "s", "bob")

    def ends(daemon, user):
        return [line for line in daemon.errors().splitlines()
                if f"Session with {user} " in line and " 17 messages in" in line]

    line = wait_for(lambda: ends(ece, "Bob"), 30, "the end in Ece's log")[-1]
    assert_true(re.search(r"sent 17 messages in \d+ frames, key changed 2 times; "
                          r"received 1 messages in \d+ frames, key changed 0 times", line), line)
    line = wait_for(lambda: ends(bob, "Ece"), 30, "the end in Bob's log")[-1]
    assert_true(re.search(r"sent 1 messages in \d+ frames, key changed 0 times; "
                          r"received 17 messages in \d+ frames, key changed 2 times", line), line)


# Identities that change

@test
def another_identity_is_not_trusted():
    ece, bob = contacts()
    old = bob.get("Id")
    signals = ece.signals()
    ece_id = ece.get("Id")
    new = bob.new_identity()
    assert_equal(bob.get("Id"), new, "id")
    assert_true(new != old, "another id")
    assert_equal(texts(bob), ["hello"], "history stays")
    assert_equal(bob.user("Ece")["flags"], "contact", "contacts stay")
    say(bob, "ece", "it is me")

    kind, user, sentence = signals.wait("Warning", lambda a: a[0] == "KeyChanged")
    assert_in(f"#{new[:4]}", user, "whom the warning names")
    assert_in("trust", sentence, "remedy")
    row = row_of(ece, new)
    assert_equal((row["name"], row["flags"]), ("Bob", "namesake"), "the new one")
    assert_equal(row_of(ece, old)["flags"], "contact", "the old one")

    # The name means the old one, and nothing for it goes to the new one.
    assert_equal(ece.call("SendMessage", "ss", "bob", "for the old one")[1], "queued", "state")
    say(ece, f"bob#{new[:6]}", "for the new one")
    assert_equal(texts(bob), ["hello", "for the new one"], "what came")

    ece.call("Trust", "s", f"bob#{new[:6]}")
    assert_equal(row_of(ece, new)["flags"], "contact", "the new one")
    assert_not_in("contact", (row_of(ece, old) or {"flags": ""})["flags"], "the old one")
    say(ece, "bob", "trusted")
    assert_equal(texts(bob), ["hello", "for the new one", "trusted"], "what came")
    assert_equal(ece.get("MessagesQueued"), 1, "what waits for the old one")
    assert_equal(bob.user("Ece")["id"], ece_id, "Ece is who she was")


@test
def verified_is_lost_with_the_name():
    ece, bob = contacts()
    old = bob.get("Id")
    ece.call("Verify", "ss", "bob", bob.call("GetFingerprint", "s", "ece")[0])
    new = bob.new_identity()
    say(bob, "ece", "it is me")
    ece.call("Trust", "s", f"bob#{new[:6]}")
    assert_equal(ece.user("Bob")["security"], "encrypted", "security of the new one")
    row = row_of(ece, old)
    assert_true(row is None or row["security"] == "encrypted", f"the old one: {row}")


@test
def clones_are_noticed():
    ece, bob = contacts()
    twin = Daemon(Bus(), CAN, name="Bob", start=False)
    bob.stop()
    shutil.rmtree(twin.state)
    shutil.copytree(bob.state, twin.state)
    bob.start()
    bob_signals = bob.signals()
    twin.start()
    assert_equal(twin.get("Id"), bob.get("Id"), "ids")
    twin_signals = twin.signals()
    # Each hears the other announce its own id, and looks who that is.
    for daemon, signals in ((bob, bob_signals), (twin, twin_signals)):
        def is_noticed():
            return [w for w in daemon.call("GetStatus")[0]["warnings"] if "identity new" in w]

        wait_for(is_noticed, 60, "the warning in the status", 0.3)
        checks = {c[0]: c[1:] for c in daemon.call("Diagnose")[0]}
        assert_equal(checks["identity"][0], "warning", "check")
        assert_in("identity new", checks["identity"][1], "remedy")
    bob_signals.wait("Warning", lambda a: a[0] == "Clone")
    twin.new_identity()
    assert_equal(twin.call("GetStatus")[0]["warnings"], [], "warnings of the new one")
    say(twin, "ece", "I am another one")


# Impostors

@test
def forged_announcements_change_nothing():
    ece, bob = contacts()
    id = bob.get("Id")
    for text in (f'{{"username":"Bob","id":"{id}","p2pchat":1}}',
                 f'{{"username":"Mallory","id":"{id}","p2pchat":1}}',
                 f'{{"username":"Ece","id":"{id}","port":7001}}',
                 '{"username":"Bob"}',
                 '{"username":"Bob","id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","p2pchat":1}'):
        announce(text)
    announce('{"username":"Bob"}', address=BOB)  # a classic program, where Bob is
    announce('{"username":"Can"}', address=BOB)
    ece.wait_user("Can")
    row = row_of(ece, id)
    assert_equal((row["name"], row["address"], row["security"], row["flags"]),
                 ("Bob", BOB, "encrypted", "contact"), "Bob's row")
    say(ece, "bob", "still you")
    assert_equal(texts(bob)[-1], "still you", "what came")
    # And when he is not there, nobody else gets it.
    bob.kill()
    server = socket.create_server((CAN, 6001))
    defer(server.close)
    announce(f'{{"username":"Bob","id":"{id}","p2pchat":1}}')
    state = ece.call("SendMessageFull", "ssa{sv}", "bob", "for nobody else",
                     {"wait-usec": ("t", 0)})[1]
    assert_equal(state, "queued", "state")
    server.settimeout(60)
    link, _ = server.accept()  # the one who said so is asked
    link.settimeout(10)
    with link:
        assert_equal(link.recv(4), b"P2PC", "how it is asked")
    bob.start()
    bob.wait_message("for nobody else")


@test
def an_impostor_gets_nothing():
    ece, bob = contacts()
    signals = ece.signals()
    mallory = native_peer(ECE, "Bob")
    mallory.send_hello(7, 1)
    mallory.send_text(1, b"I am Bob")
    row = ece.wait_message("I am Bob")
    assert_equal((row["conversation"], row["user_id"]), (f"Bob#{mallory.id[:4]}", mallory.id),
                 "row")
    kind, user, _ = signals.wait("Warning")
    assert_in(kind, ("Namesake", "KeyChanged"), "kind")
    assert_in(f"#{mallory.id[:4]}", user, "whom the warning names")
    assert_equal(row_of(ece, mallory.id)["flags"], "namesake", "flags")
    say(ece, "bob", "for Bob")
    assert_equal(texts(bob)[-1], "for Bob", "what came")
    mallory.send_text(2, b"again")
    ece.wait_message("again")
    assert_equal(len([w for w in signals.all("Warning") if mallory.id[:4] in w[1]]), 1, "warnings")


@test
def goodbye_is_said():
    ece = ece_alone()
    peer = native_peer(ECE, "Can")
    peer.send_hello(7, 1)
    peer.send_text(1, b"hi")
    ece.wait_message("hi")
    started = time.monotonic()
    ece.stop()
    kinds = []
    try:
        while True:
            kinds.append(peer.read_frame()[0])
    except EOFError:
        pass
    assert_equal(kinds[-1], GOODBYE, f"the last of the frames {kinds}")
    assert_true(time.monotonic() - started < 5, "soon")


# What a listener on the wire learns

class Capture:
    """Everything that crosses this network namespace, until it is stopped."""

    def __init__(self):
        self.packets = []
        try:
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
        except PermissionError:
            skip("capturing takes root, or a namespace of one's own")
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        self.socket.bind(("lo", 0x0800))
        self.socket.settimeout(0.2)
        self.is_over = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        defer(self.stop)

    def run(self):
        while not self.is_over:
            try:
                self.packets.append(self.socket.recv(65536 + 64))
            except TimeoutError:
                pass

    def stop(self):
        self.is_over = True
        self.thread.join()
        self.socket.close()

    def tcp(self):
        """What was said in all connections."""
        return b"".join(p[(p[0] & 15) * 4:] for p in self.packets if p[9] == socket.IPPROTO_TCP)


def appears(data, secret):
    return secret in data or secret.lower() in data.lower()


@test
def a_capture_shows_nothing():
    ece, bob = two()
    capture = Capture()
    said = [f"a secret number {i} nobody else should know" for i in range(20)]
    for text in said:
        say(ece, "bob", text)
        say(bob, "ece", text.upper())
    ids = [d.get("Id") for d in (ece, bob)]
    ece.stop()
    bob.stop()
    classic = socket.create_server((CAN, 6001))
    with socket.create_connection((CAN, 6001)) as link:
        link.sendall(b"the end of what is captured")
        wait_for(lambda: b"the end of what is captured" in capture.tcp(), 30, "the capture")
    classic.close()
    capture.stop()
    data = capture.tcp()
    assert_in(b"P2PC", data, "the beginning of a session")
    assert_true(len(data) > 20 * 2 * len(said[0]), f"{len(data)} bytes")
    for secret in [b"secret number", b"username", b"Ece", b"Bob", b"{"]:
        if len(secret) > 3:
            assert_false(appears(data, secret), f"{secret} is seen")
    for name in (b"Ece", b"Bob"):
        # Three letters are found in so much noise by chance, but not in both directions each time.
        assert_true(data.count(name) <= 2, f"{name} is seen {data.count(name)} times")
    for id in ids:
        raw = base64.b32decode(id.upper() + "=" * 6)
        assert_false(appears(data, id.encode()), "an id is seen")
        assert_not_in(raw, data, "an id, raw")
        for n in (4, 8):
            assert_not_in(id[:n].encode() if n == 8 else raw[:n], data, "the beginning of an id")


# Moving house

def new_archive(daemon):
    path = os.path.join(daemon.directory, "archive")
    with open(path, "w+b") as file:
        daemon.export_identity(file.fileno())
    return path


def take(daemon, path):
    with open(path, "rb") as file:
        daemon.import_identity(file.fileno())


@test
def moving_house():
    ece, bob = contacts()
    id = ece.get("Id")
    bob.stop()
    assert_equal(ece.call("SendMessage", "ss", "bob", "packed")[1], "queued", "state")
    archive = new_archive(ece)
    ece.stop()

    house = Daemon(Bus(), CAN, name="Ece")
    assert_true(house.get("Id") != id, "another one until now")
    take(house, archive)
    assert_equal(house.get("Id"), id, "id")
    assert_equal(texts(house, "sent"), ["hello", "packed"], "history")
    assert_equal(house.user("Bob")["flags"], "contact", "contact")
    aside = [f for f in os.listdir(house.state) if f.startswith("before-import-")]
    assert_equal(len(aside), 1, "what was there before")
    assert_equal(sorted(os.listdir(os.path.join(house.state, aside[0])))[:2],
                 ["identity", "p2pchat.db"], "what was there before")
    assert_in(aside[0], house.errors(), "what it says")
    bob.start()
    bob.wait_message("packed")
    assert_equal(texts(bob), ["hello", "packed"], "what came")
    assert_equal(bob.user("Ece")["address"], CAN, "where Ece is now")
    assert_equal(bob.user("Ece")["flags"], "contact", "she is the same")
    say(bob, "ece", "welcome")


@test
def archives_through_a_pipe():
    ece = ece_alone()
    read, write = os.pipe()
    pieces = []

    def reader():
        with os.fdopen(read, "rb") as file:
            while piece := file.read1(3000):
                pieces.append(piece)

    thread = threading.Thread(target=reader)
    thread.start()
    ece.export_identity(write)
    os.close(write)
    thread.join()
    archive = b"".join(pieces)
    id = ece.get("Id")
    ece.new_identity()

    read, write = os.pipe()

    def writer():
        with os.fdopen(write, "wb") as file:
            for at in range(0, len(archive), 5000):
                file.write(archive[at:at + 5000])
                file.flush()

    thread = threading.Thread(target=writer)
    thread.start()
    ece.import_identity(read)
    thread.join()
    os.close(read)
    assert_equal(ece.get("Id"), id, "id")


@test
def a_reader_that_leaves_or_sleeps():
    """An archive that nobody takes keeps nobody from anything."""
    ece, bob = two()
    for i in range(40):
        say(ece, "bob", "x" * 50000)
    read, write = os.pipe()
    caller = ece.bus.connect()
    outcome = []

    def export():
        try:
            bus_call_with_descriptor(caller, INTERFACE + ".Identity", "Export", write)
        except BusError as error:
            outcome.append(error.name)

    thread = threading.Thread(target=export)
    thread.start()
    wait_for(lambda: os.read(read, 1), 30, "the beginning of the archive")
    say(ece, "bob", "meanwhile")
    assert_equal(refused("org.freedesktop.DBus.Error.LimitsExceeded", new_archive, ece)[:13],
                 "Somebody else", "a second one")
    os.close(read)
    thread.join()
    os.close(write)
    assert_equal(outcome, ["org.freedesktop.DBus.Error.Failed"], "outcome")
    assert_true(os.path.getsize(new_archive(ece)) > 2000000, "an archive after that")
    assert_equal([f for f in os.listdir(ece.state) if "export" in f], [], "files left")


@test
def what_is_no_archive_changes_nothing():
    ece, bob = contacts()
    id, history = ece.get("Id"), ece.history()
    archive = new_archive(ece)
    with open(archive, "rb") as file:
        data = file.read()
    path = os.path.join(ece.directory, "wrong")
    middle = len(data) // 2
    for wrong in (b"", b"{}", b"SQLite format 3\0" + bytes(5000), data[:-1], data[:middle],
                  data + b"x", data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1:],
                  data.replace(b"archive 1", b"archive 2")):
        with open(path, "wb") as file:
            file.write(wrong)
        sentence = refused(INVALID_ARGS, take, ece, path)
        assert_in("Nothing was changed", sentence, "sentence")
    with open(path, "rb") as file:  # not open for writing
        refused(INVALID_ARGS, ece.export_identity, file.fileno())
    with open(path, "wb") as file:  # not open for reading
        refused(INVALID_ARGS, ece.import_identity, file.fileno())
    with open("/dev/null", "r+b", buffering=0) as file:
        refused(INVALID_ARGS, ece.export_identity, file.fileno())
    assert_equal((ece.get("Id"), ece.history()), (id, history), "identity and history")
    say(ece, "bob", "all as it was")
    ece.restart()
    assert_equal(ece.get("Id"), id, "id after a restart")
    assert_equal([f for f in os.listdir(ece.state) if "import" in f], [], "files left")


POLICY_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={{path}}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="signal"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
  </policy>
{policy}
</busconfig>
"""


@test
def the_identity_is_in_the_hands_of_root():
    """By the policy that is installed; and where a policy lets everybody in, by the daemon."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None or shutil.which("dbus-send") is None:
        skip("takes root, setpriv and dbus-send")
    with open(os.path.join(build_directory(), "dbus/org.example.P2PChat.conf"),
              encoding="utf-8") as file:
        policy = re.search(r"<busconfig>(.*)</busconfig>", file.read(), re.S).group(1)
    policy = re.sub(r'<policy group="(?!p2pchat)[a-z]+">.*?</policy>', "", policy, flags=re.S)
    policy = policy.replace('group="p2pchat"', 'group="nogroup"')
    policy = policy.replace('user="p2pchat"', 'user="root"')

    def call(daemon, user, group, interface, member):
        os.chmod(daemon.bus.directory, 0o755)
        os.chmod(daemon.bus.socket, 0o777)
        return run(["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups",
                    "dbus-send", f"--bus={daemon.bus.address}", "--print-reply", f"--dest={NAME}",
                    PATH, f"{interface}.{member}"], check=False)

    for rules in (policy, ""):
        bus = Bus(POLICY_BUS.format(policy=rules))
        ece = Daemon(bus, ECE, name="Ece")
        id = ece.get("Id")
        done = call(ece, "nobody", "nogroup", INTERFACE, "ListUsers")
        assert_equal(done.returncode, 0, f"a member calls: {done.stderr}")
        assert_equal(call(ece, "daemon", "daemon", INTERFACE, "ListUsers").returncode,
                     1 if rules else 0, "an outsider calls")
        done = call(ece, "nobody", "nogroup", INTERFACE + ".Identity", "New")
        assert_equal(done.returncode, 1, "a member makes a new identity")
        assert_in("AccessDenied", done.stderr, "error")
        assert_equal("Only root" in done.stderr, not rules, f"who says no: {done.stderr}")
        assert_equal(ece.get("Id"), id, "id")
        assert_true(ece.new_identity() != id, "root makes one")
        ece.stop()


# Nothing is lost

@test(seconds=900)
def both_killed_at_any_time():
    """300 messages each way, while both are killed 20 times: each comes once, in order."""
    n_messages, n_kills = 300, 20
    ece, bob = two()
    chance = random.Random(7)
    sent = {ece: 0, bob: 0}
    texts_of = {ece: [], bob: []}

    def chat(daemon, user):
        """One after the other; whoever dies without an answer is asked what became of it."""
        connection = None
        while sent[daemon] < n_messages:
            text = f"message {sent[daemon]}"
            try:
                connection = connection or daemon.bus.connect()
                if texts_of[daemon] and not texts_of[daemon][-1][1]:
                    # Was the last one kept?
                    rows = bus_call(connection, NAME, PATH, INTERFACE, "GetHistory", "su", user,
                                    1000)[0]
                    if any(r[2] == "sent" and r[10] == texts_of[daemon][-1][0] for r in rows):
                        texts_of[daemon][-1] = (texts_of[daemon][-1][0], True)
                        sent[daemon] += 1
                    else:
                        texts_of[daemon].pop()
                    continue
                texts_of[daemon].append((text, False))
                bus_call(connection, NAME, PATH, INTERFACE, "SendMessageFull", "ssa{sv}", user,
                         text, {"wait-usec": ("t", chance.choice((0, 0, 20000)))})
                texts_of[daemon][-1] = (text, True)
                sent[daemon] += 1
            except (BusError, GLib.Error):
                time.sleep(0.002)

    threads = [threading.Thread(target=chat, args=(ece, "bob"), daemon=True),
               threading.Thread(target=chat, args=(bob, "ece"), daemon=True)]
    for thread in threads:
        thread.start()
    for kill in range(n_kills):
        goal = (kill + 1) * n_messages // (n_kills + 1)
        for daemon in (ece, bob):
            wait_for(lambda: sent[daemon] >= goal, 120, "some messages", 0.001)
        for daemon in chance.sample((ece, bob), 2):
            daemon.kill()
            if chance.random() < 0.5:
                daemon.start()
        for daemon in (ece, bob):
            if daemon.process is None:
                daemon.start()
    for thread in threads:
        thread.join(300)
        assert_false(thread.is_alive(), "still writing")
    for daemon in (ece, bob):
        wait_for(lambda: daemon.get("MessagesQueued") == 0, 120, "an empty queue", 0.2)
    wanted = [f"message {i}" for i in range(n_messages)]
    for daemon in (ece, bob):
        assert_equal(texts(daemon, "sent"), wanted, "sent")
        assert_equal(texts(daemon, "received"), wanted, "received")
        assert_equal({m["state"] for m in daemon.history() if m["direction"] == "sent"},
                     {"delivered"}, "states")


main()
