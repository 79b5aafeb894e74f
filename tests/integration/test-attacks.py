#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""p2pchatd and peers that speak the native protocol and mean no good

Each case is an attack of doc/security.md: what is for a contact reaches nobody else, what was said
is there once, and others are served. The evil peers are made of foreign cryptography and know all
that a person with our sources knows.
"""

import json
import os
import socket
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from daemon import *  # noqa: E402,F403
from daemon import ERROR  # noqa: E402
from harness import *  # noqa: E402,F403

try:
    from native_peer import (ACKNOWLEDGE, GOODBYE, HELLO, MESSAGE, REFUSED, RESUME, NativePeer,
                             parse)
except ImportError:
    NativePeer = None

ECE, BOB, EVE, EVE2 = "127.63.1.1", "127.63.1.2", "127.63.1.3", "127.63.1.4"
POINTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../vectors/ed25519-points.txt")
SECONDS = 60
STREAM = 77
SEED = bytes(32)  # of who must be the same in several sessions


def start(address, name, config=""):
    if NativePeer is None:
        skip("python3-dissononce or python3-cryptography is not installed")
    return Daemon(Bus(), address, name=name, config=config)


def met():
    """Bob is a contact of Ece, whose key is known."""
    ece, bob = start(ECE, "Ece"), start(BOB, "Bob")
    ece.wait_user("Bob")
    bob.wait_user("Ece")
    deliver(ece, "bob", "hello")
    return ece, bob


def deliver(daemon, user, text):
    state = daemon.call("SendMessageFull", "ssa{sv}", user, text,
                        {"wait-usec": ("t", SECONDS * 1000000)})[1]
    assert_equal(state, "delivered", f"state of {text!r}")


def queue(daemon, user, text):
    ulid, state = daemon.call("SendMessageFull", "ssa{sv}", user, text, {"wait-usec": ("t", 0)})
    assert_equal(state, "queued", f"state of {text!r}")
    return ulid


def state_of(daemon, text):
    return [m["state"] for m in daemon.history() if m["text"] == text][0]


def texts(daemon):
    return [m["text"] for m in daemon.history() if m["direction"] == "received"]


def say(to, address, **members):
    """An announcement, which anybody can make of anybody."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((address, 0))
        s.sendto(json.dumps(members).encode(), (to, 6000))


def id_of_seed(seed):
    return NativePeer(None, True, seed=seed).id


def dial(to, address, **more):
    sock = socket.create_connection((to, 6001), timeout=SECONDS, source_address=(address, 0))
    defer(sock.close)
    return NativePeer(sock, True, **more)


def proven(to, address, **more):
    """A session that stands: we have said who we are, and what we have."""
    peer = dial(to, address, **more)
    peer.shake_hands()
    peer.send_hello(STREAM, 1)
    return peer


class Listener:
    """Whoever sits at an address."""

    def __init__(self, address):
        self.sock = socket.create_server((address, 6001))
        self.sock.settimeout(SECONDS)
        defer(self.sock.close)

    def accept(self):
        sock, _ = self.sock.accept()
        sock.settimeout(SECONDS)
        defer(sock.close)
        return sock

    def peer(self, **more):
        return NativePeer(self.accept(), False, **more)


def wait_frame(peer, kind):
    """The body of the next frame of that kind."""
    while (frame := peer.read_frame())[0] != kind:
        pass
    return parse(*frame)


def frames_until_the_end(peer):
    """All that still comes; that it ends is part of it."""
    frames = []
    try:
        while True:
            frames.append(peer.read_frame())
    except (EOFError, ConnectionError):
        return frames


def rest_of(sock):
    data = b""
    try:
        while more := sock.recv(65536):
            data += more
    except ConnectionError:
        pass
    return data


# Who one is

@test
def an_impostor_beside_the_contact():
    """Another key, the contact's name: he may speak for himself, and that is all."""
    ece, bob = met()
    signals = ece.signals()
    eve = proven(ECE, EVE, name="Bob")
    eve.send_text(1, b"I am Bob")
    message = ece.wait_message("I am Bob")
    assert_equal(message["conversation"], f"Bob#{eve.id[:4]}")
    assert_equal(signals.wait("Warning")[0], "Namesake")
    deliver(ece, "bob", "for Bob alone")
    bob.wait_message("for Bob alone")
    eve.sock.shutdown(socket.SHUT_WR)
    assert_not_in(MESSAGE, [kind for kind, _ in frames_until_the_end(eve)])
    flags = {u["id"]: u["flags"] for u in ece.users()}
    assert_equal(flags, {bob.get("Id"): "contact", eve.id: "namesake"})


