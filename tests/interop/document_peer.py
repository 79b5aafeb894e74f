# SPDX-License-Identifier: LGPL-2.1-or-later
"""A second implementation of native sessions, written from doc/protocol.md alone

It checks that document, and so it shares no code with the daemon, nor with the peer that breaks
rules for the attack tests (tests/lib/native_peer.py). What it has to guess the document does not
say. The Noise handshake is spelt out here for the same reason.

    me = Identity("Bob")
    with Session.dial(me, ("127.0.0.2", 6001)) as session:
        session.begin()                      # hello and resume, both ways
        session.say("hello")                 # until it is acknowledged
        session.listen(lambda: me.heard)     # until somebody has said something

What must outlive a connection (numbers, what was heard, what is not acknowledged) is in Identity.
"""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import socket
import struct
import time

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PROLOGUE = b"P2PC\x01"
NOISE = b"Noise_XX_25519_ChaChaPoly_SHA256"

HELLO, RESUME, ACKNOWLEDGE, REFUSED, GOODBYE = 1, 2, 3, 4, 5
MESSAGE = 128
FIRST_MESSAGE_TYPE = 128

REKEY_MESSAGES, REKEY_OTHER_BYTES = 8, 64 << 20
UNDER_WAY_MAX = 256


class Broken(Exception):
    """The other side did not keep to the protocol."""


class Ended(Exception):
    """The connection is over; .reason is that of a goodbye, or None."""

    def __init__(self, reason=None):
        super().__init__(f"goodbye {reason}" if reason is not None else "end of file")
        self.reason = reason


def raw(public):
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)


def id_of(public):
    """An id: the first half of SHA-256 of the public key, in base32."""
    return base64.b32encode(hashlib.sha256(public).digest()[:16]).decode().rstrip("=").lower()


P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P


def check_key(public):
    """Refuses Ed25519 keys that no honest one has."""
    y = int.from_bytes(public, "little") & (1 << 255) - 1
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or x * x % P != square:
        raise Broken("the key is no point of the curve")
    if min(x, P - x, y) < 2**192:
        raise Broken("a coordinate of the key is too small")
    for _ in range(3):
        t = D * x * x * y * y
        x, y = (2 * x * y * pow(1 + t, -1, P) % P, (y * y + x * x) * pow(1 - t, -1, P) % P)
    if (x, y) == (0, 1):
        raise Broken("the key is of low order")


