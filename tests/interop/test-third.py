#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Foreign nodes of the third dialect ([Legacy] NodePort=) and a real daemon"""

import os
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from daemon import *  # noqa: E402,F403
from harness import *  # noqa: E402,F403
from node_peer import Node, make_id  # noqa: E402

US, PORT = "127.30.0.1", 9100
THEM, THEIRS = "127.30.0.20", 9200
CONFIG = f"[Legacy]\nNodePort={PORT}\n"


def daemon(config=""):
    return Daemon(Bus(), US, name="Ece", config=CONFIG + config)


def send(ece, word, text, security="plain"):
    return ece.call("SendMessageFull", "ssa{sv}", word, text, {"security": ("s", security)})


def wait_state(ece, text, state):
    wait_for(lambda: [m for m in ece.history() if m["text"] == text and m["state"] == state], 90,
             f"{text!r} to be {state}")


def name_of(node):
    return node.id[:16]


@test
def who_calls_is_a_user():
    ece = daemon()
    node = Node(THEM, THEIRS)
    connection = node.connect(US, PORT)
    assert_equal(connection.id, ece.get("Id"))
    assert_in("third", ece.get("Features"))
    user = ece.wait_user(name_of(node))
    assert_equal((user["address"], user["id"], user["security"], user["state"]),
                 (f"{THEM}:{THEIRS}", "", "plain", "online"))

    # Nothing secure exists there, so nothing is sent unless it is asked for.
    with assert_raises(BusError) as e:
        ece.call("SendMessage", "ss", name_of(node), "not like this")
    assert_equal(e.error.name, ERROR + "NotSecure")
    assert_in("plain text", e.error.sentence)
    id_, state = send(ece, f"{name_of(node)}@{THEM}", "but so: \"ığüşöç\"\n€")
    assert_equal(state, "sent")
    node.wait_packet({"message": "but so: \"ığüşöç\"\n€"})
    assert_equal([p for _, p in node.packets], [{"message": "but so: \"ığüşöç\"\n€"}])


@test
def what_comes_is_a_message():
    ece = daemon()
    signals = ece.signals()
    node = Node(THEM, THEIRS)
    connection = node.connect(US, PORT)
    for text, packet, compression in (
            ("Hi there!", {"message": "Hi there!"}, None),
            ("just text", "just text", None),
            ("ığüşöç in zlib", {"message": "ığüşöç in zlib"}, "zlib"),
            ("text in zlib", "text in zlib", "zlib")):
        connection.send(packet, compression)
        row = ece.wait_message(text)
        assert_equal((row["user"], row["security"], row["direction"], row["state"]),
                     (name_of(node), "plain", "received", "received"))
    signals.wait("MessageReceived", lambda args: "Hi there!" in args)

    # Not for people; empty; then three at once, one of them in pieces.
    connection.send({"block": 17, "hashes": [1, 2, 3]})
    connection.send_raw(b"\x04\x04one\x04{\"message\": \"two\"}\x04thr")
    time.sleep(0.2)
    connection.send_raw(b"ee\x04")
    for text in ("one", "two", "three"):
        ece.wait_message(text)
    assert_equal(len(ece.history()), 7)


@test
def compressions_that_are_not_understood():
    ece = daemon()
    signals = ece.signals()
    node = Node(THEM, THEIRS)
    node.connect(US, PORT).send({"message": "x"}, "bzip2")
    signals.wait("Warning", lambda args: "bzip2 or lzma" in args[2])
    node.connect(US, PORT).send({"message": "x"}, "lzma")
    node.connect(US, PORT).send({"message": "x" * 5_000_000}, "zlib")
    signals.wait("Warning", lambda args: "too large" in args[2])
    assert_equal(ece.history(), [])


@test
def called_by_name():
    ece = daemon()
    node = Node(THEM, THEIRS)
    connection = node.connect(US, PORT)
    ece.wait_user(name_of(node))
    connection.send({"message": "I am", "username": "Nora"})
    assert_equal(ece.wait_message("I am")["user"], "Nora")
    ece.wait_user("Nora")
    assert_equal(len(ece.users()), 1, "rows")

    # The program starts anew, with another id; the port is the same.
    node.stop()
    node = Node(THEM, THEIRS, make_id("another"))
    node.connect(US, PORT)
    assert_equal(send(ece, "Nora", "same port")[1], "sent")
    node.wait_packet({"message": "same port"})
    assert_equal(len(ece.users()), 1, "rows")

    # And again, at another port: until it says its name it is somebody else.
    node.stop()
    node = Node(THEM, THEIRS + 1, make_id("a third"))
    connection = node.connect(US, PORT)
    ece.wait_user(name_of(node))
    connection.send({"message": "me again", "username": "Nora"})
    assert_equal(ece.wait_message("me again")["user"], "Nora")
    assert_equal([u["name"] for u in ece.users()], ["Nora"])


@test
def written_to_when_it_is_not_connected():
    ece = daemon()
    node = Node(THEM, THEIRS, greets={"message": "welcome"})
    connection = node.connect(US, PORT)
    ece.wait_user(name_of(node))
    connection.close()
    wait_for(lambda: not node.connections, 60, "the connection to end")

    # We call the port that it told.
    send(ece, name_of(node), "are you there?")
    node.wait_packet({"message": "are you there?"})
    wait_state(ece, "are you there?", "sent")
    assert_equal(node.greetings, [f"{ece.get('Id')}:{PORT}"])
    # Its greeting came together with its id.
    assert_equal(ece.wait_message("welcome")["user"], name_of(node))
    assert_equal(len(ece.users()), 1, "rows")

    # On the same connection; then there is none, and nobody listens; then it calls.
    send(ece, name_of(node), "still there?")
    node.wait_packet({"message": "still there?"})
    assert_equal(len(node.greetings), 1)
    node.stop()
    assert_equal(send(ece, name_of(node), "come back")[1], "queued")
    ece.restart()
    node.connect(US, PORT)
    node.wait_packet({"message": "come back"})
    wait_state(ece, "come back", "sent")