@test
def an_impostor_who_announces_the_contact():
    """Name and id of the contact, announced elsewhere: he is dialled, and is not who was wanted."""
    ece, bob = met()
    ident = bob.get("Id")
    bob.stop()
    listener = Listener(EVE)
    queue(ece, "bob", "for Bob alone")
    say(ECE, EVE, username="Bob", id=ident, port=6001, p2pchat=1)
    eve = listener.peer(name="Bob")
    assert_equal(eve.read_exactly(5), b"P2PC\1")
    eve.noise.read(eve.read_packet())
    eve.write_packet(eve.noise.write_with_hash(eve.introduction))
    assert_equal(rest_of(eve.sock), b"", "what is shown to somebody else")
    row = [u for u in ece.users() if u["id"] == ident][0]
    assert_equal((row["name"], row["address"], row["flags"]), ("Bob", BOB, "contact"))
    assert_equal(state_of(ece, "for Bob alone"), "queued")
    bob.start()
    bob.wait_message("for Bob alone")
    assert_equal(texts(bob).count("for Bob alone"), 1)


@test
def a_downgrade():
    """A classic program under the name and at the address of the contact gets no classic byte."""
    ece, bob = met()
    bob.stop()
    listener = Listener(BOB)
    say(ECE, BOB, username="Bob", ip=BOB, port=6001)
    wait_for(lambda: len(ece.users()) == 2, SECONDS, "the classic program to be heard")
    for text, options in (("in secret", {}), ("in clear", {"security": ("s", "plain")})):
        options["wait-usec"] = ("t", 0)
        assert_equal(ece.call("SendMessageFull", "ssa{sv}", "bob", text, options)[1], "queued")
    sock = listener.accept()
    sock.sendall(b'{"key":"5"}')
    got = rest_of(sock)
    assert_equal(got[:5], b"P2PC\1", "what a classic program gets")
    assert_equal(len(got), 5 + 2 + 32, "and nothing but the first message of a handshake")
    assert_equal([state_of(ece, t) for t in ("in secret", "in clear")], ["queued", "queued"])
    assert_equal({m["security"] for m in ece.history() if m["text"].startswith("in ")},
                 {"encrypted"})


class Relay:
    """Between two who never met: a session with each, and all frames are passed on."""

    def __init__(self, listener, to, address):
        self.inner = listener.peer(name="Bob", seed=SEED)
        self.inner.shake_hands()
        self.outer = dial(to, address, name="Ece")
        self.outer.shake_hands()
        self.read = []
        for a, b in ((self.inner, self.outer), (self.outer, self.inner)):
            threading.Thread(target=self.run, args=(a, b), daemon=True).start()

    def run(self, a, b):
        try:
            while True:
                kind, body = a.read_frame()
                if kind == MESSAGE:
                    self.read.append(parse(kind, body)[-1])
                b.send_frame(kind, body)
        except (EOFError, OSError):
            pass


@test
def a_man_in_the_middle():
    """From the first contact on he reads all; who compares fingerprints finds him."""
    silent = "[Lan]\nAnnounce=no\n"
    ece, bob = start(ECE, "Ece", silent), start(BOB, "Bob", silent)
    listener = Listener(EVE)
    say(ECE, EVE, username="Bob", id=id_of_seed(SEED), port=6001, p2pchat=1)
    ece.wait_user("Bob")
    queue(ece, "bob", "are you Bob?")
    relay = Relay(listener, BOB, EVE2)
    bob.wait_message("are you Bob?")
    wait_for(lambda: state_of(ece, "are you Bob?") == "delivered", SECONDS, "the delivery")
    deliver(bob, "ece", "I am")
    ece.wait_message("I am")
    assert_equal(relay.read, [b"are you Bob?", b"I am"])

    shown, expected = (d.call("GetFingerprint", "s", u)[0] for d, u in ((bob, "ece"), (ece, "bob")))
    assert_true(shown != expected, "the fingerprints differ")
    for daemon, user, digits in ((ece, "bob", shown), (bob, "ece", expected)):
        try:
            daemon.call("Verify", "ss", user, digits)
        except BusError as error:
            assert_equal(error.name, ERROR + "FingerprintMismatch")
        else:
            fail("digits of another key were taken")
    assert_equal((ece.user("Bob")["security"], bob.user("Ece")["security"]),
                 ("encrypted", "encrypted"))

    # Once the key is pinned, and the true one is shown instead, that is told, too.
    signals = ece.signals()
    real = proven(ECE, BOB, name="Bob")
    kinds = ("KeyChanged", "Namesake")
    signals.wait("Warning", lambda a: a[0] in kinds and real.id[:4] in a[1])


