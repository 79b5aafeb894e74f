#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Foreign peers of the classic protocol and a real daemon, in every form and with every quirk"""

import json
import os
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from daemon import *  # noqa: E402,F403
from forms import FORMS  # noqa: E402
from harness import *  # noqa: E402,F403
from peer import Peer, check_both_roles, listen  # noqa: E402

US = "127.30.0.1"
BIG = 2**323 + 393  # a modulus whose public values have 98 digits


class Heard:
    """A listener of announcements, as on any machine of the network."""

    def __init__(self):
        self.items = []
        self.socket = listen("127.255.255.255", 6000, socket.SOCK_DGRAM)
        self.socket.settimeout(0.2)
        self.is_over = False
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()
        defer(self.end)

    def work(self):
        while not self.is_over:
            try:
                data, (address, _) = self.socket.recvfrom(2048)
            except TimeoutError:
                continue
            if address == US:
                self.items.append(data)

    def end(self):
        self.is_over = True
        self.thread.join()
        self.socket.close()


def daemon(config=""):
    return Daemon(Bus(), US, name="Ece", config=config)


def talk(ece, variants, secure=True, first=True, n=10):
    """One peer per variant: (name, options of the peer)."""
    peers = [Peer(US, f"127.30.0.{n + i}", name, **options)
             for i, (name, options) in enumerate(variants)]
    for p in peers:
        ece.wait_user(p.name)
    problems = []
    for p in peers:
        try:
            check_both_roles(ece, p, secure, first)
            if p.errors:
                problems.append(f"{p.name}: {p.errors}")
        except Exception as error:
            problems.append(f"{p.name}: {error}")
    if problems:
        fail("; ".join(problems))
    return ece, peers


@test
def what_we_announce():
    heard = Heard()
    ece = daemon()
    data = wait_for(lambda: heard.items, 60, "an announcement")[0]
    assert_true(data.startswith(b'{"username":"Ece"'), repr(data))
    assert_true(len(data) <= 256)
    obj = json.loads(data)
    assert_equal((obj["ip"], obj["port"], obj["ip_address"]), (US, 6001, US))
    assert_equal(obj["id"], ece.get("Id"))
    assert_equal(obj["uuid"], obj["id"])
    assert_equal(obj["p2pchat"], 1)


