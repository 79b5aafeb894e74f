#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Foreign peers of the second dialect (UDP 6004) and a real daemon"""

import json
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from daemon import *  # noqa: E402,F403
from harness import *  # noqa: E402,F403
from peer import Peer, check_both_roles, listen  # noqa: E402

US = "127.30.0.1"


class SecondPeer(Peer):
    """As published: plain text inside encrypted_message, one connection per message, nothing
    answers a key, and once it got one it drops every encrypted message."""

    announce_port = 6004

    def __init__(self, *args, port=5500, **kwargs):
        self.got_key = False
        super().__init__(*args, port=port, form="sha256-fernet", p=23, **kwargs)

    def announcement(self):
        return {"username": self.name, "ip": self.address, "port": self.port}

    def answer(self, connection, address):
        obj = json.loads(self.read(connection))
        if "key" in obj:
            self.got_key = True
        elif "encrypted_message" in obj:
            if not self.got_key:
                self.take(obj["encrypted_message"], False)
        elif "chat_request" in obj:
            connection.sendall(b'{"chat_request": "accept"}')
        else:
            self.take(obj["unencrypted_message"], False)

    def call_plain(self, text):
        with self.connect() as connection:
            connection.sendall(json.dumps({"encrypted_message": text}).encode())

    def request(self):
        with self.connect() as connection:
            connection.sendall(json.dumps({"chat_request": self.name}).encode())
            return json.loads(self.read(connection))


def daemon(config=""):
    return Daemon(Bus(), US, name="Ece", config=config)


@test
def what_we_announce():
    listener = listen("127.255.255.255", 6004, socket.SOCK_DGRAM)
    defer(listener.close)
    listener.settimeout(60)
    ece = daemon()
    data, (address, _) = listener.recvfrom(2048)
    obj = json.loads(data)
    assert_equal((address, obj["username"], obj["ip"], obj["port"], obj["id"]),
                 (US, "Ece", US, 6001, ece.get("Id")))


@test
def both_ways_in_plain_text():
    ece = daemon()
    peer = SecondPeer(US, "127.30.0.10", "Second")
    user = ece.wait_user("Second")
    assert_equal(user["address"], "127.30.0.10:5500")
    assert_equal(peer.request(), {"chat_request": "accept"})
    peer.call_plain("in plain words")
    row = ece.wait_message("in plain words")
    assert_equal((row["user"], row["security"]), ("Second", "plain"))

    # Nothing secure exists there, so nothing is sent unless it is asked for.
    with assert_raises(BusError) as e:
        ece.call("SendMessage", "ss", "Second", "not like this")
    assert_equal(e.error.name, ERROR + "NotSecure")
    ece.call("SendMessageFull", "ssa{sv}", "Second", "but so",
             {"security": ("s", "plain")})
    peer.wait_text("but so", False)
    assert_false(peer.got_key, "a key was sent")
    wait_for(lambda: [m for m in ece.history() if m["text"] == "but so" and m["state"] == "sent"],
             60, "it to be sent")
    assert_equal(peer.errors, [])
    assert_equal([t for t, _ in peer.messages], ["but so"])


@test
def encrypted_as_its_description_intends():
    ece = daemon()
    peer = SecondPeer(US, "127.30.0.10", "Second")
    ece.wait_user("Second")
    Peer.call_secure(peer, "with a key")
    assert_equal(ece.wait_message("with a key")["security"], "legacy")


@test
def one_peer_in_both_dialects():
    ece = daemon()
    peer = Peer(US, "127.30.0.10", "Both")
    SecondPeer(US, "127.30.0.10", "Both")
    ece.wait_user("Both")
    check_both_roles(ece, peer)
    assert_equal(len(ece.users()), 1, "rows")


@test
def turned_off():
    ece = daemon("[Legacy]\nSecond=no\n")
    SecondPeer(US, "127.30.0.10", "Second")
    Peer(US, "127.30.0.11", "First")
    ece.wait_user("First")
    assert_equal(ece.user("Second"), None)


main()