class Identity:
    """Who we are, and what a process has to remember of its conversation with one other."""

    def __init__(self, name, port=6001):
        self.name, self.port = name, port
        self.key = Ed25519PrivateKey.generate()
        self.public = raw(self.key.public_key())
        self.id = id_of(self.public)
        self.static = X25519PrivateKey.generate()
        self.features = 0
        self.later = b""  # what a later version says behind the proof's last field
        self.run = os.urandom(8)
        self.stream = os.urandom(8)
        self.next_number = 1
        self.waiting = {}  # number: frame, not acknowledged
        self.highest = {}  # the other side's streams: highest number here
        self.heard = []  # (number, ulid, text)
        self.refusals = {}  # number of ours: reason

    def announcement(self):
        return json.dumps({"username": self.name, "ip": "0.0.0.0", "port": self.port,
                           "id": self.id, "p2pchat": 1}, ensure_ascii=False).encode()

    def new_message(self, text, ulid=None):
        number, self.next_number = self.next_number, self.next_number + 1
        ulid = ulid or struct.pack(">Q", time.time_ns() // 1_000_000)[2:] + os.urandom(10)
        self.waiting[number] = struct.pack(">BQ16sQ", MESSAGE, number, ulid,
                                           time.time_ns() // 1000) + text.encode()
        return number

    def acknowledged(self, number):
        if number >= self.next_number:
            raise Broken(f"{number} was acknowledged and never sent")
        self.waiting = {n: f for n, f in self.waiting.items() if n > number}


class Cipher:
    """One direction: a key, a nonce that goes on, and what counts towards the next key."""

    def __init__(self, key):
        self.key, self.nonce, self.messages, self.others, self.rekeys = key, 0, 0, 0, 0

    def _nonce(self):
        self.nonce += 1
        return struct.pack("<4xQ", self.nonce - 1)

    def seal(self, plain, ad=b""):
        return ChaCha20Poly1305(self.key).encrypt(self._nonce(), plain, ad)

    def open(self, sealed, ad=b""):
        try:
            return ChaCha20Poly1305(self.key).decrypt(self._nonce(), sealed, ad)
        except InvalidTag:
            raise Broken("a message does not open") from None

    def rekey(self):
        """Rekey() of Noise: the zeros sealed with the largest nonce."""
        last = struct.pack("<4xQ", 2**64 - 1)
        self.key = ChaCha20Poly1305(self.key).encrypt(last, bytes(32), b"")[:32]
        self.rekeys += 1

    def passed(self, frame):
        """After each frame, which itself is still under the old key."""
        if frame[0] >= FIRST_MESSAGE_TYPE:
            self.messages += 1
            if self.messages % REKEY_MESSAGES == 0:
                self.rekey()
            return
        self.others += len(frame)
        if self.others >= REKEY_OTHER_BYTES:
            self.others = 0
            self.rekey()


class Handshake:
    """Noise XX, with the proof of identity in messages 2 and 3."""

    def __init__(self, me, initiator):
        self.me, self.initiator = me, initiator
        self.ephemeral = X25519PrivateKey.generate()
        self.chain = self.hash = NOISE  # 32 bytes, so it is its own hash
        self.cipher = None
        self.mix_hash(PROLOGUE)

    def mix_hash(self, data):
        self.hash = hashlib.sha256(self.hash + data).digest()

    @staticmethod
    def derive(chain, secret):
        key = hmac.digest(chain, secret, "sha256")
        one = hmac.digest(key, b"\x01", "sha256")
        return one, hmac.digest(key, one + b"\x02", "sha256")

    def mix_key(self, ours, theirs):
        try:
            secret = ours.exchange(X25519PublicKey.from_public_bytes(theirs))
        except ValueError:
            raise Broken("X25519 gave zeros") from None
        self.chain, key = self.derive(self.chain, secret)
        self.cipher = Cipher(key)

    def seal(self, plain):
        sealed = self.cipher.seal(plain, self.hash) if self.cipher else plain
        self.mix_hash(sealed)
        return sealed

    def open(self, sealed):
        plain = self.cipher.open(sealed, self.hash) if self.cipher else sealed
        self.mix_hash(sealed)
        return plain

    def put_e(self):
        public = raw(self.ephemeral.public_key())
        self.mix_hash(public)
        return public

    def put_s(self):
        return self.seal(raw(self.me.static.public_key()))

    def signed(self, role, static, payload):
        return b"p2pchat/1 " + role + b"\0" + self.hash + static + payload

    def proof(self):
        """The payload of our message."""
        name = self.me.name.encode()
        payload = (self.me.public + struct.pack(">H", len(name)) + name
                   + struct.pack(">HQ", self.me.port, self.me.features) + self.me.run
                   + self.me.later)
        role = b"initiator" if self.initiator else b"responder"
        return payload + self.me.key.sign(
            self.signed(role, raw(self.me.static.public_key()), payload))

    def check(self, payload, before, static):
        """The payload of theirs; @before: the hash just before it was sealed."""
        body, signature = payload[:-64], payload[-64:]
        role = b"responder" if self.initiator else b"initiator"
        check_key(body[:32])
        Ed25519PublicKey.from_public_bytes(body[:32]).verify(
            signature, b"p2pchat/1 " + role + b"\0" + before + static + body)
        length, = struct.unpack_from(">H", body, 32)
        self.peer_public = body[:32]
        self.peer_id = id_of(self.peer_public)
        self.peer_name = body[34:34 + length].decode()
        self.peer_port, self.peer_features, self.peer_run = struct.unpack_from(
            ">HQ8s", body, 34 + length)

    def run(self, read, write):
        """Returns the ciphers (ours, theirs)."""
        if self.initiator:
            write(self.put_e() + self.seal(b""))
            message = read()
            theirs, rest = message[:32], message[32:]
            self.mix_hash(theirs)
            self.mix_key(self.ephemeral, theirs)
            static = self.open(rest[:48])
            self.mix_key(self.ephemeral, static)
            before = self.hash
            self.check(self.open(rest[48:]), before, static)
            sealed = self.put_s()
            self.mix_key(self.me.static, theirs)
            write(sealed + self.seal(self.proof()))
        else:
            message = read()
            theirs = message[:32]
            self.mix_hash(theirs)
            if self.open(message[32:]):
                raise Broken("message 1 has a payload")
            public = self.put_e()
            self.mix_key(self.ephemeral, theirs)
            sealed = self.put_s()
            self.mix_key(self.me.static, theirs)
            write(public + sealed + self.seal(self.proof()))
            message = read()
            static = self.open(message[:48])
            self.mix_key(self.ephemeral, static)
            before = self.hash
            self.check(self.open(message[48:]), before, static)
        first, second = map(Cipher, self.derive(self.chain, b""))
        return (first, second) if self.initiator else (second, first)


class Session:
    """A connection whose other side has proven who it is."""

    def __init__(self, me, connection, initiator, seconds=20):
        self.me, self.socket = me, connection
        self.resumed = False
        self.skipped = []  # frames of types that we do not know
        connection.settimeout(seconds)
        if initiator:
            connection.sendall(PROLOGUE)
        elif self.read_exactly(len(PROLOGUE)) != PROLOGUE:
            raise Broken("no native session")
        self.handshake = Handshake(me, initiator)
        self.ours, self.theirs = self.handshake.run(self.read, self.write)

    @classmethod
    def dial(cls, me, endpoint, source=None, **kwargs):
        return cls(me, socket.create_connection(endpoint, 20, source), True, **kwargs)

    @classmethod
    def accept(cls, me, listener, **kwargs):
        return cls(me, listener.accept()[0], False, **kwargs)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.cut()

    def cut(self):
        self.socket.close()

    # Noise messages: two bytes of length in front

    def read_exactly(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise Ended()
            data += more
        return data

    def read(self):
        return self.read_exactly(struct.unpack(">H", self.read_exactly(2))[0])

    def write(self, message):
        self.socket.sendall(struct.pack(">H", len(message)) + message)

    # Frames

    def send(self, frame):
        self.write(self.ours.seal(frame))
        self.ours.passed(frame)

    def receive(self):
        frame = self.theirs.open(self.read())
        self.theirs.passed(frame)
        return frame

    def hello(self):
        oldest = min(self.me.waiting, default=self.me.next_number)
        self.send(struct.pack(">B8sQ", HELLO, self.me.stream, oldest))

    def begin(self):
        self.hello()
        self.listen(lambda: self.resumed and hasattr(self, "stream"))

    def listen(self, until):
        while not until():
            self.take(self.receive())

    def say(self, text):
        """Returns when the other side has it on its disk."""
        number = self.me.new_message(text)
        self.send(self.me.waiting[number])
        self.listen(lambda: number not in self.me.waiting)
        return number

    def goodbye(self, reason=1):
        self.send(bytes([GOODBYE, reason]))

    def take(self, frame):
        type, body = frame[0], frame[1:]
        if type == HELLO:
            self.take_hello(*struct.unpack(">8sQ", body))
        elif type == RESUME:
            self.take_resume(*struct.unpack(">8sQ", body))
        elif type == ACKNOWLEDGE:
            self.me.acknowledged(*struct.unpack(">Q", body))
        elif type == REFUSED:
            number, reason = struct.unpack(">QB", body)
            self.me.refusals[number] = reason
            self.me.waiting.pop(number, None)
        elif type == GOODBYE:
            raise Ended(*struct.unpack(">B", body))
        elif type == MESSAGE:
            number, ulid, _ = struct.unpack_from(">Q16sQ", body)
            self.take_message(number, ulid, body[32:].decode())
        else:
            self.skipped.append(frame)

    def take_hello(self, stream, oldest):
        self.stream = stream
        self.me.highest[stream] = max(self.me.highest.get(stream, 0), oldest - 1)
        self.send(struct.pack(">B8sQ", RESUME, stream, self.me.highest[stream]))

    def take_resume(self, stream, highest):
        if stream != self.me.stream:
            raise Broken("resume of another stream")
        self.me.acknowledged(highest)
        self.resumed = True
        for number in sorted(self.me.waiting)[:UNDER_WAY_MAX]:
            self.send(self.me.waiting[number])

    def take_message(self, number, ulid, text):
        highest = self.me.highest[self.stream]
        if number > highest + 1:
            raise Broken(f"{number} after {highest}")
        if number == highest + 1:
            self.me.heard.append((number, ulid, text))
            self.me.highest[self.stream] = number
        self.acknowledge(number)

    def acknowledge(self, number):
        self.send(struct.pack(">BQ", ACKNOWLEDGE, number))


@contextlib.contextmanager
def listening(address, port=6001):
    with socket.create_server((address, port)) as listener:
        listener.settimeout(30)
        yield listener


def announce(me, source, to):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind((source, 0))
        udp.sendto(me.announcement(), to)