@test
def announcements_of_all_kinds():
    ece = daemon()
    kinds = {
        "Alone": b'{"username": "Alone"}',
        "Indented": json.dumps({"username": "Indented", "ip_address": "10.9.9.9"}, indent=4)
        .encode(),
        "Number": b'{"username":"Number","port":"6001","x":[1.5,{"y":null}]}\n',
        "Quotes": b"{'username': 'Quotes'}",
        "Zero": b'{"username": "Zero"}\0',
    }
    sockets = []
    for i, data in enumerate(kinds.values()):
        s = listen(f"127.30.1.{i + 1}", 0, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        defer(s.close)
        s.sendto(data, (US if i % 2 else "127.255.255.255", 6000))
        sockets.append(s)
    for i, name in enumerate(kinds):
        user = ece.wait_user(name)
        assert_equal(user["address"], f"127.30.1.{i + 1}")
        assert_equal((user["id"], user["security"]), ("", "legacy"))
    # Two behind one address, and one name at two addresses.
    sockets[0].sendto(b'{"username": "Second"}', (US, 6000))
    sockets[1].sendto(b'{"username": "Alone"}', (US, 6000))
    ece.wait_user("Second")
    wait_for(lambda: len([u for u in ece.users() if u["name"] == "Alone"]) == 2, 30, "two Alones")
    # Another program on the same port, and rubbish.
    sockets[2].sendto(b'{"username": "Files", "chunks": ["a_1"]}', (US, 6000))
    for rubbish in (b"", b"{", b"\xff" * 200, b'{"username": "\\u0007"}', b"[" * 1000):
        sockets[3].sendto(rubbish, (US, 6000))
    ece.wait_user("Files")
    with assert_raises(BusError) as e:
        ece.call("SendMessage", "ss", "Files", "hi")
    assert_equal(e.error.name, ERROR + "CannotChat")
    assert_equal({u["name"] for u in ece.users()}, set(kinds) | {"Second", "Files"})


@test
def every_form_of_encryption():
    talk(daemon(), [(f"P-{i}-{form[:40]}", {"form": form, "p": (19, 23)[i % 2]})
                  for i, form in enumerate(FORMS)])


@test
def the_usual_form_to_a_stranger():
    talk(daemon(), [("Usual", {}), ("Announced", {"announces": {"ip": "1.2.3.4"}})], first=False)


@test
def keys_of_all_kinds():
    talk(daemon(), [
        ("string", {}),
        ("number", {"key": "number", "strict_number": True}),
        ("bare", {"key": "bare"}),
        ("public", {"public_key": True}),
        ("public-number", {"public_key": True, "key": "number"}),
        ("group23", {"p": 23, "form": "sha256-fernet"}),
        ("number23", {"p": 23, "key": "number", "form": "sha256-aes-256-cbc"}),
        ("given23", {"p": 23, "gives_group": True}),
    ])


@test
def a_number_is_found_out():
    ece = daemon()
    strict = Peer(US, "127.30.0.60", "Strict", key="number", strict_number=True)
    ece.wait_user("Strict")
    ece.call("SendMessage", "ss", "Strict", "one")
    strict.wait_text("one", True)
    assert_equal(len(strict.errors), 1, "refused keys")
    ece.call("SendMessage", "ss", "Strict", "two")
    strict.wait_text("two", True)
    assert_equal(len(strict.errors), 1, "refused keys: it is remembered")


@test
def a_reset_is_an_answer_too():
    ece = daemon()
    strict = Peer(US, "127.30.0.64", "Abrupt", key="number", strict_number=True, resets=True)
    ece.wait_user("Abrupt")
    ece.call("SendMessage", "ss", "Abrupt", "one")
    strict.wait_text("one", True)
    assert_equal(len(strict.errors), 1, "refused keys")


@test
def keys_of_98_digits():
    ece = daemon()
    peer = Peer(US, "127.30.0.61", "Large", p=BIG, gives_group=True, key="number",
                form="sha256-fernet")
    ece.wait_user("Large")
    peer.call_secure("a large secret")
    row = ece.wait_message("a large secret")
    assert_equal(row["security"], "legacy")


@test
def spellings_of_members():
    ece, _ = talk(daemon(), [("blank", {"spelling": " "}), ("glued", {"spelling": ""})])
    talk(ece, [("blank-plain", {"spelling": " "}), ("glued-plain", {"spelling": ""}),
               ("message", {"plain_member": "message"}), ("usual", {})], secure=False, n=30)


@test
def plain_text_only_when_asked_for():
    ece, (peer,) = talk(daemon(), [("Open", {})], secure=False)
    ece.call("SendMessage", "ss", "Open", "without being asked")
    peer.wait_text("without being asked", True)


@test
def what_comes_before_the_key():
    ece = daemon()
    for n, secure in ((10, True), (30, False)):
        talk(ece, [(f"{c}-{n}", {"choice": c}) for c in ("json", "bare", "byte", "digit")],
             secure=secure, n=n)


@test
def key_and_message_on_two_connections():
    ece, _ = talk(daemon(), [("two", {"connections": 2}),
                             ("two-number", {"connections": 2, "key": "number"})])
    talk(ece, [("two-first", {"connections": 2})], first=False, n=30)


@test
def replies_on_the_same_connection():
    ece, peers = talk(daemon(), [("chatty", {"reply": "thanks for that"})], secure=False)
    row = ece.wait_message("thanks for that")
    assert_equal((row["user"], row["security"]), ("chatty", "plain"))
    # Never answered by itself: nothing but our one text came.
    assert_equal(len(peers[0].messages), 1)


@test
def plain_text_in_base64():
    ece, (wrapped,) = talk(daemon(), [("wrapped", {"wraps": True, "announces": {"uuid": "7-7"}})],
                           secure=False)
    # Not for others, whatever their text looks like.
    usual = Peer(US, "127.30.0.50", "usual")
    ece.wait_user("usual")
    usual.call_plain("TWVyaGFiYQ==")
    ece.wait_message("TWVyaGFiYQ==")


@test
def who_waits_for_a_close():
    ece = daemon()
    peer = Peer(US, "127.30.0.10", "Patient", lingers=True)
    ece.wait_user("Patient")
    peer.call_plain("are you there?")  # returns at our close
    ece.wait_message("are you there?", seconds=5)
    peer.call_secure("and secretly?")
    ece.wait_message("and secretly?", seconds=5)


@test
def long_texts_go_in_parts():
    ece, (peer,) = talk(daemon(), [("Long", {})])
    text = "ığ€😀 " * 400
    ece.call("SendMessage", "ss", "Long", text)
    parts = wait_for(lambda: "".join(t for t, _ in peer.messages[1:]) == text and peer.messages[1:],
                     120, "all parts")
    assert_true(len(parts) > 1)
    assert_equal(peer.errors, [])
    with assert_raises(BusError) as e:
        ece.call("SendMessage", "ss", "Long", "x" * 20000)
    assert_equal(e.error.name, ERROR + "TooLarge")


@test
def many_objects_at_once_and_in_pieces():
    ece = daemon()
    peer = Peer(US, "127.30.0.10", "Streams")
    ece.wait_user("Streams")
    whole = b"".join(json.dumps({"unencrypted_message": f"text {i}"}).encode() for i in range(5))
    with peer.connect() as c:
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(0, len(whole), 7):
            c.sendall(whole[i:i + 7])
    for i in range(5):
        ece.wait_message(f"text {i}")


@test
def what_cannot_be_read():
    ece = daemon()
    signals = ece.signals()
    peer = Peer(US, "127.30.0.10", "Caesar")
    ece.wait_user("Caesar")
    with peer.connect() as c:
        c.sendall(b'{"key": "13"}')
        peer.read_key(peer.read(c))
        c.sendall(b'{"encrypted_message": "Phukded"}')
        assert_equal(c.recv(100), b"", "closed")
    kind, user, sentence = signals.wait("Warning", lambda a: a[0] == "Undecryptable")
    assert_equal(user, "Caesar")
    assert_in("cannot be read", sentence)
    # Port scanners and native peers of later versions are closed without a word.
    for rubbish in (b"P2PC\1\0\0", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\1", b"{" * 5000,
                    b'{"key": "' + b"9" * 20000):
        with peer.connect() as c:
            c.sendall(rubbish)
            try:
                assert_equal(c.recv(100), b"", f"answer to {rubbish[:20]!r}")
            except ConnectionResetError:
                pass
    assert_equal(len(signals.all("Warning")), 1)
    assert_equal(ece.history(), [])
    with peer.connect() as c:
        c.sendall(b'{"unencrypted_message": "still alive?"}')
    ece.wait_message("still alive?")


@test
def who_answers_no_key():
    """Nothing secure reaches it, and we do not fall back to plain text."""

    ece = daemon()
    peer = Peer(US, "127.30.0.10", "Mute", no_key=True)
    ece.wait_user("Mute")
    signals = ece.signals()
    ident, _ = ece.call("SendMessage", "ss", "Mute", "secret")
    ece.call("SendMessageFull", "ssa{sv}", "Mute", "open", {"security": ("s", "plain")})
    state = signals.wait("MessageStateChanged",
                         lambda a: a[0] == ident and a[1] != "queued", seconds=120)
    assert_equal(state[1:], ("failed", "NotSecure"))
    assert_true(any('"key": "' in e for e in peer.errors), "a key as a string was tried")
    assert_true(any('"key": "' not in e for e in peer.errors), "a key as a number was tried")
    peer.wait_text("open", False, 120)
    assert_true(("secret", False) not in peer.messages, "the secret did not go in plain text")


main()
