# SPDX-License-Identifier: LGPL-2.1-or-later
"""A native peer in Python, made of foreign cryptography: for talks, and for attacks

    peer = NativePeer(sock, dialler=True, name="Mallory")
    peer.shake_hands()
    peer.send_text(1, b"hi")
    for kind, body in peer.frames(): ...

Needs Debian's python3-dissononce and python3-cryptography. Every step may be overridden or called
on its own, so that a test can break any rule. tests/interop/document_peer.py is another one,
which keeps the rules, written from doc/protocol.md alone; it checks that document, so they share no
code.
"""
import base64
import hashlib
import os
import struct

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import (Ed25519PrivateKey,
                                                               Ed25519PublicKey)
from foreign_noise import Peer

PROLOGUE = b"P2PC\x01"
HELLO, RESUME, ACKNOWLEDGE, REFUSED, GOODBYE, MESSAGE = 1, 2, 3, 4, 5, 0x80
ROTATION_MESSAGES = 8
ROTATION_OTHER_SIZE = 64 * 1024 * 1024


def raw_public(key):
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def id_of(public_key):
    digest = hashlib.sha256(public_key).digest()[:16]
    return base64.b32encode(digest).decode().lower().rstrip("=")


class Flow:
    """One direction: when does its key change?"""

    def __init__(self):
        self.messages = self.other_size = self.rotations = 0

    def count(self, frame):
        if frame[0] >= MESSAGE:
            self.messages += 1
            rotate = self.messages % ROTATION_MESSAGES == 0
        else:
            self.other_size += len(frame)
            rotate = self.other_size >= ROTATION_OTHER_SIZE
            self.other_size = 0 if rotate else self.other_size
        self.rotations += rotate
        return rotate


class NativePeer:
    def __init__(self, sock, dialler, name="Bob", seed=None, port=6001, features=0, run=1):
        self.sock, self.dialler = sock, dialler
        self.name, self.port, self.features, self.run = name, port, features, run
        self.key = Ed25519PrivateKey.from_private_bytes(seed or os.urandom(32))
        self.public = raw_public(self.key.public_key())
        self.id = id_of(self.public)
        self.noise = Peer(dialler, PROLOGUE)
        self.sent, self.received = Flow(), Flow()
        self.peer_public = self.peer = None

    # Packets: two bytes of length in front of each message of Noise.
    def read_exactly(self, size):
        data = b""
        while len(data) < size:
            piece = self.sock.recv(size - len(data))
            if not piece:
                raise EOFError(f"closed after {len(data)} of {size} bytes")
            data += piece
        return data

    def read_packet(self):
        return self.read_exactly(struct.unpack(">H", self.read_exactly(2))[0])

    def write_packet(self, data):
        self.sock.sendall(struct.pack(">H", len(data)) + data)

    # Introductions: who we are, signed for this one conversation.
    def introduction(self, hash_before):
        name = self.name.encode()
        body = (self.public + struct.pack(">H", len(name)) + name
                + struct.pack(">HQQ", self.port, self.features, self.run))
        return body + self.key.sign(self.signed(self.dialler, hash_before,
                                                self.noise.static.public.data, body))

    @staticmethod
    def signed(dialler, hash_before, static, body):
        role = b"initiator" if dialler else b"responder"
        return b"p2pchat/1 " + role + b"\0" + hash_before + static + body

    def check(self, payload, hash_before):
        body, signature = payload[:-64], payload[-64:]
        self.peer_public = body[:32]
        Ed25519PublicKey.from_public_bytes(self.peer_public).verify(
            signature, self.signed(not self.dialler, hash_before, self.noise.handshake.rs.data,
                                   body))
        size, = struct.unpack(">H", body[32:34])
        self.peer = (id_of(self.peer_public), body[34:34 + size].decode(),
                     *struct.unpack(">HQQ", body[34 + size:34 + size + 18]))

    def shake_hands(self):
        if self.dialler:
            self.sock.sendall(PROLOGUE)
            self.write_packet(self.noise.write(b""))
            self.check(*self.noise.read_with_hash(self.read_packet()))
            self.write_packet(self.noise.write_with_hash(self.introduction))
        else:
            assert self.read_exactly(len(PROLOGUE)) == PROLOGUE
            assert self.noise.read(self.read_packet()) == b""
            self.write_packet(self.noise.write_with_hash(self.introduction))
            self.check(*self.noise.read_with_hash(self.read_packet()))

    # Frames
    def send_frame(self, kind, body=b""):
        frame = bytes([kind]) + body
        self.write_packet(self.noise.seal(frame))
        if self.sent.count(frame):
            self.noise.send.rekey()

    def read_frame(self):
        frame = self.noise.open(self.read_packet())
        if self.received.count(frame):
            self.noise.receive.rekey()
        return frame[0], frame[1:]

    def send_text(self, number, text, ulid=None, time_usec=0):
        self.send_frame(MESSAGE, struct.pack(">Q", number) + (ulid or os.urandom(16))
                        + struct.pack(">Q", time_usec) + text)

    def send_hello(self, stream, oldest):
        self.send_frame(HELLO, struct.pack(">QQ", stream, oldest))

    def send_resume(self, stream, mark):
        self.send_frame(RESUME, struct.pack(">QQ", stream, mark))

    def send_acknowledge(self, number):
        self.send_frame(ACKNOWLEDGE, struct.pack(">Q", number))

    def send_goodbye(self, reason=1):
        self.send_frame(GOODBYE, bytes([reason]))


def parse(kind, body):
    """The numbers of a frame, and for a message number, ULID, time and text."""
    if kind in (HELLO, RESUME):
        return struct.unpack(">QQ", body)
    if kind == ACKNOWLEDGE:
        return struct.unpack(">Q", body)
    if kind == REFUSED:
        return struct.unpack(">QB", body)
    if kind == GOODBYE:
        return struct.unpack(">B", body)
    if kind == MESSAGE:
        return (*struct.unpack(">Q16sQ", body[:32]), body[32:])
    return ()