@test
def an_older_one():
    ece = daemon()
    node = Node(THEM, THEIRS, is_old=True)
    connection = node.connect(US, PORT)
    user = ece.wait_user(name_of(node))
    assert_equal(user["address"], THEM)
    connection.send("from an old one")
    ece.wait_message("from an old one")
    assert_equal(send(ece, name_of(node), "to an old one")[1], "sent")
    node.wait_packet({"message": "to an old one"})
    connection.close()
    wait_for(lambda: not node.connections, 60, "the connection to end")

    # It told no port: what waits goes when it is back.
    assert_equal(send(ece, name_of(node), "later")[1], "queued")
    # It reads our id late, and what it reads then is the id.
    connection = node.connect(US, PORT, pause=0.4)
    assert_equal(connection.id, ece.get("Id"))
    node.wait_packet({"message": "later"})


@test
def long_and_many():
    ece = daemon()
    node = Node(THEM, THEIRS)
    node.connect(US, PORT)
    ece.wait_user(name_of(node))
    texts = [f"{i} " + "ğ\"" * 20000 if i % 5 == 0 else f"text {i}" for i in range(20)]
    for text in texts:
        send(ece, name_of(node), text)
    for text in texts:
        node.wait_packet({"message": text})
    assert_equal([p["message"] for _, p in node.packets], texts)
    wait_state(ece, texts[-1], "sent")


@test
def nodes_that_are_called():
    node = Node(THEM, THEIRS, connections_max=1)
    ece = daemon(f"NodePeers={THEM}:{THEIRS} 127.30.0.21:9300\n")
    ece.wait_user(name_of(node))
    assert_equal(node.greetings, [f"{ece.get('Id')}:{PORT}"])
    # It does not notice the end of a file, and would have no place for another connection.
    ece.restart()
    ece.wait_user(name_of(node))
    wait_for(lambda: len(node.greetings) == 2, 60, "another call")
    assert_equal(send(ece, name_of(node), "first word")[1], "sent")
    node.wait_packet({"message": "first word"})

    # One that comes later, and one that goes and comes again.
    late = Node("127.30.0.21", 9300)
    ece.wait_user(name_of(late))
    node.stop()
    node = Node(THEM, THEIRS)
    wait_for(lambda: node.greetings, 60, "another call")
    assert_equal(send(ece, name_of(node), "again")[1], "sent")
    node.wait_packet({"message": "again"})


@test
def blocked():
    ece = daemon()
    node = Node(THEM, THEIRS)
    node.connect(US, PORT)
    ece.wait_user(name_of(node))
    ece.call("Block", "s", name_of(node))
    wait_for(lambda: not node.connections, 60, "the connection to end")
    with assert_raises(Failure):
        node.connect(US, PORT)
    with assert_raises(Failure):
        Node(THEM, THEIRS + 1).connect(US, PORT)
    ece.call("Unblock", "s", name_of(node))
    node.connect(US, PORT)


@test
def what_is_no_node():
    ece = daemon()
    node = Node(THEM, THEIRS)
    connection = node.connect(US, PORT)
    ece.wait_user(name_of(node))
    for data in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"\x04\x04", b":80",
                 b"\xff\xfe", b"x" * 300, ece.get("Id").encode() + b":9100"):
        with socket.create_connection((US, PORT), timeout=60,
                                      source_address=("127.30.0.30", 0)) as s:
            s.sendall(data)
            try:
                assert_equal(s.recv(100), b"", repr(data))
            except ConnectionResetError:
                pass
    assert_equal([u["name"] for u in ece.users()], [name_of(node)])
    connection.send("still here")
    ece.wait_message("still here")
    with assert_raises(Failure):  # ourselves
        Node(THEM, THEIRS + 1, ece.get("Id")).connect(US, PORT)


@test
def too_many_connections():
    ece = daemon("[Link]\nMaxStrangers=8\nMaxLinksPerAddress=3\n")
    nodes = [Node(f"127.30.1.{i}", THEIRS) for i in range(1, 5)]
    for node in nodes:
        node.connect(US, PORT)
        ece.wait_user(name_of(node))
    with assert_raises(Failure):
        Node("127.30.1.9", THEIRS).connect(US, PORT)
    # The others have places of their own.
    with socket.create_connection((US, 6001), timeout=60, source_address=("127.30.1.9", 0)) as s:
        s.sendall(b'{"unencrypted_message": "from the first dialect"}')
        ece.wait_message("from the first dialect")
    nodes[0].connections[0].send("from the third")
    ece.wait_message("from the third")


@test
def turned_off():
    ece = Daemon(Bus(), US, name="Ece", config=f"[Legacy]\nNodePeers={THEM}:{THEIRS}\n")
    node = Node(THEM, THEIRS)
    with assert_raises(OSError):
        node.connect(US, PORT)
    assert_in("NodePeers= is ignored", ece.errors())
    assert_equal(node.greetings, [])


main()