@test
def keys_made_to_hurt():
    """Points on which libgcrypt would abort, shown as somebody's key."""
    ece, bob = met()
    with open(POINTS, encoding="ascii") as file:
        words = [line.split() for line in file if line.startswith("refuse ")]
    # Some of each kind: no more handshakes are taken in a second.
    points = [bytes.fromhex(point) for _, point, _ in words[::len(words) // 40]]
    assert_between(len(points), 40, 60, "points")
    for i, point in enumerate(points):
        eve = dial(ECE, f"127.63.2.{i % 250 + 1}", name="Eve")
        eve.public = point
        eve.shake_hands()
        assert_equal(rest_of(eve.sock), b"", f"what is answered to {point.hex()}")
    assert_equal([u["name"] for u in ece.users()], ["Bob"])
    deliver(bob, "ece", "still there?")


# What is said

@test
def who_never_acknowledges():
    """What is not acknowledged is not delivered, and no more than a window is under way."""
    ece, bob = met()
    say(ECE, EVE, username="Eve", id=id_of_seed(SEED), p2pchat=1)
    ece.wait_user("Eve")
    for i in range(300):
        queue(ece, "eve", f"{i}")
    eve = proven(ECE, EVE, name="Eve", seed=SEED)
    stream, oldest = wait_frame(eve, HELLO)
    eve.send_resume(stream, 0)
    numbers = [wait_frame(eve, MESSAGE)[0] for _ in range(256)]
    assert_equal(numbers, list(range(1, 257)))
    # More would be on its way before what it says to a question asked now.
    eve.send_text(1, b"why is there no more?")
    assert_equal(eve.read_frame()[0], ACKNOWLEDGE, "what comes after a window")
    deliver(ece, "bob", "beside him")
    assert_equal({m["state"] for m in ece.history("eve") if m["direction"] == "sent"}, {"queued"})
    eve.sock.close()

    # In the next session he takes them.
    eve = proven(ECE, EVE, name="Eve", seed=SEED)
    assert_equal(wait_frame(eve, HELLO), (stream, 1))
    eve.send_resume(stream, 0)
    for i in range(300):
        number, _, _, text = wait_frame(eve, MESSAGE)
        assert_equal((number, text), (i + 1, b"%d" % i))
        eve.send_acknowledge(number)
    wait_for(lambda: {m["state"] for m in ece.history("eve") if m["direction"] == "sent"}
             == {"delivered"}, SECONDS, "all to be delivered")


def with_three_messages():
    """Three messages are on their way to Eve."""
    ece, bob = met()
    say(ECE, EVE, username="Eve", id=id_of_seed(SEED), p2pchat=1)
    ece.wait_user("Eve")
    for text in ("one", "two", "three"):
        queue(ece, "eve", text)
    eve = proven(ECE, EVE, name="Eve", seed=SEED)
    stream, _ = wait_frame(eve, HELLO)
    eve.send_resume(stream, 0)
    for _ in range(3):
        wait_frame(eve, MESSAGE)
    return ece, bob, eve, stream


@test
def who_acknowledges_too_much():
    """What he never got cannot be acknowledged, nor refused: the session ends, the queue stays."""
    ece, bob, eve, stream = with_three_messages()
    for kind, body in ((ACKNOWLEDGE, struct.pack(">Q", 4)), (REFUSED, struct.pack(">QB", 9, 1)),
                       (ACKNOWLEDGE, struct.pack(">Q", 2**64 - 1))):
        eve.send_frame(kind, body)
        assert_equal(frames_until_the_end(eve)[-1][0], GOODBYE)
        assert_equal({m["state"] for m in ece.history("eve")}, {"queued"})
        eve = proven(ECE, EVE, name="Eve", seed=SEED)
        assert_equal(wait_frame(eve, HELLO), (stream, 1))
        eve.send_resume(stream, 0)
        for _ in range(3):
            wait_frame(eve, MESSAGE)
    eve.send_acknowledge(3)
    wait_for(lambda: {m["state"] for m in ece.history("eve")} == {"delivered"}, SECONDS, "the end")
    deliver(ece, "bob", "beside him")


@test
def who_skips_numbers():
    """A gap ends the session, and what comes behind it is not taken."""
    ece = start(ECE, "Ece")
    eve = proven(ECE, EVE, name="Eve", seed=SEED)
    eve.send_text(1, b"one")
    eve.send_text(3, b"three")
    assert_equal(frames_until_the_end(eve)[-1][0], GOODBYE)
    for number in (0, 2**64 - 1):
        eve = proven(ECE, EVE, name="Eve", seed=SEED)
        eve.send_text(number, b"%d" % number)
        frames_until_the_end(eve)
    assert_equal(texts(ece), ["one"])
    eve = proven(ECE, EVE, name="Eve", seed=SEED)
    assert_equal(wait_frame(eve, RESUME), (STREAM, 1))


@test
def a_copied_ulid():
    """The id of a message of another is no reason not to take that of this one, nor the other's."""
    ece = start(ECE, "Ece")
    ulid = bytes(range(16))
    eve = proven(ECE, EVE, name="Eve")
    eve.send_text(1, b"of Eve", ulid)
    ece.wait_message("of Eve")
    cem = proven(ECE, EVE2, name="Cem")
    cem.send_text(1, b"of Cem", ulid)
    ece.wait_message("of Cem")
    # One's own is known, in whatever stream it comes again.
    eve.send_hello(STREAM + 1, 1)
    eve.send_text(1, b"of Eve again", ulid)
    eve.send_text(2, b"the end")
    ece.wait_message("the end")
    assert_equal(texts(ece), ["the end", "of Cem", "of Eve"])


# Room

@test
def many_keys_leave_room_for_contacts():
    """Who has many keys and addresses cannot take all links with them."""
    ece, bob = start(ECE, "Ece", "[Link]\nMaxLinks=8\n"), start(BOB, "Bob")
    ece.wait_user("Bob")
    deliver(ece, "bob", "hello")
    ece.call("EndSession", "s", "bob")
    strangers = [proven(ECE, f"127.63.4.{i + 1}", name=f"S{i}") for i in range(6)]
    for stranger in strangers:
        wait_frame(stranger, RESUME)
    late = proven(ECE, "127.63.4.7", name="Late")
    assert_equal(frames_until_the_end(late)[-1][0], GOODBYE)
    deliver(bob, "ece", "there is room")
    assert_equal(ece.call("GetStatus")[0]["sessions"], 7)


# The wire

class Recorder:
    """A socket that remembers what went out."""

    def __init__(self, sock):
        self.sock, self.sent = sock, []

    def sendall(self, data):
        self.sent.append(data)
        self.sock.sendall(data)

    def __getattr__(self, name):
        return getattr(self.sock, name)


@test
def a_session_is_replayed():
    """All bytes of somebody's session, sent again, at once or one after the other."""
    ece = start(ECE, "Ece")
    cem = dial(ECE, EVE, name="Cem")
    cem.sock = Recorder(cem.sock)
    cem.shake_hands()
    cem.send_hello(STREAM, 1)
    cem.send_text(1, b"once")
    ece.wait_message("once")
    recorded = cem.sock.sent
    cem.sock.close()
    for pieces in (recorded, [b"".join(recorded)]):
        with socket.create_connection((ECE, 6001), timeout=SECONDS,
                                      source_address=(EVE2, 0)) as sock:
            for piece in pieces:
                sock.sendall(piece)
            # Its answer to the first message, and not one byte after the third.
            size, = struct.unpack(">H", (answer := rest_of(sock))[:2])
            assert_equal(len(answer), 2 + size, "bytes of the answer")
    assert_equal(texts(ece), ["once"])
    wait_for(lambda: ece.call("GetStatus")[0]["sessions"] == 0, SECONDS, "no session")


@test
def frames_are_altered():
    """One bit of a frame, a frame twice, frames exchanged: the session ends, nothing is taken."""
    ece = start(ECE, "Ece")

    def flip(one, two):
        return [one[:20] + bytes([one[20] ^ 1]) + one[21:], two]

    for i, alter in enumerate((flip, lambda one, two: [two, one], lambda one, two: [two])):
        eve = proven(ECE, f"127.63.3.{i + 1}", name="Eve")
        packets = []
        eve.write_packet = packets.append
        eve.send_text(1, b"altered")
        eve.send_text(2, b"altered too")
        del eve.write_packet
        for packet in alter(*packets):
            eve.write_packet(packet)
        assert_not_in(ACKNOWLEDGE, [kind for kind, _ in frames_until_the_end(eve)])
    assert_equal(texts(ece), [])

    eve = proven(ECE, "127.63.3.9", name="Eve")
    packets = []
    eve.write_packet = packets.append
    eve.send_text(1, b"doubled")
    del eve.write_packet
    for packet in packets * 2:
        eve.write_packet(packet)
    frames_until_the_end(eve)
    assert_equal(texts(ece), ["doubled"])


@test
def a_stream_is_cut():
    """Half a message is none; the next session goes on behind the last whole one."""
    ece = start(ECE, "Ece")
    eve = proven(ECE, EVE, name="Eve", seed=SEED)
    eve.send_text(1, b"whole")
    ece.wait_message("whole")
    packets = []
    eve.write_packet = packets.append
    eve.send_text(2, b"cut")
    eve.sock.sendall(struct.pack(">H", len(packets[0])) + packets[0][:-1])
    eve.sock.shutdown(socket.SHUT_WR)
    frames_until_the_end(eve)
    assert_equal(texts(ece), ["whole"])

    eve = proven(ECE, EVE, name="Eve", seed=SEED)
    assert_equal(wait_frame(eve, RESUME), (STREAM, 1))
    eve.send_text(2, b"whole again")
    ece.wait_message("whole again")
    assert_equal(texts(ece), ["whole again", "whole"])


main()
